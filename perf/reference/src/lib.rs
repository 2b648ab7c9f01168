//! The same game on a server core as it is usually written: what our design is measured against, and checked with.
//!
//! [`World`] is a vector of structs, a hash-map grid that is filled anew in every tick, and for each client a query
//! of the grid, a sort, the first 64, and the difference to a hash map of what was last sent. Written with care:
//! a quick hash, entries of the grid that hold all a query asks for, buffers that are used again, no allocation
//! once they have grown.
//!
//! The rules are the engine's, restated: equal inputs give equal places and health, tick by tick. Shared with it
//! are what the game is made of (`engine::content`, `rng`, `path`, `layout`, the `kernel`), how inputs look, and
//! who is called what (`engine::ids`). Not shared, so that it can find mistakes there: index, interest, clients,
//! publishing, the steps themselves.
//!
//! [`bodies`] is what the world is made of; [`commands`], [`players`], [`creatures`] and [`combat`] are the step;
//! [`grid`] finds who is near, [`view`] tells clients, [`world`] puts one tick together.
//!
//! Not here: lost packets (it writes for a stream that loses nothing), casts and players who leave (no scenario that
//! is compared has them), threads. Source: docs/PERFORMANCE.md "The reference".
#![forbid(unsafe_code)]

pub mod bodies;
pub mod combat;
pub mod commands;
pub mod creatures;
pub mod grid;
pub mod players;
pub mod view;
pub mod world;

pub use view::Habits;
pub use world::{Phase, World};
