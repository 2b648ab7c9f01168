//! What of a snapshot fits into a client's budget of bytes. The rest stays dirty and comes later.
//!
//! Claims come in the order of docs/ARCHITECTURE.md "Rate control": what no frame can be without, timed events, which
//! are few and cannot wait, introductions, groups.

use super::Visit;
use netproto::peer::Plan;
use netproto::snapshot::ones;
use netproto::{
    GROUP_BITS, Header, INTRODUCTIONS_MAX, Introduction, N_GROUPS, Own, OwnState, SLOTS, SlotNews,
};

/// Which parts follow, and their counts.
const COUNTS_BITS: u32 = 24;
/// Bits of a slot in a list, and of the list's head.
const SLOT_BITS: u32 = 6;
const LIST_BITS: u32 = 4;
/// A list of more slots than this is a mask of all.
const LISTED_MAX: u32 = 8;
/// However little room there is, so much is left for introductions and groups: enough for one of either.
const PROGRESS_BITS: u32 = 256;
/// In one of so many snapshots groups claim in the reverse order, so that the last ones get their turn while the first
/// ones want everything.
const TURNS: u16 = 4;

const _: () = assert!(Introduction::BITS_MAX <= PROGRESS_BITS);

impl Visit<'_> {
    /// Takes out of a snapshot what does not fit into the client's budget.
    ///
    /// - Cost: a count per group; more when something has to wait.
    #[cold]
    #[inline(never)]
    pub(super) fn fit(&mut self, mut plan: Plan) -> Plan {
        let mut left = self.room(&plan);
        let n = (left / Introduction::BITS_MAX).clamp(1, INTRODUCTIONS_MAX as u32);
        if plan.unknown.count_ones() > n {
            plan.unknown = self.nearest(plan.unknown, n as usize);
        }
        left = left.saturating_sub(plan.unknown.count_ones() * Introduction::BITS_MAX);
        let is_reverse = plan.number % TURNS == TURNS - 1;
        let mut first_left_out = None;
        for at in 0..N_GROUPS {
            let group = if is_reverse { N_GROUPS - 1 - at } else { at };
            let wanted = plan.groups[group];
            let taken = take(wanted, u32::from(self.client.first_slot), fitting(left, group));
            left = left.saturating_sub(bits_of(taken.count_ones(), group));
            plan.groups[group] = taken;
            let rest = (wanted & !taken).rotate_right(u32::from(self.client.first_slot));
            if rest != 0 && first_left_out.is_none() {
                first_left_out = Some(rest.trailing_zeros() as u8);
            }
        }
        if let Some(behind) = first_left_out {
            self.client.first_slot = (self.client.first_slot + behind) % SLOTS as u8;
        }
        plan
    }

    /// Bits for introductions and groups.
    fn room(&self, plan: &Plan) -> u32 {
        let own_bits = if plan.own { Own::BITS_MAX } else { Own::BITS_MAX - OwnState::BITS_MAX };
        let news_bits = self.client.view.news_due(plan).count_ones() * SlotNews::BITS_MAX;
        let claimed = Header::BITS_MAX + own_bits + COUNTS_BITS + news_bits + self.timeds.due_bits();
        (u32::from(self.client.budget.frame_bytes) * 8).saturating_sub(claimed).max(PROGRESS_BITS)
    }
}

/// So many slots, from `first` on.
fn take(slots: u64, first: u32, n: u32) -> u64 {
    if slots.count_ones() <= n {
        return slots;
    }
    let taken = ones(slots.rotate_right(first)).take(n as usize).fold(0, |mask, slot| mask | 1u64 << slot);
    taken.rotate_left(first)
}

/// Values of a group that fit.
fn fitting(left: u32, group: usize) -> u32 {
    let value = GROUP_BITS[group] + 1;
    let listed = (left.saturating_sub(LIST_BITS) / (value + SLOT_BITS)).min(LISTED_MAX);
    let masked = left.saturating_sub(LIST_BITS + SLOTS as u32) / value;
    if masked > LISTED_MAX { masked } else { listed }
}

/// Bits of so many values of a group, with the list of their slots.
fn bits_of(n: u32, group: usize) -> u32 {
    let list = if n > LISTED_MAX { SLOTS as u32 } else { n * SLOT_BITS };
    if n == 0 { 0 } else { LIST_BITS + list + n * (GROUP_BITS[group] + 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_takes_no_more_than_there_is_and_one_more_would() {
        for group in 0..N_GROUPS {
            for left in 0..4_000 {
                let n = fitting(left, group);
                assert!(bits_of(n, group) <= left, "{n} of group {group} in {left} bits");
                // Between a list and a mask there is a gap in which one more costs more than it brings.
                let is_gap = n == LISTED_MAX;
                assert!(is_gap || bits_of(n + 1, group) > left, "{n} of group {group} in {left} bits");
            }
        }
    }

    #[test]
    fn slots_take_turns_from_the_first_that_waited() {
        assert_eq!(take(0b1011_0110, 0, 3), 0b0001_0110);
        assert_eq!(take(0b1011_0110, 5, 3), 0b1010_0010);
        assert_eq!(take(0b1011_0110, 63, 9), 0b1011_0110);
    }
}
