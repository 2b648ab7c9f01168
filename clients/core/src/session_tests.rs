//! A session against a zone made of a few lines, in virtual time.

use super::*;
use crate::predict;
use kernel::advance;
use kernel::walker::{Path, Rules, Walker};
use netproto::input::InputPacket;
use netproto::snapshot::{FRAME_BUFFER_BYTES, Parts, Slots, encode};
use netproto::{Hello, Kind, MoveState, N_GROUPS, Notice, OwnState, Steer};

const MS: u64 = 1_000_000;
const TICK_NS: u64 = 50 * MS;

/// A zone with one player, nobody else and a wire without delay.
struct Zone {
    walls: Walls,
    rules: Rules,
    tick: u32,
    number: u16,
    walker: Walker,
    at: (i32, i32),
    commands: Commands,
    consumed: Option<u32>,
    margin_2ms: i32,
    hello: Option<Hello>,
    acks: netproto::Acks,
    n_packets: u32,
    is_silent: bool,
    /// Ticks without a command, once there was one.
    n_made_up: u32,
    /// Tick of the newest snapshot, if they only go now and then.
    by_news: Option<u32>,
}

struct Nobody;

impl Slots for Nobody {
    fn occupant(&self, _: u32) -> (u32, Kind) {
        (0, Kind::Player)
    }
    fn run(&self, _: usize, _: u32) -> u64 {
        0
    }
    fn news_age(&self, _: u32) -> u32 {
        0
    }
}

impl Zone {
    fn new(tick: u32) -> Self {
        let walls = Walls::from_seed(3, 150_000);
        let at = walls.free_near(70_000, 70_000);
        let rules = Rules::at(20);
        Self {
            rules,
            tick,
            number: 0,
            walker: Walker::rested(&rules),
            at,
            walls,
            commands: Commands::default(),
            consumed: None,
            margin_2ms: 0,
            hello: None,
            acks: netproto::Acks::default(),
            n_packets: 0,
            is_silent: false,
            n_made_up: 0,
            by_news: None,
        }
    }

    fn welcome(&self) -> Welcome {
        Welcome {
            entity: 42,
            tick: self.tick,
            ticks_per_second: 20,
            side_mm: 150_000,
            wall_hash: self.walls.hash(),
            resume_token: vec![7; 32],
            resumed: self.hello.as_ref().is_some_and(|hello| hello.resume_token == [7; 32]),
            kernel_version: u32::from(KERNEL_VERSION),
            ..Welcome::default()
        }
    }

    /// Answers a record: to the hello belong a welcome and, unless they are at hand, walls.
    fn handle_record(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let Ok(hello) = version::judge(bytes) else { return vec![] };
        let needs_walls = hello.wall_hash != self.walls.hash();
        self.hello = Some(hello);
        self.number = 0;
        let mut answers = vec![encoded(|out| self.welcome().encode(out))];
        if needs_walls {
            answers.extend(
                crate::walls::records(&self.walls, 4).iter().map(|part| encoded(|out| part.encode(out))),
            );
        }
        answers
    }

    fn handle_input(&mut self, bytes: &[u8], until_step_ns: u64) {
        let packet = InputPacket::decode(bytes).unwrap();
        self.n_packets += 1;
        self.acks = packet.acks;
        for (tick, command) in packet.oldest_first() {
            let ahead = tick.wrapping_sub(self.tick) as i32;
            let is_new = self.commands.get(tick).is_none();
            if is_new {
                let margin_ns = until_step_ns as i64 + i64::from(ahead - 1) * TICK_NS as i64;
                self.margin_2ms = (margin_ns / 2_000_000).clamp(-128, 127) as i32;
            }
            if (1..=16).contains(&ahead) && is_new {
                self.commands.push(tick, command, Nanos(0));
            }
        }
    }

    /// The snapshot of the next tick, if one goes.
    fn step(&mut self) -> Option<Vec<u8>> {
        self.tick = self.tick.wrapping_add(1);
        let tick = self.tick;
        if self.commands.get(tick).is_some() {
            self.consumed = Some(tick);
        }
        self.n_made_up += u32::from(self.consumed.is_some_and(|consumed| consumed != tick));
        let (command, path) = (self.commands.effective(tick), Path { goal_tick: !tick, ..Path::default() });
        let (vx, vy) = self.walker.step(tick, self.at, &command, &path, &self.rules);
        self.at = advance(&self.walls, self.at.0, self.at.1, vx, vy);
        let state = OwnState {
            move_state: self.walker.shown_state(),
            speed_mm_per_tick: self.rules.speed_mm_per_tick as u32,
            resource: u32::from(self.walker.resource),
            ..OwnState::default()
        };
        let is_due = self.by_news.is_none_or(|sent| tick.wrapping_sub(sent) > mix(tick) % 4);
        is_due.then(|| {
            self.by_news = self.by_news.map(|_| tick);
            self.frame(Some(state))
        })
    }

