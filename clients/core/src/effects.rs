//! What was announced: circles that will hurt, projectiles on their way. In ticks of the zone.
//!
//! Source: docs/PROTOCOL.md "Timed events".

use kernel::flight::{self, STEPS_PER_TICK};
use kernel::walls::Walls;
use netproto::quantise::Segment;
use netproto::{Motion, ShotEnd, Side, Skill, Timed, TimedBody};

/// Circles, and projectiles, that are remembered; of more, those that end first make room.
pub const EFFECTS_MAX: usize = 64;
/// What is over stays this long, for whoever draws the past.
pub const LINGER_TICKS: u32 = 10;

/// A circle that hurts whoever stands in it at the end of its impact tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Circle {
    /// EntityId of who cast it.
    pub owner: u32,
    /// Middle, in mm.
    pub at: (i32, i32),
    /// Radius.
    pub radius_mm: i32,
    /// Tick of the announcement.
    pub announced: u32,
    /// Tick of the impact.
    pub impact: u32,
    /// What was cast.
    pub skill: Skill,
    /// Whom it hurts.
    pub hurts: Side,
}

impl Circle {
    /// Whether a place is in it, or nearer to it than a margin.
    #[must_use]
    pub fn covers(&self, place: (i32, i32), margin_mm: i32) -> bool {
        let off = |a: i32, b: i32| i64::from(a) - i64::from(b);
        let (dx, dy) = (off(place.0, self.at.0), off(place.1, self.at.1));
        let reach = i64::from(self.radius_mm) + i64::from(margin_mm);
        dx * dx + dy * dy <= reach * reach
    }
}

/// A projectile that hurts the first body in its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shot {
    /// EntityId of who shot.
    pub owner: u32,
    /// Where it starts, in mm.
    pub start: (i32, i32),
    /// Velocity, in mm per tick.
    pub velocity: (i32, i32),
    /// Tick of the announcement.
    pub announced: u32,
    /// Until this tick it is at its start; then it flies.
    pub release: u32,
    /// Eighths of a tick that it flies: to the end of its range, or to a wall if walls are known.
    pub n_steps: u32,
    /// Tick in which it hit somebody, once that is known.
    pub hit: Option<u32>,
    /// What was cast.
    pub skill: Skill,
    /// Whom it hurts.
    pub hurts: Side,
    knows_walls: bool,
}

impl Shot {
    /// The last tick of its flight.
    #[must_use]
    pub fn ends(&self) -> u32 {
        self.hit.unwrap_or(self.release.wrapping_add(self.n_steps.div_ceil(STEPS_PER_TICK)))
    }

    /// Where it is at the end of `tick`; nothing before its announcement and after its end.
    #[must_use]
    pub fn at(&self, tick: u32) -> Option<(i32, i32)> {
        if is_before(tick, self.announced) || is_before(self.ends(), tick) {
            return None;
        }
        let flown = if is_before(tick, self.release) { 0 } else { tick.wrapping_sub(self.release) };
        let n_steps = (flown.saturating_mul(STEPS_PER_TICK)).min(self.n_steps);
        Some(flight::place(self.start, self.velocity, n_steps))
    }
}

/// Everything announced that one client knows of, in the order in which it was told.
#[derive(Clone, Debug)]
pub(crate) struct Effects {
    circles: Ring<Circle>,
    shots: Ring<Shot>,
}

impl Default for Effects {
    fn default() -> Self {
        Self { circles: Ring::new(), shots: Ring::new() }
    }
}

impl Effects {
    pub(crate) fn circles(&self) -> &[Circle] {
        self.circles.used()
    }

    pub(crate) fn shots(&self) -> &[Shot] {
        self.shots.used()
    }

