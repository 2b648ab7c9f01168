//! Plays a tape: a session without sockets hears again what another one heard, and must see the same.
//!
//! Source: docs/replay.md "Tapes".

use crate::Nanos;
use crate::effects::{Circle, Shot};
use crate::session::{Session, Settings};
use crate::tape::{Note, Reel, TapeError};
use crate::view::View;
use kernel::mix;
use netproto::bits::{BitWriter, GUARD_BYTES};
use netproto::snapshot::{Frame, ones};
use netproto::{OwnState, Timed};

/// Why a tape did not play to its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlayError {
    /// It cannot be read.
    #[error(transparent)]
    Tape(#[from] TapeError),
    /// What is seen or predicted is not what was seen or predicted then.
    #[error("note {at}, {ms} ms after the start: the session sees or predicts something else")]
    Seen {
        /// Which note.
        at: usize,
        /// When.
        ms: u64,
    },
    /// What is sent, and with it what is acknowledged, is not what was sent then.
    #[error(
        "note {at}, {ms} ms after the start: the session sends {found:?} and sent {recorded:?} (length, sum)"
    )]
    Sent {
        /// Which note.
        at: usize,
        /// When.
        ms: u64,
        /// Then.
        recorded: Option<(u32, u32)>,
        /// Now.
        found: Option<(u32, u32)>,
    },
}

/// What a tape held.
#[derive(Clone, Debug, Default)]
pub struct Played {
    /// Datagrams that came.
    pub n_datagrams: u64,
    /// Datagrams that were sent.
    pub n_inputs: u64,
    /// Sums that were compared.
    pub n_compared: u64,
    /// From the first note to the last.
    pub ns: u64,
}

/// Plays a tape, and gives the session as it was at the end.
///
/// # Errors
/// [`PlayError`]: the first thing that is not as it was.
pub fn play(bytes: &[u8]) -> Result<(Session, Played), PlayError> {
    let reel = Reel::decode(bytes)?;
    let header = &reel.header;
    let settings = Settings {
        build: header.build.clone(),
        seed: header.seed,
        predict: header.predict,
        pack: header.pack,
        decode: header.decode,
        walls: None,
    };
    let mut session = Session::new(settings, header.start);
    let (mut played, mut frame) = (Played::default(), Box::<Frame>::default());
    for (at, note) in reel.notes().enumerate() {
        let (now, note) = note?;
        played.ns = played.ns.max(now.since(header.start));
        let ms = now.since(header.start) / 1_000_000;
        match note {
            Note::Seen(recorded) => {
                played.n_compared += 1;
                if seen(&session) != recorded {
                    return Err(PlayError::Seen { at, ms });
                }
            }
            Note::Input(recorded) => {
                let found = session.poll_input(now).map(sum);
                played.n_inputs += u64::from(found.is_some());
                if found != recorded {
                    return Err(PlayError::Sent { at, ms, recorded, found });
                }
            }
            other => {
                played.n_datagrams += u64::from(matches!(other, Note::Datagram(_)));
                hear(&mut session, now, other, &mut frame);
            }
        }
        drain(&mut session);
    }
    Ok((session, played))
}

fn hear(session: &mut Session, now: Nanos, note: Note<'_>, frame: &mut Frame) {
    match note {
        Note::Command(command) => session.set_command(command),
        Note::Order(bytes) => {
            // It was one when it was noted.
            if let Ok(order) = netproto::Record::decode(bytes) {
                session.ask(order);
            }
        }
        Note::Leave => session.leave(),
        Note::Connected => session.handle_connected(now),
        Note::Closed => session.handle_closed(now),
        Note::Record(bytes) => session.handle_record(now, bytes),
        Note::Datagram(bytes) => session.handle_datagram(now, bytes, frame),
        Note::Timeout => session.handle_timeout(now),
        Note::Input(_) | Note::Seen(_) => {}
    }
}

/// Nobody listens: what the session says goes nowhere.
fn drain(session: &mut Session) {
    while session.poll_link().is_some() {}
    while session.poll_record().is_some() {}
    while session.poll_event().is_some() {}
}

/// Length and sum of a datagram.
pub(crate) fn sum(bytes: &[u8]) -> (u32, u32) {
    (bytes.len() as u32, crc32fast::hash(bytes))
}

