//! What is announced arrives in time, hurts exactly then and there, and nobody who is elsewhere by then.

use crate::fixtures::on_threads;
use engine::step::casts::{Cast, Shape};
use engine::{Content, DurableId, EntityId, Input, World, ZoneConfig, tick};
use harness::{Drive, Knobs, Loss, Scenario};
use kernel::flight::{self, STEPS_PER_TICK};
use netproto::input::InputPacket;
use netproto::peer::IN_FLIGHT_DATAGRAMS;
use netproto::{Command, Deed, Kind, Move, Side, Skill, Steer};
use std::collections::{BTreeMap, BTreeSet};

const ALICE: DurableId = DurableId { low: 1, high: 7 };
const TICK_MS: u32 = 50;
/// One way of 75 ms; in whole ticks inputs take one and snapshots two.
const DOWN_MS: u32 = 75;
const SEEN_BEFORE_MS: u32 = 200;

#[test]
fn at_150_ms_and_five_percent_loss_announcements_are_seen_200_ms_before_they_hurt() {
    let knobs = Knobs { scenario: Scenario::Brawl, n_players: 600, n_decoding: 300, loss: Loss::Heavy };
    on_threads(2, || {
        let mut drive = Drive::with_delays(&knobs, |_| (1, 2));
        drive.run(600);
        let (told, counts) = (&drive.witness, drive.world.counts());
        let ticks_left = (SEEN_BEFORE_MS + DOWN_MS).div_ceil(TICK_MS);
        let share = told.share_with(ticks_left);
        let what = format!(
            "{:.3} % of {} in time, {} never came, {} of them covered the client, {} wrong; {} circles, {} shots, {} \
             events sent, {} dropped, {} expired",
            share * 100.0,
            told.n_told,
            told.by_ticks_left.get(&0).unwrap_or(&0),
            told.n_covering,
            told.n_wrong,
            counts.areas,
            counts.shots,
            counts.timed_sent,
            counts.timed_dropped,
            counts.timed_expired
        );
        println!("{what}");
        assert!(told.n_told >= 10_000 && told.n_covering >= 100, "the sample is small: {what}");
        assert!(share >= 0.999, "{what}");
        assert_eq!(told.n_wrong, 0, "{what}");
        drive.check_views();
    });
}

/// A zone with one kind of creature around the middle, and Alice in it.
fn zone(kind: Kind, creatures: u32, change: impl FnOnce(&mut Content)) -> World {
    let config = ZoneConfig {
        seed: 3,
        side_mm: 131_072,
        ticks_per_second: 20,
        players_max: 2,
        creatures,
        spawn_radius_mm: 5_000,
        den_radius_mm: 12_000,
        sending: engine::Sending::EveryTick,
    };
    let mut content = Content::standard(20);
    content.shares = vec![(100, kind)];
    change(&mut content);
    let mut world = World::new(&config, content);
    tick(&mut world, &[Input::Join { player: ALICE, in_flight_max: IN_FLIGHT_DATAGRAMS, place: None }]);
    world
}

fn act(world: &mut World, speed: u32, angle: u32, deed: Option<Deed>) {
    let mut packet = InputPacket { tick: world.now() + 1, n_commands: 1, ..InputPacket::default() };
    packet.commands[0] = Command { movement: Move::Steer(Steer { angle, speed }), deed };
    tick(world, &[Input::Packet { player: ALICE, margin_2ms: 0, packet }]);
}

fn alice(world: &World) -> ((i32, i32), u16) {
    let row = world.row_of(world.entity_of(ALICE).expect("Alice has a body")).expect("it is alive");
    (world.columns().place(row), world.columns().health[row.at()])
}

fn distance(a: (i32, i32), b: (i32, i32)) -> f64 {
    f64::from(a.0 - b.0).hypot(f64::from(a.1 - b.1))
}

