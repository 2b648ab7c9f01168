//! `arcanectl hist diff`: is the second run slower than the first, where, and is it sure.

use super::Choice;
use super::bootstrap::ratio_bounds;
use super::load::{Run, Series};
use super::show::ms;
use crate::Exit;
use clap::Parser;
use jobs::{Durations, Quantiles};
use serde_json::{Value, json};
use std::path::PathBuf;

/// What is compared when nothing is limited.
const USUAL: [&str; 3] = ["p50", "p99", "max"];

/// Arguments of `arcanectl hist diff`.
#[derive(Debug, Parser)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The run to compare with: a log, or a folder of logs
    old: PathBuf,
    /// The run to judge
    new: PathBuf,
    /// How much a figure may grow, such as p99=5% or max=20%; may be given several times
    #[arg(long = "max-regress", value_name = "FIGURE=SHARE", value_parser = limit)]
    limits: Vec<Limit>,
    /// Growth by less than this many ms is nobody's concern
    #[arg(long, value_name = "MS", default_value_t = 0.02)]
    floor_ms: f64,
    #[command(flatten)]
    choice: Choice,
    /// One JSON object instead of the table
    #[arg(long)]
    json: bool,
}

const HELP: &str = "\
A figure is mean, max or a percentile: p50, p99, p99.9. It regressed when it grew by more than its limit, by more \
than the floor, and surely: the bounds in the table hold the true ratio in 95 of 100 cases, and the lower one must \
be above 1. With fewer than 5 intervals on a side there are no bounds, and the first two rules decide.

Run A and B under the same load, one after the other on the same machine, for a minute or more each.";

/// One thing to compare.
#[derive(Clone, Debug, PartialEq)]
enum Figure {
    Mean,
    Quantile(f64),
}

/// How much a figure may grow.
#[derive(Clone, Debug, PartialEq)]
struct Limit {
    name: String,
    figure: Figure,
    /// 0.05 for 5 %.
    share: f64,
}

/// One line of the comparison.
struct Row<'a> {
    tag: &'a str,
    name: &'a str,
    old_ns: u64,
    new_ns: u64,
    bounds: Option<(f64, f64)>,
    has_regressed: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let old = Run::load(&args.old, &args.choice)?;
    let new = Run::load(&args.new, &args.choice)?;
    let figures = figures(&args.limits);
    let mut rows = Vec::new();
    let mut missing = Vec::new();
    for series in &old.series {
        match new.find(&series.tag) {
            Some(other) => {
                rows.extend(figures.iter().map(|figure| row(series, other, figure, args.floor_ms)));
            }
            None => missing.push(series.tag.as_str()),
        }
    }
    // What was there and is not any more cannot be judged: with limits that is a failure, not a pass.
    missing.iter().for_each(|tag| eprintln!("arcanectl: {} has nothing about {tag}", new.name));
    if args.json {
        println!("{}", as_json(&rows, &missing));
    } else {
        print!("{}", table(&rows));
    }
    let is_bad = rows.iter().any(|row| row.has_regressed) || !(args.limits.is_empty() || missing.is_empty());
    Ok(if is_bad { Exit::CheckFailed } else { Exit::Ok })
}

/// What to look at, with its limit if it has one.
fn figures(limits: &[Limit]) -> Vec<(String, Figure, Option<f64>)> {
    let mut figures: Vec<(String, Figure, Option<f64>)> = Vec::new();
    for name in USUAL {
        let is_limited = limits.iter().any(|limit| limit.name == name);
        if !is_limited {
            figures.push((name.to_owned(), figure(name).expect("the usual figures are figures"), None));
        }
    }
    figures.extend(limits.iter().map(|limit| (limit.name.clone(), limit.figure.clone(), Some(limit.share))));
    figures
}

fn row<'a>(
    old: &'a Series,
    new: &Series,
    (name, figure, limit): &'a (String, Figure, Option<f64>),
    floor_ms: f64,
) -> Row<'a> {
    let (old_ns, new_ns) = (figure.of(&old.total), figure.of(&new.total));
    let bounds = match figure {
        Figure::Quantile(quantile) => ratio_bounds(&old.pieces, &new.pieces, *quantile),
        Figure::Mean => None,
    };
    let has_grown = limit.is_some_and(|share| new_ns as f64 > old_ns as f64 * (1.0 + share));
    let is_seen = Quantiles::ms(new_ns.saturating_sub(old_ns)) > floor_ms;
    let is_sure = bounds.is_none_or(|(low, _)| low > 1.0);
    Row { tag: &old.tag, name, old_ns, new_ns, bounds, has_regressed: has_grown && is_seen && is_sure }
}

impl Figure {
    fn of(&self, durations: &Durations) -> u64 {
        match self {
            Self::Mean => durations.mean_ns(),
            Self::Quantile(quantile) => durations.at_quantile_ns(*quantile),
        }
    }
}

