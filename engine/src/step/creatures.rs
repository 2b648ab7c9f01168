//! Phase 3b: what the wild wants. A creature thinks now and then; in between it keeps its velocity.

use super::casts::Intent;
use super::parts::{Read, Runs, share_out};
use super::{Hit, Lane, Threat, WILD_ROWS};
use crate::bins::{Bins, NOBODY, Reach};
use crate::columns::Columns;
use crate::content::{Creature, Temper};
use crate::ids::{EntityId, Handles, Row};
use crate::rng::{Purpose, draw, within};
use crate::shed::Rung;
use crate::world::Setting;
use jobs::cpu::{Task, widest};
use kernel::STEP_MM_MAX;
use kernel::angle;
use kernel::walker::towards;
use netproto::snapshot::ones;
use netproto::{Action, Kind};

/// A creature at ease thinks every so many ticks, an excited one every [`THINK_FAST`].
const THINK_SLOW: u32 = 16;
const THINK_FAST: u32 = 4;
/// How far from home a creature wanders.
const ROAM_MM: i32 = 12_000;
/// Creatures nearer to each other than this push apart.
const ELBOW_MM: i32 = 900;
/// The push, per neighbour and axis at most.
const PUSH_MM_PER_TICK: i32 = 30;
/// How long it runs, and how long it remembers a grudge.
const EXCITED_MS: u32 = 6_000;
/// From the end of a corpse to the next life.
const GONE_MS: u32 = 5_000;
/// How long it rests or strolls, at least and at most.
const IDLE_MS: (u32, u32) = (3_000, 10_000);
/// A bite still lands when its target has moved this much out of reach.
const LUNGE_MM: i32 = 600;

/// What a creature is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Stands until a tick.
    #[default]
    Rest,
    /// Walks to a goal near home.
    Wander,
    /// Runs after its target.
    Chase,
    /// Runs from its target.
    Flee,
    /// Lies dead until a tick.
    Corpse,
    /// Has no body until a tick.
    Gone,
}

impl State {
    /// All states, in order.
    pub(crate) const ALL: [Self; 6] =
        [Self::Rest, Self::Wander, Self::Chase, Self::Flee, Self::Corpse, Self::Gone];
}

/// A creature's memory, in step with the columns' creature rows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mind {
    /// What it is about.
    pub state: State,
    /// Whom it chases or flees.
    pub target: EntityId,
    /// When the state ends.
    pub until: u32,
    /// Where it wanders to.
    pub goal: (i32, i32),
    /// Where it lives.
    pub home: (i32, i32),
    /// Its den: stable through death and birth, and when rows move.
    pub den: u32,
    /// Tick of the announced bite; 0: none.
    pub bite_at: u32,
    /// First tick that may announce the next.
    pub bite_ready: u32,
    /// Tick of the announced slam, until which it stands; 0: none was announced.
    pub slam_at: u32,
    /// First tick that may announce the next slam.
    pub slam_ready: u32,
}

impl Mind {
    /// It dies now and lies until a tick.
    pub fn die(&mut self, until: u32) {
        (self.state, self.until, self.bite_at, self.slam_at) = (State::Corpse, until, 0, 0);
    }

    /// It is taken away alive; another one comes to its den as after a death.
    pub fn vanish(&mut self, setting: &Setting) {
        self.die(setting.now + setting.ticks(GONE_MS));
        self.state = State::Gone;
    }

    /// The first tick after `now` in which there is something for it to do, unless somebody changes it before.
    #[must_use]
    pub fn wakes(&self, now: u32) -> u32 {
        let turn = |after: u32, every: u32| after + (after.wrapping_add(self.den).wrapping_neg() % every);
        let next = now + 1;
        // Who has announced a slam or a bite stands until then.
        let free = self.slam_at.max(next);
        match self.state {
            State::Corpse | State::Gone => self.until.max(next),
            _ if self.bite_at != 0 => self.bite_at.max(free),
            State::Chase | State::Flee => turn(free, THINK_FAST),
            State::Rest | State::Wander => turn(free, THINK_SLOW),
        }
    }
}

/// A creature was hit: by its temper it runs away or strikes back.
pub fn provoke(mind: &mut Mind, temper: Temper, by: EntityId, setting: &Setting) {
    mind.state = if temper == Temper::Flees { State::Flee } else { State::Chase };
    (mind.target, mind.until) = (by, setting.now + setting.ticks(EXCITED_MS));
}

