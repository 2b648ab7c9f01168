//! What a client has yet to be told of what happened: at most 16 events, the most pressing ones.

use netproto::peer::Fates;
use netproto::snapshot::{ones, timed_bits};
use netproto::{Circle, RING, Shot, TIMED_BYTES_MAX, TIMED_PENDING_MAX, Timed, TimedBody};

/// Key of a hit that the client dealt or took. Lower keys are more pressing: telegraphs that hurt the client where it
/// stands come before hits, those that are only to be seen behind them.
pub const HIT_KEY: u32 = 1 << 22;
/// Farther than this per axis from the own body a position cannot be resolved any more.
const ANCHOR_MM_MAX: i32 = 60_000;
/// A client remembers 64 sequences. An event that so many newer ones have overtaken is given up before it leaves them.
const OVERTAKEN_MAX: u8 = 64 - TIMED_PENDING_MAX as u8;
const FRAME_BITS: u32 = TIMED_BYTES_MAX as u32 * 8;
/// An announcement this long before it can hurt is in time also when its first copies were lost and it had to wait for
/// that word: a round trip of 150 ms, and 200 ms before it hurts.
const PATIENT_TICKS: i32 = 11;

/// A timed event that waits for its acknowledgement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pending {
    /// What happened.
    pub body: TimedBody,
    /// When.
    pub tick: u32,
    /// Nobody cares afterwards.
    pub expires: u32,
    /// The place that the body holds in 16 mm, if it holds one: it travels relative to the own body.
    pub anchor: Option<(i32, i32)>,
    /// The client applies each sequence once; given at the first departure.
    sequence: Option<u8>,
    /// Bit `n % RING`: snapshot n held it, and nobody knows yet whether that came.
    sent: u16,
}

impl Pending {
    /// An event that has not left yet.
    #[must_use]
    pub fn new(body: TimedBody, tick: u32, expires: u32, anchor: Option<(i32, i32)>) -> Self {
        Self { body, tick, expires, anchor, sequence: None, sent: 0 }
    }

    /// So many snapshots on their way hold it; it goes out again when one of them is lost. What has happened is told
    /// once at a time; what hurts soon has no time for a second try.
    fn copies(&self) -> u32 {
        match self.body {
            TimedBody::Hit(_) | TimedBody::ShotEnd(_) => 1,
            TimedBody::Circle(Circle { windup_ticks: ticks, .. })
            | TimedBody::Shot(Shot { draw_ticks: ticks, .. }) => {
                if ticks >= PATIENT_TICKS {
                    2
                } else {
                    3
                }
            }
        }
    }

    fn is_due(&self) -> bool {
        self.sent.count_ones() < self.copies()
    }
}

/// What became of timed events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimedCounts {
    /// Left in a snapshot for the first time.
    pub sent: u64,
    /// Gave way to more pressing ones, or went too far away.
    pub dropped: u64,
    /// Ran out of time without an acknowledgement.
    pub expired: u64,
}

/// Timed events of one client, oldest first.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timeds {
    /// Events that wait.
    pub n: usize,
    /// How pressing each is: lower is more.
    keys: [u32; TIMED_PENDING_MAX],
    /// The highest key, while all places are taken.
    bound: u32,
    events: [Pending; TIMED_PENDING_MAX],
}

impl Timeds {
    /// Adds an event. When all places are taken, the least pressing one is dropped, be it this one; among equal
    /// hits the oldest, among other equals the newest. Returns how many were dropped.
    ///
    /// - Cost: one comparison for an event that gets no place. A thousand casts at one spot are equal, and all but
    ///   16 of them cost no more than that.
    pub fn offer(&mut self, key: u32, event: Pending) -> u64 {
        let is_full = self.n == TIMED_PENDING_MAX;
        if is_full {
            if key > self.bound || (key == self.bound && key != HIT_KEY) {
                return 1;
            }
            let bound = self.bound;
            let mut left = Some(()); // one only
            self.retain(|at_key, _| at_key != bound || left.take().is_none());
        }
        self.keys[self.n] = key;
        self.events[self.n] = event;
        self.n += 1;
        if self.n == TIMED_PENDING_MAX {
            self.bound = self.keys.iter().fold(0, |bound, key| bound.max(*key));
        }
        u64::from(is_full)
    }

