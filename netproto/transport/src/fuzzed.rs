//! What bytes of strangers reach first in this crate, opened for the targets in `tests/fuzz`: nothing else calls it.
//!
//! Each function does with its bytes what a connection does, without the socket.
use crate::budget::RecordReader;
use crate::cert::{Identity, IdentityError};
use crate::cid::MarkedCids;
use crate::client::ws as client_ws;
use crate::event::shorten;
use crate::limits::{Limits, RECORD_BYTES_MAX, UDP_BYTES};
use crate::settings;
use crate::ws::upgrade::Verdict;
use crate::ws::{frame, upgrade};
use bytes::BytesMut;
use quinn_proto::{ConnectionId, ConnectionIdGenerator, DatagramEvent, Endpoint};
use rustls::Side;
use rustls::quic::{Keys, Version};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime};
use tungstenite::handshake::MidHandshake;
use tungstenite::handshake::client::Request;
use tungstenite::{ClientHandshake, HandshakeError, Message, WebSocket};

/// Any, as long as both sides agree.
const WIRE_MAJOR: u16 = 1;
/// The key that RFC 6455 section 1.3 has as its example: an answer to it can be kept in a file.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// Walks the frames that a client sent; returns how many there were.
pub fn frames(bytes: &mut [u8], payload_max: usize) -> usize {
    let (mut at, mut n_frames) = (0, 0);
    while let Ok(Some(found)) = frame::decode(&mut bytes[at..], payload_max) {
        let payload = &bytes[at..][found.payload.clone()];
        if found.kind == frame::Kind::Close {
            let _reason = crate::ws::read_close(payload);
        }
        at += found.payload.end;
        n_frames += 1;
    }
    n_frames
}

/// Judges the head of a request; whether it is one that is let in.
pub fn request(bytes: &[u8]) -> bool {
    matches!(upgrade::handle_request(bytes, WIRE_MAJOR, &Limits::default()), Verdict::Accept(_))
}

/// Reads a server's answer to an upgrade, and the frames behind it; whether the upgrade was accepted.
pub fn answer(bytes: &[u8]) -> bool {
    let Ok(request) = upgrade_request() else { return false };
    let Ok(half) = ClientHandshake::start(Pipe(bytes), request, Some(client_ws::config())) else {
        return false;
    };
    let Some(mut socket) = shaken(half) else { return false };
    loop {
        match socket.read() {
            Ok(Message::Close(frame)) => {
                let _reason = client_ws::read_close(frame);
            }
            Ok(_) => {}
            Err(error) => {
                let _reason = client_ws::explain(&error);
                return true;
            }
        }
    }
}

fn upgrade_request() -> Result<Request, tungstenite::http::Error> {
    Request::builder()
        .uri("ws://127.0.0.1:1/")
        .header("Host", "127.0.0.1:1")
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", KEY)
        .header("Sec-WebSocket-Protocol", settings::subprotocol(WIRE_MAJOR))
        .body(())
}

fn shaken<'a>(half: MidHandshake<ClientHandshake<Pipe<'a>>>) -> Option<WebSocket<Pipe<'a>>> {
    match half.handshake() {
        Ok((socket, _)) => Some(socket),
        // There will never be more: the pipe says that it ends.
        Err(HandshakeError::Interrupted(_)) => None,
        Err(HandshakeError::Failure(error)) => {
            let _reason = client_ws::explain(&error);
            None
        }
    }
}

/// Bytes that came; what is written is gone.
struct Pipe<'a>(&'a [u8]);

impl Read for Pipe<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
}

impl Write for Pipe<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Cuts a stream into records as it arrives, in chunks of these lengths; returns how many there were and the most
/// bytes that waited.
pub fn records(bytes: &[u8], chunk_bytes: usize, record_bytes_max: usize) -> (usize, usize) {
    let mut reader = RecordReader::default();
    let (mut n_records, mut waiting_max) = (0, 0);
    for chunk in bytes.chunks(chunk_bytes.max(1)) {
        reader.push(chunk);
        loop {
            match reader.next(record_bytes_max, |record| assert!(record.len() <= record_bytes_max)) {
                Ok(true) => n_records += 1,
                Ok(false) => break,
                Err(error) => {
                    let _sentence = shorten(error.to_string().as_bytes());
                    return (n_records, waiting_max);
                }
            }
        }
        waiting_max = waiting_max.max(reader.len());
    }
    (n_records, waiting_max)
}

/// The longest record that a server may send.
pub const SERVER_RECORD_BYTES_MAX: usize = RECORD_BYTES_MAX;

/// Whether these are the bytes of a connection id of a server with this key.
#[must_use]
pub fn is_connection_id(key: &[u8], bytes: &[u8]) -> bool {
    let bytes = &bytes[..bytes.len().min(20)]; // RFC 9000 section 17.2: no longer
    MarkedCids::new(key).validate(&ConnectionId::new(bytes)).is_ok()
}

