//! How long a tick of the zone really takes: its fixed rate, or longer when it cannot keep up.

use crate::Nanos;

/// Length of one measurement.
const WINDOW_NS: u64 = 1_000_000_000;
/// Measurements of which the middle one counts: a single stall is not a slow zone.
const KEPT: usize = 5;
/// Off by less than this share is the noise of arrival.
const NOISE: i64 = 33;
/// The slowest pace that is followed: a zone may stretch time to twice its length, and says so by its ticks.
const STRETCH_MAX: i64 = 2;

/// Measures the pace of arriving ticks.
#[derive(Clone, Debug)]
pub struct Pace {
    tick_ns: i64,
    begin: Option<(Nanos, u32)>,
    measured_ns: [i64; KEPT],
    n_measured: usize,
    period_ns: i64,
}

impl Pace {
    /// A zone at its fixed rate, as far as we know.
    #[must_use]
    pub fn new(tick_ns: i64) -> Self {
        Self { tick_ns, begin: None, measured_ns: [tick_ns; KEPT], n_measured: 0, period_ns: tick_ns }
    }

    /// A snapshot of `tick` arrived.
    pub fn handle_snapshot(&mut self, now: Nanos, tick: u32) {
        let Some((begin, first)) = self.begin else {
            self.begin = Some((now, tick));
            return;
        };
        let n_ticks = tick.wrapping_sub(first) as i32;
        if now.since(begin) < WINDOW_NS || n_ticks <= 0 {
            return;
        }
        self.measured_ns[self.n_measured % KEPT] = now.since(begin) as i64 / i64::from(n_ticks);
        self.n_measured += 1;
        self.begin = Some((now, tick));
        self.period_ns = self.middle_ns();
    }

    /// Time per tick.
    #[must_use]
    pub fn period_ns(&self) -> i64 {
        self.period_ns
    }

    fn middle_ns(&self) -> i64 {
        let mut sorted = self.measured_ns;
        sorted.sort_unstable();
        let middle = sorted[KEPT / 2].clamp(self.tick_ns, STRETCH_MAX * self.tick_ns);
        if middle - self.tick_ns < self.tick_ns / NOISE { self.tick_ns } else { middle }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds ticks that each take as many ms as told.
    fn period_ms(takes_ms: impl Iterator<Item = u64>) -> i64 {
        let (mut pace, mut now) = (Pace::new(50_000_000), 0);
        for (tick, takes) in takes_ms.enumerate() {
            now += takes * 1_000_000;
            pace.handle_snapshot(Nanos(now), (tick as u32).wrapping_sub(40));
        }
        pace.period_ns() / 1_000_000
    }

    #[test]
    fn a_slow_zone_is_followed_and_a_single_stall_is_not() {
        assert_eq!(period_ms((0..200).map(|_| 50)), 50);
        assert_eq!(period_ms((0..200).map(|at| 45 + at % 2 * 10)), 50, "noise");
        assert_eq!(period_ms((0..200).map(|_| 60)), 60);
        assert_eq!(period_ms((0..200).map(|at| if at == 100 { 2_000 } else { 50 })), 50);
        assert_eq!(period_ms((0..200).map(|_| 400)), 100, "no slower than half");
        assert_eq!(period_ms((0..200).map(|at| if at < 80 { 70 } else { 50 })), 50, "back at its rate");
    }
}
