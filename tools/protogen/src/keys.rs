//! One TOML table, key by key: what is missing, mistyped or unknown becomes a [`Problem`] with its place.

use std::fmt;
use toml::{Table, Value};

/// Something wrong in the schema, with the place to mend it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// File, table and field, as far as known.
    pub place: Place,
    /// What is wrong: lower case, no full stop.
    pub what: String,
}

/// A place in the schema files.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// File name without its folder.
    pub file: String,
    /// Kind and name of the table, such as `block Motion`.
    pub table: String,
    /// Kind and id of the entry, such as `field 3`; empty for the table itself.
    pub field: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { file, table, field } = &self.place;
        let parts: Vec<&str> =
            [file, table, field].into_iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        write!(f, "{}: {}", parts.join(": "), self.what)
    }
}

/// A table whose keys are taken out one by one.
#[derive(Debug)]
pub(crate) struct Keys<'a> {
    pub(crate) place: Place,
    table: Table,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Keys<'a> {
    /// Takes `value` as a table; anything else is a problem and reads as an empty one.
    pub(crate) fn new(place: Place, value: Value, problems: &'a mut Vec<Problem>) -> Self {
        let mut keys = Self { place, table: Table::new(), problems };
        match value {
            Value::Table(table) => keys.table = table,
            other => keys.complain(format!("is a {} and should be a table", other.type_str())),
        }
        keys
    }

    pub(crate) fn complain(&mut self, what: impl Into<String>) {
        self.problems.push(Problem { place: self.place.clone(), what: what.into() });
    }

    /// The table that `key` holds, with problems landing in the same list.
    pub(crate) fn inner(&mut self, field: String, value: Value) -> Keys<'_> {
        Keys::new(Place { field, ..self.place.clone() }, value, self.problems)
    }

    pub(crate) fn take(&mut self, key: &str) -> Option<Value> {
        self.table.remove(key)
    }

    /// A required, non-empty string.
    pub(crate) fn text(&mut self, key: &str) -> String {
        match self.maybe_text(key) {
            Some(text) => text,
            None => {
                self.complain(format!("`{key}` is missing"));
                String::new()
            }
        }
    }

    pub(crate) fn maybe_text(&mut self, key: &str) -> Option<String> {
        match self.take(key)? {
            Value::String(text) if !text.trim().is_empty() => Some(text),
            Value::String(_) => {
                self.complain(format!("`{key}` is empty"));
                Some(String::new())
            }
            other => {
                self.complain(format!("`{key}` is a {} and should be a string", other.type_str()));
                Some(String::new())
            }
        }
    }

    /// A required whole number of the type asked for.
    pub(crate) fn number<N: TryFrom<i64> + Default>(&mut self, key: &str) -> N {
        self.maybe_number(key).unwrap_or_else(|| {
            self.complain(format!("`{key}` is missing"));
            N::default()
        })
    }

    pub(crate) fn maybe_number<N: TryFrom<i64> + Default>(&mut self, key: &str) -> Option<N> {
        let value = self.take(key)?;
        let number = value.as_integer().and_then(|number| N::try_from(number).ok());
        if number.is_none() {
            self.complain(format!("`{key}` is {value} and should be a whole number in range"));
        }
        Some(number.unwrap_or_default())
    }

    /// A mark: there as `true`, or not there.
    pub(crate) fn mark(&mut self, key: &str) -> bool {
        match self.take(key) {
            None => false,
            Some(Value::Boolean(true)) => true,
            Some(other) => {
                self.complain(format!("`{key}` is {other} and should be true, or not there"));
                false
            }
        }
    }

    /// A required sentence for people.
    pub(crate) fn doc(&mut self) -> String {
        self.text("doc")
    }

    /// An array of tables; missing reads as empty.
    pub(crate) fn array(&mut self, key: &str) -> Vec<Value> {
        match self.take(key) {
            None => Vec::new(),
            Some(Value::Array(items)) => items,
            Some(other) => {
                self.complain(format!("`{key}` is a {} and should be an array", other.type_str()));
                Vec::new()
            }
        }
    }

    /// `key.<id>` entries by id; an id that is no number is a problem.
    pub(crate) fn numbered(&mut self, key: &str) -> Vec<(u32, Value)> {
        let table = match self.take(key) {
            None => return Vec::new(),
            Some(Value::Table(table)) => table,
            Some(other) => {
                self.complain(format!("`{key}` is a {}: write `{key}.1 = {{ .. }}`", other.type_str()));
                return Vec::new();
            }
        };
        let mut entries = Vec::new();
        for (id, value) in table {
            // Only the plain spelling: `field.01` beside `field.1` would be one id twice.
            match id.parse::<u32>().ok().filter(|number| number.to_string() == id) {
                Some(number) => entries.push((number, value)),
                None => self.complain(format!("`{key}.{id}`: ids are whole numbers without leading zeros")),
            }
        }
        entries.sort_by_key(|(id, _)| *id);
        entries
    }

    /// Ends the table: keys that nobody took are unknown.
    pub(crate) fn done(mut self) {
        for key in std::mem::take(&mut self.table).keys() {
            self.complain(format!("`{key}` is not a known key here"));
        }
    }
}
