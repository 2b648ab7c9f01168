//! A clock against a server and a wire in virtual time.

use super::*;
use std::ops::RangeInclusive;

const STEP_NS: u64 = 500_000;
const TICK_NS: u64 = 50_000_000;

struct Wire {
    one_way_ns: u64,
    jitter_ns: u64,
    /// The server stands still from the first time to the second.
    stall: (u64, u64),
    start_tick: u32,
    /// How long the server's ticks really take.
    tick_ns: u64,
    /// Between these ticks, counted from the start, they take so long, and the server says so four ticks before.
    stretch: (std::ops::Range<u32>, u64),
    /// The owner looks after its clock this often.
    frame_ns: u64,
}

impl Wire {
    fn period_ns(&self, tick: u32) -> u64 {
        let (ticks, period_ns) = &self.stretch;
        if ticks.contains(&tick.wrapping_sub(self.start_tick)) { *period_ns } else { self.tick_ns }
    }

    /// As the server's schedule has it: a server that is slow without saying so does not know.
    fn stretched_ns(&self, tick: u32) -> u64 {
        if self.stretch.0.is_empty() { TICK_NS } else { self.period_ns(tick) }
    }
}

const LOOPBACK: Wire = Wire {
    one_way_ns: 100_000,
    jitter_ns: 0,
    stall: (0, 0),
    start_tick: 1_000,
    tick_ns: TICK_NS,
    stretch: (0..0, 0),
    frame_ns: STEP_NS,
};

#[derive(Default)]
struct Outcome {
    /// Margins of the last five seconds, in 2 ms.
    margins: Vec<i32>,
    n_late: u32,
    n_sent: u32,
    n_snaps: u32,
    speed: (f64, f64),
}

/// Plays `seconds`; the server's own tick is a count, its time the sum of its ticks.
fn play(wire: &Wire, seconds: u64) -> Outcome {
    let mut clock = Clock::new(20);
    let mut draw = 12_345u64;
    let mut delay = || {
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        wire.one_way_ns + if wire.jitter_ns == 0 { 0 } else { (draw >> 33) % wire.jitter_ns }
    };
    let (mut tick, mut next_step) = (wire.start_tick, 1_000_000_000u64);
    let mut inputs: Vec<(u64, u32)> = Vec::new();
    let mut snapshots: Vec<(u64, u32, Option<i32>)> = Vec::new();
    let mut newest: Option<(u32, i32)> = None;
    let mut last_sent: Option<u32> = None;
    let mut out = Outcome { speed: (1.0, 1.0), ..Outcome::default() };
    let end = 1_000_000_000 + seconds * 1_000_000_000;
    let mut now = 1_000_000_000u64;
    while now < end {
        let is_last = now + 5_000_000_000 > end;
        for (_, command) in inputs.extract_if(.., |(at, _)| *at <= now) {
            let ahead = i64::from(command.wrapping_sub(tick) as i32 - 1);
            let ahead_ns: u64 = (1..=ahead).map(|at| wire.stretched_ns(tick.wrapping_add(at as u32))).sum();
            let deadline = next_step as i64 + ahead_ns as i64 + ahead.min(0) * TICK_NS as i64;
            let margin = ((deadline - now as i64) / 2_000_000).clamp(-128, 127) as i32;
            if newest.is_none_or(|(seen, _)| command.wrapping_sub(seen) as i32 > 0) {
                newest = Some((command, margin));
            }
            if is_last {
                out.n_late += u32::from(margin < 0);
                out.margins.push(margin);
            }
        }
        if next_step <= now {
            tick = tick.wrapping_add(1);
            next_step += wire.period_ns(tick);
            let (ticks, period_ns) = &wire.stretch;
            for (from, period_ns) in [(ticks.start, *period_ns), (ticks.end, wire.tick_ns)] {
                if !ticks.is_empty() && tick.wrapping_sub(wire.start_tick) + 4 == from {
                    assert!(clock.handle_pace(wire.start_tick.wrapping_add(from), period_ns as i64));
                }
            }
            if (wire.stall.0..wire.stall.1).contains(&now) {
                next_step = wire.stall.1;
            }
            snapshots.push((now + delay(), tick, newest.map(|(_, margin)| margin)));
        }
        let is_frame = now.is_multiple_of(wire.frame_ns);
        for (_, tick, margin) in snapshots.extract_if(.., |(at, ..)| is_frame && *at <= now) {
            clock.handle_snapshot(Nanos(now), tick, margin);
        }
        while is_frame && let Some(tick) = clock.poll_tick(Nanos(now)) {
            assert!(last_sent.is_none_or(|last| tick.wrapping_sub(last) as i32 > 0), "tick {tick} twice");
            last_sent = Some(tick);
            inputs.push((now + delay(), tick));
            out.n_sent += u32::from(is_last);
        }
        out.speed = (out.speed.0.min(clock.speed()), out.speed.1.max(clock.speed()));
        now += STEP_NS;
    }
    out.n_snaps = clock.n_snaps;
    out
}

fn check_steady(outcome: &Outcome, early_ms: RangeInclusive<i32>) {
    check_paced(outcome, early_ms, 98..=102);
}

fn check_paced(outcome: &Outcome, early_ms: RangeInclusive<i32>, n_sent: RangeInclusive<u32>) {
    assert!(n_sent.contains(&outcome.n_sent), "{} commands in 5 s", outcome.n_sent);
    let (low, high) = (outcome.margins.iter().min().unwrap() * 2, outcome.margins.iter().max().unwrap() * 2);
    assert!(early_ms.contains(&low) && early_ms.contains(&high), "{low} to {high} ms early");
    assert!(0.949 < outcome.speed.0 && outcome.speed.1 < 1.051, "speeds {:?}", outcome.speed);
}

