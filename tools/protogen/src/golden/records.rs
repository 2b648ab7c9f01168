//! Vectors of tagged records: empty, full, each field alone, fields of newer peers; then every broken rule.

use super::{Outcome, Vector, hex};
use crate::model::{Record, RecordField, RecordKind, Schema};
use serde_json::{Map, json};

/// Longer bounds get no vector at their border: the files are read by people.
const LONG: u32 = 1100;

pub(super) fn vectors(schema: &Schema) -> Vec<Vector> {
    let mut vectors: Vec<Vector> = schema.records.iter().flat_map(of_record).collect();
    vectors.push(Vector::error("record", "", "no bytes", Vec::new(), "record", ""));
    let free = (1..=255).rev().find(|opcode| !schema.records.iter().any(|record| record.opcode == *opcode));
    if let Some(opcode) = free {
        let bytes = vec![opcode as u8, 1 << 2, 7];
        let (json, debug) = (json!(null), format!("Unknown {{ opcode: {opcode} }}"));
        let outcome = Outcome::Value { json, debug, n_bits: None, again: Some(vec![opcode as u8]) };
        vectors.push(Vector {
            kind: "record",
            name: "".into(),
            case: "unknown opcode".into(),
            bytes,
            outcome,
        });
    }
    vectors
}

/// Value of a record field.
#[derive(Clone, PartialEq)]
enum Value {
    Number(u64),
    Bytes(Vec<u8>),
    List(Vec<u32>),
}

impl Value {
    fn default_of(kind: RecordKind) -> Self {
        match kind {
            RecordKind::U32 | RecordKind::U64 | RecordKind::Bool => Self::Number(0),
            RecordKind::Bytes(_) | RecordKind::Text(_) => Self::Bytes(Vec::new()),
            RecordKind::ListU32(_) => Self::List(Vec::new()),
        }
    }

    fn max_of(kind: RecordKind) -> Self {
        let n = |max: u32| if max > LONG { 64 } else { max as usize };
        match kind {
            RecordKind::U32 => Self::Number(u64::from(u32::MAX)),
            RecordKind::U64 => Self::Number(u64::MAX),
            RecordKind::Bool => Self::Number(1),
            RecordKind::Bytes(max) => Self::Bytes(vec![0xff; n(max)]),
            RecordKind::Text(max) => Self::Bytes(vec![b'~'; n(max)]),
            RecordKind::ListU32(max) => Self::List(vec![u32::MAX; n(max)]),
        }
    }

    fn debug(&self, kind: RecordKind) -> String {
        match (self, kind) {
            (Self::Number(number), RecordKind::Bool) => (*number == 1).to_string(),
            (Self::Number(number), _) => number.to_string(),
            (Self::Bytes(bytes), RecordKind::Text(_)) => format!("{:?}", String::from_utf8_lossy(bytes)),
            (Self::Bytes(bytes), _) => format!("{bytes:?}"),
            (Self::List(values), _) => format!("{values:?}"),
        }
    }

