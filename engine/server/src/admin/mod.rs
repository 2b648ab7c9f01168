//! The admin page: health, metrics, status. Loopback only, on a thread and a runtime of its own.
//!
//! [`board`] adds up what the tick reports, [`status`] and [`metrics`] show it; this module owns the socket.

pub mod board;
pub mod metrics;
pub mod status;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use crossbeam::channel::{Receiver, Sender, bounded};
use netproto::Refusal;

use board::{Board, Health, Numbers, TickReport};

/// Reports that may wait: half a minute of ticks. When it is full, reports are lost, not ticks.
const REPORTS_MAX: usize = 1024;
/// How often the queue is emptied when nobody asks.
const DRAIN_EVERY: Duration = Duration::from_secs(1);

/// The tick's end of the queue.
#[derive(Clone, Debug)]
pub struct Reporter(Sender<TickReport>);

impl Reporter {
    /// Hands a report over; never waits.
    pub fn send(&self, report: TickReport) {
        // A full queue means that nobody has looked for half a minute: the next reports tell enough.
        let _ = self.0.try_send(report);
    }
}

#[derive(Clone)]
struct Desk {
    board: Arc<Mutex<Board>>,
    reports: Receiver<TickReport>,
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
}

/// Opens the admin page and serves it until the process ends.
///
/// # Errors
/// When the address cannot be had; the message names it.
pub fn start(addr: SocketAddr, ticks_per_second: u32) -> io::Result<(SocketAddr, Reporter)> {
    assert!(addr.ip().is_loopback(), "configuration allows loopback only");
    let listener = TcpListener::bind(addr)?;
    listener.set_nonblocking(true)?;
    let addr = listener.local_addr()?;
    let (sender, reports) = bounded(REPORTS_MAX);
    let board = Arc::new(Mutex::new(Board::new(Instant::now(), ticks_per_second)));
    let desk = Desk { board, reports };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("admin".to_owned()).spawn(move || {
        if let Err(error) = runtime.block_on(serve(listener, desk)) {
            tracing::error!(%error, "the admin page has ended");
        }
    })?;
    Ok((addr, Reporter(sender)))
}

async fn serve(listener: TcpListener, desk: Desk) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let drain = desk.clone();
    tokio::spawn(async move {
        let mut every = tokio::time::interval(DRAIN_EVERY);
        loop {
            every.tick().await;
            drop(drain.board());
        }
    });
    axum::serve(listener, router(desk)).await
}

fn router(desk: Desk) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/healthz", get(healthz))
        .route("/metrics", get(metrics_page))
        .route("/status.json", get(status_page))
        .route("/window", post(window))
        .with_state(desk)
}

async fn index() -> &'static str {
    "GET /healthz      200 while the zone ticks, 503 when it drains or is stuck\n\
     GET /metrics      Prometheus text\n\
     GET /status.json  the same for programs, with a measuring window\n\
     POST /window      begins a new measuring window\n"
}

async fn healthz(State(desk): State<Desk>) -> impl IntoResponse {
    let (health, age) = desk.board().health(Instant::now());
    let (status, word) = match health {
        Health::Ok => (StatusCode::OK, "ok"),
        Health::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting"),
        Health::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
        Health::Stuck => (StatusCode::SERVICE_UNAVAILABLE, "stuck"),
    };
    (status, format!("{word}, last tick {} ms ago\n", age.as_millis()))
}

async fn metrics_page(State(desk): State<Desk>) -> impl IntoResponse {
    let page = desk.board().metrics(Instant::now());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], page)
}

async fn status_page(State(desk): State<Desk>) -> impl IntoResponse {
    axum::Json(desk.board().status(Instant::now()))
}

async fn window(State(desk): State<Desk>) -> StatusCode {
    desk.board().handle_window(Instant::now());
    StatusCode::NO_CONTENT
}

/// Peers refused or closed, by reason.
pub(crate) fn refusals(numbers: &Numbers) -> impl Iterator<Item = (Refusal, u64)> {
    let n_by_reason = numbers.peers.refused;
    Refusal::ALL.into_iter().skip(1).map(move |reason| (reason, n_by_reason[reason as usize]))
}
