//! Networks of a test's own: namespaces with cables between them, gone with the test however it ends.
//!
//! A namespace lives as long as a process in it: here one that sleeps, and that the kernel kills with the thread of the
//! test. Nothing has a name outside, so tests at the same time never meet. Source: network_namespaces(7), veth(4).

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::running::{self, Running};
use crate::wait_for;

/// Longer than any test.
const LIFE: &str = "900";
const START_MAX: Duration = Duration::from_secs(20);

/// A network namespace: a machine of its own, as far as sockets are concerned.
pub struct Net {
    /// A process in it; this one's own network needs no other.
    id: u32,
    _holder: Option<Running>,
}

/// Whether this user may make namespaces here. Root may, unless a container forbids it.
#[must_use]
pub fn is_allowed() -> bool {
    let mut command = Command::new("unshare");
    command.args(["--net", "true"]).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

impl Net {
    /// Makes a namespace with nothing in it but loopback.
    ///
    /// # Panics
    /// If that is not allowed; ask [`is_allowed`] before.
    #[must_use]
    pub fn new() -> Self {
        let mut command = running::command("unshare");
        command.args(["--net", "sleep", LIFE]).stdin(Stdio::null());
        let holder = Running::start(&mut command);
        let net = Self { id: holder.id(), _holder: Some(holder) };
        let namespace = |process: &str| fs::read_link(Path::new("/proc").join(process).join("ns/net")).ok();
        let ours = namespace("self");
        wait_for("a network namespace", START_MAX, || {
            namespace(&net.id.to_string()).filter(|found| Some(found) != ours.as_ref())
        });
        net.ip("link set lo up");
        net
    }

    /// The namespace that this process was started in.
    #[must_use]
    pub fn own() -> Self {
        let net = Self { id: std::process::id(), _holder: None };
        net.ip("link set lo up");
        net
    }

    /// A command whose process is in this namespace, and never outlives the thread that starts it.
    #[must_use]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/proc/{}/ns/net", self.id));
        command.args(["setpriv", "--pdeathsig=KILL"]).arg(program);
        command
    }

    /// Runs ip(8) in it.
    ///
    /// # Panics
    /// If it does not succeed.
    pub fn ip(&self, words: &str) {
        self.run("ip", words);
    }

    /// Runs a program of the package iproute2 in it.
    ///
    /// # Panics
    /// If it does not succeed.
    pub fn run(&self, program: &str, words: &str) {
        let output = self.command(program).args(words.split(' ')).output().expect("nsenter(1) starts");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {words} (of the package iproute2): {text}");
    }

    /// Lays a cable to another namespace. Its two ends are called `name`; the addresses come with their prefix lengths.
    ///
    /// # Panics
    /// If the kernel refuses.
    pub fn cable(&self, name: &str, own: &str, other: &Self, others: &str) {
        self.ip(&format!("link add {name} type veth peer name {name} netns {}", other.id));
        for (net, addr) in [(self, own), (other, others)] {
            net.ip(&format!("addr add {addr} dev {name}"));
            net.ip(&format!("link set {name} up"));
        }
    }
}

impl Default for Net {
    fn default() -> Self {
        Self::new()
    }
}
