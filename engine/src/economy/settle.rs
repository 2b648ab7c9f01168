//! The end of what happens in a tick: what the dead leave behind, what comes of orders, and what nobody took.
//!
//! Everything here is done by one thread, in an order that knows entities and inputs, not rows.

use super::effect::{Asker, Drop, Effect};
use super::order::{Offer, Order};
use super::purse::{Bundle, Goods, Known};
use super::receipts::{Receipt, ReceiptBody, distance2};
use crate::content::Loot;
use crate::ids::{ByDurable, DurableId, EntityId, Row};
use crate::outbox::{Fact, FactBody};
use crate::rng::{Purpose, draw, within};
use crate::step::wounds::Fallen;
use crate::tick::setting;
use crate::world::World;
use netproto::Outcome;
use std::hash::BuildHasherDefault;

/// How near a drop must be to be picked up.
pub const PICK_UP_MM: i32 = 3_000;
/// How near whoever gets something must be.
pub const GIVE_MM: i32 = 5_000;
/// How near a creature must be to be captured.
pub const CAPTURE_MM: i32 = 4_000;
/// What somebody killed for is nobody else's for so long.
pub const OWNED_SECONDS: u32 = 10;
/// What nobody takes ends after so long.
pub const DECAY_SECONDS: u32 = 120;
/// An offer holds for so long.
pub const OFFER_SECONDS: u32 = 30;
/// Drops on the ground, for each player that may come in.
const DROPS_EACH: usize = 4;
/// And so many in any zone.
const DROPS_MIN: usize = 256;

/// Orders, kills and the like for which there is room in the smallest zone.
const SOME: usize = 64;

/// Things on the ground of a zone at most.
pub(super) fn drops_max(n_players: usize) -> usize {
    (n_players * DROPS_EACH).max(DROPS_MIN)
}

/// What an operator asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decree {
    pub(crate) player: DurableId,
    pub(crate) goods: Goods,
    pub(crate) is_gift: bool,
    pub(crate) ticket: u32,
}

/// Memory of the economy's part of a tick, and what clients were shown.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// Orders of this tick, in the order in which they came.
    pub(crate) orders: Vec<(Asker, Order)>,
    /// What operators ask for in this tick.
    pub(crate) decrees: Vec<Decree>,
    /// What has changed hands in this tick.
    pub(crate) effects: Vec<Effect>,
    /// What is said about it.
    pub(crate) receipts: Vec<Receipt>,
    /// Whose purses are told.
    pub(crate) touched: Vec<DurableId>,
    /// Who looks at the ground next.
    pub(super) due: Vec<DurableId>,
    /// Drops near somebody.
    pub(super) near: Vec<(i64, DurableId, u32)>,
    /// A digest of the drops that players were shown last, if there were any.
    pub(super) shown: ByDurable<u64>,
    /// Creatures that died.
    fallen: Vec<Fallen>,
    /// What ends.
    ends: Vec<(DurableId, Goods)>,
}

impl Table {
    /// Room for what an ordinary tick of so many players needs.
    pub(crate) fn warm(n_players: usize) -> Self {
        let (n_drops, some) = (drops_max(n_players), n_players / 2 + SOME);
        Self {
            orders: Vec::with_capacity(some),
            decrees: Vec::with_capacity(SOME),
            effects: Vec::with_capacity(some),
            receipts: Vec::with_capacity(some),
            touched: Vec::with_capacity(n_players + SOME),
            due: Vec::with_capacity(n_players + SOME),
            near: Vec::with_capacity(n_drops),
            shown: ByDurable::with_capacity_and_hasher(n_players, BuildHasherDefault::default()),
            fallen: Vec::with_capacity(some),
            ends: Vec::with_capacity(n_drops),
        }
    }

    /// Of the tick before.
    pub(crate) fn clear(&mut self) {
        self.effects.clear();
        self.receipts.clear();
    }

    /// Nobody is told anything.
    pub(crate) fn receipts_untold(&mut self) {
        self.receipts.clear();
        self.due.clear();
    }

    /// Somebody has come, and has been shown nothing.
    pub(crate) fn welcome(&mut self, player: DurableId) {
        self.shown.remove(&player);
        self.touched.push(player);
        self.due.push(player);
    }

    /// Somebody has left.
    pub(crate) fn farewell(&mut self, player: DurableId) {
        self.shown.remove(&player);
    }
}

impl World {
    /// What has changed hands in this tick, in order.
    #[must_use]
    pub fn effects(&self) -> &[Effect] {
        &self.scratch.table.effects
    }

    /// Who owns what.
    #[must_use]
    pub fn market(&self) -> &super::Market {
        &self.market
    }

