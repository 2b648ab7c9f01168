//! A snapshot frame: composed by the server from masks and packed runs, taken apart by a client.
//!
//! Order: header, own block, which parts follow, slot news, introductions, steps, groups in order of their ids, timed.
//! Source: docs/PROTOCOL.md "Frame".

use crate::bits::{BitReader, BitWriter, GUARD_BYTES, RUN_BITS_MAX};
use crate::{
    Circle, Course, DecodeError, FRAME_BYTES_MAX, GROUP_BITS, Header, Hit, INTRODUCTIONS_MAX, Introduction,
    Kind, Look, Motion, N_GROUPS, Own, OwnState, RING, SLOTS, Shot, ShotEnd, SlotNews, Status, Step,
    TIMED_BYTES_MAX, TIMED_PENDING_MAX, Timed, TimedBody, Vitals,
};

/// A bit for each part that a frame may lack: news, introductions, steps, groups by id, timed events.
const PRESENCE_BITS: u32 = 4 + N_GROUPS as u32;
const HAS_NEWS: u32 = 1;
const HAS_INTRODUCTIONS: u32 = 1 << 1;
const HAS_STEPS: u32 = 1 << 2;
const HAS_GROUP_0: u32 = 1 << 3;
const HAS_TIMED: u32 = 1 << (PRESENCE_BITS - 1);
/// Parts that are there have one entry at least: their counts are less one.
const NEWS_COUNT_BITS: u32 = 6;
const INTRODUCTION_COUNT_BITS: u32 = 5;
const TIMED_COUNT_BITS: u32 = 4;
const SELECTOR_BITS: u32 = 4;
const SELECTOR_MASK: u32 = 15;
const INDICES_MAX: u32 = 8;
const SLOT_BITS: u32 = 6;
const SLOT_LIST_BITS_MAX: u32 = SELECTOR_BITS + SLOTS as u32;

const ALL_GROUPS_BITS: u32 = {
    let (mut sum, mut group) = (0, 0);
    while group < N_GROUPS {
        sum += GROUP_BITS[group];
        group += 1;
    }
    sum
};
/// The longest frame: as many introductions as may be, every other slot dirty in every group.
const FRAME_BITS_MAX: u32 = Header::BITS_MAX
    + Own::BITS_MAX
    + PRESENCE_BITS
    + NEWS_COUNT_BITS
    + SLOTS as u32 * SlotNews::BITS_MAX
    + INTRODUCTION_COUNT_BITS
    + INTRODUCTIONS_MAX as u32 * Introduction::BITS_MAX
    + (1 + N_GROUPS as u32) * SLOT_LIST_BITS_MAX
    + (SLOTS - INTRODUCTIONS_MAX) as u32 * (ALL_GROUPS_BITS + 1)
    + TIMED_COUNT_BITS
    + TIMED_BYTES_MAX as u32 * 8;
const _: () = assert!(FRAME_BITS_MAX.div_ceil(8) as usize <= FRAME_BYTES_MAX);
// An introduction is longer than the groups it replaces, so more of them never make a frame shorter.
const _: () = assert!(Introduction::BITS_MAX > ALL_GROUPS_BITS + 1);
const _: () = assert!(Step::BITS_MAX < GROUP_BITS[Motion::GROUP]);
const _: () = assert!(SLOTS <= 1 << NEWS_COUNT_BITS && TIMED_PENDING_MAX <= 1 << TIMED_COUNT_BITS);
const _: () = assert!(INTRODUCTIONS_MAX <= 1 << INTRODUCTION_COUNT_BITS);
const _: () = assert!(SLOTS == 64 && RING == 16);
const _: () = assert!(SELECTOR_BITS + INDICES_MAX * SLOT_BITS <= RUN_BITS_MAX);

