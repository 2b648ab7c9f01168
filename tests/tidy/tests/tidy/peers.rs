//! The servers of other libraries, which are no member of the workspace: what nothing else would notice.

use crate::tree;

const DIR: &str = "perf/peers";
/// What theirs and ours are made of alike: another version here would make another comparison.
const SHARED: [&str; 6] = ["mimalloc", "quinn-proto", "ring", "rustls", "tokio", "tungstenite"];

fn versions(lock: &str, name: &str) -> Vec<String> {
    let lock = tree::parse(lock);
    let packages = lock.get("package").and_then(toml::Value::as_array).cloned().unwrap_or_default();
    let found = packages.iter().filter(|package| package["name"].as_str() == Some(name));
    found.filter_map(|package| Some(package["version"].as_str()?.to_owned())).collect()
}

fn check(manifest: &str, ours: &str, theirs: &str) -> Vec<String> {
    let manifest = tree::parse(manifest);
    let mut complaints = Vec::new();
    if !manifest.contains_key("workspace") {
        complaints
            .push(format!("{DIR}/Cargo.toml: without [workspace] it would be taken for a part of ours"));
    }
    for name in manifest["dependencies"].as_table().into_iter().flat_map(toml::Table::keys) {
        if versions(theirs, name).is_empty() {
            complaints.push(format!("{DIR}/Cargo.lock has no {name}"));
        }
    }
    for name in SHARED {
        if versions(ours, name) != versions(theirs, name) {
            complaints.push(format!("{DIR}/Cargo.lock has another version of {name} than ours"));
        }
    }
    complaints
}

#[test]
fn other_libraries_servers_are_built_with_our_versions_of_what_both_need() {
    let read = |path: &str| tree::read(path).unwrap_or_else(|| panic!("{path} is missing"));
    let manifest = read(&format!("{DIR}/Cargo.toml"));
    tree::expect_none(&check(&manifest, &read("Cargo.lock"), &read(&format!("{DIR}/Cargo.lock"))));
}

#[test]
fn a_lock_that_has_fallen_behind_is_found() {
    let lock = |version: &str| {
        let package = |name: &str| format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n");
        SHARED.map(package).concat()
    };
    let manifest = "[workspace]\n[dependencies]\nring = \"1\"\n";
    tree::expect_none(&check(manifest, &lock("1.0.0"), &lock("1.0.0")));
    assert_eq!(check(manifest, &lock("1.0.1"), &lock("1.0.0")).len(), SHARED.len());
    tree::expect_one(&check("[dependencies]\n", &lock("1.0.0"), &lock("1.0.0")), "[workspace]");
    let other = "[workspace]\n[dependencies]\nquinn = \"1\"\n";
    tree::expect_one(&check(other, &lock("1.0.0"), &lock("1.0.0")), "has no quinn");
}
