//! `perf wal`: what it costs that nothing confirmed is lost.
//!
//! [`commit`] times commits beside SQLite's, [`replay`] lives logged ticks again from a checkpoint.
//!
//! Source: docs/PERFORMANCE.md "perf wal".

mod commit;
mod replay;

use crate::stats::{Middle, Range};
use anyhow::Context;
use commit::Commits;
use replay::Replay;
use serde::Serialize;
use std::path::PathBuf;

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Players of the zone that is lived again, towns; each has four creatures.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    players: u32,
    /// Ticks from the checkpoint to the end of the log.
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    ticks: u32,
    /// Commits of each kind, by turns.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
    commits: u32,
    /// Where they are made, below; it should be on a disk, not in memory. The system's directory for temporary files unless said otherwise.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Of times the median of so many is printed, with the range.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=100))]
    repeat: u16,
    /// Prints one line of JSON only; what it is at goes to stderr.
    #[arg(long)]
    json: bool,
}

/// The result; field names are part of the command.
#[derive(Serialize)]
struct Report {
    players: u32,
    ticks: u32,
    repeat: u16,
    #[serde(flatten)]
    commits: Commits,
    /// The record of a tick, on the thread of the tick.
    record_us_per_tick: f64,
    /// The sum of the state, once in 64 ticks, likewise.
    state_hash_us: f64,
    /// A copy of the zone between two ticks, likewise.
    checkpoint_copy_us: f64,
    /// From the copy to packed bytes, on another thread.
    checkpoint_write_ms: f64,
    checkpoint_bytes: usize,
    /// Inputs as the log keeps them.
    log_bytes_per_tick: f64,
    /// From packed bytes to a zone.
    resume_ms: f64,
    replay_ms_per_1000_ticks: f64,
    replay_ms_per_1000_ticks_range: Range,
}

/// Measures and prints.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    eprintln!("perf: {} players, {} ticks are lived and logged", args.players, args.ticks);
    let logged = replay::Logged::live(args.players, args.ticks)?;
    let parent = args.dir.clone().unwrap_or_else(std::env::temp_dir);
    let dir = tempfile::tempdir_in(&parent)
        .with_context(|| format!("cannot write to {} (--dir)", parent.display()))?;
    eprintln!("perf: {} commits of each kind in {}", args.commits, parent.display());
    let commits = commit::measure(dir.path(), args.commits, &logged.ticks)?;
    let mut replays = Vec::new();
    for n in 1..=args.repeat {
        eprintln!("perf: lived again, {n} of {}", args.repeat);
        replays.push(logged.again()?);
    }
    let of = |figure: fn(&Replay) -> f64| Middle::of(&replays, figure);
    let replay = of(|replay| replay.step_ns as f64);
    let per_1000 = |ns: f64| ns / 1e3 / f64::from(args.ticks);
    let report = Report {
        players: args.players,
        ticks: args.ticks,
        repeat: args.repeat,
        commits,
        record_us_per_tick: logged.encode_ns as f64 / 1e3 / f64::from(args.ticks),
        state_hash_us: logged.hash_ns as f64 / 1e3,
        checkpoint_copy_us: of(|replay| replay.copy_ns as f64).value / 1e3,
        checkpoint_write_ms: of(|replay| replay.write_ns as f64).value / 1e6,
        checkpoint_bytes: logged.checkpoint.len(),
        log_bytes_per_tick: logged.n_bytes() as f64 / f64::from(args.ticks),
        resume_ms: of(|replay| replay.resume_ns as f64).value / 1e6,
        replay_ms_per_1000_ticks: per_1000(replay.value),
        replay_ms_per_1000_ticks_range: Range {
            min: per_1000(replay.range.min),
            max: per_1000(replay.range.max),
        },
    };
    if !args.json {
        print(&report);
    }
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

fn print(report: &Report) {
    let Report { players, ticks, .. } = report;
    println!("{players} players, {ticks} ticks, CPU time of one thread, median of {}", report.repeat);
    let Commits { commit_us, sqlite_commit_us, real_commit_us, .. } = &report.commits;
    let line = |what: &str, cpu_us: f64, wall: &commit::Quantiles| {
        println!(
            "  {what:<32}{cpu_us:>8.0} us, from append to safe p50 {:.0} us, p99 {:.0} us",
            wall.p50, wall.p99
        );
    };
    line("commit of 2,000 changes", report.commits.commit_cpu_us, commit_us);
    line("the same by SQLite", report.commits.sqlite_commit_cpu_us, sqlite_commit_us);
    println!("  SQLite's CPU over ours          {:>8.1}", report.commits.ratio_to_sqlite);
    line("commit of a zone's tick", report.commits.real_commit_cpu_us, real_commit_us);
    println!("  record of a zone's tick          {:>8.0} us", report.record_us_per_tick);
    println!("  sum of its state                {:>8.0} us, once in 64 ticks", report.state_hash_us);
    println!("  copy of the zone between ticks  {:>8.0} us", report.checkpoint_copy_us);
    println!("  packed checkpoint               {:>8.1} ms", report.checkpoint_write_ms);
    println!("                                  {:>8.1} KiB", report.checkpoint_bytes as f64 / 1024.0);
    println!("  log                             {:>8.0} B per tick", report.log_bytes_per_tick);
    println!("  from the checkpoint to a zone   {:>8.1} ms", report.resume_ms);
    println!("  replay of 1,000 ticks           {:>8.1} ms", report.replay_ms_per_1000_ticks);
}
