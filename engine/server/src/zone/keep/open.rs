//! The way back: the newest checkpoint, and every logged tick behind it lived again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use engine::durable::record::{self, OPEN, TICK};
use engine::durable::{Recovery, TickRecord};
use engine::replay::{HEADER_BYTES, Header};
use engine::{CheckpointError, Content, Input, World, ZoneConfig, durable};
use storage::checkpoint::Newest;
use storage::wal::{
    Batch, Commit, CommitError, Log, OpenError, Options, Record, Scan, ScanError, Watcher, Writer,
};
use storage::{Directory, Disk, Lsn, checkpoint};

use super::checkpoints::{Checkpoints, Safe};
use super::{BUILD, Keeper, notes};
use crate::planted;
use crate::zone::files;
use crate::zone::tokens::{Grant, Tokens};

/// Below the data directory.
pub const DIR: &str = "world";
/// Writer number of the one zone that a data directory belongs to.
const WRITER: u16 = 1;
/// Some twenty seconds of a full zone.
const SEGMENT_BYTES: usize = 16 << 20;

/// A zone that may begin.
pub struct Opened {
    /// As it was when the process before ended, or new.
    pub world: World,
    /// What has to be told to it first.
    pub inputs: Vec<Input>,
    /// Who may come back, by which token.
    pub tokens: Tokens,
    /// Where it goes on being kept.
    pub keeper: Keeper,
    /// Nothing of it was there before.
    pub is_new: bool,
}

impl Opened {
    /// A new zone that nothing is kept of.
    #[must_use]
    pub fn unkept(world: World) -> Self {
        Self { world, inputs: Vec::new(), tokens: Tokens::default(), keeper: Keeper::default(), is_new: true }
    }
}

/// Opens the log below a data directory, or begins one, and lives again what it holds.
///
/// - Shapes: call it inside the pool's `install`. A new world is made as `config` says, behind tick `behind`.
///
/// # Errors
/// When the log cannot be read, is damaged, or is of a zone that this one cannot go on with: nothing is changed then.
pub fn open(data_dir: &Path, config: &ZoneConfig, content: Content, behind: u32) -> anyhow::Result<Opened> {
    let dir = data_dir.join(DIR);
    files::make_data_dir(&dir)?;
    open_on(Arc::new(Directory::at(&dir)), &dir, config, content, behind)
}

/// As [`open`], on any disk; `dir` is its name for people.
///
/// # Errors
/// As [`open`].
pub(super) fn open_on(
    disk: Arc<dyn Disk>,
    dir: &Path,
    config: &ZoneConfig,
    content: Content,
    behind: u32,
) -> anyhow::Result<Opened> {
    let begun = Instant::now();
    let (log, scan) = open_log(&disk, dir)?;
    let back = recover(&*disk, &scan, &content)
        .with_context(|| format!("cannot go on with the world in {}", dir.display()))?;
    let is_new = back.is_none();
    let is_doubted = back.as_ref().is_some_and(|back| back.doubt.is_some());
    let (world, mut tokens) = match back {
        Some(Back { recovery, tokens, from, doubt }) => {
            if let Some(doubt) = doubt {
                let (effects, refused) = (recovery.n_redone, recovery.n_refused);
                tracing::error!(
                    doubt,
                    effects,
                    refused,
                    "the world is not all that the log says: of what came behind, only what changed hands is here"
                );
            }
            let (ticks, compared) = (recovery.n_ticks, recovery.n_compared);
            let took_ms = begun.elapsed().as_millis() as u64;
            let world = go_on(recovery, config, dir)?;
            tracing::info!(tick = world.now(), %from, ticks, compared, took_ms, "the world is back as it was");
            (world, tokens)
        }
        None => (World::from_tick(config, content, behind), Tokens::default()),
    };
    let checkpoints = Checkpoints::start(disk, log.durable())?;
    let writer =
        Writer::start(log, Watch(checkpoints.safe())).context("cannot start the thread of the log")?;
    let keeper = Keeper::on(writer, checkpoints, &world, is_doubted)?;
    let owns = |player| world.market().purse(player).is_some_and(|purse| !purse.is_empty());
    tokens.retain(|player| world.entity_of(player).is_some() || owns(player));
    // Nobody is connected: bodies wait for their players from now on.
    let inputs = world.present().into_iter().map(|player| Input::Detach { player }).collect();
    Ok(Opened { world, inputs, tokens, keeper, is_new })
}

/// Tells the checkpoints how far the log is safe.
struct Watch(Safe);

impl Watcher<()> for Watch {
    fn committed(&mut self, commit: &Commit) {
        self.0.handle_safe(commit.upto);
    }
    fn safe(&mut self, _batch: &mut Batch<()>) {}
    fn failed(&mut self, error: &CommitError) {
        tracing::error!(%error, "the log has ended");
    }
}

fn open_log(disk: &Arc<dyn Disk>, dir: &Path) -> anyhow::Result<(Log, Scan)> {
    let options = Options {
        writer: WRITER,
        segment_bytes: SEGMENT_BYTES,
        build: BUILD.to_owned(),
        salts: Box::new(|| getrandom::u64().expect("the system gives random numbers")),
        first_epoch: 1,
        accept_loss: None,
    };
    Log::open(Arc::clone(disk), options).map_err(|error| {
        let advice = match &error {
            OpenError::Scan(ScanError::Rotten { .. }) => {
                ": put back a copy of the directory, or move it away to begin a new world"
            }
            _ => "",
        };
        anyhow::anyhow!("cannot open the log in {}: {error}{advice}", dir.display())
    })
}

/// A zone that came back.
struct Back {
    recovery: Recovery,
    tokens: Tokens,
    /// The record that living it again began behind.
    from: Lsn,
    /// Ticks are not lived any more, only what changed hands in them is taken over: why.
    doubt: Option<String>,
}

