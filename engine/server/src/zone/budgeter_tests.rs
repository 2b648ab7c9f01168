//! Budgets of clients behind paths made up here, in virtual time.

use super::*;

const MS: Duration = Duration::from_millis(1);
const EVERY: Duration = Duration::from_millis(400);
const PEER: PeerId = PeerId::new(3, 1);

/// A path with a queue in front of its narrowest place.
#[derive(Clone, Copy)]
struct Path {
    rtt: Duration,
    /// Bytes per second, and of the queue.
    narrow: Option<(f64, f64)>,
    /// Share of packets that are lost by chance: every so many.
    loses_every: u64,
    /// A queue that somebody else fills.
    foreign: Duration,
    is_cut: bool,
}

const FAIR: Path = Path {
    rtt: Duration::from_millis(60),
    narrow: None,
    loses_every: u64::MAX,
    foreign: Duration::ZERO,
    is_cut: false,
};

/// One client behind a path.
struct Run {
    budgeter: Budgeter,
    budget: Budget,
    now: Instant,
    cut_at: Option<Instant>,
    queue_bytes: f64,
    report: Report,
    /// Levels, one per report, since the last call of [`Run::go`].
    levels: Vec<usize>,
    /// What waits in the queue, likewise.
    queues: Vec<Duration>,
}

impl Run {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            budgeter: Budgeter::new(20),
            budget: LEVELS[0],
            now,
            cut_at: None,
            queue_bytes: 0.0,
            report: Report::default(),
            levels: Vec::new(),
            queues: Vec::new(),
        }
    }

    /// Goes on for so many seconds; at full detail snapshots are of `frame_bytes`.
    fn go(&mut self, path: Path, frame_bytes: f64, seconds: u32) -> &[usize] {
        self.levels.clear();
        self.queues.clear();
        for _ in 0..(seconds * 1_000).div_ceil(EVERY.as_millis() as u32) {
            self.now += EVERY;
            self.send(path, frame_bytes);
            if let Some(budget) = self.budgeter.handle_report(self.now, PEER, &self.report) {
                assert_ne!(budget, self.budget, "told of what it is already");
                self.budget = budget;
            }
            self.levels.push(LEVELS.iter().position(|level| *level == self.budget).unwrap());
        }
        &self.levels
    }

    fn send(&mut self, path: Path, frame_bytes: f64) {
        let seconds = EVERY.as_secs_f64();
        let n = 20.0 / f64::from(self.budget.send_every) * seconds;
        // What was not sent is in the next snapshot, in part; those that are not seen are in none.
        let merged =
            frame_bytes * f64::from(self.budget.send_every).sqrt() * f64::from(self.budget.slots) / 64.0;
        let bytes = n * (merged.min(self.budget.frame_bytes.into()) + HEADER_BYTES);
        let n = n.round() as u64;
        let chance =
            (self.report.packets_sent + n) / path.loses_every - self.report.packets_sent / path.loses_every;
        self.report.packets_sent += n;
        let mut n_lost = chance;
        let (mut queue, mut unsent) = (path.foreign, 0.0);
        if let Some((rate, room)) = path.narrow {
            self.queue_bytes = (self.queue_bytes + bytes - rate * seconds).max(0.0);
            unsent = (self.queue_bytes - room).max(0.0);
            self.queue_bytes -= unsent;
            queue += Duration::from_secs_f64(self.queue_bytes / rate);
        }
        n_lost += (unsent / (bytes / n.max(1) as f64)).round() as u64;
        self.queues.push(queue);
        if path.is_cut {
            let since = *self.cut_at.get_or_insert(self.now - EVERY);
            (self.report.waited, self.report.lag) = (self.now - since, None);
            return;
        }
        if let Some(since) = self.cut_at.take() {
            n_lost += (self.now - since).as_millis() as u64 / 200;
        }
        self.report.packets_lost += n_lost.min(n + 50);
        (self.report.waited, self.report.lag) = (Duration::ZERO, Some(path.rtt + queue + 25 * MS));
        // Smoothed, as QUIC does.
        let rtt = path.rtt + queue;
        let before = if self.report.rtt.is_zero() { rtt } else { self.report.rtt };
        self.report.rtt = before.mul_f64(0.4) + rtt.mul_f64(0.6);
    }

    fn n_changes(&self) -> usize {
        self.levels.windows(2).filter(|pair| pair[0] != pair[1]).count()
    }
}

fn mean(levels: &[usize]) -> f64 {
    levels.iter().sum::<usize>() as f64 / levels.len() as f64
}

#[test]
fn random_loss_without_a_queue_costs_little() {
    for (loses_every, rtt, most) in [(100, 50, 0), (100, 300, 0), (20, 50, 0), (20, 150, 1), (20, 300, 1)] {
        let path = Path { loses_every, rtt: rtt * MS, ..FAIR };
        let mut run = Run::new();
        let levels = run.go(path, 150.0, 60);
        assert!(levels.iter().all(|level| *level <= most), "1 of {loses_every} at {rtt} ms: {levels:?}");
    }
}

