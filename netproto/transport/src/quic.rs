//! One QUIC connection of the server, advanced when told to and never by itself.
//!
//! Order of a visit (quinn-proto's own): events in, application polls, data out, packets out, timers last.
//! Timers come last because packets carry acknowledgements: a timer that fires before them would send its own.
use crate::budget::RecordReader;
use crate::controller::under_way_bytes;
use crate::event::{CloseCode, CloseReason, Link, PeerStats, shorten};
use crate::lane::{Lane, Pass};
use crate::limits::UDP_BYTES;
use crate::peer::{ACK_PATIENCE, Head, Stage};
use bytes::Bytes;
use quinn_proto::{
    Connection, ConnectionError, ConnectionEvent, ConnectionHandle, Dir, ReadError, Side, StreamEvent,
    StreamId, VarInt,
};
use std::time::{Duration, Instant};

/// Timers of a peer in play may be this late when no record is on its way: the next frame does their work, and
/// a client without news still gets five frames a second.
const TIMER_GRACE: Duration = Duration::from_millis(250);
/// After a record has left, its retransmission timers are honoured on time for so long.
const RECORD_CARE: Duration = Duration::from_secs(1);
/// More than any control frame needs.
const ROOM_LEFT: usize = 64;
/// Packets for one peer in one visit; the budget's burst is 14.
const PACKETS_PER_VISIT: usize = 32;
/// What a peer has not acknowledged is looked at once in so many frames.
const FRAMES_PER_LOOK: u32 = 32;
/// TLS alert 120, no_application_protocol, as a QUIC error. Source: RFC 9001 section 4.8.
const NO_APPLICATION_PROTOCOL: u64 = 0x100 + 120;

/// See the module.
pub(crate) struct QuicPeer {
    conn: Connection,
    handle: ConnectionHandle,
    /// Packets routed here since the last visit, with the time they were taken from the socket.
    queue: Vec<(Instant, ConnectionEvent)>,
    reader: RecordReader,
    /// The client has opened its stream.
    open: bool,
    /// The stream may hold unread bytes.
    readable: bool,
    /// The last record was written and the stream finished.
    finished: bool,
    /// The handshake is done, so whoever it is gets what is sent to the address.
    is_proven: bool,
    /// Bytes that datagrams may take up in the connection while none waits there.
    room_when_empty: usize,
    /// Frames handed to the connection, counted round and round.
    n_frames: u32,
}

impl QuicPeer {
    pub(crate) fn new(handle: ConnectionHandle, mut conn: Connection) -> Self {
        let room_when_empty = conn.datagrams().send_buffer_space();
        Self {
            conn,
            handle,
            queue: Vec::new(),
            reader: RecordReader::default(),
            open: false,
            readable: false,
            finished: false,
            is_proven: false,
            room_when_empty,
            n_frames: 0,
        }
    }

    pub(crate) fn handle(&self) -> ConnectionHandle {
        self.handle
    }

    /// Keeps a packet for the next visit; `false` when too many wait already.
    pub(crate) fn enqueue(&mut self, at: Instant, event: ConnectionEvent, packets_max: usize) -> bool {
        let fits = self.queue.len() < packets_max;
        if fits {
            if self.queue.capacity() == 0 {
                // One packet per tick is the rule; an ordinary first push would make room for four, 896 bytes.
                self.queue.reserve_exact(1);
            }
            self.queue.push((at, event));
        }
        fits
    }

    /// The endpoint answered one of our endpoint events.
    pub(crate) fn handle_endpoint(&mut self, event: ConnectionEvent) {
        self.conn.handle_event(event);
    }

    pub(crate) fn stats(&self, head: &Head) -> PeerStats {
        let path = self.conn.stats().path;
        PeerStats {
            link: Link::Quic,
            rtt: self.conn.rtt(),
            queued_bytes: head.records.len(),
            unsent_bytes: 0,
            addr: self.conn.remote_address(),
            packets_sent: path.sent_packets,
            packets_lost: path.lost_packets,
        }
    }

