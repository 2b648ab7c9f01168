//! Players who join beside a bulk transfer of TCP, through one bottleneck.

use crate::cases::{Case, Error, Way, narrow_way};
use crate::watch::{Seen, Watch, by_way_of};
use std::fmt;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use transport::Link;
use transport::client::Target;

/// Headers around a snapshot, and how much more than its payload a full segment of TCP is.
const HEADER_BYTES: f64 = 60.0;
const SEGMENT_SHARE: f64 = 1_500.0 / 1_448.0;
/// One joins after the other.
const JOIN_EVERY: Duration = Duration::from_millis(500);
/// From the first join on.
const TIME: Duration = Duration::from_secs(12);
/// The transfer has the way to itself for so long.
const ALONE: Duration = Duration::from_secs(3);
/// Each side has so much of its fair share at least.
const SHARE_MIN: f64 = 0.5;
/// Beside the transfer its queue is in everybody's way: so old is what players see 99 of 100 times, and so many snapshots a
/// second each of them gets at least.
const AGE_MAX: Duration = Duration::from_millis(1_000);
const RATE_MIN: f64 = 4.0;

/// A bottleneck whose queue is a quarter of a second, and how many players join.
#[derive(Clone, Copy, Debug)]
pub struct Beside {
    /// Its rate.
    pub bits_per_second: u64,
    /// Players.
    pub n_players: u32,
}

/// All that are tried.
pub const BESIDE: [Beside; 2] =
    [Beside { bits_per_second: 1_000_000, n_players: 8 }, Beside { bits_per_second: 256_000, n_players: 3 }];

/// Who got how much of the way down, in bytes per second with headers.
#[derive(Clone, Debug)]
pub struct Shares {
    /// Where.
    pub beside: Beside,
    /// The bulk transfer.
    pub bulk: f64,
    /// All players together.
    pub players: f64,
    /// What the same players take when nothing is in their way.
    pub wanted: f64,
    /// What the players saw.
    pub seen: Seen,
}

impl Shares {
    /// A fair share of either side: half of the way, or what it wants when that is less.
    #[must_use]
    pub fn fair(&self) -> [f64; 2] {
        let way = self.beside.bits_per_second as f64 / 8.0;
        let players = self.wanted.min(way / 2.0);
        [way - players, players]
    }

    /// Snapshots per second of each player, while the last ones were still to come.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.seen.rate() / f64::from(self.beside.n_players)
    }

    /// What is wrong with it.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let [bulk, players] = self.fair();
        let age = self.seen.age(0.99);
        let all = [
            (self.bulk < bulk * SHARE_MIN, "the transfer has less than half of its share".to_owned()),
            (self.players < players * SHARE_MIN, "the players have less than half of their share".to_owned()),
            (age > AGE_MAX, format!("what they see is {age:?} old, {AGE_MAX:?} are allowed")),
            (self.rate() < RATE_MIN, format!("{:.1} snapshots per second, {RATE_MIN} at least", self.rate())),
            (self.seen.n_lost > 0, format!("{} connections were lost", self.seen.n_lost)),
        ];
        all.into_iter().filter(|(is_wrong, _)| *is_wrong).map(|(_, complaint)| complaint).collect()
    }
}

impl fmt::Display for Shares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [bulk, players] = self.fair();
        let Beside { bits_per_second, n_players } = self.beside;
        write!(
            f,
            "{} kbit/s: a bulk transfer gets {:.0} B/s (fair: {bulk:.0}), {n_players} players who join beside it {:.0} B/s \
             (fair: {players:.0}; they want {:.0}), age p99 {} ms, {:.1} snapshots/s each, {} lost",
            bits_per_second / 1_000,
            self.bulk,
            self.players,
            self.wanted,
            self.seen.age(0.99).as_millis(),
            self.rate(),
            self.seen.n_lost
        )
    }
}

/// Players join a zone through a bottleneck that a bulk transfer has to itself until then. `source` sends to whoever
/// connects to it, through the same bottleneck.
///
/// # Errors
/// When there are no sockets.
pub fn joins_beside_a_transfer(
    way: &mut dyn Way,
    beside: Beside,
    zone: &Target,
    link: Link,
    source: SocketAddr,
) -> Result<Shares, Error> {
    let case: Case = narrow_way("beside a transfer", beside.bits_per_second);
    way.mend(&case);
    let (wanted, _) = joins(way, beside, zone, link)?;
    way.worsen(&case);
    let taken = Arc::new(AtomicU64::new(0));
    let stream = transfer(source, Arc::clone(&taken))?;
    std::thread::sleep(ALONE);
    let before = taken.load(Ordering::Relaxed);
    let (players, seen) = joins(way, beside, zone, link)?;
    let bulk = (taken.load(Ordering::Relaxed) - before) as f64 * SEGMENT_SHARE / TIME.as_secs_f64();
    stream.shutdown(std::net::Shutdown::Both)?;
    Ok(Shares { beside, bulk, players, wanted, seen })
}

/// Lets players join one by one; returns how many bytes per second came to them all together, and what they saw.
fn joins(way: &dyn Way, beside: Beside, zone: &Target, link: Link) -> Result<(f64, Seen), Error> {
    let mut watch = Watch::begin(by_way_of(zone, zone.addr, Link::Quic))?;
    for _ in 0..beside.n_players {
        watch.enter(by_way_of(zone, way.addr(), link));
        watch.play(JOIN_EVERY)?;
    }
    watch.play(TIME - JOIN_EVERY * beside.n_players)?;
    let mut all = Seen::default();
    watch.take()[1..].iter().for_each(|one| all.add(one));
    watch.end();
    let bytes = all.n_bytes as f64 + f64::from(all.n_applied) * HEADER_BYTES;
    Ok((bytes / TIME.as_secs_f64(), all))
}

/// A server at this address that sends to everybody who connects for as long as they take it. Returns where it is.
///
/// # Errors
/// When the address cannot be had.
pub fn endless(addr: SocketAddr) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(addr)?;
    let addr = listener.local_addr()?;
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let bytes = [0; 16 * 1024];
                while stream.write_all(&bytes).is_ok() {}
            });
        }
    });
    Ok(addr)
}

/// Takes all that comes, and counts it, until the stream is shut.
fn transfer(from: SocketAddr, taken: Arc<AtomicU64>) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(from)?;
    let mut reading = stream.try_clone()?;
    std::thread::spawn(move || {
        let mut bytes = [0; 16 * 1024];
        while let Ok(n @ 1..) = reading.read(&mut bytes) {
            taken.fetch_add(n as u64, Ordering::Relaxed);
        }
    });
    Ok(stream)
}
