//! One target under libFuzzer; `ARCANE_FUZZ_TARGET` says which. Run it with `scripts/fuzz`.
//!
//! libFuzzer brings `main`, its options and its mutations; half of the inputs are bent bit by bit as well, because
//! fields of the wire do not end where bytes end.
#![no_main]
#![deny(unsafe_code)]

use fuzz_tests::bend::bend;
use fuzz_tests::heap::Counting;
use fuzz_tests::rng::Rng;
use fuzz_tests::table::{self, Target};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Inputs so far, and those that got past the header.
static N_RUN: AtomicU64 = AtomicU64::new(0);
static N_PAST: AtomicU64 = AtomicU64::new(0);

static CHOSEN: LazyLock<(Target, Vec<Vec<u8>>)> = LazyLock::new(|| {
    let name = std::env::var("ARCANE_FUZZ_TARGET").unwrap_or_default();
    let target = table::find(&name).unwrap_or_else(|| panic!("ARCANE_FUZZ_TARGET={name} is no target"));
    let seeds = target.seeds();
    // What is made once and kept does not count as one input's memory.
    for seed in &seeds {
        target.run(seed);
    }
    (target, seeds)
});

/// Tells the script what libFuzzer does not know.
extern "C" fn report() {
    if let Ok(path) = std::env::var("ARCANE_FUZZ_REPORT") {
        let text = format!("{} {}\n", N_RUN.load(Ordering::Relaxed), N_PAST.load(Ordering::Relaxed));
        std::fs::write(path, text).expect("the report can be written");
    }
}

#[allow(unsafe_code)] // libFuzzer ends the process itself
fn report_at_exit() {
    // SAFETY: the function lives as long as the process, and may run at its end.
    unsafe { libc::atexit(report) };
}

fuzz_target!(
    init: {
        LazyLock::force(&CHOSEN);
        report_at_exit();
    },
    |bytes: &[u8]| {
        let is_past = CHOSEN.0.run(bytes);
        N_RUN.fetch_add(1, Ordering::Relaxed);
        N_PAST.fetch_add(u64::from(is_past), Ordering::Relaxed);
    }
);

fuzz_mutator!(|bytes: &mut [u8], n_bytes: usize, bytes_max: usize, seed: u32| {
    let mut rng = Rng::new(u64::from(seed));
    if rng.once_in(2) {
        return fuzzer_mutate(bytes, n_bytes, bytes_max);
    }
    let mut bent = bytes[..n_bytes].to_vec();
    bend(&mut bent, &CHOSEN.1, bytes_max, &mut rng);
    bytes[..bent.len()].copy_from_slice(&bent);
    bent.len()
});
