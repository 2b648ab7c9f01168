//! The wall bitmap, put together from the records that bring it.

use kernel::walls::{TILE_BYTES, Walls};

/// Why wall records are of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WallError {
    /// The bitmap is of another size than the zone's square.
    #[error("walls of {got} tiles per side in a zone of {expected}")]
    Size {
        /// What the record says.
        got: u32,
        /// What the welcome implies.
        expected: u32,
    },
    /// Tiles outside of the bitmap, or none.
    #[error("{n_tiles} wall tiles from {first_tile} on do not fit {n_tiles_max}")]
    Tiles {
        /// First tile.
        first_tile: u32,
        /// Tiles.
        n_tiles: u32,
        /// Tiles of the bitmap.
        n_tiles_max: u32,
    },
    /// The block does not unpack to the promised length.
    #[error("the block of wall tile {first_tile} does not unpack to {n_bytes} bytes")]
    Block {
        /// First tile.
        first_tile: u32,
        /// What it should become.
        n_bytes: usize,
    },
    /// Everything came, and it is not what the welcome announced.
    #[error("walls have hash {got:016x}, the zone announced {expected:016x}")]
    Hash {
        /// Of what came.
        got: u64,
        /// Of what was announced.
        expected: u64,
    },
}

/// Takes wall records until the bitmap is whole.
#[derive(Clone, Debug)]
pub struct Loader {
    walls: Walls,
    hash: u64,
    /// One bit per tile that is still missing.
    missing: Vec<u64>,
    n_missing: usize,
    raw: Vec<u8>,
}

impl Loader {
    /// Waits for a bitmap of this size and hash.
    #[must_use]
    pub fn new(tiles_per_side: u32, hash: u64) -> Self {
        let walls = Walls::open(tiles_per_side);
        let n_missing = walls.n_tiles();
        Self { walls, hash, missing: vec![u64::MAX; n_missing.div_ceil(64)], n_missing, raw: Vec::new() }
    }

    /// Takes a record; gives the walls when it was the last one.
    ///
    /// - Cost: unpacks at most the bytes of the tiles that the record names, and those lie within the bitmap.
    ///
    /// # Errors
    /// [`WallError`]; the walls stay as they were.
    pub fn handle_record(&mut self, record: &netproto::Walls) -> Result<Option<Walls>, WallError> {
        self.unpack(record)?;
        let first = record.first_tile as usize;
        if !self.walls.tiles_from_bytes(first, &self.raw) {
            return Err(self.tiles_error(record));
        }
        for tile in first..first + record.n_tiles as usize {
            let bit = 1 << (tile % 64);
            self.n_missing -= usize::from(self.missing[tile / 64] & bit != 0);
            self.missing[tile / 64] &= !bit;
        }
        if self.n_missing > 0 {
            return Ok(None);
        }
        match self.walls.hash() {
            got if got == self.hash => Ok(Some(std::mem::replace(&mut self.walls, Walls::open(0)))),
            got => Err(WallError::Hash { got, expected: self.hash }),
        }
    }

    fn unpack(&mut self, record: &netproto::Walls) -> Result<(), WallError> {
        let expected = self.walls.tiles_per_side();
        if record.tiles_per_side != expected {
            return Err(WallError::Size { got: record.tiles_per_side, expected });
        }
        let (first_tile, n_tiles) = (record.first_tile, record.n_tiles);
        let is_inside = u64::from(first_tile) + u64::from(n_tiles) <= self.walls.n_tiles() as u64;
        if n_tiles == 0 || !is_inside {
            return Err(self.tiles_error(record));
        }
        let n_bytes = n_tiles as usize * TILE_BYTES;
        self.raw.resize(n_bytes, 0);
        match lz4_flex::block::decompress_into(&record.lz4, &mut self.raw) {
            Ok(unpacked) if unpacked == n_bytes => Ok(()),
            _ => Err(WallError::Block { first_tile, n_bytes }),
        }
    }

    fn tiles_error(&self, record: &netproto::Walls) -> WallError {
        WallError::Tiles {
            first_tile: record.first_tile,
            n_tiles: record.n_tiles,
            n_tiles_max: self.walls.n_tiles() as u32,
        }
    }
}

/// The records that bring a bitmap, each at most `tiles_max` tiles: what a server sends, for tests and tools.
#[must_use]
pub fn records(walls: &Walls, tiles_max: u32) -> Vec<netproto::Walls> {
    let n_tiles = walls.n_tiles() as u32;
    let parts = (0..n_tiles).step_by(tiles_max.max(1) as usize);
    parts
        .map(|first_tile| {
            let n = tiles_max.min(n_tiles - first_tile);
            let mut raw = Vec::new();
            walls.tiles_to_bytes(first_tile as usize, n as usize, &mut raw);
            let lz4 = lz4_flex::block::compress(&raw);
            netproto::Walls { tiles_per_side: walls.tiles_per_side(), first_tile, n_tiles: n, lz4 }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(walls: &Walls, records: &[netproto::Walls]) -> Result<Option<Walls>, WallError> {
        let mut loader = Loader::new(walls.tiles_per_side(), walls.hash());
        let mut whole = None;
        for record in records {
            whole = loader.handle_record(record)?.or(whole);
        }
        Ok(whole)
    }

    #[test]
    fn walls_come_together_in_any_order_and_with_repetitions() {
        let walls = Walls::from_seed(9, 300_000);
        let mut parts = records(&walls, 7);
        parts.insert(2, parts[2].clone());
        parts.reverse();
        assert_eq!(loaded(&walls, &parts).unwrap(), Some(walls.clone()));
        assert_eq!(loaded(&walls, &parts[1..]).unwrap(), None, "a part is missing");
    }

    #[test]
    fn hostile_records_are_refused_without_taking_memory() {
        let walls = Walls::from_seed(9, 200_000);
        let good = records(&walls, 1000).remove(0);
        let check = |change: fn(&mut netproto::Walls)| {
            let mut bad = good.clone();
            change(&mut bad);
            loaded(&walls, &[bad]).unwrap_err()
        };
        assert!(matches!(check(|bad| bad.tiles_per_side = 3), WallError::Size { .. }));
        assert!(matches!(check(|bad| bad.n_tiles = u32::MAX), WallError::Tiles { .. }));
        assert!(matches!(check(|bad| bad.first_tile = u32::MAX), WallError::Tiles { .. }));
        assert!(matches!(check(|bad| bad.n_tiles = 0), WallError::Tiles { .. }));
        assert!(matches!(check(|bad| bad.n_tiles -= 1), WallError::Block { .. }));
        assert!(matches!(check(|bad| bad.lz4.truncate(9)), WallError::Block { .. }));
        let mut longer = records(&walls, 2).remove(0);
        longer.n_tiles += 1;
        assert!(matches!(loaded(&walls, &[longer]), Err(WallError::Block { .. })), "less than was promised");
        let other = Walls::from_seed(10, 200_000);
        assert!(matches!(loaded(&walls, &records(&other, 1000)), Err(WallError::Hash { .. })));
    }
}
