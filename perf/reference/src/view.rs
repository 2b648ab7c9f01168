//! What a client is told: the 64 nearest, by weight, and of these what has changed since it was told last.
//!
//! A frame is bytes in the machine's reach, nothing packed: tick and newest consumed command (u32 each) | own
//! place (i32 each) and health (u16) | number of records (u8), each a mask (u8: bit 0 place, bit 1 state), who
//! (u32) and the words of the mask (u32 each) | number of those who left (u8), each a u32 | number of hits (u8),
//! each source and target (u32), amount (u16), flags (u8). Little-endian.

use crate::bodies::{Body, Player, Words};
use crate::combat::Event;
use crate::grid::{Grid, distance2, square};
use engine::EntityId;
use engine::ids::Handles;
use netproto::{Kind, SLOTS};
use rustc_hash::FxHashMap;

/// Nearer than this somebody may be shown.
pub const ENTER_MM: i32 = 48_000;
/// Weights of squared distances, in 64ths.
pub const WEIGHT_PLAYER: u64 = 39;
/// As [`WEIGHT_PLAYER`].
pub const WEIGHT_CREATURE: u64 = 64;
/// Hits that a client is told of in one tick.
const EVENTS_MAX: usize = 16;

/// How plain the rival is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Habits {
    /// Clients look around every so many ticks; plain servers do in every one.
    pub look_every_ticks: u32,
    /// All candidates are sorted; otherwise the nearest 64 are set apart before.
    pub sorts_all: bool,
}

impl Habits {
    /// What is usually done.
    pub const PLAIN: Self = Self { look_every_ticks: 1, sorts_all: true };
    /// With two of our ideas that need no other design.
    pub const THRIFTY: Self = Self { look_every_ticks: 4, sorts_all: false };
}

/// Somebody who may be shown; the lowest come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Candidate {
    /// Squared distance in mm times weight, plus one; 0: hit or hunts the player.
    pub key: u64,
    /// Who: decides ties.
    pub id: EntityId,
    /// Place in the vector of bodies.
    pub at: u32,
}

/// What a client was told of somebody.
#[derive(Clone, Copy, Debug)]
struct Told {
    words: Words,
    /// When it was among the nearest last.
    seen_tick: u32,
}

/// One client.
#[derive(Clone, Debug, Default)]
pub struct Client {
    told: FxHashMap<EntityId, Told>,
    /// Who is shown: kept for the ticks without a look.
    shown: Vec<Candidate>,
    events: Vec<Event>,
    /// What it is told in this tick.
    pub frame: Vec<u8>,
}

/// What serving a client reads.
pub struct Scene<'a> {
    /// All bodies, published.
    pub bodies: &'a [Body],
    /// The grid of this tick.
    pub grid: &'a Grid,
    /// Finds threats.
    pub names: &'a Handles,
    /// This tick.
    pub now: u32,
}

impl Client {
    /// Notes a hit for the next frame.
    pub fn tell(&mut self, event: Event) {
        if self.events.len() < EVENTS_MAX {
            self.events.push(event);
        }
    }

    /// Chooses who is shown, and writes the frame of this tick.
    ///
    /// - Cost: one query of the grid, one sort, 64 look-ups; no allocation once all buffers have grown.
    pub fn serve(
        &mut self,
        own: usize,
        player: &Player,
        scene: &Scene<'_>,
        habits: Habits,
        near: &mut Vec<Candidate>,
    ) {
        if scene.now.wrapping_add(own as u32).is_multiple_of(habits.look_every_ticks) {
            gather(own, ENTER_MM, player, scene, near);
            choose(player, scene.now, near, habits.sorts_all, &mut self.shown);
        }
        self.write(own, player, scene);
    }

