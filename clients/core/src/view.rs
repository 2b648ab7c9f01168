//! What a client sees: 64 slots, filled by applied snapshots and by nothing else.
//!
//! Source: docs/PROTOCOL.md "Frame", the client's half; the server's is `netproto::peer`.

use crate::effects::{Circle, Effects, Shot};
use crate::history::{Numbers, Sequences};
use kernel::walls::Walls;
use netproto::quantise::Segment;
use netproto::snapshot::{Frame, ones};
use netproto::{
    Acks, Introduction, Kind, Look, Motion, MoveState, OwnState, SLOTS, Status, TIMED_PENDING_MAX, Timed,
    Vitals,
};

/// What happened to the snapshots of one connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Applied.
    pub applied: u64,
    /// Discarded: a later one, or this one, was applied before.
    pub late: u64,
    /// Did not decode.
    pub decode_errors: u64,
}

/// One value per slot in every column; valid where [`View::occupied`] has a bit.
#[derive(Clone, Debug)]
pub struct Slots {
    /// EntityId.
    pub entity: [u32; SLOTS],
    /// What it is.
    pub kind: [Kind; SLOTS],
    /// Where it is and goes.
    pub segment: [Segment; SLOTS],
    /// Health.
    pub vitals: [Vitals; SLOTS],
    /// What it does.
    pub status: [Status; SLOTS],
    /// What hardly changes.
    pub look: [Look; SLOTS],
}

/// The own body as the newest snapshot shows it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Body {
    /// East.
    pub x_mm: i32,
    /// South.
    pub y_mm: i32,
    /// State as it was sent last: a snapshot holds it only while it is news.
    pub state: Option<OwnState>,
    /// Tick of the snapshot that held the state.
    pub state_tick: u32,
}

impl Body {
    /// Whether the body waits to come back.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.state.is_some_and(|state| state.move_state == MoveState::Dead)
    }
}

/// One connection's view. A new connection begins with a new one, be it the same player.
#[derive(Clone, Debug)]
pub struct View {
    occupied: u64,
    tick: u32,
    slots: Slots,
    body: Body,
    numbers: Numbers,
    sequences: Sequences,
    n_fresh: usize,
    fresh: [Timed; TIMED_PENDING_MAX],
    effects: Effects,
    /// What happened so far.
    pub counts: Counts,
}

impl Default for View {
    fn default() -> Self {
        let slots = Slots {
            entity: [0; SLOTS],
            kind: [Kind::default(); SLOTS],
            segment: [Segment::default(); SLOTS],
            vitals: [Vitals::default(); SLOTS],
            status: [Status::default(); SLOTS],
            look: [Look::default(); SLOTS],
        };
        Self {
            occupied: 0,
            tick: 0,
            slots,
            body: Body::default(),
            numbers: Numbers::default(),
            sequences: Sequences::default(),
            n_fresh: 0,
            fresh: [Timed::default(); TIMED_PENDING_MAX],
            effects: Effects::default(),
            counts: Counts::default(),
        }
    }
}

impl View {
    /// Applies a decoded snapshot; false, and no change but a count, if it comes late.
    ///
    /// - Cost: one store per received (slot, group); no allocation.
    pub fn apply(&mut self, frame: &Frame) -> bool {
        let number = frame.header.number as u16;
        if !self.numbers.is_next(number) {
            self.counts.late += 1;
            return false;
        }
        self.take_body(frame);
        self.take_news(frame, number);
        for introduction in &frame.introductions[..frame.n_introductions] {
            self.introduce(introduction);
        }
        self.take_groups(frame);
        self.take_timed(frame);
        self.numbers.insert(number);
        self.counts.applied += 1;
        true
    }

    /// As [`View::apply`] for a client that looks at header and own body only: its slots stay empty.
    pub fn apply_thin(&mut self, frame: &Frame) -> bool {
        let number = frame.header.number as u16;
        if !self.numbers.is_next(number) {
            self.counts.late += 1;
            return false;
        }
        self.take_body(frame);
        self.numbers.insert(number);
        self.counts.applied += 1;
        true
    }

    /// Snapshots applied, as an input datagram tells it.
    #[must_use]
    pub fn acks(&self) -> Acks {
        self.numbers.acks()
    }

    /// Slots with an entity.
    #[must_use]
    pub fn occupied(&self) -> u64 {
        self.occupied
    }

    /// The columns.
    #[must_use]
    pub fn slots(&self) -> &Slots {
        &self.slots
    }

    /// The own body.
    #[must_use]
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// Tick of the newest snapshot.
    #[must_use]
    pub fn tick(&self) -> u32 {
        self.tick
    }

