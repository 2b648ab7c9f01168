//! Everything that is measured of a tick, and how it leaves the tick's thread.
//!
//! [`Watch`] belongs to the thread that ticks. It records into histograms of its own and, about once a second,
//! swaps them for empty ones: the filled ones go to [`Intervals`], whoever works there gives them back emptied. The
//! tick's thread never waits for the other side: when that is at the exchange, the swap is a tick later. In steady
//! state nothing is allocated.
//!
//! Source: docs/OPERATIONS.md "Histograms".

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::frame::{Lap, STAGES, StageFrame};
use crate::hist::TickTimes;
use crate::strain::{Counted, Meter, Sight, Strain};

/// Sets of histograms in circulation: one is filled, one is worked on, one is ready.
const SETS: usize = 3;
/// How long a set is filled, when an empty one is there to follow.
const INTERVAL: Duration = Duration::from_secs(1);

/// Histograms of about a second of ticks.
#[derive(Clone, Debug)]
pub struct Interval {
    /// When the first of its ticks could begin.
    pub begun: Instant,
    /// When the last of its ticks was over.
    pub ended: Instant,
    /// The same ticks, counted.
    pub counted: Counted,
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
    exchange: Arc<Exchange>,
}

/// The other end: filled histograms.
#[derive(Debug)]
pub struct Intervals {
    sight: Sight,
    exchange: Arc<Exchange>,
}

/// Where both sides leave their sets. The tick's thread only ever tries the lock: a thread that gives way to all
/// others may lose its core while it holds it.
#[derive(Debug)]
struct Exchange {
    sets: Mutex<Sets>,
    /// There is a filled set, or the watch is gone. Waking somebody takes no lock.
    news: Condvar,
}

#[derive(Debug)]
struct Sets {
    filled: VecDeque<Interval>,
    empty: VecDeque<Box<TickTimes>>,
    is_over: bool,
}

impl Exchange {
    fn new(n_sets: usize) -> Self {
        let mut empty = VecDeque::with_capacity(SETS);
        empty.extend((0..n_sets).map(|_| fresh()));
        let sets = Sets { filled: VecDeque::with_capacity(SETS), empty, is_over: n_sets == 0 };
        Self { sets: Mutex::new(sets), news: Condvar::new() }
    }

    /// Waits for the other side: not for ticks.
    fn sets(&self) -> MutexGuard<'_, Sets> {
        self.sets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    /// A watch for ticks that should take no longer than a period, and where its histograms arrive; `meter` looks
    /// at the threads that tick.
    ///
    /// - Cost: about 7 MiB.
    #[must_use]
    pub fn new(level: Level, period: Duration, meter: impl FnOnce() -> Meter) -> (Self, Intervals) {
        let period_ns = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX);
        if level == Level::Off {
            let intervals = Intervals { sight: Sight::NONE, exchange: Arc::new(Exchange::new(0)) };
            return (Self { period_ns, gauge: None }, intervals);
        }
        let exchange = Arc::new(Exchange::new(SETS - 1));
        let meter = meter();
        let sight = meter.sight();
        let intervals = Intervals { sight, exchange: Arc::clone(&exchange) };
        let current = Interval::begin(Instant::now(), fresh());
        (Self { period_ns, gauge: Some(Gauge { meter, sight, current, exchange }) }, intervals)
    }

    /// A tick begins.
    pub fn begin(&mut self) -> StageFrame {
        let Some(gauge) = &mut self.gauge else { return StageFrame::begin_off() };
        gauge.meter.skip();
        StageFrame::begin()
    }

    /// The tick is over: counts it.
    ///
    /// - Cost: no allocation, no waiting; once a second a lock that is tried, and a system call.
    pub fn end(&mut self, frame: &StageFrame) -> Timed {
        self.end_at(frame, Instant::now)
    }

    fn end_at(&mut self, frame: &StageFrame, clock: impl FnOnce() -> Instant) -> Timed {
        let (lap, stages) = frame.end();
        let Some(gauge) = &mut self.gauge else { return Timed { lap, stages, ..Timed::default() } };
        let is_long = lap.wall_ns > self.period_ns;
        let strain = if is_long { gauge.meter.lap_fully() } else { gauge.meter.lap() };
        let timed = Timed { lap, stages, strain };
        gauge.record(clock(), self.period_ns, &timed);
        timed
    }
}

impl Interval {
    fn begin(now: Instant, times: Box<TickTimes>) -> Self {
        Self { begun: now, ended: now, counted: Counted::default(), times }
    }
}

impl Gauge {
    fn record(&mut self, now: Instant, period_ns: u64, timed: &Timed) {
        let Timed { lap, stages, strain } = timed;
        let run_queue_ns = self.sight.run_queue.then_some(strain.run_queue_ns);
        self.current.times.record(*lap, stages, run_queue_ns);
        self.current.counted.add(period_ns, *lap, *strain);
        self.current.ended = now;
        if now.saturating_duration_since(self.current.begun) >= INTERVAL {
            self.try_swap(now);
        }
    }

