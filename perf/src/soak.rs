//! `perf soak`: a zone with players who come, go, are cut off and vanish, for as long as one likes; and what of them
//! stays behind in it.
//!
//! Source: docs/SECURITY.md "Attacks that are tried".

use crate::Failure;
use crate::hostile::attacker::Attacker;
use crate::machine::{self, Cores, Stop, rss_kib};
use crate::net::Transport;
use crate::zone::admin;
use crate::zone::process::{self, Kind as Build, Zone};
use crate::zone::runs::Plan;
use anyhow::Context;
use attacks::Kind;
use bot::brain::{Brain, Style};
use client_core::connect::{Crowd, Player};
use client_core::session::{Event, Session, Settings};
use engine::Sending;
use harness::Scenario;
use jobs::Durations;
use jobs::sys::set_affinity;
use netproto::{Command, WIRE_MAJOR};
use serde::Serialize;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use transport::client::Target;
use transport::{CloseReason, Link};

/// QUIC connections that share a socket.
const CONNS_PER_SOCKET: usize = 64;
/// Everybody comes within this.
const COMING: Duration = Duration::from_secs(10);
/// Between two acts of the players: one leaves for good and another one comes, or one is cut off and comes back.
const CHURN_EVERY: Duration = Duration::from_millis(100);
/// Of each minute so long, some peers neither read nor acknowledge; then their process is killed.
const VANISHING: Duration = Duration::from_secs(20);
const N_VANISHING: usize = 10;
/// Memory is looked at so often in the last part of a minute.
const LOOKS: u32 = 20;
const LOOK_EVERY: Duration = Duration::from_secs(1);
const PASS: Duration = Duration::from_millis(10);
/// A zone has opened what it keeps open.
const SETTLED: Duration = Duration::from_secs(3);
/// After this all that belongs to a connection is gone.
const FORGOTTEN: Duration = Duration::from_secs(40);

/// What must hold.
const GROWTH_MAX: f64 = 0.02;
/// In runs too short for every buffer to have grown before the first look.
const GROWTH_MAX_SHORT: f64 = 0.10;
const SHORT_MINUTES: u64 = 15;
const GAP_P99_MS_MAX: f64 = 60.0;
/// Of those who were cut off, so many come back to their bodies.
const RESUMED_SHARE_MIN: f64 = 0.9;
/// Connections come and go between two looks.
const DESCRIPTORS_SLACK: u64 = 32;

/// How long, and with how many.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How long; the last minute is compared with the one after a third of it.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(2..=10_000))]
    minutes: u64,
    /// Players, half on QUIC and half on WebSocket.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(10..=4_000))]
    clients: u32,
    /// The zone's program; otherwise the one beside this one, built first when cargo runs this.
    #[arg(long, value_name = "FILE")]
    arcane: Option<PathBuf>,
    /// Prints one line of JSON only.
    #[arg(long)]
    json: bool,
}

/// One minute.
#[derive(Clone, Debug, Default, Serialize)]
struct Minute {
    minute: u64,
    /// Median of the looks.
    live_bytes: u64,
    rss_kib: u64,
    descriptors: u64,
    playing: usize,
    gap_p99_ms: f64,
    /// So far: came for the first time, came back, were cut off.
    joined: u64,
    resumed: u64,
    cut: u64,
    panics: u64,
    late_ticks: u64,
}

#[derive(Debug, Serialize)]
struct Report {
    clients: u32,
    minutes: Vec<Minute>,
    compared_minute: u64,
    growth: f64,
    growth_max: f64,
    descriptors_before: u64,
    descriptors_after: u64,
    missed: Vec<String>,
}

/// Who plays, and notices gaps.
struct Players {
    brains: Vec<Brain>,
    applied_at: Vec<Option<Instant>>,
    gaps: Durations,
    /// Welcomes to a body that was left behind.
    n_resumed: u64,
}

impl Player for Players {
    fn command(&mut self, at: usize, session: &Session) -> Option<Command> {
        self.brains[at].decide(session)
    }

    fn sent(&mut self, _at: usize, _late_ns: u64) {}

    fn received(&mut self, _at: usize, _n_bytes: usize) {}

