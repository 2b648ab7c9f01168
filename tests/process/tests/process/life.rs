//! What happens to a connection in its life, alike on both transports: it is cut, moves to other addresses, falls
//! silent, is slow. The player stays the same one, and has one body.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use badnet::Relay;
use process_tests::rogue::Rogue;
use process_tests::traveller::{Diary, Travellers};
use process_tests::zone::Zone;
use process_tests::{at_once, attempt};
use transport::Link;
use transport::client::Target;

const LINKS: [Link; 2] = [Link::Quic, Link::WebSocket];
const SECOND: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(50);

/// A player behind a relay, playing.
fn behind_a_relay(zone: &Zone, link: Link) -> (Relay, Travellers) {
    let relay = zone.relay();
    let mut player = Travellers::to([Target { addr: relay.addr(), ..zone.target(link) }]);
    player.enter();
    (relay, player)
}

/// The same player in the same body, each time it came in, and nobody else in the zone.
fn check_one_body(zone: &Zone, diary: &Diary) {
    let first = &diary.welcomes[0];
    assert!(!first.resumed);
    for welcome in &diary.welcomes[1..] {
        assert!(welcome.resumed, "{:?}", diary.welcomes);
        assert_eq!((welcome.durable, welcome.entity), (first.durable, first.entity));
    }
    zone.wait_number("/attached", 1);
    assert_eq!((zone.number("/players"), zone.number("/attached")), (1, 1), "one player, one body");
}

/// Clocks of both sides agree on the tick: whoever has run away sees commands refused.
fn check_clock(zone: &Zone, player: &mut Travellers) {
    player.play(SECOND);
    let refused = zone.number("/total/commands_refused");
    let n_applied = player.diary().applied.len();
    player.play(2 * SECOND);
    let n_more = zone.number("/total/commands_refused") - refused;
    assert!(n_more <= 4, "{n_more} commands came late in two seconds");
    assert!(player.diary().applied.len() - n_applied >= 20, "snapshots flow");
}

#[test]
fn after_a_cut_of_five_seconds_the_same_body_plays_within_a_second() {
    at_once(LINKS, |link| {
        let zone = Zone::start();
        let (relay, mut player) = behind_a_relay(&zone, link);
        player.play(SECOND);
        relay.cut();
        player.play(5 * SECOND);
        let (healed, n_applied) = (Instant::now(), player.diary().applied.len());
        assert_eq!(player.diary().lost.len().min(1), 1, "a second of silence is noticed");
        relay.heal();
        player.wait("playing again", |diaries| diaries[0].applied.len() > n_applied + 4);
        player.wait("being ready", |diaries| diaries[0].ready.last().is_some_and(|at| *at >= healed));
        let back = player.diary().ready.last().copied().unwrap().duration_since(healed);
        println!("{link:?}: plays {back:?} after a cut of 5 s");
        assert!(back <= 2 * SECOND, "back after {back:?} only; one second on a machine that is not busy");
        check_one_body(&zone, player.diary());
        check_clock(&zone, &mut player);
    });
}

#[test]
fn a_connection_that_comes_from_another_port_and_another_address_goes_on() {
    attempt(|| {
        let zone = Zone::start();
        let (relay, mut player) = behind_a_relay(&zone, Link::Quic);
        player.play(2 * SECOND);
        let mut longest = Duration::ZERO;
        // A router that forgot, another one, and another network; half the machine's loopback addresses would do.
        for last in [1, 1, 2, 3] {
            let moved = Instant::now();
            relay.rebind(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)));
            player.play(SECOND);
            longest = longest.max(player.diary().longest_gap(moved - 2 * TICK));
        }
        println!("longest gap when the address changed: {longest:?}");
        assert_eq!(
            (player.diary().lost.len(), player.diary().welcomes.len()),
            (0, 1),
            "{:?}",
            player.diary().closed
        );
        check_one_body(&zone, player.diary());
        // At most a tick until the player speaks from there, one until the zone asks for a proof, one until it has it.
        if longest > 4 * TICK { Err(format!("a gap of {longest:?}")) } else { Ok(()) }
    });
}

