//! `docs/PROTOCOL.md`: prose from a template, tables from the schema, a sample frame taken apart.
//!
//! A placeholder is `{{word argument}}` and stands for tables of one item. Blocks, unions and enums that the
//! template forgets land under `{{rest}}`, so that the page is never without one.

use crate::layout::mask;
use crate::model::{Block, FieldKind, FrozenKind, Record, RecordKind, Schema, Union};
use crate::sample::{limit, typical_frame};
use crate::{Emitter, OutFile, projection, trace};
use anyhow::{Context, bail};
use std::collections::BTreeSet;

const TEMPLATE: &str = include_str!("../templates/protocol.md");

/// Emits the docs page.
#[derive(Clone, Copy, Debug, Default)]
pub struct Docs;

impl Emitter for Docs {
    fn emit(&self, schema: &Schema) -> anyhow::Result<Vec<OutFile>> {
        let mut page = Page { schema, told: BTreeSet::new() };
        let text = page.fill(TEMPLATE)?;
        Ok(vec![OutFile { path: "docs/PROTOCOL.md".into(), text }])
    }
}

struct Page<'a> {
    schema: &'a Schema,
    /// Names of blocks, unions and enums that have their table.
    told: BTreeSet<String>,
}

impl Page<'_> {
    fn fill(&mut self, template: &str) -> anyhow::Result<String> {
        let mut text = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once("{{") {
            let (placeholder, behind) = after.split_once("}}").context("a placeholder has no end")?;
            text += before;
            text += &self.expand(placeholder).with_context(|| format!("in {{{{{placeholder}}}}}"))?;
            rest = behind;
        }
        text += rest;
        Ok(text.trim_end().to_owned() + "\n")
    }

    fn expand(&mut self, placeholder: &str) -> anyhow::Result<String> {
        let schema = self.schema;
        let (word, name) = placeholder.split_once(' ').unwrap_or((placeholder, ""));
        if ["block", "union", "enum"].contains(&word) {
            self.told.insert(name.to_owned());
        }
        let block = || schema.find_block(name).with_context(|| format!("there is no block {name}"));
        let protocol = &schema.protocol;
        Ok(match word {
            "versions" => versions(schema),
            "alpn" => format!("{}/{}", protocol.name, protocol.wire_major),
            "subprotocol" => format!("{}.{}", protocol.name, protocol.wire_major),
            "limit" => thousands(limit(schema, name)),
            "bits" => bits_of(schema, block()?),
            "group_bits" => {
                let bits: Vec<String> = schema.groups().iter().map(|group| bits_of(schema, group)).collect();
                bits.join(" / ")
            }
            "block" => block_table(schema, block()?),
            "union" => union_table(schema, schema.find_union(name).context("there is no such union")?),
            "enum" => enum_table(schema, name)?,
            "groups" => groups_table(schema),
            "records" => schema.records.iter().map(record_table).collect::<Vec<_>>().join("\n"),
            "hello" => schema.frozen.iter().map(hello_table).collect::<Vec<_>>().join("\n"),
            "constants" => constants_table(schema),
            "sample" => sample(schema),
            "rest" => self.rest()?,
            _ => bail!("no such placeholder"),
        })
    }

    fn rest(&mut self) -> anyhow::Result<String> {
        let schema = self.schema;
        let is_new = |name: &String| !self.told.contains(name);
        let mut parts = Vec::new();
        for block in schema.blocks.iter().filter(|block| is_new(&block.name)) {
            parts.push(block_table(schema, block));
        }
        for union in schema.unions.iter().filter(|union| is_new(&union.name)) {
            parts.push(union_table(schema, union));
        }
        for item in schema.enums.iter().filter(|item| is_new(&item.name)) {
            parts.push(enum_table(schema, &item.name)?);
        }
        Ok(if parts.is_empty() { String::new() } else { format!("## Others\n\n{}", parts.join("\n")) })
    }
}

fn versions(schema: &Schema) -> String {
    let protocol = &schema.protocol;
    format!(
        "| wire major | epoch | fingerprint | hello version | movement kernel |\n|---|---|---|---|---|\n\
         | {} | {} | `{:016x}` | {} | {} |",
        protocol.wire_major,
        protocol.epoch,
        projection::fingerprint(schema),
        protocol.hello_version,
        protocol.kernel_version
    )
}

