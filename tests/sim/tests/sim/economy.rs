//! A market in a brawl: a million orders, most of them foul, and nothing appears, vanishes or is in two places.

use crate::fixtures::on_threads;
use engine::economy::{Bundle, Effect, Goods, Market, Order};
use engine::rng::{Purpose, draw, within};
use engine::{Content, DurableId, EntityId, Input, Sending, World, ZoneConfig, order, state_hash, tick};
use harness::drive::durable;
use netproto::input::InputPacket;
use netproto::{Command, Deed, Move, Outcome, Steer};

const PLAYERS: u32 = 200;
/// Orders of each player in a tick.
const EACH: u32 = 1;

/// What somebody asks for, as somebody who sees the world would, or who tries what should not work.
struct Chance<'a> {
    /// Creatures that could be captured, or nearly.
    weak: &'a [EntityId],
    tick: u32,
    key: u32,
    n_drawn: u32,
}

impl Chance<'_> {
    fn below(&mut self, n: usize) -> usize {
        self.n_drawn += 1;
        within(draw(3, self.tick, self.key << 8 | self.n_drawn, Purpose::Wander), 0, n.max(1) as i32 - 1)
            as usize
    }

    fn goods(&mut self) -> Goods {
        let count = [0, 1, 1, 2, 3, 50, u32::MAX][self.below(7)];
        Goods { thing: self.below(8) as u16, count }
    }

    /// What somebody has some of, or might have.
    fn held(&mut self, world: &World, player: DurableId) -> Goods {
        let purse = world.market().purse(player);
        let held: Vec<Goods> = purse.map(|purse| purse.goods().collect()).unwrap_or_default();
        match held.get(self.below(held.len() + 1)) {
            Some(goods) => Goods { thing: goods.thing, count: 1 + self.below(goods.count as usize) as u32 },
            None => self.goods(),
        }
    }

    fn bundle(&mut self, world: &World, player: DurableId) -> Bundle {
        let mut bundle = Bundle::default();
        let n = self.below(3);
        bundle.iter_mut().take(n).for_each(|goods| *goods = self.held(world, player));
        bundle
    }

    fn body(&mut self, world: &World) -> EntityId {
        world.entity_of(durable(self.below(PLAYERS as usize) as u32)).unwrap_or(EntityId::NONE)
    }

    fn order(&mut self, world: &World, player: DurableId) -> Order {
        let drops = world.market().economy().drops();
        match self.below(12) {
            0..=3 => {
                let any = drops.get(self.below(drops.len())).map_or(player, |drop| drop.id);
                Order::PickUp { drop: any }
            }
            4 => Order::PutDown { goods: self.held(world, player) },
            5 => Order::Give { to: self.body(world), goods: self.held(world, player) },
            6 | 7 => {
                let other = self.below(PLAYERS as usize) as u32;
                let to = world.entity_of(durable(other)).unwrap_or(EntityId::NONE);
                let (given, wanted) = (self.bundle(world, player), self.bundle(world, durable(other)));
                Order::Offer { to, given, wanted }
            }
            8 => {
                let offers = world.market().economy().offers();
                let to_me = offers.iter().find(|offer| offer.to == player);
                Order::Reply { offer: to_me.map_or(7, |offer| offer.number), accepts: self.below(8) > 0 }
            }
            9 | 10 => {
                let weak = self.weak;
                let target = weak.get(self.below(weak.len() + 1)).copied();
                Order::Capture { target: target.unwrap_or_else(|| self.body(world)) }
            }
            _ => {
                let purse = world.market().purse(player);
                let beast = purse.and_then(|purse| purse.stable[self.below(8)]);
                Order::SetFree { beast: beast.map_or(player, |beast| beast.id) }
            }
        }
    }
}

/// A day at the market, in the middle of a fight.
struct Day {
    world: World,
    n_orders: u32,
}

impl Day {
    fn new() -> Self {
        let config = ZoneConfig {
            seed: 8,
            side_mm: 256_000,
            ticks_per_second: 20,
            players_max: PLAYERS,
            creatures: 150,
            spawn_radius_mm: 9_000,
            den_radius_mm: 14_000,
            sending: Sending::EveryTick,
        };
        let mut world = World::new(&config, Content::standard(20));
        let join = |n| Input::Join { player: durable(n), in_flight_max: 8, place: None };
        tick(&mut world, &[Input::Names(9)].into_iter().chain((0..PLAYERS).map(join)).collect::<Vec<_>>());
        Self { world, n_orders: 0 }
    }

