//! Vectors of blocks and unions: minimum, maximum, one step inside each bound, every enum value, every
//! variant; then cut short, padded, and out of range.

use super::Vector;
use crate::layout::mask;
use crate::model::{Block, Field, FieldKind, Schema};
use crate::pack::{Bits, Fill, filled, filled_union, raw_max};
use crate::value::Value;

pub(super) fn blocks(schema: &Schema) -> Vec<Vector> {
    schema
        .blocks
        .iter()
        .flat_map(|block| Kind::Block.vectors(schema, &block.name, starts(schema, block)))
        .collect()
}

pub(super) fn unions(schema: &Schema) -> Vec<Vector> {
    let mut vectors = Vec::new();
    for union in &schema.unions {
        let mut starts = Vec::new();
        for variant in &union.variants {
            for (case, fill) in [("min", Fill::MinPresent), ("max", Fill::Max)] {
                let value = filled_union(schema, &union.name, variant.tag, fill);
                starts.push((format!("{} {case}", variant.name), value));
            }
        }
        vectors.extend(Kind::Union.vectors(schema, &union.name, starts));
    }
    vectors
}

/// Values that decode.
fn starts(schema: &Schema, block: &Block) -> Vec<(String, Value)> {
    let min = filled(schema, &block.name, Fill::Min);
    let present = filled(schema, &block.name, Fill::MinPresent);
    let max = filled(schema, &block.name, Fill::Max);
    let mut values = vec![("min".to_owned(), min.clone())];
    if present != min {
        values.push(("min, options present".to_owned(), present));
    }
    for field in &block.fields {
        for (case, value) in edges(schema, field) {
            values.push((format!("{} {case}", field.name), min.clone().with(&[&field.name], value)));
        }
    }
    if max != min {
        values.push(("max".to_owned(), max));
    }
    values
}

/// Values of one field worth a vector of its own.
fn edges(schema: &Schema, field: &Field) -> Vec<(String, Value)> {
    let numbers = |min: i64, max: i64| -> Vec<(String, Value)> {
        let mut list = vec![("min + 1", min + 1), ("max - 1", max - 1), ("max", max)];
        list.retain(|(_, number)| *number > min);
        list.dedup_by_key(|(_, number)| *number);
        list.into_iter().map(|(case, number)| (case.to_owned(), Value::Number(number))).collect()
    };
    match &field.kind {
        FieldKind::Uint { max, .. } => numbers(0, i64::from(*max)),
        FieldKind::Int { min, max } => numbers(i64::from(*min), i64::from(*max)),
        FieldKind::Wide32 => numbers(0, i64::from(u32::MAX)),
        FieldKind::Bool => vec![("set".into(), Value::Flag(true))],
        FieldKind::Enum(name) => {
            let values = &schema.find_enum(name).expect("names were checked").values;
            let symbol = |value: &crate::model::EnumValue| {
                (value.name.clone(), Value::Symbol { raw: value.value, name: value.name.clone() })
            };
            values.iter().skip(1).map(symbol).collect()
        }
        FieldKind::Block(name) => vec![("max".into(), filled(schema, name, Fill::Max))],
        FieldKind::Option(name) => {
            let max = filled(schema, name, Fill::Max);
            vec![("max".into(), Value::Option(Some(Box::new(max))))]
        }
        FieldKind::Union(name) => {
            let variants = &schema.find_union(name).expect("names were checked").variants;
            let max = |variant: &crate::model::Variant| {
                (variant.name.clone(), filled_union(schema, name, variant.tag, Fill::Max))
            };
            variants.iter().map(max).collect()
        }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Block,
    Union,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Union => "union",
        }
    }

    fn encode(self, schema: &Schema, name: &str, value: &Value) -> Bits {
        let mut bits = Bits::default();
        match self {
            Self::Block => bits.put_block(schema, name, value),
            Self::Union => bits.put_union(schema, name, value),
        }
        bits
    }

    fn vectors(self, schema: &Schema, name: &str, starts: Vec<(String, Value)>) -> Vec<Vector> {
        let mut vectors = Vec::new();
        for (case, value) in &starts {
            vectors.push(Vector::value(self.word(), name, case, self.encode(schema, name, value), value));
        }
        if let Some((_, last)) = starts.last() {
            vectors.extend(self.damaged(name, &self.encode(schema, name, last)));
        }
        let bad = match self {
            Self::Block => bad_block(schema, name),
            Self::Union => bad_union(schema, name),
        };
        for bad in bad {
            let bytes = self.encode(schema, name, &bad.value).bytes;
            let case = format!("{} is {}", bad.path, bad.raw);
            vectors.push(Vector::error(self.word(), name, case, bytes, bad.class, bad.of));
        }
        vectors
    }

    /// The same bits cut short, and with something behind them.
    fn damaged(self, name: &str, bits: &Bits) -> Vec<Vector> {
        let mut vectors = Vec::new();
        let error = |case: &str, bytes, class| Vector::error(self.word(), name, case, bytes, class, "");
        if let Some((_, rest)) = bits.bytes.split_last() {
            vectors.push(error("cut by a byte", rest.to_vec(), "short"));
        }
        if !bits.n_bits.is_multiple_of(8) {
            let mut bytes = bits.bytes.clone();
            *bytes.last_mut().expect("it has bits") |= 0x80;
            vectors.push(error("a padding bit is set", bytes, "trailing"));
        }
        vectors.push(error("a byte too many", [&bits.bytes[..], &[0]].concat(), "trailing"));
        vectors
    }
}

