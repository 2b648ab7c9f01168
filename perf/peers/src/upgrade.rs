//! What both WebSocket servers share: the listener, the HTTP half, and which messages are inputs.

use crate::lines::say;
use crate::told::Ready;
use anyhow::Context;
use socket2::{Domain, Protocol, Socket, Type};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::handshake::machine::TryParse;
use tokio_tungstenite::tungstenite::handshake::server::{Request, create_response, write_response};
use tokio_tungstenite::tungstenite::http::HeaderValue;

/// Header that says what is spoken on top.
pub(crate) const PROTOCOL_HEADER: &str = "sec-websocket-protocol";
const BACKLOG: i32 = 1024;
const HEAD_BYTES_MAX: usize = 4096;

/// Opens a port and says which.
///
/// # Errors
/// As the system says.
pub(crate) fn listen() -> anyhow::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).context("cannot open a TCP socket")?;
    socket.listen(BACKLOG)?;
    let listener = TcpListener::from_std(socket.into())?;
    say(&Ready { addr: listener.local_addr()? })?;
    Ok(listener)
}

/// The next who knocks; what is sent to it leaves at once.
///
/// # Errors
/// As the system says.
pub(crate) async fn accept(listener: &TcpListener) -> anyhow::Result<TcpStream> {
    let (stream, _) = listener.accept().await.context("cannot accept")?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// What is spoken on top of the socket.
///
/// # Errors
/// Never: it is plain ASCII.
pub(crate) fn protocol(wire_major: u16) -> anyhow::Result<HeaderValue> {
    Ok(HeaderValue::from_str(&format!("arcane.{wire_major}"))?)
}

/// Reads the request and answers it. Source: RFC 6455, section 4.2.
///
/// # Errors
/// When it is none, or the connection breaks.
pub(crate) async fn upgrade(stream: &mut TcpStream, protocol: HeaderValue) -> anyhow::Result<()> {
    let mut head = Vec::new();
    let request = loop {
        anyhow::ensure!(stream.read_buf(&mut head).await? > 0, "the client has gone");
        if let Some((_, request)) = Request::try_parse(&head)? {
            break request;
        }
        anyhow::ensure!(head.len() < HEAD_BYTES_MAX, "the request has no end");
    };
    let mut response = create_response(&request)?;
    response.headers_mut().insert(PROTOCOL_HEADER, protocol);
    let mut out = Vec::new();
    write_response(&mut out, &response)?;
    stream.write_all(&out).await.context("the client has gone")
}
