//! What the admin thread finds out by looking, and keeps: connections, bytes, the last overview, what looking cost.

use std::time::{Duration, Instant};

use engine::picture::Overview;
use jobs::Durations;
use serde_json::{Value, json};

use super::bytes::Bytes;
use super::clients::Clients;

/// The overview is made anew after this.
const OVERVIEW_EVERY: Duration = Duration::from_millis(900);

/// See the module.
#[derive(Default)]
pub(super) struct Looks {
    pub(super) clients: Clients,
    pub(super) bytes: Bytes,
    /// What the tick thread gave to pictures, each.
    pub(super) pictures: Durations,
    overview: Option<(Instant, Box<Overview>)>,
    /// The buffer of the overview before.
    spare: Box<Overview>,
}

/// What never changes about the land.
#[derive(Clone, Debug)]
pub(super) struct Land {
    pub(super) side_mm: i32,
    /// The wall bitmap, tile by tile. Source: docs/PROTOCOL.md "Walls".
    pub(super) walls: Vec<u8>,
}

impl Looks {
    /// A buffer for the next overview; `None` while the last one is fresh. The last one stays until the next is there.
    pub(super) fn take_spare(&mut self, now: Instant) -> Option<Box<Overview>> {
        let is_fresh = |(made, _): &(Instant, _)| now.saturating_duration_since(*made) < OVERVIEW_EVERY;
        (!self.overview.as_ref().is_some_and(is_fresh)).then(|| std::mem::take(&mut self.spare))
    }

    /// An overview was made.
    pub(super) fn handle_overview(&mut self, now: Instant, overview: Box<Overview>) {
        if let Some((_, before)) = self.overview.replace((now, overview)) {
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
        let (_, overview) = self.overview.as_ref()?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overview_is_made_once_a_second_and_shown_meanwhile() {
        let (mut looks, start) = (Looks::default(), Instant::now());
        let land = Land { side_mm: 512_000, walls: Vec::new() };
        let mut overview = looks.take_spare(start).unwrap();
        assert_eq!(looks.map(&land), None);
        overview.tick = 5;
        looks.handle_overview(start, overview);
        assert!(looks.take_spare(start + Duration::from_millis(800)).is_none());
        let next = looks.take_spare(start + Duration::from_secs(1)).unwrap();
        let map = looks.map(&land).unwrap();
        assert_eq!(
            (&map["tick"], &map["side_m"], &map["tile_m"]),
            (&json!(5), &json!(512.0), &json!(65.536))
        );
        looks.handle_overview(start + Duration::from_secs(1), next);
        assert_eq!(looks.map(&land).unwrap()["tick"], 0);
    }
}
