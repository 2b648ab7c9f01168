//! Orders in a small zone, one by one, and changes of hands that come twice.

use super::settle::{DECAY_SECONDS, OFFER_SECONDS, OWNED_SECONDS};
use super::*;
use crate::content::GOLD;
use crate::durable::{Recovery, TickRecord};
use crate::ids::{EntityId, Row};
use crate::outbox::FactBody;
use crate::{Checkpoint, Content, Input, World, ZoneConfig, tick};
use netproto::Kind;

const HIDE: u16 = 2;

fn id(n: u32) -> DurableId {
    DurableId { low: 1 + n, high: 3 }
}

/// Players that stand beside each other, far from three creatures.
struct Square {
    world: World,
    requests: u32,
}

impl Square {
    fn new(n_players: u32) -> Self {
        let config = ZoneConfig {
            seed: 5,
            side_mm: 200_000,
            ticks_per_second: 20,
            players_max: 64,
            creatures: 3,
            spawn_radius_mm: 0,
            den_radius_mm: 0,
            sending: crate::Sending::EveryTick,
        };
        let mut square = Self { world: World::new(&config, Content::standard(20)), requests: 0 };
        let joins = (0..n_players).map(|n| Input::Join {
            player: id(n),
            in_flight_max: 8,
            place: Some((30_000, 30_000)),
        });
        tick(&mut square.world, &[Input::Names(3)].into_iter().chain(joins).collect::<Vec<Input>>());
        square
    }

    fn row(&self, n: u32) -> Row {
        self.world.row_of(self.body(n)).unwrap()
    }

    fn body(&self, n: u32) -> EntityId {
        self.world.entity_of(id(n)).unwrap()
    }

    fn ask(&mut self, n: u32, order: Order) -> Outcome {
        self.requests += 1;
        self.ask_as(n, self.requests, order)
    }

    fn ask_as(&mut self, n: u32, request: u32, order: Order) -> Outcome {
        tick(&mut self.world, &[Input::Order { player: id(n), request, order }]);
        self.world.check();
        let answers: Vec<Outcome> = self
            .world
            .receipts()
            .iter()
            .filter_map(|receipt| match receipt.body {
                ReceiptBody::Answer { request: of, outcome } if of == request => Some(outcome),
                _ => None,
            })
            .collect();
        assert_eq!(answers.len(), 1, "an order is answered once");
        answers[0]
    }

    fn rest(&mut self, seconds: u32) {
        for _ in 0..seconds * 20 {
            tick(&mut self.world, &[]);
        }
    }

    /// Something that somebody killed for.
    fn find(&mut self, goods: Goods, owner: Option<DurableId>) -> DurableId {
        let now = self.world.now();
        let drop = Drop {
            id: self.world.market.next_name(),
            goods,
            place: (30_000, 30_000),
            owner,
            free_at: now + OWNED_SECONDS * 20,
            ends_at: now + DECAY_SECONDS * 20,
        };
        let effect = Effect::Left { drop, creature: EntityId::NONE };
        self.world.market.apply(&effect, &self.world.content.things).unwrap();
        drop.id
    }

    fn endow(&mut self, n: u32, thing: u16, count: u32) {
        let drop = self.find(Goods { thing, count }, None);
        assert_eq!(self.ask(n, Order::PickUp { drop }), Outcome::Done);
    }

    fn has(&self, n: u32, thing: u16) -> u32 {
        self.world.market().purse(id(n)).map_or(0, |purse| purse.count(thing))
    }

    fn offered(&self) -> u32 {
        let offer = self.world.receipts().iter().find_map(|receipt| match receipt.body {
            ReceiptBody::Offered { offer, .. } => Some(offer),
            _ => None,
        });
        offer.expect("somebody was offered something")
    }
}

fn side(thing: u16, count: u32) -> Bundle {
    let mut side = Bundle::default();
    side[0] = Goods { thing, count };
    side
}

