//! A small zone is recorded, read back, lived again, cut, and bent.

use super::blocks::{BLOCK_HEAD_BYTES, write_block};
use super::*;
use crate::economy::{BUNDLE, Goods, MADE_LOW_MIN, Order};
use crate::rng::{Purpose, draw, within};
use crate::{Budget, Content, DurableId, EntityId, Input, World, ZoneConfig, tick};
use netproto::input::InputPacket;
use netproto::peer::IN_FLIGHT_DATAGRAMS;
use netproto::{Acks, Command, Deed, Goal, Move, Steer};

pub(crate) const PLAYERS: u32 = 6;

pub(crate) fn config() -> ZoneConfig {
    ZoneConfig {
        seed: 77,
        side_mm: 128_000,
        ticks_per_second: 20,
        players_max: PLAYERS,
        creatures: 40,
        spawn_radius_mm: 15_000,
        den_radius_mm: 30_000,
        sending: crate::Sending::News,
    }
}

fn player(n: u32) -> DurableId {
    DurableId { low: 900 + n, high: 7 << 16 }
}

fn command(tick: u32, n: u32) -> Command {
    let chance = |salt: u32| within(draw(5, tick / 9, n + 100 * salt, Purpose::Wander), 0, 1 << 16) as u32;
    let movement = match n % 2 {
        0 => Move::Steer(Steer { angle: chance(1) % 256, speed: chance(2) % 4 }),
        _ if tick.is_multiple_of(30) => {
            Move::Goal(Goal { x_mm: 40_000 + chance(1) % 40_000, y_mm: 40_000 + chance(2) % 40_000 })
        }
        _ => Move::Follow(netproto::Follow {}),
    };
    let deed = Deed {
        swing: tick.is_multiple_of(11),
        dash: tick.is_multiple_of(70),
        area: tick.is_multiple_of(23),
        shot: tick.is_multiple_of(17),
        aim: chance(3) % 256,
        reach_64mm: chance(4) % 100,
    };
    Command { movement, deed: Some(deed).filter(|deed| *deed != Deed::default()) }
}

/// Things that change hands now and then, as far as somebody guesses right.
fn order(tick: u32, n: u32) -> Option<Input> {
    let chance = |salt: u32, high| within(draw(9, tick, n + 100 * salt, Purpose::Wander), 0, high) as u32;
    let goods = Goods { thing: chance(1, 5) as u16, count: 1 };
    let (to, target) = (EntityId(1 << 20 | (40 + chance(2, 5))), EntityId(1 << 20 | chance(2, 40)));
    let order = match chance(3, 6) {
        0 => Order::PutDown { goods },
        1 => Order::Give { to, goods },
        2 => Order::Offer { to, given: [goods; BUNDLE], wanted: [Goods::default(); BUNDLE] },
        3 => Order::Reply { offer: chance(4, 30), accepts: true },
        4 => Order::Capture { target },
        _ => Order::PickUp { drop: DurableId { low: MADE_LOW_MIN + chance(5, 30), high: 0 } },
    };
    let is_time = chance(6, 3) == 0;
    is_time.then_some(Input::Order { player: player(n), request: tick, order })
}

