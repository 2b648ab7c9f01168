//! How long a tick of the zone takes: as it announced, or as measured when it cannot keep even that.

use crate::Nanos;

/// Length of one measurement.
const WINDOW_NS: u64 = 1_000_000_000;
/// Measurements of which the middle one counts: a single stall is not a slow zone.
const KEPT: usize = 5;
/// Off by less than this share is the noise of arrival.
const NOISE: i64 = 33;
/// The slowest pace that is followed: a zone may stretch time to twice its length.
const STRETCH_MAX: i64 = 2;
/// Announced changes that are remembered: the one that holds, one that comes, and what was before.
const CHANGES: usize = 4;
/// Farther than this from one tick to the other nobody counts change by change.
const SPAN_TICKS_MAX: u32 = 256;

/// Measures the pace of arriving ticks, and knows what was announced of it.
#[derive(Clone, Debug)]
pub struct Pace {
    tick_ns: i64,
    /// From which tick on ticks take how long, oldest first; the first holds for all before it as well.
    changes: [(u32, i64); CHANGES],
    /// What holds for the ticks that arrive now.
    announced_ns: i64,
    begin: Option<(Nanos, u32)>,
    measured_ns: [i64; KEPT],
    n_measured: usize,
    /// As measured, when that is longer than announced.
    slower_ns: Option<i64>,
}

impl Pace {
    /// A zone at its fixed rate, as far as we know.
    #[must_use]
    pub fn new(tick_ns: i64) -> Self {
        Self {
            tick_ns,
            changes: [(0, tick_ns); CHANGES],
            announced_ns: tick_ns,
            begin: None,
            measured_ns: [tick_ns; KEPT],
            n_measured: 0,
            slower_ns: None,
        }
    }

    /// The zone says that ticks from `tick` on take so long. False, and nothing changes, if no zone may say so.
    pub fn handle_announced(&mut self, tick: u32, period_ns: i64) -> bool {
        // What travels is in whole microseconds.
        let is_normal = period_ns / 1_000 == self.tick_ns / 1_000;
        let period_ns = if is_normal { self.tick_ns } else { period_ns };
        if !(self.tick_ns..=STRETCH_MAX * self.tick_ns).contains(&period_ns) {
            return false;
        }
        // The first announcement shows where ticks are counted: what held before it holds until then.
        if self.changes.iter().all(|change| *change == (0, self.tick_ns)) {
            self.changes = [(tick.wrapping_sub(1), self.tick_ns); CHANGES];
        }
        self.changes.rotate_left(1);
        self.changes[CHANGES - 1] = (tick, period_ns);
        true
    }

    /// A snapshot of `tick` arrived.
    pub fn handle_snapshot(&mut self, now: Nanos, tick: u32) {
        let announced_ns = self.period_of(tick);
        if announced_ns != self.announced_ns {
            (self.announced_ns, self.begin, self.slower_ns) = (announced_ns, None, None);
            self.measured_ns = [announced_ns; KEPT];
        }
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
        let middle_ns = self.middle_ns();
        self.slower_ns = (middle_ns > self.announced_ns).then_some(middle_ns);
    }

    /// Time from a tick to the one behind it.
    #[must_use]
    pub fn period_ns(&self, tick: u32) -> i64 {
        self.slower_ns.unwrap_or_else(|| self.period_of(tick))
    }

    /// The same as announced.
    fn period_of(&self, tick: u32) -> i64 {
        let holds = |(from, _): &&(u32, i64)| tick.wrapping_sub(*from) as i32 >= 0;
        self.changes.iter().rev().find(holds).unwrap_or(&self.changes[0]).1
    }

    /// Time from the begin of one tick to that of another, as announced; negative when the other comes before.
    #[must_use]
    pub fn span_ns(&self, from: u32, to: u32) -> i64 {
        let n_ticks = to.wrapping_sub(from) as i32;
        if n_ticks.unsigned_abs() > SPAN_TICKS_MAX {
            return i64::from(n_ticks) * self.announced_ns;
        }
        let (first, sign) = if n_ticks < 0 { (to, -1) } else { (from, 1) };
        let ticks = 0..n_ticks.unsigned_abs();
        sign * ticks.map(|at| self.period_of(first.wrapping_add(at))).sum::<i64>()
    }

    /// Time from one tick to the next now, as announced.
    #[must_use]
    pub fn announced_ns(&self) -> i64 {
        self.announced_ns
    }

    fn middle_ns(&self) -> i64 {
        let mut sorted = self.measured_ns;
        sorted.sort_unstable();
        let middle = sorted[KEPT / 2].clamp(self.announced_ns, STRETCH_MAX * self.tick_ns);
        if middle - self.announced_ns < self.announced_ns / NOISE { self.announced_ns } else { middle }
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
        pace.period_ns(0) / 1_000_000
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

    #[test]
    fn what_is_announced_holds_from_its_tick_on_and_not_before() {
        const MS: i64 = 1_000_000;
        for start in [100, u32::MAX - 3, (1 << 31) - 3] {
            let mut pace = Pace::new(50 * MS);
            let tick = |n: u32| start.wrapping_add(n);
            assert!(pace.handle_announced(tick(5), 75 * MS) && pace.handle_announced(tick(8), 100 * MS));
            let periods = [0, 4, 5, 7, 8, 99].map(|n| pace.period_ns(tick(n)) / MS);
            assert_eq!(periods, [50, 50, 75, 75, 100, 100]);
            assert_eq!(pace.span_ns(tick(4), tick(9)) / MS, 50 + 3 * 75 + 100);
            assert_eq!(pace.span_ns(tick(9), tick(4)) / MS, -(50 + 3 * 75 + 100));
            pace.handle_snapshot(Nanos(1), tick(9));
            assert!(pace.handle_announced(tick(12), 50 * MS));
            assert_eq!([11, 12].map(|n| pace.period_ns(tick(n)) / MS), [100, 50]);
        }
    }

    #[test]
    fn a_pace_that_no_zone_may_have_is_not_believed() {
        let mut pace = Pace::new(50_000_000);
        for period_ns in [0, -1, 49_998_999, 100_000_001, i64::MAX] {
            assert!(!pace.handle_announced(7, period_ns));
        }
        assert_eq!(pace.period_ns(9), 50_000_000);
        let mut thirty = Pace::new(33_333_333);
        assert!(thirty.handle_announced(7, 66_666_000) && thirty.handle_announced(8, 33_333_000));
        assert_eq!(thirty.period_ns(9), 33_333_333);
    }
}
