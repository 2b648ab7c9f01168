//! Crash dumps: what is in one, and what comes of its ticks when they are lived once more.

use super::{Run, verdict::Ending};
use crate::Exit;
use anyhow::Context as _;
use engine::replay::{Crash, Header, HeaderError, Piece, Reader, Tail, TickRecord};
use engine::{Input, Stage};
use serde_json::{Value, json};
use std::fs::File;
use std::io::Read as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// A dump, read.
pub(super) struct Dump {
    crash: Crash,
    header: Header,
    ticks: Vec<TickRecord>,
}

impl Dump {
    /// Reads a file; the sentence of the inner error says why it is no dump.
    pub(super) fn read(path: &Path) -> anyhow::Result<Result<Self, String>> {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self::decode(&bytes))
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        let (crash, mut rest) =
            Crash::split(bytes).map_err(|error| format!("this is no crash dump: {error}"))?;
        let (mut reader, mut header, mut ticks) = (Reader::default(), None, Vec::new());
        while let Some((piece, behind)) = rest.split_at_checked(reader.need()) {
            match reader.handle_bytes(piece).map_err(|error| error.to_string())? {
                Some(Piece::Header(found)) => header = Some(found),
                Some(Piece::Ticks(more)) => ticks.extend(more),
                Some(Piece::Start { .. } | Piece::End) | None => {}
            }
            rest = behind;
        }
        let tail = reader.handle_end(rest.len()).map_err(|error| error.to_string())?;
        let is_last = ticks.last().is_some_and(|last| last.tick == crash.tick);
        match header {
            Some(header) if tail == Tail::Whole && is_last => Ok(Self { crash, header, ticks }),
            _ => Err("the dump is torn: its end is missing".to_owned()),
        }
    }

    /// Prints what is in it.
    pub(super) fn show(&self, path: &Path, as_json: bool) {
        if as_json {
            println!("{}", self.json(path));
            return;
        }
        let Crash { tick, message, .. } = &self.crash;
        println!("crash dump    {}", path.display());
        println!("              {}", super::verdict::describe(&self.header));
        println!("panic         in tick {tick}, {}: {message}", self.crash.place());
        println!("{:>14}  packets  commands  joins  detaches  leaves  others", "inputs of tick");
        for record in &self.ticks {
            let [packets, commands, joins, detaches, leaves, others] = kinds(&record.inputs);
            println!(
                "{:>14}  {packets:>7}  {commands:>8}  {joins:>5}  {detaches:>8}  {leaves:>6}  {others:>6}",
                record.tick
            );
        }
    }

    fn json(&self, path: &Path) -> Value {
        let tick = |record: &TickRecord| {
            let [packets, commands, joins, detaches, leaves, others] = kinds(&record.inputs);
            json!({
                "tick": record.tick, "inputs": record.inputs.len(), "packets": packets, "commands": commands,
                "joins": joins, "detaches": detaches, "leaves": leaves, "others": others,
            })
        };
        json!({
            "file": path.display().to_string(),
            "verdict": "dump",
            "tick": self.crash.tick,
            "phase": self.crash.stage.map(Stage::name),
            "message": self.crash.message,
            "ticks": self.ticks.iter().map(tick).collect::<Vec<_>>(),
        })
    }
}

/// Packets, commands in them, joins, detaches, leaves, others.
fn kinds(inputs: &[Input]) -> [usize; 6] {
    let mut n = [0; 6];
    for input in inputs {
        match input {
            Input::Packet { packet, .. } => {
                n[0] += 1;
                n[1] += usize::from(packet.n_commands);
            }
            Input::Join { .. } => n[2] += 1,
            Input::Detach { .. } => n[3] += 1,
            Input::Leave { .. } => n[4] += 1,
            _ => n[5] += 1,
        }
    }
    n
}

/// Goes on behind the end of a recording with the ticks of a dump, up to the one that panicked. The inputs of tick
/// `skip` are left out.
pub(super) fn live_on(run: &mut Run<'_>, dump: &Dump, skip: Option<u32>) -> Ending {
    let is_same_zone = run.header.as_ref().is_some_and(|header| header.config == dump.header.config);
    let Some(replayer) = run.replayer.as_mut().filter(|_| is_same_zone) else {
        return Ending::Usage("--crash: the dump is of another zone than the recording".to_owned());
    };
    if skip.is_some_and(|skip| !dump.ticks.iter().any(|record| record.tick == skip)) {
        let (first, last) = (dump.ticks[0].tick, dump.crash.tick);
        return Ending::Usage(format!("--skip-tick: the dump has the ticks {first} to {last}"));
    }
    let world = replayer.world_mut();
    let ended = world.now();
    for record in dump.ticks.iter().filter(|record| record.tick > ended) {
        if record.tick != world.now() + 1 {
            let first = record.tick;
            return Ending::Usage(format!(
                "--crash: the recording ends with tick {ended}, the dump begins with {first}: what lies between is lost"
            ));
        }
        let inputs = if skip == Some(record.tick) { &[][..] } else { &record.inputs };
        let mut stage = Stage::ALL.first().copied();
        let stepped = catch_unwind(AssertUnwindSafe(|| {
            run.pool.install(|| {
                engine::tick_timed(world, inputs, |done| stage = Stage::ALL.get(done as usize + 1).copied());
            });
        }));
        run.totals.ticks += 1;
        run.totals.inputs += inputs.len() as u64;
        if let Err(said) = stepped {
            let text = said.downcast_ref::<String>().map(String::as_str);
            let message = text.or(said.downcast_ref::<&str>().copied()).unwrap_or("(not a text)").to_owned();
            return Ending::Panics(Crash { tick: record.tick, stage, message });
        }
    }
    Ending::Survives { tick: dump.crash.tick, skipped: skip }
}

