//! Servers of other libraries beside ours: the same traffic, the same clients, the same core, in the same run.
//!
//! Their program is a package of its own, `perf/peers`: what it needs is not among our dependencies. A library that can
//! be set up in two ways is measured in both, and the cheaper one is its figure. QUIC is compared with our QUIC,
//! WebSocket with our WebSocket; where the run itself has the other one, ours is started for the comparison.

use super::runs::{Side, Window, words};
use super::{Args, Shape, Transport};
use crate::Failure;
use crate::machine::{Cores, Stop};
use crate::stats::{Middle, Range};
use anyhow::Context;
use serde::Serialize;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Longest window: all others wait that long, and a bit for each to breathe.
const SECONDS_MAX: u64 = 5;

/// Whose server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Rival {
    /// quinn on tokio.
    QuinnTokio,
    /// fastwebsockets on tokio.
    Fastwebsockets,
    /// tokio-tungstenite.
    TokioTungstenite,
}

impl Rival {
    fn name(self) -> &'static str {
        match self {
            Self::QuinnTokio => "quinn-tokio",
            Self::Fastwebsockets => "fastwebsockets",
            Self::TokioTungstenite => "tokio-tungstenite",
        }
    }

    fn transport(self) -> Transport {
        match self {
            Self::QuinnTokio => Transport::Quic,
            Self::Fastwebsockets | Self::TokioTungstenite => Transport::WebSocket,
        }
    }

    fn settings(self) -> &'static [&'static str] {
        match self {
            Self::QuinnTokio | Self::TokioTungstenite => &["default", "tuned"],
            Self::Fastwebsockets => &["default"],
        }
    }
}

/// Who was asked for, and the program that has them.
pub(crate) struct Choice {
    rivals: Vec<Rival>,
    program: PathBuf,
}

impl Choice {
    /// Finds the program, and builds it when cargo runs this.
    ///
    /// # Errors
    /// When there is none, it does not build, or nothing of ours can be compared.
    pub(crate) fn new(args: &Args) -> anyhow::Result<Self> {
        let rivals = &args.against;
        let refuse = |text: String| Err(Failure::Usage(text).into());
        if !rivals.is_empty() && args.transport == Transport::Mixed {
            let text = "--against compares with one transport: choose --transport quic or websocket";
            return refuse(text.to_owned());
        }
        if !rivals.is_empty() && args.seconds > SECONDS_MAX {
            return refuse(format!(
                "--against with so many servers has windows of 1 to {SECONDS_MAX} seconds"
            ));
        }
        let program = match &args.peers {
            Some(path) => path.clone(),
            None if rivals.is_empty() => PathBuf::new(),
            None => build()?,
        };
        if !rivals.is_empty() && !program.is_file() {
            let text = format!(
                "the other libraries' servers {} are not there; build them with `cargo build --release --manifest-path \
                 perf/peers/Cargo.toml --target-dir target/peers`, or name them with --peers",
                program.display()
            );
            return Err(Failure::Machine(text).into());
        }
        let mut once = Vec::new();
        for rival in rivals {
            if !once.contains(rival) {
                once.push(*rival);
            }
        }
        Ok(Self { rivals: once, program })
    }
}

/// Where the program is, after a build if cargo runs this. Always optimised: everything else would be unfair.
fn build() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("cannot find this program's own file")?;
    let target = own.parent().and_then(Path::parent).unwrap_or(Path::new("target")).join("peers");
    let is_under_cargo = std::env::var_os("CARGO_PKG_NAME").is_some_and(|name| name == "perf");
    let cargo = std::env::var_os("CARGO").filter(|_| is_under_cargo);
    if let (Some(cargo), Some(perf)) = (cargo, std::env::var_os("CARGO_MANIFEST_DIR")) {
        eprintln!("building the servers of other libraries: two minutes when it is the first time");
        let mut command = Command::new(cargo);
        command.args(["build", "--release", "--locked", "--manifest-path"]);
        command.arg(Path::new(&perf).join("peers/Cargo.toml")).arg("--target-dir").arg(&target);
        let status = command.status().context("cannot start cargo")?;
        anyhow::ensure!(status.success(), "the servers of other libraries do not build");
    }
    Ok(target.join("release/peers"))
}

