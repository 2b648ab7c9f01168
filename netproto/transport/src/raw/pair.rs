//! Two ends of quinn-proto in memory, with the settings of a server and its clients and nothing of ours around them.
//!
//! What the server half does from the first packet to a whole hello is the least that a handshake can cost.
use crate::budget::RecordReader;
use crate::cert::Identity;
use crate::client::pin::PinVerifier;
use crate::limits::Limits;
use crate::settings;
use bytes::BytesMut;
use quinn_proto::{
    ClientConfig, Connection, ConnectionHandle, DatagramEvent, Dir, Endpoint, EndpointConfig, Event, Side,
    StreamEvent, StreamId,
};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

/// What each client says first, with its length in front.
const HELLO: &[u8] = b"\x05\x00hello";

/// See the module.
pub struct Pair {
    server: Half,
    client: Half,
    config: ClientConfig,
    /// Hellos that the server has read.
    n_hellos: usize,
}

/// One end: an endpoint and its connections, none of which is ever dropped.
struct Half {
    endpoint: Endpoint,
    conns: HashMap<ConnectionHandle, (Connection, RecordReader)>,
    /// Packets for this end.
    inbox: Vec<BytesMut>,
    /// Where they come from.
    other: SocketAddr,
    buffer: Vec<u8>,
}

impl Pair {
    /// Two ends that do not know each other yet; key and certificate are made in the directory.
    ///
    /// # Errors
    /// When key or certificate cannot be had.
    pub fn new(data_dir: &Path, wire_major: u16, limits: &Limits) -> io::Result<Self> {
        let identity = Identity::open(data_dir, SystemTime::now()).map_err(io::Error::other)?;
        let quic = settings::server(&identity, wire_major, limits).map_err(io::Error::other)?;
        let endpoint = Arc::new(settings::server_endpoint(&identity));
        let verifier = PinVerifier { pin: Some(identity.spki_pin()), provider: settings::provider() };
        let config = settings::client(Arc::new(verifier), wire_major).map_err(io::Error::other)?;
        let (here, there) = (([127, 0, 0, 1], 1).into(), ([127, 0, 0, 1], 2).into());
        Ok(Self {
            server: Half::new(Endpoint::new(endpoint, Some(quic), false, None), there),
            client: Half::new(Endpoint::new(Arc::new(EndpointConfig::default()), None, false, None), here),
            config,
            n_hellos: 0,
        })
    }

    /// One more client begins to connect.
    ///
    /// # Panics
    /// If there are no connection ids left: our bug.
    pub fn connect(&mut self, now: Instant) {
        let Half { endpoint, conns, other, .. } = &mut self.client;
        let begun = endpoint.connect(now, self.config.clone(), *other, crate::cert::SERVER_NAME);
        let (handle, conn) = begun.expect("the settings of our own client are valid");
        conns.insert(handle, (conn, RecordReader::default()));
        self.client.drive(now, handle, &mut self.server.inbox);
    }

    /// The server half takes what has arrived, and answers. Returns how many hellos it has read so far.
    pub fn turn_server(&mut self, now: Instant) -> usize {
        self.n_hellos += self.server.turn(now, &mut self.client.inbox);
        self.n_hellos
    }

    /// The clients take what has arrived, and answer. Returns whether the server has anything to do.
    pub fn turn_clients(&mut self, now: Instant) -> bool {
        self.client.turn(now, &mut self.server.inbox);
        !self.server.inbox.is_empty()
    }
}

impl Half {
    fn new(endpoint: Endpoint, other: SocketAddr) -> Self {
        Self { endpoint, conns: HashMap::new(), inbox: Vec::new(), other, buffer: Vec::new() }
    }

    fn turn(&mut self, now: Instant, out: &mut Vec<BytesMut>) -> usize {
        let mut n_hellos = 0;
        for bytes in std::mem::take(&mut self.inbox) {
            self.buffer.clear();
            let event = self.endpoint.handle(now, self.other, None, None, bytes, &mut self.buffer);
            match event {
                Some(DatagramEvent::NewConnection(incoming)) => {
                    let accepted = self.endpoint.accept(incoming, now, &mut self.buffer, None);
                    let Ok((handle, conn)) = accepted else { continue };
                    self.conns.insert(handle, (conn, RecordReader::default()));
                    n_hellos += self.drive(now, handle, out);
                }
                Some(DatagramEvent::ConnectionEvent(handle, event)) => {
                    let Some((conn, _)) = self.conns.get_mut(&handle) else { continue };
                    conn.handle_event(event);
                    n_hellos += self.drive(now, handle, out);
                }
                Some(DatagramEvent::Response(_)) | None => {}
            }
        }
        n_hellos
    }

    /// Everything one connection has to say, to its owner, the endpoint and the other side.
    fn drive(&mut self, now: Instant, handle: ConnectionHandle, out: &mut Vec<BytesMut>) -> usize {
        let Self { endpoint, conns, buffer, .. } = self;
        let Some((conn, reader)) = conns.get_mut(&handle) else { return 0 };
        let mut n_hellos = 0;
        loop {
            while let Some(event) = conn.poll() {
                n_hellos += answer(conn, reader, &event);
            }
            let Some(event) = conn.poll_endpoint_events() else { break };
            if let Some(event) = endpoint.handle_event(handle, event) {
                conn.handle_event(event);
            }
        }
        loop {
            buffer.clear();
            if conn.poll_transmit(now, 1, buffer).is_none() {
                return n_hellos;
            }
            out.push(BytesMut::from(&buffer[..]));
        }
    }
}

/// The client says hello, the server reads it; returns how many it read.
fn answer(conn: &mut Connection, reader: &mut RecordReader, event: &Event) -> usize {
    match event {
        Event::Connected if conn.side() == Side::Client => {
            if let Some(id) = conn.streams().open(Dir::Bi) {
                let _ = conn.send_stream(id).write(HELLO);
            }
            0
        }
        Event::Stream(StreamEvent::Opened { dir: Dir::Bi } | StreamEvent::Readable { .. })
            if conn.side() == Side::Server =>
        {
            let _ = conn.streams().accept(Dir::Bi);
            let mut stream = conn.recv_stream(StreamId::new(Side::Client, Dir::Bi, 0));
            let Ok(mut chunks) = stream.read(true) else { return 0 };
            while let Ok(Some(chunk)) = chunks.next(HELLO.len()) {
                reader.push(&chunk.bytes);
            }
            let _ = chunks.finalize();
            usize::from(reader.next(HELLO.len(), |_| ()).is_ok_and(|whole| whole))
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_gets_in_and_says_hello() {
        let dir = tempfile::tempdir().unwrap();
        let mut pair = Pair::new(dir.path(), 1, &Limits::default()).unwrap();
        let now = Instant::now();
        for n in 1..=3 {
            pair.connect(now);
            for _ in 0..20 {
                pair.turn_server(now);
                pair.turn_clients(now);
            }
            assert_eq!(pair.turn_server(now), n);
            assert!(!pair.turn_clients(now), "nothing is left to be said");
        }
    }
}
