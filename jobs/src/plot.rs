//! Pictures of histograms and of sweeps: self-contained SVG for files and pages, light or dark as the reader's screen is.
//!
//! [`percentiles`] draws one curve per histogram on an axis of nines, so that the slow ticks take as much room as
//! the others; [`timeline`] draws what each second was like, and [`growth`](growth()) what something costs at each size. [`axis`] turns values into places, [`sheet`] writes the
//! elements. No scripts, no fonts, no links; all text is escaped.
//!
//! Source: docs/OPERATIONS.md "Histograms".

mod axis;
mod growth;
mod sheet;

use crate::hist::{Durations, Quantiles};
use axis::{Nines, Scale, clock, number_text};
use sheet::{Anchor, Frame, Sheet};

pub use growth::{Growth, growth};

/// Steps smaller than this are drawn as one, in units of the picture.
const STEP_MIN: f64 = 0.4;
/// A moment that follows this much later than the one before its predecessor did begins a new line.
const GAP: f64 = 3.5;

/// Lines of a timeline.
const NAMES: [&str; 3] = ["p50", "p99", "max"];

/// What some interval was like.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moment {
    /// Its end, s since 1970.
    pub at_s: f64,
    /// Half of its values were at most this, ns.
    pub p50_ns: u64,
    /// 99 of 100 were at most this, ns.
    pub p99_ns: u64,
    /// The largest, ns.
    pub max_ns: u64,
}

/// Percentile curves: which value what share of all does not exceed. A curve ends at its largest value.
///
/// - Units: ms on the upright axis, logarithmic when the series lie far apart; nines on the other.
/// - Cost: a pass over the buckets of each, about 100 us; empty series are left out.
#[must_use]
pub fn percentiles(series: &[(String, &Durations)], title: &str) -> String {
    let drawn: Vec<&(String, &Durations)> =
        series.iter().filter(|(_, durations)| durations.n() > 0).collect();
    let names: Vec<&str> = drawn.iter().map(|(name, _)| name.as_str()).collect();
    let mut sheet = Sheet::new(title, &names);
    let frame = sheet.frame();
    let n_most = drawn.iter().map(|(_, durations)| durations.n()).max();
    let Some(n_most) = n_most else { return sheet.nothing("nothing was recorded") };
    let medians = drawn.iter().map(|(_, durations)| durations.at_quantile_ns(0.5));
    let (low, high) =
        (medians.min().unwrap_or(0), drawn.iter().map(|(_, each)| each.max_ns()).max().unwrap_or(0));
    let scale = Scale::fit(low, high);
    let nines = Nines::of(n_most);
    upright(&mut sheet, frame, &scale);
    for (place, label) in nines.ticks() {
        let anchor = if place > 0.97 { Anchor::End } else { Anchor::Middle };
        sheet.grid_upright(frame.x(place), &label, anchor);
    }
    sheet.axis_name("percentile, %", "ms");
    for (at, series) in drawn.iter().enumerate() {
        curve(&mut sheet, at, series, &scale, &nines);
    }
    sheet.finish()
}

/// What a curve says, in words: shown where a pointer rests on it, read to whoever does not see it.
fn words(name: &str, durations: &Durations) -> String {
    let ms = |quantile| number_text(Quantiles::ms(durations.at_quantile_ns(quantile)));
    let (n, p50, p99, max) = (durations.n(), ms(0.5), ms(0.99), ms(1.0));
    format!("{name}: p50 {p50} ms, p99 {p99} ms, max {max} ms, {n} values")
}

fn curve(
    sheet: &mut Sheet,
    at: usize,
    (name, durations): &(String, &Durations),
    scale: &Scale,
    nines: &Nines,
) {
    let frame = sheet.frame();
    let n = durations.n();
    let (mut n_seen, mut x) = (0, 0.0);
    let mut steps = Vec::new();
    for (ns, count) in durations.counts() {
        let y = scale.place(ns);
        n_seen += count;
        let until = nines.place(n - n_seen, n);
        // A single largest value is where the curve ends, not a step of its own.
        if n_seen < n || count > 1 {
            steps.push((x, y));
        }
        steps.push((until, y));
        x = until;
    }
    let places: Vec<(f64, f64)> = steps.iter().map(|(x, y)| (frame.x(*x), frame.y(*y))).collect();
    sheet.line(&format!("curve s{at}"), &words(name, durations), &thinned(&places));
    if let Some(last) = places.last() {
        sheet.dot(at, *last);
    }
}

