//! Who may try to come in: counts per address, rates per network, and who waits outside.
//!
//! A machine without sockets. It is asked before anything is kept for a stranger.
use crate::limits::Limits;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

/// Networks are hashed into so many cells; two that share one share its rate.
const CELLS: usize = 1024;

/// Per-address state of the door.
pub(crate) struct Door {
    per_ip: HashMap<IpAddr, u32>,
    /// For each cell the time at which its bucket would be full again (GCRA's theoretical arrival time).
    cells: Vec<Instant>,
    seed: u64,
    /// The one address that we listen at, if it is one.
    own: Option<IpAddr>,
}

impl Door {
    pub(crate) fn new(now: Instant, seed: u64) -> Self {
        Self { per_ip: HashMap::new(), cells: vec![now; CELLS], seed, own: None }
    }

    /// Whoever comes from the address that we listen at is on this machine, and as free as on loopback.
    pub(crate) fn set_own(&mut self, listen: IpAddr) {
        self.own = Some(listen.to_canonical()).filter(|ip| !ip.is_unspecified() && !ip.is_loopback());
    }

    /// As if this were an address on a cable.
    #[cfg(test)]
    pub(crate) fn pretend_own(&mut self, ip: IpAddr) {
        self.own = Some(ip);
    }

    /// Whether the source of a first packet says nothing until a Retry has come back from it. Linux drops what arrives from
    /// outside with one of its own IPv4 addresses, or with a loopback one, as its source; with its own IPv6 address it does
    /// not, so a neighbour could pose as this machine.
    pub(crate) fn is_in_doubt(&self, addr: SocketAddr) -> bool {
        let ip = addr.ip().to_canonical();
        ip.is_ipv6() && self.own == Some(ip)
    }

    fn is_this_machine(&self, ip: IpAddr) -> bool {
        ip.is_loopback() || self.own == Some(ip)
    }

    /// Whether somebody from `addr` may begin a handshake now; if so it is counted.
    pub(crate) fn handle_arrival(&mut self, now: Instant, addr: SocketAddr, limits: &Limits) -> bool {
        let ip = addr.ip().to_canonical();
        if self.is_this_machine(ip) {
            return true;
        }
        if !self.takes_rate(now, ip, limits.handshakes_per_prefix_second) {
            return false;
        }
        let count = self.per_ip.entry(household(ip)).or_insert(0);
        let fits = (*count as usize) < limits.peers_per_ip_max;
        *count += u32::from(fits);
        fits
    }

    /// Somebody from `addr`, let in earlier, is gone.
    pub(crate) fn handle_leave(&mut self, addr: SocketAddr) {
        let ip = addr.ip().to_canonical();
        if self.is_this_machine(ip) {
            return;
        }
        let key = household(ip);
        if let Some(count) = self.per_ip.get_mut(&key) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.per_ip.remove(&key);
            }
        }
    }

    fn takes_rate(&mut self, now: Instant, ip: IpAddr, per_second: u32) -> bool {
        let step = Duration::from_secs(1) / per_second.max(1);
        let cell = &mut self.cells[(hash(network(ip), self.seed) % CELLS as u64) as usize];
        let full_at = (*cell).max(now) + step;
        // A second's worth may come at once.
        let fits = full_at <= now + Duration::from_secs(1);
        if fits {
            *cell = full_at;
        }
        fits
    }
}

