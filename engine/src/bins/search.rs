//! Finding who is near: runs of positions within a circle, and those in them that are near enough to look at.

use super::{BIN_X_SHIFT, BIN_Y_SHIFT, Bins, STEP_SHIFT, WEIGHT_PLAYER, to_steps};
use std::ops::Range;

/// How far to look for nobody.
pub const NOBODY: i32 = -1;
/// Half a chord, in 65,536ths of the radius, by its distance from the middle in 64ths of it; rounded up.
const CHORDS: [u32; 65] = {
    let (mut chords, mut at) = ([0; 65], 0);
    while at < 64 {
        chords[at] = (((64 * 64 - at * at) as u64) << 20).isqrt() as u32 + 1;
        at += 1;
    }
    chords
};

/// How far to look, by side.
#[derive(Clone, Copy, Debug)]
pub struct Reach {
    /// For players, or [`NOBODY`].
    pub players_mm: i32,
    /// For creatures, or [`NOBODY`].
    pub creatures_mm: i32,
}

/// The runs of positions that a circle touches, from north to south.
pub struct Runs<'a> {
    start: &'a [u32],
    place: (i32, i32),
    radius: u64,
    /// 64ths of the radius in a mm, in 2^24ths.
    per_mm: u64,
    /// Last bin of a row.
    x_last: i32,
    /// Rows of bins that are left: the next one, and the last.
    y: i32,
    y_last: i32,
}

impl Iterator for Runs<'_> {
    type Item = Range<usize>;

    #[inline(always)]
    fn next(&mut self) -> Option<Range<usize>> {
        while self.y <= self.y_last {
            let y = self.y;
            self.y += 1;
            let north = y << BIN_Y_SHIFT;
            let off_mm = (north - self.place.1).max(self.place.1 - (north + (1 << BIN_Y_SHIFT) - 1)).max(0);
            let chord = CHORDS[((off_mm as u64 * self.per_mm) >> 24).min(64) as usize];
            let half = ((self.radius * u64::from(chord)) >> 16) as i32 + 1;
            let first = y * (self.x_last + 1);
            let west = along::<BIN_X_SHIFT>(self.place.0 - half, self.x_last);
            let east = along::<BIN_X_SHIFT>(self.place.0 + half, self.x_last);
            let (start, end) = (self.start[(first + west) as usize], self.start[(first + east) as usize + 1]);
            if start < end {
                return Some(start as usize..end as usize);
            }
        }
        None
    }
}

/// Number of a bin along one axis; places outside count to the border.
#[inline(always)]
fn along<const SHIFT: u32>(mm: i32, last: i32) -> i32 {
    (mm >> SHIFT).max(0).min(last)
}

impl Bins {
    /// The runs of positions that a circle touches, from north to south.
    ///
    /// - Shapes: nobody within the circle is left out; entities of a run may lie outside of it.
    /// - Cost: some 40 instructions per row of bins; runs that are empty are left out.
    #[inline(always)]
    pub fn runs(&self, place: (i32, i32), radius_mm: i32) -> Runs<'_> {
        let radius = radius_mm.max(1) as u64;
        let (x_last, y_last) = (self.n_across as i32 - 1, self.n_down as i32 - 1);
        let y = along::<BIN_Y_SHIFT>(place.1 - radius_mm, y_last);
        let y_last = along::<BIN_Y_SHIFT>(place.1 + radius_mm, y_last);
        Runs { start: &self.start, place, radius, per_mm: (64 << 24) / radius, x_last, y, y_last }
    }

    /// Calls `each` with the positions of all within reach, and of few others.
    ///
    /// - Shapes: squares of twice the reach, and a step or two more; whoever needs a circle looks closer. Places are
    ///   those of the index.
    /// - Cost: as [`Bins::runs`], and ten for each position in them.
    #[inline(always)]
    pub fn near(&self, place: (i32, i32), reach: Reach, mut each: impl FnMut(usize)) {
        let limit = |mm: i32| if mm < 0 { 0 } else { ((mm >> STEP_SHIFT) + 2).min(65_535) as u16 };
        let limits = (limit(reach.players_mm), limit(reach.creatures_mm));
        let own = to_steps(place);
        let radius_mm = reach.players_mm.max(reach.creatures_mm);
        if radius_mm < 0 {
            return;
        }
        for run in self.runs(place, radius_mm) {
            let first = run.start;
            let places = self.x[run.clone()].iter().zip(&self.y[run.clone()]);
            for (at, ((x, y), weight)) in places.zip(&self.weight[run]).enumerate() {
                let limit = if *weight == WEIGHT_PLAYER { limits.0 } else { limits.1 };
                if x.abs_diff(own.0).max(y.abs_diff(own.1)) < limit {
                    each(first + at);
                }
            }
        }
    }
}
