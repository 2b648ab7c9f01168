//! One program for old and new processors: hot loops exist twice, and the widest build that the processor can run
//! is taken.
//!
//! Both builds are of the same integer code, so they give the same results; only the number of lanes differs.
#![allow(unsafe_code)]

use std::sync::atomic::{AtomicU8, Ordering};

/// Work that is worth two builds: a loop over a run of rows or clients.
pub trait Task {
    /// What it gives back.
    type Output;

    /// Does the work.
    ///
    /// - Shapes: mark the implementation `#[inline(always)]`, and what it calls in its loops as well: code that is
    ///   not inlined stays in its narrow build.
    fn run(self) -> Self::Output;
}

/// Which build of a [`Task`] runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lanes {
    /// x86-64 as of 2003, or another architecture's baseline.
    Narrow,
    /// x86-64-v3: AVX2 and the bit manipulation instructions.
    Wide,
}

const UNKNOWN: u8 = 0;
const NARROW: u8 = 1;
const WIDE: u8 = 2;
static CHOSEN: AtomicU8 = AtomicU8::new(UNKNOWN);

/// The build that runs on this processor.
#[must_use]
#[inline]
pub fn lanes() -> Lanes {
    match CHOSEN.load(Ordering::Relaxed) {
        NARROW => Lanes::Narrow,
        WIDE => Lanes::Wide,
        _ => choose(Lanes::Wide),
    }
}

/// Limits the build from here on, for comparisons; returns the one that runs.
#[cold]
pub fn choose(most: Lanes) -> Lanes {
    let chosen = if most == Lanes::Wide && has_wide() { Lanes::Wide } else { Lanes::Narrow };
    CHOSEN.store(if chosen == Lanes::Wide { WIDE } else { NARROW }, Ordering::Relaxed);
    chosen
}

/// Runs a task in the widest build that this processor has.
///
/// - Cost: one load and one call; worth it for thousands of instructions.
#[inline]
pub fn widest<T: Task>(task: T) -> T::Output {
    #[cfg(target_arch = "x86_64")]
    if lanes() == Lanes::Wide {
        // SAFETY: `lanes` says wide only after `has_wide` has asked the processor for every feature of `wide`.
        return unsafe { wide(task) };
    }
    task.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,fma,lzcnt,movbe,popcnt")]
fn wide<T: Task>(task: T) -> T::Output {
    task.run()
}

#[cfg(target_arch = "x86_64")]
fn has_wide() -> bool {
    use std::is_x86_feature_detected as has;
    has!("avx2")
        && has!("bmi1")
        && has!("bmi2")
        && has!("fma")
        && has!("lzcnt")
        && has!("movbe")
        && has!("popcnt")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_wide() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sum<'a>(&'a [u32]);

    impl Task for Sum<'_> {
        type Output = u32;

        #[inline(always)]
        fn run(self) -> u32 {
            self.0.iter().map(|value| value.count_ones()).sum()
        }
    }

    #[test]
    fn both_builds_give_the_same_result() {
        let values: Vec<u32> = (0..10_007).map(|n| n * 77_773).collect();
        let wide = widest(Sum(&values));
        assert_eq!(choose(Lanes::Narrow), Lanes::Narrow);
        assert_eq!(widest(Sum(&values)), wide);
        choose(Lanes::Wide);
    }
}
