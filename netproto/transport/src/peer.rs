//! One connection: its place in the table, how far it has come, and what is the same for both links.
use crate::budget::{Budget, RecordQueue};
use crate::event::{CloseCode, CloseReason, Event, Link, Payload, PeerId, PeerStats};
use crate::lane::{Lane, Pass};
use crate::quic::QuicPeer;
use crate::ws::WsPeer;
use quinn_proto::EndpointEvent;
use std::net::SocketAddr;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// How long a refused peer has to fetch its refusal, and a closing WebSocket to say goodbye.
pub(crate) const LINGER: Duration = Duration::from_secs(1);

/// Acknowledgements wait so long for a frame to carry them. A tick later than this is still within the 100 ms that
/// we announce (`settings`), down to 20 ticks per second.
pub(crate) const ACK_PATIENCE: Duration = Duration::from_millis(50);

/// How far a peer has come. The door serves the stages before and beside `Admitted`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nobody sits here.
    Free,
    /// TLS or the HTTP upgrade is under way.
    Handshaking,
    /// Connected; the hello is missing.
    Waiting,
    /// The owner has the hello and decides.
    Greeted,
    /// In play: advanced in the passes of the tick only.
    Admitted,
    /// The refusal is on its way.
    Refusing,
    /// Over for the owner; the link says goodbye.
    Closing,
}

impl Stage {
    /// Whether the door, not the tick, looks after this stage.
    pub(crate) fn is_at_door(self) -> bool {
        matches!(self, Self::Handshaking | Self::Waiting | Self::Greeted | Self::Refusing)
    }
}

/// What is the same for both links.
pub(crate) struct Head {
    pub(crate) id: PeerId,
    pub(crate) stage: Stage,
    /// The owner knows this peer: it got a `Hello` and no `Closed` yet.
    pub(crate) known: bool,
    /// Something happened since the last flush.
    pub(crate) touched: bool,
    /// The link holds bytes that the last visit left unread.
    pub(crate) unread: bool,
    /// Frame of this tick: a range of the outbox, empty for none.
    pub(crate) frame: Range<usize>,
    /// When the oldest packet came that no packet of ours has acknowledged yet.
    pub(crate) owes_since: Option<Instant>,
    /// Until when the timers of records that have left are honoured.
    pub(crate) careful_until: Option<Instant>,
    /// When the link wants to be visited even if nothing happens.
    pub(crate) timer: Option<Instant>,
    /// When the present stage must be over.
    pub(crate) stage_until: Option<Instant>,
    /// Where it came from first: what per-address limits count.
    pub(crate) addr: SocketAddr,
    pub(crate) records: RecordQueue,
    pub(crate) budget: Budget,
}

impl Head {
    pub(crate) fn new(id: PeerId, addr: SocketAddr, now: Instant) -> Self {
        Self {
            id,
            stage: Stage::Free,
            known: false,
            touched: false,
            unread: false,
            frame: 0..0,
            owes_since: None,
            careful_until: None,
            timer: None,
            stage_until: None,
            addr,
            records: RecordQueue::new(now),
            budget: Budget::new(now),
        }
    }

    /// Handshake done: the hello may come.
    pub(crate) fn wait_for_hello(&mut self, pass: &Pass<'_>) {
        self.stage = Stage::Waiting;
        self.stage_until = Some(pass.now + pass.limits.hello_deadline);
    }

    /// The connection is over: tells the owner once, counts, and lets the link say goodbye.
    pub(crate) fn end(&mut self, lane: &mut Lane, reason: CloseReason) {
        if self.stage == Stage::Closing {
            return;
        }
        match (&reason, self.stage) {
            (CloseReason::Internal, _) => lane.counters.closed_internal += 1,
            (_, Stage::Handshaking | Stage::Waiting) => lane.counters.handshakes_failed += 1,
            (CloseReason::Protocol(_), _) => lane.counters.closed_protocol += 1,
            (CloseReason::TooSlow { .. }, _) => lane.counters.closed_too_slow += 1,
            (CloseReason::Silence, _) => lane.counters.closed_silence += 1,
            _ => {}
        }
        if std::mem::take(&mut self.known) {
            lane.events.push(Event::Closed { peer: self.id, reason });
        }
        self.stage = Stage::Closing;
        self.stage_until = None;
        self.frame = 0..0;
        self.touched = true;
    }

