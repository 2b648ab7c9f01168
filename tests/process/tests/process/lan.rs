//! Players on other machines: `arcane up --lan` with its join code, and who is kept out. The machines are network
//! namespaces.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use process_tests::network::{self, Net};
use process_tests::running::Running;
use process_tests::{attempt, binary, wait_for, zone};
use serde_json::Value;
use tempfile::TempDir;

const START_MAX: Duration = Duration::from_secs(60);
const PRIVATE: &str = "10.99.0.1";

/// A realm for its local network, on a machine of its own.
struct Realm {
    process: Running,
    dir: TempDir,
    code: String,
}

impl Realm {
    fn start(net: &Net, flags: &[&str]) -> Self {
        let dir = TempDir::new().unwrap();
        let log = fs::File::create(dir.path().join("log")).unwrap();
        let mut command = net.command(binary::path("arcane"));
        command.args(["up", "--side-m", "128", "--creatures", "30", "--spawn-radius-m", "20"]);
        command.args(flags).arg("--data-dir").arg(dir.path().join("up"));
        let process = Running::start(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log));
        let mut realm = Self { process, dir, code: String::new() };
        realm.code = wait_for("a join code", START_MAX, || {
            let words = realm.words();
            assert!(realm.process.ended().is_none(), "the realm has ended:\n{words}");
            Some(words.lines().find_map(|line| line.strip_prefix("join "))?.trim().to_owned())
        });
        realm
    }

    fn words(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

/// Bots in a namespace; gives their exit code, their report and what they said.
fn bots(net: &Net, transport: &str, flags: &[&str]) -> (Option<i32>, Value, String) {
    let mut command = net.command(binary::path("arcanectl"));
    command.args(["bots", "--transport", transport, "--seconds-to-connect", "500ms", "--json"]).args(flags);
    let output = command.output().expect("nsenter(1) starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let report = text.lines().last().and_then(|line| serde_json::from_str(line).ok()).unwrap_or(Value::Null);
    (output.status.code(), report, String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn another_machine_plays_by_join_code_on_both_transports_and_a_public_address_is_turned_away() {
    if !network::is_allowed() {
        // The rule itself is tested without sockets as well: `peers_tests` and `door` in their crates.
        eprintln!("NOT RUN: network namespaces need root, and a container that allows them");
        return;
    }
    let (server, friend, stranger) = (Net::new(), Net::new(), Net::new());
    server.cable("lan", "10.99.0.1/24", &friend, "10.99.0.2/24");
    server.cable("wan", "203.0.113.1/24", &stranger, "203.0.113.2/24");
    stranger.ip("route add 10.99.0.0/24 via 203.0.113.1");
    let mut realm = Realm::start(&server, &["--lan", "--port", "0", "--bots", "20"]);
    assert!(realm.words().contains("lan    10.99.0.1 (lan)"), "{}", realm.words());
    let join = ["--join", &realm.code[..]];
    for transport in ["quic", "websocket", "mixed"] {
        attempt(|| {
            let (code, report, words) =
                bots(&friend, transport, &[&join[..], &["--n", "4", "--for", "2s"]].concat());
            let is_well = code == Some(0) && report["connected"] == 4 && report["decode_errors"] == 0;
            let n_snapshots = report["snapshots_per_client_second"].as_f64().unwrap_or(0.0);
            if is_well && n_snapshots > 4.0 { Ok(()) } else { Err(format!("{transport}: {report}\n{words}")) }
        });
    }
    // Beyond the local network: by QUIC the reason is told, by WebSocket there is no answer at all.
    let outside = [&join[..], &["--n", "1", "--for", "1s", "--patience", "3s"]].concat();
    let (code, report, words) = bots(&stranger, "quic", &outside);
    assert_eq!((code, &report["connected"]), (Some(1), &0.into()), "{words}");
    assert!(words.contains("only players of private networks may come in"), "{words}");
    let (code, report, words) = bots(&stranger, "websocket", &outside);
    assert_eq!((code, &report["connected"]), (Some(1), &0.into()), "{words}");
    // A code of another key leads nowhere.
    let other = Realm::start(&server, &["--lan=10.99.0.1", "--port", "0"]);
    let addr = |code: &str| code.parse::<client_core::join::JoinCode>().unwrap().addr;
    let mut ring = other.code.parse::<client_core::join::JoinCode>().unwrap();
    ring.addr = addr(&realm.code);
    let (code, _, words) =
        bots(&friend, "quic", &["--join", &ring.to_string(), "--n", "1", "--for", "1s", "--patience", "3s"]);
    assert!(code == Some(1) && words.contains("key is not the pinned one"), "{words}");
    drop(other);
    realm.process.signal("INT");
    let status = realm.process.wait_end(START_MAX);
    assert!(status.success(), "{status}\n{}", realm.words());
}

#[test]
fn without_a_private_address_lan_is_refused_with_what_to_do() {
    if !network::is_allowed() {
        eprintln!("NOT RUN: network namespaces need root, and a container that allows them");
        return;
    }
    let (alone, other) = (Net::new(), Net::new());
    alone.cable("wan", "203.0.113.1/24", &other, "203.0.113.2/24");
    let dir = TempDir::new().unwrap();
    let output =
        alone.command(binary::path("arcane")).args(["up", "--lan", "--data-dir"]).arg(dir.path()).output();
    let output = output.unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("no private address") && text.contains("leave --lan away"), "{text}");
}

/// Starts a zone that must not start; gives its exit code and its words.
fn refused(dir: &Path, flags: &[&str]) -> (Option<i32>, String) {
    let output = zone::command(dir).args(flags).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_zone_that_others_could_reach_without_tls_does_not_start_and_says_what_to_do() {
    let dir = TempDir::new().unwrap();
    for (flags, words) in [
        (&["--listen", "0.0.0.0:0"][..], "--plain-websocket anybody"),
        (&["--listen", "203.0.113.5:8080"], "--plain-websocket anybody"),
        (&["--listen", "[::]:0", "--plain-websocket", "private"], "--plain-websocket anybody"),
        (&["--listen", "10.99.0.1:0"], "arcane up --lan"),
    ] {
        let (code, text) = refused(dir.path(), flags);
        assert_eq!(code, Some(2), "{flags:?}: {text}");
        assert!(
            text.contains(words) && text.contains("has no TLS here") && text.contains("flag --listen"),
            "{text}"
        );
    }
}

#[test]
fn a_mistyped_join_code_is_refused_before_anything_is_tried() {
    let code = client_core::join::JoinCode::new(
        (PRIVATE.parse::<std::net::IpAddr>().unwrap(), 8080).into(),
        &[7; 32],
    );
    let text = code.to_string();
    let last = if text.ends_with('0') { '1' } else { '0' };
    for (typed, words) in [
        (format!("{}{last}", &text[..text.len() - 1]), "typing mistake"),
        (text[..12].to_owned(), "copy the whole of it"),
    ] {
        let output =
            Command::new(binary::path("arcanectl")).args(["bots", "--join", &typed]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(words), "{said}");
    }
}
