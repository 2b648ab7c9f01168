//! What outlives the process: a zone that is killed, drained, damaged or asked for otherwise, and the disk that its ticks
//! must not wait for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use process_tests::traveller::Travellers;
use process_tests::zone::{self, Zone};
use process_tests::{binary, running, wait_for};
use serde_json::Value;
use transport::Link;

const END_MAX: Duration = Duration::from_secs(30);
const PLAYERS: usize = 12;
/// Kills of the short form. `KILLS` says how many otherwise.
const KILLS: usize = 12;

fn wal(words: &[&str], dir: &Path) -> (i32, Value) {
    let Output { status, stdout, stderr } = Command::new(binary::path("arcanectl"))
        .arg("wal")
        .args(words)
        .arg("--json")
        .arg(dir)
        .output()
        .expect("arcanectl starts");
    let text = String::from_utf8_lossy(&stdout);
    let json = text.lines().last().and_then(|line| serde_json::from_str(line).ok());
    let json = json.unwrap_or_else(|| panic!("no answer: {text}{}", String::from_utf8_lossy(&stderr)));
    (status.code().expect("nobody killed it"), json)
}

/// Files of a log, newest last.
fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.join("world")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "wal")).collect();
    files.sort();
    files
}

fn end(zone: &mut Zone) {
    zone.signal("TERM");
    assert!(zone.wait_end(END_MAX).success(), "{}", zone.log());
}

#[test]
fn a_zone_that_is_killed_again_and_again_gives_everybody_the_same_body_back() {
    let n_kills = std::env::var("KILLS").ok().map_or(KILLS, |n| n.parse().expect("KILLS is a number"));
    let mut zone = Zone::start();
    let links = (0..PLAYERS).map(|at| if at % 2 == 0 { Link::Quic } else { Link::WebSocket });
    let targets: Vec<_> = links.map(|link| zone.target(link)).collect();
    let mut players = Travellers::thin(targets);
    players.enter();
    let mut last_tick = 0;
    for n in 0..n_kills {
        // Before the first checkpoint of a process, while one is written, and after it.
        players.play(Duration::from_millis(300 + 190 * (n as u64 % 7)));
        let seen =
            players.diaries().iter().filter_map(|diary| diary.applied.last()).map(|last| last.tick).max();
        let killed = Instant::now();
        zone.kill_and_restart(&[]);
        let tick = zone.wait_number("/tick", 1);
        // A snapshot does not wait for the disk, so the last one may have shown a tick that was lost, or two.
        assert!(
            tick + 3 >= u64::from(seen.unwrap()) && tick >= last_tick,
            "{seen:?} was seen, {tick} came back"
        );
        last_tick = tick;
        players.wait("everybody plays again", |diaries| {
            diaries.iter().all(|diary| diary.ready.last().is_some_and(|at| *at > killed))
        });
    }
    for diary in players.diaries() {
        let bodies: BTreeSet<_> =
            diary.welcomes.iter().map(|welcome| (welcome.entity, welcome.durable)).collect();
        assert_eq!(bodies.len(), 1, "a player had several bodies: {:?}", diary.welcomes);
        assert_eq!(diary.welcomes.iter().filter(|welcome| !welcome.resumed).count(), 1);
    }
    assert_eq!(zone.number("/players"), PLAYERS as u64, "somebody has two bodies");
    zone.signal("KILL");
    wait_for("the zone is gone", END_MAX, || (!zone.is_running()).then_some(()));
    let (code, verdict) = wal(&["verify", "--live"], &zone.data_dir());
    assert_eq!((code, &verdict["is_good"]), (0, &true.into()), "{verdict}");
    assert!(verdict["tick"].as_u64().unwrap() >= last_tick, "{verdict}");
    let (_, stat) = wal(&["stat"], &zone.data_dir());
    assert_eq!(stat["epoch"], n_kills as u64 + 1, "{stat}");
}