    fn write(&mut self, own: usize, player: &Player, scene: &Scene<'_>) {
        let Self { told, shown, events, frame } = self;
        let body = &scene.bodies[own];
        frame.clear();
        frame.extend_from_slice(&scene.now.to_le_bytes());
        frame.extend_from_slice(&player.queue.newest_consumed.to_le_bytes());
        frame.extend_from_slice(&body.x_mm.to_le_bytes());
        frame.extend_from_slice(&body.y_mm.to_le_bytes());
        frame.extend_from_slice(&body.health.to_le_bytes());
        let n_records_at = begin_list(frame);
        for candidate in shown.iter() {
            let body = &scene.bodies[candidate.at as usize];
            if body.id != candidate.id {
                continue; // it died since the last look
            }
            let mut mask = 3u8;
            told.entry(body.id)
                .and_modify(|told| {
                    let is_new = |at: usize| u8::from(told.words[at] != body.words[at]) << at;
                    mask = is_new(0) | is_new(1);
                    *told = Told { words: body.words, seen_tick: scene.now };
                })
                .or_insert(Told { words: body.words, seen_tick: scene.now });
            if mask != 0 {
                frame[n_records_at] += 1;
                write_record(frame, mask, body);
            }
        }
        write_left(frame, told, shown.len(), scene.now);
        frame.push(events.len() as u8);
        for event in events.drain(..) {
            frame.extend_from_slice(&event.source.0.to_le_bytes());
            frame.extend_from_slice(&event.target.0.to_le_bytes());
            frame.extend_from_slice(&event.amount.to_le_bytes());
            frame.push(event.flags);
        }
    }
}

/// Everybody within reach, in no order; whoever hit or hunts the player is there once more, with key 0.
///
/// - Shapes: `near` is emptied first; those with key 0 come first.
pub fn gather(own: usize, reach_mm: i32, player: &Player, scene: &Scene<'_>, near: &mut Vec<Candidate>) {
    let place = scene.bodies[own].place();
    near.clear();
    for (id, until) in player.threats {
        let at = if until > scene.now { scene.names.row_of(id).map(engine::Row::at) } else { None };
        let at = at.filter(|at| distance2(place, scene.bodies[*at].place()) <= square(reach_mm));
        near.extend(at.map(|at| Candidate { key: 0, id, at: at as u32 }));
    }
    scene.grid.around(place, reach_mm, |entry| {
        let d2 = distance2(place, (entry.x_mm, entry.y_mm));
        if d2 <= square(reach_mm) && entry.at as usize != own {
            let weight = if entry.kind == Kind::Player { WEIGHT_PLAYER } else { WEIGHT_CREATURE };
            near.push(Candidate { key: d2 as u64 * weight + 1, id: entry.id, at: entry.at });
        }
    });
}

/// The lowest 64, threats once.
fn choose(player: &Player, now: u32, near: &mut Vec<Candidate>, sorts_all: bool, shown: &mut Vec<Candidate>) {
    let n_threats = near.iter().take_while(|candidate| candidate.key == 0).count();
    let n_wanted = SLOTS + n_threats; // each threat may be there twice
    if !sorts_all && near.len() > n_wanted {
        near.select_nth_unstable(n_wanted - 1);
        near.truncate(n_wanted);
    }
    near.sort_unstable();
    let is_twice = |candidate: &&Candidate| {
        n_threats > 0
            && candidate.key > 0
            && player.threats.iter().any(|(id, until)| *id == candidate.id && *until > now)
    };
    shown.clear();
    shown.extend(near.iter().filter(|candidate| !is_twice(candidate)).take(SLOTS));
}

/// Reserves the count of a list; returns where it stands.
fn begin_list(frame: &mut Vec<u8>) -> usize {
    frame.push(0);
    frame.len() - 1
}

fn write_record(frame: &mut Vec<u8>, mask: u8, body: &Body) {
    frame.push(mask);
    frame.extend_from_slice(&body.id.0.to_le_bytes());
    for (at, word) in body.words.iter().enumerate() {
        if mask >> at & 1 == 1 {
            frame.extend_from_slice(&word.to_le_bytes());
        }
    }
}

/// Whoever was told of and is not shown any more.
fn write_left(frame: &mut Vec<u8>, told: &mut FxHashMap<EntityId, Told>, n_shown: usize, now: u32) {
    let n_left_at = begin_list(frame);
    if told.len() == n_shown {
        return; // everybody shown was told of: nobody else can be left
    }
    told.retain(|id, told| {
        let stays = told.seen_tick == now;
        if !stays {
            frame[n_left_at] += 1;
            frame.extend_from_slice(&id.0.to_le_bytes());
        }
        stays
    });
}
