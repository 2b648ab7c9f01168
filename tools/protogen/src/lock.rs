//! `schema.lock`: every id, opcode, width and range that was ever given out, and in which versions.
//!
//! A schema may only grow beside it. What carries no tags on the wire moves with a new `epoch`; records and
//! the hello change their meaning only with a new `wire_major`; an id that is gone stays taken.
//! Source: docs/PROTOCOL.md "Versions".

use crate::model::Schema;
use crate::projection::{self, Fact};
use std::collections::BTreeMap;
use std::fmt;

const HEADER: &str = "\
# Every id, opcode, width and range that was ever given out. `arcanectl proto gen` keeps this file; commit it.
# First version, last version (`-`: still spoken), r(ealtime) or t(olerant), fact # name. A version is wire_major.epoch.
";

/// What peers of one wire share: major first, then epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Changed when nothing old can be read.
    pub wire_major: u32,
    /// Changed when a realtime fact changes.
    pub epoch: u32,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.wire_major, self.epoch)
    }
}

impl Version {
    /// The version of a schema.
    #[must_use]
    pub fn of(schema: &Schema) -> Self {
        Self { wire_major: schema.protocol.wire_major, epoch: schema.protocol.epoch }
    }

    fn parse(text: &str) -> Option<Self> {
        let (major, epoch) = text.split_once('.')?;
        Some(Self { wire_major: major.parse().ok()?, epoch: epoch.parse().ok()? })
    }
}

/// The file, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    /// Versions given out, oldest first, with hello version and fingerprint.
    pub versions: Vec<(Version, u32, u64)>,
    /// Facts, in the order of the projection; those that are gone behind them.
    pub entries: Vec<Entry>,
}

/// One fact and the versions that spoke it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// First version.
    pub first: Version,
    /// Last version; `None`: still spoken.
    pub last: Option<Version>,
    /// What it says.
    pub fact: Fact,
}

/// Why a schema may not follow what was given out before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// The file is not ours.
    #[error("schema.lock: line {line} does not read: {text}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// The line.
        text: String,
    },
    /// One sentence for each fact that may not change like this.
    #[error("{}\ndocs/PROTOCOL.md \"Versions\" says what each change takes", .0.join("\n"))]
    Refused(Vec<String>),
}

impl Lock {
    /// Reads the file.
    ///
    /// # Errors
    /// [`LockError::Line`].
    pub fn parse(text: &str) -> Result<Self, LockError> {
        let mut lock = Self::default();
        for (at, line) in text.lines().enumerate() {
            if !line.starts_with('#') && !line.trim().is_empty() {
                let bad = || LockError::Line { line: at + 1, text: line.to_owned() };
                lock.parse_line(line).ok_or_else(bad)?;
            }
        }
        Ok(lock)
    }

    fn parse_line(&mut self, line: &str) -> Option<()> {
        if let Some(rest) = line.strip_prefix("version ") {
            let [version, "hello", hello, "fingerprint", fingerprint] =
                rest.split(' ').collect::<Vec<_>>()[..]
            else {
                return None;
            };
            let fingerprint = u64::from_str_radix(fingerprint, 16).ok()?;
            self.versions.push((Version::parse(version)?, hello.parse().ok()?, fingerprint));
            return Some(());
        }
        let (bare, name) = line.split_once(" # ").unwrap_or((line, ""));
        let mut words = bare.splitn(5, ' ');
        let first = Version::parse(words.next()?)?;
        let last = match words.next()? {
            "-" => None,
            last => Some(Version::parse(last)?),
        };
        let is_realtime = match words.next()? {
            "r" => true,
            "t" => false,
            _ => return None,
        };
        let (kind, rest) = (words.next()?, words.next()?);
        let (id, meaning) = rest.split_once(' ').unwrap_or((rest, ""));
        let fact =
            Fact { is_realtime, key: format!("{kind} {id}"), meaning: meaning.into(), name: name.into() };
        self.entries.push(Entry { first, last, fact });
        Some(())
    }

    /// The file as text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = HEADER.to_owned();
        for (version, hello, fingerprint) in &self.versions {
            text += &format!("version {version} hello {hello} fingerprint {fingerprint:016x}\n");
        }
        for entry in &self.entries {
            let last = entry.last.map_or_else(|| "-".to_owned(), |last| last.to_string());
            let letter = if entry.fact.is_realtime { 'r' } else { 't' };
            text += &format!("{} {last} {letter} {}\n", entry.first, entry.fact.line());
        }
        text
    }

    /// The lock after `schema` was given out too. Without a lock before, everything is new.
    ///
    /// # Errors
    /// [`LockError::Refused`] with a sentence for each fact whose id changed its meaning or is gone
    /// unmarked, unless `epoch` (realtime facts) or `wire_major` (all) was raised for it.
    pub fn follow(&self, schema: &Schema) -> Result<Self, LockError> {
        let mut step = Step::new(self, schema);
        let mut entries = Vec::new();
        let facts = locked_facts(schema);
        for fact in &facts {
            let past = self.entries.iter().filter(|entry| entry.fact.key == fact.key);
            entries.extend(step.keep(fact, past.collect()));
        }
        for entry in &self.entries {
            if !facts.iter().any(|fact| fact.key == entry.fact.key) {
                entries.push(step.end(entry));
            }
        }
        step.check_retired(&facts);
        let mut versions = self.versions.clone();
        versions.retain(|(version, ..)| *version != step.now);
        versions.push((step.now, schema.protocol.hello_version, projection::fingerprint(schema)));
        if step.problems.is_empty() {
            Ok(Self { versions, entries })
        } else {
            Err(LockError::Refused(step.problems))
        }
    }
}

