//! Load shedding: what each rung leaves out, what it never does, and that everything comes back.

use crate::fixtures::on_threads;
use client_core::view::View;
use engine::interest::ENTER_MM;
use engine::shed::{FAR_MM, LEVEL_MAX, NEAR_MM};
use engine::{Counts, EntityId, Input, Row, Rung, tick};
use harness::drive::durable;
use harness::{Drive, Knobs, Loss, Scenario};
use netproto::Status;
use netproto::snapshot::{Frame, decode};
use std::collections::HashMap;

const PLAYERS: u32 = 300;
/// A published position and the true one differ by this much per axis at most, with what rounding adds.
const OFF_MM: i32 = 90;

/// Steps by one tick; with a level, that of load shedding changes in it.
fn step(drive: &mut Drive, level: Option<u8>) {
    drive.step(|world, inputs| {
        let mut inputs = inputs.to_vec();
        inputs.extend(level.map(Input::Shed));
        tick(world, &inputs);
    });
}

fn run(drive: &mut Drive, n_ticks: u32) {
    (0..n_ticks).for_each(|_| step(drive, None));
}

fn begun(scenario: Scenario, n_players: u32, level: u8) -> Drive {
    let loss = Loss::None;
    let mut drive = Drive::with_delays(&Knobs { scenario, n_players, n_decoding: 0, loss }, |_| (0, 1));
    run(&mut drive, 60);
    step(&mut drive, Some(level));
    drive
}

fn left_out(drive: &Drive, before: &Counts, rung: Rung) -> u64 {
    drive.world.counts().spared[rung as usize] - before.spared[rung as usize]
}

/// How long what somebody sees was wrong, in ticks in a row: motion of far and of near entities, looks of both.
#[derive(Clone, Copy, Debug, Default)]
struct Lags {
    far: u32,
    near: u32,
    calm: u32,
    close: u32,
}

/// Everybody's eyes, with no network before them.
struct Eyes {
    views: Vec<View>,
    frame: Box<Frame>,
    /// Snapshots of each so far.
    n_frames: Vec<u32>,
    /// Age of timed events when they came, and how many there were.
    ages: Vec<u32>,
    since: HashMap<(u32, u32, bool), (u32, u32)>,
    lags: Lags,
}

impl Eyes {
    fn new(n: u32) -> Self {
        let n = n as usize;
        Self {
            views: vec![View::default(); n],
            frame: Box::default(),
            n_frames: vec![0; n],
            ages: Vec::new(),
            since: HashMap::new(),
            lags: Lags::default(),
        }
    }

    /// Takes the frames of the tick that was stepped last.
    fn look(&mut self, drive: &Drive) {
        for (player, bytes) in drive.world.frames() {
            let view = &mut self.views[player.low as usize];
            decode(bytes, &mut self.frame).expect("our own frames decode");
            assert!(view.apply(&self.frame));
            self.ages.extend(view.fresh_timed().iter().map(|timed| timed.age));
            self.n_frames[player.low as usize] += 1;
        }
    }

    /// Compares what is seen with what is.
    fn compare(&mut self, drive: &Drive) {
        let (world, now) = (&drive.world, drive.world.now());
        let columns = world.columns();
        for (n, view) in self.views.iter().enumerate() {
            let own = world.entity_of(durable(n as u32)).and_then(|id| world.row_of(id));
            let (x, y) = columns.place(own.expect("everybody has a body"));
            for slot in (0..64).filter(|slot| view.occupied() >> slot & 1 == 1) {
                let entity = view.slots().entity[slot];
                let row = world.row_of(EntityId(entity));
                let row: Row = row.unwrap_or_else(|| panic!("client {n} sees {entity}, who is no more"));
                let at = columns.place(row);
                let away = (f64::from(at.0 - x)).hypot(f64::from(at.1 - y)) as i32;
                if away > ENTER_MM {
                    continue;
                }
                let seen = view.at(slot as u32, now).expect("the slot is in use");
                let off = (seen.0 - at.0).abs().max((seen.1 - at.1).abs()) > OFF_MM;
                let status = view.slots().status[slot].pack() != columns.shown[row.at()].run(Status::GROUP);
                // A margin: somebody who came near in this tick was far when the snapshot was made.
                let (is_far, is_aside) = (away > FAR_MM - 1_000, away > NEAR_MM - 1_000);
                for (is_wrong, is_status) in [(off, false), (status, true)] {
                    let run = self.since.entry((n as u32, entity, is_status)).or_insert((now, 0));
                    *run = match (is_wrong, run.0 + 1 == now) {
                        (false, _) => (now, 0),
                        (true, true) => (now, run.1 + 1),
                        (true, false) => (now, 1),
                    };
                    let lags = &mut self.lags;
                    let most = match (is_status, is_far, is_aside) {
                        (false, true, _) => &mut lags.far,
                        (false, false, _) => &mut lags.near,
                        (true, _, true) => &mut lags.calm,
                        (true, _, false) => &mut lags.close,
                    };
                    *most = (*most).max(run.1);
                }
            }
        }
    }
}

