//! The cases: what is wrong with the network, and what a client must see all the same.

use crate::watch::{Seen, Watch, by_way_of};
use crate::weather::{Loss, Weather};
use crate::{Carried, Relay};
use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use transport::Link;
use transport::client::Target;

/// One network.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// What is wrong with it.
    pub name: &'static str,
    /// Both directions.
    pub weather: Weather,
    /// Before and after.
    pub good: Weather,
    /// From the beginning of bad weather until the budgets must have found their levels.
    pub settle: Duration,
    /// Clients behind it.
    pub n_clients: usize,
    /// 99 of 100 times, what a client shows may be older than the network must make it by so much, on QUIC and on
    /// WebSocket; nothing: TCP repeats what it lost before it brings what is new, and that has no bound.
    pub age_max: [Option<Duration>; 2],
    /// Snapshots per second of each client at least, of 20.
    pub rate_min: [f64; 2],
}

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A tick may wait for the tick before it, a snapshot for the next one (100 ms when every second tick is sent), and a
/// busy machine for a core.
const AGE: [Option<Duration>; 2] = [Some(ms(250)), Some(ms(250))];
/// A lost segment is repeated after 100 ms and five quarters of a round trip, and all behind it waits.
const AGE_LOSSY: [Option<Duration>; 2] = [Some(ms(250)), Some(ms(700))];
/// One in five is lost: three in a row in one of 125 cases.
const AGE_HEAVY: [Option<Duration>; 2] = [Some(ms(500)), None];
const RATE: [f64; 2] = [14.0, 9.0];

/// Clients are as far away in good weather: a way that grows longer all at once is a case of its own.
const fn case(name: &'static str, weather: Weather) -> Case {
    let good = Weather { delay: weather.delay, ..Weather::FAIR };
    let settle = ms(3_000);
    Case { name, weather, good, settle, n_clients: 2, age_max: AGE, rate_min: RATE }
}

const fn far(rtt_ms: u64) -> Weather {
    Weather { delay: ms(rtt_ms / 2), ..Weather::FAIR }
}

const fn lossy(share: f64, rtt_ms: u64) -> Weather {
    Weather { loss: Loss::Random(share), ..far(rtt_ms) }
}

const fn narrow(weather: Weather, bits_per_second: u64, queue_bytes: usize) -> Weather {
    Weather { bottleneck: Some(crate::Bottleneck { bits_per_second, queue_bytes }), ..weather }
}

/// All of them.
pub const CASES: [Case; 15] = [
    case("rtt 50 ms", far(50)),
    case("rtt 150 ms", far(150)),
    case("rtt 300 ms", far(300)),
    Case { age_max: AGE_LOSSY, ..case("loss 1 %", lossy(0.01, 50)) },
    Case { age_max: AGE_LOSSY, ..case("loss 5 %", lossy(0.05, 50)) },
    Case { age_max: AGE_LOSSY, ..case("loss 5 %, rtt 150 ms", lossy(0.05, 150)) },
    Case { age_max: AGE_HEAVY, rate_min: [3.0, 0.1], ..case("loss 20 %", lossy(0.2, 50)) },
    Case {
        age_max: AGE_HEAVY,
        rate_min: [5.0, 1.0],
        ..case("bursts of loss", Weather { loss: Loss::Bursts { share: 0.05, length: 4.0 }, ..far(50) })
    },
    Case {
        good: far(50),
        settle: ms(12_000),
        rate_min: [18.0, 18.0],
        ..case("rtt from 50 to 200 ms", far(200))
    },
    case("jitter 30 ms", Weather { jitter: ms(30), ..far(50) }),
    case("reordering 5 %", Weather { late: 0.05, ..far(50) }),
    case("duplication 5 %", Weather { twice: 0.05, ..far(50) }),
    Case {
        n_clients: 1,
        age_max: [Some(ms(975)), Some(ms(975))],
        rate_min: [4.0, 4.0],
        ..case("64 kbit/s", narrow(far(50), 64_000, 8_000))
    },
    Case {
        n_clients: 4,
        age_max: [Some(ms(975)), Some(ms(975))],
        rate_min: [2.0, 1.5],
        ..case("64 kbit/s for four", narrow(far(50), 64_000, 8_000))
    },
    Case {
        n_clients: 1,
        age_max: [Some(ms(1_800)), None],
        rate_min: [2.0, 0.1],
        ..case(
            "all together",
            Weather {
                loss: Loss::Random(0.05),
                jitter: ms(30),
                late: 0.05,
                twice: 0.05,
                ..narrow(far(150), 64_000, 8_000)
            },
        )
    },
];

