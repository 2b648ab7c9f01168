//! Phase 2: every player consumes one command.

use super::arrivals::{Arrival, take_packets};
use super::casts::Intent;
use super::parts::{Pile, Read, Runs, share_out};
use super::{LANE_ROWS, Lane, Swing};
use crate::columns::Columns;
use crate::content::RADIUS_STEP_MM;
use crate::drill::Drill;
use crate::ids::{EntityId, Row};
use crate::input::Input;
use crate::outbox::{Fact, FactBody};
use crate::path::{self, Search};
use crate::players::{Client, Player};
use crate::world::Setting;
use jobs::scratch::PerThread;
use netproto::{Action, Command, Deed, Move, MoveState};

/// From death to the return.
pub const RESPAWN_SECONDS: u32 = 3;
/// How long a swing shows.
const SWING_SHOWN_MS: u32 = 250;

/// One run of players with their columns.
struct Run<'a> {
    first: usize,
    id: &'a [EntityId],
    x_mm: &'a mut [i32],
    y_mm: &'a mut [i32],
    vx: &'a mut [i16],
    vy: &'a mut [i16],
    health: &'a mut [u16],
    action: &'a mut [Action],
    action_until: &'a mut [u32],
    facing: &'a mut [u8],
    /// Whoever lacks health regains some in this tick.
    regains: bool,
}

/// Players, the clients behind them, and what arrived for them in this tick.
pub struct Party<'a> {
    /// By player row.
    pub players: &'a mut [Player],
    /// Likewise.
    pub clients: &'a mut [Client],
    /// One per [`LANE_ROWS`] players.
    pub lanes: &'a mut [Lane],
    /// Packets, in the order in which they came.
    pub packets: &'a [Input],
    /// Which of them are for each run of players.
    pub arrivals: Pile<'a, Arrival>,
}

/// Steps all players: packets are taken, deaths end, commands are consumed, legs decide velocities, goals get paths.
///
/// - Shapes: every thread of the pool has a search of its own.
/// - Cost: one visit per player, no allocation after warm-up.
pub fn consume(columns: &mut Columns, party: Party<'_>, searches: &PerThread<Search>, setting: &Setting) {
    let (n, n_players) = (LANE_ROWS, party.players.len());
    let Party { players, clients, lanes, packets, arrivals } = party;
    let parts = (
        Runs(players, n),
        Runs(clients, n),
        arrivals,
        Runs(lanes, 1),
        Read(&columns.id[..n_players], n),
        Runs(&mut columns.x_mm[..n_players], n),
        Runs(&mut columns.y_mm[..n_players], n),
        Runs(&mut columns.vx[..n_players], n),
        Runs(&mut columns.vy[..n_players], n),
        Runs(&mut columns.health[..n_players], n),
        Runs(&mut columns.action[..n_players], n),
        Runs(&mut columns.action_until[..n_players], n),
        Runs(&mut columns.facing[..n_players], n),
    );
    share_out(parts, |chunk, parts| {
        let (players, clients, arrivals, lane, id, x_mm, y_mm, vx, vy, health, action, until, facing) = parts;
        let (lane, first) = (&mut lane.0[0], chunk * n);
        lane.clear();
        take_packets((packets, setting.now), (first, arrivals.items), players.0, clients.0, lane);
        let mut search = searches.mine();
        let mut run = Run {
            first,
            id: id.0,
            x_mm: x_mm.0,
            y_mm: y_mm.0,
            vx: vx.0,
            vy: vy.0,
            health: health.0,
            action: action.0,
            action_until: until.0,
            facing: facing.0,
            regains: setting.drill.is_none()
                && setting.now.is_multiple_of(setting.content.class.regain_ticks),
        };
        for (at, player) in players.0.iter_mut().enumerate() {
            if run.id[at] != EntityId::NONE {
                run.step(at, player, lane, &mut search, setting);
            }
        }
    });
}

