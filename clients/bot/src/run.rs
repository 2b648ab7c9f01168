//! From a configuration to a report.

use crate::herd::Herd;
use crate::report::{AckMs, ErrorMm, GapMs, Progress, Report};
use anyhow::Context as _;
use client_core::connect::Crowd;
use client_core::session::{Session, Settings};
use jobs::{CoreList, Durations, Quantiles};
use netproto::WIRE_MAJOR;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use transport::Link;
use transport::client::Target;

/// QUIC connections that share a UDP socket.
const CONNS_PER_SOCKET: usize = 64;
/// The first bot brings the walls for all: the others start after this.
const HEAD_START: Duration = Duration::from_millis(200);
/// The longest a pass waits: `stop` is looked at this often.
const PASS: Duration = Duration::from_millis(20);
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// Which links the bots use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mix {
    /// QUIC only.
    Quic,
    /// WebSocket only.
    WebSocket,
    /// In turn.
    Mixed,
}

impl Mix {
    /// The link of a bot.
    #[must_use]
    pub fn link(self, at: usize) -> Link {
        match self {
            Self::Quic => Link::Quic,
            Self::WebSocket => Link::WebSocket,
            Self::Mixed if at.is_multiple_of(2) => Link::Quic,
            Self::Mixed => Link::WebSocket,
        }
    }
}

/// How many bots, where, and how.
#[derive(Clone, Debug)]
pub struct BotsConfig {
    /// The zone.
    pub addr: SocketAddr,
    /// Bots.
    pub n: usize,
    /// Their links.
    pub mix: Mix,
    /// SHA-256 of the zone's public key; on loopback it may be missing.
    pub pin: Option<[u8; 32]>,
    /// Connects are spread evenly over this.
    pub connect_over: Duration,
    /// Bots that are not in after this much more are given up, and the run with them. None: never.
    pub patience: Option<Duration>,
    /// Length of the measuring window. None: until told to stop.
    pub window: Option<Duration>,
    /// The window opens when this is set, instead of when all are connected.
    pub measure: Option<Arc<AtomicBool>>,
    /// Where the thread of the bots may run. None: anywhere.
    pub cores: Option<CoreList>,
    /// Seed of everything that bots do at random.
    pub seed: u64,
    /// Share of the bots that decode whole snapshots; the others look at header and own body.
    pub decode_share: f64,
    /// Whether bots that decode predict their own body as well.
    pub predict: bool,
    /// Whether two commands share a datagram unless one is urgent.
    pub pack: bool,
    /// Share of all datagrams that are lost on purpose, both ways.
    pub lose: f64,
    /// Whether bots that decode pick up, give, trade and capture.
    pub trades: bool,
    /// Every answer to an order is written to this file.
    pub orders_log: Option<PathBuf>,
    /// The first bot's session is recorded, under this label.
    pub tape: Option<String>,
}

impl BotsConfig {
    /// `n` bots over QUIC that do all that players' clients do, until told to stop.
    #[must_use]
    pub fn new(addr: SocketAddr, n: usize) -> Self {
        Self {
            addr,
            n,
            mix: Mix::Quic,
            pin: None,
            connect_over: Duration::from_secs(10).min(Duration::from_millis(10) * n as u32),
            patience: Some(Duration::from_secs(20)),
            window: None,
            measure: None,
            cores: None,
            seed: 1,
            decode_share: 1.0,
            predict: true,
            pack: false,
            lose: 0.0,
            trades: true,
            orders_log: None,
            tape: None,
        }
    }

    /// Whether a bot decodes whole snapshots; those that do are spread evenly.
    #[must_use]
    pub fn looks(&self, at: usize) -> bool {
        let share = self.decode_share.clamp(0.0, 1.0);
        ((at + 1) as f64 * share).floor() > (at as f64 * share).floor()
    }
}

/// Lets bots play until the window is over or `stop` is set, and reports. All on the calling thread.
///
/// `progress` is called about once a second, and at once when all are connected.
///
/// # Errors
/// When sockets or cores cannot be had, or the target cannot be tried. A zone that does not answer is no error but
/// a report without connected bots.
pub fn run(
    config: &BotsConfig,
    stop: &AtomicBool,
    mut progress: impl FnMut(&Progress),
) -> anyhow::Result<Report> {
    if let Some(cores) = &config.cores {
        jobs::sys::set_affinity(cores.as_slice()).context("cannot run on the given cores")?;
    }
    let mut run = Run::new(config)?;
    while !stop.load(Ordering::Relaxed) && !run.is_over() {
        run.crowd
            .pass(&mut run.herd, Instant::now() + PASS)
            .with_context(|| format!("bots for {}", config.addr))?;
        run.share_walls();
        run.look(&mut progress);
    }
    if run.herd.trouble.is_some() {
        // Whoever is refused at once is over before the next look, and the reason is all there is to tell.
        progress(&run.progress(run.reported_at.elapsed(), false));
    }
    let mut report = run.report();
    run.crowd.leave(&mut run.herd);
    if let Some(log) = &mut run.herd.orders_log {
        log.flush().context("the log of orders cannot be written")?;
    }
    report.tape = run.tape();
    Ok(report)
}

