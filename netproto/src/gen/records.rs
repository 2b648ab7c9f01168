//! Generated from `netproto/schema/*.toml` by `cargo run -p arcanectl -- proto gen`: do not edit.
//!
//! Tagged records of the reliable stream.

use super::tagged::{Fields, put_bytes, put_list, put_number};
use crate::DecodeError;

/// Answer to the hello: who you are and where.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Welcome {
    /// Durable id, low half; opaque.
    pub durable_low: u32,
    /// Durable id, high half; opaque.
    pub durable_high: u32,
    /// EntityId of the own body.
    pub entity: u32,
    /// Tick in which the body joined.
    ///
    /// - Units: ticks.
    pub tick: u32,
    /// Fixed rate of this zone.
    pub ticks_per_second: u32,
    /// Side of the zone's square.
    ///
    /// - Units: mm.
    pub side_mm: u32,
    /// Hash of the wall bitmap, as in the hello.
    pub wall_hash: u64,
    /// Hash of the content tables, as in the hello.
    pub content_hash: u64,
    /// Secret: whoever shows it is this player. Rotated on use. At most 32 bytes.
    pub resume_token: Vec<u8>,
    /// The hello's token was good: same player, same body.
    pub resumed: bool,
    /// The zone's movement kernel.
    pub kernel_version: u32,
    /// Wire epoch that the zone will speak.
    pub epoch: u32,
}

impl std::fmt::Debug for Welcome {
    /// Secrets stay out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Welcome")
            .field("durable_low", &self.durable_low)
            .field("durable_high", &self.durable_high)
            .field("entity", &self.entity)
            .field("tick", &self.tick)
            .field("ticks_per_second", &self.ticks_per_second)
            .field("side_mm", &self.side_mm)
            .field("wall_hash", &self.wall_hash)
            .field("content_hash", &self.content_hash)
            .field("resume_token", &format_args!(".."))
            .field("resumed", &self.resumed)
            .field("kernel_version", &self.kernel_version)
            .field("epoch", &self.epoch)
            .finish()
    }
}

impl Welcome {
    /// First byte.
    pub const OPCODE: u8 = 1;

    /// Appends opcode and fields; fields at their default are left out.
    ///
    /// # Panics
    /// If a field is longer than its bound: our bug.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(Self::OPCODE);
        put_number(out, 1, u64::from(self.durable_low));
        put_number(out, 2, u64::from(self.durable_high));
        put_number(out, 3, u64::from(self.entity));
        put_number(out, 4, u64::from(self.tick));
        put_number(out, 5, u64::from(self.ticks_per_second));
        put_number(out, 6, u64::from(self.side_mm));
        put_number(out, 7, self.wall_hash);
        put_number(out, 8, self.content_hash);
        assert!(self.resume_token.len() <= 32, "Welcome.resume_token is too long");
        put_bytes(out, 9, &self.resume_token);
        put_number(out, 10, u64::from(self.resumed));
        put_number(out, 11, u64::from(self.kernel_version));
        put_number(out, 12, u64::from(self.epoch));
    }

    /// Reads a whole record, opcode first; unknown fields are skipped, missing ones are default.
    ///
    /// # Errors
    /// When the record rules are broken or a value is outside its bounds.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut fields = Fields::new(bytes, Self::OPCODE)?;
        let mut value = Self::default();
        while let Some(id) = fields.next_id()? {
            match id {
                1 => value.durable_low = fields.u32()?,
                2 => value.durable_high = fields.u32()?,
                3 => value.entity = fields.u32()?,
                4 => value.tick = fields.u32()?,
                5 => value.ticks_per_second = fields.u32()?,
                6 => value.side_mm = fields.u32()?,
                7 => value.wall_hash = fields.u64()?,
                8 => value.content_hash = fields.u64()?,
                9 => value.resume_token = fields.bytes(32)?,
                10 => value.resumed = fields.bool()?,
                11 => value.kernel_version = fields.u32()?,
                12 => value.epoch = fields.u32()?,
                _ => {}
            }
        }
        Ok(value)
    }
}

/// Last record before a close.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// A value of Refusal.
    pub reason: u32,
    /// For a person; on an epoch refusal it shows the difference. At most 1000 bytes.
    pub text: String,
}

impl Refused {
    /// First byte.
    pub const OPCODE: u8 = 2;

