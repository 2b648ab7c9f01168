//! What players own, and how it changes hands.
//!
//! [`purse`] is what one player has, [`effect`] one change, and [`Economy::apply`] the only place where a change happens:
//! in a tick, and when a log is applied to a copy. [`order`] is what a player asks for, [`settle`] decides in each tick
//! what comes of orders and kills, [`receipts`] are what players learn of it.
//!
//! Nothing appears but by [`Effect::Left`] and [`Effect::Decreed`], nothing ends but by [`Effect::Decayed`] and [`Effect::Decreed`]: what was made, less what ended,
//! is what purses and the ground hold, at any time. Source: docs/economy.md.

pub mod effect;
mod ground;
pub mod order;
pub mod purse;
pub mod receipts;
pub mod settle;
#[cfg(test)]
mod tests;

pub use effect::{Asker, Drop, Effect};
pub use order::{Offer, Order};
pub use purse::{BUNDLE, Beast, Bundle, Goods, Purse, STABLE_SLOTS, STACKS};
pub use receipts::{DROPS_SHOWN, Receipt, ReceiptBody};

use crate::checkpoint::{Pack, parts};
use crate::content::Things;
use crate::ids::{ByDurable, DurableId};
use crate::replay::bits::Digest;
use crate::replay::bytes::{Bytes, Malformed};
use ground::Ground;
use netproto::Outcome;
use purse::{Known, REQUESTS, Told};
use settle::drops_max;

/// Ids of what a zone makes begin here: those of players, which the same process gives out, are below.
pub const MADE_LOW_MIN: u32 = 1 << 31;

/// All that is owned, lies on the ground, or is offered in a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Economy {
    purses: Vec<Purse>,
    drops: Vec<Drop>,
    offers: Vec<Offer>,
    /// The number of the newest offer.
    newest_offer: u32,
    /// The number of the newest decree.
    newest_decree: u32,
    /// High half of ids that are made from now on, and the next low half.
    names: (u32, u32),
    /// Nothing changes hands.
    is_read_only: bool,
    /// By thing: how many were made, and how many have ended.
    made: Vec<u64>,
    ended: Vec<u64>,
    /// Creatures that were captured, and set free again.
    captured: u64,
    set_free: u64,
}

/// Where each purse and drop is. It follows from the lists.
#[derive(Clone, Debug, Default)]
pub struct Index {
    purses: ByDurable<u32>,
    drops: ByDurable<u32>,
    ground: Ground,
}

/// An economy, and what finds its way in it.
#[derive(Clone, Debug)]
pub struct Market {
    economy: Economy,
    index: Index,
}

impl Default for Economy {
    fn default() -> Self {
        Self {
            purses: Vec::new(),
            drops: Vec::new(),
            offers: Vec::new(),
            newest_offer: 0,
            newest_decree: 0,
            names: (0, MADE_LOW_MIN),
            is_read_only: false,
            made: Vec::new(),
            ended: Vec::new(),
            captured: 0,
            set_free: 0,
        }
    }
}

impl Market {
    /// Where nobody owns anything yet, with room for so many players.
    #[must_use]
    pub fn new(n_things: usize, n_players: usize) -> Self {
        let economy = Economy { made: vec![0; n_things], ended: vec![0; n_things], ..Economy::default() };
        let mut market = Self { economy, index: Index::default() };
        market.reserve(n_players);
        market
    }

    /// An economy that was copied, or read from untrusted bytes.
    ///
    /// # Errors
    /// [`Malformed`] when its parts do not fit together, or when it names things that there are not.
    pub fn resume(mut economy: Economy, things: &Things) -> Result<Self, Malformed> {
        let n = things.n().max(economy.made.len()).max(economy.ended.len());
        if n > crate::content::things::THINGS_MAX {
            return Err(Malformed::Bounds("the number of things"));
        }
        economy.made.resize(n, 0);
        economy.ended.resize(n, 0);
        let mut index = Index::default();
        for (at, purse) in economy.purses.iter().enumerate() {
            if index.purses.insert(purse.player, at as u32).is_some() {
                return Err(Malformed::Bounds("the owner of a purse"));
            }
        }
        for (at, drop) in economy.drops.iter().enumerate() {
            index.ground.push(drop);
            if index.drops.insert(drop.id, at as u32).is_some() {
                return Err(Malformed::Bounds("the id of a drop"));
            }
        }
        let market = Self { economy, index };
        match market.audit(things).is_empty() {
            true => Ok(market),
            false => Err(Malformed::Bounds("what is owned")),
        }
    }

