//! Starting and signalling a child: the two things that the standard library leaves to the kernel's own calls.
//! The only unsafe code of this crate. Source: prctl(2), kill(2).
#![allow(unsafe_code)]

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use jobs::CoreList;

/// What a child can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// End, please: SIGTERM.
    Terminate,
}

/// Starts a child bound to some cores, in a process group of its own (a Ctrl-C in the terminal is ours alone to
/// pass on), and told to end when this thread does, however that happens.
pub(super) fn spawn(mut command: Command, cores: &CoreList) -> io::Result<Child> {
    let cores = cores.clone();
    command.process_group(0);
    let before = move || {
        // SAFETY: takes plain integers and touches no memory of ours.
        let told = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) };
        if told != 0 {
            return Err(io::Error::last_os_error());
        }
        jobs::sys::set_affinity(cores.as_slice())
    };
    // SAFETY: between fork and exec the closure makes two system calls, allocates nothing and takes no lock.
    unsafe { command.pre_exec(before) };
    command.spawn()
}

/// Sends a signal to a child that has not been waited for, so that its number is still its own.
pub(super) fn signal(child: &Child, signal: Signal) {
    let number = match signal {
        Signal::Terminate => libc::SIGTERM,
    };
    // SAFETY: takes plain integers; the process is our child, or gone, in which case the call fails.
    unsafe { libc::kill(child.id() as libc::pid_t, number) };
}
