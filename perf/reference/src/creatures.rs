//! Creatures: now and then each looks around; then it strolls, flees, hunts, bites.

use crate::bodies::{Mind, Mood};
use crate::combat::Hit;
use crate::grid::{distance2, square};
use crate::world::World;
use engine::EntityId;
use engine::content::{Creature, Temper};
use engine::rng::{Purpose, draw, within};
use kernel::STEP_MM_MAX;
use kernel::angle;
use kernel::walker::towards;
use netproto::Action;

const THINK_SLOW: u32 = 16;
const THINK_FAST: u32 = 4;
const ROAM_MM: i32 = 12_000;
const ELBOW_MM: i32 = 900;
const PUSH_MM_PER_TICK: i32 = 30;
const EXCITED_MS: u32 = 6_000;
const GONE_MS: u32 = 5_000;
const IDLE_MS: (u32, u32) = (3_000, 10_000);
const LUNGE_MM: i32 = 600;

impl World {
    /// Steps every creature; afterwards players know who hunts them.
    pub(crate) fn think(&mut self) {
        self.hunts.clear();
        self.hits.clear();
        self.ended.clear();
        self.reborn.clear();
        for den in 0..self.minds.len() {
            self.step_creature(den);
        }
        let until = self.now + self.threat_ticks();
        self.hunts.sort_unstable();
        for (target, hunter) in &self.hunts {
            if let Some(row) = self.names.row_of(*target) {
                self.players[row.at()].threaten(*hunter, until);
            }
        }
    }

    fn step_creature(&mut self, den: usize) {
        let (mind, now) = (self.minds[den], self.now);
        let is_turn = |every: u32| now.wrapping_add(den as u32).is_multiple_of(every);
        match mind.mood {
            Mood::Corpse if mind.until <= now => {
                self.minds[den].mood = Mood::Gone;
                self.minds[den].until = now + self.ticks(GONE_MS);
                self.ended.push(den);
            }
            Mood::Gone if mind.until <= now => self.reborn.push(den),
            Mood::Corpse | Mood::Gone => {}
            _ if mind.bite_at != 0 => self.bite(den),
            Mood::Chase | Mood::Flee if is_turn(THINK_FAST) => self.run(den),
            Mood::Rest | Mood::Wander if is_turn(THINK_SLOW) => self.idle(den),
            _ => {}
        }
    }

    /// By its temper it runs away or strikes back.
    pub(crate) fn provoke(&mut self, den: usize, by: EntityId) {
        let temper = self.creature(den).temper;
        let until = self.now + self.ticks(EXCITED_MS);
        let mind = &mut self.minds[den];
        mind.mood = if temper == Temper::Flees { Mood::Flee } else { Mood::Chase };
        (mind.target, mind.until) = (by, until);
    }

    fn creature(&self, den: usize) -> Creature {
        self.content.creatures[self.bodies[self.players.len() + den].kind as usize]
    }

    fn go(&mut self, den: usize, velocity: (i32, i32)) {
        let body = &mut self.bodies[self.players.len() + den];
        (body.vx, body.vy) = velocity;
    }

    fn idle(&mut self, den: usize) {
        let creature = self.creature(den);
        let (nearest, push) = self.look_around(den, creature.notice_mm);
        if let Some(target) = nearest.filter(|_| creature.temper != Temper::FightsBack) {
            self.provoke(den, target);
            return self.run(den);
        }
        if self.minds[den].until <= self.now {
            self.change_mood(den);
        }
        let mind = &self.minds[den];
        let place = self.bodies[self.players.len() + den].place();
        let speed = creature.wander_mm_per_tick;
        let left = (mind.goal.0 - place.0).abs().max((mind.goal.1 - place.1).abs());
        let is_under_way = mind.mood == Mood::Wander && left > speed * THINK_SLOW as i32;
        let stroll = if is_under_way { towards(place, mind.goal, speed) } else { (0, 0) };
        self.go(den, (stroll.0 + push.0, stroll.1 + push.1));
    }

    fn change_mood(&mut self, den: usize) {
        let (seed, now) = (self.config.seed, self.now);
        let chance = |low: i32, high: i32, salt| {
            within(draw(seed, now.wrapping_add(salt), den as u32, Purpose::Wander), low, high)
        };
        let (least, most) = (self.ticks(IDLE_MS.0) as i32, self.ticks(IDLE_MS.1) as i32);
        let mind = &mut self.minds[den];
        mind.mood = if mind.mood == Mood::Rest { Mood::Wander } else { Mood::Rest };
        mind.until = now + chance(least, most, 1 << 30) as u32;
        let (dx, dy) = (chance(-ROAM_MM, ROAM_MM, 1 << 29), chance(-ROAM_MM, ROAM_MM, 1 << 28));
        mind.goal = (mind.home.0 + dx, mind.home.1 + dy);
    }