    /// Appends opcode and fields; fields at their default are left out.
    ///
    /// # Panics
    /// If a field is longer than its bound: our bug.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(Self::OPCODE);
        put_number(out, 1, u64::from(self.reason));
        assert!(self.text.len() <= 1000, "Refused.text is too long");
        put_bytes(out, 2, self.text.as_bytes());
    }

    /// Reads a whole record, opcode first; unknown fields are skipped, missing ones are default.
    ///
    /// # Errors
    /// When the record rules are broken or a value is outside its bounds.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut fields = Fields::new(bytes, Self::OPCODE)?;
        let mut value = Self::default();
        while let Some(id) = fields.next_id()? {
            match id {
                1 => value.reason = fields.u32()?,
                2 => value.text = fields.text(1000)?,
                _ => {}
            }
        }
        Ok(value)
    }
}

/// Part of the wall bitmap: whole tiles of 512 bytes in row order, one lz4 block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Walls {
    /// The bitmap is this many tiles wide and high.
    pub tiles_per_side: u32,
    /// First tile of this part.
    pub first_tile: u32,
    /// Tiles in this part.
    pub n_tiles: u32,
    /// One lz4 block of n_tiles x 512 bytes. At most 65000 bytes.
    pub lz4: Vec<u8>,
}

impl Walls {
    /// First byte.
    pub const OPCODE: u8 = 3;

    /// Appends opcode and fields; fields at their default are left out.
    ///
    /// # Panics
    /// If a field is longer than its bound: our bug.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(Self::OPCODE);
        put_number(out, 1, u64::from(self.tiles_per_side));
        put_number(out, 2, u64::from(self.first_tile));
        put_number(out, 3, u64::from(self.n_tiles));
        assert!(self.lz4.len() <= 65000, "Walls.lz4 is too long");
        put_bytes(out, 4, &self.lz4);
    }

    /// Reads a whole record, opcode first; unknown fields are skipped, missing ones are default.
    ///
    /// # Errors
    /// When the record rules are broken or a value is outside its bounds.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut fields = Fields::new(bytes, Self::OPCODE)?;
        let mut value = Self::default();
        while let Some(id) = fields.next_id()? {
            match id {
                1 => value.tiles_per_side = fields.u32()?,
                2 => value.first_tile = fields.u32()?,
                3 => value.n_tiles = fields.u32()?,
                4 => value.lz4 = fields.bytes(65000)?,
                _ => {}
            }
        }
        Ok(value)
    }
}

/// Answer to a goal: where both movement kernels walk from the effective tick on. Of goals that come faster than every 4 ticks only the newest is answered; until then both walk straight.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path {
    /// Tick of the command that set the goal.
    ///
    /// - Units: ticks.
    pub goal_tick: u32,
    /// First tick that follows the path; at least 2 ticks ahead.
    ///
    /// - Units: ticks.
    pub effective_tick: u32,
    /// Waypoints east; empty: no way, stop. At most 16 values.
    ///
    /// - Units: mm.
    pub x_mm: Vec<u32>,
    /// Waypoints south. At most 16 values.
    ///
    /// - Units: mm.
    pub y_mm: Vec<u32>,
}

impl Path {
    /// First byte.
    pub const OPCODE: u8 = 4;

    /// Appends opcode and fields; fields at their default are left out.
    ///
    /// # Panics
    /// If a field is longer than its bound: our bug.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(Self::OPCODE);
        put_number(out, 1, u64::from(self.goal_tick));
        put_number(out, 2, u64::from(self.effective_tick));
        assert!(self.x_mm.len() <= 16, "Path.x_mm is too long");
        put_list(out, 3, &self.x_mm);
        assert!(self.y_mm.len() <= 16, "Path.y_mm is too long");
        put_list(out, 4, &self.y_mm);
    }

    /// Reads a whole record, opcode first; unknown fields are skipped, missing ones are default.
    ///
    /// # Errors
    /// When the record rules are broken or a value is outside its bounds.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut fields = Fields::new(bytes, Self::OPCODE)?;
        let mut value = Self::default();
        while let Some(id) = fields.next_id()? {
            match id {
                1 => value.goal_tick = fields.u32()?,
                2 => value.effective_tick = fields.u32()?,
                3 => value.x_mm = fields.list_u32(16)?,
                4 => value.y_mm = fields.list_u32(16)?,
                _ => {}
            }
        }
        Ok(value)
    }
}

