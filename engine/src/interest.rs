//! Phase 7: who sits in a client's slots. The nearest, weighted; held ones stay a little longer.
//!
//! A candidate's key is its squared distance times its weight; the lowest 64 keys win, ties by EntityId.
//! Source: docs/ARCHITECTURE.md "Interest".

use crate::bins::Bins;
use crate::columns::Columns;
use crate::ids::{EntityId, Handles, Row};
use crate::players::{Client, Player, THREATS_MAX};
use netproto::SLOTS;
use netproto::snapshot::ones;

/// Nearer than this an entity may enter a slot.
pub const ENTER_MM: i32 = 48_000;
/// Farther than this it leaves.
pub const LEAVE_MM: i32 = 56_000;
/// Clients look again every so many ticks, staggered.
pub const EVERY_TICKS: u32 = 4;
/// A jump within this distance makes a client look again at once.
pub const ALARM_MM: i32 = 32_000;
/// Weights in 64ths.
const WEIGHT_PLAYER: u32 = 39;
const WEIGHT_CREATURE: u32 = 64;
/// Distances are squared in steps of 16 mm, so that a weighted key fits 32 bits.
const STEP_SHIFT: u32 = 4;
const ENTER_STEPS2: u32 = steps2(ENTER_MM);
const LEAVE_STEPS2: u32 = steps2(LEAVE_MM);
const _: () = assert!(LEAVE_STEPS2 < u32::MAX / 64);

const fn square(steps: i32) -> u32 {
    (steps * steps) as u32
}

/// Memory of one search, reused: one per thread.
#[derive(Debug)]
pub struct Search {
    /// Slot + 1 of each row that the client holds; all zero between searches.
    held: Vec<u8>,
    /// Candidates in use; the three columns below are longer.
    n: usize,
    /// Key and id of each candidate, key on top.
    keys: Vec<u64>,
    rows: Vec<u32>,
    /// Slot + 1 of a candidate that is held.
    slots: Vec<u8>,
    ranked: Vec<u64>,
}

/// The search takes blocks of 2 x 2 bins: a bin alone holds one or two entities.
const LEVEL: u32 = 1;
const FREE: u8 = 0;

impl Search {
    /// Memory for a zone of so many rows, all of which may be candidates.
    #[must_use]
    pub fn warm(n_rows: usize) -> Self {
        let n = n_rows + SLOTS + THREATS_MAX;
        Self {
            held: vec![FREE; n_rows],
            n: 0,
            keys: vec![0; n],
            rows: vec![0; n],
            slots: vec![FREE; n],
            ranked: Vec::with_capacity(n),
        }
    }

    /// Chooses the slots of one client anew.
    ///
    /// In a crowd the 64 nearest stand much nearer than [`ENTER_MM`], so the search begins with the circle that
    /// was enough last time. It is repeated with the full one unless every better key must have been seen.
    ///
    /// - Shapes: the index is of this tick.
    /// - Cost: one pass over the blocks within reach, one selection; no allocation after warm-up.
    pub fn choose(&mut self, client: &mut Client, player: &Player, own: Row, scene: &Scene<'_>) {
        let place = scene.columns.place(own);
        let occupied = client.view.occupied;
        for slot in ones(occupied) {
            self.held[client.row(slot).at()] = slot as u8 + 1;
        }
        let mut reach_mm = client.reach_mm;
        let bound = loop {
            let seen = self.collect(place, own, reach_mm, scene);
            self.add_unseen(client, occupied & !seen, place, scene);
            self.rank_threats(player, place, scene);
            let bound = self.bound();
            let needed_mm = reach_of(bound);
            if needed_mm <= reach_mm || reach_mm == ENTER_MM {
                client.reach_mm = (needed_mm + needed_mm / 8 + 1_000).min(ENTER_MM);
                break bound;
            }
            reach_mm = ENTER_MM;
        };
        for slot in ones(occupied) {
            self.held[client.row(slot).at()] = FREE;
        }
        self.drop_losers(client, bound);
        self.seat_winners(client, bound);
    }

    /// Candidates whose key is below that of a player at the end of the reach. Held ones count as nearer than
    /// they are. Returns the slots of those that were met.
    fn collect(&mut self, place: (i32, i32), own: Row, reach_mm: i32, scene: &Scene<'_>) -> u64 {
        let n_players_max = scene.columns.n_players_max() as u32;
        let reach_key = square(reach_mm >> STEP_SHIFT) * WEIGHT_PLAYER;
        let limit = |weight: u32| {
            let enter_key = ENTER_STEPS2 * weight;
            if reach_mm == ENTER_MM { enter_key } else { reach_key.min(enter_key) }
        };
        let limits = (limit(WEIGHT_PLAYER), limit(WEIGHT_CREATURE));
        let Self { held, keys, rows, slots, .. } = self;
        let mut n = 0;
        scene.bins.around::<LEVEL>(place, reach_mm, |_, entries| {
            // Slices of one length: the checks of the loop below stay out of it.
            let end = n + entries.len();
            let (keys, rows, slots) = (&mut keys[n..end], &mut rows[n..end], &mut slots[n..end]);
            let mut kept = 0;
            for entry in entries {
                let (dx, dy) = ((entry.x_mm - place.0) >> STEP_SHIFT, (entry.y_mm - place.1) >> STEP_SHIFT);
                let d2 = (dx * dx + dy * dy) as u32;
                let is_player = entry.row < n_players_max;
                let key = d2 * if is_player { WEIGHT_PLAYER } else { WEIGHT_CREATURE };
                let slot = held[entry.row as usize];
                let shorter = if slot == FREE { key } else { key - (key >> 2) };
                // Written in any case and kept if near: a branch would be guessed wrong every other time.
                let is_near = (key <= if is_player { limits.0 } else { limits.1 }) & (entry.row != own.0);
                keys[kept] = u64::from(shorter) << 32 | u64::from(entry.id.0);
                rows[kept] = entry.row;
                slots[kept] = slot;
                kept += usize::from(is_near);
            }
            n += kept;
        });
        self.n = n;
        // Shifted by one place, so that those that are free fall out at the low end.
        (slots[..n].iter().fold(0u128, |seen, slot| seen | 1 << slot) >> 1) as u64
    }

