//! Where the bits of the snapshots go, part by part.

use netproto::N_GROUPS;
use netproto::snapshot::{Frame, Part};

/// Bits by part, summed over snapshots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BitsByPart {
    /// Snapshots.
    pub n_frames: u64,
    /// Headers.
    pub header: u64,
    /// Own bodies.
    pub own: u64,
    /// Slot news with its count.
    pub news: u64,
    /// Introductions with their count.
    pub introductions: u64,
    /// Slot lists of steps and groups, and which parts there are.
    pub lists: u64,
    /// Steps.
    pub steps: u64,
    /// Values per group.
    pub values: [u64; N_GROUPS],
    /// Timed events with their count.
    pub timed: u64,
    /// To the end of the last byte.
    pub padding: u64,
}

/// Adds up one snapshot.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tracer {
    bits: BitsByPart,
    at_bit: usize,
}

impl Tracer {
    /// A part ends here: for [`netproto::snapshot::decode_traced`].
    pub fn see(&mut self, part: Part, end_bit: usize, _frame: &Frame) {
        let n_bits = (end_bit - self.at_bit) as u64;
        self.at_bit = end_bit;
        let sum = match part {
            Part::Header => &mut self.bits.header,
            Part::Own => &mut self.bits.own,
            Part::News => &mut self.bits.news,
            Part::Introduction(_) => &mut self.bits.introductions,
            Part::Presence | Part::StepSlots | Part::GroupSlots(_) => &mut self.bits.lists,
            Part::StepValue(_) => &mut self.bits.steps,
            Part::GroupValue(group, _) => &mut self.bits.values[group],
            Part::Timed(_) => &mut self.bits.timed,
        };
        *sum += n_bits;
    }

    /// The snapshot has so many bytes.
    #[must_use]
    pub fn finish(mut self, n_bytes: usize) -> BitsByPart {
        self.bits.n_frames = 1;
        self.bits.padding += (n_bytes * 8 - self.at_bit) as u64;
        self.bits
    }
}

impl BitsByPart {
    /// Adds another sum.
    pub fn add(&mut self, other: &Self) {
        self.n_frames += other.n_frames;
        self.header += other.header;
        self.own += other.own;
        self.news += other.news;
        self.introductions += other.introductions;
        self.lists += other.lists;
        self.steps += other.steps;
        self.timed += other.timed;
        self.padding += other.padding;
        for (sum, n_bits) in self.values.iter_mut().zip(&other.values) {
            *sum += n_bits;
        }
    }

    /// Name and mean bits per snapshot of each part, in the order of a frame.
    #[must_use]
    pub fn means(&self) -> Vec<(&'static str, f64)> {
        let parts = [
            ("header", self.header),
            ("own", self.own),
            ("news", self.news),
            ("introductions", self.introductions),
            ("lists", self.lists),
            ("steps", self.steps),
            ("motion", self.values[0]),
            ("vitals", self.values[1]),
            ("status", self.values[2]),
            ("look", self.values[3]),
            ("timed", self.timed),
            ("padding", self.padding),
        ];
        parts.map(|(name, sum)| (name, sum as f64 / self.n_frames.max(1) as f64)).to_vec()
    }
}
