//! The server side: one UDP and one TCP socket, and everybody behind them.
//!
//! A tick reads `receive`, `poll_event`, decide, `send_*`, `flush`; the time until the next tick belongs to
//! `serve_door`. Admitted peers are advanced in the two passes only, strangers only at the door.
mod passes;
mod rounds;
#[cfg(test)]
mod tests;

use crate::cert::{Identity, IdentityError};
use crate::counters::Counters;
use crate::door::Door;
use crate::event::{CloseCode, CloseReason, Event, PeerId, PeerStats, Queues};
use crate::lane::{Arrival, Lane};
use crate::limits::{FRAME_BYTES_MAX, Limits, RECORD_BYTES_MAX};
use crate::mmsg::{Packet, SendBatch};
use crate::peer::{LINGER, Stage};
use crate::settings;
use crate::socket::{self, BindError};
use crate::table::Table;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use quinn_proto::{Endpoint, Incoming};
use std::collections::VecDeque;
use std::net::{SocketAddr, UdpSocket};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

const UDP: Token = Token(usize::MAX - 1);
const TCP: Token = Token(usize::MAX - 2);
/// With more peers in play than this, the door looks every `DOOR_NAP` instead of waking for each packet.
const WAKEFUL_PEERS_MAX: usize = 8;
const DOOR_NAP: Duration = Duration::from_millis(2);
const RENEW_CHECK: Duration = Duration::from_secs(3600);

/// What a server needs to start.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// UDP for QUIC and TCP for WebSocket, on the same port. Port 0 picks one that is free for both.
    pub addr: SocketAddr,
    /// Where key and certificate live; made if missing.
    pub data_dir: PathBuf,
    /// Clients with another major are turned away in the handshake.
    pub wire_major: u16,
    /// What a peer may cost.
    pub limits: Limits,
}

/// See the module.
pub struct Server {
    wire_major: u16,
    limits: Limits,
    identity: Identity,
    renew_at: Instant,
    addr: SocketAddr,
    udp: UdpSocket,
    tcp: mio::net::TcpListener,
    poll: Poll,
    poll_events: Events,
    endpoint: Endpoint,
    door: Door,
    /// First packets that the door has not looked at yet.
    strangers: VecDeque<Arrival>,
    /// Handshakes not begun yet.
    waiting: VecDeque<Incoming>,
    /// Places of peers the door looks after.
    at_door: Vec<u32>,
    table: Table,
    lanes: Vec<Lane>,
    /// Packets the endpoint itself wants to send.
    replies: SendBatch,
    /// Packets with record bytes that found the socket full.
    backlog: VecDeque<Packet>,
    outbox: Vec<u8>,
    events: VecDeque<Event>,
    counters: Counters,
    kernel_drops: u32,
    n_admitted: usize,
    /// The listener may have more connections than one round took.
    tcp_waiting: bool,
    now: Instant,
}

impl Server {
    /// Opens both sockets and the identity.
    ///
    /// # Errors
    /// Says which port, address or file is the matter and what to do.
    pub fn bind(config: ServerConfig) -> Result<Self, BindError> {
        let now = Instant::now();
        let ServerConfig { addr, data_dir, wire_major, limits } = config;
        let identity = Identity::open(&data_dir, SystemTime::now())?;
        let quic = settings::server(&identity, wire_major, &limits)?;
        let endpoint_config = Arc::new(settings::server_endpoint(&identity));
        let mut sockets = socket::open(addr, limits.receive_buffer_bytes)?;
        let addr = sockets.addr;
        let failed = |source| BindError::Socket { protocol: "TCP", addr, source };
        let poll = Poll::new().map_err(failed)?;
        let udp_fd = sockets.udp.as_raw_fd();
        poll.registry().register(&mut SourceFd(&udp_fd), UDP, Interest::READABLE).map_err(failed)?;
        poll.registry().register(&mut sockets.tcp, TCP, Interest::READABLE).map_err(failed)?;
        let mut seed = [0; 8];
        getrandom::fill(&mut seed).map_err(|error| IdentityError::Crypto(error.to_string()))?;
        let mut door = Door::new(now, u64::from_le_bytes(seed));
        door.set_own(addr.ip());
        Ok(Self {
            wire_major,
            limits,
            identity,
            renew_at: now + RENEW_CHECK,
            addr,
            udp: sockets.udp,
            tcp: sockets.tcp,
            poll,
            poll_events: Events::with_capacity(1024),
            endpoint: Endpoint::new(endpoint_config, Some(quic), false, None),
            door,
            strangers: VecDeque::new(),
            waiting: VecDeque::new(),
            at_door: Vec::new(),
            table: Table::new(),
            lanes: vec![Lane::new()],
            replies: SendBatch::new(),
            backlog: VecDeque::new(),
            outbox: Vec::new(),
            events: VecDeque::new(),
            counters: Counters::default(),
            kernel_drops: 0,
            n_admitted: 0,
            tcp_waiting: false,
            now,
        })
    }

