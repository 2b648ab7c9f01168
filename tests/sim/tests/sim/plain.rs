//! The engine against the plain server of `perf/reference`, which is fed the same inputs and shares neither its
//! steps nor its index, interest or clients with it: everybody must stand at the same place with the same health,
//! and each client must hold who it should.
//!
//! What a client must hold is not one set: clients look every fourth tick, each at its own turn or when something
//! jumps near them, and whoever is held counts five sixths. So a set S in tick t is right when one of the ticks
//! t - 3 to t explains it, as a look in that tick, by the positions of that tick:
//!
//! - **In by a margin.** Let k(e) be the weighted squared distance. Whoever is within 48 m and has at most 60 others
//!   that may rank before is in S: those whose 5/6 k is not above the own k (they may be held, and it may not be),
//!   up to 56 m away, and those who hit or hunt the player. 60, because a threshold may accept 61 to 64. Whoever hits
//!   or hunts the player within 48 m is in S. Whoever has died, or is not within 56 m any more, since that tick, may
//!   be missing.
//! - **Out by a margin.** Whoever is farther than 56 m, or has 64 others within 48 m whose k is below its own 5/6 k,
//!   is not in S; threats are excepted.
//! - In all of these each distance may be off by 250 mm, to the advantage of the engine: its index may round
//!   positions, to steps of 128 mm at the coarsest.

use crate::fixtures::on_threads;
use engine::columns::Columns;
use engine::{DurableId, EntityId};
use harness::drive::durable;
use harness::{Drive, Knobs, Loss, Scenario};
use netproto::Kind;
use reference::bodies::Body;
use reference::view::{Candidate, ENTER_MM};
use reference::{Habits, World};

/// How often a client looks. This and the next are the engine's numbers, written down once more: a slip there is one
/// that this test should find.
const EVERY_TICKS: u32 = 4;
/// Farther than this nobody stays in a view.
const LEAVE_MM: i32 = 56_000;
/// What the engine's rounding of positions may do to a distance.
const ROUNDING_MM: i64 = 250;
/// Members of a full view at least.
const MEMBERS_MIN: usize = 61;
/// Members at most.
const MEMBERS_MAX: usize = 64;
/// Of players and creatures, in 64ths.
const WEIGHTS: (i64, i64) = (39, 64);
/// Views are compared every so many ticks.
const COMPARE_TICKS: u32 = 20;
/// Slots that must be certain on average for a run to show something.
const CERTAIN_MIN: f64 = 40.0;

/// How somebody may rank in a look of one tick.
#[derive(Clone, Copy, Debug)]
struct Rank {
    id: EntityId,
    /// The lowest key it may have: held, and nearer than it is.
    low: i64,
    /// The highest.
    high: i64,
    /// It is near enough to enter, for certain.
    enters: bool,
}

impl Rank {
    fn of(body: &Body, own: (i32, i32), is_threat: bool) -> Self {
        let weight = if body.kind == Kind::Player { WEIGHTS.0 } else { WEIGHTS.1 };
        let far = distance_mm(body.place(), own);
        let key = |mm: i64| mm * mm * weight;
        let enters = far + ROUNDING_MM <= i64::from(ENTER_MM);
        let low = if is_threat { 0 } else { key((far - ROUNDING_MM).max(0)) * 5 / 6 };
        let high = if is_threat && enters { 0 } else { key(far + ROUNDING_MM) };
        Self { id: body.id, low, high, enters }
    }
}

fn distance_mm(a: (i32, i32), b: (i32, i32)) -> i64 {
    let (dx, dy) = (i64::from(a.0 - b.0), i64::from(a.1 - b.1));
    (dx * dx + dy * dy).isqrt()
}

/// Everybody who may count in a look of this tick.
fn ranks(world: &World, player: DurableId) -> Vec<Rank> {
    let mut near = Vec::new();
    world.gather(player, LEAVE_MM + ROUNDING_MM as i32, &mut near);
    let n_threats = near.iter().take_while(|candidate| candidate.key == 0).count();
    let threats: Vec<EntityId> = near.drain(..n_threats).map(|candidate| candidate.id).collect();
    let own = world.body_of(player).expect("a player has a body").place();
    let rank = |candidate: &Candidate| {
        let body = world.body(candidate.id).expect("a candidate has a body");
        Rank::of(body, own, threats.contains(&body.id))
    };
    near.iter().map(rank).collect()
}

/// What a look in one tick must and may lead to, for one client.
#[derive(Debug)]
struct Look {
    must: Vec<EntityId>,
    /// Sorted.
    may: Vec<EntityId>,
}

impl Look {
    fn of(world: &World, player: DurableId) -> Self {
        let ranks = ranks(world, player);
        let mut lowest: Vec<i64> = ranks.iter().map(|rank| rank.low).collect();
        let mut highest: Vec<i64> = ranks.iter().filter(|rank| rank.enters).map(|rank| rank.high).collect();
        lowest.sort_unstable();
        highest.sort_unstable();
        // Its own lowest key is no higher than its highest: it is among those counted.
        let n_maybe_before = |rank: &Rank| lowest.partition_point(|low| *low <= rank.high) - 1;
        let n_surely_before = |rank: &Rank| highest.partition_point(|high| *high < rank.low);
        let is_in = |rank: &&Rank| rank.enters && (rank.high == 0 || n_maybe_before(rank) < MEMBERS_MIN);
        let is_possible = |rank: &&Rank| n_surely_before(rank) < MEMBERS_MAX;
        let must = ranks.iter().filter(is_in).map(|rank| rank.id).collect();
        let mut may: Vec<EntityId> = ranks.iter().filter(is_possible).map(|rank| rank.id).collect();
        may.sort_unstable();
        Self { must, may }
    }