/// The queue holds a second.
const AGE_NARROW: [Option<Duration>; 2] = [Some(ms(1_000)), Some(ms(1_000))];

/// Those that a kernel can make by itself: a token bucket, with a queue of a second or of a quarter. What two players are
/// sent in a quiet place fits into it.
pub const NARROW: [Case; 2] = [
    Case {
        n_clients: 4,
        age_max: AGE_NARROW,
        rate_min: [2.0, 1.5],
        ..case("tbf 64 kbit/s for four", narrow(Weather::FAIR, 64_000, 8_000))
    },
    Case {
        n_clients: 4,
        // Two packets fill it: the kernel's TCP waits for one timeout after the other.
        age_max: [Some(ms(1_000)), None],
        rate_min: [2.0, 1.0],
        ..case("tbf 64 kbit/s, short", narrow(Weather::FAIR, 64_000, 2_000))
    },
];

/// Good weather all the time; what is wrong is wrong with the zone's own socket.
pub const DEAF: Case = Case { n_clients: 4, ..case("own socket overflows", Weather::FAIR) };

/// A bottleneck for whoever shares it, with a queue of a quarter of a second; 25 ms away where a way can be far.
pub(crate) fn narrow_way(name: &'static str, bits_per_second: u64) -> Case {
    case(name, narrow(far(50), bits_per_second, bits_per_second as usize / 32))
}

/// A network between players and a zone that can be made as bad as a case says, and good again.
pub trait Way {
    /// Where players behind it connect.
    fn addr(&self) -> SocketAddr;
    /// Makes it bad.
    fn worsen(&mut self, case: &Case);
    /// Makes it good.
    fn mend(&mut self, case: &Case);
    /// Up, down, as far as it counts.
    fn carried(&self) -> [Carried; 2] {
        [Carried::default(); 2]
    }
}

impl Way for Relay {
    fn addr(&self) -> SocketAddr {
        Self::addr(self)
    }
    fn worsen(&mut self, case: &Case) {
        self.set([case.weather; 2]);
    }
    fn mend(&mut self, case: &Case) {
        self.set([case.good; 2]);
    }
    fn carried(&self) -> [Carried; 2] {
        Self::carried(self)
    }
}

/// From the first client's order to connect until all play.
const ENTRY_MAX: Duration = Duration::from_secs(20);
/// In good weather, before it turns bad.
const FAIR_TIME: Duration = Duration::from_secs(2);
/// Full detail must be back within this after the weather is good again: from the lowest level it takes 8.8 s, and a queue
/// that drains comes first. Source: docs/ARCHITECTURE.md "Rate control".
pub const RECOVERY_MAX: Duration = Duration::from_secs(12);
/// Full detail: this share of the snapshots that the client on the good network gets, in a second.
const FULL: f64 = 0.9;

/// How a case went.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Which case.
    pub case: Case,
    /// On which link.
    pub link: Link,
    /// What all clients behind the network saw while it was bad.
    pub seen: Seen,
    /// The same in good weather, before: what the machine adds.
    pub fair: Seen,
    /// Clients by level of their budgets at its end, as the zone says.
    pub levels: Vec<u32>,
    /// From the end of the bad weather until full detail was back.
    pub recovery: Option<Duration>,
    /// Up, down.
    pub carried: [Carried; 2],
    /// Why connections ended.
    pub trouble: Vec<String>,
}

/// Why a case could not be tried.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// Tries a case on a zone behind a relay; see [`run_on`].
///
/// # Errors
/// As [`run_on`].
pub fn run(
    case: Case,
    zone: &Target,
    link: Link,
    time: Duration,
    levels: &mut dyn FnMut() -> Vec<u32>,
) -> Result<Outcome, Error> {
    let mut relay = Relay::start(zone.addr, [case.good; 2], 0xbad + case.n_clients as u64)?;
    run_on(&mut relay, case, zone, link, time, levels)
}

