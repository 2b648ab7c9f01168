//! Phase 3a: everything moves, and stops at walls.

use super::clearance::Clearance;
use crate::columns::{BLOCK, Columns};
use jobs::cpu;
use kernel::walls::Walls;
use rayon::prelude::*;

/// Rows of one job.
const JOB_ROWS: usize = BLOCK * 8;

/// Moves every row by its velocity; afterwards the velocity is what the walls left of it.
///
/// - Shapes: `clearance` is that of `walls`.
/// - Cost: one pass in blocks of [`BLOCK`] rows, no allocation; see [`Clearance::advance_block`].
/// - Source: docs/ARCHITECTURE.md "Movement kernel".
pub fn advance_all(columns: &mut Columns, walls: &Walls, clearance: &Clearance) {
    let n = JOB_ROWS;
    (
        columns.x_mm.par_chunks_mut(n),
        columns.y_mm.par_chunks_mut(n),
        columns.vx.par_chunks_mut(n),
        columns.vy.par_chunks_mut(n),
    )
        .into_par_iter()
        .for_each(|(x_mm, y_mm, vx, vy)| cpu::widest(Advance { x_mm, y_mm, vx, vy, walls, clearance }));
}

/// One job: a run of rows.
struct Advance<'a> {
    x_mm: &'a mut [i32],
    y_mm: &'a mut [i32],
    vx: &'a mut [i16],
    vy: &'a mut [i16],
    walls: &'a Walls,
    clearance: &'a Clearance,
}

impl cpu::Task for Advance<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let places = self.x_mm.as_chunks_mut().0.iter_mut().zip(self.y_mm.as_chunks_mut().0);
        let velocities = self.vx.as_chunks_mut().0.iter_mut().zip(self.vy.as_chunks_mut().0);
        for ((x_mm, y_mm), (vx, vy)) in places.zip(velocities) {
            self.clearance.advance_block(self.walls, x_mm, y_mm, vx, vy);
        }
    }
}
