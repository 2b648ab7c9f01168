//! When to send the command of which tick.
//!
//! The schedule runs on its own, one tick after the other; answers of the server only bend it. A command should
//! reach the server a little before its tick: 15 ms and twice the jitter, at most two ticks, and the time between two
//! visits of an owner who comes more rarely than ticks do. The server tells in
//! every snapshot how early the newest input came; from that the clock steers by at most 5 % around the zone's
//! [pace](crate::pace), and jumps when it is more than ten ticks off. A zone that stretches its ticks says so before,
//! and the schedule stretches with them.
//! Source: docs/PROTOCOL.md "Input", "Pace".

use crate::Nanos;
use crate::jitter::Jitter;
use crate::pace::Pace;
use crate::visits::Visits;

/// How early a command should come, apart from jitter.
const EARLY_NS: i64 = 15_000_000;
/// The farthest from its tick that a command is aimed, in ticks.
const EARLY_TICKS_MAX: i64 = 2;
/// The error that is steered against with all of the 5 %.
const STEER_ERROR_NS: f64 = 50_000_000.0;
const STEER_MAX: f64 = 0.05;
/// Errors below this are the resolution of the answer.
const STEER_FROM_NS: i64 = 2_000_000;
/// Off by more than this is not worth steering.
const SNAP_TICKS: i64 = 10;
/// A jump needs this many snapshots in a row that ask for it: one burst of late packets is not a reason.
const SNAP_STRIKES: u8 = 3;
/// Late, or much too early, for so long, whatever the number of snapshots: commands have moved nothing for a second,
/// so a jump loses nothing.
const USELESS_NS: u64 = 950_000_000;
/// Ahead by more than this, ticks are numbered anew instead of waiting for the server.
const WAIT_TICKS_MAX: i64 = 64;
/// Behind by more than this, ticks are left out instead of being sent all at once.
const BEHIND_TICKS_MAX: u64 = 8;
/// A snapshot that is farther back than this is reckoned at one pace.
const BACK_TICKS_MAX: u32 = 64;
const MARGIN_NS: i64 = 2_000_000;
/// An answer this large may mean anything beyond it.
const MARGIN_MAX: i32 = 127;

/// The schedule of one connection's commands.
#[derive(Clone, Debug)]
pub struct Clock {
    /// Tick of the next command, once the first snapshot has set it, and when to send it.
    next_tick: Option<u32>,
    next_at: Nanos,
    /// Speed of the schedule against the zone's pace.
    speed: f64,
    /// From sending a command for right now to hearing of it, without waiting: the wire's share.
    rtt_ns: i64,
    jitter: Jitter,
    pace: Pace,
    visits: Visits,
    /// Ticks that commands are aimed further ahead, because they wait for each other.
    further_ticks: i64,
    /// The first answers have been acted upon.
    is_settled: bool,
    /// Answers before this are about commands from before the last jump.
    deaf_until: Nanos,
    strikes: u8,
    useless_since: Option<Nanos>,
    /// Jumps.
    pub n_snaps: u32,
    /// Ticks for which no command was sent: left out by a jump, or because the owner came too late.
    pub n_left_out: u64,
}

impl Clock {
    /// A clock that waits for its first snapshot.
    ///
    /// # Panics
    /// If the rate is 0: it is checked when the welcome is read.
    #[must_use]
    pub fn new(ticks_per_second: u32) -> Self {
        assert!(ticks_per_second > 0, "a zone without ticks");
        let tick_ns = 1_000_000_000 / i64::from(ticks_per_second);
        Self {
            next_tick: None,
            next_at: Nanos(0),
            speed: 1.0,
            rtt_ns: 0,
            jitter: Jitter::default(),
            pace: Pace::new(tick_ns),
            visits: Visits::default(),
            further_ticks: 0,
            is_settled: false,
            deaf_until: Nanos(0),
            strikes: 0,
            useless_since: None,
            n_snaps: 0,
            n_left_out: 0,
        }
    }

