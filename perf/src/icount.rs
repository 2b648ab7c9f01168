//! `perf icount`: instructions of a tick and of its parts, counted by callgrind: the gate that no noise moves.
//!
//! [`load`] is what runs under [`callgrind`]; [`baseline`] is what the counts may not exceed.
//!
//! Source: docs/PERFORMANCE.md "perf icount".

mod baseline;
pub(crate) mod callgrind;
pub(crate) mod load;

use crate::Failure;
use anyhow::{Context, ensure};
use baseline::{Baseline, Verdict, judge};
use callgrind::{Functions, Profile};
use engine::Stage;
use engine::interest::EVERY_TICKS;
use load::Units;
use serde::Serialize;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Counts by name.
type Figures = BTreeMap<String, f64>;

/// What the whole tick may take per player.
const GOAL: f64 = 4_000.0;
/// Files of one tick: a stage each, and what is left behind the last.
const MARKS: usize = Stage::ALL.len() + 1;
/// Beside how a count is called for people: what it is counted per.
const ROWS: [(&str, &str); 11] = [
    ("tick", "per player and tick: all of it"),
    ("step", "per player and tick: stages 2 to 4b, inputs to hits"),
    ("publish", "per player and tick: stage 5"),
    ("index", "per player and tick: stage 6"),
    ("clients", "per player and tick: stages 7 and 8"),
    ("visit", "per player and tick: stages 7 and 8 less interest and encode"),
    ("interest", "per search for the slots of a client"),
    ("encode", "per snapshot"),
    ("decode_frame", "per snapshot, in the client: taking apart"),
    ("apply_frame", "per snapshot, in the client: applying"),
    ("decode_slot", "per slot that a snapshot introduces or changes: both"),
];

/// What to count.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Players in towns; each has four creatures.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(20..=20_000))]
    players: u32,
    /// Ticks counted, after 100 of warm-up; rows are put in order once in 64.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    ticks: u32,
    /// Counts the build of the hot loops that every processor can run.
    #[arg(long)]
    narrow: bool,
    /// Fails when anything takes 2 % more instructions than the baseline says.
    #[arg(long, conflicts_with = "bless")]
    check: bool,
    /// Makes what is counted now the baseline of this build.
    #[arg(long)]
    bless: bool,
    /// The baseline.
    #[arg(long, default_value = "perf/icount.toml")]
    baseline: PathBuf,
    /// Prints one line of JSON only.
    #[arg(long)]
    json: bool,
}

/// The result; field names are part of the command.
#[derive(Serialize)]
struct Report {
    scenario: &'static str,
    players: u32,
    ticks: u32,
    lanes: String,
    goal: f64,
    #[serde(flatten)]
    figures: Figures,
    /// Per player and tick.
    stages: BTreeMap<&'static str, f64>,
    units: Units,
}

/// Counts, prints, and compares or keeps.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    // A baseline that is not there is said before counting, not after.
    let before = baseline_of(args)?;
    let report = count(args)?;
    let kept = before.as_ref().and_then(|baseline| baseline.figures(&report.lanes));
    if !args.json {
        print(&report, kept);
    }
    println!("{}", serde_json::to_string(&report)?);
    if args.bless {
        let mut baseline = before.unwrap_or_else(|| Baseline::new(args.players, args.ticks));
        baseline.bless(&report.lanes, &report.figures);
        return baseline.write(&args.baseline);
    }
    if args.check {
        let kept = kept.with_context(|| {
            format!("{} has nothing of the {} build: --bless", args.baseline.display(), report.lanes)
        })?;
        return say(&judge(&report.figures, kept), &args.baseline);
    }
    Ok(())
}

/// The baseline, if there is one of this many players and ticks.
fn baseline_of(args: &Args) -> anyhow::Result<Option<Baseline>> {
    if !args.check && !args.baseline.exists() {
        return Ok(None);
    }
    let baseline = Baseline::read(&args.baseline)?;
    if baseline.is_of(args.players, args.ticks) {
        return Ok(Some(baseline));
    }
    if args.check || args.bless {
        let text = format!("{} is of other players or ticks", args.baseline.display());
        return Err(Failure::Usage(text).into());
    }
    Ok(None)
}

