//! The client's slot rules against frames made by hand, and against the server's half under loss.

use super::*;
use netproto::peer;
use netproto::snapshot::{FRAME_BUFFER_BYTES, Parts, Slots as Columns, decode, encode};
use netproto::{Header, Hit, INTRODUCTIONS_MAX, N_GROUPS, Own, SlotNews, TimedBody};

fn frame(number: u16) -> Frame {
    let header = Header { number: u32::from(number), tick: 1_000 + u32::from(number), ..Header::default() };
    Frame { header, ..Frame::default() }
}

fn with_news(mut frame: Frame, slot: u32, age: u32) -> Frame {
    frame.news[frame.n_news] = SlotNews { slot, age };
    frame.n_news += 1;
    frame
}

fn with_introduction(mut frame: Frame, slot: u32, entity: u32) -> Frame {
    frame.introductions[frame.n_introductions] = Introduction { slot, entity, ..Introduction::default() };
    frame.n_introductions += 1;
    frame
}

fn with_vitals(mut frame: Frame, slot: u32, health_128th: u32) -> Frame {
    frame.groups[Vitals::GROUP] |= 1 << slot;
    frame.vitals[slot as usize] = Vitals { health_128th };
    frame
}

fn with_timed(mut frame: Frame, sequence: u32) -> Frame {
    let body = TimedBody::Hit(Hit { amount: sequence, ..Hit::default() });
    frame.timed[frame.n_timed] = Timed { sequence, age: 0, body };
    frame.n_timed += 1;
    frame
}

#[test]
fn a_lost_removal_empties_the_slot_by_the_news_of_a_later_number() {
    let mut view = View::default();
    view.apply(&with_introduction(frame(0), 3, 77));
    // Number 1 removed slot 3 and is lost; number 2 lists it with age 1.
    view.apply(&with_news(with_vitals(frame(2), 3, 50), 3, 1));
    assert_eq!(view.occupied(), 0, "a slot with news that was not applied must be empty");
    assert_eq!(view.slots().vitals[3].health_128th, 0, "groups of an empty slot are ignored");
}

#[test]
fn news_of_a_number_that_was_applied_changes_nothing() {
    let mut view = View::default();
    view.apply(&with_introduction(frame(0), 3, 77));
    view.apply(&with_vitals(with_news(frame(1), 3, 1), 3, 50));
    assert_eq!((view.occupied(), view.slots().vitals[3].health_128th), (1 << 3, 50));
}

#[test]
fn after_a_lost_introduction_groups_wait_for_the_next_one() {
    let mut view = View::default();
    view.apply(&with_introduction(frame(0), 3, 77));
    // Number 1 gave slot 3 to entity 78 and is lost.
    view.apply(&with_vitals(with_news(frame(2), 3, 1), 3, 50));
    assert_eq!(view.at(3, 1_002), None);
    view.apply(&with_introduction(frame(3), 3, 78));
    view.apply(&with_vitals(with_news(frame(4), 3, 1), 3, 51));
    assert_eq!((view.slots().entity[3], view.slots().vitals[3].health_128th), (78, 51));
    view.check();
}

#[test]
fn a_slot_emptied_and_introduced_in_one_frame_holds_the_new_entity() {
    let mut view = View::default();
    view.apply(&with_introduction(frame(0), 3, 77));
    view.apply(&with_introduction(with_news(frame(1), 3, 0), 3, 78));
    assert_eq!((view.occupied(), view.slots().entity[3]), (1 << 3, 78));
}

#[test]
fn a_late_snapshot_is_discarded_and_its_ack_bit_stays_zero() {
    let mut view = View::default();
    assert!(view.apply(&frame(0)) && view.apply(&frame(2)));
    assert!(!view.apply(&with_introduction(frame(1), 3, 77)), "number 1 is late");
    assert!(!view.apply(&frame(2)), "number 2 comes twice");
    assert_eq!((view.acks().newest, view.acks().before, view.occupied()), (2, 0b10, 0));
    assert_eq!(view.counts, Counts { applied: 2, late: 2, decode_errors: 0 });
}

