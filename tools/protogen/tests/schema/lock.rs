//! What the lock lets pass, what it refuses, and the sentence it refuses with.

use crate::good;
use protogen::embedded;
use protogen::lock::Lock;
use protogen::model::Schema;
use protogen::read::read_files;

/// The lock after today's schema was given out.
fn today() -> Lock {
    Lock::default().follow(&embedded::schema()).expect("the first schema is always fine")
}

/// The real schema after several edits: (file, old, new).
fn edits(list: &[(&str, &str, &str)]) -> Schema {
    let mut files = embedded::files();
    for (file, old, new) in list {
        let text = &mut files.iter_mut().find(|(name, _)| name == file).expect("the schema has the file").1;
        assert!(text.contains(old), "{file} does not hold {old:?}");
        *text = text.replacen(old, new, 1);
    }
    read_files(&files).unwrap_or_else(|error| panic!("{error}"))
}

/// The refusal, one sentence a line.
fn refusal(schema: &Schema) -> String {
    today().follow(schema).expect_err("the lock should refuse it").to_string()
}

const NEW_EPOCH: (&str, &str, &str) = ("protocol.toml", "epoch = 1", "epoch = 2");
const NEW_MAJOR: (&str, &str, &str) = ("protocol.toml", "wire_major = 1", "wire_major = 2");
const WIDER: (&str, &str, &str) = ("frame.toml", "bits = 7, max = 127", "bits = 8, max = 200");
const NO_TEXT: (&str, &str, &str) = (
    "records.toml",
    "field.2 = { name = \"text\", type = \"text\", max = 400, doc = \"For a person.\" }\n",
    "",
);
const RETIRED_TEXT: (&str, &str, &str) =
    ("records.toml", "# Tagged", "[[retired]]\nfact = \"record 5.2\"\ndoc = \"Unused.\"\n# Tagged");

#[test]
fn the_text_reads_back_and_the_same_schema_changes_nothing() {
    let lock = today();
    assert_eq!(Lock::parse(&lock.text()).expect("our own text"), lock);
    assert_eq!(lock.follow(&embedded::schema()).expect("nothing changed"), lock);
}

#[test]
fn a_line_that_is_not_ours_is_named() {
    let error = Lock::parse("version 1.1 hello 1 fingerprint 00\n1.1 - x block Motion\n")
        .expect_err("x is no letter");
    assert!(error.to_string().contains("line 2"), "{error}");
}

#[test]
fn a_realtime_id_with_another_meaning_needs_an_epoch() {
    let sentence = refusal(&edits(&[WIDER]));
    for part in ["block Vitals.1 (health_128th)", "uint 7 max 127", "uint 8 max 200", "raise `epoch`"] {
        assert!(sentence.contains(part), "{sentence}");
    }
    let lock = today().follow(&edits(&[WIDER, NEW_EPOCH])).expect("a new epoch may change widths");
    let past: Vec<String> =
        lock.text().lines().filter(|line| line.contains("block Vitals.1 ")).map(str::to_owned).collect();
    assert_eq!(past.len(), 2, "{past:?}");
    assert!(past[0].starts_with("1.1 1.1 r ") && past[1].starts_with("1.2 - r "), "{past:?}");
    assert_eq!(lock.versions.len(), 2);
}

#[test]
fn a_new_realtime_fact_needs_an_epoch() {
    let field =
        "field.3 = { name = \"mood\", type = \"bool\", doc = \"New.\" }\n[[block]]\nname = \"Header\"";
    let grown = ("frame.toml", "[[block]]\nname = \"Header\"", field);
    assert!(refusal(&edits(&[grown])).contains("block Look.3 (mood) is new"));
    assert!(today().follow(&edits(&[grown, NEW_EPOCH])).is_ok());
}

#[test]
fn a_record_field_may_come_but_not_change() {
    let grown = (
        "records.toml",
        "[[record]]\nopcode = 7",
        "field.3 = { name = \"colour\", type = \"u32\", doc = \"New.\" }\n[[record]]\nopcode = 7",
    );
    assert!(today().follow(&edits(&[grown])).is_ok(), "readers skip what they do not know");
    let changed = ("records.toml", "max = 400", "max = 401");
    assert!(refusal(&edits(&[changed])).contains("raise `wire_major`"));
    assert!(today().follow(&edits(&[changed, NEW_EPOCH])).is_err(), "an epoch says nothing about records");
    assert!(today().follow(&edits(&[changed, NEW_MAJOR])).is_ok());
}

#[test]
fn what_is_gone_must_be_marked_and_its_id_stays_taken() {
    let sentence = refusal(&edits(&[NO_TEXT]));
    assert!(
        sentence.contains("record 5.2 (Notice.text) is gone") && sentence.contains("[[retired]]"),
        "{sentence}"
    );
    let lock = today().follow(&edits(&[NO_TEXT, RETIRED_TEXT])).expect("it is marked");
    assert!(lock.text().contains("1.1 1.1 t record 5.2"));
    let error = lock.follow(&embedded::schema()).expect_err("the id came back").to_string();
    assert!(error.contains("was retired: its id stays taken"), "{error}");
    assert!(lock.follow(&edits(&[NEW_MAJOR])).is_ok(), "a new major starts afresh");
}

#[test]
fn a_mark_must_fit_the_schema() {
    assert!(refusal(&edits(&[RETIRED_TEXT])).contains("is retired and still in the schema"));
    let never = ("records.toml", "# Tagged", "[[retired]]\nfact = \"record 60\"\ndoc = \"Typo.\"\n# Tagged");
    assert!(refusal(&edits(&[never])).contains("never given out"));
}

#[test]
fn a_hello_field_needs_a_hello_version_and_time_does_not_run_back() {
    let grown = (
        "hello.toml",
        "field.10 =",
        "field.11 = { name = \"more\", type = \"u32\", doc = \"New.\" }\nfield.10 =",
    );
    assert!(refusal(&edits(&[grown])).contains("raise `hello_version`"));
    let newer = ("protocol.toml", "hello_version = 1", "hello_version = 2");
    assert!(today().follow(&edits(&[grown, newer])).is_ok());
    let later = today().follow(&edits(&[NEW_EPOCH])).expect("an epoch without changes is allowed");
    let error = later.follow(&embedded::schema()).expect_err("epoch 2 was given out").to_string();
    assert!(error.contains("1.2 was given out already"), "{error}");
}

#[test]
fn names_and_sentences_pass() {
    assert!(today().follow(&good("frame.toml", "name = \"buffs\"", "name = \"auras\"")).is_ok());
    assert!(today().follow(&good("frame.toml", "Health, as bars show it.", "Health.")).is_ok());
}
