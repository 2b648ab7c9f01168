//! The real binaries over real sockets: how to start them, and two kinds of clients to meet them with.
//!
//! [`binary`] builds and finds the executables, [`zone`] is a running `arcane zone` with its admin page,
//! [`honest`] a player whose snapshots are timed while others misbehave, [`rogue`] a connection that says
//! whatever a test wants; [`python`] runs readers of other people. The tests are in `tests/process/`.
//!
//! Time is real here: every wait polls for what it waits for and has a deadline that only a failure reaches.
#![forbid(unsafe_code)]

pub mod binary;
pub mod browser;
pub mod herd;
pub mod honest;
pub mod python;
pub mod rogue;
pub mod zone;

use std::time::{Duration, Instant};

/// How often a wait looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Waits until `look` finds something.
///
/// # Panics
/// After `at_most`, with `what` was waited for.
pub fn wait_for<T>(what: &str, at_most: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + at_most;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "{what} did not happen within {at_most:?}");
        std::thread::sleep(LOOK_EVERY);
    }
}
