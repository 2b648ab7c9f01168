//! Phase 7: who sits in a client's slots. The nearest, weighted; held ones stay a little longer.
//!
//! A candidate's key is its squared distance times its weight. A bound is found that 63 or 64 keys lie below, or as
//! many less as a zone that sheds load has slots to give, beginning with the bound of the last search; ties that it cannot tell apart are decided by EntityId. Keys are
//! compared many at a time ([`lanes`]).
//! Source: docs/ARCHITECTURE.md "Interest".

use crate::bins::{Bins, SPARE, to_steps, unpack};
use crate::columns::Columns;
use crate::ids::{EntityId, Handles, Row};
use crate::players::{Client, Player};
use jobs::cpu::{Task, widest};
use lanes::{Block, KEYS, NEVER};
use netproto::SLOTS;
use netproto::snapshot::ones;
use std::sync::atomic::Ordering;

pub mod alarms;
mod lanes;
pub mod near;

pub use lanes::BOUND_MAX;

/// Nearer than this an entity may enter a slot.
pub const ENTER_MM: i32 = 48_000;
/// Farther than this it leaves.
pub const LEAVE_MM: i32 = 56_000;
/// Clients look again every so many ticks, staggered.
pub const EVERY_TICKS: u32 = 4;
/// A jump nearer than this along both axes makes a client look again at once.
pub const ALARM_MM: i32 = 32_000;
/// A bound that leaves so many slots empty is good enough: all could be had for twice as many passes over the keys.
pub(crate) const EMPTY_MAX: u32 = 1;
/// Distances here are squared in steps of 16 mm.
const STEP_SHIFT: u32 = 4;
/// Rows of bins that the largest circle touches, at most.
const RUNS_MAX: usize = ((2 * ENTER_MM as usize) >> crate::bins::BIN_Y_SHIFT) + 2;

/// Memory of one search, reused: one per thread.
#[derive(Debug)]
pub struct Search {
    /// By position in the index: equal to `epoch` where this search must not find a newcomer, because the client
    /// holds it, is it, or has it seated already.
    marks: Vec<u8>,
    epoch: u8,
    /// Keys of all that were met, run after run; then [`NEVER`], for a block.
    keys: Vec<i16>,
    n_keys: usize,
    runs: [Run; RUNS_MAX],
    n_runs: usize,
    /// Those that a bound cannot tell apart: who, and the slot or the position behind the slots.
    tied: Vec<(EntityId, u32)>,
}

/// A run of the index, and where its keys begin.
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    first_key: u32,
    first_position: u32,
}

/// What decides who sits: keys below the bound, and so many of those that are equal to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cut {
    bound: i16,
    n_tied: u32,
}

/// Positions that get a slot, lowest EntityId first when they are seated.
struct Newcomers {
    list: [(EntityId, u32); SLOTS],
    n: usize,
}

impl Newcomers {
    #[inline(always)]
    fn add(&mut self, position: usize, bins: &Bins) {
        debug_assert!(self.n < SLOTS, "more newcomers than slots");
        if let Some(place) = self.list.get_mut(self.n) {
            let row = bins.rows()[position];
            *place = (bins.ids()[row as usize], row);
            self.n += 1;
        }
    }
}

impl Search {
    /// Memory for a zone of so many rows, all of which may be candidates.
    #[must_use]
    pub fn warm(n_rows: usize) -> Self {
        Self {
            marks: vec![0; n_rows + SPARE],
            epoch: 0,
            keys: vec![NEVER; (n_rows + KEYS).next_multiple_of(SLOTS) + SLOTS],
            n_keys: 0,
            runs: [Run::default(); RUNS_MAX],
            n_runs: 0,
            tied: Vec::with_capacity(n_rows),
        }
    }

    /// Chooses the slots of one client anew.
    ///
    /// In a crowd the 64 nearest stand much nearer than [`ENTER_MM`], so the search begins with the circle that
    /// holds all keys below the last bound, and a little more. It is repeated with a larger one when that holds too
    /// few.
    ///
    /// - Shapes: the index is of this tick.
    /// - Cost: one pass over the slots, one over the runs within reach, one or two over their keys; no allocation.
    #[inline]
    pub fn choose(&mut self, client: &mut Client, player: &Player, own: Row, scene: &Scene<'_>) {
        if scene.slots == SLOTS {
            widest(Choice::<true> { search: self, client, player, own, scene });
        } else {
            widest(Choice::<false> { search: self, client, player, own, scene });
        }
    }

