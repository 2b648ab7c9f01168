//! Equal inputs give an equal world, whatever the number of threads and the order of rows.

use crate::fixtures::on_threads;
use engine::{Input, order, state_hash, tick};
use harness::drive::durable;
use harness::{Drive, Knobs, Loss, Scenario};

fn knobs(scenario: Scenario) -> Knobs {
    Knobs { scenario, n_players: 600, n_decoding: 0, loss: Loss::Random }
}

/// State and packet hash after 400 ticks.
fn hashes(scenario: Scenario, n_threads: usize) -> (u64, u64) {
    on_threads(n_threads, || {
        let mut drive = Drive::new(&knobs(scenario));
        drive.run(400);
        let casts = drive.world.casts();
        assert!(scenario != Scenario::Brawl || casts.len() > 100, "{} casts are under way", casts.len());
        (state_hash(&drive.world), drive.packet_hash())
    })
}

#[test]
fn any_number_of_threads_gives_the_same_state_and_the_same_packets() {
    for scenario in [Scenario::Towns, Scenario::Crowd, Scenario::Brawl] {
        let one = hashes(scenario, 1);
        for n_threads in [2, 3, 8] {
            assert_eq!(hashes(scenario, n_threads), one, "{scenario:?} on {n_threads} threads");
        }
    }
}

/// Steps by one tick; in tick 20 every fifth connection breaks, so that those bodies leave 30 s later, all at once.
fn step(drive: &mut Drive) {
    drive.step(|world, inputs| {
        let mut inputs = inputs.to_vec();
        if world.now() == 20 {
            let broken = (0..600).step_by(5).map(|n| Input::Detach { player: durable(n) });
            inputs.extend(broken);
        }
        tick(world, &inputs);
    });
}

fn check_shuffled(scenario: Scenario, n_ticks: u32) {
    on_threads(1, || {
        let (mut plain, mut shuffled) = (Drive::new(&knobs(scenario)), Drive::new(&knobs(scenario)));
        for tick in 0..n_ticks {
            step(&mut plain);
            step(&mut shuffled);
            let hashes = (state_hash(&plain.world), state_hash(&shuffled.world));
            assert_eq!(hashes.0, hashes.1, "{scenario:?}: row order leaks in tick {}", tick + 1);
            order::shuffle(&mut shuffled.world, tick);
            shuffled.world.check();
        }
        assert!(plain.world.counts().kills > 0, "nothing was at stake");
    });
}

#[test]
fn rows_shuffled_in_every_tick_give_the_same_state() {
    check_shuffled(Scenario::Towns, 200);
    check_shuffled(Scenario::Crowd, 200);
}

#[test]
fn rows_shuffled_while_casts_are_under_way_give_the_same_state() {
    check_shuffled(Scenario::Brawl, 300);
}

#[test]
fn rows_shuffled_while_bodies_leave_and_creatures_are_born_give_the_same_state() {
    check_shuffled(Scenario::Crowd, 1_100); // long enough for handles of the gone to be given out again
}
