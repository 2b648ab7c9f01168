//! The players of the zone: thin ones that acknowledge, walk and fight, and some that look.
//!
//! A thin client reads header and own body of a snapshot; one in 21 decodes all of it into a
//! [`client_core::view::View`]. Nobody predicts. Commands are those of the scenario.

use super::pace::Pace;
use super::runs::Plan;
use crate::Failure;
use crate::load::{Load, ROUND, Schedule};
use crate::machine::Stop;
use crate::net::Transport;
use crate::net::floor::CLIENT_SOCKETS;
use anyhow::Context;
use client_core::Nanos;
use client_core::commands::Commands;
use client_core::history::Numbers;
use client_core::session::decode_thin;
use client_core::view::View;
use harness::{Scenario, scenario};
use jobs::Durations;
use netproto::bits::GUARD_BYTES;
use netproto::input::InputPacket;
use netproto::snapshot::{Frame, decode};
use netproto::{Acks, Command, Goodbye, INPUT_BYTES_MAX, Record, WIRE_MAJOR, version};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use transport::CloseReason;
use transport::client::{ClientEvent, Clients, ConnId, Target};

/// Handshakes under way at once: below the number from which a zone asks strangers for a second round trip.
const OPENING_MAX: usize = 48;
/// Everybody must be in within this.
const PATIENCE: Duration = Duration::from_secs(40);
/// Handshakes that may fail.
const REDIALS_MAX: u32 = 200;
/// One in this many looks. It shares no factor with ten, so that they are from all towns, and steer and click alike.
const LOOKING: usize = 21;
/// How far ahead of the newest begun tick a command aims.
const AHEAD_TICKS: u32 = 2;
/// `before` of acknowledgements when nothing was lost of late.
const ALL_APPLIED: u32 = 0x7fff;
/// In a header: nothing was consumed yet.
const NONE_CONSUMED: u32 = 255;
/// In the table of owners: a connection that is none of ours.
const NOBODY: u32 = u32::MAX;

struct Client {
    conn: ConnId,
    is_in: bool,
    numbers: Numbers,
    /// Of those that look.
    view: Option<Box<View>>,
    commands: Commands,
    consumed: Option<u32>,
    /// Where it was seen first, and where it is.
    home: Option<(i32, i32)>,
    at: (i32, i32),
    applied_at: Option<Instant>,
    /// The newest command has not left: the next one takes it along.
    is_waiting: bool,
}

impl Client {
    /// Whether a command may leave with the one behind it: it is the first of two, nothing urgent, and none of the newest
    /// snapshots was lost.
    fn may_wait(&self, command: &Command, acks: &Acks) -> bool {
        !self.is_waiting && !self.commands.is_urgent(command) && acks.before == ALL_APPLIED
    }
}

/// Counted from the start on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Snapshots that arrived.
    pub(crate) n_snapshots: u64,
    /// Their bytes.
    pub(crate) n_bytes: u64,
    /// Inputs sent, and their bytes.
    pub(crate) n_inputs: u64,
    /// See there.
    pub(crate) n_input_bytes: u64,
    /// Slots in use of those who look, and how often they looked.
    pub(crate) n_visible: u64,
    /// See there.
    pub(crate) n_looks: u64,
}

impl Counts {
    /// Since an earlier look.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        Self {
            n_snapshots: self.n_snapshots - earlier.n_snapshots,
            n_bytes: self.n_bytes - earlier.n_bytes,
            n_inputs: self.n_inputs - earlier.n_inputs,
            n_input_bytes: self.n_input_bytes - earlier.n_input_bytes,
            n_visible: self.n_visible - earlier.n_visible,
            n_looks: self.n_looks - earlier.n_looks,
        }
    }
}

/// See the module.
pub(crate) struct Crowd {
    clients: Clients,
    target: SocketAddr,
    transport: Transport,
    scenario: Scenario,
    /// Two commands share a datagram unless one is urgent.
    packs: bool,
    players: Vec<Client>,
    /// Player of each connection place.
    owners: Vec<u32>,
    n_in: usize,
    n_redials: u32,
    /// The zone's walls: who says that it has them is spared them.
    wall_hash: u64,
    /// What the zone said of its ticks.
    pace: Pace,
    frame: Box<Frame>,
    /// Counted so far.
    pub(crate) counts: Counts,
    /// Time between two snapshots of one client.
    pub(crate) gaps: Durations,
    /// Snapshots that did not decode: there must be none.
    pub(crate) n_decode_errors: u64,
}

impl Crowd {
    /// Connects everybody; who is in plays while the others come.
    ///
    /// # Errors
    /// When somebody does not get in.
    pub(crate) fn connect(target: SocketAddr, plan: &Plan, stop: &Stop) -> anyhow::Result<Self> {
        let n_clients = plan.n_clients as usize;
        let mut crowd = Self::empty(target, plan)?;
        crowd.grow(n_clients, stop)?;
        Ok(crowd)
    }