    /// What the dead leave, what comes of orders, what ends, and who is told of it.
    ///
    /// - Cost: nothing in a tick without kills and orders; a pass over the drops once a second.
    pub(crate) fn settle_economy(&mut self) {
        let mut table = std::mem::take(&mut self.scratch.table);
        if !self.market.economy.is_read_only {
            self.leave_loot(&mut table);
            self.let_decay(&mut table);
        }
        for at in 0..table.orders.len() {
            let (by, order) = table.orders[at];
            self.follow(by, &order, &mut table);
        }
        table.orders.clear();
        for at in 0..table.decrees.len() {
            self.decree(at, &mut table);
        }
        table.decrees.clear();
        self.tell_purses(&mut table);
        self.counts.effects += table.effects.len() as u64;
        self.scratch.table = table;
    }

    /// What lies where creatures died; in the order of their ids.
    fn leave_loot(&mut self, table: &mut Table) {
        table.fallen.clear();
        table.fallen.extend(self.scratch.blows.fallen());
        table.fallen.sort_unstable_by_key(|fallen| fallen.creature);
        for fallen in &table.fallen {
            let kind = self.columns.kind[fallen.row.at()];
            let killer = fallen.by.filter(|row| row.at() < self.players.len());
            let owner = killer.map(|row| self.players[row.at()].durable);
            for number in 0..self.content.things.loot.len() {
                let loot = self.content.things.loot[number];
                let found = Some(loot).filter(|loot| loot.kind == kind);
                let Some(goods) = found.and_then(|loot| self.roll(&loot, number, fallen.creature)) else {
                    continue;
                };
                if !self.has_ground() {
                    continue;
                }
                let drop = self.new_drop(goods, self.columns.place(fallen.row), owner);
                let effect = Effect::Left { drop, creature: fallen.creature };
                if self.market.apply(&effect, &self.content.things).is_ok() {
                    table.effects.push(effect);
                    table.due.extend(owner);
                }
            }
        }
    }

    fn roll(&self, loot: &Loot, number: usize, creature: EntityId) -> Option<Goods> {
        let seed = self.config.seed.wrapping_add(number as u64);
        let chance = |purpose| draw(seed, self.now, creature.0, purpose);
        let is_found = within(chance(Purpose::Loot), 0, 999) < loot.permille as i32;
        let count = within(chance(Purpose::LootCount), loot.count_min as i32, loot.count_max as i32);
        is_found.then_some(Goods { thing: loot.thing, count: count as u32 })
    }

    fn new_drop(&self, goods: Goods, place: (i32, i32), owner: Option<DurableId>) -> Drop {
        let seconds = |n: u32| self.now + n * self.config.ticks_per_second;
        let free_at = if owner.is_some() { seconds(OWNED_SECONDS) } else { self.now };
        Drop { id: self.market.next_name(), goods, place, owner, free_at, ends_at: seconds(DECAY_SECONDS) }
    }

    /// Whether the ground takes one more.
    fn has_ground(&self) -> bool {
        self.market.economy.drops.len() < drops_max(self.config.players_max as usize)
    }

    fn let_decay(&mut self, table: &mut Table) {
        if !self.now.is_multiple_of(self.config.ticks_per_second) {
            return;
        }
        table.ends.clear();
        let drops = self.market.economy.drops.iter().filter(|drop| drop.ends_at <= self.now);
        table.ends.extend(drops.map(|drop| (drop.id, drop.goods)));
        for (drop, goods) in &table.ends {
            let effect = Effect::Decayed { drop: *drop, goods: *goods };
            if self.market.apply(&effect, &self.content.things).is_ok() {
                table.effects.push(effect);
            }
        }
    }

    /// An order of somebody who is here is followed once, and answered each time.
    fn follow(&mut self, by: Asker, order: &Order, table: &mut Table) {
        let Some(row) = self.entity_of(by.player).and_then(|id| self.row_of(id)) else { return };
        let known = match self.market.purse(by.player) {
            _ if by.request == 0 => Known::Was(Outcome::Senseless),
            Some(purse) => purse.known(by.request),
            None => Known::New,
        };
        let outcome = match known {
            Known::Was(outcome) => outcome,
            Known::TooOld => Outcome::TooOld,
            // Not remembered: it may be asked for again.
            Known::New if self.market.economy.is_read_only => Outcome::ReadOnly,
            Known::New => {
                let done = self.try_order(by, row, order, table);
                let outcome = done.err().unwrap_or(Outcome::Done);
                let purse = self.market.open_purse(by.player);
                if purse.known(by.request) == Known::New {
                    purse.remember(by.request, outcome);
                }
                outcome
            }
        };
        let body = ReceiptBody::Answer { request: by.request, outcome };
        table.receipts.push(Receipt { player: by.player, body });
    }

