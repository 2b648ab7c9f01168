//! Congestion control that never holds a frame back.
//!
//! A snapshot that waits is worth less than none, so QUIC's window must not delay one. The rate is governed
//! elsewhere: frames by the owner's per-client budget, records by [`crate::budget`].
//!
//! With no window to fill, nothing ends who never acknowledges, and each packet is remembered until its fate is known.
//! So what is under way is counted here, for whoever sets a limit to it.
use quinn_proto::Connection;
use quinn_proto::congestion::{Controller, ControllerFactory, ControllerMetrics};
use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

/// quinn-proto skips its pacer only for windows beyond `u32::MAX`.
const WINDOW_BYTES: u64 = 1 << 40;
const _: () = assert!(WINDOW_BYTES > u32::MAX as u64);

/// Builds an [`Unhurried`] for each connection.
pub(crate) struct UnhurriedFactory;

impl ControllerFactory for UnhurriedFactory {
    fn build(self: Arc<Self>, _now: Instant, _current_mtu: u16) -> Box<dyn Controller> {
        Box::new(Unhurried { under_way_bytes: 0 })
    }
}

#[derive(Clone)]
struct Unhurried {
    /// Sent, and neither acknowledged nor given up.
    under_way_bytes: u64,
}

/// Bytes of a connection that are sent, and neither acknowledged nor given up.
pub(crate) fn under_way_bytes(conn: &Connection) -> u64 {
    // The one number of ours that quinn-proto passes on; a threshold is what a limit compares it with.
    conn.congestion_state().metrics().ssthresh.unwrap_or(0)
}

impl Controller for Unhurried {
    fn on_sent(&mut self, _now: Instant, bytes: u64, _last_packet_number: u64) {
        self.under_way_bytes += bytes;
    }

    /// Comes after every acknowledgement of something new, with the true number.
    fn on_end_acks(&mut self, _now: Instant, in_flight: u64, _app_limited: bool, _largest: Option<u64>) {
        self.under_way_bytes = in_flight;
    }

    fn on_congestion_event(&mut self, _now: Instant, _sent: Instant, _persistent: bool, lost_bytes: u64) {
        self.under_way_bytes = self.under_way_bytes.saturating_sub(lost_bytes);
    }

    fn metrics(&self) -> ControllerMetrics {
        let mut metrics = ControllerMetrics::default();
        (metrics.congestion_window, metrics.ssthresh) = (WINDOW_BYTES, Some(self.under_way_bytes));
        metrics
    }

    fn on_mtu_update(&mut self, _new_mtu: u16) {}

    fn window(&self) -> u64 {
        WINDOW_BYTES
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn initial_window(&self) -> u64 {
        WINDOW_BYTES
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
