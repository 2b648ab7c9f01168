//! What is counted while the window is open.

use client_core::session::Applied;
use hdrhistogram::Histogram;
use jobs::Durations;
use netproto::{Outcome, TimedBody};
use serde::Serialize;
use transport::Link;

/// An error beyond this is one of this: farther than any body gets within a connection's memory.
const ERROR_MM_MAX: u64 = 10_000_000;
/// A command that leaves later than this after its time was not sent as the schedule asks.
pub const LATE_NS: u64 = 25_000_000;

/// Counts and histograms of all bots.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Time between two applied snapshots of a client: QUIC, WebSocket.
    pub gap: [Durations; 2],
    /// From the first sending of a command until a snapshot that consumed it was applied.
    pub input_ack: Durations,
    /// Distance between predicted and true place, in mm plus one: a histogram begins at one.
    error_plus_one: Histogram<u64>,
    /// Snapshots applied.
    pub n_snapshots: u64,
    /// Snapshot bytes received, whether applied or late.
    pub n_bytes: u64,
    /// Commands that left in time.
    pub n_sent: u64,
    /// Commands that left late.
    pub n_late: u64,
    /// Sum of occupied slots over all samples.
    pub visible_sum: u64,
    /// Samples of occupied slots.
    pub n_visible: u64,
    /// Hits that a bot dealt, took, or saw.
    pub n_hits: u64,
    /// Circles and projectiles that a bot was told of.
    pub n_telegraphs: u64,
    /// Connections lost.
    pub n_lost: u64,
    /// Things that should change hands.
    pub orders: Orders,
}

/// What became of orders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Orders {
    /// Orders given.
    pub asked: u64,
    /// Of these, done.
    pub done: u64,
    /// Refused because nothing could be kept safely.
    pub read_only: u64,
    /// Refused for other reasons.
    pub refused: u64,
}

impl Orders {
    /// One was answered.
    pub fn answered(&mut self, outcome: Outcome) {
        let count = match outcome {
            Outcome::Done => &mut self.done,
            Outcome::ReadOnly => &mut self.read_only,
            _ => &mut self.refused,
        };
        *count += 1;
    }
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            gap: [Durations::new(), Durations::new()],
            input_ack: Durations::new(),
            error_plus_one: Histogram::new_with_bounds(1, ERROR_MM_MAX, 3).expect("constant bounds in range"),
            n_snapshots: 0,
            n_bytes: 0,
            n_sent: 0,
            n_late: 0,
            visible_sum: 0,
            n_visible: 0,
            n_hits: 0,
            n_telegraphs: 0,
            n_lost: 0,
            orders: Orders::default(),
        }
    }
}

impl Tally {
    /// A snapshot was applied.
    pub fn applied(&mut self, link: Link, applied: &Applied) {
        self.n_snapshots += 1;
        if let Some(gap_ns) = applied.gap_ns {
            self.gap[usize::from(link == Link::WebSocket)].record_ns(gap_ns);
        }
        if let Some(error_mm) = applied.error_mm {
            self.error_plus_one.saturating_record(u64::from(error_mm) + 1);
        }
    }

    /// A bot was told something for the first time.
    pub fn timed(&mut self, body: &TimedBody) {
        match body {
            TimedBody::Hit(_) => self.n_hits += 1,
            TimedBody::Circle(_) | TimedBody::Shot(_) => self.n_telegraphs += 1,
            TimedBody::ShotEnd(_) => {}
        }
    }

    /// A command left, this long after its time.
    pub fn sent(&mut self, late_ns: u64) {
        if late_ns <= LATE_NS { self.n_sent += 1 } else { self.n_late += 1 }
    }

    /// Error of prediction at a quantile, in mm; nothing if nothing was predicted.
    #[must_use]
    pub fn error_mm(&self, quantile: f64) -> Option<u64> {
        (!self.error_plus_one.is_empty()).then(|| self.error_plus_one.value_at_quantile(quantile) - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_nothing_count_as_nothing_and_no_error_is_unknown() {
        let mut tally = Tally::default();
        assert_eq!(tally.error_mm(0.5), None);
        for error_mm in [0, 0, 0, 40] {
            tally.applied(Link::Quic, &Applied { tick: 1, gap_ns: None, error_mm: Some(error_mm) });
        }
        assert_eq!((tally.error_mm(0.5), tally.error_mm(1.0)), (Some(0), Some(40)));
    }

    #[test]
    fn a_late_command_does_not_count_as_sent() {
        let mut tally = Tally::default();
        [0, LATE_NS, LATE_NS + 1].into_iter().for_each(|late_ns| tally.sent(late_ns));
        assert_eq!((tally.n_sent, tally.n_late), (2, 1));
    }
}
