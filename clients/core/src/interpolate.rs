//! Where to draw the others: a tenth of a second behind the newest tick, without jumps. A zone may hold back news for as
//! long, so what it held back is there when it is drawn.
//!
//! A slot keeps the segment that it shows and the one that follows. Where one ends and the next begins there is a
//! step of a few centimetres; it is taken at once and paid off over the next ticks. Floats are fine: nothing here
//! comes back to the simulation.

use crate::view::View;
use netproto::SLOTS;
use netproto::quantise::Segment;
use netproto::snapshot::ones;

/// How far behind the newest tick others are shown.
pub const DELAY_MS: u32 = 100;
/// Ticks after which half of a step is paid off.
const HALF_LIFE_TICKS: f32 = 1.6;
/// A longer step is a teleport: it is shown as such.
const STEP_MM_MAX: f32 = 2_000.0;
/// Nothing is extrapolated further beyond its segment; it stands still from there on.
const EXTRAPOLATE_TICKS_MAX: f32 = 20.0;

/// A moment between two ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moment {
    /// The tick before it.
    pub tick: u32,
    /// Share of the tick that has passed, 0.0..1.0.
    pub part: f32,
}

impl Moment {
    /// The moment to draw when the snapshot of this moment is the one that should be arriving.
    #[must_use]
    pub fn to_draw(arriving_tick: u32, part: f32, ticks_per_second: u32) -> Self {
        Self { tick: arriving_tick.wrapping_sub(DELAY_MS * ticks_per_second / 1000), part }
    }

