//! `perf zone --find-max`: the most clients that a zone on one core serves in full.
//!
//! Each number of clients has a zone of its own, because the square grows with them. First the number grows by half
//! until something gives, then the border is halved in. What gives is the zone's core or that of the clients, and the
//! result says which. A number that fails is tried twice: machines have bad moments, and good ones prove nothing less.
//!
//! Source: docs/PERFORMANCE.md "W1".

use super::crowd::Crowd;
use super::process::Zone;
use super::runs::{Guests, Look, Plan};
use crate::Failure;
use crate::machine::{Stop, Use};
use crate::net::Transport;
use serde::Serialize;
use serde_json::Value;
use std::path::Path;
use std::time::Instant;

/// Snapshots per client and second that count as served.
const HZ_MIN: f64 = 19.9;
/// Longest that 99 of 100 ticks may take.
const TICK_P99_MS_MAX: f64 = 50.0;
/// No more are tried.
const CLIENTS_MAX: u32 = 8_000;
/// The border is known to a fortieth.
const FINE: u32 = 40;
const TRIES: usize = 2;

/// Which core was full first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Side {
    Server,
    Load,
    /// Somebody did not get in, or was lost: either.
    Joins,
    /// Nobody was full: no more were asked for.
    Nobody,
}

/// One number of clients, measured.
#[derive(Clone, Debug, Serialize)]
struct Trial {
    clients: u32,
    us_per_client_tick: f64,
    user_us: f64,
    kernel_us: f64,
    /// Snapshots that came, and that the zone sent, per client and second: means over all clients.
    hz: f64,
    hz_sent: f64,
    tick_p99_ms: f64,
    shed_level: u64,
    /// Clients whose own budget gives them less than full detail.
    below_full: u64,
    /// Share of its core that each side used.
    server_core: f64,
    load_core: f64,
    inputs_sent_share: f64,
    visible_mean: f64,
    payload_bytes: u16,
    input_bytes: u16,
}

/// A number of clients that did not work.
#[derive(Clone, Debug, Serialize)]
struct Miss {
    clients: u32,
    limited_by: Side,
    why: String,
}

#[derive(Serialize)]
struct Report {
    workload: &'static str,
    transport: Transport,
    /// The most that were served; 0: not even the first number.
    clients_max: u32,
    limited_by: Side,
    why: String,
    seconds: u64,
    /// The measurement at the most.
    at: Option<Trial>,
    served: Vec<Trial>,
    missed: Vec<Miss>,
}