/// What comes in before a tick: everybody joins, one leaves, one is cut off and comes back, packets get lost.
pub(crate) fn inputs(tick: u32, n_frames: &[u32; PLAYERS as usize]) -> Vec<Input> {
    let mut inputs = Vec::new();
    // A hard day: everything is given up rung by rung, and comes back.
    if tick.is_multiple_of(7) {
        inputs.push(Input::Shed(12 - (tick / 7 % 24).abs_diff(12) as u8));
    }
    if tick == 120 {
        inputs.push(Input::Drill(crate::Drill::W1_J));
    }
    inputs.extend((0..PLAYERS).filter_map(|n| order(tick, n)));
    for n in 0..PLAYERS {
        let player = player(n);
        if tick == 1 + n || (n == 2 && tick == 60) {
            let place = (n == 3).then_some((50_000, 60_000));
            inputs.push(Input::Join { player, in_flight_max: IN_FLIGHT_DATAGRAMS, place });
        }
        // A path that narrows and widens again, for each of them at another time.
        if tick > 1 + n && tick.is_multiple_of(11 + n) {
            let narrow = (tick / (11 + n)) % 3;
            let frame_bytes = [1_100, 400, Budget::FRAME_BYTES_MIN][narrow as usize];
            inputs.push(Input::Budget {
                player,
                budget: Budget { send_every: 1 << narrow, slots: 64 >> narrow, frame_bytes },
            });
        }
        match (n, tick) {
            (1, 90) => inputs.push(Input::Leave { player }),
            (2, 40) => inputs.push(Input::Detach { player }),
            _ => {}
        }
        if draw(3, tick, n, Purpose::Damage).is_multiple_of(10) || tick <= 1 + n {
            continue;
        }
        let seen = n_frames[n as usize];
        let acks = Acks { seen: seen > 0, newest: seen.saturating_sub(1), before: 0x7fff };
        let mut packet = InputPacket { acks, tick, n_commands: 2, ..InputPacket::default() };
        packet.commands[..2].copy_from_slice(&[command(tick, n), command(tick - 1, n)]);
        inputs.push(Input::Packet { player, margin_2ms: (n as i8 - 3) * 9, packet });
    }
    inputs
}

fn pool(n_threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap()
}

/// Lives `n_ticks` and records them.
fn record(n_ticks: u32, digest_every: u32, is_ended: bool) -> Vec<u8> {
    let mut world = World::new(&config(), Content::standard(20));
    let mut bytes = Vec::new();
    let mut writer = Writer::begin(&Header::of(&world, digest_every, "a test"), &mut bytes);
    let (mut outcome, mut n_frames) = (Outcome::default(), [0; PLAYERS as usize]);
    pool(2).install(|| {
        for now in 1..=n_ticks {
            let inputs = inputs(now, &n_frames);
            tick(&mut world, &inputs);
            for (player, _) in world.frames() {
                n_frames[(player.low - 900) as usize] += 1;
            }
            outcome.take(&world, now.is_multiple_of(digest_every));
            outcome.sort();
            writer.add(&inputs, &outcome, &mut bytes).unwrap();
        }
    });
    if is_ended {
        writer.end(&mut bytes).unwrap();
    }
    bytes
}

type Read = (Option<Header>, Vec<TickRecord>, Result<Tail, ReadError>);

fn read(mut bytes: &[u8]) -> Read {
    let (mut reader, mut header, mut ticks) = (Reader::default(), None, Vec::new());
    loop {
        let Some((piece, rest)) = bytes.split_at_checked(reader.need()) else {
            return (header, ticks, reader.handle_end(bytes.len()));
        };
        bytes = rest;
        match reader.handle_bytes(piece) {
            Ok(Some(Piece::Header(read))) => header = Some(read),
            Ok(Some(Piece::Ticks(read))) => ticks.extend(read),
            Ok(Some(Piece::Start { .. } | Piece::End) | None) => {}
            Err(error) => return (header, ticks, Err(error)),
        }
    }
}

