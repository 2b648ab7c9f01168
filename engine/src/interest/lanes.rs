//! Keys of interest, many at a time: loops over arrays of one length, without branches, that become vector
//! instructions.
//!
//! - Units: places in steps of 64 mm. A key is the squared distance in 64ths of a squared step, times its weight; it
//!   fits 15 bits.

use super::{ENTER_MM, LEAVE_MM};
use crate::bins::{STEP_SHIFT, WEIGHT_CREATURE, WEIGHT_PLAYER};
use netproto::SLOTS;

/// Keys that are made at once.
pub(super) const KEYS: usize = 16;
/// Keys that are compared at once: as many as a mask has bits, and as there are slots.
pub(super) type Block = [i16; SLOTS];
/// The key of somebody that never gets a slot.
pub(super) const NEVER: i16 = i16::MAX;

/// Steps per axis beyond which a distance does not grow: 65 m.
const FAR: u16 = 1023;
const SCALE_SHIFT: u32 = 5;
const ENTER: u16 = squared((ENTER_MM >> STEP_SHIFT) as u16);
const LEAVE: u16 = squared((LEAVE_MM >> STEP_SHIFT) as u16);
/// Every key but [`NEVER`] is below this.
pub const BOUND_MAX: i16 = shortened(LEAVE) as i16 + 1;
const _: () = assert!((ENTER as i16) < BOUND_MAX && LEAVE_MM >> STEP_SHIFT < FAR as i32);

const fn high(a: u16, b: u16) -> u16 {
    ((a as u32 * b as u32) >> 16) as u16
}

/// A squared distance along one axis.
#[inline(always)]
const fn squared(steps: u16) -> u16 {
    let scaled = (if steps < FAR { steps } else { FAR }) << SCALE_SHIFT;
    high(scaled, scaled)
}

/// What a held one counts: five sixths. Fewer would cost fewer introductions, and show worse who is near.
#[inline(always)]
const fn shortened(key: u16) -> u16 {
    high(key, 54_613)
}

#[inline(always)]
fn distance2(a: (u16, u16), b: (u16, u16)) -> u16 {
    squared(a.0.abs_diff(b.0)) + squared(a.1.abs_diff(b.1))
}

/// Whether somebody there may enter a slot.
#[inline(always)]
pub(super) fn is_within_enter(eye: (u16, u16), at: (u16, u16)) -> bool {
    distance2(eye, at) <= ENTER
}

/// Sixteen of something as an array.
#[inline(always)]
pub(super) fn load<T>(slice: &[T]) -> &[T; KEYS] {
    slice.as_array().expect("sixteen were cut off")
}

/// Keys of sixteen positions; [`NEVER`] for marked ones and those too far to enter.
#[inline(always)]
pub(super) fn keys(
    eye: (u16, u16),
    (x, y): (&[u16; KEYS], &[u16; KEYS]),
    weight: &[u16; KEYS],
    (marks, epoch): (&[u8; KEYS], u8),
) -> [i16; KEYS] {
    let (x, y, weight, marks) = (*x, *y, *weight, *marks);
    let mut keys = [0; KEYS];
    for at in 0..KEYS {
        let d2 = distance2(eye, (x[at], y[at]));
        // All bits of NEVER set: whatever the key is, this comes of it.
        let far = if d2 > ENTER { NEVER } else { 0 };
        let marked = if marks[at] == epoch { NEVER } else { 0 };
        keys[at] = high(d2, weight[at]) as i16 | far | marked;
    }
    keys
}

/// Keys of the held, by slot; [`NEVER`] for those that are too far to be held.
#[inline(always)]
pub(super) fn held_keys(
    eye: (u16, u16),
    (x, y): (&[u16; SLOTS], &[u16; SLOTS]),
    rows: &[u32; SLOTS],
    n_players_max: u32,
) -> Block {
    let mut keys = [0; SLOTS];
    for slot in 0..SLOTS {
        let d2 = distance2(eye, (x[slot], y[slot]));
        let weight = if rows[slot] < n_players_max { WEIGHT_PLAYER } else { WEIGHT_CREATURE };
        let far = if d2 > LEAVE { NEVER } else { 0 };
        keys[slot] = shortened(high(d2, weight)) as i16 | far;
    }
    keys
}

