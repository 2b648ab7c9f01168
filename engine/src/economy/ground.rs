//! Which drops lie where: a list for each square of the ground, kept as drops come and go.
//!
//! It follows from the drops and their order, and is no part of the state.

use super::effect::Drop;

/// Side of a square.
const TILE_MM: i32 = 16_000;
/// Squares that far apart share a list, and neighbours never do.
const LISTS_PER_SIDE: i32 = 64;
/// End of a list.
const NOBODY: u32 = u32::MAX;

/// Places of drops among the economy's.
#[derive(Clone, Debug)]
pub(super) struct Ground {
    /// First of each list.
    heads: Vec<u32>,
    /// Before and behind each drop in its list.
    links: Vec<(u32, u32)>,
}

impl Default for Ground {
    fn default() -> Self {
        Self { heads: vec![NOBODY; (LISTS_PER_SIDE * LISTS_PER_SIDE) as usize], links: Vec::new() }
    }
}

fn list(x: i32, y: i32) -> usize {
    (y.rem_euclid(LISTS_PER_SIDE) * LISTS_PER_SIDE + x.rem_euclid(LISTS_PER_SIDE)) as usize
}

fn list_of(drop: &Drop) -> usize {
    list(drop.place.0.div_euclid(TILE_MM), drop.place.1.div_euclid(TILE_MM))
}

impl Ground {
    /// Room for so many.
    pub(super) fn reserve(&mut self, n: usize) {
        self.links.reserve(n.saturating_sub(self.links.len()));
    }

    /// A drop was added behind all others.
    pub(super) fn push(&mut self, drop: &Drop) {
        let (at, head) = (self.links.len() as u32, list_of(drop));
        self.links.push((NOBODY, self.heads[head]));
        self.tie(at, head);
    }

    /// A drop goes, and the last one gets its place. `drops` are as they were.
    pub(super) fn swap_remove(&mut self, drops: &[Drop], at: u32) {
        let (before, behind) = self.links[at as usize];
        match before {
            NOBODY => self.heads[list_of(&drops[at as usize])] = behind,
            before => self.links[before as usize].1 = behind,
        }
        if behind != NOBODY {
            self.links[behind as usize].0 = before;
        }
        self.links.swap_remove(at as usize);
        if let Some((before, _)) = self.links.get(at as usize).copied() {
            let moved = &drops[drops.len() - 1];
            if before == NOBODY {
                self.tie(at, list_of(moved));
            } else {
                self.links[before as usize].1 = at;
                self.tie_behind(at);
            }
        }
    }

    /// This one is the first of its list.
    fn tie(&mut self, at: u32, head: usize) {
        self.heads[head] = at;
        self.tie_behind(at);
    }

    fn tie_behind(&mut self, at: u32) {
        let behind = self.links[at as usize].1;
        if behind != NOBODY {
            self.links[behind as usize].0 = at;
        }
    }

    /// All that lie within a square's side of a place, and others.
    ///
    /// - Cost: nine lists.
    #[inline]
    pub(super) fn near(&self, place: (i32, i32), mut each: impl FnMut(u32)) {
        let (x, y) = (place.0.div_euclid(TILE_MM), place.1.div_euclid(TILE_MM));
        for (dx, dy) in (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (dx, dy))) {
            let mut at = self.heads[list(x + dx, y + dy)];
            while at != NOBODY {
                each(at);
                at = self.links[at as usize].1;
            }
        }
    }
}

/// What a player sees must be within a square's side.
pub(super) const SEEN_MM: i32 = TILE_MM;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::economy::Goods;
    use crate::ids::DurableId;
    use crate::rng::{Purpose, draw, within};

    #[test]
    fn what_lies_near_is_found_once_whatever_came_and_went() {
        let (mut ground, mut drops): (Ground, Vec<Drop>) = (Ground::default(), Vec::new());
        for step in 0..4_000u32 {
            let chance = |salt, high| within(draw(6, step, salt, Purpose::Look), 0, high);
            if drops.is_empty() || chance(0, 9) < if drops.len() > 120 { 3 } else { 6 } {
                // Two squares of the same list among them.
                let place = (chance(1, 80_000) + chance(3, 1) * 1_024_000, chance(2, 80_000));
                let (id, goods) = (DurableId { low: step, high: 0 }, Goods::default());
                drops.push(Drop { id, goods, place, owner: None, free_at: 0, ends_at: 0 });
                ground.push(&drops[drops.len() - 1]);
            } else {
                let at = chance(4, drops.len() as i32 - 1) as u32;
                ground.swap_remove(&drops, at);
                drops.swap_remove(at as usize);
            }
            let place = (chance(5, 80_000), chance(6, 80_000));
            let is_near = |at: &u32| {
                let other = drops[*at as usize].place;
                (place.0 - other.0).abs().max((place.1 - other.1).abs()) <= SEEN_MM
            };
            let mut found = Vec::new();
            ground.near(place, |at| found.push(at));
            found.retain(is_near);
            found.sort_unstable();
            let expected: Vec<u32> = (0..drops.len() as u32).filter(is_near).collect();
            assert_eq!(found, expected, "in step {step}");
        }
    }
}
