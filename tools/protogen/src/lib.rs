//! Schema in, files out: the wire's one description becomes code, a docs page and golden vectors.
//!
//! [`read`] takes the TOML files and checks them, [`model`] is what they say, [`layout`] counts bits,
//! [`projection`] names what moves bytes and hashes it, [`lock`] holds a schema against what was given out
//! before, [`diff`] against another one. Each [`Emitter`] is one module that turns a schema into files:
//! [`rust`], [`docs`], [`golden`]; the next language is one more. [`tree`] compares them with the disk.
//! [`pack`] and [`trace`] code bits straight from the schema, slowly, to check and explain the fast code.
//!
//! Not here: build scripts (generated files are committed), and anything that runs in a server.
#![forbid(unsafe_code)]

mod check;
pub mod diff;
pub mod docs;
pub mod embedded;
pub mod golden;
pub mod keys;
pub mod layout;
pub mod lock;
pub mod model;
pub mod pack;
pub mod projection;
pub mod read;
pub mod rust;
pub mod sample;
pub mod trace;
pub mod trace_bytes;
pub mod tree;
pub mod value;

use model::Schema;
use std::path::PathBuf;

/// A file that an emitter wants to see on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutFile {
    /// From the root of the tree.
    pub path: PathBuf,
    /// All of it.
    pub text: String,
}

/// Turns a schema into the files of one language or one kind of document.
pub trait Emitter {
    /// All files of this emitter; no order is promised.
    ///
    /// # Errors
    /// When what was built does not parse as the language it should be: a bug of the emitter.
    fn emit(&self, schema: &Schema) -> anyhow::Result<Vec<OutFile>>;
}

/// All emitters, in the order their files are written.
#[must_use]
pub fn emitters() -> Vec<Box<dyn Emitter>> {
    vec![Box::new(rust::Rust), Box::new(docs::Docs), Box::new(golden::Golden)]
}

/// Runs every emitter.
///
/// # Errors
/// As [`Emitter::emit`].
pub fn generate(schema: &Schema) -> anyhow::Result<Vec<OutFile>> {
    let mut files = Vec::new();
    for emitter in emitters() {
        files.extend(emitter.emit(schema)?);
    }
    Ok(files)
}
