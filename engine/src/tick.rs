//! One tick, phase by phase. There is no other way to change a world.

use crate::clients::{self, Hall};
use crate::ids::{DurableId, EntityId, Row};
use crate::input::{CommandQueue, Input, Verdict};
use crate::interest::ALARM_MM;
use crate::order;
use crate::outbox::{Fact, FactBody};
use crate::players::{Client, Player, Timeds};
use crate::publish;
use crate::step::casts::{self, Salvo};
use crate::step::combat::{self, Wounds};
use crate::step::{creatures, movement, players};
use crate::world::{Scratch, Setting, World, spawn_place};
use netproto::input::InputPacket;
use netproto::peer::View;
use netproto::{Kind, Refusal, Skill};

/// Phases of a tick, in order; the names are those of the histograms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// 2: inputs, intents, casts.
    Inputs,
    /// 3a: movement.
    Move,
    /// 3b: creatures.
    Creatures,
    /// 4a: hits are found.
    HitsFound,
    /// 4b: hits are applied.
    HitsApplied,
    /// 5: publish.
    Publish,
    /// 6: index.
    Index,
    /// 7 and 8: clients.
    Clients,
}

impl Stage {
    /// All stages, in order.
    pub const ALL: [Self; 8] = [
        Self::Inputs,
        Self::Move,
        Self::Creatures,
        Self::HitsFound,
        Self::HitsApplied,
        Self::Publish,
        Self::Index,
        Self::Clients,
    ];

    /// Its name in figures and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        ["2", "3a", "3b", "4a", "4b", "5", "6", "7-8"][self as usize]
    }
}

/// How long a body waits for its player.
pub const DETACHED_SECONDS: u32 = 30;
/// Rows are put into spatial order every so many ticks.
const ORDER_TICKS: u32 = 64;

/// Steps the world by one tick.
///
/// - Shapes: call it inside a rayon pool's `install`; afterwards [`World::frames`] and [`World::facts`] are
///   of this tick.
/// - Cost: no allocation after warm-up, joins apart.
/// - Source: docs/ARCHITECTURE.md "The tick".
pub fn tick(world: &mut World, inputs: &[Input]) {
    tick_timed(world, inputs, |_| ());
}

/// As [`tick`]; `done` is told the end of each stage, so that a caller with a clock can time them.
pub fn tick_timed(world: &mut World, inputs: &[Input], mut done: impl FnMut(Stage)) {
    world.now += 1;
    world.scratch.facts.clear();
    world.scratch.alarms.clear();
    for input in inputs {
        world.take(input);
    }
    world.release_bodies();
    world.consume_commands();
    done(Stage::Inputs);
    movement::advance_all(&mut world.columns, &world.walls);
    done(Stage::Move);
    world.think();
    world.note_threats();
    done(Stage::Creatures);
    combat::find(&world.columns, &world.bins, &world.content, &mut world.scratch.player_lanes);
    world.land_casts();
    done(Stage::HitsFound);
    world.apply_hits();
    world.bury_and_bear();
    done(Stage::HitsApplied);
    publish::publish(&mut world.columns, world.now);
    done(Stage::Publish);
    if world.now.is_multiple_of(ORDER_TICKS) {
        order::by_place(world);
    }
    world.bins.rebuild(&world.columns);
    world.raise_alarms();
    done(Stage::Index);
    world.serve_clients();
    done(Stage::Clients);
    world.count();
    #[cfg(debug_assertions)]
    if world.now.is_multiple_of(64) {
        world.check();
    }
}

/// Fields of a world that are read while others are written.
macro_rules! setting {
    ($world:expr) => {
        Setting {
            seed: $world.config.seed,
            now: $world.now,
            ticks_per_second: $world.config.ticks_per_second,
            side_mm: $world.config.side_mm,
            spawn_radius_mm: $world.config.spawn_radius_mm,
            content: &$world.content,
            rules: $world.rules,
            walls: &$world.walls,
        }
    };
}

impl World {
    fn take(&mut self, input: &Input) {
        match input {
            Input::Join { player, in_flight_max, place } => self.join(*player, *in_flight_max, *place),
            Input::Detach { player } => self.detach(*player),
            Input::Leave { player } => self.leave(*player),
            Input::Packet { player, margin_2ms, packet } => self.take_packet(*player, *margin_2ms, packet),
        }
    }

    fn body(&self, player: DurableId) -> Option<Row> {
        self.by_durable.get(&player).and_then(|id| self.handles.row_of(*id))
    }

