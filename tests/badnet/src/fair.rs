//! Players who join beside a bulk transfer of TCP, through one bottleneck.

use crate::cases::Error;
use crate::watch::{Watch, by_way_of};
use crate::{Relay, Weather};
use std::fmt;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use transport::Link;
use transport::client::Target;

/// The bottleneck, and its queue of 200 ms.
const BITS_PER_SECOND: u64 = 1_000_000;
const QUEUE_BYTES: usize = 25_000;
const DELAY: Duration = Duration::from_millis(25);
/// Headers around a snapshot, and how much more than its payload a full segment of TCP is.
const HEADER_BYTES: f64 = 60.0;
const SEGMENT_SHARE: f64 = 1_500.0 / 1_448.0;
const PLAYERS: u32 = 8;
/// One joins after the other.
const JOIN_EVERY: Duration = Duration::from_millis(500);
/// From the first join on.
const TIME: Duration = Duration::from_secs(10);

/// Who got how much of the way down, in bytes per second with headers.
#[derive(Clone, Copy, Debug)]
pub struct Shares {
    /// The bulk transfer.
    pub bulk: f64,
    /// All players together.
    pub players: f64,
    /// What the same players take when nothing is in their way.
    pub wanted: f64,
}

impl Shares {
    /// A fair share of either side: half of the way, or what it wants when that is less.
    #[must_use]
    pub fn fair(&self) -> [f64; 2] {
        let way = BITS_PER_SECOND as f64 / 8.0;
        let players = self.wanted.min(way / 2.0);
        [way - players, players]
    }

    /// Whether each side has a third of its fair share at least.
    #[must_use]
    pub fn are_fair(&self) -> bool {
        let [bulk, players] = self.fair();
        self.bulk >= bulk / 3.0 && self.players >= players / 3.0
    }
}

impl fmt::Display for Shares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [bulk, players] = self.fair();
        write!(
            f,
            "1 Mbit/s: a bulk transfer gets {:.0} B/s (fair: {bulk:.0}), {PLAYERS} players who join beside it {:.0} B/s \
             (fair: {players:.0}; they want {:.0})",
            self.bulk, self.players, self.wanted
        )
    }
}

/// Players join a zone through a bottleneck that a bulk transfer has to itself until then.
///
/// # Errors
/// When there are no sockets.
pub fn joins_beside_a_transfer(zone: &Target, link: Link) -> Result<Shares, Error> {
    let fair = Weather::FAIR.with_delay(DELAY);
    let wide = Relay::start(zone.addr, [fair; 2], 5)?;
    let wanted = joins(zone, link, &wide)?;
    drop(wide);
    let relay = Relay::start(zone.addr, [fair, fair.through(BITS_PER_SECOND, QUEUE_BYTES)], 5)?;
    let taken = Arc::new(AtomicU64::new(0));
    transfer(relay.also(endless()?)?, Arc::clone(&taken))?;
    std::thread::sleep(Duration::from_secs(3));
    let before = taken.load(Ordering::Relaxed);
    let players = joins(zone, link, &relay)?;
    let bulk = (taken.load(Ordering::Relaxed) - before) as f64 * SEGMENT_SHARE / TIME.as_secs_f64();
    Ok(Shares { bulk, players, wanted })
}

/// Lets players join one by one; returns how many bytes per second came to them all together.
fn joins(zone: &Target, link: Link, relay: &Relay) -> Result<f64, Error> {
    let mut watch = Watch::begin(by_way_of(zone, zone.addr, Link::Quic))?;
    for _ in 0..PLAYERS {
        watch.enter(by_way_of(zone, relay.addr(), link));
        watch.play(JOIN_EVERY)?;
    }
    watch.play(TIME - JOIN_EVERY * PLAYERS)?;
    let seen = watch.take();
    watch.end();
    let bytes: f64 =
        seen[1..].iter().map(|one| one.n_bytes as f64 + f64::from(one.n_applied) * HEADER_BYTES).sum();
    Ok(bytes / TIME.as_secs_f64())
}

/// A server that sends for as long as anybody takes it.
fn endless() -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let addr = listener.local_addr()?;
    std::thread::spawn(move || {
        if let Ok((mut stream, _)) = listener.accept() {
            let bytes = [0; 16 * 1024];
            while stream.write_all(&bytes).is_ok() {}
        }
    });
    Ok(addr)
}

/// Takes all that comes, and counts it.
fn transfer(from: SocketAddr, taken: Arc<AtomicU64>) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(from)?;
    std::thread::spawn(move || {
        let mut bytes = [0; 16 * 1024];
        while let Ok(n @ 1..) = stream.read(&mut bytes) {
            taken.fetch_add(n as u64, Ordering::Relaxed);
        }
    });
    Ok(())
}
