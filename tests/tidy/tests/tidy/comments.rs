//! Public items say what they are; crate roots say what is missing on purpose.

use crate::rust;
use crate::tree::{self, Text};

const ITEMS: [&str; 12] = [
    "pub fn ",
    "pub const ",
    "pub unsafe ",
    "pub async ",
    "pub extern ",
    "pub static ",
    "pub struct ",
    "pub enum ",
    "pub union ",
    "pub trait ",
    "pub type ",
    "pub macro ",
];
/// Libraries that nobody reads as a room.
const NO_ROOMS: [&str; 3] = ["tests/sim", "tests/process", "tests/tidy"];

/// Sources written by hand that are not tests.
pub(crate) fn is_own_source(path: &str) -> bool {
    path.ends_with(".rs") && path.contains("src/") && !path.contains("/gen/")
}

/// Line numbers, from 1, of public items without a comment above them. Unit tests come last in a file.
fn undocumented(text: &str) -> Vec<(usize, String)> {
    let text = rust::without_quoted(text);
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let end = lines.iter().position(|line| *line == "#[cfg(test)]" || line.starts_with("#[cfg(all(test"));
    let mut found = Vec::new();
    for at in 0..end.unwrap_or(lines.len()) {
        if ITEMS.iter().any(|item| lines[at].starts_with(item)) && !is_documented(&lines[..at]) {
            found.push((at + 1, lines[at].to_owned()));
        }
    }
    found
}

/// Whether the lines above an item end with a doc comment, attributes apart.
fn is_documented(above: &[&str]) -> bool {
    let mut at = above.len();
    while at > 0 {
        at -= 1;
        let line = above[at];
        if line.starts_with("///") || line.starts_with("#[doc") || line.ends_with("*/") {
            return true;
        }
        if line.starts_with("#[") {
            continue;
        }
        if !line.ends_with(']') {
            return false;
        }
        // The end of an attribute of several lines: on to its beginning.
        match above[..at].iter().rposition(|line| line.starts_with("#[")) {
            Some(start) => at = start,
            None => return false,
        }
    }
    false
}

fn check_items(file: &Text) -> Vec<String> {
    let complain =
        |(line, item): (usize, String)| format!("{}:{line}: no doc comment on `{item}`", file.path);
    undocumented(&file.text).into_iter().map(complain).collect()
}

fn check_opening(file: &Text) -> Vec<String> {
    let is_open = file.text.starts_with("//!");
    (!is_open).then(|| format!("{} does not open with `//!`", file.path)).into_iter().collect()
}

/// A room says what it leaves out, in the comment at the top of its root.
fn check_absence(file: &Text) -> Vec<String> {
    let head = file.text.lines().take_while(|line| line.starts_with("//!"));
    let says = head.into_iter().any(|line| line.contains("Not here:"));
    (!says).then(|| format!("{} does not say \"Not here:\" at its top", file.path)).into_iter().collect()
}

#[test]
fn every_public_item_has_a_doc_comment() {
    let files = tree::texts(".rs");
    let own = files.iter().filter(|file| is_own_source(&file.path));
    tree::expect_none(&own.flat_map(check_items).collect::<Vec<_>>());
}

#[test]
fn every_source_file_opens_by_saying_what_it_is() {
    let files = tree::texts(".rs");
    // Templates are pieces of generated files.
    let whole = files.iter().filter(|file| !file.path.contains("/templates/"));
    tree::expect_none(&whole.flat_map(check_opening).collect::<Vec<_>>());
}

#[test]
fn every_room_says_what_is_not_in_it() {
    let files = tree::texts("src/lib.rs");
    let rooms = files.iter().filter(|file| !NO_ROOMS.iter().any(|dir| file.path.starts_with(dir)));
    tree::expect_none(&rooms.flat_map(check_absence).collect::<Vec<_>>());
}

#[test]
fn an_item_without_a_comment_is_found_behind_any_attribute() {
    let documented =
        "/// A.\n#[derive(Debug)]\npub struct A;\n/// B.\n#[error(\n    \"x\"\n)]\npub enum B {}\n";
    assert_eq!(undocumented(documented), []);
    for wrong in [
        "pub fn f() {}\n",
        "/// Of the field above.\nx: u8,\n\npub const C: u8 = 1;\n",
        "    #[must_use]\n    pub fn g() {}\n",
        "}\n#[error(\n    \"x\"\n)]\npub struct D;\n",
        "// Not a doc comment.\npub trait T {}\n",
    ] {
        assert_eq!(undocumented(wrong).len(), 1, "{wrong}");
    }
    assert_eq!(undocumented("#[cfg(test)]\nmod tests {\n    pub fn helper() {}\n}\n"), []);
    assert_eq!(undocumented("pub(crate) fn h() {}\npub mod m;\npub use a::b;\n"), []);
}

#[test]
fn a_file_without_an_opening_and_a_room_without_its_absence_are_found() {
    let file = |text: &str| Text { path: "x/src/lib.rs".to_owned(), text: text.to_owned() };
    tree::expect_one(&check_opening(&file("use a;\n//! Late.\n")), "does not open");
    tree::expect_one(&check_absence(&file("//! A room.\n\n/// Not here: wrong place.\n")), "Not here:");
    tree::expect_none(&check_absence(&file("//! A room.\n//!\n//! Not here: doors.\n")));
}
