//! Phase 3a: everything moves, and stops at walls.

use super::LANE_ROWS;
use crate::columns::Columns;
use kernel::advance;
use kernel::walls::Walls;
use rayon::prelude::*;

/// Moves every row by its velocity; afterwards the velocity is what the walls left of it.
///
/// - Cost: one pass, no allocation; a row that stands costs one comparison.
/// - Source: docs/ARCHITECTURE.md "Movement kernel".
pub fn advance_all(columns: &mut Columns, walls: &Walls) {
    let n = LANE_ROWS * 4;
    (
        columns.x_mm.par_chunks_mut(n),
        columns.y_mm.par_chunks_mut(n),
        columns.vx.par_chunks_mut(n),
        columns.vy.par_chunks_mut(n),
    )
        .into_par_iter()
        .for_each(|(x_mm, y_mm, vx, vy)| advance_run(x_mm, y_mm, vx, vy, walls));
}

fn advance_run(x_mm: &mut [i32], y_mm: &mut [i32], vx: &mut [i32], vy: &mut [i32], walls: &Walls) {
    for at in 0..x_mm.len() {
        if vx[at] | vy[at] != 0 {
            let (x, y) = advance(walls, x_mm[at], y_mm[at], vx[at], vy[at]);
            (vx[at], vy[at]) = (x - x_mm[at], y - y_mm[at]);
            (x_mm[at], y_mm[at]) = (x, y);
        }
    }
}