    fn event(&mut self, at: usize, _session: &Session, event: Event) {
        match event {
            Event::Applied(_) => {
                let now = Instant::now();
                if let Some(before) = self.applied_at[at].replace(now) {
                    self.gaps.record_ns(now.duration_since(before).as_nanos() as u64);
                }
            }
            Event::Welcome { resumed: true, .. } => self.n_resumed += 1,
            // The gap was the player's own doing.
            Event::Lost | Event::Refused { .. } => self.applied_at[at] = None,
            _ => {}
        }
    }

    fn closed(&mut self, at: usize, _reason: &CloseReason) {
        self.applied_at[at] = None;
    }

    fn no_socket(&mut self, at: usize, _error: &std::io::Error) {
        self.applied_at[at] = None;
    }
}

/// Zone and players.
struct Soak {
    zone: Zone,
    crowd: Crowd,
    players: Players,
    cores: Cores,
    stop: Stop,
    n_born: u64,
    n_cut: u64,
    n_acts: u64,
    churned_at: Instant,
}

/// Lives, prints and judges.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let cores = machine::two_cores()?;
    let stop = Stop::on_signals()?;
    let arcane = process::find(Build::Plain, args.arcane.as_deref())?;
    set_affinity(&[cores.load]).context("cannot use the second core")?;
    let flags = ["--players-max".into(), (args.clients + 2_000).to_string().into()];
    let plan = Plan {
        n_clients: args.clients,
        transport: Transport::Mixed,
        scenario: Scenario::Towns,
        sending: Sending::EveryTick,
        packs: false,
        seconds: 1,
        n_turns: 1,
        cores,
    };
    let zone = Zone::start((&[arcane.into()], &flags), &plan, &stop)?;
    // By then the page has been asked, and the histograms have their file.
    std::thread::sleep(SETTLED);
    zone.admin.status()?;
    std::thread::sleep(LOOK_EVERY);
    let descriptors_before = descriptors(zone.process.pid())?;
    let mut soak = Soak::new(zone, args.clients as usize, cores, stop)?;
    let mut minutes = Vec::new();
    for minute in 1..=args.minutes {
        minutes.push(soak.minute(minute)?);
        let line = serde_json::to_string(&minutes[minutes.len() - 1])?;
        eprintln!("{line}");
    }
    let descriptors_after = soak.end()?;
    let compared_minute = (args.minutes / 3).max(1);
    let bytes = |minute: u64| minutes[minute as usize - 1].live_bytes as f64;
    let growth = bytes(args.minutes) / bytes(compared_minute).max(1.0) - 1.0;
    let growth_max = if args.minutes < SHORT_MINUTES { GROWTH_MAX_SHORT } else { GROWTH_MAX };
    let mut report = Report {
        clients: args.clients,
        minutes,
        compared_minute,
        growth,
        growth_max,
        descriptors_before,
        descriptors_after,
        missed: Vec::new(),
    };
    report.judge();
    if !args.json {
        report.print();
    }
    println!("{}", serde_json::to_string(&report)?);
    match report.missed.is_empty() {
        true => Ok(()),
        false => Err(Failure::Check(report.missed.join("; ")).into()),
    }
}

/// Open files and sockets of a process.
fn descriptors(pid: u32) -> anyhow::Result<u64> {
    Ok(std::fs::read_dir(format!("/proc/{pid}/fd")).context("the zone has ended")?.count() as u64)
}

/// Whose turn an act is, and whether that player is cut off or leaves. A round of acts meets everybody once, and the next
/// round does the other thing to each; both happen to both links, whose places take turns.
fn act(n_acts: u64, n: u64) -> (usize, bool) {
    let (round, in_round) = (n_acts / n, n_acts % n);
    // A prime above every number of players.
    ((n_acts.wrapping_mul(7_919) % n) as usize, (in_round / 2 + round).is_multiple_of(2))
}

