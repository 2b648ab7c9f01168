//! Generated from `netproto/schema/*.toml` by `cargo run -p arcanectl -- proto gen`: do not edit.
//!
//! Runs of bit fields, groups among them.

use crate::DecodeError;
use crate::bits::{BitReader, BitWriter};
use super::enums::{Action, Kind, MoveState, Side, Skill};
use super::unions::{Move, TimedBody};

/// A segment: position, velocity and tick that a client extrapolates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Motion {
    /// Position east, modulo 131.072 m.
    ///
    /// - Units: 16 mm.
    pub x_16mm: u32,
    /// Position south, modulo 131.072 m.
    ///
    /// - Units: 16 mm.
    pub y_16mm: u32,
    /// Velocity east.
    ///
    /// - Units: mm per tick.
    pub vx_mm_per_tick: i32,
    /// Velocity south.
    ///
    /// - Units: mm per tick.
    pub vy_mm_per_tick: i32,
    /// Low bits of the segment's tick; the newest such tick not after the frame's.
    ///
    /// - Units: ticks.
    pub tick_low: u32,
}

impl Motion {
    /// Place among the groups.
    pub const GROUP: usize = 0;

    /// Largest width on the wire.
    pub const BITS_MAX: u32 = 50;

    /// Width on the wire.
    pub const BITS: u32 = 50;

    /// The fields as one run, low field first.
    #[inline]
    #[must_use]
    pub const fn pack(&self) -> u64 {
        debug_assert!(self.x_16mm <= 8_191, "Motion.x_16mm is out of range");
        debug_assert!(self.y_16mm <= 8_191, "Motion.y_16mm is out of range");
        debug_assert!(
            - 512 <= self.vx_mm_per_tick && self.vx_mm_per_tick <= 511,
            "Motion.vx_mm_per_tick is out of range"
        );
        debug_assert!(
            - 512 <= self.vy_mm_per_tick && self.vy_mm_per_tick <= 511,
            "Motion.vy_mm_per_tick is out of range"
        );
        debug_assert!(self.tick_low <= 15, "Motion.tick_low is out of range");
        (self.x_16mm as u64) | ((self.y_16mm as u64) << 13)
            | (((self.vx_mm_per_tick + 512) as u64) << 26)
            | (((self.vy_mm_per_tick + 512) as u64) << 36)
            | ((self.tick_low as u64) << 46)
    }

    /// The fields of a run.
    ///
    /// # Errors
    /// [`DecodeError::Range`] for a value outside its bounds.
    #[inline]
    pub const fn unpack(run: u64) -> Result<Self, DecodeError> {
        let x_16mm = run as u32 & 0x1fff;
        let y_16mm = (run >> 13) as u32 & 0x1fff;
        let vx_mm_per_tick = (run >> 26) as u32 & 0x3ff;
        let vx_mm_per_tick = vx_mm_per_tick as i32 - 512;
        let vy_mm_per_tick = (run >> 36) as u32 & 0x3ff;
        let vy_mm_per_tick = vy_mm_per_tick as i32 - 512;
        let tick_low = (run >> 46) as u32 & 0xf;
        Ok(Self {
            x_16mm,
            y_16mm,
            vx_mm_per_tick,
            vy_mm_per_tick,
            tick_low,
        })
    }

    /// Appends the block.
    #[inline]
    pub fn write(&self, w: &mut BitWriter<'_>) {
        w.put_run(self.pack(), Self::BITS);
    }

    /// Reads the block.
    ///
    /// # Errors
    /// When the bytes end early or a value is outside its bounds.
    #[inline]
    pub fn read(r: &mut BitReader<'_>) -> Result<Self, DecodeError> {
        Self::unpack(r.take_run(Self::BITS)?)
    }
}

/// Health, as bars show it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vitals {
    /// 0 only when dead.
    ///
    /// - Units: 1/127 of the maximum.
    pub health_128th: u32,
}

impl Vitals {
    /// Place among the groups.
    pub const GROUP: usize = 1;

    /// Largest width on the wire.
    pub const BITS_MAX: u32 = 7;

    /// Width on the wire.
    pub const BITS: u32 = 7;

    /// The fields as one run, low field first.
    #[inline]
    #[must_use]
    pub const fn pack(&self) -> u64 {
        debug_assert!(self.health_128th <= 127, "Vitals.health_128th is out of range");
        self.health_128th as u64
    }

    /// The fields of a run.
    ///
    /// # Errors
    /// [`DecodeError::Range`] for a value outside its bounds.
    #[inline]
    pub const fn unpack(run: u64) -> Result<Self, DecodeError> {
        let health_128th = run as u32 & 0x7f;
        Ok(Self { health_128th })
    }

    /// Appends the block.
    #[inline]
    pub fn write(&self, w: &mut BitWriter<'_>) {
        w.put_run(self.pack(), Self::BITS);
    }

    /// Reads the block.
    ///
    /// # Errors
    /// When the bytes end early or a value is outside its bounds.
    #[inline]
    pub fn read(r: &mut BitReader<'_>) -> Result<Self, DecodeError> {
        Self::unpack(r.take_run(Self::BITS)?)
    }
}

/// What the body does and where it looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Action in progress.
    pub action: Action,
    /// Facing of the action; 0 is east, 16 is south.
    ///
    /// - Units: 1/64 turn.
    pub facing_64th: u32,
    /// One bit per visible buff.
    pub buffs: u32,
}

impl Status {
    /// Place among the groups.
    pub const GROUP: usize = 2;

    /// Largest width on the wire.
    pub const BITS_MAX: u32 = 13;

    /// Width on the wire.
    pub const BITS: u32 = 13;

    /// The fields as one run, low field first.
    #[inline]
    #[must_use]
    pub const fn pack(&self) -> u64 {
        debug_assert!(self.facing_64th <= 63, "Status.facing_64th is out of range");
        debug_assert!(self.buffs <= 15, "Status.buffs is out of range");
        (self.action as u64) | ((self.facing_64th as u64) << 3)
            | ((self.buffs as u64) << 9)
    }

