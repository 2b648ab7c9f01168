//! What moves bytes moves the fingerprint, and nothing else does.

use crate::good;
use crate::mutate::{self, Mutant};
use protogen::golden::Golden;
use protogen::model::Schema;
use protogen::projection::{facts, fingerprint, text};
use protogen::read::read_files;
use protogen::{Emitter, embedded};

/// Keys that say nothing about bytes.
const SILENT: [&str; 3] = ["doc", "class", "priority"];

fn is_realtime(mutant: &Mutant) -> bool {
    let files = ["frame.toml", "input.toml", "protocol.toml/constant"];
    // Refusals and outcomes travel in records only.
    let tolerant = ["enums.toml/enum/3/", "enums.toml/enum/6/"];
    let is_enum = mutant.path.starts_with("enums.toml");
    is_enum && !tolerant.iter().any(|path| mutant.path.starts_with(path))
        || files.iter().any(|file| mutant.path.starts_with(file))
}

/// Whether the leaf is the name of a field, value, variant or item of a list, which is for people.
fn is_inner_name(mutant: &Mutant) -> bool {
    let holders = ["/field/", "/value/", "/variant/"];
    mutant.key == "name" && holders.iter().any(|holder| mutant.path.contains(holder))
}

#[test]
fn sentences_classes_priorities_and_inner_names_do_not_move_the_fingerprint() {
    let before = fingerprint(&embedded::schema());
    let mut n = 0;
    for mutant in mutate::all() {
        if SILENT.contains(&mutant.key.as_str()) || is_inner_name(&mutant) {
            assert_eq!(fingerprint(&mutant.schema), before, "{}", mutant.path);
            n += 1;
        }
    }
    assert!(n > 200, "only {n} mutants");
}

#[test]
fn every_other_change_of_a_realtime_leaf_moves_the_fingerprint() {
    let before = fingerprint(&embedded::schema());
    let mut n = 0;
    for mutant in mutate::all() {
        if is_realtime(&mutant) && !SILENT.contains(&mutant.key.as_str()) && !is_inner_name(&mutant) {
            assert_ne!(fingerprint(&mutant.schema), before, "{}", mutant.path);
            n += 1;
        }
    }
    assert!(n > 100, "only {n} mutants");
}

#[test]
fn records_and_the_hello_move_the_projection_but_not_the_fingerprint() {
    let before = embedded::schema();
    let bare =
        |schema: &Schema| facts(schema).iter().map(protogen::projection::Fact::bare).collect::<Vec<_>>();
    for mutant in mutate::all() {
        let is_tolerant = mutant.path.starts_with("records.toml") || mutant.path.starts_with("hello.toml");
        if is_tolerant {
            assert_eq!(fingerprint(&mutant.schema), fingerprint(&before), "{}", mutant.path);
            let is_key = mutant.path == "hello.toml/frozen/0/name"; // records have opcodes instead
            let is_silent = SILENT.contains(&mutant.key.as_str()) || (mutant.key == "name" && !is_key);
            assert_eq!(bare(&mutant.schema) == bare(&before), is_silent, "{}", mutant.path);
        }
    }
}

/// The bytes of all realtime vectors, without names or values.
fn vector_bytes(schema: &Schema) -> Option<Vec<String>> {
    // Some mutants lose a field that the sample frame names: those cannot be composed at all.
    let files = std::panic::catch_unwind(|| Golden.emit(schema).expect("vectors are made")).ok()?;
    let mut bytes = Vec::new();
    for file in files.iter().filter(|file| {
        ["blocks.json", "unions.json", "frames.json", "inputs.json"]
            .iter()
            .any(|name| file.path.ends_with(name))
    }) {
        for line in file.text.lines() {
            let hex = line.split("\"hex\":\"").nth(1).and_then(|rest| rest.split('"').next());
            bytes.extend(hex.map(|hex| format!("{hex} {}", line.contains("\"error\":"))));
        }
    }
    Some(bytes)
}

#[test]
fn schemas_of_one_fingerprint_put_the_same_bytes_on_the_wire() {
    let before = embedded::schema();
    let bytes = vector_bytes(&before).expect("the schema has vectors");
    for mutant in mutate::all().into_iter().filter(|mutant| !is_inner_name(mutant)) {
        if fingerprint(&mutant.schema) == fingerprint(&before) {
            assert_eq!(vector_bytes(&mutant.schema).as_ref(), Some(&bytes), "{}", mutant.path);
        }
    }
}

#[test]
fn order_and_names_of_files_and_tables_do_not_matter() {
    let before = embedded::schema();
    let mut files = embedded::files();
    files.reverse();
    for (name, text) in &mut files {
        // Tables begin with a line `[...`; the keys in front of the first one stay in front.
        let mut tables: Vec<String> = Vec::new();
        for line in text.lines() {
            if line.starts_with('[') || tables.is_empty() {
                tables.push(String::new());
            }
            let table = tables.last_mut().expect("one was just pushed");
            table.push_str(line);
            table.push('\n');
        }
        tables.reverse();
        *text = tables.concat();
        *name = format!("other-{name}");
    }
    let after = read_files(&files).expect("it is the same schema");
    assert_eq!(text(&after), text(&before));
    assert_eq!(fingerprint(&after), fingerprint(&before));
}

#[test]
fn an_enum_that_no_block_uses_may_grow_within_an_epoch() {
    let schema = good(
        "enums.toml",
        "value.14 = { name = \"ServerError\"",
        "value.60 = { name = \"Later\", doc = \"New.\" }\nvalue.14 = { name = \"ServerError\"",
    );
    assert_eq!(fingerprint(&schema), fingerprint(&embedded::schema()));
    let schema = good(
        "enums.toml",
        "value.3 = { name = \"Wolf\"",
        "value.4 = { name = \"Owl\", doc = \"New.\" }\nvalue.3 = { name = \"Wolf\"",
    );
    assert_ne!(fingerprint(&schema), fingerprint(&embedded::schema()));
}