    /// An operator gives or takes, whoever owns it is here or not, and learns what came of it.
    fn decree(&mut self, at: usize, table: &mut Table) {
        let Decree { player, goods, is_gift, ticket } = table.decrees[at];
        let number = self.market.economy.newest_decree + 1;
        let effect = Effect::Decreed { number, player, goods, is_gift };
        let done = match self.market.economy.is_read_only {
            true => Err(Outcome::ReadOnly),
            false => self.market.apply(&effect, &self.content.things),
        };
        if done.is_ok() {
            table.effects.push(effect);
            table.touched.push(player);
        }
        let outcome = done.err().unwrap_or(Outcome::Done);
        self.scratch.facts.push(Fact { player, body: FactBody::Decreed { ticket, number, outcome } });
    }

    fn try_order(&mut self, by: Asker, row: Row, order: &Order, table: &mut Table) -> Result<(), Outcome> {
        if self.columns.health[row.at()] == 0 {
            return Err(Outcome::Dead);
        }
        let effect = match order {
            Order::Offer { to, given, wanted } => return self.offer(by, row, (*to, given, wanted), table),
            Order::Reply { offer, accepts: false } => return self.decline(by, *offer),
            Order::Reply { offer, accepts: true } => self.accepted(by, row, *offer)?,
            Order::PickUp { drop } => self.picked_up(by, row, *drop)?,
            Order::PutDown { goods } => self.put_down(by, row, *goods)?,
            Order::Give { to, goods } => {
                self.check_goods(goods)?;
                Effect::Given { by, to: self.neighbour(by, row, *to)?, goods: *goods }
            }
            Order::Capture { target } => self.captured(by, row, *target)?,
            Order::SetFree { beast } => {
                let found = self.market.purse(by.player).and_then(|purse| purse.beast(*beast));
                Effect::SetFree { by, beast: found.ok_or(Outcome::Gone)? }
            }
        };
        self.market.apply(&effect, &self.content.things)?;
        self.follow_up(&effect, order);
        table.effects.push(effect);
        table.touched.push(by.player);
        match effect {
            Effect::Given { to: other, .. } | Effect::Traded { other, .. } => table.touched.push(other),
            Effect::PutDown { .. } | Effect::PickedUp { .. } => table.due.push(by.player),
            _ => {}
        }
        Ok(())
    }

    /// What changed hands in a tick that is not lived again happens here too. Returns how many of the changes could not.
    pub(crate) fn redo(&mut self, effects: &[Effect]) -> u32 {
        let mut n_refused = 0;
        for effect in effects {
            effect.owners().for_each(|player| self.market.enter(player));
            if self.market.apply(effect, &self.content.things).is_err() {
                n_refused += 1;
            } else if let Effect::Captured { creature, .. } = effect {
                self.take_away(*creature);
            }
        }
        n_refused
    }

    /// What an effect leads to outside of the economy.
    fn follow_up(&mut self, effect: &Effect, order: &Order) {
        if let Order::Reply { offer, .. } = order {
            self.market.economy.offers.retain(|known| known.number != *offer);
        }
        if let Effect::Captured { creature, .. } = effect {
            self.take_away(*creature);
        }
    }

    /// A creature that is in somebody's stable is not in the wild.
    fn take_away(&mut self, creature: EntityId) {
        let found = self.row_of(creature).filter(|row| row.at() >= self.players.len());
        let Some(row) = found else { return };
        let at = row.at() - self.players.len();
        self.scratch.alarms.push(self.columns.place(row));
        self.minds[at].vanish(&setting!(self));
        self.wakes[at] = self.minds[at].wakes(self.now);
        self.columns.despawn(&mut self.handles, row);
    }

    fn reach(&self, row: Row, place: (i32, i32), reach_mm: i32) -> Result<(), Outcome> {
        let is_near = distance2(self.columns.place(row), place) <= i64::from(reach_mm) * i64::from(reach_mm);
        if is_near { Ok(()) } else { Err(Outcome::TooFar) }
    }

    fn check_goods(&self, goods: &Goods) -> Result<(), Outcome> {
        let is_sound = goods.count > 0 && self.content.things.get(goods.thing).is_some();
        if is_sound { Ok(()) } else { Err(Outcome::Senseless) }
    }

    /// Another player in reach.
    fn neighbour(&self, by: Asker, row: Row, other: EntityId) -> Result<DurableId, Outcome> {
        let found = self.row_of(other).filter(|row| row.at() < self.players.len());
        let other = found.ok_or(Outcome::Gone)?;
        if other == row {
            return Err(Outcome::Senseless);
        }
        debug_assert_ne!(self.players[other.at()].durable, by.player, "a player has one body");
        self.reach(row, self.columns.place(other), GIVE_MM)?;
        Ok(self.players[other.at()].durable)
    }

