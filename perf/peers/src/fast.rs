//! fastwebsockets on tokio. It has nothing to tune for this traffic: small messages are written in one piece anyway.

use crate::Shape;
use crate::tick::{self, Client, KIND_DATAGRAM};
use crate::told::Inputs;
use crate::upgrade::{accept, listen, protocol, upgrade};
use fastwebsockets::{Frame, OpCode, Payload, Role, WebSocketError, WebSocketWrite, after_handshake_split};
use std::convert::Infallible;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

type Writer = WebSocketWrite<OwnedWriteHalf>;

/// Serves until the parent goes.
///
/// # Errors
/// When the socket cannot be had.
pub(crate) async fn run(shape: &Shape) -> anyhow::Result<()> {
    let (listener, wire_major) = (listen()?, shape.wire_major);
    let (inputs, (door, newcomers)) = (Inputs::default(), unbounded_channel());
    let counted = inputs.clone();
    tokio::spawn(async move {
        while let Ok(stream) = accept(&listener).await {
            tokio::spawn(welcome(stream, wire_major, door.clone(), counted.clone()));
        }
    });
    tick::serve(shape, &inputs, newcomers).await
}

/// Lets one client in when it has said hello, and reads its inputs until it goes.
async fn welcome(
    mut stream: TcpStream,
    wire_major: u16,
    door: UnboundedSender<Writer>,
    inputs: Inputs,
) -> anyhow::Result<()> {
    upgrade(&mut stream, protocol(wire_major)?).await?;
    let (read, write) = stream.into_split();
    let (mut reader, writer) = after_handshake_split(read, write, Role::Server);
    let mut waiting = Some(writer);
    // Our clients neither ping nor close while they are measured.
    let mut answer = async |_: Frame<'_>| Ok::<(), Infallible>(());
    loop {
        let frame = reader.read_frame(&mut answer).await?;
        match (frame.opcode, frame.payload.first()) {
            (OpCode::Binary, Some(&KIND_DATAGRAM)) => inputs.count(),
            (OpCode::Binary, _) => {
                if let Some(writer) = waiting.take() {
                    door.send(writer).map_err(|_| WebSocketError::ConnectionClosed)?;
                }
            }
            _ => {}
        }
    }
}

impl Client for Writer {
    type Payload = Vec<u8>;

    fn payload(bytes: &[u8]) -> Vec<u8> {
        [&[KIND_DATAGRAM], bytes].concat()
    }

    async fn send(&mut self, payload: &Vec<u8>) -> bool {
        // A write only waits when the client has not read for many ticks, which ours do.
        self.write_frame(Frame::binary(Payload::Borrowed(payload))).await.is_ok()
    }
}
