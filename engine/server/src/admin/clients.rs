//! Clients by transport: how many, their round trips, losses and rates. Sums and quantiles; nobody by name.
//!
//! Once a second the admin thread asks for every connection's own figures, a few hundred after each tick, and puts
//! them together here. What the figures grew by is kept for ten seconds.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use transport::{Counters, Link, PeerId};

use super::easel::{Gallery, PLACES_PER_ASK, PeerRow, Wish};

/// Rates and losses are over so many looks, one a second.
const LOOKS: usize = 10;
/// Names of the two transports, as everywhere else.
pub(super) const LINKS: [(&str, Link); 2] = [("quic", Link::Quic), ("websocket", Link::WebSocket)];

/// What was seen at the last look.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct LinkFigures {
    /// Connections.
    pub(super) n: usize,
    /// Half of the round trips are at most this; `None` when none is known.
    pub(super) rtt_p50: Option<Duration>,
    /// 99 of 100 are at most this.
    pub(super) rtt_p99: Option<Duration>,
    /// Bytes that wait to be sent.
    pub(super) queued_bytes: usize,
}

/// What grew during one look.
#[derive(Clone, Copy, Debug, Default)]
struct Growth {
    sent: u64,
    lost: u64,
}

/// Everything that was seen.
#[derive(Default)]
pub(super) struct Clients {
    pub(super) now: [LinkFigures; 2],
    growth: VecDeque<[Growth; 2]>,
    /// Packets sent and lost per connection at the last look.
    before: HashMap<PeerId, (u64, u64)>,
    counters: VecDeque<(Instant, Counters)>,
}

/// Looks at every connection once; `None` when the zone had no time to answer.
pub(super) async fn look(gallery: &Gallery) -> Option<Vec<PeerRow>> {
    let (mut rows, mut first) = (Vec::<PeerRow>::new(), 0);
    loop {
        // The tick thread fills it, and is not to take memory.
        rows.reserve(PLACES_PER_ASK as usize);
        let painted = gallery.ask(Wish::Peers { first, rows, is_more: false }).await?;
        let Wish::Peers { rows: seen, is_more, .. } = painted.wish else { return None };
        rows = seen;
        if !is_more {
            return Some(rows);
        }
        first += PLACES_PER_ASK;
    }
}

impl Clients {
    /// All connections were looked at.
    pub(super) fn handle_look(&mut self, now: Instant, rows: &[PeerRow], counters: Counters) {
        let mut growth = [Growth::default(); 2];
        let mut after = HashMap::with_capacity(rows.len());
        for row in rows {
            let (sent, lost) = self.before.get(&row.peer).copied().unwrap_or_default();
            let grown = &mut growth[place(row.link)];
            grown.sent += row.packets_sent.saturating_sub(sent);
            grown.lost += row.packets_lost.saturating_sub(lost);
            after.insert(row.peer, (row.packets_sent, row.packets_lost));
        }
        self.before = after;
        self.now = LINKS.map(|(_, link)| figures(rows.iter().filter(|row| row.link == link)));
        keep(&mut self.growth, growth, LOOKS);
        keep(&mut self.counters, (now, counters), LOOKS + 1);
    }

    /// Share of packets lost lately on a link; 0 when none were sent.
    pub(super) fn loss(&self, link: Link) -> f64 {
        let of_link = self.growth.iter().map(|growth| growth[place(link)]);
        let (sent, lost) = of_link.fold((0, 0), |sum, one| (sum.0 + one.sent, sum.1 + one.lost));
        lost as f64 / sent.max(1) as f64
    }

    /// Growth of a counter per second lately.
    fn rate(&self, counter: impl Fn(&Counters) -> u64) -> f64 {
        let (Some((start, old)), Some((end, new))) = (self.counters.front(), self.counters.back()) else {
            return 0.0;
        };
        let seconds = end.saturating_duration_since(*start).as_secs_f64();
        if seconds > 0.0 { counter(new).saturating_sub(counter(old)) as f64 / seconds } else { 0.0 }
    }

