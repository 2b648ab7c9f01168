//! What the door keeps, over real loopback sockets.
use super::*;
use crate::client::{Clients, ConnId, Target};
use crate::event::Link;

fn server_with_client(link: Link) -> (Server, Clients, ConnId, tempfile::TempDir) {
    server_at(([127, 0, 0, 1], 0).into(), link)
}

fn server_at(addr: SocketAddr, link: Link) -> (Server, Clients, ConnId, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let config = ServerConfig { addr, data_dir: dir.path().into(), wire_major: 1, limits: Limits::default() };
    let server = Server::bind(config).unwrap();
    let mut clients = Clients::new(1).unwrap();
    let target = Target { addr: server.local_addr(), link, pin: Some(server.spki_pin()), wire_major: 1 };
    let conn = clients.connect(Instant::now(), &target).unwrap();
    (server, clients, conn, dir)
}

/// Door and client take turns until `done`.
fn until(
    server: &mut Server,
    clients: &mut Clients,
    mut done: impl FnMut(&mut Server, &mut Clients) -> bool,
) {
    let end = Instant::now() + Duration::from_secs(10);
    while !done(server, clients) {
        assert!(Instant::now() < end, "{:?}", server.counters());
        server.serve_door(Instant::now() + Duration::from_millis(1));
        clients.receive(Instant::now());
        clients.flush(Instant::now());
    }
}

#[test]
fn a_stranger_who_has_not_opened_the_stream_is_not_visited_again_and_again() {
    let (mut server, mut clients, _, _dir) = server_with_client(Link::Quic);
    until(&mut server, &mut clients, |server, _| {
        server.table.slots.first().is_some_and(|slot| slot.head.stage == Stage::Waiting)
    });
    assert!(!server.table.slots[0].head.unread);
}

#[test]
fn a_peer_refused_right_after_its_admission_stands_at_the_door_once() {
    for link in [Link::Quic, Link::WebSocket] {
        let (mut server, mut clients, conn, _dir) = server_with_client(link);
        let mut greeted = None;
        let mut said = false;
        until(&mut server, &mut clients, |server, clients| {
            said = said || clients.send_record(conn, b"hello");
            if let Some(Event::Hello { peer, .. }) = server.poll_event() {
                greeted = Some(peer);
            }
            greeted.is_some()
        });
        let peer = greeted.unwrap();
        assert!(server.admit(peer));
        server.refuse(peer, b"no");
        assert_eq!(server.at_door, [peer.index()], "{link:?}");
    }
}

#[test]
fn whoever_says_to_be_at_our_own_ipv6_address_must_prove_it() {
    let loopback = std::net::Ipv6Addr::LOCALHOST;
    if UdpSocket::bind((loopback, 0)).is_err() {
        eprintln!("NOT RUN: this machine has no IPv6");
        return;
    }
    for (is_on_a_cable, n_retries) in [(false, 0), (true, 1)] {
        let (mut server, mut clients, _, _dir) = server_at((loopback, 0).into(), Link::Quic);
        if is_on_a_cable {
            server.door.pretend_own(loopback.into());
        }
        until(&mut server, &mut clients, |server, _| server.counters().handshakes_quic == 1);
        assert_eq!(server.counters().retries, n_retries, "{is_on_a_cable}");
    }
}
