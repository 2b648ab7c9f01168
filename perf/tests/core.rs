//! Small real runs of what measures the core: `icount`, `sim` and `scale`. All figures are there and make sense, and a
//! planted regression does not pass.
//!
//! Counts are exact, so they are compared exactly; times only have to be times.
#![forbid(unsafe_code)]

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn perf(words: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_perf")).args(words.split_whitespace()).output().expect("perf starts")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The last line of stdout, of a run that went well.
fn figures(words: &str) -> Value {
    let output = perf(words);
    assert!(output.status.success(), "perf {words}: {}\n{}", output.status, said(&output));
    let out = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(out.lines().last().expect("perf says something")).expect("its last line is JSON")
}

fn number(figures: &Value, name: &str) -> f64 {
    let value = name.split('.').fold(figures, |at, part| &at[part]);
    value.as_f64().unwrap_or_else(|| panic!("{name} is {value}: {figures}"))
}

const COUNTS: [&str; 11] = [
    "tick",
    "step",
    "publish",
    "index",
    "clients",
    "visit",
    "interest",
    "encode",
    "decode_frame",
    "apply_frame",
    "decode_slot",
];
/// Small enough for a program without much optimisation under callgrind; 4 ticks, so that every client looks once.
const SMALL: &str = "icount --players 100 --ticks 4 --json";

fn small(baseline: &Path, words: &str) -> Output {
    perf(&format!("{SMALL} --baseline {} {words}", baseline.display()))
}

/// A baseline as it was blessed, with one line multiplied.
fn planted(text: &str, name: &str, factor: f64) -> String {
    let line = |line: &str| match line.split_once(" = ") {
        Some((key, n)) if key == name => {
            format!("{key} = {:.1}", n.parse::<f64>().expect("a count is a number") * factor)
        }
        _ => line.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn counts_are_equal_from_run_to_run_and_a_planted_regression_of_any_part_ends_with_1() {
    let room = tempfile::tempdir().unwrap();
    let path = room.path().join("icount.toml");
    let output = small(&path, "--bless");
    assert!(output.status.success(), "{}", said(&output));
    let first: Value = serde_json::from_slice(&output.stdout).unwrap();
    for name in COUNTS {
        assert!(number(&first, name) > 10.0, "{name}: {first}");
    }
    let parts = ["step", "publish", "index", "clients"].map(|name| number(&first, name));
    let (tick, sum) = (number(&first, "tick"), parts.iter().sum::<f64>());
    assert!(sum <= tick && tick < sum * 1.05, "the parts are {sum} of {tick}");
    assert_eq!(number(&first, "units.client_ticks"), 400.0);

    let blessed = fs::read_to_string(&path).unwrap();
    let again = small(&path, "--check");
    assert!(again.status.success(), "{}", said(&again));
    assert_eq!(
        serde_json::from_slice::<Value>(&again.stdout).unwrap(),
        first,
        "the same program, other counts"
    );
    assert_eq!(said(&again), "", "nothing is better or worse");

    // Smaller numbers in the baseline are a larger program: 3 % more in one part only, and in the whole.
    for name in ["tick", "encode"] {
        fs::write(&path, planted(&blessed, name, 1.0 / 1.03)).unwrap();
        let output = small(&path, "--check");
        assert_eq!(output.status.code(), Some(1), "{name}: {}", said(&output));
        assert!(
            said(&output).contains(&format!("{name} ")) && said(&output).contains("(+3.0 %)"),
            "{}",
            said(&output)
        );
    }

    fs::write(&path, planted(&blessed, "interest", 1.1)).unwrap();
    let output = small(&path, "--check");
    assert!(output.status.success() && said(&output).contains("--bless: interest"), "{}", said(&output));
}

#[test]
fn what_there_is_nothing_to_compare_with_is_named() {
    let room = tempfile::tempdir().unwrap();
    let path = room.path().join("icount.toml");
    let output = small(&path, "--check");
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(said(&output).contains("icount.toml"), "{}", said(&output));

    fs::write(&path, "players = 2000\nticks = 64\n").unwrap();
    let output = small(&path, "--check");
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("of other players or ticks"), "{}", said(&output));

    fs::write(&path, "players = 100\nticks = 4\n").unwrap();
    let output = small(&path, "--check");
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("has nothing of the"), "{}", said(&output));
}

#[test]
fn without_valgrind_one_line_says_so_and_ends_with_3() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_perf"));
    let output =
        command.args(SMALL.split_whitespace()).env("PATH", "/nowhere").output().expect("perf starts");
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(said(&output).lines().count(), 1, "{}", said(&output));
    assert!(said(&output).contains("valgrind is missing"), "{}", said(&output));
}

#[test]
fn the_committed_baseline_is_of_both_builds_and_of_all_counts() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("icount.toml");
    let text = fs::read_to_string(path).unwrap();
    for build in ["narrow", "wide"] {
        let table = text.split(&format!("[{build}]")).nth(1).unwrap_or_else(|| panic!("no {build} build"));
        let table = table.split("\n[").next().unwrap();
        for name in COUNTS {
            assert!(
                table.lines().any(|line| line.starts_with(&format!("{name} = "))),
                "no {name} of {build}"
            );
        }
    }
}

