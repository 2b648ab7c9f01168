//! Records of a log, one line each.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use anyhow::Context;
use engine::Input;
use engine::durable::record::{self, OPEN, TICK};
use engine::economy::Effect;
use engine::replay::{HEADER_BYTES, Header};
use serde_json::{Value, json};
use storage::Lsn;
use storage::wal::{Record, Scan, ScanError};

use crate::{Exit, economy};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A zone's data directory.
    #[arg(default_value = "./data")]
    dir: PathBuf,
    /// First record.
    #[arg(long, value_name = "LSN", default_value_t = 0)]
    from: u64,
    /// Last record.
    #[arg(long, value_name = "LSN", default_value_t = u64::MAX, hide_default_value = true)]
    to: u64,
    /// Only records that are more than packets of players: joins, farewells, tokens, openings, orders, changes of hands.
    #[arg(long)]
    events: bool,
    /// One JSON object per line.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let (disk, _) = super::open(&args.dir)?;
    let (scan, problem) = match Scan::of(&disk) {
        Ok(scan) => (scan, None),
        // What is readable is shown all the same: whoever asks wants to see what is left.
        Err(ScanError::Rotten { name, lsn, newest, kept }) => {
            (*kept, Some(format!("{name} is damaged: record {lsn} is missing, {newest} is there")))
        }
        Err(error) => return Err(error.into()),
    };
    let mut out = BufWriter::new(io::stdout().lock());
    let shown = scan.each(&disk, Lsn(args.from), |found| {
        if found.lsn.0 <= args.to
            && let Some(line) = line(args, found)?
        {
            writeln!(out, "{line}")?;
        }
        anyhow::Ok(())
    });
    // Whoever reads may have seen enough.
    let is_closed = |error: &anyhow::Error| {
        error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    };
    match shown.and_then(|()| out.flush().map_err(Into::into)) {
        Err(error) if !is_closed(&error) => return Err(error),
        _ => {}
    }
    if let Some(problem) = problem {
        eprintln!("arcanectl: {problem}");
        return Ok(Exit::CheckFailed);
    }
    Ok(Exit::Ok)
}

/// A record as a line, if it is asked for.
fn line(args: &Args, found: &Record<'_>) -> anyhow::Result<Option<String>> {
    let (what, details) = match found.kind {
        OPEN => {
            let bytes = found.payload.first_chunk::<HEADER_BYTES>().context("a header is too short")?;
            let header = Header::decode(bytes)?;
            let side_m = header.config.side_mm / 1000;
            ("open", json!({ "build": header.build, "seed": header.config.seed, "side_m": side_m }))
        }
        TICK => {
            let tick = record::read(found.tick, found.payload)?;
            let mut details = counted(&tick.inputs);
            let reasons: Vec<&str> = tick.inputs.iter().filter_map(reason).collect();
            if !reasons.is_empty() {
                details.insert("reasons", json!(reasons.join("; ")));
            }
            if !tick.effects.is_empty() {
                details.insert("effects", effects(&tick.effects, args.json));
            }
            let is_event = details.keys().any(|key| *key != "packets") || !tick.notes.is_empty();
            if args.events && !is_event {
                return Ok(None);
            }
            if !tick.notes.is_empty() {
                details.insert("notes_bytes", json!(tick.notes.len()));
            }
            if let Some(hash) = tick.hash_before {
                details.insert("hash_before", json!(format!("{hash:016x}")));
            }
            ("tick", json!(details))
        }
        _ => ("unknown", json!({ "kind": found.kind })),
    };
    if args.json {
        let (lsn, tick, bytes) = (found.lsn.0, found.tick, found.payload.len());
        let all = json!({ "lsn": lsn, "tick": tick, "record": what, "bytes": bytes, "details": details });
        return Ok(Some(all.to_string()));
    }
    let details: Vec<String> = details.as_object().into_iter().flatten().map(word).collect();
    let (lsn, tick, n) = (found.lsn.0, found.tick, found.payload.len());
    Ok(Some(format!("{lsn:>10}  tick {tick:<9} {what:<7} {n:>7} B  {}", details.join(" "))))
}

/// What changed hands: whole for machines, counted for people.
fn effects(effects: &[Effect], is_whole: bool) -> Value {
    if is_whole {
        return effects.iter().map(economy::effect).collect();
    }
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    effects.iter().for_each(|effect| *counts.entry(effect.name()).or_default() += 1);
    let words: Vec<String> = counts.iter().map(|(name, n)| format!("{name}:{n}")).collect();
    json!(words.join(","))
}

fn word((key, value): (&String, &Value)) -> String {
    value.as_str().map_or_else(|| format!("{key}={value}"), |text| format!("{key}={text}"))
}

fn reason(input: &Input) -> Option<&str> {
    match input {
        Input::Decree { reason, .. } => Some(reason),
        _ => None,
    }
}

/// How many inputs of each kind.
fn counted(inputs: &[Input]) -> BTreeMap<&'static str, Value> {
    let mut counts: BTreeMap<&'static str, u64> = BTreeMap::new();
    for input in inputs {
        let kind = match input {
            Input::Join { .. } => "joins",
            Input::Detach { .. } => "detached",
            Input::Leave { .. } => "left",
            Input::Shed(_) => "shed",
            Input::Drill(_) => "drill",
            Input::Budget { .. } => "budgets",
            Input::Packet { .. } => "packets",
            Input::Names(_) => "names",
            Input::ReadOnly(_) => "read_only",
            Input::Order { .. } => "orders",
            Input::Decree { .. } => "decrees",
        };
        *counts.entry(kind).or_default() += 1;
    }
    counts.into_iter().map(|(kind, n)| (kind, json!(n))).collect()
}
