//! Phase 6: who is where. A counting sort of all entities by bins of 8.192 m.
//!
//! Bins are numbered tile by tile, in Morton order within a tile: a cell is a run of bins.

use crate::columns::Columns;
use crate::ids::{EntityId, Row};
use kernel::walls::{TILE_SHIFT, tiles_for};

/// Log2 of a bin's side in mm.
pub const BIN_SHIFT: u32 = 13;
/// Bins along a tile's side.
const TILE_BINS: i32 = 1 << (TILE_SHIFT - BIN_SHIFT);
/// Most players of a cell that has more than one bin.
pub const CELL_PLAYERS_MAX: u32 = 128;
/// Most entities of a cell that has more than one bin.
pub const CELL_ENTITIES_MAX: u32 = 2048;

/// One entity as the index holds it: what a search needs lies together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Entry {
    /// East.
    pub x_mm: i32,
    /// South.
    pub y_mm: i32,
    /// Row, valid until rows move or the next index.
    pub row: u32,
    /// Who; tells whether the row still has this occupant.
    pub id: EntityId,
}

/// Unit of parallel work and interest: a run of bins within one tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Tile, in row order.
    pub tile: u32,
    /// First bin, in Morton order within the tile.
    pub first_bin: u32,
    /// Bins in the run.
    pub n_bins: u32,
    /// Players in it.
    pub n_players: u32,
    /// All entities in it.
    pub n_entities: u32,
}

/// The index of one tick.
#[derive(Clone, Debug)]
pub struct Bins {
    bins_per_side: i32,
    /// Number of a bin = `of_x[x] + of_y[y]`.
    of_x: Vec<u32>,
    of_y: Vec<u32>,
    start: Vec<u32>,
    bin_of: Vec<u32>,
    entries: Vec<Entry>,
    n_players_max: u32,
}

const HOLE: u32 = u32::MAX;

impl Bins {
    /// An empty index of a square zone.
    #[must_use]
    pub fn new(side_mm: i32, columns: &Columns) -> Self {
        let tiles = tiles_for(side_mm) as i32;
        let bins_per_side = tiles * TILE_BINS;
        let along = |scale: u32, tile_stride: i32| {
            let number =
                move |at: i32| (at / TILE_BINS * tile_stride) as u32 + (spread(at % TILE_BINS) << scale);
            (0..bins_per_side).map(number).collect()
        };
        Self {
            bins_per_side,
            of_x: along(0, TILE_BINS * TILE_BINS),
            of_y: along(1, tiles * TILE_BINS * TILE_BINS),
            start: vec![0; (bins_per_side * bins_per_side) as usize + 1],
            bin_of: vec![HOLE; columns.n_rows()],
            entries: Vec::with_capacity(columns.n_rows()),
            n_players_max: columns.n_players_max() as u32,
        }
    }

    /// Sorts all living rows into bins.
    ///
    /// - Cost: two passes over the rows, one over the bins; no allocation.
    pub fn rebuild(&mut self, columns: &Columns) {
        self.start.fill(0);
        for (row, id) in columns.id.iter().enumerate() {
            self.bin_of[row] =
                if *id == EntityId::NONE { HOLE } else { self.number(columns.place(Row(row as u32))) };
            if self.bin_of[row] != HOLE {
                self.start[self.bin_of[row] as usize + 1] += 1;
            }
        }
        let mut sum = 0;
        for start in &mut self.start {
            sum += *start;
            *start = sum;
        }
        self.entries.resize(sum as usize, Entry::default());
        // Filled from each bin's end, last row first: rows ascend within a bin, and `start` ends up as starts.
        for row in (0..columns.n_rows()).rev() {
            if self.bin_of[row] != HOLE {
                let end = &mut self.start[self.bin_of[row] as usize + 1];
                *end -= 1;
                let id = columns.id[row];
                self.entries[*end as usize] =
                    Entry { x_mm: columns.x_mm[row], y_mm: columns.y_mm[row], row: row as u32, id };
            }
        }
        let n = self.start.len();
        self.start.copy_within(1..n, 0);
        self.start[n - 1] = sum;
    }

    /// Number of the bin that holds a place; places outside count to the border.
    #[inline]
    fn number(&self, place: (i32, i32)) -> u32 {
        let (x, y) = self.clamped(place);
        self.of_x[x as usize] + self.of_y[y as usize]
    }

    #[inline]
    fn clamped(&self, place: (i32, i32)) -> (i32, i32) {
        let last = self.bins_per_side - 1;
        ((place.0 >> BIN_SHIFT).clamp(0, last), (place.1 >> BIN_SHIFT).clamp(0, last))
    }

    /// Calls `each` with the entries of every block of bins that a circle touches.
    ///
    /// - Shapes: a block has 2^LEVEL x 2^LEVEL bins, which lie together in Morton order; entries may lie outside of
    ///   the circle; `each` also gets the position of their first one.
    /// - Cost: one call per touched block that is not empty. Large circles want large blocks.
    #[inline]
    pub fn around<const LEVEL: u32>(
        &self,
        place: (i32, i32),
        radius_mm: i32,
        mut each: impl FnMut(usize, &[Entry]),
    ) {
        const { assert!(LEVEL < TILE_BINS.trailing_zeros()) };
        let block = |v: i32| v.clamp(0, (self.bins_per_side << BIN_SHIFT) - 1) >> (BIN_SHIFT + LEVEL);
        let (west, east) = (block(place.0 - radius_mm), block(place.0 + radius_mm));
        let radius2 = i64::from(radius_mm) * i64::from(radius_mm);
        for y in block(place.1 - radius_mm)..=block(place.1 + radius_mm) {
            let dy = distance_to_block::<LEVEL>(place.1, y);
            let room2 = radius2 - dy * dy;
            let is_out = |x: i32| {
                let dx = distance_to_block::<LEVEL>(place.0, x);
                dx * dx > room2
            };
            let (mut first, mut last) = (west, east);
            while first <= last && is_out(first) {
                first += 1;
            }
            while first <= last && is_out(last) {
                last -= 1;
            }
            let row = self.of_y[(y << LEVEL) as usize];
            for x in first..=last {
                let bin = (self.of_x[(x << LEVEL) as usize] + row) as usize;
                let (start, end) = (self.start[bin] as usize, self.start[bin + (1 << (2 * LEVEL))] as usize);
                if start < end {
                    each(start, &self.entries[start..end]);
                }
            }
        }
    }

