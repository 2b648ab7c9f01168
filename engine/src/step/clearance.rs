//! Clearance: for each wall cell one bit that says whether a body anywhere in it may touch a wall.
//!
//! Most steps end far from any wall. One bit tells so, for whole blocks of rows at a time; [`advance`] is asked only
//! about the others, so the result is that of [`advance`], bit for bit.

use crate::columns::BLOCK;
use jobs::mask::{mask, ones};
use kernel::walls::{CELL_MM, CELL_SHIFT, TILE_CELLS, TILE_MM, TILE_SHIFT, Walls};
use kernel::{HALF_WIDTH_MM, advance};

/// Every bit is set: what lies outside of the bitmap.
const ALL_NEAR: u64 = u64::MAX;

/// The cells in which a body may touch a wall: those with a wall in them or in a cell beside them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clearance {
    tiles_per_side: i32,
    /// As the rows of [`Walls`], and one more for everything outside.
    rows: Vec<u64>,
}

// A body reaches no farther than into the cells beside its own.
const _: () = assert!(HALF_WIDTH_MM < CELL_MM);

impl Clearance {
    /// The clearance of a zone's walls.
    ///
    /// - Cost: nine bit tests per cell; as large as the walls.
    #[must_use]
    pub fn of(walls: &Walls) -> Self {
        let tiles_per_side = walls.tiles_per_side() as i32;
        let mut rows = vec![0; walls.n_tiles() * TILE_CELLS + 1];
        for (at, row) in rows.iter_mut().enumerate().take(walls.n_tiles() * TILE_CELLS) {
            let tile = (at / TILE_CELLS) as i32;
            let x_mm = tile % tiles_per_side * TILE_MM;
            let y_mm = tile / tiles_per_side * TILE_MM + (at % TILE_CELLS) as i32 * CELL_MM;
            *row = near(walls, x_mm, y_mm);
        }
        rows[walls.n_tiles() * TILE_CELLS] = ALL_NEAR;
        Self { tiles_per_side, rows }
    }

    /// Memory that it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.rows.len() * size_of::<u64>()
    }

    /// Moves a block of bodies by one tick, each as [`advance`] does; afterwards a velocity is what the walls left of
    /// it.
    ///
    /// - Units: positions in mm, velocities in mm per tick, at most `STEP_MM_MAX` per axis.
    /// - Cost: vector instructions for the block, a bit test for each body that moves, [`advance`] for those near a
    ///   wall. A block that stands costs one pass over its velocities.
    #[inline(always)]
    pub fn advance_block(
        &self,
        walls: &Walls,
        x_mm: &mut [i32; BLOCK],
        y_mm: &mut [i32; BLOCK],
        vx: &mut [i16; BLOCK],
        vy: &mut [i16; BLOCK],
    ) {
        let moves = mask(|at| vx[at] | vy[at] != 0);
        if moves == 0 {
            return;
        }
        let mut row = [0; BLOCK];
        for at in 0..BLOCK {
            x_mm[at] = x_mm[at].wrapping_add(vx[at].into());
            y_mm[at] = y_mm[at].wrapping_add(vy[at].into());
            row[at] = self.row(x_mm[at], y_mm[at]);
        }
        let rows = self.rows.as_slice();
        let is_near = |at: usize| {
            let column = x_mm[at] >> CELL_SHIFT & (TILE_CELLS as i32 - 1);
            rows[row[at] as usize] >> column & 1
        };
        let near = ones(moves).fold(0, |near, at| near | is_near(at) << at);
        for at in ones(near) {
            let (v_x, v_y) = (i32::from(vx[at]), i32::from(vy[at]));
            let from = (x_mm[at].wrapping_sub(v_x), y_mm[at].wrapping_sub(v_y));
            (x_mm[at], y_mm[at]) = advance(walls, from.0, from.1, v_x, v_y);
            (vx[at], vy[at]) = ((x_mm[at] - from.0) as i16, (y_mm[at] - from.1) as i16);
        }
    }

    /// The row of cells that holds a place.
    #[inline(always)]
    fn row(&self, x_mm: i32, y_mm: i32) -> u32 {
        let n = self.tiles_per_side;
        // Negative numbers are large as unsigned ones.
        let is_inside = (x_mm as u32).max(y_mm as u32) < (n << TILE_SHIFT) as u32;
        // (tile y) n + (tile x) tiles of 64 rows each, and the row in the tile; y's row holds the tile's already.
        let tiles = (y_mm >> TILE_SHIFT).wrapping_mul(n - 1).wrapping_add(x_mm >> TILE_SHIFT);
        let row = (y_mm >> CELL_SHIFT).wrapping_add(tiles << TILE_CELLS.trailing_zeros());
        if is_inside { row as u32 } else { (n * n * TILE_CELLS as i32) as u32 }
    }
}

