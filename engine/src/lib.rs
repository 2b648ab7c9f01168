//! The world, and nothing but the world: commands in, columns out, one tick at a time.
//!
//! [`tick()`] reads in the order the data flows: [`input`] checks commands, [`step`] moves and fights,
//! [`publish`] finds what changed, [`bins`] indexes it, [`notices`] are for everybody near, [`clients`] serves
//! each client with what [`interest`] chose, [`outbox`] holds the result. [`columns`] and [`players`] are what all
//! of them work on, [`content`] what the world is made of, [`order`] keeps rows in spatial order, [`path`] finds
//! ways, [`rng`] draws, [`drill`] lets players walk by plan, [`layout`] says where players begin in zones with towns, [`shed`] what is left out when there
//! is too much to do. Beside the tick, [`checkpoint`] copies a zone at rest and makes one of the copy, [`durable`] is what it leaves in a log, [`economy`] is what players own, [`picture`] shows the world to spectators, [`replay`] records what went in and
//! came out, and [`alone`] runs two parts of the tick by themselves for those who measure.
//!
//! Not here: sockets, files, clocks. Equal inputs give an equal world, bit for bit.
#![forbid(unsafe_code)]

pub mod alone;
pub mod bins;
pub mod checkpoint;
pub mod clients;
pub mod columns;
pub mod content;
pub mod drill;
pub mod durable;
pub mod economy;
pub mod ids;
pub mod input;
pub mod interest;
pub mod layout;
pub mod memory;
pub mod notices;
pub mod order;
pub mod outbox;
pub mod path;
pub mod picture;
pub mod players;
pub mod publish;
pub mod replay;
pub mod rng;
pub mod segments;
pub mod shed;
pub mod step;
pub mod tick;
pub mod world;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use content::Content;
pub use drill::Drill;
pub use ids::{DurableId, EntityId, Row};
pub use input::{Budget, Input};
pub use order::{lived_hash, state_hash};
pub use outbox::{Fact, FactBody};
pub use shed::{Rung, Shed};
pub use tick::{Mark, Stage, tick, tick_parts, tick_settled, tick_timed, tick_untold};
pub use world::{CREATURES_MAX, Counts, PLAYERS_MAX, Sending, World, ZoneConfig};
