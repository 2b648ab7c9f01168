//! What a zone says, as numbers to show. Whatever is missing is shown as a dash.

use super::fetch::Answers;
use serde_json::{Value, json};

/// Names of the stages with what happens in them. Source: docs/ARCHITECTURE.md "The data path".
pub(super) const STAGES: [(&str, &str); 8] = [
    ("2", "inputs"),
    ("3a", "movement"),
    ("3b", "creatures"),
    ("4a", "hits found"),
    ("4b", "hits applied"),
    ("5", "publish"),
    ("6", "index"),
    ("7-8", "clients"),
];

/// Seconds of the past that are looked at.
const PAST_SECONDS: usize = 60;

/// Wall time of ticks, in ms.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Times {
    pub(super) p50: Option<f64>,
    pub(super) p99: Option<f64>,
    pub(super) max: Option<f64>,
}

/// Clients on one link.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Link {
    pub(super) clients: Option<f64>,
    pub(super) rtt_p50: Option<f64>,
    pub(super) rtt_p99: Option<f64>,
    pub(super) loss_share: Option<f64>,
    pub(super) bytes_in: Option<f64>,
    pub(super) bytes_out: Option<f64>,
    pub(super) queued: Option<f64>,
}

/// A tile or a cell and who is in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Dense {
    /// Place of the tile, in tiles east and south.
    pub(super) tile: (u64, u64),
    /// First bin of a cell, within its tile.
    pub(super) bin: u64,
    pub(super) players: u64,
    /// Of a tile: creatures; of a cell: all entities.
    pub(super) others: u64,
}

/// One look at a zone.
#[derive(Clone, Debug, Default)]
pub(super) struct Picture {
    pub(super) health: Option<String>,
    pub(super) tick: Option<f64>,
    pub(super) ticks_per_second: Option<f64>,
    pub(super) uptime_seconds: Option<f64>,
    /// Rungs of load shedding that are given up, and the time from one tick to the next as announced.
    pub(super) shed_level: Option<f64>,
    pub(super) period_ms: Option<f64>,
    pub(super) players: Option<f64>,
    pub(super) attached: Option<f64>,
    pub(super) creatures: Option<f64>,
    pub(super) connections: Option<f64>,
    pub(super) spectators: Option<f64>,
    pub(super) last_second: Times,
    /// The worst of each, over the last minute.
    pub(super) last_minute: Times,
    pub(super) total: Times,
    /// p99 of each of the last seconds, oldest first.
    pub(super) p99_by_second: Vec<f64>,
    /// Of the last minute, and since the start.
    pub(super) overruns_own: [Option<f64>; 2],
    pub(super) overruns_stolen: [Option<f64>; 2],
    pub(super) late: Option<f64>,
    /// In the last second: ms, ms, count.
    pub(super) run_queue_ms: Option<f64>,
    pub(super) steal_ms: Option<f64>,
    pub(super) minor_faults: Option<f64>,
    /// CPU time of a tick and wall time of its stages, means of the last second, in ms.
    pub(super) tick_cpu_ms: Option<f64>,
    pub(super) stages_ms: [Option<f64>; STAGES.len()],
    /// QUIC and WebSocket.
    pub(super) links: [Link; 2],
    pub(super) snapshots_per_second: Option<f64>,
    pub(super) inputs_per_second: Option<f64>,
    /// Most players first, then most others.
    pub(super) tiles: Vec<Dense>,
    pub(super) cells: Vec<Dense>,
}

