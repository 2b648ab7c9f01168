//! `perf zone --overload`: a zone on a machine that is too slow for what comes, and the rungs that it climbs.
//!
//! The zone is the planted build: every tick works some times as long as it did, so that what is left out saves that
//! much more, and a few clients fill a core. A quarter of them takes about half of the period; with the others there
//! is twice as much to do as a period has. They stay for a while and leave.
//!
//! Source: docs/PERFORMANCE.md "perf zone --overload".

use super::admin::Admin;
use super::crowd::Crowd;
use super::process::Zone;
use super::relive::{self, Relived};
use super::runs::{Guests, Plan};
use crate::Failure;
use crate::load::{Schedule, Sent};
use crate::machine::Stop;
use anyhow::Context;
use engine::Rung;
use harness::scenario;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Share of the period that a quarter of the clients takes.
const BASE_LOAD: f64 = 0.47;
/// Near enough to it, and how often and how far it is aimed at anew.
const BASE_LOAD_MIN: f64 = 0.42;
const BASE_LOAD_MAX: f64 = 0.52;
const GUESSES: usize = 8;
const GUESS_MAX: f64 = 5.0;
/// The surge at the end is so many times as much again.
const SURGE: f64 = 2.5;
/// Until those who came have been introduced, and the zone knows what a tick takes.
const SETTLE: Duration = Duration::from_secs(2);
/// After this the zone must have found its level.
const CLIMB: Duration = Duration::from_secs(5);
/// How long full detail may take to come back before nobody waits any more.
const PATIENCE: Duration = Duration::from_secs(30);
/// As fast as the machine is.
const PLAIN: f64 = 100.0;
const ASKED_EVERY: Duration = Duration::from_millis(250);
const HANDED_OVER_MAX: Duration = Duration::from_secs(10);

/// What must hold.
const JITTER_P99_MS_MAX: f64 = 5.0;
const FULL_DETAIL_S_MAX: f64 = 5.0;

/// How often a rung was given up and came back, and what was left out.
#[derive(Debug, Serialize)]
struct Climbed {
    rises: u64,
    falls: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    left_out: Option<u64>,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    clients: u32,
    base_clients: u32,
    seconds: u64,
    /// How many times as long a tick takes.
    slowness: f64,
    /// Share of the period that ticks of the base clients take.
    base_load: f64,
    /// Begin of a tick behind the announced schedule, once the zone had found its level.
    start_jitter_ms: Value,
    /// Wall time of these ticks.
    tick_ms: Value,
    /// At the end of the overload.
    level: u64,
    tick_period_ms: f64,
    overruns_stolen: u64,
    schedule_moved: u64,
    rungs: BTreeMap<&'static str, Climbed>,
    seconds_to_full_detail: f64,
    inputs_sent_share: f64,
    commands_refused_share: f64,
    decode_errors: u64,
    replay: Relived,
    /// Bars that were missed.
    missed: Vec<String>,
}

impl Report {
    /// What does not hold; nothing if all does.
    ///
    /// # Errors
    /// With the bars that were missed.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        match self.missed.is_empty() {
            true => Ok(()),
            false => Err(Failure::Check(self.missed.join("; ")).into()),
        }
    }

    fn judge(&mut self) {
        let mut missed = Vec::new();
        let p99_ms = self.start_jitter_ms["p99"].as_f64().unwrap_or(f64::INFINITY);
        if p99_ms > JITTER_P99_MS_MAX {
            missed.push(format!("ticks began {p99_ms:.1} ms behind the schedule at p99"));
        }
        for (name, climbed) in &self.rungs {
            if climbed.rises == 0 || climbed.falls == 0 {
                missed.push(format!("rung {name} rose {} and fell {} times", climbed.rises, climbed.falls));
            }
        }
        if self.seconds_to_full_detail > FULL_DETAIL_S_MAX {
            missed.push(format!("full detail took {:.1} s", self.seconds_to_full_detail));
        }
        if self.level == 0 {
            missed.push("the zone was never overloaded".to_owned());
        }
        if self.inputs_sent_share < 0.95 {
            missed.push(format!(
                "only {:.0} % of the inputs were sent in time",
                self.inputs_sent_share * 100.0
            ));
        }
        missed.extend(self.replay.flaw());
        self.missed = missed;
    }

    /// A table for people.
    pub(super) fn print(&self) {
        println!(
            "{} clients, then {}; a tick takes {:.1} times as long",
            self.base_clients, self.clients, self.slowness
        );
        println!("load at first      {:.0} % of the period", self.base_load * 100.0);
        println!("start jitter, ms   {}", self.start_jitter_ms);
        println!("level at the end   {}, a tick every {} ms", self.level, self.tick_period_ms);
        for rung in Rung::ALL {
            let Some(Climbed { rises, falls, left_out }) = self.rungs.get(rung.name()) else { continue };
            let left_out = left_out.map_or(String::new(), |n| format!(", left out {n}"));
            println!("{:18} rose {rises}, fell {falls}{left_out}", rung.name());
        }
        println!("full detail after  {:.1} s", self.seconds_to_full_detail);
        println!("replay             {}", self.replay.words());
    }
}

