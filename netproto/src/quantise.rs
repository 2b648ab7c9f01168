//! Millimetres to wire steps and back; segments that a client extrapolates.

use crate::{Motion, POSITION_STEP_MM, POSITION_WRAP_MM, SEGMENT_AGE_TICKS_MAX, Step};

const STEP_SHIFT: u32 = POSITION_STEP_MM.trailing_zeros();
const WRAP_MASK: i32 = POSITION_WRAP_MM - 1;
const _: () = assert!(POSITION_STEP_MM.count_ones() == 1 && POSITION_WRAP_MM.count_ones() == 1);
// The tick's low four bits must not be ambiguous, and one more tick may pass before the frame is applied.
const _: () = assert!(SEGMENT_AGE_TICKS_MAX < 15);

/// A position and a velocity from a tick on: where an entity is, until it is told otherwise.
///
/// - Units: position in mm, a multiple of 16; velocity in mm per tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Segment {
    /// East.
    pub x_mm: i32,
    /// South.
    pub y_mm: i32,
    /// East, within the wire's bounds.
    pub vx: i16,
    /// South, within the wire's bounds.
    pub vy: i16,
    /// When the position held.
    pub tick: u32,
}

impl Segment {
    /// A segment from a true position and displacement, rounded and saturated as the wire needs it.
    #[must_use]
    #[inline]
    pub fn anchored(x_mm: i32, y_mm: i32, vx: i32, vy: i32, tick: u32) -> Self {
        let saturated = |v: i32| v.clamp(-512, 511) as i16;
        Self { x_mm: to_step(x_mm), y_mm: to_step(y_mm), vx: saturated(vx), vy: saturated(vy), tick }
    }

    /// Where the segment has led by `tick`, in mm.
    #[must_use]
    #[inline]
    pub fn at(&self, tick: u32) -> (i32, i32) {
        let dt = tick.wrapping_sub(self.tick) as i32;
        (
            self.x_mm.wrapping_add(i32::from(self.vx).wrapping_mul(dt)),
            self.y_mm.wrapping_add(i32::from(self.vy).wrapping_mul(dt)),
        )
    }

    /// The same motion with its tick moved to `tick` if it is too old for the wire's four bits.
    ///
    /// The new anchor is rounded, so a client's view moves by at most half a step.
    #[must_use]
    #[inline]
    pub fn fresh(&self, tick: u32) -> Self {
        if tick.wrapping_sub(self.tick) <= SEGMENT_AGE_TICKS_MAX {
            return *self;
        }
        let (x_mm, y_mm) = self.at(tick);
        Self { x_mm: to_step(x_mm), y_mm: to_step(y_mm), tick, ..*self }
    }

    /// The group as it travels.
    #[must_use]
    #[inline]
    pub fn to_motion(&self) -> Motion {
        Motion {
            x_16mm: ((self.x_mm & WRAP_MASK) >> STEP_SHIFT) as u32,
            y_16mm: ((self.y_mm & WRAP_MASK) >> STEP_SHIFT) as u32,
            vx_mm_per_tick: i32::from(self.vx),
            vy_mm_per_tick: i32::from(self.vy),
            tick_low: self.tick & 15,
        }
    }

    /// The segment that a received group means, in a frame of `tick` whose own position is (`x_mm`, `y_mm`).
    ///
    /// - Units: the entity must be within 65.5 m of the own position per axis; servers see to it.
    #[must_use]
    #[inline]
    pub fn from_motion(motion: &Motion, tick: u32, own_x_mm: i32, own_y_mm: i32) -> Self {
        Self {
            x_mm: resolve(motion.x_16mm, own_x_mm, POSITION_WRAP_MM),
            y_mm: resolve(motion.y_16mm, own_y_mm, POSITION_WRAP_MM),
            vx: motion.vx_mm_per_tick as i16,
            vy: motion.vy_mm_per_tick as i16,
            tick: tick.wrapping_sub(tick.wrapping_sub(motion.tick_low) & 15),
        }
    }

