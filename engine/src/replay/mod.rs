//! A day of a zone in a file: what went in, and what came of it, so that it can be lived again and compared.
//!
//! [`header`] says which world it was, [`inputs`] is how everything that goes in is written (a log that survives
//! the process writes it the same way), [`outcome`] sums up what a tick led to, with [`digest`] per entity.
//! [`table`] says which digests have changed, [`blocks`] packs ticks and checks them, [`reader`] takes a file apart piece by piece, [`compare`] steps a
//! second world beside it and names the first tick and entity that differ. [`crash`] is what is left of a tick that panicked. [`bytes`] is what all of them write with.
//!
//! Not here: the file itself, and the thread that writes it. Source: docs/replay.md.

pub(crate) mod bits;
pub mod blocks;
pub mod bytes;
pub mod compare;
pub mod crash;
pub mod digest;
pub mod header;
pub mod inputs;
pub mod outcome;
pub mod reader;
pub mod table;
#[cfg(test)]
pub(crate) mod tests;

pub use blocks::{Writer, WriterError};
pub use compare::{Difference, Replayer};
pub use crash::Crash;
pub use digest::{FlipError, flip, names, one_bit_from, show};
pub use header::{HEADER_BYTES, Header, HeaderError};
pub use outcome::Outcome;
pub use reader::{Piece, ReadError, Reader, Tail, TickRecord};
