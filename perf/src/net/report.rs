//! What `perf net` says.

use super::against::Against;
use super::runs::{Birth, Pairs, Window};
use super::{Shape, Transport};
use crate::Failure;
use crate::calibrate::Calibration;
use crate::stats::{Middle, Range};
use serde::Serialize;
use std::collections::BTreeMap;

/// The result; field names are part of the command.
#[derive(Serialize)]
pub(crate) struct Report {
    transport: Transport,
    clients: u32,
    hz: u32,
    us_per_client_tick: f64,
    floor_us: f64,
    ratio_to_floor: f64,
    user_us: f64,
    kernel_us: f64,
    rss_kib_per_connection: f64,
    handshakes_per_cpu_second: f64,
    standalone_acks_per_tick: f64,
    client_standalone_acks_per_tick: f64,
    live_bytes_per_connection: f64,
    core_share: f64,
    payload_bytes: u16,
    input_bytes: u16,
    seconds: u64,
    pairs: usize,
    pairs_dropped: u16,
    spread: Spread,
    payloads_per_second: f64,
    inputs_per_second: f64,
    packets_out_per_client_tick: f64,
    packets_in_per_client_tick: f64,
    inputs_sent_share: f64,
    inputs_delivered_share: f64,
    payloads_delivered_share: f64,
    run_queue_ms: f64,
    steal_ms: f64,
    calibrate: Calibration,
    /// Servers of other libraries, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) against: BTreeMap<&'static str, Against>,
}

/// Lowest and highest of the pairs.
#[derive(Serialize)]
struct Spread {
    us_per_client_tick: Range,
    floor_us: Range,
    ratio_to_floor: Range,
}

impl Report {
    /// # Errors
    /// When too few pairs count.
    pub(crate) fn new(
        shape: &Shape,
        n_wanted: u16,
        pairs: &Pairs,
        birth: Birth,
        steal_ms: f64,
        calibrate: Calibration,
    ) -> anyhow::Result<Self> {
        let counted = &pairs.counted;
        if counted.len() < usize::from(n_wanted) {
            let flaw = pairs.flaw.as_deref().unwrap_or("no window was measured");
            let text =
                format!("only {} of {n_wanted} pairs count; the last that does not: {flaw}", counted.len());
            return Err(Failure::Check(text).into());
        }
        let of_wire = |figure: fn(&Window) -> f64| Middle::of(counted, |(_, wire)| figure(wire));
        let wire_us = of_wire(Window::us_per_client_tick);
        let floor_us = Middle::of(counted, |(floor, _)| floor.us_per_client_tick());
        let ratio =
            Middle::of(counted, |(floor, wire)| wire.us_per_client_tick() / floor.us_per_client_tick());
        let user_us = wire_us.value * of_wire(|wire| wire.server.used.user_share()).value;
        let per_out = |wire: &Window, n: u64| n as f64 / wire.server.n_out.max(1) as f64;
        let last = counted.last().map_or(0, |(_, wire)| wire.server.rss_kib);
        let live = counted.last().map_or(0, |(_, wire)| wire.server.live_bytes);
        let lowest = |at: usize| Middle::of(counted, |(_, wire)| wire.shares()[at]).range.min;
        Ok(Self {
            transport: shape.transport,
            clients: shape.n_clients,
            hz: shape.hz,
            us_per_client_tick: wire_us.value,
            floor_us: floor_us.value,
            ratio_to_floor: ratio.value,
            user_us,
            kernel_us: wire_us.value - user_us,
            rss_kib_per_connection: last.saturating_sub(birth.rss_kib) as f64 / f64::from(shape.n_clients),
            handshakes_per_cpu_second: birth.n_clients as f64 * 1e9 / birth.cpu_ns.max(1) as f64,
            standalone_acks_per_tick: Middle::of(counted, |(_, w)| per_out(w, w.server.n_standalone_acks))
                .value,
            client_standalone_acks_per_tick: Middle::of(counted, |(_, w)| per_out(w, w.n_client_acks)).value,
            live_bytes_per_connection: (live - birth.live_bytes) as f64 / f64::from(shape.n_clients),
            core_share: of_wire(Window::core_share).value,
            payload_bytes: shape.payload_bytes,
            input_bytes: shape.input_bytes,
            seconds: shape.seconds,
            pairs: counted.len(),
            pairs_dropped: pairs.n_dropped,
            spread: Spread {
                us_per_client_tick: wire_us.range,
                floor_us: floor_us.range,
                ratio_to_floor: ratio.range,
            },
            payloads_per_second: of_wire(|wire| wire.server.n_out as f64 / wire.seconds).value,
            inputs_per_second: of_wire(|wire| wire.server.n_in as f64 / wire.seconds).value,
            packets_out_per_client_tick: Middle::of(counted, |(_, w)| per_out(w, w.server.n_udp_out)).value,
            packets_in_per_client_tick: Middle::of(counted, |(_, w)| per_out(w, w.server.n_udp_in)).value,
            inputs_sent_share: lowest(0),
            inputs_delivered_share: lowest(1),
            payloads_delivered_share: lowest(2),
            run_queue_ms: counted.iter().map(|(_, w)| w.server.used.run_queue_ns as f64 / 1e6).sum(),
            steal_ms,
            calibrate,
            against: BTreeMap::new(),
        })
    }

    /// For people.
    pub(crate) fn print(&self) {
        let Spread { us_per_client_tick: us, floor_us: floor, ratio_to_floor: ratio } = &self.spread;
        println!(
            "{} clients by {}, {} Hz, {} B out and {} B in; median of {} pairs of {} s windows",
            self.clients,
            self.transport.name(),
            self.hz,
            self.payload_bytes,
            self.input_bytes,
            self.pairs,
            self.seconds
        );
        println!(
            "  client-tick  {:.2} us ({:.2} to {:.2}): {:.2} user, {:.2} kernel",
            self.us_per_client_tick, us.min, us.max, self.user_us, self.kernel_us
        );
        println!("  UDP floor    {:.2} us ({:.2} to {:.2})", self.floor_us, floor.min, floor.max);
        println!("  ratio        {:.2} ({:.2} to {:.2})", self.ratio_to_floor, ratio.min, ratio.max);
        println!(
            "  per client   {:.1} KiB, of these {:.1} asked for; {:.0} handshakes per CPU second",
            self.rss_kib_per_connection,
            self.live_bytes_per_connection / 1024.0,
            self.handshakes_per_cpu_second
        );
        println!(
            "  alone        {:.4} packets without cargo per tick from the server, {:.4} from the client",
            self.standalone_acks_per_tick, self.client_standalone_acks_per_tick
        );
        println!(
            "  delivered    {:.0} payloads and {:.0} inputs per second; at least {:.1} % of inputs in time; {:.0} % of a core",
            self.payloads_per_second,
            self.inputs_per_second,
            self.inputs_sent_share * 100.0,
            self.core_share * 100.0
        );
        println!(
            "  machine      {}; {:.1} ms of waiting for the core, {:.0} ms stolen, {} pairs did not count",
            self.calibrate, self.run_queue_ms, self.steal_ms, self.pairs_dropped
        );
        for (name, against) in &self.against {
            against.print(name);
        }
    }
}
