//! One WebSocket connection of the server. TCP does the work; what is left is to never let it pile up.
//!
//! At most one frame waits for TCP to take it; newer ones are dropped meanwhile. Records wait in the peer's queue
//! and leave by the budget.
pub(crate) mod frame;
pub(crate) mod origin;
#[cfg(test)]
mod tests;
pub(crate) mod upgrade;

use crate::event::{CloseCode, CloseReason, Link, PeerStats, shorten};
use crate::lane::{Lane, Pass};
use crate::mmsg;
use crate::peer::{Head, LINGER, Stage};
use frame::{FrameError, KIND_DATAGRAM, KIND_RECORD, Kind};
use mio::net::TcpStream;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::time::Instant;
use upgrade::Verdict;

/// Longest message from a client.
const MESSAGE_BYTES_MAX: usize = 4096;
/// Bytes read from one peer in one visit.
const READ_BYTES_PER_VISIT: usize = 8192;
/// Status codes from 4000 are ours. Source: RFC 6455 section 7.4.2.
const STATUS_BASE: u16 = 4000;

/// See the module.
pub(crate) struct WsPeer {
    stream: TcpStream,
    wire_major: u16,
    /// Bytes of an unfinished request head or frame, or what the last visit left.
    partial: Vec<u8>,
    /// When the frames came that the last visit left in `partial`; `None` when it took all that were whole.
    left_at: Option<Instant>,
    /// Bytes TCP did not take yet, from `out_at` on.
    out: Vec<u8>,
    out_at: usize,
    /// `out` ends with an unsent frame.
    out_has_frame: bool,
    /// When the socket said that it has bytes; `None` when it was empty at the last read.
    readable_at: Option<Instant>,
    /// The peer's FIN has come, maybe behind bytes not yet read.
    hung_up: bool,
    heard_at: Instant,
    pinged: bool,
    /// Since when `out` has not moved.
    blocked_since: Option<Instant>,
    /// The close frame or the refusal is in `out`: nothing may follow it.
    goodbye: bool,
    /// Nothing more will come from the socket.
    gone: bool,
    linger_until: Option<Instant>,
}

impl WsPeer {
    pub(crate) fn new(stream: TcpStream, wire_major: u16, now: Instant) -> Self {
        Self {
            stream,
            wire_major,
            partial: Vec::new(),
            left_at: None,
            out: Vec::new(),
            out_at: 0,
            out_has_frame: false,
            readable_at: Some(now),
            hung_up: false,
            heard_at: now,
            pinged: false,
            blocked_since: None,
            goodbye: false,
            gone: false,
            linger_until: None,
        }
    }

    /// The socket has bytes since `at`; `hung_up` when the peer will send no more.
    pub(crate) fn handle_readable(&mut self, at: Instant, hung_up: bool) {
        // The newest edge: an older one may tell of bytes that a pass has read before it saw the edge.
        self.readable_at = Some(at);
        self.hung_up |= hung_up;
    }

    pub(crate) fn stats(&self, head: &Head) -> PeerStats {
        let (rtt, packets_sent, packets_lost) = mmsg::tcp_path(self.stream.as_fd()).unwrap_or_default();
        PeerStats {
            link: Link::WebSocket,
            rtt,
            queued_bytes: head.records.len() + self.unsent(),
            unsent_bytes: self.unsent(),
            addr: head.addr,
            packets_sent,
            packets_lost,
        }
    }

    pub(crate) fn close(&mut self, now: Instant, code: CloseCode, text: &str) {
        self.say_goodbye(now, STATUS_BASE + code as u16, text);
    }

    fn say_goodbye(&mut self, now: Instant, status: u16, text: &str) {
        if self.goodbye {
            return;
        }
        self.goodbye = true;
        self.linger_until = Some(now + LINGER);
        let text = &text.as_bytes()[..text.len().min(100)];
        frame::encode(&mut self.out, Kind::Close, &status.to_be_bytes(), text);
    }

    pub(crate) fn receive(&mut self, head: &mut Head, lane: &mut Lane, pass: &Pass<'_>) {
        // While the owner decides, TCP holds back whatever comes.
        if head.stage == Stage::Greeted {
            return;
        }
        let Some(arrived) = self.left_at.or(self.readable_at) else { return };
        self.read_all(arrived, head, lane, pass);
        let unread = self.left_at.is_some() || (self.readable_at.is_some() && !self.gone);
        // A greeted peer is not read; its admission sets the mark again.
        head.unread = unread && head.stage != Stage::Greeted;
    }

