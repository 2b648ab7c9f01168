//! A governor and a zone that costs less with every rung.

use super::*;

const MS: u64 = 1_000_000;
const TICK_NS: u64 = 50 * MS;

/// What is left of the work on each level, in thousandths: sends are most of it, ecology nothing.
const LEFT: [u64; 9] = [1_000, 990, 950, 900, 720, 600, 560, 540, 540];

struct Zone {
    governor: Governor,
    level: u8,
    ns: u64,
    levels: Vec<(u64, u8)>,
    /// Time on the wall beyond the own work, ns.
    stolen_ns: u64,
    n_ticks: u64,
}

impl Zone {
    fn new() -> Self {
        let governor = Governor::new(TICK_NS);
        Self { governor, level: 0, ns: 0, levels: Vec::new(), stolen_ns: 0, n_ticks: 0 }
    }

    /// Ticks for so long with work that takes so many ms at full detail; odd ticks a little more than even ones.
    fn run(&mut self, seconds: u64, full_ms: u64) {
        let until = self.ns + seconds * 1_000 * MS;
        while self.ns < until {
            let left = LEFT[usize::from(self.level).min(LEFT.len() - 1)];
            let own_ns = full_ms * MS * left / 1_000 * (97 + self.n_ticks % 2 * 6) / 100;
            let period_ns = TICK_NS * u64::from(percent_at(self.level)) / 100;
            let wall_ns = own_ns + self.stolen_ns;
            self.n_ticks += 1;
            self.ns += wall_ns.max(period_ns);
            if let Some(level) = self.governor.handle_tick(&Spent { wall_ns, own_ns, period_ns }) {
                self.level = level;
                self.levels.push((self.ns, level));
            }
        }
    }

    /// Changes in the last so many seconds.
    fn n_changes(&self, seconds: u64) -> usize {
        self.levels.iter().filter(|(at, _)| at + seconds * 1_000 * MS > self.ns).count()
    }
}

#[test]
fn a_zone_with_little_to_do_keeps_all_its_detail() {
    let mut zone = Zone::new();
    zone.run(60, 40);
    assert_eq!(zone.levels, []);
}

#[test]
fn twice_the_work_is_answered_within_two_seconds_rung_by_rung_and_full_detail_is_back_within_five() {
    let mut zone = Zone::new();
    zone.run(10, 25);
    zone.run(2, 100);
    let up: Vec<u8> = zone.levels.iter().map(|(_, level)| *level).collect();
    assert!(up.len() >= 9 && up[..8] == [1, 2, 3, 4, 5, 6, 7, 8], "{up:?}");
    assert!(percent_at(zone.level) >= 125, "level {}", zone.level);
    zone.run(58, 100);
    assert!(zone.n_changes(50) <= 8, "{} changes in 50 s", zone.n_changes(50));
    assert!(percent_at(zone.level) >= 125, "54 ms of work in 50 ms");
    zone.run(5, 25);
    assert_eq!(zone.level, 0, "{:?}", zone.levels);
}

#[test]
fn between_two_levels_it_does_not_go_up_and_down() {
    for full_ms in (44..100).step_by(3) {
        let mut zone = Zone::new();
        zone.run(60, full_ms);
        let n = zone.n_changes(50);
        assert!(n <= 10, "{n} changes in 50 s with {full_ms} ms: {:?}", zone.levels);
    }
}

#[test]
fn time_that_others_take_sheds_detail_when_it_goes_on_and_never_stretches_time() {
    let mut zone = Zone::new();
    zone.run(10, 15);
    zone.stolen_ns = 60 * MS;
    zone.run(1, 15);
    assert_eq!(zone.levels, [], "a burst");
    zone.run(60, 15);
    assert!((1..=Rung::Ecology.level()).contains(&zone.level), "level {}", zone.level);
    assert!(zone.levels.iter().all(|(_, level)| percent_at(*level) == 100), "{:?}", zone.levels);
    zone.stolen_ns = 0;
    zone.run(5, 15);
    assert_eq!(zone.level, 0);
}

#[test]
fn stretched_time_ends_with_the_own_work_although_others_go_on() {
    let mut zone = Zone::new();
    zone.run(10, 110);
    assert!(percent_at(zone.level) > 100);
    zone.stolen_ns = 90 * MS;
    zone.run(5, 15);
    assert_eq!(percent_at(zone.level), 100, "level {}", zone.level);
}

#[test]
fn one_long_tick_costs_one_rung_and_that_comes_back() {
    let mut zone = Zone::new();
    zone.run(10, 20);
    let spent = Spent { wall_ns: 70 * MS, own_ns: 70 * MS, period_ns: TICK_NS };
    zone.level = zone.governor.handle_tick(&spent).expect("a late tick is answered at once");
    assert_eq!(zone.level, 1);
    zone.run(1, 20);
    assert_eq!(zone.level, 0);
}

#[test]
fn a_zone_that_stood_still_for_a_minute_does_not_stretch_its_ticks() {
    let mut zone = Zone::new();
    zone.run(10, 20);
    let spent = Spent { wall_ns: 60_000 * MS, own_ns: 60_000 * MS, period_ns: TICK_NS };
    zone.level = zone.governor.handle_tick(&spent).expect("a late tick is answered at once");
    for _ in 0..40 {
        zone.run(1, 20);
        assert!(zone.level <= Rung::Ecology.level(), "level {}", zone.level);
    }
}
