//! What a client sees against what the world says, slot by slot.

use crate::parts::BitsByPart;
use client_core::view::View;
use engine::interest::ENTER_MM;
use engine::{DurableId, World};
use netproto::quantise::Segment;
use netproto::snapshot::{Frame, ones};
use netproto::{Look, N_GROUPS, SLOTS, Status, Vitals};
use std::collections::HashMap;

/// A published position that a client may miss by, per axis: a segment that was anchored anew is rounded.
pub const SEGMENT_MM: i32 = 16;

/// What the world says about one client's view at the end of a tick.
#[derive(Clone, Debug)]
pub struct Truth {
    tick: u32,
    known: u64,
    entity: [u32; SLOTS],
    segment: [Segment; SLOTS],
    place: [(i32, i32); SLOTS],
    runs: [[u64; N_GROUPS]; SLOTS],
}

impl Truth {
    /// Reads it off a world that has just been stepped.
    ///
    /// # Panics
    /// If the player has no client.
    #[must_use]
    pub fn of(world: &World, player: DurableId) -> Self {
        let client = world.client_of(player).expect("the player has a client");
        let columns = world.columns();
        let mut truth = Self {
            tick: world.now(),
            known: client.view.known,
            entity: [0; SLOTS],
            segment: [Segment::default(); SLOTS],
            place: [(0, 0); SLOTS],
            runs: [[0; N_GROUPS]; SLOTS],
        };
        for slot in ones(truth.known) {
            let (at, row) = (slot as usize, client.row(slot));
            truth.entity[at] = columns.id[row.at()].0;
            truth.segment[at] = columns.segments.get(row);
            truth.place[at] = columns.place(row);
            truth.runs[at] = std::array::from_fn(|group| columns.shown[row.at()].run(group));
        }
        truth
    }
}

impl Truth {
    /// Whether a view shows an occupied slot as it is; positions may be off by so much per axis.
    #[must_use]
    pub fn agrees(&self, view: &View, slot: usize, off_mm_max: i32) -> bool {
        let (slots, runs) = (view.slots(), &self.runs[slot]);
        let (seen, told) = (slots.segment[slot].at(self.tick), self.segment[slot].at(self.tick));
        slots.entity[slot] == self.entity[slot]
            && (seen.0 - told.0).abs().max((seen.1 - told.1).abs()) <= off_mm_max
            && slots.vitals[slot].pack() == runs[Vitals::GROUP]
            && slots.status[slot].pack() == runs[Status::GROUP]
            && slots.look[slot].pack() == runs[Look::GROUP]
    }
}

/// Loss that touched the slots of one client, and how long they have been wrong.
#[derive(Clone, Debug)]
struct Trail {
    touched: [u32; SLOTS],
    /// Slots that wait to be healed: wrong in the newest applied snapshot, or in one lost since.
    wrong: u64,
}

impl Trail {
    /// A packet was lost that held these slots. It touches those that wait to be healed as well: a snapshot
    /// that does not come acknowledges nothing, and an acknowledgement that does not come tells of no loss.
    fn touch(&mut self, slots: u64, tick: u32) {
        self.wrong |= slots;
        for slot in ones(self.wrong) {
            self.touched[slot as usize] = tick;
        }
    }
}

/// What the decoding clients found.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// Introduced slots compared.
    pub slot_ticks: u64,
    /// Of these, wrong: another or no entity, a segment off by more than 16 mm, or another group's value.
    pub wrong: u64,
    /// Of these, with wrong vitals only looked at.
    pub stale_vitals: u64,
    /// Slots that the client holds and the server does not know.
    pub extra: u64,
    /// The longest time in ticks, beyond the round trip, that a slot was wrong after the last loss that
    /// touched it.
    pub wrong_ticks_max: u32,
    /// Where the bits of their snapshots went, lost ones as well.
    pub bits_by_part: BitsByPart,
    /// Distances between view and true position per axis, in mm: counts by value, the last for all above.
    pub error_mm: ErrorCounts,
    trails: HashMap<DurableId, Trail>,
}

/// Counts by error in mm.
#[derive(Clone, Debug)]
pub struct ErrorCounts(Vec<u64>);

impl Default for ErrorCounts {
    fn default() -> Self {
        Self(vec![0; 4097])
    }
}

impl ErrorCounts {
    fn add(&mut self, error_mm: i32) {
        let last = self.0.len() - 1;
        self.0[(error_mm as usize).min(last)] += 1;
    }

    /// The error that a share of all does not exceed, in mm.
    #[must_use]
    pub fn at_quantile(&self, share: f64) -> usize {
        let n: u64 = self.0.iter().sum();
        let wanted = (share * n as f64).ceil() as u64;
        let mut sum = 0;
        let found = self.0.iter().position(|count| {
            sum += count;
            sum >= wanted.max(1)
        });
        found.unwrap_or(0)
    }

