//! Phase 4: swings find their targets, then all hits of the tick are applied in one order.

use super::{Hit, Lane, Swing};
use crate::bins::Bins;
use crate::columns::Columns;
use crate::content::Content;
use crate::ids::{Handles, Row};
use crate::players::{Client, HIT_KEY, Pending, Player, Timeds};
use crate::rng::{Purpose, draw, within};
use crate::step::creatures::{Mind, provoke};
use crate::step::players::RESPAWN_SECONDS;
use crate::world::Setting;
use kernel::angle;
use netproto::{Action, MoveState, TimedBody};
use rayon::prelude::*;

/// How long a hit keeps its attacker in the victim's view, whatever the distance ranks.
pub const THREAT_SECONDS: u32 = 3;
/// A hit that was not shown by then is not worth showing.
const HIT_SHOWN_MS: u32 = 1_000;
/// How long a dead creature lies.
const CORPSE_MS: u32 = 1_500;

/// Phase 4a: finds who is in reach of each swing. Reads the index of the last tick and present positions.
///
/// - Cost: one search per swing; lanes in parallel; no allocation after warm-up.
pub fn find(columns: &Columns, bins: &Bins, content: &Content, lanes: &mut [Lane]) {
    lanes.par_iter_mut().for_each(|lane| {
        for at in 0..lane.swings.len() {
            let swing = lane.swings[at];
            find_targets(columns, bins, content, swing, lane);
        }
    });
}

fn find_targets(columns: &Columns, bins: &Bins, content: &Content, swing: Swing, lane: &mut Lane) {
    let rule = &content.class.swing;
    let place = columns.place(swing.row);
    let reach2 = i64::from(rule.reach_mm) * i64::from(rule.reach_mm);
    lane.near.clear();
    // A target may have moved by a step since it was indexed.
    bins.around::<0>(place, rule.reach_mm + kernel::STEP_MM_MAX, |_, entries| {
        for entry in entries {
            let row = Row(entry.row);
            let is_prey = entry.row as usize >= columns.n_players_max()
                && columns.id[row.at()] == entry.id
                && columns.health[row.at()] > 0;
            if !is_prey {
                continue;
            }
            let (x, y) = columns.place(row);
            let (dx, dy) = (x - place.0, y - place.1);
            let d2 = i64::from(dx) * i64::from(dx) + i64::from(dy) * i64::from(dy);
            if d2 <= reach2 && is_in_arc(swing.aim, rule.half_arc, dx, dy) {
                lane.near.push((d2, entry.id, row));
            }
        }
    });
    if lane.near.len() > rule.targets_max {
        lane.near.sort_unstable_by_key(|(d2, id, _)| (*d2, *id));
        lane.near.truncate(rule.targets_max);
    }
    let source = columns.id[swing.row.at()];
    lane.hits.extend(lane.near.iter().map(|(_, target, target_row)| Hit {
        target: *target,
        source,
        power: rule.power(),
        target_row: *target_row,
    }));
}

fn is_in_arc(aim: u8, half_arc: u8, dx: i32, dy: i32) -> bool {
    half_arc == 128 || angle::of(dx, dy).wrapping_sub(aim).wrapping_add(half_arc) <= half_arc * 2
}

/// What applying hits may touch.
pub struct Wounds<'a> {
    /// All columns.
    pub columns: &'a mut Columns,
    /// By player row.
    pub players: &'a mut [Player],
    /// By player row.
    pub clients: &'a mut [Client],
    /// By player row.
    pub timeds: &'a mut [Timeds],
    /// By creature row.
    pub minds: &'a mut [Mind],
    /// Finds the attackers' rows.
    pub handles: &'a Handles,
}

/// What became of the hits of one tick.
#[derive(Clone, Copy, Debug, Default)]
pub struct Toll {
    /// Hits that hurt.
    pub n_hits: u64,
    /// Creatures killed.
    pub n_kills: u64,
    /// Players killed.
    pub n_deaths: u64,
    /// Timed events that gave way to others.
    pub n_untold: u64,
}