/// Bits of a timed event in a frame.
#[must_use]
pub fn timed_bits(body: &TimedBody) -> u32 {
    let body_bits = match body {
        TimedBody::Hit(_) => Hit::BITS_MAX,
        TimedBody::Circle(_) => Circle::BITS_MAX,
        TimedBody::Shot(_) => Shot::BITS_MAX,
        TimedBody::ShotEnd(_) => ShotEnd::BITS_MAX,
    };
    Timed::BITS_MAX - TimedBody::BITS_MAX + TimedBody::TAG_BITS + body_bits
}

/// Room for one frame while it is written.
pub const FRAME_BUFFER_BYTES: usize = FRAME_BYTES_MAX + GUARD_BYTES;

/// What a frame takes from its owner's columns.
pub trait Slots {
    /// The entity in `slot`, and what it is.
    fn occupant(&self, slot: u32) -> (u32, Kind);
    /// The packed run of one group of the entity in `slot`.
    fn run(&self, group: usize, slot: u32) -> u64;
    /// How many snapshot numbers ago the news of `slot` happened; 0: the slot is emptied now.
    fn news_age(&self, slot: u32) -> u32;
}

/// What goes into a frame, as masks over the slots.
#[derive(Debug)]
pub struct Parts<'a> {
    /// Number, tick, input echo.
    pub header: Header,
    /// The own body.
    pub own: Own,
    /// Slots with news not yet acknowledged; none of them introduced.
    pub news: u64,
    /// Slots introduced in this frame, at most [`INTRODUCTIONS_MAX`].
    pub introduced: u64,
    /// Slots whose motion goes on from where the client has it, in the frame's tick; none of them introduced.
    pub steps: u64,
    /// Slots sent per group; none of them introduced, and none of `steps` in the motion group.
    pub groups: [u64; N_GROUPS],
    /// Timed events, at most [`TIMED_BYTES_MAX`] together.
    pub timed: &'a [Timed],
}

/// Writes a frame and returns its length in bytes.
///
/// - Shapes: masks as [`Parts`] says.
/// - Cost: one put per sent (slot, group) and per slot list; no allocation.
///
/// # Panics
/// If `buffer` is shorter than [`FRAME_BUFFER_BYTES`]; in debug builds also when the masks overlap.
#[inline(always)]
pub fn encode<S: Slots>(parts: &Parts<'_>, slots: &S, buffer: &mut [u8]) -> usize {
    debug_assert!(parts.introduced.count_ones() as usize <= INTRODUCTIONS_MAX);
    let mut writer = BitWriter::new(&mut buffer[..FRAME_BUFFER_BYTES]);
    parts.header.write(&mut writer);
    if parts.own.state.is_some() {
        writer = write_own(parts.own, presence(parts), writer);
    } else {
        let own = u64::from(parts.own.x_mm) | u64::from(parts.own.y_mm) << OWN_AXIS_BITS;
        let run = own | u64::from(presence(parts)) << OWN_PLACE_BITS;
        writer.put_run(run, OWN_PLACE_BITS + PRESENCE_BITS);
    }
    if parts.news | parts.introduced != 0 {
        write_arrivals(parts, slots, &mut writer);
    }
    if parts.steps != 0 {
        debug_assert_eq!(parts.steps & (parts.introduced | parts.groups[Motion::GROUP]), 0, "moved twice");
        write_slots(parts.steps, &mut writer);
        for slot in ones(parts.steps) {
            let (run, n_bits) = step_run(slots.run(Motion::GROUP, slot));
            writer.put_run(run, n_bits);
        }
    }
    for (group, &mask) in parts.groups.iter().enumerate() {
        debug_assert_eq!(mask & parts.introduced, 0, "an introduction holds all groups");
        if mask != 0 {
            write_slots(mask, &mut writer);
            for slot in ones(mask) {
                let (run, n_bits) = value_run(group, slots.run(group, slot));
                writer.put_run(run, n_bits);
            }
        }
    }
    if !parts.timed.is_empty() {
        writer = write_timed(parts.timed, writer);
    }
    writer.finish()
}

