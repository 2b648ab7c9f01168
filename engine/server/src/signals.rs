//! SIGINT and SIGTERM: the first one asks, the second one insists.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};

/// Exit code of a process that was told twice.
const EXIT_INSISTED: i32 = 130;

/// Whether somebody asked this process to end.
#[derive(Clone, Debug)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Listens for both signals from now on. A second one ends the process at once.
    ///
    /// # Errors
    /// When the system does not let us.
    pub fn on_signals() -> io::Result<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // In this order: the shutdown looks at the flag before the other action has set it.
            signal_hook::flag::register_conditional_shutdown(signal, EXIT_INSISTED, Arc::clone(&asked))?;
            signal_hook::flag::register(signal, Arc::clone(&asked))?;
        }
        Ok(Self(asked))
    }

    /// Somebody asked.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
