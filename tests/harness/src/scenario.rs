//! Who stands where, and what they do: the same for every run of a scenario.
//!
//! Source: docs/PERFORMANCE.md "Scenarios".

use engine::rng::{Purpose, draw, within};
use engine::{Content, ZoneConfig};
use kernel::angle::{ONE_Q14, polar};
use netproto::{Command, Deed, Follow, Goal, Move, Steer};

/// Ticks per second of every scenario.
pub const HZ: u32 = 20;
/// Creatures per player.
pub const CREATURES_PER_PLAYER: u32 = 4;
const SEED: u64 = 1;
/// Direct controllers turn twice a second.
const TURN_TICKS: u32 = HZ / 2;
/// Everybody swings once a second.
const SWING_TICKS: u32 = HZ;
const CROWD_RADIUS_MM: i32 = 60_000;
const TOWNS: u32 = 5;

/// How players and creatures are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Everybody anywhere.
    Uniform,
    /// Four of five players in five discs that cover a twentieth of the square.
    Towns,
    /// Everybody, and every creature, within 60 m.
    Crowd,
}

impl std::str::FromStr for Scenario {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "uniform" => Ok(Self::Uniform),
            "towns" => Ok(Self::Towns),
            "crowd" => Ok(Self::Crowd),
            other => Err(format!("no scenario {other:?}; there are uniform, towns and crowd")),
        }
    }
}

impl Scenario {
    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Towns => "towns",
            Self::Crowd => "crowd",
        }
    }

    /// The zone of so many players.
    #[must_use]
    pub fn config(self, n_players: u32) -> ZoneConfig {
        let side_mm = if n_players <= 500 {
            512_000
        } else if n_players <= 2_000 {
            1_024_000
        } else {
            2_048_000
        };
        ZoneConfig {
            seed: SEED,
            side_mm,
            ticks_per_second: HZ,
            players_max: n_players,
            creatures: n_players * CREATURES_PER_PLAYER,
            spawn_radius_mm: 100_000,
            den_radius_mm: if self == Self::Crowd { CROWD_RADIUS_MM } else { 0 },
        }
    }

    /// Content with the scenario's cast: a full circle of 4 m, at most 16 hits.
    #[must_use]
    pub fn content(self) -> Content {
        let mut content = Content::standard(HZ);
        content.class.swing.reach_mm = 4_000;
        content.class.swing.half_arc = 128;
        content
    }

    /// Where player number `n` begins.
    #[must_use]
    pub fn place(self, config: &ZoneConfig, n: u32) -> (i32, i32) {
        let chance = |salt, high| within(draw(SEED, salt, n, Purpose::PlayerSpawn), 0, high);
        let middle = config.side_mm / 2;
        match self {
            Self::Crowd => in_disc((middle, middle), CROWD_RADIUS_MM, chance(1, 255), chance(2, 1_000_000)),
            Self::Towns if !n.is_multiple_of(5) => {
                // Five discs over a twentieth of the square: each has radius = side * sqrt(0.01 / pi).
                let radius = (f64::from(config.side_mm) * (0.01 / std::f64::consts::PI).sqrt()) as i32;
                let (dx, dy) = polar((n % TOWNS * 51) as u8, config.side_mm / 10);
                let centre = (middle + dx * 3, middle + dy * 3);
                in_disc(centre, radius, chance(1, 255), chance(2, 1_000_000))
            }
            Self::Towns | Self::Uniform => (chance(1, config.side_mm - 1), chance(2, config.side_mm - 1)),
        }
    }
}

fn in_disc(centre: (i32, i32), radius_mm: i32, turn: i32, millionth: i32) -> (i32, i32) {
    let length = i64::from(radius_mm) * i64::from((millionth as u32).isqrt()) / 1000;
    let (dx, dy) = polar(turn as u8, ONE_Q14);
    let along = |middle: i32, unit: i32| middle + ((i64::from(unit) * length) >> 14) as i32;
    (along(centre.0, dx), along(centre.1, dy))
}

/// What player number `n` wants in a tick; `at` is where the body is, for choosing a goal.
///
/// Even numbers steer, odd ones click 5 to 25 m and walk there.
#[must_use]
pub fn command(n: u32, tick: u32, at: (i32, i32), home: (i32, i32)) -> Command {
    let chance = |when: u32, high| within(draw(SEED, when, n, Purpose::Wander), 0, high);
    let phase = tick.wrapping_add(n.wrapping_mul(7));
    let movement = if n.is_multiple_of(2) {
        Move::Steer(Steer { angle: chance(phase / TURN_TICKS, 255) as u32, speed: 3 })
    } else if phase.is_multiple_of(50) {
        let (dx, dy) = polar(chance(phase, 255) as u8, 5_000 + chance(phase ^ 1, 20_000));
        // Who has strayed clicks back towards home, so that the scenario keeps its shape.
        let is_astray = (at.0 - home.0).abs().max((at.1 - home.1).abs()) > 30_000;
        let from = if is_astray { home } else { at };
        let bounded = |v: i32| v.clamp(0, (1 << 22) - 1) as u32;
        Move::Goal(Goal { x_mm: bounded(from.0 + dx), y_mm: bounded(from.1 + dy) })
    } else {
        Move::Follow(Follow {})
    };
    let deed = Deed { swing: true, dash: false, aim: (phase % 256) };
    Command { movement, deed: phase.is_multiple_of(SWING_TICKS).then_some(deed) }
}
