//! `perf calibrate`: how fast this machine is right now, by two pieces of work that never change.
//!
//! On a shared machine the same binary is a third slower in a bad hour. A result beside its calibration can be
//! compared with one of another day; a result without cannot. Source: docs/PERFORMANCE.md "perf calibrate".

use crate::machine::{self, Strain};
use crate::stats::{Range, median};
use anyhow::Context;
use jobs::sys::{set_affinity, thread_cpu_ns};
use serde::Serialize;
use std::hint::black_box;

/// Twice this is far beyond the last cache of any core we know of.
const COPY_BYTES: usize = 64 << 20;
/// Steps of a chain of multiplications and shifts: no cache, no memory, no vector unit, nothing to precompute.
const LOOP_STEPS: u64 = 8_000_000;
const SHORT_ROUNDS: usize = 3;

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How often each piece of work is done.
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u16).range(3..=1_000))]
    rounds: u16,
    /// Prints one line of JSON only.
    #[arg(long)]
    json: bool,
}

/// The short form that stands beside every result: best of a few, within 300 ms.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Calibration {
    /// Copied bytes per CPU second, in 10^9.
    pub(crate) copy_gb_s: f64,
    /// CPU time of the loop.
    pub(crate) loop_ms: f64,
}

#[derive(Serialize)]
struct Report {
    copy_gb_s: f64,
    copy_gb_s_range: Range,
    copy_bytes: usize,
    loop_ms: f64,
    loop_ms_range: Range,
    /// How much slower the median is than the best: 1 on a machine that does nothing else.
    loop_ratio_to_best: f64,
    copy_ratio_to_best: f64,
    rounds: u16,
    #[serde(flatten)]
    strain: Strain,
}

/// CPU times of both pieces of work, round by round.
struct Samples {
    copy_ns: Vec<f64>,
    loop_ns: Vec<f64>,
}

/// Measures and prints.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let core = machine::first_core()?;
    set_affinity(&[core]).context("cannot stay on one core")?;
    let watch = machine::Watch::begin(std::process::id(), core)?;
    let samples = samples(usize::from(args.rounds));
    let strain = watch.end()?;
    let report = report(args, &samples, strain);
    if !args.json {
        print(&report);
    }
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

/// The short form, on whatever core the calling thread is.
pub(crate) fn short() -> Calibration {
    let samples = samples(SHORT_ROUNDS);
    let best = |ns: &[f64]| ns.iter().copied().fold(f64::MAX, f64::min);
    Calibration { copy_gb_s: gb_s(best(&samples.copy_ns)), loop_ms: best(&samples.loop_ns) / 1e6 }
}

fn samples(n_rounds: usize) -> Samples {
    let source = vec![1u8; COPY_BYTES];
    // Written once before: the first touch of a page is the kernel's work.
    let mut target = vec![2u8; COPY_BYTES];
    let mut samples = Samples { copy_ns: Vec::new(), loop_ns: Vec::new() };
    for _ in 0..n_rounds {
        samples.copy_ns.push(timed(|| target.copy_from_slice(black_box(&source))));
        black_box(&mut target);
        samples.loop_ns.push(timed(|| {
            black_box(spin(black_box(1)));
        }));
    }
    samples
}

/// A fixed number of steps, each of which needs the one before. Source: the finalizer of Steele, Lea and
/// Flood, "Fast Splittable Pseudorandom Number Generators", 2014.
fn spin(seed: u64) -> u64 {
    (0..LOOP_STEPS).fold(seed, |x, _| (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9))
}

fn timed(work: impl FnOnce()) -> f64 {
    let begun = thread_cpu_ns();
    work();
    (thread_cpu_ns() - begun) as f64
}

fn gb_s(copy_ns: f64) -> f64 {
    COPY_BYTES as f64 / copy_ns
}

fn report(args: &Args, samples: &Samples, strain: Strain) -> Report {
    let copies: Vec<f64> = samples.copy_ns.iter().map(|ns| gb_s(*ns)).collect();
    let loops: Vec<f64> = samples.loop_ns.iter().map(|ns| ns / 1e6).collect();
    let (copy_range, loop_range) = (Range::of(&copies), Range::of(&loops));
    Report {
        copy_gb_s: median(&copies),
        copy_gb_s_range: copy_range,
        copy_bytes: COPY_BYTES,
        loop_ms: median(&loops),
        loop_ms_range: loop_range,
        loop_ratio_to_best: median(&loops) / loop_range.min,
        copy_ratio_to_best: copy_range.max / median(&copies),
        rounds: args.rounds,
        strain,
    }
}

fn print(report: &Report) {
    println!(
        "copy  {:.2} GB/s median, {:.2} worst, {:.2} best ({} MiB from one buffer to another)",
        report.copy_gb_s,
        report.copy_gb_s_range.min,
        report.copy_gb_s_range.max,
        report.copy_bytes >> 20
    );
    println!(
        "loop  {:.2} ms median, {:.2} best, {:.2} worst: the median is {:.3} of the best",
        report.loop_ms, report.loop_ms_range.min, report.loop_ms_range.max, report.loop_ratio_to_best
    );
    println!("meanwhile {}", report.strain);
}

/// One line for people.
impl std::fmt::Display for Calibration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "calibrate {:.2} GB/s copied, loop {:.2} ms", self.copy_gb_s, self.loop_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_form_measures_something() {
        let calibration = short();
        assert!(0.1 < calibration.copy_gb_s && calibration.copy_gb_s < 1_000.0);
        assert!(0.1 < calibration.loop_ms && calibration.loop_ms < 10_000.0);
    }
}
