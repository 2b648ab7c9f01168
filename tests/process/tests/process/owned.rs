//! What players own, in a real zone that is killed again and again while bots pick up, give, trade and capture.
//!
//! What bots were told is compared with what the log holds, and what the log holds is added up here by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use netproto::Refusal;
use process_tests::running::{self, Running};
use process_tests::traveller::Travellers;
use process_tests::zone::{self, Zone};
use process_tests::{binary, wait_for};
use serde_json::Value;
use transport::Link;

const END_MAX: Duration = Duration::from_secs(30);
const BOTS: usize = 16;
/// Kills of the short form. `KILLS` says how many otherwise.
const KILLS: u64 = 50;
/// Everybody meets everybody.
const FLAGS: [&str; 6] = ["--creatures", "60", "--side-m", "64", "--spawn-radius-m", "8"];
/// Orders that change nothing by themselves.
const TALK: [&str; 2] = ["offer", "decline"];

fn arcanectl(words: &[&str], dir: &Path) -> Output {
    let mut command = Command::new(binary::path("arcanectl"));
    command.args(words).arg(dir).output().expect("arcanectl starts")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| panic!("no number: {value}"))
}

/// What the effects of a log add up to.
#[derive(Default)]
struct Book {
    /// The last record that was read.
    lsn: u64,
    n_effects: BTreeMap<String, u32>,
    done: BTreeSet<(String, i64)>,
    /// Of whom, which thing: how many.
    purses: BTreeMap<(String, i64), i64>,
    drops: BTreeMap<String, (i64, i64)>,
    /// Whose each captured creature is.
    beasts: BTreeMap<String, String>,
    /// Every id that ever was.
    ids: BTreeSet<String>,
}

impl Book {
    /// Reads on in the log of a zone that is not running.
    fn read(&mut self, dir: &Path) {
        let from = (self.lsn + 1).to_string();
        let output = arcanectl(&["wal", "dump", "--json", "--from", &from], dir);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            let record: Value = serde_json::from_str(line).unwrap();
            let lsn = record["lsn"].as_u64().unwrap();
            assert_eq!(lsn, self.lsn + 1, "a record is missing");
            self.lsn = lsn;
            for effect in record["details"]["effects"].as_array().into_iter().flatten() {
                self.take(effect);
            }
        }
    }

    fn take(&mut self, effect: &Value) {
        let name = text(&effect["effect"]);
        *self.n_effects.entry(name.clone()).or_default() += 1;
        let drop = &effect["drop"];
        let (thing, count) = (&drop["thing"], &drop["count"]);
        if let Some(request) = effect["request"].as_i64() {
            assert!(self.done.insert((text(&effect["player"]), request)), "followed twice: {effect}");
        }
        let player = || text(&effect["player"]);
        match name.as_str() {
            "left" | "put-down" => {
                if name == "put-down" {
                    self.moves(player(), number(thing), -number(count));
                }
                let id = text(&drop["id"]);
                assert!(self.ids.insert(id.clone()), "made twice: {effect}");
                self.drops.insert(id, (number(thing), number(count)));
            }
            "picked-up" | "decayed" => {
                let lying = self.drops.remove(&text(&drop["id"]));
                assert_eq!(lying, Some((number(thing), number(count))), "it did not lie there: {effect}");
                if name == "picked-up" {
                    self.moves(player(), number(thing), number(count));
                }
            }
            "given" => {
                let (thing, count) = (number(&effect["thing"]), number(&effect["count"]));
                self.moves(player(), thing, -count);
                self.moves(text(&effect["to"]), thing, count);
            }
            "traded" => {
                let other = text(&effect["other"]);
                for (side, way) in [("given", 1), ("wanted", -1)] {
                    for goods in effect[side].as_array().unwrap() {
                        let (thing, count) = (number(&goods[0]), number(&goods[1]));
                        self.moves(player(), thing, way * count);
                        self.moves(other.clone(), thing, -way * count);
                    }
                }
            }
            "captured" => {
                let id = text(&effect["beast"]);
                assert!(self.ids.insert(id.clone()), "captured twice: {effect}");
                self.beasts.insert(id, player());
            }
            "granted" | "taken" => panic!("nobody ordered it: {effect}"),
            "set-free" => {
                assert_eq!(self.beasts.remove(&text(&effect["beast"])), Some(player()), "{effect}");
            }
            other => panic!("what is {other}?"),
        }
    }

    fn moves(&mut self, player: String, thing: i64, count: i64) {
        let held = self.purses.entry((player, thing)).or_default();
        *held += count;
        assert!(*held >= 0, "somebody gave what was not there");
        self.purses.retain(|_, held| *held > 0);
    }

    /// The same as the zone's own state says, when all of its log was read.
    fn check(&self, dir: &Path) {
        let output = arcanectl(&["economy", "audit", "--players", "--json"], dir);
        let audit: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(output.status.success() && audit["is_good"] == true, "{audit}");
        let (mut purses, mut beasts) = (BTreeMap::new(), BTreeMap::new());
        for owner in audit["players"].as_array().unwrap() {
            let player = text(&owner["player"]);
            let gold = Some((0, number(&owner["gold"])));
            let things = owner["things"].as_array().unwrap().iter();
            let things = things.map(|goods| (number(&goods[0]), number(&goods[1])));
            for (thing, count) in things.chain(gold).filter(|(_, count)| *count > 0) {
                purses.insert((player.clone(), thing), count);
            }
            for beast in owner["beasts"].as_array().unwrap() {
                beasts.insert(text(&beast[0]), player.clone());
            }
        }
        assert_eq!((&purses, &beasts), (&self.purses, &self.beasts));
        assert_eq!(audit["drops"], self.drops.len() as u64);
        let in_two: Vec<_> = self.drops.keys().filter(|id| self.beasts.contains_key(*id)).collect();
        assert!(in_two.is_empty(), "{in_two:?}");
    }
}