    /// The fields of a run.
    ///
    /// # Errors
    /// [`DecodeError::Range`] for a value outside its bounds.
    #[inline]
    pub const fn unpack(run: u64) -> Result<Self, DecodeError> {
        let action = match Action::from_bits(run as u32 & 0x7) {
            Ok(value) => value,
            Err(error) => return Err(error),
        };
        let facing_64th = (run >> 3) as u32 & 0x3f;
        let buffs = (run >> 9) as u32 & 0xf;
        Ok(Self { action, facing_64th, buffs })
    }

    /// Appends the block.
    #[inline]
    pub fn write(&self, w: &mut BitWriter<'_>) {
        w.put_run(self.pack(), Self::BITS);
    }

    /// Reads the block.
    ///
    /// # Errors
    /// When the bytes end early or a value is outside its bounds.
    #[inline]
    pub fn read(r: &mut BitReader<'_>) -> Result<Self, DecodeError> {
        Self::unpack(r.take_run(Self::BITS)?)
    }
}

/// What hardly ever changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Colour or build.
    pub variant: u32,
    /// Level.
    pub level: u32,
}

impl Look {
    /// Place among the groups.
    pub const GROUP: usize = 3;

    /// Largest width on the wire.
    pub const BITS_MAX: u32 = 10;

    /// Width on the wire.
    pub const BITS: u32 = 10;

    /// The fields as one run, low field first.
    #[inline]
    #[must_use]
    pub const fn pack(&self) -> u64 {
        debug_assert!(self.variant <= 15, "Look.variant is out of range");
        debug_assert!(self.level <= 60, "Look.level is out of range");
        (self.variant as u64) | ((self.level as u64) << 4)
    }

    /// The fields of a run.
    ///
    /// # Errors
    /// [`DecodeError::Range`] for a value outside its bounds.
    #[inline]
    pub const fn unpack(run: u64) -> Result<Self, DecodeError> {
        let variant = run as u32 & 0xf;
        let level = (run >> 4) as u32 & 0x3f;
        if level > 60 {
            return Err(DecodeError::Range {
                field: "Look.level",
                value: level,
            });
        }
        Ok(Self { variant, level })
    }

    /// Appends the block.
    #[inline]
    pub fn write(&self, w: &mut BitWriter<'_>) {
        w.put_run(self.pack(), Self::BITS);
    }

    /// Reads the block.
    ///
    /// # Errors
    /// When the bytes end early or a value is outside its bounds.
    #[inline]
    pub fn read(r: &mut BitReader<'_>) -> Result<Self, DecodeError> {
        Self::unpack(r.take_run(Self::BITS)?)
    }
}

/// Opens every snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Snapshot number of this client, modulo 65,536.
    pub number: u32,
    /// Tick whose end this snapshot shows.
    ///
    /// - Units: ticks.
    pub tick: u32,
    /// Newest consumed command is this far below `tick`; 255: none yet, or older.
    ///
    /// - Units: ticks.
    pub consumed_below: u32,
    /// How early the newest input came; negative: late.
    ///
    /// - Units: 2 ms.
    pub margin_2ms: i32,
}

impl Header {
    /// Largest width on the wire.
    pub const BITS_MAX: u32 = 64;

    /// Appends the block.
    #[inline]
    pub fn write(&self, w: &mut BitWriter<'_>) {
        debug_assert!(self.number <= 65_535, "Header.number is out of range");
        debug_assert!(
            self.consumed_below <= 255, "Header.consumed_below is out of range"
        );
        w.put_run(
            u64::from(self.number) | (u64::from(self.tick) << 16)
                | (u64::from(self.consumed_below) << 48),
            56,
        );
        debug_assert!(
            - 128 <= self.margin_2ms && self.margin_2ms <= 127,
            "Header.margin_2ms is out of range"
        );
        w.put_run((self.margin_2ms + 128) as u64, 8);
    }

    /// Reads the block.
    ///
    /// # Errors
    /// When the bytes end early or a value is outside its bounds.
    #[inline]
    pub fn read(r: &mut BitReader<'_>) -> Result<Self, DecodeError> {
        let run = r.take_run(56)?;
        let number = run as u32 & 0xffff;
        let tick = (run >> 16) as u32;
        let consumed_below = (run >> 48) as u32 & 0xff;
        let run = r.take_run(8)?;
        let margin_2ms = run as u32 & 0xff;
        let margin_2ms = margin_2ms as i32 - 128;
        Ok(Self {
            number,
            tick,
            consumed_below,
            margin_2ms,
        })
    }
}

/// The own body, exact. It takes no slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Own {
    /// Position east.
    ///
    /// - Units: mm.
    pub x_mm: u32,
    /// Position south.
    ///
    /// - Units: mm.
    pub y_mm: u32,
    /// Sent when something changed that a client cannot foresee, and again when that snapshot is lost.
    pub state: Option<OwnState>,
}

impl Own {
    /// Largest width on the wire.
    pub const BITS_MAX: u32 = 153;

    /// Appends the block.
    #[inline]
    pub fn write(&self, w: &mut BitWriter<'_>) {
        debug_assert!(self.x_mm <= 4_194_303, "Own.x_mm is out of range");
        debug_assert!(self.y_mm <= 4_194_303, "Own.y_mm is out of range");
        w.put_run(
            u64::from(self.x_mm) | (u64::from(self.y_mm) << 22)
                | (u64::from(self.state.is_some()) << 44),
            45,
        );
        if let Some(state) = &self.state {
            state.write(w);
        }
    }

    /// Reads the block.
    ///
    /// # Errors
    /// When the bytes end early or a value is outside its bounds.
    #[inline]
    pub fn read(r: &mut BitReader<'_>) -> Result<Self, DecodeError> {
        let run = r.take_run(45)?;
        let x_mm = run as u32 & 0x3fffff;
        let y_mm = (run >> 22) as u32 & 0x3fffff;
        let has_state = (run >> 44) & 1 == 1;
        let state = if has_state { Some(OwnState::read(r)?) } else { None };
        Ok(Self { x_mm, y_mm, state })
    }
}