fn bits_of(schema: &Schema, block: &Block) -> String {
    match schema.block_bits(block) {
        Some(bits) => bits.to_string(),
        None => format!("{} to {}", bits_min(schema, block), schema.block_bits_max(block)),
    }
}

fn bits_min(schema: &Schema, block: &Block) -> u32 {
    let field_min = |kind: &FieldKind| match kind {
        FieldKind::Option(_) => Some(1),
        FieldKind::Block(name) => schema.find_block(name).map(|inner| bits_min(schema, inner)),
        FieldKind::Union(name) => schema.find_union(name).map(|union| {
            let bodies = union.variants.iter().filter_map(|variant| schema.find_block(&variant.block));
            union.tag_bits + bodies.map(|body| bits_min(schema, body)).min().unwrap_or(0)
        }),
        _ => None,
    };
    let width = |field| schema.field_bits(field).or_else(|| field_min(&field.kind)).unwrap_or(0);
    block.fields.iter().map(width).sum()
}

fn block_table(schema: &Schema, block: &Block) -> String {
    let what = if block.group.is_some() { "group" } else { "block" };
    let mut text = format!("**{}** ({what}, {} bits): {}\n\n", block.name, bits_of(schema, block), block.doc);
    if block.fields.is_empty() {
        return text;
    }
    text += "| id | bit | bits | field | values | unit | what |\n|---|---|---|---|---|---|---|\n";
    let mut at = Some(0);
    for field in &block.fields {
        let width = schema.field_bits(field);
        let values = match &field.kind {
            FieldKind::Uint { max, .. } => format!("0 to {}", thousands(*max)),
            FieldKind::Int { min, max } => format!("{min} to {max}, sent as value {}", minus(*min)),
            FieldKind::Wide32 => "any u32".into(),
            FieldKind::Bool => "0, 1".into(),
            FieldKind::Enum(name) => format!("enum {name}"),
            FieldKind::Block(name) => format!("block {name}"),
            FieldKind::Option(name) => format!("1 bit, then {name} if set"),
            FieldKind::Union(name) => format!("union {name}"),
        };
        text += &format!(
            "| {} | {} | {} | `{}` | {values} | {} | {} |\n",
            field.id,
            at.map_or_else(String::new, |bit: u32| bit.to_string()),
            width.map_or_else(|| "varies".to_owned(), |bits| bits.to_string()),
            field.name,
            field.unit.as_deref().unwrap_or(""),
            field.doc,
        );
        at = at.zip(width).map(|(at, width)| at + width);
    }
    text
}

fn minus(min: i32) -> String {
    if min < 0 { format!("+ {}", min.unsigned_abs()) } else { format!("- {min}") }
}

fn union_table(schema: &Schema, union: &Union) -> String {
    let max = schema.union_bits_max(union);
    let mut text = format!(
        "**{}** (union, tag of {} bits, at most {max} bits): {}\n\n| tag | variant | block | what |\n|---|---|---|---|\n",
        union.name, union.tag_bits, union.doc
    );
    for variant in &union.variants {
        text += &format!("| {} | {} | {} | {} |\n", variant.tag, variant.name, variant.block, variant.doc);
    }
    text
}

fn enum_table(schema: &Schema, name: &str) -> anyhow::Result<String> {
    let item = schema.find_enum(name).context("there is no such enum")?;
    let free = mask(item.bits) - item.last();
    let mut text = format!(
        "**{name}** (enum, {} bits, {free} numbers free): {}\n\n| number | name | what |\n|---|---|---|\n",
        item.bits, item.doc
    );
    for value in &item.values {
        text += &format!("| {} | {} | {} |\n", value.value, value.name, value.doc);
    }
    Ok(text)
}

fn groups_table(schema: &Schema) -> String {
    let mut text = "| id | group | bits | goes first when bytes are short |\n|---|---|---|---|\n".to_owned();
    for block in schema.groups() {
        let group = block.group.unwrap_or_default();
        text +=
            &format!("| {} | {} | {} | {} |\n", group.id, block.name, bits_of(schema, block), group.priority);
    }
    text
}

