//! A player's legs: one command in, one velocity out, one tick at a time.

use crate::angle::polar;
use netproto::{Command, Move, MoveState, WAYPOINTS_MAX};

/// A missing command is made up by repeating the last one this often; then the body stops.
pub const REPEATS_MAX: u32 = 3;

/// Numbers of the one class so far. They belong to the kernel version: both kernels hold the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Full speed.
    pub speed_mm_per_tick: i32,
    /// Speed of a dash.
    pub dash_mm_per_tick: i32,
    /// How long a dash carries the body.
    pub dash_ticks: u8,
    /// From one dash to the next.
    pub dash_wait_ticks: u8,
    /// Stamina that a dash costs.
    pub dash_cost: u16,
    /// Stamina when rested.
    pub resource_max: u16,
    /// Stamina regained per tick.
    pub resource_per_tick: u16,
}

impl Rules {
    /// The rules at a zone's fixed rate: 6 m/s, a dash of 3.6 m within 0.2 s, every 2 s.
    ///
    /// # Panics
    /// If the rate is not 20 or 30 ticks per second.
    #[must_use]
    pub fn at(ticks_per_second: u32) -> Self {
        assert!(ticks_per_second == 20 || ticks_per_second == 30, "{ticks_per_second} ticks per second");
        let hz = ticks_per_second as i32;
        Self {
            speed_mm_per_tick: 6_000 / hz,
            dash_mm_per_tick: 18_000 / hz,
            dash_ticks: (ticks_per_second / 5) as u8,
            dash_wait_ticks: (ticks_per_second * 2) as u8,
            dash_cost: 300,
            resource_max: 1000,
            resource_per_tick: (200 / ticks_per_second) as u16,
        }
    }
}

/// Waypoints of the newest path reply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Path {
    /// Tick of the goal command that it answers.
    pub goal_tick: u32,
    /// First tick that follows it.
    pub effective_tick: u32,
    /// Waypoints in use.
    pub n: u8,
    /// Waypoints, (x, y) in mm.
    pub points: [(i32, i32); WAYPOINTS_MAX],
}

/// How a player's body is about to move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Walker {
    /// Mode of movement, forced motion apart.
    pub state: MoveState,
    /// Tick of the command that set the goal.
    pub goal_tick: u32,
    /// Where a click led, in mm.
    pub goal: (i32, i32),
    /// Next waypoint of the path.
    pub waypoint: u8,
    /// Ticks of forced motion left.
    pub forced_ticks: u8,
    /// Velocity of the forced motion, in mm per tick.
    pub forced: (i32, i32),
    /// Ticks until the next dash.
    pub dash_wait_ticks: u8,
    /// Stamina.
    pub resource: u16,
}

impl Walker {
    /// A rested body that stands.
    #[must_use]
    pub fn rested(rules: &Rules) -> Self {
        Self { resource: rules.resource_max, ..Self::default() }
    }

    /// The mode as it goes over the wire: forced motion shows as such.
    #[must_use]
    pub fn shown_state(&self) -> MoveState {
        if self.forced_ticks > 0 { MoveState::Forced } else { self.state }
    }

    /// Takes the command of `tick` and returns the velocity for that tick, in mm per tick.
    ///
    /// - Shapes: called once per tick, in order; `path` is the newest reply, or the default.
    /// - Cost: a few comparisons; one square root when a point is steered for.
    #[inline]
    pub fn step(
        &mut self,
        tick: u32,
        at: (i32, i32),
        command: &Command,
        path: &Path,
        rules: &Rules,
    ) -> (i32, i32) {
        self.dash_wait_ticks = self.dash_wait_ticks.saturating_sub(1);
        self.resource = (self.resource + rules.resource_per_tick).min(rules.resource_max);
        if self.state == MoveState::Dead {
            return (0, 0);
        }
        let steer = self.take(tick, command);
        self.try_dash(command, rules);
        if self.forced_ticks > 0 {
            self.forced_ticks -= 1;
            return self.forced;
        }
        match self.state {
            MoveState::Steer => polar(steer.0, rules.speed_mm_per_tick * steer.1 / 3),
            MoveState::Goal | MoveState::Path => self.steer_for_goal(tick, at, path, rules.speed_mm_per_tick),
            MoveState::Stand | MoveState::Forced | MoveState::Dead => (0, 0),
        }
    }

    /// Takes the movement of a command; returns angle and thirds of full speed for direct control.
    fn take(&mut self, tick: u32, command: &Command) -> (u8, i32) {
        match command.movement {
            Move::Steer(steer) => {
                self.state = if steer.speed == 0 { MoveState::Stand } else { MoveState::Steer };
                return (steer.angle as u8, steer.speed as i32);
            }
            Move::Goal(goal) => {
                self.state = MoveState::Goal;
                self.goal = (goal.x_mm as i32, goal.y_mm as i32);
                self.goal_tick = tick;
                self.waypoint = 0;
            }
            // Nothing to follow after direct control: stand.
            Move::Follow(_) if self.state == MoveState::Steer => self.state = MoveState::Stand,
            Move::Follow(_) => {}
        }
        (0, 0)
    }

