//! Taking turns: the whole zone, the transport alone with the same payloads, the world alone with as many players.
//!
//! The zone's process stands still while its parts are measured: all three use the same core.

use super::admin::Admin;
use super::crowd::{Counts, Crowd};
use super::process::Zone;
use crate::Failure;
use crate::child::Process;
use crate::load::{Schedule, Sent};
use crate::machine::{self, Cores, Stop, Use};
use crate::net::runs::{SHARE_MIN, Side, Window, dropped_max};
use crate::net::{Shape, Transport};
use crate::sim::part::{self, Stretch};
use crate::stats::share;
use anyhow::Context;
use engine::Sending;
use engine::clients::Ages;
use harness::{Scenario, scenario};
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};

/// Until everybody has been introduced to everybody near, and buffers have grown.
const SETTLE: Duration = Duration::from_secs(3);
/// After a pause, until clocks, acknowledgements and rates have found their rhythm again.
const WARM_UP: Duration = Duration::from_millis(1_200);
/// A zone hands its histograms over once a second, and only whole seconds count: the first comes within two of them.
const HANDED_OVER: Duration = Duration::from_millis(1_100);
const HANDED_OVER_MAX: Duration = Duration::from_secs(10);
/// How often it is asked for them.
const ASKED_EVERY: Duration = Duration::from_millis(250);
/// What is under way at the end of a window arrives within this.
const AFTERMATH: Duration = Duration::from_millis(150);
/// A world of thousands takes its time to be born and to find its shape.
const BIRTH: Duration = Duration::from_secs(60);
/// A stretch of the world, with all its clients.
const STRETCH: Duration = Duration::from_secs(60);

/// What to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Clients.
    pub(crate) n_clients: u32,
    /// How they connect.
    pub(crate) transport: Transport,
    /// Where they are and what they do.
    pub(crate) scenario: Scenario,
    /// When the zone tells them.
    pub(crate) sending: Sending,
    /// Two commands share a datagram unless one is urgent.
    pub(crate) packs: bool,
    /// Length of a window.
    pub(crate) seconds: u64,
    /// Turns that count.
    pub(crate) n_turns: u16,
    /// Where.
    pub(crate) cores: Cores,
}

/// One window of the zone.
pub(crate) struct Look {
    /// CPU time of the process.
    pub(crate) used: Use,
    /// What its clients saw.
    pub(crate) counts: Counts,
    /// Their inputs.
    pub(crate) sent: Sent,
    /// 99 of 100 gaps between two snapshots of a client.
    pub(crate) gap_p99_ms: f64,
    /// The zone's own counts at the end of the window.
    pub(crate) status: Value,
    /// Its ticks, as of its histograms: those of whole seconds, the last of which may end a little after the window.
    pub(crate) tick_ms: Value,
    /// How long news waited for its snapshot.
    pub(crate) ages: Ages,
    /// Clients that got less than full detail for what their paths seemed to bear, at the begin or the end.
    pub(crate) n_slowed: u64,
    /// Packets and frames that the zone sent.
    pub(crate) n_packets_out: u64,
    /// How long it was.
    pub(crate) seconds: f64,
}

impl Look {
    /// CPU of the zone per client and tick of its schedule.
    pub(crate) fn us_per_client_tick(&self, plan: &Plan) -> f64 {
        self.used.cpu_ns as f64 / 1e3 / self.client_ticks(plan)
    }

    /// Clients times ticks that were due.
    pub(crate) fn client_ticks(&self, plan: &Plan) -> f64 {
        self.seconds * f64::from(scenario::HZ) * f64::from(plan.n_clients)
    }

    /// Why this window does not count; nothing if it does.
    pub(crate) fn flaw(&self) -> Option<String> {
        let sent = share(self.sent.in_time, self.sent.due);
        (sent < SHARE_MIN).then(|| format!("{:.1} % of inputs were sent in time, not 95 %", sent * 100.0))
    }
}

/// One turn: the whole and its parts.
pub(crate) struct Turn {
    /// The zone.
    pub(crate) zone: Look,
    /// The transport alone.
    pub(crate) net: Window,
    /// The world alone.
    pub(crate) sim: Stretch,
}

impl Turn {
    /// What the parts cost together, per client and tick.
    pub(crate) fn parts_us(&self) -> f64 {
        self.net.us_per_client_tick() + self.sim.us_per_client_tick()
    }
}

/// Everything that was measured.
pub(crate) struct Found {
    /// Turns that count.
    pub(crate) turns: Vec<Turn>,
    /// Turns that do not.
    pub(crate) n_dropped: u16,
    /// Mean payload of a snapshot, as the transport alone was given it.
    pub(crate) payload_bytes: u16,
    /// The same for inputs.
    pub(crate) input_bytes: u16,
    /// Memory of the zone's process per client.
    pub(crate) rss_kib_per_client: f64,
    /// Handshakes that failed and were begun again.
    pub(crate) n_redials: u32,
}

