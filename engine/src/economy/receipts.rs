//! What players learn of what they own, what lies near them, and what they are offered.

use super::effect::Drop;
use super::ground::SEEN_MM;
use super::purse::{Beast, Bundle, Goods, Purse, STABLE_SLOTS, STACKS};
use super::settle::Table;
use crate::ids::{DurableId, EntityId, Row};
use crate::world::World;
use kernel::mix;
use netproto::Outcome;

/// Drops that a player is told of at most, the nearest.
pub const DROPS_SHOWN: usize = 16;
/// Where there is more than can be shown, a player who has gone so far is told anew.
const STEP_MM: i32 = 4_000;
/// The ground is looked at every so many ticks.
const LOOK_TICKS: u32 = 4;
/// Each player looks every so many times.
const TURNS: u32 = 10;

/// Something about the economy that a player must learn, once and in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Who.
    pub player: DurableId,
    /// What.
    pub body: ReceiptBody,
}

/// Something that lies there, as it is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DropShown {
    /// Its name.
    pub id: DurableId,
    /// What it is.
    pub goods: Goods,
    /// Where.
    pub place: (i32, i32),
}

/// Kinds of receipts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptBody {
    /// What became of an order.
    Answer {
        /// The client's number for it.
        request: u32,
        /// What became of it.
        outcome: Outcome,
    },
    /// All that the player owns.
    Purse {
        /// The newest request that was decided.
        request: u32,
        /// Gold.
        gold: u32,
        /// Things; places without a count are free.
        stacks: [Goods; STACKS],
        /// Captured creatures.
        stable: [Option<Beast>; STABLE_SLOTS],
    },
    /// All that lies near and may be picked up.
    Drops {
        /// The nearest first.
        shown: [DropShown; DROPS_SHOWN],
        /// So many of these.
        n: u8,
    },
    /// Somebody offers a trade.
    Offered {
        /// Its number.
        offer: u32,
        /// Who.
        from: EntityId,
        /// Until before this tick.
        until: u32,
        /// What is given.
        given: Bundle,
        /// What is wanted for it.
        wanted: Bundle,
    },
}

impl ReceiptBody {
    pub(super) fn of_purse(purse: &Purse) -> Self {
        let Purse { gold, stacks, stable, .. } = *purse;
        Self::Purse { request: purse.newest_request(), gold, stacks, stable }
    }
}

impl World {
    /// What the economy has to say in this tick, in an order that knows no rows.
    #[must_use]
    pub fn receipts(&self) -> &[Receipt] {
        &self.scratch.table.receipts
    }

    /// Tells players what lies near them, each every other second, when that has changed. Whoever has just made something
    /// lie there or vanish looks sooner.
    ///
    /// - Cost: in one of four ticks a tenth of all players look around themselves.
    pub(crate) fn tell_ground(&mut self) {
        if !self.now.is_multiple_of(LOOK_TICKS) {
            return;
        }
        let mut table = std::mem::take(&mut self.scratch.table);
        if !self.market.economy().drops().is_empty() || !table.shown.is_empty() {
            let turn = self.now / LOOK_TICKS % TURNS;
            table.due.sort_unstable();
            let first = table.receipts.len();
            for at in 0..self.players.len() {
                let player = self.players[at].durable;
                let is_turn = player.low % TURNS == turn || table.due.binary_search(&player).is_ok();
                if self.clients[at].is_attached && is_turn {
                    self.look_down(&mut table, Row(at as u32));
                }
            }
            table.receipts[first..].sort_unstable_by_key(|receipt| receipt.player);
        }
        table.due.clear();
        self.scratch.table = table;
    }

    /// Tells a player what lies near, if it is news. Most looks find what was shown before, so that is asked first: by a sum over
    /// all that is in sight, whatever its order.
    fn look_down(&self, table: &mut Table, row: Row) {
        let (player, place) = (self.players[row.at()].durable, self.columns.place(row));
        let (mut sum, mut n_seen) = (0u64, 0);
        self.in_sight(row, |_, drop, _| {
            sum = sum.wrapping_add(mix(u64::from(drop.id.high) << 32 | u64::from(drop.id.low)));
            n_seen += 1;
        });
        if n_seen > DROPS_SHOWN {
            // Which of them are the nearest depends on where the player stands.
            let step = |mm: i32| (mm / STEP_MM) as u64;
            sum = sum.wrapping_add(mix(step(place.0) << 32 | step(place.1)));
        }
        let before = match n_seen {
            0 => table.shown.remove(&player),
            _ => table.shown.insert(player, sum),
        };
        if before == (n_seen > 0).then_some(sum) {
            return;
        }
        table.near.clear();
        let Table { near, receipts, .. } = table;
        self.in_sight(row, |far, drop, at| near.push((far, drop.id, at)));
        near.sort_unstable();
        near.truncate(DROPS_SHOWN);
        let mut shown = [DropShown::default(); DROPS_SHOWN];
        for (shown, (_, id, at)) in shown.iter_mut().zip(near.iter()) {
            let drop = &self.market.economy().drops()[*at as usize];
            *shown = DropShown { id: *id, goods: drop.goods, place: drop.place };
        }
        let n = near.len() as u8;
        receipts.push(Receipt { player, body: ReceiptBody::Drops { shown, n } });
    }

    /// All drops that a player sees and may take: how far, squared, and which of the economy's.
    fn in_sight(&self, row: Row, mut each: impl FnMut(i64, &Drop, u32)) {
        let (player, place) = (self.players[row.at()].durable, self.columns.place(row));
        let drops = self.market.economy().drops();
        self.market.ground().near(place, |at| {
            let drop = &drops[at as usize];
            let (dx, dy) = (place.0 - drop.place.0, place.1 - drop.place.1);
            if dx.abs().max(dy.abs()) > SEEN_MM {
                return; // most of them
            }
            let far = distance2(place, drop.place);
            let is_free = drop.free_at <= self.now || drop.owner.is_none_or(|owner| owner == player);
            if is_free && far <= i64::from(SEEN_MM) * i64::from(SEEN_MM) {
                each(far, drop, at);
            }
        });
    }
}

pub(super) fn distance2(a: (i32, i32), b: (i32, i32)) -> i64 {
    let (dx, dy) = (i64::from(a.0 - b.0), i64::from(a.1 - b.1));
    dx * dx + dy * dy
}
