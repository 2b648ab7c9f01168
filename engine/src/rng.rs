//! Chance without state: every draw is a function of what it is for.
//!
//! The draw does not depend on who else drew, on threads or on row order. SplitMix64's finaliser over a key.
//! Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.

use kernel::mix;

/// What a number is drawn for: one entity and tick may draw once per purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Purpose {
    /// Where a player appears.
    PlayerSpawn = 1,
    /// Where a creature lives.
    Den,
    /// Which kind of creature lives in a den.
    Breed,
    /// Level and variant of a new creature.
    Look,
    /// Where a creature wanders to.
    Wander,
    /// How hard a hit is.
    Damage,
    /// Whether a hit is critical.
    Critical,
    /// Where a player turns to that walks by plan.
    Drill,
    /// Whether a creature leaves something behind.
    Loot,
    /// How much of it.
    LootCount,
}

/// 64 even bits for (`seed`, `tick`, `id`, `purpose`).
///
/// - Cost: six multiplications.
#[must_use]
#[inline]
pub fn draw(seed: u64, tick: u32, id: u32, purpose: Purpose) -> u64 {
    let key = u64::from(tick) << 32 | u64::from(id);
    mix(mix(seed ^ (purpose as u64) << 56) ^ key)
}

/// A number in `low..=high` from a draw.
///
/// # Panics
/// In debug builds, if the range is empty.
#[must_use]
#[inline]
pub fn within(draw: u64, low: i32, high: i32) -> i32 {
    debug_assert!(low <= high, "{low}..={high}");
    let span = (i64::from(high) - i64::from(low) + 1) as u64;
    low + ((u128::from(draw) * u128::from(span)) >> 64) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_fill_their_range_evenly() {
        let mut counts = [0u32; 10];
        for id in 0..100_000 {
            counts[within(draw(1, 7, id, Purpose::Damage), 0, 9) as usize] += 1;
        }
        assert!(counts.iter().all(|n| (9_500..10_500).contains(n)), "{counts:?}");
    }

    #[test]
    fn every_part_of_the_key_matters() {
        let base = draw(1, 2, 3, Purpose::Damage);
        for other in [
            draw(2, 2, 3, Purpose::Damage),
            draw(1, 3, 3, Purpose::Damage),
            draw(1, 2, 4, Purpose::Damage),
            draw(1, 2, 3, Purpose::Critical),
        ] {
            assert!((base ^ other).count_ones() > 8);
        }
    }
}
