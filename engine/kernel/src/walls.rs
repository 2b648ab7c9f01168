//! Walls: one bit per cell of 1.024 m, 64 x 64 cells to a tile, tiles in row order.
//!
//! A tile is 64 words; word `r` holds row `r` (southward), bit `c` column `c` (eastward). On the wire a tile
//! is these words little-endian, 512 bytes. Source: docs/PROTOCOL.md "Walls".

use crate::mix;

/// Log2 of a cell's side in mm.
pub const CELL_SHIFT: u32 = 10;
/// A cell's side.
pub const CELL_MM: i32 = 1 << CELL_SHIFT;
/// Log2 of a tile's side in mm.
pub const TILE_SHIFT: u32 = 16;
/// A tile's side.
pub const TILE_MM: i32 = 1 << TILE_SHIFT;
/// Rows, and columns, of a tile.
pub const TILE_CELLS: usize = 64;
/// Bytes of a tile on the wire.
pub const TILE_BYTES: usize = TILE_CELLS * 8;
/// The largest zone: positions have 22 bits of mm.
pub const SIDE_MM_MAX: i32 = 1 << 22;

/// The wall bitmap of a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walls {
    tiles_per_side: i32,
    rows: Vec<u64>,
}

impl Walls {
    /// Builds the walls of a square zone: scattered blocks, and everything outside the square.
    ///
    /// - Units: `side_mm` at most [`SIDE_MM_MAX`]; the bitmap covers whole tiles.
    ///
    /// # Panics
    /// If the side is not in `1..=SIDE_MM_MAX`: configuration is checked before.
    #[must_use]
    pub fn from_seed(seed: u64, side_mm: i32) -> Self {
        assert!(0 < side_mm && side_mm <= SIDE_MM_MAX, "side of {side_mm} mm");
        let mut walls = Self::open(tiles_for(side_mm));
        for tile in 0..walls.n_tiles() {
            walls.scatter(seed, tile);
        }
        walls.close_outside(side_mm);
        walls
    }

    /// Walls without a single blocked cell, for `tiles_per_side` x `tiles_per_side` tiles.
    #[must_use]
    pub fn open(tiles_per_side: u32) -> Self {
        let tiles_per_side = tiles_per_side as i32;
        let n_tiles = (tiles_per_side * tiles_per_side) as usize;
        Self { tiles_per_side, rows: vec![0; n_tiles * TILE_CELLS] }
    }

    /// Whether a point lies in a wall. Outside of the bitmap everything is wall.
    #[must_use]
    #[inline]
    pub fn blocked(&self, x_mm: i32, y_mm: i32) -> bool {
        let (tile_x, tile_y) = (x_mm >> TILE_SHIFT, y_mm >> TILE_SHIFT);
        let n = self.tiles_per_side;
        if tile_x as u32 >= n as u32 || tile_y as u32 >= n as u32 {
            return true; // negative numbers are large as unsigned ones
        }
        let row = (y_mm >> CELL_SHIFT) as usize % TILE_CELLS;
        let column = (x_mm >> CELL_SHIFT) as u32 % 64;
        self.rows[(tile_y * n + tile_x) as usize * TILE_CELLS + row] >> column & 1 == 1
    }

    /// Whether a corner of a rectangle lies in a wall: as [`Walls::blocked`] for each of the four.
    ///
    /// - Shapes: west and east, north and south, in this order.
    #[must_use]
    #[inline]
    pub fn corners_blocked(&self, (west, east): (i32, i32), (north, south): (i32, i32)) -> bool {
        let is_inside = (west | north) >= 0 && east.max(south) >> TILE_SHIFT < self.tiles_per_side;
        if !is_inside || west >> TILE_SHIFT != east >> TILE_SHIFT {
            let blocked = |x_mm| self.blocked(x_mm, north) || self.blocked(x_mm, south);
            return blocked(west) || blocked(east);
        }
        let row = |y_mm: i32| {
            let tile = (y_mm >> TILE_SHIFT) * self.tiles_per_side + (west >> TILE_SHIFT);
            self.rows[tile as usize * TILE_CELLS + (y_mm >> CELL_SHIFT) as usize % TILE_CELLS]
        };
        let column = |x_mm: i32| 1 << ((x_mm >> CELL_SHIFT) as u32 % 64);
        (row(north) | row(south)) & (column(west) | column(east)) != 0
    }

