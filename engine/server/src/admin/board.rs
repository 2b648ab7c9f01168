//! What operators see of a zone: numbers that the tick hands over, added up off the tick.
//!
//! The tick sends one [`TickReport`] per tick through a bounded queue and never waits; whoever asks drains the
//! queue first. Histograms come once a second, filled by the tick and added up here, so reading them costs the
//! tick nothing.

use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jobs::strain::Sight;
use jobs::{Counted, Durations, Interval, Lap, STAGES, Strain, TickTimes};
use transport::{Counters, Queues};

use crate::allocator::Allocations;
use crate::zone::budgeter::Standings;
use crate::zone::governor::Ladder;
use crate::zone::keep::Kept;
use crate::zone::peers::PeerCounts;
use crate::zone::record::Recorded;

/// A zone that has not ticked for this long is stuck.
const STUCK_AFTER: Duration = Duration::from_secs(2);
/// Seconds that are remembered one by one.
pub const HISTORY_MAX: usize = 600;

/// What the tick hands over.
#[derive(Clone, Copy, Debug)]
pub struct TickReport {
    /// Which tick.
    pub tick: u32,
    /// When its last send was done.
    pub ended: Instant,
    /// How far behind the announced schedule it began.
    pub behind: Duration,
    /// What it took, from the input pass to the last send.
    pub lap: Lap,
    /// What its stages took.
    pub stages: [Lap; STAGES.len()],
    /// What the machine took meanwhile.
    pub strain: Strain,
    /// Counters, every few ticks.
    pub numbers: Option<Numbers>,
}

/// Counters of all rooms at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Numbers {
    /// The world's.
    pub world: engine::Counts,
    /// The border's.
    pub peers: PeerCounts,
    /// The sockets'.
    pub sockets: Counters,
    /// Connected players on QUIC and on WebSocket.
    pub by_link: [u32; 2],
    /// Connections in whatever stage.
    pub n_connections: u32,
    /// What waits at the sockets.
    pub queues: Queues,
    /// Made by the thread that runs the tick, in ticks only.
    pub allocations: Allocations,
    /// Ticks that ended after the next one was due.
    pub n_late: u64,
    /// How often the schedule moved.
    pub n_moved: u64,
    /// Rungs of load shedding that are given up, and steps of stretched time.
    pub shed_level: u8,
    /// Time from one tick to the next.
    pub period: Duration,
    /// How often each rung was given up and came back.
    pub ladder: Ladder,
    /// What the clients' paths bear.
    pub budgets: Standings,
    /// How the recording goes, if there is one.
    pub recorded: Recorded,
    /// What outlives the process.
    pub kept: Kept,
    /// The zone is going down.
    pub is_draining: bool,
}

/// Why a zone is not healthy, or that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It ticks.
    Ok,
    /// It has not ticked yet.
    Starting,
    /// It is going down.
    Draining,
    /// It should tick and does not.
    Stuck,
}

/// Everything reported so far.
pub struct Board {
    pub(super) period: Duration,
    started: Instant,
    /// The same moment, s since 1970. Asked once: the clock may be set, the start stays.
    pub(super) started_unix_seconds: f64,
    /// What is known of ticks on this machine.
    pub(super) sight: Sight,
    /// Since the start.
    pub(super) total: Tally,
    /// Since [`Board::handle_window`].
    pub(super) window: Tally,
    /// The last seconds, oldest first, at most [`HISTORY_MAX`].
    pub(super) history: VecDeque<Second>,
    pub(super) last: Option<TickReport>,
    pub(super) numbers: Numbers,
}

/// Histograms and what goes with them, since some moment.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    pub(super) begun: Instant,
    /// Of whole seconds: up to one at either end is not in them.
    pub(super) times: TickTimes,
    pub(super) counted: Counted,
    /// How far behind the announced schedule its ticks began.
    pub(super) behind: Durations,
    /// Counters when it began.
    pub(super) baseline: Option<Numbers>,
}

impl Tally {
    fn new(begun: Instant) -> Self {
        Self {
            begun,
            times: TickTimes::default(),
            counted: Counted::default(),
            behind: Durations::new(),
            baseline: None,
        }
    }

    fn add(&mut self, report: &TickReport, period: Duration) {
        self.counted.add(period.as_nanos() as u64, report.lap, report.strain);
        self.behind.record_ns(report.behind.as_nanos() as u64);
        if self.baseline.is_none() {
            self.baseline = report.numbers;
        }
    }
}

