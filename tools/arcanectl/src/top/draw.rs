//! Lays out a frame: lines of text with colours, never wider or longer than the terminal.

use super::model::{Dense, Link, Picture, STAGES, Times};
use std::net::SocketAddr;

/// A terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) columns: usize,
    pub(super) rows: usize,
}

/// How a piece of text looks. Source: ECMA-48, "Select graphic rendition".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Dim,
    Bold,
    Good,
    Warn,
    Bad,
    Bar,
    Title,
}

impl Style {
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Dim => "\x1b[2m",
            Self::Bold => "\x1b[1m",
            Self::Good => "\x1b[32m",
            Self::Warn => "\x1b[33m",
            Self::Bad => "\x1b[1;31m",
            Self::Bar => "\x1b[36m",
            Self::Title => "\x1b[7m",
        }
    }
}

/// One line, in pieces.
#[derive(Clone, Debug, Default)]
pub(super) struct Line(Vec<(Style, String)>);

impl Line {
    fn add(mut self, style: Style, text: impl Into<String>) -> Self {
        self.0.push((style, text.into()));
        self
    }

    fn plain(self, text: impl Into<String>) -> Self {
        self.add(Style::Plain, text)
    }

    /// Blanks up to a column.
    fn to(self, column: usize) -> Self {
        let n = column.saturating_sub(self.width());
        self.plain(" ".repeat(n))
    }

    /// Columns that it takes; every letter that is used here takes one.
    pub(super) fn width(&self) -> usize {
        self.0.iter().map(|(_, text)| text.chars().count()).sum()
    }

    /// Cuts what does not fit.
    fn cut(mut self, columns: usize) -> Self {
        let mut left = columns;
        for (_, text) in &mut self.0 {
            let n = text.chars().count();
            if n > left {
                *text = text.chars().take(left).collect();
            }
            left -= n.min(left);
        }
        self
    }

    /// The line as it is printed.
    pub(super) fn text(&self, is_painted: bool) -> String {
        let one = |(style, text): &(Style, String)| match style.code() {
            code if is_painted && !code.is_empty() && !text.is_empty() => format!("{code}{text}\x1b[0m"),
            _ => text.clone(),
        };
        self.0.iter().map(one).collect()
    }
}

/// Where the right half begins.
const HALF: usize = 44;
/// Lines that are always there: all but those of the densest tiles.
const FIXED_ROWS: usize = 21;

/// Everything, for a terminal of this size; `trouble` says why it is not of now.
pub(super) fn frame(picture: &Picture, admin: SocketAddr, trouble: Option<&str>, size: Size) -> Vec<Line> {
    let health = picture.health.as_deref().filter(|_| trouble.is_none()).unwrap_or("away");
    let mut lines =
        vec![title(picture, admin, health, size.columns), people(picture, trouble), Line::default()];
    if picture.tick.is_some() {
        lines.extend(ticks(picture, size.columns));
        lines.push(Line::default());
        lines.extend(stages_and_links(picture, size.columns));
        lines.push(Line::default());
        lines.extend(dense(picture, size.rows.saturating_sub(FIXED_ROWS).max(1)));
    }
    lines.truncate(size.rows);
    lines.into_iter().map(|line| line.cut(size.columns)).collect()
}

fn title(picture: &Picture, admin: SocketAddr, health: &str, columns: usize) -> Line {
    let uptime = picture.uptime_seconds.map_or("-".to_owned(), clock);
    let left = format!(" zone {admin}  {health}, up {uptime}");
    let right = format!("tick {}, {}/s, q quits ", count(picture.tick), count(picture.ticks_per_second));
    let n_blank = columns.saturating_sub(left.chars().count() + right.chars().count()).max(1);
    Line::default().add(Style::Title, format!("{left}{}{right}", " ".repeat(n_blank)))
}

fn people(picture: &Picture, trouble: Option<&str>) -> Line {
    if let Some(trouble) = trouble {
        return Line::default().add(Style::Bad, format!(" {trouble}"));
    }
    let mut line = Line::default();
    for (what, n) in [
        (" players ", picture.players),
        (", attached ", picture.attached),
        (", creatures ", picture.creatures),
        (", connections ", picture.connections),
        (", shed ", picture.shed_level),
    ] {
        line = line.add(Style::Dim, what).add(Style::Bold, count(n));
    }
    line
}

