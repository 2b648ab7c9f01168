//! Which tick is under way, as clients find out: by the earliest snapshots, at the pace that the zone announced.

use harness::scenario::HZ;
use std::time::{Duration, Instant};

/// The earliest snapshot of so long says when ticks begin: a zone whose schedule has moved is followed.
const WINDOW: Duration = Duration::from_millis(500);

/// A zone that is so many ticks behind its schedule is not ahead of what was seen of it.
const UNSEEN_TICKS_MAX: u32 = 4;

/// See the module.
#[derive(Debug)]
pub(super) struct Pace {
    period: Duration,
    /// The first tick that takes as long as the period says.
    since: u32,
    /// The newest tick that anybody has seen a snapshot of.
    newest: u32,
    /// Announced, and not reached yet.
    coming: Vec<(u32, Duration)>,
    /// When tick `since` began, as far as is known; and by the snapshots of this window alone.
    base: Option<Instant>,
    window: Option<(Instant, Instant)>,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            period: Duration::from_secs(1) / HZ,
            since: 0,
            newest: 0,
            coming: Vec::new(),
            base: None,
            window: None,
        }
    }
}

impl Pace {
    /// Time from one tick to the next.
    pub(super) fn period(&self) -> Duration {
        self.period
    }

    /// After a pause: when ticks begin is to be found out again.
    pub(super) fn forget(&mut self) {
        (self.base, self.window) = (None, None);
    }

    /// Ticks from this one on take so long. Every client is told; the first counts.
    pub(super) fn handle_announced(&mut self, tick: u32, period: Duration) {
        let is_new = self.coming.last().map_or(tick > self.since, |(last, _)| tick > *last);
        if is_new {
            self.coming.push((tick, period));
        }
    }

    /// A snapshot of `tick` arrived.
    pub(super) fn handle_snapshot(&mut self, tick: u32, arrived: Instant) {
        self.newest = self.newest.max(tick);
        while self.coming.first().is_some_and(|(from, _)| *from <= tick) {
            self.follow();
        }
        let Some(n_ticks) = tick.checked_sub(self.since) else { return };
        let Some(base) = arrived.checked_sub(self.period * n_ticks) else { return };
        let (begun, earliest) = self.window.unwrap_or((arrived, base));
        self.window = Some((begun, earliest.min(base)));
        self.base = Some(self.base.map_or(base, |known| known.min(base)));
        if arrived.saturating_duration_since(begun) >= WINDOW {
            (self.base, self.window) = (Some(earliest.min(base)), None);
        }
    }

    /// The tick that is under way at that time.
    pub(super) fn tick_at(&mut self, time: Instant) -> Option<u32> {
        loop {
            let since_base = time.saturating_duration_since(self.base?);
            let tick = self.since + (since_base.as_nanos() / self.period.as_nanos()) as u32;
            if self.coming.first().is_none_or(|(from, _)| tick < *from) {
                return Some(tick.min(self.newest + UNSEEN_TICKS_MAX));
            }
            self.follow();
        }
    }

    /// Goes over to the next pace.
    fn follow(&mut self) {
        let (from, period) = self.coming.remove(0);
        let until = self.period * from.saturating_sub(self.since);
        self.base = self.base.map(|base| base + until);
        (self.since, self.period, self.window) = (from, period, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_zone_that_stretches_its_ticks_is_followed_by_the_tick() {
        let start = Instant::now();
        let mut pace = Pace::default();
        pace.handle_snapshot(10, start + ms(500));
        for _ in 0..3 {
            pace.handle_announced(14, ms(100));
        }
        let ticks = [500, 549, 699, 700, 799].map(|at| pace.tick_at(start + ms(at)).unwrap());
        assert_eq!(ticks, [10, 10, 13, 14, 14]);
        assert_eq!(pace.tick_at(start + ms(2_000)), Some(14), "nothing newer was seen than tick 10");
        assert_eq!(pace.period(), ms(100));
        pace.handle_announced(20, ms(50));
        pace.handle_snapshot(22, start + ms(1_400));
        assert_eq!((pace.tick_at(start + ms(1_450)), pace.period()), (Some(23), ms(50)));
    }

    #[test]
    fn a_schedule_that_has_moved_is_found_again() {
        let start = Instant::now();
        let mut pace = Pace::default();
        for tick in 0..60 {
            let moved = if tick < 20 { 0 } else { 30 };
            pace.handle_snapshot(tick, start + ms(u64::from(tick) * 50 + moved));
        }
        assert_eq!(pace.tick_at(start + ms(60 * 50 + 29)), Some(59));
    }
}
