//! Where players begin when a zone shall have towns: figures need crowds that are the same in every run.

use crate::rng::{Purpose, draw, within};
use kernel::angle::{ONE_Q14, polar};

/// Discs with players in them.
const TOWNS: u32 = 5;

/// Where player number `n` begins: one in five anywhere in the square, the others in five discs that together
/// cover a twentieth of it.
///
/// - Units: mm.
/// - Source: docs/PERFORMANCE.md "Scenarios".
#[must_use]
pub fn in_towns(seed: u64, side_mm: i32, n: u32) -> (i32, i32) {
    let chance = |salt, high| within(draw(seed, salt, n, Purpose::PlayerSpawn), 0, high);
    if n.is_multiple_of(TOWNS) {
        return (chance(1, side_mm - 1), chance(2, side_mm - 1));
    }
    // Each disc covers a hundredth of the square: its radius is side * sqrt(0.01 / pi).
    let radius_mm = (i64::from(side_mm) * 56_418_958 / 1_000_000_000) as i32;
    let (dx, dy) = polar((n % TOWNS * 51) as u8, side_mm / 10);
    let centre = (side_mm / 2 + dx * 3, side_mm / 2 + dy * 3);
    in_disc(centre, radius_mm, chance(1, 255), chance(2, 1_000_000))
}

/// Where player number `n` begins when all are spread evenly over the square.
///
/// - Units: mm.
#[must_use]
pub fn anywhere(seed: u64, side_mm: i32, n: u32) -> (i32, i32) {
    let chance = |salt| within(draw(seed, salt, n, Purpose::PlayerSpawn), 0, side_mm - 1);
    (chance(1), chance(2))
}

/// A place in a disc; even draws of a direction and a millionth are even over the disc.
#[must_use]
pub fn in_disc(centre: (i32, i32), radius_mm: i32, turn: i32, millionth: i32) -> (i32, i32) {
    let length = i64::from(radius_mm) * i64::from((millionth as u32).isqrt()) / 1000;
    let (dx, dy) = polar(turn as u8, ONE_Q14);
    let along = |middle: i32, unit: i32| middle + ((i64::from(unit) * length) >> 14) as i32;
    (along(centre.0, dx), along(centre.1, dy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_of_five_players_begin_in_a_twentieth_of_the_square() {
        for side_mm in [512_000, 1_024_000, 2_048_000, 4_194_000] {
            let radius_mm = side_mm / 100 * 6;
            let is_in_town = |(x, y): (i32, i32)| {
                (1..TOWNS).chain([0]).any(|town| {
                    let (dx, dy) = polar((town * 51) as u8, side_mm / 10);
                    let (cx, cy) = (side_mm / 2 + dx * 3, side_mm / 2 + dy * 3);
                    f64::from(x - cx).hypot(f64::from(y - cy)) <= f64::from(radius_mm)
                })
            };
            let n_in_town = (0..1_000).filter(|n| is_in_town(in_towns(1, side_mm, *n))).count();
            assert!((800..880).contains(&n_in_town), "{n_in_town} of 1,000");
            assert!((0..1_000).all(|n| {
                let (x, y) = in_towns(1, side_mm, n);
                (0..side_mm).contains(&x) && (0..side_mm).contains(&y)
            }));
        }
    }
}