/// One second of the past.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Second {
    /// When it ended, ms since 1970.
    pub ended_ms: u64,
    /// How long it really was, s.
    pub seconds: f64,
    /// Ticks in it.
    pub n_ticks: u64,
    /// Wall time of its ticks, ns: half were at most this.
    pub p50_ns: u64,
    /// 99 of 100 were at most this; with 20 ticks the same as the longest.
    pub p99_ns: u64,
    /// The longest.
    pub max_ns: u64,
    /// CPU time of its ticks, mean, ns.
    pub cpu_mean_ns: u64,
    /// Wall time per stage, mean, ns, in the order of [`STAGES`].
    pub stage_mean_ns: [u64; STAGES.len()],
    /// Wall time per stage, longest, ns.
    pub stage_max_ns: [u64; STAGES.len()],
    /// Players at its end.
    pub players: u32,
    /// Ticks that were too long by their own doing.
    pub overruns_own: u64,
    /// Ticks that were too long because of the machine.
    pub overruns_stolen: u64,
    /// What the machine took.
    pub strain: Strain,
}

impl Second {
    fn new(interval: &Interval, numbers: &Numbers) -> Self {
        let ended = SystemTime::now().checked_sub(interval.ended.elapsed()).unwrap_or(UNIX_EPOCH);
        let (times, counted) = (&interval.times, &interval.counted);
        Self {
            ended_ms: ended.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64,
            seconds: interval.ended.saturating_duration_since(interval.begun).as_secs_f64(),
            n_ticks: counted.n_ticks,
            p50_ns: times.wall.at_quantile_ns(0.5),
            p99_ns: times.wall.at_quantile_ns(0.99),
            max_ns: times.wall.max_ns(),
            cpu_mean_ns: times.cpu.mean_ns(),
            stage_mean_ns: std::array::from_fn(|at| times.stages[at].mean_ns()),
            stage_max_ns: std::array::from_fn(|at| times.stages[at].max_ns()),
            players: numbers.world.players,
            overruns_own: counted.overruns_own,
            overruns_stolen: counted.overruns_stolen,
            strain: counted.strain,
        }
    }
}

impl Board {
    /// Nothing reported yet.
    #[must_use]
    pub fn new(now: Instant, ticks_per_second: u32) -> Self {
        let mut total = Tally::new(now);
        total.baseline = Some(Numbers::default());
        Self {
            period: Duration::from_secs(1) / ticks_per_second,
            started: now,
            started_unix_seconds: unix_seconds(SystemTime::now()),
            sight: Sight::NONE,
            total,
            window: Tally::new(now),
            history: VecDeque::with_capacity(HISTORY_MAX),
            last: None,
            numbers: Numbers::default(),
        }
    }

    /// The tick reported.
    pub fn handle_report(&mut self, report: TickReport) {
        // A stretched tick may take longer.
        let period = self.period.max(self.numbers.period);
        self.total.add(&report, period);
        self.window.add(&report, period);
        self.numbers = report.numbers.unwrap_or(self.numbers);
        self.last = Some(report);
    }

    /// What can be said about ticks is this.
    pub fn handle_sight(&mut self, sight: Sight) {
        self.sight = sight;
    }

    /// Histograms of about a second came. They count in the window when all of their ticks do.
    ///
    /// - Cost: a few ms, most of it for the quantiles.
    pub fn handle_interval(&mut self, interval: &Interval) -> Second {
        self.total.times.merge(&interval.times);
        if interval.begun >= self.window.begun {
            self.window.times.merge(&interval.times);
        }
        if self.history.len() == HISTORY_MAX {
            self.history.pop_front();
        }
        let second = Second::new(interval, &self.numbers);
        self.history.push_back(second);
        second
    }

    /// A new measuring window begins.
    pub fn handle_window(&mut self, now: Instant) {
        self.window.begun = now;
        self.window.times.reset();
        self.window.counted = Counted::default();
        self.window.behind.reset();
        self.window.baseline = None;
    }

    /// How the zone is, and how long ago it ticked.
    #[must_use]
    pub fn health(&self, now: Instant) -> (Health, Duration) {
        let ticked = self.last.map_or(self.started, |report| report.ended);
        let age = now.saturating_duration_since(ticked);
        let health = match self.last {
            _ if self.numbers.is_draining => Health::Draining,
            _ if age > STUCK_AFTER => Health::Stuck,
            None => Health::Starting,
            Some(_) => Health::Ok,
        };
        (health, age)
    }

    /// How long the zone has been up.
    #[must_use]
    pub fn uptime(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.started)
    }
}

