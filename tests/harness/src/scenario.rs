//! Who stands where, and what they do: the same for every run of a scenario.
//!
//! Source: docs/PERFORMANCE.md "Scenarios".

use engine::layout::{anywhere, in_disc, in_towns};
use engine::rng::{Purpose, draw, within};
use engine::{Content, Drill, Sending, ZoneConfig};
use kernel::angle::polar;
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
/// Area of a brawl per player.
const BRAWL_MM2: u64 = 300 * 1_000_000;
/// In a brawl everybody casts every other second, by turns an area and a shot.
const CAST_TICKS: u32 = 2 * HZ;

/// How players and creatures are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Everybody anywhere.
    Uniform,
    /// Four of five players in five discs that cover a twentieth of the square.
    Towns,
    /// Everybody, and every creature, within 60 m.
    Crowd,
    /// As `Uniform`, on an area that grows with the players, but everybody casts and shoots as often as may be, and
    /// creatures slam.
    Brawl,
    /// Everybody anywhere, at the same density for any number, and players walk by plan: a workload with which other
    /// engines were measured, at a third of its lengths. No creatures.
    W1,
    /// The same with many turns.
    W1J,
}

impl std::str::FromStr for Scenario {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "uniform" => Ok(Self::Uniform),
            "towns" => Ok(Self::Towns),
            "crowd" => Ok(Self::Crowd),
            "brawl" => Ok(Self::Brawl),
            "w1" => Ok(Self::W1),
            "w1-j" => Ok(Self::W1J),
            other => {
                Err(format!("no scenario {other:?}; there are uniform, towns, crowd, brawl, w1 and w1-j"))
            }
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
            Self::Brawl => "brawl",
            Self::W1 => "w1",
            Self::W1J => "w1-j",
        }
    }

    /// The zone of so many players.
    #[must_use]
    pub fn config(self, n_players: u32) -> ZoneConfig {
        let side_mm = if self.drill().is_some() {
            w1_side_mm(n_players)
        } else if self == Self::Brawl {
            // One player on 300 square metres.
            ((u64::from(n_players) * BRAWL_MM2).isqrt() as i32).max(65_536)
        } else if n_players <= 500 {
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
            creatures: if self.drill().is_some() { 0 } else { n_players * CREATURES_PER_PLAYER },
            spawn_radius_mm: (side_mm / 2_000 * 1_000).min(100_000),
            den_radius_mm: if self == Self::Crowd { CROWD_RADIUS_MM } else { 0 },
            sending: Sending::EveryTick,
        }
    }

    /// Content with the scenario's cast: a full circle of 4 m, at most 16 hits. Creatures slam in a brawl only:
    /// the others have stayed the same since there was nothing but swings.
    #[must_use]
    pub fn content(self) -> Content {
        let mut content = Content::standard(HZ);
        content.class.swing.reach_mm = 4_000;
        content.class.swing.half_arc = 128;
        if self != Self::Brawl {
            content.creatures.iter_mut().for_each(|creature| creature.slam = None);
        }
        content
    }

    /// The plan by which players walk, where they do not do what they command.
    #[must_use]
    pub fn drill(self) -> Option<Drill> {
        match self {
            Self::W1 => Some(Drill::W1),
            Self::W1J => Some(Drill::W1_J),
            Self::Uniform | Self::Towns | Self::Crowd | Self::Brawl => None,
        }
    }

    /// Where player number `n` begins.
    #[must_use]
    pub fn place(self, config: &ZoneConfig, n: u32) -> (i32, i32) {
        let chance = |salt, high| within(draw(SEED, salt, n, Purpose::PlayerSpawn), 0, high);
        let middle = config.side_mm / 2;
        match self {
            Self::Crowd => in_disc((middle, middle), CROWD_RADIUS_MM, chance(1, 255), chance(2, 1_000_000)),
            Self::Towns => in_towns(SEED, config.side_mm, n),
            Self::W1 | Self::W1J => anywhere(SEED, config.side_mm, n),
            Self::Uniform | Self::Brawl => (chance(1, config.side_mm - 1), chance(2, config.side_mm - 1)),
        }
    }
}

impl Scenario {
    /// What player number `n` wants in a tick; `at` is where the body is, for choosing a goal.
    #[must_use]
    pub fn command(self, n: u32, tick: u32, at: (i32, i32), home: (i32, i32)) -> Command {
        let mut command = command(n, tick, at, home);
        if self.drill().is_some() {
            // Received and judged, and no more.
            let angle = phase(n, tick) / TURN_TICKS * 37 % 256;
            return Command { movement: Move::Steer(Steer { angle, speed: 3 }), deed: None };
        }
        if self == Self::Brawl {
            let phase = phase(n, tick);
            let (area, shot) = (phase % CAST_TICKS == 3, phase % CAST_TICKS == CAST_TICKS / 2 + 3);
            if area || shot {
                let reach_64mm = draw(SEED, phase, n, Purpose::Look) as u32 % 160;
                command.deed = Some(Deed { area, shot, reach_64mm, aim: phase % 256, ..Deed::default() });
            }
        }
        command
    }
}

/// 1,024 m for 2,000 players, a third of it, in whole metres.
fn w1_side_mm(n_players: u32) -> i32 {
    let square_mm2 = u64::from(n_players) * 1_024_000 * 1_024_000 / 2_000 / 9;
    (square_mm2.isqrt() as i32 / 1_000 * 1_000).max(66_000)
}

/// What player number `n` wants in a tick where there are only swings.
///
/// Even numbers steer, odd ones click 5 to 25 m and walk there.
#[must_use]
pub fn command(n: u32, tick: u32, at: (i32, i32), home: (i32, i32)) -> Command {
    let phase = phase(n, tick);
    let deed = Deed { swing: true, aim: phase % 256, ..Deed::default() };
    let is_time = phase.is_multiple_of(SWING_TICKS);
    Command { movement: movement(n, phase, at, home), deed: is_time.then_some(deed) }
}

/// Players do not do all at once.
fn phase(n: u32, tick: u32) -> u32 {
    tick.wrapping_add(n.wrapping_mul(7))
}

fn movement(n: u32, phase: u32, at: (i32, i32), home: (i32, i32)) -> Move {
    let chance = |when: u32, high| within(draw(SEED, when, n, Purpose::Wander), 0, high);
    if n.is_multiple_of(2) {
        return Move::Steer(Steer { angle: chance(phase / TURN_TICKS, 255) as u32, speed: 3 });
    }
    if !phase.is_multiple_of(50) {
        return Move::Follow(Follow {});
    }
    let (dx, dy) = polar(chance(phase, 255) as u8, 5_000 + chance(phase ^ 1, 20_000));
    // Who has strayed clicks back towards home, so that the scenario keeps its shape.
    let is_astray = (at.0 - home.0).abs().max((at.1 - home.1).abs()) > 30_000;
    let from = if is_astray { home } else { at };
    let bounded = |v: i32| v.clamp(0, (1 << 22) - 1) as u32;
    Move::Goal(Goal { x_mm: bounded(from.0 + dx), y_mm: bounded(from.1 + dy) })
}
