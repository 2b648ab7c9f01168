//! The same ticks on several threads and on one.

use super::stretch::Stretch;
use crate::stats::{Middle, Range, median};
use engine::Stage;
use serde::Serialize;
use std::collections::BTreeMap;

/// What several threads are worth. Stretches on several and on one took turns.
#[derive(Debug, Serialize)]
pub(super) struct Parallel {
    /// CPU of the slowest thread of each part of a tick, added up, over the CPU of the same tick on one thread:
    /// median of the stretches.
    pub(super) parallel_ratio: f64,
    pub(super) parallel_ratio_range: Range,
    /// Its numerator, ns per tick.
    pub(super) slowest_ns: f64,
    /// Its denominator.
    pub(super) one_thread_ns: f64,
    /// The numerator by stage.
    pub(super) slowest_stage_ns: BTreeMap<&'static str, u64>,
    /// The denominator by stage.
    pub(super) one_thread_stage_ns: BTreeMap<&'static str, u64>,
    /// What one thread does alone while the others wait, within the numerator.
    pub(super) serial_stage_ns: BTreeMap<&'static str, u64>,
}

impl Parallel {
    /// Compares stretches of the same ticks, pair by pair.
    pub(super) fn of(several: &[Stretch], one: &[Stretch]) -> Self {
        let ratios: Vec<f64> =
            several.iter().zip(one).map(|(several, one)| several.slowest_ns() / one.mean_ns()).collect();
        let by_stage = |stretches: &[Stretch], cost: fn(&Stretch, usize) -> u64| {
            let middle = |stage: &Stage| {
                Middle::of(stretches, |each| each.per_tick(cost(each, *stage as usize))).value as u64
            };
            Stage::ALL.iter().map(|stage| (stage.name(), middle(stage))).collect()
        };
        Self {
            parallel_ratio: median(&ratios),
            parallel_ratio_range: Range::of(&ratios),
            slowest_ns: Middle::of(several, Stretch::slowest_ns).value,
            one_thread_ns: Middle::of(one, Stretch::mean_ns).value,
            slowest_stage_ns: by_stage(several, |each, at| each.stages[at].slowest_ns),
            one_thread_stage_ns: by_stage(one, |each, at| each.stages[at].all_ns),
            serial_stage_ns: by_stage(several, |each, at| each.stages[at].serial_ns),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::stretch::StageCost;
    use super::*;

    fn stretch(all_ns: u64, slowest_ns: u64, serial_ns: u64) -> Stretch {
        let stages = [StageCost { all_ns, slowest_ns, serial_ns }; Stage::ALL.len()];
        Stretch { tick_ns: vec![4 * all_ns, 4 * all_ns], stages, n_allocations: 0 }
    }

    #[test]
    fn the_ratio_is_the_median_of_the_pairs_and_not_of_the_times() {
        let several = [stretch(12, 6, 1), stretch(120, 65, 3), stretch(12, 8, 2)];
        let one = [stretch(10, 10, 10), stretch(100, 100, 100), stretch(10, 10, 10)];
        let parallel = Parallel::of(&several, &one);
        assert_eq!(parallel.parallel_ratio, 0.65);
        assert_eq!(parallel.parallel_ratio_range, Range { min: 0.6, max: 0.8 });
        assert_eq!((parallel.slowest_ns, parallel.one_thread_ns), (32.0, 40.0));
        assert_eq!((parallel.slowest_stage_ns["7-8"], parallel.serial_stage_ns["5"]), (4, 1));
    }
}