/// Something the player should read, such as the zone going down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notice {
    /// When it was said.
    ///
    /// - Units: ticks.
    pub tick: u32,
    /// For a person. At most 400 bytes.
    pub text: String,
}

impl Notice {
    /// First byte.
    pub const OPCODE: u8 = 5;

    /// Appends opcode and fields; fields at their default are left out.
    ///
    /// # Panics
    /// If a field is longer than its bound: our bug.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(Self::OPCODE);
        put_number(out, 1, u64::from(self.tick));
        assert!(self.text.len() <= 400, "Notice.text is too long");
        put_bytes(out, 2, self.text.as_bytes());
    }

    /// Reads a whole record, opcode first; unknown fields are skipped, missing ones are default.
    ///
    /// # Errors
    /// When the record rules are broken or a value is outside its bounds.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut fields = Fields::new(bytes, Self::OPCODE)?;
        let mut value = Self::default();
        while let Some(id) = fields.next_id()? {
            match id {
                1 => value.tick = fields.u32()?,
                2 => value.text = fields.text(400)?,
                _ => {}
            }
        }
        Ok(value)
    }
}

/// How long ticks will take: a zone that has too much to do stretches them, to twice their length at most, and says so before. Holds until the next one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// The first tick that takes so long: the one behind it begins that much later.
    ///
    /// - Units: ticks.
    pub tick: u32,
    /// Time from one tick to the next; never below what ticks_per_second says, nor above twice that.
    ///
    /// - Units: us.
    pub period_us: u32,
}

impl Pace {
    /// First byte.
    pub const OPCODE: u8 = 6;

    /// Appends opcode and fields; fields at their default are left out.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(Self::OPCODE);
        put_number(out, 1, u64::from(self.tick));
        put_number(out, 2, u64::from(self.period_us));
    }

    /// Reads a whole record, opcode first; unknown fields are skipped, missing ones are default.
    ///
    /// # Errors
    /// When the record rules are broken or a value is outside its bounds.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut fields = Fields::new(bytes, Self::OPCODE)?;
        let mut value = Self::default();
        while let Some(id) = fields.next_id()? {
            match id {
                1 => value.tick = fields.u32()?,
                2 => value.period_us = fields.u32()?,
                _ => {}
            }
        }
        Ok(value)
    }
}

/// What became of an order. Once it says Done, no crash undoes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Number that the client gave the order.
    pub request: u32,
    /// A value of Outcome.
    pub outcome: u32,
    /// When it was decided.
    ///
    /// - Units: ticks.
    pub tick: u32,
}

impl Answer {
    /// First byte.
    pub const OPCODE: u8 = 7;

    /// Appends opcode and fields; fields at their default are left out.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(Self::OPCODE);
        put_number(out, 1, u64::from(self.request));
        put_number(out, 2, u64::from(self.outcome));
        put_number(out, 3, u64::from(self.tick));
    }

    /// Reads a whole record, opcode first; unknown fields are skipped, missing ones are default.
    ///
    /// # Errors
    /// When the record rules are broken or a value is outside its bounds.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut fields = Fields::new(bytes, Self::OPCODE)?;
        let mut value = Self::default();
        while let Some(id) = fields.next_id()? {
            match id {
                1 => value.request = fields.u32()?,
                2 => value.outcome = fields.u32()?,
                3 => value.tick = fields.u32()?,
                _ => {}
            }
        }
        Ok(value)
    }
}

/// All that the player owns, whenever some of it has changed. Thing 0 is gold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Purse {
    /// As of the end of this tick.
    ///
    /// - Units: ticks.
    pub tick: u32,
    /// The newest request that the zone has heard of this player: the next one has a higher number.
    pub request: u32,
    /// What there is some of. At most 17 values.
    pub thing: Vec<u32>,
    /// How many of each. At most 17 values.
    pub count: Vec<u32>,
    /// Captured creatures: durable ids, low halves. At most 8 values.
    pub beast_low: Vec<u32>,
    /// High halves. At most 8 values.
    pub beast_high: Vec<u32>,
    /// A value of Kind for each. At most 8 values.
    pub beast_kind: Vec<u32>,
}

impl Purse {
    /// First byte.
    pub const OPCODE: u8 = 8;

