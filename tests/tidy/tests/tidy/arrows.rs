//! Who may use whom. The table is in docs/ARCHITECTURE.md "Arrows"; some rules hold whatever it says.

use crate::tree::{self, Member};
use std::collections::{BTreeMap, BTreeSet};

/// Each of our crates with those of ours that it may use.
type Arrows = BTreeMap<String, BTreeSet<String>>;

/// These use nothing of ours.
const ALONE: [&str; 3] = ["netproto", "jobs", "storage"];
/// These are used by nobody.
const LAST: [&str; 7] =
    ["server", "arcanectl", "perf", "fuzz-tests", "sim-tests", "process-tests", "tidy-tests"];
/// But for this one, which feeds what the admin page reads.
const FED: (&str, &str) = ("fuzz-tests", "server");
/// Nothing of this may appear in what a client is built from.
const NOT_FOR_CLIENTS: [&str; 2] = ["engine", "server"];
const CLIENTS: [&str; 2] = ["client-core", "bot"];

/// Crates of others, by the beginning of their names, that a room must not use.
const BANS: [(&str, &[&str]); 6] = [
    ("netproto", &["tokio", "mio", "quinn", "libc", "socket2", "rayon", "rand"]),
    ("kernel", &["tokio", "mio", "quinn", "libc", "socket2", "rayon", "rand"]),
    ("engine", &["tokio", "mio", "quinn", "libc", "socket2", "rand", "getrandom"]),
    ("jobs", &["tokio", "mio", "quinn", "socket2"]),
    ("transport", &["tokio", "quinn"]),
    ("client-core", &["tokio", "mio", "quinn", "libc"]),
];
/// The one crate that begins like a banned one.
const MACHINE_OF_QUIC: &str = "quinn-proto";

/// Lines such as `engine -> netproto, jobs`; a line without names behind the arrow uses nothing.
fn parse(section: &str) -> Arrows {
    let lines = section.lines().filter_map(|line| line.split_once(" ->"));
    let names = |list: &str| {
        list.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
    };
    lines.map(|(user, used)| (user.trim().to_owned(), names(used))).collect()
}

/// Names of everything a manifest depends on, for building, running and testing.
fn dependencies(manifest: &toml::Table) -> Vec<String> {
    let mut found = Vec::new();
    for (key, value) in manifest {
        let Some(table) = value.as_table() else { continue };
        if key == "target" {
            table
                .values()
                .filter_map(toml::Value::as_table)
                .for_each(|inner| found.extend(dependencies(inner)));
        } else if key.ends_with("dependencies") {
            for (name, wish) in table {
                let renamed =
                    wish.as_table().and_then(|wish| wish.get("package")).and_then(toml::Value::as_str);
                found.push(renamed.unwrap_or(name).to_owned());
            }
        }
    }
    found
}

fn check_member(member: &Member, arrows: &Arrows) -> Vec<String> {
    let name = &member.name;
    let Some(allowed) = arrows.get(name) else {
        return vec![format!("{name} has no line in docs/ARCHITECTURE.md \"Arrows\"")];
    };
    let bans = BANS.iter().find(|(room, _)| room == name).map_or(&[][..], |(_, bans)| bans);
    let mut complaints = Vec::new();
    for used in dependencies(&member.manifest) {
        if arrows.contains_key(&used) && !allowed.contains(&used) {
            complaints.push(format!("{name} uses {used}: no arrow goes there"));
        }
        let is_machine = used == MACHINE_OF_QUIC && name == "transport";
        if bans.iter().any(|ban| used.starts_with(ban)) && !is_machine {
            complaints.push(format!("{name} uses {used}: that crate is not for this room"));
        }
    }
    complaints
}