    /// Whether something waits that no snapshot has held yet, or a copy that is due of what may hurt the client.
    #[must_use]
    pub fn is_urgent(&self) -> bool {
        let pending = self.events[..self.n].iter().zip(&self.keys);
        pending.into_iter().any(|(event, key)| event.sequence.is_none() || (*key < HIT_KEY && event.is_due()))
    }

    /// Drops what was acknowledged, and what has expired by `tick`; returns how many have. What was in lost snapshots
    /// goes out again.
    pub fn settle(&mut self, fates: Fates, tick: u32) -> u64 {
        let mut n_expired = 0;
        self.events[..self.n].iter_mut().for_each(|event| event.sent &= !fates.lost);
        self.retain(|_, event| {
            let is_open = event.sent & fates.settled == 0;
            n_expired += u64::from(is_open && tick > event.expires);
            is_open && tick <= event.expires
        });
        n_expired
    }

    /// Whether something waits for the next snapshot.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.events[..self.n].iter().any(Pending::is_due)
    }

    /// Bits of what the next snapshot takes.
    #[must_use]
    pub fn due_bits(&self) -> u32 {
        ones(u64::from(self.chosen())).map(|at| timed_bits(&self.events[at as usize].body)).sum()
    }

    /// Takes what is due and fits into snapshot `number` of `tick`, the most pressing first; `out` gets them oldest first.
    /// `next` counts the client's sequences.
    ///
    /// - Cost: nothing without events.
    pub fn take(
        &mut self,
        (number, tick, own): (u16, u32, (i32, i32)),
        next: &mut u8,
        counts: &mut TimedCounts,
        out: &mut [Timed; TIMED_PENDING_MAX],
    ) -> usize {
        if self.n == 0 {
            return 0;
        }
        counts.dropped += self.give_up(own, *next);
        let place = 1u16 << (usize::from(number) % RING);
        // The place in the ring is used again: what it held before counts no more.
        self.events[..self.n].iter_mut().for_each(|event| event.sent &= !place);
        let chosen = self.chosen();
        let mut n_out = 0;
        for (at, event) in self.events[..self.n].iter_mut().enumerate() {
            if chosen >> at & 1 == 0 {
                continue;
            }
            event.sent |= place;
            let sequence = *event.sequence.get_or_insert_with(|| {
                counts.sent += 1;
                *next = next.wrapping_add(1);
                next.wrapping_sub(1)
            });
            let age = tick.wrapping_sub(event.tick).min(63);
            out[n_out] = Timed { sequence: u32::from(sequence), age, body: event.body };
            n_out += 1;
        }
        n_out
    }

    /// Drops events whose place is too far to be told. Those that many have overtaken get a new sequence when the
    /// client knows announcements from each other by owner and tick, and are dropped otherwise.
    fn give_up(&mut self, own: (i32, i32), next: u8) -> u64 {
        let n = self.n;
        let is_far = |(x, y): (i32, i32)| (x - own.0).abs().max((y - own.1).abs()) > ANCHOR_MM_MAX;
        let is_old = |sequence: u8| next.wrapping_sub(sequence) > OVERTAKEN_MAX;
        self.retain(|_, event| match event.anchor {
            None => !event.sequence.is_some_and(is_old),
            Some(place) => !is_far(place),
        });
        for event in &mut self.events[..self.n] {
            event.sequence = event.sequence.filter(|sequence| !is_old(*sequence));
        }
        (n - self.n) as u64
    }

    /// The events that go out now, as bits.
    fn chosen(&self) -> u16 {
        let due = self.events[..self.n].iter().enumerate();
        let due = due.fold(0, |due, (at, event)| due | u16::from(event.is_due()) << at);
        if due.count_ones() * Timed::BITS_MAX <= FRAME_BITS {
            return due;
        }
        let mut order: [(u32, usize); TIMED_PENDING_MAX] = std::array::from_fn(|at| (self.keys[at], at));
        order[..self.n].sort_unstable();
        let (mut left, mut chosen) = (FRAME_BITS, 0);
        for (_, at) in order[..self.n].iter().filter(|(_, at)| due >> at & 1 == 1) {
            let n_bits = timed_bits(&self.events[*at].body);
            if n_bits <= left {
                left -= n_bits;
                chosen |= 1 << at;
            }
        }
        chosen
    }

    fn retain(&mut self, mut keep: impl FnMut(u32, &Pending) -> bool) {
        let mut kept = 0;
        for at in 0..self.n {
            if keep(self.keys[at], &self.events[at]) {
                (self.keys[kept], self.events[kept]) = (self.keys[at], self.events[at]);
                kept += 1;
            }
        }
        self.n = kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netproto::{Circle, Hit, Shot};

    fn hit(expires: u32) -> Pending {
        Pending { expires, ..Pending::default() }
    }

    fn take(timeds: &mut Timeds, number: u16, next: &mut u8) -> Vec<Timed> {
        let mut out = [Timed::default(); TIMED_PENDING_MAX];
        let n = timeds.take((number, 100, (0, 0)), next, &mut TimedCounts::default(), &mut out);
        out[..n].to_vec()
    }

    fn settled(places: u16) -> Fates {
        Fates { settled: places, lost: 0 }
    }

    fn sequences(timeds: &mut Timeds, number: u16, next: &mut u8) -> Vec<u32> {
        take(timeds, number, next).iter().map(|timed| timed.sequence).collect()
    }

    #[test]
    fn a_hit_travels_once_and_again_when_its_snapshot_is_lost_until_its_ack_or_its_expiry() {
        let (mut timeds, mut next) = (Timeds::default(), 250);
        for expires in [100, 105, 200] {
            timeds.offer(HIT_KEY, hit(expires));
        }
        assert_eq!(sequences(&mut timeds, 0, &mut next), [250, 251, 252]);
        assert_eq!((sequences(&mut timeds, 1, &mut next), timeds.is_due()), (vec![], false), "on its way");
        assert_eq!((timeds.settle(Fates { settled: 0, lost: 1 }, 101), timeds.n), (1, 2), "one has expired");
        assert!(timeds.is_due());
        assert_eq!(sequences(&mut timeds, 2, &mut next), [251, 252], "what was lost goes out again");
        timeds.offer(HIT_KEY, hit(200));
        assert_eq!(sequences(&mut timeds, 3, &mut next), [253]);
        assert_eq!((timeds.settle(settled(0b100), 102), timeds.n), (0, 1), "snapshot 2 held two of three");
        assert_eq!((timeds.settle(settled(0b1000), 102), timeds.n), (0, 0));
    }

    #[test]
    fn an_announcement_has_as_many_copies_on_their_way_as_its_haste_asks_for() {
        for (windup_ticks, n_copies) in [(PATIENT_TICKS - 1, 3), (PATIENT_TICKS, 2)] {
            let (mut timeds, mut next) = (Timeds::default(), 0);
            let body = TimedBody::Circle(Circle { windup_ticks, ..Circle::default() });
            timeds.offer(0, Pending { body, ..hit(200) });
            let n_sent = |timeds: &mut Timeds, numbers: std::ops::Range<u16>, next: &mut u8| -> usize {
                numbers.map(|number| take(timeds, number, next).len()).sum()
            };
            assert_eq!(n_sent(&mut timeds, 0..10, &mut next), n_copies);
            timeds.settle(Fates { settled: 0, lost: 0b10 }, 101);
            assert_eq!(n_sent(&mut timeds, 10..16, &mut next), 1, "one more for the one that is lost");
            assert_eq!(n_sent(&mut timeds, 16..17, &mut next), 1, "the first has left the ring");
        }
    }

    #[test]
    fn the_least_pressing_gives_way_and_among_equals_the_oldest() {
        let mut timeds = Timeds::default();
        for expires in 0..20 {
            assert_eq!(timeds.offer(HIT_KEY, hit(expires)), u64::from(expires >= 16));
        }
        assert_eq!((timeds.n, timeds.events[0].expires, timeds.events[15].expires), (16, 4, 19));
        assert_eq!(timeds.offer(HIT_KEY + 1, hit(99)), 1, "less pressing than all");
        assert_eq!(timeds.offer(7, hit(77)), 1);
        assert_eq!((timeds.events[0].expires, timeds.events[15].expires), (5, 77));
        (0..15).for_each(|_| assert_eq!(timeds.offer(8, hit(88)), 1));
        assert_eq!(timeds.events[0].expires, 77, "all hits gave way before it");
        timeds.offer(HIT_KEY, hit(1));
        assert!(timeds.events.iter().all(|event| event.expires != 1));
    }

    #[test]
    fn what_is_most_pressing_goes_out_when_not_all_fits() {
        let (mut timeds, mut next) = (Timeds::default(), 0);
        let shot = TimedBody::Shot(Shot { draw_ticks: 1, flight_ticks: 1, ..Shot::default() });
        let circle = TimedBody::Circle(Circle { radius_64mm: 9, windup_ticks: 9, ..Circle::default() });
        for key in 0..16u32 {
            let body = if key == 0 { circle } else { shot };
            timeds.offer(HIT_KEY - key, Pending { body, expires: 200, ..Pending::default() });
        }
        let first = take(&mut timeds, 0, &mut next);
        assert!(first.iter().map(|timed| timed_bits(&timed.body)).sum::<u32>() <= FRAME_BITS);
        assert!(first.len() >= 11 && first.iter().all(|timed| timed.body == shot), "{first:?}");
        timeds.settle(settled(1), 100);
        let left = take(&mut timeds, 1, &mut next);
        assert_eq!(left.len(), 16 - first.len());
        assert_eq!(left[0].body, circle, "what did not fit comes later");
    }

    #[test]
    fn what_cannot_be_resolved_or_remembered_is_given_up() {
        let (mut timeds, mut next) = (Timeds::default(), 0);
        timeds.offer(0, Pending { anchor: Some((60_001, 0)), ..hit(200) });
        timeds.offer(0, hit(200));
        let body = TimedBody::Hit(Hit::default());
        assert_eq!(take(&mut timeds, 0, &mut next), [Timed { sequence: 0, age: 100 - 37, body }]);
        let lost = |timeds: &mut Timeds, place: u16| timeds.settle(Fates { settled: 0, lost: place }, 101);
        (next, _) = (OVERTAKEN_MAX, lost(&mut timeds, 0b1));
        assert_eq!(take(&mut timeds, 1, &mut next).len(), 1);
        (next, _) = (OVERTAKEN_MAX + 1, lost(&mut timeds, 0b10));
        assert_eq!(take(&mut timeds, 2, &mut next).len(), 0);
    }

    #[test]
    fn an_announcement_that_many_overtook_goes_on_under_a_new_sequence() {
        let (mut timeds, mut next) = (Timeds::default(), 0);
        let body = TimedBody::Circle(Circle { windup_ticks: 8, ..Circle::default() });
        timeds.offer(0, Pending { body, anchor: Some((0, 0)), ..hit(200) });
        assert_eq!(take(&mut timeds, 0, &mut next)[0].sequence, 0);
        next = OVERTAKEN_MAX + 1;
        let again = take(&mut timeds, 1, &mut next);
        assert_eq!((again.len(), again[0].sequence), (1, u32::from(OVERTAKEN_MAX) + 1));
        assert_eq!((timeds.settle(settled(0b1), 102), timeds.n), (0, 0), "it was in snapshot 0 all the same");
    }

    #[test]
    fn a_thousand_equal_announcements_leave_the_first_sixteen_where_they_are() {
        let mut timeds = Timeds::default();
        let dropped: u64 = (0..1_000).map(|at| timeds.offer(HIT_KEY + 9, hit(100 + at))).sum();
        assert_eq!((dropped, timeds.n), (984, 16));
        assert!(timeds.events.iter().enumerate().all(|(at, event)| event.expires == 100 + at as u32));
    }
}
