//! `perf hostile`: a whole zone with honest players, under each attack, and what that costs them.
//!
//! [`bounds`] has what must hold and the rate of each attack. [`trial`] is the zone with its players, [`attacker`] the
//! process that attacks it, [`floor`] the least that a first packet can cost, [`joins`] a rush of honest players.
//!
//! Source: docs/SECURITY.md "Attacks that are tried".

pub(crate) mod attacker;
pub(crate) mod bounds;
pub(crate) mod floor;
mod joins;
mod trial;

use crate::Failure;
use crate::machine::{self, Stop};
use crate::net::Transport;
use crate::stats::{Middle, median};
use crate::zone::process::{self, Kind as Build};
use crate::zone::runs::Plan;
use anyhow::Context;
use attacks::amplify::{Weighed, weigh};
use attacks::{Kind, Tally};
use bounds::{
    AMPLIFICATION_MAX, Bound, CPU_RATIO_MAX, DEEDS_SHARE_MIN, GAP_MS_MAX, MEMBER_KIB_MAX, STRANGER_KIB_MAX,
};
use engine::Sending;
use harness::Scenario;
use jobs::sys::set_affinity;
use serde::Serialize;
use std::path::PathBuf;
use std::time::Duration;
use trial::Trial;

/// All that a server repeats to somebody who has fallen silent: longer than a handshake may take.
const LISTEN: Duration = Duration::from_secs(7);
/// Players beside whom a flood is measured against the floor: enough that the zone does not wake for each packet.
const FEW: u32 = 20;

/// After an attack, before the next window without one: half-open connections and the deadlines of handshakes are gone by
/// then. Bodies of attackers who were let in stay for longer, and are in both windows of every pair but the first.
const RECOVERY: Duration = Duration::from_secs(6);

/// What to try.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// One attack: all, joins, amplification, floor, or one of those in the report.
    #[arg(long, default_value = "all")]
    attack: String,
    /// Honest clients, half on QUIC and half on WebSocket.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(10..=4_000))]
    clients: u32,
    /// Players who come within five seconds.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(10..=4_000))]
    joins: u32,
    /// Windows with the attack, each beside one without.
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u16).range(1..=99))]
    pairs: u16,
    /// Length of a window.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// The zone's program; otherwise the one beside this one, built first when cargo runs this.
    #[arg(long, value_name = "FILE")]
    arcane: Option<PathBuf>,
    /// Prints one line of JSON only.
    #[arg(long)]
    json: bool,
}

/// What was found of one attack beside honest clients.
#[derive(Debug, Serialize)]
struct Attacked {
    attack: Kind,
    per_second: u32,
    unit: &'static str,
    attackers: usize,
    /// What the attackers must have done at least for this to say anything.
    deeds_min: f64,
    /// Panics that the zone caught.
    panics: u64,
    us_per_client_tick: f64,
    quiet_us_per_client_tick: f64,
    /// Median of the pairs.
    cpu_ratio: f64,
    cpu_ratio_min: f64,
    cpu_ratio_max: f64,
    gap_p99_ms: f64,
    quiet_gap_p99_ms: f64,
    kib_per_attacker: f64,
    inputs_sent_share: f64,
    tally: Tally,
}

#[derive(Debug, Serialize)]
struct Report {
    clients: u32,
    pairs: u16,
    seconds: u64,
    attacks: Vec<Attacked>,
    #[serde(skip_serializing_if = "Option::is_none")]
    floor: Option<floor::Found>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    amplification: Vec<Weighed>,
    /// Panics that the zone of `floor` and `amplification` caught.
    panics: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    joins: Option<joins::Found>,
    bounds: Vec<Bound>,
    missed: Vec<String>,
}

