//! How much of a client's delay is a queue: what exceeds the least of late, unless giving way shows that the way itself
//! has become longer.
//!
//! A machine without a clock. Source: docs/ARCHITECTURE.md "Rate control".

use std::time::{Duration, Instant};

/// The least delay is that of the last 15 to 30 s: routes change. Source: RFC 6817 section 2.4.1, BASE_HISTORY.
const BASE_WINDOW: Duration = Duration::from_secs(15);
/// Acknowledgements of snapshots ride on commands: their delay varies by this without any queue.
const LAG_SLACK: Duration = Duration::from_millis(60);
/// A queue of less is none.
const NONE: Duration = Duration::from_millis(40);
/// A queue that we feed changes by more than this when we feed it half as much, in [`PROOF`].
const STEADY: Duration = Duration::from_millis(40);
/// A delay that stays for so long after we gave way is not of our making.
const PROOF: Duration = Duration::from_secs(3);
/// A second proof in this time must be as long as the base window: a queue that drains slowly may pass for a longer way
/// once, and must not be taken for one step by step.
const AGAIN: Duration = Duration::from_secs(60);

/// The least value in a while.
#[derive(Clone, Copy, Debug)]
struct Base {
    before: Duration,
    current: Duration,
    /// The least since a step down showed.
    lately: Duration,
    turned_at: Instant,
}

impl Base {
    fn new(now: Instant) -> Self {
        Self { before: Duration::MAX, current: Duration::MAX, lately: Duration::MAX, turned_at: now }
    }

    /// Takes a sample; returns by how much it exceeds the least.
    fn growth(&mut self, now: Instant, sample: Duration) -> Duration {
        if now.saturating_duration_since(self.turned_at) >= BASE_WINDOW {
            (self.before, self.current, self.turned_at) = (self.current, sample, now);
        }
        self.current = self.current.min(sample);
        self.lately = self.lately.min(sample);
        sample.saturating_sub(self.before.min(self.current))
    }

    /// What was seen of late is the least from now on.
    fn begin_anew(&mut self, now: Instant) {
        if self.lately < Duration::MAX {
            (self.before, self.current, self.turned_at) = (self.lately, self.lately, now);
        }
    }
}

/// A step down is a question to the path: is the queue ours?
#[derive(Clone, Copy, Debug)]
struct Trial {
    /// Before, the answer is not there yet.
    from: Instant,
    /// The longest queue until then.
    queue: Duration,
}

/// The delays of one client's path.
#[derive(Clone, Debug)]
pub(super) struct Delays {
    rtt: Base,
    lag: Base,
    trial: Option<Trial>,
    accepted_at: Option<Instant>,
}

impl Delays {
    pub(super) fn new(now: Instant) -> Self {
        Self { rtt: Base::new(now), lag: Base::new(now), trial: None, accepted_at: None }
    }

    /// Takes a round trip (zero: unknown) and the delay of an acknowledgement; returns the queue in front of the bottleneck.
    pub(super) fn handle_sample(&mut self, now: Instant, rtt: Duration, lag: Option<Duration>) -> Duration {
        let rtt = if rtt > Duration::ZERO { self.rtt.growth(now, rtt) } else { Duration::ZERO };
        let Some(lag) = lag.map(|lag| self.lag.growth(now, lag).saturating_sub(LAG_SLACK)) else {
            return rtt;
        };
        // A round trip is smoothed, and where little is sent it remembers a queue for seconds. This answer found none.
        if lag < NONE { lag } else { rtt.max(lag) }
    }

    /// Less is sent from now on, because of a queue; that shows after `settle`.
    pub(super) fn handle_fall(&mut self, now: Instant, settle: Duration, queue: Duration) {
        self.trial = Some(Trial { from: now + settle, queue });
    }

    /// What the queue is like after a step down; `is_calm`: nothing was lost and nothing is stuck. Returns whether the way
    /// has become longer: the delay has stayed as it is for long enough, and is the least there is from now on.
    pub(super) fn handle_queue(&mut self, now: Instant, queue: Duration, is_calm: bool) -> bool {
        let Some(trial) = &mut self.trial else { return false };
        if now < trial.from {
            trial.queue = trial.queue.max(queue);
            (self.rtt.lately, self.lag.lately) = (Duration::MAX, Duration::MAX);
            return false;
        }
        if queue < NONE {
            self.trial = None; // it was ours, and is gone
            return false;
        }
        if !is_calm || queue.abs_diff(trial.queue) > STEADY {
            *trial = Trial { from: now, queue };
            return false;
        }
        let is_second = self.accepted_at.is_some_and(|at| now.saturating_duration_since(at) < AGAIN);
        if now.saturating_duration_since(trial.from) < if is_second { BASE_WINDOW } else { PROOF } {
            return false;
        }
        self.rtt.begin_anew(now);
        self.lag.begin_anew(now);
        (self.trial, self.accepted_at) = (None, Some(now));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// A path of 50 ms, then these round trips, each for so many reports of 400 ms, all of them behind a step down;
    /// `losing` is the report in which something is lost. Gives the reports after which a longer way was believed.
    fn believed(rtts: &[(u32, u32)], losing: Option<usize>) -> Vec<usize> {
        let mut now = Instant::now();
        let mut delays = Delays::new(now);
        delays.handle_sample(now, 50 * MS, None);
        delays.handle_fall(now, 700 * MS, Duration::ZERO);
        let samples = rtts.iter().flat_map(|(rtt, n)| (0..*n).map(|_| *rtt * MS));
        let mut found = Vec::new();
        for (at, rtt) in samples.enumerate() {
            now += 400 * MS;
            let queue = delays.handle_sample(now, rtt, None);
            if delays.handle_queue(now, queue, losing != Some(at)) {
                assert_eq!(delays.handle_sample(now, rtt, None), Duration::ZERO);
                found.push(at);
            }
        }
        found
    }

    #[test]
    fn a_delay_that_stays_whatever_is_sent_is_a_longer_way_after_three_seconds() {
        assert_eq!(believed(&[(200, 30)], None), [9]);
        // What is lost speaks for a queue that overflows: the time begins again.
        assert_eq!(believed(&[(200, 30)], Some(8)), [16]);
    }

    #[test]
    fn a_queue_that_shrinks_when_less_is_sent_is_never_a_longer_way() {
        let shrinking: Vec<(u32, u32)> = (0..40).map(|n| (650 - 15 * n, 1)).collect();
        assert!(believed(&shrinking, None).is_empty());
    }

    #[test]
    fn a_queue_that_still_grows_is_no_longer_way() {
        let growing: Vec<(u32, u32)> = (0..40).map(|n| (200 + 15 * n, 1)).collect();
        assert!(believed(&growing, None).is_empty());
    }
}