    /// Forgets all marks.
    #[inline(always)]
    fn begin(&mut self) {
        self.epoch = self.epoch.wrapping_add(1);
        if self.epoch == 0 {
            self.marks.fill(0);
            self.epoch = 1;
        }
    }

    /// Keys of the held, by slot, which count as nearer than they are; [`NEVER`] for those that are too far and for
    /// empty slots.
    #[inline(always)]
    fn weigh_held(&mut self, client: &mut Client, own: Row, eye: (u16, u16), scene: &Scene<'_>) -> Block {
        let occupied = client.view.occupied;
        // Empty slots hold the client itself, which must not be found either.
        for slot in ones(!occupied) {
            client.rows[slot as usize] = own.0;
        }
        // One length for both: one check below.
        let steps = scene.bins.steps_by_row();
        let positions = &scene.bins.positions_by_row()[..steps.len()];
        let (marks, epoch) = (&mut *self.marks, self.epoch);
        let mut held = [0; SLOTS];
        for (held, row) in held.iter_mut().zip(&client.rows) {
            *held = steps[*row as usize];
            marks[positions[*row as usize].load(Ordering::Relaxed) as usize] = epoch;
        }
        let (mut held_x, mut held_y) = ([0; SLOTS], [0; SLOTS]);
        unpack(&held, &mut held_x, &mut held_y);
        let n_players_max = scene.columns.n_players_max() as u32;
        let mut keys = lanes::held_keys(eye, (&held_x, &held_y), &client.rows, n_players_max);
        for slot in ones(!occupied) {
            keys[slot as usize] = NEVER;
        }
        keys
    }

    /// Whoever hit or hunts the player comes before all others: held ones by the lowest key, others within
    /// [`ENTER_MM`] as newcomers that are seated already.
    #[inline(always)]
    fn seat_threats(
        &mut self,
        (client, player): (&Client, &Player),
        eye: (u16, u16),
        held: &mut Block,
        newcomers: &mut Newcomers,
        scene: &Scene<'_>,
    ) {
        for (id, until) in &player.threats {
            if *until <= scene.tick {
                continue;
            }
            let Some(row) = scene.handles.row_of(*id) else { continue };
            let position = scene.bins.position(row);
            if self.marks[position] == self.epoch {
                // It is held, was seated a moment ago, or is the client.
                let is_it = |slot: &u32| client.rows[*slot as usize] == row.0;
                if let Some(slot) = ones(client.view.occupied).find(is_it) {
                    let key = &mut held[slot as usize];
                    *key = if *key == NEVER { NEVER } else { 0 };
                }
                continue;
            }
            let (x, y, _) = scene.bins.lanes();
            if lanes::is_within_enter(eye, (x[position], y[position])) {
                self.marks[position] = self.epoch;
                newcomers.add(position, scene.bins);
            }
        }
    }

    /// Keys of all entities in the runs that a circle touches, but for marked ones and those beyond [`ENTER_MM`].
    #[inline(always)]
    fn scan(&mut self, place: (i32, i32), eye: (u16, u16), reach_mm: i32, bins: &Bins) {
        let (x, y, weight) = bins.lanes();
        // One length for all: one check below.
        let n_positions = bins.n_positions();
        let Self { marks, epoch, keys, runs, .. } = self;
        let (x, y, weight) = (&x[..n_positions], &y[..n_positions], &weight[..n_positions]);
        let marks = &marks[..n_positions];
        let (mut n, mut n_runs) = (0, 0);
        for run in bins.runs(place, reach_mm) {
            runs[n_runs] = Run { first_key: n as u32, first_position: run.start as u32 };
            n_runs += 1;
            // Whole vectors: what they hold beyond the run is written over by the next one.
            let mut at = run.start;
            while at < run.end {
                let here = at..at + KEYS;
                let places = (lanes::load(&x[here.clone()]), lanes::load(&y[here.clone()]));
                let (weight, marks) = (lanes::load(&weight[here.clone()]), lanes::load(&marks[here]));
                let to = n + at - run.start;
                keys[to..to + KEYS].copy_from_slice(&lanes::keys(eye, places, weight, (marks, *epoch)));
                at += KEYS;
            }
            n += run.len();
        }
        keys[n..n + SLOTS].fill(NEVER);
        (self.n_keys, self.n_runs) = (n, n_runs);
    }

