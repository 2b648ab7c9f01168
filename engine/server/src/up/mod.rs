//! The role `up`: a local realm out of processes, with a live status line.
//!
//! [`run`] starts a zone and its bots as [`child`] processes ([`spawn`] does the system calls), watches them over
//! the admin page ([`http`]), and puts both sides' figures together ([`figures`]). [`lan`] finds the address for others on
//! the local network; [`restarts`] says when a zone that crashed is started again.

mod child;
mod figures;
mod lan;
mod restarts;
mod spawn;

use std::io::{IsTerminal, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use jobs::{Core, CoreList};
use serde_json::Value;

use crate::admin::guard::Token;
use crate::cli::{EXIT_FAILED, UpArgs};
use crate::log;
use crate::signals::Stop;
use crate::zone::files::{Ready, make_data_dir};
use child::{Process, Words};
use figures::{Figures, status_line};
use lan::Lan;
use restarts::{Restarts, is_crash};

const LOOK_EVERY: Duration = Duration::from_millis(50);
/// In the data directory.
const READY_FILE: &str = "ready.json";
/// A zone makes its key and its world in less.
const START_MAX: Duration = Duration::from_secs(20);
/// The bots' connects are spread over this, so that the door is never crowded.
const CONNECT_OVER: &str = "5s";
/// All bots are in before this, or never.
const CONNECT_MAX: Duration = Duration::from_secs(60);
/// Bots print their report within this.
const BOTS_END_MAX: Duration = Duration::from_secs(10);
/// A zone drains within two seconds.
const ZONE_END_MAX: Duration = Duration::from_secs(5);
/// The admin page is this far above the game.
const ADMIN_PORT_ABOVE: u16 = 2;
/// Players beside the bots that a realm has room for by default.
const GUESTS: u32 = 100;
const PLAYERS_MAX_DEFAULT: u32 = 600;

/// Starts a local realm and stays until it is told to stop.
///
/// # Errors
/// When something cannot be had: the message says what, and how to choose another.
pub fn run(args: &UpArgs) -> anyhow::Result<ExitCode> {
    log::start(args.world.log.as_deref().filter(|level| is_level(level)).unwrap_or("warn"));
    let stop = Stop::on_signals().context("cannot listen for signals")?;
    let mut realm = Realm::start(args, &stop)?;
    let outcome = realm.play(args, &stop);
    let n_crashes = realm.restarts.n;
    let is_well = realm.end();
    let figures = outcome?;
    if n_crashes > 0 {
        eprintln!(
            "The zone crashed {n_crashes} times and was started again; the figures are of its last life."
        );
    }
    if args.json {
        eprintln!("{}", figures.summary());
        println!("{}", figures.json());
    } else {
        println!("{}", figures.summary());
    }
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::from(EXIT_FAILED) })
}

/// The zone checks the flag and refuses it with the usual words.
fn is_level(level: &str) -> bool {
    ["error", "warn", "info", "debug", "trace"].contains(&level)
}

/// A zone takes this long to end once it has begun to.
const DYING_MAX: Duration = Duration::from_secs(2);

/// A zone, its bots, and the way to look at them.
struct Realm {
    zone: Process,
    bots: Option<Process>,
    ready: Ready,
    /// What the zone wants to see before it begins a window.
    token: Token,
    zone_cores: CoreList,
    restarts: Restarts,
    line: Line,
    is_well: bool,
}

/// Where a zone listens, and how often it was started before.
#[derive(Clone, Copy, Debug)]
struct Places {
    listen: SocketAddr,
    admin: SocketAddr,
    n_restarts: u32,
}