    /// Memory that the index takes, its table of bins included.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let words = self.of_x.len() + self.of_y.len() + self.start.len() + self.bin_of.len();
        words * size_of::<u32>() + self.entries.capacity() * size_of::<Entry>()
    }

    /// Entries in bin order.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Cuts the occupied bins into cells.
    ///
    /// - Cost: one pass over bins and entries. Not for the tick: jobs take rows, which lie in this order.
    #[must_use]
    pub fn cells(&self) -> Vec<Cell> {
        let mut cells = Vec::new();
        self.cells_into(&mut cells);
        cells
    }

    /// As [`Bins::cells`], into a buffer that is emptied first.
    pub fn cells_into(&self, cells: &mut Vec<Cell>) {
        let bins_per_tile = (TILE_BINS * TILE_BINS) as u32;
        cells.clear();
        for (bin, ends) in self.start.windows(2).enumerate() {
            let entries = &self.entries[ends[0] as usize..ends[1] as usize];
            let n_entities = entries.len() as u32;
            let n_players = entries.iter().filter(|entry| entry.row < self.n_players_max).count() as u32;
            let (tile, first_bin) = (bin as u32 / bins_per_tile, bin as u32 % bins_per_tile);
            match cells.last_mut() {
                Some(last)
                    if last.tile == tile
                        && last.n_players + n_players <= CELL_PLAYERS_MAX
                        && last.n_entities + n_entities <= CELL_ENTITIES_MAX =>
                {
                    last.n_bins += 1;
                    last.n_players += n_players;
                    last.n_entities += n_entities;
                }
                _ => cells.push(Cell { tile, first_bin, n_bins: 1, n_players, n_entities }),
            }
        }
        cells.retain(|cell| cell.n_entities > 0);
    }
}

/// Bits of a number below 8, spread to every second place.
fn spread(value: i32) -> u32 {
    let value = value as u32;
    value & 1 | (value & 2) << 1 | (value & 4) << 2
}

/// Distance in mm along one axis from a place to a block of bins; 0 inside.
#[inline]
fn distance_to_block<const LEVEL: u32>(place: i32, block: i32) -> i64 {
    let low = block << (BIN_SHIFT + LEVEL);
    let high = low + (1 << (BIN_SHIFT + LEVEL)) - 1;
    i64::from((low - place).max(place - high).max(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Handles;
    use crate::rng::{Purpose, draw, within};
    use netproto::Kind;

    fn crowd(n: u32, side_mm: i32) -> Columns {
        let (mut columns, mut handles) = (Columns::new(64, n as usize), Handles::new(n as usize + 64));
        for at in 0..n {
            let place = |tick| within(draw(1, tick, at, Purpose::Den), 0, side_mm - 1);
            columns.spawn(&mut handles, Row(64 + at), Kind::Deer, (place(0), place(1)), 10);
        }
        columns
    }

    #[test]
    fn a_search_finds_exactly_who_a_full_scan_finds() {
        let side_mm = 200_000;
        let columns = crowd(3000, side_mm);
        let mut bins = Bins::new(side_mm, &columns);
        bins.rebuild(&columns);
        for (place, radius) in [((0, 0), 20_000), ((100_000, 99_000), 48_000), ((199_999, 3), 500_000)] {
            let inside = |x: i32, y: i32| {
                let (dx, dy) = (i64::from(x - place.0), i64::from(y - place.1));
                dx * dx + dy * dy <= i64::from(radius) * i64::from(radius)
            };
            let search = |found: &mut Vec<u32>, start: usize, entries: &[Entry]| {
                assert_eq!(bins.entries()[start], entries[0]);
                let near = entries.iter().filter(|entry| inside(entry.x_mm, entry.y_mm));
                found.extend(near.map(|entry| entry.row));
            };
            let (mut found, mut found_in_blocks) = (Vec::new(), Vec::new());
            bins.around::<0>(place, radius, |start, entries| search(&mut found, start, entries));
            bins.around::<1>(place, radius, |start, entries| search(&mut found_in_blocks, start, entries));
            found.sort_unstable();
            found_in_blocks.sort_unstable();
            assert_eq!(found, found_in_blocks);
            let all =
                (64..3064u32).filter(|row| inside(columns.x_mm[*row as usize], columns.y_mm[*row as usize]));
            assert_eq!(found, all.collect::<Vec<_>>());
        }
    }

    #[test]
    fn cells_hold_everybody_and_keep_their_limits() {
        let columns = crowd(9000, 70_000);
        let mut bins = Bins::new(70_000, &columns);
        bins.rebuild(&columns);
        let cells = bins.cells();
        assert_eq!(cells.iter().map(|cell| cell.n_entities).sum::<u32>(), 9000);
        assert!(cells.iter().all(|cell| cell.n_bins == 1 || cell.n_entities <= CELL_ENTITIES_MAX));
        assert!(cells.len() > 4, "{} cells", cells.len());
    }
}
