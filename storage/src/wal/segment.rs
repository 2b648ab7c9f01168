//! A file of the log: a page that says whose it is, then records.
//!
//! ```text
//!    0  "ARCNWAL", 0
//!    8  format, u16
//!   10  writer, u16
//!   12  epoch, u16
//!   14  length of the build's name, u16, at most 64
//!   16  salt, u64: random, new with each use of the file
//!   24  LSN of the first record, u64
//!   32  name of the build that wrote it, then zeros
//! 4092  CRC-32C of all before it
//! ```

use super::record::Seed;
use crate::place::{Lsn, Owner};

/// The page before the records, in bytes.
pub const PAGE_BYTES: usize = 4096;
/// Version of this layout and of that of records.
pub const FORMAT: u16 = 1;
const MAGIC: [u8; 8] = *b"ARCNWAL\0";
const BUILD_AT: usize = 32;
const BUILD_BYTES_MAX: usize = 64;
const CRC_AT: usize = PAGE_BYTES - 4;
const SUFFIX: &str = ".wal";

/// What the page says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Whose log it is.
    pub owner: Owner,
    /// What checksums in it begin with.
    pub salt: u64,
    /// Its first record, once there is one.
    pub first: Lsn,
    /// Who wrote it.
    pub build: String,
}

/// Why a file is no segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PageError {
    /// It does not begin as one, or a byte has changed.
    #[error("its first page is not that of a segment")]
    Broken,
    /// A later build wrote it.
    #[error(
        "it has format {0}; this build reads format {FORMAT}: use the build that wrote it, or a later one"
    )]
    Newer(u16),
}

impl Page {
    /// The bytes of the page.
    #[must_use]
    pub fn encode(&self) -> [u8; PAGE_BYTES] {
        let mut page = [0; PAGE_BYTES];
        let mut end = self.build.len().min(BUILD_BYTES_MAX);
        while !self.build.is_char_boundary(end) {
            end -= 1;
        }
        page[..8].copy_from_slice(&MAGIC);
        for (at, short) in [(8, FORMAT), (10, self.owner.writer), (12, self.owner.epoch), (14, end as u16)] {
            page[at..at + 2].copy_from_slice(&short.to_le_bytes());
        }
        page[16..24].copy_from_slice(&self.salt.to_le_bytes());
        page[24..32].copy_from_slice(&self.first.0.to_le_bytes());
        page[BUILD_AT..BUILD_AT + end].copy_from_slice(&self.build.as_bytes()[..end]);
        let crc = crc32c::crc32c(&page[..CRC_AT]);
        page[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        page
    }

    /// Reads the page that untrusted bytes begin with.
    ///
    /// # Errors
    /// [`PageError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, PageError> {
        let page = bytes.first_chunk::<PAGE_BYTES>().ok_or(PageError::Broken)?;
        let is_whole = page[CRC_AT..] == crc32c::crc32c(&page[..CRC_AT]).to_le_bytes();
        if page[..8] != MAGIC || !is_whole {
            return Err(PageError::Broken);
        }
        let short = |at: usize| u16::from_le_bytes([page[at], page[at + 1]]);
        let long = |at: usize| u64::from_le_bytes(page[at..at + 8].try_into().expect("eight bytes"));
        if short(8) > FORMAT {
            return Err(PageError::Newer(short(8)));
        }
        let n_build = usize::from(short(14)).min(BUILD_BYTES_MAX);
        let build = String::from_utf8_lossy(&page[BUILD_AT..BUILD_AT + n_build]).into_owned();
        let owner = Owner { writer: short(10), epoch: short(12) };
        Ok(Self { owner, salt: long(16), first: Lsn(long(24)), build })
    }

    /// What checksums of its records begin with.
    #[must_use]
    pub fn seed(&self) -> Seed {
        Seed::of(self.salt)
    }
}

/// The name of segment number `n`; names are in the order of the segments.
#[must_use]
pub fn name(n: u64) -> String {
    format!("{n:010}{SUFFIX}")
}

/// The number of the segment with this name.
#[must_use]
pub fn number(name: &str) -> Option<u64> {
    name.strip_suffix(SUFFIX).filter(|digits| digits.len() >= 10)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_comes_back_and_no_bit_of_it_can_turn() {
        let owner = Owner { writer: 1, epoch: 9 };
        let page = Page { owner, salt: 77, first: Lsn(1 << 40), build: "arcane 0.1.0".to_owned() };
        let bytes = page.encode();
        assert_eq!(Page::decode(&bytes), Ok(page));
        for bit in 0..PAGE_BYTES * 8 {
            let mut bent = bytes;
            bent[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Page::decode(&bent), Err(PageError::Broken), "bit {bit}");
        }
        assert_eq!(Page::decode(&bytes[..PAGE_BYTES - 1]), Err(PageError::Broken));
    }

    #[test]
    fn a_segment_of_a_later_build_is_told_apart() {
        let mut bytes =
            Page { owner: Owner::default(), salt: 1, first: Lsn(1), build: String::new() }.encode();
        bytes[8] = 2;
        let crc = crc32c::crc32c(&bytes[..CRC_AT]);
        bytes[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(Page::decode(&bytes), Err(PageError::Newer(2)));
    }

    #[test]
    fn names_are_in_the_order_of_numbers() {
        assert_eq!((name(7).as_str(), number(&name(7))), ("0000000007.wal", Some(7)));
        assert!(name(9) < name(10) && number("7.wal").is_none() && number("spare-1").is_none());
    }
}
