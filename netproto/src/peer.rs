//! The server's memory of one client: which slots it holds, what is dirty, what was sent, what was lost.
//!
//! No baselines: a group is dirty until it was sent, and dirty again when the snapshot that held it is lost.
//! The machine knows slots and snapshot numbers; who sits in a slot is the owner's business.
//! Drain it in this order, once per tick: [`View::handle_acks`], [`View::assign`] / [`View::remove`] /
//! [`View::mark`], [`View::may_send`], [`View::open`], [`View::commit`].
//! Source: docs/PROTOCOL.md "Slot rules".

use crate::snapshot::ones;
use crate::{Acks, INTRODUCTIONS_MAX, N_GROUPS, RING};

/// Snapshots in flight on datagrams: the whole ring; what leaves it is lost.
pub const IN_FLIGHT_DATAGRAMS: u8 = RING as u8;
/// Snapshots in flight on a stream, which queues what it cannot send.
pub const IN_FLIGHT_STREAM: u8 = 6;
/// Unacknowledged snapshots above which every second one is skipped.
pub const SPAN_SLOW: u16 = 12;

/// One client's slots, 400 bytes.
#[derive(Clone, Debug)]
pub struct View {
    /// Slots with an entity.
    pub occupied: u64,
    /// Slots whose entity was introduced, as far as we know.
    pub known: u64,
    /// Slots that the client may hold something in, be it an entity that has left.
    held: u64,
    /// Slots with unsent change, per group; within `known`.
    dirty: [u64; N_GROUPS],
    /// Slots whose groups travelled in snapshot number n, at `n % RING`.
    sent: [u64; RING],
    /// Slots emptied or introduced in number n and not since, at `n % RING`.
    news: [u64; RING],
    /// Bit `n % RING`: number n is neither acknowledged nor lost.
    in_flight: u16,
    /// Bit `n % RING`: number n held the own state.
    own_sent: u16,
    /// The own state must be sent.
    own_dirty: bool,
    /// Something was acknowledged at all.
    acked_once: bool,
    /// Most snapshots in flight before sending stops: small on a stream, which queues.
    in_flight_max: u8,
    /// Snapshots sent, up to a full ring.
    n_sent: u8,
    next_number: u16,
    newest_acked: u16,
    /// Snapshots declared lost so far.
    pub n_lost: u32,
}

/// What the next snapshot of a view must hold.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Its number.
    pub number: u16,
    /// Slot news by age, as in [`crate::snapshot::Parts`].
    pub news: [u64; RING],
    /// Slots without an introduction, at most [`INTRODUCTIONS_MAX`] of which go out.
    pub unknown: u64,
    /// Dirty slots per group.
    pub groups: [u64; N_GROUPS],
    /// The own state is due.
    pub own: bool,
}

impl Plan {
    /// Whether nobody would miss this snapshot, but for the input it echoes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let slots = self.groups.iter().fold(self.unknown | self.news[0], |any, mask| any | mask);
        slots == 0 && !self.own
    }
}

impl View {
    /// An empty view of a client that holds nothing.
    ///
    /// - Shapes: `in_flight_max` is [`IN_FLIGHT_DATAGRAMS`] or [`IN_FLIGHT_STREAM`].
    #[must_use]
    pub fn new(in_flight_max: u8) -> Self {
        assert!(usize::from(in_flight_max) <= RING, "{in_flight_max} snapshots in flight");
        Self {
            occupied: 0,
            known: 0,
            held: 0,
            dirty: [0; N_GROUPS],
            sent: [0; RING],
            news: [0; RING],
            in_flight: 0,
            own_sent: 0,
            own_dirty: true,
            acked_once: false,
            in_flight_max,
            n_sent: 0,
            next_number: 0,
            newest_acked: u16::MAX,
            n_lost: 0,
        }
    }

    /// The client said which snapshots it applied. Old, repeated and invented acknowledgements change nothing.
    ///
    /// - Shapes: returns the snapshots that were confirmed now, number n as bit `n % RING`.
    /// - Cost: one step per snapshot in flight.
    pub fn handle_acks(&mut self, acks: &Acks) -> u16 {
        let newest = acks.newest as u16;
        let age = self.next_number.wrapping_sub(1).wrapping_sub(newest);
        let is_stale = self.acked_once && newest.wrapping_sub(self.newest_acked) > u16::MAX / 2;
        if !acks.seen || age >= u16::from(self.n_sent) || is_stale {
            return 0;
        }
        let mut settled = 0;
        self.acked_once = true;
        self.newest_acked = newest;
        for back in 0..RING as u16 - age {
            let number = newest.wrapping_sub(back);
            if self.in_flight >> at(number) & 1 == 0 {
                continue;
            }
            let is_applied = back == 0 || acks.before >> (back - 1) & 1 == 1;
            if is_applied {
                self.settle(number);
                settled |= 1 << at(number);
            } else {
                self.lose(number);
            }
        }
        settled
    }

    /// Number `number` was applied: its news is confirmed.
    fn settle(&mut self, number: u16) {
        let emptied = self.news[at(number)] & !self.known;
        self.held &= !emptied;
        self.forget(number);
    }