#[test]
fn a_kill_is_the_killers_for_ten_seconds_and_everybodys_for_two_minutes() {
    let mut square = Square::new(2);
    let drop = square.find(Goods { thing: HIDE, count: 2 }, Some(id(0)));
    assert_eq!(square.ask(1, Order::PickUp { drop }), Outcome::NotYours);
    square.rest(OWNED_SECONDS);
    assert_eq!(square.ask(1, Order::PickUp { drop }), Outcome::Done);
    assert_eq!(square.ask(0, Order::PickUp { drop }), Outcome::Gone);
    assert_eq!((square.has(0, HIDE), square.has(1, HIDE)), (0, 2));
    assert_eq!(square.ask(1, Order::PutDown { goods: Goods { thing: HIDE, count: 2 } }), Outcome::Done);
    let Effect::PutDown { drop, .. } = square.world.effects()[0] else { panic!("it was laid down") };
    square.rest(DECAY_SECONDS + 1);
    assert_eq!(square.ask(0, Order::PickUp { drop: drop.id }), Outcome::Gone);
    assert_eq!(square.world.market().economy().flow(HIDE), (2, 2));
}

#[test]
fn an_order_that_comes_again_is_followed_once_and_answered_alike() {
    let mut square = Square::new(2);
    square.endow(0, GOLD, 100);
    let order = Order::Give { to: square.body(1), goods: Goods { thing: GOLD, count: 30 } };
    let n = square.requests + 7;
    assert_eq!([0; 3].map(|_| square.ask_as(0, n, order)), [Outcome::Done; 3]);
    assert_eq!((square.has(0, GOLD), square.has(1, GOLD)), (70, 30));
    let much = Order::Give { to: square.body(1), goods: Goods { thing: GOLD, count: 90 } };
    assert_eq!(square.ask_as(0, n + 1, much), Outcome::TooFew);
    square.endow(0, GOLD, 100);
    assert_eq!(square.ask_as(0, n + 1, much), Outcome::TooFew, "what was refused stays refused");
    for request in n + 2..n + 40 {
        square.ask_as(0, request, order);
    }
    assert_eq!(square.ask_as(0, n, order), Outcome::TooOld);
    assert_eq!(square.ask_as(0, 0, order), Outcome::Senseless);
}

#[test]
fn both_halves_of_a_trade_happen_or_none() {
    let mut square = Square::new(3);
    square.endow(0, HIDE, 5);
    square.endow(1, GOLD, 40);
    let offer = |square: &Square, count| Order::Offer {
        to: square.body(1),
        given: side(HIDE, 5),
        wanted: side(GOLD, count),
    };
    let dear = offer(&square, 41);
    assert_eq!(square.ask(0, dear), Outcome::Done);
    let number = square.offered();
    assert_eq!(square.ask(2, Order::Reply { offer: number, accepts: true }), Outcome::Gone, "not theirs");
    assert_eq!(square.ask(1, Order::Reply { offer: number, accepts: true }), Outcome::TooFew);
    assert_eq!((square.has(0, HIDE), square.has(1, HIDE)), (5, 0));
    let fair = offer(&square, 40);
    assert_eq!(square.ask(0, fair), Outcome::Done);
    assert_eq!(square.ask(1, Order::Reply { offer: number, accepts: true }), Outcome::Gone, "replaced");
    let offer_of_forty = number + 1;
    assert_eq!(square.ask(1, Order::Reply { offer: offer_of_forty, accepts: true }), Outcome::Done);
    assert_eq!((square.has(0, HIDE), square.has(1, HIDE)), (0, 5));
    assert_eq!((square.has(0, GOLD), square.has(1, GOLD)), (40, 0));
    assert_eq!(square.world.effects().len(), 1, "one effect holds both halves");
    assert_eq!(square.ask(1, Order::Reply { offer: offer_of_forty, accepts: true }), Outcome::Gone);
}

#[test]
fn an_offer_ends_by_a_no_by_time_and_when_somebody_leaves() {
    let mut square = Square::new(3);
    square.endow(0, GOLD, 40);
    let order = Order::Offer { to: square.body(1), given: side(GOLD, 1), wanted: Bundle::default() };
    let accept = |square: &mut Square, offer| square.ask(1, Order::Reply { offer, accepts: true });
    assert_eq!(square.ask(0, order), Outcome::Done);
    let offer = square.offered();
    assert_eq!(square.ask(1, Order::Reply { offer, accepts: false }), Outcome::Done);
    assert_eq!(accept(&mut square, offer), Outcome::Gone);
    square.ask(0, order);
    let offer = square.offered();
    square.rest(OFFER_SECONDS);
    assert_eq!(accept(&mut square, offer), Outcome::Gone);
    square.ask(0, order);
    let offer = square.offered();
    tick(&mut square.world, &[Input::Leave { player: id(0) }]);
    assert_eq!(accept(&mut square, offer), Outcome::Gone);
    assert_eq!(square.has(0, GOLD), 40, "who leaves keeps what is owned");
}

