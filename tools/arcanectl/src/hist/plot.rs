//! `arcanectl hist plot`: an SVG file.

use super::load::{Run, Series};
use super::{Choice, Files};
use crate::Exit;
use anyhow::Context as _;
use clap::Parser;
use jobs::Durations;
use jobs::plot::{percentiles, timeline};
use serde_json::json;
use std::path::PathBuf;

/// Arguments of `arcanectl hist plot`.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    choice: Choice,
    /// Where the picture goes; without it, to stdout
    #[arg(short, long = "out", value_name = "FILE")]
    out: Option<PathBuf>,
    /// p50, p99 and maximum over time, of one run and one tag (the tick, unless --tag says another)
    #[arg(long)]
    timeline: bool,
    /// What stands above the picture
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// Say in JSON what was drawn; needs --out
    #[arg(long, requires = "out")]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let (svg, names) = if args.timeline {
        match over_time(args)? {
            Ok(drawn) => drawn,
            Err(mistake) => {
                eprintln!("arcanectl: {mistake}");
                return Ok(Exit::Usage);
            }
        }
    } else {
        curves(args)?
    };
    match &args.out {
        Some(path) => {
            std::fs::write(path, svg).with_context(|| format!("cannot write {}", path.display()))?;
        }
        None => print!("{svg}"),
    }
    if args.json {
        println!("{}", json!({ "out": args.out, "series": names }));
    }
    Ok(Exit::Ok)
}

/// A curve per run and tag; every argument is a run of its own.
fn curves(args: &Args) -> anyhow::Result<(String, Vec<String>)> {
    let mut runs = Vec::new();
    for path in &args.files.files {
        runs.push(Run::load(path, &args.choice)?);
    }
    let name = |run: &Run, series: &Series| match runs.len() {
        1 => series.tag.clone(),
        _ if args.choice.tags.len() == 1 => run.short_name(),
        _ => format!("{} {}", run.short_name(), series.tag),
    };
    let series: Vec<(String, &Durations)> = runs
        .iter()
        .flat_map(|run| run.series.iter().map(move |series| (run, series)))
        .map(|(run, series)| (name(run, series), &series.total))
        .collect();
    let title = args.title.clone().unwrap_or_else(|| match args.choice.tags.as_slice() {
        [tag] => format!("Percentiles of {tag}"),
        _ => "Percentiles".to_owned(),
    });
    let names = series.iter().map(|(name, _)| name.clone()).collect();
    Ok((percentiles(&series, &title), names))
}

type Drawn = (String, Vec<String>);

/// The inner error is a mistake in the command line.
fn over_time(args: &Args) -> anyhow::Result<Result<Drawn, String>> {
    let mut choice = args.choice.clone();
    if choice.tags.is_empty() {
        choice.tags.push("tick".to_owned());
    }
    let [tag] = choice.tags.as_slice() else {
        return Ok(Err("--timeline shows one tag: give --tag once".to_owned()));
    };
    let tag = tag.clone();
    let run = Run::load_all(&args.files.files, &choice)?;
    let series = run.find(&tag).context("a run has what it was loaded for")?;
    let title = args.title.clone().unwrap_or_else(|| format!("{tag}: p50, p99 and maximum per interval"));
    Ok(Ok((timeline(&series.moments, &title), vec![tag])))
}