fn record_table(record: &Record) -> String {
    let class = record.class.as_deref().map(|class| format!(", {class}")).unwrap_or_default();
    let mut text = format!(
        "**{}** (opcode {}, from the {}{class}): {}\n",
        record.name, record.opcode, record.direction, record.doc
    );
    if record.fields.is_empty() {
        return text;
    }
    text += "\n| id | key byte | field | type | unit | what |\n|---|---|---|---|---|---|\n";
    for field in &record.fields {
        let (wire, kind) = match field.kind {
            RecordKind::U32 => (0, "u32".to_owned()),
            RecordKind::U64 => (0, "u64".into()),
            RecordKind::Bool => (0, "bool".into()),
            RecordKind::Bytes(max) => (1, format!("bytes, at most {}", thousands(max))),
            RecordKind::Text(max) => (1, format!("text, at most {} bytes", thousands(max))),
            RecordKind::ListU32(max) => (1, format!("list_u32, at most {max} numbers")),
        };
        text += &format!(
            "| {} | `{:02x}` | `{}` | {kind} | {} | {} |\n",
            field.id,
            field.id << 2 | wire,
            field.name,
            field.unit.as_deref().unwrap_or(""),
            field.doc
        );
    }
    text
}

fn hello_table(frozen: &crate::model::Frozen) -> String {
    let mut text = format!(
        "**{}**: {} Byte-aligned, little-endian, frozen.\n\n| id | byte | bytes | field | type | what |\n|---|---|---|---|---|---|\n",
        frozen.name, frozen.doc
    );
    let mut at = Some(0);
    for field in &frozen.fields {
        let (width, bytes, kind) = match &field.kind {
            FrozenKind::Magic(letters) => {
                let codes: Vec<String> = letters.bytes().map(|byte| format!("{byte:02x}")).collect();
                (Some(4), "4".to_owned(), format!("`{}`", codes.join(" ")))
            }
            FrozenKind::Scalar(scalar) => {
                (Some(scalar.n_bytes()), scalar.n_bytes().to_string(), scalar.name().to_owned())
            }
            FrozenKind::List { max, items } => {
                let each: usize = items.iter().map(|(_, scalar)| scalar.n_bytes()).sum();
                let parts: Vec<String> =
                    items.iter().map(|(name, scalar)| format!("`{name}` {}", scalar.name())).collect();
                (
                    None,
                    format!("1 + {each} n"),
                    format!("count u8, at most {max}, then each: {}", parts.join(", ")),
                )
            }
            FrozenKind::Array(bytes) => (Some(*bytes as usize), bytes.to_string(), "bytes".into()),
            FrozenKind::Text(max) => (None, "1 + n".into(), format!("length u8, at most {max}, then UTF-8")),
        };
        let place = at.map_or_else(String::new, |at: usize| at.to_string());
        text +=
            &format!("| {} | {place} | {bytes} | `{}` | {kind} | {} |\n", field.id, field.name, field.doc);
        at = at.zip(width).map(|(at, width)| at + width);
    }
    text
}

fn constants_table(schema: &Schema) -> String {
    let mut text = "| name | value | unit | what |\n|---|---|---|---|\n".to_owned();
    for constant in &schema.constants {
        let unit = constant.unit.as_deref().unwrap_or("");
        text +=
            &format!("| `{}` | {} | {unit} | {} |\n", constant.name, thousands(constant.value), constant.doc);
    }
    text
}

fn sample(schema: &Schema) -> String {
    let bytes = typical_frame(schema).encode(schema).bytes;
    let rows: Vec<String> = bytes
        .chunks(16)
        .enumerate()
        .map(|(row, bytes)| {
            let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{:>7}  {}", row * 16, digits.join(" "))
        })
        .collect();
    let fields = trace::frame(schema, &bytes).table();
    format!("```text\n{} bytes\n{}\n\n{fields}```", bytes.len(), rows.join("\n"))
}

/// `131072` to `131,072`.
fn thousands(value: u32) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
