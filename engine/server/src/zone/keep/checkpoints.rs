//! Checkpoints are packed and written on a thread of their own, one at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded};
use engine::{Checkpoint, World, durable};
use storage::checkpoint::{self, Head};
use storage::{Disk, Lsn};

use super::BUILD;
use super::notes;
use crate::zone::tokens::Grant;

/// How often the thread looks whether the log has come as far as a copy.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A copy on its way. Its memory is used again.
struct Copy {
    zone: Checkpoint,
    grants: Vec<Grant>,
    lsn: Lsn,
}

/// What both sides look at.
#[derive(Default)]
struct Shared {
    newest: AtomicU64,
    oldest: AtomicU64,
    /// How far the log is safe: told by the log's thread.
    durable: AtomicU64,
    /// The log has ended: it comes no further.
    is_over: AtomicBool,
}

/// How far the log is safe, for the thread that writes it to say so.
#[derive(Clone)]
pub struct Safe(Arc<Shared>);

impl Safe {
    /// Records up to here are safe.
    pub fn handle_safe(&self, upto: Lsn) {
        self.0.durable.fetch_max(upto.0, Ordering::Release);
    }
}

/// The tick's end.
pub struct Checkpoints {
    full: Option<Sender<Box<Copy>>>,
    empty: Receiver<Box<Copy>>,
    /// The copy whose memory is free, once one was made.
    spare: Option<Box<Copy>>,
    is_first: bool,
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

impl Checkpoints {
    /// Starts the thread; `safe` is the last record that is safe already.
    ///
    /// # Errors
    /// When the system has no thread for it, or the directory cannot be read.
    pub fn start(disk: Arc<dyn Disk>, safe: Lsn) -> anyhow::Result<Self> {
        let (full, filled) = bounded::<Box<Copy>>(1);
        let (spare, empty) = bounded(1);
        let shared = Arc::new(Shared::default());
        shared.durable.store(safe.0, Ordering::Release);
        let oldest = checkpoint::oldest(&*disk).context("cannot read the checkpoints")?;
        shared.oldest.store(oldest.map_or(0, |lsn| lsn.0), Ordering::Release);
        let work = Work { disk, filled, spare, shared: Arc::clone(&shared) };
        let thread = std::thread::Builder::new()
            .name("checkpoint".to_owned())
            .spawn(move || work.run())
            .context("cannot start the thread that writes checkpoints")?;
        Ok(Self { full: Some(full), empty, spare: None, is_first: true, shared, thread })
    }

    /// Where the log's thread says how far it has come.
    #[must_use]
    pub fn safe(&self) -> Safe {
        Safe(Arc::clone(&self.shared))
    }

    /// Whether the one before has been written.
    pub fn is_free(&mut self) -> bool {
        self.spare = self.spare.take().or_else(|| self.empty.try_recv().ok());
        self.is_first || self.spare.is_some()
    }

    /// Copies the zone as it is behind record `lsn`; false if the one before is still on its way.
    ///
    /// - Cost: as [`Checkpoint::take`]; the first one takes its memory.
    pub fn begin(&mut self, world: &World, lsn: Lsn, grants: impl Iterator<Item = Grant>) -> bool {
        if !self.is_free() {
            return false;
        }
        let mut copy = match self.spare.take() {
            Some(mut copy) => {
                copy.zone.take(world);
                copy
            }
            None => Box::new(Copy { zone: Checkpoint::of(world, BUILD), grants: Vec::new(), lsn }),
        };
        copy.lsn = lsn;
        copy.grants.clear();
        copy.grants.extend(grants);
        self.is_first = false;
        // The thread ends when it is let go, never before.
        self.full.as_ref().is_some_and(|full| full.try_send(copy).is_ok())
    }

    /// The last record that the newest checkpoint holds.
    #[must_use]
    pub fn newest(&self) -> Lsn {
        Lsn(self.shared.newest.load(Ordering::Acquire))
    }

    /// Records up to here are in every checkpoint that is kept.
    #[must_use]
    pub fn not_needed(&self) -> Lsn {
        Lsn(self.shared.oldest.load(Ordering::Acquire))
    }

    /// Waits for the last one, and ends the thread. The log must have ended before.
    pub fn end(mut self, patience: Duration) {
        self.full = None;
        self.shared.is_over.store(true, Ordering::Release);
        let until = Instant::now() + patience;
        while !self.thread.is_finished() {
            if let Err(RecvTimeoutError::Timeout) = self.empty.recv_deadline(until) {
                tracing::warn!("the disk does not answer: the last checkpoint may be missing");
                return;
            }
        }
    }
}

/// The thread's end.
struct Work {
    disk: Arc<dyn Disk>,
    filled: Receiver<Box<Copy>>,
    spare: Sender<Box<Copy>>,
    shared: Arc<Shared>,
}

impl Work {
    fn run(self) {
        let mut raw = Vec::new();
        while let Ok(copy) = self.filled.recv() {
            // A checkpoint of what the log does not hold yet would be of another day after a cut.
            let is_safe = || self.shared.durable.load(Ordering::Acquire) >= copy.lsn.0;
            while !is_safe() && !self.shared.is_over.load(Ordering::Acquire) {
                std::thread::sleep(LOOK_EVERY);
            }
            if is_safe()
                && let Err(error) = self.write(&copy, &mut raw)
            {
                tracing::warn!(%error, lsn = %copy.lsn, "cannot write a checkpoint: the log goes on from the one before");
            }
            // The owner may have let go already.
            let _ = self.spare.try_send(copy);
        }
    }

    fn write(&self, copy: &Copy, raw: &mut Vec<u8>) -> std::io::Result<()> {
        durable::join(&copy.zone, raw, |out| notes::write(out, &copy.grants));
        checkpoint::write(&*self.disk, &Head { lsn: copy.lsn, tick: copy.zone.header.now }, raw)?;
        self.shared.newest.store(copy.lsn.0, Ordering::Release);
        let oldest = checkpoint::oldest(&*self.disk)?.unwrap_or_default();
        self.shared.oldest.store(oldest.0, Ordering::Release);
        Ok(())
    }
}
