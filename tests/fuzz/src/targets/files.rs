//! Files that people give one another: tapes of sessions, recordings of zones, logs of histograms.
//!
//! Files have checksums, so half of these targets wrap the input as its writer would: what is bent then lies behind
//! the checksum.

use super::pieces::{Pieces, push};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use client_core::Nanos;
use client_core::playback::play;
use client_core::tape::{Note, Reel, Tape, TapeHeader};
use engine::economy::{BUNDLE, Goods, MADE_LOW_MIN, Order};
use engine::replay::blocks::BLOCK_HEAD_BYTES;
use engine::replay::bytes::{Bytes, put};
use engine::replay::header::HEADER_BYTES;
use engine::replay::{Header, Outcome, Piece, Reader, Tail, Writer, inputs};
use engine::{Content, DurableId, EntityId, Input, World, ZoneConfig};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use jobs::dump;
use jobs::hist::Durations;
use netproto::input::InputPacket;
use netproto::{Command, Move, Steer};
use std::io::Write as _;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

/// Where a tape has the lengths of its notes, unpacked and packed. Source: docs/replay.md "Tapes".
const TAPE_LENGTHS: usize = 40;
const TAPE_HEAD: usize = 48;

/// A tape: as it is, with its sum made right, or notes that are packed and summed as its writer does.
pub fn tape(bytes: &[u8]) -> bool {
    let Some((kind, rest)) = bytes.split_first() else { return false };
    let mut file = if kind & 1 == 0 { rest.to_vec() } else { wrapped_tape(rest) };
    if kind & 2 == 2 {
        seal(&mut file);
    }
    let Ok(reel) = Reel::decode(&file) else { return false };
    let n_notes = reel.notes().count();
    assert!(n_notes <= 255 * file.len(), "{n_notes} notes in {} bytes", file.len());
    let _whatever_comes_of_it = play(&file);
    true
}

/// Makes the last four bytes the sum of all before them.
pub(super) fn seal(bytes: &mut [u8]) {
    if let Some((body, last)) = bytes.split_last_chunk_mut::<4>() {
        *last = crc32fast::hash(body).to_le_bytes();
    }
}

fn wrapped_tape(notes: &[u8]) -> Vec<u8> {
    let empty =
        Tape::begin(TapeHeader { predict: true, decode: true, start: Nanos(5), ..TapeHeader::default() });
    let mut file = empty.encode();
    file.truncate(TAPE_HEAD);
    let packed = lz4_flex::block::compress(notes);
    for (at, n_bytes) in [notes.len(), packed.len()].into_iter().enumerate() {
        file[TAPE_LENGTHS + 4 * at..][..4].copy_from_slice(&(n_bytes as u32).to_le_bytes());
    }
    file.extend_from_slice(&packed);
    let crc = crc32fast::hash(&file);
    file.extend_from_slice(&crc.to_le_bytes());
    file
}

/// A short tape, whole and its notes alone.
#[must_use]
pub fn tape_seeds() -> Vec<Vec<u8>> {
    let mut tape =
        Tape::begin(TapeHeader { predict: true, decode: true, start: Nanos(5), ..TapeHeader::default() });
    let walk = Command { movement: Move::Steer(Steer { angle: 200, speed: 3 }), deed: None };
    let frame = crate::seeds::good_frames().swap_remove(1);
    let record = crate::seeds::golden("records").swap_remove(1);
    let notes = [
        Note::Timeout,
        Note::Connected,
        Note::Record(&record),
        Note::Datagram(&frame),
        Note::Seen(7),
        Note::Command(walk),
        Note::Input(Some((11, 9))),
        Note::Input(None),
        Note::Closed,
        Note::Leave,
    ];
    notes.iter().zip(5..).for_each(|(note, now)| tape.add(Nanos(now), *note));
    let file = tape.encode();
    let packed = &file[TAPE_HEAD..file.len() - 4];
    let n_notes = u32::from_le_bytes(file[TAPE_LENGTHS..][..4].try_into().expect("four bytes"));
    let raw = lz4_flex::block::decompress(packed, n_notes as usize).expect("it was packed by its writer");
    vec![[&[0], file.as_slice()].concat(), [&[2], file.as_slice()].concat(), [&[1], raw.as_slice()].concat()]
}

/// A recording: as it is, with its sums made right, or ticks that are packed and summed as its writer does.
pub fn replay(bytes: &[u8]) -> bool {
    let Some((kind, rest)) = bytes.split_first() else { return false };
    if kind & 1 == 1 {
        return read_recording(&wrapped_recording(rest));
    }
    if kind & 2 == 2 {
        let mut file = rest.to_vec();
        seal_recording(&mut file);
        return read_recording(&file);
    }
    let mut raw = Bytes::new(rest);
    let _inputs_alone = inputs::read(&mut raw);
    read_recording(rest)
}

