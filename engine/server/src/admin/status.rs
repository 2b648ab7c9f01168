//! The status page for programs: one JSON object.

use std::time::Instant;

use engine::Rung;
use engine::clients::Ages;
use jobs::strain::Sight;
use jobs::{Durations, Quantiles, STAGES};
use serde_json::{Map, Value, json};

use super::board::{Board, Numbers, Tally};
use crate::allocator;
use crate::zone::budgeter::{Cause, Standings};
use crate::zone::keep::Kept;

impl Board {
    /// The status as JSON: what is now, the present window, and all counters since the start.
    #[must_use]
    pub fn status(&self, now: Instant) -> Value {
        let (health, age) = self.health(now);
        let world = self.numbers.world;
        let [quic, websocket] = self.numbers.by_link;
        json!({
            "health": format!("{health:?}").to_lowercase(),
            "tick": self.last.map_or(0, |report| report.tick),
            "tick_age_ms": age.as_millis() as u64,
            "uptime_seconds": self.uptime(now).as_secs_f64(),
            "players": world.players,
            "attached": world.attached,
            "creatures": world.creatures,
            "clients": { "quic": quic, "websocket": websocket },
            "live_bytes": allocator::live_bytes(),
            "connections": self.numbers.n_connections,
            "door_queue": self.numbers.queues.door,
            "window": tally(&self.window, &self.numbers, self.sight, now),
            "total": tally(&self.total, &self.numbers, self.sight, now),
            "shed": shed(&self.numbers),
            "budgets": budgets(&self.numbers),
            "recording": { "ticks": self.numbers.recorded.ticks, "missed": self.numbers.recorded.missed },
            "economy": {
                "orders": self.numbers.peers.orders,
                "effects": world.effects,
                "purses": world.purses,
                "drops": world.drops,
                "read_only": world.is_read_only,
            },
            "log": log(&self.numbers.kept),
            "sockets": sockets(&self.numbers),
            "refused": refused(&self.numbers),
        })
    }
}

/// How what outlives the process goes; nothing where a zone keeps nothing.
fn log(kept: &Kept) -> Value {
    if !kept.is_on {
        return Value::Null;
    }
    json!({
        "health": kept.health_name(),
        "lsn": kept.lsn,
        "unsafe": kept.n_unsafe,
        "waiting": kept.n_waiting,
        "adrift": kept.is_adrift,
        "checkpoint_lsn": kept.checkpoint_lsn,
        "files": kept.n_files.0,
        "spares": kept.n_files.1,
    })
}

fn tally(tally: &Tally, now_numbers: &Numbers, sight: Sight, now: Instant) -> Value {
    let counted = tally.counted;
    let baseline = tally.baseline.unwrap_or(*now_numbers);
    let (old, new) = (baseline.world, now_numbers.world);
    let stages: Map<String, Value> = STAGES
        .iter()
        .zip(&tally.times.stages)
        .map(|(name, times)| ((*name).to_owned(), json!(times.mean_ns())))
        .collect();
    json!({
        "seconds": now.saturating_duration_since(tally.begun).as_secs_f64(),
        "ticks": counted.n_ticks,
        "tick_ms": quantiles(&tally.times.wall),
        "tick_cpu_ms": quantiles(&tally.times.cpu),
        "tick_behind_ms": quantiles(&tally.behind),
        "stage_ns": stages,
        "overruns": counted.overruns_own + counted.overruns_stolen,
        "overruns_own": counted.overruns_own,
        "overruns_stolen": counted.overruns_stolen,
        "run_queue_ms": sight.run_queue.then(|| Quantiles::ms(counted.strain.run_queue_ns)),
        "steal_ms": sight.steal.then(|| Quantiles::ms(counted.strain.steal_ns)),
        "minor_faults": counted.strain.minor_faults,
        "late": now_numbers.n_late - baseline.n_late,
        "schedule_moved": now_numbers.n_moved - baseline.n_moved,
        "kills": new.kills - old.kills,
        "respawns": new.respawns - old.respawns,
        "deaths": new.deaths - old.deaths,
        "casts": new.casts - old.casts,
        "hits": new.hits - old.hits,
        "commands_received": new.commands_received - old.commands_received,
        "commands_refused": new.commands_refused - old.commands_refused,
        "snapshots": new.frames - old.frames,
        "snapshot_bytes": new.frame_bytes - old.frame_bytes,
        "news": news(&new.ages.since(&old.ages)),
        "visible": new.visible - old.visible,
        "client_ticks": new.client_ticks - old.client_ticks,
    })
}

/// How many ticks news of slots waited for its snapshot; nothing waits where everything goes in its tick.
fn news(ages: &Ages) -> Value {
    json!({ "ticks_waited": ages.other, "near": ages.near, "near_ticks_waited": ages.near_waits })
}

