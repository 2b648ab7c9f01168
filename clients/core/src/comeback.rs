//! Coming back: what to show at the door, how long to wait before knocking, and how long for an answer.
//!
//! The first wait after a loss is random within a second, so that a zone that was restarted is not run over by all its
//! players at once. Later ones grow with the time since the loss, so a short cut is over soon after it heals, and a zone
//! that stays away is asked ever more rarely.
//! Source: docs/PROTOCOL.md "Coming back".

use crate::Nanos;
use std::fmt;

/// Every wait is at least this long.
const WAIT_NS_MIN: u64 = 50_000_000;
/// After a refusal in words: whoever said it is busy enough.
const WAIT_REFUSED_NS_MIN: u64 = 1_000_000_000;
/// The random part of the first wait is below this.
const FIRST_NS: u64 = 1_000_000_000;
/// That of later ones below this share of the time since the loss, within bounds.
const SHARE: u64 = 8;
const LATER_NS_MIN: u64 = 250_000_000;
const LATER_NS_MAX: u64 = 8_000_000_000;
/// Somebody who was let in before gets an answer soon or knocks again: the first packets may be lost in a cut, and are
/// sent again ever more slowly. This, some round trips, or a share of the time since the loss.
const KNOCK_NS_MIN: u64 = 1_200_000_000;
const KNOCK_ROUND_TRIPS: u64 = 4;
const KNOCK_SHARE: u64 = 4;
/// Nobody waits longer for an answer.
pub(crate) const KNOCK_NS_MAX: u64 = 10_000_000_000;

/// The resume token: never shown.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Token(pub(crate) [u8; 32]);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// What a session remembers from one connection to the next.
#[derive(Clone, Debug)]
pub(crate) struct Comeback {
    pub(crate) token: Token,
    random: u64,
    /// When the player played last, or failed first; nothing while it plays.
    lost_at: Option<Nanos>,
    /// Round trip of the last connection that was played on; nothing before.
    rtt_ns: Option<u64>,
}

impl Comeback {
    /// Of somebody who was never in.
    pub(crate) fn new(seed: u64) -> Self {
        let random = seed ^ 0x9e37_79b9_7f4a_7c15;
        Self { token: Token::default(), random, lost_at: None, rtt_ns: None }
    }

    /// The player plays.
    pub(crate) fn handle_ready(&mut self) {
        (self.lost_at, self.rtt_ns) = (None, self.rtt_ns.or(Some(0)));
    }

    /// The connection is lost, or never came to be: gives when to try again.
    pub(crate) fn handle_lost(&mut self, now: Nanos, is_refused: bool, rtt_ns: Option<i64>) -> Nanos {
        if let Some(rtt_ns) = rtt_ns {
            self.rtt_ns = Some(rtt_ns.max(0).unsigned_abs());
        }
        let most_ns = match self.lost_at {
            None => FIRST_NS,
            Some(lost_at) => (now.since(lost_at) / SHARE).clamp(LATER_NS_MIN, LATER_NS_MAX),
        };
        self.lost_at.get_or_insert(now);
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let least_ns = if is_refused { WAIT_REFUSED_NS_MIN } else { WAIT_NS_MIN };
        now.plus(least_ns + (self.random >> 16) % most_ns)
    }

    /// Until when a connection that is tried now may stay without an answer.
    pub(crate) fn knock_deadline(&self, now: Nanos) -> Nanos {
        let (Some(rtt_ns), Some(lost_at)) = (self.rtt_ns, self.lost_at) else {
            return now.plus(KNOCK_NS_MAX);
        };
        let least_ns = (KNOCK_NS_MIN + KNOCK_ROUND_TRIPS * rtt_ns).min(KNOCK_NS_MAX);
        now.plus((now.since(lost_at) / KNOCK_SHARE).clamp(least_ns, KNOCK_NS_MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    /// Knocks until `until_ns` at a door that never answers; gives when.
    fn knocks(seed: u64, until_ns: u64) -> Vec<u64> {
        let mut comeback = Comeback::new(seed);
        comeback.handle_ready();
        let mut at = comeback.handle_lost(Nanos(S), false, Some(20_000_000));
        let mut knocks = Vec::new();
        while at.0 < until_ns {
            knocks.push(at.0);
            at = comeback.handle_lost(comeback.knock_deadline(at), false, None);
        }
        knocks
    }

    #[test]
    fn those_who_are_lost_together_knock_apart() {
        let mut first: Vec<u64> = (0..1_000).map(|seed| knocks(seed, 3 * S)[0]).collect();
        first.sort_unstable();
        assert!(S + 50_000_000 <= first[0] && first[999] < 2 * S + 50_000_000);
        // Two hundred windows of 5 ms hold five each on average; a burst would hold hundreds.
        let most = first.windows(25).filter(|few| few[24] - few[0] < 5_000_000).count();
        assert_eq!(most, 0, "more than 25 knock within 5 ms");
    }

    #[test]
    fn a_silent_door_is_tried_soon_at_first_and_ever_more_rarely() {
        for seed in 0..50 {
            let knocks = knocks(seed, 300 * S);
            let early = knocks.iter().filter(|at| **at < 6 * S).count();
            assert!((2..=5).contains(&early), "{early} knocks in the first five seconds");
            let gaps = || knocks.windows(2).map(|pair| (pair[0], pair[1] - pair[0]));
            assert!(gaps().filter(|(at, _)| *at < 5 * S).all(|(_, gap)| gap < 2_200_000_000));
            assert!(
                gaps().all(|(_, gap)| gap < 18_100_000_000),
                "never longer than patience and cap together"
            );
            let late = knocks.iter().filter(|at| **at > 100 * S).count();
            assert!((11..=17).contains(&late), "{late} knocks in the last two hundred seconds");
        }
    }

    #[test]
    fn a_long_wire_gets_the_time_that_it_needs_and_a_refusal_a_second() {
        let mut comeback = Comeback::new(1);
        assert_eq!(comeback.knock_deadline(Nanos(S)), Nanos(11 * S), "the first time there is no hurry");
        comeback.handle_ready();
        let at = comeback.handle_lost(Nanos(S), true, Some(600_000_000));
        assert!(at >= Nanos(2 * S));
        assert_eq!(comeback.knock_deadline(at), at.plus(3_600_000_000));
    }

    #[test]
    fn a_token_is_not_shown() {
        let comeback = Comeback { token: Token([0xab; 32]), ..Comeback::new(0) };
        assert!(!format!("{comeback:?}").contains("171"));
    }
}
