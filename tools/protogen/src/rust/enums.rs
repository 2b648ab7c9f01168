//! `gen/enums.rs`: one fieldless enum each, with a checked way in.

use super::doc;
use crate::model::{Enum, Schema};
use std::fmt::Write;

pub(super) fn source(schema: &Schema) -> String {
    let mut out = String::from("use crate::DecodeError;\n\n");
    for item in &schema.enums {
        out.push_str(&one(item));
    }
    out
}

fn one(item: &Enum) -> String {
    let name = &item.name;
    let mut out = doc(&item.doc, None);
    out.push_str(
        "#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]\n#[repr(u8)]\n",
    );
    _ = writeln!(out, "pub enum {name} {{");
    for (at, value) in item.values.iter().enumerate() {
        let default = if at == 0 { "#[default]\n" } else { "" };
        _ = writeln!(out, "{}{default}{} = {},", doc(&value.doc, None), value.name, value.value);
    }
    out.push_str("}\n");
    let arms = |arm: &dyn Fn(&crate::model::EnumValue) -> String| -> String {
        item.values.iter().map(arm).collect::<Vec<_>>().join("\n")
    };
    _ = write!(
        out,
        "impl {name} {{
            /// Width on the wire.
            pub const BITS: u32 = {bits};
            /// Every value, in order.
            pub const ALL: [Self; {n}] = [{all}];

            /// The value that travels as `raw`.
            ///
            /// # Errors
            /// [`DecodeError::Range`] for a number that is not given out.
            #[inline]
            pub const fn from_bits(raw: u32) -> Result<Self, DecodeError> {{
                Ok(match raw {{
                    {from}
                    _ => return Err(DecodeError::Range {{ field: {name:?}, value: raw }}),
                }})
            }}

            /// Its name in the schema.
            #[must_use]
            pub const fn name(self) -> &'static str {{
                match self {{ {names} }}
            }}

            /// Its sentence in the schema.
            #[must_use]
            pub const fn doc(self) -> &'static str {{
                match self {{ {docs} }}
            }}
        }}\n",
        bits = item.bits,
        n = item.values.len(),
        all = arms(&|value| format!("Self::{},", value.name)),
        from = arms(&|value| format!("{} => Self::{},", value.value, value.name)),
        names = arms(&|value| format!("Self::{} => {:?},", value.name, value.name)),
        docs = arms(&|value| format!("Self::{} => {:?},", value.name, value.doc)),
    );
    out
}
