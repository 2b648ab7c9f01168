//! What the machine took from a tick: waiting for a core, stolen time, page faults.
//!
//! On a machine that is shared, a tick can be late without having worked longer. The kernel knows: it counts how
//! long a thread was ready and had no core, and how long the hypervisor ran somebody else. [`Meter`] reads both
//! around a stretch of work, and [`overrun`] says whether a tick that was too long was so by its own doing.
//!
//! Source: docs/OPERATIONS.md "Ticks on shared machines"; proc(5), `/proc/stat` and `/proc/pid/schedstat`.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use crate::cores::Core;
use crate::frame::Lap;
use crate::group::CoreGroup;
use crate::sys;

/// The kernel prints CPU times in hundredths of a second, whatever its own clock is.
const NS_PER_JIFFY: u64 = 10_000_000;
/// `cpu127 ` and ten numbers, with room to spare.
const STAT_LINE_BYTES_MAX: usize = 256;
/// Place of "steal" among the numbers of a line of `/proc/stat`.
const STEAL_FIELD: usize = 7;
/// A reading of `/proc/stat` that takes no longer is taken every time. It was 6 us on two cores; the kernel adds
/// up every interrupt of every core for it, so it is a millisecond on large machines.
const STAT_COST_MAX: Duration = Duration::from_micros(30);
/// How often it is taken when it costs more.
const STAT_EVERY: Duration = Duration::from_secs(1);

/// What the machine took from a stretch of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Strain {
    /// Ready to run, and no core to run on: the longest of the watched threads, ns.
    pub run_queue_ns: u64,
    /// The hypervisor ran somebody else: the most of the watched cores, ns, counted in steps of 10 ms.
    pub steal_ns: u64,
    /// Page faults without disk of the thread that asks.
    pub minor_faults: u64,
}

impl Strain {
    /// Adds another stretch.
    pub fn add(&mut self, other: Self) {
        self.run_queue_ns += other.run_queue_ns;
        self.steal_ns += other.steal_ns;
        self.minor_faults += other.minor_faults;
    }
}

/// Why a tick was longer than its period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overrun {
    /// It worked for longer than a period.
    Own,
    /// Without what the machine took it would have been in time.
    Stolen,
}

/// Says whether a tick was too long, and whose doing that was: its own when its wall time without what the machine
/// took still exceeds the period.
#[must_use]
pub fn overrun(period_ns: u64, lap: Lap, strain: Strain) -> Option<Overrun> {
    let own_ns = lap.wall_ns.saturating_sub(strain.run_queue_ns).saturating_sub(strain.steal_ns);
    match lap.wall_ns > period_ns {
        false => None,
        true if own_ns > period_ns => Some(Overrun::Own),
        true => Some(Overrun::Stolen),
    }
}

/// What the kernel of this machine tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Waiting for a core is counted.
    pub run_queue: bool,
    /// Stolen time is counted.
    pub steal: bool,
}

impl Sight {
    /// Nothing is told.
    pub const NONE: Self = Self { run_queue: false, steal: false };

    /// Looks.
    #[must_use]
    pub fn here() -> Self {
        let steal = StatFile::open().is_some_and(|mut stat| stat.steal_ns(&[Core(0)]).is_some());
        Self { run_queue: open_schedstat().is_some(), steal }
    }
}

/// Reads what the machine takes. Files stay open and buffers are kept: a lap allocates nothing.
#[derive(Debug)]
pub struct Meter {
    /// One per watched thread, with its last reading.
    queues: Vec<(File, u64)>,
    stat: Option<StatFile>,
    cores: Vec<Core>,
    /// Reading the steal is cheap enough to do it every time.
    reads_steal_always: bool,
    steal_ns: u64,
    steal_read_at: Instant,
    minor_faults: u64,
}

impl Meter {
    /// Watches the calling thread, and the cores that it may run on.
    #[must_use]
    pub fn here() -> Self {
        let cores = sys::affinity().unwrap_or_default();
        Self::new(open_schedstat().into_iter().collect(), cores)
    }

    /// Watches all threads of a group, and its cores. Faults are those of the calling thread.
    #[must_use]
    pub fn of(group: &CoreGroup) -> Self {
        let queues = group.on_each_thread(open_schedstat).into_iter().flatten().collect();
        Self::new(queues, group.cores().as_slice().to_vec())
    }