fn say(verdict: &Verdict, baseline: &Path) -> anyhow::Result<()> {
    if !verdict.better.is_empty() {
        let better = verdict.better.join("; ");
        eprintln!("perf: much better than {}, keep it with --bless: {better}", baseline.display());
    }
    ensure!(
        verdict.worse.is_empty(),
        "more instructions than {} allows (--bless if there is a reason, a new compiler too): {}",
        baseline.display(),
        verdict.worse.join("; ")
    );
    Ok(())
}

fn count(args: &Args) -> anyhow::Result<Report> {
    let room = tempfile::tempdir().context("there is no room for callgrind's files")?;
    let program = std::env::current_exe().context("this program does not know where it is")?;
    let mut words: Vec<OsString> = vec!["counted".into()];
    words
        .extend(["--players", &args.players.to_string(), "--ticks", &args.ticks.to_string()].map(Into::into));
    words.extend(args.narrow.then(|| "--narrow".into()));
    let functions = Functions { counted: &load::COUNTED, mark: load::MARK };
    let counted = callgrind::run(&program, &words, &functions, room.path())?;
    let units: Units =
        serde_json::from_str(counted.stdout.trim()).context("the program said something else")?;
    report(args, units, &counted.profiles)
}

/// From callgrind's files to counts per unit.
fn report(args: &Args, units: Units, profiles: &[Profile]) -> anyhow::Result<Report> {
    let n_files = MARKS * units.ticks as usize + 1;
    ensure!(profiles.len() == n_files, "callgrind wrote {} files and not {n_files}", profiles.len());
    let (ends, last) = profiles.split_at(n_files - 1);
    let per_player = |n: u64| n as f64 / units.client_ticks as f64;
    let stage = |at: usize| per_player(ends.iter().skip(at).step_by(MARKS).map(|each| each.total).sum());
    let stages: Vec<f64> = (0..MARKS).map(stage).collect();
    let part = |name: &str, n: u64| last[0].of(name) as f64 / n.max(1) as f64;
    let interest = part(load::CHOOSE, units.choices);
    let encode = part(load::WRITE, units.letters);
    let (decode, apply) = (part(load::DECODE, units.decoded), part(load::APPLY, units.decoded));
    let clients = stages[Stage::Clients as usize];
    let frames_per_client = units.frames as f64 / units.client_ticks as f64;
    let figures = [
        ("tick", stages.iter().sum()),
        ("step", stages[..Stage::Publish as usize].iter().sum()),
        ("publish", stages[Stage::Publish as usize]),
        ("index", stages[Stage::Index as usize]),
        ("clients", clients),
        ("visit", clients - interest / f64::from(EVERY_TICKS) - encode * frames_per_client),
        ("interest", interest),
        ("encode", encode),
        ("decode_frame", decode),
        ("apply_frame", apply),
        ("decode_slot", (decode + apply) * units.decoded as f64 / units.decoded_slots.max(1) as f64),
    ];
    let figures: Figures = figures.map(|(name, n): (&str, f64)| (name.to_owned(), n)).into();
    let nothing = figures.iter().find(|(_, n)| !n.is_normal() || **n < 0.0);
    ensure!(nothing.is_none(), "callgrind has counted {nothing:?}: was the function inlined?");
    Ok(Report {
        scenario: "towns",
        players: args.players,
        ticks: args.ticks,
        lanes: units.lanes.clone(),
        goal: GOAL,
        figures,
        stages: Stage::ALL.iter().map(|each| (each.name(), stages[*each as usize])).collect(),
        units,
    })
}

fn print(report: &Report, kept: Option<&Figures>) {
    println!(
        "instructions, {} players in {}, {} ticks, one thread, {} build; goal {:.0} per player and tick",
        report.players, report.scenario, report.ticks, report.lanes, report.goal
    );
    for (name, words) in ROWS {
        let n = report.figures[name];
        let change = kept.and_then(|kept| kept.get(name)).map(|before| (n / before - 1.0) * 100.0);
        let change = change.map_or(String::new(), |percent| format!("{percent:+6.1} %"));
        println!("  {name:>12} {n:>10.1} {change:>9}  {words}");
    }
    let stages = Stage::ALL.map(|each| format!("{} {:.0}", each.name(), report.stages[each.name()]));
    println!("  stages: {}", stages.join(", "));
}