/// The first tick that cannot be lived again, and why.
type Cut = Option<(u32, String)>;

/// Nothing if the log is new. Behind a tick that panics or goes another way than it went, no tick is lived again: what
/// changed hands in them is all that is taken over.
fn recover(disk: &dyn Disk, scan: &Scan, content: &Content) -> anyhow::Result<Option<Back>> {
    let Some(last) = scan.next().0.checked_sub(1).map(Lsn) else { return Ok(None) };
    let newest = checkpoint::newest(disk, Some(last)).context("cannot read the checkpoints")?;
    for (name, error) in &newest.passed_over {
        tracing::error!(name, error, "a checkpoint is passed over for the one before");
    }
    let mut cut: Cut = None;
    loop {
        let mut back = begin(&newest, scan, content)?;
        let from = back.as_ref().map_or(Lsn(1), |back| back.from.next());
        match scan.each(disk, from, |record| handle_record(&mut back, record, content, &cut)) {
            Ok(()) => return Ok(back),
            Err(Stop::Error(error)) => return Err(error),
            Err(Stop::At(tick, why)) => {
                ensure!(
                    cut.as_ref().is_none_or(|(before, _)| tick < *before),
                    "tick {tick} cannot be lived again, and then not either: {why}; move the directory away to begin \
                     a new world, and keep it for whoever looks for the reason"
                );
                tracing::error!(tick, why, "a tick cannot be lived again");
                cut = Some((tick, why));
            }
        }
    }
}

/// Where living the log again begins: at the newest checkpoint, or, with nothing, at its first record.
fn begin(newest: &Newest, scan: &Scan, content: &Content) -> anyhow::Result<Option<Back>> {
    match &newest.found {
        Some((head, raw)) => {
            let (copy, grants) = durable::split(raw).context(
                "this build cannot go on from the checkpoint: drain with the build that wrote it, or move the directory away \
                 to begin a new world",
            )?;
            let grants = notes::read(grants).context("the tokens of the checkpoint make no sense")?;
            let doubt = copy.header.refusal(content.hash);
            let recovery = match doubt {
                Some(_) => Recovery::from_foreign(copy, content.clone())?,
                None => Recovery::from_checkpoint(copy, content.clone())?,
            };
            let mut tokens = Tokens::default();
            grants.iter().for_each(|grant| tokens.give(grant));
            let doubt = doubt.map(|why| format!("another build made the checkpoint: {why}"));
            Ok(Some(Back { recovery, tokens, from: head.lsn, doubt }))
        }
        None if scan.first().is_none_or(|first| first == Lsn(1)) => Ok(None),
        None => bail!("no checkpoint is valid, and the log does not go back to the beginning"),
    }
}

/// Why living a log again stops.
enum Stop {
    Error(anyhow::Error),
    /// This tick panicked or went another way: what is left of the zone cannot be trusted.
    At(u32, String),
}

impl<E: Into<anyhow::Error>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

fn handle_record(
    back: &mut Option<Back>,
    found: &Record<'_>,
    content: &Content,
    cut: &Cut,
) -> Result<(), Stop> {
    match found.kind {
        OPEN => handle_open(back, found.payload, content).map_err(Stop::Error),
        TICK => match back {
            Some(back) => handle_tick(back, found, cut),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

fn handle_open(back: &mut Option<Back>, payload: &[u8], content: &Content) -> anyhow::Result<()> {
    let bytes = payload.first_chunk::<HEADER_BYTES>().context("an opening record is too short")?;
    let header = Header::decode(bytes)?;
    match back {
        Some(back) if back.doubt.is_none() => match back.recovery.handle_open(&header, content) {
            Err(CheckpointError::Build(why)) => {
                back.doubt = Some(format!("another build wrote the log: {why}"));
            }
            other => other?,
        },
        Some(_) => {}
        None => {
            let recovery = Recovery::from_header(&header, content.clone())?;
            *back = Some(Back { recovery, tokens: Tokens::default(), from: Lsn(0), doubt: None });
        }
    }
    Ok(())
}

fn handle_tick(back: &mut Back, found: &Record<'_>, cut: &Cut) -> Result<(), Stop> {
    if let Some((_, why)) = cut.as_ref().filter(|(tick, _)| *tick <= found.tick) {
        back.doubt.get_or_insert_with(|| why.clone());
    }
    if back.doubt.is_some() {
        let tick = record::read_effects(found.tick, found.payload)?;
        take_grants(back, &tick)?;
        back.recovery.handle_effects(&tick);
        return Ok(());
    }
    let tick = record::read(found.tick, found.payload)?;
    take_grants(back, &tick)?;
    let lived = catch_unwind(AssertUnwindSafe(|| {
        planted::relive(&tick);
        back.recovery.handle_tick(&tick)
    }));
    match lived {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(Stop::At(found.tick, error.to_string())),
        Err(_) => Err(Stop::At(found.tick, format!("tick {} panicked again", found.tick))),
    }
}

fn take_grants(back: &mut Back, tick: &TickRecord<'_>) -> anyhow::Result<()> {
    let grants: Vec<Grant> = if tick.notes.is_empty() { Vec::new() } else { notes::read(tick.notes)? };
    grants.iter().for_each(|grant| back.tokens.give(grant));
    Ok(())
}

/// The world as it is to go on: what may differ from start to start is taken over.
fn go_on(recovery: Recovery, config: &ZoneConfig, dir: &Path) -> anyhow::Result<World> {
    recovery.into_world(config).map_err(|error| {
        anyhow::anyhow!(
            "the world in {} {error}: ask for the same, give another data_dir, or move the directory away to begin a \
             new world",
            dir.display()
        )
    })
}
