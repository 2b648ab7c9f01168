//! A running `arcane zone`, on free ports and in a directory of its own.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use badnet::{Relay, Weather};
use netproto::WIRE_MAJOR;
use serde_json::Value;
use tempfile::TempDir;
use transport::Link;
use transport::client::Target;

use crate::network::Net;
use crate::running::{self, Running};
use crate::{binary, wait_for};

/// Building a world takes less; a busy machine is slow.
const START_MAX: Duration = Duration::from_secs(60);
const ANSWER_MAX: Duration = Duration::from_secs(20);
/// Until a number of the status page is reached.
const NUMBER_MAX: Duration = Duration::from_secs(60);

/// One zone process. It is killed when dropped.
pub struct Zone {
    process: Running,
    dir: TempDir,
    /// Where players connect.
    pub listen: SocketAddr,
    /// Where operators look.
    pub admin: SocketAddr,
    /// SHA-256 of the zone's public key.
    pub pin: [u8; 32],
}

/// Whether this user may mount file systems here, in a namespace of its own.
#[must_use]
pub fn may_mount() -> bool {
    let mut command = Command::new("unshare");
    command.args(["--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// A command that runs a small zone in a directory, with nothing from this environment.
#[must_use]
pub fn command(dir: &Path) -> Command {
    command_of(running::command(binary::path("arcane")), dir)
}

fn command_of(mut command: Command, dir: &Path) -> Command {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ARCANE_")) {
        command.env_remove(name);
    }
    command.args(["zone", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    command.args(["--side-m", "128", "--creatures", "30", "--spawn-radius-m", "20", "--players-max", "20"]);
    // Gaps between snapshots say something when every tick is sent.
    command.args(["--send", "every-tick"]);
    command.arg("--data-dir").arg(dir.join("data"));
    command.stdin(Stdio::null());
    command
}

impl Zone {
    /// Starts a small zone.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a small zone with further flags.
    ///
    /// # Panics
    /// If it is not up in time; its log is shown.
    #[must_use]
    pub fn start_with(flags: &[&str]) -> Self {
        let dir = TempDir::new().expect("a directory for a test");
        let command = command(dir.path());
        Self::start_in(dir, command, flags)
    }

    /// Starts a small zone of the build with a stall in this stage, such as `5`.
    ///
    /// # Panics
    /// As [`Zone::start_with`].
    #[must_use]
    pub fn start_planted(stage: &str, flags: &[&str]) -> Self {
        Self::start_with_fault(("PLANTED_STAGE", stage.as_ref()), flags)
    }

    /// Starts a small zone of the build that panics where the file says, once it is there; see `planted`.
    ///
    /// # Panics
    /// As [`Zone::start_with`].
    #[must_use]
    pub fn start_panicking(file: &Path, flags: &[&str]) -> Self {
        Self::start_with_fault(("PLANTED_PANIC", file.as_os_str()), flags)
    }

    /// Starts a small zone in a network of its own, at a private address of it.
    ///
    /// # Panics
    /// As [`Zone::start_with`].
    #[must_use]
    pub fn start_within(net: &Net, ip: &str, flags: &[&str]) -> Self {
        let dir = TempDir::new().expect("a directory for a test");
        let mut command = command_of(net.command(binary::path("arcane")), dir.path());
        command.args(["--listen", &format!("{ip}:0"), "--plain-websocket", "private"]);
        Self::start_in(dir, command, flags)
    }

    /// Starts a small zone whose data directory is a file system of its own, of so many bytes; see [`Zone::resize_disk`].
    ///
    /// # Panics
    /// As [`Zone::start_with`], and if this user may not mount; ask [`may_mount`] before.
    #[must_use]
    pub fn start_on_disk_of(bytes: u64, flags: &[&str]) -> Self {
        let dir = TempDir::new().expect("a directory for a test");
        let data = dir.path().join("data");
        fs::create_dir(&data).expect("a place to mount at");
        let mut command = running::command("unshare");
        // The mount is gone with its namespace, and that with the zone.
        let script =
            format!("mount -t tmpfs -o size={bytes},mode=0700 tmpfs {} && exec \"$@\"", data.display());
        command.args(["--mount", "sh", "-c", &script, "sh"]).arg(binary::path("arcane"));
        Self::start_in(dir, command_of(command, data.parent().expect("it was joined")), flags)
    }

    /// Gives the file system of [`Zone::start_on_disk_of`] another size.
    ///
    /// # Panics
    /// If that cannot be done.
    pub fn resize_disk(&self, bytes: u64) {
        let options = format!("remount,size={bytes}");
        let mut command = Command::new("nsenter");
        command.args(["--mount", "--target", &self.pid().to_string(), "mount", "-o", &options]);
        assert!(command.arg(self.data_dir()).status().expect("nsenter(1)").success(), "the mount is ours");
    }

    /// Starts a small zone whose UDP socket has a receive buffer of so many bytes.
    ///
    /// # Panics
    /// As [`Zone::start_with`].
    #[must_use]
    pub fn start_with_buffer(bytes: usize, flags: &[&str]) -> Self {
        Self::start_with_fault(("PLANTED_RECEIVE_BYTES", bytes.to_string().as_ref()), flags)
    }

    fn start_with_fault((name, value): (&str, &OsStr), flags: &[&str]) -> Self {
        let dir = TempDir::new().expect("a directory for a test");
        let mut command = command_of(running::command(binary::planted()), dir.path());
        command.env(name, value);
        Self::start_in(dir, command, flags)
    }

    /// Kills the zone as a power cut does, and starts another one on its port and in its directory.
    ///
    /// # Panics
    /// If that is not up in time; its log is shown.
    pub fn kill_and_restart(&mut self, flags: &[&str]) {
        self.restart(command(self.dir.path()), flags);
    }

    /// The same with a zone of the build that panics where the file says.
    ///
    /// # Panics
    /// As [`Zone::kill_and_restart`].
    pub fn restart_panicking(&mut self, file: &Path) {
        let mut command = command_of(running::command(binary::planted()), self.dir.path());
        command.env("PLANTED_PANIC", file);
        self.restart(command, &[]);
    }

    fn restart(&mut self, mut command: Command, flags: &[&str]) {
        self.process.kill();
        let ready_file = self.dir.path().join("ready.json");
        fs::remove_file(&ready_file).expect("the zone that was up has left it");
        command.args(["--listen", &self.listen.to_string()]);
        let (process, ready) = launch(&self.dir, &mut command, flags);
        assert_eq!(self.pin, pin_of(&ready), "the key outlives the process");
        (self.process, self.admin) = (process, addr_of(&ready, "admin"));
    }

    fn start_in(dir: TempDir, mut command: Command, flags: &[&str]) -> Self {
        let (process, ready) = launch(&dir, &mut command, flags);
        let (listen, admin, pin) = (addr_of(&ready, "listen"), addr_of(&ready, "admin"), pin_of(&ready));
        Self { process, dir, listen, admin, pin }
    }

    /// How a client reaches this zone.
    #[must_use]
    pub fn target(&self, link: Link) -> Target {
        Target { addr: self.listen, link, pin: Some(self.pin), wire_major: WIRE_MAJOR }
    }

    /// A network in front of it, a good one until somebody changes it.
    ///
    /// # Panics
    /// If this machine has no free port for both protocols.
    #[must_use]
    pub fn relay(&self) -> Relay {
        Relay::start(self.listen, [Weather::FAIR; 2], 1).expect("a port that is free for UDP and TCP")
    }

    /// Asks the admin page; gives the status code and the body.
    #[must_use]
    pub fn get(&self, path: &str) -> (u16, String) {
        request(self.admin, "GET", path, &[]).expect("the admin page answers")
    }

    /// Changes something by the admin page, with the zone's token.
    #[must_use]
    pub fn post(&self, path: &str) -> (u16, String) {
        let token = format!("Bearer {}", self.token());
        request(self.admin, "POST", path, &[("authorization", &token)]).expect("the admin page answers")
    }

    /// The token that the zone has left for whoever may change something.
    #[must_use]
    pub fn token(&self) -> String {
        let file = self.data_dir().join("admin.token");
        fs::read_to_string(file).expect("a zone that is up has left its token").trim().to_owned()
    }

    /// Where the zone keeps its files.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// The status page.
    #[must_use]
    pub fn status(&self) -> Value {
        serde_json::from_str(&self.get("/status.json").1).expect("the status is JSON")
    }

    /// A number of the status page by its JSON pointer; 0 when it is not there.
    #[must_use]
    pub fn number(&self, pointer: &str) -> u64 {
        self.status().pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
    }

    /// Clients on each level of their budgets, full detail first.
    #[must_use]
    pub fn budget_levels(&self) -> Vec<u32> {
        levels_of(&self.status())
    }

    /// Waits until a number of the status page is at least `least`; returns it.
    ///
    /// # Panics
    /// If that takes more than a minute.
    pub fn wait_number(&self, pointer: &str, least: u64) -> u64 {
        wait_for(&format!("{pointer} >= {least}"), NUMBER_MAX, || {
            Some(self.number(pointer)).filter(|number| *number >= least)
        })
    }

    /// Sends a signal by its short name, such as `TERM`.
    ///
    /// # Panics
    /// If the zone is gone already.
    pub fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    /// The same; `false` if the zone is gone already.
    #[must_use]
    pub fn try_signal(&self, name: &str) -> bool {
        self.process.try_signal(name)
    }

    /// Waits for the end.
    ///
    /// # Panics
    /// If it does not come in time.
    pub fn wait_end(&mut self, at_most: Duration) -> ExitStatus {
        self.process.wait_end(at_most)
    }

    /// Whether it still runs.
    #[must_use]
    pub fn is_running(&mut self) -> bool {
        self.process.ended().is_none()
    }

    /// The process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Memory that it has in use.
    ///
    /// # Panics
    /// If it is gone.
    #[must_use]
    pub fn resident_kib(&self) -> u64 {
        let status =
            fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("a zone that runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok()).expect("proc(5) has VmRSS")
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

/// Clients on each level of their budgets, by a status page.
#[must_use]
pub fn levels_of(status: &Value) -> Vec<u32> {
    let levels = status.pointer("/budgets/by_level").and_then(Value::as_array);
    levels.into_iter().flatten().map(|n| n.as_u64().unwrap_or(0) as u32).collect()
}

impl Drop for Zone {
    fn drop(&mut self) {
        self.process.kill();
        if std::thread::panicking() {
            eprintln!("the zone's log:\n{}", self.log());
        }
    }
}

/// Starts a zone and waits until it listens; gives what it has noted then.
fn launch(dir: &TempDir, command: &mut Command, flags: &[&str]) -> (Running, Value) {
    let log = File::options().create(true).append(true).open(dir.path().join("log")).expect("a log file");
    let ready_file = dir.path().join("ready.json");
    command.args(flags).arg("--ready-file").arg(&ready_file).stderr(log);
    let mut process = Running::start(command);
    let until = Instant::now() + START_MAX;
    loop {
        if let Some(ready) = fs::read(&ready_file).ok().and_then(|note| serde_json::from_slice(&note).ok()) {
            let ready: Value = ready;
            assert_eq!(ready["pid"], process.id());
            return (process, ready);
        }
        let ended = process.ended();
        let log = || fs::read_to_string(dir.path().join("log")).unwrap_or_default();
        assert!(ended.is_none(), "the zone ended with {ended:?}:\n{}", log());
        assert!(Instant::now() < until, "the zone is not up after {START_MAX:?}:\n{}", log());
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn addr_of(ready: &Value, name: &str) -> SocketAddr {
    ready[name].as_str().and_then(|text| text.parse().ok()).expect("an address")
}

fn pin_of(ready: &Value) -> [u8; 32] {
    ready["pin"].as_str().and_then(hex).expect("a pin of 32 bytes")
}

/// Just enough HTTP for the admin page.
///
/// # Errors
/// When nobody answers in time.
pub fn request(
    addr: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> std::io::Result<(u16, String)> {
    let answer = admin_client::request(addr, [method, path], headers, ANSWER_MAX)?;
    Ok((answer.status, answer.body))
}

fn hex(text: &str) -> Option<[u8; 32]> {
    let byte = |at: usize| u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok();
    let bytes: Vec<u8> = (0..32).map_while(byte).collect();
    bytes.try_into().ok()
}
