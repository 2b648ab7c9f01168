//! The index against a full scan: who is found, in which order, and the same on any number of threads.

use super::*;
use crate::ids::Handles;
use crate::rng::{Purpose, draw, within};
use netproto::Kind;

const N_PLAYERS: u32 = 256;

/// Players and creatures anywhere, and a hole in every ninth row.
fn crowd(n: u32, side_mm: i32) -> Columns {
    let mut columns = Columns::new(N_PLAYERS as usize, n as usize);
    let mut handles = Handles::new(columns.n_rows());
    for row in (0..N_PLAYERS + n).filter(|row| row % 9 != 4) {
        let place = |tick| within(draw(1, tick, row, Purpose::Den), 0, side_mm - 1);
        let kind = if row < N_PLAYERS { Kind::Player } else { Kind::Deer };
        columns.spawn(&mut handles, Row(row), kind, (place(0), place(1)), 10);
    }
    columns
}

fn living(columns: &Columns) -> impl Iterator<Item = u32> {
    (0..columns.n_rows() as u32).filter(|row| columns.id[*row as usize] != EntityId::NONE)
}

#[test]
fn a_search_finds_exactly_who_a_full_scan_finds() {
    let side_mm = 200_000;
    let columns = crowd(3000, side_mm);
    let mut bins = Bins::new(side_mm, &columns);
    bins.rebuild(&columns);
    let places = [(0, 0), (100_000, 99_000), (199_999, 3), (65_536, 131_072)];
    for (place, radius) in
        places.into_iter().flat_map(|place| [0, 900, 9_000, 48_000, 500_000].map(|r| (place, r)))
    {
        let inside = |row: &u32| {
            let (x, y) = columns.place(Row(*row));
            let (dx, dy) = (i64::from(x - place.0), i64::from(y - place.1));
            dx * dx + dy * dy <= i64::from(radius) * i64::from(radius)
        };
        let sorted = |mut rows: Vec<u32>| {
            rows.retain(inside);
            rows.sort_unstable();
            rows
        };
        let (mut in_runs, mut near, mut players) = (Vec::new(), Vec::new(), Vec::new());
        bins.runs(place, radius).for_each(|run| in_runs.extend_from_slice(&bins.rows()[run]));
        let everybody = Reach { players_mm: radius, creatures_mm: radius };
        bins.near(place, everybody, |at| near.push(bins.rows()[at]));
        let reach = Reach { creatures_mm: NOBODY, ..everybody };
        bins.near(place, reach, |at| players.push(bins.rows()[at]));
        assert!(players.iter().all(|row| *row < N_PLAYERS), "a creature among players");
        let all = sorted(living(&columns).collect());
        assert_eq!(sorted(in_runs), all, "runs around {place:?}, {radius} mm");
        assert_eq!(sorted(near), all, "near {place:?}, {radius} mm");
        assert_eq!(sorted(players), all.into_iter().filter(|row| *row < N_PLAYERS).collect::<Vec<_>>());
    }
}

#[test]
fn those_who_are_near_enough_to_look_at_are_few() {
    let columns = crowd(3000, 200_000);
    let mut bins = Bins::new(200_000, &columns);
    bins.rebuild(&columns);
    bins.near((100_000, 100_000), Reach { players_mm: 9_000, creatures_mm: 900 }, |at| {
        let (x, y) = columns.place(Row(bins.rows()[at]));
        let reach_mm = if bins.rows()[at] < N_PLAYERS { 9_000 } else { 900 };
        assert!((x - 100_000).abs() <= reach_mm + 192 && (y - 100_000).abs() <= reach_mm + 192);
    });
}

#[test]
fn an_index_is_the_same_on_any_number_of_threads_and_in_any_order_of_rows_within_a_bin() {
    let columns = crowd(9000, 300_000);
    let on = |n_threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().expect("a pool starts");
        let mut bins = Bins::new(300_000, &columns);
        // The second time the bands are cut where the first left them.
        pool.install(|| (0..2).for_each(|_| bins.rebuild(&columns)));
        bins
    };
    let one = on(1);
    assert_eq!(one.n_entities(), living(&columns).count());
    for n_threads in [2, 3, 8, 20] {
        let many = on(n_threads);
        let lists = |bins: &Bins| (bins.x.clone(), bins.y.clone(), bins.weight.clone());
        assert_eq!((many.rows(), many.ids(), &many.start), (one.rows(), one.ids(), &one.start));
        assert_eq!(lists(&many), lists(&one), "{n_threads} threads");
    }
    for (position, row) in one.rows().iter().enumerate() {
        assert_eq!(
            (one.position(Row(*row)), one.ids()[*row as usize]),
            (position, columns.id[*row as usize])
        );
        let place = columns.place(Row(*row));
        assert_eq!((one.x[position], one.y[position]), to_steps(place));
    }
    for bin in one.start.windows(2) {
        assert!(one.rows()[bin[0] as usize..bin[1] as usize].is_sorted(), "players come first in a bin");
    }
}

#[test]
fn cells_hold_everybody_and_keep_their_limits() {
    let columns = crowd(9000, 70_000);
    let mut bins = Bins::new(70_000, &columns);
    bins.rebuild(&columns);
    let cells = bins.cells();
    let n = |count: fn(&Cell) -> u32| cells.iter().map(count).sum::<u32>() as usize;
    assert_eq!(n(|cell| cell.n_entities), living(&columns).count());
    assert_eq!(n(|cell| cell.n_players), living(&columns).filter(|row| *row < N_PLAYERS).count());
    assert!(cells.iter().all(|cell| cell.n_bins == 1 || cell.n_entities <= CELL_ENTITIES_MAX));
    assert!(cells.len() > 4, "{} cells", cells.len());
    let in_first = cells.iter().filter(|cell| cell.tile == 0).map(|cell| cell.n_entities).sum::<u32>();
    let is_in_first =
        |row: &u32| columns.x_mm[*row as usize] < TILE_MM && columns.y_mm[*row as usize] < TILE_MM;
    assert_eq!(in_first as usize, living(&columns).filter(is_in_first).count());
}
