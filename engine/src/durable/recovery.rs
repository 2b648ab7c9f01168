//! A zone comes back: a checkpoint, and the logged ticks behind it lived again, each checked against what it should lead
//! to.

use super::record::TickRecord;
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::content::Content;
use crate::order::lived_hash;
use crate::replay::Header;
use crate::tick::tick_untold;
use crate::world::{World, ZoneConfig};

/// Why a log cannot be lived any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Disagreement {
    /// The log goes on with another tick.
    #[error("the log goes on with tick {recorded}, the zone with tick {expected}")]
    Leap {
        /// What the log says.
        recorded: u32,
        /// What comes next here.
        expected: u32,
    },
    /// Living the tick again, something else changed hands than did.
    #[error(
        "in tick {tick} {found} changes of hands came of it, or others than the {recorded} that were recorded"
    )]
    Effects {
        /// Which.
        tick: u32,
        /// How many the log has.
        recorded: u32,
        /// How many came of living it again.
        found: u32,
    },
    /// The ticks before led to another state.
    #[error("before tick {tick} the state is {found:016x}, and was {recorded:016x}")]
    State {
        /// Before which.
        tick: u32,
        /// What the log says.
        recorded: u64,
        /// What came of living it again.
        found: u64,
    },
}

/// A zone on its way back.
pub struct Recovery {
    world: World,
    /// Ticks lived again.
    pub n_ticks: u32,
    /// States that were compared.
    pub n_compared: u32,
    /// Changes of hands that were applied without living their ticks.
    pub n_redone: u32,
    /// Changes of hands that could not be applied: something is wrong with the log, or with the checkpoint.
    pub n_refused: u32,
}

impl Recovery {
    /// Begins with a checkpoint.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn from_checkpoint(copy: Checkpoint, content: Content) -> Result<Self, CheckpointError> {
        Ok(Self::of(World::resume(copy, content)?))
    }

    /// Begins with a checkpoint of another build, whose ticks cannot be lived again: only [`Recovery::handle_effects`] may follow.
    ///
    /// # Errors
    /// [`CheckpointError`] when this build cannot make a zone of it.
    pub fn from_foreign(copy: Checkpoint, content: Content) -> Result<Self, CheckpointError> {
        Ok(Self::of(World::adopt(copy, content)?))
    }

    /// Begins where the zone began, when there is no checkpoint yet.
    ///
    /// # Errors
    /// [`CheckpointError::Build`] when another build or content began it.
    pub fn from_header(header: &Header, content: Content) -> Result<Self, CheckpointError> {
        match header.refusal(content.hash) {
            Some(refusal) => Err(CheckpointError::Build(refusal)),
            None => Ok(Self::of(World::from_tick(&header.config, content, header.now))),
        }
    }

    fn of(world: World) -> Self {
        Self { world, n_ticks: 0, n_compared: 0, n_redone: 0, n_refused: 0 }
    }

    /// The zone goes on in another process, with what may differ from start to start.
    ///
    /// # Errors
    /// [`CheckpointError`] when another build or content lived what follows.
    pub fn handle_open(&mut self, header: &Header, content: &Content) -> Result<(), CheckpointError> {
        if let Some(refusal) = header.refusal(content.hash) {
            return Err(CheckpointError::Build(refusal));
        }
        if *self.world.config() != header.config {
            self.world = refitted(&self.world, &header.config)?;
        }
        Ok(())
    }

    /// Lives a tick again. Ticks that the checkpoint already holds are passed over.
    ///
    /// - Shapes: call it inside a rayon pool's `install`, for each record in order.
    ///
    /// # Errors
    /// [`Disagreement`]; the zone is as it was before this tick, or with [`Disagreement::Effects`] of no use any more.
    pub fn handle_tick(&mut self, record: &TickRecord<'_>) -> Result<(), Disagreement> {
        let (recorded, expected) = (record.tick, self.world.now().wrapping_add(1));
        if recorded < expected {
            return Ok(());
        }
        if recorded > expected {
            return Err(Disagreement::Leap { recorded, expected });
        }
        if let Some(recorded) = record.hash_before {
            let found = lived_hash(&self.world);
            if found != recorded {
                return Err(Disagreement::State { tick: record.tick, recorded, found });
            }
            self.n_compared += 1;
        }
        tick_untold(&mut self.world, &record.inputs);
        let found = self.world.effects();
        if found != record.effects {
            let (recorded, found) = (record.effects.len() as u32, found.len() as u32);
            return Err(Disagreement::Effects { tick: record.tick, recorded, found });
        }
        self.n_ticks += 1;
        Ok(())
    }

    /// What changed hands in a tick happens, and nothing else of it: for ticks that cannot be lived again. Those that the
    /// checkpoint already holds are passed over.
    ///
    /// - Shapes: for each record in order; [`Recovery::handle_tick`] is not called any more afterwards.
    /// - Cost: as [`crate::economy::Market::apply`].
    pub fn handle_effects(&mut self, record: &TickRecord<'_>) {
        if record.tick > self.world.now() {
            let n_refused = self.world.redo(&record.effects);
            self.n_redone += record.effects.len() as u32 - n_refused;
            self.n_refused += n_refused;
        }
    }

    /// The zone as it is now.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The zone, to go on with as `config` says. Nobody has been told anything of it.
    ///
    /// # Errors
    /// [`CheckpointError::Config`] when the two do not fit.
    pub fn into_world(self, config: &ZoneConfig) -> Result<World, CheckpointError> {
        refitted(&self.world, config)
    }
}

/// The same zone, made otherwise.
fn refitted(world: &World, config: &ZoneConfig) -> Result<World, CheckpointError> {
    let copy = Checkpoint::of(world, "").refit(config)?;
    World::resume(copy, world.content().clone())
}