    /// Appends opcode and fields; fields at their default are left out.
    ///
    /// # Panics
    /// If a field is longer than its bound: our bug.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(Self::OPCODE);
        put_number(out, 1, u64::from(self.tick));
        put_number(out, 2, u64::from(self.request));
        assert!(self.thing.len() <= 17, "Purse.thing is too long");
        put_list(out, 3, &self.thing);
        assert!(self.count.len() <= 17, "Purse.count is too long");
        put_list(out, 4, &self.count);
        assert!(self.beast_low.len() <= 8, "Purse.beast_low is too long");
        put_list(out, 5, &self.beast_low);
        assert!(self.beast_high.len() <= 8, "Purse.beast_high is too long");
        put_list(out, 6, &self.beast_high);
        assert!(self.beast_kind.len() <= 8, "Purse.beast_kind is too long");
        put_list(out, 7, &self.beast_kind);
    }

    /// Reads a whole record, opcode first; unknown fields are skipped, missing ones are default.
    ///
    /// # Errors
    /// When the record rules are broken or a value is outside its bounds.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut fields = Fields::new(bytes, Self::OPCODE)?;
        let mut value = Self::default();
        while let Some(id) = fields.next_id()? {
            match id {
                1 => value.tick = fields.u32()?,
                2 => value.request = fields.u32()?,
                3 => value.thing = fields.list_u32(17)?,
                4 => value.count = fields.list_u32(17)?,
                5 => value.beast_low = fields.list_u32(8)?,
                6 => value.beast_high = fields.list_u32(8)?,
                7 => value.beast_kind = fields.list_u32(8)?,
                _ => {}
            }
        }
        Ok(value)
    }
}

/// All that lies on the ground near the player and may be picked up by it, nearest first; within two seconds when that has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drops {
    /// As of the end of this tick.
    ///
    /// - Units: ticks.
    pub tick: u32,
    /// Durable ids, low halves. At most 16 values.
    pub low: Vec<u32>,
    /// High halves. At most 16 values.
    pub high: Vec<u32>,
    /// What it is. At most 16 values.
    pub thing: Vec<u32>,
    /// How many. At most 16 values.
    pub count: Vec<u32>,
    /// Where it lies, east. At most 16 values.
    ///
    /// - Units: mm.
    pub x_mm: Vec<u32>,
    /// South. At most 16 values.
    ///
    /// - Units: mm.
    pub y_mm: Vec<u32>,
}

impl Drops {
    /// First byte.
    pub const OPCODE: u8 = 9;

    /// Appends opcode and fields; fields at their default are left out.
    ///
    /// # Panics
    /// If a field is longer than its bound: our bug.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(Self::OPCODE);
        put_number(out, 1, u64::from(self.tick));
        assert!(self.low.len() <= 16, "Drops.low is too long");
        put_list(out, 2, &self.low);
        assert!(self.high.len() <= 16, "Drops.high is too long");
        put_list(out, 3, &self.high);
        assert!(self.thing.len() <= 16, "Drops.thing is too long");
        put_list(out, 4, &self.thing);
        assert!(self.count.len() <= 16, "Drops.count is too long");
        put_list(out, 5, &self.count);
        assert!(self.x_mm.len() <= 16, "Drops.x_mm is too long");
        put_list(out, 6, &self.x_mm);
        assert!(self.y_mm.len() <= 16, "Drops.y_mm is too long");
        put_list(out, 7, &self.y_mm);
    }

    /// Reads a whole record, opcode first; unknown fields are skipped, missing ones are default.
    ///
    /// # Errors
    /// When the record rules are broken or a value is outside its bounds.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut fields = Fields::new(bytes, Self::OPCODE)?;
        let mut value = Self::default();
        while let Some(id) = fields.next_id()? {
            match id {
                1 => value.tick = fields.u32()?,
                2 => value.low = fields.list_u32(16)?,
                3 => value.high = fields.list_u32(16)?,
                4 => value.thing = fields.list_u32(16)?,
                5 => value.count = fields.list_u32(16)?,
                6 => value.x_mm = fields.list_u32(16)?,
                7 => value.y_mm = fields.list_u32(16)?,
                _ => {}
            }
        }
        Ok(value)
    }
}

