//! Players who misbehave after they were let in. Each costs a counted drop or its own connection, and another
//! player's snapshots go on as before.

use std::time::{Duration, Instant};

use netproto::input::InputPacket;
use netproto::{Goal, Move, Path, Refusal, version};
use process_tests::at_once;
use process_tests::honest::Honest;
use process_tests::rogue::{Rogue, encode};
use process_tests::zone::Zone;
use transport::Link;

const LINKS: [Link; 2] = [Link::Quic, Link::WebSocket];
const TICK: Duration = Duration::from_millis(50);

/// A zone with an honest player, and what an abuser does there, on either transport.
fn check(abuse: impl Fn(&Zone, Rogue) + Sync) {
    at_once(LINKS, |link| {
        let mut zone = Zone::start();
        let honest = Honest::enter(&zone, Link::Quic);
        let rogue = Rogue::enter(&zone, link);
        abuse(&zone, rogue);
        assert!(zone.is_running());
        assert!(!zone.log().contains("panicked"), "{}", zone.log());
        honest.leave_unharmed();
    });
}

/// Sends these datagrams until the zone closes the connection.
fn send_until_closed(rogue: &mut Rogue, bytes: &[u8]) {
    let until = Instant::now() + Duration::from_secs(60);
    while rogue.closed.is_none() {
        assert!(Instant::now() < until, "the zone does not mind");
        rogue.send_datagram(bytes);
        rogue.work(Duration::from_millis(5));
    }
}

#[test]
fn garbage_datagrams_are_counted_and_end_the_connection() {
    check(|zone, mut rogue| {
        for n in 0..5 {
            rogue.send_datagram(&[0xff; 7][..n + 2]);
        }
        zone.wait_number("/refused/datagrams_bad", 5);
        rogue.work(TICK);
        assert!(rogue.closed.is_none(), "a few are forgiven: {:?}", rogue.closed);
        send_until_closed(&mut rogue, &[0xff; 40]);
        rogue.expect_refusal(Refusal::BadInput);
        zone.wait_number("/refused/BadInput", 1);
    });
}

#[test]
fn truncated_and_out_of_range_inputs_are_counted_as_bad() {
    check(|zone, mut rogue| {
        let good = encode(&rogue.packet(2));
        for n in [1, 4, 6, good.len() - 1] {
            rogue.send_datagram(&good[..n]);
        }
        // Three bits behind the 32 of the acks count the commands: 7 is more than there are.
        let mut too_many = good.clone();
        too_many[4] |= 0b111;
        rogue.send_datagram(&too_many);
        // A whole packet and one byte more.
        rogue.send_datagram(&[good.as_slice(), &[0]].concat());
        assert_eq!(zone.wait_number("/refused/datagrams_bad", 6), 6);
        rogue.send_datagram(&good);
        rogue.work(2 * TICK);
        assert!(rogue.closed.is_none(), "{:?}", rogue.closed);
    });
}

#[test]
fn oversized_datagrams_are_dropped_at_the_socket() {
    check(|zone, mut rogue| {
        for _ in 0..5 {
            rogue.send_datagram(&[1; 300]);
        }
        zone.wait_number("/sockets/drops_oversized", 1);
    });
}

#[test]
fn commands_out_of_their_window_move_nothing_and_are_counted() {
    check(|zone, mut rogue| {
        let before = zone.number("/total/commands_refused");
        for ahead in [-40, 1_000, i32::MIN, i32::MAX] {
            let packet = rogue.packet(ahead);
            rogue.send_datagram(&encode(&packet));
            rogue.work(TICK);
        }
        zone.wait_number("/total/commands_refused", before + 4);
        assert!(rogue.closed.is_none(), "{:?}", rogue.closed);
    });
}

#[test]
fn a_repeated_command_counts_once() {
    check(|zone, mut rogue| {
        let before = zone.number("/total/commands_received");
        let packet = encode(&rogue.packet(4));
        for _ in 0..10 {
            rogue.send_datagram(&packet);
        }
        rogue.work(4 * TICK);
        let received = zone.number("/total/commands_received");
        // The honest player sends one per tick beside it.
        assert!(received - before < 40, "{} commands", received - before);
        assert!(rogue.closed.is_none(), "{:?}", rogue.closed);
    });
}

