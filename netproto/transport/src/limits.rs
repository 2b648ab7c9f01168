//! Every number a stranger can push against.
use crate::ws::origin::Origin;
use std::net::IpAddr;
use std::time::Duration;

/// Payload of one frame datagram: what every path carries, minus QUIC's own bytes, rounded down.
pub const FRAME_BYTES_MAX: usize = 1100;
/// What a UDP datagram may hold before any path has been probed. Source: RFC 9000 section 14.
pub const UDP_BYTES: u16 = 1200;
/// The length field of a record is 16 bits wide.
pub const RECORD_BYTES_MAX: usize = u16::MAX as usize;

/// Short header (1 + 8 + 4), datagram frame (1 + 8) and tag (16) of one 1-RTT packet.
const QUIC_OVERHEAD: usize = 38;
const _: () = assert!(FRAME_BYTES_MAX + QUIC_OVERHEAD <= UDP_BYTES as usize);

/// Who may speak WebSocket without TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlainWebSocket {
    /// Only this machine: the default.
    Loopback,
    /// This machine and private or link-local addresses (`arcane up --lan`).
    Private,
    /// Anybody: only behind a proxy that ends TLS.
    Anybody,
}

impl PlainWebSocket {
    /// Whether somebody at this address may.
    pub fn allows(self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        match self {
            Self::Anybody => true,
            Self::Loopback => ip.is_loopback(),
            Self::Private => ip.is_loopback() || is_private(ip),
        }
    }
}

/// Whether an address is of a private network or of one cable: such packets do not cross the internet. Source: RFC 1918
/// section 3, RFC 3927, RFC 4193 section 3.1, RFC 4291 section 2.5.6.
pub fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// What a peer may cost before and after it is let in.
///
/// - Units: bytes, durations, counts; nothing here is a rate unless its name says per second.
/// - Source: docs/SECURITY.md "Limits at the socket".
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections of both links, in whatever stage.
    pub peers_max: usize,
    /// Connections not admitted yet; above it new ones are ignored.
    pub half_open_max: usize,
    /// Waiting or half-open connections above which an unproven address must answer a Retry first.
    pub retry_above: usize,
    /// Connections per IPv4 address or IPv6 /64. Loopback is exempt.
    pub peers_per_ip_max: usize,
    /// New connections per second and IPv4 /24 or IPv6 /48. Loopback is exempt.
    pub handshakes_per_prefix_second: u32,
    /// From the first packet to the end of TLS or of the HTTP upgrade.
    pub handshake_deadline: Duration,
    /// From there to a whole hello.
    pub hello_deadline: Duration,
    /// Silence after which a peer counts as gone.
    pub idle_timeout: Duration,
    /// One record from a client.
    pub record_bytes_max: usize,
    /// One datagram payload from a client.
    pub datagram_bytes_max: usize,
    /// Records read from one peer in one pass; the rest waits in flow control.
    pub records_per_pass: usize,
    /// Raw packets kept for one peer between two passes.
    pub packets_queued_max: usize,
    /// Facts queued for one peer before it is closed as too slow.
    pub queued_bytes_max: usize,
    /// Bytes sent over QUIC and not acknowledged before the peer is closed as too slow.
    pub under_way_bytes_max: u64,
    /// Time without progress on a non-empty queue before the peer is closed as too slow.
    pub stall_max: Duration,
    /// Who may speak WebSocket without TLS.
    pub plain_websocket: PlainWebSocket,
    /// Web pages that may speak WebSocket, wherever they came from.
    pub origins: Vec<Origin>,
    /// Wanted size of the UDP receive buffer, bytes.
    pub receive_buffer_bytes: usize,
}

impl Limits {
    /// Whether it matters which page asks: not behind a proxy that decides who comes in, unless pages are listed.
    pub(crate) fn checks_origins(&self) -> bool {
        self.plain_websocket != PlainWebSocket::Anybody || !self.origins.is_empty()
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            peers_max: 24_000,
            half_open_max: 4_096,
            retry_above: 64,
            peers_per_ip_max: 8,
            handshakes_per_prefix_second: 50,
            handshake_deadline: Duration::from_secs(5),
            hello_deadline: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(10),
            record_bytes_max: 1_024,
            datagram_bytes_max: 256,
            records_per_pass: 16,
            packets_queued_max: 64,
            queued_bytes_max: 1 << 20,
            under_way_bytes_max: 256 << 10,
            stall_max: Duration::from_secs(10),
            plain_websocket: PlainWebSocket::Loopback,
            origins: Vec::new(),
            receive_buffer_bytes: 4 << 20,
        }
    }
}
