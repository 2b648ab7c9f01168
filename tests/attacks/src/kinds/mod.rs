//! The attacks. [`strangers`] come no further than the door, [`members`] are let in first.

pub mod members;
pub mod strangers;

use crate::run::Tally;
use std::io;
use std::time::Instant;

/// Somebody who attacks.
pub trait Attack {
    /// Does so much of what it does.
    ///
    /// # Errors
    /// When the machine gives no sockets.
    fn act(&mut self, now: Instant, n: u64) -> io::Result<()>;

    /// What came of it so far.
    fn tally(&self) -> Tally;
}
