//! What stands in the world: one struct per body, and what is remembered of a player or a creature beside it.

use crate::commands::Queue;
use engine::{DurableId, EntityId};
use kernel::walker::{Path, Rules, Walker};
use netproto::{Action, Kind};

/// What clients are told of a body, as it travels.
pub type Words = [u32; 2];

/// A body. Players lie first in the vector of all, then a place for each den; nobody ever moves in it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Body {
    /// Who; [`EntityId::NONE`]: nobody.
    pub id: EntityId,
    /// What it is.
    pub kind: Kind,
    /// East.
    pub x_mm: i32,
    /// South.
    pub y_mm: i32,
    /// Velocity, in mm per tick.
    pub vx: i32,
    /// As `vx`, southward.
    pub vy: i32,
    /// Health points.
    pub health: u16,
    /// Health points when unhurt.
    pub health_max: u16,
    /// Action that shows.
    pub action: Action,
    /// Tick in which it ends.
    pub action_until: u32,
    /// Where to, in 1/256 turn.
    pub facing: u8,
    /// Colour and level.
    pub look: u16,
    /// What clients are told of all that, at the end of a tick.
    pub words: Words,
}

impl Body {
    /// Where it is, in mm.
    #[must_use]
    pub fn place(&self) -> (i32, i32) {
        (self.x_mm, self.y_mm)
    }

    /// Shows an action until a tick.
    pub fn show(&mut self, action: Action, facing: u8, until: u32) {
        (self.action, self.facing, self.action_until) = (action, facing, until);
    }

    /// Lets an action end, and writes down what clients are told: place in steps of 64 mm; health, action, facing,
    /// look, kind.
    pub fn publish(&mut self, tick: u32) {
        if self.action_until <= tick {
            self.action = Action::None;
        }
        let place = (self.x_mm as u32 >> 6) << 16 | self.y_mm as u32 >> 6;
        let health = (u32::from(self.health) * 127).div_ceil(u32::from(self.health_max).max(1));
        let facing = if self.action == Action::None { 0 } else { u32::from(self.facing) >> 2 };
        let look = u32::from(self.look) & 0x3ff;
        let state = health | (self.action as u32) << 7 | facing << 11 | look << 17 | (self.kind as u32) << 27;
        self.words = [place, state];
    }
}

/// Attackers that are remembered.
pub const THREATS_MAX: usize = 16;

/// One player beside the body.
#[derive(Clone, Debug)]
pub struct Player {
    /// Who.
    pub durable: DurableId,
    /// Legs.
    pub walker: Walker,
    /// Newest path.
    pub path: Path,
    /// Commands that wait for their ticks.
    pub queue: Queue,
    /// Tick and place of a click that has no path yet.
    pub asked: Option<(u32, (i32, i32))>,
    /// First tick that answers a click again.
    pub path_ready: u32,
    /// First tick that may swing again.
    pub swing_ready: u32,
    /// Where the body comes back to.
    pub home: (i32, i32),
    /// Tick of the return from death; 0 while alive.
    pub respawn_at: u32,
    /// Who hit or hunts the player, and until which tick that counts.
    pub threats: [(EntityId, u32); THREATS_MAX],
}

impl Player {
    /// A rested player.
    #[must_use]
    pub fn new(durable: DurableId, home: (i32, i32), rules: &Rules) -> Self {
        Self {
            durable,
            home,
            walker: Walker::rested(rules),
            path: Path::default(),
            queue: Queue::default(),
            asked: None,
            path_ready: 0,
            swing_ready: 0,
            respawn_at: 0,
            threats: [(EntityId::NONE, 0); THREATS_MAX],
        }
    }

    /// Remembers a threat; when all places are taken, the first of those that end soonest makes room.
    pub fn threaten(&mut self, by: EntityId, until: u32) {
        let known = self.threats.iter().position(|(id, _)| *id == by);
        let soonest = || (0..THREATS_MAX).min_by_key(|at| self.threats[*at].1);
        let at = known.or_else(soonest).expect("there are places");
        self.threats[at] = (by, until);
    }
}

/// What a creature is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mood {
    /// Stands.
    #[default]
    Rest,
    /// Walks to a goal near home.
    Wander,
    /// Runs after its target.
    Chase,
    /// Runs from its target.
    Flee,
    /// Lies dead.
    Corpse,
    /// Has no body.
    Gone,
}

/// One creature beside the body.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mind {
    /// What it is about.
    pub mood: Mood,
    /// Whom it chases or flees.
    pub target: EntityId,
    /// When the mood ends.
    pub until: u32,
    /// Where it wanders to.
    pub goal: (i32, i32),
    /// Where it lives.
    pub home: (i32, i32),
    /// Tick of the announced bite; 0: none.
    pub bite_at: u32,
    /// First tick that may announce the next.
    pub bite_ready: u32,
}
