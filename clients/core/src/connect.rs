//! The one shell: sockets and a clock for any number of sessions, on one thread.
//!
//! A [`Crowd`] of one is a player's client; [`Player`] is whoever decides and listens. A pass reads: wait, receive,
//! handle, and for every session whose time has come drain its polls, then send.

use crate::Nanos;
use crate::session::{Event, LinkOrder, Session};
use netproto::snapshot::Frame;
use netproto::{Command, Record};
use std::io;
use std::time::{Duration, Instant};
use transport::CloseReason;
use transport::client::{ClientEvent, Clients, ConnId, ConnectError, Target};

/// Whoever plays: asked for commands, told what happens. `at` is the session's place in the crowd.
pub trait Player {
    /// A command is due now. Nothing: as before.
    fn command(&mut self, at: usize, session: &Session) -> Option<Command>;
    /// The moment of a command is also one to ask for something to change hands. Whoever owns nothing never does.
    fn order(&mut self, _at: usize, _session: &Session) -> Option<Record> {
        None
    }
    /// An input datagram went out, this long after its time.
    fn sent(&mut self, at: usize, late_ns: u64);
    /// A snapshot came in.
    fn received(&mut self, at: usize, n_bytes: usize);
    /// The session says something.
    fn event(&mut self, at: usize, session: &Session, event: Event);
    /// A connection ended.
    fn closed(&mut self, at: usize, reason: &CloseReason);
    /// No socket could be had for a connection; it will be tried again.
    fn no_socket(&mut self, at: usize, error: &io::Error);
}

/// Sessions with their connections.
pub struct Crowd {
    clients: Clients,
    epoch: Instant,
    sessions: Vec<Session>,
    targets: Vec<Target>,
    conns: Vec<Option<ConnId>>,
    /// Session of each connection place; stale ones do not match `conns`.
    owners: Vec<u32>,
    /// When each session wants to be visited.
    due: Vec<Nanos>,
    frame: Box<Frame>,
    weather: Weather,
}

/// A network that loses datagrams, made up: on one machine real ones hardly do.
#[derive(Clone, Copy, Debug, Default)]
struct Weather {
    lost_per_million: u32,
    random: u64,
}

impl Weather {
    fn is_lost(&mut self) -> bool {
        self.random = kernel::mix(self.random);
        (((self.random >> 32) * 1_000_000) >> 32) < u64::from(self.lost_per_million)
    }
}

/// Sessions begin a little after zero: nothing is ever before the first moment.
const BEGIN: Nanos = Nanos(1_000_000_000);
/// How long goodbyes may take.
const FAREWELL: Duration = Duration::from_millis(50);

impl Crowd {
    /// An empty crowd. `n_udp_sockets` are shared by all QUIC connections: one for a player, some for a crowd.
    ///
    /// # Errors
    /// When the system gives no event queue.
    pub fn new(n_udp_sockets: usize) -> io::Result<Self> {
        Ok(Self {
            clients: Clients::new(n_udp_sockets)?,
            epoch: Instant::now(),
            sessions: Vec::new(),
            targets: Vec::new(),
            conns: Vec::new(),
            owners: Vec::new(),
            due: Vec::new(),
            frame: Box::default(),
            weather: Weather::default(),
        })
    }

    /// Adds a session; returns its place.
    pub fn add(&mut self, session: Session, target: Target) -> usize {
        self.due.push(session.poll_timeout());
        self.sessions.push(session);
        self.targets.push(target);
        self.conns.push(None);
        self.sessions.len() - 1
    }

    /// Loses this share of all datagrams, both ways, before sessions and sockets see them.
    pub fn lose(&mut self, share: f64, seed: u64) {
        let lost_per_million = (share.clamp(0.0, 1.0) * 1e6) as u32;
        self.weather = Weather { lost_per_million, random: seed };
    }

    /// The time, as sessions know it.
    #[must_use]
    pub fn now(&self) -> Nanos {
        self.nanos(Instant::now())
    }

    /// All sessions, by place.
    #[must_use]
    pub fn sessions(&self) -> &[Session] {
        &self.sessions
    }

    /// A session, to change it; call [`Crowd::wake`] if it may want to act earlier than before.
    pub fn session_mut(&mut self, at: usize) -> &mut Session {
        &mut self.sessions[at]
    }

    /// Visits a session in the next pass.
    pub fn wake(&mut self, at: usize) {
        self.due[at] = Nanos(0);
    }

    /// Ends a session's connection as a network might: the session finds out and comes back by itself.
    pub fn cut(&mut self, at: usize) {
        let Some(conn) = self.conns[at].take() else { return };
        self.clients.close(conn);
        let now = self.now();
        self.sessions[at].handle_closed(now);
        self.wake(at);
    }

    /// One pass: waits until something happens or is due, at most until `until`, and does it.
    ///
    /// # Errors
    /// [`ConnectError`] when a target cannot even be tried: trying again would not help.
    pub fn pass(&mut self, player: &mut impl Player, until: Instant) -> Result<(), ConnectError> {
        let first_due = self.due.iter().min().map_or(until, |due| self.instant(*due));
        self.clients.wait(first_due.min(until));
        while let Some(event) = self.clients.poll_event() {
            self.handle(player, event);
        }
        let now = self.now();
        for at in 0..self.sessions.len() {
            if self.due[at] <= now {
                self.visit(player, at, now)?;
            }
        }
        self.clients.flush(Instant::now());
        Ok(())
    }

