//! A zone that has run for years: ticks about 2^31, where a comparison with a sign would turn around.
//!
//! Ticks are not counted over the end of their 32 bits: that takes 6.8 years at 20 Hz, and a zone is restarted before.

use crate::fixtures::on_threads;
use harness::{Drive, Knobs, Loss, Scenario};

/// Ticks of each half: skills are ready again several times, creatures come back, segments grow old.
const HALF: u32 = 400;

#[test]
fn a_brawl_goes_on_over_tick_two_to_the_31_as_before() {
    let knobs = Knobs { scenario: Scenario::Brawl, n_players: 200, n_decoding: 100, loss: Loss::None };
    on_threads(2, || {
        let mut drive = Drive::new(&knobs);
        drive.begin_behind((1 << 31) - HALF);
        drive.run(HALF);
        let first = drive.world.counts();
        assert_eq!(drive.world.now(), 1 << 31);
        drive.run(HALF);
        drive.check_views();
        drive.world.check();
        let (both, found) = (drive.world.counts(), &drive.findings);
        println!("{first:?} {both:?} {} of {} wrong", found.wrong, found.slot_ticks);
        assert_eq!((found.wrong, found.extra), (0, 0));
        assert_eq!(drive.witness.n_wrong, 0);
        assert!(drive.witness.n_told > 1_000, "{} announcements", drive.witness.n_told);
        // As much happens behind the border as before it. (Everybody begins with skills that are ready and health that is
        // full, so the halves are not equal.)
        let pairs = [
            (first.casts, both.casts),
            (first.areas, both.areas),
            (first.shots, both.shots),
            (first.hits, both.hits),
            (first.kills, both.kills),
            (first.respawns, both.respawns),
            (first.commands_received, both.commands_received),
            (first.frames, both.frames),
        ];
        for (at, (before, both)) in pairs.into_iter().enumerate() {
            let after = both - before;
            assert!(
                before > 0 && after * 2 > before,
                "figure {at}: {before} before, {after} behind: {first:?}"
            );
        }
        assert_eq!(both.commands_refused, first.commands_refused);
    });
}
