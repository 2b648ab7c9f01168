//! The passes of a tick: taking packets in, visiting peers on several threads, collecting what came of it.
use super::Server;
use crate::lane::{Arrival, Lane, Pass};
use crate::mmsg::SendBatch;
use crate::peer::{Slot, Wire};
use quinn_proto::{DatagramEvent, Transmit};
use rayon::iter::{IndexedParallelIterator, IntoParallelRefMutIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Datagrams taken in one go; a flood must not keep a tick from starting.
const DRAIN_MAX: usize = 16_384;
/// Packets kept for a socket that would block.
const BACKLOG_MAX: usize = 1024;
/// Below this many places a pass is not worth spreading over threads.
const PARALLEL_SLOTS_MIN: usize = 256;

impl Server {
    /// Takes everything the socket has and hands each datagram to whom it concerns.
    pub(super) fn drain(&mut self) {
        self.lanes[0].drain(self.udp.as_fd(), DRAIN_MAX);
        self.route_inboxes();
    }

    /// Routes what the lanes took from the socket, lane by lane.
    pub(super) fn route_inboxes(&mut self) {
        for index in 0..self.lanes.len() {
            let mut inbox = std::mem::take(&mut self.lanes[index].inbox);
            for arrival in inbox.drain(..) {
                if is_first(&arrival.bytes) {
                    self.handle_stranger(arrival);
                } else {
                    self.route(arrival);
                }
            }
            self.lanes[index].inbox = inbox;
        }
        self.send_replies();
        self.count_kernel_drops();
        self.counters.take(&mut self.lanes[0].counters);
    }

    pub(super) fn route(&mut self, arrival: Arrival) {
        let Self { endpoint, replies, .. } = self;
        let Arrival { at, from, local_ip, bytes } = arrival;
        // The endpoint belongs to everybody: one strange packet may not take it down. Source: RUSTSEC-2026-0037.
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            endpoint.handle(at, from, local_ip, None, bytes, replies.slot())
        }));
        match outcome {
            Ok(Some(DatagramEvent::ConnectionEvent(handle, event))) => {
                let packets_max = self.limits.packets_queued_max;
                let Some(slot) = self.table.by_handle(handle) else {
                    return self.counters.drops_unrouted += 1;
                };
                let Wire::Quic(peer) = &mut slot.wire else { return self.counters.drops_unrouted += 1 };
                slot.head.touched = true;
                if !peer.enqueue(at, event, packets_max) {
                    self.counters.drops_peer_queue += 1;
                }
                slot.head.owes_since.get_or_insert(at);
            }
            Ok(Some(DatagramEvent::NewConnection(incoming))) => self.knock(incoming),
            Ok(Some(DatagramEvent::Response(transmit))) => self.reply(&transmit),
            Ok(None) => self.counters.drops_unrouted += 1,
            Err(_) => {
                tracing::error!(%from, "panic in the QUIC endpoint; datagram dropped");
                self.counters.panics_endpoint += 1;
            }
        }
    }

    /// The reply slot is filled: queue it.
    pub(super) fn reply(&mut self, transmit: &Transmit) {
        self.replies.commit(transmit.destination, transmit.src_ip, false);
        if self.replies.is_full() {
            self.send_replies();
        }
    }

    pub(super) fn send_replies(&mut self) {
        if self.replies.is_empty() {
            return;
        }
        let counters = &mut self.counters;
        let sent = self.replies.send(self.udp.as_fd(), |_| counters.drops_send_blocked += 1);
        counters.udp_out += sent.datagrams;
        counters.udp_bytes_out += sent.bytes;
        counters.drops_send_failed += sent.failed;
    }

    /// Packets with record bytes that found the socket full in an earlier pass go first.
    pub(super) fn send_backlog(&mut self) {
        let mut batch = SendBatch::new_if(!self.backlog.is_empty());
        while let Some(batch) = batch.as_mut()
            && let Some(packet) = self.backlog.pop_front()
        {
            batch.slot().extend_from_slice(&packet.bytes);
            batch.commit(packet.to, packet.from, true);
            if !batch.is_full() && !self.backlog.is_empty() {
                continue;
            }
            let backlog = &mut self.backlog;
            let mut n_blocked = 0;
            let sent = batch.send(self.udp.as_fd(), |packet| {
                n_blocked += 1;
                backlog.push_back(packet.take());
            });
            self.counters.udp_out += sent.datagrams;
            self.counters.udp_bytes_out += sent.bytes;
            self.counters.drops_send_failed += sent.failed;
            if n_blocked > 0 {
                return;
            }
        }
    }

    /// Visits every place, on the threads of the caller's rayon pool when there are many, and collects.
    pub(super) fn visit(&mut self, visit: impl Fn(&mut Slot, &mut Lane, &Pass<'_>) + Sync) {
        let Self { table, lanes, limits, udp, outbox, now, .. } = self;
        let pass = Pass { now: *now, limits, udp: udp.as_fd(), outbox };
        let visit_all = |slots: &mut [Slot], lane: &mut Lane| {
            slots.iter_mut().for_each(|slot| visit(slot, lane, &pass));
            lane.flush(pass.udp);
        };
        let n_jobs = n_jobs(table.slots.len());
        while lanes.len() < n_jobs {
            lanes.push(Lane::new());
        }
        if n_jobs <= 1 {
            visit_all(&mut table.slots, &mut lanes[0]);
        } else {
            let chunk = table.slots.len().div_ceil(n_jobs);
            let chunks = table.slots.par_chunks_mut(chunk);
            chunks.zip(lanes.par_iter_mut()).for_each(|(slots, lane)| visit_all(slots, lane));
        }
        self.collect();
    }

    /// Takes over what the lanes found: events, endpoint news, finished places, counts.
    pub(super) fn collect(&mut self) {
        for index in 0..self.lanes.len() {
            let lane = &mut self.lanes[index];
            self.events.extend(lane.events.drain(..));
            self.counters.take(&mut lane.counters);
            for packet in lane.backlog.drain(..) {
                if self.backlog.len() < BACKLOG_MAX {
                    self.backlog.push_back(packet);
                } else {
                    self.counters.drops_send_blocked += 1;
                }
            }
            self.collect_endpoint(index);
            let mut finished = std::mem::take(&mut self.lanes[index].finished);
            finished.drain(..).for_each(|slot| self.vacate(slot));
            self.lanes[index].finished = finished;
        }
        self.count_kernel_drops();
    }

    fn collect_endpoint(&mut self, lane: usize) {
        let mut news = std::mem::take(&mut self.lanes[lane].endpoint);
        for (index, handle, event) in news.drain(..) {
            let drained = event.is_drained();
            let answer = self.endpoint.handle_event(handle, event);
            if drained {
                self.table.forget_handle(handle);
                self.vacate(index);
            } else if let Some(answer) = answer
                && let Some(slot) = self.table.slots.get_mut(index as usize)
                && let Wire::Quic(peer) = &mut slot.wire
                && peer.handle() == handle
            {
                peer.handle_endpoint(answer);
                slot.head.touched = true;
            }
        }
        self.lanes[lane].endpoint = news;
    }

    fn vacate(&mut self, index: u32) {
        if let Some(addr) = self.table.vacate(index) {
            self.door.handle_leave(addr);
        }
    }

    fn count_kernel_drops(&mut self) {
        for lane in &mut self.lanes {
            let Some(total) = lane.kernel_drops.take() else { continue };
            // Lanes see the running total in any order; only growth counts.
            let new = total.wrapping_sub(self.kernel_drops);
            if new < u32::MAX / 2 {
                self.counters.drops_kernel += u64::from(new);
                self.kernel_drops = total;
            }
        }
    }
}

/// Whether a datagram begins with a first packet of QUIC version 1. To read one takes the keys that its connection id
/// gives: many times the work that any other packet is.
///
/// - Source: RFC 9000 section 17.2.2; RFC 9001 section 5.2.
fn is_first(datagram: &[u8]) -> bool {
    matches!(datagram, [first, 0, 0, 0, 1, ..] if first & 0xb0 == 0x80)
}

/// Outside a rayon pool, and for few peers, everything stays on this thread.
fn n_jobs(n_slots: usize) -> usize {
    if n_slots < PARALLEL_SLOTS_MIN || rayon::current_thread_index().is_none() {
        return 1;
    }
    rayon::current_num_threads()
}