    /// The segment that follows this one by a received step, in a frame of `tick`.
    #[must_use]
    #[inline]
    pub fn stepped(&self, step: &Step, tick: u32) -> Self {
        let (x_mm, y_mm) = self.at(tick);
        let course = step.course.unwrap_or_default();
        Self {
            x_mm: resolve(step.x_16mm, x_mm, STEP_WRAP_MM),
            y_mm: resolve(step.y_16mm, y_mm, STEP_WRAP_MM),
            vx: course.vx_mm_per_tick as i16,
            vy: course.vy_mm_per_tick as i16,
            tick,
        }
    }
}

/// A step may begin this far per axis from where the last segment has led; what does is told as a motion.
pub const STEP_MM_MAX: i32 = 960;
/// A step's place is known modulo this.
const STEP_WRAP_MM: i32 = 2_048;
// Both ends of the last segment may be rounded, once each.
const _: () = assert!(STEP_MM_MAX + 2 * POSITION_STEP_MM < STEP_WRAP_MM / 2);

/// The multiple of the step nearest to `mm`.
#[must_use]
#[inline]
pub fn to_step(mm: i32) -> i32 {
    mm.wrapping_add(POSITION_STEP_MM / 2) & !(POSITION_STEP_MM - 1)
}

/// The position nearest to `near_mm` that is `step_16mm` steps modulo `wrap_mm`.
#[inline]
fn resolve(step_16mm: u32, near_mm: i32, wrap_mm: i32) -> i32 {
    let ahead = ((step_16mm << STEP_SHIFT) as i32).wrapping_sub(near_mm) & (wrap_mm - 1);
    let nearest = if ahead >= wrap_mm / 2 { ahead - wrap_mm } else { ahead };
    near_mm.wrapping_add(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Course;

    #[test]
    fn a_segment_survives_the_wire_from_anywhere_within_reach() {
        for own in [0, 5_000, 65_536, 131_071, 1_000_003, 4_194_303] {
            for off in (-65_000..65_000).step_by(977) {
                for age in 0..=SEGMENT_AGE_TICKS_MAX {
                    let tick = 40_000;
                    let sent = Segment::anchored(own + off, own - off, off / 200, 511, tick - age);
                    let read = Segment::from_motion(&sent.to_motion(), tick, own, own);
                    assert_eq!(read, sent, "own {own}, off {off}, age {age}");
                }
            }
        }
    }

    #[test]
    fn an_old_segment_is_anchored_anew_within_half_a_step() {
        let old = Segment::anchored(1_000_000, 1_000_000, 77, -511, 100);
        for tick in 100..400 {
            let fresh = old.fresh(tick);
            assert!(tick - fresh.tick <= SEGMENT_AGE_TICKS_MAX);
            let (a, b) = (old.at(tick), fresh.at(tick));
            assert!((a.0 - b.0).abs() <= 8 && (a.1 - b.1).abs() <= 8, "tick {tick}: {a:?} {b:?}");
        }
    }

    #[test]
    fn a_step_of_at_most_its_bound_leads_to_the_segment_that_was_meant() {
        for off in (-STEP_MM_MAX..=STEP_MM_MAX).step_by(7) {
            for tick in [100, 107, 130] {
                let old = Segment::anchored(1_000_003, 2_048, 77, -511, 100);
                let held = old.fresh(tick); // rounded on its way to the client
                let (x, y) = old.at(tick);
                let new = Segment::anchored(x + off, y - off, -3, off / 2, tick);
                let low = |mm: i32| (mm & (STEP_WRAP_MM - 1)) as u32 >> STEP_SHIFT;
                let course = Course { vx_mm_per_tick: -3, vy_mm_per_tick: off / 2 };
                let step = Step { x_16mm: low(new.x_mm), y_16mm: low(new.y_mm), course: Some(course) };
                assert_eq!(held.stepped(&step, tick), new, "off by {off} at {tick}");
            }
        }
    }
}
