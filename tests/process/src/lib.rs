//! The real binaries over real sockets: how to start them, and two kinds of clients to meet them with.
//!
//! [`binary`] builds and finds the executables, [`zone`] is a running `arcane zone` with its admin page,
//! [`honest`] a player whose snapshots are timed while others misbehave, [`rogue`] a connection that says
//! whatever a test wants, [`traveller`] players of the client library who keep a diary; [`network`] makes networks of
//! their own, [`shaped`] a narrow one, [`deaf`] a zone that does not hear well; [`python`] runs readers of other people;
//! [`running`] ends every process with its test. The tests are in `tests/process/`.
//!
//! Time is real here: every wait polls for what it waits for and has a deadline that only a failure reaches.
#![forbid(unsafe_code)]

pub mod binary;
pub mod browser;
pub mod deaf;
pub mod herd;
pub mod honest;
pub mod network;
pub mod python;
pub mod rogue;
pub mod running;
pub mod shaped;
pub mod traveller;
pub mod zone;

use std::time::{Duration, Instant};

/// How often a test looks.
pub const LOOK_EVERY: Duration = Duration::from_millis(20);
/// A defect shows each time, a busy machine now and then.
const ATTEMPTS: usize = 3;

/// Tries what a busy machine may spoil, at most three times; `Err` says how it was spoilt.
///
/// # Panics
/// If it was spoilt each time; with every reason.
pub fn attempt<T>(mut once: impl FnMut() -> Result<T, String>) -> T {
    let mut reasons = Vec::new();
    while reasons.len() < ATTEMPTS {
        match once() {
            Ok(found) => return found,
            Err(reason) => reasons.push(reason),
        }
    }
    panic!("spoilt {ATTEMPTS} times: {reasons:#?}");
}

/// Calls `each` with every one of these, all at the same time: such tests wait far more than they work.
///
/// # Panics
/// If one of the calls does; the others end first.
pub fn at_once<T: Send>(these: impl IntoIterator<Item = T>, each: impl Fn(T) + Sync) {
    let each = &each;
    std::thread::scope(|scope| {
        for this in these {
            scope.spawn(move || each(this));
        }
    });
}

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
