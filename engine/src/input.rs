//! The only way into a world, and the door behind it: which commands of a player count.

use crate::drill::Drill;
use crate::economy::{Goods, Order};
use crate::ids::DurableId;
use kernel::walker::REPEATS_MAX;
use netproto::input::InputPacket;
use netproto::snapshot::ones;
use netproto::{Command, FRAME_BYTES_MAX, Follow, Move, SLOTS, Steer};
use std::sync::Arc;

/// Everything that can happen to a zone from outside. A log of these replays it.
#[derive(Clone, Debug)]
pub enum Input {
    /// A player comes in, or comes back to a body that is still there.
    Join {
        /// Who.
        player: DurableId,
        /// Snapshots that may be in flight: one of the two limits in [`netproto::peer`].
        in_flight_max: u8,
        /// Where a new body appears, in mm: from the player's row. None: near the middle of the zone.
        place: Option<(i32, i32)>,
    },
    /// The connection broke; the body waits for its player.
    Detach {
        /// Who.
        player: DurableId,
    },
    /// The player left on purpose.
    Leave {
        /// Who.
        player: DurableId,
    },
    /// From this tick on so many rungs of the ladder in [`crate::shed`] are given up; 0: none.
    Shed(u8),
    /// From this tick on what the zone makes has names with this high half: every process has its own.
    Names(u32),
    /// From this tick on nothing changes hands, or everything may again.
    ReadOnly(bool),
    /// A player asks for something to change hands.
    Order {
        /// Who.
        player: DurableId,
        /// The client's number for it, above that of every earlier one; the same one again is followed once.
        request: u32,
        /// What.
        order: Order,
    },
    /// An operator gives something to a player, or takes it away.
    Decree {
        /// To whom, or from whom.
        player: DurableId,
        /// What.
        goods: Goods,
        /// Given, not taken.
        is_gift: bool,
        /// What the answer is called by.
        ticket: u32,
        /// Why: for whoever reads the log. At most [`REASON_BYTES_MAX`].
        reason: Arc<str>,
    },
    /// From this tick on players walk by this plan, whatever they command.
    Drill(Drill),
    /// From this tick on a client gets no more than this.
    Budget {
        /// Who.
        player: DurableId,
        /// How much.
        budget: Budget,
    },
    /// An input datagram.
    Packet {
        /// Who.
        player: DurableId,
        /// How early it came for its newest command, in 2 ms; echoed to the client, otherwise unused.
        margin_2ms: i8,
        /// What it says.
        packet: InputPacket,
    },
}

/// A longer reason for a decree is no reason.
pub const REASON_BYTES_MAX: usize = 200;

/// What a client's path bears: how often it is sent to, about how many, and how much at once.
///
/// - Shapes: as [`Budget::is_sound`] says.
/// - Source: docs/ARCHITECTURE.md "Rate control".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// A regular snapshot every so many ticks: 1, 2 or 4.
    pub send_every: u8,
    /// Entities in its view at most: 64, 32 or 16.
    pub slots: u8,
    /// Bytes of a snapshot, from [`Budget::FRAME_BYTES_MIN`] on. What the protocol cannot leave out may exceed them.
    pub frame_bytes: u16,
}

impl Budget {
    /// A frame with less could not hold what every frame must.
    pub const FRAME_BYTES_MIN: u16 = 120;

    /// Whether a world can keep to it.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let bytes = Self::FRAME_BYTES_MIN..=FRAME_BYTES_MAX as u16;
        matches!(self.send_every, 1 | 2 | 4)
            && matches!(self.slots, 16 | 32 | 64)
            && bytes.contains(&self.frame_bytes)
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self { send_every: 1, slots: SLOTS as u8, frame_bytes: FRAME_BYTES_MAX as u16 }
    }
}

/// How far ahead of the tick a command may be.
pub const AHEAD_TICKS_MAX: u32 = 8;
/// Past commands that are remembered, to tell a repeat from a late one.
const SEEN_TICKS: u32 = 64;

/// What became of a command that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It will be consumed in its tick.
    Accepted,
    /// It was here before.
    Repeated,
    /// Its tick is over, or too far ahead: it moves nothing.
    Refused,
}

/// One player's commands that wait for their ticks: exactly one is consumed per tick.
#[derive(Clone, Debug, Default)]
#[repr(C)] // what every tick touches comes first
pub struct CommandQueue {
    /// Bit k: the command of `now - k` has arrived.
    pub(crate) seen: u64,
    /// Tick of the newest command that was consumed; 0: none.
    pub newest_consumed: u32,
    /// The tick that consumed last.
    now: u32,
    /// Bit k: the command of `now + AHEAD_TICKS_MAX - k` has arrived.
    ahead: u8,
    pub(crate) n_repeats: u8,
    pub(crate) last: Command,
    /// The command for tick t at `t % AHEAD_TICKS_MAX`.
    waiting: [Command; AHEAD_TICKS_MAX as usize],
}

