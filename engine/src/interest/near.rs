//! Which slots are near: the news of those in them waits for nothing.

use super::lanes::{self, NEVER};
use super::{Scene, to_steps};
use crate::ids::Row;
use crate::players::{Client, Player};
use netproto::SLOTS;
use netproto::snapshot::ones;

/// Nearer than this somebody is near, unless there are many.
pub const NEAR_MM: i32 = 5_000;
/// So many are near at most, besides those who attack.
pub const NEAR_MAX: u32 = 4;

/// The nearest few within [`NEAR_MM`], and whoever hit, hunts or aims at the player.
///
/// - Shapes: the index is of this tick; a player counts as nearer than a creature, as for slots.
/// - Cost: one pass over the slots, a few over their keys where many stand together, and one per attacker.
#[inline(always)]
pub(crate) fn near(client: &Client, player: &Player, own: Row, scene: &Scene<'_>) -> u64 {
    let (occupied, steps) = (client.view.occupied, scene.bins.steps_by_row());
    let packed: [u32; SLOTS] = std::array::from_fn(|slot| steps[client.rows[slot] as usize]);
    let (mut x, mut y) = ([0; SLOTS], [0; SLOTS]);
    crate::bins::unpack(&packed, &mut x, &mut y);
    let eye = to_steps(scene.columns.place(own));
    let mut keys = lanes::held_keys(eye, (&x, &y), &client.rows, scene.columns.n_players_max() as u32);
    for slot in ones(!occupied) {
        keys[slot as usize] = NEVER;
    }
    let mut near = nearest(&keys);
    for (id, _) in player.threats.iter().filter(|(_, until)| *until > scene.tick) {
        if let Some(row) = scene.handles.row_of(*id) {
            let is_it = |slot: usize| u64::from(client.rows[slot] == row.0) << slot;
            near |= (0..SLOTS).fold(0, |mask, slot| mask | is_it(slot)) & occupied;
        }
    }
    near
}

/// The slots with the lowest keys, none of them beyond [`NEAR_MM`]; of those that stand equally far all or none.
#[inline(always)]
fn nearest(keys: &lanes::Block) -> u64 {
    let near = lanes::mask_below(keys, lanes::held_bound(NEAR_MM));
    if near.count_ones() <= NEAR_MAX {
        return near;
    }
    // The highest bound below which there are few enough.
    let (mut low, mut high) = (0, lanes::held_bound(NEAR_MM));
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        let is_few = lanes::mask_below(keys, middle).count_ones() <= NEAR_MAX;
        (low, high) = if is_few { (middle, high) } else { (low, middle) };
    }
    lanes::mask_below(keys, low)
}
