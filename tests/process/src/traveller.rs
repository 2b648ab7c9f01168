//! Players on the client library, in the test's own thread: what they went through is kept with its time.

use std::io;
use std::time::{Duration, Instant};

use client_core::connect::{Crowd, Player};
use client_core::session::{Event, Session, Settings};
use netproto::{Command, Deed, Move, Refusal, Steer};
use transport::CloseReason;
use transport::client::Target;

/// Only a failure takes so long.
const ANSWER_MAX: Duration = Duration::from_secs(60);
const PASS: Duration = Duration::from_millis(5);

/// Some players, each with a session.
pub struct Travellers {
    crowd: Crowd,
    diaries: Diaries,
    /// The player looks at its connections this often only, as a game does that draws slowly; zero: at once.
    pub frame: Duration,
}

/// What one player went through.
#[derive(Clone, Debug, Default)]
pub struct Diary {
    /// Snapshots that were applied.
    pub applied: Vec<Applied>,
    /// Times it was let in.
    pub welcomes: Vec<Welcomed>,
    /// When it lost a connection.
    pub lost: Vec<Instant>,
    /// When it began to play, each time.
    pub ready: Vec<Instant>,
    /// How connections ended.
    pub closed: Vec<CloseReason>,
    /// Reasons for which it was refused.
    pub refused: Vec<Refusal>,
    /// Circles and shots that were announced.
    pub n_announced: usize,
}

/// A snapshot.
#[derive(Clone, Copy, Debug)]
pub struct Applied {
    /// When.
    pub at: Instant,
    /// Of which tick.
    pub tick: u32,
    /// How far off the prediction was.
    pub error_mm: Option<u32>,
    /// Entities in view.
    pub n_slots: u32,
}

/// A welcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Welcomed {
    /// When.
    pub at: Instant,
    /// The tick that it names.
    pub tick: u32,
    /// The body.
    pub entity: u32,
    /// Both halves of who it is.
    pub durable: (u32, u32),
    /// The same body as before.
    pub resumed: bool,
}

#[derive(Default)]
struct Diaries(Vec<Diary>);

impl Travellers {
    /// One player for each target, who look around and predict if they are few.
    ///
    /// # Panics
    /// If the system gives no event queue.
    #[must_use]
    pub fn to(targets: impl IntoIterator<Item = Target>) -> Self {
        Self::with(targets, |seed| Settings { seed, ..Settings::default() })
    }

    /// Players who look at nothing but their own body, for crowds.
    #[must_use]
    pub fn thin(targets: impl IntoIterator<Item = Target>) -> Self {
        Self::with(targets, |seed| Settings { seed, predict: false, decode: false, ..Settings::default() })
    }

    fn with(targets: impl IntoIterator<Item = Target>, settings: impl Fn(u64) -> Settings) -> Self {
        let mut crowd = Crowd::new(8).expect("an event queue");
        let mut diaries = Diaries::default();
        for (seed, target) in (1..).zip(targets) {
            let start = crowd.now().plus(seed * 2_000_000);
            crowd.add(Session::new(settings(seed), start), target);
            diaries.0.push(Diary::default());
        }
        Self { crowd, diaries, frame: Duration::ZERO }
    }

    /// What the players went through, in the order of the targets.
    #[must_use]
    pub fn diaries(&self) -> &[Diary] {
        &self.diaries.0
    }

    /// Their sessions.
    #[must_use]
    pub fn sessions(&self) -> &[Session] {
        self.crowd.sessions()
    }

    /// What the only player went through.
    #[must_use]
    pub fn diary(&self) -> &Diary {
        &self.diaries.0[0]
    }

