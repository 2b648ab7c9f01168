//! Those who are let in, and then misbehave. Who is thrown out comes back as long as the attack lasts.

use super::Attack;
use crate::quic::{self, Manners, Stage, datagram_frame, stream_frame};
use crate::run::Tally;
use crate::websocket::{self, BINARY, PING};
use netproto::bits::GUARD_BYTES;
use netproto::input::InputPacket;
use netproto::{Acks, INPUT_BYTES_MAX};
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use transport::Link;

/// A place whose connection has ended is taken again after this.
const REDIAL: Duration = Duration::from_millis(250);
/// A snapshot a tick comes; a command for one this far ahead is in time.
const AHEAD_TICKS: u32 = 3;
/// Packets that are kept to be said again.
const KEPT: usize = 16;

/// What members do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// WebSocket frames that are too long, in pieces, or of a wrong kind.
    Frames,
    /// Pings.
    Pings,
    /// Streams beyond the limits, data beyond the windows and in crumbs, resets, ids, challenges.
    Streams,
    /// Datagrams, good ones and too long ones.
    Datagrams,
    /// Bytes that mean nothing.
    Garbage,
    /// What was said already, again and in another order.
    Replays,
    /// Nothing bad, but what comes is never read or acknowledged.
    Deafness,
}

impl Deed {
    /// The link of a member.
    fn link(self, at: usize) -> Link {
        match self {
            Self::Frames => Link::WebSocket,
            Self::Streams => Link::Quic,
            _ if at.is_multiple_of(2) => Link::Quic,
            _ => Link::WebSocket,
        }
    }
}

enum Wire {
    Quic(Box<quic::Rogue>),
    WebSocket(Box<websocket::Rogue>),
}

impl Wire {
    fn dial(server: SocketAddr, deed: Deed, link: Link, now: Instant) -> io::Result<Self> {
        let hears = deed != Deed::Deafness;
        Ok(match link {
            Link::Quic => {
                let manners = Manners { acks: hears, finishes: true };
                Self::Quic(Box::new(quic::Rogue::dial(server, manners, now)?))
            }
            Link::WebSocket => Self::WebSocket(Box::new(websocket::Rogue::dial(server, hears, now)?)),
        })
    }

    fn work(&mut self, now: Instant) {
        match self {
            Self::Quic(rogue) => rogue.work(now),
            Self::WebSocket(rogue) => rogue.work(now),
        }
    }

    fn stage(&self) -> Stage {
        match self {
            Self::Quic(rogue) => rogue.stage,
            Self::WebSocket(rogue) => rogue.stage,
        }
    }

    fn newest(&self) -> (u16, u32) {
        match self {
            Self::Quic(rogue) => rogue.newest,
            Self::WebSocket(rogue) => rogue.newest,
        }
        .unwrap_or_default()
    }

    fn add_to(&self, tally: &mut Tally) {
        let (n_out, bytes_out, bytes_in) = match self {
            Self::Quic(rogue) => (rogue.n_out, rogue.bytes_out, rogue.bytes_in),
            Self::WebSocket(rogue) => (rogue.n_out, rogue.bytes_out, rogue.bytes_in),
        };
        tally.n_out += n_out;
        tally.bytes_out += bytes_out;
        tally.bytes_in += bytes_in;
    }

    fn send_datagram(&mut self, bytes: &[u8]) -> bool {
        match self {
            Self::Quic(rogue) => rogue.send_datagram(bytes),
            Self::WebSocket(rogue) => rogue.send_datagram(bytes),
        }
    }
}

struct Member {
    wire: Option<Wire>,
    ended_at: Instant,
    /// What it has done on this connection.
    n_done: u64,
    has_played: bool,
    /// When it came into play, and how many ticks it has guessed since.
    played_at: Instant,
    kept: Vec<Vec<u8>>,
}

/// Members of one kind.
pub struct Crew {
    server: SocketAddr,
    deed: Deed,
    members: Vec<Member>,
    next: usize,
    tally: Tally,
}

impl Crew {
    /// So many; they connect as the attack goes on.
    #[must_use]
    pub fn new(server: SocketAddr, deed: Deed, n: usize, now: Instant) -> Self {
        let long_ago = now.checked_sub(REDIAL).unwrap_or(now);
        let member = || Member {
            wire: None,
            ended_at: long_ago,
            n_done: 0,
            has_played: false,
            played_at: now,
            kept: Vec::new(),
        };
        let members = (0..n).map(|_| member()).collect();
        Self { server, deed, members, next: 0, tally: Tally::default() }
    }

