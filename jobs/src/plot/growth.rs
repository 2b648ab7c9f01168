//! What something costs at each size, size on an axis of doublings.

use super::axis::{Doublings, Scale, number_text};
use super::sheet::{Anchor, Sheet};
use super::upright;

/// One line of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct Growth {
    /// What it is of.
    pub name: String,
    /// Size and cost, ascending by size; both above 0.
    pub points: Vec<(f64, f64)>,
}

/// Lines of cost over size: a level line costs the same per piece at every size.
///
/// - Units: the caller's; `size` names the lower axis, `unit` is that of the upright one, which begins at 0.
#[must_use]
pub fn growth(lines: &[Growth], title: &str, size: &str, unit: &str) -> String {
    let names: Vec<&str> = lines.iter().map(|line| line.name.as_str()).collect();
    let mut sheet = Sheet::new(title, &names);
    let frame = sheet.frame();
    let points = lines.iter().flat_map(|line| line.points.iter().copied());
    let mut sizes: Vec<f64> = points.clone().map(|(size, _)| size).collect();
    sizes.sort_unstable_by(f64::total_cmp);
    sizes.dedup();
    if sizes.is_empty() {
        return sheet.nothing("nothing was measured");
    }
    let most = points.map(|(_, cost)| cost).fold(0.0, f64::max);
    let (across, scale) = (Doublings::of(sizes.iter().copied()), Scale::of(most, most));
    upright(&mut sheet, frame, &scale);
    for (size, place) in across.labels(&sizes) {
        sheet.grid_upright(frame.x(place), &grouped(size), Anchor::Middle);
    }
    sheet.axis_name(size, unit);
    for (at, line) in lines.iter().enumerate() {
        let place =
            |(size, cost): &(f64, f64)| (frame.x(across.place(*size)), frame.y(scale.place_of(*cost)));
        let places: Vec<(f64, f64)> = line.points.iter().map(place).collect();
        sheet.line(&format!("curve s{at}"), &words(line, unit), &places);
        places.into_iter().for_each(|place| sheet.dot(at, place));
    }
    sheet.finish()
}

/// What a line says, in words.
fn words(line: &Growth, unit: &str) -> String {
    let rounded = |cost: f64| number_text((cost * 1_000.0).round() / 1_000.0);
    let points = line.points.iter().map(|(size, cost)| format!("{} at {}", rounded(*cost), grouped(*size)));
    format!("{}, {unit}: {}", line.name, points.collect::<Vec<_>>().join(", "))
}

/// A whole number with its thousands apart.
fn grouped(n: f64) -> String {
    let digits = format!("{n:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, points: &[(f64, f64)]) -> Growth {
        Growth { name: name.to_owned(), points: points.to_vec() }
    }

    #[test]
    fn a_sweep_has_a_line_and_its_points_per_series_and_a_label_per_size() {
        let one = line("1 thread", &[(500.0, 0.31), (2_000.0, 0.3), (40_000.0, 0.4567)]);
        let two = line("2 threads", &[(500.0, 0.2), (2_000.0, 0.17), (40_000.0, 0.25)]);
        let svg = growth(&[one, two], "Cost", "players", "us");
        assert_eq!((svg.matches("class=\"curve s").count(), svg.matches("<circle").count()), (2, 6));
        for text in [">500<", ">2,000<", ">40,000<", ">players<", ">us<", "0.457 at 40,000"] {
            assert!(svg.contains(text), "no {text} in {svg}");
        }
        assert!(svg.contains(">0<"), "the upright axis begins at 0: {svg}");
    }

    #[test]
    fn equal_costs_lie_on_one_level_and_twice_as_much_twice_as_high() {
        let svg = growth(&[line("a", &[(1.0, 2.0), (8.0, 2.0), (64.0, 1.0)])], "", "", "");
        let heights: Vec<f64> = svg
            .split("cy=\"")
            .skip(1)
            .map(|text| text.split('"').next().and_then(|number| number.parse().ok()).unwrap())
            .collect();
        let foot = Sheet::new("", &["a"]).frame().y(0.0);
        assert_eq!(heights[0], heights[1]);
        assert!(((foot - heights[0]) - 2.0 * (foot - heights[2])).abs() < 0.3, "{heights:?} above {foot}");
    }

    #[test]
    fn nothing_measured_is_said_in_words() {
        assert!(growth(&[], "t", "players", "us").contains("nothing was measured"));
        assert!(growth(&[line("a", &[])], "t", "players", "us").contains("nothing was measured"));
    }
}
