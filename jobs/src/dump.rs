//! Logs of histograms: the standard interval log of HdrHistogram, version 1.3, with tags.
//!
//! [`Encoder`] writes lines, [`read`] finds them again. A line holds its histogram compressed; [`Entry::durations`]
//! unpacks it, so a log of hours can be walked through without holding it unpacked.
//! Values are ns; times are seconds since 1970, absolute in every line, so that logs may be joined line by line.
//!
//! Source: docs/OPERATIONS.md "Histograms".

use std::fmt::Write as _;
use std::io::Read as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::ZlibDecoder;
use hdrhistogram::serialization::interval_log::{
    IntervalLogHistogram, IntervalLogIterator, IntervalLogWriterBuilder, LogEntry, Tag,
};
use hdrhistogram::serialization::{Deserializer, V2DeflateSerializer};

use crate::hist::Durations;

const VERSION: &str = "[Histogram log format version 1.3]";
/// What other tools write above the lines; they skip it when they read.
const LEGEND: &str =
    "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n";

/// Begins a histogram that is packed.
const PACKED_COOKIE: u32 = 0x1c84_9314;
/// Bytes before the counts of a plain one.
const PLAIN_HEAD_BYTES: usize = 40;
/// Bytes of an unpacked one at most: one of four digits over all numbers, every count in it.
const PLAIN_BYTES_MAX: u64 = 8 << 20;
/// Every further digit makes the memory of a histogram ten times as large; ours have two.
const DIGITS_MAX: u32 = 4;
/// Things that one histogram counts at most: a million a second for ten days.
const COUNTS_MAX: u64 = 1 << 40;

/// What opens a log: `start` is when that which is measured began.
#[must_use]
pub fn header(start: SystemTime) -> String {
    let mut bytes = Vec::new();
    IntervalLogWriterBuilder::new()
        .add_comment(VERSION)
        .add_comment("[Arcane Realms; values are ns, times are seconds since 1970]")
        .with_start_time(start)
        .begin_log_with(&mut bytes, &mut V2DeflateSerializer::new())
        .expect("writing to memory does not fail");
    let head = String::from_utf8(bytes).expect("comments and numbers are text");
    head + LEGEND
}

/// Writes lines of a log. It keeps its memory from line to line.
#[derive(Default)]
pub struct Encoder(V2DeflateSerializer);

impl Encoder {
    /// A new one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends one line: what was counted under a tag from `begun` on, for as long as it took.
    ///
    /// - Cost: up to 1 ms of compression, so never on a tick.
    ///
    /// # Panics
    /// If the tag has a comma, a space or a line break in it: tags are ours.
    pub fn append(
        &mut self,
        out: &mut Vec<u8>,
        tag: &str,
        begun: SystemTime,
        took: Duration,
        durations: &Durations,
    ) {
        let tag = Tag::new(tag).expect("tags have no commas, spaces or line breaks");
        let begun = begun.duration_since(UNIX_EPOCH).unwrap_or_default();
        IntervalLogWriterBuilder::new()
            .begin_log_with(out, &mut self.0)
            .expect("writing to memory does not fail")
            .write_histogram(&durations.histogram, begun, took, Some(tag))
            .expect("counts fit the format, and writing to memory does not fail");
    }
}

/// One line of a log.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry<'a> {
    /// Line in its file, from 1.
    pub line: usize,
    /// What was measured; empty when the line says nothing.
    pub tag: &'a str,
    /// When the interval began, s since 1970.
    pub begun_s: f64,
    /// How long it was, s.
    pub took_s: f64,
    encoded: &'a str,
}

/// A log that has been read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Log<'a> {
    /// When that which is measured began, s since 1970, as the head of the file says.
    pub start_s: Option<f64>,
    /// All lines, in the order of the file.
    pub entries: Vec<Entry<'a>>,
    /// The last line has no end: the writer was stopped in the middle of it. It is not among the entries.
    pub is_cut_off: bool,
}

/// Why a log cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct DumpError {
    /// Line in its file, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: String,
}

/// Reads the text of a log.
///
/// - Cost: one pass; histograms stay packed.
///
/// # Errors
/// [`DumpError`] at the first line that is neither an interval nor a comment.
pub fn read(text: &str) -> Result<Log<'_>, DumpError> {
    let mut log = Log::default();
    let mut base_s = 0.0;
    for (at, whole) in text.split_inclusive('\n').enumerate() {
        let line = at + 1;
        if !whole.ends_with('\n') {
            log.is_cut_off = true;
            break;
        }
        if whole.trim().is_empty() {
            continue;
        }
        match IntervalLogIterator::new(whole.as_bytes()).next() {
            None => {}
            Some(Ok(LogEntry::StartTime(at))) => log.start_s = Some(at.as_secs_f64()),
            Some(Ok(LogEntry::BaseTime(at))) => base_s = at.as_secs_f64(),
            Some(Ok(LogEntry::Interval(interval))) => {
                log.entries.push(entry(line, base_s, whole, &interval));
            }
            Some(Err(_)) => {
                let what = format!("neither an interval nor a comment: {:?}", start_of(whole));
                return Err(DumpError { line, what });
            }
        }
    }
    Ok(log)
}

