//! What one job of a pass works with: buffers to fill and lists of what came of it.
//!
//! Lanes share nothing, so a pass over many peers can run on as many threads as there are lanes. The server
//! collects the lists afterwards, in lane order.
use crate::counters::Counters;
use crate::event::Event;
use crate::limits::Limits;
use crate::mmsg::{BATCH, Packet, ReceiveBatch, SendBatch};
use bytes::BytesMut;
use quinn_proto::{ConnectionHandle, EndpointEvent};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::BorrowedFd;
use std::time::Instant;

/// What every peer of a pass needs to know.
#[derive(Clone, Copy)]
pub(crate) struct Pass<'a> {
    pub(crate) now: Instant,
    pub(crate) limits: &'a Limits,
    pub(crate) udp: BorrowedFd<'a>,
    /// Frames staged since the last flush; peers hold ranges of it.
    pub(crate) outbox: &'a [u8],
}

/// A datagram taken from the socket and not yet routed.
pub(crate) struct Arrival {
    pub(crate) at: Instant,
    pub(crate) from: SocketAddr,
    pub(crate) local_ip: Option<IpAddr>,
    pub(crate) bytes: BytesMut,
}

/// See the module.
pub(crate) struct Lane {
    pub(crate) batch: SendBatch,
    pub(crate) receive: ReceiveBatch,
    pub(crate) inbox: Vec<Arrival>,
    pub(crate) events: Vec<Event>,
    /// For the endpoint, with the slot it concerns.
    pub(crate) endpoint: Vec<(u32, ConnectionHandle, EndpointEvent)>,
    /// WebSocket slots that are finished.
    pub(crate) finished: Vec<u32>,
    /// Packets with record bytes for which the socket would block.
    pub(crate) backlog: Vec<Packet>,
    pub(crate) counters: Counters,
    /// Newest running total of kernel drops seen by this lane.
    pub(crate) kernel_drops: Option<u32>,
    /// Peers in play seen in this pass.
    pub(crate) n_admitted: usize,
    /// WebSocket bytes on their way in or out.
    pub(crate) scratch: Vec<u8>,
}

impl Lane {
    pub(crate) fn new() -> Self {
        Self {
            batch: SendBatch::new(),
            receive: ReceiveBatch::new(),
            inbox: Vec::new(),
            events: Vec::new(),
            endpoint: Vec::new(),
            finished: Vec::new(),
            backlog: Vec::new(),
            counters: Counters::default(),
            kernel_drops: None,
            n_admitted: 0,
            scratch: Vec::new(),
        }
    }

    /// Sends the batch, then empties the receive side of the socket: a long burst of sends must not let the
    /// receive buffer overflow.
    pub(crate) fn flush(&mut self, udp: BorrowedFd<'_>) {
        if self.batch.is_empty() {
            return;
        }
        self.send_batch(udp);
        self.drain(udp, BATCH);
    }

    pub(crate) fn send_batch(&mut self, udp: BorrowedFd<'_>) {
        let Self { batch, backlog, counters, .. } = self;
        let sent = batch.send(udp, |packet| {
            // A frame is worthless later; record bytes are not, and sending them late spares a retransmission.
            if packet.keep {
                backlog.push(packet.take());
            } else {
                counters.drops_send_blocked += 1;
            }
        });
        counters.udp_out += sent.datagrams;
        counters.udp_bytes_out += sent.bytes;
        counters.drops_send_failed += sent.failed;
    }

    /// Takes datagrams from the socket until it is empty or `at_most` were taken. Returns whether it is empty.
    pub(crate) fn drain(&mut self, udp: BorrowedFd<'_>, at_most: usize) -> bool {
        let mut taken = 0;
        while taken < at_most {
            match self.receive.receive(udp) {
                Ok(n) => {
                    taken += n;
                    self.unpack(Instant::now());
                    if n < BATCH {
                        return true;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                // Errors of earlier sends surface here; they concern no packet we wait for.
                Err(_) => taken += 1,
            }
        }
        false
    }

    fn unpack(&mut self, at: Instant) {
        for datagram in self.receive.iter() {
            self.counters.udp_in += 1;
            self.counters.udp_bytes_in += datagram.bytes.len() as u64;
            self.kernel_drops = datagram.kernel_drops.or(self.kernel_drops);
            match datagram.from {
                _ if datagram.truncated => self.counters.drops_truncated += 1,
                Some(from) => {
                    let bytes = BytesMut::from(datagram.bytes);
                    self.inbox.push(Arrival { at, from, local_ip: datagram.local_ip, bytes });
                }
                None => self.counters.drops_unrouted += 1,
            }
        }
    }
}
