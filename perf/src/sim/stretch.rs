//! Stretches of ticks on a pool of threads, and the CPU time that each thread spent on each stage.
//!
//! Clocks are read by the thread that steps the tick, for all threads of the pool: nobody is woken for it. A worker of
//! rayon that finds nothing to do looks around for some 10 us before it sleeps, and that is on its clock. It does so
//! while another one works, so it is not the slowest for it; it is in the sum over all threads.

use crate::counting::n_allocations;
use anyhow::Context;
use engine::{Input, Mark, Sending, Stage, World, tick_parts};
use harness::{Drive, Knobs};
use jobs::sys::ThreadClock;

/// Ticks before measuring: everybody has joined, every slot is introduced, every buffer has grown.
pub(crate) const WARM_UP_TICKS: u32 = 100;
const STAGES: usize = Stage::ALL.len();

/// What one stage cost, summed over the ticks of a stretch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StageCost {
    /// All threads together.
    pub(crate) all_ns: u64,
    /// The slowest thread of each part of the stage.
    pub(crate) slowest_ns: u64,
    /// Of these, parts that one thread does alone.
    pub(crate) serial_ns: u64,
}

/// Some ticks.
#[derive(Debug)]
pub(crate) struct Stretch {
    /// CPU time of each tick, all threads together.
    pub(crate) tick_ns: Vec<u64>,
    /// By stage.
    pub(crate) stages: [StageCost; STAGES],
    /// Calls of the allocator within the ticks.
    pub(crate) n_allocations: u64,
}

impl Stretch {
    fn with_room(n_ticks: u32) -> Self {
        let tick_ns = Vec::with_capacity(n_ticks as usize);
        Self { tick_ns, stages: [StageCost::default(); STAGES], n_allocations: 0 }
    }

    /// CPU of the slowest thread of each part, added up: what a tick takes on a machine of its own, ns per tick.
    pub(crate) fn slowest_ns(&self) -> f64 {
        self.per_tick(self.stages.iter().map(|stage| stage.slowest_ns).sum())
    }

    /// CPU of all threads, ns per tick.
    pub(crate) fn mean_ns(&self) -> f64 {
        self.per_tick(self.tick_ns.iter().sum())
    }

    /// CPU of all threads that a share of the ticks does not exceed.
    pub(crate) fn at_ns(&self, share: f64) -> f64 {
        let mut sorted = self.tick_ns.clone();
        sorted.sort_unstable();
        let at = (sorted.len().saturating_sub(1) as f64 * share).round() as usize;
        sorted.get(at).copied().unwrap_or(0) as f64
    }

    /// A sum over the ticks, per tick.
    pub(crate) fn per_tick(&self, sum: u64) -> f64 {
        sum as f64 / self.tick_ns.len().max(1) as f64
    }
}

/// A zone with the threads that step it.
pub(crate) struct Side {
    pub(crate) drive: Drive,
    pool: rayon::ThreadPool,
    clocks: Clocks,
}

impl Side {
    /// A zone that has warmed up.
    ///
    /// # Errors
    /// When the threads do not start.
    pub(crate) fn warm(knobs: &Knobs, sending: Sending, n_threads: usize) -> anyhow::Result<Self> {
        let builder = rayon::ThreadPoolBuilder::new().num_threads(n_threads);
        let pool = builder.build().context("the pool does not start")?;
        let clocks = Clocks::of(pool.broadcast(|_| ThreadClock::mine()));
        let drive = pool.install(|| {
            let mut drive = Drive::sending(knobs, sending);
            drive.run(WARM_UP_TICKS);
            drive.reset_findings();
            drive
        });
        Ok(Self { drive, pool, clocks })
    }

    /// Steps and measures; `after` looks at each tick, unmeasured.
    pub(crate) fn stretch(&mut self, n_ticks: u32, mut after: impl FnMut(u32, &Drive) + Send) -> Stretch {
        let Self { drive, pool, clocks } = self;
        pool.install(|| {
            let mut stretch = Stretch::with_room(n_ticks);
            for tick in 0..n_ticks {
                drive.step(|world, inputs| timed_tick(world, inputs, clocks, &mut stretch));
                after(tick, drive);
            }
            stretch
        })
    }

