//! When clients learnt of what was announced, against when it was announced.

use client_core::view::View;
use engine::interest::ENTER_MM;
use engine::step::casts::{Cast, Shape};
use engine::{DurableId, World};
use netproto::snapshot::Frame;
use netproto::{Skill, TimedBody};
use std::collections::{BTreeMap, HashMap};

/// Distances in the engine are in steps of 16 mm.
const ROUNDING_MM: i32 = 50;

/// One announcement for one client.
type Told = (DurableId, u32, u32, Skill);

/// Announcements that concern decoding clients: they cover the client, or are as near as what may enter its view.
#[derive(Clone, Debug, Default)]
pub struct Witness {
    /// Announcements that concern a client, and whose impact has come.
    pub n_told: u64,
    /// Of these, covering the client when they were made, and hurting players.
    pub n_covering: u64,
    /// Counts by the ticks from the departure of the snapshot that first brought an announcement to the earliest
    /// impact; 0: it never came.
    pub by_ticks_left: BTreeMap<u32, u64>,
    /// Announcements that a client saw at another place, with another size or at another time than the world.
    pub n_wrong: u64,
    open: HashMap<Told, Open>,
}

/// An announcement on its way.
#[derive(Clone, Copy, Debug)]
struct Open {
    cast: Cast,
    /// Ticks between departure and earliest impact, once it has arrived.
    ticks_left: Option<u32>,
}

/// The first tick in which a cast can hurt somebody, or the release of a projectile.
fn earliest(cast: &Cast) -> u32 {
    match cast.shape {
        Shape::Circle { impact, .. } => impact,
        Shape::Flight { release, .. } => release,
    }
}

impl Witness {
    /// Share of announcements that left at least so many ticks before the earliest impact, and arrived.
    #[must_use]
    pub fn share_with(&self, ticks_left: u32) -> f64 {
        let in_time: u64 = self.by_ticks_left.range(ticks_left.max(1)..).map(|(_, n)| n).sum();
        in_time as f64 / self.n_told.max(1) as f64
    }

    /// The world has stepped: notes what it announced, and settles what has happened since.
    pub fn announce(&mut self, world: &World, clients: impl Iterator<Item = DurableId>) {
        let now = world.now();
        let new = world.casts().iter().filter(|cast| cast.announced == now);
        for player in clients {
            let Some(at) = standing(world, player) else { continue };
            for cast in new.clone() {
                let is_covering = covers(cast, at);
                if is_covering || distance(cast, at) <= f64::from(ENTER_MM - ROUNDING_MM) {
                    let told = (player, cast.owner.0, now, cast.skill);
                    self.open.insert(told, Open { cast: *cast, ticks_left: None });
                    self.n_covering += u64::from(is_covering && cast.skill == Skill::Slam);
                }
            }
        }
        let Self { open, n_told, by_ticks_left, .. } = self;
        open.retain(|_, open| {
            let is_open = now <= earliest(&open.cast);
            if !is_open {
                *n_told += 1;
                *by_ticks_left.entry(open.ticks_left.unwrap_or(0)).or_default() += 1;
            }
            is_open
        });
    }

    /// A client applied a snapshot.
    pub fn applied(&mut self, player: DurableId, view: &View, frame: &Frame) {
        for timed in view.fresh_timed() {
            let announced = frame.header.tick - timed.age;
            let (owner, skill) = match timed.body {
                TimedBody::Circle(circle) => (circle.owner, circle.skill),
                TimedBody::Shot(shot) => (shot.owner, shot.skill),
                TimedBody::Hit(_) | TimedBody::ShotEnd(_) => continue,
            };
            let Some(open) = self.open.get_mut(&(player, owner, announced, skill)) else { continue };
            // It may come again under another sequence; what counts is the first time.
            open.ticks_left.get_or_insert(earliest(&open.cast).saturating_sub(frame.header.tick));
            self.n_wrong += u64::from(!is_seen(view, &open.cast));
        }
    }
}

/// Where the body of a player with a client is.
fn standing(world: &World, player: DurableId) -> Option<(i32, i32)> {
    world.client_of(player)?;
    Some(world.columns().place(world.row_of(world.entity_of(player)?)?))
}

fn distance(cast: &Cast, at: (i32, i32)) -> f64 {
    f64::from(at.0 - cast.at.0).hypot(f64::from(at.1 - cast.at.1))
}

fn covers(cast: &Cast, at: (i32, i32)) -> bool {
    let Shape::Circle { radius_mm, .. } = cast.shape else { return false };
    distance(cast, at) <= f64::from(radius_mm)
}

/// Whether a view shows a cast as it is.
fn is_seen(view: &View, cast: &Cast) -> bool {
    match cast.shape {
        Shape::Circle { radius_mm, impact, .. } => view.circles().iter().any(|circle| {
            circle.owner == cast.owner.0
                && (circle.at, circle.radius_mm, circle.impact) == (cast.at, radius_mm, impact)
                && (circle.announced, circle.hurts) == (cast.announced, cast.hurts)
        }),
        Shape::Flight { velocity, release, .. } => view.shots().iter().any(|shot| {
            shot.owner == cast.owner.0
                && (shot.start, shot.velocity, shot.release) == (cast.at, velocity, release)
                && (shot.announced, shot.hurts) == (cast.announced, cast.hurts)
        }),
    }
}
