//! The whole client as one machine: hello, welcome, walls, play, and again after a loss.
//!
//! Drain it in this order after every `handle_*`: [`Session::poll_link`], [`Session::poll_record`],
//! [`Session::poll_input`], [`Session::poll_event`]; come back at [`Session::poll_timeout`].
//! Source: docs/PROTOCOL.md "Framing", "Hello", "Input".

use crate::Nanos;
use crate::clock::Clock;
use crate::comeback::{Comeback, KNOCK_NS_MAX, Token};
use crate::commands::Commands;
use crate::facts::Facts;
use crate::paths::path_from_record;
use crate::predict::{OwnAt, Predictor};
use crate::talk::MAY_PASS;
pub use crate::talk::{Applied, Event, LinkOrder, Settings};
use crate::tape::{Note, Tape};
use crate::view::View;
use crate::wallet::Wallet;
use crate::walls::Loader;
use kernel::walls::{SIDE_MM_MAX, Walls, tiles_for};
use netproto::bits::{BitReader, GUARD_BYTES};
use netproto::snapshot::{Frame, decode};
use netproto::{
    Command, DecodeError, Follow, Goodbye, Header, INPUT_BYTES_MAX, KERNEL_VERSION, Move, Own, Record,
    Refusal, Welcome, version,
};
use std::collections::VecDeque;
use std::sync::Arc;

/// Without a snapshot for this long, the connection is given up.
pub const SILENCE_NS_MAX: u64 = 1_000_000_000;
/// From the hello to the first record, and likewise without a snapshot once there was one.
const ANSWER_NS_MAX: u64 = 3_000_000_000;
/// From one record to the next, or to being ready.
const RECORD_NS_MAX: u64 = KNOCK_NS_MAX;
/// A client without commands tells what it has applied at least this often: 5 Hz.
const ACK_NS: u64 = 200_000_000;
/// `before` of acknowledgements when nothing was lost of late.
const ALL_APPLIED: u32 = 0x7fff;
/// A command that waits for the next one is aimed so many ticks further ahead.
const PACKED_TICKS: u32 = 1;
/// Header and own block, rounded up to bytes.
const THIN_BYTES: usize = (Header::BITS_MAX + Own::BITS_MAX).div_ceil(8) as usize;
/// `consumed_below` for: none yet, or older.
const NONE_CONSUMED: u32 = 255;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Until it is time to connect.
    Waiting(Nanos),
    /// Ordered, but not there yet; until the deadline.
    Entering(Nanos),
    Playing,
    /// For good.
    Over,
}

/// What belongs to one connection and ends with it.
#[derive(Clone, Debug, Default)]
struct Visit {
    view: View,
    welcome: Option<Welcome>,
    loader: Option<Loader>,
    clock: Option<Clock>,
    predictor: Option<Predictor>,
    commands: Commands,
    facts: Facts,
    consumed: Option<u32>,
    applied_at: Option<Nanos>,
    input_at: Option<Nanos>,
    /// The newest command has not left: the next one takes it along.
    is_waiting: bool,
    /// The zone has said what the player owns.
    knows_purse: bool,
}

/// One player's client.
#[derive(Clone, Debug)]
pub struct Session {
    settings: Settings,
    stage: Stage,
    visit: Box<Visit>,
    comeback: Comeback,
    /// Walls that the zone shall think we have.
    spared_hash: u64,
    wanted: Command,
    /// Durable id of the player, once there was a welcome.
    player: Option<(u32, u32)>,
    wallet: Wallet,
    orders: VecDeque<LinkOrder>,
    records: VecDeque<Vec<u8>>,
    events: VecDeque<Event>,
    packet: [u8; INPUT_BYTES_MAX + GUARD_BYTES],
    /// Where all that comes in is noted, if anybody wants it.
    tape: Option<Box<Tape>>,
    /// Connections lost.
    pub n_lost: u32,
    /// Records that did not decode or did not make sense.
    pub n_bad_records: u64,
}