/// Measures turn by turn.
///
/// # Errors
/// When a process or a client is lost, a snapshot does not decode, or too few turns count.
pub(crate) fn measure(plan: &Plan, arcane: &Path, stop: &Stop) -> anyhow::Result<Found> {
    let mut world = start_world(plan, stop)?;
    let mut zone = Zone::start((&[arcane.into()], &[]), plan, stop)?;
    let rss_kib = machine::rss_kib(zone.process.pid())?;
    eprintln!("{} clients come in", plan.n_clients);
    let crowd = Crowd::connect(zone.addr, plan, stop)?;
    let mut guests = Guests { crowd, stop: stop.clone() };
    let (payload_bytes, input_bytes) = guests.rehearse(plan)?;
    let rss_kib_per_client =
        machine::rss_kib(zone.process.pid())?.saturating_sub(rss_kib) as f64 / f64::from(plan.n_clients);
    zone.process.pause();
    let shape = Shape {
        transport: plan.transport,
        n_clients: plan.n_clients,
        hz: scenario::HZ,
        payload_bytes,
        input_bytes,
        seconds: plan.seconds,
    };
    eprintln!("snapshots of {payload_bytes} B, inputs of {input_bytes} B; the transport alone gets the same");
    let mut net = Side::wire(&shape, plan.cores, stop)?;
    let mut found = Found {
        turns: Vec::new(),
        n_dropped: 0,
        payload_bytes,
        input_bytes,
        rss_kib_per_client,
        n_redials: guests.crowd.n_redials(),
    };
    let mut flaw = String::new();
    while found.turns.len() < usize::from(plan.n_turns) && found.n_dropped < dropped_max(plan.n_turns) {
        let look = guests.look(&mut zone, plan)?;
        let turn = Turn { zone: look, net: net.window(&shape)?, sim: run_world(&mut world, plan)? };
        match turn.zone.flaw().or_else(|| turn.net.flaw()) {
            None => found.turns.push(turn),
            Some(why) => {
                eprintln!("a turn does not count: {why}");
                (flaw, found.n_dropped) = (why, found.n_dropped + 1);
                continue;
            }
        }
        tell(plan, &found.turns);
    }
    guests.check()?;
    zone.process.finish();
    if found.turns.len() < usize::from(plan.n_turns) {
        let text = format!(
            "only {} of {} turns count; the last that does not: {flaw}",
            found.turns.len(),
            plan.n_turns
        );
        return Err(Failure::Check(text).into());
    }
    Ok(found)
}

fn tell(plan: &Plan, turns: &[Turn]) {
    let Some(turn) = turns.last() else { return };
    let zone_us = turn.zone.us_per_client_tick(plan);
    eprintln!(
        "turn {} of {}: zone {zone_us:.2} us, transport {:.2} us, world {:.2} us, ratio {:.2}",
        turns.len(),
        plan.n_turns,
        turn.net.us_per_client_tick(),
        turn.sim.us_per_client_tick(),
        zone_us / turn.parts_us()
    );
}

fn start_world(plan: &Plan, stop: &Stop) -> anyhow::Result<Process> {
    eprintln!("a world of {} players is made", plan.n_clients);
    let n_clients = plan.n_clients.to_string();
    let (scenario, send) = (plan.scenario.name(), plan.sending.name());
    let words = ["world", "--players", &n_clients, "--scenario", scenario, "--send", send];
    let words = words.map(std::ffi::OsString::from);
    let mut world = Process::part("the world alone", plan.cores.server, words, stop)?;
    let _: Stretch = world.hear(BIRTH)?;
    world.pause();
    Ok(world)
}

fn run_world(world: &mut Process, plan: &Plan) -> anyhow::Result<Stretch> {
    world.resume();
    world.tell(&part::order(plan.seconds as u32 * scenario::HZ))?;
    let stretch = world.hear(STRETCH)?;
    world.pause();
    Ok(stretch)
}

/// The zone's clients.
pub(crate) struct Guests {
    /// They.
    pub(crate) crowd: Crowd,
    /// Ctrl-C.
    pub(crate) stop: Stop,
}

impl Guests {
    fn schedule(&self, plan: &Plan) -> Schedule {
        Schedule::new(plan.n_clients as usize, scenario::HZ, Instant::now(), &self.stop)
    }

    /// Lets the scenario find its shape, and returns the mean bytes of a snapshot and of an input.
    ///
    /// # Errors
    /// When a client is lost.
    pub(crate) fn rehearse(&mut self, plan: &Plan) -> anyhow::Result<(u16, u16)> {
        let mut schedule = self.schedule(plan);
        schedule.run(&mut self.crowd, Instant::now() + SETTLE)?;
        let before = self.crowd.counts;
        schedule.run(&mut self.crowd, Instant::now() + Duration::from_secs(1))?;
        let counts = self.crowd.counts.since(&before);
        let mean = |n_bytes: u64, n: u64| (n_bytes as f64 / n.max(1) as f64).round().max(1.0) as u16;
        let bytes = (mean(counts.n_bytes, counts.n_snapshots), mean(counts.n_input_bytes, counts.n_inputs));
        self.idle(AFTERMATH)?;
        Ok(bytes)
    }

