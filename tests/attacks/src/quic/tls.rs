//! The handshake inside QUIC's: a client that believes anybody.

use super::packet::put_varint;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::quic::{ClientConnection, Version};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use std::sync::{Arc, OnceLock};

/// What the other side may send us: more than it will.
const WINDOW_BYTES: u64 = 1 << 20;

/// Begins a handshake in which we are known by this connection id.
///
/// # Panics
/// If the settings do not fit together: our bug.
#[must_use]
pub fn begin(id: &[u8]) -> ClientConnection {
    let name = ServerName::try_from("attacked").expect("a name without dots is a name");
    ClientConnection::new(Arc::clone(config()), Version::V1, name, parameters(id))
        .expect("settings for TLS 1.3 and QUIC")
}

/// The message that opens a handshake.
#[must_use]
pub fn hello(id: &[u8]) -> Vec<u8> {
    let mut hello = Vec::new();
    begin(id).write_hs(&mut hello);
    hello
}

fn config() -> &'static Arc<ClientConfig> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    CONFIG.get_or_init(|| {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("ring has TLS 1.3")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody))
            .with_no_client_auth();
        config.alpn_protocols = vec![format!("arcane/{}", netproto::WIRE_MAJOR).into_bytes()];
        config.resumption = rustls::client::Resumption::disabled();
        Arc::new(config)
    })
}

/// Transport parameters. Source: RFC 9000 section 18.2; RFC 9221 section 3 for datagrams.
fn parameters(id: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let of = |kind: u64, value: u64, out: &mut Vec<u8>| {
        let mut bytes = Vec::new();
        put_varint(&mut bytes, value);
        put_varint(out, kind);
        put_varint(out, bytes.len() as u64);
        out.extend(bytes);
    };
    for (kind, value) in
        [(0x01, 30_000), (0x04, WINDOW_BYTES), (0x05, WINDOW_BYTES), (0x06, WINDOW_BYTES), (0x20, 65_535)]
    {
        of(kind, value, &mut out);
    }
    put_varint(&mut out, 0x0f);
    put_varint(&mut out, id.len() as u64);
    out.extend_from_slice(id);
    out
}

#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("only TLS 1.3 is spoken here".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256, SignatureScheme::ED25519]
    }
}
