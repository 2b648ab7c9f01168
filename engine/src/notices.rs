//! What everybody near must be told in this tick: found by tile, so that a client looks at few.

use crate::ids::EntityId;
use crate::players::Pending;
use kernel::walls::{TILE_SHIFT, tiles_for};
use netproto::Side;

/// Nobody farther than this is told.
pub const HEAR_MM: i32 = 48_000;
/// Somebody this near to a telegraph that hurts it hears of it before all else.
pub const NEAR_MM: i32 = 4_000;

/// A telegraph, or the end of a projectile.
#[derive(Clone, Copy, Debug)]
pub struct Notice {
    /// Where it happens, for the distance.
    pub middle: (i32, i32),
    /// How far from there it hurts.
    pub radius_mm: i32,
    /// Whom it hurts.
    pub hurts: Side,
    /// Who did it.
    pub owner: EntityId,
    /// What clients are told.
    pub event: Pending,
}

/// Notices of one tick.
#[derive(Debug)]
pub struct Notices {
    tiles_per_side: i32,
    /// By tile in row order; within a tile in the order in which they were made.
    list: Vec<Notice>,
    keys: Vec<(u32, u32)>,
    sorted: Vec<Notice>,
    start: Vec<u32>,
}

impl Notices {
    /// Room for so many without an allocation.
    #[must_use]
    pub fn warm(side_mm: i32, n_max: usize) -> Self {
        let tiles_per_side = tiles_for(side_mm) as i32;
        Self {
            tiles_per_side,
            list: Vec::with_capacity(n_max),
            keys: Vec::with_capacity(n_max),
            sorted: Vec::with_capacity(n_max),
            start: vec![0; (tiles_per_side * tiles_per_side) as usize + 1],
        }
    }

    /// Begins a tick.
    pub fn clear(&mut self) {
        self.list.clear();
        self.sorted.clear();
    }

    /// Adds one; it is found after [`Notices::sort`].
    pub fn push(&mut self, notice: Notice) {
        self.list.push(notice);
    }

    /// Puts them into the order of tiles.
    ///
    /// - Cost: nothing without notices; else a sort of them, and one pass over the tiles.
    pub fn sort(&mut self) {
        if self.list.is_empty() {
            return;
        }
        let Self { list, keys, sorted, start, tiles_per_side } = self;
        let tile = |notice: &Notice| {
            let along = |v: i32| (v >> TILE_SHIFT).clamp(0, *tiles_per_side - 1);
            (along(notice.middle.1) * *tiles_per_side + along(notice.middle.0)) as u32
        };
        keys.clear();
        keys.extend(list.iter().enumerate().map(|(at, notice)| (tile(notice), at as u32)));
        keys.sort_unstable();
        sorted.extend(keys.iter().map(|(_, at)| list[*at as usize]));
        let mut at = 0;
        for (tile, start) in start.iter_mut().enumerate() {
            while at < keys.len() && (keys[at].0 as usize) < tile {
                at += 1;
            }
            *start = at as u32;
        }
    }

    /// Whether there is nothing to tell.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    /// Calls `each` for all notices of the tiles that a square around `place` touches.
    ///
    /// - Cost: one run of notices per row of tiles.
    #[inline]
    pub fn near(&self, place: (i32, i32), reach_mm: i32, mut each: impl FnMut(&Notice)) {
        let tile = |v: i32| ((v >> TILE_SHIFT).clamp(0, self.tiles_per_side - 1)) as usize;
        let (west, east) = (tile(place.0 - reach_mm), tile(place.0 + reach_mm));
        for row in tile(place.1 - reach_mm)..=tile(place.1 + reach_mm) {
            let first = row * self.tiles_per_side as usize;
            let (start, end) = (self.start[first + west], self.start[first + east + 1]);
            self.sorted[start as usize..end as usize].iter().for_each(&mut each);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_notices_of_touched_tiles_are_found_and_no_others() {
        let mut notices = Notices::warm(400_000, 64);
        let places: Vec<(i32, i32)> =
            (0..49).map(|n| (n % 7 * 65_000 - 10_000, n / 7 * 65_000 + 3)).collect();
        for (n, middle) in places.iter().enumerate() {
            let owner = EntityId(n as u32);
            let (hurts, event) = (Side::Players, Pending::default());
            notices.push(Notice { middle: *middle, radius_mm: 1, hurts, owner, event });
        }
        assert!(notices.is_empty(), "not sorted yet");
        notices.sort();
        for place in [(0, 0), (200_000, 200_000), (399_999, 5), (131_072, 65_536)] {
            let mut found = Vec::new();
            notices.near(place, HEAR_MM, |notice| found.push(notice.owner.0));
            found.sort_unstable();
            let tile = |v: i32| (v >> TILE_SHIFT).clamp(0, 6);
            let touches = |a: i32, b: i32| (tile(a - HEAR_MM)..=tile(a + HEAR_MM)).contains(&tile(b));
            let expected: Vec<u32> = (0..49)
                .filter(|n| {
                    let middle = places[*n as usize];
                    touches(place.0, middle.0) && touches(place.1, middle.1)
                })
                .collect();
            assert_eq!(found, expected, "around {place:?}");
        }
        notices.clear();
        assert!(notices.is_empty());
    }
}
