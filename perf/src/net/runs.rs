//! Taking turns: a window of one side, a window of the other, and which pairs count.

use super::crowd::Crowd;
use super::floor::RawCrowd;
use super::{Mark, Ready, Shape};
use crate::Failure;
use crate::child::Process;
use crate::load::{Schedule, Sent};
use crate::machine::{Cores, Stop};
use crate::stats::share;
use std::ffi::OsString;
use std::time::{Duration, Instant};

/// What a run needs of its inputs sent in time, and of everything sent delivered.
pub(crate) const SHARE_MIN: f64 = 0.95;
/// See [`dropped_max`].
const DROPPED_AT_LEAST: u16 = 3;
/// Traffic before a window: caches, clocks and acknowledgements find their rhythm. Not a whole number of ticks, which
/// begin anew with each turn: a window shall open between two bursts.
const WARM_UP: Duration = Duration::from_millis(630);
/// A process answers between two ticks.
const ANSWER: Duration = Duration::from_secs(5);
/// What is under way at the end of a window arrives within this.
const AFTERMATH: Duration = Duration::from_millis(150);

enum Clients {
    Raw(RawCrowd),
    Wire(Box<Crowd>),
}

/// One of the two: a server process and its clients.
pub(crate) struct Side {
    process: Process,
    clients: Clients,
    birth: Birth,
    stop: Stop,
}

/// What letting everybody in has cost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Birth {
    /// Clients.
    pub(crate) n_clients: u64,
    /// CPU time of the server for all handshakes.
    pub(crate) cpu_ns: u64,
    /// Memory of the server before the first.
    pub(crate) rss_kib: u64,
    /// What it had asked for by then and held.
    pub(crate) live_bytes: i64,
}

/// What one window has shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    /// The server's.
    pub(crate) server: Mark,
    /// The clients' inputs.
    pub(crate) sent: Sent,
    /// Payloads that reached clients.
    pub(crate) n_received: u64,
    /// Packets of the clients that carried nothing.
    pub(crate) n_client_acks: u64,
    /// How long it was.
    pub(crate) seconds: f64,
}

impl Window {
    /// CPU of the server per payload out and input in.
    pub(crate) fn us_per_client_tick(&self) -> f64 {
        self.server.used.cpu_ns as f64 / 1e3 / self.server.n_out.max(1) as f64
    }

    /// Why this window does not count; nothing if it does.
    pub(crate) fn flaw(&self) -> Option<String> {
        let [sent, inputs, frames] = self.shares();
        let core = self.core_share() * 100.0;
        let low = |what: &str, share: f64| {
            let share = share * 100.0;
            (share < SHARE_MIN * 100.0)
                .then(|| format!("{share:.1} % of {what}, not 95 %; the server used {core:.0} % of its core"))
        };
        low("inputs were sent in time", sent)
            .or_else(|| low("inputs were delivered", inputs))
            .or_else(|| low("payloads were delivered", frames))
    }

    /// CPU time of the server by the clock: near 1 the server is the limit, far below it the load or the machine.
    pub(crate) fn core_share(&self) -> f64 {
        self.server.used.cpu_ns as f64 / 1e9 / self.seconds
    }

    /// Inputs sent in time of those due; inputs delivered of those due; payloads delivered of those sent.
    pub(crate) fn shares(&self) -> [f64; 3] {
        let Self { server, sent, n_received, .. } = self;
        [share(sent.in_time, sent.due), share(server.n_in, sent.due), share(*n_received, server.n_out)]
    }
}

impl Side {
    /// UDP and nothing else.
    ///
    /// # Errors
    /// When process or sockets cannot be had.
    pub(crate) fn floor(shape: &Shape, cores: Cores, stop: &Stop) -> anyhow::Result<Self> {
        let mut process = Process::part("the floor's server", cores.server, words("floor", shape), stop)?;
        let Ready { addr } = process.hear(ANSWER)?;
        let crowd = RawCrowd::new(addr, shape)?;
        process.tell(&serde_json::to_string(&crowd.ports()?)?)?;
        process.pause();
        let birth = Birth::default();
        Ok(Self { process, clients: Clients::Raw(crowd), birth, stop: stop.clone() })
    }

