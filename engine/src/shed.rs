//! What a zone gives up when it cannot do everything: a ladder of rungs, the cheapest for players first.
//!
//! The level says how many rungs are given up; it comes in as an input, so that a recording of an overloaded day is
//! lived again bit for bit. Phases ask [`Shed`] what they may leave out. What is certain is never left out: facts,
//! timed events, and news of the own body go in their tick on every rung.
//! Source: docs/ARCHITECTURE.md "Load shedding".

use crate::columns::Columns;
use crate::ids::EntityId;
use crate::interest;
use kernel::walls::TILE_SHIFT;
use netproto::SLOTS;

/// What can be given up, in the order in which it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rung {
    /// Looks and actions of entities that are not near wait for about a second.
    Cosmetic,
    /// Motion of entities that are far goes in every second tick.
    Far,
    /// Clients choose whom they see half as often.
    Interest,
    /// Ten snapshots a second instead of one per tick.
    SendTen,
    /// Five.
    SendFive,
    /// A client sees 32 entities instead of 64.
    Slots,
    /// Creatures with no player around think a quarter as often.
    Creatures,
    /// Births wait.
    Ecology,
    /// Ticks take longer than they should: the shell stretches them.
    Dilation,
}

impl Rung {
    /// All rungs, in order.
    pub const ALL: [Self; 9] = [
        Self::Cosmetic,
        Self::Far,
        Self::Interest,
        Self::SendTen,
        Self::SendFive,
        Self::Slots,
        Self::Creatures,
        Self::Ecology,
        Self::Dilation,
    ];

    /// Its name in figures and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        ["cosmetic", "far", "interest", "send_ten", "send_five", "slots", "creatures", "ecology", "dilation"]
            [self as usize]
    }

    /// The lowest level on which it is given up.
    #[must_use]
    pub const fn level(self) -> u8 {
        self as u8 + 1
    }
}

/// The highest level: everything is given up, and time runs at half its pace.
pub const LEVEL_MAX: u8 = Rung::Dilation.level() + 3;
/// How long a tick takes, in percent of the fixed rate's, by steps of dilation.
const PERCENTS: [u32; 5] = [100, 125, 150, 175, 200];
const _: () = assert!(LEVEL_MAX as usize - Rung::Ecology.level() as usize == PERCENTS.len() - 1);

/// Entities nearer than this keep their looks up to date.
pub const NEAR_MM: i32 = 16_000;
/// Entities farther than this are far.
pub const FAR_MM: i32 = 32_000;
/// Clients look for whom they see every so many ticks when they should do so half as often.
const INTEREST_TICKS: u32 = 2 * interest::EVERY_TICKS;
/// Cosmetic news goes every so many ticks: a multiple of every distance between two snapshots, and an even number of
/// snapshots, so that it also goes to clients that get only every second one.
pub(crate) const COSMETIC_TICKS: u32 = 24;
/// Slots when there are few.
const FEW_SLOTS: usize = 32;
/// Creatures with nobody around think so many times as seldom.
const DOZE: u32 = 4;
/// Nobody around: no player within this distance of the tile.
const AROUND_MM: i32 = 64_000;
/// When births may go on, those that waited come within so many ticks, not all at once.
const CATCH_UP_TICKS: u32 = 64;

/// What was left out so far, by rung; dilation is the shell's to count.
pub type Spared = [u64; Rung::ALL.len()];

/// How much of its detail a zone gives up, and where its creatures have company.
#[derive(Clone, Debug)]
pub struct Shed {
    level: u8,
    ticks_per_second: u32,
    /// First tick in which births go on after they were postponed; 0: they never were.
    eased_at: u32,
    tiles_per_side: usize,
    /// By tile: a player is around. Of this tick, while it matters.
    has_company: Vec<bool>,
}

impl Shed {
    /// Full detail.
    #[must_use]
    pub fn none(side_mm: i32, ticks_per_second: u32) -> Self {
        let tiles_per_side = kernel::walls::tiles_for(side_mm) as usize;
        let has_company = vec![true; tiles_per_side * tiles_per_side];
        Self { level: 0, ticks_per_second, eased_at: 0, tiles_per_side, has_company }
    }

    /// From tick `now` on this level holds; one that there is not is the highest.
    pub fn set_level(&mut self, level: u8, now: u32) {
        let had = self.has(Rung::Ecology);
        self.level = level.min(LEVEL_MAX);
        if had && !self.has(Rung::Ecology) {
            self.eased_at = now;
        }
    }

    /// First tick in which births go on after they were postponed; 0: they never were.
    pub(crate) fn eased_at(&self) -> u32 {
        self.eased_at
    }

