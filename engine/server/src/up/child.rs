//! Processes that we started: bound to a core, in a group of their own, and never left behind.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use jobs::CoreList;

use super::spawn::{self, Signal};

/// Lines of a child's stderr that are kept, to be shown when it fails.
const LINES_KEPT: usize = 20;
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A process of ours. Dropping it kills the process, should it still run.
pub(super) struct Process {
    name: &'static str,
    child: Child,
    last_line: Option<JoinHandle<Option<String>>>,
    errors: Option<Arc<Mutex<VecDeque<String>>>>,
}

/// What happens to a child's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Words {
    /// Its stderr is ours.
    Shown,
    /// The last line of its stdout and the last lines of its stderr are kept.
    Kept,
}

impl Process {
    /// Starts a process on some cores.
    ///
    /// # Errors
    /// When it cannot be started; the message names the program.
    pub(super) fn start(
        name: &'static str,
        mut command: Command,
        cores: &CoreList,
        words: Words,
    ) -> anyhow::Result<Self> {
        command.stdin(Stdio::null());
        if words == Words::Kept {
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
        } else {
            command.stdout(Stdio::null());
        }
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = spawn::spawn(command, cores).with_context(|| format!("cannot start {program}"))?;
        let last_line = child.stdout.take().map(|out| std::thread::spawn(move || last_line(out)));
        let errors = child.stderr.take().map(keep_lines);
        Ok(Self { name, child, last_line, errors })
    }

    /// What it is called here.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// When the system does not say.
    pub(super) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Waits for the end for at most this long.
    ///
    /// # Errors
    /// When the system does not say.
    pub(super) fn wait(&mut self, at_most: Duration) -> io::Result<Option<ExitStatus>> {
        let until = Instant::now() + at_most;
        loop {
            let ended = self.ended()?;
            if ended.is_some() || Instant::now() >= until {
                return Ok(ended);
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Asks it to end, and makes it end if it does not within this time. Returns whether it ended well.
    pub(super) fn stop(&mut self, at_most: Duration) -> bool {
        if let Ok(None) = self.ended() {
            spawn::signal(&self.child, Signal::Terminate);
        }
        match self.wait(at_most) {
            Ok(Some(status)) => status.success(),
            _ => {
                tracing::error!("{} did not end within {at_most:?}: it is killed", self.name);
                self.kill();
                false
            }
        }
    }

    /// The last line of its stdout, after its end.
    pub(super) fn last_line(&mut self) -> Option<String> {
        self.last_line.take()?.join().ok().flatten()
    }

    /// The last lines of its stderr.
    pub(super) fn errors(&self) -> Vec<String> {
        let Some(lines) = &self.errors else { return Vec::new() };
        lines.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    fn kill(&mut self) {
        // Both fail only when the process is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Ok(None) = self.ended() {
            self.kill();
        }
    }
}

fn last_line(out: impl Read) -> Option<String> {
    BufReader::new(out).lines().map_while(Result::ok).filter(|line| !line.is_empty()).last()
}

fn keep_lines(out: impl Read + Send + 'static) -> Arc<Mutex<VecDeque<String>>> {
    let kept = Arc::new(Mutex::new(VecDeque::new()));
    let writer = Arc::clone(&kept);
    std::thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            tracing::debug!("{line}");
            let mut lines = writer.lock().unwrap_or_else(PoisonError::into_inner);
            if lines.len() == LINES_KEPT {
                lines.pop_front();
            }
            lines.push_back(line);
        }
    });
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Process {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        let cores = CoreList::one(CoreList::usable().unwrap().first());
        Process::start("shell", command, &cores, Words::Kept).unwrap()
    }

    #[test]
    fn the_last_line_and_the_errors_of_a_child_are_kept() {
        let mut child = shell("echo one; echo two; for i in $(seq 30); do echo e$i >&2; done");
        assert!(child.wait(Duration::from_secs(10)).unwrap().unwrap().success());
        assert_eq!(child.last_line().as_deref(), Some("two"));
        let until = Instant::now() + Duration::from_secs(5);
        while child.errors().last().map(String::as_str) != Some("e30") && Instant::now() < until {
            std::thread::yield_now();
        }
        assert_eq!((child.errors().len(), child.errors()[0].as_str()), (LINES_KEPT, "e11"));
    }

    #[test]
    fn a_child_that_does_not_listen_is_killed() {
        let mut child = shell("trap '' TERM; while :; do sleep 1; done");
        assert!(!child.stop(Duration::from_millis(100)));
        assert!(child.ended().unwrap().is_some());
    }

    #[test]
    fn a_child_runs_on_its_core_only() {
        let mut child = shell("grep Cpus_allowed_list /proc/self/status");
        child.wait(Duration::from_secs(10)).unwrap();
        let core = CoreList::usable().unwrap().first().0;
        assert_eq!(child.last_line(), Some(format!("Cpus_allowed_list:\t{core}")));
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let cores = CoreList::usable().unwrap();
        let error = Process::start("x", Command::new("/no/such/program"), &cores, Words::Kept).err().unwrap();
        assert_eq!(error.to_string(), "cannot start /no/such/program");
    }
}