fn ticks(picture: &Picture, columns: usize) -> Vec<Line> {
    let peak = picture.p99_by_second.iter().copied().fold(0.0, f64::max);
    let head = Line::default()
        .add(Style::Bold, " TICK, ms        p50      p99      max")
        .to(HALF)
        .add(Style::Dim, format!("p99 by second, up to {} ms", ms(Some(peak)).trim_start()));
    let row = |name: &str, times: &Times| {
        Line::default().add(Style::Dim, format!(" {name:<12}")).plain(format!(
            "{}{}{}",
            wide(times.p50),
            wide(times.p99),
            wide(times.max)
        ))
    };
    let graph = sparks(&picture.p99_by_second, peak, columns.saturating_sub(HALF + 1).min(60));
    let [own, own_total] = picture.overruns_own;
    let [stolen, stolen_total] = picture.overruns_stolen;
    let alarm = |n: Option<f64>, style| if n.unwrap_or(0.0) > 0.0 { style } else { Style::Good };
    vec![
        head,
        row("last second", &picture.last_second).to(HALF).add(Style::Bar, graph),
        row("worst of 60", &picture.last_minute)
            .to(HALF)
            .add(Style::Dim, "last second: run queue ")
            .plain(format!("{} ms", ms(picture.run_queue_ms).trim_start())),
        row("since start", &picture.total)
            .to(HALF)
            .add(Style::Dim, "steal ")
            .plain(format!("{} ms", ms(picture.steal_ms).trim_start()))
            .add(Style::Dim, ", minor faults ")
            .plain(count(picture.minor_faults)),
        Line::default()
            .add(Style::Dim, " overruns of 60 s: own ")
            .add(alarm(own, Style::Bad), count(own))
            .add(Style::Dim, ", stolen ")
            .add(alarm(stolen, Style::Warn), count(stolen))
            .to(HALF)
            .add(Style::Dim, "in all: ")
            .plain(count(own_total))
            .add(Style::Dim, " and ")
            .plain(count(stolen_total))
            .add(Style::Dim, ", late ")
            .plain(count(picture.late)),
    ]
}

/// Stages on the left, clients on the right.
fn stages_and_links(picture: &Picture, columns: usize) -> Vec<Line> {
    // A wide terminal has longer bars; the right half stays as wide as it is.
    let half = HALF + columns.saturating_sub(80).min(60);
    let head = Line::default().add(Style::Bold, " STAGES, ms, mean of a second");
    let mut left = vec![head];
    // CPU and wall time cannot be subtracted from each other, so there is no line for what is none of the stages.
    let whole = ("all", "tick, CPU", picture.tick_cpu_ms);
    let stages = STAGES.iter().zip(picture.stages_ms).map(|((name, what), ms)| (*name, *what, ms));
    let all: Vec<_> = std::iter::once(whole).chain(stages).collect();
    let longest = all.iter().filter_map(|(_, _, ms)| *ms).fold(0.0, f64::max);
    for (name, what, stage_ms) in all {
        let bar = bar(stage_ms.unwrap_or(0.0) / longest.max(1e-9), half - 32);
        left.push(
            Line::default()
                .add(Style::Dim, format!(" {name:<5} "))
                .plain(format!("{what:<13}{} ", ms(stage_ms)))
                .add(Style::Bar, bar),
        );
    }
    let right = links(picture);
    let n = left.len().max(right.len());
    left.resize(n, Line::default());
    let mut right = right.into_iter();
    left.into_iter().map(|line| join(line.to(half), right.next())).collect()
}

fn join(mut left: Line, right: Option<Line>) -> Line {
    left.0.extend(right.map(|line| line.0).unwrap_or_default());
    left
}