    /// Blocks the cell that holds a point; outside of the bitmap nothing happens.
    pub fn block(&mut self, x_mm: i32, y_mm: i32) {
        let n = self.tiles_per_side;
        let (tile_x, tile_y) = (x_mm >> TILE_SHIFT, y_mm >> TILE_SHIFT);
        if (0..n).contains(&tile_x) && (0..n).contains(&tile_y) {
            let row = (y_mm >> CELL_SHIFT) as usize % TILE_CELLS;
            self.rows[(tile_y * n + tile_x) as usize * TILE_CELLS + row] |= 1 << ((x_mm >> CELL_SHIFT) % 64);
        }
    }

    /// The middle of a free cell near a point: searched in growing squares, the nearest of the first square that
    /// has one.
    ///
    /// - Cost: one pass over the squares until a free cell is found.
    ///
    /// # Panics
    /// If the whole bitmap is wall.
    #[must_use]
    pub fn free_near(&self, x_mm: i32, y_mm: i32) -> (i32, i32) {
        let middle = |v: i32| (v & !(CELL_MM - 1)) + CELL_MM / 2;
        for radius in 0..self.tiles_per_side * TILE_CELLS as i32 {
            let mut nearest: Option<(i32, (i32, i32))> = None;
            for dy in -radius..=radius {
                let step = if dy.abs() == radius { 1 } else { (2 * radius).max(1) };
                for dx in (-radius..=radius).step_by(step as usize) {
                    let (x, y) = (middle(x_mm + dx * CELL_MM), middle(y_mm + dy * CELL_MM));
                    let d2 = dx * dx + dy * dy;
                    if !self.blocked(x, y) && nearest.is_none_or(|(best, _)| d2 < best) {
                        nearest = Some((d2, (x, y)));
                    }
                }
            }
            if let Some((_, place)) = nearest {
                return place;
            }
        }
        panic!("no free cell in a bitmap of {} tiles", self.n_tiles());
    }

    /// Tiles along one side.
    #[must_use]
    pub fn tiles_per_side(&self) -> u32 {
        self.tiles_per_side as u32
    }

    /// All tiles.
    #[must_use]
    pub fn n_tiles(&self) -> usize {
        self.rows.len() / TILE_CELLS
    }

    /// Appends the bytes of `n_tiles` tiles from `first_tile` on, as they travel.
    ///
    /// # Panics
    /// If the tiles are not all inside.
    pub fn tiles_to_bytes(&self, first_tile: usize, n_tiles: usize, out: &mut Vec<u8>) {
        for row in &self.rows[first_tile * TILE_CELLS..][..n_tiles * TILE_CELLS] {
            out.extend_from_slice(&row.to_le_bytes());
        }
    }