const _: () = assert!(AHEAD_TICKS_MAX == u8::BITS && SEEN_TICKS == u64::BITS);

impl CommandQueue {
    /// A packet arrives before tick `now + 1` is stepped. Returns how many of its commands are new, and how many of
    /// these are refused.
    ///
    /// - Cost: one comparison for all commands that were here before, which most were.
    #[inline]
    pub fn take(&mut self, now: u32, packet: &InputPacket) -> (u32, u32) {
        let lead = packet.tick.wrapping_sub(now);
        let all = (1u64 << packet.n_commands) - 1;
        let known = if lead <= AHEAD_TICKS_MAX {
            (self.seen << AHEAD_TICKS_MAX | u64::from(self.ahead)) >> (AHEAD_TICKS_MAX - lead)
        } else {
            0
        };
        let fresh = all & !known;
        if fresh == 1 && (1..=AHEAD_TICKS_MAX).contains(&lead) {
            self.wait(packet.tick, lead, &packet.commands[0]); // nothing was lost on the way, nearly always
            return (1, 0);
        }
        let (mut n_new, mut n_refused) = (0, 0);
        for back in ones(fresh) {
            let command = &packet.commands[back as usize];
            let verdict = self.accept(now, packet.tick.wrapping_sub(back), command);
            n_new += u32::from(verdict != Verdict::Repeated);
            n_refused += u32::from(verdict == Verdict::Refused);
        }
        (n_new, n_refused)
    }

    /// A command for `tick` arrives before tick `now + 1` is stepped.
    pub fn accept(&mut self, now: u32, tick: u32, command: &Command) -> Verdict {
        let ahead = tick.wrapping_sub(now);
        if (1..=AHEAD_TICKS_MAX).contains(&ahead) {
            let bit = 1 << (AHEAD_TICKS_MAX - ahead);
            if self.ahead & bit != 0 {
                return Verdict::Repeated;
            }
            self.wait(tick, ahead, command);
            return Verdict::Accepted;
        }
        let back = now.wrapping_sub(tick);
        if back >= SEEN_TICKS {
            return Verdict::Refused;
        }
        let was_seen = self.seen >> back & 1 == 1;
        self.seen |= 1 << back;
        if was_seen { Verdict::Repeated } else { Verdict::Refused }
    }

    #[inline(always)]
    fn wait(&mut self, tick: u32, ahead: u32, command: &Command) {
        self.ahead |= 1 << (AHEAD_TICKS_MAX - ahead);
        self.waiting[(tick % AHEAD_TICKS_MAX) as usize] = *command;
    }

    /// Whether the newest tick is the first of some for which no command came: the client may have foreseen another one.
    #[must_use]
    #[inline]
    pub fn is_made_up(&self) -> bool {
        self.n_repeats == 1
    }

