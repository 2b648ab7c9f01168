//! A disk in memory that loses power, fails and fills up when it is told to: for tests of whoever keeps something.
//!
//! After [`CrashDisk::cut`] files hold what was synced, and of what was written since any of its sectors; of names that
//! were changed since they were synced the first few changes hold, as in a file system with a journal.

use crate::disk::{Disk, DiskFile};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

/// What reaches a disk whole or not at all, in bytes.
pub const SECTOR_BYTES: usize = 512;

/// A disk, and every handle to it.
#[derive(Clone, Debug, Default)]
pub struct CrashDisk(Arc<Mutex<State>>);

#[derive(Clone, Debug, Default)]
struct State {
    files: Vec<Contents>,
    names: BTreeMap<String, usize>,
    safe_names: BTreeMap<String, usize>,
    /// Names as they were after each change since they were safe.
    changes: Vec<BTreeMap<String, usize>>,
    /// Calls that change or sync something.
    n_calls: u64,
    fails: Vec<Fault>,
    n_bytes_max: Option<usize>,
    /// A file that could not be synced is not synced again.
    broken: BTreeSet<usize>,
}

#[derive(Clone, Debug, Default)]
struct Contents {
    now: Vec<u8>,
    safe: Vec<u8>,
    /// Sectors written since the last sync.
    dirty: BTreeSet<usize>,
}

#[derive(Clone, Copy, Debug)]
struct Fault {
    first: u64,
    last: u64,
    kind: io::ErrorKind,
}

/// Numbers that look like chance, the same for the same seed.
#[derive(Clone, Copy, Debug)]
pub struct Chance(u64);

impl Chance {
    /// Begins with a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number (splitmix64).
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ word >> 31
    }

    /// One of so many.
    pub fn below(&mut self, n: usize) -> usize {
        (self.draw() % n.max(1) as u64) as usize
    }
}

impl CrashDisk {
    /// The disk as it may be found after the power was cut now. This one goes on as it was.
    #[must_use]
    pub fn cut(&self, chance: &mut Chance) -> Self {
        let state = self.state();
        let kept = chance.below(state.changes.len() + 1);
        let names = if kept == 0 { state.safe_names.clone() } else { state.changes[kept - 1].clone() };
        // All, none, or any of the sectors: each of the three is a case of its own.
        let mode = chance.below(4);
        let files = state.files.iter().map(|file| {
            let after = file.after_cut(|| match mode {
                0 => false,
                1 => true,
                _ => chance.draw().is_multiple_of(2),
            });
            Contents { now: after.clone(), safe: after, dirty: BTreeSet::new() }
        });
        let found = State { files: files.collect(), safe_names: names.clone(), names, ..State::default() };
        Self(Arc::new(Mutex::new(found)))
    }

    /// From now on the `n`-th call from here fails, 0 being the next.
    pub fn fail_at(&self, n: u64, kind: io::ErrorKind) {
        let mut state = self.state();
        let at = state.n_calls + n;
        state.fails.push(Fault { first: at, last: at, kind });
    }

    /// From now on all calls fail, from the `n`-th from here on.
    pub fn fail_from(&self, n: u64, kind: io::ErrorKind) {
        let mut state = self.state();
        let first = state.n_calls + n;
        state.fails.push(Fault { first, last: u64::MAX, kind });
    }

    /// No call fails any more.
    pub fn heal(&self) {
        self.state().fails.clear();
    }

    /// The disk holds so many bytes, or as many as there are.
    pub fn set_bytes_max(&self, n_bytes_max: Option<usize>) {
        self.state().n_bytes_max = n_bytes_max;
    }

    /// Calls so far that change or sync something.
    #[must_use]
    pub fn n_calls(&self) -> u64 {
        self.state().n_calls
    }

    /// Bytes in all files that have a name.
    #[must_use]
    pub fn n_bytes(&self) -> usize {
        self.state().n_bytes()
    }

    /// Changes bytes of a file, as decay does.
    ///
    /// # Panics
    /// If there is no such file.
    pub fn bend(&self, name: &str, bend: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state();
        let at = state.names[name];
        let mut bytes = state.files[at].now.clone();
        bend(&mut bytes);
        state.files[at] = Contents { now: bytes.clone(), safe: bytes, dirty: BTreeSet::new() };
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics with the disk in hand")
    }
}

impl Contents {
    fn after_cut(&self, mut is_kept: impl FnMut() -> bool) -> Vec<u8> {
        let mut bytes = self.safe.clone();
        for sector in &self.dirty {
            let (first, last) = (sector * SECTOR_BYTES, ((sector + 1) * SECTOR_BYTES).min(self.now.len()));
            if first < last && is_kept() {
                bytes.resize(bytes.len().max(last), 0);
                bytes[first..last].copy_from_slice(&self.now[first..last]);
            }
        }
        bytes
    }
}

impl State {
    fn n_bytes(&self) -> usize {
        self.names.values().map(|file| self.files[*file].now.len()).sum()
    }

