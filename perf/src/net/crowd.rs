//! The clients of the transport: they connect, send inputs of nothing, and count what comes.

use super::Shape;
use super::floor::CLIENT_SOCKETS;
use crate::Failure;
use crate::load::{Load, ROUND};
use crate::machine::Stop;
use anyhow::Context;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use transport::client::{ClientEvent, Clients, ConnId, Target};

/// Handshakes under way at once: below the number from which a server asks strangers for a second round trip.
const OPENING_MAX: usize = 48;
/// Everybody must be in within this.
const PATIENCE: Duration = Duration::from_secs(30);

/// See the module.
pub(crate) struct Crowd {
    clients: Clients,
    conns: Vec<ConnId>,
    input: Vec<u8>,
    n_connected: usize,
    /// Frames that arrived.
    pub(crate) n_received: u64,
}

impl Crowd {
    /// Connects everybody, and says hello for each.
    ///
    /// # Errors
    /// When somebody does not get in.
    pub(crate) fn connect(server: SocketAddr, shape: &Shape, stop: &Stop) -> anyhow::Result<Self> {
        let clients = Clients::new(CLIENT_SOCKETS).context("cannot open an event queue")?;
        let input = vec![0xa5; usize::from(shape.input_bytes)];
        let mut crowd = Self { clients, conns: Vec::new(), input, n_connected: 0, n_received: 0 };
        let (n_clients, until) = (shape.n_clients as usize, Instant::now() + PATIENCE);
        while crowd.n_connected < n_clients {
            let now = Instant::now();
            while crowd.conns.len() < n_clients && crowd.conns.len() - crowd.n_connected < OPENING_MAX {
                let link = shape.transport.link(crowd.conns.len());
                let target = Target { addr: server, link, pin: None, wire_major: netproto::WIRE_MAJOR };
                crowd.conns.push(crowd.clients.connect(now, &target)?);
            }
            crowd.take(now + ROUND)?;
            crowd.flush();
            stop.check()?;
            if now > until {
                let text = format!("only {} of {n_clients} clients got in", crowd.n_connected);
                return Err(Failure::Check(text).into());
            }
        }
        Ok(crowd)
    }
}

impl Crowd {
    /// Packets of the clients that carried neither input nor hello, since the start.
    pub(crate) fn n_standalone_acks(&self) -> u64 {
        self.clients.counters().standalone_acks
    }
}

impl Load for Crowd {
    fn send(&mut self, client: usize, _due: Instant) {
        self.clients.send_datagram(self.conns[client], &self.input);
    }

    fn flush(&mut self) {
        self.clients.flush(Instant::now());
    }

    fn take(&mut self, until: Instant) -> anyhow::Result<()> {
        loop {
            self.clients.wait(until);
            while let Some(event) = self.clients.poll_event() {
                match event {
                    ClientEvent::Datagram { .. } => self.n_received += 1,
                    ClientEvent::Connected { conn } => {
                        self.n_connected += 1;
                        self.clients.send_record(conn, b"hello");
                    }
                    ClientEvent::Record { .. } => {}
                    ClientEvent::Closed { reason, .. } => {
                        return Err(Failure::Check(format!("a client lost its connection: {reason}")).into());
                    }
                }
            }
            if Instant::now() >= until {
                return Ok(());
            }
        }
    }
}
