//! How much each client's path bears: from what its link shows to how often, about how many, and how much it is sent.
//!
//! A machine without sockets: [`Budgeter::handle_report`] is told a few times a second how a client's link is doing and
//! says when its budget shall change. QUIC's own congestion control is switched off, because a snapshot that waits is
//! worth less than none; this takes its place and makes the pair a responsive sender (RFC 8085 section 3.1). What the
//! kernel dropped at our own socket is our fault, not the path's: [`Budgeter::handle_own_drops`] keeps it apart.
//! Source: docs/ARCHITECTURE.md "Rate control".

use std::ops::Range;
use std::time::{Duration, Instant};

use super::delays::Delays;
use engine::Budget;
use netproto::Acks;
use transport::PeerId;

/// What a client gets on each level, the first being full detail. From one to the next the bytes that may leave in a
/// second are about halved: the step with which TCP and QUIC answer congestion (RFC 9002 section 7.3.2).
pub const LEVELS: [Budget; 6] = [
    Budget { send_every: 1, slots: 64, frame_bytes: 1_100 },
    Budget { send_every: 1, slots: 64, frame_bytes: 500 },
    Budget { send_every: 2, slots: 64, frame_bytes: 400 },
    Budget { send_every: 2, slots: 32, frame_bytes: 200 },
    Budget { send_every: 4, slots: 32, frame_bytes: 160 },
    Budget { send_every: 4, slots: 16, frame_bytes: 120 },
];
const LOWEST: usize = LEVELS.len() - 1;
/// Growing delay leads no further down than here: when slowing down does not help, the queue is
/// somebody else's, and giving way further would only give it to them.
const PATIENT_LOWEST: usize = 2;

/// Headers around a frame: IPv4, UDP, QUIC's short header, its datagram frame, the tag.
const HEADER_BYTES: f64 = 60.0;
/// Every client is looked at once in so many ticks.
const LAP_TICKS: u32 = 8;

/// A queue in front of the bottleneck of more than this is too long. Source: RFC 6817 section 2.5, TARGET.
const DELAY_MAX: Duration = Duration::from_millis(100);
/// One of more than this makes play pointless, whoever fills it.
const DELAY_HOPELESS: Duration = Duration::from_millis(400);
/// One of less is none.
const DELAY_CLEAR: Duration = Duration::from_millis(50);
/// Without a word for this long beyond the usual, the path is taken to be broken. Source: RFC 8083 section 4.1.
const SILENCE: Duration = Duration::from_secs(1);
/// So long after the zone stood still acknowledgements come in that had to wait for it.
const AFTERSHOCK: Duration = Duration::from_secs(1);
/// Losses are forgotten by half in this time.
const LOSS_HALF_LIFE_S: f64 = 2.0;
/// Packets without loss that are taken to have gone before: one loss of few packets says little.
const LOSS_PRIOR: f64 = 10.0;

/// From one step down to the next, at least: what the last one did must show first (RFC 9002 section 7.3.2, "recovery
/// period").
const SETTLE: Duration = Duration::from_millis(700);
/// A clear path for this long earns a step up.
const QUICK: Duration = Duration::from_millis(700);
/// The same where a step up was one too many before: so that the level does not swing.
const SLOW: Duration = Duration::from_millis(4_500);

/// How a client's link is doing; the counters are totals since it was opened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Report {
    /// Smoothed round trip as QUIC or TCP measures it; zero: unknown.
    pub rtt: Duration,
    /// From a snapshot's departure to the arrival of its acknowledgement, if one came since the last report.
    pub lag: Option<Duration>,
    /// How long an acknowledgement has been waited for in vain.
    pub waited: Duration,
    /// Packets or segments sent.
    pub packets_sent: u64,
    /// Of these, lost or sent again.
    pub packets_lost: u64,
    /// Bytes that the socket does not take.
    pub unsent_bytes: usize,
}

/// What made a level fall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// More was lost than a TCP in our place would bear.
    Loss,
    /// A queue builds up.
    Delay,
    /// Both at once: a queue that overflows.
    Overflow,
    /// Nothing comes back any more.
    Silence,
}

