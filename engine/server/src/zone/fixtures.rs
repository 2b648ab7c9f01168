//! A small world for the tests of what surrounds one.

use engine::{Content, Sending, World, ZoneConfig};

/// One tile, whose players appear near its middle.
pub(crate) fn world(players_max: u32, creatures: u32) -> World {
    let config = ZoneConfig {
        seed: 1,
        side_mm: 65_536,
        ticks_per_second: 20,
        players_max,
        creatures,
        spawn_radius_mm: 5_000,
        den_radius_mm: 0,
        sending: Sending::EveryTick,
    };
    World::new(&config, Content::standard(20))
}
