//! Somebody who sees packets pass, and sends copies of them from an address of its own, ahead of the true ones.

use crate::relay::back_socket;
use std::io;
use std::net::{SocketAddr, UdpSocket};

/// What a thief of packets has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loot {
    /// Datagrams sent to the server from the thief's address.
    pub sent: u64,
    /// Datagrams that the server sent there.
    pub received: u64,
    /// Bytes in them.
    pub received_bytes: u64,
}

/// Steals while it is told to.
pub(crate) struct Thief {
    socket: UdpSocket,
    every: u64,
    n_seen: u64,
    pub(crate) loot: Loot,
}

impl Thief {
    /// One with an address for this server, who only watches for now.
    pub(crate) fn new(server: SocketAddr) -> io::Result<Self> {
        Ok(Self { socket: back_socket(server.ip(), server)?, every: 0, n_seen: 0, loot: Loot::default() })
    }

    /// Copies one in so many datagrams from now on; 0: none.
    pub(crate) fn steal_every(&mut self, n: u64) {
        self.every = n;
    }

    /// A client's datagram passes on its way to the server.
    pub(crate) fn handle_datagram(&mut self, bytes: &[u8]) {
        self.n_seen += 1;
        if self.every != 0 && self.n_seen.is_multiple_of(self.every) && self.socket.send(bytes).is_ok() {
            self.loot.sent += 1;
        }
    }

    /// Takes what the server has sent back.
    pub(crate) fn receive(&mut self, buffer: &mut [u8]) {
        while let Ok(n) = self.socket.recv(buffer) {
            self.loot.received += 1;
            self.loot.received_bytes += n as u64;
        }
    }
}