#[test]
fn heavy_loss_leads_to_no_more_than_a_tcp_would_send_and_calm_back_to_full_detail() {
    let path = Path { loses_every: 5, rtt: 300 * MS, ..FAIR };
    let mut run = Run::new();
    run.go(path, 150.0, 20);
    let levels = run.go(path, 150.0, 40).to_vec();
    let allowed = allowed_per_second(0.18, path.rtt); // with what is taken to have gone before
    assert!(levels.iter().all(|level| per_second(*level, 20) <= allowed * 1.3), "{allowed} B/s: {levels:?}");
    assert_eq!(run.go(FAIR, 150.0, 10).last(), Some(&0));
}

#[test]
fn a_bottleneck_is_found_its_queue_stays_short_and_the_level_does_not_swing() {
    // 64 kbit/s, and a queue of a second.
    let path = Path { narrow: Some((8_000.0, 8_000.0)), ..FAIR };
    let mut run = Run::new();
    run.go(path, 600.0, 10);
    run.go(path, 600.0, 60);
    let long = run.queues.iter().filter(|queue| **queue > 300 * MS).count();
    assert!(long * 8 < run.queues.len(), "the queue is long in {long} of {} reports", run.queues.len());
    assert!(mean(&run.levels) > 0.8, "nothing was given up: {:?}", run.levels);
    assert!(run.n_changes() <= 26, "{} changes in a minute: {:?}", run.n_changes(), run.levels);
    let levels = run.go(FAIR, 600.0, 10);
    assert_eq!(levels.last(), Some(&0), "not back within ten seconds: {levels:?}");
}

#[test]
fn a_queue_without_loss_slows_a_client_down() {
    let path = Path { narrow: Some((8_000.0, f64::INFINITY)), ..FAIR };
    let mut run = Run::new();
    run.go(path, 600.0, 20);
    assert!(mean(&run.levels) >= 1.0, "{:?}", run.levels);
    run.go(path, 600.0, 60);
    // The queue that shrinks when less is sent is never taken for a longer way.
    assert!(run.queues.iter().all(|queue| *queue < 600 * MS), "{:?}", run.queues);
}

#[test]
fn a_way_that_grows_longer_in_play_costs_a_player_some_seconds_of_detail() {
    for (more, within) in [(120, 9), (250, 9), (450, 14)] {
        let mut run = Run::new();
        run.go(FAIR, 150.0, 20);
        let path = Path { rtt: FAIR.rtt + more * MS, ..FAIR };
        assert!(run.go(path, 150.0, 3).iter().any(|level| *level > 0), "{more} ms more look like a queue");
        let levels = run.go(path, 150.0, within);
        assert_eq!(levels.last(), Some(&0), "{more} ms more: {levels:?}");
        let levels = run.go(path, 150.0, 30);
        assert!(levels.iter().all(|level| *level == 0), "{more} ms more: {levels:?}");
        // On the longer way a queue is noticed as on any other.
        let narrow = Path { narrow: Some((8_000.0, f64::INFINITY)), ..path };
        run.go(narrow, 600.0, 20);
        run.go(narrow, 600.0, 30);
        assert!(mean(&run.levels) >= 0.8, "{more} ms more, and narrow: {:?}", run.levels);
        assert!(run.queues.iter().all(|queue| *queue < 600 * MS), "{:?}", run.queues);
    }
}

#[test]
fn a_way_that_grows_longer_again_and_again_is_believed_once_a_minute() {
    let mut run = Run::new();
    run.go(FAIR, 150.0, 20);
    let longer = |more| Path { rtt: FAIR.rtt + more * MS, ..FAIR };
    assert_eq!(run.go(longer(150), 150.0, 12).last(), Some(&0));
    let levels = run.go(longer(300), 150.0, 12);
    assert_eq!(levels.last(), Some(&PATIENT_LOWEST), "{levels:?}");
    let levels = run.go(longer(300), 150.0, 20);
    assert_eq!(levels.last(), Some(&0), "{levels:?}");
}

#[test]
fn what_the_kernel_drops_at_our_own_socket_is_held_against_nobody() {
    let late = Report { rtt: 60 * MS, lag: Some(900 * MS), waited: 3 * SILENCE, ..Report::default() };
    for (drops, level) in [(0, LOWEST), (700, 0)] {
        let mut run = Run::new();
        run.go(FAIR, 150.0, 5);
        for n in 1..=5 {
            run.now += EVERY;
            run.budgeter.handle_own_drops(run.now, drops * n);
            run.budgeter.handle_report(run.now, PEER, &late);
        }
        assert_eq!(run.budgeter.standings().falls.iter().sum::<u64>() == 0, level == 0);
        run.now += SILENCE;
        run.budgeter.handle_report(run.now, PEER, &late);
        // A second without drops: who is silent then is not silent for our sake.
        assert_eq!(run.budgeter.standings().falls[Cause::Silence as usize], 1);
    }
}

