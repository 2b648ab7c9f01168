//! Phases 2 to 4: what players and creatures want, how it moves them, whom it hurts.
//!
//! [`arrivals`] lets inputs in, [`players`] consumes commands, [`movement`] moves every row, [`creatures`] decides for
//! the wild, [`casts`] are what was announced and has yet to happen, [`combat`] finds hits ([`targets`] are found alike for both)
//! and [`wounds`] applies them.
//! What happens to others is written to [`Lane`]s, one per run of rows, sorted by whom it concerns ([`parts`]), and
//! applied after a barrier in an order that knows entities, not rows.
pub mod arrivals;
pub mod casts;
pub mod clearance;
pub mod combat;
pub mod creatures;
pub mod movement;
pub mod parts;
pub mod players;
pub mod targets;
pub mod wounds;

use crate::content::Power;
use crate::ids::{EntityId, Row};
use crate::outbox::Fact;
use crate::shed::Spared;
use casts::Intent;

/// Players of one job: a lane is written by one thread.
pub const LANE_ROWS: usize = 128;
/// Creatures of one job: most of them cost a comparison.
pub const WILD_ROWS: usize = 512;

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

/// A player is hunted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Threat {
    /// The player's row in this tick.
    pub target_row: Row,
    /// Who hunts.
    pub hunter: EntityId,
}

/// Targets in reach with their squared distances, while the nearest are looked for: memory of a thread.
pub type Near = Vec<(i64, EntityId, Row)>;
/// As many may stand in reach of one place without an allocation.
pub const NEAR_WARM: usize = 8192;

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
    pub threats: Vec<Threat>,
    /// Facts for players, in row order.
    pub facts: Vec<Fact>,
    /// Places where something appeared, vanished or jumped: viewers near by look again.
    pub alarms: Vec<(i32, i32)>,
    /// Creatures whose corpse is gone.
    pub ended: Vec<Row>,
    /// Creatures that come back.
    pub reborn: Vec<Row>,
    /// Near targets, while a swing looks for the nearest: lent by the thread.
    pub near: Near,
    /// Swings, for the counters.
    pub n_swings: u64,
    /// Commands that arrived, each once.
    pub n_received: u64,
    /// Of these, for a tick that was over or too far ahead.
    pub n_refused: u64,
    /// Timed events that gave way to hits.
    pub n_untold: u64,
    /// What was left out.
    pub spared: Spared,
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
        (self.n_swings, self.n_received, self.n_refused, self.n_untold) = (0, 0, 0, 0);
        self.spared = Spared::default();
    }

    /// A lane of players that will not allocate in an ordinary tick.
    #[must_use]
    pub fn of_players() -> Self {
        Self {
            swings: Vec::with_capacity(LANE_ROWS),
            casts: Vec::with_capacity(2 * LANE_ROWS),
            hits: Vec::with_capacity(LANE_ROWS * 4),
            facts: Vec::with_capacity(LANE_ROWS),
            alarms: Vec::with_capacity(2 * LANE_ROWS),
            ..Self::bare()
        }
    }

    /// A lane of creatures likewise.
    #[must_use]
    pub fn of_creatures() -> Self {
        Self {
            casts: Vec::with_capacity(WILD_ROWS),
            hits: Vec::with_capacity(WILD_ROWS),
            threats: Vec::with_capacity(WILD_ROWS),
            ended: Vec::with_capacity(WILD_ROWS),
            reborn: Vec::with_capacity(WILD_ROWS),
            ..Self::bare()
        }
    }

    fn bare() -> Self {
        Self {
            swings: Vec::new(),
            casts: Vec::new(),
            hits: Vec::new(),
            threats: Vec::new(),
            facts: Vec::new(),
            alarms: Vec::new(),
            ended: Vec::new(),
            reborn: Vec::new(),
            near: Vec::new(),
            n_swings: 0,
            n_received: 0,
            n_refused: 0,
            n_untold: 0,
            spared: Spared::default(),
        }
    }
}