impl Cause {
    /// All causes.
    pub const ALL: [Self; 4] = [Self::Loss, Self::Delay, Self::Overflow, Self::Silence];

    /// Its name in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        ["loss", "delay", "overflow", "silence"][self as usize]
    }
}

/// Where clients stand, and how they came there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standings {
    /// Clients on each level.
    pub by_level: [u32; LEVELS.len()],
    /// Steps down since the start, by [`Cause`].
    pub falls: [u64; Cause::ALL.len()],
    /// Steps up since the start.
    pub rises: u64,
}

/// One snapshot of a client whose acknowledgement is timed: as TCP times one segment at a time (RFC 6298 section 3).
#[derive(Clone, Copy, Debug, Default)]
pub struct Probe {
    number: u16,
    sent_at: Option<Instant>,
    lag: Option<Duration>,
}

impl Probe {
    /// Times this snapshot, unless another one is being timed.
    pub fn arm(&mut self, number: u16, sent_at: Instant) {
        if self.sent_at.is_none() {
            (self.number, self.sent_at) = (number, Some(sent_at));
        }
    }

    /// The client says what it has applied.
    #[inline]
    pub fn handle_acks(&mut self, acks: &Acks, arrived: Instant) {
        let age = (acks.newest as u16).wrapping_sub(self.number);
        let Some(sent_at) = self.sent_at.filter(|_| acks.seen && age < 1 << 15) else { return };
        self.sent_at = None;
        // One that was lost tells nothing about the way of those that came.
        let is_applied = age == 0 || (age <= 15 && acks.before >> (age - 1) & 1 == 1);
        if is_applied {
            self.lag = Some(arrived.saturating_duration_since(sent_at));
        }
    }

    /// What was measured since the last call, and how long an answer is overdue.
    pub fn take(&mut self, now: Instant) -> (Option<Duration>, Duration) {
        let waited = self.sent_at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        (self.lag.take(), waited)
    }
}

/// What is remembered of one client's link.
#[derive(Clone, Debug)]
struct Row {
    peer: PeerId,
    level: usize,
    packets_sent: u64,
    packets_lost: u64,
    /// Packets of the last seconds, and those of them that were lost.
    recent_sent: f64,
    recent_lost: f64,
    delays: Delays,
    told_at: Instant,
    fell_at: Instant,
    clear_since: Option<Instant>,
    /// Reports in a row with a long queue.
    n_delayed: u32,
    /// The level on which the path was too narrow last.
    wall: Option<usize>,
    is_silent: bool,
}

impl Row {
    fn new(now: Instant, peer: PeerId, report: &Report) -> Self {
        Self {
            peer,
            level: 0,
            packets_sent: report.packets_sent,
            packets_lost: report.packets_lost,
            recent_sent: 0.0,
            recent_lost: 0.0,
            delays: Delays::new(now),
            told_at: now,
            fell_at: now.checked_sub(SETTLE).unwrap_or(now),
            clear_since: None,
            n_delayed: 0,
            wall: None,
            is_silent: false,
        }
    }

    /// Takes a report; returns the queue in front of the bottleneck, and how many packets were lost since the last one.
    fn learn(&mut self, now: Instant, report: &Report) -> (Duration, u64) {
        let n_sent = report.packets_sent.saturating_sub(self.packets_sent);
        let n_lost = report.packets_lost.saturating_sub(self.packets_lost);
        (self.packets_sent, self.packets_lost) = (report.packets_sent, report.packets_lost);
        let elapsed_s = now.saturating_duration_since(self.told_at).as_secs_f64();
        self.told_at = now;
        let kept = 0.5f64.powf(elapsed_s / LOSS_HALF_LIFE_S);
        self.recent_sent = self.recent_sent * kept + n_sent as f64;
        self.recent_lost = self.recent_lost * kept + n_lost as f64;
        let mut delay = self.delays.handle_sample(now, report.rtt, report.lag);
        if self.delays.handle_queue(now, delay, n_lost == 0 && report.unsent_bytes == 0) {
            // Nothing was too narrow, so nothing speaks against the levels above.
            (delay, self.wall) = (Duration::ZERO, None);
        }
        // What the socket does not take waits in a queue as well, and a longer one than we can see.
        let is_stuck = report.unsent_bytes > 0 && delay >= DELAY_CLEAR;
        self.n_delayed = if delay > DELAY_MAX || is_stuck { self.n_delayed + 1 } else { 0 };
        (delay, n_lost)
    }

