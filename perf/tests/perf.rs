//! Small real runs of the commands: all figures are there and make sense, and mistakes are named.
//!
//! Runs that measure need two cores that have little else to do: one for the server, one for the load. When perf itself
//! says that the machine was too busy to measure, it is asked again; bounds are wide, for units and orders of magnitude.
#![forbid(unsafe_code)]

use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How often a machine that was too busy is asked again.
const RETRIES: usize = 2;

/// Runs that measure need both cores: one at a time.
static CORES: Mutex<()> = Mutex::new(());

fn cores() -> MutexGuard<'static, ()> {
    CORES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs perf without cargo's variables: it must not build anything while the tests hold the build directory.
fn perf(words: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_perf"));
    command.args(words.split_whitespace()).env_remove("CARGO").env_remove("CARGO_PKG_NAME");
    command.output().expect("perf starts")
}

/// Whether perf could not keep its own schedule, or lost what it sent, too often for a figure.
fn was_too_busy(output: &Output) -> bool {
    let errors = String::from_utf8_lossy(&output.stderr);
    output.status.code() == Some(1) && errors.contains("count; the last that does not")
}

/// The last line of stdout, of a run that measured something.
fn figures(words: &str) -> Value {
    let mut output = perf(words);
    for _ in 0..RETRIES {
        if was_too_busy(&output) {
            output = perf(words);
        }
    }
    let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "perf {words}: {}\n{errors}", output.status);
    serde_json::from_str(out.lines().last().expect("perf says something")).expect("its last line is JSON")
}

/// The zone's program, fresh, with the profile of the tests: its libraries are compiled already.
fn built_arcane() -> PathBuf {
    built("arcane", &[])
}

fn built(name: &str, flags: &[&str]) -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let words = ["build", "--quiet", "--locked", "--profile", "test", "-p", "server"];
    let status = Command::new(cargo).args(words).args(flags).status();
    assert!(status.expect("cargo starts, it runs this test").success(), "the zone does not build");
    PathBuf::from(env!("CARGO_BIN_EXE_perf")).with_file_name(name)
}

/// Every field is a number within its bounds; a dot leads into an object.
fn check(figures: &Value, expected: &[(&str, f64, f64)]) {
    for (name, low, high) in expected {
        let value = name.split('.').fold(figures, |at, part| &at[part]);
        let value = value.as_f64().unwrap_or_else(|| panic!("{name} is {value}: {figures}"));
        assert!(*low <= value && value <= *high, "{name} = {value}, not in {low}..{high}: {figures}");
    }
}

const CALIBRATION: [(&str, f64, f64); 2] =
    [("calibrate.copy_gb_s", 0.1, 1_000.0), ("calibrate.loop_ms", 1.0, 1_000.0)];

fn check_net(transport: &str) {
    let _cores = cores();
    let words = format!("net --transport {transport} --clients 200 --seconds 1 --pairs 1 --json");
    let figures = figures(&words);
    assert_eq!(
        (&figures["transport"], &figures["clients"], &figures["hz"]),
        (&transport.into(), &200.into(), &20.into())
    );
    check(&figures, &CALIBRATION);
    check(
        &figures,
        &[
            ("us_per_client_tick", 1.0, 2_000.0),
            ("floor_us", 0.5, 2_000.0),
            ("ratio_to_floor", 0.5, 100.0),
            ("user_us", 0.0, 2_000.0),
            ("kernel_us", 0.0, 2_000.0),
            ("rss_kib_per_connection", 1.0, 1_000.0),
            ("handshakes_per_cpu_second", 5.0, 1e6),
            ("standalone_acks_per_tick", 0.0, 0.5),
            ("payloads_per_second", 3_000.0, 5_000.0),
            ("inputs_per_second", 3_000.0, 5_000.0),
            // A window below 0.95 does not count, so perf would have said that the machine was too busy.
            ("inputs_sent_share", 0.95, 1.0),
            ("inputs_delivered_share", 0.95, 1.0),
            ("payloads_delivered_share", 0.95, 1.0),
            ("spread.ratio_to_floor.min", 0.5, 100.0),
            ("run_queue_ms", 0.0, 1e6),
            ("steal_ms", 0.0, 1e6),
        ],
    );
}

#[test]
fn quic_is_measured_beside_the_floor() {
    check_net("quic");
}

#[test]
fn websocket_is_measured_beside_the_floor() {
    check_net("websocket");
}

