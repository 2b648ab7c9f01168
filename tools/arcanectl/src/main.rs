//! `arcanectl`: what a person asks of a realm and of its source. One module per subcommand.
//!
//! [`admin`] orders, [`bots`] plays, [`economy`] counts what players own, [`hist`] reads logs of histograms, [`proto`] works on the wire's schema, [`replay`] lives a recorded day again, [`wal`] reads a zone's log. Every command knows `--json`; exit codes are [`Exit`].
#![forbid(unsafe_code)]

mod admin;
mod bots;
mod economy;
mod hist;
mod proto;
mod replay;
mod top;
mod wal;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How a command ended, when it ended on its own terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    /// All good.
    Ok = 0,
    /// A check failed, or the input is not what it should be.
    CheckFailed = 1,
    /// The command line makes no sense; clap uses the same number.
    Usage = 2,
    /// A file or socket did not open, read or write.
    Io = 3,
    /// Bytes that do not decode, or a peer of another version.
    Mismatch = 4,
}

/// Tools around Arcane Realms.
#[derive(Debug, Parser)]
#[command(name = "arcanectl", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Orders of an operator to a running zone: give, take, kick, say.
    Admin(admin::Args),
    /// Load: players made of code, with real sockets and an open-loop schedule.
    Bots(bots::Args),
    /// What players own: whether it adds up, and who has what.
    Economy(economy::Args),
    /// Histograms: logs of a zone as a table, a picture, a comparison, a sum.
    Hist(hist::Args),
    /// The wire: generate code from the schema, compare schemas, explain bytes.
    Proto(proto::Args),
    /// A recorded day of a zone: lives it again and compares bit for bit.
    Replay(replay::Args),
    /// How a zone is doing, in a terminal.
    Top(top::Args),
    /// The log of a zone, and its checkpoints: what is in them, and whether all of it is good.
    Wal(wal::Args),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Admin(args) => admin::run(&args),
        Command::Bots(args) => bots::run(&args),
        Command::Economy(args) => economy::run(&args),
        Command::Hist(args) => hist::run(&args),
        Command::Proto(args) => proto::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Top(args) => top::run(&args),
        Command::Wal(args) => wal::run(&args),
    };
    let exit = outcome.unwrap_or_else(|error| {
        eprintln!("arcanectl: {error:#}");
        exit_of(&error)
    });
    ExitCode::from(exit as u8)
}

/// Input and output have a number of their own; every other error is a check that failed.
fn exit_of(error: &anyhow::Error) -> Exit {
    let is_io = error.chain().any(|cause| cause.is::<std::io::Error>());
    if is_io { Exit::Io } else { Exit::CheckFailed }
}