impl Soak {
    fn new(zone: Zone, n: usize, cores: Cores, stop: Stop) -> anyhow::Result<Self> {
        let crowd = Crowd::new(n.div_ceil(2 * CONNS_PER_SOCKET)).context("cannot open an event queue")?;
        let style = |at: usize| if (at / 2).is_multiple_of(2) { Style::Keys } else { Style::Clicks };
        let players = Players {
            brains: (0..n).map(|at| Brain::new(style(at), at as u64)).collect(),
            applied_at: vec![None; n],
            gaps: Durations::new(),
            n_resumed: 0,
        };
        let churned_at = Instant::now();
        let mut soak = Self { zone, crowd, players, cores, stop, n_born: 0, n_cut: 0, n_acts: 0, churned_at };
        for at in 0..n {
            let link = if at.is_multiple_of(2) { Link::Quic } else { Link::WebSocket };
            let session = soak.born(COMING * at as u32 / n as u32);
            let target = Target { addr: soak.zone.addr, link, pin: None, wire_major: WIRE_MAJOR };
            soak.crowd.add(session, target);
        }
        Ok(soak)
    }

    /// A player who was never there.
    fn born(&mut self, wait: Duration) -> Session {
        self.n_born += 1;
        let settings = Settings {
            build: "arcane-soak".to_owned(),
            seed: self.n_born,
            predict: false,
            decode: self.n_born.is_multiple_of(20),
            walls: None,
            pack: false,
        };
        Session::new(settings, self.crowd.now().plus(wait.as_nanos() as u64))
    }

    fn minute(&mut self, minute: u64) -> anyhow::Result<Minute> {
        let begun = Instant::now();
        self.players.gaps.reset();
        let plan = attacks::Plan {
            kind: Kind::Deafness,
            server: self.zone.addr,
            per_second: 20 * N_VANISHING as u32,
            n_attackers: N_VANISHING,
        };
        let vanishing = Attacker::start(&plan, self.cores, &self.stop)?;
        self.live(begun + VANISHING)?;
        drop(vanishing);
        let end = begun + Duration::from_secs(60);
        self.live(end - LOOK_EVERY * LOOKS)?;
        let (mut live, mut most) = (Vec::new(), 0);
        for _ in 0..LOOKS {
            self.live(Instant::now() + LOOK_EVERY)?;
            live.push(self.status()?["live_bytes"].as_u64().context("the status has no live_bytes")?);
            most = most.max(descriptors(self.zone.process.pid())?);
        }
        self.live(end)?;
        live.sort_unstable();
        let status = self.status()?;
        Ok(Minute {
            minute,
            live_bytes: live[live.len() / 2],
            rss_kib: rss_kib(self.zone.process.pid())?,
            descriptors: most,
            playing: self.crowd.sessions().iter().filter(|session| session.is_playing()).count(),
            gap_p99_ms: self.players.gaps.at_quantile_ns(0.99) as f64 / 1e6,
            joined: self.n_born,
            resumed: self.players.n_resumed,
            cut: self.n_cut,
            panics: admin::panics(&status)?,
            late_ticks: admin::count(&status, "/total/late")?,
        })
    }

    fn status(&self) -> anyhow::Result<serde_json::Value> {
        self.zone.admin.status()
    }

    /// Everybody plays until then; now and then somebody goes.
    fn live(&mut self, until: Instant) -> anyhow::Result<()> {
        while Instant::now() < until {
            self.crowd.pass(&mut self.players, until.min(Instant::now() + PASS))?;
            self.stop.check()?;
            if self.churned_at.elapsed() >= CHURN_EVERY {
                self.churned_at = Instant::now();
                self.churn();
            }
        }
        anyhow::ensure!(self.zone.process.ended().is_none(), "the zone has ended");
        Ok(())
    }

    /// One act, as [`act`] says.
    fn churn(&mut self) {
        self.n_acts += 1;
        let n = self.players.brains.len();
        let (at, is_cut) = act(self.n_acts, n as u64);
        if self.crowd.sessions()[at].is_over() {
            self.replace(at);
        } else if self.crowd.sessions()[at].is_playing() {
            if is_cut {
                self.n_cut += 1;
                self.crowd.cut(at);
            } else {
                self.crowd.session_mut(at).leave();
                self.crowd.wake(at);
            }
        }
        // Who left a moment ago is followed by somebody else.
        let left = (0..n).find(|at| self.crowd.sessions()[*at].is_over());
        left.into_iter().for_each(|at| self.replace(at));
    }