    /// All keys of the last scan, and some that are [`NEVER`].
    #[inline(always)]
    fn blocks(&self) -> &[Block] {
        self.keys[..self.n_keys.next_multiple_of(SLOTS)].as_chunks::<SLOTS>().0
    }

    /// A bound that `slots` keys or one less lie below, or all when they are fewer; the nearest to `from` that is found.
    /// `None` when too few keys lie below `most`, beyond which the scan has not seen everybody.
    ///
    /// - Cost: one pass over the keys for each bound tried: one when nobody has moved much. The number of keys below
    ///   a bound grows as the bound does, since both grow as the area.
    #[inline(always)]
    fn cut(&self, (held, slots): (&Block, u32), n_seated: u32, from: i16, most: i16) -> Option<Cut> {
        let (held, met) = (std::slice::from_ref(held), self.blocks());
        let count = |bound| n_seated + lanes::below(held, bound) + lanes::below(met, bound);
        let (mut low, mut n_low, mut high) = (0, None, most + 1);
        let mut bound = from.clamp(1, most);
        for n_tries in 0.. {
            let n = count(bound);
            if n > slots {
                high = bound;
            } else if n >= slots - EMPTY_MAX || bound == BOUND_MAX {
                return Some(Cut { bound, n_tied: 0 });
            } else if bound == most {
                return None;
            } else {
                (low, n_low) = (bound, Some(n));
            }
            if high - low <= 1 {
                let n_low = n_low.unwrap_or_else(|| count(low));
                return Some(Cut { bound: low, n_tied: slots - n_low });
            }
            let in_proportion = (bound as u32 * (slots - 1) / n.max(1)).min(i16::MAX as u32) as i16;
            let middle = low + (high - low) / 2;
            bound = if n_tries < 4 { in_proportion.clamp(low + 1, high - 1) } else { middle };
        }
        unreachable!("an interval halves until nothing is left of it")
    }

    /// Adds the positions of all keys below the bound.
    #[inline(always)]
    fn add_below(&self, bound: i16, newcomers: &mut Newcomers, bins: &Bins) {
        let mut run = 0;
        for (block, keys) in self.blocks().iter().enumerate() {
            for lane in ones(lanes::mask_below(keys, bound)) {
                let position = self.position_of(block * SLOTS + lane as usize, &mut run);
                newcomers.add(position, bins);
            }
        }
    }

    /// The position behind a key; `run` is a run that does not begin behind it.
    #[inline(always)]
    fn position_of(&self, key: usize, run: &mut usize) -> usize {
        let runs = &self.runs[..self.n_runs];
        while *run + 1 < runs.len() && runs[*run + 1].first_key as usize <= key {
            *run += 1;
        }
        key - runs[*run].first_key as usize + runs[*run].first_position as usize
    }

    /// Those with the bound for a key, lowest EntityId first: so many of them get in as well. Returns the slots of
    /// those that are held.
    #[cold]
    #[inline(never)]
    fn settle_ties(
        &mut self,
        cut: Cut,
        held: &Block,
        client: &Client,
        newcomers: &mut Newcomers,
        scene: &Scene<'_>,
    ) -> u64 {
        let is_tied = |key: &i16| *key == cut.bound;
        let mut tied = std::mem::take(&mut self.tied);
        tied.clear();
        for slot in ones(client.view.occupied).filter(|slot| is_tied(&held[*slot as usize])) {
            tied.push((scene.columns.id[client.row(slot).at()], slot));
        }
        let mut run = 0;
        for (key, _) in self.keys[..self.n_keys].iter().enumerate().filter(|(_, key)| is_tied(key)) {
            let position = self.position_of(key, &mut run);
            let row = scene.bins.rows()[position] as usize;
            tied.push((scene.bins.ids()[row], (SLOTS + position) as u32));
        }
        tied.sort_unstable();
        let mut kept = 0;
        for (_, place) in tied.iter().take(cut.n_tied as usize) {
            match (*place as usize).checked_sub(SLOTS) {
                Some(position) => newcomers.add(position, scene.bins),
                None => kept |= 1 << place,
            }
        }
        self.tied = tied;
        kept
    }
}