    fn read_all(&mut self, arrived: Instant, head: &mut Head, lane: &mut Lane, pass: &Pass<'_>) {
        let mut bytes = std::mem::take(&mut lane.scratch);
        bytes.clear();
        bytes.append(&mut self.partial);
        // What was left is taken first: until then TCP holds back the rest.
        let left = self.left_at.take().is_some();
        let outcome = if left && !self.gone { Ok(()) } else { self.read_into(&mut bytes, lane, pass.now) };
        match head.stage {
            Stage::Handshaking => self.upgrade(&mut bytes, head, lane, pass),
            Stage::Waiting | Stage::Admitted => self.read_frames(&mut bytes, arrived, head, lane, pass),
            _ => bytes.clear(),
        }
        if head.stage != Stage::Closing {
            self.partial.extend_from_slice(&bytes);
        }
        lane.scratch = bytes;
        if let Err(error) = outcome {
            self.gone = true;
            head.end(lane, lost(&error));
        }
    }

    /// Reads until the socket is empty or this visit's share is taken. `UnexpectedEof` is the peer's goodbye.
    fn read_into(&mut self, bytes: &mut Vec<u8>, lane: &mut Lane, now: Instant) -> io::Result<()> {
        let start = bytes.len();
        bytes.resize(start + READ_BYTES_PER_VISIT, 0);
        let outcome = loop {
            match self.stream.read(&mut bytes[start..]) {
                Ok(0) => break Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => break Ok(n),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break Ok(0),
                Err(error) => break Err(error),
            }
        };
        let n = *outcome.as_ref().unwrap_or(&0);
        bytes.truncate(start + n);
        // A short read has emptied the socket and the next bytes will wake us (epoll(7), question 9); a FIN that
        // is there already will not.
        if n < READ_BYTES_PER_VISIT && !self.hung_up {
            self.readable_at = None;
        }
        if n > 0 {
            self.heard_at = now;
            self.pinged = false;
            lane.counters.tcp_bytes_in += n as u64;
        }
        outcome.map(|_| ())
    }

    fn upgrade(&mut self, bytes: &mut Vec<u8>, head: &mut Head, lane: &mut Lane, pass: &Pass<'_>) {
        match upgrade::handle_request(bytes, self.wire_major, pass.limits) {
            Verdict::More => {}
            Verdict::Accept(response) => {
                bytes.clear();
                self.out.extend_from_slice(&response);
                lane.counters.handshakes_websocket += 1;
                head.wait_for_hello(pass);
            }
            Verdict::Refuse(response) => self.refuse(&response, bytes, head, lane, pass),
            Verdict::RefusePage(response) => {
                lane.counters.refused_origin += 1;
                self.refuse(&response, bytes, head, lane, pass);
            }
        }
    }

    fn refuse(
        &mut self,
        response: &[u8],
        bytes: &mut Vec<u8>,
        head: &mut Head,
        lane: &mut Lane,
        pass: &Pass<'_>,
    ) {
        bytes.clear();
        self.out.extend_from_slice(response);
        self.goodbye = true;
        self.linger_until = Some(pass.now + LINGER);
        head.end(lane, CloseReason::Protocol("no acceptable upgrade".to_owned()));
    }