/// What the movement kernel and the own bars need, besides the position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnState {
    /// Mode of movement.
    pub move_state: MoveState,
    /// Full speed.
    ///
    /// - Units: mm per tick.
    pub speed_mm_per_tick: u32,
    /// Ticks of forced motion left.
    ///
    /// - Units: ticks.
    pub forced_ticks: u32,
    /// Forced velocity east.
    ///
    /// - Units: mm per tick.
    pub forced_vx_mm_per_tick: i32,
    /// Forced velocity south.
    ///
    /// - Units: mm per tick.
    pub forced_vy_mm_per_tick: i32,
    /// Health points.
    pub health: u32,
    /// Health points when unhurt.
    pub health_max: u32,
    /// Stamina.
    pub resource: u32,
    /// Until the next swing.
    ///
    /// - Units: ticks.
    pub swing_wait_ticks: u32,
    /// Until the next dash.
    ///
    /// - Units: ticks.
    pub dash_wait_ticks: u32,
    /// Until the next area.
    ///
    /// - Units: ticks.
    pub area_wait_ticks: u32,
    /// Until the next shot.
    ///
    /// - Units: ticks.
    pub shot_wait_ticks: u32,
}

impl OwnState {
    /// Largest width on the wire.
    pub const BITS_MAX: u32 = 108;

    /// Appends the block.
    #[inline]
    pub fn write(&self, w: &mut BitWriter<'_>) {
        debug_assert!(
            self.speed_mm_per_tick <= 1_023, "OwnState.speed_mm_per_tick is out of range"
        );
        debug_assert!(self.forced_ticks <= 31, "OwnState.forced_ticks is out of range");
        debug_assert!(
            - 2048 <= self.forced_vx_mm_per_tick && self.forced_vx_mm_per_tick <= 2047,
            "OwnState.forced_vx_mm_per_tick is out of range"
        );
        debug_assert!(
            - 2048 <= self.forced_vy_mm_per_tick && self.forced_vy_mm_per_tick <= 2047,
            "OwnState.forced_vy_mm_per_tick is out of range"
        );
        debug_assert!(self.health <= 4_095, "OwnState.health is out of range");
        w.put_run(
            (self.move_state as u64) | (u64::from(self.speed_mm_per_tick) << 3)
                | (u64::from(self.forced_ticks) << 13)
                | (((self.forced_vx_mm_per_tick + 2048) as u64) << 18)
                | (((self.forced_vy_mm_per_tick + 2048) as u64) << 30)
                | (u64::from(self.health) << 42),
            54,
        );
        debug_assert!(self.health_max <= 4_095, "OwnState.health_max is out of range");
        debug_assert!(self.resource <= 1_023, "OwnState.resource is out of range");
        debug_assert!(
            self.swing_wait_ticks <= 255, "OwnState.swing_wait_ticks is out of range"
        );
        debug_assert!(
            self.dash_wait_ticks <= 255, "OwnState.dash_wait_ticks is out of range"
        );
        debug_assert!(
            self.area_wait_ticks <= 255, "OwnState.area_wait_ticks is out of range"
        );
        debug_assert!(
            self.shot_wait_ticks <= 255, "OwnState.shot_wait_ticks is out of range"
        );
        w.put_run(
            u64::from(self.health_max) | (u64::from(self.resource) << 12)
                | (u64::from(self.swing_wait_ticks) << 22)
                | (u64::from(self.dash_wait_ticks) << 30)
                | (u64::from(self.area_wait_ticks) << 38)
                | (u64::from(self.shot_wait_ticks) << 46),
            54,
        );
    }

    /// Reads the block.
    ///
    /// # Errors
    /// When the bytes end early or a value is outside its bounds.
    #[inline]
    pub fn read(r: &mut BitReader<'_>) -> Result<Self, DecodeError> {
        let run = r.take_run(54)?;
        let move_state = MoveState::from_bits(run as u32 & 0x7)?;
        let speed_mm_per_tick = (run >> 3) as u32 & 0x3ff;
        let forced_ticks = (run >> 13) as u32 & 0x1f;
        let forced_vx_mm_per_tick = (run >> 18) as u32 & 0xfff;
        let forced_vx_mm_per_tick = forced_vx_mm_per_tick as i32 - 2048;
        let forced_vy_mm_per_tick = (run >> 30) as u32 & 0xfff;
        let forced_vy_mm_per_tick = forced_vy_mm_per_tick as i32 - 2048;
        let health = (run >> 42) as u32 & 0xfff;
        let run = r.take_run(54)?;
        let health_max = run as u32 & 0xfff;
        let resource = (run >> 12) as u32 & 0x3ff;
        let swing_wait_ticks = (run >> 22) as u32 & 0xff;
        let dash_wait_ticks = (run >> 30) as u32 & 0xff;
        let area_wait_ticks = (run >> 38) as u32 & 0xff;
        let shot_wait_ticks = (run >> 46) as u32 & 0xff;
        Ok(Self {
            move_state,
            speed_mm_per_tick,
            forced_ticks,
            forced_vx_mm_per_tick,
            forced_vy_mm_per_tick,
            health,
            health_max,
            resource,
            swing_wait_ticks,
            dash_wait_ticks,
            area_wait_ticks,
            shot_wait_ticks,
        })
    }
}

/// A slot that was emptied or (re)assigned in a snapshot not yet acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlotNews {
    /// The slot.
    pub slot: u32,
    /// It happened this many numbers before this snapshot; 0: the slot is emptied now.
    ///
    /// - Units: snapshot numbers.
    pub age: u32,
}

impl SlotNews {
    /// Largest width on the wire.
    pub const BITS_MAX: u32 = 10;

    /// Width on the wire.
    pub const BITS: u32 = 10;

