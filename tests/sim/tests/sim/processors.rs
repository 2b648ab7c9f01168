//! Equal inputs give an equal world, whatever the processor can do.

use crate::fixtures::on_threads;
use engine::state_hash;
use harness::{Drive, Knobs, Loss, Scenario};
use jobs::cpu::{self, Lanes};

#[test]
fn old_and_new_processors_give_the_same_state_and_the_same_packets() {
    let run = |scenario, most| {
        cpu::choose(most);
        on_threads(2, || {
            let mut drive =
                Drive::new(&Knobs { scenario, n_players: 400, n_decoding: 0, loss: Loss::Random });
            drive.run(300);
            assert!(drive.world.counts().kills > 0, "nothing was at stake");
            (state_hash(&drive.world), drive.packet_hash())
        })
    };
    for scenario in [Scenario::Towns, Scenario::Brawl] {
        assert_eq!(run(scenario, Lanes::Narrow), run(scenario, Lanes::Wide), "{scenario:?}");
    }
}