    /// Plays for some time.
    pub fn play(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.pass();
        }
    }

    /// Plays until something is true.
    ///
    /// # Panics
    /// If that takes too long.
    pub fn wait(&mut self, what: &str, is_true: impl Fn(&[Diary]) -> bool) {
        let until = Instant::now() + ANSWER_MAX;
        while !is_true(self.diaries()) {
            assert!(
                Instant::now() < until,
                "{what} did not happen within {ANSWER_MAX:?}: {}",
                self.summary()
            );
            self.pass();
        }
    }

    /// Plays until everybody does.
    ///
    /// # Panics
    /// As [`Travellers::wait`].
    pub fn enter(&mut self) {
        self.wait("everybody's first snapshots", |diaries| {
            diaries.iter().all(|diary| !diary.ready.is_empty() && diary.applied.len() > 2)
        });
    }

    /// For the message of a failure.
    fn summary(&self) -> String {
        let n_playing = self.sessions().iter().filter(|session| session.is_playing()).count();
        let n_over = self.sessions().iter().filter(|session| session.is_over()).count();
        let idle = self.sessions().iter().zip(self.diaries()).find(|(session, _)| !session.is_playing());
        let what = idle.map(|(_, diary)| (diary.lost.len(), diary.closed.last(), diary.refused.last()));
        format!("{n_playing} play, {n_over} are over, one of the others: {what:?}")
    }

    fn pass(&mut self) {
        let begun = Instant::now();
        let until = if self.frame.is_zero() { begun + PASS } else { begun };
        self.crowd.pass(&mut self.diaries, until).expect("the targets can be tried");
        std::thread::sleep(self.frame.saturating_sub(begun.elapsed()));
    }
}

impl Diary {
    /// The longest time without a snapshot, from the first one at or after `from` on.
    #[must_use]
    pub fn longest_gap(&self, from: Instant) -> Duration {
        let at: Vec<Instant> =
            self.applied.iter().map(|applied| applied.at).filter(|at| *at >= from).collect();
        at.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(Duration::MAX)
    }

    /// Errors of the prediction in snapshots that were applied at or after `from`.
    #[must_use]
    pub fn errors_mm(&self, from: Instant) -> Vec<u32> {
        self.applied
            .iter()
            .filter(|applied| applied.at >= from)
            .filter_map(|applied| applied.error_mm)
            .collect()
    }
}

impl Player for Diaries {
    fn command(&mut self, at: usize, session: &Session) -> Option<Command> {
        // Round and round, now and then with an area: every tick has a command to consume.
        let tick = session.view().tick();
        let phase = tick.wrapping_add(at as u32 * 7);
        let area = phase.is_multiple_of(64);
        let deed = area.then(|| Deed { area, aim: phase % 256, reach_64mm: 40, ..Deed::default() });
        Some(Command { movement: Move::Steer(Steer { angle: phase / 8 % 256 * 40 % 256, speed: 3 }), deed })
    }

    fn sent(&mut self, _at: usize, _late_ns: u64) {}

    fn received(&mut self, _at: usize, _n_bytes: usize) {}

    fn event(&mut self, at: usize, session: &Session, event: Event) {
        let (diary, now) = (&mut self.0[at], Instant::now());
        match event {
            Event::Applied(applied) => diary.applied.push(Applied {
                at: now,
                tick: applied.tick,
                error_mm: applied.error_mm,
                n_slots: session.view().occupied().count_ones(),
            }),
            Event::Welcome { entity, resumed } => {
                let welcome = session.welcome().expect("it has just come");
                let durable = (welcome.durable_low, welcome.durable_high);
                diary.welcomes.push(Welcomed { at: now, tick: welcome.tick, entity, durable, resumed });
            }
            Event::Ready => diary.ready.push(now),
            Event::Lost => diary.lost.push(now),
            Event::Refused { reason, .. } => diary.refused.push(reason),
            Event::Timed(_) => diary.n_announced += 1,
            _ => {}
        }
    }

    fn closed(&mut self, at: usize, reason: &CloseReason) {
        self.0[at].closed.push(reason.clone());
    }

    fn no_socket(&mut self, _at: usize, error: &io::Error) {
        panic!("no socket: {error}");
    }
}
