//! A log on a thread of its own: whoever hands over a batch never waits, and learns later that it is safe.
//!
//! Batches go round: [`Writer::spare`] gives an empty one, [`Writer::send`] hands it over, and the thread gives it back.
//! All that waits goes with one commit. When the disk is full the thread tries again five times a second; when a commit
//! has failed for good it ends, and nothing is taken any more.

use super::log::{CommitError, Log};
use crate::place::{Lsn, Owner};
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Batches that may wait for the disk: two seconds of ticks. Then the owner must do with less.
pub const BATCHES: usize = 40;
/// Payload that goes with one commit, unless a single batch has more.
const COMMIT_BYTES: usize = 1 << 20;
/// How often a full disk is tried again.
const AGAIN: Duration = Duration::from_millis(200);
/// How often the thread looks up when nothing comes.
const IDLE: Duration = Duration::from_millis(50);

/// A record on its way, and what its owner wants back once it is safe. The memory is used again.
#[derive(Debug, Default)]
pub struct Batch<T> {
    /// What it is.
    pub kind: u8,
    /// Which tick it is of.
    pub tick: u32,
    /// What it says.
    pub payload: Vec<u8>,
    /// For whoever comes next.
    pub extra: T,
    lsn: Lsn,
}

impl<T> Batch<T> {
    /// Its position in the log, once it was sent.
    #[must_use]
    pub fn lsn(&self) -> Lsn {
        self.lsn
    }
}

/// Why a batch was not taken; it comes back.
#[derive(Debug)]
pub enum Refused<T> {
    /// The log cannot be written to any more: its owner must stop.
    Gone(Batch<T>),
    /// It is longer than a file of the log.
    TooLong(Batch<T>),
}

/// How it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Health {
    /// There are files ready for what is to come.
    Well = 0,
    /// There is no room for another file: the log goes on as long as the ready ones last.
    SparesLow = 1,
    /// There is no file left: nothing becomes safe until there is room.
    Full = 2,
    /// It failed for good.
    Failed = 3,
}

impl Health {
    const ALL: [Self; 4] = [Self::Well, Self::SparesLow, Self::Full, Self::Failed];
}

/// One commit, for whoever counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The last record in it.
    pub upto: Lsn,
    /// Records in it.
    pub n_records: usize,
    /// Their payloads, in bytes.
    pub n_bytes: usize,
    /// From taking the first of them to its being safe.
    pub took: Duration,
}

/// What the thread does besides writing. Nothing of it may wait for long.
pub trait Watcher<T>: Send {
    /// Told of every commit.
    fn committed(&mut self, commit: &Commit);
    /// Given every batch that is safe, in order.
    fn safe(&mut self, batch: &mut Batch<T>);
    /// Told why the log ended.
    fn failed(&mut self, error: &CommitError);
}

/// What both sides look at.
#[derive(Debug)]
struct Shared {
    durable: AtomicU64,
    release: AtomicU64,
    health: AtomicU8,
    n_files: AtomicU64,
    n_spares: AtomicU64,
}

/// The owner's end of a log.
pub struct Writer<T> {
    full: Option<Sender<Batch<T>>>,
    empty: Receiver<Batch<T>>,
    next: Lsn,
    owner: Owner,
    payload_bytes_max: usize,
    shared: Arc<Shared>,
    thread: JoinHandle<Log>,
}

