//! Runs: neighbouring fields of fixed width, packed into one word of at most 56 bits.
//!
//! One run is one store, one load and one check against the frame's end, however many fields it holds.

use super::limits::grouped;
use crate::layout::{mask, span};
use crate::model::{Block, Field, FieldKind, Schema};

/// Code for neighbouring fields that travel as one run.
pub(super) struct Run {
    /// Assertions that the values are in range.
    pub(super) checks: String,
    /// The expression that packs them.
    pub(super) pack: String,
    /// Statements that take `run` apart into one variable a field.
    pub(super) unpack: String,
}

/// Builds the code of a run; an option stands for its flag, in `has_<name>`.
///
/// `in_const`: the packing expression stands in a `const fn`, where `u64::from` cannot be called.
pub(super) fn run(schema: &Schema, block: &Block, fields: &[&Field], in_const: bool) -> Run {
    let checks = fields.iter().map(|field| bounds_check(block, field)).collect();
    let mut shift = 0;
    let (mut terms, mut unpack) = (Vec::new(), String::new());
    for field in fields {
        let term = pack_term(field, in_const);
        terms.push(match (shift, fields.len()) {
            (_, 1) => term,
            (0, _) => in_parens(term),
            _ => format!("({} << {shift})", in_parens(term)),
        });
        unpack.push_str(&unpack_field(schema, block, field, shift, in_const));
        shift += run_bits(schema, field).expect("runs hold fields of fixed width");
    }
    Run { checks, pack: if terms.is_empty() { "0".into() } else { terms.join(" | ") }, unpack }
}

/// Width of a field inside a run; an option's flag is one bit.
pub(super) fn run_bits(schema: &Schema, field: &Field) -> Option<u32> {
    match field.kind {
        FieldKind::Option(_) => Some(1),
        _ => schema.field_bits(field),
    }
}

fn in_parens(term: String) -> String {
    if term.contains(" as ") { format!("({term})") } else { term }
}

fn pack_term(field: &Field, in_const: bool) -> String {
    let name = &field.name;
    let widened =
        |value: String| if in_const { format!("{value} as u64") } else { format!("u64::from({value})") };
    match &field.kind {
        FieldKind::Option(_) => widened(format!("self.{name}.is_some()")),
        FieldKind::Block(_) => format!("self.{name}.pack()"),
        FieldKind::Int { min: 0, .. } | FieldKind::Enum(_) => format!("self.{name} as u64"),
        FieldKind::Int { min, .. } => format!("(self.{name} {}) as u64", less(*min)),
        _ => widened(format!("self.{name}")),
    }
}

fn bounds_check(block: &Block, field: &Field) -> String {
    let (name, place) = (&field.name, format!("{}.{} is out of range", block.name, field.name));
    match field.kind {
        FieldKind::Uint { max, .. } => {
            format!("debug_assert!(self.{name} <= {}, {place:?});\n", grouped(max))
        }
        FieldKind::Int { min, max } => {
            format!("debug_assert!({min} <= self.{name} && self.{name} <= {max}, {place:?});\n")
        }
        _ => String::new(),
    }
}

/// `- min`, spelled without a double sign.
fn less(min: i32) -> String {
    if min < 0 { format!("+ {}", min.unsigned_abs()) } else { format!("- {min}") }
}

/// `+ min`, spelled without a double sign.
fn more(min: i32) -> String {
    match min {
        0 => String::new(),
        min if min < 0 => format!("- {}", min.unsigned_abs()),
        min => format!("+ {min}"),
    }
}

/// Statements that leave a field of `run` in a variable of its name.
fn unpack_field(schema: &Schema, block: &Block, field: &Field, shift: u32, in_const: bool) -> String {
    let name = &field.name;
    let shifted = if shift == 0 { "run".to_owned() } else { format!("(run >> {shift})") };
    let n_bits = run_bits(schema, field).expect("runs hold fields of fixed width");
    let raw = if n_bits >= 32 {
        format!("{shifted} as u32")
    } else {
        format!("{shifted} as u32 & {:#x}", mask(n_bits))
    };
    let checked = |limit: u32| {
        if limit >= mask(n_bits) {
            return format!("let {name} = {raw};\n");
        }
        let place = format!("{}.{name}", block.name);
        format!(
            "let {name} = {raw};
            if {name} > {} {{ return Err(DecodeError::Range {{ field: {place:?}, value: {name} }}); }}\n",
            grouped(limit)
        )
    };
    match &field.kind {
        FieldKind::Option(_) => format!("let has_{name} = {shifted} & 1 == 1;\n"),
        FieldKind::Bool => format!("let {name} = {shifted} & 1 == 1;\n"),
        FieldKind::Uint { max, .. } => checked(*max),
        FieldKind::Int { min, max } => {
            checked(span(*min, *max)) + &format!("let {name} = {name} as i32 {};\n", more(*min))
        }
        FieldKind::Enum(inner) => question(in_const, name, &format!("{inner}::from_bits({raw})")),
        FieldKind::Block(inner) => {
            question(in_const, name, &format!("{inner}::unpack({shifted} & {:#x})", (1_u64 << n_bits) - 1))
        }
        _ => format!("let {name} = {raw};\n"),
    }
}

/// `?`, spelled out where a `const fn` cannot use it.
fn question(in_const: bool, name: &str, call: &str) -> String {
    if !in_const {
        return format!("let {name} = {call}?;\n");
    }
    format!("let {name} = match {call} {{ Ok(value) => value, Err(error) => return Err(error) }};\n")
}