impl Realm {
    fn start(args: &UpArgs, stop: &Stop) -> anyhow::Result<Self> {
        let lan = args.lan.map(Lan::choose).transpose()?;
        let ip = lan.as_ref().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |lan| lan.chosen);
        let listen = SocketAddr::new(ip, args.port);
        let places = Places { listen, admin: loopback(admin_port(args.port)?), n_restarts: 0 };
        for (what, addr) in [("game", places.listen), ("admin page", places.admin)] {
            check_free(what, addr)?;
        }
        make_data_dir(&args.data_dir)?;
        let (zone_cores, bot_cores) = cores()?;
        let mut zone = start_zone(args, places, &zone_cores)?;
        let ready = wait_ready(&mut zone, &args.data_dir, stop)?;
        let bots = match args.bots {
            0 => None,
            _ => Some(Process::start("the bots", bots_command(args, &ready)?, &bot_cores, Words::Kept)?),
        };
        eprintln!("game   {} (QUIC on UDP, WebSocket on TCP)", ready.listen);
        eprintln!("admin  http://{}/", ready.admin);
        eprintln!("pin    {} (SHA-256 of the zone's public key)", ready.pin);
        if let (Some(lan), Some(code)) = (&lan, &ready.join) {
            eprintln!("lan    {}", lan.describe());
            eprintln!("join   {code}");
            eprintln!("       on another machine of this network: arcanectl bots --n 1 --join {code}");
        }
        let token = Token::read(&args.data_dir)?;
        let restarts = Restarts::default();
        Ok(Self { zone, bots, ready, token, zone_cores, restarts, line: Line::new(), is_well: true })
    }

    /// Watches the realm until it is over, and returns its figures.
    fn play(&mut self, args: &UpArgs, stop: &Stop) -> anyhow::Result<Figures> {
        let is_complete = self.wait_for_bots(args, stop)?;
        self.ask(args, stop, Self::post_window)?;
        let begun = Instant::now();
        let is_over = |now: Instant| args.run_for.is_some_and(|run_for| now >= begun + run_for);
        let mut bots_ended = None;
        while is_complete && !stop.is_asked() && !is_over(Instant::now()) && bots_ended.is_none() {
            std::thread::sleep(LOOK_EVERY);
            self.show(args, stop)?;
            bots_ended = self.bots.as_mut().map(Process::ended).transpose()?.flatten();
        }
        let status = self.look(args, stop)?;
        self.line.end();
        let report = self.end_bots(args.run_for.is_some() && !stop.is_asked());
        Ok(Figures::new(&status, &report))
    }

    /// Waits until every bot plays. `false` if it was told to stop before.
    fn wait_for_bots(&mut self, args: &UpArgs, stop: &Stop) -> anyhow::Result<bool> {
        let begun = Instant::now();
        while !stop.is_asked() {
            if self.look(args, stop)?["attached"].as_u64() >= Some(u64::from(args.bots)) {
                return Ok(true);
            }
            if let Some(bots) = &mut self.bots
                && let Some(status) = bots.ended()?
            {
                bail!("the bots ended before all were connected ({status}):\n{}", bots.errors().join("\n"));
            }
            ensure!(begun.elapsed() < CONNECT_MAX, "not all bots were connected after {CONNECT_MAX:?}");
            self.show(args, stop)?;
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(false)
    }

    /// Lets the bots end, by themselves if they know when, and returns their report.
    fn end_bots(&mut self, by_themselves: bool) -> Value {
        let Some(bots) = &mut self.bots else { return Value::Null };
        if by_themselves {
            // What comes of it is looked at below.
            let _ = bots.wait(BOTS_END_MAX);
        }
        let ended_well = bots.stop(BOTS_END_MAX);
        let report = bots.last_line().and_then(|line| serde_json::from_str(&line).ok());
        if !ended_well || report.is_none() {
            self.is_well = false;
            tracing::error!("{} did not end well:\n{}", bots.name(), bots.errors().join("\n"));
        }
        report.unwrap_or(Value::Null)
    }

    /// Ends what still runs. Returns whether everything ended well.
    fn end(mut self) -> bool {
        self.line.end();
        if let Some(bots) = &mut self.bots {
            self.is_well &= bots.stop(BOTS_END_MAX);
        }
        self.is_well &= self.zone.stop(ZONE_END_MAX);
        self.is_well
    }

    /// Sees whether the zone still runs; one that has crashed is started again, where it was.
    fn tend(&mut self, args: &UpArgs, stop: &Stop) -> anyhow::Result<()> {
        while let Some(status) = self.zone.ended()? {
            self.is_well = false;
            self.line.end();
            ensure!(is_crash(status), "the zone ended on its own ({status})");
            let Some(pause) = self.restarts.handle_crash(Instant::now()) else {
                bail!(
                    "the zone crashed again and again ({status}): it is not started any more; its reasons stand above"
                );
            };
            let n_restarts = self.restarts.n;
            eprintln!(
                "the zone crashed ({status}), its reason stands above: start {n_restarts} after it in {pause:?}"
            );
            sleep_unless(stop, pause)?;
            let places = Places { listen: self.ready.listen, admin: self.ready.admin, n_restarts };
            self.zone = start_zone(args, places, &self.zone_cores)?;
            match wait_ready(&mut self.zone, &args.data_dir, stop) {
                Ok(ready) => self.ready = ready,
                // The next round asks how it ended.
                Err(_) if self.zone.ended()?.is_some() => continue,
                Err(error) => return Err(error),
            }
            self.token = Token::read(&args.data_dir)?;
            if let Err(error) = self.post_window() {
                // As below, and the next round asks how it ended.
                ensure!(self.is_dying()?, error);
                continue;
            }
            eprintln!("the zone is up again; whoever played comes back by itself");
        }
        Ok(())
    }

    /// The zone's status page, of a zone that runs.
    fn look(&mut self, args: &UpArgs, stop: &Stop) -> anyhow::Result<Value> {
        self.ask(args, stop, Self::status)
    }

    /// Asks the zone something; one that crashes before it answers is started again and asked again.
    fn ask<T>(
        &mut self,
        args: &UpArgs,
        stop: &Stop,
        what: impl Fn(&Self) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        loop {
            self.tend(args, stop)?;
            match what(self) {
                Ok(answer) => return Ok(answer),
                Err(error) => ensure!(self.is_dying()?, error),
            }
        }
    }

    /// Of a zone that does not answer: whether it is about to end. Then that is the news, not its silent page.
    fn is_dying(&mut self) -> anyhow::Result<bool> {
        Ok(self.zone.wait(DYING_MAX)?.is_some())
    }

    fn show(&mut self, args: &UpArgs, stop: &Stop) -> anyhow::Result<()> {
        self.tend(args, stop)?;
        if self.line.is_due() {
            let status = self.look(args, stop)?;
            self.line.show(&status);
        }
        Ok(())
    }

    fn status(&self) -> anyhow::Result<Value> {
        let answer = admin_client::get(self.ready.admin, "/status.json")
            .with_context(|| format!("the zone's admin page at {} does not answer", self.ready.admin))?;
        serde_json::from_str(&answer.body).context("the zone's status is not JSON")
    }

    fn post_window(&self) -> anyhow::Result<()> {
        let answer = admin_client::post(self.ready.admin, "/window", &self.token.header())
            .context("the zone's admin page is gone")?;
        ensure!(answer.status < 300, "the zone begins no measuring window: {}", answer.status);
        Ok(())
    }
}