/// What came of a datagram at the QUIC door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Knock {
    /// Nothing.
    Dropped,
    /// Something was sent back: so many bytes.
    Answered(usize),
    /// A handshake could begin, or did begin and went wrong: so many bytes were sent back.
    Incoming(usize),
}

/// The endpoint of a server, without its socket.
pub struct QuicDoor {
    endpoint: Endpoint,
    now: Instant,
}

impl QuicDoor {
    /// A server's endpoint with the identity in `dir`, which is made if it is not there.
    ///
    /// # Errors
    /// When the identity cannot be read or made.
    pub fn open(dir: &Path) -> Result<Self, IdentityError> {
        let identity = Identity::open(dir, SystemTime::now())?;
        let config = settings::server(&identity, WIRE_MAJOR, &Limits::default())
            .map_err(|error| IdentityError::Crypto(error.to_string()))?;
        let endpoint =
            Endpoint::new(Arc::new(settings::server_endpoint(&identity)), Some(config), false, Some([7; 32]));
        Ok(Self { endpoint, now: Instant::now() })
    }

    /// A datagram comes; `is_let_in`: a handshake is begun, otherwise it is refused.
    pub fn knock(&mut self, bytes: &[u8], is_let_in: bool) -> Knock {
        let from = SocketAddr::from(([192, 0, 2, 1], 9));
        let mut reply = Vec::new();
        match self.endpoint.handle(self.now, from, None, None, BytesMut::from(bytes), &mut reply) {
            Some(DatagramEvent::NewConnection(incoming)) if is_let_in => {
                match self.endpoint.accept(incoming, self.now, &mut reply, None) {
                    Ok((handle, mut connection)) => {
                        while connection.poll().is_some() {}
                        let mut n_sent = 0;
                        loop {
                            // As the batches of the server: a packet begins in an empty buffer.
                            reply.clear();
                            let Some(transmit) = connection.poll_transmit(self.now, 1, &mut reply) else {
                                break;
                            };
                            n_sent += transmit.size;
                        }
                        self.endpoint.handle_event(handle, quinn_proto::EndpointEvent::drained());
                        Knock::Incoming(n_sent)
                    }
                    Err(error) => Knock::Incoming(error.response.map_or(0, |transmit| transmit.size)),
                }
            }
            Some(DatagramEvent::NewConnection(incoming)) => {
                Knock::Incoming(self.endpoint.refuse(incoming, &mut reply).size)
            }
            Some(DatagramEvent::Response(transmit)) => Knock::Answered(transmit.size),
            Some(DatagramEvent::ConnectionEvent(..)) | None => Knock::Dropped,
        }
    }
}

/// The first packet of a client with these frames in it, sealed as RFC 9001 section 5 has it: whoever has seen the
/// connection id can do that, so it keeps nobody out.
#[must_use]
pub fn initial_packet(connection_id: [u8; 8], frames: &[u8]) -> Vec<u8> {
    const NUMBER_BYTES: usize = 4;
    const TAG_BYTES: usize = 16;
    const HEAD_BYTES: usize = 22 + NUMBER_BYTES;
    const PAYLOAD_BYTES: usize = UDP_BYTES as usize - HEAD_BYTES - TAG_BYTES;
    let suite = rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256.tls13();
    let Some((suite, quic)) = suite.and_then(|suite| Some((suite, suite.quic?))) else { return Vec::new() };
    let keys = Keys::initial(Version::V1, suite, quic, &connection_id, Side::Client);
    // Datagrams below 1,200 bytes are dropped at once. Source: RFC 9000 section 14.1.
    let mut payload = frames[..frames.len().min(PAYLOAD_BYTES)].to_vec();
    payload.resize(PAYLOAD_BYTES, 0);
    let length = (NUMBER_BYTES + payload.len() + TAG_BYTES) as u16;
    let mut packet = vec![0xc3, 0, 0, 0, 1, 8];
    packet.extend_from_slice(&connection_id);
    packet.extend_from_slice(&[4, 1, 2, 3, 4, 0]);
    packet.extend_from_slice(&(length | 0x4000).to_be_bytes());
    let number_at = packet.len();
    packet.extend_from_slice(&[0; NUMBER_BYTES]);
    let Ok(tag) = keys.local.packet.encrypt_in_place(0, &packet, &mut payload) else { return Vec::new() };
    packet.extend_from_slice(&payload);
    packet.extend_from_slice(tag.as_ref());
    let (head, sealed) = packet.split_at_mut(number_at + NUMBER_BYTES);
    let (first, number) = head.split_at_mut(number_at);
    let sample = &sealed[..16];
    if keys.local.header.encrypt_in_place(sample, &mut first[0], number).is_err() {
        return Vec::new();
    }
    packet
}
