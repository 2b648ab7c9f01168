//! Skills that are announced before they hurt: their numbers, and the bounds that keep them readable.

use super::{CLASS, CREATURES, ContentError, Rate, check};
use serde::Deserialize;

/// What hurts is announced at least this long before: nobody reacts faster over a bad connection.
pub const TELEGRAPH_MS_MIN: u32 = 400;
/// Longer announcements do not fit the wire at any rate.
const TELEGRAPH_MS_MAX: u32 = 2_000;
const TELEGRAPH: &str = "400 to 2000 ms: what hurts must be seen coming";
/// The wire counts radii in steps of this.
pub(crate) const RADIUS_STEP_MM: i32 = 64;
const RADIUS_MM_MAX: i32 = 8_000;
/// A cooldown fits 255 ticks at 30 Hz.
const WAIT_MS_MAX: u32 = 8_000;
/// Ticks from the announcement to the end of a flight at most: the age of an event has six bits.
const LIFE_TICKS_MAX: u32 = 60;

/// How hard something hits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Power {
    /// Least damage.
    pub damage_min: u16,
    /// Most damage, not critical.
    pub damage_max: u16,
    /// Chance of twice the damage.
    pub critical_percent: u8,
}

impl Power {
    /// This much damage, more or less by a fifth; never critical.
    #[must_use]
    pub fn around(damage: u16) -> Self {
        Self { damage_min: damage - damage / 5, damage_max: damage + damage / 5, critical_percent: 0 }
    }
}

/// A circle at a distance: after its windup it hurts the creatures in it.
#[derive(Clone, Copy, Debug)]
pub struct Area {
    /// From the own body to its middle, at most.
    pub reach_mm: i32,
    /// Radius, in whole steps of the wire.
    pub radius_mm: i32,
    /// From the announcement to the impact.
    pub windup_ticks: u32,
    /// From one announcement to the next.
    pub wait_ticks: u32,
    /// How hard it hits.
    pub power: Power,
    /// Targets hit at most, nearest to the middle first.
    pub targets_max: usize,
}

/// A projectile: it hurts the first creature in its way.
#[derive(Clone, Copy, Debug)]
pub struct Shot {
    /// From the announcement to the release.
    pub draw_ticks: u32,
    /// Speed.
    pub mm_per_tick: i32,
    /// From the release to the end of its range.
    pub flight_ticks: u32,
    /// How near to its way a body is hit.
    pub width_mm: i32,
    /// From one announcement to the next.
    pub wait_ticks: u32,
    /// How hard it hits.
    pub power: Power,
}

