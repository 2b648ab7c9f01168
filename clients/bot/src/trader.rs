//! What one bot wants to own: it takes what lies there, and gives, trades, captures and lets go as people do.

use client_core::session::Session;
use netproto::records::{Capture, Give, Offer, PickUp, PutDown, Reply, SetFree};
use netproto::snapshot::ones;
use netproto::{Kind, Record};
use std::collections::VecDeque;

/// What lies nearer is picked up.
const PICK_UP_MM: i64 = 2_700;
/// Others nearer than this are given something.
const GIVE_MM: i64 = 4_500;
/// Weak creatures nearer than this are captured.
const CAPTURE_MM: i64 = 3_700;
/// Weak enough: health in 128ths.
const WEAK_128TH: u32 = 31;
/// Commands between two looks around, and between two tries for the same thing.
const LOOK_EVERY: u32 = 4;
const TRY_EVERY: u32 = 20;
/// Commands between two whims, at least, and as many more at most.
const WHIM_EVERY: u32 = 30;
/// A stable with more than this loses one by and by.
const STABLE_FULL: usize = 6;
/// Things that are known to be worth something, gold among them.
const THINGS: u64 = 6;

/// One bot's wishes. It counts commands; it has no other clock.
#[derive(Clone, Debug)]
pub struct Trader {
    random: u64,
    n_commands: u32,
    whim_at: u32,
    /// What was tried last, and when to try it again.
    tried: (u32, u32),
    offers: VecDeque<u32>,
}

impl Trader {
    /// Wishes of its own.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let random = seed.wrapping_mul(0xd134_2543_de82_ef95) ^ 0x2545_f491_4f6c_dd1d;
        let mut trader = Self { random, n_commands: 0, whim_at: 0, tried: (0, 0), offers: VecDeque::new() };
        trader.whim_at = trader.below(u64::from(2 * WHIM_EVERY)) as u32;
        trader
    }

    /// Somebody offers a trade.
    pub fn handle_offered(&mut self, offer: u32) {
        self.offers.push_back(offer);
    }

    /// What to ask for now.
    ///
    /// - Cost: a few comparisons; every fourth time one pass over the occupied slots.
    pub fn decide(&mut self, session: &Session) -> Option<Record> {
        self.n_commands += 1;
        if session.view().body().is_dead() {
            return None;
        }
        if let Some(offer) = self.offers.pop_front() {
            let accepts = self.below(4) > 0;
            return Some(Record::Reply(Reply { request: 0, offer, accepts }));
        }
        if !self.n_commands.is_multiple_of(LOOK_EVERY) {
            return None;
        }
        self.take(session).or_else(|| self.capture(session)).or_else(|| self.whim(session))
    }

    fn take(&mut self, session: &Session) -> Option<Record> {
        let drops = &session.wallet().drops;
        let own = session.own_at();
        let places = drops.x_mm.iter().zip(&drops.y_mm).map(|(x, y)| (*x as i32, *y as i32));
        let near = places.map(|place| distance_mm(own, place)).position(|far| far <= PICK_UP_MM)?;
        let (low, high) = (drops.low[near], drops.high[near]);
        self.tries(low).then_some(Record::PickUp(PickUp { request: 0, low, high }))
    }

    fn capture(&mut self, session: &Session) -> Option<Record> {
        let slots = session.view().slots();
        let is_weak = |at: &usize| (1..=WEAK_128TH).contains(&slots.vitals[*at].health_128th);
        let target = seen(session, CAPTURE_MM, |kind| kind != Kind::Player).find(is_weak)?;
        let target = slots.entity[target];
        self.tries(target).then_some(Record::Capture(Capture { request: 0, target }))
    }

    /// Something that nobody asked for, now and then.
    fn whim(&mut self, session: &Session) -> Option<Record> {
        if self.n_commands < self.whim_at {
            return None;
        }
        self.whim_at = self.n_commands + WHIM_EVERY + self.below(u64::from(WHIM_EVERY)) as u32;
        let wallet = session.wallet();
        let other = seen(session, GIVE_MM, |kind| kind == Kind::Player).next();
        let other = other.map(|at| session.view().slots().entity[at]);
        let own = self.below(wallet.goods.len().max(1) as u64) as usize;
        let (thing, most) = wallet.goods.get(own).copied()?;
        let count = 1 + self.below(u64::from(most.min(3))) as u32;
        match (self.below(5), other) {
            (0, _) if wallet.beasts.len() > STABLE_FULL => {
                let at = self.below(wallet.beasts.len() as u64) as usize;
                let beast = wallet.beasts[at];
                Some(Record::SetFree(SetFree { request: 0, low: beast.low, high: beast.high }))
            }
            (0, _) | (_, None) => Some(Record::PutDown(PutDown { request: 0, thing, count })),
            (1, Some(to)) => Some(Record::Give(Give { request: 0, to, thing, count })),
            (_, Some(to)) => {
                // Most have some gold, whatever else they have.
                let want = if self.below(2) == 0 { 0 } else { self.below(THINGS) as u32 };
                Some(Record::Offer(Offer {
                    request: 0,
                    to,
                    give_thing: vec![thing],
                    give_count: vec![count],
                    want_thing: vec![want],
                    want_count: vec![1],
                }))
            }
        }
    }

    /// Whether to try for this now, and not again at once.
    fn tries(&mut self, what: u32) -> bool {
        let is_new = self.tried.0 != what || self.tried.1 <= self.n_commands;
        if is_new {
            self.tried = (what, self.n_commands + TRY_EVERY);
        }
        is_new
    }

    fn below(&mut self, n: u64) -> u64 {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % n
    }
}

/// Slots of those who are seen within reach.
fn seen(session: &Session, reach_mm: i64, wanted: impl Fn(Kind) -> bool) -> impl Iterator<Item = usize> {
    let (view, own) = (session.view(), session.own_at());
    let slots = view.slots();
    ones(view.occupied()).map(|slot| slot as usize).filter(move |at| {
        wanted(slots.kind[*at]) && distance_mm(own, slots.segment[*at].at(view.tick())) <= reach_mm
    })
}

pub(crate) fn distance_mm(a: (i32, i32), b: (i32, i32)) -> i64 {
    let (dx, dy) = (i64::from(a.0) - i64::from(b.0), i64::from(a.1) - i64::from(b.1));
    (dx * dx + dy * dy).isqrt()
}
