//! The door to the kernel: affinity, CPU clocks, faults, niceness. The only file of this crate with unsafe code.
//!
//! Source: sched_setaffinity(2), clock_gettime(2), getrusage(2), setpriority(2).
#![allow(unsafe_code)]

use std::io;
use std::mem::{size_of, zeroed};

use crate::cores::{CORE_MAX, Core};

const _: () = assert!(size_of::<libc::cpu_set_t>() * 8 == CORE_MAX as usize + 1);

/// Binds the calling thread, and threads it starts from now on, to these cores.
///
/// # Errors
/// When the kernel refuses, for instance because no core of the list exists.
pub fn set_affinity(cores: &[Core]) -> io::Result<()> {
    // SAFETY: all zeros is an empty set.
    let mut set: libc::cpu_set_t = unsafe { zeroed() };
    for core in cores {
        assert!(core.0 <= CORE_MAX, "core {} does not fit the mask", core.0);
        // SAFETY: the index is inside the mask, checked above.
        unsafe { libc::CPU_SET(usize::from(core.0), &mut set) };
    }
    // SAFETY: the pointer and the length describe `set`, which lives through the call.
    match unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The cores that the calling thread may run on, ascending.
///
/// # Errors
/// When the kernel does not say.
pub fn affinity() -> io::Result<Vec<Core>> {
    // SAFETY: all zeros is an empty set.
    let mut set: libc::cpu_set_t = unsafe { zeroed() };
    // SAFETY: the pointer and the length describe `set`, which lives through the call.
    if unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: every index is inside the mask.
    let is_set = |core: &u16| unsafe { libc::CPU_ISSET(usize::from(*core), &set) };
    Ok((0..=CORE_MAX).filter(is_set).map(Core).collect())
}

/// CPU time that the calling thread has used, user and kernel.
///
/// - Units: ns.
/// - Cost: one system call, about 200 ns.
#[must_use]
pub fn thread_cpu_ns() -> u64 {
    clock_ns(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// CPU time that all threads of this process have used, user and kernel.
///
/// - Units: ns.
/// - Cost: one system call.
#[must_use]
pub fn process_cpu_ns() -> u64 {
    clock_ns(libc::CLOCK_PROCESS_CPUTIME_ID)
}

/// The CPU clock of one thread of this process, which every other thread of it may read.
#[derive(Clone, Copy, Debug)]
pub struct ThreadClock(libc::clockid_t);

impl ThreadClock {
    /// The calling thread's.
    #[must_use]
    pub fn mine() -> Self {
        let mut clock = 0;
        // SAFETY: the thread is the calling one, so it lives, and the pointer is valid for a write of one id.
        let result = unsafe { libc::pthread_getcpuclockid(libc::pthread_self(), &raw mut clock) };
        assert_eq!(result, 0, "this kernel has no CPU clock per thread");
        Self(clock)
    }

    /// CPU time that its thread has used, user and kernel; up to now also while that one is running.
    ///
    /// - Units: ns.
    /// - Cost: one system call; it disturbs and wakes nobody.
    ///
    /// # Panics
    /// When the thread has ended.
    #[must_use]
    pub fn ns(self) -> u64 {
        clock_ns(self.0)
    }
}

/// Page faults of the calling thread that needed no disk: memory touched for the first time, or taken back.
///
/// - Cost: one system call, about 300 ns.
#[must_use]
pub fn thread_minor_faults() -> u64 {
    // SAFETY: all zeros is a value of this plain structure.
    let mut usage: libc::rusage = unsafe { zeroed() };
    // SAFETY: the pointer is valid for a write of one rusage.
    let result = unsafe { libc::getrusage(libc::RUSAGE_THREAD, &raw mut usage) };
    assert_eq!(result, 0, "this kernel counts no faults per thread");
    u64::try_from(usage.ru_minflt).unwrap_or(0)
}

/// The calling thread gives way to all others from now on. Without effect when the kernel refuses: a thread that
/// does not give way still works.
pub fn give_way() {
    const NICEST: libc::c_int = 19;
    // Linux reads "process 0" as the calling thread.
    // SAFETY: plain numbers in, a plain number out.
    let _ = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICEST) };
}

fn clock_ns(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is valid for a write of one timespec.
    let result = unsafe { libc::clock_gettime(clock, &raw mut time) };
    assert_eq!(result, 0, "this kernel has no CPU clock {clock}");
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pinned_thread_runs_on_its_core_only() {
        let core = affinity().unwrap()[0];
        std::thread::spawn(move || {
            set_affinity(&[core]).unwrap();
            assert_eq!(affinity().unwrap(), [core]);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn no_core_at_all_is_refused_by_the_kernel() {
        assert!(set_affinity(&[]).is_err());
    }

    #[test]
    fn cpu_time_grows_with_work() {
        let (thread, process) = (thread_cpu_ns(), process_cpu_ns());
        let mut sum = 0u64;
        while thread_cpu_ns() == thread {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(process_cpu_ns() > process);
    }

    #[test]
    fn another_thread_s_clock_runs_while_that_one_works_and_stands_while_it_waits() {
        let (to_worker, orders) = std::sync::mpsc::channel::<()>();
        let (to_us, answers) = std::sync::mpsc::channel();
        let worker = std::thread::spawn(move || {
            to_us.send(ThreadClock::mine()).unwrap();
            for () in orders {
                let begun = thread_cpu_ns();
                while thread_cpu_ns() < begun + 5_000_000 {}
                to_us.send(ThreadClock::mine()).unwrap();
            }
        });
        let clock = answers.recv().unwrap();
        let before = clock.ns();
        to_worker.send(()).unwrap();
        answers.recv().unwrap();
        let worked = clock.ns() - before;
        assert!((5_000_000..500_000_000).contains(&worked), "{worked} ns for 5 ms of work");
        let (idle, busy) = (clock.ns(), thread_cpu_ns());
        while thread_cpu_ns() < busy + 5_000_000 {}
        assert!(clock.ns() - idle < 2_000_000, "its clock ran {} ns while it waited", clock.ns() - idle);
        drop(to_worker);
        worker.join().unwrap();
    }

    #[test]
    fn memory_touched_for_the_first_time_is_a_fault() {
        let before = thread_minor_faults();
        let fresh = vec![1u8; 64 << 20];
        assert!(std::hint::black_box(&fresh)[fresh.len() - 1] == 1 && thread_minor_faults() > before);
    }
}
