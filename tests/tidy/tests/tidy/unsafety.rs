//! Unsafe code is a guest: crates forbid it, or docs/ARCHITECTURE.md "Unsafe code" lists the file and the reason.

use crate::rust;
use crate::tree::{self, Text};
use std::collections::BTreeSet;

/// Whether a file holds unsafe code: a block, a function, an attribute; not the name of the lint.
fn holds(text: &str) -> bool {
    let code = rust::code(text);
    let is_of_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    code.match_indices("unsafe").any(|(at, word)| {
        let (before, behind) = (&code[..at], &code[at + word.len()..]);
        !before.ends_with(is_of_word) && !behind.starts_with(is_of_word)
    })
}

/// Paths between backticks at the start of the table's rows.
fn listed(section: &str) -> BTreeSet<String> {
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split('`').next()).map(str::to_owned).collect()
}

fn check_list(files: &[Text], section: &str) -> Vec<String> {
    let listed = listed(section);
    let found: BTreeSet<String> =
        files.iter().filter(|file| holds(&file.text)).map(|file| file.path.clone()).collect();
    let missing = found.difference(&listed).map(|path| format!("{path} has unsafe code and is not listed"));
    let stale = listed.difference(&found).map(|path| format!("{path} is listed and has no unsafe code"));
    missing.chain(stale).collect()
}

fn check_root(file: &Text) -> Vec<String> {
    let is_said =
        ["#![forbid(unsafe_code)]", "#![deny(unsafe_code)]"].iter().any(|says| file.text.contains(says));
    (!is_said).then(|| format!("{}: #![forbid(unsafe_code)] is missing", file.path)).into_iter().collect()
}

fn section() -> String {
    let text = tree::read("docs/ARCHITECTURE.md").expect("docs/ARCHITECTURE.md is there");
    tree::section(&text, "Unsafe code")
        .expect("docs/ARCHITECTURE.md has a section \"Unsafe code\"")
        .to_owned()
}

#[test]
fn every_crate_forbids_or_denies_it() {
    let roots = tree::texts("src/lib.rs").into_iter().chain(tree::texts("src/main.rs"));
    tree::expect_none(&roots.flat_map(|file| check_root(&file)).collect::<Vec<_>>());
}

#[test]
fn every_file_that_has_it_is_listed_with_its_reason() {
    tree::expect_none(&check_list(&tree::texts(".rs"), &section()));
}

#[test]
fn an_unlisted_file_a_stale_line_and_an_open_root_are_found() {
    let file = |path: &str, text: &str| Text { path: path.to_owned(), text: text.to_owned() };
    let files = [
        file("a.rs", "let x = unsafe { y };\n"),
        file("b.rs", "// unsafe { no }\nlet x = \"unsafe { no }\";\n"),
    ];
    tree::expect_one(&check_list(&files, ""), "a.rs has");
    tree::expect_none(&check_list(&files, "| `a.rs` | because |\n"));
    tree::expect_one(&check_list(&files, "| `a.rs` | because |\n| `b.rs` | because |\n"), "b.rs is listed");
    tree::expect_one(&check_root(&file("lib.rs", "//! A crate.\n")), "is missing");
    tree::expect_none(&check_root(&file("lib.rs", "#![deny(unsafe_code)]\n")));
    assert!(!holds("#![allow(unsafe_code)]\n"));
    assert!(holds("#[unsafe(no_mangle)]\n") && holds("    unsafe\n    fn f() {}\n"));
}
