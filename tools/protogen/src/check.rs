//! What one table alone cannot tell: names that lead nowhere, ids given out twice, widths over the limit.

use crate::keys::{Place, Problem};
use crate::layout::{FIELD_BITS_MAX, RUN_BITS_MAX, bits_for, mask};
use crate::model::{Block, Field, FieldKind, Frozen, FrozenKind, Record, RecordKind, Schema, Union};
use std::collections::{BTreeMap, BTreeSet};

/// Words that cannot be a field in one of our languages: Rust first, then Lua, then JS.
const KEYWORDS: &str = " as async await box break const continue crate dyn else enum extern false fn for gen if \
    impl in let loop match mod move mut pub ref return self static struct super trait true try type union unsafe \
    use where while yield \
    and do elseif end function goto local nil not or repeat then until \
    class delete export import instanceof new null this throw typeof var void with ";

/// Where each table was read.
#[derive(Debug, Default)]
pub(crate) struct Places {
    by_name: BTreeMap<(String, String), Place>,
}

impl Places {
    pub(crate) fn note(&mut self, kind: &str, name: String, place: Place) {
        self.by_name.insert((kind.to_owned(), name), place);
    }
}

/// All problems of a schema whose tables read well one by one.
pub(crate) fn check(schema: &Schema, places: &Places) -> Vec<Problem> {
    let mut checker = Checker { schema, places, problems: Vec::new() };
    checker.names();
    checker.references();
    checker.circles();
    if !checker.problems.is_empty() {
        return checker.problems; // widths cannot be counted along broken references
    }
    checker.versions();
    for item in &schema.enums {
        checker.enum_values(&item.name, item.bits);
    }
    for block in &schema.blocks {
        checker.block(block);
    }
    for union in &schema.unions {
        checker.union(union);
    }
    checker.group_ids();
    for record in &schema.records {
        checker.record(record);
    }
    checker.opcodes();
    for frozen in &schema.frozen {
        checker.frozen(frozen);
    }
    checker.problems
}

fn kind_of(block: &Block) -> &'static str {
    if block.group.is_some() { "group" } else { "block" }
}

struct Checker<'a> {
    schema: &'a Schema,
    places: &'a Places,
    problems: Vec<Problem>,
}

