//! Appending to a log, and making safe what was appended: one write and one sync for all that waits.
//!
//! Files are filled with zeros before they are used, so that a commit changes bytes and no length; a new name is made
//! safe before anything relies on it. After an error of a commit its bytes go once more, into a fresh file; nothing is
//! written to or synced in the old one again. Source: docs/storage.md "Log".

use super::record::{self, COMMIT_RECORDS_MAX};
use super::scan::{Scan, ScanError};
use super::segment::{self, PAGE_BYTES, Page};
use super::writer::is_full;
use crate::disk::{Disk, DiskFile};
use crate::mutants;
use crate::place::{Lsn, Owner};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

/// Files kept ready.
pub const SPARES: usize = 2;
/// Zeros are written in pieces of this, so that a commit never waits long for them.
const PIECE_BYTES: usize = 256 * 1024;
const SPARE: &str = "spare-";
/// A spare that is not yet filled.
const FILLING: &str = "filling";
const LOST: &str = ".lost";

/// How a log is kept.
pub struct Options {
    /// Whose it is.
    pub writer: u16,
    /// Length of a file.
    pub segment_bytes: usize,
    /// Name of the build, for people.
    pub build: String,
    /// Where salts come from: numbers that nobody can foresee, and that never repeat.
    pub salts: Box<dyn FnMut() -> u64 + Send>,
    /// The first epoch of a new log.
    pub first_epoch: u16,
    /// Go on with a damaged log: records from this one on may be lost.
    pub accept_loss: Option<Lsn>,
}

/// Why a log cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// It cannot be read, or something is missing.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// Every epoch has been used.
    #[error("all epochs of the log are used")]
    Epochs,
    /// It belongs to somebody else.
    #[error("the log is of writer {found}, not of writer {expected}")]
    Writer {
        /// Whose it is.
        found: u16,
        /// Who wants it.
        expected: u16,
    },
    /// A new file cannot be made.
    #[error("the log cannot be written to: {0}")]
    Write(#[from] io::Error),
}

/// Why nothing more is safe than before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// There is no room for another file. What was appended waits; a later commit may succeed.
    #[error("the disk is full: {0}")]
    Full(io::Error),
    /// It failed twice, in two files. Whoever owns the log must stop.
    #[error("the log cannot be written to: {0}")]
    Failed(io::Error),
}

/// A log that is open. Only one process may have it: its owner holds a lock on the directory.
pub struct Log {
    disk: Arc<dyn Disk>,
    options: Options,
    owner: Owner,
    tail: Tail,
    /// Files before the last one, with their last records.
    older: VecDeque<(u64, Lsn)>,
    /// Numbers of spare files that are ready.
    spares: VecDeque<u64>,
    next_spare: u64,
    filling: Option<Filling>,
    next: Lsn,
    durable: Lsn,
    /// Records that wait, one behind the other, not yet sealed.
    waiting: Vec<u8>,
    n_waiting: usize,
}

/// The file that is appended to.
struct Tail {
    file: Box<dyn DiskFile>,
    number: u64,
    seed: record::Seed,
    at: usize,
    /// A write or sync failed: it is not touched again.
    is_broken: bool,
}

/// A spare on its way.
struct Filling {
    file: Box<dyn DiskFile>,
    at: usize,
}

impl Log {
    /// Opens the log in a directory, or begins one: reads it whole, makes safe what was found, and begins a new file in a
    /// new epoch.
    ///
    /// # Errors
    /// [`OpenError`]; a damaged log is not changed.
    ///
    /// # Panics
    /// If a file would have no room for records.
    pub fn open(disk: Arc<dyn Disk>, options: Options) -> Result<(Self, Scan), OpenError> {
        assert!(options.segment_bytes >= 2 * PAGE_BYTES, "segments of {} bytes", options.segment_bytes);
        let scan = match Scan::of(&*disk) {
            Err(ScanError::Rotten { lsn, kept, .. })
                if options.accept_loss.is_some_and(|from| from <= lsn) =>
            {
                *kept
            }
            other => other?,
        };
        let (writer, found) = (options.writer, scan.owner());
        if let Some(found) = found.filter(|found| found.writer != writer) {
            return Err(OpenError::Writer { found: found.writer, expected: writer });
        }
        for name in &scan.lost {
            disk.rename(name, &format!("{name}{LOST}"))?;
        }
        // What was read may be in memory only: a crash of the process leaves it there, and power may be cut next.
        if let Some(last) = scan.files.last() {
            disk.open(&segment::name(last.number))?.sync()?;
        }
        disk.sync_names()?;
        let epoch = match found {
            Some(found) => found.epoch.checked_add(1).ok_or(OpenError::Epochs)?.max(options.first_epoch),
            None => options.first_epoch.max(1),
        };
        let log = Self::begin(disk, options, Owner { writer, epoch }, &scan)?;
        Ok((log, scan))
    }