impl Picture {
    /// Understands what can be understood.
    pub(super) fn read(answers: &Answers) -> Self {
        let status = |pointer: &str| answers.status.pointer(pointer).and_then(Value::as_f64);
        let history = |name: &str| History(answers.history.get(name).and_then(Value::as_array));
        let total = |quantile: &str| status(&format!("/total/tick_ms/{quantile}"));
        let times = |read: fn(&History<'_>) -> Option<f64>| Times {
            p50: read(&history("tick_p50_ms")),
            p99: read(&history("tick_p99_ms")),
            max: read(&history("tick_max_ms")),
        };
        let both = |name: &str| [history(name).sum(), status(&format!("/total/{name}"))];
        Self {
            health: answers.status.get("health").and_then(Value::as_str).map(str::to_owned),
            tick: status("/tick"),
            ticks_per_second: history("ticks").last(),
            uptime_seconds: status("/uptime_seconds"),
            shed_level: status("/shed/level"),
            period_ms: status("/shed/tick_period_ms"),
            players: status("/players"),
            attached: status("/attached"),
            creatures: status("/creatures"),
            connections: status("/connections"),
            spectators: status("/spectators"),
            last_second: times(|history| history.last()),
            last_minute: times(|history| history.worst()),
            total: Times { p50: total("p50"), p99: total("p99"), max: total("max") },
            p99_by_second: history("tick_p99_ms").recent().collect(),
            overruns_own: both("overruns_own"),
            overruns_stolen: both("overruns_stolen"),
            late: status("/total/late"),
            run_queue_ms: history("run_queue_ms").last(),
            steal_ms: history("steal_ms").last(),
            minor_faults: history("minor_faults").last(),
            tick_cpu_ms: history("tick_cpu_mean_ms").last(),
            stages_ms: STAGES.map(|(name, _)| history(&format!("stage_{name}_mean_ms")).last()),
            links: ["quic", "websocket"].map(|name| link(&answers.clients, name)),
            snapshots_per_second: answers.clients.get("snapshots_per_second").and_then(Value::as_f64),
            inputs_per_second: answers.clients.get("inputs_per_second").and_then(Value::as_f64),
            tiles: tiles(&answers.map),
            cells: cells(&answers.map),
        }
    }

    /// All of it for programs.
    pub(super) fn json(&self) -> Value {
        let times = |times: &Times| json!({ "p50": times.p50, "p99": times.p99, "max": times.max });
        let stages: serde_json::Map<String, Value> = STAGES
            .iter()
            .zip(self.stages_ms)
            .map(|((name, _), ms)| ((*name).to_owned(), json!(ms)))
            .collect();
        let link = |link: &Link| {
            json!({
                "clients": link.clients,
                "rtt_ms": { "p50": link.rtt_p50, "p99": link.rtt_p99 },
                "loss_share": link.loss_share,
                "bytes_in_per_second": link.bytes_in,
                "bytes_out_per_second": link.bytes_out,
                "queued_bytes": link.queued,
            })
        };
        let dense = |list: &[Dense], others: &str| -> Vec<Value> {
            let one = |dense: &Dense| {
                json!({ "tile": [dense.tile.0, dense.tile.1], "bin": dense.bin, "players": dense.players,
                        others: dense.others })
            };
            list.iter().take(10).map(one).collect()
        };
        let since_minute_and_start = |pair: [Option<f64>; 2]| json!({ "minute": pair[0], "total": pair[1] });
        json!({
            "health": self.health,
            "tick": self.tick,
            "ticks_per_second": self.ticks_per_second,
            "uptime_seconds": self.uptime_seconds,
            "shed_level": self.shed_level,
            "tick_period_ms": self.period_ms,
            "players": self.players,
            "attached": self.attached,
            "creatures": self.creatures,
            "connections": self.connections,
            "spectators": self.spectators,
            "tick_ms": {
                "last_second": times(&self.last_second),
                "worst_of_minute": times(&self.last_minute),
                "total": times(&self.total),
            },
            "tick_cpu_ms": self.tick_cpu_ms,
            "stages_ms": stages,
            "overruns_own": since_minute_and_start(self.overruns_own),
            "overruns_stolen": since_minute_and_start(self.overruns_stolen),
            "late": self.late,
            "run_queue_ms": self.run_queue_ms,
            "steal_ms": self.steal_ms,
            "minor_faults": self.minor_faults,
            "clients": { "quic": link(&self.links[0]), "websocket": link(&self.links[1]) },
            "snapshots_per_second": self.snapshots_per_second,
            "inputs_per_second": self.inputs_per_second,
            "densest_tiles": dense(&self.tiles, "creatures"),
            "densest_cells": dense(&self.cells, "entities"),
        })
    }
}

/// One series, a value per second, oldest first.
struct History<'a>(Option<&'a Vec<Value>>);

