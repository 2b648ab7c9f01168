//! The role `zone`: one world, its sockets, its admin page, on one core group.
//!
//! [`Zone::tick`] is the loop's body in one breath: receive, tick, send. [`peers`] knows who is who with the
//! help of [`rates`], [`tokens`] and [`greeting`]; [`schedule`] says when, [`governor`] how much detail there is time
//! for, [`budgeter`] how much each client's path bears; [`keep`] is what outlives the process, [`files`] what else stays on
//! disk, [`dumps`] the histograms among it, [`crash`] what is left of a tick that panicked.

pub mod budgeter;
pub mod crash;
mod delays;
pub mod dumps;
pub mod files;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod governor;
pub mod greeting;
pub mod keep;
pub mod office;
pub mod peers;
pub mod rates;
pub mod record;
pub mod schedule;
pub mod tokens;
pub mod trade;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use engine::replay::Crash;
use engine::{Content, DurableId, Fact, FactBody, Input, Stage, World, ZoneConfig, layout};
use jobs::strain::own_ns;
use jobs::{CoreGroup, CoreList, Meter, StageFrame, Timed, Watch};
use transport::{Event, JoinCode, Limits, PeerId, PlainWebSocket, Server, ServerConfig};

use crate::admin::board::{Numbers, TickReport};
use crate::admin::easel::Easel;
use crate::admin::guard::Token;
use crate::admin::{self, Reporter};
use crate::allocator::{self, Allocations};
use crate::cli::EXIT_PANICKED;
use crate::config::{Config, ConfigError, Settings, Spawn, ZoneSettings};
use crate::log;
use crate::planted;
use crate::signals::Stop;
use budgeter::{Budgeter, Report};
use crash::LastTicks;
use files::Ready;
use governor::{Governor, Ladder, Spent};
use greeting::Greeting;
use keep::open::{self, Opened};
use keep::{Held, KeepError, Keeper};
use office::Office;
use peers::{Act, Peers};
use record::{RecordFlags, Recorder};
use schedule::Schedule;

/// The door closes this long before the next tick, so that a handshake never makes one late.
const DOOR_MARGIN: Duration = Duration::from_millis(3);
/// Counters are handed over every so many ticks: reading the world's costs a pass over its rows.
const NUMBERS_TICKS: u32 = 4;
/// How long a draining zone still answers, with a no.
const DRAIN: Duration = Duration::from_millis(600);
/// How long the goodbyes have to reach their sockets.
const GOODBYE: Duration = Duration::from_millis(100);
/// Connections beside those of players: strangers at the door, players on their way out.
const SPARE_PEERS: usize = 256;

/// One zone and everything it talks through.
pub struct Zone {
    server: Server,
    world: World,
    peers: Peers,
    schedule: Schedule,
    governor: Governor,
    ladder: Ladder,
    budgeter: Budgeter,
    office: Office,
    inputs: Vec<Input>,
    recorder: Recorder,
    keeper: Keeper,
    /// The log has ended, and the zone with it.
    log_ended: Option<KeepError>,
    /// Inputs of the ticks before this one.
    last_ticks: LastTicks,
    /// The phase under way, if it is one.
    under_way: Option<Stage>,
    /// The tick under way, for whoever logs a panic.
    tick_shown: Arc<AtomicU32>,
    is_draining: bool,
    /// Made by this thread in ticks.
    allocations: Allocations,
}

/// How a zone begins, beside its settings.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct BeginFlags {
    /// What of it is recorded
    #[command(flatten)]
    pub record: RecordFlags,
    /// The first tick is the one behind this: for tests of what happens after years
    #[arg(long, value_name = "TICK", default_value_t = 0, hide = true,
          value_parser = clap::value_parser!(u32).range(0..=i64::from(BEHIND_TICK_MAX)))]
    pub behind_tick: u32,
}