    /// Room for what so many players own and drop: no tick takes memory for it later.
    pub(crate) fn reserve(&mut self, n_players: usize) {
        let n_drops = drops_max(n_players);
        let Self { economy, index } = self;
        let more = |n: usize, len: usize| n.saturating_sub(len);
        economy.purses.reserve(more(n_players, economy.purses.len()));
        index.purses.reserve(more(n_players, index.purses.len()));
        economy.drops.reserve(more(n_drops, economy.drops.len()));
        index.drops.reserve(more(n_drops, index.drops.len()));
        index.ground.reserve(n_drops);
        economy.offers.reserve(more(n_players, economy.offers.len()));
    }

    /// What lies where.
    fn ground(&self) -> &Ground {
        &self.index.ground
    }

    /// All that is owned.
    #[must_use]
    pub fn economy(&self) -> &Economy {
        &self.economy
    }

    /// What a player owns.
    #[must_use]
    pub fn purse(&self, player: DurableId) -> Option<&Purse> {
        self.index.purses.get(&player).map(|at| &self.economy.purses[*at as usize])
    }

    /// What lies on the ground under this name.
    #[must_use]
    pub fn drop(&self, id: DurableId) -> Option<&Drop> {
        self.index.drops.get(&id).map(|at| &self.economy.drops[*at as usize])
    }

    /// A player comes who may own something from now on.
    pub fn enter(&mut self, player: DurableId) {
        self.open_purse(player);
    }

    /// A player's purse, made if there is none.
    pub(crate) fn open_purse(&mut self, player: DurableId) -> &mut Purse {
        let purses = &mut self.economy.purses;
        let at = *self.index.purses.entry(player).or_insert_with(|| {
            purses.push(Purse::new(player));
            purses.len() as u32 - 1
        });
        &mut purses[at as usize]
    }

    /// A player has left: its offers end, and an empty purse is let go. Says whether there is one left.
    pub(crate) fn close_purse(&mut self, player: DurableId) -> bool {
        self.economy.offers.retain(|offer| offer.from != player && offer.to != player);
        let Some(at) = self.index.purses.get(&player).copied() else { return false };
        let purses = &mut self.economy.purses;
        let owns = !purses[at as usize].is_empty();
        if !owns {
            self.index.purses.remove(&player);
            purses.swap_remove(at as usize);
            if let Some(moved) = purses.get(at as usize) {
                self.index.purses.insert(moved.player, at);
            }
        }
        owns
    }

    /// From now on names have this high half; one that is not newer changes nothing.
    pub(crate) fn rename(&mut self, high: u32) {
        if high > self.economy.names.0 {
            self.economy.names = (high, MADE_LOW_MIN);
        }
    }

    /// Nothing changes hands from now on, or everything may again.
    pub(crate) fn set_read_only(&mut self, is_read_only: bool) {
        self.economy.is_read_only = is_read_only;
    }

    /// The name of the next thing that is made, or creature that is captured.
    fn next_name(&self) -> DurableId {
        let (high, low) = self.economy.names;
        DurableId { low, high }
    }

    /// A change happens: all of it, or nothing.
    ///
    /// - Cost: a few look-ups, and copies of the purses that it concerns.
    ///
    /// # Errors
    /// Why it cannot; nothing has changed then.
    pub fn apply(&mut self, effect: &Effect, things: &Things) -> Result<(), Outcome> {
        if let Some(by) = effect.asker()
            && self.purse(by.player).ok_or(Outcome::Gone)?.known(by.request) != Known::New
        {
            return Err(Outcome::Gone);
        }
        match effect {
            Effect::Left { drop, .. } => {
                let at = usize::from(drop.goods.thing);
                if at >= self.economy.made.len() || drop.goods.count == 0 {
                    return Err(Outcome::Senseless);
                }
                self.lay(*drop)?;
                self.economy.made[at] += u64::from(drop.goods.count);
            }
            Effect::PutDown { by, drop } => {
                let mut purse = *self.purse(by.player).ok_or(Outcome::Gone)?;
                purse.take(drop.goods)?;
                self.lay(*drop)?;
                self.keep(purse);
            }
            Effect::PickedUp { by, drop, goods } => {
                let mut purse = *self.purse(by.player).ok_or(Outcome::Gone)?;
                purse.add(*goods, things)?;
                self.lift(*drop, *goods)?;
                self.keep(purse);
            }
            Effect::Decayed { drop, goods } => {
                self.lift(*drop, *goods)?;
                self.economy.ended[usize::from(goods.thing)] += u64::from(goods.count);
            }
            Effect::Given { by, to, goods } => self.swap((by.player, *to), &[*goods], &[], things)?,
            Effect::Traded { by, other, given, wanted } => {
                self.swap((*other, by.player), given, wanted, things)?;
            }
            Effect::Captured { by, beast, .. } => {
                let mut purse = *self.purse(by.player).ok_or(Outcome::Gone)?;
                let slot = purse.stable.iter_mut().find(|slot| slot.is_none()).ok_or(Outcome::NoRoom)?;
                self.use_name(beast.id)?;
                *slot = Some(*beast);
                self.keep(purse);
                self.economy.captured += 1;
            }
            Effect::SetFree { by, beast } => {
                let mut purse = *self.purse(by.player).ok_or(Outcome::Gone)?;
                let slot = purse.stable.iter_mut().find(|slot| **slot == Some(*beast));
                *slot.ok_or(Outcome::Gone)? = None;
                self.keep(purse);
                self.economy.set_free += 1;
            }
            Effect::Decreed { number, player, goods, is_gift } => {
                let mut purse = *self.purse(*player).ok_or(Outcome::Gone)?;
                if *number <= self.economy.newest_decree || goods.count == 0 {
                    return Err(Outcome::Senseless);
                }
                let counts = if *is_gift {
                    purse.add(*goods, things)?;
                    &mut self.economy.made
                } else {
                    purse.take(*goods)?;
                    &mut self.economy.ended
                };
                *counts.get_mut(usize::from(goods.thing)).ok_or(Outcome::Senseless)? +=
                    u64::from(goods.count);
                self.economy.newest_decree = *number;
                self.keep(purse);
            }
        }
        if let Some(by) = effect.asker() {
            self.open_purse(by.player).remember(by.request, Outcome::Done);
        }
        Ok(())
    }

