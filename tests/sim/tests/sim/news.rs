//! Where snapshots go by news: what is urgent is seen in its tick, everything else within a tenth of a second, and who
//! has nothing to be told hears little.
//!
//! What is checked is what a client without a network before it would see, against the world, in every tick.

use crate::fixtures::on_threads;
use client_core::view::View;
use engine::clients::HOLD_MS;
use engine::{Budget, Content, DurableId, EntityId, Input, Rung, Sending, World, ZoneConfig, tick};
use harness::drive::durable;
use harness::oracle::{SEGMENT_MM, Truth};
use harness::scenario::HZ;
use harness::{Drive, Knobs, Loss, Scenario};
use netproto::input::InputPacket;
use netproto::peer::IN_FLIGHT_DATAGRAMS;
use netproto::snapshot::{Frame, decode};
use netproto::{Command, Deed, INTRODUCTIONS_MAX, Move, SLOTS, Steer};
use std::collections::BTreeMap;

const ALICE: DurableId = DurableId { low: 1, high: 7 };
const BOB: DurableId = DurableId { low: 2, high: 7 };
/// Ticks that news may wait.
const HOLD_TICKS: u32 = HOLD_MS * HZ / 1000;
/// The same for looks of those who are not near, while load is shed.
const COSMETIC_TICKS_MAX: u32 = 26;
/// So much longer it may take where snapshots are full.
const FULL_TICKS_MAX: u32 = 8;
/// Until everybody is introduced to everybody near.
const BEGIN_TICKS: u32 = 40;

/// One client's eyes, with no network before them.
struct Eyes {
    player: DurableId,
    view: View,
    /// Who sat where, and how well the player was, a tick ago.
    sat: [EntityId; SLOTS],
    health: u16,
    /// For so many ticks in a row each slot was wrong.
    wrong: [u32; SLOTS],
    /// The newest snapshot had no room for all introductions.
    is_full: bool,
    /// For so many ticks a slot may be wrong.
    wrong_max: u32,
}

/// What all of them found.
#[derive(Debug, Default)]
struct Found {
    snapshots: u32,
    wounds: u32,
    deaths: u32,
    hits: u32,
    /// Of these, those that were told in a later tick: there may be more than a snapshot has room for.
    late: u32,
    near: u32,
    /// Snapshots without room for all introductions.
    full: u32,
    /// Slot-ticks by how long they had been wrong.
    waits: [u32; COSMETIC_TICKS_MAX as usize + 1],
}

impl Eyes {
    fn new(player: DurableId, wrong_max: u32) -> Self {
        let (sat, wrong) = ([EntityId::NONE; SLOTS], [0; SLOTS]);
        Self { player, view: View::default(), sat, health: 0, wrong, is_full: false, wrong_max }
    }

    /// After a tick, with the snapshot that went to this client in it, if one did.
    fn look(&mut self, world: &World, snapshot: Option<&Frame>, is_begun: bool, found: &mut Found) {
        assert!(!self.is_full || snapshot.is_some(), "introductions that found no room wait");
        found.full += u32::from(self.is_full);
        self.is_full = false;
        if let Some(frame) = snapshot {
            assert!(self.view.apply(frame), "snapshots are applied in their order");
            let view = &world.client_of(self.player).expect("a client").view;
            self.is_full = view.occupied & !view.known != 0 && frame.n_introductions == INTRODUCTIONS_MAX;
            found.snapshots += u32::from(is_begun);
            self.check_timed(found);
        }
        let row = world.row_of(world.entity_of(self.player).expect("a body")).expect("it is there");
        let health = world.columns().health[row.at()];
        if is_begun {
            found.wounds += u32::from(health != self.health);
            assert!(
                health == self.health || snapshot.is_some(),
                "the own health changed, and nobody said so"
            );
            self.check_slots(world, found);
        }
        self.health = health;
        let client = world.client_of(self.player).expect("a client");
        self.sat = [EntityId::NONE; SLOTS];
        for slot in client.view.slots() {
            self.sat[slot as usize] = world.columns().id[client.row(slot).at()];
        }
    }

    fn check_timed(&self, found: &mut Found) {
        for timed in self.view.fresh_timed() {
            found.hits += 1;
            found.late += u32::from(timed.age > 0);
        }
    }

