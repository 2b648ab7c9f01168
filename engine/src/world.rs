//! One zone: configuration, columns, players, creatures, and the index that finds them.

use crate::bins::Bins;
use crate::clients::{Ages, Board, Desk};
use crate::columns::{BLOCK, Columns};
use crate::content::Content;
use crate::drill::Drill;
use crate::economy::Market;
use crate::economy::settle::Table;
use crate::ids::{ByDurable, DurableId, EntityId, Handles, Row};
use crate::interest::{self, alarms::Alarms};
use crate::layout;
use crate::notices::Notices;
use crate::order;
use crate::outbox::Fact;
use crate::path;
use crate::players::{Client, Player, Timeds};
use crate::rng::{Purpose, draw, within};
use crate::shed::{Shed, Spared};
use crate::step::arrivals::Mail;
use crate::step::casts::{self, Cast, Intent, SALVO_CASTS, Salvo};
use crate::step::clearance::Clearance;
use crate::step::creatures::{Mind, State};
use crate::step::parts::Piles;
use crate::step::wounds::Blows;
use crate::step::{LANE_ROWS, Lane, NEAR_WARM, Near, Threat, WILD_ROWS};
use jobs::scratch::PerThread;
use kernel::walker::Rules;
use kernel::walls::{SIDE_MM_MAX, Walls};
use std::hash::BuildHasherDefault;

/// Bodies of players that a zone may be asked for from outside: by its settings, or by the header of a recording.
pub const PLAYERS_MAX: u32 = 20_000;
/// Dens likewise.
pub const CREATURES_MAX: u32 = 200_000;

/// What a zone is made with. The same configuration and inputs give the same zone, bit for bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZoneConfig {
    /// Everything random follows from it.
    pub seed: u64,
    /// Side of the square, at most 4,194,304 mm.
    pub side_mm: i32,
    /// 20 or 30.
    pub ticks_per_second: u32,
    /// Bodies of players at most.
    pub players_max: u32,
    /// Dens, one creature each.
    pub creatures: u32,
    /// Players appear within this distance of the middle.
    pub spawn_radius_mm: i32,
    /// Creatures live within this distance of the middle; 0: anywhere in the square.
    pub den_radius_mm: i32,
    /// When clients are told. What happens does not depend on it.
    pub sending: Sending,
}

/// When a snapshot goes to a client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sending {
    /// In every tick that has anything new.
    #[default]
    EveryTick,
    /// In the tick of what is urgent; what is not may wait for a tenth of a second.
    News,
}

impl Sending {
    /// Its name on command lines and in settings.
    #[must_use]
    pub fn name(self) -> &'static str {
        ["every-tick", "news"][self as usize]
    }
}

impl std::str::FromStr for Sending {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = [Self::EveryTick, Self::News].into_iter().find(|sending| sending.name() == name);
        found.ok_or_else(|| format!("no way of sending {name:?}; there are every-tick and news"))
    }
}

/// The world of one zone.
pub struct World {
    pub(crate) config: ZoneConfig,
    pub(crate) content: Content,
    pub(crate) rules: Rules,
    pub(crate) walls: Walls,
    pub(crate) clearance: Clearance,
    pub(crate) now: u32,
    pub(crate) handles: Handles,
    pub(crate) columns: Columns,
    pub(crate) bins: Bins,
    pub(crate) players: Vec<Player>,
    pub(crate) clients: Vec<Client>,
    pub(crate) timeds: Vec<Timeds>,
    pub(crate) minds: Vec<Mind>,
    /// When each mind has something to do: [`Mind::wakes`], kept so that a tick passes by all others.
    pub(crate) wakes: Vec<u32>,
    pub(crate) casts: Vec<Cast>,
    pub(crate) by_durable: ByDurable<EntityId>,
    pub(crate) free_player_rows: Vec<Row>,
    pub(crate) shed: Shed,
    pub(crate) drill: Option<Drill>,
    pub(crate) market: Market,
    pub(crate) scratch: Scratch,
    pub(crate) counts: Counts,
}

