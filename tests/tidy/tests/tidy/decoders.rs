//! Whoever reads bytes of strangers is fed with bent ones: every decoder is named by a target in `tests/fuzz`.
//!
//! A decoder is a function that others may call, whose name says that it reads, and that takes bytes or text.

use crate::rust;
use crate::tree::{self, Text};
use std::collections::BTreeSet;

const TARGETS: &str = "tests/fuzz/targets.toml";
/// Where bytes come in: from sockets, from requests, and in files that people give one another.
const ROOMS: [&str; 11] = [
    "netproto/src/",
    "netproto/transport/src/",
    "clients/core/src/",
    "engine/src/replay/",
    "engine/src/checkpoint/",
    "engine/src/durable/",
    "engine/server/src/admin/",
    "engine/server/src/zone/keep/",
    "storage/src/wal/",
    "storage/src/checkpoint.rs",
    "jobs/src/dump.rs",
];
/// Opened for the targets: what they call is listed, not they.
const OPENED: &str = "/fuzzed.rs";
/// Beginnings of names that say so.
const READS: [&str; 16] = [
    "decode",
    "judge",
    "parse",
    "read",
    "unpack",
    "transcode",
    "from_bytes",
    "from_record",
    "handle_bytes",
    "handle_record",
    "handle_request",
    "handle_datagram",
    "validate",
    "next",
    "lens",
    "is_loopback_name",
];
/// Bytes or text of somebody else, as a parameter.
const BYTES: [&str; 9] = [
    "&[u8]",
    "&mut [u8]",
    "&[u8;",
    "BitReader<",
    "Bytes<",
    "BytesMut",
    "&str",
    "&ConnectionId",
    "netproto::Walls",
];

/// The code without the tests at its end.
fn without_tests(text: &str) -> String {
    let code = rust::code(text);
    let is_module = |at: usize| {
        let behind = code[at..].lines().nth(1).unwrap_or_default();
        behind.starts_with("mod ") && behind.ends_with('{')
    };
    let end = code.match_indices("#[cfg(test)]").map(|(at, _)| at).find(|at| is_module(*at));
    code[..end.unwrap_or(code.len())].to_owned()
}

/// The type that an `impl` is for.
fn type_of(line: &str) -> Option<String> {
    let mut rest = line.strip_prefix("impl")?;
    if rest.starts_with('<') {
        rest = rest.split_once("> ")?.1;
    }
    let rest = rest.split_once(" for ").map_or(rest, |(_, rest)| rest).trim();
    let name: String = rest.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
    (!name.is_empty()).then_some(name)
}

/// Name and parameters of the public function, or method of a public trait, that begins in this line.
fn signature<'a>(line: &'a str, from_here: &'a str, in_trait: bool) -> Option<(&'a str, &'a str)> {
    let line = line.trim_start();
    let is_open =
        line.starts_with("pub ") || line.starts_with("pub(") || (in_trait && line.starts_with("fn "));
    let (_, behind) = line.split_once("fn ").filter(|_| is_open)?;
    let name = &behind[..behind.find(|letter: char| !(letter.is_alphanumeric() || letter == '_'))?];
    let parameters = &from_here[from_here.find(name)? + name.len()..];
    let mut depth = 0;
    let end = parameters.find(|letter: char| {
        depth += i32::from(letter == '(') - i32::from(letter == ')');
        letter == ')' && depth == 0
    })?;
    Some((name, &parameters[..end]))
}

fn is_decoder(name: &str, parameters: &str) -> bool {
    let reads = READS.iter().any(|start| name.starts_with(start) || name.ends_with(start));
    reads && BYTES.iter().any(|kind| parameters.contains(kind))
}

/// Decoders of a file, as `FILE TYPE::NAME` or `FILE NAME`.
fn decoders(file: &Text) -> Vec<String> {
    let code = without_tests(&file.text);
    let (mut owner, mut in_trait, mut at) = (None, false, 0);
    let mut found = Vec::new();
    for line in code.split_inclusive('\n') {
        let from_here = &code[at..];
        at += line.len();
        if line.starts_with("impl") {
            owner = type_of(line);
            in_trait = line.contains(" for ");
        } else if line.starts_with('}') {
            (owner, in_trait) = (None, false);
        }
        let Some((name, parameters)) = signature(line, from_here, in_trait) else { continue };
        if is_decoder(name, parameters) {
            let owner = owner.as_ref().map(|owner| format!("{owner}::")).unwrap_or_default();
            found.push(format!("{} {owner}{name}", file.path));
        }
    }
    found
}

