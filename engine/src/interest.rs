//! Phase 7: who sits in a client's slots. The nearest, weighted; held ones stay a little longer.
//!
//! A candidate's key is its squared distance times its weight; the lowest 64 keys win, ties by EntityId.
//! Source: docs/ARCHITECTURE.md "Interest".

use crate::bins::{BIN_SHIFT, Bins};
use crate::columns::Columns;
use crate::ids::{EntityId, Handles, Row};
use crate::players::{Client, Player};
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
const ENTER_STEPS2: u32 = square(ENTER_MM >> STEP_SHIFT);
const LEAVE_STEPS2: u32 = square(LEAVE_MM >> STEP_SHIFT);
const _: () = assert!(LEAVE_STEPS2 < u32::MAX / 64);

const fn square(steps: i32) -> u32 {
    (steps * steps) as u32
}

/// Memory of one search, reused: one per job.
#[derive(Debug)]
pub struct Search {
    /// Candidates in use; the columns below are longer and only grow.
    n: usize,
    /// Key and id of each candidate, key on top.
    keys: Vec<u64>,
    rows: Vec<u32>,
    /// Slot of a candidate that is held; [`FREE`] otherwise.
    slots: Vec<u8>,
    ranked: Vec<u64>,
    /// The bins that were collected, by the low bits of their coordinates: a search is narrower than this.
    runs: Vec<Run>,
}

/// Index entries of one bin, and the candidate that stands for the first of them.
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    start: u32,
    end: u32,
    candidate: u32,
}

/// Bins along the side of the table of runs.
const WINDOW: i32 = 16;
const _: () = assert!(((2 * ENTER_MM) >> BIN_SHIFT) + 2 <= WINDOW);

fn window_place(x_mm: i32, y_mm: i32) -> usize {
    ((y_mm >> BIN_SHIFT & (WINDOW - 1)) * WINDOW + (x_mm >> BIN_SHIFT & (WINDOW - 1))) as usize
}

const FREE: u8 = u8::MAX;

impl Search {
    /// Memory that an ordinary crowd does not outgrow.
    #[must_use]
    pub fn warm() -> Self {
        let n = 4096;
        Self {
            n: 0,
            keys: vec![0; n],
            rows: vec![0; n],
            slots: vec![FREE; n],
            ranked: Vec::with_capacity(n),
            runs: vec![Run::default(); (WINDOW * WINDOW) as usize],
        }
    }

    /// Chooses the slots of one client anew.
    ///
    /// In a crowd the 64 nearest stand much nearer than [`ENTER_MM`], so the search begins with the circle that
    /// was enough last time. It is repeated with the full one unless every better key must have been seen.
    ///
    /// - Shapes: the index is of this tick.
    /// - Cost: one pass over the bins within reach, one selection; no allocation after warm-up.
    pub fn choose(&mut self, client: &mut Client, player: &Player, own: Row, scene: &Scene<'_>) {
        let place = scene.columns.place(own);
        let mut reach_mm = client.reach_mm;
        let bound = loop {
            self.collect(place, own, reach_mm, scene);
            self.rank_held(client, place, scene);
            self.rank_threats(player, place, scene);
            let bound = self.bound();
            let needed_mm = reach_of(bound);
            if needed_mm <= reach_mm || reach_mm == ENTER_MM {
                client.reach_mm = (needed_mm + needed_mm / 8 + 1_000).min(ENTER_MM);
                break bound;
            }
            reach_mm = ENTER_MM;
        };
        self.drop_losers(client, bound);
        self.seat_winners(client, bound);
    }

    fn collect(&mut self, place: (i32, i32), own: Row, reach_mm: i32, scene: &Scene<'_>) {
        self.runs.fill(Run::default());
        self.n = 0;
        let n_players_max = scene.columns.n_players_max() as u32;
        scene.bins.around(place, reach_mm, |start, entries| {
            let (first, end) = (self.n, self.n + entries.len());
            let run =
                Run { start: start as u32, end: (start + entries.len()) as u32, candidate: first as u32 };
            self.runs[window_place(entries[0].x_mm, entries[0].y_mm)] = run;
            self.make_room(end);
            self.n = end;
            let columns = self.keys[first..end].iter_mut().zip(&mut self.rows[first..end]);
            for ((key, row), entry) in columns.zip(entries) {
                let d2 = distance2(place, (entry.x_mm, entry.y_mm));
                let weight = if entry.row < n_players_max { WEIGHT_PLAYER } else { WEIGHT_CREATURE };
                let is_far = d2 > ENTER_STEPS2 || entry.row == own.0;
                *row = entry.row;
                *key = if is_far { u64::MAX } else { u64::from(d2 * weight) << 32 | u64::from(entry.id.0) };
            }
        });
        self.slots[..self.n].fill(FREE);
    }

