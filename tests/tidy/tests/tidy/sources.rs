//! Where comments say they come from: documents of ours must exist and have the heading, others must be public.

use crate::rust;
use crate::tree::{self, Text};
use std::collections::BTreeMap;

/// Places that only some of us can read; in pieces, so that this file is not found itself.
const PRIVATE: [&str; 4] = [
    concat!("shar", "ed/"),
    concat!("REQUIRE", "MENTS.md"),
    concat!("DESI", "GN.md"),
    concat!("STY", "LE.md"),
];

/// Headings by document.
type Documents = BTreeMap<String, Vec<String>>;

/// Runs of comment lines, each joined to one text, with the number of their first line.
fn comments(text: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut was_comment = false;
    for (at, line) in rust::without_quoted(text).lines().enumerate() {
        let line = line.trim();
        let whole = line.starts_with("//");
        let comment = if whole { Some(line) } else { line.find(" // ").map(|at| &line[at + 1..]) };
        if let Some(comment) = comment {
            let words = comment.trim_start_matches('/').trim_start_matches('!').trim();
            match found.last_mut() {
                Some((_, text)) if whole && was_comment => {
                    text.push(' ');
                    text.push_str(words);
                }
                _ => found.push((at + 1, words.to_owned())),
            }
        }
        was_comment = whole;
    }
    found
}

/// Everything a comment cites of one document: headings in quotes, and sections by number.
fn cited(behind: &str) -> (Vec<&str>, Option<usize>) {
    let mut headings = Vec::new();
    let mut rest = behind.trim_start();
    if let Some(number) = rest.strip_prefix("section ") {
        let digits = number.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(number.len());
        return (headings, number[..digits].parse().ok());
    }
    while let Some((heading, behind)) = rest.strip_prefix('"').and_then(|rest| rest.split_once('"')) {
        headings.push(heading);
        let next = behind.trim_start_matches(',').trim_start();
        rest = next.strip_prefix("and ").unwrap_or(next);
    }
    (headings, None)
}

fn is_of_path(letter: char) -> bool {
    letter.is_alphanumeric() || "./-_".contains(letter)
}

/// What is wrong with the documents that a comment names.
fn check_documents(comment: &str, documents: &Documents) -> Vec<String> {
    let mut complaints = Vec::new();
    for (at, _) in comment.match_indices("docs/") {
        let path_end = comment[at..].find(|letter| !is_of_path(letter)).map_or(comment.len(), |n| at + n);
        let path = comment[at..path_end].trim_end_matches('.');
        let is_path = at == 0 || !is_of_path(comment[..at].chars().next_back().unwrap_or(' '));
        if !is_path || !path.ends_with(".md") {
            continue;
        }
        let Some(headings) = documents.get(path) else {
            complaints.push(format!("{path} does not exist"));
            continue;
        };
        let (quoted, number) = cited(&comment[at + path.len()..]);
        let missing = quoted.iter().filter(|heading| !headings.iter().any(|one| one == *heading));
        complaints.extend(missing.map(|heading| format!("{path} has no heading \"{heading}\"")));
        // The title is the first heading; sections are counted behind it.
        if number.is_some_and(|number| number == 0 || number >= headings.len()) {
            complaints.push(format!("{path} has no section {}", number.unwrap_or(0)));
        }
    }
    complaints
}

fn check_comment(comment: &str, documents: &Documents) -> Vec<String> {
    let mut complaints = check_documents(comment, documents);
    let private = PRIVATE.iter().filter(|word| comment.contains(*word));
    complaints.extend(private.map(|word| format!("{word} is not for everybody to read")));
    for (at, label) in comment.match_indices("Source:") {
        if comment[at + label.len()..].trim().len() < 5 {
            complaints.push("a source without a name".to_owned());
        }
    }
    complaints
}

fn check_file(file: &Text, documents: &Documents) -> Vec<String> {
    let say = |line: usize, what: String| format!("{}:{line}: {what}", file.path);
    let comments = comments(&file.text).into_iter();
    comments
        .flat_map(|(line, comment)| {
            check_comment(&comment, documents).into_iter().map(move |what| (line, what))
        })
        .map(|(line, what)| say(line, what))
        .collect()
}

fn documents() -> Documents {
    tree::texts(".md").into_iter().map(|file| (file.path, tree::headings(&file.text))).collect()
}

#[test]
fn every_source_that_a_comment_names_can_be_looked_up() {
    let documents = documents();
    tree::expect_none(
        &tree::texts(".rs").iter().flat_map(|file| check_file(file, &documents)).collect::<Vec<_>>(),
    );
}

#[test]
fn a_document_or_heading_that_is_not_there_is_found() {
    let headings = ["Title", "The tick", "Goals"].map(str::to_owned).to_vec();
    let documents = Documents::from([("docs/A.md".to_owned(), headings)]);
    let check = |text: &str| check_file(&Text { path: "x.rs".to_owned(), text: text.to_owned() }, &documents);
    for good in [
        "/// - Source: docs/A.md \"The tick\", \"Goals\"; RFC 9000 section 14.\n",
        "//! Source: docs/A.md \"The\n//! tick\".\n",
        "// Source: RFC 9002.\n",
        "// Source: docs/A.md section 2.\n",
        "let a = 1; // the rule of docs/A.md \"Goals\"\n",
    ] {
        tree::expect_none(&check(good));
    }
    tree::expect_one(&check("x\n/// Source: docs/B.md \"The tick\".\n"), "x.rs:2: docs/B.md does not exist");
    tree::expect_one(&check("/// Source: docs/A.md \"The tock\".\n"), "no heading \"The tock\"");
    tree::expect_one(&check("/// Source: docs/A.md \"The tick\", \"Gaols\".\n"), "no heading \"Gaols\"");
    tree::expect_one(&check("let a = 1; // docs/A.md \"Tick\"\n"), "no heading \"Tick\"");
    tree::expect_one(&check("// docs/A.md section 3\n"), "no section 3");
    tree::expect_one(&check("// Source:\n"), "without a name");
    tree::expect_one(&check(&format!("/// Source: {}reference/x.md.\n", PRIVATE[0])), "not for everybody");
}
