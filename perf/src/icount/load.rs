//! What is counted: ticks of a zone, and single parts of them on a world that stands still.
//!
//! Functions whose names begin with `counted_` are where callgrind counts; all else, warm-up and clients above all, is
//! not counted. One thread, one seed, no clock: the same program counts the same, to the instruction.

use crate::child::follow_parent;
use crate::sim::WARM_UP_TICKS;
use client_core::view::View;
use engine::alone::{Letters, Looks};
use engine::{DurableId, Input, World, tick_timed};
use harness::{Drive, Knobs, Loss, Scenario};
use jobs::cpu::{Lanes, choose, lanes};
use netproto::snapshot::{FRAME_BUFFER_BYTES, Frame, decode};
use serde::{Deserialize, Serialize};
use std::hint::black_box;

/// Where callgrind counts.
pub(super) const COUNTED: [&str; 5] = [TICK, CHOOSE, WRITE, DECODE, APPLY];
/// Its file ends where this is called: after each stage, and after the tick.
pub(super) const MARK: &str = "load::counted_mark";
const TICK: &str = "load::counted_tick";
pub(super) const CHOOSE: &str = "load::counted_choose";
pub(super) const WRITE: &str = "load::counted_write";
pub(super) const DECODE: &str = "load::counted_decode";
pub(super) const APPLY: &str = "load::counted_apply";

/// Clients look again every four ticks: so all of them do.
const PART_TICKS: u32 = 4;
/// Of so many clients one keeps its snapshots. Prime: every second player steers, and every fifth is in no town.
const TAPE_EVERY: u32 = 19;

/// What to run.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[arg(long)]
    players: u32,
    #[arg(long)]
    ticks: u32,
    /// The build of the hot loops that every processor can run.
    #[arg(long)]
    narrow: bool,
}

/// How many of what was counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Units {
    /// The build of the hot loops.
    pub(super) lanes: String,
    /// Ticks of the whole zone.
    pub(super) ticks: u32,
    /// Clients served in them.
    pub(super) client_ticks: u64,
    /// Snapshots that they were sent.
    pub(super) frames: u64,
    /// Searches for slots by themselves.
    pub(super) choices: u64,
    /// Snapshots written by themselves.
    pub(super) letters: u64,
    /// Snapshots that clients took apart and applied.
    pub(super) decoded: u64,
    /// Slots that these introduced or changed.
    pub(super) decoded_slots: u64,
}

/// Runs it, and says how many of everything there were.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    follow_parent()?;
    if args.narrow {
        choose(Lanes::Narrow);
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build()?;
    let units = pool.install(|| whole(args));
    println!("{}", serde_json::to_string(&units)?);
    Ok(())
}

/// Name of the build of the hot loops that runs.
pub(super) fn lanes_name() -> &'static str {
    match lanes() {
        Lanes::Wide => "wide",
        Lanes::Narrow => "narrow",
    }
}

fn whole(args: &Args) -> Units {
    let n_players = args.players;
    let knobs = Knobs { scenario: Scenario::Towns, n_players, n_decoding: 0, loss: Loss::Random };
    let mut drive = Drive::new(&knobs);
    let mut tapes = Tapes::default();
    for _ in 0..WARM_UP_TICKS {
        drive.run(1);
        tapes.keep(&drive.world);
    }
    tapes.n_warm_up = tapes.frames.len();
    let before = drive.world.counts();
    for _ in 0..args.ticks {
        drive.step(counted_tick);
        tapes.keep(&drive.world);
    }
    let after = drive.world.counts();
    let mut units = Units {
        lanes: lanes_name().to_owned(),
        ticks: args.ticks,
        client_ticks: after.client_ticks - before.client_ticks,
        frames: after.frames - before.frames,
        ..Units::default()
    };
    parts(&mut drive, &mut units);
    tapes.play(&mut units);
    units
}

/// Searches and encodings by themselves, on the worlds of four ticks.
fn parts(drive: &mut Drive, units: &mut Units) {
    let mut buffer = [0; FRAME_BUFFER_BYTES];
    for _ in 0..PART_TICKS {
        drive.run(1);
        let mut looks = Looks::of(&drive.world);
        units.choices += looks.n() as u64;
        counted_choose(&mut looks, &drive.world);
        let letters = Letters::of(&drive.world);
        assert!(letters.are_as_sent(&drive.world), "a snapshot was written otherwise than it was sent");
        units.letters += letters.n() as u64;
        counted_write(&letters, &drive.world, &mut buffer);
    }
}

/// Snapshots of some clients, in the order in which they were sent.
#[derive(Default)]
struct Tapes {
    frames: Vec<(DurableId, Vec<u8>)>,
    n_warm_up: usize,
}

impl Tapes {
    fn keep(&mut self, world: &World) {
        let is_kept = |player: &DurableId| player.low.is_multiple_of(TAPE_EVERY);
        let kept = world.frames().filter(|(player, _)| is_kept(player));
        self.frames.extend(kept.map(|(player, bytes)| (player, bytes.to_vec())));
    }

    /// Clients that lost nothing take all of it; what they took during the warm-up does not count.
    fn play(&self, units: &mut Units) {
        let mut views: std::collections::BTreeMap<DurableId, Box<View>> = std::collections::BTreeMap::new();
        let mut frame = Box::<Frame>::default();
        for (at, (player, bytes)) in self.frames.iter().enumerate() {
            let view = views.entry(*player).or_default();
            if at < self.n_warm_up {
                decode(bytes, &mut frame).expect("our own snapshots decode");
                view.apply(&frame);
                continue;
            }
            counted_decode(bytes, &mut frame);
            counted_apply(view, &frame);
            units.decoded += 1;
            units.decoded_slots += u64::from(slots_of(&frame).count_ones());
        }
    }
}

/// Slots that a frame introduces or changes.
fn slots_of(frame: &Frame) -> u64 {
    let introduced = frame.introductions[..frame.n_introductions].iter();
    let changed = frame.groups.iter().fold(frame.steps, |any, mask| any | mask);
    introduced.fold(changed, |any, each| any | 1 << each.slot)
}

/// The end of a stage.
#[inline(never)]
fn counted_mark(stage: usize) {
    // Without this the call would do nothing, and be left out.
    black_box(stage);
}

#[inline(never)]
fn counted_tick(world: &mut World, inputs: &[Input]) {
    tick_timed(world, inputs, |stage| counted_mark(stage as usize));
    counted_mark(engine::Stage::ALL.len());
}

#[inline(never)]
fn counted_choose(looks: &mut Looks, world: &World) {
    looks.choose(black_box(world));
}

#[inline(never)]
fn counted_write(letters: &Letters, world: &World, buffer: &mut [u8; FRAME_BUFFER_BYTES]) {
    black_box(letters.write(world, buffer));
}

#[inline(never)]
fn counted_decode(bytes: &[u8], frame: &mut Frame) {
    decode(bytes, frame).expect("our own snapshots decode");
}

#[inline(never)]
fn counted_apply(view: &mut View, frame: &Frame) {
    assert!(view.apply(frame), "snapshots come in order here");
}
