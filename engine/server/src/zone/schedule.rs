//! When the next tick is due. Ticks are counted, never skipped.
//!
//! A late tick starts at once; at most one catch-up tick runs back to back, then the schedule moves and
//! clients follow through the header. A zone that stretches its ticks says so some ticks before.
//! Source: docs/ARCHITECTURE.md "The tick loop", "Load shedding".

use std::time::{Duration, Instant};

/// A new period holds from so many ticks after the one in which it was decided: clients shall know it by then.
pub const LEAD_TICKS: u32 = 4;

/// From which tick on ticks take how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The first tick that takes so long.
    pub tick: u32,
    /// From its begin to that of the next.
    pub period: Duration,
}

/// Deadlines of a fixed-rate loop.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// Of the fixed rate.
    tick: Duration,
    period: Duration,
    /// What was announced and does not hold yet.
    coming: Option<Pace>,
    /// When the next tick should start.
    deadline: Instant,
    /// When it should have started, had the schedule not moved behind the last one.
    due: Instant,
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
        Self {
            tick: period,
            period,
            coming: None,
            deadline: start,
            due: start,
            is_catching_up: false,
            n_late: 0,
            n_moved: 0,
        }
    }

    /// Time from the tick that comes next to the one behind it.
    #[must_use]
    pub fn period(&self) -> Duration {
        self.period
    }

    /// When the next tick should start; in the past when it is late.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// How far behind the announced schedule a tick begins.
    #[must_use]
    pub fn behind(&self, begun: Instant) -> Duration {
        begun.saturating_duration_since(self.due)
    }

    /// After tick `tick`, ticks shall take so many percent of what the fixed rate says; says what to announce, if
    /// that is new. One change at a time: while one is announced and does not hold yet, the next one waits.
    pub fn handle_percent(&mut self, tick: u32, percent: u32) -> Option<Pace> {
        let period = self.tick * percent / 100;
        if self.coming.is_some() || period == self.period {
            return None;
        }
        self.coming = Some(Pace { tick: tick.wrapping_add(LEAD_TICKS), period });
        self.coming
    }

    /// Tick `tick`, which was due at the deadline and began at `begun`, is over.
    pub fn handle_tick_done(&mut self, tick: u32, begun: Instant, now: Instant) {
        if let Some(coming) = self.coming.take_if(|coming| coming.tick == tick) {
            self.period = coming.period;
        }
        self.deadline += self.period;
        self.due = self.deadline;
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
        let margin_us = until_deadline.saturating_add(self.ahead_us(last_tick, ticks_ahead));
        (margin_us / 2_000).clamp(i64::from(i8::MIN), i64::from(i8::MAX)) as i8
    }

    /// Time from the deadline of the tick behind `last_tick` to that of a tick so many ticks later.
    fn ahead_us(&self, last_tick: u32, n_ticks: i64) -> i64 {
        let period_us = self.period.as_micros() as i64;
        let steady_us = n_ticks.saturating_mul(period_us);
        let Some(Pace { tick, period }) = self.coming else { return steady_us };
        let n_before = i64::from(tick.wrapping_sub(last_tick).wrapping_sub(1) as i32);
        let n_behind = n_ticks.saturating_sub(n_before).max(0);
        steady_us.saturating_add(n_behind.saturating_mul(period.as_micros() as i64 - period_us))
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
            schedule.handle_tick_done(begun.len() as u32, now, end);
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

    #[test]
    fn a_stretched_tick_is_announced_before_and_the_margin_counts_with_it() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start, 20);
        assert_eq!(schedule.handle_percent(10, 100), None);
        let pace = Pace { tick: 14, period: ms(75) };
        assert_eq!(schedule.handle_percent(10, 150), Some(pace));
        assert_eq!(schedule.handle_percent(11, 200), None, "one at a time");
        // Tick 11 is due at the start, 14 at 150 ms, 15 at 225, 16 at 300.
        let margin = |schedule: &Schedule, command| schedule.margin_2ms(10, command, start + ms(100));
        assert_eq!([14, 15, 16].map(|command| margin(&schedule, command)), [25, 62, 100]);
        let mut begun = Vec::new();
        for tick in 11..=16 {
            let now = schedule.deadline();
            begun.push(now.duration_since(start).as_millis());
            schedule.handle_tick_done(tick, now, now + ms(1));
        }
        assert_eq!(begun, [0, 50, 100, 150, 225, 300]);
        assert_eq!(schedule.handle_percent(16, 200), Some(Pace { tick: 20, period: ms(100) }));
    }

    #[test]
    fn a_tick_that_begins_late_is_behind_whether_the_schedule_moved_or_not() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start, 20);
        let mut now = start;
        let mut behind = Vec::new();
        for tick in 1..=4 {
            behind.push(schedule.behind(now).as_millis());
            schedule.handle_tick_done(tick, now, now + ms(60));
            now = schedule.deadline().max(now + ms(60));
        }
        assert_eq!(behind, [0, 10, 20, 10]);
    }
}
