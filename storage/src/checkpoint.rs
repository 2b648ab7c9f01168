//! Checkpoints: what a log led to up to some record, so that it need not be read from its start.
//!
//! A file appears whole or not at all: it is written beside its place, made safe, and moved there. The newest that is
//! valid counts; the ones before it are kept for the day on which it is not.
//!
//! ```text
//!  0  "ARCNCKPT"
//!  8  format, u16; 0, u16
//! 12  tick, u32
//! 16  LSN of the last record that is in it, u64
//! 24  bytes in all, u64
//! 32  CRC-32C of bytes 0-31
//! 36  blocks: length u32, packed length u32, CRC-32C of the packed bytes, packed bytes (LZ4)
//! ```

use crate::disk::{Disk, read_all};
use crate::place::Lsn;
use std::io;

/// Version of this layout.
pub const FORMAT: u16 = 1;
/// Checkpoints kept.
pub const KEPT: usize = 3;
const MAGIC: [u8; 8] = *b"ARCNCKPT";
const HEAD_BYTES: usize = 36;
const BLOCK_HEAD_BYTES: usize = 12;
const BLOCK_BYTES: usize = 256 * 1024;
const SUFFIX: &str = ".ckpt";
const BESIDE: &str = "checkpoint-";

/// Of what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Head {
    /// The last record that is in it.
    pub lsn: Lsn,
    /// The tick of that record.
    pub tick: u32,
}

/// Why a file is no checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// It does not begin as one, or a byte has changed.
    #[error("it is damaged at byte {at}")]
    Broken {
        /// Where that shows.
        at: usize,
    },
    /// A later build wrote it.
    #[error("it has format {0}; this build reads format {FORMAT}")]
    Newer(u16),
}

/// The newest valid checkpoint, and those that were passed over.
#[derive(Debug, Default)]
pub struct Newest {
    /// Of what it is, and what it says.
    pub found: Option<(Head, Vec<u8>)>,
    /// Names of files that are damaged, and what is wrong with them.
    pub passed_over: Vec<(String, String)>,
}

/// The bytes of a checkpoint's file.
///
/// - Cost: one pass of LZ4 over `raw`.
#[must_use]
pub fn encode(head: &Head, raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEAD_BYTES + raw.len() / 2);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&u32::from(FORMAT).to_le_bytes());
    out.extend_from_slice(&head.tick.to_le_bytes());
    out.extend_from_slice(&head.lsn.0.to_le_bytes());
    out.extend_from_slice(&(raw.len() as u64).to_le_bytes());
    out.extend_from_slice(&crc32c::crc32c(&out).to_le_bytes());
    for block in raw.chunks(BLOCK_BYTES) {
        let packed = lz4_flex::block::compress(block);
        for word in [block.len() as u32, packed.len() as u32, crc32c::crc32c(&packed)] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(&packed);
    }
    out
}

/// Reads the untrusted bytes of a checkpoint's file.
///
/// # Errors
/// [`CheckpointError`].
pub fn decode(bytes: &[u8]) -> Result<(Head, Vec<u8>), CheckpointError> {
    let (head, mut rest) =
        bytes.split_first_chunk::<HEAD_BYTES>().ok_or(CheckpointError::Broken { at: 0 })?;
    let word =
        |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    let long = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().expect("eight bytes"));
    if head[..8] != MAGIC || word(head, 32) != crc32c::crc32c(&head[..32]) {
        return Err(CheckpointError::Broken { at: 0 });
    }
    let format = u16::from_le_bytes([head[8], head[9]]);
    if format > FORMAT {
        return Err(CheckpointError::Newer(format));
    }
    let mut raw = Vec::new();
    while (raw.len() as u64) < long(24) {
        let broken = CheckpointError::Broken { at: bytes.len() - rest.len() };
        let (block, behind) = rest.split_first_chunk::<BLOCK_HEAD_BYTES>().ok_or(broken)?;
        let (n_raw, n_packed) = (word(block, 0) as usize, word(block, 4) as usize);
        let (packed, behind) = behind.split_at_checked(n_packed).ok_or(broken)?;
        if n_raw == 0 || n_raw > BLOCK_BYTES || word(block, 8) != crc32c::crc32c(packed) {
            return Err(broken);
        }
        let at = raw.len();
        raw.resize(at + n_raw, 0);
        let n = lz4_flex::block::decompress_into(packed, &mut raw[at..]).map_err(|_| broken)?;
        if n != n_raw {
            return Err(broken);
        }
        rest = behind;
    }
    if raw.len() as u64 != long(24) || !rest.is_empty() {
        return Err(CheckpointError::Broken { at: bytes.len() - rest.len() });
    }
    Ok((Head { lsn: Lsn(long(16)), tick: word(head, 12) }, raw))
}

/// Leaves a checkpoint, and removes those that are too old to be of use.
///
/// # Errors
/// As the disk says; the older ones are there then.
pub fn write(disk: &dyn Disk, head: &Head, raw: &[u8]) -> io::Result<()> {
    let bytes = encode(head, raw);
    let beside = format!("{BESIDE}{}", head.lsn);
    let file = disk.create(&beside)?;
    file.write_at(0, &bytes)?;
    file.sync()?;
    disk.rename(&beside, &name(head.lsn))?;
    disk.sync_names()?;
    let names = disk.list()?;
    let olds =
        names.iter().filter(|name| number(name).is_some_and(|lsn| lsn < head.lsn)).rev().skip(KEPT - 1);
    // What a crash left beside its place is of no use to anybody.
    let halves = names.iter().filter(|name| name.starts_with(BESIDE));
    for name in olds.chain(halves) {
        disk.remove(name)?;
    }
    Ok(())
}