    pub(crate) fn close(&mut self, now: Instant, code: CloseCode, text: &str) {
        self.conn.close(now, VarInt::from_u32(code as u32), Bytes::copy_from_slice(text.as_bytes()));
    }

    pub(crate) fn receive(&mut self, head: &mut Head, lane: &mut Lane, pass: &Pass<'_>) {
        let mut queue = std::mem::take(&mut self.queue);
        for (arrived, event) in queue.drain(..) {
            self.conn.handle_event(event);
            // Copied out at once: a delivered datagram keeps its whole packet alive.
            while let Some(bytes) = self.conn.datagrams().recv() {
                head.deliver_datagram(lane, pass, &bytes, arrived);
            }
        }
        self.queue = queue;
        self.poll(head, lane, pass);
        self.read_records(head, lane, pass);
        self.poll_endpoint(head, lane);
    }

    fn poll(&mut self, head: &mut Head, lane: &mut Lane, pass: &Pass<'_>) {
        while let Some(event) = self.conn.poll() {
            use quinn_proto::Event as Quic;
            match event {
                Quic::Connected => {
                    self.is_proven = true;
                    lane.counters.handshakes_quic += 1;
                    head.wait_for_hello(pass);
                }
                Quic::ConnectionLost { reason } => head.end(lane, explain(reason)),
                Quic::Stream(StreamEvent::Opened { dir: Dir::Bi }) => {
                    self.open |= self.conn.streams().accept(Dir::Bi) == Some(record_stream());
                    self.readable = true;
                }
                Quic::Stream(StreamEvent::Readable { id }) => self.readable |= id == record_stream(),
                // Everything the refused peer should read has arrived there.
                Quic::Stream(StreamEvent::Finished { .. }) if head.stage == Stage::Refusing => {
                    self.close(pass.now, CloseCode::Refused, "refused");
                    head.end(lane, CloseReason::Local(CloseCode::Refused));
                }
                Quic::Stream(StreamEvent::Stopped { .. }) => {
                    self.break_off(head, lane, pass, "record stream stopped");
                }
                _ => {}
            }
        }
    }

    /// Reads as much of the stream as this stage and pass allow; the rest stays under flow control.
    fn read_records(&mut self, head: &mut Head, lane: &mut Lane, pass: &Pass<'_>) {
        head.unread = false;
        let mut left = match head.stage {
            Stage::Waiting => 1,
            Stage::Admitted => pass.limits.records_per_pass,
            _ => return,
        };
        while self.open && left > 0 {
            let max = pass.limits.record_bytes_max;
            match self.reader.next(max, |record| head.deliver_record(lane, Link::Quic, record)) {
                Ok(true) => left -= 1,
                Ok(false) if !self.readable => return,
                Ok(false) => {
                    if let Err(what) = self.fill_reader(max) {
                        return self.break_off(head, lane, pass, what);
                    }
                }
                Err(error) => return self.break_off(head, lane, pass, &error.to_string()),
            }
        }
        // A stream that is not open yet announces itself with a packet.
        head.unread = self.open && left == 0;
    }

