//! Who is who: connections on one side, players on the other, and what each of them may do.
//!
//! A machine without sockets: [`Peers::handle_event`] takes what the transport learnt and adds to the world's
//! inputs, [`Peers::handle_fact`] takes what the world answers, [`Peers::handle_timeout`] looks for the silent.
//! Drain [`Peers::poll_act`] after each of them and do what it says, in order.

mod acts;
mod orders;

pub use acts::{Act, PeerCounts};

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;

use engine::{DurableId, EntityId, Fact, FactBody, Input};
use kernel::walker::Path;
use netproto::input::InputPacket;
use netproto::peer::{IN_FLIGHT_DATAGRAMS, IN_FLIGHT_STREAM};
use netproto::version::{self, Refused};
use netproto::{Hello, Notice, Pace as PaceRecord, Path as PathRecord, Record, Refusal, RefusedRecord};
use transport::{CloseCode, Event, Link, PeerId, PlainWebSocket};

use super::budgeter::Probe;
use super::greeting::Greeting;
use super::rates::{Conduct, Verdict};
use super::schedule::{Pace, Schedule};
use super::tokens::{Grant, TOKEN_BYTES, Token, TokenHash, Tokens};
use super::trade;

/// A player as everybody outside the world names one.
pub type Player = DurableId;

/// From a seed, the side of a square and the number of a player to where it begins, in mm.
pub type Layout = fn(u64, i32, u32) -> (i32, i32);

/// The first bytes of every hello, on whichever stream it comes.
const HELLO_MAGIC: &[u8] = b"ARCN";
/// Room for the text of a refusal, in bytes. Source: docs/PROTOCOL.md "Records".
const TEXT_BYTES_MAX: usize = 1000;
/// Records with an unknown opcode that are skipped on one connection: a newer client means well, but not more often.
const UNKNOWN_RECORDS_MAX: u32 = 16;

/// Somebody who said hello.
struct Stranger {
    peer: PeerId,
    link: Link,
    addr: SocketAddr,
}

/// One admitted connection.
#[derive(Clone, Debug)]
struct Peer {
    id: PeerId,
    player: Player,
    link: Link,
    conduct: Conduct,
    /// What its acknowledgements say of its path.
    probe: Probe,
    has_walls: bool,
    /// The player came in for the first time.
    is_new: bool,
    /// It has sent a command, so it has its Welcome and the token therein.
    has_commanded: bool,
    n_unknown_records: u32,
}

impl Peer {
    /// What the end of the connection means to the world. A body waits for its player, unless that player may never have
    /// heard of it: newcomers who lose their Welcome, and try again, must not fill the zone with bodies.
    fn farewell(&self) -> Input {
        let player = self.player;
        if self.is_new && !self.has_commanded { Input::Leave { player } } else { Input::Detach { player } }
    }
}

/// Every admitted connection of a zone.
pub struct Peers {
    greeting: Greeting,
    n_players_max: usize,
    /// By the index of the connection.
    rows: Vec<Option<Peer>>,
    by_player: HashMap<Player, PeerId>,
    tokens: Tokens,
    /// Players who have left and own something: their tokens stay good.
    absent: HashSet<Player>,
    /// Players who leave in this tick: the world has not said yet whether they own something.
    leaving: HashSet<Player>,
    /// Tokens that the next Welcome carries.
    fresh: HashMap<Player, Token>,
    /// Tokens given since they were last asked for.
    granted: Vec<Grant>,
    /// High half of every id given out by this process.
    id_high: u32,
    n_ids: u32,
    /// Where players begin, if not near the middle: a layout, and the zone's seed and side.
    layout: Option<(Layout, u64, i32)>,
    /// The last two records about how long ticks take, for those who come: one that holds, one that may be to come.
    paces: [Vec<u8>; 2],
    /// Who comes in without a ticket.
    reach: PlainWebSocket,
    is_draining: bool,
    acts: VecDeque<Act>,
    counts: PeerCounts,
}

impl Peers {
    /// Nobody yet. `id_high` must differ from that of every earlier process of this zone.
    #[must_use]
    pub fn new(greeting: Greeting, n_players_max: u32, id_high: u32) -> Self {
        Self {
            greeting,
            n_players_max: n_players_max as usize,
            rows: Vec::new(),
            by_player: HashMap::new(),
            tokens: Tokens::default(),
            absent: HashSet::new(),
            leaving: HashSet::new(),
            fresh: HashMap::new(),
            granted: Vec::new(),
            id_high,
            n_ids: 0,
            layout: None,
            paces: [Vec::new(), Vec::new()],
            reach: PlainWebSocket::Loopback,
            is_draining: false,
            acts: VecDeque::new(),
            counts: PeerCounts::default(),
        }
    }

