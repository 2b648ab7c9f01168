//! One zone and one tick, from top to bottom, on one thread.

use crate::bodies::{Body, Mind, Player};
use crate::combat::Hit;
use crate::grid::Grid;
use crate::players::Swing;
use crate::view::{Candidate, Client, Habits, Scene, gather};
use engine::columns::BLOCK;
use engine::ids::{Handles, Row};
use engine::rng::{Purpose, draw, within};
use engine::{Content, DurableId, EntityId, Input, ZoneConfig, layout, path};
use kernel::advance;
use kernel::walker::Rules;
use kernel::walls::Walls;
use netproto::Kind;
use netproto::input::InputPacket;
use rustc_hash::FxHashMap;

/// Parts of a tick that are timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Inputs, movement, creatures, hits, publishing.
    Step,
    /// The grid is filled.
    Index,
    /// Every client is told.
    Clients,
}

impl Phase {
    /// How many there are.
    pub const N: usize = 3;
}

/// The world of one zone.
pub struct World {
    pub(crate) config: ZoneConfig,
    pub(crate) content: Content,
    pub(crate) rules: Rules,
    pub(crate) walls: Walls,
    pub(crate) habits: Habits,
    pub(crate) now: u32,
    pub(crate) names: Handles,
    pub(crate) bodies: Vec<Body>,
    pub(crate) players: Vec<Player>,
    pub(crate) clients: Vec<Client>,
    pub(crate) minds: Vec<Mind>,
    pub(crate) by_durable: FxHashMap<DurableId, usize>,
    pub(crate) grid: Grid,
    // Memory that one tick uses and the next one uses again.
    pub(crate) paths: path::Search,
    pub(crate) swings: Vec<Swing>,
    pub(crate) hits: Vec<Hit>,
    pub(crate) hunts: Vec<(EntityId, EntityId)>,
    pub(crate) ended: Vec<usize>,
    pub(crate) reborn: Vec<usize>,
    pub(crate) near: Vec<(i64, EntityId, u32)>,
    candidates: Vec<Candidate>,
}

impl World {
    /// Builds the zone that `engine::World::new` builds.
    ///
    /// # Panics
    /// If content has slams: casts are not restated here.
    #[must_use]
    pub fn new(config: &ZoneConfig, content: Content, habits: Habits) -> Self {
        assert!(content.creatures.iter().all(|creature| creature.slam.is_none()), "slams are not restated");
        let (n_players, n_dens) = (config.players_max as usize, config.creatures as usize);
        let rules = Rules::at(config.ticks_per_second);
        let mut world = Self {
            config: *config,
            rules,
            walls: Walls::from_seed(config.seed, config.side_mm),
            habits,
            now: 0,
            // Who is called what is the engine's business: a name comes back as late as there.
            names: Handles::new(n_players.next_multiple_of(BLOCK) + n_dens.next_multiple_of(BLOCK)),
            bodies: vec![Body::default(); n_players + n_dens],
            players: vec![Player::new(DurableId::default(), (0, 0), &rules); n_players],
            clients: vec![Client::default(); n_players],
            minds: vec![Mind::default(); n_dens],
            by_durable: FxHashMap::default(),
            grid: Grid::default(),
            paths: path::Search::default(),
            swings: Vec::new(),
            hits: Vec::new(),
            hunts: Vec::new(),
            ended: Vec::new(),
            reborn: Vec::new(),
            near: Vec::new(),
            candidates: Vec::new(),
            content,
        };
        (0..n_dens).for_each(|den| world.settle(den));
        world.grid.fill(&world.bodies);
        world
    }

    /// Gives a den its place and its first creature.
    fn settle(&mut self, den: usize) {
        let chance = |salt, high| within(draw(self.config.seed, salt, den as u32, Purpose::Den), 0, high);
        let last = self.config.side_mm - 1;
        let (x, y) = if self.config.den_radius_mm == 0 {
            (chance(0, last), chance(1, last))
        } else {
            let middle = self.config.side_mm / 2;
            let (turn, part) = (chance(0, 255) & 255, chance(1, 1_000_000));
            let (x, y) = layout::in_disc((middle, middle), self.config.den_radius_mm, turn, part);
            (x.clamp(0, last), y.clamp(0, last))
        };
        let (home, until) = (self.walls.free_near(x, y), chance(2, 200) as u32);
        self.minds[den] = Mind { home, until, ..Mind::default() };
        self.bear(den);
    }