/// Searches and prints.
///
/// # Errors
/// When a zone does not start, or a signal came.
pub(super) fn run(plan: &Plan, arcane: &Path, json: bool, stop: &Stop) -> anyhow::Result<()> {
    let mut search = Search { low: 0, high: CLIENTS_MAX + 1, served: Vec::new(), missed: Vec::new() };
    let mut next = Some(plan.n_clients);
    while let Some(n_clients) = next {
        search.note(try_out(&Plan { n_clients, ..*plan }, arcane, stop)?);
        next = search.next();
    }
    let report = search.report(plan);
    if !json {
        report.print();
    }
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

/// What is known: so many work, so many do not.
struct Search {
    low: u32,
    high: u32,
    served: Vec<Trial>,
    missed: Vec<Miss>,
}

impl Search {
    fn note(&mut self, outcome: Result<Trial, Miss>) {
        match outcome {
            Ok(trial) => {
                self.low = self.low.max(trial.clients);
                self.served.push(trial);
            }
            Err(miss) => {
                self.high = self.high.min(miss.clients);
                self.missed.push(miss);
            }
        }
    }

    /// The next number to try.
    fn next(&self) -> Option<u32> {
        if self.low == CLIENTS_MAX || self.high - self.low <= (self.low / FINE).max(10) {
            return None;
        }
        let halved = self.low + (self.high - self.low) / 2;
        Some(if self.missed.is_empty() { (self.low * 3 / 2).min(CLIENTS_MAX) } else { halved })
    }

    fn report(self, plan: &Plan) -> Report {
        let border = self.missed.iter().min_by_key(|miss| miss.clients);
        let at = self.served.iter().max_by_key(|trial| trial.clients).cloned();
        Report {
            workload: plan.scenario.name(),
            transport: plan.transport,
            clients_max: self.low,
            limited_by: border.map_or(Side::Nobody, |miss| miss.limited_by),
            why: border.map_or_else(|| "no more were asked for".to_owned(), |miss| miss.why.clone()),
            seconds: plan.seconds,
            at,
            served: self.served,
            missed: self.missed,
        }
    }
}

/// One number of clients, twice if need be.
fn try_out(plan: &Plan, arcane: &Path, stop: &Stop) -> anyhow::Result<Result<Trial, Miss>> {
    let mut outcome = Err(Miss { clients: plan.n_clients, limited_by: Side::Nobody, why: String::new() });
    for _ in 0..TRIES {
        outcome = match measure(plan, arcane, stop) {
            Ok(trial) => judge(trial),
            Err(error) => {
                stop.check()?;
                // Somebody did not get in, or was lost: that is an answer. Everything else is not.
                let Some(Failure::Check(why)) = error.downcast_ref() else { return Err(error) };
                Err(Miss { clients: plan.n_clients, limited_by: Side::Joins, why: why.clone() })
            }
        };
        match &outcome {
            Ok(trial) => {
                eprintln!(
                    "{} clients are served: {:.2} us per client-tick, {:.1} Hz, tick p99 {:.1} ms, cores {:.0} % and {:.0} %",
                    trial.clients,
                    trial.us_per_client_tick,
                    trial.hz,
                    trial.tick_p99_ms,
                    trial.server_core * 100.0,
                    trial.load_core * 100.0
                );
                break;
            }
            Err(miss) => eprintln!("{} clients are not: {}", miss.clients, miss.why),
        }
    }
    Ok(outcome)
}

fn measure(plan: &Plan, arcane: &Path, stop: &Stop) -> anyhow::Result<Trial> {
    let mut zone = Zone::start((&[arcane.into()], &[]), plan, stop)?;
    let crowd = Crowd::connect(zone.addr, plan, stop)?;
    let mut guests = Guests { crowd, stop: stop.clone() };
    let (payload_bytes, input_bytes) = guests.rehearse(plan)?;
    let own = std::process::id();
    let (used, begun) = (Use::of(own)?, Instant::now());
    let look = guests.look(&mut zone, plan)?;
    let load_core = Use::of(own)?.since(&used).cpu_ns as f64 / begun.elapsed().as_nanos() as f64;
    guests.check()?;
    zone.process.finish();
    let us = look.us_per_client_tick(plan);
    let user_us = us * look.used.user_share();
    let per_client = look.seconds * f64::from(plan.n_clients);
    Ok(Trial {
        clients: plan.n_clients,
        us_per_client_tick: us,
        user_us,
        kernel_us: us - user_us,
        hz: look.counts.n_snapshots as f64 / per_client,
        hz_sent: look.n_packets_out as f64 / per_client,
        tick_p99_ms: look.tick_ms["p99"].as_f64().unwrap_or(f64::INFINITY),
        shed_level: shed_level(&look.status),
        below_full: below_full(&look.status),
        server_core: look.used.cpu_ns as f64 / 1e9 / look.seconds,
        load_core,
        inputs_sent_share: inputs_sent_share(&look),
        visible_mean: look.counts.n_visible as f64 / look.counts.n_looks.max(1) as f64,
        payload_bytes,
        input_bytes,
    })
}

fn inputs_sent_share(look: &Look) -> f64 {
    crate::stats::share(look.sent.in_time, look.sent.due)
}

/// How much detail the zone gave up at the end of the window.
fn shed_level(status: &Value) -> u64 {
    status["shed"]["level"].as_u64().unwrap_or(u64::MAX)
}

/// Clients that are not on the first level of their budgets; everybody when the zone does not tell.
fn below_full(status: &Value) -> u64 {
    let levels = status.pointer("/budgets/by_level").and_then(Value::as_array);
    let below = levels.and_then(|levels| levels.get(1..)?.iter().map(Value::as_u64).sum());
    below.unwrap_or(u64::MAX)
}

/// Whether everybody was served in full, and by whose fault not.
fn judge(trial: Trial) -> Result<Trial, Miss> {
    let miss = |limited_by, why: String| Err(Miss { clients: trial.clients, limited_by, why });
    if trial.inputs_sent_share < crate::net::runs::SHARE_MIN {
        let share = trial.inputs_sent_share * 100.0;
        return miss(Side::Load, format!("{share:.1} % of the inputs were sent in time, not 95 %"));
    }
    if trial.shed_level > 0 {
        return miss(Side::Server, format!("the zone sheds load, level {}", trial.shed_level));
    }
    if trial.below_full > 0 {
        let text = format!("{} clients have budgets below full detail", trial.below_full);
        return miss(Side::Server, text);
    }
    if trial.hz < HZ_MIN {
        let side = if trial.hz_sent < HZ_MIN { Side::Server } else { Side::Load };
        let text = format!("{:.2} snapshots came per second, {:.2} were sent", trial.hz, trial.hz_sent);
        return miss(side, text);
    }
    if trial.tick_p99_ms > TICK_P99_MS_MAX {
        return miss(Side::Server, format!("ticks take {:.1} ms at p99", trial.tick_p99_ms));
    }
    Ok(trial)
}

impl Report {
    fn print(&self) {
        println!(
            "{} clients by {} in {} get {HZ_MIN} snapshots a second from one core; limited by {:?}: {}",
            self.clients_max,
            self.transport.name(),
            self.workload,
            self.limited_by,
            self.why
        );
        let Some(at) = &self.at else { return };
        println!(
            "  client-tick  {:.2} us: {:.2} user, {:.2} kernel; {} B out, {} B in; sees {:.1} others",
            at.us_per_client_tick,
            at.user_us,
            at.kernel_us,
            at.payload_bytes,
            at.input_bytes,
            at.visible_mean
        );
        println!(
            "  cores        {:.0} % by the zone, {:.0} % by the clients; tick p99 {:.1} ms",
            at.server_core * 100.0,
            at.load_core * 100.0,
            at.tick_p99_ms
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(clients: u32) -> Trial {
        Trial {
            clients,
            us_per_client_tick: 10.0,
            user_us: 5.0,
            kernel_us: 5.0,
            hz: 20.0,
            hz_sent: 20.0,
            tick_p99_ms: 40.0,
            shed_level: 0,
            below_full: 0,
            server_core: 0.8,
            load_core: 0.8,
            inputs_sent_share: 1.0,
            visible_mean: 64.0,
            payload_bytes: 50,
            input_bytes: 20,
        }
    }

    #[test]
    fn a_border_between_two_numbers_is_found_to_a_fortieth() {
        for border in [5, 999, 1_000, 4_321, 7_999, 8_000] {
            let mut search = Search { low: 0, high: CLIENTS_MAX + 1, served: Vec::new(), missed: Vec::new() };
            let mut next = Some(1_000);
            while let Some(n) = next {
                assert!(search.served.len() + search.missed.len() < 20, "no end for {border}");
                let miss = || Miss { clients: n, limited_by: Side::Server, why: String::new() };
                search.note(if n <= border { Ok(trial(n)) } else { Err(miss()) });
                next = search.next();
            }
            assert!(search.low <= border && border - search.low <= (border / FINE).max(10), "{border}");
        }
    }

    #[test]
    fn who_is_not_served_in_full_does_not_count_and_the_full_core_is_named() {
        let side = |change: fn(&mut Trial)| {
            let mut trial = trial(1_000);
            change(&mut trial);
            judge(trial).err().map(|miss| miss.limited_by)
        };
        assert_eq!(side(|_| ()), None);
        assert_eq!(side(|t| t.inputs_sent_share = 0.9), Some(Side::Load));
        assert_eq!(side(|t| t.hz = 19.8), Some(Side::Load));
        assert_eq!(side(|t| (t.hz, t.hz_sent) = (19.8, 19.8)), Some(Side::Server));
        assert_eq!(side(|t| t.shed_level = 1), Some(Side::Server));
        assert_eq!(side(|t| t.below_full = 1), Some(Side::Server));
        assert_eq!(side(|t| t.tick_p99_ms = 50.1), Some(Side::Server));
    }

    #[test]
    fn whoever_has_less_than_full_detail_is_counted() {
        let levels = |levels: Value| below_full(&serde_json::json!({ "budgets": { "by_level": levels } }));
        assert_eq!(levels(serde_json::json!([100, 0, 0])), 0);
        assert_eq!(levels(serde_json::json!([97, 1, 2])), 3);
        assert_eq!(below_full(&Value::Null), u64::MAX);
    }
}
