//! What a zone keeps: its log and its checkpoints, which people copy, send and put back.
//!
//! Checksums hide most of it from bent bytes, so each decoder also gets what lies behind its checksum.

use super::files::{SMALL, seal, some_inputs};
use super::pieces::{Pieces, push};
use engine::durable::{self, record};
use engine::economy::{Asker, Beast, Drop, Effect, Goods, MADE_LOW_MIN};
use engine::replay::Header;
use engine::replay::header::HEADER_BYTES;
use engine::{Checkpoint, Content, DurableId, EntityId, World, tick};
use netproto::Kind;
use server::zone::keep::notes;
use server::zone::tokens::{Grant, TOKEN_BYTES, TokenHash};
use std::io;
use std::sync::Arc;
use storage::checkpoint::{self, Head};
use storage::crash_disk::{Chance, CrashDisk};
use storage::wal::record::{self as bytes_of, Seed};
use storage::wal::segment::{self, Page};
use storage::wal::{Log, Options, Scan};
use storage::{Disk, Lsn};

/// Length of the number in front of the zone of a checkpoint.
const LENGTH_BYTES: usize = 8;

/// A log: a file of it as it is, or what records say.
pub fn log(bytes: &[u8]) -> bool {
    let Some((kind, rest)) = bytes.split_first() else { return false };
    if kind & 1 == 0 {
        return scan(rest);
    }
    let mut n_read = 0;
    for piece in Pieces(rest) {
        let whole = record::read(piece.kind.into(), piece.bytes);
        let effects = record::read_effects(piece.kind.into(), piece.bytes);
        if let (Ok(whole), Ok(effects)) = (&whole, &effects) {
            assert_eq!(whole.effects, effects.effects);
        }
        n_read += u32::from(whole.is_ok());
        n_read += u32::from(notes::read(piece.bytes).is_ok());
    }
    n_read > 0
}

/// Reads a file of a log; whether there was more than its first page.
fn scan(bytes: &[u8]) -> bool {
    let (_page, _record) = (Page::decode(bytes), bytes_of::read(bytes, Seed::of(1)));
    let disk = CrashDisk::default();
    let file = disk.create(&segment::name(1)).expect("nothing fails on this disk");
    file.write_at(0, bytes).expect("nothing fails on this disk");
    let Ok(scan) = Scan::of(&disk) else { return false };
    let mut n_records = 0;
    let seen = scan.each::<io::Error>(&disk, Lsn(0), |found| {
        assert!(found.payload.len() <= bytes.len(), "{} bytes of {}", found.payload.len(), bytes.len());
        n_records += 1;
        Ok(())
    });
    seen.expect("what was scanned is still there");
    n_records > 0
}

/// A file with some records, what two of them say, and tokens.
#[must_use]
pub fn log_seeds() -> Vec<Vec<u8>> {
    let disk = CrashDisk::default();
    let mut salts = Chance::new(1);
    let options = Options {
        writer: 1,
        segment_bytes: 2 * segment::PAGE_BYTES,
        build: "a seed".to_owned(),
        salts: Box::new(move || salts.draw()),
        first_epoch: 1,
        accept_loss: None,
    };
    let (mut log, _) = Log::open(Arc::new(disk.clone()), options).expect("nothing fails on this disk");
    let hash = |byte| TokenHash([byte; TOKEN_BYTES]);
    let player = DurableId { low: 1, high: 3 };
    let grants = [
        Grant { player, fresh: hash(1), shown: None },
        Grant { player, fresh: hash(2), shown: Some(hash(1)) },
    ];
    let mut tokens = Vec::new();
    notes::write(&mut tokens, &grants);
    let mut said = vec![1];
    for now in [1, 4, 5, 64] {
        let mut payload = Vec::new();
        let hash = durable::hash_is_due(now).then_some(7);
        let tokens: &[u8] = if now == 1 { &tokens } else { &[] };
        record::write(&mut payload, &some_inputs(now), &some_effects(now), tokens, hash);
        log.append(now, record::TICK, &payload);
        push(&mut said, now as u8, &payload);
    }
    log.commit().expect("nothing fails on this disk");
    let file = disk.open(&segment::name(1)).expect("the log is there");
    let mut whole = vec![0];
    whole.extend(storage::disk::read_all(&*file).expect("nothing fails on this disk"));
    let mut alone = vec![1];
    push(&mut alone, 0, &tokens);
    vec![whole, said, alone]
}

/// One of each kind, in the fourth tick.
fn some_effects(now: u32) -> Vec<Effect> {
    let id = |low| DurableId { low, high: 3 };
    let (goods, drop) = (Goods { thing: 2, count: 3 }, id(MADE_LOW_MIN));
    let (by, creature) = (Asker { player: id(1), request: 7 }, EntityId(9));
    let lying = Drop { id: drop, goods, place: (5, 6), owner: Some(id(1)), free_at: 200, ends_at: 2_400 };
    let beast = Beast { id: drop, kind: Kind::Wolf, look: 3 };
    let all = [
        Effect::Left { drop: lying, creature },
        Effect::PutDown { by, drop: Drop { owner: None, ..lying } },
        Effect::PickedUp { by, drop, goods },
        Effect::Decayed { drop, goods },
        Effect::Given { by, to: id(2), goods },
        Effect::Traded { by, other: id(2), given: [goods; 4], wanted: [goods; 4] },
        Effect::Captured { by, beast, creature },
        Effect::SetFree { by, beast },
    ];
    if now == 4 { all.to_vec() } else { Vec::new() }
}

/// A checkpoint: its file as it is, or what it says, with the sum of its header made right or not; some of them become
/// zones.
pub fn checkpoint(bytes: &[u8]) -> bool {
    let Some((kind, rest)) = bytes.split_first() else { return false };
    if kind & 1 == 0 {
        return checkpoint::decode(rest).is_ok_and(|(_, raw)| read_zone(&raw));
    }
    let mut raw = rest.to_vec();
    if kind & 2 == 2
        && let Some(header) = raw.get_mut(LENGTH_BYTES..LENGTH_BYTES + HEADER_BYTES)
    {
        seal(header);
    }
    read_zone(&raw)
}

/// Whether there was more than a header.
fn read_zone(raw: &[u8]) -> bool {
    let header = raw.get(LENGTH_BYTES..).and_then(|rest| rest.first_chunk::<HEADER_BYTES>());
    let is_past = header.is_some_and(|header| Header::decode(header).is_ok());
    if let Ok((copy, tokens)) = durable::split(raw) {
        let _grants = notes::read(tokens);
        // How a zone lives on whose numbers somebody has chosen is not asked: whoever can write a checkpoint is its owner.
        if let Ok(world) = World::resume(copy, Content::standard(20)) {
            world.check();
        }
    }
    is_past
}

/// A zone of two players, as a file and as what it says.
#[must_use]
pub fn checkpoint_seeds() -> Vec<Vec<u8>> {
    let mut world = World::new(&SMALL, Content::standard(20));
    (1..=8).for_each(|now| tick(&mut world, &some_inputs(now)));
    let mut raw = Vec::new();
    durable::join(&Checkpoint::of(&world, "a seed"), &mut raw, |out| notes::write(out, &[]));
    let file = checkpoint::encode(&Head { lsn: Lsn(9), tick: 8 }, &raw);
    let with = |kind: u8, bytes: &[u8]| [&[kind], bytes].concat();
    vec![with(0, &file), with(1, &raw), with(3, &raw), with(3, &raw[..raw.len() / 2])]
}
