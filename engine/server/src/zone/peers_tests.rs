//! What the border does with those who come, speak and go.

use std::time::Duration;

use engine::EntityId;
use netproto::input::InputPacket;
use netproto::{Goodbye, INPUT_BYTES_MAX, Path as PathRecord, Welcome};

use super::*;

const NEAR: &str = "127.0.0.1:5000";

/// A border with nobody at it, and the inputs it has made.
struct Border {
    peers: Peers,
    inputs: Vec<Input>,
    now: Instant,
}

impl Border {
    fn new(n_players_max: u32) -> Self {
        let walls = kernel::walls::Walls::from_seed(1, 128_000);
        let greeting = Greeting::new(20, 128_000, 7, &walls);
        let peers = Peers::new(greeting, n_players_max, 0x1_0001);
        Self { peers, inputs: Vec::new(), now: Instant::now() }
    }

    fn event(&mut self, event: Event) -> Vec<Act> {
        let schedule = Schedule::new(self.now, 20);
        self.peers.handle_event(self.now, &event, (&schedule, 10), &mut self.inputs);
        self.acts()
    }

    fn acts(&mut self) -> Vec<Act> {
        std::iter::from_fn(|| self.peers.poll_act()).collect()
    }

    fn hello_from(&mut self, peer: PeerId, addr: &str, change: impl FnOnce(&mut Hello)) -> Vec<Act> {
        let mut hello = version::hello("test");
        change(&mut hello);
        let mut bytes = Vec::new();
        hello.encode(&mut bytes);
        let (link, addr) = (Link::Quic, addr.parse().unwrap());
        self.event(Event::Hello { peer, link, addr, bytes: bytes.as_slice().into() })
    }

    fn hello(&mut self, peer: PeerId, token: Token) -> Vec<Act> {
        self.hello_from(peer, NEAR, |hello| hello.resume_token = token)
    }

    fn datagram(&mut self, peer: PeerId, bytes: &[u8]) -> Vec<Act> {
        self.event(Event::Datagram { peer, bytes: bytes.into(), arrived: self.now })
    }

    fn record(&mut self, peer: PeerId, bytes: &[u8]) -> Vec<Act> {
        self.event(Event::Record { peer, bytes: bytes.into() })
    }

    /// The world gives the newest joiner a body; returns who it is and the token of its Welcome.
    fn joined(&mut self, resumed: bool) -> (Player, Token, Vec<Act>) {
        let Some(Input::Join { player, .. }) = self.inputs.pop() else { panic!("no join") };
        let body = FactBody::Joined { entity: EntityId(5), resumed };
        self.peers.handle_fact(&Fact { player, body }, 11);
        let acts = self.acts();
        let Some(Act::Record { record, .. }) = acts.first() else { panic!("no welcome in {acts:?}") };
        let welcome = Welcome::decode(record).unwrap();
        assert_eq!((welcome.tick, welcome.resumed, welcome.entity), (11, resumed, 5));
        assert_eq!((welcome.durable_low, welcome.durable_high), (player.low, player.high));
        (player, welcome.resume_token.try_into().unwrap(), acts)
    }
}

fn peer(index: u32) -> PeerId {
    PeerId::new(index, 1)
}

fn packet() -> Vec<u8> {
    packet_of(1)
}

fn packet_of(n_commands: u8) -> Vec<u8> {
    let mut buffer = [0; INPUT_BYTES_MAX + netproto::bits::GUARD_BYTES];
    InputPacket { tick: 12, n_commands, ..InputPacket::default() }.encode(&mut buffer).to_vec()
}

/// Who was refused and why.
fn refusals(acts: &[Act]) -> Vec<(PeerId, Refusal)> {
    let refusal = |act: &Act| match act {
        Act::Refuse { peer, record } => {
            let record = RefusedRecord::decode(record).unwrap();
            assert!(!record.text.is_empty(), "a refusal without a word");
            Some((*peer, Refusal::from_bits(record.reason).unwrap()))
        }
        _ => None,
    };
    acts.iter().filter_map(refusal).collect()
}

