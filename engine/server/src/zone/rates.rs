//! What one peer may do per time: how many datagrams, and how many of them may be rubbish.

use std::time::{Duration, Instant};

/// Datagrams per second that a client can mean: twice the fastest zone rate.
const DATAGRAMS_PER_SECOND: u32 = 60;
/// What may come at once after a pause: a phone that wakes up sends its second in one go.
const BURST: u32 = 60;
/// Dropped datagrams within [`WINDOW`] that end the connection.
const DROPPED_MAX: u32 = 300;
/// Datagrams within [`WINDOW`] that may fail to decode.
const BAD_MAX: u32 = 20;
/// Orders per second, and what may come at once: faster than fingers, slower than a flood.
const ORDERS_PER_SECOND: u32 = 8;
const ORDERS_BURST: u32 = 16;
const WINDOW: Duration = Duration::from_secs(10);
/// Silence that ends a connection.
pub const SILENCE_MAX: Duration = Duration::from_secs(10);

/// What to do with a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Read it.
    Read,
    /// Too many: leave it.
    Drop,
    /// Too many for too long: end the connection.
    Close,
}

/// What may come so often, and a burst of it.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// What may come now, in thousandths.
    tokens_milli: u32,
    filled_at: Instant,
}

impl Bucket {
    fn full(now: Instant, burst: u32) -> Self {
        Self { tokens_milli: burst * 1000, filled_at: now }
    }

    /// Takes one, if there is one.
    fn take(&mut self, now: Instant, per_second: u32, burst: u32) -> bool {
        let elapsed_ms = now.saturating_duration_since(self.filled_at).as_millis().min(10_000) as u32;
        if elapsed_ms > 0 {
            self.filled_at = now;
            self.tokens_milli = (self.tokens_milli + elapsed_ms * per_second).min(burst * 1000);
        }
        let has_one = self.tokens_milli >= 1000;
        self.tokens_milli -= if has_one { 1000 } else { 0 };
        has_one
    }
}

/// One peer's conduct.
#[derive(Clone, Copy, Debug)]
pub struct Conduct {
    heard_at: Instant,
    datagrams: Bucket,
    orders: Bucket,
    dropped: Window,
    bad: Window,
}

/// Events counted since the window began; it begins anew when it is over.
#[derive(Clone, Copy, Debug)]
struct Window {
    begun: Instant,
    n: u32,
}

impl Window {
    fn count(&mut self, now: Instant) -> u32 {
        if now.saturating_duration_since(self.begun) >= WINDOW {
            *self = Self { begun: now, n: 0 };
        }
        self.n += 1;
        self.n
    }
}

impl Conduct {
    /// A peer that has just come.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        let window = Window { begun: now, n: 0 };
        Self {
            heard_at: now,
            datagrams: Bucket::full(now, BURST),
            orders: Bucket::full(now, ORDERS_BURST),
            dropped: window,
            bad: window,
        }
    }

    /// A datagram came.
    pub fn handle_datagram(&mut self, now: Instant) -> Verdict {
        self.heard_at = now;
        if self.datagrams.take(now, DATAGRAMS_PER_SECOND, BURST) {
            return Verdict::Read;
        }
        if self.dropped.count(now) > DROPPED_MAX { Verdict::Close } else { Verdict::Drop }
    }

    /// An order came. One too many is answered with a no, and too many for too long end the connection.
    pub fn handle_order(&mut self, now: Instant) -> Verdict {
        if self.orders.take(now, ORDERS_PER_SECOND, ORDERS_BURST) {
            return Verdict::Read;
        }
        if self.dropped.count(now) > DROPPED_MAX { Verdict::Close } else { Verdict::Drop }
    }

    /// The datagram did not decode.
    pub fn handle_bad(&mut self, now: Instant) -> Verdict {
        if self.bad.count(now) > BAD_MAX { Verdict::Close } else { Verdict::Drop }
    }

    /// Whether nothing came for too long.
    #[must_use]
    pub fn is_silent(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.heard_at) > SILENCE_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Verdicts over `seconds` of evenly spaced datagrams: read, dropped, closed.
    fn check(per_second: u32, seconds: u32) -> (u32, u32, u32) {
        let start = Instant::now();
        let mut conduct = Conduct::new(start);
        let mut seen = (0, 0, 0);
        for at in 0..per_second * seconds {
            let now = start + Duration::from_secs(1) * at / per_second;
            match conduct.handle_datagram(now) {
                Verdict::Read => seen.0 += 1,
                Verdict::Drop => seen.1 += 1,
                Verdict::Close => seen.2 += 1,
            }
        }
        seen
    }

    #[test]
    fn a_client_at_any_rate_it_can_mean_is_never_dropped() {
        for per_second in [5, 20, 30, 31, 55] {
            assert_eq!(check(per_second, 60), (per_second * 60, 0, 0), "{per_second} per second");
        }
    }

    #[test]
    fn a_flood_is_dropped_first_and_closed_when_it_persists() {
        let (read, dropped, closed) = check(200, 1);
        assert!(read <= 120 && dropped >= 80 && closed == 0, "{read} {dropped} {closed}");
        assert!(check(200, 8).2 > 0);
        assert_eq!(check(70, 20).2, 0, "slightly too fast is dropped for ever, not closed");
    }

    #[test]
    fn twenty_bad_datagrams_in_ten_seconds_pass_and_one_more_does_not() {
        let start = Instant::now();
        let mut conduct = Conduct::new(start);
        for at in 0..20 {
            assert_eq!(conduct.handle_bad(start + Duration::from_millis(at * 10)), Verdict::Drop);
        }
        assert_eq!(conduct.handle_bad(start + Duration::from_secs(9)), Verdict::Close);
        let mut slow = Conduct::new(start);
        for second in 0..300 {
            assert_eq!(slow.handle_bad(start + Duration::from_secs(second)), Verdict::Drop);
        }
    }

    #[test]
    fn silence_for_ten_seconds_is_noticed() {
        let start = Instant::now();
        let mut conduct = Conduct::new(start);
        conduct.handle_datagram(start + Duration::from_secs(5));
        assert!(!conduct.is_silent(start + Duration::from_secs(15)));
        assert!(conduct.is_silent(start + Duration::from_millis(15_001)));
    }
}
