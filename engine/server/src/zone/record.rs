//! The zone's day in a file, for `arcanectl replay`.
//!
//! The tick hands over what went in and a sum of what came out, in memory that comes back to it. Packing, checksums
//! and the file belong to a thread of their own. When that falls behind, or the disk is full, the recording ends
//! with one warning; the zone goes on. Source: docs/replay.md.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use engine::replay::{Header, Outcome, Writer};
use engine::{Checkpoint, Input, World};

use super::keep::BUILD;

/// Ticks that may wait for the disk: three seconds.
const WAITING_TICKS_MAX: usize = 64;

/// How long the end of a recording may take.
const END: Duration = Duration::from_secs(2);

/// Flags of a recording, the same for `zone` and `up`.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Recording")]
pub struct RecordFlags {
    /// Record everything that goes in, and sums of what comes out, for `arcanectl replay`
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Replace the file if it is there
    #[arg(long, requires = "record")]
    pub record_replace: bool,
    /// Sum up every entity each so many ticks; more is cheaper and finds a difference later
    #[arg(long, value_name = "TICKS", default_value_t = 1, requires = "record",
          value_parser = clap::value_parser!(u32).range(1..=1200))]
    pub record_digests: u32,
}

impl RecordFlags {
    /// What was given, as it is given to a zone. One that is started again after a crash lives another day, in a file of
    /// its own: `day.rec`, `day.rec.1`, `day.rec.2`. Names that are taken, by days of an earlier realm, are passed over,
    /// unless they may be replaced.
    #[must_use]
    pub fn given(&self, n_restarts: u32) -> Vec<OsString> {
        let Some(path) = &self.record else { return Vec::new() };
        let path = if n_restarts == 0 { path.clone() } else { self.next_day(path, n_restarts) };
        let mut flags: Vec<OsString> = vec!["--record".into(), path.into()];
        flags.extend(self.record_replace.then(|| "--record-replace".into()));
        flags.extend(["--record-digests".into(), self.record_digests.to_string().into()]);
        flags
    }

    /// The file of a day that begins after so many crashes.
    fn next_day(&self, path: &Path, n_restarts: u32) -> PathBuf {
        let mut days = (n_restarts..=u32::MAX).map(|n| {
            let mut day = path.as_os_str().to_owned();
            day.push(format!(".{n}"));
            PathBuf::from(day)
        });
        // Also a link that leads nowhere is there.
        let is_free = |day: &PathBuf| self.record_replace || day.symlink_metadata().is_err();
        days.find(is_free).expect("no directory holds four billion files")
    }
}

/// How a recording goes, totals since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Ticks handed to the writer.
    pub ticks: u64,
    /// Ticks that it did not take any more.
    pub missed: u64,
}

/// What the tick hands over.
#[derive(Default)]
struct Page {
    inputs: Vec<Input>,
    outcome: Outcome,
}

/// The tick's end of a recording, or of none.
#[derive(Default)]
pub struct Recorder {
    line: Option<Line>,
    digest_every: u32,
    /// How it goes.
    pub recorded: Recorded,
}

/// What leads to the writer and back.
struct Line {
    /// None once the recording was cut: the writer still writes what it has.
    full: Option<Sender<Box<Page>>>,
    empty: Receiver<Box<Page>>,
    writer: JoinHandle<()>,
    /// Ticks are missing behind those handed over: the file gets no mark at its end.
    is_cut: Arc<AtomicBool>,
}

impl Recorder {
    /// Begins the recording that the flags ask for, if they do. Call it before the first tick; of a world that `goes_on`
    /// the recording holds how it was.
    ///
    /// # Errors
    /// When the file cannot be made, or is there and shall not be replaced.
    pub fn start(flags: &RecordFlags, world: &World, goes_on: bool) -> anyhow::Result<Self> {
        let Some(path) = &flags.record else { return Ok(Self::default()) };
        let header = Header::of(world, flags.record_digests, BUILD);
        let (mut bytes, mut checkpoint) = (Vec::new(), Vec::new());
        if goes_on {
            Checkpoint::of(world, BUILD).write(&mut checkpoint);
        }
        let writer = Writer::begin_from(&header, &checkpoint, &mut bytes);
        let mut file = create(path, flags.record_replace)?;
        file.write_all(&bytes).with_context(|| format!("cannot write {} (--record)", path.display()))?;
        tracing::info!(file = %path.display(), "recording");
        Self::on(file, writer, path.clone(), flags.record_digests)
    }

