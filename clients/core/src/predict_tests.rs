//! Prediction against a straight simulation with the same kernel.

use super::*;
use crate::Nanos;
use kernel::walls::TILE_MM;
use netproto::{Command, Deed, Follow, Goal, Steer};
use std::collections::VecDeque;

struct Random(u64);

impl Random {
    fn below(&mut self, n: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32 % n
    }
}

/// The server's half: one body, stepped once per tick with whatever it got.
struct Body {
    walker: Walker,
    at: (i32, i32),
    path: Path,
    commands: Commands,
    sent_state: Option<OwnState>,
}

#[derive(Clone)]
struct Told {
    tick: u32,
    at: (i32, i32),
    state: Option<OwnState>,
    is_consumed: bool,
    path: Option<Path>,
}

struct Play {
    walls: Walls,
    rules: Rules,
    body: Body,
    commands: Commands,
    predictor: Predictor,
    last_state: Option<OwnState>,
    random: Random,
    errors: Vec<u32>,
}

impl Play {
    fn new(seed: u64) -> Self {
        let walls = Walls::from_seed(seed, 2 * TILE_MM);
        let rules = Rules::at(20);
        let at = walls.free_near(TILE_MM, TILE_MM);
        let walker = Walker::rested(&rules);
        let path = Path { goal_tick: 1, ..Path::default() };
        let body = Body { walker, at, path, commands: Commands::default(), sent_state: None };
        let predictor = Predictor::new(20);
        let random = Random(seed);
        Self {
            walls,
            rules,
            body,
            commands: Commands::default(),
            predictor,
            last_state: None,
            random,
            errors: vec![],
        }
    }

    fn random_command(&mut self) -> Command {
        let movement = match self.random.below(20) {
            0 | 1 => Move::Steer(Steer { angle: self.random.below(256), speed: self.random.below(4) }),
            2 => Move::Goal(self.near_goal()),
            _ => match self
                .commands
                .newest()
                .and_then(|newest| self.commands.get(newest))
                .map(|last| last.movement)
            {
                Some(Move::Steer(steer)) => Move::Steer(steer),
                _ => Move::Follow(Follow {}),
            },
        };
        let is_deed = self.random.below(30) == 0;
        let deed = is_deed.then(|| Deed { dash: true, aim: self.random.below(256), ..Deed::default() });
        Command { movement, deed }
    }

    fn near_goal(&mut self) -> Goal {
        let mut near =
            |v: i32| (v + self.random.below(20_000) as i32 - 10_000).clamp(0, 2 * TILE_MM - 1) as u32;
        let (x, y) = self.body.at;
        Goal { x_mm: near(x), y_mm: near(y) }
    }

    /// The server steps a tick; what it tells of it.
    fn serve(&mut self, tick: u32) -> Told {
        let is_consumed = self.body.commands.get(tick).is_some();
        let command = self.body.commands.effective(tick);
        let body = &mut self.body;
        let (vx, vy) = body.walker.step(tick, body.at, &command, &body.path, &self.rules);
        body.at = advance(&self.walls, body.at.0, body.at.1, vx, vy);
        let path = match command.movement {
            Move::Goal(goal) => Some(self.reply(tick, &goal)),
            _ => None,
        };
        Told { tick, at: self.body.at, state: self.state_if_news(), is_consumed, path }
    }

    /// A detour of up to five points, from two to four ticks later on.
    fn reply(&mut self, tick: u32, goal: &Goal) -> Path {
        let n = self.random.below(6) as usize;
        let effective_tick = tick.wrapping_add(2 + self.random.below(3));
        let mut path = Path { goal_tick: tick, effective_tick, n: n as u8, ..Path::default() };
        for at in 0..n {
            let near = self.near_goal();
            path.points[at] = (near.x_mm as i32, near.y_mm as i32);
        }
        if n > 0 {
            path.points[n - 1] = (goal.x_mm as i32, goal.y_mm as i32);
        }
        self.body.path = path;
        path
    }

    /// The state is told when the mode changes or a dash begins, not while counters run.
    fn state_if_news(&mut self) -> Option<OwnState> {
        let walker = &self.body.walker;
        let state = OwnState {
            move_state: walker.shown_state(),
            speed_mm_per_tick: self.rules.speed_mm_per_tick as u32,
            forced_ticks: u32::from(walker.forced_ticks),
            forced_vx_mm_per_tick: walker.forced.0,
            forced_vy_mm_per_tick: walker.forced.1,
            resource: u32::from(walker.resource),
            dash_wait_ticks: u32::from(walker.dash_wait_ticks),
            ..OwnState::default()
        };
        let is_news = self.body.sent_state.is_none_or(|sent| sent.move_state != state.move_state);
        self.body.sent_state = Some(state);
        is_news.then_some(state)
    }

    fn hear(&mut self, told: &Told) {
        if let Some(path) = &told.path {
            self.predictor.handle_path(path, &self.commands, &self.walls);
        }
        self.last_state = told.state.or(self.last_state);
        let own = OwnAt {
            tick: told.tick,
            at: told.at,
            state: told.state.as_ref(),
            last_state: self.last_state.as_ref(),
            is_consumed: told.is_consumed,
        };
        self.errors.extend(self.predictor.handle_own(&own, &self.commands, &self.walls));
    }

