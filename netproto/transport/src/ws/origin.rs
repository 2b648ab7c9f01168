//! Which web pages may connect: a browser lets any page it shows open a WebSocket to any address, this machine's included,
//! and says in `Origin` which page that is. Native clients send none.
//!
//! A page that came from where the zone is may play; any other one must be listed. Where the zone is must be said by an
//! address: a name may be anybody's, and point at this machine by the time the page connects (DNS rebinding).
//! Source: RFC 6455 sections 4.2.2 and 10.2; RFC 6454 sections 6.2 and 7; docs/SECURITY.md "Web pages".
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;
use tungstenite::http::HeaderMap;
use tungstenite::http::header::{HOST, ORIGIN};

/// Where a page came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    scheme: String,
    host: Host,
    port: u16,
}

/// A text that is no origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an origin such as https://game.example or http://localhost:8000")]
pub struct NoOrigin;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Ip(IpAddr),
    Name(String),
}

impl FromStr for Origin {
    type Err = NoOrigin;

    /// Reads scheme, host and port, without anything behind; `null` is nobody's origin.
    fn from_str(text: &str) -> Result<Self, NoOrigin> {
        let (scheme, authority) = text.split_once("://").ok_or(NoOrigin)?;
        let scheme = scheme.to_ascii_lowercase();
        let (host, port) = authority_of(authority).ok_or(NoOrigin)?;
        let port = port.or(match &scheme[..] {
            "http" => Some(80),
            "https" => Some(443),
            _ => None,
        });
        Ok(Self { scheme, host, port: port.ok_or(NoOrigin)? })
    }
}

impl Host {
    fn is_loopback(&self) -> bool {
        match self {
            Self::Ip(ip) => ip.is_loopback(),
            Self::Name(name) => name == "localhost",
        }
    }

    /// Both say by an address that they are the same machine. Loopback is only the zone's own where the request came by it:
    /// elsewhere it is the page that somebody else's machine serves itself.
    fn is_same_machine(&self, other: &Self) -> bool {
        let is_same_ip = matches!((self, other), (Self::Ip(one), Self::Ip(two)) if one == two);
        is_same_ip || self.is_loopback() && other.is_loopback()
    }
}

/// Host and port of `host`, `host:port`, `[ipv6]` or `[ipv6]:port`; nothing if it is none of these.
fn authority_of(text: &str) -> Option<(Host, Option<u16>)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (ip, behind) = rest.split_once(']')?;
            let ip: Ipv6Addr = ip.parse().ok()?;
            (Host::Ip(IpAddr::V6(ip).to_canonical()), behind)
        }
        None => {
            let (name, _) = text.split_once(':').unwrap_or((text, ""));
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            if name.is_empty() || !name.bytes().all(is_plain) {
                return None;
            }
            let host = name.parse().map(Host::Ip).unwrap_or_else(|_| Host::Name(name.to_ascii_lowercase()));
            (host, &text[name.len()..])
        }
    };
    match port.strip_prefix(':') {
        None => port.is_empty().then_some((host, None)),
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some((host, Some(digits.parse().ok()?)))
        }
        Some(_) => None,
    }
}

/// Whether a request is that of a native client, or of a page that may connect.
///
/// - Shapes: `listed` are pages that may whatever host they ask for.
/// - Cost: one look for a header when there is none.
pub(crate) fn may_connect(headers: &HeaderMap, listed: &[Origin]) -> bool {
    let mut origins = headers.get_all(ORIGIN).into_iter();
    let Some(origin) = origins.next() else { return true };
    // Two of them are an attempt to be read in two ways.
    if origins.next().is_some() {
        return false;
    }
    let Some(origin) = origin.to_str().ok().and_then(|text| text.parse::<Origin>().ok()) else {
        return false;
    };
    listed.contains(&origin) || host_of(headers).is_some_and(|host| origin.host.is_same_machine(&host))
}

