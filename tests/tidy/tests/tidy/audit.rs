//! The audit of what others wrote: it never passes because there was nothing to look at.
//!
//! `scripts/audit` runs here in a copy, with a stand-in for cargo-deny that only says what it was given.

use crate::tree;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What stands in: it fails when the copy has a crate called `planted`, as the real one does for a hole.
const STAND_IN: &str = "#!/bin/sh\necho \"asked: $*\"\ndb=$(ls -d target/advisory-dbs/advisory-db-*)\n\
                        [ -e \"$db/.git/FETCH_HEAD\" ] || exit 9\n[ ! -e \"$db/crates/planted\" ] || exit 3\n";
const CARGO: &str = "#!/bin/sh\nexit 0\n";

/// A tree with the script, and a home without anything.
fn tree_for(test: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    let _not_there_yet = fs::remove_dir_all(&root);
    for dir in ["scripts", "bin", "home"] {
        fs::create_dir_all(root.join(dir)).expect("a fresh directory takes what is put there");
    }
    for path in ["scripts/audit", "scripts/lib.sh", "deny.toml"] {
        fs::copy(tree::root().join(path), root.join(path))
            .expect("a fresh directory takes what is put there");
    }
    for (name, text) in [("cargo-deny", STAND_IN), ("cargo", CARGO)] {
        let path = root.join("bin").join(name);
        fs::write(&path, text).expect("a fresh directory takes what is put there");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
            .expect("a fresh directory takes what is put there");
    }
    root
}

fn audit(root: &Path, copy: Option<&str>) -> Output {
    let path = format!("{}:{}", root.join("bin").display(), std::env::var("PATH").expect("there is a PATH"));
    let mut command = Command::new(root.join("scripts/audit"));
    command.env("PATH", path).env("HOME", root.join("home")).env_remove("CARGO_HOME");
    command.env_remove("ARCANE_ADVISORY_DB");
    if let Some(copy) = copy {
        command.env("ARCANE_ADVISORY_DB", root.join(copy));
    }
    command.output().expect("the script can be run")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn without_a_copy_of_the_advisories_the_audit_fails_and_says_how_to_get_one() {
    let root = tree_for("audit-none");
    fs::create_dir_all(root.join("empty")).unwrap();
    for copy in [None, Some("empty"), Some("nowhere")] {
        let output = audit(&root, copy);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said = text(&output.stderr);
        assert!(said.contains("nothing was audited") && said.contains("git clone --depth 1"), "{said}");
        assert!(output.stdout.is_empty(), "cargo-deny was asked all the same: {output:?}");
    }
}

#[test]
fn with_a_copy_cargo_deny_is_asked_without_a_network_and_its_no_is_ours() {
    let root = tree_for("audit-copy");
    fs::create_dir_all(root.join("copy/crates/harmless")).unwrap();
    let output = audit(&root, Some("copy"));
    assert!(output.status.success(), "{output:?}");
    assert!(text(&output.stdout).contains("asked: --offline check"), "{output:?}");
    fs::create_dir_all(root.join("copy/crates/planted")).unwrap();
    let output = audit(&root, Some("copy"));
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output.stderr).contains("has found something"), "{output:?}");
}

#[test]
fn the_rules_of_the_audit_refuse_what_they_should() {
    let rules = tree::parse(&tree::read("deny.toml").expect("deny.toml is there"));
    let says = |table: &str, key: &str| rules[table][key].as_str().unwrap_or_default().to_owned();
    for (table, key) in [
        ("advisories", "yanked"),
        ("bans", "wildcards"),
        ("sources", "unknown-registry"),
        ("sources", "unknown-git"),
    ] {
        assert_eq!(says(table, key), "deny", "{table}.{key}");
    }
    for key in ["unmaintained", "unsound"] {
        assert_eq!(says("advisories", key), "all", "advisories.{key}");
    }
    // The audit covers our own packages too; that each has a licence is checked with the manifests.
    let allowed = rules["licenses"]["allow"].as_array().expect("licences are a list");
    assert!(["MIT", "Apache-2.0"].iter().all(|ours| allowed.iter().any(|one| one.as_str() == Some(ours))));
}
