//! Bad networks over real sockets.
//!
//! [`weather`] says what a network does, [`pipe`] is one direction of a path as a machine, [`relay`] puts two of them
//! between real clients and a real server; TCP's part of it is `stream`, [`thief`] one who listens there. [`watch`] is what clients see behind it, [`cases`]
//! is what they must see, [`fair`] what others get beside them.
//!
//! Not here: zones; whoever has one brings its address.
#![forbid(unsafe_code)]

pub mod cases;
pub mod fair;
pub mod pipe;
pub mod relay;
mod stream;
pub mod thief;
pub mod watch;
pub mod weather;

pub use pipe::Carried;
pub use relay::Relay;
pub use thief::Loot;
pub use weather::{Bottleneck, Loss, Weather};