/// Starts a zone. Its note that it is ready is removed before: that of an earlier one would be taken for it.
fn start_zone(args: &UpArgs, places: Places, cores: &CoreList) -> anyhow::Result<Process> {
    let ready_file = args.data_dir.join(READY_FILE);
    if let Err(error) = std::fs::remove_file(&ready_file)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(error).with_context(|| format!("cannot remove {}", ready_file.display()));
    }
    let command = zone_command(args, places, cores, &ready_file)?;
    Process::start("the zone", command, cores, Words::Shown)
}

/// Waits, and looks now and then whether it was told to stop.
fn sleep_unless(stop: &Stop, pause: Duration) -> anyhow::Result<()> {
    let until = Instant::now() + pause;
    while Instant::now() < until {
        ensure!(!stop.is_asked(), "told to stop while the zone was down");
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

fn zone_command(
    args: &UpArgs,
    places: Places,
    cores: &CoreList,
    ready_file: &Path,
) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe().context("cannot find our own executable")?);
    command.arg("zone");
    command.args(["--cores", &cores.to_string()]);
    command.args(["--listen", &places.listen.to_string()]);
    command.args(["--admin", &places.admin.to_string()]);
    command.args(["--plain-websocket", if args.lan.is_some() { "private" } else { "loopback" }]);
    command.arg("--data-dir").arg(&args.data_dir);
    command.arg("--ready-file").arg(ready_file);
    if args.world.players_max.is_none() {
        let players_max = PLAYERS_MAX_DEFAULT.max(args.bots.saturating_add(GUESTS).min(20_000));
        command.args(["--players-max", &players_max.to_string()]);
    }
    if args.world.log.is_none() {
        command.args(["--log", "warn"]);
    }
    for (flag, _, value) in args.world.given() {
        command.args([flag, value]);
    }
    command.args(args.record.given(places.n_restarts));
    Ok(command)
}

fn bots_command(args: &UpArgs, ready: &Ready) -> anyhow::Result<Command> {
    let mut command = Command::new(sibling("arcanectl")?);
    command.arg("bots");
    command.args(["--to", &ready.listen.to_string()]);
    command.args(["--n", &args.bots.to_string()]);
    command.args(["--transport", args.transport.name()]);
    command.args(["--pin", &ready.pin]);
    command.args(["--seconds-to-connect", CONNECT_OVER]);
    command.arg("--json");
    if let Some(run_for) = args.run_for {
        command.args(["--for", &format!("{}ms", run_for.as_millis())]);
    }
    Ok(command)
}

