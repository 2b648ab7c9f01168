//! Phase 4a: swings find their targets.

use super::targets::{self, square};
use super::{Lane, Near, Swing};
use crate::bins::Bins;
use crate::columns::Columns;
use crate::content::Content;
use jobs::scratch::PerThread;
use kernel::angle;
use netproto::Side;
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
    let reach2 = square(rule.reach_mm);
    targets::collect(&mut lane.near, (place, rule.reach_mm), Side::Creatures, columns, bins, |dx, dy| {
        let d2 = square(dx) + square(dy);
        (d2 <= reach2 && is_in_arc(swing.aim, rule.half_arc, dx, dy)).then_some(d2)
    });
    targets::keep_first(&mut lane.near, rule.targets_max);
    lane.hits.extend(targets::hits(&lane.near, columns.id[swing.row.at()], rule.power()));
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
