//! The zone's process: found, built if need be, started on its core with a directory of its own.

use super::admin::Admin;
use super::runs::Plan;
use crate::Failure;
use crate::child::Process;
use crate::machine::Stop;
use anyhow::Context;
use serde_json::Value;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// From the start until it listens.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A zone that runs.
pub(crate) struct Zone {
    /// Its process.
    pub(crate) process: Process,
    /// Where players connect.
    pub(crate) addr: SocketAddr,
    /// Where it is asked.
    pub(crate) admin: Admin,
    /// Gone with the zone.
    _data_dir: TempDir,
}

/// The zone's program: the one that was named, or the one beside this one. Under `cargo run` that is built first, so
/// that the figures are those of the tree.
///
/// # Errors
/// When there is none, or it does not build.
pub(crate) fn find(kind: Kind, named: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(path) = named {
        return exists(path.to_owned(), "--arcane names it");
    }
    let own = std::env::current_exe().context("cannot find this program's own file")?;
    let (name, flags) = kind.build();
    let beside = own.with_file_name(name);
    let is_under_cargo = std::env::var_os("CARGO_PKG_NAME").is_some_and(|name| name == "perf");
    if let Some(cargo) = std::env::var_os("CARGO").filter(|_| is_under_cargo) {
        build(&cargo, flags, &own)?;
    }
    let hint =
        format!("build it first: `cargo build --release {}`, or name it with --arcane", flags.join(" "));
    exists(beside, &hint)
}

/// Which build of the zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The one that everybody runs.
    Plain,
    /// The one that can be made slower.
    Planted,
}

impl Kind {
    /// Its file, and how cargo builds it.
    fn build(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Plain => ("arcane", &["-p", "server"]),
            Self::Planted => {
                ("arcane-planted", &["-p", "server", "--features", "planted", "--bin", "arcane-planted"])
            }
        }
    }
}

fn exists(path: PathBuf, hint: &str) -> anyhow::Result<PathBuf> {
    if path.is_file() {
        return Ok(path);
    }
    Err(Failure::Machine(format!("the zone's program {} is not there; {hint}", path.display())).into())
}

/// Builds with the profile that this program was built with: its directory is called so.
fn build(cargo: &OsString, flags: &[&str], own: &Path) -> anyhow::Result<()> {
    let directory = own.parent().and_then(Path::file_name).unwrap_or_default();
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet"]).args(flags);
    if directory != "debug" {
        command.arg("--profile").arg(directory);
    }
    eprintln!("building the zone");
    let status = command.status().context("cannot start cargo")?;
    anyhow::ensure!(status.success(), "the zone does not build");
    Ok(())
}

impl Zone {
    /// Starts a zone for so many clients of a scenario. `program` is what leads to it, and further flags come last.
    ///
    /// # Errors
    /// When it does not come up.
    pub(crate) fn start(
        (program, flags): (&[OsString], &[OsString]),
        plan: &Plan,
        stop: &Stop,
    ) -> anyhow::Result<Self> {
        let data_dir = tempfile::tempdir().context("cannot make a directory for the zone")?;
        let ready_file = data_dir.path().join("ready.json");
        let mut words = words((program, flags), plan, data_dir.path());
        words.extend_from_slice(flags);
        let mut process = Process::part("the zone", plan.cores.server, words, stop)?;
        let ready = wait_until_ready(&mut process, &ready_file, stop)?;
        let addr = |name: &str| -> anyhow::Result<SocketAddr> {
            let text = ready[name].as_str().with_context(|| format!("the ready file has no {name}"))?;
            text.parse().with_context(|| format!("the ready file has no address for {name}"))
        };
        let admin = Admin { addr: addr("admin")?, token_file: data_dir.path().join("admin.token") };
        Ok(Self { addr: addr("listen")?, process, admin, _data_dir: data_dir })
    }
}

fn words((program, flags): (&[OsString], &[OsString]), plan: &Plan, data_dir: &Path) -> Vec<OsString> {
    let config = plan.scenario.config(plan.n_clients);
    let mut words: Vec<OsString> = vec!["program".into(), "--".into()];
    words.extend_from_slice(program);
    words.push("zone".into());
    let mut flag = |name: &str, value: OsString| words.extend([OsString::from(name), value]);
    flag("--data-dir", data_dir.into());
    flag("--ready-file", data_dir.join("ready.json").into());
    for (name, value) in [
        ("--cores", plan.cores.server.0.to_string()),
        ("--listen", "127.0.0.1:0".to_owned()),
        ("--admin", "127.0.0.1:0".to_owned()),
        ("--seed", config.seed.to_string()),
        ("--side-m", (config.side_mm / 1000).to_string()),
        ("--ticks-per-second", config.ticks_per_second.to_string()),
        ("--players-max", config.players_max.to_string()),
        ("--creatures", config.creatures.to_string()),
        ("--spawn-radius-m", (config.spawn_radius_mm / 1000).to_string()),
        ("--spawn", plan.scenario.name().to_owned()),
        ("--send", plan.sending.name().to_owned()),
        ("--log", "warn".to_owned()),
    ] {
        // What a caller says itself is not said twice.
        if !flags.contains(&OsString::from(name)) {
            flag(name, value.into());
        }
    }
    words
}

fn wait_until_ready(process: &mut Process, file: &Path, stop: &Stop) -> anyhow::Result<Value> {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        stop.check()?;
        if let Some(ready) = std::fs::read(file).ok().and_then(|text| serde_json::from_slice(&text).ok()) {
            return Ok(ready);
        }
        if let Some(status) = process.ended() {
            return Err(Failure::Machine(format!("the zone did not come up: {status}")).into());
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Err(Failure::Machine(format!("the zone did not come up within {PATIENCE:?}")).into())
}
