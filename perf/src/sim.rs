//! `perf sim`: the tick alone.
//!
//! Source: docs/PERFORMANCE.md "perf sim".

pub(crate) mod part;

use crate::calibrate::{self, Calibration};
use crate::counting::n_allocations;
use anyhow::{Context, ensure};
use engine::{Counts, Stage, state_hash, tick_timed};
use harness::{Drive, Knobs, Loss, Scenario};
use jobs::sys::process_cpu_ns;
use serde::Serialize;
use std::collections::BTreeMap;

/// Ticks before measuring: everybody has joined, every slot is introduced, every buffer has grown.
pub(crate) const WARM_UP_TICKS: u32 = 100;
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
    /// uniform, towns or crowd.
    #[arg(long, default_value = "towns")]
    scenario: Scenario,
    /// Threads of the pool.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: u16,
    /// Ticks measured, after 100 of warm-up.
    #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    ticks: u32,
    /// Lets 200 clients decode, and compares what they see with the world.
    #[arg(long)]
    check: bool,
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

/// The result; field names are part of the command.
#[derive(Serialize)]
struct Report {
    players: u32,
    creatures: u32,
    scenario: &'static str,
    threads: u16,
    ticks: u32,
    tick_cpu_ms: Spread,
    stage_ns: BTreeMap<&'static str, u64>,
    client_ns: f64,
    bytes_per_client_tick: f64,
    allocations_per_tick: f64,
    packet_hash: String,
    state_hash: String,
    visible_mean: f64,
    published_share: f64,
    casts_per_second: f64,
    hits_per_second: f64,
    calibrate: Calibration,
    #[serde(flatten)]
    check: Option<Check>,
}

/// What the decoding clients found.
#[derive(Serialize)]
struct Check {
    recall: f64,
    stale_vitals: f64,
    error_mm: ErrorSpread,
}

/// Distance between view and truth per axis.
#[derive(Serialize)]
struct ErrorSpread {
    p50: usize,
    p99: usize,
    p999: usize,
    max: usize,
}

/// What one run adds up.
struct Tally {
    tick_ns: Vec<u64>,
    stage_ns: [u64; Stage::ALL.len()],
    n_allocations: u64,
    recall: Vec<f64>,
}

/// Measures and prints.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let threads = usize::from(args.threads);
    let pool =
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().context("the pool does not start")?;
    let report = pool.install(|| measure(args))?;
    if !args.json {
        print(&report);
    }
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

fn measure(args: &Args) -> anyhow::Result<Report> {
    let calibration = calibrate::short();
    let n_decoding = if args.check { CHECKED_CLIENTS.min(args.players) } else { 0 };
    let knobs = Knobs { scenario: args.scenario, n_players: args.players, n_decoding, loss: Loss::Random };
    let mut drive = Drive::new(&knobs);
    drive.run(WARM_UP_TICKS);
    drive.reset_findings();
    let before = drive.world.counts();
    let mut tally = Tally {
        tick_ns: Vec::with_capacity(args.ticks as usize),
        stage_ns: [0; Stage::ALL.len()],
        n_allocations: 0,
        recall: Vec::new(),
    };
    for tick in 0..args.ticks {
        timed_step(&mut drive, &mut tally);
        if args.check && tick.is_multiple_of(20) {
            tally.recall.push(drive.recall());
        }
    }
    let report = report(args, &drive, &before, &tally, calibration);
    let keeps_shape =
        args.scenario == Scenario::Uniform || report.visible_mean >= VISIBLE_MIN || args.players < 200;
    ensure!(keeps_shape, "only {:.1} slots in use: the scenario has lost its shape", report.visible_mean);
    ensure!(report.casts_per_second > 0.0, "nobody casts: the scenario has lost its shape");
    Ok(report)
}

fn timed_step(drive: &mut Drive, tally: &mut Tally) {
    drive.step(|world, inputs| {
        let (start, allocations) = (process_cpu_ns(), n_allocations());
        let mut last = start;
        tick_timed(world, inputs, |stage| {
            let now = process_cpu_ns();
            tally.stage_ns[stage as usize] += now - last;
            last = now;
        });
        tally.tick_ns.push(last - start);
        tally.n_allocations += n_allocations() - allocations;
    });
}