/// A value that must not decode.
struct Bad {
    /// Names of the fields on the way.
    path: String,
    /// The raw value at its end.
    raw: u64,
    value: Value,
    class: &'static str,
    of: String,
}

impl Bad {
    /// The same, one field deeper.
    fn below(self, field: &str, wrap: impl FnOnce(Value) -> Value) -> Self {
        let dot = if self.path.is_empty() { "" } else { "." };
        Self { path: format!("{field}{dot}{}", self.path), value: wrap(self.value), ..self }
    }
}

/// One bad value for each place in a block where a value can be out of range.
fn bad_block(schema: &Schema, name: &str) -> Vec<Bad> {
    let block = schema.find_block(name).expect("the schema has the block");
    let base = filled(schema, name, Fill::MinPresent);
    let mut list = Vec::new();
    for field in &block.fields {
        let put = |value: Value| base.clone().with(&[&field.name], value);
        match &field.kind {
            FieldKind::Block(inner) => {
                list.extend(bad_block(schema, inner).into_iter().map(|bad| bad.below(&field.name, put)));
            }
            FieldKind::Option(inner) => {
                let wrap = |value: Value| put(Value::Option(Some(Box::new(value))));
                list.extend(bad_block(schema, inner).into_iter().map(|bad| bad.below(&field.name, wrap)));
            }
            FieldKind::Union(inner) => {
                list.extend(bad_union(schema, inner).into_iter().map(|bad| bad.below(&field.name, put)));
            }
            _ => {
                let n_bits = schema.field_bits(field).expect("all else is of fixed width");
                let limit = raw_max(schema, field).expect("all else has a largest value");
                if limit < mask(n_bits) {
                    let raw = u64::from(limit) + 1;
                    let of = match &field.kind {
                        FieldKind::Enum(item) => item.clone(),
                        _ => format!("{name}.{}", field.name),
                    };
                    let value = put(Value::Raw(raw));
                    list.push(Bad { path: field.name.clone(), raw, value, class: "range", of });
                }
            }
        }
    }
    list
}

fn bad_union(schema: &Schema, name: &str) -> Vec<Bad> {
    let union = schema.find_union(name).expect("the schema has the union");
    let mut list = Vec::new();
    for variant in &union.variants {
        for bad in bad_block(schema, &variant.block) {
            let (tag, name) = (variant.tag, variant.name.clone());
            list.push(bad.below(&variant.name, |body| Value::Union { tag, name, body: Box::new(body) }));
        }
    }
    let last = union.variants.iter().map(|variant| variant.tag).max().unwrap_or(0);
    if last < mask(union.tag_bits) {
        let raw = u64::from(last) + 1;
        list.push(Bad { path: "tag".into(), raw, value: Value::Raw(raw), class: "tag", of: name.into() });
    }
    list
}
