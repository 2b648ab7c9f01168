//! The newest commands by tick: for sending them again, and for predicting with them again.

use crate::Nanos;
use kernel::walker::REPEATS_MAX;
use netproto::input::InputPacket;
use netproto::{Acks, COMMANDS_MAX, Command, Follow, Move};

/// Ticks that are remembered: longer than any command waits for its answer.
pub const COMMANDS_KEPT: usize = 32;

/// A ring of commands, one per tick.
#[derive(Clone, Debug)]
pub struct Commands {
    newest: Option<u32>,
    tick: [u32; COMMANDS_KEPT],
    command: [Command; COMMANDS_KEPT],
    sent_at: [Nanos; COMMANDS_KEPT],
}

impl Default for Commands {
    fn default() -> Self {
        Self {
            newest: None,
            // Every place holds a tick that belongs into the next one: none is found before it was given.
            tick: std::array::from_fn(|place| place as u32 + 1),
            command: [Command::default(); COMMANDS_KEPT],
            sent_at: [Nanos(0); COMMANDS_KEPT],
        }
    }
}

impl Commands {
    /// Takes the command of a tick that is sent for the first time now.
    pub fn push(&mut self, tick: u32, command: &Command, now: Nanos) {
        let at = place(tick);
        self.tick[at] = tick;
        self.command[at] = *command;
        self.sent_at[at] = now;
        self.newest = Some(tick);
    }

    /// Tick of the newest command.
    #[must_use]
    pub fn newest(&self) -> Option<u32> {
        self.newest
    }

    /// The command of a tick, if it was given and is not too old.
    #[must_use]
    pub fn get(&self, tick: u32) -> Option<&Command> {
        self.holds(tick).then(|| &self.command[place(tick)])
    }

    /// When the command of a tick was sent for the first time.
    #[must_use]
    pub fn sent_at(&self, tick: u32) -> Option<Nanos> {
        self.holds(tick).then(|| self.sent_at[place(tick)])
    }

    /// What both kernels do in a tick: its command, or the last one for a few ticks more, or nothing.
    #[must_use]
    pub fn effective(&self, tick: u32) -> Command {
        if let Some(command) = self.get(tick) {
            return *command;
        }
        let last = (1..=REPEATS_MAX).find_map(|back| self.get(tick.wrapping_sub(back)));
        let movement = match last.map(|command| command.movement) {
            Some(Move::Goal(_)) => Move::Follow(Follow {}),
            Some(movement) => movement,
            None => Move::default(),
        };
        Command { movement, deed: None }
    }

    /// Whether a command must not wait for the next one: it begins something, or changes course.
    #[must_use]
    pub fn is_urgent(&self, command: &Command) -> bool {
        let before = self.newest.and_then(|newest| self.get(newest)).map(|before| before.movement);
        let goes_on = match (before, command.movement) {
            // A goal is set once, and followed from then on.
            (Some(Move::Goal(_)), Move::Follow(_)) => true,
            (_, Move::Goal(_)) => false,
            (before, movement) => before == Some(movement),
        };
        command.deed.is_some() || !goes_on
    }

    /// An input datagram: the newest commands that the server has not consumed yet, without a gap.
    #[must_use]
    pub fn packet(&self, acks: Acks, consumed: Option<u32>) -> InputPacket {
        let mut packet = InputPacket { acks, ..InputPacket::default() };
        let Some(newest) = self.newest else { return packet };
        packet.tick = newest;
        for back in 0..COMMANDS_MAX as u32 {
            let tick = newest.wrapping_sub(back);
            let is_consumed = consumed.is_some_and(|consumed| tick.wrapping_sub(consumed) as i32 <= 0);
            let Some(command) = self.get(tick).filter(|_| !is_consumed) else { break };
            packet.commands[back as usize] = *command;
            packet.n_commands = back as u8 + 1;
        }
        packet
    }

    fn holds(&self, tick: u32) -> bool {
        self.tick[place(tick)] == tick
    }
}

fn place(tick: u32) -> usize {
    tick as usize % COMMANDS_KEPT
}

#[cfg(test)]
mod tests {
    use super::*;
    use netproto::{Goal, Steer};

    fn steer(angle: u32) -> Command {
        Command { movement: Move::Steer(Steer { angle, speed: 3 }), deed: None }
    }

    #[test]
    fn a_packet_repeats_up_to_four_commands_that_were_not_consumed_across_the_wrap() {
        let mut commands = Commands::default();
        for (angle, tick) in [u32::MAX - 2, u32::MAX - 1, u32::MAX, 0, 1, 2].into_iter().enumerate() {
            commands.push(tick, &steer(angle as u32), Nanos(7));
        }
        let all = commands.packet(Acks::default(), None);
        assert_eq!((all.tick, all.n_commands), (2, 4));
        assert_eq!(all.commands[3], steer(2), "newest first");
        assert_eq!(commands.packet(Acks::default(), Some(0)).n_commands, 2);
        assert_eq!(commands.packet(Acks::default(), Some(u32::MAX)).n_commands, 3);
        assert_eq!(commands.packet(Acks::default(), Some(2)).n_commands, 0);
        assert_eq!(commands.sent_at(u32::MAX), Some(Nanos(7)));
    }

    #[test]
    fn an_empty_ring_holds_no_tick_at_all() {
        let mut commands = Commands::default();
        assert!((0..64).all(|tick| commands.get(tick).is_none()));
        commands.push(40, &steer(1), Nanos(0));
        assert!((0..200).filter(|tick| commands.get(*tick).is_some()).eq([40]));
    }

    #[test]
    fn what_begins_or_turns_is_urgent_and_what_goes_on_is_not() {
        let mut commands = Commands::default();
        assert!(commands.is_urgent(&steer(1)), "the first of all");
        commands.push(10, &steer(1), Nanos(0));
        let swing = Command { deed: Some(netproto::Deed { swing: true, ..Default::default() }), ..steer(1) };
        let goal = Command { movement: Move::Goal(Goal { x_mm: 1, y_mm: 2 }), deed: None };
        let follow = Command { movement: Move::Follow(Follow {}), deed: None };
        let urgent = [steer(1), steer(2), swing, goal, follow].map(|command| commands.is_urgent(&command));
        assert_eq!(urgent, [false, true, true, true, true]);
        commands.push(11, &goal, Nanos(0));
        assert_eq!([follow, goal, steer(1)].map(|command| commands.is_urgent(&command)), [false, true, true]);
    }

    #[test]
    fn a_missing_command_repeats_the_last_for_three_ticks_and_then_stops() {
        let mut commands = Commands::default();
        commands.push(10, &steer(5), Nanos(0));
        assert!((11..14).all(|tick| commands.effective(tick) == steer(5)));
        assert_eq!(commands.effective(14), Command::default());
        commands.push(20, &Command { movement: Move::Goal(Goal { x_mm: 1, y_mm: 2 }), deed: None }, Nanos(0));
        assert_eq!(commands.effective(21).movement, Move::Follow(Follow {}), "a goal is set once");
    }
}
