//! What was announced and has yet to happen: circles that wait for their impact, projectiles on their way.
//!
//! A cast is made in one tick, told to everybody near, and hurts in later ones whoever is there then. It knows
//! its owner by id only and does not end with it: what was announced happens. Casts lie in the order of
//! (tick, owner, skill), so nothing depends on rows.
//! Source: docs/ARCHITECTURE.md "Casts", docs/PROTOCOL.md "Timed events".

use super::targets::{self, square};
use super::{Hit, Near};
use crate::bins::Bins;
use crate::columns::Columns;
use crate::content::{Content, Power, RADIUS_STEP_MM};
use crate::ids::{EntityId, Row};
use crate::notices::Notice;
use crate::players::Pending;
use crate::world::Setting;
use jobs::scratch::PerThread;
use kernel::angle::polar;
use kernel::flight::{self, STEPS_PER_TICK};
use netproto::quantise::Segment;
use netproto::quantise::to_step;
use netproto::{Circle, Kind, Shot, ShotEnd, Side, Skill, TimedBody};
use rayon::prelude::*;

/// Casts of one job.
pub const SALVO_CASTS: usize = 256;
/// Intents of one job.
const JOB_INTENTS: usize = 32;

/// Somebody wants to cast; where from is known after the movement step.
#[derive(Clone, Copy, Debug)]
pub enum Intent {
    /// A player's circle, so far away.
    Area {
        /// Who.
        row: Row,
        /// Where to.
        aim: u8,
        /// How far.
        reach_mm: i32,
    },
    /// A player's projectile.
    Shot {
        /// Who.
        row: Row,
        /// Where to.
        aim: u8,
    },
    /// A creature's circle.
    Slam {
        /// Who.
        row: Row,
        /// Its middle.
        at: (i32, i32),
    },
}

/// Something announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cast {
    /// Who cast it; may be gone.
    pub owner: EntityId,
    /// What.
    pub skill: Skill,
    /// Whom it hurts.
    pub hurts: Side,
    /// How hard.
    pub power: Power,
    /// Tick of the announcement.
    pub announced: u32,
    /// Middle of the circle, or start of the flight, in whole steps of the wire.
    pub at: (i32, i32),
    /// How it hurts.
    pub shape: Shape,
}

/// How a cast hurts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Once, in a circle.
    Circle {
        /// In whole steps of the wire.
        radius_mm: i32,
        /// When.
        impact: u32,
        /// Hits at most, nearest to the middle first; 0: everybody in it.
        targets_max: usize,
    },
    /// The first body in its way.
    Flight {
        /// In mm per tick.
        velocity: (i32, i32),
        /// From here on it flies.
        release: u32,
        /// Ticks to the end of its range.
        ticks: u32,
        /// Eighths of a tick until its end or a wall.
        n_steps: u32,
        /// How near to its way a body is hit.
        width_mm: i32,
    },
}

impl Cast {
    /// Makes a cast of an intent, after the movement step of `setting.now`.
    #[must_use]
    pub fn new(intent: &Intent, columns: &Columns, setting: &Setting<'_>) -> Self {
        let on_step = |(x, y): (i32, i32)| (to_step(x), to_step(y));
        let (class, announced) = (&setting.content.class, setting.now);
        match *intent {
            Intent::Area { row, aim, reach_mm } => {
                let (area, from, off) = (&class.area, columns.place(row), polar(aim, reach_mm));
                let (radius_mm, targets_max) = (area.radius_mm, area.targets_max);
                let shape = Shape::Circle { radius_mm, impact: announced + area.windup_ticks, targets_max };
                let at = on_step((from.0 + off.0, from.1 + off.1));
                let (owner, hurts) = (columns.id[row.at()], Side::Creatures);
                Self { owner, skill: Skill::Area, hurts, power: area.power, announced, at, shape }
            }
            Intent::Shot { row, aim } => {
                let (shot, at) = (&class.shot, on_step(columns.place(row)));
                let velocity = polar(aim, shot.mm_per_tick);
                let (release, ticks) = (announced + shot.draw_ticks, shot.flight_ticks);
                let n_steps = flight::steps(setting.walls, at, velocity, ticks);
                let shape = Shape::Flight { velocity, release, ticks, n_steps, width_mm: shot.width_mm };
                let (owner, hurts) = (columns.id[row.at()], Side::Creatures);
                Self { owner, skill: Skill::Shot, hurts, power: shot.power, announced, at, shape }
            }
            Intent::Slam { row, at } => {
                let kind = columns.kind[row.at()];
                let slam = slam_of(setting.content, kind);
                let (radius_mm, impact) = (slam.radius_mm, announced + slam.windup_ticks);
                let shape = Shape::Circle { radius_mm, impact, targets_max: 0 };
                let (owner, hurts, at) = (columns.id[row.at()], Side::Players, on_step(at));
                Self { owner, skill: Skill::Slam, hurts, power: slam.power, announced, at, shape }
            }
        }
    }

