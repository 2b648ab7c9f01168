//! `perf sim`: the tick alone.
//!
//! [`stretch`] steps and times it on one thread or several, [`alone`] times two parts of it by themselves, [`memory`]
//! weighs it, [`check`] is what clients that decode have to say. [`part`] is the world as a part of `perf zone`.
//!
//! Source: docs/PERFORMANCE.md "perf sim".

mod against;
pub(crate) mod ages;
mod alone;
mod check;
mod memory;
mod parallel;
pub(crate) mod part;
mod print;
pub(crate) mod stretch;

use crate::calibrate::{self, Calibration};
use crate::machine::{self, Strain, Watch};
use crate::stats::{Middle, Range};
use ages::AgesOfNews;
use alone::Alone;
use anyhow::ensure;
use check::{Check, Checks};
use engine::{Counts, Sending, Stage, state_hash};
use harness::{Knobs, Loss, Scenario};
use memory::Memory;
use parallel::Parallel;
use serde::Serialize;
use std::collections::BTreeMap;
use stretch::{Side, Stretch};

pub(crate) use stretch::WARM_UP_TICKS;

/// Clients that decode with `--check`.
const CHECKED_CLIENTS: u32 = 200;
/// Slots in use below which towns and crowd are not what they claim to be.
const VISIBLE_MIN: f64 = 60.0;

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Players; each has four creatures.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=200_000))]
    players: u32,
    /// uniform, towns, crowd, brawl, w1 or w1-j.
    #[arg(long, default_value = "towns")]
    scenario: Scenario,
    /// When snapshots go: every-tick or news.
    #[arg(long, default_value = "every-tick")]
    send: Sending,
    /// Threads of the pool; with more than one, the same ticks also run on one, and both are compared.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: u16,
    /// Ticks of a stretch; the first follows 100 of warm-up.
    #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    ticks: u32,
    /// Stretches: of times the median is printed, with the range.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    repeat: u16,
    /// Lets 200 clients decode, and compares what they see with the world.
    #[arg(long)]
    check: bool,
    /// Measures a plain server beside ours, with the same inputs, and prints ratios.
    #[arg(long, value_enum, conflicts_with = "check")]
    against: Option<against::Rival>,
    /// Prints one line of JSON only.
    #[arg(long)]
    json: bool,
}

/// Distribution of a figure, in its unit.
#[derive(Serialize)]
struct Spread {
    mean: f64,
    p50: f64,
    p99: f64,
    max: f64,
}

/// The same of the stretches: the least and the most of each.
#[derive(Serialize)]
struct Spreads {
    mean: Range,
    p50: Range,
    p99: Range,
    max: Range,
}

/// The result; field names are part of the command.
#[derive(Serialize)]
struct Report {
    players: u32,
    creatures: u32,
    scenario: &'static str,
    send: &'static str,
    threads: u16,
    ticks: u32,
    repeat: u16,
    tick_cpu_ms: Spread,
    tick_cpu_ms_range: Spreads,
    stage_ns: BTreeMap<&'static str, u64>,
    client_ns: f64,
    interest_ns_per_run: f64,
    encode_ns_per_client: f64,
    bytes_per_client_tick: f64,
    allocations_per_tick: f64,
    packet_hash: String,
    state_hash: String,
    snapshots_per_client_second: f64,
    #[serde(flatten)]
    ages: AgesOfNews,
    visible_mean: f64,
    published_share: f64,
    casts_per_second: f64,
    hits_per_second: f64,
    memory: Memory,
    calibrate: Calibration,
    #[serde(flatten)]
    strain: Strain,
    #[serde(flatten)]
    parallel: Option<Parallel>,
    #[serde(flatten)]
    check: Option<Check>,
}

/// Measures and prints.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    if let Some(rival) = args.against {
        return against::run(args, rival);
    }
    let report = measure(args)?;
    if !args.json {
        print::print(&report);
    }
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

