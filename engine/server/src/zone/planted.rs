//! A stall of 2 ms in one stage of the tick, planted on purpose: proof that the tools find one. Only in builds with
//! the feature `planted`; in all others this is nothing.
//!
//! Source: docs/OPERATIONS.md "Histograms".

use engine::Stage;

#[cfg(not(feature = "planted"))]
/// Nothing.
#[inline(always)]
pub(super) fn stall(_stage: Stage) {}

/// Works for 2 ms when this is the stage that the variable `PLANTED_STAGE` names, such as `5`.
///
/// # Panics
/// If the variable names no stage: a proof that proves nothing must not pass.
#[cfg(feature = "planted")]
pub(super) fn stall(stage: Stage) {
    use std::sync::OnceLock;
    use std::time::{Duration, Instant};

    const STALL: Duration = Duration::from_millis(2);
    static PLANTED: OnceLock<Stage> = OnceLock::new();
    let planted = PLANTED.get_or_init(|| {
        let name = std::env::var("PLANTED_STAGE").unwrap_or_default();
        let stage = Stage::ALL.into_iter().find(|stage| stage.name() == name);
        stage.unwrap_or_else(|| panic!("PLANTED_STAGE={name:?} is no stage of the tick"))
    });
    let begun = Instant::now();
    while stage == *planted && begun.elapsed() < STALL {
        std::hint::spin_loop();
    }
}
