//! The metrics page: what a zone tells Prometheus.
//!
//! A label is a stage, a transport, a class or a reason: one of a few words known at build time, never a player,
//! an entity or a cell.

use std::time::Instant;

use engine::Rung;
use jobs::{Durations, STAGES};
use netproto::{EPOCH, FINGERPRINT, KERNEL_VERSION};

use super::board::{Board, Numbers};
use super::clients::LINKS;
use super::drops::drops;
use super::exposition::{Bounds, Page};
use super::looks::Looks;
use super::process;
use crate::allocator;
use crate::zone::budgeter::Cause;

/// A tick of 20 or 30 Hz: the buckets are close where a period ends.
const TICK_BOUNDS: Bounds = &[
    0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.025, 0.033, 0.04, 0.05, 0.075, 0.1,
    0.25, 1.0,
];
/// A stage takes from microseconds to a few ms.
const STAGE_BOUNDS: Bounds = &[0.000_01, 0.000_03, 0.000_1, 0.000_3, 0.001, 0.003, 0.01, 0.03, 0.1, 1.0];

/// All metrics of a zone.
pub(super) fn metrics(board: &Board, looks: &Looks, n_reports_lost: u64, now: Instant) -> String {
    let mut page = Page::default();
    write_process(&mut page, board.started_unix_seconds);
    board.write_ticks(&mut page, now);
    board.write_world(&mut page);
    looks.write(&mut page);
    board.write_clients(&mut page);
    board.write_sockets(&mut page);
    page.family("arcane_drops_total", "counter", "What was dropped on purpose, by class");
    for drops in drops(&board.numbers, n_reports_lost) {
        page.value(&[("class", drops.class)], drops.n as f64);
    }
    page.finish()
}

fn write_process(page: &mut Page, started_unix_seconds: f64) {
    page.family("arcane_build_info", "gauge", "Always 1; the labels say which build this is");
    let (epoch, kernel) = (EPOCH.to_string(), KERNEL_VERSION.to_string());
    let fingerprint = format!("{FINGERPRINT:016x}");
    let labels = [
        ("version", env!("CARGO_PKG_VERSION")),
        ("wire_epoch", &epoch),
        ("wire_fingerprint", &fingerprint),
        ("kernel_version", &kernel),
    ];
    page.value(&labels, 1.0);
    let process = process::look();
    let cpu_seconds = jobs::sys::process_cpu_ns() as f64 / 1e9;
    page.family("process_cpu_seconds_total", "counter", "CPU time of all threads, user and kernel");
    page.value(&[], cpu_seconds);
    page.gauge("process_resident_memory_bytes", "Memory that is present", process.resident_bytes as f64);
    page.gauge("arcane_live_bytes", "Memory in use, as asked for", allocator::live_bytes() as f64);
    page.gauge("process_open_fds", "Open files and sockets", process.n_open_files as f64);
    page.gauge("process_start_time_seconds", "Start since 1970", started_unix_seconds);
}

impl Board {
    /// What is not known is left out: a zero would say that nothing was taken.
    fn write_ticks(&self, page: &mut Page, now: Instant) {
        if self.sight.ticks {
            self.write_times(page);
        }
        self.write_overruns(page);
        if self.sight.ticks {
            self.write_strain(page);
        }
        let memory = self.numbers.allocations;
        page.count("arcane_tick_allocations_total", "Allocations by the thread that runs the tick", memory.n);
        page.count("arcane_tick_allocated_bytes_total", "Bytes in these allocations", memory.bytes);
        page.gauge(
            "arcane_tick",
            "The tick that was stepped last",
            self.last.map_or(0, |last| last.tick).into(),
        );
        page.gauge("arcane_tick_age_seconds", "Time since the last tick", self.health(now).1.as_secs_f64());
        page.gauge(
            "arcane_tick_period_seconds",
            "Time between two ticks at the fixed rate",
            self.period.as_secs_f64(),
        );
        let pace = self.numbers.period.max(self.period);
        page.gauge("arcane_tick_pace_seconds", "Time between two ticks as announced now", pace.as_secs_f64());
        self.write_shed(page);
        self.write_economy(page);
        self.write_log(page);
    }

