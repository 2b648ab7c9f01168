//! The canonical projection: what moves bytes, one fact a line, and its 64-bit fingerprint.
//!
//! Two sections. `[realtime]` holds what carries no tags on the wire: blocks, unions, the enums that they
//! use, limits. Peers must agree on all of it, so its hash is the fingerprint of a wire epoch. `[tolerant]`
//! holds records, the hello and other enums: readers skip what they do not know, so it is not hashed;
//! `schema.lock` guards it instead.
//!
//! Names of fields, values and variants stand behind ` # `: they are for people and are not hashed. Names of
//! blocks, unions, enums and constants are keys, as opcodes are for records: they have no other id. A unit is
//! hashed, because the same bytes then mean another thing. Docs, classes, priorities and the order of tables
//! and files are left out.

use crate::layout::{bits_for, span};
use crate::model::{Enum, Field, FieldKind, Frozen, FrozenKind, Record, RecordKind, Schema};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// Layout of the projection itself.
pub const PROJECTION_VERSION: u32 = 1;

/// One thing that a decoder relies on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fact {
    /// Whether all peers of an epoch must agree on it.
    pub is_realtime: bool,
    /// Identity: table and id, such as `block Motion.1`.
    pub key: String,
    /// What bytes it means, such as `uint 13 max 8191`.
    pub meaning: String,
    /// Name for people; empty when the key says it.
    pub name: String,
}

impl Fact {
    /// The fact without its name, as it is hashed.
    #[must_use]
    pub fn bare(&self) -> String {
        format!("{} {}", self.key, self.meaning).trim_end().to_owned()
    }

    /// The fact as a line for people.
    #[must_use]
    pub fn line(&self) -> String {
        let bare = self.bare();
        if self.name.is_empty() { bare } else { format!("{bare} # {}", self.name) }
    }
}

/// All facts: realtime first, then by kind, key and id.
#[must_use]
pub fn facts(schema: &Schema) -> Vec<Fact> {
    let mut facts = Facts { list: Vec::new(), is_realtime: true };
    let used = realtime_enums(schema);
    facts.add("wire_major".into(), schema.protocol.wire_major.to_string(), "");
    for constant in sorted(&schema.constants, |constant| constant.name.clone()) {
        let key = format!("constant {}", constant.name);
        facts.add(key, format!("{}{}", constant.value, unit(&constant.unit)), "");
    }
    for item in sorted(&schema.enums, |item| item.name.clone()) {
        if used.contains(item.name.as_str()) {
            facts.add_enum(item);
        }
    }
    facts.add_blocks(schema);
    facts.is_realtime = false;
    for item in sorted(&schema.enums, |item| item.name.clone()) {
        if !used.contains(item.name.as_str()) {
            facts.add_enum(item);
        }
    }
    for record in &schema.records {
        facts.add_record(record);
    }
    for frozen in &schema.frozen {
        facts.add_frozen(frozen);
    }
    facts.list
}

/// The projection as text.
#[must_use]
pub fn text(schema: &Schema) -> String {
    let facts = facts(schema);
    let mut text = format!("projection {PROJECTION_VERSION}\n[realtime]\n");
    let mut is_realtime = true;
    for fact in &facts {
        if is_realtime && !fact.is_realtime {
            text.push_str("[tolerant]\n");
            is_realtime = false;
        }
        text.push_str(&fact.line());
        text.push('\n');
    }
    text
}

/// The text that is hashed: the realtime section without names.
#[must_use]
pub fn hashed_text(schema: &Schema) -> String {
    let mut text = format!("projection {PROJECTION_VERSION}\n");
    for fact in facts(schema).iter().filter(|fact| fact.is_realtime) {
        text.push_str(&fact.bare());
        text.push('\n');
    }
    text
}

/// Low 64 bits of the SHA-256 of [`hashed_text`], read as one big-endian number.
#[must_use]
pub fn fingerprint(schema: &Schema) -> u64 {
    let hash = Sha256::digest(hashed_text(schema).as_bytes());
    hash.iter().skip(24).fold(0, |low, byte| low << 8 | u64::from(*byte))
}