    /// Hands one datagram to the owner if the peer is in play and the size is right.
    pub(crate) fn deliver_datagram(&self, lane: &mut Lane, pass: &Pass<'_>, bytes: &[u8], arrived: Instant) {
        if self.stage != Stage::Admitted {
            lane.counters.drops_early += 1;
        } else if bytes.len() > pass.limits.datagram_bytes_max {
            lane.counters.drops_oversized += 1;
        } else {
            lane.counters.datagrams_in += 1;
            lane.events.push(Event::Datagram { peer: self.id, bytes: Payload::from(bytes), arrived });
        }
    }

    /// Hands one record to the owner: the first is the hello.
    pub(crate) fn deliver_record(&mut self, lane: &mut Lane, link: Link, record: &[u8]) {
        lane.counters.records_in += 1;
        let bytes = Payload::from(record);
        if self.stage == Stage::Waiting {
            self.stage = Stage::Greeted;
            self.stage_until = None;
            self.known = true;
            lane.events.push(Event::Hello { peer: self.id, link, addr: self.addr, bytes });
        } else {
            lane.events.push(Event::Record { peer: self.id, bytes });
        }
    }

    /// Facts that cannot leave end the peer: by amount, or by time without any progress.
    pub(crate) fn is_too_slow(&self, pass: &Pass<'_>) -> bool {
        self.records.len() > pass.limits.queued_bytes_max
            || self.records.stalled_for(pass.now) >= pass.limits.stall_max
    }

    /// Whether a visit would find anything to take in.
    pub(crate) fn has_input(&self) -> bool {
        self.touched || self.unread
    }

    /// A record has left lately: its retransmission timers and acknowledgements are on time.
    pub(crate) fn is_careful(&self, now: Instant) -> bool {
        self.careful_until.is_some_and(|until| now < until)
    }

    /// Nothing but acknowledgements can be waiting, and these may wait for the next frame.
    fn is_patient(&self, now: Instant) -> bool {
        self.stage == Stage::Admitted
            && !self.is_careful(now)
            && self.owes_since.is_some_and(|since| now < since + ACK_PATIENCE)
    }

    pub(crate) fn is_due(&self, now: Instant) -> bool {
        let past = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        past(self.timer) || past(self.stage_until)
    }
}

/// The link under a peer.
pub(crate) enum Wire {
    None,
    Quic(Box<QuicPeer>),
    WebSocket(Box<WsPeer>),
}

/// A place in the table.
pub(crate) struct Slot {
    pub(crate) head: Head,
    pub(crate) wire: Wire,
}

impl Slot {
    /// Takes in what has arrived. A panic ends this peer and nobody else.
    pub(crate) fn receive(&mut self, lane: &mut Lane, pass: &Pass<'_>) {
        self.guard(lane, |slot, lane| match &mut slot.wire {
            Wire::None => {}
            Wire::Quic(peer) => peer.receive(&mut slot.head, lane, pass),
            Wire::WebSocket(peer) => peer.receive(&mut slot.head, lane, pass),
        });
    }

