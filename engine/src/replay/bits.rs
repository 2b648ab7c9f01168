//! What can be summed up bit by bit: every type that columns, players and minds are made of.
//!
//! The lists of fields are complete: a field that is not listed does not compile.

use crate::ids::{DurableId, EntityId};
use crate::input::CommandQueue;
use crate::players::Player;
use crate::publish::Shown;
use crate::step::creatures::{Mind, State};
use kernel::mix;
use kernel::walker::{Path, Walker};
use netproto::bits::{BitWriter, GUARD_BYTES};
use netproto::quantise::Segment;
use netproto::{Action, Command, Kind, MoveState};

/// A hash that every bit of every word changes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Digest(u64);

impl Default for Digest {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Digest {
    /// Takes a word in.
    #[inline]
    pub(crate) fn add(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    }

    /// Takes bytes in, and how many there are.
    pub(crate) fn add_bytes(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| self.add(u64::from_le_bytes(*word)));
        let last = rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
        self.add(last << 8 | bytes.len() as u64 & 0xff);
    }

    /// All 64 bits.
    #[must_use]
    pub(crate) fn long(self) -> u64 {
        mix(self.0)
    }

    /// 32 of them.
    #[must_use]
    pub(crate) fn word(self) -> u32 {
        (self.long() >> 32) as u32
    }
}

/// A value that can be summed up, and of which one bit can be turned over.
pub(crate) trait Bits {
    /// Bits that can be turned over.
    fn n_bits(&self) -> u32;
    /// Adds it to a digest.
    fn feed(&self, digest: &mut Digest);
    /// Turns a bit over; false, and no change, if what would come of it is no such value.
    fn flip(&mut self, bit: u32) -> bool;
}

macro_rules! whole {
    ($($type:ty),*) => {$(
        impl Bits for $type {
            fn n_bits(&self) -> u32 {
                <$type>::BITS
            }
            // One text for signed and unsigned numbers.
            #[allow(clippy::cast_lossless)]
            #[inline]
            fn feed(&self, digest: &mut Digest) {
                digest.add(*self as u64);
            }
            fn flip(&mut self, bit: u32) -> bool {
                *self ^= 1 << bit;
                true
            }
        }
    )*};
}

whole!(u8, u16, u32, u64, i16, i32);

impl Bits for bool {
    fn n_bits(&self) -> u32 {
        1
    }
    #[inline]
    fn feed(&self, digest: &mut Digest) {
        digest.add(u64::from(*self));
    }
    fn flip(&mut self, _bit: u32) -> bool {
        *self = !*self;
        true
    }
}

/// A list of names for a few numbers: a turned bit must lead to another name.
macro_rules! names {
    ($($type:ident),*) => {$(
        impl Bits for $type {
            fn n_bits(&self) -> u32 {
                u8::BITS
            }
            #[inline]
            fn feed(&self, digest: &mut Digest) {
                digest.add(*self as u64);
            }
            fn flip(&mut self, bit: u32) -> bool {
                let wanted = *self as u64 ^ 1 << bit;
                let found = $type::ALL.into_iter().find(|value| *value as u64 == wanted);
                found.map(|value| *self = value).is_some()
            }
        }
    )*};
}

names!(Kind, Action, MoveState, State);

/// Several values one behind the other, each with a name.
macro_rules! parts {
    ($($type:ident { $($part:tt),* })*) => {$(
        impl Bits for $type {
            fn n_bits(&self) -> u32 {
                0 $(+ self.$part.n_bits())*
            }
            #[inline]
            fn feed(&self, digest: &mut Digest) {
                let _nothing_is_left_out = |$type { $($part: _),* }: &Self| ();
                $(self.$part.feed(digest);)*
            }
            fn flip(&mut self, mut bit: u32) -> bool {
                $(
                    if bit < self.$part.n_bits() {
                        return self.$part.flip(bit);
                    }
                    bit -= self.$part.n_bits();
                )*
                bit == u32::MAX
            }
        }
    )*};
}

parts! {
    EntityId { 0 }
    DurableId { low, high }
    Shown { 0 }
    Segment { x_mm, y_mm, vx, vy, tick }
    Walker { state, goal_tick, goal, waypoint, forced_ticks, forced, dash_wait_ticks, resource }
}

/// What a row has besides its columns, by the names of its fields.
pub(crate) trait Named {
    /// Names of all fields, in order.
    const NAMES: &'static [&'static str];
    /// Adds all fields.
    fn feed_all(&self, digest: &mut Digest);
    /// Bits of a field; 0 if there is no such field.
    fn n_bits_of(&self, name: &str) -> u32;
    /// Turns a bit of a field over.
    fn flip_in(&mut self, name: &str, bit: u32) -> bool;
    /// The value of every field, for people.
    fn show_all(&self) -> Vec<(&'static str, String)>;
}

