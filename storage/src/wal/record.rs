//! One record: a head of 24 bytes, the payload, and zeros up to the next multiple of eight.
//!
//! ```text
//!  0  length of the payload + 1, u32; 0: nothing follows in this segment
//!  4  CRC-32C of the segment's salt, bytes 0-3, bytes 8-23 and the payload
//!  8  LSN, u64
//! 16  tick, u32
//! 20  kind, u8
//! 21  0
//! 22  how many records of its commit lie before it, u16
//! ```
//!
//! Everything is written low byte first. Source: docs/storage.md "Log".

use crate::mutants;
use crate::place::Lsn;

/// What lies before a payload.
pub const HEAD_BYTES: usize = 24;
/// Records begin at multiples of this.
pub const ALIGN: usize = 8;
/// Records of one commit: what may be torn by a cut, as far as anybody can tell afterwards.
pub const COMMIT_RECORDS_MAX: usize = u16::MAX as usize;

const CRC_AT: usize = 4;
const LSN_AT: usize = 8;
const NTH_AT: usize = 22;

/// A record as it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Where it lies.
    pub lsn: Lsn,
    /// Which tick it is of.
    pub tick: u32,
    /// What it is; the owner of the log knows.
    pub kind: u8,
    /// How many records of its commit lie before it.
    pub nth: u16,
    /// What it says.
    pub payload: &'a [u8],
}

/// What the checksums of one segment begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(u32);

impl Seed {
    /// Of a segment with this salt.
    #[must_use]
    pub fn of(salt: u64) -> Self {
        Self(if mutants::is_on("no-salt") { 0 } else { crc32c::crc32c(&salt.to_le_bytes()) })
    }

    fn sum(self, record: &[u8]) -> u32 {
        let crc = crc32c::crc32c_append(self.0, &record[..CRC_AT]);
        crc32c::crc32c_append(crc, &record[LSN_AT..])
    }
}

/// Bytes that a record takes with this payload.
#[must_use]
pub fn n_bytes(n_payload: usize) -> usize {
    (HEAD_BYTES + n_payload).next_multiple_of(ALIGN)
}

/// Appends a record that [`seal`] has yet to make valid.
pub(super) fn write(out: &mut Vec<u8>, lsn: Lsn, tick: u32, kind: u8, payload: &[u8]) {
    let start = out.len();
    out.extend_from_slice(&(payload.len() as u32 + 1).to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&lsn.0.to_le_bytes());
    out.extend_from_slice(&tick.to_le_bytes());
    out.extend_from_slice(&[kind, 0, 0, 0]);
    out.extend_from_slice(payload);
    out.resize(start + n_bytes(payload.len()), 0);
}

/// Makes a record valid in a segment, as the `nth` of its commit; `bytes` begin with it. Returns its length.
pub(super) fn seal(bytes: &mut [u8], seed: Seed, nth: u16) -> usize {
    let n_payload = word(bytes, 0) as usize - 1;
    let n_whole = HEAD_BYTES + n_payload;
    bytes[NTH_AT..NTH_AT + 2].copy_from_slice(&nth.to_le_bytes());
    let crc = seed.sum(&bytes[..n_whole]);
    bytes[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
    n_bytes(n_payload)
}

/// Length of the record that `bytes` begin with, before it is known to be valid.
pub(super) fn n_bytes_at(bytes: &[u8]) -> Option<usize> {
    let n_payload = (word(bytes.get(..HEAD_BYTES)?, 0) as usize).checked_sub(1)?;
    Some(n_bytes(n_payload)).filter(|n| *n <= bytes.len())
}

/// The record that untrusted bytes begin with, if there is a valid one.
#[must_use]
pub fn read(bytes: &[u8], seed: Seed) -> Option<Record<'_>> {
    let n_payload = (word(bytes.get(..HEAD_BYTES)?, 0) as usize).checked_sub(1)?;
    let whole = bytes.get(..HEAD_BYTES.checked_add(n_payload)?)?;
    if word(whole, CRC_AT) != seed.sum(whole) {
        return None;
    }
    let (head, payload) = whole.split_at(HEAD_BYTES);
    let lsn = u64::from_le_bytes(head[LSN_AT..LSN_AT + 8].try_into().expect("eight bytes"));
    let nth = u16::from_le_bytes(head[NTH_AT..].try_into().expect("two bytes"));
    Some(Record { lsn: Lsn(lsn), tick: word(head, 16), kind: head[20], nth, payload })
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_and_no_bit_of_it_can_turn() {
        let seed = Seed::of(7);
        for payload in [&b""[..], b"a", b"twelve bytes", &[9; 300]] {
            let mut bytes = Vec::new();
            write(&mut bytes, Lsn(41), 1_000, 3, payload);
            assert_eq!(read(&bytes, seed), None, "it is not sealed yet");
            assert_eq!(seal(&mut bytes, seed, 2), bytes.len());
            let record = Record { lsn: Lsn(41), tick: 1_000, kind: 3, nth: 2, payload };
            assert_eq!((read(&bytes, seed), n_bytes_at(&bytes)), (Some(record), Some(bytes.len())));
            assert_eq!(read(&bytes, Seed::of(8)), None, "of another segment");
            for bit in 0..(HEAD_BYTES + payload.len()) * 8 {
                let mut bent = bytes.clone();
                bent[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(read(&bent, seed), None, "bit {bit}");
            }
            for n in 0..HEAD_BYTES + payload.len() {
                assert_eq!(read(&bytes[..n], seed), None, "{n} bytes");
            }
        }
    }
}