    /// The fields as one run, low field first.
    #[inline]
    #[must_use]
    pub const fn pack(&self) -> u64 {
        debug_assert!(self.slot <= 63, "SlotNews.slot is out of range");
        debug_assert!(self.age <= 15, "SlotNews.age is out of range");
        (self.slot as u64) | ((self.age as u64) << 6)
    }

    /// The fields of a run.
    ///
    /// # Errors
    /// [`DecodeError::Range`] for a value outside its bounds.
    #[inline]
    pub const fn unpack(run: u64) -> Result<Self, DecodeError> {
        let slot = run as u32 & 0x3f;
        let age = (run >> 6) as u32 & 0xf;
        Ok(Self { slot, age })
    }

    /// Appends the block.
    #[inline]
    pub fn write(&self, w: &mut BitWriter<'_>) {
        w.put_run(self.pack(), Self::BITS);
    }

    /// Reads the block.
    ///
    /// # Errors
    /// When the bytes end early or a value is outside its bounds.
    #[inline]
    pub fn read(r: &mut BitReader<'_>) -> Result<Self, DecodeError> {
        Self::unpack(r.take_run(Self::BITS)?)
    }
}

/// Who sits in a slot, with all groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Introduction {
    /// The slot.
    pub slot: u32,
    /// EntityId: handle 20 bits, generation 12.
    pub entity: u32,
    /// What it is.
    pub kind: Kind,
    /// All of the group.
    pub motion: Motion,
    /// All of the group.
    pub vitals: Vitals,
    /// All of the group.
    pub status: Status,
    /// All of the group.
    pub look: Look,
}

impl Introduction {
    /// Largest width on the wire.
    pub const BITS_MAX: u32 = 123;

    /// Appends the block.
    #[inline]
    pub fn write(&self, w: &mut BitWriter<'_>) {
        debug_assert!(self.slot <= 63, "Introduction.slot is out of range");
        w.put_run(
            u64::from(self.slot) | (u64::from(self.entity) << 6)
                | ((self.kind as u64) << 38),
            43,
        );
        w.put_run(self.motion.pack(), 50);
        w.put_run(
            self.vitals.pack() | (self.status.pack() << 7) | (self.look.pack() << 20),
            30,
        );
    }

    /// Reads the block.
    ///
    /// # Errors
    /// When the bytes end early or a value is outside its bounds.
    #[inline]
    pub fn read(r: &mut BitReader<'_>) -> Result<Self, DecodeError> {
        let run = r.take_run(43)?;
        let slot = run as u32 & 0x3f;
        let entity = (run >> 6) as u32;
        let kind = Kind::from_bits((run >> 38) as u32 & 0x1f)?;
        let run = r.take_run(50)?;
        let motion = Motion::unpack(run & 0x3ffffffffffff)?;
        let run = r.take_run(30)?;
        let vitals = Vitals::unpack(run & 0x7f)?;
        let status = Status::unpack((run >> 7) & 0x1fff)?;
        let look = Look::unpack((run >> 20) & 0x3ff)?;
        Ok(Self {
            slot,
            entity,
            kind,
            motion,
            vitals,
            status,
            look,
        })
    }
}

/// A segment that begins near where the last one has led, in the tick of the frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Position east, modulo 2.048 m.
    ///
    /// - Units: 16 mm.
    pub x_16mm: u32,
    /// Position south, modulo 2.048 m.
    ///
    /// - Units: 16 mm.
    pub y_16mm: u32,
    /// Absent: it stands.
    pub course: Option<Course>,
}

impl Step {
    /// Largest width on the wire.
    pub const BITS_MAX: u32 = 35;

    /// Appends the block.
    #[inline]
    pub fn write(&self, w: &mut BitWriter<'_>) {
        debug_assert!(self.x_16mm <= 127, "Step.x_16mm is out of range");
        debug_assert!(self.y_16mm <= 127, "Step.y_16mm is out of range");
        w.put_run(
            u64::from(self.x_16mm) | (u64::from(self.y_16mm) << 7)
                | (u64::from(self.course.is_some()) << 14),
            15,
        );
        if let Some(course) = &self.course {
            course.write(w);
        }
    }

    /// Reads the block.
    ///
    /// # Errors
    /// When the bytes end early or a value is outside its bounds.
    #[inline]
    pub fn read(r: &mut BitReader<'_>) -> Result<Self, DecodeError> {
        let run = r.take_run(15)?;
        let x_16mm = run as u32 & 0x7f;
        let y_16mm = (run >> 7) as u32 & 0x7f;
        let has_course = (run >> 14) & 1 == 1;
        let course = if has_course { Some(Course::read(r)?) } else { None };
        Ok(Self { x_16mm, y_16mm, course })
    }
}

/// A velocity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Course {
    /// East.
    ///
    /// - Units: mm per tick.
    pub vx_mm_per_tick: i32,
    /// South.
    ///
    /// - Units: mm per tick.
    pub vy_mm_per_tick: i32,
}

impl Course {
    /// Largest width on the wire.
    pub const BITS_MAX: u32 = 20;

    /// Width on the wire.
    pub const BITS: u32 = 20;

    /// The fields as one run, low field first.
    #[inline]
    #[must_use]
    pub const fn pack(&self) -> u64 {
        debug_assert!(
            - 512 <= self.vx_mm_per_tick && self.vx_mm_per_tick <= 511,
            "Course.vx_mm_per_tick is out of range"
        );
        debug_assert!(
            - 512 <= self.vy_mm_per_tick && self.vy_mm_per_tick <= 511,
            "Course.vy_mm_per_tick is out of range"
        );
        ((self.vx_mm_per_tick + 512) as u64)
            | (((self.vy_mm_per_tick + 512) as u64) << 10)
    }

    /// The fields of a run.
    ///
    /// # Errors
    /// [`DecodeError::Range`] for a value outside its bounds.
    #[inline]
    pub const fn unpack(run: u64) -> Result<Self, DecodeError> {
        let vx_mm_per_tick = run as u32 & 0x3ff;
        let vx_mm_per_tick = vx_mm_per_tick as i32 - 512;
        let vy_mm_per_tick = (run >> 10) as u32 & 0x3ff;
        let vy_mm_per_tick = vy_mm_per_tick as i32 - 512;
        Ok(Self {
            vx_mm_per_tick,
            vy_mm_per_tick,
        })
    }

