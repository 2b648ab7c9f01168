//! How a body moves in one tick: the same integers on the server and in a predicting client.
//!
//! [`angle`] has the directions, [`walls`] the bitmap that stops a body, [`walker`] turns a player's command
//! into a velocity, [`advance`] moves a body and lets it slide along walls, [`flight`] is a projectile's way.
//! Any change that moves a body differently raises `kernel_version` in `netproto/schema/protocol.toml`.
//!
//! Not here: worlds, entities, time. Source: docs/ARCHITECTURE.md "Movement kernel".
#![forbid(unsafe_code)]

pub mod angle;
pub mod flight;
pub mod walker;
pub mod walls;

use walls::Walls;

/// Half the width of the square that must stay clear of walls.
pub const HALF_WIDTH_MM: i32 = 300;
/// The farthest a body moves in one tick: less than a wall cell, so that no wall is jumped.
pub const STEP_MM_MAX: i32 = 1000;
const _: () = assert!(STEP_MM_MAX < walls::CELL_MM);

/// Moves a body by one tick; on a wall it slides along the free axis.
///
/// - Units: position in mm, velocity in mm per tick, at most [`STEP_MM_MAX`] per axis.
/// - Cost: four bit tests when nothing is in the way.
///
/// # Panics
/// In debug builds, if the velocity is over the limit: our bug, commands are checked before.
#[must_use]
pub fn advance(walls: &Walls, x_mm: i32, y_mm: i32, vx: i32, vy: i32) -> (i32, i32) {
    debug_assert!(vx.abs() <= STEP_MM_MAX && vy.abs() <= STEP_MM_MAX, "({vx}, {vy}) is too fast");
    let (to_x, to_y) = (x_mm + vx, y_mm + vy);
    if fits(walls, to_x, to_y) {
        return (to_x, to_y);
    }
    let x_mm = if vx != 0 && fits(walls, to_x, y_mm) { to_x } else { x_mm };
    let y_mm = if vy != 0 && fits(walls, x_mm, to_y) { to_y } else { y_mm };
    (x_mm, y_mm)
}

/// Whether a body at this place touches no wall.
///
/// - Cost: four bit tests; two words are read unless the body lies across the border of two tiles.
#[must_use]
#[inline]
pub fn fits(walls: &Walls, x_mm: i32, y_mm: i32) -> bool {
    let (west, east) = (x_mm - HALF_WIDTH_MM, x_mm + HALF_WIDTH_MM);
    let (north, south) = (y_mm - HALF_WIDTH_MM, y_mm + HALF_WIDTH_MM);
    !walls.corners_blocked((west, east), (north, south))
}

/// SplitMix64's finaliser: every bit of the output depends on every bit of the input.
///
/// - Cost: two multiplications.
/// - Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
#[must_use]
#[inline]
pub fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_slides_along_a_wall_and_never_enters_it() {
        let walls = Walls::from_seed(1, 131_072);
        let (mut x, mut y) = walls.free_near(60_000, 60_000);
        let mut n_stopped = 0;
        for tick in 0..20_000u32 {
            let (vx, vy) = angle::polar((tick / 700 * 37) as u8, 300);
            let (to_x, to_y) = advance(&walls, x, y, vx, vy);
            n_stopped += u32::from((to_x, to_y) != (x + vx, y + vy));
            (x, y) = (to_x, to_y);
            assert!(fits(&walls, x, y), "inside a wall at ({x}, {y}) in tick {tick}");
        }
        assert!(n_stopped > 100, "the walk met no wall");
    }
}