#[test]
fn a_newcomer_is_let_in_and_gets_a_welcome_and_the_walls() {
    let mut border = Border::new(10);
    assert_eq!(border.hello(peer(0), [0; 32]), [Act::Admit { peer: peer(0) }]);
    let (player, token, acts) = border.joined(false);
    assert_eq!(acts[1..], [Act::Walls { peer: peer(0) }]);
    assert_ne!(token, [0; 32]);
    assert_eq!(border.peers.peer_of(player), Some(peer(0)));
    assert_eq!((border.peers.n_by_link(), border.peers.counts().joined), ([1, 0], 1));
}

#[test]
fn walls_that_a_client_has_are_not_sent() {
    let mut border = Border::new(10);
    let hash = border.peers.greeting().wall_hash;
    border.hello_from(peer(0), NEAR, |hello| hello.wall_hash = hash);
    assert_eq!(border.joined(false).2.len(), 1);
}

#[test]
fn a_token_brings_the_same_player_back_and_the_old_connection_learns_why_it_ends() {
    let mut border = Border::new(10);
    border.hello(peer(0), [0; 32]);
    let (anna, token, _) = border.joined(false);
    let acts = border.hello(peer(1), token);
    assert_eq!(refusals(&acts), [(peer(0), Refusal::ResumedElsewhere)]);
    let (again, fresh, _) = border.joined(true);
    assert_eq!((anna, border.peers.peer_of(anna)), (again, Some(peer(1))));
    assert_ne!(token, fresh, "the token was not rotated");
    // The old connection's end must not take the body away from the new one.
    border.event(Event::Closed { peer: peer(0), reason: transport::CloseReason::Reset });
    assert!(border.inputs.is_empty());
    // The new connection has sent a command, so the old token is worth nothing.
    border.datagram(peer(1), &packet());
    border.hello(peer(2), token);
    let Some(Input::Join { player, .. }) = border.inputs.pop() else { panic!("no join") };
    assert_ne!(player, anna);
}

#[test]
fn acknowledgements_before_the_welcome_do_not_cost_the_token_in_hand() {
    let mut border = Border::new(10);
    border.hello(peer(0), [0; 32]);
    let (anna, token, _) = border.joined(false);
    for at in 1..=5 {
        border.hello(peer(at), token);
        assert_eq!(border.joined(true).0, anna, "the Welcome before was lost, connection {at}");
        border.datagram(peer(at), &packet_of(0));
        border.inputs.clear();
    }
}

#[test]
fn records_of_a_newer_client_are_skipped_and_counted_until_they_are_too_many() {
    let mut border = Border::new(10);
    border.hello(peer(0), [0; 32]);
    border.joined(false);
    for n in 1..=16 {
        assert_eq!(border.record(peer(0), &[250, 1, 2]), []);
        assert_eq!(border.peers.counts().records_unknown, n);
    }
    border.datagram(peer(0), &packet());
    assert!(matches!(border.inputs[..], [Input::Packet { .. }]), "the player plays on");
    assert_eq!(refusals(&border.record(peer(0), &[250])), [(peer(0), Refusal::BadRecord)]);
}

#[test]
fn a_lost_connection_detaches_the_body_and_its_token_lives_as_long() {
    let mut border = Border::new(10);
    border.hello(peer(0), [0; 32]);
    let (anna, token, _) = border.joined(false);
    border.datagram(peer(0), &packet());
    border.inputs.clear();
    border.event(Event::Closed { peer: peer(0), reason: transport::CloseReason::Silence });
    assert!(matches!(border.inputs[..], [Input::Detach { player }] if player == anna));
    border.hello(peer(1), token);
    let (again, token, _) = border.joined(true);
    assert_eq!(again, anna);
    border.event(Event::Closed { peer: peer(1), reason: transport::CloseReason::Silence });
    border.peers.handle_fact(&Fact { player: anna, body: FactBody::Left { owns: false } }, 600);
    border.hello(peer(2), token);
    assert!(matches!(border.inputs.last(), Some(Input::Join { player, .. }) if *player != anna));
}

