//! Tests that want the process to themselves: allocations are counted for all threads.
//!
//! They run in a child process of their own, this same binary with one test named.

use crate::fixtures::{allocations_in, on_threads};
use engine::tick;
use harness::{Drive, Knobs, Loss, Scenario};
use std::process::Command;

const ALONE: &str = "ARCANE_TEST_ALONE";

#[test]
fn a_tick_allocates_nothing_after_warm_up() {
    if std::env::var_os(ALONE).is_some() {
        return count_allocations();
    }
    let me = std::env::current_exe().expect("the test binary has a path");
    let name = "alone::a_tick_allocates_nothing_after_warm_up";
    let child = Command::new(me).args([name, "--exact", "--nocapture"]).env(ALONE, "1").output();
    let output = child.expect("the test binary starts again");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn count_allocations() {
    for (scenario, n_threads) in [(Scenario::Towns, 1), (Scenario::Crowd, 2), (Scenario::Brawl, 2)] {
        on_threads(n_threads, || {
            let knobs = Knobs { scenario, n_players: 1_000, n_decoding: 0, loss: Loss::Random };
            let mut drive = Drive::new(&knobs);
            drive.run(300);
            let mut n_allocations = 0;
            for _ in 0..300 {
                drive.step(|world, inputs| n_allocations += allocations_in(|| tick(world, inputs)));
            }
            assert_eq!(n_allocations, 0, "{scenario:?} on {n_threads} threads");
        });
    }
    assert!(
        allocations_in(|| drop(std::hint::black_box(Box::new([0u8; 64])))) > 0,
        "the counter does not count"
    );
}