    fn frame(&mut self, state: Option<OwnState>) -> Vec<u8> {
        let below = self.consumed.map_or(NONE_CONSUMED, |consumed| self.tick.wrapping_sub(consumed).min(254));
        let number = u32::from(self.number);
        let header = Header { number, tick: self.tick, consumed_below: below, margin_2ms: self.margin_2ms };
        self.number = self.number.wrapping_add(1);
        let own = Own { x_mm: self.at.0 as u32, y_mm: self.at.1 as u32, state };
        let parts =
            Parts { header, own, news: 0, introduced: 0, steps: 0, groups: [0; N_GROUPS], timed: &[] };
        let mut buffer = [0; FRAME_BUFFER_BYTES];
        let n_bytes = encode(&parts, &Nobody, &mut buffer);
        buffer[..n_bytes].to_vec()
    }
}

fn encoded(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    out
}

struct Table {
    session: Session,
    zone: Zone,
    frame: Frame,
    now: u64,
    next_step: u64,
    is_open: bool,
    events: Vec<Event>,
    n_connects: u32,
}

impl Table {
    fn new(settings: Settings, tick: u32) -> Self {
        let session = Session::new(settings, Nanos(0));
        let (zone, frame) = (Zone::new(tick), Frame::default());
        Self {
            session,
            zone,
            frame,
            now: 0,
            next_step: TICK_NS,
            is_open: false,
            events: vec![],
            n_connects: 0,
        }
    }

    fn run(&mut self, ms: u64) {
        for _ in 0..ms {
            self.now += MS;
            self.pass();
        }
    }

    fn pass(&mut self) {
        let now = Nanos(self.now);
        if self.next_step <= self.now {
            let bytes = self.zone.step();
            self.next_step += TICK_NS;
            let is_heard = self.is_open && self.zone.hello.is_some() && !self.zone.is_silent;
            if let Some(bytes) = bytes.filter(|_| is_heard) {
                self.session.handle_datagram(now, &bytes, &mut self.frame);
            }
        }
        self.session.handle_timeout(now);
        while let Some(order) = self.session.poll_link() {
            self.is_open = order == LinkOrder::Connect;
            self.n_connects += u32::from(self.is_open);
            if self.is_open && !self.zone.is_silent {
                self.session.handle_connected(now);
            }
        }
        while let Some(record) = self.session.poll_record() {
            for answer in self.zone.handle_record(&record) {
                self.session.handle_record(now, &answer);
            }
        }
        while let Some(bytes) = self.session.poll_input(now) {
            self.zone.handle_input(bytes, self.next_step - self.now);
        }
        self.events.extend(std::iter::from_fn(|| self.session.poll_event()));
    }

    fn errors_mm(&self) -> Vec<u32> {
        let applied = self.events.iter().filter_map(|event| match event {
            Event::Applied(applied) => applied.error_mm,
            _ => None,
        });
        applied.collect()
    }

    fn count(&self, what: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|event| what(event)).count()
    }
}

/// A number that looks like chance.
fn mix(tick: u32) -> u32 {
    tick.wrapping_mul(0x9e37_79b9) >> 20
}

fn steer(angle: u32) -> Command {
    Command { movement: Move::Steer(Steer { angle, speed: 3 }), deed: None }
}

#[test]
fn a_session_enters_walks_and_is_predicted_exactly() {
    for tick in [1_000, (1 << 31) - 50, u32::MAX - 50] {
        let mut table = Table::new(Settings::default(), tick);
        table.run(500);
        assert!(table.session.is_playing(), "events: {:?}", table.events);
        let from = table.zone.at;
        for leg in 0..20 {
            table.session.set_command(steer(leg * 40 % 256));
            table.run(500);
        }
        assert_ne!(table.zone.at, from);
        let errors = table.errors_mm();
        assert!(errors.len() > 180 && errors.iter().all(|error| *error == 0), "{errors:?}");
        assert!(
            table.zone.commands.effective(table.zone.tick).movement == steer(760 % 256).movement
                || tick != 1_000
        );
        assert_eq!(table.zone.acks.before, 0x7fff, "every snapshot was acknowledged");
        let acked: Vec<u64> = table
            .events
            .iter()
            .filter_map(|e| if let Event::InputAcked { ns } = e { Some(*ns) } else { None })
            .collect();
        assert!(acked.len() > 180 && acked.iter().all(|ns| (10 * MS..30 * MS).contains(ns)), "{acked:?}");
    }
}