fn links(picture: &Picture) -> Vec<Line> {
    let mut lines =
        vec![Line::default().add(Style::Bold, format!("{:<14}{:>10}{:>11}", "CLIENTS", "QUIC", "WebSocket"))];
    type Show = fn(&Link) -> String;
    let rows: [(&str, Show); 7] = [
        ("clients", |link| count(link.clients)),
        ("rtt p50, ms", |link| ms(link.rtt_p50)),
        ("rtt p99, ms", |link| ms(link.rtt_p99)),
        ("loss, %", |link| ms(link.loss_share.map(|share| share * 100.0))),
        ("in, B/s", |link| count(link.bytes_in)),
        ("out, B/s", |link| count(link.bytes_out)),
        ("queued, B", |link| count(link.queued)),
    ];
    for (name, show) in rows {
        let [quic, websocket] = [&picture.links[0], &picture.links[1]].map(show);
        lines.push(
            Line::default()
                .add(Style::Dim, format!("{name:<14}"))
                .plain(format!("{quic:>10}{websocket:>11}")),
        );
    }
    lines.push(
        Line::default()
            .add(Style::Dim, "snapshots/s ")
            .plain(count(picture.snapshots_per_second))
            .add(Style::Dim, ", inputs/s ")
            .plain(count(picture.inputs_per_second)),
    );
    lines.push(Line::default().add(Style::Dim, "spectators  ").plain(count(picture.spectators)));
    lines
}

fn dense(picture: &Picture, n: usize) -> Vec<Line> {
    let head = Line::default()
        .add(Style::Bold, " DENSEST TILES     players  creatures")
        .to(HALF)
        .add(Style::Bold, "DENSEST CELLS  players entities");
    let tile = |dense: &Dense| {
        let name = format!("{},{}", dense.tile.0, dense.tile.1);
        Line::default().add(Style::Dim, format!(" tile {name:<10}")).plain(format!(
            "{:>10}{:>11}",
            count(Some(dense.players as f64)),
            count(Some(dense.others as f64))
        ))
    };
    let cell = |dense: &Dense| {
        let name = format!("{},{}:{}", dense.tile.0, dense.tile.1, dense.bin);
        Line::default().add(Style::Dim, format!("{name:<13}")).plain(format!(
            "{:>9}{:>9}",
            count(Some(dense.players as f64)),
            count(Some(dense.others as f64))
        ))
    };
    let mut lines = vec![head];
    for at in 0..n.min(picture.tiles.len().max(picture.cells.len())) {
        let left = picture.tiles.get(at).map(tile).unwrap_or_default();
        lines.push(join(left.to(HALF), picture.cells.get(at).map(cell)));
    }
    lines
}

/// A share of 1 as a bar, in eighths of a letter.
fn bar(share: f64, columns: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (share.clamp(0.0, 1.0) * columns as f64 * 8.0).round() as usize;
    "█".repeat(eighths / 8) + EIGHTHS[eighths % 8]
}

/// The newest values as a row of bars, newest on the right.
fn sparks(values: &[f64], peak: f64, columns: usize) -> String {
    const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let step = |value: &f64| STEPS[(value / peak.max(1e-9) * 7.0).round().clamp(0.0, 7.0) as usize];
    values[values.len().saturating_sub(columns)..].iter().map(step).collect()
}

/// A number in nine columns.
fn wide(value: Option<f64>) -> String {
    format!("{:>9}", ms(value).trim_start())
}

/// Milliseconds, or per cent: seven columns at most, two places where there is room.
fn ms(value: Option<f64>) -> String {
    match value {
        None => format!("{:>7}", "-"),
        Some(value) if value < 1000.0 => format!("{value:>7.2}"),
        Some(value) if value < 99_999.5 => format!("{value:>7.0}"),
        Some(value) => format!("{:>7}", count(Some(value))),
    }
}

/// A count: whole up to 99,999, then with a letter for thousands and more; seven columns at most.
fn count(value: Option<f64>) -> String {
    let Some(value) = value else { return "-".to_owned() };
    if value < 99_999.5 {
        let whole = value.round() as u64;
        return if whole < 10_000 {
            whole.to_string()
        } else {
            format!("{},{:03}", whole / 1000, whole % 1000)
        };
    }
    let mut scaled = value / 1000.0;
    for letter in ["k", "M", "G", "T"] {
        if scaled < 9_999.5 {
            return if scaled < 99.95 {
                format!("{scaled:.1}{letter}")
            } else {
                format!("{scaled:.0}{letter}")
            };
        }
        scaled /= 1000.0;
    }
    "lots".to_owned()
}

fn clock(seconds: f64) -> String {
    let seconds = seconds as u64;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    let clock = format!("{hours}:{minutes:02}:{:02}", seconds % 60);
    if days > 0 { format!("{days}d {clock}") } else { clock }
}

#[cfg(test)]
#[path = "draw_tests.rs"]
mod tests;
