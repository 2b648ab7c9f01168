//! When a snapshot goes, in a zone that does not tell everybody everything in every tick.
//!
//! What a packet costs in the kernel and the cipher is most of the cost of a client, and much the same for all packets:
//! fewer of them are cheaper. Urgent news goes in its tick: of the own body, of what hits or is announced, of those who
//! are near or attack, that somebody seen is no more, and again what is known to be lost. Other news waits until it is
//! as old as may be, and then takes all that is there along.
//! Source: docs/ARCHITECTURE.md "When a snapshot goes".

use super::{Desk, QUIET_TICKS_MAX, Visit};
use crate::shed::{self, Rung, Spared};
use crate::world::{Sending, Setting};
use netproto::{Look, Status};

/// News that is not urgent waits no longer than this.
pub const HOLD_MS: u32 = 100;
/// While cosmetic news is held back, it rides along once in so many ticks; the next snapshot is a few ticks away.
const COSMETIC_TICKS: u32 = shed::COSMETIC_TICKS - QUIET_TICKS_MAX;
/// Ticks of waiting that are told apart.
const WAITS: usize = 4;
/// Longest wait at the fastest rate, and one more, so that one too long would show.
const _: () = assert!(HOLD_MS * 30 / 1000 < WAITS as u32);

/// Which slots' news has waited how long.
#[derive(Clone, Copy, Debug, Default)]
pub struct Waiting([u64; WAITS]);

impl Waiting {
    /// A tick has ended, and this was not told in it.
    #[inline(always)]
    fn go_on(&mut self, due: u64) {
        for at in (1..WAITS).rev() {
            self.0[at] = self.0[at - 1] & due;
        }
        self.0[0] = due;
    }

    /// Slots whose news has waited for so many ticks at least; all of them for none.
    #[inline(always)]
    fn since(&self, n_ticks: u32) -> u64 {
        if n_ticks == 0 { u64::MAX } else { self.0[(n_ticks as usize - 1).min(WAITS - 1)] }
    }
}

/// How long news of slots has waited until it was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ages {
    /// Slots that were not near, by the ticks that their oldest news waited; the last for all longer ones.
    pub other: [u64; WAITS + 1],
    /// Slots that were near.
    pub near: u64,
    /// Ticks in which news of somebody near was not told, over all slots.
    pub near_waits: u64,
}

impl Ages {
    /// More of them.
    pub fn add(&mut self, more: &Self) {
        self.other.iter_mut().zip(&more.other).for_each(|(sum, n)| *sum += n);
        self.near += more.near;
        self.near_waits += more.near_waits;
    }

    /// What was counted since an earlier look.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            other: std::array::from_fn(|at| self.other[at] - earlier.other[at]),
            near: self.near - earlier.near,
            near_waits: self.near_waits - earlier.near_waits,
        }
    }

    /// The wait in ticks that a share of the news of those not near did not exceed.
    #[must_use]
    pub fn at_quantile(&self, share: f64) -> u32 {
        let n: u64 = self.other.iter().sum();
        let (wanted, mut sum) = ((share * n as f64).ceil() as u64, 0);
        let found = self.other.iter().position(|n| {
            sum += n;
            sum >= wanted
        });
        found.unwrap_or(WAITS) as u32
    }
}

/// How long news that is not urgent waits at most, in ticks.
#[inline(always)]
fn hold_ticks(setting: &Setting<'_>) -> u32 {
    HOLD_MS * setting.ticks_per_second / 1000
}