    /// Replaces tiles from `first_tile` on by bytes from the wire; false, and no change, if they do not fit.
    #[must_use]
    pub fn tiles_from_bytes(&mut self, first_tile: usize, bytes: &[u8]) -> bool {
        let n_tiles = bytes.len() / TILE_BYTES;
        if !bytes.len().is_multiple_of(TILE_BYTES) || first_tile.saturating_add(n_tiles) > self.n_tiles() {
            return false;
        }
        let rows = &mut self.rows[first_tile * TILE_CELLS..][..n_tiles * TILE_CELLS];
        for (row, piece) in rows.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *row = u64::from_le_bytes(*piece);
        }
        true
    }

    /// A hash of the bitmap: equal hashes spare the transfer.
    ///
    /// FNV-1a over the words: against mistakes, not against malice; a liar only misleads itself.
    #[must_use]
    pub fn hash(&self) -> u64 {
        let start = 0xcbf2_9ce4_8422_2325 ^ self.tiles_per_side as u64;
        self.rows
            .iter()
            .fold(start, |hash, row| (hash ^ row).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23))
    }

    /// Six blocks of up to 7 x 4 cells per tile, most of them small.
    fn scatter(&mut self, seed: u64, tile: usize) {
        for block in 0..6u64 {
            let draw = mix(seed ^ mix((tile as u64) << 8 | block));
            let (column, row) = (draw as usize % 64, (draw >> 8) as usize % 64);
            let (long, short) = (1 + (draw >> 16) as usize % 7, 1 + (draw >> 24) as usize % 4);
            let (wide, high) = if draw >> 32 & 1 == 0 { (long, short) } else { (short, long) };
            let bits = (((1u128 << wide) - 1) << column) as u64;
            for r in row..(row + high).min(TILE_CELLS) {
                self.rows[tile * TILE_CELLS + r] |= bits;
            }
        }
    }

    fn close_outside(&mut self, side_mm: i32) {
        let n = self.tiles_per_side;
        for (at, word) in self.rows.iter_mut().enumerate() {
            let tile = (at / TILE_CELLS) as i32;
            let y_mm = tile / n * TILE_MM + (at % TILE_CELLS) as i32 * CELL_MM;
            let free_columns = ((side_mm - tile % n * TILE_MM) / CELL_MM).clamp(0, 64);
            let open = if y_mm + CELL_MM > side_mm { 0 } else { ((1u128 << free_columns) - 1) as u64 };
            *word |= !open;
        }
    }
}

/// Tiles that cover a side.
#[must_use]
pub fn tiles_for(side_mm: i32) -> u32 {
    (side_mm as u32).div_ceil(TILE_MM as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_square_ends_at_its_side_and_the_outside_is_wall() {
        let walls = Walls::from_seed(7, 100_000);
        assert_eq!(walls.tiles_per_side(), 2);
        assert!(walls.blocked(-1, 5) && walls.blocked(5, -1) && walls.blocked(i32::MAX, 5));
        for along in (0..131_072).step_by(1024) {
            assert!(walls.blocked(100_000, along) && walls.blocked(along, 100_000), "open at {along}");
        }
        let share = walls.rows.iter().take(64).map(|row| row.count_ones()).sum::<u32>();
        assert!((10..800).contains(&share), "{share} of 4096 cells are wall");
    }

    #[test]
    fn corners_are_judged_as_points_are_one_by_one() {
        let walls = Walls::from_seed(7, 1_000_000);
        let draw = |at: u64, high: u64| (mix(at) % high) as i32;
        let mut n_blocked = 0;
        for at in 0..200_000u64 {
            let near_border = |v: i32| v % 2_000 + v / 2_000 % 17 * TILE_MM - 1_000;
            let (mut west, mut north) =
                (draw(at * 4, 1_080_000) - 10_000, draw(at * 4 + 1, 1_080_000) - 10_000);
            match at % 3 {
                0 => west = near_border(west),
                1 => north = near_border(north),
                _ => {}
            }
            let (east, south) = (west + draw(at * 4 + 2, 1_500), north + draw(at * 4 + 3, 1_500));
            let corners = [(west, north), (east, north), (west, south), (east, south)];
            let expected = corners.iter().any(|(x, y)| walls.blocked(*x, *y));
            assert_eq!(walls.corners_blocked((west, east), (north, south)), expected, "{corners:?}");
            n_blocked += u32::from(expected);
        }
        assert!((10_000..190_000).contains(&n_blocked), "{n_blocked} are blocked");
    }

    #[test]
    fn tiles_survive_the_wire_and_hostile_ones_change_nothing() {
        let walls = Walls::from_seed(3, 200_000);
        let mut bytes = Vec::new();
        walls.tiles_to_bytes(0, walls.n_tiles(), &mut bytes);
        let mut copy = Walls::open(walls.tiles_per_side());
        assert!(copy.tiles_from_bytes(0, &bytes));
        assert_eq!((copy.hash(), &copy), (walls.hash(), &walls));
        assert!(!copy.tiles_from_bytes(1, &bytes) && !copy.tiles_from_bytes(usize::MAX, &bytes[..512]));
        assert!(!copy.tiles_from_bytes(0, &bytes[..511]));
        assert_eq!(copy, walls);
    }
}
