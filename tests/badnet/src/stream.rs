//! A TCP connection through a path. Bytes of TCP cannot be dropped here: a segment that is lost, or finds the queue
//! full, comes late instead, as late as selective acknowledgements let it, and a window in front of the path goes the way of Reno's (RFC 5681), so that a bulk
//! transfer takes from a shared bottleneck what a real one would.

use crate::pipe::{Offer, Pipe};
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// Payload of a segment.
const SEGMENT_BYTES: usize = 1_448;
/// Headers of IPv4 and TCP with timestamps.
const HEADER_BYTES: usize = 52;
/// RFC 6928.
const WINDOW_START: usize = 10 * SEGMENT_BYTES;
/// Small, so that whoever sends notices when the path does not take more; the kernel counts each short message as a
/// kilobyte or so, so less would stand still whenever this thread is late.
const RECEIVE_BYTES: usize = 32 * 1_024;
/// Between looking for bytes and finding them.
const ROUND_TRIP_MIN: Duration = Duration::from_millis(2);

/// One of the two directions.
pub(crate) const UP: usize = 0;
/// The other.
pub(crate) const DOWN: usize = 1;

/// What is on its way.
#[derive(Clone)]
pub(crate) enum Parcel {
    /// Of a client, by the address that it has on this side.
    Datagram { flow: SocketAddr, bytes: Vec<u8> },
    /// Of a stream, by its number.
    Segment { stream: u64, bytes: Vec<u8> },
}

/// One direction of one connection.
struct Half {
    window: f64,
    slow_start_below: f64,
    /// Segments whose acknowledgement is yet to come back: when, and how long they are.
    unacked: VecDeque<(Instant, usize)>,
    n_unacked: usize,
    /// After a loss the window is left alone, and the stream waits, for a round trip.
    waits_until: Instant,
    last_due: Instant,
    /// A segment that found the queue full.
    kept: Option<Vec<u8>>,
    n_coming: usize,
    /// Arrived, and not yet taken by the socket.
    out: VecDeque<u8>,
    has_ended: bool,
    is_shut: bool,
}

impl Half {
    fn new(now: Instant) -> Self {
        Self {
            window: WINDOW_START as f64,
            slow_start_below: f64::MAX,
            unacked: VecDeque::new(),
            n_unacked: 0,
            waits_until: now,
            last_due: now,
            kept: None,
            n_coming: 0,
            out: VecDeque::new(),
            has_ended: false,
            is_shut: false,
        }
    }

    fn handle_acks(&mut self, now: Instant) {
        while self.unacked.front().is_some_and(|(at, _)| *at <= now) {
            let (_, n_bytes) = self.unacked.pop_front().expect("there is a front");
            self.n_unacked -= n_bytes;
            let is_slow_start = self.window < self.slow_start_below;
            let share = if is_slow_start { 1.0 } else { SEGMENT_BYTES as f64 / self.window };
            self.window += n_bytes as f64 * share;
        }
    }

    fn handle_loss(&mut self, now: Instant, round_trip: Duration) {
        self.window = (self.window / 2.0).max(2.0 * SEGMENT_BYTES as f64);
        self.slow_start_below = self.window;
        self.waits_until = now + round_trip;
    }

    fn may_send(&self, now: Instant) -> bool {
        self.waits_until <= now && self.n_unacked + SEGMENT_BYTES <= self.window as usize
    }
}

/// A connection from a client, and the one to the server behind it.
pub(crate) struct Stream {
    id: u64,
    /// Towards the client, towards the server.
    ends: [TcpStream; 2],
    halves: [Half; 2],
}

impl Stream {
    /// Connects to the server for a client that came.
    pub(crate) fn open(id: u64, client: TcpStream, server: SocketAddr, now: Instant) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(server), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_recv_buffer_size(RECEIVE_BYTES)?;
        socket.connect_timeout(&server.into(), Duration::from_secs(5))?;
        let ends = [client, socket.into()];
        for end in &ends {
            end.set_nonblocking(true)?;
            end.set_nodelay(true)?;
        }
        Ok(Self { id, ends, halves: [Half::new(now), Half::new(now)] })
    }

    /// Takes from one end what the path takes. An error means that the connection broke.
    pub(crate) fn read(
        &mut self,
        way: usize,
        now: Instant,
        pipe: &mut Pipe<Parcel>,
        back_delay: Duration,
    ) -> io::Result<()> {
        self.halves[way].handle_acks(now);
        while self.halves[way].may_send(now) {
            let kept = self.halves[way].kept.take();
            let Some(bytes) = kept.map_or_else(|| self.take(way), |kept| Ok(Some(kept)))? else {
                return Ok(());
            };
            self.offer(way, now, pipe, back_delay, bytes);
        }
        Ok(())
    }

    fn take(&mut self, way: usize) -> io::Result<Option<Vec<u8>>> {
        if self.halves[way].has_ended {
            return Ok(None);
        }
        let mut bytes = vec![0; SEGMENT_BYTES];
        match self.ends[way].read(&mut bytes) {
            Ok(0) => {
                self.halves[way].has_ended = true;
                Ok(None)
            }
            Ok(n) => {
                bytes.truncate(n);
                Ok(Some(bytes))
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn offer(&mut self, way: usize, now: Instant, pipe: &mut Pipe<Parcel>, back: Duration, bytes: Vec<u8>) {
        let (half, n) = (&mut self.halves[way], bytes.len());
        let n_lost = pipe.carried.n_lost;
        let segment = Parcel::Segment { stream: self.id, bytes: bytes.clone() };
        match pipe.handle_segment(now, n + HEADER_BYTES, half.last_due, segment) {
            Offer::Taken(at) => {
                half.last_due = at;
                half.n_coming += 1;
                half.n_unacked += n;
                half.unacked.push_back((at + back, n));
                if pipe.carried.n_lost > n_lost {
                    half.handle_loss(now, at + back - now);
                }
            }
            Offer::Full | Offer::Lost => {
                half.kept = Some(bytes);
                let round_trip = pipe.queue_time(now) + pipe.weather.delay + back;
                half.handle_loss(now, round_trip.max(ROUND_TRIP_MIN));
            }
        }
    }

    /// A segment has come through.
    pub(crate) fn handle_arrived(&mut self, way: usize, bytes: &[u8]) {
        self.halves[way].n_coming -= 1;
        self.halves[way].out.extend(bytes);
    }

    /// Hands over what has come through. `false` when both directions are over.
    pub(crate) fn write(&mut self, way: usize) -> io::Result<bool> {
        let half = &mut self.halves[way];
        let end = &mut self.ends[1 - way];
        while !half.out.is_empty() {
            match end.write(half.out.as_slices().0) {
                Ok(n) => drop(half.out.drain(..n)),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => break,
                Err(error) => return Err(error),
            }
        }
        let is_over = half.has_ended && half.kept.is_none() && half.n_coming == 0 && half.out.is_empty();
        if is_over && !half.is_shut {
            half.is_shut = true;
            end.shutdown(Shutdown::Write)?;
        }
        Ok(!self.halves.iter().all(|half| half.is_shut))
    }
}

/// A listener whose connections take little at a time.
pub(crate) fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_recv_buffer_size(RECEIVE_BYTES)?;
    socket.bind(&addr.into())?;
    socket.listen(64)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}
