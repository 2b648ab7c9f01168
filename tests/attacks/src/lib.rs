//! What hostile peers do, over real sockets: for tests, and for figures of what they cost.
//!
//! [`Kind`] lists the attacks, [`run()`] makes one at a rate. [`quic`] is a QUIC client that keeps no rule of its own,
//! [`websocket`] a WebSocket client of that kind; [`kinds`] has the attacks built on them. [`amplify`] asks a server
//! for answers and weighs them.
//!
//! Not here: what a server must bear. That is judged by whoever runs an attack.
#![forbid(unsafe_code)]

pub mod amplify;
pub mod kinds;
pub mod quic;
pub mod run;
pub mod websocket;

pub use run::{Kind, Plan, Tally, run};