fn measure(args: &Args) -> anyhow::Result<Report> {
    let calibration = calibrate::short();
    let n_decoding = if args.check { CHECKED_CLIENTS.min(args.players) } else { 0 };
    let knobs = Knobs { scenario: args.scenario, n_players: args.players, n_decoding, loss: Loss::Random };
    let mut side = Side::warm(&knobs, args.send, args.threads.into())?;
    let mut twin = (args.threads > 1).then(|| Side::warm(&knobs, args.send, 1)).transpose()?;
    let before = side.drive.world.counts();
    let mut checks = args.check.then(Checks::default);
    let (mut stretches, mut alone_on_one) = (Vec::new(), Vec::new());
    let watch = Watch::begin(std::process::id(), machine::first_core()?)?;
    for _ in 0..args.repeat {
        stretches.push(side.stretch(args.ticks, |tick, drive| {
            if let Some(checks) = &mut checks {
                checks.see(tick, drive);
            }
        }));
        alone_on_one.extend(twin.as_mut().map(|twin| twin.stretch(args.ticks, |_, _| ())));
    }
    let strain = watch.end()?;
    if let Some(twin) = &twin {
        ensure!(
            twin.drive.packet_hash() == side.drive.packet_hash()
                && state_hash(&twin.drive.world) == state_hash(&side.drive.world),
            "{} threads and one thread give different results",
            args.threads
        );
    }
    let report = Report {
        strain,
        parallel: twin.map(|_| Parallel::of(&stretches, &alone_on_one)),
        check: checks.map(|checks| checks.report(&side.drive)),
        ..report(args, &mut side, &before, &stretches, calibration)
    };
    keeps_shape(args, &report)?;
    Ok(report)
}

fn keeps_shape(args: &Args, report: &Report) -> anyhow::Result<()> {
    let is_dense =
        args.scenario == Scenario::Uniform || report.visible_mean >= VISIBLE_MIN || args.players < 200;
    ensure!(is_dense, "only {:.1} slots in use: the scenario has lost its shape", report.visible_mean);
    let is_peaceful = args.scenario.drill().is_some();
    ensure!(is_peaceful || report.casts_per_second > 0.0, "nobody casts: the scenario has lost its shape");
    Ok(())
}

fn report(
    args: &Args,
    side: &mut Side,
    before: &Counts,
    stretches: &[Stretch],
    calibrate: Calibration,
) -> Report {
    let drive = &side.drive;
    let counts = drive.world.counts();
    let n_ticks = f64::from(args.ticks) * f64::from(args.repeat);
    let hz = drive.world.config().ticks_per_second;
    let seconds = n_ticks / f64::from(hz);
    let client_ticks = (counts.client_ticks - before.client_ticks) as f64;
    let stage_ns =
        |stage: Stage| Middle::of(stretches, |each| each.per_tick(each.stages[stage as usize].all_ns)).value;
    let (tick_cpu_ms, tick_cpu_ms_range) = spread(stretches);
    let hashes = (drive.packet_hash(), state_hash(&drive.world));
    let memory = Memory::of(&drive.world);
    let creatures = drive.world.config().creatures;
    // It steps the world a little further, so it comes behind everything else.
    let Alone { interest_ns_per_run, encode_ns_per_client } = side.on_its_thread(alone::measure);
    Report {
        players: counts.players,
        creatures,
        scenario: args.scenario.name(),
        send: args.send.name(),
        threads: args.threads,
        ticks: args.ticks,
        repeat: args.repeat,
        tick_cpu_ms,
        tick_cpu_ms_range,
        stage_ns: Stage::ALL.iter().map(|stage| (stage.name(), stage_ns(*stage) as u64)).collect(),
        client_ns: stage_ns(Stage::Clients) * n_ticks / client_ticks,
        interest_ns_per_run,
        encode_ns_per_client,
        bytes_per_client_tick: (counts.frame_bytes - before.frame_bytes) as f64 / client_ticks,
        allocations_per_tick: stretches.iter().map(|each| each.n_allocations).sum::<u64>() as f64 / n_ticks,
        snapshots_per_client_second: (counts.frames - before.frames) as f64 * f64::from(hz) / client_ticks,
        ages: AgesOfNews::of(&counts.ages.since(&before.ages), hz),
        packet_hash: format!("{:016x}", hashes.0),
        state_hash: format!("{:016x}", hashes.1),
        visible_mean: (counts.visible - before.visible) as f64 / client_ticks,
        published_share: (counts.published - before.published) as f64
            / (counts.entity_ticks - before.entity_ticks) as f64,
        casts_per_second: (counts.casts - before.casts) as f64 / seconds,
        hits_per_second: (counts.hits - before.hits) as f64 / seconds,
        memory,
        calibrate,
        strain: Strain::default(),
        parallel: None,
        check: None,
    }
}

/// Medians over the stretches, and their ranges.
fn spread(stretches: &[Stretch]) -> (Spread, Spreads) {
    let mean = Middle::of(stretches, |each| each.mean_ns() / 1e6);
    let [p50, p99, max] = [0.5, 0.99, 1.0].map(|share| Middle::of(stretches, |each| each.at_ns(share) / 1e6));
    (
        Spread { mean: mean.value, p50: p50.value, p99: p99.value, max: max.value },
        Spreads { mean: mean.range, p50: p50.range, p99: p99.range, max: max.range },
    )
}