/// Ticks are not counted over the end of their 32 bits: that takes 6.8 years at 20 Hz. This leaves a year.
const BEHIND_TICK_MAX: u32 = u32::MAX - 20 * 86_400 * 366;

/// A tick that begins so much too late tells nothing of the paths to clients: the process was stopped, or the machine slept.
const STOOD_STILL: Duration = Duration::from_millis(500);

/// Runs a zone until it is told to stop.
///
/// # Errors
/// When something it needs cannot be had; the message says what and where it was configured.
pub fn run(
    config: &Config,
    settings: &Settings,
    ready_file: Option<&Path>,
    begin: &BeginFlags,
) -> anyhow::Result<ExitCode> {
    log::start(&config.log_level);
    let stop = Stop::on_signals().context("cannot listen for signals")?;
    let cores = cores(config, settings)?;
    files::make_data_dir(&config.data_dir)?;
    let _data_dir_lock = files::lock_data_dir(&config.data_dir)?;
    jobs::sys::set_affinity(cores.as_slice()).context("cannot bind the process to its cores")?;
    let rate = config.zone.ticks_per_second;
    let token = Token::leave(&config.data_dir)?;
    let (office, counter) = office::open();
    let (admin_addr, reporter, easel) =
        admin::start(config.admin, rate, (token, counter)).with_context(|| {
            let setting = settings.get("admin.addr");
            format!(
                "cannot open the admin page at {} (admin.addr, {}): choose another address with --admin",
                config.admin, setting.source
            )
        })?;
    let group = CoreGroup::start_here("zone", &cores)?;
    let mut zone = Zone::open(config, settings, begin, (&group, office))?;
    reporter.handle_world(&zone.world);
    let ready = Ready {
        listen: zone.server.local_addr(),
        admin: admin_addr,
        join: (config.plain_websocket == PlainWebSocket::Private)
            .then(|| JoinCode::new(zone.server.local_addr(), &zone.server.spki_pin()).to_string()),
        pin: zone.server.spki_pin().iter().map(|byte| format!("{byte:02x}")).collect(),
        pid: std::process::id(),
    };
    if let Some(path) = ready_file {
        ready.write(path)?;
    }
    tracing::info!(listen = %ready.listen, admin = %ready.admin, pin = ready.pin, %cores, "the zone is up");
    match (&ready.join, config.plain_websocket) {
        (Some(code), _) => {
            tracing::info!(code, "players of private networks may come in with this join code");
        }
        (None, PlainWebSocket::Anybody) => tracing::warn!(
            listen = %ready.listen,
            "whoever reaches this address by WebSocket may play: it must be a proxy that adds TLS and decides who comes in"
        ),
        _ => {}
    }
    let period = Duration::from_secs(1) / rate;
    let (mut watch, intervals) = Watch::new(config.histograms.level(), period, || Meter::of(&group));
    let dumps = dumps::start(intervals, reporter.clone(), config.histograms, &config.data_dir)?;
    let ended = zone.run(&group, (&reporter, &easel), &mut watch, &stop);
    drop(watch);
    dumps.wait();
    if let Err(crash) = ended {
        zone.bury(&crash, &config.data_dir);
        return Ok(ExitCode::from(EXIT_PANICKED));
    }
    if let Some(error) = zone.log_ended {
        return Err(error.into());
    }
    tracing::info!(tick = zone.world.now(), "the zone has drained");
    Ok(ExitCode::SUCCESS)
}

/// The cores to use: those that were asked for, or the first that this process may use.
fn cores(config: &Config, settings: &Settings) -> anyhow::Result<CoreList> {
    let usable = CoreList::usable().context("cannot ask for the usable cores")?;
    let Some(cores) = config.cores.clone() else { return Ok(CoreList::one(usable.first())) };
    cores.check_usable(&usable).map_err(|error| ConfigError::Value {
        place: settings.get("cores").source.clone(),
        key: "cores",
        value: cores.to_string(),
        expected: format!("cores that can be used; {error}"),
    })?;
    Ok(cores)
}

