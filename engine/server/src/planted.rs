//! What is planted on purpose, as a proof that it is found. Only in builds with the feature `planted`; in all others
//! this is nothing.
//!
//! - A stall of 2 ms in one stage of the tick: `PLANTED_STAGE` names it, such as `5`.
//! - A machine that is slower: `PLANTED_SLOWNESS` names a file with a number in it. A tick then works as many times
//!   as long as it did, in hundredths, so that everything that is left out saves as many times as much.
//! - A small receive buffer: `PLANTED_RECEIVE_BYTES` is what the kernel is asked for, as where `net.core.rmem_max` allows
//!   no more.
//! - A panic: `PLANTED_PANIC` names a file. Once it is there it says where, and is removed: `step 3b.` at the end of that
//!   stage, `client 5` while the player with that low half of an id is served, `bytes` when the next record of a peer is
//!   read, `window` when a measuring window is asked for. The file with `relive 7` stays: living tick 7 of a log again
//!   panics.
//!
//! Source: docs/OPERATIONS.md "Histograms", "Load shedding".

use engine::durable::TickRecord;
use engine::{Stage, World};
use transport::Event;

#[cfg(not(feature = "planted"))]
mod nothing {
    use super::{Event, Stage, TickRecord, World};

    /// Nothing.
    #[inline(always)]
    pub(crate) fn stall(_stage: Stage) {}

    /// Nothing.
    #[inline(always)]
    pub(crate) fn break_client(_world: &mut World) {}

    /// Nothing.
    #[inline(always)]
    pub(crate) fn trip(_event: &Event) {}

    /// Nothing.
    #[inline(always)]
    pub(crate) fn end_at_window() {}

    /// Nothing.
    #[inline(always)]
    pub(crate) fn relive(_tick: &TickRecord<'_>) {}

    /// What was asked for.
    #[inline(always)]
    pub(crate) fn receive_bytes(asked: usize) -> usize {
        asked
    }

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
pub(crate) use nothing::{Burden, break_client, end_at_window, receive_bytes, relive, stall, trip};

#[cfg(feature = "planted")]
mod something {
    use super::{Event, Stage, TickRecord, World};
    use engine::DurableId;
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
                let is_planted = |name: &&str| std::env::var_os(name).is_some();
                let others = ["PLANTED_SLOWNESS", "PLANTED_PANIC", "PLANTED_RECEIVE_BYTES"];
                assert!(others.iter().any(is_planted), "nothing is planted");
                return None;
            };
            let stage = Stage::ALL.into_iter().find(|stage| stage.name() == name);
            Some(stage.unwrap_or_else(|| panic!("PLANTED_STAGE={name:?} is no stage of the tick")))
        });
        let name = stage.name();
        assert!(take(&format!("step {name}.")).is_none(), "planted in stage {name}");
        let begun = Instant::now();
        while Some(stage) == *planted && begun.elapsed() < STALL {
            std::hint::spin_loop();
        }
    }

    /// What the file says behind this word; it is removed then.
    fn take(word: &str) -> Option<String> {
        static FILE: OnceLock<Option<OsString>> = OnceLock::new();
        let file = FILE.get_or_init(|| std::env::var_os("PLANTED_PANIC")).as_ref()?;
        let rest = std::fs::read_to_string(file).ok()?.strip_prefix(word)?.trim().to_owned();
        std::fs::remove_file(file).expect("the file is ours to remove");
        Some(rest)
    }

    /// Breaks what a player's client was told, so that serving it panics in the tick that comes.
    ///
    /// # Panics
    /// If there is no such player.
    pub(crate) fn break_client(world: &mut World) {
        // Rows change places then, and the break would show before anybody is served.
        if (world.now() + 1).is_multiple_of(64) {
            return;
        }
        let Some(low) = take("client") else { return };
        let low = low.parse().expect("it holds the low half of an id");
        let high = world.frames().next().expect("somebody plays").0.high;
        let client = world.client_mut(DurableId { low, high }).expect("the player is there");
        client.rows.fill(u32::MAX);
        client.is_due = true;
    }

    /// Panics when a peer's record is read.
    ///
    /// # Panics
    /// As it says.
    pub(crate) fn trip(event: &Event) {
        if let Event::Record { bytes, .. } = event {
            assert!(take("bytes").is_none(), "planted in the reading of {} bytes", bytes.len());
        }
    }

    /// Ends the process as a panic of the tick would, before whoever asked has an answer.
    pub(crate) fn end_at_window() {
        if take("window").is_some() {
            std::process::exit(crate::cli::EXIT_PANICKED.into());
        }
    }

    /// Panics when this tick is lived again.
    ///
    /// # Panics
    /// As it says.
    pub(crate) fn relive(tick: &TickRecord<'_>) {
        let file = std::env::var_os("PLANTED_PANIC");
        let said = file.and_then(|file| std::fs::read_to_string(file).ok()).unwrap_or_default();
        let is_meant = said.trim() == format!("relive {}", tick.tick);
        assert!(!is_meant, "planted in living tick {} again", tick.tick);
    }

    /// How large the receive buffer of the UDP socket shall be.
    ///
    /// # Panics
    /// If the variable holds no number.
    pub(crate) fn receive_bytes(asked: usize) -> usize {
        let planted = std::env::var("PLANTED_RECEIVE_BYTES").ok();
        planted.map_or(asked, |bytes| bytes.parse().expect("PLANTED_RECEIVE_BYTES is a number"))
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
pub(crate) use something::{Burden, break_client, end_at_window, receive_bytes, relive, stall, trip};
