//! `gen/hello.rs`: the frozen layouts.

use super::{camel, doc, redacted};
use crate::model::{Frozen, FrozenField, FrozenKind, Scalar, Schema};
use std::fmt::Write;

pub(super) fn source(schema: &Schema) -> String {
    let mut out = String::from("use super::limits::HELLO_VERSION;\nuse crate::DecodeError;\n\n");
    for frozen in &schema.frozen {
        out.push_str(&one(frozen));
    }
    out.push_str(include_str!("../../templates/hello_bytes.rs"));
    out
}

/// Code of a layout, grown field by field.
#[derive(Default)]
struct Code {
    /// Structs of list items.
    items: String,
    fields: String,
    defaults: String,
    encode: String,
    decode: String,
    names: Vec<String>,
    bytes_max: usize,
}

impl Code {
    fn declare(&mut self, field: &FrozenField, kind: &str, default: &str) {
        _ = writeln!(self.fields, "{}pub {}: {kind},", doc(&field.doc, None), field.name);
        _ = writeln!(self.defaults, "{}: {default},", field.name);
        self.names.push(field.name.clone());
    }

    fn add(&mut self, frozen: &Frozen, field: &FrozenField) {
        let name = &field.name;
        match &field.kind {
            FrozenKind::Magic(letters) => self.add_magic(letters),
            FrozenKind::Scalar(scalar) => self.add_scalar(field, *scalar),
            FrozenKind::List { max, items } => self.add_list(frozen, field, *max, items),
            FrozenKind::Array(n) => {
                self.declare(field, &format!("[u8; {n}]"), &format!("[0; {n}]"));
                _ = writeln!(self.encode, "out.extend_from_slice(&self.{name});");
                _ = writeln!(self.decode, "let {name} = bytes.take::<{n}>()?;");
                self.bytes_max += *n as usize;
            }
            FrozenKind::Text(max) => {
                self.declare(field, "String", "String::new()");
                _ = writeln!(self.encode, "put_count(out, self.{name}.len(), {max}, {name:?});");
                _ = writeln!(self.encode, "out.extend_from_slice(self.{name}.as_bytes());");
                _ = writeln!(self.decode, "let {name} = bytes.text({max}, {name:?})?;");
                self.bytes_max += 1 + *max as usize;
            }
        }
    }

    fn add_magic(&mut self, letters: &str) {
        _ = writeln!(self.encode, "out.extend_from_slice(b{letters:?});");
        _ = writeln!(
            self.decode,
            "if bytes.take::<{}>()? != *b{letters:?} {{
                return Err(DecodeError::Hello {{ reason: \"other first bytes\" }});
            }}",
            letters.len()
        );
        self.bytes_max += letters.len();
    }

    fn add_scalar(&mut self, field: &FrozenField, scalar: Scalar) {
        let name = &field.name;
        let is_version = name == "hello_version";
        self.declare(field, scalar.name(), if is_version { "HELLO_VERSION" } else { "0" });
        _ = writeln!(self.encode, "out.extend_from_slice(&self.{name}.to_le_bytes());");
        _ = writeln!(self.decode, "let {name} = {};", take(scalar));
        if is_version {
            _ = writeln!(
                self.decode,
                "if {name} == 0 {{ return Err(DecodeError::Hello {{ reason: \"version 0\" }}); }}"
            );
        }
        self.bytes_max += scalar.n_bytes();
    }

    fn add_list(&mut self, frozen: &Frozen, field: &FrozenField, max: u32, items: &[(String, Scalar)]) {
        let (name, item) = (&field.name, format!("{}{}", frozen.name, camel(&field.name)));
        self.items.push_str(&item_struct(&item, &field.doc, items));
        self.declare(field, &format!("Vec<{item}>"), "Vec::new()");
        let (mut put, mut taken) = (String::new(), String::new());
        for (part, scalar) in items {
            _ = writeln!(put, "out.extend_from_slice(&item.{part}.to_le_bytes());");
            _ = writeln!(taken, "{part}: {},", take(*scalar));
        }
        _ = writeln!(
            self.encode,
            "put_count(out, self.{name}.len(), {max}, {name:?}); for item in &self.{name} {{ {put} }}"
        );
        _ = writeln!(
            self.decode,
            "let mut {name} = Vec::new();
            for _ in 0..bytes.count({max}, {name:?})? {{ {name}.push({item} {{ {taken} }}); }}"
        );
        self.bytes_max += 1 + max as usize * items.iter().map(|(_, scalar)| scalar.n_bytes()).sum::<usize>();
    }
}

fn one(frozen: &Frozen) -> String {
    let mut code = Code::default();
    for field in &frozen.fields {
        code.add(frozen, field);
    }
    let Code { items, fields, defaults, encode, decode, names, bytes_max } = code;
    let shown = frozen.fields.iter().filter(|field| !matches!(field.kind, FrozenKind::Magic(_)));
    let shown = shown.map(|field| (field.name.as_str(), field.is_secret));
    let has_secrets = frozen.fields.iter().any(|field| field.is_secret);
    let (derived, debug) =
        if has_secrets { ("", redacted(&frozen.name, shown)) } else { ("Debug, ", String::new()) };
    format!(
        "{items}
        {about}#[derive(Clone, {derived}PartialEq, Eq)]
        pub struct {name} {{ {fields} }}
        {debug}

        impl Default for {name} {{
            /// Nothing at hand, nothing readable, this build's layout.
            fn default() -> Self {{ Self {{ {defaults} }} }}
        }}

        impl {name} {{
            /// The longest that this build writes.
            pub const BYTES_MAX: usize = {bytes_max};

            /// Appends all bytes, magic first.
            ///
            /// # Panics
            /// If a list or text is longer than its bound: our bug.
            pub fn encode(&self, out: &mut Vec<u8>) {{ {encode} }}

            /// Reads all bytes; only a newer `hello_version` may have some behind the known end.
            ///
            /// # Errors
            /// [`DecodeError::Hello`] with the rule that was broken, or the bound of a list or text.
            pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {{
                let mut bytes = HelloBytes(bytes);
                {decode}
                if hello_version <= HELLO_VERSION && !bytes.0.is_empty() {{
                    return Err(DecodeError::Hello {{ reason: \"bytes are left over\" }});
                }}
                Ok(Self {{ {names} }})
            }}
        }}\n",
        about = doc(&frozen.doc, None),
        name = frozen.name,
        names = names.join(", "),
    )
}

fn item_struct(name: &str, about: &str, items: &[(String, Scalar)]) -> String {
    let mut out = format!(
        "{}#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]\npub struct {name} {{\n",
        doc(about, None)
    );
    for (part, scalar) in items {
        _ = writeln!(out, "/// One `{part}`.\npub {part}: {},", scalar.name());
    }
    out.push_str("}\n");
    out
}

fn take(scalar: Scalar) -> String {
    format!("{}::from_le_bytes(bytes.take()?)", scalar.name())
}