#[test]
fn a_repeated_timed_event_is_fresh_once() {
    let mut view = View::default();
    view.apply(&with_timed(with_timed(frame(0), 254), 255));
    assert_eq!(view.fresh_timed().len(), 2);
    view.apply(&with_timed(with_timed(frame(1), 255), 0));
    let sequences: Vec<u32> = view.fresh_timed().iter().map(|timed| timed.sequence).collect();
    assert_eq!(sequences, [0]);
    view.apply(&frame(2));
    assert!(view.fresh_timed().is_empty());
}

#[test]
fn a_telegraph_that_is_repeated_is_shown_once_where_it_was_meant() {
    let mut view = View::default();
    let (x_16mm, y_16mm) = ((200_000 & 131_071) / 16, 300_000 % 131_072 / 16);
    let circle = netproto::Circle { x_16mm, y_16mm, radius_64mm: 10, windup_ticks: 12, ..Default::default() };
    for (number, age) in [(0u16, 1), (1, 2), (2, 3)] {
        let mut frame = frame(number);
        // The own body walks; the place is the same all the time.
        (frame.own.x_mm, frame.own.y_mm) = (199_000 + 300 * u32::from(number), 301_000);
        frame.timed[0] = Timed { sequence: 9, age, body: TimedBody::Circle(circle) };
        frame.n_timed = 1;
        view.apply(&frame);
        assert_eq!(view.fresh_timed().len(), usize::from(number == 0));
        let told: Vec<_> = view.circles().iter().map(|c| (c.at, c.announced, c.impact)).collect();
        assert_eq!(told, [((200_000, 300_000), 999, 1_011)], "after snapshot {number}");
    }
}

/// A server's truth about 64 slots.
#[derive(Clone)]
struct Truth {
    entity: [u32; SLOTS],
    health: [u32; SLOTS],
    x_mm: [i32; SLOTS],
    news_age: [u32; SLOTS],
    tick: u32,
}