    /// Ends every session as players do who leave on purpose, and closes the connections.
    pub fn leave(&mut self, player: &mut impl Player) {
        let now = self.now();
        for at in 0..self.sessions.len() {
            self.sessions[at].leave();
            // Nobody connects any more, so nothing can be wrong with a target.
            let _ = self.visit(player, at, now);
        }
        self.clients.flush(Instant::now());
        self.sweep(Instant::now() + FAREWELL);
        for conn in std::mem::take(&mut self.conns).into_iter().flatten() {
            self.clients.close(conn);
        }
        self.clients.flush(Instant::now());
        self.sweep(Instant::now() + FAREWELL);
    }

    /// Lets the sockets work; what comes is of no interest any more.
    fn sweep(&mut self, until: Instant) {
        while Instant::now() < until && self.clients.n_open() > 0 {
            self.clients.wait(until);
            while self.clients.poll_event().is_some() {}
        }
    }

    fn handle(&mut self, player: &mut impl Player, event: ClientEvent) {
        let (ClientEvent::Connected { conn }
        | ClientEvent::Record { conn, .. }
        | ClientEvent::Datagram { conn, .. }
        | ClientEvent::Closed { conn, .. }) = event;
        let Some(at) = self.owner(conn) else { return };
        let now = self.now();
        let session = &mut self.sessions[at];
        match event {
            ClientEvent::Connected { .. } => session.handle_connected(now),
            ClientEvent::Record { bytes, .. } => session.handle_record(now, &bytes),
            ClientEvent::Datagram { .. } if self.weather.is_lost() => return,
            ClientEvent::Datagram { bytes, arrived, .. } => {
                player.received(at, bytes.len());
                let arrived =
                    Nanos(arrived.saturating_duration_since(self.epoch).as_nanos() as u64).plus(BEGIN.0);
                session.handle_datagram(arrived, &bytes, &mut self.frame);
                tell(player, at, session);
                // The schedule is asked for below; nothing else comes of a snapshot.
                self.due[at] = session.poll_timeout();
                return;
            }
            ClientEvent::Closed { reason, .. } => {
                self.conns[at] = None;
                player.closed(at, &reason);
                session.handle_closed(now);
            }
        }
        self.wake(at);
    }

    fn visit(&mut self, player: &mut impl Player, at: usize, now: Nanos) -> Result<(), ConnectError> {
        let session = &mut self.sessions[at];
        session.handle_timeout(now);
        while let Some(order) = session.poll_link() {
            if let Some(conn) = self.conns[at].take() {
                self.clients.close(conn);
            }
            if order == LinkOrder::Connect {
                match self.clients.connect(Instant::now(), &self.targets[at]) {
                    Ok(conn) => {
                        self.conns[at] = Some(conn);
                        own(&mut self.owners, conn, at);
                    }
                    Err(ConnectError::Socket(error)) => {
                        player.no_socket(at, &error);
                        session.handle_closed(now);
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        if let Some(conn) = self.conns[at] {
            while let Some(record) = session.poll_record() {
                self.clients.send_record(conn, &record);
            }
            send_inputs(&mut self.clients, (conn, &mut self.weather), player, at, session, now);
        }
        tell(player, at, session);
        self.due[at] = session.poll_timeout();
        Ok(())
    }

    fn owner(&self, conn: ConnId) -> Option<usize> {
        let at = *self.owners.get(conn.index() as usize)? as usize;
        (*self.conns.get(at)? == Some(conn)).then_some(at)
    }

    fn nanos(&self, instant: Instant) -> Nanos {
        Nanos(instant.saturating_duration_since(self.epoch).as_nanos() as u64).plus(BEGIN.0)
    }

    fn instant(&self, at: Nanos) -> Instant {
        const FAR_NS: u64 = 3_600_000_000_000;
        let from_now_ns = at.since(self.now()).min(FAR_NS);
        Instant::now() + Duration::from_nanos(from_now_ns)
    }
}

fn own(owners: &mut Vec<u32>, conn: ConnId, at: usize) {
    let place = conn.index() as usize;
    if owners.len() <= place {
        owners.resize(place + 1, 0);
    }
    owners[place] = at as u32;
}

/// Every command that is due; the player decides for each.
fn send_inputs(
    clients: &mut Clients,
    (conn, weather): (ConnId, &mut Weather),
    player: &mut impl Player,
    at: usize,
    session: &mut Session,
    now: Nanos,
) {
    loop {
        let due = session.input_due();
        let is_command = due <= now;
        if is_command && let Some(command) = player.command(at, session) {
            session.set_command(command);
        }
        if is_command && let Some(order) = player.order(at, session) {
            session.ask(order);
            while let Some(record) = session.poll_record() {
                clients.send_record(conn, &record);
            }
        }
        let Some(bytes) = session.poll_input(now) else { return };
        if !weather.is_lost() {
            clients.send_datagram(conn, bytes);
        }
        if is_command {
            player.sent(at, now.since(due));
        }
    }
}

fn tell(player: &mut impl Player, at: usize, session: &mut Session) {
    while let Some(event) = session.poll_event() {
        player.event(at, session, event);
    }
}