/// Runs it all.
///
/// # Errors
/// When a process or a client is lost, or the machine is too slow to begin with.
pub(super) fn run(plan: &Plan, arcane: &Path, stop: &Stop) -> anyhow::Result<Report> {
    let dir = tempfile::tempdir().context("cannot make a directory for the recording")?;
    let mut trial = Trial::start(plan, arcane, dir, stop)?;
    let (slowness, base_load) = trial.slow_down()?;
    let mut report = trial.overload(plan)?;
    trial.surge(slowness)?;
    (report.slowness, report.base_load) = (slowness / PLAIN, base_load);
    report.seconds_to_full_detail = trial.relieve()?;
    trial.guests.check()?;
    let status = trial.status()?;
    report.rungs = rungs(&status["shed"]["rungs"]);
    report.overruns_stolen = number(&status["total"]["overruns_stolen"]);
    report.commands_refused_share = {
        let total = &status["total"];
        number(&total["commands_refused"]) as f64 / number(&total["commands_received"]).max(1) as f64
    };
    trial.zone.process.finish();
    report.replay = relive::relive(&trial.dir.path().join(RECORDING))?;
    report.judge();
    Ok(report)
}

const RECORDING: &str = "day.rec";
const SLOWNESS: &str = "slowness";

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

fn rungs(status: &Value) -> BTreeMap<&'static str, Climbed> {
    let climbed = |rung: Rung| {
        let of = &status[rung.name()];
        let (rises, falls) = (number(&of["rises"]), number(&of["falls"]));
        (rung.name(), Climbed { rises, falls, left_out: of["left_out"].as_u64() })
    };
    Rung::ALL.into_iter().map(climbed).collect()
}

/// The zone and its clients.
struct Trial {
    zone: Zone,
    guests: Guests,
    schedule: Schedule,
    dir: TempDir,
    /// Those who come first and stay.
    n_base: usize,
}

impl Trial {
    fn start(plan: &Plan, arcane: &Path, dir: TempDir, stop: &Stop) -> anyhow::Result<Self> {
        let slowness = dir.path().join(SLOWNESS);
        std::fs::write(&slowness, PLAIN.to_string()).context("cannot write how slow the zone shall be")?;
        let variable: OsString = [OsString::from("PLANTED_SLOWNESS="), slowness.into()].into_iter().collect();
        let program = ["env".into(), variable, arcane.into()];
        let flags = ["--record".into(), dir.path().join(RECORDING).into()];
        let zone = Zone::start((&program, &flags), plan, stop)?;
        let n_base = plan.n_clients as usize / 4;
        let mut crowd = Crowd::empty(zone.addr, plan)?;
        crowd.grow(n_base, stop)?;
        let schedule = Schedule::new(n_base, scenario::HZ, Instant::now(), stop);
        Ok(Self { zone, guests: Guests { crowd, stop: stop.clone() }, schedule, dir, n_base })
    }

    fn play(&mut self, time: Duration) -> anyhow::Result<()> {
        self.schedule.run(&mut self.guests.crowd, Instant::now() + time)
    }

