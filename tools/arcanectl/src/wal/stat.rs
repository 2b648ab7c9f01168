//! What there is in a log.

use std::path::PathBuf;

use serde::Serialize;
use storage::checkpoint;
use storage::wal::{End, Scan, ScanError};

use crate::Exit;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A zone's data directory.
    #[arg(default_value = "./data")]
    dir: PathBuf,
    /// One JSON object on the last line of stdout.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Stat {
    files: usize,
    bytes: u64,
    first_lsn: u64,
    last_lsn: u64,
    writer: u16,
    epoch: u16,
    build: String,
    first_tick: Option<u32>,
    last_tick: Option<u32>,
    torn_at: Option<u64>,
    checkpoint_lsn: Option<u64>,
    checkpoint_tick: Option<u32>,
    checkpoint_bytes: Option<usize>,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let (disk, dir) = super::open(&args.dir)?;
    let scan = match Scan::of(&disk) {
        Ok(scan) => scan,
        Err(error @ ScanError::Rotten { .. }) => {
            eprintln!("arcanectl: {error}");
            return Ok(Exit::CheckFailed);
        }
        Err(error) => return Err(error.into()),
    };
    let (mut first_tick, mut last_tick) = (None, None);
    scan.each::<std::io::Error>(&disk, storage::Lsn(0), |record| {
        first_tick = first_tick.or(Some(record.tick));
        last_tick = Some(record.tick);
        Ok(())
    })?;
    let newest = checkpoint::newest(&disk, None)?;
    let head = newest.found.as_ref().map(|(head, _)| *head);
    let owner = scan.owner().unwrap_or_default();
    let stat = Stat {
        files: scan.files.len(),
        bytes: scan.files.iter().map(|file| file.end).sum(),
        first_lsn: scan.first().unwrap_or_default().0,
        last_lsn: scan.next().0 - 1,
        writer: owner.writer,
        epoch: owner.epoch,
        build: scan.files.last().map(|file| file.page.build.clone()).unwrap_or_default(),
        first_tick,
        last_tick,
        torn_at: match scan.end {
            Some(End::Torn { at }) => Some(at),
            _ => None,
        },
        checkpoint_lsn: head.map(|head| head.lsn.0),
        checkpoint_tick: head.map(|head| head.tick),
        checkpoint_bytes: newest.found.as_ref().map(|(_, raw)| raw.len()),
    };
    if args.json {
        println!("{}", serde_json::to_string(&stat)?);
        return Ok(Exit::Ok);
    }
    let tick = |tick: Option<u32>| tick.map_or_else(|| "none".to_owned(), |tick| tick.to_string());
    println!("log in {}", dir.display());
    println!("  files       {}, {} KiB of records", stat.files, stat.bytes / 1024);
    println!("  records     {} to {}", stat.first_lsn, stat.last_lsn);
    println!("  ticks       {} to {}", tick(first_tick), tick(last_tick));
    println!("  writer      {}, epoch {}, last opened by {}", stat.writer, stat.epoch, stat.build);
    match stat.torn_at {
        Some(at) => println!("  end         torn at byte {at}: nobody was told of what stood there"),
        None => println!("  end         clean"),
    }
    match head {
        Some(head) => {
            let behind = stat.last_lsn.saturating_sub(head.lsn.0);
            println!("  checkpoint  record {}, tick {}; {behind} records behind it", head.lsn, head.tick);
        }
        None => println!("  checkpoint  none"),
    }
    for (name, error) in &newest.passed_over {
        println!("  damaged     {name}: {error}");
    }
    Ok(Exit::Ok)
}