/// One search; compiled apart for all slots, which is what a zone in good health gives.
struct Choice<'a, const IS_FULL: bool> {
    search: &'a mut Search,
    client: &'a mut Client,
    player: &'a Player,
    own: Row,
    scene: &'a Scene<'a>,
}

impl<const IS_FULL: bool> Task for Choice<'_, IS_FULL> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { search, client, player, own, scene } = self;
        let place = scene.columns.place(own);
        let eye = to_steps(place);
        let slots = if IS_FULL { SLOTS } else { scene.slots } as u32;
        search.begin();
        let mut held = search.weigh_held(client, own, eye, scene);
        search.marks[scene.bins.position(own)] = search.epoch;
        let mut newcomers = Newcomers { list: [(EntityId::NONE, 0); SLOTS], n: 0 };
        search.seat_threats((client, player), eye, &mut held, &mut newcomers, scene);
        let mut reach_mm = first_reach_mm(client.bound);
        let cut = loop {
            search.scan(place, eye, reach_mm, scene.bins);
            let most = bound_within(reach_mm);
            match search.cut((&held, slots), newcomers.n as u32, client.bound, most) {
                Some(cut) => break cut,
                None => reach_mm = (reach_mm + reach_mm / 2).min(ENTER_MM),
            }
        };
        client.bound = cut.bound;
        let mut kept = lanes::mask_below(&held, cut.bound);
        search.add_below(cut.bound, &mut newcomers, scene.bins);
        if cut.n_tied > 0 {
            kept |= search.settle_ties(cut, &held, client, &mut newcomers, scene);
        }
        seat(client, kept, &mut newcomers.list[..newcomers.n]);
    }
}

/// Empties the slots of all that are not kept, and gives free ones to the newcomers.
#[inline(always)]
fn seat(client: &mut Client, kept: u64, newcomers: &mut [(EntityId, u32)]) {
    let lost = client.view.occupied & !kept;
    if lost != 0 {
        client.view.remove_all(lost);
    }
    if newcomers.is_empty() {
        return;
    }
    // By id, so that slots do not depend on rows.
    newcomers.sort_unstable();
    let mut taken = 0;
    for ((_, row), slot) in newcomers.iter().zip(ones(client.view.free())) {
        client.rows[slot as usize] = *row;
        taken |= 1 << slot;
    }
    client.view.assign_all(taken);
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
    /// Slots that are given out at most: more than there are threats.
    pub slots: usize,
}

/// A circle in which all keys below a bound lie, and a little more: who walks there needs no second search.
#[inline(always)]
fn first_reach_mm(bound: i16) -> i32 {
    let reach_mm = lanes::reach_of(bound);
    (reach_mm + reach_mm / 16 + 500).min(ENTER_MM)
}

/// The highest bound below which a scan of a circle finds all keys.
#[inline(always)]
fn bound_within(reach_mm: i32) -> i16 {
    if reach_mm >= ENTER_MM { BOUND_MAX } else { lanes::bound_of(reach_mm) }
}

/// A distance as [`distance2`] gives it.
#[must_use]
pub const fn steps2(mm: i32) -> u32 {
    let steps = (mm >> STEP_SHIFT) as u32;
    steps * steps
}

/// Squared distance in steps of 16 mm; saturates far beyond every radius.
#[must_use]
#[inline]
pub fn distance2(a: (i32, i32), b: (i32, i32)) -> u32 {
    let dx = ((a.0 - b.0) >> STEP_SHIFT).unsigned_abs().min(1 << 12);
    let dy = ((a.1 - b.1) >> STEP_SHIFT).unsigned_abs().min(1 << 12);
    dx * dx + dy * dy
}

#[cfg(test)]
mod tests;
