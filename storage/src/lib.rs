//! Durability: what was confirmed is never lost.
//!
//! [`place`] is where something lies in a log.
//!
//! Not here: cells, movement, sockets. A record's payload is bytes; whoever wrote it reads it.
#![forbid(unsafe_code)]

pub mod place;

pub use place::{Lsn, Owner};
