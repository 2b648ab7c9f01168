//! Ticks as bytes, and blocks of ticks: packed, bounded, each with its checksum.

use super::bytes::{Bytes, Malformed, put};
use super::header::Header;
use super::inputs::{self, read_player, write_player};
use super::outcome::{FrameSum, Outcome};
use super::table::{Change, Table};
use crate::ids::DurableId;
use crate::input::Input;

/// Length of a block's head.
pub const BLOCK_HEAD_BYTES: usize = 28;
/// Unpacked bytes of a block at most; nobody is made to reserve more.
pub const BLOCK_BYTES_MAX: usize = 16 << 20;
/// A block is closed when it has this many bytes, or a second.
const BLOCK_BYTES: usize = 256 << 10;
/// A packed byte stands for at most this many: whoever claims more lies.
const UNPACKED_PER_BYTE: usize = 255;
/// Begins every block of ticks.
const BLOCK_MARK: [u8; 4] = *b"TICK";
/// Begins every block of the checkpoint that a recording goes on from; the number of its ticks is that of such blocks
/// from this one on.
const START_MARK: [u8; 4] = *b"ZONE";
/// Bytes of a checkpoint in one block.
const START_BYTES: usize = 4 << 20;
/// One recorded tick.
#[derive(Clone, Debug, Default)]
pub struct TickRecord {
    /// Which tick.
    pub tick: u32,
    /// What went in.
    pub inputs: Vec<Input>,
    /// The packets that came out, by durable id.
    pub frames: Vec<FrameSum>,
    /// A hash of the facts.
    pub facts: u64,
    /// A hash of what is under way and belongs to no entity.
    pub pending: u64,
    /// What became of the entities since the last digests; nothing when none were taken.
    pub changes: Option<Vec<Change>>,
}

impl TickRecord {
    /// Reads a tick from untrusted bytes; `table` knows the digests before it.
    pub(super) fn read(bytes: &mut Bytes<'_>, table: &mut Table) -> Result<Self, Malformed> {
        let tick = bytes.at_most(u64::from(u32::MAX), "a tick")? as u32;
        let inputs = inputs::read(bytes)?;
        let n_frames = bytes.count("the number of packets")?;
        let mut before = DurableId::default();
        let mut frames = Vec::with_capacity(n_frames);
        for _ in 0..n_frames {
            let player = read_player(bytes, &mut before)?;
            let n_bytes = bytes.at_most(u64::from(u16::MAX), "the length of a packet")? as u32;
            frames.push(FrameSum { player, n_bytes, sum: bytes.word("the sum of a packet")? });
        }
        let (facts, pending) = (bytes.long("the facts")?, bytes.long("what is pending")?);
        let changes = match bytes.byte("the entities")? {
            0 => None,
            1 => Some(table.read(bytes)?),
            _ => return Err(Malformed::Bounds("the entities")),
        };
        Ok(Self { tick, inputs, frames, facts, pending, changes })
    }
}

/// Why no more can be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriterError {
    /// One tick has more bytes than a block may.
    #[error("a block of {n_bytes} bytes is over the limit of {BLOCK_BYTES_MAX}")]
    TooLong {
        /// How many.
        n_bytes: usize,
    },
}

/// Turns ticks into the bytes of a recording. Its owner appends them to a file.
#[derive(Debug)]
pub struct Writer {
    ticks_per_block: u32,
    raw: Vec<u8>,
    packed: Vec<u8>,
    first_tick: u32,
    next_tick: u32,
    n_ticks: u32,
    table: Table,
    changes: Vec<Change>,
}

impl Writer {
    /// Begins a recording: appends its header.
    #[must_use]
    pub fn begin(header: &Header, out: &mut Vec<u8>) -> Self {
        out.extend_from_slice(&header.encode());
        Self {
            ticks_per_block: header.config.ticks_per_second,
            raw: Vec::new(),
            packed: Vec::new(),
            first_tick: 0,
            next_tick: header.now.wrapping_add(1),
            n_ticks: 0,
            table: Table::default(),
            changes: Vec::new(),
        }
    }

