//! `arcanectl proto`: the schema of the wire and what is made from it.

mod explain;

use crate::Exit;
use anyhow::Context;
use clap::{Parser, Subcommand};
use protogen::model::Schema;
use protogen::{diff, embedded, projection, read, tree};
use serde_json::json;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Arguments of `arcanectl proto`.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// Root of the source tree; without it, the nearest folder above that holds netproto/schema.
    #[arg(long, global = true)]
    root: Option<PathBuf>,
    /// One JSON object on the last line of stdout instead of text.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write all files that are made from netproto/schema/*.toml.
    Gen {
        /// Write nothing; name every stale file and exit 1 if there is one.
        #[arg(long)]
        check: bool,
    },
    /// Compare two schema folders: docs, compatible or breaking; exit 1 on what breaks unannounced.
    Diff {
        /// Folder with the older *.toml files.
        old: PathBuf,
        /// Folder with the newer *.toml files.
        new: PathBuf,
    },
    /// Print what moves bytes, one fact a line.
    Projection,
    /// Print the 64-bit fingerprint that names the wire epoch.
    Fingerprint,
    /// Print every field of a frame, input datagram, record or hello; exit 4 when it does not decode.
    Explain(explain::Args),
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    match &args.command {
        Command::Gen { check } => generate(&root(args)?, *check, args.json),
        Command::Diff { old, new } => compare(old, new, args.json),
        Command::Projection => {
            let text = projection::text(&schema(args)?);
            show(args.json, &json!({ "projection": text }), text.trim_end())?;
            Ok(Exit::Ok)
        }
        Command::Fingerprint => {
            let schema = schema(args)?;
            let fingerprint = format!("{:016x}", projection::fingerprint(&schema));
            show(
                args.json,
                &json!({ "epoch": schema.protocol.epoch, "fingerprint": fingerprint }),
                &fingerprint,
            )?;
            Ok(Exit::Ok)
        }
        Command::Explain(explain) => explain::run(explain, args.json),
    }
}

/// Prints the text, or the JSON line in its place. A reader that went away, such as `head`, is no error.
fn show(as_json: bool, json: &serde_json::Value, text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let written = if as_json { writeln!(out, "{json}") } else { writeln!(out, "{text}") };
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("stdout"),
        _ => Ok(()),
    }
}

fn root(args: &Args) -> anyhow::Result<PathBuf> {
    match &args.root {
        Some(root) => Ok(root.clone()),
        None => {
            let here = std::env::current_dir()?;
            tree::find_root(&here).context("no netproto/schema here or above; give --root")
        }
    }
}

/// The schema of the tree around us; away from any tree, the one of this build.
fn schema(args: &Args) -> anyhow::Result<Schema> {
    match root(args) {
        Ok(root) => Ok(read::read_dir(&root.join(tree::SCHEMA_DIR))?),
        Err(_) => Ok(embedded::schema()),
    }
}

fn generate(root: &Path, check: bool, as_json: bool) -> anyhow::Result<Exit> {
    let schema = read::read_dir(&root.join(tree::SCHEMA_DIR))?;
    let wanted = tree::wanted(root, &schema)?;
    let paths = if check { tree::stale(root, &wanted)? } else { tree::write(root, &wanted)? };
    let listed: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    let word = if check { "stale" } else { "wrote" };
    let mut lines: Vec<String> = Vec::new();
    for (path, name) in paths.iter().zip(&listed) {
        // A file that nobody wants any more is stale until it is gone.
        let is_gone = !check && !wanted.iter().any(|file| file.path == *path);
        lines.push(format!("{} {name}", if is_gone { "removed" } else { word }));
    }
    if check && !listed.is_empty() {
        lines.push("mend with: cargo run -p arcanectl -- proto gen".into());
    }
    if lines.is_empty() {
        lines.push(format!("{} generated files are fresh", wanted.len()));
    }
    show(as_json, &json!({ word: listed, "n_files": wanted.len() }), &lines.join("\n"))?;
    Ok(if check && !paths.is_empty() { Exit::CheckFailed } else { Exit::Ok })
}

fn compare(old: &Path, new: &Path, as_json: bool) -> anyhow::Result<Exit> {
    let read = |dir: &Path| read::read_dir(dir).with_context(|| dir.display().to_string());
    let found = diff::diff(&read(old)?, &read(new)?);
    let mut lines: Vec<String> =
        found.changes.iter().map(|change| format!("{:10}  {}", change.class.name(), change.text)).collect();
    lines.push(format!("{} -> {}: {}", found.old, found.new, found.class().name()));
    if !found.remedy().is_empty() {
        lines.push(found.remedy());
    }
    let changes: Vec<serde_json::Value> = found
        .changes
        .iter()
        .map(|change| json!({ "class": change.class.name(), "realtime": change.is_realtime, "text": change.text }))
        .collect();
    let json = json!({
        "old": found.old.to_string(),
        "new": found.new.to_string(),
        "class": found.class().name(),
        "remedy": found.remedy(),
        "changes": changes,
    });
    show(as_json, &json, &lines.join("\n"))?;
    Ok(if found.is_refused() { Exit::CheckFailed } else { Exit::Ok })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree of its own with the real schema, gone with the value.
    struct Tree(PathBuf);

    impl Tree {
        fn new(name: &str) -> Self {
            let dir = std::env::temp_dir().join(format!("arcanectl-{name}-{}", std::process::id()));
            let tree = Self(dir);
            std::fs::create_dir_all(tree.schema()).expect("the temporary folder is ours");
            for (name, text) in embedded::files() {
                std::fs::write(tree.schema().join(name), text).expect("the temporary folder is ours");
            }
            tree
        }

        fn schema(&self) -> PathBuf {
            self.0.join(tree::SCHEMA_DIR)
        }

        fn edit(&self, file: &str, old: &str, new: &str) {
            let path = self.schema().join(file);
            let text = std::fs::read_to_string(&path).expect("it was written before");
            assert!(text.contains(old), "{file} does not hold {old:?}");
            std::fs::write(path, text.replacen(old, new, 1)).expect("the temporary folder is ours");
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn check_fails_until_the_files_are_written_and_again_after_an_edit() {
        let tree = Tree::new("gen");
        let check = || generate(&tree.0, true, true).expect("the schema reads");
        assert_eq!(check(), Exit::CheckFailed);
        assert_eq!(generate(&tree.0, false, true).expect("it writes"), Exit::Ok);
        assert_eq!(check(), Exit::Ok);
        tree.edit("frame.toml", "Health, as bars show it.", "Health.");
        assert_eq!(check(), Exit::CheckFailed);
        tree.edit("frame.toml", "bits = 7, max = 127", "bits = 8, max = 127");
        let error = generate(&tree.0, false, true).expect_err("the lock knows the width");
        assert_eq!(crate::exit_of(&error), Exit::CheckFailed, "{error:#}");
    }

    #[test]
    fn a_breaking_difference_fails_and_a_missing_folder_is_input_and_output() {
        let (old, new) = (Tree::new("old"), Tree::new("new"));
        assert_eq!(compare(&old.schema(), &new.schema(), true).expect("both read"), Exit::Ok);
        new.edit("frame.toml", "bits = 7, max = 127", "bits = 8, max = 127");
        assert_eq!(compare(&old.schema(), &new.schema(), true).expect("both read"), Exit::CheckFailed);
        let error = compare(&old.schema(), Path::new("/nonexistent"), true).expect_err("it is not there");
        assert_eq!(crate::exit_of(&error), Exit::Io, "{error:#}");
    }
}
