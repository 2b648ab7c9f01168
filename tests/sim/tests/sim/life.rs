//! What a player lives through: joining, walking, fighting, dying, leaving, coming back.

use crate::fixtures::on_threads;
use engine::{Content, DurableId, FactBody, Input, World, ZoneConfig, tick};
use netproto::input::InputPacket;
use netproto::peer::IN_FLIGHT_DATAGRAMS;
use netproto::{Command, Deed, Goal, Kind, Move, MoveState, Refusal, Steer};

const ALICE: DurableId = DurableId { low: 1, high: 7 };
const BOB: DurableId = DurableId { low: 2, high: 7 };

fn zone(creatures: u32) -> World {
    let config = ZoneConfig {
        seed: 3,
        side_mm: 256_000,
        ticks_per_second: 20,
        players_max: 2,
        creatures,
        spawn_radius_mm: 20_000,
        den_radius_mm: 0,
        sending: engine::Sending::EveryTick,
    };
    World::new(&config, Content::standard(20))
}

fn join(player: DurableId) -> Input {
    Input::Join { player, in_flight_max: IN_FLIGHT_DATAGRAMS, place: None }
}

fn packet(player: DurableId, tick: u32, command: Command) -> Input {
    let mut packet = InputPacket { tick, n_commands: 1, ..InputPacket::default() };
    packet.commands[0] = command;
    Input::Packet { player, margin_2ms: 0, packet }
}

fn steer(angle: u32, speed: u32) -> Command {
    Command { movement: Move::Steer(Steer { angle, speed }), deed: None }
}

fn place(world: &World, player: DurableId) -> (i32, i32) {
    let row =
        world.row_of(world.entity_of(player).expect("the player has a body")).expect("the body is alive");
    world.columns().place(row)
}

#[test]
fn one_command_moves_one_tick_and_a_repeated_one_nothing_more() {
    on_threads(1, || {
        let mut world = zone(0);
        tick(&mut world, &[join(ALICE)]);
        let start = place(&world, ALICE);
        let go = packet(ALICE, 2, steer(0, 3));
        tick(&mut world, &[go.clone(), go.clone(), go]);
        assert_eq!(place(&world, ALICE).0 - start.0, 300, "three copies moved more than one command may");
        tick(&mut world, &[packet(ALICE, 3, steer(0, 0))]);
        assert_eq!(place(&world, ALICE).0 - start.0, 300);
        assert_eq!(world.counts().commands_received, 2);
    });
}

#[test]
fn a_body_whose_commands_stay_away_stops_after_three_ticks() {
    on_threads(1, || {
        let mut world = zone(0);
        tick(&mut world, &[join(ALICE)]);
        let start = place(&world, ALICE);
        tick(&mut world, &[packet(ALICE, 2, steer(0, 3))]);
        for _ in 0..20 {
            tick(&mut world, &[]);
        }
        assert_eq!(place(&world, ALICE).0 - start.0, 4 * 300);
    });
}

#[test]
fn a_click_is_answered_with_a_path_that_leads_there() {
    on_threads(1, || {
        let mut world = zone(0);
        tick(&mut world, &[join(ALICE)]);
        let start = place(&world, ALICE);
        let goal = world.walls().free_near(start.0 + 12_000, start.1 - 9_000);
        let click = Move::Goal(Goal { x_mm: goal.0 as u32, y_mm: goal.1 as u32 });
        tick(&mut world, &[packet(ALICE, 2, Command { movement: click, deed: None })]);
        let FactBody::Path(path) = world.facts()[0].body else { panic!("no path: {:?}", world.facts()) };
        assert_eq!((path.goal_tick, path.effective_tick), (2, 4));
        for tick_number in 3..120 {
            let follow = Command { movement: Move::Follow(netproto::Follow {}), deed: None };
            tick(&mut world, &[packet(ALICE, tick_number, follow)]);
        }
        assert_eq!(place(&world, ALICE), goal);
    });
}

