//! Answers for a block of rows in one word: bit k says yes or no for row k.
#![allow(unsafe_code)]

/// Rows of a block, and bits of its mask.
pub const BLOCK: usize = 64;

/// Bytes that are asked at once.
pub const LANES: usize = 16;

/// Asks for every row of a block; the first row is the lowest bit.
///
/// - Shapes: `is_so` without branches over `[T; BLOCK]` becomes vector instructions.
#[inline(always)]
#[must_use]
pub fn mask(is_so: impl Fn(usize) -> bool) -> u64 {
    let mut mask = 0;
    for first in (0..BLOCK).step_by(LANES) {
        let mut bytes = [0; LANES];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from(is_so(first + at)).wrapping_neg();
        }
        mask |= u64::from(tops(&bytes)) << first;
    }
    mask
}

/// The top bits of sixteen bytes; the first byte's is the lowest.
#[must_use]
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub fn tops(bytes: &[u8; LANES]) -> u16 {
    use std::arch::x86_64::{_mm_loadu_si128, _mm_movemask_epi8};
    // SAFETY: both need SSE2 and nothing else, and every x86-64 processor has it; sixteen bytes are there to be read,
    // and need no alignment.
    unsafe { _mm_movemask_epi8(_mm_loadu_si128(bytes.as_ptr().cast())) as u16 }
}

/// The top bits of sixteen bytes; the first byte's is the lowest.
#[must_use]
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
pub fn tops(bytes: &[u8; LANES]) -> u16 {
    let eight = |at: usize| {
        let word = u64::from_le_bytes(bytes.as_chunks().0[at]) >> 7 & 0x0101_0101_0101_0101;
        // Byte k lands on bit k of the product's top byte, and no two meet on the way.
        (word.wrapping_mul(0x0102_0408_1020_4080) >> 56) as u16
    };
    eight(0) | eight(1) << 8
}

/// Positions of the set bits, lowest first.
#[inline(always)]
pub fn ones(mut mask: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        (mask != 0).then(|| {
            let at = mask.trailing_zeros() as usize;
            mask &= mask - 1;
            at
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_its_bit() {
        for seed in 0..200u64 {
            let expected = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            assert_eq!(mask(|at| expected >> at & 1 == 1), expected);
            let found = ones(expected).fold(0, |mask, at| mask | 1 << at);
            assert_eq!(found, expected);
        }
        assert_eq!((mask(|_| true), mask(|_| false)), (u64::MAX, 0));
    }
}
