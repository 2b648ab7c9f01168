//! The figures of a run: the zone's from its status page, the clients' from the bots' report.

use serde::Serialize;
use serde_json::Value;

/// What a run of `arcane up` came to. Field names are read by machines and stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Figures {
    bots: u64,
    quic: u64,
    websocket: u64,
    connected: u64,
    creatures: u64,
    visible_mean: f64,
    kills: u64,
    respawns: u64,
    refused_share: f64,
    decode_errors: u64,
    snapshots_per_client_second: f64,
    snapshot_gap_ms: GapMs,
    input_ack_ms: P99,
    prediction_error_mm: P99,
    tick_ms: TickMs,
    tick_cpu_ms: P99,
    overruns: u64,
    bytes_per_client_tick: f64,
    seconds: f64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
struct GapMs {
    quic_p99: f64,
    websocket_p99: f64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
struct P99 {
    p99: f64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
struct TickMs {
    p50: f64,
    p99: f64,
    max: f64,
}

impl Figures {
    /// Puts both sides together. `status` is the zone's page at the end of the window, `bots` the bots' report;
    /// what one of them does not say is zero.
    pub(super) fn new(status: &Value, bots: &Value) -> Self {
        let window = &status["window"];
        let whole = |value: &Value| value.as_u64().unwrap_or(0);
        let real = |value: &Value| (value.as_f64().unwrap_or(0.0) * 1000.0).round() / 1000.0;
        let received = whole(&window["commands_received"]);
        let refused = whole(&window["commands_refused"]);
        Self {
            bots: whole(&bots["bots"]),
            quic: whole(&bots["quic"]),
            websocket: whole(&bots["websocket"]),
            connected: whole(&bots["connected"]),
            creatures: whole(&status["creatures"]),
            visible_mean: real(&bots["visible_mean"]),
            kills: whole(&window["kills"]),
            respawns: whole(&window["respawns"]),
            refused_share: (refused as f64 / received.max(1) as f64 * 1e6).round() / 1e6,
            decode_errors: whole(&bots["decode_errors"]),
            snapshots_per_client_second: real(&bots["snapshots_per_client_second"]),
            snapshot_gap_ms: GapMs {
                quic_p99: real(&bots["snapshot_gap_ms"]["quic_p99"]),
                websocket_p99: real(&bots["snapshot_gap_ms"]["websocket_p99"]),
            },
            input_ack_ms: P99 { p99: real(&bots["input_ack_ms"]["p99"]) },
            prediction_error_mm: P99 { p99: real(&bots["prediction_error_mm"]["p99"]) },
            tick_ms: TickMs {
                p50: real(&window["tick_ms"]["p50"]),
                p99: real(&window["tick_ms"]["p99"]),
                max: real(&window["tick_ms"]["max"]),
            },
            tick_cpu_ms: P99 { p99: real(&window["tick_cpu_ms"]["p99"]) },
            overruns: whole(&window["overruns"]),
            bytes_per_client_tick: real(&bots["bytes_per_client_tick"]),
            seconds: real(&window["seconds"]),
        }
    }

    /// One JSON object on one line.
    pub(super) fn json(&self) -> String {
        serde_json::to_string(self).expect("numbers and names are always JSON")
    }

    /// For people.
    pub(super) fn summary(&self) -> String {
        let bots = if self.bots == 0 {
            String::new()
        } else {
            format!(
                "  bots       {} of {} connected ({} QUIC, {} WebSocket), each sees {:.1} others\n\
                 \x20 snapshots  {:.1} per client and second, {:.1} B each tick, p99 gap {:.1} ms QUIC, {:.1} ms \
                 WebSocket\n\
                 \x20 inputs     p99 {:.1} ms until seen, {:.2} % refused, prediction off by {:.1} mm at p99\n",
                self.connected,
                self.bots,
                self.quic,
                self.websocket,
                self.visible_mean,
                self.snapshots_per_client_second,
                self.bytes_per_client_tick,
                self.snapshot_gap_ms.quic_p99,
                self.snapshot_gap_ms.websocket_p99,
                self.input_ack_ms.p99,
                self.refused_share * 100.0,
                self.prediction_error_mm.p99,
            )
        };
        format!(
            "In {:.1} seconds:\n{bots}  wildlife   {} creatures alive, {} killed, {} came back\n\
             \x20 ticks      p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms; p99 {:.2} ms of CPU; {} overruns",
            self.seconds,
            self.creatures,
            self.kills,
            self.respawns,
            self.tick_ms.p50,
            self.tick_ms.p99,
            self.tick_ms.max,
            self.tick_cpu_ms.p99,
            self.overruns,
        )
    }
}

/// The line that shows how a realm is doing.
pub(super) fn status_line(status: &Value, bytes_per_second: f64) -> String {
    let window = &status["window"];
    let ms = |name: &str| window["tick_ms"][name].as_f64().unwrap_or(0.0);
    let word = match status["health"].as_str() {
        Some("ok") | None => String::new(),
        Some(other) => format!("{other}: "),
    };
    format!(
        "{word}{} players, {} creatures | tick p50 {:.1} ms, p99 {:.1} ms | snapshots {:.2} MB/s | {} kills",
        status["attached"],
        status["creatures"],
        ms("p50"),
        ms("p99"),
        bytes_per_second / 1e6,
        status["total"]["kills"],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn both_sides_come_together_under_the_agreed_names() {
        let status = json!({
            "creatures": 2390,
            "window": {
                "seconds": 20.0, "kills": 60, "respawns": 44, "commands_received": 200_000, "commands_refused": 200,
                "tick_ms": {"p50": 2.71449, "p99": 8.0, "max": 11.0}, "tick_cpu_ms": {"p99": 7.5}, "overruns": 0,
            },
        });
        let bots = json!({
            "bots": 500, "quic": 250, "websocket": 250, "connected": 500, "visible_mean": 61.25,
            "snapshot_gap_ms": {"quic_p99": 55.0, "websocket_p99": null}, "input_ack_ms": {"p99": 99.0},
            "prediction_error_mm": {"p99": 3}, "bytes_per_client_tick": 88.5,
        });
        let read: Value = serde_json::from_str(&Figures::new(&status, &bots).json()).unwrap();
        for (path, expected) in [
            ("/bots", json!(500)),
            ("/creatures", json!(2390)),
            ("/refused_share", json!(0.001)),
            ("/decode_errors", json!(0)),
            ("/snapshot_gap_ms/quic_p99", json!(55.0)),
            ("/snapshot_gap_ms/websocket_p99", json!(0.0)),
            ("/prediction_error_mm/p99", json!(3.0)),
            ("/tick_ms/p50", json!(2.714)),
            ("/tick_cpu_ms/p99", json!(7.5)),
            ("/overruns", json!(0)),
            ("/bytes_per_client_tick", json!(88.5)),
        ] {
            assert_eq!(read.pointer(path), Some(&expected), "{path}");
        }
    }

    #[test]
    fn a_realm_without_bots_has_a_summary_without_them() {
        let summary = Figures::new(&json!({"creatures": 5}), &Value::Null).summary();
        assert!(summary.contains("5 creatures") && !summary.contains("bots"), "{summary}");
    }
}