#[test]
fn a_flood_of_good_inputs_is_dropped_and_then_closed() {
    check(|zone, mut rogue| {
        let until = Instant::now() + Duration::from_secs(60);
        while rogue.closed.is_none() {
            assert!(Instant::now() < until, "the zone does not mind");
            for _ in 0..10 {
                let packet = rogue.packet(3);
                rogue.send_datagram(&encode(&packet));
            }
            rogue.work(Duration::from_millis(10));
        }
        rogue.expect_refusal(Refusal::Flood);
        zone.wait_number("/refused/datagrams_flood", 300);
        zone.wait_number("/refused/Flood", 1);
    });
}

#[test]
fn a_second_hello_ends_the_connection() {
    check(|zone, mut rogue| {
        let mut hello = Vec::new();
        version::hello("again").encode(&mut hello);
        rogue.send_record(&hello);
        rogue.expect_refusal(Refusal::SecondHello);
        zone.wait_number("/refused/SecondHello", 1);
    });
}

#[test]
fn a_record_of_the_zone_ends_the_connection() {
    let mut path = Vec::new();
    Path::default().encode(&mut path);
    check(|zone, mut rogue| {
        rogue.send_record(&path);
        rogue.expect_refusal(Refusal::BadRecord);
        zone.wait_number("/refused/BadRecord", 1);
    });
}

#[test]
fn one_record_with_an_unknown_opcode_is_skipped_and_many_end_the_connection() {
    check(|zone, mut rogue| {
        rogue.send_record(&[200, 1, 2, 3]);
        zone.wait_number("/refused/records_unknown", 1);
        for _ in 0..10 {
            let n = rogue.snapshots.len();
            rogue.send_datagram(&encode(&rogue.packet(2)));
            rogue.wait("the next snapshot", |rogue| rogue.snapshots.len() > n);
        }
        assert!(rogue.closed.is_none() && rogue.refusal().is_none(), "{:?}", rogue.closed);
        for _ in 0..16 {
            rogue.send_record(&[200, 1, 2, 3]);
        }
        rogue.expect_refusal(Refusal::BadRecord);
        zone.wait_number("/refused/records_unknown", 17);
        zone.wait_number("/refused/BadRecord", 1);
    });
}

#[test]
fn an_oversized_record_ends_the_connection() {
    check(|zone, mut rogue| {
        rogue.send_record(&[64; 5_000]);
        rogue.wait_closed();
        zone.wait_number("/sockets/closed_protocol", 1);
    });
}

#[test]
fn a_client_that_never_acks_gets_fewer_snapshots_and_keeps_its_place() {
    check(|zone, mut rogue| {
        let begun = Instant::now();
        let seen = rogue.snapshots.len();
        while begun.elapsed() < Duration::from_secs(3) {
            let packet = InputPacket { acks: Default::default(), ..rogue.packet(2) };
            rogue.send_datagram(&encode(&packet));
            rogue.work(TICK);
        }
        let n = rogue.snapshots.len() - seen;
        // Datagrams: every second tick. A stream, which queues: no more than may be in flight.
        let n_max = if zone.number("/clients/websocket") == 1 { 10 } else { 45 };
        assert!(n <= n_max, "{n} snapshots in three seconds, although none is acknowledged");
        assert!(rogue.closed.is_none(), "{:?}", rogue.closed);
    });
}

#[test]
fn clients_that_stop_reading_are_closed_as_silent() {
    let zone = Zone::start();
    let honest = Honest::enter(&zone, Link::Quic);
    // Nobody works on these connections any more; their sockets stay open.
    let silent = LINKS.map(|link| Rogue::enter(&zone, link));
    zone.wait_number("/attached", 3);
    process_tests::wait_for("the end of both silent clients", Duration::from_secs(60), || {
        let n_closed = zone.number("/refused/Silent") + zone.number("/sockets/closed_silence");
        (n_closed >= 2 && zone.number("/attached") == 1).then_some(())
    });
    drop(silent);
    honest.leave_unharmed();
}

#[test]
fn goals_far_outside_the_world_are_answered_and_harm_nobody() {
    check(|_, mut rogue| {
        for n in 0..20u32 {
            let mut packet = rogue.packet(3);
            let far = (1 << 22) - 1 - n;
            packet.commands[0].movement = Move::Goal(Goal { x_mm: far, y_mm: far });
            rogue.send_datagram(&encode(&packet));
            rogue.work(TICK);
        }
        assert!(rogue.closed.is_none(), "{:?}", rogue.closed);
    });
}