    /// Number `number` will never be applied: everything it held is due again.
    fn lose(&mut self, number: u16) {
        self.n_lost += 1;
        self.known &= !self.news[at(number)];
        for dirty in &mut self.dirty {
            *dirty = (*dirty | self.sent[at(number)]) & self.known;
        }
        self.own_dirty |= self.own_sent >> at(number) & 1 == 1;
        self.forget(number);
    }

    fn forget(&mut self, number: u16) {
        self.news[at(number)] = 0;
        self.sent[at(number)] = 0;
        self.in_flight &= !(1 << at(number));
        self.own_sent &= !(1 << at(number));
    }

    /// Gives a slot to an entity that the client does not know there.
    pub fn assign(&mut self, slot: u32) {
        self.clear(slot);
        self.occupied |= 1 << slot;
    }

    /// Takes a slot's entity away.
    pub fn remove(&mut self, slot: u32) {
        self.clear(slot);
    }

    /// Nothing that was sent for the slot counts any more.
    fn clear(&mut self, slot: u32) {
        let keep = !(1u64 << slot);
        self.occupied &= keep;
        self.known &= keep;
        // One loop each: a chain of them would not be turned into vector instructions.
        self.dirty.iter_mut().for_each(|mask| *mask &= keep);
        self.news.iter_mut().for_each(|mask| *mask &= keep);
        self.sent.iter_mut().for_each(|mask| *mask &= keep);
    }

    /// One group of some slots has changed.
    #[inline]
    pub fn mark(&mut self, group: usize, slots: u64) {
        self.dirty[group] |= slots & self.known;
    }

    /// The own state has changed.
    pub fn mark_own(&mut self) {
        self.own_dirty = true;
    }

    /// Empty slots.
    #[must_use]
    pub fn free(&self) -> u64 {
        !self.occupied
    }

    /// Snapshots sent since the newest acknowledged one.
    #[must_use]
    pub fn span(&self) -> u16 {
        self.next_number.wrapping_sub(1).wrapping_sub(self.newest_acked)
    }

    /// Whether a snapshot may go out in this tick: a client that falls behind gets every second one, and a
    /// stream that queues gets none.
    #[must_use]
    pub fn may_send(&self, tick: u32) -> bool {
        // The number that leaves the ring with the next snapshot does not count: it is as good as lost.
        let n_in_flight = (self.in_flight & !(1 << at(self.next_number))).count_ones();
        n_in_flight < u32::from(self.in_flight_max) && (self.span() <= SPAN_SLOW || tick.is_multiple_of(2))
    }

    /// Begins the next snapshot. The number that leaves the ring is lost.
    #[must_use]
    pub fn open(&mut self) -> Plan {
        let number = self.next_number;
        if self.in_flight >> at(number) & 1 == 1 {
            self.lose(number); // sent RING numbers ago, under the same place in the ring
        }
        let mut news = [0; RING];
        let mut in_flight_news = 0;
        for (age, mask) in news.iter_mut().enumerate().skip(1) {
            *mask = self.news[at(number.wrapping_sub(age as u16))];
            in_flight_news |= *mask;
        }
        news[0] = self.held & !self.known & !in_flight_news;
        Plan { number, news, unknown: self.occupied & !self.known, groups: self.dirty, own: self.own_dirty }
    }

    /// The planned snapshot goes out with these introductions, and with all planned groups.
    ///
    /// - Shapes: `introduced` lies in `plan.unknown`; returns the news to write, without what is introduced.
    #[must_use]
    pub fn commit(&mut self, plan: &Plan, introduced: u64) -> [u64; RING] {
        debug_assert!(
            introduced & !plan.unknown == 0 && introduced.count_ones() as usize <= INTRODUCTIONS_MAX
        );
        let here = at(plan.number);
        let mut news = plan.news;
        for (age, mask) in news.iter_mut().enumerate() {
            *mask &= !introduced;
            if age > 0 {
                self.news[at(plan.number.wrapping_sub(age as u16))] &= !introduced;
            }
        }
        self.news[here] = news[0] | introduced;
        self.sent[here] = plan.groups.iter().fold(introduced, |any, mask| any | mask);
        self.known |= introduced;
        self.held |= introduced;
        self.dirty = [0; N_GROUPS];
        self.own_sent |= u16::from(plan.own) << here;
        self.own_dirty = false;
        self.in_flight |= 1 << here;
        self.next_number = plan.number.wrapping_add(1);
        self.n_sent = (self.n_sent + 1).min(RING as u8);
        news
    }

    /// Checks what always holds between ticks.
    ///
    /// # Panics
    /// When it does not: our bug.
    pub fn check(&self) {
        let all_dirty = self.dirty.iter().fold(0, |any, mask| any | mask);
        assert_eq!(all_dirty & !self.known, 0, "dirty without being known");
        assert_eq!(self.known & !self.occupied, 0, "known and empty");
        assert_eq!(self.known & !self.held, 0, "introduced and not held");
        let mut seen = 0;
        for (place, mask) in self.news.iter().enumerate() {
            assert_eq!(mask & seen, 0, "a slot has news in two snapshots");
            assert!(*mask == 0 || self.in_flight >> place & 1 == 1, "news in a settled snapshot");
            seen |= mask;
        }
    }

