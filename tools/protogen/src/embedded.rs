//! The schema that this build was made from, for tools that run away from the tree.

use crate::model::Schema;
use crate::read::read_files;

/// The files of `netproto/schema`, by name.
const FILES: [(&str, &str); 6] = [
    ("enums.toml", include_str!("../../../netproto/schema/enums.toml")),
    ("frame.toml", include_str!("../../../netproto/schema/frame.toml")),
    ("hello.toml", include_str!("../../../netproto/schema/hello.toml")),
    ("input.toml", include_str!("../../../netproto/schema/input.toml")),
    ("protocol.toml", include_str!("../../../netproto/schema/protocol.toml")),
    ("records.toml", include_str!("../../../netproto/schema/records.toml")),
];

/// The names of the files, as their folder should hold them.
#[must_use]
pub fn names() -> Vec<&'static str> {
    FILES.iter().map(|(name, _)| *name).collect()
}

/// The files as (name, text).
#[must_use]
pub fn files() -> Vec<(String, String)> {
    FILES.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

/// The schema of this build.
///
/// # Panics
/// If it does not read: the generator that made this build read it.
#[must_use]
pub fn schema() -> Schema {
    read_files(&files()).expect("the generator read these files")
}
