//! What a server sends to an address that has proved nothing, for each way to ask it.
//!
//! The rule is three times what came from there. Source: RFC 9000 section 8.1.

use crate::quic::packet::{CID_BYTES, FIRST_BYTES, first_packet};
use crate::quic::{random_id, tls};
use serde::{Deserialize, Serialize};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// A version that nobody speaks.
const NO_VERSION: [u8; 4] = [0x0a, 0x0a, 0x0a, 0x0a];

/// A way to be answered without having proved anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Question {
    /// A first packet, and then silence: the server repeats itself.
    Silence,
    /// A first packet with a token that nobody gave.
    Token,
    /// A version that nobody speaks, in a long and in a short packet.
    Version,
    /// See there.
    ShortVersion,
    /// A packet in play for a connection that is not there.
    Stray,
    /// A first packet that is too short.
    ShortFirst,
}

impl Question {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Silence, Self::Token, Self::Version, Self::ShortVersion, Self::Stray, Self::ShortFirst];

    /// The packet.
    fn packet(self) -> Vec<u8> {
        let (to, from) = (random_id(), random_id());
        let first = || first_packet(&to, &from, &tls::hello(&from));
        let long = |version: [u8; 4], n_bytes: usize| {
            let mut packet = vec![0xc3];
            packet.extend(version);
            packet.push(CID_BYTES as u8);
            packet.extend(to);
            packet.push(CID_BYTES as u8);
            packet.extend(from);
            packet.resize(n_bytes, 0);
            packet
        };
        match self {
            Self::Silence => first(),
            Self::Token => {
                let mut packet = long([0, 0, 0, 1], 23);
                packet.push(60);
                packet.extend([0x5a; 60]);
                packet.extend([0x44, 0x40]);
                packet.resize(FIRST_BYTES, 0x11);
                packet
            }
            Self::Version => long(NO_VERSION, FIRST_BYTES),
            Self::ShortVersion => long(NO_VERSION, 30),
            Self::Stray => [&[0x43][..], &to, &[0x77; 60]].concat(),
            Self::ShortFirst => first()[..600].to_vec(),
        }
    }
}

/// What one address sent and got.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Weighed {
    /// How it asked.
    pub question: Question,
    /// Bytes to the server.
    pub bytes_out: u64,
    /// Bytes from it.
    pub bytes_in: u64,
    /// How often it answered.
    pub n_in: u64,
}

impl Weighed {
    /// Bytes that came for each that went.
    #[must_use]
    pub fn factor(&self) -> f64 {
        self.bytes_in as f64 / self.bytes_out.max(1) as f64
    }
}

/// Asks in every way, each from an address of its own, and listens for so long. Longer than a handshake may take shows
/// all that a server repeats.
///
/// # Errors
/// When there are no sockets.
pub fn weigh(server: SocketAddr, listen: Duration) -> io::Result<Vec<Weighed>> {
    let mut asked = Vec::new();
    for (at, question) in Question::ALL.into_iter().enumerate() {
        let socket = UdpSocket::bind((Ipv4Addr::new(127, 9, 9, 1 + at as u8), 0))?;
        socket.set_nonblocking(true)?;
        let packet = question.packet();
        socket.send_to(&packet, server)?;
        asked.push((socket, Weighed { question, bytes_out: packet.len() as u64, bytes_in: 0, n_in: 0 }));
    }
    let until = Instant::now() + listen;
    while Instant::now() < until {
        for (socket, weighed) in &mut asked {
            while let Ok((n, _)) = socket.recv_from(&mut [0; 2048]) {
                weighed.bytes_in += n as u64;
                weighed.n_in += 1;
            }
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(asked.into_iter().map(|(_, weighed)| weighed).collect())
}
