//! A UDP socket with nothing on top: the same batches as [`crate::Server`], no TLS, no connections.
//!
//! It is the floor that measurements compare the transport with, and has no place in a game. [`pair`] is the same for
//! handshakes.
pub mod pair;

use crate::mmsg::{BATCH, ReceiveBatch, SendBatch};
use crate::socket;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;

/// Wanted size of the receive buffer, as a server has it.
const RECEIVE_BUFFER_BYTES: usize = 4 << 20;

/// See the module.
pub struct RawSocket {
    udp: UdpSocket,
    out: SendBatch,
    incoming: ReceiveBatch,
}

impl RawSocket {
    /// Opens a non-blocking socket with the buffers of a server.
    ///
    /// # Errors
    /// As the system says.
    pub fn bind(addr: SocketAddr) -> io::Result<Self> {
        let (udp, _) = socket::open_udp(addr, RECEIVE_BUFFER_BYTES)?;
        Ok(Self { udp, out: SendBatch::new(), incoming: ReceiveBatch::new() })
    }

    /// Where it is bound.
    ///
    /// # Errors
    /// As the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.udp.local_addr()
    }

    /// Adds a datagram to the batch; a full batch of 64 is sent. Returns how many the kernel took.
    pub fn push(&mut self, to: SocketAddr, bytes: &[u8]) -> u64 {
        self.push_from(None, to, bytes)
    }

    /// The same from another address of this machine than the socket would choose.
    pub fn push_from(&mut self, from: Option<IpAddr>, to: SocketAddr, bytes: &[u8]) -> u64 {
        self.out.slot().extend_from_slice(bytes);
        self.out.commit(to, from, false);
        if self.out.is_full() { self.flush() } else { 0 }
    }

    /// Sends what is in the batch. Returns how many datagrams the kernel took; the others are lost.
    pub fn flush(&mut self) -> u64 {
        self.out.send(self.udp.as_fd(), |_| ()).datagrams
    }

    /// Sends the same bytes to everybody from whom something has come; returns how many that were.
    pub fn answer(&mut self, reply: &[u8]) -> u64 {
        let mut n_taken = 0;
        while let Ok(n) = self.incoming.receive(self.udp.as_fd()) {
            for from in self.incoming.iter().filter_map(|datagram| datagram.from) {
                self.out.slot().extend_from_slice(reply);
                self.out.commit(from, None, false);
            }
            // Never more than a batch: that much was received.
            self.out.send(self.udp.as_fd(), |_| ());
            n_taken += n as u64;
            if n < BATCH {
                break;
            }
        }
        n_taken
    }

    /// Takes everything the socket has, and returns how many datagrams that were.
    pub fn drain(&mut self, mut take: impl FnMut(&[u8])) -> u64 {
        let mut n_taken = 0;
        while let Ok(n) = self.incoming.receive(self.udp.as_fd()) {
            self.incoming.iter().for_each(|datagram| take(datagram.bytes));
            n_taken += n as u64;
            if n < BATCH {
                break;
            }
        }
        n_taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn what_is_pushed_beyond_a_batch_arrives_with_its_bytes() {
        let here: SocketAddr = ([127, 0, 0, 1], 0).into();
        let (mut source, mut target) = (RawSocket::bind(here).unwrap(), RawSocket::bind(here).unwrap());
        let to = target.local_addr().unwrap();
        let n_sent: u64 = (0..70u8).map(|n| source.push(to, &[n; 40])).sum::<u64>() + source.flush();
        assert_eq!(n_sent, 70);
        let (mut firsts, until) = (Vec::new(), Instant::now() + Duration::from_secs(5));
        while firsts.len() < 70 && Instant::now() < until {
            target.drain(|bytes| firsts.push((bytes[0], bytes.len())));
        }
        assert_eq!(firsts, (0..70).map(|n| (n, 40)).collect::<Vec<_>>());
    }
}
