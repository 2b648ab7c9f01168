//! Two parts of phases 7 and 8 by themselves, on a world that stands still: what figures are made of.
//!
//! [`Looks`] are searches for slots, [`Letters`] are snapshots written once more. Both read the world as the last tick
//! left it and write to memory of their own, so a caller may repeat and time them as it likes.
//!
//! Source: docs/PERFORMANCE.md "Parts by themselves".

use crate::clients::Seats;
use crate::ids::Row;
use crate::interest::{self, Scene, Search};
use crate::players::Client;
use crate::shed::Shed;
use crate::world::World;
use jobs::cpu::{Task, widest};
use netproto::snapshot::{self, FRAME_BUFFER_BYTES, Frame, Parts};
use netproto::{Header, Own, SLOTS, Timed};

/// The clients whose turn it is in the next tick, about to look who is near.
#[derive(Debug)]
pub struct Looks {
    rows: Vec<Row>,
    clients: Vec<Client>,
    search: Search,
}

impl Looks {
    /// Clients as they are now: their last search is as old as it will be when they search again, less one tick.
    #[must_use]
    pub fn of(world: &World) -> Self {
        let next = world.now + 1;
        let is_due = |row: &Row| {
            let turn = Shed::turn(world.columns.id[row.at()], next);
            world.clients[row.at()].is_attached && turn.is_multiple_of(interest::EVERY_TICKS)
        };
        let rows: Vec<Row> = (0..world.players.len() as u32).map(Row).filter(is_due).collect();
        let clients = rows.iter().map(|row| world.clients[row.at()].clone()).collect();
        Self { rows, clients, search: Search::warm(world.columns.n_rows()) }
    }

    /// How many searches there are to do.
    #[must_use]
    pub fn n(&self) -> usize {
        self.rows.len()
    }

    /// Slots in use, over all of them.
    #[must_use]
    pub fn n_occupied(&self) -> u32 {
        self.clients.iter().map(|client| client.view.occupied.count_ones()).sum()
    }

    /// Lets each of them choose its slots anew.
    ///
    /// - Shapes: `world` is the one that the looks were made of, in the same tick.
    /// - Cost: a search per client, nothing else. The second time they hold what they would choose.
    pub fn choose(&mut self, world: &World) {
        widest(Choices { looks: self, world });
    }
}

struct Choices<'a> {
    looks: &'a mut Looks,
    world: &'a World,
}

impl Task for Choices<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let World { columns, bins, handles, .. } = self.world;
        let scene = Scene { columns, bins, handles, tick: self.world.now, slots: SLOTS };
        let Looks { rows, clients, search } = self.looks;
        for (row, client) in rows.iter().zip(clients) {
            search.choose(client, &self.world.players[row.at()], *row, &scene);
        }
    }
}

/// The snapshots of the last tick, taken apart.
#[derive(Debug, Default)]
pub struct Letters(Vec<Letter>);

#[derive(Debug)]
struct Letter {
    row: Row,
    header: Header,
    own: Own,
    news: u64,
    introduced: u64,
    steps: u64,
    groups: [u64; netproto::N_GROUPS],
    timed: Vec<Timed>,
    bytes: Vec<u8>,
}

impl Letters {
    /// Takes apart every snapshot of the last tick.
    ///
    /// # Panics
    /// When one does not decode: our bug.
    #[must_use]
    pub fn of(world: &World) -> Self {
        let mut frame = Box::<Frame>::default();
        let letter = |(player, bytes): (_, &[u8])| {
            snapshot::decode(bytes, &mut frame).expect("our own snapshots decode");
            let row =
                world.entity_of(player).and_then(|id| world.row_of(id)).expect("who is served has a body");
            Letter::of(row, &frame, bytes)
        };
        Self(world.frames().map(letter).collect())
    }

    /// How many there are.
    #[must_use]
    pub fn n(&self) -> usize {
        self.0.len()
    }

    /// Writes all of them once more; returns their bytes together.
    ///
    /// - Shapes: `world` is the one that they were made of, in the same tick.
    /// - Cost: an encoding per snapshot, from the columns, as in phase 8.
    pub fn write(&self, world: &World, buffer: &mut [u8; FRAME_BUFFER_BYTES]) -> usize {
        widest(Writing { letters: &self.0, world, buffer })
    }

