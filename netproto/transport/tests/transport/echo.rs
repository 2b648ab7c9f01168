//! Frames, inputs and records arrive, on both links.
use crate::rig::{BOTH, Rig};
use std::time::{Duration, Instant};
use transport::client::{ClientEvent, Target};
use transport::{CloseCode, CloseReason, Event, Link, PeerId};

#[test]
fn inputs_frames_and_records_arrive_as_they_were_sent() {
    for link in BOTH {
        let mut rig = Rig::new();
        let (conn, peer) = rig.join(link);
        assert!(rig.clients.send_datagram(conn, b"input"));
        let bytes = rig.see("the input", |event| match event {
            Event::Datagram { peer: p, bytes, .. } if *p == peer => Some(bytes.to_vec()),
            _ => None,
        });
        assert_eq!(bytes, b"input");

        let frame = [7u8; transport::FRAME_BYTES_MAX];
        assert!(rig.server.send_frame(peer, &frame));
        let got = rig.hear("the frame", |event| match event {
            ClientEvent::Datagram { bytes, .. } => Some(bytes.clone()),
            _ => None,
        });
        assert_eq!(&got[..], &frame);

        assert!(rig.clients.send_record(conn, b"chat"));
        let bytes = rig.see("the record", |event| match event {
            Event::Record { bytes, .. } => Some(bytes.to_vec()),
            _ => None,
        });
        assert_eq!(bytes, b"chat");

        assert!(rig.server.send_record(peer, b"fact"));
        let got = rig.hear("the fact", |event| match event {
            ClientEvent::Record { bytes, .. } => Some(bytes.clone()),
            _ => None,
        });
        assert_eq!(&got[..], b"fact", "{link:?}");
    }
}

#[test]
fn a_long_row_of_records_arrives_in_order_and_whole() {
    for link in BOTH {
        let mut rig = Rig::new();
        let (_, peer) = rig.join(link);
        let records: Vec<Vec<u8>> = (0..40u8).map(|i| vec![i; 100 + usize::from(i) * 37]).collect();
        for record in &records {
            assert!(rig.server.send_record(peer, record));
        }
        let mut got = Vec::new();
        while got.len() < records.len() {
            got.push(rig.hear("the next record", |event| match event {
                ClientEvent::Record { bytes, .. } => Some(bytes.to_vec()),
                _ => None,
            }));
        }
        assert_eq!(got, records, "{link:?}");
    }
}

#[test]
fn the_longest_record_passes() {
    for link in BOTH {
        let mut rig = Rig::new();
        let (_, peer) = rig.join(link);
        let record = vec![9; transport::RECORD_BYTES_MAX];
        assert!(rig.server.send_record(peer, &record));
        let got = rig.hear("the long record", |event| match event {
            ClientEvent::Record { bytes, .. } => Some(bytes.clone()),
            _ => None,
        });
        assert!(got[..] == record[..], "{link:?}");
        assert!(!rig.server.send_record(peer, &vec![9; transport::RECORD_BYTES_MAX + 1]));
    }
}

#[test]
fn two_hundred_clients_play_on_one_server() {
    const N: usize = 100;
    let mut rig = Rig::new();
    let targets: [Target; 2] = BOTH.map(|link| rig.target(link));
    let conns: Vec<_> = (0..N).flat_map(|_| targets.each_ref().map(|target| rig.connect(target))).collect();
    let mut n_connected = 0;
    while n_connected < conns.len() {
        let conn = rig.hear("everybody connected", |event| match event {
            ClientEvent::Connected { conn } => Some(*conn),
            _ => None,
        });
        assert!(rig.clients.send_record(conn, &conn.index().to_le_bytes()));
        n_connected += 1;
    }
    let mut peers = Vec::new();
    while peers.len() < conns.len() {
        peers.push(rig.see("everybody greeted", |event| match event {
            Event::Hello { peer, bytes, .. } => Some((*peer, bytes.to_vec())),
            _ => None,
        }));
    }
    for (peer, name) in &peers {
        assert!(rig.server.send_frame(*peer, name));
    }
    for conn in &conns {
        rig.hear("its own frame", |event| match event {
            ClientEvent::Datagram { conn: c, bytes, .. } if c == conn => Some(bytes.to_vec()),
            _ => None,
        });
    }
    assert!(rig.server.counters().retries > 0, "above 64 waiting, unproven addresses answer a Retry");
}

#[test]
fn a_refusal_is_read_before_the_connection_closes() {
    for link in BOTH {
        let mut rig = Rig::new();
        rig.admits = false;
        let (conn, peer) = rig.join(link);
        rig.server.refuse(peer, b"full; try again in a minute");
        let text = rig.hear("the refusal", |event| match event {
            ClientEvent::Record { bytes, .. } => Some(bytes.clone()),
            _ => None,
        });
        assert_eq!(&text[..], b"full; try again in a minute");
        assert_eq!(rig.hear_closed(conn), closed_by_peer(CloseCode::Refused, "refused"), "{link:?}");
        assert_eq!(rig.see_closed(peer), CloseReason::Local(CloseCode::Refused));
        assert!(!rig.server.admit(peer));
    }
}