impl Session {
    /// A session that wants to connect at `start`.
    #[must_use]
    pub fn new(settings: Settings, start: Nanos) -> Self {
        Self {
            comeback: Comeback::new(settings.seed),
            settings,
            stage: Stage::Waiting(start),
            visit: Box::default(),
            spared_hash: 0,
            wanted: Command::default(),
            player: None,
            wallet: Wallet::default(),
            orders: VecDeque::new(),
            records: VecDeque::new(),
            events: VecDeque::new(),
            packet: [0; INPUT_BYTES_MAX + GUARD_BYTES],
            tape: None,
            n_lost: 0,
            n_bad_records: 0,
        }
    }

    /// What to do from the next tick on. A goal and a deed are sent once, direct control until it changes.
    ///
    /// - Units: within the bounds of the wire; the encoder asserts them in debug builds.
    pub fn set_command(&mut self, command: Command) {
        self.note_now(Note::Command(command));
        self.wanted = command;
    }

    /// The player leaves on purpose.
    pub fn leave(&mut self) {
        self.note_now(Note::Leave);
        if matches!(self.stage, Stage::Entering(_) | Stage::Playing) {
            let mut bytes = Vec::new();
            Goodbye.encode(&mut bytes);
            self.records.push_back(bytes);
        }
        self.stage = Stage::Over;
    }

    /// The connection stands: the hello goes out.
    pub fn handle_connected(&mut self, now: Nanos) {
        self.note(now, Note::Connected);
        if !matches!(self.stage, Stage::Entering(_)) {
            return;
        }
        self.stage = Stage::Entering(now.plus(ANSWER_NS_MAX));
        let mut hello = version::hello(&self.settings.build);
        hello.resume_token = self.comeback.token.0;
        hello.wall_hash = self.settings.walls.as_ref().map_or(self.spared_hash, |walls| walls.hash());
        let mut bytes = Vec::new();
        hello.encode(&mut bytes);
        self.records.push_back(bytes);
    }

    /// The connection is gone, whoever ended it.
    pub fn handle_closed(&mut self, now: Nanos) {
        self.note(now, Note::Closed);
        if matches!(self.stage, Stage::Entering(_) | Stage::Playing) {
            self.lose(now, false);
        }
    }

    /// A record came. One that does not decode, or makes no sense, changes nothing but a count.
    pub fn handle_record(&mut self, now: Nanos, bytes: &[u8]) {
        self.note(now, Note::Record(bytes));
        self.take_record(now, bytes);
        self.note_seen(now);
    }

    fn take_record(&mut self, now: Nanos, bytes: &[u8]) {
        if !matches!(self.stage, Stage::Entering(_) | Stage::Playing) {
            return;
        }
        if matches!(self.stage, Stage::Entering(_)) {
            self.stage = Stage::Entering(now.plus(RECORD_NS_MAX));
        }
        match Record::decode(bytes) {
            Ok(Record::Welcome(welcome)) => self.handle_welcome(welcome),
            Ok(Record::Walls(record)) => self.handle_walls(&record),
            Ok(Record::Refused(refused)) => self.handle_refused(now, &refused),
            Ok(Record::Path(record)) => self.handle_path(&record),
            Ok(Record::Pace(pace)) => self.handle_pace(&pace),
            Ok(Record::Notice(notice)) => {
                self.visit.facts.push(notice);
                self.release_facts();
            }
            Ok(Record::Answer(answer)) => self.events.extend(self.wallet.handle_answer(&answer)),
            Ok(Record::Purse(purse)) => self.handle_purse(&purse),
            Ok(Record::Drops(drops)) => self.wallet.handle_drops(drops),
            Ok(Record::Offered(offered)) => self.events.push_back(Event::Offered(offered)),
            Ok(Record::Unknown { .. }) => {} // from a younger server: skipped by rule
            Ok(_) | Err(_) => self.n_bad_records += 1,
        }
    }