#[test]
fn whoever_sends_stolen_packets_first_gets_no_connection_and_no_snapshots() {
    let zone = Zone::start();
    let (relay, mut player) = behind_a_relay(&zone, Link::Quic);
    player.play(SECOND);
    relay.steal_every(5);
    player.play(3 * SECOND);
    relay.steal_every(0);
    player.play(SECOND);
    let loot = relay.loot();
    println!("{loot:?}, longest gap {:?}", player.diary().longest_gap(player.diary().ready[0]));
    assert!(loot.sent >= 5, "{loot:?}");
    // Each stolen packet is worth one question whether somebody is there, and no snapshot.
    assert!(loot.received <= loot.sent, "{loot:?}");
    assert_eq!(
        (player.diary().lost.len(), player.diary().welcomes.len()),
        (0, 1),
        "{:?}",
        player.diary().closed
    );
    check_one_body(&zone, player.diary());
    check_clock(&zone, &mut player);
}

#[test]
fn who_plays_at_ten_frames_a_second_plays_as_well_as_others() {
    at_once(LINKS, |link| {
        attempt(|| {
            let zone = Zone::start();
            let (_relay, mut player) = behind_a_relay(&zone, link);
            player.frame = 2 * TICK;
            // Until the clock has learnt how late this player is.
            player.play(4 * SECOND);
            let (from, before) = (Instant::now(), zone.status());
            let count = |status: &serde_json::Value, name: &str| {
                status.pointer(name).and_then(serde_json::Value::as_u64).unwrap_or(0)
            };
            player.play(5 * SECOND);
            let after = zone.status();
            let n = |name| count(&after, name) - count(&before, name);
            let (n_received, n_refused) = (n("/total/commands_received"), n("/total/commands_refused"));
            let errors = player.diary().errors_mm(from);
            let n_wrong = errors.iter().filter(|error| **error > 0).count();
            println!("{link:?}: {n_refused} of {n_received} refused, {n_wrong} of {} wrong", errors.len());
            assert_eq!(player.diary().lost.len(), 0);
            if n_received < 80 || n_refused > 2 || errors.len() < 80 || n_wrong > 2 {
                return Err(format!("{link:?}: {n_refused} of {n_received} refused, errors {errors:?}"));
            }
            Ok(())
        });
    });
}

#[test]
fn a_zone_that_falls_silent_is_noticed_after_a_second_and_found_again() {
    at_once(LINKS, |link| {
        let zone = Zone::start();
        let mut player = Travellers::to([zone.target(link)]);
        player.enter();
        player.play(SECOND);
        zone.signal("STOP");
        let (stopped, n_lost) = (Instant::now(), player.diary().lost.len());
        player.wait("the loss", |diaries| diaries[0].lost.len() > n_lost);
        let noticed = player.diary().lost.last().unwrap().duration_since(stopped);
        player.play(SECOND);
        zone.signal("CONT");
        let woken = Instant::now();
        player.wait("playing again", |diaries| diaries[0].ready.last().is_some_and(|at| *at >= woken));
        println!("{link:?}: noticed after {noticed:?}, back after {:?}", woken.elapsed());
        assert!(noticed >= SECOND - 2 * TICK, "nobody gives up before: {noticed:?}");
        assert!(noticed <= 3 * SECOND, "{noticed:?}");
        check_one_body(&zone, player.diary());
    });
}

#[test]
fn a_silent_player_is_let_go_after_ten_seconds_and_its_body_waits_for_it() {
    let zone = Zone::start();
    let mut silent: Vec<Rogue> = LINKS.iter().map(|link| Rogue::enter(&zone, *link)).collect();
    for rogue in &mut silent {
        let packet = rogue.packet(3);
        rogue.send_datagram(&process_tests::rogue::encode(&packet));
    }
    let before: Vec<_> = silent.iter().map(|rogue| rogue.welcome().unwrap().clone()).collect();
    zone.wait_number("/attached", 2);
    let since = Instant::now();
    process_tests::wait_for("both connections ended", Duration::from_secs(60), || {
        (zone.number("/attached") == 0).then_some(())
    });
    assert!(since.elapsed() >= 8 * SECOND, "let go after {:?} already", since.elapsed());
    assert_eq!(zone.number("/players"), 2, "their bodies wait");
    // Each comes back on the other transport.
    for (link, before) in LINKS.iter().rev().zip(&before) {
        let token: [u8; 32] = before.resume_token.as_slice().try_into().unwrap();
        let mut back = Rogue::hello(&zone, *link, |hello| hello.resume_token = token);
        back.wait("the welcome", |rogue| rogue.welcome().is_some());
        let after = back.welcome().unwrap();
        assert!(after.resumed);
        assert_eq!((after.durable_low, after.entity), (before.durable_low, before.entity));
    }
    assert_eq!(zone.number("/players"), 2);
}