/// What is said of one library.
#[derive(Debug, Serialize)]
pub(crate) struct Against {
    transport: Transport,
    settings: &'static str,
    us_per_client_tick: Option<f64>,
    ours_us: Option<f64>,
    /// Theirs by ours.
    ratio: Option<f64>,
    user_us: Option<f64>,
    rss_kib_per_connection: f64,
    windows: usize,
    windows_dropped: usize,
    spread: Option<Range>,
    /// The way of setting it up that cost more.
    #[serde(skip_serializing_if = "Option::is_none")]
    dearer: Option<Dearer>,
    /// Why the last window that does not count does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    flaw: Option<String>,
}

/// A library set up in the other way.
#[derive(Debug, Serialize)]
struct Dearer {
    settings: &'static str,
    us_per_client_tick: Option<f64>,
    ratio: Option<f64>,
}

impl Against {
    /// For people.
    pub(crate) fn print(&self, name: &str) {
        let (Some(us), Some(ours), Some(ratio), Some(range)) =
            (self.us_per_client_tick, self.ours_us, self.ratio, self.spread)
        else {
            let flaw = self.flaw.as_deref().unwrap_or("nothing was measured");
            println!("  {name}: no window counts; {flaw}");
            return;
        };
        println!(
            "  {name} ({}) {us:.2} us, ours by {} {ours:.2} us: ratio {ratio:.2} ({:.2} to {:.2}); {:.1} KiB",
            self.settings,
            self.transport.name(),
            range.min,
            range.max,
            self.rss_kib_per_connection
        );
    }
}

/// One server beside ours, and its windows with those of ours of the same turn.
struct Contest {
    rival: Rival,
    settings: &'static str,
    shape: Shape,
    side: Side,
    /// Theirs and ours.
    counted: Vec<(Window, Window)>,
    n_dropped: usize,
    flaw: Option<String>,
}

/// All of them, and ours of the other transport if somebody is to be compared with it.
pub(crate) struct Ring {
    contests: Vec<Contest>,
    other: Option<(Shape, Side)>,
}

impl Ring {
    /// Starts them, with everybody connected.
    ///
    /// # Errors
    /// When a process or its sockets cannot be had, or somebody does not get in.
    pub(crate) fn start(choice: &Choice, shape: &Shape, cores: Cores, stop: &Stop) -> anyhow::Result<Self> {
        let mut ring = Self { contests: Vec::new(), other: None };
        // QUIC last: its connections end when they hear nothing for ten seconds.
        let mut rivals = choice.rivals.clone();
        rivals.sort_by_key(|rival| rival.transport() == Transport::Quic);
        for rival in &rivals {
            let shape = Shape { transport: rival.transport(), ..*shape };
            for settings in rival.settings() {
                eprintln!("{} clients connect to {} ({settings})", shape.n_clients, rival.name());
                let words = rival_words(&choice.program, *rival, settings, &shape);
                let side = Side::start(rival.name(), words, &shape, cores, stop)?;
                ring.contests.push(Contest {
                    rival: *rival,
                    settings,
                    shape,
                    side,
                    counted: Vec::new(),
                    n_dropped: 0,
                    flaw: None,
                });
                ring.breathe(&shape)?;
            }
        }
        let lacking =
            ring.contests.iter().map(|contest| contest.shape).find(|s| s.transport != shape.transport);
        if let Some(shape) = lacking {
            ring.other = Some((shape, Side::wire(&shape, cores, stop)?));
            ring.breathe(&shape)?;
        }
        Ok(ring)
    }

    /// Keeps all connections while somebody else has the core.
    ///
    /// # Errors
    /// When a process ends or a client is lost.
    pub(crate) fn breathe(&mut self, shape: &Shape) -> anyhow::Result<()> {
        for contest in &mut self.contests {
            contest.side.breathe(shape)?;
        }
        match &mut self.other {
            Some((_, side)) => side.breathe(shape),
            None => Ok(()),
        }
    }

