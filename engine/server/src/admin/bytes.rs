//! Where the bytes of snapshots go: real frames, one of each tick, taken apart by the decoder of the clients.

use netproto::snapshot::{self, Frame, Part};
use netproto::{Motion, N_GROUPS};
use serde_json::{Value, json};

/// Parts of a frame, in the order in which they travel.
const COMPONENTS: [&str; 9] =
    ["header", "own", "removals", "introductions", "motion", "vitals", "status", "look", "timed"];
const FIRST_GROUP: usize = 4;
const TIMED: usize = FIRST_GROUP + N_GROUPS;
const _: () = assert!(TIMED + 1 == COMPONENTS.len());

/// Bits counted so far, and the frames they were in.
#[derive(Clone, Debug, Default)]
pub(super) struct Bytes {
    bits: [u64; COMPONENTS.len()],
    pub(super) n_frames: u64,
    n_bytes: u64,
    frame: Box<Frame>,
}

impl Bytes {
    /// Counts one frame. One that does not decode counts as nothing: it would be our bug, and clients say so.
    pub(super) fn handle_frame(&mut self, bytes: &[u8]) {
        let mut bits = [0; COMPONENTS.len()];
        let mut start = 0;
        let outcome = snapshot::decode_traced(bytes, &mut self.frame, |part, end, _| {
            bits[component(part)] += (end - start) as u64;
            start = end;
        });
        if outcome.is_err() {
            return;
        }
        // What fills the last byte belongs to the last part.
        bits[TIMED] += (bytes.len() * 8 - start) as u64;
        self.bits.iter_mut().zip(bits).for_each(|(sum, bits)| *sum += bits);
        self.n_frames += 1;
        self.n_bytes += bytes.len() as u64;
    }

    /// Name and bytes of every component, all sampled frames together.
    pub(super) fn components(&self) -> impl Iterator<Item = (&'static str, f64)> {
        COMPONENTS.into_iter().zip(self.bits).map(|(name, bits)| (name, bits as f64 / 8.0))
    }

    /// Mean bytes per snapshot, in all and by component.
    pub(super) fn json(&self) -> Value {
        let mean = |bytes: f64| (bytes / self.n_frames.max(1) as f64 * 1000.0).round() / 1000.0;
        let one = |(name, bytes)| json!({ "component": name, "bytes": mean(bytes) });
        let components: Vec<Value> = self.components().map(one).collect();
        json!({
            "snapshots_sampled": self.n_frames,
            "bytes_per_snapshot": mean(self.n_bytes as f64),
            "components": components,
        })
    }
}

fn component(part: Part) -> usize {
    match part {
        Part::Header => 0,
        // What parts there are is said behind the own block.
        Part::Own | Part::Presence => 1,
        Part::News => 2,
        Part::Introduction(_) => 3,
        Part::StepSlots | Part::StepValue(_) => FIRST_GROUP + Motion::GROUP,
        Part::GroupSlots(group) | Part::GroupValue(group, _) => FIRST_GROUP + group,
        Part::Timed(_) => TIMED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zone::fixtures::world;
    use engine::{DurableId, Input, tick};

    #[test]
    fn groups_have_their_names_from_the_schema() {
        assert_eq!(COMPONENTS[FIRST_GROUP..TIMED], netproto::GROUP_NAMES.map(str::to_lowercase));
    }

    #[test]
    fn the_components_add_up_to_the_bytes_of_real_frames() {
        let mut world = world(40, 60);
        let join = |low| Input::Join { player: DurableId { low, high: 1 }, in_flight_max: 8, place: None };
        let mut inputs: Vec<Input> = (1..=30).map(join).collect();
        let (mut bytes, mut n_bytes) = (Bytes::default(), 0);
        for _ in 0..40 {
            tick(&mut world, &std::mem::take(&mut inputs));
            for (_, frame) in world.frames() {
                bytes.handle_frame(frame);
                n_bytes += frame.len();
            }
        }
        assert!(bytes.n_frames > 100);
        assert_eq!(bytes.components().map(|(_, bytes)| bytes).sum::<f64>(), n_bytes as f64);
        for at in [0, 1, 3, FIRST_GROUP] {
            assert!(bytes.bits[at] > 0, "nothing for {}", COMPONENTS[at]);
        }
        let before = bytes.bits;
        bytes.handle_frame(&[1, 2, 3]);
        assert_eq!(bytes.bits, before, "rubbish was counted");
    }
}