    /// Nobody yet; there is room for all clients of the plan.
    ///
    /// # Errors
    /// When the kernel gives no event queue.
    pub(crate) fn empty(target: SocketAddr, plan: &Plan) -> anyhow::Result<Self> {
        let n_clients = plan.n_clients as usize;
        Ok(Self {
            clients: Clients::new(CLIENT_SOCKETS).context("cannot open an event queue")?,
            target,
            transport: plan.transport,
            scenario: plan.scenario,
            packs: plan.packs,
            players: Vec::with_capacity(n_clients),
            owners: Vec::new(),
            n_in: 0,
            n_redials: 0,
            wall_hash: 0,
            pace: Pace::default(),
            frame: Box::default(),
            counts: Counts::default(),
            gaps: Durations::new(),
            n_decode_errors: 0,
        })
    }

    /// Connects more, until there are so many.
    ///
    /// # Errors
    /// When somebody does not get in.
    pub(crate) fn grow(&mut self, n_clients: usize, stop: &Stop) -> anyhow::Result<()> {
        let begun = Instant::now();
        let mut schedule = Schedule::new(n_clients, scenario::HZ, begun, stop);
        while self.n_in < n_clients {
            self.open_some(n_clients)?;
            schedule.run(self, Instant::now() + ROUND)?;
            if begun.elapsed() > PATIENCE {
                let text = format!("only {} of {n_clients} clients got in", self.n_in);
                return Err(Failure::Check(text).into());
            }
        }
        Ok(())
    }

    /// All but the first so many say goodbye.
    pub(crate) fn shrink(&mut self, n_clients: usize) {
        let mut goodbye = Vec::new();
        Goodbye.encode(&mut goodbye);
        for player in self.players.drain(n_clients..) {
            self.owners[player.conn.index() as usize] = NOBODY;
            self.clients.send_record(player.conn, &goodbye);
        }
        self.n_in = self.players.len();
    }

    /// Clients that are in.
    pub(crate) fn n_in(&self) -> usize {
        self.n_in
    }

    /// Handshakes that failed and were begun again.
    pub(crate) fn n_redials(&self) -> u32 {
        self.n_redials
    }

    /// The first comes alone: it learns which walls the zone has, and the others say that they have them.
    fn open_some(&mut self, n_clients: usize) -> anyhow::Result<()> {
        let most = if self.n_in == 0 { 1 } else { OPENING_MAX };
        while self.players.len() < n_clients && self.players.len() - self.n_in < most {
            self.open(1)?;
        }
        Ok(())
    }

    /// So many more begin to connect, however many are under way.
    ///
    /// # Errors
    /// When there is no socket.
    pub(crate) fn open(&mut self, n: usize) -> anyhow::Result<()> {
        for _ in 0..n {
            let at = self.players.len();
            let conn = self.dial(at)?;
            let looks = at.is_multiple_of(LOOKING);
            self.players.push(Client {
                conn,
                is_in: false,
                numbers: Numbers::default(),
                view: looks.then(Box::default),
                commands: Commands::default(),
                consumed: None,
                home: None,
                at: (0, 0),
                applied_at: None,
                is_waiting: false,
            });
        }
        Ok(())
    }

    /// Begins to connect a player.
    fn dial(&mut self, at: usize) -> anyhow::Result<ConnId> {
        let link = self.transport.link(at);
        let target = Target { addr: self.target, link, pin: None, wire_major: WIRE_MAJOR };
        let conn = self.clients.connect(Instant::now(), &target)?;
        let place = conn.index() as usize;
        self.owners.resize(self.owners.len().max(place + 1), NOBODY);
        self.owners[place] = at as u32;
        Ok(conn)
    }

    /// A connection is over: who was on the way in tries again, on a machine with other things to do.
    fn handle_closed(&mut self, conn: ConnId, reason: &CloseReason) -> anyhow::Result<()> {
        let Some(at) = self.owner(conn) else { return Ok(()) };
        self.owners[conn.index() as usize] = NOBODY;
        if self.players[at].is_in || self.n_redials == REDIALS_MAX {
            return Err(Failure::Check(format!("a client lost its connection: {reason}")).into());
        }
        self.n_redials += 1;
        self.players[at].conn = self.dial(at)?;
        Ok(())
    }

    /// After a pause: the zone's schedule has moved, and the gap was ours.
    pub(crate) fn forget_time(&mut self) {
        self.pace.forget();
        self.players.iter_mut().for_each(|player| player.applied_at = None);
    }

    /// Forgets the gaps so far.
    pub(crate) fn reset_gaps(&mut self) {
        self.gaps.reset();
    }

