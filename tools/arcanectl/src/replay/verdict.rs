//! What a replay has shown, for people and for programs.

use super::{Args, Difference, Run, Tail, Totals};
use crate::Exit;
use engine::replay::{self, Crash};
use serde_json::{Value, json};
use std::fmt;

/// How a replay ended.
#[derive(Clone, Debug)]
pub(super) enum Ending {
    /// The recording is over and everything was as recorded.
    Same(Tail),
    /// As far as it was asked for, everything was as recorded.
    Until,
    /// Something was not.
    Differs(Difference),
    /// Behind the recording a tick of a crash dump panicked again.
    Panics(Crash),
    /// Behind the recording all ticks of a crash dump went well.
    Survives {
        /// The one that had panicked.
        tick: u32,
        /// The one whose inputs were left out, if one was.
        skipped: Option<u32>,
    },
    /// It cannot be read, or not by this build.
    Refused(String),
    /// What was asked for cannot be done.
    Usage(String),
}

/// The whole verdict.
pub(super) struct Verdict {
    ending: Ending,
    totals: Totals,
    n_threads: u16,
    file: String,
    what: Option<String>,
    /// Name and present value of everything about the entity that differs.
    columns: Vec<(&'static str, String)>,
    /// The one bit that makes the difference, if one does.
    one_bit: Option<(&'static str, u32)>,
}

impl Verdict {
    pub(super) fn new(args: &Args, run: &mut Run<'_>, ending: &Ending) -> Self {
        let mut verdict = Self {
            ending: ending.clone(),
            totals: run.totals,
            n_threads: args.threads,
            file: args.file.display().to_string(),
            what: run.header.as_ref().map(describe),
            columns: Vec::new(),
            one_bit: None,
        };
        if let (Ending::Differs(difference), Some(replayer)) = (ending, &mut run.replayer) {
            let world = replayer.world_mut();
            if let Some(entity) = difference.entity() {
                verdict.columns = replay::show(world, entity).unwrap_or_default();
            }
            if let Difference::Entity { recorded: Some((entity, digest)), found: Some((other, _)), .. } =
                difference
                && entity == other
            {
                verdict.one_bit = replay::one_bit_from(world, *entity, *digest);
            }
        }
        verdict
    }

    pub(super) fn exit(&self) -> Exit {
        match self.ending {
            Ending::Same(_) | Ending::Until | Ending::Survives { .. } => Exit::Ok,
            Ending::Differs(_) | Ending::Panics(_) => Exit::CheckFailed,
            Ending::Refused(_) => Exit::Mismatch,
            Ending::Usage(_) => Exit::Usage,
        }
    }

    /// Milliseconds per 1,000 ticks.
    fn ms_per_1000(&self, time: std::time::Duration) -> f64 {
        time.as_secs_f64() * 1e6 / f64::from(self.totals.ticks.max(1))
    }

    pub(super) fn json(&self) -> Value {
        let (verdict, reason) = match &self.ending {
            Ending::Same(_) | Ending::Until => ("same", None),
            Ending::Differs(difference) => ("differs", Some(sentence(difference))),
            Ending::Panics(crash) => ("panics", Some(panicked(crash))),
            Ending::Survives { .. } => ("survives", None),
            Ending::Refused(reason) => ("refused", Some(reason.clone())),
            Ending::Usage(reason) => ("usage", Some(reason.clone())),
        };
        let tail = match self.ending {
            Ending::Same(Tail::Whole) => Some("whole"),
            Ending::Same(Tail::Open) => Some("open"),
            Ending::Same(Tail::Torn { .. }) => Some("torn"),
            _ => None,
        };
        let mut json = json!({
            "file": self.file,
            "verdict": verdict,
            "tail": tail,
            "ticks": self.totals.ticks,
            "ticks_with_digests": self.totals.digests,
            "inputs": self.totals.inputs,
            "packets": self.totals.packets,
            "packet_bytes": self.totals.packet_bytes,
            "packet_hash": format!("{:016x}", self.totals.packet_hash),
            "threads": self.n_threads,
            "step_ms_per_1000_ticks": self.ms_per_1000(self.totals.step),
            "ms_per_1000_ticks": self.ms_per_1000(self.totals.all),
            "reason": reason,
        });
        if let Ending::Panics(crash) = &self.ending {
            json["panic"] = json!({
                "tick": crash.tick,
                "phase": crash.stage.map(engine::Stage::name),
                "message": crash.message,
            });
        }
        if let Ending::Differs(difference) = &self.ending {
            let columns: serde_json::Map<String, Value> =
                self.columns.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
            json["difference"] = json!({
                "tick": difference.tick(),
                "entity": difference.entity().map(|entity| entity.0),
                "columns": columns,
                "one_bit": self.one_bit.map(|(column, bit)| json!({ "column": column, "bit": bit })),
            });
        }
        json
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "recording     {}", self.file)?;
        if let Some(what) = &self.what {
            writeln!(f, "              {what}")?;
        }
        if let Ending::Refused(reason) | Ending::Usage(reason) = &self.ending {
            if self.totals.ticks > 0 {
                self.fmt_totals(f)?;
            }
            let what = if matches!(self.ending, Ending::Usage(_)) { "nothing said" } else { "refused" };
            return writeln!(f, "verdict       {what}: {reason}");
        }
        self.fmt_totals(f)?;
        match &self.ending {
            Ending::Same(tail) => {
                if let Some(text) = about(*tail) {
                    writeln!(f, "end           {text}")?;
                }
                writeln!(f, "verdict       the same, bit for bit: packets, facts, entities")
            }
            Ending::Until => {
                writeln!(f, "verdict       the same, bit for bit, as far as it was asked for")
            }
            Ending::Differs(difference) => self.fmt_difference(f, difference),
            Ending::Panics(crash) => writeln!(f, "verdict       panics: {}", panicked(crash)),
            Ending::Survives { tick, skipped: None } => writeln!(
                f,
                "verdict       survives: tick {tick} does not panic here; another build panicked, or it was not of the inputs"
            ),
            Ending::Survives { tick, skipped: Some(skipped) } => {
                writeln!(
                    f,
                    "verdict       survives: without the inputs of tick {skipped}, tick {tick} does not panic"
                )
            }
            Ending::Refused(_) | Ending::Usage(_) => Ok(()),
        }
    }
}

impl Verdict {
    fn fmt_totals(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Totals { ticks, inputs, packets, step, all, digests, .. } = self.totals;
        writeln!(
            f,
            "replayed      {ticks} ticks, {inputs} inputs, {packets} packets, {digests} times all entities"
        )?;
        writeln!(
            f,
            "time          {:.0} ms per 1,000 ticks on {} thread(s); {:.0} ms with reading and comparing",
            self.ms_per_1000(step),
            self.n_threads,
            self.ms_per_1000(all)
        )
    }