impl Run<'_> {
    #[inline(always)]
    fn step(
        &mut self,
        at: usize,
        player: &mut Player,
        lane: &mut Lane,
        search: &mut Search,
        setting: &Setting,
    ) {
        let now = setting.now;
        if player.respawn_at != 0 && player.respawn_at <= now {
            self.respawn(at, player, lane, setting);
        }
        let is_alive = player.respawn_at == 0;
        if self.regains && is_alive && self.health[at] < setting.content.class.health {
            self.health[at] += 1;
            player.own_changed = true;
        }
        let place = (self.x_mm[at], self.y_mm[at]);
        let command = match setting.drill {
            None => player.queue.consume(now),
            Some(drill) => self.drill(at, drill, player, setting),
        };
        let before = (player.walker.shown_state(), player.walker.dash_wait_ticks);
        let velocity = player.walker.step(now, place, &command, &player.path, &setting.rules);
        (self.vx[at], self.vy[at]) = (velocity.0 as i16, velocity.1 as i16);
        player.own_changed |= player.walker.shown_state() != before.0;
        if player.walker.dash_wait_ticks > before.1 {
            self.show(at, Action::Dash, command.deed, now + u32::from(setting.rules.dash_ticks));
            lane.alarms.push(place);
        }
        if is_alive {
            self.answer_goal(&command, place, player, lane, search, setting);
            if let Some(deed) = command.deed {
                self.swing(at, deed, player, lane, setting);
                self.cast(at, deed, player, lane, setting);
            }
        }
    }

    /// The plan decides instead of the player. Out of the way of ticks that have none.
    #[cold]
    #[inline(never)]
    fn drill(&mut self, at: usize, drill: Drill, player: &mut Player, setting: &Setting) -> Command {
        let (id, place) = (self.id[at].0, (self.x_mm[at], self.y_mm[at]));
        let health = drill.health(setting, id, setting.content.class.health);
        // Who is dead has none until the return.
        if let Some(health) = health.filter(|_| player.respawn_at == 0) {
            self.health[at] = health;
            player.own_changed = true;
        }
        player.queue.consume_by(setting.now, |last| drill.command(setting, id, place, last))
    }

    fn respawn(&mut self, at: usize, player: &mut Player, lane: &mut Lane, setting: &Setting) {
        player.respawn_at = 0;
        player.walker = kernel::walker::Walker::rested(&setting.rules);
        player.own_changed = true;
        player.is_new_here = true;
        self.health[at] = setting.content.class.health;
        lane.alarms.push((self.x_mm[at], self.y_mm[at]));
        (self.x_mm[at], self.y_mm[at]) = player.home;
        lane.alarms.push((self.x_mm[at], self.y_mm[at]));
    }

    #[inline(always)]
    fn answer_goal(
        &mut self,
        command: &Command,
        place: (i32, i32),
        player: &mut Player,
        lane: &mut Lane,
        search: &mut Search,
        setting: &Setting,
    ) {
        if let Move::Goal(goal) = command.movement {
            player.asked = Some((setting.now, (goal.x_mm as i32, goal.y_mm as i32)));
        } else if player.walker.state != MoveState::Goal {
            player.asked = None; // whoever steers has forgotten the click
        }
        let Some((goal_tick, goal)) = player.asked.filter(|_| player.path_ready <= setting.now) else {
            return;
        };
        player.asked = None;
        player.path_ready = setting.now + path::EVERY_TICKS;
        player.path = path::find(search, setting.walls, place, goal, (goal_tick, setting.now));
        lane.facts.push(Fact { player: player.durable, body: FactBody::Path(player.path) });
    }

    fn swing(&mut self, at: usize, deed: Deed, player: &mut Player, lane: &mut Lane, setting: &Setting) {
        let is_ready = player.swing_ready <= setting.now && player.walker.state != MoveState::Dead;
        if !(deed.swing && is_ready) {
            return;
        }
        player.swing_ready = setting.now + u32::from(setting.content.class.swing.wait_ticks);
        player.own_changed = true;
        self.show(at, Action::Swing, Some(deed), setting.now + setting.ticks(SWING_SHOWN_MS));
        lane.swings.push(Swing { row: Row((self.first + at) as u32), aim: deed.aim as u8 });
        lane.n_swings += 1;
    }

    /// Announces an area and a shot, each if it is asked for and ready.
    fn cast(&mut self, at: usize, deed: Deed, player: &mut Player, lane: &mut Lane, setting: &Setting) {
        let class = &setting.content.class;
        let (row, aim, now) = (Row((self.first + at) as u32), deed.aim as u8, setting.now);
        if deed.area && player.area_ready <= now {
            player.area_ready = now + class.area.wait_ticks;
            player.own_changed = true;
            let reach_mm = (deed.reach_64mm as i32 * RADIUS_STEP_MM).min(class.area.reach_mm);
            lane.casts.push(Intent::Area { row, aim, reach_mm });
            self.show(at, Action::Cast, Some(deed), now + class.area.windup_ticks);
        }
        if deed.shot && player.shot_ready <= now {
            player.shot_ready = now + class.shot.wait_ticks;
            player.own_changed = true;
            lane.casts.push(Intent::Shot { row, aim });
            self.show(at, Action::Draw, Some(deed), now + class.shot.draw_ticks);
        }
    }

    fn show(&mut self, at: usize, action: Action, deed: Option<Deed>, until: u32) {
        self.action[at] = action;
        self.action_until[at] = until;
        self.facing[at] = deed.map_or(0, |deed| deed.aim as u8);
    }
}
