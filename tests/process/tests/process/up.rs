//! `arcane up`: a local realm from one command.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use process_tests::running::{self, Running};
use process_tests::{binary, wait_for};
use serde_json::Value;
use tempfile::TempDir;

fn up(dir: &TempDir) -> Command {
    let mut command = running::command(binary::path("arcane"));
    command.args(["up", "--side-m", "128", "--creatures", "100", "--spawn-radius-m", "40", "--data-dir"]);
    command.arg(dir.path().join("up")).stdin(Stdio::null());
    command
}

/// A realm that is up, and where the kernel shows its zone.
fn started(dir: &TempDir) -> (Running, PathBuf) {
    let realm = Running::start(up(dir).args(["--port", "0"]).stderr(Stdio::null()).stdout(Stdio::null()));
    let note = dir.path().join("up/ready.json");
    let ready: Value = wait_for("the realm", Duration::from_secs(60), || {
        serde_json::from_slice(&std::fs::read(&note).ok()?).ok()
    });
    (realm, PathBuf::from(format!("/proc/{}", ready["pid"])))
}

#[test]
fn a_realm_with_bots_runs_for_a_while_and_reports() {
    let dir = TempDir::new().unwrap();
    let output = up(&dir).args(["--port", "0", "--bots", "6", "--for", "3s", "--json"]).output().unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{}\n{words}", output.status);
    let out = String::from_utf8(output.stdout).unwrap();
    let figures: Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
    let number = |pointer: &str| {
        let value = figures.pointer(pointer).and_then(Value::as_f64);
        value.unwrap_or_else(|| panic!("no number at {pointer} in {figures}"))
    };
    for (pointer, expected) in
        [("/bots", 6.0), ("/quic", 3.0), ("/websocket", 3.0), ("/connected", 6.0), ("/decode_errors", 0.0)]
    {
        assert_eq!(number(pointer), expected, "{pointer}");
    }
    for pointer in [
        "/creatures",
        "/visible_mean",
        "/snapshots_per_client_second",
        "/snapshot_gap_ms/quic_p99",
        "/snapshot_gap_ms/websocket_p99",
        "/input_ack_ms/p99",
        "/tick_ms/p50",
        "/tick_ms/p99",
        "/tick_ms/max",
        "/tick_cpu_ms/p99",
        "/bytes_per_client_tick",
    ] {
        assert!(number(pointer) > 0.0, "{pointer} is {}", number(pointer));
    }
    for pointer in ["/kills", "/respawns", "/refused_share", "/prediction_error_mm/p99", "/overruns"] {
        assert!(number(pointer) >= 0.0);
    }
    assert!(words.contains("players") && words.contains("admin  http://127.0.0.1:"), "{words}");
}

#[test]
fn ctrl_c_drains_the_whole_realm() {
    let dir = TempDir::new().unwrap();
    let (mut realm, zone) = started(&dir);
    realm.signal("INT");
    let status = realm.wait_end(Duration::from_secs(30));
    assert!(status.success(), "{status}");
    assert!(!zone.exists(), "the zone was left behind");
}

#[test]
fn a_realm_that_is_killed_leaves_no_zone_behind() {
    let dir = TempDir::new().unwrap();
    let (mut realm, zone) = started(&dir);
    realm.kill();
    wait_for("the end of the zone", Duration::from_secs(30), || {
        // Gone, or a zombie that nobody has waited for yet.
        let is_over = std::fs::read_to_string(zone.join("stat")).map_or(true, |stat| stat.contains(") Z "));
        is_over.then_some(())
    });
}

#[test]
fn a_taken_port_is_named_with_the_way_to_another() {
    let dir = TempDir::new().unwrap();
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port().to_string();
    let output = up(&dir).args(["--port", &port]).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains(&format!("port {port} (game) is taken")) && text.contains("--port 0"), "{text}");
}

#[test]
fn a_local_network_of_another_machine_is_refused_with_the_addresses_of_this_one() {
    let dir = TempDir::new().unwrap();
    let output = up(&dir).args(["--port", "0", "--lan=203.0.113.5"]).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    // A machine without any private address says that instead, and it is no fault of the flag.
    let is_alone = output.status.code() == Some(3) && text.contains("has no private address");
    let is_told = output.status.code() == Some(2) && text.contains("a private address of this machine: ");
    assert!(is_alone || is_told, "{}: {text}", output.status);
}