    fn fmt_difference(&self, f: &mut fmt::Formatter<'_>, difference: &Difference) -> fmt::Result {
        writeln!(f, "verdict       differs: {}", sentence(difference))?;
        if let Some((column, bit)) = self.one_bit {
            writeln!(f, "              one bit makes the difference: bit {bit} of {column}")?;
        }
        for (name, value) in &self.columns {
            writeln!(f, "              {name:<20} {value}")?;
        }
        Ok(())
    }
}

pub(super) fn describe(header: &replay::Header) -> String {
    let config = &header.config;
    format!(
        "{}, seed {}, {} m, {} ticks per second, {} creatures, at most {} players",
        header.build,
        config.seed,
        config.side_mm / 1000,
        config.ticks_per_second,
        config.creatures,
        config.players_max
    )
}

fn about(tail: Tail) -> Option<String> {
    match tail {
        Tail::Whole => None,
        Tail::Open => {
            Some("missing: the zone was stopped between two blocks; everything before is here".to_owned())
        }
        Tail::Torn { at, have } => Some(format!(
            "torn: the zone was stopped while it wrote; {have} bytes of a block at byte {at} are lost"
        )),
    }
}

fn panicked(crash: &Crash) -> String {
    format!("tick {} again, in {}: {}", crash.tick, crash.place(), crash.message)
}

fn sentence(difference: &Difference) -> String {
    match difference {
        Difference::Entity { tick, recorded: Some((id, _)), found: None } => {
            format!("in tick {tick} entity {} does not live any more", id.0)
        }
        Difference::Entity { tick, recorded: None, found } => {
            format!("in tick {tick} entity {} lives, and should not", found.map_or(0, |(id, _)| id.0))
        }
        Difference::Entity { tick, recorded: Some((id, _)), found: Some((other, _)) } if id != other => {
            format!("in tick {tick} entity {} lives in the place of {}", other.0, id.0)
        }
        Difference::Entity { tick, recorded: Some((id, _)), .. } => {
            format!("in tick {tick} entity {} is not as recorded", id.0)
        }
        Difference::Pending { tick } => format!("in tick {tick} what is under way is not as recorded"),
        Difference::Facts { tick } => format!("in tick {tick} the facts for players are not as recorded"),
        Difference::Packet { tick, player, entity, recorded_bytes, found_bytes } => format!(
            "in tick {tick} the packet of player {:08x}{:08x} (entity {}) has {} bytes and had {}: all entities \
             agree, so what its client knows differs",
            player.high,
            player.low,
            entity.map_or(0, |entity| entity.0),
            found_bytes.unwrap_or(0),
            recorded_bytes.unwrap_or(0)
        ),
        Difference::Tick { recorded, found } => {
            format!("the recording goes on with tick {recorded}, the world with {found}")
        }
    }
}
