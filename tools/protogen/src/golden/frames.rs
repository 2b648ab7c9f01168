//! Vectors of whole frames and input datagrams: the composition around the blocks.

use super::{Outcome, Vector};
use crate::model::Schema;
use crate::pack::Bits;
use crate::sample::{self, FrameSample, limit};
use serde_json::{Map, Value, json};

pub(super) fn frames(schema: &Schema) -> Vec<Vector> {
    let mut vectors = Vec::new();
    for frame in sample::frames(schema) {
        let bits = frame.encode(schema);
        vectors.push(Vector {
            kind: "frame",
            name: "".into(),
            case: frame.case.into(),
            bytes: bits.bytes,
            outcome: Outcome::Value {
                json: json_of(schema, &frame),
                debug: String::new(),
                n_bits: Some(bits.n_bits),
                again: None,
            },
        });
    }
    vectors.extend(broken(schema));
    vectors
}

fn json_of(schema: &Schema, frame: &FrameSample) -> Value {
    let list = |values: &[crate::value::Value]| -> Vec<Value> {
        values.iter().map(crate::value::Value::json).collect()
    };
    let by_slot = |slots: &[(u32, crate::value::Value)]| -> Value {
        Value::Object(slots.iter().map(|(slot, value)| (slot.to_string(), value.json())).collect())
    };
    let mut groups = Map::new();
    for (group, slots) in schema.groups().into_iter().zip(&frame.groups) {
        groups.insert(group.name.clone(), by_slot(slots));
    }
    json!({
        "header": frame.header.json(),
        "own": frame.own.json(),
        "news": list(&frame.news),
        "introductions": list(&frame.introductions),
        "steps": by_slot(&frame.steps),
        "groups": groups,
        "timed": list(&frame.timed),
    })
}

/// Frames that break the composition: each is the typical frame up to the damage.
fn broken(schema: &Schema) -> Vec<Vector> {
    let frame = sample::typical_frame(schema);
    let error =
        |case: &str, bytes: Vec<u8>, class, of: &str| Vector::error("frame", "", case, bytes, class, of);
    let bytes = |frame: &FrameSample| frame.encode(schema).bytes;
    let good = bytes(&frame);
    let mut twice = frame.clone();
    twice.news.swap(0, 1);
    let mut introduced = frame.clone();
    introduced.introductions = vec![frame.introductions[0].clone(); 2];
    let mut both = frame.clone();
    both.groups[0] = vec![(4, frame.groups[0][0].1.clone())];
    let mut stepped = frame.clone();
    stepped.steps[0].0 = 4;
    let mut moved = frame.clone();
    moved.groups[0][0].0 = 21;
    let mut slots = frame.clone();
    slots.steps.swap(0, 1);
    let mut list = vec![
        error("no bytes", Vec::new(), "short", ""),
        error("cut by a byte", good[..good.len() - 1].to_vec(), "short", ""),
        error("a byte too many", [&good[..], &[0]].concat(), "trailing", ""),
        error("slot news descend", bytes(&twice), "order", ""),
        error("an introduction twice", bytes(&introduced), "order", ""),
        error("a group of an introduced slot", bytes(&both), "order", ""),
        error("a step of an introduced slot", bytes(&stepped), "order", ""),
        error("a motion of a slot with a step", bytes(&moved), "order", ""),
        error("slot list descends", bytes(&slots), "order", ""),
        error(
            "longer than any frame",
            vec![0; limit(schema, "FRAME_BYTES_MAX") as usize + 1],
            "too_long",
            "",
        ),
    ];
    // What stands first in a frame that has nothing else.
    let alone = |presence: u64, first: u64, n_bits: u32| {
        let empty = &sample::frames(schema)[0];
        let mut bits = Bits::default();
        bits.put_block(schema, "Header", &empty.header);
        bits.put_block(schema, "Own", &empty.own);
        bits.put(presence, 4 + schema.groups().len() as u32);
        bits.put(first, n_bits);
        bits.put(0, 40);
        bits.bytes
    };
    let max = u64::from(limit(schema, "INTRODUCTIONS_MAX"));
    list.push(error("too many introductions", alone(2, max, 5), "range", "introduction count"));
    for selector in [0, 9, 14] {
        list.push(error(
            &format!("selector {selector}"),
            alone(4, selector, 4),
            "range",
            "slot list selector",
        ));
    }
    list
}

pub(super) fn inputs(schema: &Schema) -> Vec<Vector> {
    let mut vectors = Vec::new();
    let mut last = Vec::new();
    for (case, bits) in sample::inputs(schema) {
        last.clone_from(&bits.bytes);
        let n_bits = Some(bits.n_bits);
        let outcome = Outcome::Value { json: Value::Null, debug: String::new(), n_bits, again: None };
        vectors.push(Vector {
            kind: "input",
            name: "".into(),
            case: case.into(),
            bytes: bits.bytes,
            outcome,
        });
    }
    let error = |case: &str, bytes: Vec<u8>, class| Vector::error("input", "", case, bytes, class, "");
    vectors.push(error("no bytes", Vec::new(), "short"));
    vectors.push(error("cut by a byte", last[..last.len() - 1].to_vec(), "short"));
    vectors.push(error("a byte too many", [&last[..], &[0]].concat(), "trailing"));
    vectors.push(error(
        "longer than any input",
        vec![0; limit(schema, "INPUT_BYTES_MAX") as usize + 1],
        "too_long",
    ));
    vectors
}