    /// Moves stream bytes into the reader, at most one longest record beyond what it holds.
    fn fill_reader(&mut self, record_bytes_max: usize) -> Result<(), &'static str> {
        let wanted = record_bytes_max + crate::budget::LENGTH_BYTES;
        let mut stream = self.conn.recv_stream(record_stream());
        let Ok(mut chunks) = stream.read(true) else { return Err("record stream closed") };
        let mut outcome = Ok(());
        while self.reader.len() < wanted {
            match chunks.next(wanted - self.reader.len()) {
                Ok(Some(chunk)) => self.reader.push(&chunk.bytes),
                Ok(None) => {
                    outcome = Err("record stream finished");
                    break;
                }
                Err(ReadError::Blocked) => {
                    self.readable = false;
                    break;
                }
                Err(ReadError::Reset(_)) => {
                    outcome = Err("record stream reset");
                    break;
                }
            }
        }
        // Window updates ride on whatever is sent next.
        let _ = chunks.finalize();
        outcome
    }

    fn break_off(&mut self, head: &mut Head, lane: &mut Lane, pass: &Pass<'_>, what: &str) {
        self.close(pass.now, CloseCode::Protocol, what);
        head.end(lane, CloseReason::Protocol(what.to_owned()));
    }

    fn poll_endpoint(&mut self, head: &Head, lane: &mut Lane) {
        while let Some(event) = self.conn.poll_endpoint_events() {
            lane.endpoint.push((head.id.index(), self.handle, event));
        }
    }

    pub(crate) fn send(&mut self, head: &mut Head, lane: &mut Lane, pass: &Pass<'_>) {
        let framed = self.write_frame(head, lane, pass);
        if framed && self.is_deaf(pass) {
            let queued_bytes = under_way_bytes(&self.conn) as usize;
            self.close(pass.now, CloseCode::TooSlow, "nothing is acknowledged");
            head.end(lane, CloseReason::TooSlow { queued_bytes });
        }
        if head.records.is_empty() {
            head.budget.handle_quiet();
        } else {
            // A copy of 600 bytes: not for everybody in every tick.
            head.budget.handle_lost_total(pass.now, self.conn.stats().path.lost_packets);
        }
        let recorded = self.write_records(head, pass);
        if recorded {
            head.careful_until = Some(pass.now + RECORD_CARE);
        }
        let owes = head.owes_since.take();
        let n = self.transmit(lane, pass, framed || recorded, recorded);
        // Whoever got a packet got the acknowledgements with it; others must not wait beyond what we announced.
        let is_owed = n == 0 && owes.is_some_and(|since| since + ACK_PATIENCE <= pass.now);
        if n == 0 && !is_owed {
            head.owes_since = owes;
        }
        self.run_timers(head, lane, pass, is_owed);
        self.poll_endpoint(head, lane);
    }

    fn write_frame(&mut self, head: &Head, lane: &mut Lane, pass: &Pass<'_>) -> bool {
        if head.frame.is_empty() || head.stage != Stage::Admitted {
            return false;
        }
        let frame = Bytes::copy_from_slice(&pass.outbox[head.frame.clone()]);
        let sent = self.conn.datagrams().send(frame, true).is_ok();
        if sent {
            lane.counters.frames_out += 1;
        } else {
            lane.counters.drops_frame += 1;
        }
        sent
    }

    /// Whether too much is under way: quinn-proto remembers each packet until its fate is known.
    fn is_deaf(&mut self, pass: &Pass<'_>) -> bool {
        self.n_frames = self.n_frames.wrapping_add(1);
        self.n_frames.is_multiple_of(FRAMES_PER_LOOK)
            && under_way_bytes(&self.conn) > pass.limits.under_way_bytes_max
    }

    /// Gives the stream what the budget allows; a refusal leaves at once and ends the stream.
    fn write_records(&mut self, head: &mut Head, pass: &Pass<'_>) -> bool {
        let refusing = head.stage == Stage::Refusing;
        if !self.open || !(refusing || head.stage == Stage::Admitted) || self.finished {
            return false;
        }
        let mut wrote = false;
        if !head.records.is_empty() {
            let demand = head.budget.handle_demand(pass.now);
            let allowed = if refusing { usize::MAX } else { demand };
            let waiting = head.records.waiting();
            let part = &waiting[..waiting.len().min(allowed)];
            if !part.is_empty()
                && let Ok(n) = self.conn.send_stream(record_stream()).write(part)
            {
                head.budget.handle_sent(n);
                head.records.handle_sent(pass.now, n);
                wrote = n > 0;
            }
        }
        if refusing && head.records.is_empty() {
            self.finished = true;
            let _ = self.conn.send_stream(record_stream()).finish();
            wrote = true;
        }
        wrote
    }

    /// Every packet the connection wants to send now, and how many these were. At least one call per visit even if
    /// nothing was written: "two packets came, acknowledge now" sets no timer.
    fn transmit(&mut self, lane: &mut Lane, pass: &Pass<'_>, carries: bool, keep: bool) -> usize {
        let is_frame = carries && !keep;
        let mut carries = carries;
        for n in 0..PACKETS_PER_VISIT {
            if !self.is_proven && self.is_over_allowance() {
                return n;
            }
            let Some(transmit) = self.conn.poll_transmit(pass.now, 1, lane.batch.slot()) else { return n };
            lane.batch.commit(transmit.destination, transmit.src_ip, keep);
            if !std::mem::replace(&mut carries, keep) && !self.conn.is_handshaking() {
                lane.counters.standalone_acks += 1;
            }
            if lane.batch.is_full() {
                lane.flush(pass.udp);
            }
            // A packet takes all that fits. When a frame's has room left, nothing but another frame can wait, and to be
            // told so costs a tenth of the packet. Probes beyond the first one go with the next frame.
            if is_frame
                && transmit.size + ROOM_LEFT <= usize::from(UDP_BYTES)
                && self.conn.datagrams().send_buffer_space() == self.room_when_empty
            {
                return n + 1;
            }
        }
        PACKETS_PER_VISIT
    }

    /// Whether one more packet might be more than three times what came from an address that has proved nothing yet.
    /// quinn-proto stops only behind the packet that exceeds it. Source: RFC 9000 section 8.1.
    fn is_over_allowance(&self) -> bool {
        let (stats, longest) = (self.conn.stats(), u64::from(UDP_BYTES));
        // The first packet, which began the connection, is as long and not among those received.
        stats.udp_tx.bytes + longest > 3 * (longest + stats.udp_rx.bytes)
    }

    fn run_timers(&mut self, head: &mut Head, lane: &mut Lane, pass: &Pass<'_>, is_owed: bool) {
        let relaxed = head.stage == Stage::Admitted && !head.is_careful(pass.now) && !is_owed;
        let grace = if relaxed { TIMER_GRACE } else { Duration::ZERO };
        // Twice: a timer may arm another one that is due already.
        for _ in 0..2 {
            if self.conn.poll_timeout().is_none_or(|at| at + grace > pass.now) {
                break;
            }
            self.conn.handle_timeout(pass.now);
            self.poll(head, lane, pass);
            self.transmit(lane, pass, false, false);
        }
        let grace = if is_owed { TIMER_GRACE } else { grace };
        head.timer = self.conn.poll_timeout().map(|at| at + grace);
    }
}