/// Lets Alice be slammed at again and again; `dodge` says whether she walks out of the circle. Returns how often
/// she was hurt, out of how many slams.
fn slams(dodge: bool) -> (u32, u32) {
    let mut world = zone(Kind::Boar, 4, |content| {
        content.creatures[Kind::Boar as usize].bite_damage = 0;
        content.class.swing.damage_min = 1;
        content.class.swing.damage_max = 1;
    });
    let (mut n_hurt, mut n_slams) = (0, 0);
    for _ in 0..4_000 {
        let before = world.casts().to_vec();
        let (at, health) = alice(&world);
        let covering =
            before.iter().find(|cast| radius(cast).is_some_and(|r| distance(at, cast.at) <= r + 400.0));
        let (speed, angle) = match covering {
            Some(cast) if dodge => (3, kernel::angle::of(at.0 - cast.at.0, at.1 - cast.at.1)),
            Some(_) => (0, 0),
            None => (1, (world.now() / 40 * 37 % 256) as u8),
        };
        let swing = Deed { swing: true, aim: world.now() * 11 % 256, ..Deed::default() };
        act(&mut world, speed, u32::from(angle), Some(swing));
        let (at, health_now) = alice(&world);
        let due: Vec<&Cast> = before.iter().filter(|cast| cast.ends() == world.now()).collect();
        let n_in = due.iter().filter(|cast| radius(cast).is_some_and(|r| distance(at, cast.at) <= r)).count();
        let is_hurt = health_now < health;
        if health > 0 && health_now > 0 {
            assert_eq!(is_hurt, n_in > 0, "tick {}: {n_in} circles hold Alice at {at:?}", world.now());
        }
        n_slams += due.len() as u32;
        n_hurt += u32::from(is_hurt);
        assert!(before.iter().all(|cast| (cast.hurts, cast.skill) == (Side::Players, Skill::Slam)));
    }
    (n_hurt, n_slams)
}

fn radius(cast: &Cast) -> Option<f64> {
    if let Shape::Circle { radius_mm, .. } = cast.shape { Some(f64::from(radius_mm)) } else { None }
}

#[test]
fn who_stands_in_a_slam_is_hurt_in_its_tick_and_who_walks_out_is_not() {
    on_threads(1, || {
        let (n_hurt, n_slams) = slams(false);
        assert!(n_slams >= 20 && n_hurt * 2 > n_slams, "{n_hurt} of {n_slams} slams hurt who stands");
        let (n_hurt, n_slams) = slams(true);
        println!("{n_hurt} of {n_slams} slams hurt a dodger");
        assert!(n_slams >= 20 && n_hurt * 10 <= n_slams, "{n_hurt} of {n_slams} slams hurt a dodger");
    });
}

/// Living creatures: where, and how healthy.
fn creatures(world: &World) -> BTreeMap<EntityId, ((i32, i32), u16)> {
    let columns = world.columns();
    let rows = columns.n_players_max()..columns.n_rows();
    let there = rows.filter(|row| columns.id[*row] != EntityId::NONE && columns.health[*row] > 0);
    there
        .map(|row| (columns.id[row], ((columns.x_mm[row], columns.y_mm[row]), columns.health[row])))
        .collect()
}

/// Creatures that lost health between two ticks.
fn hurt(
    before: &BTreeMap<EntityId, ((i32, i32), u16)>,
    after: &BTreeMap<EntityId, ((i32, i32), u16)>,
) -> BTreeSet<EntityId> {
    let lost = |id: &EntityId, health: u16| after.get(id).is_none_or(|(_, now)| *now < health);
    before.iter().filter(|(id, (_, health))| lost(id, *health)).map(|(id, _)| *id).collect()
}

/// Where a creature is after the tick, dead or alive.
fn place_of(world: &World, id: EntityId) -> (i32, i32) {
    world.columns().place(world.row_of(id).expect("corpses lie for a while"))
}

#[test]
fn an_area_hurts_exactly_who_is_in_its_circle_in_the_tick_that_was_announced() {
    on_threads(1, || {
        let mut world = zone(Kind::Wolf, 30, |content| {
            content.class.area.targets_max = 64;
            content.creatures[Kind::Wolf as usize].bite_damage = 0;
        });
        let (mut n_bursts, mut n_hurt) = (0, 0);
        for n in 0..3_000u32 {
            let (before, casts) = (creatures(&world), world.casts().to_vec());
            let aim = n * 29 % 256;
            act(
                &mut world,
                1,
                n / 90 * 50 % 256,
                Some(Deed { area: true, aim, reach_64mm: 25, ..Deed::default() }),
            );
            let hurt = hurt(&before, &creatures(&world));
            let due = casts.iter().find(|cast| cast.ends() == world.now());
            let expected: BTreeSet<EntityId> = due.map_or_else(BTreeSet::new, |cast| {
                let radius = radius(cast).expect("an area is a circle");
                assert_eq!(cast.ends() - cast.announced, 12, "600 ms");
                before
                    .keys()
                    .copied()
                    .filter(|id| distance(place_of(&world, *id), cast.at) <= radius)
                    .collect()
            });
            assert_eq!(hurt, expected, "tick {}", world.now());
            n_bursts += u32::from(due.is_some());
            n_hurt += hurt.len();
        }
        assert!(n_bursts >= 30 && n_hurt >= 30, "{n_hurt} hurt by {n_bursts} circles");
    });
}

