//! What every crate says about itself, and the `clippy.toml` beside it.

use crate::tree;

const LICENCE: &str = "MIT OR Apache-2.0";
const EDITION: &str = "2024";
const RUST: &str = "1.95";
/// Rooms without clocks.
const PURE: [&str; 3] = ["netproto", "kernel", "engine"];
const CLOCKS: [&str; 2] = ["std::time::Instant::now", "std::time::SystemTime::now"];

/// A field of the package, looked up in the workspace when it is inherited.
fn field<'a>(package: &'a toml::Table, workspace: &'a toml::Table, name: &str) -> Option<&'a str> {
    match package.get(name)? {
        toml::Value::String(text) => Some(text),
        toml::Value::Table(table) if table.get("workspace")?.as_bool()? => {
            workspace.get("package")?.get(name)?.as_str()
        }
        _ => None,
    }
}

fn check_manifest(dir: &str, manifest: &toml::Table, workspace: &toml::Table) -> Vec<String> {
    let nothing = toml::Table::new();
    let package = manifest.get("package").and_then(toml::Value::as_table).unwrap_or(&nothing);
    let mut complaints = Vec::new();
    for (name, wanted) in [("license", LICENCE), ("edition", EDITION), ("rust-version", RUST)] {
        let found = field(package, workspace, name);
        if found != Some(wanted) {
            complaints.push(format!("{dir}/Cargo.toml: {name} is {found:?}, expected {wanted:?}"));
        }
    }
    if field(package, workspace, "description").is_none_or(str::is_empty) {
        complaints.push(format!("{dir}/Cargo.toml: no description"));
    }
    let lints = manifest.get("lints").and_then(|lints| lints.get("workspace")).and_then(toml::Value::as_bool);
    if lints != Some(true) {
        complaints.push(format!("{dir}/Cargo.toml: [lints] workspace = true is missing"));
    }
    complaints
}

fn check_clippy(dir: &str, is_pure: bool, text: Option<&str>) -> Vec<String> {
    let Some(text) = text else {
        return vec![format!("{dir} has no clippy.toml: it would inherit that of the folder above")];
    };
    let missing = CLOCKS.iter().filter(|clock| is_pure && !text.contains(*clock));
    missing.map(|clock| format!("{dir}/clippy.toml does not ban {clock}")).collect()
}

#[test]
fn every_manifest_names_licence_edition_rust_version_and_lints() {
    let workspace = tree::workspace();
    let members = tree::members();
    let complaints: Vec<String> =
        members.iter().flat_map(|member| check_manifest(&member.dir, &member.manifest, &workspace)).collect();
    tree::expect_none(&complaints);
}

#[test]
fn every_crate_has_its_clippy_toml_and_pure_ones_ban_clocks() {
    let check = |member: &tree::Member| {
        let text = tree::read(&format!("{}/clippy.toml", member.dir));
        check_clippy(&member.dir, PURE.contains(&member.name.as_str()), text.as_deref())
    };
    tree::expect_none(&tree::members().iter().flat_map(check).collect::<Vec<_>>());
}

#[test]
fn both_licences_are_there_and_name_their_holder() {
    for (path, sentence) in [
        ("LICENSE-MIT", "Permission is hereby granted, free of charge"),
        ("LICENSE-MIT", "The Arcane Realms authors"),
        ("LICENSE-APACHE", "Version 2.0, January 2004"),
    ] {
        let text = tree::read(path).unwrap_or_else(|| panic!("{path} is missing"));
        assert!(text.contains(sentence), "{path} does not say {sentence:?}");
    }
}

#[test]
fn a_manifest_without_its_lines_is_found() {
    let workspace = tree::parse("[package]\nlicense = \"MIT OR Apache-2.0\"\nedition = \"2021\"\n");
    let good = "[package]\nname = \"x\"\ndescription = \"y\"\nlicense.workspace = true\nedition = \"2024\"\n\
                rust-version = \"1.95\"\n[lints]\nworkspace = true\n";
    let check = |text: &str| check_manifest("x", &tree::parse(text), &workspace);
    tree::expect_none(&check(good));
    tree::expect_one(&check(&good.replace("license.workspace = true", "")), "license is None");
    tree::expect_one(&check(&good.replace("edition = \"2024\"", "edition.workspace = true")), "2021");
    tree::expect_one(&check(&good.replace("rust-version", "rust")), "rust-version is None");
    tree::expect_one(&check(&good.replace("workspace = true\n", "workspace = false\n")), "[lints]");
    tree::expect_one(&check(&good.replace("description", "title")), "no description");
}

#[test]
fn a_pure_crate_that_may_read_the_clock_is_found() {
    let one = "disallowed-methods = [{ path = \"std::time::Instant::now\" }]";
    tree::expect_one(&check_clippy("x", true, Some(one)), "SystemTime");
    tree::expect_one(&check_clippy("x", false, None), "no clippy.toml");
    tree::expect_none(&check_clippy("x", false, Some("")));
}
