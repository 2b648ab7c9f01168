//! Tests that want the process to themselves: allocations are counted for all threads.
//!
//! They run in a child process of their own, this same binary with one test named.

use crate::fixtures::{allocations_in, on_threads};
use engine::{Content, DurableId, Input, World, ZoneConfig, tick};
use harness::drive::durable;
use harness::{Drive, Knobs, Loss, Scenario};
use netproto::input::InputPacket;
use netproto::peer::IN_FLIGHT_DATAGRAMS;
use netproto::{Command as Order, Deed, Kind, Move};
use std::process::Command;

const ALONE: &str = "ARCANE_TEST_ALONE";

/// Runs a test's work in a process that has nothing else to do, and shows what it prints.
fn alone(name: &str, work: impl FnOnce()) {
    if std::env::var_os(ALONE).is_some() {
        return work();
    }
    let me = std::env::current_exe().expect("the test binary has a path");
    let name = format!("alone::{name}");
    let child = Command::new(me).args([&name, "--exact", "--nocapture"]).env(ALONE, "1").output();
    let output = child.expect("the test binary starts again");
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{text}");
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_tick_allocates_nothing_after_warm_up() {
    alone("a_tick_allocates_nothing_after_warm_up", count_allocations);
}

#[test]
fn a_thousand_casts_in_one_tick_at_one_spot_cost_bounded_work_and_no_allocation() {
    alone("a_thousand_casts_in_one_tick_at_one_spot_cost_bounded_work_and_no_allocation", || {
        assert_eq!(on_threads(1, volley), on_threads(2, volley));
    });
}

fn count_allocations() {
    for (scenario, n_threads) in [(Scenario::Towns, 1), (Scenario::Crowd, 2), (Scenario::Brawl, 2)] {
        on_threads(n_threads, || {
            let knobs = Knobs { scenario, n_players: 1_000, n_decoding: 0, loss: Loss::Random };
            let mut drive = Drive::new(&knobs);
            drive.run(300);
            let mut n_allocations = 0;
            for _ in 0..300 {
                drive.step(|world, inputs| {
                    // Up the ladder and down again.
                    let mut inputs = inputs.to_vec();
                    inputs.push(Input::Shed(12 - (world.now() / 10 % 24).abs_diff(12) as u8));
                    n_allocations += allocations_in(|| tick(world, &inputs));
                });
            }
            assert_eq!(n_allocations, 0, "{scenario:?} on {n_threads} threads");
        });
    }
    assert!(
        allocations_in(|| drop(std::hint::black_box(Box::new([0u8; 64])))) > 0,
        "the counter does not count"
    );
}

const CASTERS: u32 = 1_000;

/// A thousand players at one spot, four thousand creatures within 12 m that no volley kills.
fn spot() -> World {
    let config = ZoneConfig {
        seed: 5,
        side_mm: 131_072,
        ticks_per_second: 20,
        players_max: CASTERS,
        creatures: 4 * CASTERS,
        spawn_radius_mm: 1_000,
        den_radius_mm: 12_000,
        sending: engine::Sending::EveryTick,
    };
    let mut content = Content::standard(20);
    // They stay where they are and hurt nobody before they are hurt.
    content.shares = vec![(100, Kind::Boar)];
    content.creatures[Kind::Boar as usize].health = 60_000;
    let mut world = World::new(&config, content);
    let middle = (config.side_mm / 2, config.side_mm / 2);
    let join =
        |n| Input::Join { player: durable(n), in_flight_max: IN_FLIGHT_DATAGRAMS, place: Some(middle) };
    tick(&mut world, &(0..CASTERS).map(join).collect::<Vec<Input>>());
    world
}

/// Everybody stands, and casts an area onto the own feet if `deed` says so.
fn orders(world: &World, deed: Option<Deed>) -> Vec<Input> {
    let mut packet = InputPacket { tick: world.now() + 1, n_commands: 1, ..InputPacket::default() };
    packet.commands[0] = Order { movement: Move::default(), deed };
    let order = |player: DurableId| Input::Packet { player, margin_2ms: 0, packet };
    (0..CASTERS).map(|n| order(durable(n))).collect()
}

/// Lets all cast at once, and what they cast land. Returns hits and casts.
fn volley() -> (u64, u64) {
    let mut world = spot();
    let (n_targets_max, windup) =
        (Content::standard(20).class.area.targets_max as u64, Content::standard(20).class.area.windup_ticks);
    for _ in 0..100 {
        let inputs = orders(&world, None);
        tick(&mut world, &inputs);
    }
    let before = world.counts();
    let mut costs = Vec::new();
    for at in 0..=windup {
        let deed = Deed { area: true, ..Deed::default() };
        let inputs = orders(&world, (at == 0).then_some(deed));
        let start = jobs::sys::process_cpu_ns();
        let n_allocations = allocations_in(|| tick(&mut world, &inputs));
        costs.push((jobs::sys::process_cpu_ns() - start) / 1_000);
        assert_eq!(n_allocations, 0, "{at} ticks after the announcement");
    }
    let counts = world.counts();
    let (n_casts, n_hits) = (counts.areas - before.areas, counts.hits - before.hits);
    println!(
        "{n_casts} casts announced: {} us of CPU; landed with {n_hits} hits: {} us; ticks between: {:?} us",
        costs[0],
        costs[costs.len() - 1],
        &costs[1..costs.len() - 1]
    );
    assert_eq!(n_casts, u64::from(CASTERS));
    assert_eq!(n_hits, n_casts * n_targets_max, "four thousand within 12 m are enough for every circle");
    (n_hits, n_casts)
}
