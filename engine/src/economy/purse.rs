//! What one player owns, and which of its orders were followed lately.

use crate::content::{GOLD, Things};
use crate::ids::DurableId;
use netproto::{Kind, Outcome};

/// Kinds of things in one purse, gold apart.
pub const STACKS: usize = 16;
/// Captured creatures of one player.
pub const STABLE_SLOTS: usize = 8;
/// Requests whose outcome is remembered.
pub const REQUESTS: usize = 32;
/// Kinds of things on one side of a trade.
pub const BUNDLE: usize = 4;

/// So many of one thing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Goods {
    /// Its number; see [`crate::content::things`].
    pub thing: u16,
    /// How many; none: nothing at all.
    pub count: u32,
}

/// One side of a trade: entries without a count are nothing.
pub type Bundle = [Goods; BUNDLE];

/// A captured creature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beast {
    /// Its name for ever.
    pub id: DurableId,
    /// What it is.
    pub kind: Kind,
    /// Level and variant, as clients are told.
    pub look: u16,
}

/// A request, and what became of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The client's number for it; 0: none.
    pub request: u32,
    /// What it was told.
    pub outcome: Outcome,
}

/// What is known of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// Nothing: it may be followed.
    New,
    /// It was followed, or refused for good.
    Was(Outcome),
    /// It was before all that is remembered.
    TooOld,
}

/// All that one player owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purse {
    /// Who.
    pub player: DurableId,
    /// Gold.
    pub gold: u32,
    /// Everything else: each thing at most once, places without a count are free.
    pub stacks: [Goods; STACKS],
    /// Captured creatures.
    pub stable: [Option<Beast>; STABLE_SLOTS],
    /// The requests with the highest numbers of all that were decided, in no order.
    pub requests: [Told; REQUESTS],
}

impl Purse {
    /// An empty one.
    #[must_use]
    pub fn new(player: DurableId) -> Self {
        Self {
            player,
            gold: 0,
            stacks: [Goods::default(); STACKS],
            stable: [None; STABLE_SLOTS],
            requests: [Told::default(); REQUESTS],
        }
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.goods().next().is_none() && self.stable.iter().all(Option::is_none)
    }

    /// How many of a thing.
    #[must_use]
    pub fn count(&self, thing: u16) -> u32 {
        if thing == GOLD {
            return self.gold;
        }
        self.stacks.iter().find(|stack| stack.thing == thing).map_or(0, |stack| stack.count)
    }

    /// All there is some of, gold first.
    pub fn goods(&self) -> impl Iterator<Item = Goods> {
        let gold = Goods { thing: GOLD, count: self.gold };
        [gold].into_iter().chain(self.stacks).filter(|goods| goods.count > 0)
    }

    /// Puts something in.
    ///
    /// # Errors
    /// [`Outcome::NoRoom`]; nothing has changed then.
    pub fn add(&mut self, goods: Goods, things: &Things) -> Result<(), Outcome> {
        let sum = self.count(goods.thing).checked_add(goods.count).ok_or(Outcome::NoRoom)?;
        if goods.count == 0 {
            return Ok(());
        }
        if sum > things.stack_max(goods.thing) {
            return Err(Outcome::NoRoom);
        }
        if goods.thing == GOLD {
            self.gold = sum;
            return Ok(());
        }
        let known = self.stacks.iter().position(|stack| stack.count > 0 && stack.thing == goods.thing);
        let at = known.or_else(|| self.stacks.iter().position(|stack| stack.count == 0));
        self.stacks[at.ok_or(Outcome::NoRoom)?] = Goods { thing: goods.thing, count: sum };
        Ok(())
    }

