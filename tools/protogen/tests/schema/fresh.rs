//! The committed files are what the schema makes, and making them twice makes the same.

use protogen::{embedded, generate, read, tree};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    tree::find_root(Path::new(env!("CARGO_MANIFEST_DIR"))).expect("the crate lies in the tree")
}

#[test]
fn every_generated_file_is_fresh() {
    let schema = read::read_dir(&root().join(tree::SCHEMA_DIR)).unwrap_or_else(|error| panic!("{error}"));
    let wanted = tree::wanted(&root(), &schema).unwrap_or_else(|error| panic!("{error:#}"));
    let stale = tree::stale(&root(), &wanted).expect("the tree reads");
    assert!(stale.is_empty(), "stale: {stale:?}; mend with: cargo run -p arcanectl -- proto gen");
}

#[test]
fn the_embedded_schema_is_the_one_in_the_tree() {
    let schema = read::read_dir(&root().join(tree::SCHEMA_DIR)).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(schema, embedded::schema(), "a new schema file must be named in protogen::embedded");
}

#[test]
fn shuffled_files_generate_the_same_bytes() {
    let mut files = embedded::files();
    files.rotate_left(2);
    let shuffled = read::read_files(&files).expect("order does not matter");
    let made = |schema| generate(schema).expect("files are made");
    assert_eq!(made(&shuffled), made(&embedded::schema()));
}

#[test]
fn stale_missing_and_left_over_files_are_told_and_mended() {
    let dir = std::env::temp_dir().join(format!("protogen-fresh-{}", std::process::id()));
    let schema = embedded::schema();
    let wanted = tree::wanted(&dir, &schema).expect("nothing was given out there");
    assert_eq!(tree::stale(&dir, &wanted).expect("a missing folder is empty").len(), wanted.len());
    tree::write(&dir, &wanted).expect("the temporary folder is ours");
    assert!(tree::stale(&dir, &wanted).expect("it reads").is_empty());
    let (left_over, changed) = (Path::new("netproto/src/gen/old.rs"), Path::new("docs/PROTOCOL.md"));
    std::fs::write(dir.join(left_over), "// old").expect("the temporary folder is ours");
    std::fs::write(dir.join(changed), "# Old").expect("the temporary folder is ours");
    let stale = tree::stale(&dir, &wanted).expect("it reads");
    assert_eq!(stale, [changed, left_over]);
    tree::write(&dir, &wanted).expect("the temporary folder is ours");
    assert!(!dir.join(left_over).exists() && tree::stale(&dir, &wanted).expect("it reads").is_empty());
    std::fs::remove_dir_all(&dir).expect("the temporary folder is ours");
}
