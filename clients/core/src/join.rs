//! From a join code, as a person typed it, to a connection: what every client does with what `arcane up --lan` prints.

pub use transport::join::{JoinCode, JoinCodeError};

use netproto::WIRE_MAJOR;
use transport::Link;
use transport::client::Target;

/// Reads a join code; gives where to connect and whom to believe, for [`crate::connect::Crowd::add`].
///
/// # Errors
/// [`JoinCodeError`], whose message tells the person what to do.
pub fn target(code: &str, link: Link) -> Result<Target, JoinCodeError> {
    code.parse::<JoinCode>().map(|code| code.target(link, WIRE_MAJOR))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_that_was_typed_leads_to_its_server_and_a_typing_mistake_nowhere() {
        let code = JoinCode::new(([192, 168, 1, 20], 8080).into(), &[7; 32]).to_string();
        for link in [Link::Quic, Link::WebSocket] {
            let found = target(&format!(" {} ", code.to_lowercase()), link).unwrap();
            assert_eq!((found.addr, found.link), (([192, 168, 1, 20], 8080).into(), link));
            assert_eq!(found.pin.map(|pin| pin[..16].to_vec()), Some(vec![7; 16]));
        }
        let wrong = format!("{}{}", &code[..code.len() - 1], if code.ends_with('0') { '1' } else { '0' });
        let error = target(&wrong, Link::Quic).unwrap_err();
        assert!(error.to_string().contains("typing mistake"), "{error}");
    }
}
