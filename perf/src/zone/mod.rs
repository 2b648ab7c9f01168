//! `perf zone`: a whole zone process with clients over real sockets, beside its parts.
//!
//! [`process`] starts the zone, [`crowd`] plays in it, [`admin`] asks it, [`runs`] takes turns between it, the
//! transport alone and the world alone; [`report`] says what came of it. [`most`] looks for the most clients that one
//! core serves. [`overload`] gives the zone more than it can
//! do instead, and [`relive`] lives that again.
//!
//! Source: docs/PERFORMANCE.md "perf zone".

pub(crate) mod admin;
pub(crate) mod crowd;
mod most;
mod overload;
mod pace;
pub(crate) mod process;
mod relive;
pub(crate) mod report;
pub(crate) mod runs;

use crate::Failure;
use crate::calibrate;
use crate::machine::{self, Cores, Stop};
use crate::net::Transport;
use anyhow::Context;
use engine::Sending;
use harness::Scenario;
use jobs::sys::set_affinity;
use process::Kind;
use std::path::PathBuf;

/// Length of a window, and the longest.
const SECONDS: u64 = 3;
const SECONDS_MAX: u64 = 4;
/// How long there is too much to do.
const OVERLOAD_SECONDS: u64 = 60;

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Clients. In towns they walk and fight, with four creatures for each.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(10..=8_000))]
    clients: u32,
    /// How the clients connect.
    #[arg(long, value_enum, default_value_t = Transport::Quic)]
    transport: Transport,
    /// Where the clients are and what they do: towns; or w1, the workload with which other engines were measured, and
    /// w1-j, the same with a turn in every fifth tick.
    #[arg(long, default_value = "towns")]
    workload: String,
    /// When snapshots go: every-tick, or news, for which clients send two commands in a datagram unless one is urgent.
    #[arg(long, default_value = "every-tick")]
    send: Sending,
    /// Clients send each command in a datagram of its own, whatever the zone does.
    #[arg(long)]
    no_pack: bool,
    /// Length of a measured window; connections survive a pause of twice that and a bit.
    /// With --overload, how long there is too much to do: 60 by itself.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: Option<u64>,
    /// Gives the zone twice as much as it can do, and looks how it sheds load and recovers.
    #[arg(long)]
    overload: bool,
    /// Looks for the most clients that get 19.9 snapshots a second from one core, beginning with --clients.
    #[arg(long, conflicts_with = "overload")]
    find_max: bool,
    /// Windows of the zone, each followed by one of the transport and one of the world.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=99))]
    pairs: u16,
    /// The zone's program; otherwise the one beside this one, built first when cargo runs this.
    #[arg(long, value_name = "FILE")]
    arcane: Option<PathBuf>,
    /// Prints one line of JSON only.
    #[arg(long)]
    json: bool,
}

/// Measures and prints.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    check_words(args)?;
    let cores = machine::two_cores()?;
    let stop = Stop::on_signals()?;
    if args.overload {
        return run_overload(args, cores, &stop);
    }
    let arcane = process::find(Kind::Plain, args.arcane.as_deref())?;
    set_affinity(&[cores.server]).context("cannot use the first core")?;
    let calibration = calibrate::short();
    set_affinity(&[cores.load]).context("cannot use the second core")?;
    let watch = machine::Watch::begin(std::process::id(), cores.server)?;
    let plan = runs::Plan {
        n_clients: args.clients,
        transport: args.transport,
        scenario: scenario(args)?,
        sending: args.send,
        packs: args.send == Sending::News && !args.no_pack,
        seconds: args.seconds.unwrap_or(SECONDS),
        n_turns: args.pairs,
        cores,
    };
    if args.find_max {
        return most::run(&plan, &arcane, args.json, &stop);
    }
    let found = runs::measure(&plan, &arcane, &stop)?;
    let report = report::Report::new(&plan, &found, watch.end()?.steal_ms, calibration)?;
    if !args.json {
        report.print();
    }
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

fn run_overload(args: &Args, cores: Cores, stop: &Stop) -> anyhow::Result<()> {
    let arcane = process::find(Kind::Planted, args.arcane.as_deref())?;
    set_affinity(&[cores.load]).context("cannot use the second core")?;
    let plan = runs::Plan {
        n_clients: args.clients,
        transport: args.transport,
        scenario: Scenario::Towns,
        sending: args.send,
        packs: args.send == Sending::News && !args.no_pack,
        seconds: args.seconds.unwrap_or(OVERLOAD_SECONDS),
        n_turns: 1,
        cores,
    };
    let report = overload::run(&plan, &arcane, stop)?;
    if !args.json {
        report.print();
    }
    println!("{}", serde_json::to_string(&report)?);
    report.check()
}

/// Words that will mean something one day must not be taken for today's.
fn check_words(args: &Args) -> anyhow::Result<()> {
    let refuse = |text: String| Err(Failure::Usage(text).into());
    if let Some(seconds) = args.seconds.filter(|seconds| !args.overload && *seconds > SECONDS_MAX) {
        return refuse(format!("invalid value '{seconds}' for --seconds: a window has 1 to {SECONDS_MAX}"));
    }
    if args.find_max && args.send != Sending::EveryTick {
        return refuse("--find-max counts snapshots per second: it needs --send every-tick".to_owned());
    }
    match scenario(args)? {
        Scenario::Towns => Ok(()),
        _ if args.overload => refuse(format!("--overload has towns only, not {}", args.workload)),
        _ if args.send != Sending::EveryTick => {
            refuse(format!("{} is measured with --send every-tick, as the others were", args.workload))
        }
        _ => Ok(()),
    }
}

fn scenario(args: &Args) -> anyhow::Result<Scenario> {
    match args.workload.as_str() {
        "towns" => Ok(Scenario::Towns),
        "w1" => Ok(Scenario::W1),
        "w1-j" => Ok(Scenario::W1J),
        other => Err(Failure::Usage(format!("no workload {other:?}: there are towns, w1 and w1-j")).into()),
    }
}
