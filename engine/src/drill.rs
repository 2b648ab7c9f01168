//! Walking by plan: a zone whose players go where it says, whatever they command. For measurements that compare with
//! other engines, where everybody must do equal work.
//!
//! Each player walks straight at a third of full speed and turns by chance, and health changes by chance. Nothing is
//! kept for it: what a player did last is in its command queue. Commands are received, judged and consumed as ever;
//! they decide nothing. It begins with an input, so a recording holds it.
//!
//! Source: docs/PERFORMANCE.md "W1".

use crate::rng::{Purpose, draw};
use crate::world::Setting;
use kernel::angle::polar;
use netproto::{Command, Move, Steer};

/// Thirds of full speed.
const SPEED: u32 = 1;
/// Who comes this near to the edge of the square turns until it leads inside.
const EDGE_MM: i32 = 500;
/// Of so many.
const WHOLE: u64 = 1000;

/// How often what happens to each player, in thousandths per tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drill {
    /// It turns.
    pub turn_permille: u16,
    /// Its health changes.
    pub wound_permille: u16,
}

impl Drill {
    /// A turn every four seconds, a change of health every second.
    pub const W1: Self = Self { turn_permille: 12, wound_permille: 50 };
    /// The same with a turn in every fifth tick.
    pub const W1_J: Self = Self { turn_permille: 200, ..Self::W1 };

    /// What player number `id` does at `place`, who did `last` in the tick before.
    #[must_use]
    pub(crate) fn command(
        self,
        setting: &Setting<'_>,
        id: u32,
        place: (i32, i32),
        last: &Command,
    ) -> Command {
        let chance = draw(setting.seed, setting.now, id, Purpose::Drill);
        let angle = match last.movement {
            Move::Steer(steer) if steer.speed == SPEED && !leads_out(place, steer.angle, setting.side_mm) => {
                Some(steer.angle)
            }
            _ => None,
        };
        let angle = angle.filter(|_| chance % WHOLE >= u64::from(self.turn_permille));
        let angle = angle.unwrap_or((chance >> 32) as u32 & 255);
        Command { movement: Move::Steer(Steer { angle, speed: SPEED }), deed: None }
    }

    /// Health of player number `id` from this tick on, if it changes; 1 to `most`.
    #[must_use]
    pub(crate) fn health(self, setting: &Setting<'_>, id: u32, most: u16) -> Option<u16> {
        let chance = draw(setting.seed, setting.now, id, Purpose::Damage);
        let is_hit = chance % WHOLE < u64::from(self.wound_permille);
        is_hit.then(|| 1 + ((chance >> 32) % u64::from(most)) as u16)
    }
}

fn leads_out((x, y): (i32, i32), angle: u32, side_mm: i32) -> bool {
    let inside = EDGE_MM..side_mm - EDGE_MM;
    if inside.contains(&x) && inside.contains(&y) {
        return false;
    }
    let (dx, dy) = polar(angle as u8, EDGE_MM);
    let is_out = |at: i32, step: i32| (at < EDGE_MM && step < 0) || (at >= side_mm - EDGE_MM && step > 0);
    is_out(x, dx) || is_out(y, dy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_is_at_the_edge_and_walks_over_it_is_led_inside() {
        let side_mm = 100_000;
        for (place, angle, expected) in [
            ((50_000, 50_000), 0, false),
            ((99_900, 50_000), 0, true),
            ((99_900, 50_000), 128, false),
            ((100, 50_000), 128, true),
            ((50_000, 99_900), 64, true),
            ((50_000, 99_900), 192, false),
        ] {
            assert_eq!(leads_out(place, angle, side_mm), expected, "{place:?} at {angle}");
        }
    }
}