    fn write_shed(&self, page: &mut Page) {
        let Numbers { shed_level, ladder, world, .. } = &self.numbers;
        page.gauge(
            "arcane_shed_level",
            "Rungs of load shedding given up; 0 is full detail",
            (*shed_level).into(),
        );
        page.family("arcane_shed_rises_total", "counter", "How often a rung was given up");
        for rung in Rung::ALL {
            page.value(&[("rung", rung.name())], ladder.rises[rung as usize] as f64);
        }
        page.family("arcane_shed_falls_total", "counter", "How often a rung came back");
        for rung in Rung::ALL {
            page.value(&[("rung", rung.name())], ladder.falls[rung as usize] as f64);
        }
        let help = "What was left out: groups of a slot that waited, searches, snapshots, full views, thoughts, births";
        page.family("arcane_shed_left_out_total", "counter", help);
        for rung in Rung::ALL.into_iter().filter(|rung| *rung != Rung::Dilation) {
            page.value(&[("rung", rung.name())], world.spared[rung as usize] as f64);
        }
    }

    fn write_economy(&self, page: &mut Page) {
        let Numbers { world, peers, .. } = &self.numbers;
        page.count(
            "arcane_orders_total",
            "Orders of players that the world was asked to follow",
            peers.orders,
        );
        page.count(
            "arcane_effects_total",
            "Changes of hands: left, picked up, given, traded, ...",
            world.effects,
        );
        page.gauge("arcane_purses", "Purses, also of players who have left", world.purses.into());
        page.gauge("arcane_drops_on_ground", "Things that lie on the ground", world.drops.into());
        let help = "1 while nothing may change hands, because it could not be kept";
        page.gauge("arcane_economy_read_only", help, u8::from(world.is_read_only).into());
    }

    fn write_log(&self, page: &mut Page) {
        let kept = &self.numbers.kept;
        if !kept.is_on {
            return;
        }
        page.gauge("arcane_log_health", "0 well, 1 its last files, 2 full, 3 failed", kept.health.into());
        page.count("arcane_log_records_total", "Records since the log began, of all processes", kept.lsn);
        page.gauge("arcane_log_unsafe", "Records handed over and not yet safe", kept.n_unsafe as f64);
        let help = "Ticks that wait in memory because the log takes nothing";
        page.gauge("arcane_log_waiting", help, kept.n_waiting as f64);
        let help = "1 while the zone goes on without a log, because the disk is full";
        page.gauge("arcane_log_adrift", help, u8::from(kept.is_adrift).into());
        let lag = kept.lsn.saturating_sub(kept.checkpoint_lsn);
        page.gauge(
            "arcane_log_replay_records",
            "Records behind the newest checkpoint of this process",
            lag as f64,
        );
        page.gauge("arcane_log_files", "Files that hold the log", kept.n_files.0 as f64);
        page.gauge("arcane_log_spares", "Files kept ready", kept.n_files.1 as f64);
    }