/// A creature's circle: after its windup it hurts the players in it.
#[derive(Clone, Copy, Debug)]
pub struct Slam {
    /// How near the target must be.
    pub reach_mm: i32,
    /// Radius, in whole steps of the wire.
    pub radius_mm: i32,
    /// From the announcement to the impact.
    pub windup_ticks: u32,
    /// From one announcement to the next.
    pub wait_ticks: u32,
    /// How hard it hits.
    pub power: Power,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AreaRow {
    reach_mm: i32,
    radius_mm: i32,
    windup_ms: u32,
    wait_ms: u32,
    damage_min: u16,
    damage_max: u16,
    critical_percent: u8,
    targets_max: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ShotRow {
    draw_ms: u32,
    speed_mm_per_s: i32,
    range_mm: i32,
    width_mm: i32,
    wait_ms: u32,
    damage_min: u16,
    damage_max: u16,
    critical_percent: u8,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SlamRow {
    reach_mm: i32,
    radius_mm: i32,
    windup_ms: u32,
    wait_ms: u32,
    damage: u16,
}

impl Rate {
    pub(super) fn area(&mut self, row: &AreaRow) -> Result<Area, ContentError> {
        let reach = (1..=16_000).contains(&row.reach_mm);
        check(CLASS, "area.reach_mm", i64::from(row.reach_mm), reach, "1 to 16000 mm")?;
        let targets = (1..=64).contains(&row.targets_max);
        check(CLASS, "area.targets_max", row.targets_max as i64, targets, "1 to 64")?;
        Ok(Area {
            reach_mm: row.reach_mm,
            radius_mm: self.radius(CLASS, "area.radius_mm", row.radius_mm)?,
            windup_ticks: self.telegraph(CLASS, "area.windup_ms", row.windup_ms)?,
            wait_ticks: self.wait(CLASS, "area.wait_ms", row.wait_ms, row.windup_ms)?,
            power: power("area.damage_max", row.damage_min, row.damage_max, row.critical_percent)?,
            targets_max: row.targets_max,
        })
    }

    pub(super) fn shot(&mut self, row: &ShotRow) -> Result<Shot, ContentError> {
        let fast = (1_000..=20_000).contains(&row.speed_mm_per_s);
        check(
            CLASS,
            "shot.speed_mm_per_s",
            i64::from(row.speed_mm_per_s),
            fast,
            "1000 to 20000 mm/s: a tick must not leap over a wall",
        )?;
        // Narrower, and a body that runs towards a shot could step past it between two ticks.
        let wide = (400..=2_000).contains(&row.width_mm);
        check(CLASS, "shot.width_mm", i64::from(row.width_mm), wide, "400 to 2000 mm")?;
        let mm_per_tick = self.mm_per_tick("shot.speed_mm_per_s", row.speed_mm_per_s);
        let draw_ticks = self.telegraph(CLASS, "shot.draw_ms", row.draw_ms)?;
        let flight_ticks = (row.range_mm.max(0) / mm_per_tick) as u32;
        let in_time =
            (1..=LIFE_TICKS_MAX).contains(&flight_ticks) && flight_ticks + draw_ticks <= LIFE_TICKS_MAX;
        let bound = "a flight that ends within 60 ticks of its announcement";
        check(CLASS, "shot.range_mm", i64::from(row.range_mm), in_time, bound)?;
        Ok(Shot {
            draw_ticks,
            mm_per_tick,
            flight_ticks,
            width_mm: row.width_mm,
            wait_ticks: self.wait(CLASS, "shot.wait_ms", row.wait_ms, row.draw_ms)?,
            power: power("shot.damage_max", row.damage_min, row.damage_max, row.critical_percent)?,
        })
    }

    pub(super) fn slam(&mut self, kind: &str, row: &SlamRow) -> Result<Slam, ContentError> {
        let field = |name: &str| format!("{kind} slam.{name}");
        let reach = (1..=16_000).contains(&row.reach_mm);
        check(CREATURES, &field("reach_mm"), i64::from(row.reach_mm), reach, "1 to 16000 mm")?;
        check(CREATURES, &field("damage"), i64::from(row.damage), row.damage < 1_500, "0 to 1499")?;
        Ok(Slam {
            reach_mm: row.reach_mm,
            radius_mm: self.radius(CREATURES, &field("radius_mm"), row.radius_mm)?,
            windup_ticks: self.telegraph(CREATURES, &field("windup_ms"), row.windup_ms)?,
            wait_ticks: self.wait(CREATURES, &field("wait_ms"), row.wait_ms, row.windup_ms)?,
            power: Power::around(row.damage),
        })
    }

    /// An announcement in ticks, rounded up: never shorter than the table says.
    fn telegraph(&self, table: &'static str, field: &str, ms: u32) -> Result<u32, ContentError> {
        let readable = (TELEGRAPH_MS_MIN..=TELEGRAPH_MS_MAX).contains(&ms);
        check(table, field, i64::from(ms), readable, TELEGRAPH)?;
        Ok(self.ticks(ms))
    }

    /// A cooldown in ticks: not over before the announcement is, so that nobody has two circles under way.
    fn wait(&self, table: &'static str, field: &str, ms: u32, windup_ms: u32) -> Result<u32, ContentError> {
        let in_bounds = (windup_ms..=WAIT_MS_MAX).contains(&ms);
        check(table, field, i64::from(ms), in_bounds, "the announcement's time to 8000 ms")?;
        Ok(self.ticks(ms))
    }

    fn radius(&mut self, table: &'static str, field: &str, mm: i32) -> Result<i32, ContentError> {
        let in_bounds = (RADIUS_STEP_MM..=RADIUS_MM_MAX).contains(&mm);
        check(table, field, i64::from(mm), in_bounds, "64 to 8000 mm")?;
        let whole = mm / RADIUS_STEP_MM * RADIUS_STEP_MM;
        if whole != mm {
            self.roundings.push(format!("{field}: {mm} mm is announced and meant as {whole} mm"));
        }
        Ok(whole)
    }
}

fn power(field: &str, damage_min: u16, damage_max: u16, percent: u8) -> Result<Power, ContentError> {
    let ordered = damage_min <= damage_max && damage_max < 2048;
    check(CLASS, field, i64::from(damage_max), ordered, "damage_min to 2047")?;
    Ok(Power { damage_min, damage_max, critical_percent: percent.min(100) })
}
