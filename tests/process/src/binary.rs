//! The executables under test, built as cargo builds everything else here.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// Path of an executable of this workspace. The first call makes sure that all are built and fresh.
///
/// # Panics
/// If they do not build.
#[must_use]
pub fn path(name: &str) -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| build(&["-p", "server", "-p", "arcanectl"])).join(name)
}

/// Path of the zone with a stall of 2 ms in the stage that `PLANTED_STAGE` names. Only the server is compiled anew
/// for it, and `arcane` stays as it is.
///
/// # Panics
/// If it does not build.
#[must_use]
pub fn planted() -> PathBuf {
    build(&["-p", "server", "--features", "planted", "--bin", "arcane-planted"]).join("arcane-planted")
}

fn build(what: &[&str]) -> PathBuf {
    let top = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // The profile of the tests: the libraries are compiled already.
    let status = Command::new(cargo)
        .current_dir(&top)
        .args(["build", "--quiet", "--locked", "--profile", "test"])
        .args(what)
        .status()
        .expect("cargo starts, it runs this test");
    assert!(status.success(), "the executables do not build");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| top.join("target"), |dir| top.join(dir));
    target.join("debug")
}