    fn write_times(&self, page: &mut Page) {
        let times = &self.total.times;
        let mut histogram = |name: &'static str, help: &str, times: &Durations| {
            page.family(name, "histogram", help);
            page.histogram(&[], TICK_BOUNDS, times);
        };
        histogram(
            "arcane_tick_duration_seconds",
            "Wall time of a tick, input pass to last send",
            &times.wall,
        );
        histogram("arcane_tick_cpu_seconds", "CPU time of the thread that runs the tick", &times.cpu);
        if self.sight.run_queue {
            let help = "Longest time in a tick that one of its threads was ready and had no core; \
                        absent where the kernel does not tell";
            histogram("arcane_tick_run_queue_seconds", help, &times.run_queue);
        }
        page.family("arcane_stage_duration_seconds", "histogram", "Wall time of a stage of the tick");
        for (stage, times) in STAGES.iter().zip(&times.stages) {
            page.histogram(&[("stage", stage)], STAGE_BOUNDS, times);
        }
    }

    fn write_overruns(&self, page: &mut Page) {
        let counted = &self.total.counted;
        page.family(
            "arcane_tick_overruns_total",
            "counter",
            "Ticks longer than their period, by whose doing; own where the kernel does not tell",
        );
        page.value(&[("cause", "own")], counted.overruns_own as f64);
        page.value(&[("cause", "stolen")], counted.overruns_stolen as f64);
        page.count("arcane_tick_late_total", "Ticks that ended after the next was due", self.numbers.n_late);
        page.count("arcane_schedule_moved_total", "Times the schedule moved", self.numbers.n_moved);
    }

    fn write_strain(&self, page: &mut Page) {
        let (strain, sight) = (self.total.counted.strain, self.sight);
        let waiting = [
            ("run_queue", sight.run_queue.then_some(strain.run_queue_ns)),
            ("hypervisor", sight.steal.then_some(strain.steal_ns)),
        ];
        if sight.run_queue || sight.steal {
            let help = "Time that the machine took from ticks; absent where the kernel does not tell";
            page.family("arcane_tick_waiting_seconds_total", "counter", help);
        }
        for (taken_for, ns) in waiting {
            let _ = ns.map(|ns| page.value(&[("for", taken_for)], ns as f64 / 1e9));
        }
        page.count(
            "arcane_tick_minor_faults_total",
            "Page faults in ticks that needed no disk",
            strain.minor_faults,
        );
    }

    fn write_world(&self, page: &mut Page) {
        let world = &self.numbers.world;
        page.family("arcane_entities", "gauge", "Living entities by class");
        page.value(&[("class", "player")], world.players.into());
        page.value(&[("class", "creature")], world.creatures.into());
        page.gauge("arcane_players_attached", "Bodies of players that have a client", world.attached.into());
        page.family("arcane_casts_total", "counter", "Skills used, by skill");
        for (skill, n) in [("swing", world.casts), ("area", world.areas), ("shot", world.shots)] {
            page.value(&[("skill", skill)], n as f64);
        }
        for (name, help, n) in [
            ("arcane_kills_total", "Creatures killed", world.kills),
            ("arcane_respawns_total", "Creatures that came back", world.respawns),
            ("arcane_deaths_total", "Players killed", world.deaths),
            ("arcane_hits_total", "Hits that hurt", world.hits),
            ("arcane_commands_total", "Commands that arrived", world.commands_received),
            ("arcane_commands_refused_total", "Commands out of their window", world.commands_refused),
            ("arcane_timed_total", "Announcements and hits handed to clients", world.timed_sent),
            ("arcane_snapshots_total", "Snapshots made", world.frames),
            ("arcane_snapshot_bytes_total", "Bytes in snapshots", world.frame_bytes),
        ] {
            page.count(name, help, n);
        }
    }

    fn write_clients(&self, page: &mut Page) {
        let (peers, sockets) = (&self.numbers.peers, &self.numbers.sockets);
        page.family("arcane_clients", "gauge", "Connected players by transport");
        for ((transport, _), n) in LINKS.into_iter().zip(self.numbers.by_link) {
            page.value(&[("transport", transport)], n.into());
        }
        for (name, help, n) in [
            ("arcane_joins_total", "Players let in for the first time", peers.joined),
            ("arcane_resumes_total", "Players who came back with their token", peers.resumed),
            ("arcane_goodbyes_total", "Players who left on purpose", peers.left),
            ("arcane_losses_total", "Connections that ended without a goodbye", peers.lost),
            ("arcane_peer_panics_total", "Events whose handling panicked", peers.panics),
            (
                "arcane_client_panics_total",
                "Players whose snapshot could not be written for a panic",
                peers.panics_client,
            ),
        ] {
            page.count(name, help, n);
        }
        self.write_budgets(page);
        page.family("arcane_refused_total", "counter", "Peers refused or closed, by reason");
        for (reason, n) in super::refusals(&self.numbers) {
            page.value(&[("reason", reason.name())], n as f64);
        }
        page.family("arcane_closed_total", "counter", "Connections that the transport ended, by reason");
        for (reason, n) in [
            ("protocol", sockets.closed_protocol),
            ("too_slow", sockets.closed_too_slow),
            ("silence", sockets.closed_silence),
            ("internal", sockets.closed_internal),
        ] {
            page.value(&[("reason", reason)], n as f64);
        }
    }

    fn write_budgets(&self, page: &mut Page) {
        let budgets = &self.numbers.budgets;
        page.family(
            "arcane_client_budgets",
            "gauge",
            "Clients by what their paths bear; level 0 is full detail",
        );
        for (level, n) in budgets.by_level.iter().enumerate() {
            page.value(&[("level", &level.to_string())], (*n).into());
        }
        page.family("arcane_budget_falls_total", "counter", "Steps down of clients' budgets, by what showed");
        for cause in Cause::ALL {
            page.value(&[("cause", cause.name())], budgets.falls[cause as usize] as f64);
        }
        page.count("arcane_budget_rises_total", "Steps up of clients' budgets", budgets.rises);
    }

    fn write_sockets(&self, page: &mut Page) {
        let sockets = &self.numbers.sockets;
        page.gauge(
            "arcane_door_queue",
            "Connections that are not let in yet",
            self.numbers.queues.door as f64,
        );
        page.gauge(
            "arcane_send_queue_packets",
            "Packets with records for which the UDP socket was full",
            self.numbers.queues.packets as f64,
        );
        page.count("arcane_handshakes_begun_total", "Handshakes begun", sockets.handshakes_begun);
        page.family("arcane_handshakes_total", "counter", "Handshakes, by result");
        for (result, n) in [
            ("quic", sockets.handshakes_quic),
            ("websocket", sockets.handshakes_websocket),
            ("failed", sockets.handshakes_failed),
        ] {
            page.value(&[("result", result)], n as f64);
        }
        page.count("arcane_door_retries_total", "Addresses asked to prove themselves", sockets.retries);
        page.count("arcane_door_refused_total", "Connections turned away unheard", sockets.refused);
        page.count(
            "arcane_pages_refused_total",
            "Upgrades refused to web pages that may not play",
            sockets.refused_origin,
        );
        page.family("arcane_transport_bytes_total", "counter", "Bytes at the sockets");
        for (transport, direction, n) in [
            ("quic", "in", sockets.udp_bytes_in),
            ("quic", "out", sockets.udp_bytes_out),
            ("websocket", "in", sockets.tcp_bytes_in),
            ("websocket", "out", sockets.tcp_bytes_out),
        ] {
            page.value(&[("transport", transport), ("direction", direction)], n as f64);
        }
        for (name, help, [n_in, n_out]) in [
            ("arcane_udp_packets_total", "UDP packets at the socket", [sockets.udp_in, sockets.udp_out]),
            (
                "arcane_datagrams_total",
                "Inputs in, snapshots out",
                [sockets.datagrams_in, sockets.frames_out],
            ),
            ("arcane_records_total", "Records, hellos included", [sockets.records_in, sockets.records_out]),
        ] {
            page.family(name, "counter", help);
            page.value(&[("direction", "in")], n_in as f64);
            page.value(&[("direction", "out")], n_out as f64);
        }
        page.count("arcane_standalone_acks_total", "Packets with nothing but acks", sockets.standalone_acks);
        page.count(
            "arcane_socket_kernel_drops_total",
            "Packets dropped by the kernel before we read them",
            sockets.drops_kernel,
        );
    }
}