/// Bots that play until they are told to stop, and write down what they are told.
fn bots(zone: &Zone, log: &Path) -> Running {
    let mut command = running::command(binary::path("arcanectl"));
    command.args(["bots", "--to", &zone.listen.to_string(), "--n", &BOTS.to_string()]);
    command.args(["--transport", "mixed", "--seconds-to-connect", "1", "--patience", "600s", "--json"]);
    command.arg("--orders-log").arg(log).stdin(Stdio::null());
    command.stdout(File::create(log.with_extension("report")).unwrap());
    command.stderr(File::create(log.with_extension("said")).unwrap());
    Running::start(&mut command)
}

/// Every order that bots were told is done, but for mere talk.
fn told(log: &Path) -> BTreeSet<(String, i64)> {
    let text = fs::read_to_string(log).unwrap();
    let words = text.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let done = words.filter(|words| words[2] == "Done" && !TALK.contains(&words[3]));
    done.map(|words| (words[0].to_owned(), words[1].parse().unwrap())).collect()
}

fn kill(zone: &mut Zone) {
    zone.signal("KILL");
    wait_for("the zone is gone", END_MAX, || (!zone.is_running()).then_some(()));
}

#[test]
fn what_bots_were_told_they_own_survives_every_kill_and_nothing_is_there_twice() {
    let n_kills = std::env::var("KILLS").ok().map_or(KILLS, |n| n.parse().expect("KILLS is a number"));
    let mut zone = Zone::start_with(&FLAGS);
    let dir = tempfile::TempDir::new().unwrap();
    let log = dir.path().join("orders");
    let mut bots = bots(&zone, &log);
    zone.wait_number("/players", BOTS as u64);
    let mut book = Book::default();
    for n in 0..n_kills {
        std::thread::sleep(Duration::from_millis(700 + 190 * (n % 7)));
        kill(&mut zone);
        book.read(&zone.data_dir());
        zone.kill_and_restart(&FLAGS);
    }
    zone.wait_number("/tick", 1);
    std::thread::sleep(Duration::from_secs(2));
    bots.signal("TERM");
    let ended = bots.wait_end(END_MAX);
    let said = fs::read_to_string(log.with_extension("said")).unwrap();
    assert!(ended.code().is_some(), "{said}");
    kill(&mut zone);
    book.read(&zone.data_dir());
    let told = told(&log);
    let lost: Vec<_> = told.difference(&book.done).collect();
    assert!(lost.is_empty(), "{} of {} acknowledged effects were lost: {lost:?}", lost.len(), told.len());
    book.check(&zone.data_dir());
    println!("{} told of {} done, {:?}", told.len(), book.done.len(), book.n_effects);
    for kind in ["left", "picked-up", "put-down", "given", "traded", "captured"] {
        assert!(book.n_effects.contains_key(kind), "nothing was {kind}: {:?}", book.n_effects);
    }
    assert!(told.len() as u64 > n_kills, "only {} orders were answered", told.len());
}

#[test]
fn on_a_full_disk_nothing_changes_hands_and_room_starts_the_market_again() {
    if !zone::may_mount() {
        eprintln!("this user may not mount: what a zone does on a full disk is not tested");
        return;
    }
    // A file of the log has 16 MB, and as much is left for checkpoints: there is room for the first, and not for another.
    let zone = Zone::start_on_disk_of(36 << 20, &FLAGS);
    let dir = tempfile::TempDir::new().unwrap();
    let log = dir.path().join("orders");
    let mut bots = bots(&zone, &log);
    zone.wait_number("/players", BOTS as u64);
    let is_read_only = || zone.status()["economy"]["read_only"] == true;
    wait_for("a market that is closed", END_MAX, || is_read_only().then_some(()));
    assert_eq!(zone.status()["log"]["health"], "full");
    // Bots that want something are told no at once, and the world goes on.
    zone.wait_number("/economy/orders", 3);
    let (tick, before) = (zone.number("/tick"), Instant::now());
    zone.wait_number("/tick", tick + 40);
    assert!(before.elapsed() < Duration::from_secs(4), "{:?} for 40 ticks", before.elapsed());
    assert_eq!(zone.number("/economy/effects"), 0);
    zone.resize_disk(200 << 20);
    wait_for("a market that is open", END_MAX, || (!is_read_only()).then_some(()));
    zone.wait_number("/economy/effects", 5);
    assert_eq!(zone.status()["log"]["health"], "well");
    bots.signal("TERM");
    bots.wait_end(END_MAX);
    let report = fs::read_to_string(log.with_extension("report")).unwrap();
    let report: Value = serde_json::from_str(report.lines().last().unwrap()).unwrap();
    let orders = &report["orders"];
    assert!(number(&orders["read_only"]) > 0 && number(&orders["done"]) > 0, "{orders}");
}