struct Run<'a> {
    config: &'a BotsConfig,
    crowd: Crowd,
    herd: Herd,
    start: Instant,
    connected_after: Option<Duration>,
    /// When the window opened, and the thread's CPU time then.
    window: Option<(Instant, u64)>,
    reported_at: Instant,
    has_shared_walls: bool,
}

impl<'a> Run<'a> {
    fn new(config: &'a BotsConfig) -> anyhow::Result<Self> {
        let links: Vec<Link> = (0..config.n).map(|at| config.mix.link(at)).collect();
        let n_quic = links.iter().filter(|link| **link == Link::Quic).count();
        let mut crowd =
            Crowd::new(n_quic.div_ceil(CONNS_PER_SOCKET)).context("cannot open an event queue")?;
        let begin = crowd.now();
        for (at, link) in links.iter().enumerate() {
            let settings = Settings {
                build: format!("arcane-bot {}", env!("CARGO_PKG_VERSION")),
                seed: config.seed.wrapping_mul(1_000_003).wrapping_add(at as u64),
                predict: config.predict && config.looks(at),
                decode: config.looks(at),
                pack: config.pack,
                walls: None,
            };
            let wait = if at == 0 { Duration::ZERO } else { HEAD_START + spread(config, at) };
            let mut session = Session::new(settings, begin.plus(wait.as_nanos() as u64));
            if let Some(label) = config.tape.as_ref().filter(|_| at == 0) {
                session.record(label);
            }
            let target = Target { addr: config.addr, link: *link, pin: config.pin, wire_major: WIRE_MAJOR };
            crowd.add(session, target);
        }
        crowd.lose(config.lose, config.seed);
        let mut herd = Herd::new(&links, |at| config.looks(at), config.trades, config.seed);
        if let Some(path) = &config.orders_log {
            let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
            herd.orders_log = Some(BufWriter::new(file));
        }
        let start = Instant::now();
        Ok(Self {
            config,
            crowd,
            herd,
            start,
            connected_after: None,
            window: None,
            reported_at: start,
            has_shared_walls: false,
        })
    }

    fn is_over(&self) -> bool {
        let is_measured = match (self.window, self.config.window) {
            (Some((opened, _)), Some(window)) => opened.elapsed() >= window,
            _ => false,
        };
        let is_given_up = self.connected_after.is_none()
            && self
                .config
                .patience
                .is_some_and(|patience| self.start.elapsed() > self.config.connect_over + patience);
        is_measured || is_given_up || self.crowd.sessions().iter().all(Session::is_over)
    }

    /// One bitmap for all: the first that comes is offered to everybody, and later ones are replaced by it. Bots that
    /// do not predict are spared it altogether.
    fn share_walls(&mut self) {
        if !std::mem::take(&mut self.herd.has_news) || self.has_shared_walls {
            return;
        }
        let walls = self.crowd.sessions().iter().find_map(|session| session.walls().cloned());
        let hash = self.crowd.sessions().iter().find_map(Session::welcome).map(|welcome| welcome.wall_hash);
        for at in 0..self.config.n {
            let session = self.crowd.session_mut(at);
            hash.iter().for_each(|hash| session.spare_walls(*hash));
            walls.iter().for_each(|walls| session.offer_walls(walls));
        }
        self.has_shared_walls = self.herd.n_playing() == self.config.n;
    }

    fn look(&mut self, progress: &mut impl FnMut(&Progress)) {
        let mut is_news = false;
        if self.connected_after.is_none() && self.herd.n_playing() == self.config.n {
            self.connected_after = Some(self.start.elapsed());
            is_news = true;
        }
        let is_wanted = match &self.config.measure {
            Some(measure) => measure.load(Ordering::Relaxed),
            None => self.connected_after.is_some(),
        };
        if self.window.is_none() && is_wanted {
            self.window = Some((Instant::now(), jobs::sys::thread_cpu_ns()));
            self.herd.open_window();
        }
        let since = self.reported_at.elapsed();
        if is_news || since >= REPORT_EVERY {
            self.reported_at = Instant::now();
            progress(&self.progress(since, is_news));
        }
    }

    fn progress(&mut self, since: Duration, is_news: bool) -> Progress {
        let n_snapshots = std::mem::take(&mut self.herd.n_snapshots_recent);
        let sessions = self.crowd.sessions();
        let n_visible: u32 = sessions.iter().map(|session| session.view().occupied().count_ones()).sum();
        let n_looking = (0..self.config.n).filter(|at| self.config.looks(*at)).count().max(1);
        Progress {
            seconds: self.start.elapsed().as_secs_f64(),
            bots: self.config.n,
            connected: self.herd.n_playing(),
            all_connected_after: self.connected_after.filter(|_| is_news).map(|after| after.as_secs_f64()),
            is_measuring: self.window.is_some(),
            snapshots_per_client_second: per(
                n_snapshots as f64,
                self.herd.n_playing() as f64 * since.as_secs_f64(),
            ),
            visible_mean: f64::from(n_visible) / n_looking as f64,
            trouble: self.herd.trouble.take(),
        }
    }

