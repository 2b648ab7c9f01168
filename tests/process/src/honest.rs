//! A player who does everything right, and notices when snapshots come late.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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
const P95_MAX: Duration = Duration::from_millis(200);
const GAP_MAX: Duration = Duration::from_secs(1);
const SNAPSHOTS_MIN: usize = 10;
const JOIN_MAX: Duration = Duration::from_secs(20);

/// A client on a thread of its own, playing until it is asked how it was.
pub struct Honest {
    stop: Arc<AtomicBool>,
    is_playing: Arc<AtomicBool>,
    thread: JoinHandle<Seen>,
}

/// What the client went through.
#[derive(Debug, Default)]
struct Seen {
    is_playing: Arc<AtomicBool>,
    applied: Vec<Instant>,
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
        let is_playing = Arc::new(AtomicBool::new(false));
        let target = zone.target(link);
        let seen = Seen { is_playing: Arc::clone(&is_playing), ..Seen::default() };
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
        wait_for("the honest client's first snapshot", JOIN_MAX, || {
            is_playing.load(Ordering::Relaxed).then_some(())
        });
        Self { stop, is_playing, thread }
    }

    /// Leaves, and checks that everything went on as if nobody else were there.
    ///
    /// # Panics
    /// If the connection was lost or refused, or snapshots came late.
    pub fn leave_unharmed(self) {
        assert!(self.is_playing.load(Ordering::Relaxed), "the honest client never played");
        self.stop.store(true, Ordering::Relaxed);
        let seen = self.thread.join().expect("the honest client does not panic");
        assert!(seen.trouble.is_empty(), "the honest client had trouble: {:?}", seen.trouble);
        let mut gaps: Vec<Duration> = seen.applied.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps.len() >= SNAPSHOTS_MIN, "the honest client saw {} snapshots only", gaps.len());
        gaps.sort_unstable();
        let (p95, max) = (gaps[gaps.len() * 95 / 100], gaps[gaps.len() - 1]);
        assert!(p95 <= P95_MAX && max <= GAP_MAX, "snapshots came late: p95 {p95:?}, longest gap {max:?}");
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
            Event::Applied(_) => {
                self.applied.push(Instant::now());
                self.is_playing.store(true, Ordering::Relaxed);
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
