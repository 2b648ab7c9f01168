//! The zone is killed and started again on its port: everybody comes back by itself.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use process_tests::rogue::{Rogue, encode};
use process_tests::traveller::Travellers;
use process_tests::zone::Zone;
use transport::{CloseReason, Link};

/// Players of the short form. `RESTART_BOTS` says how many otherwise.
const N_BOTS: usize = 200;

fn n_bots() -> usize {
    std::env::var("RESTART_BOTS").ok().map_or(N_BOTS, |n| n.parse().expect("RESTART_BOTS is a number"))
}

#[test]
fn after_kill_and_restart_everybody_is_back_soon() {
    let n = n_bots();
    let flags = [
        "--players-max".to_owned(),
        (n + 10).to_string(),
        "--side-m".to_owned(),
        "512".to_owned(),
        "--spawn-radius-m".to_owned(),
        "200".to_owned(),
    ];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let mut zone = Zone::start_with(&flags);
    let links = (0..n).map(|at| if at % 2 == 0 { Link::Quic } else { Link::WebSocket });
    let targets: Vec<_> = links.map(|link| zone.target(link)).collect();
    let mut bots = Travellers::thin(targets);
    bots.enter();
    bots.play(Duration::from_secs(1));
    let killed = Instant::now();
    // Players go on while the zone starts. It is this thread that starts it: a process ends with the thread it is of.
    let is_up = AtomicBool::new(false);
    let ready = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_up.load(Ordering::Relaxed) {
                bots.play(Duration::from_millis(20));
            }
        });
        zone.kill_and_restart(&flags);
        is_up.store(true, Ordering::Relaxed);
        Instant::now()
    });
    bots.wait("everybody plays again", |diaries| {
        diaries.iter().all(|diary| diary.ready.last().is_some_and(|at| *at > killed))
    });
    let mut back: Vec<Duration> = bots
        .diaries()
        .iter()
        .map(|diary| diary.ready.last().expect("it plays").saturating_duration_since(ready))
        .collect();
    back.sort_unstable();
    let share = |percent: usize| back[(n * percent).div_ceil(100) - 1];
    println!(
        "{n} players, zone away for {:?}; back after: 50 % {:?}, 99 % {:?}, 100 % {:?}",
        ready.duration_since(killed),
        share(50),
        share(99),
        back[n - 1]
    );
    // Three seconds is the promise; eight tests at once on two busy cores may take longer.
    assert!(share(99) <= Duration::from_secs(6), "99 % are back after {:?} only", share(99));
    // The world is what it was: everybody has the body back that was there before.
    for diary in bots.diaries() {
        let (first, last) = (diary.welcomes[0], diary.welcomes[diary.welcomes.len() - 1]);
        assert!(
            last.resumed && (last.entity, last.durable) == (first.entity, first.durable),
            "{first:?}, then {last:?}"
        );
    }
    zone.wait_number("/attached", n as u64);
    assert_eq!(zone.number("/players"), n as u64, "nobody has two bodies");
    let n_connects: usize = bots.diaries().iter().map(|diary| diary.lost.len()).sum();
    assert!(n_connects <= 30 * n, "{n_connects} tries of {n} players are too many");
}

#[test]
fn a_restarted_zone_answers_old_connections_at_once() {
    let mut zone = Zone::start();
    let mut old = Rogue::enter(&zone, Link::Quic);
    zone.kill_and_restart(&[]);
    let packet = old.packet(3);
    old.send_datagram(&encode(&packet));
    let asked = Instant::now();
    // Silence would take ten seconds. A stateless reset is believed because its key is kept in the data directory.
    assert_eq!(old.wait_closed(), CloseReason::Reset, "after {:?}", asked.elapsed());
}
