//! After applying the snapshot of a tick, a client sees what the world says: always without loss, nearly always
//! with it, and never wrong for long.

use crate::fixtures::on_threads;
use engine::Sending;
use harness::{Drive, Findings, Knobs, Loss, Scenario};

/// Ticks of a run.
const N_TICKS: u32 = 2_000;
/// How long a slot may be wrong beyond the round trip of the last loss that touched it.
const WRONG_TICKS_MAX: u32 = 4;

fn players(scenario: Scenario) -> u32 {
    if matches!(scenario, Scenario::Crowd | Scenario::Brawl) { 1_000 } else { 2_000 }
}

fn findings(scenario: Scenario, loss: Loss, sending: Sending) -> Findings {
    let knobs = Knobs { scenario, n_players: players(scenario), n_decoding: 200, loss };
    on_threads(1, || {
        let mut drive = Drive::sending(&knobs, sending);
        // By news there are other tests as well, which look closer.
        let n_ticks = if sending == Sending::News { N_TICKS / 2 } else { N_TICKS };
        for _ in 0..n_ticks / 100 {
            drive.run(100);
            drive.check_views();
        }
        let counts = drive.world.counts();
        let seen = counts.visible as f64 / counts.client_ticks as f64;
        let floor = if scenario == Scenario::Uniform { 20.0 } else { 60.0 };
        assert!(seen >= floor, "{scenario:?}: {seen:.1} of 64 slots in use: the run shows nothing");
        assert!(counts.kills > 0 && counts.respawns > 0, "nothing died: {counts:?}");
        std::mem::take(&mut drive.findings)
    })
}

fn check(scenario: Scenario, loss: Loss, wrong_share_max: f64) {
    check_sending(scenario, loss, wrong_share_max, Sending::EveryTick);
}

fn check_sending(scenario: Scenario, loss: Loss, wrong_share_max: f64, sending: Sending) {
    let found = findings(scenario, loss, sending);
    let share = found.wrong as f64 / found.slot_ticks as f64;
    let what = format!(
        "{scenario:?} {loss:?}: {} of {} slot-ticks wrong, {} extra, at most {} ticks, view off by {} mm at 99.9 %",
        found.wrong,
        found.slot_ticks,
        found.extra,
        found.wrong_ticks_max,
        found.error_mm.at_quantile(0.999)
    );
    println!("{what}");
    assert!(found.slot_ticks > 2_000_000, "{what}");
    assert!(share <= wrong_share_max, "{what}");
    if loss == Loss::None {
        assert_eq!(found.extra, 0, "{what}");
        assert!(found.error_mm.share_within(80) >= 0.999, "{what}");
    } else {
        assert!(found.wrong > 0, "no loss showed: {what}");
        // A late packet shows as lost only when it arrives and is discarded: its trail begins too late.
        assert!(loss == Loss::Late || found.wrong_ticks_max <= WRONG_TICKS_MAX, "{what}");
    }
}

#[test]
fn without_loss_every_slot_is_right_uniform() {
    check(Scenario::Uniform, Loss::None, 0.0);
}

#[test]
fn without_loss_every_slot_is_right_towns() {
    check(Scenario::Towns, Loss::None, 0.0);
}

#[test]
fn without_loss_every_slot_is_right_crowd() {
    check(Scenario::Crowd, Loss::None, 0.0);
}

#[test]
fn without_loss_every_slot_is_right_brawl() {
    check(Scenario::Brawl, Loss::None, 0.0);
}

#[test]
fn with_random_loss_slots_heal_uniform() {
    check(Scenario::Uniform, Loss::Random, 0.005);
}

#[test]
fn with_random_loss_slots_heal_towns() {
    check(Scenario::Towns, Loss::Random, 0.005);
}

#[test]
fn with_random_loss_slots_heal_crowd() {
    check(Scenario::Crowd, Loss::Random, 0.005);
}

#[test]
fn with_bursts_of_loss_slots_heal_uniform() {
    check(Scenario::Uniform, Loss::Burst, 0.005);
}

#[test]
fn with_bursts_of_loss_slots_heal_towns() {
    check(Scenario::Towns, Loss::Burst, 0.005);
}

#[test]
fn with_bursts_of_loss_slots_heal_crowd() {
    check(Scenario::Crowd, Loss::Burst, 0.005);
}

#[test]
fn by_news_without_loss_every_slot_is_right_brawl() {
    check_sending(Scenario::Brawl, Loss::None, 0.0, Sending::News);
}

#[test]
fn by_news_with_random_loss_slots_heal_towns() {
    check_sending(Scenario::Towns, Loss::Random, 0.005, Sending::News);
}

#[test]
fn by_news_with_bursts_of_loss_slots_heal_crowd() {
    check_sending(Scenario::Crowd, Loss::Burst, 0.005, Sending::News);
}

#[test]
fn snapshots_that_come_late_count_as_lost() {
    // Twice as many as are lost elsewhere, so twice the share may be wrong.
    check(Scenario::Towns, Loss::Late, 0.01);
}
