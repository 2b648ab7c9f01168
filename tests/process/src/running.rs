//! Processes that tests start, and that never outlive them.

use std::ffi::OsStr;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use crate::wait_for;

/// A command whose process the kernel kills when the thread that started it is gone, however the test ended.
/// The process keeps its id: `setpriv` becomes the program.
#[must_use]
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.arg("--pdeathsig=KILL").arg(program);
    command
}

/// A process. It is killed when dropped.
pub struct Running(Child);

impl Running {
    /// Starts a command of [`command`].
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start(command: &mut Command) -> Self {
        Self(command.spawn().expect("setpriv(1) of the package util-linux starts the program"))
    }

    /// Number of the process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// How it ended, if it has.
    ///
    /// # Panics
    /// If the kernel does not know it.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().expect("the process is our child")
    }

    /// Waits for the end.
    ///
    /// # Panics
    /// If it does not come in time.
    pub fn wait_end(&mut self, at_most: Duration) -> ExitStatus {
        wait_for("the end of the process", at_most, || self.ended())
    }

    /// Sends a signal by its short name, such as `TERM`.
    ///
    /// # Panics
    /// If the process is gone already.
    pub fn signal(&self, name: &str) {
        assert!(self.try_signal(name), "the process is gone: SIG{name} cannot be sent");
    }

    /// Sends a signal by its short name; `false` if the process is gone already.
    ///
    /// # Panics
    /// If there is no shell.
    #[must_use]
    pub fn try_signal(&self, name: &str) -> bool {
        let script = format!("kill -{name} {}", self.id());
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &script]).stderr(std::process::Stdio::null());
        shell.status().expect("a shell").success()
    }

    /// Kills it and waits until it is gone.
    pub fn kill(&mut self) {
        // Both fail only when the process is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}
