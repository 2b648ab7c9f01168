//! Bots in a zone, from the real `arcanectl`.

use std::process::{Child, Command, Stdio};

use crate::binary;
use crate::zone::Zone;

/// Bots that play until dropped, half on QUIC and half on WebSocket.
pub struct Herd(Child);

impl Herd {
    /// Lets bots enter; they connect within a second.
    ///
    /// # Panics
    /// If `arcanectl` does not start.
    #[must_use]
    pub fn enter(zone: &Zone, n: u32) -> Self {
        let pin: String = zone.pin.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut command = Command::new(binary::path("arcanectl"));
        command.args(["bots", "--to", &zone.listen.to_string(), "--n", &n.to_string(), "--pin", &pin]);
        command.args(["--transport", "mixed", "--seconds-to-connect", "1s", "--for", "10m"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().expect("arcanectl starts"))
    }
}

impl Drop for Herd {
    fn drop(&mut self) {
        // Both fail only when the process is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
