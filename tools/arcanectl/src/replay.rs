//! `arcanectl replay`: lives a recorded day of a zone again and says where it first went another way.
//!
//! Progress goes to stderr, the verdict to stdout. Source: docs/replay.md.

mod crash;
mod verdict;

use crate::Exit;
use anyhow::Context as _;
use clap::Parser;
use crash::Dump;
use engine::EntityId;
use engine::replay::{self, Difference, Piece, ReadError, Reader, Replayer, Tail, TickRecord};
use rayon::ThreadPool;
use std::fs::File;
use std::io::{BufReader, IsTerminal as _, Read, Write as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use verdict::{Ending, Verdict};

/// How often progress is shown on a terminal, and elsewhere.
const SHOWN: Duration = Duration::from_millis(250);
const SHOWN_QUIETLY: Duration = Duration::from_secs(5);

/// Arguments of `arcanectl replay`.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// What `arcane zone --record FILE` has written; or a crash dump, which is shown.
    file: PathBuf,
    /// Behind the end of the recording, go on with the ticks of this crash dump up to the one that panicked.
    #[arg(long, value_name = "DUMP", conflicts_with_all = ["until", "flip"])]
    crash: Option<PathBuf>,
    /// With --crash: leave the inputs of this tick out.
    #[arg(long, value_name = "TICK", requires = "crash")]
    skip_tick: Option<u32>,
    /// Threads that step the world; what comes out does not depend on it.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: u16,
    /// Stop after this tick.
    #[arg(long, value_name = "TICK")]
    until: Option<u32>,
    /// Turn one bit over before that tick is compared: proves that the comparison would notice. ENTITY is an id, or
    /// `first` for whoever has the lowest.
    #[arg(long, value_name = "TICK:ENTITY:COLUMN:BIT", value_parser = flip)]
    flip: Option<Flip>,
    /// The verdict as one JSON object on the last line of stdout.
    #[arg(long)]
    json: bool,
}

/// A planted difference.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Flip {
    tick: u32,
    /// None: the first that lives.
    entity: Option<EntityId>,
    column: String,
    bit: u32,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    if args.crash.is_none()
        && let Some(exit) = crash::show_if_dump(&args.file, args.json)?
    {
        return Ok(exit);
    }
    let dump = match args.crash.as_ref().map(|path| Dump::read(path)).transpose()? {
        Some(Err(reason)) => anyhow::bail!("--crash: {reason}"),
        Some(Ok(dump)) => Some(dump),
        None => None,
    };
    let file = File::open(&args.file).with_context(|| format!("cannot open {}", args.file.display()))?;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(usize::from(args.threads))
        .build()
        .context("cannot start the threads")?;
    let mut run = Run::new(args, &pool);
    let mut ending = run.play(&mut BufReader::with_capacity(1 << 18, file))?;
    if let (Ending::Same(_), Some(dump)) = (&ending, &dump) {
        ending = crash::live_on(&mut run, dump, args.skip_tick);
    }
    run.progress.end();
    let verdict = Verdict::new(args, &mut run, &ending);
    if args.json {
        println!("{}", verdict.json());
    } else {
        print!("{verdict}");
    }
    Ok(verdict.exit())
}

/// A replay under way.
struct Run<'a> {
    args: &'a Args,
    pool: &'a ThreadPool,
    reader: Reader,
    header: Option<replay::Header>,
    replayer: Option<Replayer>,
    totals: Totals,
    has_flipped: bool,
    progress: Progress,
}

/// What was lived so far.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    ticks: u32,
    inputs: u64,
    packets: u64,
    packet_bytes: u64,
    digests: u64,
    /// In the ticks alone.
    step: Duration,
    /// With reading and comparing.
    all: Duration,
    /// Over all packets.
    packet_hash: u64,
}

impl<'a> Run<'a> {
    fn new(args: &'a Args, pool: &'a ThreadPool) -> Self {
        Self {
            args,
            pool,
            reader: Reader::default(),
            header: None,
            replayer: None,
            totals: Totals::default(),
            has_flipped: false,
            progress: Progress::new(),
        }
    }

    /// Reads, steps and compares until something ends it.
    fn play(&mut self, file: &mut impl Read) -> anyhow::Result<Ending> {
        let begun = Instant::now();
        let ending = self.pieces(file).with_context(|| format!("cannot read {}", self.args.file.display()));
        self.totals.all = begun.elapsed();
        let ending = ending?;
        match &self.args.flip {
            Some(flip) if !self.has_flipped && !matches!(ending, Ending::Refused(_)) => {
                Ok(Ending::Usage(format!("--flip: the replay has no tick {}", flip.tick)))
            }
            _ => Ok(ending),
        }
    }

    fn pieces(&mut self, file: &mut impl Read) -> std::io::Result<Ending> {
        let mut bytes = Vec::new();
        loop {
            let need = self.reader.need();
            bytes.clear();
            file.by_ref().take(need as u64).read_to_end(&mut bytes)?;
            if bytes.len() < need {
                return Ok(self.reader.handle_end(bytes.len()).map_or_else(refused, Ending::Same));
            }
            let ending = match self.reader.handle_bytes(&bytes) {
                Ok(Some(Piece::Header(header))) => self.begin(header),
                Ok(Some(Piece::Start { bytes, is_last })) => self.start(&bytes, is_last),
                Ok(Some(Piece::Ticks(ticks))) => self.ticks(&ticks),
                Ok(Some(Piece::End) | None) => None,
                Err(error) => Some(refused(error)),
            };
            if let Some(ending) = ending {
                return Ok(ending);
            }
        }
    }

