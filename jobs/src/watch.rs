//! Everything that is measured of a tick, and how it leaves the tick's thread.
//!
//! [`Watch`] belongs to the thread that ticks. It records into histograms of its own and, about once a second,
//! swaps them for empty ones: the filled ones go through a channel to [`Intervals`], whoever works there gives them
//! back emptied. Neither side waits for the other, and in steady state nothing is allocated.
//!
//! Source: docs/OPERATIONS.md "Histograms".

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use crate::frame::{Lap, STAGES, StageFrame};
use crate::hist::TickTimes;
use crate::strain::{Meter, Overrun, Sight, Strain, overrun};

/// Sets of histograms in circulation: one is filled, one is worked on, one is ready.
const SETS: usize = 3;
/// How long a set is filled, when an empty one is there to follow.
const INTERVAL: Duration = Duration::from_millis(if cfg!(test) { 50 } else { 1_000 });

/// Histograms of about a second of ticks.
#[derive(Clone, Debug)]
pub struct Interval {
    /// When the first of its ticks could begin.
    pub begun: Instant,
    /// When the last of its ticks was over.
    pub ended: Instant,
    /// What the ticks took.
    pub times: Box<TickTimes>,
}

/// What a tick took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timed {
    /// The whole tick.
    pub lap: Lap,
    /// Its stages, in the order of [`STAGES`].
    pub stages: [Lap; STAGES.len()],
    /// What the machine took meanwhile.
    pub strain: Strain,
}

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The wall time of a tick, and nothing else.
    Off,
    /// Stages, CPU, strain, histograms.
    On,
}

/// Measures ticks.
#[derive(Debug)]
pub struct Watch {
    period_ns: u64,
    gauge: Option<Gauge>,
}

#[derive(Debug)]
struct Gauge {
    meter: Meter,
    sight: Sight,
    current: Interval,
    filled: SyncSender<Interval>,
    empty: Receiver<Box<TickTimes>>,
}

/// The other end: filled histograms.
#[derive(Debug)]
pub struct Intervals {
    filled: Receiver<Interval>,
    empty: SyncSender<Box<TickTimes>>,
}

impl Watch {
    /// A watch for ticks that should take no longer than a period, and where its histograms arrive; `meter` looks
    /// at the threads that tick.
    ///
    /// - Cost: about 7 MiB.
    #[must_use]
    pub fn new(level: Level, period: Duration, meter: impl FnOnce() -> Meter) -> (Self, Intervals) {
        let (filled, intervals) = sync_channel(SETS);
        let (give_back, empty) = sync_channel(SETS);
        let period_ns = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX);
        let gauge = (level == Level::On).then(|| {
            for _ in 1..SETS {
                give_back.try_send(fresh()).expect("the channel has room for every set");
            }
            let now = Instant::now();
            let current = Interval { begun: now, ended: now, times: fresh() };
            Gauge { meter: meter(), sight: Sight::here(), current, filled, empty }
        });
        (Self { period_ns, gauge }, Intervals { filled: intervals, empty: give_back })
    }

    /// A tick begins.
    pub fn begin(&mut self) -> StageFrame {
        let Some(gauge) = &mut self.gauge else { return StageFrame::begin_off() };
        gauge.meter.skip();
        StageFrame::begin()
    }

    /// The tick is over: counts it.
    ///
    /// - Cost: no allocation, no lock, no waiting.
    pub fn end(&mut self, frame: &StageFrame) -> Timed {
        let (lap, stages) = frame.end();
        let Some(gauge) = &mut self.gauge else { return Timed { lap, stages, ..Timed::default() } };
        let is_long = lap.wall_ns > self.period_ns;
        let strain = if is_long { gauge.meter.lap_fully() } else { gauge.meter.lap() };
        gauge.record(lap, &stages, strain);
        Timed { lap, stages, strain }
    }

    /// Whether a tick was too long, and whose doing that was.
    #[must_use]
    pub fn overrun(&self, timed: &Timed) -> Option<Overrun> {
        overrun(self.period_ns, timed.lap, timed.strain)
    }
}

