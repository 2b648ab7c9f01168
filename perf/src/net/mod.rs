//! `perf net`: the transport alone, beside the least that UDP can cost.
//!
//! [`server`] is the measured process: [`transport::Server`] driven as a zone drives it, but with payloads of
//! nothing. [`floor`] is the other one: a UDP socket. [`crowd`] has the clients of both, [`runs`] takes turns.
//! [`against`] has the servers of other libraries.
//!
//! Source: docs/PERFORMANCE.md "perf net".

mod against;
pub(crate) mod counted;
pub(crate) mod crowd;
pub(crate) mod floor;
mod instructions;
pub(crate) mod report;
pub(crate) mod runs;
pub(crate) mod server;

use crate::calibrate;
use crate::machine::{self, Stop};
use anyhow::Context;
use jobs::sys::set_affinity;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use transport::Link;

/// Bytes of an input, as a client in play sends it.
pub(crate) const INPUT_BYTES: u16 = 40;

/// Who uses which link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Transport {
    /// Everybody QUIC.
    Quic,
    /// Everybody WebSocket.
    #[value(name = "websocket")]
    WebSocket,
    /// In turn.
    Mixed,
}

impl Transport {
    /// The link of a client.
    pub(crate) fn link(self, client: usize) -> Link {
        match self {
            Self::Quic => Link::Quic,
            Self::WebSocket => Link::WebSocket,
            Self::Mixed if client.is_multiple_of(2) => Link::Quic,
            Self::Mixed => Link::WebSocket,
        }
    }

    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Quic => "quic",
            Self::WebSocket => "websocket",
            Self::Mixed => "mixed",
        }
    }
}

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How the clients connect.
    #[arg(long, value_enum, default_value_t = Transport::Quic)]
    transport: Transport,
    /// Clients, each with a payload out and an input in per tick.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=8_000))]
    clients: u32,
    /// Ticks per second.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=60))]
    hz: u32,
    /// Bytes of payload to every client in every tick.
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u16).range(1..=1_100))]
    payload: u16,
    /// Length of a measured window; connections survive a pause of 8 seconds.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=8))]
    seconds: u64,
    /// Pairs of a window of the floor and one of the transport, in turn.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=99))]
    pairs: u16,
    /// Counts instructions of ticks and handshakes instead of measuring time, under callgrind. Take some 100 clients.
    #[arg(long)]
    instructions: bool,
    /// Servers of other libraries that do the same in the same run; with commas between them.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "LIBRARIES")]
    against: Vec<against::Rival>,
    /// Their program; otherwise the one in perf/peers, built first when cargo runs this.
    #[arg(long, value_name = "FILE", requires = "against")]
    peers: Option<PathBuf>,
    /// Prints one line of JSON only.
    #[arg(long)]
    json: bool,
}

/// What both processes are told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// How they connect.
    pub(crate) transport: Transport,
    /// How many.
    pub(crate) n_clients: u32,
    /// Ticks per second.
    pub(crate) hz: u32,
    /// Bytes out per client and tick.
    pub(crate) payload_bytes: u16,
    /// Bytes in per client and tick.
    pub(crate) input_bytes: u16,
    /// Length of a window.
    pub(crate) seconds: u64,
}

/// Measures and prints.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    if args.instructions {
        return instructions::run(args);
    }
    let rivals = against::Choice::new(args)?;
    let cores = machine::two_cores()?;
    let stop = Stop::on_signals()?;
    set_affinity(&[cores.server]).context("cannot use the first core")?;
    let calibration = calibrate::short();
    set_affinity(&[cores.load]).context("cannot use the second core")?;
    let shape = Shape {
        transport: args.transport,
        n_clients: args.clients,
        hz: args.hz,
        payload_bytes: args.payload,
        input_bytes: INPUT_BYTES,
        seconds: args.seconds,
    };
    let watch = machine::Watch::begin(std::process::id(), cores.server)?;
    let mut rivals = against::Ring::start(&rivals, &shape, cores, &stop)?;
    let mut floor = runs::Side::floor(&shape, cores, &stop)?;
    rivals.breathe(&shape)?;
    let mut wire = runs::Side::wire(&shape, cores, &stop)?;
    let mut pairs = runs::Pairs::default();
    while pairs.goes_on(args.pairs) {
        rivals.breathe(&shape)?;
        let floor = floor.window(&shape)?;
        rivals.breathe(&shape)?;
        let turn = (floor, wire.window(&shape)?);
        let n_counted = pairs.counted.len();
        eprintln!("{}", pairs.add(turn, args.pairs));
        rivals.windows(&shape, &mut wire, pairs.counted.get(n_counted).map(|(_, wire)| wire))?;
    }
    let steal_ms = watch.end()?.steal_ms;
    let mut report = report::Report::new(&shape, args.pairs, &pairs, wire.birth(), steal_ms, calibration)?;
    report.against = rivals.found();
    if !args.json {
        report.print();
    }
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

/// What a process says when it can be connected to.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ready {
    /// Where.
    pub(crate) addr: std::net::SocketAddr,
}

/// What a process says about itself between two ticks; totals since its start.
///
/// Other libraries' servers know no more than the first few of these.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Mark {
    /// CPU time of the process.
    pub(crate) used: machine::Use,
    /// Memory in use.
    pub(crate) rss_kib: u64,
    /// Ticks.
    pub(crate) n_ticks: u64,
    /// Payloads handed to the kernel.
    pub(crate) n_out: u64,
    /// Inputs delivered.
    pub(crate) n_in: u64,
    /// Clients admitted.
    pub(crate) n_peers: u64,
    /// Packets that carried no payload.
    pub(crate) n_standalone_acks: u64,
    /// Bytes that its main thread asked for and holds.
    pub(crate) live_bytes: i64,
    /// UDP datagrams out.
    pub(crate) n_udp_out: u64,
    /// UDP datagrams in.
    pub(crate) n_udp_in: u64,
}

impl Mark {
    /// Since an earlier one.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        Self {
            used: self.used.since(&earlier.used),
            rss_kib: self.rss_kib,
            n_ticks: self.n_ticks - earlier.n_ticks,
            n_out: self.n_out - earlier.n_out,
            n_in: self.n_in - earlier.n_in,
            n_peers: self.n_peers,
            n_standalone_acks: self.n_standalone_acks - earlier.n_standalone_acks,
            live_bytes: self.live_bytes,
            n_udp_out: self.n_udp_out - earlier.n_udp_out,
            n_udp_in: self.n_udp_in - earlier.n_udp_in,
        }
    }
}