#[test]
fn a_whole_zone_is_measured_beside_its_parts() {
    let _cores = cores();
    let arcane = built_arcane();
    let words = "zone --clients 30 --transport mixed --seconds 1 --pairs 1 --json --arcane";
    let figures = figures(&format!("{words} {}", arcane.display()));
    assert_eq!((&figures["workload"], &figures["send"]), (&"towns".into(), &"every-tick".into()));
    check(&figures, &CALIBRATION);
    check(
        &figures,
        &[
            ("clients", 30.0, 30.0),
            ("us_per_client_tick", 1.0, 20_000.0),
            ("us_per_client_second", 20.0, 400_000.0),
            ("user_us", 0.0, 20_000.0),
            ("kernel_us", 0.0, 20_000.0),
            ("packets_per_client_second", 5.0, 60.0),
            ("added_age_ms.p50", 0.0, 0.0),
            ("added_age_ms.p99", 0.0, 0.0),
            ("tick_ms.p50", 0.01, 500.0),
            ("tick_ms.p99", 0.01, 5_000.0),
            ("tick_ms.max", 0.01, 20_000.0),
            ("overruns", 0.0, 100.0),
            ("snapshots_per_client_second", 5.0, 30.0),
            ("snapshot_gap_ms.p99", 20.0, 10_000.0),
            ("bytes_per_client_second", 50.0, 20_000.0),
            ("rss_kib_per_client", 1.0, 2_000.0),
            ("ratio_to_parts", 0.1, 100.0),
            ("parts.net_us", 1.0, 20_000.0),
            ("parts.sim_us", 0.1, 20_000.0),
            ("visible_mean", 1.0, 64.0),
            ("decode_errors", 0.0, 0.0),
        ],
    );
}

/// Why a short overload shows less than it should, but for what only a quiet machine keeps: nothing if it does not.
fn overload_flaw(figures: &Value) -> Option<String> {
    let rungs = figures["rungs"].as_object().expect("there are rungs");
    assert_eq!(rungs.len(), 9, "{figures}");
    let still = |n: &Value| n.as_u64().is_none_or(|n| n == 0);
    let unmoved = rungs.iter().find(|(_, rung)| still(&rung["rises"]) || still(&rung["falls"]));
    let is_slow = figures["seconds_to_full_detail"].as_f64().is_none_or(|seconds| seconds > 20.0);
    (unmoved.is_some() || is_slow).then(|| figures.to_string())
}

#[test]
fn an_overloaded_zone_climbs_the_ladder_comes_down_again_and_is_lived_again_bit_for_bit() {
    let _cores = cores();
    let planted = built("arcane-planted", &["--features", "planted", "--bin", "arcane-planted"]);
    let words = format!("zone --overload --clients 40 --seconds 6 --json --arcane {}", planted.display());
    let (mut flaws, mut was_stolen) = (Vec::new(), false);
    for _ in 0..=RETRIES {
        let output = perf(&words);
        let (out, errors) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let Some(figures) = out.lines().last().and_then(|last| serde_json::from_str::<Value>(last).ok())
        else {
            flaws.push(errors.into_owned()); // it did not come to the overload
            continue;
        };
        // Whatever the machine does, the recording is lived again and no bar is missed in silence.
        let replay = &figures["replay"];
        assert_eq!(replay["ticks"], replay["equal"], "{figures}");
        check(&figures, &[("replay.ticks", 200.0, 1e5), ("replay.levels", 2.0, 1e4)]);
        check(&figures, &[("slowness", 1.0, 1e4), ("base_load", 0.1, 0.9), ("decode_errors", 0.0, 0.0)]);
        check(&figures, &[("start_jitter_ms.p50", 0.0, 1e4), ("start_jitter_ms.p99", 0.0, 1e4)]);
        let n_missed = figures["missed"].as_array().expect("a list of bars").len();
        assert_eq!(output.status.code(), Some(i32::from(n_missed > 0)), "{errors}");
        match overload_flaw(&figures) {
            None => return,
            Some(flaw) => flaws.push(flaw),
        }
        was_stolen = figures["overruns_stolen"].as_u64() > replay["ticks"].as_u64().map(|n| n / 10);
    }
    // On a machine that others keep busy the zone sheds what it would for its own load, and keeps at it.
    assert!(was_stolen, "the ladder does not work: {flaws:#?}");
}

#[test]
fn commits_and_replay_are_measured_beside_sqlite() {
    let figures = figures("wal --players 50 --ticks 60 --commits 20 --repeat 1 --json");
    // A debug build on a busy disk: units and orders of magnitude.
    check(
        &figures,
        &[
            ("commit_cpu_us", 5.0, 20_000.0),
            ("sqlite_commit_cpu_us", 100.0, 200_000.0),
            ("ratio_to_sqlite", 1.0, 1_000.0),
            ("real_bytes", 200.0, 100_000.0),
            ("checkpoint_copy_us", 0.5, 20_000.0),
            ("resume_ms", 0.01, 5_000.0),
            ("replay_ms_per_1000_ticks", 0.5, 60_000.0),
        ],
    );
    let (p50, p99) = (&figures["commit_us"]["p50"], &figures["commit_us"]["p99"]);
    assert!(p50.as_f64() > Some(0.0) && p99.as_f64() >= p50.as_f64(), "{figures}");
}

