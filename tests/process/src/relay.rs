//! A network between one player and a zone that a test can cut, heal and rearrange: real sockets on both sides.
//!
//! Datagrams that meet a cut are lost. Bytes of a stream wait, as they do in a kernel that sends them again.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Between two looks at quiet sockets.
const NAP: Duration = Duration::from_micros(300);
const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A relay for UDP and TCP on one port of its own. It ends with its value.
pub struct Relay {
    /// Where the player connects.
    pub addr: SocketAddr,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// What a thief of packets has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loot {
    /// Datagrams sent to the zone from the thief's address.
    pub sent: u64,
    /// Datagrams that the zone sent there.
    pub received: u64,
    /// Bytes in them.
    pub received_bytes: u64,
}

struct Shared {
    zone: SocketAddr,
    is_over: AtomicBool,
    is_cut: AtomicBool,
    /// Where the next socket towards the zone shall be bound; taken by the relay.
    rebind: Mutex<Option<IpAddr>>,
    /// A copy of every so many datagrams reaches the zone first from a thief's address; 0: never.
    steal_every: AtomicU64,
    stolen: AtomicU64,
    looted: AtomicU64,
    looted_bytes: AtomicU64,
}

impl Relay {
    /// A relay in front of a zone.
    ///
    /// # Panics
    /// If this machine has no free port for both protocols.
    #[must_use]
    pub fn to(zone: SocketAddr) -> Self {
        let (udp, tcp) = (0..100)
            .find_map(|_| {
                let tcp = TcpListener::bind((LOCALHOST, 0)).ok()?;
                Some((UdpSocket::bind(tcp.local_addr().ok()?).ok()?, tcp))
            })
            .expect("a port that is free for UDP and TCP");
        let addr = udp.local_addr().expect("it was bound");
        let shared = Arc::new(Shared {
            zone,
            is_over: AtomicBool::new(false),
            is_cut: AtomicBool::new(false),
            rebind: Mutex::new(None),
            steal_every: AtomicU64::new(0),
            stolen: AtomicU64::new(0),
            looted: AtomicU64::new(0),
            looted_bytes: AtomicU64::new(0),
        });
        let (datagrams, streams) = (Arc::clone(&shared), Arc::clone(&shared));
        let threads = vec![
            std::thread::spawn(move || carry_datagrams(&datagrams, &udp)),
            std::thread::spawn(move || carry_streams(&streams, &tcp)),
        ];
        Self { addr, shared, threads }
    }

    /// From now on nothing gets through, in either direction.
    pub fn cut(&self) {
        self.shared.is_cut.store(true, Ordering::Relaxed);
    }

    /// All is well again.
    pub fn heal(&self) {
        self.shared.is_cut.store(false, Ordering::Relaxed);
    }

    /// The player's datagrams reach the zone from another port of this address; answers to the old one are lost.
    pub fn rebind(&self, ip: IpAddr) {
        *self.shared.rebind.lock().expect("no thread panics with it") = Some(ip);
    }

    /// A copy of every so many datagrams reaches the zone first from a thief's address; 0: no more.
    pub fn steal_every(&self, n: u64) {
        self.shared.steal_every.store(n, Ordering::Relaxed);
    }

    /// What the thief has sent and got so far.
    #[must_use]
    pub fn loot(&self) -> Loot {
        let Shared { stolen, looted, looted_bytes, .. } = &*self.shared;
        let [sent, received, received_bytes] =
            [stolen, looted, looted_bytes].map(|count| count.load(Ordering::Relaxed));
        Loot { sent, received, received_bytes }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A panic of its own has been printed.
            let _ = thread.join();
        }
    }
}

/// A socket that never makes a thread wait.
fn socket(ip: IpAddr) -> UdpSocket {
    let socket = UdpSocket::bind((ip, 0)).expect("a free port");
    socket.set_nonblocking(true).expect("sockets can be asked not to wait");
    socket
}