    fn picked_up(&self, by: Asker, row: Row, id: DurableId) -> Result<Effect, Outcome> {
        let drop = self.market.drop(id).ok_or(Outcome::Gone)?;
        if drop.owner.is_some_and(|owner| owner != by.player) && self.now < drop.free_at {
            return Err(Outcome::NotYours);
        }
        self.reach(row, drop.place, PICK_UP_MM)?;
        Ok(Effect::PickedUp { by, drop: id, goods: drop.goods })
    }

    fn put_down(&self, by: Asker, row: Row, goods: Goods) -> Result<Effect, Outcome> {
        self.check_goods(&goods)?;
        if !self.has_ground() {
            return Err(Outcome::NoRoom);
        }
        Ok(Effect::PutDown { by, drop: self.new_drop(goods, self.columns.place(row), None) })
    }

    fn captured(&self, by: Asker, row: Row, target: EntityId) -> Result<Effect, Outcome> {
        let found = self.row_of(target).filter(|row| row.at() >= self.players.len());
        let creature = found.filter(|row| self.columns.health[row.at()] > 0).ok_or(Outcome::Gone)?;
        self.reach(row, self.columns.place(creature), CAPTURE_MM)?;
        let at = creature.at();
        let percent = u64::from(self.content.things.capture_percent);
        if u64::from(self.columns.health[at]) * 100 > u64::from(self.columns.health_max[at]) * percent {
            return Err(Outcome::TooStrong);
        }
        let (kind, look) = (self.columns.kind[at], self.columns.look[at]);
        let beast = super::Beast { id: self.market.next_name(), kind, look };
        Ok(Effect::Captured { by, beast, creature: target })
    }

    fn offer(
        &mut self,
        by: Asker,
        row: Row,
        (to, given, wanted): (EntityId, &Bundle, &Bundle),
        table: &mut Table,
    ) -> Result<(), Outcome> {
        let mut sides = given.iter().chain(wanted).filter(|goods| **goods != Goods::default()).peekable();
        sides.peek().ok_or(Outcome::Senseless)?;
        sides.try_for_each(|goods| self.check_goods(goods))?;
        let other = self.neighbour(by, row, to)?;
        let mut purse = *self.market.purse(by.player).ok_or(Outcome::Gone)?;
        given.iter().try_for_each(|goods| purse.take(*goods))?;
        let until = self.now + OFFER_SECONDS * self.config.ticks_per_second;
        let economy = &mut self.market.economy;
        economy.newest_offer = economy.newest_offer.wrapping_add(1).max(1);
        let number = economy.newest_offer;
        let now = self.now;
        economy.offers.retain(|offer| offer.from != by.player && now < offer.until);
        let (given, wanted) = (*given, *wanted);
        economy.offers.push(Offer { number, from: by.player, to: other, given, wanted, until });
        let from = self.columns.id[row.at()];
        let body = ReceiptBody::Offered { offer: number, from, until, given, wanted };
        table.receipts.push(Receipt { player: other, body });
        Ok(())
    }

    fn offer_to(&self, by: Asker, number: u32) -> Result<Offer, Outcome> {
        let is_it =
            |offer: &&Offer| offer.number == number && offer.to == by.player && self.now < offer.until;
        self.market.economy.offers.iter().find(is_it).copied().ok_or(Outcome::Gone)
    }

    fn decline(&mut self, by: Asker, number: u32) -> Result<(), Outcome> {
        self.offer_to(by, number)?;
        self.market.economy.offers.retain(|offer| offer.number != number);
        Ok(())
    }

    fn accepted(&self, by: Asker, row: Row, number: u32) -> Result<Effect, Outcome> {
        let offer = self.offer_to(by, number)?;
        let from = self.entity_of(offer.from).ok_or(Outcome::Gone)?;
        self.neighbour(by, row, from)?;
        Ok(Effect::Traded { by, other: offer.from, given: offer.given, wanted: offer.wanted })
    }

    /// Whoever's purse has changed, or who has just come, is told all that is in it.
    fn tell_purses(&self, table: &mut Table) {
        table.touched.sort_unstable();
        table.touched.dedup();
        for player in table.touched.drain(..) {
            let purse = self.market.purse(player).filter(|_| self.client_of(player).is_some());
            if let Some(purse) = purse {
                table.receipts.push(Receipt { player, body: ReceiptBody::of_purse(purse) });
            }
        }
    }
}
