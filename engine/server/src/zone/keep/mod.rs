//! What outlives the process: the zone's log and its checkpoints, and the way back from them.
//!
//! [`open`] opens the log and lives it again, [`Keeper`] is the tick's end of it from then on. [`checkpoints`] are
//! written by a thread of their own, [`notes`] are what is kept of players beside the world.
//!
//! The tick never waits for a disk: it hands over and looks later how far the disk has come. What a player may rely on,
//! such as a token to come back with, is told when the log holds it. Source: docs/storage.md.

pub mod checkpoints;
pub mod notes;
pub mod open;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use engine::durable::hash_is_due;
use engine::durable::record::{self, OPEN, TICK};
use engine::economy::{Receipt, ReceiptBody};
use engine::replay::Header;
use engine::{Fact, FactBody, Input, World, lived_hash};
use netproto::Outcome;
use storage::Lsn;
use storage::wal::{Batch, Health, Refused, Writer};

use super::tokens::Grant;
use checkpoints::Checkpoints;

/// A copy of the zone every so many seconds: as much log has to be lived again.
const CHECKPOINT_SECONDS: u32 = 30;
/// Ticks that wait in memory when the log takes nothing, before the zone gives up: a minute at 20 Hz.
const WAITING_TICKS_MAX: usize = 1_200;
/// Ticks that wait in memory while the disk is full, before the zone goes on without a log: ten seconds at 20 Hz.
const FULL_TICKS_MAX: usize = 200;
/// How long the end of a zone waits for the disk.
const END: Duration = Duration::from_secs(5);

/// Name of this build, in files.
pub const BUILD: &str = concat!("arcane ", env!("CARGO_PKG_VERSION"));

/// How it goes, for whoever looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// There is a log.
    pub is_on: bool,
    /// Records that were handed over and are not yet safe.
    pub n_unsafe: u64,
    /// Ticks that wait in memory because the log takes nothing.
    pub n_waiting: u64,
    /// The disk was full for so long that the zone goes on without a log, until there is room.
    pub is_adrift: bool,
    /// Files that hold the log, and files kept ready.
    pub n_files: (u64, u64),
    /// The log has room: 0 well, 1 its last files, 2 none, 3 it failed.
    pub health: u8,
    /// Records since the log began.
    pub lsn: u64,
    /// The last record that a checkpoint holds.
    pub checkpoint_lsn: u64,
}

impl Kept {
    /// Its health in one word.
    #[must_use]
    pub fn health_name(&self) -> &'static str {
        ["well", "spares_low", "full", "failed"][usize::from(self.health) % 4]
    }
}

/// Something that a player is told when it is safe.
#[derive(Clone, Debug)]
pub enum Held {
    /// A fact.
    Fact(Fact),
    /// What the player owns now.
    Receipt(Box<Receipt>),
}

/// The tick's end of log and checkpoints; of nothing, where a zone keeps nothing.
#[derive(Default)]
pub struct Keeper(Option<Line>);

struct Line {
    writer: Writer<()>,
    checkpoints: Checkpoints,
    /// Records that found no empty batch, oldest first.
    waiting: VecDeque<Batch<()>>,
    /// What players are told once a record is safe, oldest first.
    held: VecDeque<(Lsn, u32, Held)>,
    granted: Vec<Grant>,
    hash_before: Option<u64>,
    next_checkpoint: u32,
    /// No records are made: there is no room for them, and nothing changes hands.
    is_adrift: bool,
    /// The world is not what the log leads to: nothing is promised before a checkpoint of this record, or a later one, says
    /// what it is.
    doubted_upto: Option<Lsn>,
    notes: Vec<u8>,
}

/// Why a zone cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// Its log takes nothing any more.
    #[error("the log cannot be written to: the zone ends, so that nothing is promised that is not kept")]
    Log,
    /// The disk has not answered for too long.
    #[error(
        "the disk has taken nothing for {0} ticks: the zone ends, so that nothing is promised that is not kept"
    )]
    Stuck(usize),
}

impl Keeper {
    /// On a log that is open; its first record says which world goes on in it. One that is doubted is not what the log
    /// leads to: it is copied at once.
    fn on(
        writer: Writer<()>,
        checkpoints: Checkpoints,
        world: &World,
        is_doubted: bool,
    ) -> Result<Self, KeepError> {
        let mut line = Line {
            writer,
            checkpoints,
            waiting: VecDeque::new(),
            held: VecDeque::new(),
            granted: Vec::new(),
            hash_before: None,
            // Soon: the ticks that were lived again need not be once more.
            next_checkpoint: world.now() + if is_doubted { 0 } else { world.config().ticks_per_second },
            is_adrift: false,
            doubted_upto: None,
            notes: Vec::new(),
        };
        line.record(OPEN, world.now(), |out| out.extend_from_slice(&Header::of(world, 1, BUILD).encode()))?;
        line.doubted_upto = is_doubted.then(|| line.newest());
        Ok(Self(Some(line)))
    }

