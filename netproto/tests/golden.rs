//! The golden vectors against this codec: what must decode decodes to the same value and encodes to the
//! same bytes; what must not is refused with the right class of error.
//!
//! The vectors were written by `protogen`, which packs bits by a slow path of its own.

use netproto::bits::GUARD_BYTES;
use netproto::generated::by_name;
use netproto::input::InputPacket;
use netproto::snapshot::{self, FRAME_BUFFER_BYTES, Frame, Part, Parts, Slots};
use netproto::{
    DecodeError, EPOCH, FINGERPRINT, Hello, INPUT_BYTES_MAX, Introduction, Kind, Motion, Record, Status,
    Step, Vitals,
};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// What a decoder made of the bytes: the value as `Debug` shows it and its bytes, encoded again.
type Decoded = Result<(String, Vec<u8>), DecodeError>;

fn dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("schema/golden")
}

fn json(file: &str) -> Value {
    let path = dir().join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn vectors(name: &str) -> Vec<Value> {
    let Value::Array(vectors) = json(&format!("epoch-{EPOCH}/{name}.json")) else {
        panic!("{name} is a list")
    };
    assert!(!vectors.is_empty(), "{name} has no vectors");
    vectors
}

fn text<'a>(vector: &'a Value, key: &str) -> &'a str {
    vector[key].as_str().unwrap_or("")
}

fn unhex(digits: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).expect("vectors hold hex");
    (0..digits.len()).step_by(2).map(digit).collect()
}

/// Class of an error, and the field or union it names.
fn class(error: DecodeError) -> (&'static str, &'static str) {
    match error {
        DecodeError::Short { .. } => ("short", ""),
        DecodeError::Trailing { .. } => ("trailing", ""),
        DecodeError::Range { field, .. } => ("range", field),
        DecodeError::Tag { union, .. } => ("tag", union),
        DecodeError::Record { .. } => ("record", ""),
        DecodeError::Hello { .. } => ("hello", ""),
        DecodeError::Order { .. } => ("order", ""),
        DecodeError::TooLong { .. } => ("too_long", ""),
        other => panic!("no vector expects {other:?}"),
    }
}

/// A value as `Debug` shows it: what the vectors spell out of secrets is not shown. Their bytes are compared all the same.
fn without_secrets(spelt: &str) -> String {
    let mut shown = spelt.to_owned();
    for field in ["ticket: [", "resume_token: ["] {
        let Some(start) = shown.find(field).map(|at| at + field.len() - 1) else { continue };
        let end = start + shown[start..].find(']').expect("a list ends");
        shown.replace_range(start..=end, "..");
    }
    shown
}

/// Holds one vector against what the decoder made of it.
fn check(vector: &Value, decoded: Decoded) {
    let label = format!("{} {} `{}`", text(vector, "kind"), text(vector, "name"), text(vector, "case"));
    let expected = text(vector, "error");
    match decoded {
        Ok((debug, _)) if !expected.is_empty() => {
            panic!("{label} is {debug} and should be refused: {expected}")
        }
        Ok((debug, bytes)) => {
            assert_eq!(debug, without_secrets(text(vector, "debug")), "{label}");
            let again = if vector["again"].is_null() { "hex" } else { "again" };
            assert_eq!(bytes, unhex(text(vector, again)), "{label}: encoded again");
        }
        Err(error) => {
            assert!(!expected.is_empty(), "{label} is refused: {error}");
            let (class, of) = class(error);
            assert_eq!((class, of), (expected, text(vector, "of")), "{label}: {error}");
        }
    }
}

#[test]
fn the_manifest_names_this_epoch_and_every_file() {
    let manifest = json("manifest.json");
    assert_eq!(manifest["epoch"].as_u64(), Some(u64::from(EPOCH)));
    assert_eq!(text(&manifest, "fingerprint"), format!("{FINGERPRINT:016x}"));
    for file in manifest["files"].as_array().expect("files are a list") {
        let n = json(text(file, "file")).as_array().map(Vec::len);
        assert_eq!(n, file["n_vectors"].as_u64().map(|n| n as usize), "{file}");
    }
}