fn unix_seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn report(at: Instant, wall_ms: u64, kills: u64) -> TickReport {
        let mut numbers = Numbers::default();
        numbers.world.kills = kills;
        let lap = Lap { wall_ns: wall_ms * MS, cpu_ns: MS };
        let (stages, strain) = Default::default();
        let behind = Duration::ZERO;
        TickReport { tick: 7, ended: at, behind, lap, stages, strain, numbers: Some(numbers) }
    }

    /// A second of ticks that took this long each.
    fn interval(begun: Instant, wall_ms: &[u64]) -> Interval {
        let mut times = Box::<TickTimes>::default();
        let mut counted = Counted::default();
        for wall_ms in wall_ms {
            let lap = Lap { wall_ns: wall_ms * MS, cpu_ns: MS };
            times.record(lap, &Default::default(), None);
            counted.add(50 * MS, lap, Strain::default());
        }
        Interval { begun, ended: begun + Duration::from_secs(1), counted, times }
    }

    #[test]
    fn a_window_forgets_what_was_before_and_the_total_does_not() {
        let start = Instant::now();
        let second = |n: u64| start + Duration::from_secs(n);
        let mut board = Board::new(start, 20);
        board.handle_report(report(start, 60, 10));
        board.handle_interval(&interval(start, &[60]));
        board.handle_window(second(1));
        board.handle_report(report(second(1), 3, 15));
        board.handle_report(report(second(2), 51, 19));
        board.handle_interval(&interval(second(1), &[3, 51]));
        let counted =
            |tally: &Tally| (tally.counted.n_ticks, tally.times.wall.n(), tally.counted.overruns_own);
        assert_eq!((counted(&board.total), counted(&board.window)), ((3, 3, 2), (2, 2, 1)));
        let baseline = board.window.baseline.unwrap();
        assert_eq!(board.numbers.world.kills - baseline.world.kills, 4);
    }

    #[test]
    fn a_second_that_began_before_the_window_is_not_in_it() {
        let start = Instant::now();
        let mut board = Board::new(start, 20);
        board.handle_window(start + Duration::from_millis(400));
        board.handle_interval(&interval(start, &[90]));
        assert_eq!((board.total.times.wall.n(), board.window.times.wall.n()), (1, 0));
    }

    #[test]
    fn overruns_are_told_apart_by_whose_doing_they_are() {
        let start = Instant::now();
        let mut board = Board::new(start, 20);
        let mut waited = report(start, 60, 0);
        waited.strain = Strain { run_queue_ns: 12 * MS, steal_ns: 0, minor_faults: 3 };
        board.handle_report(waited);
        board.handle_report(report(start, 60, 0));
        board.handle_report(report(start, 50, 0));
        let counted = board.total.counted;
        assert_eq!((counted.overruns_own, counted.overruns_stolen, counted.n_ticks), (1, 1, 3));
        assert_eq!(counted.strain, waited.strain);
    }

    #[test]
    fn an_overrun_is_in_the_second_of_its_tick_whenever_its_report_comes() {
        let start = Instant::now();
        let mut board = Board::new(start, 20);
        board.handle_report(report(start, 2, 0));
        board.handle_interval(&interval(start, &[2, 70]));
        board.handle_report(report(start, 70, 0));
        board.handle_report(report(start, 3, 0));
        board.handle_interval(&interval(start, &[3]));
        let seconds: Vec<_> =
            board.history.iter().map(|second| (second.n_ticks, second.overruns_own)).collect();
        assert_eq!(seconds, [(2, 1), (1, 0)]);
    }

    #[test]
    fn the_history_has_one_entry_per_second_and_an_end() {
        let start = Instant::now();
        let mut board = Board::new(start, 20);
        board.handle_report(report(start, 70, 0));
        board.handle_report(report(start, 2, 0));
        board.handle_interval(&interval(start, &[70, 2]));
        board.handle_interval(&interval(start, &[1]));
        let first = board.history[0];
        assert_eq!((first.n_ticks, first.overruns_own, board.history[1].n_ticks), (2, 1, 1));
        assert!(first.max_ns.abs_diff(70 * MS) < MS / 10 && first.p50_ns.abs_diff(2 * MS) < MS / 100);
        assert!(first.seconds == 1.0 && first.ended_ms > 1_700_000_000_000);
        for _ in 0..HISTORY_MAX {
            board.handle_interval(&interval(start, &[]));
        }
        assert_eq!((board.history.len(), board.history[0].max_ns), (HISTORY_MAX, 0));
    }

    #[test]
    fn a_zone_that_stops_ticking_is_stuck_and_a_draining_one_says_so() {
        let start = Instant::now();
        let mut board = Board::new(start, 20);
        assert_eq!(board.health(start).0, Health::Starting);
        board.handle_report(report(start, 1, 0));
        assert_eq!(board.health(start + Duration::from_secs(1)).0, Health::Ok);
        assert_eq!(board.health(start + Duration::from_secs(3)), (Health::Stuck, Duration::from_secs(3)));
        let mut draining = report(start, 1, 0);
        draining.numbers = Some(Numbers { is_draining: true, ..Numbers::default() });
        board.handle_report(draining);
        assert_eq!(board.health(start).0, Health::Draining);
    }
}