/// What a thinking creature sees of the others: everything is as it was after the movement step.
struct Scene<'a> {
    id: &'a [EntityId],
    x_mm: &'a [i32],
    y_mm: &'a [i32],
    health: &'a [u16],
    n_players_max: usize,
    bins: &'a Bins,
    handles: &'a Handles,
    setting: &'a Setting<'a>,
}

/// A creature's own columns.
struct Body<'a> {
    row: Row,
    kind: Kind,
    vx: &'a mut i16,
    vy: &'a mut i16,
    action: &'a mut Action,
    action_until: &'a mut u32,
    facing: &'a mut u8,
}

/// All minds and what lies beside them, by creature row.
pub struct Wild<'a> {
    /// What creatures remember.
    pub minds: &'a mut [Mind],
    /// [`Mind::wakes`] of each.
    pub wakes: &'a mut [u32],
    /// One per [`WILD_ROWS`] creatures.
    pub lanes: &'a mut [Lane],
}

/// Steps the minds whose tick has come.
///
/// - Shapes: reads the index of the last tick.
/// - Cost: a comparison for most creatures; one search around each that thinks.
pub fn think_all(columns: &mut Columns, wild: Wild<'_>, bins: &Bins, handles: &Handles, setting: &Setting) {
    let (first, n) = (columns.n_players_max(), WILD_ROWS);
    let Columns { id, x_mm, y_mm, health, kind, vx, vy, action, action_until, facing, .. } = columns;
    let scene = Scene { id, x_mm, y_mm, health, n_players_max: first, bins, handles, setting };
    let parts = (
        Runs(wild.wakes, n),
        Runs(wild.minds, n),
        Runs(wild.lanes, 1),
        Read(&kind[first..], n),
        Runs(&mut vx[first..], n),
        Runs(&mut vy[first..], n),
        Runs(&mut action[first..], n),
        Runs(&mut action_until[first..], n),
        Runs(&mut facing[first..], n),
    );
    share_out(parts, |chunk, (wakes, minds, lane, kind, vx, vy, action, action_until, facing)| {
        let lane = &mut lane.0[0];
        lane.clear();
        let due = widest(Due { wakes: wakes.0, now: setting.now });
        for at in due
            .iter()
            .enumerate()
            .flat_map(|(block, due)| ones(*due).map(move |bit| block * 64 + bit as usize))
        {
            let body = Body {
                row: Row((first + chunk * n + at) as u32),
                kind: kind.0[at],
                vx: &mut vx.0[at],
                vy: &mut vy.0[at],
                action: &mut action.0[at],
                action_until: &mut action_until.0[at],
                facing: &mut facing.0[at],
            };
            let mind = &mut minds.0[at];
            step(mind, body, &scene, lane);
            wakes.0[at] = mind.wakes(setting.now);
        }
    });
}

/// Which minds of a run have something to do, a bit for each.
struct Due<'a> {
    wakes: &'a [u32],
    now: u32,
}

impl Task for Due<'_> {
    type Output = [u64; WILD_ROWS / 64];

    #[inline(always)]
    fn run(self) -> Self::Output {
        // Moves the lowest bit of each byte of a word into its highest byte, in order.
        const TO_BITS: u64 = 0x0102_0408_1020_4080;
        let mut due = [0; WILD_ROWS / 64];
        for (due, wakes) in due.iter_mut().zip(self.wakes.as_chunks::<64>().0) {
            let is_due = wakes.map(|wake| u8::from(wake <= self.now));
            let bytes = is_due.as_chunks::<8>().0.iter().rev();
            *due =
                bytes.fold(0, |due, eight| due << 8 | u64::from_le_bytes(*eight).wrapping_mul(TO_BITS) >> 56);
        }
        due
    }
}

