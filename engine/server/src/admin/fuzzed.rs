//! What the admin page reads of requests by itself, opened for the targets in `tests/fuzz`: nothing else calls it.

use super::{guard, spectate};

/// Reads the query of a spectator: west, north, east and south of the rectangle, in mm.
#[must_use]
pub fn rectangle(query: &str) -> Option<[i32; 4]> {
    let lens = spectate::lens(query).ok()?;
    Some([lens.west_mm, lens.north_mm, lens.east_mm, lens.south_mm])
}

/// Whether a Host header names loopback.
#[must_use]
pub fn is_loopback_name(host: &str) -> bool {
    guard::is_loopback_name(host)
}