fn world_config(zone: &ZoneSettings) -> ZoneConfig {
    ZoneConfig {
        seed: zone.seed,
        side_mm: zone.side_m as i32 * 1000,
        ticks_per_second: zone.ticks_per_second,
        players_max: zone.players_max,
        creatures: zone.creatures,
        spawn_radius_mm: zone.spawn_radius_m as i32 * 1000,
        den_radius_mm: 0,
        sending: zone.sending,
    }
}

/// The zone's world: as it was, or a new one.
fn open_world(config: &Config, world: &ZoneConfig, begin: &BeginFlags) -> anyhow::Result<Opened> {
    let content = Content::standard(world.ticks_per_second);
    if !config.keep {
        return Ok(Opened::unkept(World::from_tick(world, content, begin.behind_tick)));
    }
    open::open(&config.data_dir, world, content, begin.behind_tick)
}

impl Zone {
    fn open(
        config: &Config,
        settings: &Settings,
        begin: &BeginFlags,
        (group, office): (&CoreGroup, Office),
    ) -> anyhow::Result<Self> {
        let limits = Limits {
            peers_max: config.zone.players_max as usize * 5 / 4 + SPARE_PEERS,
            plain_websocket: config.plain_websocket,
            origins: config.origins.clone(),
            receive_buffer_bytes: planted::receive_bytes(Limits::default().receive_buffer_bytes),
            ..Limits::default()
        };
        let server = ServerConfig {
            addr: config.listen,
            data_dir: config.data_dir.clone(),
            wire_major: netproto::WIRE_MAJOR,
            limits,
        };
        let server = Server::bind(server).with_context(|| {
            let source = &settings.get("listen.addr").source;
            format!("cannot listen at {} (listen.addr, {source}; --listen chooses another)", config.listen)
        })?;
        let id_high = files::next_id_high(&config.data_dir)?;
        let rate = config.zone.ticks_per_second;
        let world_config = world_config(&config.zone);
        let opened = group.install(|| open_world(config, &world_config, begin))?;
        let Opened { world, mut inputs, tokens, keeper, is_new } = opened;
        inputs.insert(0, Input::Names(id_high));
        let greeting = Greeting::new(rate, world_config.side_mm as u32, world.content_hash(), world.walls());
        let mut peers = Peers::new(greeting, config.zone.players_max, id_high);
        peers.set_reach(config.plain_websocket);
        peers.set_tokens(tokens, |player| world.entity_of(player).is_some());
        match config.zone.spawn {
            Spawn::Middle => {}
            Spawn::Towns => peers.set_layout(layout::in_towns, config.zone.seed, world_config.side_mm),
            Spawn::Drill(drill) => {
                peers.set_layout(layout::anywhere, config.zone.seed, world_config.side_mm);
                inputs.push(Input::Drill(drill));
            }
        }
        let recorder = Recorder::start(&begin.record, &world, !is_new)?;
        let tick_shown = Arc::new(AtomicU32::new(0));
        log::watch_panics(Arc::clone(&tick_shown));
        Ok(Self {
            server,
            world,
            peers,
            schedule: Schedule::new(Instant::now(), rate),
            governor: Governor::new(1_000_000_000 / u64::from(rate)),
            ladder: Ladder::default(),
            budgeter: Budgeter::new(rate),
            office,
            inputs,
            recorder,
            keeper,
            log_ended: None,
            last_ticks: LastTicks::default(),
            under_way: None,
            tick_shown,
            is_draining: false,
            allocations: Allocations::default(),
        })
    }

