//! The metrics of a living zone, judged by Prometheus' own tool.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use process_tests::herd::Herd;
use process_tests::wait_for;
use process_tests::zone::Zone;

/// Where `scripts/test` puts it, or wherever it is installed.
fn promtool() -> PathBuf {
    let target = process_tests::binary::path("arcane");
    let unpacked = target.parent().unwrap().with_file_name("tools").join("prometheus/usr/bin/promtool");
    let dirs = std::env::var_os("PATH").unwrap_or_default();
    let installed = std::env::split_paths(&dirs).map(|dir| dir.join("promtool"));
    let mut places = std::iter::once(unpacked).chain(installed);
    places.find(|place| place.is_file()).expect(
        "promtool is there: scripts/test unpacks it from Debian's package `prometheus`; or put one on the PATH",
    )
}

/// What the tool says of a page; nothing when all is well.
fn lint(page: &str) -> String {
    let mut child = Command::new(promtool())
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let words =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    if output.status.success() { words } else { format!("{}: {words}", output.status) }
}

#[test]
fn promtool_has_nothing_to_say_about_a_living_zone() {
    let zone = Zone::start();
    let _herd = Herd::enter(&zone, 6);
    zone.wait_number("/attached", 6);
    let page = wait_for("round trips", Duration::from_secs(60), || {
        Some(zone.get("/metrics").1)
            .filter(|page| page.matches("arcane_client_rtt_p99_seconds{").count() == 2)
    });
    assert_eq!(lint(&page), "");
    let number = |series: &str| {
        let line =
            page.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')));
        let line = line.unwrap_or_else(|| panic!("no {series} in\n{page}"));
        line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()
    };
    for series in [
        "arcane_tick_duration_seconds_sum",
        "arcane_tick_duration_seconds_bucket{le=\"+Inf\"}",
        "arcane_stage_duration_seconds_count{stage=\"7-8\"}",
        "arcane_snapshot_bytes_total",
        "arcane_snapshot_sampled_bytes_total{component=\"motion\"}",
        "arcane_transport_bytes_total{transport=\"websocket\",direction=\"out\"}",
        "arcane_tick_allocations_total",
        "process_resident_memory_bytes",
    ] {
        assert!(number(series) > 0.0, "{series} is zero");
    }
    assert_eq!(number("arcane_clients{transport=\"quic\"}"), 3.0);
    assert!(number("arcane_handshakes_begun_total") >= 6.0);
    for present in
        ["arcane_tick_overruns_total{cause=\"own\"}", "arcane_socket_kernel_drops_total", "arcane_door_queue"]
    {
        assert!(number(present) >= 0.0);
    }
}

#[test]
fn promtool_would_have_noticed() {
    assert!(
        lint("# HELP a_total A.\n# TYPE a_total gauge\na_total 1\n").contains("a_total"),
        "the tool looks at nothing"
    );
    assert!(lint("a{b=\"c} 1\n").contains("error"), "a page that does not parse");
}