/// Somebody offers a trade. Both halves change hands together when it is accepted, or none does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offered {
    /// Number to answer it with.
    pub offer: u32,
    /// EntityId of whoever offers.
    pub from: u32,
    /// It can be accepted before this tick.
    ///
    /// - Units: ticks.
    pub ends_at: u32,
    /// What the other gives. At most 4 values.
    pub give_thing: Vec<u32>,
    /// How many of each. At most 4 values.
    pub give_count: Vec<u32>,
    /// What the other wants for it. At most 4 values.
    pub want_thing: Vec<u32>,
    /// How many of each. At most 4 values.
    pub want_count: Vec<u32>,
}

impl Offered {
    /// First byte.
    pub const OPCODE: u8 = 10;

    /// Appends opcode and fields; fields at their default are left out.
    ///
    /// # Panics
    /// If a field is longer than its bound: our bug.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(Self::OPCODE);
        put_number(out, 1, u64::from(self.offer));
        put_number(out, 2, u64::from(self.from));
        put_number(out, 3, u64::from(self.ends_at));
        assert!(self.give_thing.len() <= 4, "Offered.give_thing is too long");
        put_list(out, 4, &self.give_thing);
        assert!(self.give_count.len() <= 4, "Offered.give_count is too long");
        put_list(out, 5, &self.give_count);
        assert!(self.want_thing.len() <= 4, "Offered.want_thing is too long");
        put_list(out, 6, &self.want_thing);
        assert!(self.want_count.len() <= 4, "Offered.want_count is too long");
        put_list(out, 7, &self.want_count);
    }

    /// Reads a whole record, opcode first; unknown fields are skipped, missing ones are default.
    ///
    /// # Errors
    /// When the record rules are broken or a value is outside its bounds.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut fields = Fields::new(bytes, Self::OPCODE)?;
        let mut value = Self::default();
        while let Some(id) = fields.next_id()? {
            match id {
                1 => value.offer = fields.u32()?,
                2 => value.from = fields.u32()?,
                3 => value.ends_at = fields.u32()?,
                4 => value.give_thing = fields.list_u32(4)?,
                5 => value.give_count = fields.list_u32(4)?,
                6 => value.want_thing = fields.list_u32(4)?,
                7 => value.want_count = fields.list_u32(4)?,
                _ => {}
            }
        }
        Ok(value)
    }
}

/// The player leaves on purpose: the body need not wait.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Goodbye;

impl Goodbye {
    /// First byte.
    pub const OPCODE: u8 = 64;

    /// Appends opcode and fields; fields at their default are left out.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(Self::OPCODE);
    }

    /// Reads a whole record, opcode first; unknown fields are skipped, missing ones are default.
    ///
    /// # Errors
    /// When the record rules are broken or a value is outside its bounds.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut fields = Fields::new(bytes, Self::OPCODE)?;
        while fields.next_id()?.is_some() {}
        Ok(Self)
    }
}

/// An order: take what lies on the ground. Orders carry a number above that of every earlier order of the player; an order that is sent again with the same number is followed once and answered again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PickUp {
    /// From 1.
    pub request: u32,
    /// Durable id of what lies there, low half.
    pub low: u32,
    /// High half.
    pub high: u32,
}

impl PickUp {
    /// First byte.
    pub const OPCODE: u8 = 65;

    /// Appends opcode and fields; fields at their default are left out.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(Self::OPCODE);
        put_number(out, 1, u64::from(self.request));
        put_number(out, 2, u64::from(self.low));
        put_number(out, 3, u64::from(self.high));
    }

    /// Reads a whole record, opcode first; unknown fields are skipped, missing ones are default.
    ///
    /// # Errors
    /// When the record rules are broken or a value is outside its bounds.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut fields = Fields::new(bytes, Self::OPCODE)?;
        let mut value = Self::default();
        while let Some(id) = fields.next_id()? {
            match id {
                1 => value.request = fields.u32()?,
                2 => value.low = fields.u32()?,
                3 => value.high = fields.u32()?,
                _ => {}
            }
        }
        Ok(value)
    }
}

/// An order: lay something on the ground, for anybody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PutDown {
    /// As for PickUp.
    pub request: u32,
    /// What.
    pub thing: u32,
    /// How many.
    pub count: u32,
}

impl PutDown {
    /// First byte.
    pub const OPCODE: u8 = 66;

