//! Motion as clients were told, column by column, and packed as it travels.

use crate::ids::Row;
use netproto::Motion;
use netproto::SEGMENT_AGE_TICKS_MAX;
use netproto::quantise::Segment;

/// Bits of a packed run; above them lie the low bits of the segment's tick.
const TAG_AT: u32 = Motion::BITS;
/// Bits of a tick beside a run.
const TAG_BITS: u32 = 63 - TAG_AT;
const TAG_MASK: u32 = (1 << TAG_BITS) - 1;
/// A run that must be packed anew.
const STALE: u64 = 1 << 63;
/// Old runs are marked as stale every so many ticks: the low bits of a tick must not come round before.
pub const STALE_TICKS: u32 = 1 << (TAG_BITS - 1);
const _: () = assert!(STALE_TICKS + SEGMENT_AGE_TICKS_MAX < 1 << TAG_BITS);

/// The segment of every row: one column per part, because stage 5 looks at all of them and clients at few.
#[derive(Clone, Debug)]
pub struct Segments {
    /// East, where it is anchored.
    pub x_mm: Vec<i32>,
    /// South.
    pub y_mm: Vec<i32>,
    /// Eastward, in mm per tick.
    pub vx: Vec<i16>,
    /// Southward.
    pub vy: Vec<i16>,
    /// When the anchor held.
    pub tick: Vec<u32>,
    /// The motion group as it travels, with the segment's tick above it: what encoding needs in one word. A cache, not
    /// state.
    pub(crate) run: Vec<u64>,
}

impl Segments {
    /// So many rows that stand at the corner of the zone.
    #[must_use]
    pub fn new(n_rows: usize) -> Self {
        Self {
            x_mm: vec![0; n_rows],
            y_mm: vec![0; n_rows],
            vx: vec![0; n_rows],
            vy: vec![0; n_rows],
            tick: vec![0; n_rows],
            run: vec![STALE; n_rows],
        }
    }

    /// The segment of a row, however old.
    #[must_use]
    #[inline]
    pub fn get(&self, row: Row) -> Segment {
        let at = row.at();
        let (vx, vy) = (self.vx[at], self.vy[at]);
        Segment { x_mm: self.x_mm[at], y_mm: self.y_mm[at], vx, vy, tick: self.tick[at] }
    }

    /// Puts a segment into a row.
    pub fn set(&mut self, row: Row, segment: Segment) {
        let at = row.at();
        (self.x_mm[at], self.y_mm[at]) = (segment.x_mm, segment.y_mm);
        (self.vx[at], self.vy[at]) = (segment.vx, segment.vy);
        (self.tick[at], self.run[at]) = (segment.tick, STALE);
    }

    /// The packed run of a row as it travels in a frame of `tick`.
    ///
    /// - Cost: one load and one comparison, while the segment is young enough to travel as it is.
    #[must_use]
    #[inline]
    pub fn run(&self, row: Row, tick: u32) -> u64 {
        let word = self.run[row.at()];
        if is_young(word, tick) { word & ((1 << TAG_AT) - 1) } else { self.run_anew(row, tick) }
    }

    /// As [`Segments::run`], from the columns.
    #[inline(never)]
    fn run_anew(&self, row: Row, tick: u32) -> u64 {
        self.get(row).fresh(tick).to_motion().pack()
    }

    /// Exchanges two rows.
    pub(crate) fn swap(&mut self, a: usize, b: usize) {
        self.x_mm.swap(a, b);
        self.y_mm.swap(a, b);
        self.vx.swap(a, b);
        self.vy.swap(a, b);
        self.tick.swap(a, b);
        self.run.swap(a, b);
    }

    /// Bytes of a row.
    pub(crate) const ROW_BYTES: usize =
        size_of::<(i32, i32)>() + size_of::<(i16, i16)>() + size_of::<u32>() + size_of::<u64>();
}

/// The run of a new segment, with its tick.
#[inline(always)]
pub(crate) fn packed(segment: &Segment) -> u64 {
    segment.to_motion().pack() | u64::from(segment.tick & TAG_MASK) << TAG_AT
}

/// Marks a run as stale if its segment is too old to travel as it is.
#[inline(always)]
pub(crate) fn aged(word: u64, tick: u32) -> u64 {
    if is_young(word, tick) { word } else { STALE }
}

/// Whether a run may still travel in a frame of `tick`.
#[inline(always)]
fn is_young(word: u64, tick: u32) -> bool {
    let tag = (word >> TAG_AT) as u32;
    // A stale word has a bit above the others, and so is older than anything.
    (tick.wrapping_sub(tag) & TAG_MASK | tag & !TAG_MASK) <= SEGMENT_AGE_TICKS_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_run_is_what_the_columns_say_however_old_it_grows() {
        let segment = Segment::anchored(1_234_567, 76_543, 300, -77, 4_000);
        let mut segments = Segments::new(64);
        segments.set(Row(7), segment);
        segments.run[7] = packed(&segment);
        for tick in 4_000..4_000 + 5 * (TAG_MASK + 1) {
            if tick.is_multiple_of(STALE_TICKS) {
                segments.run.iter_mut().for_each(|word| *word = aged(*word, tick));
            }
            let expected = segment.fresh(tick).to_motion().pack();
            assert_eq!(segments.run(Row(7), tick), expected, "tick {tick}");
        }
    }

    #[test]
    fn a_row_without_a_run_packs_its_columns() {
        let mut segments = Segments::new(64);
        for tick in [1, 100, TAG_MASK, TAG_MASK + 1, u32::MAX] {
            segments.set(Row(3), Segment::anchored(5_000, 6_000, -512, 511, tick));
            assert_eq!(segments.run(Row(3), tick), segments.get(Row(3)).to_motion().pack());
        }
    }
}
