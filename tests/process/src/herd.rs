//! Bots in a zone, from the real `arcanectl`.

use std::process::Stdio;

use crate::binary;
use crate::running::{self, Running};
use crate::zone::Zone;

/// Bots that play until dropped, half on QUIC and half on WebSocket.
pub struct Herd {
    _bots: Running,
}

impl Herd {
    /// Lets bots enter; they connect within a second.
    ///
    /// # Panics
    /// If `arcanectl` does not start.
    #[must_use]
    pub fn enter(zone: &Zone, n: u32) -> Self {
        let pin: String = zone.pin.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut command = running::command(binary::path("arcanectl"));
        command.args(["bots", "--to", &zone.listen.to_string(), "--n", &n.to_string(), "--pin", &pin]);
        command.args(["--transport", "mixed", "--seconds-to-connect", "1s", "--for", "10m"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self { _bots: Running::start(&mut command) }
    }
}
