//! In steady play nobody sends a packet without cargo.
use crate::rig::Rig;
use std::time::{Duration, Instant};
use transport::Link;

const TICK: Duration = Duration::from_millis(20);

#[test]
fn acknowledgements_ride_on_frames_and_inputs() {
    let mut rig = Rig::new();
    let (conn, peer) = rig.join(Link::Quic);
    rig.turns(Duration::from_millis(1200));
    let before = rig.server.counters();
    let n = 50;
    let mut next = Instant::now();
    for _ in 0..n {
        next += TICK;
        rig.server.receive(Instant::now());
        while rig.server.poll_event().is_some() {}
        assert!(rig.server.send_frame(peer, &[3; 600]));
        rig.server.flush(Instant::now());
        rig.clients.receive(Instant::now());
        while rig.clients.poll_event().is_some() {}
        assert!(rig.clients.send_datagram(conn, &[4; 40]));
        rig.clients.flush(Instant::now());
        rig.server.serve_door(next);
    }
    let after = rig.server.counters();
    assert_eq!(after.frames_out - before.frames_out, n);
    let alone = after.standalone_acks - before.standalone_acks;
    let packets_in = after.udp_in - before.udp_in;
    assert!(alone <= 1, "{alone} packets without cargo from the server");
    assert!(packets_in <= n + n / 10, "{packets_in} packets from the client for {n} inputs");
}

#[test]
fn silence_ends_a_peer_and_keepalives_keep_one() {
    let limits = transport::Limits { idle_timeout: Duration::from_millis(400), ..Default::default() };
    for link in crate::rig::BOTH {
        let mut rig = Rig::with(limits.clone());
        let (_, peer) = rig.join(link);
        let end = Instant::now() + Duration::from_secs(5);
        let mut reason = None;
        // Only the server runs: the client is gone without a word.
        while reason.is_none() && Instant::now() < end {
            rig.turn_server();
            reason = rig.seen.iter().find_map(|event| match event {
                transport::Event::Closed { peer: p, reason } if *p == peer => Some(reason.clone()),
                _ => None,
            });
        }
        assert_eq!(reason, Some(transport::CloseReason::Silence), "{link:?}");
    }
}