/// Attacks, prints and judges.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let kinds = chosen(&args.attack)?;
    let is_asked = |name: &str| args.attack == "all" || args.attack == name;
    let cores = machine::two_cores()?;
    let stop = Stop::on_signals()?;
    let arcane = process::find(Build::Plain, args.arcane.as_deref())?;
    set_affinity(&[cores.load]).context("cannot use the second core")?;
    let plan = Plan {
        n_clients: args.clients,
        transport: Transport::Mixed,
        scenario: Scenario::Towns,
        sending: Sending::EveryTick,
        packs: false,
        seconds: args.seconds,
        n_turns: args.pairs,
        cores,
    };
    let mut report = Report {
        clients: args.clients,
        pairs: args.pairs,
        seconds: args.seconds,
        attacks: Vec::new(),
        floor: None,
        amplification: Vec::new(),
        panics: 0,
        joins: None,
        bounds: Vec::new(),
        missed: Vec::new(),
    };
    if is_asked("joins") {
        report.joins = Some(joins::measure(args.joins, &plan, &arcane, &stop)?);
    }
    if is_asked("floor") || is_asked("amplification") || kinds.contains(&Kind::Initials) {
        let mut trial = Trial::start(&Plan { n_clients: FEW, ..plan }, &arcane, &stop)?;
        if is_asked("floor") || kinds.contains(&Kind::Initials) {
            report.floor = Some(floor::measure(&mut trial, (args.pairs, args.seconds), cores, &stop)?);
        }
        if is_asked("amplification") {
            let server = trial.addr();
            let thread = std::thread::spawn(move || weigh(server, LISTEN));
            trial.play(LISTEN)?;
            report.amplification = thread.join().ok().context("the questions panicked")??;
        }
        report.panics = trial.end()?;
    }
    for kind in kinds {
        report.attacks.push(attack(kind, &plan, &arcane, &stop)?);
    }
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

fn chosen(name: &str) -> anyhow::Result<Vec<Kind>> {
    let found: Vec<Kind> =
        Kind::ALL.into_iter().filter(|kind| name == "all" || kind.name() == name).collect();
    if found.is_empty() && !["joins", "amplification", "floor"].contains(&name) {
        let names: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        let text =
            format!("no attack {name:?}: there are all, joins, amplification, floor, {}", names.join(", "));
        return Err(Failure::Usage(text).into());
    }
    Ok(found)
}

/// Windows with and without an attack, in turn, in a zone of its own: what one leaves behind is not the next one's.
fn attack(kind: Kind, plan: &Plan, arcane: &std::path::Path, stop: &Stop) -> anyhow::Result<Attacked> {
    let mut trial = Trial::start(plan, arcane, stop)?;
    let dose = bounds::dose(kind);
    let attack = attacks::Plan {
        kind,
        server: trial.addr(),
        per_second: dose.per_second,
        n_attackers: dose.n_attackers,
    };
    let (mut quiet, mut under, mut kib_per_attacker) = (Vec::new(), Vec::new(), Vec::new());
    let mut sum = Tally::default();
    for turn in 0..plan.n_turns {
        if turn > 0 {
            trial.play(RECOVERY)?;
        }
        quiet.push(trial.window(None, plan.seconds)?.0);
        let (window, tally) = trial.window(Some((&attack, plan.cores)), plan.seconds)?;
        sum.add(&tally);
        // Whoever was thrown out and came again leaves a body behind each time.
        let n = if kind.is_let_in() { tally.n_played.max(dose.n_attackers as u64) } else { tally.n_open };
        let grown_kib = window.live_kib.saturating_sub(quiet[quiet.len() - 1].live_kib);
        kib_per_attacker.push(grown_kib as f64 / n.max(1) as f64);
        eprintln!(
            "{}, pair {}: {:.2} us without, {:.2} with",
            kind.name(),
            turn + 1,
            quiet[quiet.len() - 1].us_per_client_tick,
            window.us_per_client_tick
        );
        under.push(window);
    }
    let panics = trial.end()?;
    let ratios: Vec<f64> = quiet
        .iter()
        .zip(&under)
        .map(|(quiet, under)| under.us_per_client_tick / quiet.us_per_client_tick)
        .collect();
    let ratio = Middle::of(&ratios, |ratio| *ratio);
    Ok(Attacked {
        attack: kind,
        per_second: dose.per_second,
        unit: kind.unit(),
        attackers: dose.n_attackers,
        deeds_min: f64::from(dose.per_second)
            * plan.seconds as f64
            * f64::from(plan.n_turns)
            * DEEDS_SHARE_MIN,
        panics,
        us_per_client_tick: Middle::of(&under, |window| window.us_per_client_tick).value,
        quiet_us_per_client_tick: Middle::of(&quiet, |window| window.us_per_client_tick).value,
        cpu_ratio: median(&ratios),
        cpu_ratio_min: ratio.range.min,
        cpu_ratio_max: ratio.range.max,
        gap_p99_ms: Middle::of(&under, |window| window.gap_p99_ms).value,
        quiet_gap_p99_ms: Middle::of(&quiet, |window| window.gap_p99_ms).value,
        kib_per_attacker: median(&kib_per_attacker),
        inputs_sent_share: Middle::of(&under, |window| window.sent_share).value,
        tally: sum,
    })
}

