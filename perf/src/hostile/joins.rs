//! Thousands of players who come within five seconds, and not one late tick.

use super::bounds::{Bound, GAP_MS_MAX};
use crate::Failure;
use crate::load::Schedule;
use crate::machine::Stop;
use crate::zone::admin::{self, Admin};
use crate::zone::crowd::Crowd;
use crate::zone::process::Zone;
use crate::zone::runs::{Guests, Plan};
use harness::scenario;
use serde::Serialize;
use std::path::Path;
use std::time::{Duration, Instant};

/// Within this.
const TIME: Duration = Duration::from_secs(5);
/// Others are there already, and must not notice.
const N_THERE: u32 = 100;
/// Who is not in by then has not come.
const PATIENCE: Duration = Duration::from_secs(15);

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Found {
    /// Who should come in, and who did.
    pub(crate) wanted: u32,
    /// See there.
    pub(crate) joined: u64,
    /// From the first connect to the last welcome.
    pub(crate) seconds: f64,
    /// Ticks that ended after the next one was due.
    pub(crate) late: u64,
    /// Of those in which somebody came.
    pub(crate) tick_ms: serde_json::Value,
    /// Of all who are in play meanwhile. In so short a time one tick that had to wait decides it.
    pub(crate) gap_p99_ms: f64,
    /// How long the zone could have run meanwhile, and others had its core.
    pub(crate) run_queue_ms: f64,
    /// For each who came, all in.
    pub(crate) us_per_join: f64,
    /// Handshakes that failed and were begun again.
    pub(crate) redials: u32,
    /// Panics that the zone caught.
    pub(crate) panics: u64,
}

impl Found {
    /// What must hold.
    pub(crate) fn bounds(&self) -> Vec<Bound> {
        vec![
            Bound::at_least("joins: who came in", self.joined as f64, f64::from(self.wanted)),
            Bound::at_most("joins: seconds until the last was in", self.seconds, TIME.as_secs_f64() + 1.0),
            Bound::at_most("joins: late ticks", self.late as f64, 0.0),
            Bound::at_most("joins: handshakes that failed", f64::from(self.redials), 0.0),
            Bound::at_most("joins: panics", self.panics as f64, 0.0),
            Bound::at_most("joins: snapshot gap p99 meanwhile, ms", self.gap_p99_ms, GAP_MS_MAX),
        ]
    }
}

/// Lets them come.
///
/// # Errors
/// When a process or a client is lost.
pub(crate) fn measure(n: u32, plan: &Plan, arcane: &Path, stop: &Stop) -> anyhow::Result<Found> {
    let plan = Plan { n_clients: n + N_THERE, ..*plan };
    let mut zone = Zone::start((&[arcane.into()], &[]), &plan, stop)?;
    let crowd = Crowd::empty(zone.addr, &plan)?;
    let mut guests = Guests { crowd, stop: stop.clone() };
    guests.crowd.grow(N_THERE as usize, stop)?;
    let mut schedule = Schedule::new(plan.n_clients as usize, scenario::HZ, Instant::now(), stop);
    schedule.run(&mut guests.crowd, Instant::now() + Duration::from_secs(2))?;
    let admin = zone.admin.clone();
    guests.ask(&admin, &mut schedule, |admin| admin.begin_window())?;
    guests.crowd.reset_gaps();
    let before = crate::machine::Use::of(zone.process.pid())?;
    let begun = Instant::now();
    let mut n_open = N_THERE as usize;
    while guests.crowd.n_in() < plan.n_clients as usize {
        let share = begun.elapsed().as_secs_f64() / TIME.as_secs_f64();
        let due = N_THERE as usize + (f64::from(n) * share.min(1.0)) as usize;
        guests.crowd.open(due.saturating_sub(n_open))?;
        n_open = n_open.max(due);
        schedule.run(&mut guests.crowd, Instant::now() + crate::load::ROUND)?;
        if begun.elapsed() > PATIENCE {
            let text = format!("only {} of {} came in", guests.crowd.n_in(), plan.n_clients);
            return Err(Failure::Check(text).into());
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    let used = crate::machine::Use::of(zone.process.pid())?.since(&before);
    // Counters are handed over every few ticks, histograms once a second.
    schedule.run(&mut guests.crowd, Instant::now() + Duration::from_millis(2_200))?;
    let gap_p99_ms = guests.crowd.gaps.at_quantile_ns(0.99) as f64 / 1e6;
    let mut status = guests.ask(&admin, &mut schedule, Admin::status)?;
    guests.check()?;
    zone.process.finish();
    Ok(Found {
        wanted: n,
        joined: (guests.crowd.n_in() as u64).saturating_sub(u64::from(N_THERE)),
        seconds,
        late: status["window"]["late"].as_u64().unwrap_or(u64::MAX),
        tick_ms: status["window"]["tick_ms"].take(),
        gap_p99_ms,
        run_queue_ms: status["window"]["run_queue_ms"].as_f64().unwrap_or(f64::NAN),
        redials: guests.crowd.n_redials(),
        panics: admin::panics(&status)?,
        us_per_join: used.cpu_ns as f64 / 1e3 / f64::from(n),
    })
}