    /// Swaps the histograms for empty ones. Where none is there, or the other side is at the exchange, this
    /// interval becomes a longer one.
    fn try_swap(&mut self, now: Instant) {
        let Ok(mut sets) = self.exchange.sets.try_lock() else { return };
        let Some(times) = sets.empty.pop_front() else { return };
        let full = std::mem::replace(&mut self.current, Interval::begin(now, times));
        sets.filled.push_back(full);
        drop(sets);
        self.exchange.news.notify_one();
    }
}

impl Drop for Gauge {
    /// The last ticks count as well. They may wait: no tick follows.
    fn drop(&mut self) {
        let mut sets = self.exchange.sets();
        sets.filled.push_back(self.current.clone());
        sets.is_over = true;
        drop(sets);
        self.exchange.news.notify_one();
    }
}

impl Intervals {
    /// What is known of the ticks that are watched.
    #[must_use]
    pub fn sight(&self) -> Sight {
        self.sight
    }

    /// Waits for the next filled histograms; `None` when the watch is gone and all have been seen.
    #[must_use]
    pub fn wait(&self) -> Option<Interval> {
        let sets = self.exchange.sets();
        let is_silent = |sets: &mut Sets| sets.filled.is_empty() && !sets.is_over;
        let sets = self.exchange.news.wait_while(sets, is_silent);
        sets.unwrap_or_else(PoisonError::into_inner).filled.pop_front()
    }

    /// Empties histograms and hands them back.
    ///
    /// - Cost: about 0.2 ms.
    pub fn give_back(&self, interval: Interval) {
        let mut times = interval.times;
        times.reset();
        self.exchange.sets().empty.push_back(times);
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

    /// A tick that ends at this moment, whatever the clock shows.
    fn tick(watch: &mut Watch, now: Instant) -> Timed {
        let mut frame = watch.begin();
        std::hint::black_box((0..1_000u64).sum::<u64>());
        frame.end_stage(2);
        watch.end_at(&frame, || now)
    }

    /// Ticks of 10 Hz, on a clock of their own.
    fn tick_times(watch: &mut Watch, n_ticks: u32) {
        let begun = Instant::now();
        for at in 1..=n_ticks {
            assert!(tick(watch, begun + INTERVAL / 10 * at).stages[2].wall_ns > 0);
        }
    }

    fn n_ticks(interval: &Interval) -> u64 {
        interval.times.wall.n()
    }

    #[test]
    fn no_tick_is_lost_when_histograms_are_swapped() {
        let (mut watch, intervals) = Watch::new(Level::On, Duration::from_secs(1), Meter::here);
        let reader = std::thread::spawn(move || {
            let mut n_read = 0;
            while let Some(interval) = intervals.wait() {
                assert!(interval.begun <= interval.ended);
                n_read += n_ticks(&interval);
                intervals.give_back(interval);
            }
            n_read
        });
        tick_times(&mut watch, 1_000);
        drop(watch);
        assert_eq!(reader.join().unwrap(), 1_000);
    }

    #[test]
    fn a_reader_that_does_not_come_makes_intervals_longer_and_loses_nothing() {
        let (mut watch, intervals) = Watch::new(Level::On, Duration::from_secs(1), Meter::here);
        tick_times(&mut watch, 100);
        drop(watch);
        let all: Vec<Interval> = std::iter::from_fn(|| intervals.wait()).collect();
        assert_eq!(all.len(), SETS);
        assert_eq!(all.iter().map(n_ticks).sum::<u64>(), 100);
        let took = |at: usize| all[at].ended.duration_since(all[at].begun);
        assert!(took(0) >= INTERVAL && took(0) < INTERVAL * 2 && took(2) > INTERVAL * 7, "{:?}", took(2));
    }

    #[test]
    fn a_reader_at_the_exchange_makes_the_swap_later_and_no_tick_wait() {
        let (mut watch, intervals) = Watch::new(Level::On, Duration::from_secs(1), Meter::here);
        let busy = intervals.exchange.sets();
        let begun = Instant::now();
        tick(&mut watch, begun + INTERVAL * 2);
        assert!(busy.filled.is_empty());
        drop(busy);
        tick(&mut watch, begun + INTERVAL * 3);
        assert_eq!(intervals.wait().map(|interval| n_ticks(&interval)), Some(2));
    }

    #[test]
    fn an_overrun_is_counted_in_the_interval_of_its_tick() {
        let (mut watch, intervals) = Watch::new(Level::On, Duration::ZERO, Meter::here);
        tick_times(&mut watch, 25);
        drop(watch);
        for interval in std::iter::from_fn(|| intervals.wait()) {
            let Counted { n_ticks, overruns_own, overruns_stolen, .. } = interval.counted;
            assert_eq!([n_ticks, overruns_own + overruns_stolen], [interval.times.wall.n(); 2]);
        }
    }

    #[test]
    fn a_watch_that_is_off_measures_the_wall_and_hands_nothing_over() {
        let (mut watch, intervals) = Watch::new(Level::Off, Duration::from_nanos(1), || unreachable!());
        let timed = tick(&mut watch, Instant::now());
        assert!(timed.lap.wall_ns > 0 && timed.stages[2].wall_ns == 0);
        drop(watch);
        assert_eq!(intervals.sight(), Sight::NONE);
        assert!(intervals.wait().is_none());
    }
}