impl Columns for Truth {
    fn occupant(&self, slot: u32) -> (u32, Kind) {
        (self.entity[slot as usize], Kind::default())
    }
    fn run(&self, group: usize, slot: u32) -> u64 {
        let at = slot as usize;
        match group {
            Motion::GROUP => Segment::anchored(self.x_mm[at], 500_000, 0, 0, self.tick).to_motion().pack(),
            Vitals::GROUP => Vitals { health_128th: self.health[at] }.pack(),
            Status::GROUP => Status::default().pack(),
            _ => Look::default().pack(),
        }
    }
    fn news_age(&self, slot: u32) -> u32 {
        self.news_age[slot as usize]
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// One server view, its truth, and what is under way to the client.
struct Server {
    view: peer::View,
    truth: Truth,
    next_entity: u32,
    /// Slots whose motion changed a little since the last round, and was clean.
    stepped: u64,
    n_steps: u32,
    random: Random,
}

impl Server {
    fn new(seed: u64) -> Self {
        let none = [0; SLOTS];
        let truth = Truth { entity: none, health: none, x_mm: [0; SLOTS], news_age: none, tick: 500 };
        Self {
            view: peer::View::new(15),
            truth,
            next_entity: 1,
            stepped: 0,
            n_steps: 0,
            random: Random(seed),
        }
    }

    fn change_the_world(&mut self) {
        self.stepped = 0;
        for _ in 0..self.random.below(12) {
            let slot = self.random.below(64) as u32;
            let at = slot as usize;
            match self.random.below(6) {
                0 => self.view.remove(slot),
                1 => {
                    self.view.assign(slot);
                    self.truth.entity[at] = self.next_entity;
                    self.next_entity += 1;
                    self.truth.health[at] = 100;
                    self.truth.x_mm[at] = 500_000;
                }
                2 => {
                    self.truth.health[at] = self.random.below(128) as u32;
                    self.view.mark(Vitals::GROUP, 1 << slot);
                }
                3 => {
                    self.truth.x_mm[at] = 480_000 + 16 * self.random.below(2_000) as i32;
                    self.stepped &= !(1 << slot);
                    self.view.mark(Motion::GROUP, 1 << slot);
                }
                _ => {
                    self.truth.x_mm[at] += 16 * (self.random.below(120) as i32 - 60);
                    // A second step before the first was sent leads too far.
                    self.stepped &= !(1 << slot);
                    self.stepped |= self.view.mark(Motion::GROUP, 1 << slot) & self.view.known;
                }
            }
        }
    }

    fn send(&mut self) -> Vec<u8> {
        self.truth.tick += 1;
        let plan = self.view.open();
        let introduced = ones(plan.unknown).take(INTRODUCTIONS_MAX).fold(0, |mask, slot| mask | 1 << slot);
        let news = self.view.commit(&plan, introduced);
        ones(news)
            .for_each(|slot| self.truth.news_age[slot as usize] = self.view.news_age(plan.number, slot));
        let mut groups = plan.groups;
        let steps = groups[Motion::GROUP] & self.stepped & plan.exact;
        groups[Motion::GROUP] &= !steps;
        self.n_steps += steps.count_ones();
        let header = Header { number: u32::from(plan.number), tick: self.truth.tick, ..Header::default() };
        let own = Own { x_mm: 500_000, y_mm: 500_000, state: None };
        let parts = Parts { header, own, news, introduced, steps, groups, timed: &[] };
        let mut buffer = [0; FRAME_BUFFER_BYTES];
        let n_bytes = encode(&parts, &self.truth, &mut buffer);
        self.view.check();
        buffer[..n_bytes].to_vec()
    }
}

fn agree(client: &View, server: &Server, truth: &Truth, what: &str) {
    for slot in ones(client.occupied()) {
        let at = slot as usize;
        assert_eq!(client.slots().entity[at], truth.entity[at], "{what}: another entity in slot {slot}");
    }
    let _ = server;
}

/// The worst network that still delivers something: loss, delay by up to three frames, reordering, lost acks.
fn play_over_a_bad_network(seed: u64, loss_percent: u64) {
    let mut server = Server::new(seed);
    let mut client = View::default();
    let mut under_way: Vec<(u64, Vec<u8>, Truth)> = Vec::new();
    let mut frame = Frame::default();
    for round in 0..1_500u64 {
        let is_calm = round % 300 > 250; // calm at the end of each stretch: everything must come right
        server.stepped = 0;
        if !is_calm {
            server.change_the_world();
        }
        if server.view.may_send(round as u32) {
            let bytes = server.send();
            let delay = if is_calm { 0 } else { server.random.below(4) };
            if is_calm || server.random.below(100) >= loss_percent {
                under_way.push((round + delay, bytes, server.truth.clone()));
            }
        }
        let (due, later): (Vec<_>, Vec<_>) = under_way.into_iter().partition(|(at, ..)| *at <= round);
        under_way = later;
        for (_, bytes, truth) in due {
            decode(&bytes, &mut frame).unwrap();
            if client.apply(&frame) {
                agree(&client, &server, &truth, &format!("seed {seed}, round {round}"));
                client.check();
            }
        }
        if is_calm || server.random.below(100) >= loss_percent {
            server.view.handle_acks(&client.acks());
        }
        if round % 300 == 299 {
            assert_eq!(client.occupied(), server.view.occupied, "seed {seed}, round {round}");
            for slot in ones(client.occupied()) {
                let at = slot as usize;
                assert_eq!(
                    client.slots().vitals[at].health_128th,
                    server.truth.health[at],
                    "health in {slot}"
                );
                assert_eq!(client.slots().segment[at].x_mm, server.truth.x_mm[at], "place in {slot}");
            }
        }
    }
    assert!(client.counts.applied > 200 && client.counts.late > 50, "{:?}", client.counts);
    assert!(server.n_steps > 100, "{} steps", server.n_steps);
}

#[test]
fn whatever_is_lost_or_late_a_slot_never_shows_another_entity_and_calm_brings_agreement() {
    for seed in 0..40 {
        play_over_a_bad_network(seed, 5 + seed % 4 * 15);
    }
}

#[test]
fn every_group_count_is_looked_at() {
    assert_eq!(N_GROUPS, 4, "take_groups copies four groups: teach it the new one");
}
