//! Figures for performance engineers: each sub-benchmark prints a table for people and JSON for machines.
//!
//! [`sim`] times phases 2 to 8 of a tick without sockets; [`counting`] counts what it allocates.
//!
//! Not here: pass or fail. A figure is judged where it is written down, beside its command.
#![deny(unsafe_code)]

mod counting;
mod sim;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

/// Measures Arcane Realms. Build with --release; times are CPU time.
#[derive(Parser)]
#[command(name = "perf", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Times phases 2 to 8 of the tick: movement, combat, index, interest and encoding, without sockets.
    ///
    /// Every client acknowledges over a network with a round trip of 1 to 5 ticks and 1 % loss.
    /// Fails when a scenario has lost its shape: fewer than 60 slots in use in towns or crowd, or no casts.
    Sim(sim::Args),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Sim(args) => sim::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("perf: {error:#}");
            ExitCode::FAILURE
        }
    }
}
