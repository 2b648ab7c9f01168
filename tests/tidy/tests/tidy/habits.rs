//! Small habits: files stay short, nothing is left for later in the code, no test is switched off.

use crate::rust;
use crate::tree::{self, Text};

/// Lines of a file written by hand.
const LINES_MAX: usize = 600;
const LATER: [&str; 4] = ["todo!(", "unimplemented!(", "dbg!(", "#[ignore"];

fn check_length(file: &Text) -> Vec<String> {
    let n = file.text.lines().count();
    (n > LINES_MAX).then(|| format!("{}: {n} lines of at most {LINES_MAX}", file.path)).into_iter().collect()
}

fn check_later(file: &Text) -> Vec<String> {
    let mut complaints = Vec::new();
    for (at, line) in rust::code(&file.text).lines().enumerate() {
        if let Some(word) = LATER.iter().find(|word| line.contains(*word)) {
            complaints.push(format!("{}:{}: {word}", file.path, at + 1));
        }
    }
    complaints
}

#[test]
fn no_file_written_by_hand_is_longer_than_600_lines() {
    let files = tree::texts(".rs");
    let own = files.iter().filter(|file| !file.path.contains("/gen/"));
    tree::expect_none(&own.flat_map(check_length).collect::<Vec<_>>());
}

#[test]
fn nothing_is_left_for_later_and_no_test_is_switched_off() {
    tree::expect_none(&tree::texts(".rs").iter().flat_map(check_later).collect::<Vec<_>>());
}

#[test]
fn generated_files_say_how_to_make_them_again() {
    let files = tree::texts(".rs");
    let silent = files
        .iter()
        .filter(|file| file.path.contains("/gen/") && !file.text.starts_with("//! Generated from"));
    let paths: Vec<&str> = silent.map(|file| file.path.as_str()).collect();
    assert!(paths.is_empty(), "{paths:?} do not open with how they are generated");
}

#[test]
fn a_long_file_and_a_postponed_line_are_found() {
    let file = |text: String| Text { path: "x.rs".to_owned(), text };
    tree::expect_one(&check_length(&file("\n".repeat(LINES_MAX + 1))), "601 lines");
    tree::expect_none(&check_length(&file("\n".repeat(LINES_MAX))));
    for word in LATER {
        tree::expect_one(&check_later(&file(format!("fn f() {{}}\n    {word}\n"))), "x.rs:2");
        tree::expect_none(&check_later(&file(format!("/// Not {word} here.\nlet a = \"{word}\";\n"))));
    }
}
