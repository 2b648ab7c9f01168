//! The plain server is no straw man and no fraud: its frames tell a client that reads them all who its 64 nearest
//! are and how they look, tick by tick.
#![forbid(unsafe_code)]

use engine::EntityId;
use harness::drive::durable;
use harness::{Drive, Knobs, Loss, Scenario};
use netproto::SLOTS;
use reference::view::{ENTER_MM, WEIGHT_CREATURE, WEIGHT_PLAYER};
use reference::{Habits, World};
use std::collections::BTreeMap;

/// A client that loses nothing.
#[derive(Default)]
struct Reader {
    shown: BTreeMap<u32, [u32; 2]>,
    n_hits: usize,
}

/// Takes a number of `N` bytes off the front.
fn take<const N: usize>(bytes: &mut &[u8]) -> [u8; N] {
    let (front, rest) = bytes.split_first_chunk().expect("a frame says how long it is");
    *bytes = rest;
    *front
}

fn word(bytes: &mut &[u8]) -> u32 {
    u32::from_le_bytes(take(bytes))
}

impl Reader {
    /// Reads a frame; returns its tick and the own place.
    fn read(&mut self, mut bytes: &[u8]) -> (u32, (i32, i32)) {
        let bytes = &mut bytes;
        let (tick, _consumed) = (word(bytes), word(bytes));
        let own = (word(bytes) as i32, word(bytes) as i32);
        let _health: [u8; 2] = take(bytes);
        for _ in 0..take::<1>(bytes)[0] {
            let ([mask], id) = (take(bytes), word(bytes));
            let shown = self.shown.entry(id).or_default();
            for (_, shown) in shown.iter_mut().enumerate().filter(|(at, _)| mask >> at & 1 == 1) {
                *shown = word(bytes);
            }
        }
        for _ in 0..take::<1>(bytes)[0] {
            self.shown.remove(&word(bytes)).expect("whoever leaves was shown");
        }
        for _ in 0..take::<1>(bytes)[0] {
            let _hit: [u8; 11] = take(bytes);
            self.n_hits += 1;
        }
        assert!(bytes.is_empty(), "{} bytes too many", bytes.len());
        (tick, own)
    }
}

/// The 64 nearest by a look at everybody.
fn nearest(world: &World, n: u32) -> Vec<(u32, [u32; 2])> {
    let own = world.body_of(durable(n)).expect("a player has a body");
    let mut near = Vec::new();
    world.gather(durable(n), ENTER_MM, &mut near);
    let threats: Vec<EntityId> = near.iter().filter(|one| one.key == 0).map(|one| one.id).collect();
    let others = world.bodies().filter(|body| body.id != own.id);
    let mut ranked: Vec<(i64, EntityId, [u32; 2])> = others
        .filter_map(|body| {
            let (dx, dy) = (i64::from(body.x_mm - own.x_mm), i64::from(body.y_mm - own.y_mm));
            let d2 = dx * dx + dy * dy;
            let is_player = body.kind == netproto::Kind::Player;
            let weight = if is_player { WEIGHT_PLAYER } else { WEIGHT_CREATURE } as i64;
            let key = if threats.contains(&body.id) { -1 } else { d2 * weight };
            (d2 <= i64::from(ENTER_MM) * i64::from(ENTER_MM)).then_some((key, body.id, body.words))
        })
        .collect();
    ranked.sort_unstable();
    ranked.truncate(SLOTS);
    let mut found: Vec<_> = ranked.into_iter().map(|(_, id, words)| (id.0, words)).collect();
    found.sort_unstable();
    found
}

#[test]
fn whoever_reads_every_frame_knows_the_64_nearest_and_how_they_look() {
    let (scenario, n_players) = (Scenario::Crowd, 150);
    let knobs = Knobs { scenario, n_players, n_decoding: 0, loss: Loss::Random };
    let mut drive = Drive::new(&knobs);
    let new = |habits| World::new(&scenario.config(n_players), scenario.content(), habits);
    let mut plain = new(Habits::PLAIN);
    let mut selecting = new(Habits { sorts_all: false, ..Habits::PLAIN });
    let mut readers: Vec<Reader> = (0..n_players).map(|_| Reader::default()).collect();
    let mut n_full = 0;
    for tick in 1..=200 {
        drive.step(|world, inputs| {
            engine::tick(world, inputs);
            plain.tick(inputs);
            selecting.tick(inputs);
        });
        for (n, (player, frame)) in plain.frames().enumerate() {
            let (n, reader) = (n as u32, &mut readers[n]);
            let own = plain.body_of(player).expect("a player has a body");
            assert_eq!((player, reader.read(frame)), (durable(n), (tick, own.place())));
            let shown: Vec<(u32, [u32; 2])> = reader.shown.iter().map(|(id, words)| (*id, *words)).collect();
            assert_eq!(shown, nearest(&plain, n), "player {n} in tick {tick}");
            n_full += usize::from(shown.len() == SLOTS);
        }
        assert!(plain.frames().eq(selecting.frames()), "sorting or not shows in tick {tick}");
    }
    let n_hits: usize = readers.iter().map(|reader| reader.n_hits).sum();
    assert!(n_full > 5_000 && n_hits > 100, "{n_full} full views, {n_hits} hits: that shows little");
}
