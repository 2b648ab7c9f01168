# Shared by the scripts beside this file: what must be there before anything is built.
# Source it after `cd` to the top of the tree.

say() { printf '%s\n' "$*" >&2; }
die() { say "$0: $*"; exit 1; }

# A Rust toolchain, and the C compiler that some crates call as linker and for their assembly.
need_toolchain() {
    command -v cargo >/dev/null || die "cargo is missing: install Rust from https://rustup.rs (1.95 or later)"
    command -v cc >/dev/null && return
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "cc is missing: installing build-essential"
        apt-get update -qq >&2 && apt-get install -y -qq build-essential >&2 && return
    fi
    die "cc is missing: run \`sudo apt-get install build-essential\`"
}

# Directory of the executables that cargo builds.
target_dir() { printf '%s' "${CARGO_TARGET_DIR:-target}"; }
