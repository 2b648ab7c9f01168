//! Every leaf of every schema file, changed one at a time.

use protogen::embedded;
use protogen::model::Schema;
use protogen::read::read_files;
use toml::{Table, Value};

/// One changed leaf of the schema, still a good schema.
pub(crate) struct Mutant {
    /// The file and the keys down to the leaf, such as `frame.toml/group/0/field/1/bits`.
    pub(crate) path: String,
    /// The key at the leaf.
    pub(crate) key: String,
    pub(crate) schema: Schema,
}

/// All mutants that read.
pub(crate) fn all() -> Vec<Mutant> {
    let files = embedded::files();
    let mut mutants = Vec::new();
    for (at, (name, text)) in files.iter().enumerate() {
        let tree = Value::Table(text.parse::<Table>().expect("the schema is TOML"));
        let mut paths = Vec::new();
        leaves(&tree, &mut Vec::new(), &mut paths);
        for path in paths {
            for change in 0..3 {
                let mut changed = tree.clone();
                if !alter(leaf(&mut changed, &path), path.last().expect("a leaf has a key"), change) {
                    continue;
                }
                let mut files = files.clone();
                files[at].1 = toml::to_string(&changed).expect("it was TOML");
                if let Ok(schema) = read_files(&files) {
                    let key = path.last().expect("a leaf has a key").clone();
                    mutants.push(Mutant { path: format!("{name}/{}", path.join("/")), key, schema });
                }
            }
        }
    }
    mutants
}

fn leaves(value: &Value, path: &mut Vec<String>, paths: &mut Vec<Vec<String>>) {
    let mut deeper = |key: String, value: &Value| {
        path.push(key);
        leaves(value, path, paths);
        path.pop();
    };
    match value {
        Value::Table(table) => table.iter().for_each(|(key, value)| deeper(key.clone(), value)),
        Value::Array(items) => items.iter().enumerate().for_each(|(at, value)| deeper(at.to_string(), value)),
        _ => paths.push(path.clone()),
    }
}

fn leaf<'a>(value: &'a mut Value, path: &[String]) -> &'a mut Value {
    path.iter().fold(value, |value, key| match value {
        Value::Table(table) => table.get_mut(key).expect("the path was walked"),
        Value::Array(items) => &mut items[key.parse::<usize>().expect("arrays have numbers")],
        _ => panic!("a leaf has no keys"),
    })
}

/// Changes a leaf in one of three ways; `false`: there is no such way.
fn alter(value: &mut Value, key: &str, change: usize) -> bool {
    let before = value.clone();
    *value = match (&*value, change) {
        (Value::Integer(number), 0) => Value::Integer(number + 1),
        (Value::Integer(number), 1) => Value::Integer(number - 1),
        (Value::String(_), 0) if key == "type" => Value::String("wide32".into()),
        (Value::String(_), 1) if key == "type" => Value::String("u64".into()),
        (Value::String(_), 2) if key == "type" => Value::String("bool".into()),
        (Value::String(text), 0) if key == "direction" => {
            Value::String(if text == "server" { "client" } else { "server" }.into())
        }
        (Value::String(text), 0) if key == "enum" => {
            Value::String(if text == "Kind" { "Action" } else { "Kind" }.into())
        }
        (Value::String(text), 0) if key == "block" => {
            Value::String(if text == "Look" { "Vitals" } else { "Look" }.into())
        }
        (Value::String(text), 0) if key == "value" => Value::String(text.to_lowercase()),
        (Value::String(text), 0) if key == "class" => {
            Value::String(if text == "state" { "timed" } else { "state" }.into())
        }
        (Value::String(text), 0) => Value::String(format!("{text}x")),
        _ => return false,
    };
    *value != before
}
