//! What `perf` is told in lines: where the server is, when to begin, and what it has used and done so far.

use anyhow::Context;
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;
use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Nanoseconds in a clock tick of procfs: USER_HZ is 100.
const CLOCK_TICK_NS: u64 = 10_000_000;
const PAGE_KIB: u64 = 4;

/// The server can be connected to.
#[derive(Serialize)]
pub(crate) struct Ready {
    /// Where.
    pub(crate) addr: SocketAddr,
}

/// Totals since the start. Names are those of `perf`.
#[derive(Serialize)]
pub(crate) struct Mark {
    used: Used,
    rss_kib: u64,
    n_ticks: u64,
    n_out: u64,
    n_in: u64,
    n_peers: u64,
}

#[derive(Default, Serialize)]
struct Used {
    cpu_ns: u64,
    run_queue_ns: u64,
    user_ns: u64,
    kernel_ns: u64,
}

/// Inputs that arrived, counted by the tasks that read them.
#[derive(Clone, Default)]
pub(crate) struct Inputs(Arc<AtomicU64>);

impl Inputs {
    /// One more.
    pub(crate) fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Mark {
    /// Now.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub(crate) fn now(n_ticks: u64, n_out: u64, inputs: &Inputs, n_peers: usize) -> anyhow::Result<Self> {
        let statm = fs::read_to_string("/proc/self/statm").context("no /proc")?;
        Ok(Self {
            used: Used::now()?,
            rss_kib: word(&statm, 1) * PAGE_KIB,
            n_ticks,
            n_out,
            n_in: inputs.0.load(Ordering::Relaxed),
            n_peers: n_peers as u64,
        })
    }
}

impl Used {
    fn now() -> anyhow::Result<Self> {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        let waited = fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
        let stat = fs::read_to_string("/proc/self/stat").context("no /proc")?;
        // Behind the name in brackets, which may hold anything, these two are the twelfth and the thirteenth.
        let behind = stat.rsplit_once(')').map_or("", |(_, behind)| behind);
        Ok(Self {
            cpu_ns: cpu.tv_sec as u64 * 1_000_000_000 + cpu.tv_nsec as u64,
            run_queue_ns: word(&waited, 1),
            user_ns: word(behind, 11) * CLOCK_TICK_NS,
            kernel_ns: word(behind, 12) * CLOCK_TICK_NS,
        })
    }
}

fn word(text: &str, at: usize) -> u64 {
    text.split_whitespace().nth(at).and_then(|word| word.parse().ok()).unwrap_or(0)
}
