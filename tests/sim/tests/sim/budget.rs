//! Budgets of single clients: who has one keeps to it, nobody else notices, nothing starves, and all comes back.

use crate::fixtures::on_threads;
use client_core::view::View;
use engine::{Budget, DurableId, EntityId, Input, tick};
use harness::drive::durable;
use harness::{Drive, Knobs, Loss, Scenario};
use netproto::snapshot::{Frame, decode, ones};
use netproto::{N_GROUPS, SLOTS};

const PLAYERS: u32 = 300;
/// One in so many has a narrow path.
const NARROW: u32 = 10;
/// What no frame can be without may exceed a budget: timed events, and the removals of slots that were given up.
const BEYOND_BYTES: usize = 40;
/// A published position and the true one differ by this much per axis at most, with what rounding adds.
const OFF_MM: i32 = 90;
/// Somebody's motion may be out of date for so long where there is no room for everybody's.
const WRONG_TICKS_MAX: u32 = 60;

fn is_narrow(player: DurableId) -> bool {
    player.low.is_multiple_of(NARROW)
}

fn step(drive: &mut Drive, budget: Option<Budget>) {
    drive.step(|world, inputs| {
        let narrow = (0..PLAYERS).map(durable).filter(|player| is_narrow(*player));
        let mut all: Vec<Input> = budget
            .iter()
            .flat_map(|budget| narrow.clone().map(|player| Input::Budget { player, budget: *budget }))
            .collect();
        all.extend_from_slice(inputs);
        tick(world, &all);
    });
}

/// What clients on narrow paths got.
struct Got {
    n_frames: u32,
    lengths: Vec<usize>,
    views: Vec<View>,
    /// Ticks in a row for which a slot showed its occupant where it is not, by client and slot; and the most of all.
    wrong: Vec<[u32; SLOTS]>,
    longest: u32,
    n_groups: [u32; N_GROUPS],
}

impl Got {
    fn new() -> Self {
        let n = PLAYERS as usize;
        Self {
            n_frames: 0,
            lengths: Vec::new(),
            views: vec![View::default(); n],
            wrong: vec![[0; SLOTS]; n],
            longest: 0,
            n_groups: [0; N_GROUPS],
        }
    }

    fn look(&mut self, drive: &Drive, frame: &mut Frame, counts: bool) {
        for (player, bytes) in drive.world.frames().filter(|(player, _)| is_narrow(*player)) {
            decode(bytes, frame).expect("our own frames decode");
            assert!(self.views[player.low as usize].apply(frame));
            if counts {
                self.n_frames += 1;
                self.lengths.push(bytes.len());
                for (n, mask) in self.n_groups.iter_mut().zip(frame.groups) {
                    *n += mask.count_ones();
                }
            }
        }
        (0..PLAYERS).step_by(NARROW as usize).for_each(|n| self.compare(drive, n as usize));
    }

    fn compare(&mut self, drive: &Drive, n: usize) {
        let (world, view) = (&drive.world, &self.views[n]);
        for slot in ones(view.occupied()) {
            let wrong = &mut self.wrong[n][slot as usize];
            let row = world.row_of(EntityId(view.slots().entity[slot as usize]));
            let seen = view.at(slot, world.now());
            let is_wrong = row.zip(seen).is_none_or(|(row, seen)| {
                let at = world.columns().place(row);
                (seen.0 - at.0).abs().max((seen.1 - at.1).abs()) > OFF_MM
            });
            *wrong = if is_wrong { *wrong + 1 } else { 0 };
            self.longest = self.longest.max(*wrong);
        }
    }
}

fn begun() -> (Drive, Got, Box<Frame>) {
    let knobs = Knobs { scenario: Scenario::Brawl, n_players: PLAYERS, n_decoding: 0, loss: Loss::None };
    let mut drive = Drive::with_delays(&knobs, |_| (0, 1));
    let (mut got, mut frame) = (Got::new(), Box::<Frame>::default());
    for _ in 0..60 {
        step(&mut drive, None);
        got.look(&drive, &mut frame, false);
    }
    (drive, got, frame)
}

#[test]
fn a_budget_is_kept_nothing_starves_in_it_and_full_detail_is_back_within_a_second() {
    on_threads(1, || {
        let full = Budget::default();
        for (send_every, slots, frame_bytes) in [(1, 64, 120), (2, 32, 160), (4, 16, 120)] {
            let budget = Budget { send_every, slots, frame_bytes };
            let (mut drive, mut got, mut frame) = begun();
            step(&mut drive, Some(budget));
            got.look(&drive, &mut frame, false);
            for at in 0..220 {
                step(&mut drive, None);
                got.look(&drive, &mut frame, at >= 20); // removals have their acknowledgements by then
            }
            check(&mut got, &drive, budget);
            step(&mut drive, Some(full));
            (0..19).for_each(|_| step(&mut drive, None));
            let client = |n: u32| drive.world.client_of(durable(n)).expect("everybody is attached");
            let n_known = |n: u32| client(n).view.known.count_ones();
            let narrow = (0..PLAYERS).step_by(NARROW as usize);
            let n = narrow.clone().map(n_known).sum::<u32>();
            assert!(n > PLAYERS / NARROW * 58, "{budget:?}: {n} slots are known a second after");
        }
    });
}

fn check(got: &mut Got, drive: &Drive, budget: Budget) {
    got.lengths.sort_unstable();
    let cap = usize::from(budget.frame_bytes);
    let at = |share: f64| got.lengths[(got.lengths.len() as f64 * share) as usize];
    let (median, high, most) = (at(0.5), at(0.9), got.lengths[got.lengths.len() - 1]);
    let what = format!(
        "{budget:?}: frames of {median}, {high}, {most} bytes, motion wrong for {} ticks",
        got.longest
    );
    println!("{what}");
    assert!(high <= cap && most <= cap + BEYOND_BYTES, "{what}");
    // Somebody who fights is told of it in its tick; regular ones come as rarely as the budget says.
    let n = PLAYERS / NARROW * 200;
    let every = u32::from(budget.send_every);
    assert!(got.n_frames >= n / every && got.n_frames <= n, "{what}: {} of {n}", got.n_frames);
    let views = got.views.iter().step_by(NARROW as usize);
    assert!(views.clone().all(|view| view.occupied().count_ones() <= u32::from(budget.slots)), "{what}");
    assert!(got.longest <= WRONG_TICKS_MAX, "{what}: somebody's motion starves");
    assert!(got.n_groups[..3].iter().all(|n| *n > 0), "{what}: {:?} values by group", got.n_groups);
    drive.world.check();
}

#[test]
fn who_has_no_budget_gets_what_it_would_get_without_the_others() {
    on_threads(1, || {
        let [with, without] = [true, false].map(|has_budgets| {
            let (mut drive, ..) = begun();
            step(&mut drive, has_budgets.then_some(Budget { send_every: 4, slots: 16, frame_bytes: 140 }));
            let mut seen = Vec::new();
            for _ in 0..100 {
                step(&mut drive, None);
                let others = drive.world.frames().filter(|(player, _)| !is_narrow(*player));
                seen.push(others.map(|(player, bytes)| (player, bytes.to_vec())).collect::<Vec<_>>());
            }
            seen
        });
        assert!(with == without, "somebody else's frames differ");
    });
}