fn sorted<T, K: Ord>(items: &[T], key: impl Fn(&T) -> K) -> Vec<&T> {
    let mut items: Vec<&T> = items.iter().collect();
    items.sort_by_key(|item| key(item));
    items
}

fn realtime_enums(schema: &Schema) -> BTreeSet<&str> {
    let fields = schema.blocks.iter().flat_map(|block| &block.fields);
    fields
        .filter_map(|field| match &field.kind {
            FieldKind::Enum(name) => Some(name.as_str()),
            _ => None,
        })
        .collect()
}

fn unit(unit: &Option<String>) -> String {
    unit.as_ref().map(|unit| format!(" \"{unit}\"")).unwrap_or_default()
}

struct Facts {
    list: Vec<Fact>,
    is_realtime: bool,
}

impl Facts {
    fn add(&mut self, key: String, meaning: String, name: &str) {
        self.list.push(Fact { is_realtime: self.is_realtime, key, meaning, name: name.to_owned() });
    }

    fn add_enum(&mut self, item: &Enum) {
        self.add(format!("enum {}", item.name), format!("bits {}", item.bits), "");
        for value in &item.values {
            self.add(format!("enum {}.{}", item.name, value.value), String::new(), &value.name);
        }
    }

    fn add_blocks(&mut self, schema: &Schema) {
        for block in sorted(&schema.blocks, |block| block.name.clone()) {
            let meaning = block.group.map(|group| format!("group {}", group.id)).unwrap_or_default();
            self.add(format!("block {}", block.name), meaning, "");
            for field in &block.fields {
                let key = format!("block {}.{}", block.name, field.id);
                self.add(key, format!("{}{}", field_meaning(field), unit(&field.unit)), &field.name);
            }
        }
        for item in sorted(&schema.unions, |item| item.name.clone()) {
            self.add(format!("union {}", item.name), format!("tag_bits {}", item.tag_bits), "");
            for variant in &item.variants {
                let key = format!("union {}.{}", item.name, variant.tag);
                self.add(key, format!("block {}", variant.block), &variant.name);
            }
        }
    }

    fn add_record(&mut self, record: &Record) {
        self.add(format!("record {}", record.opcode), record.direction.clone(), &record.name);
        for field in &record.fields {
            let meaning = match field.kind {
                RecordKind::U32 => "u32".to_owned(),
                RecordKind::U64 => "u64".to_owned(),
                RecordKind::Bool => "bool".to_owned(),
                RecordKind::Bytes(max) => format!("bytes max {max}"),
                RecordKind::Text(max) => format!("text max {max}"),
                RecordKind::ListU32(max) => format!("list_u32 max {max}"),
            };
            let key = format!("record {}.{}", record.opcode, field.id);
            let name = format!("{}.{}", record.name, field.name);
            self.add(key, format!("{meaning}{}", unit(&field.unit)), &name);
        }
    }

    fn add_frozen(&mut self, frozen: &Frozen) {
        self.add(format!("frozen {}", frozen.name), String::new(), "");
        for field in &frozen.fields {
            let meaning = match &field.kind {
                FrozenKind::Magic(letters) => format!("magic {letters}"),
                FrozenKind::Scalar(scalar) => scalar.name().to_owned(),
                FrozenKind::List { max, items } => {
                    let items: Vec<&str> = items.iter().map(|(_, scalar)| scalar.name()).collect();
                    format!("list u8 max {max} of {}", items.join(" "))
                }
                FrozenKind::Array(bytes) => format!("array {bytes}"),
                FrozenKind::Text(max) => format!("text u8 max {max}"),
            };
            self.add(format!("frozen {}.{}", frozen.name, field.id), meaning, &field.name);
        }
    }
}

fn field_meaning(field: &Field) -> String {
    match &field.kind {
        FieldKind::Uint { bits, max } => format!("uint {bits} max {max}"),
        FieldKind::Int { min, max } => format!("int {} min {min} max {max}", bits_for(span(*min, *max))),
        FieldKind::Wide32 => "wide32".to_owned(),
        FieldKind::Bool => "bool".to_owned(),
        FieldKind::Enum(name) => format!("enum {name}"),
        FieldKind::Block(name) => format!("block {name}"),
        FieldKind::Option(name) => format!("option {name}"),
        FieldKind::Union(name) => format!("union {name}"),
    }
}