macro_rules! named {
    ($type:ident: $($field:ident = $name:literal),* $(,)?) => {
        impl Named for $type {
            const NAMES: &'static [&'static str] = &[$($name),*];

            fn feed_all(&self, digest: &mut Digest) {
                let _nothing_is_left_out = |$type { $($field: _),* }: &Self| ();
                $(self.$field.feed(digest);)*
            }

            fn n_bits_of(&self, name: &str) -> u32 {
                match name {
                    $($name => self.$field.n_bits(),)*
                    _ => 0,
                }
            }

            fn flip_in(&mut self, name: &str, bit: u32) -> bool {
                match name {
                    $($name => self.$field.flip(bit),)*
                    _ => false,
                }
            }

            fn show_all(&self) -> Vec<(&'static str, String)> {
                vec![$(($name, format!("{:?}", self.$field))),*]
            }
        }
    };
}

named! { Player:
    durable = "player.durable",
    walker = "player.walker",
    path = "player.path",
    queue = "player.queue",
    asked = "player.asked",
    path_ready = "player.path_ready",
    swing_ready = "player.swing_ready",
    area_ready = "player.area_ready",
    shot_ready = "player.shot_ready",
    is_new_here = "player.is_new_here",
    home = "player.home",
    respawn_at = "player.respawn_at",
    detached_at = "player.detached_at",
    own_changed = "player.own_changed",
    threats = "player.threats",
}

named! { Mind:
    state = "mind.state",
    target = "mind.target",
    until = "mind.until",
    goal = "mind.goal",
    home = "mind.home",
    den = "mind.den",
    bite_at = "mind.bite_at",
    bite_ready = "mind.bite_ready",
    slam_at = "mind.slam_at",
    slam_ready = "mind.slam_ready",
}

impl Player {
    /// Adds what its future depends on: all but what its client has heard, and whom it shows first.
    pub(crate) fn feed_lived(&self, digest: &mut Digest) {
        let quiet = Self {
            own_changed: false,
            is_new_here: false,
            threats: [(EntityId::NONE, 0); crate::players::THREATS_MAX],
            ..self.clone()
        };
        quiet.feed_all(digest);
    }
}

impl<A: Bits, B: Bits> Bits for (A, B) {
    fn n_bits(&self) -> u32 {
        self.0.n_bits() + self.1.n_bits()
    }
    #[inline]
    fn feed(&self, digest: &mut Digest) {
        self.0.feed(digest);
        self.1.feed(digest);
    }
    fn flip(&mut self, bit: u32) -> bool {
        let n = self.0.n_bits();
        if bit < n { self.0.flip(bit) } else { self.1.flip(bit - n) }
    }
}

impl<T: Bits> Bits for [T] {
    fn n_bits(&self) -> u32 {
        self.iter().map(Bits::n_bits).sum()
    }
    fn feed(&self, digest: &mut Digest) {
        self.iter().for_each(|value| value.feed(digest));
    }
    fn flip(&mut self, mut bit: u32) -> bool {
        for value in self {
            if bit < value.n_bits() {
                return value.flip(bit);
            }
            bit -= value.n_bits();
        }
        false
    }
}

impl<T: Bits, const N: usize> Bits for [T; N] {
    fn n_bits(&self) -> u32 {
        self.as_slice().n_bits()
    }
    fn feed(&self, digest: &mut Digest) {
        self.as_slice().feed(digest);
    }
    fn flip(&mut self, bit: u32) -> bool {
        self.as_mut_slice().flip(bit)
    }
}

impl<T: Bits> Bits for Option<T> {
    fn n_bits(&self) -> u32 {
        self.as_ref().map_or(0, Bits::n_bits)
    }
    fn feed(&self, digest: &mut Digest) {
        digest.add(u64::from(self.is_some()));
        if let Some(value) = self {
            value.feed(digest);
        }
    }
    fn flip(&mut self, bit: u32) -> bool {
        self.as_mut().is_some_and(|value| value.flip(bit))
    }
}

/// The points in use: what lies behind them is never walked to.
impl Bits for Path {
    fn n_bits(&self) -> u32 {
        self.goal_tick.n_bits() + self.effective_tick.n_bits()
    }
    fn feed(&self, digest: &mut Digest) {
        let Self { goal_tick, effective_tick, n, points } = self;
        (*goal_tick, *effective_tick).feed(digest);
        n.feed(digest);
        points[..usize::from(*n)].feed(digest);
    }
    fn flip(&mut self, bit: u32) -> bool {
        let n = self.goal_tick.n_bits();
        if bit < n { self.goal_tick.flip(bit) } else { self.effective_tick.flip(bit - n) }
    }
}

/// The commands that can still be consumed, as they go over the wire, whatever variants there are.
impl Bits for CommandQueue {
    fn n_bits(&self) -> u32 {
        self.seen.n_bits()
    }
    fn feed(&self, digest: &mut Digest) {
        self.seen.feed(digest);
        digest.add(u64::from(self.newest_consumed) << 8 | u64::from(self.n_repeats));
        feed_command(&self.last, digest);
        for (tick, command) in self.waiting() {
            tick.feed(digest);
            feed_command(command, digest);
        }
    }
    fn flip(&mut self, bit: u32) -> bool {
        self.seen.flip(bit)
    }
}

fn feed_command(command: &Command, digest: &mut Digest) {
    let mut buffer = [0; Command::BITS_MAX.div_ceil(8) as usize + GUARD_BYTES];
    let mut writer = BitWriter::new(&mut buffer);
    command.write(&mut writer);
    let n_bytes = writer.finish();
    digest.add_bytes(&buffer[..n_bytes]);
}