#[test]
fn the_machine_is_calibrated() {
    let _cores = cores();
    let figures = figures("calibrate --rounds 3 --json");
    check(
        &figures,
        &[
            ("copy_gb_s", 0.1, 1_000.0),
            ("copy_bytes", 67_108_864.0, 67_108_864.0),
            ("loop_ms", 1.0, 1_000.0),
            ("loop_ratio_to_best", 1.0, 100.0),
            ("copy_ratio_to_best", 1.0, 100.0),
            ("run_queue_ms", 0.0, 1e6),
            ("steal_ms", 0.0, 1e6),
        ],
    );
}

#[test]
fn the_tick_alone_says_how_fast_the_machine_was() {
    let _cores = cores();
    let figures = figures("sim --players 60 --scenario uniform --ticks 40 --json");
    check(&figures, &CALIBRATION);
    check(&figures, &[("tick_cpu_ms.p50", 0.001, 100.0), ("casts_per_second", 1.0, 1e6)]);
}

#[test]
fn the_tick_is_measured_beside_a_plain_server_that_plays_the_same_game() {
    let _cores = cores();
    for rival in ["reference", "thrifty-reference"] {
        let figures =
            figures(&format!("sim --players 100 --scenario crowd --ticks 40 --against {rival} --json"));
        check(&figures, &CALIBRATION);
        check(
            &figures,
            &[
                ("windows", 2.0, 2.0),
                ("ratio_to_reference", 0.5, 1_000.0),
                ("ratio_to_reference_range.min", 0.1, 1_000.0),
                ("ratio_of_ticks", 0.3, 1_000.0),
                ("client_us", 0.05, 1_000.0),
                ("index_us", 0.001, 1_000.0),
                ("tick_ms", 0.005, 1_000.0),
                ("reference_client_us", 0.05, 1_000.0),
                ("reference_index_us", 0.001, 1_000.0),
                ("reference_tick_ms", 0.005, 1_000.0),
                ("bytes_per_client_tick", 10.0, 1_000.0),
                ("reference_bytes_per_client_tick", 50.0, 1_000.0),
                ("bodies_compared", 100.0, 500.0),
            ],
        );
    }
}

#[test]
fn a_mistake_on_the_command_line_is_named_and_ends_with_2() {
    for (words, sentence) in [
        ("net --transport carrier-pigeon", "invalid value 'carrier-pigeon'"),
        ("net --clients 0", "invalid value '0'"),
        ("net --payload 1101", "invalid value '1101'"),
        ("zone --workload w1 --overload", "--overload has towns only"),
        ("zone --workload cities", "no workload \"cities\""),
        ("zone --find-max --send news", "it needs --send every-tick"),
        ("zone --seconds 60", "invalid value '60'"),
        ("zone --send sometimes", "no way of sending \"sometimes\""),
        ("calibrate --rounds 1", "invalid value '1'"),
        ("sim --against nobody", "invalid value 'nobody'"),
        ("sim --scenario brawl --against reference", "no brawl with it"),
        ("sim --scenario w1 --against reference", "no w1 with it"),
        ("net --transport mixed --against quinn-tokio", "choose --transport quic or websocket"),
        ("net --seconds 6 --against quinn-tokio", "windows of 1 to 5 seconds"),
        ("net --against enet", "invalid value 'enet'"),
        ("fly", "unrecognized subcommand"),
    ] {
        let output = perf(words);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "perf {words}: {errors}");
        assert!(errors.contains(sentence), "perf {words}: {errors}");
    }
}

#[test]
fn other_libraries_servers_that_are_not_there_are_named_with_the_way_to_build_them() {
    let output = perf("net --against fastwebsockets --peers /no/such/peers");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{errors}");
    assert!(errors.contains("/no/such/peers") && errors.contains("perf/peers/Cargo.toml"), "{errors}");
}

#[test]
fn a_zone_in_w1_is_measured_beside_its_parts() {
    let _cores = cores();
    let arcane = built_arcane();
    let words = "zone --workload w1 --clients 150 --seconds 1 --pairs 1 --json --arcane";
    let figures = figures(&format!("{words} {}", arcane.display()));
    assert_eq!(figures["workload"], "w1");
    check(
        &figures,
        &[
            ("us_per_client_tick", 1.0, 20_000.0),
            ("visible_mean", 55.0, 64.0),
            // Towns have three times as much to tell: this would not pass with another workload.
            ("payload_bytes", 15.0, 50.0),
            ("parts.sim_bytes_per_client_tick", 15.0, 50.0),
            ("input_bytes", 8.0, 40.0),
            ("decode_errors", 0.0, 0.0),
        ],
    );
}

#[test]
fn a_zone_that_is_not_there_is_named_and_ends_with_3() {
    let output = perf("zone --arcane /no/such/arcane");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{errors}");
    assert!(errors.contains("/no/such/arcane") && errors.contains("--arcane"), "{errors}");
}