impl Checker<'_> {
    fn complain(&mut self, kind: &str, name: &str, field: impl Into<String>, what: impl Into<String>) {
        let place = self.places.by_name.get(&(kind.to_owned(), name.to_owned())).cloned().unwrap_or_default();
        self.problems.push(Problem { place: Place { field: field.into(), ..place }, what: what.into() });
    }

    fn versions(&mut self) {
        let protocol = &self.schema.protocol;
        for (name, value) in [
            ("wire_major", protocol.wire_major),
            ("epoch", protocol.epoch),
            ("hello_version", protocol.hello_version),
        ] {
            if value == 0 {
                self.complain("protocol", "", "", format!("`{name}` begins at 1"));
            }
        }
    }

    /// Every name is a good identifier and is used once where it must be unique.
    fn names(&mut self) {
        let schema = self.schema;
        let mut items: Vec<(&str, &str)> = Vec::new();
        items.extend(schema.constants.iter().map(|item| ("constant", item.name.as_str())));
        items.extend(schema.enums.iter().map(|item| ("enum", item.name.as_str())));
        items.extend(schema.blocks.iter().map(|item| (kind_of(item), item.name.as_str())));
        items.extend(schema.unions.iter().map(|item| ("union", item.name.as_str())));
        items.extend(schema.records.iter().map(|item| ("record", item.name.as_str())));
        items.extend(schema.frozen.iter().map(|item| ("frozen", item.name.as_str())));
        let mut seen = BTreeSet::from(["Record", "Unknown", "Self"]);
        for (kind, name) in items {
            let is_good = if kind == "constant" { is_upper(name) } else { is_camel(name) };
            if !is_good {
                self.complain(kind, name, "", format!("`{name}` is no name for a {kind}"));
            }
            if !seen.insert(name) {
                self.complain(kind, name, "", format!("the name `{name}` is taken"));
            }
        }
        for item in &schema.enums {
            let entries = item.values.iter().map(|value| (value.value, value.name.as_str()));
            self.inner_names("enum", &item.name, "value", entries.collect(), is_camel);
        }
        for item in &schema.blocks {
            let entries = item.fields.iter().map(|field| (field.id, field.name.as_str()));
            self.inner_names(kind_of(item), &item.name, "field", entries.collect(), is_snake);
        }
        for item in &schema.unions {
            let entries = item.variants.iter().map(|variant| (variant.tag, variant.name.as_str()));
            self.inner_names("union", &item.name, "variant", entries.collect(), is_camel);
        }
        for item in &schema.records {
            let entries = item.fields.iter().map(|field| (field.id, field.name.as_str()));
            self.inner_names("record", &item.name, "field", entries.collect(), is_snake);
        }
        for item in &schema.frozen {
            let entries = item.fields.iter().map(|field| (field.id, field.name.as_str()));
            self.inner_names("frozen", &item.name, "field", entries.collect(), is_snake);
        }
    }

    fn inner_names(
        &mut self,
        kind: &str,
        table: &str,
        entry: &str,
        entries: Vec<(u32, &str)>,
        good: fn(&str) -> bool,
    ) {
        let mut seen = BTreeMap::new();
        for (id, name) in entries {
            let place = format!("{entry} {id}");
            if !good(name) {
                self.complain(kind, table, &place, format!("`{name}` is no name for a {entry}"));
            }
            if let Some(first) = seen.insert(name, id) {
                self.complain(kind, table, &place, format!("the name `{name}` is taken by {entry} {first}"));
            }
        }
    }

    /// Every reference leads to something of the right kind.
    fn references(&mut self) {
        let schema = self.schema;
        for block in &schema.blocks {
            for field in &block.fields {
                let (kind, name, found) = match &field.kind {
                    FieldKind::Enum(name) => ("enum", name, schema.find_enum(name).is_some()),
                    FieldKind::Block(name) | FieldKind::Option(name) => {
                        ("block", name, schema.find_block(name).is_some())
                    }
                    FieldKind::Union(name) => ("union", name, schema.find_union(name).is_some()),
                    _ => continue,
                };
                if !found {
                    let place = format!("field {}", field.id);
                    self.complain(kind_of(block), &block.name, place, format!("there is no {kind} `{name}`"));
                }
            }
        }
        for union in &schema.unions {
            for variant in &union.variants {
                if schema.find_block(&variant.block).is_none() {
                    let place = format!("variant {}", variant.tag);
                    let what = format!("there is no block `{}`", variant.block);
                    self.complain("union", &union.name, place, what);
                }
            }
        }
    }

    /// No block holds itself, however deep: its width would have no end.
    fn circles(&mut self) {
        for block in &self.schema.blocks {
            let mut path = vec![block.name.as_str()];
            if leads_back(self.schema, block, &mut path) {
                let what = format!("holds itself: {}", path.join(" -> "));
                self.complain(kind_of(block), &block.name, "", what);
            }
        }
    }

    fn enum_values(&mut self, name: &str, bits: u32) {
        let Some(item) = self.schema.find_enum(name) else { return };
        if bits == 0 || bits > 8 {
            self.complain("enum", name, "", format!("`bits` is {bits}; an enum takes 1 to 8"));
        }
        if item.values.first().is_none_or(|value| value.value != 0) {
            self.complain("enum", name, "", "value 0 is missing: it is the default");
        }
        for value in item.values.iter().filter(|value| value.value > mask(bits)) {
            let what = format!("{} does not fit {bits} bits", value.value);
            self.complain("enum", name, format!("value {}", value.value), what);
        }
    }

    fn block(&mut self, block: &Block) {
        let kind = kind_of(block);
        self.class(kind, &block.name, block.class.as_deref(), &["state", "timed"]);
        for field in &block.fields {
            if let Some(what) = field_problem(field) {
                self.complain(kind, &block.name, format!("field {}", field.id), what);
            }
        }
        if block.group.is_none() {
            return;
        }
        match self.schema.block_bits(block) {
            None => self.complain(kind, &block.name, "", "a group is of fixed width: no option, no union"),
            Some(bits) if bits > RUN_BITS_MAX => {
                let what = format!("{bits} bits; a group takes at most {RUN_BITS_MAX}, one load");
                self.complain(kind, &block.name, "", what);
            }
            Some(0) => self.complain(kind, &block.name, "", "a group without bits cannot change"),
            Some(_) => {}
        }
    }

    fn union(&mut self, union: &Union) {
        self.class("union", &union.name, union.class.as_deref(), &["timed"]);
        if union.tag_bits == 0 || union.tag_bits > 8 {
            let what = format!("`tag_bits` is {}; a tag takes 1 to 8", union.tag_bits);
            self.complain("union", &union.name, "", what);
        }
        if union.variants.is_empty() {
            self.complain("union", &union.name, "", "has no variant");
        }
        for variant in union.variants.iter().filter(|variant| variant.tag > mask(union.tag_bits)) {
            let what = format!("tag {} does not fit {} bits", variant.tag, union.tag_bits);
            self.complain("union", &union.name, format!("variant {}", variant.tag), what);
        }
    }

    fn group_ids(&mut self) {
        for (at, group) in self.schema.groups().into_iter().enumerate() {
            let id = group.group.map_or(0, |group| group.id);
            if id as usize != at {
                let what = format!("group id {id}; ids are 0, 1, 2, ... without gaps or doubles");
                self.complain("group", &group.name, "", what);
            }
        }
    }

    fn opcodes(&mut self) {
        for pair in self.schema.records.windows(2) {
            if pair[0].opcode == pair[1].opcode {
                let what = format!("opcode {} is taken by {}", pair[1].opcode, pair[0].name);
                self.complain("record", &pair[1].name, "", what);
            }
        }
    }

    fn record(&mut self, record: &Record) {
        let name = &record.name;
        self.class("record", name, record.class.as_deref(), &["fact"]);
        if record.opcode == 0 {
            self.complain("record", name, "", "opcode 0 is not given out");
        }
        if !["server", "client"].contains(&record.direction.as_str()) {
            let what = format!("direction `{}` is neither server nor client", record.direction);
            self.complain("record", name, "", what);
        }
        for field in &record.fields {
            let place = format!("field {}", field.id);
            if field.id == 0 || field.id > 63 {
                self.complain("record", name, &place, "ids of record fields are 1 to 63");
            }
            if let RecordKind::Bytes(max) | RecordKind::Text(max) | RecordKind::ListU32(max) = field.kind
                && (max == 0 || max > 65_535)
            {
                self.complain("record", name, &place, format!("`max` is {max} and should be 1 to 65535"));
            }
        }
    }

    fn frozen(&mut self, frozen: &Frozen) {
        let name = &frozen.name;
        let has_version = frozen.fields.iter().any(|field| field.name == "hello_version");
        if !has_version {
            self.complain("frozen", name, "", "has no field `hello_version`: nothing could ever be added");
        }
        for field in &frozen.fields {
            let what = match &field.kind {
                FrozenKind::Magic(letters) if letters.len() != 4 || !letters.is_ascii() => {
                    "a magic is four ASCII letters".to_owned()
                }
                FrozenKind::List { max, .. } | FrozenKind::Text(max) if *max == 0 || *max > 255 => {
                    format!("`max` is {max} and should be 1 to 255")
                }
                FrozenKind::List { items, .. } if items.is_empty() => "`item` is empty".to_owned(),
                FrozenKind::Array(0) => "`bytes` is 0".to_owned(),
                _ => continue,
            };
            self.complain("frozen", name, format!("field {}", field.id), what);
        }
    }

    fn class(&mut self, kind: &str, name: &str, class: Option<&str>, known: &[&str]) {
        if let Some(class) = class.filter(|class| !known.contains(class)) {
            let what = format!("class `{class}` is none of: {}", known.join(", "));
            self.complain(kind, name, "", what);
        }
    }
}

