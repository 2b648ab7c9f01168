//! What a tick leaves for the shell: snapshots and facts, both in memory that is reused.

use crate::ids::{DurableId, EntityId};
use kernel::walker::Path;
use netproto::snapshot::FRAME_BUFFER_BYTES;
use netproto::{Outcome, Refusal};

/// Something a player must learn, once and in order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fact {
    /// Who.
    pub player: DurableId,
    /// What.
    pub body: FactBody,
}

/// Kinds of facts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FactBody {
    /// The player has a body and a client from this tick on.
    Joined {
        /// The own body.
        entity: EntityId,
        /// It was still there.
        resumed: bool,
    },
    /// The way to a goal.
    Path(Path),
    /// The body is gone.
    Left {
        /// The player owns something, and gets it back with another body.
        owns: bool,
    },
    /// Serving the client panicked: it gets nothing more. The body waits for its player once [`crate::Input::Detach`] says so.
    Failed,
    /// An operator asked for something to be given to the player, or taken away.
    Decreed {
        /// What the operator's order was called by whoever handed it in.
        ticket: u32,
        /// The number of the decree; of no meaning unless it is done.
        number: u32,
        /// What became of it.
        outcome: Outcome,
    },
    /// The join could not be done.
    Refused(Refusal),
}

/// Snapshots of one job, one behind the other.
#[derive(Debug)]
pub struct Arena {
    /// As long as it may ever get: bytes are not cleared before they are written.
    bytes: Vec<u8>,
    end: usize,
    frames: Vec<(DurableId, u32)>,
}

impl Arena {
    /// Room for so many snapshots of full length.
    #[must_use]
    pub fn with_room(n_frames: usize) -> Self {
        let bytes = vec![0; n_frames * FRAME_BUFFER_BYTES];
        Self { bytes, end: 0, frames: Vec::with_capacity(n_frames) }
    }

    /// Drops the frames and keeps the memory.
    pub fn clear(&mut self) {
        self.end = 0;
        self.frames.clear();
    }

    /// Where the next frame is written, from its start.
    ///
    /// # Panics
    /// If there are more frames than there is room for.
    #[inline(always)]
    pub fn room(&mut self) -> &mut [u8; FRAME_BUFFER_BYTES] {
        self.bytes[self.end..].first_chunk_mut().expect("there is room for every client of the job")
    }

    /// Appends the frame that was written into [`Arena::room`].
    #[inline(always)]
    pub fn seal(&mut self, player: DurableId, n_bytes: usize) {
        self.end += n_bytes;
        self.frames.push((player, n_bytes as u32));
    }

    /// Player and bytes of each frame.
    pub fn frames(&self) -> impl Iterator<Item = (DurableId, &[u8])> {
        let mut at = 0;
        self.frames.iter().map(move |(player, n_bytes)| {
            let start = at;
            at += *n_bytes as usize;
            (*player, &self.bytes[start..at])
        })
    }

    /// Frames and their bytes.
    #[must_use]
    pub fn totals(&self) -> (usize, usize) {
        (self.frames.len(), self.end)
    }
}