    /// A datagram came: a snapshot. One that does not decode changes nothing but a count.
    ///
    /// - Shapes: `frame` is scratch; sessions of one thread share it.
    /// - Cost: decoding, and a step of prediction; no allocation once warm.
    pub fn handle_datagram(&mut self, now: Nanos, bytes: &[u8], frame: &mut Frame) {
        self.note(now, Note::Datagram(bytes));
        self.take_datagram(now, bytes, frame);
        self.note_seen(now);
    }

    fn take_datagram(&mut self, now: Nanos, bytes: &[u8], frame: &mut Frame) {
        if !matches!(self.stage, Stage::Entering(_) | Stage::Playing) {
            return;
        }
        let decoded = if self.settings.decode { decode(bytes, frame) } else { decode_thin(bytes, frame) };
        if decoded.is_err() {
            self.visit.view.counts.decode_errors += 1;
            return;
        }
        let view = &mut self.visit.view;
        let is_applied = if self.settings.decode { view.apply(frame) } else { view.apply_thin(frame) };
        if is_applied {
            self.handle_applied(now, frame);
        }
    }

    /// A deadline from [`Session::poll_timeout`] may have come.
    pub fn handle_timeout(&mut self, now: Nanos) {
        self.note(now, Note::Timeout);
        match self.stage {
            Stage::Waiting(at) if at <= now => {
                let counts = self.visit.view.counts;
                *self.visit = Visit::default();
                self.visit.view.counts = counts;
                self.stage = Stage::Entering(self.comeback.knock_deadline(now));
                self.orders.push_back(LinkOrder::Connect);
            }
            Stage::Entering(deadline) if deadline.min(self.silence_deadline()) <= now => self.give_up(now),
            Stage::Playing if self.silence_deadline() <= now => self.give_up(now),
            _ => {}
        }
    }

    /// What to do with the connection.
    pub fn poll_link(&mut self) -> Option<LinkOrder> {
        self.orders.pop_front()
    }

    /// A record to send, oldest first.
    pub fn poll_record(&mut self) -> Option<Vec<u8>> {
        self.records.pop_front()
    }

    /// An input datagram to send; call until it gives nothing.
    pub fn poll_input(&mut self, now: Nanos) -> Option<&[u8]> {
        let n_bytes = self.next_input(now);
        self.note_input(now, n_bytes);
        n_bytes.map(|n_bytes| &self.packet[..n_bytes])
    }

    /// Writes the next input datagram; gives its length.
    fn next_input(&mut self, now: Nanos) -> Option<usize> {
        let tick = self.next_tick(now);
        if tick.is_none() && self.ack_deadline().is_none_or(|deadline| now < deadline) {
            return None;
        }
        let visit = &mut *self.visit;
        (visit.input_at, visit.is_waiting) = (Some(now), false);
        let mut packet = visit.commands.packet(visit.view.acks(), visit.consumed);
        if tick.is_none() {
            packet.n_commands = 0;
        }
        Some(packet.encode(&mut self.packet).len())
    }

    /// Gives the commands that are due, until one of them is to leave now.
    fn next_tick(&mut self, now: Nanos) -> Option<u32> {
        loop {
            let clock = self.visit.clock.as_mut().filter(|_| self.stage == Stage::Playing)?;
            let tick = clock.poll_tick(now)?;
            let may_wait = self.may_wait();
            self.take_command(now, tick);
            if !may_wait {
                return Some(tick);
            }
            self.visit.is_waiting = true;
        }
    }

    /// Whether the next command may leave with the one behind it: it is the first of two, nothing urgent, and none of
    /// the newest snapshots was lost.
    fn may_wait(&self) -> bool {
        let visit = &*self.visit;
        self.settings.pack
            && !visit.is_waiting
            && !visit.commands.is_urgent(&self.wanted)
            && visit.view.acks().before == ALL_APPLIED
    }

