//! The log: what is in it was confirmed, and what was confirmed is in it.
//!
//! [`record`] is the bytes of one record, [`segment`] those of a file. [`scan`] reads files and says how far they can be
//! trusted, [`log`] appends and commits, [`writer`] does so on a thread of its own.
//!
//! Source: docs/storage.md "Log".

pub mod log;
pub mod record;
pub mod scan;
pub mod segment;
#[cfg(test)]
mod tests;
pub mod writer;

pub use log::{CommitError, Log, OpenError, Options};
pub use record::Record;
pub use scan::{End, Found, Scan, ScanError};
pub use writer::{Batch, Commit, Health, Refused, Watcher, Writer};
