//! Bots against a zone of a few lines, over real sockets on this machine.
//!
//! The zone has walls everywhere, so that nobody can move: whatever the bots predict must be right.

use bot::{BotsConfig, Mix, Report, run};
use kernel::walls::{CELL_MM, TILE_MM, Walls};
use netproto::input::InputPacket;
use netproto::snapshot::{FRAME_BUFFER_BYTES, Parts, Slots, encode};
use netproto::{Header, Hello, KERNEL_VERSION, Kind, N_GROUPS, Own, OwnState, WIRE_MAJOR, Welcome};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use transport::{Event, Limits, PeerId, Server, ServerConfig};

const TICK: Duration = Duration::from_millis(50);

struct Nobody;

impl Slots for Nobody {
    fn occupant(&self, _: u32) -> (u32, Kind) {
        (0, Kind::Player)
    }
    fn run(&self, _: usize, _: u32) -> u64 {
        0
    }
    fn news_age(&self, _: u32) -> u32 {
        0
    }
}

struct Peer {
    number: u32,
    newest: Option<u32>,
    n_inputs: u32,
    n_acked: u32,
}

/// A zone that greets, tells everybody that they stand, and counts what comes.
struct Zone {
    server: Server,
    walls: Walls,
    tick: u32,
    deadline: Instant,
    peers: HashMap<PeerId, Peer>,
    n_resumed: u32,
    n_wall_records: usize,
    n_decode_errors: u32,
}

impl Zone {
    fn open(addr: SocketAddr, data_dir: &Path, tick: u32) -> Self {
        let config = ServerConfig {
            addr,
            data_dir: data_dir.to_owned(),
            wire_major: WIRE_MAJOR,
            limits: Limits::default(),
        };
        let mut walls = Walls::open(1);
        for y in (0..TILE_MM).step_by(CELL_MM as usize) {
            (0..TILE_MM).step_by(CELL_MM as usize).for_each(|x| walls.block(x, y));
        }
        Self {
            server: Server::bind(config).expect("loopback has a free port"),
            walls,
            tick,
            deadline: Instant::now(),
            peers: HashMap::new(),
            n_resumed: 0,
            n_wall_records: 0,
            n_decode_errors: 0,
        }
    }

    fn addr(&self) -> SocketAddr {
        self.server.local_addr()
    }

    fn run_while(&mut self, goes_on: impl Fn(&Self) -> bool) {
        while goes_on(self) {
            self.server.receive(Instant::now());
            while let Some(event) = self.server.poll_event() {
                self.handle(event);
            }
            self.tick += 1;
            self.send_frames();
            self.server.flush(Instant::now());
            self.deadline = (self.deadline + TICK).max(Instant::now());
            self.server.serve_door(self.deadline);
            thread::sleep(self.deadline.saturating_duration_since(Instant::now()));
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Hello { peer, bytes, .. } => self.welcome(peer, &bytes),
            Event::Datagram { peer, bytes, .. } => {
                match (InputPacket::decode(&bytes), self.peers.get_mut(&peer)) {
                    (Ok(packet), Some(seen)) => {
                        seen.n_inputs += u32::from(packet.n_commands > 0);
                        seen.n_acked = seen.n_acked.max(packet.acks.newest);
                        seen.newest = Some(packet.tick).filter(|_| packet.n_commands > 0).or(seen.newest);
                    }
                    _ => self.n_decode_errors += 1,
                }
            }
            Event::Closed { peer, .. } => drop(self.peers.remove(&peer)),
            Event::Record { .. } => {}
        }
    }

    fn welcome(&mut self, peer: PeerId, hello: &[u8]) {
        let hello = Hello::decode(hello).expect("bots send a hello of this build");
        self.server.admit(peer);
        let resumed = hello.resume_token == [9; 32];
        self.n_resumed += u32::from(resumed);
        let welcome = Welcome {
            ticks_per_second: 20,
            side_mm: TILE_MM as u32,
            wall_hash: self.walls.hash(),
            resume_token: vec![9; 32],
            resumed,
            kernel_version: u32::from(KERNEL_VERSION),
            ..Welcome::default()
        };
        self.send(peer, |out| welcome.encode(out));
        if hello.wall_hash != self.walls.hash() {
            for part in client_core::walls::records(&self.walls, 64) {
                self.n_wall_records += 1;
                self.send(peer, |out| part.encode(out));
            }
        }
        self.peers.insert(peer, Peer { number: 0, newest: None, n_inputs: 0, n_acked: 0 });
    }

    fn send(&mut self, peer: PeerId, write: impl FnOnce(&mut Vec<u8>)) {
        let mut record = Vec::new();
        write(&mut record);
        self.server.send_record(peer, &record);
    }