/// Leaves out places that cannot be told from the one before; the last one stays.
fn thinned(places: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut kept: Vec<(f64, f64)> = Vec::new();
    for (at, place) in places.iter().enumerate() {
        let is_near =
            |last: &(f64, f64)| (last.0 - place.0).abs() < STEP_MIN && (last.1 - place.1).abs() < STEP_MIN;
        if at + 1 == places.len() || !kept.last().is_some_and(is_near) {
            kept.push(*place);
        }
    }
    kept
}

/// Median, 99th percentile and maximum of each interval, over the time of day.
///
/// - Units: ms on the upright axis; UTC on the other.
#[must_use]
pub fn timeline(moments: &[Moment], title: &str) -> String {
    let mut sheet = Sheet::new(title, &NAMES);
    let frame = sheet.frame();
    let (Some(first), Some(last)) = (moments.first(), moments.last()) else {
        return sheet.nothing("nothing was recorded");
    };
    let (begun_s, took_s) = (first.at_s, (last.at_s - first.at_s).max(1.0));
    let low = moments.iter().map(|moment| moment.p50_ns).filter(|ns| *ns > 0).min().unwrap_or(0);
    let scale = Scale::fit(low, moments.iter().map(|moment| moment.max_ns).max().unwrap_or(0));
    upright(&mut sheet, frame, &scale);
    for (at_s, label) in clock(begun_s, took_s) {
        sheet.grid_upright(frame.x((at_s - begun_s) / took_s), &label, Anchor::Middle);
    }
    sheet.axis_name("time of day, UTC", "ms");
    let values: [fn(&Moment) -> u64; 3] = [|m| m.p50_ns, |m| m.p99_ns, |m| m.max_ns];
    // The largest below the others: it is the busiest line.
    for (at, value) in values.iter().enumerate().rev() {
        for run in runs(moments) {
            let place = |moment: &Moment| {
                (frame.x((moment.at_s - begun_s) / took_s), frame.y(scale.place(value(moment))))
            };
            let class = if at == 2 { "curve wide s2".to_owned() } else { format!("curve s{at}") };
            sheet.line(&class, NAMES[at], &run.iter().map(place).collect::<Vec<_>>());
        }
    }
    sheet.finish()
}

/// Moments that follow each other without a gap.
fn runs(moments: &[Moment]) -> Vec<&[Moment]> {
    let mut steps: Vec<f64> = moments.windows(2).map(|pair| pair[1].at_s - pair[0].at_s).collect();
    steps.sort_unstable_by(f64::total_cmp);
    let usual_s = steps.get(steps.len() / 2).copied().unwrap_or(1.0).max(0.001);
    moments.chunk_by(|left, right| (0.0..usual_s * GAP).contains(&(right.at_s - left.at_s))).collect()
}