#[test]
fn on_loopback_commands_come_fifteen_milliseconds_early_from_the_start_without_a_jump() {
    let outcome = play(&LOOPBACK, 10);
    check_steady(&outcome, 10..=20);
    assert_eq!((outcome.n_snaps, outcome.n_late), (0, 0));
}

#[test]
fn a_long_wire_is_found_by_one_jump() {
    let outcome = play(&Wire { one_way_ns: 120_000_000, ..LOOPBACK }, 12);
    check_steady(&outcome, 8..=24);
    assert_eq!(outcome.n_late, 0);
    assert!(outcome.n_snaps <= 3, "{} jumps", outcome.n_snaps);
}

#[test]
fn jitter_is_answered_by_sending_earlier() {
    let outcome = play(&Wire { jitter_ns: 30_000_000, one_way_ns: 20_000_000, ..LOOPBACK }, 30);
    assert!(outcome.n_late * 50 <= outcome.n_sent, "{} of {} late", outcome.n_late, outcome.n_sent);
    check_steady(&outcome, -20..=100);
}

#[test]
fn near_two_to_the_31_and_at_the_wrap_nothing_changes() {
    for start_tick in [(1 << 31) - 60, u32::MAX - 60, (1 << 31) - 1, u32::MAX] {
        let outcome = play(&Wire { start_tick, ..LOOPBACK }, 10);
        check_steady(&outcome, 10..=20);
        assert_eq!(outcome.n_snaps, 0, "from tick {start_tick}");
    }
}

#[test]
fn a_server_that_stands_still_for_two_seconds_is_followed() {
    let outcome = play(&Wire { stall: (4_000_000_000, 6_000_000_000), ..LOOPBACK }, 20);
    check_steady(&outcome, 8..=24);
    assert_eq!(outcome.n_late, 0);
    assert!((1..=3).contains(&outcome.n_snaps), "{} jumps", outcome.n_snaps);
}

#[test]
fn an_owner_that_sleeps_leaves_ticks_out_instead_of_sending_a_burst() {
    let mut clock = Clock::new(20);
    clock.handle_snapshot(Nanos(1_000_000_000), 100, None);
    let n_sent = std::iter::from_fn(|| clock.poll_tick(Nanos(11_000_000_000))).count();
    assert!(n_sent <= 2, "{n_sent} commands at once");
    assert!(clock.n_left_out > 190);
}

#[test]
fn the_expected_snapshot_is_the_one_that_arrives() {
    let mut clock = Clock::new(20);
    for tick in 0..100u32 {
        let now = Nanos(1_000_000_000 + u64::from(tick) * TICK_NS);
        clock.handle_snapshot(now, tick, Some(7));
        while clock.poll_tick(now).is_some() {}
        let (expected, part) = clock.snapshot_tick(now).unwrap();
        let off = f64::from(expected.wrapping_sub(tick) as i32) + f64::from(part);
        assert!(off.abs() < 0.2, "tick {tick}: {off} off");
    }
}

#[test]
fn a_zone_that_cannot_keep_its_rate_is_followed_at_its_pace() {
    for (tick_ns, n_sent) in [(55_000_000, 90..=92), (62_000_000, 79..=82), (80_000_000, 61..=64)] {
        let outcome = play(&Wire { tick_ns, ..LOOPBACK }, 30);
        check_paced(&outcome, 5..=45, n_sent);
        assert_eq!(outcome.n_late, 0, "{tick_ns} ns per tick");
    }
}

#[test]
fn a_zone_that_says_before_how_far_it_stretches_time_is_followed_without_a_late_command_or_a_jump() {
    for (one_way_ns, period_ns) in [(100_000, 100_000_000), (60_000_000, 75_000_000), (100_000, 62_500_000)] {
        for start_tick in [1_000, u32::MAX - 140] {
            let stretch = (100..1_000, period_ns);
            let outcome = play(&Wire { one_way_ns, stretch, start_tick, ..LOOPBACK }, 20);
            let per_5_s = (5_000_000_000 / period_ns) as u32;
            check_paced(&outcome, 6..=30, per_5_s - 1..=per_5_s + 1);
            assert_eq!((outcome.n_late, outcome.n_snaps), (0, u32::from(one_way_ns > 1_000_000)));
            let back = (100..160, period_ns);
            let outcome = play(&Wire { one_way_ns, stretch: back, start_tick, ..LOOPBACK }, 25);
            check_steady(&outcome, 6..=30);
            assert_eq!(outcome.n_late, 0, "back at its rate");
        }
    }
}

#[test]
fn an_owner_of_ten_frames_a_second_sends_two_at_a_time_and_both_in_time() {
    for one_way_ns in [100_000, 30_000_000, 77_000_000] {
        for frame_ns in [66_500_000, 100_000_000, 101_500_000, 150_000_000] {
            let wire = Wire { one_way_ns, frame_ns, ..LOOPBACK };
            let outcome = play(&wire, 15);
            let low = outcome.margins.iter().min().unwrap() * 2;
            assert_eq!(outcome.n_late, 0, "{low} ms early, {frame_ns} ns per frame, {one_way_ns} ns one way");
            assert!((97..=103).contains(&outcome.n_sent), "{} commands in 5 s", outcome.n_sent);
            assert!(outcome.n_snaps <= 8, "{} jumps", outcome.n_snaps);
        }
    }
}