    fn new(queues: Vec<File>, cores: Vec<Core>) -> Self {
        let mut meter = Self {
            queues: queues.into_iter().map(|file| (file, 0)).collect(),
            stat: StatFile::open(),
            cores,
            reads_steal_always: true,
            steal_ns: 0,
            steal_read_at: Instant::now(),
            minor_faults: 0,
        };
        let cost = (0..4).map(|_| meter.time_a_steal_reading()).min().unwrap_or_default();
        meter.reads_steal_always = cost <= STAT_COST_MAX;
        meter.lap_fully();
        meter
    }

    fn time_a_steal_reading(&mut self) -> Duration {
        let begun = Instant::now();
        self.read_steal();
        begun.elapsed()
    }

    /// What the machine took since the last lap. Where reading the steal is expensive it is read once a second, so
    /// it may come with a later lap.
    ///
    /// - Cost: 1 us per watched thread, 6 us for the steal on two cores; no allocation.
    pub fn lap(&mut self) -> Strain {
        let is_due = self.reads_steal_always || self.steal_read_at.elapsed() >= STAT_EVERY;
        self.take(is_due)
    }

    /// Forgets what the threads waited since the last lap: it is nobody's. What was stolen stays for the next lap,
    /// because it is counted so coarsely that reading it twice as often says nothing more.
    ///
    /// - Cost: 1 us per watched thread.
    pub fn skip(&mut self) {
        self.take(false);
    }

    /// As [`Meter::lap`], with the steal whatever it costs: for ticks that were too long.
    pub fn lap_fully(&mut self) -> Strain {
        self.take(true)
    }

    fn take(&mut self, with_steal: bool) -> Strain {
        let faults = sys::thread_minor_faults();
        let minor_faults = faults.saturating_sub(std::mem::replace(&mut self.minor_faults, faults));
        let steal_ns = if with_steal { self.read_steal() } else { 0 };
        Strain { run_queue_ns: self.read_queues(), steal_ns, minor_faults }
    }

    fn read_queues(&mut self) -> u64 {
        let mut longest = 0;
        for (file, last_ns) in &mut self.queues {
            let Some(wait_ns) = read_schedstat(file) else { continue };
            longest = longest.max(wait_ns.saturating_sub(std::mem::replace(last_ns, wait_ns)));
        }
        longest
    }

    fn read_steal(&mut self) -> u64 {
        self.steal_read_at = Instant::now();
        let Some(steal_ns) = self.stat.as_mut().and_then(|stat| stat.steal_ns(&self.cores)) else { return 0 };
        steal_ns.saturating_sub(std::mem::replace(&mut self.steal_ns, steal_ns))
    }
}

/// Scheduling figures of the thread that opens the file, whoever reads it.
fn open_schedstat() -> Option<File> {
    let file = File::open("/proc/thread-self/schedstat").ok()?;
    read_schedstat(&file).map(|_| file)
}

/// The second of three numbers: time spent ready and waiting, ns.
fn read_schedstat(file: &File) -> Option<u64> {
    let mut bytes = [0; 96];
    let n_bytes = file.read_at(&mut bytes, 0).ok()?;
    number(bytes[..n_bytes].split(|byte| byte.is_ascii_whitespace()).nth(1)?)
}

/// `/proc/stat`, kept open.
#[derive(Debug)]
struct StatFile {
    file: File,
    bytes: Vec<u8>,
}

impl StatFile {
    fn open() -> Option<Self> {
        let n_lines = std::thread::available_parallelism().map_or(1, usize::from).max(64) + 1;
        let file = File::open("/proc/stat").ok()?;
        Some(Self { file, bytes: vec![0; n_lines * STAT_LINE_BYTES_MAX] })
    }

    fn steal_ns(&mut self, cores: &[Core]) -> Option<u64> {
        let n_bytes = self.file.read_at(&mut self.bytes, 0).ok()?;
        most_steal_ns(&self.bytes[..n_bytes], cores)
    }
}

