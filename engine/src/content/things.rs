//! Things that can be owned, what creatures leave behind, and when one can be captured.

use super::{ContentError, check, kind_named_in};
use netproto::Kind;
use serde::Deserialize;

/// Gold has this number.
pub const GOLD: u16 = 0;
/// Its name in the tables.
const GOLD_NAME: &str = "Gold";
/// Gold that one purse holds at most.
pub const GOLD_MAX: u32 = 1_000_000_000;
/// Numbers of things are below this: what is counted for each is kept in a table.
pub const THINGS_MAX: usize = 1024;
const THINGS: &str = "things.toml";

/// One kind of thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thing {
    /// Its name for people.
    pub name: String,
    /// So many fit into one purse.
    pub stack_max: u32,
}

/// What may be found where a creature died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loot {
    /// Whose.
    pub kind: Kind,
    /// What.
    pub thing: u16,
    /// Out of a thousand deaths.
    pub permille: u32,
    /// At least so many.
    pub count_min: u32,
    /// At most.
    pub count_max: u32,
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Things {
    /// By number; gold is the first. None: there is no such thing.
    things: Vec<Option<Thing>>,
    /// In the order of the table.
    pub loot: Vec<Loot>,
    /// A creature with no more than this of its health can be captured.
    pub capture_percent: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    capture: CaptureRow,
    thing: Vec<ThingRow>,
    loot: Vec<LootRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaptureRow {
    health_percent: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ThingRow {
    number: u16,
    name: String,
    stack_max: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LootRow {
    kind: String,
    thing: String,
    permille: u32,
    count_min: u32,
    count_max: u32,
}

impl Things {
    /// Reads the table.
    ///
    /// # Errors
    /// [`ContentError`], which names the field.
    pub fn parse(text: &str) -> Result<Self, ContentError> {
        let file: File = toml::from_str(text)
            .map_err(|source| ContentError::Parse { table: THINGS, source: Box::new(source) })?;
        let percent = file.capture.health_percent;
        ranged("capture.health_percent", percent, (1..100).contains(&percent), "1 to 99")?;
        let gold = Thing { name: GOLD_NAME.to_owned(), stack_max: GOLD_MAX };
        let mut all = Self { things: vec![Some(gold)], loot: Vec::new(), capture_percent: percent };
        for row in file.thing {
            all.add(row)?;
        }
        for row in &file.loot {
            all.loot.push(all.loot_of(row)?);
        }
        Ok(all)
    }

    fn add(&mut self, row: ThingRow) -> Result<(), ContentError> {
        let at = usize::from(row.number);
        let is_free = at < THINGS_MAX && self.get(row.number).is_none();
        ranged(&format!("number of {}", row.name), row.number.into(), is_free, "1 to 1023, each once")?;
        let field = format!("{} stack_max", row.name);
        ranged(&field, row.stack_max, (1..=GOLD_MAX).contains(&row.stack_max), "1 to 1000000000")?;
        let is_new = self.named(&row.name).is_none();
        ranged(&format!("second thing named {}", row.name), row.number.into(), is_new, "names that differ")?;
        self.things.resize(self.things.len().max(at + 1), None);
        self.things[at] = Some(Thing { name: row.name, stack_max: row.stack_max });
        Ok(())
    }

    fn loot_of(&self, row: &LootRow) -> Result<Loot, ContentError> {
        let field = |name: &str| format!("loot of {} {name}", row.kind);
        let thing = self.named(&row.thing);
        ranged(&field(&row.thing), 0, thing.is_some(), "the name of a thing, or Gold")?;
        ranged(&field("permille"), row.permille, row.permille <= 1000, "0 to 1000")?;
        let is_ordered = 1 <= row.count_min && row.count_min <= row.count_max && row.count_max <= 10_000;
        ranged(&field("count_max"), row.count_max, is_ordered, "count_min to 10000, from 1")?;
        Ok(Loot {
            kind: kind_named_in(THINGS, &row.kind)?,
            thing: thing.unwrap_or(GOLD),
            permille: row.permille,
            count_min: row.count_min,
            count_max: row.count_max,
        })
    }

    /// A thing by its number.
    #[must_use]
    pub fn get(&self, number: u16) -> Option<&Thing> {
        self.things.get(usize::from(number))?.as_ref()
    }

    /// The number of a thing by its name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<u16> {
        let is_it = |thing: &Option<Thing>| thing.as_ref().is_some_and(|thing| thing.name == name);
        self.things.iter().position(is_it).map(|number| number as u16)
    }

    /// So many of it fit into one purse; none of what there is not.
    #[must_use]
    pub fn stack_max(&self, number: u16) -> u32 {
        self.get(number).map_or(0, |thing| thing.stack_max)
    }

    /// Numbers of things are below this.
    #[must_use]
    pub fn n(&self) -> usize {
        self.things.len()
    }
}

fn ranged(field: &str, value: u32, ok: bool, expected: &'static str) -> Result<(), ContentError> {
    check(THINGS, field, value.into(), ok, expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STANDARD: &str = include_str!("../../content/things.toml");

    #[test]
    fn the_standard_things_are_found_by_name_and_number() {
        let things = Things::parse(STANDARD).unwrap();
        assert_eq!((things.named("Gold"), things.named("Wolf fang")), (Some(GOLD), Some(5)));
        assert_eq!((things.stack_max(2), things.stack_max(999)), (200, 0));
        assert_eq!(things.get(things.n() as u16), None);
    }

    #[test]
    fn a_wrong_table_is_refused_by_name() {
        for (from, to, named) in [
            ("health_percent = 25", "health_percent = 100", "capture.health_percent is 100"),
            ("number = 2", "number = 1", "number of Hide is 1"),
            ("number = 2", "number = 1024", "number of Hide is 1024"),
            ("number = 2", "number = 0", "number of Hide is 0"),
            ("\"Hide\"\nstack_max = 200", "\"Venison\"\nstack_max = 200", "second thing named Venison"),
            ("stack_max = 400", "stack_max = 0", "Wolf fang stack_max is 0"),
            ("thing = \"Hide\"", "thing = \"Silk\"", "loot of Deer Silk"),
            ("kind = \"Wolf\"", "kind = \"Yeti\"", "Yeti"),
            ("permille = 600", "permille = 1001", "permille is 1001"),
            ("count_max = 12", "count_max = 2", "loot of Wolf count_max is 2"),
            ("[capture]", "[cage]", "cage"),
        ] {
            let error = Things::parse(&STANDARD.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains(named) && error.contains(THINGS), "{error}");
        }
    }
}