#[test]
fn what_makes_no_sense_or_is_out_of_reach_is_refused() {
    let mut square = Square::new(2);
    let (me, other) = (square.body(0), square.body(1));
    let creature = square.world.columns().id[square.world.columns().n_players_max()];
    let gold = |count| Goods { thing: GOLD, count };
    for (order, outcome) in [
        (Order::PutDown { goods: gold(1) }, Outcome::TooFew),
        (Order::PutDown { goods: gold(0) }, Outcome::Senseless),
        (Order::PutDown { goods: Goods { thing: 999, count: 1 } }, Outcome::Senseless),
        (Order::Give { to: me, goods: gold(1) }, Outcome::Senseless),
        (Order::Give { to: creature, goods: gold(1) }, Outcome::Gone),
        (Order::Give { to: other, goods: gold(1) }, Outcome::TooFew),
        (Order::Give { to: other, goods: gold(u32::MAX) }, Outcome::TooFew),
        (Order::Offer { to: other, given: Bundle::default(), wanted: Bundle::default() }, Outcome::Senseless),
        (Order::Offer { to: other, given: side(GOLD, 1), wanted: Bundle::default() }, Outcome::TooFew),
        (Order::Offer { to: other, given: side(999, 1), wanted: Bundle::default() }, Outcome::Senseless),
        (Order::Capture { target: other }, Outcome::Gone),
        (Order::Capture { target: creature }, Outcome::TooFar),
        (Order::SetFree { beast: id(9) }, Outcome::Gone),
        (Order::PickUp { drop: id(9) }, Outcome::Gone),
    ] {
        assert_eq!(square.ask(0, order), outcome, "{order:?}");
        assert!(square.world.effects().is_empty());
    }
    let far = square.row(1);
    square.world.columns.x_mm[far.at()] += 6_000;
    square.endow(0, GOLD, 1);
    assert_eq!(square.ask(0, Order::Give { to: other, goods: gold(1) }), Outcome::TooFar);
    let my_row = square.row(0).at();
    square.world.columns.health[my_row] = 0;
    assert_eq!(square.ask(0, Order::PutDown { goods: gold(1) }), Outcome::Dead);
}

#[test]
fn a_weakened_creature_moves_from_the_wild_into_the_stable() {
    let mut square = Square::new(1);
    let at = square.world.columns().n_players_max();
    let (target, place) = (square.world.columns().id[at], square.world.columns().place(square.row(0)));
    (square.world.columns.x_mm[at], square.world.columns.y_mm[at]) = place;
    assert_eq!(square.ask(0, Order::Capture { target }), Outcome::TooStrong);
    let row = square.world.row_of(target).unwrap().at();
    square.world.columns.health[row] = square.world.columns.health_max[row] / 4;
    let n_wild = square.world.counts().creatures;
    assert_eq!(square.ask(0, Order::Capture { target }), Outcome::Done);
    assert_eq!((square.world.row_of(target), square.world.counts().creatures), (None, n_wild - 1));
    let beast = square.world.market().purse(id(0)).unwrap().stable[0].unwrap();
    assert_ne!(beast.kind, Kind::Player);
    square.rest(7);
    assert_eq!(square.world.counts().creatures, n_wild, "another one comes to the den");
    assert_eq!(square.ask(0, Order::SetFree { beast: beast.id }), Outcome::Done);
    assert_eq!(square.ask(0, Order::SetFree { beast: beast.id }), Outcome::Gone);
    assert_eq!(square.world.market().economy().beasts(), (1, 1));
}

