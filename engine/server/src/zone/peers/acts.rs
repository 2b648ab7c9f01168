//! What peers lead to: acts for the owner of the sockets, and counts.

use netproto::Refusal;
use transport::{CloseCode, PeerId};

/// What the owner of the sockets must do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Let the peer in.
    Admit {
        /// Who.
        peer: PeerId,
    },
    /// Send a last record and close.
    Refuse {
        /// Who.
        peer: PeerId,
        /// The record.
        record: Vec<u8>,
    },
    /// Send a record.
    Record {
        /// To whom.
        peer: PeerId,
        /// The record.
        record: Vec<u8>,
    },
    /// Send all records with the walls.
    Walls {
        /// To whom.
        peer: PeerId,
    },
    /// Close without a record: the peer asked for it.
    Close {
        /// Who.
        peer: PeerId,
        /// What it is told.
        code: CloseCode,
    },
}

/// What happened at this border, totals since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerCounts {
    /// Players let in for the first time.
    pub joined: u64,
    /// Players who came back with their token.
    pub resumed: u64,
    /// Players who said goodbye.
    pub left: u64,
    /// Connections that ended without a goodbye.
    pub lost: u64,
    /// Peers refused or closed, by [`Refusal`].
    pub refused: [u64; Refusal::ALL.len()],
    /// Datagrams that did not decode.
    pub datagrams_bad: u64,
    /// Datagrams over the rate.
    pub datagrams_flood: u64,
    /// Datagrams of peers that are not in, or not any more.
    pub datagrams_stray: u64,
    /// Records with an opcode that this build does not know.
    pub records_unknown: u64,
    /// Orders that the world was asked to follow.
    pub orders: u64,
    /// Orders that were too fast, or made no sense.
    pub orders_refused: u64,
    /// Events whose handling panicked.
    pub panics: u64,
    /// Players whose snapshot could not be written, for a panic.
    pub panics_client: u64,
}
