//! docs/20k-Scalability.md answers every requirement: sixteen sections, each number once, each with a state.

use crate::tree;

const SECTIONS: [&str; 16] = [
    "Goals",
    "Architecture",
    "State",
    "AI services",
    "World slicing",
    "Netcode",
    "Wildlife",
    "Roadmap",
    "Tech picks",
    "Security",
    "Offline-first",
    "Next steps",
    "Glossary",
    "Ownership",
    "Risks",
    "Checklist",
];
const STATES: [&str; 4] = ["done", "started", "planned", "ruled out"];
const N_REQUIREMENTS: u32 = 137;
const N_CARDS: u32 = 12;
const DOCUMENT: &str = "docs/20k-Scalability.md";

/// Columns of a table's row.
fn columns(line: &str) -> Option<Vec<&str>> {
    let row = line.strip_prefix("| ")?.strip_suffix(" |")?;
    Some(row.split(" | ").map(str::trim).collect())
}

fn numbers() -> impl Iterator<Item = String> {
    let requirements = (1..=N_REQUIREMENTS).map(|n| format!("R{n}"));
    requirements.chain((1..=N_CARDS).map(|n| format!("C{n}")))
}

fn check(text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let headings: Vec<String> = tree::headings(text).into_iter().skip(1).collect();
    let sections: Vec<&String> = headings.iter().filter(|one| SECTIONS.contains(&one.as_str())).collect();
    if sections != SECTIONS.iter().collect::<Vec<_>>() {
        complaints.push(format!("the sections are {sections:?}"));
    }
    let rows: Vec<Vec<&str>> = text.lines().filter_map(columns).collect();
    for number in numbers() {
        let mut of_number = rows.iter().filter(|row| row[0] == number);
        match (of_number.next(), of_number.next()) {
            (None, _) => complaints.push(format!("{number} has no row")),
            (_, Some(_)) => complaints.push(format!("{number} has two rows")),
            (Some(row), None) => complaints.extend(check_row(row)),
        }
    }
    complaints
}

/// A row is number, what is asked for, state, and where to see it or what is missing.
fn check_row(row: &[&str]) -> Vec<String> {
    let number = row[0];
    let [_, asked, state, stands] = row else {
        return vec![format!("{number} has {} columns instead of four", row.len())];
    };
    let mut complaints = Vec::new();
    if !STATES.contains(state) {
        complaints.push(format!("{number} is {state:?}, which is none of {STATES:?}"));
    }
    if asked.len() < 10 || stands.len() < 5 {
        complaints.push(format!("{number} says too little"));
    }
    complaints
}

#[test]
fn every_requirement_has_its_row_and_its_state() {
    let text = tree::read(DOCUMENT).unwrap_or_else(|| panic!("{DOCUMENT} is missing"));
    tree::expect_none(&check(&text));
}

#[test]
fn a_missing_section_or_number_and_an_unknown_state_are_found() {
    let mut text = "# Title\n".to_owned();
    for section in SECTIONS {
        text += &format!("## {section}\n");
    }
    for number in numbers() {
        text += &format!("| {number} | something to do | planned | not begun yet |\n");
    }
    tree::expect_none(&check(&text));
    tree::expect_one(&check(&text.replace("## Netcode\n", "")), "the sections are");
    tree::expect_one(&check(&text.replace("| R13 |", "| R131 |")), "R13 has no row");
    tree::expect_one(&check(&text.replace("| R13 |", "| R12 |")), "R12 has two rows");
    tree::expect_one(&check(&text.replacen("planned", "soon", 1)), "R1 is \"soon\"");
    tree::expect_one(&check(&text.replacen("| not begun yet |", "| |", 1)), "R1");
    tree::expect_one(&check(&text.replace("| C12 |", "| C13 |")), "C12 has no row");
}