fn record_stream() -> StreamId {
    StreamId::new(Side::Client, Dir::Bi, 0)
}

/// quinn-proto's reason in our words.
pub(crate) fn explain(reason: ConnectionError) -> CloseReason {
    match reason {
        ConnectionError::ApplicationClosed(close) => CloseReason::Peer {
            code: u32::try_from(close.error_code.into_inner()).unwrap_or(u32::MAX),
            text: shorten(&close.reason),
        },
        ConnectionError::ConnectionClosed(close) => {
            let code = u64::from(close.error_code);
            if code == NO_APPLICATION_PROTOCOL {
                return CloseReason::WrongMajor;
            }
            CloseReason::Peer { code: u32::try_from(code).unwrap_or(u32::MAX), text: shorten(&close.reason) }
        }
        ConnectionError::TransportError(error) if u64::from(error.code) == NO_APPLICATION_PROTOCOL => {
            CloseReason::WrongMajor
        }
        ConnectionError::TransportError(error) => {
            CloseReason::Protocol(shorten(error.to_string().as_bytes()))
        }
        ConnectionError::VersionMismatch => CloseReason::Protocol("no common QUIC version".to_owned()),
        ConnectionError::Reset => CloseReason::Reset,
        ConnectionError::TimedOut => CloseReason::Silence,
        ConnectionError::LocallyClosed => CloseReason::Local(CloseCode::Done),
        ConnectionError::CidsExhausted => CloseReason::Internal,
    }
}