impl Visit<'_> {
    /// Whether there is a reason for a snapshot in this tick; always, where every tick is a reason.
    ///
    /// - Shapes: `is_bereft`: an occupant of a slot is no more; `has_lost`: a snapshot is known to be lost.
    #[inline(always)]
    pub(super) fn is_time(&self, turn: u32, is_bereft: bool, has_lost: bool) -> bool {
        self.hall.setting.sending == Sending::EveryTick || self.has_reason(turn, is_bereft, has_lost)
    }

    fn has_reason(&self, turn: u32, is_bereft: bool, has_lost: bool) -> bool {
        let (client, setting) = (&*self.client, self.hall.setting);
        let due = if setting.shed.level() == 0 { client.view.due() } else { self.may_go(turn) };
        let is_urgent = is_bereft
            || due & client.near != 0
            || has_lost && (due != 0 || self.timeds.is_due())
            || client.view.owes_own()
            || self.player.queue.is_made_up()
            || self.timeds.is_urgent();
        // What found no room goes on at once. Where regular turns are rare, news waits for the first one at which it is old:
        // to send it at the one before would be more snapshots than with a turn in every tick.
        let is_old = due & (client.waiting.since(hold_ticks(setting)) | client.overdue) != 0;
        let is_quiet = setting.now.wrapping_sub(client.sent_at) >= QUIET_TICKS_MAX;
        is_urgent || is_old || is_quiet
    }

    /// Whether cosmetic news of those who are not near waits for a later snapshot. Where not every tick is one, turns may
    /// pass without any: then it goes with the first one behind its turn, and there is one in a few ticks.
    #[inline(always)]
    pub(super) fn holds_cosmetic(&self, turn: u32) -> bool {
        let Setting { shed, sending, now, .. } = *self.hall.setting;
        match sending {
            Sending::EveryTick => shed.holds_cosmetic(turn),
            Sending::News => {
                shed.has(Rung::Cosmetic) && now.wrapping_sub(self.client.cosmetic_at) < COSMETIC_TICKS
            }
        }
    }

    /// Slots with news that is a reason for a snapshot while load is shed. What has to wait for a later turn is none, and
    /// cosmetic news rides along with others only: were it a reason, a rung would send more than the one before.
    #[cold]
    #[inline(never)]
    fn may_go(&self, turn: u32) -> u64 {
        let plan = self.hold_back(turn, true, self.client.view.plan(), &mut Spared::default());
        plan.dirty() | plan.unknown | plan.emptied
    }

    /// Slots with other news than looks and actions. While those are held back they have no age: a slot that waits for its
    /// look would make the next step of its occupant old at once.
    #[cold]
    #[inline(never)]
    fn not_cosmetic(&self) -> u64 {
        let mut plan = self.client.view.plan();
        (plan.groups[Status::GROUP], plan.groups[Look::GROUP]) = (0, 0);
        plan.dirty() | plan.unknown | plan.emptied
    }

    /// Nothing was told in this tick: what is there waits.
    #[inline(always)]
    pub(super) fn wait(&mut self, desk: &mut Desk) {
        if self.hall.setting.sending == Sending::News {
            let due = self.client.view.due();
            desk.ages.near_waits += u64::from((due & self.client.near).count_ones());
            let ageing = if self.hall.setting.shed.has(Rung::Cosmetic) { self.not_cosmetic() } else { due };
            self.client.waiting.go_on(ageing);
        }
    }

    /// News of the slots in `told` was told, but for what found no room in those in `left`: that grows older, and goes on
    /// in the next tick.
    #[inline(always)]
    pub(super) fn note_told(&mut self, told: u64, left: u64, desk: &mut Desk) {
        if self.hall.setting.sending == Sending::EveryTick {
            return;
        }
        let (near, waiting) = (told & !left & self.client.near, self.client.waiting);
        let other = told & !near & !left;
        desk.ages.near += u64::from(near.count_ones());
        let mut older = other.count_ones();
        for (n, mask) in desk.ages.other.iter_mut().zip(waiting.0) {
            let longer = (other & mask).count_ones();
            *n += u64::from(older - longer);
            older = longer;
        }
        desk.ages.other[WAITS] += u64::from(older);
        desk.ages.near_waits += u64::from((left & self.client.near).count_ones());
        self.client.waiting.go_on(left);
        self.client.overdue = left;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_grows_older_tick_by_tick_until_it_is_told() {
        let mut waiting = Waiting::default();
        waiting.go_on(0b01);
        waiting.go_on(0b11);
        assert_eq!([0, 1, 2, 3].map(|n| waiting.since(n) & 0b111), [0b111, 0b11, 0b01, 0]);
        waiting.go_on(0b10);
        waiting.go_on(0b10);
        assert_eq!([1, 2, 3, 4, 5].map(|n| waiting.since(n)), [0b10, 0b10, 0b10, 0, 0], "slot 0 was told");
    }

    #[test]
    fn quantiles_of_ages_are_of_those_who_are_not_near() {
        let ages = Ages { other: [50, 30, 20, 0, 0], near: 1_000, near_waits: 0 };
        assert_eq!([0.5, 0.51, 0.8, 0.81, 1.0].map(|share| ages.at_quantile(share)), [0, 1, 1, 2, 2]);
        assert_eq!(ages.since(&Ages { other: [50, 0, 0, 0, 0], ..ages }).at_quantile(0.5), 1);
    }
}