    fn owner(&self, conn: ConnId) -> Option<usize> {
        self.owners.get(conn.index() as usize).filter(|owner| **owner != NOBODY).map(|owner| *owner as usize)
    }

    fn handle(&mut self, event: ClientEvent) -> anyhow::Result<()> {
        match event {
            ClientEvent::Connected { conn } => {
                let mut hello = version::hello("arcane-perf");
                hello.wall_hash = self.wall_hash;
                let mut record = Vec::new();
                hello.encode(&mut record);
                self.clients.send_record(conn, &record);
            }
            ClientEvent::Record { conn, bytes } => match Record::decode(&bytes) {
                Ok(Record::Welcome(welcome)) => {
                    self.wall_hash = welcome.wall_hash;
                    let player = self.owner(conn).map(|at| &mut self.players[at]);
                    self.n_in +=
                        player.map_or(0, |player| usize::from(!std::mem::replace(&mut player.is_in, true)));
                }
                Ok(Record::Refused(refused)) => {
                    let text = format!("the zone refused a client: {}", refused.text);
                    return Err(Failure::Check(text).into());
                }
                Ok(Record::Pace(pace)) => {
                    self.pace.handle_announced(pace.tick, Duration::from_micros(pace.period_us.into()));
                }
                // Walls and paths are for those who predict.
                _ => {}
            },
            ClientEvent::Datagram { conn, bytes, arrived } => self.handle_snapshot(conn, &bytes, arrived),
            ClientEvent::Closed { conn, reason } => return self.handle_closed(conn, &reason),
        }
        Ok(())
    }

    fn handle_snapshot(&mut self, conn: ConnId, bytes: &[u8], arrived: Instant) {
        let Some(at) = self.owner(conn) else { return };
        let (player, frame) = (&mut self.players[at], &mut self.frame);
        self.counts.n_snapshots += 1;
        self.counts.n_bytes += bytes.len() as u64;
        let is_read = if player.view.is_some() { decode(bytes, frame) } else { decode_thin(bytes, frame) };
        if is_read.is_err() {
            self.n_decode_errors += 1;
            return;
        }
        let header = frame.header;
        if let Some(view) = &mut player.view {
            view.apply(frame);
            self.counts.n_visible += u64::from(view.occupied().count_ones());
            self.counts.n_looks += 1;
        } else if player.numbers.is_next(header.number as u16) {
            player.numbers.insert(header.number as u16);
        }
        player.at = (frame.own.x_mm as i32, frame.own.y_mm as i32);
        player.home.get_or_insert(player.at);
        if header.consumed_below != NONE_CONSUMED {
            player.consumed = Some(header.tick.wrapping_sub(header.consumed_below));
        }
        if let Some(before) = player.applied_at.replace(arrived) {
            self.gaps.record_ns(arrived.saturating_duration_since(before).as_nanos() as u64);
        }
        self.pace.handle_snapshot(header.tick, arrived);
    }
}

impl Load for Crowd {
    /// A command for a tick that has not begun, with what was not consumed of those before, and acknowledgements.
    fn send(&mut self, at: usize, due: Instant) {
        // Who may wait a tick for company aims a tick further.
        let ahead_ticks = AHEAD_TICKS + u32::from(self.packs);
        let tick = self.pace.tick_at(due).map(|tick| tick + ahead_ticks);
        let Some(player) = self.players.get_mut(at).filter(|player| player.is_in) else { return };
        let acks = player.view.as_ref().map_or_else(|| player.numbers.acks(), |view| view.acks());
        let packet = match (tick, player.home) {
            (Some(tick), Some(home)) => {
                let is_new =
                    player.commands.newest().is_none_or(|newest| tick.wrapping_sub(newest) as i32 > 0);
                if is_new {
                    let command = self.scenario.command(at as u32, tick, player.at, home);
                    let may_wait = self.packs && player.may_wait(&command, &acks);
                    player.commands.push(tick, &command, Nanos(0));
                    player.is_waiting = may_wait;
                    if may_wait {
                        return;
                    }
                }
                player.commands.packet(acks, player.consumed)
            }
            _ => InputPacket { acks, ..InputPacket::default() },
        };
        let mut buffer = [0; INPUT_BYTES_MAX + GUARD_BYTES];
        let bytes = packet.encode(&mut buffer);
        self.counts.n_inputs += 1;
        self.counts.n_input_bytes += bytes.len() as u64;
        self.clients.send_datagram(player.conn, bytes);
    }

    fn period(&self) -> Option<Duration> {
        Some(self.pace.period())
    }

    fn flush(&mut self) {
        self.clients.flush(Instant::now());
    }

    fn take(&mut self, until: Instant) -> anyhow::Result<()> {
        loop {
            self.clients.wait(until);
            while let Some(event) = self.clients.poll_event() {
                self.handle(event)?;
            }
            if Instant::now() >= until {
                return Ok(());
            }
        }
    }
}