    fn replace(&mut self, at: usize) {
        let session = self.born(Duration::ZERO);
        *self.crowd.session_mut(at) = session;
        self.players.applied_at[at] = None;
        self.crowd.wake(at);
    }

    /// Everybody leaves; descriptors that the zone still has when it has had time to forget them.
    fn end(mut self) -> anyhow::Result<u64> {
        self.crowd.leave(&mut self.players);
        let until = Instant::now() + FORGOTTEN;
        let pid = self.zone.process.pid();
        let mut left = descriptors(pid)?;
        while Instant::now() < until {
            self.stop.check()?;
            std::thread::sleep(LOOK_EVERY);
            left = descriptors(pid)?;
            if self.status()?["connections"].as_u64() == Some(0) {
                break;
            }
        }
        // The page's own connections are closed by now.
        std::thread::sleep(LOOK_EVERY);
        left = left.min(descriptors(pid)?);
        self.zone.process.finish();
        Ok(left)
    }
}

impl Report {
    fn judge(&mut self) {
        let mut missed = Vec::new();
        let compared = &self.minutes[self.compared_minute as usize - 1];
        let last = &self.minutes[self.minutes.len() - 1];
        if self.growth > self.growth_max {
            missed.push(format!("live bytes grew by {:.1} %", self.growth * 100.0));
        }
        if last.descriptors > compared.descriptors + DESCRIPTORS_SLACK {
            missed.push(format!("descriptors grew from {} to {}", compared.descriptors, last.descriptors));
        }
        if self.descriptors_after > self.descriptors_before {
            missed.push(format!(
                "{} descriptors when everybody had gone, {} before anybody came",
                self.descriptors_after, self.descriptors_before
            ));
        }
        if last.panics > 0 {
            missed.push(format!("{} panics", last.panics));
        }
        if (last.resumed as f64) < last.cut as f64 * RESUMED_SHARE_MIN {
            missed.push(format!("{} came back of {} who were cut off", last.resumed, last.cut));
        }
        if last.cut == 0 || last.playing * 100 < self.clients as usize * 95 {
            missed.push(format!("only {} played at the end", last.playing));
        }
        let worst = self.minutes.iter().skip(1).map(|minute| minute.gap_p99_ms).fold(0.0, f64::max);
        if worst > GAP_P99_MS_MAX {
            missed.push(format!("snapshot gap p99 of {worst:.1} ms in a minute"));
        }
        self.missed = missed;
    }

    fn print(&self) {
        for minute in &self.minutes {
            println!(
                "minute {:3}: {:.2} MB live, {} KiB present, {} descriptors, {} playing, gap p99 {:.1} ms, {} joined, {} cut off, {} came back, {} late ticks, {} panics",
                minute.minute,
                minute.live_bytes as f64 / 1e6,
                minute.rss_kib,
                minute.descriptors,
                minute.playing,
                minute.gap_p99_ms,
                minute.joined,
                minute.cut,
                minute.resumed,
                minute.late_ticks,
                minute.panics
            );
        }
        println!(
            "live bytes {:+.2} % since minute {} (bound +{:.0} %); descriptors {} before, {} after",
            self.growth * 100.0,
            self.compared_minute,
            self.growth_max * 100.0,
            self.descriptors_before,
            self.descriptors_after
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn players_of_both_links_are_cut_off_and_leave_and_so_does_each_in_two_rounds() {
        for n in [10, 11, 1_000, 1_002, 4_000] {
            let acts: Vec<(usize, bool)> = (0..2 * n).map(|n_acts| act(n_acts, n)).collect();
            let soon: BTreeSet<(usize, bool)> =
                acts[..8].iter().map(|(at, is_cut)| (at % 2, *is_cut)).collect();
            assert_eq!(soon.len(), 4, "{n} players");
            let all: BTreeSet<(usize, bool)> = acts.into_iter().collect();
            assert_eq!(all.len() as u64, 2 * n, "{n} players");
        }
    }
}