    /// Runs something on one of its threads.
    pub(crate) fn on_its_thread<R: Send>(&mut self, work: impl FnOnce(&mut Drive) -> R + Send) -> R {
        let Self { drive, pool, .. } = self;
        pool.install(|| work(drive))
    }
}

fn timed_tick(world: &mut World, inputs: &[Input], clocks: &mut Clocks, stretch: &mut Stretch) {
    let (mut tick_ns, allocations) = (0, n_allocations());
    clocks.lap();
    tick_parts(world, inputs, |Mark { stage, is_parallel }| {
        let (all_ns, slowest_ns) = clocks.lap();
        let cost = &mut stretch.stages[stage as usize];
        cost.all_ns += all_ns;
        cost.slowest_ns += slowest_ns;
        cost.serial_ns += if is_parallel { 0 } else { slowest_ns };
        tick_ns += all_ns;
    });
    stretch.tick_ns.push(tick_ns);
    stretch.n_allocations += n_allocations() - allocations;
}

/// The CPU clocks of some threads.
struct Clocks {
    clocks: Vec<ThreadClock>,
    last_ns: Vec<u64>,
}

impl Clocks {
    fn of(clocks: Vec<ThreadClock>) -> Self {
        let last_ns = clocks.iter().map(|clock| clock.ns()).collect();
        Self { clocks, last_ns }
    }

    /// CPU since the last call: of all together, and of the one that has used most.
    fn lap(&mut self) -> (u64, u64) {
        let (mut all_ns, mut slowest_ns) = (0, 0);
        for (clock, last_ns) in self.clocks.iter().zip(&mut self.last_ns) {
            let now_ns = clock.ns();
            let used_ns = now_ns - *last_ns;
            *last_ns = now_ns;
            all_ns += used_ns;
            slowest_ns = slowest_ns.max(used_ns);
        }
        (all_ns, slowest_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use harness::{Loss, Scenario};

    #[test]
    fn of_two_threads_that_both_work_the_slowest_is_one_and_not_both() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        let mut clocks = Clocks::of(pool.broadcast(|_| ThreadClock::mine()));
        let work = |ms: u64| {
            let begun = jobs::sys::thread_cpu_ns();
            while jobs::sys::thread_cpu_ns() < begun + ms * 1_000_000 {}
        };
        pool.install(|| {
            clocks.lap();
            rayon::broadcast(|_| work(4));
            let (all_ns, slowest_ns) = clocks.lap();
            assert!((8_000_000..80_000_000).contains(&all_ns), "{all_ns} ns for twice 4 ms");
            assert!((4_000_000..=all_ns - 4_000_000).contains(&slowest_ns), "{slowest_ns} of {all_ns} ns");
            work(4);
            let (all_ns, slowest_ns) = clocks.lap();
            assert!(slowest_ns >= 4_000_000 && slowest_ns > all_ns / 2, "{slowest_ns} of {all_ns} ns");
        });
    }

    #[test]
    fn stages_add_up_to_ticks_and_no_thread_is_slower_than_all() {
        let knobs = Knobs { scenario: Scenario::Uniform, n_players: 60, n_decoding: 0, loss: Loss::Random };
        let mut side = Side::warm(&knobs, Sending::EveryTick, 2).unwrap();
        let mut n_seen = 0;
        let stretch = side.stretch(5, |tick, drive| {
            assert_eq!(drive.world.now(), WARM_UP_TICKS + tick + 1);
            n_seen += 1;
        });
        assert_eq!((stretch.tick_ns.len(), n_seen), (5, 5));
        let all: u64 = stretch.stages.iter().map(|stage| stage.all_ns).sum();
        assert_eq!(all, stretch.tick_ns.iter().sum::<u64>());
        assert!(stretch.stages.iter().all(|s| s.serial_ns <= s.slowest_ns && s.slowest_ns <= s.all_ns));
        assert!(stretch.slowest_ns() > 0.0 && stretch.slowest_ns() <= stretch.mean_ns());
    }
}