    /// Takes something out.
    ///
    /// # Errors
    /// [`Outcome::TooFew`]; nothing has changed then.
    pub fn take(&mut self, goods: Goods) -> Result<(), Outcome> {
        let left = self.count(goods.thing).checked_sub(goods.count).ok_or(Outcome::TooFew)?;
        if goods.thing == GOLD {
            self.gold = left;
        } else if let Some(stack) = self.stacks.iter_mut().find(|stack| stack.thing == goods.thing) {
            let thing = if left == 0 { GOLD } else { goods.thing };
            *stack = Goods { thing, count: left };
        }
        Ok(())
    }

    /// A captured creature.
    #[must_use]
    pub fn beast(&self, id: DurableId) -> Option<Beast> {
        self.stable.iter().flatten().find(|beast| beast.id == id).copied()
    }

    /// The highest number of a request that was decided; 0: none yet.
    #[must_use]
    pub fn newest_request(&self) -> u32 {
        self.requests.iter().map(|told| told.request).max().unwrap_or(0)
    }

    /// What is known of a request.
    #[must_use]
    pub fn known(&self, request: u32) -> Known {
        if let Some(told) = self.requests.iter().find(|told| told.request == request) {
            return Known::Was(told.outcome);
        }
        // What was forgotten had a lower number than all that are remembered, and these only rise.
        let lowest = self.requests.iter().map(|told| told.request).min().unwrap_or(0);
        if request > lowest { Known::New } else { Known::TooOld }
    }

    /// Remembers what became of a request that is new.
    pub fn remember(&mut self, request: u32, outcome: Outcome) {
        if let Some(lowest) = self.requests.iter_mut().min_by_key(|told| told.request) {
            *lowest = Told { request, outcome };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn things() -> Things {
        Things::parse(include_str!("../../content/things.toml")).unwrap()
    }

    #[test]
    fn a_purse_holds_as_much_as_the_table_says_and_refuses_the_rest_whole() {
        let (mut purse, things) = (Purse::new(DurableId::default()), things());
        let hides = |count| Goods { thing: 2, count };
        purse.add(hides(150), &things).unwrap();
        assert_eq!(purse.add(hides(51), &things), Err(Outcome::NoRoom));
        assert_eq!(purse.add(Goods { thing: 77, count: 1 }, &things), Err(Outcome::NoRoom));
        assert_eq!(purse.add(hides(u32::MAX), &things), Err(Outcome::NoRoom));
        purse.add(hides(50), &things).unwrap();
        assert_eq!(purse.take(hides(201)), Err(Outcome::TooFew));
        assert_eq!(purse.goods().collect::<Vec<_>>(), [hides(200)]);
        purse.take(hides(200)).unwrap();
        assert!(purse == Purse::new(purse.player), "what is used up leaves nothing behind: {purse:?}");
        purse.stacks.iter_mut().zip(100u16..).for_each(|(stack, thing)| *stack = Goods { thing, count: 1 });
        assert_eq!(purse.add(hides(1), &things), Err(Outcome::NoRoom), "no free place");
        purse.add(Goods { thing: GOLD, count: 9 }, &things).unwrap();
        assert_eq!((purse.gold, purse.goods().count()), (9, 17));
    }

    #[test]
    fn a_request_is_known_or_too_old_and_never_new_again() {
        let mut purse = Purse::new(DurableId::default());
        let order = [5u32, 3, 100, 4, 90].into_iter().chain(101..140).chain([50, 51]).chain(200..240);
        let mut decided: Vec<u32> = Vec::new();
        for request in order {
            if purse.known(request) == Known::New {
                purse.remember(request, Outcome::Done);
                decided.push(request);
            }
            for request in &decided {
                assert_ne!(purse.known(*request), Known::New, "request {request} could be followed again");
            }
        }
        assert_eq!((purse.newest_request(), purse.known(239)), (239, Known::Was(Outcome::Done)));
        assert_eq!((purse.known(5), purse.known(240)), (Known::TooOld, Known::New));
        assert_eq!(decided.len(), 5 + 39 + 40, "50 and 51 came behind 32 higher ones");
    }
}