    /// What the owner should learn next, oldest first.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When to come back, for [`Session::handle_timeout`] and [`Session::poll_input`].
    #[must_use]
    pub fn poll_timeout(&self) -> Nanos {
        match self.stage {
            Stage::Waiting(at) => at,
            Stage::Entering(deadline) => {
                let ack = self.ack_deadline().unwrap_or(Nanos::NEVER);
                deadline.min(self.silence_deadline()).min(ack)
            }
            Stage::Playing => {
                let ack = self.ack_deadline().unwrap_or(Nanos::NEVER);
                self.silence_deadline().min(self.input_due()).min(ack)
            }
            Stage::Over => Nanos::NEVER,
        }
    }

    /// When the next command is due: the moment for [`Session::set_command`].
    #[must_use]
    pub fn input_due(&self) -> Nanos {
        let due =
            self.visit.clock.as_ref().filter(|_| self.stage == Stage::Playing).and_then(Clock::poll_timeout);
        due.unwrap_or(Nanos::NEVER)
    }

    /// Whether commands are being sent.
    #[must_use]
    pub fn is_playing(&self) -> bool {
        self.stage == Stage::Playing
    }

    /// Whether nothing will ever happen again.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    /// What is seen.
    #[must_use]
    pub fn view(&self) -> &View {
        &self.visit.view
    }

    /// The zone's welcome, once it came.
    #[must_use]
    pub fn welcome(&self) -> Option<&Welcome> {
        self.visit.welcome.as_ref()
    }

    /// The schedule, once there is one.
    #[must_use]
    pub fn clock(&self) -> Option<&Clock> {
        self.visit.clock.as_ref()
    }

    /// The prediction, if there is one.
    #[must_use]
    pub fn predictor(&self) -> Option<&Predictor> {
        self.visit.predictor.as_ref()
    }

    /// The zone's walls, once they are whole.
    #[must_use]
    pub fn walls(&self) -> Option<&Arc<Walls>> {
        self.settings.walls.as_ref()
    }

    /// Offers walls of another session: taken before connecting if there are none yet, so that the zone need not
    /// send them, and in place of equal ones, because a process needs them once.
    pub fn offer_walls(&mut self, walls: &Arc<Walls>) {
        let is_welcome = match &self.settings.walls {
            Some(own) => !Arc::ptr_eq(own, walls) && own.hash() == walls.hash(),
            None => self.settings.predict && matches!(self.stage, Stage::Waiting(_)),
        };
        if is_welcome {
            self.settings.walls = Some(Arc::clone(walls));
        }
    }

    /// Without prediction walls are of no use: claims to have those with this hash, so that they are not sent.
    pub fn spare_walls(&mut self, hash: u64) {
        self.spared_hash = if self.settings.predict { 0 } else { hash };
    }

    /// Where the own body is: predicted if possible, else as the newest snapshot says; in mm.
    #[must_use]
    pub fn own_at(&self) -> (i32, i32) {
        let body = self.visit.view.body();
        let predicted = self.visit.predictor.as_ref().and_then(Predictor::newest);
        predicted.map_or((body.x_mm, body.y_mm), |(_, at)| at)
    }

    fn handle_welcome(&mut self, welcome: Welcome) {
        let is_sane = matches!(welcome.ticks_per_second, 20 | 30)
            && (1..=SIDE_MM_MAX as u32).contains(&welcome.side_mm);
        if !is_sane || self.visit.welcome.is_some() {
            self.n_bad_records += 1;
            return;
        }
        self.comeback.token = Token(welcome.resume_token.as_slice().try_into().unwrap_or([0; 32]));
        let player = (welcome.durable_low, welcome.durable_high);
        if self.player.replace(player) != Some(player) {
            self.wallet = Wallet::default();
        }
        self.events.push_back(Event::Welcome { entity: welcome.entity, resumed: welcome.resumed });
        let further_ticks = if self.settings.pack { PACKED_TICKS } else { 0 };
        self.visit.clock = Some(Clock::new(welcome.ticks_per_second).further_ahead(further_ticks));
        let may_predict = self.settings.predict && welcome.kernel_version == u32::from(KERNEL_VERSION);
        if may_predict {
            self.visit.predictor = Some(Predictor::new(welcome.ticks_per_second));
        }
        let has_walls = self.settings.walls.as_ref().is_some_and(|walls| walls.hash() == welcome.wall_hash);
        if may_predict && !has_walls {
            self.settings.walls = None;
            self.visit.loader = Some(Loader::new(tiles_for(welcome.side_mm as i32), welcome.wall_hash));
        }
        self.visit.welcome = Some(welcome);
        self.begin_if_ready();
    }