/// Walks for ten seconds, and turns twice in each.
fn walk(table: &mut Table) {
    for leg in 0..20 {
        table.session.set_command(steer(leg * 40 % 256));
        table.run(500);
    }
}

#[test]
fn snapshots_that_come_now_and_then_predict_as_well_as_those_of_every_tick() {
    let mut table = Table::new(Settings::default(), 1_000);
    table.zone.by_news = Some(1_000);
    table.run(1_500);
    let n_before = table.errors_mm().len();
    walk(&mut table);
    let errors = table.errors_mm();
    assert!((60..140).contains(&(errors.len() - n_before)), "{} snapshots", errors.len() - n_before);
    assert!(errors.iter().all(|error| *error == 0), "{errors:?}");
    let clock = table.session.clock().unwrap();
    assert_eq!((clock.n_snaps, clock.n_left_out), (0, 0));
    // A command is heard of with the first snapshot behind its tick, which may be four ticks later.
    let slow = |event: &Event| matches!(event, Event::InputAcked { ns } if *ns > 30 * MS + 4 * TICK_NS);
    assert_eq!(table.count(slow), 0);
}

#[test]
fn two_commands_share_a_datagram_unless_one_is_urgent_and_none_comes_late() {
    let mut table = Table::new(Settings { pack: true, ..Settings::default() }, 1_000);
    table.run(3_000);
    let (n_packets, n_made_up) = (table.zone.n_packets, table.zone.n_made_up);
    walk(&mut table);
    let errors = table.errors_mm();
    let n_sent = table.zone.n_packets - n_packets;
    // Ten a second, and one more in some of the turns, two of which there are in a second.
    assert!((95..=125).contains(&n_sent), "{n_sent} datagrams in ten seconds");
    assert_eq!(table.zone.consumed, Some(table.zone.tick));
    assert!(errors.iter().all(|error| *error == 0), "{errors:?}");
    assert_eq!(table.zone.n_made_up, n_made_up, "a command came late");
    let deed = Some(netproto::Deed { swing: true, ..netproto::Deed::default() });
    for _ in 0..20 {
        let n_packets = table.zone.n_packets;
        table.session.set_command(Command { deed, ..steer(7) });
        table.run(51);
        assert!(table.zone.n_packets > n_packets, "a deed waited");
    }
}

#[test]
fn who_lost_a_snapshot_of_late_sends_every_command_at_once() {
    let mut table = Table::new(Settings { pack: true, ..Settings::default() }, 1_000);
    table.session.set_command(steer(7));
    table.run(2_000);
    let n_packets = |table: &mut Table, ms| {
        let before = table.zone.n_packets;
        table.run(ms);
        table.zone.n_packets - before
    };
    assert_eq!(n_packets(&mut table, 1_000), 10);
    table.zone.number = table.zone.number.wrapping_add(1); // one that never comes
    table.run(51);
    assert!((10..=11).contains(&n_packets(&mut table, 500)));
    table.run(500);
    assert_eq!(n_packets(&mut table, 1_000), 10, "after fifteen good ones it is forgotten");
}

#[test]
fn a_goal_and_a_deed_are_sent_once_and_then_followed() {
    let mut table = Table::new(Settings::default(), 1_000);
    table.run(500);
    let goal = Move::Goal(netproto::Goal { x_mm: 70_000, y_mm: 60_000 });
    let deed = Some(netproto::Deed { swing: true, ..netproto::Deed::default() });
    table.session.set_command(Command { movement: goal, deed });
    table.run(300);
    let newest = table.session.visit.commands.newest().unwrap();
    let sent: Vec<Command> =
        (newest - 6..=newest).map(|tick| *table.session.visit.commands.get(tick).unwrap()).collect();
    assert_eq!(sent.iter().filter(|command| command.movement == goal).count(), 1);
    assert_eq!(sent.iter().filter(|command| command.deed.is_some()).count(), 1);
    assert_eq!(sent.last().unwrap().movement, Move::Follow(Follow {}));
}

