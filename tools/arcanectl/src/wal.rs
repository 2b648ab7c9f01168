//! `arcanectl wal`: a zone's log and its checkpoints, for people. It only reads, also while the zone runs.
//!
//! [`stat`] says what there is, [`verify`] whether all of it is good, [`dump`] shows records.
//! Source: docs/storage.md.

mod dump;
mod stat;
mod verify;

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Subcommand;
use engine::Content;
use engine::durable::record::{self, OPEN, TICK};
use engine::durable::{self, Recovery};
use engine::replay::{HEADER_BYTES, Header};
use storage::wal::{Record, Scan};
use storage::{Directory, Lsn, checkpoint};

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
pub(crate) fn open(path: &Path) -> anyhow::Result<(Directory, PathBuf)> {
    let below = path.join(DIR);
    let dir = if below.is_dir() { below } else { path.to_owned() };
    let has_log = std::fs::read_dir(&dir)?
        .filter_map(Result::ok)
        .any(|entry| entry.path().extension().is_some_and(|suffix| suffix == "wal"));
    ensure!(has_log, "{} holds no log: give a zone's data directory, such as ./data", path.display());
    Ok((Directory::at(&dir), dir))
}

/// What a record says: a header, a tick, or something of a later build.
pub(crate) enum Said<'a> {
    Open(Box<Header>),
    Tick(record::TickRecord<'a>),
    Other,
}

pub(crate) fn read<'a>(found: &Record<'a>) -> anyhow::Result<Said<'a>> {
    Ok(match found.kind {
        OPEN => {
            let bytes = found.payload.first_chunk::<HEADER_BYTES>().context("a header is too short")?;
            Said::Open(Box::new(Header::decode(bytes)?))
        }
        TICK => Said::Tick(record::read(found.tick, found.payload)?),
        _ => Said::Other,
    })
}

/// Lives a log again from the newest checkpoint, as a zone does when it starts. None: there is nothing to live.
pub(crate) fn relive(disk: &Directory, scan: &Scan, threads: u16) -> anyhow::Result<Option<Recovery>> {
    let builder = rayon::ThreadPoolBuilder::new().num_threads(threads.into());
    let pool = builder.build().context("cannot start the threads")?;
    let newest = checkpoint::newest(disk, Some(Lsn(scan.next().0 - 1)))?;
    let mut recovery = None;
    let mut from = Lsn(0);
    if let Some((head, raw)) = newest.found {
        let (copy, _) = durable::split(&raw)?;
        let content = Content::standard(copy.header.config.ticks_per_second);
        (recovery, from) = (Some(Recovery::from_checkpoint(copy, content)?), head.lsn.next());
    }
    pool.install(|| {
        scan.each(disk, from, |found| {
            match (read(found)?, &mut recovery) {
                (Said::Open(header), Some(recovery)) => {
                    let content = Content::standard(header.config.ticks_per_second);
                    recovery.handle_open(&header, &content)?;
                }
                (Said::Open(header), none) => {
                    let content = Content::standard(header.config.ticks_per_second);
                    *none = Some(Recovery::from_header(&header, content)?);
                }
                (Said::Tick(tick), Some(recovery)) => recovery.handle_tick(&tick)?,
                _ => {}
            }
            anyhow::Ok(())
        })
    })?;
    Ok(recovery)
}
