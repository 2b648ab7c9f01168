//! Every bad network on both links, as a table: `cargo run -p process-tests --bin badnet [SECONDS] [CASE]`. Ends with 1
//! when a client saw what it must not. Those that a kernel makes come from a copy of this program in a network namespace.

use std::fmt::Display;
use std::net::SocketAddr;
use std::process::{ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use badnet::cases::{CASES, Case, DEAF, Error, NARROW, Outcome, run, run_on};
use badnet::fair::{BESIDE, endless, joins_beside_a_transfer};
use badnet::{Relay, Weather};
use process_tests::deaf::{Deaf, RMEM_MAX};
use process_tests::network;
use process_tests::shaped::{self, Shaped};
use process_tests::zone::{Zone, request};
use transport::Link;

const LINKS: [Link; 2] = [Link::Quic, Link::WebSocket];
const FLAGS: [&str; 2] = ["--creatures", "150"];
/// Of the TCP that players join beside; every kernel has it.
const CONGESTION: [&str; 2] = ["cubic", "reno"];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["ask", addr, path] => ask(addr, path),
        ["source", addr] => source(addr),
        ["relay", front, server] => relay(front, server),
        _ => try_all(words.first().copied(), words.get(1).copied().unwrap_or_default()),
    }
}

fn try_all(seconds: Option<&str>, only: &str) -> ExitCode {
    let time = Duration::from_secs(seconds.and_then(|word| word.parse().ok()).unwrap_or(10));
    let mut table = Table { n_bad: 0, only };
    println!("{}", Outcome::HEAD);
    if shaped::is_inside() {
        table.narrow(time);
        table.beside_a_kernels_transfer();
    } else {
        table.relayed(time);
        table.deaf(time);
        table.beside_a_transfer();
        table.inside(seconds.unwrap_or("10"));
    }
    if table.n_bad == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

struct Table<'a> {
    n_bad: usize,
    only: &'a str,
}

impl Table<'_> {
    /// One line, and what is wrong with it.
    fn line<T: Display>(&mut self, name: &str, tried: Result<T, Error>, complaints: fn(&T) -> Vec<String>) {
        match tried {
            Ok(line) => {
                println!("{line}");
                let complaints = complaints(&line);
                self.n_bad += usize::from(!complaints.is_empty());
                complaints.iter().for_each(|complaint| println!("    ! {complaint}"));
            }
            Err(error) => {
                println!("{name}: {error}");
                self.n_bad += 1;
            }
        }
    }

    fn wanted<const N: usize>(&self, cases: [Case; N]) -> impl Iterator<Item = (Case, Link)> + use<N> {
        let only = self.only.to_owned();
        let cases = cases.into_iter().filter(move |case| case.name.contains(&only));
        cases.flat_map(|case| LINKS.map(|link| (case, link)))
    }

    fn relayed(&mut self, time: Duration) {
        for (case, link) in self.wanted(CASES) {
            let zone = Zone::start_with(&FLAGS);
            let levels = &mut || zone.budget_levels();
            self.line(case.name, run(case, &zone.target(link), link, time, levels), Outcome::complaints);
        }
    }

    fn deaf(&mut self, time: Duration) {
        for (case, link) in self.wanted([DEAF]) {
            let zone = Arc::new(Zone::start_with_buffer(RMEM_MAX, &FLAGS));
            let mut way = Deaf::new(Arc::clone(&zone));
            let levels = &mut || zone.budget_levels();
            let tried = run_on(&mut way, case, &zone.target(link), link, time, levels);
            self.line(case.name, tried, Outcome::complaints);
            let n_drops = zone.number("/sockets/drops_kernel");
            println!("    the kernel dropped {n_drops} packets at the zone's own socket");
        }
    }

    fn narrow(&mut self, time: Duration) {
        for (case, link) in self.wanted(NARROW) {
            let mut way = Shaped::start(&FLAGS);
            let target = way.target(link);
            let levels = way.levels();
            let tried = run_on(&mut way, case, &target, link, time, &mut || levels.ask());
            self.line(case.name, tried, Outcome::complaints);
        }
    }

    fn beside_a_transfer(&mut self) {
        for (beside, link) in self.beside() {
            let zone = Zone::start_with(&FLAGS);
            let tried = Relay::start(zone.listen, [Weather::FAIR; 2], 5).map_err(Error::from).and_then(
                |mut relay| {
                    let source = relay.also(endless(([127, 0, 0, 1], 0).into())?)?;
                    joins_beside_a_transfer(&mut relay, beside, &zone.target(link), link, source)
                },
            );
            print!("{link:?} beside a relay's TCP, ");
            self.line("", tried, badnet::fair::Shares::complaints);
        }
    }

    fn beside_a_kernels_transfer(&mut self) {
        for congestion in CONGESTION {
            for (beside, link) in self.beside() {
                let mut way = Shaped::start(&FLAGS);
                let target = way.target(link);
                let (_source, source) = way.source(congestion);
                let tried = joins_beside_a_transfer(&mut way, beside, &target, link, source);
                print!("{link:?} beside {congestion}, ");
                self.line("", tried, badnet::fair::Shares::complaints);
            }
        }
    }

    fn beside(&self) -> Vec<(badnet::fair::Beside, Link)> {
        let is_wanted = "beside a transfer".contains(self.only);
        let all = BESIDE.into_iter().filter(|_| is_wanted);
        all.flat_map(|beside| LINKS.map(|link| (beside, link))).collect()
    }

    /// What needs a network of its own.
    fn inside(&mut self, seconds: &str) {
        if !network::is_allowed() {
            println!("NOT RUN: network namespaces need root, and a container that allows them");
            return;
        }
        let program = std::env::current_exe().expect("this program has a file");
        let mut command = shaped::inside(program);
        command.args([seconds, self.only]).stdin(Stdio::null());
        self.n_bad += usize::from(!command.status().is_ok_and(|status| status.success()));
    }
}

/// Asks an admin page of this namespace, and says what it says.
fn ask(addr: &str, path: &str) -> ExitCode {
    let addr: SocketAddr = addr.parse().expect("an address");
    println!("{}", request(addr, "GET", path, &[]).expect("the admin page answers").1);
    ExitCode::SUCCESS
}

/// A way that does nothing to what it carries, until it is killed.
fn relay(front: &str, server: &str) -> ExitCode {
    let [front, server] = [front, server].map(|addr| addr.parse().expect("an address"));
    let _relay = Relay::start_at(front, server, [Weather::FAIR; 2], 1).expect("nobody else has it");
    loop {
        std::thread::park();
    }
}

/// Sends to whoever connects, until it is killed.
fn source(addr: &str) -> ExitCode {
    let addr: SocketAddr = addr.parse().expect("an address");
    endless(addr).expect("nobody else has it");
    loop {
        std::thread::park();
    }
}
