//! quinn on tokio, with datagrams, TLS 1.3 by ring, AES-128-GCM first and a P-256 certificate: as our own server.

use crate::lines::say;
use crate::tick::{self, Client};
use crate::told::{Inputs, Ready};
use crate::{Settings, Shape};
use anyhow::Context;
use bytes::Bytes;
use quinn::congestion::{Controller, ControllerFactory};
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{
    AckFrequencyConfig, Connection, Endpoint, EndpointConfig, Incoming, ServerConfig, TokioRuntime,
    TransportConfig, VarInt,
};
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{cipher_suite, default_provider};
use rustls::pki_types::PrivatePkcs8KeyDer;
use socket2::{Domain, Protocol, Socket, Type};
use std::any::Any;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

/// As our own server has.
const RECEIVE_BUFFER_BYTES: usize = 16 << 20;
const SEND_BUFFER_BYTES: usize = 4 << 20;

/// Serves until the parent goes.
///
/// # Errors
/// When the socket cannot be had.
pub(crate) async fn run(shape: &Shape) -> anyhow::Result<()> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    if rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER_BYTES).is_err() {
        socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
    }
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).context("cannot open a UDP socket")?;
    let runtime = Arc::new(TokioRuntime);
    let endpoint = Endpoint::new(EndpointConfig::default(), Some(config(shape)?), socket.into(), runtime)?;
    say(&Ready { addr: endpoint.local_addr()? })?;
    let (inputs, (door, newcomers)) = (Inputs::default(), unbounded_channel());
    let counted = inputs.clone();
    tokio::spawn(async move {
        while let Some(incoming) = endpoint.accept().await {
            tokio::spawn(welcome(incoming, door.clone(), counted.clone()));
        }
    });
    tick::serve(shape, &inputs, newcomers).await
}

/// Lets one client in when it has said hello, and reads its inputs until it goes.
async fn welcome(incoming: Incoming, door: UnboundedSender<Connection>, inputs: Inputs) {
    let Ok(connection) = incoming.await else { return };
    let Ok((_answer, mut hello)) = connection.accept_bi().await else { return };
    if hello.read_chunk(64, true).await.is_err() || door.send(connection.clone()).is_err() {
        return;
    }
    while connection.read_datagram().await.is_ok() {
        inputs.count();
    }
}

impl Client for Connection {
    type Payload = Bytes;

    fn payload(bytes: &[u8]) -> Bytes {
        Bytes::copy_from_slice(bytes)
    }

    async fn send(&mut self, payload: &Bytes) -> bool {
        self.send_datagram(payload.clone()).is_ok()
    }
}

fn config(shape: &Shape) -> anyhow::Result<ServerConfig> {
    let certified = rcgen::generate_simple_self_signed(["arcane".to_owned()])?;
    let key = PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der());
    let provider = CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_AES_128_GCM_SHA256,
            cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
            cipher_suite::TLS13_AES_256_GCM_SHA384,
        ],
        ..default_provider()
    };
    let mut tls = rustls::ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key.into())?;
    tls.alpn_protocols = vec![format!("arcane/{}", shape.wire_major).into_bytes()];
    tls.send_tls13_tickets = 0;
    let mut config = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?));
    if shape.settings == Settings::Tuned {
        config.transport_config(Arc::new(tuned()));
    }
    Ok(config)
}

/// What our own server sets, as far as it is the library's to set.
fn tuned() -> TransportConfig {
    let mut acks = AckFrequencyConfig::default();
    acks.ack_eliciting_threshold(VarInt::from_u32(10)).max_ack_delay(Some(Duration::from_millis(100)));
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(1))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .stream_receive_window(VarInt::from_u32(16 * 1024))
        .receive_window(VarInt::from_u32(32 * 1024))
        .send_window(128 * 1024)
        .datagram_send_buffer_size(4096)
        .datagram_receive_buffer_size(Some(16 * 1024))
        .initial_mtu(1200)
        .mtu_discovery_config(None)
        .congestion_controller_factory(Arc::new(Unhurried))
        .ack_frequency_config(Some(acks))
        .allow_spin(false);
    transport
}

/// A window so wide that nothing is ever held back or paced, as our own server has it.
#[derive(Clone)]
struct Unhurried;

/// quinn leaves out its pacer only for windows beyond `u32::MAX`.
const WINDOW_BYTES: u64 = 1 << 40;

impl ControllerFactory for Unhurried {
    fn build(self: Arc<Self>, _now: Instant, _current_mtu: u16) -> Box<dyn Controller> {
        Box::new(Self)
    }
}

impl Controller for Unhurried {
    fn on_congestion_event(&mut self, _now: Instant, _sent: Instant, _persistent: bool, _lost_bytes: u64) {}

    fn on_mtu_update(&mut self, _new_mtu: u16) {}

    fn window(&self) -> u64 {
        WINDOW_BYTES
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn initial_window(&self) -> u64 {
        WINDOW_BYTES
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