/// Phase 4b: applies hits sorted by (target, source, power): the first to kill is the same whoever found it first.
///
/// - Shapes: `hits` is sorted here; damage is rolled from the tick and both ids, so hits alike in all three do alike.
pub fn apply(hits: &mut [Hit], wounds: &mut Wounds<'_>, setting: &Setting) -> Toll {
    hits.sort_unstable_by_key(|hit| (hit.target, hit.source, hit.power));
    let mut toll = Toll::default();
    for hit in hits.iter() {
        wounds.hurt(hit, setting, &mut toll);
    }
    toll
}

impl Wounds<'_> {
    fn hurt(&mut self, hit: &Hit, setting: &Setting, toll: &mut Toll) {
        let at = hit.target_row.at();
        if self.columns.health[at] == 0 {
            return; // an earlier hit of this tick was fatal
        }
        let source_row = self.handles.row_of(hit.source);
        let (amount, critical) = roll(hit, setting);
        let health = self.columns.health[at].saturating_sub(amount);
        self.columns.health[at] = health;
        let fatal = health == 0;
        toll.n_hits += 1;
        if at < self.players.len() {
            self.wound_player(hit, fatal, setting);
            toll.n_deaths += u64::from(fatal);
        } else {
            self.wound_creature(hit, source_row, fatal, setting);
            toll.n_kills += u64::from(fatal);
        }
        let body = TimedBody::Hit(netproto::Hit {
            source: hit.source.0,
            target: hit.target.0,
            amount: u32::from(amount),
            critical,
            fatal,
        });
        for row in source_row.into_iter().chain([hit.target_row]) {
            toll.n_untold += self.tell(row, body, setting);
        }
    }

    fn wound_player(&mut self, hit: &Hit, fatal: bool, setting: &Setting) {
        let player = &mut self.players[hit.target_row.at()];
        player.own_changed = true;
        player.threaten(hit.source, setting.now + THREAT_SECONDS * setting.ticks_per_second);
        if fatal {
            player.walker.state = MoveState::Dead;
            player.walker.forced_ticks = 0;
            player.respawn_at = setting.now + RESPAWN_SECONDS * setting.ticks_per_second;
            self.stop(hit.target_row);
        }
    }

    fn wound_creature(&mut self, hit: &Hit, source_row: Option<Row>, fatal: bool, setting: &Setting) {
        let mind = &mut self.minds[hit.target_row.at() - self.players.len()];
        if fatal {
            mind.die(setting.now + setting.ticks(CORPSE_MS));
            self.columns.act(hit.target_row, Action::None, 0, 0);
            self.stop(hit.target_row);
        } else if source_row.is_some_and(|row| row.at() < self.players.len()) {
            let kind = self.columns.kind[hit.target_row.at()];
            provoke(mind, setting.content.creatures[kind as usize].temper, hit.source, setting);
        }
    }

    fn stop(&mut self, row: Row) {
        (self.columns.vx[row.at()], self.columns.vy[row.at()]) = (0, 0);
    }

    /// Queues a timed event for the client behind a row, if there is one. Returns how many gave way to it.
    fn tell(&mut self, row: Row, body: TimedBody, setting: &Setting) -> u64 {
        let at = row.at();
        if at >= self.clients.len() || !self.clients[at].is_attached {
            return 0;
        }
        let expires = setting.now + setting.ticks(HIT_SHOWN_MS);
        self.timeds[at].offer(HIT_KEY, Pending::new(body, setting.now, expires, None))
    }
}

/// Damage of a hit, and whether it is critical.
fn roll(hit: &Hit, setting: &Setting) -> (u16, bool) {
    let key = hit.source.0 ^ hit.target.0.rotate_left(16);
    let chance = |purpose| draw(setting.seed, setting.now, key, purpose);
    let power = hit.power;
    let critical = within(chance(Purpose::Critical), 0, 99) < i32::from(power.critical_percent);
    let (low, high) = (i32::from(power.damage_min), i32::from(power.damage_max));
    (within(chance(Purpose::Damage), low, high) as u16 * if critical { 2 } else { 1 }, critical)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arc_hits_what_lies_before_it_and_a_full_circle_everything() {
        assert!(is_in_arc(0, 43, 1000, 0) && is_in_arc(0, 43, 1000, 1500));
        assert!(!is_in_arc(0, 43, -1000, 0) && !is_in_arc(0, 43, 0, 1000));
        assert!(is_in_arc(250, 43, 1000, 300), "the arc wraps around east");
        assert!(is_in_arc(0, 128, -1000, 1));
    }
}