    /// Takes whole frames off the front of `bytes`, as far as this stage and pass allow, and leaves the rest.
    fn read_frames(
        &mut self,
        bytes: &mut Vec<u8>,
        arrived: Instant,
        head: &mut Head,
        lane: &mut Lane,
        pass: &Pass<'_>,
    ) {
        let mut at = 0;
        let mut n_datagrams = 0;
        let mut n_records = 0;
        let n_records_max = pass.limits.records_per_pass;
        while n_records < n_records_max && matches!(head.stage, Stage::Waiting | Stage::Admitted) {
            let frame = match frame::decode(&mut bytes[at..], MESSAGE_BYTES_MAX) {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(error) => return self.break_off(head, lane, pass, &error),
            };
            let payload = &bytes[at + frame.payload.start..at + frame.payload.end];
            match (frame.kind, payload.split_first()) {
                (Kind::Binary, Some((&KIND_DATAGRAM, rest))) => {
                    n_datagrams += 1;
                    if n_datagrams <= pass.limits.packets_queued_max {
                        head.deliver_datagram(lane, pass, rest, arrived);
                    } else {
                        lane.counters.drops_peer_queue += 1;
                    }
                }
                (Kind::Binary, Some((&KIND_RECORD, record))) => {
                    let len = record.len();
                    if len == 0 || len > pass.limits.record_bytes_max {
                        let max = pass.limits.record_bytes_max;
                        return self.break_off(
                            head,
                            lane,
                            pass,
                            &FrameError::TooLong { len: len as u64, max },
                        );
                    }
                    n_records += 1;
                    head.deliver_record(lane, Link::WebSocket, record);
                }
                (Kind::Binary, _) => return self.break_off(head, lane, pass, &FrameError::Reserved(0x82)),
                (Kind::Ping, _) => self.pong(payload, head),
                (Kind::Pong, _) => {}
                (Kind::Close, _) => {
                    let reason = read_close(payload);
                    self.say_goodbye(pass.now, 1000, "");
                    head.end(lane, reason);
                }
            }
            at += frame.payload.end;
        }
        bytes.drain(..at);
        let stopped = n_records >= n_records_max || head.stage == Stage::Greeted;
        self.left_at = (stopped && !bytes.is_empty()).then_some(arrived);
    }

    /// Answers only when nothing waits: a flood of pings must not fill memory.
    fn pong(&mut self, payload: &[u8], head: &mut Head) {
        if self.unsent() == 0 && !self.goodbye {
            frame::encode(&mut self.out, Kind::Pong, payload, &[]);
            head.touched = true;
        }
    }

    fn break_off(&mut self, head: &mut Head, lane: &mut Lane, pass: &Pass<'_>, error: &FrameError) {
        let what = error.to_string();
        self.say_goodbye(pass.now, error.status(), &what);
        head.end(lane, CloseReason::Protocol(what));
    }

    pub(crate) fn send(&mut self, head: &mut Head, lane: &mut Lane, pass: &Pass<'_>) {
        self.write_out(lane, pass.now);
        if matches!(head.stage, Stage::Waiting | Stage::Greeted | Stage::Admitted) {
            self.watch_silence(head, lane, pass);
        }
        match head.stage {
            Stage::Admitted => self.write_play(head, lane, pass),
            Stage::Refusing => self.write_refusal(head, lane, pass),
            _ => {}
        }
        if self.is_stuck(pass) {
            let queued_bytes = head.records.len() + self.unsent();
            head.end(lane, CloseReason::TooSlow { queued_bytes });
            self.gone = true;
        }
        if head.stage == Stage::Closing {
            return self.finish(head, lane, pass.now);
        }
        let silent_at = self.heard_at + pass.limits.idle_timeout / if self.pinged { 1 } else { 2 };
        head.timer = Some(if self.unsent() > 0 { pass.now } else { silent_at });
    }

    /// Half the idle timeout without a byte earns a ping, the whole of it the end.
    fn watch_silence(&mut self, head: &mut Head, lane: &mut Lane, pass: &Pass<'_>) {
        let silence = pass.now.saturating_duration_since(self.heard_at);
        if silence >= pass.limits.idle_timeout {
            self.say_goodbye(pass.now, STATUS_BASE + CloseCode::Timeout as u16, "nothing heard");
            head.end(lane, CloseReason::Silence);
        } else if silence >= pass.limits.idle_timeout / 2 && !self.pinged && self.unsent() == 0 {
            self.pinged = true;
            frame::encode(&mut self.out, Kind::Ping, &[], &[]);
            self.write_out(lane, pass.now);
        }
    }

    /// Records by the budget, then the frame, in one write. While older bytes wait, at most one frame is added.
    fn write_play(&mut self, head: &mut Head, lane: &mut Lane, pass: &Pass<'_>) {
        if self.unsent() > 0 {
            return self.append_frame(head, lane, pass);
        }
        let mut bytes = std::mem::take(&mut lane.scratch);
        bytes.clear();
        if !head.records.is_empty() {
            let allowed = head.budget.handle_demand(pass.now);
            release_records(&mut bytes, head, pass.now, allowed);
        }
        if !head.frame.is_empty() {
            frame::encode(&mut bytes, Kind::Binary, &[KIND_DATAGRAM], &pass.outbox[head.frame.clone()]);
            lane.counters.frames_out += 1;
        }
        let n = self.write(&bytes, lane);
        self.out.extend_from_slice(&bytes[n..]);
        if self.unsent() > 0 {
            self.out_has_frame = !head.frame.is_empty();
            self.blocked_since.get_or_insert(pass.now);
        }
        lane.scratch = bytes;
    }

