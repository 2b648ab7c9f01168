//! Nothing in the tree knows the machine it was written on: no absolute paths, no hosts but public ones.

use crate::tree::{self, Text};

/// Beginnings of absolute paths; in pieces, so that this file is not found itself.
const PLACES: [&str; 5] = [
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
    concat!("/tm", "p/"),
];
/// A line that makes a temporary folder may say where.
const MAKES_TEMP: [&str; 3] = ["mktemp", "TMPDIR", "tempfile"];
/// Hosts that everybody has, and those of the licence.
const HOSTS: [&str; 12] = [
    "localhost",
    "127.0.0.1",
    "0.0.0.0",
    "[::1]",
    "www.apache.org",
    "rustup.rs",
    "sh.rustup.rs",
    "github.com",
    "doc.rust-lang.org",
    "www.w3.org",
    "no-color.org",
    "prometheus.io",
];
/// Where packages come from, for everybody.
const REGISTRY: &str = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";

/// Whether an absolute path begins here, rather than a relative one going on.
fn begins(before: Option<char>) -> bool {
    before.is_none_or(|letter| !letter.is_alphanumeric() && !"_-./})*".contains(letter))
}

fn check_paths(file: &Text) -> Vec<String> {
    let mut complaints = Vec::new();
    for (n, line) in file.text.lines().enumerate() {
        for place in PLACES {
            let is_there = line.match_indices(place).any(|(at, _)| begins(line[..at].chars().next_back()));
            let is_temp = place == PLACES[4] && MAKES_TEMP.iter().any(|word| line.contains(word));
            if is_there && !is_temp {
                complaints.push(format!("{}:{}: a path of some machine: {place}", file.path, n + 1));
            }
        }
    }
    complaints
}

/// Ways to fetch something.
const SCHEMES: [&str; 6] = ["http", "https", "ws", "wss", "git", "ssh"];

/// Hosts of all addresses in a line; placeholders are none.
fn hosts(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices("://").filter_map(|(at, mark)| {
        let scheme = line[..at].rsplit(|letter: char| !letter.is_ascii_alphabetic()).next()?;
        let rest = &line[at + mark.len()..];
        let end = rest.find(|letter: char| !(letter.is_alphanumeric() || ".-_[:]@".contains(letter)));
        let address = rest[..end.unwrap_or(rest.len())].rsplit('@').next()?;
        // An IPv6 address keeps its brackets; everything else ends at its port.
        let n_bracketed = address.find(']').map_or(0, |at| at + 1);
        let n_bytes = address[n_bracketed..].find(':').map_or(address.len(), |at| n_bracketed + at);
        let host = address[..n_bytes].trim_end_matches('.');
        (SCHEMES.contains(&scheme) && !host.is_empty()).then_some(host)
    })
}

fn check_hosts(file: &Text) -> Vec<String> {
    let mut complaints = Vec::new();
    for (n, line) in file.text.lines().enumerate() {
        let is_lock = file.path.ends_with("Cargo.lock");
        if is_lock && line.starts_with("source = ") && line != REGISTRY {
            complaints.push(format!("{}:{}: not from the public registry: {line}", file.path, n + 1));
        }
        for host in hosts(line).filter(|_| !is_lock) {
            let is_public = HOSTS.contains(&host) || host.split('.').next_back() == Some("example");
            if !is_public {
                complaints.push(format!(
                    "{}:{}: the host {host} is not one that everybody has",
                    file.path,
                    n + 1
                ));
            }
        }
    }
    complaints
}

fn all_texts() -> Vec<Text> {
    tree::texts("").into_iter().filter(|file| !file.text.contains('\0')).collect()
}

#[test]
fn no_file_names_a_path_of_a_machine() {
    tree::expect_none(&all_texts().iter().flat_map(check_paths).collect::<Vec<_>>());
}

#[test]
fn no_file_names_a_host_that_is_not_public() {
    tree::expect_none(&all_texts().iter().flat_map(check_hosts).collect::<Vec<_>>());
}

#[test]
fn no_settings_of_cargo_travel_with_the_tree() {
    let found: Vec<&String> = tree::files().iter().filter(|path| path.contains(".cargo/")).collect();
    assert!(found.is_empty(), "where packages come from is each machine's own business: {found:?}");
}

#[test]
fn a_path_of_a_machine_is_found() {
    let check = |text: String| check_paths(&Text { path: "x.sh".to_owned(), text });
    for place in PLACES {
        tree::expect_one(&check(format!("cd {place}main\n")), "x.sh:1");
        tree::expect_one(&check(format!("dir = \"{place}main\"\n")), place);
        tree::expect_none(&check(format!("a{place}b ../c{place}d $HERE}}{place}e\n")));
    }
    tree::expect_none(&check(format!("dir=$(mktemp -d {}x.XXXX)\n", PLACES[4])));
}

#[test]
fn a_private_host_or_registry_is_found() {
    let check = |path: &str, text: &str| check_hosts(&Text { path: path.to_owned(), text: text.to_owned() });
    let address = |host: &str| format!("see http{}{host}:8080/x\n", "://");
    for good in ["localhost", "[::1]", "play.example", "127.0.0.1"] {
        tree::expect_none(&check("a.md", &address(good)));
    }
    tree::expect_one(&check("a.md", &address("mirror.internal")), "mirror.internal");
    tree::expect_one(&check("a.md", &address("me:pass@10.0.0.9")), "10.0.0.9");
    tree::expect_none(&check("Cargo.lock", REGISTRY));
    tree::expect_one(&check("Cargo.lock", "source = \"registry+https:\"\n"), "public registry");
}
