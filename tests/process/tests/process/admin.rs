//! The admin page.

use process_tests::rogue::Rogue;
use process_tests::zone::{Zone, request};
use transport::Link;

#[test]
fn health_metrics_and_status_answer() {
    let zone = Zone::start();
    zone.wait_number("/tick", 3);
    let (code, body) = zone.get("/healthz");
    assert_eq!(code, 200, "{body}");
    assert!(body.starts_with("ok, last tick "), "{body}");
    let (code, page) = zone.get("/metrics");
    assert_eq!(code, 200);
    for family in
        ["arcane_tick_duration_seconds_count ", "arcane_entities{kind=\"creature\"} 30", "arcane_drops_total"]
    {
        assert!(page.contains(family), "{family} is missing in\n{page}");
    }
    assert_eq!(zone.get("/nothing").0, 404);
    assert!(zone.get("/").1.contains("/metrics"));
}

#[test]
fn players_are_counted_by_their_transport() {
    let zone = Zone::start();
    let _quic = Rogue::enter(&zone, Link::Quic);
    let _websocket = Rogue::enter(&zone, Link::WebSocket);
    zone.wait_number("/clients/quic", 1);
    zone.wait_number("/clients/websocket", 1);
    let page = zone.get("/metrics").1;
    assert!(page.contains("arcane_clients{transport=\"quic\"} 1"), "{page}");
    assert!(page.contains("arcane_handshakes_total{result=\"websocket\"} 1"), "{page}");
}

#[test]
fn a_window_begins_anew_and_the_total_goes_on() {
    let zone = Zone::start();
    zone.wait_number("/window/ticks", 20);
    assert_eq!(request(zone.admin, "POST", "/window").unwrap().0, 204);
    let status = zone.status();
    let ticks = |of: &str| status[of]["ticks"].as_u64().unwrap();
    assert!(ticks("window") < 20 && ticks("total") >= 20, "{status}");
}
