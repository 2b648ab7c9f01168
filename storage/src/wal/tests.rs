//! A log is written, cut, bent and read again: what was confirmed is there, and nothing that was not written.

use super::log::{CommitError, Log, OpenError, Options};
use super::record::HEAD_BYTES;
use super::scan::{End, Scan, ScanError};
use super::segment::{self, PAGE_BYTES};
use crate::crash_disk::{Chance, CrashDisk};
use crate::disk::{Directory, Disk, read_all};
use crate::place::{Lsn, Owner};
use std::io;
use std::sync::Arc;

const SEGMENT_BYTES: usize = 3 * PAGE_BYTES;

fn options(seed: u64) -> Options {
    let mut salts = Chance::new(seed);
    Options {
        writer: 1,
        segment_bytes: SEGMENT_BYTES,
        build: "a test".to_owned(),
        salts: Box::new(move || salts.draw()),
        first_epoch: 1,
        accept_loss: None,
    }
}

fn open(disk: &CrashDisk, seed: u64) -> Result<(Log, Scan), OpenError> {
    Log::open(Arc::new(disk.clone()), options(seed))
}

/// What record `lsn` says.
fn payload(lsn: Lsn) -> Vec<u8> {
    let mut chance = Chance::new(lsn.0);
    let n = chance.below(400);
    (0..n).map(|_| chance.draw() as u8).collect()
}

/// Appends and commits for a while: commits of one to four records, files given up now and then. Returns the last
/// record that was confirmed, and the last that may be gone.
fn write(log: &mut Log, chance: &mut Chance, n_commits: usize) -> (Lsn, Lsn, io::Result<()>) {
    let mut released = Lsn(0);
    let mut step = || {
        for _ in 0..=chance.below(4) {
            let lsn = log.next();
            log.append(lsn.0 as u32, 2, &payload(lsn));
        }
        log.commit().map_err(io::Error::other)?;
        if chance.below(5) == 0 {
            released = released.max(Lsn(log.durable().0.saturating_sub(chance.below(40) as u64)));
            log.release(released)?;
        }
        while chance.below(3) > 0 && !log.prepare()? {}
        Ok(())
    };
    let result = (0..n_commits).try_for_each(|_| step());
    (log.durable(), released, result)
}

/// Every record of a log, checked; returns the first and the last.
fn check(disk: &dyn Disk, scan: &Scan) -> (Lsn, Lsn) {
    let mut expected = scan.first().unwrap_or(Lsn(1));
    let first = expected;
    scan.each::<io::Error>(disk, Lsn(0), |record| {
        assert_eq!((record.lsn, record.tick, record.kind), (expected, expected.0 as u32, 2));
        assert!(record.payload == payload(expected), "record {expected} says something else");
        expected = expected.next();
        Ok(())
    })
    .unwrap();
    assert_eq!(expected, scan.next());
    (first, Lsn(expected.0 - 1))
}

#[test]
fn a_log_goes_on_where_it_ended_in_a_new_epoch() {
    let disk = CrashDisk::default();
    let mut confirmed = Lsn(0);
    for epoch in 1..=6 {
        let (mut log, scan) = open(&disk, u64::from(epoch)).unwrap();
        assert_eq!(log.owner(), Owner { writer: 1, epoch });
        assert_eq!((check(&disk, &scan).1, log.next()), (confirmed, confirmed.next()));
        let (durable, _, result) = write(&mut log, &mut Chance::new(epoch.into()), 30);
        result.unwrap();
        assert!(durable > confirmed);
        confirmed = durable;
    }
    let (log, scan) = open(&disk, 9).unwrap();
    assert_eq!(scan.end, Some(End::Clean), "{scan:?}");
    assert!(scan.each::<io::Error>(&disk, log.next(), |_| panic!("there is nothing")).is_ok());
}

/// Cuts the power at a call, some calls behind the opening, and looks what is left; then again on what was left.
fn cut_at(n: u64, seed: u64) -> Option<u64> {
    let mut disk = CrashDisk::default();
    let mut chance = Chance::new(seed ^ n << 20);
    let (mut confirmed, mut released) = (Lsn(0), Lsn(0));
    let mut is_over = false;
    for generation in 0..3 {
        disk.fail_from(n, io::ErrorKind::Other);
        if let Ok((mut log, scan)) = open(&disk, seed << 8 | generation) {
            let (first, last) = check(&disk, &scan);
            assert!(last >= confirmed, "{confirmed} was confirmed, {last} is the last");
            assert!(first <= released.next(), "{released} was given up, {first} is the first");
            let wrote = write(&mut log, &mut chance, 25);
            confirmed = confirmed.max(wrote.0);
            released = released.max(wrote.1);
            is_over = wrote.2.is_ok();
        }
        disk = disk.cut(&mut chance);
        let scan = Scan::of(&disk).unwrap_or_else(|error| panic!("call {n}, seed {seed}: {error}"));
        assert!(check(&disk, &scan).1 >= confirmed, "call {n}, seed {seed}: {confirmed} is gone");
    }
    (!is_over).then_some(n)
}

