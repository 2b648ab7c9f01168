//! What is planted on purpose, as a proof that it is found. Only in builds with the feature `planted`; in all others
//! this is nothing.
//!
//! - A stall of 2 ms in one stage of the tick: `PLANTED_STAGE` names it, such as `5`.
//! - A machine that is slower: `PLANTED_SLOWNESS` names a file with a number in it. A tick then works as many times
//!   as long as it did, in hundredths, so that everything that is left out saves as many times as much.
//!
//! Source: docs/OPERATIONS.md "Histograms", "Load shedding".

use engine::Stage;

#[cfg(not(feature = "planted"))]
mod nothing {
    use super::Stage;

    /// Nothing.
    #[inline(always)]
    pub(crate) fn stall(_stage: Stage) {}

    /// Nothing.
    pub(crate) struct Burden;

    impl Burden {
        /// Nothing.
        #[inline(always)]
        pub(crate) fn begin() -> Self {
            Self
        }

        /// Nothing.
        #[inline(always)]
        pub(crate) fn carry(self, _tick: u32) {}
    }
}

#[cfg(not(feature = "planted"))]
pub(super) use nothing::{Burden, stall};

#[cfg(feature = "planted")]
mod something {
    use super::Stage;
    use std::ffi::OsString;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::{Duration, Instant};

    const STALL: Duration = Duration::from_millis(2);
    /// The file is looked at every so many ticks.
    const LOOK_TICKS: u32 = 8;
    /// As fast as the machine is.
    const PLAIN: u64 = 100;

    static SLOWNESS: AtomicU64 = AtomicU64::new(PLAIN);

    /// Works for 2 ms when this is the stage that was named.
    ///
    /// # Panics
    /// If the variable names no stage: a proof that proves nothing must not pass.
    pub(crate) fn stall(stage: Stage) {
        static PLANTED: OnceLock<Option<Stage>> = OnceLock::new();
        let planted = PLANTED.get_or_init(|| {
            let Ok(name) = std::env::var("PLANTED_STAGE") else {
                assert!(std::env::var_os("PLANTED_SLOWNESS").is_some(), "nothing is planted");
                return None;
            };
            let stage = Stage::ALL.into_iter().find(|stage| stage.name() == name);
            Some(stage.unwrap_or_else(|| panic!("PLANTED_STAGE={name:?} is no stage of the tick")))
        });
        let begun = Instant::now();
        while Some(stage) == *planted && begun.elapsed() < STALL {
            std::hint::spin_loop();
        }
    }

    /// What a slower machine would do with a tick.
    pub(crate) struct Burden {
        begun_ns: u64,
    }

    impl Burden {
        /// The tick begins.
        pub(crate) fn begin() -> Self {
            Self { begun_ns: jobs::sys::thread_cpu_ns() }
        }

        /// The tick has done its work, and now works on for as long as a slower machine would.
        ///
        /// # Panics
        /// If the file holds no number.
        pub(crate) fn carry(self, tick: u32) {
            static FILE: OnceLock<Option<OsString>> = OnceLock::new();
            let Some(file) = FILE.get_or_init(|| std::env::var_os("PLANTED_SLOWNESS")) else { return };
            if tick.is_multiple_of(LOOK_TICKS) {
                let text = std::fs::read_to_string(file).expect("PLANTED_SLOWNESS names a file");
                SLOWNESS.store(text.trim().parse().expect("it holds a number"), Ordering::Relaxed);
            }
            let done_ns = jobs::sys::thread_cpu_ns();
            let more = SLOWNESS.load(Ordering::Relaxed).saturating_sub(PLAIN);
            let until_ns = done_ns + (done_ns - self.begun_ns) * more / PLAIN;
            while jobs::sys::thread_cpu_ns() < until_ns {
                std::hint::spin_loop();
            }
        }
    }
}

#[cfg(feature = "planted")]
pub(super) use something::{Burden, stall};
