//! The way to a clicked point: a straight line if it is free, else A* over wall cells, pulled straight.
//!
//! Source: Hart, Nilsson, Raphael, "A formal basis for the heuristic determination of minimum cost paths", 1968.

use kernel::walker::Path;
use kernel::walls::{CELL_MM, CELL_SHIFT, TILE_MM, Walls};
use kernel::{HALF_WIDTH_MM, fits};
use netproto::WAYPOINTS_MAX;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Cells along the side of the square that a search covers; the start lies in its middle.
const WINDOW: i32 = 96;
/// The farthest goal; a farther click is cut to this.
pub const REACH_MM: i32 = 40_000;
/// Cells a search opens at most before it gives up.
const OPENED_MAX: u32 = 1_500;
/// From the reply to the first tick that follows it: both kernels must know it by then.
pub const REPLY_TICKS: u32 = 2;
/// A player's goals are answered this far apart; of those that come sooner the newest waits. A search may open many
/// cells, and a click costs its sender nothing.
pub const EVERY_TICKS: u32 = 4;
/// Cost of a straight and of a diagonal step.
const STRAIGHT: u32 = 10;
const DIAGONAL: u32 = 14;
const _: () = assert!(REACH_MM / CELL_MM < WINDOW / 2 - 2);

/// Memory of a search, reused: a search allocates nothing after the first few.
#[derive(Debug)]
pub struct Search {
    /// Which search wrote the cell, so that nothing is cleared.
    stamp: Vec<u32>,
    cost: Vec<u32>,
    from: Vec<u16>,
    open: BinaryHeap<Reverse<(u32, u32, u16)>>,
    cells: Vec<(i32, i32)>,
    current: u32,
}

impl Default for Search {
    fn default() -> Self {
        let n = (WINDOW * WINDOW) as usize;
        Self {
            stamp: vec![0; n],
            cost: vec![0; n],
            from: vec![0; n],
            open: BinaryHeap::with_capacity(8 * OPENED_MAX as usize),
            cells: Vec::with_capacity(n),
            current: 0,
        }
    }
}

/// Answers, in tick `now`, a goal that was set in `goal_tick`. No way: a path without points, which means stop.
///
/// - Units: places in mm; waypoints are places a body fits.
/// - Cost: about a microsecond when the straight line is free; at most [`OPENED_MAX`] cells otherwise.
#[must_use]
#[inline(never)]
pub fn find(
    search: &mut Search,
    walls: &Walls,
    at: (i32, i32),
    goal: (i32, i32),
    (goal_tick, now): (u32, u32),
) -> Path {
    let mut path = Path { goal_tick, effective_tick: now + REPLY_TICKS, ..Path::default() };
    let last = walls.tiles_per_side() as i32 * TILE_MM - 1;
    let inside = (goal.0.clamp(0, last), goal.1.clamp(0, last));
    let mut goal = within_reach(at, inside);
    if !fits(walls, goal.0, goal.1) {
        goal = walls.free_near(goal.0, goal.1);
    }
    if is_clear(walls, at, goal) {
        path.n = 1;
        path.points[0] = goal;
    } else if search.run(walls, at, goal) {
        pull_straight(walls, at, goal, &search.cells, &mut path);
    }
    path
}

/// The goal, or the point towards it at the end of the reach.
fn within_reach(at: (i32, i32), goal: (i32, i32)) -> (i32, i32) {
    let step = kernel::walker::towards(at, goal, REACH_MM);
    (at.0 + step.0, at.1 + step.1)
}

/// Whether a body can walk straight from one place to another.
///
/// - Cost: four bit tests per quarter of a metre.
fn is_clear(walls: &Walls, from: (i32, i32), to: (i32, i32)) -> bool {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let n = (dx.abs().max(dy.abs()) / (HALF_WIDTH_MM - 44)).max(1);
    let (mut x, mut y) = (Shares::of(dx, n), Shares::of(dy, n));
    (1..=n).all(|_| fits(walls, from.0 + x.grow(), from.1 + y.grow()))
}

/// A way's first n-th, its first two n-ths and so on, each rounded towards nothing: without a division for each.
struct Shares {
    n: i32,
    /// An n-th and what it leaves, with the way's sign.
    each: (i32, i32),
    /// So many n-ths and what they leave.
    sum: (i32, i32),
}