#[test]
fn while_nothing_can_be_kept_nothing_changes_hands_and_the_same_request_may_come_again() {
    let mut square = Square::new(2);
    square.endow(0, GOLD, 5);
    tick(&mut square.world, &[Input::ReadOnly(true)]);
    let order = Order::Give { to: square.body(1), goods: Goods { thing: GOLD, count: 5 } };
    assert_eq!(square.ask_as(0, 90, order), Outcome::ReadOnly);
    let lying = square.find(Goods { thing: HIDE, count: 1 }, None);
    square.rest(DECAY_SECONDS + 1);
    assert!(square.world.market().drop(lying).is_some(), "nothing ends either");
    tick(&mut square.world, &[Input::ReadOnly(false)]);
    assert_eq!(square.ask_as(0, 90, order), Outcome::Done);
    assert_eq!(square.has(1, GOLD), 5);
}

#[test]
fn players_learn_what_lies_near_and_what_they_own_and_nothing_twice() {
    let mut square = Square::new(2);
    square.find(Goods { thing: HIDE, count: 1 }, Some(id(1)));
    let mut told = [0; 2];
    for _ in 0..60 {
        tick(&mut square.world, &[]);
        for receipt in square.world.receipts() {
            if let ReceiptBody::Drops { n, .. } = receipt.body {
                assert_eq!(n, 1);
                told[(receipt.player.low - 1) as usize] += 1;
            }
        }
    }
    assert_eq!(told, [0, 1], "the owner was told, once");
    square.rest(OWNED_SECONDS);
    tick(&mut square.world, &[Input::Join { player: id(1), in_flight_max: 8, place: None }]);
    let is_purse = |receipt: &&Receipt| matches!(receipt.body, ReceiptBody::Purse { .. });
    assert_eq!(square.world.receipts().iter().filter(is_purse).count(), 1, "who comes learns what is owned");
}

#[test]
fn an_effect_that_comes_twice_is_refused() {
    let mut square = Square::new(2);
    let things = Content::standard(20).things;
    let drop = square.find(Goods { thing: HIDE, count: 2 }, None);
    let mut market = square.world.market().clone();
    assert_eq!(square.ask(0, Order::PickUp { drop }), Outcome::Done);
    let picked_up = square.world.effects()[0];
    market.apply(&picked_up, &things).unwrap();
    assert_eq!(market.purse(id(0)), square.world.market().purse(id(0)));
    assert_eq!(market.apply(&picked_up, &things), Err(Outcome::Gone), "the request was followed before");
    let Effect::PickedUp { by, drop, goods } = picked_up else { panic!("it was picked up") };
    let anew = Effect::PickedUp { by: Asker { request: by.request + 1, ..by }, drop, goods };
    assert_eq!(market.apply(&anew, &things), Err(Outcome::Gone), "it does not lie there any more");
    let put_down = Order::PutDown { goods: Goods { thing: HIDE, count: 1 } };
    assert_eq!(square.ask(0, put_down), Outcome::Done);
    let put_down = square.world.effects()[0];
    market.apply(&put_down, &things).unwrap();
    assert_eq!(market.apply(&put_down, &things), Err(Outcome::Gone), "its name was given out before");
    assert_eq!(market.audit(&things), Vec::<String>::new());
}

#[test]
fn the_audit_finds_what_was_never_made_and_what_is_in_two_places() {
    let things = Content::standard(20).things;
    let mut square = Square::new(2);
    square.endow(0, HIDE, 3);
    square.find(Goods { thing: HIDE, count: 1 }, None);
    let sound = square.world.market().clone();
    assert!(Market::resume(sound.economy().clone(), &things).is_ok());
    type Spoil = fn(&mut Economy);
    let spoil: [(&str, Spoil); 6] = [
        ("Gold: 0 were made", |economy| economy.purses[1].gold = 1),
        ("Hide: 4 were made, 0 have ended, and there are 3", |economy| economy.drops.truncate(0)),
        ("2 ids are in two places", |economy| {
            economy.drops.extend_from_within(..);
            economy.drops.extend_from_within(..1);
        }),
        ("never given out", |economy| economy.drops[0].id.low += 1),
        ("in two stacks", |economy| {
            let half = Goods { thing: HIDE, count: 1 };
            economy.purses[0].stacks[0].count -= 1;
            economy.purses[0].stacks[5] = half;
        }),
        ("1 creatures were captured", |economy| economy.captured += 1),
    ];
    for (says, spoil) in spoil {
        let mut market = sound.clone();
        spoil(&mut market.economy);
        let wrong = market.audit(&things).join("; ");
        assert!(wrong.contains(says), "{wrong} should say {says}");
        assert!(Market::resume(market.economy, &things).is_err());
    }
}

