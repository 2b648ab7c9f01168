//! Every kept input, every good one, and thousands that were bent from them: none makes a decoder panic or take more
//! memory than it may.
//!
//! What the guided runs of `scripts/fuzz` have found lies in `corpus`; here it is only lived again.

use fuzz_tests::bend::bend;
use fuzz_tests::heap::{Counting, peak_of};
use fuzz_tests::rng::Rng;
use fuzz_tests::table::{self, Target};
use fuzz_tests::targets::zone::{Zone, inputs_at};
use std::panic::{AssertUnwindSafe, catch_unwind};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bent inputs per target in every test run.
const BENT: u64 = 50_000;
/// Those whose inputs begin handshakes or zones get fewer.
const BENT_SLOW: u64 = 4_000;
const SLOW: [&str; 2] = ["quic-packet", "checkpoint"];
/// Of bent inputs so many must get past the header, in percent.
const PAST_PERCENT: u64 = 20;
/// Bytes of all kept inputs together.
const CORPUS_BYTES_MAX: usize = 1 << 20;

fn kept(target: &Target) -> Vec<Vec<u8>> {
    let Ok(dir) = std::fs::read_dir(target.corpus()) else { return Vec::new() };
    let mut paths: Vec<_> = dir
        .map(|entry| entry.expect("the corpus is in the tree and this name in the table").path())
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| std::fs::read(path).expect("the corpus is in the tree and this name in the table"))
        .collect()
}

/// Runs an input; a panic says how to see it again.
fn run(target: &Target, bytes: &[u8]) -> bool {
    catch_unwind(AssertUnwindSafe(|| target.run(bytes))).unwrap_or_else(|_| {
        let name = &target.listed.name;
        let path = std::env::temp_dir().join(format!("{name}-{:08x}", crc(bytes)));
        std::fs::write(&path, bytes).expect("the corpus is in the tree and this name in the table");
        panic!("{name} panics: cargo run -p fuzz-tests -- run {name} {}", path.display());
    })
}

fn crc(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0193) & 0xffff_ffff)
}

fn bend_and_run(name: &str) {
    let target = table::find(name).expect("the corpus is in the tree and this name in the table");
    let mut good = target.seeds();
    assert!(good.iter().any(|seed| run(&target, seed)), "{name}: no good input gets past the header");
    good.extend(kept(&target));
    for bytes in &good {
        run(&target, bytes);
    }
    let n = if SLOW.contains(&name) { BENT_SLOW } else { BENT };
    let mut n_past = 0;
    for seed in 0..n {
        let mut rng = Rng::new(seed);
        let mut bytes = good[rng.below(good.len())].clone();
        bend(&mut bytes, &good, target.listed.bytes_max, &mut rng);
        n_past += u64::from(run(&target, &bytes));
    }
    assert!(n_past * 100 >= n * PAST_PERCENT, "{name}: {n_past} of {n} bent inputs get past the header");
}

macro_rules! replayed {
    ($($test:ident: $name:literal),* $(,)?) => {
        const REPLAYED: &[&str] = &[$($name),*];
        $(#[test]
        fn $test() {
            bend_and_run($name);
        })*
    };
}

replayed! {
    inputs_bent_and_kept_do_no_harm: "input",
    records_bent_and_kept_do_no_harm: "record",
    hellos_bent_and_kept_do_no_harm: "hello",
    snapshots_bent_and_kept_do_no_harm: "snapshot",
    blocks_bent_and_kept_do_no_harm: "block",
    views_of_bent_snapshots_hold: "view",
    walls_bent_and_kept_do_no_harm: "walls",
    sessions_with_a_hostile_zone_hold: "session",
    tapes_bent_and_kept_do_no_harm: "tape",
    recordings_bent_and_kept_do_no_harm: "replay",
    logs_bent_and_kept_do_no_harm: "hist",
    logs_of_zones_bent_and_kept_do_no_harm: "log",
    checkpoints_bent_and_kept_do_no_harm: "checkpoint",
    websocket_frames_bent_and_kept_do_no_harm: "ws-frame",
    websocket_requests_bent_and_kept_do_no_harm: "ws-upgrade",
    websocket_answers_bent_and_kept_do_no_harm: "ws-client",
    streams_of_records_bent_and_kept_do_no_harm: "quic-records",
    quic_packets_bent_and_kept_do_no_harm: "quic-packet",
    questions_to_the_admin_page_bent_and_kept_do_no_harm: "admin",
}

#[test]
fn a_world_that_lives_on_bent_inputs_holds() {
    let (mut zone, mut rng, mut n_inputs) = (Zone::default(), Rng::new(9), 0);
    for _ in 0..4_000 {
        let good = inputs_at(zone.now());
        let mut bytes = good[rng.below(good.len())].clone();
        if rng.once_in(2) {
            bend(&mut bytes, &good, 200, &mut rng);
        }
        n_inputs += zone.live(&bytes);
    }
    assert!(n_inputs > 2_000, "only {n_inputs} inputs could be read");
}

#[test]
fn every_target_of_the_list_is_replayed_here_and_its_kept_inputs_are_small() {
    let targets = table::all();
    let names: Vec<&str> = targets.iter().map(|target| target.listed.name.as_str()).collect();
    assert_eq!(names, REPLAYED);
    let sizes = targets.iter().flat_map(|target| kept(target).into_iter().map(|bytes| bytes.len()));
    let n_bytes: usize = sizes.sum();
    assert!(n_bytes <= CORPUS_BYTES_MAX, "{n_bytes} bytes of kept inputs");
    let folders = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus")).unwrap();
    let strange: Vec<_> = folders
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !names.contains(&name.as_str()))
        .collect();
    assert!(strange.is_empty(), "kept inputs of targets that are not there: {strange:?}");
}

#[test]
fn memory_that_is_only_reserved_is_counted() {
    let ((), peak) = peak_of(|| drop(std::hint::black_box(Vec::<u8>::with_capacity(77_777))));
    assert!((77_777..80_000).contains(&peak), "{peak}");
}
