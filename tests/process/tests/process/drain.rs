//! Going down: SIGTERM, SIGINT, and a second one.

use std::time::{Duration, Instant};

use netproto::{Record, Refusal};
use process_tests::rogue::Rogue;
use process_tests::wait_for;
use process_tests::zone::{Zone, request};
use transport::{CloseCode, CloseReason, Link};

#[test]
fn a_drained_zone_tells_everybody_and_ends_well_within_three_seconds() {
    for signal in ["TERM", "INT"] {
        let mut zone = Zone::start();
        let mut players = [Rogue::enter(&zone, Link::Quic), Rogue::enter(&zone, Link::WebSocket)];
        let begun = Instant::now();
        zone.signal(signal);
        for player in &mut players {
            let reason = player.wait_closed();
            let told =
                |record: &Record| matches!(record, Record::Notice(notice) if notice.text.contains("down"));
            assert!(player.records.iter().any(told), "{:?}", player.records);
            let expected = CloseCode::Shutdown as u32;
            assert!(matches!(reason, CloseReason::Peer { code, .. } if code == expected), "{reason:?}");
        }
        let status = zone.wait_end(Duration::from_secs(3));
        assert!(
            status.success() && begun.elapsed() < Duration::from_secs(3),
            "{status} after {:?}",
            begun.elapsed()
        );
        assert!(zone.log().contains("the zone has drained"), "{}", zone.log());
    }
}

#[test]
fn a_draining_zone_lets_nobody_in_and_says_so() {
    let mut zone = Zone::start();
    // The handshake before, the hello after the signal: a drain is short.
    let mut late = Rogue::dial(&zone.target(Link::Quic));
    late.wait("the handshake", |rogue| rogue.is_connected);
    zone.signal("TERM");
    wait_for("the drain", Duration::from_secs(5), || {
        request(zone.admin, "GET", "/healthz", &[])
            .ok()
            .filter(|(code, body)| *code == 503 && body.starts_with("draining"))
    });
    let mut hello = Vec::new();
    netproto::version::hello("late").encode(&mut hello);
    late.send_record(&hello);
    late.expect_refusal(Refusal::Draining);
    assert!(zone.wait_end(Duration::from_secs(3)).success());
}

#[test]
fn a_second_signal_ends_a_zone_at_once() {
    let mut zone = Zone::start();
    zone.signal("TERM");
    wait_for("the drain", Duration::from_secs(5), || zone.log().contains("draining").then_some(()));
    zone.signal("TERM");
    assert_eq!(zone.wait_end(Duration::from_secs(1)).code(), Some(130));
}