/// Whom a flight hits in this tick: the first along its way within its width, looked for among all.
fn first_on_way(
    cast: &Cast,
    world: &World,
    alive: &BTreeMap<EntityId, ((i32, i32), u16)>,
) -> Option<EntityId> {
    let Shape::Flight { velocity, release, n_steps, width_mm, .. } = cast.shape else { return None };
    let flown = (world.now().checked_sub(release)? * STEPS_PER_TICK).min(n_steps);
    let begun = (world.now() - release).checked_sub(1)? * STEPS_PER_TICK;
    let (from, to) = (flight::place(cast.at, velocity, begun), flight::place(cast.at, velocity, flown));
    let way = (f64::from(to.0 - from.0), f64::from(to.1 - from.1));
    let length2 = way.0 * way.0 + way.1 * way.1;
    let hits = alive.keys().filter_map(|id| {
        let place = place_of(world, *id);
        let off = (f64::from(place.0 - from.0), f64::from(place.1 - from.1));
        let along = (off.0 * way.0 + off.1 * way.1) / length2.max(1.0);
        let nearest = along.clamp(0.0, 1.0);
        let aside = (off.0 - way.0 * nearest).hypot(off.1 - way.1 * nearest);
        (along >= 0.0 && aside <= f64::from(width_mm)).then_some((along, *id))
    });
    hits.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))).map(|(_, id)| id)
}

#[test]
fn a_shot_hits_the_first_in_its_way_and_nobody_behind_a_wall() {
    on_threads(1, || {
        let mut world = zone(Kind::Deer, 60, |content| content.class.shot.wait_ticks = 8);
        let (mut n_hits, mut n_walls, mut n_spent) = (0, 0, 0);
        for n in 0..6_000u32 {
            let (before, casts) = (creatures(&world), world.casts().to_vec());
            act(
                &mut world,
                2,
                n / 60 * 91 % 256,
                Some(Deed { shot: true, aim: n * 53 % 256, ..Deed::default() }),
            );
            let expected: BTreeSet<EntityId> =
                casts.iter().filter_map(|cast| first_on_way(cast, &world, &before)).collect();
            assert_eq!(hurt(&before, &creatures(&world)), expected, "tick {}", world.now());
            n_hits += expected.len();
            for cast in casts.iter().filter(|cast| !world.casts().contains(cast)) {
                let Shape::Flight { velocity, release, ticks, n_steps, .. } = cast.shape else {
                    panic!("only shots fly")
                };
                assert!(release >= cast.announced + 8, "400 ms before it flies");
                let is_walled = n_steps < ticks * STEPS_PER_TICK;
                let (x, y) = flight::place(cast.at, velocity, n_steps + 1);
                assert!(!is_walled || world.walls().blocked(x, y), "it ended at no wall");
                n_walls += u32::from(is_walled && world.now() == cast.ends());
                n_spent += u32::from(world.now() < cast.ends());
            }
        }
        let what = format!("{n_hits} hits, {n_spent} spent before their end, {n_walls} ended at walls");
        println!("{what}");
        assert!(n_hits >= 40 && n_walls >= 20 && n_spent >= 20, "{what}");
    });
}

#[test]
fn what_was_announced_happens_also_when_its_owner_has_gone() {
    on_threads(1, || {
        let mut world = zone(Kind::Deer, 120, |_| ());
        let deed = Deed { area: true, reach_64mm: 30, aim: 10, ..Deed::default() };
        let mut n_hurt = 0;
        for _ in 0..20 {
            act(&mut world, 0, 0, Some(deed));
            assert_eq!(world.casts().len(), 1);
            tick(&mut world, &[Input::Leave { player: ALICE }]);
            while let Some(cast) = world.casts().first().copied() {
                let before = creatures(&world);
                tick(&mut world, &[]);
                if world.now() == cast.ends() {
                    n_hurt += hurt(&before, &creatures(&world)).len();
                }
            }
            let join = Input::Join { player: ALICE, in_flight_max: IN_FLIGHT_DATAGRAMS, place: None };
            tick(&mut world, &[join]);
        }
        assert!(n_hurt > 0, "twenty circles among a hundred deer hurt nobody");
    });
}
