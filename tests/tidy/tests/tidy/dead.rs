//! Nothing lies about: every source file is compiled, every folder holds something, no left-overs.

use crate::tree::{self, Text};
use std::collections::BTreeSet;

/// Endings of files that editors, merges and runs leave behind.
const LEFT_OVERS: [&str; 10] =
    [".orig", ".rej", ".bak", ".log", ".swp", ".tmp", "~", ".profraw", ".DS_Store", ".env"];

/// A module declaration: its name, and the path that an attribute gives it.
fn declarations(text: &str) -> Vec<(String, Option<String>)> {
    let mut path = None;
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(given) = line.strip_prefix("#[path = \"") {
            path = given.split('"').next().map(str::to_owned);
            continue;
        }
        let Some(rest) = line.strip_suffix(';') else { continue };
        let name = rest.rsplit_once("mod ").filter(|(before, _)| is_visibility(before)).map(|(_, name)| name);
        if let Some(name) = name {
            found.push((name.to_owned(), path.take()));
        }
    }
    found
}

fn is_visibility(text: &str) -> bool {
    let text = text.trim();
    text.is_empty() || text == "pub" || (text.starts_with("pub(") && text.ends_with(')'))
}

/// Whether a file is where cargo begins to compile.
fn is_root(path: &str) -> bool {
    let ends = ["src/lib.rs", "src/main.rs"].iter().any(|end| path.ends_with(end));
    let parts: Vec<&str> = path.rsplit('/').collect();
    let is_loose = matches!(parts.get(1), Some(&("bin" | "examples" | "benches")));
    // `tests/NAME.rs` beside a manifest; `tests/NAME/src/..` is a crate that happens to live in tests/.
    let is_test = parts.get(1) == Some(&"tests") && parts.get(2).is_some();
    // `tests/NAME/main.rs`: a test of several files.
    let is_test = is_test || (parts[0] == "main.rs" && parts.get(2) == Some(&"tests"));
    ends || is_loose || is_test
}

/// Files reachable from the roots along module declarations, inclusions and their own names.
fn reachable(files: &[Text]) -> BTreeSet<String> {
    let find = |path: &str| files.iter().find(|file| file.path == path);
    let mut open: Vec<&Text> = files.iter().filter(|file| is_root(&file.path)).collect();
    let mut seen = BTreeSet::new();
    while let Some(file) = open.pop() {
        if !seen.insert(file.path.clone()) {
            continue;
        }
        let (dir, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
        let stem = name.trim_end_matches(".rs");
        let is_dir_root = is_root(&file.path) || stem == "mod";
        let inner = if is_dir_root { dir.to_owned() } else { format!("{dir}/{stem}") };
        for (module, path) in declarations(&file.text) {
            let candidates = match path {
                Some(path) => vec![format!("{dir}/{path}")],
                None => vec![format!("{inner}/{module}.rs"), format!("{inner}/{module}/mod.rs")],
            };
            open.extend(candidates.iter().filter_map(|path| find(path)));
        }
        for inclusion in file.text.split("include_str!(\"").chain(file.text.split("include!(\"")).skip(1) {
            let path = inclusion.split('"').next().unwrap_or_default();
            open.extend(find(&resolved(dir, path)));
        }
    }
    seen
}

/// A relative path with its `..` taken out.
pub(crate) fn resolved(dir: &str, path: &str) -> String {
    let mut parts: Vec<&str> = dir.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn check_reachable(files: &[Text]) -> Vec<String> {
    let seen = reachable(files);
    let dead = files.iter().filter(|file| !seen.contains(&file.path));
    dead.map(|file| format!("{} is compiled by nobody: no `mod` leads to it", file.path)).collect()
}

fn check_left_overs(paths: &[String]) -> Vec<String> {
    let is_left = |path: &&String| {
        LEFT_OVERS.iter().any(|end| path.ends_with(end))
            || path.contains("node_modules/")
            || path.starts_with("target/")
    };
    paths.iter().filter(is_left).map(|path| format!("{path} should not be in the tree")).collect()
}

/// Folders without a single file in or below them.
fn empty_folders(dir: &str, found: &mut Vec<String>) -> bool {
    let mut is_empty = true;
    for (path, is_dir) in tree::entries(dir) {
        is_empty &= is_dir && empty_folders(&path, found);
    }
    if is_empty {
        found.push(dir.to_owned());
    }
    is_empty
}

#[test]
fn every_source_file_is_compiled() {
    tree::expect_none(&check_reachable(&tree::texts(".rs")));
}

#[test]
fn no_left_overs_are_in_the_tree() {
    tree::expect_none(&check_left_overs(tree::files()));
}

#[test]
fn no_folder_is_empty() {
    let mut found = Vec::new();
    empty_folders("", &mut found);
    assert!(found.is_empty(), "rooms that come later wait outside: {found:?}");
}

#[test]
fn a_dead_file_is_found_and_a_living_one_is_not() {
    let files: Vec<Text> = [
        (
            "a/src/lib.rs",
            "pub mod b;\n#[path = \"gen/mod.rs\"]\npub mod generated;\n#[cfg(test)]\nmod tests;\n",
        ),
        ("a/src/b.rs", "pub(crate) mod c;\nconst T: &str = include_str!(\"../templates/t.rs\");\n"),
        ("a/src/b/c.rs", "// mod dead;\n"),
        ("a/src/b/dead.rs", ""),
        ("a/src/gen/mod.rs", "mod d;\n"),
        ("a/src/gen/d.rs", ""),
        ("a/src/tests.rs", ""),
        ("a/templates/t.rs", ""),
        ("a/tests/sentence.rs", "#[path = \"sentence/part.rs\"]\nmod part;\n"),
        ("a/tests/sentence/part.rs", ""),
        ("a/tests/sentence/lost.rs", ""),
        ("tests/sim/src/lost.rs", ""),
        ("a/tests/many/main.rs", "mod one;\n"),
        ("a/tests/many/one.rs", ""),
    ]
    .map(|(path, text)| Text { path: path.to_owned(), text: text.to_owned() })
    .into();
    let complaints = check_reachable(&files);
    for dead in ["a/src/b/dead.rs", "a/tests/sentence/lost.rs", "tests/sim/src/lost.rs"] {
        tree::expect_one(&complaints, dead);
    }
    assert_eq!(complaints.len(), 3, "{complaints:?}");
}

#[test]
fn a_left_over_is_found() {
    let paths = |path: &str| [path.to_owned()];
    for wrong in ["engine/src/lib.rs.orig", "run.log", ".env", "clients/web/node_modules/x/y.js", "notes~"] {
        tree::expect_one(&check_left_overs(&paths(wrong)), wrong);
    }
    tree::expect_none(&check_left_overs(&paths("engine/server/src/log.rs")));
}