    /// Sends what waits, then runs timers. A panic ends this peer and nobody else.
    pub(crate) fn send(&mut self, lane: &mut Lane, pass: &Pass<'_>) {
        let carries = !self.head.frame.is_empty() || !self.head.records.is_empty();
        if !carries && !self.head.is_due(pass.now) {
            let is_idle = !self.head.touched && self.head.owes_since.is_none();
            // What has come was taken in; its acknowledgement waits for a frame, or until it is due.
            if is_idle || self.head.is_patient(pass.now) {
                self.head.touched = false;
                return;
            }
        }
        lane.counters.send_visits += 1;
        self.guard(lane, |slot, lane| {
            if !matches!(slot.head.stage, Stage::Refusing | Stage::Closing) && slot.head.is_too_slow(pass) {
                let queued_bytes = slot.head.records.len();
                slot.close(
                    lane,
                    pass.now,
                    CloseCode::TooSlow,
                    "facts pile up",
                    CloseReason::TooSlow { queued_bytes },
                );
            }
            if slot.head.stage_until.is_some_and(|until| until <= pass.now) {
                slot.close(
                    lane,
                    pass.now,
                    CloseCode::Timeout,
                    "deadline passed",
                    CloseReason::Local(CloseCode::Timeout),
                );
            }
            match &mut slot.wire {
                Wire::None => {}
                Wire::Quic(peer) => peer.send(&mut slot.head, lane, pass),
                Wire::WebSocket(peer) => peer.send(&mut slot.head, lane, pass),
            }
            slot.head.touched = false;
            slot.head.frame = 0..0;
        });
    }

    /// Ends the peer from our side: `code` and `text` go to it, `reason` to the owner.
    pub(crate) fn close(
        &mut self,
        lane: &mut Lane,
        now: Instant,
        code: CloseCode,
        text: &str,
        reason: CloseReason,
    ) {
        if matches!(self.head.stage, Stage::Free | Stage::Closing) {
            return;
        }
        match &mut self.wire {
            Wire::None => {}
            Wire::Quic(peer) => peer.close(now, code, text),
            Wire::WebSocket(peer) => peer.close(now, code, text),
        }
        self.head.end(lane, reason);
    }

    /// How the peer is doing; `None` without a link.
    pub(crate) fn stats(&self) -> Option<PeerStats> {
        match &self.wire {
            Wire::None => None,
            Wire::Quic(quic) => Some(quic.stats(&self.head)),
            Wire::WebSocket(ws) => Some(ws.stats(&self.head)),
        }
    }

    fn guard(&mut self, lane: &mut Lane, visit: impl FnOnce(&mut Self, &mut Lane)) {
        let outcome = catch_unwind(AssertUnwindSafe(|| visit(self, lane)));
        if outcome.is_err() {
            self.bury(lane);
        }
    }

    /// After a panic the link's state is unknown: it is dropped without a goodbye.
    fn bury(&mut self, lane: &mut Lane) {
        tracing::error!(peer = ?self.head.id, addr = %self.head.addr, stage = ?self.head.stage, "panic while handling a peer; peer closed");
        if self.head.stage == Stage::Closing {
            lane.counters.closed_internal += 1;
        }
        self.head.end(lane, CloseReason::Internal);
        let index = self.head.id.index();
        let wire = std::mem::replace(&mut self.wire, Wire::None);
        match &wire {
            Wire::Quic(peer) => lane.endpoint.push((index, peer.handle(), EndpointEvent::drained())),
            Wire::WebSocket(_) | Wire::None => lane.finished.push(index),
        }
        // Dropping what panicked may panic too.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(wire)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_ends_its_peer_with_one_closed_event_and_is_counted() {
        let now = Instant::now();
        let peer = PeerId::new(3, 1);
        let mut head = Head::new(peer, SocketAddr::from(([127, 0, 0, 1], 9)), now);
        head.stage = Stage::Admitted;
        head.known = true;
        let mut slot = Slot { head, wire: Wire::None };
        let mut lane = Lane::new();
        slot.guard(&mut lane, |_, _| panic!("as a decoder might"));
        slot.guard(&mut lane, |_, _| panic!("and again"));
        assert!(
            matches!(lane.events[..], [Event::Closed { peer: p, reason: CloseReason::Internal }] if p == peer)
        );
        assert_eq!(lane.counters.closed_internal, 2);
        assert_eq!(lane.finished, [3, 3]);
        assert!(slot.head.stage == Stage::Closing && !slot.head.known);
    }
}
