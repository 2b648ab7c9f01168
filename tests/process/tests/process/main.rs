//! The real `arcane` over real sockets: what operators see, what is refused, what misbehaviour costs whom.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

mod abuse;
mod admin;
mod badnet;
mod config;
mod drain;
mod hist;
mod hostile;
mod kept;
mod lan;
mod life;
mod metrics;
mod owned;
mod page;
mod panics;
mod record;
mod restart;
mod resume;
mod strangers;
mod up;