#[test]
fn a_newcomer_who_never_heard_of_its_body_leaves_none_behind_and_one_who_came_back_keeps_it() {
    let mut border = Border::new(1);
    border.hello(peer(0), [0; 32]);
    let (anna, token, _) = border.joined(false);
    border.datagram(peer(0), &packet_of(0));
    border.inputs.clear();
    border.hello(peer(1), token);
    border.joined(true);
    border.event(Event::Closed { peer: peer(1), reason: transport::CloseReason::Silence });
    assert!(
        matches!(border.inputs.pop(), Some(Input::Detach { player }) if player == anna),
        "the token is in hand"
    );
    let mut border = Border::new(1);
    border.hello(peer(0), [0; 32]);
    let (bert, ..) = border.joined(false);
    border.event(Event::Closed { peer: peer(0), reason: transport::CloseReason::Silence });
    assert!(matches!(border.inputs.pop(), Some(Input::Leave { player }) if player == bert));
    border.peers.handle_fact(&Fact { player: bert, body: FactBody::Left { owns: false } }, 12);
    assert_eq!(refusals(&border.hello(peer(1), [0; 32])), [], "its place is free at once");
}

#[test]
fn a_wrong_token_takes_nothing_from_the_player_whose_seat_it_aims_at() {
    let mut border = Border::new(1);
    border.hello(peer(0), [0; 32]);
    let (anna, token, _) = border.joined(false);
    border.datagram(peer(0), &packet());
    for is_there in [true, false] {
        for at in [8, 31] {
            // The half that finds the seat is right, the secret is not.
            let mut forged = token;
            forged[at] ^= 1;
            assert_eq!(refusals(&border.hello(peer(1), forged)), [(peer(1), Refusal::Full)]);
            assert_eq!(
                border.peers.peer_of(anna).is_some(),
                is_there,
                "the victim's connection is untouched"
            );
        }
        border.event(Event::Closed { peer: peer(0), reason: transport::CloseReason::Silence });
    }
    border.hello(peer(2), token);
    assert_eq!(border.joined(true).0, anna, "and its seat waits for the right one");
}

#[test]
fn strangers_are_turned_away_with_the_reason() {
    let mut border = Border::new(1);
    let mut at = 0;
    let mut check = |border: &mut Border, addr: &str, change: &dyn Fn(&mut Hello), expected: Refusal| {
        at += 1;
        let acts = border.hello_from(peer(at), addr, change);
        assert_eq!(refusals(&acts), [(peer(at), expected)]);
        assert!(border.inputs.is_empty(), "{expected:?} reached the world");
    };
    check(&mut border, NEAR, &|hello| hello.epochs[0].epoch += 1, Refusal::Epoch);
    check(&mut border, NEAR, &|hello| hello.ticket[63] = 1, Refusal::Ticket);
    check(&mut border, "192.168.1.9:1", &|_| (), Refusal::Ticket);
    border.hello(peer(0), [0; 32]);
    border.joined(false);
    check(&mut border, NEAR, &|_| (), Refusal::Full);
    border.peers.handle_drain(12);
    let notices = border.acts();
    assert!(matches!(&notices[..], [Act::Record { record, .. }] if Notice::decode(record).is_ok()));
    check(&mut border, NEAR, &|_| (), Refusal::Draining);
    let bytes = b"GET / HTTP/1.1".as_slice().into();
    let acts =
        border.event(Event::Hello { peer: peer(9), link: Link::Quic, addr: NEAR.parse().unwrap(), bytes });
    assert_eq!(refusals(&acts), [(peer(9), Refusal::BadHello)]);
    assert_eq!(border.peers.counts().refused.iter().sum::<u64>(), 6);
}

#[test]
fn a_full_zone_lets_its_own_players_back_in() {
    let mut border = Border::new(1);
    border.hello(peer(0), [0; 32]);
    let (anna, token, _) = border.joined(false);
    border.hello(peer(1), token);
    assert_eq!(border.joined(true).0, anna);
}