    /// Appends the block.
    #[inline]
    pub fn write(&self, w: &mut BitWriter<'_>) {
        w.put_run(self.pack(), Self::BITS);
    }

    /// Reads the block.
    ///
    /// # Errors
    /// When the bytes end early or a value is outside its bounds.
    #[inline]
    pub fn read(r: &mut BitReader<'_>) -> Result<Self, DecodeError> {
        Self::unpack(r.take_run(Self::BITS)?)
    }
}

/// Somebody was hurt. Goes to attacker and victim; others see the vitals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hit {
    /// EntityId of who hit.
    pub source: u32,
    /// EntityId of who was hit.
    pub target: u32,
    /// Health points.
    pub amount: u32,
    /// A critical hit.
    pub critical: bool,
    /// The target died of it.
    pub fatal: bool,
}

impl Hit {
    /// Largest width on the wire.
    pub const BITS_MAX: u32 = 78;

    /// Appends the block.
    #[inline]
    pub fn write(&self, w: &mut BitWriter<'_>) {
        w.put_run(u64::from(self.source), 32);
        debug_assert!(self.amount <= 4_095, "Hit.amount is out of range");
        w.put_run(
            u64::from(self.target) | (u64::from(self.amount) << 32)
                | (u64::from(self.critical) << 44) | (u64::from(self.fatal) << 45),
            46,
        );
    }

    /// Reads the block.
    ///
    /// # Errors
    /// When the bytes end early or a value is outside its bounds.
    #[inline]
    pub fn read(r: &mut BitReader<'_>) -> Result<Self, DecodeError> {
        let run = r.take_run(32)?;
        let source = run as u32;
        let run = r.take_run(46)?;
        let target = run as u32;
        let amount = (run >> 32) as u32 & 0xfff;
        let critical = (run >> 44) & 1 == 1;
        let fatal = (run >> 45) & 1 == 1;
        Ok(Self {
            source,
            target,
            amount,
            critical,
            fatal,
        })
    }
}

/// A telegraph: whoever stands in the circle at the impact is hurt, also when its owner has died meanwhile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Circle {
    /// EntityId of who cast it.
    pub owner: u32,
    /// Middle east, modulo 131.072 m.
    ///
    /// - Units: 16 mm.
    pub x_16mm: u32,
    /// Middle south, modulo 131.072 m.
    ///
    /// - Units: 16 mm.
    pub y_16mm: u32,
    /// Radius.
    ///
    /// - Units: 64 mm.
    pub radius_64mm: i32,
    /// From the event's tick to the impact.
    ///
    /// - Units: ticks.
    pub windup_ticks: i32,
    /// What was cast.
    pub skill: Skill,
    /// Whom it hurts.
    pub hurts: Side,
}

impl Circle {
    /// Largest width on the wire.
    pub const BITS_MAX: u32 = 75;

    /// Appends the block.
    #[inline]
    pub fn write(&self, w: &mut BitWriter<'_>) {
        debug_assert!(self.x_16mm <= 8_191, "Circle.x_16mm is out of range");
        w.put_run(u64::from(self.owner) | (u64::from(self.x_16mm) << 32), 45);
        debug_assert!(self.y_16mm <= 8_191, "Circle.y_16mm is out of range");
        debug_assert!(
            1 <= self.radius_64mm && self.radius_64mm <= 127,
            "Circle.radius_64mm is out of range"
        );
        debug_assert!(
            1 <= self.windup_ticks && self.windup_ticks <= 63,
            "Circle.windup_ticks is out of range"
        );
        w.put_run(
            u64::from(self.y_16mm) | (((self.radius_64mm - 1) as u64) << 13)
                | (((self.windup_ticks - 1) as u64) << 20) | ((self.skill as u64) << 26)
                | ((self.hurts as u64) << 29),
            30,
        );
    }

    /// Reads the block.
    ///
    /// # Errors
    /// When the bytes end early or a value is outside its bounds.
    #[inline]
    pub fn read(r: &mut BitReader<'_>) -> Result<Self, DecodeError> {
        let run = r.take_run(45)?;
        let owner = run as u32;
        let x_16mm = (run >> 32) as u32 & 0x1fff;
        let run = r.take_run(30)?;
        let y_16mm = run as u32 & 0x1fff;
        let radius_64mm = (run >> 13) as u32 & 0x7f;
        if radius_64mm > 126 {
            return Err(DecodeError::Range {
                field: "Circle.radius_64mm",
                value: radius_64mm,
            });
        }
        let radius_64mm = radius_64mm as i32 + 1;
        let windup_ticks = (run >> 20) as u32 & 0x3f;
        if windup_ticks > 62 {
            return Err(DecodeError::Range {
                field: "Circle.windup_ticks",
                value: windup_ticks,
            });
        }
        let windup_ticks = windup_ticks as i32 + 1;
        let skill = Skill::from_bits((run >> 26) as u32 & 0x7)?;
        let hurts = Side::from_bits((run >> 29) as u32 & 0x1)?;
        Ok(Self {
            owner,
            x_16mm,
            y_16mm,
            radius_64mm,
            windup_ticks,
            skill,
            hurts,
        })
    }
}

/// A projectile: it stands at its start until the release, then flies straight until it hits, meets a wall or ends. A client finds the wall with the walls it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shot {
    /// EntityId of who shot.
    pub owner: u32,
    /// Start east, modulo 131.072 m.
    ///
    /// - Units: 16 mm.
    pub x_16mm: u32,
    /// Start south, modulo 131.072 m.
    ///
    /// - Units: 16 mm.
    pub y_16mm: u32,
    /// Velocity east.
    ///
    /// - Units: mm per tick.
    pub vx_mm_per_tick: i32,
    /// Velocity south.
    ///
    /// - Units: mm per tick.
    pub vy_mm_per_tick: i32,
    /// From the event's tick to the release.
    ///
    /// - Units: ticks.
    pub draw_ticks: i32,
    /// From the release to the end of its range.
    ///
    /// - Units: ticks.
    pub flight_ticks: i32,
    /// What was cast.
    pub skill: Skill,
    /// Whom it hurts.
    pub hurts: Side,
}