fn quantiles(times: &Durations) -> Value {
    let read = times.quantiles();
    json!({
        "p50": Quantiles::ms(read.p50_ns),
        "p99": Quantiles::ms(read.p99_ns),
        "p999": Quantiles::ms(read.p999_ns),
        "max": Quantiles::ms(read.max_ns),
    })
}

/// What is left out, how long ticks take, and how often each rung was given up and came back.
fn shed(numbers: &Numbers) -> Value {
    let Numbers { shed_level, period, ladder, world, .. } = numbers;
    let rung = |rung: Rung| {
        let at = rung as usize;
        let left_out = (rung != Rung::Dilation).then_some(world.spared[at]);
        let rung_now = json!({
            "is_shed": rung.level() <= *shed_level,
            "rises": ladder.rises[at],
            "falls": ladder.falls[at],
            "left_out": left_out,
        });
        (rung.name().to_owned(), rung_now)
    };
    json!({
        "level": shed_level,
        "rung": Rung::ALL.iter().rev().find(|rung| rung.level() <= *shed_level).map(|rung| rung.name()),
        "tick_period_ms": period.as_secs_f64() * 1e3,
        "rungs": Rung::ALL.into_iter().map(rung).collect::<Map<_, _>>(),
    })
}

/// How many clients stand on each level of their budgets, and how they came there.
fn budgets(numbers: &Numbers) -> Value {
    let Standings { by_level, falls, rises } = &numbers.budgets;
    let falls = Cause::ALL.map(|cause| (cause.name().to_owned(), json!(falls[cause as usize])));
    json!({
        "by_level": by_level,
        "falls": falls.into_iter().collect::<Map<_, _>>(),
        "rises": rises,
    })
}

fn sockets(numbers: &Numbers) -> Value {
    numbers
        .sockets
        .entries()
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .collect::<Map<_, _>>()
        .into()
}

fn refused(numbers: &Numbers) -> Value {
    let mut map: Map<String, Value> = super::refusals(numbers)
        .filter(|(_, n)| *n > 0)
        .map(|(reason, n)| (reason.name().to_owned(), json!(n)))
        .collect();
    let peers = &numbers.peers;
    for (name, n) in [
        ("datagrams_bad", peers.datagrams_bad),
        ("datagrams_flood", peers.datagrams_flood),
        ("datagrams_stray", peers.datagrams_stray),
        ("records_unknown", peers.records_unknown),
        ("panics", peers.panics),
        ("panics_client", peers.panics_client),
    ] {
        map.insert(name.to_owned(), json!(n));
    }
    map.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_window_shows_differences_and_the_total_everything() {
        let start = Instant::now();
        let mut board = Board::new(start, 20);
        let report = |kills, wall_ms: u64| {
            let mut numbers = Numbers::default();
            numbers.world.kills = kills;
            numbers.world.creatures = 44;
            numbers.peers.refused[3] = 2;
            let lap = jobs::Lap { wall_ns: wall_ms * 1_000_000, cpu_ns: 1 };
            let (stages, strain) = Default::default();
            super::super::board::TickReport {
                tick: 9,
                ended: start,
                behind: Duration::ZERO,
                lap,
                stages,
                strain,
                numbers: Some(numbers),
            }
        };
        let interval = |wall_ms: &[u64]| {
            let mut times = Box::<jobs::TickTimes>::default();
            for wall_ms in wall_ms {
                let lap = jobs::Lap { wall_ns: wall_ms * 1_000_000, cpu_ns: 1 };
                times.record(lap, &Default::default(), None);
            }
            jobs::Interval { begun: start, ended: start, counted: jobs::Counted::default(), times }
        };
        board.handle_report(report(100, 40));
        board.handle_interval(&interval(&[40]));
        board.handle_window(start);
        board.handle_report(report(105, 2));
        board.handle_report(report(112, 2));
        board.handle_interval(&interval(&[2, 2]));
        let status = board.status(start + Duration::from_secs(2));
        assert_eq!((&status["window"]["kills"], &status["total"]["kills"]), (&json!(7), &json!(112)));
        assert_eq!(status["window"]["ticks"], 2);
        assert!(status["window"]["tick_ms"]["max"].as_f64().unwrap() < 2.1);
        assert!(status["total"]["tick_ms"]["max"].as_f64().unwrap() > 39.0);
        assert_eq!(status["refused"]["BadHello"], 2);
        assert_eq!(status["creatures"], 44);
    }

    #[test]
    fn a_board_without_reports_can_be_asked() {
        let board = Board::new(Instant::now(), 30);
        assert_eq!(board.status(Instant::now())["health"], "starting");
    }
}
