//! Players made of code: load with real sockets, and the figures that players would feel.
//!
//! [`run()`] is the whole of it: it fills a `client_core` crowd with bots, lets them play, and reports. [`brain`]
//! decides what one bot does, [`trader`] what it wants to own, [`herd`] keeps all of them and listens to their sessions, [`tally`] counts,
//! [`report`] is what comes out.
//!
//! The schedule is open-loop: a bot's next command is due at its time whatever the zone does. A late one is counted
//! as late; it does not move the ones behind it.
//! Not here: the protocol, which is `client_core`'s, and game rules, which nobody but the zone knows.
#![forbid(unsafe_code)]

pub mod brain;
pub mod herd;
pub mod report;
pub mod run;
pub mod tally;
pub mod trader;

pub use client_core::join::JoinCode;
pub use report::{Progress, Report};
pub use run::{BotsConfig, Mix, run};
