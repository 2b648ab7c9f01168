//! What the sockets bring: WebSocket from both sides, the stream of records, QUIC's first packets.

use std::cell::RefCell;
use transport::fuzzed::{self, Knock, QuicDoor};

/// A record of 1,024 bytes and its kind, as a server allows.
const CLIENT_MESSAGE_BYTES_MAX: usize = 1_025;
const CONNECTION_ID: [u8; 8] = *b"fuzzed-8";
/// Source: RFC 9000 section 8.1.
const AMPLIFICATION_MAX: usize = 3;
/// Datagrams before the endpoint is made anew: a server's own memory is bounded by its door, which is not here.
const KNOCKS_MAX: u32 = 4_096;

/// Frames of a client.
pub fn ws_frame(bytes: &[u8]) -> bool {
    let mut bytes = bytes.to_vec();
    fuzzed::frames(&mut bytes, CLIENT_MESSAGE_BYTES_MAX) > 0
}

fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x11, 0x22, 0x33, 0x44];
    let mut bytes = vec![first];
    match payload.len() {
        n @ 0..126 => bytes.push(0x80 | n as u8),
        n => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(n as u16).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// Good frames of each kind and width.
#[must_use]
pub fn ws_frame_seeds() -> Vec<Vec<u8>> {
    let each = [
        masked(0x82, &[0, 1, 2, 3]),
        masked(0x82, &[1; 300]),
        masked(0x89, b"ping"),
        masked(0x8a, &[]),
        masked(0x88, &[0x0f, 0xa0, b'b', b'y', b'e']),
    ];
    let mut all = each.to_vec();
    all.push(each.concat());
    let mut wide = vec![0x82, 0xff, 0, 0, 0, 0, 0, 0, 0, 2, 1, 2, 3, 4];
    wide.extend_from_slice(&[5, 6]);
    all.push(wide);
    all
}

/// The request before the frames.
pub fn ws_upgrade(bytes: &[u8]) -> bool {
    let is_accepted = fuzzed::request(bytes);
    is_accepted || bytes.starts_with(b"GET ")
}

/// A good request, and others that other programs send.
#[must_use]
pub fn ws_upgrade_seeds() -> Vec<Vec<u8>> {
    let good = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
                Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                Sec-WebSocket-Protocol: other, arcane.1\r\n\r\n";
    let plain = "GET /index.html HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n";
    let page =
        |host: &str, origin: &str| good.replace("Host: x", &format!("Host: {host}\r\nOrigin: {origin}"));
    [
        good,
        plain,
        &good.replace("arcane.1", "arcane.2"),
        &good.replace("GET", "POST"),
        &page("127.0.0.1:8080", "http://localhost:3000"),
        &page("[::1]:8080", "http://[::1]"),
        &page("10.0.0.1", "https://game.example:8443"),
        &page("10.0.0.1", "null"),
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect()
}

/// A server's answer to our client, and its frames. Odd first byte: the good answer stands before the rest.
pub fn ws_client(bytes: &[u8]) -> bool {
    let Some((kind, rest)) = bytes.split_first() else { return false };
    if kind & 1 == 1 {
        return fuzzed::answer(&[ANSWER.as_bytes(), rest].concat());
    }
    fuzzed::answer(rest) || rest.starts_with(b"HTTP/1.1 ")
}

/// To the key of RFC 6455 section 1.3.
const ANSWER: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
     Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: arcane.1\r\n\r\n";

/// A good answer with frames, and refusals.
#[must_use]
pub fn ws_client_seeds() -> Vec<Vec<u8>> {
    let frames = [
        &[0x82, 3, 0, 8, 9][..],
        &[0x89, 2, 1, 1],
        &[0x02, 1, 1],
        &[0x80, 1, 7],
        &[0x82, 126, 1, 0],
        &[1; 256],
        &[0x88, 4, 0x0f, 0xa2, b'n', b'o'],
    ];
    let refused = "HTTP/1.1 400 Bad Request\r\narcane-wire-major: 7\r\nContent-Length: 2\r\n\r\nno";
    vec![
        [&[1], frames.concat().as_slice()].concat(),
        [b"\0", ANSWER.as_bytes(), frames[0]].concat(),
        [b"\0", refused.as_bytes()].concat(),
    ]
}

/// A stream of records, from either side: the first byte says the chunks in which it arrives, and whose it is.
pub fn quic_records(bytes: &[u8]) -> bool {
    let Some((how, rest)) = bytes.split_first() else { return false };
    let max = if how & 1 == 0 { 1_024 } else { fuzzed::SERVER_RECORD_BYTES_MAX };
    let chunk_bytes = 1 + usize::from(how >> 1) * 11;
    let (n_records, waiting_max) = fuzzed::records(rest, chunk_bytes, max);
    assert!(waiting_max < 2 + max + chunk_bytes, "{waiting_max} bytes wait for a record of at most {max}");
    let is_own = fuzzed::is_connection_id(b"a key", &rest[..rest.len().min(20)]);
    n_records > 0 || is_own
}

/// A few records behind their lengths.
#[must_use]
pub fn quic_records_seeds() -> Vec<Vec<u8>> {
    let record = |n: u16| [&n.to_le_bytes()[..], &vec![7; usize::from(n)]].concat();
    [0u8, 1, 6, 255].iter().map(|how| [&[*how][..], &record(5), &record(300), &record(1)].concat()).collect()
}

thread_local! {
    static DOOR: RefCell<Option<(QuicDoor, u32)>> = const { RefCell::new(None) };
}

fn with_door<T>(knock: impl FnOnce(&mut QuicDoor) -> T) -> T {
    DOOR.with_borrow_mut(|door| {
        if door.as_ref().is_none_or(|(_, n)| *n >= KNOCKS_MAX) {
            let dir = tempfile::tempdir().expect("there is a place for temporary files");
            *door = Some((QuicDoor::open(dir.path()).expect("an identity can be made"), 0));
        }
        let (door, n) = door.as_mut().expect("it was made above");
        *n += 1;
        knock(door)
    })
}

/// A datagram from nobody: as it is, or frames in a first packet with the right seals.
pub fn quic_packet(bytes: &[u8]) -> bool {
    let Some((kind, rest)) = bytes.split_first() else { return false };
    let packet = if kind & 3 == 0 { rest.to_vec() } else { fuzzed::initial_packet(CONNECTION_ID, rest) };
    let knock = with_door(|door| door.knock(&packet, kind & 4 == 4));
    match knock {
        Knock::Dropped => false,
        Knock::Answered(n_bytes) | Knock::Incoming(n_bytes) => {
            assert!(
                n_bytes <= AMPLIFICATION_MAX * packet.len(),
                "{} bytes are answered with {n_bytes}",
                packet.len()
            );
            true
        }
    }
}

/// Frames of a first packet, a packet of another version, and one that is sealed already.
#[must_use]
pub fn quic_packet_seeds() -> Vec<Vec<u8>> {
    let crypto = [&[6, 0, 0x40, 0x30, 1, 0, 0, 0x2c, 3, 3][..], &[9; 42]].concat();
    let others = [1, 2, 5, 1, 0, 0, 0, 0x1c, 0, 6, 2, b'n', b'o', 0];
    let mut old = vec![0, 0xc0, 0x0a, 0x0a, 0x0a, 0x0a, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0];
    old.resize(1_250, 0);
    let sealed = fuzzed::initial_packet(CONNECTION_ID, &crypto);
    vec![
        [&[7], crypto.as_slice()].concat(),
        [&[1], crypto.as_slice()].concat(),
        [&[5], others.as_slice(), crypto.as_slice()].concat(),
        old,
        [&[4], sealed.as_slice()].concat(),
        [&[0, 0x40], [3; 40].as_slice()].concat(),
    ]
}