    fn check_slots(&mut self, world: &World, found: &mut Found) {
        let (truth, client) =
            (Truth::of(world, self.player), world.client_of(self.player).expect("a client"));
        for slot in 0..SLOTS {
            let (shown, is_shown) = (self.view.slots().entity[slot], self.view.occupied() >> slot & 1 == 1);
            let sat = self.sat[slot];
            if sat != EntityId::NONE && world.row_of(sat).is_none() {
                found.deaths += 1;
                assert!(!is_shown || shown != sat.0, "slot {slot} shows somebody who is no more");
            }
            let is_occupied = client.view.occupied >> slot & 1 == 1;
            let is_right = if is_occupied { self.is_right(&truth, slot) } else { !is_shown };
            self.wrong[slot] = if is_right || self.is_full { 0 } else { self.wrong[slot] + 1 };
            let (wrong, is_near) = (self.wrong[slot], client.near >> slot & 1 == 1);
            assert!(
                wrong <= self.wrong_max,
                "slot {slot} of {:?} has been wrong for {wrong} ticks",
                self.player
            );
            found.waits[wrong as usize] += u32::from(is_occupied);
            if is_near && is_occupied {
                found.near += 1;
                assert_eq!(wrong, 0, "slot {slot} of {:?} is near, and wrong", self.player);
            }
        }
    }

    fn is_right(&self, truth: &Truth, slot: usize) -> bool {
        self.view.occupied() >> slot & 1 == 1 && truth.agrees(&self.view, slot, SEGMENT_MM)
    }
}

/// Runs a scenario with many eyes in it, on a level of load shedding.
fn watched(scenario: Scenario, n_players: u32, n_ticks: u32, level: u8) -> Found {
    const N_EYES: u32 = 50;
    let knobs = Knobs { scenario, n_players, n_decoding: 0, loss: Loss::None };
    let wrong_max = if level == 0 { HOLD_TICKS } else { COSMETIC_TICKS_MAX };
    on_threads(1, || {
        let mut drive = Drive::sending(&knobs, Sending::News);
        let mut eyes: Vec<Eyes> =
            (0..N_EYES).map(|n| Eyes::new(durable(n * (n_players / N_EYES) + n % 5), wrong_max)).collect();
        let (mut found, mut frame) = (Found::default(), Box::<Frame>::default());
        for at in 0..n_ticks {
            drive.step(|world, inputs| {
                let mut inputs = inputs.to_vec();
                inputs.extend((at == 1).then_some(Input::Shed(level)));
                tick(world, &inputs);
            });
            for eyes in &mut eyes {
                let bytes = drive.world.frames().find(|(player, _)| *player == eyes.player);
                let snapshot = bytes.map(|(_, bytes)| {
                    decode(bytes, &mut frame).expect("our own frames decode");
                    &*frame
                });
                eyes.look(&drive.world, snapshot, at >= BEGIN_TICKS, &mut found);
            }
        }
        let ages = drive.world.counts().ages;
        let n_too_old: u64 = ages.other[HOLD_TICKS as usize + 1..].iter().sum();
        assert!(level > 0 || (ages.near_waits, n_too_old) == (0, 0), "{ages:?}");
        assert!(ages.other[..=HOLD_TICKS as usize].iter().all(|n| *n > 0) && ages.near > 0, "{ages:?}");
        let per_second = f64::from(found.snapshots * HZ) / f64::from(N_EYES * (n_ticks - BEGIN_TICKS));
        println!("{scenario:?}: {per_second:.1} snapshots per client and second; {found:?}");
        assert!(per_second < 14.0 || scenario == Scenario::Brawl, "{per_second:.1} per client and second");
        let late_max = if scenario == Scenario::Brawl { found.hits / 10 } else { found.hits / 50 };
        assert!(found.late <= late_max, "{} of {} events were told late", found.late, found.hits);
        found
    })
}

