//! Medians and ranges of few numbers. Never a mean alone.

use serde::Serialize;

/// Lowest and highest of a few runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Range {
    /// Lowest.
    pub(crate) min: f64,
    /// Highest.
    pub(crate) max: f64,
}

impl Range {
    /// The range of at least one value.
    pub(crate) fn of(values: &[f64]) -> Self {
        let min = values.iter().copied().fold(f64::INFINITY, f64::min);
        let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Self { min, max }
    }
}

/// The middle value, or the mean of the two in the middle.
///
/// # Panics
/// If there is none: a run without a sample has failed before.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) { (sorted[middle - 1] + sorted[middle]) / 2.0 } else { sorted[middle] }
}

/// A median with its range.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Middle {
    /// The median.
    pub(crate) value: f64,
    /// Lowest and highest.
    pub(crate) range: Range,
}

impl Middle {
    /// Of one figure of every run.
    pub(crate) fn of<T>(runs: &[T], figure: impl Fn(&T) -> f64) -> Self {
        let values: Vec<f64> = runs.iter().map(figure).collect();
        Self { value: median(&values), range: Range::of(&values) }
    }
}

/// A share, 0 of nothing, never above 1: a packet that crosses the edge of a window is not two.
pub(crate) fn share(part: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { (part as f64 / of as f64).min(1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_does_not_mind_one_bad_run() {
        assert_eq!(median(&[9.0, 10.0, 900.0, 11.0, 10.5]), 10.5);
        assert_eq!(median(&[1.0, 3.0]), 2.0);
        let middle = Middle::of(&[3.0, 1.0, 2.0], |run| run * 2.0);
        assert_eq!((middle.value, middle.range), (4.0, Range { min: 2.0, max: 6.0 }));
    }

    #[test]
    fn nothing_of_nothing_is_no_share() {
        assert_eq!((share(0, 0), share(19, 20), share(21, 20)), (0.0, 0.95, 1.0));
    }
}
