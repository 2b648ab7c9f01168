//! A recorded zone: with real players in it, ended in order or not, and lived again by `arcanectl replay`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use process_tests::herd::Herd;
use process_tests::running::{self, Running};
use process_tests::traveller::Travellers;
use process_tests::zone::Zone;
use process_tests::{binary, wait_for};
use serde_json::Value;
use tempfile::TempDir;
use transport::Link;

/// A zone ends within a second on a machine that has nothing else to do.
const END_MAX: Duration = Duration::from_secs(30);

/// Runs `arcanectl replay`; gives its exit code and the object on the last line.
fn replay(file: &Path, flags: &[&str]) -> (i32, Value) {
    let Output { status, stdout, stderr } = Command::new(binary::path("arcanectl"))
        .args(["replay", "--json"])
        .args(flags)
        .arg(file)
        .output()
        .expect("arcanectl starts");
    let text = String::from_utf8_lossy(&stdout);
    let json = text.lines().last().and_then(|line| serde_json::from_str(line).ok());
    let json = json.unwrap_or_else(|| panic!("no verdict: {text}{}", String::from_utf8_lossy(&stderr)));
    (status.code().expect("nobody killed it"), json)
}

/// A zone that records real bots on both links, up to a tick with all of them in play; ended by `end`.
fn recorded(dir: &TempDir, n_ticks: u64, end: impl FnOnce(&mut Zone)) -> PathBuf {
    let file = dir.path().join("day.rec");
    let mut zone = Zone::start_with(&["--record", file.to_str().unwrap()]);
    let herd = Herd::enter(&zone, 8);
    zone.wait_number("/attached", 8);
    let tick = zone.number("/tick");
    zone.wait_number("/tick", tick + n_ticks);
    end(&mut zone);
    drop(herd);
    file
}

#[test]
fn a_day_of_real_players_is_lived_again_bit_for_bit_on_one_thread_and_on_two() {
    let dir = TempDir::new().unwrap();
    let file = recorded(&dir, 60, |zone| {
        zone.signal("TERM");
        assert!(zone.wait_end(END_MAX).success());
    });
    let (code, one) = replay(&file, &[]);
    assert_eq!((code, &one["verdict"], &one["tail"]), (0, &"same".into(), &"whole".into()), "{one}");
    assert!(one["inputs"].as_u64().unwrap() > 100 && one["packets"].as_u64().unwrap() > 100, "{one}");
    let (code, two) = replay(&file, &["--threads", "2"]);
    assert_eq!((code, &two["packet_hash"], &two["ticks"]), (0, &one["packet_hash"], &one["ticks"]));
    let (code, some) = replay(&file, &["--until", "20"]);
    assert_eq!((code, &some["ticks"]), (0, &20.into()), "{some}");
}

#[test]
fn a_zone_plays_over_tick_two_to_the_31_and_is_lived_again() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("late.rec");
    let behind = (1u32 << 31) - 160;
    let mut zone =
        Zone::start_with(&["--behind-tick", &behind.to_string(), "--record", file.to_str().unwrap()]);
    let links = [Link::Quic, Link::WebSocket];
    let mut players = Travellers::to(links.map(|link| zone.target(link)));
    players.enter();
    let from = Instant::now();
    // Eight seconds of ticks lie before the border; half a minute is for machines that start zones slowly.
    players.wait("snapshots behind the border", |diaries| {
        diaries.iter().all(|diary| diary.applied.last().is_some_and(|last| last.tick > (1 << 31) + 60))
    });
    for diary in players.diaries() {
        assert_eq!(
            (diary.lost.len(), diary.welcomes.len()),
            (0, 1),
            "{:?} {:?}",
            diary.closed,
            diary.refused
        );
        assert!(diary.n_announced > 0, "areas were announced");
        let errors = diary.errors_mm(from);
        let n_wrong = errors.iter().filter(|error| **error > 0).count();
        assert!(n_wrong * 10 <= errors.len(), "{n_wrong} of {} predictions were wrong", errors.len());
    }
    zone.signal("TERM");
    assert!(zone.wait_end(END_MAX).success());
    let (code, one) = replay(&file, &[]);
    assert_eq!((code, &one["verdict"], &one["tail"]), (0, &"same".into(), &"whole".into()), "{one}");
    assert!(one["inputs"].as_u64().unwrap() > 100, "{one}");
}

