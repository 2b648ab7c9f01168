//! A snapshot frame: composed by the server from masks and packed runs, taken apart by a client.
//!
//! Order: header, own block, slot news, introductions, groups in order of their ids, far (none yet), timed.
//! Source: docs/PROTOCOL.md "Frame".

use crate::bits::{BitReader, BitWriter, GUARD_BYTES};
use crate::{
    Circle, DecodeError, FRAME_BYTES_MAX, GROUP_BITS, Header, Hit, INTRODUCTIONS_MAX, Introduction, Look,
    Motion, N_GROUPS, Own, RING, SLOTS, Shot, ShotEnd, SlotNews, Status, TIMED_BYTES_MAX, TIMED_PENDING_MAX,
    Timed, TimedBody, Vitals,
};

const NEWS_COUNT_BITS: u32 = 7;
const INTRODUCTION_COUNT_BITS: u32 = 5;
const FAR_COUNT_BITS: u32 = 3;
const TIMED_COUNT_BITS: u32 = 5;
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
    + NEWS_COUNT_BITS
    + SLOTS as u32 * SlotNews::BITS_MAX
    + INTRODUCTION_COUNT_BITS
    + INTRODUCTIONS_MAX as u32 * Introduction::BITS_MAX
    + N_GROUPS as u32 * SLOT_LIST_BITS_MAX
    + (SLOTS - INTRODUCTIONS_MAX) as u32 * ALL_GROUPS_BITS
    + FAR_COUNT_BITS
    + TIMED_COUNT_BITS
    + TIMED_BYTES_MAX as u32 * 8;
const _: () = assert!(FRAME_BITS_MAX.div_ceil(8) as usize <= FRAME_BYTES_MAX);
// An introduction is longer than the groups it replaces, so more of them never make a frame shorter.
const _: () = assert!(Introduction::BITS_MAX > ALL_GROUPS_BITS);
const _: () = assert!(SLOTS == 64 && RING == 16);

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
    /// Everything about the entity in `slot`.
    fn introduction(&self, slot: u32) -> Introduction;
    /// The packed run of one group of the entity in `slot`.
    fn run(&self, group: usize, slot: u32) -> u64;
}

/// What goes into a frame, as masks over the slots.
#[derive(Debug)]
pub struct Parts<'a> {
    /// Number, tick, input echo.
    pub header: Header,
    /// The own body.
    pub own: Own,
    /// Slots with news not yet acknowledged: `news[age]`, age in snapshot numbers; age 0 empties the slot now.
    pub news: [u64; RING],
    /// Slots introduced in this frame, at most [`INTRODUCTIONS_MAX`].
    pub introduced: u64,
    /// Slots sent per group; none of them introduced.
    pub groups: [u64; N_GROUPS],
    /// Timed events, at most [`TIMED_BYTES_MAX`] together.
    pub timed: &'a [Timed],
}

/// Writes a frame and returns its length in bytes.
///
/// - Shapes: masks as [`Parts`] says; a slot has news of one age only.
/// - Cost: one put per sent (slot, group); no allocation.
///
/// # Panics
/// If `buffer` is shorter than [`FRAME_BUFFER_BYTES`]; in debug builds also when the masks overlap.
pub fn encode<S: Slots>(parts: &Parts<'_>, slots: &S, buffer: &mut [u8]) -> usize {
    assert!(buffer.len() >= FRAME_BUFFER_BYTES, "no room for a frame");
    debug_assert!(parts.introduced.count_ones() as usize <= INTRODUCTIONS_MAX);
    let mut writer = BitWriter::new(buffer);
    parts.header.write(&mut writer);
    parts.own.write(&mut writer);
    write_news(&parts.news, &mut writer);
    writer.put(parts.introduced.count_ones(), INTRODUCTION_COUNT_BITS);
    for slot in ones(parts.introduced) {
        slots.introduction(slot).write(&mut writer);
    }
    for (group, &mask) in parts.groups.iter().enumerate() {
        debug_assert_eq!(mask & parts.introduced, 0, "an introduction holds all groups");
        write_slots(mask, &mut writer);
        for slot in ones(mask) {
            writer.put_run(slots.run(group, slot), GROUP_BITS[group]);
        }
    }
    writer.put(0, FAR_COUNT_BITS);
    writer.put(parts.timed.len() as u32, TIMED_COUNT_BITS);
    for timed in parts.timed {
        timed.write(&mut writer);
    }
    writer.finish()
}

fn write_news(news: &[u64; RING], writer: &mut BitWriter<'_>) {
    let any = news.iter().fold(0, |any, mask| any | mask);
    debug_assert_eq!(any.count_ones(), news.iter().map(|mask| mask.count_ones()).sum::<u32>());
    writer.put(any.count_ones(), NEWS_COUNT_BITS);
    for slot in ones(any) {
        let age = news.iter().position(|mask| mask >> slot & 1 == 1).expect("the slot is in the union");
        SlotNews { slot, age: age as u32 }.write(writer);
    }
}