    fn on(
        file: impl Write + Send + 'static,
        writer: Writer,
        path: PathBuf,
        digest_every: u32,
    ) -> anyhow::Result<Self> {
        let (full, filled) = bounded::<Box<Page>>(WAITING_TICKS_MAX);
        let (spare, empty) = bounded(WAITING_TICKS_MAX);
        for _ in 0..WAITING_TICKS_MAX {
            spare.send(Box::default()).expect("there is room for each of them");
        }
        let is_cut = Arc::new(AtomicBool::new(false));
        let knows_cut = Arc::clone(&is_cut);
        let writer = std::thread::Builder::new()
            .name("record".to_owned())
            .spawn(move || write(file, writer, &path, (&filled, &spare), &knows_cut))
            .context("cannot start the thread that records")?;
        let line = Some(Line { full: Some(full), empty, writer, is_cut });
        Ok(Self { line, digest_every, recorded: Recorded::default() })
    }

    /// Hands over the tick that was stepped last.
    ///
    /// - Shapes: call it inside the pool's `install`, with the inputs of that tick, before the next.
    /// - Cost: a copy of the inputs, one pass over the packets, and one over all rows when entities are due; it never
    ///   waits. Figures: docs/replay.md "Cost".
    pub fn handle_tick(&mut self, world: &World, inputs: &[Input]) {
        if self.digest_every == 0 {
            return; // nobody asked for a recording
        }
        if self.hand_over(world, inputs) {
            self.recorded.ticks += 1;
        } else {
            self.cut();
            self.recorded.missed += 1;
        }
    }

    /// False when the writer has ended, or is too far behind.
    fn hand_over(&mut self, world: &World, inputs: &[Input]) -> bool {
        let Some(line) = &self.line else { return false };
        let Some(full) = &line.full else { return false };
        let Ok(mut page) = line.empty.try_recv() else {
            if !line.writer.is_finished() {
                tracing::warn!(
                    tick = world.now(),
                    "the disk is too slow: the recording ends before this tick"
                );
            }
            return false;
        };
        page.inputs.clear();
        page.inputs.extend_from_slice(inputs);
        page.outcome.take(world, world.now().is_multiple_of(self.digest_every));
        match full.try_send(page) {
            Ok(()) => true,
            // Its writer has said why. There are as many places as pages, so it is never full.
            Err(TrySendError::Disconnected(_) | TrySendError::Full(_)) => false,
        }
    }

    /// From now on ticks are missing: the writer ends when it has written what it has.
    fn cut(&mut self) {
        let Some(line) = &mut self.line else { return };
        line.is_cut.store(true, Ordering::Release);
        line.full = None;
    }

    /// Ends the recording: what was handed over is written, if that can be done in time.
    pub fn end(&mut self) {
        let Some(Line { full, empty, writer, .. }) = self.line.take() else { return };
        drop(full);
        let until = Instant::now() + END;
        // Pages come back until the writer is done and lets go of its end.
        loop {
            match empty.recv_deadline(until) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    tracing::warn!("the disk does not answer: the end of the recording is missing");
                    return;
                }
            }
        }
        if writer.join().is_err() {
            tracing::error!("the recording ended with a panic");
        }
    }
}

fn create(path: &Path, may_replace: bool) -> anyhow::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    if may_replace {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    options.open(path).map_err(|error| {
        let is_there = error.kind() == io::ErrorKind::AlreadyExists;
        let advice = if is_there { ": it is there; --record-replace overwrites it" } else { "" };
        anyhow::Error::new(error).context(format!("cannot record to {}{advice}", path.display()))
    })
}

