//! The admin page: what a zone does and how well, for people and programs. Loopback only, on a thread and a runtime
//! of its own, which gives way to everything else on its core.
//!
//! What is seen comes in two ways. [`board`] adds up what the tick reports; [`easel`] carries what the admin thread
//! asks for to the tick thread, which answers between its ticks: pictures for `spectate`, connections for `clients`,
//! frames for `bytes`. `routes` says what is asked under which path, `door` and `guard` who may ask; [`status`], `metrics` and
//! `page` are the answers.

pub mod board;
pub mod easel;
#[doc(hidden)]
pub mod fuzzed;
pub mod guard;
pub mod status;

mod bytes;
mod clients;
mod door;
mod drops;
mod exposition;
mod history;
mod looks;
mod metrics;
mod orders;
mod page;
mod process;
mod routes;
mod spectate;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, bounded};
use engine::World;
use engine::content::Things;
use jobs::Interval;
use jobs::strain::Sight;
use netproto::Refusal;

use crate::zone::office::Counter;
use board::{Board, Numbers, Second, TickReport};
use door::Door;
use easel::{Easel, Gallery};
use guard::Token;
use looks::{Land, Looks};
use spectate::Cameras;

/// Reports that may wait: half a minute of ticks. When it is full, reports are lost, not ticks.
const REPORTS_MAX: usize = 1024;
/// How often the queue is emptied when nobody asks, and connections are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The tick's end of the queue.
#[derive(Clone)]
pub struct Reporter {
    reports: Sender<TickReport>,
    desk: Desk,
}

impl Reporter {
    /// Hands a report over; never waits.
    pub fn send(&self, report: TickReport) {
        // A full queue means that nobody has looked for half a minute: the next reports tell enough.
        if self.reports.try_send(report).is_err() {
            self.desk.n_reports_lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Histograms of about a second came. Waits for whoever reads the board: not for the tick's thread.
    pub fn handle_interval(&self, interval: &Interval) -> Second {
        self.desk.board().handle_interval(interval)
    }

    /// What can be said about strain is this.
    pub fn handle_sight(&self, sight: Sight) {
        self.desk.board().handle_sight(sight);
    }

    /// The world is there: from now on its land can be shown.
    pub fn handle_world(&self, world: &World) {
        let _ = self.desk.things.set(world.content().things.clone());
        let mut walls = Vec::new();
        world.walls().tiles_to_bytes(0, world.walls().n_tiles(), &mut walls);
        // A zone has one world; a second one would have the same land.
        let _ = self.desk.land.set(Land { side_mm: world.config().side_mm, walls: walls.into() });
    }
}

/// Everything that answers are made of.
#[derive(Clone)]
struct Desk {
    board: Arc<Mutex<Board>>,
    reports: Receiver<TickReport>,
    n_reports_lost: Arc<AtomicU64>,
    land: Arc<OnceLock<Land>>,
    gallery: Gallery,
    looks: Arc<Mutex<Looks>>,
    cameras: Cameras,
    counter: Counter,
    things: Arc<OnceLock<Things>>,
}

impl Desk {
    /// The board with everything that has been reported until now.
    fn board(&self) -> MutexGuard<'_, Board> {
        let mut board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        for report in self.reports.try_iter() {
            board.handle_report(report);
        }
        board
    }

    fn looks(&self) -> MutexGuard<'_, Looks> {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn n_reports_lost(&self) -> u64 {
        self.n_reports_lost.load(Ordering::Relaxed)
    }

    /// The tick thread has made a picture.
    fn handle_picture(&self, took: Duration) {
        self.looks().pictures.record_ns(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Once a second, whether anybody reads or not: connections, and the frames of the second.
    async fn look(&self) {
        let sockets = self.board().numbers.sockets;
        if let Some(rows) = clients::look(&self.gallery).await {
            self.looks().clients.handle_look(Instant::now(), &rows, sockets);
        }
        let mut looks = self.looks();
        self.gallery.samples(|frame| looks.bytes.handle_frame(frame));
    }
}

/// Opens the admin page and serves it until the process ends.
///
/// # Errors
/// When the address cannot be had; the message names it.
pub fn start(
    addr: SocketAddr,
    ticks_per_second: u32,
    (token, counter): (Token, Counter),
) -> io::Result<(SocketAddr, Reporter, Easel)> {
    assert!(addr.ip().is_loopback(), "configuration allows loopback only");
    let listener = TcpListener::bind(addr)?;
    listener.set_nonblocking(true)?;
    let addr = listener.local_addr()?;
    let (sender, reports) = bounded(REPORTS_MAX);
    let (easel, gallery) = easel::open();
    let desk = Desk {
        board: Arc::new(Mutex::new(Board::new(Instant::now(), ticks_per_second))),
        reports,
        n_reports_lost: Arc::default(),
        land: Arc::default(),
        gallery,
        looks: Arc::default(),
        cameras: Cameras::new(),
        counter,
        things: Arc::default(),
    };
    let reporter = Reporter { reports: sender, desk: desk.clone() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("admin".to_owned()).spawn(move || {
        jobs::sys::give_way();
        if let Err(error) = runtime.block_on(serve(listener, desk, token)) {
            tracing::error!(%error, "the admin page has ended");
        }
    })?;
    Ok((addr, reporter, easel))
}

async fn serve(listener: TcpListener, desk: Desk, token: Token) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let looker = desk.clone();
    tokio::spawn(async move {
        let mut every = tokio::time::interval(LOOK_EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            every.tick().await;
            looker.look().await;
        }
    });
    axum::serve(Door::new(listener), routes::router(desk, token)).await
}

/// Peers refused or closed, by reason.
fn refusals(numbers: &Numbers) -> impl Iterator<Item = (Refusal, u64)> {
    let n_by_reason = numbers.peers.refused;
    Refusal::ALL.into_iter().skip(1).map(move |reason| (reason, n_by_reason[reason as usize]))
}
