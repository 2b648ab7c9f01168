//! Equal inputs give an equal world, whatever the number of threads and the order of rows.

use crate::fixtures::on_threads;
use engine::shed::LEVEL_MAX;
use engine::{Input, Sending, World, order, state_hash, tick};
use harness::drive::durable;
use harness::{Drive, Knobs, Loss, Scenario};
use netproto::input::InputPacket;
use netproto::peer::IN_FLIGHT_DATAGRAMS;
use std::hash::{DefaultHasher, Hash, Hasher};

fn knobs(scenario: Scenario) -> Knobs {
    Knobs { scenario, n_players: 600, n_decoding: 0, loss: Loss::Random }
}

/// The level of load shedding of a hard day: up and down the ladder by the tick.
fn level(tick: u32) -> Option<u8> {
    let way = tick / 9 % u32::from(2 * LEVEL_MAX);
    tick.is_multiple_of(9).then_some(LEVEL_MAX - way.abs_diff(u32::from(LEVEL_MAX)) as u8)
}

/// State and packet hash after every hundred of 400 ticks.
fn hashes(scenario: Scenario, n_threads: usize, is_hard: bool) -> Vec<(u64, u64)> {
    on_threads(n_threads, || {
        let mut drive = Drive::new(&knobs(scenario));
        let every_hundred = (0..4).map(|_| {
            (0..100).for_each(|_| step(&mut drive, is_hard));
            (state_hash(&drive.world), drive.packet_hash())
        });
        let hashes = every_hundred.collect();
        let (casts, counts) = (drive.world.casts(), drive.world.counts());
        if scenario == Scenario::Brawl {
            assert!(casts.len() > 100, "{} casts are under way", casts.len());
            check_stakes([counts.hits, counts.kills, counts.respawns, counts.shots, counts.areas]);
        }
        hashes
    })
}

fn check_stakes<const N: usize>(counts: [u64; N]) {
    assert!(counts.iter().all(|n| *n > 20), "nothing was at stake: {counts:?}");
}

/// Half a minute of a brawl in which creatures bite to kill: the state in every tick, and all snapshots.
fn massacre(n_threads: usize) -> (Vec<u64>, u64) {
    const PLAYERS: u32 = 400;
    on_threads(n_threads, || {
        let (scenario, config) = (Scenario::Brawl, Scenario::Brawl.config(PLAYERS));
        let mut content = scenario.content();
        content.creatures.iter_mut().for_each(|creature| creature.bite_damage *= 8);
        let mut world = World::new(&config, content);
        let join = |n| {
            let place = Some(scenario.place(&config, n));
            Input::Join { player: durable(n), in_flight_max: IN_FLIGHT_DATAGRAMS, place }
        };
        tick(&mut world, &(0..PLAYERS).map(join).collect::<Vec<Input>>());
        let (mut states, mut packets) = (Vec::new(), DefaultHasher::new());
        for _ in 0..500 {
            let now = world.now() + 1;
            let order = |n| {
                let mut packet = InputPacket { tick: now, n_commands: 1, ..InputPacket::default() };
                let home = scenario.place(&config, n);
                packet.commands[0] = scenario.command(n, now, home, home);
                Input::Packet { player: durable(n), margin_2ms: 0, packet }
            };
            tick(&mut world, &(0..PLAYERS).map(order).collect::<Vec<Input>>());
            states.push(state_hash(&world));
            world.frames().for_each(|(player, bytes)| (player, bytes).hash(&mut packets));
        }
        let counts = world.counts();
        check_stakes([counts.hits, counts.kills, counts.respawns, counts.deaths, counts.shots, counts.areas]);
        (states, packets.finish())
    })
}

#[test]
fn a_brawl_with_deaths_and_births_is_the_same_on_any_number_of_threads() {
    let one = massacre(1);
    for n_threads in [2, 3, 8] {
        let other = massacre(n_threads);
        let first = (0..one.0.len()).find(|at| one.0[*at] != other.0[*at]);
        assert_eq!(first, None, "{n_threads} threads differ in that tick");
        assert_eq!(one.1, other.1, "snapshots of {n_threads} threads");
    }
}

#[test]
fn any_number_of_threads_gives_the_same_state_and_the_same_packets() {
    for scenario in [Scenario::Towns, Scenario::Crowd, Scenario::Brawl] {
        let one = hashes(scenario, 1, false);
        for n_threads in [2, 3, 8] {
            assert_eq!(hashes(scenario, n_threads, false), one, "{scenario:?} on {n_threads} threads");
        }
    }
}

#[test]
fn a_day_of_load_shedding_is_the_same_on_any_number_of_threads() {
    let one = hashes(Scenario::Towns, 1, true);
    assert_ne!(one, hashes(Scenario::Towns, 1, false), "nothing was left out");
    for n_threads in [2, 3] {
        assert_eq!(hashes(Scenario::Towns, n_threads, true), one, "on {n_threads} threads");
    }
}

