//! Coming back.

use std::time::Duration;

use netproto::Refusal;
use process_tests::at_once;
use process_tests::rogue::{Rogue, encode};
use process_tests::traveller::Travellers;
use process_tests::zone::Zone;
use transport::Link;
use transport::client::Target;

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

/// The token that a connection was given.
fn token_of(rogue: &Rogue) -> [u8; 32] {
    rogue.welcome().unwrap().resume_token.as_slice().try_into().unwrap()
}

/// A connection that shows a token, and its welcome is there.
fn back_with(zone: &Zone, link: Link, token: [u8; 32]) -> Rogue {
    let mut rogue = Rogue::hello(zone, link, |hello| hello.resume_token = token);
    rogue
        .wait("the welcome and a snapshot", |rogue| rogue.welcome().is_some() && !rogue.snapshots.is_empty());
    rogue
}

#[test]
fn a_token_in_hand_is_good_until_its_successor_is_used_and_then_never_again() {
    at_once([(Link::Quic, Link::WebSocket), (Link::WebSocket, Link::Quic)], |(link, other)| {
        let zone = Zone::start();
        let first = Rogue::enter(&zone, link);
        let (player, old) = (first.welcome().unwrap().durable_low, token_of(&first));
        // Two Welcomes are lost on the way: nobody has said a word over these connections.
        drop(back_with(&zone, other, old));
        drop(back_with(&zone, link, old));
        let mut back = back_with(&zone, other, old);
        assert_eq!((back.welcome().unwrap().durable_low, back.welcome().unwrap().resumed), (player, true));
        let packet = back.packet(3);
        back.send_datagram(&encode(&packet));
        back.work(Duration::from_millis(200));
        zone.wait_number("/total/commands_received", 1);
        let thief = back_with(&zone, link, old);
        assert!(!thief.welcome().unwrap().resumed, "a used token is worth nothing");
        assert_ne!(thief.welcome().unwrap().durable_low, player);
        let again = back_with(&zone, link, token_of(&back));
        assert_eq!((again.welcome().unwrap().durable_low, again.welcome().unwrap().resumed), (player, true));
        let log = zone.log();
        let shown: String = old.iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(!log.contains(&shown) && !log.contains(&format!("{:?}", &old[..8])), "tokens are not logged");
    });
}

/// Slots that take three snapshots to introduce: 24 fit into one.
const MANY: u32 = 56;

#[test]
fn who_comes_back_sees_everything_again_within_five_ticks() {
    at_once([Link::Quic, Link::WebSocket], |link| {
        let zone = Zone::start_with(&["--creatures", "900", "--spawn-radius-m", "5"]);
        let relay = zone.relay();
        let mut player = Travellers::to([Target { addr: relay.addr(), ..zone.target(link) }]);
        player.enter();
        player.play(Duration::from_secs(1));
        let seen = player.diary().applied.last().unwrap().n_slots;
        assert!(seen >= MANY, "{seen} to see");
        relay.cut();
        player.wait("the loss", |diaries| !diaries[0].lost.is_empty());
        relay.heal();
        player.wait("being back", |diaries| diaries[0].ready.len() > 1);
        player.play(Duration::from_millis(500));
        let diary = player.diary();
        let welcome = diary.welcomes.last().unwrap();
        assert!(welcome.resumed);
        let after =
            diary.applied.iter().filter(|applied| applied.at > welcome.at - Duration::from_millis(100));
        let whole = after.map(|applied| (applied.tick.wrapping_sub(welcome.tick), applied.n_slots));
        let whole: Vec<(u32, u32)> = whole.filter(|(ticks, _)| *ticks < 100).collect();
        let first = whole.iter().find(|(_, n_slots)| *n_slots >= MANY);
        println!("{link:?}: ticks behind the welcome and slots {whole:?}");
        assert!(first.is_some_and(|(ticks, _)| *ticks <= 5), "{link:?}: {whole:?}");
    });
}