    /// Where the entity in a slot is at `tick`, in mm; nothing if the slot is empty.
    #[must_use]
    pub fn at(&self, slot: u32, tick: u32) -> Option<(i32, i32)> {
        let is_occupied = self.occupied.checked_shr(slot).unwrap_or(0) & 1 == 1;
        is_occupied.then(|| self.slots.segment[slot as usize].at(tick))
    }

    /// Timed events that the newest snapshot brought for the first time.
    #[must_use]
    pub fn fresh_timed(&self) -> &[Timed] {
        &self.fresh[..self.n_fresh]
    }

    /// Circles that were announced, in the order in which they were told; for a while longer than they last.
    #[must_use]
    pub fn circles(&self) -> &[Circle] {
        self.effects.circles()
    }

    /// Projectiles that were announced, in the order in which they were told; for a while longer than they last.
    #[must_use]
    pub fn shots(&self) -> &[Shot] {
        self.effects.shots()
    }

    /// Lets projectiles that were told since the last call end at the walls.
    pub fn stop_at_walls(&mut self, walls: &Walls) {
        self.effects.stop_at_walls(walls);
    }

    /// Checks what an honest server's snapshots lead to, whatever was lost between them.
    ///
    /// # Panics
    /// When an entity sits in two slots, or a segment lies in the future.
    pub fn check(&self) {
        for slot in ones(self.occupied) {
            let at = slot as usize;
            let later = ones(self.occupied).filter(|other| *other > slot);
            for other in later {
                let same = self.slots.entity[at] == self.slots.entity[other as usize];
                assert!(!same, "entity {:#x} sits in slots {slot} and {other}", self.slots.entity[at]);
            }
            let age = self.tick.wrapping_sub(self.slots.segment[at].tick) as i32;
            assert!(0 <= age, "slot {slot} holds a segment {} ticks ahead", -age);
        }
    }

    fn take_body(&mut self, frame: &Frame) {
        self.tick = frame.header.tick;
        self.body.x_mm = frame.own.x_mm as i32;
        self.body.y_mm = frame.own.y_mm as i32;
        if frame.own.state.is_some() {
            self.body.state = frame.own.state;
            self.body.state_tick = frame.header.tick;
        }
    }

    /// A slot is emptied when it is news now, or was news in a number that this client never applied.
    fn take_news(&mut self, frame: &Frame, number: u16) {
        for news in &frame.news[..frame.n_news] {
            // Age 0 is this very number, which is not applied yet.
            if !self.numbers.holds(number.wrapping_sub(news.age as u16)) {
                self.occupied &= !(1 << news.slot);
            }
        }
    }

    fn introduce(&mut self, introduction: &Introduction) {
        let at = introduction.slot as usize;
        self.occupied |= 1 << introduction.slot;
        self.slots.entity[at] = introduction.entity;
        self.slots.kind[at] = introduction.kind;
        self.slots.segment[at] = self.resolve(&introduction.motion);
        self.slots.vitals[at] = introduction.vitals;
        self.slots.status[at] = introduction.status;
        self.slots.look[at] = introduction.look;
    }

    /// Groups of an empty slot are meant for an entity that this client was never introduced to.
    fn take_groups(&mut self, frame: &Frame) {
        for slot in ones(frame.steps & self.occupied) {
            let segment = &mut self.slots.segment[slot as usize];
            *segment = segment.stepped(&frame.step[slot as usize], self.tick);
        }
        for slot in ones(frame.groups[Motion::GROUP] & self.occupied) {
            self.slots.segment[slot as usize] = self.resolve(&frame.motion[slot as usize]);
        }
        copy(&mut self.slots.vitals, &frame.vitals, frame.groups[Vitals::GROUP] & self.occupied);
        copy(&mut self.slots.status, &frame.status, frame.groups[Status::GROUP] & self.occupied);
        copy(&mut self.slots.look, &frame.look, frame.groups[Look::GROUP] & self.occupied);
    }

    fn take_timed(&mut self, frame: &Frame) {
        self.n_fresh = 0;
        self.effects.expire(self.tick);
        for timed in &frame.timed[..frame.n_timed] {
            if self.sequences.insert(timed.sequence as u8, self.tick) {
                self.effects.take(timed, self.tick, (self.body.x_mm, self.body.y_mm));
                self.fresh[self.n_fresh] = *timed;
                self.n_fresh += 1;
            }
        }
    }

    fn resolve(&self, motion: &Motion) -> Segment {
        Segment::from_motion(motion, self.tick, self.body.x_mm, self.body.y_mm)
    }
}

fn copy<T: Copy>(column: &mut [T; SLOTS], values: &[T; SLOTS], mask: u64) {
    for slot in ones(mask) {
        column[slot as usize] = values[slot as usize];
    }
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