/// Packets for which there is room in a tick, for each player: more arrive after a pause only.
const PACKETS_EACH: usize = 4;
/// Hits likewise: somebody may land an area, and swing.
const HITS_EACH: usize = 24;

/// Memory that one tick uses and the next one uses again.
pub(crate) struct Scratch {
    pub(crate) player_lanes: Vec<Lane>,
    pub(crate) creature_lanes: Vec<Lane>,
    pub(crate) paths: PerThread<path::Search>,
    pub(crate) views: PerThread<interest::Search>,
    pub(crate) mail: Mail,
    pub(crate) blows: Blows,
    pub(crate) salvos: Vec<Salvo>,
    pub(crate) nears: PerThread<Near>,
    pub(crate) intents: Vec<Intent>,
    pub(crate) notices: Notices,
    pub(crate) threats: Piles<Threat>,
    pub(crate) rows: Vec<Row>,
    pub(crate) facts: Vec<Fact>,
    pub(crate) alarms: Vec<(i32, i32)>,
    pub(crate) heard: Alarms,
    pub(crate) board: Board,
    pub(crate) desks: Vec<Desk>,
    pub(crate) places: order::Places,
    pub(crate) table: Table,
}

/// What the phases may read of the zone besides its columns.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    /// The zone's seed.
    pub seed: u64,
    /// The tick that is stepped.
    pub now: u32,
    /// Fixed rate.
    pub ticks_per_second: u32,
    /// Side of the square.
    pub side_mm: i32,
    /// Players appear within this distance of the middle.
    pub spawn_radius_mm: i32,
    /// Creatures and class.
    pub content: &'a Content,
    /// Movement of the class.
    pub rules: Rules,
    /// What stops a body.
    pub walls: &'a Walls,
    /// What is left out.
    pub shed: &'a Shed,
    /// The plan by which players walk, if there is one.
    pub drill: Option<Drill>,
    /// When clients are told.
    pub sending: Sending,
}

impl Setting<'_> {
    /// So many milliseconds in ticks.
    #[must_use]
    pub fn ticks(&self, ms: u32) -> u32 {
        ms * self.ticks_per_second / 1000
    }
}

/// What has happened so far, and how full the zone is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Bodies of players.
    pub players: u32,
    /// Of these, with a client.
    pub attached: u32,
    /// Living creatures.
    pub creatures: u32,
    /// Creatures killed.
    pub kills: u64,
    /// Creatures that came back.
    pub respawns: u64,
    /// Players killed.
    pub deaths: u64,
    /// Commands that arrived, each once.
    pub commands_received: u64,
    /// Of these, for a tick that was over or too far ahead.
    pub commands_refused: u64,
    /// Packets for a player without a body.
    pub packets_stray: u64,
    /// Melee arcs swung.
    pub casts: u64,
    /// Circles announced, by players and creatures.
    pub areas: u64,
    /// Projectiles announced.
    pub shots: u64,
    /// Timed events that left in a snapshot, repeats not counted.
    pub timed_sent: u64,
    /// Timed events that gave way to more pressing ones, or went too far away to be told.
    pub timed_dropped: u64,
    /// Timed events that ran out of time without an acknowledgement.
    pub timed_expired: u64,
    /// Hits that hurt.
    pub hits: u64,
    /// Changes of hands.
    pub effects: u64,
    /// Purses, also of players who have left.
    pub purses: u32,
    /// Things that lie on the ground.
    pub drops: u32,
    /// Nothing changes hands just now.
    pub is_read_only: bool,
    /// Snapshots made.
    pub frames: u64,
    /// Bytes in them.
    pub frame_bytes: u64,
    /// How long news of slots has waited for its snapshot, while not everything goes in every tick.
    pub ages: Ages,
    /// Sum over all ticks and clients of occupied slots.
    pub visible: u64,
    /// Sum over all ticks of clients served.
    pub client_ticks: u64,
    /// Sum over all ticks of rows whose motion was published.
    pub published: u64,
    /// Sum over all ticks of living rows.
    pub entity_ticks: u64,
    /// What was left out, by [`crate::Rung`]: slots of a group that waited, searches, snapshots, full views,
    /// thoughts, births.
    pub spared: Spared,
}