impl Looks {
    fn write(&self, page: &mut Page) {
        page.family(
            "arcane_snapshot_sampled_bytes_total",
            "counter",
            "Bytes by component in the sampled snapshots, one of each tick",
        );
        for (component, bytes) in self.bytes.components() {
            page.value(&[("component", component)], bytes);
        }
        page.count("arcane_snapshots_sampled_total", "Snapshots taken apart", self.bytes.n_frames);
        page.family("arcane_send_queue_bytes", "gauge", "Bytes of records that wait in connections");
        for ((transport, _), figures) in LINKS.into_iter().zip(self.clients.now) {
            page.value(&[("transport", transport)], figures.queued_bytes as f64);
        }
        let figures = self.clients.now;
        for (name, help, rtts) in [
            (
                "arcane_client_rtt_median_seconds",
                "Half of the round trips are shorter",
                figures.map(|f| f.rtt_p50),
            ),
            (
                "arcane_client_rtt_p99_seconds",
                "99 of 100 round trips are shorter",
                figures.map(|f| f.rtt_p99),
            ),
        ] {
            page.family(name, "gauge", help);
            for ((transport, _), rtt) in LINKS.into_iter().zip(rtts) {
                // Nobody there, or nothing measured yet: no value rather than a wrong one.
                let _ = rtt.map(|rtt| page.value(&[("transport", transport)], rtt.as_secs_f64()));
            }
        }
        page.family("arcane_client_loss_ratio", "gauge", "Share of packets lost in the last ten seconds");
        for (transport, link) in LINKS {
            page.value(&[("transport", transport)], self.clients.loss(link));
        }
        page.family(
            "arcane_picture_duration_seconds",
            "histogram",
            "Time the tick thread gave to spectators",
        );
        page.histogram(&[], STAGE_BOUNDS, &self.pictures);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jobs::strain::Sight;
    use std::collections::{HashMap, HashSet};
    use std::time::Duration;

    const ALL: Sight = Sight { ticks: true, run_queue: true, steal: true };

    fn page() -> String {
        page_of(ALL)
    }

    fn page_of(sight: Sight) -> String {
        let mut board = Board::new(Instant::now(), 20);
        board.handle_sight(sight);
        metrics(&board, &Looks::default(), 3, Instant::now())
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let families = ["_duration_seconds", "_cpu_seconds", "_run_queue_seconds", "_minor_faults_total"];
        let waiting = ["run_queue", "hypervisor"].map(|cause| format!("for=\"{cause}\""));
        let check = |sight: Sight| {
            let page = page_of(sight);
            let has_family = families.map(|name| page.contains(&format!("# TYPE arcane_tick{name} ")));
            let has_waiting = [0, 1].map(|at| page.contains(&waiting[at]));
            assert_eq!(page.contains("arcane_tick_waiting"), has_waiting.contains(&true));
            (has_family, has_waiting)
        };
        assert_eq!(check(ALL), ([true; 4], [true; 2]));
        assert_eq!(check(Sight { run_queue: false, ..ALL }), ([true, true, false, true], [false, true]));
        assert_eq!(check(Sight { steal: false, ..ALL }), ([true; 4], [true, false]));
        assert_eq!(check(Sight::NONE), ([false; 4], [false; 2]));
        assert!(page_of(Sight::NONE).contains("arcane_tick_overruns_total{cause=\"own\"} 0"));
    }

    #[test]
    fn the_start_is_the_same_at_every_scrape() {
        let board = Board::new(Instant::now(), 20);
        let start = |ms| {
            let page = metrics(&board, &Looks::default(), 0, Instant::now() + Duration::from_millis(ms));
            page.lines().find(|line| line.starts_with("process_start_time_seconds ")).map(str::to_owned)
        };
        assert!(start(0).is_some());
        assert_eq!(start(0), start(1_234));
    }

    #[test]
    fn every_family_is_declared_once_and_before_its_values() {
        let page = page();
        let mut families = HashMap::new();
        for line in page.lines() {
            if let Some(declared) = line.strip_prefix("# TYPE ") {
                let (name, kind) = declared.split_once(' ').unwrap();
                assert!(
                    families.insert(name.to_owned(), kind.to_owned()).is_none(),
                    "{name} is declared twice"
                );
            }
            if line.starts_with('#') {
                continue;
            }
            let (name, value) = line.rsplit_once(' ').unwrap();
            let name = name.split('{').next().unwrap();
            let stem = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
            let is_known = families.contains_key(name)
                || stem.is_some_and(|stem| families.get(stem).is_some_and(|kind| kind == "histogram"));
            assert!(is_known, "{line} comes before its family");
            assert!(value.parse::<f64>().is_ok(), "{line}");
        }
        assert!(families.len() > 35, "{} families", families.len());
        assert!(STAGES.iter().all(|stage| page.contains(&format!("stage=\"{stage}\""))));
        assert!(page.contains("arcane_drops_total{class=\"kernel\"} 0"));
        assert!(page.contains("arcane_drops_total{class=\"report\"} 3"));
    }

    /// Whoever adds a label looks here: it may be a word of a short list, never somebody or some place.
    #[test]
    fn labels_are_words_of_short_lists() {
        let page = page();
        let mut values: HashMap<&str, HashSet<&str>> = HashMap::new();
        for line in page.lines().filter(|line| !line.starts_with('#')) {
            let Some((_, labels)) = line.split_once('{') else { continue };
            for pair in labels.split_once('}').unwrap().0.split(',') {
                let (name, value) = pair.split_once('=').unwrap();
                values.entry(name).or_default().insert(value.trim_matches('"'));
            }
        }
        let mut names: Vec<&str> = values.keys().copied().collect();
        names.sort_unstable();
        let allowed = [
            "cause",
            "class",
            "component",
            "direction",
            "for",
            "kernel_version",
            "le",
            "level",
            "reason",
            "result",
            "rung",
            "skill",
            "stage",
            "transport",
            "version",
            "wire_epoch",
            "wire_fingerprint",
        ];
        assert_eq!(names, allowed);
        for (name, values) in &values {
            assert!(values.len() <= 30, "{name} has {} values", values.len());
            if !["le", "level", "version", "wire_epoch", "wire_fingerprint", "kernel_version", "stage"]
                .contains(name)
            {
                let is_word = |c: char| c.is_ascii_alphabetic() || c == '_';
                assert!(values.iter().all(|value| value.chars().all(is_word)), "{name}: {values:?}");
            }
        }
    }
}