#[test]
fn records_that_are_not_a_clients_to_send_end_the_connection() {
    let mut hello = Vec::new();
    version::hello("again").encode(&mut hello);
    let mut path = Vec::new();
    PathRecord::default().encode(&mut path);
    for (bytes, expected) in [
        (hello.as_slice(), Refusal::SecondHello),
        (path.as_slice(), Refusal::BadRecord),
        (&[64, 0xff], Refusal::BadRecord),
        (&[], Refusal::BadRecord),
    ] {
        let mut border = Border::new(10);
        border.hello(peer(0), [0; 32]);
        border.joined(false);
        border.datagram(peer(0), &packet());
        border.inputs.clear();
        assert_eq!(refusals(&border.record(peer(0), bytes)), [(peer(0), expected)], "{bytes:?}");
        assert!(matches!(border.inputs[..], [Input::Detach { .. }]), "the body waits");
        assert_eq!(border.record(peer(0), bytes), [], "what comes after the end counts for nothing");
    }
}

#[test]
fn a_token_shown_in_the_tick_in_which_its_body_leaves_has_to_wait_for_the_world() {
    let mut border = Border::new(10);
    border.hello(peer(0), [0; 32]);
    let (anna, token, _) = border.joined(false);
    border.inputs.clear();
    border.event(Event::Closed { peer: peer(0), reason: transport::CloseReason::Silence });
    assert_eq!(refusals(&border.hello(peer(1), token)), [(peer(1), Refusal::Saving)]);
    assert!(matches!(border.inputs[..], [Input::Leave { player }] if player == anna), "{:?}", border.inputs);
}

#[test]
fn goodbye_takes_the_body_out_at_once() {
    let mut border = Border::new(10);
    border.hello(peer(0), [0; 32]);
    border.joined(false);
    let mut bytes = Vec::new();
    Goodbye.encode(&mut bytes);
    assert_eq!(border.record(peer(0), &bytes), [Act::Close { peer: peer(0), code: CloseCode::Done }]);
    assert!(matches!(border.inputs[..], [Input::Leave { .. }]));
}

#[test]
fn who_owns_something_comes_back_after_a_goodbye_and_who_owns_nothing_is_somebody_new() {
    for owns in [true, false] {
        let mut border = Border::new(1);
        border.hello(peer(0), [0; 32]);
        let (anna, token, _) = border.joined(false);
        border.datagram(peer(0), &packet());
        let mut bytes = Vec::new();
        Goodbye.encode(&mut bytes);
        border.record(peer(0), &bytes);
        assert_eq!(refusals(&border.hello(peer(1), token)), [(peer(1), Refusal::Saving)]);
        border.peers.handle_fact(&Fact { player: anna, body: FactBody::Left { owns } }, 20);
        // Whoever is away takes nobody's place, and finds none if there is none.
        border.hello(peer(2), [0; 32]);
        let (bert, ..) = border.joined(false);
        assert_eq!(refusals(&border.hello(peer(3), token)), [(peer(3), Refusal::Full)]);
        border.peers.handle_fact(&Fact { player: bert, body: FactBody::Left { owns: false } }, 30);
        border.inputs.clear();
        border.hello(peer(4), token);
        let Some(Input::Join { player, .. }) = border.inputs.last() else { panic!("there is a place") };
        assert_eq!(*player == anna, owns);
    }
}

#[test]
fn a_place_that_is_gone_when_the_world_is_asked_costs_an_owner_nothing() {
    let mut border = Border::new(2);
    border.hello(peer(0), [0; 32]);
    let (anna, token, _) = border.joined(false);
    border.event(Event::Closed { peer: peer(0), reason: transport::CloseReason::Silence });
    border.peers.handle_fact(&Fact { player: anna, body: FactBody::Left { owns: true } }, 20);
    for n in 1..4 {
        border.hello(peer(n), token);
        // In a hurry: gone again before the world has answered.
        let mut bytes = Vec::new();
        Goodbye.encode(&mut bytes);
        border.record(peer(n), &bytes);
        let full = FactBody::Refused(Refusal::Full);
        border.peers.handle_fact(&Fact { player: anna, body: full }, 20 + n);
        assert!(
            matches!(border.inputs[..], [.., Input::Join { player, .. }, Input::Leave { .. }] if player == anna)
        );
    }
}

