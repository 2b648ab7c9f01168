//! A block's value as a tree, and how it is shown: as Rust's `Debug` and as JSON.

use serde_json::json;

/// A value of one field or block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A number; `int` fields may be below 0.
    Number(i64),
    /// One bit.
    Flag(bool),
    /// A value of an enum.
    Symbol {
        /// Number on the wire.
        raw: u32,
        /// Name in the schema.
        name: String,
    },
    /// A block and its fields, in order.
    Block(String, Vec<(String, Value)>),
    /// A block that may be missing.
    Option(Option<Box<Value>>),
    /// A choice.
    Union {
        /// Number on the wire.
        tag: u32,
        /// Name of the variant.
        name: String,
        /// The block behind the tag.
        body: Box<Value>,
    },
    /// Bits that break the bounds: only for vectors that must not decode.
    Raw(u64),
}

impl Value {
    /// The value as Rust's derived `Debug` shows it.
    #[must_use]
    pub fn debug(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Flag(flag) => flag.to_string(),
            Self::Symbol { name, .. } => name.clone(),
            Self::Block(name, fields) if fields.is_empty() => name.clone(),
            Self::Block(name, fields) => {
                let fields: Vec<String> =
                    fields.iter().map(|(field, value)| format!("{field}: {}", value.debug())).collect();
                format!("{name} {{ {} }}", fields.join(", "))
            }
            Self::Option(None) => "None".into(),
            Self::Option(Some(value)) => format!("Some({})", value.debug()),
            Self::Union { name, body, .. } => format!("{name}({})", body.debug()),
            Self::Raw(raw) => format!("raw {raw}"),
        }
    }

    /// The value as JSON: blocks are objects, an absent option is null, a choice an object with one key.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        match self {
            Self::Number(number) => json!(number),
            Self::Flag(flag) => json!(flag),
            Self::Symbol { name, .. } => json!(name),
            Self::Block(_, fields) => serde_json::Value::Object(
                fields.iter().map(|(name, value)| (name.clone(), value.json())).collect(),
            ),
            Self::Option(None) => serde_json::Value::Null,
            Self::Option(Some(value)) => value.json(),
            Self::Union { name, body, .. } => json!({ name: body.json() }),
            Self::Raw(raw) => json!({ "raw": raw }),
        }
    }

    /// Replaces the field at the end of `path`, through options and choices that are there.
    ///
    /// # Panics
    /// If there is no such field.
    #[must_use]
    pub fn with(mut self, path: &[&str], value: Self) -> Self {
        *self.at(path).expect("the path leads to a field") = value;
        self
    }

    fn at(&mut self, path: &[&str]) -> Option<&mut Self> {
        let Some((first, rest)) = path.split_first() else {
            return Some(self);
        };
        match self {
            Self::Option(Some(inner)) => inner.at(path),
            Self::Union { body, .. } => body.at(path),
            Self::Block(_, fields) => fields.iter_mut().find(|(name, _)| name == first)?.1.at(rest),
            _ => None,
        }
    }
}
