//! The generator against its own schema: what is refused, what moves the fingerprint, what the lock allows.

mod diff;
mod fresh;
mod lock;
mod mutate;
mod projection;
mod rust;
mod validation;

use protogen::model::Schema;
use protogen::{embedded, read};

/// The real schema with one text replaced in one file.
fn edited(file: &str, old: &str, new: &str) -> Result<Schema, String> {
    let mut files = embedded::files();
    let text = &mut files.iter_mut().find(|(name, _)| name == file).expect("the schema has the file").1;
    assert!(text.contains(old), "{file} does not hold {old:?}");
    *text = text.replacen(old, new, 1);
    read::read_files(&files).map_err(|error| error.to_string())
}

/// As [`edited`], for edits that must read.
fn good(file: &str, old: &str, new: &str) -> Schema {
    edited(file, old, new).unwrap_or_else(|error| panic!("{error}"))
}
