//! Panics, planted: whose doing it was goes, or the zone does; everybody else plays on, or comes back.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use netproto::{Goodbye, Refusal};
use process_tests::herd::Herd;
use process_tests::honest::Honest;
use process_tests::rogue::Rogue;
use process_tests::running::{self, Running};
use process_tests::zone::{self, Zone};
use process_tests::{LOOK_EVERY, attempt, binary, wait_for};
use serde_json::Value;
use tempfile::TempDir;
use transport::Link;

const END_MAX: Duration = Duration::from_secs(60);
/// What a zone ends with when a tick panicked: EX_SOFTWARE.
const PANICKED: i32 = 70;

/// Plants a panic and waits until it has happened.
fn plant(file: &Path, what: &str, meanwhile: impl FnOnce()) {
    let beside = file.with_extension("new");
    fs::write(&beside, what).unwrap();
    fs::rename(&beside, file).unwrap();
    meanwhile();
    wait_for("the planted panic", END_MAX, || (!file.exists()).then_some(()));
}

#[test]
fn who_sends_bytes_that_panic_is_closed_and_logged_and_the_others_miss_no_tick() {
    attempt(|| {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("panic");
        let mut zone = Zone::start_panicking(&file, &[]);
        let others = [Link::Quic, Link::WebSocket].map(|link| Honest::enter(&zone, link));
        let mut rogue = Rogue::enter(&zone, Link::Quic);
        let mut record = Vec::new();
        Goodbye.encode(&mut record);
        plant(&file, "bytes", || rogue.send_record(&record));
        assert!(rogue.expect_refusal(Refusal::ServerError).contains("logged"));
        zone.wait_number("/refused/panics", 1);
        let hex: String = record.iter().map(|byte| format!("{byte:02x}")).collect();
        let (log, line) = (zone.log(), format!("record of {} bytes: {hex}", record.len()));
        assert!(log.contains(&line), "{line:?} is not in the log:\n{log}");
        for other in others {
            other.leave_without_gap()?;
        }
        assert!(zone.is_running());
        Ok(())
    });
}

#[test]
fn a_client_whose_snapshot_panics_is_closed_and_comes_back_and_the_others_miss_no_tick() {
    attempt(|| {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("panic");
        let zone = Zone::start_panicking(&file, &[]);
        let others = [Link::Quic, Link::WebSocket].map(|link| Honest::enter(&zone, link));
        let mut victim = Rogue::enter(&zone, Link::WebSocket);
        let welcome = victim.welcome().unwrap().clone();
        plant(&file, &format!("client {}", welcome.durable_low), || ());
        assert!(victim.expect_refusal(Refusal::ServerError).contains("snapshot"));
        zone.wait_number("/refused/panics_client", 1);
        let player = format!("{:08x}{:08x}", welcome.durable_high, welcome.durable_low);
        assert!(zone.log().contains(&player), "{player} is not in the log:\n{}", zone.log());
        let mut back = Rogue::hello(&zone, Link::Quic, |hello| {
            hello.resume_token = welcome.resume_token[..].try_into().expect("a token has its length");
        });
        back.wait("a snapshot after it", |back| !back.snapshots.is_empty() && back.welcome().is_some());
        let again = back.welcome().unwrap();
        assert!(again.resumed && again.entity == welcome.entity, "it is not the body of before");
        for other in others {
            other.leave_without_gap()?;
        }
        Ok(())
    });
}

