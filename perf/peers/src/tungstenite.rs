//! tokio-tungstenite, as it comes or with buffers of the size of this traffic.

use crate::tick::{self, Client, KIND_DATAGRAM};
use crate::told::Inputs;
use crate::upgrade::{PROTOCOL_HEADER, accept, listen, protocol};
use crate::{Settings, Shape};
use bytes::Bytes;
use futures_util::stream::SplitSink;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};

type Writer = SplitSink<WebSocketStream<TcpStream>, Message>;

/// Serves until the parent goes.
///
/// # Errors
/// When the socket cannot be had.
pub(crate) async fn run(shape: &Shape) -> anyhow::Result<()> {
    let (listener, config, spoken) = (listen()?, config(shape.settings), protocol(shape.wire_major)?);
    let (inputs, (door, newcomers)) = (Inputs::default(), unbounded_channel());
    let counted = inputs.clone();
    tokio::spawn(async move {
        while let Ok(stream) = accept(&listener).await {
            tokio::spawn(welcome(stream, config, spoken.clone(), door.clone(), counted.clone()));
        }
    });
    tick::serve(shape, &inputs, newcomers).await
}

fn config(settings: Settings) -> WebSocketConfig {
    let config = WebSocketConfig::default();
    match settings {
        Settings::Default => config,
        Settings::Tuned => {
            config.read_buffer_size(2048).write_buffer_size(0).max_write_buffer_size(64 * 1024)
        }
    }
}

/// Lets one client in when it has said hello, and reads its inputs until it goes.
async fn welcome(
    stream: TcpStream,
    config: WebSocketConfig,
    spoken: HeaderValue,
    door: UnboundedSender<Writer>,
    inputs: Inputs,
) -> anyhow::Result<()> {
    // The type of a refusal is the library's.
    #[allow(clippy::result_large_err)]
    let answer = |_: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        response.headers_mut().insert(PROTOCOL_HEADER, spoken);
        Ok(response)
    };
    let socket = accept_hdr_async_with_config(stream, answer, Some(config)).await?;
    let (writer, mut reader) = socket.split();
    let mut waiting = Some(writer);
    while let Some(message) = reader.next().await {
        match message? {
            Message::Binary(bytes) if bytes.first() == Some(&KIND_DATAGRAM) => inputs.count(),
            Message::Binary(_) => {
                if let Some(writer) = waiting.take() {
                    door.send(writer).map_err(|_| anyhow::anyhow!("the server is going"))?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

impl Client for Writer {
    type Payload = Bytes;

    fn payload(bytes: &[u8]) -> Bytes {
        [&[KIND_DATAGRAM], bytes].concat().into()
    }

    async fn send(&mut self, payload: &Bytes) -> bool {
        // A write only waits when the client has not read for many ticks, which ours do.
        SinkExt::send(self, Message::Binary(payload.clone())).await.is_ok()
    }
}