    /// Appends opcode and fields; fields at their default are left out.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(Self::OPCODE);
        put_number(out, 1, u64::from(self.request));
        put_number(out, 2, u64::from(self.thing));
        put_number(out, 3, u64::from(self.count));
    }

    /// Reads a whole record, opcode first; unknown fields are skipped, missing ones are default.
    ///
    /// # Errors
    /// When the record rules are broken or a value is outside its bounds.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut fields = Fields::new(bytes, Self::OPCODE)?;
        let mut value = Self::default();
        while let Some(id) = fields.next_id()? {
            match id {
                1 => value.request = fields.u32()?,
                2 => value.thing = fields.u32()?,
                3 => value.count = fields.u32()?,
                _ => {}
            }
        }
        Ok(value)
    }
}

/// An order: hand something to somebody near.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Give {
    /// As for PickUp.
    pub request: u32,
    /// EntityId of a player.
    pub to: u32,
    /// What.
    pub thing: u32,
    /// How many.
    pub count: u32,
}

impl Give {
    /// First byte.
    pub const OPCODE: u8 = 67;

    /// Appends opcode and fields; fields at their default are left out.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(Self::OPCODE);
        put_number(out, 1, u64::from(self.request));
        put_number(out, 2, u64::from(self.to));
        put_number(out, 3, u64::from(self.thing));
        put_number(out, 4, u64::from(self.count));
    }

    /// Reads a whole record, opcode first; unknown fields are skipped, missing ones are default.
    ///
    /// # Errors
    /// When the record rules are broken or a value is outside its bounds.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut fields = Fields::new(bytes, Self::OPCODE)?;
        let mut value = Self::default();
        while let Some(id) = fields.next_id()? {
            match id {
                1 => value.request = fields.u32()?,
                2 => value.to = fields.u32()?,
                3 => value.thing = fields.u32()?,
                4 => value.count = fields.u32()?,
                _ => {}
            }
        }
        Ok(value)
    }
}

/// An order: offer a trade to somebody near, for half a minute. A player's newer offer replaces the older one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// As for PickUp.
    pub request: u32,
    /// EntityId of a player.
    pub to: u32,
    /// What is given. At most 4 values.
    pub give_thing: Vec<u32>,
    /// How many of each. At most 4 values.
    pub give_count: Vec<u32>,
    /// What is wanted for it. At most 4 values.
    pub want_thing: Vec<u32>,
    /// How many of each. At most 4 values.
    pub want_count: Vec<u32>,
}

impl Offer {
    /// First byte.
    pub const OPCODE: u8 = 68;

    /// Appends opcode and fields; fields at their default are left out.
    ///
    /// # Panics
    /// If a field is longer than its bound: our bug.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(Self::OPCODE);
        put_number(out, 1, u64::from(self.request));
        put_number(out, 2, u64::from(self.to));
        assert!(self.give_thing.len() <= 4, "Offer.give_thing is too long");
        put_list(out, 3, &self.give_thing);
        assert!(self.give_count.len() <= 4, "Offer.give_count is too long");
        put_list(out, 4, &self.give_count);
        assert!(self.want_thing.len() <= 4, "Offer.want_thing is too long");
        put_list(out, 5, &self.want_thing);
        assert!(self.want_count.len() <= 4, "Offer.want_count is too long");
        put_list(out, 6, &self.want_count);
    }

    /// Reads a whole record, opcode first; unknown fields are skipped, missing ones are default.
    ///
    /// # Errors
    /// When the record rules are broken or a value is outside its bounds.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut fields = Fields::new(bytes, Self::OPCODE)?;
        let mut value = Self::default();
        while let Some(id) = fields.next_id()? {
            match id {
                1 => value.request = fields.u32()?,
                2 => value.to = fields.u32()?,
                3 => value.give_thing = fields.list_u32(4)?,
                4 => value.give_count = fields.list_u32(4)?,
                5 => value.want_thing = fields.list_u32(4)?,
                6 => value.want_count = fields.list_u32(4)?,
                _ => {}
            }
        }
        Ok(value)
    }
}

/// An order: accept or decline what somebody offered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// As for PickUp.
    pub request: u32,
    /// Number of the offer.
    pub offer: u32,
    /// Trade, or forget it.
    pub accepts: bool,
}

impl Reply {
    /// First byte.
    pub const OPCODE: u8 = 69;

