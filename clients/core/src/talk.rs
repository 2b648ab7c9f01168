//! What a session and its owner say to each other.

use crate::walls::WallError;
use kernel::walls::Walls;
use netproto::records::Offered;
use netproto::{Outcome, Record, Refusal, Timed};
use std::sync::Arc;

/// Reasons for a refusal that may be gone the next time.
pub(crate) const MAY_PASS: [Refusal; 6] =
    [Refusal::Full, Refusal::Draining, Refusal::Slow, Refusal::Silent, Refusal::ServerError, Refusal::Saving];

/// What a session is told at its birth.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name and version of the build, at most 64 bytes.
    pub build: String,
    /// Seed of the delays before reconnects.
    pub seed: u64,
    /// Whether to predict the own body.
    pub predict: bool,
    /// Whether to look at more of a snapshot than header and own body.
    pub decode: bool,
    /// Whether two commands share a datagram unless one is urgent. They are planned a tick further ahead then, so it
    /// saves packets and costs a tick of latency: for load, and for those who pay for packets.
    pub pack: bool,
    /// Walls at hand: if the zone has the same, it need not send them.
    pub walls: Option<Arc<Walls>>,
}

impl Default for Settings {
    fn default() -> Self {
        let build = format!("arcane-client {}", env!("CARGO_PKG_VERSION"));
        Self { build, seed: 0, predict: true, decode: true, pack: false, walls: None }
    }
}

/// What the shell shall do with the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkOrder {
    /// Open one.
    Connect,
    /// Close it; nothing more about it shall be reported.
    Close,
}

/// A snapshot that was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Its tick.
    pub tick: u32,
    /// Since the one before it.
    pub gap_ns: Option<u64>,
    /// How far off the prediction was, if there was one.
    pub error_mm: Option<u32>,
}

/// What the owner should learn.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The zone let us in.
    Welcome {
        /// EntityId of the own body.
        entity: u32,
        /// The same body as before.
        resumed: bool,
    },
    /// Commands are sent from now on.
    Ready,
    /// A snapshot was applied.
    Applied(Applied),
    /// A snapshot that consumed a command was applied, this long after the command was first sent.
    InputAcked {
        /// How long it took.
        ns: u64,
    },
    /// Something happened, for the first time told.
    Timed(Timed),
    /// An order was answered.
    Answered {
        /// Its number.
        request: u32,
        /// What became of it.
        outcome: Outcome,
        /// What was asked, if it was still waiting for an answer.
        order: Option<Box<Record>>,
    },
    /// Somebody offers a trade.
    Offered(Offered),
    /// Something to read.
    Notice(String),
    /// The walls are not usable; the own body is not predicted.
    NoWalls(WallError),
    /// The connection is gone; a new one will be asked for.
    Lost,
    /// The zone refused us, and said why.
    Refused {
        /// For the machine.
        reason: Refusal,
        /// For a person.
        text: String,
    },
}
