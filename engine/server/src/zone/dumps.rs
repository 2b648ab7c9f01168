//! Histograms leave the tick here: to the board for people, to files for standard tools. On a thread of its own.
//!
//! A file holds at most an hour or [`FILE_BYTES_MAX`]; [`FILES_KEPT`] are kept, so a day of a zone is there and
//! the disk never fills. Each second is one write of whole lines: a process that is killed leaves a log that reads.
//!
//! Source: docs/OPERATIONS.md "Histograms".

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use jobs::Quantiles;
use jobs::dump::{Encoder, header};
use jobs::strain::Sight;
use jobs::watch::{Interval, Intervals};

use crate::admin::Reporter;
use crate::admin::board::Second;
use crate::config::Histograms;

/// Folder below the data directory.
pub const DIR: &str = "hist";
/// A second takes about 2 KiB, so this is an hour and more.
const FILE_BYTES_MAX: u64 = 8 << 20;
const FILE_AGE_MAX: Duration = Duration::from_secs(3600);
const FILES_KEPT: usize = 24;
const PREFIX: &str = "ticks-";
const SUFFIX: &str = ".hlog";
/// After a write that failed, the disk is left alone for this long.
const PAUSE: Duration = Duration::from_secs(60);
/// How long the end of a zone waits for its last second of histograms.
const END_MAX: Duration = Duration::from_secs(1);

/// The thread that takes histograms from the tick.
pub struct Dumps {
    /// Closes when the thread has ended.
    ended: Receiver<()>,
}

/// Starts the thread.
///
/// # Errors
/// When it cannot be started, or there is no folder for the files.
pub fn start(
    intervals: Intervals,
    reporter: Reporter,
    histograms: Histograms,
    data_dir: &Path,
) -> anyhow::Result<Dumps> {
    complain_of_sight(intervals.sight());
    reporter.handle_sight(intervals.sight());
    let mut files = match histograms {
        Histograms::Files => Some(Files::new(&data_dir.join(DIR))?),
        Histograms::Memory | Histograms::Off => None,
    };
    let (alive, ended) = sync_channel(0);
    let work = move || {
        let _alive = alive;
        // The tick may be on this very core.
        jobs::sys::give_way();
        while let Some(interval) = intervals.wait() {
            complain(&reporter.handle_interval(&interval));
            if let Some(files) = &mut files {
                files.handle_interval(&interval);
            }
            intervals.give_back(interval);
        }
    };
    std::thread::Builder::new()
        .name("histograms".to_owned())
        .spawn(work)
        .context("cannot start the thread of the histograms")?;
    Ok(Dumps { ended })
}

/// Says once what cannot be said later. Who measures nothing knows.
fn complain_of_sight(sight: Sight) {
    if sight.ticks && !sight.run_queue {
        tracing::warn!(
            "this kernel does not tell how long threads wait for a core: overruns count as our own"
        );
    }
    if sight.ticks && !sight.steal {
        tracing::warn!("this kernel does not tell about stolen time");
    }
}

/// Ticks that were too long are worth a line, once a second at most.
fn complain(second: &Second) {
    let (own, stolen) = (second.overruns_own, second.overruns_stolen);
    if own + stolen == 0 {
        return;
    }
    let (longest_ms, strain) = (Quantiles::ms(second.max_ns), second.strain);
    let (run_queue_ms, steal_ms) = (Quantiles::ms(strain.run_queue_ns), Quantiles::ms(strain.steal_ns));
    tracing::warn!(own, stolen, longest_ms, run_queue_ms, steal_ms, "ticks were longer than their period");
}

impl Dumps {
    /// Waits until the last histograms are written, but not for a disk that hangs.
    pub fn wait(self) {
        // Nothing is ever sent: the thread's end closes the channel.
        let _ = self.ended.recv_timeout(END_MAX);
    }
}

/// The files of one zone.
struct Files {
    dir: PathBuf,
    /// When the first interval began: readers leave out what is older than the start that a file gives. A clock
    /// that was set back begins anew.
    started: Option<SystemTime>,
    encoder: Encoder,
    lines: Vec<u8>,
    current: Option<Current>,
    paused_until: Option<Instant>,
}

struct Current {
    file: fs::File,
    n_bytes: u64,
    begun: Instant,
}

impl Files {
    fn new(dir: &Path) -> anyhow::Result<Self> {
        super::files::make_data_dir(dir)?;
        let (encoder, lines) = (Encoder::new(), Vec::new());
        Ok(Self { dir: dir.to_owned(), started: None, encoder, lines, current: None, paused_until: None })
    }

