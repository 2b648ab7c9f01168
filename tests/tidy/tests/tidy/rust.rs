//! As much of Rust's grammar as it takes to tell code, comments and texts in quotes apart.

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Code,
    Comment,
    Quoted,
}

/// The code alone: comments and what stands in quotes are blank, lines stay where they are.
pub(crate) fn code(text: &str) -> String {
    blank(text, |part| part == Part::Code)
}

/// Code and comments: what stands in quotes is blank.
pub(crate) fn without_quoted(text: &str) -> String {
    blank(text, |part| part != Part::Quoted)
}

fn blank(text: &str, keep: impl Fn(Part) -> bool) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < letters.len() {
        let (part, n) = next(&letters[at..], at.checked_sub(1).map(|before| letters[before]));
        let piece = &letters[at..at + n];
        out.extend(piece.iter().map(|letter| if keep(part) || *letter == '\n' { *letter } else { ' ' }));
        at += n;
    }
    out
}

/// What begins here, and its length.
fn next(rest: &[char], before: Option<char>) -> (Part, usize) {
    let starts = |text: &str| text.chars().enumerate().all(|(at, letter)| rest.get(at) == Some(&letter));
    if starts("//") {
        let end = rest.iter().position(|letter| *letter == '\n');
        return (Part::Comment, end.unwrap_or(rest.len()));
    }
    if starts("/*") {
        return (Part::Comment, end_of(rest, 2, &['*', '/']));
    }
    let is_word = before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
    if rest[0] == 'r' && !is_word {
        let n_marks = rest[1..].iter().take_while(|letter| **letter == '#').count();
        if rest.get(1 + n_marks) == Some(&'"') {
            let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', n_marks)).collect();
            return (Part::Quoted, end_of(rest, 2 + n_marks, &end));
        }
    }
    if rest[0] == '"' {
        return (Part::Quoted, end_of_escaped(rest, '"'));
    }
    // A letter in quotes, not a lifetime.
    if rest[0] == '\'' && (rest.get(1) == Some(&'\\') || rest.get(2) == Some(&'\'')) {
        return (Part::Quoted, end_of_escaped(rest, '\''));
    }
    (Part::Code, 1)
}

fn end_of(rest: &[char], from: usize, end: &[char]) -> usize {
    let found = rest[from..].windows(end.len()).position(|window| window == end);
    found.map_or(rest.len(), |at| from + at + end.len())
}

fn end_of_escaped(rest: &[char], end: char) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != end {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

#[test]
fn quotes_comments_and_code_are_told_apart() {
    for (text, expected) in [
        ("a \"b // c\" d // e", "a          d     "),
        ("r#\"x\" y\"# z", "          z"),
        ("'\"' \"x\" 'a: T", "        'a: T"),
        ("'\\'' q /* \" */ w", "     q         w"),
        ("var\"x\"", "var   "),
        ("\"a\nb\" c", "  \n   c"),
    ] {
        assert_eq!(code(text), expected, "{text}");
    }
    assert_eq!(without_quoted("\"a\" // \"b\""), "    // \"b\"");
}
