//! `perf sim --against reference`: our tick beside that of a plain server, same inputs, same run.
//!
//! Both step worlds of their own. Windows of both take turns: the inputs that our clients made in a window of ours
//! are kept, and the plain server is given the same ones. In the end everybody must stand at the same place in both
//! worlds. Source: docs/PERFORMANCE.md "The reference".

use super::{Args, WARM_UP_TICKS};
use crate::Failure;
use crate::calibrate::{self, Calibration};
use crate::counting::n_allocations;
use crate::stats::{Range, median};
use anyhow::{Context, ensure};
use engine::{EntityId, Input, Stage, tick_timed};
use harness::{Drive, Knobs, Loss, Scenario};
use jobs::sys::process_cpu_ns;
use reference::{Habits, Phase, World};
use serde::Serialize;

/// Ticks of a window: the first one or two find the caches full of the other world.
const WINDOW_TICKS: u32 = 20;

/// Who is measured beside us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Rival {
    /// A plain server: every client looks around in every tick, and all candidates are sorted.
    Reference,
    /// The same with two of our ideas that need no other design: clients look around at 5 Hz, only winners are sorted.
    ThriftyReference,
}

impl Rival {
    fn habits(self) -> Habits {
        match self {
            Self::Reference => Habits::PLAIN,
            Self::ThriftyReference => Habits::THRIFTY,
        }
    }
}

/// CPU time of one window of one side, per tick, and what it sent.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    tick_ns: f64,
    index_ns: f64,
    clients_ns: f64,
    bytes: f64,
    allocations: f64,
}

/// The result; field names are part of the command.
#[derive(Serialize)]
struct Report {
    players: u32,
    creatures: u32,
    scenario: &'static str,
    threads: u16,
    ticks: u32,
    rival: Habit,
    windows: usize,
    ratio_to_reference: f64,
    ratio_to_reference_range: Range,
    ratio_of_ticks: f64,
    ratio_of_ticks_range: Range,
    client_us: f64,
    index_us: f64,
    tick_ms: f64,
    bytes_per_client_tick: f64,
    reference_client_us: f64,
    reference_index_us: f64,
    reference_tick_ms: f64,
    reference_bytes_per_client_tick: f64,
    reference_allocations_per_tick: f64,
    bodies_compared: usize,
    calibrate: Calibration,
}

/// How the rival works.
#[derive(Serialize)]
struct Habit {
    look_every_ticks: u32,
    sorts_all: bool,
}

/// Both worlds.
struct Pair {
    drive: Drive,
    plain: World,
    /// Inputs of one window of ours, tick by tick.
    kept: Vec<Vec<Input>>,
}