    /// Held entities beyond the search stay candidates, unless they are too far to be held at all.
    fn add_unseen(&mut self, client: &mut Client, slots: u64, place: (i32, i32), scene: &Scene<'_>) {
        for slot in ones(slots & client.view.occupied) {
            let row = client.row(slot);
            let d2 = distance2(place, scene.columns.place(row));
            if d2 > LEAVE_STEPS2 {
                client.view.remove(slot);
                continue;
            }
            let is_player = row.at() < scene.columns.n_players_max();
            let key = d2 * if is_player { WEIGHT_PLAYER } else { WEIGHT_CREATURE };
            self.add(key - (key >> 2), row, slot as u8 + 1, scene);
        }
    }

    /// Whoever hit or hunts the player ranks first.
    fn rank_threats(&mut self, player: &Player, place: (i32, i32), scene: &Scene<'_>) {
        for (id, until) in player.threats {
            if until <= scene.tick {
                continue;
            }
            let Some(row) = scene.handles.row_of(id) else { continue };
            let is_near = distance2(place, scene.columns.place(row)) <= ENTER_STEPS2;
            match self.rows[..self.n].iter().position(|candidate| *candidate == row.0) {
                Some(at) => self.keys[at] = u64::from(id.0),
                None if is_near => self.add(0, row, FREE, scene),
                None => {}
            }
        }
    }

    fn add(&mut self, key: u32, row: Row, slot: u8, scene: &Scene<'_>) {
        self.keys[self.n] = u64::from(key) << 32 | u64::from(scene.columns.id[row.at()].0);
        (self.rows[self.n], self.slots[self.n]) = (row.0, slot);
        self.n += 1;
    }

    /// The highest key that still gets a slot.
    fn bound(&mut self) -> u64 {
        if self.n <= SLOTS {
            return u64::MAX;
        }
        self.ranked.clear();
        self.ranked.extend_from_slice(&self.keys[..self.n]);
        *self.ranked.select_nth_unstable(SLOTS - 1).1
    }

    fn drop_losers(&mut self, client: &mut Client, bound: u64) {
        for (key, slot) in self.keys[..self.n].iter().zip(&self.slots) {
            if *key > bound && *slot != FREE {
                client.view.remove(u32::from(*slot) - 1);
            }
        }
    }

    fn seat_winners(&mut self, client: &mut Client, bound: u64) {
        let mut free = ones(client.view.free());
        let candidates = self.keys[..self.n].iter().zip(&self.slots).zip(&self.rows);
        for ((key, slot), row) in candidates {
            if *key <= bound && *slot == FREE {
                let Some(slot) = free.next() else { return };
                client.view.assign(slot);
                client.rows[slot as usize] = *row;
            }
        }
    }
}

/// What a search reads.
pub struct Scene<'a> {
    /// All columns, published.
    pub columns: &'a Columns,
    /// The index of this tick.
    pub bins: &'a Bins,
    /// Finds threats.
    pub handles: &'a Handles,
    /// This tick.
    pub tick: u32,
}

/// How far the lightest entity with a key stands at most, in mm, rounded up.
fn reach_of(bound: u64) -> i32 {
    let steps2 = (bound >> 32) as u32 / WEIGHT_PLAYER + 1;
    ((steps2.isqrt() as i32 + 1) << STEP_SHIFT).min(LEAVE_MM)
}

/// Whether a client looks again by schedule.
#[must_use]
pub fn is_turn(id: EntityId, tick: u32) -> bool {
    tick.wrapping_add(id.handle()).is_multiple_of(EVERY_TICKS)
}

/// A distance as [`distance2`] gives it.
#[must_use]
pub const fn steps2(mm: i32) -> u32 {
    square(mm >> STEP_SHIFT)
}

/// Squared distance in steps of 16 mm; saturates far beyond every radius.
#[must_use]
#[inline]
pub fn distance2(a: (i32, i32), b: (i32, i32)) -> u32 {
    let dx = ((a.0 - b.0) >> STEP_SHIFT).unsigned_abs().min(1 << 12);
    let dy = ((a.1 - b.1) >> STEP_SHIFT).unsigned_abs().min(1 << 12);
    dx * dx + dy * dy
}