/// The host that was asked for. Source: RFC 9112 section 3.2, exactly one.
fn host_of(headers: &HeaderMap) -> Option<Host> {
    let mut hosts = headers.get_all(HOST).into_iter();
    let host = hosts.next()?.to_str().ok()?;
    if hosts.next().is_some() {
        return None;
    }
    authority_of(host).map(|(host, _)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEPARATOR: &str = "://";

    /// Whether a request with these headers may connect, where one page is listed. In origins `~` stands for what comes
    /// behind the scheme, so that no line here looks like an address of somebody.
    fn check(origins: &[&str], hosts: &[&str], expected: bool) {
        let mut headers = HeaderMap::new();
        for (name, values) in [(ORIGIN, origins), (HOST, hosts)] {
            for value in values {
                headers.append(&name, value.replace('~', SEPARATOR).parse().unwrap());
            }
        }
        let listed = ["https://game.example".parse().unwrap()];
        assert_eq!(may_connect(&headers, &listed), expected, "Origin {origins:?}, Host {hosts:?}");
    }

    #[test]
    fn a_client_that_is_no_page_asks_for_any_host() {
        for hosts in [&["127.0.0.1:8080"][..], &["evil.example"], &[]] {
            check(&[], hosts, true);
        }
    }

    #[test]
    fn a_page_from_where_the_zone_is_may_connect() {
        for (origin, host) in [
            ("http~localhost:3000", "127.0.0.1:8080"),
            ("http~LOCALHOST", "localhost:8080"),
            ("http~127.0.0.1:3000", "[::1]:8080"),
            ("http~[::1]", "localhost:8080"),
            ("http~192.168.1.5:8000", "192.168.1.5:8080"),
            ("HTTP~192.168.1.5", "192.168.1.5"),
            ("http~[fd00::1]:8000", "[FD00:0::1]:8080"),
            ("http~[::ffff:192.168.1.5]", "192.168.1.5:8080"),
        ] {
            check(&[origin], &[host], true);
        }
    }

    #[test]
    fn a_page_from_elsewhere_may_not() {
        for (origin, host) in [
            ("https~evil.example", "127.0.0.1:8080"),
            ("http~evil.example:8080", "192.168.1.5:8080"),
            ("http~192.168.1.6", "192.168.1.5:8080"),
            ("http~localhost.evil.example", "localhost:8080"),
            ("http~127.0.0.1.evil.example", "127.0.0.1:8080"),
            ("http~localhost@evil.example", "localhost:8080"),
            ("http~evil.example/localhost", "localhost:8080"),
            ("http~127.0.0.1:1:2", "127.0.0.1:8080"),
            ("http~127.0.0.1:99999", "127.0.0.1:8080"),
            ("http~[::1", "[::1]:8080"),
            ("http~[fe80::1%25eth0]", "[fe80::1]:8080"),
            ("chrome-extension~localhost", "localhost:8080"),
            ("file~", "localhost:8080"),
            ("null", "localhost:8080"),
            ("", "localhost:8080"),
        ] {
            check(&[origin], &[host], false);
        }
    }

    #[test]
    fn a_loopback_page_of_another_machine_may_not() {
        for origin in ["http~localhost:3000", "http~127.0.0.1", "http~[::1]:3000"] {
            check(&[origin], &["192.168.1.5:8080"], false);
            check(&[origin], &["[fd00::1]:8080"], false);
        }
    }

    #[test]
    fn a_name_that_leads_here_by_now_is_no_proof() {
        check(&["http~evil.example:8080"], &["evil.example:8080"], false);
        check(&["http~localhost"], &["evil.example:8080"], false);
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        check(&["http~localhost", "https~evil.example"], &["localhost:8080"], false);
        check(&["http~localhost", "http~localhost"], &["localhost:8080"], false);
        check(&["http~localhost"], &["localhost:8080", "evil.example"], false);
        check(&["http~localhost, https~evil.example"], &["localhost:8080"], false);
        check(&["http~localhost"], &[], false);
    }

    #[test]
    fn a_listed_page_may_connect_by_its_scheme_its_name_and_its_port() {
        for origin in ["https~game.example", "https~game.example:443", "HTTPS~Game.Example"] {
            check(&[origin], &["10.0.0.1:8080"], true);
            check(&[origin], &["game.example"], true);
        }
        for origin in ["http~game.example", "https~game.example:8443", "https~a.game.example"] {
            check(&[origin], &["10.0.0.1:8080"], false);
            check(&[origin], &["game.example"], false);
        }
    }
}
