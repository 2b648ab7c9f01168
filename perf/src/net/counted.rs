//! What `perf net --instructions` counts: a server and its clients on one thread, tick by tick, without a schedule.
//!
//! Functions whose names begin with `counted_` are where callgrind counts, and all of them are the server's. Clients,
//! and the door's waiting, are not counted. Without callgrind the same program says what CPU time the same calls took
//! beside those of bare UDP, and what memory they hold.

use super::floor::{CLIENT_SOCKETS, here};
use super::{INPUT_BYTES, Transport};
use crate::child::follow_parent;
use crate::counting::live_bytes;
use crate::stats::median;
use anyhow::{Context, ensure};
use jobs::sys::thread_cpu_ns;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use transport::client::{ClientEvent, Clients, ConnId, Target};
use transport::raw::RawSocket;
use transport::raw::pair::Pair;
use transport::{Counters, Event, Limits, PeerId, Server, ServerConfig};

/// Where callgrind counts.
pub(super) const COUNTED: [&str; 6] = [DOOR, ROUND, RECEIVE, FRAMES, FLUSH, PAIR];
/// Handshakes of a server.
pub(super) const DOOR: &str = "counted::counted_door";
/// Rounds of the door between ticks.
pub(super) const ROUND: &str = "counted::counted_round";
/// The input pass.
pub(super) const RECEIVE: &str = "counted::counted_receive";
/// Handing a frame over for everybody.
pub(super) const FRAMES: &str = "counted::counted_frames";
/// The send pass.
pub(super) const FLUSH: &str = "counted::counted_flush";
/// Handshakes of the server half of a pair.
pub(super) const PAIR: &str = "counted::counted_pair";
/// Is never called: all counts go to one file.
pub(super) const MARK: &str = "counted::counted_mark";

/// Handshakes under way at once: below the number from which a server asks strangers for a second round trip.
const OPENING_MAX: usize = 32;
/// Rounds of the door between two ticks, each with its share of the inputs.
const ROUNDS: usize = 25;
/// Ticks before those that count.
const WARM_UP_TICKS: usize = 24;
/// Everybody must be in within this, under callgrind too.
const PATIENCE: Duration = Duration::from_secs(120);
/// Silence that ends nobody under callgrind.
const IDLE: Duration = Duration::from_secs(60);

/// What to run.
#[derive(Clone, Copy, clap::Args)]
pub(crate) struct Args {
    #[arg(long, value_enum, default_value_t = Transport::Quic)]
    transport: Transport,
    #[arg(long, default_value_t = 64)]
    clients: usize,
    #[arg(long, default_value_t = 40)]
    ticks: usize,
    #[arg(long, default_value_t = 600)]
    payload: u16,
    /// Ticks between two frames for one client.
    #[arg(long, default_value_t = 1)]
    frame_every: usize,
}

/// How many of what was counted, and what it took besides.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Units {
    /// Handshakes of the server.
    pub(super) handshakes: u64,
    /// Handshakes of the pair.
    pub(super) pairs: u64,
    /// Clients times ticks.
    pub(super) client_ticks: u64,
    /// The same with those of the warm-up, which callgrind counts as well.
    pub(super) all_client_ticks: u64,
    /// Of the server, in the ticks that count.
    pub(super) frames: u64,
    /// See `frames`.
    pub(super) inputs: u64,
    /// See `frames`.
    pub(super) packets_out: u64,
    /// See `frames`.
    pub(super) packets_in: u64,
    /// Packets of the server without frame and record.
    pub(super) standalone_acks: u64,
    /// Packets of the clients without input and record.
    pub(super) client_standalone_acks: u64,
    /// Memory that the server asked for and holds, per client.
    pub(super) live_bytes_per_connection: f64,
    /// CPU time of the same calls, median of the ticks.
    pub(super) us_per_client_tick: f64,
    /// See `us_per_client_tick`: of these, the send pass.
    pub(super) flush_us: f64,
    /// CPU time of bare UDP, tick by tick in turn with the server's.
    pub(super) floor_us: f64,
}

/// Runs it, and says how many of everything there were.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    follow_parent()?;
    let mut units = Units::default();
    if args.transport == Transport::Quic {
        pairs(args, &mut units)?;
    }
    let mut stage = Stage::new(args)?;
    stage.connect(&mut units)?;
    stage.play(&mut units)?;
    println!("{}", serde_json::to_string(&units)?);
    Ok(())
}

#[inline(never)]
fn counted_pair(pair: &mut Pair) -> usize {
    pair.turn_server(Instant::now())
}

#[inline(never)]
fn counted_door(server: &mut Server) {
    server.serve_door(Instant::now());
}

#[inline(never)]
fn counted_receive(server: &mut Server) {
    server.receive(Instant::now());
}

#[inline(never)]
fn counted_frames(server: &mut Server, peers: &[PeerId], payload: &[u8]) {
    for peer in peers {
        server.send_frame(*peer, payload);
    }
}