    fn begin(disk: Arc<dyn Disk>, mut options: Options, owner: Owner, scan: &Scan) -> io::Result<Self> {
        let (mut spares, mut next_spare) = (VecDeque::new(), 0);
        for name in disk.list()? {
            if let Some(number) = name.strip_prefix(SPARE).and_then(|digits| digits.parse::<u64>().ok()) {
                next_spare = next_spare.max(number + 1);
                if disk.open(&name)?.n_bytes()? == options.segment_bytes as u64 {
                    spares.push_back(number);
                } else {
                    disk.remove(&name)?;
                }
            }
        }
        let next = scan.next();
        let number = scan.files.last().map_or(1, |file| file.number + 1 + scan.lost.len() as u64);
        let mut filling = None;
        while spares.is_empty() {
            fill(&*disk, &options, &mut filling, (&mut spares, &mut next_spare))?;
        }
        let spare = spares.pop_front().expect("one was made");
        let tail = Tail::begin(&*disk, &mut options, owner, (spare, number), next)?;
        let older = scan.files.iter().map(|file| (file.number, file.last)).collect();
        let durable = Lsn(next.0 - 1);
        let (waiting, n_waiting) = (Vec::new(), 0);
        Ok(Self {
            disk,
            options,
            owner,
            tail,
            older,
            spares,
            next_spare,
            filling,
            next,
            durable,
            waiting,
            n_waiting,
        })
    }

    /// Whose log it is now.
    #[must_use]
    pub fn owner(&self) -> Owner {
        self.owner
    }

    /// The position of the record that is appended next.
    #[must_use]
    pub fn next(&self) -> Lsn {
        self.next
    }

    /// The last record that is safe.
    #[must_use]
    pub fn durable(&self) -> Lsn {
        self.durable
    }

    /// Files that hold records, and files kept ready.
    #[must_use]
    pub fn n_files(&self) -> (usize, usize) {
        (self.older.len() + 1, self.spares.len())
    }

    /// Longest payload that fits into a file.
    #[must_use]
    pub fn payload_bytes_max(&self) -> usize {
        self.options.segment_bytes - PAGE_BYTES - record::HEAD_BYTES - record::ALIGN
    }

    /// Appends a record; it is safe after the next [`Log::commit`].
    ///
    /// - Cost: a copy; no system call.
    ///
    /// # Panics
    /// If the payload is longer than [`Log::payload_bytes_max`].
    pub fn append(&mut self, tick: u32, kind: u8, payload: &[u8]) -> Lsn {
        assert!(payload.len() <= self.payload_bytes_max(), "a record of {} bytes", payload.len());
        let lsn = self.next;
        record::write(&mut self.waiting, lsn, tick, kind, payload);
        self.n_waiting += 1;
        self.next = lsn.next();
        lsn
    }

    /// Makes safe all that was appended.
    ///
    /// - Cost: one write and one sync, and a few more when a file is full.
    ///
    /// # Errors
    /// [`CommitError`].
    pub fn commit(&mut self) -> Result<(), CommitError> {
        let mut has_failed = false;
        while self.n_waiting > 0 {
            let (n_records, n_bytes) = self.seal();
            if n_records == 0 || self.tail.is_broken {
                self.roll()?;
                continue;
            }
            let written = self.tail.file.write_at(self.tail.at as u64, &self.waiting[..n_bytes]);
            match written.and_then(|()| self.tail.file.sync()) {
                Ok(()) => self.advance(n_records, n_bytes),
                Err(error) if has_failed => return Err(CommitError::Failed(error)),
                Err(_) => {
                    (has_failed, self.tail.is_broken) = (true, true);
                }
            }
        }
        Ok(())
    }

    /// Seals as many of those that wait as have room in the file; returns how many, and their bytes.
    fn seal(&mut self) -> (usize, usize) {
        let room = self.options.segment_bytes - self.tail.at;
        let (mut n_records, mut n_bytes) = (0, 0);
        while n_records < self.n_waiting.min(COMMIT_RECORDS_MAX) {
            let rest = &mut self.waiting[n_bytes..];
            let n = record::n_bytes_at(rest).expect("it was written whole");
            if n_bytes + n > room {
                break;
            }
            record::seal(rest, self.tail.seed, n_records as u16);
            (n_records, n_bytes) = (n_records + 1, n_bytes + n);
        }
        (n_records, n_bytes)
    }

