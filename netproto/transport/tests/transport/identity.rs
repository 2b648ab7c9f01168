//! Keys, pins, versions, ports: who talks to whom.
use crate::rig::{BOTH, MAJOR, Rig, server};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};
use transport::client::{ClientEvent, Clients, ConnectError, Target};
use transport::{BindError, CloseReason, Event, IdentityError, Limits, Link, Server, ServerConfig};

#[test]
fn another_wire_major_ends_in_the_handshake() {
    for link in BOTH {
        let mut rig = Rig::new();
        let target = Target { wire_major: MAJOR + 1, ..rig.target(link) };
        let conn = rig.connect(&target);
        assert_eq!(rig.hear_closed(conn), CloseReason::WrongMajor, "{link:?}");
        assert!(rig.seen.is_empty());
    }
}

#[test]
fn a_server_with_another_key_is_refused_and_both_keys_are_named() {
    let mut rig = Rig::new();
    let target = Target { pin: Some([0xab; 32]), ..rig.target(Link::Quic) };
    let conn = rig.connect(&target);
    let CloseReason::WrongPin(text) = rig.hear_closed(conn) else { panic!("not a pin error") };
    assert!(text.contains("abababab") && text.contains("the server has"), "{text}");
}

#[test]
fn without_a_pin_only_this_machine_is_believed() {
    let mut rig = Rig::new();
    let target = Target { pin: None, ..rig.target(Link::Quic) };
    let conn = rig.connect(&target);
    rig.hear_connected(conn);
    let elsewhere = Target { addr: ([192, 0, 2, 1], 9).into(), ..target };
    let error = rig.clients.connect(Instant::now(), &elsewhere).unwrap_err();
    assert!(matches!(error, ConnectError::PinNeeded(_)), "{error}");
}

#[test]
fn a_port_in_use_is_named_with_what_to_do() {
    let rig = Rig::new();
    let other = tempfile::tempdir().unwrap();
    let config = ServerConfig {
        addr: rig.server.local_addr(),
        data_dir: other.path().to_owned(),
        wire_major: MAJOR,
        limits: Limits::default(),
    };
    let error = Server::bind(config).err().expect("the port is taken");
    assert!(matches!(error, BindError::InUse { .. }), "{error}");
    assert!(error.to_string().contains(&rig.server.local_addr().port().to_string()), "{error}");
}

#[test]
fn a_key_that_others_can_read_keeps_the_server_from_starting() {
    let dir = tempfile::tempdir().unwrap();
    drop(server(dir.path(), 0, Limits::default()));
    let key = dir.path().join("transport-key.pem");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
    let config = ServerConfig {
        addr: ([127, 0, 0, 1], 0).into(),
        data_dir: dir.path().to_owned(),
        wire_major: MAJOR,
        limits: Limits::default(),
    };
    let error = Server::bind(config).err().expect("the key is exposed");
    assert!(matches!(error, BindError::Identity(IdentityError::Exposed { mode: 0o640, .. })), "{error}");
}

#[test]
fn a_restarted_server_keeps_its_pin_and_resets_old_connections_at_once() {
    let mut rig = Rig::new();
    let (conn, _) = rig.join(Link::Quic);
    rig.turns(Duration::from_millis(20));
    let (pin, addr) = (rig.server.spki_pin(), rig.server.local_addr());
    // The first process vanishes without a goodbye; the port must be free before the second can have it.
    let parked = server(tempfile::tempdir().unwrap().path(), 0, Limits::default());
    drop(std::mem::replace(&mut rig.server, parked));
    rig.server = server(rig.dir.path(), addr.port(), Limits::default());
    assert_eq!(rig.server.spki_pin(), pin);
    let restarted = Instant::now();
    assert!(rig.clients.send_datagram(conn, b"are you still there, with all of this?"));
    assert_eq!(rig.hear_closed(conn), CloseReason::Reset);
    assert!(restarted.elapsed() < Duration::from_secs(1), "took {:?}", restarted.elapsed());
}

#[test]
fn a_client_and_a_server_on_two_threads_meet_with_one_connection() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = server(dir.path(), 0, Limits::default());
    let target = Target {
        addr: server.local_addr(),
        link: Link::Quic,
        pin: Some(server.spki_pin()),
        wire_major: MAJOR,
    };
    let thread = std::thread::spawn(move || {
        let end = Instant::now() + Duration::from_secs(10);
        let mut greeted = false;
        while !greeted && Instant::now() < end {
            server.serve_door(Instant::now() + Duration::from_millis(50));
            server.receive(Instant::now());
            while let Some(event) = server.poll_event() {
                greeted |= matches!(event, Event::Hello { .. });
            }
            server.flush(Instant::now());
        }
        greeted
    });
    let mut clients = Clients::new(1).unwrap();
    let conn = clients.connect(Instant::now(), &target).unwrap();
    let end = Instant::now() + Duration::from_secs(10);
    while !thread.is_finished() && Instant::now() < end {
        clients.wait(Instant::now() + Duration::from_millis(50));
        while let Some(event) = clients.poll_event() {
            if matches!(event, ClientEvent::Connected { .. }) {
                assert!(clients.send_record(conn, b"hello"));
            }
        }
    }
    assert!(thread.join().unwrap(), "the hello left without any flush");
}

#[test]
fn a_server_on_every_address_answers_from_the_one_that_was_asked() {
    let dir = tempfile::tempdir().unwrap();
    let config = ServerConfig {
        addr: ([0, 0, 0, 0], 0).into(),
        data_dir: dir.path().to_owned(),
        wire_major: MAJOR,
        limits: Limits::default(),
    };
    let mut rig = Rig::new();
    rig.server = Server::bind(config).unwrap();
    let port = rig.server.local_addr().port();
    for link in BOTH {
        let target = Target { addr: ([127, 0, 0, 77], port).into(), ..rig.target(link) };
        let conn = rig.connect(&target);
        rig.hear_connected(conn);
    }
}
