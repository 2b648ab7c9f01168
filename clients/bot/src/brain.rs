//! What one bot wants: walk, find a creature, fight it, step out of what will hurt.

use crate::trader::distance_mm;
use client_core::effects::Circle;
use client_core::session::Session;
use kernel::angle;
use netproto::snapshot::ones;
use netproto::{Command, Deed, Follow, Goal, Kind, Move, Side, Steer};

/// How far a creature may be to be hunted.
const HUNT_MM: i64 = 16_000;
/// What lies nearer is worth walking to.
const FIND_MM: i64 = 10_000;
/// From here on a bot swings.
const SWING_MM: i64 = 2_200;
/// Nearer than this a bot need not come.
const NEAR_MM: i64 = 1_200;
/// A click leads this far.
const LEG_MM: std::ops::Range<u64> = 5_000..25_000;
/// Commands between two looks around.
const LOOK_EVERY: u32 = 4;
/// Commands between two swings, at least.
const SWING_EVERY: u32 = 12;
/// Commands between two swings of a bot that sees nobody.
const BLIND_SWING_EVERY: u32 = 20;
/// From here on a bot shoots, and casts an area, when it has not done so for a while.
const SHOOT_MM: i64 = 15_000;
const CAST_MM: i64 = 9_000;
const SHOOT_EVERY: u32 = 45;
const CAST_EVERY: u32 = 110;
/// A bot keeps this far out of a circle that will hurt it.
const MARGIN_MM: i32 = 400;
/// What it is about to do about one takes this many ticks to reach the zone, and no longer matters then.
const TOO_LATE_TICKS: u32 = 2;
/// One dash in this many commands.
const DASH_ONE_IN: u64 = 160;

/// How a bot moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Direct control, turning about twice a second.
    Keys,
    /// Clicks on the ground.
    Clicks,
}

/// A creature in reach, or something to take: where it is seen from the own body.
#[derive(Clone, Copy, Debug)]
struct Prey {
    dx: i32,
    dy: i32,
    distance_mm: i64,
}

/// One bot's mind. It counts its own commands; it has no other clock.
#[derive(Clone, Debug)]
pub struct Brain {
    style: Style,
    random: u64,
    n_commands: u32,
    heading: u8,
    speed: u32,
    turn_at: u32,
    swing_at: u32,
    shoot_at: u32,
    cast_at: u32,
    is_dodging: bool,
    prey: Option<Prey>,
    /// Something that lies there for the taking.
    find: Option<Prey>,
}

impl Brain {
    /// A mind of its own: bots of different seeds do different things.
    #[must_use]
    pub fn new(style: Style, seed: u64) -> Self {
        let random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d;
        let mut brain = Self {
            style,
            random,
            n_commands: 0,
            heading: 0,
            speed: 0,
            turn_at: 0,
            swing_at: 0,
            shoot_at: 0,
            cast_at: 0,
            is_dodging: false,
            prey: None,
            find: None,
        };
        brain.swing_at = brain.below(u64::from(BLIND_SWING_EVERY)) as u32;
        brain.shoot_at = brain.below(u64::from(SHOOT_EVERY)) as u32;
        brain.cast_at = brain.below(u64::from(CAST_EVERY)) as u32;
        brain
    }

    /// The next command, seen from the session's present view. Nothing: as before.
    ///
    /// - Cost: a few comparisons; every fourth time one pass over the occupied slots.
    pub fn decide(&mut self, session: &Session) -> Option<Command> {
        self.n_commands += 1;
        if session.view().body().is_dead() {
            self.turn_at = 0;
            self.prey = None;
            return (self.n_commands % 20 == 1).then(Command::default);
        }
        let own = session.own_at();
        if self.n_commands.is_multiple_of(LOOK_EVERY) {
            self.prey = nearest_prey(session, own);
            self.find = nearest_find(session, own);
        }
        let side_mm = session.welcome().map_or(0, |welcome| welcome.side_mm);
        let movement = self.dodge(session, own, side_mm).or_else(|| match self.style {
            Style::Keys => self.steer(),
            Style::Clicks => self.click(own, side_mm),
        });
        let deed = self.deed();
        if movement.is_none() && deed.is_none() {
            return None;
        }
        Some(Command { movement: movement.unwrap_or_else(|| self.as_before()), deed })
    }