    /// Where the server really listens, UDP and TCP alike.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// SHA-256 of the public key: what native clients pin. The same for the life of the data directory.
    pub fn spki_pin(&self) -> [u8; 32] {
        self.identity.spki_pin()
    }

    /// SHA-256 of the present certificate: what browsers pin. Changes every week.
    pub fn certificate_hash(&self) -> [u8; 32] {
        self.identity.certificate_hash()
    }

    /// Input pass of a tick: drains the socket, then advances every admitted peer once.
    pub fn receive(&mut self, now: Instant) {
        self.now = now;
        self.drain();
        self.poll_readiness(Some(Duration::ZERO));
        self.visit(|slot, lane, pass| {
            if slot.head.has_input() && matches!(slot.head.stage, Stage::Admitted | Stage::Closing) {
                slot.receive(lane, pass);
            }
        });
    }

    /// What happened, oldest first.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Lets a greeted peer in: from now on it is advanced in the passes of the tick only. `false` if it has left.
    pub fn admit(&mut self, peer: PeerId) -> bool {
        let Some(slot) = self.table.known(peer) else { return false };
        if slot.head.stage != Stage::Greeted {
            return false;
        }
        slot.head.stage = Stage::Admitted;
        slot.head.stage_until = None;
        // Whatever came while the owner decided was left in the link.
        slot.head.unread = true;
        self.counters.admitted += 1;
        self.n_admitted += 1;
        true
    }

    /// Sends a last record and closes. The id is dead at once; `Closed` follows.
    pub fn refuse(&mut self, peer: PeerId, record: &[u8]) {
        let now = self.now;
        let Some(slot) = self.table.known(peer) else { return };
        let was = slot.head.stage;
        slot.head.known = false;
        slot.head.frame = 0..0;
        slot.head.stage = Stage::Refusing;
        slot.head.stage_until = Some(now + LINGER);
        slot.head.touched = true;
        if (1..=RECORD_BYTES_MAX).contains(&record.len()) {
            slot.head.records.push(now, record);
        }
        // Admitted since the last round of the door: it has not forgotten the place yet.
        if was == Stage::Admitted && !self.at_door.contains(&peer.index()) {
            self.at_door.push(peer.index());
        }
        self.counters.hellos_refused += 1;
        self.events.push_back(Event::Closed { peer, reason: CloseReason::Local(CloseCode::Refused) });
    }

    /// Stages this tick's frame for a peer; it leaves with the next [`Server::flush`]. A second frame before
    /// that replaces the first. `false` if the peer has left or the frame is too long.
    ///
    /// - Cost: one copy; the connection itself is touched in the flush only.
    pub fn send_frame(&mut self, peer: PeerId, frame: &[u8]) -> bool {
        if frame.is_empty() || frame.len() > FRAME_BYTES_MAX {
            self.counters.drops_frame += 1;
            return false;
        }
        let Some(slot) = self.table.known(peer) else { return false };
        if slot.head.stage != Stage::Admitted {
            return false;
        }
        let start = self.outbox.len();
        self.outbox.extend_from_slice(frame);
        if !std::mem::replace(&mut slot.head.frame, start..self.outbox.len()).is_empty() {
            self.counters.drops_frame += 1;
        }
        true
    }