/// Runs `arcanectl replay`; gives its exit code and the object on the last line.
fn replay(args: &[&Path]) -> (i32, Value) {
    let output =
        Command::new(binary::path("arcanectl")).args(["replay", "--json"]).args(args).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let json = text.lines().last().and_then(|line| serde_json::from_str(line).ok());
    let json =
        json.unwrap_or_else(|| panic!("no verdict: {text}{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code().expect("nobody killed it"), json)
}

fn only_file(dir: &Path) -> PathBuf {
    let files: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

#[test]
fn a_tick_that_panics_ends_the_zone_and_leaves_a_whole_recording_and_its_last_inputs() {
    let dir = TempDir::new().unwrap();
    let (file, recording) = (dir.path().join("panic"), dir.path().join("day.rec"));
    let mut zone = Zone::start_panicking(&file, &["--record", recording.to_str().unwrap()]);
    let _herd = Herd::enter(&zone, 6);
    zone.wait_number("/attached", 6);
    let tick = zone.number("/tick");
    zone.wait_number("/tick", tick + 80);
    plant(&file, "step 3b.", || ());
    assert_eq!(zone.wait_end(END_MAX).code(), Some(PANICKED), "{}", zone.log());
    let log = zone.log();
    assert!(log.contains("a tick panicked: the zone ends") && log.contains("phase 3b"), "{log}");
    let dump = only_file(&zone.data_dir().join("crash"));
    let (code, shown) = replay(&[&dump]);
    assert_eq!((code, &shown["verdict"], &shown["phase"]), (0, &"dump".into(), &"3b".into()), "{shown}");
    assert_eq!(shown["message"], "planted in stage 3b");
    let ticks = shown["ticks"].as_array().unwrap();
    let last = shown["tick"].as_u64().unwrap();
    assert_eq!((ticks.len(), &ticks[63]["tick"]), (64, &last.into()));
    let n_packets: u64 = ticks.iter().map(|tick| tick["packets"].as_u64().unwrap()).sum();
    assert!(n_packets > 100, "{n_packets} packets of 6 bots in 64 ticks");
    let (code, whole) = replay(&[&recording]);
    assert_eq!((code, &whole["verdict"], &whole["tail"]), (0, &"same".into(), &"whole".into()), "{whole}");
    assert_eq!(whole["ticks"], last - 1, "the recording ends with the tick before");
    // Nothing is planted in arcanectl, so it lives the tick and says that it does.
    let (code, lived) = replay(&[&recording, Path::new("--crash"), &dump]);
    assert_eq!((code, &lived["verdict"], &lived["ticks"]), (0, &"survives".into(), &last.into()), "{lived}");
    let skipped = last.to_string();
    let (code, lived) =
        replay(&[&recording, Path::new("--crash"), &dump, Path::new("--skip-tick"), Path::new(&skipped)]);
    assert_eq!((code, &lived["verdict"]), (0, &"survives".into()), "{lived}");
}

/// A local realm of `up`, whose zone panics where a file says.
struct Realm {
    dir: TempDir,
    up: Running,
    n_bots: u32,
}

impl Realm {
    fn start(n_bots: u32, planted: Option<&str>) -> Self {
        let dir = TempDir::new().unwrap();
        let log = fs::File::create(dir.path().join("log")).unwrap();
        if let Some(what) = planted {
            fs::write(dir.path().join("panic"), what).unwrap();
        }
        let mut command = running::command(binary::planted());
        assert!(binary::path("arcanectl").exists(), "up looks for it beside itself");
        command.args(["up", "--port", "0", "--side-m", "128", "--creatures", "30", "--spawn-radius-m", "20"]);
        command.args(["--bots", &n_bots.to_string(), "--data-dir"]).arg(dir.path().join("up"));
        command.env("PLANTED_PANIC", dir.path().join("panic"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        Self { up: Running::start(&mut command), dir, n_bots }
    }

    fn words(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    fn ready(&self) -> Option<Value> {
        serde_json::from_slice(&fs::read(self.dir.path().join("up/ready.json")).ok()?).ok()
    }

    /// What a zone noted when it was ready, once all bots are in it. Not the zone with this process id.
    fn playing(&self, not: u64) -> Option<Value> {
        let note = self.ready().filter(|note| note["pid"].as_u64() != Some(not))?;
        let admin = note["admin"].as_str()?.parse().ok()?;
        let (_, body) = zone::request(admin, "GET", "/status.json", &[]).ok()?;
        let status: Value = serde_json::from_str(&body).ok()?;
        (status["attached"] == self.n_bots).then_some(note)
    }

    fn wait_playing(&self, what: &str, not: u64) -> Value {
        let until = Instant::now() + END_MAX;
        loop {
            if let Some(note) = self.playing(not) {
                return note;
            }
            let (ready, words) = (self.ready(), self.words());
            assert!(Instant::now() < until, "{what} did not happen; ready: {ready:?}, log:\n{words}");
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Waits until the zone is up for the second time, and ends it all.
    fn end_after_one_crash(mut self) {
        assert!(self.words().contains("the zone crashed (exit status: 70)"), "{}", self.words());
        wait_for("the line that it is up", END_MAX, || {
            self.words().contains("the zone is up again").then_some(())
        });
        self.up.signal("INT");
        assert_eq!(
            self.up.wait_end(END_MAX).code(),
            Some(1),
            "a crash is not to end well:\n{}",
            self.words()
        );
        assert!(self.words().contains("crashed 1 times"), "{}", self.words());
    }
}

#[test]
fn up_starts_a_zone_that_panicked_again_and_its_bots_come_back() {
    let realm = Realm::start(6, None);
    let first = realm.wait_playing("the bots", 0);
    plant(&realm.dir.path().join("panic"), "step 5.", || ());
    let second = realm.wait_playing("the bots in a new zone", first["pid"].as_u64().unwrap());
    assert_eq!(
        (&second["listen"], &second["admin"]),
        (&first["listen"], &first["admin"]),
        "{}",
        realm.words()
    );
    realm.end_after_one_crash();
}

#[test]
fn up_starts_a_zone_again_that_dies_as_its_measuring_window_is_asked_for() {
    let realm = Realm::start(2, Some("window"));
    let file = realm.dir.path().join("panic");
    wait_for("the window", END_MAX, || (!file.exists()).then_some(()));
    wait_for("the new zone", END_MAX, || realm.words().contains("the zone is up again").then_some(()));
    realm.wait_playing("the bots in a new zone", 0);
    realm.end_after_one_crash();
}
