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
    /// The player leaves on purpose: the body need not wait.
    Goodbye(Goodbye),
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
            Self::Goodbye(_) => Goodbye::OPCODE,
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
            Self::Goodbye(record) => record.encode(out),
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
                Goodbye::OPCODE => Self::Goodbye(Goodbye::decode(bytes)?),
                opcode => Self::Unknown { opcode },
            },
        )
    }
}
