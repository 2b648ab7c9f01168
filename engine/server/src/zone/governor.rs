//! How much detail a zone can afford: from what ticks took to the level of load shedding.
//!
//! A machine without clocks: [`Governor::handle_tick`] is told of every tick and says when the level shall change.
//! It climbs within a few ticks and comes down more slowly, and it remembers what each rung was worth, so that it
//! does not come down to where it could not stay. Time that the machine took for others sheds detail when it goes on
//! for seconds, but never stretches time: the zone's own work is what stretched time makes room for.
//! Source: docs/ARCHITECTURE.md "Load shedding".

use engine::Rung;
use engine::shed::{LEVEL_MAX, percent_at};

/// A load above this, in thousandths of a period, is too high.
const HIGH: u64 = 850;
/// One below this is low.
const LOW: u64 = 600;
/// Where the next lower level must lead to, as far as is known.
const AFTER: u64 = 800;
/// Where time is stretched to.
const STRETCHED: u64 = 780;
/// Own work is smoothed over about so many ticks.
const OWN_TICKS: u64 = 4;
/// Time on the wall over about so many while it grows: a neighbour's burst is over by then. It shrinks faster.
const WALL_TICKS: u64 = 64;
const WALL_TICKS_DOWN: u64 = 8;
/// The longest tick is forgotten over about so many.
const PEAK_TICKS: u64 = 128;
/// Ticks between two steps up: those of the last step must show.
const UP_TICKS: u32 = 2;
/// From one step to the next one down, at least.
const DOWN_NS: u64 = 200_000_000;
/// And at least so many ticks.
const DOWN_TICKS: u32 = 3;
/// After so many ticks on a level, what it is worth is known.
const LEARN_TICKS: u32 = 3;
/// What a rung is worth is forgotten by a hundredth in so many ticks: times change.
const FORGET_TICKS: u32 = 20;
/// In thousandths: a rung that is worth nothing, and one worth as much as is believed.
const WORTH_NOTHING: u64 = 1_000;
const WORTH_MAX: u64 = 2_500;

/// What a tick took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// From its begin to its end, ns.
    pub wall_ns: u64,
    /// The same without what the machine took, ns.
    pub own_ns: u64,
    /// From its begin to that of the next, as planned, ns.
    pub period_ns: u64,
}

/// How often each rung was given up and came back, totals since the start, by [`Rung`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ladder {
    /// Given up.
    pub rises: [u64; Rung::ALL.len()],
    /// Came back.
    pub falls: [u64; Rung::ALL.len()],
}

impl Ladder {
    /// The level changes.
    pub fn count(&mut self, from: u8, to: u8) {
        for rung in Rung::ALL {
            let (was, is) = (rung.level() <= from, rung.level() <= to);
            self.rises[rung as usize] += u64::from(is && !was);
            self.falls[rung as usize] += u64::from(was && !is);
        }
    }
}

/// Decides the level of load shedding.
#[derive(Clone, Debug)]
pub struct Governor {
    level: u8,
    /// Period of the fixed rate, ns.
    tick_ns: u64,
    /// Smoothed, ns.
    own_ns: u64,
    wall_ns: u64,
    /// The longest of the last ticks, own work: stretched ticks have room for it as well.
    peak_ns: u64,
    /// Since the level changed.
    ticks: u32,
    ns: u64,
    /// Since a worth was forgotten a little.
    forget_ticks: u32,
    /// Own time before the level went down by one, while it is not known after it.
    before_ns: Option<u64>,
    /// By level: own time one level below as it is on this one, in thousandths.
    worth: [u64; LEVEL_MAX as usize + 1],
}

impl Governor {
    /// Full detail, for a zone whose ticks are so far apart.
    #[must_use]
    pub fn new(tick_ns: u64) -> Self {
        Self {
            level: 0,
            tick_ns: tick_ns.max(1),
            own_ns: 0,
            wall_ns: 0,
            peak_ns: 0,
            ticks: 0,
            ns: 0,
            forget_ticks: 0,
            before_ns: None,
            worth: [WORTH_NOTHING; LEVEL_MAX as usize + 1],
        }
    }