    /// Names are given out in order: one that was used is never new again.
    fn use_name(&mut self, id: DurableId) -> Result<(), Outcome> {
        let (high, low) = self.economy.names;
        if id.high < high || id.high == high && id.low < low || id.low < MADE_LOW_MIN {
            return Err(Outcome::Gone);
        }
        self.economy.names = (id.high, id.low.checked_add(1).ok_or(Outcome::NoRoom)?);
        Ok(())
    }

    fn lay(&mut self, drop: Drop) -> Result<(), Outcome> {
        self.use_name(drop.id)?;
        self.index.drops.insert(drop.id, self.economy.drops.len() as u32);
        self.index.ground.push(&drop);
        self.economy.drops.push(drop);
        Ok(())
    }

    fn lift(&mut self, id: DurableId, goods: Goods) -> Result<(), Outcome> {
        let at = *self.index.drops.get(&id).ok_or(Outcome::Gone)?;
        let drops = &mut self.economy.drops;
        if drops[at as usize].goods != goods {
            return Err(Outcome::Gone);
        }
        self.index.drops.remove(&id);
        self.index.ground.swap_remove(drops, at);
        drops.swap_remove(at as usize);
        if let Some(moved) = drops.get(at as usize) {
            self.index.drops.insert(moved.id, at);
        }
        Ok(())
    }

    /// The first gives and the second pays, both or neither.
    fn swap(
        &mut self,
        (giver, taker): (DurableId, DurableId),
        given: &[Goods],
        paid: &[Goods],
        things: &Things,
    ) -> Result<(), Outcome> {
        let of = |player| self.purse(player).copied().ok_or(Outcome::Gone);
        let (mut a, mut b) = (of(giver)?, of(taker)?);
        if giver == taker {
            return Err(Outcome::Senseless);
        }
        // Everything leaves before anything comes: two full purses may trade.
        given.iter().try_for_each(|goods| a.take(*goods))?;
        paid.iter().try_for_each(|goods| b.take(*goods))?;
        given.iter().try_for_each(|goods| b.add(*goods, things))?;
        paid.iter().try_for_each(|goods| a.add(*goods, things))?;
        self.keep(a);
        self.keep(b);
        Ok(())
    }

    fn keep(&mut self, purse: Purse) {
        *self.open_purse(purse.player) = purse;
    }