    fn handle_walls(&mut self, record: &netproto::Walls) {
        let Some(loader) = &mut self.visit.loader else { return };
        match loader.handle_record(record) {
            Ok(None) => return,
            Ok(Some(walls)) => self.settings.walls = Some(Arc::new(walls)),
            Err(error) => {
                self.n_bad_records += 1;
                self.visit.predictor = None;
                self.events.push_back(Event::NoWalls(error));
            }
        }
        self.visit.loader = None;
        self.begin_if_ready();
    }

    fn begin_if_ready(&mut self) {
        let visit = &*self.visit;
        let is_ready = visit.welcome.is_some() && visit.loader.is_none() && visit.applied_at.is_some();
        if is_ready && matches!(self.stage, Stage::Entering(_)) {
            self.stage = Stage::Playing;
            self.comeback.handle_ready();
            self.events.push_back(Event::Ready);
        }
    }

    fn handle_refused(&mut self, now: Nanos, refused: &netproto::RefusedRecord) {
        let reason = Refusal::from_bits(refused.reason).unwrap_or_default();
        self.events.push_back(Event::Refused { reason, text: refused.text.clone() });
        self.orders.push_back(LinkOrder::Close);
        // The others are for a person to solve.
        if MAY_PASS.contains(&reason) {
            self.lose(now, true);
        } else {
            self.stage = Stage::Over;
        }
    }

    fn handle_pace(&mut self, pace: &netproto::Pace) {
        let clock = self.visit.clock.as_mut();
        let is_good =
            clock.is_some_and(|clock| clock.handle_pace(pace.tick, i64::from(pace.period_us) * 1_000));
        self.n_bad_records += u64::from(!is_good);
    }

    fn handle_path(&mut self, record: &netproto::Path) {
        let Some(path) = path_from_record(record) else {
            self.n_bad_records += 1;
            return;
        };
        let visit = &mut *self.visit;
        if let (Some(predictor), Some(walls)) = (&mut visit.predictor, &self.settings.walls) {
            predictor.handle_path(&path, &visit.commands, walls);
        }
    }

    fn handle_applied(&mut self, now: Nanos, frame: &Frame) {
        let header = &frame.header;
        let consumed = match header.consumed_below {
            NONE_CONSUMED => None,
            below => Some(header.tick.wrapping_sub(below)),
        };
        let has_margin = consumed.is_some() || header.margin_2ms != 0;
        if let Some(clock) = &mut self.visit.clock {
            clock.handle_snapshot(now, header.tick, has_margin.then_some(header.margin_2ms));
        }
        let error_mm = self.correct(header.tick, frame, consumed);
        let gap_ns = self.visit.applied_at.map(|before| now.since(before));
        self.visit.applied_at = Some(now);
        self.events.push_back(Event::Applied(Applied { tick: header.tick, gap_ns, error_mm }));
        self.note_consumed(now, consumed);
        if self.settings.decode {
            if let Some(walls) = &self.settings.walls {
                self.visit.view.stop_at_walls(walls);
            }
            self.events.extend(self.visit.view.fresh_timed().iter().map(|timed| Event::Timed(*timed)));
        }
        self.release_facts();
        self.begin_if_ready();
    }