#[test]
fn a_planted_bit_is_found_and_a_changed_byte_refused() {
    let dir = TempDir::new().unwrap();
    let file = recorded(&dir, 10, |zone| {
        zone.signal("TERM");
        assert!(zone.wait_end(END_MAX).success());
    });
    let (code, found) = replay(&file, &["--flip", "15:first:x_mm:4"]);
    let difference = &found["difference"];
    assert_eq!((code, &found["verdict"], &difference["tick"]), (1, &"differs".into(), &15.into()), "{found}");
    assert_eq!(difference["one_bit"], serde_json::json!({ "column": "x_mm", "bit": 4 }));
    assert!(difference["columns"]["x_mm"].is_string() && difference["entity"].is_u64(), "{found}");
    for (flag, word) in [("15:first:x_m:4", "x_mm"), ("99999:first:x_mm:4", "no tick 99999")] {
        let (code, said) = replay(&file, &["--flip", flag]);
        assert_eq!(code, 2, "{said}");
        assert!(said["reason"].as_str().unwrap().contains(word), "{said}");
    }
    let mut bytes = fs::read(&file).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 0x10;
    fs::write(&file, &bytes).unwrap();
    let (code, refused) = replay(&file, &[]);
    assert_eq!((code, &refused["verdict"]), (4, &"refused".into()), "{refused}");
    assert!(refused["reason"].as_str().unwrap().contains("checksum"), "{refused}");
    fs::write(&file, "something else, and long enough for a header: ".repeat(9)).unwrap();
    assert_eq!(replay(&file, &[]).0, 4);
}

#[test]
fn a_zone_that_is_killed_leaves_a_recording_that_replays_up_to_its_torn_end() {
    let dir = TempDir::new().unwrap();
    let file = recorded(&dir, 65, |zone| {
        zone.signal("KILL");
        let _status = zone.wait_end(END_MAX);
    });
    let (code, whole) = replay(&file, &[]);
    assert_eq!((code, &whole["verdict"], &whole["tail"]), (0, &"same".into(), &"open".into()), "{whole}");
    let n_ticks = whole["ticks"].as_u64().unwrap();
    assert!(n_ticks >= 40, "{whole}");
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() - 7]).unwrap();
    let (code, torn) = replay(&file, &[]);
    assert_eq!((code, &torn["verdict"], &torn["tail"]), (0, &"same".into(), &"torn".into()), "{torn}");
    assert_eq!(torn["ticks"].as_u64(), Some(n_ticks - 20), "a block is a second");
}

#[test]
fn a_recording_is_not_overwritten_by_accident_and_a_full_disk_costs_the_recording_only() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("day.rec");
    fs::write(&file, "precious").unwrap();
    let output = process_tests::zone::command(dir.path()).arg("--record").arg(&file).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("day.rec") && text.contains("--record-replace"), "{text}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    if Path::new("/dev/full").exists() {
        // The header is written at the start: with a disk that was full before, the zone says so and does not start.
        let output = process_tests::zone::command(dir.path())
            .args(["--record", "/dev/full", "--record-replace"])
            .output();
        assert_eq!(output.unwrap().status.code(), Some(3));
    }
}

#[test]
fn a_recording_ends_when_its_file_may_not_grow_and_the_zone_goes_on() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("day.rec");
    // The shell's limit is in blocks of 512 or 1024 bytes; the signal that comes with it is ignored.
    let plain = process_tests::zone::command(dir.path());
    let mut words = vec![plain.get_program().to_owned()];
    words.extend(plain.get_args().map(ToOwned::to_owned));
    // A log could not grow either, and without one a zone does not go on.
    words.extend(["--keep".into(), "off".into(), "--record".into(), file.clone().into()]);
    let mut command = running::command("/bin/sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\" 2>\"$LOG\""]);
    let mut zone = Running::start(command.args(&words).env("LOG", dir.path().join("log")));
    let log = || fs::read_to_string(dir.path().join("log")).unwrap_or_default();
    wait_for("the end of the recording", Duration::from_secs(60), || {
        log().contains("it ends here, the zone goes on").then_some(())
    });
    assert!(zone.ended().is_none(), "the zone ended too:\n{}", log());
    zone.kill();
    assert_eq!(log().matches("recording: it ends").count(), 1, "{}", log());
    assert_eq!(replay(&file, &[]).1["verdict"], "same");
}
