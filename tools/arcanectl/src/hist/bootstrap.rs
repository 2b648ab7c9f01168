//! How sure a ratio of two quantiles is: the same comparison over and over, with intervals drawn anew.
//!
//! Ticks of the same second are alike, so whole intervals are drawn and not single values; what depends on the
//! moment then shows as width. Draws come from a fixed seed: equal logs give equal answers.
//!
//! Source: Efron, "Bootstrap Methods: Another Look at the Jackknife", Annals of Statistics 7, 1979.

use super::load::Piece;

/// Draws; enough for bounds of 95 %.
const DRAWS: usize = 200;
/// Fewer intervals than this say nothing about their spread.
const PIECES_MIN: usize = 5;
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// Bounds that hold the ratio in 95 of 100 cases; `None` when there are too few intervals to say.
pub(super) fn ratio_bounds(old: &[Piece], new: &[Piece], quantile: f64) -> Option<(f64, f64)> {
    if old.len() < PIECES_MIN || new.len() < PIECES_MIN {
        return None;
    }
    let mut dice = Dice(SEED);
    let mut old = Urn::new(old);
    let mut new = Urn::new(new);
    let mut ratios: Vec<f64> = (0..DRAWS)
        .map(|_| {
            let before = old.draw(&mut dice, quantile);
            new.draw(&mut dice, quantile) / before.max(1.0)
        })
        .collect();
    ratios.sort_unstable_by(f64::total_cmp);
    Some((ratios[DRAWS / 40], ratios[DRAWS - 1 - DRAWS / 40]))
}

/// Intervals to draw from.
struct Urn<'a> {
    pieces: &'a [Piece],
    /// Every value that occurs, ascending.
    values: Vec<u64>,
    /// How often, in the present draw.
    counts: Vec<u64>,
}

impl<'a> Urn<'a> {
    fn new(pieces: &'a [Piece]) -> Self {
        let mut values: Vec<u64> =
            pieces.iter().flat_map(|piece| piece.counts.iter().map(|pair| pair.0)).collect();
        values.sort_unstable();
        values.dedup();
        let counts = vec![0; values.len()];
        Self { pieces, values, counts }
    }

    /// A quantile of as many intervals as there are, each drawn from all.
    fn draw(&mut self, dice: &mut Dice, quantile: f64) -> f64 {
        self.counts.fill(0);
        for _ in 0..self.pieces.len() {
            let piece = &self.pieces[dice.below(self.pieces.len())];
            for (value, count) in &piece.counts {
                let at = self.values.binary_search(value).expect("all values were collected");
                self.counts[at] += count;
            }
        }
        let n: u64 = self.counts.iter().sum();
        let wanted = ((n as f64 * quantile).ceil() as u64).clamp(1, n.max(1));
        let mut n_seen = 0;
        for (value, count) in self.values.iter().zip(&self.counts) {
            n_seen += count;
            if n_seen >= wanted {
                return *value as f64;
            }
        }
        0.0
    }
}

/// Source: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014 (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) % n as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(values: impl Iterator<Item = u64>) -> Vec<Piece> {
        values.map(|ns| Piece { begun_s: 0.0, took_s: 1.0, counts: vec![(ns, 10)] }).collect()
    }

    #[test]
    fn runs_that_are_alike_have_bounds_around_one_and_a_slower_one_has_not() {
        let old = pieces((0..60).map(|at| 1_000_000 + at % 7 * 20_000));
        let alike = pieces((0..60).map(|at| 1_000_000 + at % 5 * 30_000));
        let slower = pieces((0..60).map(|at| 1_300_000 + at % 7 * 20_000));
        let (low, high) = ratio_bounds(&old, &alike, 0.5).unwrap();
        assert!(low <= 1.01 && (0.99..1.1).contains(&high), "{low} {high}");
        let (low, high) = ratio_bounds(&old, &slower, 0.5).unwrap();
        assert!(1.2 < low && high < 1.4, "{low} {high}");
        assert_eq!(ratio_bounds(&old, &slower, 0.5), ratio_bounds(&old, &slower, 0.5));
    }

    #[test]
    fn one_bad_second_among_many_leaves_the_answer_open() {
        let old = pieces((0..30).map(|_| 1_000_000));
        let unlucky = pieces((0..30).map(|at| if at == 3 { 9_000_000 } else { 1_000_000 }));
        let (low, high) = ratio_bounds(&old, &unlucky, 0.99).unwrap();
        assert!(low <= 1.0 && high >= 8.9, "{low} {high}");
    }

    #[test]
    fn too_few_intervals_say_nothing() {
        let few = pieces([1, 2, 3].into_iter());
        assert_eq!(ratio_bounds(&few, &few, 0.5), None);
    }
}
