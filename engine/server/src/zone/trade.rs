//! What players ask of each other's goods, between the records on the wire and the world's orders and receipts.

use engine::economy::{Bundle, Goods, Order, Receipt, ReceiptBody};
use engine::{DurableId, EntityId};
use netproto::records::{Answer, Drops, Offered, Purse};
use netproto::{Outcome, Record};

/// An order and the client's number for it, if the record is one.
///
/// # Errors
/// The number of an order that can never be followed: it names what cannot be.
pub fn order(record: &Record) -> Option<Result<(u32, Order), u32>> {
    let goods = |thing: u32, count: u32| Some(Goods { thing: u16::try_from(thing).ok()?, count });
    let (request, order) = match record {
        Record::PickUp(ask) => {
            (ask.request, Some(Order::PickUp { drop: DurableId { low: ask.low, high: ask.high } }))
        }
        Record::PutDown(ask) => {
            (ask.request, goods(ask.thing, ask.count).map(|goods| Order::PutDown { goods }))
        }
        Record::Give(ask) => {
            let to = EntityId(ask.to);
            (ask.request, goods(ask.thing, ask.count).map(|goods| Order::Give { to, goods }))
        }
        Record::Offer(ask) => {
            let given = bundle(&ask.give_thing, &ask.give_count);
            let wanted = bundle(&ask.want_thing, &ask.want_count);
            let offer = |(given, wanted)| Order::Offer { to: EntityId(ask.to), given, wanted };
            (ask.request, given.zip(wanted).map(offer))
        }
        Record::Reply(ask) => (ask.request, Some(Order::Reply { offer: ask.offer, accepts: ask.accepts })),
        Record::Capture(ask) => (ask.request, Some(Order::Capture { target: EntityId(ask.target) })),
        Record::SetFree(ask) => {
            (ask.request, Some(Order::SetFree { beast: DurableId { low: ask.low, high: ask.high } }))
        }
        _ => return None,
    };
    Some(order.map(|order| (request, order)).ok_or(request))
}

/// One side of a trade. Entries without a count are nothing, whatever they name.
fn bundle(things: &[u32], counts: &[u32]) -> Option<Bundle> {
    let mut bundle = Bundle::default();
    if things.len() != counts.len() || things.len() > bundle.len() {
        return None;
    }
    let named = things.iter().zip(counts).filter(|(_, count)| **count > 0);
    for (goods, (thing, count)) in bundle.iter_mut().zip(named) {
        *goods = Goods { thing: u16::try_from(*thing).ok()?, count: *count };
    }
    Some(bundle)
}

/// What a player is told, as it travels.
#[must_use]
pub fn record(receipt: &Receipt, tick: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    match &receipt.body {
        ReceiptBody::Answer { request, outcome } => {
            return answer(*request, *outcome, tick);
        }
        ReceiptBody::Purse { request, gold, stacks, stable } => {
            let gold = Goods { thing: engine::content::GOLD, count: *gold };
            let (thing, count) = sides(std::iter::once(&gold).chain(stacks));
            let beasts = || stable.iter().flatten();
            Purse {
                tick,
                request: *request,
                thing,
                count,
                beast_low: beasts().map(|beast| beast.id.low).collect(),
                beast_high: beasts().map(|beast| beast.id.high).collect(),
                beast_kind: beasts().map(|beast| beast.kind as u32).collect(),
            }
            .encode(&mut bytes);
        }
        ReceiptBody::Drops { shown, n } => {
            let shown = &shown[..usize::from(*n)];
            Drops {
                tick,
                low: shown.iter().map(|drop| drop.id.low).collect(),
                high: shown.iter().map(|drop| drop.id.high).collect(),
                thing: shown.iter().map(|drop| drop.goods.thing.into()).collect(),
                count: shown.iter().map(|drop| drop.goods.count).collect(),
                x_mm: shown.iter().map(|drop| drop.place.0 as u32).collect(),
                y_mm: shown.iter().map(|drop| drop.place.1 as u32).collect(),
            }
            .encode(&mut bytes);
        }
        ReceiptBody::Offered { offer, from, until, given, wanted } => {
            let ((give_thing, give_count), (want_thing, want_count)) = (sides(given), sides(wanted));
            let (offer, from, ends_at) = (*offer, from.0, *until);
            Offered { offer, from, ends_at, give_thing, give_count, want_thing, want_count }
                .encode(&mut bytes);
        }
    }
    bytes
}

/// The answer to an order.
#[must_use]
pub fn answer(request: u32, outcome: Outcome, tick: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    Answer { request, outcome: outcome as u32, tick }.encode(&mut bytes);
    bytes
}

fn sides<'a>(goods: impl IntoIterator<Item = &'a Goods>) -> (Vec<u32>, Vec<u32>) {
    let some = goods.into_iter().filter(|goods| goods.count > 0);
    some.map(|goods| (u32::from(goods.thing), goods.count)).unzip()
}

#[cfg(test)]
mod tests {
    use super::*;
    use netproto::records::{Offer, PutDown};

    #[test]
    fn what_names_nothing_that_can_be_is_answered_by_its_number() {
        let put_down = |thing| Record::PutDown(PutDown { request: 7, thing, count: 1 });
        assert!(matches!(order(&put_down(65_535)), Some(Ok((7, Order::PutDown { .. })))));
        assert_eq!(order(&put_down(65_536)), Some(Err(7)));
        let offer = |give_count: &[u32]| {
            Record::Offer(Offer {
                request: 8,
                give_thing: vec![1, 2],
                give_count: give_count.to_vec(),
                ..Offer::default()
            })
        };
        assert_eq!(order(&offer(&[1])), Some(Err(8)), "a thing without a count");
        let Some(Ok((8, Order::Offer { given, .. }))) = order(&offer(&[0, 5])) else { panic!("it is one") };
        assert_eq!(given[0], Goods { thing: 2, count: 5 });
        assert_eq!(order(&Record::Goodbye(netproto::Goodbye)), None);
    }
}
