//! The own body, ahead of the server: the same kernel with the same commands, corrected when they disagree.
//!
//! Source: docs/ARCHITECTURE.md "Movement kernel". What the server tells in a snapshot of tick T is compared with what was
//! predicted for T; equal states leave everything as it is, others restart from the server's and replay.

use crate::commands::Commands;
use crate::paths::Paths;
use kernel::walker::{Path, Rules, Walker};
use kernel::walls::Walls;
use kernel::{STEP_MM_MAX, advance};
use netproto::{Move, MoveState, OwnState};

/// Predicted ticks that are remembered.
const KEPT: usize = 32;
const _: () = assert!(KEPT >= crate::commands::COMMANDS_KEPT);
/// Ticks replayed in one call; the rest follows in the next ones, so that a slow frame never makes the next slower.
pub const REPLAYS_MAX: u32 = 8;

/// Body and legs at the end of a tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Predicted {
    tick: u32,
    walker: Walker,
    at: (i32, i32),
}

/// What a snapshot says about the own body at the end of its tick.
#[derive(Clone, Copy, Debug)]
pub struct OwnAt<'a> {
    /// The snapshot's tick.
    pub tick: u32,
    /// Where the body is, in mm.
    pub at: (i32, i32),
    /// Its state, if this snapshot holds it.
    pub state: Option<&'a OwnState>,
    /// The state that was heard last, in this or an earlier snapshot.
    pub last_state: Option<&'a OwnState>,
    /// The server moved it by this tick's own command, not by a repetition.
    pub is_consumed: bool,
}

/// How often prediction was right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Ticks compared.
    pub compared: u64,
    /// Ticks in which position or state had to be corrected.
    pub corrected: u64,
    /// Ticks computed again.
    pub replayed: u64,
    /// Corrections with more ticks to replay than one call may.
    pub cut_short: u64,
}

/// Predicts one body.
#[derive(Clone, Debug)]
pub struct Predictor {
    rules: Rules,
    paths: Paths,
    /// Tick of the newest state; nothing before the first snapshot, and while dead.
    head: Option<u32>,
    /// Newest tick that the server has told about.
    confirmed: u32,
    kept: [Predicted; KEPT],
    /// What happened so far.
    pub counts: Counts,
}

impl Predictor {
    /// A predictor that waits for its first snapshot.
    ///
    /// # Panics
    /// If the rate is not one that the kernel has rules for: it is checked when the welcome is read.
    #[must_use]
    pub fn new(ticks_per_second: u32) -> Self {
        Self {
            rules: Rules::at(ticks_per_second),
            paths: Paths::default(),
            head: None,
            confirmed: 0,
            // Every place holds a tick that belongs into the next one: none is found before it was predicted.
            kept: std::array::from_fn(|place| Predicted { tick: place as u32 + 1, ..Predicted::default() }),
            counts: Counts::default(),
        }
    }

    /// A snapshot told where the body is. Returns how far off the prediction was, in mm, when both sides have
    /// stepped the tick with the same command; then makes the prediction agree.
    ///
    /// - Cost: a comparison when it was right; at most [`REPLAYS_MAX`] steps when it was not.
    pub fn handle_own(&mut self, own: &OwnAt<'_>, commands: &Commands, walls: &Walls) -> Option<u32> {
        self.confirmed = own.tick;
        if own.last_state.is_some_and(|state| state.move_state == MoveState::Dead) {
            self.head = None;
            return None;
        }
        self.rules.speed_mm_per_tick = match own.last_state {
            Some(state) => (state.speed_mm_per_tick as i32).min(STEP_MM_MAX),
            None => self.rules.speed_mm_per_tick,
        };
        let Some(predicted) = self.get(own.tick).copied() else {
            let walker = recalled(Walker::rested(&self.rules), own.tick, commands);
            self.restart(own, walker, commands, walls);
            return None;
        };
        self.counts.compared += 1;
        if predicted.at != own.at || own.state.is_some_and(|state| !agrees(&predicted.walker, state)) {
            self.counts.corrected += 1;
            self.restart(own, predicted.walker, commands, walls);
        }
        own.is_consumed.then(|| distance_mm(predicted.at, own.at))
    }

    /// A path reply came. If its first tick was predicted already, it is predicted again.
    pub fn handle_path(&mut self, path: &Path, commands: &Commands, walls: &Walls) {
        self.paths.insert(path);
        let Some(head) = self.head else { return };
        let before = path.effective_tick.wrapping_sub(1);
        let is_known = before.wrapping_sub(self.confirmed) as i32 >= 0;
        let from = if is_known { before } else { self.confirmed };
        if head.wrapping_sub(from) as i32 > 0 && self.get(from).is_some() {
            self.head = Some(from);
            self.catch_up(commands, walls);
        }
    }

    /// Commands were added: predicts up to the newest.
    ///
    /// - Cost: one step, as a rule; at most [`REPLAYS_MAX`].
    pub fn handle_commands(&mut self, commands: &Commands, walls: &Walls) {
        self.catch_up(commands, walls);
    }

    /// Where the body is at the end of the newest predicted tick; nothing while there is none.
    #[must_use]
    pub fn newest(&self) -> Option<(u32, (i32, i32))> {
        let head = self.head?;
        Some((head, self.get(head)?.at))
    }

