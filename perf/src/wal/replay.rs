//! A zone that is lived with all its clients, and lived again from a checkpoint and a log.

use anyhow::{Context, ensure};
use engine::replay::bytes::Bytes;
use engine::replay::inputs::{read, write_lived};
use engine::{Checkpoint, World, lived_hash, tick, tick_untold};
use harness::{Drive, Knobs, Loss, Scenario};
use jobs::sys::ThreadClock;

use crate::sim::WARM_UP_TICKS;

const SCENARIO: Scenario = Scenario::Towns;

/// What a disk would hold of a zone, and what came of it.
pub(crate) struct Logged {
    world: World,
    /// As it was when the log begins.
    pub(crate) checkpoint: Vec<u8>,
    n_raw: usize,
    /// Inputs of each tick since.
    pub(crate) ticks: Vec<Vec<u8>>,
    hash: u64,
    /// CPU of the tick's own thread for records, over all ticks.
    pub(crate) encode_ns: u64,
    /// CPU of summing up the state once.
    pub(crate) hash_ns: u64,
    pool: rayon::ThreadPool,
}

/// What one time cost.
pub(crate) struct Replay {
    pub(crate) copy_ns: u64,
    pub(crate) write_ns: u64,
    pub(crate) resume_ns: u64,
    pub(crate) step_ns: u64,
}

impl Logged {
    /// Lives so many ticks behind a warm-up.
    pub(crate) fn live(n_players: u32, n_ticks: u32) -> anyhow::Result<Self> {
        let pool =
            rayon::ThreadPoolBuilder::new().num_threads(1).build().context("the pool does not start")?;
        let knobs = Knobs { scenario: SCENARIO, n_players, n_decoding: 0, loss: Loss::Random };
        let (drive, raw, ticks, encode_ns) = pool.install(|| {
            let mut drive = Drive::new(&knobs);
            drive.run(WARM_UP_TICKS);
            let mut raw = Vec::new();
            Checkpoint::of(&drive.world, "perf").write(&mut raw);
            let (mut ticks, mut encode_ns, mut kept) = (Vec::new(), 0, Vec::new());
            for _ in 0..n_ticks {
                drive.step(|world, inputs| {
                    tick(world, inputs);
                    kept.clear();
                    let clock = Lap::begin();
                    write_lived(&mut kept, inputs);
                    encode_ns += clock.ns();
                    ticks.push(kept.clone());
                });
            }
            (drive, raw, ticks, encode_ns)
        });
        let (checkpoint, n_raw) = (lz4_flex::block::compress(&raw), raw.len());
        let clock = Lap::begin();
        let hash = lived_hash(&drive.world);
        let hash_ns = clock.ns();
        Ok(Self { world: drive.world, checkpoint, n_raw, ticks, hash, encode_ns, hash_ns, pool })
    }

    /// Bytes of the log.
    pub(crate) fn n_bytes(&self) -> usize {
        self.ticks.iter().map(Vec::len).sum()
    }

    /// Copies the zone as it is at the end, and lives again how it got there.
    pub(crate) fn again(&self) -> anyhow::Result<Replay> {
        self.pool.install(|| {
            let mut copy = Checkpoint::of(&self.world, "perf");
            let clock = Lap::begin();
            copy.take(&self.world);
            let copy_ns = clock.ns();
            let mut raw = Vec::new();
            copy.write(&mut raw);
            let packed = lz4_flex::block::compress(&raw);
            let write_ns = clock.ns() - copy_ns;
            ensure!(!packed.is_empty(), "nothing was packed");
            let clock = Lap::begin();
            let raw = lz4_flex::block::decompress(&self.checkpoint, self.n_raw)?;
            let mut world = World::resume(Checkpoint::read(&raw)?, SCENARIO.content())?;
            let resume_ns = clock.ns();
            for kept in &self.ticks {
                tick_untold(&mut world, &read(&mut Bytes::new(kept))?);
            }
            let step_ns = clock.ns() - resume_ns;
            ensure!(lived_hash(&world) == self.hash, "the zone that was lived again is another one");
            Ok(Replay { copy_ns, write_ns, resume_ns, step_ns })
        })
    }
}

/// CPU time of this thread since a moment.
struct Lap(ThreadClock, u64);

impl Lap {
    fn begin() -> Self {
        let clock = ThreadClock::mine();
        Self(clock, clock.ns())
    }

    fn ns(&self) -> u64 {
        self.0.ns() - self.1
    }
}
