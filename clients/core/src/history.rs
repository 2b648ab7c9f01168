//! What was applied already: snapshot numbers, and sequences of timed events.

use netproto::{Acks, RING};

/// Applied snapshot numbers: the newest and the 15 before it.
///
/// - Source: docs/PROTOCOL.md "Input": numbers are applied in increasing order only, modulo 65,536.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    seen: bool,
    newest: u16,
    /// Bit k: number `newest - 1 - k` was applied.
    before: u16,
}

/// Numbers before the newest one that an ack names.
const BEFORE_MASK: u32 = 0x7fff;
const _: () = assert!(BEFORE_MASK.count_ones() as usize == RING - 1);

impl Numbers {
    /// Whether a snapshot of this number may be applied: it is the first, or later than every applied one.
    #[must_use]
    pub fn is_next(&self, number: u16) -> bool {
        !self.seen || (1..=u16::MAX / 2).contains(&number.wrapping_sub(self.newest))
    }

    /// Whether this number was applied; numbers older than the history were not.
    #[must_use]
    pub fn holds(&self, number: u16) -> bool {
        match self.newest.wrapping_sub(number) {
            _ if !self.seen => false,
            0 => true,
            back if usize::from(back) < RING => self.before >> (back - 1) & 1 == 1,
            _ => false,
        }
    }

    /// Takes a number in.
    ///
    /// # Panics
    /// In debug builds, if [`Numbers::is_next`] does not hold.
    pub fn insert(&mut self, number: u16) {
        debug_assert!(self.is_next(number), "number {number} after {}", self.newest);
        let ahead = u32::from(number.wrapping_sub(self.newest));
        let applied = u32::from(self.before) << 1 | u32::from(self.seen);
        self.before = (applied.checked_shl(ahead.wrapping_sub(1)).unwrap_or(0) & BEFORE_MASK) as u16;
        self.newest = number;
        self.seen = true;
    }

    /// The history as an input datagram carries it.
    #[must_use]
    pub fn acks(&self) -> Acks {
        Acks { seen: self.seen, newest: u32::from(self.newest), before: u32::from(self.before) }
    }
}

/// Sequences of timed events that were seen: each event is repeated until it is acknowledged, and applied once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sequences {
    /// Bit k: sequence `newest - k` was seen; 0: nothing yet.
    seen: u64,
    newest: u8,
    tick: u32,
}

/// An event is not sent any more this long after it happened: its age has six bits.
const EVENT_AGE_TICKS_MAX: u32 = 63;

impl Sequences {
    /// Whether this sequence comes for the first time, in a snapshot of `tick`; from then on it was seen.
    ///
    /// - Shapes: remembers 64 sequences, and no zone sends one that is further back. So anything else is ahead, by
    ///   up to 192: snapshots may have been lost, and each has up to 16 new ones.
    pub fn insert(&mut self, sequence: u8, tick: u32) -> bool {
        // After a long silence nothing can be a repetition, and the count may have moved on by any amount.
        if self.seen == 0 || tick.wrapping_sub(self.tick) > EVENT_AGE_TICKS_MAX {
            *self = Self { seen: 1, newest: sequence, tick };
            return true;
        }
        let back = u32::from(self.newest.wrapping_sub(sequence));
        let bit = if back < u64::BITS {
            1 << back
        } else {
            self.seen = self.seen.checked_shl(256 - back).unwrap_or(0);
            self.newest = sequence;
            1
        };
        let is_new = self.seen & bit == 0;
        self.seen |= bit;
        self.tick = if is_new { tick } else { self.tick };
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(numbers: impl IntoIterator<Item = u16>) -> Numbers {
        let mut history = Numbers::default();
        numbers.into_iter().for_each(|number| history.insert(number));
        history
    }

    #[test]
    fn acks_name_the_newest_and_the_fifteen_before_across_the_wrap() {
        let history = applied([65_530, 65_533, 65_535, 0, 2]);
        assert_eq!(history.acks(), Acks { seen: true, newest: 2, before: 0b1001_0110 });
        for (number, expected) in
            [(65_530, true), (65_531, false), (0, true), (1, false), (2, true), (3, false)]
        {
            assert_eq!(history.holds(number), expected, "{number}");
        }
    }

    #[test]
    fn only_later_numbers_are_next() {
        let history = applied([65_535]);
        assert!(history.is_next(0) && history.is_next(32_766));
        assert!(!history.is_next(65_535) && !history.is_next(65_534) && !history.is_next(32_767));
        assert!(Numbers::default().is_next(40_000), "the first one may be any");
    }

    #[test]
    fn a_gap_of_sixteen_or_more_forgets_what_was_before() {
        assert_eq!(applied([10, 25]).acks().before, 1 << 14);
        for ahead in [16, 17, 32, 33, 34, 1000] {
            assert_eq!(applied([10, 10 + ahead]).acks().before, 0, "{ahead} ahead");
        }
    }

    #[test]
    fn a_sequence_counts_once_whatever_the_order_and_across_the_wrap() {
        let mut seen = Sequences::default();
        for round in 0..600u32 {
            let sequence = round as u8;
            assert!(seen.insert(sequence, round), "{round} is new");
            for back in 0..60.min(round + 1) {
                assert!(
                    !seen.insert(sequence.wrapping_sub(back as u8), round),
                    "{round} - {back} is a repetition"
                );
            }
        }
        let mut swapped = Sequences::default();
        assert!(swapped.insert(5, 0) && swapped.insert(9, 0) && swapped.insert(7, 0) && swapped.insert(3, 0));
        assert!(!swapped.insert(7, 0) && !swapped.insert(3, 0));
    }

    #[test]
    fn after_a_long_silence_any_sequence_is_new() {
        let mut seen = Sequences::default();
        assert!(seen.insert(100, 1_000));
        assert!(seen.insert(90, 1_000) && !seen.insert(90, 1_010));
        assert!(seen.insert(90, 1_064), "nothing of tick 1,000 is repeated in tick 1,064");
    }

    #[test]
    fn a_gap_of_twelve_full_snapshots_hides_nothing() {
        for gap in 1..=192 {
            let mut seen = Sequences::default();
            assert!(seen.insert(7, 50));
            let sequence = 7u8.wrapping_add(gap);
            assert!(seen.insert(sequence, 51), "{gap} ahead");
            assert!(!seen.insert(sequence, 52), "{gap} ahead, again");
        }
    }
}
