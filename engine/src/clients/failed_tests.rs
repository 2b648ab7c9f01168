//! A client that cannot be served: it goes, and nobody else can tell.

use super::*;
use crate::{Content, DurableId, FactBody, Input, World, ZoneConfig, tick};
use netproto::input::InputPacket;
use netproto::{Acks, Command, Move, Steer, Vitals};
use std::collections::BTreeMap;

const N: u32 = 300;

fn world() -> World {
    let config = ZoneConfig {
        seed: 7,
        side_mm: 200_000,
        ticks_per_second: 20,
        players_max: 320,
        creatures: 900,
        spawn_radius_mm: 40_000,
        den_radius_mm: 0,
        sending: Sending::News,
    };
    let mut world = World::new(&config, Content::standard(20));
    tick(&mut world, &(1..=N).map(|low| join(player(low))).collect::<Vec<_>>());
    world
}

fn player(low: u32) -> DurableId {
    DurableId { low, high: 1 }
}

fn join(player: DurableId) -> Input {
    Input::Join { player, in_flight_max: 16, place: None }
}

/// How many snapshots each client has.
type Seen = BTreeMap<DurableId, u32>;

/// Everybody walks, turns now and then, and acknowledges all that came.
fn walk(world: &World, seen: &Seen, skipped: &[DurableId]) -> Vec<Input> {
    let next = world.now() + 1;
    let packet = |low: u32| {
        let angle = (low * 31 + next / 8 * 57) % 256;
        let movement = Move::Steer(Steer { angle, speed: 3 });
        let n = seen.get(&player(low)).copied().unwrap_or(0);
        let acks = Acks { seen: n > 0, newest: n.saturating_sub(1), before: 0x7fff };
        let mut packet = InputPacket { acks, tick: next, n_commands: 1, ..InputPacket::default() };
        packet.commands[0] = Command { movement, deed: None };
        Input::Packet { player: player(low), margin_2ms: 0, packet }
    };
    (1..=N).filter(|low| !skipped.contains(&player(*low))).map(packet).collect()
}

fn note(world: &World, seen: &mut Seen) {
    world.frames().for_each(|(player, _)| *seen.entry(player).or_default() += 1);
}

/// Every packet of the last tick.
fn frames(world: &World) -> BTreeMap<DurableId, Vec<u8>> {
    world.frames().map(|(player, bytes)| (player, bytes.to_vec())).collect()
}

/// What breaks a client.
type Fault = fn(&mut Client, u32);

/// Serving these clients panics in one of two equal worlds; in the other one they detach in the next tick.
fn check(broken: &[u32], fault: Fault) {
    let (mut hurt, mut sound) = (world(), world());
    let broken: Vec<DurableId> = broken.iter().copied().map(player).collect();
    let mut seen = Seen::new();
    for _ in 0..70 {
        note(&sound, &mut seen);
        let inputs = walk(&sound, &seen, &[]);
        tick(&mut hurt, &inputs);
        tick(&mut sound, &inputs);
    }
    note(&sound, &mut seen);
    for who in &broken {
        let client = hurt.client_mut(*who).expect("it is attached");
        let slot = client.view.occupied.trailing_zeros();
        assert!(slot < SLOTS as u32, "{who:?} sees nobody");
        fault(client, slot);
    }
    let inputs = walk(&sound, &seen, &[]);
    tick(&mut hurt, &inputs);
    tick(&mut sound, &inputs);
    let told: Vec<_> = hurt.facts().iter().filter(|fact| fact.body == FactBody::Failed).collect();
    assert_eq!(told.iter().map(|fact| fact.player).collect::<Vec<_>>(), broken, "in the order of players");
    let (mut others, mine) = (frames(&sound), frames(&hurt));
    others.retain(|who, _| !broken.contains(who));
    assert_eq!(mine, others, "somebody else's packet is another one in that tick");
    hurt.check();
    let mut inputs: Vec<Input> = broken.iter().map(|who| Input::Detach { player: *who }).collect();
    for n in 0..40 {
        note(&sound, &mut seen);
        inputs.extend(walk(&sound, &seen, &broken));
        if n == 20 {
            inputs.extend(broken.iter().map(|who| join(*who)));
            seen.retain(|who, _| !broken.contains(who));
        }
        tick(&mut hurt, &inputs);
        tick(&mut sound, &inputs);
        inputs.clear();
        assert_eq!(frames(&hurt), frames(&sound), "{n} ticks later the worlds differ");
    }
    let is_served = |who: &DurableId| seen.get(who).is_some_and(|n| *n > 5);
    assert!(broken.iter().all(is_served), "who comes back is served again");
    assert_eq!(crate::state_hash(&hurt), crate::state_hash(&sound));
}

#[test]
fn a_client_whose_search_panics_goes_alone() {
    check(&[40], |client, slot| {
        client.rows[slot as usize] = u32::MAX;
        client.is_due = true;
    });
}

#[test]
fn clients_whose_snapshots_panic_go_alone_also_several_of_a_desk() {
    check(&[1, 2, 130, 131, 290], |client, slot| {
        client.rows[slot as usize] = u32::MAX;
        client.view.mark(Vitals::GROUP, 1 << slot);
    });
}