/// What everybody sees on a level for 200 ticks; everything they know before is right.
fn seen(scenario: Scenario, level: u8) -> (Eyes, Drive, Counts) {
    let loss = Loss::None;
    let knobs = Knobs { scenario, n_players: PLAYERS, n_decoding: 0, loss };
    let mut drive = Drive::with_delays(&knobs, |_| (0, 1));
    let mut eyes = Eyes::new(PLAYERS);
    for _ in 0..60 {
        step(&mut drive, None);
        eyes.look(&drive);
    }
    let before = drive.world.counts();
    eyes.n_frames.fill(0);
    eyes.ages.clear();
    for at in 0..200 {
        step(&mut drive, (at == 0).then_some(level));
        eyes.look(&drive);
        eyes.compare(&drive);
    }
    (eyes, drive, before)
}

#[test]
fn far_motion_comes_a_tick_late_and_near_motion_in_its_tick() {
    on_threads(1, || {
        let (eyes, drive, before) = seen(Scenario::Towns, Rung::Far.level());
        assert!(left_out(&drive, &before, Rung::Far) > 1_000, "nothing was left out");
        assert!((1..=2).contains(&eyes.lags.far) && eyes.lags.near == 0, "{:?}", eyes.lags);
        let (eyes, ..) = seen(Scenario::Towns, 0);
        assert_eq!((eyes.lags.far, eyes.lags.near, eyes.lags.calm), (0, 0, 0));
    });
}

#[test]
fn looks_of_those_beside_wait_for_little_more_than_a_second_and_those_nearby_for_nothing() {
    on_threads(1, || {
        let (eyes, drive, before) = seen(Scenario::Towns, Rung::Cosmetic.level());
        assert!(left_out(&drive, &before, Rung::Cosmetic) > 300, "nothing was left out");
        assert!((10..=24).contains(&eyes.lags.calm) && eyes.lags.close == 0, "{:?}", eyes.lags);
        assert_eq!((eyes.lags.far, eyes.lags.near), (0, 0));
    });
}

#[test]
fn on_no_level_anybody_waits_longer_than_for_a_snapshot_and_hits_are_told_at_once() {
    on_threads(1, || {
        for level in [Rung::SendTen.level(), Rung::SendFive.level(), LEVEL_MAX] {
            let (eyes, drive, before) = seen(Scenario::Towns, level);
            let every = drive.world.shed().send_every();
            let lags = eyes.lags;
            assert!(lags.near < every && lags.far < every && lags.calm <= 24, "level {level}: {lags:?}");
            // 200 ticks are 10 seconds.
            let (least, sum) = (eyes.n_frames.iter().min(), eyes.n_frames.iter().sum::<u32>());
            assert!(least.is_some_and(|least| *least >= 200 / every), "level {level}: {least:?} in 10 s");
            assert!(sum < PLAYERS * 200 * 2 / 3, "level {level}: {sum} snapshots");
            let rung = if level == Rung::SendTen.level() { Rung::SendTen } else { Rung::SendFive };
            assert!(left_out(&drive, &before, rung) > 10_000);
            let n_late = eyes.ages.iter().filter(|age| **age > 0).count();
            assert!(eyes.ages.len() > 300 && n_late == 0, "level {level}: {n_late} of {}", eyes.ages.len());
        }
    });
}

#[test]
fn what_others_announce_is_told_in_its_tick_on_every_level() {
    on_threads(1, || {
        let (eyes, ..) = seen(Scenario::Brawl, LEVEL_MAX);
        // Where too much is announced for one snapshot, the rest is in the next one.
        let n_late = eyes.ages.iter().filter(|age| **age > 0).count();
        assert!(eyes.ages.len() > 10_000 && n_late * 50 < eyes.ages.len(), "{n_late} of {}", eyes.ages.len());
    });
}

#[test]
fn clients_look_half_as_often_on_the_rung_of_interest() {
    on_threads(1, || {
        let mut drive = begun(Scenario::Uniform, PLAYERS, Rung::Interest.level());
        let before = drive.world.counts();
        run(&mut drive, 160);
        let n_turns = u64::from(PLAYERS) * 160 / 4;
        let n = left_out(&drive, &before, Rung::Interest);
        assert!(n_turns * 4 / 10 < n && n <= n_turns / 2, "{n} of {n_turns} were left out");
        let shares = [Rung::Interest.level(), 0].map(|level| {
            step(&mut drive, Some(level));
            run(&mut drive, 40);
            drive.recall_of((0..PLAYERS).step_by(10))
        });
        assert!(shares[0] > 0.9 && shares[1] > shares[0], "{shares:?}");
    });
}

