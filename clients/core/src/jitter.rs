//! How much later than usual inputs arrive, at the 95th percentile.

const KEPT: usize = 64;
/// The percentile is computed anew after this many samples.
const EVERY: u32 = 16;

/// The newest samples of one connection.
#[derive(Clone, Debug)]
pub struct Jitter {
    samples_ns: [i32; KEPT],
    n_samples: u32,
    p95_ns: i64,
}

impl Default for Jitter {
    fn default() -> Self {
        Self { samples_ns: [0; KEPT], n_samples: 0, p95_ns: 0 }
    }
}

impl Jitter {
    /// Takes the margin of one input.
    ///
    /// - Cost: a store; every 16th time a sort of 64 numbers.
    pub fn record(&mut self, margin_ns: i64) {
        self.samples_ns[self.n_samples as usize % KEPT] = margin_ns as i32;
        self.n_samples = self.n_samples.wrapping_add(1);
        if self.n_samples.is_multiple_of(EVERY) {
            self.p95_ns = self.percentile();
        }
    }

    /// How much later than usual inputs come, at the 95th percentile; 0 before enough was seen.
    #[must_use]
    pub fn p95_ns(&self) -> i64 {
        self.p95_ns
    }

    /// From the usual margin, which is the median, down to the one that 5 % fall short of. Inputs that come early
    /// do no harm and do not count.
    fn percentile(&self) -> i64 {
        let n = KEPT.min(self.n_samples as usize);
        let mut sorted = self.samples_ns;
        sorted[..n].sort_unstable();
        i64::from(sorted[n / 2]) - i64::from(sorted[(n * 5).div_ceil(100)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p95_ms(margin_ms: impl Fn(u32) -> i64) -> i64 {
        let mut jitter = Jitter::default();
        (0..64).for_each(|at| jitter.record(margin_ms(at) * 1_000_000));
        jitter.p95_ns() / 1_000_000
    }

    #[test]
    fn what_comes_late_now_and_then_is_jitter_and_what_comes_early_is_not() {
        assert_eq!(p95_ms(|_| 20), 0);
        assert_eq!(p95_ms(|at| 20 - i64::from(at % 8 == 0) * 6), 6);
        assert_eq!(p95_ms(|at| 20 + i64::from(at % 8 == 0) * 50), 0);
        assert_eq!(p95_ms(|at| 20 - i64::from(at == 9) * 90), 0, "one in 64 is no rule");
    }
}
