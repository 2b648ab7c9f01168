//! Docs, compatible or breaking.

use crate::good;
use protogen::diff::{Class, diff};
use protogen::embedded;

/// The class of one edit, and whether it is refused as it stands.
fn check(file: &str, old: &str, new: &str, class: Class, is_refused: bool) {
    let found = diff(&embedded::schema(), &good(file, old, new));
    assert_eq!((found.class(), found.is_refused()), (class, is_refused), "{found:?}");
}

#[test]
fn equal_schemas_do_not_differ() {
    let found = diff(&embedded::schema(), &embedded::schema());
    assert!(found.changes.is_empty() && !found.is_refused());
    assert_eq!(found.class(), Class::Docs);
}

#[test]
fn sentences_priorities_and_names_are_docs() {
    check("frame.toml", "Health, as bars show it.", "Health.", Class::Docs, false);
    check("frame.toml", "priority = 1", "priority = 5", Class::Docs, false);
    check("frame.toml", "name = \"buffs\"", "name = \"auras\"", Class::Docs, false);
}

#[test]
fn what_is_added_is_compatible_and_realtime_facts_ask_for_an_epoch() {
    let value = "value.4 = { name = \"Owl\", doc = \"New.\" }\nvalue.3 = { name = \"Wolf\"";
    let found = diff(&embedded::schema(), &good("enums.toml", "value.3 = { name = \"Wolf\"", value));
    assert_eq!((found.class(), found.needs_epoch()), (Class::Compatible, true));
    assert_eq!(found.remedy(), "raise `epoch` to 2");
    let record = "[[record]]\nopcode = 60\nname = \"News\"\ndirection = \"server\"\ndoc = \"New.\"\n[[record]]\nopcode = 5";
    let found = diff(&embedded::schema(), &good("records.toml", "[[record]]\nopcode = 5", record));
    assert_eq!((found.class(), found.needs_epoch()), (Class::Compatible, false));
    assert_eq!(found.remedy(), "");
}

#[test]
fn another_width_range_type_unit_or_id_is_breaking() {
    check("frame.toml", "bits = 7, max = 127", "bits = 8, max = 127", Class::Breaking, true);
    check("frame.toml", "bits = 7, max = 127", "bits = 7, max = 126", Class::Breaking, true);
    check("frame.toml", "unit = \"mm\"", "unit = \"cm\"", Class::Breaking, true);
    check(
        "records.toml",
        "name = \"resumed\", type = \"bool\"",
        "name = \"resumed\", type = \"u32\"",
        Class::Breaking,
        true,
    );
    check("records.toml", "opcode = 5", "opcode = 60", Class::Breaking, true);
    check("protocol.toml", "value = 1100", "value = 1000", Class::Breaking, true);
}

#[test]
fn a_break_that_is_announced_passes() {
    let announced = |edit: (&str, &str)| {
        let mut files = embedded::files();
        for (name, text) in &mut files {
            match name.as_str() {
                "frame.toml" => *text = text.replacen("bits = 7, max = 127", "bits = 8, max = 127", 1),
                "protocol.toml" => *text = text.replacen(edit.0, edit.1, 1),
                _ => {}
            }
        }
        diff(&embedded::schema(), &protogen::read::read_files(&files).expect("it reads"))
    };
    for edit in [("epoch = 1", "epoch = 2"), ("wire_major = 1", "wire_major = 2")] {
        let found = announced(edit);
        assert_eq!((found.class(), found.is_refused()), (Class::Breaking, false));
    }
}
