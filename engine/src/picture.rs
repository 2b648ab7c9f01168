//! What a spectator sees: entities in a rectangle, and the whole zone in numbers per tile.
//!
//! Pure reads of a world between two ticks. Callers keep the buffers, so a picture that was filled once is filled
//! again without taking memory.

use crate::bins::{Cell, Reach};
use crate::ids::{EntityId, Row};
use crate::world::World;
use kernel::walls::{SIDE_MM_MAX, TILE_SHIFT};
use netproto::{Action, Kind};

/// Most entities of one picture; of more, an even share is shown.
pub const DOTS_MAX: usize = 2048;

/// What a camera sees: west and north border inside, east and south border outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lens {
    /// West border, mm.
    pub west_mm: i32,
    /// North border, mm.
    pub north_mm: i32,
    /// East border, mm.
    pub east_mm: i32,
    /// South border, mm.
    pub south_mm: i32,
}

/// One entity in a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dot {
    /// Who, so that two pictures can be put together.
    pub id: EntityId,
    /// East.
    pub x_mm: i32,
    /// South.
    pub y_mm: i32,
    /// What it is.
    pub kind: Kind,
    /// What it does.
    pub action: Action,
    /// Direction in 1/256 turn.
    pub facing: u8,
    /// Health in 1/255 of full.
    pub health: u8,
}

/// The entities in a rectangle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dots {
    /// The tick that was stepped last.
    pub tick: u32,
    /// Who is shown, at most [`DOTS_MAX`].
    pub dots: Vec<Dot>,
    /// How many more there are.
    pub n_left_out: u32,
}

/// The whole zone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overview {
    /// The tick that was stepped last.
    pub tick: u32,
    /// Tiles along one side.
    pub tiles_per_side: u32,
    /// Players per tile, in row order.
    pub players: Vec<u32>,
    /// Creatures per tile, in row order.
    pub creatures: Vec<u32>,
    /// Occupied cells.
    pub cells: Vec<Cell>,
}

impl Lens {
    /// The part of the lens that can hold anybody; `None` when that is nothing.
    #[must_use]
    pub fn clamped(self) -> Option<Self> {
        let inside = |mm: i32| mm.clamp(0, SIDE_MM_MAX);
        let lens = Self {
            west_mm: inside(self.west_mm),
            north_mm: inside(self.north_mm),
            east_mm: inside(self.east_mm),
            south_mm: inside(self.south_mm),
        };
        (lens.west_mm < lens.east_mm && lens.north_mm < lens.south_mm).then_some(lens)
    }

    fn has(&self, x_mm: i32, y_mm: i32) -> bool {
        self.west_mm <= x_mm && x_mm < self.east_mm && self.north_mm <= y_mm && y_mm < self.south_mm
    }

    /// Middle and radius of the circle around the rectangle, rounded up.
    fn circle(&self) -> ((i32, i32), i32) {
        let (w, h) = (i64::from(self.east_mm - self.west_mm), i64::from(self.south_mm - self.north_mm));
        let middle = (self.west_mm + (w / 2) as i32, self.north_mm + (h / 2) as i32);
        (middle, (w * w + h * h).isqrt() as i32 / 2 + 1)
    }
}

impl Dots {
    /// Shows who is inside of a rectangle. When they are too many, a share of them by their ids: the same ones from
    /// picture to picture, and evenly from everywhere.
    ///
    /// - Cost: two passes over the index within the circle around the rectangle; no allocation once the buffer has
    ///   grown.
    pub fn fill(&mut self, world: &World, lens: Lens) {
        self.tick = world.now();
        self.dots.clear();
        self.n_left_out = 0;
        let Some(lens) = lens.clamped() else { return };
        let mut n = 0;
        each_inside(world, &lens, |_, _| n += 1);
        let share = share_of(n);
        let columns = world.columns();
        let dots = &mut self.dots;
        each_inside(world, &lens, |id, row| {
            if mix(id) > share || dots.len() == DOTS_MAX {
                return;
            }
            let (x_mm, y_mm) = columns.place(row);
            let (health, full) = (u32::from(columns.health[row.at()]), columns.health_max[row.at()]);
            dots.push(Dot {
                id,
                x_mm,
                y_mm,
                kind: columns.kind[row.at()],
                action: columns.action[row.at()],
                facing: columns.facing[row.at()],
                health: (health * 255 / u32::from(full.max(1))).min(255) as u8,
            });
        });
        self.n_left_out = n - dots.len() as u32;
    }
}