impl Shares {
    fn of(way: i32, n: i32) -> Self {
        Self { n, each: (way / n, way % n), sum: (0, 0) }
    }

    #[inline(always)]
    fn grow(&mut self) -> i32 {
        self.sum.0 += self.each.0;
        self.sum.1 += self.each.1;
        if self.sum.1.abs() >= self.n {
            self.sum.0 += self.sum.1.signum();
            self.sum.1 -= self.sum.1.signum() * self.n;
        }
        self.sum.0
    }
}

impl Search {
    /// Finds the cells from `at` to `goal`; they stand in `cells`, goal first.
    fn run(&mut self, walls: &Walls, at: (i32, i32), goal: (i32, i32)) -> bool {
        self.current = self.current.wrapping_add(1);
        if self.current == 0 {
            self.stamp.fill(0); // stamps of the last round would look like ours
            self.current = 1;
        }
        self.open.clear();
        self.cells.clear();
        let origin = ((at.0 >> CELL_SHIFT) - WINDOW / 2, (at.1 >> CELL_SHIFT) - WINDOW / 2);
        let cell = |place: (i32, i32)| (place.0 >> CELL_SHIFT, place.1 >> CELL_SHIFT);
        let number = |cell: (i32, i32)| ((cell.1 - origin.1) * WINDOW + cell.0 - origin.0) as u16;
        let off = (cell(goal).0 - origin.0, cell(goal).1 - origin.1);
        if !((0..WINDOW).contains(&off.0) && (0..WINDOW).contains(&off.1)) {
            return false; // the free cell nearest to the goal lies beyond the window
        }
        let (start, end) = (number(cell(at)), number(cell(goal)));
        self.enter(start, 0, start, 0);
        let mut n_opened = 0;
        while let Some(Reverse((_, cost, here))) = self.open.pop() {
            if here == end {
                self.walk_back(start, end, origin);
                return true;
            }
            n_opened += 1;
            if n_opened > OPENED_MAX {
                return false;
            }
            if cost <= self.cost[usize::from(here)] {
                self.open_neighbours(walls, here, origin, cell(goal));
            }
        }
        false
    }

    fn enter(&mut self, cell: u16, cost: u32, from: u16, estimate: u32) {
        let at = usize::from(cell);
        if self.stamp[at] == self.current && self.cost[at] <= cost {
            return;
        }
        (self.stamp[at], self.cost[at], self.from[at]) = (self.current, cost, from);
        // Ties go to the lower cell number: the same search gives the same path everywhere.
        self.open.push(Reverse((cost + estimate, cost, cell)));
    }

    fn open_neighbours(&mut self, walls: &Walls, here: u16, origin: (i32, i32), goal: (i32, i32)) {
        let (column, row) = (i32::from(here) % WINDOW, i32::from(here) / WINDOW);
        let is_free = |dx: i32, dy: i32| {
            let (column, row) = (column + dx, row + dy);
            let inside = (0..WINDOW).contains(&column) && (0..WINDOW).contains(&row);
            inside && !walls.blocked((origin.0 + column) * CELL_MM, (origin.1 + row) * CELL_MM)
        };
        let cost = self.cost[usize::from(here)];
        let (north, west, east, south) = (is_free(0, -1), is_free(-1, 0), is_free(1, 0), is_free(0, 1));
        let neighbours = [
            (0, -1, north),
            (-1, 0, west),
            (1, 0, east),
            (0, 1, south),
            // Past a corner only where both sides of it are free.
            (-1, -1, north && west && is_free(-1, -1)),
            (1, -1, north && east && is_free(1, -1)),
            (-1, 1, south && west && is_free(-1, 1)),
            (1, 1, south && east && is_free(1, 1)),
        ];
        for (dx, dy, _) in neighbours.into_iter().filter(|(_, _, is_open)| *is_open) {
            let is_diagonal = dx != 0 && dy != 0;
            let next = ((row + dy) * WINDOW + column + dx) as u16;
            let away_x = (origin.0 + column + dx - goal.0).unsigned_abs();
            let away_y = (origin.1 + row + dy - goal.1).unsigned_abs();
            let estimate = STRAIGHT * away_x.max(away_y) + (DIAGONAL - STRAIGHT) * away_x.min(away_y);
            self.enter(next, cost + if is_diagonal { DIAGONAL } else { STRAIGHT }, here, estimate);
        }
    }