    fn try_dash(&mut self, command: &Command, rules: &Rules) {
        let Some(deed) = command.deed.filter(|deed| deed.dash) else { return };
        let ready = self.dash_wait_ticks == 0 && self.forced_ticks == 0 && self.resource >= rules.dash_cost;
        if ready {
            self.forced_ticks = rules.dash_ticks;
            self.forced = polar(deed.aim as u8, rules.dash_mm_per_tick);
            self.dash_wait_ticks = rules.dash_wait_ticks;
            self.resource -= rules.dash_cost;
        }
    }

    fn steer_for_goal(&mut self, tick: u32, at: (i32, i32), path: &Path, speed: i32) -> (i32, i32) {
        let is_early = tick.wrapping_sub(path.effective_tick) > u32::MAX / 2; // ticks wrap
        if path.goal_tick != self.goal_tick || is_early {
            return towards(at, self.goal, speed);
        }
        self.state = MoveState::Path;
        while self.waypoint < path.n && path.points[usize::from(self.waypoint)] == at {
            self.waypoint += 1;
        }
        if self.waypoint >= path.n {
            self.state = MoveState::Stand;
            return (0, 0);
        }
        towards(at, path.points[usize::from(self.waypoint)], speed)
    }
}

/// A step of at most `speed` from `at` to `target`; the last one lands on it exactly.
#[must_use]
pub fn towards(at: (i32, i32), target: (i32, i32), speed: i32) -> (i32, i32) {
    let (dx, dy) = (i64::from(target.0) - i64::from(at.0), i64::from(target.1) - i64::from(at.1));
    let length2 = (dx * dx + dy * dy) as u64;
    // Within 65 m the root of a short number does, which takes half the time.
    let length = u32::try_from(length2).map_or_else(|_| length2.isqrt(), |short| short.isqrt().into()) as i64;
    if length <= i64::from(speed) {
        return (dx as i32, dy as i32);
    }
    ((dx * i64::from(speed) / length) as i32, (dy * i64::from(speed) / length) as i32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use netproto::{Deed, Follow, Goal, Steer};

    fn command(movement: Move) -> Command {
        Command { movement, deed: None }
    }

    fn walk(walker: &mut Walker, at: &mut (i32, i32), tick: u32, command: &Command, path: &Path) {
        let (vx, vy) = walker.step(tick, *at, command, path, &Rules::at(20));
        *at = (at.0 + vx, at.1 + vy);
    }

    #[test]
    fn a_click_walks_straight_until_the_path_takes_effect_and_ends_on_its_last_point() {
        let mut walker = Walker::rested(&Rules::at(20));
        let mut at = (10_000, 10_000);
        let mut path = Path { goal_tick: 5, effective_tick: 8, n: 2, ..Path::default() };
        path.points[..2].copy_from_slice(&[(10_900, 12_000), (13_000, 13_000)]);
        walk(&mut walker, &mut at, 5, &command(Move::Goal(Goal { x_mm: 13_000, y_mm: 10_000 })), &path);
        for tick in 6..40 {
            walk(&mut walker, &mut at, tick, &command(Move::Follow(Follow {})), &path);
            if tick < 8 {
                assert_eq!(at.1, 10_000, "left the straight line in tick {tick}");
            }
        }
        assert_eq!((at, walker.state), ((13_000, 13_000), MoveState::Stand));
    }

    #[test]
    fn a_dash_costs_stamina_runs_its_ticks_and_waits() {
        let rules = Rules::at(20);
        let mut walker = Walker::rested(&rules);
        let dash = Command { movement: Move::default(), deed: Some(Deed { dash: true, ..Deed::default() }) };
        let mut at = (0, 0);
        for tick in 0..10 {
            walk(&mut walker, &mut at, tick, &dash, &Path::default());
        }
        assert_eq!(at, (i32::from(rules.dash_ticks) * rules.dash_mm_per_tick, 0));
        assert_eq!(walker.dash_wait_ticks, rules.dash_wait_ticks - 9);
        assert!(walker.resource < rules.resource_max);
    }

    #[test]
    fn direct_control_interrupts_a_path_and_follow_does_not_revive_it() {
        let mut walker = Walker::rested(&Rules::at(20));
        let mut at = (0, 0);
        walk(&mut walker, &mut at, 1, &command(Move::Goal(Goal { x_mm: 9_000, y_mm: 0 })), &Path::default());
        walk(&mut walker, &mut at, 2, &command(Move::Steer(Steer { angle: 64, speed: 3 })), &Path::default());
        let there = at;
        walk(&mut walker, &mut at, 3, &command(Move::Follow(Follow {})), &Path::default());
        assert_eq!((at, walker.state), (there, MoveState::Stand));
    }
}