#[test]
fn what_changed_hands_is_taken_over_where_ticks_cannot_be_lived_again() {
    let mut square = Square::new(3);
    square.endow(0, GOLD, 50);
    let lying = square.find(Goods { thing: HIDE, count: 2 }, None);
    let copy = Checkpoint::of(&square.world, "another build");
    let mut records = Vec::new();
    let at = square.world.columns().n_players_max();
    let (creature, place) = (square.world.columns().id[at], square.world.columns().place(square.row(0)));
    (square.world.columns.x_mm[at], square.world.columns.y_mm[at]) = place;
    square.world.columns.health[at] = 1;
    let pay = |n| Goods { thing: GOLD, count: n };
    let orders = [
        (0, Order::Give { to: square.body(1), goods: pay(20) }),
        (2, Order::PickUp { drop: lying }),
        (1, Order::PutDown { goods: pay(5) }),
        (0, Order::Capture { target: creature }),
        (0, Order::Offer { to: square.body(2), given: side(GOLD, 7), wanted: side(HIDE, 1) }),
        (2, Order::Reply { offer: 1, accepts: true }),
    ];
    for (n, order) in orders {
        assert_eq!(square.ask(n, order), Outcome::Done, "{order:?}");
        let effects = square.world.effects().to_vec();
        records.push(TickRecord { tick: square.world.now(), effects, ..TickRecord::default() });
    }
    let mut recovery = Recovery::from_foreign(copy, Content::standard(20)).unwrap();
    records.iter().for_each(|record| recovery.handle_effects(record));
    assert_eq!((recovery.n_redone, recovery.n_refused), (5, 0));
    let back = recovery.world();
    back.check();
    for n in 0..3 {
        let owned = |world: &World| {
            let purse = world.market().purse(id(n)).unwrap();
            (purse.gold, purse.stacks, purse.stable)
        };
        assert_eq!(owned(back), owned(&square.world), "player {n}");
    }
    assert_eq!(back.market().economy().drops(), square.world.market().economy().drops());
    assert_eq!(back.row_of(creature), None, "a creature is in the stable or in the wild");
    // A record that comes twice changes nothing.
    let before = back.market().clone().economy().clone();
    records.iter().for_each(|record| recovery.handle_effects(record));
    assert_eq!((recovery.n_redone, recovery.n_refused), (5, 5));
    assert_eq!(recovery.world().market().economy(), &before);
}

#[test]
fn what_operators_give_and_take_is_counted_and_never_happens_twice() {
    let mut square = Square::new(2);
    let mut decree = |player, goods, is_gift, ticket| {
        let reason = "lost in the flood".into();
        tick(&mut square.world, &[Input::Decree { player, goods, is_gift, ticket, reason }]);
        square.world.check();
        let told = square.world.facts().iter().find_map(|fact| match fact.body {
            FactBody::Decreed { ticket: of, number, outcome } if of == ticket => Some((number, outcome)),
            _ => None,
        });
        (told.unwrap(), square.world.effects().to_vec())
    };
    let hides = |count| Goods { thing: HIDE, count };
    let ((first, done), given) = decree(id(0), hides(5), true, 70);
    assert_eq!((first, done, given.len()), (1, Outcome::Done, 1));
    assert_eq!(decree(id(0), hides(9), false, 71).0.1, Outcome::TooFew);
    assert_eq!(decree(id(0), hides(500), true, 72).0.1, Outcome::NoRoom);
    assert_eq!(decree(id(0), hides(0), true, 73).0.1, Outcome::Senseless);
    assert_eq!(decree(id(9), hides(1), true, 74).0.1, Outcome::Gone, "nobody of that name was ever here");
    assert_eq!(decree(id(0), hides(2), false, 75).0, (2, Outcome::Done));
    assert_eq!((square.has(0, HIDE), square.world.market().economy().flow(HIDE)), (3, (5, 2)));
    let mut market = square.world.market().clone();
    assert_eq!(
        market.apply(&given[0], &Content::standard(20).things),
        Err(Outcome::Senseless),
        "a second time"
    );
}