    /// Where the body was predicted to be at the end of a tick.
    #[must_use]
    pub fn at(&self, tick: u32) -> Option<(i32, i32)> {
        self.get(tick).map(|predicted| predicted.at)
    }

    /// The legs at the end of the newest predicted tick.
    #[must_use]
    pub fn walker(&self) -> Option<&Walker> {
        self.get(self.head?).map(|predicted| &predicted.walker)
    }

    fn get(&self, tick: u32) -> Option<&Predicted> {
        let head = self.head?;
        let predicted = &self.kept[tick as usize % KEPT];
        let is_past = head.wrapping_sub(tick) < KEPT as u32;
        (is_past && predicted.tick == tick).then_some(predicted)
    }

    fn put(&mut self, tick: u32, walker: Walker, at: (i32, i32)) {
        self.kept[tick as usize % KEPT] = Predicted { tick, walker, at };
        self.head = Some(tick);
    }

    /// Begins again at the server's tick, with what it told and, for the rest, what was predicted.
    fn restart(&mut self, own: &OwnAt<'_>, mut walker: Walker, commands: &Commands, walls: &Walls) {
        match own.state {
            Some(state) => overwrite(&mut walker, state),
            // The mode is sent whenever it changes: the last one heard still holds.
            None => set_mode(&mut walker, own.last_state),
        }
        let has_no_goal = walker.goal_tick == NO_GOAL_TICK;
        if has_no_goal && matches!(walker.state, MoveState::Goal | MoveState::Path) {
            walker.state = MoveState::Stand; // somebody else's click, before this connection: wait for the end
        }
        self.paths.resume(&mut walker, own.at);
        self.put(own.tick, walker, own.at);
        self.catch_up(commands, walls);
        let is_behind = |newest: u32| self.head.is_some_and(|head| (newest.wrapping_sub(head) as i32) > 0);
        if commands.newest().is_some_and(is_behind) {
            self.counts.cut_short += 1;
        }
    }

    fn catch_up(&mut self, commands: &Commands, walls: &Walls) {
        let (Some(mut head), Some(newest)) = (self.head, commands.newest()) else { return };
        for _ in 0..REPLAYS_MAX {
            if newest.wrapping_sub(head) as i32 <= 0 {
                return;
            }
            head = self.step(head, commands, walls);
            self.counts.replayed += u64::from(head != newest);
        }
    }

    fn step(&mut self, head: u32, commands: &Commands, walls: &Walls) -> u32 {
        let Predicted { mut walker, at, .. } = self.kept[head as usize % KEPT];
        let tick = head.wrapping_add(1);
        let command = commands.effective(tick);
        let path = self.paths.path_for(tick, &command, &walker);
        let (vx, vy) = walker.step(tick, at, &command, &path, &self.rules);
        self.put(tick, walker, advance(walls, at.0, at.1, vx, vy));
        tick
    }
}

/// Ticks count from 1.
const NO_GOAL_TICK: u32 = 0;

/// Fresh legs with the newest goal that was set by `tick`, if there is one.
fn recalled(mut walker: Walker, tick: u32, commands: &Commands) -> Walker {
    let goals = (0..KEPT as u32).map(|back| tick.wrapping_sub(back)).find_map(|tick| {
        let Move::Goal(goal) = commands.get(tick)?.movement else { return None };
        Some((tick, goal))
    });
    if let Some((goal_tick, goal)) = goals {
        walker.goal_tick = goal_tick;
        walker.goal = (goal.x_mm as i32, goal.y_mm as i32);
    }
    walker
}

/// Whether the legs are as the server says. Goal and path look alike to it only once both kernels follow it.
fn agrees(walker: &Walker, state: &OwnState) -> bool {
    let forced = u32::from(walker.forced_ticks) == state.forced_ticks
        && (state.forced_ticks == 0 || walker.forced == forced_velocity(state));
    walker.shown_state() == state.move_state
        && forced
        && u32::from(walker.resource) == state.resource
        && u32::from(walker.dash_wait_ticks) == state.dash_wait_ticks
}

fn overwrite(walker: &mut Walker, state: &OwnState) {
    walker.forced_ticks = state.forced_ticks as u8;
    walker.forced = forced_velocity(state);
    walker.resource = state.resource as u16;
    walker.dash_wait_ticks = state.dash_wait_ticks as u8;
    set_mode(walker, Some(state));
}

/// Forced motion hides the mode below it: there the prediction knows better.
fn set_mode(walker: &mut Walker, state: Option<&OwnState>) {
    match state.map(|state| state.move_state) {
        Some(MoveState::Forced) | None => {}
        Some(mode) => walker.state = mode,
    }
}

/// The wire has room for more than a kernel moves: nobody is carried through a wall by a liar's server.
fn forced_velocity(state: &OwnState) -> (i32, i32) {
    let within = |v: i32| v.clamp(-STEP_MM_MAX, STEP_MM_MAX);
    (within(state.forced_vx_mm_per_tick), within(state.forced_vy_mm_per_tick))
}

fn distance_mm(a: (i32, i32), b: (i32, i32)) -> u32 {
    let (dx, dy) = (u64::from(a.0.abs_diff(b.0)), u64::from(a.1.abs_diff(b.1)));
    (dx * dx + dy * dy).isqrt().min(u64::from(u32::MAX)) as u32
}

#[cfg(test)]
#[path = "predict_tests.rs"]
mod tests;
