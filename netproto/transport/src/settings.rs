//! The settings of TLS and QUIC, each with the reason it is not the default.
use crate::cert::Identity;
use crate::cid::MarkedCids;
use crate::controller::UnhurriedFactory;
use crate::limits::{Limits, UDP_BYTES};
use crate::session::Sessions;
use quinn_proto::crypto::rustls::QuicClientConfig;
use quinn_proto::{
    AckFrequencyConfig, ClientConfig, EndpointConfig, IdleTimeout, ServerConfig, TransportConfig, VarInt,
};
use ring::hmac;
use rustls::crypto::CryptoProvider;
use std::sync::Arc;
use std::time::Duration;

/// Frames are keep-newest: older ones waiting beyond this are dropped, not sent late.
const DATAGRAM_SEND_BYTES: usize = 4096;
/// At most ten packets, or this long, before the other side acknowledges on its own.
const ACK_DELAY: Duration = Duration::from_millis(100);
const ACK_AFTER_PACKETS: u32 = 10;
/// What a client takes for a round trip before it knows: a lost first packet is sent again after three of them, and a
/// player who comes back through a network that just healed should not wait a second for that.
const FIRST_RTT: Duration = Duration::from_millis(100);
/// Lobbies are quiet; this stays well under the idle timeout.
const KEEP_ALIVE: Duration = Duration::from_secs(4);

/// What both sides say in the TLS handshake; a different major ends the handshake.
pub(crate) fn alpn(wire_major: u16) -> Vec<u8> {
    format!("arcane/{wire_major}").into_bytes()
}

/// The same for WebSocket.
pub(crate) fn subprotocol(wire_major: u16) -> String {
    format!("arcane.{wire_major}")
}

/// AES-128 first: half the cost of ChaCha20 where the CPU has AES, and QUIC's first keys need it anyway.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    use rustls::crypto::ring::cipher_suite as suite;
    Arc::new(CryptoProvider {
        cipher_suites: vec![
            suite::TLS13_AES_128_GCM_SHA256,
            suite::TLS13_CHACHA20_POLY1305_SHA256,
            suite::TLS13_AES_256_GCM_SHA384,
        ],
        ..rustls::crypto::ring::default_provider()
    })
}

/// Settings of the server's endpoint: what must outlive the process is taken from the identity.
pub(crate) fn server_endpoint(identity: &Identity) -> EndpointConfig {
    let reset = identity.reset();
    let mut config = EndpointConfig::new(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, &reset.hmac)));
    let cid_key = reset.cid;
    config
        .cid_generator(move || Box::new(MarkedCids::new(&cid_key)))
        .supported_versions(vec![1])
        // A restarted zone must answer thousands of old connections within a tick or two. The keyed connection
        // ids keep strangers from asking for resets, and a reset is always smaller than what asked for it.
        .min_reset_interval(Duration::from_micros(50));
    config
}

/// Server side of TLS and QUIC for one wire major.
///
/// # Errors
/// When the certificate and key do not fit together.
pub(crate) fn server(
    identity: &Identity,
    wire_major: u16,
    limits: &Limits,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let sessions = Sessions::new(server_tls(identity, wire_major)?);
    let mut config = ServerConfig::with_crypto(Arc::new(sessions));
    config
        .transport_config(Arc::new(server_transport(limits)))
        .migration(true)
        .max_incoming(limits.half_open_max)
        .incoming_buffer_size(16 * 1024)
        .incoming_buffer_size_total(4 << 20);
    Ok(Arc::new(config))
}

/// TLS of a server.
pub(crate) fn server_tls(
    identity: &Identity,
    wire_major: u16,
) -> Result<rustls::ServerConfig, rustls::Error> {
    let mut tls = rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![identity.certificate()], identity.private_key())?;
    tls.alpn_protocols = vec![alpn(wire_major)];
    // No resumption, hence no 0-RTT: a replayed hello must not exist.
    tls.send_tls13_tickets = 0;
    tls.max_early_data_size = 0;
    Ok(tls)
}

fn server_transport(limits: &Limits) -> TransportConfig {
    let mut transport = common_transport(limits.idle_timeout);
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(1))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        // Inputs and records are small; a stranger gets no room to make us hold bytes.
        .stream_receive_window(VarInt::from_u32(16 * 1024))
        .receive_window(VarInt::from_u32(32 * 1024))
        .datagram_receive_buffer_size(Some(16 * 1024))
        .send_window(128 * 1024);
    transport
}

/// Client side of TLS and QUIC.
///
/// # Errors
/// When the TLS settings do not fit together: our bug.
pub(crate) fn client(
    verifier: Arc<dyn rustls::client::danger::ServerCertVerifier>,
    wire_major: u16,
) -> Result<ClientConfig, rustls::Error> {
    let tls = client_tls(verifier, wire_major)?;
    let crypto = QuicClientConfig::try_from(tls).expect("the provider lists AES-128-GCM");
    let mut config = ClientConfig::new(Arc::new(crypto));
    let mut transport = common_transport(Duration::from_secs(10));
    transport
        .initial_rtt(FIRST_RTT)
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .stream_receive_window(VarInt::from_u32(128 * 1024))
        .receive_window(VarInt::from_u32(128 * 1024))
        .datagram_receive_buffer_size(Some(64 * 1024))
        .send_window(64 * 1024)
        .keep_alive_interval(Some(KEEP_ALIVE));
    config.transport_config(Arc::new(transport));
    Ok(config)
}

/// TLS of a client.
pub(crate) fn client_tls(
    verifier: Arc<dyn rustls::client::danger::ServerCertVerifier>,
    wire_major: u16,
) -> Result<rustls::ClientConfig, rustls::Error> {
    let mut tls = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    tls.alpn_protocols = vec![alpn(wire_major)];
    tls.resumption = rustls::client::Resumption::disabled();
    Ok(tls)
}

fn common_transport(idle_timeout: Duration) -> TransportConfig {
    let mut acks = AckFrequencyConfig::default();
    acks.ack_eliciting_threshold(VarInt::from_u32(ACK_AFTER_PACKETS)).max_ack_delay(Some(ACK_DELAY));
    let mut transport = TransportConfig::default();
    transport
        .max_idle_timeout(Some(
            IdleTimeout::try_from(idle_timeout).expect("idle timeouts are seconds, not aeons"),
        ))
        .datagram_send_buffer_size(DATAGRAM_SEND_BYTES)
        .initial_mtu(UDP_BYTES)
        // Probes up to 1,452 bytes are of no use to frames that end at 1,100.
        .mtu_discovery_config(None)
        .congestion_controller_factory(Arc::new(UnhurriedFactory))
        .ack_frequency_config(Some(acks))
        .enable_segmentation_offload(false)
        .allow_spin(false);
    transport
}