/// Measures and prints.
pub(super) fn run(args: &Args, rival: Rival) -> anyhow::Result<()> {
    if args.scenario == Scenario::Brawl {
        let text = "the plain server knows no casts: there is no brawl with it".to_owned();
        return Err(Failure::Usage(text).into());
    }
    if args.scenario.drill().is_some() {
        let text = "the plain server has no players that walk by plan: there is no w1 with it".to_owned();
        return Err(Failure::Usage(text).into());
    }
    let threads = usize::from(args.threads);
    let pool =
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().context("the pool does not start")?;
    let report = pool.install(|| measure(args, rival))?;
    if !args.json {
        print(&report);
    }
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

fn measure(args: &Args, rival: Rival) -> anyhow::Result<Report> {
    let calibrate = calibrate::short();
    let mut pair = Pair::new(args, rival.habits());
    for _ in 0..WARM_UP_TICKS / WINDOW_TICKS {
        pair.window();
    }
    let windows: Vec<(Window, Window)> =
        (0..args.ticks.div_ceil(WINDOW_TICKS)).map(|_| pair.window()).collect();
    let bodies_compared = pair.compare()?;
    let clients = f64::from(args.players);
    let middle = |figure: &dyn Fn(&(Window, Window)) -> f64| {
        let values: Vec<f64> = windows.iter().map(figure).collect();
        (median(&values), Range::of(&values))
    };
    let ratio = middle(&|(ours, theirs)| {
        (theirs.index_ns + theirs.clients_ns) / (ours.index_ns + ours.clients_ns).max(1.0)
    });
    let ratio_of_ticks = middle(&|(ours, theirs)| theirs.tick_ns / ours.tick_ns.max(1.0));
    let of_ours = |figure: fn(&Window) -> f64| middle(&|pair| figure(&pair.0)).0;
    let of_theirs = |figure: fn(&Window) -> f64| middle(&|pair| figure(&pair.1)).0;
    let habits = rival.habits();
    Ok(Report {
        players: args.players,
        creatures: pair.drive.world.config().creatures,
        scenario: args.scenario.name(),
        threads: args.threads,
        ticks: args.ticks,
        rival: Habit { look_every_ticks: habits.look_every_ticks, sorts_all: habits.sorts_all },
        windows: windows.len(),
        ratio_to_reference: ratio.0,
        ratio_to_reference_range: ratio.1,
        ratio_of_ticks: ratio_of_ticks.0,
        ratio_of_ticks_range: ratio_of_ticks.1,
        client_us: of_ours(|window| window.clients_ns) / clients / 1e3,
        index_us: of_ours(|window| window.index_ns) / clients / 1e3,
        tick_ms: of_ours(|window| window.tick_ns) / 1e6,
        bytes_per_client_tick: of_ours(|window| window.bytes) / clients,
        reference_client_us: of_theirs(|window| window.clients_ns) / clients / 1e3,
        reference_index_us: of_theirs(|window| window.index_ns) / clients / 1e3,
        reference_tick_ms: of_theirs(|window| window.tick_ns) / 1e6,
        reference_bytes_per_client_tick: of_theirs(|window| window.bytes) / clients,
        reference_allocations_per_tick: of_theirs(|window| window.allocations),
        bodies_compared,
        calibrate,
    })
}

impl Pair {
    fn new(args: &Args, habits: Habits) -> Self {
        let knobs =
            Knobs { scenario: args.scenario, n_players: args.players, n_decoding: 0, loss: Loss::Random };
        let config = args.scenario.config(args.players);
        Self {
            drive: Drive::new(&knobs),
            plain: World::new(&config, args.scenario.content(), habits),
            kept: vec![Vec::new(); WINDOW_TICKS as usize],
        }
    }

    /// One window of ours, then one of theirs with the same inputs.
    fn window(&mut self) -> (Window, Window) {
        (self.ours(), self.theirs())
    }

    fn ours(&mut self) -> Window {
        let mut sum = [0u64; Stage::ALL.len()];
        let mut allocations = 0;
        let bytes_before = self.drive.world.counts().frame_bytes;
        for kept in &mut self.kept {
            self.drive.step(|world, inputs| {
                kept.clear();
                kept.extend_from_slice(inputs);
                let (mut last, allocations_before) = (process_cpu_ns(), n_allocations());
                tick_timed(world, inputs, |stage| {
                    let now = process_cpu_ns();
                    sum[stage as usize] += now - last;
                    last = now;
                });
                allocations += n_allocations() - allocations_before;
            });
        }
        let bytes = self.drive.world.counts().frame_bytes - bytes_before;
        Window {
            tick_ns: mean(sum.iter().sum()),
            index_ns: mean(sum[Stage::Index as usize]),
            clients_ns: mean(sum[Stage::Clients as usize]),
            bytes: mean(bytes),
            allocations: mean(allocations),
        }
    }

    fn theirs(&mut self) -> Window {
        let mut sum = [0u64; Phase::N];
        let (mut bytes, mut allocations) = (0, 0);
        for inputs in &self.kept {
            let (mut last, allocations_before) = (process_cpu_ns(), n_allocations());
            self.plain.tick_timed(inputs, |phase| {
                let now = process_cpu_ns();
                sum[phase as usize] += now - last;
                last = now;
            });
            allocations += n_allocations() - allocations_before;
            bytes += self.plain.frames().map(|(_, frame)| frame.len() as u64).sum::<u64>();
        }
        Window {
            tick_ns: mean(sum.iter().sum()),
            index_ns: mean(sum[Phase::Index as usize]),
            clients_ns: mean(sum[Phase::Clients as usize]),
            bytes: mean(bytes),
            allocations: mean(allocations),
        }
    }

    /// Everybody must stand at the same place in both worlds: otherwise the figures are of different games.
    fn compare(&self) -> anyhow::Result<usize> {
        let columns = self.drive.world.columns();
        let mut n = 0;
        for row in (0..columns.n_rows()).filter(|row| columns.id[*row] != EntityId::NONE) {
            let (id, place) = (columns.id[row], (columns.x_mm[row], columns.y_mm[row]));
            let there = self.plain.body(id).map(reference::bodies::Body::place);
            ensure!(there == Some(place), "{id:?} is at {place:?} here and at {there:?} there");
            n += 1;
        }
        let n_there = self.plain.bodies().count();
        ensure!(n == n_there, "{n} bodies here and {n_there} there");
        Ok(n)
    }
}

/// Per tick.
fn mean(sum: u64) -> f64 {
    sum as f64 / f64::from(WINDOW_TICKS)
}

fn print(report: &Report) {
    println!(
        "{} players + {} creatures, {}, {} thread(s), {} windows of {WINDOW_TICKS} ticks",
        report.players, report.creatures, report.scenario, report.threads, report.windows
    );
    println!("               client     index       tick     bytes per client-tick");
    println!(
        "  ours      {:>7.3} us {:>6.3} us {:>7.3} ms   {:>7.1}",
        report.client_us, report.index_us, report.tick_ms, report.bytes_per_client_tick
    );
    println!(
        "  reference {:>7.3} us {:>6.3} us {:>7.3} ms   {:>7.1}",
        report.reference_client_us,
        report.reference_index_us,
        report.reference_tick_ms,
        report.reference_bytes_per_client_tick
    );
    println!(
        "  ratio {:.1} ({:.1} to {:.1}) for index and clients, {:.1} ({:.1} to {:.1}) for whole ticks; {} bodies alike",
        report.ratio_to_reference,
        report.ratio_to_reference_range.min,
        report.ratio_to_reference_range.max,
        report.ratio_of_ticks,
        report.ratio_of_ticks_range.min,
        report.ratio_of_ticks_range.max,
        report.bodies_compared
    );
    println!("  {}", report.calibrate);
}
