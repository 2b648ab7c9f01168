//! `arcanectl hist merge`: many logs into one.

use super::load::{Run, Series};
use super::{Choice, Files, seconds};
use crate::Exit;
use anyhow::Context as _;
use clap::Parser;
use jobs::Durations;
use jobs::dump::{Encoder, header};
use serde_json::json;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Arguments of `arcanectl hist merge`.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    choice: Choice,
    /// The new log; it must not be there yet
    #[arg(short, long = "out", value_name = "FILE")]
    out: PathBuf,
    /// A line per tag and this many seconds, instead of one line per tag
    #[arg(long, value_name = "S", value_parser = seconds)]
    every: Option<f64>,
    /// Say in JSON what was written
    #[arg(long)]
    json: bool,
}

/// A stretch of time, and what was counted in it.
struct Sum {
    begun_s: f64,
    ended_s: f64,
    durations: Durations,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    if args.every.is_some_and(|every| every <= 0.0) {
        eprintln!("arcanectl: --every must be more than 0 seconds");
        return Ok(Exit::Usage);
    }
    let run = Run::load_all(&args.files.files, &args.choice)?;
    let mut bytes = header(time(run.start_s)).into_bytes();
    let n_lines = append(&mut bytes, &run, args.every);
    let create = || std::fs::OpenOptions::new().write(true).create_new(true).open(&args.out);
    create()
        .and_then(|mut file| file.write_all(&bytes))
        .with_context(|| format!("cannot write {}", args.out.display()))?;
    if args.json {
        println!("{}", json!({ "out": args.out, "tags": run.series.len(), "lines": n_lines }));
    }
    Ok(Exit::Ok)
}

/// Appends all lines in the order of time; returns how many.
fn append(bytes: &mut Vec<u8>, run: &Run, every: Option<f64>) -> usize {
    let mut sums: Vec<(&str, Sum)> = Vec::new();
    for series in &run.series {
        sums.extend(sums_of(series, every).into_iter().map(|sum| (series.tag.as_str(), sum)));
    }
    sums.sort_by(|(_, left), (_, right)| left.begun_s.total_cmp(&right.begun_s));
    let mut encoder = Encoder::new();
    for (tag, sum) in &sums {
        let took = Duration::from_secs_f64((sum.ended_s - sum.begun_s).max(0.0));
        encoder.append(bytes, tag, time(sum.begun_s), took, &sum.durations);
    }
    sums.len()
}

/// Sums of a tag: all of it, or stretch by stretch. A piece counts where it began.
fn sums_of(series: &Series, every: Option<f64>) -> Vec<Sum> {
    let stretch = |begun_s: f64| every.map_or(0.0, |every| (begun_s / every).floor());
    let mut sums = Vec::new();
    for pieces in series.pieces.chunk_by(|left, right| stretch(left.begun_s) == stretch(right.begun_s)) {
        let ends = pieces.iter().map(|piece| piece.begun_s + piece.took_s);
        let mut durations = Durations::new();
        for (ns, n) in pieces.iter().flat_map(|piece| &piece.counts) {
            durations.record_n_ns(*ns, *n);
        }
        sums.push(Sum { begun_s: pieces[0].begun_s, ended_s: ends.fold(0.0, f64::max), durations });
    }
    sums
}

fn time(seconds: f64) -> SystemTime {
    UNIX_EPOCH + Duration::try_from_secs_f64(seconds).unwrap_or_default()
}
