//! The server's memory of one client: which slots it holds, what is dirty, what was sent, what was lost.
//!
//! No baselines: a group is dirty until it was sent, and dirty again when the snapshot that held it is lost.
//! The machine knows slots and snapshot numbers; who sits in a slot is the owner's business.
//! Drain it in this order, once per tick: [`View::handle_acks`], [`View::assign`] / [`View::remove`] /
//! [`View::mark`], [`View::may_send`], [`View::open`], [`View::commit`], [`View::news_age`].
//! Source: docs/PROTOCOL.md "Slot rules".

use crate::snapshot::ones;
use crate::{Acks, INTRODUCTIONS_MAX, N_GROUPS, RING, SLOTS};

/// Snapshots in flight on datagrams: the whole ring; what leaves it is lost.
pub const IN_FLIGHT_DATAGRAMS: u8 = RING as u8;
/// Snapshots in flight on a stream, which queues what it cannot send.
pub const IN_FLIGHT_STREAM: u8 = 6;
/// Unacknowledged snapshots above which every second one is skipped.
pub const SPAN_SLOW: u16 = 12;

/// One client's slots.
#[derive(Clone, Debug)]
pub struct View {
    /// Slots with an entity.
    pub occupied: u64,
    /// Slots whose entity was introduced, as far as we know.
    pub known: u64,
    /// Slots that the client may hold something in, be it an entity that has left.
    held: u64,
    /// Slots emptied or introduced in a number that is in flight, and not since.
    news: u64,
    /// Slots with unsent change, per group; within `known`.
    dirty: [u64; N_GROUPS],
    /// Slots whose groups travelled in snapshot number n, at `n % RING`; 0 once n is settled or lost. A slot keeps its
    /// bits when it gets another occupant: the worst that a loss does then is to send the new one's groups again.
    sent: [u64; RING],
    /// `n % RING` of the number n that holds a slot's news; valid where `news` has a bit.
    news_at: [u8; SLOTS],
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
    /// Slots that are emptied now, unless they are introduced.
    pub emptied: u64,
    /// Slots without an introduction, at most [`INTRODUCTIONS_MAX`] of which go out.
    pub unknown: u64,
    /// Dirty slots per group.
    pub groups: [u64; N_GROUPS],
    /// Slots with nothing on its way: the client holds all that was sent for them before this tick's marks. A step from
    /// there is enough for a motion that was clean before, see [`View::mark`]: what was lost is dirty.
    pub exact: u64,
    /// The own state is due.
    pub own: bool,
}

impl Plan {
    /// Dirty slots.
    #[must_use]
    #[inline(always)]
    pub fn dirty(&self) -> u64 {
        self.groups.iter().fold(0, |any, mask| any | mask)
    }

    /// Whether nobody would miss this snapshot, but for the input it echoes.
    #[must_use]
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.dirty() | self.unknown | self.emptied == 0 && !self.own
    }
}

