//! Vectors of the frozen hello: empty, full, newer; then cut at each field and every broken rule.

use super::{Outcome, Vector, hex};
use crate::model::{Frozen, FrozenKind, Schema};
use serde_json::{Map, Value, json};

pub(super) fn vectors(schema: &Schema) -> Vec<Vector> {
    schema.frozen.iter().flat_map(|frozen| of_layout(schema, frozen)).collect()
}

/// A hello under construction: bytes, and what they mean.
#[derive(Clone, Default)]
struct Built {
    bytes: Vec<u8>,
    json: Map<String, Value>,
    debug: Vec<String>,
    /// Where each field begins.
    starts: Vec<(String, usize)>,
}

impl Built {
    fn start(&self, field: &str) -> Option<usize> {
        self.starts.iter().find(|(name, _)| name == field).map(|(_, start)| *start)
    }
}

fn build(schema: &Schema, frozen: &Frozen, is_full: bool) -> Built {
    let mut built = Built::default();
    for field in &frozen.fields {
        let name = &field.name;
        built.starts.push((name.clone(), built.bytes.len()));
        let (json, debug) = match &field.kind {
            FrozenKind::Magic(letters) => {
                built.bytes.extend_from_slice(letters.as_bytes());
                continue;
            }
            FrozenKind::Scalar(scalar) => {
                let full = u64::MAX >> (64 - 8 * scalar.n_bytes());
                let value = match name.as_str() {
                    "hello_version" => u64::from(schema.protocol.hello_version),
                    _ if is_full => full,
                    _ => 0,
                };
                built.bytes.extend_from_slice(&value.to_le_bytes()[..scalar.n_bytes()]);
                let json = if scalar.n_bytes() > 4 { json!(value.to_string()) } else { json!(value) };
                (json, value.to_string())
            }
            FrozenKind::List { max, items } => {
                let n = if is_full { *max } else { 0 };
                built.bytes.push(n as u8);
                let (mut list, mut shown) = (Vec::new(), Vec::new());
                for at in 0..u64::from(n) {
                    let (mut item, mut parts) = (Map::new(), Vec::new());
                    for (part, scalar) in items {
                        built.bytes.extend_from_slice(&at.to_le_bytes()[..scalar.n_bytes()]);
                        let json = if scalar.n_bytes() > 4 { json!(at.to_string()) } else { json!(at) };
                        item.insert(part.clone(), json);
                        parts.push(format!("{part}: {at}"));
                    }
                    list.push(Value::Object(item));
                    let title = format!("{}{}", frozen.name, crate::rust::camel(name));
                    shown.push(format!("{title} {{ {} }}", parts.join(", ")));
                }
                (json!(list), format!("[{}]", shown.join(", ")))
            }
            FrozenKind::Array(n) => {
                let bytes = vec![if is_full { 0xff } else { 0 }; *n as usize];
                built.bytes.extend_from_slice(&bytes);
                (json!(hex(&bytes)), format!("{bytes:?}"))
            }
            FrozenKind::Text(max) => {
                let text = "~".repeat(if is_full { *max as usize } else { 0 });
                built.bytes.push(text.len() as u8);
                built.bytes.extend_from_slice(text.as_bytes());
                (json!(text), format!("{text:?}"))
            }
        };
        built.json.insert(name.clone(), json);
        built.debug.push(format!("{name}: {debug}"));
    }
    built
}

fn of_layout(schema: &Schema, frozen: &Frozen) -> Vec<Vector> {
    let (empty, full) = (build(schema, frozen, false), build(schema, frozen, true));
    let good = |case: &str, bytes: Vec<u8>, built: &Built, again: Option<Vec<u8>>| Vector {
        kind: "hello",
        name: frozen.name.clone(),
        case: case.into(),
        bytes,
        outcome: Outcome::Value {
            json: Value::Object(built.json.clone()),
            debug: format!("{} {{ {} }}", frozen.name, built.debug.join(", ")),
            n_bits: None,
            again,
        },
    };
    let bad = |case: String, bytes: Vec<u8>, class: &'static str| {
        Vector::error("hello", &frozen.name, case, bytes, class, "")
    };
    let mut vectors = vec![
        good("empty", empty.bytes.clone(), &empty, None),
        good("full", full.bytes.clone(), &full, None),
        newer(schema, frozen, &full),
        bad("no bytes".into(), Vec::new(), "hello"),
        bad("a byte too many".into(), [&full.bytes[..], &[0]].concat(), "hello"),
        bad("cut by a byte".into(), full.bytes[..full.bytes.len() - 1].to_vec(), "hello"),
    ];
    for (name, start) in full.starts.iter().skip(1) {
        vectors.push(bad(format!("ends before {name}"), full.bytes[..*start].to_vec(), "hello"));
    }
    for (case, field, byte, class) in broken(frozen) {
        let mut bytes = full.bytes.clone();
        let at = full.start(&field).expect("the field is in the layout");
        bytes[at..at + byte.len()].copy_from_slice(&byte);
        vectors.push(bad(case, bytes, class));
    }
    vectors
}

/// A newer layout: what is known is read, what is behind it is let be.
fn newer(schema: &Schema, frozen: &Frozen, full: &Built) -> Vector {
    let version = schema.protocol.hello_version + 1;
    let mut built = full.clone();
    let at = full.start("hello_version").expect("the layout has a version");
    built.bytes[at..at + 2].copy_from_slice(&(version as u16).to_le_bytes());
    built.json.insert("hello_version".into(), json!(version));
    for line in built.debug.iter_mut().filter(|line| line.starts_with("hello_version: ")) {
        *line = format!("hello_version: {version}");
    }
    Vector {
        kind: "hello",
        name: frozen.name.clone(),
        case: "newer, with more behind".into(),
        bytes: [&built.bytes[..], b"more"].concat(),
        outcome: Outcome::Value {
            json: Value::Object(built.json.clone()),
            debug: format!("{} {{ {} }}", frozen.name, built.debug.join(", ")),
            n_bits: None,
            again: Some(built.bytes),
        },
    }
}

/// Rules to break: case, field, the bytes to put at its start, class of the error.
fn broken(frozen: &Frozen) -> Vec<(String, String, Vec<u8>, &'static str)> {
    let mut list = vec![("version 0".to_owned(), "hello_version".to_owned(), vec![0, 0], "hello")];
    for field in &frozen.fields {
        let (name, first) = (&field.name, field.name.clone());
        match &field.kind {
            FrozenKind::Magic(_) => list.push(("other first bytes".into(), first, b"GET ".to_vec(), "hello")),
            FrozenKind::List { max, .. } if *max < 255 => {
                list.push((format!("{name} is too long"), first, vec![*max as u8 + 1], "too_long"));
            }
            FrozenKind::Text(max) => {
                list.push((format!("{name} is not UTF-8"), first.clone(), vec![*max as u8, 0xff], "hello"));
                if *max < 255 {
                    list.push((format!("{name} is too long"), first, vec![*max as u8 + 1], "too_long"));
                }
            }
            _ => {}
        }
    }
    list
}
