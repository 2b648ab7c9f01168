//! TOML files to [`Schema`]. Order of files, tables and keys does not matter; unknown keys are refused.

use crate::check;
use crate::keys::{Keys, Place, Problem};
use crate::model::{
    Block, Constant, Enum, EnumValue, Field, FieldKind, Frozen, FrozenField, FrozenKind, Group, Protocol,
    Record, RecordField, RecordKind, Retired, Scalar, Schema, Union, Variant,
};
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Why a schema could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// A file or the folder does not open.
    #[error("{path} does not read")]
    Io {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The files are there and what they say is wrong.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Problems(Vec<Problem>),
}

/// Reads every `*.toml` file of a folder and checks them together.
///
/// # Errors
/// [`ReadError`], with all problems at once.
pub fn read_dir(dir: &Path) -> Result<Schema, ReadError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| ReadError::Io { path, source }
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(io(dir))? {
        let path = entry.map_err(io(dir))?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            paths.push(path);
        }
    }
    let mut files = Vec::new();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        files.push((name, std::fs::read_to_string(&path).map_err(io(&path))?));
    }
    read_files(&files)
}

/// Reads files given as (name, text) and checks them together.
///
/// # Errors
/// [`ReadError::Problems`].
pub fn read_files(files: &[(String, String)]) -> Result<Schema, ReadError> {
    let mut schema = Schema::default();
    let mut places = check::Places::default();
    let mut problems = Vec::new();
    let mut has_protocol = false;
    let mut files: Vec<&(String, String)> = files.iter().collect();
    files.sort(); // the order of a folder is the file system's whim
    for (file, text) in files {
        match text.parse::<Table>() {
            Ok(table) => {
                has_protocol |= table.contains_key("protocol");
                read_file(file, table, &mut schema, &mut places, &mut problems);
            }
            Err(error) => problems.push(Problem {
                place: Place { file: file.clone(), ..Place::default() },
                what: error.to_string().trim_end().to_owned(),
            }),
        }
    }
    if !has_protocol {
        problems.push(Problem { place: Place::default(), what: "no file has a [protocol] table".into() });
    }
    schema.records.sort_by_key(|record| record.opcode);
    if problems.is_empty() {
        problems = check::check(&schema, &places);
    }
    if problems.is_empty() { Ok(schema) } else { Err(ReadError::Problems(problems)) }
}

fn read_file(
    file: &str,
    table: Table,
    schema: &mut Schema,
    places: &mut check::Places,
    problems: &mut Vec<Problem>,
) {
    let place = Place { file: file.to_owned(), ..Place::default() };
    let mut keys = Keys::new(place.clone(), Value::Table(table), problems);
    if let Some(value) = keys.take("protocol") {
        keys.place.table = "protocol".into();
        schema.protocol = read_protocol(keys.inner(String::new(), value));
        keys.place.table.clear();
    }
    for kind in ["constant", "enum", "group", "block", "union", "record", "frozen", "retired"] {
        for (at, value) in keys.array(kind).into_iter().enumerate() {
            let name = value.get("name").and_then(Value::as_str).map(str::to_owned);
            let table = format!("{kind} {}", name.clone().unwrap_or_else(|| format!("number {}", at + 1)));
            keys.place.table.clone_from(&table);
            let inner = keys.inner(String::new(), value);
            match kind {
                "constant" => schema.constants.push(read_constant(inner)),
                "enum" => schema.enums.push(read_enum(inner)),
                "group" | "block" => schema.blocks.push(read_block(inner, kind == "group")),
                "union" => schema.unions.push(read_union(inner)),
                "record" => schema.records.push(read_record(inner)),
                "frozen" => schema.frozen.push(read_frozen(inner)),
                _ => schema.retired.push(read_retired(inner)),
            }
            places.note(kind, name.unwrap_or_default(), Place { table, ..place.clone() });
        }
    }
    keys.place.table.clear();
    keys.done();
}

fn read_protocol(mut keys: Keys<'_>) -> Protocol {
    let protocol = Protocol {
        name: keys.text("name"),
        wire_major: keys.number::<u16>("wire_major").into(),
        epoch: keys.number::<u16>("epoch").into(),
        hello_version: keys.number::<u16>("hello_version").into(),
        kernel_version: keys.number::<u16>("kernel_version").into(),
    };
    keys.done();
    protocol
}

fn read_constant(mut keys: Keys<'_>) -> Constant {
    let constant = Constant {
        name: keys.text("name"),
        value: keys.number("value"),
        unit: keys.maybe_text("unit"),
        doc: keys.doc(),
    };
    keys.done();
    constant
}

fn read_enum(mut keys: Keys<'_>) -> Enum {
    let mut item =
        Enum { name: keys.text("name"), bits: keys.number("bits"), doc: keys.doc(), values: Vec::new() };
    for (value, entry) in keys.numbered("value") {
        let mut inner = keys.inner(format!("value {value}"), entry);
        item.values.push(EnumValue { value, name: inner.text("name"), doc: inner.doc() });
        inner.done();
    }
    keys.done();
    item
}

fn read_block(mut keys: Keys<'_>, is_group: bool) -> Block {
    let group = is_group.then(|| Group { id: keys.number("id"), priority: keys.number("priority") });
    let mut block = Block {
        name: keys.text("name"),
        class: keys.maybe_text("class"),
        group,
        doc: keys.doc(),
        fields: Vec::new(),
    };
    for (id, entry) in keys.numbered("field") {
        let mut inner = keys.inner(format!("field {id}"), entry);
        let name = inner.text("name");
        let kind = read_field_kind(&mut inner);
        block.fields.push(Field { id, name, kind, unit: inner.maybe_text("unit"), doc: inner.doc() });
        inner.done();
    }
    keys.done();
    block
}

