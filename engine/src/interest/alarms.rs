//! Jumps of one tick, for all who must look again at once: sorted by strips, so that a client compares few.

use super::ALARM_MM;
use crate::bins::{STEP_SHIFT, to_steps};
use kernel::walls::{TILE_SHIFT, tiles_for};

/// Log2 of a strip's height in mm.
const STRIP_SHIFT: u32 = TILE_SHIFT - 3;
/// A jump less than so many steps of the index away, along both axes, is near.
const NEAR_STEPS: u16 = (ALARM_MM >> STEP_SHIFT) as u16 + 2;

/// Where somebody came, went or jumped in this tick.
#[derive(Debug)]
pub struct Alarms {
    /// First one of each strip, from north to south; the last one ends the last strip.
    start: Vec<u32>,
    /// In steps of the index, strip after strip.
    x: Vec<u16>,
    y: Vec<u16>,
}

impl Alarms {
    /// Room for so many without an allocation.
    #[must_use]
    pub fn warm(side_mm: i32, n_max: usize) -> Self {
        let n_strips = tiles_for(side_mm) << (TILE_SHIFT - STRIP_SHIFT);
        Self {
            start: vec![0; n_strips as usize + 1],
            x: Vec::with_capacity(n_max),
            y: Vec::with_capacity(n_max),
        }
    }

    /// Strip of a place; places outside count to the border.
    #[inline(always)]
    fn strip(&self, y_mm: i32) -> usize {
        (y_mm >> STRIP_SHIFT).max(0).min(self.start.len() as i32 - 2) as usize
    }

    /// Replaces all of them.
    ///
    /// - Cost: two passes over the places and one over the strips.
    pub fn raise(&mut self, places: &[(i32, i32)]) {
        self.x.clear();
        self.y.clear();
        if places.is_empty() {
            return;
        }
        self.start.fill(0);
        for place in places {
            let strip = self.strip(place.1);
            self.start[strip] += 1;
        }
        let mut sum = 0;
        for start in &mut self.start {
            sum += *start;
            *start = sum;
        }
        self.x.resize(places.len(), 0);
        self.y.resize(places.len(), 0);
        // Each strip's end, which is its start when all are placed.
        for place in places {
            let strip = self.strip(place.1);
            self.start[strip] -= 1;
            let at = self.start[strip] as usize;
            (self.x[at], self.y[at]) = to_steps(*place);
        }
    }

    /// Whether one of them is near.
    ///
    /// - Cost: nothing in a tick without any; else one comparison for sixteen that lie in the strips around.
    #[must_use]
    #[inline(always)]
    pub fn is_near(&self, place: (i32, i32)) -> bool {
        if self.x.is_empty() {
            return false;
        }
        // A step or two more than the reach, as the comparison below.
        let reach_mm = i32::from(NEAR_STEPS) << STEP_SHIFT;
        let (first, last) = (self.strip(place.1 - reach_mm), self.strip(place.1 + reach_mm));
        let around = self.start[first] as usize..self.start[last + 1] as usize;
        let own = to_steps(place);
        let mut is_near = false;
        for (x, y) in self.x[around.clone()].iter().zip(&self.y[around]) {
            is_near |= x.abs_diff(own.0).max(y.abs_diff(own.1)) < NEAR_STEPS;
        }
        is_near
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, draw, within};

    #[test]
    fn a_jump_is_heard_exactly_where_a_look_at_all_of_them_finds_it() {
        let side_mm = 300_000;
        let at = |salt: u32, n: u32| within(draw(3, salt, n, Purpose::Den), 0, side_mm - 1);
        let mut alarms = Alarms::warm(side_mm, 64);
        let mut n_near = 0;
        for n_jumps in [0, 1, 7, 40] {
            let jumps: Vec<_> = (0..n_jumps).map(|n| (at(n_jumps, n), at(n_jumps + 100, n))).collect();
            alarms.raise(&jumps);
            for n in 0..500 {
                let place = (at(200, n), at(201, n));
                let own = to_steps(place);
                let expected = jumps
                    .iter()
                    .map(|jump| to_steps(*jump))
                    .any(|(x, y)| x.abs_diff(own.0) < NEAR_STEPS && y.abs_diff(own.1) < NEAR_STEPS);
                assert_eq!(alarms.is_near(place), expected, "{place:?} among {n_jumps} jumps");
                n_near += u32::from(expected);
            }
        }
        assert!((100..1_900).contains(&n_near), "{n_near} of 2,000 are near: nothing was tested");
    }
}
