//! Equal inputs give an equal world, whatever the number of threads and the order of rows.

use crate::fixtures::on_threads;
use engine::{order, state_hash};
use harness::{Drive, Knobs, Loss, Scenario};

fn knobs(scenario: Scenario) -> Knobs {
    Knobs { scenario, n_players: 600, n_decoding: 0, loss: Loss::Random }
}

/// State and packet hash after 400 ticks.
fn hashes(scenario: Scenario, n_threads: usize) -> (u64, u64) {
    on_threads(n_threads, || {
        let mut drive = Drive::new(&knobs(scenario));
        drive.run(400);
        (state_hash(&drive.world), drive.packet_hash())
    })
}

#[test]
fn any_number_of_threads_gives_the_same_state_and_the_same_packets() {
    for scenario in [Scenario::Towns, Scenario::Crowd] {
        let one = hashes(scenario, 1);
        for n_threads in [2, 3, 8] {
            assert_eq!(hashes(scenario, n_threads), one, "{scenario:?} on {n_threads} threads");
        }
    }
}

#[test]
fn rows_shuffled_in_every_tick_give_the_same_state() {
    for scenario in [Scenario::Towns, Scenario::Crowd] {
        on_threads(1, || {
            let (mut plain, mut shuffled) = (Drive::new(&knobs(scenario)), Drive::new(&knobs(scenario)));
            for tick in 0..300 {
                plain.run(1);
                shuffled.run(1);
                let hashes = (state_hash(&plain.world), state_hash(&shuffled.world));
                assert_eq!(hashes.0, hashes.1, "{scenario:?}: row order leaks in tick {}", tick + 1);
                order::shuffle(&mut shuffled.world, tick);
                shuffled.world.check();
            }
            assert!(plain.world.counts().kills > 0, "nothing was at stake");
        });
    }
}
