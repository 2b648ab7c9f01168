//! A zone is copied in the middle of its day, and the copy lives on beside it.

use super::*;
use crate::replay::inputs::{read, write_lived};
use crate::replay::tests::{PLAYERS, config, inputs};
use crate::rng::{Purpose, draw};
use crate::{Content, lived_hash, tick, tick_untold};

/// A zone with clients, and how many snapshots each of them has.
struct Day {
    world: World,
    n_frames: [u32; PLAYERS as usize],
}

impl Day {
    fn new() -> Self {
        Self { world: World::new(&config(), Content::standard(20)), n_frames: [0; PLAYERS as usize] }
    }

    /// One tick as it happens; returns the inputs as a log keeps them.
    fn step(&mut self) -> Vec<u8> {
        let inputs = inputs(self.world.now() + 1, &self.n_frames);
        tick(&mut self.world, &inputs);
        for (player, _) in self.world.frames() {
            self.n_frames[(player.low - 900) as usize] += 1;
        }
        let mut kept = Vec::new();
        write_lived(&mut kept, &inputs);
        kept
    }

    fn copied(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        Checkpoint::of(&self.world, "a test").write(&mut bytes);
        bytes
    }
}

fn resumed(bytes: &[u8]) -> Result<World, CheckpointError> {
    World::resume(Checkpoint::read(bytes)?, Content::standard(20))
}

fn check(copied_at: u32) {
    let mut day = Day::new();
    (0..copied_at).for_each(|_| drop(day.step()));
    let mut copy = resumed(&day.copied()).unwrap();
    copy.check();
    assert_eq!((copy.now(), lived_hash(&copy)), (copied_at, lived_hash(&day.world)));
    for _ in 0..220 {
        let kept = day.step();
        let mut bytes = Bytes::new(&kept);
        tick_untold(&mut copy, &read(&mut bytes).unwrap());
        assert_eq!(bytes.n_left(), 0);
        copy.check();
        assert_eq!(lived_hash(&copy), lived_hash(&day.world), "in tick {}", day.world.now());
    }
}

#[test]
fn a_copy_lives_as_the_zone_does_whatever_its_clients_are_told() {
    [0, 1, 63, 64, 100, 137].into_iter().for_each(check);
}

#[test]
fn whoever_comes_back_to_a_copy_is_told_as_in_the_zone() {
    let mut day = Day::new();
    (0..150).for_each(|_| drop(day.step()));
    let mut copy = resumed(&day.copied()).unwrap();
    let present = day.world.present();
    assert_eq!((copy.present(), present.len()), (present.clone(), PLAYERS as usize - 1));
    let joins: Vec<crate::Input> = present
        .iter()
        .map(|player| crate::Input::Join { player: *player, in_flight_max: 16, place: None })
        .collect();
    let told = |world: &mut World| {
        tick(world, &joins);
        let n = world.frames().count();
        (n, world.facts().to_vec())
    };
    assert_eq!(told(&mut copy), told(&mut day.world), "the same bodies, and a snapshot for each");
}

#[test]
fn a_copy_is_taken_again_into_the_same_memory() {
    let mut day = Day::new();
    let mut copy = Checkpoint::of(&day.world, "a test");
    for _ in 0..4 {
        (0..40).for_each(|_| drop(day.step()));
        copy.take(&day.world);
        let mut bytes = Vec::new();
        copy.write(&mut bytes);
        assert!(bytes == day.copied(), "something is left of the copy before, in tick {}", day.world.now());
    }
}

#[test]
fn bytes_that_end_early_or_go_on_are_refused() {
    let mut day = Day::new();
    (0..90).for_each(|_| drop(day.step()));
    let mut bytes = day.copied();
    for n in (0..bytes.len()).step_by(7).chain([bytes.len() - 1]) {
        assert!(Checkpoint::read(&bytes[..n]).is_err(), "{n} of {} bytes", bytes.len());
    }
    bytes.push(0);
    assert!(Checkpoint::read(&bytes).is_err());
}

#[test]
fn bent_bytes_become_a_sound_zone_or_none() {
    let mut day = Day::new();
    (0..90).for_each(|_| drop(day.step()));
    let bytes = day.copied();
    let mut n_zones = 0;
    for case in 0..3_000u32 {
        let mut bent = bytes.clone();
        let chance = draw(11, case, 0, Purpose::Look);
        let at = HEADER_BYTES + chance as usize % (bytes.len() - HEADER_BYTES);
        bent[at] ^= 1 << (chance >> 40 & 7);
        n_zones += u32::from(resumed(&bent).is_ok_and(|world| {
            world.check();
            true
        }));
    }
    assert!((500..3_000).contains(&n_zones), "{n_zones} of 3000 copies with a turned bit made a zone");
}

#[test]
fn a_zone_goes_on_with_room_for_more_players_or_fewer() {
    let mut day = Day::new();
    (0..110).for_each(|_| drop(day.step()));
    let bodies = |world: &World| -> Vec<u32> {
        world.handles.rows().map(|row| crate::replay::digest::of_lived(world, row.at())).collect()
    };
    for players_max in [PLAYERS - 1, 64, 65, 300] {
        let wide = ZoneConfig { players_max, ..config() };
        let refit = |config: &ZoneConfig| Checkpoint::of(&day.world, "a test").refit(config);
        let mut world = World::resume(refit(&wide).unwrap(), Content::standard(20)).unwrap();
        world.check();
        assert_eq!((world.config(), bodies(&world)), (&wide, bodies(&day.world)));
        let mut same = resumed(&day.copied()).unwrap();
        for n in 0..150 {
            let inputs = inputs(day.world.now() + 1 + n, &[0; PLAYERS as usize]);
            tick_untold(&mut world, &inputs);
            tick_untold(&mut same, &inputs);
            assert_eq!(bodies(&world), bodies(&same), "{players_max}, {n} ticks later");
        }
        world.check();
    }
    let refused = |config| Checkpoint::of(&day.world, "a test").refit(&config).unwrap_err().to_string();
    let text = refused(ZoneConfig { players_max: 2, ..config() });
    assert!(text.contains("holds 5 players") && text.contains("players_max = 2"), "{text}");
    let text = refused(ZoneConfig { side_mm: 256_000, ..config() });
    assert!(text.contains("zone.side_m = 128") && text.contains("256"), "{text}");
}

#[test]
fn another_build_is_told_apart() {
    let mut copy = Checkpoint::of(&Day::new().world, "a test");
    copy.header.content_hash ^= 1;
    let text = World::resume(copy, Content::standard(20)).err().unwrap().to_string();
    assert!(text.contains("content tables"), "{text}");
}