#[test]
fn a_tick_is_timed_in_stretches_and_what_clients_decode_is_what_was_sent() {
    let figures = figures("sim --players 150 --scenario towns --ticks 20 --repeat 3 --check --json");
    let range = |name: &str| {
        let (min, max) = (number(&figures, &format!("{name}.min")), number(&figures, &format!("{name}.max")));
        assert!(0.0 < min && min <= max, "{name}: {figures}");
        min..=max
    };
    for name in ["mean", "p50", "p99", "max"] {
        let middle = number(&figures, &format!("tick_cpu_ms.{name}"));
        assert!(range(&format!("tick_cpu_ms_range.{name}")).contains(&middle), "{name}: {figures}");
    }
    assert_eq!(number(&figures, "repeat"), 3.0);
    assert!(number(&figures, "run_queue_ms") >= 0.0 && number(&figures, "steal_ms") >= 0.0, "{figures}");
    assert!((10.0..1e6).contains(&number(&figures, "interest_ns_per_run")), "{figures}");
    assert!((10.0..1e6).contains(&number(&figures, "encode_ns_per_client")), "{figures}");
    assert!((10.0..1e4).contains(&number(&figures, "memory.entity_bytes")), "{figures}");
    assert!((10.0..1e4).contains(&number(&figures, "memory.client_bytes")), "{figures}");
    assert!((0.0..10.0).contains(&number(&figures, "introductions_per_client_tick")), "{figures}");
    let (sent, decoded) =
        (number(&figures, "bytes_per_client_tick"), number(&figures, "decoded_bytes_per_client_tick"));
    assert!((sent - decoded).abs() < 1e-6, "{sent} B sent and {decoded} B decoded");
    let parts = figures["decoded_bytes_by_part"].as_object().expect("parts have names");
    let sum: f64 = parts.values().map(|bytes| bytes.as_f64().unwrap()).sum();
    assert!((sum - decoded).abs() < 1e-6 && parts.len() > 8, "{parts:?}");
}

#[test]
fn two_threads_are_compared_with_one_on_the_same_ticks() {
    let two = figures("sim --players 150 --ticks 20 --repeat 3 --threads 2 --json");
    let one = figures("sim --players 150 --ticks 20 --repeat 3 --json");
    assert_eq!((&two["packet_hash"], &two["state_hash"]), (&one["packet_hash"], &one["state_hash"]));
    assert!(one["parallel_ratio"].is_null() && number(&two, "slowest_ns") > 0.0);
    let ratio = number(&two, "parallel_ratio");
    assert!((0.3..2.0).contains(&ratio), "{ratio}: half of the work, and what two threads cost");
    for stage in ["2", "3a", "3b", "4a", "4b", "5", "6", "7-8"] {
        let of = |name: &str| number(&two[name], stage);
        assert!(of("serial_stage_ns") <= of("slowest_stage_ns"), "{stage}: {two}");
        assert!(of("slowest_stage_ns") > 0.0 && of("one_thread_stage_ns") > 0.0, "{stage}: {two}");
    }
}

#[test]
fn a_sweep_gives_a_point_per_size_and_number_of_threads_and_a_picture() {
    let room = tempfile::tempdir().unwrap();
    let path = room.path().join("scale.svg");
    let words = format!("--players 60,120,240 --threads 1,2 --ticks 5 --repeat 2 --svg {}", path.display());
    let figures = figures(&format!("scale --json {words}"));
    let points = figures["points"].as_array().expect("points are a list");
    let sizes: Vec<(u64, u64)> = points
        .iter()
        .map(|point| (point["players"].as_u64().unwrap(), point["threads"].as_u64().unwrap()))
        .collect();
    assert_eq!(sizes, [(60, 1), (60, 2), (120, 1), (120, 2), (240, 1), (240, 2)]);
    for point in points {
        let (slowest, all) = (number(point, "us_per_player_tick"), number(point, "cpu_us_per_player_tick"));
        assert!(0.01 < slowest && slowest <= all * 1.000_001 && all < 10_000.0, "{point}");
        assert!(number(point, "us_per_player_tick_range.min") <= slowest, "{point}");
        assert!(number(point, "tick_ms.mean") > 0.0 && number(point, "calibrate.loop_ms") > 0.0, "{point}");
    }
    let svg = fs::read_to_string(path).unwrap();
    for text in ["<svg", ">60<", ">240<", ">1 thread<", ">2 threads", "towns"] {
        assert!(svg.contains(text), "no {text} in {svg}");
    }
}

#[test]
fn a_mistake_on_the_command_line_is_named_and_ends_with_2() {
    for (words, sentence) in [
        ("icount --check --bless", "cannot be used with"),
        ("icount --players 3", "invalid value '3'"),
        ("sim --repeat 0", "invalid value '0'"),
        ("scale --players 100,50", "from few to many"),
        ("scale --threads 0", "invalid value '0'"),
    ] {
        let output = perf(words);
        assert_eq!(output.status.code(), Some(2), "perf {words}: {}", said(&output));
        assert!(said(&output).contains(sentence), "perf {words}: {}", said(&output));
    }
}

#[test]
fn the_transport_is_counted_and_its_handshakes_cost_little_more_than_in_memory() {
    let quic = figures("net --instructions --clients 16 --json");
    assert_eq!(
        (number(&quic, "packets_out_per_client_tick"), number(&quic, "standalone_acks_per_tick")),
        (1.0, 0.0)
    );
    let bounds = [
        ("instructions_per_client_tick", 2_000.0, 60_000.0),
        ("handshake_ratio", 0.9, 1.15),
        ("client_standalone_acks_per_tick", 0.0, 0.1),
        // quinn-proto's own connection is six KiB, its keys and queues are as much again.
        ("live_bytes_per_connection", 8_000.0, 24_576.0),
    ];
    for (name, low, high) in bounds {
        let n = number(&quic, name);
        assert!(low <= n && n <= high, "{name} = {n}, not in {low}..{high}: {quic}");
    }
    let websocket = figures("net --instructions --transport websocket --clients 16 --json");
    let held = number(&websocket, "live_bytes_per_connection");
    assert!((200.0..=4_096.0).contains(&held), "{held} bytes per WebSocket: {websocket}");
}