    /// Connects who is not, and lets everybody hear.
    fn tend(&mut self, now: Instant) -> io::Result<()> {
        let mut n_open = 0;
        for (at, member) in self.members.iter_mut().enumerate() {
            if let Some(wire) = &mut member.wire {
                wire.work(now);
                if wire.stage() == Stage::Playing && !std::mem::replace(&mut member.has_played, true) {
                    self.tally.n_played += 1;
                    member.played_at = now;
                }
                n_open += u64::from(wire.stage() == Stage::Playing);
                if wire.stage() == Stage::Closed {
                    wire.add_to(&mut self.tally);
                    self.tally.n_closed += 1;
                    (member.wire, member.ended_at) = (None, now);
                }
            } else if now.duration_since(member.ended_at) >= REDIAL {
                self.tally.n_dialled += 1;
                // Turned away is as good as thrown out.
                member.wire = Wire::dial(self.server, self.deed, self.deed.link(at), now).ok();
                (member.ended_at, member.n_done, member.has_played) = (now, 0, false);
                member.kept.clear();
            }
        }
        self.tally.n_open = n_open;
        Ok(())
    }
}

impl Attack for Crew {
    fn act(&mut self, now: Instant, n: u64) -> io::Result<()> {
        self.tend(now)?;
        for _ in 0..n {
            self.next = (self.next + 1) % self.members.len();
            let (at, member) = (self.next, &mut self.members[self.next]);
            let Some(wire) = member.wire.as_mut().filter(|wire| wire.stage() == Stage::Playing) else {
                continue;
            };
            self.tally.n_deeds += 1;
            member.n_done += 1;
            let turn = (at, member.n_done);
            match self.deed {
                Deed::Frames => bad_frame(wire, turn),
                Deed::Pings => ping(wire),
                Deed::Streams => bad_stream(wire, turn),
                Deed::Datagrams => flood(wire, turn),
                Deed::Garbage => garbage(wire, turn),
                Deed::Replays => replay(wire, turn, &mut member.kept),
                Deed::Deafness => {
                    let since = now.duration_since(member.played_at).as_millis() as u32 / 50;
                    let (number, tick) = wire.newest();
                    wire.send_datagram(&input(number, tick.wrapping_add(since + AHEAD_TICKS)));
                }
            }
        }
        Ok(())
    }

    fn tally(&self) -> Tally {
        let mut tally = self.tally;
        self.members
            .iter()
            .filter_map(|member| member.wire.as_ref())
            .for_each(|wire| wire.add_to(&mut tally));
        tally
    }
}

/// A good input.
fn input(number: u16, tick: u32) -> Vec<u8> {
    let acks = Acks { seen: true, newest: number.into(), before: 0 };
    let packet = InputPacket { acks, tick, n_commands: 1, ..InputPacket::default() };
    packet.encode(&mut [0; INPUT_BYTES_MAX + GUARD_BYTES]).to_vec()
}

