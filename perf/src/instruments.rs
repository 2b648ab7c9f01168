//! `perf instruments`: what it costs to measure a tick, for callgrind and for a stopwatch.
//!
//! Source: docs/OPERATIONS.md "Histograms".

use engine::{Input, World, tick_timed};
use harness::{Drive, Knobs, Loss, Scenario};
use jobs::{Level, Meter, Watch};
use serde_json::json;
use std::time::{Duration, Instant};

/// Ticks before the first that counts.
const WARM_UP_TICKS: u32 = 60;
/// Empty ticks whose measuring is timed.
const EMPTY_TICKS: u32 = 20_000;
const PERIOD: Duration = Duration::from_millis(50);
const STAGES: usize = jobs::STAGES.len();

/// What to run.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Players; each has four creatures.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    players: u32,
    /// Ticks that count, after 60 of warm-up.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    ticks: u32,
    /// Runs the ticks without measuring them: the other side of the comparison.
    #[arg(long)]
    off: bool,
    /// Prints one line of JSON only.
    #[arg(long)]
    json: bool,
}

/// Runs the ticks, and times the measuring of empty ones.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    let watch_ns = pool.install(|| {
        ticks(args);
        empty_ticks(args)
    });
    if !args.json {
        println!("{} ticks, then {watch_ns} ns to measure an empty one", args.ticks);
    }
    println!(
        "{}",
        json!({ "players": args.players, "ticks": args.ticks, "off": args.off, "watch_ns": watch_ns })
    );
    Ok(())
}

fn level(args: &Args) -> Level {
    if args.off { Level::Off } else { Level::On }
}

fn ticks(args: &Args) {
    let n_players = args.players;
    let knobs = Knobs { scenario: Scenario::Towns, n_players, n_decoding: 0, loss: Loss::Random };
    let mut drive = Drive::new(&knobs);
    drive.run(WARM_UP_TICKS);
    let (mut watch, intervals) = Watch::new(level(args), PERIOD, Meter::here);
    let reader = std::thread::spawn(move || {
        while let Some(interval) = intervals.wait() {
            intervals.give_back(interval);
        }
    });
    for _ in 0..args.ticks {
        drive.step(|world, inputs| tick_under_callgrind(world, inputs, &mut watch));
    }
    drop(watch);
    reader.join().expect("the reader only hands back");
}

/// What `scripts/instruments` counts: the tick and its measuring, and nothing of the clients.
#[inline(never)]
fn tick_under_callgrind(world: &mut World, inputs: &[Input], watch: &mut Watch) {
    let mut frame = watch.begin();
    frame.skip();
    tick_timed(world, inputs, |stage| frame.end_stage(stage as usize));
    watch.end(&frame);
}

/// Mean time of measuring a tick in which nothing happens, kernel included, ns.
fn empty_ticks(args: &Args) -> u64 {
    let (mut watch, _intervals) = Watch::new(level(args), PERIOD, Meter::here);
    let begun = Instant::now();
    for _ in 0..EMPTY_TICKS {
        let mut frame = watch.begin();
        frame.skip();
        (0..STAGES).for_each(|stage| frame.end_stage(stage));
        watch.end(&frame);
    }
    (begun.elapsed() / EMPTY_TICKS).as_nanos() as u64
}
