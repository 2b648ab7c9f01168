//! Durability: what was confirmed is never lost.
//!
//! [`place`] is where something lies in a log. [`disk`] is the directory that it lies in, [`crash_disk`] one that loses
//! power on purpose. [`wal`] is the log, [`checkpoint`] what it led to. [`mutants`] are its rules, broken for the proof that tests notice.
//!
//! Not here: cells, movement, sockets. A record's payload is bytes; whoever wrote it reads it.
#![forbid(unsafe_code)]

pub mod checkpoint;
pub mod crash_disk;
pub mod disk;
pub mod mutants;
pub mod place;
pub mod wal;

pub use disk::{Directory, Disk, DiskFile};
pub use place::{Lsn, Owner};