    /// Takes an event that came for the first time, in a frame of `tick` with the own body at `own`. An announcement
    /// may come again under another sequence: to a body that has come back, or when many others overtook it.
    pub(crate) fn take(&mut self, timed: &Timed, tick: u32, own: (i32, i32)) {
        let announced = tick.wrapping_sub(timed.age);
        let place = |x_16mm, y_16mm| {
            let motion = Motion { x_16mm, y_16mm, ..Motion::default() };
            let segment = Segment::from_motion(&motion, tick, own.0, own.1);
            (segment.x_mm, segment.y_mm)
        };
        match timed.body {
            TimedBody::Circle(circle)
                if self.circles().iter().any(|known| {
                    (known.owner, known.announced, known.skill) == (circle.owner, announced, circle.skill)
                }) => {}
            TimedBody::Shot(shot)
                if self.shots().iter().any(|known| {
                    (known.owner, known.announced, known.skill) == (shot.owner, announced, shot.skill)
                }) => {}
            TimedBody::Circle(circle) => self.circles.push(
                Circle {
                    owner: circle.owner,
                    at: place(circle.x_16mm, circle.y_16mm),
                    radius_mm: circle.radius_64mm * 64,
                    announced,
                    impact: announced.wrapping_add(circle.windup_ticks as u32),
                    skill: circle.skill,
                    hurts: circle.hurts,
                },
                |circle| circle.impact,
            ),
            TimedBody::Shot(shot) => self.shots.push(
                Shot {
                    owner: shot.owner,
                    start: place(shot.x_16mm, shot.y_16mm),
                    velocity: (shot.vx_mm_per_tick, shot.vy_mm_per_tick),
                    announced,
                    release: announced.wrapping_add(shot.draw_ticks as u32),
                    n_steps: shot.flight_ticks as u32 * STEPS_PER_TICK,
                    hit: None,
                    skill: shot.skill,
                    hurts: shot.hurts,
                    knows_walls: false,
                },
                Shot::ends,
            ),
            TimedBody::ShotEnd(end) => self.end_shot(&end, announced),
            TimedBody::Hit(_) => {}
        }
    }

    fn end_shot(&mut self, end: &ShotEnd, tick: u32) {
        let release = tick.wrapping_sub(end.flown_ticks);
        let is_it = |shot: &&mut Shot| shot.owner == end.owner && shot.release == release;
        if let Some(shot) = self.shots.used_mut().iter_mut().find(is_it) {
            shot.hit = Some(tick);
        }
    }

    /// Projectiles that were told since the last call learn where they meet a wall.
    pub(crate) fn stop_at_walls(&mut self, walls: &Walls) {
        for shot in self.shots.used_mut().iter_mut().filter(|shot| !shot.knows_walls) {
            let ticks = shot.n_steps / STEPS_PER_TICK;
            shot.n_steps = flight::steps(walls, shot.start, shot.velocity, ticks);
            shot.knows_walls = true;
        }
    }

    /// Forgets what has been over for a while.
    pub(crate) fn expire(&mut self, tick: u32) {
        let is_kept = |end: u32| !is_before(end.wrapping_add(LINGER_TICKS), tick);
        self.circles.retain(|circle| is_kept(circle.impact));
        self.shots.retain(|shot| is_kept(shot.ends()));
    }
}

/// Whether tick `a` comes before tick `b`; ticks wrap.
fn is_before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

/// A list of at most [`EFFECTS_MAX`], oldest first.
#[derive(Clone, Debug)]
struct Ring<T> {
    n: usize,
    items: [T; EFFECTS_MAX],
}

impl<T: Copy + Default> Ring<T> {
    fn new() -> Self {
        Self { n: 0, items: [T::default(); EFFECTS_MAX] }
    }

    fn used(&self) -> &[T] {
        &self.items[..self.n]
    }

    fn used_mut(&mut self) -> &mut [T] {
        &mut self.items[..self.n]
    }

    fn push(&mut self, item: T, end: impl Fn(&T) -> u32) {
        if self.n == EFFECTS_MAX {
            let base = end(&self.items[0]);
            let left = |item: &T| end(item).wrapping_sub(base) as i32;
            let first = (0..self.n).min_by_key(|at| left(&self.items[*at])).unwrap_or(0);
            self.items.copy_within(first + 1.., first);
            self.n -= 1;
        }
        self.items[self.n] = item;
        self.n += 1;
    }

    fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        let mut kept = 0;
        for at in 0..self.n {
            if keep(&self.items[at]) {
                self.items[kept] = self.items[at];
                kept += 1;
            }
        }
        self.n = kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shot(age: u32) -> Timed {
        let shot = netproto::Shot {
            owner: 9,
            x_16mm: 1_000 / 16,
            y_16mm: 2_000 / 16,
            vx_mm_per_tick: 800,
            draw_ticks: 8,
            flight_ticks: 25,
            ..netproto::Shot::default()
        };
        Timed { sequence: 0, age, body: TimedBody::Shot(shot) }
    }