/// Facts that the lock keeps; the wire major stands in its version lines.
pub(crate) fn locked_facts(schema: &Schema) -> Vec<Fact> {
    projection::facts(schema).into_iter().filter(|fact| fact.key != "wire_major").collect()
}

/// Whether `retired` covers `key`: itself, or the table that holds it.
pub(crate) fn covers(retired: &str, key: &str) -> bool {
    key.strip_prefix(retired).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// One step from the lock to a schema.
struct Step<'a> {
    lock: &'a Lock,
    retired: BTreeMap<&'a str, &'a str>,
    now: Version,
    /// Nothing was given out before.
    is_first: bool,
    /// Version before this one.
    before: Version,
    new_epoch: bool,
    new_major: bool,
    new_hello: bool,
    problems: Vec<String>,
}

impl<'a> Step<'a> {
    fn new(lock: &'a Lock, schema: &'a Schema) -> Self {
        let now = Version::of(schema);
        let (newest, hello, _) = lock.versions.last().copied().unwrap_or_default();
        let mut problems = Vec::new();
        if now < newest {
            problems.push(format!("the schema is version {now}, but {newest} was given out already"));
        }
        Self {
            lock,
            retired: schema.retired.iter().map(|one| (one.fact.as_str(), one.doc.as_str())).collect(),
            now,
            is_first: lock.versions.is_empty(),
            before: newest,
            new_epoch: now > newest,
            new_major: now.wire_major > newest.wire_major,
            new_hello: schema.protocol.hello_version > hello,
            problems,
        }
    }

    /// Whether a fact of this kind may change its meaning in this step.
    fn may_change(&self, fact: &Fact) -> bool {
        self.new_major || (fact.is_realtime && self.new_epoch)
    }

    fn remedy(fact: &Fact) -> &'static str {
        if fact.is_realtime { "raise `epoch`" } else { "raise `wire_major`" }
    }

    /// The history of a fact that the schema has, with its newest entry last.
    fn keep(&mut self, fact: &Fact, past: Vec<&Entry>) -> Vec<Entry> {
        let fresh = Entry { first: self.now, last: None, fact: fact.clone() };
        let mut kept: Vec<Entry> = past.into_iter().cloned().collect();
        match kept.last_mut() {
            Some(last) if last.last.is_none() && last.fact.meaning == fact.meaning => {
                last.fact = fact.clone(); // names may change
            }
            Some(last) if last.last.is_none() => {
                if !self.may_change(fact) {
                    self.problems.push(format!(
                        "{} meant `{}` and now means `{}`: an id keeps its meaning; use a new one, or {}",
                        label(fact),
                        last.fact.meaning,
                        fact.meaning,
                        Self::remedy(fact)
                    ));
                }
                last.last = Some(self.before);
                kept.push(fresh);
            }
            Some(_) => {
                if !self.new_major {
                    self.problems.push(format!(
                        "{} was retired: its id stays taken; use a new one, or raise `wire_major`",
                        label(fact)
                    ));
                }
                kept.push(fresh);
            }
            None => {
                self.check_new(fact);
                kept.push(fresh);
            }
        }
        kept
    }

    fn check_new(&mut self, fact: &Fact) {
        if self.is_first || self.may_change(fact) {
            return;
        }
        if fact.is_realtime {
            self.problems
                .push(format!("{} is new: peers of one epoch agree on it; raise `epoch`", label(fact)));
        } else if fact.key.starts_with("frozen ") && !self.new_hello {
            self.problems.push(format!("{} is new: raise `hello_version`", label(fact)));
        }
    }

    /// The entry of a fact that the schema no longer has.
    fn end(&mut self, entry: &Entry) -> Entry {
        if entry.last.is_some() {
            return entry.clone();
        }
        let fact = &entry.fact;
        let is_marked = self.retired.keys().any(|retired| covers(retired, &fact.key));
        if !is_marked && !self.new_major {
            self.problems.push(format!(
                "{} is gone: add `[[retired]]` with `fact = \"{}\"` and a `doc`, so that its id stays taken",
                label(fact),
                fact.key
            ));
        } else if fact.is_realtime && !self.may_change(fact) {
            self.problems
                .push(format!("{} is gone: peers of one epoch agree on it; raise `epoch`", label(fact)));
        }
        Entry { last: Some(self.before), ..entry.clone() }
    }

    fn check_retired(&mut self, facts: &[Fact]) {
        for (retired, _) in std::mem::take(&mut self.retired) {
            if facts.iter().any(|fact| covers(retired, &fact.key)) {
                self.problems.push(format!("`{retired}` is retired and still in the schema"));
            } else if !self.lock.entries.iter().any(|entry| covers(retired, &entry.fact.key)) {
                self.problems.push(format!("`{retired}` is retired but was never given out"));
            }
        }
    }
}

fn label(fact: &Fact) -> String {
    if fact.name.is_empty() { fact.key.clone() } else { format!("{} ({})", fact.key, fact.name) }
}
