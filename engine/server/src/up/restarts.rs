//! When a zone that crashed is started again: later each time, and not for ever. A machine without clocks.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use crate::cli::EXIT_PANICKED;

const PAUSE_MIN: Duration = Duration::from_millis(500);
/// A crash this long after the last one begins a new row.
const CALM: Duration = Duration::from_secs(60);
/// In a row; then something is wrong that another start does not mend.
const IN_A_ROW_MAX: u32 = 5;
/// Exit code of a Rust program whose main thread panicked.
const EXIT_RUST_PANIC: i32 = 101;

/// What has happened so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Restarts {
    /// Crashes since the start.
    pub(super) n: u32,
    in_a_row: u32,
    last: Option<Instant>,
}

impl Restarts {
    /// The zone has crashed: how long to wait before it is started again. Nothing: not any more.
    pub(super) fn handle_crash(&mut self, now: Instant) -> Option<Duration> {
        if self.last.is_some_and(|last| now.saturating_duration_since(last) >= CALM) {
            self.in_a_row = 0;
        }
        (self.n, self.in_a_row, self.last) = (self.n + 1, self.in_a_row + 1, Some(now));
        (self.in_a_row <= IN_A_ROW_MAX).then(|| PAUSE_MIN * (1 << (self.in_a_row - 1)))
    }
}

/// Whether a process ended as one does that another start may help: by a panic, or killed. What says itself that it
/// cannot run, or was asked to end, is left alone.
pub(super) fn is_crash(status: ExitStatus) -> bool {
    let code = [i32::from(EXIT_PANICKED), EXIT_RUST_PANIC];
    status.signal().is_some() || status.code().is_some_and(|found| code.contains(&found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pause_is_twice_the_one_before_until_nobody_tries_any_more() {
        let (mut restarts, begun) = (Restarts::default(), Instant::now());
        let pauses: Vec<_> = (0..7).map(|n| restarts.handle_crash(begun + Duration::from_secs(n))).collect();
        let ms = |ms| Some(Duration::from_millis(ms));
        assert_eq!(pauses, [ms(500), ms(1000), ms(2000), ms(4000), ms(8000), None, None]);
        assert_eq!(
            restarts.handle_crash(begun + Duration::from_secs(6) + CALM),
            ms(500),
            "it was calm in between"
        );
        assert_eq!(restarts.n, 8);
    }

    #[test]
    fn a_panic_and_a_kill_are_crashes_and_an_answer_is_none() {
        let code = |code: i32| ExitStatus::from_raw(code << 8);
        assert!(is_crash(code(70)) && is_crash(code(101)) && is_crash(ExitStatus::from_raw(9)));
        assert!([0, 1, 2, 3, 130].iter().all(|other| !is_crash(code(*other))));
    }
}