    /// Slots in use, lowest first.
    pub fn slots(&self) -> impl Iterator<Item = u32> + use<> {
        ones(self.occupied)
    }
}

fn at(number: u16) -> usize {
    usize::from(number) % RING
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends the next snapshot with every introduction that is due; returns its number and news.
    fn send(view: &mut View) -> (u16, [u64; RING]) {
        let plan = view.open();
        let news = view.commit(&plan, plan.unknown);
        view.check();
        (plan.number, news)
    }

    fn ack(view: &mut View, newest: u16, before: u32) {
        view.handle_acks(&Acks { seen: true, newest: u32::from(newest), before });
        view.check();
    }

    #[test]
    fn a_removal_is_repeated_until_acknowledged() {
        let mut view = View::new(IN_FLIGHT_DATAGRAMS);
        view.assign(3);
        send(&mut view);
        ack(&mut view, 0, 0);
        view.remove(3);
        assert_eq!(send(&mut view).1[0], 1 << 3);
        assert_eq!(send(&mut view).1[1], 1 << 3, "still listed one number later");
        ack(&mut view, 2, 0); // number 1 was lost, number 2 listed it by its age
        assert_eq!(send(&mut view).1[0], 1 << 3, "news of a lost number is news again");
        ack(&mut view, 3, 0);
        assert_eq!(send(&mut view).1, [0; RING]);
    }

    #[test]
    fn a_lost_introduction_is_made_again_and_listed_meanwhile() {
        let mut view = View::new(IN_FLIGHT_DATAGRAMS);
        view.assign(0);
        let (number, _) = send(&mut view);
        assert_eq!(send(&mut view).1[1], 1, "the introduction is listed until it is acknowledged");
        ack(&mut view, number + 1, 0);
        assert_eq!(view.open().unknown, 1);
    }

    #[test]
    fn loss_marks_every_group_of_the_slots_in_the_lost_number() {
        let mut view = View::new(IN_FLIGHT_DATAGRAMS);
        view.assign(5);
        send(&mut view);
        ack(&mut view, 0, 0);
        view.mark(0, 1 << 5);
        send(&mut view);
        send(&mut view);
        ack(&mut view, 2, 0);
        assert_eq!(view.open().groups, [1 << 5; N_GROUPS]);
    }

    #[test]
    fn a_number_that_leaves_the_ring_is_lost_and_its_late_ack_is_ignored() {
        let mut view = View::new(IN_FLIGHT_DATAGRAMS);
        view.assign(0);
        send(&mut view);
        for _ in 0..RING - 1 {
            send(&mut view);
        }
        assert_eq!(view.n_lost, 0);
        assert_eq!(send(&mut view).0, RING as u16);
        assert_eq!(view.n_lost, 1);
        ack(&mut view, 0, 0);
        assert!(view.span() > SPAN_SLOW, "the late acknowledgement counted");
    }

    #[test]
    fn a_lost_number_that_is_acknowledged_later_confirms_nothing() {
        let mut view = View::new(IN_FLIGHT_DATAGRAMS);
        for _ in 0..3 {
            send(&mut view);
        }
        let acks = |newest, before| Acks { seen: true, newest, before };
        assert_eq!(view.handle_acks(&acks(1, 0)), 1 << 1, "number 0 is lost");
        assert_eq!(view.handle_acks(&acks(2, 0b11)), 1 << 2, "number 0 came back");
    }

    #[test]
    fn a_slot_given_to_another_is_never_known_by_an_old_acknowledgement() {
        let mut view = View::new(IN_FLIGHT_DATAGRAMS);
        view.assign(7);
        send(&mut view);
        view.remove(7);
        view.assign(7);
        let plan = view.open();
        assert_eq!((plan.news[0], plan.news[1]), (1 << 7, 0), "the old introduction still counts as news");
        ack(&mut view, 0, 0);
        assert_eq!(view.open().unknown, 1 << 7);
    }

    #[test]
    fn invented_acknowledgements_change_nothing() {
        let mut view = View::new(IN_FLIGHT_DATAGRAMS);
        view.assign(1);
        send(&mut view);
        for newest in [1, 2, 500, u16::MAX] {
            ack(&mut view, newest, 0x7fff);
        }
        assert_eq!(view.in_flight, 1);
        assert!(!view.acked_once);
    }

    #[test]
    fn a_silent_client_gets_every_second_snapshot_and_a_full_stream_none() {
        let mut view = View::new(IN_FLIGHT_DATAGRAMS);
        let mut stream = View::new(IN_FLIGHT_STREAM);
        let mut n = [0; 2];
        for tick in 0..100 {
            for (view, n) in [&mut view, &mut stream].into_iter().zip(&mut n) {
                if view.may_send(tick) {
                    send(view);
                    *n += 1;
                }
            }
        }
        assert_eq!(n[1], 6);
        assert!((50..60).contains(&n[0]), "{} snapshots", n[0]);
    }
}