impl Gauge {
    fn record(&mut self, lap: Lap, stages: &[Lap; STAGES.len()], strain: Strain) {
        let run_queue_ns = self.sight.run_queue.then_some(strain.run_queue_ns);
        self.current.times.record(lap, stages, run_queue_ns);
        let now = Instant::now();
        if now.saturating_duration_since(self.current.begun) >= INTERVAL
            // None is there: the other side is slow. This interval becomes a longer one.
            && let Ok(times) = self.empty.try_recv()
        {
            let next = Interval { begun: now, ended: now, times };
            let mut full = std::mem::replace(&mut self.current, next);
            full.ended = now;
            // There is room for every set; when nobody listens any more, nobody misses it.
            let _ = self.filled.try_send(full);
        }
    }
}

impl Drop for Gauge {
    /// The last ticks count as well.
    fn drop(&mut self) {
        let mut last = self.current.clone();
        last.ended = Instant::now();
        let _ = self.filled.try_send(last);
    }
}

impl Intervals {
    /// Waits for the next filled histograms; `None` when the watch is gone and all have been seen.
    #[must_use]
    pub fn wait(&self) -> Option<Interval> {
        self.filled.recv().ok()
    }

    /// Empties histograms and hands them back.
    ///
    /// - Cost: about 0.2 ms.
    pub fn give_back(&self, interval: Interval) {
        let mut times = interval.times;
        times.reset();
        // When the watch is gone, so is the need.
        let _ = self.empty.try_send(times);
    }
}

/// Empty histograms whose memory is there: a first touch in a tick would be a page fault.
fn fresh() -> Box<TickTimes> {
    let mut times = Box::<TickTimes>::default();
    times.reset();
    times
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tick(watch: &mut Watch) -> Timed {
        let mut frame = watch.begin();
        std::hint::black_box((0..1_000u64).sum::<u64>());
        frame.end_stage(2);
        watch.end(&frame)
    }

    #[test]
    fn no_tick_is_lost_when_histograms_are_swapped() {
        let (mut watch, intervals) = Watch::new(Level::On, Duration::from_secs(1), Meter::here);
        let reader = std::thread::spawn(move || {
            let (mut n_ticks, mut n_intervals) = (0, 0);
            while let Some(interval) = intervals.wait() {
                assert!(interval.begun <= interval.ended);
                n_ticks += interval.times.wall.n();
                n_intervals += 1;
                intervals.give_back(interval);
            }
            (n_ticks, n_intervals)
        });
        let (begun, mut n_ticks) = (Instant::now(), 0);
        while begun.elapsed() < INTERVAL * 2 + INTERVAL / 2 {
            assert!(tick(&mut watch).stages[2].wall_ns > 0);
            n_ticks += 1;
        }
        drop(watch);
        let (n_read, n_intervals) = reader.join().unwrap();
        assert!(n_read == n_ticks && n_intervals >= 2, "{n_read} of {n_ticks} in {n_intervals}");
    }

    #[test]
    fn a_reader_that_does_not_come_makes_intervals_longer_and_loses_nothing() {
        let (mut watch, intervals) = Watch::new(Level::On, Duration::from_secs(1), Meter::here);
        let (begun, mut n_ticks) = (Instant::now(), 0);
        while begun.elapsed() < INTERVAL * 4 {
            tick(&mut watch);
            n_ticks += 1;
        }
        drop(watch);
        let all: Vec<Interval> = std::iter::from_fn(|| intervals.wait()).collect();
        assert_eq!(all.iter().map(|interval| interval.times.wall.n()).sum::<u64>(), n_ticks);
        assert_eq!(all.len(), SETS);
    }

    #[test]
    fn a_watch_that_is_off_measures_the_wall_and_hands_nothing_over() {
        let (mut watch, intervals) = Watch::new(Level::Off, Duration::from_nanos(1), || unreachable!());
        let timed = tick(&mut watch);
        assert!(timed.lap.wall_ns > 0 && timed.stages[2].wall_ns == 0);
        assert_eq!(watch.overrun(&timed), Some(Overrun::Own));
        drop(watch);
        assert!(intervals.wait().is_none());
    }
}