    /// Puts the frame behind bytes that TCP did not take yet, unless one waits there already: only the answer
    /// to a later frame tells the owner that a dropped one is gone, so there must be a frame that arrives.
    fn append_frame(&mut self, head: &Head, lane: &mut Lane, pass: &Pass<'_>) {
        if head.frame.is_empty() {
            return;
        }
        if self.out_has_frame {
            lane.counters.drops_frame += 1;
            return;
        }
        frame::encode(&mut self.out, Kind::Binary, &[KIND_DATAGRAM], &pass.outbox[head.frame.clone()]);
        self.out_has_frame = true;
        lane.counters.frames_out += 1;
    }

    fn write_refusal(&mut self, head: &mut Head, lane: &mut Lane, pass: &Pass<'_>) {
        if !self.goodbye {
            release_records(&mut self.out, head, pass.now, usize::MAX);
            self.close(pass.now, CloseCode::Refused, "refused");
            self.write_out(lane, pass.now);
        }
        head.end(lane, CloseReason::Local(CloseCode::Refused));
    }

    /// TCP has taken nothing for too long.
    fn is_stuck(&self, pass: &Pass<'_>) -> bool {
        self.blocked_since
            .is_some_and(|since| pass.now.saturating_duration_since(since) >= pass.limits.stall_max)
    }

    /// Hangs up once the goodbye has left and the peer has hung up, or after a moment.
    fn finish(&mut self, head: &mut Head, lane: &mut Lane, now: Instant) {
        let until = *self.linger_until.get_or_insert(now + LINGER);
        if self.gone || until <= now {
            head.timer = None;
            lane.finished.push(head.id.index());
        } else {
            head.timer = Some(until);
        }
    }

    fn unsent(&self) -> usize {
        self.out.len() - self.out_at
    }

    fn write_out(&mut self, lane: &mut Lane, now: Instant) {
        if self.unsent() == 0 {
            return;
        }
        let out = std::mem::take(&mut self.out);
        let n = self.write(&out[self.out_at..], lane);
        self.out = out;
        self.out_at += n;
        if n > 0 {
            self.blocked_since = None;
        }
        if self.unsent() == 0 {
            self.out_at = 0;
            self.out_has_frame = false;
            self.out.clear();
            self.out.shrink_to(256);
        } else {
            self.blocked_since.get_or_insert(now);
        }
    }

    /// How many bytes TCP took.
    fn write(&mut self, bytes: &[u8], lane: &mut Lane) -> usize {
        let mut n = 0;
        while n < bytes.len() {
            match self.stream.write(&bytes[n..]) {
                Ok(0) => break,
                Ok(more) => n += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => {
                    // The read side will report it; until then there is nobody to write to.
                    self.readable_at.get_or_insert(self.heard_at);
                    self.gone = true;
                    break;
                }
            }
        }
        lane.counters.tcp_bytes_out += n as u64;
        n
    }
}

/// Moves whole records from the queue into `out` while the budget has anything left; the last one overdraws it.
fn release_records(out: &mut Vec<u8>, head: &mut Head, now: Instant, allowed: usize) {
    let mut left = allowed;
    while left > 0
        && let Some(record) = head.records.first()
    {
        let cost = record.len() + crate::budget::LENGTH_BYTES;
        frame::encode(out, Kind::Binary, &[KIND_RECORD], record);
        head.records.handle_sent(now, cost);
        head.budget.handle_sent(cost);
        left = left.saturating_sub(cost);
    }
}

pub(crate) fn read_close(payload: &[u8]) -> CloseReason {
    let (code, text) = match payload.split_first_chunk::<2>() {
        Some((code, text)) => (u16::from_be_bytes(*code), text),
        None => (1005, payload),
    };
    let code = if code >= STATUS_BASE { code - STATUS_BASE } else { code };
    CloseReason::Peer { code: u32::from(code), text: shorten(text) }
}

fn lost(error: &io::Error) -> CloseReason {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return CloseReason::Peer { code: 1006, text: "connection closed".to_owned() };
    }
    CloseReason::Reset
}