    /// Appends a second; says so when that is not possible, and leaves the disk alone for a while.
    fn handle_interval(&mut self, interval: &Interval) {
        if self.paused_until.is_some_and(|until| interval.ended < until) {
            return;
        }
        self.paused_until = None;
        if let Err(error) = self.append(interval, time_of(interval.begun)) {
            tracing::warn!(%error, dir = %self.dir.display(), "no histograms are written for {PAUSE:?}");
            self.current = None;
            self.paused_until = Some(interval.ended + PAUSE);
        }
    }

    fn append(&mut self, interval: &Interval, begun: SystemTime) -> io::Result<()> {
        let took = interval.ended.saturating_duration_since(interval.begun);
        if self.started.is_some_and(|started| begun < started) {
            (self.started, self.current) = (None, None);
        }
        self.lines.clear();
        for (tag, durations) in interval.times.named().filter(|(_, durations)| durations.n() > 0) {
            self.encoder.append(&mut self.lines, tag, begun, took, durations);
        }
        let is_over = |current: &Current| {
            current.n_bytes >= FILE_BYTES_MAX
                || interval.begun.saturating_duration_since(current.begun) >= FILE_AGE_MAX
        };
        if self.current.as_ref().is_none_or(is_over) {
            self.current = Some(self.open(begun, interval.begun)?);
        }
        let current = self.current.as_mut().expect("it was opened above");
        current.n_bytes += self.lines.len() as u64;
        current.file.write_all(&self.lines)
    }

    fn open(&mut self, at: SystemTime, begun: Instant) -> io::Result<Current> {
        let ms = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
        // Before there is a file to lose. Too many files are better than none.
        if let Err(error) = remove_old(&self.dir, ms) {
            tracing::warn!(%error, dir = %self.dir.display(), "old histograms cannot be removed");
        }
        let path = self.dir.join(format!("{PREFIX}{ms:013}{SUFFIX}"));
        let head = header(*self.started.get_or_insert(at));
        let mut file = fs::OpenOptions::new().append(true).create_new(true).open(&path)?;
        write_head(&mut file, &path, &head)?;
        Ok(Current { file, n_bytes: head.len() as u64, begun })
    }
}

/// Begins a file. Without its head it goes: a full disk would fill the folder with files of nothing.
fn write_head(file: &mut fs::File, path: &Path, head: &str) -> io::Result<()> {
    let written = file.write_all(head.as_bytes());
    if written.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(path);
    }
    written
}

/// What the clock on the wall showed, or will show.
fn time_of(instant: Instant) -> SystemTime {
    let now = Instant::now();
    let time = match instant.checked_duration_since(now) {
        Some(ahead) => SystemTime::now().checked_add(ahead),
        None => SystemTime::now().checked_sub(now.saturating_duration_since(instant)),
    };
    time.unwrap_or(UNIX_EPOCH)
}