/// The most that was stolen from one of these cores, as `/proc/stat` has it.
fn most_steal_ns(stat: &[u8], cores: &[Core]) -> Option<u64> {
    let lines = stat.split(|byte| *byte == b'\n');
    let steals = lines.map_while(|line| line.strip_prefix(b"cpu")).filter_map(|line| {
        let mut fields = line.split(|byte| *byte == b' ');
        let core = number(fields.next()?)?;
        let is_ours = cores.iter().any(|ours| u64::from(ours.0) == core);
        is_ours.then(|| number(fields.nth(STEAL_FIELD)?))?
    });
    steals.max().map(|jiffies| jiffies * NS_PER_JIFFY)
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cores::CoreList;

    const MS: u64 = 1_000_000;

    #[test]
    fn a_tick_that_is_long_by_its_own_doing_is_told_from_one_that_had_to_wait() {
        let check = |wall_ms: u64, run_queue_ms: u64, steal_ms: u64| {
            let lap = Lap { wall_ns: wall_ms * MS, cpu_ns: 0 };
            let strain = Strain { run_queue_ns: run_queue_ms * MS, steal_ns: steal_ms * MS, minor_faults: 0 };
            overrun(50 * MS, lap, strain)
        };
        assert_eq!(check(50, 0, 0), None);
        assert_eq!(check(50, 90, 90), None, "in time is in time");
        assert_eq!(check(51, 0, 0), Some(Overrun::Own));
        assert_eq!(check(60, 9, 0), Some(Overrun::Own));
        assert_eq!(check(60, 10, 0), Some(Overrun::Stolen));
        assert_eq!(check(60, 0, 10), Some(Overrun::Stolen));
        assert_eq!(check(90, 20, 20), Some(Overrun::Stolen));
        assert_eq!(check(60, 500, 0), Some(Overrun::Stolen), "clocks that disagree do not underflow");
    }

    #[test]
    fn the_steal_of_our_cores_is_found_and_that_of_others_left_alone() {
        let stat = b"cpu  9 9 9 9 9 9 9 99 0 0\ncpu0 1 2 3 4 5 6 7 8 9 0\ncpu1 1 2 3 4 5 6 7 11 9 0\n\
                     cpu10 1 2 3 4 5 6 7 70 9 0\nintr 5 cpu0 1 1 1 1 1 1 1 1\n";
        assert_eq!(most_steal_ns(stat, &[Core(0)]), Some(80 * MS));
        assert_eq!(most_steal_ns(stat, &[Core(0), Core(1)]), Some(110 * MS));
        assert_eq!(most_steal_ns(stat, &[Core(2)]), None);
        assert_eq!(most_steal_ns(b"cpu0 1 2 3\n", &[Core(0)]), None, "old kernels count no steal");
        assert_eq!(most_steal_ns(b"", &[Core(0)]), None);
    }

    #[test]
    fn a_thread_that_shares_its_core_is_seen_to_wait() {
        let core = CoreList::usable().unwrap().first();
        let waited_ns = std::thread::spawn(move || {
            sys::set_affinity(&[core]).unwrap();
            let stop = std::sync::atomic::AtomicBool::new(false);
            let mut meter = Meter::here();
            let mut waited_ns = 0;
            std::thread::scope(|scope| {
                // Bound to the same core, as threads inherit it.
                scope.spawn(|| {
                    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                        std::hint::spin_loop();
                    }
                });
                let begun = Instant::now();
                while waited_ns == 0 && begun.elapsed() < Duration::from_secs(20) {
                    std::hint::black_box((0..100_000u64).sum::<u64>());
                    waited_ns += meter.lap().run_queue_ns;
                }
                stop.store(true, std::sync::atomic::Ordering::Relaxed);
            });
            waited_ns
        });
        let waited_ns = waited_ns.join().unwrap();
        assert_eq!(waited_ns > 0, Sight::here().run_queue, "waited {waited_ns} ns");
    }

    #[test]
    fn a_group_is_watched_thread_by_thread() {
        let cores = CoreList::usable().unwrap();
        let group = CoreGroup::start("test", &cores).unwrap();
        let mut meter = Meter::of(&group);
        let n_seen = if Sight::here().run_queue { cores.n_cores() } else { 0 };
        assert_eq!(meter.queues.len(), n_seen);
        meter.lap();
        let fresh = vec![1u8; 64 << 20];
        assert!(std::hint::black_box(&fresh).len() > 1 && meter.lap().minor_faults > 0);
    }
}
