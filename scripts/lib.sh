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

# libFuzzer comes as C++: Debian's compiler for it.
need_cxx() {
    command -v c++ >/dev/null && return
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "c++ is missing: installing g++"
        apt-get update -qq >&2 && apt-get install -y -qq --no-install-recommends g++ >&2 || true
    fi
    command -v c++ >/dev/null || die "c++ is missing: run \`sudo apt-get install g++\`"
}

# Directory of the executables that cargo builds.
target_dir() { printf '%s' "${CARGO_TARGET_DIR:-target}"; }

# A Python with the package hdrhistogram, in an environment of its own: tests let it read what we write.
need_python() {
    local venv
    venv=$(target_dir)/venv
    if ! "$venv/bin/python" -c 'import hdrh.log' 2>/dev/null; then
        if ! python3 -c 'import ensurepip, venv' 2>/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
            say "python3-venv is missing: installing it"
            apt-get update -qq >&2 && apt-get install -y -qq python3-venv >&2 || true
        fi
        python3 -c 'import ensurepip, venv' 2>/dev/null ||
            die "Python with venv is missing: run \`sudo apt-get install python3-venv\`"
        rm -rf "$venv"
        python3 -m venv "$venv" >&2 && "$venv/bin/pip" install --quiet 'hdrhistogram>=0.10,<0.11' >&2 ||
            die "the Python package hdrhistogram cannot be installed into $venv: is there a network, or an index for pip?"
    fi
    TEST_PYTHON=$(realpath -s "$venv/bin/python")
    export TEST_PYTHON
}

# Whether a browser is on the PATH. It must say its version: Ubuntu's chromium-browser may be a stub that only asks for
# a snap.
has_chromium() {
    local name
    for name in chromium chromium-browser google-chrome; do
        "$name" --version 2>/dev/null | grep -qE '^(Chromium|Google Chrome) [0-9]' && return
    done
    return 1
}

# A browser for the tests of the admin page: Debian's package.
need_chromium() {
    has_chromium && return
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "chromium is missing: installing it"
        apt-get update -qq >&2 && apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >&2 &&
            has_chromium && return
    fi
    die "chromium is missing: run \`sudo apt-get install --no-install-recommends chromium fonts-dejavu-core\`"
}

# Counts instructions for `perf icount`: Debian's package.
need_valgrind() {
    command -v valgrind >/dev/null && return
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "valgrind is missing: installing it"
        apt-get update -qq >&2 && apt-get install -y -qq --no-install-recommends valgrind >&2 || true
    fi
    command -v valgrind >/dev/null || die "valgrind is missing: run \`sudo apt-get install valgrind\`"
}

# Lays cables between the network namespaces of tests: Debian's package.
need_iproute() {
    command -v ip >/dev/null && return
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "ip is missing: installing iproute2"
        apt-get update -qq >&2 && apt-get install -y -qq --no-install-recommends iproute2 >&2 || true
    fi
    command -v ip >/dev/null || die "ip is missing: run \`sudo apt-get install iproute2\`"
}

# Shows which thread calls what.
need_strace() {
    command -v strace >/dev/null && return
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "strace is missing: installing it"
        apt-get update -qq >&2 && apt-get install -y -qq --no-install-recommends strace >&2 || true
    fi
    command -v strace >/dev/null || die "strace is missing: run \`sudo apt-get install strace\`"
}

# Prometheus' own judge of metrics, out of Debian's package and without the service that the package would start.
need_promtool() {
    local tools
    tools="$(target_dir)/tools"
    [ -x "$tools/prometheus/usr/bin/promtool" ] && return
    command -v promtool >/dev/null && return
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null ||
        die "promtool is missing: put one on the PATH (https://prometheus.io/download)"
    say "promtool is missing: unpacking it from Debian's package prometheus"
    mkdir -p "$tools"
    tools="$(cd "$tools" && pwd)"
    # The list of packages may be empty, as on a fresh machine; only root may fill it.
    [ "$(id -u)" != 0 ] || apt-get update -qq >&2
    # What an earlier try may have left.
    rm -f "$tools"/prometheus_*.deb
    (cd "$tools" && apt-get -qq -o APT::Sandbox::User=root download prometheus >&2) ||
        die "cannot download the package prometheus: run \`sudo apt-get update\` and try again"
    dpkg-deb -x "$tools"/prometheus_*.deb "$tools/prometheus"
    rm "$tools"/prometheus_*.deb
}