impl World {
    /// Builds a zone: walls, dens, creatures; nobody plays yet.
    ///
    /// - Cost: linear in area and creatures; all memory of the ticks is taken here.
    ///
    /// # Panics
    /// If the configuration is out of bounds: whoever reads it from outside checks it first.
    #[must_use]
    pub fn new(config: &ZoneConfig, content: Content) -> Self {
        Self::from_tick(config, content, 0)
    }

    /// As [`World::new`]; the first tick that is stepped is the one behind `now`.
    ///
    /// # Panics
    /// As [`World::new`].
    #[must_use]
    pub fn from_tick(config: &ZoneConfig, content: Content, now: u32) -> Self {
        let mut world = Self::bare(config, content, now);
        for den in 0..config.creatures {
            world.settle(den);
        }
        world.bins.rebuild(&world.columns);
        world
    }

    /// A zone that nothing lives in.
    pub(crate) fn bare(config: &ZoneConfig, content: Content, now: u32) -> Self {
        assert!(0 < config.side_mm && config.side_mm <= SIDE_MM_MAX, "side of {} mm", config.side_mm);
        let columns = Columns::new(config.players_max as usize, config.creatures as usize);
        let (n_players, n_rows) = (columns.n_players_max(), columns.n_rows());
        let rules = Rules::at(config.ticks_per_second);
        let per_body = casts::under_way_max(&content);
        let n_casts = n_players * per_body.0 + (n_rows - n_players) * per_body.1;
        let walls = Walls::from_seed(config.seed, config.side_mm);
        Self {
            config: *config,
            rules,
            clearance: Clearance::of(&walls),
            walls,
            now,
            handles: Handles::new(n_rows),
            bins: Bins::new(config.side_mm, &columns),
            players: vec![Player::new(DurableId::default(), (0, 0), &rules); n_players],
            clients: vec![Client::new(); n_players],
            timeds: vec![Timeds::default(); n_players],
            minds: vec![Mind { state: State::Gone, until: u32::MAX, ..Mind::default() }; n_rows - n_players],
            wakes: vec![u32::MAX; n_rows - n_players],
            by_durable: ByDurable::with_capacity_and_hasher(n_players, BuildHasherDefault::default()),
            free_player_rows: (0..config.players_max).rev().map(Row).collect(),
            casts: Vec::with_capacity(n_casts.next_multiple_of(SALVO_CASTS) + n_rows + n_players),
            shed: Shed::none(config.side_mm, config.ticks_per_second),
            drill: None,
            market: Market::new(content.things.n(), n_players),
            scratch: Scratch::new(n_players, n_rows, n_casts, config.side_mm),
            counts: Counts::default(),
            content,
            columns,
        }
    }

    /// Gives a den its place, its row and its first creature.
    fn settle(&mut self, den: u32) {
        let chance = |salt, high| within(draw(self.config.seed, salt, den, Purpose::Den), 0, high);
        let last = self.config.side_mm - 1;
        let home = if self.config.den_radius_mm == 0 {
            self.walls.free_near(chance(0, last), chance(1, last))
        } else {
            let (turn, part) = (chance(0, 255) as u8, chance(1, 1_000_000));
            free_in_disc(&self.walls, self.config.side_mm, self.config.den_radius_mm, turn, part)
        };
        let mind = Mind { home, den, until: self.now + chance(2, 200) as u32, ..Mind::default() };
        self.minds[den as usize] = mind;
        self.bear(Row((self.columns.n_players_max() + den as usize) as u32));
    }