#[test]
fn near_news_is_seen_in_its_tick_and_other_news_within_a_tenth_of_a_second_towns() {
    let found = watched(Scenario::Towns, 600, 500, 0);
    assert!(found.near > 10_000 && found.wounds > 20 && found.deaths > 20 && found.hits > 100, "{found:?}");
    assert!(found.waits[..=HOLD_TICKS as usize].iter().all(|n| *n > 1_000), "{found:?}");
}

#[test]
fn near_news_is_seen_in_its_tick_and_other_news_within_a_tenth_of_a_second_crowd() {
    let found = watched(Scenario::Crowd, 600, 300, 0);
    assert!(found.near > 10_000 && found.deaths > 20 && found.hits > 100 && found.full > 50, "{found:?}");
}

#[test]
fn what_others_announce_far_away_is_told_in_its_tick() {
    let found = watched(Scenario::Brawl, 300, 200, 0);
    assert!(found.hits > 1_000, "{found:?}");
}

#[test]
fn what_a_lost_snapshot_held_goes_in_the_tick_in_which_the_loss_is_known() {
    on_threads(1, || {
        let mut world = zone();
        let place = Some((140_000, 128_000));
        let bob = Input::Join { player: BOB, in_flight_max: IN_FLIGHT_DATAGRAMS, place };
        tick(&mut world, &[bob]);
        let (mut frame, mut history, mut n_known) = (Box::<Frame>::default(), Vec::new(), 0);
        for at in 0..600u32 {
            let snapshot = world.frames().find(|(player, _)| *player == ALICE);
            if let Some((_, bytes)) = snapshot {
                decode(bytes, &mut frame).expect("our own frames decode");
                let has_news = frame.groups.iter().fold(frame.steps, |any, mask| any | mask) != 0;
                history.push((frame.header.number as u16, has_news));
            }
            // Bob turns now and then; Alice stands, and every seventh snapshot does not reach her.
            let mut inputs = vec![packet(BOB, &world, at / 7 * 64 % 256, None)];
            let is_lost = |number: &u16| number % 7 == 3;
            let newest = history.iter().map(|(number, _)| *number).rfind(|number| !is_lost(number));
            inputs.push(packet(ALICE, &world, 0, newest));
            let n_lost = world.client_of(ALICE).expect("she is there").view.n_lost;
            tick(&mut world, &inputs);
            let is_known = world.client_of(ALICE).expect("she is there").view.n_lost > n_lost;
            if is_known && history.iter().rfind(|(number, _)| is_lost(number)).expect("it is lost").1 {
                n_known += 1;
                assert!(world.frames().any(|(player, _)| player == ALICE), "nothing in tick {}", world.now());
            }
        }
        assert!(n_known > 10, "{n_known} losses");
    });
}

/// Walks, or stands at angle 0, and acknowledges all but every seventh up to a number.
fn packet(player: DurableId, world: &World, angle: u32, newest: Option<u16>) -> Input {
    let mut packet = InputPacket { tick: world.now() + 1, n_commands: 1, ..InputPacket::default() };
    let speed = if angle == 0 { 0 } else { 3 };
    packet.commands[0] = Command { movement: Move::Steer(Steer { angle, speed }), deed: None };
    packet.acks.seen = newest.is_some();
    packet.acks.newest = u32::from(newest.unwrap_or(0));
    for back in 1..16u16 {
        let is_applied = newest.is_some_and(|newest| newest >= back && (newest - back) % 7 != 3);
        packet.acks.before |= u32::from(is_applied) << (back - 1);
    }
    Input::Packet { player, margin_2ms: 0, packet }
}

#[test]
fn what_is_held_back_while_load_is_shed_has_its_turn_every_second() {
    let found = watched(Scenario::Towns, 600, 300, Rung::Cosmetic.level());
    assert!(
        found.waits[HOLD_TICKS as usize + 1..].iter().sum::<u32>() > 1_000,
        "nothing was held: {found:?}"
    );
}

#[test]
fn what_a_budget_has_no_room_for_goes_on_in_the_next_tick() {
    for scenario in [Scenario::Crowd, Scenario::Brawl] {
        on_threads(1, || squeezed(scenario));
    }
}