#[test]
fn rubbish_in_datagrams_is_counted_and_ends_the_connection_when_it_goes_on() {
    let mut border = Border::new(10);
    border.hello(peer(0), [0; 32]);
    border.joined(false);
    for n in 1..=20 {
        assert_eq!(border.datagram(peer(0), &[0xff; 40]), []);
        assert_eq!(border.peers.counts().datagrams_bad, n);
    }
    assert_eq!(border.datagram(peer(0), &packet()), []);
    assert!(matches!(border.inputs[..], [Input::Packet { .. }]), "a good one among them is used");
    assert_eq!(refusals(&border.datagram(peer(0), &[])), [(peer(0), Refusal::BadInput)]);
}

#[test]
fn a_silent_peer_is_closed_and_one_that_speaks_is_not() {
    let mut border = Border::new(10);
    border.hello(peer(0), [0; 32]);
    border.hello(peer(1), [0; 32]);
    border.datagram(peer(0), &packet());
    border.inputs.clear();
    border.now += Duration::from_secs(9);
    border.datagram(peer(1), &packet());
    border.inputs.clear();
    border.now += Duration::from_secs(2);
    border.peers.handle_timeout(border.now, &mut border.inputs);
    assert_eq!(refusals(&border.acts()), [(peer(0), Refusal::Silent)]);
    assert!(matches!(border.inputs[..], [Input::Detach { .. }]));
}

#[test]
fn a_datagram_of_a_dead_connection_never_reaches_who_sits_there_now() {
    let mut border = Border::new(10);
    border.hello(PeerId::new(0, 2), [0; 32]);
    border.joined(false);
    border.datagram(PeerId::new(0, 1), &packet());
    assert!(border.inputs.is_empty());
    assert_eq!(border.peers.counts().datagrams_stray, 1);
}

#[test]
fn a_panic_over_ones_bytes_ends_that_connection_only() {
    let mut border = Border::new(10);
    for at in 0..2 {
        border.hello(peer(at), [0; 32]);
        border.joined(false);
    }
    border.peers.handle_panic(peer(0), &mut border.inputs);
    assert_eq!(refusals(&border.acts()), [(peer(0), Refusal::ServerError)]);
    assert_eq!(border.peers.n_by_link(), [1, 0]);
}

#[test]
fn who_needs_no_ticket_is_said_by_the_reach_of_the_zone() {
    use PlainWebSocket::{Anybody, Loopback, Private};
    let addrs = ["127.0.0.1:5", "192.168.1.2:5", "[fe80::7]:5", "[::ffff:10.0.0.9]:5", "203.0.113.2:5"];
    for (reach, link, come_in) in [
        (Loopback, Link::Quic, [true, false, false, false, false]),
        (Loopback, Link::WebSocket, [true, false, false, false, false]),
        (Private, Link::Quic, [true, true, true, true, false]),
        (Private, Link::WebSocket, [true, true, true, true, false]),
        (Anybody, Link::Quic, [true, false, false, false, false]),
        (Anybody, Link::WebSocket, [true; 5]),
    ] {
        let mut border = Border::new(10);
        border.peers.set_reach(reach);
        let mut bytes = Vec::new();
        version::hello("test").encode(&mut bytes);
        let come = addrs.map(|addr| {
            let addr = addr.parse().unwrap();
            let peer = peer(0);
            let acts = border.event(Event::Hello { peer, link, addr, bytes: bytes.as_slice().into() });
            let refused = refusals(&acts);
            assert!(
                refused
                    .iter()
                    .all(|(_, reason)| matches!(reason, Refusal::Ticket | Refusal::ResumedElsewhere))
            );
            acts.contains(&Act::Admit { peer })
        });
        assert_eq!(come, come_in, "{reach:?} {link:?}");
    }
}

#[test]
fn a_client_that_cannot_be_served_is_closed_with_a_reason_and_may_come_back() {
    let mut border = Border::new(10);
    border.hello(peer(0), [0; 32]);
    let (player, token, _) = border.joined(false);
    border.peers.handle_fact(&Fact { player, body: FactBody::Failed }, 12);
    let acts = border.acts();
    assert_eq!(refusals(&acts), [(peer(0), Refusal::ServerError)]);
    assert_eq!((border.peers.counts().panics_client, border.peers.peer_of(player)), (1, None));
    assert_eq!(border.hello(peer(1), token), [Act::Admit { peer: peer(1) }]);
    assert_eq!(border.joined(true).0, player);
}