/// What acknowledgements said of snapshots in flight: number n as bit `n % RING`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fates {
    /// Applied.
    pub settled: u16,
    /// Will never be applied.
    pub lost: u16,
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
            news: 0,
            dirty: [0; N_GROUPS],
            sent: [0; RING],
            news_at: [0; SLOTS],
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
    /// - Shapes: returns what became known now.
    /// - Cost: one step per snapshot that is settled or lost, and per slot with news in flight.
    #[inline(always)]
    pub fn handle_acks(&mut self, acks: &Acks) -> Fates {
        let newest = acks.newest as u16;
        let age = self.next_number.wrapping_sub(1).wrapping_sub(newest);
        let is_stale = self.acked_once && newest.wrapping_sub(self.newest_acked) > u16::MAX / 2;
        if !acks.seen || age >= u16::from(self.n_sent) || is_stale {
            return Fates::default();
        }
        self.acked_once = true;
        self.newest_acked = newest;
        // Bit 15 - k: number `newest - k`. Turned so that it becomes bit `(newest - k) % RING`.
        let turned = |bits: u16| bits.reverse_bits().rotate_left(u32::from(newest).wrapping_add(1) % 16);
        let applied = turned((acks.before << 1) as u16 | 1);
        let named = turned(u16::MAX >> age) & self.in_flight;
        let fates = Fates { settled: named & applied, lost: named & !applied };
        if named != 0 {
            self.decide(fates);
        }
        fates
    }

    /// Numbers were applied, and their news is confirmed; or they never will be, and all that they held is due again.
    #[inline(always)]
    fn decide(&mut self, fates: Fates) {
        let (mut confirmed, mut undone) = (0, 0);
        for slot in ones(self.news) {
            let place = self.news_at[slot as usize];
            confirmed |= u64::from(fates.settled >> place & 1) << slot;
            undone |= u64::from(fates.lost >> place & 1) << slot;
        }
        self.held &= !(confirmed & !self.known);
        self.known &= !undone;
        self.news &= !(confirmed | undone);
        if fates.lost != 0 {
            self.resend(fates.lost);
        }
        for place in ones(u64::from(fates.settled | fates.lost)) {
            self.sent[place as usize % RING] = 0;
        }
        self.in_flight &= !(fates.settled | fates.lost);
        self.own_sent &= !(fates.settled | fates.lost);
    }

    /// Every group of the slots in lost numbers is dirty.
    #[cold]
    fn resend(&mut self, lost: u16) {
        self.n_lost += lost.count_ones();
        let slots = ones(u64::from(lost)).fold(0, |slots, place| slots | self.sent[place as usize]);
        for dirty in &mut self.dirty {
            *dirty = (*dirty | slots) & self.known;
        }
        self.own_dirty |= self.own_sent & lost != 0;
    }

    /// Gives a slot to an entity that the client does not know there.
    pub fn assign(&mut self, slot: u32) {
        self.assign_all(1 << slot);
    }

    /// Takes a slot's entity away.
    pub fn remove(&mut self, slot: u32) {
        self.remove_all(1 << slot);
    }

    /// Gives slots to entities that the client does not know there.
    #[inline(always)]
    pub fn assign_all(&mut self, slots: u64) {
        self.remove_all(slots);
        self.occupied |= slots;
    }

    /// Takes the entities of slots away: nothing that was sent for them counts any more.
    #[inline(always)]
    pub fn remove_all(&mut self, slots: u64) {
        let keep = !slots;
        self.occupied &= keep;
        self.known &= keep;
        self.dirty.iter_mut().for_each(|mask| *mask &= keep);
        self.news &= keep;
    }

    /// One group of some slots has changed. Returns those that were clean in it.
    #[inline(always)]
    pub fn mark(&mut self, group: usize, slots: u64) -> u64 {
        let before = self.dirty[group];
        self.dirty[group] = before | slots & self.known;
        slots & !before
    }

    /// The own state has changed.
    #[inline(always)]
    pub fn mark_own(&mut self) {
        self.own_dirty = true;
    }

    /// Whether the own state waits to be sent.
    #[must_use]
    #[inline(always)]
    pub fn owes_own(&self) -> bool {
        self.own_dirty
    }

    /// Slots with something that the next snapshot should hold: news of a group, an introduction, or that they are empty.
    #[must_use]
    #[inline(always)]
    pub fn due(&self) -> u64 {
        let dirty = self.dirty.iter().fold(0, |any, mask| any | mask);
        dirty | self.occupied & !self.known | self.held & !self.known & !self.news
    }

    /// Empty slots.
    #[must_use]
    pub fn free(&self) -> u64 {
        !self.occupied
    }

    /// Snapshots sent since the newest acknowledged one.
    #[must_use]
    #[inline(always)]
    pub fn span(&self) -> u16 {
        self.next_number.wrapping_sub(1).wrapping_sub(self.newest_acked)
    }

    /// Whether a snapshot may go out in this tick: a client that falls behind gets every second one, and a
    /// stream that queues gets none.
    #[must_use]
    #[inline(always)]
    pub fn may_send(&self, tick: u32) -> bool {
        // The number that leaves the ring with the next snapshot does not count: it is as good as lost.
        let n_in_flight = (self.in_flight & !(1 << at(self.next_number))).count_ones();
        n_in_flight < u32::from(self.in_flight_max) && (self.span() <= SPAN_SLOW || tick.is_multiple_of(2))
    }

    /// Begins the next snapshot. The number that leaves the ring is lost.
    #[must_use]
    #[inline(always)]
    pub fn open(&mut self) -> Plan {
        let number = self.next_number;
        // Before a loss takes from it: what is lost only now was still clean when this tick's changes were marked.
        let on_its_way = self.sent.iter().fold(0, |any, mask| any | mask);
        if self.in_flight >> at(number) & 1 == 1 {
            self.decide(Fates { settled: 0, lost: 1 << at(number) }); // sent RING numbers ago
        }
        Plan { exact: !on_its_way, ..self.plan() }
    }

    /// What the next snapshot would hold if it went now, without steps.
    #[must_use]
    #[inline(always)]
    pub fn plan(&self) -> Plan {
        Plan {
            number: self.next_number,
            emptied: self.held & !self.known & !self.news,
            unknown: self.occupied & !self.known,
            groups: self.dirty,
            exact: 0,
            own: self.own_dirty,
        }
    }

    /// The planned snapshot goes out with these introductions, and with all planned groups. What the owner took out
    /// of the plan's groups stays dirty.
    ///
    /// - Shapes: `introduced` lies in `plan.unknown`; returns the slots whose news to write: [`View::news_age`].
    #[must_use]
    #[inline(always)]
    pub fn commit(&mut self, plan: &Plan, introduced: u64) -> u64 {
        debug_assert!(
            introduced & !plan.unknown == 0 && introduced.count_ones() as usize <= INTRODUCTIONS_MAX
        );
        let (here, dirty) = (at(plan.number), plan.dirty());
        let new = plan.emptied | introduced;
        if new != 0 {
            ones(new).for_each(|slot| self.news_at[slot as usize] = here as u8);
            self.news |= new;
            self.known |= introduced;
            self.held |= introduced;
        }
        self.sent[here] = dirty | introduced;
        self.dirty.iter_mut().zip(&plan.groups).for_each(|(dirty, sent)| *dirty &= !sent);
        self.own_sent |= u16::from(plan.own) << here;
        self.own_dirty = false;
        self.in_flight |= 1 << here;
        self.next_number = plan.number.wrapping_add(1);
        self.n_sent = (self.n_sent + 1).min(RING as u8);
        self.news & !introduced
    }

    /// Slots whose news a snapshot must list beside its introductions, at most: what is emptied in it, and what is yet to
    /// be acknowledged.
    #[must_use]
    pub fn news_due(&self, plan: &Plan) -> u64 {
        self.news | plan.emptied
    }

    /// Number of the newest snapshot that was sent; before the first, the one before it.
    #[must_use]
    pub fn newest_sent(&self) -> u16 {
        self.next_number.wrapping_sub(1)
    }

    /// How many numbers before `number` a slot's news happened.
    #[must_use]
    #[inline(always)]
    pub fn news_age(&self, number: u16, slot: u32) -> u32 {
        u32::from(number.wrapping_sub(u16::from(self.news_at[slot as usize % SLOTS]))) % RING as u32
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
        for (place, mask) in self.sent.iter().enumerate() {
            assert!(*mask == 0 || self.in_flight >> place & 1 == 1, "something sent in a settled snapshot");
        }
        for slot in ones(self.news) {
            let place = self.news_at[slot as usize];
            assert!(self.in_flight >> place & 1 == 1, "news of slot {slot} in a settled snapshot");
        }
    }

    /// Slots in use, lowest first.
    pub fn slots(&self) -> impl Iterator<Item = u32> + use<> {
        ones(self.occupied)
    }
}