    /// Queues a record for a peer; the budget releases it. `false` if the peer has left or the record is too
    /// long. A peer whose queue grows too long is closed in the next flush.
    pub fn send_record(&mut self, peer: PeerId, record: &[u8]) -> bool {
        if record.is_empty() || record.len() > RECORD_BYTES_MAX {
            return false;
        }
        let (now, queued_max) = (self.now, self.limits.queued_bytes_max);
        let Some(slot) = self.table.known(peer) else { return false };
        // Over the limit already: the flush will close it, and until then it must not grow.
        if slot.head.stage != Stage::Admitted || slot.head.records.len() > queued_max {
            return false;
        }
        slot.head.records.push(now, record);
        self.counters.records_out += 1;
        true
    }

    /// Closes a peer at once; the text travels in the closing packet. `Closed` follows.
    pub fn close(&mut self, peer: PeerId, code: CloseCode, text: &str) {
        let now = self.now;
        let Some(slot) = self.table.known(peer) else { return };
        slot.close(&mut self.lanes[0], now, code, text, CloseReason::Local(code));
        self.collect();
    }

    /// Closes everybody and sends the goodbyes. Anything not yet sent is lost.
    pub fn shutdown(&mut self, now: Instant, text: &str) {
        self.now = now;
        let lane = &mut self.lanes[0];
        for slot in &mut self.table.slots {
            slot.close(lane, now, CloseCode::Shutdown, text, CloseReason::Local(CloseCode::Shutdown));
        }
        self.collect();
        self.flush(now);
    }

    /// Send pass of a tick: frames, records as the budgets allow, acknowledgements, then timers.
    pub fn flush(&mut self, now: Instant) {
        self.now = now;
        self.send_backlog();
        self.visit(|slot, lane, pass| {
            if matches!(slot.head.stage, Stage::Admitted | Stage::Closing) {
                slot.send(lane, pass);
            }
            lane.n_admitted += usize::from(slot.head.stage == Stage::Admitted);
        });
        self.n_admitted = self.lanes.iter_mut().map(|lane| std::mem::take(&mut lane.n_admitted)).sum();
        self.outbox.clear();
        self.route_inboxes();
        self.send_replies();
    }

    /// Between ticks: handshakes and strangers are served at once, packets of admitted peers only kept with
    /// their time of arrival. Returns at the deadline, after at least one round.
    pub fn serve_door(&mut self, deadline: Instant) {
        loop {
            self.now = Instant::now();
            self.serve_round(deadline);
            let now = Instant::now();
            if now >= deadline {
                return;
            }
            let mut left = deadline - now;
            if self.n_admitted > WAKEFUL_PEERS_MAX {
                std::thread::sleep(left.min(DOOR_NAP));
                left = Duration::ZERO;
            }
            self.poll_readiness(Some(left.min(self.door_timer(now))));
        }
    }

    /// Totals since the start.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// How a peer is doing; `None` if it has left.
    pub fn peer_stats(&self, peer: PeerId) -> Option<PeerStats> {
        self.table.get(peer)?.stats()
    }

    /// How the admitted peers in some places of the table are doing. `false` when no place lies behind these.
    ///
    /// - Cost: about 0.3 us per peer, on WebSocket a system call more: for a few hundred places at a time.
    pub fn survey(&self, places: Range<u32>, mut seen: impl FnMut(PeerId, PeerStats)) -> bool {
        let n = self.table.slots.len();
        let (start, end) = ((places.start as usize).min(n), (places.end as usize).min(n));
        for slot in &self.table.slots[start..end] {
            if slot.head.stage == Stage::Admitted
                && let Some(stats) = slot.stats()
            {
                seen(slot.head.id, stats);
            }
        }
        end < n
    }

    /// What waits at this moment.
    pub fn queues(&self) -> Queues {
        Queues {
            door: self.strangers.len() + self.waiting.len() + self.at_door.len(),
            packets: self.backlog.len(),
        }
    }

    /// Connections in whatever stage.
    pub fn n_peers(&self) -> usize {
        self.table.n_peers()
    }
}

// A zone may bind on one thread and tick on another.
const _: () = {
    const fn may_move<T: Send>() {}
    may_move::<Server>();
    may_move::<crate::client::Clients>();
};
