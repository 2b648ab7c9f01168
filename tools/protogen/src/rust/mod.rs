//! Rust: plain structs with straight-line bit code, into `netproto/src/gen/`.
//!
//! Source is built as text, parsed by syn and printed by prettyplease, so it looks the same on every
//! machine; the generated modules carry `#[rustfmt::skip]` because rustfmt has tastes of its own.

mod blocks;
mod by_name;
mod enums;
mod hello;
mod limits;
mod records;
mod runs;
mod unions;

use crate::model::Schema;
use crate::{Emitter, OutFile};
use anyhow::Context;
use std::path::PathBuf;

/// The first line of every generated Rust file.
const HEADER: &str = "//! Generated from `netproto/schema/*.toml` by `cargo run -p arcanectl -- proto gen`: do not edit.\n//!\n";

/// Emits the Rust codec.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rust;

/// `Debug` of a struct with secrets: derived, it would carry them into logs.
fn redacted<'a>(name: &str, fields: impl Iterator<Item = (&'a str, bool)>) -> String {
    let shown = |(field, is_secret): (&str, bool)| {
        let value = if is_secret { "&format_args!(\"..\")".to_owned() } else { format!("&self.{field}") };
        format!(".field({field:?}, {value})")
    };
    let fields: String = fields.map(shown).collect();
    format!(
        "impl std::fmt::Debug for {name} {{
            /// Secrets stay out.
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {{
                f.debug_struct({name:?}){fields}.finish()
            }}
        }}\n"
    )
}

impl Emitter for Rust {
    fn emit(&self, schema: &Schema) -> anyhow::Result<Vec<OutFile>> {
        let modules = [
            ("limits", "Versions and limits that every decoder knows.", limits::source(schema)),
            (
                "enums",
                "Enumerations: append-only, a value keeps its meaning for ever.",
                enums::source(schema),
            ),
            ("blocks", "Runs of bit fields, groups among them.", blocks::blocks(schema)),
            ("groups", "Tables over the groups, by group id.", blocks::groups(schema)),
            ("unions", "A tag, and the block that it names.", unions::source(schema)),
            ("records", "Tagged records of the reliable stream.", records::source(schema)),
            (
                "tagged",
                "Fields of a tagged record, one by one.",
                include_str!("../../templates/tagged.rs").into(),
            ),
            ("hello", "The frozen hello: byte-aligned, little-endian, never changed.", hello::source(schema)),
            ("by_name", "Every block and union by its name: for tools and tests.", by_name::source(schema)),
        ];
        let mut files = Vec::new();
        let mut contents =
            format!("{HEADER}//! The wire's layouts, in the order of the documentation's chapters.\n\n");
        for (name, doc, body) in modules {
            let text = format!("{HEADER}//! {doc}\n\n{body}");
            let tree = syn::parse_file(&text).with_context(|| format!("generated {name}.rs:\n{text}"))?;
            files.push(OutFile { path: path(name), text: aired(&prettyplease::unparse(&tree)) });
            let visibility = if name == "tagged" { "" } else { "pub " };
            contents.push_str(&format!("#[rustfmt::skip]\n{visibility}mod {name};\n"));
        }
        files.push(OutFile { path: path("mod"), text: contents });
        Ok(files)
    }
}

fn path(module: &str) -> PathBuf {
    PathBuf::from("netproto/src/gen").join(format!("{module}.rs"))
}

/// A doc comment of one item: the sentence, and the unit when there is one.
fn doc(text: &str, unit: Option<&str>) -> String {
    let text = text.trim();
    match unit {
        Some(unit) => format!("/// {text}\n///\n/// - Units: {unit}.\n"),
        None => format!("/// {text}\n"),
    }
}

/// `x_mm` to `XMm`: a type for a field.
pub(crate) fn camel(name: &str) -> String {
    name.split('_')
        .map(|word| {
            let mut letters = word.chars();
            letters
                .next()
                .map(|first| first.to_ascii_uppercase().to_string() + letters.as_str())
                .unwrap_or_default()
        })
        .collect()
}

/// Puts an empty line in front of items, which prettyplease does not.
fn aired(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 32);
    let mut before = "";
    for line in text.lines() {
        let starts_item =
            ["///", "#[", "impl ", "fn ", "const "].iter().any(|word| line.trim_start().starts_with(word));
        let ends_item = before.trim_start() == "}" || before.ends_with(';');
        if (starts_item && ends_item) || (before.starts_with("//!") && !line.starts_with("//!")) {
            out.push('\n');
        }
        out.push_str(line);
        out.push('\n');
        before = line;
    }
    out
}
