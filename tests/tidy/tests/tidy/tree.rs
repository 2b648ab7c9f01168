//! The tree as the checks see it: files that git tracks or would track, their texts, the workspace's members.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

/// A file with its text; the path starts at the root of the tree.
pub(crate) struct Text {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// A crate of the workspace.
pub(crate) struct Member {
    pub(crate) dir: String,
    pub(crate) name: String,
    pub(crate) manifest: toml::Table,
}

/// Folders that hold what was built or is private to a machine.
const NOT_OURS: [&str; 4] = ["target", ".git", "data", "node_modules"];

pub(crate) fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Every file that belongs to the tree, sorted.
pub(crate) fn files() -> &'static [String] {
    static FILES: LazyLock<Vec<String>> = LazyLock::new(|| {
        let mut files = listed_by_git().unwrap_or_else(|| {
            let mut found = Vec::new();
            walk("", &mut found);
            found
        });
        files.retain(|path| root().join(path).is_file());
        files.sort();
        files.dedup();
        assert!(files.iter().any(|path| path == "Cargo.toml"), "the tree is not where it should be");
        files
    });
    &FILES
}

/// What git tracks, and what it would with `git add`: a check must not wait for the commit.
fn listed_by_git() -> Option<Vec<String>> {
    let arguments = ["ls-files", "--cached", "--others", "--exclude-standard", "-z"];
    let output = Command::new("git").arg("-C").arg(root()).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.split_terminator('\0').map(str::to_owned).collect())
}

/// The same without git: everything below the root but for what was built.
fn walk(dir: &str, found: &mut Vec<String>) {
    for (path, is_dir) in entries(dir) {
        if is_dir {
            walk(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// What a folder holds: paths from the root, and whether they are folders.
pub(crate) fn entries(dir: &str) -> Vec<(String, bool)> {
    let read = fs::read_dir(root().join(dir)).expect("a folder of the tree can be read");
    read.map(|entry| entry.expect("an entry of a folder can be read"))
        .filter_map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if dir.is_empty() { name.clone() } else { format!("{dir}/{name}") };
            let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
            (!NOT_OURS.contains(&name.as_str())).then_some((path, is_dir))
        })
        .collect()
}

/// The text of one file; what is not UTF-8 is replaced.
pub(crate) fn read(path: &str) -> Option<String> {
    fs::read(root().join(path)).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// All files whose paths end like this.
pub(crate) fn texts(ending: &str) -> Vec<Text> {
    let chosen = files().iter().filter(|path| path.ends_with(ending));
    chosen.filter_map(|path| Some(Text { path: path.clone(), text: read(path)? })).collect()
}

/// All members, in the order of the root manifest.
pub(crate) fn members() -> Vec<Member> {
    let dirs = workspace()["members"].as_array().expect("members are a list").clone();
    let member = |dir: &toml::Value| {
        let dir = dir.as_str().expect("a member is a path").to_owned();
        let text = read(&format!("{dir}/Cargo.toml")).unwrap_or_else(|| panic!("{dir} has no Cargo.toml"));
        let manifest = parse(&text);
        let name = manifest["package"]["name"].as_str().expect("a package has a name").to_owned();
        Member { dir, name, manifest }
    };
    dirs.iter().map(member).collect()
}

/// The root manifest's table of the workspace.
pub(crate) fn workspace() -> toml::Table {
    let text = read("Cargo.toml").expect("the root has a manifest");
    parse(&text)["workspace"].as_table().expect("the root is a workspace").clone()
}

pub(crate) fn parse(toml: &str) -> toml::Table {
    toml.parse().expect("a manifest is TOML")
}

/// Headings of a document in order, without marks and numbers; lines in code fences are none.
pub(crate) fn headings(text: &str) -> Vec<String> {
    let mut in_fence = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_fence = !in_fence;
        } else if !in_fence && line.starts_with('#') {
            let heading = line.trim_start_matches('#').trim();
            let bare = heading.trim_start_matches(|letter: char| letter.is_ascii_digit());
            found.push(bare.strip_prefix(". ").unwrap_or(heading).replace('`', ""));
        }
    }
    found
}

/// The text below a heading, up to the next one.
pub(crate) fn section<'a>(text: &'a str, heading: &str) -> Option<&'a str> {
    let start = text.find(&format!("\n## {heading}\n"))? + 1;
    let body = &text[start..];
    let end = body[1..].find("\n## ").map_or(body.len(), |at| at + 1);
    Some(&body[..end])
}

/// Fails with all complaints, if there are any.
#[track_caller]
pub(crate) fn expect_none(complaints: &[String]) {
    let lines = complaints.join("\n  ");
    assert!(complaints.is_empty(), "{} complaints:\n  {lines}", complaints.len());
}

/// Fails unless a complaint says this: for what a check must find.
#[track_caller]
pub(crate) fn expect_one(complaints: &[String], saying: &str) {
    assert!(complaints.iter().any(|line| line.contains(saying)), "nothing says {saying:?}: {complaints:?}");
}

#[test]
fn headings_lose_their_numbers_and_code_has_none() {
    let text = "# A\n```sh\n# no heading\n```\n## 12. The `B`\n### C 3\n";
    assert_eq!(headings(text), ["A", "The B", "C 3"]);
    assert_eq!(section("x\n## A\none\n## B\ntwo\n", "A"), Some("## A\none"));
}

#[test]
fn every_member_is_found() {
    assert!(members().iter().any(|member| member.name == "tidy-tests" && member.dir == "tests/tidy"));
}
