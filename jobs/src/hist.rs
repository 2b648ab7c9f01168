//! Histograms of durations: a tick, its CPU, its stages.

use hdrhistogram::Histogram;

use crate::frame::{Lap, STAGES};

/// The longest duration that is told apart; longer ones count as this.
const NS_MAX: u64 = 60_000_000_000;
/// Three digits: 25.1 ms is not 25.0 ms.
const DIGITS: u8 = 3;

/// A histogram of durations in ns, from 1 ns to 60 s, exact to three digits.
#[derive(Clone, Debug)]
pub struct Durations {
    pub(crate) histogram: Histogram<u64>,
    sum_ns: u64,
}

/// What people ask of a histogram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quantiles {
    /// How many values.
    pub n: u64,
    /// Their sum, ns.
    pub sum_ns: u64,
    /// Half of the values are at most this, ns.
    pub p50_ns: u64,
    /// 99 of 100 values are at most this, ns.
    pub p99_ns: u64,
    /// 999 of 1,000 values are at most this, ns.
    pub p999_ns: u64,
    /// The largest value, ns.
    pub max_ns: u64,
}

impl Default for Durations {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(1, NS_MAX, DIGITS);
        Self { histogram: histogram.expect("bounds and digits are constants in range"), sum_ns: 0 }
    }
}

impl From<&Histogram<u64>> for Durations {
    /// Takes over what another histogram has counted; if its buckets are others, within their width.
    fn from(other: &Histogram<u64>) -> Self {
        let mut durations = Self::default();
        for step in other.iter_recorded() {
            let ns = other.median_equivalent(step.value_iterated_to());
            durations.record_n_ns(ns, step.count_since_last_iteration());
        }
        durations
    }
}

impl Durations {
    /// An empty histogram. Its memory, about 200 KiB, is taken here and never grows.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts one value.
    ///
    /// - Cost: a few ns, no allocation.
    pub fn record_ns(&mut self, ns: u64) {
        self.record_n_ns(ns, 1);
    }

    /// Counts one value many times.
    pub fn record_n_ns(&mut self, ns: u64, n: u64) {
        self.histogram.saturating_record_n(ns.min(NS_MAX), n);
        self.sum_ns = self.sum_ns.saturating_add(ns.min(NS_MAX).saturating_mul(n));
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        self.histogram.reset();
        self.sum_ns = 0;
    }

    /// Counts what another histogram has counted.
    pub fn merge(&mut self, other: &Self) {
        self.histogram.add(&other.histogram).expect("all histograms have the same bounds");
        self.sum_ns = self.sum_ns.saturating_add(other.sum_ns);
    }

    /// How many values.
    #[must_use]
    pub fn n(&self) -> u64 {
        self.histogram.len()
    }

    /// The sum of all values, ns.
    #[must_use]
    pub fn sum_ns(&self) -> u64 {
        self.sum_ns
    }

    /// The mean, ns; 0 when empty. Unlike the quantiles it costs nothing.
    #[must_use]
    pub fn mean_ns(&self) -> u64 {
        self.sum_ns.checked_div(self.n()).unwrap_or(0)
    }

    /// The value that a share of all values does not exceed, ns; 0 when empty.
    #[must_use]
    pub fn at_quantile_ns(&self, quantile: f64) -> u64 {
        self.histogram.value_at_quantile(quantile)
    }

    /// Every value that was counted, ascending, with how often: the largest value of its bucket, ns.
    pub fn counts(&self) -> impl Iterator<Item = (u64, u64)> {
        let recorded = self.histogram.iter_recorded();
        recorded.map(|step| (step.value_iterated_to(), step.count_since_last_iteration()))
    }

    /// The largest value, ns; 0 when empty.
    #[must_use]
    pub fn max_ns(&self) -> u64 {
        self.histogram.max()
    }

    /// The usual figures; zeros when empty.
    ///
    /// - Cost: three passes over the buckets, about 100 us: for a reader, not for every tick.
    #[must_use]
    pub fn quantiles(&self) -> Quantiles {
        Quantiles {
            n: self.n(),
            sum_ns: self.sum_ns,
            p50_ns: self.at_quantile_ns(0.5),
            p99_ns: self.at_quantile_ns(0.99),
            p999_ns: self.at_quantile_ns(0.999),
            max_ns: self.histogram.max(),
        }
    }
}

impl Quantiles {
    /// A duration in ms, for people and JSON.
    #[must_use]
    pub fn ms(ns: u64) -> f64 {
        ns as f64 / 1e6
    }
}

/// Names of the histograms of a tick loop, as logs, plots and tools have them.
pub const TAGS: [&str; 3 + STAGES.len()] = [
    "tick",
    "cpu",
    "run_queue",
    "stage.2",
    "stage.3a",
    "stage.3b",
    "stage.4a",
    "stage.4b",
    "stage.5",
    "stage.6",
    "stage.7-8",
];

