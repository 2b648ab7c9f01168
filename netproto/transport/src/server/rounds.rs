//! The door's rounds: strangers are let begin, finish, say hello, and are seen off, all between ticks.
use super::{Server, TCP, UDP};
use crate::lane::{Arrival, Pass};
use crate::peer::Wire;
use crate::quic::QuicPeer;
use crate::settings;
use crate::ws::WsPeer;
use mio::{Interest, Token};
use quinn_proto::Incoming;
use socket2::SockRef;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant, SystemTime};

/// Handshakes begun per round of the door.
const ARRIVALS_PER_ROUND: usize = 16;
/// First packets kept until the door has time; what comes beyond is lost, as in a full socket.
const STRANGERS_MAX: usize = 2_048;
/// First packets looked at between two looks at the clock.
const STRANGERS_PER_LOOK: usize = 8;
/// Even without time left, so many strangers are served per round: an overloaded server must not lock up.
const SERVED_AT_LEAST: usize = 4;
/// TCP connections looked at per round.
const ACCEPTS_PER_ROUND: usize = 64;
/// Bytes TCP may hold unsent for one peer; above it we keep them, where the newest can win.
const NOTSENT_BYTES: u32 = 16 * 1024;

impl Server {
    /// A first packet is in the socket's batch. Whoever floods us with them may have the door's time, never a tick's.
    pub(super) fn handle_stranger(&mut self, arrival: Arrival) {
        if self.strangers.len() < STRANGERS_MAX {
            self.strangers.push_back(arrival);
        } else {
            self.counters.drops_early += 1;
        }
    }

    /// Looks at first packets until the deadline.
    fn look_at_strangers(&mut self, deadline: Instant) {
        let mut n_looked = 0;
        while let Some(arrival) = self.strangers.pop_front() {
            self.route(arrival);
            n_looked += 1;
            if n_looked % STRANGERS_PER_LOOK == 0 && Instant::now() >= deadline {
                return;
            }
        }
    }

    /// A first packet is valid. Decides what it may cost before anything is kept for it.
    pub(super) fn knock(&mut self, incoming: Incoming) {
        let half_open = self.waiting.len() + self.at_door.len();
        let is_proven = incoming.remote_address_validated();
        let is_in_doubt = !is_proven && self.door.is_in_doubt(incoming.remote_address());
        let must_prove = !is_proven && (is_in_doubt || half_open >= self.limits.retry_above);
        if half_open >= self.limits.half_open_max || is_in_doubt && !incoming.may_retry() {
            self.endpoint.ignore(incoming);
            self.counters.refused += 1;
        } else if must_prove && incoming.may_retry() {
            let retry = self.endpoint.retry(incoming, self.replies.slot());
            let transmit = retry.expect("may_retry was asked");
            self.counters.retries += 1;
            self.reply(&transmit);
        } else {
            self.waiting.push_back(incoming);
        }
    }

    /// One round: sockets, new connections, everybody at the door. Past the deadline it hurries: what it has
    /// begun by then is little, and the rest waits for the next round.
    pub(super) fn serve_round(&mut self, deadline: Instant) {
        self.drain();
        self.look_at_strangers(deadline);
        self.accept_quic(deadline);
        self.visit_door(deadline);
        self.send_replies();
        self.renew_certificate();
    }

    fn accept_quic(&mut self, deadline: Instant) {
        for n in 0..ARRIVALS_PER_ROUND {
            if n >= SERVED_AT_LEAST && Instant::now() >= deadline {
                return;
            }
            let Some(incoming) = self.waiting.pop_front() else { return };
            let addr = incoming.remote_address();
            let full = self.table.n_peers() >= self.limits.peers_max;
            if full || !self.door.handle_arrival(self.now, addr, &self.limits) {
                let transmit = self.endpoint.refuse(incoming, self.replies.slot());
                self.counters.refused += 1;
                self.reply(&transmit);
                continue;
            }
            self.begin_handshake(incoming, addr);
        }
    }

    fn begin_handshake(&mut self, incoming: Incoming, addr: SocketAddr) {
        match self.endpoint.accept(incoming, self.now, self.replies.slot(), None) {
            Ok((handle, conn)) => {
                let wire = Wire::Quic(Box::new(QuicPeer::new(handle, conn)));
                self.seat(addr, wire);
            }
            Err(error) => {
                self.door.handle_leave(addr);
                self.counters.handshakes_failed += 1;
                if let Some(transmit) = error.response {
                    self.reply(&transmit);
                }
            }
        }
    }

    fn seat(&mut self, addr: SocketAddr, wire: Wire) -> u32 {
        let until = self.now + self.limits.handshake_deadline;
        let index = self.table.seat(addr, wire, self.now, until).index();
        self.table.slots[index as usize].head.touched = true;
        self.at_door.push(index);
        self.counters.handshakes_begun += 1;
        index
    }

