//! One client among others without a world around them, against a look at everybody.

use super::*;
use crate::bins::{WEIGHT_CREATURE, WEIGHT_PLAYER};
use crate::ids::DurableId;
use crate::players::Player;
use crate::rng::{Purpose, draw, within};
use kernel::walker::Rules;
use netproto::Kind;

const SIDE_MM: i32 = 400_000;
const MIDDLE: (i32, i32) = (200_000, 200_000);
const N_PLAYERS: usize = 512;

/// One client in the middle of others, without a world around it.
struct Stage {
    columns: Columns,
    handles: Handles,
    bins: Bins,
    client: Client,
    player: Player,
    search: Search,
    slots: usize,
}

impl Stage {
    /// The client in row 0, players and creatures at their places.
    fn new(players: &[(i32, i32)], creatures: &[(i32, i32)]) -> Self {
        let mut columns = Columns::new(N_PLAYERS, creatures.len());
        let mut handles = Handles::new(columns.n_rows());
        columns.spawn(&mut handles, Row(0), Kind::Player, MIDDLE, 1);
        let rows = (1..).zip(players).chain((N_PLAYERS as u32..).zip(creatures));
        for (row, place) in rows {
            let kind = if row < N_PLAYERS as u32 { Kind::Player } else { Kind::Deer };
            columns.spawn(&mut handles, Row(row), kind, *place, 1);
        }
        let bins = Bins::new(SIDE_MM, &columns);
        let search = Search::warm(columns.n_rows());
        let player = Player::new(DurableId::default(), MIDDLE, &Rules::at(20));
        Self { columns, handles, bins, client: Client::new(), player, search, slots: SLOTS }
    }

    fn choose(&mut self) {
        self.bins.rebuild(&self.columns);
        let Self { columns, handles, bins, client, player, search, slots } = self;
        let scene = Scene { columns, bins, handles, tick: 100, slots: *slots };
        search.choose(client, player, Row(0), &scene);
        client.view.check();
    }

    fn held(&self) -> Vec<u32> {
        let mut rows: Vec<u32> = self.client.view.slots().map(|slot| self.client.row(slot).0).collect();
        rows.sort_unstable();
        rows
    }

    /// The key of a row as the page on interest defines it, `None` for whoever may not sit.
    fn key(&self, row: u32, was_held: bool) -> Option<u32> {
        let (x, y) = self.columns.place(Row(row));
        let along = |a: i32, b: i32| ((a >> 6).abs_diff(b >> 6).min(1023) << 5).pow(2) >> 16;
        let d2 = along(x, MIDDLE.0) + along(y, MIDDLE.1);
        let limit_mm = if was_held { LEAVE_MM } else { ENTER_MM };
        let weight = if (row as usize) < N_PLAYERS { WEIGHT_PLAYER } else { WEIGHT_CREATURE };
        let key = (d2 * u32::from(weight)) >> 16;
        let limit = ((limit_mm as u32 >> 6) << 5).pow(2) >> 16;
        (d2 <= limit).then_some(if was_held { (key * 54_613) >> 16 } else { key })
    }

    /// Chooses, and compares with a look at everybody.
    fn check(&mut self) {
        let before = self.held();
        self.choose();
        let after = self.held();
        let bound = self.client.bound as u32;
        let (mut expected, mut tied, mut n_above) = (Vec::new(), Vec::new(), 0);
        let others = 1..self.columns.n_rows() as u32;
        for row in others.filter(|row| self.columns.id[*row as usize] != EntityId::NONE) {
            match self.key(row, before.contains(&row)) {
                Some(key) if key < bound => expected.push(row),
                Some(key) if key == bound => tied.push(row),
                Some(_) => n_above += 1,
                None => {}
            }
        }
        if expected.len() < self.slots - EMPTY_MAX as usize && n_above + tied.len() > 0 {
            // The bound is as near as it gets: the next one would let too many in.
            assert!(expected.len() + tied.len() > self.slots, "{} and {} tied", expected.len(), tied.len());
            tied.sort_unstable_by_key(|row| self.columns.id[*row as usize]);
            expected.extend_from_slice(&tied[..self.slots - expected.len()]);
            expected.sort_unstable();
        }
        assert_eq!(after, expected, "bound {bound}");
        assert!(after.len() <= self.slots, "{} slots", after.len());
    }
}

/// So many places within a distance per axis of the middle.
fn around(n: usize, reach_mm: i32, salt: u32) -> Vec<(i32, i32)> {
    let off = |tick, at| within(draw(7, tick + 2 * salt, at, Purpose::Den), -reach_mm, reach_mm);
    (0..n as u32).map(|at| (MIDDLE.0 + off(0, at), MIDDLE.1 + off(1, at))).collect()
}

#[test]
fn everybody_below_the_bound_sits_and_nobody_above_it_while_all_walk() {
    for (n_players, n_creatures, reach_mm) in
        [(10, 20, 60_000), (40, 90, 70_000), (200, 300, 60_000), (500, 2000, 60_000), (300, 900, 9_000)]
    {
        let mut stage = Stage::new(&around(n_players, reach_mm, 1), &around(n_creatures, reach_mm, 2));
        for turn in 0..40 {
            stage.check();
            for row in 1..stage.columns.n_rows() {
                let step = |salt| within(draw(turn, salt, row as u32, Purpose::Look), -1_500, 1_500);
                stage.columns.x_mm[row] += step(0);
                stage.columns.y_mm[row] += step(1);
            }
        }
    }
}