#[test]
fn where_nothing_comes_back_the_least_is_sent_and_full_detail_is_back_within_ten_seconds() {
    let mut run = Run::new();
    run.go(FAIR, 150.0, 5);
    let levels = run.go(Path { is_cut: true, ..FAIR }, 150.0, 5);
    assert_eq!((levels[1], levels[3], levels[12]), (0, LOWEST, LOWEST), "{levels:?}");
    assert_eq!(run.budgeter.standings().falls[Cause::Silence as usize], 1);
    let levels = run.go(FAIR, 150.0, 10);
    assert_eq!(levels.last(), Some(&0), "{levels:?}");
}

#[test]
fn a_queue_that_others_fill_is_not_left_to_them() {
    let path = Path { foreign: 250 * MS, ..FAIR };
    let mut run = Run::new();
    run.go(FAIR, 150.0, 20);
    let levels = run.go(path, 150.0, 20);
    assert!(levels.iter().all(|level| *level <= PATIENT_LOWEST), "{levels:?}");
    assert_eq!(levels.last(), Some(&0), "{levels:?}");
}

#[test]
fn who_comes_to_a_place_begins_in_full_detail() {
    let mut budgeter = Budgeter::new(20);
    let start = Instant::now();
    let silent = Report { waited: 9 * SILENCE, ..Report::default() };
    assert_eq!(budgeter.handle_report(start, PEER, &silent), Some(LEVELS[LOWEST]));
    assert_eq!(budgeter.handle_report(start, PeerId::new(3, 2), &Report::default()), None);
    assert_eq!(budgeter.handle_report(start + EVERY, PeerId::new(3, 2), &silent), Some(LEVELS[LOWEST]));
}

#[test]
fn every_place_is_looked_at_once_in_eight_ticks() {
    let mut budgeter = Budgeter::new(20);
    for lap in 0..4 {
        let mut seen = [0; 100];
        let (mut most, now) = (0, Instant::now());
        for _ in 0..LAP_TICKS {
            let places = budgeter.next_places();
            let here = (0..100).filter(|place| places.contains(place)).collect::<Vec<u32>>();
            most = most.max(here.len());
            for place in here {
                seen[place as usize] += 1;
                budgeter.handle_report(now, PeerId::new(place, 1), &Report::default());
            }
        }
        assert_eq!(seen, [1; 100]);
        assert!(lap == 0 || most <= 13, "{most} in one tick");
    }
    assert_eq!(budgeter.standings().by_level[0], 100);
}

#[test]
fn a_probe_times_what_was_applied_and_knows_how_long_nothing_came() {
    let start = Instant::now();
    let acks = |newest, before| Acks { seen: true, newest, before };
    let mut probe = Probe::default();
    probe.arm(65_535, start);
    probe.arm(7, start + 5 * MS); // the first is still under way
    probe.handle_acks(&acks(65_534, 0), start + 20 * MS);
    assert_eq!(probe.take(start + 30 * MS), (None, 30 * MS));
    probe.handle_acks(&acks(1, 0b10), start + 80 * MS); // two numbers later, and it was applied
    assert_eq!(probe.take(start + 100 * MS), (Some(80 * MS), Duration::ZERO));
    probe.arm(2, start + 100 * MS);
    probe.handle_acks(&acks(3, 0), start + 300 * MS);
    assert_eq!(probe.take(start + 310 * MS), (None, Duration::ZERO), "it was lost, but something comes back");
}

/// Seen was that a zone that had been stopped for some seconds sent all its clients the least there is for as long again.
/// The time it had stood still was taken for the silence of their paths, and for their round trips. Now what was
/// measured over it is thrown away.
#[test]
fn what_a_zone_slept_through_says_nothing_of_its_clients_paths() {
    let mut run = Run::new();
    assert!(run.go(FAIR, 300.0, 10).iter().all(|level| *level == 0));
    run.now += Duration::from_secs(20);
    run.budgeter.handle_standstill(run.now);
    // The first report is of before it; then a round trip that spans it comes in, while no snapshot is timed yet; later ones
    // smooth it away.
    for rtt in [run.report.rtt, 2_500 * MS, 2_500 * MS] {
        run.now += EVERY;
        (run.report.rtt, run.report.lag) = (rtt, None);
        assert_eq!(run.budgeter.handle_report(run.now, PEER, &run.report), None);
    }
    assert!(run.go(FAIR, 300.0, 10).iter().all(|level| *level == 0), "{:?}", run.levels);
    // A queue that builds up afterwards is seen as before.
    let queue = Path { foreign: Duration::from_millis(300), ..FAIR };
    assert!(run.go(queue, 300.0, 10).iter().any(|level| *level > 0));
}