    /// Puts level and [`Shed::eased_at`] back.
    pub(crate) fn restore(&mut self, (level, eased_at): (u8, u32)) {
        (self.level, self.eased_at) = (level.min(LEVEL_MAX), eased_at);
    }

    /// 0: full detail.
    #[must_use]
    pub fn level(&self) -> u8 {
        self.level
    }

    /// Whether a rung is given up.
    #[must_use]
    #[inline]
    pub fn has(&self, rung: Rung) -> bool {
        rung.level() <= self.level
    }

    /// How long ticks should take, in percent of what the fixed rate says.
    #[must_use]
    pub fn percent(&self) -> u32 {
        percent_at(self.level)
    }

    /// Clients look for whom they see every so many ticks.
    #[must_use]
    #[inline]
    pub fn interest_every(&self) -> u32 {
        if self.has(Rung::Interest) { INTEREST_TICKS } else { interest::EVERY_TICKS }
    }

    /// A client's regular snapshots are so many ticks apart: 10 or 5 per second, also when ticks are stretched.
    #[must_use]
    #[inline]
    pub fn send_every(&self) -> u32 {
        match (self.has(Rung::SendFive), self.has(Rung::SendTen)) {
            (true, _) => (self.ticks_per_second * 100 / (5 * self.percent())).max(1),
            (_, true) => (self.ticks_per_second * 100 / (10 * self.percent())).max(1),
            _ => 1,
        }
    }

    /// Entities in a client's view at most.
    #[must_use]
    #[inline]
    pub fn slots(&self) -> usize {
        if self.has(Rung::Slots) { FEW_SLOTS } else { SLOTS }
    }

    /// The part of a client's ticks that this one is; equal numbers are equal turns, whichever way rows lie.
    #[must_use]
    #[inline]
    pub fn turn(id: EntityId, tick: u32) -> u32 {
        tick.wrapping_add(id.handle())
    }

    /// Whether cosmetic news of entities that are not near waits in this turn.
    #[must_use]
    #[inline]
    pub fn holds_cosmetic(&self, turn: u32) -> bool {
        self.has(Rung::Cosmetic) && !turn.is_multiple_of(COSMETIC_TICKS)
    }

    /// Whether motion of far entities waits in this turn of a client whose regular snapshots are `every` ticks apart.
    /// When that is rarer than every second tick, every regular one has it.
    #[must_use]
    #[inline]
    pub fn holds_far(&self, turn: u32, every: u32) -> bool {
        self.has(Rung::Far) && !turn.is_multiple_of(every.max(2))
    }

    /// Whether a creature that thinks every so many ticks does so now; by its den, so that row order does not
    /// matter.
    #[must_use]
    #[inline]
    pub fn may_think(&self, den: u32, now: u32, every: u32, place: (i32, i32)) -> bool {
        let turn = now.wrapping_add(den);
        let every = if self.has(Rung::Creatures) && !self.has_company(place) { DOZE * every } else { every };
        turn.is_multiple_of(every)
    }

    /// Whether a creature whose time has come may be born now.
    #[must_use]
    #[inline]
    pub fn may_bear(&self, den: u32, now: u32) -> bool {
        let is_turn = self.easing(now).is_none() || now.wrapping_add(den).is_multiple_of(CATCH_UP_TICKS);
        !self.has(Rung::Ecology) && is_turn
    }

    /// Ticks since births go on, while those that waited come a few at a time.
    pub(crate) fn easing(&self, now: u32) -> Option<u32> {
        let since = now.wrapping_sub(self.eased_at);
        (self.eased_at != 0 && since < CATCH_UP_TICKS).then_some(since)
    }

    /// Notes where players are, if it matters: by their bodies, whoever may be looking.
    ///
    /// - Cost: a few words per player on the rung of creatures and above, nothing below.
    pub(crate) fn look_around(&mut self, columns: &Columns) {
        if !self.has(Rung::Creatures) {
            return;
        }
        self.has_company.fill(false);
        let n = columns.n_players_max();
        let places = columns.id[..n].iter().zip(columns.x_mm[..n].iter().zip(&columns.y_mm[..n]));
        for (_, (x_mm, y_mm)) in places.filter(|(id, _)| **id != EntityId::NONE) {
            for tile_y in self.tile(y_mm - AROUND_MM)..=self.tile(y_mm + AROUND_MM) {
                let (first, last) = (self.tile(x_mm - AROUND_MM), self.tile(x_mm + AROUND_MM));
                let row = tile_y * self.tiles_per_side;
                self.has_company[row + first..=row + last].fill(true);
            }
        }
    }