    /// The last tick in which it can hurt.
    #[must_use]
    pub fn ends(&self) -> u32 {
        match self.shape {
            Shape::Circle { impact, .. } => impact,
            Shape::Flight { release, n_steps, .. } => release + n_steps.div_ceil(STEPS_PER_TICK),
        }
    }

    /// What everybody near is told.
    #[must_use]
    pub fn notice(&self) -> Notice {
        let Self { owner, skill, hurts, .. } = *self;
        let motion = Segment::anchored(self.at.0, self.at.1, 0, 0, self.announced).to_motion();
        let (x_16mm, y_16mm) = (motion.x_16mm, motion.y_16mm);
        let (body, radius_mm) = match self.shape {
            Shape::Circle { radius_mm, impact, .. } => {
                let windup_ticks = (impact - self.announced) as i32;
                let radius_64mm = radius_mm / RADIUS_STEP_MM;
                let owner = owner.0;
                let circle = Circle { owner, x_16mm, y_16mm, radius_64mm, windup_ticks, skill, hurts };
                (TimedBody::Circle(circle), radius_mm)
            }
            Shape::Flight { velocity, release, ticks, width_mm, .. } => {
                let shot = Shot {
                    owner: owner.0,
                    x_16mm,
                    y_16mm,
                    vx_mm_per_tick: velocity.0,
                    vy_mm_per_tick: velocity.1,
                    draw_ticks: (release - self.announced) as i32,
                    flight_ticks: ticks as i32,
                    skill,
                    hurts,
                };
                (TimedBody::Shot(shot), width_mm)
            }
        };
        let (tick, expires, anchor) = (self.announced, self.ends(), Some(self.at));
        let event = Pending::new(body, tick, expires, anchor);
        Notice { middle: self.at, radius_mm, hurts, owner, event }
    }

    /// What everybody near is told of a flight that ended in somebody at `now`.
    fn end_notice(&self, now: u32) -> Option<Notice> {
        let Shape::Flight { velocity, release, width_mm, .. } = self.shape else { return None };
        let flown_ticks = now - release;
        let body = TimedBody::ShotEnd(ShotEnd { owner: self.owner.0, flown_ticks });
        let middle = flight::place(self.at, velocity, flown_ticks * STEPS_PER_TICK);
        let event = Pending::new(body, now, self.ends(), None);
        Some(Notice { middle, radius_mm: width_mm, hurts: self.hurts, owner: self.owner, event })
    }
}

fn slam_of(content: &Content, kind: Kind) -> crate::content::Slam {
    content.creatures[kind as usize].slam.expect("only a kind that has one intends a slam")
}

/// What one job finds out about its casts. Reused every tick.
#[derive(Debug)]
pub struct Salvo {
    /// Hits found.
    pub hits: Vec<Hit>,
    /// Casts of the job that ended in somebody, ascending.
    pub spent: Vec<u32>,
    /// Lent by the thread.
    near: Near,
}

impl Salvo {
    /// A salvo that will not allocate in an ordinary tick.
    #[must_use]
    pub fn warm() -> Self {
        let hits = Vec::with_capacity(16 * SALVO_CASTS);
        Self { hits, spent: Vec::with_capacity(SALVO_CASTS), near: Vec::new() }
    }

    /// Empties the salvo for the next tick and keeps its memory.
    pub fn clear(&mut self) {
        self.hits.clear();
        self.spent.clear();
    }
}

/// Phase 4a: finds whom the casts of earlier ticks hurt in `now`: present positions, the index of the last tick.
///
/// - Shapes: one salvo per [`SALVO_CASTS`] casts.
/// - Cost: a comparison for most casts, one search per impact and per flight; salvos in parallel.
pub fn land(
    casts: &[Cast],
    columns: &Columns,
    bins: &Bins,
    now: u32,
    salvos: &mut [Salvo],
    nears: &PerThread<Near>,
) {
    (casts.par_chunks(SALVO_CASTS), salvos.par_iter_mut()).into_par_iter().for_each(|(casts, salvo)| {
        let mut near = nears.mine();
        std::mem::swap(&mut salvo.near, &mut near);
        for (at, cast) in casts.iter().enumerate() {
            match cast.shape {
                Shape::Circle { radius_mm, impact, targets_max } if impact == now => {
                    salvo.burst(cast, radius_mm, targets_max, columns, bins);
                }
                Shape::Flight { release, n_steps, .. } if release < now && n_steps > 0 => {
                    salvo.fly(at as u32, cast, now, columns, bins);
                }
                _ => {}
            }
        }
        std::mem::swap(&mut salvo.near, &mut near);
    });
}

impl Salvo {
    fn burst(&mut self, cast: &Cast, radius_mm: i32, targets_max: usize, columns: &Columns, bins: &Bins) {
        let radius2 = square(radius_mm);
        targets::collect(&mut self.near, (cast.at, radius_mm), cast.hurts, columns, bins, |dx, dy| {
            let d2 = square(dx) + square(dy);
            (d2 <= radius2).then_some(d2)
        });
        if targets_max != 0 {
            targets::keep_first(&mut self.near, targets_max);
        }
        self.hits.extend(targets::hits(&self.near, cast.owner, cast.power));
    }