#[test]
fn a_crowd_that_comes_together_and_goes_apart_is_followed() {
    let mut stage = Stage::new(&around(200, 60_000, 1), &around(800, 60_000, 2));
    let far = (stage.columns.x_mm.clone(), stage.columns.y_mm.clone());
    for part in [100, 60, 25, 60, 100, 150] {
        for row in 1..stage.columns.n_rows() {
            stage.columns.x_mm[row] = MIDDLE.0 + (far.0[row] - MIDDLE.0) / 100 * part;
            stage.columns.y_mm[row] = MIDDLE.1 + (far.1[row] - MIDDLE.1) / 100 * part;
        }
        stage.check();
    }
}

#[test]
fn with_half_the_slots_the_nearest_of_the_held_stay_and_later_all_are_back() {
    for (n_players, n_creatures, reach_mm) in
        [(10, 15, 60_000), (200, 300, 60_000), (300, 900, 9_000), (400, 0, 90)]
    {
        let mut stage = Stage::new(&around(n_players, reach_mm, 1), &around(n_creatures, reach_mm, 2));
        for slots in [SLOTS, 32, 32, SLOTS, 32, SLOTS] {
            stage.slots = slots;
            stage.check();
            for row in 1..stage.columns.n_rows() {
                stage.columns.x_mm[row] +=
                    within(draw(slots as u64, 0, row as u32, Purpose::Look), -900, 900);
            }
        }
    }
}

#[test]
fn of_a_thousand_on_one_spot_the_lowest_ids_sit_and_stay() {
    let mut stage = Stage::new(&vec![MIDDLE; 400], &vec![MIDDLE; 600]);
    stage.choose();
    let held = stage.held();
    assert_eq!(held, (1..65).collect::<Vec<u32>>());
    let rows = stage.client.rows;
    for _ in 0..300 {
        stage.choose(); // more often than marks have values
        assert_eq!((stage.held(), stage.client.rows), (held.clone(), rows));
    }
    let ring = around(64, 3_000, 3);
    for (row, place) in (600..).zip(ring) {
        (stage.columns.x_mm[row], stage.columns.y_mm[row]) = place;
    }
    stage.choose();
    assert_eq!(stage.held(), held, "none of those who stepped aside");
}

#[test]
fn held_ones_stay_up_to_56_m_and_others_enter_within_48_m() {
    let mut stage = Stage::new(&[(MIDDLE.0 + 47_900, MIDDLE.1)], &[(MIDDLE.0, MIDDLE.1 - 48_200)]);
    stage.choose();
    assert_eq!(stage.held(), [1]);
    for (x_mm, held) in [(55_900, true), (56_200, false), (48_200, false), (47_900, true)] {
        stage.columns.x_mm[1] = MIDDLE.0 + x_mm;
        stage.choose();
        assert_eq!(stage.held(), if held { vec![1] } else { vec![] }, "{x_mm} mm");
    }
}

#[test]
fn whoever_threatens_sits_before_all_others_and_no_longer_than_it_does() {
    let mut places = around(300, 6_000, 1);
    places[299] = (MIDDLE.0 + 40_000, MIDDLE.1);
    places[298] = (MIDDLE.0 + 50_000, MIDDLE.1);
    let mut stage = Stage::new(&places, &[]);
    let (near, far) = (stage.columns.id[300], stage.columns.id[299]);
    stage.player.threaten(near, 101);
    stage.player.threaten(far, 101);
    for _ in 0..3 {
        stage.choose();
        let held = stage.held();
        assert!(held.contains(&300), "an attacker within 48 m has no slot");
        assert!(!held.contains(&299), "an attacker beyond 48 m has one");
        assert!((SLOTS - EMPTY_MAX as usize..=SLOTS).contains(&held.len()), "{} slots", held.len());
    }
    stage.player.threaten(near, 100);
    stage.choose();
    assert!(!stage.held().contains(&300), "a threat is over and still sits");
}

#[test]
fn slots_are_the_same_in_any_order_of_rows() {
    let places = around(300, 20_000, 1);
    let mut seen = Vec::new();
    for is_reversed in [false, true] {
        let mut stage = Stage::new(&places, &[]);
        if is_reversed {
            for row in 1..=150 {
                stage.columns.swap(&mut stage.handles, row, 301 - row);
            }
        }
        stage.choose();
        let ids = stage.client.rows.map(|row| stage.columns.id[row as usize]);
        seen.push((stage.client.view.occupied, stage.client.bound, ids));
    }
    let occupied =
        |ids: [EntityId; SLOTS], mask: u64| ones(mask).map(|slot| ids[slot as usize]).collect::<Vec<_>>();
    assert_eq!((seen[0].0, seen[0].1), (seen[1].0, seen[1].1));
    assert_eq!(occupied(seen[0].2, seen[0].0), occupied(seen[1].2, seen[1].0));
}
