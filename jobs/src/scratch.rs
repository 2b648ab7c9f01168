//! Memory that a job needs while it runs and the next one uses again.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// One value per thread of a pool: a job borrows its thread's.
#[derive(Debug)]
pub struct PerThread<T>(Vec<Mutex<T>>);

/// Pools of more threads share values: correct, but they wait for each other.
const THREADS_MIN: usize = 16;

impl<T> PerThread<T> {
    /// Makes a value for each thread that this machine can run at once.
    #[must_use]
    pub fn new(make: impl Fn() -> T) -> Self {
        let n_threads = std::thread::available_parallelism().map_or(1, usize::from).max(THREADS_MIN);
        Self((0..n_threads).map(|_| Mutex::new(make())).collect())
    }

    /// The value of the calling thread. The lock is free unless a pool is larger than the machine.
    ///
    /// - Cost: one uncontended lock; take it once per run of rows, not per row.
    pub fn mine(&self) -> MutexGuard<'_, T> {
        let thread = rayon::current_thread_index().unwrap_or(0) % self.0.len();
        self.0[thread].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rayon::prelude::*;

    #[test]
    fn jobs_of_one_thread_share_a_value_and_none_is_lost() {
        let scratch = PerThread::new(|| 0u32);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().expect("a small pool starts");
        pool.install(|| (0..999).into_par_iter().for_each(|_| *scratch.mine() += 1));
        let counts: Vec<u32> =
            scratch.0.iter().map(|value| *value.lock().expect("nobody panicked")).collect();
        assert_eq!(counts.iter().sum::<u32>(), 999);
        assert!(counts[3..].iter().all(|count| *count == 0), "{counts:?}");
    }
}
