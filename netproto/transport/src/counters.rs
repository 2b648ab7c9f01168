//! What happened, in numbers. Plain integers: lanes count for themselves and are added up after the pass.

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Totals since the start, one per class of event.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counters {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Counters {
            /// Adds another set and empties it.
            pub(crate) fn take(&mut self, other: &mut Self) {
                $(self.$name += other.$name;)*
                *other = Self::default();
            }

            /// Name and value of each, in the order of the declaration: for an admin page.
            pub fn entries(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name),)*].into_iter()
            }
        }
    };
}

counters! {
    /// UDP datagrams taken from the socket.
    udp_in,
    /// Their bytes.
    udp_bytes_in,
    /// UDP datagrams handed to the kernel.
    udp_out,
    /// Their bytes.
    udp_bytes_out,
    /// Bytes read from WebSockets.
    tcp_bytes_in,
    /// Bytes written to WebSockets.
    tcp_bytes_out,
    /// Inputs delivered.
    datagrams_in,
    /// Records delivered, hellos included.
    records_in,
    /// Frames handed to QUIC or a WebSocket.
    frames_out,
    /// Records accepted for sending.
    records_out,
    /// Handshakes begun, on either link.
    handshakes_begun,
    /// Handshakes finished on QUIC.
    handshakes_quic,
    /// Upgrades finished on WebSocket.
    handshakes_websocket,
    /// Handshakes that failed or ran into a deadline.
    handshakes_failed,
    /// Retry packets sent to unproven addresses.
    retries,
    /// Connections turned away before the handshake: full, too many from one place.
    refused,
    /// Upgrades refused to web pages that may not play; they count as failed handshakes as well.
    refused_origin,
    /// Hellos refused by the owner.
    hellos_refused,
    /// Peers admitted.
    admitted,
    /// Peers closed for breaking the protocol.
    closed_protocol,
    /// Peers closed for not taking their facts.
    closed_too_slow,
    /// Peers closed because handling their bytes panicked.
    closed_internal,
    /// Connections that ended by silence.
    closed_silence,
    /// Packets that carried neither frame nor record: in steady play this stays still.
    standalone_acks,
    /// Visits of send passes and the door: who has nothing to send and nothing due gets none.
    send_visits,
    /// Packets dropped by the kernel because our receive buffer was full (SO_RXQ_OVFL).
    drops_kernel,
    /// Datagrams that belong to no connection or do not parse.
    drops_unrouted,
    /// Datagrams cut short because they exceed what we ever accept.
    drops_truncated,
    /// Packets over the per-peer queue between two passes.
    drops_peer_queue,
    /// Datagrams from peers that are not admitted, and first packets beyond those that wait for the door.
    drops_early,
    /// Client datagrams over the size limit.
    drops_oversized,
    /// Frames not sent: the socket would block, or the path cannot carry them.
    drops_frame,
    /// Packets lost because the UDP socket would block.
    drops_send_blocked,
    /// Packets the kernel refused to send to their destination.
    drops_send_failed,
    /// Panics caught in the shared endpoint, which belong to no peer.
    panics_endpoint,
}