fn report(args: &Args, drive: &Drive, before: &Counts, tally: &Tally, calibrate: Calibration) -> Report {
    let counts = drive.world.counts();
    let n_ticks = f64::from(args.ticks);
    let seconds = n_ticks / f64::from(drive.world.config().ticks_per_second);
    let client_ticks = (counts.client_ticks - before.client_ticks) as f64;
    let mean = |ns: u64| (ns as f64 / n_ticks) as u64;
    let client_ns = tally.stage_ns[Stage::Clients as usize] as f64 / client_ticks;
    Report {
        players: counts.players,
        creatures: drive.world.config().creatures,
        scenario: args.scenario.name(),
        threads: args.threads,
        ticks: args.ticks,
        tick_cpu_ms: spread(&tally.tick_ns),
        stage_ns: Stage::ALL
            .iter()
            .map(|stage| (stage.name(), mean(tally.stage_ns[*stage as usize])))
            .collect(),
        client_ns,
        bytes_per_client_tick: (counts.frame_bytes - before.frame_bytes) as f64 / client_ticks,
        allocations_per_tick: tally.n_allocations as f64 / n_ticks,
        packet_hash: format!("{:016x}", drive.packet_hash()),
        state_hash: format!("{:016x}", state_hash(&drive.world)),
        visible_mean: (counts.visible - before.visible) as f64 / client_ticks,
        published_share: (counts.published - before.published) as f64
            / (counts.entity_ticks - before.entity_ticks) as f64,
        casts_per_second: (counts.casts - before.casts) as f64 / seconds,
        hits_per_second: (counts.hits - before.hits) as f64 / seconds,
        calibrate,
        check: args.check.then(|| check(drive, tally)),
    }
}

fn check(drive: &Drive, tally: &Tally) -> Check {
    let found = &drive.findings;
    let error = |share| found.error_mm.at_quantile(share);
    Check {
        recall: tally.recall.iter().sum::<f64>() / tally.recall.len().max(1) as f64,
        stale_vitals: found.stale_vitals as f64 / found.slot_ticks.max(1) as f64,
        error_mm: ErrorSpread { p50: error(0.5), p99: error(0.99), p999: error(0.999), max: error(1.0) },
    }
}

fn spread(ns: &[u64]) -> Spread {
    let mut sorted = ns.to_vec();
    sorted.sort_unstable();
    let at = |share: f64| sorted[((sorted.len() - 1) as f64 * share).round() as usize] as f64 / 1e6;
    let mean = ns.iter().sum::<u64>() as f64 / ns.len() as f64 / 1e6;
    Spread { mean, p50: at(0.5), p99: at(0.99), max: at(1.0) }
}

fn print(report: &Report) {
    println!(
        "{} players + {} creatures, {}, {} thread(s), {} ticks",
        report.players, report.creatures, report.scenario, report.threads, report.ticks
    );
    let cpu = &report.tick_cpu_ms;
    println!(
        "  tick   {:.3} ms CPU mean, {:.3} p50, {:.3} p99, {:.3} max",
        cpu.mean, cpu.p50, cpu.p99, cpu.max
    );
    for stage in Stage::ALL {
        println!("  {:>4}   {:>9} ns", stage.name(), report.stage_ns[stage.name()]);
    }
    println!(
        "  client {:.0} ns, {:.1} B per tick, {:.1} slots in use, {:.4} allocations per tick",
        report.client_ns, report.bytes_per_client_tick, report.visible_mean, report.allocations_per_tick
    );
    println!(
        "  motion published by {:.1} % of entities per tick; {:.0} casts and {:.0} hits per second",
        report.published_share * 100.0,
        report.casts_per_second,
        report.hits_per_second
    );
    println!("  {}", report.calibrate);
    if let Some(check) = &report.check {
        let error = &check.error_mm;
        println!(
            "  check  recall {:.3}, stale vitals {:.5}, error p50 {} p99 {} p99.9 {} max {} mm",
            check.recall, check.stale_vitals, error.p50, error.p99, error.p999, error.max
        );
    }
}