#[test]
fn a_recording_goes_on_from_a_checkpoint() {
    let mut world = World::new(&config(), Content::standard(20));
    let mut n_frames = [0; PLAYERS as usize];
    pool(1).install(|| (1..=80).for_each(|now| tick(&mut world, &inputs(now, &n_frames))));
    // As a zone that comes back: nobody is told anything of before.
    let copy = crate::Checkpoint::of(&world, "a test");
    let mut bytes = Vec::new();
    copy.write(&mut bytes);
    let mut world = World::resume(copy, Content::standard(20)).unwrap();
    let (mut recording, mut outcome) = (Vec::new(), Outcome::default());
    let mut writer = Writer::begin_from(&Header::of(&world, 1, "a test"), &bytes, &mut recording);
    pool(2).install(|| {
        for now in 81..=160 {
            let mut inputs = inputs(now, &n_frames);
            if now == 81 {
                let join = |player| Input::Join { player, in_flight_max: 16, place: None };
                inputs.splice(0..0, world.present().into_iter().map(join));
            }
            tick(&mut world, &inputs);
            world.frames().for_each(|(player, _)| n_frames[(player.low - 900) as usize] += 1);
            outcome.take(&world, true);
            outcome.sort();
            writer.add(&inputs, &outcome, &mut recording).unwrap();
        }
    });
    writer.end(&mut recording).unwrap();
    let (mut reader, mut rest, mut replayer, mut n_ticks) = (Reader::default(), &recording[..], None, 0);
    pool(3).install(|| {
        while let Some((piece, behind)) = rest.split_at_checked(reader.need()) {
            rest = behind;
            match reader.handle_bytes(piece).unwrap() {
                Some(Piece::Header(header)) => replayer = Some(Replayer::new(&header).unwrap()),
                Some(Piece::Start { bytes, is_last }) => {
                    replayer.as_mut().unwrap().handle_start(&bytes, is_last).unwrap();
                }
                Some(Piece::Ticks(ticks)) => ticks.iter().for_each(|record| {
                    let replayer = replayer.as_mut().unwrap();
                    replayer.step(record).and_then(|()| replayer.compare(record)).unwrap();
                    n_ticks += 1;
                }),
                Some(Piece::End) | None => {}
            }
        }
    });
    assert_eq!((n_ticks, reader.handle_end(rest.len())), (80, Ok(Tail::Whole)));
    assert!(n_frames.iter().any(|n| *n > 20), "somebody was served");
}

/// Lives a recording again; where it first differed.
fn replay(bytes: &[u8], n_threads: usize) -> Result<(u32, u64), Difference> {
    let (header, ticks, tail) = read(bytes);
    assert_eq!(tail, Ok(Tail::Whole));
    let mut replayer = Replayer::new(&header.unwrap()).unwrap();
    let mut packets = 0;
    pool(n_threads).install(|| {
        for record in &ticks {
            replayer.step(record)?;
            replayer.compare(record)?;
            packets = kernel::mix(packets ^ replayer.outcome().packet_hash());
        }
        Ok((replayer.world().now(), packets))
    })
}

#[test]
fn a_recording_is_lived_again_bit_for_bit_on_one_thread_and_on_two() {
    for digest_every in [1, 7] {
        let bytes = record(200, digest_every, true);
        let first = replay(&bytes, 1).unwrap();
        assert_eq!(first.0, 200);
        assert_eq!(replay(&bytes, 2), Ok(first));
    }
}

#[test]
fn what_is_read_back_is_what_went_in() {
    let bytes = record(120, 1, true);
    let (header, ticks, _) = read(&bytes);
    let header = header.unwrap();
    assert_eq!((header.config, header.build.as_str(), header.digest_every), (config(), "a test", 1));
    let (mut n_frames, mut n_inputs) = ([0; PLAYERS as usize], 0);
    for (record, now) in ticks.iter().zip(1..) {
        assert_eq!(record.tick, now);
        assert_eq!(format!("{:?}", record.inputs), format!("{:?}", inputs(now, &n_frames)));
        for frame in &record.frames {
            n_frames[(frame.player.low - 900) as usize] += 1;
        }
        n_inputs += record.inputs.len();
    }
    assert_eq!(ticks.len(), 120);
    assert!(n_inputs > 400, "{n_inputs} inputs");
}

#[test]
fn one_flipped_bit_of_any_column_is_found_at_its_tick_and_entity_and_named() {
    let (header, ticks, _) = read(&record(50, 1, true));
    let mut replayer = Replayer::new(&header.unwrap()).unwrap();
    pool(1).install(|| {
        for record in &ticks {
            replayer.step(record).unwrap();
            replayer.compare(record).unwrap();
        }
        let last = ticks.last().unwrap();
        let player = replayer.world().entity_of(player(0)).unwrap();
        let columns = replayer.world().columns();
        let creature =
            *columns.id[columns.n_players_max()..].iter().find(|id| **id != EntityId::NONE).unwrap();
        for (entity, is_player) in [(player, true), (creature, false)] {
            for name in names(is_player) {
                // An id with another handle is another entity: found as well, under another name.
                let first = if name == "id" { 20 } else { 0 };
                let n =
                    (first..200).filter(|bit| is_noticed(&mut replayer, last, entity, name, *bit)).count();
                assert!(n > 0 || is_empty(name), "no bit of {name} can be turned over");
            }
        }
        assert_eq!(replayer.compare(last), Ok(()), "a flip left something behind");
    });
}