    fn join(&mut self, player: DurableId, in_flight_max: u8, place: Option<(i32, i32)>) {
        let old = self.body(player);
        let Some(row) = old.or_else(|| self.enter(player, place)) else {
            self.scratch.facts.push(Fact { player, body: FactBody::Refused(Refusal::Full) });
            return;
        };
        let at = row.at();
        self.players[at].detached_at = 0;
        // A new connection counts its own commands: what the old one left behind is not for it to wait out.
        self.players[at].queue = CommandQueue::default();
        self.players[at].own_changed = true;
        self.players[at].is_new_here = true;
        self.timeds[at] = Timeds::default();
        self.clients[at] = Client { view: View::new(in_flight_max), is_attached: true, ..Client::new() };
        let body = FactBody::Joined { entity: self.columns.id[at], resumed: old.is_some() };
        self.scratch.facts.push(Fact { player, body });
    }

    /// Gives a new player a body.
    fn enter(&mut self, player: DurableId, place: Option<(i32, i32)>) -> Option<Row> {
        let row = self.free_player_rows.pop()?;
        let place = match place {
            Some((x_mm, y_mm)) => self.walls.free_near(x_mm, y_mm),
            None => spawn_place(&setting!(self), player),
        };
        let health = self.content.class.health;
        let id = self.columns.spawn(&mut self.handles, row, Kind::Player, place, health);
        self.columns.look[row.at()] = (player.low % 16) as u16 | 1 << 4;
        self.players[row.at()] = Player::new(player, place, &self.rules);
        self.by_durable.insert(player, id);
        self.scratch.alarms.push(place);
        Some(row)
    }

    fn detach(&mut self, player: DurableId) {
        if let Some(row) = self.body(player) {
            self.clients[row.at()].is_attached = false;
            self.players[row.at()].detached_at = self.now;
        }
    }

    fn leave(&mut self, player: DurableId) {
        let Some(row) = self.body(player) else { return };
        self.scratch.alarms.push(self.columns.place(row));
        self.columns.despawn(&mut self.handles, row);
        self.clients[row.at()].is_attached = false;
        self.by_durable.remove(&player);
        self.free_player_rows.push(row);
        self.scratch.facts.push(Fact { player, body: FactBody::Left });
    }

    fn take_packet(&mut self, player: DurableId, margin_2ms: i8, packet: &InputPacket) {
        let Some(row) = self.body(player) else {
            self.counts.packets_stray += 1;
            return;
        };
        let client = &mut self.clients[row.at()];
        client.margin_2ms = margin_2ms;
        // The newer acknowledgement says all that the older one said.
        let is_newer = (packet.acks.newest as u16).wrapping_sub(client.acks.newest as u16) < 1 << 15;
        if packet.acks.seen && (is_newer || !client.acks.seen) {
            client.acks = packet.acks;
        }
        let queue = &mut self.players[row.at()].queue;
        for (tick, command) in packet.oldest_first() {
            // The command for the tick that is being stepped came in time.
            let verdict = queue.accept(self.now - 1, tick, command);
            self.counts.commands_received += u64::from(verdict != Verdict::Repeated);
            self.counts.commands_refused += u64::from(verdict == Verdict::Refused);
        }
    }

    /// Bodies whose players stayed away leave; looked for once a second.
    fn release_bodies(&mut self) {
        if !self.now.is_multiple_of(self.config.ticks_per_second) {
            return;
        }
        let wait = DETACHED_SECONDS * self.config.ticks_per_second;
        let (players, ids) = (&self.players, &self.columns.id);
        let is_over = |at: &usize| {
            let since = players[*at].detached_at;
            ids[*at] != EntityId::NONE && since != 0 && since + wait <= self.now
        };
        // In the order of ids: handles are given back in it, and later ids must not depend on rows.
        let mut over: Vec<DurableId> =
            (0..players.len()).filter(is_over).map(|at| players[at].durable).collect();
        over.sort_unstable();
        for player in over {
            self.leave(player);
        }
    }

    fn consume_commands(&mut self) {
        let setting = setting!(self);
        let scratch = &mut self.scratch;
        scratch.player_lanes.iter_mut().for_each(crate::step::Lane::clear);
        players::consume(
            &mut self.columns,
            &mut self.players,
            &mut scratch.player_lanes,
            &scratch.paths,
            &setting,
        );
        for lane in &scratch.player_lanes {
            scratch.facts.extend_from_slice(&lane.facts);
            scratch.alarms.extend_from_slice(&lane.alarms);
            self.counts.casts += lane.n_swings;
        }
    }

    fn think(&mut self) {
        let setting = setting!(self);
        let lanes = &mut self.scratch.creature_lanes;
        lanes.iter_mut().for_each(crate::step::Lane::clear);
        creatures::think_all(&mut self.columns, &mut self.minds, lanes, &self.bins, &self.handles, &setting);
    }