fn upright(sheet: &mut Sheet, frame: Frame, scale: &Scale) {
    for value in scale.ticks() {
        sheet.grid_level(frame.y(scale.place_of(value)), &number_text(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn durations(ns: impl IntoIterator<Item = u64>) -> Durations {
        let mut durations = Durations::new();
        ns.into_iter().for_each(|ns| durations.record_ns(ns));
        durations
    }

    /// Places of a curve, as they stand in the picture.
    fn places(svg: &str, class: &str) -> Vec<(f64, f64)> {
        let from =
            svg.find(&format!("class=\"{class}\" d=\"")).unwrap_or_else(|| panic!("no {class} in {svg}"));
        let path = svg[from..].split('"').nth(3).unwrap();
        let numbers: Vec<f64> = path
            .split(|c: char| !c.is_ascii_digit() && c != '.')
            .filter_map(|text| text.parse().ok())
            .collect();
        numbers.chunks(2).map(|pair| (pair[0], pair[1])).collect()
    }

    #[test]
    fn a_curve_rises_from_the_least_value_to_the_largest() {
        let even = durations((1..=1_000).map(|at| at * 100_000));
        let svg = percentiles(&[("tick".to_owned(), &even)], "A day");
        let places = places(&svg, "curve s0");
        assert!(places.windows(2).all(|pair| pair[0].0 <= pair[1].0 && pair[0].1 >= pair[1].1), "{places:?}");
        let frame = Sheet::new("", &["tick"]).frame();
        let (first, last) = (places[0], places[places.len() - 1]);
        assert!(
            (first.0 - frame.x(0.0)).abs() < 0.1 && (last.0 - frame.x(1.0)).abs() < 0.1,
            "{first:?} {last:?}"
        );
        assert!(svg.contains("<title>tick: p50 50.0"), "{svg}");
        // Half of the values lie below the middle of the values, at 0.3 of three nines.
        let half = places.iter().find(|place| place.0 >= frame.x(0.301 / 3.0 * 0.94)).unwrap();
        let (top, bottom) = (last.1, frame.y(0.0));
        assert!(((bottom - half.1) / (bottom - top) - 0.5).abs() < 0.01, "{half:?} {last:?}");
    }

    #[test]
    fn the_axis_has_as_many_nines_as_there_are_values() {
        let labels = |n: u64| {
            let svg = percentiles(&[("tick".to_owned(), &durations((0..n).map(|_| 5_000_000)))], "");
            let texts = svg
                .split("<text class=\"x\"")
                .skip(1)
                .map(|text| text.split('>').nth(1).unwrap().split('<').next().unwrap().to_owned());
            texts.collect::<Vec<_>>()
        };
        assert_eq!(labels(20), ["0", "50", "90", "max"]);
        assert_eq!(labels(10_000), ["0", "50", "90", "99", "99.9", "max"]);
        assert_eq!(labels(20_000), ["0", "50", "90", "99", "99.9", "99.99", "max"]);
    }

    #[test]
    fn words_from_outside_stay_words() {
        let one = durations([1_000]);
        let svg = percentiles(&[("<script>alert(1)</script>".to_owned(), &one)], "a & b \"c\" <d>");
        assert!(!svg.contains("<script") && !svg.contains("<d>"), "{svg}");
        assert!(svg.contains("a &amp; b &quot;c&quot; &lt;d&gt;"), "{svg}");
    }

    #[test]
    fn nothing_recorded_is_said_in_words() {
        for svg in [
            percentiles(&[], "t"),
            percentiles(&[("tick".to_owned(), &Durations::new())], "t"),
            timeline(&[], "t"),
        ] {
            assert!(svg.starts_with("<svg") && svg.contains("nothing was recorded"), "{svg}");
        }
    }

    #[test]
    fn a_timeline_has_a_line_per_figure_and_a_hole_where_nothing_was_recorded() {
        let moment = |at: u64| Moment {
            at_s: 1_700_000_000.0 + at as f64,
            p50_ns: 2_000_000,
            p99_ns: 3_000_000,
            max_ns: 9_000_000,
        };
        let whole: Vec<Moment> = (0..60).map(moment).collect();
        let n_lines = |moments: &[Moment]| timeline(moments, "t").matches("class=\"curve").count();
        assert_eq!(n_lines(&whole), 3);
        let torn: Vec<Moment> = (0..20).chain(40..60).map(moment).collect();
        assert_eq!(n_lines(&torn), 6);
        assert!(timeline(&whole, "t").contains(">22:13:30<"), "{}", timeline(&whole, "t"));
        assert_eq!(n_lines(&whole[..1]), 3);
    }

    #[test]
    fn both_colour_schemes_are_in_the_file_and_nothing_else_is_fetched() {
        let svg = percentiles(&[("tick".to_owned(), &durations([1_000]))], "t");
        assert!(svg.contains("prefers-color-scheme: dark") && svg.contains("viewBox=\"0 0 "), "{svg}");
        assert_eq!(svg.matches("http").count(), 1, "only the name of the format: {svg}");
    }
}
