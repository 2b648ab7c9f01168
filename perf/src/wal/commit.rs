//! Commits of a tick, ours and SQLite's by turns, on one disk.
//!
//! The stress mix is 2,000 changes of 64 bytes per tick. The real mix is what the log of a zone holds. SQLite is as durable
//! as the log (write-ahead mode, `synchronous = FULL`) and gets the same changes as rows of a table, in one transaction.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use jobs::Durations;
use jobs::sys::ThreadClock;
use rusqlite::{Connection, params};
use serde::Serialize;
use storage::Directory;
use storage::wal::{Log, Options};

use crate::stats::median;

/// Changes of a tick in the stress mix.
const CHANGES: usize = 2_000;
const CHANGE_BYTES: usize = 64;
const SEGMENT_BYTES: usize = 16 << 20;

/// What commits cost.
#[derive(Serialize)]
pub(super) struct Commits {
    /// CPU of a commit of the stress mix, user and kernel.
    pub(super) commit_cpu_us: f64,
    /// From append to safe.
    pub(super) commit_us: Quantiles,
    pub(super) sqlite_commit_cpu_us: f64,
    pub(super) sqlite_commit_us: Quantiles,
    /// CPU of SQLite's over ours, median of pairs.
    pub(super) ratio_to_sqlite: f64,
    /// The same for what a zone logs.
    pub(super) real_bytes: f64,
    pub(super) real_commit_cpu_us: f64,
    pub(super) real_commit_us: Quantiles,
}

#[derive(Serialize)]
pub(super) struct Quantiles {
    pub(super) p50: f64,
    pub(super) p99: f64,
}

impl Quantiles {
    fn of(times: &Durations) -> Self {
        Self { p50: times.at_quantile_ns(0.5) as f64 / 1e3, p99: times.at_quantile_ns(0.99) as f64 / 1e3 }
    }
}

/// Times so many commits of each, by turns.
pub(super) fn measure(dir: &Path, n: u32, real: &[Vec<u8>]) -> anyhow::Result<Commits> {
    let stress: Vec<u8> = (0..CHANGES * CHANGE_BYTES).map(|at| (at * 31 % 251) as u8).collect();
    let (ours, theirs, reals) = (dir.join("ours"), dir.join("sqlite"), dir.join("real"));
    for dir in [&ours, &theirs, &reals] {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    }
    let mut log = Ours::open(&ours)?;
    let mut real_log = Ours::open(&reals)?;
    let sqlite = Sqlite::open(&theirs.join("log.sqlite"))?;
    let (mut a, mut b, mut c) = (Costs::new(), Costs::new(), Costs::new());
    for tick in 0..n {
        let mut turns: [&mut dyn FnMut() -> anyhow::Result<()>; 3] = [
            &mut || a.time(|| log.commit(tick, &stress)),
            &mut || b.time(|| sqlite.commit(tick, &stress)),
            &mut || c.time(|| real_log.commit(tick, &real[tick as usize % real.len()])),
        ];
        turns.rotate_left(tick as usize % 3);
        turns.into_iter().try_for_each(|turn| turn())?;
        log.prepare()?;
        real_log.prepare()?;
    }
    let ratios: Vec<f64> = b.cpu_us.iter().zip(&a.cpu_us).map(|(theirs, ours)| theirs / ours).collect();
    Ok(Commits {
        commit_cpu_us: median(&a.cpu_us),
        commit_us: Quantiles::of(&a.wall),
        sqlite_commit_cpu_us: median(&b.cpu_us),
        sqlite_commit_us: Quantiles::of(&b.wall),
        ratio_to_sqlite: median(&ratios),
        real_bytes: real.iter().map(Vec::len).sum::<usize>() as f64 / real.len().max(1) as f64,
        real_commit_cpu_us: median(&c.cpu_us),
        real_commit_us: Quantiles::of(&c.wall),
    })
}

/// Time and CPU of commits.
struct Costs {
    wall: Durations,
    cpu_us: Vec<f64>,
}

impl Costs {
    fn new() -> Self {
        Self { wall: Durations::new(), cpu_us: Vec::new() }
    }

    fn time(&mut self, work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
        let clock = ThreadClock::mine();
        let (cpu, begun) = (clock.ns(), Instant::now());
        work()?;
        self.wall.record_ns(begun.elapsed().as_nanos() as u64);
        self.cpu_us.push((clock.ns() - cpu) as f64 / 1e3);
        Ok(())
    }
}

/// Our log, on this thread.
struct Ours(Log);

impl Ours {
    fn open(dir: &Path) -> anyhow::Result<Self> {
        let mut salt = 1;
        let options = Options {
            writer: 1,
            segment_bytes: SEGMENT_BYTES,
            build: "perf".to_owned(),
            salts: Box::new(move || {
                salt += 1;
                salt
            }),
            first_epoch: 1,
            accept_loss: None,
        };
        let (mut log, _) = Log::open(Arc::new(Directory::at(dir)), options)?;
        while !log.prepare()? {}
        Ok(Self(log))
    }

    fn commit(&mut self, tick: u32, changes: &[u8]) -> anyhow::Result<()> {
        self.0.append(tick, 2, changes);
        Ok(self.0.commit()?)
    }

    /// Gives back full files, as checkpoints do, and makes others ready: the log's thread does so between commits.
    fn prepare(&mut self) -> anyhow::Result<()> {
        self.0.release(self.0.durable())?;
        while !self.0.prepare()? {}
        Ok(())
    }
}

/// SQLite in place of a log.
struct Sqlite(Connection);

impl Sqlite {
    fn open(path: &Path) -> anyhow::Result<Self> {
        let connection = Connection::open(path)?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
             CREATE TABLE change (id INTEGER PRIMARY KEY, tick INTEGER NOT NULL, said BLOB NOT NULL);",
        )?;
        Ok(Self(connection))
    }

    fn commit(&self, tick: u32, changes: &[u8]) -> anyhow::Result<()> {
        let transaction = self.0.unchecked_transaction()?;
        {
            let mut statement = transaction.prepare_cached(
                "INSERT INTO change (id, tick, said) VALUES (?1, ?2, ?3) \
                 ON CONFLICT (id) DO UPDATE SET tick = excluded.tick, said = excluded.said",
            )?;
            for (id, said) in changes.chunks(CHANGE_BYTES).enumerate() {
                statement.execute(params![id as i64, tick, said])?;
            }
        }
        Ok(transaction.commit()?)
    }
}