    /// A player is within [`AROUND_MM`] of the tile on each axis, when that was last noted.
    fn has_company(&self, place: (i32, i32)) -> bool {
        self.has_company[self.tile(place.1) * self.tiles_per_side + self.tile(place.0)]
    }

    /// A coordinate's tile, the nearest one of the square.
    fn tile(&self, mm: i32) -> usize {
        ((mm.max(0) >> TILE_SHIFT) as usize).min(self.tiles_per_side - 1)
    }
}

/// How long ticks should take on a level, in percent of what the fixed rate says.
#[must_use]
pub fn percent_at(level: u8) -> u32 {
    PERCENTS[usize::from(level.min(LEVEL_MAX).saturating_sub(Rung::Ecology.level()))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Handles, Row};
    use netproto::Kind;

    fn at(level: u8, ticks_per_second: u32) -> Shed {
        let mut shed = Shed::none(640_000, ticks_per_second);
        shed.set_level(level, 1);
        shed
    }

    #[test]
    fn each_level_gives_up_one_rung_more_and_the_last_ones_stretch_time() {
        for level in 0..=LEVEL_MAX {
            let n = Rung::ALL.iter().filter(|rung| at(level, 20).has(**rung)).count();
            assert_eq!(n, usize::from(level).min(Rung::ALL.len()));
        }
        assert_eq!(
            [0, 8, 9, 10, 11, 12, 99].map(|level| at(level, 20).percent()),
            [100, 100, 125, 150, 175, 200, 200]
        );
        assert_eq!([3, 4, 5].map(|level| at(level, 20).send_every()), [1, 2, 4]);
        assert_eq!([3, 4, 5].map(|level| at(level, 30).send_every()), [1, 3, 6]);
    }

    #[test]
    fn nothing_waits_for_ever_on_any_level_not_even_for_a_client_that_gets_every_second_snapshot() {
        for (level, rate) in (0..=LEVEL_MAX).flat_map(|level| [(level, 20), (level, 30)]) {
            let shed = at(level, rate);
            for (every, budget) in
                [1, 2].into_iter().flat_map(|every| [1, 2, 4].map(|budget| (every, budget)))
            {
                let apart = shed.send_every().max(budget);
                let is_sent = |turn: &u32| turn.is_multiple_of(apart) && (turn / apart).is_multiple_of(every);
                let turns: Vec<u32> = (0..96).filter(is_sent).collect();
                let n_far = turns.iter().filter(|turn| !shed.holds_far(**turn, apart)).count();
                let n_cosmetic = turns.iter().filter(|turn| !shed.holds_cosmetic(**turn)).count();
                let what = format!("level {level} at {rate} Hz, budget {budget}, every {every}");
                assert!(n_cosmetic >= 3, "{what}: {n_cosmetic} of 4 seconds");
                assert!(n_far >= 8, "{what}: {n_far} of 96 ticks");
            }
        }
    }

    #[test]
    fn creatures_think_less_where_no_player_is_around_and_as_ever_elsewhere() {
        let (mut columns, mut handles) = (Columns::new(64, 64), Handles::new(128));
        columns.spawn(&mut handles, Row(3), Kind::Player, (100_000, 100_000), 100);
        let mut shed = at(Rung::Creatures.level(), 20);
        shed.look_around(&columns);
        let thoughts = |shed: &Shed, place| (0..64).filter(|now| shed.may_think(5, *now, 4, place)).count();
        // The player's tile begins at 65.536 m; tiles are 65.536 m wide.
        for near in [(100_000, 100_000), (2_000, 2_000), (164_000, 100_000), (195_000, 36_500)] {
            assert_eq!(thoughts(&shed, near), 16, "{near:?}");
        }
        for far in [(200_000, 100_000), (100_000, 300_000), (639_999, 639_999)] {
            assert_eq!(thoughts(&shed, far), 4, "{far:?}");
        }
        shed.set_level(Rung::Slots.level(), 2);
        assert_eq!(thoughts(&shed, (639_999, 639_999)), 16);
    }

    #[test]
    fn births_that_waited_come_one_after_the_other() {
        let mut shed = at(Rung::Ecology.level(), 20);
        assert!((0..1_000).all(|den| !shed.may_bear(den, 7)));
        shed.set_level(0, 100);
        let born = |shed: &Shed, now| (0..640).filter(|den| shed.may_bear(*den, now)).count();
        assert!((100..164).all(|now| born(&shed, now) == 10));
        assert_eq!((born(&shed, 164), born(&at(0, 20), 3)), (640, 640));
    }
}
