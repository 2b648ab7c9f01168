//! What `perf zone` says.

use super::runs::{Found, Look, Plan, Turn};
use crate::calibrate::Calibration;
use crate::net::Transport;
use crate::sim::ages::AgesOfNews;
use crate::stats::{Middle, Range, share};
use engine::Sending;
use engine::clients::Ages;
use harness::scenario;
use serde::Serialize;
use serde_json::Value;

/// The result; field names are part of the command.
#[derive(Serialize)]
pub(crate) struct Report {
    clients: u32,
    transport: Transport,
    workload: &'static str,
    send: &'static str,
    us_per_client_tick: f64,
    us_per_client_second: f64,
    user_us: f64,
    kernel_us: f64,
    packets_per_client_second: f64,
    #[serde(flatten)]
    ages: AgesOfNews,
    /// The most of any window: with any, these are not the figures of a free path.
    clients_slowed: u64,
    inputs_per_client_second: f64,
    tick_ms: TickMs,
    overruns: u64,
    overruns_own: Option<u64>,
    overruns_stolen: Option<u64>,
    snapshots_per_client_second: f64,
    snapshot_gap_ms: GapMs,
    bytes_per_client_second: f64,
    rss_kib_per_client: f64,
    /// Of a zone that sends every tick: its parts do.
    ratio_to_parts: Option<f64>,
    parts: Parts,
    spread: Spread,
    visible_mean: f64,
    payload_bytes: u16,
    input_bytes: u16,
    inputs_sent_share: f64,
    decode_errors: u64,
    /// Handshakes that failed and were begun again.
    redials: u32,
    seconds: u64,
    turns: usize,
    turns_dropped: u16,
    run_queue_ms: f64,
    steal_ms: f64,
    calibrate: Calibration,
}

/// From the input pass to the last send, as the zone measures itself: medians of the windows, and the longest tick.
#[derive(Serialize)]
struct TickMs {
    p50: f64,
    p99: f64,
    max: f64,
}

#[derive(Serialize)]
struct GapMs {
    p99: f64,
}

/// The transport alone and the world alone, per client and tick.
#[derive(Serialize)]
struct Parts {
    net_us: f64,
    sim_us: f64,
    sim_visible_mean: f64,
    sim_bytes_per_client_tick: f64,
}

/// Lowest and highest of the turns.
#[derive(Serialize)]
struct Spread {
    us_per_client_tick: Range,
    net_us: Range,
    sim_us: Range,
    ratio_to_parts: Range,
}

impl Report {
    /// # Errors
    /// When the zone's own figures are not there.
    pub(crate) fn new(
        plan: &Plan,
        found: &Found,
        steal_ms: f64,
        calibrate: Calibration,
    ) -> anyhow::Result<Self> {
        let turns = &found.turns;
        let of_zone = |figure: &dyn Fn(&Look) -> f64| Middle::of(turns, |turn| figure(&turn.zone));
        let us = of_zone(&|zone| zone.us_per_client_tick(plan));
        let net_us = Middle::of(turns, |turn| turn.net.us_per_client_tick());
        let sim_us = Middle::of(turns, |turn| turn.sim.us_per_client_tick());
        let ratio = Middle::of(turns, |turn| turn.zone.us_per_client_tick(plan) / turn.parts_us());
        let user_us = us.value * of_zone(&|zone| zone.used.user_share()).value;
        let per_second = |n: u64, zone: &Look| n as f64 / zone.seconds / f64::from(plan.n_clients);
        let visible = |zone: &Look| zone.counts.n_visible as f64 / zone.counts.n_looks.max(1) as f64;
        Ok(Self {
            clients: plan.n_clients,
            transport: plan.transport,
            workload: plan.scenario.name(),
            send: plan.sending.name(),
            us_per_client_tick: us.value,
            us_per_client_second: us.value * f64::from(scenario::HZ),
            user_us,
            kernel_us: us.value - user_us,
            packets_per_client_second: of_zone(&|zone| per_second(zone.n_packets_out, zone)).value,
            ages: AgesOfNews::of(&ages(turns), scenario::HZ),
            clients_slowed: turns.iter().map(|turn| turn.zone.n_slowed).max().unwrap_or(0),
            inputs_per_client_second: of_zone(&|zone| per_second(zone.counts.n_inputs, zone)).value,
            tick_ms: tick_ms(turns)?,
            overruns: total(turns, "overruns").unwrap_or(0),
            overruns_own: total(turns, "overruns_own"),
            overruns_stolen: total(turns, "overruns_stolen"),
            snapshots_per_client_second: of_zone(&|zone| per_second(zone.counts.n_snapshots, zone)).value,
            snapshot_gap_ms: GapMs { p99: of_zone(&|zone| zone.gap_p99_ms).value },
            bytes_per_client_second: of_zone(&|zone| per_second(zone.counts.n_bytes, zone)).value,
            rss_kib_per_client: found.rss_kib_per_client,
            ratio_to_parts: (plan.sending == Sending::EveryTick).then_some(ratio.value),
            parts: Parts {
                net_us: net_us.value,
                sim_us: sim_us.value,
                sim_visible_mean: Middle::of(turns, |turn| turn.sim.visible_mean()).value,
                sim_bytes_per_client_tick: Middle::of(turns, |turn| turn.sim.bytes_per_client_tick()).value,
            },
            spread: Spread {
                us_per_client_tick: us.range,
                net_us: net_us.range,
                sim_us: sim_us.range,
                ratio_to_parts: ratio.range,
            },
            visible_mean: of_zone(&visible).value,
            payload_bytes: found.payload_bytes,
            input_bytes: found.input_bytes,
            inputs_sent_share: of_zone(&|zone| share(zone.sent.in_time, zone.sent.due)).range.min,
            decode_errors: 0,
            redials: found.n_redials,
            seconds: plan.seconds,
            turns: turns.len(),
            turns_dropped: found.n_dropped,
            run_queue_ms: turns.iter().map(|turn| turn.zone.used.run_queue_ns as f64 / 1e6).sum(),
            steal_ms,
            calibrate,
        })
    }