    /// The same clock, for commands that may wait so many ticks before they leave.
    #[must_use]
    pub fn further_ahead(self, ticks: u32) -> Self {
        Self { further_ticks: ticks.into(), ..self }
    }

    /// The zone announced how long ticks from `tick` on take. False, and nothing changes, if no zone may say so.
    pub fn handle_pace(&mut self, tick: u32, period_ns: i64) -> bool {
        self.pace.handle_announced(tick, period_ns)
    }

    /// A snapshot of `tick` was applied; `margin_2ms` is its answer, if it holds one.
    pub fn handle_snapshot(&mut self, now: Nanos, tick: u32, margin_2ms: Option<i32>) {
        self.pace.handle_snapshot(now, tick);
        let Some(lead_ns) = self.lead_ns(now, tick) else {
            self.start(now, tick);
            return;
        };
        let off_ns = lead_ns - self.rtt_ns - self.target_ns();
        self.strikes = if off_ns.abs() > SNAP_TICKS * self.tick_ns() { self.strikes + 1 } else { 0 };
        if self.strikes >= SNAP_STRIKES {
            self.shift(now, -off_ns);
        } else if let Some(margin) = margin_2ms.filter(|_| self.deaf_until <= now) {
            self.handle_margin(now, lead_ns, margin);
        }
    }

    /// The tick whose command is due, oldest first; call until it gives nothing.
    pub fn poll_tick(&mut self, now: Nanos) -> Option<u32> {
        let mut tick = self.next_tick?;
        let behind = now.0.checked_sub(self.next_at.0)? / self.period_ns(tick);
        if behind > BEHIND_TICKS_MAX {
            self.n_left_out += behind;
            tick = tick.wrapping_add(behind as u32);
            self.next_at.0 += behind * self.period_ns(tick);
        }
        if self.visits.record(now, now.since(self.next_at) as i64, self.pace.period_ns(tick)) {
            // Steering would take seconds, and meanwhile commands come late.
            self.is_settled = false;
        }
        self.next_tick = Some(tick.wrapping_add(1));
        self.next_at.0 += self.period_ns(tick);
        Some(tick)
    }