fn entry<'a>(line: usize, base_s: f64, whole: &'a str, interval: &IntervalLogHistogram<'a>) -> Entry<'a> {
    debug_assert!(whole.contains(interval.encoded_histogram()));
    Entry {
        line,
        tag: interval.tag().map_or("", |tag| tag.as_str()),
        begun_s: base_s + interval.start_timestamp().as_secs_f64(),
        took_s: interval.duration().as_secs_f64(),
        encoded: interval.encoded_histogram(),
    }
}

fn start_of(line: &str) -> String {
    let mut short: String = line.trim_end().chars().take(40).collect();
    if short.len() < line.trim_end().len() {
        let _ = write!(short, "...");
    }
    short
}

impl Entry<'_> {
    /// Unpacks the histogram.
    ///
    /// - Cost: about 0.1 ms.
    ///
    /// # Errors
    /// [`DumpError`] when the bytes are no histogram.
    pub fn durations(&self) -> Result<Durations, DumpError> {
        let wrong = |what: String| DumpError { line: self.line, what };
        let bytes = STANDARD
            .decode(self.encoded)
            .map_err(|error| wrong(format!("the histogram is not base64: {error}")))?;
        let bytes =
            unpacked(&bytes).ok_or_else(|| wrong("the histogram claims more than it has".to_owned()))?;
        let histogram = Deserializer::new().deserialize::<u64, _>(&mut bytes.as_slice()).map_err(
            |error: hdrhistogram::serialization::DeserializeError| {
                wrong(format!("the histogram cannot be unpacked: {error}"))
            },
        )?;
        // The number of all saturates, so it tells; what is reckoned from the single counts later would overflow.
        if histogram.len() > COUNTS_MAX {
            return Err(wrong(format!("the histogram counts {} things", histogram.len())));
        }
        Ok(Durations::from(&histogram))
    }
}

