//! What the calls of [`Clients`] have in common: sockets in, connections driven, sockets out.
use super::quic::QuicConn;
use super::{ClientCounters, ClientEvent, ClientSocket, Clients, NOBODY, Wire, earliest};
use crate::mmsg::{BATCH, SendBatch};
use bytes::BytesMut;
use mio::Token;
use quinn_proto::DatagramEvent;
use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

impl Clients {
    pub(super) fn poll_readiness(&mut self, timeout: Duration) {
        let mut timeout = timeout;
        loop {
            if let Err(error) = self.poll.poll(&mut self.poll_events, Some(timeout))
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(%error, "waiting for sockets failed");
                return;
            }
            let now = Instant::now();
            let mut n_events = 0;
            let mut ended = Vec::new();
            for event in &self.poll_events {
                n_events += 1;
                let Token(index) = event.token();
                let Some(place) = self.places.get_mut(index) else { continue };
                if let Some(Wire::WebSocket(ws)) = &mut place.wire {
                    ws.handle_ready(now, &mut self.events);
                    if ws.ended {
                        ended.push(index as u32);
                    }
                }
            }
            ended.into_iter().for_each(|index| self.leave_place(index));
            if n_events < self.poll_events.capacity() {
                return;
            }
            timeout = Duration::ZERO;
        }
    }

    /// Empties one UDP socket.
    pub(super) fn drain(&mut self, socket: usize) {
        while let Ok(n) = self.receive.receive(self.sockets[socket].udp.as_fd()) {
            let now = Instant::now();
            let Self { receive, sockets, places, events, hasty, .. } = self;
            let ClientSocket { endpoint, handles, batch, .. } = &mut sockets[socket];
            for datagram in receive.iter() {
                let Some(from) = datagram.from else { continue };
                if datagram.truncated || batch.is_full() {
                    continue;
                }
                let bytes = BytesMut::from(datagram.bytes);
                match endpoint.handle(now, from, None, None, bytes, batch.slot()) {
                    Some(DatagramEvent::ConnectionEvent(handle, event)) => {
                        let index = handles.get(handle.0).copied().unwrap_or(NOBODY);
                        let Some(place) = places.get_mut(index as usize) else { continue };
                        let Some(Wire::Quic(quic)) = &mut place.wire else { continue };
                        quic.handle_packet(now, event, events);
                        if quic.is_hasty(now) {
                            hasty.push(index);
                        }
                    }
                    Some(DatagramEvent::Response(transmit)) => {
                        batch.commit(transmit.destination, None, false);
                    }
                    // We are nobody's server.
                    Some(DatagramEvent::NewConnection(incoming)) => endpoint.ignore(incoming),
                    None => {}
                }
            }
            if n < BATCH {
                return;
            }
        }
    }

    /// Drives connections that do not wait for a flush.
    pub(super) fn drive_hasty(&mut self, now: Instant) {
        if self.hasty.is_empty() {
            return;
        }
        let mut hasty = std::mem::take(&mut self.hasty);
        hasty.sort_unstable();
        hasty.dedup();
        for index in hasty.drain(..) {
            self.drive(index, now, true);
        }
        self.hasty = hasty;
        self.send_batches();
    }

    /// Runs what is due although nothing arrived: handshake retransmissions, keep-alives, deadlines.
    pub(super) fn run_due(&mut self, now: Instant) {
        self.next_timer = None;
        for index in 0..self.places.len() {
            let due = match &self.places[index].wire {
                Some(Wire::Quic(quic)) => quic.timer.is_some_and(|at| at <= now),
                Some(Wire::WebSocket(ws)) => ws.timer().is_some_and(|at| at <= now),
                None => false,
            };
            if due {
                self.drive(index as u32, now, true);
            } else {
                self.note_timer(index);
            }
        }
        self.send_batches();
    }

    fn note_timer(&mut self, index: usize) {
        let timer = match &self.places[index].wire {
            Some(Wire::Quic(quic)) => quic.timer,
            Some(Wire::WebSocket(ws)) => ws.timer(),
            None => None,
        };
        self.next_timer = earliest(self.next_timer, timer);
    }

    /// Sends what one connection has, runs its timers, and lets it go when it is over.
    pub(super) fn drive(&mut self, index: u32, now: Instant, always: bool) {
        let Self { places, sockets, events, counters, .. } = self;
        let place = &mut places[index as usize];
        let over = match &mut place.wire {
            None => false,
            Some(Wire::WebSocket(ws)) => {
                if ws.touched {
                    ws.flush();
                }
                ws.handle_timeout(now, events);
                ws.ended
            }
            Some(Wire::Quic(quic)) => {
                let wanted = always || quic.touched || quic.timer.is_none_or(|at| at <= now);
                wanted && drive_quic(quic, &mut sockets[quic.socket], now, events, counters)
            }
        };
        if over {
            self.leave_place(index);
        } else {
            self.note_timer(index as usize);
        }
    }

    pub(super) fn send_batches(&mut self) {
        for socket in &mut self.sockets {
            if !socket.batch.is_empty() {
                // Lost is lost: QUIC sends again what must arrive.
                socket.batch.send(socket.udp.as_fd(), |_| ());
            }
        }
    }
}

/// Returns whether the connection is drained.
fn drive_quic(
    quic: &mut QuicConn,
    socket: &mut ClientSocket,
    now: Instant,
    events: &mut VecDeque<ClientEvent>,
    counters: &mut ClientCounters,
) -> bool {
    let ClientSocket { udp, endpoint, handles, batch } = socket;
    if batch.is_full() {
        batch.send(udp.as_fd(), |_| ());
    }
    let flush = |batch: &mut SendBatch| {
        batch.send(udp.as_fd(), |_| ());
    };
    quic.send(now, batch, flush, events, counters);
    while let Some(event) = quic.poll_endpoint() {
        let drained = event.is_drained();
        if let Some(answer) = endpoint.handle_event(quic.handle, event) {
            quic.handle_endpoint(answer);
        }
        if drained {
            handles[quic.handle.0] = NOBODY;
            return true;
        }
    }
    false
}
