//! Generated from `netproto/schema/*.toml` by `cargo run -p arcanectl -- proto gen`: do not edit.
//!
//! A tag, and the block that it names.

use super::blocks::{Circle, Follow, Goal, Hit, Shot, ShotEnd, Steer};
use crate::DecodeError;
use crate::bits::{BitReader, BitWriter};

/// What a timed event says. Tags are append-only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimedBody {
    /// Somebody was hurt.
    Hit(Hit),
    /// A circle will hurt.
    Circle(Circle),
    /// A projectile will fly.
    Shot(Shot),
    /// A projectile hit.
    ShotEnd(ShotEnd),
}

impl Default for TimedBody {
    fn default() -> Self {
        Self::Hit(Hit::default())
    }
}

impl TimedBody {
    /// Width of the tag.
    pub const TAG_BITS: u32 = 3;

    /// Largest width on the wire, tag included.
    pub const BITS_MAX: u32 = 99;

    /// Appends the tag and the block.
    #[inline]
    pub fn write(&self, w: &mut BitWriter<'_>) {
        match self {
            Self::Hit(body) => {
                w.put(0, 3);
                body.write(w);
            }
            Self::Circle(body) => {
                w.put(1, 3);
                body.write(w);
            }
            Self::Shot(body) => {
                w.put(2, 3);
                body.write(w);
            }
            Self::ShotEnd(body) => {
                w.put(3, 3);
                body.write(w);
            }
        }
    }

    /// Reads the tag and the block.
    ///
    /// # Errors
    /// [`DecodeError::Tag`] for a tag that is not given out; else as the block.
    #[inline]
    pub fn read(r: &mut BitReader<'_>) -> Result<Self, DecodeError> {
        Ok(
            match r.take(3)? {
                0 => Self::Hit(Hit::read(r)?),
                1 => Self::Circle(Circle::read(r)?),
                2 => Self::Shot(Shot::read(r)?),
                3 => Self::ShotEnd(ShotEnd::read(r)?),
                tag => {
                    return Err(DecodeError::Tag {
                        union: "TimedBody",
                        tag,
                    });
                }
            },
        )
    }
}

/// How a command moves the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// Direct control.
    Steer(Steer),
    /// A new clicked point.
    Goal(Goal),
    /// On towards the last goal.
    Follow(Follow),
}

impl Default for Move {
    fn default() -> Self {
        Self::Steer(Steer::default())
    }
}

impl Move {
    /// Width of the tag.
    pub const TAG_BITS: u32 = 2;

    /// Largest width on the wire, tag included.
    pub const BITS_MAX: u32 = 46;

    /// Appends the tag and the block.
    #[inline]
    pub fn write(&self, w: &mut BitWriter<'_>) {
        match self {
            Self::Steer(body) => {
                w.put(0, 2);
                body.write(w);
            }
            Self::Goal(body) => {
                w.put(1, 2);
                body.write(w);
            }
            Self::Follow(body) => {
                w.put(2, 2);
                body.write(w);
            }
        }
    }

    /// Reads the tag and the block.
    ///
    /// # Errors
    /// [`DecodeError::Tag`] for a tag that is not given out; else as the block.
    #[inline]
    pub fn read(r: &mut BitReader<'_>) -> Result<Self, DecodeError> {
        Ok(
            match r.take(2)? {
                0 => Self::Steer(Steer::read(r)?),
                1 => Self::Goal(Goal::read(r)?),
                2 => Self::Follow(Follow::read(r)?),
                tag => {
                    return Err(DecodeError::Tag {
                        union: "Move",
                        tag,
                    });
                }
            },
        )
    }
}
