//! One tick's stages with their wall and CPU time.

use std::time::Instant;

use crate::sys;

/// The stages of a tick, in order. The same numbers name modules, trace lanes and metrics.
/// Source: docs/ARCHITECTURE.md "The data path".
pub const STAGES: [&str; 8] = ["2", "3a", "3b", "4a", "4b", "5", "6", "7-8"];

/// What something took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lap {
    /// Time on the clock on the wall, ns.
    pub wall_ns: u64,
    /// CPU time of the thread that runs the frame, ns. Work on other threads of the pool is not in it.
    pub cpu_ns: u64,
}

/// Stopwatch of one tick: [`StageFrame::begin`], a [`StageFrame::end_stage`] at each border, then
/// [`StageFrame::end`]. Stages add up when they come twice.
#[derive(Clone, Debug)]
pub struct StageFrame {
    begun: Mark,
    last: Mark,
    laps: [Lap; STAGES.len()],
    /// Borders are looked at.
    is_on: bool,
}

#[derive(Clone, Copy, Debug)]
struct Mark {
    wall: Instant,
    cpu_ns: u64,
}

impl Mark {
    fn now() -> Self {
        Self { wall: Instant::now(), cpu_ns: sys::thread_cpu_ns() }
    }

    fn since(self, earlier: Self) -> Lap {
        let wall = self.wall.saturating_duration_since(earlier.wall);
        Lap {
            wall_ns: u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX),
            cpu_ns: self.cpu_ns.saturating_sub(earlier.cpu_ns),
        }
    }
}

impl StageFrame {
    /// Starts the stopwatch of a tick.
    #[must_use]
    pub fn begin() -> Self {
        let now = Mark::now();
        Self { begun: now, last: now, laps: [Lap::default(); STAGES.len()], is_on: true }
    }

    /// Starts a stopwatch that measures the whole tick's wall time and nothing else.
    #[must_use]
    pub fn begin_off() -> Self {
        let now = Mark { wall: Instant::now(), cpu_ns: 0 };
        Self { begun: now, last: now, laps: [Lap::default(); STAGES.len()], is_on: false }
    }

    /// What happens next is not part of what came before: forgets the time since the last border.
    pub fn skip(&mut self) {
        if self.is_on {
            self.last = Mark::now();
        }
    }

    /// The stage at this place of [`STAGES`] has just ended.
    ///
    /// - Cost: two clock reads.
    ///
    /// # Panics
    /// If there is no such stage.
    pub fn end_stage(&mut self, at: usize) {
        if !self.is_on {
            return;
        }
        let now = Mark::now();
        let lap = now.since(self.last);
        self.laps[at].wall_ns += lap.wall_ns;
        self.laps[at].cpu_ns += lap.cpu_ns;
        self.last = now;
    }

    /// The tick is over: what it took in all, and each stage.
    #[must_use]
    pub fn end(&self) -> (Lap, [Lap; STAGES.len()]) {
        let now = if self.is_on { Mark::now() } else { Mark { wall: Instant::now(), cpu_ns: 0 } };
        (now.since(self.begun), self.laps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_add_up_to_no_more_than_the_tick() {
        let mut frame = StageFrame::begin();
        for at in [0, 1, 1, 7] {
            std::hint::black_box((0..10_000u64).sum::<u64>());
            frame.end_stage(at);
        }
        let (tick, laps) = frame.end();
        let sum: u64 = laps.iter().map(|lap| lap.wall_ns).sum();
        assert!(0 < sum && sum <= tick.wall_ns, "{sum} of {}", tick.wall_ns);
        assert_eq!(laps[2], Lap::default());
    }

    #[test]
    fn a_stopwatch_that_is_off_knows_the_wall_time_only() {
        let mut frame = StageFrame::begin_off();
        std::hint::black_box((0..10_000u64).sum::<u64>());
        frame.end_stage(0);
        let (tick, laps) = frame.end();
        assert!(tick.wall_ns > 0 && tick.cpu_ns == 0 && laps == [Lap::default(); STAGES.len()]);
    }
}
