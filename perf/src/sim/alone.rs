//! Searches and encodings by themselves, timed on a world that stands still.

use crate::stats::median;
use engine::alone::{Letters, Looks};
use harness::Drive;
use jobs::sys::thread_cpu_ns;
use netproto::snapshot::FRAME_BUFFER_BYTES;
use std::hint::black_box;

/// Clients look again every four ticks: so all of them do.
const TICKS: u32 = 4;
/// How often each tick's work is done; the median counts.
const ROUNDS: usize = 9;

/// CPU time of parts of the client stage.
#[derive(Clone, Copy, Debug)]
pub(super) struct Alone {
    /// One search for the slots of a client.
    pub(super) interest_ns_per_run: f64,
    /// One snapshot.
    pub(super) encode_ns_per_client: f64,
}

/// Steps four ticks further, and repeats parts of each.
///
/// # Panics
/// When a snapshot that is written once more is another one: our bug.
pub(super) fn measure(drive: &mut Drive) -> Alone {
    let mut buffer = [0; FRAME_BUFFER_BYTES];
    let mut sums = [(0.0, 0); 2];
    for _ in 0..TICKS {
        drive.run(1);
        let world = &drive.world;
        let letters = Letters::of(world);
        assert!(letters.are_as_sent(world), "a snapshot was written otherwise than it was sent");
        let mut searched = Vec::new();
        let mut written = Vec::new();
        for _ in 0..ROUNDS {
            let mut looks = Looks::of(world);
            sums[0].1 += looks.n();
            searched.push(timed(|| looks.choose(black_box(world))));
            sums[1].1 += letters.n();
            written.push(timed(|| {
                black_box(letters.write(black_box(world), &mut buffer));
            }));
        }
        sums[0].0 += median(&searched) * ROUNDS as f64;
        sums[1].0 += median(&written) * ROUNDS as f64;
    }
    let [interest, encode] = sums.map(|(ns, n)| ns / n.max(1) as f64);
    Alone { interest_ns_per_run: interest, encode_ns_per_client: encode }
}

fn timed(work: impl FnOnce()) -> f64 {
    let begun = thread_cpu_ns();
    work();
    (thread_cpu_ns() - begun) as f64
}