/// Bits of the own position per axis.
const OWN_AXIS_BITS: u32 = 22;
/// The own block without a state: the position, and that there is none.
const OWN_PLACE_BITS: u32 = 2 * OWN_AXIS_BITS + 1;
const _: () = assert!(OWN_PLACE_BITS + OwnState::BITS_MAX == Own::BITS_MAX);
const _: () = assert!(OWN_PLACE_BITS + PRESENCE_BITS <= RUN_BITS_MAX);

/// The rare long own block. The writer comes and goes by value, so that it stays in registers for the rest of a frame.
#[inline(never)]
fn write_own(own: Own, presence: u32, mut writer: BitWriter<'_>) -> BitWriter<'_> {
    own.write(&mut writer);
    writer.put(presence, PRESENCE_BITS);
    writer
}

/// Timed events, by value as [`write_own`].
#[inline(never)]
fn write_timed<'a>(timed: &[Timed], mut writer: BitWriter<'a>) -> BitWriter<'a> {
    writer.put(timed.len() as u32 - 1, TIMED_COUNT_BITS);
    timed.iter().for_each(|timed| timed.write(&mut writer));
    writer
}

#[inline(always)]
fn presence(parts: &Parts<'_>) -> u32 {
    let groups = parts.groups.iter().rev().fold(0, |bits, mask| bits << 1 | u32::from(*mask != 0));
    let has = |bit: u32, it_has: bool| if it_has { bit } else { 0 };
    has(HAS_NEWS, parts.news != 0)
        | has(HAS_INTRODUCTIONS, parts.introduced != 0)
        | has(HAS_STEPS, parts.steps != 0)
        | (groups * HAS_GROUP_0)
        | has(HAS_TIMED, !parts.timed.is_empty())
}

/// A value as it travels, and its width. An action ends as often as it begins: a status of zeros is one bit.
#[inline(always)]
fn value_run(group: usize, run: u64) -> (u64, u32) {
    match group {
        Status::GROUP if run == 0 => (0, 1),
        Status::GROUP => (run << 1 | 1, GROUP_BITS[group] + 1),
        _ => (run, GROUP_BITS[group]),
    }
}

const STEP_BITS: u32 = Step::BITS_MAX - Course::BITS_MAX - 1;
const AXIS_BITS: u32 = STEP_BITS / 2;

/// The run of a [`Step`] with the same place and velocity as a packed [`Motion`], and its width.
#[inline(always)]
fn step_run(motion: u64) -> (u64, u32) {
    let axis = (1 << AXIS_BITS) - 1;
    let (x, y) = (motion & axis, motion >> POSITION_BITS & axis);
    let course = motion >> (2 * POSITION_BITS) & ((1 << Course::BITS) - 1);
    let moves = u64::from(course != STANDING);
    let n_bits = STEP_BITS + 1 + Course::BITS * moves as u32;
    (x | y << AXIS_BITS | moves << STEP_BITS | (course * moves) << (STEP_BITS + 1), n_bits)
}

/// Bits of a position per axis in a motion.
const POSITION_BITS: u32 = 13;
/// A packed velocity of nothing.
const STANDING: u64 = Course { vx_mm_per_tick: 0, vy_mm_per_tick: 0 }.pack();

/// Writes slot news and introductions.
#[inline(always)]
fn write_arrivals<S: Slots>(parts: &Parts<'_>, slots: &S, writer: &mut BitWriter<'_>) {
    debug_assert_eq!(parts.news & parts.introduced, 0, "an introduction replaces what was in the slot");
    if parts.news != 0 {
        writer.put(parts.news.count_ones() - 1, NEWS_COUNT_BITS);
        for slot in ones(parts.news) {
            SlotNews { slot, age: slots.news_age(slot) }.write(writer);
        }
    }
    if parts.introduced != 0 {
        writer.put(parts.introduced.count_ones() - 1, INTRODUCTION_COUNT_BITS);
        for slot in ones(parts.introduced) {
            write_introduction(slot, slots, writer);
        }
    }
}