    fn ask<T: Send + 'static>(&mut self, question: fn(&Admin) -> anyhow::Result<T>) -> anyhow::Result<T> {
        self.guests.ask(&self.zone.admin, &mut self.schedule, question)
    }

    fn status(&mut self) -> anyhow::Result<Value> {
        self.ask(Admin::status)
    }

    /// Share of the period that a tick takes now: the median of a second or two.
    fn load(&mut self) -> anyhow::Result<f64> {
        self.play(SETTLE)?;
        self.ask(Admin::begin_window)?;
        let until = Instant::now() + HANDED_OVER_MAX;
        while Instant::now() < until {
            self.play(ASKED_EVERY)?;
            let status = self.status()?;
            if let Some(ms) = status["window"]["tick_cpu_ms"]["p50"].as_f64().filter(|ms| *ms > 0.0) {
                return Ok(ms * f64::from(scenario::HZ) / 1e3);
            }
        }
        anyhow::bail!("the zone has handed over no histogram within {HANDED_OVER_MAX:?}")
    }

    /// Makes the zone so slow that its first clients fill half of the period; returns how slow, and what they take.
    fn slow_down(&mut self) -> anyhow::Result<(f64, f64)> {
        let mut slowness = PLAIN;
        let mut load = self.load()?;
        if load > BASE_LOAD {
            let text =
                format!("the first clients take {:.0} % of the period already: ask for fewer", load * 100.0);
            return Err(Failure::Check(text).into());
        }
        // By and by: a zone that has too much to do for a moment says nothing of one that has not.
        for _ in 0..GUESSES {
            if (BASE_LOAD_MIN..=BASE_LOAD_MAX).contains(&load) {
                break;
            }
            slowness *= (BASE_LOAD / load).clamp(1.0 / GUESS_MAX, GUESS_MAX);
            self.write_slowness(slowness)?;
            load = self.load()?;
            eprintln!("slower by {:.1}: {:.0} % of the period", slowness / PLAIN, load * 100.0);
        }
        let level = number(&self.status()?["shed"]["level"]);
        if !(0.8 * BASE_LOAD_MIN..=1.2 * BASE_LOAD_MAX).contains(&load) || level != 0 {
            let text = format!("no slowness was found: {:.0} % of the period on level {level}", load * 100.0);
            return Err(Failure::Check(text).into());
        }
        Ok((slowness, load))
    }

    /// In one step: the zone reads the file whenever it likes.
    fn write_slowness(&self, slowness: f64) -> anyhow::Result<()> {
        let (new, file) = (self.dir.path().join("slowness.new"), self.dir.path().join(SLOWNESS));
        let text = (slowness as u64).to_string();
        std::fs::write(&new, text)
            .and_then(|()| std::fs::rename(&new, &file))
            .context("cannot slow the zone down")
    }

    /// Twice as much comes as the zone can do.
    fn overload(&mut self, plan: &Plan) -> anyhow::Result<Report> {
        let stop = self.guests.stop.clone();
        self.guests.crowd.grow(plan.n_clients as usize, &stop)?;
        eprintln!("{} clients are in", plan.n_clients);
        self.schedule = Schedule::new(plan.n_clients as usize, scenario::HZ, Instant::now(), &stop);
        let time = Duration::from_secs(plan.seconds);
        let climb = CLIMB.min(time / 2);
        self.play(climb)?;
        self.ask(Admin::begin_window)?;
        self.play(time - climb)?;
        let mut status = self.status()?;
        let Sent { due, in_time } = self.schedule.sent;
        let window = &mut status["window"];
        Ok(Report {
            clients: plan.n_clients,
            base_clients: self.n_base as u32,
            seconds: plan.seconds,
            slowness: 0.0,
            base_load: 0.0,
            start_jitter_ms: window["tick_behind_ms"].take(),
            tick_ms: window["tick_ms"].take(),
            schedule_moved: number(&window["schedule_moved"]),
            level: number(&status["shed"]["level"]),
            tick_period_ms: status["shed"]["tick_period_ms"].as_f64().unwrap_or(0.0),
            overruns_stolen: 0,
            rungs: BTreeMap::new(),
            seconds_to_full_detail: 0.0,
            inputs_sent_share: in_time as f64 / due.max(1) as f64,
            commands_refused_share: 0.0,
            decode_errors: self.guests.crowd.n_decode_errors,
            replay: Relived::default(),
            missed: Vec::new(),
        })
    }

    /// For a moment the machine is slower still, so that every rung is needed.
    fn surge(&mut self, slowness: f64) -> anyhow::Result<()> {
        for slowness in [slowness * SURGE, slowness] {
            self.write_slowness(slowness)?;
            self.play(SETTLE * 2)?;
        }
        Ok(())
    }

    /// Those who came later leave; how long it takes until everything is back.
    fn relieve(&mut self) -> anyhow::Result<f64> {
        let begun = Instant::now();
        self.guests.crowd.shrink(self.n_base);
        self.schedule = Schedule::new(self.n_base, scenario::HZ, Instant::now(), &self.guests.stop);
        while begun.elapsed() < PATIENCE {
            let status = self.status()?;
            let shed = &status["shed"];
            if shed["level"] == 0 && shed["tick_period_ms"].as_f64() == Some(1e3 / f64::from(scenario::HZ)) {
                break;
            }
            self.play(ASKED_EVERY / 5)?;
        }
        let seconds = begun.elapsed().as_secs_f64();
        self.play(SETTLE)?;
        Ok(seconds)
    }
}
