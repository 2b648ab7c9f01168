//! A world with all its clients, stepped tick by tick.

use crate::network::{Fate, Link, Loss};
use crate::oracle::{self, Findings, Truth};
use crate::parts::Tracer;
use crate::scenario::Scenario;
use crate::witness::Witness;
use client_core::history::Numbers;
use client_core::view::View;
use engine::rng::{Purpose, draw, within};
use engine::{DurableId, Input, Sending, Stage, World, ZoneConfig, tick_timed};
use netproto::input::InputPacket;
use netproto::peer::IN_FLIGHT_DATAGRAMS;
use netproto::snapshot::{Frame, decode_traced};
use netproto::{Acks, COMMANDS_MAX, Command};
use std::collections::VecDeque;

/// What a run is made of.
#[derive(Clone, Copy, Debug)]
pub struct Knobs {
    /// Who stands where.
    pub scenario: Scenario,
    /// How many.
    pub n_players: u32,
    /// Clients that decode every snapshot; the others only acknowledge.
    pub n_decoding: u32,
    /// The network.
    pub loss: Loss,
}

/// A snapshot on its way.
struct Delivery {
    due: u32,
    number: u16,
    /// For decoding clients: the bytes and what they should lead to.
    checked: Option<(Vec<u8>, Box<Truth>)>,
    is_lost: bool,
}

/// One client and its network.
struct Peer {
    player: DurableId,
    home: (i32, i32),
    up_ticks: u32,
    down_ticks: u32,
    up: Link,
    down: Link,
    coming: VecDeque<Delivery>,
    going: VecDeque<(u32, InputPacket)>,
    recent: [Command; COMMANDS_MAX],
    numbers: Numbers,
    view: Option<Box<View>>,
    hash: u64,
    n_frames: u64,
}

/// A running zone with its clients.
pub struct Drive {
    /// The world.
    pub world: World,
    /// What the decoding clients found.
    pub findings: Findings,
    /// What they were told of what was announced.
    pub witness: Witness,
    scenario: Scenario,
    /// Players join in it.
    first_tick: u32,
    peers: Vec<Peer>,
    inputs: Vec<Input>,
    frame: Box<Frame>,
}

/// Identity of player number `n`.
#[must_use]
pub fn durable(n: u32) -> DurableId {
    DurableId { low: n, high: 1 }
}

impl Drive {
    /// Builds the zone; players join in the first tick. Round trips are of 1 to 5 ticks.
    #[must_use]
    pub fn new(knobs: &Knobs) -> Self {
        Self::with_delays(knobs, round_trips)
    }

    /// As [`Drive::new`] with the delays, in ticks, that `delays` gives each player: of inputs, of snapshots.
    #[must_use]
    pub fn with_delays(knobs: &Knobs, delays: impl Fn(u32) -> (u32, u32)) -> Self {
        Self::of(knobs, &knobs.scenario.config(knobs.n_players), delays)
    }

    /// As [`Drive::new`] in a zone that sends in this way.
    #[must_use]
    pub fn sending(knobs: &Knobs, sending: Sending) -> Self {
        Self::of(knobs, &ZoneConfig { sending, ..knobs.scenario.config(knobs.n_players) }, round_trips)
    }

    fn of(knobs: &Knobs, config: &ZoneConfig, delays: impl Fn(u32) -> (u32, u32)) -> Self {
        let peer = |n| Peer::new(n, knobs, knobs.scenario.place(config, n), delays(n));
        let peers = (0..knobs.n_players).map(peer).collect();
        Self {
            world: World::new(config, knobs.scenario.content()),
            findings: Findings::default(),
            witness: Witness::default(),
            scenario: knobs.scenario,
            first_tick: 1,
            peers,
            inputs: Vec::with_capacity(4 * knobs.n_players as usize),
            frame: Box::default(),
        }
    }

    /// Begins behind this tick instead of at zero; call it before the first step.
    pub fn begin_behind(&mut self, tick: u32) {
        self.world = World::from_tick(self.world.config(), self.scenario.content(), tick);
        self.first_tick = tick + 1;
    }

    /// Steps clients and world by one tick; `timed` runs the world's part and may measure it.
    pub fn step(&mut self, timed: impl FnOnce(&mut World, &[Input])) {
        let tick = self.world.now() + 1;
        self.inputs.clear();
        self.inputs.extend(self.scenario.drill().filter(|_| tick == 1).map(Input::Drill));
        for (n, peer) in self.peers.iter_mut().enumerate() {
            peer.receive(tick, &mut self.frame, &mut self.findings, &mut self.witness);
            peer.send((n as u32, self.scenario), tick, &self.world, &mut self.findings);
            if tick == self.first_tick {
                let place = Some(peer.home);
                self.inputs.push(Input::Join {
                    player: peer.player,
                    in_flight_max: IN_FLIGHT_DATAGRAMS,
                    place,
                });
            }
            while peer.going.front().is_some_and(|(due, _)| *due <= tick) {
                let (_, packet) = peer.going.pop_front().expect("there is a front");
                self.inputs.push(Input::Packet { player: peer.player, margin_2ms: 0, packet });
            }
        }
        timed(&mut self.world, &self.inputs);
        for (player, bytes) in self.world.frames() {
            self.peers[player.low as usize].post(tick, bytes, &self.world);
        }
        let decoding = self.peers.iter().filter(|peer| peer.view.is_some()).map(|peer| peer.player);
        self.witness.announce(&self.world, decoding);
    }

    /// Steps without measuring.
    pub fn run(&mut self, n_ticks: u32) {
        for _ in 0..n_ticks {
            self.step(|world, inputs| tick_timed(world, inputs, |_: Stage| ()));
        }
    }

