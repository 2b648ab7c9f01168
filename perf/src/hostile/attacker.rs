//! An attacker in a process of its own, on the core of the load.

use crate::child::Process;
use crate::lines::{orders, say};
use crate::machine::{Cores, Stop};
use anyhow::Context;
use attacks::{Kind, Plan, Tally};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::sync::mpsc::TryRecvError;
use std::time::Duration;

/// A tally comes within this.
const ANSWER: Duration = Duration::from_secs(5);

/// What the process is told.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Name of the attack.
    #[arg(long)]
    kind: String,
    /// Whom it is for.
    #[arg(long)]
    server: SocketAddr,
    /// How often per second.
    #[arg(long)]
    per_second: u32,
    /// Attackers that are let in.
    #[arg(long)]
    attackers: usize,
}

/// What it says whenever it is asked.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Said {
    /// So far.
    pub(crate) tally: Tally,
}

/// Attacks until the parent goes; any order asks for the tally.
///
/// # Errors
/// When the machine gives no sockets.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let kind =
        Kind::ALL.into_iter().find(|kind| kind.name() == args.kind).context("there is no such attack")?;
    let plan = Plan { kind, server: args.server, per_second: args.per_second, n_attackers: args.attackers };
    let orders = orders();
    let mut outcome = Ok(());
    let attacked = attacks::run(&plan, |tally| match orders.try_recv() {
        Ok(_) => {
            outcome = say(&Said { tally: *tally });
            outcome.is_ok()
        }
        Err(TryRecvError::Empty) => true,
        Err(TryRecvError::Disconnected) => false,
    });
    attacked.context("the attack needs sockets")?;
    outcome
}

/// The attacker's process.
pub(crate) struct Attacker(Process);

impl Attacker {
    /// Begins.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn start(plan: &Plan, cores: Cores, stop: &Stop) -> anyhow::Result<Self> {
        let words = [
            "attacker".to_owned(),
            format!("--kind={}", plan.kind.name()),
            format!("--server={}", plan.server),
            format!("--per-second={}", plan.per_second),
            format!("--attackers={}", plan.n_attackers),
        ];
        Ok(Self(Process::part("the attacker", cores.load, words.map(Into::into), stop)?))
    }

    /// What came of it so far.
    ///
    /// # Errors
    /// When it has ended.
    pub(crate) fn tally(&mut self) -> anyhow::Result<Tally> {
        self.0.tell("tally")?;
        Ok(self.0.hear::<Said>(ANSWER)?.tally)
    }
}