    /// Ticks until `stop`, then drains. A tick that panics ends it at once: what came of it cannot be trusted, so nothing
    /// of it is sent.
    fn run(
        &mut self,
        group: &CoreGroup,
        (reporter, easel): (&Reporter, &Easel),
        watch: &mut Watch,
        stop: &Stop,
    ) -> Result<(), Crash> {
        self.schedule = Schedule::new(Instant::now(), self.world.config().ticks_per_second);
        let mut drain_until = None;
        while self.log_ended.is_none() && drain_until.is_none_or(|until| Instant::now() < until) {
            let ticked = catch_unwind(AssertUnwindSafe(|| group.install(|| self.tick(watch))));
            reporter.send(ticked.map_err(|said| self.crash(&*said))?);
            let deadline = self.schedule.deadline();
            let door_closes = deadline.checked_sub(DOOR_MARGIN).unwrap_or(deadline);
            easel.paint(&self.world, &self.server, door_closes);
            self.server.serve_door(door_closes);
            std::thread::sleep(deadline.saturating_duration_since(Instant::now()));
            if drain_until.is_none() && stop.is_asked() {
                tracing::info!(tick = self.world.now(), "asked to stop: draining");
                drain_until = Some(Instant::now() + DRAIN);
                self.is_draining = true;
                self.peers.handle_drain(self.world.now());
                self.act();
            }
        }
        self.server.shutdown(Instant::now(), "the zone is shutting down");
        self.server.serve_door(Instant::now() + GOODBYE);
        self.recorder.end();
        self.keeper.end(&self.world, self.peers.grants());
        Ok(())
    }

    fn crash(&self, said: &(dyn Any + Send)) -> Crash {
        let tick = self.tick_shown.load(Ordering::Relaxed);
        Crash { tick, stage: self.under_way, message: crash::message(said) }
    }

    /// What is left to do for a tick that panicked: the recording ends whole with the tick before, and what the tick was
    /// made of goes to a file. Says so in one line.
    fn bury(&mut self, crash: &Crash, data_dir: &Path) {
        self.recorder.end();
        self.keeper.seal();
        let (tick, place, message) = (crash.tick, crash.place(), &crash.message);
        let recorded = self.recorder.recorded.ticks;
        match self.last_ticks.dump(crash, &self.world, &self.inputs, data_dir) {
            Ok(file) => tracing::error!(
                tick, place, message, recorded, dump = %file.display(),
                "a tick panicked: the zone ends; see \"After a crash\" in docs/OPERATIONS.md"
            ),
            Err(error) => tracing::error!(
                tick, place, message, recorded, %error,
                "a tick panicked: the zone ends, and its last inputs could not be written"
            ),
        }
    }

    /// One tick: receive, tick, send.
    fn tick(&mut self, watch: &mut Watch) -> TickReport {
        let begun = Instant::now();
        let allocated = allocator::here();
        let tick = self.world.now() + 1;
        self.tick_shown.store(tick, Ordering::Relaxed);
        let mut frame = watch.begin();
        let burden = planted::Burden::begin();
        planted::break_client(&mut self.world);
        let behind = self.schedule.behind(begun);
        if behind >= STOOD_STILL {
            self.peers.forget_probes();
            self.budgeter.handle_standstill(begun);
        }
        self.server.receive(begun);
        self.take_events(begun);
        self.take_petitions();
        frame.skip();
        self.step(&mut frame);
        self.deliver();
        self.server.flush(Instant::now());
        self.recorder.handle_tick(&self.world, &self.inputs);
        self.last_ticks.keep(tick, &self.inputs);
        self.inputs.clear();
        let failed = self.world.facts().iter().filter(|fact| fact.body == FactBody::Failed);
        self.inputs.extend(failed.map(|fact| Input::Detach { player: fact.player }));
        self.survey();
        self.ration();
        self.keeper.handle_end(&self.world, self.peers.grants());
        burden.carry(tick);
        let timed = watch.end(&frame);
        self.allocations.add_since(allocated);
        let ended = Instant::now();
        self.schedule.handle_tick_done(tick, begun, ended);
        self.govern(&timed);
        let numbers = (tick % NUMBERS_TICKS == 1 || self.is_draining).then(|| self.numbers());
        TickReport {
            tick,
            ended,
            behind,
            lap: timed.lap,
            stages: timed.stages,
            strain: timed.strain,
            numbers,
        }
    }