    /// For people.
    pub(crate) fn print(&self) {
        let Spread { us_per_client_tick: us, net_us, sim_us, ratio_to_parts: ratio } = &self.spread;
        println!(
            "{} clients by {} in {}, sent: {}; median of {} turns of {} s windows",
            self.clients,
            self.transport.name(),
            self.workload,
            self.send,
            self.turns,
            self.seconds
        );
        println!(
            "  client-tick  {:.2} us ({:.2} to {:.2}): {:.2} user, {:.2} kernel; {:.0} us per client and second",
            self.us_per_client_tick, us.min, us.max, self.user_us, self.kernel_us, self.us_per_client_second
        );
        let parts = &self.parts;
        println!(
            "  parts        transport {:.2} us ({:.2} to {:.2}), world {:.2} us ({:.2} to {:.2})",
            parts.net_us, net_us.min, net_us.max, parts.sim_us, sim_us.min, sim_us.max
        );
        if let Some(value) = self.ratio_to_parts {
            println!("  ratio        {value:.2} of the parts ({:.2} to {:.2})", ratio.min, ratio.max);
        }
        let ages = &self.ages;
        println!(
            "  news         waits {:.0} ms p50, {:.0} p99; of those near ({:.1} %) {:.1} ms on average",
            ages.added_age_ms.p50,
            ages.added_age_ms.p99,
            ages.near_share * 100.0,
            ages.near_added_age_ms
        );
        println!(
            "  slowed       {} clients at most, by what their paths seemed to bear",
            self.clients_slowed
        );
        println!(
            "  tick         {:.2} ms p50, {:.2} p99, {:.2} max; {} overruns",
            self.tick_ms.p50, self.tick_ms.p99, self.tick_ms.max, self.overruns
        );
        println!(
            "  a client     {:.1} snapshots per second, gap p99 {:.1} ms, {:.0} B and {:.1} packets per second; {:.1} inputs; {:.1} KiB",
            self.snapshots_per_client_second,
            self.snapshot_gap_ms.p99,
            self.bytes_per_client_second,
            self.packets_per_client_second,
            self.inputs_per_client_second,
            self.rss_kib_per_client
        );
        println!(
            "  sees         {:.1} others, {} B per snapshot; in the world alone {:.1} and {:.1} B",
            self.visible_mean, self.payload_bytes, parts.sim_visible_mean, parts.sim_bytes_per_client_tick
        );
        println!(
            "  machine      {}; {:.1} ms of waiting for the core, {:.0} ms stolen, {} turns did not count",
            self.calibrate, self.run_queue_ms, self.steal_ms, self.turns_dropped
        );
    }
}

/// Of all windows together.
fn ages(turns: &[Turn]) -> Ages {
    let mut sum = Ages::default();
    turns.iter().for_each(|turn| sum.add(&turn.zone.ages));
    sum
}

fn tick_ms(turns: &[Turn]) -> anyhow::Result<TickMs> {
    let of = |name: &str| -> anyhow::Result<Middle> {
        let read = |turn: &Turn| turn.zone.tick_ms[name].as_f64();
        anyhow::ensure!(
            turns.iter().all(|turn| read(turn).is_some()),
            "the zone's status has no tick_ms.{name}"
        );
        Ok(Middle::of(turns, |turn| read(turn).unwrap_or(0.0)))
    };
    Ok(TickMs { p50: of("p50")?.value, p99: of("p99")?.value, max: of("max")?.range.max })
}

/// A count over all windows; nothing when the zone does not tell.
fn total(turns: &[Turn], name: &str) -> Option<u64> {
    let of = |status: &Value| status["window"][name].as_u64();
    turns.iter().map(|turn| of(&turn.zone.status)).sum()
}
