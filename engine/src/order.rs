//! Rows in spatial order: neighbours in the world lie together in memory. And rows in any other order, to
//! show that nothing depends on it.

use crate::columns::Columns;
use crate::ids::{EntityId, Row};
use crate::replay::bits::Digest;
use crate::replay::digest;
use crate::rng::{Purpose, draw};
use crate::step::casts::{Cast, Shape};
use crate::world::World;
use kernel::walls::{TILE_SHIFT, tiles_for};
use netproto::snapshot::ones;
use rayon::prelude::*;
use std::ops::Range;

/// Log2 of the side in mm of the squares that rows are ordered by.
const SQUARE_SHIFT: u32 = 14;
/// Squares along a tile's side.
const TILE_SQUARES: u32 = 1 << (TILE_SHIFT - SQUARE_SHIFT);
/// A row that lies so near to those of its square stays where it is. An order without play would move nearly all rows
/// whenever somebody crosses the zone.
const SLACK_ROWS: u32 = 64;

/// What finding an order takes, reused.
#[derive(Debug)]
pub(crate) struct Places {
    tiles_per_side: u32,
    /// First row of each square if all lay in order; then that of the holes, and the end.
    start: Vec<u32>,
    square_of: Vec<u32>,
    /// Square and row of all that move.
    misplaced: Vec<u64>,
    /// Rows that change places among each other, ascending.
    moved: Vec<u32>,
    /// Where each row goes; between two calls each stays where it is.
    targets: Vec<u32>,
}

impl Places {
    /// Memory for a zone of so many rows.
    pub(crate) fn warm(side_mm: i32, n_rows: usize) -> Self {
        let tiles_per_side = tiles_for(side_mm);
        let n_squares = (tiles_per_side * tiles_per_side * TILE_SQUARES * TILE_SQUARES) as usize;
        Self {
            tiles_per_side,
            start: vec![0; n_squares + 2],
            square_of: vec![0; n_rows],
            misplaced: Vec::with_capacity(n_rows),
            moved: Vec::with_capacity(n_rows),
            targets: (0..n_rows as u32).collect(),
        }
    }

    /// Tile by tile, in Morton order within a tile.
    #[inline]
    fn square(&self, place: (i32, i32)) -> u32 {
        let last = (self.tiles_per_side * TILE_SQUARES - 1) as i32;
        let along = |mm: i32| (mm >> SQUARE_SHIFT).clamp(0, last) as u32;
        let (x, y) = (along(place.0), along(place.1));
        let tile = y / TILE_SQUARES * self.tiles_per_side + x / TILE_SQUARES;
        let spread = |at: u32| at & 1 | (at & 2) << 1;
        tile * TILE_SQUARES * TILE_SQUARES + (spread(x % TILE_SQUARES) | spread(y % TILE_SQUARES) << 1)
    }

    /// Finds the rows of a range that lie far from those of their squares, and lets them change places.
    fn find_moves(&mut self, columns: &Columns, range: Range<usize>) {
        let hole = self.start.len() as u32 - 2;
        self.start.fill(0);
        for row in range.clone() {
            let is_hole = columns.id[row] == EntityId::NONE;
            let square = if is_hole { hole } else { self.square(columns.place(Row(row as u32))) };
            self.square_of[row] = square;
            self.start[square as usize + 1] += 1;
        }
        let mut sum = range.start as u32;
        for start in &mut self.start {
            sum += *start;
            *start = sum;
        }
        self.misplaced.clear();
        let first = self.moved.len();
        for row in range.start as u32..range.end as u32 {
            let square = self.square_of[row as usize] as usize;
            if row + SLACK_ROWS < self.start[square] || row >= self.start[square + 1] + SLACK_ROWS {
                self.misplaced.push((square as u64) << 32 | u64::from(row));
                self.moved.push(row);
            }
        }
        self.misplaced.sort_unstable();
        for (from, to) in self.misplaced.iter().zip(&self.moved[first..]) {
            self.targets[*from as u32 as usize] = *to;
        }
    }
}

/// Brings players and creatures, each in their range, nearer to spatial order; holes go last.
///
/// - Cost: three passes over the rows, one exchange per row that lies far from where it should, and if there are any,
///   one pass over all slots of all clients, shared among the threads of the pool; no allocation.
pub fn by_place(world: &mut World) {
    let (n_players, n_rows) = (world.players.len(), world.columns.n_rows());
    let places = &mut world.scratch.places;
    places.moved.clear();
    places.find_moves(&world.columns, 0..n_players);
    places.find_moves(&world.columns, n_players..n_rows);
    apply(world);
}

/// Puts the rows of both ranges into an order drawn from `salt`.
pub fn shuffle(world: &mut World, salt: u32) {
    let n_players = world.players.len() as u32;
    let mut order: Vec<u32> = (0..world.columns.n_rows() as u32).collect();
    let places = &mut world.scratch.places;
    places.moved.clear();
    places.moved.extend_from_slice(&order);
    order.sort_by_key(|row| (*row >= n_players, draw(9, salt, *row, Purpose::Look)));
    for (to, from) in order.iter().enumerate() {
        places.targets[*from as usize] = to as u32;
    }
    apply(world);
    world.bins.rebuild(&world.columns);
}

/// Moves each row to its target.
fn apply(world: &mut World) {
    let moved = std::mem::take(&mut world.scratch.places.moved);
    let mut targets = std::mem::take(&mut world.scratch.places.targets);
    if !moved.is_empty() {
        remap(world, &targets);
    }
    for at in moved.iter().map(|row| *row as usize) {
        while targets[at] as usize != at {
            let to = targets[at] as usize;
            swap(world, at, to);
            targets.swap(at, to);
        }
    }
    (world.scratch.places.moved, world.scratch.places.targets) = (moved, targets);
}

/// Lets those who remember rows follow them.
fn remap(world: &mut World, targets: &[u32]) {
    world.clients.par_iter_mut().filter(|client| client.is_attached).for_each(|client| {
        for slot in ones(client.view.occupied) {
            let row = &mut client.rows[slot as usize];
            *row = targets[*row as usize];
        }
    });
    for row in &mut world.free_player_rows {
        row.0 = targets[row.at()];
    }
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
    hash_of(world, digest::of_row)
}

/// As [`state_hash`], without what clients were told: the same for a zone that was lived again with nobody listening.
///
/// - Cost: as [`state_hash`].
#[must_use]
pub fn lived_hash(world: &World) -> u64 {
    hash_of(world, digest::of_lived)
}

fn hash_of(world: &World, row_digest: fn(&World, usize) -> u32) -> u64 {
    let mut digest = Digest::default();
    digest.add(u64::from(world.now));
    for row in world.handles.rows() {
        digest.add(row_digest(world, row.at()).into());
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
