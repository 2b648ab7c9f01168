//! Strangers send what they like; only they notice.
use crate::rig::{Rig, server};
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::{Duration, Instant};
use transport::client::ClientEvent;
use transport::{CloseReason, Event, Limits, Link};

/// The other player still gets frames.
fn still_serves(rig: &mut Rig, conn: transport::client::ConnId, peer: transport::PeerId) {
    rig.heard.clear();
    assert!(rig.server.send_frame(peer, b"still here"));
    rig.hear("a frame for the bystander", |event| match event {
        ClientEvent::Datagram { conn: c, bytes, .. } if *c == conn && &bytes[..] == b"still here" => Some(()),
        _ => None,
    });
}

#[test]
fn garbage_and_torn_datagrams_are_counted_and_harm_nobody() {
    let mut rig = Rig::new();
    let (conn, peer) = rig.join(Link::Quic);
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let addr = rig.server.local_addr();
    let mut state = 1u64;
    for len in (0..400).chain([1199, 1200, 1201, 1472, 3000]) {
        let bytes: Vec<u8> = (0..len)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            })
            .collect();
        stranger.send_to(&bytes, addr).unwrap();
        // A believable Initial and a believable short header, both with nonsense behind.
        let mut initial = vec![0xc3, 0, 0, 0, 1, 8];
        initial.extend_from_slice(&bytes);
        stranger.send_to(&initial, addr).unwrap();
        let mut short = vec![0x40];
        short.extend_from_slice(&bytes);
        stranger.send_to(&short, addr).unwrap();
        rig.turn();
    }
    let counters = rig.server.counters();
    assert!(counters.drops_unrouted > 400, "{counters:?}");
    assert_eq!(counters.drops_truncated, 3, "{counters:?}");
    assert_eq!(counters.panics_endpoint, 0);
    still_serves(&mut rig, conn, peer);
}

#[test]
fn a_record_over_the_limit_closes_its_sender_only() {
    for link in crate::rig::BOTH {
        let mut rig = Rig::new();
        let (bad, bad_peer) = rig.join(link);
        let (good, good_peer) = rig.join(link);
        assert!(rig.clients.send_record(bad, &[1; 1025]));
        let reason = rig.see_closed(bad_peer);
        assert!(
            matches!(&reason, CloseReason::Protocol(text) if text.contains("1025")),
            "{link:?}: {reason}"
        );
        rig.hear_closed(bad);
        still_serves(&mut rig, good, good_peer);
        assert_eq!(rig.server.counters().closed_protocol, 1);
    }
}

#[test]
fn a_hello_over_the_limit_is_never_delivered() {
    for link in crate::rig::BOTH {
        let mut rig = Rig::new();
        let target = rig.target(link);
        let conn = rig.connect(&target);
        rig.hear_connected(conn);
        rig.clients.send_record(conn, &[1; 2000]);
        rig.hear_closed(conn);
        assert!(rig.seen.is_empty(), "{:?}", rig.seen);
    }
}

#[test]
fn datagrams_before_admission_and_over_the_limit_are_dropped_and_counted() {
    let mut rig = Rig::new();
    rig.admits = false;
    let (conn, peer) = rig.join(Link::Quic);
    assert!(rig.clients.send_datagram(conn, b"too early"));
    rig.until("the early one counted", |rig| (rig.server.counters().drops_early == 1).then_some(()));
    assert!(rig.server.admit(peer));
    assert!(rig.clients.send_datagram(conn, &[0; 257]));
    rig.until("the long one counted", |rig| (rig.server.counters().drops_oversized == 1).then_some(()));
    assert!(rig.clients.send_datagram(conn, &[0; 256]));
    rig.see("the one that fits", |event| matches!(event, Event::Datagram { .. }).then_some(()));
}

#[test]
fn a_record_said_before_admission_waits_for_it() {
    for link in crate::rig::BOTH {
        let mut rig = Rig::new();
        rig.admits = false;
        let (conn, peer) = rig.join(link);
        assert!(rig.clients.send_record(conn, b"impatient"));
        rig.turns(Duration::from_millis(30));
        assert!(rig.seen.is_empty(), "{:?}", rig.seen);
        assert!(rig.server.admit(peer));
        rig.see("the record", |event| matches!(event, Event::Record { .. }).then_some(()));
    }
}

/// A raw WebSocket peer: upgraded, greeted if `hello`, then sends `bytes`. Returns the status it was closed with.
fn raw_websocket(rig: &mut Rig, hello: bool, bytes: &[u8]) -> u16 {
    let mut stream = TcpStream::connect(rig.server.local_addr()).expect("a listening server");
    stream.set_nonblocking(true).expect("loopback takes a few bytes");
    stream.write_all(UPGRADE.as_bytes()).expect("loopback takes a few bytes");
    let mut got = Vec::new();
    rig.until("the upgrade", |_| {
        read_some(&mut stream, &mut got);
        got.windows(4).position(|four| four == b"\r\n\r\n").map(|at| drop(got.drain(..at + 4)))
    });
    if hello {
        // One byte of kind, five of hello, masked with zeros.
        stream
            .write_all(&[0x82, 0x86, 0, 0, 0, 0, 1, b'h', b'e', b'l', b'l', b'o'])
            .expect("loopback takes a few bytes");
        rig.see("the raw hello", |event| matches!(event, Event::Hello { .. }).then_some(()));
    }
    stream.write_all(bytes).expect("loopback takes a few bytes");
    rig.until("the close frame", |_| {
        read_some(&mut stream, &mut got);
        let at = got.windows(2).position(|two| two[0] == 0x88 && two[1] >= 2)?;
        let code = got.get(at + 2..at + 4)?;
        Some(u16::from_be_bytes([code[0], code[1]]))
    })
}

