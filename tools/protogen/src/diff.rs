//! Two schemas side by side: what changed, and who can still talk to whom.

use crate::lock::{Version, covers, locked_facts};
use crate::model::Schema;
use crate::projection::Fact;
use std::collections::BTreeMap;

/// How bad a change is, mildest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// No byte moves: names, sentences, classes, priorities, order.
    Docs,
    /// Old ids keep their meaning; realtime facts among it need a new epoch.
    Compatible,
    /// An id changed its meaning or is gone unmarked.
    Breaking,
}

impl Class {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Docs => "docs",
            Self::Compatible => "compatible",
            Self::Breaking => "breaking",
        }
    }
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// How bad.
    pub class: Class,
    /// Whether peers of one epoch must agree on it.
    pub is_realtime: bool,
    /// What, for people.
    pub text: String,
}

/// All differences between two schemas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diff {
    /// Version of the old schema.
    pub old: Version,
    /// Version of the new schema.
    pub new: Version,
    /// In the order of the projection: changed and new facts, then those that are gone.
    pub changes: Vec<Change>,
}

impl Diff {
    /// The worst change; without any, docs.
    #[must_use]
    pub fn class(&self) -> Class {
        self.changes.iter().map(|change| change.class).max().unwrap_or(Class::Docs)
    }

    /// Whether bytes of realtime frames move, so that the epoch must.
    #[must_use]
    pub fn needs_epoch(&self) -> bool {
        self.changes.iter().any(|change| change.is_realtime && change.class > Class::Docs)
    }

    /// Whether something breaks that neither `wire_major` nor, for realtime facts, `epoch` announces.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        let is_announced = |change: &Change| {
            self.new.wire_major > self.old.wire_major || (change.is_realtime && self.new > self.old)
        };
        self.changes.iter().any(|change| change.class == Class::Breaking && !is_announced(change))
    }

    /// What to raise before this is given out; empty: nothing.
    #[must_use]
    pub fn remedy(&self) -> String {
        if self.is_refused() {
            "keep old ids as they are and use new ones, or raise `wire_major` (realtime facts: `epoch`)"
                .into()
        } else if self.needs_epoch() && self.new <= self.old {
            format!("raise `epoch` to {}", self.old.epoch + 1)
        } else {
            String::new()
        }
    }
}

/// Compares.
#[must_use]
pub fn diff(old: &Schema, new: &Schema) -> Diff {
    let (old_facts, new_facts) = (by_key(old), by_key(new));
    let mut changes = Vec::new();
    for fact in locked_facts(new) {
        match old_facts.get(&fact.key) {
            None => changes.push(added(&fact, old, new)),
            Some(before) => changes.extend(altered(before, &fact)),
        }
    }
    for fact in locked_facts(old) {
        if !new_facts.contains_key(&fact.key) {
            let is_marked = new.retired.iter().any(|retired| covers(&retired.fact, &fact.key));
            let class = if is_marked { Class::Compatible } else { Class::Breaking };
            let how = if is_marked { "retired" } else { "gone, and not marked as retired" };
            changes.push(change(class, &fact, format!("{how}: {}", fact.line())));
        }
    }
    if changes.is_empty() && old != new {
        changes.push(Change {
            class: Class::Docs,
            is_realtime: false,
            text: "sentences, classes, priorities or the order of tables".into(),
        });
    }
    Diff { old: Version::of(old), new: Version::of(new), changes }
}

fn by_key(schema: &Schema) -> BTreeMap<String, Fact> {
    locked_facts(schema).into_iter().map(|fact| (fact.key.clone(), fact)).collect()
}

fn change(class: Class, fact: &Fact, text: String) -> Change {
    Change { class, is_realtime: fact.is_realtime, text }
}

fn added(fact: &Fact, old: &Schema, new: &Schema) -> Change {
    let is_hello = fact.key.starts_with("frozen ");
    let class = if is_hello && new.protocol.hello_version <= old.protocol.hello_version {
        Class::Breaking
    } else {
        Class::Compatible
    };
    change(class, fact, format!("new: {}", fact.line()))
}

fn altered(old: &Fact, new: &Fact) -> Option<Change> {
    if old.meaning != new.meaning {
        return Some(change(Class::Breaking, new, format!("changed: {} -> {}", old.line(), new.meaning)));
    }
    (old.name != new.name)
        .then(|| change(Class::Docs, new, format!("renamed: {} -> {}", old.line(), new.name)))
}