    /// One tick of a flight: the first body on the way of this tick is hit, ties by id.
    fn fly(&mut self, at: u32, cast: &Cast, now: u32, columns: &Columns, bins: &Bins) {
        let Shape::Flight { velocity, release, n_steps, width_mm, .. } = cast.shape else { return };
        let flown = (now - release) * STEPS_PER_TICK;
        let from = flight::place(cast.at, velocity, flown - STEPS_PER_TICK);
        let to = flight::place(cast.at, velocity, flown.min(n_steps));
        let (wx, wy) = (i64::from(to.0 - from.0), i64::from(to.1 - from.1));
        let way2 = wx * wx + wy * wy;
        let reach_mm = width_mm + way2.isqrt() as i32;
        targets::collect(&mut self.near, (from, reach_mm), cast.hurts, columns, bins, |dx, dy| {
            let along = wx * i64::from(dx) + wy * i64::from(dy);
            is_on_way((dx, dy), (wx, wy), along, way2, width_mm).then_some(along)
        });
        let first = self.near.iter().min_by_key(|(along, id, _)| (*along, *id));
        if let Some((_, target, target_row)) = first.copied() {
            self.hits.push(Hit { target, source: cast.owner, power: cast.power, target_row });
            self.spent.push(at);
        }
    }
}

/// Whether a body off the start of a way lies within a width of it; behind the start it does not.
fn is_on_way((dx, dy): (i32, i32), (wx, wy): (i64, i64), along: i64, way2: i64, width_mm: i32) -> bool {
    let width2 = square(width_mm);
    if along < 0 {
        return false;
    }
    if along >= way2 {
        let (ex, ey) = (i64::from(dx) - wx, i64::from(dy) - wy);
        return ex * ex + ey * ey <= width2;
    }
    let across = wx * i64::from(dy) - wy * i64::from(dx);
    // Both sides are squares of (mm x mm): a way of 1 m and bodies within 4 m stay far below 2^63.
    across * across <= width2 * way2
}

/// After 4a, what has happened goes; notices are written of flights that ended in somebody.
///
/// - Cost: one pass over all casts.
pub fn sweep(casts: &mut Vec<Cast>, salvos: &[Salvo], now: u32, mut tell: impl FnMut(Notice)) {
    let mut kept = 0;
    for at in 0..casts.len() {
        let (salvo, place) = (&salvos[at / SALVO_CASTS], (at % SALVO_CASTS) as u32);
        let is_spent = salvo.spent.binary_search(&place).is_ok();
        if is_spent {
            casts[at].end_notice(now).into_iter().for_each(&mut tell);
        } else if now < casts[at].ends() {
            casts[kept] = casts[at];
            kept += 1;
        }
    }
    casts.truncate(kept);
}

/// What was intended in this tick comes. Returns where the new casts begin, in the order of lanes.
///
/// - Cost: intents in parallel: a flight looks for walls on its way.
pub fn add(casts: &mut Vec<Cast>, intents: &[Intent], columns: &Columns, setting: &Setting<'_>) -> usize {
    let kept = casts.len();
    let Some(first) = intents.first() else { return kept };
    casts.resize(kept + intents.len(), Cast::new(first, columns, setting));
    (casts[kept..].par_chunks_mut(JOB_INTENTS), intents.par_chunks(JOB_INTENTS)).into_par_iter().for_each(
        |(casts, intents)| {
            for (cast, intent) in casts.iter_mut().zip(intents) {
                *cast = Cast::new(intent, columns, setting);
            }
        },
    );
    kept
}

/// Puts the new casts into an order that knows no rows, and writes notices of them.
///
/// - Shapes: `casts` stays in the order of (tick, owner, skill), and below `n_max`.
/// - Cost: a sort of the new ones; no allocation after warm-up.
pub fn settle(casts: &mut Vec<Cast>, kept: usize, n_max: usize, tell: impl FnMut(Notice)) {
    casts[kept..].sort_unstable_by_key(|cast| (cast.owner, cast.skill));
    casts.truncate(n_max); // bodies that come and go may leave more behind than there is room for
    casts[kept..].iter().map(Cast::notice).for_each(tell);
}

/// Casts of one class that can be under way at once, for memory: per player, per creature.
#[must_use]
pub fn under_way_max(content: &Content) -> (usize, usize) {
    let class = &content.class;
    let life = class.shot.draw_ticks + class.shot.flight_ticks;
    let shots = life.div_ceil(class.shot.wait_ticks.max(1)) + 1;
    (2 + shots as usize, usize::from(content.creatures.iter().any(|creature| creature.slam.is_some())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_has_a_width_a_round_end_and_nothing_behind_its_start() {
        let check = |dx: i32, dy: i32| {
            let (wx, wy) = (800, 0);
            is_on_way((dx, dy), (wx, wy), wx * i64::from(dx) + wy * i64::from(dy), 640_000, 700)
        };
        assert!(check(400, 700) && check(400, -700) && check(0, 0));
        assert!(!check(400, 701) && !check(-1, 0));
        assert!(check(800 + 490, 490) && !check(800 + 500, 500), "the end is round");
    }
}
