//! `arcanectl wal`: a zone's log and its checkpoints, for people. It only reads, also while the zone runs.
//!
//! [`stat`] says what there is, [`verify`] whether all of it is good, [`dump`] shows records.
//! Source: docs/storage.md.

mod dump;
mod stat;
mod verify;

use std::path::{Path, PathBuf};

use anyhow::ensure;
use clap::Subcommand;
use storage::Directory;

use crate::Exit;

/// Where a zone keeps its log, below its data directory.
const DIR: &str = "world";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What there is: files, records, ticks, epochs, checkpoints.
    Stat(stat::Args),
    /// Whether every record and every checkpoint is good; exit code 1 if not.
    ///
    /// A torn end is good: it is the usual face of a crash, and nobody was told of what it held.
    Verify(verify::Args),
    /// One line for each record.
    Dump(dump::Args),
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    match &args.command {
        Command::Stat(args) => stat::run(args),
        Command::Verify(args) => verify::run(args),
        Command::Dump(args) => dump::run(args),
    }
}

/// The directory of a log: itself, or the one below a data directory.
fn open(path: &Path) -> anyhow::Result<(Directory, PathBuf)> {
    let below = path.join(DIR);
    let dir = if below.is_dir() { below } else { path.to_owned() };
    let has_log = std::fs::read_dir(&dir)?
        .filter_map(Result::ok)
        .any(|entry| entry.path().extension().is_some_and(|suffix| suffix == "wal"));
    ensure!(has_log, "{} holds no log: give a zone's data directory, such as ./data", path.display());
    Ok((Directory::at(&dir), dir))
}
