//! A server and some clients that take turns.
use std::path::Path;
use std::time::{Duration, Instant};
use transport::client::{ClientEvent, Clients, ConnId, Target};
use transport::{Event, Limits, Link, PeerId, Server, ServerConfig};

pub(crate) const MAJOR: u16 = 1;
pub(crate) const BOTH: [Link; 2] = [Link::Quic, Link::WebSocket];
/// No test waits longer for anything.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Rig {
    pub(crate) server: Server,
    pub(crate) clients: Clients,
    pub(crate) dir: tempfile::TempDir,
    /// What the server saw and the test has not asked for yet.
    pub(crate) seen: Vec<Event>,
    pub(crate) heard: Vec<ClientEvent>,
    /// Greeted peers are admitted by themselves.
    pub(crate) admits: bool,
}

pub(crate) fn server(dir: &Path, port: u16, limits: Limits) -> Server {
    let addr = ([127, 0, 0, 1], port).into();
    let config = ServerConfig { addr, data_dir: dir.to_owned(), wire_major: MAJOR, limits };
    Server::bind(config).expect("a server on loopback")
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(Limits::default())
    }

    pub(crate) fn with(limits: Limits) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let server = server(dir.path(), 0, limits);
        let clients = Clients::new(2).expect("an event queue");
        Self { server, clients, dir, seen: Vec::new(), heard: Vec::new(), admits: true }
    }

    pub(crate) fn target(&self, link: Link) -> Target {
        Target { addr: self.server.local_addr(), link, pin: Some(self.server.spki_pin()), wire_major: MAJOR }
    }

    pub(crate) fn connect(&mut self, target: &Target) -> ConnId {
        self.clients.connect(Instant::now(), target).expect("a target that makes sense")
    }

    /// Both sides take one turn of about a millisecond.
    pub(crate) fn turn(&mut self) {
        self.turn_server();
        self.clients.receive(Instant::now());
        self.heard.extend(std::iter::from_fn(|| self.clients.poll_event()));
        self.clients.flush(Instant::now());
    }

    pub(crate) fn turn_server(&mut self) {
        self.server.receive(Instant::now());
        self.take_events();
        self.server.flush(Instant::now());
        self.server.serve_door(Instant::now() + Duration::from_millis(1));
        self.take_events();
    }

    fn take_events(&mut self) {
        while let Some(event) = self.server.poll_event() {
            if let Event::Hello { peer, .. } = &event
                && self.admits
            {
                assert!(self.server.admit(*peer));
            }
            self.seen.push(event);
        }
    }

    /// Takes turns until `done` finds something.
    pub(crate) fn until<T>(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(found) = done(self) {
                return found;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "waited in vain for {what}; seen {:?}; heard {:?}; {:?}",
                self.seen,
                self.heard,
                self.server.counters()
            );
            self.turn();
        }
    }

    pub(crate) fn turns(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.turn();
        }
    }

    /// First matching event of the server, taken out.
    pub(crate) fn see<T>(&mut self, what: &str, pick: impl Fn(&Event) -> Option<T>) -> T {
        self.until(what, |rig| {
            let at = rig.seen.iter().position(|event| pick(event).is_some())?;
            pick(&rig.seen.remove(at))
        })
    }

    /// First matching event of the clients, taken out.
    pub(crate) fn hear<T>(&mut self, what: &str, pick: impl Fn(&ClientEvent) -> Option<T>) -> T {
        self.until(what, |rig| {
            let at = rig.heard.iter().position(|event| pick(event).is_some())?;
            pick(&rig.heard.remove(at))
        })
    }

    pub(crate) fn hear_connected(&mut self, conn: ConnId) {
        self.hear("connected", |event| {
            matches!(event, ClientEvent::Connected { conn: c } if *c == conn).then_some(())
        });
    }

    pub(crate) fn hear_closed(&mut self, conn: ConnId) -> transport::CloseReason {
        self.hear("the client's closed", |event| match event {
            ClientEvent::Closed { conn: c, reason } if *c == conn => Some(reason.clone()),
            _ => None,
        })
    }

    pub(crate) fn see_closed(&mut self, peer: PeerId) -> transport::CloseReason {
        self.see("the server's closed", |event| match event {
            Event::Closed { peer: p, reason } if *p == peer => Some(reason.clone()),
            _ => None,
        })
    }

    /// A client that is connected, has said hello and is admitted.
    pub(crate) fn join(&mut self, link: Link) -> (ConnId, PeerId) {
        let target = self.target(link);
        let conn = self.connect(&target);
        self.hear_connected(conn);
        let hello = format!("hello {}", conn.index());
        assert!(self.clients.send_record(conn, hello.as_bytes()));
        let peer = self.see("hello", |event| match event {
            Event::Hello { peer, link: l, bytes, .. } if **bytes == *hello.as_bytes() && *l == link => {
                Some(*peer)
            }
            _ => None,
        });
        (conn, peer)
    }
}
