//! The shell of the wire: sockets, TLS, batches of datagrams, back-pressure. Bytes in, bytes out.
//!
//! [`Server`] is one UDP and one TCP socket with everybody behind them, driven by the caller's tick;
//! [`client::Clients`] is the other side, for one player or hundreds of bots on one thread.
//!
//! Reading order: [`limits`] says what a stranger may cost, [`event`] what callers learn, [`join`] how a server is found;
//! `server` holds the
//! passes of a tick and the rounds of the door; `peer` is one connection over `quic` or `ws`; below them lie
//! `lane`, `budget`, `cert`, `settings`, `socket`, and `mmsg` with the only unsafe code. [`raw`] is a socket without all that, to compare with.
//!
//! Not here: entities, codecs, game rules, tokio. A connection is never advanced by itself, only by a pass.
#![deny(unsafe_code)]
pub mod client;
pub mod event;
#[doc(hidden)]
pub mod fuzzed;
pub mod join;
pub mod limits;
pub mod raw;

mod server;

mod budget;
mod cert;
mod cid;
mod controller;
mod counters;
mod door;
mod lane;
mod mmsg;
mod peer;
mod quic;
mod session;
mod settings;
mod socket;
mod table;
mod ws;

pub use cert::IdentityError;
pub use counters::Counters;
pub use event::{CloseCode, CloseReason, Event, Link, Payload, PeerId, PeerStats, Queues};
pub use join::{JoinCode, JoinCodeError};
pub use limits::{FRAME_BYTES_MAX, Limits, PlainWebSocket, RECORD_BYTES_MAX, is_private};
pub use server::{Server, ServerConfig};
pub use socket::BindError;
pub use ws::origin::{NoOrigin, Origin};