#[test]
fn walls_at_hand_are_not_asked_for() {
    let walls = Arc::new(Zone::new(0).walls);
    let mut table = Table::new(Settings { walls: Some(Arc::clone(&walls)), ..Settings::default() }, 5);
    table.run(300);
    assert!(table.session.is_playing());
    assert!(Arc::ptr_eq(table.session.walls().unwrap(), &walls));
    assert_eq!(table.zone.hello.as_ref().unwrap().wall_hash, walls.hash());
}

#[test]
fn a_second_of_silence_brings_a_reconnect_with_the_token_after_a_random_delay() {
    let mut delays = Vec::new();
    for seed in 0..20 {
        let mut table = Table::new(Settings { seed, ..Settings::default() }, 1_000);
        table.run(2_000);
        table.zone.is_silent = true;
        table.zone.hello = None;
        table.run(1_060);
        assert_eq!(table.count(|event| *event == Event::Lost), 1);
        table.zone.is_silent = false;
        let lost_at = table.now;
        while table.n_connects < 2 {
            table.run(1);
        }
        delays.push(table.now - lost_at);
        table.run(300);
        assert!(table.session.is_playing());
        assert_eq!(table.count(|event| matches!(event, Event::Welcome { resumed: true, .. })), 1);
        table.session.set_command(steer(10));
        table.run(3_000);
        assert!(table.errors_mm().iter().all(|error| *error == 0), "seed {seed}");
    }
    delays.sort_unstable();
    delays.dedup();
    assert!(delays.len() > 15 && delays.iter().all(|delay| *delay < 1_100 * MS), "{delays:?}");
}

#[test]
fn a_zone_that_stays_away_is_asked_again_ever_more_rarely() {
    let mut table = Table::new(Settings::default(), 1_000);
    table.zone.is_silent = true;
    for _ in 0..300_000 / 50 {
        table.run(1);
        table.now += 49 * MS;
        if table.is_open {
            table.is_open = false;
            table.session.handle_closed(Nanos(table.now));
        }
    }
    assert!((30..200).contains(&table.n_connects), "{} connects in 300 s", table.n_connects);
}

#[test]
fn a_hello_without_an_answer_is_given_up_and_said_again_on_another_connection() {
    let mut session = Session::new(Settings::default(), Nanos(0));
    session.handle_timeout(Nanos(0));
    session.handle_connected(Nanos(MS));
    assert_eq!(session.poll_timeout(), Nanos(MS + ANSWER_NS_MAX));
    session.handle_timeout(Nanos(ANSWER_NS_MAX));
    assert_eq!(session.poll_event(), None);
    session.handle_timeout(Nanos(MS + ANSWER_NS_MAX));
    assert_eq!(session.poll_event(), Some(Event::Lost));
    assert_eq!(
        [session.poll_link(), session.poll_link()],
        [Some(LinkOrder::Connect), Some(LinkOrder::Close)]
    );
    session.handle_timeout(session.poll_timeout());
    assert_eq!(session.poll_link(), Some(LinkOrder::Connect));
}

#[test]
fn a_refusal_for_a_reason_that_stays_ends_the_session() {
    for (reason, is_over) in
        [(Refusal::Epoch, true), (Refusal::ResumedElsewhere, true), (Refusal::Draining, false)]
    {
        let mut session = Session::new(Settings::default(), Nanos(0));
        session.handle_timeout(Nanos(0));
        session.handle_connected(Nanos(1));
        let refused = netproto::RefusedRecord { reason: reason as u32, text: "no".into() };
        session.handle_record(Nanos(2), &encoded(|out| refused.encode(out)));
        assert_eq!(session.is_over(), is_over, "{reason:?}");
        assert!(matches!(session.poll_event(), Some(Event::Refused { .. })));
    }
}

#[test]
fn a_notice_is_held_until_a_snapshot_of_its_tick() {
    let mut table = Table::new(Settings::default(), 1_000);
    table.run(500);
    let tick = table.zone.tick + 4;
    let notice = Notice { tick, text: "soon".into() };
    table.session.handle_record(Nanos(table.now), &encoded(|out| notice.encode(out)));
    let is_notice = |event: &Event| matches!(event, Event::Notice(_));
    while table.zone.tick < tick {
        assert_eq!(table.count(is_notice), 0, "told in tick {}", table.zone.tick);
        table.run(1);
    }
    table.run(1);
    assert_eq!(table.count(is_notice), 1);
}