#[test]
fn every_block_and_union_has_vectors_and_they_hold() {
    let mut seen = BTreeSet::new();
    for vector in [vectors("blocks"), vectors("unions")].concat() {
        let name = text(&vector, "name").to_owned();
        let decoded = by_name::transcode(&name, &unhex(text(&vector, "hex")));
        check(&vector, decoded.unwrap_or_else(|| panic!("the codec has no {name}")));
        seen.insert(name);
    }
    assert_eq!(seen, by_name::NAMES.iter().map(|name| (*name).to_owned()).collect());
}

#[test]
fn record_vectors_hold() {
    for vector in vectors("records") {
        let decoded = Record::decode(&unhex(text(&vector, "hex"))).map(|record| {
            let mut bytes = Vec::new();
            record.encode(&mut bytes);
            (format!("{record:?}"), bytes)
        });
        check(&vector, decoded);
    }
}

#[test]
fn hello_vectors_hold() {
    for vector in vectors("hello") {
        let decoded = Hello::decode(&unhex(text(&vector, "hex"))).map(|hello| {
            let mut bytes = Vec::new();
            hello.encode(&mut bytes);
            (format!("{hello:?}"), bytes)
        });
        check(&vector, decoded);
    }
}

#[test]
fn a_good_hello_cut_anywhere_is_refused() {
    let full = vectors("hello").into_iter().find(|vector| text(vector, "case") == "full");
    let bytes = unhex(text(&full.expect("there is a full hello"), "hex"));
    assert!(Hello::decode(&bytes).is_ok());
    for n in 0..bytes.len() {
        assert!(Hello::decode(&bytes[..n]).is_err(), "{n} bytes");
    }
}

/// The parts of a frame that name their slot or count, in the words of the vectors.
fn shape(frame: &Frame) -> (usize, usize, Vec<u32>, usize) {
    let groups = [frame.steps].iter().chain(&frame.groups).map(|mask| mask.count_ones()).collect();
    (frame.n_news, frame.n_introductions, groups, frame.n_timed)
}

fn expected_shape(value: &Value) -> (usize, usize, Vec<u32>, usize) {
    let n = |key: &str| value[key].as_array().map_or(0, Vec::len);
    let n_slots = |slots: &Value| slots.as_object().map_or(0, |slots| slots.len() as u32);
    let groups = netproto::GROUP_NAMES.iter().map(|name| n_slots(&value["groups"][*name]));
    let lists = [n_slots(&value["steps"])].into_iter().chain(groups);
    (n("news"), n("introductions"), lists.collect(), n("timed"))
}

/// A decoded frame as the columns that a server would compose it from.
struct Columns<'a>(&'a Frame);

impl Slots for Columns<'_> {
    fn occupant(&self, slot: u32) -> (u32, Kind) {
        let arrival = introduction(self.0, slot).expect("the slot was introduced");
        (arrival.entity, arrival.kind)
    }

    fn run(&self, group: usize, slot: u32) -> u64 {
        if let Some(arrival) = introduction(self.0, slot) {
            return match group {
                Motion::GROUP => arrival.motion.pack(),
                Vitals::GROUP => arrival.vitals.pack(),
                Status::GROUP => arrival.status.pack(),
                _ => arrival.look.pack(),
            };
        }
        let at = slot as usize;
        match group {
            Motion::GROUP if self.0.steps >> slot & 1 == 1 => motion_of(&self.0.step[at]).pack(),
            Motion::GROUP => self.0.motion[at].pack(),
            Vitals::GROUP => self.0.vitals[at].pack(),
            Status::GROUP => self.0.status[at].pack(),
            _ => self.0.look[at].pack(),
        }
    }

    fn news_age(&self, slot: u32) -> u32 {
        let used = &self.0.news[..self.0.n_news];
        used.iter().find(|news| news.slot == slot).expect("the slot has news").age
    }
}

/// What a frame introduces in a slot.
fn introduction(frame: &Frame, slot: u32) -> Option<&Introduction> {
    frame.introductions[..frame.n_introductions].iter().find(|introduction| introduction.slot == slot)
}

