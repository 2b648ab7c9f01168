//! Figures for performance engineers: each sub-benchmark prints a table for people and JSON for machines.
//!
//! [`sim`] times phases 2 to 8 of a tick without sockets, [`scale`] the same from few players to many, [`icount`]
//! counts its instructions. [`hostile`] attacks a zone, [`soak`] lets one live for long. [`wal`] times checkpoints and replay. [`net`] times the transport without a world, [`zone`] a whole zone process, [`calibrate`] the machine under all of them, [`instruments`] what measuring a tick costs. They
//! share [`child`] (processes that are measured, and [`lines`] to and from them), [`load`] (clients on a schedule), [`machine`] (what the kernel
//! says) and [`stats`]; [`counting`] counts what a tick allocates.
//!
//! Not here: pass or fail. A figure is judged where it is written down, beside its command.
#![deny(unsafe_code)]

mod calibrate;
mod child;
mod counting;
mod hostile;
mod icount;
mod instruments;
mod lines;
mod load;
mod machine;
mod net;
mod part;
mod scale;
mod sim;
mod soak;
mod stats;
mod wal;
mod zone;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

/// Measures Arcane Realms. Build with --release; times are CPU time.
#[derive(Parser)]
#[command(name = "perf", version, arg_required_else_help = true, after_help = CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const CODES: &str = "\
Exit codes: 0 measured, 1 measured something that does not count, 2 wrong command line, 3 the machine lacks \
something.";

#[derive(Subcommand)]
enum Command {
    /// Times phases 2 to 8 of the tick: movement, combat, index, interest and encoding, without sockets.
    ///
    /// Every client acknowledges over a network with a round trip of 1 to 5 ticks and 1 % loss.
    /// Fails when a scenario has lost its shape: fewer than 60 slots in use in towns or crowd, or no casts.
    Sim(sim::Args),
    /// Times the transport alone, beside bare UDP with the same traffic.
    ///
    /// A server on the first core, its clients on the second; windows of both take turns. Fails when fewer than
    /// 95 % of the inputs were sent in time, or of either direction delivered.
    Net(net::Args),
    /// Times a whole zone process with clients over real sockets, beside `net` and `sim` with the same traffic.
    ///
    /// Zone on the first core, clients on the second; windows of all three take turns.
    Zone(zone::Args),
    /// Attacks a zone process while honest clients play in it, and fails when they notice.
    ///
    /// Zone on the first core, attacker and honest clients on the second; windows with and without the attack take turns.
    Hostile(hostile::Args),
    /// Lets a zone live with clients that come, go, vanish and come back, and fails when it grows.
    Soak(soak::Args),
    /// Times what it costs that nothing confirmed is lost: checkpoints, and living a log again.
    Wal(wal::Args),
    /// Says how fast this machine is right now.
    Calibrate(calibrate::Args),
    /// Runs ticks with or without measuring them: what `scripts/instruments` compares under callgrind.
    Instruments(instruments::Args),
    /// Counts the instructions of a tick and of its parts, which no noise moves, and compares them with a baseline.
    ///
    /// Runs itself under valgrind's callgrind: towns, one thread. From the top of the tree.
    Icount(icount::Args),
    /// Times a player among few and among many, on one thread and on all that the machine has.
    Scale(scale::Args),
    /// What `icount` counts; not for people.
    #[command(hide = true)]
    Counted(icount::load::Args),
    /// What `net --instructions` counts; not for people.
    #[command(hide = true)]
    CountedNet(net::counted::Args),
    /// One process of a measurement; not for people.
    #[command(hide = true)]
    Part(part::Args),
}

/// Why there is no figure.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Something was measured, and says nothing.
    Check(String),
    /// The command line asks for what there is not.
    Usage(String),
    /// The machine does not have what it takes.
    Machine(String),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::Check(text) | Self::Usage(text) | Self::Machine(text)) = self;
        f.write_str(text)
    }
}

impl std::error::Error for Failure {}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Sim(args) => sim::run(&args),
        Command::Net(args) => net::run(&args),
        Command::Zone(args) => zone::run(&args),
        Command::Hostile(args) => hostile::run(&args),
        Command::Soak(args) => soak::run(&args),
        Command::Wal(args) => wal::run(&args),
        Command::Calibrate(args) => calibrate::run(&args),
        Command::Instruments(args) => instruments::run(&args),
        Command::Icount(args) => icount::run(&args),
        Command::Scale(args) => scale::run(&args),
        Command::Counted(args) => icount::load::run(&args),
        Command::CountedNet(args) => net::counted::run(&args),
        Command::Part(args) => part::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("perf: {error:#}");
            ExitCode::from(code_of(&error))
        }
    }
}

fn code_of(error: &anyhow::Error) -> u8 {
    match error.downcast_ref::<Failure>() {
        Some(Failure::Check(_)) => 1,
        Some(Failure::Usage(_)) => 2,
        Some(Failure::Machine(_)) => 3,
        None if error.chain().any(|cause| cause.is::<std::io::Error>()) => 3,
        None => 1,
    }
}