    fn walk_back(&mut self, start: u16, end: u16, origin: (i32, i32)) {
        let mut here = end;
        while here != start {
            let (column, row) = (i32::from(here) % WINDOW, i32::from(here) / WINDOW);
            let middle = |cell: i32| cell * CELL_MM + CELL_MM / 2;
            self.cells.push((middle(origin.0 + column), middle(origin.1 + row)));
            here = self.from[usize::from(here)];
        }
    }
}

/// Keeps the cells at which the walk must turn; a path with too many turns ends early.
fn pull_straight(walls: &Walls, at: (i32, i32), goal: (i32, i32), cells: &[(i32, i32)], path: &mut Path) {
    let mut from = at;
    let mut left = cells.len(); // cells[..left] are still ahead, nearest last
    while left > 0 && usize::from(path.n) < WAYPOINTS_MAX {
        let far = (0..left - 1).find(|far| is_clear(walls, from, cells[*far])).unwrap_or(left - 1);
        left = far;
        from = cells[far];
        path.points[usize::from(path.n)] = from;
        path.n += 1;
    }
    // The last cell's middle stands for the clicked point where that can be reached.
    if left == 0 && usize::from(path.n) < WAYPOINTS_MAX && is_clear(walls, from, goal) {
        path.points[usize::from(path.n)] = goal;
        path.n += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, draw, within};
    use kernel::advance;
    use kernel::walker::{Rules, Walker};
    use netproto::{Command, Follow, Goal, Move};

    /// Walks as both kernels do; returns where the body ends.
    fn walk(walls: &Walls, from: (i32, i32), path: &Path) -> (i32, i32) {
        let rules = Rules::at(20);
        let (mut walker, mut at) = (Walker::rested(&rules), from);
        for tick in path.goal_tick..path.goal_tick + 600 {
            let movement = if tick == path.goal_tick {
                Move::Goal(Goal { x_mm: from.0 as u32, y_mm: from.1 as u32 })
            } else {
                Move::Follow(Follow {})
            };
            let v = walker.step(tick, at, &Command { movement, deed: None }, path, &rules);
            at = advance(walls, at.0, at.1, v.0, v.1);
        }
        at
    }

    #[test]
    fn shares_are_those_of_a_division() {
        for at in 0..2_000 {
            let draw = |salt, low, high| within(draw(3, at, salt, Purpose::Den), low, high);
            let (way, n) = (draw(0, -60_000, 60_000), draw(1, 1, 200));
            let mut shares = Shares::of(way, n);
            assert!((1..=n).all(|part| shares.grow() == way * part / n), "{way} in {n}");
        }
    }

    #[test]
    fn a_wall_is_walked_around() {
        let mut walls = Walls::open(1);
        for y in 10..50 {
            walls.block(30 * CELL_MM, y * CELL_MM);
        }
        let (from, goal) = ((25_000, 31_000), (36_000, 31_000));
        let path = find(&mut Search::default(), &walls, from, goal, (100, 100));
        assert!(path.n >= 2, "{path:?}");
        assert_eq!(walk(&walls, from, &path), goal);
    }

    #[test]
    fn a_closed_room_has_no_way_out() {
        let mut walls = Walls::open(1);
        for along in 0..8 {
            for (x, y) in [(20, 20 + along), (27, 20 + along), (20 + along, 20), (20 + along, 27)] {
                walls.block(x * CELL_MM, y * CELL_MM);
            }
        }
        let path = find(&mut Search::default(), &walls, (24_000, 24_000), (40_000, 24_000), (7, 7));
        assert_eq!((path.n, path.effective_tick), (0, 7 + REPLY_TICKS));
    }

    #[test]
    fn nearly_every_click_in_a_generated_zone_is_reached() {
        let walls = Walls::from_seed(1, 262_144);
        let mut search = Search::default();
        let mut n_reached = 0;
        for id in 0..200 {
            let place = |tick| within(draw(5, tick, id, Purpose::Den), 40_000, 220_000);
            let from = walls.free_near(place(0), place(1));
            let goal =
                walls.free_near(from.0 + place(2) % 25_000 - 12_500, from.1 + place(3) % 25_000 - 12_500);
            let path = find(&mut search, &walls, from, goal, (1, 1));
            n_reached +=
                u32::from(path.n > 0 && walk(&walls, from, &path) == path.points[usize::from(path.n) - 1]);
        }
        assert!(n_reached >= 190, "{n_reached} of 200 were reached");
    }
}
