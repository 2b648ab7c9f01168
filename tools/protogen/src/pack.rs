//! Values to bits and back to numbers, read straight from the schema: slow, simple, and written apart from
//! the generated code so that the two can check each other.

use crate::layout::{bits_for, span};
use crate::model::{Field, FieldKind, Schema};
use crate::value::Value;

/// Bits in the order they travel: least significant first within a byte.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bits {
    /// Bytes so far; unused bits of the last one are zero.
    pub bytes: Vec<u8>,
    /// Bits so far.
    pub n_bits: usize,
}

impl Bits {
    /// Appends the low `n_bits` of `value`, lowest first.
    pub fn put(&mut self, value: u64, n_bits: u32) {
        for bit in 0..n_bits {
            if self.n_bits.is_multiple_of(8) {
                self.bytes.push(0);
            }
            let last = self.bytes.len() - 1;
            self.bytes[last] |= ((value >> bit & 1) as u8) << (self.n_bits % 8);
            self.n_bits += 1;
        }
    }

    /// Appends a value of a block.
    ///
    /// # Panics
    /// If the value is not one of that block.
    pub fn put_block(&mut self, schema: &Schema, name: &str, value: &Value) {
        let block = schema.find_block(name).expect("the schema has the block");
        let Value::Block(_, values) = value else { panic!("{name} is a block") };
        for (field, (_, value)) in block.fields.iter().zip(values) {
            self.put_field(schema, field, value);
        }
    }

    /// Appends a value of a union.
    ///
    /// # Panics
    /// If the value is not one of that union.
    pub fn put_union(&mut self, schema: &Schema, name: &str, value: &Value) {
        let union = schema.find_union(name).expect("the schema has the union");
        match value {
            Value::Union { tag, body, .. } => {
                self.put(u64::from(*tag), union.tag_bits);
                let variant = union.variants.iter().find(|variant| variant.tag == *tag);
                self.put_block(schema, &variant.expect("the tag is given out").block, body);
            }
            Value::Raw(tag) => self.put(*tag, union.tag_bits),
            _ => panic!("{name} is a union"),
        }
    }

    fn put_field(&mut self, schema: &Schema, field: &Field, value: &Value) {
        match (&field.kind, value) {
            (FieldKind::Block(name), value) => self.put_block(schema, name, value),
            (FieldKind::Union(name), value) => self.put_union(schema, name, value),
            (FieldKind::Option(_), Value::Option(None)) => self.put(0, 1),
            (FieldKind::Option(name), Value::Option(Some(value))) => {
                self.put(1, 1);
                self.put_block(schema, name, value);
            }
            (_, value) => {
                let n_bits = schema.field_bits(field).expect("all else is of fixed width");
                self.put(raw_of(field, value), n_bits);
            }
        }
    }
}

fn raw_of(field: &Field, value: &Value) -> u64 {
    match (value, &field.kind) {
        (Value::Raw(raw), _) => *raw,
        (Value::Flag(flag), _) => u64::from(*flag),
        (Value::Symbol { raw, .. }, _) => u64::from(*raw),
        (Value::Number(number), FieldKind::Int { min, .. }) => (number - i64::from(*min)) as u64,
        (Value::Number(number), _) => *number as u64,
        _ => panic!("{} holds no such value", field.name),
    }
}

/// What to fill a block with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// Smallest values, absent options, first variants.
    Min,
    /// Largest values, present options, last variants.
    Max,
    /// As `Min`, but options are there.
    MinPresent,
}

/// A block with every field filled alike.
///
/// # Panics
/// If the schema has no such block.
#[must_use]
pub fn filled(schema: &Schema, name: &str, fill: Fill) -> Value {
    let block = schema.find_block(name).expect("the schema has the block");
    let fields = block.fields.iter().map(|field| (field.name.clone(), filled_field(schema, field, fill)));
    Value::Block(name.to_owned(), fields.collect())
}

/// A union, filled alike.
///
/// # Panics
/// If the schema has no such variant.
#[must_use]
pub fn filled_union(schema: &Schema, name: &str, tag: u32, fill: Fill) -> Value {
    let union = schema.find_union(name).expect("the schema has the union");
    let variant = union.variants.iter().find(|variant| variant.tag == tag).expect("the tag is given out");
    let body = Box::new(filled(schema, &variant.block, fill));
    Value::Union { tag, name: variant.name.clone(), body }
}

fn filled_field(schema: &Schema, field: &Field, fill: Fill) -> Value {
    let is_max = fill == Fill::Max;
    match &field.kind {
        FieldKind::Uint { max, .. } => Value::Number(if is_max { i64::from(*max) } else { 0 }),
        FieldKind::Int { min, max } => Value::Number(i64::from(if is_max { *max } else { *min })),
        FieldKind::Wide32 => Value::Number(if is_max { i64::from(u32::MAX) } else { 0 }),
        FieldKind::Bool => Value::Flag(is_max),
        FieldKind::Enum(name) => {
            let values = &schema.find_enum(name).expect("names were checked").values;
            let value = if is_max { values.last() } else { values.first() }.expect("enums are not empty");
            Value::Symbol { raw: value.value, name: value.name.clone() }
        }
        FieldKind::Block(name) => filled(schema, name, fill),
        FieldKind::Option(_) if fill == Fill::Min => Value::Option(None),
        FieldKind::Option(name) => Value::Option(Some(Box::new(filled(schema, name, fill)))),
        FieldKind::Union(name) => {
            let variants = &schema.find_union(name).expect("names were checked").variants;
            let variant = if is_max { variants.last() } else { variants.first() };
            filled_union(schema, name, variant.expect("unions are not empty").tag, fill)
        }
    }
}

/// Largest raw value that decodes, for fields of fixed width that are no blocks.
#[must_use]
pub fn raw_max(schema: &Schema, field: &Field) -> Option<u32> {
    match &field.kind {
        FieldKind::Uint { max, .. } => Some(*max),
        FieldKind::Int { min, max } => Some(span(*min, *max)),
        FieldKind::Enum(name) => schema.find_enum(name).map(crate::model::Enum::last),
        FieldKind::Wide32 => Some(u32::MAX),
        FieldKind::Bool => Some(1),
        _ => None,
    }
}

/// Width of an `int` field.
#[must_use]
pub fn int_bits(min: i32, max: i32) -> u32 {
    bits_for(span(min, max))
}
