//! A zone with honest clients in it, looked at with and without an attack.

use super::attacker::Attacker;
use crate::load::Schedule;
use crate::machine::{Cores, Stop, Use};
use crate::zone::admin::{self, Admin};
use crate::zone::crowd::Crowd;
use crate::zone::process::Zone;
use crate::zone::runs::{Guests, Plan};
use anyhow::Context;
use attacks::Tally;
use harness::scenario;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

/// Until everybody has been introduced to everybody near.
const SETTLE: Duration = Duration::from_secs(3);
/// Attackers that come in need as long.
const WARM_UP: Duration = Duration::from_millis(1_500);
/// Counters are handed over within this.
const HANDED_OVER: Duration = Duration::from_millis(500);
/// How often memory is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Zone and honest clients.
pub(crate) struct Trial {
    zone: Zone,
    guests: Guests,
    schedule: Schedule,
    n_clients: u32,
}

/// One window.
pub(crate) struct Window {
    /// CPU of the zone per honest client and tick.
    pub(crate) us_per_client_tick: f64,
    /// Between two snapshots.
    pub(crate) gap_p99_ms: f64,
    /// The most memory in use, as asked for: what a process holds besides is the allocator's, and says little of few peers.
    pub(crate) live_kib: u64,
    /// Inputs of honest clients that left in time.
    pub(crate) sent_share: f64,
}

impl Trial {
    /// Starts a zone and lets honest clients in.
    ///
    /// # Errors
    /// When a process or a client is lost.
    pub(crate) fn start(plan: &Plan, arcane: &Path, stop: &Stop) -> anyhow::Result<Self> {
        // Bodies of attackers stay for a while when their connections are gone.
        let flags = ["--players-max".into(), (plan.n_clients + 3_000).to_string().into()];
        let zone = Zone::start((&[arcane.into()], &flags), plan, stop)?;
        let crowd = Crowd::connect(zone.addr, plan, stop)?;
        let schedule = Schedule::new(plan.n_clients as usize, scenario::HZ, Instant::now(), stop);
        let guests = Guests { crowd, stop: stop.clone() };
        let mut trial = Self { zone, guests, schedule, n_clients: plan.n_clients };
        trial.play(SETTLE)?;
        Ok(trial)
    }

    /// Where the zone is.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.zone.addr
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.zone.process.pid()
    }

    /// Lets everybody play.
    ///
    /// # Errors
    /// When somebody is lost.
    pub(crate) fn play(&mut self, time: Duration) -> anyhow::Result<()> {
        self.schedule.run(&mut self.guests.crowd, Instant::now() + time)
    }

    /// CPU time of the zone while everybody plays, and for how long that really was.
    ///
    /// # Errors
    /// When somebody is lost.
    pub(crate) fn cpu_while(&mut self, time: Duration) -> anyhow::Result<(u64, Duration)> {
        let (used, begun) = (Use::of(self.pid())?, Instant::now());
        self.play(time)?;
        Ok((Use::of(self.pid())?.since(&used).cpu_ns, begun.elapsed()))
    }

    /// The zone's status.
    ///
    /// # Errors
    /// When it does not answer.
    pub(crate) fn status(&mut self) -> anyhow::Result<Value> {
        self.guests.ask(&self.zone.admin, &mut self.schedule, Admin::status)
    }

    /// A counter of the sockets.
    ///
    /// # Errors
    /// When the zone does not answer.
    pub(crate) fn socket_count(&mut self, name: &str) -> anyhow::Result<u64> {
        self.status()?["sockets"][name].as_u64().with_context(|| format!("the status has no sockets.{name}"))
    }

    fn live_kib(&mut self) -> anyhow::Result<u64> {
        Ok(self.status()?["live_bytes"].as_u64().context("the status has no live_bytes")? / 1024)
    }

    /// One window, with an attack or without.
    ///
    /// # Errors
    /// When somebody honest is lost.
    pub(crate) fn window(
        &mut self,
        attack: Option<(&attacks::Plan, Cores)>,
        seconds: u64,
    ) -> anyhow::Result<(Window, Tally)> {
        let stop = self.guests.stop.clone();
        let mut attacker = match attack {
            Some((plan, cores)) => Some(Attacker::start(plan, cores, &stop)?),
            None => None,
        };
        self.play(WARM_UP)?;
        self.guests.crowd.reset_gaps();
        let sent = self.schedule.sent;
        let (used, begun) = (Use::of(self.pid())?, Instant::now());
        let (until, mut most_kib) = (begun + Duration::from_secs(seconds), 0);
        while Instant::now() < until {
            self.play(LOOK_EVERY)?;
            most_kib = most_kib.max(self.live_kib()?);
        }
        let (used, took) = (Use::of(self.pid())?.since(&used), begun.elapsed().as_secs_f64());
        let client_ticks = took * f64::from(scenario::HZ) * f64::from(self.n_clients);
        let tally = attacker.as_mut().map_or(Ok(Tally::default()), Attacker::tally)?;
        let sent = self.schedule.sent.since(&sent);
        let window = Window {
            us_per_client_tick: used.cpu_ns as f64 / 1e3 / client_ticks,
            gap_p99_ms: self.guests.crowd.gaps.at_quantile_ns(0.99) as f64 / 1e6,
            live_kib: most_kib,
            sent_share: crate::stats::share(sent.in_time, sent.due),
        };
        Ok((window, tally))
    }

    /// Ends the zone, and returns how many panics it caught.
    ///
    /// # Errors
    /// When a snapshot did not decode, or the zone does not tell.
    pub(crate) fn end(mut self) -> anyhow::Result<u64> {
        self.play(HANDED_OVER)?;
        let panics = admin::panics(&self.status()?)?;
        self.guests.check()?;
        self.zone.process.finish();
        Ok(panics)
    }
}
