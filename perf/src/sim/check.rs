//! What clients say: how true is what they see, how much they were sent, and what of.
//!
//! Truth and recall are of the clients of the harness that decode. Bytes are of every snapshot of every client, taken
//! apart here: the books of the encoder are not asked.

use harness::Drive;
use harness::parts::{BitsByPart, Tracer};
use netproto::snapshot::{Frame, decode_traced};
use serde::Serialize;
use std::collections::BTreeMap;

/// Recall is a scan of all rows for each client: now and then.
const RECALL_TICKS: u32 = 20;

/// What the decoding clients found.
#[derive(Serialize)]
pub(super) struct Check {
    pub(super) recall: f64,
    pub(super) stale_vitals: f64,
    pub(super) error_mm: ErrorSpread,
    /// Bytes of all snapshots, per client and tick.
    pub(super) decoded_bytes_per_client_tick: f64,
    /// The same by part.
    pub(super) decoded_bytes_by_part: BTreeMap<&'static str, f64>,
    /// Introductions per client and tick.
    pub(super) introductions_per_client_tick: f64,
}

/// Distance between view and truth per axis.
#[derive(Serialize)]
pub(super) struct ErrorSpread {
    pub(super) p50: usize,
    pub(super) p99: usize,
    pub(super) p999: usize,
    pub(super) max: usize,
}

/// Looks at the ticks of a run.
#[derive(Default)]
pub(super) struct Checks {
    recall: Vec<f64>,
    client_ticks: u64,
    n_introductions: u64,
    bits: BitsByPart,
    frame: Box<Frame>,
}

impl Checks {
    /// Looks at a tick that was just stepped.
    ///
    /// # Panics
    /// When a snapshot does not decode: our bug.
    pub(super) fn see(&mut self, tick: u32, drive: &Drive) {
        if tick.is_multiple_of(RECALL_TICKS) {
            self.recall.push(drive.recall());
        }
        let Self { frame, bits, .. } = self;
        for (_, bytes) in drive.world.frames() {
            let mut tracer = Tracer::default();
            let see = |part, end_bit, frame: &Frame| tracer.see(part, end_bit, frame);
            decode_traced(bytes, frame, see).expect("our own snapshots decode");
            bits.add(&tracer.finish(bytes.len()));
            self.n_introductions += frame.n_introductions as u64;
        }
        self.client_ticks += u64::from(drive.world.counts().attached);
    }

    /// The result.
    pub(super) fn report(self, drive: &Drive) -> Check {
        let found = &drive.findings;
        let error = |share| found.error_mm.at_quantile(share);
        let per_client_tick = 1.0 / self.client_ticks.max(1) as f64;
        let parts = self.bits.means();
        let bytes = |bits: f64| bits / 8.0 * self.bits.n_frames as f64 * per_client_tick;
        Check {
            recall: self.recall.iter().sum::<f64>() / self.recall.len().max(1) as f64,
            stale_vitals: found.stale_vitals as f64 / found.slot_ticks.max(1) as f64,
            error_mm: ErrorSpread { p50: error(0.5), p99: error(0.99), p999: error(0.999), max: error(1.0) },
            decoded_bytes_per_client_tick: bytes(parts.iter().map(|(_, bits)| bits).sum()),
            decoded_bytes_by_part: parts.into_iter().map(|(name, bits)| (name, bytes(bits))).collect(),
            introductions_per_client_tick: self.n_introductions as f64 * per_client_tick,
        }
    }
}