    fn idle(&mut self, time: Duration) -> anyhow::Result<()> {
        Schedule::idle(&self.stop).run(&mut self.crowd, Instant::now() + time)
    }

    /// One window; before and after it the zone stands still.
    ///
    /// # Errors
    /// When the zone ends or does not answer, or a client is lost.
    pub(crate) fn look(&mut self, zone: &mut Zone, plan: &Plan) -> anyhow::Result<Look> {
        zone.process.resume();
        self.crowd.forget_time();
        let mut schedule = self.schedule(plan);
        schedule.run(&mut self.crowd, Instant::now() + WARM_UP)?;
        self.ask(&zone.admin, &mut schedule, |admin| admin.begin_window())?;
        let status = self.ask(&zone.admin, &mut schedule, Admin::status)?;
        self.crowd.reset_gaps();
        let (counts, sent) = (self.crowd.counts, schedule.sent);
        let (used, begun) = (Use::of(zone.process.pid())?, Instant::now());
        schedule.run(&mut self.crowd, begun + Duration::from_secs(plan.seconds))?;
        let (used, seconds) = (Use::of(zone.process.pid())?.since(&used), begun.elapsed().as_secs_f64());
        let (counts, sent) = (self.crowd.counts.since(&counts), schedule.sent.since(&sent));
        let gap_p99_ms = self.crowd.gaps.at_quantile_ns(0.99) as f64 / 1e6;
        let after = self.ask(&zone.admin, &mut schedule, Admin::status)?;
        let n_packets_out = packets_out(&after).saturating_sub(packets_out(&status));
        let ages = ages(&after["window"]["news"])?;
        let n_slowed = slowed(&status).max(slowed(&after));
        let tick_ms = self.tick_ms(&zone.admin, &mut schedule)?;
        self.idle(AFTERMATH)?;
        zone.process.pause();
        Ok(Look {
            used,
            counts,
            sent,
            gap_p99_ms,
            status: after,
            tick_ms,
            ages,
            n_slowed,
            n_packets_out,
            seconds,
        })
    }

    /// How long the window's ticks took, once the zone has handed them over.
    fn tick_ms(&mut self, admin: &Admin, schedule: &mut Schedule) -> anyhow::Result<Value> {
        schedule.run(&mut self.crowd, Instant::now() + HANDED_OVER)?;
        let until = Instant::now() + HANDED_OVER_MAX;
        while Instant::now() < until {
            schedule.run(&mut self.crowd, Instant::now() + ASKED_EVERY)?;
            let mut status = self.ask(admin, schedule, Admin::status)?;
            let tick_ms = status["window"]["tick_ms"].take();
            if tick_ms["p50"].as_f64().is_some_and(|ms| ms > 0.0) {
                return Ok(tick_ms);
            }
        }
        anyhow::bail!("the zone has handed over no histogram of the window within {HANDED_OVER_MAX:?}")
    }

    /// Asks the admin page on a thread of its own, while the traffic goes on.
    ///
    /// # Errors
    /// When it does not answer, or the traffic breaks down.
    pub(crate) fn ask<T: Send + 'static>(
        &mut self,
        admin: &Admin,
        schedule: &mut Schedule,
        question: fn(&Admin) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let admin = admin.clone();
        let thread = std::thread::spawn(move || question(&admin));
        while !thread.is_finished() {
            schedule.run(&mut self.crowd, Instant::now() + crate::load::ROUND)?;
        }
        thread.join().ok().context("the question to the admin page panicked")?
    }

    /// What must hold of everything that was seen.
    ///
    /// # Errors
    /// When it does not.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        match self.crowd.n_decode_errors {
            0 => Ok(()),
            n => Err(Failure::Check(format!("{n} snapshots did not decode")).into()),
        }
    }
}

/// How long news has waited since the window began.
fn ages(status: &Value) -> anyhow::Result<Ages> {
    let of = |value: &Value| value.as_u64().context("the zone's status does not tell how long news waits");
    let mut ages =
        Ages { near: of(&status["near"])?, near_waits: of(&status["near_ticks_waited"])?, ..Ages::default() };
    for (at, n) in ages.other.iter_mut().enumerate() {
        *n = of(&status["ticks_waited"][at])?;
    }
    Ok(ages)
}

/// Clients that are not on the first level of the budgets.
fn slowed(status: &Value) -> u64 {
    let levels = status["budgets"]["by_level"].as_array();
    levels.map_or(0, |levels| levels.iter().skip(1).filter_map(Value::as_u64).sum())
}

/// QUIC packets; on WebSocket a frame is counted as one.
fn packets_out(status: &Value) -> u64 {
    let sockets = &status["sockets"];
    let of = |name: &str| sockets[name].as_u64().unwrap_or(0);
    let is_udp = of("udp_out") > 0 && of("tcp_bytes_out") == 0;
    if is_udp { of("udp_out") } else { of("udp_out").max(of("frames_out")) }
}