    /// When the next command is due; nothing before the first snapshot.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Nanos> {
        self.next_tick.map(|_| self.next_at)
    }

    /// The tick whose snapshot should be arriving now, and how far into the next one it is, in 0.0..1.0.
    #[must_use]
    pub fn snapshot_tick(&self, now: Nanos) -> Option<(u32, f32)> {
        let next = self.next_tick?;
        let until_ns = self.next_at.0 as i64 - now.0 as i64;
        let mut back_ns = until_ns + self.rtt_ns + self.target_ns();
        let mut tick = next;
        for _ in 0..BACK_TICKS_MAX {
            if back_ns <= 0 {
                break;
            }
            tick = tick.wrapping_sub(1);
            back_ns -= self.pace.span_ns(tick, tick.wrapping_add(1));
        }
        let ticks = (-back_ns).div_euclid(self.tick_ns());
        let part_ns = (-back_ns).rem_euclid(self.tick_ns());
        Some((tick.wrapping_add(ticks as u32), part_ns as f32 / self.tick_ns() as f32))
    }

    /// How early commands are aimed.
    #[must_use]
    pub fn target_ns(&self) -> i64 {
        let early_ns = (EARLY_NS + 2 * self.jitter.p95_ns()).min(EARLY_TICKS_MAX * self.tick_ns());
        early_ns + self.visits.span_ns() + self.further_ticks * self.tick_ns()
    }

    /// The wire's share of a round trip, smoothed.
    #[must_use]
    pub fn rtt_ns(&self) -> i64 {
        self.rtt_ns
    }

    /// Speed of the schedule against the zone's pace, 0.95 to 1.05.
    #[must_use]
    pub fn speed(&self) -> f64 {
        self.speed
    }

    /// Time from the command of a tick to the next one, as steered.
    fn period_ns(&self, tick: u32) -> u64 {
        (self.pace.period_ns(tick) as f64 / self.speed) as u64
    }

    /// Time per tick now, as the zone announced it.
    fn tick_ns(&self) -> i64 {
        self.pace.announced_ns()
    }

    /// The first guess takes the wire for free of delay: the next tick's command is due just before it.
    fn start(&mut self, now: Nanos, tick: u32) {
        self.next_tick = Some(tick.wrapping_add(1));
        self.next_at = Nanos(now.0.saturating_add_signed(self.tick_ns() - self.target_ns()));
    }

    /// How far the schedule is ahead of the tick of a snapshot that arrives now.
    fn lead_ns(&self, now: Nanos, tick: u32) -> Option<i64> {
        let ahead_ns = self.pace.span_ns(tick, self.next_tick?);
        Some(ahead_ns - (self.next_at.0 as i64 - now.0 as i64))
    }

    fn handle_margin(&mut self, now: Nanos, lead_ns: i64, margin_2ms: i32) {
        // As if it had been sent when it was due.
        let margin_ns = i64::from(margin_2ms) * MARGIN_NS + self.visits.late_ns();
        let late_ns = self.target_ns() - margin_ns;
        let is_useless = !(0..MARGIN_MAX).contains(&margin_2ms);
        self.useless_since = is_useless.then(|| self.useless_since.unwrap_or(now));
        if self.useless_since.is_some_and(|since| now.since(since) >= USELESS_NS) {
            self.is_settled = false;
        }
        if !self.is_settled && late_ns.abs() > self.tick_ns() {
            self.rtt_ns = lead_ns - margin_ns;
            self.shift(now, late_ns);
            return;
        }
        if margin_2ms.abs() < MARGIN_MAX {
            let sample_ns = (lead_ns - margin_ns).max(0);
            self.rtt_ns =
                if self.is_settled { self.rtt_ns + (sample_ns - self.rtt_ns) / 8 } else { sample_ns };
            self.jitter.record(margin_ns);
        }
        self.is_settled = true;
        self.steer(late_ns);
    }

    fn steer(&mut self, late_ns: i64) {
        let wanted =
            if late_ns.abs() < STEER_FROM_NS { 0.0 } else { late_ns as f64 / STEER_ERROR_NS * STEER_MAX };
        self.speed = 1.0 + wanted.clamp(-STEER_MAX, STEER_MAX);
    }

    /// Moves the schedule ahead by `ahead_ns`; back, if it is negative. No tick is sent twice unless the server
    /// is so far behind that it counts anew.
    fn shift(&mut self, now: Nanos, ahead_ns: i64) {
        let Some(next) = self.next_tick else { return };
        let ticks = ahead_ns.div_euclid(self.tick_ns());
        if ahead_ns > 0 {
            self.next_tick = Some(next.wrapping_add(ticks as u32));
            self.next_at.0 = self.next_at.0.saturating_sub(ahead_ns.rem_euclid(self.tick_ns()) as u64);
            self.n_left_out += ticks as u64;
        } else if ticks >= -WAIT_TICKS_MAX {
            self.next_at.0 = self.next_at.0.saturating_add(ahead_ns.unsigned_abs());
        } else {
            self.next_tick = Some(next.wrapping_add(ticks as u32));
            self.next_at.0 = self.next_at.0.saturating_sub(ahead_ns.rem_euclid(self.tick_ns()) as u64);
        }
        self.n_snaps += 1;
        self.strikes = 0;
        self.useless_since = None;
        self.speed = 1.0;
        self.jitter = Jitter::default();
        // What is heard until then is about commands from before.
        let heard_ns = self.rtt_ns.max(0) + 3 * self.tick_ns();
        self.deaf_until = self.next_at.max(now).plus(heard_ns as u64);
    }
}

#[cfg(test)]
#[path = "clock_tests.rs"]
mod tests;
