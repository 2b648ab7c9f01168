//! A connection without manners: it says what a test wants and keeps what it hears.

use std::time::{Duration, Instant};

use netproto::bits::GUARD_BYTES;
use netproto::input::InputPacket;
use netproto::{Acks, Hello, INPUT_BYTES_MAX, Record, Refusal, RefusedRecord, Welcome, version};
use transport::client::{ClientEvent, Clients, ConnId, Target};
use transport::{CloseReason, Link};

use crate::zone::Zone;

const ANSWER_MAX: Duration = Duration::from_secs(60);
const PASS: Duration = Duration::from_millis(10);

/// One connection and everything that came over it.
pub struct Rogue {
    clients: Clients,
    conn: ConnId,
    /// The handshake is done.
    pub is_connected: bool,
    /// Records, oldest first.
    pub records: Vec<Record>,
    /// Numbers of the snapshots that came.
    pub snapshots: Vec<u16>,
    /// Tick of the newest snapshot.
    pub tick: u32,
    /// How it ended.
    pub closed: Option<CloseReason>,
}

impl Rogue {
    /// Begins to connect.
    ///
    /// # Panics
    /// If the target cannot be tried.
    #[must_use]
    pub fn dial(target: &Target) -> Self {
        let mut clients = Clients::new(1).expect("a socket for one");
        let conn = clients.connect(Instant::now(), target).expect("the target can be tried");
        let (records, snapshots) = (Vec::new(), Vec::new());
        Self { clients, conn, is_connected: false, records, snapshots, tick: 0, closed: None }
    }

    /// Connects and says hello with what `change` makes of a good one.
    #[must_use]
    pub fn hello(zone: &Zone, link: Link, change: impl FnOnce(&mut Hello)) -> Self {
        let mut rogue = Self::dial(&zone.target(link));
        rogue.wait("the handshake", |rogue| rogue.is_connected);
        let mut hello = version::hello("rogue");
        change(&mut hello);
        let mut bytes = Vec::new();
        hello.encode(&mut bytes);
        rogue.send_record(&bytes);
        rogue
    }

    /// Connects and plays: welcomed, and the first snapshot seen.
    #[must_use]
    pub fn enter(zone: &Zone, link: Link) -> Self {
        let mut rogue = Self::hello(zone, link, |_| ());
        rogue.wait("the first snapshot", |rogue| !rogue.snapshots.is_empty() && rogue.welcome().is_some());
        rogue
    }

    /// Sends a record.
    ///
    /// # Panics
    /// If the connection is gone.
    pub fn send_record(&mut self, bytes: &[u8]) {
        assert!(self.clients.send_record(self.conn, bytes), "the connection is gone: {:?}", self.closed);
        self.clients.flush(Instant::now());
    }

    /// Sends a datagram; `false` if the connection does not take it.
    pub fn send_datagram(&mut self, bytes: &[u8]) -> bool {
        let is_taken = self.clients.send_datagram(self.conn, bytes);
        self.clients.flush(Instant::now());
        is_taken
    }

    /// Works for some time; what comes is kept.
    pub fn work(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.pass();
        }
    }

    /// Works until something is true.
    ///
    /// # Panics
    /// If that takes too long.
    pub fn wait(&mut self, what: &str, mut is_true: impl FnMut(&Self) -> bool) {
        let until = Instant::now() + ANSWER_MAX;
        while !is_true(self) {
            assert!(Instant::now() < until, "{what} did not happen within {ANSWER_MAX:?}: {:?}", self.closed);
            self.pass();
        }
    }

    /// Works until the connection has ended; returns how.
    pub fn wait_closed(&mut self) -> CloseReason {
        self.wait("the end of the connection", |rogue| rogue.closed.is_some());
        self.closed.clone().expect("it was waited for")
    }

    /// The refusal that came, if one did.
    #[must_use]
    pub fn refusal(&self) -> Option<(Refusal, &RefusedRecord)> {
        self.records.iter().find_map(|record| match record {
            Record::Refused(refused) => Some((Refusal::from_bits(refused.reason).ok()?, refused)),
            _ => None,
        })
    }

    /// Checks that the connection ends with this refusal, in words.
    ///
    /// # Panics
    /// If it does not.
    pub fn expect_refusal(&mut self, expected: Refusal) -> String {
        self.wait_closed();
        let (reason, record) =
            self.refusal().unwrap_or_else(|| panic!("closed without a word: {:?}", self.closed));
        assert_eq!(reason, expected, "{}", record.text);
        assert!(record.text.len() > 10, "{:?} is no sentence", record.text);
        record.text.clone()
    }

    /// The welcome that came, if one did.
    #[must_use]
    pub fn welcome(&self) -> Option<&Welcome> {
        self.records.iter().find_map(|record| match record {
            Record::Welcome(welcome) => Some(welcome),
            _ => None,
        })
    }

    /// An input datagram for a tick this far after the newest snapshot's, with honest acks.
    #[must_use]
    pub fn packet(&self, ahead: i32) -> InputPacket {
        let newest = self.snapshots.last().copied();
        let acks = Acks { seen: newest.is_some(), newest: newest.unwrap_or(0).into(), before: 0 };
        let tick = self.tick.wrapping_add_signed(ahead);
        InputPacket { acks, tick, n_commands: 1, ..InputPacket::default() }
    }

    fn pass(&mut self) {
        self.clients.wait(Instant::now() + PASS);
        while let Some(event) = self.clients.poll_event() {
            match event {
                ClientEvent::Connected { .. } => self.is_connected = true,
                ClientEvent::Record { bytes, .. } => {
                    self.records.push(Record::decode(&bytes).expect("the zone's records decode"));
                }
                ClientEvent::Datagram { bytes, .. } => self.keep(&bytes),
                ClientEvent::Closed { reason, .. } => self.closed = Some(reason),
            }
        }
        self.clients.flush(Instant::now());
    }

    /// Number and tick open a snapshot: 16 bits, then twice 16 bits, lowest first.
    fn keep(&mut self, bytes: &[u8]) {
        let Some(head) = bytes.first_chunk::<6>() else { panic!("a snapshot of {} bytes", bytes.len()) };
        self.snapshots.push(u16::from_le_bytes([head[0], head[1]]));
        self.tick = u32::from_le_bytes([head[2], head[3], head[4], head[5]]);
    }
}

/// The bytes of an input datagram.
#[must_use]
pub fn encode(packet: &InputPacket) -> Vec<u8> {
    packet.encode(&mut [0; INPUT_BYTES_MAX + GUARD_BYTES]).to_vec()
}