impl Report {
    fn judge(&mut self) {
        let mut bounds: Vec<Bound> = self.attacks.iter().flat_map(Attacked::bounds).collect();
        bounds.extend(self.floor.iter().flat_map(floor::Found::bounds));
        bounds.extend(self.amplification.iter().map(|weighed| {
            let what = format!("amplification: {:?}, bytes out per byte in", weighed.question);
            Bound::at_most(what, weighed.factor(), AMPLIFICATION_MAX)
        }));
        if self.floor.is_some() || !self.amplification.is_empty() {
            bounds.push(Bound::at_most("first packets and questions: panics", self.panics as f64, 0.0));
        }
        bounds.extend(self.joins.iter().flat_map(joins::Found::bounds));
        let missed = bounds.iter().filter(|bound| !bound.holds);
        self.missed = missed.map(|bound| format!("{} is {:.2}", bound.what, bound.found)).collect();
        self.bounds = bounds;
    }

    fn print(&self) {
        println!(
            "{} honest clients on both transports; {} pairs of windows of {} s",
            self.clients, self.pairs, self.seconds
        );
        for attack in &self.attacks {
            println!(
                "{:10} {} {} per second: {:.2} us per honest client-tick, {:.2} without; {} let in, {} thrown out",
                attack.attack.name(),
                attack.per_second,
                attack.unit,
                attack.us_per_client_tick,
                attack.quiet_us_per_client_tick,
                attack.tally.n_played,
                attack.tally.n_closed
            );
        }
        if let Some(floor) = &self.floor {
            println!(
                "a first packet costs {:.2} us, the floor {:.2} us; a Retry has {:.0} B",
                floor.us, floor.floor_us, floor.retry_bytes
            );
        }
        if let Some(joins) = &self.joins {
            println!(
                "{} joins within {:.1} s, {:.0} us each; {:.0} ms of waiting for the core; ticks {}",
                joins.joined, joins.seconds, joins.us_per_join, joins.run_queue_ms, joins.tick_ms
            );
        }
        self.bounds.iter().for_each(Bound::print);
    }
}

impl Attacked {
    fn bounds(&self) -> Vec<Bound> {
        let name = self.attack.name();
        let mut bounds = vec![
            Bound::at_most(
                format!("{name}: CPU per honest client-tick, ratio"),
                self.cpu_ratio,
                CPU_RATIO_MAX,
            ),
            Bound::at_most(format!("{name}: snapshot gap p99, ms"), self.gap_p99_ms, GAP_MS_MAX),
            Bound::at_least(
                format!("{name}: inputs of honest clients in time"),
                self.inputs_sent_share,
                0.95,
            ),
            Bound::at_most(format!("{name}: panics"), self.panics as f64, 0.0),
            Bound::at_least(
                format!("{name}: {} that were tried", self.unit),
                self.n_tried() as f64,
                self.deeds_min,
            ),
        ];
        let kib_max = if self.attack.is_let_in() { MEMBER_KIB_MAX } else { STRANGER_KIB_MAX };
        if self.attack == Kind::Initials {
            return bounds;
        }
        bounds.push(Bound::at_most(format!("{name}: KiB per attacker"), self.kib_per_attacker, kib_max));
        if !self.attack.is_let_in() {
            bounds.push(Bound::at_least(format!("{name}: connections kept"), self.tally.n_open as f64, 1.0));
        }
        bounds
    }

    /// How often the attack was made; of first packets those count that were answered.
    fn n_tried(&self) -> u64 {
        match self.attack {
            Kind::Initials => self.tally.n_in,
            Kind::HalfOpen => self.tally.n_dialled,
            Kind::Slowloris => self.tally.n_out,
            _ => self.tally.n_deeds,
        }
    }
}
