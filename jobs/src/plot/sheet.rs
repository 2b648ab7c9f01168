//! The elements of a picture, as text.
//!
//! Drawn 560 units wide: on a telephone of 360 pixels the letters are 9 pixels high, on a wide screen they grow.

use std::fmt::Write as _;

const WIDTH: f64 = 560.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 52.0;
const PLOT_HEIGHT: f64 = 240.0;
/// Labels and name of the lower axis.
const FOOT: f64 = 46.0;
const LEGEND_ROW: f64 = 22.0;
const BELOW: f64 = 14.0;
/// A letter is about this wide.
const LETTER: f64 = 8.0;
/// A longer name is cut.
const NAME_LETTERS_MAX: usize = 60;
/// Colours of the series, on white and on dark; then they begin again, with dashed lines. Written out for each
/// element: many viewers of SVG know no variables.
const COLOURS: [(&str, &str); 11] = [
    ("#2563eb", "#74a9ff"),
    ("#d9480f", "#ff9a5a"),
    ("#0b8457", "#4ccf9c"),
    ("#a8329e", "#ee8be0"),
    ("#8f6b00", "#e2c044"),
    ("#0b7285", "#4fd0e4"),
    ("#6d3fd1", "#b49bff"),
    ("#c2255c", "#ff8cad"),
    ("#56790b", "#a9d65f"),
    ("#596a7d", "#a5b4c6"),
    ("#8a4516", "#e3a56c"),
];

const SHAPES: &str = "\
.hplot{max-width:70rem;font:14px system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}\
.hplot .title{font-size:16px;font-weight:600}.hplot .curve{fill:none;stroke-width:2;stroke-linejoin:round;\
stroke-linecap:round}.hplot .wide{stroke-width:5;stroke-opacity:.4}.hplot .dot{stroke-width:1.5}";
const LIGHT: &str = "\
.hplot .paper{fill:#ffffff}.hplot text{fill:#5b6b7c}.hplot .title,.hplot .name{fill:#1c2733}\
.hplot .grid{stroke:#e3e8ee}.hplot .edge{stroke:#b6c1cc}.hplot .dot{stroke:#ffffff}";
const DARK: &str = "\
.hplot .paper{fill:#12181f}.hplot text{fill:#9fb0c2}.hplot .title,.hplot .name{fill:#e8eef5}\
.hplot .grid{stroke:#25303b}.hplot .edge{stroke:#46566a}.hplot .dot{stroke:#12181f}";

/// Rules for so many series, light unless the reader's screen is dark.
fn style(n_series: usize) -> String {
    let mut light = format!("{SHAPES}{LIGHT}");
    let mut dark = DARK.to_owned();
    for at in 0..n_series {
        let (on_white, on_dark) = COLOURS[at % COLOURS.len()];
        let dash = if at < COLOURS.len() { "" } else { ";stroke-dasharray:7 4" };
        let _ = write!(light, ".hplot .s{at}{{stroke:{on_white}{dash}}}.hplot .f{at}{{fill:{on_white}}}");
        let _ = write!(dark, ".hplot .s{at}{{stroke:{on_dark}}}.hplot .f{at}{{fill:{on_dark}}}");
    }
    format!("{light}@media (prefers-color-scheme: dark){{{dark}}}")
}

/// Where the plot lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Frame {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

impl Frame {
    /// From a place between 0 and 1, left to right.
    pub(super) fn x(self, place: f64) -> f64 {
        self.left + (self.right - self.left) * place
    }

    /// From a place between 0 and 1, foot to top.
    pub(super) fn y(self, place: f64) -> f64 {
        self.bottom - (self.bottom - self.top) * place
    }
}

/// Which end of a text its place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Middle,
    End,
}

impl Anchor {
    fn word(self) -> &'static str {
        match self {
            Self::Middle => "middle",
            Self::End => "end",
        }
    }
}

/// A picture in the making: axes first, then lines.
pub(super) struct Sheet {
    svg: String,
}

