//! Coming back.

use netproto::Refusal;
use process_tests::rogue::Rogue;
use process_tests::zone::Zone;
use transport::Link;

#[test]
fn who_shows_the_token_is_the_same_player_on_either_transport() {
    let zone = Zone::start();
    let mut first = Rogue::enter(&zone, Link::Quic);
    let before = first.welcome().unwrap().clone();
    assert!(!before.resumed);
    let token: [u8; 32] = before.resume_token.as_slice().try_into().unwrap();
    let mut second = Rogue::hello(&zone, Link::WebSocket, |hello| hello.resume_token = token);
    second.wait("the welcome", |rogue| rogue.welcome().is_some());
    let after = second.welcome().unwrap();
    assert!(after.resumed);
    assert_eq!(
        (after.durable_low, after.durable_high, after.entity),
        (before.durable_low, before.durable_high, before.entity)
    );
    assert_ne!(after.resume_token, before.resume_token, "a token is rotated when it is used");
    first.expect_refusal(Refusal::ResumedElsewhere);
    zone.wait_number("/attached", 1);
    assert_eq!(zone.number("/players"), 1, "one player, one body");
}

#[test]
fn an_invented_token_makes_a_new_player() {
    let zone = Zone::start();
    let first = Rogue::enter(&zone, Link::Quic);
    let mut second = Rogue::hello(&zone, Link::Quic, |hello| hello.resume_token = [7; 32]);
    second.wait("the welcome", |rogue| rogue.welcome().is_some());
    let (first, second) = (first.welcome().unwrap(), second.welcome().unwrap());
    assert!(!second.resumed && first.durable_low != second.durable_low);
}