    /// The share that does not exceed an error.
    #[must_use]
    pub fn share_within(&self, error_mm: usize) -> f64 {
        let n: u64 = self.0.iter().sum();
        self.0[..=error_mm].iter().sum::<u64>() as f64 / n.max(1) as f64
    }
}

/// Share of the best 64 (nearest by weight, within reach, ties by id) that sit in a client's slots; nothing if
/// nobody is near.
#[must_use]
pub fn recall(world: &World, player: DurableId) -> Option<f64> {
    let (columns, client) = (world.columns(), world.client_of(player)?);
    let own = world.row_of(world.entity_of(player)?)?;
    let (x, y) = columns.place(own);
    let mut ranked: Vec<(i64, u32)> = Vec::new();
    for row in 0..columns.n_rows() {
        let (dx, dy) = (i64::from(columns.x_mm[row] - x), i64::from(columns.y_mm[row] - y));
        let d2 = dx * dx + dy * dy;
        let is_near = d2 <= i64::from(ENTER_MM) * i64::from(ENTER_MM);
        if columns.id[row].0 != 0 && row != own.at() && is_near {
            // 0.61 for players and 1 for creatures, in 64ths.
            let weight = if row < columns.n_players_max() { 39 } else { 64 };
            ranked.push((d2 * weight, columns.id[row].0));
        }
    }
    ranked.sort_unstable();
    ranked.truncate(SLOTS);
    let held: Vec<u32> = client.view.slots().map(|slot| columns.id[client.row(slot).at()].0).collect();
    let found = ranked.iter().filter(|(_, id)| held.contains(id)).count();
    (!ranked.is_empty()).then(|| found as f64 / ranked.len() as f64)
}

impl Findings {
    /// A snapshot was lost that held these slots.
    pub fn lose(&mut self, player: DurableId, truth: &Truth, frame: &Frame) {
        let mut slots = frame.groups.iter().fold(frame.steps, |any, mask| any | mask);
        for news in &frame.news[..frame.n_news] {
            slots |= 1 << news.slot;
        }
        for introduction in &frame.introductions[..frame.n_introductions] {
            slots |= 1 << introduction.slot;
        }
        self.trail(player).touch(slots, truth.tick);
    }

    /// An input datagram was lost, and with it the word that would have healed what is wrong.
    pub fn lose_ack(&mut self, player: DurableId, tick: u32) {
        self.trail(player).touch(0, tick);
    }

    /// A snapshot was applied: what does the client see?
    pub fn compare(&mut self, player: DurableId, view: &View, truth: &Truth, frame: &Frame, rtt: u32) {
        debug_assert_eq!(frame.header.tick, truth.tick);
        self.extra += u64::from((view.occupied() & !truth.known).count_ones());
        for slot in 0..SLOTS as u32 {
            let is_known = truth.known >> slot & 1 == 1;
            let is_held = view.occupied() >> slot & 1 == 1;
            if !is_known && !is_held {
                self.trail(player).wrong &= !(1 << slot);
                continue;
            }
            let is_right = is_known && is_held && self.is_right(slot as usize, view, truth);
            self.slot_ticks += u64::from(is_known);
            self.wrong += u64::from(is_known && !is_right);
            let trail = self.trail(player);
            trail.wrong = trail.wrong & !(1 << slot) | u64::from(!is_right) << slot;
            if !is_right {
                let since = truth.tick.saturating_sub(trail.touched[slot as usize]);
                self.wrong_ticks_max = self.wrong_ticks_max.max(since.saturating_sub(rtt));
            }
        }
    }

    fn is_right(&mut self, at: usize, view: &View, truth: &Truth) -> bool {
        let slots = view.slots();
        if slots.entity[at] != truth.entity[at] {
            return false;
        }
        let (seen, told) = (slots.segment[at].at(truth.tick), truth.segment[at].at(truth.tick));
        self.error_mm.add((seen.0 - truth.place[at].0).abs().max((seen.1 - truth.place[at].1).abs()));
        let off = (seen.0 - told.0).abs().max((seen.1 - told.1).abs());
        let runs = &truth.runs[at];
        let is_vital = slots.vitals[at].pack() == runs[Vitals::GROUP];
        self.stale_vitals += u64::from(!is_vital);
        off <= SEGMENT_MM
            && is_vital
            && slots.status[at].pack() == runs[Status::GROUP]
            && slots.look[at].pack() == runs[Look::GROUP]
    }

    fn trail(&mut self, player: DurableId) -> &mut Trail {
        self.trails.entry(player).or_insert_with(|| Trail { touched: [0; SLOTS], wrong: 0 })
    }
}