    /// The world's part of a tick. What it must not forget leaves for the log as soon as it has happened, so that the disk
    /// works while clients are served.
    fn step(&mut self, frame: &mut StageFrame) {
        let Self { world, inputs, keeper, log_ended, under_way, peers, .. } = self;
        keeper.handle_granted(peers.take_granted());
        keeper.handle_begin(world);
        *under_way = Stage::ALL.first().copied();
        let done = |stage| {
            planted::stall(stage);
            frame.end_stage(stage as usize);
            *under_way = Stage::ALL.get(stage as usize + 1).copied();
        };
        engine::tick_settled(world, inputs, done, |world| {
            *log_ended = keeper.handle_settled(world, inputs).err();
        });
    }

    /// Decides how much detail the next tick has, and announces how long ticks will take.
    fn govern(&mut self, timed: &Timed) {
        let period_ns = self.schedule.period().as_nanos() as u64;
        let own_ns = own_ns(timed.lap, timed.strain);
        let spent = Spent { wall_ns: timed.lap.wall_ns, own_ns, period_ns };
        if let Some(level) = self.governor.handle_tick(&spent) {
            self.ladder.count(self.world.shed().level(), level);
            self.inputs.push(Input::Shed(level));
        }
        if let Some(pace) = self.schedule.handle_percent(self.world.now(), self.world.shed().percent()) {
            self.peers.handle_pace(&pace);
            self.act();
        }
    }

    /// While the log has no room, nothing may change hands: what cannot be kept must not be promised.
    fn ration(&mut self) {
        let is_read_only = self.keeper.is_read_only();
        if is_read_only != self.world.market().economy().is_read_only() {
            let now =
                if is_read_only { "nothing changes hands any more" } else { "things change hands again" };
            tracing::warn!(tick = self.world.now(), now, "what the log can promise has changed");
            self.inputs.push(Input::ReadOnly(is_read_only));
        }
    }

    /// Looks at the links of some clients, and tells the world of those whose budget changes.
    ///
    /// - Cost: an eighth of all clients per tick, about 0.5 us each, on WebSocket a system call more.
    fn survey(&mut self) {
        let Self { server, peers, world, budgeter, inputs, schedule, .. } = self;
        let (now, period) = (Instant::now(), schedule.period());
        budgeter.handle_own_drops(now, server.counters().drops_kernel);
        server.survey(budgeter.next_places(), |peer, stats| {
            let Some((player, probe)) = peers.path_of(peer) else { return };
            let Some(client) = world.client_of(player) else { return };
            let (lag, waited) = probe.take(now);
            let report = Report {
                rtt: stats.rtt,
                lag,
                waited,
                packets_sent: stats.packets_sent,
                packets_lost: stats.packets_lost,
                unsent_bytes: stats.unsent_bytes,
            };
            if let Some(budget) = budgeter.handle_report(now, peer, &report) {
                inputs.push(Input::Budget { player, budget });
            }
            if client.view.span() > 0 && client.sent_at != 0 {
                let sent_at = now.checked_sub(period * world.now().wrapping_sub(client.sent_at));
                probe.arm(client.view.newest_sent(), sent_at.unwrap_or(now));
            }
        });
    }

