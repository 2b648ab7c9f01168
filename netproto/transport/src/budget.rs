//! How fast facts leave: a queue of records per peer and a bucket that releases them.
use std::time::{Duration, Instant};

/// Rate when nothing goes wrong, bytes per second.
const RATE_MAX: u32 = 64 * 1024;
/// Rate of a new connection and after heavy loss.
const RATE_START: u32 = 16 * 1024;
const RATE_MIN: u32 = 8 * 1024;
/// What may leave at once after a pause.
const BURST_BYTES: u32 = 16 * 1024;
/// The rate doubles this often while there is something to send.
const GROWTH: Duration = Duration::from_millis(500);

/// Token bucket whose rate starts low and doubles up to 64 KiB/s.
///
/// - Units: bytes, bytes per second.
/// - Source: docs/ARCHITECTURE.md "Transport"; RFC 9002 section 7 for the idea of slow start.
pub(crate) struct Budget {
    /// Negative after a record that had to leave whole.
    tokens: i64,
    rate: u32,
    filled_at: Instant,
    grown_at: Instant,
    /// Packets the path had lost at the last visit, while something waits.
    lost_packets: Option<u64>,
}

impl Budget {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            tokens: i64::from(BURST_BYTES),
            rate: RATE_START,
            filled_at: now,
            grown_at: now,
            lost_packets: None,
        }
    }

    /// How many bytes may leave now. Call only when something waits: that is what lets the rate grow.
    pub(crate) fn handle_demand(&mut self, now: Instant) -> usize {
        let elapsed = now.saturating_duration_since(self.filled_at);
        let elapsed_us = i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX);
        let added = i64::from(self.rate).saturating_mul(elapsed_us) / 1_000_000;
        if added > 0 {
            self.filled_at = now;
            self.tokens = self.tokens.saturating_add(added).min(i64::from(BURST_BYTES));
        }
        if now.saturating_duration_since(self.grown_at) >= GROWTH {
            self.grown_at = now;
            self.rate = self.rate.saturating_mul(2).min(RATE_MAX);
        }
        usize::try_from(self.tokens).unwrap_or(0)
    }

    /// `bytes` have left.
    pub(crate) fn handle_sent(&mut self, bytes: usize) {
        self.tokens = self.tokens.saturating_sub(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Nothing waits: what is lost from now on is no reason to send the next record slower.
    pub(crate) fn handle_quiet(&mut self) {
        self.lost_packets = None;
    }

    /// Something waits, and the path has lost `total` packets since its start.
    pub(crate) fn handle_lost_total(&mut self, now: Instant, total: u64) {
        if self.lost_packets.replace(total).is_some_and(|before| total > before) {
            self.handle_loss(now);
        }
    }

    /// The path lost packets: slow down.
    fn handle_loss(&mut self, now: Instant) {
        self.rate = (self.rate / 2).max(RATE_MIN);
        self.grown_at = now;
    }
}

/// Bytes of a record's length field on the stream.
pub(crate) const LENGTH_BYTES: usize = 2;

/// Records waiting for one peer, each with its length in front: the form in which QUIC sends them.
pub(crate) struct RecordQueue {
    bytes: Vec<u8>,
    /// Everything before this has left.
    at: usize,
    /// When the queue last moved or was empty.
    moved_at: Instant,
}

impl RecordQueue {
    pub(crate) fn new(now: Instant) -> Self {
        Self { bytes: Vec::new(), at: 0, moved_at: now }
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds one record.
    ///
    /// # Panics
    /// If the record is longer than a length field can say: callers check that first.
    pub(crate) fn push(&mut self, now: Instant, record: &[u8]) {
        let len = u16::try_from(record.len()).expect("record length was checked by the caller");
        if self.is_empty() {
            self.moved_at = now;
        }
        if self.at > self.bytes.len() / 2 {
            self.bytes.drain(..self.at);
            self.at = 0;
        }
        self.bytes.extend_from_slice(&len.to_le_bytes());
        self.bytes.extend_from_slice(record);
    }

    /// What waits, oldest first: starts with a length field unless a stream took part of a record.
    pub(crate) fn waiting(&self) -> &[u8] {
        &self.bytes[self.at..]
    }

    /// The oldest record without its length, when the queue starts at a record.
    pub(crate) fn first(&self) -> Option<&[u8]> {
        let waiting = self.waiting();
        let (length, rest) = waiting.split_first_chunk::<LENGTH_BYTES>()?;
        rest.get(..usize::from(u16::from_le_bytes(*length)))
    }

    /// `bytes` of [`RecordQueue::waiting`] have left.
    pub(crate) fn handle_sent(&mut self, now: Instant, bytes: usize) {
        debug_assert!(bytes <= self.len(), "more left than was waiting");
        self.at += bytes;
        self.moved_at = now;
        if self.is_empty() {
            self.at = 0;
            self.bytes.clear();
            // Most peers are quiet most of the time: a burst must not keep its memory.
            self.bytes.shrink_to(1024);
        }
    }

    /// How long something has waited without anything leaving.
    pub(crate) fn stalled_for(&self, now: Instant) -> Duration {
        if self.is_empty() { Duration::ZERO } else { now.saturating_duration_since(self.moved_at) }
    }
}

/// Why a stream of records cannot go on.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RecordError {
    #[error("record of {len} bytes, allowed are {max}")]
    TooLong { len: usize, max: usize },
    #[error("empty record")]
    Empty,
}

/// Cuts a stream of bytes into records.
#[derive(Default)]
pub(crate) struct RecordReader {
    bytes: Vec<u8>,
}

impl RecordReader {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Hands the next whole record to `take`; `Ok(false)` when there is none yet.
    pub(crate) fn next(&mut self, max: usize, take: impl FnOnce(&[u8])) -> Result<bool, RecordError> {
        let Some((length, rest)) = self.bytes.split_first_chunk::<LENGTH_BYTES>() else { return Ok(false) };
        let len = usize::from(u16::from_le_bytes(*length));
        if len > max {
            return Err(RecordError::TooLong { len, max });
        }
        if len == 0 {
            return Err(RecordError::Empty);
        }
        let Some(record) = rest.get(..len) else { return Ok(false) };
        take(record);
        self.bytes.drain(..LENGTH_BYTES + len);
        if self.bytes.is_empty() {
            self.bytes.shrink_to(0);
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_budget_gives_one_burst_and_then_a_quarter_of_the_rate() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        assert_eq!(budget.handle_demand(start), BURST_BYTES as usize);
        budget.handle_sent(BURST_BYTES as usize);
        assert_eq!(budget.handle_demand(start), 0);
        assert_eq!(budget.handle_demand(start + Duration::from_millis(250)), (RATE_START / 4) as usize);
    }

    #[test]
    fn the_budget_reaches_its_full_rate_and_loss_halves_it() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        for half_seconds in 1..10 {
            budget.handle_demand(start + GROWTH * half_seconds);
        }
        assert_eq!(budget.rate, RATE_MAX);
        budget.handle_loss(start + GROWTH * 10);
        assert_eq!(budget.rate, RATE_MAX / 2);
    }

    #[test]
    fn only_what_is_lost_while_a_record_waits_slows_the_budget() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        budget.handle_lost_total(start, 10);
        budget.handle_quiet();
        budget.handle_lost_total(start, 40);
        assert_eq!(budget.rate, RATE_START);
        budget.handle_lost_total(start, 41);
        assert_eq!(budget.rate, RATE_START / 2);
        budget.handle_lost_total(start, 41);
        assert_eq!(budget.rate, RATE_START / 2);
    }

    #[test]
    fn a_queue_forgets_what_left_and_knows_when_it_stalls() {
        let start = Instant::now();
        let mut queue = RecordQueue::new(start);
        queue.push(start, b"one");
        queue.push(start, b"three");
        assert_eq!(queue.first(), Some(&b"one"[..]));
        assert_eq!(queue.stalled_for(start + Duration::from_secs(3)), Duration::from_secs(3));
        queue.handle_sent(start, 5);
        assert_eq!(queue.first(), Some(&b"three"[..]));
        queue.handle_sent(start, 7);
        assert!(queue.is_empty());
        assert_eq!(queue.stalled_for(start + Duration::from_secs(30)), Duration::ZERO);
    }

    #[test]
    fn records_come_out_whole_however_the_stream_is_cut() {
        let stream = b"\x03\x00one\x05\x00three\x01\x00x";
        for cut in 0..stream.len() {
            let mut reader = RecordReader::default();
            let mut records = Vec::new();
            for part in [&stream[..cut], &stream[cut..]] {
                reader.push(part);
                while reader.next(16, |r| records.push(r.to_vec())).expect("all records are short") {}
            }
            assert_eq!(records, [&b"one"[..], b"three", b"x"], "cut at {cut}");
        }
    }

    #[test]
    fn a_record_over_the_limit_or_without_bytes_is_an_error_before_it_is_buffered() {
        let mut reader = RecordReader::default();
        reader.push(b"\xff\xff");
        assert_eq!(reader.next(16, |_| ()), Err(RecordError::TooLong { len: 65_535, max: 16 }));
        let mut reader = RecordReader::default();
        reader.push(b"\0\0");
        assert_eq!(reader.next(16, |_| ()), Err(RecordError::Empty));
    }
}
