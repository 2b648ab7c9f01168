//! A zone before clients that mean harm: whatever a recording can hold goes into a world.

use engine::replay::bytes::Bytes;
use engine::replay::inputs;
use engine::{Content, DurableId, Input, World, ZoneConfig};
use netproto::input::InputPacket;
use netproto::{Acks, Command, Deed, Goal, Move};

const CONFIG: ZoneConfig = ZoneConfig {
    seed: 5,
    side_mm: 64_000,
    ticks_per_second: 20,
    players_max: 4,
    creatures: 4,
    spawn_radius_mm: 9_000,
    den_radius_mm: 9_000,
    sending: engine::Sending::News,
};
/// A small zone that takes whatever comes.
pub struct Zone(World);

impl Default for Zone {
    fn default() -> Self {
        Self(World::new(&CONFIG, Content::standard(CONFIG.ticks_per_second)))
    }
}

impl Zone {
    /// Lives a tick with the inputs that these bytes are; returns how many there were.
    ///
    /// # Panics
    /// If the world does not hold afterwards.
    pub fn live(&mut self, bytes: &[u8]) -> usize {
        let inputs = inputs::read(&mut Bytes::new(bytes)).unwrap_or_default();
        engine::tick(&mut self.0, &inputs);
        self.0.check();
        inputs.len()
    }

    /// The tick that was lived last.
    #[must_use]
    pub fn now(&self) -> u32 {
        self.0.now()
    }
}

/// Inputs around a tick, each of them alone: a player who comes, walks, strikes and goes.
#[must_use]
pub fn inputs_at(now: u32) -> Vec<Vec<u8>> {
    let player = DurableId { low: 1 + now % 3, high: 3 };
    let mut packet = InputPacket { tick: now + 1, n_commands: 1, ..InputPacket::default() };
    packet.acks = Acks { seen: now > 2, newest: now.saturating_sub(2) & 0xffff, before: 0x7fff };
    let deed = Deed {
        swing: true,
        area: now.is_multiple_of(5),
        shot: now.is_multiple_of(3),
        aim: now % 256,
        dash: false,
        reach_64mm: 30,
    };
    let movement = Move::Goal(Goal { x_mm: 30_000, y_mm: 20_000 + now % 9_000 });
    packet.commands[0] = Command { movement, deed: Some(deed) };
    let join = Input::Join { player, in_flight_max: 16, place: Some((20_000, 20_000)) };
    let walk = Input::Packet { player, margin_2ms: -90, packet };
    let all = [
        vec![join.clone()],
        vec![walk.clone()],
        vec![join, walk],
        vec![Input::Shed(7)],
        vec![Input::Leave { player }],
    ];
    let encoded = |inputs: &Vec<Input>| {
        let mut raw = Vec::new();
        inputs::write(&mut raw, inputs);
        raw
    };
    all.iter().map(encoded).collect()
}