    /// One window of each; `ours` is ours of this turn, nothing if it does not count.
    ///
    /// # Errors
    /// When a process ends or a client is lost.
    pub(crate) fn windows(
        &mut self,
        shape: &Shape,
        wire: &mut Side,
        ours: Option<&Window>,
    ) -> anyhow::Result<()> {
        if self.contests.is_empty() {
            return Ok(());
        }
        self.breathe(shape)?;
        let other = match &mut self.other {
            Some((shape, side)) => Some(side.window(shape)?).filter(|window| window.flaw().is_none()),
            None => None,
        };
        wire.breathe(shape)?;
        self.breathe(shape)?;
        for at in 0..self.contests.len() {
            let contest = &mut self.contests[at];
            let is_same = contest.shape.transport == shape.transport;
            contest.measure(if is_same { ours } else { other.as_ref() })?;
            wire.breathe(shape)?;
            self.breathe(shape)?;
        }
        Ok(())
    }

    /// What came of it, by library: the cheaper of its settings.
    pub(crate) fn found(&self) -> BTreeMap<&'static str, Against> {
        let mut found: BTreeMap<&'static str, Against> = BTreeMap::new();
        for contest in &self.contests {
            let cost = |a: &Against| a.ratio.unwrap_or(f64::INFINITY);
            let mut better = contest.found();
            if let Some(mut dearer) = found.remove(contest.rival.name()) {
                if cost(&dearer) < cost(&better) {
                    std::mem::swap(&mut dearer, &mut better);
                }
                better.dearer = Some(Dearer {
                    settings: dearer.settings,
                    us_per_client_tick: dearer.us_per_client_tick,
                    ratio: dearer.ratio,
                });
            }
            found.insert(contest.rival.name(), better);
        }
        found
    }
}

impl Contest {
    fn measure(&mut self, ours: Option<&Window>) -> anyhow::Result<()> {
        let theirs = self.side.window(&self.shape)?;
        let name = format!("{} ({})", self.rival.name(), self.settings);
        let flaw = theirs.flaw().or_else(|| ours.is_none().then(|| "ours does not count".to_owned()));
        match (flaw, ours) {
            (None, Some(ours)) => {
                let (us, ours_us) = (theirs.us_per_client_tick(), ours.us_per_client_tick());
                eprintln!("  {name} {us:.2} us, ours {ours_us:.2} us, ratio {:.2}", us / ours_us);
                self.counted.push((theirs, *ours));
            }
            (flaw, _) => {
                self.n_dropped += 1;
                eprintln!("  a window of {name} does not count: {}", flaw.as_deref().unwrap_or_default());
                self.flaw = flaw;
            }
        }
        Ok(())
    }

    fn found(&self) -> Against {
        let middle = |figure: &dyn Fn(&(Window, Window)) -> f64| {
            (!self.counted.is_empty()).then(|| Middle::of(&self.counted, figure))
        };
        let us = middle(&|(theirs, _)| theirs.us_per_client_tick());
        let ratio = middle(&|(theirs, ours)| theirs.us_per_client_tick() / ours.us_per_client_tick());
        let user_share = middle(&|(theirs, _)| theirs.server.used.user_share());
        let birth = self.side.birth();
        let rss_kib = self.counted.last().map_or(birth.rss_kib, |(theirs, _)| theirs.server.rss_kib);
        Against {
            transport: self.shape.transport,
            settings: self.settings,
            us_per_client_tick: us.map(|us| us.value),
            ours_us: middle(&|(_, ours)| ours.us_per_client_tick()).map(|us| us.value),
            ratio: ratio.map(|ratio| ratio.value),
            user_us: us.zip(user_share).map(|(us, share)| us.value * share.value),
            rss_kib_per_connection: rss_kib.saturating_sub(birth.rss_kib) as f64
                / f64::from(self.shape.n_clients),
            windows: self.counted.len(),
            windows_dropped: self.n_dropped,
            spread: ratio.map(|ratio| ratio.range),
            dearer: None,
            flaw: self.flaw.clone(),
        }
    }
}

/// How the other program is started.
fn rival_words(program: &Path, rival: Rival, settings: &str, shape: &Shape) -> Vec<OsString> {
    let mut out: Vec<OsString> = ["program", "--"].map(OsString::from).to_vec();
    out.push(program.into());
    out.extend(words(rival.name(), shape));
    out.extend(["--settings", settings].map(OsString::from));
    out.extend(["--wire-major".to_owned(), netproto::WIRE_MAJOR.to_string()].map(OsString::from));
    out
}
