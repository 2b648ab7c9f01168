//! `perf net --instructions`: what the transport costs in instructions of its own code, which no noise moves.
//!
//! [`super::counted`] is what runs under callgrind. A server's handshakes stand beside those of the server half of a
//! pair in memory, which does the same handshake with the same settings and has no sockets, tables and limits.

use super::counted::{self, Units};
use super::{Args, Transport};
use crate::icount::callgrind::{self, Functions};
use anyhow::{Context, ensure};
use serde::Serialize;
use std::ffi::OsString;

/// Ticks that are counted.
const TICKS: u32 = 40;

/// The result; field names are part of the command.
#[derive(Serialize)]
struct Report {
    transport: Transport,
    clients: u32,
    ticks: u32,
    /// Per client and tick: a payload out, an input in.
    instructions_per_client_tick: f64,
    /// Of these, taking packets from the socket and finding whose they are, between ticks.
    door: f64,
    /// Of these, the input pass.
    receive: f64,
    /// Of these, staging the payload.
    frames: f64,
    /// Of these, the send pass.
    flush: f64,
    /// Per handshake, from the first packet to the hello.
    handshake: f64,
    /// The same for the pair; nothing on WebSocket.
    handshake_pair: Option<f64>,
    handshake_ratio: Option<f64>,
    standalone_acks_per_tick: f64,
    client_standalone_acks_per_tick: f64,
    live_bytes_per_connection: f64,
    packets_out_per_client_tick: f64,
    packets_in_per_client_tick: f64,
    units: Units,
}

/// Counts and prints.
pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let report = count(args)?;
    if !args.json {
        report.print();
    }
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

fn count(args: &Args) -> anyhow::Result<Report> {
    let room = tempfile::tempdir().context("there is no room for callgrind's files")?;
    let program = std::env::current_exe().context("this program does not know where it is")?;
    let numbers = [("--clients", args.clients), ("--payload", args.payload.into()), ("--ticks", TICKS)];
    let mut words =
        vec!["counted-net".to_owned(), "--transport".to_owned(), args.transport.name().to_owned()];
    words.extend(numbers.into_iter().flat_map(|(flag, n)| [flag.to_owned(), n.to_string()]));
    let words: Vec<OsString> = words.into_iter().map(OsString::from).collect();
    let functions = Functions { counted: &counted::COUNTED, mark: counted::MARK };
    let counted = callgrind::run(&program, &words, &functions, room.path())?;
    let units: Units =
        serde_json::from_str(counted.stdout.trim()).context("the program said something else")?;
    let all = |name: &str| counted.profiles.iter().map(|profile| profile.of(name)).sum::<u64>() as f64;
    let per_tick = |name: &str| all(name) / units.all_client_ticks.max(1) as f64;
    let [door, receive, frames, flush] =
        [counted::ROUND, counted::RECEIVE, counted::FRAMES, counted::FLUSH].map(per_tick);
    let handshake = all(counted::DOOR) / units.handshakes.max(1) as f64;
    let pair = (units.pairs > 0).then(|| all(counted::PAIR) / units.pairs as f64);
    let nothing = [door, receive, frames, flush, handshake].iter().any(|n| !n.is_normal());
    ensure!(!nothing, "callgrind has counted nothing: was a function inlined?");
    let share = |n: u64| n as f64 / units.client_ticks.max(1) as f64;
    Ok(Report {
        transport: args.transport,
        clients: args.clients,
        ticks: TICKS,
        instructions_per_client_tick: door + receive + frames + flush,
        door,
        receive,
        frames,
        flush,
        handshake,
        handshake_pair: pair,
        handshake_ratio: pair.map(|pair| handshake / pair),
        standalone_acks_per_tick: share(units.standalone_acks),
        client_standalone_acks_per_tick: share(units.client_standalone_acks),
        live_bytes_per_connection: units.live_bytes_per_connection,
        packets_out_per_client_tick: share(units.packets_out),
        packets_in_per_client_tick: share(units.packets_in),
        units,
    })
}

impl Report {
    /// For people.
    fn print(&self) {
        println!(
            "instructions of the server alone, {} clients by {}, {} ticks, one thread",
            self.clients,
            self.transport.name(),
            self.ticks
        );
        println!(
            "  client-tick  {:.0}: {:.0} between ticks, {:.0} input pass, {:.0} staging, {:.0} send pass",
            self.instructions_per_client_tick, self.door, self.receive, self.frames, self.flush
        );
        match (self.handshake_pair, self.handshake_ratio) {
            (Some(pair), Some(ratio)) => {
                println!(
                    "  handshake    {:.0}, in memory {pair:.0}: {ratio:.3} times as many",
                    self.handshake
                );
            }
            _ => println!("  handshake    {:.0}", self.handshake),
        }
        println!(
            "  per client   {:.0} bytes held; packets without cargo per tick: {:.4} of the server, {:.4} of the client",
            self.live_bytes_per_connection,
            self.standalone_acks_per_tick,
            self.client_standalone_acks_per_tick
        );
    }
}
