//! Everything that a zone drops on purpose has a class, and a reason that a person can read.

use super::board::Numbers;

/// One class of drops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub(super) struct Drops {
    /// The label of the metric.
    pub(super) class: &'static str,
    /// Since the start.
    pub(super) n: u64,
    /// What is dropped, and why.
    pub(super) meaning: &'static str,
}

/// All classes, in the order in which bytes come and go.
pub(super) fn drops(numbers: &Numbers, n_reports_lost: u64) -> Vec<Drops> {
    let (sockets, peers, world) = (&numbers.sockets, &numbers.peers, &numbers.world);
    let one = |class, n, meaning| Drops { class, n, meaning };
    vec![
        one(
            "kernel",
            sockets.drops_kernel,
            "packets that the kernel had no room for: the receive buffer is small",
        ),
        one("unrouted", sockets.drops_unrouted, "packets of no connection, or that are no QUIC"),
        one("truncated", sockets.drops_truncated, "packets longer than any of ours"),
        one("peer_queue", sockets.drops_peer_queue, "packets of one peer over what may wait for a tick"),
        one("early", sockets.drops_early, "datagrams of peers that are not let in"),
        one("oversized", sockets.drops_oversized, "datagrams longer than an input may be"),
        one("datagram_flood", peers.datagrams_flood, "inputs over the rate that a client can mean"),
        one("datagram_bad", peers.datagrams_bad, "inputs that do not decode"),
        one("datagram_stray", peers.datagrams_stray, "inputs of players who have just left"),
        one("packet_stray", world.packets_stray, "inputs of players without a body"),
        one("command_refused", world.commands_refused, "commands for a tick that is over, or too far ahead"),
        one("order_refused", peers.orders_refused, "orders that came too fast, or made no sense"),
        one("record_unknown", peers.records_unknown, "records of an opcode that this build does not know"),
        one(
            "timed_overflow",
            world.timed_dropped,
            "announcements that gave way to more pressing ones of a client",
        ),
        one(
            "timed_expired",
            world.timed_expired,
            "announcements whose time was over before a client had them",
        ),
        one(
            "frame",
            sockets.drops_frame,
            "snapshots for a WebSocket that still holds an older one, or too long",
        ),
        one("send_blocked", sockets.drops_send_blocked, "packets for which the UDP socket was full"),
        one("send_failed", sockets.drops_send_failed, "packets that the kernel refused to send"),
        one("report", n_reports_lost, "reports of the tick that nobody on the admin thread had time to read"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_drop_of_the_sockets_has_a_class_of_its_own() {
        let classes = drops(&Numbers::default(), 0);
        let names: HashSet<&str> = classes.iter().map(|drops| drops.class).collect();
        assert_eq!(names.len(), classes.len());
        for (name, _) in transport::Counters::default().entries() {
            if let Some(class) = name.strip_prefix("drops_") {
                assert!(names.contains(class), "{name} is shown nowhere");
            }
        }
        assert!(classes.iter().all(|drops| drops.meaning.len() > 10));
    }
}
