//! Every attack for a moment, over real sockets: the zone stays up, forgets the attackers, and honest players go on.
//! The long form with figures is `perf hostile`.

use attacks::amplify::weigh;
use attacks::{Kind, Plan, Tally};
use process_tests::at_once;
use process_tests::honest::Honest;
use process_tests::zone::Zone;
use std::time::{Duration, Instant};
use transport::Link;

/// Room for all who come, and for the bodies of those who were thrown out.
const ROOM: [&str; 2] = ["--players-max", "800"];
/// How long an attack goes on.
const MOMENT: Duration = Duration::from_secs(3);
/// A machine that runs tests is busy; an attack that does not come about says nothing.
const PATIENCE: Duration = Duration::from_secs(40);
/// What pages and buffers may take that belong to nobody: the zone is as small as its tests.
const SLACK_KIB: u64 = 6 * 1024;

/// What was seen of an attack.
struct Seen {
    tally: Tally,
    /// The most connections that were kept at once.
    n_open_max: u64,
    /// The most memory, above what there was before.
    grown_kib: u64,
}

/// Attacks a zone for a moment, and on until `enough` says that something came of it; honest players meanwhile.
fn check(
    kind: Kind,
    per_second: u32,
    n_attackers: usize,
    enough: impl Fn(&Zone, &Tally) -> bool,
) -> (Zone, Seen) {
    let mut zone = Zone::start_with(&ROOM);
    let honest = [Link::Quic, Link::WebSocket].map(|link| Honest::enter(&zone, link));
    // The first checkpoint takes its memory once: it is not the attackers'.
    zone.wait_number("/log/checkpoint_lsn", 1);
    let before_kib = zone.resident_kib();
    let plan = Plan { kind, server: zone.listen, per_second, n_attackers };
    let begun = Instant::now();
    let mut looked_at = begun;
    let (mut n_open_max, mut grown_kib) = (0, 0);
    let tally = attacks::run(&plan, |tally| {
        n_open_max = n_open_max.max(tally.n_open);
        let now = Instant::now();
        if now.duration_since(looked_at) < Duration::from_millis(100) {
            return true;
        }
        looked_at = now;
        grown_kib = zone.resident_kib().saturating_sub(before_kib).max(grown_kib);
        assert!(begun.elapsed() < PATIENCE, "nothing came of {kind:?}: {tally:?}\n{}", zone.status());
        begun.elapsed() < MOMENT || !enough(&zone, tally)
    })
    .expect("sockets for an attack");
    assert!(zone.is_running());
    assert!(!zone.log().contains("panicked"), "{}", zone.log());
    assert_eq!(zone.number("/sockets/panics_endpoint") + zone.number("/sockets/closed_internal"), 0);
    at_once(honest, Honest::leave_unharmed);
    (zone, Seen { tally, n_open_max, grown_kib })
}

/// What an attacker that was let in may cost, on average, slack apart.
fn check_members(kind: Kind, per_second: u32, enough: impl Fn(&Zone, &Tally) -> bool) -> (Zone, Seen) {
    let n_attackers = 8;
    let (zone, seen) = check(kind, per_second, n_attackers, |zone, tally| {
        tally.n_played >= n_attackers as u64 / 2 && enough(zone, tally)
    });
    assert!(seen.grown_kib <= 1024 * n_attackers as u64 + SLACK_KIB, "{} KiB", seen.grown_kib);
    (zone, seen)
}

#[test]
fn first_packets_from_everywhere_are_asked_to_come_again_and_nothing_is_kept() {
    let (zone, seen) = check(Kind::Initials, 3_000, 0, |zone, _| zone.number("/sockets/retries") > 2_000);
    // 64 wait at once, for the time of a handshake; all others are sent away.
    let n_begun = zone.number("/sockets/handshakes_begun");
    assert!(n_begun <= 64 * 10, "{n_begun} of {} were let begin", seen.tally.n_out);
    assert!(seen.grown_kib <= 64 * 64 + SLACK_KIB, "{} KiB", seen.grown_kib);
    assert!(seen.tally.bytes_in <= 3 * seen.tally.bytes_out, "{:?}", seen.tally);
}