    /// The transport, with everybody connected.
    ///
    /// # Errors
    /// When process or sockets cannot be had, or somebody does not get in.
    pub(crate) fn wire(shape: &Shape, cores: Cores, stop: &Stop) -> anyhow::Result<Self> {
        Self::start("the transport's server", words("wire", shape), shape, cores, stop)
    }

    /// A server that our clients can connect to, with everybody connected.
    ///
    /// # Errors
    /// When process or sockets cannot be had, or somebody does not get in.
    pub(crate) fn start(
        name: &'static str,
        words: Vec<OsString>,
        shape: &Shape,
        cores: Cores,
        stop: &Stop,
    ) -> anyhow::Result<Self> {
        let mut process = Process::part(name, cores.server, words, stop)?;
        let Ready { addr } = process.hear(ANSWER)?;
        process.tell("mark")?;
        let before: Mark = process.hear(ANSWER)?;
        let crowd = Crowd::connect(addr, shape, stop)?;
        let mut side = Self {
            process,
            clients: Clients::Wire(Box::new(crowd)),
            birth: Birth::default(),
            stop: stop.clone(),
        };
        let after = side.wait_for_all(shape)?;
        side.birth = Birth {
            n_clients: after.n_peers,
            cpu_ns: after.since(&before).used.cpu_ns,
            rss_kib: before.rss_kib,
            live_bytes: before.live_bytes,
        };
        side.process.tell("go")?;
        side.process.pause();
        Ok(side)
    }

    /// Until the server has admitted those who are connected.
    fn wait_for_all(&mut self, shape: &Shape) -> anyhow::Result<Mark> {
        let until = Instant::now() + ANSWER;
        while Instant::now() < until {
            let mark = self.mark(Duration::from_millis(20), &mut Schedule::idle(&self.stop))?;
            if mark.n_peers == u64::from(shape.n_clients) {
                return Ok(mark);
            }
        }
        Err(Failure::Check("the server did not admit everybody who connected".to_owned()).into())
    }

    /// What letting everybody in has cost.
    pub(crate) fn birth(&self) -> Birth {
        self.birth
    }

    /// Measures one window; before and after it the process stands still.
    ///
    /// # Errors
    /// When the process ends or a client is lost.
    pub(crate) fn window(&mut self, shape: &Shape) -> anyhow::Result<Window> {
        self.process.resume();
        let mut schedule = Schedule::new(shape.n_clients as usize, shape.hz, Instant::now(), &self.stop);
        self.drive(&mut schedule, WARM_UP)?;
        // Read before the process is asked: it answers at the begin of a tick, just before it sends again.
        let (asked, sent, n_received) = (Instant::now(), schedule.sent, self.n_received());
        let n_acks = self.n_client_acks();
        let before = self.mark(Duration::ZERO, &mut schedule)?;
        let begun = Instant::now();
        let until = asked + Duration::from_secs(shape.seconds);
        self.drive(&mut schedule, until.saturating_duration_since(begun))?;
        let (sent, n_received) = (schedule.sent.since(&sent), self.n_received() - n_received);
        let n_client_acks = self.n_client_acks() - n_acks;
        let after = self.mark(Duration::ZERO, &mut schedule)?;
        let seconds = begun.elapsed().as_secs_f64();
        let window = Window { server: after.since(&before), sent, n_received, n_client_acks, seconds };
        self.drive(&mut Schedule::idle(&self.stop), AFTERMATH)?;
        self.process.pause();
        Ok(window)
    }

    /// A little traffic that nobody measures, so that no connection takes a long pause for the end.
    ///
    /// # Errors
    /// When the process ends or a client is lost.
    pub(crate) fn breathe(&mut self, shape: &Shape) -> anyhow::Result<()> {
        self.process.resume();
        let mut schedule = Schedule::new(shape.n_clients as usize, shape.hz, Instant::now(), &self.stop);
        self.drive(&mut schedule, AFTERMATH)?;
        self.drive(&mut Schedule::idle(&self.stop), AFTERMATH)?;
        self.process.pause();
        Ok(())
    }

    /// Asks the process how it is doing, while the traffic goes on.
    fn mark(&mut self, wait: Duration, schedule: &mut Schedule) -> anyhow::Result<Mark> {
        self.drive(schedule, wait)?;
        self.process.tell("mark")?;
        let until = Instant::now() + ANSWER;
        while Instant::now() < until {
            self.drive(schedule, crate::load::ROUND)?;
            if let Some(mark) = self.process.heard()? {
                return Ok(mark);
            }
        }
        Err(Failure::Machine("the server did not answer".to_owned()).into())
    }

