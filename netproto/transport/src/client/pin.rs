//! Whom a client believes: the holder of one public key.
use crate::cert::sha256;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};
use std::fmt::Write;
use std::sync::Arc;

/// Marks a failed pin in the text that travels through TLS and QUIC back to us.
pub(crate) const WRONG_PIN: &str = "key pin differs: ";

/// Bytes of a pin that a join code holds.
const HALF: usize = 16;

/// Accepts any certificate for the pinned key; with no pin, any key at all (loopback only, see `connect`).
///
/// Names and dates are not looked at: the key says all. The handshake signature always is.
#[derive(Debug)]
pub(crate) struct PinVerifier {
    pub(crate) pin: Option<[u8; 32]>,
    pub(crate) provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PinVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let certificate = rustls::server::ParsedCertificate::try_from(end_entity)?;
        let found = sha256(certificate.subject_public_key_info().as_ref());
        match self.pin {
            Some(pin) if !is_key(&pin, &found) => Err(Error::General(format!(
                "{WRONG_PIN}expected {}, the server has {}",
                hex(&pin),
                hex(&found)
            ))),
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("only TLS 1.3 is spoken here".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Whether a pin is that of the key found: all of it, or the first 128 bits when the rest is zero. A key whose pin really
/// ends in so many zeros is not to be had, and would still be judged by 128 bits.
fn is_key(pin: &[u8; 32], found: &[u8; 32]) -> bool {
    let (head, tail) = pin.split_at(HALF);
    head == &found[..HALF] && (tail == &found[HALF..] || (tail == [0; HALF] && head != [0; HALF]))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_pin_is_good_for_its_key_only_and_nothing_for_nobody() {
        let key: [u8; 32] = std::array::from_fn(|at| at as u8 + 1);
        let mut half = key;
        half[HALF..].fill(0);
        assert!(is_key(&key, &key) && is_key(&half, &key));
        for at in 0..32 {
            let (mut whole, mut start) = (key, half);
            whole[at] ^= 0x10;
            start[at] ^= 0x10;
            assert!(!is_key(&whole, &key), "byte {at} of a pin was not looked at");
            assert!(!is_key(&start, &key), "byte {at} of half a pin was not looked at");
        }
        assert!(!is_key(&[0; 32], &key) && !is_key(&[0; 32], &[0; 32].map(|_: u8| 7)));
    }
}
