//! The counts that were good enough to be kept, in a file that is committed.

use super::Figures;
use crate::Failure;
use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// So much more is worse.
const WORSE: f64 = 1.02;
/// So much less is worth a new baseline: until it is written, what was won may be lost again unseen.
const BETTER: f64 = 0.95;

const HEAD: &str = "\
# Instructions, as docs/PERFORMANCE.md \"perf icount\" says, by build of the hot loops.
# `perf icount --bless` and `perf icount --narrow --bless` write this file; `perf icount --check` compares with it.
";

/// The file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Baseline {
    players: u32,
    ticks: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    narrow: Option<Figures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wide: Option<Figures>,
}

impl Baseline {
    /// Of so many players and ticks; nothing is known yet.
    pub(super) fn new(players: u32, ticks: u32) -> Self {
        Self { players, ticks, narrow: None, wide: None }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When there is none, or it says something else.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the baseline {}", path.display()))?;
        toml::from_str(&text)
            .map_err(|error| Failure::Usage(format!("{} is not a baseline: {error}", path.display())).into())
    }

    /// Writes the file, for people to read.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let text = format!("{HEAD}{}", toml::to_string(self)?);
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Whether it is of so many players and ticks.
    pub(super) fn is_of(&self, players: u32, ticks: u32) -> bool {
        (self.players, self.ticks) == (players, ticks)
    }

    /// The counts of one build.
    pub(super) fn figures(&self, lanes: &str) -> Option<&Figures> {
        if lanes == "wide" { self.wide.as_ref() } else { self.narrow.as_ref() }
    }

    /// Takes the counts of one build for good; those of the other stay.
    pub(super) fn bless(&mut self, lanes: &str, figures: &Figures) {
        let rounded = figures.iter().map(|(name, n)| (name.clone(), (n * 10.0).round() / 10.0)).collect();
        *(if lanes == "wide" { &mut self.wide } else { &mut self.narrow }) = Some(rounded);
    }
}

/// What became of the counts since the baseline.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Verdict {
    /// What needs more, in words.
    pub(super) worse: Vec<String>,
    /// What needs so much less that the baseline is out of date.
    pub(super) better: Vec<String>,
}

/// Compares counts with those of the baseline.
pub(super) fn judge(now: &Figures, before: &Figures) -> Verdict {
    let mut verdict = Verdict::default();
    for (name, n) in now {
        let Some(kept) = before.get(name) else {
            verdict.worse.push(format!("{name} is not in the baseline"));
            continue;
        };
        let words = format!("{name} {kept:.1} -> {n:.1} ({:+.1} %)", (n / kept - 1.0) * 100.0);
        if *n > kept * WORSE {
            verdict.worse.push(words);
        } else if *n < kept * BETTER {
            verdict.better.push(words);
        }
    }
    let missing = before.keys().filter(|name| !now.contains_key(*name));
    verdict.worse.extend(missing.map(|name| format!("{name} is not counted any more")));
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(pairs: &[(&str, f64)]) -> Figures {
        pairs.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect()
    }

    #[test]
    fn two_percent_more_is_worse_and_five_percent_less_asks_for_a_new_baseline() {
        let before = figures(&[("a", 1_000.0), ("b", 1_000.0), ("c", 1_000.0), ("d", 1_000.0)]);
        let now = figures(&[("a", 1_019.0), ("b", 1_021.0), ("c", 951.0), ("d", 949.0)]);
        let verdict = judge(&now, &before);
        assert_eq!(verdict.worse, ["b 1000.0 -> 1021.0 (+2.1 %)"]);
        assert_eq!(verdict.better, ["d 1000.0 -> 949.0 (-5.1 %)"]);
        assert_eq!(judge(&before, &before), Verdict::default());
    }

    #[test]
    fn a_count_on_one_side_only_does_not_pass() {
        let (a, b) = (figures(&[("a", 1.0)]), figures(&[("b", 1.0)]));
        assert_eq!(judge(&a, &b).worse, ["a is not in the baseline", "b is not counted any more"]);
    }

    #[test]
    fn blessing_one_build_keeps_the_other() {
        let room = tempfile::tempdir().unwrap();
        let path = room.path().join("b.toml");
        let mut baseline = Baseline::new(2_000, 64);
        baseline.bless("narrow", &figures(&[("tick", 10.06)]));
        baseline.bless("wide", &figures(&[("tick", 7.0)]));
        baseline.bless("wide", &figures(&[("tick", 6.0)]));
        baseline.write(&path).unwrap();
        let read = Baseline::read(&path).unwrap();
        assert_eq!(read, baseline);
        assert_eq!(read.figures("narrow"), Some(&figures(&[("tick", 10.1)])));
        assert_eq!(read.figures("wide"), Some(&figures(&[("tick", 6.0)])));
        assert!(read.is_of(2_000, 64) && !read.is_of(2_000, 32));
    }
}
