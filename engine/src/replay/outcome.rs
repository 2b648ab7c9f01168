//! What a tick led to, summed up: packets, facts, and every entity.

use super::bits::Digest;
use super::digest;
use crate::ids::{DurableId, EntityId};
use crate::outbox::{Fact, FactBody};
use crate::world::World;
use rayon::prelude::*;

/// One packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct FrameSum {
    /// To whom.
    pub player: DurableId,
    /// Its length.
    pub n_bytes: u32,
    /// A hash of its bytes.
    pub sum: u32,
}

/// The sum of one tick. Reused: [`Outcome::take`] keeps the memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Which tick.
    pub tick: u32,
    /// Its packets; by durable id after [`Outcome::sort`].
    pub frames: Vec<FrameSum>,
    /// A hash of its facts, in order.
    pub facts: u64,
    /// A hash of what is under way and belongs to no living entity: casts that will land; with entities also
    /// creatures between two lives, and the line of handles.
    pub pending: u64,
    /// Living entities with their digests; by handle after [`Outcome::sort`].
    pub entities: Vec<(EntityId, u32)>,
    /// Whether `entities` was taken in this tick.
    pub has_entities: bool,
}

impl Outcome {
    /// Sums up the tick that was stepped last, with every entity if `with_entities`.
    ///
    /// - Shapes: call it inside a rayon pool's `install`, before the next tick.
    /// - Cost: one pass over all bytes of the packets, and with entities one over all rows, in parallel; no
    ///   allocation once warm. Figures: docs/replay.md "Cost".
    pub fn take(&mut self, world: &World, with_entities: bool) {
        self.tick = world.now();
        self.frames.clear();
        self.frames.extend(world.frames().map(|(player, bytes)| {
            let mut digest = Digest::default();
            digest.add_bytes(bytes);
            FrameSum { player, n_bytes: bytes.len() as u32, sum: digest.word() }
        }));
        self.facts = facts(world.facts());
        self.pending = digest::of_pending(world, with_entities);
        self.entities.clear();
        self.has_entities = with_entities;
        if with_entities {
            let ids = &world.columns().id;
            let digest_at = |at: usize| match ids[at] {
                EntityId::NONE => (EntityId::NONE, 0),
                id => (id, digest::of_row(world, at)),
            };
            (0..ids.len())
                .into_par_iter()
                .with_min_len(512)
                .map(digest_at)
                .collect_into_vec(&mut self.entities);
        }
    }

    /// Puts packets and entities into an order that knows nothing of rows, and drops holes. Need not be done on the
    /// thread that ticks.
    pub fn sort(&mut self) {
        self.frames.sort_unstable();
        self.entities.retain(|(id, _)| *id != EntityId::NONE);
        self.entities.sort_unstable_by_key(|(id, _)| id.handle());
    }

    /// One number for all packets.
    #[must_use]
    pub fn packet_hash(&self) -> u64 {
        let mut digest = Digest::default();
        for FrameSum { player, n_bytes, sum } in &self.frames {
            digest.add(u64::from(player.high) << 32 | u64::from(player.low));
            digest.add(u64::from(*n_bytes) << 32 | u64::from(*sum));
        }
        digest.long()
    }
}

fn facts(facts: &[Fact]) -> u64 {
    let mut digest = Digest::default();
    for Fact { player, body } in facts {
        digest.add(u64::from(player.high) << 32 | u64::from(player.low));
        match body {
            FactBody::Joined { entity, resumed } => {
                digest.add(1 << 40 | u64::from(*resumed) << 32 | u64::from(entity.0));
            }
            FactBody::Path(path) => {
                digest.add(2 << 40 | u64::from(path.n));
                digest.add(u64::from(path.goal_tick) << 32 | u64::from(path.effective_tick));
                for (x_mm, y_mm) in &path.points[..usize::from(path.n)] {
                    digest.add(u64::from(*x_mm as u32) << 32 | u64::from(*y_mm as u32));
                }
            }
            FactBody::Left { owns } => digest.add(3 << 40 | u64::from(*owns)),
            FactBody::Decreed { ticket, number, outcome } => {
                digest.add(6 << 40 | *outcome as u64);
                digest.add(u64::from(*ticket) << 32 | u64::from(*number));
            }
            FactBody::Failed => digest.add(5 << 40),
            FactBody::Refused(refusal) => digest.add(4 << 40 | *refusal as u64),
        }
    }
    digest.long()
}