    fn correct(&mut self, tick: u32, frame: &Frame, consumed: Option<u32>) -> Option<u32> {
        let visit = &mut *self.visit;
        let (predictor, walls) = (visit.predictor.as_mut()?, self.settings.walls.as_ref()?);
        let body = visit.view.body();
        let own = OwnAt {
            tick,
            at: (body.x_mm, body.y_mm),
            state: frame.own.state.as_ref(),
            last_state: body.state.as_ref(),
            is_consumed: consumed == Some(tick),
        };
        predictor.handle_own(&own, &visit.commands, walls)
    }

    /// Tells the age of every command that this snapshot is the first to have consumed.
    fn note_consumed(&mut self, now: Nanos, consumed: Option<u32>) {
        let Some(consumed) = consumed else { return };
        let before = self.visit.consumed.unwrap_or(consumed.wrapping_sub(1));
        let n_new = consumed.wrapping_sub(before) as i32;
        if n_new <= 0 {
            return;
        }
        self.visit.consumed = Some(consumed);
        for back in (0..n_new.min(crate::commands::COMMANDS_KEPT as i32) as u32).rev() {
            if let Some(sent_at) = self.visit.commands.sent_at(consumed.wrapping_sub(back)) {
                self.events.push_back(Event::InputAcked { ns: now.since(sent_at) });
            }
        }
    }

    fn release_facts(&mut self) {
        let tick = self.visit.applied_at.map(|_| self.visit.view.tick());
        while let Some(text) = self.visit.facts.pop_until(tick) {
            self.events.push_back(Event::Notice(text));
        }
    }

    fn take_command(&mut self, now: Nanos, tick: u32) {
        let visit = &mut *self.visit;
        visit.commands.push(tick, &self.wanted, now);
        if matches!(self.wanted.movement, Move::Goal(_)) {
            self.wanted.movement = Move::Follow(Follow {});
        }
        self.wanted.deed = None;
        if let (Some(predictor), Some(walls)) = (&mut visit.predictor, &self.settings.walls) {
            predictor.handle_commands(&visit.commands, walls);
        }
    }

    /// When acks are due without a command; nothing before there is something to acknowledge.
    fn ack_deadline(&self) -> Option<Nanos> {
        let is_open = matches!(self.stage, Stage::Entering(_) | Stage::Playing);
        let applied_at = self.visit.applied_at.filter(|_| is_open)?;
        Some(self.visit.input_at.map_or(applied_at, |at| at.plus(ACK_NS)))
    }

    fn silence_deadline(&self) -> Nanos {
        let silence_ns = if self.stage == Stage::Playing { SILENCE_NS_MAX } else { ANSWER_NS_MAX };
        self.visit.applied_at.map_or(Nanos::NEVER, |at| at.plus(silence_ns))
    }

    fn give_up(&mut self, now: Nanos) {
        self.orders.push_back(LinkOrder::Close);
        self.lose(now, false);
    }

    fn lose(&mut self, now: Nanos, is_refused: bool) {
        self.n_lost += 1;
        self.records.clear();
        self.events.push_back(Event::Lost);
        let rtt_ns = self.visit.clock.as_ref().map(Clock::rtt_ns);
        self.stage = Stage::Waiting(self.comeback.handle_lost(now, is_refused, rtt_ns));
    }
}

/// Reads header and own body, and nothing behind them.
///
/// # Errors
/// Any [`DecodeError`] of these two.
pub fn decode_thin(bytes: &[u8], frame: &mut Frame) -> Result<(), DecodeError> {
    let mut padded = [0; THIN_BYTES + GUARD_BYTES];
    let n_bytes = bytes.len().min(THIN_BYTES);
    padded[..n_bytes].copy_from_slice(&bytes[..n_bytes]);
    let mut reader = BitReader::new(&padded, n_bytes);
    frame.header = Header::read(&mut reader)?;
    frame.own = Own::read(&mut reader)?;
    Ok(())
}

#[path = "session_orders.rs"]
mod orders;
#[path = "session_tape.rs"]
mod taping;

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
