//! One QUIC connection of a client.
use super::{ClientCounters, ClientEvent, ConnId};
use crate::budget::RecordReader;
use crate::client::pin::WRONG_PIN;
use crate::event::{CloseCode, CloseReason};
use crate::limits::RECORD_BYTES_MAX;
use crate::mmsg::SendBatch;
use crate::quic::explain;
use bytes::Bytes;
use quinn_proto::{
    Connection, ConnectionEvent, ConnectionHandle, Dir, EndpointEvent, StreamEvent, StreamId, VarInt,
};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// In steady play timers may be this late: the next input does their work. Longer than the server's grace, so
/// that its acknowledgement arrives before we ask for it.
const TIMER_GRACE: Duration = Duration::from_millis(300);
/// After a record was written or read, its acknowledgements and retransmissions are on time for so long.
const RECORD_CARE: Duration = Duration::from_secs(1);
const PACKETS_PER_VISIT: usize = 64;
/// Bytes read from the stream at once.
const READ_BYTES: usize = 64 * 1024;

/// See the module.
pub(crate) struct QuicConn {
    pub(crate) id: ConnId,
    conn: Connection,
    pub(crate) handle: ConnectionHandle,
    pub(crate) socket: usize,
    stream: Option<StreamId>,
    reader: RecordReader,
    /// Records with their lengths, not yet taken by the stream.
    out: VecDeque<u8>,
    connected: bool,
    /// `Closed` was reported.
    pub(crate) ended: bool,
    pub(crate) touched: bool,
    /// Datagrams handed over since the last visit.
    n_datagrams: u32,
    careful_until: Option<Instant>,
    /// When this connection wants a visit even if nothing happens.
    pub(crate) timer: Option<Instant>,
}

impl QuicConn {
    pub(crate) fn new(id: ConnId, conn: Connection, handle: ConnectionHandle, socket: usize) -> Self {
        Self {
            id,
            conn,
            handle,
            socket,
            stream: None,
            reader: RecordReader::default(),
            out: VecDeque::new(),
            connected: false,
            ended: false,
            touched: true,
            n_datagrams: 0,
            careful_until: None,
            timer: None,
        }
    }

    /// Handshakes, records and goodbyes do not wait for the owner's next flush.
    pub(crate) fn is_hasty(&self, now: Instant) -> bool {
        !self.connected
            || self.ended
            || !self.out.is_empty()
            || self.careful_until.is_some_and(|until| now < until)
    }

    pub(crate) fn rtt(&self) -> Duration {
        self.conn.rtt()
    }

    pub(crate) fn send_record(&mut self, now: Instant, record: &[u8]) {
        let len = u16::try_from(record.len()).expect("record length was checked by the caller");
        self.out.extend(len.to_le_bytes());
        self.out.extend(record);
        self.careful_until = Some(now + RECORD_CARE);
        self.touched = true;
    }

    pub(crate) fn send_datagram(&mut self, bytes: &[u8]) -> bool {
        self.touched = true;
        let taken = self.connected && self.conn.datagrams().send(Bytes::copy_from_slice(bytes), true).is_ok();
        self.n_datagrams += u32::from(taken);
        taken
    }

    pub(crate) fn close(&mut self, now: Instant, events: &mut VecDeque<ClientEvent>) {
        self.conn.close(now, VarInt::from_u32(CloseCode::Done as u32), Bytes::new());
        self.end(CloseReason::Local(CloseCode::Done), events);
    }

    fn end(&mut self, reason: CloseReason, events: &mut VecDeque<ClientEvent>) {
        if !std::mem::replace(&mut self.ended, true) {
            events.push_back(ClientEvent::Closed { conn: self.id, reason });
        }
        self.touched = true;
    }

    /// One packet, and everything it brings.
    pub(crate) fn handle_packet(
        &mut self,
        at: Instant,
        event: ConnectionEvent,
        events: &mut VecDeque<ClientEvent>,
    ) {
        self.touched = true;
        self.conn.handle_event(event);
        while let Some(bytes) = self.conn.datagrams().recv() {
            if !self.ended {
                events.push_back(ClientEvent::Datagram { conn: self.id, bytes, arrived: at });
            }
        }
        self.poll(at, events);
    }

    pub(crate) fn handle_endpoint(&mut self, event: ConnectionEvent) {
        self.touched = true;
        self.conn.handle_event(event);
    }

    pub(crate) fn poll_endpoint(&mut self) -> Option<EndpointEvent> {
        self.conn.poll_endpoint_events()
    }

