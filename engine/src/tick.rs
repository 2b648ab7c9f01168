//! One tick, phase by phase. There is no other way to change a world.

use crate::clients::{self, Hall};
use crate::input::Input;
use crate::order;
use crate::outbox::{Fact, FactBody};
use crate::players::{Client, Timeds};
use crate::publish;
use crate::shed::Spared;
use crate::step::LANE_ROWS;
use crate::step::casts::{self, SALVO_CASTS, Salvo};
use crate::step::creatures::{self, Wild};
use crate::step::parts::{Runs, share_out};
use crate::step::players::{self, Party};
use crate::step::wounds::{self, Wounds};
use crate::step::{combat, movement};
use crate::world::{Scratch, World};
use netproto::Skill;

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

/// The end of a part of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Of which stage.
    pub stage: Stage,
    /// All threads of the pool could take part; otherwise one did it alone.
    pub is_parallel: bool,
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
    step(world, inputs, |mark, is_last| {
        if is_last {
            done(mark.stage);
        }
    });
}

/// As [`tick_timed`]; `settled` sees the world when all that can happen in this tick has happened, and nobody was told of
/// it yet: what must be safe before somebody is told can set out from there.
pub fn tick_settled(
    world: &mut World,
    inputs: &[Input],
    mut done: impl FnMut(Stage),
    settled: impl FnOnce(&World),
) {
    let mut done = |mark: Mark, is_last: bool| {
        if is_last {
            done(mark.stage);
        }
    };
    step_settled(world, inputs, &mut done, settled);
}

/// As [`tick`], and nobody is told anything: no snapshots, no facts. The state that comes of it is the same.
///
/// - Shapes: acknowledgements and budgets among the inputs are of no use; what [`crate::replay::inputs::write_lived`]
///   left out is not missed.
/// - Cost: the stages 2 to 6.
pub fn tick_untold(world: &mut World, inputs: &[Input]) {
    let mut marks = Marks(Stage::Inputs, |_, _| ());
    happen(world, inputs, &mut marks);
    show(world, &mut marks);
    world.scratch.facts.clear();
    world.scratch.table.receipts_untold();
}

/// As [`tick`]; `done` is told the end of each part of each stage: what one thread does, and what all do together.
pub fn tick_parts(world: &mut World, inputs: &[Input], mut done: impl FnMut(Mark)) {
    step(world, inputs, |mark, _| done(mark));
}

/// Parts of one stage, told to whoever has a clock: a mark, and whether it is the stage's last.
struct Marks<F>(Stage, F);

impl<F: FnMut(Mark, bool)> Marks<F> {
    fn part(&mut self, is_parallel: bool) {
        (self.1)(Mark { stage: self.0, is_parallel }, false);
    }

    /// The last part of the stage is over, and the next stage begins.
    fn end(&mut self, is_parallel: bool) {
        (self.1)(Mark { stage: self.0, is_parallel }, true);
        self.0 = Stage::ALL[(self.0 as usize + 1) % Stage::ALL.len()];
    }
}

fn step(world: &mut World, inputs: &[Input], done: impl FnMut(Mark, bool)) {
    step_settled(world, inputs, done, |_| ());
}

fn step_settled(
    world: &mut World,
    inputs: &[Input],
    done: impl FnMut(Mark, bool),
    settled: impl FnOnce(&World),
) {
    let mut marks = Marks(Stage::Inputs, done);
    happen(world, inputs, &mut marks);
    settled(world);
    show(world, &mut marks);
    world.serve_clients();
    world.tell_ground();
    marks.part(true);
    world.count();
    marks.end(false);
    #[cfg(debug_assertions)]
    if world.now.is_multiple_of(64) {
        world.check_bodies();
    }
}

