//! Runs valgrind's callgrind, and reads the files that it writes.
//!
//! Source: valgrind's manual, "Callgrind Format Specification".

use crate::Failure;
use anyhow::{Context, bail};
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Instructions, by function.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Profile {
    /// Which of the files of one run this is, from 1; the last one is written when the program ends.
    pub(crate) part: u32,
    /// All that was counted.
    pub(crate) total: u64,
    /// With all that they call, by name. A function that calls itself is counted once per call.
    pub(crate) inclusive: BTreeMap<String, u64>,
}

impl Profile {
    /// Instructions of the functions whose name ends like this, with all that they call.
    pub(crate) fn of(&self, name: &str) -> u64 {
        self.inclusive.iter().filter(|(each, _)| each.ends_with(name)).map(|(_, n)| n).sum()
    }
}

/// What a run under callgrind gave.
pub(crate) struct Counted {
    /// What the program said.
    pub(crate) stdout: String,
    /// Its files, in the order of their parts.
    pub(crate) profiles: Vec<Profile>,
}

/// Which functions are of interest.
pub(crate) struct Functions<'a> {
    /// Instructions count only within these.
    pub(crate) counted: &'a [&'a str],
    /// Whenever this one is called, what was counted goes to a file of its own.
    pub(crate) mark: &'a str,
}

/// Runs a program under callgrind; its files are kept in `room` while it runs.
///
/// # Errors
/// When there is no valgrind, the program fails, or a file cannot be read.
pub(crate) fn run(
    program: &Path,
    args: &[OsString],
    functions: &Functions<'_>,
    room: &Path,
) -> anyhow::Result<Counted> {
    let mut command = Command::new(valgrind()?);
    // Of lines nothing is needed, and files without them are a tenth as long.
    command.args(["--tool=callgrind", "--collect-atstart=no", "--dump-line=no"]);
    command.arg(format!("--callgrind-out-file={}", room.join("out").display()));
    command.args(functions.counted.iter().map(|name| format!("--toggle-collect=*{name}*")));
    command.arg(format!("--dump-before=*{}*", functions.mark));
    // Variables lie on the stack, and move what lies above them, on which the steps of some copies depend.
    command.env_clear().arg(program).args(args);
    let output = command.output().context("cannot start valgrind")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!(Failure::Check(format!("under callgrind the program ended with {}: {said}", output.status)));
    }
    let stdout = String::from_utf8(output.stdout).context("the program did not say text")?;
    Ok(Counted { stdout, profiles: profiles(room)? })
}

/// The program, looked for here and not by the system: that one would look where a process without variables looks.
fn valgrind() -> Result<PathBuf, Failure> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|dir| dir.join("valgrind")).find(|file| file.is_file());
    found.ok_or_else(|| {
        Failure::Machine(
            "valgrind is missing, and counts the instructions: run `sudo apt-get install valgrind`"
                .to_owned(),
        )
    })
}

fn profiles(room: &Path) -> anyhow::Result<Vec<Profile>> {
    let mut profiles = Vec::new();
    for entry in fs::read_dir(room)? {
        let path: PathBuf = entry?.path();
        let text = fs::read_to_string(&path)?;
        profiles.push(parse(&text).with_context(|| format!("{} is not of callgrind", path.display()))?);
    }
    profiles.sort_unstable_by_key(|profile| profile.part);
    Ok(profiles)
}

/// Reads one file: whose self cost is where, and what calls cost.
fn parse(text: &str) -> anyhow::Result<Profile> {
    let mut profile = Profile::default();
    let mut names: HashMap<&str, &str> = HashMap::new();
    let mut function = "";
    for line in text.lines() {
        match line.split_once('=') {
            Some(("fn", name)) => function = named(&mut names, name)?,
            // Only for its name, which a later line may give by number. What the call cost stands two lines below,
            // and looks like a line of the caller's own.
            Some(("cfn", name)) => drop(named(&mut names, name)?),
            Some(_) => {}
            None => match line.split_once(": ") {
                Some(("part", number)) => profile.part = number.trim().parse()?,
                Some(("events", events)) if events.trim() != "Ir" => bail!("it counts {events}"),
                Some(("totals", total)) => profile.total = total.trim().parse()?,
                Some(_) => {}
                None if line.starts_with(|c: char| c.is_ascii_digit() || "+-*".contains(c)) => {
                    let cost = line.split_whitespace().nth(1).unwrap_or("0").parse::<u64>()?;
                    *profile.inclusive.entry(function.to_owned()).or_default() += cost;
                }
                None => {}
            },
        }
    }
    anyhow::ensure!(profile.part > 0, "no part is named");
    Ok(profile)
}

/// A name in full, or the number that it had before: "(7) name", then "(7)".
fn named<'a>(names: &mut HashMap<&'a str, &'a str>, text: &'a str) -> anyhow::Result<&'a str> {
    match text.split_once(' ') {
        Some((number, name)) if number.starts_with('(') => {
            names.insert(number, name);
            Ok(name)
        }
        _ if !text.starts_with('(') => Ok(text),
        _ => names.get(text).copied().with_context(|| format!("function {text} was not named")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the specification's own example, with names shortened to numbers.
    const TEXT: &str = "\
# callgrind format
version: 1
part: 3
desc: Trigger: --dump-before=mark
positions: line
events: Ir
summary: 1242

ob=(1) /bin/x
fl=(1) file1.c
fn=(1) perf::counted_main
16 20
cfn=(2) func1
calls=1 50
16 400
cfi=(2) file2.c
cfn=(3) it's = a name: with marks
calls=1 20
+0 700

fn=(2)
51 100
cfn=(3)
calls=2 20
* 300

fn=(3)
20 700
-3
+9 22

totals: 1242
";

    #[test]
    fn a_function_costs_what_it_does_and_what_it_calls() {
        let profile = parse(TEXT).unwrap();
        assert_eq!((profile.part, profile.total), (3, 1_242));
        assert_eq!(profile.of("::counted_main"), 20 + 400 + 700);
        assert_eq!((profile.of("func1"), profile.of("with marks")), (400, 722));
        assert_eq!(profile.of("mark"), 0, "not part of a name");
    }

    #[test]
    fn what_is_not_of_callgrind_is_refused() {
        for (text, complaint) in [
            ("", "no part"),
            ("part: 1\nfn=(4)\n", "(4) was not named"),
            ("part: 1\nevents: Ir Dr\n", "it counts Ir Dr"),
            ("part: 1\n16 many\n", "invalid digit"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(format!("{error:#}").contains(complaint), "{text:?}: {error:#}");
        }
    }
}