impl<T: Default + Send + 'static> Writer<T> {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system has no thread for it.
    pub fn start(log: Log, watcher: impl Watcher<T> + 'static) -> io::Result<Self> {
        let (full, filled) = bounded(BATCHES);
        let (spare, empty) = bounded(BATCHES);
        for _ in 0..BATCHES {
            spare.send(Batch::default()).expect("there is room for each of them");
        }
        let shared = Arc::new(Shared {
            durable: AtomicU64::new(log.durable().0),
            release: AtomicU64::new(0),
            health: AtomicU8::new(Health::Well as u8),
            n_files: AtomicU64::new(1),
            n_spares: AtomicU64::new(0),
        });
        let (next, owner, payload_bytes_max) = (log.next(), log.owner(), log.payload_bytes_max());
        let (released, full_at) = (Lsn(0), None);
        let watcher = Box::new(watcher);
        let work = Work { log, watcher, filled, spare, shared: Arc::clone(&shared), released, full_at };
        let thread = std::thread::Builder::new().name("log".to_owned()).spawn(move || work.run())?;
        Ok(Self { full: Some(full), empty, next, owner, payload_bytes_max, shared, thread })
    }

    /// Whose log it is.
    #[must_use]
    pub fn owner(&self) -> Owner {
        self.owner
    }

    /// An empty batch, if one of them is back.
    pub fn spare(&mut self) -> Option<Batch<T>> {
        let mut batch = self.empty.try_recv().ok()?;
        batch.payload.clear();
        Some(batch)
    }

    /// Hands a batch over; returns its position. Never waits.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn send(&mut self, mut batch: Batch<T>) -> Result<Lsn, Refused<T>> {
        if batch.payload.len() > self.payload_bytes_max {
            return Err(Refused::TooLong(batch));
        }
        batch.lsn = self.next;
        let Some(full) = &self.full else { return Err(Refused::Gone(batch)) };
        // There are as many places as batches, so it is never full.
        full.try_send(batch).map_err(|error| Refused::Gone(error.into_inner()))?;
        self.next = self.next.next();
        Ok(Lsn(self.next.0 - 1))
    }

    /// The last record that is safe.
    #[must_use]
    pub fn durable(&self) -> Lsn {
        Lsn(self.shared.durable.load(Ordering::Acquire))
    }

    /// The record that is sent next.
    #[must_use]
    pub fn next(&self) -> Lsn {
        self.next
    }

    /// How it goes.
    #[must_use]
    pub fn health(&self) -> Health {
        Health::ALL[usize::from(self.shared.health.load(Ordering::Acquire)) % Health::ALL.len()]
    }

    /// Files that hold records, and files kept ready.
    #[must_use]
    pub fn n_files(&self) -> (u64, u64) {
        let of = |n: &AtomicU64| n.load(Ordering::Relaxed);
        (of(&self.shared.n_files), of(&self.shared.n_spares))
    }

    /// Records up to here are not needed any more.
    pub fn release(&self, upto: Lsn) {
        self.shared.release.fetch_max(upto.0, Ordering::Release);
    }

    /// Commits what was sent, ends the thread and gives the log back.
    ///
    /// - Cost: waits for the disk, up to `patience`; then nothing comes back.
    pub fn end(mut self, patience: Duration) -> Option<Log> {
        self.full = None;
        let until = Instant::now() + patience;
        loop {
            match self.empty.recv_deadline(until) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => return self.thread.join().ok(),
                Err(RecvTimeoutError::Timeout) => return None,
            }
        }
    }
}

/// The thread's end.
struct Work<T> {
    log: Log,
    watcher: Box<dyn Watcher<T>>,
    filled: Receiver<Batch<T>>,
    spare: Sender<Batch<T>>,
    shared: Arc<Shared>,
    released: Lsn,
    /// When there was no room for another file.
    full_at: Option<Instant>,
}