    /// One report may be an accident, unless the level is one that was too high before.
    fn is_delayed(&self) -> bool {
        self.n_delayed > u32::from(self.wall.is_none_or(|wall| self.level > wall))
    }

    fn loss(&self) -> f64 {
        self.recent_lost / (self.recent_sent + LOSS_PRIOR).max(self.recent_lost)
    }

    /// One step down, or several, if there was time for the last one to show.
    fn fall(&mut self, now: Instant, to: usize, rtt: Duration, queue: Duration) {
        self.clear_since = None;
        let settle = SETTLE.max(rtt * 2);
        if to <= self.level || now.saturating_duration_since(self.fell_at) < settle {
            return;
        }
        self.wall = Some(self.level);
        (self.level, self.fell_at) = (to, now);
        if queue > DELAY_MAX {
            self.delays.handle_fall(now, settle, queue);
        }
    }

    /// The path is clear: one step up when it has been for long enough.
    fn rise(&mut self, now: Instant) {
        let since = *self.clear_since.get_or_insert(now);
        let clear = now.saturating_duration_since(since);
        if self.wall.is_some_and(|wall| self.level <= wall) && clear >= 2 * QUICK {
            self.wall = None; // it stands where it could not stand before
        }
        if self.level == 0 {
            return;
        }
        let patience = if self.wall.is_some_and(|wall| self.level - 1 <= wall) { SLOW } else { QUICK };
        if clear < patience {
            return;
        }
        self.level -= 1;
        self.clear_since = Some(now);
    }
}

/// All clients' budgets.
pub struct Budgeter {
    ticks_per_second: u32,
    /// By the index of the connection.
    rows: Vec<Option<Row>>,
    /// Which part of the lap comes next, and how many places each has.
    turn: u32,
    step: u32,
    n_places: u32,
    /// Levels counted in this lap.
    counting: [u32; LEVELS.len()],
    standings: Standings,
    /// What is measured until then may be of the time in which the zone stood still.
    shaken_until: Option<Instant>,
    /// Packets that the kernel dropped at our own socket, and until when answers may be missing for it.
    own_drops: u64,
    deaf_until: Option<Instant>,
}

impl Budgeter {
    /// Nobody is known.
    #[must_use]
    pub fn new(ticks_per_second: u32) -> Self {
        Self {
            ticks_per_second,
            rows: Vec::new(),
            turn: 0,
            step: 1,
            n_places: 0,
            counting: [0; LEVELS.len()],
            standings: Standings::default(),
            shaken_until: None,
            own_drops: 0,
            deaf_until: None,
        }
    }

    /// How many packets the kernel has dropped at our own socket since the start. That is our fault, not that of a path:
    /// for a while an answer that does not come, or comes late, says nothing of the client that owes it.
    pub fn handle_own_drops(&mut self, now: Instant, total: u64) {
        if std::mem::replace(&mut self.own_drops, total) != total {
            self.deaf_until = Some(now + SILENCE);
        }
    }

    /// Places of the peer table whose links are to be looked at in this tick: each comes once in eight.
    pub fn next_places(&mut self) -> Range<u32> {
        if self.turn == LAP_TICKS {
            self.standings.by_level = std::mem::take(&mut self.counting);
            self.step = self.n_places.div_ceil(LAP_TICKS).max(1);
            (self.turn, self.n_places) = (0, 0);
        }
        let start = self.turn * self.step;
        self.turn += 1;
        // Whoever has come during the lap sits behind the last place that was known.
        start..if self.turn == LAP_TICKS { u32::MAX } else { start + self.step }
    }