/// Fields that hold nothing in this moment of this recording.
fn is_empty(name: &str) -> bool {
    name == "player.asked"
}

/// Turns a bit over and back. Whether there is such a bit.
fn is_noticed(replayer: &mut Replayer, last: &TickRecord, entity: EntityId, name: &str, bit: u32) -> bool {
    match flip(replayer.world_mut(), entity, name, bit) {
        Ok(()) => {}
        Err(FlipError::Bit { .. }) => return false,
        Err(error) => panic!("{error}"),
    }
    let difference = replayer.compare(last).unwrap_err();
    assert_eq!((difference.tick(), difference.entity()), (50, Some(entity)), "bit {bit} of {name}");
    let Difference::Entity { recorded: Some((_, recorded)), .. } = difference else {
        panic!("{difference:?}")
    };
    let found = one_bit_from(replayer.world_mut(), entity, recorded);
    assert_eq!(found, Some((name, bit)));
    flip(replayer.world_mut(), entity, name, bit).unwrap();
    true
}

#[test]
fn a_column_that_is_not_there_is_answered_with_those_that_are() {
    let mut world = World::new(&config(), Content::standard(20));
    let creature = *world.columns().id.last_chunk::<64>().unwrap().first().unwrap();
    let text = flip(&mut world, creature, "x_m", 0).unwrap_err().to_string();
    assert!(text.contains("x_mm") && text.contains("mind.until"), "{text}");
    assert_eq!(flip(&mut world, EntityId(5 << 20), "x_mm", 0), Err(FlipError::Entity(5 << 20)));
    assert!(matches!(flip(&mut world, creature, "x_mm", 32), Err(FlipError::Bit { n_bits: 32, .. })));
}

#[test]
fn a_bit_that_is_flipped_early_is_found_in_the_same_tick_and_not_later() {
    let (header, ticks, _) = read(&record(50, 1, true));
    let mut replayer = Replayer::new(&header.unwrap()).unwrap();
    let differs: Result<(), Difference> = pool(1).install(|| {
        for record in &ticks {
            replayer.step(record)?;
            if record.tick == 23 {
                let entity = replayer.world().entity_of(player(3)).unwrap();
                flip(replayer.world_mut(), entity, "y_mm", 0).unwrap();
            }
            replayer.compare(record)?;
        }
        Ok(())
    });
    assert_eq!(differs.map_err(|difference| difference.tick()), Err(23));
}

#[test]
fn what_is_under_way_is_compared_although_it_belongs_to_nobody() {
    let (header, mut ticks, _) = read(&record(120, 1, true));
    let (mut n_casts, mut replayer) = (0, Replayer::new(&header.unwrap()).unwrap());
    ticks[99].pending ^= 1;
    let differs: Result<(), Difference> = pool(1).install(|| {
        for record in &ticks {
            replayer.step(record)?;
            n_casts += replayer.world().casts().len();
            replayer.compare(record)?;
        }
        Ok(())
    });
    assert_eq!(differs, Err(Difference::Pending { tick: ticks[99].tick }));
    assert!(n_casts > 20, "{n_casts} casts were under way");
}

#[test]
fn a_recording_cut_anywhere_is_read_up_to_the_last_whole_block() {
    let whole = record(70, 1, true);
    let (_, all, tail) = read(&whole);
    assert_eq!((all.len(), tail), (70, Ok(Tail::Whole)));
    let mut ends = Vec::new();
    for n in 0..whole.len() {
        let (header, ticks, tail) = read(&whole[..n]);
        match tail {
            Err(error) => {
                assert!(n < HEADER_BYTES && header.is_none(), "{n} bytes: {error}");
            }
            Ok(Tail::Whole) => panic!("{n} of {} bytes pass for the whole", whole.len()),
            Ok(Tail::Open) => ends.push((n, ticks.len())),
            Ok(Tail::Torn { at, have }) => {
                assert_eq!(at + have, n as u64);
                assert_eq!(ticks.len(), ends.last().unwrap().1);
            }
        }
    }
    assert_eq!(ends.iter().map(|(_, n_ticks)| *n_ticks).collect::<Vec<_>>(), [0, 20, 40, 60, 70]);
    assert_eq!(ends[0].0, HEADER_BYTES);
}

