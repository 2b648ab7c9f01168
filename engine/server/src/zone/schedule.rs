//! When the next tick is due. Ticks are counted, never skipped.
//!
//! A late tick starts at once; at most one catch-up tick runs back to back, then the schedule moves and
//! clients follow through the header. Source: docs/ARCHITECTURE.md "The tick loop".

use std::time::{Duration, Instant};

/// Deadlines of a fixed-rate loop.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    period: Duration,
    /// When the next tick should start.
    deadline: Instant,
    /// The tick under way started behind its deadline, to catch up.
    is_catching_up: bool,
    /// Ticks that ended after the next one was due.
    pub n_late: u64,
    /// How often the schedule moved.
    pub n_moved: u64,
}

impl Schedule {
    /// The first tick is due at `start`.
    ///
    /// # Panics
    /// If the rate is zero: configuration is checked before.
    #[must_use]
    pub fn new(start: Instant, ticks_per_second: u32) -> Self {
        assert!(ticks_per_second > 0, "a zone has a rate");
        let period = Duration::from_secs(1) / ticks_per_second;
        Self { period, deadline: start, is_catching_up: false, n_late: 0, n_moved: 0 }
    }

    /// Time from one tick to the next.
    #[must_use]
    pub fn period(&self) -> Duration {
        self.period
    }

    /// When the next tick should start; in the past when it is late.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The tick that was due at the deadline and began at `begun` is over.
    pub fn handle_tick_done(&mut self, begun: Instant, now: Instant) {
        self.deadline += self.period;
        if now <= self.deadline {
            self.is_catching_up = false;
            return;
        }
        self.n_late += 1;
        if self.is_catching_up {
            self.deadline = now.max(begun + self.period);
            self.n_moved += 1;
        }
        self.is_catching_up = !self.is_catching_up;
    }

    /// How early a command for a tick came, given the tick stepped last: negative when it is late.
    ///
    /// - Units: 2 ms, saturating at the bounds of a byte.
    #[must_use]
    pub fn margin_2ms(&self, last_tick: u32, command_tick: u32, arrived: Instant) -> i8 {
        let ticks_ahead = i64::from(command_tick.wrapping_sub(last_tick).wrapping_sub(1) as i32);
        let until_deadline = match self.deadline.checked_duration_since(arrived) {
            Some(early) => early.as_micros() as i64,
            None => -(arrived.saturating_duration_since(self.deadline).as_micros() as i64),
        };
        let margin_us =
            until_deadline.saturating_add(ticks_ahead.saturating_mul(self.period.as_micros() as i64));
        (margin_us / 2_000).clamp(i64::from(i8::MIN), i64::from(i8::MAX)) as i8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Runs ticks that take these times; returns when each began, in ms.
    fn begun_at(takes_ms: &[u64]) -> (Vec<u64>, Schedule) {
        let start = Instant::now();
        let mut schedule = Schedule::new(start, 20);
        let mut now = start;
        let mut begun = Vec::new();
        for takes in takes_ms {
            now = now.max(schedule.deadline());
            begun.push(now.duration_since(start).as_millis() as u64);
            let end = now + ms(*takes);
            schedule.handle_tick_done(now, end);
            now = end;
        }
        (begun, schedule)
    }

    #[test]
    fn ticks_that_are_short_begin_on_time() {
        let (begun, schedule) = begun_at(&[1, 49, 50, 1]);
        assert_eq!(begun, [0, 50, 100, 150]);
        assert_eq!((schedule.n_late, schedule.n_moved), (0, 0));
    }

    #[test]
    fn a_late_tick_begins_at_once_and_the_next_one_is_on_time_again() {
        let (begun, schedule) = begun_at(&[70, 5, 5]);
        assert_eq!(begun, [0, 70, 100]);
        assert_eq!((schedule.n_late, schedule.n_moved), (1, 0));
    }

    #[test]
    fn after_a_long_stall_one_tick_catches_up_and_then_the_schedule_moves() {
        let (begun, schedule) = begun_at(&[500, 5, 5, 5]);
        assert_eq!(begun, [0, 500, 550, 600]);
        assert_eq!((schedule.n_late, schedule.n_moved), (2, 1));
    }

    #[test]
    fn ticks_that_are_always_too_long_follow_each_other_without_debt() {
        let (begun, schedule) = begun_at(&[60; 6]);
        assert_eq!(begun, [0, 60, 120, 180, 240, 300]);
        assert!(schedule.deadline().elapsed() < ms(400));
        assert_eq!(schedule.n_moved, 3);
    }

    #[test]
    fn the_margin_counts_to_the_tick_that_consumes_the_command() {
        let start = Instant::now();
        let schedule = Schedule::new(start + ms(1_000), 20);
        let at = |offset| start + ms(offset);
        assert_eq!(schedule.margin_2ms(10, 11, at(980)), 10);
        assert_eq!(schedule.margin_2ms(10, 12, at(980)), 35);
        assert_eq!(schedule.margin_2ms(10, 11, at(1_004)), -2);
        assert_eq!(schedule.margin_2ms(10, 10, at(1_000)), -25);
        assert_eq!(schedule.margin_2ms(10, 60, at(0)), i8::MAX);
        assert_eq!(schedule.margin_2ms(60, 10, at(1_000)), i8::MIN);
        assert_eq!(schedule.margin_2ms(u32::MAX, 0, at(996)), 2);
    }
}