impl Shot {
    /// Largest width on the wire.
    pub const BITS_MAX: u32 = 96;

    /// Appends the block.
    #[inline]
    pub fn write(&self, w: &mut BitWriter<'_>) {
        debug_assert!(self.x_16mm <= 8_191, "Shot.x_16mm is out of range");
        w.put_run(u64::from(self.owner) | (u64::from(self.x_16mm) << 32), 45);
        debug_assert!(self.y_16mm <= 8_191, "Shot.y_16mm is out of range");
        debug_assert!(
            - 1023 <= self.vx_mm_per_tick && self.vx_mm_per_tick <= 1023,
            "Shot.vx_mm_per_tick is out of range"
        );
        debug_assert!(
            - 1023 <= self.vy_mm_per_tick && self.vy_mm_per_tick <= 1023,
            "Shot.vy_mm_per_tick is out of range"
        );
        debug_assert!(
            1 <= self.draw_ticks && self.draw_ticks <= 63,
            "Shot.draw_ticks is out of range"
        );
        debug_assert!(
            1 <= self.flight_ticks && self.flight_ticks <= 63,
            "Shot.flight_ticks is out of range"
        );
        w.put_run(
            u64::from(self.y_16mm) | (((self.vx_mm_per_tick + 1023) as u64) << 13)
                | (((self.vy_mm_per_tick + 1023) as u64) << 24)
                | (((self.draw_ticks - 1) as u64) << 35)
                | (((self.flight_ticks - 1) as u64) << 41) | ((self.skill as u64) << 47)
                | ((self.hurts as u64) << 50),
            51,
        );
    }

    /// Reads the block.
    ///
    /// # Errors
    /// When the bytes end early or a value is outside its bounds.
    #[inline]
    pub fn read(r: &mut BitReader<'_>) -> Result<Self, DecodeError> {
        let run = r.take_run(45)?;
        let owner = run as u32;
        let x_16mm = (run >> 32) as u32 & 0x1fff;
        let run = r.take_run(51)?;
        let y_16mm = run as u32 & 0x1fff;
        let vx_mm_per_tick = (run >> 13) as u32 & 0x7ff;
        if vx_mm_per_tick > 2_046 {
            return Err(DecodeError::Range {
                field: "Shot.vx_mm_per_tick",
                value: vx_mm_per_tick,
            });
        }
        let vx_mm_per_tick = vx_mm_per_tick as i32 - 1023;
        let vy_mm_per_tick = (run >> 24) as u32 & 0x7ff;
        if vy_mm_per_tick > 2_046 {
            return Err(DecodeError::Range {
                field: "Shot.vy_mm_per_tick",
                value: vy_mm_per_tick,
            });
        }
        let vy_mm_per_tick = vy_mm_per_tick as i32 - 1023;
        let draw_ticks = (run >> 35) as u32 & 0x3f;
        if draw_ticks > 62 {
            return Err(DecodeError::Range {
                field: "Shot.draw_ticks",
                value: draw_ticks,
            });
        }
        let draw_ticks = draw_ticks as i32 + 1;
        let flight_ticks = (run >> 41) as u32 & 0x3f;
        if flight_ticks > 62 {
            return Err(DecodeError::Range {
                field: "Shot.flight_ticks",
                value: flight_ticks,
            });
        }
        let flight_ticks = flight_ticks as i32 + 1;
        let skill = Skill::from_bits((run >> 47) as u32 & 0x7)?;
        let hurts = Side::from_bits((run >> 50) as u32 & 0x1)?;
        Ok(Self {
            owner,
            x_16mm,
            y_16mm,
            vx_mm_per_tick,
            vy_mm_per_tick,
            draw_ticks,
            flight_ticks,
            skill,
            hurts,
        })
    }
}

/// A projectile hit somebody in the event's tick and is gone. Owner and release tick name the projectile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShotEnd {
    /// EntityId of who shot.
    pub owner: u32,
    /// From the release to the event's tick.
    ///
    /// - Units: ticks.
    pub flown_ticks: u32,
}

impl ShotEnd {
    /// Largest width on the wire.
    pub const BITS_MAX: u32 = 38;

    /// Width on the wire.
    pub const BITS: u32 = 38;

    /// The fields as one run, low field first.
    #[inline]
    #[must_use]
    pub const fn pack(&self) -> u64 {
        debug_assert!(self.flown_ticks <= 63, "ShotEnd.flown_ticks is out of range");
        (self.owner as u64) | ((self.flown_ticks as u64) << 32)
    }

    /// The fields of a run.
    ///
    /// # Errors
    /// [`DecodeError::Range`] for a value outside its bounds.
    #[inline]
    pub const fn unpack(run: u64) -> Result<Self, DecodeError> {
        let owner = run as u32;
        let flown_ticks = (run >> 32) as u32 & 0x3f;
        Ok(Self { owner, flown_ticks })
    }

    /// Appends the block.
    #[inline]
    pub fn write(&self, w: &mut BitWriter<'_>) {
        w.put_run(self.pack(), Self::BITS);
    }

    /// Reads the block.
    ///
    /// # Errors
    /// When the bytes end early or a value is outside its bounds.
    #[inline]
    pub fn read(r: &mut BitReader<'_>) -> Result<Self, DecodeError> {
        Self::unpack(r.take_run(Self::BITS)?)
    }
}

/// An event with its tick: repeated until acknowledged, dropped after its expiry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timed {
    /// Counts a client's timed events, modulo 256: a client applies each once.
    pub sequence: u32,
    /// It happened this many ticks before the snapshot's tick.
    ///
    /// - Units: ticks.
    pub age: u32,
    /// What happened.
    pub body: TimedBody,
}