    /// After the target, or away from it.
    fn run(&mut self, den: usize) {
        let (creature, mind, now) = (self.creature(den), self.minds[den], self.now);
        let own = self.players.len() + den;
        let place = self.bodies[own].place();
        let target = self
            .living(mind.target)
            .map(|at| self.bodies[at].place())
            .filter(|target| mind.until > now && distance2(place, *target) < square(creature.notice_mm * 2));
        let Some(target) = target else {
            let (mood, until, target) = (Mood::Rest, now + THINK_SLOW, EntityId::NONE);
            self.minds[den] = Mind { mood, until, target, ..mind };
            return self.go(den, (0, 0));
        };
        let (_, push) = self.look_around(den, 0);
        let ahead = towards(place, target, creature.run_mm_per_tick);
        if mind.mood == Mood::Flee {
            return self.go(den, (push.0 - ahead.0, push.1 - ahead.1));
        }
        self.hunts.push((mind.target, self.bodies[own].id));
        if distance2(place, target) > square(creature.bite_reach_mm) * 3 / 4 {
            return self.go(den, (ahead.0 + push.0, ahead.1 + push.1));
        }
        self.go(den, (0, 0));
        if mind.bite_ready <= now {
            let bite_at = now + creature.windup_ticks;
            self.minds[den].bite_at = bite_at;
            self.minds[den].bite_ready = bite_at + creature.bite_wait_ticks;
            let facing = angle::of(target.0 - place.0, target.1 - place.1);
            self.bodies[own].show(Action::Windup, facing, bite_at);
        }
    }

    /// Waits for the announced bite, and bites.
    fn bite(&mut self, den: usize) {
        self.go(den, (0, 0));
        let (creature, mind, now) = (self.creature(den), self.minds[den], self.now);
        if mind.bite_at > now {
            return;
        }
        (self.minds[den].bite_at, self.minds[den].until) = (0, now + self.ticks(EXCITED_MS));
        let Some(at) = self.living(mind.target) else { return };
        let body = &self.bodies[self.players.len() + den];
        if distance2(body.place(), self.bodies[at].place()) <= square(creature.bite_reach_mm + LUNGE_MM) {
            self.hits.push(Hit { target: mind.target, source: body.id, power: creature.bite(), at });
        }
    }

    /// Where a living body lies.
    fn living(&self, id: EntityId) -> Option<usize> {
        self.names.row_of(id).map(engine::Row::at).filter(|at| self.bodies[*at].health > 0)
    }

    /// The nearest living player in notice, and the push of creatures that stand too near. By the grid of the last
    /// tick, and places of this one.
    fn look_around(&self, den: usize, notice_mm: i32) -> (Option<EntityId>, (i32, i32)) {
        let n_players = self.players.len();
        let own = n_players + den;
        let place = self.bodies[own].place();
        // Others may have moved by a step since the grid was filled.
        let reach_mm = notice_mm.max(ELBOW_MM) + STEP_MM_MAX;
        let mut nearest = (square(notice_mm), EntityId::NONE);
        let mut push = (0, 0);
        self.grid.around(place, reach_mm, |entry| {
            let at = entry.at as usize;
            let other = &self.bodies[at];
            if at == own || other.id != entry.id {
                return;
            }
            if at < n_players {
                let seen = (distance2(place, other.place()), entry.id);
                if seen < nearest && other.health > 0 {
                    nearest = seen;
                }
            } else {
                let (dx, dy) = (place.0 - other.x_mm, place.1 - other.y_mm);
                push.0 += elbow(dx, dy);
                push.1 += elbow(dy, dx);
            }
        });
        let limited = |sum: i32| sum.clamp(-2 * PUSH_MM_PER_TICK, 2 * PUSH_MM_PER_TICK);
        ((nearest.1 != EntityId::NONE).then_some(nearest.1), (limited(push.0), limited(push.1)))
    }
}

/// Push along one axis from a neighbour that lies `off` behind along it and `across` beside it.
fn elbow(off: i32, across: i32) -> i32 {
    let is_near = off.abs() < ELBOW_MM && across.abs() < ELBOW_MM;
    if is_near { off.signum() * PUSH_MM_PER_TICK * (ELBOW_MM - off.abs()) / ELBOW_MM } else { 0 }
}