fn field_problem(field: &Field) -> Option<String> {
    match field.kind {
        FieldKind::Uint { bits: 0, .. } => Some("`bits` is 0".into()),
        FieldKind::Uint { bits, .. } if bits > FIELD_BITS_MAX => {
            Some(format!("{bits} bits; a field takes at most {FIELD_BITS_MAX}: use wide32 or split it"))
        }
        FieldKind::Uint { bits, max } if max == 0 || max > mask(bits) => {
            Some(format!("`max` {max} does not fit {bits} bits, or is 0"))
        }
        FieldKind::Int { min, max } if min >= max => Some(format!("`min` {min} is not below `max` {max}")),
        FieldKind::Int { min, max } => {
            let span = u32::try_from(i64::from(max) - i64::from(min)).unwrap_or(u32::MAX);
            (bits_for(span) > FIELD_BITS_MAX)
                .then(|| format!("{} bits; a field takes at most {FIELD_BITS_MAX}", bits_for(span)))
        }
        _ => None,
    }
}

/// Blocks that a block holds directly or through a union.
fn held<'a>(schema: &'a Schema, block: &'a Block) -> Vec<&'a Block> {
    let mut held = Vec::new();
    for field in &block.fields {
        match &field.kind {
            FieldKind::Block(name) | FieldKind::Option(name) => held.extend(schema.find_block(name)),
            FieldKind::Union(name) => {
                let variants = schema.find_union(name).into_iter().flat_map(|union| &union.variants);
                held.extend(variants.filter_map(|variant| schema.find_block(&variant.block)));
            }
            _ => {}
        }
    }
    held
}

/// Whether `block` leads back to the first name of `path`; `path` then shows the way.
fn leads_back<'a>(schema: &'a Schema, block: &'a Block, path: &mut Vec<&'a str>) -> bool {
    for next in held(schema, block) {
        let closes = next.name == path[0];
        if !closes && path.contains(&next.name.as_str()) {
            continue; // a circle of others, which complain themselves
        }
        path.push(&next.name);
        if closes || leads_back(schema, next, path) {
            return true;
        }
        path.pop();
    }
    false
}

fn is_camel(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.chars().all(|letter| letter.is_ascii_alphanumeric())
}

fn is_snake(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
        && !KEYWORDS.contains(&format!(" {name} "))
}

fn is_upper(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.chars().all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_')
}