fn step(mind: &mut Mind, mut body: Body<'_>, scene: &Scene<'_>, lane: &mut Lane) {
    let now = scene.setting.now;
    match mind.state {
        State::Corpse if mind.until <= now => {
            (mind.state, mind.until) = (State::Gone, now + scene.setting.ticks(GONE_MS));
            lane.ended.push(body.row);
        }
        State::Gone if mind.until <= now => {
            if scene.setting.shed.may_bear(mind.den, now) {
                lane.reborn.push(body.row);
            } else {
                let is_postponed = mind.until == now && scene.setting.shed.has(Rung::Ecology);
                lane.spared[Rung::Ecology as usize] += u64::from(is_postponed);
            }
        }
        State::Corpse | State::Gone => {}
        _ if mind.slam_at > now => body.go((0, 0)),
        _ if mind.bite_at != 0 => body.bite(mind, scene, lane),
        State::Chase | State::Flee if body.thinks(mind, THINK_FAST, scene, lane) => {
            body.run(mind, scene, lane);
        }
        State::Rest | State::Wander if body.thinks(mind, THINK_SLOW, scene, lane) => {
            body.idle(mind, scene, lane);
        }
        _ => {}
    }
}

/// Whether it is a creature's turn; by its den, so that row order does not matter.
fn is_turn(den: u32, now: u32, every: u32) -> bool {
    now.wrapping_add(den).is_multiple_of(every)
}

impl Body<'_> {
    fn creature<'s>(&self, scene: &Scene<'s>) -> &'s Creature {
        &scene.setting.content.creatures[self.kind as usize]
    }

    /// Whether a creature that thinks every so many ticks does so now.
    #[inline(always)]
    fn thinks(&self, mind: &Mind, every: u32, scene: &Scene<'_>, lane: &mut Lane) -> bool {
        let is_shed = scene.setting.shed.has(Rung::Creatures);
        is_turn(mind.den, scene.setting.now, every) && !(is_shed && self.dozes(mind, every, scene, lane))
    }

    /// Whether it leaves a thought out that it could have now.
    #[cold]
    fn dozes(&self, mind: &Mind, every: u32, scene: &Scene<'_>, lane: &mut Lane) -> bool {
        let Setting { shed, now, .. } = *scene.setting;
        let dozes = !shed.may_think(mind.den, now, every, scene.place(self.row));
        lane.spared[Rung::Creatures as usize] += u64::from(dozes);
        dozes
    }

    fn go(&mut self, velocity: (i32, i32)) {
        (*self.vx, *self.vy) = (velocity.0 as i16, velocity.1 as i16);
    }

    /// At ease: looks around, strolls or rests.
    fn idle(&mut self, mind: &mut Mind, scene: &Scene<'_>, lane: &mut Lane) {
        let creature = *self.creature(scene);
        let now = scene.setting.now;
        let (nearest, push) = scene.look_around(self.row, &creature);
        if let Some(target) = nearest.filter(|_| creature.temper != Temper::FightsBack) {
            provoke(mind, creature.temper, target, scene.setting);
            return self.run(mind, scene, lane);
        }
        if mind.until <= now {
            let chance = |low, high, salt| {
                within(draw(scene.setting.seed, now.wrapping_add(salt), mind.den, Purpose::Wander), low, high)
            };
            mind.state = if mind.state == State::Rest { State::Wander } else { State::Rest };
            let (least, most) =
                (scene.setting.ticks(IDLE_MS.0) as i32, scene.setting.ticks(IDLE_MS.1) as i32);
            mind.until = now + chance(least, most, 1 << 30) as u32;
            let (dx, dy) = (chance(-ROAM_MM, ROAM_MM, 1 << 29), chance(-ROAM_MM, ROAM_MM, 1 << 28));
            mind.goal = (mind.home.0 + dx, mind.home.1 + dy);
        }
        let place = scene.place(self.row);
        let speed = creature.wander_mm_per_tick;
        let left = (mind.goal.0 - place.0).abs().max((mind.goal.1 - place.1).abs());
        let stroll = if mind.state == State::Wander && left > speed * THINK_SLOW as i32 {
            towards(place, mind.goal, speed)
        } else {
            (0, 0)
        };
        self.go((stroll.0 + push.0, stroll.1 + push.1));
    }

    /// Excited: after the target, or away from it.
    fn run(&mut self, mind: &mut Mind, scene: &Scene<'_>, lane: &mut Lane) {
        let creature = *self.creature(scene);
        let now = scene.setting.now;
        let place = scene.place(self.row);
        let target = scene.living(mind.target).map(|row| (row, scene.place(row)));
        let far = i64::from(creature.notice_mm) * 2;
        let Some((target_row, target)) =
            target.filter(|target| mind.until > now && distance2(place, target.1) < far * far)
        else {
            (mind.state, mind.until, mind.target) = (State::Rest, now + THINK_SLOW, EntityId::NONE);
            return self.go((0, 0));
        };
        let (_, push) = scene.look_around(self.row, &Creature { notice_mm: 0, ..creature });
        let ahead = towards(place, target, creature.run_mm_per_tick);
        if mind.state == State::Flee {
            return self.go((push.0 - ahead.0, push.1 - ahead.1));
        }
        lane.threats.push(Threat { target_row, hunter: scene.id[self.row.at()] });
        if self.slam(mind, target, scene, lane) {
            return;
        }
        let reach = i64::from(creature.bite_reach_mm);
        if distance2(place, target) > reach * reach * 3 / 4 {
            return self.go((ahead.0 + push.0, ahead.1 + push.1));
        }
        self.go((0, 0));
        if mind.bite_ready <= now {
            mind.bite_at = now + creature.windup_ticks;
            mind.bite_ready = mind.bite_at + creature.bite_wait_ticks;
            self.wind_up(mind.bite_at, target, scene);
        }
    }

    /// Announces a slam where the target stands, if it has one that is ready and the target is near.
    fn slam(&mut self, mind: &mut Mind, target: (i32, i32), scene: &Scene<'_>, lane: &mut Lane) -> bool {
        let now = scene.setting.now;
        let Some(slam) = self.creature(scene).slam.filter(|_| mind.slam_ready <= now) else { return false };
        let reach = i64::from(slam.reach_mm);
        if distance2(scene.place(self.row), target) > reach * reach {
            return false;
        }
        (mind.slam_at, mind.slam_ready) = (now + slam.windup_ticks, now + slam.wait_ticks);
        mind.until = mind.slam_at + scene.setting.ticks(EXCITED_MS);
        lane.casts.push(Intent::Slam { row: self.row, at: target });
        self.go((0, 0));
        self.wind_up(mind.slam_at, target, scene);
        true
    }

    fn wind_up(&mut self, until: u32, target: (i32, i32), scene: &Scene<'_>) {
        let place = scene.place(self.row);
        (*self.action, *self.action_until) = (Action::Windup, until);
        *self.facing = angle::of(target.0 - place.0, target.1 - place.1);
    }

    /// Waits for the announced bite, and bites.
    fn bite(&mut self, mind: &mut Mind, scene: &Scene<'_>, lane: &mut Lane) {
        self.go((0, 0));
        if mind.bite_at > scene.setting.now {
            return;
        }
        mind.bite_at = 0;
        mind.until = scene.setting.now + scene.setting.ticks(EXCITED_MS);
        let Some(target_row) = scene.living(mind.target) else { return };
        let reach = i64::from(self.creature(scene).bite_reach_mm + LUNGE_MM);
        if distance2(scene.place(self.row), scene.place(target_row)) <= reach * reach {
            let (source, power) = (scene.id[self.row.at()], self.creature(scene).bite());
            lane.hits.push(Hit { target: mind.target, source, power, target_row });
        }
    }
}