/// Makes room for one more file: removes all but the newest ones; what others have put there stays. Files from after
/// `now_ms` are of before the clock was set back: they are the oldest.
fn remove_old(dir: &Path, now_ms: u64) -> io::Result<()> {
    let mut ours = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let ms = name.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(SUFFIX));
        if let Some(ms) = ms.and_then(|ms| ms.parse::<u64>().ok()) {
            ours.push((ms <= now_ms, ms, path));
        }
    }
    ours.sort();
    let n_old = ours.len().saturating_sub(FILES_KEPT - 1);
    ours[..n_old].iter().try_for_each(|(_, _, path)| fs::remove_file(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jobs::{Counted, Lap, TickTimes};

    fn interval(begun: Instant, took: Duration, n_ticks: u32) -> Interval {
        let mut times = Box::<TickTimes>::default();
        for at in 0..n_ticks {
            let lap = Lap { wall_ns: 1_000_000 + u64::from(at), cpu_ns: 900_000 };
            times.record(lap, &[lap; 8], None);
        }
        Interval { begun, ended: begun + took, counted: Counted::default(), times }
    }

    fn names(dir: &Path) -> Vec<PathBuf> {
        let mut names: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.sort();
        names
    }

    #[test]
    fn every_second_is_a_line_per_tag_and_an_hour_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let mut files = Files::new(&dir.path().join(DIR)).unwrap();
        let start = Instant::now();
        for minutes in [0, 1, 59, 60, 61] {
            let begun = start + Duration::from_secs(minutes * 60);
            files.handle_interval(&interval(begun, Duration::from_millis(1_040 + minutes), 20));
        }
        let names = names(&dir.path().join(DIR));
        let texts: Vec<String> = names.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
        let logs: Vec<_> = texts.iter().map(|text| jobs::dump::read(text).unwrap()).collect();
        // Nothing about the run queue was recorded, so nothing is claimed about it.
        let n_entries: Vec<usize> = logs.iter().map(|log| log.entries.len()).collect();
        assert_eq!(n_entries, [3 * 10, 2 * 10], "{names:?}");
        assert_eq!(logs[0].entries[0].tag, "tick");
        assert_eq!(logs[0].entries[0].durations().unwrap().n(), 20);
        assert_eq!(logs[0].start_s, logs[1].start_s);
        assert!(logs[0].start_s.unwrap() <= logs[0].entries[0].begun_s, "readers would leave it out");
    }

    #[test]
    fn only_so_many_files_are_kept_and_others_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        for ms in 0..FILES_KEPT as u64 + 5 {
            fs::write(dir.path().join(format!("{PREFIX}{ms:013}{SUFFIX}")), "").unwrap();
        }
        fs::write(dir.path().join("notes.hlog"), "").unwrap();
        fs::write(dir.path().join(format!("{PREFIX}today{SUFFIX}")), "").unwrap();
        remove_old(dir.path(), 1_000).unwrap();
        let left = names(dir.path());
        assert_eq!(left.len(), FILES_KEPT - 1 + 2, "{left:?}");
        assert!(left.iter().any(|path| path.ends_with("ticks-0000000000006.hlog")), "{left:?}");
        assert!(!left.iter().any(|path| path.ends_with("ticks-0000000000005.hlog")), "{left:?}");
    }

    #[test]
    fn a_file_without_its_head_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ticks-1.hlog");
        fs::write(&path, "").unwrap();
        let mut full_disk = fs::File::open(&path).unwrap();
        assert!(write_head(&mut full_disk, &path, "#[a head]\n").is_err());
        assert!(!path.exists());
    }

    #[test]
    fn a_disk_that_refuses_new_files_costs_no_old_ones() {
        let dir = tempfile::tempdir().unwrap();
        let hist = dir.path().join(DIR);
        let mut files = Files::new(&hist).unwrap();
        let now = SystemTime::now();
        let ms = now.duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
        // The name of the next file is taken, so it cannot be made.
        for ms in ms + 1 - FILES_KEPT as u64..=ms {
            fs::write(hist.join(format!("{PREFIX}{ms:013}{SUFFIX}")), "").unwrap();
        }
        let begun = Instant::now();
        for _ in 0..5 {
            assert!(files.append(&interval(begun, Duration::from_secs(1), 1), now).is_err());
        }
        assert_eq!(names(&hist).len(), FILES_KEPT - 1);
    }

    #[test]
    fn a_clock_that_is_set_back_begins_a_file_that_readers_and_rotation_leave_whole() {
        let dir = tempfile::tempdir().unwrap();
        let hist = dir.path().join(DIR);
        let mut files = Files::new(&hist).unwrap();
        let (begun, second) = (Instant::now(), Duration::from_secs(1));
        let noon = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        for ms in 0..FILES_KEPT as u64 {
            let ms = 1_799_990_000_000 + ms;
            fs::write(hist.join(format!("{PREFIX}{ms}{SUFFIX}")), "").unwrap();
        }
        files.append(&interval(begun, second, 20), noon).unwrap();
        let earlier = noon - Duration::from_secs(86_400);
        for at in [0, 1, 2, 3_600] {
            files.append(&interval(begun + second * at, second, 20), earlier + second * at).unwrap();
        }
        let left = names(&hist);
        assert_eq!(left.len(), FILES_KEPT, "{left:?}");
        assert!(left[0].ends_with("ticks-1799913600000.hlog"), "{left:?}");
        assert!(left[1].ends_with("ticks-1799917200000.hlog"), "{left:?}");
        let text = fs::read_to_string(&left[0]).unwrap();
        let log = jobs::dump::read(&text).unwrap();
        assert_eq!((log.start_s, log.entries.len()), (Some(1_799_913_600.0), 3 * 10));
    }

    #[test]
    fn a_disk_that_refuses_is_left_alone_for_a_while_and_then_tried_again() {
        let dir = tempfile::tempdir().unwrap();
        let hist = dir.path().join(DIR);
        let mut files = Files::new(&hist).unwrap();
        let start = Instant::now();
        fs::remove_dir(&hist).unwrap();
        let second = Duration::from_secs(1);
        files.handle_interval(&interval(start, second, 1));
        fs::create_dir(&hist).unwrap();
        files.handle_interval(&interval(start + second, second, 1));
        assert_eq!(names(&hist).len(), 0);
        files.handle_interval(&interval(start + PAUSE, second, 1));
        assert_eq!(names(&hist).len(), 1);
    }
}