    /// Whoever is hunted sees the hunter first. In the order of ids: places are few.
    fn note_threats(&mut self) {
        let until = self.now + combat::THREAT_SECONDS * self.config.ticks_per_second;
        let scratch = &mut self.scratch;
        scratch.threats.clear();
        for lane in &scratch.creature_lanes {
            scratch.threats.extend_from_slice(&lane.threats);
        }
        scratch.threats.sort_unstable();
        for (target, hunter) in &scratch.threats {
            if let Some(row) = self.handles.row_of(*target) {
                self.players[row.at()].threaten(*hunter, until);
            }
        }
    }

    /// What was announced happens, and what is announced now joins it.
    fn land_casts(&mut self) {
        let setting = setting!(self);
        let Scratch { player_lanes, creature_lanes, salvos, notices, .. } = &mut self.scratch;
        salvos.iter_mut().for_each(Salvo::clear);
        notices.clear();
        casts::land(&self.casts, &self.columns, &self.bins, self.now, salvos);
        let lanes = player_lanes.iter().chain(creature_lanes.iter());
        let tell = |notice| notices.push(notice);
        let first = casts::settle(&mut self.casts, salvos, lanes, &self.columns, &setting, tell);
        notices.sort();
        for cast in &self.casts[first..] {
            let count =
                if cast.skill == Skill::Shot { &mut self.counts.shots } else { &mut self.counts.areas };
            *count += 1;
        }
    }

    fn apply_hits(&mut self) {
        let setting = setting!(self);
        let scratch = &mut self.scratch;
        scratch.hits.clear();
        for lane in scratch.player_lanes.iter().chain(&scratch.creature_lanes) {
            scratch.hits.extend_from_slice(&lane.hits);
        }
        for salvo in &scratch.salvos {
            scratch.hits.extend_from_slice(&salvo.hits);
        }
        let mut wounds = Wounds {
            columns: &mut self.columns,
            players: &mut self.players,
            clients: &mut self.clients,
            timeds: &mut self.timeds,
            minds: &mut self.minds,
            handles: &self.handles,
        };
        let toll = combat::apply(&mut scratch.hits, &mut wounds, &setting);
        self.counts.hits += toll.n_hits;
        self.counts.kills += toll.n_kills;
        self.counts.deaths += toll.n_deaths;
        self.counts.timed_dropped += toll.n_untold;
    }

    /// Corpses vanish and dens fill again, in the order of dens: ids must not depend on rows.
    fn bury_and_bear(&mut self) {
        let first = self.players.len();
        let mut rows = std::mem::take(&mut self.scratch.rows);
        for is_birth in [false, true] {
            rows.clear();
            for lane in &self.scratch.creature_lanes {
                rows.extend_from_slice(if is_birth { &lane.reborn } else { &lane.ended });
            }
            rows.sort_unstable_by_key(|row| self.minds[row.at() - first].den);
            for row in &rows {
                if is_birth {
                    self.minds[row.at() - first].until = self.now;
                    self.bear(*row);
                    self.counts.respawns += 1;
                } else {
                    self.columns.despawn(&mut self.handles, *row);
                }
            }
        }
        self.scratch.rows = rows;
    }

    /// Clients near a jump look again in this tick.
    fn raise_alarms(&mut self) {
        let n_players = self.players.len();
        for place in &self.scratch.alarms {
            let clients = &mut self.clients;
            self.bins.around::<1>(*place, ALARM_MM, |_, entries| {
                for entry in entries.iter().filter(|entry| (entry.row as usize) < n_players) {
                    clients[entry.row as usize].is_due = true;
                }
            });
        }
    }

    fn serve_clients(&mut self) {
        let setting = setting!(self);
        let hall = Hall {
            columns: &self.columns,
            bins: &self.bins,
            handles: &self.handles,
            notices: &self.scratch.notices,
            casts: &self.casts,
            setting: &setting,
        };
        let desks = &mut self.scratch.desks;
        let views = &self.scratch.views;
        clients::serve(&hall, &mut self.players, &mut self.clients, &mut self.timeds, desks, views);
    }

    fn count(&mut self) {
        let counts = &mut self.counts;
        for desk in &self.scratch.desks {
            let (n_frames, n_bytes) = desk.arena.totals();
            counts.frames += n_frames as u64;
            counts.frame_bytes += n_bytes as u64;
            counts.visible += desk.n_visible;
            counts.client_ticks += desk.n_clients;
            counts.timed_sent += desk.timed.sent;
            counts.timed_dropped += desk.timed.dropped;
            counts.timed_expired += desk.timed.expired;
        }
        counts.published += self.columns.changed.iter().map(|changed| u64::from(changed & 1)).sum::<u64>();
        counts.entity_ticks += self.bins.entries().len() as u64;
    }
}