impl Overview {
    /// Counts the whole zone.
    ///
    /// - Cost: one pass over entries and one over bins; no allocation once the buffers have grown.
    pub fn fill(&mut self, world: &World) {
        let side = world.walls().tiles_per_side();
        let n_tiles = (side * side) as usize;
        (self.tick, self.tiles_per_side) = (world.now(), side);
        for counts in [&mut self.players, &mut self.creatures] {
            counts.clear();
            counts.resize(n_tiles, 0);
        }
        let columns = world.columns();
        let along = |mm: i32| (mm >> TILE_SHIFT).clamp(0, side as i32 - 1) as usize;
        for row in world.bins().rows().iter().map(|row| Row(*row)) {
            let (x_mm, y_mm) = columns.place(row);
            let is_player = row.at() < columns.n_players_max();
            let counts = if is_player { &mut self.players } else { &mut self.creatures };
            counts[along(y_mm) * side as usize + along(x_mm)] += 1;
        }
        world.bins().cells_into(&mut self.cells);
    }
}

/// Calls `each` for everybody who is inside.
fn each_inside(world: &World, lens: &Lens, mut each: impl FnMut(EntityId, Row)) {
    let (middle, radius_mm) = lens.circle();
    let reach = Reach { players_mm: radius_mm, creatures_mm: radius_mm };
    world.bins().near(middle, reach, |at| {
        // Rows may have moved since the index was made, and occupants gone.
        let id = world.bins().ids()[world.bins().rows()[at] as usize];
        let row = world.row_of(id).filter(|row| {
            let (x_mm, y_mm) = world.columns().place(*row);
            lens.has(x_mm, y_mm)
        });
        row.into_iter().for_each(|row| each(id, row));
    });
}

/// Who is shown: everybody whose mixed id is at most this.
fn share_of(n: u32) -> u32 {
    match u64::from(n) {
        // A little below the bound: mixed ids are even, not exactly even.
        n if n > DOTS_MAX as u64 => (u64::from(u32::MAX) * (DOTS_MAX as u64 * 15 / 16) / n) as u32,
        _ => u32::MAX,
    }
}

