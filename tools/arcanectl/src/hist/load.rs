//! From files and folders to runs: per tag the sum, and each interval on its own.

use super::Choice;
use anyhow::{Context as _, bail};
use jobs::Durations;
use jobs::dump::{self, Entry};
use jobs::hist::TAGS;
use jobs::plot::Moment;
use std::path::{Path, PathBuf};

/// Ending of the logs that a folder stands for.
const ENDING: &str = "hlog";

/// What was measured between two moments, under one tag.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    /// Seconds since 1970.
    pub(super) begun_s: f64,
    pub(super) took_s: f64,
    /// Values in ns with how often, ascending.
    pub(super) counts: Vec<(u64, u64)>,
}

/// All that one tag says.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) tag: String,
    pub(super) total: Durations,
    /// In the order of time.
    pub(super) pieces: Vec<Piece>,
    /// Figures of the same pieces.
    pub(super) moments: Vec<Moment>,
}

/// What one argument stands for: a log, or the logs of a folder.
#[derive(Clone, Debug)]
pub(super) struct Run {
    /// As it was given.
    pub(super) name: String,
    /// When that which is measured began, s since 1970.
    pub(super) start_s: f64,
    /// From the first interval to the end of the last, s.
    pub(super) took_s: f64,
    /// In the order of the stages; tags of others behind them.
    pub(super) series: Vec<Series>,
}

impl Run {
    /// Reads a log, or all logs of a folder.
    ///
    /// # Errors
    /// When a file cannot be opened, a line is wrong, or nothing is left to look at. Messages name file and line.
    pub(super) fn load(path: &Path, choice: &Choice) -> anyhow::Result<Self> {
        Self::load_all(std::slice::from_ref(&path.to_owned()), choice)
    }

    /// Reads many logs and folders as one run.
    ///
    /// # Errors
    /// As [`Run::load`].
    pub(super) fn load_all(paths: &[PathBuf], choice: &Choice) -> anyhow::Result<Self> {
        let name = paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
        let mut texts = Vec::new();
        for path in paths {
            for file in files_of(path)? {
                let text = text_of(&file)?;
                texts.push((file, text));
            }
        }
        let mut logs = Vec::new();
        for (file, text) in &texts {
            let log =
                dump::read(text).with_context(|| format!("{} is no log of histograms", file.display()))?;
            if log.is_cut_off {
                eprintln!("arcanectl: {}: the last line is cut off and left out", file.display());
            }
            logs.push((file.as_path(), log));
        }
        let starts = logs.iter().filter_map(|(_, log)| log.start_s);
        let start_s = starts.min_by(f64::total_cmp);
        let entries: Vec<(&Path, &Entry<'_>)> =
            logs.iter().flat_map(|(file, log)| log.entries.iter().map(|entry| (*file, entry))).collect();
        collect(name, start_s, &entries, choice)
    }

    /// One series by its tag.
    pub(super) fn find(&self, tag: &str) -> Option<&Series> {
        self.series.iter().find(|series| series.tag == tag)
    }

    /// A name that fits into a legend: the last two parts of the path.
    pub(super) fn short_name(&self) -> String {
        let parts: Vec<&str> = self.name.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        parts[parts.len().saturating_sub(2)..].join("/")
    }
}

/// The files that an argument stands for, oldest first: a zone names them by their time.
fn files_of(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let kind = std::fs::metadata(path).with_context(|| format!("cannot open {}", path.display()))?;
    if !kind.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).with_context(|| format!("cannot list {}", path.display()))? {
        let file = entry.with_context(|| format!("cannot list {}", path.display()))?.path();
        if file.extension().is_some_and(|ending| ending == ENDING) {
            files.push(file);
        }
    }
    if files.is_empty() {
        bail!("{} holds no *.{ENDING} files", path.display());
    }
    files.sort();
    Ok(files)
}

fn text_of(file: &Path) -> anyhow::Result<String> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
        anyhow::anyhow!("{} is no log of histograms: line {line} is not text", file.display())
    })
}

fn collect(
    name: String,
    start_s: Option<f64>,
    entries: &[(&Path, &Entry<'_>)],
    choice: &Choice,
) -> anyhow::Result<Run> {
    let Some(first_s) = entries.iter().map(|(_, entry)| entry.begun_s).min_by(f64::total_cmp) else {
        bail!("{name} holds no histograms");
    };
    let span = choice.from.unwrap_or(0.0)..choice.to.unwrap_or(f64::INFINITY);
    let mut run =
        Run { name, start_s: start_s.unwrap_or(first_s).min(first_s), took_s: 0.0, series: Vec::new() };
    let (mut begun_s, mut ended_s) = (f64::INFINITY, f64::NEG_INFINITY);
    for (file, entry) in entries {
        let is_wanted = choice.tags.is_empty() || choice.tags.iter().any(|tag| tag == entry.tag);
        if !is_wanted || !span.contains(&(entry.begun_s - first_s)) {
            continue;
        }
        let durations = entry.durations().with_context(|| format!("cannot read {}", file.display()))?;
        run.add(entry, &durations);
        (begun_s, ended_s) = (begun_s.min(entry.begun_s), ended_s.max(entry.begun_s + entry.took_s));
    }
    if run.series.is_empty() {
        let mut tags: Vec<&str> = entries.iter().map(|(_, entry)| entry.tag).collect();
        tags.sort_unstable();
        tags.dedup();
        bail!("{} has nothing of what was asked for; its tags are: {}", run.name, tags.join(", "));
    }
    run.took_s = ended_s - begun_s;
    run.order();
    Ok(run)
}

impl Run {
    fn add(&mut self, entry: &Entry<'_>, durations: &Durations) {
        let at = self.series.iter().position(|series| series.tag == entry.tag).unwrap_or_else(|| {
            let (tag, total) = (entry.tag.to_owned(), Durations::new());
            self.series.push(Series { tag, total, pieces: Vec::new(), moments: Vec::new() });
            self.series.len() - 1
        });
        let series = &mut self.series[at];
        series.total.merge(durations);
        series.pieces.push(Piece {
            begun_s: entry.begun_s,
            took_s: entry.took_s,
            counts: durations.counts().collect(),
        });
        series.moments.push(Moment {
            at_s: entry.begun_s + entry.took_s,
            p50_ns: durations.at_quantile_ns(0.5),
            p99_ns: durations.at_quantile_ns(0.99),
            max_ns: durations.max_ns(),
        });
    }

    fn order(&mut self) {
        let place = |tag: &str| TAGS.iter().position(|known| *known == tag).unwrap_or(TAGS.len());
        self.series
            .sort_by(|left, right| (place(&left.tag), &left.tag).cmp(&(place(&right.tag), &right.tag)));
        for series in &mut self.series {
            series.pieces.sort_by(|left, right| left.begun_s.total_cmp(&right.begun_s));
            series.moments.sort_by(|left, right| left.at_s.total_cmp(&right.at_s));
        }
    }
}
