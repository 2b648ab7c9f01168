//! A relay between clients and a server: the path between them, with real sockets on both sides.
//!
//! [`Relay::start`] gives an address that stands for the server's, for UDP and TCP alike. All that goes through it
//! shares one [`Pipe`] per direction, hence one bottleneck. Whoever holds the relay may change the [`Weather`], cut the
//! path, heal it, or give every client another address, as a NAT does that has forgotten them.
//!
//! ```no_run
//! # use badnet::{Relay, Weather}; use std::time::Duration;
//! # let server = "127.0.0.1:8080".parse().unwrap();
//! let far = Weather::FAIR.with_delay(Duration::from_millis(75));
//! let relay = Relay::start(server, [far, far], 1).expect("two free ports");
//! // ... clients connect to relay.addr() ...
//! relay.cut();
//! relay.heal();
//! relay.rebind([127, 0, 0, 2].into());
//! ```

use crate::pipe::{Carried, Pipe};
use crate::stream::{DOWN, Parcel, Stream, UP, listen};
use crate::thief::{Loot, Thief};
use crate::weather::Weather;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Headers of IPv4 and UDP.
const HEADER_BYTES: usize = 28;
/// How long the relay sleeps when it has looked at everything.
const NAP: Duration = Duration::from_micros(500);
/// Longest datagram that it carries.
const DATAGRAM_BYTES_MAX: usize = 2_048;
/// Ports that are tried until one is free for UDP and TCP.
const TRIES: usize = 50;

enum Order {
    Weather([Weather; 2]),
    Cut(bool),
    Rebind(IpAddr),
    Steal(u64),
    Door(TcpListener, SocketAddr),
}

/// The path. It ends when dropped.
pub struct Relay {
    addr: SocketAddr,
    orders: Option<Sender<Order>>,
    shown: Arc<Mutex<Shown>>,
    thread: Option<JoinHandle<()>>,
}

/// What the relay's thread tells its owner.
#[derive(Clone, Copy, Debug, Default)]
struct Shown {
    carried: [Carried; 2],
    loot: Loot,
}

impl Relay {
    /// Opens a path to a server: what goes up has the first weather, what comes down the second.
    ///
    /// # Errors
    /// When there are no free ports.
    pub fn start(server: SocketAddr, weather: [Weather; 2], seed: u64) -> io::Result<Self> {
        Self::start_at(SocketAddr::new(server.ip(), 0), server, weather, seed)
    }

    /// The same, with clients connecting to this address.
    ///
    /// # Errors
    /// When it is taken.
    pub fn start_at(
        front: SocketAddr,
        server: SocketAddr,
        weather: [Weather; 2],
        seed: u64,
    ) -> io::Result<Self> {
        let (udp, tcp) = both(front)?;
        let addr = udp.local_addr()?;
        udp.set_nonblocking(true)?;
        let (orders, inbox) = channel();
        let shown = Arc::new(Mutex::new(Shown::default()));
        let now = Instant::now();
        let mut path = Path {
            server,
            back_ip: server.ip(),
            thief: Thief::new(server)?,
            udp,
            doors: vec![(tcp, server)],
            pipes: [Pipe::new(now, weather[UP], seed), Pipe::new(now, weather[DOWN], !seed)],
            flows: HashMap::new(),
            streams: HashMap::new(),
            held: [Vec::new(), Vec::new()],
            n_ids: 0,
            is_cut: false,
        };
        let told = Arc::clone(&shown);
        let thread =
            std::thread::Builder::new().name("relay".into()).spawn(move || path.run(&inbox, &told))?;
        Ok(Self { addr, orders: Some(orders), shown, thread: Some(thread) })
    }

    /// Where clients connect to, over UDP or TCP.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// From now on the path is like this: up, down.
    pub fn set(&self, weather: [Weather; 2]) {
        self.order(Order::Weather(weather));
    }

    /// From now on nothing comes through. What is on its way in datagrams is lost; streams wait.
    pub fn cut(&self) {
        self.order(Order::Cut(true));
    }

    /// The path is there again.
    pub fn heal(&self) {
        self.order(Order::Cut(false));
    }

    /// From now on datagrams come to the server from other ports of this address, and TCP connections break: what clients
    /// behind a NAT go through when it starts anew. Answers to the ports before are lost.
    pub fn rebind(&self, ip: IpAddr) {
        self.order(Order::Rebind(ip));
    }

    /// From now on a copy of every so many datagrams reaches the server first from a thief's address; 0: none.
    pub fn steal_every(&self, n: u64) {
        self.order(Order::Steal(n));
    }

    /// What the thief has sent and got so far.
    #[must_use]
    pub fn loot(&self) -> Loot {
        self.shown().loot
    }

    /// Opens another way in: TCP connections to the address that this gives go to `target`, through the same
    /// bottlenecks.
    ///
    /// # Errors
    /// When there is no free port.
    pub fn also(&self, target: SocketAddr) -> io::Result<SocketAddr> {
        let tcp = listen(SocketAddr::new(target.ip(), 0))?;
        let addr = tcp.local_addr()?;
        self.order(Order::Door(tcp, target));
        Ok(addr)
    }

    /// What went through so far: up, down.
    #[must_use]
    pub fn carried(&self) -> [Carried; 2] {
        self.shown().carried
    }