fn read_field_kind(keys: &mut Keys<'_>) -> FieldKind {
    match keys.text("type").as_str() {
        "uint" => {
            let bits = keys.number("bits");
            FieldKind::Uint { bits, max: keys.maybe_number("max").unwrap_or(crate::layout::mask(bits)) }
        }
        "int" => FieldKind::Int { min: keys.number("min"), max: keys.number("max") },
        "wide32" => FieldKind::Wide32,
        "bool" => FieldKind::Bool,
        "enum" => FieldKind::Enum(keys.text("enum")),
        "block" => FieldKind::Block(keys.text("block")),
        "option" => FieldKind::Option(keys.text("block")),
        "union" => FieldKind::Union(keys.text("union")),
        other => {
            keys.complain(format!(
                "type `{other}` is none of uint, int, wide32, bool, enum, block, option, union"
            ));
            FieldKind::Bool
        }
    }
}

fn read_union(mut keys: Keys<'_>) -> Union {
    let mut item = Union {
        name: keys.text("name"),
        tag_bits: keys.number("tag_bits"),
        class: keys.maybe_text("class"),
        doc: keys.doc(),
        variants: Vec::new(),
    };
    for (tag, entry) in keys.numbered("variant") {
        let mut inner = keys.inner(format!("variant {tag}"), entry);
        let (name, block) = (inner.text("name"), inner.text("block"));
        item.variants.push(Variant { tag, name, block, doc: inner.doc() });
        inner.done();
    }
    keys.done();
    item
}

fn read_record(mut keys: Keys<'_>) -> Record {
    let mut record = Record {
        opcode: keys.number::<u8>("opcode").into(),
        name: keys.text("name"),
        direction: keys.text("direction"),
        class: keys.maybe_text("class"),
        doc: keys.doc(),
        fields: Vec::new(),
    };
    for (id, entry) in keys.numbered("field") {
        let mut inner = keys.inner(format!("field {id}"), entry);
        let name = inner.text("name");
        let kind = read_record_kind(&mut inner);
        let (unit, is_secret) = (inner.maybe_text("unit"), inner.mark("secret"));
        record.fields.push(RecordField { id, name, kind, unit, is_secret, doc: inner.doc() });
        inner.done();
    }
    keys.done();
    record
}

fn read_record_kind(keys: &mut Keys<'_>) -> RecordKind {
    match keys.text("type").as_str() {
        "u32" => RecordKind::U32,
        "u64" => RecordKind::U64,
        "bool" => RecordKind::Bool,
        "bytes" => RecordKind::Bytes(keys.number("max")),
        "text" => RecordKind::Text(keys.number("max")),
        "list_u32" => RecordKind::ListU32(keys.number("max")),
        other => {
            keys.complain(format!("type `{other}` is none of u32, u64, bool, bytes, text, list_u32"));
            RecordKind::Bool
        }
    }
}

fn read_frozen(mut keys: Keys<'_>) -> Frozen {
    let mut frozen = Frozen { name: keys.text("name"), doc: keys.doc(), fields: Vec::new() };
    for (id, entry) in keys.numbered("field") {
        let mut inner = keys.inner(format!("field {id}"), entry);
        let name = inner.text("name");
        let kind = read_frozen_kind(&mut inner);
        let is_secret = inner.mark("secret");
        frozen.fields.push(FrozenField { id, name, kind, is_secret, doc: inner.doc() });
        inner.done();
    }
    keys.done();
    frozen
}

fn read_frozen_kind(keys: &mut Keys<'_>) -> FrozenKind {
    let kind = keys.text("type");
    if matches!(kind.as_str(), "list" | "text") && keys.text("count") != "u8" {
        keys.complain("`count` must be \"u8\"");
    }
    match kind.as_str() {
        "magic" => FrozenKind::Magic(keys.text("value")),
        "list" => FrozenKind::List { max: keys.number("max"), items: read_items(keys) },
        "array" => FrozenKind::Array(keys.number("bytes")),
        "text" => FrozenKind::Text(keys.number("max")),
        other => FrozenKind::Scalar(read_scalar(other, keys)),
    }
}

fn read_items(keys: &mut Keys<'_>) -> Vec<(String, Scalar)> {
    let mut items = Vec::new();
    for (at, value) in keys.array("item").into_iter().enumerate() {
        let mut inner = keys.inner(format!("{} item {}", keys.place.field, at + 1), value);
        let (name, kind) = (inner.text("name"), inner.text("type"));
        items.push((name, read_scalar(&kind, &mut inner)));
        inner.done();
    }
    items
}

fn read_scalar(kind: &str, keys: &mut Keys<'_>) -> Scalar {
    match kind {
        "u16" => Scalar::U16,
        "u32" => Scalar::U32,
        "u64" => Scalar::U64,
        other => {
            keys.complain(format!("type `{other}` is none of magic, u16, u32, u64, list, array, text"));
            Scalar::U16
        }
    }
}

fn read_retired(mut keys: Keys<'_>) -> Retired {
    let retired = Retired { fact: keys.text("fact"), doc: keys.doc() };
    keys.done();
    retired
}
