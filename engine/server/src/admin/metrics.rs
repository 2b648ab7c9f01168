//! The metrics page: Prometheus text.
//!
//! Source: Prometheus, "Exposition formats", text-based format 0.0.4.

use std::fmt::Write as _;
use std::time::Instant;

use jobs::{Durations, STAGES};
use transport::Counters;

use super::board::Board;

/// Counters of the sockets that mean "dropped", with their causes.
fn socket_drops(sockets: &Counters) -> impl Iterator<Item = (&'static str, u64)> {
    sockets.entries().filter_map(|(name, n)| name.strip_prefix("drops_").map(|cause| (cause, n)))
}

impl Board {
    /// All metrics of the zone.
    #[must_use]
    pub fn metrics(&self, now: Instant) -> String {
        let mut page = Page(String::with_capacity(16 << 10));
        self.write_ticks(&mut page, now);
        self.write_world(&mut page);
        self.write_clients(&mut page);
        self.write_sockets(&mut page);
        page.0
    }

    fn write_ticks(&self, page: &mut Page, now: Instant) {
        let times = &self.total.times;
        page.family(
            "arcane_tick_duration_seconds",
            "summary",
            "Wall time of a tick, input pass to last send",
        );
        page.summary("arcane_tick_duration_seconds", "", &times.wall);
        page.family("arcane_tick_cpu_seconds", "summary", "CPU time of the thread that runs the tick");
        page.summary("arcane_tick_cpu_seconds", "", &times.cpu);
        page.family("arcane_stage_duration_seconds", "summary", "Wall time of a stage of the tick");
        for (stage, times) in STAGES.iter().zip(&times.stages) {
            page.summary("arcane_stage_duration_seconds", &format!("stage=\"{stage}\""), times);
        }
        let tick = self.last.map_or(0, |report| report.tick);
        page.one("arcane_tick", "gauge", "The tick that was stepped last", tick.into());
        let age = self.health(now).1.as_secs_f64();
        page.one("arcane_tick_age_seconds", "gauge", "Time since the last tick", age);
        page.count(
            "arcane_tick_overruns_total",
            "Ticks whose own CPU exceeds their period",
            self.total.overruns,
        );
        page.count("arcane_tick_late_total", "Ticks that ended after the next was due", self.numbers.n_late);
        page.count("arcane_schedule_moved_total", "Times the schedule moved", self.numbers.n_moved);
        page.one("arcane_uptime_seconds", "gauge", "Time since the start", self.uptime(now).as_secs_f64());
    }

    fn write_world(&self, page: &mut Page) {
        let world = &self.numbers.world;
        page.family("arcane_entities", "gauge", "Living entities");
        page.value("arcane_entities", "kind=\"player\"", world.players.into());
        page.value("arcane_entities", "kind=\"creature\"", world.creatures.into());
        page.count("arcane_kills_total", "Creatures killed", world.kills);
        page.count("arcane_respawns_total", "Creatures that came back", world.respawns);
        page.count("arcane_deaths_total", "Players killed", world.deaths);
        page.count("arcane_casts_total", "Melee arcs swung", world.casts);
        page.count("arcane_hits_total", "Hits that hurt", world.hits);
        page.count("arcane_commands_total", "Commands that arrived", world.commands_received);
        page.count("arcane_commands_refused_total", "Commands out of their window", world.commands_refused);
        page.count("arcane_snapshots_total", "Snapshots made", world.frames);
        page.count("arcane_snapshot_bytes_total", "Bytes in snapshots", world.frame_bytes);
    }

    fn write_clients(&self, page: &mut Page) {
        let peers = &self.numbers.peers;
        let [quic, websocket] = self.numbers.by_link;
        page.family("arcane_clients", "gauge", "Connected players");
        page.value("arcane_clients", "transport=\"quic\"", quic.into());
        page.value("arcane_clients", "transport=\"websocket\"", websocket.into());
        page.count("arcane_joins_total", "Players let in for the first time", peers.joined);
        page.count("arcane_resumes_total", "Players who came back with their token", peers.resumed);
        page.count("arcane_goodbyes_total", "Players who left on purpose", peers.left);
        page.count("arcane_losses_total", "Connections that ended without a goodbye", peers.lost);
        page.count("arcane_peer_panics_total", "Events whose handling panicked", peers.panics);
        page.family("arcane_refused_total", "counter", "Peers refused or closed, by reason");
        for (reason, n) in super::refusals(&self.numbers) {
            page.value("arcane_refused_total", &format!("reason=\"{}\"", reason.name()), n as f64);
        }
    }

