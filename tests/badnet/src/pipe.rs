//! One direction of a path as a machine: what goes in comes out later, or not at all. Time is an argument.

use crate::weather::{Dice, LATE, Weather};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// A stream finds a loss by the acknowledgement of a later segment, a round trip and a reordering window of a quarter of
/// one behind it, a repetition that is lost likewise (RFC 8985 sections 3.2 and 6.2). A zone sends the next one within this.
const NEXT_SEGMENT: Duration = Duration::from_millis(100);
/// It finds it by a timeout at the latest: TCP's least one on Linux, beyond a round trip.
const TIMEOUT_MIN: Duration = Duration::from_millis(200);
/// The copy of a packet that comes twice.
const ECHO: Duration = Duration::from_millis(3);

/// What happened to what went in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// Packets and segments that went in.
    pub n: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Lost by chance, or in a cut.
    pub n_lost: u64,
    /// Dropped because the queue was full.
    pub n_dropped: u64,
    /// Reordered.
    pub n_late: u64,
    /// Doubled.
    pub n_twice: u64,
}

/// What came of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// On its way; out of a stream it comes then, unless a cut is in between.
    Taken(Instant),
    /// The queue was full.
    Full,
    /// Lost on the way.
    Lost,
}

struct Due<T> {
    at: Instant,
    seq: u64,
    thing: T,
}

impl<T> PartialEq for Due<T> {
    fn eq(&self, other: &Self) -> bool {
        self.seq == other.seq
    }
}
impl<T> Eq for Due<T> {}
impl<T> PartialOrd for Due<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Due<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.seq).cmp(&(other.at, other.seq))
    }
}

/// One direction of a path, shared by all flows.
pub struct Pipe<T> {
    /// What it does to what it carries; may be changed at any time.
    pub weather: Weather,
    /// What it did so far.
    pub carried: Carried,
    dice: Dice,
    /// When the bottleneck has sent all that it took.
    free_at: Instant,
    coming: BinaryHeap<Reverse<Due<T>>>,
    n_seq: u64,
}

impl<T: Clone> Pipe<T> {
    /// An empty pipe.
    #[must_use]
    pub fn new(now: Instant, weather: Weather, seed: u64) -> Self {
        let (carried, coming) = (Carried::default(), BinaryHeap::new());
        Self { weather, carried, dice: Dice::new(seed), free_at: now, coming, n_seq: 0 }
    }

    /// A datagram goes in.
    pub fn handle_datagram(&mut self, now: Instant, n_bytes: usize, thing: T) -> Offer {
        self.carried.n += 1;
        self.carried.bytes += n_bytes as u64;
        let Some(sent_at) = self.pass_bottleneck(now, n_bytes) else {
            self.carried.n_dropped += 1;
            return Offer::Full;
        };
        if self.dice.loses(self.weather.loss) {
            self.carried.n_lost += 1;
            return Offer::Lost;
        }
        let mut at = sent_at + self.travel();
        if self.dice.happens(self.weather.late) {
            self.carried.n_late += 1;
            at += LATE;
        }
        if self.dice.happens(self.weather.twice) {
            self.carried.n_twice += 1;
            self.push(at + ECHO, thing.clone());
        }
        self.push(at, thing);
        Offer::Taken(at)
    }

    /// A segment of a stream goes in, to come out no earlier than `not_before`. It is never lost: what would be lost
    /// comes after a retransmission. When the queue is full, the caller keeps it and tries again.
    pub fn handle_segment(&mut self, now: Instant, n_bytes: usize, not_before: Instant, thing: T) -> Offer {
        let Some(sent_at) = self.pass_bottleneck(now, n_bytes) else {
            self.carried.n_dropped += 1;
            return Offer::Full;
        };
        self.carried.n += 1;
        self.carried.bytes += n_bytes as u64;
        let mut at = sent_at + self.travel();
        let round_trip = 2 * self.weather.delay;
        let wait = (round_trip * 5 / 4 + NEXT_SEGMENT).min(round_trip + TIMEOUT_MIN);
        let mut n_tries = 0;
        while n_tries < 4 && self.dice.loses(self.weather.loss) {
            self.carried.n_lost += 1;
            at += wait;
            n_tries += 1;
        }
        let at = at.max(not_before);
        self.push(at, thing);
        Offer::Taken(at)
    }

