//! What operators learn of connections, without being told who they are.
use crate::rig::{BOTH, Rig};
use std::time::Duration;
use transport::Queues;

#[test]
fn a_survey_finds_every_admitted_peer_once_and_with_its_round_trip() {
    let mut rig = Rig::new();
    let peers: Vec<_> = BOTH.into_iter().map(|link| (rig.join(link).1, link)).collect();
    let mut seen = Vec::new();
    let mut place = 0;
    while rig.server.survey(place..place + 1, |peer, stats| seen.push((peer, stats))) {
        place += 1;
    }
    assert_eq!(seen.iter().map(|(peer, stats)| (*peer, stats.link)).collect::<Vec<_>>(), peers);
    for (_, stats) in seen {
        assert!(Duration::ZERO < stats.rtt && stats.rtt < Duration::from_secs(5), "{stats:?}");
        assert!(stats.packets_sent > 0 && stats.packets_lost <= stats.packets_sent, "{stats:?}");
    }
    assert!(!rig.server.survey(100..200, |peer, _| panic!("nobody sits there: {peer:?}")));
    assert_eq!(rig.server.counters().handshakes_begun, 2);
    assert_eq!(rig.server.queues().packets, Queues::default().packets);
}
