//! What travels, each decoder alone: whatever it takes must come back as the same bytes.

use crate::seeds;
use client_core::session::decode_thin;
use engine::input::CommandQueue;
use netproto::bits::{BitReader, GUARD_BYTES};
use netproto::generated::by_name;
use netproto::input::InputPacket;
use netproto::snapshot::{self, Frame, Part};
use netproto::{
    Acks, CommandsHead, FRAME_BYTES_MAX, Goodbye, Hello, INPUT_BYTES_MAX, Notice, Pace, Path, Record,
    RefusedRecord, SLOTS, Walls, Welcome, records, version,
};

/// First bytes of all records that there are.
const OPCODES: [u8; 18] = [
    Welcome::OPCODE,
    RefusedRecord::OPCODE,
    Walls::OPCODE,
    Path::OPCODE,
    Goodbye::OPCODE,
    Notice::OPCODE,
    Pace::OPCODE,
    records::Answer::OPCODE,
    records::Purse::OPCODE,
    records::Drops::OPCODE,
    records::Offered::OPCODE,
    records::PickUp::OPCODE,
    records::PutDown::OPCODE,
    records::Give::OPCODE,
    records::Offer::OPCODE,
    records::Reply::OPCODE,
    records::Capture::OPCODE,
    records::SetFree::OPCODE,
];

/// A datagram from a client, and the queue of its commands.
pub fn input(bytes: &[u8]) -> bool {
    if let Ok(packet) = InputPacket::decode(bytes) {
        let mut buffer = [0; INPUT_BYTES_MAX + GUARD_BYTES];
        assert_eq!(packet.encode(&mut buffer), bytes, "what was read is written otherwise");
        let mut queue = CommandQueue::default();
        for now in packet.tick.wrapping_sub(10)..packet.tick {
            let (n_new, n_refused) = queue.take(now, &packet);
            assert!(n_refused <= n_new && n_new <= u32::from(packet.n_commands), "more commands than came");
            queue.consume(now.wrapping_add(1));
        }
        assert_eq!(packet.oldest_first().count(), usize::from(packet.n_commands));
    }
    let mut padded = [0; INPUT_BYTES_MAX + GUARD_BYTES];
    let n_bytes = bytes.len().min(INPUT_BYTES_MAX);
    padded[..n_bytes].copy_from_slice(&bytes[..n_bytes]);
    let mut reader = BitReader::new(&padded, n_bytes);
    Acks::read(&mut reader).is_ok() && CommandsHead::read(&mut reader).is_ok()
}

/// Golden inputs.
#[must_use]
pub fn input_seeds() -> Vec<Vec<u8>> {
    seeds::golden("inputs")
}

/// A tagged record, whoever it is for.
pub fn record(bytes: &[u8]) -> bool {
    let decoded = Record::decode(bytes);
    if let Ok(record) = &decoded
        && !matches!(record, Record::Unknown { .. })
    {
        let mut again = Vec::new();
        record.encode(&mut again);
        assert_eq!(Record::decode(&again).as_ref(), Ok(record), "what was read is written otherwise");
    }
    let n_named = [
        Welcome::decode(bytes).is_ok(),
        RefusedRecord::decode(bytes).is_ok(),
        Walls::decode(bytes).is_ok(),
        Path::decode(bytes).is_ok(),
        Goodbye::decode(bytes).is_ok(),
        Notice::decode(bytes).is_ok(),
        Pace::decode(bytes).is_ok(),
        records::Answer::decode(bytes).is_ok(),
        records::Purse::decode(bytes).is_ok(),
        records::Drops::decode(bytes).is_ok(),
        records::Offered::decode(bytes).is_ok(),
        records::PickUp::decode(bytes).is_ok(),
        records::PutDown::decode(bytes).is_ok(),
        records::Give::decode(bytes).is_ok(),
        records::Offer::decode(bytes).is_ok(),
        records::Reply::decode(bytes).is_ok(),
        records::Capture::decode(bytes).is_ok(),
        records::SetFree::decode(bytes).is_ok(),
    ];
    let n_named = n_named.into_iter().filter(|is_ok| *is_ok).count();
    assert!(n_named <= 1, "a record of several kinds");
    let is_known = matches!(&decoded, Ok(record) if !matches!(record, Record::Unknown { .. }));
    assert_eq!(n_named == 1, is_known, "a record is read in one way and not in the other");
    bytes.first().is_some_and(|opcode| OPCODES.contains(opcode))
}

/// Golden records.
#[must_use]
pub fn record_seeds() -> Vec<Vec<u8>> {
    seeds::golden("records")
}

/// The first record of a connection.
pub fn hello(bytes: &[u8]) -> bool {
    let judged = version::judge(bytes);
    match Hello::decode(bytes) {
        Ok(hello) => {
            let mut again = Vec::new();
            hello.encode(&mut again);
            assert!(again.len() <= Hello::BYTES_MAX, "a hello of {} bytes", again.len());
            assert!(bytes.starts_with(&again), "what was read is written otherwise");
        }
        Err(error) => {
            let refused = judged.expect_err("a hello that cannot be read is refused");
            assert!(refused.text.contains(&error.to_string()), "refused with another reason");
        }
    }
    bytes.starts_with(b"ARCN")
}

/// Golden hellos, and this build's own.
#[must_use]
pub fn hello_seeds() -> Vec<Vec<u8>> {
    let mut own = Vec::new();
    version::hello("a build").encode(&mut own);
    let mut seeds = seeds::golden("hello");
    seeds.push(own);
    seeds
}

/// A snapshot; and each block and union by its name, for what a frame never holds in that way.
pub fn snapshot(bytes: &[u8]) -> bool {
    let mut frame = Box::<Frame>::default();
    let (mut is_past, mut last) = (false, 0);
    let decoded = snapshot::decode_traced(bytes, &mut frame, |part, at_bit, _| {
        assert!(last <= at_bit && at_bit <= bytes.len() * 8, "a part ends at bit {at_bit}");
        last = at_bit;
        is_past |= part == Part::Presence;
    });
    assert_eq!(snapshot::decode(bytes, &mut Frame::default()), decoded, "looking on changed the outcome");
    if decoded.is_ok() {
        assert!(frame.n_news <= SLOTS && bytes.len() <= FRAME_BYTES_MAX);
        let mut thin = Box::<Frame>::default();
        assert_eq!(decode_thin(bytes, &mut thin), Ok(()), "a thin client refuses what others take");
        assert_eq!((thin.header, thin.own), (frame.header, frame.own));
    }
    is_past
}

/// Golden frames.
#[must_use]
pub fn snapshot_seeds() -> Vec<Vec<u8>> {
    seeds::golden("frames")
}

/// One block or union: its number among the names, and its bytes.
pub fn block(bytes: &[u8]) -> bool {
    let Some((which, rest)) = bytes.split_first() else { return false };
    let name = by_name::NAMES[usize::from(*which) % by_name::NAMES.len()];
    let decoded = by_name::transcode(name, rest).expect("the name is one of the list");
    if let Ok((said, again)) = decoded {
        let (said_again, twice) = by_name::transcode(name, &again)
            .expect("the name is one of the list")
            .expect("what was written is good");
        assert_eq!((said_again, &twice), (said, &again), "what was read is written otherwise");
        return true;
    }
    !rest.is_empty()
}

/// Golden blocks and unions, a few of each name.
#[must_use]
pub fn block_seeds() -> Vec<Vec<u8>> {
    seeds::golden_blocks(&by_name::NAMES)
}