/// The newest valid checkpoint, of records up to `at_most` if that is asked for.
///
/// # Errors
/// When the directory cannot be read, or a later build wrote the newest.
pub fn newest(disk: &dyn Disk, at_most: Option<Lsn>) -> io::Result<Newest> {
    let mut newest = Newest::default();
    for name in list(disk)?.into_iter().rev() {
        if at_most.is_some_and(|at_most| number(&name).is_some_and(|lsn| lsn > at_most)) {
            continue;
        }
        match disk.open(&name).and_then(|file| read_all(&*file)).map(|bytes| decode(&bytes)) {
            Ok(Ok(found)) => {
                newest.found = Some(found);
                return Ok(newest);
            }
            Ok(Err(CheckpointError::Newer(format))) => {
                let text = format!("{name}: {}", CheckpointError::Newer(format));
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
            Ok(Err(error)) => newest.passed_over.push((name, error.to_string())),
            Err(error) => newest.passed_over.push((name, error.to_string())),
        }
    }
    Ok(newest)
}

/// The oldest checkpoint that is kept: what a log holds up to it is not needed to come back.
///
/// # Errors
/// As the disk says.
pub fn oldest(disk: &dyn Disk) -> io::Result<Option<Lsn>> {
    Ok(list(disk)?.first().and_then(|name| number(name)))
}

/// Names of all checkpoints, oldest first.
fn list(disk: &dyn Disk) -> io::Result<Vec<String>> {
    let mut names = disk.list()?;
    names.retain(|name| number(name).is_some());
    Ok(names)
}

fn name(lsn: Lsn) -> String {
    format!("{:020}{SUFFIX}", lsn.0)
}

fn number(name: &str) -> Option<Lsn> {
    name.strip_suffix(SUFFIX).filter(|digits| digits.len() == 20)?.parse().ok().map(Lsn)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crash_disk::{Chance, CrashDisk};

    fn raw(n: u64) -> Vec<u8> {
        let mut chance = Chance::new(n);
        (0..300_000 + n as usize).map(|at| (at / 7) as u8 ^ (chance.draw() & 3) as u8).collect()
    }

    fn leave(disk: &CrashDisk, n: u64) -> io::Result<()> {
        write(disk, &Head { lsn: Lsn(n), tick: n as u32 * 2 }, &raw(n))
    }

    #[test]
    fn the_newest_comes_back_and_three_are_kept() {
        let disk = CrashDisk::default();
        assert!(newest(&disk, None).unwrap().found.is_none() && oldest(&disk).unwrap().is_none());
        for n in [3, 70, 900, 4_000, 50_000] {
            leave(&disk, n).unwrap();
        }
        assert_eq!((disk.list().unwrap().len(), oldest(&disk).unwrap()), (KEPT, Some(Lsn(900))));
        let of = |at_most| newest(&disk, at_most).unwrap().found;
        assert!(of(None) == Some((Head { lsn: Lsn(50_000), tick: 100_000 }, raw(50_000))));
        assert_eq!(of(Some(Lsn(4_100))).unwrap().0.lsn, Lsn(4_000));
    }

    #[test]
    fn a_damaged_one_is_passed_over_and_named() {
        let disk = CrashDisk::default();
        leave(&disk, 1).unwrap();
        leave(&disk, 2).unwrap();
        let n_bytes = encode(&Head { lsn: Lsn(2), tick: 4 }, &raw(2)).len();
        let mut chance = Chance::new(1);
        for _ in 0..200 {
            let (at, bit) = (chance.below(n_bytes), chance.below(8));
            disk.bend(&name(Lsn(2)), |bytes| bytes[at] ^= 1 << bit);
            let found = newest(&disk, None);
            // A later format is refused by its checksum before it is believed.
            let found = found.unwrap();
            assert_eq!((found.found.unwrap().0.lsn, found.passed_over.len()), (Lsn(1), 1), "byte {at}");
            disk.bend(&name(Lsn(2)), |bytes| bytes[at] ^= 1 << bit);
        }
        for n in (0..n_bytes).step_by(997) {
            let whole = encode(&Head { lsn: Lsn(2), tick: 4 }, &raw(2));
            assert!(decode(&whole[..n]).is_err(), "{n} bytes");
        }
    }

    #[test]
    fn power_may_be_cut_at_every_call() {
        for seed in 0..30 {
            for n in 0.. {
                let disk = CrashDisk::default();
                (1..=4).for_each(|n| leave(&disk, n).unwrap());
                disk.fail_from(n, io::ErrorKind::Other);
                let is_left = leave(&disk, 5).is_ok();
                let after = disk.cut(&mut Chance::new(seed << 8 | n));
                let found = newest(&after, None).unwrap();
                assert!(
                    found.passed_over.is_empty(),
                    "half a checkpoint has a name: {:?}",
                    found.passed_over
                );
                let (head, bytes) = found.found.unwrap();
                assert!(head.lsn.0 >= 4 + u64::from(is_left) && bytes == raw(head.lsn.0));
                if is_left {
                    break;
                }
            }
        }
    }
}
