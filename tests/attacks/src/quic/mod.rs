//! A QUIC client that keeps no rule: it shakes hands as everybody does, and then sends whatever frames it is told to.
//!
//! [`Rogue`] has a socket of its own and never waits; [`packet`] has the bytes, [`tls`] the handshake inside.

pub mod packet;
pub mod tls;

use netproto::version;
use packet::{CID_BYTES, FIRST_BYTES, NUMBER_BYTES, TAG_BYTES, put_varint, take, take_varint};
use rustls::quic::{ClientConnection, KeyChange, Keys};
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// Who is not in play after this has failed.
const PATIENCE: Duration = Duration::from_secs(5);
/// Something is sent again after this: a server in a flood loses packets.
const AGAIN: Duration = Duration::from_millis(400);
/// First byte of a packet in play, before protection.
const SHORT_HEADER: u8 = 0x40 | (NUMBER_BYTES as u8 - 1);

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Shaking hands.
    Opening,
    /// The hello was said.
    Greeting,
    /// Snapshots come.
    Playing,
    /// Over.
    Closed,
}

/// How an attacker treats the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manners {
    /// Acknowledges packets.
    pub acks: bool,
    /// Goes on behind the address check; otherwise it leaves when the server has begun to keep something for it.
    pub finishes: bool,
}

/// Packets of one space: what came, and what is to be said.
#[derive(Default)]
struct Space {
    keys: Option<Keys>,
    next_number: u64,
    /// The newest run of packets that came, without a gap.
    run: Option<(u64, u64)>,
    is_ack_due: bool,
    /// Handshake bytes beyond the next expected, by their offset.
    early: BTreeMap<u64, Vec<u8>>,
    taken: u64,
    /// Handshake bytes of ours.
    said: Vec<u8>,
}

/// See the module.
pub struct Rogue {
    socket: UdpSocket,
    tls: ClientConnection,
    /// What the server calls us.
    own_id: [u8; CID_BYTES],
    /// What we call the server.
    to: Vec<u8>,
    token: Vec<u8>,
    spaces: [Space; 3],
    manners: Manners,
    /// Its stage.
    pub stage: Stage,
    begun: Instant,
    spoke_at: Instant,
    has_heard: bool,
    /// Bytes of the record stream sent so far.
    stream_at: u64,
    /// Number and tick of the newest snapshot.
    pub newest: Option<(u16, u32)>,
    /// Datagrams and their bytes, out and in.
    pub n_out: u64,
    /// See there.
    pub bytes_out: u64,
    /// See there.
    pub bytes_in: u64,
    /// Bytes that came.
    buffer: Vec<u8>,
}