#[test]
fn handshakes_that_nobody_goes_on_with_are_forgotten_and_cost_little_until_then() {
    let (zone, seen) = check(Kind::HalfOpen, 150, 0, |zone, tally| {
        tally.n_open >= 200 && zone.number("/sockets/handshakes_failed") >= 20
    });
    let kib = seen.grown_kib.saturating_sub(SLACK_KIB);
    assert!(kib <= 64 * seen.n_open_max, "{kib} KiB for {}", seen.n_open_max);
    zone.wait_number("/sockets/handshakes_failed", seen.tally.n_open);
    process_tests::wait_for("an empty door", PATIENCE, || (zone.number("/connections") <= 2).then_some(()));
}

#[test]
fn requests_that_take_for_ever_are_cut() {
    let (zone, seen) = check(Kind::Slowloris, 400, 200, |_, tally| tally.n_closed >= 50);
    let kib = seen.grown_kib.saturating_sub(SLACK_KIB);
    assert!(kib <= 64 * seen.n_open_max, "{kib} KiB for {}", seen.n_open_max);
    assert!(zone.number("/sockets/handshakes_failed") >= 50);
}

#[test]
fn frames_too_long_or_in_pieces_close_their_connection() {
    let (zone, seen) = check_members(Kind::Frames, 40, |_, tally| tally.n_closed >= 20);
    assert!(zone.number("/sockets/closed_protocol") >= seen.tally.n_closed / 2);
}

#[test]
fn a_flood_of_pings_is_answered_no_more_than_can_be_taken() {
    let (_, seen) = check_members(Kind::Pings, 4_000, |_, tally| tally.n_deeds >= 4_000);
    assert!(seen.tally.bytes_in <= 2 * seen.tally.bytes_out, "{:?}", seen.tally);
}

#[test]
fn streams_beyond_the_limits_close_their_connection() {
    let (_, seen) = check_members(Kind::Streams, 800, |_, tally| tally.n_closed >= 8);
    assert!(seen.tally.n_deeds > 200, "{:?}", seen.tally);
}

#[test]
fn a_flood_of_datagrams_is_dropped_and_closed() {
    let (zone, _) = check_members(Kind::Datagrams, 3_000, |zone, _| {
        zone.number("/refused/Flood") >= 4 && zone.number("/sockets/drops_oversized") > 0
    });
    assert!(zone.number("/refused/datagrams_flood") >= 300);
}

#[test]
fn garbage_after_the_handshake_closes_its_connection() {
    let (zone, _) = check_members(Kind::Garbage, 1_500, |_, tally| tally.n_closed >= 4);
    assert!(zone.number("/refused/datagrams_bad") > 20);
}

#[test]
fn inputs_said_again_and_in_another_order_move_nothing_twice() {
    let (zone, seen) = check_members(Kind::Replays, 300, |_, tally| tally.n_deeds >= 600);
    let received = zone.number("/total/commands_received");
    // Each is said up to nine times; the honest ones say one per tick.
    assert!(received < 2 * seen.tally.n_deeds + 2_000, "{received} commands of {:?}", seen.tally);
}

#[test]
fn clients_that_never_read_cost_little_and_nobody_else_notices() {
    let (zone, seen) = check_members(Kind::Deafness, 160, |_, tally| tally.n_deeds >= 480);
    // Their inputs are good ones: they stay until too much is under way, which takes a while.
    assert!(seen.tally.n_closed <= 8, "{:?}", seen.tally);
    assert!(zone.number("/total/commands_received") > 0);
}

#[test]
fn no_address_that_has_proved_nothing_is_sent_more_than_three_times_what_came_from_it() {
    let zone = Zone::start();
    for weighed in weigh(zone.listen, Duration::from_secs(7)).expect("sockets to ask from") {
        assert!(weighed.factor() <= 3.0, "{weighed:?}");
    }
}