/// Writes an [`Introduction`] as its occupant and the runs of all its groups.
#[inline(always)]
fn write_introduction<S: Slots>(slot: u32, slots: &S, writer: &mut BitWriter<'_>) {
    let (entity, kind) = slots.occupant(slot);
    let occupant = u64::from(entity) << SLOT_BITS | (kind as u64) << (SLOT_BITS + u32::BITS);
    writer.put_run(u64::from(slot) | occupant, OCCUPANT_BITS);
    writer.put_run(slots.run(Motion::GROUP, slot), Motion::BITS);
    let figures = slots.run(Vitals::GROUP, slot) | slots.run(Status::GROUP, slot) << Vitals::BITS;
    let look = slots.run(Look::GROUP, slot) << (Vitals::BITS + Status::BITS);
    writer.put_run(figures | look, Vitals::BITS + Status::BITS + Look::BITS);
}

/// Slot, entity and kind of an introduction.
const OCCUPANT_BITS: u32 = SLOT_BITS + u32::BITS + Kind::BITS;
const _: () = assert!(OCCUPANT_BITS + ALL_GROUPS_BITS == Introduction::BITS_MAX);

/// Writes a list of slots: up to eight indices, or the whole mask.
#[inline(always)]
fn write_slots(mask: u64, writer: &mut BitWriter<'_>) {
    let n = mask.count_ones();
    if n <= INDICES_MAX {
        let (mut run, mut n_bits) = (u64::from(n), SELECTOR_BITS);
        for slot in ones(mask) {
            run |= u64::from(slot) << n_bits;
            n_bits += SLOT_BITS;
        }
        writer.put_run(run, n_bits);
    } else {
        writer.put(SELECTOR_MASK, SELECTOR_BITS);
        writer.put_wide32(mask as u32);
        writer.put_wide32((mask >> 32) as u32);
    }
}

fn read_slots(reader: &mut BitReader<'_>) -> Result<u64, DecodeError> {
    match reader.take(SELECTOR_BITS)? {
        SELECTOR_MASK => {
            let low = u64::from(reader.take_wide32()?);
            Ok(low | u64::from(reader.take_wide32()?) << 32)
        }
        n if 0 < n && n <= INDICES_MAX => {
            let mut mask = 0u64;
            for _ in 0..n {
                let slot = reader.take(SLOT_BITS)?;
                if mask >> slot != 0 {
                    return Err(DecodeError::Order { what: "slot list" });
                }
                mask |= 1 << slot;
            }
            Ok(mask)
        }
        value => Err(DecodeError::Range { field: "slot list selector", value }),
    }
}

/// A frame taken apart. Reuse one: decoding allocates nothing.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Number, tick, input echo.
    pub header: Header,
    /// The own body.
    pub own: Own,
    /// Slot news in use.
    pub n_news: usize,
    /// Slot news, ascending by slot.
    pub news: [SlotNews; SLOTS],
    /// Introductions in use.
    pub n_introductions: usize,
    /// Introductions, ascending by slot.
    pub introductions: [Introduction; INTRODUCTIONS_MAX],
    /// Slots with a step.
    pub steps: u64,
    /// Steps by slot; valid where the mask has a bit.
    pub step: [Step; SLOTS],
    /// Slots per group.
    pub groups: [u64; N_GROUPS],
    /// Group 0 by slot; valid where its mask has a bit.
    pub motion: [Motion; SLOTS],
    /// Group 1 by slot.
    pub vitals: [Vitals; SLOTS],
    /// Group 2 by slot.
    pub status: [Status; SLOTS],
    /// Group 3 by slot.
    pub look: [Look; SLOTS],
    /// Timed events in use.
    pub n_timed: usize,
    /// Timed events.
    pub timed: [Timed; TIMED_PENDING_MAX],
}