impl<T> Work<T> {
    fn run(mut self) -> Log {
        loop {
            match self.filled.recv_timeout(IDLE) {
                Ok(first) => {
                    if let Err(error) = self.serve(first) {
                        self.set_health(Health::Failed);
                        self.watcher.failed(&error);
                        return self.log;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.log,
            }
            if let Err(error) = self.tidy() {
                self.set_health(Health::Failed);
                self.watcher.failed(&CommitError::Failed(error));
                return self.log;
            }
        }
    }

    /// Commits a batch and all that wait behind it.
    fn serve(&mut self, first: Batch<T>) -> Result<(), CommitError> {
        let begun = Instant::now();
        let (mut batches, mut n_bytes) = (Vec::new(), 0);
        let mut next = Some(first);
        while let Some(batch) = next {
            self.log.append(batch.tick, batch.kind, &batch.payload);
            n_bytes += batch.payload.len();
            batches.push(batch);
            next = if n_bytes < COMMIT_BYTES { self.filled.try_recv().ok() } else { None };
        }
        while let Err(error) = self.log.commit() {
            if matches!(error, CommitError::Failed(_)) {
                return Err(error);
            }
            self.set_health(Health::Full);
            // Part of it may be safe by now.
            self.shared.durable.store(self.log.durable().0, Ordering::Release);
            std::thread::sleep(AGAIN);
        }
        let upto = self.log.durable();
        self.shared.durable.store(upto.0, Ordering::Release);
        self.watcher.committed(&Commit { upto, n_records: batches.len(), n_bytes, took: begun.elapsed() });
        for mut batch in batches {
            self.watcher.safe(&mut batch);
            // The owner may have let go already.
            let _ = self.spare.try_send(batch);
        }
        Ok(())
    }

    /// What can be done while nothing waits: files are made ready, and those that are not needed are given up.
    fn tidy(&mut self) -> io::Result<()> {
        let release = Lsn(self.shared.release.load(Ordering::Acquire));
        if release > self.released {
            self.log.release(release)?;
            self.released = release;
        }
        let may_try = self.full_at.is_none_or(|at| at.elapsed() >= AGAIN);
        while may_try && self.filled.is_empty() {
            match self.log.prepare() {
                Ok(true) => {
                    self.full_at = None;
                    self.set_health(Health::Well);
                    break;
                }
                Ok(false) => {}
                Err(error) if is_full(&error) => {
                    self.full_at = Some(Instant::now());
                    let has_room = self.log.n_files().1 > 0;
                    self.set_health(if has_room { Health::SparesLow } else { Health::Full });
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        let (n_files, n_spares) = self.log.n_files();
        self.shared.n_files.store(n_files as u64, Ordering::Relaxed);
        self.shared.n_spares.store(n_spares as u64, Ordering::Relaxed);
        Ok(())
    }

    fn set_health(&self, health: Health) {
        self.shared.health.store(health as u8, Ordering::Release);
    }
}

/// Whether an error says that there is no room.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crash_disk::{Chance, CrashDisk};
    use crate::wal::{Options, Scan};
    use std::sync::Mutex;
    use std::sync::mpsc;

    /// What a watcher saw.
    #[derive(Default)]
    struct Seen {
        safe: Vec<(Lsn, u32)>,
        n_records: usize,
        failed: Option<String>,
    }

    struct Notes(Arc<Mutex<Seen>>, mpsc::Sender<()>);

    impl Watcher<u32> for Notes {
        fn committed(&mut self, commit: &Commit) {
            self.0.lock().unwrap().n_records += commit.n_records;
        }
        fn safe(&mut self, batch: &mut Batch<u32>) {
            self.0.lock().unwrap().safe.push((batch.lsn(), batch.extra));
        }
        fn failed(&mut self, error: &CommitError) {
            self.0.lock().unwrap().failed = Some(error.to_string());
            self.1.send(()).unwrap();
        }
    }

    fn start(disk: &CrashDisk) -> (Writer<u32>, Arc<Mutex<Seen>>, mpsc::Receiver<()>) {
        let mut salts = Chance::new(1);
        let options = Options {
            writer: 1,
            segment_bytes: 1 << 16,
            build: String::new(),
            salts: Box::new(move || salts.draw()),
            first_epoch: 1,
            accept_loss: None,
        };
        let (log, _) = Log::open(Arc::new(disk.clone()), options).unwrap();
        let (seen, (sender, receiver)) = (Arc::default(), mpsc::channel());
        (Writer::start(log, Notes(Arc::clone(&seen), sender)).unwrap(), seen, receiver)
    }

    fn send(writer: &mut Writer<u32>, n: u32) -> Result<Lsn, Refused<u32>> {
        // Batches come back as fast as the disk is.
        let mut batch = std::iter::repeat_with(|| writer.spare()).flatten().next().unwrap();
        (batch.kind, batch.tick, batch.extra) = (2, n, n);
        batch.payload.extend_from_slice(&n.to_le_bytes());
        writer.send(batch)
    }

    #[test]
    fn all_that_was_sent_is_safe_and_handed_on_in_order() {
        let disk = CrashDisk::default();
        let (mut writer, seen, _) = start(&disk);
        for n in 1..=500u32 {
            assert_eq!(send(&mut writer, n).unwrap(), Lsn(n.into()));
        }
        let log = writer.end(Duration::from_secs(10)).unwrap();
        assert_eq!(log.durable(), Lsn(500));
        let seen = seen.lock().unwrap();
        let expected: Vec<(Lsn, u32)> = (1..=500).map(|n| (Lsn(u64::from(n)), n)).collect();
        assert_eq!((&seen.safe, seen.n_records, &seen.failed), (&expected, 500, &None));
        assert_eq!(Scan::of(&disk).unwrap().next(), Lsn(501));
    }

    #[test]
    fn a_log_that_failed_takes_nothing_more_and_says_why() {
        let disk = CrashDisk::default();
        let (mut writer, seen, failed) = start(&disk);
        send(&mut writer, 1).unwrap();
        while writer.durable() < Lsn(1) {
            std::thread::yield_now();
        }
        disk.fail_from(0, io::ErrorKind::Other);
        send(&mut writer, 2).unwrap();
        failed.recv().unwrap();
        while !writer.thread.is_finished() {
            std::thread::yield_now();
        }
        let batch = Batch { kind: 2, ..Batch::default() };
        assert!(matches!(writer.send(batch), Err(Refused::Gone(_))));
        assert_eq!((writer.health(), writer.durable()), (Health::Failed, Lsn(1)));
        assert!(seen.lock().unwrap().failed.as_ref().is_some_and(|text| text.contains("cannot be written")));
    }

    #[test]
    fn a_batch_that_no_file_holds_comes_back() {
        let (mut writer, ..) = start(&CrashDisk::default());
        let payload = vec![0; 1 << 16];
        assert!(matches!(writer.send(Batch { payload, ..Batch::default() }), Err(Refused::TooLong(_))));
        assert_eq!(writer.next(), Lsn(1));
    }

    #[test]
    fn a_full_disk_is_waited_for() {
        let disk = CrashDisk::default();
        disk.set_bytes_max(Some(3 << 16));
        let (mut writer, _, _) = start(&disk);
        let mut n = 0;
        while writer.health() != Health::Full {
            let Some(mut batch) = writer.spare() else { continue };
            batch.payload.resize(9_000, 1);
            writer.send(batch).unwrap();
            n += 1;
        }
        disk.set_bytes_max(None);
        assert_eq!(writer.end(Duration::from_secs(10)).unwrap().durable(), Lsn(n), "nothing was lost");
    }
}
