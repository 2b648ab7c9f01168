//! The admin page as programs see it: what answers, who may ask, what it tells.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use process_tests::rogue::Rogue;
use process_tests::wait_for;
use process_tests::zone::{Zone, request};
use serde_json::Value;
use transport::Link;

/// A page that is JSON.
fn json(zone: &Zone, path: &str) -> Value {
    let (code, body) = zone.get(path);
    assert_eq!(code, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn health_metrics_and_status_answer() {
    let zone = Zone::start();
    zone.wait_number("/tick", 3);
    let (code, body) = zone.get("/healthz");
    assert_eq!(code, 200, "{body}");
    assert!(body.starts_with("ok, last tick "), "{body}");
    let (code, page) = zone.get("/metrics");
    assert_eq!(code, 200);
    for family in [
        "arcane_tick_duration_seconds_count ",
        "arcane_entities{class=\"creature\"} 30",
        "arcane_drops_total{class=\"kernel\"}",
    ] {
        assert!(page.contains(family), "{family} is missing in\n{page}");
    }
    assert_eq!(zone.get("/nothing").0, 404);
    assert_eq!(zone.get("/page/../Cargo.toml").0, 404);
    assert_eq!(zone.get("/page/secret.js").0, 404);
    assert!(zone.get("/help").1.contains("/metrics"));
    assert!(zone.get("/").1.starts_with("<!doctype html>"));
}

#[test]
fn every_path_of_the_help_answers() {
    let zone = Zone::start();
    wait_for("a second of history", Duration::from_secs(60), || {
        let history = json(&zone, "/history.json");
        history["ended_ms"].as_array().is_some_and(|seconds| !seconds.is_empty()).then_some(())
    });
    let help = zone.get("/help").1;
    let paths: Vec<&str> = help
        .lines()
        .filter_map(|line| line.strip_prefix("GET ")?.split_whitespace().next())
        .filter(|path| !path.starts_with("/spectate"))
        .collect();
    assert!(paths.len() > 10, "{help}");
    for path in paths.iter().chain(&["/plot/percentiles.svg?since=total"]) {
        let (code, body) = match request(zone.admin, "GET", path, &[]) {
            // Not text, so not for this helper; that it is there is enough.
            Err(_) if *path == "/walls.bin" => continue,
            answer => answer.unwrap(),
        };
        assert!(code == 200 && !body.is_empty(), "{path}: {code} {body}");
        if path.ends_with(".json") {
            json(&zone, path);
        }
    }
    let history = json(&zone, "/history.json");
    let lengths: Vec<usize> =
        history.as_object().unwrap().values().map(|list| list.as_array().unwrap().len()).collect();
    assert!(lengths[0] >= 1 && lengths.iter().all(|n| *n == lengths[0]), "{lengths:?}");
}

#[test]
fn players_are_counted_by_their_transport() {
    let zone = Zone::start();
    let mut quic = Rogue::enter(&zone, Link::Quic);
    let _websocket = Rogue::enter(&zone, Link::WebSocket);
    zone.wait_number("/clients/quic", 1);
    zone.wait_number("/clients/websocket", 1);
    let page = zone.get("/metrics").1;
    assert!(page.contains("arcane_clients{transport=\"quic\"} 1"), "{page}");
    assert!(page.contains("arcane_handshakes_total{result=\"websocket\"} 1"), "{page}");
    assert!(page.contains("arcane_handshakes_begun_total 2"), "{page}");
    let clients = wait_for("a look at both connections", Duration::from_secs(30), || {
        quic.work(Duration::from_millis(100));
        let clients = json(&zone, "/clients.json");
        let is_known = |link: &str| clients[link]["clients"] == 1 && clients[link]["rtt_ms"]["p50"].is_f64();
        (is_known("quic") && is_known("websocket")).then_some(clients)
    });
    let rtt_ms = clients["quic"]["rtt_ms"]["p99"].as_f64().unwrap();
    assert!(rtt_ms > 0.0 && rtt_ms < 10_000.0, "{clients}");
    let bytes = wait_for("a frame taken apart", Duration::from_secs(30), || {
        quic.work(Duration::from_millis(100));
        Some(json(&zone, "/bytes.json")).filter(|bytes| bytes["snapshots_sampled"].as_u64() > Some(5))
    });
    let components = bytes["components"].as_array().unwrap();
    let sum: f64 = components.iter().map(|part| part["bytes"].as_f64().unwrap()).sum();
    assert!((sum - bytes["bytes_per_snapshot"].as_f64().unwrap()).abs() < 0.1, "{bytes}");
}

#[test]
fn a_window_begins_anew_and_the_total_goes_on() {
    let zone = Zone::start();
    zone.wait_number("/window/ticks", 20);
    assert_eq!(zone.post("/window").0, 204);
    let status = zone.status();
    let ticks = |of: &str| status[of]["ticks"].as_u64().unwrap();
    // Those before the window are in the total alone, however many came since.
    assert!(ticks("total") >= ticks("window") + 20, "{status}");
}

#[test]
fn changing_something_needs_the_token_and_any_look_a_loopback_name() {
    let zone = Zone::start();
    let ask = |method, path, headers: &[(&str, &str)]| request(zone.admin, method, path, headers).unwrap();
    let (code, text) = ask("POST", "/window", &[]);
    assert!(code == 401 && text.contains("admin.token"), "{code} {text}");
    let wrong = format!("Bearer {}", "0".repeat(64));
    assert_eq!(ask("POST", "/window", &[("authorization", &wrong)]).0, 401);
    for name in ["evil.example", "evil.example:8082", "127.0.0.1.evil.example"] {
        let (code, text) = ask("GET", "/status.json", &[("host", name)]);
        assert!(code == 421 && text.contains("localhost"), "{name}: {code} {text}");
        let token = format!("Bearer {}", zone.token());
        assert_eq!(ask("POST", "/window", &[("host", name), ("authorization", &token)]).0, 421);
    }
    assert_eq!(ask("GET", "/healthz", &[("host", "localhost:9")]).0, 200);
    assert!(!zone.log().contains(&zone.token()), "the token is in the log");
}

#[test]
fn a_question_that_makes_no_sense_is_answered_with_a_sentence() {
    let zone = Zone::start();
    for path in [
        "/spectate",
        "/spectate?x=1&y=2&w=3",
        "/spectate?x=1&y=2&w=a&h=1",
        "/plot/percentiles.svg?since=noon",
    ] {
        let (code, text) = zone.get(path);
        assert!(code == 400 && text.len() > 20 && text.ends_with('\n'), "{path}: {code} {text}");
    }
}

#[test]
fn connections_that_ask_nothing_are_closed_and_make_room_for_others() {
    let zone = Zone::start();
    let silent: Vec<TcpStream> = (0..64).map(|_| TcpStream::connect(zone.admin).unwrap()).collect();
    let begun = Instant::now();
    // No more than 64 at once, so this one waits for one of the others to be closed.
    let answer =
        wait_for("an answer", Duration::from_secs(60), || request(zone.admin, "GET", "/healthz", &[]).ok());
    assert_eq!(answer.0, 200, "{answer:?}");
    assert!(begun.elapsed() > Duration::from_secs(5), "answered after {:?}", begun.elapsed());
    let mut first = &silent[0];
    first.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    assert_eq!(first.read(&mut [0]).unwrap_or(0), 0, "a silent connection is told something");
}

/// Begins to look; what comes is read line by line.
fn spectate(zone: &Zone, rectangle: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(zone.admin).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    write!(stream, "GET /spectate?{rectangle} HTTP/1.1\r\nhost: {}\r\n\r\n", zone.admin).unwrap();
    BufReader::new(stream)
}

/// The next picture.
fn picture(stream: &mut BufReader<TcpStream>) -> Value {
    let mut line = String::new();
    loop {
        line.clear();
        assert!(stream.read_line(&mut line).unwrap() > 0, "the stream has ended");
        if let Some(json) = line.strip_prefix("data: ") {
            return serde_json::from_str(json).unwrap();
        }
    }
}

#[test]
fn a_spectator_sees_everybody_in_its_rectangle_five_times_a_second_at_most() {
    let zone = Zone::start();
    let _player = Rogue::enter(&zone, Link::Quic);
    let begun = Instant::now();
    let mut stream = spectate(&zone, "x=-10&y=-10&w=500&h=500");
    let first = picture(&mut stream);
    assert_eq!(first["left_out"], 0);
    let dots = first["dots"].as_array().unwrap();
    assert!(dots.len() >= 25 && dots.iter().any(|dot| dot[3] == 0), "{first}");
    let last = (0..10).map(|_| picture(&mut stream)).last().unwrap();
    assert!(begun.elapsed() > Duration::from_millis(1_800), "eleven pictures in {:?}", begun.elapsed());
    let ticks = last["tick"].as_u64().unwrap() - first["tick"].as_u64().unwrap();
    assert!(ticks >= 20, "{ticks} ticks for ten pictures");
    assert_eq!(zone.number("/spectators"), 1);
    assert!(zone.number("/pictures/n") >= 10 && zone.number("/pictures/max_ns") > 0);
    drop(stream);
    wait_for("the seat to be free", Duration::from_secs(30), || {
        (zone.number("/spectators") == 0).then_some(())
    });
}

#[test]
fn the_ninth_spectator_is_told_that_all_seats_are_taken() {
    let zone = Zone::start();
    let mut streams: Vec<_> = (0..8).map(|_| spectate(&zone, "x=0&y=0&w=100&h=100")).collect();
    streams.iter_mut().for_each(|stream| drop(picture(stream)));
    let (code, text) = zone.get("/spectate?x=0&y=0&w=100&h=100");
    assert!(code == 503 && text.contains("8 spectators"), "{code} {text}");
}

#[test]
fn the_map_counts_everybody_per_tile_once_a_second() {
    let zone = Zone::start();
    let _player = Rogue::enter(&zone, Link::Quic);
    let map = wait_for("the player on the map", Duration::from_secs(30), || {
        let map = json(&zone, "/map.json");
        let players: u64 = map["players"].as_array()?.iter().filter_map(Value::as_u64).sum();
        (players == 1).then_some(map)
    });
    let sum = |name: &str| map[name].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).sum::<u64>();
    assert_eq!((map["side_m"].as_f64(), map["tiles_per_side"].as_u64()), (Some(128.0), Some(2)));
    assert_eq!(sum("creatures"), 30);
    let in_cells: u64 = map["cells"].as_array().unwrap().iter().map(|cell| cell[4].as_u64().unwrap()).sum();
    assert_eq!(in_cells, 31);
}