/// Slots in use by everybody.
fn in_use(drive: &Drive, n_players: u32) -> Vec<u32> {
    let client = |n| drive.world.client_of(durable(n)).expect("everybody is attached");
    (0..n_players).map(|n| client(n).view.known.count_ones()).collect()
}

/// Share of the nearest 16 entities that somebody holds.
fn nearest_held(drive: &Drive, n: u32) -> f64 {
    let (world, columns) = (&drive.world, drive.world.columns());
    let client = world.client_of(durable(n)).expect("everybody is attached");
    let own = world.entity_of(durable(n)).and_then(|id| world.row_of(id)).expect("everybody has a body");
    let (x, y) = columns.place(own);
    let mut near: Vec<(i64, u32)> = (0..columns.n_rows())
        .filter(|row| columns.id[*row] != EntityId::NONE && *row != own.at())
        .map(|row| {
            let (dx, dy) = (i64::from(columns.x_mm[row] - x), i64::from(columns.y_mm[row] - y));
            let weight = if row < columns.n_players_max() { 39 } else { 64 };
            ((dx * dx + dy * dy) * weight, row as u32)
        })
        .collect();
    near.sort_unstable();
    let held: Vec<u32> = client.view.slots().map(|slot| client.row(slot).0).collect();
    near[..16].iter().filter(|(_, row)| held.contains(row)).count() as f64 / 16.0
}

#[test]
fn with_half_the_slots_the_nearest_are_kept_and_all_64_are_back_within_a_second() {
    on_threads(1, || {
        let mut drive = begun(Scenario::Crowd, 400, Rung::Slots.level());
        run(&mut drive, 20);
        assert!(in_use(&drive, 400).iter().all(|n| *n <= 32), "{:?}", in_use(&drive, 400));
        // A search leaves one slot empty at most, and a few wait to be introduced.
        let n = in_use(&drive, 400).iter().sum::<u32>();
        assert!(n > 400 * 29, "{n} of {} slots", 400 * 32);
        let held = (0..400).map(|n| nearest_held(&drive, n)).sum::<f64>() / 400.0;
        assert!(held > 0.95, "{held} of the nearest 16");
        step(&mut drive, Some(0));
        run(&mut drive, 19);
        // A few slots change hands in every tick.
        assert!(in_use(&drive, 400).iter().all(|n| *n >= 54), "{:?}", in_use(&drive, 400));
        let n = in_use(&drive, 400).iter().sum::<u32>();
        assert!(n > 400 * 61, "{n} of {} slots", 400 * 64);
    });
}

#[test]
fn where_nobody_is_creatures_think_less_and_where_somebody_is_as_ever() {
    on_threads(1, || {
        // One in five players is anywhere: most of the square is near somebody, but not all of it.
        let mut drive = begun(Scenario::Towns, 60, Rung::Slots.level());
        let before = drive.world.counts();
        run(&mut drive, 100);
        assert_eq!(left_out(&drive, &before, Rung::Creatures), 0);
        step(&mut drive, Some(Rung::Creatures.level()));
        run(&mut drive, 100);
        // 240 creatures at ease have some six thoughts each in a hundred ticks.
        let n = left_out(&drive, &before, Rung::Creatures);
        assert!((50..1_000).contains(&n), "{n} thoughts were left out");
    });
}

#[test]
fn births_wait_while_they_are_shed_and_come_one_by_one_afterwards() {
    on_threads(1, || {
        let mut drive = begun(Scenario::Crowd, PLAYERS, 0);
        run(&mut drive, 500);
        let before = drive.world.counts();
        step(&mut drive, Some(Rung::Ecology.level()));
        run(&mut drive, 200);
        assert_eq!(drive.world.counts().respawns, before.respawns, "somebody was born");
        let n_waiting = left_out(&drive, &before, Rung::Ecology);
        assert!(n_waiting > 20, "{n_waiting} births waited");
        step(&mut drive, Some(0));
        let mut most = 0;
        for _ in 0..64 {
            let n = drive.world.counts().respawns;
            run(&mut drive, 1);
            most = most.max(drive.world.counts().respawns - n);
        }
        let n_born = drive.world.counts().respawns - before.respawns;
        assert!(n_born >= n_waiting && most < n_waiting / 3, "{n_born} of {n_waiting}, {most} at once");
    });
}