    /// Runs `n_ticks` from `start`; commands take `up` ticks to the server, answers `down` ticks back.
    fn run(
        &mut self,
        start: u32,
        n_ticks: u32,
        (up, down): (u32, u32),
        mut is_lost: impl FnMut(u32, &mut Random) -> bool,
    ) {
        let mut under_way: VecDeque<Told> = VecDeque::new();
        for count in 0..n_ticks {
            let tick = start.wrapping_add(count);
            let command = self.random_command();
            self.commands.push(tick, &command, Nanos(0));
            self.predictor.handle_commands(&self.commands, &self.walls);
            if !is_lost(count, &mut self.random) {
                self.body.commands.push(tick, &command, Nanos(0));
            }
            let told = self.serve(tick.wrapping_sub(up));
            under_way.push_back(told);
            if under_way.len() > down as usize {
                let told = under_way.pop_front().unwrap();
                self.hear(&told);
            }
        }
    }
}

#[test]
fn ten_thousand_random_commands_are_predicted_to_the_millimetre() {
    for (seed, delays) in [(1, (0, 0)), (2, (1, 1)), (3, (2, 3)), (4, (3, 5))] {
        let mut play = Play::new(seed);
        play.run(100, 10_000, delays, |_, _| false);
        assert!(play.errors.len() > 9_900, "{} compared", play.errors.len());
        assert_eq!(play.errors.iter().max(), Some(&0), "delays {delays:?}");
        assert_eq!(play.predictor.counts.corrected, 0, "delays {delays:?}");
        assert!(play.predictor.counts.replayed > 0 || delays == (0, 0), "no path reply came late");
    }
}

#[test]
fn across_two_to_the_31_prediction_stays_exact() {
    let mut play = Play::new(5);
    play.run((1 << 31) - 1_000, 2_000, (1, 2), |_, _| false);
    assert_eq!((play.errors.iter().max(), play.predictor.counts.corrected), (Some(&0), 0));
}

#[test]
fn lost_commands_are_corrected_and_then_forgotten() {
    for seed in 0..10 {
        let mut play = Play::new(seed);
        play.run(100, 4_000, (1, 2), |count, random| count < 2_000 && random.below(20) == 0);
        let last = &play.errors[play.errors.len() - 1_500..];
        assert!(play.predictor.counts.corrected > 10, "seed {seed}: nothing was corrected");
        assert_eq!(last.iter().max(), Some(&0), "seed {seed}: still wrong long after the last loss");
    }
}

#[test]
fn a_path_that_comes_after_its_first_tick_is_followed_from_that_tick() {
    let mut play = Play::new(7);
    let at = play.body.at;
    let goal =
        Command { movement: Move::Goal(Goal { x_mm: at.0 as u32 + 3_000, y_mm: at.1 as u32 }), deed: None };
    let stand = OwnAt { tick: 10, at, state: None, last_state: None, is_consumed: false };
    play.predictor.handle_own(&stand, &play.commands, &play.walls);
    for tick in 11..=16 {
        let follow = Command { movement: Move::Follow(Follow {}), deed: None };
        play.commands.push(tick, if tick == 11 { &goal } else { &follow }, Nanos(0));
        play.predictor.handle_commands(&play.commands, &play.walls);
    }
    let open = Walls::open(4);
    let mut path = Path { goal_tick: 11, effective_tick: 13, n: 1, ..Path::default() };
    path.points[0] = (at.0 + 600, at.1 + 3_000);
    play.predictor.handle_path(&path, &play.commands, &open);
    assert_eq!(play.predictor.at(12), Some((at.0 + 600, at.1)), "straight until tick 12");
    assert_eq!(play.predictor.newest(), Some((16, (at.0 + 600, at.1 + 1_200))), "four ticks along the path");
}

#[test]
fn a_dead_body_is_not_predicted_and_a_respawn_is_no_error() {
    let mut play = Play::new(8);
    play.run(100, 50, (1, 1), |_, _| false);
    let dead = OwnState { move_state: MoveState::Dead, ..OwnState::default() };
    let mut told = Told { tick: 149, at: (5_000, 5_000), state: Some(dead), is_consumed: true, path: None };
    let n_errors = play.errors.len();
    play.hear(&told);
    assert_eq!(play.predictor.newest(), None);
    told = Told { tick: 150, state: None, ..told };
    play.hear(&told);
    assert_eq!(play.predictor.newest(), None, "still dead");
    let alive = OwnState { move_state: MoveState::Stand, speed_mm_per_tick: 300, ..OwnState::default() };
    play.hear(&Told { tick: 151, at: (60_000, 60_000), state: Some(alive), is_consumed: true, path: None });
    assert_eq!(play.predictor.at(151), Some((60_000, 60_000)));
    assert_eq!(play.errors.len(), n_errors);
}

