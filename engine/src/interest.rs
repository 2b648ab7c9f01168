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
            keys: Vec::with_capacity(n),
            rows: Vec::with_capacity(n),
            slots: Vec::with_capacity(n),
            ranked: Vec::with_capacity(n),
            runs: vec![Run::default(); (WINDOW * WINDOW) as usize],
        }
    }

    /// Chooses the slots of one client anew.
    ///
    /// - Shapes: the index is of this tick.
    /// - Cost: one pass over the bins within [`ENTER_MM`], one selection; no allocation after warm-up.
    pub fn choose(&mut self, client: &mut Client, player: &Player, own: Row, scene: &Scene<'_>) {
        let place = scene.columns.place(own);
        self.collect(place, own, scene);
        self.rank_held(client, place, scene);
        self.rank_threats(player, scene);
        let bound = self.bound();
        self.drop_losers(client, bound);
        self.seat_winners(client, bound);
    }

    fn collect(&mut self, place: (i32, i32), own: Row, scene: &Scene<'_>) {
        self.keys.clear();
        self.rows.clear();
        self.slots.clear();
        self.runs.fill(Run::default());
        let n_players_max = scene.columns.n_players_max() as u32;
        let Self { keys, rows, runs, .. } = self;
        scene.bins.around(place, ENTER_MM, |start, entries| {
            let (start, end) = (start as u32, (start + entries.len()) as u32);
            runs[window_place(entries[0].x_mm, entries[0].y_mm)] =
                Run { start, end, candidate: keys.len() as u32 };
            for entry in entries {
                let d2 = distance2(place, (entry.x_mm, entry.y_mm));
                let is_far = d2 > ENTER_STEPS2 || entry.row == own.0;
                let weight = if entry.row < n_players_max { WEIGHT_PLAYER } else { WEIGHT_CREATURE };
                keys.push(if is_far {
                    u64::MAX
                } else {
                    u64::from(d2 * weight) << 32 | u64::from(entry.id.0)
                });
            }
            rows.extend(entries.iter().map(|entry| entry.row));
        });
        self.slots.resize(self.keys.len(), FREE);
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
                None => {
                    self.keys.push(ranked);
                    self.rows.push(row.0);
                    self.slots.push(slot as u8);
                }
            }
        }
    }

    /// Whoever hit or hunts the player ranks first.
    fn rank_threats(&mut self, player: &Player, scene: &Scene<'_>) {
        for (id, until) in player.threats {
            if until <= scene.tick {
                continue;
            }
            let row = scene.handles.row_of(id);
            let at = row.and_then(|row| self.candidate(row, scene)).filter(|at| self.keys[*at] != u64::MAX);
            if let Some(at) = at {
                self.keys[at] = u64::from(id.0);
            }
        }
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
        if self.keys.len() <= SLOTS {
            return u64::MAX - 1;
        }
        self.ranked.clear();
        self.ranked.extend_from_slice(&self.keys);
        let (_, bound, _) = self.ranked.select_nth_unstable(SLOTS - 1);
        (*bound).min(u64::MAX - 1)
    }

    fn drop_losers(&mut self, client: &mut Client, bound: u64) {
        for (key, slot) in self.keys.iter().zip(&self.slots) {
            if *slot != FREE && *key > bound {
                client.view.remove(u32::from(*slot));
            }
        }
    }

    fn seat_winners(&mut self, client: &mut Client, bound: u64) {
        let mut free = ones(client.view.free());
        for at in 0..self.keys.len() {
            if self.keys[at] <= bound && self.slots[at] == FREE {
                let Some(slot) = free.next() else { return };
                client.view.assign(slot);
                client.rows[slot as usize] = self.rows[at];
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