fn table(rows: &[Row<'_>]) -> String {
    let width = rows.iter().map(|row| row.tag.len()).max().unwrap_or(0).max(3);
    let mut text = format!(
        "{:<width$} {:<7} {:>10} {:>10} {:>7}  {}\n",
        "tag", "figure", "old ms", "new ms", "ratio", "95 % bounds"
    );
    for row in rows {
        let bounds = row.bounds.map_or("-".to_owned(), |(low, high)| format!("{low:.3} to {high:.3}"));
        let verdict = if row.has_regressed { "  REGRESSED" } else { "" };
        text += &format!(
            "{:<width$} {:<7} {:>10} {:>10} {:>7}  {bounds}{verdict}\n",
            row.tag,
            row.name,
            ms(row.old_ns),
            ms(row.new_ns),
            row.ratio().map_or("-".to_owned(), |ratio| format!("{ratio:.3}"))
        );
    }
    text
}

impl Row<'_> {
    fn ratio(&self) -> Option<f64> {
        (self.old_ns > 0).then(|| self.new_ns as f64 / self.old_ns as f64)
    }
}

fn as_json(rows: &[Row<'_>], missing: &[&str]) -> Value {
    let row = |row: &Row<'_>| {
        json!({
            "tag": row.tag,
            "figure": row.name,
            "old_ms": Quantiles::ms(row.old_ns),
            "new_ms": Quantiles::ms(row.new_ns),
            "ratio": row.ratio(),
            "bounds": row.bounds.map(|(low, high)| [low, high]),
            "regressed": row.has_regressed,
        })
    };
    let mut regressed: Vec<&str> = rows.iter().filter(|row| row.has_regressed).map(|row| row.tag).collect();
    regressed.dedup();
    json!({ "rows": rows.iter().map(row).collect::<Vec<_>>(), "regressed": regressed, "missing": missing })
}

fn limit(text: &str) -> Result<Limit, String> {
    let wrong = || format!("{text:?} is no limit: write for example p99=5%");
    let (name, share) = text.split_once('=').ok_or_else(wrong)?;
    let percent: f64 = share.strip_suffix('%').and_then(|number| number.parse().ok()).ok_or_else(wrong)?;
    if !(0.0..=1e6).contains(&percent) {
        return Err(wrong());
    }
    Ok(Limit { name: name.to_owned(), figure: figure(name)?, share: percent / 100.0 })
}

fn figure(name: &str) -> Result<Figure, String> {
    let percent = name.strip_prefix('p').and_then(|number| number.parse::<f64>().ok());
    match (name, percent) {
        ("mean", _) => Ok(Figure::Mean),
        ("max", _) => Ok(Figure::Quantile(1.0)),
        (_, Some(percent)) if (0.0..=100.0).contains(&percent) => Ok(Figure::Quantile(percent / 100.0)),
        _ => Err(format!("{name:?} is no figure: there are mean, max, and percentiles such as p50 or p99.9")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hist::load::Piece;

    fn series(tag: &str, us: impl Iterator<Item = u64>) -> Series {
        let mut total = Durations::new();
        let mut pieces = Vec::new();
        for us in us {
            total.record_n_ns(us * 1_000, 20);
            pieces.push(Piece { begun_s: 0.0, took_s: 1.0, counts: vec![(us * 1_000, 20)] });
        }
        Series { tag: tag.to_owned(), total, pieces, moments: Vec::new() }
    }

    fn check(old_us: u64, new_us: u64, text: &str) -> bool {
        let (old, new) = (series("a", (0..9).map(|_| old_us)), series("a", (0..9).map(|_| new_us)));
        let figures = figures(&[limit(text).unwrap()]);
        figures.iter().any(|figure| row(&old, &new, figure, 0.02).has_regressed)
    }

    #[test]
    fn a_figure_regresses_beyond_its_limit_and_its_floor() {
        assert!(check(1_000, 1_100, "p99=5%"));
        assert!(!check(1_000, 1_040, "p99=5%"), "within the limit");
        assert!(!check(1_000, 900, "p99=5%"), "faster");
        assert!(!check(1, 2, "p99=5%"), "a microsecond is below the floor");
        assert!(check(1_000, 1_100, "max=5%") && check(1_000, 1_100, "mean=5%"));
    }

    #[test]
    fn one_bad_second_is_no_regression() {
        let old = series("a", (0..30).map(|_| 1_000));
        let new = series("a", (0..30).map(|at| if at == 7 { 9_000 } else { 1_000 }));
        let figures = figures(&[limit("p99=5%").unwrap()]);
        assert!(figures.iter().all(|figure| !row(&old, &new, figure, 0.02).has_regressed));
    }

    #[test]
    fn limits_are_read_as_people_write_them() {
        let read = limit("p99.9=2.5%").unwrap();
        assert!(matches!(read.figure, Figure::Quantile(share) if (share - 0.999).abs() < 1e-9), "{read:?}");
        assert_eq!(read.share, 0.025);
        for bad in ["p99", "p99=5", "p99=-5%", "p101=5%", "median=5%", "=5%", "p99=x%"] {
            assert!(limit(bad).is_err(), "{bad} passed");
        }
    }

    #[test]
    fn the_table_and_the_json_name_what_regressed() {
        let (old, new) = (series("stage.5", (0..9).map(|_| 100)), series("stage.5", (0..9).map(|_| 2_100)));
        let figures = figures(&[limit("p50=10%").unwrap()]);
        let rows: Vec<Row<'_>> = figures.iter().map(|figure| row(&old, &new, figure, 0.02)).collect();
        let text = table(&rows);
        assert_eq!(text.matches("REGRESSED").count(), 1, "{text}");
        assert!(text.lines().any(|line| line.starts_with("stage.5 p50") && line.contains("21.0")), "{text}");
        assert_eq!(as_json(&rows, &[])["regressed"], json!(["stage.5"]));
    }
}
