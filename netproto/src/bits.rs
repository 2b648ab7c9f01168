//! Bits in, bits out: little-endian, least significant bit first, at most 24 bits a call.
//!
//! The writer keeps up to 64 bits in hand and stores eight bytes at a time; the reader loads eight bytes
//! at a time from a buffer that carries [`GUARD_BYTES`] readable zero bytes behind its end.
//! Source: docs/PROTOCOL.md "Bits".

use crate::DecodeError;

/// Readable bytes a decoder may touch behind the last byte of a frame.
pub const GUARD_BYTES: usize = 8;
/// The widest single field of a realtime frame; wider values travel as 16-bit pieces, low piece first.
pub const FIELD_BITS_MAX: u32 = 24;
/// The widest run of fields that [`BitWriter::put_run`] takes in one call.
pub const RUN_BITS_MAX: u32 = 56;

/// Appends bit fields to a caller's buffer.
#[derive(Debug)]
pub struct BitWriter<'a> {
    bytes: &'a mut [u8],
    held: u64,
    n_held: u32,
    /// Narrower than an index, so that the end of a store cannot overflow.
    at: u32,
}

impl<'a> BitWriter<'a> {
    /// Starts at the first bit of `bytes`; what the buffer held before is overwritten.
    ///
    /// - Shapes: `bytes` must have [`GUARD_BYTES`] spare bytes behind the longest frame.
    #[must_use]
    #[inline(always)]
    pub fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes, held: 0, n_held: 0, at: 0 }
    }

    /// Appends the low `n_bits` of `value`.
    ///
    /// - Cost: one unaligned eight-byte store, no branch on the value.
    ///
    /// # Panics
    /// If the buffer has less than eight bytes left: budgets are checked before a frame is written.
    #[inline(always)]
    pub fn put(&mut self, value: u32, n_bits: u32) {
        debug_assert!(n_bits <= FIELD_BITS_MAX, "field of {n_bits} bits");
        debug_assert!(u64::from(value) < 1 << n_bits, "{value} does not fit {n_bits} bits");
        self.put_run(u64::from(value), n_bits);
    }

    /// Appends a run of fields that was packed before, low field first.
    ///
    /// # Panics
    /// As [`BitWriter::put`].
    #[inline(always)]
    pub fn put_run(&mut self, run: u64, n_bits: u32) {
        debug_assert!(n_bits <= RUN_BITS_MAX, "run of {n_bits} bits");
        debug_assert!(run >> n_bits == 0, "run wider than {n_bits} bits");
        self.held |= run << self.n_held; // at most 7 bits are held: 7 + 56 fit
        let at = self.at as usize;
        self.bytes[at..at + 8].copy_from_slice(&self.held.to_le_bytes());
        let filled = self.n_held + n_bits;
        self.at += filled >> 3;
        self.held >>= filled & !7;
        self.n_held = filled & 7;
    }

    /// Appends one bit.
    #[inline(always)]
    pub fn put_bool(&mut self, value: bool) {
        self.put_run(u64::from(value), 1);
    }

    /// Appends 32 bits as two pieces of 16, low piece first.
    #[inline(always)]
    pub fn put_wide32(&mut self, value: u32) {
        self.put_run(u64::from(value), 32);
    }

    /// Bits written so far.
    #[must_use]
    #[inline(always)]
    pub fn n_bits(&self) -> usize {
        self.at as usize * 8 + self.n_held as usize
    }

    /// Ends the frame on a byte border and returns its length in bytes.
    #[must_use]
    #[inline(always)]
    pub fn finish(self) -> usize {
        self.n_bits().div_ceil(8)
    }
}

/// Reads bit fields back. Every read is checked against the frame's end.
#[derive(Clone, Debug)]
pub struct BitReader<'a> {
    bytes: &'a [u8],
    at_bit: usize,
    end_bit: usize,
}

