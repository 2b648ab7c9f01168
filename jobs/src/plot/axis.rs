//! From values to places between 0 and 1, and where the lines behind them go.

/// Series whose values lie further apart than this get a logarithmic axis.
const LINEAR_RATIO_MAX: f64 = 60.0;
const LEVELS: f64 = 5.0;
/// Where the nines end on their axis; between there and the right end lies the step to the largest value.
const NINES_END: f64 = 0.94;
/// Labels on the axis of time, at most.
const CLOCK_LABELS_MAX: f64 = 6.0;
const CLOCK_STEPS_S: [f64; 13] =
    [1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0, 10_800.0, 21_600.0];
const DAY_S: f64 = 86_400.0;

/// The upright axis, in ms or whatever the values are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scale {
    Linear {
        max: f64,
        step: f64,
    },
    /// From a power of ten to a power of ten.
    Log {
        low: i32,
        high: i32,
    },
}

impl Scale {
    /// An axis for series of which the lowest has its middle at `low_ns`, and the highest value is `high_ns`.
    pub(super) fn fit(low_ns: u64, high_ns: u64) -> Self {
        Self::of(low_ns.max(1_000) as f64 / 1e6, high_ns.max(1_000) as f64 / 1e6)
    }

    /// The same for values above 0 of any unit.
    pub(super) fn of(low: f64, high: f64) -> Self {
        if high / low > LINEAR_RATIO_MAX {
            let low = low.log10().floor() as i32;
            return Self::Log { low, high: (high.log10().ceil() as i32).max(low + 1) };
        }
        let rough = high * 1.04 / LEVELS;
        let power = 10f64.powf(rough.log10().floor());
        let nice = [1.0, 2.0, 2.5, 5.0, 10.0];
        let step =
            nice.iter().map(|factor| factor * power).find(|step| *step >= rough).unwrap_or(power * 10.0);
        Self::Linear { max: (high * 1.04 / step).ceil() * step, step }
    }

    /// Place of a value, 0 at the foot and 1 at the top; values below the foot lie on it.
    pub(super) fn place(&self, ns: u64) -> f64 {
        self.place_of(ns as f64 / 1e6)
    }

    /// The same in the unit of the axis.
    pub(super) fn place_of(&self, value: f64) -> f64 {
        let place = match *self {
            Self::Linear { max, .. } => value / max,
            Self::Log { low, high } => (value.max(1e-9).log10() - f64::from(low)) / f64::from(high - low),
        };
        place.clamp(0.0, 1.0)
    }

    /// Values that get a line and a label.
    pub(super) fn ticks(&self) -> Vec<f64> {
        match *self {
            Self::Linear { max, step } => {
                (0..=(max / step).round() as u32).map(|at| f64::from(at) * step).collect()
            }
            Self::Log { low, high } => {
                let between: &[f64] = if high - low <= 2 { &[1.0, 2.0, 5.0] } else { &[1.0] };
                let decades =
                    (low..=high).flat_map(|power| between.iter().map(move |f| f * 10f64.powi(power)));
                decades.filter(|value| *value <= 10f64.powi(high) * 1.001).collect()
            }
        }
    }
}

/// A number without digits that say nothing.
pub(super) fn number_text(value: f64) -> String {
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// An axis on which twice as much is always the same step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Doublings {
    low: f64,
    high: f64,
}

/// Labels of doublings that would stand nearer than this are left out.
const DOUBLINGS_APART: f64 = 0.09;
/// Where doublings end on their axis: the last label needs room on both sides.
const DOUBLINGS_END: f64 = 0.97;

impl Doublings {
    /// From the least to the greatest of some values above 0.
    pub(super) fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
        Self { low: values.clone().fold(f64::INFINITY, f64::min), high: values.fold(0.0, f64::max) }
    }

    /// Place of a value; a single one stands in the middle.
    pub(super) fn place(&self, value: f64) -> f64 {
        let is_single = self.high <= self.low;
        let share = if is_single { 0.5 } else { (value / self.low).log2() / (self.high / self.low).log2() };
        share * DOUBLINGS_END
    }

    /// Of ascending values those that have room for a label, with their places.
    pub(super) fn labels(&self, values: &[f64]) -> Vec<(f64, f64)> {
        let mut kept: Vec<(f64, f64)> = Vec::new();
        for value in values {
            let place = self.place(*value);
            if kept.last().is_none_or(|(_, last)| place - last >= DOUBLINGS_APART) {
                kept.push((*value, place));
            }
        }
        kept
    }
}

/// The axis on which every further nine takes the same room.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Nines {
    most: f64,
}

impl Nines {
    /// Wide enough for the largest of so many values.
    pub(super) fn of(n: u64) -> Self {
        Self { most: (n.max(1) as f64).log10().max(1.0) }
    }

    /// Place of the share that is not above: `n_above` of `n` values are. The largest value is at the right end.
    pub(super) fn place(&self, n_above: u64, n: u64) -> f64 {
        if n_above == 0 {
            return 1.0;
        }
        self.place_of(n_above as f64 / n as f64)
    }