    /// A tick is about to be stepped.
    ///
    /// - Cost: now and then one pass over the rows.
    pub fn handle_begin(&mut self, world: &World) {
        if let Some(line) = &mut self.0 {
            line.hash_before = hash_is_due(world.now() + 1).then(|| lived_hash(world));
        }
    }

    /// A player got a token in the tick that is about to be stepped.
    pub fn handle_granted(&mut self, grants: impl Iterator<Item = Grant>) {
        if let Some(line) = &mut self.0 {
            line.granted.extend(grants);
        } else {
            grants.for_each(drop);
        }
    }

    /// All that can happen in a tick has happened: its record leaves for the log.
    ///
    /// - Cost: writes the inputs as bytes; no system call, unless the log's thread has to be woken. It never waits.
    ///
    /// # Errors
    /// [`KeepError`]: the zone must end.
    pub fn handle_settled(&mut self, world: &World, inputs: &[Input]) -> Result<(), KeepError> {
        let Some(line) = &mut self.0 else { return Ok(()) };
        let (mut notes, hash) = (std::mem::take(&mut line.notes), line.hash_before.take());
        notes.clear();
        if !line.granted.is_empty() {
            notes::write(&mut notes, &line.granted);
            line.granted.clear();
        }
        let write = |out: &mut Vec<u8>| record::write(out, inputs, world.effects(), &notes, hash);
        let recorded = line.record(TICK, world.now(), write);
        line.notes = notes;
        recorded
    }

    /// A fact of the tick that was just settled: it is given back when it may be told at once, and kept until then otherwise.
    pub fn handle_fact(&mut self, tick: u32, fact: &Fact) -> Option<Fact> {
        let Some(line) = &mut self.0 else { return Some(*fact) };
        // A token in somebody's hands must be good after a crash, and what an operator was told is done must be.
        if !matches!(fact.body, FactBody::Joined { .. } | FactBody::Decreed { .. }) {
            return Some(*fact);
        }
        line.held.push_back((line.newest(), tick, Held::Fact(*fact)));
        None
    }

    /// A receipt of the tick that was just settled, likewise: what a player is told to own must survive.
    pub fn handle_receipt(&mut self, tick: u32, receipt: &Receipt) -> Option<Receipt> {
        let Some(line) = &mut self.0 else { return Some(*receipt) };
        // A no for want of room must not wait for room, and what lies there is nobody's yet: it is seen as in snapshots.
        let is_free = match receipt.body {
            ReceiptBody::Answer { outcome, .. } => outcome == Outcome::ReadOnly,
            ReceiptBody::Drops { .. } => true,
            _ => false,
        };
        if is_free {
            return Some(*receipt);
        }
        line.held.push_back((line.newest(), tick, Held::Receipt(Box::new(*receipt))));
        None
    }

