//! `perf scale`: what a player costs among few and among many, on one thread and on all.
//!
//! Source: docs/PERFORMANCE.md "perf scale".

use crate::calibrate::{self, Calibration};
use crate::sim::stretch::{Side, Stretch};
use crate::stats::{Middle, Range};
use anyhow::{Context, ensure};
use engine::state_hash;
use harness::{Knobs, Loss, Scenario};
use jobs::plot::{Growth, growth};
use serde::Serialize;
use std::path::PathBuf;

const SIZES: [u32; 7] = [500, 1_000, 2_000, 5_000, 10_000, 20_000, 40_000];

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Players, from few to many; each has four creatures.
    #[arg(long, value_delimiter = ',', default_values_t = SIZES)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=200_000))]
    players: Vec<u32>,
    /// uniform, towns, crowd or brawl.
    #[arg(long, default_value = "towns")]
    scenario: Scenario,
    /// Threads; one, and as many as the machine has, unless said otherwise.
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Vec<u16>,
    /// Ticks of a stretch; the first follows 100 of warm-up.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    ticks: u32,
    /// Stretches of each, by turns; the median is printed, with the range.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    repeat: u16,
    /// Draws cost per player over players into this file.
    #[arg(long)]
    svg: Option<PathBuf>,
    /// Prints one line of JSON only; what it is at goes to stderr.
    #[arg(long)]
    json: bool,
}

/// The result; field names are part of the command.
#[derive(Serialize)]
struct Report {
    scenario: &'static str,
    ticks: u32,
    repeat: u16,
    points: Vec<Point>,
}

/// So many players on so many threads.
#[derive(Clone, Serialize)]
struct Point {
    players: u32,
    creatures: u32,
    threads: u16,
    /// CPU of the slowest thread of each part of a tick, per player: what a tick takes on a machine of its own.
    us_per_player_tick: f64,
    us_per_player_tick_range: Range,
    /// CPU of all threads.
    cpu_us_per_player_tick: f64,
    tick_ms: Middles,
    bytes_per_client_tick: f64,
    visible_mean: f64,
    calibrate: Calibration,
}

/// Of the ticks' CPU, all threads together: medians over the stretches.
#[derive(Clone, Copy, Serialize)]
struct Middles {
    mean: f64,
    p99: f64,
}

/// Measures, prints and draws.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    ensure!(args.players.is_sorted(), crate::Failure::Usage("sizes go from few to many".to_owned()));
    let threads = threads(args);
    let mut points = Vec::new();
    for n_players in &args.players {
        eprintln!("perf: {n_players} players, {} x {} ticks", args.repeat, args.ticks);
        points.extend(measure(args, *n_players, &threads)?);
    }
    let report = Report { scenario: args.scenario.name(), ticks: args.ticks, repeat: args.repeat, points };
    if !args.json {
        print(&report);
    }
    if let Some(path) = &args.svg {
        std::fs::write(path, picture(&report, &threads))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

fn threads(args: &Args) -> Vec<u16> {
    if !args.threads.is_empty() {
        return args.threads.clone();
    }
    let all = std::thread::available_parallelism().map_or(1, |n| n.get().min(256) as u16);
    if all == 1 { vec![1] } else { vec![1, all] }
}

/// One size: all numbers of threads take turns, so that a slow minute slows all of them.
fn measure(args: &Args, n_players: u32, threads: &[u16]) -> anyhow::Result<Vec<Point>> {
    let calibrate = calibrate::short();
    let knobs = Knobs { scenario: args.scenario, n_players, n_decoding: 0, loss: Loss::Random };
    let sides = threads
        .iter()
        .map(|n_threads| Side::warm(&knobs, engine::Sending::EveryTick, usize::from(*n_threads)));
    let mut sides = sides.collect::<anyhow::Result<Vec<Side>>>()?;
    let before = sides.first().context("there are threads")?.drive.world.counts();
    let mut stretches: Vec<Vec<Stretch>> = sides.iter().map(|_| Vec::new()).collect();
    for _ in 0..args.repeat {
        for (side, stretches) in sides.iter_mut().zip(&mut stretches) {
            stretches.push(side.stretch(args.ticks, |_, _| ()));
        }
    }
    let hashes: Vec<(u64, u64)> =
        sides.iter().map(|side| (side.drive.packet_hash(), state_hash(&side.drive.world))).collect();
    ensure!(hashes.iter().all(|hash| *hash == hashes[0]), "results depend on the number of threads");
    let counts = sides[0].drive.world.counts();
    let client_ticks = (counts.client_ticks - before.client_ticks) as f64;
    let point = |(n_threads, stretches): (&u16, &Vec<Stretch>)| {
        let per_player = |ns: f64| ns / 1e3 / f64::from(n_players);
        let slowest = Middle::of(stretches, |each| per_player(each.slowest_ns()));
        Point {
            players: n_players,
            creatures: sides[0].drive.world.config().creatures,
            threads: *n_threads,
            us_per_player_tick: slowest.value,
            us_per_player_tick_range: slowest.range,
            cpu_us_per_player_tick: Middle::of(stretches, |each| per_player(each.mean_ns())).value,
            tick_ms: Middles {
                mean: Middle::of(stretches, |each| each.mean_ns() / 1e6).value,
                p99: Middle::of(stretches, |each| each.at_ns(0.99) / 1e6).value,
            },
            bytes_per_client_tick: (counts.frame_bytes - before.frame_bytes) as f64 / client_ticks,
            visible_mean: (counts.visible - before.visible) as f64 / client_ticks,
            calibrate,
        }
    };
    Ok(threads.iter().zip(&stretches).map(point).collect())
}

fn words(n_threads: u16) -> String {
    match n_threads {
        1 => "1 thread".to_owned(),
        n => format!("{n} threads: the slowest of each part"),
    }
}

fn picture(report: &Report, threads: &[u16]) -> String {
    let line = |n_threads: &u16| {
        let points = report.points.iter().filter(|point| point.threads == *n_threads);
        Growth {
            name: words(*n_threads),
            points: points.map(|point| (f64::from(point.players), point.us_per_player_tick)).collect(),
        }
    };
    let lines: Vec<Growth> = threads.iter().map(line).collect();
    let title = format!("CPU time per player and tick, {}", report.scenario);
    growth(&lines, &title, "players, with four creatures each", "us")
}

fn print(report: &Report) {
    println!(
        "{}, {} x {} ticks; us of CPU per player and tick",
        report.scenario, report.repeat, report.ticks
    );
    println!(
        " players  threads  slowest (range)           all threads  tick ms mean    p99   B/client  slots"
    );
    for point in &report.points {
        let Range { min, max } = point.us_per_player_tick_range;
        println!(
            "{:>8} {:>8}  {:>7.3} ({min:.3}-{max:.3})  {:>16.3}  {:>12.3} {:>6.3}  {:>9.1}  {:>5.1}",
            point.players,
            point.threads,
            point.us_per_player_tick,
            point.cpu_us_per_player_tick,
            point.tick_ms.mean,
            point.tick_ms.p99,
            point.bytes_per_client_tick,
            point.visible_mean
        );
    }
}
