//! `gen/blocks.rs` and `gen/groups.rs`: structs of fields and their straight-line bit code.

use super::doc;
use super::runs::{run, run_bits};
use crate::layout::RUN_BITS_MAX;
use crate::model::{Block, Field, FieldKind, Schema};
use std::fmt::Write;

pub(super) fn blocks(schema: &Schema) -> String {
    let mut out = String::new();
    let mut imports = String::from("use crate::DecodeError;\nuse crate::bits::{BitReader, BitWriter};\n");
    let names = |wanted: fn(&FieldKind) -> Option<&String>| {
        let fields = schema.blocks.iter().flat_map(|block| &block.fields);
        let mut names: Vec<&str> =
            fields.filter_map(|field| wanted(&field.kind)).map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        names.join(", ")
    };
    let enums = names(|kind| if let FieldKind::Enum(name) = kind { Some(name) } else { None });
    let unions = names(|kind| if let FieldKind::Union(name) = kind { Some(name) } else { None });
    if !enums.is_empty() {
        _ = writeln!(imports, "use super::enums::{{{enums}}};");
    }
    if !unions.is_empty() {
        _ = writeln!(imports, "use super::unions::{{{unions}}};");
    }
    for block in &schema.blocks {
        out.push_str(&structure(block));
        out.push_str(&implementation(schema, block));
    }
    format!("{imports}\n{out}")
}

pub(super) fn groups(schema: &Schema) -> String {
    let groups = schema.groups();
    let list = |item: &dyn Fn(&Block) -> String| -> String {
        groups.iter().map(|group| item(group)).collect::<Vec<_>>().join(", ")
    };
    format!(
        "use super::limits::N_GROUPS;
        /// Width of a group's value.
        pub const GROUP_BITS: [u32; N_GROUPS] = [{}];
        /// Names, for people.
        pub const GROUP_NAMES: [&str; N_GROUPS] = [{}];
        /// Lower goes first when bytes are short.
        pub const GROUP_PRIORITY: [u32; N_GROUPS] = [{}];\n",
        list(&|group| schema.block_bits(group).expect("groups are of fixed width").to_string()),
        list(&|group| format!("{:?}", group.name)),
        list(&|group| group.group.expect("it is a group").priority.to_string()),
    )
}

fn rust_type(field: &Field) -> String {
    match &field.kind {
        FieldKind::Uint { .. } | FieldKind::Wide32 => "u32".into(),
        FieldKind::Int { .. } => "i32".into(),
        FieldKind::Bool => "bool".into(),
        FieldKind::Enum(name) | FieldKind::Block(name) | FieldKind::Union(name) => name.clone(),
        FieldKind::Option(name) => format!("Option<{name}>"),
    }
}

fn structure(block: &Block) -> String {
    let mut out = doc(&block.doc, None);
    out.push_str("#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]\n");
    if block.fields.is_empty() {
        _ = writeln!(out, "pub struct {};", block.name);
        return out;
    }
    _ = writeln!(out, "pub struct {} {{", block.name);
    for field in &block.fields {
        _ = writeln!(
            out,
            "{}pub {}: {},",
            doc(&field.doc, field.unit.as_deref()),
            field.name,
            rust_type(field)
        );
    }
    out.push_str("}\n");
    out
}

fn implementation(schema: &Schema, block: &Block) -> String {
    let mut out = format!("impl {} {{\n", block.name);
    if let Some(group) = block.group {
        _ = writeln!(out, "/// Place among the groups.\npub const GROUP: usize = {};", group.id);
    }
    _ = writeln!(
        out,
        "/// Largest width on the wire.\npub const BITS_MAX: u32 = {};",
        schema.block_bits_max(block)
    );
    match schema.block_bits(block) {
        Some(bits) if bits <= RUN_BITS_MAX => out.push_str(&packed(schema, block, bits)),
        _ => out.push_str(&in_pieces(schema, block)),
    }
    out.push_str("}\n");
    out
}

