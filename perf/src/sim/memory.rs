//! What a world keeps per entity and per client.

use engine::World;
use serde::Serialize;

/// Bytes of core state.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Memory {
    /// Columns, handles, the index and creatures' minds, per row of the columns.
    entity_bytes: f64,
    /// A client's slots, what was sent to it, and what is announced around it.
    client_bytes: usize,
    /// Commands that wait, path and threats of a player.
    player_bytes: usize,
}

impl Memory {
    /// Of this world.
    pub(super) fn of(world: &World) -> Self {
        let memory = world.memory();
        Self {
            entity_bytes: memory.bytes_per_entity(),
            client_bytes: memory.client_bytes / memory.n_players,
            player_bytes: memory.player_bytes / memory.n_players,
        }
    }
}

impl std::fmt::Display for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { entity_bytes, client_bytes, player_bytes } = self;
        write!(f, "{entity_bytes:.1} B per entity, {client_bytes} B per client, {player_bytes} B per player")
    }
}