    /// What speaks against a set that this look is said to have led to: who is missing, who is too many.
    fn against(
        &self,
        held: &[EntityId],
        is_here: impl Fn(EntityId) -> bool,
    ) -> (Vec<EntityId>, Vec<EntityId>) {
        let missing = self.must.iter().filter(|id| !held.contains(id) && is_here(**id));
        let excess = held.iter().filter(|id| self.may.binary_search(id).is_err());
        (missing.copied().collect(), excess.copied().collect())
    }
}

/// Everybody stands at the same place with the same health, in both worlds.
fn compare_bodies(columns: &Columns, plain: &World, tick: u32) {
    let mut n = 0;
    for row in (0..columns.n_rows()).filter(|row| columns.id[*row] != EntityId::NONE) {
        let id = columns.id[row];
        let body =
            plain.body(id).unwrap_or_else(|| panic!("tick {tick}: {id:?} is nobody in the plain world"));
        let (ours, theirs) = ((columns.x_mm[row], columns.y_mm[row]), body.place());
        assert_eq!(ours, theirs, "tick {tick}: place of {id:?}, a {:?}", columns.kind[row]);
        assert_eq!(columns.health[row], body.health, "tick {tick}: health of {id:?}");
        n += 1;
    }
    assert_eq!(n, plain.bodies().count(), "tick {tick}: living bodies");
}

fn held(world: &engine::World, player: DurableId) -> Vec<EntityId> {
    let client = world.client_of(player).expect("the player has a client");
    client.view.slots().map(|slot| world.columns().id[client.row(slot).at()]).collect()
}

/// Views compared so far.
#[derive(Default)]
struct Tally {
    views: u64,
    wrong: u64,
    must: u64,
}

impl Tally {
    /// Holds one client's view against the looks of the last ticks.
    fn compare(&mut self, ours: &engine::World, plain: &World, n: u32, looks: &[&Look]) {
        let held = held(ours, durable(n));
        assert!(held.len() <= MEMBERS_MAX);
        let own = plain.body_of(durable(n)).expect("a player has a body").place();
        let is_here = |id: EntityId| {
            let far = plain.body(id).map(|body| distance_mm(body.place(), own));
            far.is_some_and(|far| far + ROUNDING_MM <= i64::from(LEAVE_MM))
        };
        let against: Vec<_> = looks.iter().map(|look| look.against(&held, is_here)).collect();
        let is_right = against.iter().any(|(missing, excess)| missing.is_empty() && excess.is_empty());
        if !is_right && self.wrong < 5 {
            println!("tick {}, player {n}: missing and excess are {against:?}", ours.now());
        }
        self.views += 1;
        self.must += looks[0].must.len() as u64;
        self.wrong += u64::from(!is_right);
    }
}

/// Runs both worlds and compares all bodies in every tick, all views in every twentieth.
fn check(scenario: Scenario, n_players: u32, n_ticks: u32) {
    let knobs = Knobs { scenario, n_players, n_decoding: 0, loss: Loss::Random };
    let mut drive = Drive::new(&knobs);
    // What it shows its own clients is not compared, so they may look around seldom.
    let mut plain = World::new(&scenario.config(n_players), scenario.content(), Habits::THRIFTY);
    let mut looks: Vec<Vec<Look>> = Vec::new();
    let mut tally = Tally::default();
    for tick in 1..=n_ticks {
        drive.step(|world, inputs| {
            engine::tick(world, inputs);
            plain.tick(inputs);
        });
        compare_bodies(drive.world.columns(), &plain, tick);
        if (tick + EVERY_TICKS - 1) % COMPARE_TICKS < EVERY_TICKS {
            looks.push((0..n_players).map(|n| Look::of(&plain, durable(n))).collect());
        }
        if tick.is_multiple_of(COMPARE_TICKS) {
            for n in 0..n_players {
                let looks: Vec<&Look> = looks.iter().map(|look| &look[n as usize]).collect();
                tally.compare(&drive.world, &plain, n, &looks);
            }
            looks.clear();
        }
    }
    let certain = tally.must as f64 / tally.views as f64;
    println!("{scenario:?}: {} of {} views wrong, {certain:.1} of 64 certain", tally.wrong, tally.views);
    assert_eq!(tally.wrong, 0, "of {} views", tally.views);
    assert!(certain >= CERTAIN_MIN, "{certain:.1} of 64 slots are certain: that shows too little");
    let counts = drive.world.counts();
    assert!(counts.kills > 0 && counts.respawns > 0, "nobody died, or nobody came back: {counts:?}");
}

#[test]
fn a_plain_server_sees_the_same_world_and_the_same_views_uniform() {
    on_threads(1, || check(Scenario::Uniform, 2_000, 300));
}

#[test]
fn a_plain_server_sees_the_same_world_and_the_same_views_towns() {
    on_threads(1, || check(Scenario::Towns, 2_000, 300));
}

#[test]
fn a_plain_server_sees_the_same_world_and_the_same_views_crowd() {
    on_threads(1, || check(Scenario::Crowd, 1_000, 200));
}