    /// The next thing that has arrived by `now`.
    pub fn poll_arrived(&mut self, now: Instant) -> Option<T> {
        if self.coming.peek()?.0.at > now {
            return None;
        }
        self.coming.pop().map(|due| due.0.thing)
    }

    /// How long something that went in now would wait in the queue.
    #[must_use]
    pub fn queue_time(&self, now: Instant) -> Duration {
        self.free_at.saturating_duration_since(now)
    }

    /// When the last byte is through the narrowest place; nothing if the queue is too full for it.
    fn pass_bottleneck(&mut self, now: Instant, n_bytes: usize) -> Option<Instant> {
        let Some(narrow) = self.weather.bottleneck else { return Some(now) };
        let start = self.free_at.max(now);
        let queued_bits = (start - now).as_nanos() * u128::from(narrow.bits_per_second) / 1_000_000_000;
        if queued_bits / 8 + n_bytes as u128 > narrow.queue_bytes as u128 {
            return None;
        }
        let takes_ns = n_bytes as u64 * 8 * 1_000_000_000 / narrow.bits_per_second.max(1);
        self.free_at = start + Duration::from_nanos(takes_ns);
        Some(self.free_at)
    }

    fn travel(&mut self) -> Duration {
        self.weather.delay + self.weather.jitter.mul_f64(self.dice.share())
    }

    fn push(&mut self, at: Instant, thing: T) {
        self.n_seq += 1;
        self.coming.push(Reverse(Due { at, seq: self.n_seq, thing }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weather::Loss;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_bottleneck_sends_at_its_rate_and_drops_what_its_queue_cannot_hold() {
        let start = Instant::now();
        let mut pipe = Pipe::new(start, Weather::FAIR.through(80_000, 1_000), 1);
        let offers: Vec<Offer> = (0..6).map(|n| pipe.handle_datagram(start, 250, n)).collect();
        let taken = |n: u32| Offer::Taken(start + 25 * n * MS); // 2,000 bits each, 80 in a millisecond
        assert_eq!(offers, [taken(1), taken(2), taken(3), taken(4), Offer::Full, Offer::Full]);
        assert_eq!(pipe.poll_arrived(start + 24 * MS), None);
        assert_eq!(pipe.poll_arrived(start + 25 * MS), Some(0));
        assert_eq!(pipe.handle_datagram(start + 25 * MS, 250, 9), taken(5));
    }

    #[test]
    fn what_is_late_comes_behind_its_successors_and_what_comes_twice_twice() {
        let start = Instant::now();
        let mut pipe = Pipe::new(start, Weather { late: 1.0, twice: 1.0, ..Weather::FAIR }, 1);
        pipe.handle_datagram(start, 100, 'a');
        pipe.weather = Weather::FAIR;
        pipe.handle_datagram(start + MS, 100, 'b');
        let out: Vec<char> = std::iter::from_fn(|| pipe.poll_arrived(start + 1_000 * MS)).collect();
        assert_eq!(out, ['b', 'a', 'a']);
    }

    #[test]
    fn a_stream_loses_nothing_and_keeps_its_order() {
        let start = Instant::now();
        let weather = Weather::FAIR.with_loss(Loss::Random(0.5)).with_delay(10 * MS);
        let mut pipe = Pipe::new(start, Weather { jitter: 30 * MS, ..weather }, 5);
        let mut last = start;
        for n in 0..200 {
            let Offer::Taken(at) = pipe.handle_segment(start + n * MS, 100, last, n) else {
                panic!("no queue")
            };
            last = at;
        }
        let out: Vec<u32> = std::iter::from_fn(|| pipe.poll_arrived(last)).collect();
        assert_eq!(out, (0..200).collect::<Vec<u32>>());
        assert!(pipe.carried.n_lost > 50, "{:?}", pipe.carried);
    }
}