/// Another executable of the same build.
fn sibling(name: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::current_exe().context("cannot find our own executable")?.with_file_name(name);
    ensure!(
        path.exists(),
        "{} is missing: build it with `cargo build -p {name}`, as arcane was",
        path.display()
    );
    Ok(path)
}

fn wait_ready(zone: &mut Process, data_dir: &Path, stop: &Stop) -> anyhow::Result<Ready> {
    let (begun, ready_file) = (Instant::now(), data_dir.join(READY_FILE));
    loop {
        if let Some(status) = zone.ended()? {
            bail!("the zone did not start ({status}); its reason stands above");
        }
        let note = std::fs::read_to_string(&ready_file).ok();
        if let Some(ready) = note.and_then(|text| serde_json::from_str::<Ready>(&text).ok())
            && admin_client::get(ready.admin, "/healthz").is_ok_and(|answer| answer.status == 200)
        {
            return Ok(ready);
        }
        ensure!(!stop.is_asked(), "told to stop before the zone was up");
        ensure!(begun.elapsed() < START_MAX, "the zone is not up after {START_MAX:?}");
        std::thread::sleep(LOOK_EVERY);
    }
}

/// The zone gets the first core, the bots the second, if there is one.
fn cores() -> anyhow::Result<(CoreList, CoreList)> {
    let usable = CoreList::usable().context("cannot ask for the usable cores")?;
    let at = |place: usize| -> Core { *usable.as_slice().get(place).unwrap_or(&usable.first()) };
    Ok((CoreList::one(at(0)), CoreList::one(at(1))))
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn admin_port(port: u16) -> anyhow::Result<u16> {
    match port {
        0 => Ok(0),
        _ => port
            .checked_add(ADMIN_PORT_ABOVE)
            .context("--port must be at most 65533: the admin page is two above"),
    }
}

/// The zone would say so too, but in the words of its own flags.
fn check_free(what: &str, addr: SocketAddr) -> anyhow::Result<()> {
    let port = addr.port();
    let taken = TcpListener::bind(addr).map(drop).and(UdpSocket::bind(addr).map(drop));
    taken.with_context(|| {
        format!("port {port} ({what}) is taken: choose another with --port, or let --port 0 find a free one")
    })
}

/// The status line: rewritten in place on a terminal, a plain line now and then elsewhere.
struct Line {
    is_terminal: bool,
    shown_at: Option<Instant>,
    last_bytes: u64,
    is_open: bool,
}

impl Line {
    fn new() -> Self {
        Self { is_terminal: std::io::stderr().is_terminal(), shown_at: None, last_bytes: 0, is_open: false }
    }

    fn is_due(&self) -> bool {
        let every = Duration::from_secs(if self.is_terminal { 1 } else { 5 });
        self.shown_at.is_none_or(|at| at.elapsed() >= every)
    }

    fn show(&mut self, status: &Value) {
        let bytes = status["total"]["snapshot_bytes"].as_u64().unwrap_or(0);
        let seconds = self.shown_at.map_or(f64::INFINITY, |at| at.elapsed().as_secs_f64());
        let text = status_line(status, bytes.saturating_sub(self.last_bytes) as f64 / seconds);
        (self.shown_at, self.last_bytes) = (Some(Instant::now()), bytes);
        if self.is_terminal {
            eprint!("\r\x1b[K{text}");
            self.is_open = true;
        } else {
            eprintln!("{text}");
        }
        // A status line that cannot be written is nobody's loss.
        let _ = std::io::stderr().flush();
    }

    /// Whatever is written next begins on a line of its own.
    fn end(&mut self) {
        if std::mem::take(&mut self.is_open) {
            eprintln!();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_admin_page_is_two_above_the_game_and_zero_means_any() {
        assert_eq!((admin_port(8080).unwrap(), admin_port(0).unwrap()), (8082, 0));
        assert!(admin_port(65_534).is_err());
    }

    #[test]
    fn a_port_that_is_taken_is_named_with_the_way_out() {
        let holder = TcpListener::bind(loopback(0)).unwrap();
        let port = holder.local_addr().unwrap().port();
        let text = check_free("game", loopback(port)).unwrap_err().to_string();
        assert!(text.contains(&format!("port {port} (game)")) && text.contains("--port 0"), "{text}");
        check_free("game", loopback(0)).unwrap();
    }
}