const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: arcane.1\r\n\r\n";

fn read_some(stream: &mut TcpStream, got: &mut Vec<u8>) {
    let mut buffer = [0; 4096];
    if let Ok(n) = stream.read(&mut buffer) {
        got.extend_from_slice(&buffer[..n]);
    }
}

#[test]
fn websocket_text_fragments_and_giants_close_with_their_status_and_nobody_else() {
    let mut rig = Rig::new();
    let (conn, peer) = rig.join(Link::WebSocket);
    for (bytes, status) in [
        (&[0x81, 0x82, 0, 0, 0, 0, b'h', b'i'][..], 1003),
        (&[0x02, 0x82, 0, 0, 0, 0, 0, 1], 1002),
        (&[0x82, 0xfe, 0x10, 0x01, 0, 0, 0, 0], 1009),
        (&[0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 1009),
        (&[0x82, 0x02, 0, 1], 1002),
        (&[0xc2, 0x82, 0, 0, 0, 0, 0, 1], 1002),
        (&[0x82, 0x82, 0, 0, 0, 0, 9, 9], 1002),
    ] {
        assert_eq!(raw_websocket(&mut rig, true, bytes), status, "{bytes:02x?}");
        assert_eq!(raw_websocket(&mut rig, false, bytes), status, "{bytes:02x?} instead of a hello");
    }
    still_serves(&mut rig, conn, peer);
    assert_eq!(rig.server.counters().closed_protocol, 7);
}

#[test]
fn http_nonsense_is_answered_or_cut_and_its_place_is_empty_again() {
    let mut rig = Rig::new();
    let endless = format!("GET / HTTP/1.1\r\nx: {}", "y".repeat(9000));
    for request in [
        "GET / HTTP/1.1\r\n\r\n",
        "\x16\x03\x01\x02\0\x01\0\x01\x7c\x03\x03",
        "PRI * HTTP/2.0\r\n\r\n",
        &endless,
    ] {
        let mut stream = TcpStream::connect(rig.server.local_addr()).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream.set_nonblocking(true).unwrap();
        let mut got = Vec::new();
        rig.until("an answer", |_| {
            read_some(&mut stream, &mut got);
            got.starts_with(b"HTTP/1.1 4").then_some(())
        });
    }
    rig.until("an empty table", |rig| (rig.server.n_peers() == 0).then_some(()));
}

#[test]
fn silent_strangers_lose_their_place_at_the_deadline() {
    let limits = Limits {
        handshake_deadline: Duration::from_millis(100),
        hello_deadline: Duration::from_millis(100),
        ..Limits::default()
    };
    let mut rig = Rig::with(limits);
    let _never_upgrades = TcpStream::connect(rig.server.local_addr()).unwrap();
    for link in crate::rig::BOTH {
        let target = rig.target(link);
        let conn = rig.connect(&target);
        rig.hear_connected(conn);
        rig.hear_closed(conn);
    }
    rig.until("an empty table", |rig| (rig.server.n_peers() == 0).then_some(()));
    assert!(rig.seen.is_empty());
    assert_eq!(rig.server.counters().handshakes_failed, 3);
}

#[test]
fn a_full_server_turns_newcomers_away() {
    let mut rig = Rig::with(Limits { peers_max: 2, ..Limits::default() });
    rig.join(Link::Quic);
    rig.join(Link::WebSocket);
    for link in crate::rig::BOTH {
        let target = rig.target(link);
        let conn = rig.connect(&target);
        rig.hear_closed(conn);
    }
    assert_eq!(rig.server.counters().refused, 2);
}

#[test]
fn a_flood_of_first_packets_is_answered_by_retries_and_keeps_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = server(dir.path(), 0, Limits { retry_above: 0, ..Limits::default() });
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    // A first packet as a real client makes it, sent again and again under new ids would not decrypt; what is
    // tested is that an unproven address costs a Retry and no place.
    let mut clients = transport::client::Clients::new(1).unwrap();
    let decoy = UdpSocket::bind("127.0.0.1:0").unwrap();
    let target = transport::client::Target {
        addr: decoy.local_addr().unwrap(),
        link: Link::Quic,
        pin: None,
        wire_major: crate::rig::MAJOR,
    };
    for _ in 0..50 {
        clients.connect(Instant::now(), &target).unwrap();
        let mut packet = [0; 1500];
        let n = decoy.recv(&mut packet).unwrap();
        stranger.send_to(&packet[..n], server.local_addr()).unwrap();
    }
    let end = Instant::now() + Duration::from_secs(5);
    while server.counters().retries < 50 && Instant::now() < end {
        server.serve_door(Instant::now() + Duration::from_millis(1));
    }
    assert_eq!(server.counters().retries, 50);
    assert_eq!(server.n_peers(), 0);
}
