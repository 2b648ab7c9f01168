//! What the admin thread finds out by looking, and keeps: connections, bytes, the last overview, what looking cost.

use std::time::{Duration, Instant};

use axum::body::Bytes as Shared;
use engine::picture::Overview;
use jobs::Durations;
use serde_json::{Value, json};

use super::bytes::Bytes;
use super::clients::Clients;

/// The overview is made anew after this.
const OVERVIEW_EVERY: Duration = Duration::from_millis(900);
/// Bytes of a tile in the wall bitmap.
const TILE_BYTES: usize = 512;
/// Cells of a tile that the first overview has room for, on average.
const CELLS_PER_TILE: usize = 4;

/// See the module.
#[derive(Default)]
pub(super) struct Looks {
    pub(super) clients: Clients,
    pub(super) bytes: Bytes,
    /// What the tick thread gave to pictures, each.
    pub(super) pictures: Durations,
    overview: Option<Box<Overview>>,
    /// When the newest overview was asked for, whether it came or not.
    asked: Option<Instant>,
    /// The buffer of the overview before.
    spare: Box<Overview>,
}

/// What never changes about the land.
#[derive(Clone, Debug)]
pub(super) struct Land {
    pub(super) side_mm: i32,
    /// The wall bitmap, tile by tile. Source: docs/PROTOCOL.md "Walls".
    pub(super) walls: Shared,
}

impl Looks {
    /// A buffer for the next overview, with room for it; `None` while the last one is fresh or somebody waits for the
    /// next. The last one stays until the next is there.
    pub(super) fn take_spare(&mut self, now: Instant, land: &Land) -> Option<Box<Overview>> {
        if self.asked.is_some_and(|asked| now.saturating_duration_since(asked) < OVERVIEW_EVERY) {
            return None;
        }
        self.asked = Some(now);
        let mut spare = std::mem::take(&mut self.spare);
        // The tick thread fills it, and is not to take memory. Cells are few more than a second ago.
        let n_tiles = land.walls.len() / TILE_BYTES;
        let n_cells = self.overview.as_ref().map_or(0, |last| last.cells.len());
        room(&mut spare.players, n_tiles);
        room(&mut spare.creatures, n_tiles);
        room(&mut spare.cells, n_tiles * CELLS_PER_TILE + 2 * n_cells);
        Some(spare)
    }

    /// An overview was made.
    pub(super) fn handle_overview(&mut self, overview: Box<Overview>) {
        if let Some(before) = self.overview.replace(overview) {
            self.spare = before;
        }
    }

    /// What looking has cost the tick thread, beside its ticks.
    pub(super) fn pictures_json(&self) -> Value {
        let read = self.pictures.quantiles();
        json!({ "n": read.n, "sum_ns": read.sum_ns, "p50_ns": read.p50_ns, "p99_ns": read.p99_ns, "max_ns": read.max_ns })
    }

    /// The last overview for the page; `None` when there is none.
    pub(super) fn map(&self, land: &Land) -> Option<Value> {
        let overview = self.overview.as_ref()?;
        let cells: Vec<[u32; 5]> = overview
            .cells
            .iter()
            .map(|cell| [cell.tile, cell.first_bin, cell.n_bins, cell.n_players, cell.n_entities])
            .collect();
        Some(json!({
            "tick": overview.tick,
            "side_m": f64::from(land.side_mm) / 1000.0,
            "tile_m": f64::from(kernel::walls::TILE_MM) / 1000.0,
            "tiles_per_side": overview.tiles_per_side,
            "players": overview.players,
            "creatures": overview.creatures,
            "cells": cells,
        }))
    }
}

/// Empties a list and makes room for at least so many.
pub(super) fn room<T>(list: &mut Vec<T>, n: usize) {
    list.clear();
    list.reserve(n);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overview_is_made_once_a_second_and_shown_meanwhile() {
        let (mut looks, start) = (Looks::default(), Instant::now());
        let land = Land { side_mm: 512_000, walls: vec![0; 64 * TILE_BYTES].into() };
        let mut overview = looks.take_spare(start, &land).unwrap();
        assert!(overview.players.capacity() >= 64 && overview.cells.capacity() >= 64);
        assert!(looks.take_spare(start, &land).is_none(), "somebody asks already");
        assert_eq!(looks.map(&land), None);
        overview.tick = 5;
        looks.handle_overview(overview);
        assert!(looks.take_spare(start + Duration::from_millis(800), &land).is_none());
        let next = looks.take_spare(start + Duration::from_secs(1), &land).unwrap();
        let map = looks.map(&land).unwrap();
        assert_eq!(
            (&map["tick"], &map["side_m"], &map["tile_m"]),
            (&json!(5), &json!(512.0), &json!(65.536))
        );
        looks.handle_overview(next);
        assert_eq!(looks.map(&land).unwrap()["tick"], 0);
    }
}