fn bad_frame(wire: &mut Wire, (at, n): (usize, u64)) {
    let Wire::WebSocket(rogue) = wire else { return };
    let bytes: &[u8] = match (at as u64 + n) % 5 {
        // A binary message of more bytes than there are anywhere.
        0 => &[BINARY, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        // The first piece of a message, and one in the middle.
        1 => &[0x02, 0x82, 0, 0, 0, 0, 0, 1],
        2 => &[0x00, 0x82, 0, 0, 0, 0, 0, 1],
        // A ping of more bytes than a ping may have, and one byte more than a message may have.
        3 => &[PING, 0xfe, 0x00, 0x7e, 0, 0, 0, 0],
        _ => &[BINARY, 0xfe, 0x10, 0x01, 0, 0, 0, 0],
    };
    rogue.send(bytes);
    // As much of it as TCP takes.
    rogue.send(&[0; 16 * 1024]);
}

fn ping(wire: &mut Wire) {
    match wire {
        Wire::Quic(rogue) => rogue.send_frames(&[1]),
        Wire::WebSocket(rogue) => rogue.send(&websocket::frame(PING, &[7; 125])),
    };
}

fn bad_stream(wire: &mut Wire, (at, n): (usize, u64)) {
    let Wire::Quic(rogue) = wire else { return };
    // Every other member stays within what is allowed for a while, and then sends this.
    let frames = match (at % 8, n) {
        // Crumbs with gaps: each is kept until the gap is filled, which never happens. 16 KiB are open.
        (0, 1..4_000) => stream_frame(0, 4_000 + 2 * n, &[1]),
        // New ids that end the old ones.
        (1, 1..400) => new_id(n, n),
        // Questions that want an answer.
        (2, 1..2_000) => [&[0x1a][..], &n.to_be_bytes()].concat(),
        // Bytes of a handshake that is over, with gaps.
        (3, 1..2_000) => quic::packet::crypto_frame(100 + 2 * n, &[1]),
        // A stream more than are allowed, and very many more.
        (4, _) => stream_frame(4, 0, b"x"),
        (5, _) => stream_frame(4 * (1 << 40), 0, b"x"),
        // A byte far behind the window.
        (6, _) => stream_frame(0, 1 << 40, b"x"),
        // The end of the record stream, and the wish to hear no more of it.
        (_, n) if n.is_multiple_of(2) => vec![0x05, 0, 0],
        _ => vec![0x04, 0, 0, 0],
    };
    rogue.send_frames(&frames);
}

/// Source: RFC 9000 section 19.15.
fn new_id(sequence: u64, retire_before: u64) -> Vec<u8> {
    let mut frame = vec![0x18];
    quic::packet::put_varint(&mut frame, sequence);
    quic::packet::put_varint(&mut frame, retire_before);
    frame.push(8);
    frame.extend(quic::random_id());
    frame.extend([sequence as u8; 16]);
    frame
}

fn flood(wire: &mut Wire, (at, n): (usize, u64)) {
    let (number, tick) = wire.newest();
    match (wire, n % 4) {
        // As many as a packet holds.
        (Wire::Quic(rogue), 0) => {
            let one = datagram_frame(&input(number, tick.wrapping_add(AHEAD_TICKS)));
            let n_fit = 1100 / one.len();
            rogue.send_frames(&one.repeat(n_fit))
        }
        (wire, 1) if at.is_multiple_of(3) => wire.send_datagram(&[9; 1000]),
        (wire, _) => wire.send_datagram(&input(number, tick.wrapping_add(AHEAD_TICKS))),
    };
}

fn garbage(wire: &mut Wire, (at, n): (usize, u64)) {
    let noise = quic::random_id();
    match (wire, (at as u64 / 2 + n) % 4) {
        // Not even a packet.
        (Wire::Quic(rogue), 0 | 1) => {
            let forged = rogue.forged(40 + n as usize % 1100);
            rogue.send(&forged)
        }
        // A packet, but no frames in it; once in a while, or nobody would ever stay.
        (Wire::Quic(rogue), 2) if n > 200 => rogue.send_frames(&[&[0x21][..], &noise].concat()),
        (Wire::Quic(rogue), _) => rogue.send_datagram(&noise),
        (Wire::WebSocket(rogue), 3) if n > 200 => rogue.send(&noise),
        (Wire::WebSocket(rogue), _) => rogue.send_datagram(&noise),
    };
}

fn replay(wire: &mut Wire, (_, n): (usize, u64), kept: &mut Vec<Vec<u8>>) {
    let (number, tick) = wire.newest();
    // Ticks that were, are and will be, in no order.
    let tick = tick.wrapping_add(AHEAD_TICKS).wrapping_sub((n * 7 % 11) as u32);
    let fresh = input(number, tick);
    match wire {
        Wire::Quic(rogue) => {
            let Some(packet) = rogue.sealed(&datagram_frame(&fresh)) else { return };
            // Backwards, and the oldest of those that were said before once more.
            kept.insert(0, packet);
            if n.is_multiple_of(4) {
                for packet in kept.iter().take(4).chain(kept.iter().rev().take(4)) {
                    rogue.send(packet);
                }
            }
        }
        Wire::WebSocket(rogue) => {
            kept.insert(0, fresh);
            for input in kept.iter().rev().take(2) {
                rogue.send_datagram(input);
            }
        }
    }
    kept.truncate(KEPT);
}
