//! What documents tell people to type: scripts are there, roles and flags are known to the programs.

use crate::tree::{self, Text};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;

/// Programs of others that a document may name.
const TOOLS: [&str; 11] =
    ["git", "cd", "curl", "kill", "sysctl", "ss", "rustup", "export", "apt-get", "chmod", "chrt"];
/// Flags that every program of ours has.
const EVERYWHERE: [&str; 2] = ["help", "version"];
/// Our programs: package, name of the executable, folders whose sources hold its command line.
const PROGRAMS: [(&str, &str, &[&str]); 3] = [
    ("server", "arcane", &["engine/server/src/"]),
    ("arcanectl", "arcanectl", &["tools/arcanectl/src/", "clients/bot/src/"]),
    ("perf", "perf", &["perf/src/"]),
];

/// What can be typed here.
struct Shell {
    /// Scripts with their texts, those that may be executed.
    scripts: BTreeMap<String, String>,
    /// Sources of each program.
    programs: BTreeMap<&'static str, String>,
    packages: Vec<String>,
}

impl Shell {
    fn of_the_tree() -> Self {
        let is_executable = |path: &str| {
            let mode = tree::root().join(path).metadata().map_or(0, |data| data.permissions().mode());
            mode & 0o111 != 0
        };
        let paths =
            tree::files().iter().filter(|path| path.starts_with("scripts/") || path.starts_with(".ci/"));
        let scripts = paths.filter(|path| is_executable(path));
        let sources = tree::texts(".rs");
        let of_program = |dirs: &[&str]| {
            let own = sources.iter().filter(|file| dirs.iter().any(|dir| file.path.starts_with(dir)));
            own.map(|file| file.text.as_str()).collect::<Vec<_>>().concat()
        };
        Self {
            scripts: scripts.filter_map(|path| Some((path.clone(), tree::read(path)?))).collect(),
            programs: PROGRAMS.iter().map(|(_, name, dirs)| (*name, of_program(dirs))).collect(),
            packages: tree::members().into_iter().map(|member| member.name).collect(),
        }
    }

    fn check(&self, command: &[&str]) -> Result<(), String> {
        let Some((name, arguments)) = command.split_first() else { return Ok(()) };
        let bare = name.rsplit('/').next().unwrap_or(name);
        if let Some((_, program, _)) = PROGRAMS.iter().find(|(_, program, _)| *program == bare) {
            return self.check_program(program, arguments);
        }
        if name.contains('/') {
            let path = name.trim_start_matches("./");
            let script =
                self.scripts.get(path).ok_or_else(|| format!("{path} is no script that can be executed"))?;
            return self.check_script_flags(path, script, arguments);
        }
        match *name {
            "cargo" => self.check_cargo(arguments),
            tool if TOOLS.contains(&tool) => Ok(()),
            other => Err(format!("{other} is neither ours nor a tool that everybody has")),
        }
    }

    /// A script may hand its flags on to any program of ours.
    fn check_script_flags(&self, path: &str, script: &str, arguments: &[&str]) -> Result<(), String> {
        for flag in flags(arguments) {
            let is_known = script.contains(&format!("--{flag}"))
                || self.programs.values().any(|text| has_flag(text, flag));
            is_known.then_some(()).ok_or_else(|| format!("{path} does not know --{flag}"))?;
        }
        Ok(())
    }

    fn check_cargo(&self, arguments: &[&str]) -> Result<(), String> {
        let end = arguments.iter().position(|word| *word == "--").unwrap_or(arguments.len());
        let Some(at) = arguments[..end].iter().position(|word| *word == "-p" || *word == "--package") else {
            return Ok(());
        };
        let package = arguments.get(at + 1).copied().unwrap_or_default();
        if !self.packages.iter().any(|one| one == package) {
            return Err(format!("{package} is no package of ours"));
        }
        let program = PROGRAMS.iter().find(|(of, ..)| *of == package && arguments[0] == "run");
        match (program, arguments.get(end + 1..)) {
            (Some((_, program, _)), Some(rest)) => self.check_program(program, rest),
            _ => Ok(()),
        }
    }

    fn check_program(&self, program: &str, arguments: &[&str]) -> Result<(), String> {
        let text = &self.programs[program];
        let is_role = |word: &&&str| {
            word.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-') && !word.starts_with('-')
        };
        if let Some(role) = arguments.iter().take_while(is_role).find(|role| !has_role(text, role)) {
            return Err(format!("{program} has no command {role}"));
        }
        match flags(arguments).find(|flag| !EVERYWHERE.contains(flag) && !has_flag(text, flag)) {
            Some(flag) => Err(format!("{program} does not know --{flag}")),
            None => Ok(()),
        }
    }
}