#[inline(never)]
fn counted_flush(server: &mut Server) {
    server.flush(Instant::now());
}

fn limits(args: &Args) -> Limits {
    let idle =
        Limits { idle_timeout: IDLE, handshake_deadline: IDLE, hello_deadline: IDLE, ..Limits::default() };
    Limits { peers_max: args.clients + OPENING_MAX, ..idle }
}

/// As many handshakes in memory, one after the other.
fn pairs(args: &Args, units: &mut Units) -> anyhow::Result<()> {
    let room = tempfile::tempdir().context("cannot make a directory for the key")?;
    let mut pair = Pair::new(room.path(), netproto::WIRE_MAJOR, &limits(args))?;
    // The first one warms up; it is counted like the others.
    for n in 1..=args.clients {
        pair.connect(Instant::now());
        let mut n_hellos = 0;
        loop {
            n_hellos = counted_pair(&mut pair).max(n_hellos);
            if !pair.turn_clients(Instant::now()) {
                break;
            }
        }
        ensure!(n_hellos == n, "handshake {n} in memory did not succeed");
    }
    units.pairs = args.clients as u64;
    Ok(())
}

struct Stage {
    args: Args,
    server: Server,
    clients: Clients,
    conns: Vec<ConnId>,
    peers: Vec<PeerId>,
    n_connected: usize,
    n_received: u64,
    floor: Floor,
    /// The server's, since before the first client.
    live_bytes: i64,
    _room: tempfile::TempDir,
}

impl Stage {
    fn new(args: &Args) -> anyhow::Result<Self> {
        let room = tempfile::tempdir().context("cannot make a directory for the key")?;
        let config = ServerConfig {
            addr: here(),
            data_dir: room.path().to_owned(),
            wire_major: netproto::WIRE_MAJOR,
            limits: limits(args),
        };
        Ok(Self {
            args: *args,
            server: Server::bind(config)?,
            clients: Clients::new(CLIENT_SOCKETS.min(args.clients)).context("cannot open an event queue")?,
            conns: Vec::new(),
            peers: Vec::new(),
            n_connected: 0,
            n_received: 0,
            floor: Floor::new(args.clients)?,
            live_bytes: 0,
            _room: room,
        })
    }

    /// One call of the server; what it holds afterwards counts.
    fn server<T>(&mut self, call: impl FnOnce(&mut Server) -> T) -> T {
        let before = live_bytes();
        let result = call(&mut self.server);
        self.live_bytes += live_bytes() - before;
        result
    }

    /// Everybody comes in. Nobody is admitted before all have said hello: until then the server is its door.
    fn connect(&mut self, units: &mut Units) -> anyhow::Result<()> {
        let until = Instant::now() + PATIENCE;
        let addr = self.server.local_addr();
        while self.peers.len() < self.args.clients {
            let now = Instant::now();
            ensure!(now < until, "only {} of {} got in", self.peers.len(), self.args.clients);
            let n_max = self.args.clients.min(self.peers.len() + OPENING_MAX);
            while self.conns.len() < n_max {
                let link = self.args.transport.link(self.conns.len());
                let target = Target { addr, link, pin: None, wire_major: netproto::WIRE_MAJOR };
                self.conns.push(self.clients.connect(now, &target)?);
            }
            self.take()?;
            self.clients.flush(Instant::now());
            self.server(counted_door);
            if self.args.transport != Transport::Quic {
                // Only a door with time left looks for TCP connections.
                self.server(|server| server.receive(Instant::now()));
            }
            self.greet()?;
        }
        units.handshakes = self.peers.len() as u64;
        for at in 0..self.peers.len() {
            let peer = self.peers[at];
            ensure!(self.server(|server| server.admit(peer)), "a client has left at once");
        }
        Ok(())
    }

    /// What the server has learnt.
    fn greet(&mut self) -> anyhow::Result<()> {
        while let Some(event) = self.server(Server::poll_event) {
            match event {
                Event::Hello { peer, .. } => self.peers.push(peer),
                Event::Closed { reason, .. } => anyhow::bail!("the server lost a client: {reason}"),
                Event::Datagram { .. } | Event::Record { .. } => {}
            }
        }
        Ok(())
    }

    /// What the clients have learnt.
    fn take(&mut self) -> anyhow::Result<()> {
        self.clients.receive(Instant::now());
        while let Some(event) = self.clients.poll_event() {
            match event {
                ClientEvent::Connected { conn } => {
                    self.n_connected += 1;
                    self.clients.send_record(conn, b"hello");
                }
                ClientEvent::Datagram { .. } => self.n_received += 1,
                ClientEvent::Record { .. } => {}
                ClientEvent::Closed { reason, .. } => anyhow::bail!("a client lost its connection: {reason}"),
            }
        }
        Ok(())
    }

