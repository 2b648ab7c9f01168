//! The world as a part of a larger measurement: it waits for orders and says what they cost.

use super::WARM_UP_TICKS;
use crate::lines::{orders, say};
use engine::{Sending, Stage, tick_timed};
use harness::{Drive, Knobs, Loss, Scenario};
use jobs::sys::process_cpu_ns;
use serde::{Deserialize, Serialize};

/// Which world.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[arg(long)]
    players: u32,
    #[arg(long)]
    scenario: Scenario,
    #[arg(long, default_value = "every-tick")]
    send: Sending,
}

/// Some ticks of a world.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Stretch {
    /// CPU time of the ticks.
    pub(crate) cpu_ns: u64,
    /// Clients served, over all ticks.
    pub(crate) client_ticks: u64,
    /// Slots in use, over all clients and ticks.
    pub(crate) visible: u64,
    /// Bytes of all snapshots.
    pub(crate) frame_bytes: u64,
}

impl Stretch {
    /// CPU per client and tick.
    pub(crate) fn us_per_client_tick(&self) -> f64 {
        self.cpu_ns as f64 / 1e3 / self.client_ticks.max(1) as f64
    }

    /// Slots in use per client.
    pub(crate) fn visible_mean(&self) -> f64 {
        self.visible as f64 / self.client_ticks.max(1) as f64
    }

    /// Payload per client and tick.
    pub(crate) fn bytes_per_client_tick(&self) -> f64 {
        self.frame_bytes as f64 / self.client_ticks.max(1) as f64
    }
}

/// The order to run so many ticks.
pub(crate) fn order(n_ticks: u32) -> String {
    n_ticks.to_string()
}

/// Steps whenever it is told to, until the parent goes.
///
/// # Errors
/// When the parent has gone in the middle of an answer.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build()?;
    let knobs = Knobs { scenario: args.scenario, n_players: args.players, n_decoding: 0, loss: Loss::Random };
    let mut drive = Drive::sending(&knobs, args.send);
    pool.install(|| drive.run(WARM_UP_TICKS));
    say(&Stretch::default())?;
    for order in orders() {
        let n_ticks: u32 = order.parse()?;
        let before = drive.world.counts();
        let cpu_ns = pool.install(|| (0..n_ticks).map(|_| step(&mut drive)).sum());
        let after = drive.world.counts();
        say(&Stretch {
            cpu_ns,
            client_ticks: after.client_ticks - before.client_ticks,
            visible: after.visible - before.visible,
            frame_bytes: after.frame_bytes - before.frame_bytes,
        })?;
    }
    Ok(())
}

fn step(drive: &mut Drive) -> u64 {
    let mut cpu_ns = 0;
    drive.step(|world, inputs| {
        let begun = process_cpu_ns();
        tick_timed(world, inputs, |_: Stage| ());
        cpu_ns = process_cpu_ns() - begun;
    });
    cpu_ns
}