/// One load, one store: `pack` and `unpack` do the work.
fn packed(schema: &Schema, block: &Block, bits: u32) -> String {
    let fields: Vec<&Field> = block.fields.iter().collect();
    let run = run(schema, block, &fields, true);
    let (argument, value) = match names(&fields) {
        names if names.is_empty() => ("_run", "Self".to_owned()),
        names => ("run", format!("Self {{ {names} }}")),
    };
    format!(
        "/// Width on the wire.
        pub const BITS: u32 = {bits};

        /// The fields as one run, low field first.
        #[inline]
        #[must_use]
        pub const fn pack(&self) -> u64 {{ {} {} }}

        /// The fields of a run.
        ///
        /// # Errors
        /// [`DecodeError::Range`] for a value outside its bounds.
        #[inline]
        pub const fn unpack({argument}: u64) -> Result<Self, DecodeError> {{ {} Ok({value}) }}

        /// Appends the block.
        #[inline]
        pub fn write(&self, w: &mut BitWriter<'_>) {{ w.put_run(self.pack(), Self::BITS); }}

        /// Reads the block.
        ///
        /// # Errors
        /// When the bytes end early or a value is outside its bounds.
        #[inline]
        pub fn read(r: &mut BitReader<'_>) -> Result<Self, DecodeError> {{ Self::unpack(r.take_run(Self::BITS)?) }}\n",
        run.checks, run.pack, run.unpack,
    )
}

fn names(fields: &[&Field]) -> String {
    fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// Fields of one run, or one field that codes itself.
enum Piece<'a> {
    Run(Vec<&'a Field>, u32),
    Alone(&'a Field),
}

/// Splits a block into runs of at most 56 bits; an option's flag ends the run in front of its block.
fn pieces<'a>(schema: &Schema, block: &'a Block) -> Vec<Piece<'a>> {
    let mut pieces = Vec::new();
    for field in &block.fields {
        match (run_bits(schema, field), pieces.last_mut()) {
            (Some(n_bits), Some(Piece::Run(fields, total))) if *total + n_bits <= RUN_BITS_MAX => {
                fields.push(field);
                *total += n_bits;
            }
            (Some(n_bits), _) if n_bits <= RUN_BITS_MAX => pieces.push(Piece::Run(vec![field], n_bits)),
            _ => pieces.push(Piece::Alone(field)),
        }
        if matches!(field.kind, FieldKind::Option(_)) {
            pieces.push(Piece::Alone(field));
        }
    }
    pieces
}

/// For blocks that are long or of no fixed width.
fn in_pieces(schema: &Schema, block: &Block) -> String {
    let (mut write, mut read) = (String::new(), String::new());
    for piece in pieces(schema, block) {
        match piece {
            Piece::Run(fields, n_bits) => {
                let run = run(schema, block, &fields, false);
                _ = writeln!(write, "{} w.put_run({}, {n_bits});", run.checks, run.pack);
                _ = writeln!(read, "let run = r.take_run({n_bits})?; {}", run.unpack);
            }
            Piece::Alone(Field { name, kind: FieldKind::Option(inner), .. }) => {
                _ = writeln!(write, "if let Some({name}) = &self.{name} {{ {name}.write(w); }}");
                _ = writeln!(
                    read,
                    "let {name} = if has_{name} {{ Some({inner}::read(r)?) }} else {{ None }};"
                );
            }
            Piece::Alone(field) => {
                _ = writeln!(write, "self.{}.write(w);", field.name);
                _ = writeln!(read, "let {} = {}::read(r)?;", field.name, rust_type(field));
            }
        }
    }
    format!(
        "/// Appends the block.
        #[inline]
        pub fn write(&self, w: &mut BitWriter<'_>) {{ {write} }}

        /// Reads the block.
        ///
        /// # Errors
        /// When the bytes end early or a value is outside its bounds.
        #[inline]
        pub fn read(r: &mut BitReader<'_>) -> Result<Self, DecodeError> {{ {read} Ok(Self {{ {} }}) }}\n",
        names(&block.fields.iter().collect::<Vec<_>>())
    )
}