impl<'a> BitReader<'a> {
    /// Reads `n_bytes` of `padded`.
    ///
    /// - Shapes: `padded.len() >= n_bytes + GUARD_BYTES`.
    ///
    /// # Panics
    /// If the guard bytes are missing: the caller copies into a padded buffer first.
    #[must_use]
    pub fn new(padded: &'a [u8], n_bytes: usize) -> Self {
        assert!(padded.len() >= n_bytes + GUARD_BYTES, "guard bytes are missing");
        Self { bytes: padded, at_bit: 0, end_bit: n_bytes * 8 }
    }

    /// The next `n_bits`, low bit first.
    ///
    /// # Errors
    /// [`DecodeError::Short`] when the frame ends inside the field.
    #[inline]
    pub fn take(&mut self, n_bits: u32) -> Result<u32, DecodeError> {
        debug_assert!(n_bits <= 32, "field of {n_bits} bits");
        self.take_run(n_bits).map(|run| run as u32)
    }

    /// The next run of at most [`RUN_BITS_MAX`] bits.
    ///
    /// # Errors
    /// As [`BitReader::take`].
    #[inline]
    pub fn take_run(&mut self, n_bits: u32) -> Result<u64, DecodeError> {
        debug_assert!(n_bits <= RUN_BITS_MAX, "run of {n_bits} bits");
        let end = self.at_bit + n_bits as usize;
        if end > self.end_bit {
            return Err(DecodeError::Short { at_bit: self.at_bit as u32, n_bits });
        }
        let at = self.at_bit >> 3;
        let mut word = [0; 8];
        word.copy_from_slice(&self.bytes[at..at + 8]);
        let run = (u64::from_le_bytes(word) >> (self.at_bit & 7)) & ((1 << n_bits) - 1);
        self.at_bit = end;
        Ok(run)
    }

    /// One bit.
    ///
    /// # Errors
    /// As [`BitReader::take`].
    #[inline]
    pub fn take_bool(&mut self) -> Result<bool, DecodeError> {
        Ok(self.take(1)? == 1)
    }

    /// 32 bits that travelled as two pieces of 16.
    ///
    /// # Errors
    /// As [`BitReader::take`].
    #[inline]
    pub fn take_wide32(&mut self) -> Result<u32, DecodeError> {
        self.take(32)
    }

    /// Bits read so far.
    #[must_use]
    pub fn at_bit(&self) -> usize {
        self.at_bit
    }

    /// Checks that nothing but the padding of the last byte is left, and that it is zero.
    ///
    /// # Errors
    /// [`DecodeError::Trailing`] when whole bytes, or set bits, are left over.
    pub fn finish(mut self) -> Result<(), DecodeError> {
        let left = self.end_bit - self.at_bit;
        if left >= 8 || self.take(left as u32)? != 0 {
            return Err(DecodeError::Trailing { at_bit: self.at_bit as u32 });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_width_at_every_offset_reads_back() {
        for n_bits in 1..=RUN_BITS_MAX {
            for offset in 0..=FIELD_BITS_MAX {
                let run = 0xdead_beef_cafe_f00d & ((1 << n_bits) - 1);
                let mut bytes = [0xff; 40];
                let mut writer = BitWriter::new(&mut bytes);
                writer.put((1 << offset) - 1, offset);
                writer.put_run(run, n_bits);
                writer.put(5, 3);
                let n_bytes = writer.finish();
                bytes[n_bytes..].fill(0);
                let mut reader = BitReader::new(&bytes, n_bytes);
                assert_eq!(reader.take(offset).unwrap(), (1 << offset) - 1);
                assert_eq!(reader.take_run(n_bits).unwrap(), run, "{n_bits} bits at {offset}");
                assert_eq!(reader.take(3).unwrap(), 5);
                reader.finish().unwrap();
            }
        }
    }

    #[test]
    fn a_read_past_the_end_is_short_and_left_over_bits_are_trailing() {
        let bytes = [0b10; 16];
        let mut reader = BitReader::new(&bytes, 1);
        assert_eq!(reader.take(9), Err(DecodeError::Short { at_bit: 0, n_bits: 9 }));
        assert_eq!(reader.take(1).unwrap(), 0);
        assert_eq!(reader.finish(), Err(DecodeError::Trailing { at_bit: 8 }));
        assert!(BitReader::new(&bytes, 2).finish().is_err());
    }
}