    /// The same of a world that goes on from a checkpoint: appends its bytes as well.
    #[must_use]
    pub fn begin_from(header: &Header, checkpoint: &[u8], out: &mut Vec<u8>) -> Self {
        let writer = Self::begin(header, out);
        let n_parts = checkpoint.len().div_ceil(START_BYTES) as u32;
        for (at, part) in (0..n_parts).zip(checkpoint.chunks(START_BYTES)) {
            let packed = lz4_flex::block::compress(part);
            write_marked(START_MARK, part.len(), &packed, header.now, n_parts - at, out);
        }
        writer
    }

    /// Takes one tick in; appends a block once it is full.
    ///
    /// - Shapes: `outcome` is sorted; ticks come in order.
    ///
    /// # Errors
    /// [`WriterError`]; the recording must end before this tick.
    pub fn add(&mut self, inputs: &[Input], outcome: &Outcome, out: &mut Vec<u8>) -> Result<(), WriterError> {
        self.begin_tick(outcome.tick);
        inputs::write(&mut self.raw, inputs);
        self.end_tick(outcome, out)
    }

    /// The same with inputs that [`inputs::write`] has written.
    pub(super) fn add_written(
        &mut self,
        inputs: &[u8],
        outcome: &Outcome,
        out: &mut Vec<u8>,
    ) -> Result<(), WriterError> {
        self.begin_tick(outcome.tick);
        self.raw.extend_from_slice(inputs);
        self.end_tick(outcome, out)
    }

    fn begin_tick(&mut self, tick: u32) {
        if self.n_ticks == 0 {
            self.first_tick = tick;
        }
        self.n_ticks += 1;
        self.next_tick = tick.wrapping_add(1);
        put(&mut self.raw, u64::from(tick));
    }

    fn end_tick(&mut self, outcome: &Outcome, out: &mut Vec<u8>) -> Result<(), WriterError> {
        let raw = &mut self.raw;
        put(raw, outcome.frames.len() as u64);
        let mut before = DurableId::default();
        for FrameSum { player, n_bytes, sum } in &outcome.frames {
            write_player(raw, &mut before, *player);
            put(raw, u64::from(*n_bytes));
            raw.extend_from_slice(&sum.to_le_bytes());
        }
        raw.extend_from_slice(&outcome.facts.to_le_bytes());
        raw.extend_from_slice(&outcome.pending.to_le_bytes());
        raw.push(u8::from(outcome.has_entities));
        if outcome.has_entities {
            self.table.write(raw, &outcome.entities, &mut self.changes);
        }
        if self.raw.len() >= BLOCK_BYTES || self.n_ticks >= self.ticks_per_block {
            self.close_block(out)?;
        }
        Ok(())
    }

    /// Ends the recording: appends what is left, and the mark that it is whole.
    ///
    /// # Errors
    /// [`WriterError`].
    pub fn end(self, out: &mut Vec<u8>) -> Result<(), WriterError> {
        let next_tick = self.next_tick;
        self.cut(out)?;
        write_block(0, &[], next_tick, 0, out);
        Ok(())
    }

    /// Appends what is left, and no mark: the zone went on, and nobody shall take this for its whole day.
    ///
    /// # Errors
    /// [`WriterError`].
    pub fn cut(mut self, out: &mut Vec<u8>) -> Result<(), WriterError> {
        if self.n_ticks > 0 { self.close_block(out) } else { Ok(()) }
    }

    fn close_block(&mut self, out: &mut Vec<u8>) -> Result<(), WriterError> {
        if self.raw.len() > BLOCK_BYTES_MAX {
            return Err(WriterError::TooLong { n_bytes: self.raw.len() });
        }
        self.packed.resize(lz4_flex::block::get_maximum_output_size(self.raw.len()), 0);
        let n_packed = lz4_flex::block::compress_into(&self.raw, &mut self.packed)
            .expect("there is room for the longest that can come of it");
        write_block(self.raw.len(), &self.packed[..n_packed], self.first_tick, self.n_ticks, out);
        self.raw.clear();
        self.n_ticks = 0;
        Ok(())
    }
}

