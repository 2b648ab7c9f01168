//! What a world keeps per entity and per client, as the allocator is asked for it.

use crate::counting::n_bytes;
use engine::World;
use engine::players::{Client, Player, Timeds};
use engine::step::creatures::Mind;
use serde::Serialize;

/// Bytes of core state.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Memory {
    /// Columns, the index and creatures' minds, per row of the columns.
    entity_bytes: f64,
    /// A client's slots, what was sent to it, and what is announced around it.
    client_bytes: usize,
    /// Commands that wait, path and threats of a player.
    player_bytes: usize,
}

impl Memory {
    /// Of this world. Columns and index are copied for it: the copy asks for what the original has.
    pub(super) fn of(world: &World) -> Self {
        let (columns, before) = (world.columns(), n_bytes());
        let copies = (columns.clone(), world.bins().clone());
        let copied = n_bytes() - before;
        drop(copies);
        let minds = (columns.n_rows() - columns.n_players_max()) * size_of::<Mind>();
        Self {
            entity_bytes: (copied + minds as u64) as f64 / columns.n_rows() as f64,
            client_bytes: size_of::<Client>() + size_of::<Timeds>(),
            player_bytes: size_of::<Player>(),
        }
    }
}

impl std::fmt::Display for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { entity_bytes, client_bytes, player_bytes } = self;
        write!(f, "{entity_bytes:.1} B per entity, {client_bytes} B per client, {player_bytes} B per player")
    }
}