    fn begin(&mut self, header: replay::Header) -> Option<Ending> {
        let replayer = Replayer::new(&header);
        let build = header.build.clone();
        self.header = Some(header);
        match replayer {
            Ok(replayer) => self.replayer = Some(replayer),
            Err(reason) => return Some(Ending::Refused(format!("{reason}; it was recorded by {build:?}"))),
        }
        None
    }

    /// It goes on from a checkpoint.
    fn start(&mut self, bytes: &[u8], is_last: bool) -> Option<Ending> {
        let replayer = self.replayer.as_mut().expect("a header comes before a checkpoint");
        replayer.handle_start(bytes, is_last).err().map(Ending::Refused)
    }

    fn ticks(&mut self, ticks: &[TickRecord]) -> Option<Ending> {
        let Self { replayer, totals, args, .. } = self;
        let replayer = replayer.as_mut().expect("a header comes before ticks");
        let has_flipped = &mut self.has_flipped;
        let ending = self.pool.install(|| {
            ticks.iter().find_map(|record| {
                if args.until.is_some_and(|until| until < record.tick) {
                    return Some(Ending::Until);
                }
                one_tick(replayer, record, args.flip.as_ref(), has_flipped, totals)
            })
        });
        self.progress.show(self.totals.ticks);
        ending
    }
}

/// Steps and compares one tick; gives how it ends, if it does.
fn one_tick(
    replayer: &mut Replayer,
    record: &TickRecord,
    flip: Option<&Flip>,
    has_flipped: &mut bool,
    totals: &mut Totals,
) -> Option<Ending> {
    let begun = Instant::now();
    let stepped = replayer.step(record);
    totals.step += begun.elapsed();
    if let Err(difference) = stepped {
        return Some(Ending::Differs(difference));
    }
    if let Some(flip) = flip.filter(|flip| flip.tick == record.tick) {
        *has_flipped = true;
        if let Err(error) = plant(replayer, flip) {
            return Some(Ending::Usage(format!("--flip: {error}")));
        }
    }
    let compared = replayer.compare(record);
    totals.ticks += 1;
    totals.inputs += record.inputs.len() as u64;
    totals.packets += record.frames.len() as u64;
    totals.packet_bytes += record.frames.iter().map(|frame| u64::from(frame.n_bytes)).sum::<u64>();
    totals.digests += u64::from(record.changes.is_some());
    totals.packet_hash = (totals.packet_hash ^ replayer.outcome().packet_hash()).rotate_left(9);
    compared.err().map(Ending::Differs)
}

fn plant(replayer: &mut Replayer, flip: &Flip) -> Result<(), replay::FlipError> {
    let world = replayer.world_mut();
    let living = world.columns().id.iter().copied().filter(|id| *id != EntityId::NONE);
    let entity = flip.entity.or(living.min_by_key(|id| id.handle())).unwrap_or(EntityId::NONE);
    replay::flip(world, entity, &flip.column, flip.bit)
}

fn refused(error: ReadError) -> Ending {
    Ending::Refused(error.to_string())
}

/// Reads `120:1048577:x_mm:3`.
fn flip(text: &str) -> Result<Flip, String> {
    let wrong = || format!("{text:?} is not TICK:ENTITY:COLUMN:BIT, such as 120:first:x_mm:3");
    let parts: Vec<&str> = text.split(':').collect();
    let [tick, entity, column, bit] = parts[..] else { return Err(wrong()) };
    let entity = match entity {
        "first" => None,
        id => Some(EntityId(id.parse().map_err(|_| wrong())?)),
    };
    let (tick, bit) = (tick.parse().map_err(|_| wrong())?, bit.parse().map_err(|_| wrong())?);
    Ok(Flip { tick, entity, column: column.to_owned(), bit })
}

/// One line about how far it is: rewritten in place on a terminal, now and then elsewhere.
struct Progress {
    is_terminal: bool,
    begun: Instant,
    shown_at: Instant,
    has_line: bool,
}

impl Progress {
    fn new() -> Self {
        let now = Instant::now();
        Self { is_terminal: std::io::stderr().is_terminal(), begun: now, shown_at: now, has_line: false }
    }

    fn show(&mut self, n_ticks: u32) {
        let every = if self.is_terminal { SHOWN } else { SHOWN_QUIETLY };
        if self.shown_at.elapsed() < every {
            return;
        }
        self.shown_at = Instant::now();
        let per_second = f64::from(n_ticks) / self.begun.elapsed().as_secs_f64();
        let line = format!("replay: {n_ticks} ticks, {per_second:.0} per second");
        if self.is_terminal {
            eprint!("\r\x1b[K{line}");
            let _ = std::io::stderr().flush();
            self.has_line = true;
        } else {
            eprintln!("{line}");
        }
    }

    fn end(&mut self) {
        if std::mem::take(&mut self.has_line) {
            eprintln!();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_planted_difference_is_read_as_it_is_written() {
        let first = Flip { tick: 120, entity: None, column: "x_mm".to_owned(), bit: 3 };
        assert_eq!(flip("120:first:x_mm:3"), Ok(first.clone()));
        assert_eq!(flip("120:7:x_mm:3"), Ok(Flip { entity: Some(EntityId(7)), ..first }));
        for bad in ["", "1:2:3", "a:1:x:0", "1:second:x:0", "1:1:x:-1", "1:1:x:0:0"] {
            assert!(flip(bad).is_err_and(|text| text.contains("120:first:x_mm:3")), "{bad:?} passed");
        }
    }
}