/// The plain form of a histogram, if its head is honest: the reader behind reserves whatever the head says.
///
/// - Shapes: cookie, length of the counts, offset, digits, bounds, ratio; all big-endian. Bytes without the cookie of the
///   packed form are taken as plain.
fn unpacked(bytes: &[u8]) -> Option<Vec<u8>> {
    let word = |bytes: &[u8], at: usize| {
        let word: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
        Some(u32::from_be_bytes(word))
    };
    let mut plain = Vec::new();
    if word(bytes, 0)? == PACKED_COOKIE {
        ZlibDecoder::new(bytes.get(8..)?).take(PLAIN_BYTES_MAX).read_to_end(&mut plain).ok()?;
    } else {
        plain.extend_from_slice(bytes);
    }
    let n_counts = plain.len().checked_sub(PLAIN_HEAD_BYTES)?;
    let is_honest = word(&plain, 4)? as usize <= n_counts && word(&plain, 12)? <= DIGITS_MAX;
    // The lowest of all numbers as a run of empty counts: the reader behind negates it, and overflows.
    let is_endless = plain[PLAIN_HEAD_BYTES..].windows(9).any(|number| number == [0xff; 9]);
    (is_honest && !is_endless).then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds)
    }

    fn log_of(values: &[(&str, u64, &[u64])]) -> String {
        let mut bytes = header(at(0)).into_bytes();
        let mut encoder = Encoder::new();
        for (tag, second, ns) in values {
            let mut durations = Durations::new();
            ns.iter().for_each(|ns| durations.record_ns(*ns));
            encoder.append(&mut bytes, tag, at(*second), Duration::from_millis(1_050), &durations);
        }
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn what_is_written_is_read_back_count_by_count() {
        let text =
            log_of(&[("tick", 1, &[5, 5, 2_000_000]), ("stage.7-8", 2, &[]), ("tick", 2, &[u64::MAX])]);
        let log = read(&text).unwrap();
        assert_eq!(log.start_s, Some(1_700_000_000.0));
        let seen: Vec<_> = log.entries.iter().map(|entry| (entry.tag, entry.begun_s, entry.took_s)).collect();
        let second = |n: f64| 1_700_000_000.0 + n;
        assert_eq!(
            seen,
            [("tick", second(1.0), 1.05), ("stage.7-8", second(2.0), 1.05), ("tick", second(2.0), 1.05)]
        );
        let mut expected = Durations::new();
        [5, 5, 2_000_000].into_iter().for_each(|ns| expected.record_ns(ns));
        let first = log.entries[0].durations().unwrap();
        assert!(first.counts().eq(expected.counts()) && first.quantiles().n == 3);
        assert_eq!(log.entries[1].durations().unwrap().n(), 0);
        assert!(log.entries[2].durations().unwrap().max_ns() > 59_000_000_000);
    }

    #[test]
    fn the_head_is_what_other_tools_expect() {
        let head = header(at(0));
        let lines: Vec<&str> = head.lines().collect();
        assert_eq!(lines[0], "#[Histogram log format version 1.3]");
        assert!(lines.contains(&"#[StartTime: 1700000000.000 (seconds since epoch)]"), "{head}");
        assert!(lines[lines.len() - 1].starts_with("\"StartTimestamp\""), "{head}");
    }

    #[test]
    fn a_log_whose_writer_was_killed_is_read_up_to_its_last_whole_line() {
        let text = log_of(&[("tick", 1, &[5]), ("tick", 2, &[6])]);
        let whole = text.trim_end().rfind('\n').unwrap() + 1;
        for end in whole..text.len() {
            let log = read(&text[..end]).unwrap();
            assert_eq!((log.entries.len(), log.is_cut_off), (1, end > whole), "{end}");
        }
        assert!(!read(&text).unwrap().is_cut_off);
    }

    #[test]
    fn a_wrong_line_is_named_by_its_number() {
        let mut text = log_of(&[("tick", 1, &[5])]);
        let n_lines = text.lines().count();
        text.push_str("Tag=tick,1.0,1.0,nonsense\n");
        let error = read(&text).unwrap_err();
        assert_eq!(error.line, n_lines + 1);
        assert!(error.to_string().contains("neither an interval nor a comment"), "{error}");
    }

    #[test]
    fn a_histogram_that_was_damaged_is_an_error_at_its_line() {
        let text = log_of(&[("tick", 1, &[5, 600, 70_000])]);
        let line = text.lines().count();
        let encoded = text.trim_end().rsplit(',').next().unwrap().to_owned();
        for damaged in ["", "????", "AAAA", &encoded[..encoded.len() / 2 / 4 * 4]] {
            let bad = text.replace(&encoded, damaged);
            let entries = read(&bad).unwrap().entries;
            let error = entries[0].durations().unwrap_err();
            assert_eq!(error.line, line, "{damaged:?}: {error}");
        }
    }

    #[test]
    fn lines_of_others_have_no_tag_or_other_bounds_and_are_read_all_the_same() {
        let mut histogram = hdrhistogram::Histogram::<u64>::new_with_bounds(1, 3_600_000_000_000, 2).unwrap();
        histogram.record_n(1_000_000, 40).unwrap();
        let mut bytes = b"#[BaseTime: 1700000000.0 (seconds since epoch)]\n".to_vec();
        IntervalLogWriterBuilder::new()
            .begin_log_with(&mut bytes, &mut V2DeflateSerializer::new())
            .unwrap()
            .write_histogram(&histogram, Duration::from_secs(7), Duration::from_secs(1), None)
            .unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let log = read(&text).unwrap();
        assert_eq!((log.entries[0].tag, log.entries[0].begun_s), ("", 1_700_000_007.0));
        let read = log.entries[0].durations().unwrap();
        assert!(read.n() == 40 && read.max_ns().abs_diff(1_000_000) < 10_000, "{}", read.max_ns());
    }

    /// Seen: a log of 476 bytes took 3 GB, because the reader of the format reserves what the head of a histogram
    /// claims. Now a head that claims more than follows is refused before.
    #[test]
    fn a_histogram_that_claims_more_than_it_has_is_refused() {
        let mut plain = 0x1c84_9313_u32.to_be_bytes().to_vec();
        for word in [0, 0, 2, 0, 1, 0, 1_000_000, 0x3ff0_0000, 0] {
            plain.extend_from_slice(&u32::to_be_bytes(word));
        }
        let durations = |plain: &[u8]| {
            let line = format!("1.0,1.0,1.0,{}\n", STANDARD.encode(plain));
            read(&line).unwrap().entries[0].durations().map(|durations| durations.n())
        };
        assert_eq!(durations(&plain).unwrap(), 0);
        for (at, claimed) in [(4, 0xf000_0000_u32), (12, 5)] {
            let mut lying = plain.clone();
            lying[at..at + 4].copy_from_slice(&claimed.to_be_bytes());
            assert!(durations(&lying).unwrap_err().what.contains("claims more"), "byte {at}");
        }
        let mut endless = [&plain[..], &[0xff; 9]].concat();
        endless[7] = 9;
        assert!(durations(&endless).unwrap_err().what.contains("claims more"));
    }

    #[test]
    fn a_histogram_that_counts_more_than_can_be_added_up_is_refused() {
        for (n, is_good) in [(COUNTS_MAX / 3, true), (COUNTS_MAX / 3 + 1, false), (u64::MAX / 2, false)] {
            let (mut durations, mut log) = (Durations::new(), header(at(0)).into_bytes());
            [1_000, 1_010, 1_020].into_iter().for_each(|ns| durations.record_n_ns(ns, n));
            Encoder::new().append(&mut log, "tick", at(1), Duration::from_secs(1), &durations);
            let found = read(std::str::from_utf8(&log).unwrap()).unwrap().entries[0].durations();
            assert_eq!(
                found.map(|found| found.at_quantile_ns(1.0) >= 1_020).ok(),
                is_good.then_some(true),
                "{n}"
            );
        }
    }
}