    /// Puts a new creature at its home.
    pub(crate) fn bear(&mut self, row: Row) {
        let mind = &mut self.minds[row.at() - self.players.len()];
        let seed = self.config.seed;
        let kind = self.content.kind_for(within(draw(seed, 0, mind.den, Purpose::Breed), 0, 99) as u32);
        let health = self.content.creatures[kind as usize].health;
        *mind =
            Mind { home: mind.home, den: mind.den, until: mind.until.wrapping_add(20), ..Mind::default() };
        let look = draw(seed, self.now, mind.den, Purpose::Look);
        let home = mind.home;
        self.columns.spawn(&mut self.handles, row, kind, home, health);
        self.columns.look[row.at()] = (look % 16) as u16 | ((1 + look / 16 % 20) << 4) as u16;
        let at = row.at() - self.players.len();
        self.wakes[at] = self.minds[at].wakes(self.now);
    }

    /// The tick that was stepped last.
    #[must_use]
    pub fn now(&self) -> u32 {
        self.now
    }

    /// How much of its detail the zone gives up.
    #[must_use]
    pub fn shed(&self) -> &Shed {
        &self.shed
    }

    /// Walls of the zone; clients predict against them.
    #[must_use]
    pub fn walls(&self) -> &Walls {
        &self.walls
    }

    /// Hash of the content tables.
    #[must_use]
    pub fn content_hash(&self) -> u64 {
        self.content.hash
    }

    /// What the world is made of.
    #[must_use]
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// What the zone was made with.
    #[must_use]
    pub fn config(&self) -> &ZoneConfig {
        &self.config
    }

    /// Totals and occupation.
    ///
    /// - Cost: one pass over the rows.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let n_players = self.players.len();
        let living = |rows: std::ops::Range<usize>| {
            rows.filter(|at| self.columns.id[*at] != EntityId::NONE && self.columns.health[*at] > 0).count()
                as u32
        };
        Counts {
            players: self.by_durable.len() as u32,
            attached: self.clients.iter().filter(|client| client.is_attached).count() as u32,
            creatures: living(n_players..self.columns.n_rows()),
            purses: self.market.economy().purses().len() as u32,
            drops: self.market.economy().drops().len() as u32,
            is_read_only: self.market.economy().is_read_only(),
            ..self.counts
        }
    }

    /// Snapshots of the last tick, in row order.
    pub fn frames(&self) -> impl Iterator<Item = (DurableId, &[u8])> {
        self.scratch.desks.iter().flat_map(|desk| desk.arena.frames())
    }

    /// Facts of the last tick, in order.
    #[must_use]
    pub fn facts(&self) -> &[Fact] {
        &self.scratch.facts
    }

    /// All columns, to look at.
    #[must_use]
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// The index of the last tick, to look at.
    #[must_use]
    pub fn bins(&self) -> &Bins {
        &self.bins
    }

    /// What was announced and has yet to happen, in the order of (tick, owner, skill).
    #[must_use]
    pub fn casts(&self) -> &[Cast] {
        &self.casts
    }

    /// The row of a living entity, until the next tick.
    #[must_use]
    pub fn row_of(&self, id: EntityId) -> Option<Row> {
        self.handles.row_of(id)
    }

    /// The body of a player.
    #[must_use]
    pub fn entity_of(&self, player: DurableId) -> Option<EntityId> {
        self.by_durable.get(&player).copied()
    }

    /// The client behind a player, to look at.
    #[must_use]
    pub fn client_of(&self, player: DurableId) -> Option<&Client> {
        let row = self.row_of(self.entity_of(player)?)?;
        Some(&self.clients[row.at()]).filter(|client| client.is_attached)
    }

    /// The same, to plant a fault in what it was told.
    pub fn client_mut(&mut self, player: DurableId) -> Option<&mut Client> {
        let row = self.row_of(self.entity_of(player)?)?;
        Some(&mut self.clients[row.at()]).filter(|client| client.is_attached)
    }

    /// Checks what always holds between ticks.
    ///
    /// # Panics
    /// When it does not: our bug.
    pub fn check(&self) {
        self.check_bodies();
        assert_eq!(self.market.audit(&self.content.things), Vec::<String>::new());
    }

    /// The same without what players own, and without taking memory.
    pub(crate) fn check_bodies(&self) {
        self.columns.check(&self.handles);
        for (durable, id) in &self.by_durable {
            let row = self.handles.row_of(*id).expect("a player has a body");
            assert_eq!(self.players[row.at()].durable, *durable, "row {row:?} is somebody else's");
        }
        for (mind, wake) in self.minds.iter().zip(&self.wakes) {
            assert_eq!(*wake, mind.wakes(self.now), "{mind:?} sleeps on or wakes too early");
        }
        for client in self.clients.iter().filter(|client| client.is_attached) {
            client.view.check();
            for slot in client.view.slots() {
                assert_ne!(
                    self.columns.id[client.row(slot).at()],
                    EntityId::NONE,
                    "a hole sits in slot {slot}"
                );
            }
        }
        debug_assert!(self.columns.n_players_max().is_multiple_of(BLOCK));
    }
}