impl Default for Frame {
    fn default() -> Self {
        Self {
            header: Header::default(),
            own: Own::default(),
            n_news: 0,
            news: [SlotNews::default(); SLOTS],
            n_introductions: 0,
            introductions: [Introduction::default(); INTRODUCTIONS_MAX],
            steps: 0,
            step: [Step::default(); SLOTS],
            groups: [0; N_GROUPS],
            motion: [Motion::default(); SLOTS],
            vitals: [Vitals::default(); SLOTS],
            status: [Status::default(); SLOTS],
            look: [Look::default(); SLOTS],
            n_timed: 0,
            timed: [Timed::default(); TIMED_PENDING_MAX],
        }
    }
}

/// A part of a frame, for tools that show where the bits go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The header.
    Header,
    /// The own block.
    Own,
    /// Which parts follow.
    Presence,
    /// The list of slot news.
    News,
    /// One introduction, by position.
    Introduction(usize),
    /// The slot list of the steps.
    StepSlots,
    /// One step, by slot.
    StepValue(u32),
    /// The slot list of a group.
    GroupSlots(usize),
    /// One value: group, slot.
    GroupValue(usize, u32),
    /// One timed event, by position.
    Timed(usize),
}

/// Takes a frame apart.
///
/// - Cost: straight-line reads, no allocation.
///
/// # Errors
/// Any [`DecodeError`]; `frame` then holds rubbish and must not be used.
pub fn decode(bytes: &[u8], frame: &mut Frame) -> Result<(), DecodeError> {
    decode_traced(bytes, frame, |_, _, _| ())
}

/// As [`decode`], and tells `seen` of each part with its first bit and the bit behind it.
///
/// # Errors
/// As [`decode`]; parts before the error have been told.
pub fn decode_traced(
    bytes: &[u8],
    frame: &mut Frame,
    mut seen: impl FnMut(Part, usize, &Frame),
) -> Result<(), DecodeError> {
    if bytes.len() > FRAME_BYTES_MAX {
        let n = bytes.len() as u32;
        return Err(DecodeError::TooLong { what: "frame", n, max: FRAME_BYTES_MAX as u32 });
    }
    let mut padded = [0; FRAME_BUFFER_BYTES];
    padded[..bytes.len()].copy_from_slice(bytes);
    let mut reader = BitReader::new(&padded, bytes.len());
    frame.header = Header::read(&mut reader)?;
    seen(Part::Header, reader.at_bit(), frame);
    frame.own = Own::read(&mut reader)?;
    seen(Part::Own, reader.at_bit(), frame);
    let present = reader.take(PRESENCE_BITS)?;
    let has = |bit: u32| present & bit != 0;
    seen(Part::Presence, reader.at_bit(), frame);
    (frame.n_news, frame.n_introductions, frame.steps, frame.n_timed) = (0, 0, 0, 0);
    frame.groups = [0; N_GROUPS];
    if has(HAS_NEWS) {
        read_news(&mut reader, frame)?;
        seen(Part::News, reader.at_bit(), frame);
    }
    let mut taken = 0;
    if has(HAS_INTRODUCTIONS) {
        taken = read_introductions(&mut reader, frame, &mut seen)?;
    }
    if has(HAS_STEPS) {
        read_steps(&mut reader, frame, taken, &mut seen)?;
    }
    for group in (0..N_GROUPS).filter(|group| has(HAS_GROUP_0 << group)) {
        let taken = if group == Motion::GROUP { taken | frame.steps } else { taken };
        read_group(&mut reader, frame, group, taken, &mut seen)?;
    }
    if has(HAS_TIMED) {
        read_timed(&mut reader, frame, &mut seen)?;
    }
    reader.finish()
}

fn read_news(reader: &mut BitReader<'_>, frame: &mut Frame) -> Result<(), DecodeError> {
    let n = count(reader, NEWS_COUNT_BITS, SLOTS, "news count")?;
    for at in 0..n {
        frame.news[at] = SlotNews::read(reader)?;
        if at > 0 && frame.news[at].slot <= frame.news[at - 1].slot {
            return Err(DecodeError::Order { what: "slot news" });
        }
    }
    frame.n_news = n;
    Ok(())
}