    fn shown(&self) -> Shown {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn order(&self, order: Order) {
        // The thread ends with the relay, or with a panic that its join will tell.
        if let Some(orders) = &self.orders {
            let _ = orders.send(order);
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.orders = None;
        let outcome = self.thread.take().map(JoinHandle::join);
        assert!(matches!(outcome, Some(Ok(()))) || std::thread::panicking(), "the relay panicked");
    }
}

/// Both sockets on one port.
fn both(any: SocketAddr) -> io::Result<(UdpSocket, TcpListener)> {
    let mut last = None;
    for _ in 0..TRIES {
        let tcp = listen(any)?;
        match UdpSocket::bind(tcp.local_addr()?) {
            Ok(udp) => return Ok((udp, tcp)),
            Err(error) => last = Some(error),
        }
    }
    Err(last.expect("it was tried"))
}

/// Where the relay's thread keeps everything.
struct Path {
    server: SocketAddr,
    /// Where clients seem to be, for the server.
    back_ip: IpAddr,
    thief: Thief,
    udp: UdpSocket,
    doors: Vec<(TcpListener, SocketAddr)>,
    pipes: [Pipe<Parcel>; 2],
    /// By the client's address: the socket that the server knows it by.
    flows: HashMap<SocketAddr, UdpSocket>,
    streams: HashMap<u64, Stream>,
    /// Segments that came through during a cut.
    held: [Vec<(u64, Vec<u8>)>; 2],
    n_ids: u64,
    is_cut: bool,
}

impl Path {
    fn run(&mut self, orders: &Receiver<Order>, told: &Mutex<Shown>) {
        loop {
            loop {
                match orders.try_recv() {
                    Ok(order) => self.obey(order),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return,
                }
            }
            let now = Instant::now();
            self.accept(now);
            self.take_datagrams(now);
            self.take_segments(now);
            for way in [UP, DOWN] {
                self.deliver(way, now);
            }
            self.streams.retain(|_, stream| [UP, DOWN].iter().all(|way| stream.write(*way).unwrap_or(false)));
            *told.lock().unwrap_or_else(PoisonError::into_inner) =
                Shown { carried: [UP, DOWN].map(|way| self.pipes[way].carried), loot: self.thief.loot };
            std::thread::sleep(NAP);
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Weather(weather) => {
                for (pipe, weather) in self.pipes.iter_mut().zip(weather) {
                    pipe.weather = weather;
                }
            }
            Order::Cut(is_cut) => {
                self.is_cut = is_cut;
                for (way, held) in self.held.iter_mut().enumerate().filter(|_| !is_cut) {
                    for (stream, bytes) in held.drain(..) {
                        let _ =
                            self.streams.get_mut(&stream).map(|stream| stream.handle_arrived(way, &bytes));
                    }
                }
            }
            Order::Rebind(ip) => {
                self.back_ip = ip;
                self.flows.clear();
                self.streams.clear();
            }
            Order::Steal(every) => self.thief.steal_every(every),
            Order::Door(tcp, target) => self.doors.push((tcp, target)),
        }
    }

    fn accept(&mut self, now: Instant) {
        // A SYN in a cut is tried again by whoever sent it; here it waits in the listener.
        for (tcp, target) in self.doors.iter().filter(|_| !self.is_cut) {
            while let Ok((client, _)) = tcp.accept() {
                self.n_ids += 1;
                if let Ok(stream) = Stream::open(self.n_ids, client, *target, now) {
                    self.streams.insert(self.n_ids, stream);
                }
            }
        }
    }

    fn take_datagrams(&mut self, now: Instant) {
        let mut buffer = [0; DATAGRAM_BYTES_MAX];
        // An error, such as that of a port where nobody listens any more, ends this round only.
        while let Ok((n, flow)) = self.udp.recv_from(&mut buffer) {
            if !self.flows.contains_key(&flow)
                && let Ok(back) = back_socket(self.back_ip, self.server)
            {
                self.flows.insert(flow, back);
            }
            self.thief.handle_datagram(&buffer[..n]);
            let parcel = Parcel::Datagram { flow, bytes: buffer[..n].to_vec() };
            self.pipes[UP].handle_datagram(now, n + HEADER_BYTES, parcel);
        }
        for (flow, back) in &self.flows {
            while let Ok(n) = back.recv(&mut buffer) {
                let parcel = Parcel::Datagram { flow: *flow, bytes: buffer[..n].to_vec() };
                self.pipes[DOWN].handle_datagram(now, n + HEADER_BYTES, parcel);
            }
        }
        self.thief.receive(&mut buffer);
    }

    fn take_segments(&mut self, now: Instant) {
        if self.is_cut {
            return;
        }
        let delays = [UP, DOWN].map(|way| self.pipes[way].weather.delay);
        let pipes = &mut self.pipes;
        self.streams.retain(|_, stream| {
            [UP, DOWN].iter().all(|way| stream.read(*way, now, &mut pipes[*way], delays[1 - way]).is_ok())
        });
    }

    fn deliver(&mut self, way: usize, now: Instant) {
        while let Some(parcel) = self.pipes[way].poll_arrived(now) {
            match parcel {
                Parcel::Datagram { .. } if self.is_cut => self.pipes[way].carried.n_lost += 1,
                Parcel::Datagram { flow, bytes } => {
                    // A full or closed socket loses it, as sockets do.
                    let _ = match self.flows.get(&flow) {
                        Some(back) if way == UP => back.send(&bytes),
                        _ => self.udp.send_to(&bytes, flow),
                    };
                }
                Parcel::Segment { stream, bytes } if self.is_cut => self.held[way].push((stream, bytes)),
                Parcel::Segment { stream, bytes } => {
                    let _ = self.streams.get_mut(&stream).map(|stream| stream.handle_arrived(way, &bytes));
                }
            }
        }
    }
}

/// One that clients' datagrams leave by from `ip`.
pub(crate) fn back_socket(ip: IpAddr, server: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(SocketAddr::new(ip, 0))?;
    socket.connect(server)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}
