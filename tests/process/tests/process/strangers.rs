//! Those who do not get in: the reason is readable, and nobody else notices.

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

use netproto::{Refusal, WIRE_MAJOR};
use process_tests::at_once;
use process_tests::honest::Honest;
use process_tests::rogue::Rogue;
use process_tests::zone::Zone;
use transport::{CloseReason, Link};

#[test]
fn another_wire_major_is_turned_away_in_the_handshake() {
    let zone = Zone::start();
    let honest = Honest::enter(&zone, Link::Quic);
    for link in [Link::Quic, Link::WebSocket] {
        let mut target = zone.target(link);
        target.wire_major = WIRE_MAJOR + 1;
        let mut rogue = Rogue::dial(&target);
        assert_eq!(rogue.wait_closed(), CloseReason::WrongMajor, "{link:?}");
    }
    honest.leave_unharmed();
}

#[test]
fn a_zone_with_another_key_is_not_trusted() {
    let zone = Zone::start();
    let mut target = zone.target(Link::Quic);
    target.pin = Some([9; 32]);
    let mut rogue = Rogue::dial(&target);
    assert!(matches!(rogue.wait_closed(), CloseReason::WrongPin(_)), "{:?}", rogue.closed);
    assert!(!rogue.is_connected);
}

#[test]
fn another_epoch_is_refused_with_words_that_help() {
    let zone = Zone::start();
    let honest = Honest::enter(&zone, Link::WebSocket);
    for link in [Link::Quic, Link::WebSocket] {
        let mut old = Rogue::hello(&zone, link, |hello| hello.epochs[0].epoch -= 1);
        assert!(old.expect_refusal(Refusal::Epoch).contains("update the client"));
        let mut other = Rogue::hello(&zone, link, |hello| hello.epochs[0].fingerprint ^= 1);
        assert!(other.expect_refusal(Refusal::Epoch).contains("same number, other layout"));
    }
    zone.wait_number("/refused/Epoch", 4);
    honest.leave_unharmed();
}

#[test]
fn a_hello_that_is_none_and_a_ticket_that_nobody_gave_are_refused() {
    let zone = Zone::start();
    let mut rogue = Rogue::dial(&zone.target(Link::Quic));
    rogue.wait("the handshake", |rogue| rogue.is_connected);
    rogue.send_record(b"let me in");
    assert!(rogue.expect_refusal(Refusal::BadHello).contains("hello"));
    let mut forger = Rogue::hello(&zone, Link::WebSocket, |hello| hello.ticket = [1; 64]);
    assert!(forger.expect_refusal(Refusal::Ticket).contains("ticket"));
    zone.wait_number("/refused/BadHello", 1);
    zone.wait_number("/refused/Ticket", 1);
}

#[test]
fn a_full_zone_says_so() {
    let zone = Zone::start_with(&["--players-max", "1"]);
    let _first = Rogue::enter(&zone, Link::Quic);
    let mut second = Rogue::hello(&zone, Link::Quic, |_| ());
    assert!(second.expect_refusal(Refusal::Full).contains("1 players"));
}

#[test]
fn garbage_on_the_open_ports_is_counted_and_harms_nobody() {
    let mut zone = Zone::start();
    let honest = Honest::enter(&zone, Link::Quic);
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    for n in 0..400u32 {
        // A short header, a long header, and noise, of every length up to and beyond what QUIC sends.
        let length = (n * 37 % 1400) as usize;
        let bytes: Vec<u8> = (0..length).map(|at| (at as u32 * 31 + n * 17) as u8).collect();
        udp.send_to(&bytes, zone.listen).unwrap();
    }
    let mut tcp = TcpStream::connect(zone.listen).unwrap();
    tcp.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    tcp.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 this is no upgrade\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    // Closed, or reset: either way it does not stay.
    drop(tcp.read_to_end(&mut answer));
    zone.wait_number("/sockets/drops_unrouted", 100);
    zone.wait_number("/sockets/handshakes_failed", 1);
    assert!(zone.is_running());
    honest.leave_unharmed();
}

#[test]
fn a_stranger_who_says_nothing_is_not_kept() {
    let zone = Zone::start();
    at_once([Link::Quic, Link::WebSocket], |link| {
        Rogue::dial(&zone.target(link)).wait_closed();
    });
    zone.wait_number("/tick", 1);
    assert_eq!(zone.number("/players"), 0);
}