    /// Whether nothing new may be promised: the log has no room for more, or the world is in doubt.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        let is_shut = |line: &Line| {
            line.is_adrift || line.doubted_upto.is_some() || line.writer.health() == Health::Full
        };
        self.0.as_ref().is_some_and(is_shut)
    }

    /// The next thing to tell whose record is safe, with its tick.
    pub fn poll_held(&mut self) -> Option<(u32, Held)> {
        let line = self.0.as_mut()?;
        let newest = line.checkpoints.newest();
        line.doubted_upto = line.doubted_upto.filter(|lsn| newest < *lsn);
        let (lsn, ..) = line.held.front()?;
        if line.doubted_upto.is_some() || *lsn > line.writer.durable() {
            return None;
        }
        line.held.pop_front().map(|(_, tick, held)| (tick, held))
    }

    /// A tick is over: when it is time, the zone is copied for a checkpoint.
    ///
    /// - Cost: nothing in most ticks; a copy of the zone in one of some hundred.
    pub fn handle_end(&mut self, world: &World, grants: impl Iterator<Item = Grant>) {
        let Some(line) = &mut self.0 else { return };
        if world.now() < line.next_checkpoint || !line.waiting.is_empty() || line.is_adrift {
            return;
        }
        let newest = line.newest();
        if line.checkpoints.begin(world, newest, grants) {
            line.next_checkpoint = world.now() + CHECKPOINT_SECONDS * world.config().ticks_per_second;
        }
        line.writer.release(line.checkpoints.not_needed());
    }

    /// Copies the zone a last time, waits until the disk holds everything, and ends the threads.
    pub fn end(&mut self, world: &World, grants: impl Iterator<Item = Grant>) {
        let Some(mut line) = self.0.take() else { return };
        let until = Instant::now() + END;
        while !line.waiting.is_empty() && line.flush().is_ok() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        let newest = line.newest();
        while !line.checkpoints.is_free() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        line.checkpoints.begin(world, newest, grants);
        line.finish(until);
    }

    /// Waits until the disk holds what it was given, and ends the threads: the zone itself cannot be trusted any more.
    pub fn seal(&mut self) {
        if let Some(line) = self.0.take() {
            line.finish(Instant::now() + END);
        }
    }

    /// How it goes.
    #[must_use]
    pub fn kept(&self) -> Kept {
        let Some(line) = &self.0 else { return Kept::default() };
        let newest = line.newest();
        Kept {
            is_on: true,
            n_unsafe: newest.0.saturating_sub(line.writer.durable().0),
            n_waiting: line.waiting.len() as u64,
            is_adrift: line.is_adrift,
            n_files: line.writer.n_files(),
            health: line.writer.health() as u8,
            lsn: newest.0,
            checkpoint_lsn: line.checkpoints.newest().0,
        }
    }
}

impl Line {
    /// The last record that was made.
    fn newest(&self) -> Lsn {
        Lsn(self.writer.next().0 - 1 + self.waiting.len() as u64)
    }

    fn record(&mut self, kind: u8, tick: u32, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), KeepError> {
        self.flush()?;
        if self.is_adrift && !self.is_room_again(tick) {
            return Ok(());
        }
        let spare = if self.waiting.is_empty() { self.writer.spare() } else { None };
        let is_spare = spare.is_some();
        let mut batch = spare.unwrap_or_default();
        (batch.kind, batch.tick) = (kind, tick);
        write(&mut batch.payload);
        if is_spare {
            return self.send(batch);
        }
        if self.waiting.len() >= FULL_TICKS_MAX && self.writer.health() == Health::Full {
            self.go_adrift();
            return Ok(());
        }
        if self.waiting.len() == WAITING_TICKS_MAX {
            return Err(KeepError::Stuck(WAITING_TICKS_MAX));
        }
        self.waiting.push_back(batch);
        Ok(())
    }

    /// What waits is given up: nobody was told of it, and nothing changes hands any more. What is to be told of it has to
    /// wait for the checkpoint behind the gap.
    fn go_adrift(&mut self) {
        tracing::error!(
            "the disk is full: the zone goes on without a log, and nothing changes hands until there is room"
        );
        self.is_adrift = true;
        self.waiting.clear();
        let next = self.writer.next();
        self.held.iter_mut().for_each(|(lsn, ..)| *lsn = next.min(*lsn));
    }

    /// Whether the log takes records again. They do not follow the ones before: a checkpoint comes first.
    fn is_room_again(&mut self, tick: u32) -> bool {
        let (next, health) = (self.writer.next(), self.writer.health());
        if health == Health::Full || self.writer.durable().next() < next {
            return false;
        }
        tracing::warn!(tick, "there is room for the log again");
        (self.is_adrift, self.doubted_upto, self.next_checkpoint) = (false, Some(next), tick);
        true
    }

    /// Hands over what waited, as far as batches are back.
    fn flush(&mut self) -> Result<(), KeepError> {
        if self.writer.health() == Health::Failed {
            return Err(KeepError::Log);
        }
        while !self.waiting.is_empty() {
            // The batch that comes back is another one; its memory is let go, which is as it should be after a stall.
            let Some(_room) = self.writer.spare() else { break };
            let batch = self.waiting.pop_front().expect("there is one");
            self.send(batch)?;
        }
        Ok(())
    }

    fn send(&mut self, batch: Batch<()>) -> Result<(), KeepError> {
        match self.writer.send(batch) {
            Ok(_) => Ok(()),
            Err(Refused::Gone(_) | Refused::TooLong(_)) => Err(KeepError::Log),
        }
    }

    fn finish(self, until: Instant) {
        let rest = || until.saturating_duration_since(Instant::now());
        if self.writer.end(rest()).is_none() {
            tracing::warn!("the disk does not answer: the end of the log may be missing");
        }
        self.checkpoints.end(rest());
    }
}
