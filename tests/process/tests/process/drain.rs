//! Going down: SIGTERM, SIGINT, and a second one.

use std::time::{Duration, Instant};

use netproto::{Record, Refusal};
use process_tests::rogue::Rogue;
use process_tests::zone::{Zone, request};
use process_tests::{at_once, attempt};
use transport::{CloseCode, CloseReason, Link};

/// Any machine is faster.
const END_MAX: Duration = Duration::from_secs(30);

#[test]
fn a_drained_zone_tells_everybody_and_ends_well_within_three_seconds() {
    at_once(["TERM", "INT"], |signal| {
        attempt(|| match drained(signal) {
            took if took < Duration::from_secs(3) => Ok(()),
            took => Err(format!("the zone took {took:?} to drain")),
        });
    });
}

/// Ends a zone with two players in it; gives how long that took.
fn drained(signal: &str) -> Duration {
    let mut zone = Zone::start();
    let mut players = [Rogue::enter(&zone, Link::Quic), Rogue::enter(&zone, Link::WebSocket)];
    let begun = Instant::now();
    zone.signal(signal);
    for player in &mut players {
        let reason = player.wait_closed();
        let told = |record: &Record| matches!(record, Record::Notice(notice) if notice.text.contains("down"));
        assert!(player.records.iter().any(told), "{:?}", player.records);
        let expected = CloseCode::Shutdown as u32;
        assert!(matches!(reason, CloseReason::Peer { code, .. } if code == expected), "{reason:?}");
    }
    let status = zone.wait_end(END_MAX);
    assert!(status.success(), "{status}");
    assert!(zone.log().contains("the zone has drained"), "{}", zone.log());
    begun.elapsed()
}

#[test]
fn a_draining_zone_lets_nobody_in_and_says_so() {
    attempt(|| {
        let mut zone = Zone::start();
        // The handshake before, the hello after the signal: a drain is short.
        let mut late = Rogue::dial(&zone.target(Link::Quic));
        late.wait("the handshake", |rogue| rogue.is_connected);
        zone.signal("TERM");
        wait_drain(&mut zone)?;
        if late.closed.is_none() {
            let mut hello = Vec::new();
            netproto::version::hello("late").encode(&mut hello);
            late.send_record(&hello);
        }
        let reason = late.wait_closed();
        assert!(zone.wait_end(END_MAX).success());
        let too_late = || format!("the hello came after the drain: {reason:?}");
        let (refusal, record) = late.refusal().ok_or_else(too_late)?;
        assert!(refusal == Refusal::Draining && record.text.len() > 10, "{refusal:?}: {}", record.text);
        Ok(())
    });
}

/// Waits until the admin page says that the zone drains; `Err` when the drain was over before anybody looked.
fn wait_drain(zone: &mut Zone) -> Result<(), String> {
    while zone.is_running() {
        let answer = request(zone.admin, "GET", "/healthz", &[]);
        if answer.is_ok_and(|(code, body)| code == 503 && body.starts_with("draining")) {
            return Ok(());
        }
    }
    Err("the drain was over before anybody looked".to_owned())
}

#[test]
fn a_second_signal_ends_a_zone_at_once() {
    attempt(|| {
        let mut zone = Zone::start();
        zone.signal("TERM");
        while zone.is_running() && !zone.log().contains("draining") {
            std::thread::yield_now();
        }
        let is_sent = zone.try_signal("TERM");
        let begun = Instant::now();
        match zone.wait_end(END_MAX).code() {
            Some(130) if begun.elapsed() < Duration::from_secs(1) => Ok(()),
            code => Err(format!("{code:?} after {:?}, second signal sent: {is_sent}", begun.elapsed())),
        }
    });
}
