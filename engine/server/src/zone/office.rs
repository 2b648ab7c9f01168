//! What operators ask of a running zone: to give, to take, to end a connection, to tell everybody something.
//!
//! The admin thread hands in a [`Petition`] at the [`Counter`] and looks for the ruling now and then; the tick thread takes a few
//! per tick at the [`Office`]. What changes hands goes into the world as an input with its reason, so the log has both, and
//! the ruling is told when the log holds it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, bounded};
use engine::economy::Goods;
use engine::{DurableId, Fact, FactBody, Input};
use netproto::Outcome;

/// Petitions that may wait.
const WAITING_MAX: usize = 16;
/// Petitions served per tick.
const PER_TICK: usize = 4;
/// Rulings that wait for the log at most; more of them means that nobody waits any more.
const OPEN_MAX: usize = 1024;
/// Whoever asks looks so often.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// And for so long. What was asked may still happen after that.
const PATIENCE: Duration = Duration::from_secs(2);

/// What an operator wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Something changes hands.
    Decree {
        /// To whom, or from whom.
        player: DurableId,
        /// What.
        goods: Goods,
        /// Given, not taken.
        is_gift: bool,
        /// Why.
        reason: Arc<str>,
    },
    /// The connection of a player ends.
    Kick {
        /// Whose.
        player: DurableId,
        /// What the player is told.
        reason: Arc<str>,
    },
    /// Everybody reads something.
    Say(Arc<str>),
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// In which tick.
    pub tick: u32,
    /// The number of the decree, if it was one and is done.
    pub number: Option<u32>,
    /// What became of it.
    pub outcome: Outcome,
}

struct Petition {
    wish: Wish,
    answer: Sender<Ruling>,
}

/// The admin thread's end.
#[derive(Clone)]
pub struct Counter(Sender<Petition>);

/// The tick thread's end.
pub struct Office {
    petitions: Receiver<Petition>,
    /// Rulings on their way, by what the world calls them.
    open: HashMap<u32, Sender<Ruling>>,
    ticket: u32,
    /// Who waits for the answer to the kick that was served last.
    kicked: Option<(u32, Sender<Ruling>)>,
    n_left: usize,
}

/// What the zone has to do next.
#[derive(Debug)]
pub enum Served {
    /// The world decides.
    Input(Input),
    /// End this player's connection, and say by [`Office::handle_kicked`] whether there was one.
    Kick(DurableId, Arc<str>),
    /// Tell everybody.
    Say(Arc<str>),
}

/// Both ends.
#[must_use]
pub fn open() -> (Office, Counter) {
    let (hand_in, petitions) = bounded(WAITING_MAX);
    let office = Office { petitions, open: HashMap::new(), ticket: 0, kicked: None, n_left: PER_TICK };
    (office, Counter(hand_in))
}

impl Counter {
    /// Asks, and waits for the ruling. `None` when the zone does not answer in time: it may still happen.
    pub async fn ask(&self, wish: Wish) -> Option<Ruling> {
        let (answer, rulings) = bounded(1);
        self.0.try_send(Petition { wish, answer }).ok()?;
        let looks = PATIENCE.as_millis() / LOOK_EVERY.as_millis();
        // Looking now and then: the tick thread has nobody to wake. See [`crate::admin::easel`].
        for _ in 0..looks {
            tokio::time::sleep(LOOK_EVERY).await;
            if let Ok(ruling) = rulings.try_recv() {
                return Some(ruling);
            }
        }
        None
    }
}

impl Office {
    /// What to do next, a few per tick; nothing: go on with the tick.
    pub fn poll(&mut self, now: u32) -> Option<Served> {
        let petition = if self.n_left == 0 { None } else { self.petitions.try_recv().ok() };
        let Some(Petition { wish, answer }) = petition else {
            self.n_left = PER_TICK;
            return None;
        };
        self.n_left -= 1;
        Some(match wish {
            Wish::Decree { player, goods, is_gift, reason } => {
                self.ticket = self.ticket.wrapping_add(1);
                if self.open.len() >= OPEN_MAX {
                    self.open.clear();
                }
                self.open.insert(self.ticket, answer);
                Served::Input(Input::Decree { player, goods, is_gift, ticket: self.ticket, reason })
            }
            Wish::Kick { player, reason } => {
                self.kicked = Some((now, answer));
                Served::Kick(player, reason)
            }
            Wish::Say(text) => {
                // Whoever asked may have gone.
                let _ = answer.try_send(Ruling { tick: now, number: None, outcome: Outcome::Done });
                Served::Say(text)
            }
        })
    }

    /// Whether the player of the last [`Served::Kick`] was in.
    pub fn handle_kicked(&mut self, is_in: bool) {
        if let Some((tick, answer)) = self.kicked.take() {
            let outcome = if is_in { Outcome::Done } else { Outcome::Gone };
            let _ = answer.try_send(Ruling { tick, number: None, outcome });
        }
    }

    /// The world has decided, and the log holds it.
    pub fn handle_fact(&mut self, fact: &Fact, tick: u32) {
        if let FactBody::Decreed { ticket, number, outcome } = fact.body
            && let Some(answer) = self.open.remove(&ticket)
        {
            let number = (outcome == Outcome::Done).then_some(number);
            let _ = answer.try_send(Ruling { tick, number, outcome });
        }
    }
}

impl super::Zone {
    /// What operators ask for.
    pub(super) fn take_petitions(&mut self) {
        let Self { office, peers, inputs, world, .. } = self;
        while let Some(served) = office.poll(world.now()) {
            match served {
                Served::Input(input) => inputs.push(input),
                Served::Kick(player, reason) => {
                    let is_in = peers.handle_kick(player, &reason, inputs);
                    office.handle_kicked(is_in);
                }
                Served::Say(text) => peers.handle_say(world.now(), &text),
            }
        }
        self.act();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ruling_goes_to_whoever_asked_and_a_tick_serves_a_few() {
        let (mut office, counter) = open();
        let player = DurableId { low: 1, high: 2 };
        let mut answers = Vec::new();
        for count in 1..=6 {
            let (answer, rulings) = bounded(1);
            let goods = Goods { thing: 0, count };
            let wish = Wish::Decree { player, goods, is_gift: true, reason: "a test".into() };
            counter.0.try_send(Petition { wish, answer }).unwrap();
            answers.push(rulings);
        }
        let served = |office: &mut Office| std::iter::from_fn(|| office.poll(7)).collect::<Vec<Served>>();
        let inputs = served(&mut office);
        assert_eq!((inputs.len(), served(&mut office).len(), served(&mut office).len()), (PER_TICK, 2, 0));
        let Served::Input(Input::Decree { ticket, goods, .. }) = &inputs[2] else { panic!("it is one") };
        let body = FactBody::Decreed { ticket: *ticket, number: 40, outcome: Outcome::Done };
        office.handle_fact(&Fact { player, body }, 9);
        let ruling = Ruling { tick: 9, number: Some(40), outcome: Outcome::Done };
        assert_eq!((goods.count, answers[2].try_recv()), (3, Ok(ruling)));
        assert!(answers[1].try_recv().is_err(), "nobody has decided about it");
    }
}