/// Seen was that what a budget had cut waited as if it were new, since only introductions counted as left, and those
/// after the cut. Now all that was cut keeps its age and goes on at once.
fn squeezed(scenario: Scenario) {
    const N_EYES: u32 = 50;
    let knobs = Knobs { scenario, n_players: 600, n_decoding: 0, loss: Loss::None };
    let mut drive = Drive::sending(&knobs, Sending::News);
    let eyes: Vec<DurableId> = (0..N_EYES).map(|n| durable(n * 12 + n % 5)).collect();
    let budget = Budget { send_every: 1, slots: 64, frame_bytes: 160 };
    let (mut waited, mut is_left) = ([[0u32; SLOTS]; N_EYES as usize], [false; N_EYES as usize]);
    let (mut n_left, mut longest) = (0, 0);
    for at in 0..300 {
        drive.step(|world, inputs| {
            let budgets =
                eyes.iter().filter(|_| at + 1 == BEGIN_TICKS).map(|&player| Input::Budget { player, budget });
            tick(world, &budgets.chain(inputs.iter().cloned()).collect::<Vec<_>>());
        });
        for (eye, &player) in eyes.iter().enumerate().filter(|_| at >= BEGIN_TICKS) {
            let is_told = drive.world.frames().any(|(to, _)| to == player);
            assert!(is_told || !is_left[eye], "{scenario:?}: what found no room waits in tick {at}");
            let due = drive.world.client_of(player).expect("a client").view.due();
            is_left[eye] = is_told && due != 0;
            n_left += u32::from(is_left[eye]);
            for (slot, waited) in waited[eye].iter_mut().enumerate() {
                *waited = if due >> slot & 1 == 1 { *waited + 1 } else { 0 };
                longest = longest.max(*waited);
            }
        }
    }
    let ages = drive.world.counts().ages;
    println!("{scenario:?}: {n_left} snapshots left something, for {longest} ticks at most; {ages:?}");
    assert!(n_left > 100, "{scenario:?}: {n_left} snapshots were full");
    assert!(longest <= HOLD_TICKS + FULL_TICKS_MAX, "{scenario:?}: news waited for {longest} ticks");
}

fn zone() -> World {
    let mut world = empty(HZ, 2, |_| {});
    let place = Some((128_000, 128_000));
    tick(&mut world, &[Input::Join { player: ALICE, in_flight_max: IN_FLIGHT_DATAGRAMS, place }]);
    world
}

/// A zone with room for so many, and nobody in it.
fn empty(ticks_per_second: u32, players_max: u32, change: impl FnOnce(&mut Content)) -> World {
    let config = ZoneConfig {
        seed: 3,
        side_mm: 256_000,
        ticks_per_second,
        players_max,
        creatures: 0,
        spawn_radius_mm: 20_000,
        den_radius_mm: 0,
        sending: Sending::News,
    };
    let mut content = Content::standard(ticks_per_second);
    change(&mut content);
    World::new(&config, content)
}

/// What Alice sends for the next tick: she walks east, and has applied all that there was.
fn going(world: &World, applied: &mut Option<u16>, angle: u32) -> Input {
    let newest = world.frames().next().map(|(_, bytes)| u16::from_le_bytes([bytes[0], bytes[1]]));
    *applied = newest.or(*applied);
    let mut packet = InputPacket { tick: world.now() + 1, n_commands: 1, ..InputPacket::default() };
    packet.commands[0] = Command { movement: Move::Steer(Steer { angle, speed: 3 }), deed: None };
    packet.acks.seen = applied.is_some();
    packet.acks.newest = u32::from(applied.unwrap_or(0));
    packet.acks.before = 0x7fff;
    Input::Packet { player: ALICE, margin_2ms: 0, packet }
}

#[test]
fn who_has_nothing_to_be_told_hears_five_times_a_second_that_commands_arrive() {
    on_threads(1, || {
        let (mut world, mut applied, mut sent) = (zone(), None, Vec::new());
        for at in 0..120u32 {
            let input = going(&world, &mut applied, 0);
            tick(&mut world, &[input]);
            if at >= 20 {
                sent.extend(world.frames().map(|_| world.now()));
            }
        }
        assert!(sent.windows(2).all(|two| two[1] - two[0] == HZ / 5), "{sent:?}");
        assert_eq!(sent.len(), 25);
    });
}