    fn drive(&mut self, schedule: &mut Schedule, time: Duration) -> anyhow::Result<()> {
        let until = Instant::now() + time;
        match &mut self.clients {
            Clients::Raw(crowd) => schedule.run(crowd, until),
            Clients::Wire(crowd) => schedule.run(&mut **crowd, until),
        }
    }

    fn n_client_acks(&self) -> u64 {
        match &self.clients {
            Clients::Raw(_) => 0,
            Clients::Wire(crowd) => crowd.n_standalone_acks(),
        }
    }

    fn n_received(&self) -> u64 {
        match &self.clients {
            Clients::Raw(crowd) => crowd.n_received,
            Clients::Wire(crowd) => crowd.n_received,
        }
    }
}

/// A part of a measurement, and its traffic.
pub(crate) fn words(part: &str, shape: &Shape) -> Vec<OsString> {
    let numbers = [
        ("--clients", u64::from(shape.n_clients)),
        ("--hz", u64::from(shape.hz)),
        ("--payload", u64::from(shape.payload_bytes)),
    ];
    let flags = numbers.into_iter().flat_map(|(flag, number)| [flag.to_owned(), number.to_string()]);
    std::iter::once(part.to_owned()).chain(flags).map(OsString::from).collect()
}

/// Windows of both sides that count, and how many did not.
#[derive(Default)]
pub(crate) struct Pairs {
    /// Floor and transport.
    pub(crate) counted: Vec<(Window, Window)>,
    /// Pairs that say nothing about the server, because the load or the machine did not keep up.
    pub(crate) n_dropped: u16,
    /// Why the last of them did not count.
    pub(crate) flaw: Option<String>,
}

/// What does not count is repeated, as often as it should have been measured, and a few times at least.
pub(crate) fn dropped_max(n_wanted: u16) -> u16 {
    n_wanted.max(DROPPED_AT_LEAST)
}

impl Pairs {
    /// Whether more are needed.
    pub(crate) fn goes_on(&self, n_wanted: u16) -> bool {
        self.counted.len() < usize::from(n_wanted) && self.n_dropped < dropped_max(n_wanted)
    }

    /// Takes a pair in; returns a line about it.
    pub(crate) fn add(&mut self, pair: (Window, Window), n_wanted: u16) -> String {
        let flaw = pair.0.flaw().map(|flaw| format!("floor: {flaw}"));
        let flaw = flaw.or_else(|| pair.1.flaw().map(|flaw| format!("transport: {flaw}")));
        if let Some(flaw) = flaw {
            self.n_dropped += 1;
            let line = format!("a pair does not count: {flaw}");
            self.flaw = Some(flaw);
            return line;
        }
        let (floor, wire) = (pair.0.us_per_client_tick(), pair.1.us_per_client_tick());
        self.counted.push(pair);
        let n = self.counted.len();
        format!(
            "pair {n} of {n_wanted}: floor {floor:.2} us, transport {wire:.2} us, ratio {:.2}",
            wire / floor
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(in_time: u64, n_in: u64, n_received: u64) -> Window {
        let server = Mark { n_out: 100, n_in, ..Mark::default() };
        Window { server, sent: Sent { due: 100, in_time }, n_received, n_client_acks: 0, seconds: 1.0 }
    }

    #[test]
    fn a_run_that_was_not_sent_or_not_delivered_does_not_count() {
        for (in_time, n_in, n_received, is_good) in
            [(95, 95, 95, true), (94, 100, 100, false), (100, 94, 100, false), (100, 100, 94, false)]
        {
            let window = window(in_time, n_in, n_received);
            assert_eq!(window.flaw().is_none(), is_good, "{window:?}");
        }
    }

    #[test]
    fn bad_pairs_are_repeated_but_not_for_ever() {
        let mut pairs = Pairs::default();
        for _ in 0..3 {
            assert!(pairs.goes_on(3));
            pairs.add((window(100, 100, 100), window(50, 100, 100)), 3);
        }
        assert!(!pairs.goes_on(3));
        assert!(pairs.flaw.unwrap().starts_with("transport: 50.0 % of inputs"));
    }
}
