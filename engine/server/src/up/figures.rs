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
    overruns_own: u64,
    overruns_stolen: u64,
    /// `None` where the kernel does not tell.
    run_queue_ms: Option<f64>,
    steal_ms: Option<f64>,
    minor_faults: u64,
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
            overruns_own: whole(&window["overruns_own"]),
            overruns_stolen: whole(&window["overruns_stolen"]),
            run_queue_ms: window["run_queue_ms"].as_f64(),
            steal_ms: window["steal_ms"].as_f64(),
            minor_faults: whole(&window["minor_faults"]),
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
             \x20 ticks      p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms; p99 {:.2} ms of CPU\n\
             \x20 overruns   {} own, {} stolen\n\
             \x20 machine    ticks waited for a core {}, were stolen {}; {} minor faults",
            self.seconds,
            self.creatures,
            self.kills,
            self.respawns,
            self.tick_ms.p50,
            self.tick_ms.p99,
            self.tick_ms.max,
            self.tick_cpu_ms.p99,
            self.overruns_own,
            self.overruns_stolen,
            ms_or_not(self.run_queue_ms),
            ms_or_not(self.steal_ms),
            self.minor_faults,
        )
    }
}

/// Zero would be a claim.
fn ms_or_not(ms: Option<f64>) -> String {
    ms.map_or("(not available)".to_owned(), |ms| format!("{ms:.1} ms"))
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
        "{word}{} players, {} creatures | tick p50 {:.1}, p99 {:.1} ms | overruns {} own, {} stolen | core wait {} | \
         {:.2} MB/s | {} kills",
        status["attached"],
        status["creatures"],
        ms("p50"),
        ms("p99"),
        window["overruns_own"],
        window["overruns_stolen"],
        ms_or_not(window["run_queue_ms"].as_f64()),
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
                "tick_ms": {"p50": 2.71449, "p99": 8.0, "max": 11.0}, "tick_cpu_ms": {"p99": 7.5}, "overruns": 3,
                "overruns_own": 1, "overruns_stolen": 2, "run_queue_ms": null, "steal_ms": 20.0, "minor_faults": 7,
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
            ("/overruns", json!(3)),
            ("/overruns_stolen", json!(2)),
            ("/run_queue_ms", json!(null)),
            ("/steal_ms", json!(20.0)),
            ("/bytes_per_client_tick", json!(88.5)),
        ] {
            assert_eq!(read.pointer(path), Some(&expected), "{path}");
        }
    }

    #[test]
    fn whose_doing_an_overrun_was_is_in_the_line_and_the_summary_and_what_is_not_known_is_said() {
        let window = json!({"overruns_own": 1, "overruns_stolen": 2, "run_queue_ms": 34.56});
        let line = status_line(&json!({ "window": window, "total": {} }), 0.0);
        assert!(line.contains("overruns 1 own, 2 stolen | core wait 34.6 ms |"), "{line}");
        let summary = Figures::new(&json!({ "window": window }), &Value::Null).summary();
        assert!(summary.contains("1 own, 2 stolen"), "{summary}");
        assert!(summary.contains("waited for a core 34.6 ms, were stolen (not available)"), "{summary}");
    }

    #[test]
    fn a_realm_without_bots_has_a_summary_without_them() {
        let summary = Figures::new(&json!({"creatures": 5}), &Value::Null).summary();
        assert!(summary.contains("5 creatures") && !summary.contains("bots"), "{summary}");
    }
}