#[test]
fn a_log_lived_again_is_compared_with_the_states_that_were() {
    let mut zone = Zone::start();
    let mut players = Travellers::thin([zone.target(Link::Quic), zone.target(Link::WebSocket)]);
    players.enter();
    // The checkpoint of the first second, and then some states that were summed up.
    players.play(Duration::from_secs(9));
    zone.signal("KILL");
    wait_for("the zone is gone", END_MAX, || (!zone.is_running()).then_some(()));
    let (code, one) = wal(&["verify", "--live"], &zone.data_dir());
    assert_eq!(code, 0, "{one}");
    assert!(one["states_compared"].as_u64() >= Some(2) && one["ticks_lived"].as_u64() > Some(100), "{one}");
    let (_, two) = wal(&["verify", "--live", "--threads", "2"], &zone.data_dir());
    assert_eq!(two["state_hash"], one["state_hash"]);
    zone.kill_and_restart(&[]);
    assert!(zone.log().contains("the world is back as it was"), "{}", zone.log());
}

#[test]
fn a_drained_zone_goes_on_where_it_ended_and_one_that_keeps_nothing_begins_anew() {
    let mut zone = Zone::start();
    zone.wait_number("/tick", 30);
    end(&mut zone);
    let (_, stat) = wal(&["stat"], &zone.data_dir());
    assert_eq!(stat["checkpoint_lsn"], stat["last_lsn"], "a drain ends with a checkpoint: {stat}");
    let tick = stat["last_tick"].as_u64().unwrap();
    zone.kill_and_restart(&[]);
    // Anew it would take two seconds to come so far.
    zone.wait_number("/tick", tick);
    assert!(zone.log().contains(&format!("the world is back as it was tick={tick}")), "{}", zone.log());
    let (code, _) = wal(&["verify"], &zone.data_dir());
    assert_eq!(code, 0, "a log can be looked at while its zone runs");
    end(&mut zone);
    zone.kill_and_restart(&["--keep", "off"]);
    assert!(zone.wait_number("/tick", 1) < tick && zone.status()["log"].is_null());
}

#[test]
fn behind_a_tick_that_panics_when_it_is_lived_again_only_what_changed_hands_is_taken_over() {
    let dir = tempfile::TempDir::new().unwrap();
    let planted = dir.path().join("planted");
    let mut zone = Zone::start_panicking(&planted, &[]);
    let mut players = Travellers::thin([zone.target(Link::Quic), zone.target(Link::WebSocket)]);
    players.enter();
    // In stage 5 the record of the tick has left for the log; and in that tick something must go in.
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(500));
            fs::write(&planted, "step 5.").unwrap();
        });
        players.play(Duration::from_secs(1));
    });
    wait_for("the end of the zone", END_MAX, || (!zone.is_running()).then_some(()));
    let log = zone.log();
    let line = log.lines().find(|line| line.contains("a tick panicked")).expect("it says so");
    let tick = line.split("tick=").nth(1).and_then(|rest| rest.split_whitespace().next()).unwrap();
    fs::write(&planted, format!("relive {tick}")).unwrap();
    let again = Instant::now();
    zone.restart_panicking(&planted);
    assert!(zone.log().contains(&format!("tick {tick} panicked again")), "{}", zone.log());
    players.wait("both play again", |diaries| {
        diaries.iter().all(|diary| diary.ready.last().is_some_and(|at| *at > again))
    });
    for diary in players.diaries() {
        assert!(
            diary.welcomes.last().is_some_and(|last| last.resumed && last.entity == diary.welcomes[0].entity)
        );
    }
    // Nothing was promised before a checkpoint said what the world is, so the next zone need not doubt.
    assert!(zone.number("/log/checkpoint_lsn") > 0, "{}", zone.status());
    zone.kill_and_restart(&[]);
    assert_eq!(zone.log().matches("not all that the log says").count(), 1, "{}", zone.log());
}

/// Starts a zone that must refuse; gives its exit code and what it said.
fn refused(zone: &Zone, flags: &[&str]) -> (Option<i32>, String) {
    let mut command = zone::command(zone.data_dir().parent().expect("it lies in the test's directory"));
    let Output { status, stderr, .. } = command.args(flags).output().expect("the zone starts");
    (status.code(), String::from_utf8_lossy(&stderr).into_owned())
}

