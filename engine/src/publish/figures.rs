//! Vitals, status and look: who looks different from what clients were told.

use crate::columns::{BLOCK, Columns};
use jobs::mask::{mask, ones};
use netproto::{Action, Look, Status, Vitals};

/// Vitals, status and look packed side by side, so that one comparison finds any change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct Shown(pub(crate) u32);

const STATUS_AT: u32 = Vitals::BITS;
const LOOK_AT: u32 = STATUS_AT + Status::BITS;
const _: () = assert!(LOOK_AT + Look::BITS <= 32);

impl Shown {
    fn new(vitals: Vitals, status: Status, look: Look) -> Self {
        Self(vitals.pack() as u32 | (status.pack() as u32) << STATUS_AT | (look.pack() as u32) << LOOK_AT)
    }

    /// What a row looks like.
    #[must_use]
    pub(crate) fn of(columns: &Columns, at: usize) -> Self {
        let status = status(columns.action[at], columns.facing[at]);
        Self::new(vitals(columns.health[at], columns.health_max[at]), status, look(columns.look[at]))
    }

    /// The packed run of a group other than motion.
    #[must_use]
    #[inline]
    pub fn run(self, group: usize) -> u64 {
        let (at, bits) = match group {
            Vitals::GROUP => (0, Vitals::BITS),
            Status::GROUP => (STATUS_AT, Status::BITS),
            _ => (LOOK_AT, Look::BITS),
        };
        u64::from(self.0 >> at) & ((1 << bits) - 1)
    }

    /// Bits of the groups in which two differ.
    pub(super) fn difference(self, other: Self) -> u8 {
        let differs = |group: usize| u8::from(self.run(group) != other.run(group)) << group;
        if self == other { 0 } else { differs(Vitals::GROUP) | differs(Status::GROUP) | differs(Look::GROUP) }
    }
}

/// What rows look like, what they looked like when that was last packed, and the result.
pub(super) struct Figures<'a> {
    pub(super) health: &'a [[u16; BLOCK]],
    pub(super) health_max: &'a [[u16; BLOCK]],
    pub(super) action: &'a mut [[Action; BLOCK]],
    pub(super) until: &'a [[u32; BLOCK]],
    pub(super) facing: &'a [[u8; BLOCK]],
    pub(super) look: &'a [[u16; BLOCK]],
    pub(super) drawn_health: &'a mut [[u16; BLOCK]],
    pub(super) drawn_action: &'a mut [[Action; BLOCK]],
    pub(super) drawn_facing: &'a mut [[u8; BLOCK]],
    pub(super) shown: &'a mut [[Shown; BLOCK]],
}

impl Figures<'_> {
    #[inline(always)]
    pub(super) fn is_of(&self, n_blocks: usize) -> bool {
        let is_true_of = self.health.len() == n_blocks
            && self.health_max.len() == n_blocks
            && self.action.len() == n_blocks
            && self.until.len() == n_blocks
            && self.facing.len() == n_blocks
            && self.look.len() == n_blocks;
        let is_drawn_of = self.drawn_health.len() == n_blocks
            && self.drawn_action.len() == n_blocks
            && self.drawn_facing.len() == n_blocks
            && self.shown.len() == n_blocks;
        is_true_of && is_drawn_of
    }

    /// Which rows of a block may look different now, among them all that do: nobody has to mark what is changed.
    #[inline(always)]
    pub(super) fn doubtful(&self, block: usize, tick: u32) -> u64 {
        let (health, action, facing) = (&self.health[block], &self.action[block], &self.facing[block]);
        let (health_before, action_before) = (&self.drawn_health[block], &self.drawn_action[block]);
        let (facing_before, until) = (&self.drawn_facing[block], &self.until[block]);
        let hurt = mask(|at| health[at] != health_before[at]);
        let posed =
            mask(|at| (action[at] as u8 != action_before[at] as u8) | (facing[at] != facing_before[at]));
        let acting = mask(|at| action[at] as u8 != Action::None as u8);
        let over = if acting == 0 { 0 } else { acting & mask(|at| until[at] <= tick) };
        hurt | posed | over
    }

    /// Ends the actions of some rows that are over and packs anew how these rows look. Returns of which clients see a
    /// difference, and adds it to `changed`.
    #[inline(always)]
    pub(super) fn draw(&mut self, block: usize, rows: u64, changed: &mut [u8; BLOCK], tick: u32) -> u64 {
        let (health, health_max, look_of) = (&self.health[block], &self.health_max[block], &self.look[block]);
        let (action, facing, until) = (&mut self.action[block], &self.facing[block], &self.until[block]);
        let (health_before, action_before) = (&mut self.drawn_health[block], &mut self.drawn_action[block]);
        let (facing_before, shown) = (&mut self.drawn_facing[block], &mut self.shown[block]);
        let mut differing = 0;
        for at in ones(rows) {
            if until[at] <= tick {
                action[at] = Action::None;
            }
            (health_before[at], action_before[at], facing_before[at]) = (health[at], action[at], facing[at]);
            let status = status(action[at], facing[at]);
            let new = Shown::new(vitals(health[at], health_max[at]), status, look(look_of[at]));
            let difference = new.difference(shown[at]);
            shown[at] = new;
            changed[at] |= difference;
            differing |= u64::from(difference != 0) << at;
        }
        differing
    }
}

fn vitals(health: u16, health_max: u16) -> Vitals {
    let scaled = (u32::from(health) * 127).div_ceil(u32::from(health_max).max(1));
    Vitals { health_128th: scaled }
}

fn status(action: Action, facing: u8) -> Status {
    // Facing belongs to an action: a body without one would publish every turn.
    let facing_64th = if action == Action::None { 0 } else { u32::from(facing) >> 2 };
    Status { action, facing_64th, buffs: 0 }
}

fn look(packed: u16) -> Look {
    Look { variant: u32::from(packed) & 15, level: u32::from(packed) >> 4 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_is_zero_only_when_dead() {
        assert_eq!(vitals(0, 4000).health_128th, 0);
        assert_eq!(vitals(1, 4000).health_128th, 1);
        assert_eq!(vitals(4000, 4000).health_128th, 127);
    }
}