    fn play(&mut self, units: &mut Units) -> anyhow::Result<()> {
        let payload = vec![0x5a; usize::from(self.args.payload)];
        let mut costs: Vec<[f64; 3]> = Vec::new();
        let mut before = (Counters::default(), 0);
        for tick in 0..WARM_UP_TICKS + self.args.ticks {
            if tick == WARM_UP_TICKS {
                before = (self.server.counters(), self.clients.counters().standalone_acks);
                costs.clear();
            }
            let floor = self.floor.tick(&payload);
            let [whole, flush] = self.tick(tick, &payload)?;
            costs.push([floor, whole, flush].map(|ns| ns as f64 / 1e3 / self.args.clients as f64));
        }
        let middle = |at: usize| median(&costs.iter().map(|each| each[at]).collect::<Vec<_>>());
        let after = self.server.counters();
        *units = Units {
            client_ticks: (self.args.clients * self.args.ticks) as u64,
            all_client_ticks: (self.args.clients * (WARM_UP_TICKS + self.args.ticks)) as u64,
            frames: after.frames_out - before.0.frames_out,
            inputs: after.datagrams_in - before.0.datagrams_in,
            packets_out: after.udp_out - before.0.udp_out,
            packets_in: after.udp_in - before.0.udp_in,
            standalone_acks: after.standalone_acks - before.0.standalone_acks,
            client_standalone_acks: self.clients.counters().standalone_acks - before.1,
            live_bytes_per_connection: self.live_bytes as f64 / self.args.clients as f64,
            us_per_client_tick: middle(1),
            flush_us: middle(2),
            floor_us: middle(0),
            ..units.clone()
        };
        Ok(())
    }

    /// One tick of everybody: CPU time of the server's calls, and of these the send pass.
    fn tick(&mut self, tick: usize, payload: &[u8]) -> anyhow::Result<[u64; 2]> {
        let input = [0xa5; INPUT_BYTES as usize];
        let mut cpu_ns = 0;
        self.take()?;
        let conns = std::mem::take(&mut self.conns);
        for share in conns.chunks(conns.len().div_ceil(ROUNDS)) {
            for conn in share {
                self.clients.send_datagram(*conn, &input);
            }
            self.clients.flush(Instant::now());
            cpu_ns += self.timed(counted_round);
        }
        self.conns = conns;
        cpu_ns += self.timed(counted_receive);
        cpu_ns += self.timed(|server| while server.poll_event().is_some() {});
        let peers = std::mem::take(&mut self.peers);
        if tick.is_multiple_of(self.args.frame_every) {
            cpu_ns += self.timed(|server| counted_frames(server, &peers, payload));
        }
        self.peers = peers;
        let flush_ns = self.timed(counted_flush);
        Ok([cpu_ns + flush_ns, flush_ns])
    }

    fn timed(&mut self, call: impl FnOnce(&mut Server)) -> u64 {
        let before = thread_cpu_ns();
        self.server(call);
        thread_cpu_ns() - before
    }
}

/// A round of the door in play is part of receiving.
#[inline(never)]
fn counted_round(server: &mut Server) {
    // Otherwise this would be the same function as the door's, and the linker would make one of them.
    std::hint::black_box(ROUNDS);
    server.serve_door(Instant::now());
}

/// The same traffic over bare UDP.
struct Floor {
    server: RawSocket,
    clients: Vec<RawSocket>,
    addr: SocketAddr,
    addrs: Vec<SocketAddr>,
    n_clients: usize,
}

impl Floor {
    fn new(n_clients: usize) -> anyhow::Result<Self> {
        let server = RawSocket::bind(here()).context("cannot open a UDP socket")?;
        let clients: Result<Vec<_>, _> =
            (0..CLIENT_SOCKETS.min(n_clients)).map(|_| RawSocket::bind(here())).collect();
        let clients = clients.context("cannot open the clients' UDP sockets")?;
        let addrs: Result<Vec<_>, _> = clients.iter().map(RawSocket::local_addr).collect();
        Ok(Self { addr: server.local_addr()?, server, addrs: addrs?, clients, n_clients })
    }

    /// CPU time of the server's calls.
    fn tick(&mut self, payload: &[u8]) -> u64 {
        let input = [0xa5; INPUT_BYTES as usize];
        let mut cpu_ns = 0;
        let all: Vec<usize> = (0..self.n_clients).collect();
        for share in all.chunks(all.len().div_ceil(ROUNDS)) {
            for client in share {
                let at = client % self.clients.len();
                self.clients[at].push(self.addr, &input);
            }
            self.clients.iter_mut().map(RawSocket::flush).for_each(|_| ());
            let before = thread_cpu_ns();
            self.server.drain(|_| ());
            cpu_ns += thread_cpu_ns() - before;
        }
        let before = thread_cpu_ns();
        for client in &all {
            self.server.push(self.addrs[client % self.addrs.len()], payload);
        }
        self.server.flush();
        cpu_ns += thread_cpu_ns() - before;
        self.clients.iter_mut().map(|client| client.drain(|_| ())).for_each(|_| ());
        cpu_ns
    }
}
