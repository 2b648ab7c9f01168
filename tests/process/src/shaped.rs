//! A network whose kernel makes it narrow: this process has its own network namespace, a zone has another one, and between
//! them are two cables. One is good, and leads to the zone by a relay that does nothing, since a zone has one address; on
//! the other a token bucket stands at both ends. Source: tc-tbf(8), veth(4).
//!
//! The process must be in a namespace that was made for it: [`is_inside`].

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use badnet::cases::{Case, Way};
use badnet::weather::Bottleneck;
use serde_json::Value;
use transport::Link;
use transport::client::Target;

use crate::network::Net;
use crate::running::{self, Running};
use crate::wait_for;
use crate::zone::{self, Zone};

/// In a namespace of its own every port is free.
const RELAY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 98, 0, 1)), 9_001);
const SOURCE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 98, 1, 1)), 9_002);
const GOOD: [&str; 2] = ["10.98.0.1", "10.98.0.2"];
const NARROW: [&str; 2] = ["10.98.1.1", "10.98.1.2"];
/// A full segment with its Ethernet header: a bucket that holds less lets none of them pass.
const BURST_BYTES: usize = 1_600;
/// As good as no bucket.
const WIDE: &str = "rate 1gbit burst 256k limit 1m";
/// The way up is so much wider: commands take two kilobytes a second of each player, and know no rate control.
const UP_SHARE: u64 = 4;
const START_MAX: Duration = Duration::from_secs(20);
/// What Linux does unless somebody has told it otherwise.
const CONGESTION: &str = "cubic";
const CABLE: &str = "narrow";

/// Whether this process was started by [`inside`].
#[must_use]
pub fn is_inside() -> bool {
    std::env::var_os("BADNET_INSIDE").is_some()
}

/// A command of this executable or another one, in a network namespace of its own.
#[must_use]
pub fn inside(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = running::command("unshare");
    command.arg("--net").arg(program).env("BADNET_INSIDE", "yes");
    command
}

/// A zone behind a cable that can be made narrow.
pub struct Shaped {
    here: Net,
    there: Net,
    zone: Zone,
    _relay: Running,
    /// The program that is this one, for what must run beside the zone.
    program: std::path::PathBuf,
}

impl Shaped {
    /// Starts a zone with these flags behind two cables.
    ///
    /// # Panics
    /// If the kernel refuses, or the zone is not up in time.
    #[must_use]
    pub fn start(flags: &[&str]) -> Self {
        assert!(is_inside(), "this network is not ours to change");
        let (here, there) = (Net::own(), Net::new());
        let with_prefix = |addr: &str| format!("{addr}/24");
        for (name, [zone, players]) in [("good", GOOD), (CABLE, NARROW)] {
            there.cable(name, &with_prefix(zone), &here, &with_prefix(players));
        }
        control(&there, CONGESTION);
        let program = std::env::current_exe().expect("this program has a file");
        let zone = Zone::start_within(&there, NARROW[0], flags);
        let mut relay = there.command(&program);
        relay.args(["relay", &RELAY.to_string(), &zone.listen.to_string()]).stdin(Stdio::null());
        let relay = serve(&mut relay, RELAY);
        Self { here, there, zone, _relay: relay, program }
    }

    /// How a client with a good network reaches the zone.
    #[must_use]
    pub fn target(&self, link: Link) -> Target {
        Target { addr: RELAY, ..self.zone.target(link) }
    }

    /// Whom to ask for the levels of clients.
    #[must_use]
    pub fn levels(&self) -> Levels {
        let mut ask = self.there.command(&self.program);
        ask.args(["ask", &self.zone.admin.to_string(), "/status.json"]);
        Levels(std::cell::RefCell::new(ask))
    }

    /// Starts a server beside the zone that sends to whoever connects, as fast as the kernel's TCP does with this congestion
    /// control; gives its address on the narrow cable.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn source(&self, congestion: &str) -> (Running, SocketAddr) {
        control(&self.there, congestion);
        let mut command = self.there.command(&self.program);
        command.args(["source", &SOURCE.to_string()]).stdin(Stdio::null());
        (serve(&mut command, SOURCE), SOURCE)
    }

    /// Puts a token bucket at both ends of the narrow cable, or makes the one there wide: with a bucket that is taken away
    /// goes what waits in it, and a TCP remembers that for longer than the narrow way itself.
    fn shape(&mut self, narrow: Option<Bottleneck>) {
        for (net, share) in [(&self.here, UP_SHARE), (&self.there, 1)] {
            let bucket = match narrow {
                Some(Bottleneck { bits_per_second, queue_bytes }) => {
                    let (rate, limit) = (bits_per_second * share, queue_bytes as u64 * share);
                    format!("rate {rate}bit burst {BURST_BYTES} limit {limit}")
                }
                None => WIDE.to_owned(),
            };
            net.run("tc", &format!("qdisc replace dev {CABLE} root tbf {bucket}"));
        }
    }
}

/// From now on TCP sends from there through the narrow cable by this congestion control. Source: ip-route(8).
fn control(there: &Net, congestion: &str) {
    there.ip(&format!("route replace 10.98.1.0/24 dev {CABLE} src {} congctl {congestion}", NARROW[0]));
}

/// Starts a server, and waits until it takes connections.
fn serve(command: &mut Command, at: SocketAddr) -> Running {
    let running = Running::start(command);
    wait_for("a server beside the zone", START_MAX, || TcpStream::connect(at).ok());
    running
}

impl Drop for Shaped {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // A namespace that nobody is in any more takes its cables along at some time, and the next one's have these names.
            for name in ["good", CABLE] {
                self.here.ip(&format!("link del {name}"));
            }
        }
    }
}

/// The zone's admin page, which is for its own machine only.
pub struct Levels(std::cell::RefCell<Command>);

impl Levels {
    /// Clients on each level of their budgets, full detail first.
    ///
    /// # Panics
    /// If the admin page does not answer.
    #[must_use]
    pub fn ask(&self) -> Vec<u32> {
        let text = self.0.borrow_mut().output().expect("nsenter(1) starts").stdout;
        let status: Value = serde_json::from_slice(&text).expect("the status is JSON");
        zone::levels_of(&status)
    }
}

impl Way for Shaped {
    fn addr(&self) -> SocketAddr {
        self.zone.listen
    }
    fn worsen(&mut self, case: &Case) {
        self.shape(case.weather.bottleneck);
    }
    fn mend(&mut self, case: &Case) {
        self.shape(case.good.bottleneck);
    }
}
