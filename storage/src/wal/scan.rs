//! Reading a log: how far it goes, whether it ends as logs end, and what is in it.

use super::record::{self, ALIGN, HEAD_BYTES, Record, Seed};
use super::segment::{self, PAGE_BYTES, Page, PageError};
use crate::disk::{Disk, read_all};
use crate::place::{Lsn, Owner};
use std::io;

/// A valid record so far behind a bad one is not looked for: it would be another log.
const AHEAD_MAX: u64 = 1 << 20;

/// One file of the log, as far as it is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its number.
    pub number: u64,
    /// What its page says.
    pub page: Page,
    /// Its last valid record; the one before its first if there is none.
    pub last: Lsn,
    /// Where its valid records end, in bytes from its start.
    pub end: u64,
}

/// How a log ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Behind a record, or without one.
    Clean,
    /// Inside of a commit that nobody was told of: the usual face of a crash.
    Torn {
        /// First byte that does not count, in the last file.
        at: u64,
    },
}

/// Why a log must not be gone on with: something that was confirmed is missing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScanError {
    /// A file could not be read.
    #[error("cannot read {name}: {error}")]
    Read {
        /// Which file; the directory if none.
        name: String,
        /// Why.
        error: io::Error,
    },
    /// A later build wrote it.
    #[error("{name}: {error}")]
    Page {
        /// Which file.
        name: String,
        /// What is wrong with it.
        error: PageError,
    },
    /// Bytes have changed since they were confirmed, or a file is gone.
    #[error(
        "{name} is damaged: record {lsn} is not readable and later ones are there, up to {newest} at least; \
         nothing has been changed"
    )]
    Rotten {
        /// Which file.
        name: String,
        /// The first record that is missing.
        lsn: Lsn,
        /// A later one that was found.
        newest: Lsn,
        /// What would be left.
        kept: Box<Scan>,
    },
    /// Two logs are mixed up in one directory.
    #[error("{name} belongs to writer {found}, the files before it to writer {expected}")]
    Mixed {
        /// Which file.
        name: String,
        /// Whose it is.
        found: u16,
        /// Whose the others are.
        expected: u16,
    },
}

/// A log as it was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// Its files in order; there is at least one, unless the log is new.
    pub files: Vec<Found>,
    /// How it ends.
    pub end: Option<End>,
    /// Files behind the place where a damaged log was cut.
    pub lost: Vec<String>,
}

/// How the records of one file end.
struct Walked {
    last: Lsn,
    end: usize,
    /// A valid record that can only be there because the missing ones were, too.
    witness: Option<Lsn>,
    is_torn: bool,
}

impl Scan {
    /// Reads all files of a log and checks every record.
    ///
    /// - Cost: all files once, one at a time in memory.
    ///
    /// # Errors
    /// [`ScanError`].
    pub fn of(disk: &dyn Disk) -> Result<Self, ScanError> {
        let names = disk.list().map_err(|error| ScanError::Read { name: String::new(), error })?;
        let names: Vec<(u64, String)> =
            names.into_iter().filter_map(|name| Some((segment::number(&name)?, name))).collect();
        let mut scan = Self::default();
        let mut witness = None;
        for (at, (number, name)) in names.iter().enumerate() {
            let read = |error| ScanError::Read { name: name.clone(), error };
            let bytes = disk.open(name).and_then(|file| read_all(&*file)).map_err(read)?;
            let page = match Page::decode(&bytes) {
                Ok(page) => page,
                Err(PageError::Broken) => {
                    // What it held is not known; what follows it was confirmed after it.
                    let lsn = scan.next();
                    return Err(scan.rotten(name, lsn, lsn, &names[at..]));
                }
                Err(error) => return Err(ScanError::Page { name: name.clone(), error }),
            };
            scan.check_owner(name, &page)?;
            if !scan.files.is_empty() && page.first > scan.next() {
                let lsn = scan.next();
                return Err(scan.rotten(name, lsn, page.first, &names[at..]));
            }
            scan.supersede(page.first);
            let walked = walk(&bytes, &page);
            witness = walked.witness;
            let (last, end) = (walked.last, walked.end as u64);
            scan.end = Some(if walked.is_torn { End::Torn { at: end } } else { End::Clean });
            scan.files.push(Found { number: *number, page, last, end });
        }
        match (witness, names.last()) {
            (Some(newest), Some((_, name))) => {
                let lsn = scan.next();
                Err(scan.rotten(name, lsn, newest, &[]))
            }
            _ => Ok(scan),
        }
    }

