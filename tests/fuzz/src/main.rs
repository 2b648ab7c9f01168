//! Runs one input of one target, as libFuzzer does: how a file that made something panic is looked at.
#![deny(unsafe_code)]

use fuzz_tests::heap::Counting;
use fuzz_tests::table::{self, Target};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const USAGE: &str =
    "Usage: fuzz-tests list               names of all targets, with the longest input of each
       fuzz-tests seeds TARGET DIR   writes the good inputs to begin with into a folder
       fuzz-tests run TARGET FILE... runs inputs; panics where the target does";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["list"] => {
            table::all()
                .iter()
                .for_each(|target| println!("{} {}", target.listed.name, target.listed.bytes_max));
            Ok(())
        }
        ["seeds", name, dir] => find(name).and_then(|target| write_seeds(&target, Path::new(dir))),
        ["run", name, files @ ..] => find(name).and_then(|target| run(&target, files)),
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("{text}");
            ExitCode::from(2)
        }
    }
}

fn find(name: &str) -> Result<Target, String> {
    table::find(name).ok_or_else(|| format!("there is no target {name}; `fuzz-tests list` has their names"))
}

fn write_seeds(target: &Target, dir: &Path) -> Result<(), String> {
    std::fs::create_dir_all(dir).map_err(|error| format!("cannot make {}: {error}", dir.display()))?;
    for (at, seed) in target.seeds().iter().enumerate() {
        let path: PathBuf = dir.join(format!("seed-{at:03}"));
        std::fs::write(&path, seed).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    Ok(())
}

fn run(target: &Target, files: &[&str]) -> Result<(), String> {
    for file in files {
        let bytes = std::fs::read(file).map_err(|error| format!("cannot read {file}: {error}"))?;
        let is_past = target.run(&bytes);
        println!("{file}: {} bytes, {} the header", bytes.len(), if is_past { "past" } else { "refused at" });
    }
    Ok(())
}