/// What the targets name.
fn listed(toml: &str) -> BTreeSet<String> {
    let table = tree::parse(toml);
    let targets = table["target"].as_array().expect("targets are a list");
    let names = targets.iter().flat_map(|target| target["decoders"].as_array().expect("decoders are a list"));
    names.map(|name| name.as_str().expect("a decoder is a text").to_owned()).collect()
}

/// `FILE *::NAME` names that function of every type in the file.
fn covers(listed: &str, found: &str) -> bool {
    let parts = |text: &str| {
        let (file, name) = text.split_once(' ').unwrap_or((text, ""));
        let (owner, name) = name.rsplit_once("::").unwrap_or(("", name));
        [file.to_owned(), owner.to_owned(), name.to_owned()]
    };
    let (listed, found) = (parts(listed), parts(found));
    listed[0] == found[0] && listed[2] == found[2] && (listed[1] == found[1] || listed[1] == "*")
}

fn check(files: &[Text], toml: &str) -> Vec<String> {
    let listed = listed(toml);
    let found: Vec<String> = files.iter().flat_map(decoders).collect();
    let is_listed = |one: &&String| listed.iter().any(|name| covers(name, one));
    let is_there = |name: &&String| found.iter().any(|one| covers(name, one));
    let missing = found.iter().filter(|one| !is_listed(one));
    let stale = listed.iter().filter(|name| !is_there(name));
    missing
        .map(|one| format!("{one} reads bytes of strangers and is in no target of {TARGETS}"))
        .chain(stale.map(|name| format!("{TARGETS} names {name}, which is no decoder")))
        .collect()
}

#[test]
fn every_decoder_has_a_target_and_every_target_its_decoders() {
    let files = tree::texts(".rs").into_iter();
    let files: Vec<Text> = files
        .filter(|file| {
            ROOMS.iter().any(|room| file.path.starts_with(room))
                && !file.path.ends_with(OPENED)
                && !file.path.ends_with("tests.rs")
        })
        .collect();
    let found: Vec<String> = files.iter().flat_map(decoders).collect();
    assert!(found.len() > 40, "only {} decoders are found: {found:?}", found.len());
    tree::expect_none(&check(&files, &tree::read(TARGETS).expect("the list of targets is there")));
}

#[test]
fn a_decoder_without_a_target_is_found_however_it_is_written() {
    let file = |text: &str| [Text { path: "netproto/src/new.rs".to_owned(), text: text.to_owned() }];
    let list = |names: &str| format!("[[target]]\nname = \"new\"\ndecoders = [{names}]\n");
    let good = "impl New {\n    pub fn decode(bytes: &[u8]) -> Result<Self, E> {\n    }\n}\n";
    tree::expect_none(&check(&file(good), &list("\"netproto/src/new.rs New::decode\"")));
    tree::expect_none(&check(&file(good), &list("\"netproto/src/new.rs *::decode\"")));
    tree::expect_one(&check(&file(good), &list("")), "new.rs New::decode reads bytes");
    tree::expect_one(&check(&file(good), &list("\"netproto/src/new.rs Old::decode\"")), "no decoder");
    for planted in [
        "pub fn decode_more(\n    bytes: &[u8],\n    more: u8,\n) -> bool {\n}\n",
        "pub(crate) fn parse(text: &str) -> u8 { 1 }\n",
        "impl<'a> Deep<'a> {\n    pub(super) const fn read_all(&self, from: &mut Bytes<'_>) {}\n}\n",
        "impl Maker for Cids {\n    fn validate(&self, cid: &ConnectionId) -> bool { true }\n}\n",
        "#[cfg(test)]\nmod tests;\n\npub fn judge(bytes: &mut [u8]) {}\n",
        "impl Wide {\n    pub fn path_from_record<const N: usize>(bytes: &[u8; N]) {}\n}\n",
    ] {
        tree::expect_one(&check(&file(planted), &list("")), "reads bytes of strangers");
    }
    for harmless in [
        "pub fn encode(bytes: &[u8]) {}\n",
        "pub fn decode(value: u32) -> Kind {}\n",
        "fn read_part(bytes: &[u8]) {}\n",
        "// pub fn decode(bytes: &[u8]) {}\n",
        "#[cfg(test)]\nmod tests {\n    pub fn decode(bytes: &[u8]) {}\n}\n",
    ] {
        tree::expect_none(&check(&file(harmless), &list("")));
    }
}