fn carry_datagrams(shared: &Shared, front: &UdpSocket) {
    front.set_nonblocking(true).expect("sockets can be asked not to wait");
    let (mut back, thief) = (socket(LOCALHOST), socket(LOCALHOST));
    let mut player = None;
    let mut bytes = [0; 2048];
    let mut n_up = 0u64;
    while !shared.is_over.load(Ordering::Relaxed) {
        if let Some(ip) = shared.rebind.lock().expect("no thread panics with it").take() {
            back = socket(ip);
        }
        let is_cut = shared.is_cut.load(Ordering::Relaxed);
        let mut is_quiet = true;
        while let Ok((n, from)) = front.recv_from(&mut bytes) {
            (player, is_quiet) = (Some(from), false);
            n_up += 1;
            let every = shared.steal_every.load(Ordering::Relaxed);
            if every != 0 && n_up.is_multiple_of(every) && thief.send_to(&bytes[..n], shared.zone).is_ok() {
                shared.stolen.fetch_add(1, Ordering::Relaxed);
            }
            if !is_cut {
                // A datagram that cannot be sent is one more that was lost.
                let _ = back.send_to(&bytes[..n], shared.zone);
            }
        }
        while let Ok((n, _)) = back.recv_from(&mut bytes) {
            is_quiet = false;
            if let Some(player) = player.filter(|_| !is_cut) {
                let _ = front.send_to(&bytes[..n], player);
            }
        }
        while let Ok((n, _)) = thief.recv_from(&mut bytes) {
            shared.looted.fetch_add(1, Ordering::Relaxed);
            shared.looted_bytes.fetch_add(n as u64, Ordering::Relaxed);
        }
        if is_quiet {
            std::thread::sleep(NAP);
        }
    }
}

/// One direction of a stream: bytes that were read and not written yet.
struct Flow {
    from: TcpStream,
    to: TcpStream,
    waiting: VecDeque<u8>,
}

impl Flow {
    /// Moves what can be moved; gives whether anything moved, or that this direction is over.
    fn carry(&mut self) -> Result<bool, ()> {
        let mut bytes = [0; 16 * 1024];
        let mut has_moved = false;
        if self.waiting.is_empty() {
            match self.from.read(&mut bytes) {
                Ok(0) => return Err(()),
                Ok(n) => self.waiting.extend(&bytes[..n]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return Err(()),
            }
        }
        while !self.waiting.is_empty() {
            match self.to.write(self.waiting.as_slices().0) {
                Ok(n) => drop(self.waiting.drain(..n)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return Err(()),
            }
            has_moved = true;
        }
        Ok(has_moved)
    }
}

fn carry_streams(shared: &Shared, listener: &TcpListener) {
    listener.set_nonblocking(true).expect("sockets can be asked not to wait");
    let mut streams: Vec<[Flow; 2]> = Vec::new();
    while !shared.is_over.load(Ordering::Relaxed) {
        let mut is_quiet = true;
        if !shared.is_cut.load(Ordering::Relaxed) {
            while let Ok((player, _)) = listener.accept() {
                streams.extend(join(player, shared.zone));
            }
            // Whoever ends takes the other side along: both sockets close here.
            streams.retain_mut(|[up, down]| match (up.carry(), down.carry()) {
                (Ok(up), Ok(down)) => {
                    is_quiet &= !up && !down;
                    true
                }
                _ => false,
            });
        }
        if is_quiet {
            std::thread::sleep(NAP);
        }
    }
}

/// Both directions between a player who has come and the zone; nothing when there is no zone.
fn join(player: TcpStream, zone: SocketAddr) -> Option<[Flow; 2]> {
    let zone = TcpStream::connect(zone).ok()?;
    for stream in [&player, &zone] {
        stream.set_nonblocking(true).ok()?;
        stream.set_nodelay(true).ok()?;
    }
    let flow = |from: &TcpStream, to: &TcpStream| {
        Some(Flow { from: from.try_clone().ok()?, to: to.try_clone().ok()?, waiting: VecDeque::new() })
    };
    Some([flow(&player, &zone)?, flow(&zone, &player)?])
}
