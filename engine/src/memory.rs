//! What a zone keeps in memory: per entity, per client, and for itself.

use crate::players::{Client, Player, Timeds};
use crate::world::World;
use kernel::walls::TILE_BYTES;

/// Bytes of the state that ticks work on. Memory that a tick uses and the next one uses again is not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Rows, holes included.
    pub n_rows: usize,
    /// Of these, rows of players.
    pub n_players: usize,
    /// All columns.
    pub column_bytes: usize,
    /// The table that finds rows.
    pub handle_bytes: usize,
    /// The index.
    pub index_bytes: usize,
    /// What creatures remember.
    pub mind_bytes: usize,
    /// What a client was told and what waits to be told, for each row of players.
    pub client_bytes: usize,
    /// Legs, commands and threats, for each row of players.
    pub player_bytes: usize,
    /// Walls and their clearance.
    pub ground_bytes: usize,
}

impl Memory {
    /// Columns, handles, index and minds for each row.
    #[must_use]
    pub fn bytes_per_entity(&self) -> f64 {
        let all = self.column_bytes + self.handle_bytes + self.index_bytes + self.mind_bytes;
        all as f64 / self.n_rows.max(1) as f64
    }
}

impl World {
    /// What this zone keeps.
    #[must_use]
    pub fn memory(&self) -> Memory {
        let n_players = self.players.len();
        Memory {
            n_rows: self.columns.n_rows(),
            n_players,
            column_bytes: self.columns.bytes(),
            handle_bytes: self.handles.bytes(),
            index_bytes: self.bins.bytes(),
            mind_bytes: size_of_val(&*self.minds) + size_of_val(&*self.wakes),
            client_bytes: n_players * (size_of::<Client>() + size_of::<Timeds>()),
            player_bytes: n_players * size_of::<Player>(),
            ground_bytes: self.walls.n_tiles() * TILE_BYTES + self.clearance.bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Content, World, ZoneConfig};

    #[test]
    fn a_row_of_columns_takes_64_bytes_and_its_handles_twelve() {
        let config = ZoneConfig {
            seed: 1,
            side_mm: 300_000,
            ticks_per_second: 20,
            players_max: 640,
            creatures: 6_400,
            spawn_radius_mm: 50_000,
            den_radius_mm: 0,
            sending: crate::Sending::EveryTick,
        };
        let memory = World::new(&config, Content::standard(20)).memory();
        assert_eq!((memory.n_rows, memory.n_players), (7_040, 640));
        assert!(memory.column_bytes <= 64 * memory.n_rows, "{memory:?}");
        assert!(memory.handle_bytes <= 12 * memory.n_rows, "{memory:?}");
        assert!(memory.bytes_per_entity() < 200.0, "{memory:?}");
    }
}