    fn poll(&mut self, now: Instant, events: &mut VecDeque<ClientEvent>) {
        while let Some(event) = self.conn.poll() {
            use quinn_proto::Event as Quic;
            match event {
                Quic::Connected => {
                    self.connected = true;
                    self.stream = self.conn.streams().open(Dir::Bi);
                    events.push_back(ClientEvent::Connected { conn: self.id });
                }
                Quic::ConnectionLost { reason } => {
                    let reason = name_pin(explain(reason));
                    self.end(reason, events);
                }
                Quic::Stream(StreamEvent::Readable { .. }) => {
                    self.careful_until = Some(now + RECORD_CARE);
                    self.read_records(now, events);
                }
                _ => {}
            }
        }
    }

    fn read_records(&mut self, now: Instant, events: &mut VecDeque<ClientEvent>) {
        let Some(id) = self.stream else { return };
        if self.ended {
            return;
        }
        let mut stream = self.conn.recv_stream(id);
        let Ok(mut chunks) = stream.read(true) else { return };
        // The server ends its stream after a refusal; the close that follows has the reason.
        while let Ok(Some(chunk)) = chunks.next(READ_BYTES) {
            self.reader.push(&chunk.bytes);
        }
        let _ = chunks.finalize();
        loop {
            let conn = self.id;
            let take = |record: &[u8]| {
                events.push_back(ClientEvent::Record { conn, bytes: Bytes::copy_from_slice(record) });
            };
            match self.reader.next(RECORD_BYTES_MAX, take) {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    let what = error.to_string();
                    let text = Bytes::copy_from_slice(what.as_bytes());
                    self.conn.close(now, VarInt::from_u32(CloseCode::Protocol as u32), text);
                    return self.end(CloseReason::Protocol(what), events);
                }
            }
        }
    }

    /// Sends what waits, then runs timers.
    pub(crate) fn send(
        &mut self,
        now: Instant,
        batch: &mut SendBatch,
        mut flush: impl FnMut(&mut SendBatch),
        events: &mut VecDeque<ClientEvent>,
        counters: &mut ClientCounters,
    ) {
        self.touched = false;
        let recorded = self.write_records();
        self.transmit(now, batch, &mut flush, recorded, counters);
        let grace = if self.is_hasty(now) { Duration::ZERO } else { TIMER_GRACE };
        for _ in 0..2 {
            if self.conn.poll_timeout().is_none_or(|at| at + grace > now) {
                break;
            }
            self.conn.handle_timeout(now);
            self.poll(now, events);
            self.transmit(now, batch, &mut flush, false, counters);
        }
        self.timer = self.conn.poll_timeout().map(|at| at + grace);
    }

    /// Returns whether the stream took anything.
    fn write_records(&mut self) -> bool {
        let Some(id) = self.stream else { return false };
        let mut wrote = false;
        while !self.out.is_empty() {
            let (front, _) = self.out.as_slices();
            match self.conn.send_stream(id).write(front) {
                Ok(n) if n > 0 => drop(self.out.drain(..n)),
                _ => break,
            }
            wrote = true;
        }
        wrote
    }

    fn transmit(
        &mut self,
        now: Instant,
        batch: &mut SendBatch,
        flush: &mut impl FnMut(&mut SendBatch),
        recorded: bool,
        counters: &mut ClientCounters,
    ) {
        for _ in 0..PACKETS_PER_VISIT {
            let Some(transmit) = self.conn.poll_transmit(now, 1, batch.slot()) else { return };
            batch.commit(transmit.destination, transmit.src_ip, false);
            counters.udp_out += 1;
            let carries = recorded || self.n_datagrams > 0;
            self.n_datagrams = self.n_datagrams.saturating_sub(1);
            counters.standalone_acks += u64::from(!carries && !self.conn.is_handshaking());
            if batch.is_full() {
                flush(batch);
            }
        }
    }

    /// Facts of ours still waiting here.
    pub(crate) fn queued_bytes(&self) -> usize {
        self.out.len()
    }
}

/// Our own verifier's verdict comes back as the text of a TLS error.
fn name_pin(reason: CloseReason) -> CloseReason {
    match reason {
        CloseReason::Protocol(text) => match text.find(WRONG_PIN) {
            Some(at) => CloseReason::WrongPin(text[at + WRONG_PIN.len()..].to_owned()),
            None => CloseReason::Protocol(text),
        },
        other => other,
    }
}