    fn advance(&mut self, n_records: usize, n_bytes: usize) {
        self.tail.at += n_bytes;
        self.waiting.drain(..n_bytes);
        self.n_waiting -= n_records;
        self.durable = Lsn(self.durable.0 + n_records as u64);
    }

    /// Goes on in a fresh file, whose first record is the first that waits.
    fn roll(&mut self) -> Result<(), CommitError> {
        while self.spares.is_empty() {
            self.prepare().map_err(|error| {
                if is_full(&error) { CommitError::Full(error) } else { CommitError::Failed(error) }
            })?;
        }
        let spare = self.spares.pop_front().expect("one was made");
        let numbers = (spare, self.tail.number + 1);
        let first = self.durable.next();
        let tail = Tail::begin(&*self.disk, &mut self.options, self.owner, numbers, first);
        let tail = tail.map_err(CommitError::Failed)?;
        let full = std::mem::replace(&mut self.tail, tail);
        self.older.push_back((full.number, self.durable));
        Ok(())
    }

    /// Works on the files that are kept ready, one piece; says whether there is nothing left to do.
    ///
    /// - Cost: writes a quarter of a megabyte at most, or one sync.
    ///
    /// # Errors
    /// As the disk says; when it is full it may be tried again later.
    pub fn prepare(&mut self) -> io::Result<bool> {
        if self.spares.len() < SPARES {
            fill(&*self.disk, &self.options, &mut self.filling, (&mut self.spares, &mut self.next_spare))?;
        }
        Ok(self.spares.len() >= SPARES)
    }

    /// Records up to `upto` are not needed any more: files that hold no others become spares, or go.
    ///
    /// # Errors
    /// As the disk says.
    pub fn release(&mut self, upto: Lsn) -> io::Result<()> {
        while let Some((number, _)) = self.older.front().copied().filter(|(_, last)| *last <= upto) {
            let name = segment::name(number);
            let has_length = self.disk.open(&name)?.n_bytes()? == self.options.segment_bytes as u64;
            if self.spares.len() < SPARES && has_length {
                self.disk.rename(&name, &format!("{SPARE}{}", self.next_spare))?;
                self.spares.push_back(self.next_spare);
                self.next_spare += 1;
            } else {
                self.disk.remove(&name)?;
            }
            // One at a time: a cut must not leave a hole between files.
            self.disk.sync_names()?;
            self.older.pop_front();
        }
        Ok(())
    }
}

impl Tail {
    /// Makes a spare the file that is appended to.
    fn begin(
        disk: &dyn Disk,
        options: &mut Options,
        owner: Owner,
        (spare, number): (u64, u64),
        first: Lsn,
    ) -> io::Result<Self> {
        let name = format!("{SPARE}{spare}");
        let page = Page { owner, salt: (options.salts)(), first, build: options.build.clone() };
        let file = disk.open(&name)?;
        file.write_at(0, &page.encode())?;
        file.sync()?;
        disk.rename(&name, &segment::name(number))?;
        if !mutants::is_on("no-directory-fsync") {
            disk.sync_names()?;
        }
        Ok(Self { file, number, seed: page.seed(), at: PAGE_BYTES, is_broken: false })
    }
}

/// Writes the next zeros of a spare; one that is full of them is synced and gets its name.
fn fill(
    disk: &dyn Disk,
    options: &Options,
    filling: &mut Option<Filling>,
    (spares, next_spare): (&mut VecDeque<u64>, &mut u64),
) -> io::Result<()> {
    let work = match filling.take() {
        Some(work) => work,
        // Found out before a byte is written, and with room left for what is smaller and as urgent.
        None if disk.free_bytes()? < 2 * options.segment_bytes as u64 => {
            return Err(io::ErrorKind::StorageFull.into());
        }
        None => Filling { file: disk.create(FILLING)?, at: 0 },
    };
    let n = PIECE_BYTES.min(options.segment_bytes - work.at);
    if n > 0 {
        work.file.write_at(work.at as u64, &[0; PIECE_BYTES][..n])?;
        *filling = Some(Filling { at: work.at + n, ..work });
        return Ok(());
    }
    work.file.sync()?;
    disk.rename(FILLING, &format!("{SPARE}{next_spare}"))?;
    disk.sync_names()?;
    spares.push_back(*next_spare);
    *next_spare += 1;
    Ok(())
}
