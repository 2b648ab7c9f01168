//! The newest path replies: a replay may pass through more than one of them.

use kernel::walker::{Path, Walker};
use kernel::walls::SIDE_MM_MAX;
use netproto::{Command, Move, MoveState, WAYPOINTS_MAX};

/// Replies that are remembered: more clicks than these do not fit between a tick and its answer.
const KEPT: usize = 4;

/// Path replies, newest last.
#[derive(Clone, Copy, Debug, Default)]
pub struct Paths {
    kept: [Option<Path>; KEPT],
}

impl Paths {
    /// Takes a reply.
    pub fn insert(&mut self, path: &Path) {
        self.kept.rotate_left(1);
        self.kept[KEPT - 1] = Some(*path);
    }

    /// The reply that counts in the step of `tick`: the one to the goal that the walker has then.
    #[must_use]
    pub fn path_for(&self, tick: u32, command: &Command, walker: &Walker) -> Path {
        let goal_tick = if matches!(command.movement, Move::Goal(_)) { tick } else { walker.goal_tick };
        // A path of another goal is no path: the kernel compares these ticks.
        self.find(goal_tick).unwrap_or(Path { goal_tick: !goal_tick, ..Path::default() })
    }

    /// After a correction on a path: the next waypoint is the end of the leg that the body stands on.
    pub fn resume(&self, walker: &mut Walker, at: (i32, i32)) {
        let Some(path) = self.find(walker.goal_tick).filter(|_| walker.state == MoveState::Path) else {
            return;
        };
        let points = &path.points[..usize::from(path.n)];
        let first = usize::from(walker.waypoint).max(1);
        let leg = (first..points.len()).find(|leg| is_on(points[leg - 1], points[*leg], at));
        if let Some(leg) = leg {
            walker.waypoint = leg as u8;
        }
    }

    fn find(&self, goal_tick: u32) -> Option<Path> {
        self.kept.iter().rev().flatten().find(|path| path.goal_tick == goal_tick).copied()
    }
}

/// Reads a path reply; nothing if its lists do not fit or a point lies outside of any zone.
#[must_use]
pub fn path_from_record(record: &netproto::Path) -> Option<Path> {
    let n = record.x_mm.len();
    if n != record.y_mm.len() || n > WAYPOINTS_MAX {
        return None;
    }
    let mut path = Path {
        goal_tick: record.goal_tick,
        effective_tick: record.effective_tick,
        n: n as u8,
        ..Path::default()
    };
    for (point, (&x_mm, &y_mm)) in path.points.iter_mut().zip(record.x_mm.iter().zip(&record.y_mm)) {
        if x_mm >= SIDE_MM_MAX as u32 || y_mm >= SIDE_MM_MAX as u32 {
            return None;
        }
        *point = (x_mm as i32, y_mm as i32);
    }
    Some(path)
}

/// Whether a point lies within half a metre of the leg from `a` to `b`.
fn is_on(a: (i32, i32), b: (i32, i32), at: (i32, i32)) -> bool {
    const NEAR_MM: i64 = 500;
    let (dx, dy) = (i64::from(b.0 - a.0), i64::from(b.1 - a.1));
    let (px, py) = (i64::from(at.0 - a.0), i64::from(at.1 - a.1));
    let (along, length2) = (px * dx + py * dy, dx * dx + dy * dy);
    let across = (px * dy - py * dx).abs();
    0 <= along && along < length2 && across <= NEAR_MM * length2.isqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(x_mm: Vec<u32>, y_mm: Vec<u32>) -> netproto::Path {
        netproto::Path { goal_tick: 5, effective_tick: 8, x_mm, y_mm }
    }

    #[test]
    fn a_path_with_lists_that_differ_or_points_outside_of_any_zone_is_no_path() {
        assert_eq!(path_from_record(&record(vec![1, 2], vec![3, 4])).map(|path| path.n), Some(2));
        assert_eq!(path_from_record(&record(vec![], vec![])).map(|path| path.n), Some(0));
        assert!(path_from_record(&record(vec![1, 2], vec![3])).is_none());
        assert!(path_from_record(&record(vec![u32::MAX], vec![3])).is_none());
        assert!(path_from_record(&record(vec![3], vec![1 << 22])).is_none());
        assert!(path_from_record(&record(vec![1; 17], vec![1; 17])).is_none());
    }

    #[test]
    fn a_replay_finds_the_path_of_the_goal_that_it_is_at_and_none_for_another() {
        let mut paths = Paths::default();
        for goal_tick in [5, 9] {
            paths.insert(&Path { goal_tick, n: goal_tick as u8, ..Path::default() });
        }
        let follow = Command { movement: Move::Follow(netproto::Follow {}), deed: None };
        let walker = |goal_tick| Walker { goal_tick, ..Walker::default() };
        assert_eq!(paths.path_for(8, &follow, &walker(5)).n, 5, "an older click's path is still needed");
        assert_eq!(paths.path_for(12, &follow, &walker(9)).n, 9);
        assert_ne!(paths.path_for(12, &follow, &walker(7)).goal_tick, 7);
        let goal = Command { movement: Move::Goal(netproto::Goal::default()), deed: None };
        assert_eq!(paths.path_for(9, &goal, &walker(5)).n, 9, "the step of a click is its own");
    }

    #[test]
    fn a_corrected_walker_goes_on_along_the_leg_it_stands_on() {
        let mut paths = Paths::default();
        paths.insert(&path_from_record(&record(vec![0, 9_000, 9_000], vec![0, 0, 9_000])).unwrap());
        let mut walker = Walker { state: MoveState::Path, goal_tick: 5, waypoint: 1, ..Walker::default() };
        paths.resume(&mut walker, (9_100, 3_000));
        assert_eq!(walker.waypoint, 2);
        paths.resume(&mut walker, (4_000, 4_000));
        assert_eq!(walker.waypoint, 2, "on no leg: as it was");
    }
}
