//! What the player owns, what lies near, and orders that have no answer yet.
//!
//! An order that was sent may or may not have been followed when a connection breaks. It keeps its number and is sent again
//! over the next one: the zone follows it once. Source: docs/PROTOCOL.md "Orders".

use crate::talk::Event;
use netproto::records::{Answer, Drops, Purse};
use netproto::{Kind, Outcome, Record};
use std::collections::VecDeque;

/// Orders without an answer at most: the zone remembers 32.
pub const OPEN_MAX: usize = 8;

/// A captured creature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beast {
    /// Durable id, low half.
    pub low: u32,
    /// High half.
    pub high: u32,
    /// What it is.
    pub kind: Kind,
}

/// One player's end of the economy.
#[derive(Clone, Debug, Default)]
pub struct Wallet {
    /// What there is some of, and how many; thing 0 is gold.
    pub goods: Vec<(u32, u32)>,
    /// Captured creatures.
    pub beasts: Vec<Beast>,
    /// What lies near, the nearest first when it was told.
    pub drops: Drops,
    /// The highest request that the zone or we have used.
    newest: u32,
    /// Orders without an answer, oldest first.
    open: VecDeque<(u32, Vec<u8>)>,
}

impl Wallet {
    /// How many of a thing.
    #[must_use]
    pub fn count(&self, thing: u32) -> u32 {
        self.goods.iter().find(|goods| goods.0 == thing).map_or(0, |goods| goods.1)
    }

    /// Orders without an answer.
    #[must_use]
    pub fn n_open(&self) -> usize {
        self.open.len()
    }

    /// Gives an order its number and keeps it; None while too many have no answer, and for what is no order.
    pub(crate) fn ask(&mut self, mut order: Record) -> Option<(u32, Vec<u8>)> {
        let request = self.newest.checked_add(1)?;
        if self.open.len() == OPEN_MAX {
            return None;
        }
        match &mut order {
            Record::PickUp(order) => order.request = request,
            Record::PutDown(order) => order.request = request,
            Record::Give(order) => order.request = request,
            Record::Offer(order) => order.request = request,
            Record::Reply(order) => order.request = request,
            Record::Capture(order) => order.request = request,
            Record::SetFree(order) => order.request = request,
            _ => return None,
        }
        let mut bytes = Vec::new();
        order.encode(&mut bytes);
        self.newest = request;
        self.open.push_back((request, bytes.clone()));
        Some((request, bytes))
    }

    /// Orders to send again, oldest first.
    pub(crate) fn unanswered(&self) -> impl Iterator<Item = Vec<u8>> {
        self.open.iter().map(|(_, bytes)| bytes.clone())
    }

    pub(crate) fn handle_answer(&mut self, answer: &Answer) -> Option<Event> {
        let outcome = Outcome::ALL.into_iter().find(|outcome| *outcome as u32 == answer.outcome)?;
        let at = self.open.iter().position(|(request, _)| *request == answer.request);
        let order = at.and_then(|at| self.open.remove(at));
        let order = order.and_then(|(_, bytes)| Record::decode(&bytes).ok()).map(Box::new);
        Some(Event::Answered { request: answer.request, outcome, order })
    }

    pub(crate) fn handle_purse(&mut self, purse: &Purse) {
        self.newest = self.newest.max(purse.request);
        self.goods = purse.thing.iter().copied().zip(purse.count.iter().copied()).collect();
        let kind = |number: &u32| Kind::ALL.into_iter().find(|kind| *kind as u32 == *number);
        let ids = purse.beast_low.iter().zip(&purse.beast_high);
        let beasts = ids.zip(&purse.beast_kind);
        self.beasts = beasts
            .filter_map(|((low, high), number)| Some(Beast { low: *low, high: *high, kind: kind(number)? }))
            .collect();
    }

    pub(crate) fn handle_drops(&mut self, drops: Drops) {
        let n = drops.low.len();
        let lists = [&drops.high, &drops.thing, &drops.count, &drops.x_mm, &drops.y_mm];
        if lists.iter().all(|list| list.len() == n) {
            self.drops = drops;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netproto::records::{PickUp, PutDown};

    fn put_down() -> Record {
        Record::PutDown(PutDown { request: 0, thing: 1, count: 1 })
    }

    #[test]
    fn orders_are_numbered_above_all_that_the_zone_has_heard_and_kept_until_answered() {
        let mut wallet = Wallet::default();
        wallet.handle_purse(&Purse { request: 40, thing: vec![0, 3], count: vec![9, 2], ..Purse::default() });
        assert_eq!((wallet.count(0), wallet.count(3), wallet.count(1)), (9, 2, 0));
        let (request, bytes) = wallet.ask(put_down()).unwrap();
        assert_eq!(request, 41);
        assert!(matches!(Record::decode(&bytes), Ok(Record::PutDown(PutDown { request: 41, .. }))));
        let pick_up = Record::PickUp(PickUp::default());
        assert_eq!(wallet.ask(pick_up).map(|asked| asked.0), Some(42));
        assert!(wallet.ask(Record::Goodbye(netproto::Goodbye)).is_none());
        let answer = |request| Answer { request, outcome: 0, tick: 5 };
        let was = |event| match event {
            Some(Event::Answered { order, .. }) => order.map(|order| *order),
            _ => None,
        };
        let asked = Record::PutDown(PutDown { request: 41, thing: 1, count: 1 });
        assert_eq!(was(wallet.handle_answer(&answer(41))), Some(asked));
        assert_eq!(was(wallet.handle_answer(&answer(41))), None, "it was answered before");
        assert_eq!(wallet.unanswered().count(), 1);
        while wallet.ask(put_down()).is_some() {}
        assert_eq!(wallet.n_open(), OPEN_MAX);
        assert_eq!(wallet.handle_answer(&Answer { request: 42, outcome: 999, tick: 5 }), None);
    }

    #[test]
    fn lists_of_different_lengths_change_nothing() {
        let mut wallet = Wallet::default();
        wallet.handle_drops(Drops { low: vec![1], high: vec![2], ..Drops::default() });
        assert!(wallet.drops.low.is_empty());
    }
}
