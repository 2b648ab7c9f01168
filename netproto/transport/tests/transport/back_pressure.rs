//! A peer that does not take its facts is let go; the others do not notice.
use crate::rig::Rig;
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;
use transport::client::ClientEvent;
use transport::{CloseReason, Event, Limits, Link};

const STALL: Duration = Duration::from_millis(300);

#[test]
fn a_websocket_that_stops_reading_is_closed_while_another_keeps_receiving() {
    let mut rig = Rig::with(Limits { stall_max: STALL, ..Limits::default() });
    let (good, good_peer) = rig.join(Link::WebSocket);
    let mut stuck = TcpStream::connect(rig.server.local_addr()).unwrap();
    stuck.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: arcane.1\r\n\r\n").unwrap();
    rig.turns(Duration::from_millis(20));
    stuck.write_all(&[0x82, 0x82, 0, 0, 0, 0, 1, b'h']).unwrap();
    let peer = rig.see("the raw hello", |event| match event {
        Event::Hello { peer, .. } if *peer != good_peer => Some(*peer),
        _ => None,
    });
    let frame = [5; 1000];
    let mut n_good = 0;
    let reason = rig.until("the stuck one closed", |rig| {
        for _ in 0..20 {
            // Many frames a turn, to fill what TCP buffers on loopback.
            rig.server.send_frame(peer, &frame);
            rig.server.send_frame(good_peer, b"tick");
            rig.server.flush(std::time::Instant::now());
        }
        n_good += rig.heard.drain(..).filter(|e| matches!(e, ClientEvent::Datagram { .. })).count();
        let at = rig.seen.iter().position(|e| matches!(e, Event::Closed { peer: p, .. } if *p == peer))?;
        let Event::Closed { reason, .. } = rig.seen.remove(at) else { unreachable!() };
        Some(reason)
    });
    assert!(matches!(reason, CloseReason::TooSlow { .. }), "{reason}");
    assert!(n_good > 100, "the reader got {n_good} frames");
    assert!(rig.server.counters().drops_frame > 0);
    let _ = good;
}

#[test]
fn a_quic_peer_that_acknowledges_nothing_is_closed_for_its_facts() {
    let mut rig = Rig::with(Limits { stall_max: STALL, ..Limits::default() });
    let (good, good_peer) = rig.join(Link::Quic);
    let (mut far, far_conn) = (transport::client::Clients::new(1).unwrap(), rig.target(Link::Quic));
    let conn = far.connect(std::time::Instant::now(), &far_conn).unwrap();
    let peer = rig.until("the silent one's hello", |rig| {
        far.receive(std::time::Instant::now());
        while let Some(event) = far.poll_event() {
            if matches!(event, ClientEvent::Connected { .. }) {
                assert!(far.send_record(conn, b"I shall say no more"));
            }
        }
        far.flush(std::time::Instant::now());
        rig.seen.iter().find_map(|event| match event {
            Event::Hello { peer, bytes, .. } if **bytes == *b"I shall say no more" => Some(*peer),
            _ => None,
        })
    });
    // From here on the far client never runs again.
    for _ in 0..200 {
        assert!(rig.server.send_record(peer, &[1; 1000]));
    }
    let reason = rig.see_closed(peer);
    assert!(matches!(reason, CloseReason::TooSlow { .. }), "{reason}");
    rig.heard.clear();
    assert!(rig.server.send_record(good_peer, b"fact"));
    rig.hear("a fact for the other", |event| match event {
        ClientEvent::Record { conn, .. } if *conn == good => Some(()),
        _ => None,
    });
}

#[test]
fn a_queue_over_its_limit_closes_the_peer_and_never_grows_further() {
    for link in crate::rig::BOTH {
        let mut rig = Rig::with(Limits { queued_bytes_max: 100_000, ..Limits::default() });
        let (_, peer) = rig.join(link);
        let accepted = (0..1000).take_while(|_| rig.server.send_record(peer, &[1; 1000])).count();
        assert!((100..=101).contains(&accepted), "{accepted}");
        assert!(matches!(rig.see_closed(peer), CloseReason::TooSlow { .. }), "{link:?}");
    }
}

#[test]
fn facts_leave_at_their_budget_and_not_all_at_once() {
    for link in crate::rig::BOTH {
        let mut rig = Rig::new();
        let (_, peer) = rig.join(link);
        for _ in 0..64 {
            assert!(rig.server.send_record(peer, &[1; 1022]));
        }
        rig.turns(Duration::from_millis(100));
        let queued = rig.server.peer_stats(peer).unwrap().queued_bytes;
        assert!((32_768..=49_152).contains(&queued), "{link:?}: {queued} bytes still queued of 65,536");
    }
}