/// The writer's thread: until the tick lets go, or the file does not take any more.
fn write(
    mut file: impl Write,
    mut writer: Writer,
    path: &Path,
    (filled, spare): (&Receiver<Box<Page>>, &Sender<Box<Page>>),
    is_cut: &AtomicBool,
) {
    let mut bytes = Vec::new();
    while let Ok(mut page) = filled.recv() {
        page.outcome.sort();
        let added = writer.add(&page.inputs, &page.outcome, &mut bytes).map_err(io::Error::other);
        if let Err(error) = added.and_then(|()| file.write_all(&bytes)) {
            tracing::warn!(%error, file = %path.display(), tick = page.outcome.tick,
                "cannot write the recording: it ends here, the zone goes on");
            return;
        }
        bytes.clear();
        // The tick may have let go already.
        let _ = spare.send(page);
    }
    let ended = if is_cut.load(Ordering::Acquire) { writer.cut(&mut bytes) } else { writer.end(&mut bytes) };
    let ended = ended.map_err(io::Error::other);
    if let Err(error) = ended.and_then(|()| file.write_all(&bytes)).and_then(|()| file.flush()) {
        tracing::warn!(%error, file = %path.display(), "cannot write the end of the recording");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zone::fixtures::world;
    use engine::replay::{Reader, Tail};
    use std::sync::{Mutex, mpsc};

    fn tail(mut bytes: &[u8]) -> Tail {
        let mut reader = Reader::default();
        while let Some((piece, rest)) = bytes.split_at_checked(reader.need()) {
            reader.handle_bytes(piece).unwrap();
            bytes = rest;
        }
        reader.handle_end(bytes.len()).unwrap()
    }

    fn flags(path: &Path) -> RecordFlags {
        RecordFlags { record: Some(path.to_owned()), record_replace: false, record_digests: 1 }
    }

    #[test]
    fn a_recording_that_is_ended_is_whole_and_is_not_overwritten_by_accident() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("day.rec");
        let (mut world, mut flags) = (world(4, 10), flags(&path));
        let mut recorder = Recorder::start(&flags, &world, false).unwrap();
        for _ in 0..50 {
            engine::tick(&mut world, &[]);
            recorder.handle_tick(&world, &[]);
        }
        recorder.end();
        assert_eq!(
            (recorder.recorded, tail(&std::fs::read(&path).unwrap())),
            (Recorded { ticks: 50, missed: 0 }, Tail::Whole)
        );
        let text = format!("{:#}", Recorder::start(&flags, &world, false).err().unwrap());
        assert!(text.contains("day.rec") && text.contains("--record-replace"), "{text}");
        flags.record_replace = true;
        Recorder::start(&flags, &world, false).unwrap().end();
        assert_eq!(tail(&std::fs::read(&path).unwrap()), Tail::Whole);
    }

    #[test]
    fn a_day_after_a_crash_passes_over_the_files_of_earlier_ones() {
        let dir = tempfile::tempdir().unwrap();
        let mut flags = flags(&dir.path().join("day.rec"));
        let day = |flags: &RecordFlags, n_restarts| {
            let given = flags.given(n_restarts);
            assert_eq!(given[0], "--record");
            PathBuf::from(&given[1]).file_name().unwrap().to_str().unwrap().to_owned()
        };
        assert_eq!([0, 1, 2].map(|n| day(&flags, n)), ["day.rec", "day.rec.1", "day.rec.2"]);
        for left in ["day.rec", "day.rec.1", "day.rec.2"] {
            std::fs::write(dir.path().join(left), b"an earlier day").unwrap();
        }
        std::os::unix::fs::symlink("nowhere", dir.path().join("day.rec.3")).unwrap();
        // What was asked for by name is not passed over: the zone refuses it.
        assert_eq!([0, 1, 2, 5].map(|n| day(&flags, n)), ["day.rec", "day.rec.4", "day.rec.4", "day.rec.5"]);
        flags.record = Some(dir.path().join(day(&flags, 1)));
        Recorder::start(&flags, &world(10, 0), false).unwrap().end();
        let replacing =
            RecordFlags { record: Some(dir.path().join("day.rec")), record_replace: true, ..flags };
        assert_eq!([0, 1, 2].map(|n| day(&replacing, n)), ["day.rec", "day.rec.1", "day.rec.2"]);
    }

    /// A disk with room for so many bytes.
    struct Disk(usize);

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0 < bytes.len() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.0 -= bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn recorder_on(file: impl Write + Send + 'static, world: &World) -> Recorder {
        let writer = Writer::begin(&Header::of(world, 1, "test"), &mut Vec::new());
        Recorder::on(file, writer, PathBuf::from("day.rec"), 1).unwrap()
    }

    #[test]
    fn a_full_disk_ends_the_recording_and_not_the_tick() {
        let mut world = world(4, 10);
        let mut recorder = recorder_on(Disk(1000), &world);
        for _ in 0..400 {
            engine::tick(&mut world, &[]);
            recorder.handle_tick(&world, &[]);
        }
        let Recorded { ticks, missed } = recorder.recorded;
        assert_eq!(ticks + missed, 400);
        assert!(missed > 100, "{missed} of 400 ticks were missed");
    }

    /// A disk that does not answer until it is told to.
    struct Stuck(mpsc::Receiver<()>, Arc<Mutex<Vec<u8>>>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _answer = self.0.recv();
            self.1.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_disk_that_hangs_costs_the_rest_of_the_recording() {
        let mut world = world(4, 10);
        let (release, stuck) = mpsc::channel();
        let file = Arc::new(Mutex::new(Vec::new()));
        let _unused = Writer::begin(&Header::of(&world, 1, "test"), &mut file.lock().unwrap());
        let mut recorder = recorder_on(Stuck(stuck, Arc::clone(&file)), &world);
        for _ in 0..WAITING_TICKS_MAX * 2 {
            engine::tick(&mut world, &[]);
            recorder.handle_tick(&world, &[]);
        }
        let Recorded { ticks, missed } = recorder.recorded;
        assert_eq!(ticks + missed, 2 * WAITING_TICKS_MAX as u64);
        // Up to a second is taken before the first block goes to the disk.
        let least = WAITING_TICKS_MAX as u64;
        assert!((least..=least + 20).contains(&ticks), "{ticks} ticks were taken");
        drop(release);
        recorder.end();
        let read = tail(&file.lock().unwrap());
        assert_ne!(read, Tail::Whole, "ticks are missing, and the file does not say so");
    }
}
