//! Processes that we measure: bound to a core, spoken to in lines, paused while others are measured, and never
//! left behind.

use crate::Failure;
use crate::machine::Stop;
use anyhow::Context;
use jobs::Core;
use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};
use serde::de::DeserializeOwned;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How often a wait looks for Ctrl-C.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long a process may take to end by itself.
const FAREWELL: Duration = Duration::from_secs(5);

/// A process of ours. Dropping it ends the process.
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    lines: Receiver<String>,
    stop: Stop,
}

impl Process {
    /// Starts this very program as one part of a measurement, on a core.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn part(
        name: &'static str,
        core: Core,
        args: impl IntoIterator<Item = OsString>,
        stop: &Stop,
    ) -> anyhow::Result<Self> {
        let own = std::env::current_exe().context("cannot find this program's own file")?;
        let mut command = Command::new(own);
        command.arg("part").arg("--core").arg(core.0.to_string()).args(args);
        // A Ctrl-C in the terminal is ours alone to pass on.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let out = child.stdout.take().expect("stdout is piped");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            BufReader::new(out).lines().map_while(Result::ok).all(|line| sender.send(line).is_ok())
        });
        Ok(Self { name, child, lines, stop: stop.clone() })
    }

    /// Its number.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Says one line.
    ///
    /// # Errors
    /// When it has ended.
    pub(crate) fn tell(&mut self, line: &str) -> anyhow::Result<()> {
        let stdin = self.child.stdin.as_mut().expect("stdin is piped");
        writeln!(stdin, "{line}").with_context(|| format!("{} has ended", self.name))
    }

    /// The next line it says, read as JSON; nothing if there is none yet.
    ///
    /// # Errors
    /// When it has ended, or says something else.
    pub(crate) fn heard<T: DeserializeOwned>(&mut self) -> anyhow::Result<Option<T>> {
        match self.lines.try_recv() {
            Ok(line) => self.read(&line).map(Some),
            Err(std::sync::mpsc::TryRecvError::Empty) => Ok(None),
            Err(std::sync::mpsc::TryRecvError::Disconnected) => Err(self.gone()),
        }
    }

    /// The next line it says, read as JSON.
    ///
    /// # Errors
    /// When none comes in time, it has ended, or says something else.
    pub(crate) fn hear<T: DeserializeOwned>(&mut self, at_most: Duration) -> anyhow::Result<T> {
        let until = Instant::now() + at_most;
        loop {
            self.stop.check()?;
            match self.lines.recv_timeout(LOOK_EVERY) {
                Ok(line) => return self.read(&line),
                Err(RecvTimeoutError::Disconnected) => return Err(self.gone()),
                Err(RecvTimeoutError::Timeout) if Instant::now() < until => {}
                Err(RecvTimeoutError::Timeout) => {
                    let text = format!("{} said nothing within {at_most:?}", self.name);
                    return Err(Failure::Machine(text).into());
                }
            }
        }
    }

    fn read<T: DeserializeOwned>(&self, line: &str) -> anyhow::Result<T> {
        serde_json::from_str(line).with_context(|| format!("{} said {line:?}", self.name))
    }

    fn gone(&mut self) -> anyhow::Error {
        let how = self.child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
        Failure::Machine(format!("{} has ended: {how}", self.name)).into()
    }

    /// Stops the process where it stands; only [`Process::resume`] lets it go on.
    pub(crate) fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets a paused process go on.
    pub(crate) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Asks it to end and waits; returns whether it did so by itself, and well.
    pub(crate) fn finish(&mut self) -> bool {
        self.resume();
        self.signal(Signal::TERM);
        drop(self.child.stdin.take());
        let until = Instant::now() + FAREWELL;
        while Instant::now() < until {
            if let Some(status) = self.ended() {
                return status.success();
            }
            std::thread::sleep(LOOK_EVERY);
        }
        false
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = Pid::from_raw(self.child.id() as i32) {
            // It fails only when the process is gone, which the next line it does not say will tell.
            let _ = kill_process(pid, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended().is_none() {
            // Both fail only when the process is gone already.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// What a part does first: binds itself to its core, and ends when its parent does, however that happens.
///
/// # Errors
/// When the kernel refuses either.
pub(crate) fn settle(core: u16) -> anyhow::Result<()> {
    follow_parent()?;
    jobs::sys::set_affinity(&[Core(core)]).with_context(|| format!("cannot run on core {core}"))
}

/// Ends when the parent does, however that happens.
///
/// # Errors
/// When the kernel refuses.
pub(crate) fn follow_parent() -> anyhow::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL)).context("cannot follow the parent's end")
}

/// Becomes another program, on this core and with the same parent.
pub(crate) fn become_program(words: &[OsString]) -> anyhow::Error {
    let (program, args) = words.split_first().expect("the command line asks for a program");
    let error = Command::new(program).args(args).exec();
    anyhow::Error::new(error).context(format!("cannot start {}", program.display()))
}
