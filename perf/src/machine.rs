//! What the machine gives, and what it took: cores, CPU time of processes, waiting, stolen time.
//!
//! Source: proc(5).

use crate::Failure;
use anyhow::Context;
use jobs::{Core, CoreList};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Nanoseconds in a clock tick of procfs, on every Linux we know: USER_HZ is 100.
const CLOCK_TICK_NS: u64 = 10_000_000;
const PAGE_KIB: u64 = 4;

/// One core for what is measured, another for those who make it work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cores {
    /// For the server.
    pub(crate) server: Core,
    /// For the load, and for everything else of ours.
    pub(crate) load: Core,
}

/// The two cores of a measurement.
///
/// # Errors
/// When this process may use one only.
pub(crate) fn two_cores() -> anyhow::Result<Cores> {
    let usable = CoreList::usable().context("cannot ask for the usable cores")?;
    match usable.as_slice() {
        [server, load, ..] => Ok(Cores { server: *server, load: *load }),
        _ => Err(Failure::Machine(
            "two cores are needed, one for the server and one for the load, and this process may use one only"
                .to_owned(),
        )
        .into()),
    }
}

/// The core on which figures of a single thread are made.
///
/// # Errors
/// When the kernel does not say.
pub(crate) fn first_core() -> anyhow::Result<Core> {
    Ok(CoreList::usable().context("cannot ask for the usable cores")?.first())
}

/// What a process has used since its start.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Use {
    /// CPU time of all threads, to the nanosecond.
    pub(crate) cpu_ns: u64,
    /// Time that its threads stood ready and waited for a core.
    pub(crate) run_queue_ns: u64,
    /// CPU time in its own code, as the kernel's 4 ms ticks sampled it.
    pub(crate) user_ns: u64,
    /// The same for time in the kernel.
    pub(crate) kernel_ns: u64,
}

impl Use {
    /// Of a process, from outside: up to one scheduler tick behind for a thread that is running.
    ///
    /// # Errors
    /// When there is no such process.
    pub(crate) fn of(pid: u32) -> anyhow::Result<Self> {
        let mut sum = Self::default();
        for task in fs::read_dir(format!("/proc/{pid}/task")).context("the process has ended")? {
            // A thread that ends between the two calls takes its time with it.
            let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) else { continue };
            let mut words = text.split_whitespace().map(|word| word.parse::<u64>().unwrap_or(0));
            sum.cpu_ns += words.next().unwrap_or(0);
            sum.run_queue_ns += words.next().unwrap_or(0);
        }
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).context("the process has ended")?;
        // The name in brackets may hold anything; behind it come numbers, of which these are 14 and 15.
        let behind = text.rsplit_once(')').map_or("", |(_, behind)| behind);
        let words: Vec<&str> = behind.split_whitespace().collect();
        let at = |n: usize| words.get(n - 3).and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
        (sum.user_ns, sum.kernel_ns) = (at(14) * CLOCK_TICK_NS, at(15) * CLOCK_TICK_NS);
        Ok(sum)
    }

    /// Since an earlier look.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        Self {
            cpu_ns: self.cpu_ns.saturating_sub(earlier.cpu_ns),
            run_queue_ns: self.run_queue_ns.saturating_sub(earlier.run_queue_ns),
            user_ns: self.user_ns.saturating_sub(earlier.user_ns),
            kernel_ns: self.kernel_ns.saturating_sub(earlier.kernel_ns),
        }
    }

    /// Share of the time that was spent in its own code; half when too short to tell.
    pub(crate) fn user_share(&self) -> f64 {
        let sum = self.user_ns + self.kernel_ns;
        if sum == 0 { 0.5 } else { self.user_ns as f64 / sum as f64 }
    }
}

/// Memory that a process has in use.
///
/// # Errors
/// When there is no such process.
pub(crate) fn rss_kib(pid: u32) -> anyhow::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/statm")).context("the process has ended")?;
    let pages: u64 = text.split_whitespace().nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    Ok(pages * PAGE_KIB)
}

/// Time that the hypervisor kept a core for others, since boot.
pub(crate) fn steal_ns(core: Core) -> u64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let name = format!("cpu{}", core.0);
    let line = text.lines().find(|line| line.split_whitespace().next() == Some(&name)).unwrap_or("");
    let ticks = line.split_whitespace().nth(8).and_then(|word| word.parse::<u64>().ok());
    ticks.unwrap_or(0) * CLOCK_TICK_NS
}

/// What others took while we measured.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Strain {
    /// Ready, and waiting for the core.
    pub(crate) run_queue_ms: f64,
    /// Kept by the hypervisor.
    pub(crate) steal_ms: f64,
}

impl fmt::Display for Strain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} ms of waiting for the core, {:.0} ms stolen", self.run_queue_ms, self.steal_ms)
    }
}

/// A look at a process and its core, to be compared with a later one.
pub(crate) struct Watch {
    pid: u32,
    core: Core,
    used: Use,
    steal_ns: u64,
}

impl Watch {
    /// Begins.
    ///
    /// # Errors
    /// When there is no such process.
    pub(crate) fn begin(pid: u32, core: Core) -> anyhow::Result<Self> {
        Ok(Self { pid, core, used: Use::of(pid)?, steal_ns: steal_ns(core) })
    }

    /// What was taken since then.
    ///
    /// # Errors
    /// When the process has ended.
    pub(crate) fn end(&self) -> anyhow::Result<Strain> {
        let used = Use::of(self.pid)?.since(&self.used);
        Ok(Strain {
            run_queue_ms: used.run_queue_ns as f64 / 1e6,
            steal_ms: steal_ns(self.core).saturating_sub(self.steal_ns) as f64 / 1e6,
        })
    }
}

/// Set by Ctrl-C and SIGTERM: whoever waits gives up, and children are ended on the way out.
#[derive(Clone)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// From now on signals set it instead of ending the process.
    ///
    /// # Errors
    /// When the kernel refuses the handler.
    pub(crate) fn on_signals() -> anyhow::Result<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&flag)).context("cannot listen for signals")?;
        }
        Ok(Self(flag))
    }

    /// Gives up if asked to.
    ///
    /// # Errors
    /// When a signal has come.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        match self.0.load(Ordering::Relaxed) {
            false => Ok(()),
            true => Err(Failure::Check("interrupted".to_owned()).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_works_is_seen_to_use_its_core() {
        let pid = std::process::id();
        let before = Use::of(pid).unwrap();
        let mut sum = 0u64;
        while Use::of(pid).unwrap().since(&before).cpu_ns < 20_000_000 {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(rss_kib(pid).unwrap() > 500);
        assert!((0.0..=1.0).contains(&Use::of(pid).unwrap().since(&before).user_share()));
    }

    #[test]
    fn nobody_uses_nothing() {
        assert!(Use::of(u32::MAX).is_err() && rss_kib(u32::MAX).is_err());
    }
}
