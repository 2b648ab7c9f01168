//! The Rust emitter on a schema with every kind of field, also those that the real one does without.

use protogen::read::read_files;
use protogen::{Emitter, rust};

const ZOO: &str = r#"
[protocol]
name = "zoo"
wire_major = 1
epoch = 1
hello_version = 1
kernel_version = 1

[[enum]]
name = "Beast"
bits = 4
doc = "With a gap."
value.0 = { name = "Ant", doc = "Small." }
value.9 = { name = "Bear", doc = "Big." }

[[group]]
id = 0
name = "Cage"
priority = 0
doc = "All kinds of fixed width."
field.1 = { name = "low", type = "int", min = 5, max = 10, doc = "Starts above zero." }
field.2 = { name = "zero", type = "int", min = 0, max = 3, doc = "Starts at zero." }
field.4 = { name = "part", type = "uint", bits = 4, max = 9, doc = "Some values are free." }
field.7 = { name = "beast", type = "enum", enum = "Beast", doc = "Has a gap." }
field.8 = { name = "open", type = "bool", doc = "A flag." }

[[block]]
name = "Empty"
doc = "Nothing."

[[block]]
name = "Zoo"
doc = "Everything."
field.1 = { name = "gate", type = "option", block = "Empty", doc = "First bit." }
field.2 = { name = "cage", type = "block", block = "Cage", doc = "Nested." }
field.3 = { name = "far", type = "wide32", doc = "Wide." }
field.4 = { name = "near", type = "uint", bits = 24, doc = "As wide as may be." }
field.5 = { name = "choice", type = "union", union = "Choice", doc = "Last." }
field.6 = { name = "beast", type = "enum", enum = "Beast", doc = "Outside a const fn." }

[[union]]
name = "Choice"
tag_bits = 1
doc = "One of two."
variant.0 = { name = "Nothing", block = "Empty", doc = "None." }
variant.1 = { name = "Full", block = "Cage", doc = "Some." }

[[frozen]]
name = "Hello"
doc = "The least."
field.1 = { name = "hello_version", type = "u16", doc = "1." }
"#;

fn emitted(file: &str) -> String {
    let schema =
        read_files(&[("zoo.toml".to_owned(), ZOO.to_owned())]).unwrap_or_else(|error| panic!("{error}"));
    let files = rust::Rust.emit(&schema).expect("what is emitted parses as Rust");
    let file = files.into_iter().find(|out| out.path.ends_with(file)).expect("the file is emitted");
    file.text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn bounds_that_leave_numbers_free_are_checked_and_full_ones_are_not() {
    let blocks = emitted("blocks.rs");
    assert!(blocks.contains("let low = run as u32 & 0x7; if low > 5 {"), "{blocks}");
    assert!(blocks.contains("let low = low as i32 + 5;"), "{blocks}");
    assert!(blocks.contains("((self.low - 5) as u64)"), "{blocks}");
    assert!(blocks.contains("let zero = (run >> 3) as u32 & 0x3; let zero = zero as i32;"), "{blocks}");
    assert!(blocks.contains("if part > 9 {"), "{blocks}");
}

#[test]
fn blocks_of_fixed_width_pack_and_others_read_in_pieces() {
    let blocks = emitted("blocks.rs");
    assert!(blocks.contains("pub const BITS: u32 = 14;"), "3 + 2 + 4 + 4 + 1 bits");
    assert!(
        blocks.contains("pub struct Empty;") && blocks.contains("pub const BITS_MAX: u32 = 90;"),
        "{blocks}"
    );
    assert!(blocks.contains("let beast = Beast::from_bits(run as u32 & 0xf)?;"), "{blocks}");
    assert!(blocks.contains("let gate = if has_gate { Some(Empty::read(r)?) } else { None };"), "{blocks}");
}

#[test]
fn gaps_in_an_enum_are_out_of_range() {
    let enums = emitted("enums.rs");
    assert!(
        enums.contains("0 => Self::Ant, 9 => Self::Bear, _ => { return Err(DecodeError::Range"),
        "{enums}"
    );
}