/// Shows a file if it is a dump. `None`: it is none.
pub(super) fn show_if_dump(path: &Path, as_json: bool) -> anyhow::Result<Option<Exit>> {
    let mut start = [0; 8];
    let mut file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    if file.read_exact(&mut start).is_err() || Crash::split(&start) == Err(HeaderError::Magic) {
        return Ok(None);
    }
    match Dump::read(path)? {
        Ok(dump) => dump.show(path, as_json),
        Err(reason) => {
            eprintln!("arcanectl: {}: {reason}", path.display());
            return Ok(Some(Exit::Mismatch));
        }
    }
    Ok(Some(Exit::Ok))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::Args;
    use clap::Parser as _;
    use engine::replay::{Replayer, flip};
    use engine::{Content, EntityId, World, ZoneConfig};

    /// Their count.
    const NO_INPUTS: &[u8] = &[0];

    fn header(seed: u64) -> Header {
        let config = ZoneConfig {
            seed,
            side_mm: 65_536,
            ticks_per_second: 20,
            players_max: 4,
            creatures: 40,
            spawn_radius_mm: 5_000,
            den_radius_mm: 0,
            sending: engine::Sending::News,
        };
        Header::of(&World::new(&config, Content::standard(20)), 1, "test")
    }

    fn dump(ticks: std::ops::RangeInclusive<u32>) -> Dump {
        let crash = Crash { tick: *ticks.end(), stage: Some(Stage::Move), message: "x".to_owned() };
        let bytes = crash.dump(&header(1), ticks.map(|tick| (tick, NO_INPUTS))).unwrap();
        Dump::decode(&bytes).unwrap()
    }

    /// A recording of `n_ticks` was lived; then `change` is done to its world, and the dump is lived.
    fn check(n_ticks: u32, dump: &Dump, skip: Option<u32>, change: impl FnOnce(&mut World)) -> Ending {
        let args = Args::parse_from(["replay", "day.rec"]);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let mut run = Run::new(&args, &pool);
        let mut replayer = Replayer::new(&header(1)).unwrap();
        (0..n_ticks).for_each(|_| engine::tick(replayer.world_mut(), &[]));
        change(replayer.world_mut());
        (run.header, run.replayer) = (Some(header(1)), Some(replayer));
        live_on(&mut run, dump, skip)
    }

    #[test]
    fn a_tick_that_panics_again_is_told_with_its_phase_and_one_that_does_not_survives() {
        let dump = dump(7..=70);
        let broken = |world: &mut World| {
            // Far outside of the square: something in the tick cannot be found.
            let first = world.columns().id.iter().copied().filter(|id| *id != EntityId::NONE).min();
            flip(world, first.expect("somebody lives"), "x_mm", 30).unwrap();
        };
        let Ending::Panics(crash) = check(9, &dump, None, broken) else { panic!("it did not panic") };
        assert_eq!(crash.tick, 10, "the dump goes on where the recording ends");
        assert!(crash.stage.is_some() && crash.message.len() > 5, "{crash:?}");
        for skip in [None, Some(70)] {
            let ending = check(9, &dump, skip, |_| ());
            assert!(
                matches!(ending, Ending::Survives { tick: 70, skipped } if skipped == skip),
                "{ending:?}"
            );
        }
    }

    #[test]
    fn what_does_not_fit_together_is_refused_in_words() {
        let said = |ending: Ending| match ending {
            Ending::Usage(text) => text,
            other => panic!("{other:?}"),
        };
        assert!(
            said(check(5, &dump(7..=70), None, |_| ())).contains("ends with tick 5, the dump begins with 7")
        );
        assert!(said(check(9, &dump(7..=70), Some(71), |_| ())).contains("the ticks 7 to 70"));
        let other = Dump { header: header(2), ..dump(7..=70) };
        assert!(said(check(9, &other, None, |_| ())).contains("another zone"));
        let whole = Crash { tick: 3, stage: None, message: String::new() };
        let bytes = whole.dump(&header(1), [(3, NO_INPUTS)].into_iter()).unwrap();
        assert!(Dump::decode(&bytes[..bytes.len() - 1]).is_err_and(|text| text.contains("torn")));
        assert!(Dump::decode(&bytes[1..]).is_err_and(|text| text.contains("no crash dump")));
    }
}
