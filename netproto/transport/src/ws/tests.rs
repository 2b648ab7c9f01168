//! One peer of the server over a real loopback connection.
use super::*;
use crate::event::{Event, PeerId};
use crate::limits::Limits;
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::time::Duration;

struct Bench {
    peer: WsPeer,
    head: Head,
    lane: Lane,
    limits: Limits,
    udp: UdpSocket,
    far: std::net::TcpStream,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let far = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        far.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let (near, addr) = listener.accept().unwrap();
        near.set_nonblocking(true).unwrap();
        let now = Instant::now();
        let mut head = Head::new(PeerId::new(0, 1), addr, now);
        head.stage = Stage::Admitted;
        Self {
            peer: WsPeer::new(TcpStream::from_std(near), 1, now),
            head,
            lane: Lane::new(),
            limits: Limits::default(),
            udp: UdpSocket::bind("127.0.0.1:0").unwrap(),
            far,
            now,
        }
    }

    fn send(&mut self, frame: &[u8]) {
        self.head.frame = 0..frame.len();
        let pass = Pass { now: self.now, limits: &self.limits, udp: self.udp.as_fd(), outbox: frame };
        self.peer.send(&mut self.head, &mut self.lane, &pass);
    }

    /// Returns when everything has arrived.
    fn say(&mut self, bytes: &[u8]) {
        self.far.write_all(bytes).unwrap();
        let end = Instant::now() + Duration::from_secs(10);
        while self.peer.stream.peek(&mut vec![0; bytes.len()]).ok() != Some(bytes.len()) {
            assert!(Instant::now() < end, "loopback lost {} bytes", bytes.len());
            std::thread::yield_now();
        }
    }

    /// How many records came out.
    fn receive(&mut self) -> usize {
        let pass = Pass { now: self.now, limits: &self.limits, udp: self.udp.as_fd(), outbox: &[] };
        self.peer.receive(&mut self.head, &mut self.lane, &pass);
        self.lane.events.drain(..).filter(|event| matches!(event, Event::Record { .. })).count()
    }

    /// Writes zeros until TCP takes no more, so that some are left over.
    fn fill(&mut self) -> usize {
        let mut n = 0;
        while self.peer.unsent() == 0 {
            n += 65_536;
            self.peer.out.resize(65_536, 0);
            self.peer.write_out(&mut self.lane, self.now);
        }
        n
    }
}

#[test]
fn behind_a_blocked_tail_the_first_frame_waits_and_later_ones_flow_again_once_the_peer_reads() {
    let mut bench = Bench::new();
    let n = bench.fill();
    for frame in [b"one", b"two", b"six"] {
        bench.send(frame);
    }
    assert_eq!((bench.lane.counters.frames_out, bench.lane.counters.drops_frame), (1, 2));
    let mut tail = vec![0; 64 * 1024];
    let mut n_read = 0;
    while n_read < n {
        let wanted = tail.len().min(n - n_read);
        n_read += bench.far.read(&mut tail[..wanted]).unwrap();
        bench.peer.write_out(&mut bench.lane, bench.now);
    }
    while bench.peer.unsent() > 0 {
        bench.peer.write_out(&mut bench.lane, bench.now);
    }
    bench.send(b"new");
    let mut got = [0; 12];
    bench.far.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"\x82\x04\0one\x82\x04\0new");
    assert_eq!((bench.lane.counters.frames_out, bench.lane.counters.drops_frame), (2, 2));
}

#[test]
fn records_over_the_limit_of_a_pass_wait_for_the_next_without_another_byte_from_the_peer() {
    let mut bench = Bench::new();
    let record = [0x82, 0x82, 0, 0, 0, 0, KIND_RECORD, b'r'];
    bench.say(&record.repeat(40));
    let counts = [(); 4].map(|()| bench.receive());
    assert_eq!(counts, [16, 16, 8, 0]);
    assert!(!bench.head.unread);
    assert!(bench.peer.partial.is_empty());
}

#[test]
fn what_came_together_with_the_hello_is_taken_after_the_admission() {
    let mut bench = Bench::new();
    bench.head.stage = Stage::Waiting;
    bench.say(&[0x82, 0x82, 0, 0, 0, 0, KIND_RECORD, b'r'].repeat(2));
    bench.receive();
    assert_eq!(bench.head.stage, Stage::Greeted);
    bench.head.stage = Stage::Admitted;
    assert_eq!(bench.receive(), 1);
}

#[test]
fn a_foreign_page_hears_why_it_is_refused_and_is_counted() {
    let mut bench = Bench::new();
    bench.head.stage = Stage::Handshaking;
    bench.say(
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: https://evil.example\r\nUpgrade: websocket\r\n\
          Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
          Sec-WebSocket-Protocol: arcane.1\r\n\r\n",
    );
    bench.receive();
    bench.send(b"");
    let mut got = [0; 22];
    bench.far.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"HTTP/1.1 403 Forbidden");
    let counters = &bench.lane.counters;
    assert_eq!(
        (counters.refused_origin, counters.handshakes_failed, counters.handshakes_websocket),
        (1, 1, 0)
    );
    assert_eq!(bench.head.stage, Stage::Closing);
}