    /// How one client's link is doing. Returns its budget when that changes.
    ///
    /// - Cost: some hundred instructions, no allocation but for the first report of a place.
    pub fn handle_report(&mut self, now: Instant, peer: PeerId, report: &Report) -> Option<Budget> {
        let at = peer.index() as usize;
        self.n_places = self.n_places.max(peer.index() + 1);
        if self.rows.len() <= at {
            self.rows.resize(at + 1, None);
        }
        let ticks_per_second = self.ticks_per_second;
        let row = match &mut self.rows[at] {
            Some(row) if row.peer == peer => row,
            place => place.insert(Row::new(now, peer, report)),
        };
        if self.shaken_until.is_some_and(|until| now < until) {
            row.delays = Delays::new(now);
            (row.n_delayed, row.clear_since) = (0, None);
        }
        let before = row.level;
        let mut report = *report;
        if self.deaf_until.is_some_and(|until| now < until) {
            (report.lag, report.waited) = (None, Duration::ZERO);
        }
        let cause = judge(row, now, &report, ticks_per_second);
        let level = row.level;
        self.counting[level] += 1;
        if level > before
            && let Some(cause) = cause
        {
            self.standings.falls[cause as usize] += 1;
        }
        self.standings.rises += u64::from(level < before);
        (level != before).then_some(LEVELS[level])
    }

    /// The zone stood still: what was under way meanwhile seems to have taken that long, and says nothing of any path. Levels
    /// stay; what is measured from now on is compared with what comes after it.
    pub fn handle_standstill(&mut self, now: Instant) {
        self.shaken_until = Some(now + AFTERSHOCK);
    }

    /// Where clients stand.
    #[must_use]
    pub fn standings(&self) -> &Standings {
        &self.standings
    }
}

/// Moves one client's level; returns what speaks against the present one, if anything does.
fn judge(row: &mut Row, now: Instant, report: &Report, ticks_per_second: u32) -> Option<Cause> {
    let (delay, n_lost) = row.learn(now, report);
    if report.waited >= SILENCE + report.rtt {
        row.is_silent = true;
        row.fall(now, LOWEST, Duration::ZERO, delay);
        return Some(Cause::Silence);
    }
    if std::mem::take(&mut row.is_silent) {
        // What was lost in the silence was answered by falling as low as there is.
        (row.recent_sent, row.recent_lost, row.wall, row.n_delayed) = (0.0, 0.0, None, 0);
        return None;
    }
    let allowed = allowed_per_second(row.loss(), report.rtt);
    let below = (row.level + 1).min(LOWEST);
    let lowest = if delay > DELAY_HOPELESS { LOWEST } else { PATIENT_LOWEST };
    let (cause, to) = if delay > DELAY_MAX && n_lost > 0 {
        (Cause::Overflow, below.min(lowest))
    } else if row.is_delayed() {
        (Cause::Delay, below.min(lowest))
    } else if per_second(row.level, ticks_per_second) > allowed {
        (Cause::Loss, below)
    } else {
        let next = row.level.saturating_sub(1);
        if delay < DELAY_CLEAR && per_second(next, ticks_per_second) < allowed {
            row.rise(now);
        } else {
            row.clear_since = None;
        }
        return None;
    };
    row.fall(now, to, report.rtt, delay);
    Some(cause)
}

/// Bytes that may leave in a second on a level.
fn per_second(level: usize, ticks_per_second: u32) -> f64 {
    let budget = LEVELS[level];
    let bytes = f64::from(budget.frame_bytes) + HEADER_BYTES;
    f64::from(ticks_per_second) / f64::from(budget.send_every) * bytes
}

/// Bytes per second that a TCP would send in our place, with this share of its packets lost: TFRC's equation for
/// small packets, which counts them as if they were full ones. Source: RFC 5348 section 3.1; RFC 4828 section 4.1.
fn allowed_per_second(loss: f64, rtt: Duration) -> f64 {
    const SEGMENT_BYTES: f64 = 1_460.0;
    if loss <= 0.0 {
        return f64::INFINITY;
    }
    let rtt_s = rtt.as_secs_f64().max(0.001);
    let timeouts = 12.0 * (3.0 * loss / 8.0).sqrt() * loss * (1.0 + 32.0 * loss * loss);
    SEGMENT_BYTES / (rtt_s * ((2.0 * loss / 3.0).sqrt() + timeouts))
}

#[cfg(test)]
#[path = "budgeter_tests.rs"]
mod tests;
