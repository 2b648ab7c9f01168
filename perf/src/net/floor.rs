//! The least that the same traffic can cost: one UDP socket, batches of 64, nothing on top.
//!
//! [`run`] is the measured process; [`RawCrowd`] has 64 sockets for all its clients, as the QUIC clients do.

use super::{Mark, Ready, Shape};
use crate::lines::{orders, say};
use crate::load::{Load, ROUND};
use crate::machine::{Use, rss_kib};
use anyhow::Context;
use std::net::SocketAddr;
use std::sync::mpsc::TryRecvError;
use std::time::{Duration, Instant};
use transport::raw::RawSocket;

/// Sockets of the clients, of QUIC connections and of the floor alike.
pub(crate) const CLIENT_SOCKETS: usize = 64;

/// Sends and receives until the parent goes. The first order lists the clients' ports, `go` begins, and any other
/// asks for a mark.
///
/// # Errors
/// When the socket cannot be had.
pub(crate) fn run(shape: &Shape) -> anyhow::Result<()> {
    let mut socket = RawSocket::bind(here()).context("cannot open a UDP socket")?;
    say(&Ready { addr: socket.local_addr()? })?;
    let (orders, payload) = (orders(), vec![0x5a; usize::from(shape.payload_bytes)]);
    let ports: Vec<u16> = serde_json::from_str(&orders.recv().context("the parent has gone")?)?;
    let clients: Vec<SocketAddr> = ports.iter().map(|port| ([127, 0, 0, 1], *port).into()).collect();
    let period = Duration::from_secs(1) / shape.hz;
    let (mut mark, mut deadline) = (Mark::default(), Instant::now());
    loop {
        match orders.try_recv() {
            Ok(_) => say(&Mark { used: used()?, rss_kib: rss_kib(std::process::id())?, ..mark })?,
            Err(TryRecvError::Disconnected) => return Ok(()),
            Err(TryRecvError::Empty) => {}
        }
        mark.n_ticks += 1;
        let n_out: u64 = (0..shape.n_clients as usize)
            .map(|client| socket.push(clients[client % clients.len()], &payload))
            .sum();
        mark.n_out += n_out + socket.flush();
        deadline = (deadline + period).max(Instant::now());
        loop {
            mark.n_in += socket.drain(|_| ());
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            std::thread::sleep(left.min(ROUND));
        }
    }
}

fn used() -> anyhow::Result<Use> {
    Ok(Use { cpu_ns: jobs::sys::process_cpu_ns(), ..Use::of(std::process::id())? })
}

/// Any port of this machine.
pub(crate) fn here() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

/// The clients of the floor.
pub(crate) struct RawCrowd {
    sockets: Vec<RawSocket>,
    server: SocketAddr,
    input: Vec<u8>,
    /// Payloads that arrived.
    pub(crate) n_received: u64,
}

impl RawCrowd {
    /// Opens the sockets.
    ///
    /// # Errors
    /// As the system says.
    pub(crate) fn new(server: SocketAddr, shape: &Shape) -> anyhow::Result<Self> {
        let n_sockets = CLIENT_SOCKETS.min(shape.n_clients as usize);
        let sockets: Result<Vec<_>, _> = (0..n_sockets).map(|_| RawSocket::bind(here())).collect();
        Ok(Self {
            sockets: sockets.context("cannot open the clients' UDP sockets")?,
            server,
            input: vec![0xa5; usize::from(shape.input_bytes)],
            n_received: 0,
        })
    }

    /// Where the server shall send.
    ///
    /// # Errors
    /// As the system says.
    pub(crate) fn ports(&self) -> anyhow::Result<Vec<u16>> {
        self.sockets.iter().map(|socket| Ok(socket.local_addr()?.port())).collect()
    }
}

impl Load for RawCrowd {
    fn send(&mut self, client: usize, _due: Instant) {
        let at = client % self.sockets.len();
        self.sockets[at].push(self.server, &self.input);
    }

    fn flush(&mut self) {
        for socket in &mut self.sockets {
            socket.flush();
        }
    }

    fn take(&mut self, until: Instant) -> anyhow::Result<()> {
        std::thread::sleep(until.saturating_duration_since(Instant::now()));
        self.n_received += self.sockets.iter_mut().map(|socket| socket.drain(|_| ())).sum::<u64>();
        Ok(())
    }
}