    /// Commands that wait, with their ticks, in the order of their places.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = (u32, &Command)> {
        self.waiting.iter().enumerate().filter_map(|(place, command)| {
            let after = (place as u32).wrapping_sub(self.now + 1) % AHEAD_TICKS_MAX;
            let is_here = self.ahead << after >> (AHEAD_TICKS_MAX - 1) == 1;
            is_here.then_some((self.now + 1 + after, command))
        })
    }

    /// The tick that consumed last.
    pub(crate) fn now(&self) -> u32 {
        self.now
    }

    /// A queue as it was after tick `now`, without the commands that waited.
    pub(crate) fn at(now: u32, seen: u64) -> Self {
        Self { now, seen, ..Self::default() }
    }

    /// Puts back a command that waited; false if there is no place for that tick.
    pub(crate) fn restore(&mut self, tick: u32, command: &Command) -> bool {
        let ahead = tick.wrapping_sub(self.now);
        let has_place = (1..=AHEAD_TICKS_MAX).contains(&ahead);
        if has_place {
            self.wait(tick, ahead, command);
        }
        has_place
    }

    /// As [`CommandQueue::consume`], but somebody else decides, who is told what was done last.
    pub(crate) fn consume_by(&mut self, now: u32, decide: impl FnOnce(&Command) -> Command) -> Command {
        let before = self.last;
        self.consume(now);
        self.last = decide(&before);
        self.last
    }

    /// The command that `now` consumes: the player's, or a made-up one.
    pub fn consume(&mut self, now: u32) -> Command {
        let is_here = self.ahead >> (AHEAD_TICKS_MAX - 1) == 1;
        (self.now, self.ahead) = (now, self.ahead << 1);
        self.seen = self.seen << 1 | u64::from(is_here);
        if is_here {
            self.newest_consumed = now;
            self.n_repeats = 0;
            self.last = self.waiting[(now % AHEAD_TICKS_MAX) as usize];
            return self.last;
        }
        if u32::from(self.n_repeats) == REPEATS_MAX {
            self.last = Command { movement: Move::Steer(Steer::default()), deed: None };
            return self.last;
        }
        self.n_repeats += 1;
        // What is done once is not repeated: a deed, and setting out for a goal.
        let movement = match self.last.movement {
            Move::Goal(_) => Move::Follow(Follow {}),
            other => other,
        };
        Command { movement, deed: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, draw};
    use netproto::Goal;

    fn east() -> Command {
        Command { movement: Move::Steer(Steer { angle: 0, speed: 3 }), deed: None }
    }

    #[test]
    fn one_command_is_consumed_per_tick_and_a_missing_one_is_made_up_three_times() {
        let mut queue = CommandQueue::default();
        assert_eq!(queue.accept(10, 11, &east()), Verdict::Accepted);
        assert_eq!(queue.accept(10, 11, &east()), Verdict::Repeated);
        for tick in 11..=14 {
            assert_eq!(queue.consume(tick), east(), "tick {tick}");
        }
        assert_eq!(queue.consume(15).movement, Move::Steer(Steer::default()));
        assert_eq!(queue.newest_consumed, 11);
    }

    #[test]
    fn a_packet_is_judged_as_its_commands_are_one_by_one() {
        let (mut whole, mut single) = (CommandQueue::default(), CommandQueue::default());
        let chance = |now: u32, high| draw(5, now, 0, Purpose::Look) as u32 % high;
        for now in 0..2_000u32 {
            for salt in 0..chance(now, 4) {
                let lead = chance(now * 4 + salt, if now % 7 == 0 { 90 } else { 14 });
                let tick = (now + 10).wrapping_sub(lead);
                let mut packet =
                    InputPacket { tick, n_commands: 1 + ((salt + now) % 4) as u8, ..InputPacket::default() };
                let aim = |tick: u32| Move::Steer(Steer { angle: tick % 256, speed: 3 });
                for (back, command) in packet.commands.iter_mut().enumerate() {
                    command.movement = aim(tick.wrapping_sub(back as u32));
                }
                let verdicts: Vec<Verdict> =
                    packet.oldest_first().map(|(tick, command)| single.accept(now, tick, command)).collect();
                let n_of = |of: &dyn Fn(&Verdict) -> bool| verdicts.iter().filter(|v| of(v)).count() as u32;
                let expected = (n_of(&|v| *v != Verdict::Repeated), n_of(&|v| *v == Verdict::Refused));
                assert_eq!(whole.take(now, &packet), expected, "tick {tick} in {now}");
            }
            assert_eq!(whole.consume(now + 1), single.consume(now + 1), "in tick {}", now + 1);
            let ticks = |queue: &CommandQueue| queue.waiting().map(|(tick, _)| tick).collect::<Vec<u32>>();
            assert_eq!((whole.seen, ticks(&whole)), (single.seen, ticks(&single)));
            assert!(whole.waiting().all(|(tick, command)| {
                (now + 2..=now + 9).contains(&tick)
                    && command.movement == Move::Steer(Steer { angle: tick % 256, speed: 3 })
            }));
        }
    }

    #[test]
    fn past_and_far_commands_move_nothing() {
        let mut queue = CommandQueue::default();
        queue.consume(100);
        assert_eq!(queue.accept(100, 100, &east()), Verdict::Refused);
        assert_eq!(queue.accept(100, 100, &east()), Verdict::Repeated, "counted once");
        assert_eq!(queue.accept(100, 100 + AHEAD_TICKS_MAX + 1, &east()), Verdict::Refused);
        assert_eq!(queue.accept(100, 3, &east()), Verdict::Refused);
        assert_eq!(queue.consume(101), Command { movement: Move::default(), deed: None });
    }

    #[test]
    fn a_consumed_command_that_comes_again_is_a_repeat() {
        let mut queue = CommandQueue::default();
        queue.accept(5, 6, &east());
        queue.consume(6);
        assert_eq!(queue.accept(6, 6, &east()), Verdict::Repeated);
    }

    #[test]
    fn a_made_up_command_follows_a_goal_but_does_not_set_it_again() {
        let mut queue = CommandQueue::default();
        let goal = Command { movement: Move::Goal(Goal { x_mm: 5, y_mm: 5 }), deed: None };
        queue.accept(0, 1, &goal);
        assert_eq!(queue.consume(1), goal);
        assert_eq!(queue.consume(2).movement, Move::Follow(Follow {}));
    }
}
