//! How rarely the owner looks after its commands: a game that draws ten times a second sends two at a time, the first of
//! them late by more than a tick.
//!
//! Commands are aimed early by the time between two visits, so that the latest of them still comes in time. How late
//! each one is within that time does not matter and is not followed: it would run around in circles.
//! Source: docs/PROTOCOL.md "Input".

use crate::Nanos;

/// Visits that are remembered.
const KEPT: usize = 16;
/// Of these, so many may be closer together than ticks are: a stall or two is not a slow owner.
const CLOSE_MAX: usize = 4;
/// An owner who comes once per tick comes a little late now and then; in percent of a tick.
const RARE_PERCENT: i64 = 120;
/// Commands travel four at a time.
const TICKS_MAX: i64 = 4;

/// The newest visits in which a command was due.
#[derive(Clone, Debug, Default)]
pub struct Visits {
    at: Nanos,
    apart_ns: [i64; KEPT],
    n: usize,
    /// Lateness of the newest command.
    late_ns: i64,
    span_ns: i64,
}

impl Visits {
    /// A command is sent so long after it was due. True if from now on commands must be aimed otherwise.
    ///
    /// - Cost: a sort of 16 numbers once per visit.
    pub fn record(&mut self, now: Nanos, late_ns: i64, tick_ns: i64) -> bool {
        self.late_ns = late_ns;
        if now == self.at {
            return false; // one more in the same visit
        }
        self.apart_ns[self.n % KEPT] = now.since(self.at) as i64;
        (self.at, self.n) = (now, self.n + 1);
        let before = self.span_ns;
        let mut sorted = self.apart_ns;
        sorted.sort_unstable();
        let is_rare = sorted[CLOSE_MAX] * 100 > tick_ns * RARE_PERCENT;
        self.span_ns = if is_rare { sorted[KEPT - CLOSE_MAX].min(TICKS_MAX * tick_ns) } else { 0 };
        (self.span_ns - before).abs() > tick_ns / 2
    }

    /// Time between two visits, if that is longer than a tick; else 0.
    #[must_use]
    pub fn span_ns(&self) -> i64 {
        self.span_ns
    }

    /// How late the newest command was sent, if the owner comes rarely; else 0, and lateness counts as jitter.
    #[must_use]
    pub fn late_ns(&self) -> i64 {
        if self.span_ns == 0 { 0 } else { self.late_ns }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// Visits at these times, in ms, each with the commands that have become due; gives the span in ms.
    fn span_ms(visits_ms: impl Iterator<Item = u64>) -> i64 {
        let (mut visits, mut due) = (Visits::default(), 1_000);
        for at in visits_ms {
            while due <= at {
                visits.record(Nanos(at * MS), ((at - due) * MS) as i64, 50 * MS as i64);
                due += 50;
            }
        }
        visits.span_ns() / MS as i64
    }

    #[test]
    fn an_owner_is_rare_when_ticks_pass_between_nearly_all_of_its_visits() {
        assert_eq!(span_ms((0..200).map(|n| 1_007 + n * 100)), 100, "ten frames a second");
        assert_eq!(span_ms((0..200).map(|n| 1_007 + n * 66)), 66, "fifteen");
        assert_eq!(span_ms((0..200).map(|n| 1_007 + n * 50)), 0, "twenty");
        assert_eq!(span_ms((0..400).map(|n| 1_007 + n * 33)), 0, "thirty");
        assert_eq!(span_ms((0..99).map(|n| 1_007 + n * 1_000)), 200, "no more than a packet holds");
        let stalls = (0..200).map(|n| 1_007 + n * 50 + n / 9 * 200);
        assert_eq!(span_ms(stalls), 0, "a stall now and then");
    }
}