    /// Appends opcode and fields; fields at their default are left out.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(Self::OPCODE);
        put_number(out, 1, u64::from(self.request));
        put_number(out, 2, u64::from(self.offer));
        put_number(out, 3, u64::from(self.accepts));
    }

    /// Reads a whole record, opcode first; unknown fields are skipped, missing ones are default.
    ///
    /// # Errors
    /// When the record rules are broken or a value is outside its bounds.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut fields = Fields::new(bytes, Self::OPCODE)?;
        let mut value = Self::default();
        while let Some(id) = fields.next_id()? {
            match id {
                1 => value.request = fields.u32()?,
                2 => value.offer = fields.u32()?,
                3 => value.accepts = fields.bool()?,
                _ => {}
            }
        }
        Ok(value)
    }
}

/// An order: put a weakened creature near into a free slot of the stable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capture {
    /// As for PickUp.
    pub request: u32,
    /// EntityId of a creature.
    pub target: u32,
}

impl Capture {
    /// First byte.
    pub const OPCODE: u8 = 70;

    /// Appends opcode and fields; fields at their default are left out.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(Self::OPCODE);
        put_number(out, 1, u64::from(self.request));
        put_number(out, 2, u64::from(self.target));
    }

    /// Reads a whole record, opcode first; unknown fields are skipped, missing ones are default.
    ///
    /// # Errors
    /// When the record rules are broken or a value is outside its bounds.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut fields = Fields::new(bytes, Self::OPCODE)?;
        let mut value = Self::default();
        while let Some(id) = fields.next_id()? {
            match id {
                1 => value.request = fields.u32()?,
                2 => value.target = fields.u32()?,
                _ => {}
            }
        }
        Ok(value)
    }
}

/// An order: let a captured creature go. It is gone then.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetFree {
    /// As for PickUp.
    pub request: u32,
    /// Durable id of the creature, low half.
    pub low: u32,
    /// High half.
    pub high: u32,
}

impl SetFree {
    /// First byte.
    pub const OPCODE: u8 = 71;

    /// Appends opcode and fields; fields at their default are left out.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(Self::OPCODE);
        put_number(out, 1, u64::from(self.request));
        put_number(out, 2, u64::from(self.low));
        put_number(out, 3, u64::from(self.high));
    }

    /// Reads a whole record, opcode first; unknown fields are skipped, missing ones are default.
    ///
    /// # Errors
    /// When the record rules are broken or a value is outside its bounds.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut fields = Fields::new(bytes, Self::OPCODE)?;
        let mut value = Self::default();
        while let Some(id) = fields.next_id()? {
            match id {
                1 => value.request = fields.u32()?,
                2 => value.low = fields.u32()?,
                3 => value.high = fields.u32()?,
                _ => {}
            }
        }
        Ok(value)
    }
}

/// Any record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// Answer to the hello: who you are and where.
    Welcome(Welcome),
    /// Last record before a close.
    Refused(Refused),
    /// Part of the wall bitmap: whole tiles of 512 bytes in row order, one lz4 block.
    Walls(Walls),
    /// Answer to a goal: where both movement kernels walk from the effective tick on. Of goals that come faster than every 4 ticks only the newest is answered; until then both walk straight.
    Path(Path),
    /// Something the player should read, such as the zone going down.
    Notice(Notice),
    /// How long ticks will take: a zone that has too much to do stretches them, to twice their length at most, and says so before. Holds until the next one.
    Pace(Pace),
    /// What became of an order. Once it says Done, no crash undoes it.
    Answer(Answer),
    /// All that the player owns, whenever some of it has changed. Thing 0 is gold.
    Purse(Purse),
    /// All that lies on the ground near the player and may be picked up by it, nearest first; within two seconds when that has changed.
    Drops(Drops),
    /// Somebody offers a trade. Both halves change hands together when it is accepted, or none does.
    Offered(Offered),
    /// The player leaves on purpose: the body need not wait.
    Goodbye(Goodbye),
    /// An order: take what lies on the ground. Orders carry a number above that of every earlier order of the player; an order that is sent again with the same number is followed once and answered again.
    PickUp(PickUp),
    /// An order: lay something on the ground, for anybody.
    PutDown(PutDown),
    /// An order: hand something to somebody near.
    Give(Give),
    /// An order: offer a trade to somebody near, for half a minute. A player's newer offer replaces the older one.
    Offer(Offer),
    /// An order: accept or decline what somebody offered.
    Reply(Reply),
    /// An order: put a weakened creature near into a free slot of the stable.
    Capture(Capture),
    /// An order: let a captured creature go. It is gone then.
    SetFree(SetFree),
    /// A newer peer's record: skipped.
    Unknown {
        /// Its first byte.
        opcode: u8,
    },
}

