//! What players learn of what they own, what lies near them, and what they are offered.

use super::purse::{Beast, Bundle, Goods, Purse, STABLE_SLOTS, STACKS};
use super::settle::Table;
use crate::ids::{DurableId, EntityId, Row};
use crate::replay::bits::Digest;
use crate::world::World;
use netproto::Outcome;

/// Drops that a player is told of at most, the nearest.
pub const DROPS_SHOWN: usize = 16;
/// How far a player sees them.
const SEEN_MM: i32 = 16_000;
/// Side of the squares by which they are found.
const TILE_MM: i32 = 16_000;
/// The ground is looked at every so many ticks.
const LOOK_TICKS: u32 = 4;
/// Each player looks every so many times.
const TURNS: u32 = 5;

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

/// Drops by the squares in which they lie: (square, which of the economy's drops), in order.
pub(super) type Ground = Vec<(u32, u32)>;

impl World {
    /// What the economy has to say in this tick, in an order that knows no rows.
    #[must_use]
    pub fn receipts(&self) -> &[Receipt] {
        &self.scratch.table.receipts
    }

    /// Tells players what lies near them, each about once a second, when that has changed. Whoever has just made something
    /// lie there or vanish looks sooner.
    ///
    /// - Cost: one sort of all drops in four ticks, and a fifth of all players look then.
    pub(crate) fn tell_ground(&mut self) {
        if !self.now.is_multiple_of(LOOK_TICKS) {
            return;
        }
        let mut table = std::mem::take(&mut self.scratch.table);
        if !self.market.economy().drops().is_empty() || !table.shown.is_empty() {
            self.survey(&mut table.ground);
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

    /// Sorts all drops by where they lie.
    fn survey(&self, ground: &mut Ground) {
        ground.clear();
        let drops = self.market.economy().drops().iter().enumerate();
        ground.extend(drops.map(|(at, drop)| {
            let (x, y) = (drop.place.0 / TILE_MM, drop.place.1 / TILE_MM);
            (tile(x, y), at as u32)
        }));
        ground.sort_unstable();
    }

    fn look_down(&self, table: &mut Table, row: Row) {
        let (player, place) = (self.players[row.at()].durable, self.columns.place(row));
        let drops = self.market.economy().drops();
        table.near.clear();
        for y in place.1 / TILE_MM - 1..=place.1 / TILE_MM + 1 {
            let (west, east) = (place.0 / TILE_MM - 1, place.0 / TILE_MM + 1);
            let (low, high) = (tile(west.max(0), y.max(0)), tile(east, y.max(0)));
            let start = table.ground.partition_point(|(tile, _)| *tile < low);
            let run = table.ground[start..].iter().take_while(|(tile, _)| *tile <= high && y >= 0);
            for (_, at) in run {
                let drop = &drops[*at as usize];
                let is_free = drop.owner.is_none_or(|owner| owner == player) || drop.free_at <= self.now;
                let far = distance2(place, drop.place);
                if is_free && far <= i64::from(SEEN_MM) * i64::from(SEEN_MM) {
                    table.near.push((far, drop.id, *at));
                }
            }
        }
        table.near.sort_unstable();
        table.near.truncate(DROPS_SHOWN);
        let mut shown = [DropShown::default(); DROPS_SHOWN];
        for (shown, (_, id, at)) in shown.iter_mut().zip(&table.near) {
            let drop = &drops[*at as usize];
            *shown = DropShown { id: *id, goods: drop.goods, place: drop.place };
        }
        let n = table.near.len() as u8;
        // Who walks about sees the same drops in another order: that is no news.
        table.near.sort_unstable_by_key(|(_, id, _)| *id);
        let mut digest = Digest::default();
        table.near.iter().for_each(|(_, id, _)| digest.add(u64::from(id.high) << 32 | u64::from(id.low)));
        let before = match n {
            0 => table.shown.remove(&player),
            _ => table.shown.insert(player, digest.long()),
        };
        if before != (n > 0).then(|| digest.long()) {
            table.receipts.push(Receipt { player, body: ReceiptBody::Drops { shown, n } });
        }
    }
}

/// The number of a square; those of one line follow each other.
fn tile(x: i32, y: i32) -> u32 {
    const TILES_PER_LINE: u32 = 1 << 16;
    y as u32 * TILES_PER_LINE + x as u32
}

pub(super) fn distance2(a: (i32, i32), b: (i32, i32)) -> i64 {
    let (dx, dy) = (i64::from(a.0 - b.0), i64::from(a.1 - b.1));
    dx * dx + dy * dy
}
