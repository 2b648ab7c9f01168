//! Targets for fuzzing: every decoder that bytes of strangers reach, as plain functions.
//!
//! `targets.toml` beside this crate lists them, with the decoders that each one covers and what it may cost;
//! [`targets`] holds their bodies, [`table`] brings both together. [`seeds`] are good inputs to begin with, mostly
//! from the golden vectors; [`bend`] makes bad ones of them with [`rng`]; [`heap`] counts what they cost.
//! `tests/replay.rs` runs all that in every test run, `guided` beside it is the same under libFuzzer.
//!
//! Not here: the decoders, sockets, and time limits: libFuzzer has those.
#![deny(unsafe_code)]

pub mod bend;
pub mod heap;
pub mod rng;
pub mod seeds;
pub mod table;
pub mod targets;
