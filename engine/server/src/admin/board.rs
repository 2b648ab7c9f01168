//! What operators see of a zone: numbers that the tick hands over, added up off the tick.
//!
//! The tick sends one [`TickReport`] per tick through a bounded queue and never waits; whoever asks drains the
//! queue first. Histograms live here, so neither recording nor reading them costs the tick anything.

use std::time::{Duration, Instant};

use jobs::{Lap, STAGES, TickTimes};
use transport::Counters;

use crate::zone::peers::PeerCounts;

/// A zone that has not ticked for this long is stuck.
const STUCK_AFTER: Duration = Duration::from_secs(2);

/// What the tick hands over.
#[derive(Clone, Copy, Debug)]
pub struct TickReport {
    /// Which tick.
    pub tick: u32,
    /// When its last send was done.
    pub ended: Instant,
    /// What it took, from the input pass to the last send.
    pub lap: Lap,
    /// What its stages took.
    pub stages: [Lap; STAGES.len()],
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
    /// Ticks that ended after the next one was due.
    pub n_late: u64,
    /// How often the schedule moved.
    pub n_moved: u64,
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
    period: Duration,
    started: Instant,
    /// Since the start.
    pub(super) total: Tally,
    /// Since [`Board::handle_window`].
    pub(super) window: Tally,
    pub(super) last: Option<TickReport>,
    pub(super) numbers: Numbers,
}

/// Histograms and what goes with them, since some moment.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    pub(super) begun: Instant,
    pub(super) times: TickTimes,
    pub(super) overruns: u64,
    /// Counters when it began.
    pub(super) baseline: Option<Numbers>,
}

impl Tally {
    fn new(begun: Instant) -> Self {
        Self { begun, times: TickTimes::default(), overruns: 0, baseline: None }
    }

    fn record(&mut self, report: &TickReport, period: Duration) {
        self.times.record(report.lap, &report.stages);
        self.overruns += u64::from(u128::from(report.lap.cpu_ns) > period.as_nanos());
        if self.baseline.is_none() {
            self.baseline = report.numbers;
        }
    }
}

impl Board {
    /// Nothing reported yet.
    #[must_use]
    pub fn new(now: Instant, ticks_per_second: u32) -> Self {
        let period = Duration::from_secs(1) / ticks_per_second;
        let mut total = Tally::new(now);
        total.baseline = Some(Numbers::default());
        Self { period, started: now, total, window: Tally::new(now), last: None, numbers: Numbers::default() }
    }

    /// The tick reported.
    pub fn handle_report(&mut self, report: TickReport) {
        self.total.record(&report, self.period);
        self.window.record(&report, self.period);
        self.numbers = report.numbers.unwrap_or(self.numbers);
        self.last = Some(report);
    }

    /// A new measuring window begins.
    pub fn handle_window(&mut self, now: Instant) {
        self.window.begun = now;
        self.window.times.reset();
        self.window.overruns = 0;
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

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn report(at: Instant, cpu_ms: u64, kills: u64) -> TickReport {
        let mut numbers = Numbers::default();
        numbers.world.kills = kills;
        let lap = Lap { wall_ns: cpu_ms * 1_100_000, cpu_ns: cpu_ms * 1_000_000 };
        TickReport { tick: 7, ended: at, lap, stages: Default::default(), numbers: Some(numbers) }
    }

    #[test]
    fn a_window_forgets_what_was_before_and_the_total_does_not() {
        let start = Instant::now();
        let mut board = Board::new(start, 20);
        board.handle_report(report(start, 60, 10));
        board.handle_window(start);
        board.handle_report(report(start, 3, 15));
        board.handle_report(report(start, 51, 19));
        assert_eq!((board.total.times.wall.n(), board.total.overruns), (3, 2));
        assert_eq!((board.window.times.wall.n(), board.window.overruns), (2, 1));
        let baseline = board.window.baseline.unwrap();
        assert_eq!(board.numbers.world.kills - baseline.world.kills, 4);
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
