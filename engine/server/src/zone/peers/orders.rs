//! Orders on their way in, and what comes of them on its way out.

use std::time::Instant;

use engine::Input;
use engine::economy::Receipt;
use netproto::{Outcome, Record, Refusal};
use transport::PeerId;

use super::{Act, Peers};
use crate::zone::rates::Verdict;
use crate::zone::trade;

impl Peers {
    /// The world decides what comes of an order; what is too fast or makes no sense is answered here, and forgotten.
    pub(super) fn handle_order(
        &mut self,
        (now, last_tick): (Instant, u32),
        id: PeerId,
        record: &Record,
        inputs: &mut Vec<Input>,
    ) {
        let (Some(row), Some(order)) = (self.row_mut(id), trade::order(record)) else { return };
        let (player, verdict) = (row.player, row.conduct.handle_order(now));
        let request = order.as_ref().map_or_else(|request| *request, |(request, _)| *request);
        let refused = match (verdict, order) {
            (Verdict::Read, Ok((request, order))) => {
                self.counts.orders += 1;
                return inputs.push(Input::Order { player, request, order });
            }
            (Verdict::Read, Err(_)) => Outcome::Senseless,
            (Verdict::Drop, _) => Outcome::TooFast,
            (Verdict::Close, _) => {
                return self.end(id, Refusal::Flood, "too many orders for ten seconds", inputs);
            }
        };
        self.counts.orders_refused += 1;
        self.acts.push_back(Act::Record { peer: id, record: trade::answer(request, refused, last_tick) });
    }

    /// The world has something to say about what players own.
    pub fn handle_receipt(&mut self, receipt: &Receipt, tick: u32) {
        if let Some(peer) = self.by_player.get(&receipt.player).copied() {
            self.acts.push_back(Act::Record { peer, record: trade::record(receipt, tick) });
        }
    }
}
