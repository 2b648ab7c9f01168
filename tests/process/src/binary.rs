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
    BUILT.get_or_init(build).join(name)
}

fn build() -> PathBuf {
    let top = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // The profile of the tests: the libraries are compiled already.
    let status = Command::new(cargo)
        .current_dir(&top)
        .args(["build", "--quiet", "--locked", "--profile", "test", "-p", "server", "-p", "arcanectl"])
        .status()
        .expect("cargo starts, it runs this test");
    assert!(status.success(), "the executables do not build");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| top.join("target"), |dir| top.join(dir));
    target.join("debug")
}
