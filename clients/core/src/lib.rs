//! A client, without eyes and hands: decode, predict, reconcile, interpolate, connect.
//!
//! Read it as the data comes in: [`session`] is the whole client as one machine, [`talk`] what it and its owner say
//! to each other, and `comeback` how it comes back. It keeps a [`view`] of 64 slots (with its [`history`] of applied numbers), loads [`walls`], sends
//! [`commands`] when the [`clock`] says so (it listens to the [`jitter`], the [`pace`] and the owner's [`visits`]), holds
//! facts until their tick, minds a [`wallet`], knows the [`effects`] that were announced, and lets [`predict`] run ahead of the server
//! along the newest [`paths`].
//! [`interpolate`] smooths what others do, for drawing. [`connect`] is the one shell: sockets for many sessions; [`join`]
//! reads what a person typed to get there.
//! A [`tape`] notes all that went into a session, [`playback`] lets another one hear it again.
//!
//! Not here: windows, sounds, game rules. All modules but [`connect`] are without sockets and clocks.
#![forbid(unsafe_code)]

pub mod clock;
mod comeback;
pub mod commands;
pub mod connect;
pub mod effects;
mod facts;
pub mod history;
pub mod interpolate;
pub mod jitter;
pub mod join;
pub mod pace;
pub mod paths;
pub mod playback;
pub mod predict;
pub mod session;
pub mod talk;
pub mod tape;
pub mod view;
pub mod visits;
pub mod wallet;
pub mod walls;

/// A point in time, in nanoseconds since the owner's start. Machines get it as an argument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nanos(pub u64);

impl Nanos {
    /// A time that never comes.
    pub const NEVER: Self = Self(u64::MAX);

    /// Later by a duration in nanoseconds.
    #[must_use]
    pub fn plus(self, ns: u64) -> Self {
        Self(self.0.saturating_add(ns))
    }

    /// Nanoseconds since an earlier point; 0 if it is not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}