/// Makes the sums of the header and of all blocks right, as far as lengths lead.
fn seal_recording(bytes: &mut [u8]) {
    let Some((header, mut rest)) = bytes.split_at_mut_checked(HEADER_BYTES) else { return };
    seal(header);
    while let Some((head, behind)) = rest.split_at_mut_checked(BLOCK_HEAD_BYTES) {
        let n_packed = u32::from_le_bytes([head[8], head[9], head[10], head[11]]) as usize;
        let (packed, behind) = behind.split_at_mut(n_packed.min(behind.len()));
        head[20..24].copy_from_slice(&crc32fast::hash(packed).to_le_bytes());
        seal(head);
        rest = behind;
    }
}

/// Whether there was more than a header.
fn read_recording(mut bytes: &[u8]) -> bool {
    let (mut reader, mut n_pieces) = (Reader::default(), 0);
    loop {
        let Some((part, rest)) = bytes.split_at_checked(reader.need()) else {
            let tail = reader.handle_end(bytes.len());
            assert!(n_pieces > 0 || !matches!(tail, Ok(Tail::Whole)), "nothing is whole");
            return n_pieces > 0;
        };
        bytes = rest;
        match reader.handle_bytes(part) {
            Ok(Some(Piece::Ticks(ticks))) => {
                let n_inputs: usize = ticks.iter().map(|tick| tick.inputs.len()).sum();
                assert!(n_inputs <= 255 * part.len(), "{n_inputs} inputs in {} bytes", part.len());
                n_pieces += 1;
            }
            Ok(Some(Piece::Header(header))) => {
                let _sentence = header.refusal(1);
                n_pieces += 1;
            }
            Ok(Some(Piece::Start { bytes, .. })) => {
                assert!(bytes.len() <= 255 * part.len(), "{} bytes of {}", bytes.len(), part.len());
                n_pieces += 1;
            }
            Ok(Some(Piece::End) | None) => {}
            Err(_) => return n_pieces > 0,
        }
    }
}

/// A good header, and a block of each piece; a kind says how many ticks there are in it.
fn wrapped_recording(bytes: &[u8]) -> Vec<u8> {
    let mut file = good_recording()[..HEADER_BYTES].to_vec();
    let mut first_tick = 1u32;
    for piece in Pieces(bytes) {
        let n_ticks = 1 + u32::from(piece.kind);
        let packed = lz4_flex::block::compress(piece.bytes);
        let start = file.len();
        file.extend_from_slice(b"TICK");
        for word in
            [piece.bytes.len() as u32, packed.len() as u32, first_tick, n_ticks, crc32fast::hash(&packed)]
        {
            file.extend_from_slice(&word.to_le_bytes());
        }
        let crc = crc32fast::hash(&file[start..]);
        file.extend_from_slice(&crc.to_le_bytes());
        file.extend_from_slice(&packed);
        first_tick = first_tick.wrapping_add(n_ticks);
    }
    file
}

/// A zone that costs little to make.
pub(super) const SMALL: ZoneConfig = ZoneConfig {
    seed: 77,
    side_mm: 128_000,
    ticks_per_second: 20,
    players_max: 4,
    creatures: 6,
    spawn_radius_mm: 15_000,
    den_radius_mm: 30_000,
    sending: engine::Sending::News,
};

/// Two players and a few creatures, for half a second.
fn good_recording() -> &'static [u8] {
    static FILE: OnceLock<Vec<u8>> = OnceLock::new();
    FILE.get_or_init(|| {
        let mut world = World::new(&SMALL, Content::standard(20));
        let (mut bytes, mut outcome) = (Vec::new(), Outcome::default());
        let mut writer = Writer::begin(&Header::of(&world, 5, "a seed"), &mut bytes);
        for now in 1..=10 {
            let inputs = some_inputs(now);
            engine::tick(&mut world, &inputs);
            outcome.take(&world, now % 5 == 0);
            outcome.sort();
            writer.add(&inputs, &outcome, &mut bytes).expect("ten ticks fit a block");
        }
        writer.end(&mut bytes).expect("ten ticks fit a block");
        bytes
    })
}

