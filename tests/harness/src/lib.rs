//! Whole zones in virtual time: no sockets, no clock, every run from one seed.
//!
//! [`scenario`] says who stands where and what they do, [`network`] delays and loses packets, [`drive`] steps a
//! world with all its clients, [`oracle`] compares what clients see with what the world says, [`witness`] when they
//! learn what was announced, [`parts`] where the bits of the snapshots go.
//!
//! Not here: assertions and figures; tests and `perf` make them from what they read here.
#![forbid(unsafe_code)]

pub mod drive;
pub mod network;
pub mod oracle;
pub mod parts;
pub mod scenario;
pub mod witness;

pub use drive::{Drive, Knobs};
pub use network::Loss;
pub use oracle::Findings;
pub use scenario::Scenario;
