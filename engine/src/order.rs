//! Rows in spatial order: neighbours in the world lie together in memory. And rows in any other order, to
//! show that nothing depends on it.

use crate::replay::bits::Digest;
use crate::replay::digest;
use crate::rng::{Purpose, draw};
use crate::step::casts::{Cast, Shape};
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
        world.wakes.swap(a - n_players, b - n_players);
    }
}

/// A hash of all that the future of the world depends on, in the order of handles: columns, players, minds, casts
/// under way, whoever waits for its next life, the line of handles. No client views, no row numbers.
///
/// - Cost: about 100 words for each player, 30 for a creature.
#[must_use]
pub fn state_hash(world: &World) -> u64 {
    let mut digest = Digest::default();
    digest.add(u64::from(world.now));
    for row in world.handles.rows() {
        digest.add(digest::of_row(world, row.at()).into());
    }
    digest.add(digest::of_pending(world, true));
    digest.long()
}

/// Casts lie in an order that knows entities, not rows.
pub(crate) fn add_cast(cast: &Cast, add: &mut impl FnMut(u64)) {
    add(u64::from(cast.owner.0) << 32 | u64::from(cast.announced));
    add(u64::from(cast.at.0 as u32) << 32 | u64::from(cast.at.1 as u32));
    let power = cast.power;
    add((cast.skill as u64) << 60
        | (cast.hurts as u64) << 56
        | u64::from(power.damage_min) << 32
        | u64::from(power.damage_max) << 8
        | u64::from(power.critical_percent));
    match cast.shape {
        Shape::Circle { radius_mm, impact, targets_max } => {
            add(u64::from(impact) << 32 | radius_mm as u64);
            add(targets_max as u64);
        }
        Shape::Flight { velocity, release, ticks, n_steps, width_mm } => {
            add(u64::from(release) << 32 | u64::from(ticks) << 16 | u64::from(n_steps));
            add(u64::from(velocity.0 as u32) << 32 | u64::from(velocity.1 as u32));
            add(width_mm as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Power;
    use crate::ids::EntityId;
    use netproto::{Side, Skill};

    fn hash(cast: &Cast) -> u64 {
        let mut hash = 1u64;
        add_cast(cast, &mut |word| hash = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29));
        hash
    }

    #[test]
    fn every_part_of_a_cast_is_part_of_the_state() {
        let circle = Shape::Circle { radius_mm: 64, impact: 12, targets_max: 16 };
        let flight = |velocity, release, ticks, n_steps, width_mm| Shape::Flight {
            velocity,
            release,
            ticks,
            n_steps,
            width_mm,
        };
        let cast = Cast {
            owner: EntityId(7),
            skill: Skill::Area,
            hurts: Side::Creatures,
            power: Power { damage_min: 1, damage_max: 2, critical_percent: 3 },
            announced: 5,
            at: (100, 200),
            shape: circle,
        };
        let power =
            |damage_min, damage_max, critical_percent| Power { damage_min, damage_max, critical_percent };
        let others = [
            Cast { owner: EntityId(8), ..cast },
            Cast { skill: Skill::Slam, ..cast },
            Cast { hurts: Side::Players, ..cast },
            Cast { power: power(0, 2, 3), ..cast },
            Cast { power: power(1, 3, 3), ..cast },
            Cast { power: power(1, 2, 4), ..cast },
            Cast { announced: 6, ..cast },
            Cast { at: (101, 200), ..cast },
            Cast { at: (100, 201), ..cast },
            Cast { shape: Shape::Circle { radius_mm: 65, impact: 12, targets_max: 16 }, ..cast },
            Cast { shape: Shape::Circle { radius_mm: 64, impact: 13, targets_max: 16 }, ..cast },
            Cast { shape: Shape::Circle { radius_mm: 64, impact: 12, targets_max: 17 }, ..cast },
            Cast { shape: flight((1, 2), 3, 4, 5, 6), ..cast },
            Cast { shape: flight((0, 2), 3, 4, 5, 6), ..cast },
            Cast { shape: flight((1, 0), 3, 4, 5, 6), ..cast },
            Cast { shape: flight((1, 2), 0, 4, 5, 6), ..cast },
            Cast { shape: flight((1, 2), 3, 0, 5, 6), ..cast },
            Cast { shape: flight((1, 2), 3, 4, 0, 6), ..cast },
            Cast { shape: flight((1, 2), 3, 4, 5, 0), ..cast },
        ];
        let mut hashes: Vec<u64> = others.iter().chain([&cast]).map(hash).collect();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), others.len() + 1, "two different casts look the same");
    }
}
