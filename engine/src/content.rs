//! Content tables: what creatures and the class are made of, in ticks and mm per tick.

use netproto::Kind;
use serde::Deserialize;

pub mod skills;
pub mod things;

pub(crate) use skills::RADIUS_STEP_MM;
pub use skills::{Area, Power, Shot, Slam, TELEGRAPH_MS_MIN};
pub use things::{GOLD, Loot, Things};

/// All content of a zone at its fixed rate.
#[derive(Clone, Debug)]
pub struct Content {
    /// By [`Kind`]; the player's entry is unused.
    pub creatures: [Creature; Kind::ALL.len()],
    /// Shares of the kinds, ascending and ending at 100: a draw below it picks the kind.
    pub shares: Vec<(u32, Kind)>,
    /// The one class.
    pub class: Class,
    /// What can be owned.
    pub things: Things,
    /// Equal tables have equal hashes.
    pub hash: u64,
    /// Speeds that did not fit whole millimetres per tick, for the log.
    pub roundings: Vec<String>,
}

/// How a creature takes players.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Temper {
    /// Runs from players that come near.
    #[default]
    Flees,
    /// Leaves players alone until it is hit.
    FightsBack,
    /// Chases players that come near.
    Hunts,
}

/// One kind of creature.
#[derive(Clone, Copy, Debug, Default)]
pub struct Creature {
    /// Health when unhurt.
    pub health: u16,
    /// Speed while wandering.
    pub wander_mm_per_tick: i32,
    /// Speed while chasing or fleeing.
    pub run_mm_per_tick: i32,
    /// How near a player is noticed.
    pub notice_mm: i32,
    /// What it then does.
    pub temper: Temper,
    /// Health points per bite; varies by a fifth.
    pub bite_damage: u16,
    /// How near the target must be.
    pub bite_reach_mm: i32,
    /// From the announcement to the bite.
    pub windup_ticks: u32,
    /// From one bite to the next announcement.
    pub bite_wait_ticks: u32,
    /// Its telegraphed circle, if it has one.
    pub slam: Option<Slam>,
}

impl Creature {
    /// How hard it bites.
    #[must_use]
    pub fn bite(&self) -> Power {
        Power::around(self.bite_damage)
    }
}

/// The player class.
#[derive(Clone, Copy, Debug)]
pub struct Class {
    /// Health when unhurt.
    pub health: u16,
    /// Ticks per point of health regained.
    pub regain_ticks: u32,
    /// The melee arc.
    pub swing: Swing,
    /// The circle at a distance.
    pub area: Area,
    /// The projectile.
    pub shot: Shot,
}

/// A melee arc.
#[derive(Clone, Copy, Debug)]
pub struct Swing {
    /// Reach from the middle of the body.
    pub reach_mm: i32,
    /// Half of the arc in 1/256 turn; 128 is the full circle.
    pub half_arc: u8,
    /// From one swing to the next.
    pub wait_ticks: u8,
    /// Least damage.
    pub damage_min: u16,
    /// Most damage.
    pub damage_max: u16,
    /// Chance of double damage.
    pub critical_percent: u8,
    /// Targets hit at most, nearest first.
    pub targets_max: usize,
}

impl Swing {
    /// How hard it hits.
    #[must_use]
    pub fn power(&self) -> Power {
        let Self { damage_min, damage_max, critical_percent, .. } = *self;
        Power { damage_min, damage_max, critical_percent }
    }
}