    fn steer(&mut self) -> Option<Move> {
        if self.n_commands < self.turn_at {
            return None;
        }
        self.turn_at = self.n_commands + 6 + self.below(9) as u32;
        (self.heading, self.speed) = match self.find.or(self.prey) {
            Some(prey) if prey.distance_mm < NEAR_MM => (angle::of(prey.dx, prey.dy), 0),
            Some(prey) => (angle::of(prey.dx, prey.dy), 3),
            None => (self.below(256) as u8, 3),
        };
        Some(self.as_before())
    }

    fn click(&mut self, own: (i32, i32), side_mm: u32) -> Option<Move> {
        if self.n_commands < self.turn_at {
            return None;
        }
        let (dx, dy) = match self.find.or(self.prey) {
            Some(prey) => {
                self.turn_at = self.n_commands + 10 + self.below(10) as u32;
                (prey.dx, prey.dy)
            }
            None => {
                let leg_mm = LEG_MM.start + self.below(LEG_MM.end - LEG_MM.start);
                self.turn_at = self.n_commands + leg_mm as u32 / 300 + 5;
                angle::polar(self.below(256) as u8, leg_mm as i32)
            }
        };
        Some(goal((own.0.saturating_add(dx), own.1.saturating_add(dy)), side_mm))
    }

    /// The shortest way out of a circle that will hurt; nothing while there is none, or once the way is taken.
    fn dodge(&mut self, session: &Session, own: (i32, i32), side_mm: u32) -> Option<Move> {
        let Some(circle) = danger(session, own) else {
            self.turn_at = if self.is_dodging { self.n_commands } else { self.turn_at };
            self.is_dodging = false;
            return None;
        };
        if self.is_dodging {
            return Some(self.as_before());
        }
        self.is_dodging = true;
        let out = angle::of(own.0.wrapping_sub(circle.at.0), own.1.wrapping_sub(circle.at.1));
        (self.heading, self.speed) = (out, 3);
        let (dx, dy) = angle::polar(out, circle.radius_mm + 2 * MARGIN_MM);
        Some(match self.style {
            Style::Keys => self.as_before(),
            Style::Clicks => goal((circle.at.0.saturating_add(dx), circle.at.1.saturating_add(dy)), side_mm),
        })
    }

    /// What goes on when nothing new is wanted.
    fn as_before(&self) -> Move {
        match self.style {
            Style::Keys => Move::Steer(Steer { angle: u32::from(self.heading), speed: self.speed }),
            Style::Clicks => Move::Follow(Follow {}),
        }
    }

    fn deed(&mut self) -> Option<Deed> {
        let aim = u32::from(self.prey.map_or(self.heading, |prey| angle::of(prey.dx, prey.dy)));
        let is_near = self.prey.is_some_and(|prey| prey.distance_mm <= SWING_MM);
        let swing = self.swing_at <= self.n_commands && (is_near || self.prey.is_none());
        if swing {
            self.swing_at = self.n_commands + if is_near { SWING_EVERY } else { BLIND_SWING_EVERY };
        }
        let dash = self.below(DASH_ONE_IN) == 0;
        let far_mm = self.prey.map_or(i64::MAX, |prey| prey.distance_mm);
        let shot = self.shoot_at <= self.n_commands && (SWING_MM..=SHOOT_MM).contains(&far_mm);
        let area = !shot && self.cast_at <= self.n_commands && far_mm <= CAST_MM;
        if shot {
            self.shoot_at = self.n_commands + SHOOT_EVERY + self.below(20) as u32;
        }
        if area {
            self.cast_at = self.n_commands + CAST_EVERY + self.below(40) as u32;
        }
        let reach_64mm = if area { (far_mm / 64) as u32 } else { 0 };
        (swing || dash || area || shot).then_some(Deed { swing, dash, aim, area, shot, reach_64mm })
    }

    fn below(&mut self, n: u64) -> u64 {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % n
    }
}

