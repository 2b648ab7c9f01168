//! Python, with the packages that other people read our files with.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::binary;

/// Names the interpreter; `scripts/test` sets it.
const VARIABLE: &str = "TEST_PYTHON";

/// Where `scripts/test` installs it.
fn installed() -> PathBuf {
    let program = binary::path("arcane");
    let profile = program.parent().expect("executables are in a directory");
    profile.with_file_name("venv").join("bin/python")
}

/// Runs a script of `tests/process/python` and returns the JSON that it prints.
///
/// # Panics
/// If there is no such Python: a test that needs it must not pass without. If the script fails.
#[must_use]
pub fn run(script: &str, arguments: &[&Path]) -> Value {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = std::env::var_os(VARIABLE).map_or_else(installed, PathBuf::from);
    let output = Command::new(&python).arg(top.join("python").join(script)).args(arguments).output();
    let output = output.unwrap_or_else(|error| {
        panic!(
            "no {} ({error}): run `scripts/test --prepare`, it installs what the tests need",
            python.display()
        )
    });
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{script} failed; `scripts/test --prepare` installs its packages\n{errors}"
    );
    serde_json::from_slice(&output.stdout).expect("the script prints JSON")
}