    /// Everything by transport.
    pub(super) fn json(&self) -> Value {
        let ms = |rtt: Option<Duration>| rtt.map(|rtt| (rtt.as_secs_f64() * 1e6).round() / 1e3);
        let one = |link: Link| {
            let figures = self.now[place(link)];
            let (bytes_in, bytes_out) = match link {
                Link::Quic => (self.rate(|n| n.udp_bytes_in), self.rate(|n| n.udp_bytes_out)),
                Link::WebSocket => (self.rate(|n| n.tcp_bytes_in), self.rate(|n| n.tcp_bytes_out)),
            };
            json!({
                "clients": figures.n,
                "rtt_ms": { "p50": ms(figures.rtt_p50), "p99": ms(figures.rtt_p99) },
                "loss_share": self.loss(link),
                "bytes_in_per_second": bytes_in.round(),
                "bytes_out_per_second": bytes_out.round(),
                "queued_bytes": figures.queued_bytes,
            })
        };
        json!({
            "quic": one(Link::Quic),
            "websocket": one(Link::WebSocket),
            "packets_in_per_second": self.rate(|n| n.udp_in).round(),
            "packets_out_per_second": self.rate(|n| n.udp_out).round(),
            "inputs_per_second": self.rate(|n| n.datagrams_in).round(),
            "snapshots_per_second": self.rate(|n| n.frames_out).round(),
        })
    }
}

fn place(link: Link) -> usize {
    usize::from(link == Link::WebSocket)
}

fn keep<T>(ring: &mut VecDeque<T>, newest: T, at_most: usize) {
    if ring.len() == at_most {
        ring.pop_front();
    }
    ring.push_back(newest);
}

fn figures<'a>(rows: impl Iterator<Item = &'a PeerRow>) -> LinkFigures {
    let mut figures = LinkFigures::default();
    let mut rtts = Vec::new();
    for row in rows {
        figures.n += 1;
        figures.queued_bytes += row.queued_bytes;
        // Zero: nothing was measured yet.
        rtts.extend(Some(row.rtt).filter(|rtt| *rtt > Duration::ZERO));
    }
    rtts.sort_unstable();
    let at = |share: f64| rtts.get(((rtts.len() as f64 * share) as usize).min(rtts.len().saturating_sub(1)));
    (figures.rtt_p50, figures.rtt_p99) = (at(0.5).copied(), at(0.99).copied());
    figures
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(index: u32, link: Link, rtt_ms: u64, sent: u64, lost: u64) -> PeerRow {
        let rtt = Duration::from_millis(rtt_ms);
        let peer = PeerId::new(index, 1);
        PeerRow { peer, link, rtt, packets_sent: sent, packets_lost: lost, queued_bytes: 10 }
    }

    #[test]
    fn quantiles_and_queues_are_per_transport() {
        let mut rows: Vec<PeerRow> = (1..=100).map(|at| row(at, Link::Quic, at.into(), 1, 0)).collect();
        rows.push(row(200, Link::WebSocket, 0, 0, 0));
        let mut clients = Clients::default();
        clients.handle_look(Instant::now(), &rows, Counters::default());
        let json = clients.json();
        assert_eq!((&json["quic"]["clients"], &json["quic"]["queued_bytes"]), (&json!(100), &json!(1000)));
        assert_eq!(json["quic"]["rtt_ms"], json!({ "p50": 51.0, "p99": 100.0 }));
        assert_eq!(json["websocket"]["rtt_ms"], json!({ "p50": null, "p99": null }), "zero is no round trip");
    }

    #[test]
    fn losses_and_rates_are_those_of_the_last_ten_seconds() {
        let start = Instant::now();
        let mut clients = Clients::default();
        for second in 0..40u64 {
            // Everything is lost in the first 20 seconds, one in ten later.
            let sent = second * 100;
            let lost = if second < 20 { sent } else { 2000 + (second - 20) * 10 };
            let counters = Counters { udp_bytes_out: second * 5000, ..Counters::default() };
            let at = start + Duration::from_secs(second);
            clients.handle_look(at, &[row(1, Link::Quic, 5, sent, lost)], counters);
        }
        assert!((clients.loss(Link::Quic) - 0.1).abs() < 1e-9, "{}", clients.loss(Link::Quic));
        assert_eq!(clients.loss(Link::WebSocket), 0.0);
        assert_eq!(clients.json()["quic"]["bytes_out_per_second"], 5000.0);
        assert_eq!((clients.before.len(), clients.growth.len()), (1, LOOKS));
    }
}