#[test]
fn a_world_of_another_size_is_not_gone_on_with() {
    let mut zone = Zone::start();
    zone.wait_number("/tick", 5);
    end(&mut zone);
    let (code, said) = refused(&zone, &["--side-m", "200"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("zone.side_m = 128") && said.contains("200") && said.contains("world"), "{said}");
    // What may differ from start to start does.
    zone.kill_and_restart(&["--players-max", "70", "--send", "news"]);
    zone.wait_number("/tick", 10);
}

#[test]
fn a_damaged_log_is_named_and_left_as_it_is() {
    let mut zone = Zone::start();
    zone.wait_number("/tick", 60);
    zone.signal("KILL");
    wait_for("the zone is gone", END_MAX, || (!zone.is_running()).then_some(()));
    let newest = files(&zone.data_dir()).pop().unwrap();
    let file = fs::File::options().write(true).open(&newest).unwrap();
    file.write_all_at(b"rot", 4096 + 200).unwrap();
    let before = fs::read(&newest).unwrap();
    let (code, said) = refused(&zone, &[]);
    assert_eq!(code, Some(3), "{said}");
    let name = newest.file_name().unwrap().to_str().unwrap();
    assert!(said.contains("damaged") && said.contains(name) && said.contains("move it away"), "{said}");
    assert!(fs::read(&newest).unwrap() == before && files(&zone.data_dir()).pop() == Some(newest));
    let (code, verdict) = wal(&["verify"], &zone.data_dir());
    assert_eq!((code, &verdict["is_good"]), (1, &false.into()), "{verdict}");
}

#[test]
fn no_thread_of_the_tick_calls_anything_that_waits_for_a_disk() {
    if !may_trace() {
        return;
    }
    let zone = Zone::start_with(&["--histograms", "memory"]);
    let mut players = Travellers::thin([zone.target(Link::Quic), zone.target(Link::WebSocket)]);
    players.enter();
    let dir = tempfile::TempDir::new().unwrap();
    let trace = dir.path().join("trace");
    let pid = zone.pid();
    let names: BTreeMap<String, String> = threads(pid);
    let calls =
        "fsync,fdatasync,sync_file_range,pwrite64,pwritev,rename,renameat,unlink,openat,ftruncate,fallocate";
    let mut strace = running::Running::start(
        running::command("strace")
            .args(["-f", "-qq", "-e", &format!("trace={calls}"), "-p", &pid.to_string(), "-o"])
            .arg(&trace),
    );
    // Long enough for a checkpoint: the first one comes a second after the start, the next after thirty.
    players.play(Duration::from_secs(3));
    strace.signal("INT");
    strace.wait_end(END_MAX);
    let text = fs::read_to_string(&trace).unwrap();
    let mut by_thread: BTreeMap<String, u32> = BTreeMap::new();
    for line in text.lines() {
        let tid = line.split_whitespace().next().unwrap();
        *by_thread.entry(names.get(tid).cloned().unwrap_or_else(|| format!("unknown {tid}"))).or_default() +=
            1;
    }
    assert!(by_thread.get("log").is_some_and(|n| *n > 60), "nothing was traced: {by_thread:?}\n{text}");
    let others: Vec<&String> =
        by_thread.keys().filter(|name| *name != "log" && *name != "checkpoint").collect();
    assert!(others.is_empty(), "these wait for a disk: {others:?}\n{text}");
}

/// Whether one process may look into another one here: some containers forbid it.
fn may_trace() -> bool {
    let status = running::command("strace").args(["-o", "/dev/null", "true"]).status();
    let may = status.expect("scripts/test installs strace").success();
    if !may {
        eprintln!("strace may not trace here: what the log does when the disk fails is not tested");
    }
    may
}

/// Lets system calls of the log's thread fail or wait, as strace(1) has it: `fdatasync:error=EIO:when=1`.
fn inject(zone: &Zone, what: &str) -> running::Running {
    let tid = threads(zone.pid()).into_iter().find(|(_, name)| name == "log").expect("a log has a thread").0;
    let inject = format!("inject={what}");
    let mut strace = running::command("strace");
    strace.args(["-qq", "-e", "trace=fdatasync", "-e", &inject, "-p", &tid, "-o", "/dev/null"]);
    let strace = running::Running::start(&mut strace);
    let status = format!("/proc/{}/task/{tid}/status", zone.pid());
    wait_for("strace has the thread", END_MAX, || {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let tracer = text.lines().find_map(|line| line.strip_prefix("TracerPid:"));
        tracer.is_some_and(|pid| pid.trim() != "0").then_some(())
    });
    strace
}

#[test]
fn a_disk_that_does_not_answer_for_two_seconds_holds_back_promises_and_no_snapshot() {
    if !may_trace() {
        return;
    }
    let zone = Zone::start();
    let mut players = Travellers::thin([zone.target(Link::Quic), zone.target(Link::WebSocket)]);
    players.enter();
    players.play(Duration::from_millis(500));
    let begun = Instant::now();
    let _strace = inject(&zone, "fdatasync:delay_enter=2000000:when=1");
    zone.wait_number("/log/unsafe", 4);
    let asked = Instant::now();
    let newcomer = std::thread::scope(|scope| {
        let come = scope.spawn(|| {
            let mut newcomer = Travellers::thin([zone.target(Link::Quic)]);
            newcomer.enter();
            newcomer.diary().welcomes[0].at
        });
        players.play(Duration::from_millis(2_500));
        come.join().expect("it came in")
    });
    let waited = newcomer.duration_since(asked);
    assert!(waited > Duration::from_millis(900), "it was told after {waited:?} what the disk did not hold");
    // A machine with other tests on it; without them it is 50 ms and little more.
    let gap = players.diaries().iter().map(|diary| diary.longest_gap(begun)).max().expect("two play");
    assert!(gap < Duration::from_millis(400), "a gap of {gap:?}");
    assert!(players.diaries().iter().all(|diary| diary.lost.is_empty()));
    let left =
        wait_for("the log has caught up", END_MAX, || Some(zone.number("/log/unsafe")).filter(|n| *n < 4));
    assert!(left < 4 && zone.number("/log/waiting") == 0);
}

#[test]
fn a_sync_that_fails_once_goes_to_another_file_and_nothing_is_lost() {
    if !may_trace() {
        return;
    }
    let mut zone = Zone::start();
    let mut players = Travellers::thin([zone.target(Link::Quic)]);
    players.enter();
    wait_for("spare files", END_MAX, || (zone.number("/log/spares") == 2).then_some(()));
    let n_files = files(&zone.data_dir()).len();
    let strace = inject(&zone, "fdatasync:error=EIO:when=1");
    players.play(Duration::from_millis(500));
    drop(strace);
    let tick = zone.number("/tick");
    zone.wait_number("/tick", tick + 20);
    assert!(files(&zone.data_dir()).len() > n_files, "it went on in the file that failed");
    zone.signal("KILL");
    wait_for("the zone is gone", END_MAX, || (!zone.is_running()).then_some(()));
    let (code, verdict) = wal(&["verify", "--live"], &zone.data_dir());
    assert!(code == 0 && verdict["tick"].as_u64() >= Some(tick), "{verdict}");
}

#[test]
fn a_log_that_takes_nothing_ends_the_zone_and_the_next_one_goes_on() {
    if !may_trace() {
        return;
    }
    let mut zone = Zone::start();
    let mut players = Travellers::thin([zone.target(Link::Quic), zone.target(Link::WebSocket)]);
    players.enter();
    players.play(Duration::from_millis(500));
    let strace = inject(&zone, "fdatasync:error=EIO");
    let code = zone.wait_end(END_MAX).code();
    assert_eq!(code, Some(3), "{}", zone.log());
    assert!(zone.log().contains("the log cannot be written to"), "{}", zone.log());
    drop(strace);
    let again = Instant::now();
    zone.kill_and_restart(&[]);
    players.wait("both play again", |diaries| {
        diaries.iter().all(|diary| diary.ready.last().is_some_and(|at| *at > again))
    });
    assert!(players.diaries().iter().all(|diary| diary.welcomes.last().is_some_and(|last| last.resumed)));
}

/// Names of a process' threads by their ids.
fn threads(pid: u32) -> BTreeMap<String, String> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("a zone that runs");
    tasks
        .map(|task| task.unwrap().path())
        .map(|path| {
            let name = fs::read_to_string(path.join("comm")).unwrap_or_default();
            (path.file_name().unwrap().to_str().unwrap().to_owned(), name.trim().to_owned())
        })
        .collect()
}
