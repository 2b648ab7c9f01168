//! Congestion control that never holds a frame back.
//!
//! A snapshot that waits is worth less than none, so QUIC's window must not delay one. The rate is governed
//! elsewhere: frames by the owner's per-client budget, records by [`crate::budget`].
use quinn_proto::congestion::{Controller, ControllerFactory};
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
        Box::new(Unhurried)
    }
}

#[derive(Clone)]
struct Unhurried;

impl Controller for Unhurried {
    fn on_congestion_event(&mut self, _now: Instant, _sent: Instant, _persistent: bool, _lost_bytes: u64) {}

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
