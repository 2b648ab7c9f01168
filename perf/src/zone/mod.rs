//! `perf zone`: a whole zone process with clients over real sockets, beside its parts.
//!
//! [`process`] starts the zone, [`crowd`] plays in it, [`admin`] asks it, [`runs`] takes turns between it, the
//! transport alone and the world alone; [`report`] says what came of it.
//!
//! Source: docs/PERFORMANCE.md "perf zone".

pub(crate) mod admin;
pub(crate) mod crowd;
pub(crate) mod process;
pub(crate) mod report;
pub(crate) mod runs;

use crate::Failure;
use crate::calibrate;
use crate::machine::{self, Stop};
use crate::net::Transport;
use anyhow::Context;
use harness::Scenario;
use jobs::sys::set_affinity;
use std::path::PathBuf;

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Clients that walk and fight; four creatures for each.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(10..=8_000))]
    clients: u32,
    /// How the clients connect.
    #[arg(long, value_enum, default_value_t = Transport::Quic)]
    transport: Transport,
    /// Where the clients are and what they do: towns.
    #[arg(long, default_value = "towns")]
    workload: String,
    /// When snapshots are sent: every-tick.
    #[arg(long, default_value = "every-tick")]
    send: String,
    /// Length of a measured window; connections survive a pause of twice that and a bit.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=4))]
    seconds: u64,
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
    let arcane = process::find(args.arcane.as_deref())?;
    set_affinity(&[cores.server]).context("cannot use the first core")?;
    let calibration = calibrate::short();
    set_affinity(&[cores.load]).context("cannot use the second core")?;
    let watch = machine::Watch::begin(std::process::id(), cores.server)?;
    let plan = runs::Plan {
        n_clients: args.clients,
        transport: args.transport,
        scenario: Scenario::Towns,
        seconds: args.seconds,
        n_turns: args.pairs,
        cores,
    };
    let found = runs::measure(&plan, &arcane, &stop)?;
    let report = report::Report::new(&plan, &found, watch.end()?.steal_ms, calibration)?;
    if !args.json {
        report.print();
    }
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

/// Words that will mean something one day must not be taken for today's.
fn check_words(args: &Args) -> anyhow::Result<()> {
    let refuse = |text: String| Err(Failure::Usage(text).into());
    match (args.workload.as_str(), args.send.as_str()) {
        ("towns", "every-tick") => Ok(()),
        ("w1", _) => refuse("--workload w1 is not there yet: there is towns".to_owned()),
        (_, "news") => refuse("--send news is not there yet: every tick is sent".to_owned()),
        ("towns", send) => refuse(format!("no way of sending {send:?}: there is every-tick")),
        (workload, _) => refuse(format!("no workload {workload:?}: there is towns")),
    }
}