impl Rogue {
    /// Begins to connect.
    ///
    /// # Errors
    /// When there is no socket.
    pub fn dial(server: SocketAddr, manners: Manners, now: Instant) -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.connect(server)?;
        socket.set_nonblocking(true)?;
        let own_id = random_id();
        let to = random_id();
        let mut tls = tls::begin(&own_id);
        let mut spaces: [Space; 3] = Default::default();
        spaces[0].keys = Some(packet::initial_keys(&to));
        tls.write_hs(&mut spaces[0].said);
        let mut rogue = Self {
            socket,
            tls,
            own_id,
            to: to.to_vec(),
            token: Vec::new(),
            spaces,
            manners,
            stage: Stage::Opening,
            begun: now,
            spoke_at: now,
            has_heard: false,
            stream_at: 0,
            newest: None,
            n_out: 0,
            bytes_out: 0,
            bytes_in: 0,
            buffer: vec![0; 2048],
        };
        rogue.say_handshake(0);
        Ok(rogue)
    }

    /// Whether the server has begun to keep something for us.
    #[must_use]
    pub fn has_heard(&self) -> bool {
        self.has_heard
    }

    /// Takes what has come, and answers as the manners say.
    pub fn work(&mut self, now: Instant) {
        loop {
            let mut buffer = std::mem::take(&mut self.buffer);
            let got = self.socket.recv(&mut buffer);
            if let Ok(n) = got {
                self.bytes_in += n as u64;
                if self.manners.finishes || !self.has_heard {
                    self.handle(&mut buffer[..n]);
                }
            }
            self.buffer = buffer;
            // An error says that a packet of ours was refused, or that there is nothing more.
            if got.is_err() {
                break;
            }
        }
        if self.stage == Stage::Closed || (self.has_heard && !self.manners.finishes) {
            return;
        }
        if self.stage != Stage::Playing && now.duration_since(self.begun) > PATIENCE {
            self.stage = Stage::Closed;
        } else if self.stage != Stage::Playing && now.duration_since(self.spoke_at) > AGAIN {
            self.spoke_at = now;
            self.say_again();
        }
        self.say_acks();
    }

    /// Sends a packet in play with these frames; `false` before there are keys, or when it was lost here.
    pub fn send_frames(&mut self, frames: &[u8]) -> bool {
        let Some(packet) = self.sealed(frames) else { return false };
        self.send(&packet)
    }

    /// A packet in play with these frames, not sent; nothing before there are keys.
    pub fn sealed(&mut self, frames: &[u8]) -> Option<Vec<u8>> {
        let space = &mut self.spaces[2];
        let keys = space.keys.as_ref()?;
        let header = [&[SHORT_HEADER][..], &self.to].concat();
        let mut payload = frames.to_vec();
        payload.resize(payload.len().max(NUMBER_BYTES), 0);
        let packet = packet::seal(&keys.local, &header, space.next_number, &payload);
        space.next_number += 1;
        Some(packet)
    }

    /// Sends bytes as they are; a full buffer loses them, as a network would.
    pub fn send(&mut self, packet: &[u8]) -> bool {
        let is_sent = self.socket.send(packet).is_ok();
        if is_sent {
            self.n_out += 1;
            self.bytes_out += packet.len() as u64;
        }
        is_sent
    }

    /// Bytes that look like a packet of this connection and are none.
    #[must_use]
    pub fn forged(&self, n_bytes: usize) -> Vec<u8> {
        let mut bytes = vec![SHORT_HEADER];
        bytes.extend_from_slice(&self.to);
        let mut noise = vec![0; n_bytes];
        // Without noise it is still no packet.
        let _ = getrandom::fill(&mut noise);
        bytes.extend(noise);
        bytes
    }

    /// Sends bytes on the record stream, where the last ones ended.
    pub fn send_stream(&mut self, bytes: &[u8]) -> bool {
        let frame = stream_frame(0, self.stream_at, bytes);
        self.stream_at += bytes.len() as u64;
        self.send_frames(&frame)
    }

    /// Sends one datagram.
    pub fn send_datagram(&mut self, bytes: &[u8]) -> bool {
        self.send_frames(&datagram_frame(bytes))
    }

    fn say_again(&mut self) {
        for level in 0..2 {
            self.say_handshake(level);
        }
        if self.stage == Stage::Greeting {
            self.stream_at = 0;
            self.say_hello();
        }
    }

    /// Everything of ours in this space, in one datagram.
    fn say_handshake(&mut self, level: usize) {
        let space = &mut self.spaces[level];
        let Some(keys) = space.keys.as_ref().filter(|_| !space.said.is_empty()) else { return };
        let mut payload = packet::crypto_frame(0, &space.said);
        let header = |n_bytes: usize| match level {
            0 => packet::initial_header(&self.to, &self.own_id, &self.token, n_bytes),
            _ => packet::handshake_header(&self.to, &self.own_id, n_bytes),
        };
        // Source: RFC 9000 section 14.1.
        let least = if level == 0 { FIRST_BYTES - header(0).len() - NUMBER_BYTES - TAG_BYTES } else { 4 };
        payload.resize(payload.len().max(least), 0);
        let packet = packet::seal(&keys.local, &header(payload.len()), space.next_number, &payload);
        space.next_number += 1;
        self.send(&packet);
    }

    fn say_hello(&mut self) {
        let record = hello_record();
        let bytes = [&(record.len() as u16).to_le_bytes()[..], &record].concat();
        self.send_stream(&bytes);
    }

    fn say_acks(&mut self) {
        for level in 0..3 {
            let space = &mut self.spaces[level];
            let is_due = std::mem::take(&mut space.is_ack_due) && self.manners.acks;
            let Some((from, to)) = space.run.filter(|_| is_due) else { continue };
            let mut frame = vec![2];
            for value in [to, 0, 0, to - from] {
                put_varint(&mut frame, value);
            }
            if level == 2 {
                self.send_frames(&frame);
                continue;
            }
            let Some(keys) = &space.keys else { continue };
            frame.resize(frame.len().max(NUMBER_BYTES), 0);
            let header = match level {
                0 => {
                    let header = packet::initial_header(&self.to, &self.own_id, &self.token, 0);
                    frame.resize(FIRST_BYTES - header.len() - NUMBER_BYTES - TAG_BYTES, 0);
                    packet::initial_header(&self.to, &self.own_id, &self.token, frame.len())
                }
                _ => packet::handshake_header(&self.to, &self.own_id, frame.len()),
            };
            let packet = packet::seal(&keys.local, &header, space.next_number, &frame);
            space.next_number += 1;
            self.send(&packet);
        }
    }

    fn handle(&mut self, mut datagram: &mut [u8]) {
        while !datagram.is_empty() && self.stage != Stage::Closed {
            let Some(n) = self.handle_packet(datagram) else { return };
            datagram = &mut datagram[n..];
        }
    }

    /// One packet at the front of a datagram; how long it was.
    fn handle_packet(&mut self, bytes: &mut [u8]) -> Option<usize> {
        let first = *bytes.first()?;
        if first & 0x80 == 0 {
            let n = bytes.len();
            self.take_in(2, bytes, 1 + CID_BYTES);
            return Some(n);
        }
        let mut rest = bytes.get(5..)?;
        let n_id = usize::from(*take(&mut rest, 1)?.first()?);
        take(&mut rest, n_id)?;
        let n_id = usize::from(*take(&mut rest, 1)?.first()?);
        let from = take(&mut rest, n_id)?.to_vec();
        let level = match (first >> 4) & 3 {
            0 => {
                let n_token = take_varint(&mut rest)?;
                take(&mut rest, n_token as usize)?;
                0
            }
            2 => 1,
            3 => {
                let token = rest.get(..rest.len().checked_sub(TAG_BYTES)?)?.to_vec();
                self.handle_retry(from, token);
                return None;
            }
            _ => return None,
        };
        let length = take_varint(&mut rest)? as usize;
        let number_at = bytes.len() - rest.len();
        let end = number_at.checked_add(length).filter(|end| *end <= bytes.len())?;
        if level == 0 && !self.has_heard {
            self.has_heard = true;
            self.to = from;
        }
        if self.manners.finishes {
            self.take_in(level, &mut bytes[..end], number_at);
        }
        Some(end)
    }

    /// The server wants to see that we are where we say. Source: RFC 9000 section 17.2.5.
    fn handle_retry(&mut self, from: Vec<u8>, token: Vec<u8>) {
        if !self.token.is_empty() || self.has_heard {
            return;
        }
        self.spaces[0].keys = Some(packet::initial_keys(&from));
        (self.to, self.token) = (from, token);
        self.say_handshake(0);
    }

    fn take_in(&mut self, level: usize, packet: &mut [u8], number_at: usize) {
        let space = &mut self.spaces[level];
        let Some(keys) = &space.keys else { return };
        let expected = space.run.map_or(0, |(_, to)| to + 1);
        let Ok((number, payload)) = packet::open(&keys.remote, packet, number_at, expected) else { return };
        space.run = Some(match space.run {
            Some((from, to)) if number == to + 1 => (from, number),
            Some(run) if number <= run.1 => run,
            _ => (number, number),
        });
        space.is_ack_due = true;
        self.handle_frames(level, &payload);
    }

    /// Reads frames as far as they are of interest. Source: RFC 9000 section 19.
    fn handle_frames(&mut self, level: usize, mut bytes: &[u8]) {
        while self.handle_frame(level, &mut bytes).is_some() {}
    }

    fn handle_frame(&mut self, level: usize, bytes: &mut &[u8]) -> Option<()> {
        let kind = take_varint(bytes)?;
        let mut skip = |n: usize| (0..n).try_for_each(|_| take_varint(bytes).map(drop));
        match kind {
            0x00 | 0x01 | 0x1e => {}
            0x02 | 0x03 => {
                skip(2)?;
                let n_ranges = take_varint(bytes)?;
                (0..=2 * n_ranges).try_for_each(|_| take_varint(bytes).map(drop))?;
            }
            0x06 => {
                let (offset, n) = (take_varint(bytes)?, take_varint(bytes)?);
                let piece = take(bytes, n as usize)?.to_vec();
                self.handle_crypto(level, offset, piece);
            }
            0x07 => {
                let n = take_varint(bytes)?;
                take(bytes, n as usize)?;
            }
            0x08..=0x0f => {
                skip(1 + usize::from(kind & 4 != 0))?;
                let n = if kind & 2 != 0 { take_varint(bytes)? as usize } else { bytes.len() };
                take(bytes, n)?;
            }
            0x10 | 0x12..=0x14 | 0x16 | 0x17 | 0x19 => skip(1)?,
            0x11 | 0x15 | 0x05 => skip(2)?,
            0x04 => skip(3)?,
            0x18 => {
                skip(2)?;
                let n = usize::from(*take(bytes, 1)?.first()?);
                take(bytes, n + 16)?;
            }
            0x1a | 0x1b => drop(take(bytes, 8)?),
            0x30 => self.handle_snapshot(std::mem::take(bytes)),
            0x31 => {
                let n = take_varint(bytes)? as usize;
                let snapshot = take(bytes, n)?;
                self.handle_snapshot(snapshot);
            }
            0x1c | 0x1d => self.stage = Stage::Closed,
            _ => return None,
        }
        Some(())
    }

    /// Number and tick open a snapshot: 16 bits, then twice 16 bits, lowest first.
    fn handle_snapshot(&mut self, bytes: &[u8]) {
        let Some(head) = bytes.first_chunk::<6>() else { return };
        let number = u16::from_le_bytes([head[0], head[1]]);
        self.newest = Some((number, u32::from_le_bytes([head[2], head[3], head[4], head[5]])));
        if self.stage == Stage::Greeting {
            self.stage = Stage::Playing;
        }
    }

    fn handle_crypto(&mut self, level: usize, offset: u64, piece: Vec<u8>) {
        let space = &mut self.spaces[level];
        if level == 2 || offset + (piece.len() as u64) <= space.taken {
            return;
        }
        space.early.insert(offset, piece);
        while let Some((offset, piece)) = space.early.pop_first() {
            if offset > space.taken {
                space.early.insert(offset, piece);
                break;
            }
            let known = (space.taken - offset) as usize;
            let Some(fresh) = piece.get(known..).filter(|fresh| !fresh.is_empty()) else { continue };
            space.taken += fresh.len() as u64;
            if self.tls.read_hs(fresh).is_err() {
                self.stage = Stage::Closed;
                return;
            }
        }
        self.go_on(level);
    }

    /// Says what the handshake wants to say, and takes the keys that it gives.
    fn go_on(&mut self, mut level: usize) {
        loop {
            let n_said = self.spaces[level].said.len();
            let mut said = std::mem::take(&mut self.spaces[level].said);
            let change = self.tls.write_hs(&mut said);
            self.spaces[level].said = said;
            if self.spaces[level].said.len() > n_said {
                self.say_handshake(level);
            }
            match change {
                Some(KeyChange::Handshake { keys }) => {
                    level = 1;
                    self.spaces[1].keys = Some(keys);
                }
                Some(KeyChange::OneRtt { keys, .. }) => {
                    self.spaces[2].keys = Some(keys);
                    self.stage = Stage::Greeting;
                    self.say_hello();
                    return;
                }
                None => return,
            }
        }
    }
}

/// Bytes on a stream as a frame.
#[must_use]
pub fn stream_frame(stream: u64, offset: u64, bytes: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x0e];
    for value in [stream, offset, bytes.len() as u64] {
        put_varint(&mut frame, value);
    }
    frame.extend_from_slice(bytes);
    frame
}

/// A datagram as a frame. Source: RFC 9221 section 4.
#[must_use]
pub fn datagram_frame(bytes: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x31];
    put_varint(&mut frame, bytes.len() as u64);
    frame.extend_from_slice(bytes);
    frame
}

/// The record with which everybody comes in.
#[must_use]
pub fn hello_record() -> Vec<u8> {
    let mut record = Vec::new();
    version::hello("attacker").encode(&mut record);
    record
}

/// A connection id that nobody has.
///
/// # Panics
/// If the kernel has no random bytes.
#[must_use]
pub fn random_id() -> [u8; CID_BYTES] {
    let mut id = [0; CID_BYTES];
    getrandom::fill(&mut id).expect("the kernel has random bytes once it has booted");
    id
}
