//! The loop of every server here: 20 times a second, or as often as asked, one payload to each client.
//!
//! Sending is done in the loop itself, without a channel or a wake-up per connection: the cheapest way that these
//! libraries offer. Reading is done by one task per connection, as they all mean it.

use crate::Shape;
use crate::lines::{orders, say};
use crate::told::{Inputs, Mark};
use std::sync::mpsc::TryRecvError;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{MissedTickBehavior, interval};

/// First byte of a message on a WebSocket; QUIC has datagrams and streams for the two. Source: docs/PROTOCOL.md
/// "Framing".
pub(crate) const KIND_DATAGRAM: u8 = 0;

/// Somebody to send to.
pub(crate) trait Client {
    /// What is sent: kept for all clients of a tick, as cheap to hand out as the library allows.
    type Payload;
    /// Makes it.
    fn payload(bytes: &[u8]) -> Self::Payload;
    /// Sends it; false when the connection is over.
    fn send(&mut self, payload: &Self::Payload) -> impl Future<Output = bool>;
}

/// Sends until the parent goes.
///
/// # Errors
/// When the kernel does not tell what was used.
pub(crate) async fn serve<C: Client>(
    shape: &Shape,
    inputs: &Inputs,
    mut newcomers: UnboundedReceiver<C>,
) -> anyhow::Result<()> {
    let mut clients: Vec<C> = Vec::with_capacity(shape.n_clients);
    let (orders, mut bytes) = (orders(), vec![0x5a; shape.payload_bytes]);
    let (mut is_sending, mut n_ticks, mut n_out) = (false, 0u64, 0);
    let mut ticks = interval(Duration::from_secs(1) / shape.hz);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        loop {
            match orders.try_recv() {
                Ok(order) if order == "go" => is_sending = true,
                Ok(_) => say(&Mark::now(n_ticks, n_out, inputs, clients.len())?)?,
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Ok(()),
            }
        }
        n_ticks += 1;
        while let Ok(client) = newcomers.try_recv() {
            clients.push(client);
        }
        if is_sending {
            stamp(&mut bytes, n_ticks);
            let payload = C::payload(&bytes);
            for client in &mut clients {
                n_out += u64::from(client.send(&payload).await);
            }
        }
    }
}

/// No two ticks send the same.
fn stamp(bytes: &mut [u8], n_ticks: u64) {
    for (byte, stamp) in bytes.iter_mut().zip(n_ticks.to_le_bytes()) {
        *byte = stamp;
    }
}