fn read_introductions(
    reader: &mut BitReader<'_>,
    frame: &mut Frame,
    seen: &mut impl FnMut(Part, usize, &Frame),
) -> Result<u64, DecodeError> {
    let mut introduced = 0u64;
    let n = count(reader, INTRODUCTION_COUNT_BITS, INTRODUCTIONS_MAX, "introduction count")?;
    for at in 0..n {
        let introduction = Introduction::read(reader)?;
        if introduced >> introduction.slot != 0 {
            return Err(DecodeError::Order { what: "introductions" });
        }
        introduced |= 1 << introduction.slot;
        frame.introductions[at] = introduction;
        seen(Part::Introduction(at), reader.at_bit(), frame);
    }
    frame.n_introductions = n;
    Ok(introduced)
}

fn read_steps(
    reader: &mut BitReader<'_>,
    frame: &mut Frame,
    introduced: u64,
    seen: &mut impl FnMut(Part, usize, &Frame),
) -> Result<(), DecodeError> {
    frame.steps = read_slots(reader)?;
    if frame.steps & introduced != 0 {
        return Err(DecodeError::Order { what: "step of a slot that was just introduced" });
    }
    seen(Part::StepSlots, reader.at_bit(), frame);
    for slot in ones(frame.steps) {
        frame.step[slot as usize] = Step::read(reader)?;
        seen(Part::StepValue(slot), reader.at_bit(), frame);
    }
    Ok(())
}

fn read_group(
    reader: &mut BitReader<'_>,
    frame: &mut Frame,
    group: usize,
    taken: u64,
    seen: &mut impl FnMut(Part, usize, &Frame),
) -> Result<(), DecodeError> {
    let mask = read_slots(reader)?;
    if mask & taken != 0 {
        return Err(DecodeError::Order { what: "group of a slot that was just introduced, or has a step" });
    }
    frame.groups[group] = mask;
    seen(Part::GroupSlots(group), reader.at_bit(), frame);
    for slot in ones(mask) {
        let is_zero = group == Status::GROUP && !reader.take_bool()?;
        let run = if is_zero { 0 } else { reader.take_run(GROUP_BITS[group])? };
        let at = slot as usize;
        match group {
            Motion::GROUP => frame.motion[at] = Motion::unpack(run)?,
            Vitals::GROUP => frame.vitals[at] = Vitals::unpack(run)?,
            Status::GROUP => frame.status[at] = Status::unpack(run)?,
            _ => frame.look[at] = Look::unpack(run)?,
        }
        seen(Part::GroupValue(group, slot), reader.at_bit(), frame);
    }
    Ok(())
}

fn read_timed(
    reader: &mut BitReader<'_>,
    frame: &mut Frame,
    seen: &mut impl FnMut(Part, usize, &Frame),
) -> Result<(), DecodeError> {
    let n = count(reader, TIMED_COUNT_BITS, TIMED_PENDING_MAX, "timed count")?;
    for at in 0..n {
        frame.timed[at] = Timed::read(reader)?;
        seen(Part::Timed(at), reader.at_bit(), frame);
    }
    frame.n_timed = n;
    Ok(())
}

/// A count that travels less one.
fn count(
    reader: &mut BitReader<'_>,
    n_bits: u32,
    max: usize,
    field: &'static str,
) -> Result<usize, DecodeError> {
    let value = reader.take(n_bits)?;
    if value as usize >= max { Err(DecodeError::Range { field, value }) } else { Ok(value as usize + 1) }
}

/// Positions of the set bits, lowest first.
#[inline(always)]
pub fn ones(mut mask: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        (mask != 0).then(|| {
            let slot = mask.trailing_zeros();
            mask &= mask - 1;
            slot
        })
    })
}

#[cfg(test)]
#[path = "snapshot_tests.rs"]
mod tests;