/// Rules about the table itself.
fn check_table(arrows: &Arrows, members: &[&str]) -> Vec<String> {
    let mut complaints = Vec::new();
    for (user, used) in arrows {
        if !members.contains(&user.as_str()) {
            complaints.push(format!("{user} is in the table and not in the workspace"));
        }
        if ALONE.contains(&user.as_str()) && !used.is_empty() {
            complaints.push(format!("{user} must use nothing of ours"));
        }
        for name in used {
            let is_far = CLIENTS.contains(&user.as_str()) && NOT_FOR_CLIENTS.contains(&name.as_str());
            let is_last = LAST.contains(&name.as_str()) && (user.as_str(), name.as_str()) != FED;
            if is_far || is_last || reaches(arrows, name, user) {
                complaints.push(format!("{user} -> {name} is an arrow that must not exist"));
            }
        }
    }
    complaints
}

/// Whether a way leads along the arrows.
fn reaches(arrows: &Arrows, from: &str, to: &str) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = vec![from];
    while let Some(name) = open.pop() {
        if name == to {
            return true;
        }
        if seen.insert(name) {
            open.extend(arrows.get(name).into_iter().flatten().map(String::as_str));
        }
    }
    false
}

fn table_of_the_tree() -> Arrows {
    let text = tree::read("docs/ARCHITECTURE.md").expect("docs/ARCHITECTURE.md is there");
    parse(tree::section(&text, "Arrows").expect("docs/ARCHITECTURE.md has a section \"Arrows\""))
}

#[test]
fn crates_use_one_another_only_along_the_arrows() {
    let arrows = table_of_the_tree();
    let complaints: Vec<String> =
        tree::members().iter().flat_map(|member| check_member(member, &arrows)).collect();
    tree::expect_none(&complaints);
}

#[test]
fn the_table_of_arrows_has_no_circle_and_no_arrow_into_tools_or_tests() {
    let members = tree::members();
    let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
    tree::expect_none(&check_table(&table_of_the_tree(), &names));
}

#[test]
fn no_crate_runs_code_while_it_is_built() {
    let found: Vec<&String> = tree::files().iter().filter(|path| path.ends_with("build.rs")).collect();
    assert!(found.is_empty(), "generated files are committed: {found:?}");
}

#[test]
fn a_forbidden_dependency_of_any_kind_is_found() {
    let arrows = parse("netproto ->\njobs ->\nengine -> netproto, jobs\n");
    let member = |name: &str, manifest: &str| Member {
        dir: String::new(),
        name: name.to_owned(),
        manifest: tree::parse(manifest),
    };
    let check = |name, manifest| check_member(&member(name, manifest), &arrows);
    tree::expect_none(&check("engine", "[dependencies]\nnetproto.workspace = true\nrayon = \"1\"\n"));
    tree::expect_one(&check("netproto", "[dev-dependencies]\njobs.workspace = true\n"), "uses jobs");
    tree::expect_one(
        &check("netproto", "[target.'cfg(unix)'.dependencies]\nengine.workspace = true\n"),
        "uses engine",
    );
    tree::expect_one(
        &check("netproto", "[dependencies]\nx = { package = \"engine\", path = \"y\" }\n"),
        "uses engine",
    );
    tree::expect_one(&check("engine", "[dependencies]\ntokio-util = \"0.7\"\n"), "tokio-util");
    tree::expect_one(&check("engine", "[dependencies]\nquinn-proto = \"0.11\"\n"), "quinn-proto");
    tree::expect_one(&check("newcomer", "[dependencies]\n"), "no line");
}

#[test]
fn a_wrong_table_of_arrows_is_found() {
    let all = ["netproto", "jobs", "engine", "bot", "server", "a", "b"];
    let check = |table: &str| check_table(&parse(table), &all);
    tree::expect_none(&check("netproto ->\njobs ->\nengine -> netproto, jobs\n"));
    tree::expect_one(&check("netproto -> jobs\n"), "nothing of ours");
    tree::expect_one(&check("bot -> engine\n"), "bot -> engine");
    tree::expect_one(&check("a -> server\n"), "a -> server");
    tree::expect_one(&check("a -> b\nb -> a\n"), "b -> a");
    tree::expect_one(&check("gone -> netproto\n"), "not in the workspace");
}
