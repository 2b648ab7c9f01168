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

#[test]
fn fifty_peers_in_play_cost_one_packet_each_way_and_tick() {
    const PERIOD: Duration = Duration::from_millis(50);
    const N_TICKS: u64 = 40;
    let mut rig = Rig::new();
    let joined: Vec<_> = (0..50).map(|_| rig.join(Link::Quic)).collect();
    rig.turns(Duration::from_millis(1200));
    // A machine that stands still for longer than the timers' grace proves nothing: then it is tried again.
    for _ in 0..5 {
        let (before, before_clients) = (rig.server.counters(), rig.clients.counters());
        let mut longest = Duration::ZERO;
        for _ in 0..N_TICKS {
            let begun = Instant::now();
            play_a_tick(&mut rig, &joined, PERIOD);
            longest = longest.max(begun.elapsed());
        }
        if longest > 3 * PERIOD {
            continue;
        }
        let (after, after_clients) = (rig.server.counters(), rig.clients.counters());
        let n = N_TICKS * joined.len() as u64;
        assert_eq!(after.frames_out - before.frames_out, n);
        assert_eq!(after.standalone_acks - before.standalone_acks, 0);
        assert_eq!(after.udp_out - before.udp_out, n, "packets of the server for {n} frames");
        let alone = after_clients.standalone_acks - before_clients.standalone_acks;
        assert!(alone <= n / 10, "{alone} packets without cargo from the clients for {n} inputs");
        let packets_in = after.udp_in - before.udp_in;
        assert!(packets_in <= n + n / 10, "{packets_in} packets from the clients for {n} inputs");
        return;
    }
    panic!("the machine never did 40 ticks without standing still");
}

/// Half of the clients speak early in the tick and half late: both sides hold what they owe for longer than 25 ms.
fn play_a_tick(rig: &mut Rig, joined: &[(transport::client::ConnId, transport::PeerId)], period: Duration) {
    let begun = Instant::now();
    rig.server.receive(Instant::now());
    while rig.server.poll_event().is_some() {}
    joined.iter().for_each(|(_, peer)| assert!(rig.server.send_frame(*peer, &[3; 600])));
    rig.server.flush(Instant::now());
    for (half, at) in [(0, period / 5), (1, period * 4 / 5)] {
        while Instant::now() < begun + at {
            rig.clients.wait(begun + at);
            while rig.clients.poll_event().is_some() {}
        }
        for (conn, _) in joined.iter().skip(half).step_by(2) {
            assert!(rig.clients.send_datagram(*conn, &[4; 40]));
        }
        rig.clients.flush(Instant::now());
        rig.server.serve_door(Instant::now());
    }
    rig.server.serve_door(begun + period);
}

#[test]
fn a_peer_without_frame_is_left_alone_until_its_acknowledgement_is_due() {
    let mut rig = Rig::new();
    let (conn, peer) = rig.join(Link::Quic);
    rig.turns(Duration::from_millis(1200));
    let arrived = input_behind_a_frame(&mut rig, conn, peer);
    let before = rig.server.counters();
    // Time is an argument: however slow the machine is, these two are a tick apart.
    rig.server.flush(arrived + Duration::from_millis(49));
    let between = rig.server.counters();
    assert_eq!(between.send_visits, before.send_visits, "visited with nothing to send");
    rig.server.flush(arrived + Duration::from_millis(99));
    let after = rig.server.counters();
    assert_eq!(after.send_visits - before.send_visits, 1);
    assert_eq!((after.udp_out - before.udp_out, after.standalone_acks - before.standalone_acks), (1, 1));
    // It was acknowledged: nothing is left to do.
    rig.server.flush(arrived + Duration::from_millis(140));
    assert_eq!(rig.server.counters().send_visits, after.send_visits);
}

/// What was owed before is acknowledged with a frame; then comes one input. Returns when it was taken from the socket,
/// soon after the frame: the frame's own timers are not due for a quarter of a second.
fn input_behind_a_frame(rig: &mut Rig, conn: transport::client::ConnId, peer: transport::PeerId) -> Instant {
    for _ in 0..100 {
        let begun = Instant::now();
        rig.server.receive(begun);
        assert!(rig.server.send_frame(peer, &[3; 600]));
        rig.server.flush(begun);
        rig.clients.receive(Instant::now());
        assert!(rig.clients.send_datagram(conn, b"input"));
        rig.clients.flush(Instant::now());
        while rig.clients.poll_event().is_some() {}
        let arrived = loop {
            rig.server.receive(Instant::now());
            match rig.server.poll_event() {
                Some(transport::Event::Datagram { arrived, .. }) => break arrived,
                _ => std::thread::yield_now(),
            }
        };
        if arrived < begun + Duration::from_millis(60) {
            return arrived;
        }
    }
    panic!("the machine never did a turn without standing still");
}
