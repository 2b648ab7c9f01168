//! The words callers and this crate exchange: who, what came, why it ended.
use std::fmt;
use std::net::SocketAddr;
use std::ops::Deref;
use std::time::{Duration, Instant};

/// A place in the peer table. The generation makes sure that a late call for somebody who left never reaches
/// whoever sits there now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId {
    index: u32,
    generation: u32,
}

impl PeerId {
    /// Both halves; the server is the only one that hands out meaningful pairs.
    pub const fn new(index: u32, generation: u32) -> Self {
        Self { index, generation }
    }

    /// Place in the table: dense, below `Limits::peers_max`, reused. Good for indexing a caller's columns.
    pub const fn index(self) -> u32 {
        self.index
    }

    /// Which user of that place.
    pub const fn generation(self) -> u32 {
        self.generation
    }
}

/// How a peer is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Link {
    /// QUIC over UDP: frames are datagrams, records a stream.
    Quic,
    /// WebSocket over TCP: everything is a binary message.
    WebSocket,
}

/// Bytes from a peer, copied out of the packet at once. Inputs fit inline, so they cost no allocation.
#[derive(Clone)]
pub struct Payload(Repr);

/// Four repeated commands and their acks are under 40 bytes.
const INLINE_BYTES: usize = 62;

#[derive(Clone)]
enum Repr {
    Inline { len: u8, bytes: [u8; INLINE_BYTES] },
    Heap(Box<[u8]>),
}

impl From<&[u8]> for Payload {
    fn from(source: &[u8]) -> Self {
        if source.len() <= INLINE_BYTES {
            let mut bytes = [0; INLINE_BYTES];
            bytes[..source.len()].copy_from_slice(source);
            return Self(Repr::Inline { len: source.len() as u8, bytes });
        }
        Self(Repr::Heap(source.into()))
    }
}

impl Deref for Payload {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline { len, bytes } => &bytes[..usize::from(*len)],
            Repr::Heap(bytes) => bytes,
        }
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}

/// What the server learnt. Every peer whose `Hello` was delivered ends with exactly one `Closed`.
#[derive(Clone, Debug)]
pub enum Event {
    /// A stranger finished the handshake and sent its first record. Answer with `admit` or `refuse`.
    Hello {
        /// Who.
        peer: PeerId,
        /// How it is connected.
        link: Link,
        /// From where.
        addr: SocketAddr,
        /// The record, uninterpreted.
        bytes: Payload,
    },
    /// A whole record from an admitted peer.
    Record {
        /// Who.
        peer: PeerId,
        /// The record without its length.
        bytes: Payload,
    },
    /// One datagram from an admitted peer.
    Datagram {
        /// Who.
        peer: PeerId,
        /// The payload.
        bytes: Payload,
        /// When it was taken from the socket, which may be well before the pass that reports it.
        arrived: Instant,
    },
    /// The peer is gone; its id is dead.
    Closed {
        /// Who.
        peer: PeerId,
        /// Why.
        reason: CloseReason,
    },
}

/// What we tell a peer when we close it. On a WebSocket the number is `4000 + code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum CloseCode {
    /// The session ended as it should.
    Done = 0,
    /// The server goes away.
    Shutdown = 1,
    /// The hello was not accepted; a record before this says why.
    Refused = 2,
    /// The peer broke the protocol.
    Protocol = 3,
    /// The peer could not take its facts fast enough.
    TooSlow = 4,
    /// A deadline passed.
    Timeout = 5,
    /// The same player connected again.
    Replaced = 6,
    /// A person decided so.
    Kicked = 7,
    /// Our fault.
    Internal = 8,
}

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// The other side closed it and said so. The code is its own.
    Peer {
        /// `CloseCode` as a number, or the number of a transport error.
        code: u32,
        /// What it said, shortened.
        text: String,
    },
    /// The owner of this side asked for it.
    Local(CloseCode),
    /// Nothing was heard for the idle timeout.
    Silence,
    /// The other side does not know the connection any more (it restarted), or the TCP connection broke.
    Reset,
    /// The other side broke the protocol.
    Protocol(String),
    /// Facts piled up.
    TooSlow {
        /// How many bytes were waiting.
        queued_bytes: usize,
    },
    /// The two sides speak different wire majors.
    WrongMajor,
    /// The server's key is not the pinned one.
    WrongPin(String),
    /// A panic while handling this peer's bytes: our bug.
    Internal,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer { code, text } => write!(f, "closed by the other side with code {code}: {text}"),
            Self::Local(code) => write!(f, "closed here: {code:?}"),
            Self::Silence => write!(f, "nothing heard within the idle timeout"),
            Self::Reset => write!(f, "reset: the other side does not know this connection any more"),
            Self::Protocol(what) => write!(f, "protocol broken: {what}"),
            Self::TooSlow { queued_bytes } => write!(f, "too slow: {queued_bytes} bytes of facts waiting"),
            Self::WrongMajor => write!(f, "the two sides speak different wire majors"),
            Self::WrongPin(what) => write!(f, "the server's key is not the pinned one: {what}"),
            Self::Internal => write!(f, "internal error while handling its bytes"),
        }
    }
}

/// How much of a stranger's closing text is kept.
const TEXT_BYTES_MAX: usize = 200;

/// A stranger's text, fit for a log line.
pub(crate) fn shorten(text: &[u8]) -> String {
    let text = &text[..text.len().min(TEXT_BYTES_MAX)];
    String::from_utf8_lossy(text).chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// How one peer is doing.
#[derive(Clone, Copy, Debug)]
pub struct PeerStats {
    /// How it is connected.
    pub link: Link,
    /// Smoothed round trip; on WebSocket TCP's own, as the kernel keeps it, and zero when it does not say.
    pub rtt: Duration,
    /// Facts not yet handed to the socket.
    pub queued_bytes: usize,
    /// Bytes that TCP does not take at the moment; none over QUIC.
    pub unsent_bytes: usize,
    /// Present address; QUIC peers may move.
    pub addr: SocketAddr,
    /// Packets sent to it, and how many of them were declared lost; on WebSocket segments, and those sent again.
    pub packets_sent: u64,
    /// See `packets_sent`.
    pub packets_lost: u64,
}

/// What waits at this moment, in the whole server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queues {
    /// Handshakes not begun or not finished, and strangers who have not said hello.
    pub door: usize,
    /// Packets with record bytes for which the UDP socket was full.
    pub packets: usize,
}