impl Timed {
    /// Largest width on the wire.
    pub const BITS_MAX: u32 = 113;

    /// Appends the block.
    #[inline]
    pub fn write(&self, w: &mut BitWriter<'_>) {
        debug_assert!(self.sequence <= 255, "Timed.sequence is out of range");
        debug_assert!(self.age <= 63, "Timed.age is out of range");
        w.put_run(u64::from(self.sequence) | (u64::from(self.age) << 8), 14);
        self.body.write(w);
    }

    /// Reads the block.
    ///
    /// # Errors
    /// When the bytes end early or a value is outside its bounds.
    #[inline]
    pub fn read(r: &mut BitReader<'_>) -> Result<Self, DecodeError> {
        let run = r.take_run(14)?;
        let sequence = run as u32 & 0xff;
        let age = (run >> 8) as u32 & 0x3f;
        let body = TimedBody::read(r)?;
        Ok(Self { sequence, age, body })
    }
}

/// Opens every input datagram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Acks {
    /// A snapshot was applied; if not, the next two fields are zero.
    pub seen: bool,
    /// Newest applied snapshot number.
    pub newest: u32,
    /// Bit k: number `newest - 1 - k` was applied.
    pub before: u32,
}

impl Acks {
    /// Largest width on the wire.
    pub const BITS_MAX: u32 = 32;

    /// Width on the wire.
    pub const BITS: u32 = 32;

    /// The fields as one run, low field first.
    #[inline]
    #[must_use]
    pub const fn pack(&self) -> u64 {
        debug_assert!(self.newest <= 65_535, "Acks.newest is out of range");
        debug_assert!(self.before <= 32_767, "Acks.before is out of range");
        (self.seen as u64) | ((self.newest as u64) << 1) | ((self.before as u64) << 17)
    }

    /// The fields of a run.
    ///
    /// # Errors
    /// [`DecodeError::Range`] for a value outside its bounds.
    #[inline]
    pub const fn unpack(run: u64) -> Result<Self, DecodeError> {
        let seen = run & 1 == 1;
        let newest = (run >> 1) as u32 & 0xffff;
        let before = (run >> 17) as u32 & 0x7fff;
        Ok(Self { seen, newest, before })
    }

    /// Appends the block.
    #[inline]
    pub fn write(&self, w: &mut BitWriter<'_>) {
        w.put_run(self.pack(), Self::BITS);
    }

    /// Reads the block.
    ///
    /// # Errors
    /// When the bytes end early or a value is outside its bounds.
    #[inline]
    pub fn read(r: &mut BitReader<'_>) -> Result<Self, DecodeError> {
        Self::unpack(r.take_run(Self::BITS)?)
    }
}

/// Follows the acks. Commands are for `tick`, `tick - 1`, ... one per tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommandsHead {
    /// Commands that follow, newest first.
    pub n_commands: u32,
    /// Tick of the first command.
    ///
    /// - Units: ticks.
    pub tick: u32,
}

impl CommandsHead {
    /// Largest width on the wire.
    pub const BITS_MAX: u32 = 35;

    /// Width on the wire.
    pub const BITS: u32 = 35;

    /// The fields as one run, low field first.
    #[inline]
    #[must_use]
    pub const fn pack(&self) -> u64 {
        debug_assert!(self.n_commands <= 4, "CommandsHead.n_commands is out of range");
        (self.n_commands as u64) | ((self.tick as u64) << 3)
    }

    /// The fields of a run.
    ///
    /// # Errors
    /// [`DecodeError::Range`] for a value outside its bounds.
    #[inline]
    pub const fn unpack(run: u64) -> Result<Self, DecodeError> {
        let n_commands = run as u32 & 0x7;
        if n_commands > 4 {
            return Err(DecodeError::Range {
                field: "CommandsHead.n_commands",
                value: n_commands,
            });
        }
        let tick = (run >> 3) as u32;
        Ok(Self { n_commands, tick })
    }

    /// Appends the block.
    #[inline]
    pub fn write(&self, w: &mut BitWriter<'_>) {
        w.put_run(self.pack(), Self::BITS);
    }

    /// Reads the block.
    ///
    /// # Errors
    /// When the bytes end early or a value is outside its bounds.
    #[inline]
    pub fn read(r: &mut BitReader<'_>) -> Result<Self, DecodeError> {
        Self::unpack(r.take_run(Self::BITS)?)
    }
}

/// Direct control (WASD or stick).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Steer {
    /// 0 is east, 64 is south.
    ///
    /// - Units: 1/256 turn.
    pub angle: u32,
    /// 0 stands; 1 to 3 are thirds of the full speed.
    pub speed: u32,
}

impl Steer {
    /// Largest width on the wire.
    pub const BITS_MAX: u32 = 10;

    /// Width on the wire.
    pub const BITS: u32 = 10;

    /// The fields as one run, low field first.
    #[inline]
    #[must_use]
    pub const fn pack(&self) -> u64 {
        debug_assert!(self.angle <= 255, "Steer.angle is out of range");
        debug_assert!(self.speed <= 3, "Steer.speed is out of range");
        (self.angle as u64) | ((self.speed as u64) << 8)
    }

    /// The fields of a run.
    ///
    /// # Errors
    /// [`DecodeError::Range`] for a value outside its bounds.
    #[inline]
    pub const fn unpack(run: u64) -> Result<Self, DecodeError> {
        let angle = run as u32 & 0xff;
        let speed = (run >> 8) as u32 & 0x3;
        Ok(Self { angle, speed })
    }

    /// Appends the block.
    #[inline]
    pub fn write(&self, w: &mut BitWriter<'_>) {
        w.put_run(self.pack(), Self::BITS);
    }

    /// Reads the block.
    ///
    /// # Errors
    /// When the bytes end early or a value is outside its bounds.
    #[inline]
    pub fn read(r: &mut BitReader<'_>) -> Result<Self, DecodeError> {
        Self::unpack(r.take_run(Self::BITS)?)
    }
}

