//! The measured process: a transport server and nobody who decides anything.
//!
//! Its loop is that of a zone (docs/ARCHITECTURE.md "The tick loop") with the world left out: the same calls in the
//! same order, on one pinned thread.

use super::{Mark, Shape};
use crate::counting::live_bytes;
use crate::lines::{orders, say};
use crate::machine::{Use, rss_kib};
use crate::net::Ready;
use anyhow::Context;
use jobs::{Core, CoreGroup, CoreList};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};
use transport::{Event, Limits, PeerId, Server, ServerConfig};

/// The door closes this long before the next tick, as a zone's does.
const DOOR_MARGIN: Duration = Duration::from_millis(3);
/// Places beside those of the clients.
const SPARE_PEERS: usize = 64;

struct Wire {
    server: Server,
    /// By the index of the connection.
    peers: Vec<Option<PeerId>>,
    payload: Vec<u8>,
    is_sending: bool,
    n_ticks: u64,
}

/// Serves until the parent goes.
///
/// # Errors
/// When the sockets cannot be had.
pub(crate) fn run(shape: &Shape, core: Core) -> anyhow::Result<()> {
    let data_dir = tempfile::tempdir().context("cannot make a directory for the key")?;
    let limits = Limits { peers_max: shape.n_clients as usize + SPARE_PEERS, ..Limits::default() };
    let config = ServerConfig {
        addr: ([127, 0, 0, 1], 0).into(),
        data_dir: data_dir.path().to_owned(),
        wire_major: netproto::WIRE_MAJOR,
        limits,
    };
    let server = Server::bind(config)?;
    let group = CoreGroup::start_here("net", &CoreList::one(core))?;
    say(&Ready { addr: server.local_addr() })?;
    let mut wire = Wire {
        server,
        peers: Vec::new(),
        payload: vec![0x5a; usize::from(shape.payload_bytes)],
        is_sending: false,
        n_ticks: 0,
    };
    let (orders, period) = (orders(), Duration::from_secs(1) / shape.hz);
    let mut deadline = Instant::now();
    while wire.obey(&orders)? {
        group.install(|| wire.tick());
        // Paused for a while: the schedule begins anew, as a zone's does.
        deadline = (deadline + period).max(Instant::now());
        wire.server.serve_door(deadline.checked_sub(DOOR_MARGIN).unwrap_or(deadline));
        std::thread::sleep(deadline.saturating_duration_since(Instant::now()));
    }
    Ok(())
}

impl Wire {
    /// Does what the parent says; false when it has gone.
    fn obey(&mut self, orders: &Receiver<String>) -> anyhow::Result<bool> {
        loop {
            match orders.try_recv() {
                Ok(order) if order == "go" => self.is_sending = true,
                Ok(_) => say(&self.mark()?)?,
                Err(TryRecvError::Empty) => return Ok(true),
                Err(TryRecvError::Disconnected) => return Ok(false),
            }
        }
    }

    fn mark(&self) -> anyhow::Result<Mark> {
        let (pid, counters) = (std::process::id(), self.server.counters());
        Ok(Mark {
            used: Use { cpu_ns: jobs::sys::process_cpu_ns(), ..Use::of(pid)? },
            rss_kib: rss_kib(pid)?,
            n_ticks: self.n_ticks,
            n_out: counters.frames_out,
            n_in: counters.datagrams_in,
            n_peers: self.peers.iter().flatten().count() as u64,
            n_standalone_acks: counters.standalone_acks,
            live_bytes: live_bytes(),
            n_udp_out: counters.udp_out,
            n_udp_in: counters.udp_in,
        })
    }

    /// One tick: receive, send.
    fn tick(&mut self) {
        self.n_ticks += 1;
        self.server.receive(Instant::now());
        while let Some(event) = self.server.poll_event() {
            match event {
                Event::Hello { peer, .. } => self.seat(peer),
                Event::Closed { peer, .. } => self.peers[peer.index() as usize] = None,
                Event::Datagram { .. } | Event::Record { .. } => {}
            }
        }
        if self.is_sending {
            let stamp = self.n_ticks.to_le_bytes();
            let n_stamp = stamp.len().min(self.payload.len());
            self.payload[..n_stamp].copy_from_slice(&stamp[..n_stamp]);
            for peer in self.peers.iter().flatten() {
                self.server.send_frame(*peer, &self.payload);
            }
        }
        self.server.flush(Instant::now());
    }

    fn seat(&mut self, peer: PeerId) {
        let at = peer.index() as usize;
        if self.peers.len() <= at {
            self.peers.resize(at + 1, None);
        }
        self.peers[at] = self.server.admit(peer).then_some(peer);
    }
}
