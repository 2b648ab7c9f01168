//! Do two builds understand each other? The answer to a hello, and the sentence that explains a no.

use crate::{DecodeError, EPOCH, FINGERPRINT, HELLO_VERSION, Hello, HelloEpochs, KERNEL_VERSION, Refusal};

/// What a hello led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// For the machine.
    pub reason: Refusal,
    /// For the person in front of it.
    pub text: String,
}

/// The hello of this build for a new player, without hashes: fill in what the client has.
#[must_use]
pub fn hello(build: &str) -> Hello {
    Hello {
        hello_version: HELLO_VERSION,
        kernel_version: KERNEL_VERSION,
        epochs: vec![HelloEpochs { epoch: EPOCH, fingerprint: FINGERPRINT }],
        build: build.to_owned(),
        ..Hello::default()
    }
}

/// Reads a hello and finds a wire epoch in common.
///
/// # Errors
/// [`Refused`] with a text that names both sides' epochs when nothing fits.
pub fn judge(bytes: &[u8]) -> Result<Hello, Refused> {
    let hello = Hello::decode(bytes).map_err(|error: DecodeError| Refused {
        reason: Refusal::BadHello,
        text: format!("{error}; this zone expects hello version {HELLO_VERSION}"),
    })?;
    if hello.epochs.iter().any(|one| (one.epoch, one.fingerprint) == (EPOCH, FINGERPRINT)) {
        return Ok(hello);
    }
    Err(Refused { reason: Refusal::Epoch, text: difference(&hello) })
}

fn difference(hello: &Hello) -> String {
    let mut text = format!("this zone speaks epoch {EPOCH} with fingerprint {FINGERPRINT:016x}; ");
    match hello.epochs.iter().find(|one| one.epoch == EPOCH) {
        Some(one) => {
            text += &format!(
                "your build {:?} calls epoch {EPOCH} what has fingerprint {:016x}: same number, other layout. \
             Compare with `arcanectl proto diff`, or build the client from the zone's commit",
                hello.build, one.fingerprint
            );
        }
        None if hello.epochs.is_empty() => text += &format!("your build {:?} names no epoch", hello.build),
        None => {
            let theirs: Vec<String> = hello.epochs.iter().map(|one| one.epoch.to_string()).collect();
            let newest = hello.epochs.iter().map(|one| one.epoch).max().unwrap_or(0);
            let advice = if newest < EPOCH { "update the client" } else { "update the zone" };
            text += &format!("your build {:?} reads epoch {}: {advice}", hello.build, theirs.join(", "));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal_of(hello: &Hello) -> Refused {
        let mut bytes = Vec::new();
        hello.encode(&mut bytes);
        judge(&bytes).unwrap_err()
    }

    #[test]
    fn our_own_hello_is_understood() {
        let mut bytes = Vec::new();
        hello("test").encode(&mut bytes);
        assert_eq!(judge(&bytes).unwrap(), hello("test"));
    }

    #[test]
    fn a_refusal_says_who_must_update() {
        let mut old = hello("old");
        old.epochs[0].epoch = EPOCH - 1;
        assert!(refusal_of(&old).text.contains("update the client"));
        let mut young = hello("young");
        young.epochs[0].epoch = EPOCH + 1;
        assert!(refusal_of(&young).text.contains("update the zone"));
        let mut other = hello("other");
        other.epochs[0].fingerprint ^= 1;
        assert!(refusal_of(&other).text.contains("same number, other layout"));
        assert_eq!(refusal_of(&other).reason, Refusal::Epoch);
    }

    #[test]
    fn what_is_printed_for_people_holds_no_secret() {
        let mut hello = hello("test");
        (hello.resume_token, hello.ticket) = ([0xab; 32], [0xcd; 64]);
        let welcome = crate::Welcome { resume_token: vec![0xab; 32], entity: 7, ..crate::Welcome::default() };
        let shown = format!("{hello:?} {welcome:#?} {:?}", crate::Record::Welcome(welcome.clone()));
        assert!(shown.contains("resume_token: ..") && shown.contains("entity: 7"), "{shown}");
        assert!(!shown.contains("171") && !shown.contains("205") && !shown.contains("ab, "), "{shown}");
    }

    #[test]
    fn rubbish_is_a_bad_hello() {
        assert_eq!(judge(b"GET / HTTP/1.1").unwrap_err().reason, Refusal::BadHello);
        assert_eq!(judge(&[]).unwrap_err().reason, Refusal::BadHello);
    }
}