/// Why content tables cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContentError {
    /// Not TOML, or not these tables.
    #[error("{table}: {source}")]
    Parse {
        /// Which table.
        table: &'static str,
        /// What the parser says, with its line.
        source: Box<toml::de::Error>,
    },
    /// A value outside its bounds.
    #[error("{table}: {field} is {value}, expected {expected}")]
    Range {
        /// Which table.
        table: &'static str,
        /// Which field.
        field: String,
        /// What it says.
        value: i64,
        /// What it may say.
        expected: &'static str,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreatureFile {
    creature: Vec<CreatureRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreatureRow {
    kind: String,
    share: u32,
    health: u16,
    wander_mm_per_s: i32,
    run_mm_per_s: i32,
    notice_mm: i32,
    temper: Temper,
    bite_damage: u16,
    bite_reach_mm: i32,
    windup_ms: u32,
    bite_wait_ms: u32,
    slam: Option<skills::SlamRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClassFile {
    class: ClassRow,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClassRow {
    #[serde(rename = "name")]
    _name: String,
    health: u16,
    regain_wait_ms: u32,
    swing: SwingRow,
    area: skills::AreaRow,
    shot: skills::ShotRow,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SwingRow {
    reach_mm: i32,
    half_arc_256th: u8,
    wait_ms: u32,
    damage_min: u16,
    damage_max: u16,
    critical_percent: u8,
    targets_max: usize,
}

const CREATURES: &str = "creatures.toml";
const CLASS: &str = "class.toml";

impl Content {
    /// The tables that come with the engine.
    ///
    /// # Panics
    /// If they are wrong: a test reads them.
    #[must_use]
    pub fn standard(ticks_per_second: u32) -> Self {
        let creatures = include_str!("../content/creatures.toml");
        let class = include_str!("../content/class.toml");
        let things = include_str!("../content/things.toml");
        Self::parse(creatures, class, things, ticks_per_second).expect("the standard content is tested")
    }

    /// Reads all tables.
    ///
    /// # Errors
    /// [`ContentError`], which names the table and the field.
    pub fn parse(
        creatures: &str,
        class: &str,
        things: &str,
        ticks_per_second: u32,
    ) -> Result<Self, ContentError> {
        let parse_error = |table| move |source| ContentError::Parse { table, source: Box::new(source) };
        let creature_file: CreatureFile = toml::from_str(creatures).map_err(parse_error(CREATURES))?;
        let class_file: ClassFile = toml::from_str(class).map_err(parse_error(CLASS))?;
        let mut rate = Rate { ticks_per_second, roundings: Vec::new() };
        let mut content = Self {
            creatures: [Creature::default(); Kind::ALL.len()],
            shares: Vec::new(),
            class: rate.class(&class_file.class)?,
            things: Things::parse(things)?,
            hash: hash(&[creatures, class, things]),
            roundings: Vec::new(),
        };
        let mut sum = 0;
        for row in &creature_file.creature {
            let kind = kind_named_in(CREATURES, &row.kind)?;
            sum += row.share;
            content.shares.push((sum, kind));
            content.creatures[kind as usize] = rate.creature(row)?;
        }
        check(CREATURES, "sum of share", i64::from(sum), sum == 100, "100")?;
        content.roundings = rate.roundings;
        Ok(content)
    }

    /// The kind that a draw in `0..100` picks.
    #[must_use]
    pub fn kind_for(&self, percent: u32) -> Kind {
        self.shares.iter().find(|(below, _)| percent < *below).map_or(Kind::Deer, |(_, kind)| *kind)
    }
}

/// Turns seconds into ticks and remembers what did not fit.
struct Rate {
    ticks_per_second: u32,
    roundings: Vec<String>,
}

impl Rate {
    fn speed(&mut self, field: &str, mm_per_s: i32) -> Result<i32, ContentError> {
        let in_bounds = (0..=10_000).contains(&mm_per_s);
        check(CREATURES, field, i64::from(mm_per_s), in_bounds, "0 to 10000 mm/s")?;
        Ok(self.mm_per_tick(field, mm_per_s))
    }

    fn mm_per_tick(&mut self, field: &str, mm_per_s: i32) -> i32 {
        let hz = self.ticks_per_second as i32;
        if mm_per_s % hz != 0 {
            self.roundings.push(format!("{field}: {mm_per_s} mm/s is {} mm per tick", mm_per_s / hz));
        }
        mm_per_s / hz
    }

    fn ticks(&self, ms: u32) -> u32 {
        (ms.min(600_000) * self.ticks_per_second).div_ceil(1000)
    }

    fn creature(&mut self, row: &CreatureRow) -> Result<Creature, ContentError> {
        let field = |name: &str| format!("{} {name}", row.kind);
        check(CREATURES, &field("health"), i64::from(row.health), row.health > 0, "at least 1")?;
        let near = (0..=40_000).contains(&row.notice_mm);
        check(CREATURES, &field("notice_mm"), i64::from(row.notice_mm), near, "0 to 40000 mm")?;
        let reach = (0..=4_000).contains(&row.bite_reach_mm);
        check(CREATURES, &field("bite_reach_mm"), i64::from(row.bite_reach_mm), reach, "0 to 4000 mm")?;
        let mild = row.bite_damage < 1_500;
        check(CREATURES, &field("bite_damage"), i64::from(row.bite_damage), mild, "0 to 1499")?;
        Ok(Creature {
            health: row.health,
            wander_mm_per_tick: self.speed(&field("wander_mm_per_s"), row.wander_mm_per_s)?,
            run_mm_per_tick: self.speed(&field("run_mm_per_s"), row.run_mm_per_s)?,
            notice_mm: row.notice_mm,
            temper: row.temper,
            bite_damage: row.bite_damage,
            bite_reach_mm: row.bite_reach_mm,
            windup_ticks: self.ticks(row.windup_ms).max(1),
            bite_wait_ticks: self.ticks(row.bite_wait_ms).max(1),
            slam: row.slam.as_ref().map(|slam| self.slam(&row.kind, slam)).transpose()?,
        })
    }

    fn class(&mut self, row: &ClassRow) -> Result<Class, ContentError> {
        let swing = &row.swing;
        check(CLASS, "health", i64::from(row.health), (1..4096).contains(&row.health), "1 to 4095")?;
        let reach = (1..=8_000).contains(&swing.reach_mm);
        check(CLASS, "swing.reach_mm", i64::from(swing.reach_mm), reach, "1 to 8000 mm")?;
        let arc = (1..=128).contains(&swing.half_arc_256th);
        check(CLASS, "swing.half_arc_256th", i64::from(swing.half_arc_256th), arc, "1 to 128")?;
        let ordered = swing.damage_min <= swing.damage_max && swing.damage_max < 2048;
        check(CLASS, "swing.damage_max", i64::from(swing.damage_max), ordered, "damage_min to 2047")?;
        let targets = (1..=16).contains(&swing.targets_max);
        check(CLASS, "swing.targets_max", swing.targets_max as i64, targets, "1 to 16")?;
        Ok(Class {
            health: row.health,
            regain_ticks: self.ticks(row.regain_wait_ms).max(1),
            swing: Swing {
                reach_mm: swing.reach_mm,
                half_arc: swing.half_arc_256th,
                wait_ticks: self.ticks(swing.wait_ms).clamp(1, 255) as u8,
                damage_min: swing.damage_min,
                damage_max: swing.damage_max,
                critical_percent: swing.critical_percent.min(100),
                targets_max: swing.targets_max,
            },
            area: self.area(&row.area)?,
            shot: self.shot(&row.shot)?,
        })
    }
}

fn check(
    table: &'static str,
    field: &str,
    value: i64,
    ok: bool,
    expected: &'static str,
) -> Result<(), ContentError> {
    if ok { Ok(()) } else { Err(ContentError::Range { table, field: field.to_owned(), value, expected }) }
}

fn kind_named_in(table: &'static str, name: &str) -> Result<Kind, ContentError> {
    let known = Kind::ALL.into_iter().find(|kind| kind.name() == name && *kind != Kind::Player);
    known.ok_or_else(|| ContentError::Range {
        table,
        field: format!("kind {name:?}"),
        value: 0,
        expected: "a creature of the wire's Kind",
    })
}

fn hash(texts: &[&str]) -> u64 {
    let bytes = texts.iter().flat_map(|text| text.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_content_loads_at_both_rates() {
        for hz in [20, 30] {
            let content = Content::standard(hz);
            assert_eq!(content.kind_for(99), Kind::Wolf);
            assert!(content.creatures[Kind::Wolf as usize].run_mm_per_tick > 0);
        }
        assert!(!Content::standard(30).roundings.is_empty(), "1400 mm/s is no whole number at 30 Hz");
    }

    #[test]
    fn a_wrong_table_is_refused_by_name() {
        let creatures = include_str!("../content/creatures.toml");
        let class = include_str!("../content/class.toml");
        let things = include_str!("../content/things.toml");
        for (from, to, named) in [
            ("share = 45", "share = 46", "sum of share"),
            ("health = 40", "health = 0", "Deer health"),
            ("\"Wolf\"", "\"Dragon\"", "Dragon"),
            ("temper = \"flees\"", "temper = \"sings\"", "sings"),
            ("bite_damage = 9", "bite_dmg = 9", "bite_dmg"),
            ("bite_damage = 9", "bite_damage = 60000", "Boar bite_damage is 60000"),
            ("windup_ms = 800", "windup_ms = 399", "Boar slam.windup_ms is 399, expected 400"),
            ("radius_mm = 2496", "radius_mm = 9000", "Boar slam.radius_mm"),
        ] {
            let error =
                Content::parse(&creatures.replacen(from, to, 1), class, things, 20).unwrap_err().to_string();
            assert!(error.contains(named) && error.contains(CREATURES), "{error}");
        }
        for (from, to, named) in [
            ("windup_ms = 600", "windup_ms = 350", "area.windup_ms is 350, expected 400"),
            ("draw_ms = 400", "draw_ms = 0", "shot.draw_ms is 0, expected 400"),
            ("wait_ms = 4000", "wait_ms = 500", "area.wait_ms"),
            ("speed_mm_per_s = 16000", "speed_mm_per_s = 21000", "shot.speed_mm_per_s"),
            ("range_mm = 20000", "range_mm = 60000", "shot.range_mm"),
        ] {
            let error =
                Content::parse(creatures, &class.replacen(from, to, 1), things, 20).unwrap_err().to_string();
            assert!(error.contains(named) && error.contains(CLASS), "{error}");
        }
    }
}