    /// Whether each of them, written once more, is what was sent.
    #[must_use]
    pub fn are_as_sent(&self, world: &World) -> bool {
        let mut buffer = [0; FRAME_BUFFER_BYTES];
        self.0.iter().all(|letter| {
            let n = Writing { letters: std::slice::from_ref(letter), world, buffer: &mut buffer }.run();
            buffer[..n] == letter.bytes
        })
    }
}

impl Letter {
    fn of(row: Row, frame: &Frame, bytes: &[u8]) -> Self {
        let news = &frame.news[..frame.n_news];
        let introduced = &frame.introductions[..frame.n_introductions];
        Self {
            row,
            header: frame.header,
            own: frame.own,
            news: news.iter().fold(0, |mask, each| mask | 1 << each.slot),
            introduced: introduced.iter().fold(0, |mask, each| mask | 1 << each.slot),
            steps: frame.steps,
            groups: frame.groups,
            timed: frame.timed[..frame.n_timed].to_vec(),
            bytes: bytes.to_vec(),
        }
    }
}

struct Writing<'a> {
    letters: &'a [Letter],
    world: &'a World,
    buffer: &'a mut [u8; FRAME_BUFFER_BYTES],
}

impl Task for Writing<'_> {
    type Output = usize;

    #[inline(always)]
    fn run(self) -> usize {
        let (columns, tick) = (&self.world.columns, self.world.now);
        let mut n_bytes = 0;
        for letter in self.letters {
            let parts = Parts {
                header: letter.header,
                own: letter.own,
                news: letter.news,
                introduced: letter.introduced,
                steps: letter.steps,
                groups: letter.groups,
                timed: &letter.timed,
            };
            let client = &self.world.clients[letter.row.at()];
            let source = Seats { columns, client, number: letter.header.number as u16, tick };
            n_bytes += snapshot::encode(&parts, &source, self.buffer);
        }
        n_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Content, DurableId, Input, ZoneConfig, tick};

    fn world() -> World {
        let config = ZoneConfig {
            seed: 7,
            side_mm: 200_000,
            ticks_per_second: 20,
            players_max: 128,
            creatures: 600,
            spawn_radius_mm: 60_000,
            den_radius_mm: 0,
            sending: crate::Sending::EveryTick,
        };
        let mut world = World::new(&config, Content::standard(20));
        let join = |low| Input::Join { player: DurableId { low, high: 1 }, in_flight_max: 16, place: None };
        tick(&mut world, &(1..=100).map(join).collect::<Vec<_>>());
        for _ in 0..9 {
            tick(&mut world, &[]);
        }
        world
    }

    #[test]
    fn what_is_written_once_more_is_what_was_sent() {
        let mut world = world();
        let mut n = 0;
        for _ in 0..8 {
            tick(&mut world, &[]);
            let letters = Letters::of(&world);
            assert!(letters.are_as_sent(&world), "tick {}", world.now());
            let mut buffer = [0; FRAME_BUFFER_BYTES];
            let bytes: usize = world.frames().map(|(_, bytes)| bytes.len()).sum();
            assert_eq!(letters.write(&world, &mut buffer), bytes);
            n += letters.n();
        }
        assert!(n > 100, "{n} snapshots in 8 ticks");
    }

    #[test]
    fn a_letter_with_another_slot_is_not_what_was_sent() {
        let world = world();
        let mut letters = Letters::of(&world);
        let sent = letters.0.iter_mut().find(|letter| letter.groups[0] != 0).expect("somebody moves");
        sent.groups[0] &= sent.groups[0] - 1;
        assert!(!letters.are_as_sent(&world));
    }

    #[test]
    fn a_quarter_of_the_clients_looks_and_the_world_does_not_change() {
        let world = world();
        let before = crate::state_hash(&world);
        let mut looks = Looks::of(&world);
        let held = looks.n_occupied();
        looks.choose(&world);
        assert!((20..=30).contains(&looks.n()), "{} of 100 look", looks.n());
        let now = looks.n_occupied();
        assert!(held > 0 && now >= held / 2, "{held} slots before, {now} after");
        assert_eq!(crate::state_hash(&world), before);
        for (row, client) in looks.rows.iter().zip(&looks.clients) {
            client.view.check();
            assert!(client.view.slots().all(|slot| client.row(slot) != *row), "{row:?} looks at itself");
        }
    }
}
