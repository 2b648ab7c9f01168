//! How a projectile flies: straight, until the first wall. The zone and its clients compute the same end.

use crate::walls::Walls;

/// Places per tick at which a flight looks for walls, and the unit in which its length is counted.
pub const STEPS_PER_TICK: u32 = 8;

/// Where a projectile is after so many steps of an eighth of a tick, in mm.
///
/// - Units: velocity in mm per tick.
#[must_use]
#[inline]
pub fn place(start: (i32, i32), velocity: (i32, i32), n_steps: u32) -> (i32, i32) {
    let along = |from: i32, v: i32| from.wrapping_add(v.wrapping_mul(n_steps as i32) / STEPS_PER_TICK as i32);
    (along(start.0, velocity.0), along(start.1, velocity.1))
}

/// Steps that a projectile flies before the first one that would be inside a wall, at most `ticks_max` ticks.
///
/// - Units: velocity in mm per tick, at most a wall cell, so that no wall is jumped.
/// - Cost: one bit test per step.
/// - Source: docs/PROTOCOL.md "Timed events".
#[must_use]
pub fn steps(walls: &Walls, start: (i32, i32), velocity: (i32, i32), ticks_max: u32) -> u32 {
    let n_max = ticks_max * STEPS_PER_TICK;
    let is_wall = |n_steps: &u32| {
        let (x, y) = place(start, velocity, *n_steps);
        walls.blocked(x, y)
    };
    (1..=n_max).find(is_wall).map_or(n_max, |n_steps| n_steps - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flight_ends_before_the_wall_and_in_the_open_at_its_range() {
        let mut walls = Walls::open(1);
        walls.block(20_000, 10_000); // the cell begins at 19,456
        let n_steps = steps(&walls, (10_000, 10_000), (800, 0), 25);
        assert_eq!(place((10_000, 10_000), (800, 0), n_steps), (19_400, 10_000));
        assert_eq!(steps(&walls, (10_000, 12_000), (800, 0), 25), 25 * STEPS_PER_TICK);
        assert_eq!(steps(&walls, (300, 300), (-800, 0), 25), 3, "outside of the square is wall");
    }
}