    /// Steps the world by one tick.
    pub fn tick(&mut self, inputs: &[Input]) {
        self.tick_timed(inputs, |_| ());
    }

    /// As [`World::tick`]; `done` is told the end of each phase.
    ///
    /// - Cost: no allocation once all buffers have grown.
    pub fn tick_timed(&mut self, inputs: &[Input], mut done: impl FnMut(Phase)) {
        self.now += 1;
        inputs.iter().for_each(|input| self.take(input));
        self.consume_commands();
        self.move_all();
        self.think();
        self.find_targets();
        self.apply_hits();
        self.bury_and_bear();
        self.bodies.iter_mut().for_each(|body| body.publish(self.now));
        done(Phase::Step);
        self.grid.fill(&self.bodies);
        done(Phase::Index);
        self.serve_clients();
        done(Phase::Clients);
    }

    fn take(&mut self, input: &Input) {
        match input {
            Input::Join { player, place, .. } => self.join(*player, place.expect("scenarios say where")),
            Input::Packet { player, packet, .. } => self.take_packet(*player, packet),
            // Nobody leaves a scenario, and what sheds load is part of the other design.
            _ => {}
        }
    }

    fn join(&mut self, durable: DurableId, (x_mm, y_mm): (i32, i32)) {
        let at = self.by_durable.len();
        let home = self.walls.free_near(x_mm, y_mm);
        let health = self.content.class.health;
        self.bodies[at] = Body {
            id: self.names.take(Row(at as u32)),
            kind: Kind::Player,
            x_mm: home.0,
            y_mm: home.1,
            health,
            health_max: health,
            look: (durable.low % 16) as u16 | 1 << 4,
            ..Body::default()
        };
        self.players[at] = Player::new(durable, home, &self.rules);
        self.by_durable.insert(durable, at);
    }

    fn take_packet(&mut self, durable: DurableId, packet: &InputPacket) {
        let Some(at) = self.by_durable.get(&durable) else { return };
        for (tick, command) in packet.oldest_first() {
            self.players[*at].queue.accept(self.now, tick, command);
        }
    }

    fn move_all(&mut self) {
        for body in self.bodies.iter_mut().filter(|body| body.vx | body.vy != 0) {
            let (x, y) = advance(&self.walls, body.x_mm, body.y_mm, body.vx, body.vy);
            (body.vx, body.vy) = (x - body.x_mm, y - body.y_mm);
            (body.x_mm, body.y_mm) = (x, y);
        }
    }

    fn serve_clients(&mut self) {
        let Self { bodies, grid, names, clients, players, candidates, habits, now, .. } = self;
        let scene = Scene { bodies, grid, names, now: *now };
        for (own, (client, player)) in clients.iter_mut().zip(players).enumerate() {
            if scene.bodies[own].id != EntityId::NONE {
                client.serve(own, player, &scene, *habits, candidates);
            }
        }
    }

    /// So many milliseconds in ticks.
    pub(crate) fn ticks(&self, ms: u32) -> u32 {
        ms * self.config.ticks_per_second / 1000
    }

    /// Everybody who has a body, in no order.
    pub fn bodies(&self) -> impl Iterator<Item = &Body> {
        self.bodies.iter().filter(|body| body.id != EntityId::NONE)
    }

    /// The body of an entity.
    #[must_use]
    pub fn body(&self, id: EntityId) -> Option<&Body> {
        self.names.row_of(id).map(|row| &self.bodies[row.at()])
    }

    /// The body of a player.
    #[must_use]
    pub fn body_of(&self, player: DurableId) -> Option<&Body> {
        self.by_durable.get(&player).map(|at| &self.bodies[*at])
    }

    /// Frames of the last tick, in the order of joining.
    pub fn frames(&self) -> impl Iterator<Item = (DurableId, &[u8])> {
        let n = self.by_durable.len();
        let pairs = self.players[..n].iter().zip(&self.clients);
        pairs.map(|(player, client)| (player.durable, client.frame.as_slice()))
    }

    /// Who is within reach of a player, as [`gather`] finds it, for comparisons.
    pub fn gather(&self, player: DurableId, reach_mm: i32, near: &mut Vec<Candidate>) {
        near.clear();
        if let Some(own) = self.by_durable.get(&player) {
            let scene = Scene { bodies: &self.bodies, grid: &self.grid, names: &self.names, now: self.now };
            gather(*own, reach_mm, &self.players[*own], &scene, near);
        }
    }
}