impl History<'_> {
    fn recent(&self) -> impl Iterator<Item = f64> {
        let all = self.0.map_or(&[][..], Vec::as_slice);
        all[all.len().saturating_sub(PAST_SECONDS)..].iter().filter_map(Value::as_f64)
    }

    fn last(&self) -> Option<f64> {
        self.recent().last()
    }

    fn worst(&self) -> Option<f64> {
        self.recent().reduce(f64::max)
    }

    fn sum(&self) -> Option<f64> {
        self.0.map(|_| self.recent().sum())
    }
}

fn link(clients: &Value, name: &str) -> Link {
    let read = |pointer: &str| clients.pointer(&format!("/{name}/{pointer}")).and_then(Value::as_f64);
    Link {
        clients: read("clients"),
        rtt_p50: read("rtt_ms/p50"),
        rtt_p99: read("rtt_ms/p99"),
        loss_share: read("loss_share"),
        bytes_in: read("bytes_in_per_second"),
        bytes_out: read("bytes_out_per_second"),
        queued: read("queued_bytes"),
    }
}

fn tiles(map: &Value) -> Vec<Dense> {
    let list = |name: &str| map.get(name).and_then(Value::as_array).into_iter().flatten();
    let n_per_side = map.get("tiles_per_side").and_then(Value::as_u64).unwrap_or(0).max(1);
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let of = |(at, (players, creatures)): (u64, (&Value, &Value))| Dense {
        tile: (at % n_per_side, at / n_per_side),
        bin: 0,
        players: number(players),
        others: number(creatures),
    };
    densest((0..).zip(list("players").zip(list("creatures"))).map(of).collect())
}

/// Cells come as tile, first bin, number of bins, players, entities.
fn cells(map: &Value) -> Vec<Dense> {
    let n_per_side = map.get("tiles_per_side").and_then(Value::as_u64).unwrap_or(0).max(1);
    let of = |cell: &Value| {
        let number = |at: usize| cell.get(at).and_then(Value::as_u64);
        let tile = number(0)?;
        Some(Dense {
            tile: (tile % n_per_side, tile / n_per_side),
            bin: number(1)?,
            players: number(3)?,
            others: number(4)?,
        })
    };
    let list = map.get("cells").and_then(Value::as_array).into_iter().flatten();
    densest(list.filter_map(of).collect())
}

fn densest(mut list: Vec<Dense>) -> Vec<Dense> {
    list.sort_by_key(|dense| std::cmp::Reverse((dense.players, dense.others)));
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_missing_and_not_zero() {
        let picture = Picture::read(&Answers::default());
        assert_eq!(
            (picture.tick, picture.last_second, picture.links[0].clients),
            (None, Times::default(), None)
        );
        assert!(picture.tiles.is_empty() && picture.p99_by_second.is_empty());
        assert!(picture.json()["tick"].is_null());
    }

    #[test]
    fn the_last_minute_is_its_worst_second_and_what_was_before_is_forgotten() {
        let p99: Vec<f64> =
            (0..100).map(|second| if second == 10 { 90.0 } else { f64::from(second) / 10.0 }).collect();
        let history = json!({ "tick_p99_ms": p99, "overruns_own": vec![1; 100] });
        let status = json!({ "total": { "overruns_own": 100 } });
        let picture = Picture::read(&Answers { status, history, ..Answers::default() });
        assert_eq!((picture.last_second.p99, picture.last_minute.p99), (Some(9.9), Some(9.9)));
        assert_eq!(picture.overruns_own, [Some(60.0), Some(100.0)]);
        assert_eq!(picture.p99_by_second.len(), 60);
    }

    #[test]
    fn the_densest_come_first_with_their_places() {
        let map = json!({
            "tiles_per_side": 2, "players": [0, 7, 7, 1], "creatures": [50, 1, 2, 0],
            "cells": [[3, 16, 4, 9, 20], [0, 0, 64, 2, 60], "rubbish", [1, 2]],
        });
        let picture = Picture::read(&Answers { map, ..Answers::default() });
        let places: Vec<_> = picture.tiles.iter().map(|dense| dense.tile).collect();
        assert_eq!(places, [(0, 1), (1, 0), (1, 1), (0, 0)]);
        assert_eq!(picture.cells[0], Dense { tile: (1, 1), bin: 16, players: 9, others: 20 });
        assert_eq!(picture.cells.len(), 2);
    }
}