/// A motion with the place and velocity of a step.
fn motion_of(step: &Step) -> Motion {
    let course = step.course.unwrap_or_default();
    Motion {
        x_16mm: step.x_16mm,
        y_16mm: step.y_16mm,
        vx_mm_per_tick: course.vx_mm_per_tick,
        vy_mm_per_tick: course.vy_mm_per_tick,
        tick_low: 0,
    }
}

/// The frame composed anew from what was decoded.
fn compose(frame: &Frame) -> Vec<u8> {
    let used = &frame.introductions[..frame.n_introductions];
    let introduced = used.iter().fold(0, |mask, introduction| mask | 1 << introduction.slot);
    let parts = Parts {
        header: frame.header,
        own: frame.own,
        news: frame.news[..frame.n_news].iter().fold(0, |mask, news| mask | 1 << news.slot) & !introduced,
        introduced,
        steps: frame.steps,
        groups: frame.groups,
        timed: &frame.timed[..frame.n_timed],
    };
    let mut buffer = vec![0; FRAME_BUFFER_BYTES];
    let n_bytes = snapshot::encode(&parts, &Columns(frame), &mut buffer);
    buffer.truncate(n_bytes);
    buffer
}

#[test]
fn frame_vectors_hold_and_encode_to_the_same_bytes() {
    for vector in vectors("frames") {
        let (case, bytes) = (text(&vector, "case"), unhex(text(&vector, "hex")));
        let mut frame = Frame::default();
        let mut end = 0;
        let decoded = snapshot::decode_traced(&bytes, &mut frame, |_: Part, at_bit, _| end = at_bit);
        if let Err(error) = decoded {
            check(&vector, Err(error));
            continue;
        }
        assert_eq!(text(&vector, "error"), "", "frame `{case}` should be refused");
        assert_eq!(shape(&frame), expected_shape(&vector["value"]), "frame `{case}`");
        let header = &vector["value"]["header"];
        assert_eq!(Some(u64::from(frame.header.number)), header["number"].as_u64(), "frame `{case}`");
        assert_eq!(Some(u64::from(frame.header.tick)), header["tick"].as_u64(), "frame `{case}`");
        for slot in snapshot::ones(frame.groups[0]) {
            let motion = &vector["value"]["groups"]["Motion"][slot.to_string()];
            let decoded = frame.motion[slot as usize];
            assert_eq!(Some(u64::from(decoded.x_16mm)), motion["x_16mm"].as_u64(), "frame `{case}`");
            assert_eq!(Some(i64::from(decoded.vx_mm_per_tick)), motion["vx_mm_per_tick"].as_i64());
        }
        let n_bits = vector["n_bits"].as_u64().expect("good frames say their bits") as usize;
        assert_eq!(n_bits.div_ceil(8), bytes.len(), "frame `{case}`");
        assert!(end <= n_bits, "frame `{case}`: {end} of {n_bits}");
        assert_eq!(compose(&frame), bytes, "frame `{case}`: encoded again");
    }
}

#[test]
fn input_vectors_hold_and_encode_to_the_same_bytes() {
    for vector in vectors("inputs") {
        let (case, bytes) = (text(&vector, "case"), unhex(text(&vector, "hex")));
        match InputPacket::decode(&bytes) {
            Ok(packet) => {
                assert_eq!(text(&vector, "error"), "", "input `{case}` should be refused");
                let mut buffer = [0; INPUT_BYTES_MAX + GUARD_BYTES];
                assert_eq!(packet.encode(&mut buffer), bytes, "input `{case}`");
            }
            Err(error) => check(&vector, Err(error)),
        }
    }
}

#[test]
fn a_frame_cut_anywhere_is_refused_and_none_panics() {
    let good = vectors("frames").into_iter().filter(|vector| vector["error"].is_null());
    for vector in good {
        let bytes = unhex(text(&vector, "hex"));
        for n in 0..bytes.len() {
            assert!(snapshot::decode(&bytes[..n], &mut Frame::default()).is_err(), "{n} bytes");
        }
    }
}
