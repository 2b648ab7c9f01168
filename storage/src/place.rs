//! Where something lies in a log, and whose log it is.

use std::fmt;

/// Position of a record in the log of one writer: 1, 2, 3, ... without a gap, over all epochs. 0: before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Lsn(pub u64);

impl Lsn {
    /// The position behind this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// Whose log it is: a writer, and how often its log has been opened. A later epoch fences every earlier one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    /// A zone, or the realm service.
    pub writer: u16,
    /// Grows by one with each opening; the first is 1.
    pub epoch: u16,
}