    /// Hash over every client's snapshots so far, in order of durable id.
    #[must_use]
    pub fn packet_hash(&self) -> u64 {
        self.peers.iter().fold(0, |hash, peer| mix(hash, peer.hash))
    }

    /// Forgets what the decoding clients found so far.
    pub fn reset_findings(&mut self) {
        self.findings = Findings::default();
    }

    /// Share of the weighted nearest 64 that the decoding clients' slots hold, by a full scan of all rows.
    #[must_use]
    pub fn recall(&self) -> f64 {
        let decoding = (0..).zip(&self.peers).filter(|(_, peer)| peer.view.is_some());
        self.recall_of(decoding.map(|(n, _)| n))
    }

    /// The same for these players.
    #[must_use]
    pub fn recall_of(&self, players: impl Iterator<Item = u32>) -> f64 {
        let shares: Vec<f64> = players.filter_map(|n| oracle::recall(&self.world, durable(n))).collect();
        shares.iter().sum::<f64>() / shares.len().max(1) as f64
    }

    /// Checks the views of all decoding clients.
    ///
    /// # Panics
    /// When a view contradicts itself.
    pub fn check_views(&self) {
        self.peers.iter().filter_map(|peer| peer.view.as_ref()).for_each(|view| view.check());
    }
}

impl Peer {
    fn new(n: u32, knobs: &Knobs, home: (i32, i32), (up_ticks, down_ticks): (u32, u32)) -> Self {
        // One of so many in a row, by lot: where players stand and what they do goes by their numbers too.
        let every = (knobs.n_players / knobs.n_decoding.max(1)).max(1);
        let lot = within(draw(5, 0, n / every, Purpose::Look), 0, every as i32 - 1) as u32;
        let is_decoding = knobs.n_decoding > 0 && n % every == lot;
        let view = is_decoding.then(Box::default);
        Self {
            player: durable(n),
            home,
            up_ticks,
            down_ticks,
            up: Link::new(knobs.loss, 2 * n),
            down: Link::new(knobs.loss, 2 * n + 1),
            coming: VecDeque::new(),
            going: VecDeque::new(),
            recent: [Command::default(); COMMANDS_MAX],
            numbers: Numbers::default(),
            view,
            hash: 0,
            n_frames: 0,
        }
    }

    /// A snapshot leaves for the client.
    fn post(&mut self, tick: u32, bytes: &[u8], world: &World) {
        self.n_frames += 1;
        self.hash = bytes.iter().fold(self.hash, |hash, byte| mix(hash, u64::from(*byte)));
        let number = u16::from_le_bytes([bytes[0], bytes[1]]);
        let fate = self.down.fate();
        let late = if let Fate::Arrives(late) = fate { late } else { 0 };
        let checked = self.view.is_some().then(|| (bytes.to_vec(), Box::new(Truth::of(world, self.player))));
        let due = tick + self.down_ticks + late;
        let delivery = Delivery { due, number, checked, is_lost: fate == Fate::Lost };
        let at = self.coming.partition_point(|before| before.due <= due);
        self.coming.insert(at, delivery);
    }

    /// The client takes what has arrived by `tick`.
    fn receive(&mut self, tick: u32, frame: &mut Frame, findings: &mut Findings, witness: &mut Witness) {
        while self.coming.front().is_some_and(|delivery| delivery.due <= tick) {
            let delivery = self.coming.pop_front().expect("there is a front");
            let Some((bytes, truth)) = delivery.checked else {
                if !delivery.is_lost && self.numbers.is_next(delivery.number) {
                    self.numbers.insert(delivery.number);
                }
                continue;
            };
            let mut tracer = Tracer::default();
            decode_traced(&bytes, frame, |part, end_bit, frame| tracer.see(part, end_bit, frame))
                .expect("our own frames decode");
            findings.bits_by_part.add(&tracer.finish(bytes.len()));
            // Lost on the way, or discarded because a later one was applied first: it is all the same.
            let view = self.view.as_mut().filter(|_| !delivery.is_lost);
            match view.map(|view| (view.apply(frame), view)) {
                Some((true, view)) => {
                    witness.applied(self.player, view, frame);
                    findings.compare(self.player, view, &truth, frame, self.up_ticks + self.down_ticks);
                }
                _ => findings.lose(self.player, &truth, frame),
            }
        }
    }

    /// The client sends its command for the tick in which the packet will arrive.
    fn send(&mut self, (n, scenario): (u32, Scenario), tick: u32, world: &World, findings: &mut Findings) {
        let body = world.entity_of(self.player).and_then(|id| world.row_of(id));
        let at = body.map_or(self.home, |row| world.columns().place(row));
        let aimed = tick + self.up_ticks;
        self.recent.rotate_right(1);
        self.recent[0] = scenario.command(n, aimed, at, self.home);
        let acks: Acks = self.view.as_ref().map_or_else(|| self.numbers.acks(), |view| view.acks());
        let n_commands = (aimed.min(COMMANDS_MAX as u32)) as u8;
        let packet = InputPacket { acks, tick: aimed, n_commands, commands: self.recent };
        match self.up.fate() {
            Fate::Arrives(late) => {
                let due = aimed + late;
                let at = self.going.partition_point(|(before, _)| *before <= due);
                self.going.insert(at, (due, packet));
            }
            Fate::Lost => findings.lose_ack(self.player, tick),
        }
    }
}

/// Delays of inputs and of snapshots, in ticks, of player number `n`.
fn round_trips(n: u32) -> (u32, u32) {
    let chance = |salt, low, high| within(draw(3, salt, n, Purpose::Look), low, high) as u32;
    let rtt = chance(0, 1, 5);
    let up_ticks = chance(1, 0, rtt as i32 - 1);
    (up_ticks, rtt - up_ticks)
}

fn mix(hash: u64, word: u64) -> u64 {
    (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
}
