//! A client before a server that means harm: what it decodes, and all that it does with it.

use super::pieces::{Pieces, push};
use crate::seeds;
use client_core::Nanos;
use client_core::interpolate::{Interpolator, Moment};
use client_core::session::{Session, Settings, decode_thin};
use client_core::view::View;
use client_core::walls::{Loader, WallError, records};
use kernel::walls::Walls;
use netproto::snapshot::{Frame, decode};
use netproto::{
    Command, Deed, Goal, KERNEL_VERSION, Move, Notice, Pace, Path, Record, SLOTS, Steer, Welcome,
};

const SEED: u64 = 9;
/// A zone of four tiles.
const SIDE_MM: i32 = 100_000;
/// Of a clock: what a piece of this kind brings at most.
const WAIT_NS_PER_STEP: u64 = 1_000_000;
/// Input datagrams that a client may be made to send at once.
const INPUTS_MAX: usize = 64;

fn zone_walls() -> Walls {
    Walls::from_seed(SEED, SIDE_MM)
}

/// Frames one behind the other, applied; those of odd kinds get the next number, so that they count.
pub fn view(bytes: &[u8]) -> bool {
    let (mut view, mut frame, mut drawn) =
        (View::default(), Box::<Frame>::default(), Interpolator::default());
    let walls = zone_walls();
    let (mut number, mut is_past) = (0u16, false);
    for piece in Pieces(bytes) {
        let mut packet = piece.bytes.to_vec();
        if piece.kind & 1 == 1 {
            number = number.wrapping_add(u16::from(piece.kind >> 4).max(1));
            packet.iter_mut().zip(number.to_le_bytes()).for_each(|(byte, new)| *byte = new);
        }
        is_past |= decode_thin(&packet, &mut frame).is_ok();
        if decode(&packet, &mut frame).is_err() || !view.apply(&frame) {
            continue;
        }
        view.stop_at_walls(&walls);
        look_at(&view, &mut drawn);
    }
    is_past
}

/// Everything that somebody who draws would ask.
fn look_at(view: &View, drawn: &mut Interpolator) {
    let now = view.tick();
    let moment = Moment::to_draw(now, 0.5, 20);
    drawn.handle_view(view, moment);
    for slot in 0..SLOTS as u32 {
        for tick in [now, now.wrapping_add(1), now.wrapping_sub(300)] {
            assert_eq!(view.at(slot, tick).is_some(), view.occupied() >> slot & 1 == 1);
        }
        drawn.at(slot, moment);
    }
    for circle in view.circles() {
        let _is_hit = circle.covers((0, 0), 300);
    }
    for shot in view.shots() {
        for tick in [now, shot.announced, shot.release, shot.ends()] {
            let _place = shot.at(tick);
        }
    }
    assert!(view.fresh_timed().len() <= netproto::TIMED_PENDING_MAX);
}

/// Golden frames, alone and in a row.
#[must_use]
pub fn view_seeds() -> Vec<Vec<u8>> {
    let frames = seeds::good_frames();
    let mut seeds = Vec::new();
    for frame in &frames {
        let mut seed = Vec::new();
        push(&mut seed, 0, frame);
        push(&mut seed, 1, frame);
        seeds.push(seed);
    }
    let mut all = Vec::new();
    frames.iter().filter(|frame| frame.len() < 200).for_each(|frame| push(&mut all, 1, frame));
    seeds.push(all);
    seeds
}

/// Wall records: as they come, with an lz4 block of the input's choice, and packed from the input.
pub fn walls(bytes: &[u8]) -> bool {
    let good = zone_walls();
    let mut loader = Loader::new(good.tiles_per_side(), good.hash());
    let mut is_past = false;
    for piece in Pieces(bytes) {
        let part = |lz4| netproto::Walls {
            tiles_per_side: good.tiles_per_side(),
            first_tile: u32::from(piece.kind >> 2 & 7),
            n_tiles: 1 + u32::from(piece.kind >> 5),
            lz4,
        };
        let record = match piece.kind & 3 {
            0 | 1 => match Record::decode(piece.bytes) {
                Ok(Record::Walls(record)) => record,
                _ => continue,
            },
            2 => part(piece.bytes.to_vec()),
            _ => part(lz4_flex::block::compress(piece.bytes)),
        };
        let outcome = loader.handle_record(&record);
        is_past |= !matches!(outcome, Err(WallError::Size { .. } | WallError::Tiles { .. }));
        if let Ok(Some(whole)) = outcome {
            assert_eq!(whole.hash(), good.hash(), "other walls than were announced");
            return true;
        }
    }
    is_past
}

/// The records of a small zone.
#[must_use]
pub fn walls_seeds() -> Vec<Vec<u8>> {
    let good = zone_walls();
    let mut seeds = Vec::new();
    for tiles_max in [1, 2, 4] {
        let (mut whole, mut blocks) = (Vec::new(), Vec::new());
        for record in records(&good, tiles_max) {
            let mut bytes = Vec::new();
            record.encode(&mut bytes);
            push(&mut whole, 0, &bytes);
            push(
                &mut blocks,
                2 | (record.first_tile as u8) << 2 | (record.n_tiles as u8 - 1) << 5,
                &record.lz4,
            );
        }
        seeds.extend([whole, blocks]);
    }
    let mut raw = Vec::new();
    good.tiles_to_bytes(0, 1, &mut raw);
    let mut packed = Vec::new();
    push(&mut packed, 3, &raw);
    seeds.push(packed);
    seeds
}

