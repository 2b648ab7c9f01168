//! The list of targets: what `targets.toml` says, with the function that runs it.

use crate::{heap, targets};
use serde::Deserialize;
use std::path::PathBuf;

/// A target as it is listed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// Its name, and that of its folder in `corpus`.
    pub name: String,
    /// Who sends such bytes to whom.
    pub says: String,
    /// Functions that it covers: file, a space, name with its type.
    pub decoders: Vec<String>,
    /// Inputs are at most this long.
    pub bytes_max: usize,
    /// Live heap bytes at most while one input is read.
    pub heap_bytes: usize,
    /// And so many more for every byte of the input.
    pub heap_per_byte: usize,
}

#[derive(Deserialize)]
struct File {
    target: Vec<Listed>,
}

/// The body of a target.
#[derive(Clone, Copy)]
pub struct Body {
    /// Reads one input; whether it got past the header.
    pub run: fn(&[u8]) -> bool,
    /// Good inputs.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// A target with its body.
#[derive(Clone)]
pub struct Target {
    /// What is said of it.
    pub listed: Listed,
    body: Body,
}

impl Target {
    /// Reads one input; whether it got past the header.
    ///
    /// # Panics
    /// When the decoder does, when what it says contradicts itself, or when the input took more memory than it may.
    pub fn run(&self, bytes: &[u8]) -> bool {
        let (is_past, peak) = heap::peak_of(|| (self.body.run)(bytes));
        let allowed = self.listed.heap_bytes + self.listed.heap_per_byte * bytes.len();
        let name = &self.listed.name;
        assert!(
            peak <= allowed,
            "{name}: {} bytes of input took {peak} of memory, {allowed} are allowed",
            bytes.len()
        );
        is_past
    }

    /// Good inputs, no longer than inputs may be.
    #[must_use]
    pub fn seeds(&self) -> Vec<Vec<u8>> {
        (self.body.seeds)().into_iter().filter(|seed| seed.len() <= self.listed.bytes_max).collect()
    }

    /// Where its kept inputs lie.
    #[must_use]
    pub fn corpus(&self) -> PathBuf {
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus")).join(&self.listed.name)
    }
}

/// All targets, in the order of the list.
///
/// # Panics
/// If the list and the bodies disagree.
#[must_use]
pub fn all() -> Vec<Target> {
    let file: File =
        toml::from_str(include_str!("../targets.toml")).expect("targets.toml is a list of targets");
    assert_eq!(file.target.len(), targets::BODIES.len(), "targets.toml and the bodies differ in number");
    let join = |listed: Listed| {
        let body = targets::BODIES.iter().find(|(name, _)| *name == listed.name);
        let (_, body) = body.unwrap_or_else(|| panic!("target {} has no body", listed.name));
        Target { listed, body: *body }
    };
    file.target.into_iter().map(join).collect()
}

/// The target with this name.
#[must_use]
pub fn find(name: &str) -> Option<Target> {
    all().into_iter().find(|target| target.listed.name == name)
}
