//! A zone whose own socket overflows: now and then it stands still for a moment, while strangers throw more at it than a
//! receive buffer of `net.core.rmem_max` holds. What the kernel drops then is the zone's fault, and not that of any path.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use badnet::cases::{Case, Way};

use crate::zone::Zone;

/// What Linux allows unless somebody has raised it. The kernel doubles it, and a small packet takes 768 of it.
pub const RMEM_MAX: usize = 212_992;
/// More than three times what such a buffer holds.
const BURST: usize = 2_000;
/// The zone stands still for a tick and a little, so some packets of every player come to a full buffer.
const STILL: Duration = Duration::from_millis(60);
const EVERY: Duration = Duration::from_millis(400);

/// Players' network is good; the zone's ear is not.
pub struct Deaf {
    zone: Arc<Zone>,
    is_over: Arc<AtomicBool>,
    thrower: Option<JoinHandle<()>>,
}

impl Deaf {
    /// A zone that hears well until it is made worse.
    #[must_use]
    pub fn new(zone: Arc<Zone>) -> Self {
        Self { zone, is_over: Arc::default(), thrower: None }
    }

    fn stop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // A panic of its own has been printed.
        let _ = self.thrower.take().map(JoinHandle::join);
    }
}

impl Way for Deaf {
    fn addr(&self) -> SocketAddr {
        self.zone.listen
    }
    fn worsen(&mut self, _case: &Case) {
        self.is_over = Arc::default();
        let (zone, is_over) = (Arc::clone(&self.zone), Arc::clone(&self.is_over));
        self.thrower = Some(std::thread::spawn(move || throw(&zone, &is_over)));
    }
    fn mend(&mut self, _case: &Case) {
        self.stop();
    }
}

impl Drop for Deaf {
    fn drop(&mut self) {
        self.stop();
    }
}

fn throw(zone: &Zone, is_over: &AtomicBool) {
    let stranger = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    while !is_over.load(Ordering::Relaxed) {
        zone.signal("STOP");
        for _ in 0..BURST {
            // One that does not leave is one that the zone need not drop.
            let _ = stranger.send_to(&[0; 64], zone.listen);
        }
        std::thread::sleep(STILL);
        zone.signal("CONT");
        std::thread::sleep(EVERY);
    }
}
