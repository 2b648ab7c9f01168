//! `gen/records.rs`: tagged records and the enum over all of them.

use super::{doc, redacted};
use crate::model::{Record, RecordField, RecordKind, Schema};
use std::fmt::Write;

pub(super) fn source(schema: &Schema) -> String {
    let mut out = String::from(
        "use super::tagged::{Fields, put_bytes, put_list, put_number};\nuse crate::DecodeError;\n\n",
    );
    for record in &schema.records {
        out.push_str(&structure(record));
        out.push_str(&implementation(record));
    }
    out.push_str(&sum(schema));
    out
}

fn rust_type(field: &RecordField) -> &'static str {
    match field.kind {
        RecordKind::U32 => "u32",
        RecordKind::U64 => "u64",
        RecordKind::Bool => "bool",
        RecordKind::Bytes(_) => "Vec<u8>",
        RecordKind::Text(_) => "String",
        RecordKind::ListU32(_) => "Vec<u32>",
    }
}

fn bound(field: &RecordField) -> Option<(u32, &'static str)> {
    match field.kind {
        RecordKind::Bytes(max) | RecordKind::Text(max) => Some((max, "bytes")),
        RecordKind::ListU32(max) => Some((max, "values")),
        _ => None,
    }
}

fn structure(record: &Record) -> String {
    let mut out = doc(&record.doc, None);
    let has_secrets = record.fields.iter().any(|field| field.is_secret);
    let debug = if has_secrets { "" } else { "Debug, " };
    _ = writeln!(out, "#[derive(Clone, {debug}Default, PartialEq, Eq)]");
    if record.fields.is_empty() {
        _ = writeln!(out, "pub struct {};", record.name);
        return out;
    }
    _ = writeln!(out, "pub struct {} {{", record.name);
    for field in &record.fields {
        let sentence = match bound(field) {
            Some((max, what)) => format!("{} At most {max} {what}.", field.doc.trim()),
            None => field.doc.clone(),
        };
        _ = writeln!(
            out,
            "{}pub {}: {},",
            doc(&sentence, field.unit.as_deref()),
            field.name,
            rust_type(field)
        );
    }
    out.push_str("}\n");
    if has_secrets {
        let fields = record.fields.iter().map(|field| (field.name.as_str(), field.is_secret));
        out.push_str(&redacted(&record.name, fields));
    }
    out
}

fn implementation(record: &Record) -> String {
    let (mut encode, mut decode) = (String::new(), String::new());
    for field in &record.fields {
        let (name, id) = (&field.name, field.id);
        if let Some((max, _)) = bound(field) {
            _ = writeln!(
                encode,
                "assert!(self.{name}.len() <= {max}, {:?});",
                format!("{}.{name} is too long", record.name)
            );
        }
        _ = match field.kind {
            RecordKind::U32 | RecordKind::Bool => {
                writeln!(encode, "put_number(out, {id}, u64::from(self.{name}));")
            }
            RecordKind::U64 => writeln!(encode, "put_number(out, {id}, self.{name});"),
            RecordKind::Bytes(_) => writeln!(encode, "put_bytes(out, {id}, &self.{name});"),
            RecordKind::Text(_) => writeln!(encode, "put_bytes(out, {id}, self.{name}.as_bytes());"),
            RecordKind::ListU32(_) => writeln!(encode, "put_list(out, {id}, &self.{name});"),
        };
        let call = match field.kind {
            RecordKind::U32 => "u32()".to_owned(),
            RecordKind::U64 => "u64()".to_owned(),
            RecordKind::Bool => "bool()".to_owned(),
            RecordKind::Bytes(max) => format!("bytes({max})"),
            RecordKind::Text(max) => format!("text({max})"),
            RecordKind::ListU32(max) => format!("list_u32({max})"),
        };
        _ = writeln!(decode, "{id} => value.{name} = fields.{call}?,");
    }
    let body = if record.fields.is_empty() {
        "let mut fields = Fields::new(bytes, Self::OPCODE)?; while fields.next_id()?.is_some() {} Ok(Self)"
            .to_owned()
    } else {
        format!(
            "let mut fields = Fields::new(bytes, Self::OPCODE)?;
            let mut value = Self::default();
            while let Some(id) = fields.next_id()? {{
                match id {{
                    {decode}
                    _ => {{}} // a newer peer's field
                }}
            }}
            Ok(value)"
        )
    };
    let panics = if record.fields.iter().any(|field| bound(field).is_some()) {
        "///\n/// # Panics\n/// If a field is longer than its bound: our bug.\n"
    } else {
        ""
    };
    format!(
        "impl {} {{
            /// First byte.
            pub const OPCODE: u8 = {};

            /// Appends opcode and fields; fields at their default are left out.
            {panics}pub fn encode(&self, out: &mut Vec<u8>) {{ out.push(Self::OPCODE); {encode} }}

            /// Reads a whole record, opcode first; unknown fields are skipped, missing ones are default.
            ///
            /// # Errors
            /// When the record rules are broken or a value is outside its bounds.
            pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {{ {body} }}
        }}\n",
        record.name, record.opcode,
    )
}

fn sum(schema: &Schema) -> String {
    let (mut variants, mut encode, mut decode, mut opcode) =
        (String::new(), String::new(), String::new(), String::new());
    for record in &schema.records {
        let name = &record.name;
        _ = writeln!(variants, "{}{name}({name}),", doc(&record.doc, None));
        _ = writeln!(encode, "Self::{name}(record) => record.encode(out),");
        _ = writeln!(decode, "{name}::OPCODE => Self::{name}({name}::decode(bytes)?),");
        _ = writeln!(opcode, "Self::{name}(_) => {name}::OPCODE,");
    }
    format!(
        "/// Any record.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Record {{
            {variants}
            /// A newer peer's record: skipped.
            Unknown {{
                /// Its first byte.
                opcode: u8,
            }},
        }}

        impl Record {{
            /// First byte.
            #[must_use]
            pub fn opcode(&self) -> u8 {{ match self {{ {opcode} Self::Unknown {{ opcode }} => *opcode, }} }}

            /// Appends opcode and fields; of an unknown record only the opcode is left.
            ///
            /// # Panics
            /// If a field is longer than its bound: our bug.
            pub fn encode(&self, out: &mut Vec<u8>) {{
                match self {{ {encode} Self::Unknown {{ opcode }} => out.push(*opcode), }}
            }}

            /// Reads a whole record, opcode first.
            ///
            /// # Errors
            /// When it is empty, the record rules are broken or a value is outside its bounds.
            pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {{
                let Some(&opcode) = bytes.first() else {{
                    return Err(DecodeError::Record {{ opcode: 0, reason: \"it is empty\" }});
                }};
                Ok(match opcode {{
                    {decode}
                    opcode => Self::Unknown {{ opcode }},
                }})
            }}
        }}\n"
    )
}