impl Record {
    /// First byte.
    #[must_use]
    pub fn opcode(&self) -> u8 {
        match self {
            Self::Welcome(_) => Welcome::OPCODE,
            Self::Refused(_) => Refused::OPCODE,
            Self::Walls(_) => Walls::OPCODE,
            Self::Path(_) => Path::OPCODE,
            Self::Notice(_) => Notice::OPCODE,
            Self::Pace(_) => Pace::OPCODE,
            Self::Answer(_) => Answer::OPCODE,
            Self::Purse(_) => Purse::OPCODE,
            Self::Drops(_) => Drops::OPCODE,
            Self::Offered(_) => Offered::OPCODE,
            Self::Goodbye(_) => Goodbye::OPCODE,
            Self::PickUp(_) => PickUp::OPCODE,
            Self::PutDown(_) => PutDown::OPCODE,
            Self::Give(_) => Give::OPCODE,
            Self::Offer(_) => Offer::OPCODE,
            Self::Reply(_) => Reply::OPCODE,
            Self::Capture(_) => Capture::OPCODE,
            Self::SetFree(_) => SetFree::OPCODE,
            Self::Unknown { opcode } => *opcode,
        }
    }

    /// Appends opcode and fields; of an unknown record only the opcode is left.
    ///
    /// # Panics
    /// If a field is longer than its bound: our bug.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Welcome(record) => record.encode(out),
            Self::Refused(record) => record.encode(out),
            Self::Walls(record) => record.encode(out),
            Self::Path(record) => record.encode(out),
            Self::Notice(record) => record.encode(out),
            Self::Pace(record) => record.encode(out),
            Self::Answer(record) => record.encode(out),
            Self::Purse(record) => record.encode(out),
            Self::Drops(record) => record.encode(out),
            Self::Offered(record) => record.encode(out),
            Self::Goodbye(record) => record.encode(out),
            Self::PickUp(record) => record.encode(out),
            Self::PutDown(record) => record.encode(out),
            Self::Give(record) => record.encode(out),
            Self::Offer(record) => record.encode(out),
            Self::Reply(record) => record.encode(out),
            Self::Capture(record) => record.encode(out),
            Self::SetFree(record) => record.encode(out),
            Self::Unknown { opcode } => out.push(*opcode),
        }
    }

    /// Reads a whole record, opcode first.
    ///
    /// # Errors
    /// When it is empty, the record rules are broken or a value is outside its bounds.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let Some(&opcode) = bytes.first() else {
            return Err(DecodeError::Record {
                opcode: 0,
                reason: "it is empty",
            });
        };
        Ok(
            match opcode {
                Welcome::OPCODE => Self::Welcome(Welcome::decode(bytes)?),
                Refused::OPCODE => Self::Refused(Refused::decode(bytes)?),
                Walls::OPCODE => Self::Walls(Walls::decode(bytes)?),
                Path::OPCODE => Self::Path(Path::decode(bytes)?),
                Notice::OPCODE => Self::Notice(Notice::decode(bytes)?),
                Pace::OPCODE => Self::Pace(Pace::decode(bytes)?),
                Answer::OPCODE => Self::Answer(Answer::decode(bytes)?),
                Purse::OPCODE => Self::Purse(Purse::decode(bytes)?),
                Drops::OPCODE => Self::Drops(Drops::decode(bytes)?),
                Offered::OPCODE => Self::Offered(Offered::decode(bytes)?),
                Goodbye::OPCODE => Self::Goodbye(Goodbye::decode(bytes)?),
                PickUp::OPCODE => Self::PickUp(PickUp::decode(bytes)?),
                PutDown::OPCODE => Self::PutDown(PutDown::decode(bytes)?),
                Give::OPCODE => Self::Give(Give::decode(bytes)?),
                Offer::OPCODE => Self::Offer(Offer::decode(bytes)?),
                Reply::OPCODE => Self::Reply(Reply::decode(bytes)?),
                Capture::OPCODE => Self::Capture(Capture::decode(bytes)?),
                SetFree::OPCODE => Self::SetFree(SetFree::decode(bytes)?),
                opcode => Self::Unknown { opcode },
            },
        )
    }
}
