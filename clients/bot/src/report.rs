//! What comes out: figures for people and machines.

use crate::tally::Orders;
use serde::Serialize;

/// How it goes, about once a second and at the moment when all are connected.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// Since the start.
    pub seconds: f64,
    /// Bots.
    pub bots: usize,
    /// Bots that play.
    pub connected: usize,
    /// Set once, in the call that tells it: all bots play since this many seconds after the start.
    pub all_connected_after: Option<f64>,
    /// Figures are being counted.
    pub is_measuring: bool,
    /// Snapshots applied per client and second since the last call.
    pub snapshots_per_client_second: f64,
    /// Occupied slots per bot, now.
    pub visible_mean: f64,
    /// Newest news: why a bot was refused or lost its connection.
    pub trouble: Option<String>,
}

/// Figures of the window; `null` where nothing was seen.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Bots asked for.
    pub bots: usize,
    /// Of them over QUIC.
    pub quic: usize,
    /// Of them over WebSocket.
    pub websocket: usize,
    /// Bots that played at the end of the window.
    pub connected: usize,
    /// From the start until all played; `null`: never.
    pub connect_seconds: Option<f64>,
    /// Length of the window.
    pub window_seconds: f64,
    /// Occupied slots per bot that looks, sampled once a second.
    pub visible_mean: Option<f64>,
    /// Snapshots that did not decode, from the start on: there must be none.
    pub decode_errors: u64,
    /// Records that did not decode or made no sense, from the start on: there must be none.
    pub record_errors: u64,
    /// Snapshots that came after a younger one and were discarded, from the start on.
    pub late_snapshots: u64,
    /// Snapshots applied.
    pub snapshots_per_client_second: f64,
    /// Time between two applied snapshots of a client.
    pub snapshot_gap_ms: GapMs,
    /// From the first sending of a command until a snapshot that consumed it was applied.
    pub input_ack_ms: AckMs,
    /// Distance between predicted and true place of the own body, before correction.
    pub prediction_error_mm: ErrorMm,
    /// Snapshot payload per client and tick of the zone.
    pub bytes_per_client_tick: f64,
    /// Commands that left in their time, of those that the schedule asks for.
    pub inputs_sent_share: f64,
    /// Commands that left more than 25 ms after their time.
    pub inputs_late: u64,
    /// Connections lost in the window.
    pub reconnects: u64,
    /// Hits that bots were told of.
    pub hits_seen: u64,
    /// Circles and projectiles that bots were told of.
    pub telegraphs_seen: u64,
    /// Things that should change hands: picked up, laid down, given, traded, captured, set free.
    pub orders: Orders,
    /// CPU time of the bots' thread in the window.
    pub cpu_seconds: f64,
    /// What the first bot's session has noted, as the bytes of a file.
    #[serde(skip)]
    pub tape: Option<Vec<u8>>,
}

/// Gaps per link.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct GapMs {
    /// Half of the gaps over QUIC.
    pub quic_p50: Option<f64>,
    /// 99 of 100 gaps over QUIC.
    pub quic_p99: Option<f64>,
    /// Half of the gaps over WebSocket.
    pub websocket_p50: Option<f64>,
    /// 99 of 100 gaps over WebSocket.
    pub websocket_p99: Option<f64>,
}

/// Ages of commands.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct AckMs {
    /// Half of them.
    pub p50: Option<f64>,
    /// 99 of 100.
    pub p99: Option<f64>,
}

/// Errors of prediction.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ErrorMm {
    /// Half of them.
    pub p50: Option<u64>,
    /// 99 of 100.
    pub p99: Option<u64>,
    /// The largest.
    pub max: Option<u64>,
}

impl Report {
    /// Whether every bot came in and stayed.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.connect_seconds.is_some() && self.connected == self.bots
    }
}