#[inline(always)]
fn at(number: u16) -> usize {
    usize::from(number) % RING
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends the next snapshot with every introduction that is due; returns its number and its news by age.
    fn send(view: &mut View) -> (u16, [u64; RING]) {
        let plan = view.open();
        let mut news = [0; RING];
        for slot in ones(view.commit(&plan, plan.unknown)) {
            news[view.news_age(plan.number, slot) as usize] |= 1 << slot;
        }
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
    fn a_step_needs_everything_before_it_to_have_arrived() {
        let mut view = View::new(IN_FLIGHT_DATAGRAMS);
        view.assign(5);
        send(&mut view);
        assert_eq!(view.mark(0, 1 << 5), 1 << 5);
        assert_eq!(view.open().exact & 1 << 5, 0, "the introduction is on its way");
        ack(&mut view, 0, 0);
        assert_eq!(view.open().exact & 1 << 5, 1 << 5);
        send(&mut view);
        send(&mut view);
        ack(&mut view, 2, 0);
        assert_eq!(view.mark(0, 1 << 5), 0, "the lost motion has yet to be sent again");
        // Nobody acknowledges any more, and the last number that held the slot leaves the ring.
        let number = send(&mut view).0;
        for _ in 1..RING {
            send(&mut view);
        }
        assert_eq!(view.mark(0, 1 << 5), 1 << 5);
        let plan = view.open();
        assert_eq!((plan.number, plan.exact & 1 << 5), (number + RING as u16, 0));
    }

    #[test]
    fn a_motion_that_was_held_back_stays_dirty_and_the_next_one_is_no_step() {
        let mut view = View::new(IN_FLIGHT_DATAGRAMS);
        view.assign(5);
        send(&mut view);
        ack(&mut view, 0, 0);
        assert_eq!(view.mark(0, 1 << 5), 1 << 5);
        let mut plan = view.open();
        plan.groups[0] = 0;
        assert_eq!(view.commit(&plan, 0), 0);
        view.check();
        assert_eq!(view.mark(0, 1 << 5), 0, "the client lacks the motion before");
        let plan = view.open();
        assert_eq!((plan.groups[0], plan.exact & 1 << 5), (1 << 5, 1 << 5), "nothing of it is on its way");
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
        assert_eq!(view.handle_acks(&acks(1, 0)), Fates { settled: 1 << 1, lost: 1 }, "number 0 is lost");
        assert_eq!(
            view.handle_acks(&acks(2, 0b11)),
            Fates { settled: 1 << 2, lost: 0 },
            "number 0 came back"
        );
    }

    #[test]
    fn a_slot_given_to_another_is_never_known_by_an_old_acknowledgement() {
        let mut view = View::new(IN_FLIGHT_DATAGRAMS);
        view.assign(7);
        send(&mut view);
        view.remove(7);
        view.assign(7);
        let plan = view.open();
        assert_eq!(plan.emptied, 1 << 7, "the old introduction still counts as news");
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
