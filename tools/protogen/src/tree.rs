//! The generated files in the tree: which there should be, which on disk are stale, and writing them.

use crate::lock::Lock;
use crate::model::Schema;
use crate::{OutFile, generate};
use anyhow::Context;
use std::path::{Path, PathBuf};

/// Where the schema lives, from the root of the tree.
pub const SCHEMA_DIR: &str = "netproto/schema";
/// Where the lock lives.
pub const LOCK_FILE: &str = "netproto/schema/schema.lock";
/// Folders that hold nothing but generated files.
const OWN_DIRS: [&str; 1] = ["netproto/src/gen"];

/// Walks up from `start` to the folder that holds the schema.
#[must_use]
pub fn find_root(start: &Path) -> Option<PathBuf> {
    start.ancestors().find(|dir| dir.join(SCHEMA_DIR).is_dir()).map(Path::to_owned)
}

/// Every generated file as it should be, the lock among them.
///
/// # Errors
/// When the lock does not read or refuses the schema, or an emitter fails.
pub fn wanted(root: &Path, schema: &Schema) -> anyhow::Result<Vec<OutFile>> {
    let path = root.join(LOCK_FILE);
    let lock = match std::fs::read_to_string(&path) {
        Ok(text) => Lock::parse(&text)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Lock::default(),
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    let mut files = vec![OutFile { path: LOCK_FILE.into(), text: lock.follow(schema)?.text() }];
    files.extend(generate(schema)?);
    Ok(files)
}

/// Files that differ from what they should be, are missing, or are left over in a generated folder.
///
/// # Errors
/// When a folder does not read.
pub fn stale(root: &Path, wanted: &[OutFile]) -> anyhow::Result<Vec<PathBuf>> {
    let mut stale: Vec<PathBuf> = wanted
        .iter()
        .filter(|file| std::fs::read(root.join(&file.path)).ok().as_deref() != Some(file.text.as_bytes()))
        .map(|file| file.path.clone())
        .collect();
    stale.extend(left_over(root, wanted)?);
    Ok(stale)
}

/// Writes what is stale, removes what is left over, and says which files those were.
///
/// # Errors
/// When a file or folder does not read or write.
pub fn write(root: &Path, wanted: &[OutFile]) -> anyhow::Result<Vec<PathBuf>> {
    let stale = stale(root, wanted)?;
    for path in &stale {
        let full = root.join(path);
        match wanted.iter().find(|file| file.path == *path) {
            Some(file) => {
                if let Some(dir) = full.parent() {
                    std::fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
                }
                std::fs::write(&full, &file.text)
            }
            None => std::fs::remove_file(&full),
        }
        .with_context(|| full.display().to_string())?;
    }
    Ok(stale)
}

fn left_over(root: &Path, wanted: &[OutFile]) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for dir in OWN_DIRS {
        let full = root.join(dir);
        if !full.is_dir() {
            continue;
        }
        for entry in std::fs::read_dir(&full).with_context(|| full.display().to_string())? {
            let path = Path::new(dir).join(entry?.file_name());
            if !wanted.iter().any(|file| file.path == path) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}
