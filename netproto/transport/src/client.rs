//! The client side: many connections on one thread, or a single one with the same calls.
//!
//! A tick reads `receive`, `poll_event`, decide, `send_*`, `flush`; the time between is spent in
//! [`Clients::wait`]. Acknowledgements ride on the datagrams of a flush; handshakes and records are driven
//! whenever `wait` or `receive` runs.
mod drive;
pub(crate) mod pin;
mod quic;
pub(crate) mod ws;

use crate::cert::SERVER_NAME;
use crate::event::{CloseReason, Link};
use crate::limits::{FRAME_BYTES_MAX, RECORD_BYTES_MAX};
use crate::mmsg::{ReceiveBatch, SendBatch};
use crate::{settings, socket};
use bytes::Bytes;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use pin::PinVerifier;
use quic::QuicConn;
use quinn_proto::{ClientConfig, Endpoint, EndpointConfig};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};
use ws::WsConn;

/// Socket tokens start here; below are connection places.
const SOCKET_TOKENS: usize = 1 << 32;
/// With more connections than this, `wait` looks every `NAP` instead of waking for each packet.
const WAKEFUL_CONNS_MAX: usize = 8;
const NAP: Duration = Duration::from_millis(2);
const NOBODY: u32 = u32::MAX;

/// Place and generation of a connection; never the same pair twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId {
    index: u32,
    generation: u32,
}

impl ConnId {
    /// Dense place, reused: good for indexing a caller's columns.
    pub const fn index(self) -> u32 {
        self.index
    }
}

/// Where to connect, and whom to believe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The server's address.
    pub addr: SocketAddr,
    /// QUIC or plain WebSocket.
    pub link: Link,
    /// SHA-256 of the server's public key; when its second half is zero, the first half is all that is known of it (a
    /// [`crate::JoinCode`] has no more) and must fit. `None` is allowed for loopback only. Not used on WebSocket.
    pub pin: Option<[u8; 32]>,
    /// Must be the server's.
    pub wire_major: u16,
}

/// What the QUIC connections have sent, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientCounters {
    /// UDP datagrams.
    pub udp_out: u64,
    /// Of these, those after the handshake that carried neither a datagram nor a record: in steady play this stays
    /// nearly still.
    pub standalone_acks: u64,
}

/// Why a connection was not even tried.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Without a pin anybody could answer.
    #[error("{0} is not this machine: give the pin of the server's key (it prints one at start)")]
    PinNeeded(SocketAddr),
    /// The address cannot be connected to.
    #[error("cannot connect to {addr}: {what}")]
    Target {
        /// What was asked for.
        addr: SocketAddr,
        /// What is wrong with it.
        what: String,
    },
    /// No socket could be opened.
    #[error("cannot open a socket: {0}")]
    Socket(#[from] io::Error),
}

/// What the clients learnt. Every connection ends with exactly one `Closed`.
#[derive(Clone, Debug)]
pub enum ClientEvent {
    /// Handshake done: send the hello.
    Connected {
        /// Which one.
        conn: ConnId,
    },
    /// A whole record.
    Record {
        /// Which one.
        conn: ConnId,
        /// Without its length.
        bytes: Bytes,
    },
    /// A frame.
    Datagram {
        /// Which one.
        conn: ConnId,
        /// The payload.
        bytes: Bytes,
        /// When it was taken from the socket.
        arrived: Instant,
    },
    /// It is over; the id is dead.
    Closed {
        /// Which one.
        conn: ConnId,
        /// Why.
        reason: CloseReason,
    },
}

enum Wire {
    Quic(Box<QuicConn>),
    WebSocket(Box<WsConn>),
}

struct Place {
    generation: u32,
    wire: Option<Wire>,
}

struct ClientSocket {
    udp: UdpSocket,
    endpoint: Endpoint,
    /// Place of each connection handle.
    handles: Vec<u32>,
    batch: SendBatch,
}

/// See the module.
pub struct Clients {
    poll: Poll,
    poll_events: Events,
    sockets: Vec<ClientSocket>,
    /// Sockets of each family, opened when first needed; the next connection takes the next one.
    family: [Vec<usize>; 2],
    sockets_per_family: usize,
    next_socket: usize,
    places: Vec<Place>,
    free: Vec<u32>,
    n_open: usize,
    configs: HashMap<(Option<[u8; 32]>, u16), ClientConfig>,
    receive: ReceiveBatch,
    events: VecDeque<ClientEvent>,
    /// Places whose connection does not wait for a flush.
    hasty: Vec<u32>,
    /// No connection is due before this.
    next_timer: Option<Instant>,
    counters: ClientCounters,
    /// When `wait` looked at the sockets last.
    looked_at: Option<Instant>,
}

