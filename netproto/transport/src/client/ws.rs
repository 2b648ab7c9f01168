//! One WebSocket connection of a client: tungstenite does the protocol.
use super::{ClientEvent, ConnId};
use crate::event::{CloseCode, CloseReason, shorten};
use crate::settings::subprotocol;
use crate::ws::frame::{KIND_DATAGRAM, KIND_RECORD};
use crate::ws::upgrade::MAJOR_HEADER;
use mio::net::TcpStream;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tungstenite::client::{ClientRequestBuilder, IntoClientRequest};
use tungstenite::handshake::MidHandshake;
use tungstenite::http::Uri;
use tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tungstenite::{Bytes, ClientHandshake, Error, HandshakeError, Message, WebSocket};

const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(5);
/// A record of 65,535 bytes and its kind.
const MESSAGE_BYTES_MAX: usize = 1 << 16;
const WRITE_BYTES_MAX: usize = 64 * 1024;
const STATUS_BASE: u16 = 4000;

enum State {
    /// TCP is connecting; the request waits.
    Connecting(TcpStream),
    Upgrading(MidHandshake<ClientHandshake<TcpStream>>),
    Open(Box<WebSocket<TcpStream>>),
    Gone,
}

/// See the module.
pub(crate) struct WsConn {
    pub(crate) id: ConnId,
    state: State,
    target: SocketAddr,
    wire_major: u16,
    deadline: Instant,
    /// Datagrams of this tick, written in the flush.
    pub(crate) touched: bool,
    pub(crate) ended: bool,
}

impl WsConn {
    pub(crate) fn new(
        id: ConnId,
        stream: TcpStream,
        target: SocketAddr,
        wire_major: u16,
        now: Instant,
    ) -> Self {
        let deadline = now + HANDSHAKE_DEADLINE;
        Self {
            id,
            state: State::Connecting(stream),
            target,
            wire_major,
            deadline,
            touched: false,
            ended: false,
        }
    }

    /// When to look at this connection even if its socket is silent.
    pub(crate) fn timer(&self) -> Option<Instant> {
        matches!(self.state, State::Connecting(_) | State::Upgrading(_)).then_some(self.deadline)
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant, events: &mut VecDeque<ClientEvent>) {
        if self.timer().is_some_and(|at| at <= now) {
            self.end(CloseReason::Silence, events);
        }
    }

    /// The socket can be read or written.
    pub(crate) fn handle_ready(&mut self, now: Instant, events: &mut VecDeque<ClientEvent>) {
        match std::mem::replace(&mut self.state, State::Gone) {
            State::Connecting(stream) => self.start(stream, events),
            State::Upgrading(half) => self.upgrade(half.handshake(), events),
            open => self.state = open,
        }
        self.read(now, events);
    }

    fn start(&mut self, stream: TcpStream, events: &mut VecDeque<ClientEvent>) {
        if let Ok(Some(error)) | Err(error) = stream.take_error() {
            return self.end(CloseReason::Protocol(format!("cannot connect: {error}")), events);
        }
        // No address of the peer yet: still connecting.
        if stream.peer_addr().is_err() {
            self.state = State::Connecting(stream);
            return;
        }
        let _ = stream.set_nodelay(true);
        match self.request().and_then(|request| ClientHandshake::start(stream, request, Some(config()))) {
            Ok(half) => self.upgrade(half.handshake(), events),
            Err(error) => self.end(explain(&error), events),
        }
    }

    fn request(&self) -> Result<tungstenite::handshake::client::Request, Error> {
        let uri: Uri = format!("ws://{}/", self.target).parse().map_err(|_| Error::Utf8(String::new()))?;
        ClientRequestBuilder::new(uri).with_sub_protocol(subprotocol(self.wire_major)).into_client_request()
    }

    fn upgrade(
        &mut self,
        outcome: Result<
            (WebSocket<TcpStream>, tungstenite::handshake::client::Response),
            HandshakeError<ClientHandshake<TcpStream>>,
        >,
        events: &mut VecDeque<ClientEvent>,
    ) {
        match outcome {
            Ok((socket, _)) => {
                self.state = State::Open(Box::new(socket));
                events.push_back(ClientEvent::Connected { conn: self.id });
            }
            Err(HandshakeError::Interrupted(half)) => self.state = State::Upgrading(half),
            Err(HandshakeError::Failure(error)) => self.end(explain(&error), events),
        }
    }