/// A click on the nearest place of the square.
fn goal(at: (i32, i32), side_mm: u32) -> Move {
    let last = side_mm.saturating_sub(1) as i32;
    let within = |v: i32| v.clamp(0, last) as u32;
    Move::Goal(Goal { x_mm: within(at.0), y_mm: within(at.1) })
}

/// The next circle that will hurt a player at `own`, while something can be done about it.
fn danger(session: &Session, own: (i32, i32)) -> Option<Circle> {
    let tick = session.view().tick();
    let left = |circle: &Circle| circle.impact.wrapping_sub(tick) as i32;
    let hurts = |circle: &&Circle| {
        circle.hurts == Side::Players && left(circle) > TOO_LATE_TICKS as i32 && circle.covers(own, MARGIN_MM)
    };
    session.view().circles().iter().filter(hurts).min_by_key(|circle| left(circle)).copied()
}

/// The nearest of what lies there, if it is worth a few steps.
fn nearest_find(session: &Session, own: (i32, i32)) -> Option<Prey> {
    let drops = &session.wallet().drops;
    let places = drops.x_mm.iter().zip(&drops.y_mm).map(|(x, y)| (*x as i32, *y as i32));
    let finds = places.map(|place| Prey {
        dx: place.0.wrapping_sub(own.0),
        dy: place.1.wrapping_sub(own.1),
        distance_mm: distance_mm(own, place),
    });
    finds.filter(|find| (NEAR_MM..FIND_MM).contains(&find.distance_mm)).min_by_key(|find| find.distance_mm)
}

/// The nearest living creature that is seen within reach.
fn nearest_prey(session: &Session, own: (i32, i32)) -> Option<Prey> {
    let (view, slots) = (session.view(), session.view().slots());
    let mut nearest: Option<Prey> = None;
    for slot in ones(view.occupied()) {
        let at = slot as usize;
        if slots.kind[at] == Kind::Player || slots.vitals[at].health_128th == 0 {
            continue;
        }
        let place = slots.segment[at].at(view.tick());
        let (dx, dy) = (place.0.wrapping_sub(own.0), place.1.wrapping_sub(own.1));
        let distance_mm = (i64::from(dx).pow(2) + i64::from(dy).pow(2)).isqrt();
        if distance_mm <= nearest.map_or(HUNT_MM, |prey| prey.distance_mm) {
            nearest = Some(Prey { dx, dy, distance_mm });
        }
    }
    nearest
}

#[cfg(test)]
mod tests {
    use super::*;
    use client_core::Nanos;
    use client_core::session::Settings;
    use netproto::quantise::Segment;
    use netproto::snapshot::{FRAME_BUFFER_BYTES, Frame, Parts, Slots, encode};
    use netproto::{Header, Motion, N_GROUPS, Own, Timed, TimedBody, Vitals};

    /// One wolf, two metres to the south.
    struct Wolf;

    impl Slots for Wolf {
        fn occupant(&self, _: u32) -> (u32, Kind) {
            (1, Kind::Wolf)
        }
        fn run(&self, group: usize, _: u32) -> u64 {
            match group {
                Motion::GROUP => Segment::anchored(50_000, 52_000, 0, 0, 100).to_motion().pack(),
                Vitals::GROUP => Vitals { health_128th: 100 }.pack(),
                _ => 0,
            }
        }
        fn news_age(&self, _: u32) -> u32 {
            0
        }
    }

    fn session(with_wolf: bool) -> Session {
        told(with_wolf, &[])
    }

    fn told(with_wolf: bool, timed: &[Timed]) -> Session {
        let mut session = Session::new(Settings::default(), Nanos(0));
        session.handle_timeout(Nanos(0));
        let header = Header { tick: 100, consumed_below: 255, ..Header::default() };
        let own = Own { x_mm: 50_000, y_mm: 50_000, state: None };
        let introduced = u64::from(with_wolf);
        let parts = Parts { header, own, news: 0, introduced, steps: 0, groups: [0; N_GROUPS], timed };
        let mut buffer = [0; FRAME_BUFFER_BYTES];
        let n_bytes = encode(&parts, &Wolf, &mut buffer);
        session.handle_datagram(Nanos(1), &buffer[..n_bytes], &mut Frame::default());
        session
    }

