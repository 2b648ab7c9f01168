//! Everything a checkpoint holds as bytes, and back: numbers in their full width, low byte first.
//!
//! The lists of fields are complete: a field that is not listed does not compile.

use crate::content::Power;
use crate::drill::Drill;
use crate::ids::{DurableId, EntityId};
use crate::input::CommandQueue;
use crate::players::{Player, THREATS_MAX};
use crate::replay::bytes::{Bytes, Malformed};
use crate::step::casts::{Cast, Shape};
use crate::step::creatures::{Mind, State};
use kernel::walker::{Path, Walker};
use netproto::bits::{BitReader, BitWriter, GUARD_BYTES};
use netproto::{Action, Command, Kind, MoveState, Outcome, Side, Skill, WAYPOINTS_MAX};

/// A value that a checkpoint can hold.
pub(crate) trait Pack: Sized {
    /// Appends it.
    fn pack(&self, out: &mut Vec<u8>);
    /// Reads it from untrusted bytes.
    fn unpack(bytes: &mut Bytes<'_>) -> Result<Self, Malformed>;
}

macro_rules! whole {
    ($($type:ty),*) => {$(
        impl Pack for $type {
            #[inline]
            fn pack(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
            #[inline]
            fn unpack(bytes: &mut Bytes<'_>) -> Result<Self, Malformed> {
                let taken = bytes.take(size_of::<$type>(), "a number")?;
                Ok(<$type>::from_le_bytes(taken.try_into().expect("as many were taken")))
            }
        }
    )*};
}

whole!(u8, u16, u32, u64, i16, i32);

impl Pack for usize {
    fn pack(&self, out: &mut Vec<u8>) {
        (*self as u64).pack(out);
    }
    fn unpack(bytes: &mut Bytes<'_>) -> Result<Self, Malformed> {
        u64::unpack(bytes)?.try_into().map_err(|_| Malformed::Bounds("a number"))
    }
}

macro_rules! names {
    ($($type:ident),*) => {$(
        impl Pack for $type {
            #[inline]
            fn pack(&self, out: &mut Vec<u8>) {
                out.push(*self as u8);
            }
            #[inline]
            fn unpack(bytes: &mut Bytes<'_>) -> Result<Self, Malformed> {
                let number = bytes.byte(stringify!($type))?;
                let found = $type::ALL.into_iter().find(|value| *value as u8 == number);
                found.ok_or(Malformed::Bounds(stringify!($type)))
            }
        }
    )*};
}

names!(Kind, Action, MoveState, State, Skill, Side, Outcome);

impl Pack for bool {
    fn pack(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
    fn unpack(bytes: &mut Bytes<'_>) -> Result<Self, Malformed> {
        match bytes.byte("yes or no")? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed::Bounds("yes or no")),
        }
    }
}

impl<T: Pack + Copy, const N: usize> Pack for [T; N] {
    fn pack(&self, out: &mut Vec<u8>) {
        self.iter().for_each(|value| value.pack(out));
    }
    fn unpack(bytes: &mut Bytes<'_>) -> Result<Self, Malformed> {
        let first = T::unpack(bytes)?;
        let mut all = [first; N];
        for place in &mut all[1..] {
            *place = T::unpack(bytes)?;
        }
        Ok(all)
    }
}

impl<A: Pack, B: Pack> Pack for (A, B) {
    fn pack(&self, out: &mut Vec<u8>) {
        self.0.pack(out);
        self.1.pack(out);
    }
    fn unpack(bytes: &mut Bytes<'_>) -> Result<Self, Malformed> {
        Ok((A::unpack(bytes)?, B::unpack(bytes)?))
    }
}

impl<T: Pack> Pack for Option<T> {
    fn pack(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.is_some()));
        if let Some(value) = self {
            value.pack(out);
        }
    }
    fn unpack(bytes: &mut Bytes<'_>) -> Result<Self, Malformed> {
        match bytes.byte("an option")? {
            0 => Ok(None),
            1 => T::unpack(bytes).map(Some),
            _ => Err(Malformed::Bounds("an option")),
        }
    }
}

impl<T: Pack> Pack for Vec<T> {
    fn pack(&self, out: &mut Vec<u8>) {
        (self.len() as u32).pack(out);
        self.iter().for_each(|value| value.pack(out));
    }
    fn unpack(bytes: &mut Bytes<'_>) -> Result<Self, Malformed> {
        // Each takes a byte at least, so hostile bytes cannot ask for more memory than a few times their own.
        let n = u32::unpack(bytes)? as usize;
        if n > bytes.n_left() {
            return Err(Malformed::Bounds("the length of a list"));
        }
        (0..n).map(|_| T::unpack(bytes)).collect()
    }
}

macro_rules! parts {
    ($($type:ident { $($part:tt),* })*) => {$(
        impl Pack for $type {
            #[inline]
            fn pack(&self, out: &mut Vec<u8>) {
                $(self.$part.pack(out);)*
            }
            #[inline]
            fn unpack(bytes: &mut Bytes<'_>) -> Result<Self, Malformed> {
                Ok(Self { $($part: Pack::unpack(bytes)?),* })
            }
        }
    )*};
}

pub(crate) use parts;

parts! {
    EntityId { 0 }
    DurableId { low, high }
    Walker { state, goal_tick, goal, waypoint, forced_ticks, forced, dash_wait_ticks, resource }
    Mind { state, target, until, goal, home, den, bite_at, bite_ready, slam_at, slam_ready }
    Drill { turn_permille, wound_permille }
    Power { damage_min, damage_max, critical_percent }
    Cast { owner, skill, hurts, power, announced, at, shape }
}

