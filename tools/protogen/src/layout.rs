//! Widths: how many bits a field, a block or a union takes, and which blocks are of fixed width.

use crate::model::{Block, Enum, Field, FieldKind, Schema, Union};

/// The widest single field of a realtime block; wider values travel as 16-bit pieces.
pub const FIELD_BITS_MAX: u32 = 24;
/// The widest run of fields that a decoder takes in one load.
pub const RUN_BITS_MAX: u32 = 56;

/// Bits that hold `0..=max`.
#[must_use]
pub fn bits_for(max: u32) -> u32 {
    32 - max.leading_zeros()
}

/// Largest value that fits `bits` bits.
#[must_use]
pub fn mask(bits: u32) -> u32 {
    if bits >= 32 { u32::MAX } else { (1 << bits) - 1 }
}

/// Largest raw value of an `int` field: the distance between its bounds.
#[must_use]
pub fn span(min: i32, max: i32) -> u32 {
    max.wrapping_sub(min) as u32
}

impl Enum {
    /// Largest value given out.
    #[must_use]
    pub fn last(&self) -> u32 {
        self.values.iter().map(|value| value.value).max().unwrap_or(0)
    }

    /// Whether every number up to the last one is a value.
    #[must_use]
    pub fn is_dense(&self) -> bool {
        self.values.len() as u32 == self.last() + 1
    }
}

impl Schema {
    /// Width of a field if it is always the same.
    ///
    /// # Panics
    /// If a name leads nowhere or blocks form a circle: the schema was checked when it was read.
    #[must_use]
    pub fn field_bits(&self, field: &Field) -> Option<u32> {
        match &field.kind {
            FieldKind::Uint { bits, .. } => Some(*bits),
            FieldKind::Int { min, max } => Some(bits_for(span(*min, *max))),
            FieldKind::Wide32 => Some(32),
            FieldKind::Bool => Some(1),
            FieldKind::Enum(name) => Some(self.find_enum(name).expect("names were checked").bits),
            FieldKind::Block(name) => self.block_bits(self.find_block(name).expect("names were checked")),
            FieldKind::Option(_) | FieldKind::Union(_) => None,
        }
    }

    /// Width of a block if it is always the same.
    ///
    /// # Panics
    /// As [`Schema::field_bits`].
    #[must_use]
    pub fn block_bits(&self, block: &Block) -> Option<u32> {
        block.fields.iter().map(|field| self.field_bits(field)).sum()
    }

    /// Largest width of a field.
    ///
    /// # Panics
    /// As [`Schema::field_bits`].
    #[must_use]
    pub fn field_bits_max(&self, field: &Field) -> u32 {
        match &field.kind {
            FieldKind::Block(name) => self.block_bits_max(self.find_block(name).expect("names were checked")),
            FieldKind::Option(name) => {
                1 + self.block_bits_max(self.find_block(name).expect("names were checked"))
            }
            FieldKind::Union(name) => self.union_bits_max(self.find_union(name).expect("names were checked")),
            _ => self.field_bits(field).expect("all other fields are of fixed width"),
        }
    }

    /// Largest width of a block.
    ///
    /// # Panics
    /// As [`Schema::field_bits`].
    #[must_use]
    pub fn block_bits_max(&self, block: &Block) -> u32 {
        block.fields.iter().map(|field| self.field_bits_max(field)).sum()
    }

    /// Largest width of a union, tag included.
    ///
    /// # Panics
    /// As [`Schema::field_bits`].
    #[must_use]
    pub fn union_bits_max(&self, union: &Union) -> u32 {
        let widest = union
            .variants
            .iter()
            .map(|variant| self.block_bits_max(self.find_block(&variant.block).expect("names were checked")));
        union.tag_bits + widest.max().unwrap_or(0)
    }
}