/// The key of a held player at this distance.
#[inline(always)]
pub(super) const fn held_bound(mm: i32) -> i16 {
    shortened(high(squared((mm >> STEP_SHIFT) as u16), WEIGHT_PLAYER)) as i16
}

/// How many keys lie below a bound.
#[inline(always)]
pub(super) fn below(blocks: &[Block], bound: i16) -> u32 {
    let mut n = 0;
    for keys in blocks {
        n += u32::from(keys.iter().fold(0u16, |n, key| n + u16::from(*key < bound)));
    }
    n
}

/// Which keys of a block lie below a bound.
#[inline(always)]
pub(super) fn mask_below(keys: &Block, bound: i16) -> u64 {
    let mut is_below = [0u8; SLOTS];
    for (is_below, key) in is_below.iter_mut().zip(keys) {
        *is_below = u8::from(*key < bound);
    }
    let mut mask = 0;
    for (at, eight) in is_below.as_chunks::<8>().0.iter().enumerate() {
        // The product gathers the lowest bit of each byte in the highest byte.
        let bits = u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        mask |= bits << (8 * at);
    }
    mask
}

/// How far from the eye somebody with a key below a bound is at most, in mm. Products are rounded down, and so are
/// places.
#[inline(always)]
pub(super) fn reach_of(bound: i16) -> i32 {
    let d2 = ((bound as u32) << 16) / u32::from(WEIGHT_PLAYER) + 3;
    let steps = (d2 << (16 - 2 * SCALE_SHIFT)).isqrt() as i32 + 2;
    (steps << STEP_SHIFT).min(ENTER_MM)
}

/// The highest bound whose reach is no more than this, or a little less.
#[inline(always)]
pub(super) fn bound_of(reach_mm: i32) -> i16 {
    let steps = ((reach_mm >> STEP_SHIFT) - 2).max(0) as u32;
    let d2 = ((steps * steps) >> (16 - 2 * SCALE_SHIFT)).saturating_sub(3);
    (((d2 * u32::from(WEIGHT_PLAYER)) >> 16) as i16).clamp(1, BOUND_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_with_a_key_below_a_bound_stands_beyond_its_reach() {
        let near = |steps: u16| high(squared(steps), WEIGHT_PLAYER) as i16;
        for bound in 1..=BOUND_MAX {
            let reach_mm = reach_of(bound);
            let beyond = (reach_mm >> STEP_SHIFT) as u16;
            assert!(reach_mm == ENTER_MM || near(beyond) >= bound, "bound {bound}");
        }
        for reach_mm in (1_000..ENTER_MM).step_by(10) {
            let bound = bound_of(reach_mm);
            assert!(bound == 1 || reach_of(bound) <= reach_mm, "{reach_mm} mm");
        }
    }

    #[test]
    fn keys_grow_with_the_distance_and_the_weight() {
        let eye = (1_000, 1_000);
        let key = |steps: u16, weight: u16, mark: u8| {
            let places = (&[1_000 + steps; KEYS], &[1_000; KEYS]);
            keys(eye, places, &[weight; KEYS], (&[mark; KEYS], 7))[0]
        };
        assert!(key(100, WEIGHT_PLAYER, 0) < key(100, WEIGHT_CREATURE, 0));
        assert!(key(100, WEIGHT_CREATURE, 0) < key(110, WEIGHT_CREATURE, 0));
        assert_eq!((key(750, WEIGHT_CREATURE, 0), key(100, WEIGHT_PLAYER, 7)), (ENTER as i16 - 1, NEVER));
        assert_eq!((key(752, WEIGHT_PLAYER, 0), key(5_000, WEIGHT_PLAYER, 0)), (NEVER, NEVER));
    }

    #[test]
    fn what_lies_below_a_bound_is_counted_and_marked_alike() {
        let block = |n: i16| std::array::from_fn(|at| (n * 16 + at as i16 * 7) % 50);
        let list: Vec<Block> = (0..5).map(block).collect();
        for bound in [0, 1, 17, 49, 50, NEVER] {
            let n = list.as_flattened().iter().filter(|key| **key < bound).count() as u32;
            assert_eq!(below(&list, bound), n);
            let masks: Vec<u64> = list.iter().map(|keys| mask_below(keys, bound)).collect();
            assert_eq!(masks.iter().map(|mask| mask.count_ones()).sum::<u32>(), n);
            assert!((0..64).all(|at| (masks[3] >> at & 1 == 1) == (list[3][at] < bound)));
        }
    }
}