    /// From what the sockets learnt to what the world shall do.
    fn take_events(&mut self, now: Instant) {
        while let Some(event) = self.server.poll_event() {
            let peer = peer_of(&event);
            let clock = (&self.schedule, self.world.now());
            // One peer's bytes must never end the zone: the peer goes, the panic is logged with its tick.
            let handled = catch_unwind(AssertUnwindSafe(|| {
                planted::trip(&event);
                self.peers.handle_event(now, &event, clock, &mut self.inputs);
            }));
            if handled.is_err() {
                tracing::error!(
                    ?peer,
                    said = crash::shown(&event),
                    "reading a peer's bytes panicked; peer closed"
                );
                self.peers.handle_panic(peer, &mut self.inputs);
            }
            self.act();
        }
        if self.world.now().is_multiple_of(self.world.config().ticks_per_second) {
            self.peers.handle_timeout(now, &mut self.inputs);
            self.act();
        }
    }

    /// From what the world says to the sockets; what must be safe first is told when it is.
    fn deliver(&mut self) {
        let tick = self.world.now();
        for fact in self.world.facts() {
            self.log_failed(fact);
            if let Some(fact) = self.keeper.handle_fact(tick, fact) {
                self.office.handle_fact(&fact, tick);
                self.peers.handle_fact(&fact, tick);
            }
        }
        for receipt in self.world.receipts() {
            if let Some(receipt) = self.keeper.handle_receipt(tick, receipt) {
                self.peers.handle_receipt(&receipt, tick);
            }
        }
        while let Some((tick, held)) = self.keeper.poll_held() {
            match held {
                Held::Fact(fact) => {
                    self.office.handle_fact(&fact, tick);
                    self.peers.handle_fact(&fact, tick);
                }
                Held::Receipt(receipt) => self.peers.handle_receipt(&receipt, tick),
            }
        }
        self.act();
        for (player, frame) in self.world.frames() {
            if let Some(peer) = self.peers.peer_of(player) {
                self.server.send_frame(peer, frame);
            }
        }
    }

    fn log_failed(&self, fact: &Fact) {
        if fact.body == FactBody::Failed {
            let DurableId { low, high } = fact.player;
            let (tick, peer) = (self.world.now(), self.peers.peer_of(fact.player));
            tracing::error!(
                tick,
                ?peer,
                player = format!("{high:08x}{low:08x}"),
                "writing a snapshot panicked; peer closed"
            );
        }
    }

    /// Does what the peers' machine has decided.
    fn act(&mut self) {
        while let Some(act) = self.peers.poll_act() {
            match act {
                Act::Admit { peer } => {
                    self.server.admit(peer);
                }
                Act::Refuse { peer, record } => self.server.refuse(peer, &record),
                Act::Record { peer, record } => {
                    self.server.send_record(peer, &record);
                }
                Act::Walls { peer } => {
                    for record in self.peers.greeting().walls() {
                        self.server.send_record(peer, record);
                    }
                }
                Act::Close { peer, code } => self.server.close(peer, code, ""),
            }
        }
    }

    fn numbers(&self) -> Numbers {
        Numbers {
            world: self.world.counts(),
            peers: *self.peers.counts(),
            sockets: self.server.counters(),
            by_link: self.peers.n_by_link(),
            n_connections: self.server.n_peers() as u32,
            queues: self.server.queues(),
            allocations: self.allocations,
            n_late: self.schedule.n_late,
            n_moved: self.schedule.n_moved,
            shed_level: self.world.shed().level(),
            period: self.schedule.period(),
            ladder: self.ladder,
            budgets: *self.budgeter.standings(),
            recorded: self.recorder.recorded,
            kept: self.keeper.kept(),
            is_draining: self.is_draining,
        }
    }
}

fn peer_of(event: &Event) -> PeerId {
    match event {
        Event::Hello { peer, .. }
        | Event::Record { peer, .. }
        | Event::Datagram { peer, .. }
        | Event::Closed { peer, .. } => *peer,
    }
}

#[cfg(test)]
mod tests {
    use super::Stage;

    #[test]
    fn the_engine_and_the_histograms_agree_on_the_stages() {
        assert_eq!(Stage::ALL.map(Stage::name), jobs::STAGES);
        assert!(Stage::ALL.iter().enumerate().all(|(at, stage)| *stage as usize == at));
    }
}
