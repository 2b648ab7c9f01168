//! Bends bytes as a stranger would: bit by bit, field by field, piece by piece.
//!
//! The wire packs fields of any width at any bit, so fields are bent where bits are, not where bytes are.

use crate::rng::Rng;

/// Values at which decoders have their borders.
const BORDERS: [u64; 12] = [0, 1, 2, 15, 16, 63, 64, 127, 128, 255, 65_535, u64::MAX];
/// The widest field that is overwritten at once.
const FIELD_BITS_MAX: usize = 32;

/// Bends `bytes` one to five times; `others` are inputs to take pieces of.
///
/// - Shapes: never longer than `bytes_max`.
pub fn bend(bytes: &mut Vec<u8>, others: &[Vec<u8>], bytes_max: usize, rng: &mut Rng) {
    for _ in 0..1 + rng.below(5) {
        once(bytes, others, rng);
    }
    bytes.truncate(bytes_max);
}

fn once(bytes: &mut Vec<u8>, others: &[Vec<u8>], rng: &mut Rng) {
    match rng.below(8) {
        0 | 1 => flip(bytes, rng),
        2 | 3 => set_field(bytes, rng),
        4 => insert_bits(bytes, rng),
        5 => cut(bytes, rng),
        6 => repeat(bytes, rng),
        _ => splice(bytes, others, rng),
    }
}

fn flip(bytes: &mut [u8], rng: &mut Rng) {
    let at = rng.below(bytes.len() * 8);
    if let Some(byte) = bytes.get_mut(at / 8) {
        *byte ^= 1 << (at % 8);
    }
}

/// Overwrites a field of any width at any bit, lowest bit first as the wire has it.
fn set_field(bytes: &mut [u8], rng: &mut Rng) {
    let n_bits = 1 + rng.below(FIELD_BITS_MAX);
    let start = rng.below(bytes.len() * 8);
    let value = if rng.once_in(2) { BORDERS[rng.below(BORDERS.len())] } else { rng.long() };
    for bit in 0..n_bits {
        let at = start + bit;
        let Some(byte) = bytes.get_mut(at / 8) else { return };
        let mask = 1 << (at % 8);
        *byte = if value >> bit & 1 == 1 { *byte | mask } else { *byte & !mask };
    }
}

/// Moves everything behind some bit by a few bits: what followed is read at another offset.
fn insert_bits(bytes: &mut Vec<u8>, rng: &mut Rng) {
    let start = rng.below(bytes.len() + 1);
    let shift = 1 + rng.below(8) as u32;
    let mut carried = rng.long() as u8 & ((1u16 << shift) - 1) as u8;
    for byte in &mut bytes[start..] {
        let wide = u16::from(*byte) << shift | u16::from(carried);
        (*byte, carried) = (wide as u8, (wide >> 8) as u8);
    }
    bytes.push(carried);
}

fn cut(bytes: &mut Vec<u8>, rng: &mut Rng) {
    let start = rng.below(bytes.len() + 1);
    let end = if rng.once_in(2) { bytes.len() } else { (start + 1 + rng.below(16)).min(bytes.len()) };
    bytes.drain(start..end);
}

fn repeat(bytes: &mut Vec<u8>, rng: &mut Rng) {
    let start = rng.below(bytes.len() + 1);
    let end = (start + rng.below(64)).min(bytes.len());
    let piece = bytes[start..end].to_vec();
    let at = rng.below(bytes.len() + 1);
    bytes.splice(at..at, piece);
}

fn splice(bytes: &mut Vec<u8>, others: &[Vec<u8>], rng: &mut Rng) {
    let Some(other) = others.get(rng.below(others.len())) else { return };
    let (from, at) = (rng.below(other.len() + 1), rng.below(bytes.len() + 1));
    bytes.truncate(at);
    bytes.extend_from_slice(&other[from..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bending_is_the_same_for_the_same_seed_and_keeps_the_bound() {
        let others = [vec![1; 40], vec![2; 9]];
        for seed in 0..2_000 {
            let bent = || {
                let mut bytes = vec![0xa5; seed as usize % 50];
                bend(&mut bytes, &others, 48, &mut Rng::new(seed));
                bytes
            };
            assert_eq!(bent(), bent());
            assert!(bent().len() <= 48);
        }
    }

    #[test]
    fn inserted_bits_move_what_follows() {
        let mut bytes = vec![0b1000_0001, 0xff];
        let mut rng = Rng::new(0);
        while bytes.len() == 2 {
            let mut bent = vec![0b1000_0001, 0xff];
            insert_bits(&mut bent, &mut rng);
            if bent[0] != 0b1000_0001 {
                bytes = bent;
            }
        }
        assert_eq!(bytes.len(), 3);
    }
}