    /// What the first session has noted.
    fn tape(&mut self) -> Option<Vec<u8>> {
        self.config.tape.as_ref()?;
        self.crowd.session_mut(0).take_tape().map(|tape| tape.encode())
    }

    fn report(&self) -> Report {
        let (config, tally) = (self.config, &self.herd.tally);
        let seconds = self.window.map_or(0.0, |(opened, _)| opened.elapsed().as_secs_f64());
        let sessions = self.crowd.sessions();
        let hz = sessions.iter().find_map(Session::welcome).map_or(20, |welcome| welcome.ticks_per_second);
        let client_seconds = config.n as f64 * seconds;
        let client_ticks = client_seconds * f64::from(hz);
        let counts = || sessions.iter().map(|session| session.view().counts);
        let n_quic = (0..config.n).filter(|at| config.mix.link(*at) == Link::Quic).count();
        let [quic, websocket] = &tally.gap;
        Report {
            bots: config.n,
            quic: n_quic,
            websocket: config.n - n_quic,
            connected: self.herd.n_playing(),
            connect_seconds: self.connected_after.map(|after| after.as_secs_f64()),
            window_seconds: seconds,
            visible_mean: (tally.n_visible > 0).then(|| tally.visible_sum as f64 / tally.n_visible as f64),
            decode_errors: counts().map(|counts| counts.decode_errors).sum(),
            record_errors: sessions.iter().map(|session| session.n_bad_records).sum(),
            late_snapshots: counts().map(|counts| counts.late).sum(),
            snapshots_per_client_second: per(tally.n_snapshots as f64, client_seconds),
            snapshot_gap_ms: GapMs {
                quic_p50: ms(quic, 0.5),
                quic_p99: ms(quic, 0.99),
                websocket_p50: ms(websocket, 0.5),
                websocket_p99: ms(websocket, 0.99),
            },
            input_ack_ms: AckMs { p50: ms(&tally.input_ack, 0.5), p99: ms(&tally.input_ack, 0.99) },
            prediction_error_mm: ErrorMm {
                p50: tally.error_mm(0.5),
                p99: tally.error_mm(0.99),
                max: tally.error_mm(1.0),
            },
            bytes_per_client_tick: per(tally.n_bytes as f64, client_ticks),
            inputs_sent_share: per(tally.n_sent as f64, client_ticks).min(1.0),
            inputs_late: tally.n_late,
            reconnects: tally.n_lost,
            hits_seen: tally.n_hits,
            telegraphs_seen: tally.n_telegraphs,
            orders: tally.orders,
            cpu_seconds: self
                .window
                .map_or(0.0, |(_, cpu_ns)| (jobs::sys::thread_cpu_ns() - cpu_ns) as f64 / 1e9),
            tape: None,
        }
    }
}

/// When a bot connects, after the head start of the first.
fn spread(config: &BotsConfig, at: usize) -> Duration {
    config.connect_over.mul_f64(at as f64 / config.n as f64)
}

fn per(amount: f64, of: f64) -> f64 {
    if of > 0.0 { amount / of } else { 0.0 }
}

fn ms(durations: &Durations, quantile: f64) -> Option<f64> {
    (durations.n() > 0).then(|| Quantiles::ms(durations.at_quantile_ns(quantile)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_bots_looks_evenly_spread() {
        let mut config = BotsConfig::new(([127, 0, 0, 1], 8080).into(), 1_000);
        assert_eq!((0..1_000).filter(|at| config.looks(*at)).count(), 1_000);
        config.decode_share = 0.05;
        assert_eq!((0..1_000).filter(|at| config.looks(*at)).count(), 50);
        assert_eq!((0..100).filter(|at| config.looks(*at)).count(), 5);
        config.decode_share = 0.0;
        assert!((0..1_000).all(|at| !config.looks(at)));
    }

    #[test]
    fn mixed_bots_take_both_links_in_equal_parts() {
        let n_quic = (0..500).filter(|at| Mix::Mixed.link(*at) == Link::Quic).count();
        assert_eq!(n_quic, 250);
        assert!(
            (0..9).all(|at| Mix::WebSocket.link(at) == Link::WebSocket && Mix::Quic.link(at) == Link::Quic)
        );
    }

    #[test]
    fn nobody_at_the_other_end_is_a_report_and_not_an_error() {
        // Bound and never read: QUIC gets no answer there.
        let deaf = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut config = BotsConfig::new(deaf.local_addr().unwrap(), 2);
        config.connect_over = Duration::from_millis(10);
        config.patience = Some(Duration::from_millis(200));
        let report = run(&config, &AtomicBool::new(false), |_| ()).unwrap();
        assert!(!report.is_complete());
        assert_eq!((report.bots, report.connected, report.connect_seconds), (2, 0, None));
    }
}