fn mix(id: EntityId) -> u32 {
    let word = (id.0 ^ id.0 >> 16).wrapping_mul(0x7feb_352d);
    let word = (word ^ word >> 15).wrapping_mul(0x846c_a68b);
    word ^ word >> 16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Content, DurableId, Input, ZoneConfig, tick};

    fn world(creatures: u32) -> World {
        let config = ZoneConfig {
            seed: 3,
            side_mm: 400_000,
            ticks_per_second: 20,
            players_max: 64,
            creatures,
            spawn_radius_mm: 90_000,
            den_radius_mm: 0,
            sending: crate::Sending::EveryTick,
        };
        let mut world = World::new(&config, Content::standard(20));
        let join = |low| Input::Join { player: DurableId { low, high: 1 }, in_flight_max: 4, place: None };
        let joins: Vec<Input> = (1..=20).map(join).collect();
        tick(&mut world, &joins);
        for _ in 0..70 {
            tick(&mut world, &[]);
        }
        world
    }

    /// Rows of everybody whom a full scan finds inside.
    fn scan(world: &World, lens: &Lens) -> Vec<EntityId> {
        let columns = world.columns();
        let is_inside =
            |at: &usize| columns.id[*at] != EntityId::NONE && lens.has(columns.x_mm[*at], columns.y_mm[*at]);
        let mut ids: Vec<EntityId> =
            (0..columns.n_rows()).filter(is_inside).map(|at| columns.id[at]).collect();
        ids.sort_unstable();
        ids
    }

    const WHOLE: Lens = Lens { west_mm: -5, north_mm: 0, east_mm: i32::MAX, south_mm: i32::MAX };

    #[test]
    fn a_picture_shows_exactly_who_a_full_scan_finds() {
        let world = world(500);
        let mut picture = Dots::default();
        let east = Lens { west_mm: 200_000, north_mm: 10_000, east_mm: 390_000, south_mm: 90_000 };
        let middle =
            Lens { west_mm: 150_000, north_mm: 150_000, east_mm: 150_001 + 99_999, south_mm: 250_000 };
        for lens in [WHOLE, east, middle] {
            picture.fill(&world, lens);
            let mut shown: Vec<EntityId> = picture.dots.iter().map(|dot| dot.id).collect();
            shown.sort_unstable();
            assert_eq!(shown, scan(&world, &lens), "{lens:?}");
            assert_eq!((picture.n_left_out, picture.tick), (0, world.now()));
        }
        assert!(picture.dots.iter().any(|dot| dot.kind == Kind::Player && dot.health == 255));
    }

    #[test]
    fn an_empty_or_far_rectangle_shows_nobody() {
        let world = world(50);
        let mut picture = Dots::default();
        picture.fill(&world, WHOLE);
        assert!(!picture.dots.is_empty());
        for (west_mm, east_mm) in [(9_000, 9_000), (9_000, 100), (-900, -5), (2_000_000, 3_000_000)] {
            picture.fill(&world, Lens { west_mm, east_mm, ..WHOLE });
            assert_eq!((picture.dots.len(), picture.n_left_out), (0, 0), "{west_mm}..{east_mm}");
        }
    }

    #[test]
    fn of_too_many_an_even_share_stays_the_same_from_picture_to_picture() {
        let mut world = world(9000);
        let (mut first, mut second) = (Dots::default(), Dots::default());
        first.fill(&world, WHOLE);
        let n = scan(&world, &WHOLE).len();
        assert!((DOTS_MAX * 3 / 4..=DOTS_MAX).contains(&first.dots.len()), "{} shown", first.dots.len());
        assert_eq!(first.dots.len() + first.n_left_out as usize, n);
        let is_west = |dot: &&Dot| dot.x_mm < 200_000;
        let west = first.dots.iter().filter(is_west).count() as f64 / first.dots.len() as f64;
        assert!((0.4..0.6).contains(&west), "{west} of the dots are in the western half");
        tick(&mut world, &[]);
        second.fill(&world, WHOLE);
        let is_kept = |dot: &&Dot| second.dots.iter().any(|other| other.id == dot.id);
        let kept = first.dots.iter().filter(is_kept).count();
        assert!(kept * 100 >= first.dots.len() * 98, "{kept} of {} stayed", first.dots.len());
    }

    #[test]
    fn an_overview_counts_everybody_once() {
        let world = world(700);
        let mut overview = Overview::default();
        overview.fill(&world);
        overview.fill(&world);
        assert_eq!(overview.tiles_per_side, 7);
        assert_eq!((overview.players.len(), overview.players.iter().sum::<u32>()), (49, 20));
        let n = scan(&world, &WHOLE).len() as u32;
        assert_eq!(overview.players.iter().chain(&overview.creatures).sum::<u32>(), n);
        assert_eq!(overview.cells.iter().map(|cell| cell.n_entities).sum::<u32>(), n);
        let tile = Lens {
            west_mm: 3 << TILE_SHIFT,
            north_mm: 3 << TILE_SHIFT,
            east_mm: 4 << TILE_SHIFT,
            south_mm: 4 << TILE_SHIFT,
        };
        let at = 3 * 7 + 3;
        assert_eq!((overview.players[at] + overview.creatures[at]) as usize, scan(&world, &tile).len());
    }

    #[test]
    fn a_picture_filled_again_takes_no_memory() {
        let world = world(9000);
        let (mut dots, mut overview) = (Dots::default(), Overview::default());
        for _ in 0..2 {
            dots.fill(&world, WHOLE);
            overview.fill(&world);
        }
        let before = (dots.dots.as_ptr(), overview.players.as_ptr(), overview.cells.as_ptr());
        dots.fill(&world, WHOLE);
        overview.fill(&world);
        assert_eq!(before, (dots.dots.as_ptr(), overview.players.as_ptr(), overview.cells.as_ptr()));
    }
}