#[test]
fn power_may_be_cut_at_every_call() {
    for seed in 0..12 {
        let n_calls = (0..).find(|n| cut_at(*n, seed).is_none()).unwrap();
        assert!(n_calls > 60, "only {n_calls} calls were cut at");
    }
}

/// A log of one file and a few commits, as it lies on a disk.
fn small(stale: bool) -> (CrashDisk, Vec<u8>, Vec<usize>) {
    let disk = CrashDisk::default();
    if stale {
        // An earlier use of the same file, full of valid records.
        let (mut log, _) = open(&disk, 1).unwrap();
        write(&mut log, &mut Chance::new(2), 60).2.unwrap();
        log.release(log.durable()).unwrap();
        while !log.prepare().unwrap() {}
    }
    let (mut log, _) = open(&disk, 3).unwrap();
    let mut ends = vec![PAGE_BYTES];
    let name = segment::name(tail(&disk));
    for n in 0..5u32 {
        for _ in 0..=n % 3 {
            let lsn = log.next();
            log.append(lsn.0 as u32, 2, &payload(lsn)[..payload(lsn).len().min(90)]);
        }
        log.commit().unwrap();
        ends.push(Scan::of(&disk).unwrap().files.last().unwrap().end as usize);
    }
    let bytes = read_all(&*disk.open(&name).unwrap()).unwrap();
    (disk, bytes, ends)
}

fn tail(disk: &CrashDisk) -> u64 {
    disk.list().unwrap().iter().filter_map(|name| segment::number(name)).max().unwrap()
}

#[test]
fn what_an_earlier_use_of_a_segment_left_is_never_read() {
    // A file that holds records 1 to 9 of equal lengths is used again, as it is after a commit that failed, and holds
    // records 1 to 3 then. Behind them lie the old ones, at the right places, with the right numbers.
    let disk = CrashDisk::default();
    let (mut log, _) = open(&disk, 1).unwrap();
    let write = |log: &mut Log, n, said: &[u8]| {
        for _ in 0..n {
            log.append(7, 2, said);
            log.commit().unwrap();
        }
    };
    write(&mut log, 9, b"old");
    disk.rename(&segment::name(tail(&disk)), "spare-100").unwrap();
    let (mut log, _) = open(&disk, 2).unwrap();
    write(&mut log, 3, b"new");
    let scan = Scan::of(&disk).unwrap();
    let mut n_records = 0;
    let seen = scan.each::<io::Error>(&disk, Lsn(0), |record| {
        n_records += 1;
        assert_eq!(record.payload, b"new", "record {} is of an earlier use", record.lsn);
        Ok(())
    });
    assert!(seen.is_ok() && n_records == 3);
    let names: Vec<String> = disk.list().unwrap();
    assert!(!names.contains(&"spare-100".to_owned()), "the old file was not used: {names:?}");
}

#[test]
fn a_log_that_is_cut_at_any_byte_is_shorter_and_nothing_else() {
    for stale in [false, true] {
        let (disk, bytes, ends) = small(stale);
        let name = segment::name(tail(&disk));
        let old = bytes.clone();
        let n_old = Scan::of(&disk).unwrap().files.last().unwrap().page.first.0;
        for cut in PAGE_BYTES..=*ends.last().unwrap() {
            disk.bend(&name, |bytes| {
                bytes.copy_from_slice(&old);
                bytes[cut..].fill(0);
            });
            let scan = Scan::of(&disk).unwrap();
            let last = scan.files.last().unwrap();
            assert!(last.end as usize <= cut.next_multiple_of(8), "{cut}");
            // Whole records in front of the cut are all there.
            let whole = ends.iter().filter(|end| **end <= cut).max().unwrap();
            assert!(last.end as usize >= *whole && last.last.0 + 1 >= n_old, "{cut}");
        }
    }
}

#[test]
fn a_turned_bit_is_found_and_a_damaged_log_is_not_gone_on_with() {
    let (disk, bytes, ends) = small(true);
    let name = segment::name(tail(&disk));
    let whole = Scan::of(&disk).unwrap();
    let before_last = ends[ends.len() - 2];
    let (mut n_torn, mut n_rotten, mut n_unseen) = (0, 0, 0);
    for bit in PAGE_BYTES * 8..ends[ends.len() - 1] * 8 {
        disk.bend(&name, |bent| bent[bit / 8] ^= 1 << (bit % 8));
        match Scan::of(&disk) {
            // The spare bytes behind a payload say nothing.
            Ok(scan) if scan == whole => n_unseen += 1,
            Ok(scan) => {
                assert!(bit / 8 >= before_last, "bit {bit} is of a commit that others followed");
                assert!(scan.files.last().unwrap().end as usize <= bit / 8);
                n_torn += 1;
            }
            Err(ScanError::Rotten { lsn, newest, .. }) => {
                assert!(lsn < newest && bit / 8 < before_last);
                n_rotten += 1;
            }
            Err(error) => panic!("bit {bit}: {error}"),
        }
        disk.bend(&name, |bent| bent.copy_from_slice(&bytes));
    }
    assert!(n_torn > 500 && n_rotten > 2_000 && n_unseen < 600, "{n_torn} {n_rotten} {n_unseen}");
}