    /// Counts a call, and fails it when its time has come.
    fn call(&mut self) -> io::Result<()> {
        let at = self.n_calls;
        self.n_calls += 1;
        match self.fails.iter().find(|fault| (fault.first..=fault.last).contains(&at)) {
            Some(fault) => Err(fault.kind.into()),
            None => Ok(()),
        }
    }

    fn renamed(&mut self) {
        self.changes.push(self.names.clone());
    }
}

impl Disk for CrashDisk {
    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let file = *self.state().names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(Handle { disk: self.clone(), file }))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        state.call()?;
        state.files.push(Contents::default());
        let file = state.files.len() - 1;
        state.names.insert(name.to_owned(), file);
        state.renamed();
        Ok(Box::new(Handle { disk: self.clone(), file }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        state.call()?;
        let file = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), file);
        state.renamed();
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        state.call()?;
        state.names.remove(name).ok_or(io::ErrorKind::NotFound)?;
        state.renamed();
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.state().names.keys().cloned().collect())
    }

    fn sync_names(&self) -> io::Result<()> {
        let mut state = self.state();
        state.call()?;
        state.safe_names = state.names.clone();
        state.changes.clear();
        Ok(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let state = self.state();
        Ok(state.n_bytes_max.unwrap_or(1 << 40).saturating_sub(state.n_bytes()) as u64)
    }
}

struct Handle {
    disk: CrashDisk,
    file: usize,
}

impl DiskFile for Handle {
    fn n_bytes(&self) -> io::Result<u64> {
        Ok(self.disk.state().files[self.file].now.len() as u64)
    }

    fn read_at(&self, at: u64, bytes: &mut [u8]) -> io::Result<usize> {
        let state = self.disk.state();
        let rest = state.files[self.file].now.get(at as usize..).unwrap_or_default();
        let n = rest.len().min(bytes.len());
        bytes[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }

    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        let failed = state.call();
        assert!(!state.broken.contains(&self.file), "a file that could not be synced is written to");
        let (at, n_max) = (at as usize, state.n_bytes_max);
        let grows = (at + bytes.len()).saturating_sub(state.files[self.file].now.len());
        if n_max.is_some_and(|n_max| state.n_bytes() + grows > n_max) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        // A write that fails may have written its first half.
        let bytes = if failed.is_err() { &bytes[..bytes.len() / 2] } else { bytes };
        let file = &mut state.files[self.file];
        let end = at + bytes.len();
        if !bytes.is_empty() {
            file.now.resize(file.now.len().max(end), 0);
            file.now[at..end].copy_from_slice(bytes);
            file.dirty.extend(at / SECTOR_BYTES..=(end - 1) / SECTOR_BYTES);
        }
        failed
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        assert!(!state.broken.contains(&self.file), "a file that could not be synced is synced again");
        if let Err(error) = state.call() {
            state.broken.insert(self.file);
            return Err(error);
        }
        let file = &mut state.files[self.file];
        file.safe = file.now.clone();
        file.dirty.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::read_all;

    fn found(disk: &CrashDisk, name: &str) -> Option<Vec<u8>> {
        disk.open(name).ok().map(|file| read_all(&*file).unwrap())
    }

    #[test]
    fn a_cut_keeps_what_was_synced_and_may_lose_the_rest() {
        let disk = CrashDisk::default();
        let file = disk.create("log").unwrap();
        file.write_at(0, &[1; 1024]).unwrap();
        file.sync().unwrap();
        disk.sync_names().unwrap();
        file.write_at(0, &[2; 2048]).unwrap();
        disk.rename("log", "other").unwrap();
        let (mut seen, mut n_renamed) = (BTreeSet::new(), 0);
        for seed in 0..200 {
            let after = disk.cut(&mut Chance::new(seed));
            let is_renamed = after.list().unwrap() == ["other"];
            n_renamed += u32::from(is_renamed);
            let bytes = found(&after, if is_renamed { "other" } else { "log" }).unwrap();
            assert!(bytes.chunks(SECTOR_BYTES).all(|sector| sector.iter().all(|byte| *byte == sector[0])));
            seen.insert(bytes.chunks(SECTOR_BYTES).map(|sector| sector[0]).collect::<Vec<u8>>());
        }
        assert!(seen.contains(&vec![1, 1]) && seen.contains(&vec![2, 2, 2, 2]) && seen.len() > 8, "{seen:?}");
        assert!((20..180).contains(&n_renamed), "{n_renamed} of 200");
    }

    #[test]
    fn calls_fail_when_they_are_told_to() {
        let disk = CrashDisk::default();
        let file = disk.create("log").unwrap();
        disk.fail_at(1, io::ErrorKind::Other);
        file.write_at(0, b"one").unwrap();
        assert!(file.write_at(3, b"four").is_err());
        file.write_at(3, b"two").unwrap();
        disk.set_bytes_max(Some(8));
        assert_eq!(file.write_at(6, b"six").unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!((found(&disk, "log").unwrap(), disk.free_bytes().unwrap()), (b"onetwo".to_vec(), 2));
    }
}
