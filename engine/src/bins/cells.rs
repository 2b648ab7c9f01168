//! Cells, for maps: squares of 8.192 m in Morton order within a tile, as many as hold no more than a cell may.

use super::{BIN_Y_SHIFT, Bins, STEP_SHIFT};
use kernel::walls::TILE_SHIFT;

/// Log2 of a square's side in mm; a bin of the index is as wide.
const SQUARE_SHIFT: u32 = super::BIN_X_SHIFT;
/// Squares along a tile's side.
const TILE_SQUARES: u32 = 1 << (TILE_SHIFT - SQUARE_SHIFT);
/// Most players of a cell that has more than one bin.
pub const CELL_PLAYERS_MAX: u32 = 128;
/// Most entities of a cell that has more than one bin.
pub const CELL_ENTITIES_MAX: u32 = 2048;

/// A part of the zone that is crowded or large: a run of bins within one tile.
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

impl Bins {
    /// Cuts the occupied bins into cells.
    ///
    /// - Cost: one pass over bins and entities. Not for the tick: jobs take rows, which lie in this order.
    #[must_use]
    pub fn cells(&self) -> Vec<Cell> {
        let mut cells = Vec::new();
        self.cells_into(&mut cells);
        cells
    }

    /// As [`Bins::cells`], into a buffer that is emptied first.
    pub fn cells_into(&self, cells: &mut Vec<Cell>) {
        cells.clear();
        let tiles_per_side = self.n_across / TILE_SQUARES;
        for tile in 0..tiles_per_side * tiles_per_side {
            let corner = (tile % tiles_per_side * TILE_SQUARES, tile / tiles_per_side * TILE_SQUARES);
            for bin in 0..TILE_SQUARES * TILE_SQUARES {
                self.add_bin(tile, bin, (corner.0 + even_bits(bin), corner.1 + even_bits(bin >> 1)), cells);
            }
        }
        cells.retain(|cell| cell.n_entities > 0);
    }

    /// Adds a square to the last cell, or begins a new one.
    fn add_bin(&self, tile: u32, bin: u32, at: (u32, u32), cells: &mut Vec<Cell>) {
        let positions = self.bin(at.0, at.1 >> (BIN_Y_SHIFT - SQUARE_SHIFT));
        let is_inside = |at_y: &usize| u32::from(self.y[*at_y]) >> (SQUARE_SHIFT - STEP_SHIFT) == at.1;
        let (mut n_entities, mut n_players) = (0, 0);
        for position in positions.filter(is_inside) {
            n_entities += 1;
            n_players += u32::from(self.rows[position] < self.n_players_max);
        }
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
            _ => cells.push(Cell { tile, first_bin: bin, n_bins: 1, n_players, n_entities }),
        }
    }
}

/// Every second bit of a Morton number below 64, from the lowest on.
fn even_bits(morton: u32) -> u32 {
    morton & 1 | morton >> 1 & 2 | morton >> 2 & 4
}
