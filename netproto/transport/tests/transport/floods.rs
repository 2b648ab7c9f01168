//! Too much of what is allowed: each limit holds, and the next one in line does not notice.
use crate::rig::Rig;
use std::io::Write;
use std::net::{TcpStream, UdpSocket};
use std::time::{Duration, Instant};
use transport::client::{ClientEvent, Clients, Target};
use transport::{CloseReason, Event, Limits, Link, PeerId};

const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: arcane.1\r\n\r\n";

/// First packets as real clients make them, each for another connection.
fn first_packets(n: usize) -> Vec<Vec<u8>> {
    let decoy = UdpSocket::bind("127.0.0.1:0").expect("loopback works");
    let addr = decoy.local_addr().expect("loopback works");
    let target = Target { addr, link: Link::Quic, pin: None, wire_major: crate::rig::MAJOR };
    let mut clients = Clients::new(1).expect("loopback works");
    let mut packet = |_| {
        clients.connect(Instant::now(), &target).expect("loopback works");
        let mut bytes = vec![0; 1500];
        let n_bytes = decoy.recv(&mut bytes).expect("loopback works");
        bytes.truncate(n_bytes);
        bytes
    };
    (0..n).map(&mut packet).collect()
}

#[test]
fn first_packets_wait_for_the_door_and_never_take_a_ticks_time() {
    let mut rig = Rig::with(Limits { retry_above: 0, ..Limits::default() });
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    for packet in first_packets(40) {
        stranger.send_to(&packet, rig.server.local_addr()).unwrap();
    }
    let end = Instant::now() + Duration::from_secs(5);
    while rig.server.counters().udp_in < 40 && Instant::now() < end {
        rig.server.receive(Instant::now());
        rig.server.flush(Instant::now());
    }
    assert_eq!((rig.server.counters().udp_in, rig.server.counters().retries), (40, 0));
    assert_eq!(rig.server.queues().door, 40);
    rig.until("an answer for each", |rig| (rig.server.counters().retries == 40).then_some(()));
    assert_eq!((rig.server.queues().door, rig.server.n_peers()), (0, 0));
}

#[test]
fn first_packets_beyond_those_that_wait_are_lost_and_counted() {
    let mut rig = Rig::with(Limits { retry_above: 0, ..Limits::default() });
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let packets = first_packets(8);
    for _ in 0..300 {
        for packet in &packets {
            stranger.send_to(packet, rig.server.local_addr()).unwrap();
        }
        rig.server.receive(Instant::now());
    }
    rig.server.receive(Instant::now());
    let (door, counters) = (rig.server.queues().door, rig.server.counters());
    assert!(door <= 2_048 && counters.drops_early > 0, "{door} wait; {counters:?}");
    assert_eq!(counters.drops_early + door as u64, counters.udp_in);
}

#[test]
fn no_more_strangers_stand_at_the_door_than_there_is_room_for() {
    let mut rig = Rig::with(Limits { half_open_max: 8, ..Limits::default() });
    let addr = rig.server.local_addr();
    let silent: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(addr).unwrap()).collect();
    rig.until("twelve turned away", |rig| (rig.server.counters().refused == 12).then_some(()));
    assert_eq!(rig.server.n_peers(), 8);
    let target = rig.target(Link::Quic);
    rig.connect(&target);
    rig.until("one more", |rig| (rig.server.counters().refused >= 13).then_some(()));
    drop(silent);
    rig.until("an empty door", |rig| (rig.server.n_peers() <= 1).then_some(()));
}

/// A WebSocket in play whose answers nobody reads.
fn deaf_websocket(rig: &mut Rig) -> (TcpStream, PeerId) {
    let mut stream = TcpStream::connect(rig.server.local_addr()).expect("loopback works");
    stream.write_all(UPGRADE.as_bytes()).expect("loopback works");
    rig.until("the upgrade", |rig| (rig.server.counters().handshakes_websocket > 0).then_some(()));
    stream.write_all(&[0x82, 0x82, 0, 0, 0, 0, 1, b'h']).expect("loopback works");
    let peer = rig.see("the raw hello", |event| match event {
        Event::Hello { peer, .. } => Some(*peer),
        _ => None,
    });
    (stream, peer)
}

#[test]
fn of_many_pings_one_is_answered_and_nothing_piles_up() {
    let mut rig = Rig::new();
    let (mut stream, peer) = deaf_websocket(&mut rig);
    let ping = [&[0x89, 0xfd, 0, 0, 0, 0][..], &[7; 125]].concat();
    let n_before = rig.server.counters().tcp_bytes_out;
    for _ in 0..20 {
        stream.write_all(&ping.repeat(50)).unwrap();
        rig.server.receive(Instant::now());
        let queued = rig.server.peer_stats(peer).unwrap().queued_bytes;
        assert!(queued <= 127, "{queued} bytes of answers wait");
        rig.server.flush(Instant::now());
    }
    let n_answered = (rig.server.counters().tcp_bytes_out - n_before) / 127;
    assert!((1..=20).contains(&n_answered), "{n_answered} of 1,000 pings were answered");
}

#[test]
fn packets_of_one_peer_beyond_what_may_wait_for_a_tick_are_dropped() {
    let mut rig = Rig::new();
    let (conn, _) = rig.join(Link::Quic);
    // Packets are handed over one by one: each flush sends what was queued.
    for n in 0..200u8 {
        assert!(rig.clients.send_datagram(conn, &[n; 40]));
        rig.clients.flush(Instant::now());
    }
    rig.until("drops", |rig| (rig.server.counters().drops_peer_queue > 0).then_some(()));
    let n_seen = rig.seen.iter().filter(|event| matches!(event, Event::Datagram { .. })).count();
    assert!(n_seen <= 190, "{n_seen} of 200 were let through");
}

#[test]
fn who_acknowledges_no_packet_is_closed_however_much_it_talks() {
    let mut rig = Rig::with(Limits { under_way_bytes_max: 40_000, ..Limits::default() });
    let (_, good_peer) = rig.join(Link::Quic);
    let mut far = Clients::new(1).unwrap();
    let target = rig.target(Link::Quic);
    let conn = far.connect(Instant::now(), &target).unwrap();
    let peer = rig.until("the far one's hello", |rig| {
        far.receive(Instant::now());
        while let Some(event) = far.poll_event() {
            if matches!(event, ClientEvent::Connected { .. }) {
                assert!(far.send_record(conn, b"I do not listen"));
            }
        }
        far.flush(Instant::now());
        rig.seen.iter().find_map(|event| match event {
            Event::Hello { peer, bytes, .. } if **bytes == *b"I do not listen" => Some(*peer),
            _ => None,
        })
    });
    let mut n_frames = 0;
    let reason = rig.until("the end of the far one", |rig| {
        // It sends, and its socket is never read.
        far.send_datagram(conn, b"input");
        far.flush(Instant::now());
        for peer in [peer, good_peer] {
            n_frames += u32::from(rig.server.send_frame(peer, &[5; 1000]));
        }
        let at = rig.seen.iter().position(|e| matches!(e, Event::Closed { peer: p, .. } if *p == peer))?;
        let Event::Closed { reason, .. } = rig.seen.remove(at) else { unreachable!() };
        Some(reason)
    });
    assert!(matches!(reason, CloseReason::TooSlow { queued_bytes: 40_001.. }), "{reason}");
    assert!((80..=2 * 40 + 2 * 64).contains(&n_frames), "{n_frames} frames");
    // The other had as many, and acknowledged them.
    for _ in 0..100 {
        assert!(rig.server.send_frame(good_peer, &[5; 1000]));
        rig.turn();
    }
}
