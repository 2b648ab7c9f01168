//! Swings find their targets, hits hurt, corpses go and creatures come back.

use crate::bodies::{Body, Mind, Mood};
use crate::grid::{distance2, square};
use crate::world::World;
use engine::EntityId;
use engine::content::Power;
use engine::ids::Row;
use engine::rng::{Purpose, draw, within};
use kernel::angle;
use netproto::{Action, MoveState};

const THREAT_SECONDS: u32 = 3;
const RESPAWN_SECONDS: u32 = 3;
const CORPSE_MS: u32 = 1_500;

/// Somebody is about to be hurt.
#[derive(Clone, Copy, Debug)]
pub struct Hit {
    /// Who is hurt.
    pub target: EntityId,
    /// Who hurts.
    pub source: EntityId,
    /// How hard.
    pub power: Power,
    /// The target's place in the vector of bodies.
    pub at: usize,
}

/// What attacker and victim are told of a hit.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// Who hurt.
    pub source: EntityId,
    /// Who was hurt.
    pub target: EntityId,
    /// Health points lost.
    pub amount: u16,
    /// Bit 0: critical; bit 1: fatal.
    pub flags: u8,
}

impl World {
    pub(crate) fn threat_ticks(&self) -> u32 {
        THREAT_SECONDS * self.config.ticks_per_second
    }

    /// Adds the hits of this tick's swings.
    pub(crate) fn find_targets(&mut self) {
        let rule = self.content.class.swing;
        for n in 0..self.swings.len() {
            let swing = self.swings[n];
            let (place, n_players) = (self.bodies[swing.at].place(), self.players.len());
            let Self { grid, bodies, near, .. } = self;
            near.clear();
            grid.around(place, rule.reach_mm + kernel::STEP_MM_MAX, |entry| {
                let other = &bodies[entry.at as usize];
                let d2 = distance2(place, other.place());
                let is_prey =
                    entry.at as usize >= n_players && other.id == entry.id && d2 <= square(rule.reach_mm);
                let (dx, dy) = (other.x_mm - place.0, other.y_mm - place.1);
                if is_prey && other.health > 0 && is_in_arc(swing.aim, rule.half_arc, dx, dy) {
                    near.push((d2, entry.id, entry.at));
                }
            });
            near.sort_unstable();
            let source = bodies[swing.at].id;
            let found = near.iter().take(rule.targets_max);
            self.hits.extend(found.map(|(_, target, at)| Hit {
                target: *target,
                source,
                power: rule.power(),
                at: *at as usize,
            }));
        }
    }

    /// Applies all hits in the order of target, attacker, power.
    pub(crate) fn apply_hits(&mut self) {
        self.hits.sort_unstable_by_key(|hit| (hit.target, hit.source, hit.power));
        for n in 0..self.hits.len() {
            let hit = self.hits[n];
            if self.bodies[hit.at].health > 0 {
                self.hurt(&hit);
            }
        }
    }

    fn hurt(&mut self, hit: &Hit) {
        let (amount, critical) = self.roll(hit);
        let body = &mut self.bodies[hit.at];
        body.health = body.health.saturating_sub(amount);
        let fatal = body.health == 0;
        if fatal {
            (body.vx, body.vy) = (0, 0);
        }
        let n_players = self.players.len();
        let source = self.names.row_of(hit.source).map(Row::at);
        if hit.at < n_players {
            self.wound_player(hit, fatal);
        } else if fatal {
            let until = self.now + self.ticks(CORPSE_MS);
            let mind = &mut self.minds[hit.at - n_players];
            (mind.mood, mind.until, mind.bite_at) = (Mood::Corpse, until, 0);
            self.bodies[hit.at].show(Action::None, 0, 0);
        } else if source.is_some_and(|at| at < n_players) {
            self.provoke(hit.at - n_players, hit.source);
        }
        let flags = u8::from(critical) | u8::from(fatal) << 1;
        let event = Event { source: hit.source, target: hit.target, amount, flags };
        for at in source.into_iter().chain([hit.at]).filter(|at| *at < n_players) {
            self.clients[at].tell(event);
        }
    }

    fn wound_player(&mut self, hit: &Hit, fatal: bool) {
        let (now, hz) = (self.now, self.config.ticks_per_second);
        let until = now + self.threat_ticks();
        let player = &mut self.players[hit.at];
        player.threaten(hit.source, until);
        if fatal {
            (player.walker.state, player.walker.forced_ticks) = (MoveState::Dead, 0);
            player.respawn_at = now + RESPAWN_SECONDS * hz;
        }
    }

    fn roll(&self, hit: &Hit) -> (u16, bool) {
        let key = hit.source.0 ^ hit.target.0.rotate_left(16);
        let chance = |purpose| draw(self.config.seed, self.now, key, purpose);
        let critical = within(chance(Purpose::Critical), 0, 99) < i32::from(hit.power.critical_percent);
        let (low, high) = (i32::from(hit.power.damage_min), i32::from(hit.power.damage_max));
        (within(chance(Purpose::Damage), low, high) as u16 * if critical { 2 } else { 1 }, critical)
    }

    /// Corpses vanish, then dens fill again, both in the order of dens.
    pub(crate) fn bury_and_bear(&mut self) {
        for n in 0..self.ended.len() {
            let body = &mut self.bodies[self.players.len() + self.ended[n]];
            self.names.give_back(body.id);
            (body.id, body.vx, body.vy) = (EntityId::NONE, 0, 0);
        }
        for n in 0..self.reborn.len() {
            let den = self.reborn[n];
            self.minds[den].until = self.now;
            self.bear(den);
        }
    }

    /// Puts a new creature at its home.
    pub(crate) fn bear(&mut self, den: usize) {
        let (at, seed) = (self.players.len() + den, self.config.seed);
        let kind = self.content.kind_for(within(draw(seed, 0, den as u32, Purpose::Breed), 0, 99) as u32);
        let health = self.content.creatures[kind as usize].health;
        let Mind { home, until, .. } = self.minds[den];
        self.minds[den] = Mind { home, until: until.wrapping_add(20), ..Mind::default() };
        let look = draw(seed, self.now, den as u32, Purpose::Look);
        let look = (look % 16) as u16 | ((1 + look / 16 % 20) << 4) as u16;
        let id = self.names.take(Row(at as u32));
        let (x_mm, y_mm) = home;
        self.bodies[at] = Body { id, kind, x_mm, y_mm, health, health_max: health, look, ..Body::default() };
    }
}

fn is_in_arc(aim: u8, half_arc: u8, dx: i32, dy: i32) -> bool {
    half_arc == 128 || angle::of(dx, dy).wrapping_sub(aim).wrapping_add(half_arc) <= half_arc * 2
}
