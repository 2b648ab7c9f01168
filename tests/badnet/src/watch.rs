//! What clients behind a bad network see, beside one that has a good one.
//!
//! The one on the good network tells when a tick was made. So the age of what another client shows is known without a
//! common clock of client and server.

use client_core::connect::{Crowd, Player};
use client_core::session::{Event, Session, Settings};
use netproto::{Command, Move, Steer};
use std::collections::HashMap;
use std::io;
use std::time::{Duration, Instant};
use transport::client::{ConnectError, Target};
use transport::{CloseReason, Link};

/// Nothing is older than this; older ones count as this.
const AGE_MAX: Duration = Duration::from_secs(60);

/// What one client went through since it was asked last.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Age of what it showed, every time that the zone made a tick; ascending.
    pub ages: Vec<Duration>,
    /// Snapshots applied.
    pub n_applied: u32,
    /// Bytes of snapshots that came in.
    pub n_bytes: u64,
    /// Connections lost.
    pub n_lost: u32,
    /// For how long.
    pub time: Duration,
}

impl Seen {
    /// Adds what another client saw in the same time.
    pub fn add(&mut self, other: &Self) {
        self.ages.extend_from_slice(&other.ages);
        self.ages.sort_unstable();
        self.n_applied += other.n_applied;
        self.n_bytes += other.n_bytes;
        self.n_lost += other.n_lost;
        self.time = other.time;
    }

    /// Snapshots per second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        f64::from(self.n_applied) / self.time.as_secs_f64().max(0.001)
    }

    /// The age that this share of all is not above.
    #[must_use]
    pub fn age(&self, share: f64) -> Duration {
        let at = (self.ages.len() as f64 * share) as usize;
        self.ages.get(at.min(self.ages.len().saturating_sub(1))).copied().unwrap_or(AGE_MAX)
    }
}

struct Eye {
    newest: Option<u32>,
    seen: Seen,
}

/// One client on a good network, and any number behind a relay, on one thread.
pub struct Watch {
    crowd: Crowd,
    eyes: Eyes,
    since: Instant,
}

/// By place in the crowd; the first has the good network.
#[derive(Default)]
struct Eyes {
    eyes: Vec<Eye>,
    made: HashMap<u32, Instant>,
    trouble: Vec<String>,
}

impl Watch {
    /// Enters a zone directly.
    ///
    /// # Errors
    /// When there is no socket.
    pub fn begin(direct: Target) -> io::Result<Self> {
        let crowd = Crowd::new(4)?;
        let mut watch = Self { crowd, eyes: Eyes::default(), since: Instant::now() };
        watch.enter(direct);
        Ok(watch)
    }

    /// Another client enters; returns its place.
    pub fn enter(&mut self, target: Target) -> usize {
        let seed = self.eyes.eyes.len() as u64;
        let settings = Settings { seed, predict: false, ..Settings::default() };
        self.eyes.eyes.push(Eye { newest: None, seen: Seen::default() });
        self.crowd.add(Session::new(settings, self.crowd.now()), target)
    }

    /// Plays for a while.
    ///
    /// # Errors
    /// When a target cannot be tried at all.
    pub fn play(&mut self, time: Duration) -> Result<(), ConnectError> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.crowd.pass(&mut self.eyes, until)?;
        }
        Ok(())
    }

    /// Whether everybody plays.
    #[must_use]
    pub fn all_play(&self) -> bool {
        self.crowd.sessions().iter().all(Session::is_playing)
    }

    /// What everybody saw since the last call, by place.
    pub fn take(&mut self) -> Vec<Seen> {
        let time = self.since.elapsed();
        self.since = Instant::now();
        let taken = self.eyes.eyes.iter_mut().map(|eye| std::mem::take(&mut eye.seen));
        let mut taken: Vec<Seen> = taken.map(|seen| Seen { time, ..seen }).collect();
        taken.iter_mut().for_each(|seen| seen.ages.sort_unstable());
        taken
    }

    /// Why connections ended, all of them.
    #[must_use]
    pub fn trouble(&self) -> &[String] {
        &self.eyes.trouble
    }

    /// Everybody leaves.
    pub fn end(mut self) {
        self.crowd.leave(&mut self.eyes);
    }
}

impl Eyes {
    /// The zone has made a tick: how old is what the others show?
    fn handle_made(&mut self, tick: u32, now: Instant) {
        self.made.insert(tick, now);
        for eye in &mut self.eyes[1..] {
            let Some(newest) = eye.newest else { continue };
            // One that is not known was made before anybody watched, or dropped on the good network as well.
            let made = (newest..=newest.saturating_add(4)).find_map(|tick| self.made.get(&tick));
            let age = made.map_or(AGE_MAX, |made| now.saturating_duration_since(*made));
            let is_ahead = newest >= tick;
            eye.seen.ages.push(if is_ahead { Duration::ZERO } else { age });
        }
    }
}

impl Player for Eyes {
    fn command(&mut self, at: usize, session: &Session) -> Option<Command> {
        // Round and round, each its own way.
        let angle = (session.view().tick() * 2 + 40 * at as u32) % 256;
        Some(Command { movement: Move::Steer(Steer { angle, speed: 3 }), deed: None })
    }

    fn sent(&mut self, _at: usize, _late_ns: u64) {}

    fn received(&mut self, at: usize, n_bytes: usize) {
        self.eyes[at].seen.n_bytes += n_bytes as u64;
    }

    fn event(&mut self, at: usize, _session: &Session, event: Event) {
        match event {
            Event::Applied(applied) => {
                self.eyes[at].newest = Some(applied.tick);
                self.eyes[at].seen.n_applied += 1;
                if at == 0 {
                    self.handle_made(applied.tick, Instant::now());
                }
            }
            Event::Lost => {
                self.eyes[at].seen.n_lost += 1;
                self.trouble.push(format!("client {at} lost its connection"));
            }
            Event::Refused { text, .. } => self.trouble.push(format!("client {at} was refused: {text}")),
            _ => {}
        }
    }

    fn closed(&mut self, at: usize, reason: &CloseReason) {
        self.trouble.push(format!("client {at}: {reason}"));
    }

    fn no_socket(&mut self, at: usize, error: &io::Error) {
        self.trouble.push(format!("client {at} has no socket: {error}"));
    }
}

/// The same server by another address: that of a relay, for instance.
#[must_use]
pub fn by_way_of(target: &Target, addr: std::net::SocketAddr, link: Link) -> Target {
    Target { addr, link, ..target.clone() }
}