/// The points in use only.
impl Pack for Path {
    fn pack(&self, out: &mut Vec<u8>) {
        let Self { goal_tick, effective_tick, n, points } = self;
        (*goal_tick, *effective_tick).pack(out);
        n.pack(out);
        points[..usize::from(*n)].iter().for_each(|point| point.pack(out));
    }
    fn unpack(bytes: &mut Bytes<'_>) -> Result<Self, Malformed> {
        let (goal_tick, effective_tick) = Pack::unpack(bytes)?;
        let mut path = Self { goal_tick, effective_tick, n: u8::unpack(bytes)?, ..Self::default() };
        if usize::from(path.n) > WAYPOINTS_MAX {
            return Err(Malformed::Bounds("the points of a path"));
        }
        for point in &mut path.points[..usize::from(path.n)] {
            *point = Pack::unpack(bytes)?;
        }
        Ok(path)
    }
}

/// The longest command.
const COMMAND_BYTES: usize = Command::BITS_MAX.div_ceil(8) as usize;

/// As it goes over the wire, whatever variants there are.
impl Pack for Command {
    fn pack(&self, out: &mut Vec<u8>) {
        let mut buffer = [0; COMMAND_BYTES + GUARD_BYTES];
        let mut writer = BitWriter::new(&mut buffer);
        self.write(&mut writer);
        let n_bytes = writer.finish();
        out.push(n_bytes as u8);
        out.extend_from_slice(&buffer[..n_bytes]);
    }
    fn unpack(bytes: &mut Bytes<'_>) -> Result<Self, Malformed> {
        let mut buffer = [0; COMMAND_BYTES + GUARD_BYTES];
        let n_bytes = usize::from(bytes.byte("a command")?);
        let room = buffer[..COMMAND_BYTES].get_mut(..n_bytes).ok_or(Malformed::Bounds("a command"))?;
        room.copy_from_slice(bytes.take(n_bytes, "a command")?);
        let mut reader = BitReader::new(&buffer, n_bytes);
        Self::read(&mut reader).map_err(|_| Malformed::Bounds("a command"))
    }
}

/// The commands that can still be consumed, and which came.
impl Pack for CommandQueue {
    fn pack(&self, out: &mut Vec<u8>) {
        let (seen, now) = (self.seen, self.now());
        (seen, now).pack(out);
        (self.newest_consumed, self.n_repeats).pack(out);
        self.last.pack(out);
        out.push(self.waiting().count() as u8);
        self.waiting().for_each(|(tick, command)| (tick, *command).pack(out));
    }
    fn unpack(bytes: &mut Bytes<'_>) -> Result<Self, Malformed> {
        let (seen, now) = Pack::unpack(bytes)?;
        let (newest_consumed, n_repeats) = Pack::unpack(bytes)?;
        let mut queue = Self::at(now, seen);
        (queue.newest_consumed, queue.n_repeats) = (newest_consumed, n_repeats);
        queue.last = Command::unpack(bytes)?;
        for _ in 0..bytes.byte("a queue")? {
            let (tick, command): (u32, Command) = Pack::unpack(bytes)?;
            if !queue.restore(tick, &command) {
                return Err(Malformed::Bounds("the tick of a command"));
            }
        }
        Ok(queue)
    }
}

/// Without what only a client's view depends on.
impl Pack for Player {
    fn pack(&self, out: &mut Vec<u8>) {
        let Self {
            walker,
            respawn_at,
            path_ready,
            swing_ready,
            area_ready,
            shot_ready,
            own_changed: _,
            is_new_here: _,
            asked,
            queue,
            path,
            durable,
            home,
            detached_at,
            threats: _,
        } = self;
        durable.pack(out);
        walker.pack(out);
        [*respawn_at, *path_ready, *swing_ready, *area_ready, *shot_ready, *detached_at]
            .iter()
            .for_each(|tick| tick.pack(out));
        asked.pack(out);
        queue.pack(out);
        path.pack(out);
        home.pack(out);
    }
    fn unpack(bytes: &mut Bytes<'_>) -> Result<Self, Malformed> {
        let (durable, walker) = Pack::unpack(bytes)?;
        let mut tick = || u32::unpack(bytes);
        let (respawn_at, path_ready, swing_ready) = (tick()?, tick()?, tick()?);
        let (area_ready, shot_ready, detached_at) = (tick()?, tick()?, tick()?);
        Ok(Self {
            walker,
            respawn_at,
            path_ready,
            swing_ready,
            area_ready,
            shot_ready,
            own_changed: true,
            is_new_here: true,
            asked: Pack::unpack(bytes)?,
            queue: Pack::unpack(bytes)?,
            path: Pack::unpack(bytes)?,
            durable,
            home: Pack::unpack(bytes)?,
            detached_at,
            threats: [(EntityId::NONE, 0); THREATS_MAX],
        })
    }
}

impl Pack for Shape {
    fn pack(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Circle { radius_mm, impact, targets_max } => {
                out.push(0);
                (radius_mm, impact).pack(out);
                targets_max.pack(out);
            }
            Self::Flight { velocity, release, ticks, n_steps, width_mm } => {
                out.push(1);
                velocity.pack(out);
                (release, ticks).pack(out);
                (n_steps, width_mm).pack(out);
            }
        }
    }
    fn unpack(bytes: &mut Bytes<'_>) -> Result<Self, Malformed> {
        match bytes.byte("a cast")? {
            0 => {
                let ((radius_mm, impact), targets_max) = Pack::unpack(bytes)?;
                Ok(Self::Circle { radius_mm, impact, targets_max })
            }
            1 => {
                let ((velocity, (release, ticks)), (n_steps, width_mm)) = Pack::unpack(bytes)?;
                Ok(Self::Flight { velocity, release, ticks, n_steps, width_mm })
            }
            _ => Err(Malformed::Bounds("the shape of a cast")),
        }
    }
}