impl Clients {
    /// `n_sockets` UDP sockets are shared by all QUIC connections: one for a player, some dozens for a crowd.
    ///
    /// # Errors
    /// When the system gives no event queue.
    pub fn new(n_sockets: usize) -> io::Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            poll_events: Events::with_capacity(1024),
            sockets: Vec::new(),
            family: [Vec::new(), Vec::new()],
            sockets_per_family: n_sockets.max(1),
            next_socket: 0,
            places: Vec::new(),
            free: Vec::new(),
            n_open: 0,
            configs: HashMap::new(),
            receive: ReceiveBatch::new(),
            events: VecDeque::new(),
            hasty: Vec::new(),
            next_timer: None,
            counters: ClientCounters::default(),
            looked_at: None,
        })
    }

    /// Begins to connect; `Connected` or `Closed` follows.
    ///
    /// # Errors
    /// When the target makes no sense or no socket can be had; then nothing was begun.
    pub fn connect(&mut self, now: Instant, target: &Target) -> Result<ConnId, ConnectError> {
        match target.link {
            Link::Quic => self.connect_quic(now, target),
            Link::WebSocket => self.connect_websocket(now, target),
        }
    }

    fn connect_quic(&mut self, now: Instant, target: &Target) -> Result<ConnId, ConnectError> {
        if target.pin.is_none() && !target.addr.ip().to_canonical().is_loopback() {
            return Err(ConnectError::PinNeeded(target.addr));
        }
        let config = self.config(target)?;
        let socket = self.pick_socket(target.addr.is_ipv6())?;
        let begun = self.sockets[socket].endpoint.connect(now, config, target.addr, SERVER_NAME);
        let (handle, conn) =
            begun.map_err(|error| ConnectError::Target { addr: target.addr, what: error.to_string() })?;
        let id = self.take_place();
        let handles = &mut self.sockets[socket].handles;
        if handles.len() <= handle.0 {
            handles.resize(handle.0 + 1, NOBODY);
        }
        handles[handle.0] = id.index;
        let wire = Wire::Quic(Box::new(QuicConn::new(id, conn, handle, socket)));
        self.places[id.index as usize].wire = Some(wire);
        self.hasty.push(id.index);
        self.drive_hasty(now);
        Ok(id)
    }

    fn config(&mut self, target: &Target) -> Result<ClientConfig, ConnectError> {
        let key = (target.pin, target.wire_major);
        if let Some(config) = self.configs.get(&key) {
            return Ok(config.clone());
        }
        let verifier = Arc::new(PinVerifier { pin: target.pin, provider: settings::provider() });
        let config = settings::client(verifier, target.wire_major)
            .map_err(|error| ConnectError::Target { addr: target.addr, what: error.to_string() })?;
        self.configs.insert(key, config.clone());
        Ok(config)
    }

    fn pick_socket(&mut self, ipv6: bool) -> io::Result<usize> {
        if self.family[usize::from(ipv6)].is_empty() {
            for _ in 0..self.sockets_per_family {
                let udp = socket::open_client_udp(ipv6)?;
                let index = self.sockets.len();
                let fd = udp.as_raw_fd();
                let token = Token(SOCKET_TOKENS + index);
                self.poll.registry().register(&mut SourceFd(&fd), token, Interest::READABLE)?;
                let endpoint = Endpoint::new(Arc::new(EndpointConfig::default()), None, false, None);
                self.sockets.push(ClientSocket {
                    udp,
                    endpoint,
                    handles: Vec::new(),
                    batch: SendBatch::new(),
                });
                self.family[usize::from(ipv6)].push(index);
            }
        }
        let sockets = &self.family[usize::from(ipv6)];
        self.next_socket = self.next_socket.wrapping_add(1);
        Ok(sockets[self.next_socket % sockets.len()])
    }

    fn connect_websocket(&mut self, now: Instant, target: &Target) -> Result<ConnId, ConnectError> {
        let mut stream = mio::net::TcpStream::connect(target.addr)?;
        let id = self.take_place();
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(id.index as usize), interest)?;
        let conn = WsConn::new(id, stream, target.addr, target.wire_major, now);
        self.next_timer = earliest(self.next_timer, conn.timer());
        self.places[id.index as usize].wire = Some(Wire::WebSocket(Box::new(conn)));
        Ok(id)
    }

    /// Queues a record. `false` if the connection is over or the record too long. Before `Connected` a QUIC
    /// connection keeps it; a WebSocket does not.
    pub fn send_record(&mut self, conn: ConnId, record: &[u8]) -> bool {
        if record.is_empty() || record.len() > RECORD_BYTES_MAX {
            return false;
        }
        let hasty = match self.living(conn) {
            Some(Wire::Quic(quic)) => {
                quic.send_record(Instant::now(), record);
                true
            }
            Some(Wire::WebSocket(ws)) => return ws.send_record(record),
            None => false,
        };
        if hasty {
            self.hasty.push(conn.index);
        }
        hasty
    }

    /// Queues a datagram for the next flush (a WebSocket writes it at once). `false` if the connection is not
    /// open or the datagram too long.
    pub fn send_datagram(&mut self, conn: ConnId, bytes: &[u8]) -> bool {
        if bytes.is_empty() || bytes.len() > FRAME_BYTES_MAX {
            return false;
        }
        match self.living(conn) {
            Some(Wire::Quic(quic)) => quic.send_datagram(bytes),
            Some(Wire::WebSocket(ws)) => ws.send_datagram(bytes),
            None => false,
        }
    }

    /// What happened, oldest first.
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        self.events.pop_front()
    }

    /// Takes everything the sockets have.
    pub fn receive(&mut self, now: Instant) {
        self.poll_readiness(Duration::ZERO);
        for socket in 0..self.sockets.len() {
            self.drain(socket);
        }
        self.drive_hasty(now);
    }

    /// Sends what was queued, with the acknowledgements, and runs timers.
    pub fn flush(&mut self, now: Instant) {
        self.next_timer = None;
        for index in 0..self.places.len() {
            self.drive(index as u32, now, false);
        }
        self.send_batches();
    }

    /// Waits until something is there for `poll_event`, or until `until`. Handshakes and records go on meanwhile.
    pub fn wait(&mut self, until: Instant) {
        loop {
            let now = Instant::now();
            if self.next_timer.is_some_and(|at| at <= now) {
                self.run_due(now);
            }
            // Whoever is late all the time still hears of what comes in.
            let has_looked = self.looked_at.is_some_and(|at| now < at + NAP);
            if !self.events.is_empty() || (now >= until && has_looked) {
                return;
            }
            self.looked_at = Some(now);
            let wake = self.next_timer.map_or(until, |at| at.min(until));
            let mut left = wake.saturating_duration_since(now);
            if self.n_open > WAKEFUL_CONNS_MAX {
                std::thread::sleep(left.min(NAP));
                left = Duration::ZERO;
            }
            self.poll_readiness(left);
            for socket in 0..self.sockets.len() {
                self.drain(socket);
            }
            self.drive_hasty(Instant::now());
        }
    }

    /// Ends a connection; `Closed` follows.
    pub fn close(&mut self, conn: ConnId) {
        let now = Instant::now();
        let Some(place) = self.places.get_mut(conn.index as usize) else { return };
        if place.generation != conn.generation {
            return;
        }
        match &mut place.wire {
            Some(Wire::Quic(quic)) if !quic.ended => {
                quic.close(now, &mut self.events);
                self.hasty.push(conn.index);
                self.drive_hasty(now);
            }
            Some(Wire::WebSocket(ws)) if !ws.ended => {
                ws.close(&mut self.events);
                self.leave_place(conn.index);
            }
            _ => {}
        }
    }

    /// Smoothed round trip of a QUIC connection.
    pub fn rtt(&mut self, conn: ConnId) -> Option<Duration> {
        match self.living(conn)? {
            Wire::Quic(quic) => Some(quic.rtt()),
            Wire::WebSocket(_) => None,
        }
    }

    /// Record bytes not yet taken by the connection.
    pub fn queued_bytes(&mut self, conn: ConnId) -> usize {
        match self.living(conn) {
            Some(Wire::Quic(quic)) => quic.queued_bytes(),
            _ => 0,
        }
    }

    /// What was sent so far.
    pub fn counters(&self) -> ClientCounters {
        self.counters
    }

    /// Connections open or opening.
    pub fn n_open(&self) -> usize {
        self.n_open
    }

    fn living(&mut self, conn: ConnId) -> Option<&mut Wire> {
        let place = self.places.get_mut(conn.index as usize)?;
        let wire = place.wire.as_mut()?;
        let ended = match wire {
            Wire::Quic(quic) => quic.ended,
            Wire::WebSocket(ws) => ws.ended,
        };
        (place.generation == conn.generation && !ended).then_some(wire)
    }

    fn take_place(&mut self) -> ConnId {
        let index = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place { generation: 0, wire: None });
            (self.places.len() - 1) as u32
        });
        self.n_open += 1;
        ConnId { index, generation: self.places[index as usize].generation }
    }

    fn leave_place(&mut self, index: u32) {
        let place = &mut self.places[index as usize];
        if place.wire.take().is_some() {
            place.generation = place.generation.wrapping_add(1);
            self.free.push(index);
            self.n_open -= 1;
        }
    }
}

fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