/// Writes a list of slots: up to eight indices, or the whole mask.
fn write_slots(mask: u64, writer: &mut BitWriter<'_>) {
    let n = mask.count_ones();
    if n <= INDICES_MAX {
        writer.put(n, SELECTOR_BITS);
        for slot in ones(mask) {
            writer.put(slot, SLOT_BITS);
        }
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
        n if n <= INDICES_MAX => {
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
    /// The list of slot news.
    News,
    /// One introduction, by position.
    Introduction(usize),
    /// The slot list of a group.
    GroupSlots(usize),
    /// One value: group, slot.
    GroupValue(usize, u32),
    /// Far records; none in this epoch.
    Far,
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
    read_news(&mut reader, frame)?;
    seen(Part::News, reader.at_bit(), frame);
    let introduced = read_introductions(&mut reader, frame, &mut seen)?;
    for group in 0..N_GROUPS {
        read_group(&mut reader, frame, group, introduced, &mut seen)?;
    }
    let n_far = reader.take(FAR_COUNT_BITS)?;
    if n_far != 0 {
        return Err(DecodeError::Range { field: "far count", value: n_far });
    }
    seen(Part::Far, reader.at_bit(), frame);
    read_timed(&mut reader, frame, &mut seen)?;
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

fn read_group(
    reader: &mut BitReader<'_>,
    frame: &mut Frame,
    group: usize,
    introduced: u64,
    seen: &mut impl FnMut(Part, usize, &Frame),
) -> Result<(), DecodeError> {
    let mask = read_slots(reader)?;
    if mask & introduced != 0 {
        return Err(DecodeError::Order { what: "group of a slot that was just introduced" });
    }
    frame.groups[group] = mask;
    seen(Part::GroupSlots(group), reader.at_bit(), frame);
    for slot in ones(mask) {
        let run = reader.take_run(GROUP_BITS[group])?;
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

fn count(
    reader: &mut BitReader<'_>,
    n_bits: u32,
    max: usize,
    field: &'static str,
) -> Result<usize, DecodeError> {
    let value = reader.take(n_bits)?;
    if value as usize > max { Err(DecodeError::Range { field, value }) } else { Ok(value as usize) }
}

/// Positions of the set bits, lowest first.
#[inline]
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
mod tests {
    use super::*;

    struct Same;
    impl Slots for Same {
        fn introduction(&self, slot: u32) -> Introduction {
            Introduction { slot, entity: 0xfeed_0000 | slot, ..Introduction::default() }
        }
        fn run(&self, group: usize, slot: u32) -> u64 {
            match group {
                Motion::GROUP => Motion { x_16mm: slot, tick_low: 7, ..Motion::default() }.pack(),
                Status::GROUP => u64::from(slot & 3),
                _ => u64::from(slot),
            }
        }
    }

    fn longest() -> Parts<'static> {
        let introduced = (1 << INTRODUCTIONS_MAX) - 1;
        let mut news = [0; RING];
        news[15] = u64::MAX;
        let own = Own { state: Some(crate::OwnState::default()), ..Own::default() };
        Parts {
            header: Header::default(),
            own,
            news,
            introduced,
            groups: [!introduced; N_GROUPS],
            timed: &[],
        }
    }

    #[test]
    fn the_longest_frame_fits_and_reads_back() {
        let mut buffer = [0xaa; FRAME_BUFFER_BYTES];
        let n_bytes = encode(&longest(), &Same, &mut buffer);
        assert!(n_bytes <= FRAME_BYTES_MAX - TIMED_BYTES_MAX);
        let mut frame = Frame::default();
        decode(&buffer[..n_bytes], &mut frame).unwrap();
        assert_eq!((frame.n_news, frame.n_introductions), (64, INTRODUCTIONS_MAX));
        assert_eq!(frame.groups, longest().groups);
        assert_eq!(frame.motion[63].x_16mm, 63);
        assert_eq!(frame.introductions[3], Same.introduction(3));
    }

    #[test]
    fn timed_events_are_as_long_as_said() {
        for body in [
            TimedBody::Hit(Hit::default()),
            TimedBody::Circle(Circle { radius_64mm: 1, windup_ticks: 1, ..Circle::default() }),
            TimedBody::Shot(Shot { draw_ticks: 1, flight_ticks: 1, ..Shot::default() }),
            TimedBody::ShotEnd(ShotEnd::default()),
        ] {
            let mut bytes = [0; 256];
            let mut writer = BitWriter::new(&mut bytes);
            let timed = Timed { body, ..Timed::default() };
            (0..8).for_each(|_| timed.write(&mut writer));
            assert_eq!(writer.finish() as u32, timed_bits(&body), "eight of them in bytes: {body:?}");
        }
    }

    #[test]
    fn slot_lists_of_every_length_read_back() {
        for n in 0..=64u32 {
            let mask = if n == 64 { u64::MAX } else { ((1 << n) - 1) << (64 - n).min(3) };
            let mut bytes = [0; 32];
            let mut writer = BitWriter::new(&mut bytes);
            write_slots(mask, &mut writer);
            let n_bytes = writer.finish();
            assert_eq!(read_slots(&mut BitReader::new(&bytes, n_bytes)).unwrap(), mask);
        }
    }

    #[test]
    fn selectors_9_to_14_and_unordered_indices_are_errors() {
        for selector in 9..=14 {
            let mut bytes = [0; 24];
            bytes[0] = selector;
            assert!(read_slots(&mut BitReader::new(&bytes, 16)).is_err(), "selector {selector}");
        }
        let mut bytes = [0; 24];
        let mut writer = BitWriter::new(&mut bytes);
        writer.put(2, SELECTOR_BITS);
        writer.put(5, SLOT_BITS);
        writer.put(5, SLOT_BITS);
        let n_bytes = writer.finish();
        let read = read_slots(&mut BitReader::new(&bytes, n_bytes));
        assert_eq!(read, Err(DecodeError::Order { what: "slot list" }));
    }

    #[test]
    fn every_truncation_of_a_frame_is_refused() {
        let mut buffer = [0; FRAME_BUFFER_BYTES];
        let n_bytes = encode(&longest(), &Same, &mut buffer);
        let mut frame = Frame::default();
        for n in 0..n_bytes {
            assert!(decode(&buffer[..n], &mut frame).is_err(), "{n} of {n_bytes} bytes passed");
        }
    }
}
