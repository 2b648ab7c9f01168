//! `gen/unions.rs`: enums of blocks behind a tag.

use super::doc;
use crate::model::{Schema, Union};
use std::fmt::Write;

pub(super) fn source(schema: &Schema) -> String {
    let mut names: Vec<&str> =
        schema.unions.iter().flat_map(|item| &item.variants).map(|variant| variant.block.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let mut out = format!(
        "use super::blocks::{{{}}};\nuse crate::DecodeError;\nuse crate::bits::{{BitReader, BitWriter}};\n\n",
        names.join(", ")
    );
    for item in &schema.unions {
        out.push_str(&union(schema, item));
    }
    out
}

fn union(schema: &Schema, item: &Union) -> String {
    let (name, tag_bits) = (&item.name, item.tag_bits);
    let (mut variants, mut write, mut read) = (String::new(), String::new(), String::new());
    for variant in &item.variants {
        let (label, block, tag) = (&variant.name, &variant.block, variant.tag);
        _ = writeln!(variants, "{}{label}({block}),", doc(&variant.doc, None));
        _ = writeln!(write, "Self::{label}(body) => {{ w.put({tag}, {tag_bits}); body.write(w); }}");
        _ = writeln!(read, "{tag} => Self::{label}({block}::read(r)?),");
    }
    let first = item.variants.first().expect("unions are not empty");
    format!(
        "{}#[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum {name} {{ {variants} }}

        impl Default for {name} {{
            fn default() -> Self {{ Self::{}({}::default()) }}
        }}

        impl {name} {{
            /// Width of the tag.
            pub const TAG_BITS: u32 = {tag_bits};
            /// Largest width on the wire, tag included.
            pub const BITS_MAX: u32 = {};

            /// Appends the tag and the block.
            #[inline]
            pub fn write(&self, w: &mut BitWriter<'_>) {{ match self {{ {write} }} }}

            /// Reads the tag and the block.
            ///
            /// # Errors
            /// [`DecodeError::Tag`] for a tag that is not given out; else as the block.
            #[inline]
            pub fn read(r: &mut BitReader<'_>) -> Result<Self, DecodeError> {{
                Ok(match r.take({tag_bits})? {{
                    {read}
                    tag => return Err(DecodeError::Tag {{ union: {name:?}, tag }}),
                }})
            }}
        }}\n",
        doc(&item.doc, None),
        first.name,
        first.block,
        schema.union_bits_max(item),
    )
}