    /// A tick is over: says which level shall hold from the next one on, if it is another.
    pub fn handle_tick(&mut self, spent: &Spent) -> Option<u8> {
        // One tick counts for no more than a few: a machine that stood still for a minute is not slow.
        let (own_ns, wall_ns) = (spent.own_ns.min(4 * self.tick_ns), spent.wall_ns.min(4 * self.tick_ns));
        if own_ns > 2 * self.own_ns {
            self.before_ns = None; // that was not the worth of a rung
        }
        self.own_ns = smooth(self.own_ns, own_ns, OWN_TICKS);
        self.peak_ns = own_ns.max(self.peak_ns - self.peak_ns / PEAK_TICKS);
        if self.load(self.own_ns, 0) < LOW {
            self.peak_ns = self.own_ns;
        }
        let n_ticks = if wall_ns < self.wall_ns { WALL_TICKS_DOWN } else { WALL_TICKS };
        self.wall_ns = smooth(self.wall_ns, wall_ns, n_ticks);
        (self.ticks, self.ns) = (self.ticks + 1, self.ns + spent.period_ns.max(spent.wall_ns));
        self.learn();
        let level = self.wanted(spent);
        if level == self.level {
            return None;
        }
        self.before_ns = (level + 1 == self.level).then_some(self.own_ns);
        (self.level, self.ticks, self.ns) = (level, 0, 0);
        Some(level)
    }

    fn wanted(&self, spent: &Spent) -> u8 {
        let is_late = spent.own_ns > self.period_ns(self.level);
        let own = self.load(self.own_ns, self.level);
        let wall = self.load(self.wall_ns, self.level);
        let detail_max = Rung::Ecology.level();
        if is_late || (own > HIGH && self.ticks >= UP_TICKS) {
            return if self.level < detail_max { self.level + 1 } else { self.stretched().max(self.level) };
        }
        if wall > 1_000 && self.ticks >= WALL_TICKS as u32 {
            return (self.level + 1).min(detail_max.max(self.level));
        }
        let may_ease = self.ticks >= DOWN_TICKS && self.ns >= DOWN_NS;
        if self.level == 0 || own >= LOW || !may_ease {
            return self.level;
        }
        // Time runs as it should again as soon as the own work has room, whatever the machine does.
        if self.level > detail_max {
            return self.stretched().min(self.level - 1);
        }
        if wall > HIGH {
            return self.level;
        }
        let after = own * self.worth[usize::from(self.level)] / WORTH_NOTHING;
        if after <= AFTER { self.level - 1 } else { self.level }
    }

    /// The lowest level with all rungs of detail given up on which ticks are long enough.
    fn stretched(&self) -> u8 {
        let levels = Rung::Ecology.level()..LEVEL_MAX;
        let has_room = |level: &u8| {
            self.load(self.own_ns, *level) <= STRETCHED && self.load(self.peak_ns, *level) <= 1_000
        };
        levels.into_iter().find(has_room).unwrap_or(LEVEL_MAX)
    }

    /// What the last step down did to the load is what its rung is worth.
    fn learn(&mut self) {
        if self.ticks == LEARN_TICKS
            && let Some(before_ns) = self.before_ns.take()
        {
            let worth = self.own_ns * WORTH_NOTHING / before_ns.max(1);
            self.worth[usize::from(self.level) + 1] = worth.clamp(WORTH_NOTHING, WORTH_MAX);
        }
        self.forget_ticks += 1;
        if self.forget_ticks == FORGET_TICKS {
            self.forget_ticks = 0;
            for worth in &mut self.worth {
                *worth -= (*worth - WORTH_NOTHING) / 100;
            }
        }
    }

    /// Thousandths of the period that a level has.
    fn load(&self, ns: u64, level: u8) -> u64 {
        ns * 1_000 / self.period_ns(level)
    }

    fn period_ns(&self, level: u8) -> u64 {
        self.tick_ns * u64::from(percent_at(level)) / 100
    }
}

fn smooth(old: u64, new: u64, n_ticks: u64) -> u64 {
    (old * (n_ticks - 1) + new) / n_ticks
}

#[cfg(test)]
#[path = "governor_tests.rs"]
mod tests;