/// One customer: an IPv4 address, or the /64 that one IPv6 customer gets.
fn household(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

/// One neighbourhood: IPv4 /24 or IPv6 /48.
fn network(ip: IpAddr) -> u64 {
    match ip {
        IpAddr::V4(v4) => u64::from(u32::from(v4) >> 8),
        IpAddr::V6(v6) => (u128::from(v6) >> 80) as u64,
    }
}

/// Mixes well enough that nobody who does not know the seed can aim at a cell. Source: splitmix64.
fn hash(value: u64, seed: u64) -> u64 {
    let mut x = value ^ seed;
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_household_gets_so_many_connections_and_a_place_back_when_one_leaves() {
        let now = Instant::now();
        let mut door = Door::new(now, 1);
        let limits = Limits { peers_per_ip_max: 2, ..Limits::default() };
        assert!(door.handle_arrival(now, addr("203.0.113.5:1"), &limits));
        assert!(door.handle_arrival(now, addr("203.0.113.5:2"), &limits));
        assert!(!door.handle_arrival(now, addr("203.0.113.5:3"), &limits));
        assert!(door.handle_arrival(now, addr("203.0.113.6:1"), &limits));
        door.handle_leave(addr("203.0.113.5:1"));
        assert!(door.handle_arrival(now, addr("203.0.113.5:4"), &limits));
    }

    #[test]
    fn an_ipv6_customer_is_a_64_and_a_mapped_address_is_its_ipv4_self() {
        let now = Instant::now();
        let mut door = Door::new(now, 1);
        let limits = Limits { peers_per_ip_max: 1, ..Limits::default() };
        assert!(door.handle_arrival(now, addr("[2001:db8::1]:1"), &limits));
        assert!(!door.handle_arrival(now, addr("[2001:db8::2]:1"), &limits));
        assert!(door.handle_arrival(now, addr("[::ffff:203.0.113.9]:1"), &limits));
        assert!(!door.handle_arrival(now, addr("203.0.113.9:1"), &limits));
    }

    #[test]
    fn a_network_gets_a_seconds_worth_at_once_and_then_its_rate() {
        let now = Instant::now();
        let mut door = Door::new(now, 1);
        let limits = Limits { peers_per_ip_max: 1000, handshakes_per_prefix_second: 10, ..Limits::default() };
        let from = addr("203.0.113.5:1");
        let at_once = (0..100).filter(|_| door.handle_arrival(now, from, &limits)).count();
        assert_eq!(at_once, 10);
        let later = now + Duration::from_millis(300);
        assert_eq!((0..100).filter(|_| door.handle_arrival(later, from, &limits)).count(), 3);
    }

    #[test]
    fn the_own_address_is_this_machine_and_a_neighbour_is_not() {
        let now = Instant::now();
        let mut door = Door::new(now, 1);
        let limits =
            Limits { peers_per_ip_max: 2, handshakes_per_prefix_second: 1_000_000, ..Limits::default() };
        door.set_own([10, 0, 0, 1].into());
        assert!((0..100).all(|_| door.handle_arrival(now, addr("10.0.0.1:1"), &limits)));
        door.handle_leave(addr("10.0.0.1:1"));
        let n = (0..100).filter(|_| door.handle_arrival(now, addr("10.0.0.2:1"), &limits)).count();
        assert_eq!(n, 2);
        door.set_own([0, 0, 0, 0].into());
        let n = (0..100).filter(|_| door.handle_arrival(now, addr("10.0.0.1:1"), &limits)).count();
        assert_eq!(n, 2, "a wildcard is nobody's address");
    }

    #[test]
    fn only_the_own_ipv6_address_is_in_doubt() {
        let mut door = Door::new(Instant::now(), 1);
        let in_doubt = |door: &Door| {
            let each = ["[fd00::1]:1", "[fd00::2]:1", "[::1]:1", "10.0.0.1:1", "[::ffff:10.0.0.1]:1"];
            each.map(|from| door.is_in_doubt(addr(from)))
        };
        assert_eq!(in_doubt(&door), [false; 5]);
        for (own, expected) in [
            ("fd00::1", [true, false, false, false, false]),
            ("::1", [false; 5]),
            ("10.0.0.1", [false; 5]),
            ("::ffff:10.0.0.1", [false; 5]),
            ("::", [false; 5]),
        ] {
            door.set_own(own.parse().unwrap());
            assert_eq!(in_doubt(&door), expected, "{own}");
        }
    }

    #[test]
    fn loopback_is_never_limited() {
        let now = Instant::now();
        let mut door = Door::new(now, 1);
        let limits = Limits { peers_per_ip_max: 0, handshakes_per_prefix_second: 1, ..Limits::default() };
        assert!((0..100).all(|_| door.handle_arrival(now, addr("127.0.0.1:1"), &limits)));
    }

    #[test]
    fn plain_websocket_is_for_this_machine_unless_said_otherwise() {
        use crate::limits::PlainWebSocket::{Anybody, Loopback, Private};
        for (policy, from, expected) in [
            (Loopback, "127.0.0.1:1", true),
            (Loopback, "192.168.1.2:1", false),
            (Private, "192.168.1.2:1", true),
            (Private, "[fe80::1]:1", true),
            (Private, "[fd00::1]:1", true),
            (Private, "[::ffff:10.0.0.1]:1", true),
            (Private, "203.0.113.1:1", false),
            (Private, "[::ffff:203.0.113.1]:1", false),
            (Private, "172.32.0.1:1", false),
            (Private, "[2001:db8::1]:1", false),
            (Anybody, "203.0.113.1:1", true),
        ] {
            assert_eq!(policy.allows(addr(from).ip()), expected, "{policy:?} {from}");
        }
    }
}
