//! Phases 2 to 4: what players and creatures want, how it moves them, whom it hurts.
//!
//! [`players`] consumes commands, [`movement`] moves every row, [`creatures`] decides for the wild,
//! [`casts`] are what was announced and has yet to happen, [`combat`] finds and applies hits. What happens to others is written to [`Lane`]s, one per run of rows,
//! and applied after a barrier in an order that knows entities, not rows.
pub mod casts;
pub mod combat;
pub mod creatures;
pub mod movement;
pub mod players;

use crate::content::Power;
use crate::ids::{EntityId, Row};
use crate::outbox::Fact;
use casts::Intent;

/// Rows of one job: a lane is written by one thread.
pub const LANE_ROWS: usize = 128;

/// Somebody is about to be hurt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Who is hurt.
    pub target: EntityId,
    /// Who hurts; may be gone when it was announced long before.
    pub source: EntityId,
    /// How hard.
    pub power: Power,
    /// The target's row in this tick.
    pub target_row: Row,
}

/// A melee arc that is swung in this tick.
#[derive(Clone, Copy, Debug)]
pub struct Swing {
    /// Who swings.
    pub row: Row,
    /// Where to.
    pub aim: u8,
}

/// What one job leaves for after the barrier. Reused every tick.
#[derive(Debug)]
pub struct Lane {
    /// Swings of this tick.
    pub swings: Vec<Swing>,
    /// What is announced in this tick.
    pub casts: Vec<Intent>,
    /// Hits found.
    pub hits: Vec<Hit>,
    /// Who is hunted, and by whom.
    pub threats: Vec<(EntityId, EntityId)>,
    /// Facts for players, in row order.
    pub facts: Vec<Fact>,
    /// Places where something appeared, vanished or jumped: viewers near by look again.
    pub alarms: Vec<(i32, i32)>,
    /// Creatures whose corpse is gone.
    pub ended: Vec<Row>,
    /// Creatures that come back.
    pub reborn: Vec<Row>,
    /// Near targets, while a swing looks for the nearest.
    pub near: Vec<(i64, EntityId, Row)>,
    /// Commands consumed, for the counters.
    pub n_swings: u64,
}

impl Lane {
    /// Empties the lane for the next tick and keeps its memory.
    pub fn clear(&mut self) {
        self.swings.clear();
        self.casts.clear();
        self.hits.clear();
        self.threats.clear();
        self.facts.clear();
        self.alarms.clear();
        self.ended.clear();
        self.reborn.clear();
        self.n_swings = 0;
    }

    /// A lane that will not allocate in an ordinary tick.
    #[must_use]
    pub fn warm() -> Self {
        Self {
            swings: Vec::with_capacity(LANE_ROWS),
            casts: Vec::with_capacity(2 * LANE_ROWS),
            hits: Vec::with_capacity(LANE_ROWS * 4),
            threats: Vec::with_capacity(LANE_ROWS),
            facts: Vec::with_capacity(LANE_ROWS),
            alarms: Vec::with_capacity(LANE_ROWS),
            ended: Vec::with_capacity(LANE_ROWS),
            reborn: Vec::with_capacity(LANE_ROWS),
            near: Vec::with_capacity(1024),
            n_swings: 0,
        }
    }
}
