//! Phase 4a: swings find their targets.

use super::{Hit, Lane, Near, Swing};
use crate::bins::{Bins, NOBODY, Reach};
use crate::columns::Columns;
use crate::content::Content;
use crate::ids::Row;
use jobs::scratch::PerThread;
use kernel::angle;
use rayon::prelude::*;

/// How long a hit keeps its attacker in the victim's view, whatever the distance ranks.
pub const THREAT_SECONDS: u32 = 3;

/// Phase 4a: finds who is in reach of each swing. Reads the index of the last tick and present positions.
///
/// - Cost: one search per swing; lanes in parallel; no allocation after warm-up.
pub fn find(columns: &Columns, bins: &Bins, content: &Content, lanes: &mut [Lane], nears: &PerThread<Near>) {
    lanes.par_iter_mut().filter(|lane| !lane.swings.is_empty()).for_each(|lane| {
        let mut near = nears.mine();
        std::mem::swap(&mut lane.near, &mut near);
        for at in 0..lane.swings.len() {
            let swing = lane.swings[at];
            find_targets(columns, bins, content, swing, lane);
        }
        std::mem::swap(&mut lane.near, &mut near);
    });
}

fn find_targets(columns: &Columns, bins: &Bins, content: &Content, swing: Swing, lane: &mut Lane) {
    let rule = &content.class.swing;
    let place = columns.place(swing.row);
    let reach2 = i64::from(rule.reach_mm) * i64::from(rule.reach_mm);
    lane.near.clear();
    // A target may have moved by a step since it was indexed.
    let reach = Reach { players_mm: NOBODY, creatures_mm: rule.reach_mm + kernel::STEP_MM_MAX };
    let (rows, ids) = (bins.rows(), bins.ids());
    bins.near(place, reach, |at| {
        let row = Row(rows[at]);
        let id = ids[row.at()];
        if columns.id[row.at()] != id || columns.health[row.at()] == 0 {
            return;
        }
        let (x, y) = columns.place(row);
        let (dx, dy) = (x - place.0, y - place.1);
        let d2 = i64::from(dx) * i64::from(dx) + i64::from(dy) * i64::from(dy);
        if d2 <= reach2 && is_in_arc(swing.aim, rule.half_arc, dx, dy) {
            lane.near.push((d2, id, row));
        }
    });
    if lane.near.len() > rule.targets_max {
        lane.near.select_nth_unstable_by_key(rule.targets_max, |(d2, id, _)| (*d2, *id));
        lane.near.truncate(rule.targets_max);
    }
    let source = columns.id[swing.row.at()];
    lane.hits.extend(lane.near.iter().map(|(_, target, target_row)| Hit {
        target: *target,
        source,
        power: rule.power(),
        target_row: *target_row,
    }));
}

fn is_in_arc(aim: u8, half_arc: u8, dx: i32, dy: i32) -> bool {
    half_arc == 128 || angle::of(dx, dy).wrapping_sub(aim).wrapping_add(half_arc) <= half_arc * 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arc_hits_what_lies_before_it_and_a_full_circle_everything() {
        assert!(is_in_arc(0, 43, 1000, 0) && is_in_arc(0, 43, 1000, 1500));
        assert!(!is_in_arc(0, 43, -1000, 0) && !is_in_arc(0, 43, 0, 1000));
        assert!(is_in_arc(250, 43, 1000, 300), "the arc wraps around east");
        assert!(is_in_arc(0, 128, -1000, 1));
    }
}
