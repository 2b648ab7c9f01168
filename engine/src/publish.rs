//! Phase 5: what clients are told about each entity, and which of it changed in this tick.

use crate::columns::{BLOCK, Columns, REPLACED};
use netproto::quantise::Segment;
use netproto::{Action, Look, Motion, Status, Vitals};
use rayon::prelude::*;

/// A published position may differ from the true one by this much per axis before a new segment goes out.
pub const SLACK_MM: i32 = 64;

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
    fn difference(self, other: Self) -> u8 {
        let differs = |group: usize| u8::from(self.run(group) != other.run(group)) << group;
        if self == other { 0 } else { differs(Vitals::GROUP) | differs(Status::GROUP) | differs(Look::GROUP) }
    }
}

/// Publishes every row at `tick`.
///
/// - Cost: one pass over the columns in blocks, no allocation.
/// - Source: docs/ARCHITECTURE.md "Publish".
pub fn publish(columns: &mut Columns, tick: u32) {
    let n = BLOCK * 8;
    (
        columns.x_mm.par_chunks(n),
        columns.y_mm.par_chunks(n),
        columns.vx.par_chunks(n),
        columns.vy.par_chunks(n),
        columns.replaced.par_chunks_mut(n),
        columns.segment.par_chunks_mut(n),
        columns.changed.par_chunks_mut(n),
    )
        .into_par_iter()
        .for_each(|(x_mm, y_mm, vx, vy, replaced, segment, changed)| {
            publish_motion(&Motions { x_mm, y_mm, vx, vy }, replaced, segment, changed, tick);
        });
    (
        columns.health.par_chunks(n),
        columns.health_max.par_chunks(n),
        columns.facing.par_chunks(n),
        columns.look.par_chunks(n),
        columns.action_until.par_chunks(n),
        columns.action.par_chunks_mut(n),
        columns.shown.par_chunks_mut(n),
        columns.changed.par_chunks_mut(n),
    )
        .into_par_iter()
        .for_each(|(health, health_max, facing, looks, until, action, shown, changed)| {
            for at in 0..shown.len() {
                if until[at] <= tick {
                    action[at] = Action::None;
                }
                let status = status(action[at], facing[at]);
                let new = Shown::new(vitals(health[at], health_max[at]), status, look(looks[at]));
                changed[at] |= new.difference(shown[at]);
                shown[at] = new;
            }
        });
}

/// What the motion pass reads of one run of rows.
struct Motions<'a> {
    x_mm: &'a [i32],
    y_mm: &'a [i32],
    vx: &'a [i32],
    vy: &'a [i32],
}

fn publish_motion(
    motions: &Motions<'_>,
    replaced: &mut [bool],
    segment: &mut [Segment],
    changed: &mut [u8],
    tick: u32,
) {
    for at in 0..changed.len() {
        let (x, y) = (motions.x_mm[at], motions.y_mm[at]);
        let told = segment[at].at(tick);
        let misses = (x - told.0).abs() > SLACK_MM || (y - told.1).abs() > SLACK_MM;
        if misses || replaced[at] {
            segment[at] = Segment::anchored(x, y, motions.vx[at], motions.vy[at], tick);
        }
        changed[at] = u8::from(misses) << Motion::GROUP | if replaced[at] { REPLACED } else { 0 };
        replaced[at] = false;
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
    use crate::ids::{Handles, Row};
    use netproto::Kind;

    #[test]
    fn steady_motion_publishes_once_and_a_turn_again() {
        let (mut columns, mut handles) = (Columns::new(64, 64), Handles::new(128));
        columns.spawn(&mut handles, Row(0), Kind::Player, (10_000, 10_000), 100);
        publish(&mut columns, 1);
        assert_ne!(columns.changed[0] & REPLACED, 0);
        let mut published = Vec::new();
        for tick in 2..40 {
            let velocity = if tick < 20 { (300, 0) } else { (0, 300) };
            (columns.vx[0], columns.vy[0]) = velocity;
            columns.x_mm[0] += velocity.0;
            columns.y_mm[0] += velocity.1;
            publish(&mut columns, tick);
            if columns.changed[0] & 1 == 1 {
                published.push(tick);
            }
            let told = columns.segment[0].at(tick);
            assert!((told.0 - columns.x_mm[0]).abs() <= SLACK_MM + 8, "tick {tick}");
        }
        assert_eq!(published, [2, 20]);
    }

    #[test]
    fn health_is_zero_only_when_dead() {
        assert_eq!(vitals(0, 4000).health_128th, 0);
        assert_eq!(vitals(1, 4000).health_128th, 1);
        assert_eq!(vitals(4000, 4000).health_128th, 127);
    }
}
