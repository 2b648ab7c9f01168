//! A WebSocket client that keeps no rule: it upgrades as everybody does, and then sends whatever bytes it is told to.

use crate::quic::{Stage, hello_record};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Who is not in play after this has failed.
const PATIENCE: Duration = Duration::from_secs(5);
/// Opcodes, with the bit that says that the message ends here. Source: RFC 6455 section 5.2.
pub const BINARY: u8 = 0x82;
/// See there.
pub const PING: u8 = 0x89;
/// First byte of a message. Source: docs/PROTOCOL.md "Framing".
const KIND_DATAGRAM: u8 = 0;
/// See there.
const KIND_RECORD: u8 = 1;
/// Who does not read has little room for what comes, so that TCP is full soon.
const SMALL_BUFFER: usize = 4096;

/// See the module.
pub struct Rogue {
    stream: TcpStream,
    /// Whether what comes is read once it plays.
    reads: bool,
    /// Its stage.
    pub stage: Stage,
    begun: Instant,
    got: Vec<u8>,
    /// Number and tick of the newest snapshot.
    pub newest: Option<(u16, u32)>,
    /// Writes and their bytes, out and in.
    pub n_out: u64,
    /// See there.
    pub bytes_out: u64,
    /// See there.
    pub bytes_in: u64,
}

/// The request that opens a WebSocket.
#[must_use]
pub fn request() -> String {
    format!(
        "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: arcane.{}\r\n\r\n",
        netproto::WIRE_MAJOR
    )
}

/// A connection without a word.
///
/// # Errors
/// When there is none.
pub fn connect(server: SocketAddr, reads: bool) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(server), Type::STREAM, Some(Protocol::TCP))?;
    if !reads {
        socket.set_recv_buffer_size(SMALL_BUFFER)?;
    }
    // A server whose queue is full must not hold the attacker up.
    socket.connect_timeout(&server.into(), Duration::from_millis(100))?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    // Thousands of attackers must not use up the ports of the machine.
    socket.set_linger(Some(Duration::ZERO))?;
    Ok(socket.into())
}

impl Rogue {
    /// Begins to connect. Who does not read reads no more once snapshots come.
    ///
    /// # Errors
    /// When there is no connection.
    pub fn dial(server: SocketAddr, reads: bool, now: Instant) -> io::Result<Self> {
        let stream = connect(server, reads)?;
        let mut rogue = Self {
            stream,
            reads,
            stage: Stage::Opening,
            begun: now,
            got: Vec::new(),
            newest: None,
            n_out: 0,
            bytes_out: 0,
            bytes_in: 0,
        };
        rogue.send(request().as_bytes());
        Ok(rogue)
    }

    /// Takes what has come.
    pub fn work(&mut self, now: Instant) {
        if self.stage == Stage::Closed || (self.stage == Stage::Playing && !self.reads) {
            return;
        }
        let mut buffer = [0; 8192];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => self.stage = Stage::Closed,
                Ok(n) => {
                    self.bytes_in += n as u64;
                    self.got.extend_from_slice(&buffer[..n]);
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => self.stage = Stage::Closed,
            }
            break;
        }
        if self.stage == Stage::Opening {
            self.handle_answer();
        }
        while matches!(self.stage, Stage::Greeting | Stage::Playing) && self.handle_frame().is_some() {}
        if self.stage != Stage::Playing && now.duration_since(self.begun) > PATIENCE {
            self.stage = Stage::Closed;
        }
    }

    fn handle_answer(&mut self) {
        let Some(end) = self.got.windows(4).position(|four| four == b"\r\n\r\n") else { return };
        if !self.got.starts_with(b"HTTP/1.1 101") {
            self.stage = Stage::Closed;
            return;
        }
        self.got.drain(..end + 4);
        self.stage = Stage::Greeting;
        self.send_message(KIND_RECORD, &hello_record());
    }

    /// A whole frame at the front of what came; servers do not mask.
    fn handle_frame(&mut self) -> Option<()> {
        let (first, short) = (*self.got.first()?, *self.got.get(1)?);
        let (start, n) = match short {
            126 => (4, usize::from(u16::from_be_bytes([*self.got.get(2)?, *self.got.get(3)?]))),
            127 => {
                let wide = self.got.get(2..10)?.first_chunk::<8>()?;
                (10, u64::from_be_bytes(*wide) as usize)
            }
            n => (2, usize::from(n)),
        };
        let payload = self.got.get(start..start + n)?;
        match first {
            0x88 => self.stage = Stage::Closed,
            BINARY if payload.first() == Some(&KIND_DATAGRAM) => {
                if let Some(head) = payload.get(1..7) {
                    let number = u16::from_le_bytes([head[0], head[1]]);
                    self.newest = Some((number, u32::from_le_bytes([head[2], head[3], head[4], head[5]])));
                    self.stage = Stage::Playing;
                }
            }
            _ => {}
        }
        self.got.drain(..start + n);
        Some(())
    }

    /// Sends one datagram.
    pub fn send_datagram(&mut self, bytes: &[u8]) -> bool {
        self.send_message(KIND_DATAGRAM, bytes)
    }

    fn send_message(&mut self, kind: u8, bytes: &[u8]) -> bool {
        self.send(&frame(BINARY, &[&[kind], bytes].concat()))
    }

    /// Sends bytes as they are; what TCP does not take at once is lost.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        match self.stream.write(bytes) {
            Ok(n) => {
                self.n_out += 1;
                self.bytes_out += n as u64;
                n == bytes.len()
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
            Err(_) => {
                self.stage = Stage::Closed;
                false
            }
        }
    }
}

/// A frame masked with zeros.
#[must_use]
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        n @ 0..126 => frame.push(0x80 | n as u8),
        n @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend((n as u16).to_be_bytes());
        }
        n => {
            frame.push(0x80 | 127);
            frame.extend((n as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend_from_slice(payload);
    frame
}