#[test]
fn each_side_learns_when_the_other_closes() {
    for link in BOTH {
        let mut rig = Rig::new();
        let (conn, peer) = rig.join(link);
        rig.server.close(peer, CloseCode::Kicked, "shouting");
        assert_eq!(rig.hear_closed(conn), closed_by_peer(CloseCode::Kicked, "shouting"), "{link:?}");
        assert_eq!(rig.see_closed(peer), CloseReason::Local(CloseCode::Kicked));
        assert!(!rig.server.send_record(peer, b"late"));

        let (conn, peer) = rig.join(link);
        rig.clients.close(conn);
        assert!(matches!(rig.see_closed(peer), CloseReason::Peer { code: 0, .. }), "{link:?}");
    }
}

#[test]
fn a_place_is_empty_again_after_a_goodbye_and_late_calls_miss_the_next_one() {
    for link in BOTH {
        let mut rig = Rig::new();
        let (conn, peer) = rig.join(link);
        rig.clients.close(conn);
        rig.see_closed(peer);
        rig.until("an empty table", |rig| (rig.server.n_peers() == 0).then_some(()));
        let (_, next) = rig.join(link);
        assert_eq!(next.index(), peer.index());
        assert_ne!(next, peer);
        assert!(!rig.server.send_frame(peer, b"to nobody"));
        assert!(rig.server.send_frame(next, b"to somebody"));
    }
}

#[test]
fn packets_that_come_between_ticks_keep_their_time_of_arrival() {
    let mut rig = Rig::new();
    let (conn, peer) = rig.join(Link::Quic);
    rig.turns(Duration::from_millis(20));
    assert!(rig.clients.send_datagram(conn, b"early"));
    rig.clients.flush(Instant::now());
    let sent = Instant::now();
    rig.server.serve_door(sent + Duration::from_millis(40));
    let tick = Instant::now();
    rig.server.receive(tick);
    let arrived = std::iter::from_fn(|| rig.server.poll_event()).find_map(|event| match event {
        Event::Datagram { peer: p, arrived, .. } if p == peer => Some(arrived),
        _ => None,
    });
    let arrived = arrived.expect("the input was delivered by this tick");
    assert!(tick - arrived > Duration::from_millis(20), "stamped {:?} before the tick", tick - arrived);
}

#[test]
fn a_shut_down_server_says_goodbye_to_everybody() {
    let mut rig = Rig::new();
    let joined: Vec<_> = BOTH.into_iter().map(|link| rig.join(link)).collect();
    rig.server.shutdown(Instant::now(), "maintenance");
    for (conn, _) in joined {
        assert_eq!(rig.hear_closed(conn), closed_by_peer(CloseCode::Shutdown, "maintenance"));
    }
}

#[test]
fn passes_on_several_threads_do_the_same() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    let mut rig = Rig::new();
    let target = rig.target(Link::Quic);
    let n = 300;
    let conns: Vec<_> = (0..n).map(|_| rig.connect(&target)).collect();
    for _ in 0..n {
        let conn = rig.hear("connected", |event| match event {
            ClientEvent::Connected { conn } => Some(*conn),
            _ => None,
        });
        assert!(rig.clients.send_record(conn, b"hello"));
    }
    let mut peers: Vec<PeerId> = Vec::new();
    while peers.len() < n {
        peers.push(rig.see("hello", |event| match event {
            Event::Hello { peer, .. } => Some(*peer),
            _ => None,
        }));
    }
    for conn in &conns {
        assert!(rig.clients.send_datagram(*conn, &conn.index().to_le_bytes()));
    }
    let mut echoed = 0;
    rig.until("every echo", |rig| {
        let mut replies = Vec::new();
        pool.install(|| rig.server.receive(Instant::now()));
        while let Some(event) = rig.server.poll_event() {
            if let Event::Datagram { peer, bytes, .. } = event {
                replies.push((peer, bytes));
            }
        }
        for (peer, bytes) in replies {
            assert!(rig.server.send_frame(peer, &bytes));
        }
        pool.install(|| rig.server.flush(Instant::now()));
        for event in std::mem::take(&mut rig.heard) {
            if let ClientEvent::Datagram { conn, bytes, .. } = event {
                assert_eq!(&bytes[..], &conn.index().to_le_bytes());
                echoed += 1;
            }
        }
        (echoed == n).then_some(())
    });
}

fn closed_by_peer(code: CloseCode, text: &str) -> CloseReason {
    CloseReason::Peer { code: code as u32, text: text.to_owned() }
}