    fn since(self, tick: u32) -> f32 {
        self.tick.wrapping_sub(tick) as i32 as f32 + self.part
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Shown {
    entity: u32,
    now: Segment,
    next: Segment,
    /// What is still to be paid off at the begin of `now`.
    step_mm: (f32, f32),
}

/// Smoothed positions of one view's slots.
#[derive(Clone, Debug)]
pub struct Interpolator {
    known: u64,
    shown: [Shown; SLOTS],
}

impl Default for Interpolator {
    fn default() -> Self {
        Self { known: 0, shown: [Shown::default(); SLOTS] }
    }
}

impl Interpolator {
    /// A snapshot was applied: takes what is new in the view.
    ///
    /// - Cost: one comparison per slot in use.
    pub fn handle_view(&mut self, view: &View, moment: Moment) {
        let known = self.known;
        self.known = view.occupied();
        for slot in ones(view.occupied()) {
            let at = slot as usize;
            let (entity, segment) = (view.slots().entity[at], view.slots().segment[at]);
            let shown = &mut self.shown[at];
            if known >> slot & 1 == 0 || shown.entity != entity {
                *shown = Shown { entity, now: segment, next: segment, step_mm: (0.0, 0.0) };
            } else if shown.next != segment {
                shown.settle(moment);
                shown.next = segment;
            }
        }
    }

    /// Where to draw the entity in a slot, in mm; nothing if the slot is empty.
    pub fn at(&mut self, slot: u32, moment: Moment) -> Option<(f32, f32)> {
        if self.known.checked_shr(slot).unwrap_or(0) & 1 == 0 {
            return None;
        }
        let shown = &mut self.shown[slot as usize];
        if moment.since(shown.next.tick) >= 0.0 {
            shown.settle(moment);
        }
        Some(shown.at(moment))
    }
}

impl Shown {
    /// Goes on with the next segment, and keeps the step between the two as a debt.
    fn settle(&mut self, moment: Moment) {
        if self.now == self.next {
            return;
        }
        let begin = if moment.since(self.next.tick) >= 0.0 {
            Moment { tick: self.next.tick, part: 0.0 }
        } else {
            moment
        };
        let (old, new) = (self.at(begin), extrapolated(&self.next, begin));
        let step = (old.0 - new.0, old.1 - new.1);
        let is_small = step.0.abs().max(step.1.abs()) <= STEP_MM_MAX;
        self.step_mm = if is_small { step } else { (0.0, 0.0) };
        self.now = self.next;
    }

    fn at(&self, moment: Moment) -> (f32, f32) {
        let (x, y) = extrapolated(&self.now, moment);
        let left = 0.5f32.powf(moment.since(self.now.tick).max(0.0) / HALF_LIFE_TICKS);
        (x + self.step_mm.0 * left, y + self.step_mm.1 * left)
    }
}

fn extrapolated(segment: &Segment, moment: Moment) -> (f32, f32) {
    let dt = moment.since(segment.tick).min(EXTRAPOLATE_TICKS_MAX);
    (segment.x_mm as f32 + f32::from(segment.vx) * dt, segment.y_mm as f32 + f32::from(segment.vy) * dt)
}

#[cfg(test)]
mod tests {
    use super::*;
    use netproto::snapshot::Frame;
    use netproto::{Header, Introduction, Motion, Own};

    fn apply(view: &mut View, number: u32, tick: u32, segment: Segment) {
        let own = Own { x_mm: 50_000, y_mm: 50_000, state: None };
        let mut frame =
            Frame { header: Header { number, tick, ..Header::default() }, own, ..Frame::default() };
        let motion = segment.to_motion();
        if number == 0 {
            frame.introductions[0] = Introduction { slot: 4, entity: 9, motion, ..Introduction::default() };
            frame.n_introductions = 1;
        } else {
            frame.groups[Motion::GROUP] = 1 << 4;
            frame.motion[4] = motion;
        }
        assert!(view.apply(&frame));
    }

    #[test]
    fn a_changed_course_is_drawn_without_a_jump_and_ends_where_it_should() {
        let (mut view, mut drawn) = (View::default(), Interpolator::default());
        let mut last: Option<(f32, f32)> = None;
        for sub in 0..400u32 {
            let (tick, part) = (1_000 + sub / 10, (sub % 10) as f32 / 10.0);
            let moment = Moment::to_draw(tick, part, 20);
            if sub % 100 == 0 {
                // Every ten ticks another direction, and 200 mm off the old course.
                let leg = sub as i32 / 100;
                let velocity = if leg % 2 == 0 { (300, 0) } else { (0, 300) };
                let (x, y) = (50_000 + (leg + 1) / 2 * 3_200, 50_000 + leg / 2 * 3_200);
                apply(&mut view, sub / 100, tick, Segment::anchored(x, y, velocity.0, velocity.1, tick));
                drawn.handle_view(&view, moment);
            }
            let at = drawn.at(4, moment).unwrap();
            if let Some(last) = last {
                let moved = (at.0 - last.0).hypot(at.1 - last.1);
                assert!(moved < 60.0, "jumped by {moved} mm at {sub}");
            }
            last = Some(at);
        }
        let truth = view.at(4, 1_037).unwrap();
        let at = last.unwrap();
        assert!(
            (at.0 - truth.0 as f32).abs() < 300.0 && (at.1 - truth.1 as f32).abs() < 300.0,
            "{at:?} {truth:?}"
        );
    }

    #[test]
    fn news_that_was_held_back_for_a_tenth_of_a_second_is_drawn_as_if_it_had_come_at_once() {
        for (ticks_per_second, held_ticks) in [(20, 2), (30, 3)] {
            let courses = [0, held_ticks].map(|held_ticks| {
                let (mut view, mut drawn) = (View::default(), Interpolator::default());
                let mut places = Vec::new();
                for tick in 1_000..1_040 {
                    let moment = Moment::to_draw(tick, 0.0, ticks_per_second);
                    let since = tick.wrapping_sub(held_ticks);
                    if since > 1_000 && since.is_multiple_of(10) || tick == 1_000 {
                        let (number, at) = ((since.max(1_000) - 1_000) / 10, since.max(1_000));
                        let leg = number as i32;
                        let segment = Segment::anchored(50_000 + leg * 900, 50_000, 100, 200 * (leg % 2), at);
                        apply(&mut view, number, tick, segment);
                        drawn.handle_view(&view, moment);
                    }
                    places.push(drawn.at(4, moment).unwrap());
                }
                places
            });
            assert_eq!(courses[0], courses[1], "at {ticks_per_second} Hz");
        }
    }

    #[test]
    fn an_empty_slot_and_a_slot_that_does_not_exist_are_drawn_nowhere() {
        let mut drawn = Interpolator::default();
        assert_eq!(drawn.at(3, Moment::default()), None);
        assert_eq!(drawn.at(64, Moment::default()), None);
    }
}
