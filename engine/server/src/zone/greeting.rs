//! What a newcomer is told: the Welcome, and the walls it predicts against.

use engine::EntityId;
use kernel::walls::{TILE_BYTES, Walls};
use netproto::{EPOCH, KERNEL_VERSION, Walls as WallsRecord, Welcome};

use super::peers::Player;
use super::tokens::Token;

/// Tiles in one record: 32 KiB before compression, so that a record never fills a stream's queue.
const TILES_PER_RECORD: usize = 64;
/// Longest block in a record; lz4 adds less than one byte in 200 to what it cannot compress.
const LZ4_BYTES_MAX: usize = 65_000;
const _: () = assert!(TILES_PER_RECORD * TILE_BYTES * 201 / 200 + 16 <= LZ4_BYTES_MAX);

/// What is the same for everybody who enters a zone.
#[derive(Clone, Debug)]
pub struct Greeting {
    /// Fixed rate of the zone.
    pub ticks_per_second: u32,
    /// Side of the square.
    pub side_mm: u32,
    /// Hash of the content tables.
    pub content_hash: u64,
    /// Hash of the wall bitmap.
    pub wall_hash: u64,
    walls: Vec<Vec<u8>>,
}

impl Greeting {
    /// Prepares the greeting of a zone: the walls are compressed once.
    #[must_use]
    pub fn new(ticks_per_second: u32, side_mm: u32, content_hash: u64, walls: &Walls) -> Self {
        Self { ticks_per_second, side_mm, content_hash, wall_hash: walls.hash(), walls: wall_records(walls) }
    }

    /// The first record for a player whose body is in the world.
    #[must_use]
    pub fn welcome(
        &self,
        player: Player,
        entity: EntityId,
        tick: u32,
        token: Token,
        resumed: bool,
    ) -> Vec<u8> {
        let welcome = Welcome {
            durable_low: player.low,
            durable_high: player.high,
            entity: entity.0,
            tick,
            ticks_per_second: self.ticks_per_second,
            side_mm: self.side_mm,
            wall_hash: self.wall_hash,
            content_hash: self.content_hash,
            resume_token: token.to_vec(),
            resumed,
            kernel_version: u32::from(KERNEL_VERSION),
            epoch: u32::from(EPOCH),
        };
        let mut bytes = Vec::new();
        welcome.encode(&mut bytes);
        bytes
    }

    /// The records that carry the wall bitmap, in order.
    #[must_use]
    pub fn walls(&self) -> &[Vec<u8>] {
        &self.walls
    }
}

fn wall_records(walls: &Walls) -> Vec<Vec<u8>> {
    let record = |first_tile: usize| {
        let n_tiles = TILES_PER_RECORD.min(walls.n_tiles() - first_tile);
        let mut tiles = Vec::with_capacity(n_tiles * TILE_BYTES);
        walls.tiles_to_bytes(first_tile, n_tiles, &mut tiles);
        let record = WallsRecord {
            tiles_per_side: walls.tiles_per_side(),
            first_tile: first_tile as u32,
            n_tiles: n_tiles as u32,
            lz4: lz4_flex::block::compress(&tiles),
        };
        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        bytes
    };
    (0..walls.n_tiles()).step_by(TILES_PER_RECORD).map(record).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_walls_of_the_largest_zone_arrive_whole() {
        let walls = Walls::from_seed(1, 4_194_000);
        let mut copy = Walls::open(walls.tiles_per_side());
        let mut n_bytes = 0;
        for bytes in Greeting::new(20, 4_194_000, 0, &walls).walls() {
            n_bytes += bytes.len();
            let record = WallsRecord::decode(bytes).unwrap();
            let size = record.n_tiles as usize * TILE_BYTES;
            let tiles = lz4_flex::block::decompress(&record.lz4, size).unwrap();
            assert!(copy.tiles_from_bytes(record.first_tile as usize, &tiles));
        }
        assert_eq!(copy, walls);
        assert!(n_bytes < walls.n_tiles() * TILE_BYTES / 3, "{n_bytes} bytes");
    }
}