fn flags<'a>(arguments: &'a [&'a str]) -> impl Iterator<Item = &'a str> {
    let long = arguments.iter().filter_map(|word| word.strip_prefix("--"));
    long.map(|flag| flag.split('=').next().unwrap_or(flag)).filter(|flag| !flag.is_empty())
}

/// Whether sources declare a flag, as clap writes it: a field, or a name in quotes.
fn has_flag(text: &str, flag: &str) -> bool {
    let field = flag.replace('-', "_");
    text.contains(&format!("{field}: "))
        || text.contains(&format!("\"{flag}\""))
        || text.contains(&format!("\"--{flag}\""))
}

/// Whether sources declare a subcommand: a variant in camel case, or a name in quotes.
fn has_role(text: &str, role: &str) -> bool {
    let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
    let variant: String = role.split('-').filter(|word| !word.is_empty()).map(capital).collect();
    let starts = ["(", " {", ","].map(|next| format!(" {variant}{next}"));
    starts.iter().any(|start| text.contains(start)) || text.contains(&format!("\"{role}\""))
}

/// Lines between "```sh" and "```", continued lines joined, comments and prompts taken off.
fn typed(text: &str) -> Vec<(usize, String)> {
    let mut in_fence = false;
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut goes_on = false;
    for (at, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_fence = !in_fence && line.trim() == "```sh";
            continue;
        }
        let line = line.split(" #").next().unwrap_or(line).trim();
        if !in_fence || line.is_empty() || line.starts_with('#') {
            continue;
        }
        let part = line.trim_end_matches('\\').trim();
        match found.last_mut() {
            Some((_, whole)) if goes_on => *whole = format!("{whole} {part}"),
            _ => found.push((at + 1, part.to_owned())),
        }
        goes_on = line.ends_with('\\');
    }
    found
}

/// Single commands of a line, without variables set in front and without `sudo`.
fn commands(line: &str) -> Vec<Vec<&str>> {
    let parts = line.split("&&").flat_map(|part| part.split([';', '|']));
    let is_name = |name: &str| name.chars().all(|letter| letter.is_ascii_uppercase() || letter == '_');
    let is_front =
        |word: &&str| *word == "sudo" || word.split_once('=').is_some_and(|(name, _)| is_name(name));
    parts.map(|part| part.split_whitespace().skip_while(is_front).collect()).collect()
}

fn check_document(file: &Text, shell: &Shell) -> Vec<String> {
    let mut complaints = Vec::new();
    for (at, line) in typed(&file.text) {
        let wrong = commands(&line).into_iter().filter_map(|command| shell.check(&command).err());
        complaints.extend(wrong.map(|what| format!("{}:{at}: {what}", file.path)));
    }
    complaints
}

#[test]
fn every_command_in_a_document_can_be_typed() {
    let shell = Shell::of_the_tree();
    tree::expect_none(
        &tree::texts(".md").iter().flat_map(|file| check_document(file, &shell)).collect::<Vec<_>>(),
    );
}

#[test]
fn the_readme_opens_with_two_commands() {
    let text = tree::read("README.md").expect("README.md is there");
    let fence = text.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap_or_default();
    let first: Vec<&str> = fence.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(first, ["scripts/run", "scripts/test"]);
}

#[test]
fn a_command_that_does_not_exist_is_found() {
    let source = "enum Role { Zone(ZoneArgs), }\n#[command(name = \"ai-worker\")]\npub cores: Option<String>,\n#[arg(long = \"for\")]";
    let shell = Shell {
        scripts: BTreeMap::from([("scripts/run".to_owned(), "exec arcane up --bots 500 \"$@\"".to_owned())]),
        programs: BTreeMap::from([
            ("arcane", source.to_owned()),
            ("arcanectl", String::new()),
            ("perf", String::new()),
        ]),
        packages: vec!["server".to_owned()],
    };
    let check = |line: &str| {
        check_document(&Text { path: "R.md".to_owned(), text: format!("```sh\n{line}\n```\n") }, &shell)
    };
    for good in [
        "scripts/run --for 10s   # stops by itself",
        "ARCANE_LOG_LEVEL=debug target/release/arcane zone --cores 0-3",
        "cargo run --release -p server -- zone --cores=1 && curl localhost",
        "arcane ai-worker \\\n  --help",
        "sudo sysctl -w net.core.rmem_max=1",
    ] {
        tree::expect_none(&check(good));
    }
    for (bad, saying) in [
        ("scripts/fly", "scripts/fly is no script"),
        ("scripts/run --fast", "does not know --fast"),
        ("arcane gateway", "no command gateway"),
        ("arcane zone --kores 1", "does not know --kores"),
        ("cargo test -p nobody", "nobody is no package"),
        ("cargo run -p server -- gateway", "no command gateway"),
        ("arcane zone \\\n  --kores 1", "R.md:2: arcane does not know --kores"),
        ("frobnicate", "frobnicate is neither"),
    ] {
        tree::expect_one(&check(bad), saying);
    }
}