#[test]
fn one_call_replays_eight_ticks_at_most_and_the_next_ones_catch_up() {
    let mut play = Play::new(9);
    play.run(100, 200, (1, 1), |_, _| false);
    for tick in 300..320 {
        play.commands.push(tick, &Command::default(), Nanos(0));
        play.predictor.handle_commands(&play.commands, &play.walls);
    }
    let far = Told { tick: 300, at: (40_000, 40_000), state: None, is_consumed: true, path: None };
    let before = play.predictor.counts.replayed;
    play.hear(&far);
    assert!(play.predictor.counts.replayed - before <= u64::from(REPLAYS_MAX));
    assert_eq!(play.predictor.newest().unwrap().0, 308);
    play.predictor.handle_commands(&play.commands, &play.walls);
    play.predictor.handle_commands(&play.commands, &play.walls);
    assert_eq!(play.predictor.newest().unwrap().0, 319);
}

#[test]
fn a_lying_server_cannot_make_the_kernel_run_too_fast() {
    let mut play = Play::new(10);
    let state = OwnState {
        move_state: MoveState::Forced,
        speed_mm_per_tick: 1_023,
        forced_ticks: 31,
        forced_vx_mm_per_tick: 2_047,
        forced_vy_mm_per_tick: -2_048,
        ..OwnState::default()
    };
    play.hear(&Told { tick: 5, at: ((1 << 22) - 1, 0), state: Some(state), is_consumed: false, path: None });
    for tick in 6..60 {
        play.commands.push(
            tick,
            &Command { movement: Move::Steer(Steer { angle: 3, speed: 3 }), deed: None },
            Nanos(0),
        );
        play.predictor.handle_commands(&play.commands, &play.walls);
    }
}

#[test]
fn a_body_that_comes_back_to_life_follows_the_click_of_that_very_tick() {
    let mut play = Play::new(11);
    let at = play.body.at;
    for tick in 20..=24 {
        let goal = Move::Goal(Goal { x_mm: at.0 as u32, y_mm: at.1 as u32 + 900 });
        let movement = if tick == 21 { goal } else { Move::Follow(Follow {}) };
        play.commands.push(tick, &Command { movement, deed: None }, Nanos(0));
    }
    play.walls = Walls::open(4);
    let state = OwnState { move_state: MoveState::Goal, speed_mm_per_tick: 300, ..OwnState::default() };
    play.hear(&Told { tick: 21, at: (at.0, at.1 + 300), state: Some(state), is_consumed: true, path: None });
    assert_eq!(play.predictor.newest(), Some((24, (at.0, at.1 + 900))));
    let mut resumed = Play::new(11);
    resumed.hear(&Told { tick: 21, at, state: Some(state), is_consumed: false, path: None });
    resumed.commands.push(22, &Command { movement: Move::Follow(Follow {}), deed: None }, Nanos(0));
    resumed.predictor.handle_commands(&resumed.commands, &resumed.walls);
    assert_eq!(resumed.predictor.newest(), Some((22, at)), "an unknown click is not walked to (0, 0)");
}

/// A predictor that stands in tick 10 and has predicted a click of tick 11 up to tick 14.
fn after_a_click() -> (Play, (i32, i32)) {
    let mut play = Play::new(7);
    play.walls = Walls::open(4);
    let at = play.body.at;
    let state = OwnState { move_state: MoveState::Stand, speed_mm_per_tick: 300, ..OwnState::default() };
    play.hear(&Told { tick: 10, at, state: Some(state), is_consumed: false, path: None });
    for tick in 11..=14 {
        let goal = Move::Goal(Goal { x_mm: at.0 as u32 + 9_000, y_mm: at.1 as u32 });
        let movement = if tick == 11 { goal } else { Move::Follow(Follow {}) };
        play.commands.push(tick, &Command { movement, deed: None }, Nanos(0));
        play.predictor.handle_commands(&play.commands, &play.walls);
    }
    (play, at)
}

#[test]
fn a_click_that_the_server_never_got_is_given_up_with_the_first_correction() {
    let (mut play, at) = after_a_click();
    assert_eq!(play.predictor.newest(), Some((14, (at.0 + 1_200, at.1))));
    play.hear(&Told { tick: 12, at, state: None, is_consumed: true, path: None });
    assert_eq!(play.predictor.newest(), Some((14, at)), "the last mode heard was: stand");
}

#[test]
fn a_path_from_before_the_newest_snapshot_leaves_what_the_server_told() {
    let (mut play, at) = after_a_click();
    let state = OwnState { move_state: MoveState::Path, speed_mm_per_tick: 300, ..OwnState::default() };
    let there = (at.0 + 40, at.1 + 500);
    play.hear(&Told { tick: 13, at: there, state: Some(state), is_consumed: true, path: None });
    let mut path = Path { goal_tick: 11, effective_tick: 12, n: 1, ..Path::default() };
    path.points[0] = (at.0 + 40, at.1 + 9_000);
    play.predictor.handle_path(&path, &play.commands, &play.walls);
    assert_eq!(play.predictor.at(13), Some(there));
    assert_eq!(play.predictor.newest(), Some((14, (there.0, there.1 + 300))));
}
