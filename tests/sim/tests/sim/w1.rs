//! The workload W1 is what docs/PERFORMANCE.md says of it: equal work for everybody, whatever anybody commands.

use crate::fixtures::on_threads;
use engine::{DurableId, EntityId, state_hash};
use harness::drive::durable;
use harness::{Drive, Knobs, Loss, Scenario};
use std::collections::HashMap;

const PLAYERS: u32 = 800;
const TICKS: u32 = 200;

fn begun(scenario: Scenario, loss: Loss) -> Drive {
    let mut drive = Drive::new(&Knobs { scenario, n_players: PLAYERS, n_decoding: 0, loss });
    drive.run(60);
    drive
}

/// Place, velocity and health.
type Body = ((i32, i32), (i16, i16), u16);

fn bodies(drive: &Drive) -> HashMap<DurableId, Body> {
    let (world, columns) = (&drive.world, drive.world.columns());
    let body = |n| {
        let at = world
            .entity_of(durable(n))
            .and_then(|id: EntityId| world.row_of(id))
            .expect("everybody has come in")
            .at();
        let place = (columns.x_mm[at], columns.y_mm[at]);
        (durable(n), (place, (columns.vx[at], columns.vy[at]), columns.health[at]))
    };
    (0..PLAYERS).map(body).collect()
}

fn check(scenario: Scenario, turns_per_mille: u32) {
    on_threads(1, || {
        let mut drive = begun(scenario, Loss::Random);
        let (counts, mut before) = (drive.world.counts(), bodies(&drive));
        let (mut n_turns, mut n_wounds, mut n_still) = (0, 0, 0);
        for _ in 0..TICKS {
            drive.run(1);
            let now = bodies(&drive);
            for (player, (place, velocity, health)) in &now {
                let old = &before[player];
                n_turns += u32::from(*velocity != old.1);
                n_wounds += u32::from(*health != old.2);
                n_still += u32::from(*place == old.0);
            }
            before = now;
        }
        let per_mille = |n: u32| n * 1_000 / (PLAYERS * TICKS);
        let found = [per_mille(n_turns), per_mille(n_wounds), per_mille(n_still)];
        // A few turns more, at the edges; a few changes of health less, to what it was.
        assert!((turns_per_mille * 9 / 10..turns_per_mille * 13 / 10).contains(&found[0]), "{found:?}");
        assert!((47..=52).contains(&found[1]), "{found:?}");
        assert!(found[2] < 20, "they stand: {found:?}");
        let after = drive.world.counts();
        let seen =
            (after.visible - counts.visible) as f64 / (after.client_ticks - counts.client_ticks) as f64;
        assert!(seen > 62.0, "they see {seen} others");
        assert_eq!((after.creatures, after.casts, after.hits), (0, 0, 0));
    });
}

#[test]
fn in_w1_everybody_walks_turns_and_is_hurt_as_often_as_the_others_measured() {
    check(Scenario::W1, 12);
}

#[test]
fn in_w1_j_everybody_turns_in_every_fifth_tick() {
    check(Scenario::W1J, 200);
}

#[test]
fn in_w1_commands_decide_nothing_and_threads_neither() {
    let of = |n_threads, loss| {
        on_threads(n_threads, || {
            let drive = begun(Scenario::W1, loss);
            assert!(drive.world.counts().commands_received > 40 * u64::from(PLAYERS));
            (bodies(&drive), (state_hash(&drive.world), drive.packet_hash()))
        })
    };
    let one = of(1, Loss::Random);
    assert_eq!(of(2, Loss::Random).1, one.1, "on two threads");
    assert!(of(1, Loss::Heavy).0 == one.0, "lost commands have moved somebody");
}