pub(super) fn some_inputs(now: u32) -> Vec<Input> {
    let player = |low| DurableId { low, high: 3 };
    match now {
        1 => vec![
            Input::Join { player: player(1), in_flight_max: 16, place: None },
            Input::Join { player: player(2), in_flight_max: 6, place: Some((60_000, 61_000)) },
        ],
        4 => vec![Input::Shed(2), Input::Detach { player: player(2) }],
        5 => {
            let goods = Goods { thing: 2, count: 3 };
            let bundle = [goods; BUNDLE];
            let orders = [
                Order::PickUp { drop: player(MADE_LOW_MIN) },
                Order::PutDown { goods },
                Order::Give { to: EntityId(7), goods },
                Order::Offer { to: EntityId(7), given: bundle, wanted: bundle },
                Order::Reply { offer: 1, accepts: true },
                Order::Capture { target: EntityId(9) },
                Order::SetFree { beast: player(MADE_LOW_MIN) },
            ];
            let asked = |(request, order)| Input::Order { player: player(1), request, order };
            let others = [Input::Names(3), Input::ReadOnly(false)];
            others.into_iter().chain((1..).zip(orders).map(asked)).collect()
        }
        9 => vec![Input::Leave { player: player(1) }],
        _ => {
            let packet = InputPacket { tick: now, n_commands: 2, ..InputPacket::default() };
            vec![Input::Packet { player: player(1), margin_2ms: -3, packet }]
        }
    }
}

/// A short recording, whole, its ticks alone, and the inputs of a tick.
#[must_use]
pub fn replay_seeds() -> Vec<Vec<u8>> {
    let file = good_recording();
    let head = &file[HEADER_BYTES..][..BLOCK_HEAD_BYTES];
    let word = |at: usize| u32::from_le_bytes(head[at..][..4].try_into().expect("four bytes"));
    let packed = &file[HEADER_BYTES + BLOCK_HEAD_BYTES..][..word(8) as usize];
    let raw = lz4_flex::block::decompress(packed, word(4) as usize).expect("it was packed by its writer");
    let mut pieces = vec![1];
    push(&mut pieces, (word(16) - 1) as u8, &raw);
    let mut inputs_alone = vec![0];
    inputs::write(&mut inputs_alone, &some_inputs(1));
    let mut many = vec![0];
    put(&mut many, 40);
    vec![[&[0], file].concat(), [&[2], file].concat(), pieces, inputs_alone, many]
}

/// A log of histograms: as it is, or with a histogram that is packed as its writer does.
pub fn hist(bytes: &[u8]) -> bool {
    let Some((kind, rest)) = bytes.split_first() else { return false };
    let text = match kind & 1 {
        0 => String::from_utf8_lossy(rest).into_owned(),
        _ => wrapped_histogram(rest),
    };
    let Ok(log) = dump::read(&text) else { return false };
    for entry in &log.entries {
        if let Ok(durations) = entry.durations() {
            assert!(
                durations.n() == 0 || durations.max_ns() >= durations.at_quantile_ns(0.5),
                "the middle is the largest"
            );
        }
    }
    !log.entries.is_empty()
}

/// A line with this histogram in it.
fn wrapped_histogram(raw: &[u8]) -> String {
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(raw).expect("writing to memory does not fail");
    let packed = packed.finish().expect("writing to memory does not fail");
    let mut bytes = 0x1c84_9314_u32.to_be_bytes().to_vec();
    bytes.extend_from_slice(&(packed.len() as u32).to_be_bytes());
    bytes.extend_from_slice(&packed);
    format!("Tag=tick,1700000000.0,1.0,2.0,{}\n", STANDARD.encode(&bytes))
}

/// A log of two lines, and the histogram of one of them.
#[must_use]
pub fn hist_seeds() -> Vec<Vec<u8>> {
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let mut durations = Durations::default();
    for ns in [10_000, 50_000, 51_000, 9_000_000] {
        durations.record_ns(ns);
    }
    let mut log = dump::header(start).into_bytes();
    let mut encoder = dump::Encoder::new();
    for tag in ["tick", "stage-2"] {
        encoder.append(&mut log, tag, start, Duration::from_secs(1), &durations);
    }
    let text = String::from_utf8_lossy(&log).into_owned();
    let line = text.lines().find(|line| line.starts_with("Tag=")).expect("a log has lines");
    let encoded = line.rsplit(',').next().expect("a line ends with its histogram");
    let packed = STANDARD.decode(encoded).expect("histograms are base64");
    let mut raw = Vec::new();
    let mut inflated = flate2::write::ZlibDecoder::new(&mut raw);
    inflated.write_all(&packed[8..]).expect("its writer packed it");
    inflated.finish().expect("its writer packed it");
    vec![[&[0], log.as_slice()].concat(), [&[1], raw.as_slice()].concat()]
}