/// Appends a block: the mark, four numbers, the checksum of the packed bytes, the checksum of all before it, and the
/// packed bytes.
pub(super) fn write_block(n_raw: usize, packed: &[u8], first_tick: u32, n_ticks: u32, out: &mut Vec<u8>) {
    write_marked(BLOCK_MARK, n_raw, packed, first_tick, n_ticks, out);
}

fn write_marked(
    mark: [u8; 4],
    n_raw: usize,
    packed: &[u8],
    first_tick: u32,
    n_ticks: u32,
    out: &mut Vec<u8>,
) {
    let start = out.len();
    out.extend_from_slice(&mark);
    for word in [n_raw as u32, packed.len() as u32, first_tick, n_ticks, crc32fast::hash(packed)] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    let crc = crc32fast::hash(&out[start..]);
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(packed);
}

/// What stands before the packed bytes of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockHead {
    /// It holds part of a checkpoint.
    pub(super) is_start: bool,
    pub(super) n_raw: u32,
    pub(super) n_packed: u32,
    pub(super) first_tick: u32,
    /// 0 ends the recording.
    pub(super) n_ticks: u32,
    pub(super) packed_crc: u32,
}

impl BlockHead {
    /// Whether no byte of the head has changed since it was written.
    pub(super) fn is_unchanged(bytes: &[u8; BLOCK_HEAD_BYTES]) -> bool {
        let (body, crc) = bytes.split_at(BLOCK_HEAD_BYTES - 4);
        crc == crc32fast::hash(body).to_le_bytes()
    }

    /// Reads a head from untrusted bytes.
    pub(super) fn read(bytes: &[u8; BLOCK_HEAD_BYTES]) -> Result<Self, Malformed> {
        let mut reader = Bytes::new(bytes);
        let mark = reader.take(4, "a block")?;
        let is_start = mark == START_MARK;
        if mark != BLOCK_MARK && !is_start {
            return Err(Malformed::Bounds("the mark of a block"));
        }
        let mut word = || reader.word("a block");
        let (n_raw, n_packed, first_tick, n_ticks) = (word()?, word()?, word()?, word()?);
        let head = Self { is_start, n_raw, n_packed, first_tick, n_ticks, packed_crc: word()? };
        let (n_raw, n_packed) = (head.n_raw as usize, head.n_packed as usize);
        if n_raw > BLOCK_BYTES_MAX || n_packed > lz4_flex::block::get_maximum_output_size(n_raw) {
            return Err(Malformed::Bounds("the length of a block"));
        }
        if n_raw > n_packed.saturating_mul(UNPACKED_PER_BYTE) || (n_raw == 0) != (head.n_ticks == 0) {
            return Err(Malformed::Bounds("the length of a block"));
        }
        Ok(head)
    }

    /// Unpacks what a block holds.
    pub(super) fn unpack_raw(&self, packed: &[u8]) -> Result<Vec<u8>, Malformed> {
        let mut raw = vec![0; self.n_raw as usize];
        let n =
            lz4_flex::block::decompress_into(packed, &mut raw).map_err(|_| Malformed::Bounds("a block"))?;
        if n == raw.len() { Ok(raw) } else { Err(Malformed::Short("a block")) }
    }

    /// Unpacks the ticks of a block.
    pub(super) fn unpack(&self, packed: &[u8], table: &mut Table) -> Result<Vec<TickRecord>, Malformed> {
        let raw = self.unpack_raw(packed)?;
        let mut bytes = Bytes::new(&raw);
        let mut ticks = Vec::new();
        for at in 0..self.n_ticks {
            let record = TickRecord::read(&mut bytes, table)?;
            if record.tick != self.first_tick.wrapping_add(at) {
                return Err(Malformed::Bounds("the number of a tick"));
            }
            ticks.push(record);
        }
        if bytes.n_left() > 0 { Err(Malformed::Bounds("the end of a block")) } else { Ok(ticks) }
    }
}