/// The stages 2 to 4.
fn happen(world: &mut World, inputs: &[Input], marks: &mut Marks<impl FnMut(Mark, bool)>) {
    world.now += 1;
    world.scratch.facts.clear();
    world.scratch.alarms.clear();
    world.scratch.table.clear();
    let packets = world.arrive(inputs, |is_parallel| marks.part(is_parallel));
    world.release_bodies();
    marks.part(false);
    world.consume_commands(packets);
    marks.part(true);
    world.gather_from_players();
    marks.end(false);
    movement::advance_all(&mut world.columns, &world.walls, &world.clearance);
    marks.end(true);
    world.think();
    marks.part(true);
    world.note_threats(|| marks.part(false));
    marks.end(true);
    world.find_hits();
    world.land_casts(|is_parallel| marks.part(is_parallel));
    marks.end(false);
    world.apply_hits(|is_parallel| marks.part(is_parallel));
    marks.part(true);
    world.bury_and_bear();
    world.settle_economy();
    marks.end(false);
}

/// The stages 5 and 6.
fn show(world: &mut World, marks: &mut Marks<impl FnMut(Mark, bool)>) {
    world.counts.published += publish::publish(&mut world.columns, world.now);
    marks.end(true);
    if world.now.is_multiple_of(ORDER_TICKS) {
        order::by_place(world);
    }
    marks.part(false);
    world.bins.rebuild(&world.columns);
    marks.part(true);
    world.raise_alarms();
    marks.end(false);
}

/// Fields of a world that are read while others are written.
macro_rules! setting {
    ($world:expr) => {
        $crate::world::Setting {
            seed: $world.config.seed,
            now: $world.now,
            ticks_per_second: $world.config.ticks_per_second,
            side_mm: $world.config.side_mm,
            spawn_radius_mm: $world.config.spawn_radius_mm,
            content: &$world.content,
            rules: $world.rules,
            walls: &$world.walls,
            shed: &$world.shed,
            drill: $world.drill,
            sending: $world.config.sending,
        }
    };
}

pub(crate) use setting;

impl World {
    /// Every run of players by one job: its packets, then its commands.
    fn consume_commands(&mut self, packets: &[Input]) {
        let setting = setting!(self);
        let Scratch { player_lanes, mail, paths, .. } = &mut self.scratch;
        let party = Party {
            players: &mut self.players,
            clients: &mut self.clients,
            lanes: player_lanes,
            packets,
            arrivals: mail.piles(),
        };
        players::consume(&mut self.columns, party, paths, &setting);
    }

    fn gather_from_players(&mut self) {
        let Scratch { player_lanes, facts, alarms, .. } = &mut self.scratch;
        for lane in player_lanes {
            facts.extend_from_slice(&lane.facts);
            alarms.extend_from_slice(&lane.alarms);
            self.counts.casts += lane.n_swings;
        }
        self.count_commands();
    }

    fn think(&mut self) {
        self.shed.look_around(&self.columns);
        let setting = setting!(self);
        let lanes = &mut self.scratch.creature_lanes;
        let wild = Wild { minds: &mut self.minds, wakes: &mut self.wakes, lanes };
        creatures::think_all(&mut self.columns, wild, &self.bins, &self.handles, &setting);
    }

    /// Whoever is hunted sees the hunter first. In the order of ids: places are few.
    fn note_threats(&mut self, sorted: impl FnOnce()) {
        let until = self.now + combat::THREAT_SECONDS * self.config.ticks_per_second;
        let Scratch { creature_lanes, threats, .. } = &mut self.scratch;
        let found = creature_lanes.iter().flat_map(|lane| lane.threats.iter().copied());
        threats.fill(found, |threat| threat.target_row.at() / LANE_ROWS);
        sorted();
        share_out((threats.piles(), Runs(&mut self.players, LANE_ROWS)), |chunk, (threats, players)| {
            threats.items.sort_unstable();
            for threat in threats.items.iter() {
                players.0[threat.target_row.at() - chunk * LANE_ROWS].threaten(threat.hunter, until);
            }
        });
    }

    fn find_hits(&mut self) {
        let Scratch { player_lanes, nears, .. } = &mut self.scratch;
        combat::find(&self.columns, &self.bins, &self.content, player_lanes, nears);
    }

