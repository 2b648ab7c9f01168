//! The processes: roles, configuration, wiring, exit codes.
//!
//! [`cli`] reads the command line, [`config`] the settings; [`zone`] runs a world with its sockets and [`admin`]
//! page, [`up`] starts a local realm of such processes; [`log`] and [`signals`] serve both, [`allocator`] all of
//! them; `planted` is nothing but in a build that proves what the tests see.
//!
//! Not here: game rules, codecs.
#![deny(unsafe_code)]

pub mod admin;
pub mod allocator;
pub mod cli;
pub mod config;
pub mod log;
mod planted;
pub mod signals;
pub mod up;
pub mod zone;
