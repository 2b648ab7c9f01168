//! The server's half of TLS, kept no longer than the handshake takes.
//!
//! quinn-proto's own session holds on to all that rustls knows of a handshake: buffers, transcript, keys of a TLS over
//! TCP that there never is; 3.8 KB for as long as somebody plays. Once the client's last message is read, none of it is
//! needed but the secrets that the next keys are made of.
use quinn_proto::crypto::rustls::QuicServerConfig;
use quinn_proto::crypto::{
    self, ExportKeyingMaterialError, HeaderKey, KeyPair, Keys, PacketKey, Session, UnsupportedVersion,
};
use quinn_proto::transport_parameters::TransportParameters;
use quinn_proto::{ConnectionId, Side, TransportError, TransportErrorCode};
use rustls::quic::{KeyChange, Secrets, ServerConnection, Version};
use std::any::Any;
use std::io::Cursor;
use std::sync::Arc;

/// QUIC version 1, the only one that the endpoint offers.
const VERSION: u32 = 1;
/// The TLS alert for a message that may not come now. Source: RFC 8446 section 6.
const UNEXPECTED_MESSAGE: u8 = 10;

/// Begins the sessions of a server.
pub(crate) struct Sessions {
    tls: Arc<rustls::ServerConfig>,
    /// Knows the keys of first packets and of retries, which are the same for all.
    quic: Arc<QuicServerConfig>,
}

impl Sessions {
    /// For all who connect to one server.
    ///
    /// # Panics
    /// If the settings lack AES-128-GCM, which the first packets of QUIC need: our bug.
    pub(crate) fn new(tls: rustls::ServerConfig) -> Self {
        let tls = Arc::new(tls);
        let quic = QuicServerConfig::try_from(tls.clone()).expect("the provider lists AES-128-GCM");
        Self { tls, quic: Arc::new(quic) }
    }
}

impl crypto::ServerConfig for Sessions {
    fn initial_keys(&self, version: u32, dst_cid: &ConnectionId) -> Result<Keys, UnsupportedVersion> {
        self.quic.initial_keys(version, dst_cid)
    }

    fn retry_tag(&self, version: u32, orig_dst_cid: &ConnectionId, packet: &[u8]) -> [u8; 16] {
        self.quic.retry_tag(version, orig_dst_cid, packet)
    }

    fn start_session(self: Arc<Self>, _version: u32, params: &TransportParameters) -> Box<dyn Session> {
        Box::new(ServerSession::new(&self, params))
    }
}

/// See the module.
struct ServerSession {
    /// `None` when the handshake is done.
    tls: Option<Box<ServerConnection>>,
    next: Option<Secrets>,
    quic: Arc<QuicServerConfig>,
}

impl ServerSession {
    fn new(sessions: &Sessions, params: &TransportParameters) -> Self {
        let mut bytes = Vec::new();
        params.write(&mut bytes);
        let tls = ServerConnection::new(sessions.tls.clone(), Version::V1, bytes);
        let tls = tls.expect("the settings speak TLS 1.3 and allow no early data");
        Self { tls: Some(Box::new(tls)), next: None, quic: sessions.quic.clone() }
    }
}

impl Session for ServerSession {
    fn initial_keys(&self, dst_cid: &ConnectionId, _side: Side) -> Keys {
        let keys = crypto::ServerConfig::initial_keys(&*self.quic, VERSION, dst_cid);
        keys.expect("quinn-proto speaks version 1")
    }

