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
/// First guess at the length of `/proc/stat`: enough for a few cores.
const STAT_BYTES_MIN: usize = 4 << 10;
/// No machine says more; a kernel that does is not asked.
const STAT_BYTES_MAX: usize = 16 << 20;
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

/// Says whether a tick was too long, and whose doing that was: its own when its CPU time exceeds the period, or
/// when its wall time without what the machine took still does.
///
/// The CPU time decides first because the strain is an upper bound: steal is counted since the last reading, a
/// helper's wait may have cost the tick nothing, and the two can overlap.
#[must_use]
pub fn overrun(period_ns: u64, lap: Lap, strain: Strain) -> Option<Overrun> {
    let own_ns = own_ns(lap, strain);
    match lap.wall_ns > period_ns {
        false => None,
        true if own_ns > period_ns => Some(Overrun::Own),
        true => Some(Overrun::Stolen),
    }
}

/// What a tick worked by itself: its CPU time, or its time on the wall without what the machine took, whichever is
/// more. Helpers' work shows on the wall only.
#[must_use]
pub fn own_ns(lap: Lap, strain: Strain) -> u64 {
    let left_ns = lap.wall_ns.saturating_sub(strain.run_queue_ns).saturating_sub(strain.steal_ns);
    left_ns.max(lap.cpu_ns)
}

/// Ticks, overruns and strain, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// All ticks.
    pub n_ticks: u64,
    /// Ticks that were too long by their own doing.
    pub overruns_own: u64,
    /// Ticks that would have been in time, had the machine not taken time from them.
    pub overruns_stolen: u64,
    /// What the machine took.
    pub strain: Strain,
}

impl Counted {
    /// Counts a tick.
    pub fn add(&mut self, period_ns: u64, lap: Lap, strain: Strain) {
        self.n_ticks += 1;
        match overrun(period_ns, lap, strain) {
            Some(Overrun::Own) => self.overruns_own += 1,
            Some(Overrun::Stolen) => self.overruns_stolen += 1,
            None => {}
        }
        self.strain.add(strain);
    }
}

/// What is known of ticks here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Ticks are measured at all.
    pub ticks: bool,
    /// Waiting for a core is counted.
    pub run_queue: bool,
    /// Stolen time is counted.
    pub steal: bool,
}

impl Sight {
    /// Nothing is known.
    pub const NONE: Self = Self { ticks: false, run_queue: false, steal: false };
}