    fn commands(style: Style, with_wolf: bool) -> Vec<Command> {
        let (mut brain, session) = (Brain::new(style, 7), session(with_wolf));
        (0..400).filter_map(|_| brain.decide(&session)).collect()
    }

    #[test]
    fn a_bot_beside_a_wolf_swings_at_it_and_walks_towards_it() {
        for style in [Style::Keys, Style::Clicks] {
            let commands = commands(style, true);
            let swings: Vec<u32> = commands
                .iter()
                .filter_map(|c| c.deed.filter(|deed| deed.swing))
                .map(|deed| deed.aim)
                .collect();
            assert!((25..=40).contains(&swings.len()), "{} swings in 400 ticks", swings.len());
            assert!(swings[3..].iter().all(|aim| *aim == 64), "{swings:?}");
        }
    }

    #[test]
    fn a_bot_that_sees_a_wolf_shoots_and_casts_now_and_then_where_it_stands() {
        let deeds: Vec<Deed> =
            commands(Style::Keys, true).iter().filter_map(|command| command.deed).collect();
        let areas: Vec<&Deed> = deeds.iter().filter(|deed| deed.area).collect();
        assert!((2..=4).contains(&areas.len()), "{} areas in 20 s", areas.len());
        assert!(areas.iter().all(|deed| (deed.aim, deed.reach_64mm) == (64, 2_000 / 64)), "{areas:?}");
        assert!(deeds.iter().all(|deed| !deed.shot), "a wolf at two metres is no target for a bow");
    }

    #[test]
    fn a_bot_walks_out_of_a_circle_that_will_hurt_it_and_not_out_of_others() {
        let circle = |hurts, windup_ticks| {
            let (x_16mm, y_16mm) = (50_000 / 16, 49_000 / 16);
            let circle = netproto::Circle {
                x_16mm,
                y_16mm,
                radius_64mm: 39,
                windup_ticks,
                hurts,
                ..Default::default()
            };
            [Timed { sequence: 0, age: 0, body: TimedBody::Circle(circle) }]
        };
        let first = |style, timed: &[Timed]| {
            let (mut brain, session) = (Brain::new(style, 7), told(false, timed));
            brain.turn_at = 1_000;
            brain.decide(&session).map(|command| command.movement)
        };
        let danger = circle(Side::Players, 16);
        assert_eq!(first(Style::Keys, &danger), Some(Move::Steer(Steer { angle: 64, speed: 3 })));
        assert!(matches!(first(Style::Clicks, &danger), Some(Move::Goal(_))));
        for harmless in [circle(Side::Creatures, 16), circle(Side::Players, TOO_LATE_TICKS as i32)] {
            assert_ne!(first(Style::Keys, &harmless), Some(Move::Steer(Steer { angle: 64, speed: 3 })));
        }
    }

    #[test]
    fn a_lonely_bot_turns_about_twice_a_second_or_clicks_legs_of_five_to_twenty_five_metres() {
        let mut headings: Vec<u32> = commands(Style::Keys, false)
            .iter()
            .filter_map(|c| if let Move::Steer(steer) = c.movement { Some(steer.angle) } else { None })
            .collect();
        headings.dedup();
        assert!((30..=50).contains(&headings.len()), "{} turns in 20 s", headings.len());
        let (mut brain, mut session) = (Brain::new(Style::Clicks, 7), session(false));
        let welcome = netproto::Welcome { side_mm: 1 << 20, ticks_per_second: 20, ..Default::default() };
        let mut bytes = Vec::new();
        welcome.encode(&mut bytes);
        session.handle_record(Nanos(2), &bytes);
        let goals: Vec<Goal> = (0..4_000)
            .filter_map(|_| brain.decide(&session))
            .filter_map(|c| if let Move::Goal(goal) = c.movement { Some(goal) } else { None })
            .collect();
        assert!(goals.len() > 40);
        for goal in goals {
            let leg = (f64::from(goal.x_mm) - 50e3).hypot(f64::from(goal.y_mm) - 50e3);
            assert!(leg < 25_100.0, "a leg of {leg} mm");
        }
    }
}