    fn make_room(&mut self, n: usize) {
        if n > self.keys.len() {
            let n = n.next_power_of_two();
            self.keys.resize(n, 0);
            self.rows.resize(n, 0);
            self.slots.resize(n, FREE);
        }
    }

    /// Held entities count as nearer than they are; those too far leave.
    fn rank_held(&mut self, client: &mut Client, place: (i32, i32), scene: &Scene<'_>) {
        for slot in client.view.slots() {
            let row = client.row(slot);
            let d2 = distance2(place, scene.columns.place(row));
            if d2 > LEAVE_STEPS2 {
                client.view.remove(slot);
                continue;
            }
            let weight =
                if row.at() < scene.columns.n_players_max() { WEIGHT_PLAYER } else { WEIGHT_CREATURE };
            let key = d2 * weight;
            let id = scene.columns.id[row.at()];
            let ranked = u64::from(key - (key >> 2)) << 32 | u64::from(id.0);
            match self.candidate(row, scene) {
                Some(at) => (self.keys[at], self.slots[at]) = (ranked, slot as u8),
                None => self.add(ranked, row, slot as u8),
            }
        }
    }

    /// Whoever hit or hunts the player ranks first.
    fn rank_threats(&mut self, player: &Player, place: (i32, i32), scene: &Scene<'_>) {
        for (id, until) in player.threats {
            let Some(row) = scene.handles.row_of(id).filter(|_| scene.tick < until) else { continue };
            let (first, is_near) =
                (u64::from(id.0), distance2(place, scene.columns.place(row)) <= ENTER_STEPS2);
            let collected = self.candidate(row, scene);
            // Held ones beyond the search stand behind those that were collected.
            match collected.or_else(|| self.rows[..self.n].iter().rposition(|added| *added == row.0)) {
                Some(at) if self.keys[at] != u64::MAX => self.keys[at] = first,
                None if is_near => self.add(first, row, FREE),
                _ => {}
            }
        }
    }

    fn add(&mut self, key: u64, row: Row, slot: u8) {
        self.make_room(self.n + 1);
        (self.keys[self.n], self.rows[self.n], self.slots[self.n]) = (key, row.0, slot);
        self.n += 1;
    }

    /// The candidate that stands for a row, if its bin was collected.
    fn candidate(&self, row: Row, scene: &Scene<'_>) -> Option<usize> {
        let entry = scene.bins.position(row);
        let (x_mm, y_mm) = scene.columns.place(row);
        let run = self.runs[window_place(x_mm, y_mm)];
        (run.start..run.end).contains(&entry).then(|| (run.candidate + entry - run.start) as usize)
    }

    /// The highest key that still gets a slot.
    fn bound(&mut self) -> u64 {
        if self.n <= SLOTS {
            return u64::MAX - 1;
        }
        self.ranked.clear();
        self.ranked.extend_from_slice(&self.keys[..self.n]);
        let (_, bound, _) = self.ranked.select_nth_unstable(SLOTS - 1);
        (*bound).min(u64::MAX - 1)
    }

    fn drop_losers(&mut self, client: &mut Client, bound: u64) {
        for (key, slot) in self.keys[..self.n].iter().zip(&self.slots) {
            if *key > bound && *slot != FREE {
                client.view.remove(u32::from(*slot));
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
    let steps2 = ((bound >> 32) as u32 / WEIGHT_PLAYER).saturating_add(1);
    ((steps2.isqrt() as i32 + 1) << STEP_SHIFT).min(LEAVE_MM)
}

/// Whether a client looks again by schedule.
#[must_use]
pub fn is_turn(id: EntityId, tick: u32) -> bool {
    tick.wrapping_add(id.handle()).is_multiple_of(EVERY_TICKS)
}

/// Squared distance in steps of 16 mm; saturates far beyond every radius.
#[inline]
fn distance2(a: (i32, i32), b: (i32, i32)) -> u32 {
    let dx = ((a.0 - b.0) >> STEP_SHIFT).unsigned_abs().min(1 << 12);
    let dy = ((a.1 - b.1) >> STEP_SHIFT).unsigned_abs().min(1 << 12);
    dx * dx + dy * dy
}