#[test]
fn a_damaged_log_opens_only_for_whoever_accepts_the_loss() {
    let (disk, bytes, ends) = small(false);
    let name = segment::name(tail(&disk));
    disk.bend(&name, |bent| bent[ends[1] + HEAD_BYTES] ^= 1);
    let Err(OpenError::Scan(ScanError::Rotten { lsn, .. })) = open(&disk, 7) else { panic!("it opened") };
    assert!(read_all(&*disk.open(&name).unwrap()).unwrap()[..ends[1]] == bytes[..ends[1]], "it was changed");
    let accept = |from| Options { accept_loss: Some(from), ..options(8) };
    assert!(Log::open(Arc::new(disk.clone()), accept(lsn.next())).is_err(), "that loss was not accepted");
    let (mut log, scan) = Log::open(Arc::new(disk.clone()), accept(lsn)).unwrap();
    assert_eq!((log.next(), scan.next()), (lsn, lsn));
    log.append(1, 2, b"new");
    log.commit().unwrap();
    assert_eq!(Scan::of(&disk).unwrap().next(), lsn.next(), "the loss was accepted once and for all");
}

#[test]
fn a_file_that_is_gone_from_the_middle_is_missed() {
    let disk = CrashDisk::default();
    let (mut log, _) = open(&disk, 1).unwrap();
    for _ in 0..200 {
        let lsn = log.next();
        log.append(lsn.0 as u32, 2, &payload(lsn));
        log.commit().unwrap();
    }
    let names: Vec<String> =
        disk.list().unwrap().into_iter().filter(|name| segment::number(name).is_some()).collect();
    disk.remove(&names[names.len() / 2]).unwrap();
    assert!(matches!(Scan::of(&disk), Err(ScanError::Rotten { .. })));
}

#[test]
fn a_commit_that_fails_once_goes_to_a_fresh_file_and_twice_ends_the_log() {
    for n in 0..2 {
        let disk = CrashDisk::default();
        let (mut log, _) = open(&disk, 1).unwrap();
        while !log.prepare().unwrap() {}
        log.append(1, 2, &payload(Lsn(1)));
        log.commit().unwrap();
        disk.fail_at(n, io::ErrorKind::Other); // the write, then the sync
        for lsn in [2, 3] {
            log.append(lsn as u32, 2, &payload(Lsn(lsn)));
        }
        log.commit().unwrap();
        assert_eq!(log.durable(), Lsn(3));
        let left = disk.cut(&mut Chance::new(n));
        assert_eq!(check(&left, &Scan::of(&left).unwrap()), (Lsn(1), Lsn(3)));
        disk.fail_from(1, io::ErrorKind::Other);
        log.append(4, 2, &payload(Lsn(4)));
        assert!(matches!(log.commit(), Err(CommitError::Failed(_))));
        assert_eq!(log.durable(), Lsn(3));
    }
}

#[test]
fn a_full_disk_is_found_out_before_a_file_is_needed_and_forgotten_when_there_is_room() {
    let disk = CrashDisk::default();
    disk.set_bytes_max(Some(5 * SEGMENT_BYTES));
    let (mut log, _) = open(&disk, 1).unwrap();
    let mut prepared = Ok(false);
    let mut appended = 0;
    let full = loop {
        if prepared.is_ok() {
            prepared = log.prepare();
        }
        let lsn = log.next();
        log.append(lsn.0 as u32, 2, &payload(lsn));
        match log.commit() {
            Ok(()) => appended += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(full, CommitError::Full(_)) && prepared.is_err(), "{full}");
    assert!(appended > 60 && log.durable() == Lsn(appended));
    assert!(matches!(log.commit(), Err(CommitError::Full(_))), "nothing has changed");
    disk.set_bytes_max(None);
    log.commit().unwrap();
    assert_eq!(log.durable(), Lsn(appended + 1), "what waited is safe");
    check(&disk, &Scan::of(&disk).unwrap());
}

#[test]
fn files_are_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, _) = Log::open(Arc::new(Directory::at(dir.path())), options(1)).unwrap();
    let mut most = 0;
    for _ in 0..40 {
        write(&mut log, &mut Chance::new(9), 12).2.unwrap();
        log.release(log.durable()).unwrap();
        while !log.prepare().unwrap() {}
        most = most.max(std::fs::read_dir(dir.path()).unwrap().count());
    }
    assert!(log.durable() > Lsn(500) && most <= 5, "{most} files at a time");
    let disk = Directory::at(dir.path());
    check(&disk, &Scan::of(&disk).unwrap());
}

#[test]
fn a_log_of_somebody_else_is_refused() {
    let disk = CrashDisk::default();
    open(&disk, 1).unwrap();
    let other = Options { writer: 2, ..options(1) };
    assert!(matches!(Log::open(Arc::new(disk), other), Err(OpenError::Writer { found: 1, expected: 2 })));
}
