//! Every mistake is refused with its file, its table and its field.

use crate::edited;

/// The edit must be refused, and the message must hold every part.
fn check(file: &str, old: &str, new: &str, parts: &[&str]) {
    let error = edited(file, old, new).expect_err("the edit should be refused");
    for part in parts {
        assert!(error.contains(part), "{error:?} does not say {part:?}");
    }
}

#[test]
fn the_schema_itself_is_good() {
    edited("frame.toml", "", "").expect("the schema reads");
}

#[test]
fn an_unknown_key_is_refused_where_it_stands() {
    let parts = ["frame.toml", "group Vitals", "field 1", "`colour` is not a known key"];
    check("frame.toml", "bits = 7, max = 127", "bits = 7, colour = 3, max = 127", &parts);
    check(
        "frame.toml",
        "[[union]]\n",
        "[[union]]\nflavour = 1\n",
        &["frame.toml", "union TimedBody", "`flavour`"],
    );
    check("enums.toml", "[[enum]]", "[[enumeration]]", &["enums.toml: `enumeration` is not a known key"]);
}

#[test]
fn a_missing_doc_or_bound_is_refused() {
    let parts = ["frame.toml", "group Vitals", "field 1", "`doc` is missing"];
    check("frame.toml", r#", doc = "0 only when dead.""#, "", &parts);
    check("frame.toml", "bits = 7, ", "", &["group Vitals", "field 1", "`bits` is missing"]);
    check("frame.toml", "min = -512, ", "", &["group Motion", "field 3", "`min` is missing"]);
    let parts = ["records.toml", "record Welcome", "field 9", "`max` is missing"];
    check("records.toml", r#"type = "bytes", max = 32"#, r#"type = "bytes""#, &parts);
    check(
        "hello.toml",
        r#"count = "u8", max = 64"#,
        r#"count = "u8""#,
        &["frozen Hello", "field 10", "`max`"],
    );
}

#[test]
fn ids_and_names_given_out_twice_are_refused() {
    check("frame.toml", "field.2 =", "field.1 =", &["frame.toml", "duplicate key"]);
    check("frame.toml", "field.2 =", "field.01 =", &["group Motion", "`field.01`", "leading zeros"]);
    check(
        "frame.toml",
        r#"name = "y_16mm""#,
        r#"name = "x_16mm""#,
        &["field 2", "`x_16mm` is taken by field 1"],
    );
    check("frame.toml", r#"name = "Vitals""#, r#"name = "Motion""#, &["group Motion", "`Motion` is taken"]);
    check("records.toml", "opcode = 2", "opcode = 1", &["record Refused", "opcode 1 is taken by Welcome"]);
    check("frame.toml", "id = 1\nname", "id = 0\nname", &["group Vitals", "group id 0"]);
    check("frame.toml", "id = 3\nname", "id = 4\nname", &["group Look", "without gaps"]);
}

#[test]
fn names_that_some_language_cannot_spell_are_refused() {
    check("input.toml", r#"name = "movement""#, r#"name = "move""#, &["block Command", "field 1", "`move`"]);
    check("input.toml", r#"name = "movement""#, r#"name = "end""#, &["block Command", "field 1", "`end`"]);
    check("input.toml", r#"name = "Steer""#, r#"name = "steer""#, &["block steer", "`steer` is no name"]);
}

#[test]
fn widths_over_the_limit_are_refused() {
    let parts = ["input.toml", "block Goal", "field 1", "25 bits", "at most 24"];
    check("input.toml", "bits = 22", "bits = 25", &parts);
    check(
        "frame.toml",
        "bits = 7, max = 127",
        "bits = 7, max = 128",
        &["field 1", "`max` 128 does not fit 7 bits"],
    );
    check("frame.toml", "min = -512, max = 511", "min = 511, max = 511", &["field 3", "not below"]);
    check("frame.toml", "min = -512, max = 511", "min = -9000000, max = 9000000", &["field 3", "25 bits"]);
    let wide = r#"field.6 = { name = "more", type = "uint", bits = 7, doc = "More." }"#;
    let parts = ["frame.toml", "group Motion", "57 bits", "at most 56"];
    check("frame.toml", "[[group]]\nid = 1", &format!("{wide}\n[[group]]\nid = 1"), &parts);
    check("frame.toml", "type = \"bool\"", "type = \"float\"", &["type `float` is none of"]);
}

#[test]
fn enum_values_and_tags_that_do_not_fit_are_refused() {
    check(
        "enums.toml",
        "bits = 3",
        "bits = 1",
        &["enums.toml", "enum Action", "value 2", "does not fit 1 bits"],
    );
    check("enums.toml", "value.0 =", "value.4 =", &["enum Kind", "value 0 is missing"]);
    check("enums.toml", "bits = 8", "bits = 9", &["enum Refusal", "1 to 8"]);
    check("input.toml", "tag_bits = 2", "tag_bits = 1", &["union Move", "variant 2", "does not fit 1 bits"]);
    check("input.toml", "tag_bits = 2", "tag_bits = 0", &["union Move", "`tag_bits` is 0"]);
}

#[test]
fn references_that_lead_nowhere_or_in_a_circle_are_refused() {
    check(
        "frame.toml",
        r#"enum = "Action""#,
        r#"enum = "Mood""#,
        &["group Status", "field 1", "no enum `Mood`"],
    );
    check(
        "frame.toml",
        r#"block = "OwnState""#,
        r#"block = "Off""#,
        &["block Own", "field 3", "no block `Off`"],
    );
    check(
        "input.toml",
        r#"block = "Follow""#,
        r#"block = "Lead""#,
        &["union Move", "variant 2", "no block `Lead`"],
    );
    let parts = ["input.toml", "block Command", "holds itself: Command -> Command"];
    check("input.toml", r#"block = "Deed""#, r#"block = "Command""#, &parts);
    let parts = ["holds itself: Timed -> Timed"];
    check("frame.toml", r#"block = "Hit", doc"#, r#"block = "Timed", doc"#, &parts);
    let parts = ["group Look", "a group is of fixed width"];
    let option = r#"type = "option", block = "Hit", doc = "Colour"#;
    check("frame.toml", r#"type = "uint", bits = 4, doc = "Colour"#, option, &parts);
}

#[test]
fn records_and_the_hello_keep_their_rules() {
    check("records.toml", "opcode = 1\n", "opcode = 0\n", &["record Welcome", "opcode 0"]);
    check("records.toml", "opcode = 1\n", "opcode = 256\n", &["record Welcome", "`opcode` is 256"]);
    check("records.toml", "field.12 =", "field.64 =", &["record Welcome", "field 64", "1 to 63"]);
    check("records.toml", r#"direction = "client""#, r#"direction = "up""#, &["record Goodbye", "`up`"]);
    check("hello.toml", r#"value = "ARCN""#, r#"value = "ARC""#, &["frozen Hello", "field 1", "four ASCII"]);
    check("hello.toml", "max = 8", "max = 256", &["frozen Hello", "field 7", "1 to 255"]);
    check("protocol.toml", "epoch = 1", "epoch = 0", &["`epoch` begins at 1"]);
}

#[test]
fn all_problems_are_told_at_once() {
    let error = edited("frame.toml", "min = -512, max = 511, unit", "max = 511, colour = 1, unit");
    let error = error.expect_err("two mistakes");
    assert_eq!(error.lines().count(), 2, "{error}");
}