#[test]
fn a_changed_bit_anywhere_is_refused() {
    let mut bytes = record(45, 1, true);
    for at in 0..bytes.len() {
        let bit = 1 << (draw(1, at as u32, 0, Purpose::Look) % 8);
        bytes[at] ^= bit;
        let (_, ticks, tail) = read(&bytes);
        assert!(tail.is_err(), "byte {at} of {}: {} ticks and {tail:?}", bytes.len(), ticks.len());
        bytes[at] ^= bit;
    }
    bytes.push(0);
    assert!(matches!(read(&bytes).2, Err(ReadError::Trailing { .. })));
}

#[test]
fn ticks_that_were_written_to_harm_are_refused_or_harmless() {
    let bytes = record(20, 1, false);
    let (packed, header) = (&bytes[HEADER_BYTES + BLOCK_HEAD_BYTES..], &bytes[..HEADER_BYTES]);
    let n_raw = u32::from_le_bytes(bytes[HEADER_BYTES + 4..][..4].try_into().unwrap()) as usize;
    let mut raw = vec![0; n_raw];
    lz4_flex::block::decompress_into(packed, &mut raw).unwrap();
    let (mut n_refused, n) = (0, 4_000);
    for seed in 0..n {
        let chance = |salt| draw(11, seed, salt, Purpose::Damage) as usize;
        let mut bent = raw.clone();
        for change in 0..1 + chance(0) % 3 {
            let at = chance(2 * change as u32 + 1) % bent.len();
            bent[at] = chance(2 * change as u32 + 2) as u8;
        }
        bent.truncate(if chance(9).is_multiple_of(8) { chance(10) % raw.len() } else { raw.len() });
        let mut file = header.to_vec();
        write_block(bent.len(), &lz4_flex::block::compress(&bent), 1, 20, &mut file);
        let (header, ticks, tail) = read(&file);
        n_refused += u32::from(tail.is_err());
        if seed < 200 && tail.is_ok() {
            // What could be read can be lived, whatever it says.
            let mut replayer = Replayer::new(&header.unwrap()).unwrap();
            pool(1).install(|| ticks.iter().all(|record| replayer.step(record).is_ok()));
        }
    }
    assert!(n_refused > n / 4 && n_refused < n, "{n_refused} of {n} were refused");
}

#[test]
fn a_header_that_no_zone_has_is_refused_before_anything_is_built() {
    let world = World::new(&config(), Content::standard(20));
    let good = Header::of(
        &world,
        1,
        "a test with a name that goes on and on, beyond the room that there is for one",
    );
    assert_eq!(Header::decode(&good.encode()), Ok(good.clone()));
    let check = |change: &dyn Fn(&mut Header)| {
        let mut bad = good.clone();
        change(&mut bad);
        assert!(matches!(Header::decode(&bad.encode()), Err(HeaderError::Malformed(_))), "{bad:?}");
    };
    check(&|bad| bad.config.side_mm = 0);
    check(&|bad| bad.config.side_mm = i32::MAX);
    check(&|bad| bad.config.spawn_radius_mm = -1);
    check(&|bad| bad.config.ticks_per_second = 0);
    check(&|bad| bad.config.players_max = crate::PLAYERS_MAX + 1);
    check(&|bad| bad.config.creatures = crate::CREATURES_MAX + 1);
    check(&|bad| bad.digest_every = 0);
}

#[test]
fn another_build_is_refused_with_the_reason() {
    let world = World::new(&config(), Content::standard(20));
    let header = Header::of(&world, 1, "a test");
    let refusal = |change: &dyn Fn(&mut Header)| {
        let mut other = header.clone();
        change(&mut other);
        Replayer::new(&other).err().unwrap_or_default()
    };
    assert_eq!(refusal(&|_| ()), "");
    assert!(refusal(&|other| other.content_hash ^= 1).contains("content tables"));
    assert!(refusal(&|other| other.kernel_version += 1).contains("kernel version"));
    assert!(refusal(&|other| other.fingerprint ^= 1).contains("fingerprint"));
}
