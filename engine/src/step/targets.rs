//! Who stands near enough to be hurt: what swings and casts have in common.

use super::{Hit, Near};
use crate::bins::{Bins, NOBODY, Reach};
use crate::columns::Columns;
use crate::content::Power;
use crate::ids::{EntityId, Row};
use netproto::Side;

/// Collects the living of a side around a place into `near`, with the key that `key` gives for their distances east and
/// south. Who has none is not hit.
///
/// - Cost: one search; no allocation after warm-up.
#[inline]
pub fn collect(
    near: &mut Near,
    (place, reach_mm): ((i32, i32), i32),
    side: Side,
    columns: &Columns,
    bins: &Bins,
    key: impl Fn(i32, i32) -> Option<i64>,
) {
    near.clear();
    // A target may have moved by a step since it was indexed.
    let reach_mm = reach_mm + kernel::STEP_MM_MAX;
    let reach = match side {
        Side::Players => Reach { players_mm: reach_mm, creatures_mm: NOBODY },
        Side::Creatures => Reach { players_mm: NOBODY, creatures_mm: reach_mm },
    };
    let (rows, ids) = (bins.rows(), bins.ids());
    bins.near(place, reach, |at| {
        let row = Row(rows[at]);
        let id = ids[row.at()];
        if columns.id[row.at()] != id || columns.health[row.at()] == 0 {
            return;
        }
        let (x, y) = columns.place(row);
        if let Some(key) = key(x - place.0, y - place.1) {
            near.push((key, id, row));
        }
    });
}

/// Keeps so many of the least keys, ties by id.
pub fn keep_first(near: &mut Near, n_max: usize) {
    if near.len() > n_max {
        near.select_nth_unstable_by_key(n_max, |(key, id, _)| (*key, *id));
        near.truncate(n_max);
    }
}

/// A hit on each.
pub fn hits(near: &Near, source: EntityId, power: Power) -> impl Iterator<Item = Hit> {
    near.iter().map(move |(_, target, target_row)| Hit {
        target: *target,
        source,
        power,
        target_row: *target_row,
    })
}

/// The square of a distance.
#[inline]
pub fn square(mm: i32) -> i64 {
    i64::from(mm) * i64::from(mm)
}
