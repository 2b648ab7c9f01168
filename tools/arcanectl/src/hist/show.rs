//! `arcanectl hist show`: a table per tag.

use super::load::{Run, Series};
use super::{Choice, Files};
use crate::Exit;
use clap::Parser;
use jobs::Quantiles;
use serde_json::{Map, Value, json};

/// Columns between the mean and the maximum: heading, name in JSON, quantile.
const COLUMNS: [(&str, &str, f64); 5] = [
    ("p50", "p50_ms", 0.5),
    ("p90", "p90_ms", 0.9),
    ("p99", "p99_ms", 0.99),
    ("p99.9", "p999_ms", 0.999),
    ("p99.99", "p9999_ms", 0.9999),
];

/// Arguments of `arcanectl hist show`.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    choice: Choice,
    /// One JSON object instead of the table
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let run = Run::load_all(&args.files.files, &args.choice)?;
    if args.json {
        println!("{}", as_json(&run));
    } else {
        print!("{}", table(&run));
    }
    Ok(Exit::Ok)
}

fn table(run: &Run) -> String {
    let width = run.series.iter().map(|series| series.tag.len()).max().unwrap_or(0).max(3);
    let mut text = format!("{}: {:.1} seconds, in ms\n", run.name, run.took_s);
    text += &format!("{:<width$} {:>9} {:>9}", "tag", "count", "mean");
    COLUMNS.iter().for_each(|(heading, ..)| text += &format!(" {heading:>9}"));
    text += &format!(" {:>9}\n", "max");
    for series in &run.series {
        let total = &series.total;
        text += &format!("{:<width$} {:>9} {:>9}", series.tag, total.n(), ms(total.mean_ns()));
        for (_, _, quantile) in COLUMNS {
            text += &format!(" {:>9}", ms(total.at_quantile_ns(quantile)));
        }
        text += &format!(" {:>9}\n", ms(total.max_ns()));
    }
    text
}

/// Four digits behind the point: a stage may take less than a microsecond.
pub(super) fn ms(ns: u64) -> String {
    format!("{:.4}", Quantiles::ms(ns))
}

fn as_json(run: &Run) -> Value {
    let tags: Map<String, Value> =
        run.series.iter().map(|series| (series.tag.clone(), figures(series))).collect();
    json!({ "files": run.name, "seconds": run.took_s, "tags": tags })
}

fn figures(series: &Series) -> Value {
    let total = &series.total;
    let mut figures = Map::new();
    figures.insert("n".to_owned(), json!(total.n()));
    figures.insert("intervals".to_owned(), json!(series.pieces.len()));
    figures.insert("mean_ms".to_owned(), json!(Quantiles::ms(total.mean_ns())));
    for (_, name, quantile) in COLUMNS {
        figures.insert(name.to_owned(), json!(Quantiles::ms(total.at_quantile_ns(quantile))));
    }
    figures.insert("max_ms".to_owned(), json!(Quantiles::ms(total.max_ns())));
    figures.into()
}
