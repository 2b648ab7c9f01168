//! Rows in spatial order: neighbours in the world lie together in memory. And rows in any other order, to
//! show that nothing depends on it.

use crate::ids::EntityId;
use crate::rng::{Purpose, draw};
use crate::world::World;
use netproto::snapshot::ones;

/// Puts players and creatures, each in their range, into the order of the last index; holes go last.
///
/// - Cost: one exchange per row that moves, one pass over all slots of all clients; no allocation.
pub fn by_place(world: &mut World) {
    let n_players = world.players.len();
    let mut order = std::mem::take(&mut world.scratch.order);
    order.clear();
    let entries = world.bins.entries();
    order.extend(entries.iter().map(|entry| entry.row).filter(|row| (*row as usize) < n_players));
    fill_up(&mut order, 0, n_players, &mut world.scratch.targets);
    order.extend(world.bins.entries().iter().map(|entry| entry.row).filter(|row| *row as usize >= n_players));
    let n_rows = world.columns.n_rows();
    fill_up(&mut order, n_players, n_rows, &mut world.scratch.targets);
    apply(world, &order);
    world.scratch.order = order;
}

/// Puts the rows of both ranges into an order drawn from `salt`.
pub fn shuffle(world: &mut World, salt: u32) {
    let n_players = world.players.len() as u32;
    let mut order: Vec<u32> = (0..world.columns.n_rows() as u32).collect();
    order.sort_by_key(|row| (*row >= n_players, draw(9, salt, *row, Purpose::Look)));
    apply(world, &order);
    world.bins.rebuild(&world.columns);
}

/// Appends the rows of `first..end` that are missing from `order[first..]`.
fn fill_up(order: &mut Vec<u32>, first: usize, end: usize, marks: &mut [u32]) {
    marks[first..end].fill(0);
    for row in &order[first..] {
        marks[*row as usize] = 1;
    }
    order.extend((first..end).filter(|row| marks[*row] == 0).map(|row| row as u32));
}

/// Moves row `order[k]` to row `k`, for all k.
fn apply(world: &mut World, order: &[u32]) {
    let mut targets = std::mem::take(&mut world.scratch.targets);
    for (to, from) in order.iter().enumerate() {
        targets[*from as usize] = to as u32;
    }
    for client in world.clients.iter_mut().filter(|client| client.is_attached) {
        for slot in ones(client.view.occupied) {
            let row = &mut client.rows[slot as usize];
            *row = targets[*row as usize];
        }
    }
    for row in &mut world.free_player_rows {
        row.0 = targets[row.at()];
    }
    for at in 0..targets.len() {
        while targets[at] as usize != at {
            let to = targets[at] as usize;
            swap(world, at, to);
            targets.swap(at, to);
        }
    }
    world.scratch.targets = targets;
}

fn swap(world: &mut World, a: usize, b: usize) {
    let n_players = world.players.len();
    debug_assert_eq!(a < n_players, b < n_players, "rows {a} and {b} are of different ranges");
    world.columns.swap(&mut world.handles, a, b);
    if a < n_players {
        world.players.swap(a, b);
        world.clients.swap(a, b);
        world.timeds.swap(a, b);
    } else {
        world.minds.swap(a - n_players, b - n_players);
    }
}

/// A hash of the living rows by EntityId: world columns only, no client views, no row numbers.
#[must_use]
pub fn state_hash(world: &World) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325 ^ u64::from(world.now);
    let mut add = |word: u64| hash = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    let columns = &world.columns;
    for row in world.handles.rows() {
        let at = row.at();
        debug_assert_ne!(columns.id[at], EntityId::NONE);
        add(u64::from(columns.id[at].0) << 32 | u64::from(columns.x_mm[at] as u32));
        add((columns.y_mm[at] as u64) << 32
            | u64::from(columns.vx[at] as u16) << 16
            | u64::from(columns.vy[at] as u16));
        add(u64::from(columns.health[at]) << 48
            | u64::from(columns.health_max[at]) << 32
            | columns.kind[at] as u64);
        add(u64::from(columns.action_until[at]) << 32
            | u64::from(columns.facing[at]) << 8
            | columns.action[at] as u64);
        if let Some(player) = world.players.get(at) {
            let walker = &player.walker;
            add(walker.state as u64 | u64::from(walker.waypoint) << 8 | u64::from(walker.forced_ticks) << 16);
            add(u64::from(walker.resource) << 32 | u64::from(player.swing_ready));
            add(u64::from(player.durable.low) << 32 | u64::from(player.respawn_at));
        }
    }
    hash
}
