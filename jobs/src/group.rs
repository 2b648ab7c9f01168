//! A core group: one rayon pool whose threads are named and pinned, one per core.

use std::io;

use crate::cores::{Core, CoreList};
use crate::sys;

/// A pool of threads, each bound to one core.
pub struct CoreGroup {
    pool: rayon::ThreadPool,
    cores: CoreList,
}

/// Why a core group could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GroupError {
    /// The kernel refused to bind a thread.
    #[error("cannot bind a thread to core {}: {error}", core.0)]
    Pin {
        /// The core.
        core: Core,
        /// What the kernel said.
        error: io::Error,
    },
    /// The pool did not start.
    #[error("cannot start a pool of {n_threads} threads: {error}")]
    Pool {
        /// How many threads were asked for.
        n_threads: usize,
        /// What rayon said.
        error: rayon::ThreadPoolBuildError,
    },
}

impl CoreGroup {
    /// Starts a group in which the calling thread is the first worker, bound to the first core: work handed to
    /// [`CoreGroup::install`] from here changes no thread. The others are called `NAME-1`, `NAME-2`, ...
    ///
    /// - Cost: one thread per further core, for the life of the group; the calling thread stays bound.
    ///
    /// # Errors
    /// [`GroupError`] when a core cannot be had, or when the calling thread already is a worker of a pool.
    pub fn start_here(name: &str, cores: &CoreList) -> Result<Self, GroupError> {
        let first = cores.first();
        sys::set_affinity(&[first]).map_err(|error| GroupError::Pin { core: first, error })?;
        let pool = Self::builder(name, cores).use_current_thread().build();
        Self::finish(pool, cores)
    }

    /// Starts a group beside the calling thread, which stays as it is.
    ///
    /// - Cost: one thread per core, for the life of the group.
    ///
    /// # Errors
    /// [`GroupError`] when the pool does not start.
    pub fn start(name: &str, cores: &CoreList) -> Result<Self, GroupError> {
        Self::finish(Self::builder(name, cores).build(), cores)
    }

    fn builder(name: &str, cores: &CoreList) -> rayon::ThreadPoolBuilder {
        let name = name.to_owned();
        let list = cores.clone();
        rayon::ThreadPoolBuilder::new()
            .num_threads(cores.n_cores())
            .thread_name(move |at| format!("{name}-{at}"))
            .start_handler(move |at| {
                // A worker that cannot be bound still works: slower, not wrong.
                drop(sys::set_affinity(&list.as_slice()[at..=at]));
            })
    }

    fn finish(
        pool: Result<rayon::ThreadPool, rayon::ThreadPoolBuildError>,
        cores: &CoreList,
    ) -> Result<Self, GroupError> {
        let n_threads = cores.n_cores();
        let pool = pool.map_err(|error| GroupError::Pool { n_threads, error })?;
        Ok(Self { pool, cores: cores.clone() })
    }

    /// Runs `work` inside the pool: parallel iterators in it use this group's threads only.
    pub fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        self.pool.install(work)
    }

    /// Does something once on every thread of the group; the answers come in the order of the cores.
    pub fn on_each_thread<R: Send>(&self, work: impl Fn() -> R + Sync) -> Vec<R> {
        self.pool.broadcast(|_| work())
    }

    /// The cores of the group.
    #[must_use]
    pub fn cores(&self) -> &CoreList {
        &self.cores
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_worker_is_named_and_bound_to_its_own_core() {
        let cores = CoreList::usable().unwrap();
        let group = CoreGroup::start("test", &cores).unwrap();
        let mut seen = group.pool.broadcast(|context| {
            let name = std::thread::current().name().map(str::to_owned);
            (context.index(), name, sys::affinity().unwrap())
        });
        seen.sort();
        for (at, name, bound) in seen {
            assert_eq!(name, Some(format!("test-{at}")));
            assert_eq!(bound, [cores.as_slice()[at]]);
        }
    }

    #[test]
    fn the_calling_thread_can_be_the_first_worker() {
        let cores = CoreList::one(CoreList::usable().unwrap().first());
        std::thread::spawn(move || {
            let group = CoreGroup::start_here("test", &cores).unwrap();
            let here = std::thread::current().id();
            assert_eq!(group.install(|| std::thread::current().id()), here);
            assert_eq!(sys::affinity().unwrap(), group.cores().as_slice());
        })
        .join()
        .unwrap();
    }
}
