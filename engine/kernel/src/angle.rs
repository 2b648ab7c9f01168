//! Directions in 256ths of a turn, in integers: 0 is east, 64 is south (y grows southward).

/// One in the fixed point of [`cos_q14`].
pub const ONE_Q14: i32 = 1 << 14;

/// Cosines of the first quarter turn, rounded to 1/16,384.
const QUARTER_COS_Q14: [i16; 65] = [
    16384, 16379, 16364, 16340, 16305, 16261, 16207, 16143, 16069, 15986, 15893, 15791, 15679, 15557, 15426,
    15286, 15137, 14978, 14811, 14635, 14449, 14256, 14053, 13842, 13623, 13395, 13160, 12916, 12665, 12406,
    12140, 11866, 11585, 11297, 11003, 10702, 10394, 10080, 9760, 9434, 9102, 8765, 8423, 8076, 7723, 7366,
    7005, 6639, 6270, 5897, 5520, 5139, 4756, 4370, 3981, 3590, 3196, 2801, 2404, 2006, 1606, 1205, 804, 402,
    0,
];

/// Cosine of `angle` / 256 of a turn, in 1/16,384.
#[must_use]
pub fn cos_q14(angle: u8) -> i32 {
    let folded = if angle > 128 { 256 - usize::from(angle) } else { usize::from(angle) };
    if folded <= 64 { i32::from(QUARTER_COS_Q14[folded]) } else { -i32::from(QUARTER_COS_Q14[128 - folded]) }
}

/// Sine of `angle` / 256 of a turn, in 1/16,384.
#[must_use]
pub fn sin_q14(angle: u8) -> i32 {
    cos_q14(angle.wrapping_sub(64))
}

/// A vector of `length` towards `angle`, rounded towards minus infinity.
#[must_use]
pub fn polar(angle: u8, length: i32) -> (i32, i32) {
    let along = |q14: i32| ((i64::from(q14) * i64::from(length)) >> 14) as i32;
    (along(cos_q14(angle)), along(sin_q14(angle)))
}

/// The direction of (`dx`, `dy`) to the nearest 1/256 turn; east for the zero vector.
///
/// - Cost: eight multiplications, a binary search on the table's cross products.
#[must_use]
pub fn of(dx: i32, dy: i32) -> u8 {
    let (ax, ay) = (i64::from(dx.unsigned_abs()), i64::from(dy.unsigned_abs()));
    if ax == 0 && ay == 0 {
        return 0;
    }
    // Angle within the first quarter: the largest k with sin(k) * ax <= cos(k) * ay.
    let (mut low, mut high) = (0u8, 64u8);
    while low < high {
        let mid = low + (high - low).div_ceil(2);
        if i64::from(sin_q14(mid)) * ax <= i64::from(cos_q14(mid)) * ay { low = mid } else { high = mid - 1 }
    }
    match (dx >= 0, dy >= 0) {
        (true, true) => low,
        (false, true) => 128 - low,
        (false, false) => 128 + low,
        (true, false) => 0u8.wrapping_sub(low),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_direction_survives_the_way_to_a_vector_and_back() {
        for angle in 0..=255u8 {
            let (dx, dy) = polar(angle, 100_000);
            let off = of(dx, dy).wrapping_sub(angle);
            assert!(off <= 1 || off == 255, "{angle} came back as {}", of(dx, dy));
        }
        assert_eq!((of(5, 0), of(0, 5), of(-5, 0), of(0, -5)), (0, 64, 128, 192));
    }

    #[test]
    fn a_polar_vector_has_its_length() {
        for angle in 0..=255u8 {
            let (dx, dy) = polar(angle, 300);
            let length = ((dx * dx + dy * dy) as u32).isqrt();
            assert!((298..=302).contains(&length), "{angle}: {length}");
        }
    }
}
