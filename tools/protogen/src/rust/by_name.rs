//! `gen/by_name.rs`: every block and union behind one function, so that tools and tests miss none.

use crate::model::Schema;

pub(super) fn source(schema: &Schema) -> String {
    let blocks: Vec<&str> = schema.blocks.iter().map(|block| block.name.as_str()).collect();
    let unions: Vec<&str> = schema.unions.iter().map(|item| item.name.as_str()).collect();
    let arms = |names: &[&str], module: &str| -> String {
        names.iter().map(|name| format!("{name:?} => transcode!({module}::{name}),\n")).collect()
    };
    let names: Vec<String> = blocks.iter().chain(&unions).map(|name| format!("{name:?}")).collect();
    format!(
        "use super::{{blocks, unions}};
        use crate::DecodeError;
        use crate::bits::{{BitReader, BitWriter, GUARD_BYTES}};

        /// Names of all blocks, then of all unions.
        pub const NAMES: [&str; {n}] = [{names}];

        /// Decodes a block or union that fills `bytes` up to the padding, and encodes it again.
        ///
        /// - Shapes: the answer is the value as its `Debug` shows it, and the new bytes; `None`: no such name.
        /// - Cost: allocates; for tools and tests.
        ///
        /// # Errors
        /// As the block's `read`, and [`DecodeError::Trailing`].
        #[must_use]
        pub fn transcode(name: &str, bytes: &[u8]) -> Option<Result<(String, Vec<u8>), DecodeError>> {{
            let mut padded = bytes.to_vec();
            padded.resize(bytes.len() + GUARD_BYTES, 0);
            let mut reader = BitReader::new(&padded, bytes.len());
            macro_rules! transcode {{
                ($kind:ty) => {{{{
                    let value = match <$kind>::read(&mut reader) {{
                        Ok(value) => value,
                        Err(error) => return Some(Err(error)),
                    }};
                    let mut out = vec![0; (<$kind>::BITS_MAX as usize).div_ceil(8) + GUARD_BYTES];
                    let mut writer = BitWriter::new(&mut out);
                    value.write(&mut writer);
                    let n_bytes = writer.finish();
                    out.truncate(n_bytes);
                    (format!(\"{{value:?}}\"), out)
                }}}};
            }}
            let done = match name {{
                {blocks}{unions}
                _ => return None,
            }};
            Some(reader.finish().map(|()| done))
        }}\n",
        n = names.len(),
        names = names.join(", "),
        blocks = arms(&blocks, "blocks"),
        unions = arms(&unions, "unions"),
    )
}