impl Scratch {
    fn new(n_players: usize, n_rows: usize, n_casts: usize, side_mm: i32) -> Self {
        let n_creatures = n_rows - n_players;
        // Not `vec![warm; n]`: a clone has no spare room.
        let of_players = (0..n_players.div_ceil(LANE_ROWS)).map(|_| Lane::of_players());
        let of_creatures = (0..n_creatures.div_ceil(WILD_ROWS)).map(|_| Lane::of_creatures());
        Self {
            player_lanes: of_players.collect(),
            creature_lanes: of_creatures.collect(),
            paths: PerThread::new(path::Search::default),
            views: PerThread::new(|| interest::Search::warm(n_rows)),
            mail: Mail::warm(n_players, PACKETS_EACH),
            blows: Blows::warm(n_players, n_creatures, n_players * HITS_EACH + n_creatures),
            salvos: (0..n_casts.div_ceil(SALVO_CASTS).max(1)).map(|_| Salvo::warm()).collect(),
            nears: PerThread::new(|| Vec::with_capacity(n_rows.min(NEAR_WARM))),
            intents: Vec::with_capacity(2 * n_players + n_creatures),
            notices: Notices::warm(side_mm, 2 * n_players + n_rows),
            threats: Piles::warm(n_players.div_ceil(LANE_ROWS), n_creatures),
            rows: Vec::with_capacity(n_rows),
            facts: Vec::with_capacity(2 * n_players.max(64)),
            alarms: Vec::with_capacity(n_rows.max(64)),
            heard: Alarms::warm(side_mm, n_rows.max(64)),
            board: Board::new(),
            desks: (0..n_players.div_ceil(LANE_ROWS)).map(|_| Desk::warm()).collect(),
            places: order::Places::warm(side_mm, n_rows),
            table: Table::warm(n_players),
        }
    }
}

/// Where a player appears: near the middle, in the open, the same place for the same player and tick.
#[must_use]
pub fn spawn_place(setting: &Setting<'_>, player: DurableId) -> (i32, i32) {
    let seed = setting.seed ^ u64::from(player.high);
    let chance = |salt| draw(seed, setting.now ^ salt, player.low, Purpose::PlayerSpawn);
    let (turn, part) = (chance(1 << 31) as u8, within(chance(1 << 30), 0, 1_000_000));
    free_in_disc(setting.walls, setting.side_mm, setting.spawn_radius_mm, turn, part)
}

/// A free place in a disc around the middle of the square; even draws of a direction and a millionth are
/// even over the disc.
fn free_in_disc(walls: &Walls, side_mm: i32, radius_mm: i32, turn: u8, millionth: i32) -> (i32, i32) {
    let (x, y) = layout::in_disc((side_mm / 2, side_mm / 2), radius_mm, turn.into(), millionth);
    walls.free_near(x.clamp(0, side_mm - 1), y.clamp(0, side_mm - 1))
}