    /// Advances everybody at the door who has news or is due, and forgets those who went in or left.
    fn visit_door(&mut self, deadline: Instant) {
        let Self { table, lanes, limits, udp, now, at_door, .. } = self;
        let pass = Pass { now: *now, limits, udp: udp.as_fd(), outbox: &[] };
        let lane = &mut lanes[0];
        let mut n_served = 0;
        at_door.retain(|&index| {
            let slot = &mut table.slots[index as usize];
            if !slot.head.stage.is_at_door() {
                return false;
            }
            // A handshake costs some 200 us: hundreds of them must not make the tick late.
            let busy = slot.head.has_input() || slot.head.is_due(pass.now);
            if busy && (n_served < SERVED_AT_LEAST || Instant::now() < deadline) {
                n_served += 1;
                slot.receive(lane, &pass);
                slot.send(lane, &pass);
            }
            slot.head.stage.is_at_door()
        });
        // Who came last was served last; next round begins elsewhere, so that nobody waits for ever.
        let n_front = n_served.min(at_door.len());
        at_door.rotate_left(n_front);
        lane.flush(pass.udp);
        self.collect();
        self.route_inboxes();
    }

    /// How long nobody at the door needs us.
    pub(super) fn door_timer(&self, now: Instant) -> Duration {
        let slots = self.at_door.iter().map(|&index| &self.table.slots[index as usize].head);
        let next = slots.flat_map(|head| [head.timer, head.stage_until]).flatten().min();
        match next {
            _ if !(self.waiting.is_empty() && self.strangers.is_empty()) => Duration::ZERO,
            _ if self.tcp_waiting => super::DOOR_NAP,
            Some(at) => at.saturating_duration_since(now),
            None => Duration::MAX,
        }
    }

    /// Waits for sockets and notes which WebSockets have bytes. New TCP connections are taken in here.
    pub(super) fn poll_readiness(&mut self, timeout: Option<Duration>) {
        let mut timeout = timeout;
        loop {
            match self.poll.poll(&mut self.poll_events, timeout) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    tracing::error!(%error, "waiting for sockets failed");
                    return;
                }
                _ => {}
            }
            let now = Instant::now();
            let mut listening = false;
            let mut n_events = 0;
            for event in &self.poll_events {
                n_events += 1;
                match event.token() {
                    UDP => {}
                    TCP => listening = true,
                    Token(index) => {
                        if let Some(slot) = self.table.slots.get_mut(index)
                            && let Wire::WebSocket(peer) = &mut slot.wire
                        {
                            peer.handle_readable(now, event.is_read_closed() || event.is_error());
                            slot.head.touched = true;
                        }
                    }
                }
            }
            if listening || self.tcp_waiting {
                self.now = now;
                self.accept_tcp();
            }
            if n_events < self.poll_events.capacity() {
                return;
            }
            timeout = Some(Duration::ZERO);
        }
    }

    /// Takes new TCP connections until there are none or this round's share is done.
    fn accept_tcp(&mut self) {
        self.tcp_waiting = false;
        for _ in 0..ACCEPTS_PER_ROUND {
            match self.tcp.accept() {
                Ok((stream, addr)) => self.begin_upgrade(stream, addr),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // The connection broke before we came, or we are out of descriptors: look again next round.
                Err(_) => break,
            }
        }
        self.tcp_waiting = true;
    }

    fn begin_upgrade(&mut self, mut stream: mio::net::TcpStream, addr: SocketAddr) {
        let full = self.table.n_peers() >= self.limits.peers_max
            || self.waiting.len() + self.at_door.len() >= self.limits.half_open_max;
        let allowed = !full
            && self.limits.plain_websocket.allows(addr.ip())
            && self.door.handle_arrival(self.now, addr, &self.limits);
        if !allowed {
            self.counters.refused += 1;
            return;
        }
        let _ = stream.set_nodelay(true);
        let _ = SockRef::from(&stream).set_tcp_notsent_lowat(NOTSENT_BYTES);
        let now = self.now;
        let index = self.seat(addr, Wire::None);
        let token = Token(index as usize);
        if self.poll.registry().register(&mut stream, token, Interest::READABLE).is_err() {
            self.at_door.pop();
            self.lanes[0].finished.push(index);
            return self.collect();
        }
        let peer = WsPeer::new(stream, self.wire_major, now);
        self.table.slots[index as usize].wire = Wire::WebSocket(Box::new(peer));
    }

    fn renew_certificate(&mut self) {
        if self.now < self.renew_at {
            return;
        }
        self.renew_at = self.now + super::RENEW_CHECK;
        let renewed = self.identity.renew_if_due(SystemTime::now());
        match renewed
            .map(|renewed| renewed.then(|| settings::server(&self.identity, self.wire_major, &self.limits)))
        {
            Ok(Some(Ok(config))) => self.endpoint.set_server_config(Some(config)),
            Ok(Some(Err(error))) => tracing::error!(%error, "TLS does not accept the renewed certificate"),
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "cannot renew the certificate; the old one stays"),
        }
    }
}
