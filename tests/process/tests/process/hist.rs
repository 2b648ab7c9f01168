//! Histograms of a real zone: written, read by others, compared, drawn.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use process_tests::running::{self, Running};
use process_tests::zone::Zone;
use process_tests::{at_once, attempt, binary, python, wait_for};
use serde_json::Value;

/// Seconds of ticks that a comparison has on either side: more than it needs to say how sure it is.
const SECONDS: usize = 8;

fn hist(arguments: &[&str]) -> Output {
    Command::new(binary::path("arcanectl")).arg("hist").args(arguments).output().unwrap()
}

fn json(arguments: &[&str]) -> Value {
    let output = hist(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn dir(zone: &Zone) -> PathBuf {
    zone.data_dir().join("hist")
}

/// The one log of a zone that is young.
fn log(dir: &Path) -> PathBuf {
    let files: Vec<PathBuf> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

/// Lets a zone tick, with players in it, until its log has so many seconds.
fn wait_seconds(zone: &Zone, n_seconds: usize) {
    wait_for(&format!("{n_seconds} seconds of histograms"), Duration::from_secs(120), || {
        let files = std::fs::read_dir(dir(zone)).ok()?;
        let text: String = files.filter_map(|file| std::fs::read_to_string(file.ok()?.path()).ok()).collect();
        (text.matches("Tag=tick,").count() >= n_seconds).then_some(())
    });
}

/// A zone under a small load, ended by its own drain; what it leaves is kept.
fn played(zone: &mut Zone) {
    let mut command = running::command(binary::path("arcanectl"));
    command.args(["bots", "--n", "10", "--seconds-to-connect", "0.5", "--for", "5m", "--to"]);
    command.arg(zone.listen.to_string()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let bots = Running::start(&mut command);
    zone.wait_number("/attached", 10);
    wait_seconds(zone, SECONDS + 2);
    drop(bots);
    zone.signal("TERM");
    assert!(zone.wait_end(Duration::from_secs(30)).success());
}

#[test]
fn python_reads_the_counts_and_percentiles_that_we_read() {
    let mut zone = Zone::start();
    played(&mut zone);
    let file = log(&dir(&zone));
    let theirs = python::run("read_log.py", &[&file]);
    let ours = json(&["show", file.to_str().unwrap(), "--json"]);
    let (theirs, ours) = (theirs.as_object().unwrap(), ours["tags"].as_object().unwrap());
    let tags = |of: &serde_json::Map<String, Value>| {
        let mut tags: Vec<String> = of.keys().cloned().collect();
        tags.sort();
        tags
    };
    assert_eq!(tags(theirs), tags(ours));
    assert!(theirs.contains_key("tick") && theirs.contains_key("stage.7-8"), "{theirs:?}");
    for (tag, read) in theirs {
        let own = &ours[tag];
        for name in ["n", "intervals"] {
            assert_eq!(read[name], own[name], "{name} of {tag}");
        }
        assert!(read["n"].as_u64().unwrap() > 100, "{read}");
        for name in ["p50", "p90", "p99", "p999", "max"] {
            let own_ns = (own[format!("{name}_ms")].as_f64().unwrap() * 1e6).round() as u64;
            assert_eq!(read[format!("{name}_ns")].as_u64(), Some(own_ns), "{name} of {tag}");
        }
    }
}

/// The exit code of a comparison, and the tags that have become slower by more than it allows.
fn compared(old: &str, new: &str) -> (Option<i32>, Vec<String>) {
    let limits = ["--max-regress", "p50=50%", "--floor-ms", "1", "--from", "2", "--json"];
    let output = hist(&[&["diff", old, new], &limits[..]].concat());
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let tags = found["regressed"].as_array().unwrap().iter();
    (output.status.code(), tags.map(|tag| tag.as_str().unwrap().to_owned()).collect())
}

/// A plain zone and one with a stall in stage 5, compared both ways. `Err` when the machine was slower for one of
/// them, so that more than the stall shows.
fn plain_and_planted() -> Result<(Zone, Zone), String> {
    // Side by side, so that the machine is as busy for the one as for the other.
    let (mut plain, mut planted) = (Zone::start(), Zone::start_planted("5", &[]));
    at_once([&mut plain, &mut planted], played);
    let (old, new) = (dir(&plain), dir(&planted));
    let (old, new) = (old.to_str().unwrap(), new.to_str().unwrap());
    let (code, regressed) = compared(old, new);
    assert_eq!(code, Some(1), "{regressed:?}");
    assert!(
        ["tick", "stage.5"].iter().all(|tag| regressed.iter().any(|found| found == tag)),
        "{regressed:?}"
    );
    assert_eq!(compared(old, old), (Some(0), Vec::new()));
    let others: Vec<&String> =
        regressed.iter().filter(|tag| tag.starts_with("stage.") && *tag != "stage.5").collect();
    let back = compared(new, old);
    match others.is_empty() && back == (Some(0), Vec::new()) {
        true => Ok((plain, planted)),
        false => Err(format!("slower too: {others:?}; the other way: {back:?}")),
    }
}

#[test]
fn a_planted_stall_is_found_by_the_comparison_and_seen_in_the_plot() {
    let (plain, planted) = attempt(plain_and_planted);
    let (old, new) = (dir(&plain), dir(&planted));
    let (old, new) = (old.to_str().unwrap(), new.to_str().unwrap());
    let shown = json(&["show", new, "--tag", "stage.5", "--from", "2", "--json"]);
    let p50_ms = shown["tags"]["stage.5"]["p50_ms"].as_f64().unwrap();
    assert!((2.0..10.0).contains(&p50_ms), "{shown}");
    let svg_file = planted.data_dir().join("both.svg");
    json(&["plot", old, new, "--tag", "stage.5", "--from", "2", "--json", "-o", svg_file.to_str().unwrap()]);
    let svg = std::fs::read_to_string(svg_file).unwrap();
    let medians: Vec<f64> =
        svg.split(": p50 ").skip(1).filter_map(|words| words.split(' ').next()?.parse().ok()).collect();
    assert!(medians.len() == 2 && medians[0] < 1.5 && medians[1] >= 2.0, "{medians:?}");
}

#[test]
fn a_zone_that_is_killed_leaves_a_log_that_reads() {
    let mut zone = Zone::start();
    wait_seconds(&zone, 2);
    zone.signal("KILL");
    assert!(!zone.wait_end(Duration::from_secs(30)).success());
    let shown = json(&["show", dir(&zone).to_str().unwrap(), "--json"]);
    assert!(shown["tags"]["tick"]["n"].as_u64().unwrap() >= 20, "{shown}");
}

#[test]
fn histograms_can_stay_in_memory_or_be_left_out() {
    let memory = Zone::start_with(&["--histograms", "memory"]);
    let off = Zone::start_with(&["--histograms", "off"]);
    let p99_ms = |zone: &Zone| zone.status()["total"]["tick_ms"]["p99"].as_f64().unwrap_or(0.0);
    wait_for("a second of histograms", Duration::from_secs(60), || (p99_ms(&memory) > 0.0).then_some(()));
    off.wait_number("/total/ticks", 30);
    assert_eq!(p99_ms(&off), 0.0);
    assert!(off.status()["total"]["run_queue_ms"].is_null(), "{}", off.status());
    assert!(!dir(&memory).exists() && !dir(&off).exists());
}

#[test]
fn a_log_that_does_not_read_is_refused_with_its_line_and_a_missing_one_with_another_code() {
    let zone = Zone::start();
    wait_seconds(&zone, 1);
    let file = log(&dir(&zone));
    let mut text = std::fs::read_to_string(&file).unwrap();
    let n_lines = text.lines().count();
    text.push_str("Tag=tick,1.0,1.0,what\n");
    let bad = zone.data_dir().join("bad.hlog");
    std::fs::write(&bad, text).unwrap();
    let output = hist(&["show", bad.to_str().unwrap()]);
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{words}");
    assert!(words.contains(&format!("bad.hlog is no log of histograms: line {}", n_lines + 1)), "{words}");
    let output = hist(&["show", "/no/such.hlog"]);
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(hist(&["diff", "a", "b", "--max-regress", "p99"]).status.code(), Some(2));
}

#[test]
fn merged_logs_hold_what_their_parts_held_and_overwrite_nothing() {
    let zone = Zone::start();
    wait_seconds(&zone, 3);
    let file = log(&dir(&zone));
    // A copy: the zone goes on writing.
    let copy = zone.data_dir().join("copy.hlog");
    std::fs::copy(&file, &copy).unwrap();
    let copy = copy.to_str().unwrap();
    let out = zone.data_dir().join("sum.hlog");
    let out = out.to_str().unwrap();
    let written = json(&["merge", copy, copy, "-o", out, "--json"]);
    assert_eq!(written["lines"], written["tags"]);
    let figure = |file: &str, name: &str| json(&["show", file, "--json"])["tags"]["tick"][name].clone();
    assert_eq!(figure(out, "n").as_u64().unwrap(), 2 * figure(copy, "n").as_u64().unwrap());
    assert_eq!(figure(out, "max_ms"), figure(copy, "max_ms"));
    assert_eq!(hist(&["merge", copy, "-o", out]).status.code(), Some(3), "a log is never overwritten");
}
