//! Which of this machine's addresses the people around it can reach.

use std::fmt::Write;
use std::io;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};

use anyhow::{Context, bail};
use transport::is_private;

use crate::config::{ConfigError, Source};

/// An address on the other side of the internet: documentation's own, so that nobody has it. Source: RFC 5737.
const FAR_AWAY: (Ipv4Addr, u16) = (Ipv4Addr::new(192, 0, 2, 1), 9);

/// An address of this machine and the interface that has it.
type Found = (IpAddr, String);

/// The address to listen at, and those that could have been taken instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lan {
    pub(super) chosen: IpAddr,
    interface: String,
    others: Vec<Found>,
}

impl Lan {
    /// Looks at this machine's interfaces and takes the address that was asked for, or the likeliest one.
    ///
    /// # Errors
    /// [`ConfigError`] when the one asked for is none of them; another one when there is none at all.
    pub(super) fn choose(wanted: Option<IpAddr>) -> anyhow::Result<Self> {
        let interfaces = if_addrs::get_if_addrs().context("cannot ask for this machine's addresses")?;
        let found: Vec<Found> =
            interfaces.into_iter().map(|interface| (interface.ip(), interface.name)).collect();
        pick(found, wanted, towards_the_internet().ok())
    }

    /// For people.
    pub(super) fn describe(&self) -> String {
        let mut text = format!("{} ({})", self.chosen, self.interface);
        for (at, (ip, interface)) in self.others.iter().enumerate() {
            let before = if at == 0 { "; --lan=ADDR takes another: " } else { ", " };
            let _ = write!(text, "{before}{ip} ({interface})");
        }
        text
    }
}

/// The address that this machine uses for the way out. Connecting a UDP socket looks the route up and sends nothing.
fn towards_the_internet() -> io::Result<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect(FAR_AWAY)?;
    Ok(socket.local_addr()?.ip())
}

fn pick(found: Vec<Found>, wanted: Option<IpAddr>, way_out: Option<IpAddr>) -> anyhow::Result<Lan> {
    // Addresses of one cable only work with the name of the interface behind them, or by luck.
    let is_cable = |ip: IpAddr| match ip {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    let mut private: Vec<Found> =
        found.into_iter().filter(|(ip, _)| is_private(*ip) && !is_cable(*ip)).collect();
    private.sort_by_key(|(ip, _)| (ip.is_ipv6(), Some(*ip) != way_out));
    let place = wanted.map_or(Some(0), |wanted| private.iter().position(|(ip, _)| *ip == wanted));
    if private.is_empty() {
        bail!(
            "--lan: this machine has no private address (10.x.x.x, 172.16.x.x to 172.31.x.x, 192.168.x.x or fd..): \
             connect it to a local network, or leave --lan away to play on this machine only"
        );
    }
    let Some(place) = place else {
        let list: Vec<String> = private.iter().map(|(ip, interface)| format!("{ip} ({interface})")).collect();
        return Err(ConfigError::Value {
            place: Source::Flag("--lan"),
            key: "listen.addr",
            value: wanted.map_or(String::new(), |ip| ip.to_string()),
            expected: format!("a private address of this machine: {}", list.join(", ")),
        }
        .into());
    };
    let (chosen, interface) = private.remove(place);
    Ok(Lan { chosen, interface, others: private })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(list: &[&str]) -> Vec<Found> {
        list.iter().enumerate().map(|(at, ip)| (ip.parse().unwrap(), format!("eth{at}"))).collect()
    }

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn the_address_of_the_way_out_is_taken_if_it_is_private_and_else_the_first_that_is() {
        let all =
            ["127.0.0.1", "203.0.113.7", "fd00::5", "172.17.0.1", "fe80::1", "169.254.3.4", "192.168.1.5"];
        let lan = pick(found(&all), None, ip("192.168.1.5")).unwrap();
        assert_eq!(Some(lan.chosen), ip("192.168.1.5"));
        let text = lan.describe();
        assert_eq!(text, "192.168.1.5 (eth6); --lan=ADDR takes another: 172.17.0.1 (eth3), fd00::5 (eth2)");
        for way_out in [ip("203.0.113.7"), None] {
            assert_eq!(Some(pick(found(&all), None, way_out).unwrap().chosen), ip("172.17.0.1"));
        }
        let asked = pick(found(&all), ip("fd00::5"), ip("192.168.1.5")).unwrap();
        assert_eq!(Some(asked.chosen), ip("fd00::5"));
        let only = pick(found(&["127.0.0.1", "fd00::5"]), None, None).unwrap();
        assert_eq!(only.describe(), "fd00::5 (eth1)");
    }

    #[test]
    fn without_a_private_address_and_for_a_wrong_one_the_way_out_is_said() {
        let public = found(&["127.0.0.1", "203.0.113.7", "fe80::1"]);
        let text = pick(public, None, ip("203.0.113.7")).unwrap_err().to_string();
        assert!(text.contains("no private address") && text.contains("leave --lan away"), "{text}");
        let error = pick(found(&["203.0.113.7", "10.0.0.2"]), ip("203.0.113.7"), None).unwrap_err();
        assert!(error.is::<ConfigError>());
        let text = error.to_string();
        assert!(text.contains("flag --lan") && text.contains("10.0.0.2 (eth1)"), "{text}");
    }
}