    /// Who may come back from before this process, and who of them has a body.
    pub fn set_tokens(&mut self, tokens: Tokens, has_body: impl Fn(Player) -> bool) {
        self.absent = tokens.players().filter(|player| !has_body(*player)).collect();
        self.tokens = tokens;
    }

    /// Tokens that are good, as grants that make them so again.
    pub fn grants(&self) -> impl Iterator<Item = Grant> {
        self.tokens.grants()
    }

    /// Tokens given since the last call, for the log.
    pub fn take_granted(&mut self) -> std::vec::Drain<'_, Grant> {
        self.granted.drain(..)
    }

    /// From now on these need no ticket. By QUIC `Anybody` is nobody but this machine: what stands in front of a zone and
    /// decides who comes in speaks WebSocket.
    pub fn set_reach(&mut self, reach: PlainWebSocket) {
        self.reach = reach;
    }

    /// From now on new players begin where this layout says, in a square with this side.
    pub fn set_layout(&mut self, layout: Layout, seed: u64, side_mm: i32) {
        self.layout = Some((layout, seed, side_mm));
    }

    /// The transport learnt something; what concerns the world is added to `inputs`.
    pub fn handle_event(
        &mut self,
        now: Instant,
        event: &Event,
        clock: (&Schedule, u32),
        inputs: &mut Vec<Input>,
    ) {
        match event {
            Event::Hello { peer, link, addr, bytes } => {
                let stranger = Stranger { peer: *peer, link: *link, addr: *addr };
                self.handle_hello(now, stranger, bytes, inputs);
            }
            Event::Record { peer, bytes } => self.handle_record((now, clock.1), *peer, bytes, inputs),
            Event::Datagram { peer, bytes, arrived } => {
                self.handle_datagram(*peer, bytes, *arrived, clock, inputs);
            }
            Event::Closed { peer, .. } => {
                if let Some(row) = self.remove(*peer) {
                    self.counts.lost += 1;
                    self.take_leave(&row, inputs);
                }
            }
        }
    }

    fn handle_hello(&mut self, now: Instant, stranger: Stranger, bytes: &[u8], inputs: &mut Vec<Input>) {
        let Stranger { peer: id, link, .. } = stranger;
        let (hello, known) = match self.judge(&stranger, bytes) {
            Ok(judged) => judged,
            Err(Refused { reason, text }) => return self.refuse(id, reason, &text),
        };
        let player = known.unwrap_or_else(|| self.next_player());
        if let Some(old) = self.by_player.get(&player).copied() {
            self.remove(old);
            self.refuse(old, Refusal::ResumedElsewhere, "you came back on another connection");
        }
        let has_walls = hello.wall_hash == self.greeting.wall_hash;
        let conduct = Conduct::new(now);
        self.insert(Peer {
            id,
            player,
            link,
            conduct,
            probe: Probe::default(),
            has_walls,
            is_new: known.is_none(),
            has_commanded: false,
            n_unknown_records: 0,
        });
        let token = random_token();
        let shown = known.map(|_| TokenHash::of(&hello.resume_token));
        let grant = Grant { player, fresh: TokenHash::of(&token), shown };
        self.tokens.give(&grant);
        self.granted.push(grant);
        self.fresh.insert(player, token);
        self.acts.push_back(Act::Admit { peer: id });
        let in_flight_max = match link {
            Link::Quic => IN_FLIGHT_DATAGRAMS,
            Link::WebSocket => IN_FLIGHT_STREAM,
        };
        // Ids count from one, players of a scenario from zero.
        let place = self.layout.map(|(layout, seed, side_mm)| layout(seed, side_mm, player.low - 1));
        inputs.push(Input::Join { player, in_flight_max, place });
    }

    /// Whether a stranger may come in, and which known player it is.
    fn judge(&self, stranger: &Stranger, bytes: &[u8]) -> Result<(Hello, Option<Player>), Refused> {
        let no = |reason, text: &str| Err(Refused { reason, text: text.to_owned() });
        let hello = version::judge(bytes)?;
        if self.is_draining {
            return no(Refusal::Draining, "this zone is shutting down; try again in a minute");
        }
        if hello.ticket.iter().any(|byte| *byte != 0) {
            return no(Refusal::Ticket, "this zone takes no tickets yet: send 64 zero bytes");
        }
        let reach = match (self.reach, stranger.link) {
            (PlainWebSocket::Anybody, Link::Quic) => PlainWebSocket::Loopback,
            (reach, _) => reach,
        };
        if !reach.allows(stranger.addr.ip()) {
            let from = if reach == PlainWebSocket::Private { "private networks" } else { "this machine" };
            let text = format!("without a ticket only players of {from} may come in");
            return Err(Refused { reason: Refusal::Ticket, text });
        }
        let known = self.tokens.player(&hello.resume_token);
        if known.is_some_and(|player| self.leaving.contains(&player)) {
            return no(Refusal::Saving, "your character is being put away; try again in a moment");
        }
        let has_place = known.is_some_and(|player| !self.absent.contains(&player));
        if !has_place && self.tokens.n_players() - self.absent.len() >= self.n_players_max {
            let text = format!("this zone is full: {} players", self.n_players_max);
            return Err(Refused { reason: Refusal::Full, text });
        }
        Ok((hello, known))
    }

    fn next_player(&mut self) -> Player {
        self.n_ids += 1;
        DurableId { low: self.n_ids, high: self.id_high }
    }

    fn handle_record(
        &mut self,
        (now, last_tick): (Instant, u32),
        id: PeerId,
        bytes: &[u8],
        inputs: &mut Vec<Input>,
    ) {
        let Some(player) = self.row(id).map(|row| row.player) else { return };
        if bytes.starts_with(HELLO_MAGIC) {
            let text = "a connection says hello once; open another one to start over";
            return self.end(id, Refusal::SecondHello, text, inputs);
        }
        match Record::decode(bytes) {
            Ok(Record::Goodbye(_)) => {
                self.remove(id);
                self.counts.left += 1;
                self.leaving.insert(player);
                inputs.push(Input::Leave { player });
                self.acts.push_back(Act::Close { peer: id, code: CloseCode::Done });
            }
            Ok(Record::Unknown { opcode }) => self.handle_unknown(id, opcode, inputs),
            Ok(order) if trade::order(&order).is_some() => {
                self.handle_order((now, last_tick), id, &order, inputs);
            }
            Ok(other) => {
                let text = format!("record {} is not a client's to send", other.opcode());
                self.end(id, Refusal::BadRecord, &text, inputs);
            }
            Err(error) => self.end(id, Refusal::BadRecord, &error.to_string(), inputs),
        }
    }

    /// A record of a newer client is skipped, as docs/PROTOCOL.md "Versions" promises.
    fn handle_unknown(&mut self, id: PeerId, opcode: u8, inputs: &mut Vec<Input>) {
        self.counts.records_unknown += 1;
        let Some(row) = self.row_mut(id) else { return };
        row.n_unknown_records += 1;
        if row.n_unknown_records > UNKNOWN_RECORDS_MAX {
            let text = format!("too many records that this zone does not know, the last of opcode {opcode}");
            self.end(id, Refusal::BadRecord, &text, inputs);
        }
    }

    fn handle_datagram(
        &mut self,
        id: PeerId,
        bytes: &[u8],
        arrived: Instant,
        (schedule, last_tick): (&Schedule, u32),
        inputs: &mut Vec<Input>,
    ) {
        let Some(row) = self.row_mut(id) else {
            self.counts.datagrams_stray += 1;
            return;
        };
        match row.conduct.handle_datagram(arrived) {
            Verdict::Read => {}
            Verdict::Drop => {
                self.counts.datagrams_flood += 1;
                return;
            }
            Verdict::Close => {
                self.counts.datagrams_flood += 1;
                return self.end(id, Refusal::Flood, "too many datagrams for ten seconds", inputs);
            }
        }
        let Ok(packet) = InputPacket::decode(bytes) else {
            let verdict = row.conduct.handle_bad(arrived);
            self.counts.datagrams_bad += 1;
            if verdict == Verdict::Close {
                self.end(id, Refusal::BadInput, "too many datagrams that do not decode", inputs);
            }
            return;
        };
        row.probe.handle_acks(&packet.acks, arrived);
        let player = row.player;
        let has_commands = packet.n_commands > 0;
        // Acknowledgements alone prove nothing: a client sends them before it has seen its Welcome.
        if has_commands && !std::mem::replace(&mut row.has_commanded, true) {
            self.tokens.confirm(player);
        }
        let margin_2ms = if has_commands { schedule.margin_2ms(last_tick, packet.tick, arrived) } else { 0 };
        inputs.push(Input::Packet { player, margin_2ms, packet });
    }

    /// Handling an event of this peer panicked: our fault, and the end of this connection only.
    pub fn handle_panic(&mut self, id: PeerId, inputs: &mut Vec<Input>) {
        self.counts.panics += 1;
        self.end(id, Refusal::ServerError, "the zone failed to read what you sent; it is logged", inputs);
    }

    /// The world answered.
    pub fn handle_fact(&mut self, fact: &Fact, tick: u32) {
        let player = fact.player;
        match &fact.body {
            FactBody::Joined { entity, resumed } => self.handle_joined(player, *entity, tick, *resumed),
            FactBody::Path(path) => {
                let Some(peer) = self.by_player.get(&player).copied() else { return };
                let record = path_record(path);
                self.acts.push_back(Act::Record { peer, record });
            }
            FactBody::Decreed { .. } => {} // the player learns it by its purse
            FactBody::Failed => {
                // The body waits, and the token stays good: whoever comes back begins with an empty view.
                self.counts.panics_client += 1;
                if let Some(peer) = self.by_player.get(&player).copied() {
                    self.remove(peer);
                    self.refuse(
                        peer,
                        Refusal::ServerError,
                        "the zone failed to write your snapshot; it is logged",
                    );
                }
            }
            FactBody::Left { owns } => {
                self.leaving.remove(&player);
                if *owns {
                    self.absent.insert(player);
                } else {
                    self.forget(player);
                }
                if let Some(peer) = self.by_player.get(&player).copied() {
                    self.remove(peer);
                    self.refuse(peer, Refusal::ServerError, "your body left the zone");
                }
            }
            FactBody::Refused(reason) => {
                self.fresh.remove(&player);
                self.leaving.remove(&player); // no body has left, so nobody says so
                if !self.absent.contains(&player) {
                    self.forget(player);
                }
                if let Some(peer) = self.by_player.get(&player).copied() {
                    self.remove(peer);
                    self.refuse(peer, *reason, "the world has no room for you");
                }
            }
        }
    }

    fn handle_joined(&mut self, player: Player, entity: EntityId, tick: u32, resumed: bool) {
        self.absent.remove(&player);
        *(if resumed { &mut self.counts.resumed } else { &mut self.counts.joined }) += 1;
        let Some(peer) = self.by_player.get(&player).copied() else { return };
        let Some(token) = self.fresh.remove(&player) else { return };
        let record = self.greeting.welcome(player, entity, tick, token, resumed);
        self.acts.push_back(Act::Record { peer, record });
        let said = self.paces.iter().filter(|record| !record.is_empty());
        self.acts.extend(said.map(|record| Act::Record { peer, record: record.clone() }));
        if self.row(peer).is_some_and(|row| !row.has_walls) {
            self.acts.push_back(Act::Walls { peer });
        }
    }

    /// Ends the connections that have been silent for too long. Call it about once a second.
    pub fn handle_timeout(&mut self, now: Instant, inputs: &mut Vec<Input>) {
        let is_silent = |row: &&Peer| row.conduct.is_silent(now);
        let silent: Vec<PeerId> = self.rows.iter().flatten().filter(is_silent).map(|row| row.id).collect();
        for id in silent {
            self.end(id, Refusal::Silent, "no input for ten seconds", inputs);
        }
    }

    /// From now on nobody comes in, and everybody is told why.
    pub fn handle_drain(&mut self, tick: u32) {
        self.is_draining = true;
        self.handle_say(tick, "the zone is shutting down");
    }

    /// Everybody is told something to read.
    pub fn handle_say(&mut self, tick: u32, text: &str) {
        let mut record = Vec::new();
        Notice { tick, text: text.to_owned() }.encode(&mut record);
        self.tell_all(&record);
    }

    /// An operator wants somebody out; the body waits, and the token stays good. Says whether the player was in.
    pub fn handle_kick(&mut self, player: Player, reason: &str, inputs: &mut Vec<Input>) -> bool {
        let peer = self.by_player.get(&player).copied();
        if let Some(peer) = peer {
            self.end(peer, Refusal::Kicked, reason, inputs);
        }
        peer.is_some()
    }

    /// Ticks will take another time: everybody who is in is told, and whoever comes will be.
    pub fn handle_pace(&mut self, pace: &Pace) {
        let mut record = Vec::new();
        PaceRecord { tick: pace.tick, period_us: pace.period.as_micros() as u32 }.encode(&mut record);
        // Who has a place but no Welcome yet is told behind it: a client takes no pace before.
        let player_is_new = |player| self.fresh.contains_key(&player);
        let peers = self.rows.iter().flatten().filter(|row| !player_is_new(row.player));
        self.acts.extend(peers.map(|row| Act::Record { peer: row.id, record: record.clone() }));
        self.paces.rotate_left(1);
        self.paces[1] = record;
    }

    fn tell_all(&mut self, record: &[u8]) {
        let tell = |row: &Peer| Act::Record { peer: row.id, record: record.to_owned() };
        self.acts.extend(self.rows.iter().flatten().map(tell));
    }

    /// What to do next, oldest first.
    pub fn poll_act(&mut self) -> Option<Act> {
        self.acts.pop_front()
    }

    /// The connection of a player, if there is one now.
    #[must_use]
    pub fn peer_of(&self, player: Player) -> Option<PeerId> {
        self.by_player.get(&player).copied()
    }

    /// The player behind a connection, and what its acknowledgements say of its path.
    pub fn path_of(&mut self, peer: PeerId) -> Option<(Player, &mut Probe)> {
        self.row_mut(peer).map(|row| (row.player, &mut row.probe))
    }

    /// The zone stood still: no answer is waited for any more.
    pub fn forget_probes(&mut self) {
        self.rows.iter_mut().flatten().for_each(|row| row.probe = Probe::default());
    }

    /// What is the same for everybody who enters.
    #[must_use]
    pub fn greeting(&self) -> &Greeting {
        &self.greeting
    }

    /// Totals since the start.
    #[must_use]
    pub fn counts(&self) -> &PeerCounts {
        &self.counts
    }

    /// Connected players on QUIC and on WebSocket.
    #[must_use]
    pub fn n_by_link(&self) -> [u32; 2] {
        let mut n = [0; 2];
        for row in self.rows.iter().flatten() {
            n[usize::from(row.link == Link::WebSocket)] += 1;
        }
        n
    }

    /// A connection has ended. Whose body leaves may come back when the world has put away what is owned.
    fn take_leave(&mut self, row: &Peer, inputs: &mut Vec<Input>) {
        let farewell = row.farewell();
        if matches!(farewell, Input::Leave { .. }) {
            self.leaving.insert(row.player);
        }
        inputs.push(farewell);
    }

    fn forget(&mut self, player: Player) {
        self.tokens.forget(player);
        self.fresh.remove(&player);
        self.absent.remove(&player);
    }

    /// Ends an admitted connection; the body waits in the world.
    fn end(&mut self, id: PeerId, reason: Refusal, text: &str, inputs: &mut Vec<Input>) {
        if let Some(row) = self.remove(id) {
            self.take_leave(&row, inputs);
        }
        self.refuse(id, reason, text);
    }

    fn refuse(&mut self, peer: PeerId, reason: Refusal, text: &str) {
        self.counts.refused[reason as usize] += 1;
        let end = text.floor_char_boundary(TEXT_BYTES_MAX);
        let refused = RefusedRecord { reason: reason as u32, text: text[..end].to_owned() };
        let mut record = Vec::new();
        refused.encode(&mut record);
        self.acts.push_back(Act::Refuse { peer, record });
    }

    fn row(&self, id: PeerId) -> Option<&Peer> {
        self.rows.get(id.index() as usize)?.as_ref().filter(|row| row.id == id)
    }

    fn row_mut(&mut self, id: PeerId) -> Option<&mut Peer> {
        self.rows.get_mut(id.index() as usize)?.as_mut().filter(|row| row.id == id)
    }

    fn insert(&mut self, row: Peer) {
        let at = row.id.index() as usize;
        if self.rows.len() <= at {
            self.rows.resize(at + 1, None);
        }
        self.by_player.insert(row.player, row.id);
        self.rows[at] = Some(row);
    }

    fn remove(&mut self, id: PeerId) -> Option<Peer> {
        self.row(id)?;
        let row = self.rows[id.index() as usize].take()?;
        self.by_player.remove(&row.player);
        Some(row)
    }
}

/// A path as it travels. Positions in the world are never negative.
fn path_record(path: &Path) -> Vec<u8> {
    let points = &path.points[..usize::from(path.n)];
    let record = PathRecord {
        goal_tick: path.goal_tick,
        effective_tick: path.effective_tick,
        x_mm: points.iter().map(|(x, _)| *x as u32).collect(),
        y_mm: points.iter().map(|(_, y)| *y as u32).collect(),
    };
    let mut bytes = Vec::new();
    record.encode(&mut bytes);
    bytes
}

fn random_token() -> Token {
    let mut token = [0; TOKEN_BYTES];
    getrandom::fill(&mut token).expect("the kernel has random bytes once it has booted");
    token
}

#[cfg(test)]
#[path = "peers_tests.rs"]
mod tests;
