//! Whether a log is good: every checksum, every record's bytes, every checkpoint, and on demand every state.

use std::path::PathBuf;

use anyhow::Context;
use engine::lived_hash;
use serde::Serialize;
use storage::wal::{Scan, ScanError};
use storage::{Directory, Lsn, checkpoint};

use super::{read, relive};
use crate::Exit;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A zone's data directory.
    #[arg(default_value = "./data")]
    dir: PathBuf,
    /// Live the log again from the newest checkpoint, as a zone does when it starts, and compare states.
    #[arg(long)]
    live: bool,
    /// Threads of `--live`; the result is the same for any number.
    #[arg(long, default_value_t = 1, requires = "live", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: u16,
    /// One JSON object on the last line of stdout.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Default, Serialize)]
struct Verdict {
    is_good: bool,
    records: u64,
    checkpoints_damaged: usize,
    ticks_lived: Option<u32>,
    states_compared: Option<u32>,
    tick: Option<u32>,
    state_hash: Option<String>,
    problem: Option<String>,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let (disk, _) = super::open(&args.dir)?;
    let mut verdict = Verdict::default();
    match Scan::of(&disk) {
        Ok(scan) => {
            let checked = check(&disk, &scan, &mut verdict)
                .and_then(|()| if args.live { live(args, &disk, &scan, &mut verdict) } else { Ok(()) });
            verdict.problem = checked.err().map(|error| format!("{error:#}"));
        }
        Err(error @ ScanError::Read { .. }) => return Err(error.into()),
        Err(error) => verdict.problem = Some(error.to_string()),
    }
    verdict.is_good = verdict.problem.is_none() && verdict.checkpoints_damaged == 0;
    if args.json {
        println!("{}", serde_json::to_string(&verdict)?);
    } else {
        print(&verdict);
    }
    Ok(if verdict.is_good { Exit::Ok } else { Exit::CheckFailed })
}

fn print(verdict: &Verdict) {
    println!("{} records are readable", verdict.records);
    if let (Some(ticks), Some(states), Some(tick)) =
        (verdict.ticks_lived, verdict.states_compared, verdict.tick)
    {
        println!("{ticks} ticks lived again up to tick {tick}, {states} states as they were");
    }
    if verdict.checkpoints_damaged > 0 {
        println!("{} checkpoints are damaged", verdict.checkpoints_damaged);
    }
    match &verdict.problem {
        Some(problem) => println!("NOT GOOD: {problem}"),
        None => println!("good"),
    }
}

/// Every record says something that makes sense.
fn check(disk: &Directory, scan: &Scan, verdict: &mut Verdict) -> anyhow::Result<()> {
    scan.each(disk, Lsn(0), |found| {
        read(found).with_context(|| format!("record {}", found.lsn))?;
        verdict.records += 1;
        anyhow::Ok(())
    })?;
    verdict.checkpoints_damaged = checkpoint::newest(disk, None)?.passed_over.len();
    Ok(())
}

/// As a zone comes back.
fn live(args: &Args, disk: &Directory, scan: &Scan, verdict: &mut Verdict) -> anyhow::Result<()> {
    let Some(recovery) = relive(disk, scan, args.threads)? else { return Ok(()) };
    let world = recovery.world();
    (verdict.ticks_lived, verdict.states_compared) = (Some(recovery.n_ticks), Some(recovery.n_compared));
    (verdict.tick, verdict.state_hash) = (Some(world.now()), Some(format!("{:016x}", lived_hash(world))));
    Ok(())
}