/// A clicked point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Goal {
    /// Position east.
    ///
    /// - Units: mm.
    pub x_mm: u32,
    /// Position south.
    ///
    /// - Units: mm.
    pub y_mm: u32,
}

impl Goal {
    /// Largest width on the wire.
    pub const BITS_MAX: u32 = 44;

    /// Width on the wire.
    pub const BITS: u32 = 44;

    /// The fields as one run, low field first.
    #[inline]
    #[must_use]
    pub const fn pack(&self) -> u64 {
        debug_assert!(self.x_mm <= 4_194_303, "Goal.x_mm is out of range");
        debug_assert!(self.y_mm <= 4_194_303, "Goal.y_mm is out of range");
        (self.x_mm as u64) | ((self.y_mm as u64) << 22)
    }

    /// The fields of a run.
    ///
    /// # Errors
    /// [`DecodeError::Range`] for a value outside its bounds.
    #[inline]
    pub const fn unpack(run: u64) -> Result<Self, DecodeError> {
        let x_mm = run as u32 & 0x3fffff;
        let y_mm = (run >> 22) as u32 & 0x3fffff;
        Ok(Self { x_mm, y_mm })
    }

    /// Appends the block.
    #[inline]
    pub fn write(&self, w: &mut BitWriter<'_>) {
        w.put_run(self.pack(), Self::BITS);
    }

    /// Reads the block.
    ///
    /// # Errors
    /// When the bytes end early or a value is outside its bounds.
    #[inline]
    pub fn read(r: &mut BitReader<'_>) -> Result<Self, DecodeError> {
        Self::unpack(r.take_run(Self::BITS)?)
    }
}

/// Keeps on towards the last goal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Follow;

impl Follow {
    /// Largest width on the wire.
    pub const BITS_MAX: u32 = 0;

    /// Width on the wire.
    pub const BITS: u32 = 0;

    /// The fields as one run, low field first.
    #[inline]
    #[must_use]
    pub const fn pack(&self) -> u64 {
        0
    }

    /// The fields of a run.
    ///
    /// # Errors
    /// [`DecodeError::Range`] for a value outside its bounds.
    #[inline]
    pub const fn unpack(_run: u64) -> Result<Self, DecodeError> {
        Ok(Self)
    }

    /// Appends the block.
    #[inline]
    pub fn write(&self, w: &mut BitWriter<'_>) {
        w.put_run(self.pack(), Self::BITS);
    }

    /// Reads the block.
    ///
    /// # Errors
    /// When the bytes end early or a value is outside its bounds.
    #[inline]
    pub fn read(r: &mut BitReader<'_>) -> Result<Self, DecodeError> {
        Self::unpack(r.take_run(Self::BITS)?)
    }
}

/// What a command does besides moving.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deed {
    /// Swings the melee arc.
    pub swing: bool,
    /// Dashes.
    pub dash: bool,
    /// Direction of all that is done.
    ///
    /// - Units: 1/256 turn.
    pub aim: u32,
    /// Casts the area, `reach_64mm` away.
    pub area: bool,
    /// Shoots.
    pub shot: bool,
    /// From the own body to the middle of the area; the zone shortens it to what the skill reaches.
    ///
    /// - Units: 64 mm.
    pub reach_64mm: u32,
}

impl Deed {
    /// Largest width on the wire.
    pub const BITS_MAX: u32 = 20;

    /// Width on the wire.
    pub const BITS: u32 = 20;

    /// The fields as one run, low field first.
    #[inline]
    #[must_use]
    pub const fn pack(&self) -> u64 {
        debug_assert!(self.aim <= 255, "Deed.aim is out of range");
        debug_assert!(self.reach_64mm <= 255, "Deed.reach_64mm is out of range");
        (self.swing as u64) | ((self.dash as u64) << 1) | ((self.aim as u64) << 2)
            | ((self.area as u64) << 10) | ((self.shot as u64) << 11)
            | ((self.reach_64mm as u64) << 12)
    }

    /// The fields of a run.
    ///
    /// # Errors
    /// [`DecodeError::Range`] for a value outside its bounds.
    #[inline]
    pub const fn unpack(run: u64) -> Result<Self, DecodeError> {
        let swing = run & 1 == 1;
        let dash = (run >> 1) & 1 == 1;
        let aim = (run >> 2) as u32 & 0xff;
        let area = (run >> 10) & 1 == 1;
        let shot = (run >> 11) & 1 == 1;
        let reach_64mm = (run >> 12) as u32 & 0xff;
        Ok(Self {
            swing,
            dash,
            aim,
            area,
            shot,
            reach_64mm,
        })
    }

    /// Appends the block.
    #[inline]
    pub fn write(&self, w: &mut BitWriter<'_>) {
        w.put_run(self.pack(), Self::BITS);
    }

    /// Reads the block.
    ///
    /// # Errors
    /// When the bytes end early or a value is outside its bounds.
    #[inline]
    pub fn read(r: &mut BitReader<'_>) -> Result<Self, DecodeError> {
        Self::unpack(r.take_run(Self::BITS)?)
    }
}

/// What a player wants in one tick. Its sequence number is its tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// Movement.
    pub movement: Move,
    /// Present when something is done besides moving.
    pub deed: Option<Deed>,
}

impl Command {
    /// Largest width on the wire.
    pub const BITS_MAX: u32 = 67;

    /// Appends the block.
    #[inline]
    pub fn write(&self, w: &mut BitWriter<'_>) {
        self.movement.write(w);
        w.put_run(u64::from(self.deed.is_some()), 1);
        if let Some(deed) = &self.deed {
            deed.write(w);
        }
    }

    /// Reads the block.
    ///
    /// # Errors
    /// When the bytes end early or a value is outside its bounds.
    #[inline]
    pub fn read(r: &mut BitReader<'_>) -> Result<Self, DecodeError> {
        let movement = Move::read(r)?;
        let run = r.take_run(1)?;
        let has_deed = run & 1 == 1;
        let deed = if has_deed { Some(Deed::read(r)?) } else { None };
        Ok(Self { movement, deed })
    }
}