#[test]
fn a_command_that_did_not_come_is_told_in_its_tick() {
    on_threads(1, || {
        let (mut world, mut applied) = (zone(), None);
        for at in 0..100u32 {
            let is_missing = at % 11 == 10;
            let input = going(&world, &mut applied, 0);
            tick(&mut world, if is_missing { &[] } else { std::slice::from_ref(&input) });
            assert!(!is_missing || world.frames().count() == 1, "nobody was told in tick {}", world.now());
        }
    });
}

/// Everybody walks, turns now and then, and acknowledges all that came.
fn walking(world: &World, players: &[DurableId], newest: &mut BTreeMap<DurableId, u16>) -> Vec<Input> {
    newest.extend(world.frames().map(|(player, bytes)| (player, u16::from_le_bytes([bytes[0], bytes[1]]))));
    let next = world.now() + 1;
    let packet = |player: &DurableId| {
        let mut packet = InputPacket { tick: next, n_commands: 1, ..InputPacket::default() };
        let angle = (player.low * 31 + next / 8 * 57) % 256;
        packet.commands[0] = Command { movement: Move::Steer(Steer { angle, speed: 3 }), deed: None };
        packet.acks.seen = newest.contains_key(player);
        packet.acks.newest = newest.get(player).copied().unwrap_or(0).into();
        packet.acks.before = 0x7fff;
        Input::Packet { player: *player, margin_2ms: 0, packet }
    };
    players.iter().map(packet).collect()
}

#[test]
fn at_thirty_ticks_a_second_news_waits_for_a_tenth_of_a_second_and_near_news_for_nothing() {
    const RATE: u32 = 30;
    const HOLD: u32 = HOLD_MS * RATE / 1000;
    on_threads(1, || {
        let players: Vec<DurableId> = (0..200).map(durable).collect();
        let mut world = empty(RATE, 200, |_| {});
        let place = |n: u32| Some((110_000 + n as i32 % 16 * 2_500, 110_000 + n as i32 / 16 * 2_500));
        let join = |player: &DurableId| Input::Join {
            player: *player,
            in_flight_max: IN_FLIGHT_DATAGRAMS,
            place: place(player.low),
        };
        let mut eyes: Vec<Eyes> = players.iter().step_by(10).map(|player| Eyes::new(*player, HOLD)).collect();
        let (mut found, mut frame, mut newest) = (Found::default(), Box::<Frame>::default(), BTreeMap::new());
        for at in 0..300 {
            let inputs = match at {
                0 => players.iter().map(join).collect(),
                _ => walking(&world, &players, &mut newest),
            };
            tick(&mut world, &inputs);
            for eyes in &mut eyes {
                let bytes = world.frames().find(|(player, _)| *player == eyes.player);
                let snapshot = bytes.map(|(_, bytes)| {
                    decode(bytes, &mut frame).expect("our own frames decode");
                    &*frame
                });
                eyes.look(&world, snapshot, at >= BEGIN_TICKS, &mut found);
            }
        }
        let ages = world.counts().ages;
        println!("{found:?}; {ages:?}");
        assert!(found.near > 5_000, "{found:?}");
        assert!(found.waits[1] > 100, "nothing was held: {found:?}");
        assert!(ages.other[..=HOLD as usize].iter().all(|n| *n > 1_000), "{ages:?}");
        assert_eq!(
            (ages.near_waits, ages.other[HOLD as usize + 1..].iter().sum::<u64>()),
            (0, 0),
            "{ages:?}"
        );
    });
}

/// Snapshots that went to everybody in some seconds on a level of load shedding, where paths bear one in so many ticks.
fn n_snapshots(scenario: Scenario, level: u8, send_every: u8) -> u64 {
    const N: u32 = 300;
    let knobs = Knobs { scenario, n_players: N, n_decoding: 0, loss: Loss::None };
    let mut drive = Drive::sending(&knobs, Sending::News);
    let mut before = 0;
    for at in 0..360 {
        drive.step(|world, inputs| {
            let mut inputs = inputs.to_vec();
            if at == 60 {
                let budget = Budget { send_every, slots: 64, frame_bytes: 1_100 };
                inputs.push(Input::Shed(level));
                inputs.extend((0..N).map(|n| Input::Budget { player: durable(n), budget }));
            }
            tick(world, &inputs);
        });
        before = if at == 120 { drive.world.counts().frames } else { before };
    }
    drive.world.counts().frames - before
}