    fn send_frames(&mut self) {
        for (id, peer) in &mut self.peers {
            let below =
                peer.newest.map_or(255, |newest| self.tick.saturating_sub(newest.min(self.tick)).min(255));
            let header =
                Header { number: peer.number, tick: self.tick, consumed_below: below, margin_2ms: 7 };
            peer.number = (peer.number + 1) & 0xffff;
            let own = Own { x_mm: 30_000, y_mm: 30_000, state: (peer.number == 1).then(OwnState::default) };
            let parts =
                Parts { header, own, news: 0, introduced: 0, steps: 0, groups: [0; N_GROUPS], timed: &[] };
            let mut buffer = [0; FRAME_BUFFER_BYTES];
            let n_bytes = encode(&parts, &Nobody, &mut buffer);
            self.server.send_frame(*id, &buffer[..n_bytes]);
        }
    }
}

fn config(zone: &Zone, n: usize, mix: Mix) -> BotsConfig {
    let connect_over = Duration::from_millis(200);
    BotsConfig { mix, connect_over, ..BotsConfig::new(zone.addr(), n) }
}

fn open() -> (tempfile::TempDir, Zone) {
    let dir = tempfile::tempdir().expect("there is room for a folder");
    let zone = Zone::open(SocketAddr::from(([127, 0, 0, 1], 0)), dir.path(), 1_000);
    (dir, zone)
}

/// Runs bots on a thread of their own while the zone runs here.
fn play(zone: &mut Zone, config: BotsConfig) -> Report {
    let bots = thread::spawn(move || run(&config, &AtomicBool::new(false), |_| ()));
    zone.run_while(|_| !bots.is_finished());
    bots.join().expect("bots do not panic").expect("loopback can be tried")
}

#[test]
fn bots_come_in_over_both_links_play_and_leave() {
    let (_dir, mut zone) = open();
    let config = BotsConfig { window: Some(Duration::from_secs(1)), ..config(&zone, 6, Mix::Mixed) };
    let report = play(&mut zone, config);
    assert!(report.is_complete(), "{report:?}");
    assert_eq!((report.quic, report.websocket, report.reconnects), (3, 3, 0));
    assert_eq!((report.decode_errors, report.record_errors, zone.n_decode_errors), (0, 0, 0));
    assert!(report.snapshots_per_client_second > 15.0, "{report:?}");
    assert!(report.inputs_sent_share > 0.8, "{report:?}");
    assert_eq!(report.prediction_error_mm.max, Some(0), "nobody can move");
    assert!(report.input_ack_ms.p50.is_some_and(|ms| ms < 500.0), "{report:?}");
    assert_eq!(zone.n_wall_records, 1, "the first bot's walls are enough for all");
    zone.run_while(|zone| !zone.peers.is_empty());
}

#[test]
fn bots_are_told_to_stop_and_report_what_they_saw_until_then() {
    let (_dir, mut zone) = open();
    let config = config(&zone, 3, Mix::Quic);
    let stop = std::sync::Arc::new(AtomicBool::new(false));
    let told = std::sync::Arc::clone(&stop);
    let bots = thread::spawn(move || run(&config, &told, |_| ()).unwrap());
    zone.run_while(|zone| zone.peers.len() < 3 || zone.peers.values().any(|peer| peer.n_inputs < 10));
    stop.store(true, Ordering::Relaxed);
    zone.run_while(|_| !bots.is_finished());
    let report = bots.join().unwrap();
    assert!(report.is_complete() && report.window_seconds > 0.0, "{report:?}");
    assert!(zone.peers.values().all(|peer| peer.n_acked > 5), "snapshots were acknowledged");
}

#[test]
fn after_a_restart_of_the_zone_all_bots_come_back_with_their_tokens() {
    let (dir, mut zone) = open();
    let addr = zone.addr();
    let config = BotsConfig { window: Some(Duration::from_secs(4)), ..config(&zone, 4, Mix::Mixed) };
    let bots = thread::spawn(move || run(&config, &AtomicBool::new(false), |_| ()).unwrap());
    zone.run_while(|zone| zone.peers.len() < 4 || zone.peers.values().any(|peer| peer.n_inputs < 10));
    let tick = zone.tick;
    drop(zone);
    let mut zone = Zone::open(addr, dir.path(), tick);
    zone.run_while(|_| !bots.is_finished());
    let report = bots.join().unwrap();
    assert!(report.is_complete(), "{report:?}");
    assert_eq!((report.reconnects, zone.n_resumed), (4, 4), "{report:?}");
    assert_eq!(report.decode_errors, 0);
}

#[test]
fn thin_bots_acknowledge_and_send_like_the_others() {
    let (_dir, mut zone) = open();
    let window = Some(Duration::from_secs(1));
    let config = BotsConfig { window, decode_share: 0.25, predict: false, ..config(&zone, 4, Mix::Quic) };
    let report = play(&mut zone, config);
    assert!(report.is_complete() && report.snapshots_per_client_second > 15.0, "{report:?}");
    assert_eq!(
        (report.prediction_error_mm.max, zone.n_wall_records),
        (None, 1),
        "walls for the first one only"
    );
}