/// The 64 cells eastward from a tile's border: which have a wall in or beside them.
fn near(walls: &Walls, x_mm: i32, y_mm: i32) -> u64 {
    let is_near = |column: i32| {
        let beside = |of: i32, step: i32| of + step * CELL_MM;
        let x_mm = beside(x_mm, column);
        (-1..=1).any(|south| (-1..=1).any(|east| walls.blocked(beside(x_mm, east), beside(y_mm, south))))
    };
    (0..TILE_CELLS as i32).fold(0, |row, column| row | u64::from(is_near(column)) << column)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::{STEP_MM_MAX, fits, mix};

    /// A number from `low` to `high`, by its place in the sequence.
    fn within(at: u64, low: i32, high: i32) -> i32 {
        low + (mix(at) % (high - low + 1) as u64) as i32
    }

    #[test]
    fn a_block_moves_as_its_bodies_do_one_by_one() {
        for side_mm in [60_000, 65_536, 131_072, 300_000] {
            let walls = Walls::from_seed(side_mm as u64, side_mm);
            let clearance = Clearance::of(&walls);
            let (mut n_moved, mut n_stopped) = (0, 0);
            for block in 0..10_000u64 {
                let seed = mix(block ^ (side_mm as u64) << 32);
                let draw = |salt: u64, low, high| -> [i32; BLOCK] {
                    std::array::from_fn(|at| within(seed ^ mix(salt << 8 | at as u64), low, high))
                };
                // Also from inside of walls, and from outside.
                let (mut x_mm, mut y_mm) =
                    (draw(1, -2_000, side_mm + 2_000), draw(2, -2_000, side_mm + 2_000));
                let speed = |salt| draw(salt, -STEP_MM_MAX, STEP_MM_MAX).map(|v| v as i16);
                let (mut vx, mut vy) = (speed(3), speed(4));
                let stands = draw(5, 0, 7);
                for at in (0..BLOCK).filter(|at| stands[*at] > 4 || block % 8 == 0) {
                    (vx[at], vy[at]) = if stands[at] == 6 { (0, vy[at]) } else { (0, 0) };
                }
                let expected: [(i32, i32, i32, i32); BLOCK] = std::array::from_fn(|at| {
                    let (from, v) = ((x_mm[at], y_mm[at]), (i32::from(vx[at]), i32::from(vy[at])));
                    let to = if v == (0, 0) { from } else { advance(&walls, from.0, from.1, v.0, v.1) };
                    n_moved += u32::from(to != from);
                    n_stopped += u32::from(to != (from.0 + v.0, from.1 + v.1));
                    (to.0, to.1, to.0 - from.0, to.1 - from.1)
                });
                clearance.advance_block(&walls, &mut x_mm, &mut y_mm, &mut vx, &mut vy);
                let got = std::array::from_fn(|at| (x_mm[at], y_mm[at], vx[at].into(), vy[at].into()));
                assert_eq!(got, expected, "block {block} in a square of {side_mm} mm");
            }
            assert!(n_moved > 100_000 && n_stopped > 10_000, "{n_moved} moved, {n_stopped} were stopped");
        }
    }

    #[test]
    fn most_of_a_zone_is_clear_and_no_clear_cell_has_a_place_that_does_not_fit() {
        let walls = Walls::from_seed(9, 131_072);
        let clearance = Clearance::of(&walls);
        let n_near: u32 = clearance.rows.iter().map(|row| row.count_ones()).sum();
        assert!(n_near < 128 * 128 / 8, "{n_near} cells are near a wall");
        for cell in 0..128 * 128 {
            let corner = (cell % 128 * CELL_MM, cell / 128 * CELL_MM);
            let row = clearance.rows[clearance.row(corner.0, corner.1) as usize];
            if row >> (cell % 64) & 1 == 0 {
                let far = CELL_MM - 1;
                for (x, y) in [(0, 0), (far, 0), (0, far), (far, far), (512, 512)] {
                    assert!(fits(&walls, corner.0 + x, corner.1 + y), "({x}, {y}) of cell {cell}");
                }
            }
        }
    }
}