/// One number for all that a person in front of the session could see, and for what it will acknowledge.
pub(crate) fn seen(session: &Session) -> u64 {
    let mut sum = Sum(0);
    add_view(&mut sum, session.view());
    add_effects(&mut sum, session.view());
    let acks = session.view().acks();
    sum.add(u64::from(acks.seen) << 32 | u64::from(acks.newest) << 16 | u64::from(acks.before));
    let own = session.own_at();
    sum.add_place(own);
    sum.add(session.input_due().0);
    if let Some(predictor) = session.predictor() {
        let (tick, at) = predictor.newest().unwrap_or_default();
        sum.add(u64::from(tick));
        sum.add_place(at);
        let walker = predictor.walker().copied().unwrap_or_default();
        sum.add((walker.state as u64) << 32 | u64::from(walker.resource) << 16 | u64::from(walker.waypoint));
        sum.add(u64::from(walker.forced_ticks) << 8 | u64::from(walker.dash_wait_ticks));
        sum.add_place(walker.forced);
        sum.add_place(walker.goal);
        sum.add(predictor.counts.corrected << 32 | predictor.counts.compared & 0xffff_ffff);
    }
    sum.0
}

fn add_view(sum: &mut Sum, view: &View) {
    let slots = view.slots();
    sum.add(u64::from(view.tick()));
    sum.add(view.occupied());
    sum.add(view.counts.applied << 32 | view.counts.late << 16 | view.counts.decode_errors);
    for slot in ones(view.occupied()).map(|slot| slot as usize) {
        sum.add(u64::from(slots.entity[slot]) << 8 | slots.kind[slot] as u64);
        let segment = &slots.segment[slot];
        sum.add_place((segment.x_mm, segment.y_mm));
        sum.add_place((i32::from(segment.vx), i32::from(segment.vy)));
        sum.add(u64::from(segment.tick));
        sum.add(slots.vitals[slot].pack());
        sum.add(slots.status[slot].pack());
        sum.add(slots.look[slot].pack());
    }
    let body = view.body();
    sum.add_place((body.x_mm, body.y_mm));
    sum.add(u64::from(body.state_tick));
    if let Some(state) = &body.state {
        let mut buffer = [0; OwnState::BITS_MAX.div_ceil(8) as usize + GUARD_BYTES];
        let mut writer = BitWriter::new(&mut buffer);
        state.write(&mut writer);
        let n_bytes = writer.finish();
        sum.add(u64::from(crc32fast::hash(&buffer[..n_bytes])));
    }
    for timed in view.fresh_timed() {
        let mut buffer = [0; Timed::BITS_MAX.div_ceil(8) as usize + GUARD_BYTES];
        let mut writer = BitWriter::new(&mut buffer);
        timed.write(&mut writer);
        let n_bytes = writer.finish();
        sum.add(u64::from(crc32fast::hash(&buffer[..n_bytes])));
    }
}

fn add_effects(sum: &mut Sum, view: &View) {
    for Circle { owner, at, radius_mm, announced, impact, skill, hurts } in view.circles() {
        sum.add(u64::from(*owner) << 16 | (*skill as u64) << 8 | *hurts as u64);
        sum.add(u64::from(*announced) << 32 | u64::from(*impact));
        sum.add_place(*at);
        sum.add(*radius_mm as u64);
    }
    for shot in view.shots() {
        // Whether it knows the walls shows in its steps.
        let Shot { owner, start, velocity, announced, release, n_steps, hit, skill, hurts, .. } = shot;
        sum.add(u64::from(*owner) << 16 | (*skill as u64) << 8 | *hurts as u64);
        sum.add(u64::from(*announced) << 32 | u64::from(*release));
        sum.add_place(*start);
        sum.add_place(*velocity);
        sum.add(u64::from(*n_steps) << 32 | u64::from(hit.unwrap_or_default()));
    }
}

/// A sum that the order matters to.
struct Sum(u64);

impl Sum {
    fn add(&mut self, word: u64) {
        self.0 = mix(self.0 ^ word);
    }

    fn add_place(&mut self, (x, y): (i32, i32)) {
        self.add(u64::from(x as u32) << 32 | u64::from(y as u32));
    }
}