    fn step(&mut self) {
        let (world, now) = (&self.world, self.world.now());
        let mut inputs = Vec::new();
        match now % 200 {
            150 => inputs.push(Input::ReadOnly(true)),
            160 => inputs.push(Input::ReadOnly(false)),
            170 => inputs.push(Input::Leave { player: durable(now / 200) }),
            180 => inputs.push(Input::Join { player: durable(now / 200), in_flight_max: 8, place: None }),
            _ => {}
        }
        let columns = world.columns();
        let mut weak: Vec<EntityId> = (columns.n_players_max()..columns.n_rows())
            .filter(|at| {
                let (health, most) = (columns.health[*at], columns.health_max[*at]);
                columns.id[*at] != EntityId::NONE && 0 < health && health < most / 2
            })
            .map(|at| columns.id[at])
            .collect();
        weak.sort_unstable();
        for n in 0..PLAYERS * EACH {
            let player = durable(n % PLAYERS);
            let mut chance = Chance { weak: &weak, tick: now, key: n, n_drawn: 0 };
            // One in five is asked for again, as after an answer that was lost.
            let request = (4 + now) * EACH + n / PLAYERS - if chance.below(5) == 0 { 3 } else { 0 };
            inputs.push(Input::Order { player, request, order: chance.order(world, player) });
        }
        inputs.extend((0..PLAYERS).filter(|n| (now + n).is_multiple_of(12)).map(|n| fight(now, n)));
        tick(&mut self.world, &inputs);
        self.n_orders += PLAYERS * EACH;
    }
}

/// Swings, shoots, and takes a step.
fn fight(now: u32, n: u32) -> Input {
    let angle = draw(4, now, n, Purpose::Wander) as u32 % 256;
    let movement = Move::Steer(Steer { angle, speed: u32::from(now.is_multiple_of(5)) });
    let shot = (now + n).is_multiple_of(24);
    let deed = Deed { swing: true, aim: angle, shot, ..Deed::default() };
    let mut packet = InputPacket { tick: now + 1, n_commands: 1, ..InputPacket::default() };
    packet.commands[0] = Command { movement, deed: Some(deed) };
    Input::Packet { player: durable(n), margin_2ms: 0, packet }
}

/// How often each kind of effect happened.
fn tally(counts: &mut [u32; 8], effects: &[Effect]) {
    const NAMES: [&str; 8] =
        ["left", "put-down", "picked-up", "decayed", "given", "traded", "captured", "set-free"];
    for effect in effects {
        counts[NAMES.iter().position(|name| *name == effect.name()).expect("it has a name")] += 1;
    }
}

#[test]
fn a_million_orders_make_nothing_and_lose_nothing() {
    on_threads(2, || {
        let mut day = Day::new();
        let things = day.world.content().things.clone();
        // What changes hands is all that a second market hears of.
        let mut beside = Market::new(things.n(), PLAYERS as usize);
        (0..PLAYERS).for_each(|n| beside.enter(durable(n)));
        let (mut counts, mut n_done) = ([0; 8], 0);
        while day.n_orders < 1_000_000 {
            day.step();
            let world = &day.world;
            for effect in world.effects() {
                beside.apply(effect, &things).expect("what happened once can happen beside it");
                assert_eq!(beside.clone().apply(effect, &things), Err(Outcome::Gone), "{effect:?}, twice");
            }
            tally(&mut counts, world.effects());
            n_done += world.effects().iter().filter(|effect| effect.asker().is_some()).count();
            if world.now().is_multiple_of(50) {
                assert_eq!(world.market().audit(&things), Vec::<String>::new(), "in tick {}", world.now());
                for n in 0..PLAYERS {
                    let owned = |market: &Market| {
                        market.purse(durable(n)).map(|purse| (purse.gold, purse.stacks, purse.stable))
                    };
                    assert_eq!(owned(&beside), owned(world.market()), "player {n}");
                }
            }
        }
        let economy = day.world.market().economy();
        println!("{counts:?} of {} orders, {n_done} followed, {:?} gold", day.n_orders, economy.flow(0));
        assert!(counts.iter().all(|n| *n > 50), "something hardly happened: {counts:?}");
        assert_eq!(beside.economy().drops().len(), economy.drops().len());
    });
}

#[test]
fn a_market_is_the_same_on_any_number_of_threads_and_in_any_order_of_rows() {
    let run = |n_threads: usize, is_shuffled: bool| {
        on_threads(n_threads, || {
            let mut day = Day::new();
            (0..400)
                .map(|tick| {
                    day.step();
                    let world = &mut day.world;
                    let told = (state_hash(world), world.effects().to_vec(), world.receipts().to_vec());
                    if is_shuffled {
                        order::shuffle(world, tick);
                    }
                    told
                })
                .collect::<Vec<_>>()
        })
    };
    let one = run(1, false);
    assert!(one.iter().map(|(_, effects, _)| effects.len()).sum::<usize>() > 1_000);
    assert!(one == run(4, false), "four threads");
    assert!(one == run(1, true), "shuffled rows");
}