    fn circle(windup_ticks: i32) -> Timed {
        let circle = netproto::Circle { radius_64mm: 40, windup_ticks, ..netproto::Circle::default() };
        Timed { sequence: 0, age: 3, body: TimedBody::Circle(circle) }
    }

    #[test]
    fn what_is_told_again_is_one_announcement() {
        let mut effects = Effects::default();
        for frame in 0..3 {
            effects.take(&shot(2 + frame), 102 + frame, (0, 0));
            effects.take(&Timed { age: 3 + frame, ..circle(12) }, 102 + frame, (0, 0));
        }
        assert_eq!((effects.shots().len(), effects.circles().len()), (1, 1));
    }

    #[test]
    fn a_shot_waits_flies_stops_at_a_wall_and_ends_where_it_hit() {
        let mut effects = Effects::default();
        effects.take(&shot(2), 102, (0, 0));
        let told = effects.shots()[0];
        assert_eq!((told.announced, told.release, told.ends()), (100, 108, 133));
        assert_eq!((told.at(99), told.at(100), told.at(108)), (None, Some((992, 2_000)), Some((992, 2_000))));
        assert_eq!(
            (told.at(109), told.at(133), told.at(134)),
            (Some((1_792, 2_000)), Some((20_992, 2_000)), None)
        );
        let mut walls = Walls::open(1);
        walls.block(10_300, 2_000); // the cell begins at 10,240
        effects.stop_at_walls(&walls);
        let stopped = effects.shots()[0];
        assert_eq!((stopped.ends(), stopped.at(120)), (120, Some((10_192, 2_000))));
        let end = |flown_ticks| TimedBody::ShotEnd(ShotEnd { owner: 9, flown_ticks });
        effects.take(&Timed { sequence: 1, age: 0, body: end(4) }, 111, (0, 0));
        assert_eq!(effects.shots()[0].hit, None, "that was another shot");
        effects.take(&Timed { sequence: 2, age: 1, body: end(4) }, 113, (0, 0));
        assert_eq!((effects.shots()[0].ends(), effects.shots()[0].at(113)), (112, None));
    }

    #[test]
    fn a_circle_has_its_impact_in_ticks_of_the_zone_and_goes_when_it_is_over() {
        let mut effects = Effects::default();
        effects.take(&circle(12), 5, (50_000, 50_000));
        let told = effects.circles()[0];
        assert_eq!((told.announced, told.impact, told.radius_mm), (2, 14, 2_560));
        assert!(told.covers((2_560, 0), 0) && !told.covers((2_561, 0), 0) && told.covers((2_600, 0), 40));
        effects.expire(14 + LINGER_TICKS);
        assert_eq!(effects.circles().len(), 1);
        effects.expire(15 + LINGER_TICKS);
        assert!(effects.circles().is_empty());
    }

    #[test]
    fn a_flood_of_announcements_is_bounded_and_keeps_those_that_end_last() {
        let mut effects = Effects::default();
        for n in 0..1_000u32 {
            // Each has an owner of its own: the same announcement again would be no news.
            let (mut circle, mut shot) = (circle(1 + n as i32 * 7 % 63), shot(0));
            if let (TimedBody::Circle(circle), TimedBody::Shot(shot)) = (&mut circle.body, &mut shot.body) {
                (circle.owner, shot.owner) = (n, n);
            }
            effects.take(&circle, u32::MAX - 20 + n % 5, (0, 0));
            effects.take(&shot, 77, (i32::MAX, i32::MIN));
        }
        assert_eq!((effects.circles().len(), effects.shots().len()), (EFFECTS_MAX, EFFECTS_MAX));
        let but_the_last = &effects.circles()[..EFFECTS_MAX - 1];
        let soonest = but_the_last.iter().map(|circle| circle.impact.wrapping_add(40)).min();
        assert!(soonest > Some(50), "{soonest:?}");
        effects.stop_at_walls(&Walls::open(1));
    }
}