/// A whole session: records, datagrams, and the time between them.
pub fn session(bytes: &[u8]) -> bool {
    let mut client = Client::new();
    for piece in Pieces(bytes) {
        client.hear(piece.kind, piece.bytes);
        client.drain();
    }
    client.session.view().counts.applied > 0 || client.session.welcome().is_some()
}

struct Client {
    session: Session,
    frame: Box<Frame>,
    now: Nanos,
    number: u16,
}

impl Client {
    /// Connected, and has said hello.
    fn new() -> Self {
        let now = Nanos(1_000_000_000);
        let mut session = Session::new(Settings { seed: 1, ..Settings::default() }, now);
        session.handle_timeout(now);
        session.handle_connected(now);
        let mut client = Self { session, frame: Box::default(), now, number: 0 };
        client.drain();
        client
    }

    fn hear(&mut self, kind: u8, bytes: &[u8]) {
        match kind & 7 {
            0 | 1 => self.session.handle_record(self.now, bytes),
            2 => self.session.handle_datagram(self.now, bytes, &mut self.frame),
            3 | 4 => {
                // Numbered, so that it is applied: the first field of a snapshot is its number.
                self.number = self.number.wrapping_add(1 + u16::from(kind >> 5));
                let mut packet = bytes.to_vec();
                packet.iter_mut().zip(self.number.to_le_bytes()).for_each(|(byte, new)| *byte = new);
                self.session.handle_datagram(self.now, &packet, &mut self.frame);
            }
            5 => {
                let n_steps = bytes.iter().fold(0u64, |sum, byte| sum * 7 % 5_000 + u64::from(*byte));
                self.now = self.now.plus(n_steps * WAIT_NS_PER_STEP);
                self.session.handle_timeout(self.now);
            }
            6 => self.session.set_command(command(bytes)),
            _ => {
                self.session.handle_closed(self.now);
                self.now = self.session.poll_timeout().max(self.now);
                self.session.handle_timeout(self.now);
                self.session.handle_connected(self.now);
            }
        }
    }

    fn drain(&mut self) {
        while self.session.poll_link().is_some() {}
        while self.session.poll_record().is_some() {}
        let mut n_inputs = 0;
        while self.session.poll_input(self.now).is_some() {
            n_inputs += 1;
            assert!(n_inputs <= INPUTS_MAX, "a server makes its client send {n_inputs} datagrams at once");
        }
        while self.session.poll_event().is_some() {}
        let _place = self.session.own_at();
        if let Some(clock) = self.session.clock() {
            let _moment = clock.snapshot_tick(self.now);
        }
    }
}

/// What a person might do meanwhile.
fn command(bytes: &[u8]) -> Command {
    let byte = |at: usize| u32::from(bytes.get(at).copied().unwrap_or(0));
    let movement = match byte(0) & 1 {
        0 => Move::Steer(Steer { angle: byte(1), speed: byte(2) & 3 }),
        _ => Move::Goal(Goal { x_mm: byte(1) << 8, y_mm: byte(2) << 8 }),
    };
    let deed = Deed { swing: byte(3) & 1 == 1, dash: byte(3) & 2 == 2, aim: byte(4), ..Deed::default() };
    Command { movement, deed: Some(deed).filter(|deed| *deed != Deed::default()) }
}

fn encoded(encode: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(&mut bytes);
    bytes
}

/// A welcome, the walls, snapshots, a path, a pace: what an honest zone says, in short.
#[must_use]
pub fn session_seeds() -> Vec<Vec<u8>> {
    let walls = zone_walls();
    let welcome = Welcome {
        entity: 42,
        tick: 100,
        ticks_per_second: 20,
        side_mm: SIDE_MM as u32,
        wall_hash: walls.hash(),
        resume_token: vec![7; 32],
        kernel_version: u32::from(KERNEL_VERSION),
        ..Welcome::default()
    };
    let path =
        Path { goal_tick: 12_002, effective_tick: 12_004, x_mm: vec![50_000, 60_000], y_mm: vec![50_000, 1] };
    let pace = Pace { tick: 12_003, period_us: 70_000 };
    let notice = Notice { tick: 12_001, text: "the zone goes down".to_owned() };
    let frames = seeds::good_frames();
    let mut seeds = Vec::new();
    for frame in frames.iter().filter(|frame| frame.len() < 300) {
        let mut seed = Vec::new();
        push(&mut seed, 0, &encoded(|out| welcome.encode(out)));
        for record in records(&walls, 4) {
            push(&mut seed, 0, &encoded(|out| record.encode(out)));
        }
        push(&mut seed, 3, frame);
        push(&mut seed, 6, &[1, 90, 90, 2, 7]);
        push(&mut seed, 5, &[50]);
        push(&mut seed, 3, frame);
        for record in [encoded(|out| path.encode(out)), encoded(|out| pace.encode(out))] {
            push(&mut seed, 0, &record);
        }
        push(&mut seed, 0, &encoded(|out| notice.encode(out)));
        push(&mut seed, 5, &[90]);
        push(&mut seed, 3, frame);
        push(&mut seed, 7, &[]);
        push(&mut seed, 3, frame);
        seeds.push(seed);
    }
    seeds
}