    fn place_of(&self, share_above: f64) -> f64 {
        (-share_above.log10() / self.most).clamp(0.0, 1.0) * NINES_END
    }

    /// Places with their labels, in percent.
    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        let mut ticks = vec![(0.0, "0".to_owned()), (self.place_of(0.5), "50".to_owned())];
        let mut label = String::from("90");
        for nine in 1..=self.most as i32 {
            ticks.push((self.place_of(0.1f64.powi(nine)), label.clone()));
            match nine {
                1 => label = "99".to_owned(),
                2 => label = "99.9".to_owned(),
                _ => label.push('9'),
            }
        }
        // Beside the last label there must be room for this one.
        if ticks.last().is_some_and(|(place, _)| *place > NINES_END - 0.06) {
            ticks.pop();
        }
        ticks.push((1.0, "max".to_owned()));
        ticks
    }
}

/// Round times of day within a stretch, s since 1970 with their labels.
pub(super) fn clock(begun_s: f64, took_s: f64) -> Vec<(f64, String)> {
    let fits = |step: &&f64| took_s / **step <= CLOCK_LABELS_MAX;
    let step = CLOCK_STEPS_S
        .iter()
        .find(fits)
        .copied()
        .unwrap_or((took_s / CLOCK_LABELS_MAX / DAY_S).ceil() * DAY_S);
    let first = (begun_s / step).ceil() as u64;
    let times = (first..).map(|at| at as f64 * step).take_while(|at_s| *at_s <= begun_s + took_s);
    times.map(|at_s| (at_s, time_of_day(at_s, step < 60.0))).collect()
}

fn time_of_day(at_s: f64, with_seconds: bool) -> String {
    let second = (at_s % DAY_S) as u32;
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    if with_seconds { format!("{hour:02}:{minute:02}:{second:02}") } else { format!("{hour:02}:{minute:02}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_values_get_a_linear_axis_and_far_ones_a_logarithmic_one() {
        assert_eq!(Scale::fit(2_000_000, 7_000_000), Scale::Linear { max: 8.0, step: 2.0 });
        assert_eq!(Scale::fit(2_000, 7_000_000), Scale::Log { low: -3, high: 1 });
        assert_eq!(Scale::fit(0, 0).place(0), 0.0);
    }

    #[test]
    fn labels_are_round_and_within_the_axis() {
        for (low, high) in [(1, 1), (900_000, 1_000_000), (1_000, 60_000_000_000), (50_000_000, 51_000_000)] {
            let scale = Scale::fit(low, high);
            let ticks = scale.ticks();
            assert!((3..=9).contains(&ticks.len()), "{low} {high}: {ticks:?}");
            assert!(scale.place(high) <= 1.0 && scale.place_of(ticks[ticks.len() - 1]) > 0.99, "{scale:?}");
            assert!(ticks.iter().all(|value| number_text(*value).len() <= 7), "{ticks:?}");
        }
        assert_eq!(
            (number_text(0.0), number_text(0.001), number_text(250.0)),
            ("0".into(), "0.001".into(), "250".into())
        );
    }

    #[test]
    fn a_doubling_is_the_same_step_everywhere_and_labels_keep_apart() {
        let sizes = [500.0, 1_000.0, 1_010.0, 2_000.0, 8_000.0];
        let axis = Doublings::of(sizes.into_iter());
        let places = [500.0, 1_000.0, 2_000.0, 8_000.0].map(|n| axis.place(n));
        assert_eq!(places, [0.0, 0.25, 0.5, 1.0].map(|share| share * DOUBLINGS_END));
        let labelled: Vec<f64> = axis.labels(&sizes).into_iter().map(|(value, _)| value).collect();
        assert_eq!(labelled, [500.0, 1_000.0, 2_000.0, 8_000.0]);
        assert_eq!(Doublings::of([7.0].into_iter()).place(7.0), 0.5 * DOUBLINGS_END);
    }

    #[test]
    fn every_nine_takes_the_same_room() {
        let nines = Nines::of(10_000);
        let places = [1_000, 100, 10, 1].map(|n_above| nines.place(n_above, 10_000));
        for (place, expected) in places.into_iter().zip([0.25, 0.5, 0.75, 1.0]) {
            assert!((place - expected * NINES_END).abs() < 1e-9, "{places:?}");
        }
        assert_eq!(nines.place(0, 10_000), 1.0);
    }

    #[test]
    fn times_of_day_are_round() {
        let labels: Vec<String> = clock(1_700_000_003.0, 300.0).into_iter().map(|(_, label)| label).collect();
        assert_eq!(labels, ["22:14", "22:15", "22:16", "22:17", "22:18"]);
        assert_eq!(clock(1_700_000_000.0, 4.0)[0].1, "22:13:20");
        for took_s in [1.0, 50.0, 600.0, 90_000.0, 5e6] {
            let n = clock(1_700_000_000.0, took_s).len();
            assert!((1..=7).contains(&n), "{took_s} s have {n} labels");
        }
    }
}