/// Histograms of a running tick loop.
#[derive(Clone, Debug, Default)]
pub struct TickTimes {
    /// From the input pass to the last send.
    pub wall: Durations,
    /// CPU time of the thread that runs the tick.
    pub cpu: Durations,
    /// Time that a thread of the tick was ready and had no core.
    pub run_queue: Durations,
    /// Wall time per stage, in the order of [`STAGES`].
    pub stages: [Durations; STAGES.len()],
}

impl TickTimes {
    /// Counts one tick; `run_queue_ns` when the kernel tells.
    ///
    /// - Cost: a few ns per histogram, no allocation.
    pub fn record(&mut self, tick: Lap, stages: &[Lap; STAGES.len()], run_queue_ns: Option<u64>) {
        self.wall.record_ns(tick.wall_ns);
        self.cpu.record_ns(tick.cpu_ns);
        if let Some(ns) = run_queue_ns {
            self.run_queue.record_ns(ns);
        }
        for (histogram, lap) in self.stages.iter_mut().zip(stages) {
            histogram.record_ns(lap.wall_ns);
        }
    }

    /// Counts what another set of histograms has counted.
    pub fn merge(&mut self, other: &Self) {
        for (own, (_, others)) in self.all_mut().into_iter().zip(other.named()) {
            own.merge(others);
        }
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        self.all_mut().into_iter().for_each(Durations::reset);
    }

    /// Every histogram under its name of [`TAGS`].
    pub fn named(&self) -> impl Iterator<Item = (&'static str, &Durations)> {
        TAGS.into_iter().zip([&self.wall, &self.cpu, &self.run_queue].into_iter().chain(&self.stages))
    }

    fn all_mut(&mut self) -> impl IntoIterator<Item = &mut Durations> {
        [&mut self.wall, &mut self.cpu, &mut self.run_queue].into_iter().chain(&mut self.stages)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_exact_to_three_digits() {
        let mut durations = Durations::new();
        for ms in 1..=1000 {
            durations.record_ns(ms * 1_000_000);
        }
        let read = durations.quantiles();
        let near = |ns: u64, ms: f64| (Quantiles::ms(ns) / ms - 1.0).abs() < 0.001;
        assert_eq!(read.n, 1000);
        assert!(near(read.p50_ns, 500.0) && near(read.p99_ns, 990.0), "{read:?}");
        assert!(near(read.p999_ns, 999.0) && near(read.max_ns, 1000.0), "{read:?}");
        assert_eq!((read.sum_ns, durations.mean_ns()), (500_500_000_000, 500_500_000));
    }

    #[test]
    fn stages_have_their_names_in_the_tags() {
        let stages = STAGES.map(|stage| format!("stage.{stage}"));
        assert_eq!(TAGS[3..], stages);
        let tags: Vec<&str> = TickTimes::default().named().map(|(tag, _)| tag).collect();
        assert_eq!(tags, TAGS);
    }

    #[test]
    fn what_was_counted_can_be_read_back_value_by_value() {
        let mut durations = Durations::new();
        [7, 7, 2_000_000, 9].into_iter().for_each(|ns| durations.record_ns(ns));
        let counts: Vec<(u64, u64)> = durations.counts().collect();
        assert_eq!(counts[..2], [(7, 2), (9, 1)]);
        assert!(
            counts.len() == 3 && counts[2].1 == 1 && counts[2].0.abs_diff(2_000_000) < 2_000,
            "{counts:?}"
        );
        assert_eq!(Durations::new().counts().count(), 0);
    }

    #[test]
    fn an_empty_histogram_reads_as_zeros_and_a_huge_value_as_the_bound() {
        let mut durations = Durations::new();
        assert_eq!(durations.quantiles(), Quantiles::default());
        durations.record_ns(u64::MAX);
        assert!(durations.quantiles().max_ns >= NS_MAX);
        durations.reset();
        assert_eq!((durations.n(), durations.mean_ns()), (0, 0));
    }

    #[test]
    fn a_tick_is_counted_in_every_histogram() {
        let mut times = TickTimes::default();
        let lap = Lap { wall_ns: 5_000, cpu_ns: 4_000 };
        times.record(lap, &[Lap { wall_ns: 600, cpu_ns: 500 }; STAGES.len()], Some(700));
        let mut twice = times.clone();
        twice.merge(&times);
        assert!(
            twice.named().all(|(tag, counted)| counted.n() == 2 && counted.max_ns() > 0 && !tag.is_empty())
        );
        let mut sum = Durations::new();
        times.stages.iter().for_each(|stage| sum.merge(stage));
        assert_eq!((times.wall.n(), times.cpu.n(), sum.n()), (1, 1, STAGES.len() as u64));
        times.reset();
        assert_eq!(times.stages[3].n(), 0);
    }
}