    /// The record that comes next.
    #[must_use]
    pub fn next(&self) -> Lsn {
        self.files.last().map_or(Lsn(1), |file| file.last.next())
    }

    /// The first record that is there, if the log is not empty.
    #[must_use]
    pub fn first(&self) -> Option<Lsn> {
        self.files.first().map(|file| file.page.first)
    }

    /// Who wrote the last file.
    #[must_use]
    pub fn owner(&self) -> Option<Owner> {
        self.files.last().map(|file| file.page.owner)
    }

    fn check_owner(&self, name: &str, page: &Page) -> Result<(), ScanError> {
        match self.owner() {
            Some(Owner { writer: expected, .. }) if expected != page.owner.writer => {
                Err(ScanError::Mixed { name: name.to_owned(), found: page.owner.writer, expected })
            }
            _ => Ok(()),
        }
    }

    /// A commit that failed was done again in a later file: what had reached the earlier one counts no more.
    fn supersede(&mut self, first: Lsn) {
        for file in &mut self.files {
            file.last = file.last.min(Lsn(first.0.saturating_sub(1)));
        }
    }

    fn rotten(self, name: &str, lsn: Lsn, newest: Lsn, lost: &[(u64, String)]) -> ScanError {
        let lost = lost.iter().map(|(_, name)| name.clone()).collect();
        let kept = Box::new(Self { lost, ..self });
        ScanError::Rotten { name: name.to_owned(), lsn, newest, kept }
    }

    /// Shows every record from `from` on, in order.
    ///
    /// - Cost: the files that hold them, once, one at a time in memory.
    ///
    /// # Errors
    /// What `visit` says, and when a file cannot be read any more.
    pub fn each<E: From<io::Error>>(
        &self,
        disk: &dyn Disk,
        from: Lsn,
        mut visit: impl FnMut(&Record<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        for file in self.files.iter().filter(|file| file.last >= from.max(file.page.first)) {
            let bytes = read_all(&*disk.open(&segment::name(file.number))?)?;
            let mut at = PAGE_BYTES;
            let mut expected = file.page.first;
            while expected <= file.last {
                let Some(record) = valid(&bytes, at, file.page.seed(), expected) else {
                    let text = format!("{}: record {expected} changed", segment::name(file.number));
                    return Err(io::Error::new(io::ErrorKind::InvalidData, text).into());
                };
                if record.lsn >= from {
                    visit(&record)?;
                }
                at += record::n_bytes(record.payload.len());
                expected = expected.next();
            }
        }
        Ok(())
    }
}

/// The valid record at a place, if it is the one that is expected there.
fn valid(bytes: &[u8], at: usize, seed: Seed, expected: Lsn) -> Option<Record<'_>> {
    record::read(bytes.get(at..)?, seed).filter(|record| record.lsn == expected)
}

fn walk(bytes: &[u8], page: &Page) -> Walked {
    let (seed, mut at, mut expected) = (page.seed(), PAGE_BYTES, page.first);
    while let Some(record) = valid(bytes, at, seed, expected) {
        at += record::n_bytes(record.payload.len());
        expected = expected.next();
    }
    let is_torn = bytes.get(at..at + HEAD_BYTES).is_some_and(|head| head.iter().any(|byte| *byte != 0));
    let (end, last) = (at.min(bytes.len()), Lsn(expected.0 - 1));
    Walked { last, end, witness: witness(bytes, end, seed, expected), is_torn }
}

/// A valid record behind `at` whose commit began after `missing`: that one was confirmed before, so it must have been there.
/// One of the same commit proves nothing: a cut may keep any part of what nobody was told of.
fn witness(bytes: &[u8], at: usize, seed: Seed, missing: Lsn) -> Option<Lsn> {
    let begins = (at..bytes.len()).step_by(ALIGN);
    let later = begins.filter_map(|at| {
        let head = bytes.get(at..at + HEAD_BYTES)?;
        let lsn = u64::from_le_bytes(head[8..16].try_into().expect("eight bytes"));
        // A look at the number spares the checksum of nearly everything that is no record.
        let is_near = lsn > missing.0 && lsn - missing.0 < AHEAD_MAX;
        if is_near { record::read(&bytes[at..], seed) } else { None }
    });
    let proves = |record: &Record<'_>| record.lsn.0 - u64::from(record.nth).min(record.lsn.0) > missing.0;
    later.filter(proves).map(|record| record.lsn).max()
}
