//! Lives a recording again and says where it first went another way.

use super::blocks::TickRecord;
use super::header::Header;
use super::outcome::Outcome;
use super::table::{Change, Table};
use crate::checkpoint::Checkpoint;
use crate::content::Content;
use crate::ids::{DurableId, EntityId};
use crate::tick::tick;
use crate::world::World;

/// The first thing that is not as it was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// An entity.
    Entity {
        /// When.
        tick: u32,
        /// Who was recorded; nobody: it should not live.
        recorded: Option<(EntityId, u32)>,
        /// Who has its handle now; nobody: it should live.
        found: Option<(EntityId, u32)>,
    },
    /// What is under way and belongs to no entity.
    Pending {
        /// When.
        tick: u32,
    },
    /// What players are told once and in order.
    Facts {
        /// When.
        tick: u32,
    },
    /// A packet: all entities agree, so it is the memory of what its client knows that differs.
    Packet {
        /// When.
        tick: u32,
        /// Whose.
        player: DurableId,
        /// The player's body, if it lives.
        entity: Option<EntityId>,
        /// Length of the recorded one; nothing: there should be none.
        recorded_bytes: Option<u32>,
        /// Length of the one that came out now.
        found_bytes: Option<u32>,
    },
    /// The recording goes on with another tick.
    Tick {
        /// What the recording says.
        recorded: u32,
        /// What comes next here.
        found: u32,
    },
}

impl Difference {
    /// The tick in which it shows.
    #[must_use]
    pub fn tick(&self) -> u32 {
        match self {
            Self::Entity { tick, .. } | Self::Packet { tick, .. } => *tick,
            Self::Pending { tick } | Self::Facts { tick } => *tick,
            Self::Tick { found, .. } => *found,
        }
    }

    /// The entity that it shows in, if it is one.
    #[must_use]
    pub fn entity(&self) -> Option<EntityId> {
        match self {
            Self::Entity { recorded, found, .. } => recorded.or(*found).map(|(id, _)| id),
            Self::Packet { entity, .. } => *entity,
            _ => None,
        }
    }
}

/// A checkpoint of the largest zone has less.
const START_BYTES_MAX: usize = 256 << 20;

/// A world beside its recording.
pub struct Replayer {
    world: World,
    /// Bytes of the checkpoint that it goes on from, until they are complete.
    start: Vec<u8>,
    recorded: Table,
    outcome: Outcome,
}

impl Replayer {
    /// Builds the world that a header describes, from the content of this build.
    ///
    /// # Errors
    /// Why this build cannot live it again, for a person.
    pub fn new(header: &Header) -> Result<Self, String> {
        let content = Content::standard(header.config.ticks_per_second);
        if let Some(refusal) = header.refusal(content.hash) {
            return Err(refusal);
        }
        let world = World::from_tick(&header.config, content, header.now);
        Ok(Self { world, start: Vec::new(), recorded: Table::default(), outcome: Outcome::default() })
    }

    /// The recording goes on from a checkpoint, of which these are the next bytes.
    ///
    /// # Errors
    /// Why no world can be made of it, for a person.
    pub fn handle_start(&mut self, bytes: &[u8], is_last: bool) -> Result<(), String> {
        self.start.extend_from_slice(bytes);
        if self.start.len() > START_BYTES_MAX {
            return Err(format!("its checkpoint has more than {START_BYTES_MAX} bytes"));
        }
        if is_last {
            let copy =
                Checkpoint::read(&std::mem::take(&mut self.start)).map_err(|error| error.to_string())?;
            let content = self.world.content().clone();
            self.world = World::resume(copy, content).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Steps one recorded tick without comparing; [`Replayer::compare`] does that.
    ///
    /// - Shapes: call it inside a rayon pool's `install`.
    ///
    /// # Errors
    /// [`Difference::Tick`] when the recording leaps.
    pub fn step(&mut self, record: &TickRecord) -> Result<(), Difference> {
        let found = self.world.now().wrapping_add(1);
        if record.tick != found {
            return Err(Difference::Tick { recorded: record.tick, found });
        }
        tick(&mut self.world, &record.inputs);
        Ok(())
    }

    /// Compares the tick that was stepped last with what was recorded of it: entities, then what
    /// is pending, facts, packets.
    ///
    /// - Shapes: call it inside a rayon pool's `install`, once for every record, in order.
    ///
    /// # Errors
    /// The first [`Difference`], lowest handle or durable id first.
    pub fn compare(&mut self, record: &TickRecord) -> Result<(), Difference> {
        let tick = record.tick;
        self.outcome.take(&self.world, record.changes.is_some());
        self.outcome.sort();
        if let Some(changes) = &record.changes {
            changes.iter().for_each(|change: &Change| self.recorded.apply(*change));
            let found = self.outcome.entities.iter().copied();
            if let Some((recorded, found)) =
                first_difference(self.recorded.living(), found, |(id, _)| id.handle())
            {
                return Err(Difference::Entity { tick, recorded, found });
            }
        }
        if self.outcome.pending != record.pending {
            return Err(Difference::Pending { tick });
        }
        if self.outcome.facts != record.facts {
            return Err(Difference::Facts { tick });
        }
        let (recorded, found) = (record.frames.iter().copied(), self.outcome.frames.iter().copied());
        let Some((recorded, found)) = first_difference(recorded, found, |frame| frame.player) else {
            return Ok(());
        };
        let player = recorded.or(found).map_or(DurableId::default(), |frame| frame.player);
        let (recorded_bytes, found_bytes) =
            (recorded.map(|frame| frame.n_bytes), found.map(|frame| frame.n_bytes));
        let entity = self.world.entity_of(player);
        Err(Difference::Packet { tick, player, entity, recorded_bytes, found_bytes })
    }

    /// The world, to look at.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The world, to plant a difference in it or to ask what one bit would explain.
    pub fn world_mut(&mut self) -> &mut World {
        &mut self.world
    }

    /// The outcome of the tick that was compared last.
    #[must_use]
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }
}

/// The first place in which two ascending rows of things differ, with what each of them has for its key.
fn first_difference<T: Copy + PartialEq, K: Ord>(
    mut recorded: impl Iterator<Item = T>,
    mut found: impl Iterator<Item = T>,
    key: impl Fn(&T) -> K,
) -> Option<(Option<T>, Option<T>)> {
    loop {
        return match (recorded.next(), found.next()) {
            (None, None) => None,
            (Some(a), Some(b)) if a == b => continue,
            (Some(a), Some(b)) => Some(match key(&a).cmp(&key(&b)) {
                std::cmp::Ordering::Less => (Some(a), None),
                std::cmp::Ordering::Equal => (Some(a), Some(b)),
                std::cmp::Ordering::Greater => (None, Some(b)),
            }),
            (a, b) => Some((a, b)),
        };
    }
}