#[test]
fn clicking_in_every_tick_is_answered_every_fourth() {
    on_threads(1, || {
        let mut world = zone(0);
        tick(&mut world, &[join(ALICE)]);
        let start = place(&world, ALICE);
        let mut n_paths = 0;
        for tick_number in 2..42u32 {
            let goal = Goal { x_mm: start.0 as u32 + 100 * tick_number, y_mm: (1 << 22) - 1 };
            let click = Command { movement: Move::Goal(goal), deed: None };
            tick(&mut world, &[packet(ALICE, tick_number, click)]);
            n_paths += world.facts().len();
        }
        assert_eq!(n_paths, 10);
        assert!(place(&world, ALICE).1 > start.1, "a goal without a path is walked to straight");
        for tick_number in 42..50 {
            let follow = Command { movement: Move::Follow(netproto::Follow {}), deed: None };
            tick(&mut world, &[packet(ALICE, tick_number, follow)]);
            let answers_the_last =
                |fact: &engine::Fact| matches!(fact.body, FactBody::Path(p) if p.goal_tick == 41);
            n_paths += world.facts().iter().filter(|fact| answers_the_last(fact)).count();
        }
        assert_eq!(n_paths, 11, "the last click of all is answered in the end");
    });
}

#[test]
fn a_full_zone_says_so_and_a_left_place_is_given_again() {
    on_threads(1, || {
        let mut world = zone(0);
        let eve = DurableId { low: 3, high: 7 };
        tick(&mut world, &[join(ALICE), join(BOB), join(eve)]);
        assert_eq!(world.facts()[2].body, FactBody::Refused(Refusal::Full));
        tick(&mut world, &[Input::Leave { player: ALICE }, join(eve)]);
        assert!(world.entity_of(eve).is_some() && world.entity_of(ALICE).is_none());
    });
}

#[test]
fn a_player_who_comes_back_in_time_has_the_same_body() {
    on_threads(1, || {
        let mut world = zone(0);
        tick(&mut world, &[join(ALICE)]);
        let body = world.entity_of(ALICE);
        tick(&mut world, &[Input::Detach { player: ALICE }]);
        for _ in 0..400 {
            tick(&mut world, &[]);
        }
        tick(&mut world, &[join(ALICE)]);
        assert!(matches!(world.facts()[0].body, FactBody::Joined { resumed: true, .. }));
        assert_eq!(world.entity_of(ALICE), body);
        tick(&mut world, &[Input::Detach { player: ALICE }]);
        for _ in 0..700 {
            tick(&mut world, &[]);
        }
        assert_eq!(world.entity_of(ALICE), None, "the body waited for ever");
    });
}

/// A zone full of wolves around the middle.
fn den_of_wolves() -> World {
    let mut content = Content::standard(20);
    content.shares = vec![(100, Kind::Wolf)];
    let config = ZoneConfig { creatures: 60, den_radius_mm: 40_000, ..*zone(0).config() };
    World::new(&config, content)
}

#[test]
fn a_hunter_kills_is_killed_and_comes_back() {
    on_threads(1, || {
        let mut world = den_of_wolves();
        tick(&mut world, &[join(ALICE)]);
        let (mut was_dead, mut came_back) = (false, false);
        for tick_number in 2..6_000u32 {
            let dash = tick_number.is_multiple_of(90);
            let deed = Deed { swing: true, dash, aim: tick_number % 256, ..Deed::default() };
            let angle = (tick_number / 40 * 45) % 256;
            let command = Command { movement: Move::Steer(Steer { angle, speed: 1 }), deed: Some(deed) };
            tick(&mut world, &[packet(ALICE, tick_number, command)]);
            let row = world.row_of(world.entity_of(ALICE).unwrap()).unwrap();
            let is_dead = world.columns().health[row.at()] == 0;
            came_back |= was_dead && !is_dead;
            was_dead |= is_dead;
        }
        let counts = world.counts();
        assert!(counts.kills > 0 && counts.respawns > 0 && counts.deaths > 0, "{counts:?}");
        assert!(came_back, "the dead stay dead");
        assert!(counts.creatures > 40, "{} creatures are left", counts.creatures);
    });
}

#[test]
fn a_dead_player_does_not_move() {
    on_threads(1, || {
        let mut world = den_of_wolves();
        tick(&mut world, &[join(ALICE)]);
        let mut fell_at = None;
        for tick_number in 2..6_000u32 {
            tick(
                &mut world,
                &[packet(
                    ALICE,
                    tick_number,
                    steer(tick_number / 60 * 32 % 256, u32::from(fell_at.is_some()) * 3),
                )],
            );
            let row = world.row_of(world.entity_of(ALICE).unwrap()).unwrap();
            let is_dead = world.columns().health[row.at()] == 0;
            match fell_at {
                None if is_dead => fell_at = Some(place(&world, ALICE)),
                Some(there) if is_dead => assert_eq!(place(&world, ALICE), there),
                Some(_) => return,
                None => {}
            }
        }
        panic!("nobody killed Alice; state {:?} would show", MoveState::Dead);
    });
}