/// Tries a case on a zone: enters in good weather, plays through the bad one for `time`, and waits for full detail after
/// it. `levels` asks the zone how many clients stand on each level of their budgets.
///
/// # Errors
/// When nobody can enter in good weather.
pub fn run_on(
    way: &mut dyn Way,
    case: Case,
    zone: &Target,
    link: Link,
    time: Duration,
    levels: &mut dyn FnMut() -> Vec<u32>,
) -> Result<Outcome, Error> {
    way.mend(&case);
    let mut watch = Watch::begin(by_way_of(zone, zone.addr, Link::Quic))?;
    for _ in 0..case.n_clients {
        watch.enter(by_way_of(zone, way.addr(), link));
    }
    let until = Instant::now() + ENTRY_MAX;
    while !watch.all_play() {
        watch.play(ms(50))?;
        if Instant::now() >= until {
            return Err(format!("{}: not everybody is in: {:?}", case.name, watch.trouble()).into());
        }
    }
    watch.take();
    watch.play(FAIR_TIME)?;
    let fair = behind(&mut watch);
    way.worsen(&case);
    watch.play(case.settle)?;
    watch.take();
    watch.play(time)?;
    let seen = behind(&mut watch);
    let levels = levels();
    way.mend(&case);
    let recovery = recover(&mut watch)?;
    let (carried, trouble) = (way.carried(), watch.trouble().to_vec());
    watch.end();
    Ok(Outcome { case, link, seen, fair, levels, recovery, carried, trouble })
}

/// What all clients behind the relay saw since the last time.
fn behind(watch: &mut Watch) -> Seen {
    let mut all = Seen::default();
    watch.take()[1..].iter().for_each(|one| all.add(one));
    all
}

/// Plays on until everybody gets what the client on the good network gets; as seconds pass.
fn recover(watch: &mut Watch) -> Result<Option<Duration>, Error> {
    let begun = Instant::now();
    let mut since = begun;
    while begun.elapsed() < RECOVERY_MAX + ms(1_000) {
        watch.play(ms(1_000))?;
        let seen = watch.take();
        let full = f64::from(seen[0].n_applied) * FULL;
        if full > 0.0 && seen[1..].iter().all(|one| f64::from(one.n_applied) >= full) {
            return Ok(Some(since - begun));
        }
        since = Instant::now();
    }
    Ok(None)
}

impl Outcome {
    /// Snapshots per second of each client.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.seen.rate() / self.case.n_clients as f64
    }

    fn fair_rate(&self) -> f64 {
        self.fair.rate() / self.case.n_clients as f64
    }

    /// What is wrong with it.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let (case, at) = (&self.case, usize::from(self.link == Link::WebSocket));
        // A machine that is busy with other things is late on a good network as well, and more so now and then.
        let late = self.fair.age(0.99).saturating_sub(case.weather.delay);
        let way = case.weather.delay + case.weather.jitter + 2 * late;
        let age = self.seen.age(0.99);
        let mut complaints = Vec::new();
        if let Some(bound) = case.age_max[at].map(|beyond| way + beyond).filter(|bound| age > *bound) {
            complaints.push(format!("what it shows is {age:?} old, {bound:?} are allowed"));
        }
        let rate_min = case.rate_min[at] * (self.fair_rate() / 20.0).min(1.0);
        if self.rate() < rate_min {
            complaints.push(format!("{:.1} snapshots per second, {rate_min:.1} at least", self.rate()));
        }
        if self.seen.n_lost > 0 && case.age_max[at].is_some() {
            complaints.push(format!("connections were lost: {:?}", self.trouble));
        }
        if self.recovery.is_none_or(|recovery| recovery > RECOVERY_MAX) {
            complaints.push(format!("full detail was not back within {RECOVERY_MAX:?}"));
        }
        complaints
    }

    /// Head of the table that outcomes are lines of.
    pub const HEAD: &str =
        "case                   link  age p50    p99  snapshots/s  bytes/s  lost  back after  levels";
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let link = if self.link == Link::Quic { "quic" } else { "ws" };
        let bytes = self.seen.n_bytes as f64 / self.seen.time.as_secs_f64() / self.case.n_clients as f64;
        let recovery =
            self.recovery.map_or("never".to_owned(), |time| format!("{:.1} s", time.as_secs_f64()));
        let (p50, p99) = (self.seen.age(0.5).as_millis(), self.seen.age(0.99).as_millis());
        let (name, rate, n_lost) = (self.case.name, self.rate(), self.seen.n_lost);
        write!(
            f,
            "{name:<22} {link:<4} {p50:>5} ms {p99:>4} ms {rate:>11.1} {bytes:>8.0} {n_lost:>5} {recovery:>11}  {:?}",
            self.levels
        )
    }
}
