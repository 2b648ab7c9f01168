//! What a zone knows of a player beyond the columns: legs, commands, threats, and the client behind it.

use crate::clients::Waiting;
use crate::ids::{DurableId, EntityId, Row};
use crate::input::{Budget, CommandQueue};
use kernel::walker::{Path, Rules, Walker};
use netproto::peer::{IN_FLIGHT_DATAGRAMS, View};
use netproto::{Acks, SLOTS};

mod timeds;

pub use timeds::{HIT_KEY, Pending, TimedCounts, Timeds};

/// Attackers that claim a slot of their victim's view at most.
pub const THREATS_MAX: usize = 16;

/// One player, in step with the columns' player rows. What every tick touches comes first.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct Player {
    /// How the body is about to move.
    pub walker: Walker,
    /// Tick of the return from death; 0 while alive.
    pub respawn_at: u32,
    /// First tick that answers a goal again.
    pub path_ready: u32,
    /// First tick that may swing.
    pub swing_ready: u32,
    /// First tick that may cast an area.
    pub area_ready: u32,
    /// First tick that may shoot.
    pub shot_ready: u32,
    /// The own state shows something that a client cannot foresee.
    pub own_changed: bool,
    /// The body appeared in this tick: its client has heard nothing of what is announced around it.
    pub is_new_here: bool,
    /// Tick and place of the newest goal that has no path yet.
    pub asked: Option<(u32, (i32, i32))>,
    /// Commands that wait for their ticks.
    pub queue: CommandQueue,
    /// Newest path reply.
    pub path: Path,
    /// Who.
    pub durable: DurableId,
    /// Where the body appeared, and comes back to after death.
    pub home: (i32, i32),
    /// Since when nobody steers; 0 while attached.
    pub detached_at: u32,
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
            queue: CommandQueue::default(),
            asked: None,
            path_ready: 0,
            swing_ready: 0,
            area_ready: 0,
            shot_ready: 0,
            respawn_at: 0,
            detached_at: 0,
            own_changed: true,
            is_new_here: true,
            threats: [(EntityId::NONE, 0); THREATS_MAX],
        }
    }

    /// Remembers a threat; when all places are taken, the one that ends first makes room.
    pub fn threaten(&mut self, by: EntityId, until: u32) {
        let known = self.threats.iter().position(|(id, _)| *id == by);
        let soonest = (0..THREATS_MAX).min_by_key(|at| self.threats[*at].1).unwrap_or(0);
        self.threats[known.unwrap_or(soonest)] = (by, until);
    }
}

/// One client's view, in step with the columns' player rows. Touched once per tick.
#[derive(Clone, Debug)]
pub struct Client {
    /// Slots and what became of what was sent.
    pub view: View,
    /// Row of each occupied slot; remapped when rows move.
    pub rows: [u32; SLOTS],
    /// Newest acknowledgement of this tick.
    pub acks: Acks,
    /// Echo of the newest input datagram.
    pub margin_2ms: i8,
    /// Somebody listens.
    pub is_attached: bool,
    /// The view is chosen anew in this tick, whatever the schedule says.
    pub is_due: bool,
    /// What decided who sits when the view was chosen last.
    pub bound: i16,
    /// What its path bears.
    pub budget: Budget,
    /// Slot that claims its groups first when not all of them fit into a snapshot.
    pub first_slot: u8,
    /// Sequence of the next timed event.
    pub next_timed: u8,
    /// Tick of the last snapshot.
    pub sent_at: u32,
    /// Newest consumed command that a snapshot echoed.
    pub echoed: u32,
    /// Slots whose news waits for nothing, as of the last choice; kept in a zone that sends by news.
    pub near: u64,
    /// How long other news has waited.
    pub waiting: Waiting,
    /// Slots whose news found no room in the last snapshot: it goes on in the next one.
    pub overdue: u64,
    /// Tick of the last snapshot in which no cosmetic news was held back.
    pub cosmetic_at: u32,
}

// 20,000 clients are visited in every tick: their state is the memory traffic.
const _: () = assert!(size_of::<Client>() <= 640);

impl Client {
    /// A client that holds nothing; nobody listens yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            view: View::new(IN_FLIGHT_DATAGRAMS),
            rows: [0; SLOTS],
            acks: Acks::default(),
            margin_2ms: 0,
            is_attached: false,
            is_due: true,
            bound: crate::interest::BOUND_MAX,
            budget: Budget::default(),
            first_slot: 0,
            next_timed: 0,
            sent_at: 0,
            echoed: 0,
            near: 0,
            waiting: Waiting::default(),
            overdue: 0,
            cosmetic_at: 0,
        }
    }

    /// The row in a slot.
    #[must_use]
    #[inline(always)]
    pub fn row(&self, slot: u32) -> Row {
        Row(self.rows[slot as usize])
    }
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threat_that_ends_first_makes_room() {
        let mut player = Player::new(DurableId::default(), (0, 0), &Rules::at(20));
        for id in 1..=17u32 {
            player.threaten(EntityId(id), 100 + id);
        }
        player.threaten(EntityId(5), 500);
        assert!(player.threats.iter().all(|(id, _)| *id != EntityId(1)));
        assert_eq!(player.threats.iter().filter(|(id, _)| *id == EntityId(5)).count(), 1);
    }
}