#[test]
fn while_walls_are_missing_acks_flow_five_times_a_second() {
    let mut session = Session::new(Settings::default(), Nanos(0));
    let (mut zone, mut frame) = (Zone::new(1_000), Frame::default());
    session.handle_timeout(Nanos(0));
    session.handle_connected(Nanos(1));
    session.handle_record(Nanos(1), &encoded(|out| zone.welcome().encode(out)));
    for ms in 0..2_000u64 {
        if ms % 50 == 0 {
            let bytes = zone.step();
            session.handle_datagram(Nanos(ms * MS), &bytes.expect("every tick"), &mut frame);
        }
        while let Some(bytes) = session.poll_input(Nanos(ms * MS)) {
            assert_eq!(InputPacket::decode(bytes).unwrap().n_commands, 0);
            zone.n_packets += 1;
        }
    }
    assert!((9..=11).contains(&zone.n_packets), "{} datagrams in 2 s", zone.n_packets);
}

#[test]
fn a_thin_client_acknowledges_and_walks_without_looking_around() {
    let thin = Settings { decode: false, predict: false, ..Settings::default() };
    let mut table = Table::new(thin, 1_000);
    table.session.set_command(steer(64));
    table.run(3_000);
    assert!(table.session.is_playing() && table.session.walls().is_none());
    assert_eq!(table.zone.acks.before, 0x7fff);
    assert_eq!(table.session.own_at().0, table.zone.at.0);
    assert_eq!(table.session.view().counts.decode_errors, 0);
}

/// Everything a hostile zone may say, at every stage: no panic, and an honest zone is understood afterwards.
#[test]
fn hostile_bytes_change_nothing_but_counts() {
    let mut draw = 99u64;
    let mut random = move |n: u64| {
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (draw >> 33) % n
    };
    let mut table = Table::new(Settings::default(), 1_000);
    let mut good: Vec<Vec<u8>> = vec![encoded(|out| table.zone.welcome().encode(out))];
    good.extend(
        crate::walls::records(&table.zone.walls, 4).iter().map(|part| encoded(|out| part.encode(out))),
    );
    let path = netproto::Path { goal_tick: 1_005, effective_tick: 1_007, x_mm: vec![5, 6], y_mm: vec![7, 8] };
    good.push(encoded(|out| path.encode(out)));
    good.push(encoded(|out| Notice { tick: 9, text: "x".into() }.encode(out)));
    for round in 0..60_000u64 {
        if round % 64 == 0 {
            table.run(7);
        }
        let now = Nanos(table.now);
        let is_record = random(2) == 0;
        let mut bytes = match random(3) {
            0 => (0..random(200)).map(|_| random(256) as u8).collect(),
            _ if is_record => good[random(good.len() as u64) as usize].clone(),
            _ => table.zone.frame(Some(OwnState {
                move_state: MoveState::Forced,
                forced_ticks: 3,
                ..OwnState::default()
            })),
        };
        for _ in 0..1 + random(4) {
            let at = random(bytes.len().max(1) as u64) as usize;
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << random(8);
            }
        }
        bytes.truncate(random(2 * bytes.len() as u64 + 1) as usize);
        let is_refusal = bytes.first() == Some(&netproto::RefusedRecord::OPCODE);
        match is_record {
            true if !is_refusal => table.session.handle_record(now, &bytes),
            true => {}
            false => table.session.handle_datagram(now, &bytes, &mut table.frame),
        }
        while table.session.poll_input(now).is_some() {}
        while table.session.poll_event().is_some() {}
    }
    assert!(table.session.n_bad_records > 1_000 && table.session.view().counts.decode_errors > 1_000);
}

#[test]
fn replays_are_bounded_in_every_frame() {
    assert_eq!(predict::REPLAYS_MAX, 8);
}

#[test]
fn a_stretched_zone_is_followed_by_what_it_announced() {
    let mut table = Table::new(Settings::default(), 1_000);
    table.run(2_000);
    let tick = table.zone.tick + 6;
    for (period_us, n_bad) in [(100_000, 0), (10, 1), (u32::MAX, 2)] {
        let pace = netproto::Pace { tick, period_us };
        table.session.handle_record(Nanos(table.now), &encoded(|out| pace.encode(out)));
        assert_eq!(table.session.n_bad_records, n_bad, "{period_us} us");
    }
    let mut clock = table.session.clock().expect("the session plays").clone();
    let mut due = || {
        let at = clock.poll_timeout().expect("there is a schedule");
        (clock.poll_tick(at).expect("it is due"), at.0)
    };
    let mut last = due();
    for _ in 0..12 {
        let next = due();
        let expected = if last.0 < tick { TICK_NS } else { 2 * TICK_NS };
        assert!((next.1 - last.1).abs_diff(expected) <= expected / 19, "after tick {}", last.0);
        last = next;
    }
    assert!(last.0 > tick);
}