/// Reads what the machine takes. Files stay open and buffers are kept: a lap allocates nothing.
#[derive(Debug)]
pub struct Meter {
    /// One per watched thread, with its last reading.
    queues: Vec<(File, u64)>,
    /// Only where it tells of the watched cores.
    stat: Option<StatFile>,
    cores: Vec<CoreSteal>,
    /// Reading the steal is cheap enough to do it every time.
    reads_steal_always: bool,
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
        let mut cores: Vec<CoreSteal> = cores.into_iter().map(CoreSteal::new).collect();
        let mut meter = Self {
            queues: queues.into_iter().map(|file| (file, 0)).collect(),
            stat: StatFile::open().and_then(|mut stat| stat.stolen_ns(&mut cores).map(|_| stat)),
            cores,
            reads_steal_always: true,
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

    /// What the kernel tells of the watched threads and cores.
    #[must_use]
    pub fn sight(&self) -> Sight {
        Sight { ticks: true, run_queue: !self.queues.is_empty(), steal: self.stat.is_some() }
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
        self.stat.as_mut().and_then(|stat| stat.stolen_ns(&mut self.cores)).unwrap_or(0)
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

/// A core, and what had been stolen from it at the last reading.
#[derive(Debug)]
struct CoreSteal {
    core: Core,
    last_jiffies: Option<u64>,
}

impl CoreSteal {
    fn new(core: Core) -> Self {
        Self { core, last_jiffies: None }
    }

    /// What was stolen since the last reading; at the first one nothing.
    fn take(&mut self, jiffies: u64) -> u64 {
        let last = self.last_jiffies.replace(jiffies);
        last.map_or(0, |last| jiffies.saturating_sub(last))
    }
}

/// `/proc/stat`, kept open.
#[derive(Debug)]
struct StatFile {
    file: File,
    bytes: Vec<u8>,
}

impl StatFile {
    /// The buffer is twice what the file takes now: its numbers grow. How many cores there are is not asked, as
    /// the answer would be that of the calling thread's affinity.
    fn open() -> Option<Self> {
        let file = File::open("/proc/stat").ok()?;
        let mut bytes = vec![0; STAT_BYTES_MIN];
        while file.read_at(&mut bytes, 0).ok()? > bytes.len() / 2 {
            if bytes.len() >= STAT_BYTES_MAX {
                return None;
            }
            bytes.resize(bytes.len() * 2, 0);
        }
        Some(Self { file, bytes })
    }

    fn stolen_ns(&mut self, cores: &mut [CoreSteal]) -> Option<u64> {
        let n_bytes = self.file.read_at(&mut self.bytes, 0).ok()?;
        most_stolen_ns(&self.bytes[..n_bytes], cores)
    }
}

/// The most that was stolen from one of these cores since the last reading, as `/proc/stat` has it; `None` when it
/// tells of none of them. A line without an end was cut, and with it maybe its last number.
fn most_stolen_ns(stat: &[u8], cores: &mut [CoreSteal]) -> Option<u64> {
    let lines = stat.split_inclusive(|byte| *byte == b'\n').map_while(|line| line.strip_suffix(b"\n"));
    let steals = lines.map_while(|line| line.strip_prefix(b"cpu")).filter_map(|line| {
        let mut fields = line.split(|byte| *byte == b' ');
        let core = number(fields.next()?)?;
        let ours = cores.iter_mut().find(|ours| u64::from(ours.core.0) == core)?;
        Some(ours.take(number(fields.nth(STEAL_FIELD)?)?))
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
    fn a_tick_that_worked_for_longer_than_a_period_is_its_own_doing_whatever_the_machine_took() {
        let strain = Strain { run_queue_ns: 40 * MS, steal_ns: 40 * MS, minor_faults: 0 };
        let check = |cpu_ms: u64| overrun(50 * MS, Lap { wall_ns: 60 * MS, cpu_ns: cpu_ms * MS }, strain);
        assert_eq!((check(50), check(51)), (Some(Overrun::Stolen), Some(Overrun::Own)));
    }

    fn cores<const N: usize>(cores: [u16; N]) -> [CoreSteal; N] {
        cores.map(|core| CoreSteal::new(Core(core)))
    }

    #[test]
    fn the_steal_of_our_cores_is_found_and_that_of_others_left_alone() {
        let stat = |[zero, one, ten]: [u64; 3]| {
            format!(
                "cpu  9 9 9 9 9 9 9 99 0 0\ncpu0 1 2 3 4 5 6 7 {zero} 9 0\ncpu1 1 2 3 4 5 6 7 {one} 9 0\n\
                 cpu10 1 2 3 4 5 6 7 {ten} 9 0\nintr 5 cpu0 1 1 1 1 1 1 1 1\n"
            )
        };
        let (first, second) = (stat([8, 11, 70]), stat([10, 14, 99]));
        let check = |cores: &mut [CoreSteal]| {
            [&first, &second].map(|stat| most_stolen_ns(stat.as_bytes(), cores).map(|ns| ns / (10 * MS)))
        };
        assert_eq!(check(&mut cores([0])), [Some(0), Some(2)], "the first reading is nobody's");
        assert_eq!(check(&mut cores([0, 1])), [Some(0), Some(3)]);
        assert_eq!(check(&mut cores([2])), [None, None]);
        assert_eq!(most_stolen_ns(b"cpu0 1 2 3\n", &mut cores([0])), None, "old kernels count no steal");
        assert_eq!(most_stolen_ns(b"", &mut cores([0])), None);
    }

    #[test]
    fn what_is_stolen_from_the_core_that_had_less_so_far_counts() {
        let mut cores = cores([0, 1]);
        let mut read = |zero: u64, one: u64| {
            let stat = format!("cpu0 1 2 3 4 5 6 7 {zero} 9 0\ncpu1 1 2 3 4 5 6 7 {one} 9 0\n");
            most_stolen_ns(stat.as_bytes(), &mut cores)
        };
        assert_eq!([read(100, 5), read(100, 9), read(101, 9)], [Some(0), Some(40 * MS), Some(10 * MS)]);
    }

    #[test]
    fn a_line_that_was_cut_says_nothing() {
        let mut cores = cores([0, 1]);
        let whole = b"cpu0 1 2 3 4 5 6 7 20 9 0\ncpu1 1 2 3 4 5 6 7 20 9 0\n";
        let cut = b"cpu0 1 2 3 4 5 6 7 21 9 0\ncpu1 1 2 3 4 5 6 7 2";
        most_stolen_ns(whole, &mut cores);
        assert_eq!(most_stolen_ns(cut, &mut cores), Some(10 * MS));
        assert_eq!(most_stolen_ns(whole, &mut cores), Some(0), "2 was never the state of a core");
    }

    #[test]
    fn a_thread_that_shares_its_core_is_seen_to_wait() {
        let core = CoreList::usable().unwrap().first();
        let waited = std::thread::spawn(move || {
            sys::set_affinity(&[core]).unwrap();
            let stop = std::sync::atomic::AtomicBool::new(false);
            let mut meter = Meter::here();
            let is_told = meter.sight().run_queue;
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
            (waited_ns, is_told)
        });
        let (waited_ns, is_told) = waited.join().unwrap();
        assert_eq!(waited_ns > 0, is_told, "waited {waited_ns} ns");
    }

    #[test]
    fn a_group_is_watched_thread_by_thread() {
        let cores = CoreList::usable().unwrap();
        let group = CoreGroup::start("test", &cores).unwrap();
        let mut meter = Meter::of(&group);
        let n_seen = if open_schedstat().is_some() { cores.n_cores() } else { 0 };
        assert_eq!((meter.queues.len(), meter.cores.len()), (n_seen, cores.n_cores()));
        meter.lap();
        let fresh = vec![1u8; 64 << 20];
        assert!(std::hint::black_box(&fresh).len() > 1 && meter.lap().minor_faults > 0);
    }
}
