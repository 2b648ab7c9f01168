//! Documents point at what is there: links with their anchors, and paths between backticks.

use crate::dead::resolved;
use crate::tree::{self, Text};
use std::collections::BTreeMap;

/// Endings of paths that are files of ours when a document names them.
const OURS: [&str; 5] = [".rs", ".toml", ".md", ".lock", ".json"];

/// A document without its code fences, line by line.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_fence = false;
    text.lines().enumerate().filter_map(move |(at, line)| {
        let is_fence = line.trim_start().starts_with("```");
        in_fence ^= is_fence;
        (!in_fence && !is_fence).then_some((at + 1, line))
    })
}

/// Targets of links of the form `[text](target)`, with their lines.
fn links(text: &str) -> Vec<(usize, String)> {
    let in_line = |(at, line): (usize, &str)| {
        let ends = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        ends.map(|target| (at, target.to_owned())).collect::<Vec<_>>()
    };
    prose(text).flat_map(in_line).collect()
}

/// Paths of ours between backticks, with their lines.
fn paths(text: &str) -> Vec<(usize, String)> {
    let is_path = |span: &&str| {
        let is_plain = !span.contains([' ', '*', '<', '{', '$', '"']) && !span.starts_with(['/', '.', '-']);
        is_plain && span.contains('/') && OURS.iter().any(|end| span.ends_with(end))
    };
    let in_line = |(at, line): (usize, &str)| {
        let spans = line.split('`').skip(1).step_by(2);
        spans.filter(is_path).map(|span| (at, span.to_owned())).collect::<Vec<_>>()
    };
    prose(text).flat_map(in_line).collect()
}

/// The anchor of a heading as Git hosts make it.
fn anchor(heading: &str) -> String {
    let kept = heading
        .to_lowercase()
        .chars()
        .filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter))
        .collect::<String>();
    kept.replace(' ', "-")
}

fn anchors(text: &str) -> Vec<String> {
    let headings = prose(text).filter(|(_, line)| line.starts_with('#'));
    headings.map(|(_, line)| anchor(line.trim_start_matches('#').trim())).collect()
}

/// What is wrong with a document; `texts` holds all documents, `exists` knows all files and folders.
fn check(file: &Text, texts: &BTreeMap<&str, &str>, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let dir = file.path.rsplit_once('/').map_or("", |(dir, _)| dir);
    let mut complaints = Vec::new();
    for (line, target) in links(&file.text) {
        if target.contains("://") || target.starts_with("mailto:") {
            continue;
        }
        let (path, fragment) = target.split_once('#').unwrap_or((&target, ""));
        let path = if path.is_empty() { file.path.clone() } else { resolved(dir, path) };
        if !exists(&path) {
            complaints.push(format!("{}:{line}: {target} leads nowhere", file.path));
        } else if !fragment.is_empty()
            && !texts.get(path.as_str()).is_some_and(|text| anchors(text).iter().any(|one| one == fragment))
        {
            complaints.push(format!("{}:{line}: {target}: no such heading", file.path));
        }
    }
    let lost = paths(&file.text).into_iter().filter(|(_, path)| !exists(path));
    complaints.extend(lost.map(|(line, path)| format!("{}:{line}: {path} does not exist", file.path)));
    complaints
}

#[test]
fn every_link_and_every_path_in_a_document_leads_somewhere() {
    let files = tree::texts(".md");
    let texts = files.iter().map(|file| (file.path.as_str(), file.text.as_str())).collect();
    let exists = |path: &str| tree::root().join(path).exists();
    tree::expect_none(&files.iter().flat_map(|file| check(file, &texts, exists)).collect::<Vec<_>>());
}

#[test]
fn a_broken_link_anchor_or_path_is_found() {
    let there = "# Top\n## 1. The `tick`, twice\n";
    let texts = BTreeMap::from([("docs/A.md", there)]);
    let exists = |path: &str| path == "docs/A.md" || path == "engine/src/tick.rs" || path == "docs";
    let check =
        |text: &str| check(&Text { path: "docs/B.md".to_owned(), text: text.to_owned() }, &texts, exists);
    tree::expect_none(&check(
        "[a](A.md), [b](../docs/A.md#1-the-tick-twice), [c](https://x.example), `engine/src/tick.rs`\n",
    ));
    tree::expect_none(&check("```\n[a](none.md) `no/such.rs`\n```\nsee `netproto/schema/*.toml`\n"));
    tree::expect_one(&check("x\n[a](C.md)\n"), "docs/B.md:2: C.md leads nowhere");
    tree::expect_one(&check("[a](A.md#tick)\n"), "no such heading");
    tree::expect_one(&check("see `engine/src/tock.rs`\n"), "engine/src/tock.rs does not exist");
}