    fn write_sockets(&self, page: &mut Page) {
        let (sockets, peers) = (&self.numbers.sockets, &self.numbers.peers);
        let admitted: u32 = self.numbers.by_link.iter().sum();
        let at_door = self.numbers.n_connections.saturating_sub(admitted);
        page.one("arcane_door_queue", "gauge", "Connections that are not let in yet", at_door.into());
        page.family("arcane_drops_total", "counter", "What was dropped, by cause");
        let ours = [
            ("datagram_bad", peers.datagrams_bad),
            ("datagram_flood", peers.datagrams_flood),
            ("datagram_stray", peers.datagrams_stray),
            ("record_unknown", peers.records_unknown),
        ];
        for (cause, n) in socket_drops(sockets).chain(ours) {
            page.value("arcane_drops_total", &format!("cause=\"{cause}\""), n as f64);
        }
        let kernel = sockets.drops_kernel;
        page.count(
            "arcane_socket_kernel_drops_total",
            "Packets dropped by the kernel before we read them",
            kernel,
        );
        page.family("arcane_handshakes_total", "counter", "Handshakes, by result");
        for (result, n) in [
            ("quic", sockets.handshakes_quic),
            ("websocket", sockets.handshakes_websocket),
            ("failed", sockets.handshakes_failed),
        ] {
            page.value("arcane_handshakes_total", &format!("result=\"{result}\""), n as f64);
        }
        page.family("arcane_sockets_total", "counter", "Every counter of the sockets, by name");
        for (name, n) in sockets.entries() {
            page.value("arcane_sockets_total", &format!("counter=\"{name}\""), n as f64);
        }
    }
}

/// A page in the making.
struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}.\n# TYPE {name} {kind}"));
    }

    fn value(&mut self, name: &str, labels: &str, value: f64) {
        if labels.is_empty() {
            self.line(format_args!("{name} {value}"));
        } else {
            self.line(format_args!("{name}{{{labels}}} {value}"));
        }
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: f64) {
        self.family(name, kind, help);
        self.value(name, "", value);
    }

    fn count(&mut self, name: &str, help: &str, n: u64) {
        self.one(name, "counter", help, n as f64);
    }

    fn summary(&mut self, name: &str, labels: &str, times: &Durations) {
        let read = times.quantiles();
        let seconds = |ns: u64| ns as f64 / 1e9;
        let comma = if labels.is_empty() { "" } else { "," };
        for (quantile, ns) in [("0.5", read.p50_ns), ("0.99", read.p99_ns), ("1", read.max_ns)] {
            self.value(name, &format!("{labels}{comma}quantile=\"{quantile}\""), seconds(ns));
        }
        self.value(&format!("{name}_sum"), labels, seconds(read.sum_ns));
        self.value(&format!("{name}_count"), labels, read.n as f64);
    }

    fn line(&mut self, text: std::fmt::Arguments<'_>) {
        writeln!(self.0, "{text}").expect("a String takes every text");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// Every line is a comment or `name{labels} number`, and every family is declared once, before its values.
    #[test]
    fn the_page_is_in_the_text_format() {
        let page = Board::new(Instant::now(), 20).metrics(Instant::now());
        let mut families = HashSet::new();
        for line in page.lines() {
            if let Some(declared) = line.strip_prefix("# TYPE ") {
                let name = declared.split(' ').next().unwrap();
                assert!(families.insert(name.to_owned()), "{name} is declared twice");
            }
            if line.starts_with('#') {
                continue;
            }
            let (name, value) = line.rsplit_once(' ').unwrap();
            let name = name.split('{').next().unwrap();
            let family = name.strip_suffix("_sum").or(name.strip_suffix("_count")).unwrap_or(name);
            assert!(families.contains(family), "{line} comes before its family");
            assert!(name.starts_with("arcane_") && value.parse::<f64>().is_ok(), "{line}");
        }
        for stage in STAGES {
            assert!(page.contains(&format!("stage=\"{stage}\"")));
        }
        assert!(page.contains("arcane_drops_total{cause=\"kernel\"} 0"));
    }
}