    /// What was announced happens, and what is announced now joins it.
    fn land_casts(&mut self, mut part: impl FnMut(bool)) {
        let setting = setting!(self);
        let Scratch { player_lanes, creature_lanes, salvos, nears, notices, intents, .. } = &mut self.scratch;
        salvos.iter_mut().for_each(Salvo::clear);
        casts::land(&self.casts, &self.columns, &self.bins, self.now, salvos, nears);
        part(true);
        notices.clear();
        casts::sweep(&mut self.casts, salvos, self.now, |notice| notices.push(notice));
        intents.clear();
        let lanes = player_lanes.iter().chain(creature_lanes.iter());
        lanes.for_each(|lane| intents.extend_from_slice(&lane.casts));
        part(false);
        let first = casts::add(&mut self.casts, intents, &self.columns, &setting);
        part(true);
        let n_max = salvos.len() * SALVO_CASTS;
        casts::settle(&mut self.casts, first, n_max, |notice| notices.push(notice));
        notices.sort();
        for cast in &self.casts[first..] {
            let count =
                if cast.skill == Skill::Shot { &mut self.counts.shots } else { &mut self.counts.areas };
            *count += 1;
        }
    }

    fn apply_hits(&mut self, mut part: impl FnMut(bool)) {
        let setting = setting!(self);
        let Scratch { player_lanes, creature_lanes, salvos, blows, .. } = &mut self.scratch;
        let lanes = player_lanes.iter().chain(creature_lanes.iter()).flat_map(|lane| &lane.hits);
        blows.sort(lanes.chain(salvos.iter().flat_map(|salvo| &salvo.hits)));
        part(false);
        let wounds = Wounds {
            columns: &mut self.columns,
            players: &mut self.players,
            minds: &mut self.minds,
            wakes: &mut self.wakes,
            handles: &self.handles,
        };
        wounds::apply(blows, wounds, &setting);
        part(true);
        let toll = blows.sort_tellings();
        part(false);
        wounds::tell(blows, &self.clients, &mut self.timeds, player_lanes, &setting);
        self.counts.hits += toll.n_hits;
        self.counts.kills += toll.n_kills;
        self.counts.deaths += toll.n_deaths;
        self.counts.timed_dropped += player_lanes.iter().map(|lane| lane.n_untold).sum::<u64>();
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
        let Scratch { alarms, heard, .. } = &mut self.scratch;
        heard.raise(alarms);
    }

    fn serve_clients(&mut self) {
        let setting = setting!(self);
        self.scratch.board.post(&self.columns.changed);
        let hall = Hall {
            columns: &self.columns,
            board: &self.scratch.board,
            bins: &self.bins,
            handles: &self.handles,
            notices: &self.scratch.notices,
            alarms: &self.scratch.heard,
            casts: &self.casts,
            setting: &setting,
        };
        let desks = &mut self.scratch.desks;
        let views = &self.scratch.views;
        clients::serve(&hall, &mut self.players, &mut self.clients, &mut self.timeds, desks, views);
        self.drop_failed();
    }

    /// Whoever could not be served gets nothing more, and nothing of what its client was told is kept. That its body waits
    /// from now on comes back as an input: what happens in the world does not depend on who is served. In the order of
    /// players: facts must not depend on rows.
    fn drop_failed(&mut self) {
        let first = self.scratch.facts.len();
        for at in self.scratch.desks.iter().flat_map(|desk| &desk.failed).map(|row| row.at()) {
            let player = self.players[at].durable;
            self.clients[at] = Client::new();
            self.timeds[at] = Timeds::default();
            self.scratch.facts.push(Fact { player, body: FactBody::Failed });
        }
        self.scratch.facts[first..].sort_unstable_by_key(|fact| fact.player);
    }

    fn count(&mut self) {
        let counts = &mut self.counts;
        for desk in &self.scratch.desks {
            let (n_frames, n_bytes) = desk.arena.totals();
            counts.frames += n_frames as u64;
            counts.frame_bytes += n_bytes as u64;
            counts.ages.add(&desk.ages);
            counts.visible += desk.n_visible;
            counts.client_ticks += desk.n_clients;
            counts.timed_sent += desk.timed.sent;
            counts.timed_dropped += desk.timed.dropped;
            counts.timed_expired += desk.timed.expired;
            add(&mut counts.spared, &desk.spared);
        }
        for lane in &self.scratch.creature_lanes {
            add(&mut counts.spared, &lane.spared);
        }
        counts.entity_ticks += self.bins.n_entities() as u64;
    }
}

fn add(sum: &mut Spared, more: &Spared) {
    sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
}
