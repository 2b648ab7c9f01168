//! A player who does everything right, and notices when snapshots come late.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use client_core::connect::{Crowd, Player};
use client_core::session::{Event, Session, Settings};
use netproto::Command;
use transport::{CloseReason, Link};

use crate::wait_for;
use crate::zone::Zone;

/// A snapshot is due every 50 ms. Machines that run tests are busy, so the bars are wide; a zone that stumbles
/// over somebody's bytes would miss them by seconds.
const P95_MAX: Duration = Duration::from_millis(400);
const GAP_MAX: Duration = Duration::from_secs(2);
/// Enough to speak of a p95.
const SNAPSHOTS_MIN: usize = 30;
/// Of these, after all that the others did.
const LAST_SNAPSHOTS: usize = 10;
/// Ticks from one snapshot to the next at most, for somebody who walks: 100 ms of the world.
const TICKS_BETWEEN_MAX: u32 = 2;
const APPLIED_MAX: Duration = Duration::from_secs(20);

/// A client on a thread of its own, playing until it is asked how it was.
pub struct Honest {
    stop: Arc<AtomicBool>,
    n_applied: Arc<AtomicUsize>,
    thread: JoinHandle<Seen>,
}

/// What the client went through.
#[derive(Debug, Default)]
struct Seen {
    n_applied: Arc<AtomicUsize>,
    applied: Vec<Instant>,
    ticks: Vec<u32>,
    trouble: Vec<String>,
}

impl Honest {
    /// Enters a zone and plays.
    ///
    /// # Panics
    /// If the zone does not let it in.
    #[must_use]
    pub fn enter(zone: &Zone, link: Link) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let n_applied = Arc::new(AtomicUsize::new(0));
        let target = zone.target(link);
        let seen = Seen { n_applied: Arc::clone(&n_applied), ..Seen::default() };
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut seen = seen;
            let mut crowd = Crowd::new(1).expect("a socket for one player");
            let session = Session::new(Settings::default(), crowd.now());
            crowd.add(session, target);
            while !stopped.load(Ordering::Relaxed) {
                let until = Instant::now() + Duration::from_millis(20);
                crowd.pass(&mut seen, until).expect("the target can be tried");
            }
            crowd.leave(&mut seen);
            seen
        });
        let honest = Self { stop, n_applied, thread };
        honest.wait_applied(1);
        honest
    }

    fn wait_applied(&self, least: usize) {
        wait_for(&format!("snapshot {least} of the honest client"), APPLIED_MAX, || {
            (self.n_applied.load(Ordering::Relaxed) >= least || self.thread.is_finished()).then_some(())
        });
    }

    /// Plays on for a moment, leaves, and checks that everything went on as if nobody else were there.
    ///
    /// # Panics
    /// If the connection was lost or refused, or snapshots came late.
    pub fn leave_unharmed(self) {
        self.leave();
    }

    /// The same; says how many of the world's ticks lay between two snapshots at most.
    ///
    /// # Errors
    /// When a snapshot was left out.
    ///
    /// # Panics
    /// As [`Honest::leave_unharmed`].
    pub fn leave_without_gap(self) -> Result<(), String> {
        // What came at the very beginning is about the join.
        let ticks = self.leave().ticks;
        let longest = ticks[2..].windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).max();
        let is_even = longest.is_some_and(|longest| longest <= TICKS_BETWEEN_MAX);
        if is_even { Ok(()) } else { Err(format!("{longest:?} ticks between two snapshots")) }
    }

    fn leave(self) -> Seen {
        let n_seen = self.n_applied.load(Ordering::Relaxed);
        self.wait_applied(SNAPSHOTS_MIN.max(n_seen + LAST_SNAPSHOTS));
        self.stop.store(true, Ordering::Relaxed);
        let seen = self.thread.join().expect("the honest client does not panic");
        assert!(seen.trouble.is_empty(), "the honest client had trouble: {:?}", seen.trouble);
        let mut gaps: Vec<Duration> = seen.applied.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps.len() + 1 >= SNAPSHOTS_MIN, "the honest client saw {} snapshots only", gaps.len());
        gaps.sort_unstable();
        let (p95, max) = (gaps[gaps.len() * 95 / 100], gaps[gaps.len() - 1]);
        assert!(p95 <= P95_MAX && max <= GAP_MAX, "snapshots came late: p95 {p95:?}, longest gap {max:?}");
        seen
    }
}

impl Player for Seen {
    fn command(&mut self, _at: usize, session: &Session) -> Option<Command> {
        // Round and round, so that every tick has a command to consume.
        let angle = session.view().tick() % 256;
        Some(Command { movement: netproto::Move::Steer(netproto::Steer { angle, speed: 3 }), deed: None })
    }

    fn sent(&mut self, _at: usize, _late_ns: u64) {}

    fn received(&mut self, _at: usize, _n_bytes: usize) {}

    fn event(&mut self, _at: usize, _session: &Session, event: Event) {
        match event {
            Event::Applied(applied) => {
                self.ticks.push(applied.tick);
                self.applied.push(Instant::now());
                self.n_applied.store(self.applied.len(), Ordering::Relaxed);
            }
            Event::Lost | Event::Refused { .. } | Event::NoWalls(_) => {
                self.trouble.push(format!("{event:?}"));
            }
            _ => {}
        }
    }

    fn closed(&mut self, _at: usize, reason: &CloseReason) {
        self.trouble.push(reason.to_string());
    }

    fn no_socket(&mut self, _at: usize, error: &io::Error) {
        self.trouble.push(error.to_string());
    }
}
