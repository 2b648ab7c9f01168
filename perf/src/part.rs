//! The processes of a measurement: this same program, started by itself.

use crate::hostile;
use crate::net::{self, Shape, Transport};
use crate::{child, sim};
use clap::Subcommand;
use jobs::Core;
use std::ffi::OsString;

/// Which part, and where.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The core it runs on.
    #[arg(long)]
    core: u16,
    #[command(subcommand)]
    part: Part,
}

#[derive(Subcommand)]
enum Part {
    /// The server of the UDP floor.
    Floor(Traffic),
    /// The server of the transport.
    Wire(Traffic),
    /// A world without sockets.
    World(sim::part::Args),
    /// Who attacks a zone.
    Attacker(hostile::attacker::Args),
    /// A UDP socket that answers every packet.
    Answers {
        /// Bytes of an answer.
        #[arg(long)]
        reply: usize,
    },
    /// Another program.
    Program {
        /// It, and its arguments.
        #[arg(required = true, last = true)]
        words: Vec<OsString>,
    },
}

#[derive(clap::Args)]
struct Traffic {
    #[arg(long)]
    clients: u32,
    #[arg(long)]
    hz: u32,
    #[arg(long)]
    payload: u16,
}

impl Traffic {
    fn shape(&self) -> Shape {
        Shape {
            transport: Transport::Mixed,
            n_clients: self.clients,
            hz: self.hz,
            payload_bytes: self.payload,
            input_bytes: net::INPUT_BYTES,
            seconds: 0,
        }
    }
}

/// Runs it until its parent goes.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    child::settle(args.core)?;
    match &args.part {
        Part::Floor(traffic) => net::floor::run(&traffic.shape()),
        Part::Wire(traffic) => net::server::run(&traffic.shape(), Core(args.core)),
        Part::World(args) => sim::part::run(args),
        Part::Attacker(args) => hostile::attacker::run(args),
        Part::Answers { reply } => hostile::floor::run(*reply),
        Part::Program { words } => Err(child::become_program(words)),
    }
}