#[test]
fn joins_and_farewells_among_packets_are_the_same_on_any_number_of_threads() {
    let run = |n_threads| {
        on_threads(n_threads, || {
            let mut drive = Drive::new(&knobs(Scenario::Towns));
            for _ in 0..60 {
                drive.step(|world, inputs| {
                    let mut inputs = inputs.to_vec();
                    let (n, now) = (inputs.len(), world.now());
                    let player = durable(now * 7 % 600);
                    // In the middle, where packets stand before and after, some of them of the same player.
                    inputs.insert(n / 2, Input::Leave { player });
                    inputs.insert(n / 3, Input::Detach { player: durable((now + 300) % 600) });
                    let back = durable((now * 7 + 593) % 600);
                    inputs.insert(2 * n / 3, Input::Join { player: back, in_flight_max: 8, place: None });
                    tick(world, &inputs);
                });
            }
            let counts = drive.world.counts();
            assert!(counts.packets_stray > 0 && counts.commands_received > 30_000, "{counts:?}");
            (state_hash(&drive.world), drive.packet_hash(), counts)
        })
    };
    let one = run(1);
    for n_threads in [2, 3, 8] {
        assert_eq!(run(n_threads), one, "{n_threads} threads");
    }
}

/// Steps by one tick, of a hard day if `is_hard`.
fn step(drive: &mut Drive, is_hard: bool) {
    drive.step(|world, inputs| {
        let mut inputs = inputs.to_vec();
        inputs.extend(level(world.now()).filter(|_| is_hard).map(Input::Shed));
        tick(world, &inputs);
    });
}

/// Steps by one tick; in tick 20 every fifth connection breaks, so that those bodies leave 30 s later, all at once.
fn step_on(drive: &mut Drive, is_hard: bool) {
    drive.step(|world, inputs| {
        let mut inputs = inputs.to_vec();
        inputs.extend(level(world.now()).filter(|_| is_hard).map(Input::Shed));
        if world.now() == 20 {
            let broken = (0..600).step_by(5).map(|n| Input::Detach { player: durable(n) });
            inputs.extend(broken);
        }
        tick(world, &inputs);
    });
}

fn check_shuffled(scenario: Scenario, n_ticks: u32, is_hard: bool) {
    on_threads(1, || {
        let (mut plain, mut shuffled) = (Drive::new(&knobs(scenario)), Drive::new(&knobs(scenario)));
        for tick in 0..n_ticks {
            step_on(&mut plain, is_hard);
            step_on(&mut shuffled, is_hard);
            let hashes = (state_hash(&plain.world), state_hash(&shuffled.world));
            assert_eq!(hashes.0, hashes.1, "{scenario:?}: row order leaks in tick {}", tick + 1);
            order::shuffle(&mut shuffled.world, tick);
            shuffled.world.check();
        }
        assert!(plain.world.counts().kills > 0, "nothing was at stake");
    });
}

#[test]
fn what_is_sent_by_news_is_the_same_on_any_number_of_threads_and_the_state_is_that_of_every_tick() {
    let run = |n_threads, sending| {
        on_threads(n_threads, || {
            let mut drive = Drive::sending(&knobs(Scenario::Crowd), sending);
            (0..200).for_each(|tick| step(&mut drive, tick > 120));
            (state_hash(&drive.world), drive.packet_hash())
        })
    };
    let one = run(1, Sending::News);
    for n_threads in [2, 3, 8] {
        assert_eq!(run(n_threads, Sending::News), one, "{n_threads} threads");
    }
    let plain = run(1, Sending::EveryTick);
    assert_eq!(plain.0, one.0, "what happens depends on who was told when");
    assert_ne!(plain.1, one.1);
}

#[test]
fn what_is_sent_by_news_does_not_depend_on_the_order_of_rows() {
    on_threads(1, || {
        let drive = || Drive::sending(&knobs(Scenario::Towns), Sending::News);
        let (mut plain, mut shuffled) = (drive(), drive());
        for tick in 0..200 {
            step_on(&mut plain, false);
            step_on(&mut shuffled, false);
            let hashes = (plain.packet_hash(), shuffled.packet_hash());
            assert_eq!(hashes.0, hashes.1, "row order leaks in tick {}", tick + 1);
            order::shuffle(&mut shuffled.world, tick);
        }
    });
}

#[test]
fn rows_shuffled_in_every_tick_give_the_same_state() {
    check_shuffled(Scenario::Towns, 200, false);
    check_shuffled(Scenario::Crowd, 200, false);
}

#[test]
fn rows_shuffled_while_casts_are_under_way_give_the_same_state() {
    check_shuffled(Scenario::Brawl, 300, false);
}

#[test]
fn rows_shuffled_while_load_is_shed_give_the_same_state() {
    check_shuffled(Scenario::Towns, 450, true);
}

#[test]
fn rows_shuffled_while_bodies_leave_and_creatures_are_born_give_the_same_state() {
    check_shuffled(Scenario::Crowd, 1_100, false); // long enough for handles of the gone to be given out again
}