    /// What is wrong, if something is: things that were never made or have vanished, ids in two places, purses that hold
    /// what they cannot.
    ///
    /// - Cost: a pass over everything.
    #[must_use]
    pub fn audit(&self, things: &Things) -> Vec<String> {
        let Economy { purses, drops, names, made, ended, captured, set_free, .. } = &self.economy;
        let mut wrong = Vec::new();
        let mut held = vec![0u64; made.len()];
        let mut ids: Vec<DurableId> = Vec::new();
        let mut n_beasts = 0;
        for purse in purses {
            for goods in purse.goods() {
                match held.get_mut(usize::from(goods.thing)) {
                    Some(sum) if goods.count <= things.stack_max(goods.thing) => {
                        *sum += u64::from(goods.count);
                    }
                    _ => wrong.push(format!("{:?} holds {goods:?}", purse.player)),
                }
            }
            let mut kinds: Vec<u16> = purse.goods().map(|goods| goods.thing).collect();
            kinds.sort_unstable();
            if kinds.windows(2).any(|pair| pair[0] == pair[1]) {
                wrong.push(format!("{:?} holds one thing in two stacks", purse.player));
            }
            ids.extend(purse.stable.iter().flatten().map(|beast| beast.id));
            n_beasts += purse.stable.iter().flatten().count() as u64;
        }
        for drop in drops {
            match held.get_mut(usize::from(drop.goods.thing)) {
                Some(sum) if drop.goods.count > 0 => *sum += u64::from(drop.goods.count),
                _ => wrong.push(format!("on the ground lies {:?}", drop.goods)),
            }
            ids.push(drop.id);
        }
        let n = ids.len();
        ids.sort_unstable();
        ids.dedup();
        if ids.len() < n {
            wrong.push(format!("{} ids are in two places", n - ids.len()));
        }
        let is_new = |id: &&DurableId| (id.high, id.low) >= *names || id.low < MADE_LOW_MIN;
        if let Some(id) = ids.iter().find(is_new) {
            wrong.push(format!("{id:?} was never given out"));
        }
        for (thing, held) in held.iter().enumerate() {
            let name = things.get(thing as u16).map_or("what is no thing", |thing| thing.name.as_str());
            if made[thing].checked_sub(ended[thing]) != Some(*held) {
                let (made, ended) = (made[thing], ended[thing]);
                wrong.push(format!("{name}: {made} were made, {ended} have ended, and there are {held}"));
            }
        }
        if captured.checked_sub(*set_free) != Some(n_beasts) {
            wrong.push(format!(
                "{captured} creatures were captured, {set_free} set free, and there are {n_beasts}"
            ));
        }
        wrong
    }

    /// Adds everything to a digest, in the order in which it lies.
    pub(crate) fn feed(&self, digest: &mut Digest) {
        let Economy {
            purses,
            drops,
            offers,
            newest_offer,
            newest_decree,
            names,
            is_read_only,
            made,
            ended,
            captured,
            set_free,
        } = &self.economy;
        let id = |id: DurableId| u64::from(id.high) << 32 | u64::from(id.low);
        let goods = |goods: &Goods| u64::from(goods.thing) << 32 | u64::from(goods.count);
        for purse in purses {
            digest.add(id(purse.player));
            purse.goods().for_each(|held| digest.add(goods(&held)));
            for beast in purse.stable.iter().flatten() {
                digest.add(id(beast.id));
                digest.add(1 << 40 | (beast.kind as u64) << 16 | u64::from(beast.look));
            }
            for Told { request, outcome } in purse.requests.iter().filter(|told| told.request > 0) {
                digest.add((*outcome as u64) << 32 | u64::from(*request));
            }
        }
        for drop in drops {
            digest.add(id(drop.id));
            digest.add(goods(&drop.goods));
            digest.add(u64::from(drop.place.0 as u32) << 32 | u64::from(drop.place.1 as u32));
            digest.add(drop.owner.map_or(0, id));
            digest.add(u64::from(drop.free_at) << 32 | u64::from(drop.ends_at));
        }
        for offer in offers {
            let Offer { number, from, to, given, wanted, until } = offer;
            digest.add(u64::from(*number) << 32 | u64::from(*until));
            digest.add(id(*from));
            digest.add(id(*to));
            given.iter().chain(wanted).for_each(|side| digest.add(goods(side)));
        }
        digest.add(u64::from(*newest_offer) << 1 | u64::from(*is_read_only));
        digest.add((*newest_decree).into());
        digest.add(u64::from(names.0) << 32 | u64::from(names.1));
        made.iter().chain(ended).for_each(|n| digest.add(*n));
        digest.add(*captured);
        digest.add(*set_free);
    }
}

impl Economy {
    /// All purses, also of players who have left.
    #[must_use]
    pub fn purses(&self) -> &[Purse] {
        &self.purses
    }

    /// All that lies on the ground.
    #[must_use]
    pub fn drops(&self) -> &[Drop] {
        &self.drops
    }

    /// How many of a thing were made, and how many have ended.
    #[must_use]
    pub fn flow(&self, thing: u16) -> (u64, u64) {
        let of = |counts: &[u64]| counts.get(usize::from(thing)).copied().unwrap_or(0);
        (of(&self.made), of(&self.ended))
    }

    /// How many creatures were captured, and how many set free.
    #[must_use]
    pub fn beasts(&self) -> (u64, u64) {
        (self.captured, self.set_free)
    }

    /// Trades that are offered.
    #[must_use]
    pub fn offers(&self) -> &[Offer] {
        &self.offers
    }

    /// Whether nothing changes hands just now.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.is_read_only
    }
}

const _: () = assert!(REQUESTS == 32); // docs/PROTOCOL.md "Orders" promises as many

parts! {
    Told { request, outcome }
    Purse { player, gold, stacks, stable, requests }
    Offer { number, from, to, given, wanted, until }
    Economy {
        purses, drops, offers, newest_offer, newest_decree, names, is_read_only, made, ended, captured, set_free
    }
}