#[test]
fn each_rung_of_the_ladder_and_each_step_of_a_budget_sends_no_more_than_the_one_before() {
    for scenario in [Scenario::Towns, Scenario::Crowd] {
        on_threads(1, || {
            let by_level: Vec<u64> =
                (0..=Rung::Ecology.level()).map(|level| n_snapshots(scenario, level, 1)).collect();
            let by_budget: Vec<u64> = [1, 2, 4].map(|every| n_snapshots(scenario, 0, every)).to_vec();
            println!("{scenario:?}: by level {by_level:?}, by budget {by_budget:?}");
            for counts in [by_level, by_budget] {
                assert!(counts.windows(2).all(|two| two[1] <= two[0]), "{scenario:?}: {counts:?}");
            }
        });
    }
}

#[test]
fn an_announcement_that_was_lost_alone_is_told_again_in_the_tick_in_which_the_loss_is_known() {
    on_threads(1, || {
        let mut world = empty(HZ, 2, |content| content.class.area.windup_ticks = 40);
        // Who announces is never in view; what is announced is in earshot.
        let join = |player, x_mm| Input::Join {
            player,
            in_flight_max: IN_FLIGHT_DATAGRAMS,
            place: Some((x_mm, 128_000)),
        };
        tick(&mut world, &[join(ALICE, 100_000), join(BOB, 156_500)]);
        let (mut frame, mut applied, mut lost_at) = (Box::<Frame>::default(), Vec::<u16>::new(), Vec::new());
        let (mut n_lost, mut told_again_at) = (0, None);
        for at in 0..100u32 {
            let deed = Deed { area: true, aim: 128, reach_64mm: 156, ..Deed::default() };
            let known = world.client_of(ALICE).expect("she is there").view.n_lost;
            let bob = packet_of(BOB, &world, (at == 40).then_some(deed), &[]);
            let alice = packet_of(ALICE, &world, None, &applied);
            tick(&mut world, &[alice, bob]);
            let is_known = world.client_of(ALICE).expect("she is there").view.n_lost > known;
            let bytes = world.frames().find(|(player, _)| *player == ALICE).map(|(_, bytes)| bytes.to_vec());
            if let Some(bytes) = &bytes {
                decode(bytes, &mut frame).expect("our own frames decode");
            }
            let has_timed = bytes.is_some() && frame.n_timed > 0;
            if is_known && n_lost > 0 && told_again_at.is_none() {
                assert!(has_timed, "the loss is known in tick {}, and nothing is told", world.now());
                told_again_at = Some(world.now());
            }
            // Every copy is lost until the first loss is known.
            if has_timed && told_again_at.is_none() {
                assert_eq!(
                    frame.groups.iter().fold(frame.steps, |any, mask| any | mask),
                    0,
                    "news of a slot"
                );
                n_lost += 1;
                lost_at.push(world.now());
            } else if bytes.is_some() {
                applied.push(frame.header.number as u16);
            }
        }
        println!("lost in ticks {lost_at:?}, told again in {told_again_at:?}");
        assert!(n_lost >= 2 && told_again_at.is_some(), "{n_lost} snapshots with an announcement were lost");
    });
}

/// Stands, and names what was applied.
fn packet_of(player: DurableId, world: &World, deed: Option<Deed>, applied: &[u16]) -> Input {
    let mut packet = InputPacket { tick: world.now() + 1, n_commands: 1, ..InputPacket::default() };
    packet.commands[0] = Command { movement: Move::Steer(Steer { angle: 0, speed: 0 }), deed };
    if let Some(newest) = applied.last() {
        (packet.acks.seen, packet.acks.newest) = (true, u32::from(*newest));
        let back = |number: &u16| newest.wrapping_sub(*number);
        let named = applied.iter().map(back).filter(|back| (1..16).contains(back));
        packet.acks.before = named.fold(0, |before, back| before | 1 << (back - 1));
    }
    Input::Packet { player, margin_2ms: 0, packet }
}