/// `arcanectl admin`: exit code, and what it printed.
fn admin(zone: &Zone, words: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(binary::path("arcanectl"));
    command.args(["admin", "--admin", &zone.admin.to_string(), "--data-dir"]).arg(zone.data_dir());
    let Output { status, stdout, stderr } = command.args(words).output().expect("arcanectl starts");
    (status.code(), [stdout, stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat())
}

#[test]
fn what_an_operator_gives_survives_and_the_log_says_why() {
    let mut zone = Zone::start();
    let mut players = Travellers::thin([zone.target(Link::Quic)]);
    players.enter();
    let (low, high) = players.diary().welcomes[0].durable;
    let anna = format!("{high:08x}{low:08x}");
    let (code, said) = admin(&zone, &["give", &anna, "Gold", "70", "--reason", "for the flood"]);
    assert!(code == Some(0) && said.contains("decree 1"), "{said}");
    kill(&mut zone);
    zone.kill_and_restart(&[]);
    let (code, said) = admin(&zone, &["take", &anna, "0", "71", "--reason", "too much"]);
    assert!(code == Some(1) && said.contains("has not so many"), "{said}");
    let (code, said) = admin(&zone, &["take", &anna, "Gold", "20", "--reason", "a mistake"]);
    assert!(code == Some(0) && said.contains("decree 2"), "{said}");
    for (words, says) in [
        (["give", &anna, "Silk", "1", "--reason", "x"], "there is no thing"),
        (["give", "0000000000000009", "Hide", "1", "--reason", "x"], "no such player"),
        (["give", "anna", "Hide", "1", "--reason", "x"], "16 hex digits"),
        (["give", &anna, "Hide", "1", "--reason", " "], "say why"),
    ] {
        let (code, said) = admin(&zone, &words);
        assert!(code == Some(1) && said.contains(says), "{words:?}: {said}");
    }
    let (code, said) = admin(&zone, &["give", &anna, "Hide", "0", "--reason", "x"]);
    assert_eq!(code, Some(2), "{said}");
    kill(&mut zone);
    let audit = arcanectl(&["economy", "audit", "--players", "--json"], &zone.data_dir());
    let audit: Value = serde_json::from_slice(&audit.stdout).unwrap();
    assert_eq!((&audit["is_good"], &audit["things"][0]["ended"]), (&true.into(), &20.into()), "{audit}");
    assert_eq!((&audit["players"][0]["player"], &audit["players"][0]["gold"]), (&anna.into(), &50.into()));
    let dump = arcanectl(&["wal", "dump", "--events"], &zone.data_dir());
    let dump = String::from_utf8(dump.stdout).unwrap();
    for word in ["for the flood", "a mistake", "granted:1", "taken:1"] {
        assert!(dump.contains(word), "the log does not say {word}: {dump}");
    }
}

#[test]
fn an_operator_ends_a_connection_and_tells_everybody() {
    let zone = Zone::start();
    let mut players = Travellers::thin([zone.target(Link::Quic), zone.target(Link::WebSocket)]);
    players.enter();
    let ids = players.diaries().iter().map(|diary| diary.welcomes[0].durable);
    let ids: Vec<String> = ids.map(|(low, high)| format!("{high:08x}{low:08x}")).collect();
    assert_eq!(admin(&zone, &["say", "the gates close at dusk"]).0, Some(0));
    let (code, said) = admin(&zone, &["kick", &ids[0], "--reason", "too loud"]);
    assert_eq!(code, Some(0), "{said}");
    players.play(Duration::from_millis(500));
    assert_eq!(players.diaries()[0].refused, [Refusal::Kicked]);
    assert!(players.diaries()[1].refused.is_empty() && players.diaries()[1].lost.is_empty());
    let (code, said) = admin(&zone, &["kick", &ids[0], "--reason", "again"]);
    assert!(code == Some(1) && said.contains("no such player"), "{said}");
    let elsewhere = arcanectl(&["admin", "say", "x", "--data-dir"], Path::new("/nowhere"));
    let said = String::from_utf8(elsewhere.stderr).unwrap();
    assert!(elsewhere.status.code() == Some(3) && said.contains("--data-dir"), "{said}");
}
