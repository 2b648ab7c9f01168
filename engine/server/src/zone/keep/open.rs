//! The way back: the newest checkpoint, and every logged tick behind it lived again.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use engine::durable::record::{self, OPEN, TICK};
use engine::durable::{Recovery, TickRecord};
use engine::replay::{HEADER_BYTES, Header};
use engine::{Content, Input, World, ZoneConfig, durable};
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
    let disk: Arc<dyn Disk> = Arc::new(Directory::at(&dir));
    let begun = Instant::now();
    let (log, scan) = open_log(&disk, &dir)?;
    let back = recover(&*disk, &scan, &content)
        .with_context(|| format!("cannot go on with the world in {}", dir.display()))?;
    let is_new = back.is_none();
    let is_doubted = back.as_ref().is_some_and(|back| back.doubt.is_some());
    let (world, mut tokens) = match back {
        Some(Back { recovery, tokens, from, doubt }) => {
            if let Some(doubt) = doubt {
                tracing::error!(doubt, "the world is not all that the log says: what came behind is lost");
            }
            let (ticks, compared) = (recovery.n_ticks, recovery.n_compared);
            let took_ms = begun.elapsed().as_millis() as u64;
            let world = go_on(recovery, config, &dir)?;
            tracing::info!(tick = world.now(), %from, ticks, compared, took_ms, "the world is back as it was");
            (world, tokens)
        }
        None => (World::from_tick(config, content, behind), Tokens::default()),
    };
    let checkpoints = Checkpoints::start(disk, log.durable())?;
    let writer =
        Writer::start(log, Watch(checkpoints.safe())).context("cannot start the thread of the log")?;
    let keeper = Keeper::on(writer, checkpoints, &world, is_doubted)?;
    tokens.retain(|player| world.entity_of(player).is_some());
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
    /// It is not what the log says: a tick was lived without what went in, or living it again went another way.
    doubt: Option<String>,
}

/// Ticks whose inputs are set aside at most: more of them are not the inputs' fault.
const ASIDE_MAX: usize = 3;

/// Nothing if the log is new. A tick that panics, and so for the second time at least, is lived without what went in.
fn recover(disk: &dyn Disk, scan: &Scan, content: &Content) -> anyhow::Result<Option<Back>> {
    let Some(last) = scan.next().0.checked_sub(1).map(Lsn) else { return Ok(None) };
    let newest = checkpoint::newest(disk, Some(last)).context("cannot read the checkpoints")?;
    for (name, error) in &newest.passed_over {
        tracing::error!(name, error, "a checkpoint is passed over for the one before");
    }
    let mut aside = BTreeSet::new();
    loop {
        let mut back = begin(&newest, scan, content)?;
        let from = back.as_ref().map_or(Lsn(1), |back| back.from.next());
        match scan.each(disk, from, |record| handle_record(&mut back, record, content, &aside)) {
            Ok(()) => return Ok(back),
            Err(Stop::Error(error)) => return Err(error),
            Err(Stop::Panicked(tick)) => {
                ensure!(
                    aside.len() < ASIDE_MAX && aside.insert(tick),
                    "living tick {tick} again panics, also without what went in: move the directory away to begin a \
                     new world, and keep it for whoever looks for the reason"
                );
                tracing::error!(tick, "living a tick again panicked: it is lived without what went in");
            }
        }
    }
}

/// Where living the log again begins: at the newest checkpoint, or, with nothing, at its first record.
fn begin(newest: &Newest, scan: &Scan, content: &Content) -> anyhow::Result<Option<Back>> {
    match &newest.found {
        Some((head, raw)) => {
            let (copy, grants) = durable::split(raw)?;
            let grants = notes::read(grants).context("the tokens of the checkpoint make no sense")?;
            let recovery = Recovery::from_checkpoint(copy, content.clone())?;
            let mut tokens = Tokens::default();
            grants.iter().for_each(|grant| tokens.give(grant));
            Ok(Some(Back { recovery, tokens, from: head.lsn, doubt: None }))
        }
        None if scan.first().is_none_or(|first| first == Lsn(1)) => Ok(None),
        None => bail!("no checkpoint is valid, and the log does not go back to the beginning"),
    }
}

/// Why living a log again stops.
enum Stop {
    Error(anyhow::Error),
    /// This tick panicked: what is left of the zone cannot be trusted.
    Panicked(u32),
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
    aside: &BTreeSet<u32>,
) -> Result<(), Stop> {
    match found.kind {
        OPEN => handle_open(back, found.payload, content).map_err(Stop::Error),
        TICK => match back {
            Some(back) => handle_tick(back, record::read(found.tick, found.payload)?, aside),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

fn handle_open(back: &mut Option<Back>, payload: &[u8], content: &Content) -> anyhow::Result<()> {
    let bytes = payload.first_chunk::<HEADER_BYTES>().context("an opening record is too short")?;
    let header = Header::decode(bytes)?;
    match back {
        Some(back) => back.recovery.handle_open(&header, content)?,
        None => {
            let recovery = Recovery::from_header(&header, content.clone())?;
            *back = Some(Back { recovery, tokens: Tokens::default(), from: Lsn(0), doubt: None });
        }
    }
    Ok(())
}

fn handle_tick(back: &mut Back, mut tick: TickRecord<'_>, aside: &BTreeSet<u32>) -> Result<(), Stop> {
    let grants: Vec<Grant> = if tick.notes.is_empty() { Vec::new() } else { notes::read(tick.notes)? };
    grants.iter().for_each(|grant| back.tokens.give(grant));
    let number = tick.tick;
    if aside.contains(&number) {
        tick.inputs.clear();
        back.doubt = Some(format!("tick {number} was lived without what went in"));
    } else if back.doubt.is_some() {
        // What follows was lived from another state.
        return Ok(());
    }
    let lived = catch_unwind(AssertUnwindSafe(|| {
        planted::relive(&tick);
        back.recovery.handle_tick(&tick)
    }));
    match lived {
        Ok(Ok(())) => {}
        Ok(Err(error)) => back.doubt = Some(error.to_string()),
        Err(_) => return Err(Stop::Panicked(number)),
    }
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