    fn read(&mut self, now: Instant, events: &mut VecDeque<ClientEvent>) {
        while let State::Open(socket) = &mut self.state {
            let message = match socket.read() {
                Ok(message) => message,
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => return self.end(explain(&error), events),
            };
            match message {
                Message::Binary(bytes) => self.deliver(now, &bytes, events),
                Message::Close(frame) => return self.end(read_close(frame), events),
                _ => {}
            }
        }
    }

    fn deliver(&mut self, now: Instant, bytes: &Bytes, events: &mut VecDeque<ClientEvent>) {
        let conn = self.id;
        match bytes.first() {
            Some(&KIND_DATAGRAM) => {
                events.push_back(ClientEvent::Datagram { conn, bytes: bytes.slice(1..), arrived: now });
            }
            Some(&KIND_RECORD) => events.push_back(ClientEvent::Record { conn, bytes: bytes.slice(1..) }),
            _ => self.end(CloseReason::Protocol("message of an unknown kind".to_owned()), events),
        }
    }

    pub(crate) fn send_record(&mut self, record: &[u8]) -> bool {
        self.write(KIND_RECORD, record)
    }

    pub(crate) fn send_datagram(&mut self, bytes: &[u8]) -> bool {
        self.write(KIND_DATAGRAM, bytes)
    }

    fn write(&mut self, kind: u8, bytes: &[u8]) -> bool {
        let State::Open(socket) = &mut self.state else { return false };
        let mut message = Vec::with_capacity(1 + bytes.len());
        message.push(kind);
        message.extend_from_slice(bytes);
        self.touched = true;
        match socket.write(Message::Binary(message.into())) {
            Ok(()) => true,
            // Kept by tungstenite, and sent by a later flush.
            Err(Error::Io(error)) => error.kind() == io::ErrorKind::WouldBlock,
            Err(_) => false,
        }
    }

    pub(crate) fn flush(&mut self) {
        if let State::Open(socket) = &mut self.state {
            // An error shows on the read side as well, with its reason.
            self.touched =
                matches!(socket.flush(), Err(Error::Io(e)) if e.kind() == io::ErrorKind::WouldBlock);
        }
    }

    pub(crate) fn close(&mut self, events: &mut VecDeque<ClientEvent>) {
        self.end(CloseReason::Local(CloseCode::Done), events);
    }

    /// Says goodbye as far as the socket takes it, and lets go.
    fn end(&mut self, reason: CloseReason, events: &mut VecDeque<ClientEvent>) {
        if let State::Open(socket) = &mut self.state {
            let code = (STATUS_BASE + CloseCode::Done as u16).into();
            let _ = socket.close(Some(CloseFrame { code, reason: "".into() }));
        }
        self.state = State::Gone;
        if !std::mem::replace(&mut self.ended, true) {
            events.push_back(ClientEvent::Closed { conn: self.id, reason });
        }
    }
}

pub(crate) fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(4096)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BYTES_MAX)
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX))
}

pub(crate) fn read_close(frame: Option<CloseFrame>) -> CloseReason {
    let Some(frame) = frame else { return CloseReason::Peer { code: 1005, text: String::new() } };
    let code = u16::from(frame.code);
    let code = if code >= STATUS_BASE { code - STATUS_BASE } else { code };
    CloseReason::Peer { code: u32::from(code), text: shorten(frame.reason.as_bytes()) }
}

pub(crate) fn explain(error: &Error) -> CloseReason {
    match error {
        Error::Http(response) if response.headers().contains_key(MAJOR_HEADER) => CloseReason::WrongMajor,
        Error::Http(response) => {
            CloseReason::Protocol(format!("upgrade refused with HTTP {}", response.status()))
        }
        Error::Io(_) | Error::ConnectionClosed | Error::AlreadyClosed => CloseReason::Reset,
        Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => {
            CloseReason::Reset
        }
        other => CloseReason::Protocol(shorten(other.to_string().as_bytes())),
    }
}