impl Sheet {
    /// A sheet with its title and the names of its series.
    pub(super) fn new(title: &str, names: &[&str]) -> Self {
        let legend = legend(names);
        let height = TOP + PLOT_HEIGHT + FOOT + legend.height + BELOW;
        let title = escaped(title);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"hplot\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
             aria-label=\"{title}\"><title>{title}</title><style>{}",
            style(names.len())
        );
        let _ = write!(
            svg,
            "</style><rect class=\"paper\" width=\"{WIDTH}\" height=\"{height}\"/>\
             <text class=\"title\" x=\"{BELOW}\" y=\"24\">{title}</text>{}",
            legend.svg
        );
        Self { svg }
    }

    pub(super) fn frame(&self) -> Frame {
        Frame { left: LEFT, right: WIDTH - RIGHT, top: TOP, bottom: TOP + PLOT_HEIGHT }
    }

    /// A level of the upright axis.
    pub(super) fn grid_level(&mut self, y: f64, label: &str) {
        let frame = self.frame();
        let class = if y >= frame.bottom - 0.5 { "edge" } else { "grid" };
        let _ = write!(
            self.svg,
            "<line class=\"{class}\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text class=\"y\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            frame.left,
            frame.right,
            frame.left - 7.0,
            y + 4.5,
            escaped(label)
        );
    }

    /// A line up from the lower axis.
    pub(super) fn grid_upright(&mut self, x: f64, label: &str, anchor: Anchor) {
        let frame = self.frame();
        let _ = write!(
            self.svg,
            "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"/>\
             <text class=\"x\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"{}\">{}</text>",
            frame.top,
            frame.bottom,
            frame.bottom + 18.0,
            anchor.word(),
            escaped(label)
        );
    }

    /// What the lower axis shows, and the unit of the upright one.
    pub(super) fn axis_name(&mut self, name: &str, unit: &str) {
        let frame = self.frame();
        let _ = write!(
            self.svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            frame.x(0.5),
            frame.bottom + 36.0,
            escaped(name),
            frame.left - 7.0,
            frame.top - 11.0,
            escaped(unit)
        );
    }

    /// A line through these places, and what it says in words.
    pub(super) fn line(&mut self, class: &str, words: &str, places: &[(f64, f64)]) {
        let _ = write!(self.svg, "<path class=\"{class}\" d=\"");
        for (at, (x, y)) in places.iter().enumerate() {
            let _ = write!(self.svg, "{}{x:.1} {y:.1}", if at == 0 { 'M' } else { 'L' });
        }
        // A line of one place is seen as the dot that its round cap makes.
        if let [(x, y)] = places {
            let _ = write!(self.svg, "L{x:.1} {y:.1}");
        }
        let _ = write!(self.svg, "\"><title>{}</title></path>", escaped(words));
    }

    /// The end of a curve, or a value that was measured.
    pub(super) fn dot(&mut self, series: usize, (x, y): (f64, f64)) {
        let _ = write!(self.svg, "<circle class=\"dot f{series}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"/>");
    }

    pub(super) fn finish(mut self) -> String {
        self.svg.push_str("</svg>\n");
        self.svg
    }

    /// A sheet with a sentence instead of a plot.
    pub(super) fn nothing(mut self, words: &str) -> String {
        let frame = self.frame();
        let _ = write!(
            self.svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            frame.x(0.5),
            frame.y(0.5),
            escaped(words)
        );
        self.finish()
    }
}

struct Legend {
    svg: String,
    height: f64,
}

/// Names in as many columns as fit.
fn legend(names: &[&str]) -> Legend {
    let names: Vec<String> = names.iter().map(|name| shortened(name)).collect();
    let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0) as f64;
    let column = 34.0 + longest * LETTER;
    let n_columns = ((WIDTH - LEFT - RIGHT) / column).floor().clamp(1.0, names.len().max(1) as f64) as usize;
    let mut svg = String::new();
    for (at, name) in names.iter().enumerate() {
        let x = LEFT + (at % n_columns) as f64 * (WIDTH - LEFT - RIGHT) / n_columns as f64;
        let y = TOP + PLOT_HEIGHT + FOOT + LEGEND_ROW * ((at / n_columns) as f64 + 0.6);
        let _ = write!(
            svg,
            "<path class=\"key curve s{at}\" d=\"M{x:.1} {:.1}h16\"/><text class=\"name\" x=\"{:.1}\" y=\"{y:.1}\">{}</text>",
            y - 4.5,
            x + 23.0,
            escaped(name)
        );
    }
    Legend { svg, height: LEGEND_ROW * names.len().div_ceil(n_columns) as f64 }
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= NAME_LETTERS_MAX {
        return name.to_owned();
    }
    // The end of a path says more than its beginning.
    let kept = name.chars().skip(name.chars().count() - NAME_LETTERS_MAX + 1);
    std::iter::once('…').chain(kept).collect()
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            // XML has no place for most control characters, escaped or not.
            letter if letter.is_control() => safe.push(' '),
            letter => safe.push(letter),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_legend_breaks_into_rows_and_cuts_what_is_too_long() {
        let short = legend(&["tick", "cpu"]);
        let long = legend(&["x".repeat(200).as_str(), "y"]);
        assert_eq!((short.height, long.height), (LEGEND_ROW, 2.0 * LEGEND_ROW));
        assert!(long.svg.contains('…') && !long.svg.contains(&"x".repeat(NAME_LETTERS_MAX)));
    }

    #[test]
    fn control_characters_do_not_break_the_file() {
        assert_eq!(escaped("a\u{0}b\n<"), "a b &lt;");
    }
}
