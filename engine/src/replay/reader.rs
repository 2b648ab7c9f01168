//! Takes a recording apart, piece by piece: the owner brings bytes, as many as are asked for.

pub use super::blocks::TickRecord;
use super::blocks::{BLOCK_HEAD_BYTES, BlockHead};
use super::bytes::Malformed;
use super::header::{HEADER_BYTES, Header, HeaderError};
use super::table::Table;

/// Why a recording could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// It does not begin as one.
    #[error("{0}")]
    Header(#[from] HeaderError),
    /// A byte has changed since it was written.
    #[error("the block at byte {at} fails its checksum")]
    Checksum {
        /// Where the block begins.
        at: u64,
    },
    /// The bytes are as they were written, and make no sense.
    #[error("the block at byte {at} makes no sense: {error}")]
    Malformed {
        /// Where the block begins.
        at: u64,
        /// What is wrong.
        error: Malformed,
    },
    /// There is something behind the end.
    #[error("something follows the end at byte {at}")]
    Trailing {
        /// First byte that does not belong.
        at: u64,
    },
}

/// What the bytes held.
#[derive(Clone, Debug)]
pub enum Piece {
    /// Which world it is.
    Header(Header),
    /// Part of the checkpoint that it goes on from, if it is not a new one.
    Start {
        /// The next bytes of it.
        bytes: Vec<u8>,
        /// There are no more.
        is_last: bool,
    },
    /// What happened in it, for a while.
    Ticks(Vec<TickRecord>),
    /// The mark at the end: everything is there.
    End,
}

/// How a recording ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// With its mark.
    Whole,
    /// Behind a block, without the mark: whoever wrote it was stopped between two blocks.
    Open,
    /// Inside of a block, which is lost: whoever wrote it was stopped while writing.
    Torn {
        /// Where the block begins.
        at: u64,
        /// Bytes that are there.
        have: u64,
    },
}

#[derive(Clone, Debug)]
enum Next {
    Header,
    Head,
    Body(BlockHead),
    Nothing,
}

/// The machine: ask [`Reader::need`], bring so many bytes to [`Reader::handle_bytes`]; when there are fewer, tell
/// [`Reader::handle_end`] how many there were.
#[derive(Clone, Debug)]
pub struct Reader {
    next: Next,
    /// Where the piece under way begins.
    at: u64,
    next_tick: Option<u32>,
    table: Table,
}

impl Default for Reader {
    fn default() -> Self {
        Self { next: Next::Header, at: 0, next_tick: None, table: Table::default() }
    }
}

impl Reader {
    /// How many bytes come next: never more than a block may have.
    #[must_use]
    pub fn need(&self) -> usize {
        match &self.next {
            Next::Header => HEADER_BYTES,
            Next::Head | Next::Nothing => BLOCK_HEAD_BYTES,
            Next::Body(head) => head.n_packed as usize,
        }
    }

    /// Takes the next bytes, as many as were asked for; gives a piece when one is complete.
    ///
    /// # Errors
    /// [`ReadError`]; nothing behind it can be read.
    ///
    /// # Panics
    /// If there are not as many bytes as were asked for.
    pub fn handle_bytes(&mut self, bytes: &[u8]) -> Result<Option<Piece>, ReadError> {
        assert_eq!(bytes.len(), self.need(), "other bytes than were asked for");
        let at = self.at;
        match std::mem::replace(&mut self.next, Next::Nothing) {
            Next::Header => {
                let header = Header::decode(bytes.try_into().expect("its length was checked"))?;
                (self.next, self.at) = (Next::Head, HEADER_BYTES as u64);
                Ok(Some(Piece::Header(header)))
            }
            Next::Head => {
                let bytes = bytes.try_into().expect("its length was checked");
                if !BlockHead::is_unchanged(bytes) {
                    return Err(ReadError::Checksum { at });
                }
                let head = BlockHead::read(bytes).map_err(|error| ReadError::Malformed { at, error })?;
                self.next = Next::Body(head);
                // The mark at the end has no bytes to wait for.
                if head.n_packed == 0 { self.handle_bytes(&[]) } else { Ok(None) }
            }
            Next::Body(head) => self.handle_block(head, bytes).map(Some),
            Next::Nothing => Err(ReadError::Trailing { at }),
        }
    }

    fn handle_block(&mut self, head: BlockHead, packed: &[u8]) -> Result<Piece, ReadError> {
        let at = self.at;
        if head.packed_crc != crc32fast::hash(packed) {
            return Err(ReadError::Checksum { at });
        }
        if self.next_tick.is_some_and(|tick| tick != head.first_tick) {
            return Err(ReadError::Malformed { at, error: Malformed::Bounds("the first tick") });
        }
        if head.is_start && (self.next_tick.is_some() || head.n_ticks == 0) {
            return Err(ReadError::Malformed { at, error: Malformed::Bounds("a checkpoint behind ticks") });
        }
        self.at += (BLOCK_HEAD_BYTES + packed.len()) as u64;
        if head.is_start {
            let bytes = head.unpack_raw(packed).map_err(|error| ReadError::Malformed { at, error })?;
            self.next = Next::Head;
            return Ok(Piece::Start { bytes, is_last: head.n_ticks == 1 });
        }
        if head.n_ticks == 0 {
            return Ok(Piece::End);
        }
        let ticks =
            head.unpack(packed, &mut self.table).map_err(|error| ReadError::Malformed { at, error })?;
        self.next_tick = Some(head.first_tick.wrapping_add(head.n_ticks));
        self.next = Next::Head;
        Ok(Piece::Ticks(ticks))
    }

    /// The bytes are over; `have` of those that were asked for were left.
    ///
    /// # Errors
    /// [`ReadError::Header`] when not even a header was there, [`ReadError::Trailing`] when something follows the end.
    pub fn handle_end(&self, have: usize) -> Result<Tail, ReadError> {
        let at = self.at;
        match &self.next {
            Next::Header => Err(HeaderError::Malformed(Malformed::Short("the header")).into()),
            Next::Nothing if have > 0 => Err(ReadError::Trailing { at }),
            Next::Nothing => Ok(Tail::Whole),
            Next::Head if have == 0 => Ok(Tail::Open),
            Next::Head => Ok(Tail::Torn { at, have: have as u64 }),
            Next::Body(..) => Ok(Tail::Torn { at, have: (BLOCK_HEAD_BYTES + have) as u64 }),
        }
    }
}