impl Scene<'_> {
    fn place(&self, row: Row) -> (i32, i32) {
        (self.x_mm[row.at()], self.y_mm[row.at()])
    }

    /// The row of a living, unhidden target.
    fn living(&self, id: EntityId) -> Option<Row> {
        self.handles.row_of(id).filter(|row| self.health[row.at()] > 0)
    }

    /// The nearest living player in notice, and the push of creatures that stand too near.
    fn look_around(&self, row: Row, creature: &Creature) -> (Option<EntityId>, (i32, i32)) {
        let place = self.place(row);
        let notice2 = i64::from(creature.notice_mm) * i64::from(creature.notice_mm);
        let mut nearest = (notice2, EntityId::NONE);
        let mut push = (0, 0);
        // Others may have moved by a step since they were indexed. Whoever does not mind players sees none.
        let looks_up = creature.notice_mm > 0 && creature.temper != Temper::FightsBack;
        let players_mm = if looks_up { creature.notice_mm + STEP_MM_MAX } else { NOBODY };
        let reach = Reach { players_mm, creatures_mm: ELBOW_MM + STEP_MM_MAX };
        let (rows, ids) = (self.bins.rows(), self.bins.ids());
        self.bins.near(place, reach, |at| {
            let other = rows[at] as usize;
            if other == row.at() || self.id[other] != ids[other] {
                return;
            }
            let there = (self.x_mm[other], self.y_mm[other]);
            if other < self.n_players_max {
                let seen = (distance2(place, there), ids[other]);
                if seen < nearest && self.health[other] > 0 {
                    nearest = seen;
                }
            } else {
                push.0 += elbow(place.0 - there.0, place.1 - there.1);
                push.1 += elbow(place.1 - there.1, place.0 - there.0);
            }
        });
        let limited = |sum: i32| sum.clamp(-2 * PUSH_MM_PER_TICK, 2 * PUSH_MM_PER_TICK);
        let found = (nearest.1 != EntityId::NONE).then_some(nearest.1);
        (found, (limited(push.0), limited(push.1)))
    }
}