    fn json(&self, kind: RecordKind) -> serde_json::Value {
        match (self, kind) {
            (Self::Number(number), RecordKind::Bool) => json!(*number == 1),
            (Self::Number(number), RecordKind::U64) => json!(number.to_string()),
            (Self::Number(number), _) => json!(number),
            (Self::Bytes(bytes), RecordKind::Text(_)) => json!(String::from_utf8_lossy(bytes)),
            (Self::Bytes(bytes), _) => json!(hex(bytes)),
            (Self::List(values), _) => json!(values),
        }
    }
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn number_field(id: u32, value: u64) -> Vec<u8> {
    [vec![(id << 2) as u8], varint(value)].concat()
}

fn bytes_field(id: u32, bytes: &[u8]) -> Vec<u8> {
    [vec![(id << 2 | 1) as u8], varint(bytes.len() as u64), bytes.to_vec()].concat()
}

fn field_bytes(field: &RecordField, value: &Value) -> Vec<u8> {
    if *value == Value::default_of(field.kind) {
        return Vec::new();
    }
    match value {
        Value::Number(number) => number_field(field.id, *number),
        Value::Bytes(bytes) => bytes_field(field.id, bytes),
        Value::List(values) => {
            let bytes: Vec<u8> = values.iter().flat_map(|value| varint(u64::from(*value))).collect();
            bytes_field(field.id, &bytes)
        }
    }
}

fn encode(record: &Record, values: &[Value]) -> Vec<u8> {
    let fields = record.fields.iter().zip(values).flat_map(|(field, value)| field_bytes(field, value));
    std::iter::once(record.opcode as u8).chain(fields).collect()
}

fn outcome(record: &Record, values: &[Value], again: Option<Vec<u8>>) -> Outcome {
    let pairs = || record.fields.iter().zip(values);
    let shown: Vec<String> =
        pairs().map(|(field, value)| format!("{}: {}", field.name, value.debug(field.kind))).collect();
    let name = &record.name;
    let debug = match shown.is_empty() {
        true => format!("{name}({name})"),
        false => format!("{name}({name} {{ {} }})", shown.join(", ")),
    };
    let json: Map<_, _> =
        pairs().map(|(field, value)| (field.name.clone(), value.json(field.kind))).collect();
    Outcome::Value { json: json.into(), debug, n_bits: None, again }
}

fn of_record(record: &Record) -> Vec<Vector> {
    let defaults: Vec<Value> = record.fields.iter().map(|field| Value::default_of(field.kind)).collect();
    let full: Vec<Value> = record.fields.iter().map(|field| Value::max_of(field.kind)).collect();
    let good = |case: String, values: &[Value]| Vector {
        kind: "record",
        name: record.name.clone(),
        case,
        bytes: encode(record, values),
        outcome: outcome(record, values, None),
    };
    let mut vectors = vec![good("all default".into(), &defaults)];
    for (at, field) in record.fields.iter().enumerate() {
        let mut values = defaults.clone();
        values[at].clone_from(&full[at]);
        vectors.push(good(format!("only {}", field.name), &values));
    }
    if record.fields.len() > 1 {
        vectors.push(good("all full".into(), &full));
    }
    vectors.extend(tolerated(record, &full));
    let bad = record.fields.iter().flat_map(bad_fields).chain(broken_rules());
    for (case, fields) in bad {
        let bytes = [vec![record.opcode as u8], fields].concat();
        vectors.push(Vector::error("record", &record.name, case, bytes, "record", ""));
    }
    vectors
}

/// What a newer peer may send: fields that nobody here knows, of both types.
fn tolerated(record: &Record, values: &[Value]) -> Vec<Vector> {
    let bytes = encode(record, values);
    let newer = [bytes.clone(), number_field(62, 1_000_000), bytes_field(63, b"newer")].concat();
    vec![Vector {
        kind: "record",
        name: record.name.clone(),
        case: "unknown fields are skipped".into(),
        bytes: newer,
        outcome: outcome(record, values, Some(bytes)),
    }]
}

/// Ways to get one field wrong.
fn bad_fields(field: &RecordField) -> Vec<(String, Vec<u8>)> {
    let (id, name) = (field.id, &field.name);
    let wrong = match field.kind {
        RecordKind::U32 | RecordKind::U64 | RecordKind::Bool => bytes_field(id, b"x"),
        _ => number_field(id, 1),
    };
    let mut list = vec![(format!("{name} has the other type"), wrong)];
    match field.kind {
        RecordKind::U32 => list.push((format!("{name} is 2^32"), number_field(id, 1 << 32))),
        RecordKind::Bool => list.push((format!("{name} is 2"), number_field(id, 2))),
        RecordKind::Bytes(max) | RecordKind::Text(max) if max <= LONG => {
            list.push((format!("{name} is too long"), bytes_field(id, &vec![b'~'; max as usize + 1])));
        }
        RecordKind::ListU32(max) => {
            list.push((format!("{name} is too long"), bytes_field(id, &vec![1; max as usize + 1])));
            list.push((format!("{name} ends inside a number"), bytes_field(id, &[0x80])));
            list.push((format!("{name} holds 2^32"), bytes_field(id, &varint(1 << 32))));
        }
        _ => {}
    }
    if let RecordKind::Text(_) = field.kind {
        list.push((format!("{name} is not UTF-8"), bytes_field(id, &[0xff])));
    }
    list
}

/// Bytes that no record may hold, whatever its fields.
fn broken_rules() -> Vec<(String, Vec<u8>)> {
    let wide = [vec![62 << 2], vec![0xff; 9], vec![2]].concat();
    let endless = [vec![62 << 2], vec![0x80; 10], vec![0]].concat();
    [
        ("field id 0", number_field(0, 1)),
        ("field type 2", vec![62 << 2 | 2, 1]),
        ("field type 3", vec![62 << 2 | 3, 1]),
        ("an id twice", [number_field(62, 1), number_field(62, 1)].concat()),
        ("ids descend", [number_field(63, 1), number_field(62, 1)].concat()),
        ("a key without a value", vec![62 << 2]),
        ("a number that ends early", vec![62 << 2, 0x80]),
        ("a number of 65 bits", wide),
        ("a number of 11 bytes", endless),
        ("a length beyond the end", vec![62 << 2 | 1, 3, 0, 0]),
    ]
    .map(|(case, bytes)| (case.to_owned(), bytes))
    .to_vec()
}
