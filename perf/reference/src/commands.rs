//! Commands that wait for their ticks: one is consumed in each, and a missing one is made up three times.

use kernel::walker::REPEATS_MAX;
use netproto::{Command, Follow, Move, Steer};

/// How far ahead of its tick a command may come.
const AHEAD_TICKS_MAX: u32 = 8;

/// One player's commands.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    /// The command for tick t at `t % AHEAD_TICKS_MAX`.
    waiting: [(u32, Command); AHEAD_TICKS_MAX as usize],
    last: Command,
    n_repeats: u32,
    /// Tick of the newest command of the player's own that was consumed.
    pub newest_consumed: u32,
}

impl Queue {
    /// Takes a command for `tick` while `now` is stepped; the first one for a tick counts.
    pub fn accept(&mut self, now: u32, tick: u32, command: &Command) {
        let place = &mut self.waiting[(tick % AHEAD_TICKS_MAX) as usize];
        if (now..now + AHEAD_TICKS_MAX).contains(&tick) && place.0 != tick {
            *place = (tick, *command);
        }
    }

    /// The command of `now`.
    pub fn consume(&mut self, now: u32) -> Command {
        let (tick, command) = self.waiting[(now % AHEAD_TICKS_MAX) as usize];
        if tick == now {
            (self.last, self.n_repeats, self.newest_consumed) = (command, 0, now);
            return command;
        }
        if self.n_repeats == REPEATS_MAX {
            self.last = Command { movement: Move::Steer(Steer::default()), deed: None };
            return self.last;
        }
        self.n_repeats += 1;
        let is_goal = matches!(self.last.movement, Move::Goal(_));
        let movement = if is_goal { Move::Follow(Follow {}) } else { self.last.movement };
        Command { movement, deed: None }
    }
}