/// Push along one axis from a neighbour that lies `off` behind along it and `across` beside it.
fn elbow(off: i32, across: i32) -> i32 {
    let is_near = off.abs() < ELBOW_MM && across.abs() < ELBOW_MM;
    if is_near { off.signum() * PUSH_MM_PER_TICK * (ELBOW_MM - off.abs()) / ELBOW_MM } else { 0 }
}

fn distance2(a: (i32, i32), b: (i32, i32)) -> i64 {
    let (dx, dy) = (i64::from(a.0 - b.0), i64::from(a.1 - b.1));
    dx * dx + dy * dy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_the_minds_whose_tick_has_come_are_due() {
        let wakes: Vec<u32> = (0..192u32).map(|at| at * 37 % 64).collect();
        let due = Due { wakes: &wakes, now: 20 }.run();
        for (at, wake) in wakes.iter().enumerate() {
            assert_eq!(due[at / 64] >> (at % 64) & 1 == 1, *wake <= 20, "row {at}");
        }
        assert!(due[3..].iter().all(|due| *due == 0));
    }

    #[test]
    fn a_mind_wakes_in_the_first_tick_in_which_it_would_do_something() {
        let state = |at: usize| State::ALL[at % State::ALL.len()];
        for at in 0..3_000u32 {
            let some = |salt: u32, high| within(draw(4, salt, at, Purpose::Den), 0, high) as u32;
            let now = 100 + some(0, 40);
            let mind = Mind {
                state: state(at as usize),
                until: some(1, 200),
                den: some(2, 1_000),
                bite_at: if at % 3 == 0 { some(3, 200) } else { 0 },
                slam_at: if at % 5 == 0 { some(4, 200) } else { 0 },
                ..Mind::default()
            };
            // As it would be with a look at every mind in every tick.
            let acts = |tick: u32| match mind.state {
                State::Corpse | State::Gone => mind.until <= tick,
                _ if mind.slam_at > tick => false,
                _ if mind.bite_at != 0 => mind.bite_at <= tick,
                State::Chase | State::Flee => is_turn(mind.den, tick, THINK_FAST),
                State::Rest | State::Wander => is_turn(mind.den, tick, THINK_SLOW),
            };
            let first = (now + 1..now + 300).find(|tick| acts(*tick));
            assert_eq!(Some(mind.wakes(now)), first, "{mind:?} in tick {now}");
        }
    }

    #[test]
    fn neighbours_push_apart_and_far_ones_do_not() {
        assert!(elbow(100, 0) > 0 && elbow(-100, 0) < 0);
        assert_eq!((elbow(ELBOW_MM, 0), elbow(100, ELBOW_MM)), (0, 0));
    }

    #[test]
    fn a_hit_makes_a_deer_run_and_a_boar_strike_back() {
        let (content, walls) = (crate::Content::standard(20), kernel::walls::Walls::open(1));
        let setting = Setting {
            seed: 1,
            now: 10,
            ticks_per_second: 20,
            side_mm: 60_000,
            spawn_radius_mm: 0,
            content: &content,
            rules: kernel::walker::Rules::at(20),
            walls: &walls,
            shed: &crate::Shed::none(60_000, 20),
            drill: None,
            sending: crate::Sending::EveryTick,
        };
        let mut mind = Mind::default();
        provoke(&mut mind, Temper::Flees, EntityId(7), &setting);
        assert_eq!(mind.state, State::Flee);
        provoke(&mut mind, Temper::FightsBack, EntityId(7), &setting);
        assert_eq!((mind.state, mind.target, mind.until), (State::Chase, EntityId(7), 130));
    }
}
