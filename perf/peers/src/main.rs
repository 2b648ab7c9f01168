//! Servers of other libraries that do what `perf net` measures of ours: in every tick a payload to each client,
//! and whatever inputs come are read.
//!
//! [`lines`] is how `perf` asks and [`told`] what it is told, [`tick`] the loop that all share; [`quic`], [`fast`] and [`tungstenite`] are one
//! library each, [`upgrade`] what the two WebSockets have in common. All run on tokio's `current_thread`.
//!
//! Not here: a game. A server knows the wire just well enough for our own clients to talk to it.
//!
//! Source: docs/PERFORMANCE.md "perf net --against".
#![forbid(unsafe_code)]

mod fast;
#[path = "../../src/lines.rs"]
mod lines;
mod quic;
mod tick;
mod told;
mod tungstenite;
mod upgrade;

use anyhow::Context;
use clap::{Parser, ValueEnum};

/// The allocator of our own server.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A server for `perf net --against`.
#[derive(Parser)]
#[command(name = "peers")]
struct Args {
    /// Whose.
    #[arg(value_enum)]
    rival: Rival,
    /// How it is set up.
    #[arg(long, value_enum, default_value_t = Settings::Default)]
    settings: Settings,
    /// Clients at most.
    #[arg(long)]
    clients: usize,
    /// Ticks per second.
    #[arg(long)]
    hz: u32,
    /// Bytes to each client in each tick.
    #[arg(long)]
    payload: usize,
    /// Major version of the wire that clients ask for.
    #[arg(long)]
    wire_major: u16,
}

#[derive(Clone, Copy, ValueEnum)]
enum Rival {
    /// quinn on tokio.
    QuinnTokio,
    /// fastwebsockets on tokio.
    Fastwebsockets,
    /// tokio-tungstenite.
    TokioTungstenite,
}

/// How a library is set up.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Settings {
    /// As it comes.
    Default,
    /// For this traffic.
    Tuned,
}

/// What a server is told of its traffic.
#[derive(Clone, Copy)]
struct Shape {
    settings: Settings,
    n_clients: usize,
    hz: u32,
    payload_bytes: usize,
    wire_major: u16,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let shape = Shape {
        settings: args.settings,
        n_clients: args.clients,
        hz: args.hz,
        payload_bytes: args.payload,
        wire_major: args.wire_major,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("cannot start tokio")?.block_on(async {
        match args.rival {
            Rival::QuinnTokio => quic::run(&shape).await,
            Rival::Fastwebsockets => fast::run(&shape).await,
            Rival::TokioTungstenite => tungstenite::run(&shape).await,
        }
    })
}