    /// Nobody asks for it here.
    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        None
    }

    /// Clients have no certificates.
    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        None
    }

    /// There is no early data.
    fn early_crypto(&self) -> Option<(Box<dyn HeaderKey>, Box<dyn PacketKey>)> {
        None
    }

    fn early_data_accepted(&self) -> Option<bool> {
        None
    }

    fn is_handshaking(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_handshaking())
    }

    fn read_handshake(&mut self, buf: &[u8]) -> Result<bool, TransportError> {
        let failed = |code, reason| TransportError { code, frame: None, reason };
        // Keys of QUIC are not changed by TLS, and certificates of clients not asked for, so nothing may follow.
        // Source: RFC 9001 section 6.
        let Some(tls) = &mut self.tls else {
            let code = TransportErrorCode::crypto(UNEXPECTED_MESSAGE);
            return Err(failed(code, "TLS message after the handshake".to_owned()));
        };
        match tls.read_hs(buf) {
            Ok(()) => Ok(false),
            Err(error) => {
                let alert = tls.alert().map(|alert| TransportErrorCode::crypto(alert.into()));
                Err(failed(alert.unwrap_or(TransportErrorCode::PROTOCOL_VIOLATION), error.to_string()))
            }
        }
    }

    fn transport_parameters(&self) -> Result<Option<TransportParameters>, TransportError> {
        let params = self.tls.as_ref().and_then(|tls| tls.quic_transport_parameters());
        let params = params.map(|bytes| TransportParameters::read(Side::Server, &mut Cursor::new(bytes)));
        Ok(params.transpose()?)
    }

    fn write_handshake(&mut self, buf: &mut Vec<u8>) -> Option<Keys> {
        let tls = self.tls.as_mut()?;
        let keys = match tls.write_hs(buf) {
            Some(KeyChange::Handshake { keys }) => keys,
            Some(KeyChange::OneRtt { keys, next }) => {
                self.next = Some(next);
                keys
            }
            None => {
                // Everything is read and nothing left to say.
                if buf.is_empty() && !tls.is_handshaking() {
                    self.tls = None;
                }
                return None;
            }
        };
        let (local, remote) = (keys.local, keys.remote);
        Some(Keys {
            header: KeyPair { local: Box::new(local.header), remote: Box::new(remote.header) },
            packet: KeyPair { local: Box::new(local.packet), remote: Box::new(remote.packet) },
        })
    }

    fn next_1rtt_keys(&mut self) -> Option<KeyPair<Box<dyn PacketKey>>> {
        let keys = self.next.as_mut()?.next_packet_keys();
        Some(KeyPair { local: Box::new(keys.local), remote: Box::new(keys.remote) })
    }

    /// Only clients get retries.
    fn is_valid_retry(&self, _: &ConnectionId, _: &[u8], _: &[u8]) -> bool {
        false
    }

    fn export_keying_material(
        &self,
        _: &mut [u8],
        _: &[u8],
        _: &[u8],
    ) -> Result<(), ExportKeyingMaterialError> {
        Err(ExportKeyingMaterialError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cert::{Identity, SERVER_NAME};
    use crate::client::pin::PinVerifier;
    use crate::settings;
    use bytes::BytesMut;
    use rustls::quic::ClientConnection;
    use std::time::SystemTime;

    /// A session and its client, with the secrets of the client, after the handshake.
    fn joined() -> (ServerSession, Secrets) {
        let dir = tempfile::tempdir().unwrap();
        let identity = Identity::open(dir.path(), SystemTime::now()).unwrap();
        let sessions = Sessions::new(settings::server_tls(&identity, 1).unwrap());
        let params = TransportParameters::read(Side::Server, &mut &b""[..]).unwrap();
        let mut session = ServerSession::new(&sessions, &params);
        let verifier = PinVerifier { pin: None, provider: settings::provider() };
        let tls = Arc::new(settings::client_tls(Arc::new(verifier), 1).unwrap());
        let name = SERVER_NAME.try_into().unwrap();
        let mut client = ClientConnection::new(tls, Version::V1, name, Vec::new()).unwrap();
        let mut next = None;
        while session.is_handshaking() || client.is_handshaking() {
            let mut bytes = Vec::new();
            while let Some(change) = client.write_hs(&mut bytes) {
                if let KeyChange::OneRtt { next: secrets, .. } = change {
                    next = Some(secrets);
                }
            }
            if !bytes.is_empty() {
                session.read_handshake(&bytes).unwrap();
            }
            // Each with keys of its own.
            for _ in 0..3 {
                let mut bytes = Vec::new();
                session.write_handshake(&mut bytes);
                if !bytes.is_empty() {
                    client.read_hs(&bytes).unwrap();
                }
            }
        }
        (session, next.unwrap())
    }

    #[test]
    fn after_the_handshake_nothing_of_tls_is_kept_and_nothing_more_is_read() {
        let (mut session, _) = joined();
        assert!(session.tls.is_none());
        // A whole KeyUpdate, which TLS over TCP would take.
        let error = session.read_handshake(&[24, 0, 0, 1, 0]).unwrap_err();
        assert_eq!(error.code, TransportErrorCode::crypto(UNEXPECTED_MESSAGE));
    }

    #[test]
    fn keys_change_as_often_as_the_client_wishes() {
        let (mut session, mut client) = joined();
        for number in 0..3 {
            let (ours, theirs) = (session.next_1rtt_keys().unwrap(), client.next_packet_keys());
            let mut packet = b"head".iter().chain(b"news").copied().collect::<Vec<u8>>();
            packet.resize(8 + ours.local.tag_len(), 0);
            ours.local.encrypt(number, &mut packet, 4);
            let (head, body) = packet.split_at_mut(4);
            assert_eq!(theirs.remote.decrypt_in_place(number, head, body).unwrap(), b"news");
            let mut body = b"move".to_vec();
            let tag = theirs.local.encrypt_in_place(number, b"head", &mut body).unwrap();
            let mut body = BytesMut::from_iter(body.into_iter().chain(tag.as_ref().iter().copied()));
            ours.remote.decrypt(number, b"head", &mut body).unwrap();
            assert_eq!(body, &b"move"[..]);
        }
    }
}
