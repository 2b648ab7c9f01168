//! A zone at rest: everything that its future depends on, copied between two ticks, written and read elsewhere.
//!
//! [`Checkpoint::take`] copies, [`Checkpoint::write`] makes bytes of the copy, [`Checkpoint::read`] and
//! [`World::resume`] make a zone of them again. [`pack`] writes one value.
//!
//! Not here: what clients know, and what they are told. Whoever comes back begins with an empty view.
//! Source: docs/storage.md "Checkpoints".

mod pack;
#[cfg(test)]
mod tests;

pub(crate) use pack::{Pack, parts};

use crate::columns::{BLOCK, Columns};
use crate::content::Content;
use crate::drill::Drill;
use crate::economy::{Economy, Market};
use crate::ids::{DurableId, EntityId, Handles, Row};
use crate::players::{Player, THREATS_MAX};
use crate::replay::bytes::{Bytes, Malformed};
use crate::replay::header::{HEADER_BYTES, Header, HeaderError};
use crate::step::casts::Cast;
use crate::step::creatures::Mind;
use crate::world::{World, ZoneConfig};
use netproto::{Action, Kind};

/// Why bytes cannot become a zone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// They do not begin as those of a zone.
    #[error("{0}")]
    Header(#[from] HeaderError),
    /// What follows makes no sense.
    #[error("the checkpoint makes no sense: {0}")]
    Malformed(#[from] Malformed),
    /// It is of a zone that was made otherwise, in a way that cannot be changed any more.
    #[error("was made with {key} = {was}, and this start asks for {is}")]
    Config {
        /// Which setting.
        key: &'static str,
        /// What it was made with.
        was: u64,
        /// What is asked for.
        is: u64,
    },
    /// More players have a body in it than may be there now.
    #[error("holds {n} players, and this start asks for zone.players_max = {max}")]
    Players {
        /// How many there are.
        n: usize,
        /// How many may be there.
        max: u32,
    },
    /// Another build, or other content, made them.
    #[error("this build cannot go on from the checkpoint: {0}")]
    Build(String),
}

macro_rules! rows {
    ($($column:ident: $type:ty),*) => {
        /// The columns that the future depends on: all but what clients were told.
        #[derive(Clone, Debug, Default)]
        struct Rows {
            $($column: Vec<$type>),*
        }

        impl Rows {
            fn copy(&mut self, columns: &Columns) {
                let _nothing_is_left_out = |Columns {
                    $($column: _,)* segments: _, shown: _, drawn: _, changed: _, any_changed: _, replaced: _,
                    n_players_max: _
                }: &Columns| ();
                $(self.$column.clone_from(&columns.$column);)*
            }

            fn write(&self, out: &mut Vec<u8>) {
                $(self.$column.pack(out);)*
            }

            fn read(bytes: &mut Bytes<'_>) -> Result<Self, Malformed> {
                Ok(Self { $($column: Pack::unpack(bytes)?),* })
            }

            /// The same rows in other columns: players from `living`, then all creatures.
            fn refit(&self, into: &Columns, living: &[(u32, Player)], first: usize) -> Self {
                let mut fresh = Self::default();
                fresh.copy(into);
                let n_players = into.n_players_max();
                $(
                    for (to, (from, _)) in living.iter().enumerate() {
                        fresh.$column[to] = self.$column[*from as usize];
                    }
                    fresh.$column[n_players..].copy_from_slice(&self.$column[first..]);
                )*
                fresh
            }

            /// Whether all have one length.
            fn are_even(&self) -> bool {
                let n = self.id.len();
                true $(&& self.$column.len() == n)*
            }

            fn put_into(self, columns: &mut Columns) {
                $(columns.$column = self.$column;)*
            }
        }
    };
}

rows! {
    id: EntityId, x_mm: i32, y_mm: i32, vx: i16, vy: i16, health: u16, health_max: u16, kind: Kind,
    action: Action, action_until: u32, facing: u8, look: u16, authority: u8
}

/// A copy of a zone between two ticks. Its memory is used again by the next one.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// Which world it is, and which build made it.
    pub header: Header,
    rows: Rows,
    /// Living players with their rows.
    players: Vec<(u32, Player)>,
    minds: Vec<Mind>,
    casts: Vec<Cast>,
    handles: (Vec<u32>, Vec<u16>, (u32, u32)),
    shed: (u8, u32),
    drill: Option<Drill>,
    economy: Economy,
}

impl Checkpoint {
    /// Copies a zone as it is after its last tick; `build` made it.
    #[must_use]
    pub fn of(world: &World, build: &str) -> Self {
        let mut copy = Self {
            header: Header::of(world, 1, build),
            rows: Rows::default(),
            players: Vec::new(),
            minds: Vec::new(),
            casts: Vec::new(),
            handles: (Vec::new(), Vec::new(), (0, 0)),
            shed: (0, 0),
            drill: None,
            economy: Economy::default(),
        };
        copy.take(world);
        copy
    }

    /// Copies the same zone again, as it is now.
    ///
    /// - Cost: about 60 bytes for each row and 500 for each player; no allocation once there is room. Figures:
    ///   docs/decisions/0009-recovery-by-replay.md.
    pub fn take(&mut self, world: &World) {
        self.header.now = world.now;
        self.rows.copy(&world.columns);
        self.players.clear();
        let living =
            world.players.iter().enumerate().filter(|(at, _)| world.columns.id[*at] != EntityId::NONE);
        self.players.extend(living.map(|(at, player)| (at as u32, player.clone())));
        self.minds.clone_from(&world.minds);
        self.casts.clone_from(&world.casts);
        let (row, generation, line) = world.handles.parts();
        self.handles.0.clear();
        self.handles.0.extend_from_slice(row);
        self.handles.1.clear();
        self.handles.1.extend_from_slice(generation);
        self.handles.2 = line;
        self.shed = (world.shed.level(), world.shed.eased_at());
        self.drill = world.drill;
        self.economy.clone_from(world.market.economy());
    }

    /// The same zone with other settings: as many players as may come in, where they begin, when clients are told.
    ///
    /// # Errors
    /// [`CheckpointError::Config`] for a setting that a zone cannot change, [`CheckpointError::Players`].
    pub fn refit(mut self, config: &ZoneConfig) -> Result<Self, CheckpointError> {
        let was = self.header.config;
        let fixed = [
            ("zone.seed", was.seed, config.seed),
            ("zone.side_m", was.side_mm as u64 / 1000, config.side_mm as u64 / 1000),
            ("zone.ticks_per_second", was.ticks_per_second.into(), config.ticks_per_second.into()),
            ("zone.creatures", was.creatures.into(), config.creatures.into()),
        ];
        if let Some((key, was, is)) = fixed.into_iter().find(|(_, was, is)| was != is) {
            return Err(CheckpointError::Config { key, was, is });
        }
        let n = self.players.len();
        if n > config.players_max as usize {
            return Err(CheckpointError::Players { n, max: config.players_max });
        }
        self.header.config = *config;
        let into = Columns::new(config.players_max as usize, config.creatures as usize);
        let (n_players, first) = (into.n_players_max(), (was.players_max as usize).next_multiple_of(BLOCK));
        if n_players == first {
            return Ok(self);
        }
        self.rows = self.rows.refit(&into, &self.players, first);
        let places = &self.players;
        let (row, generation, line) = self.handles;
        let handles = Handles::from_parts(row, generation, line, usize::MAX).expect("it is a zone's");
        let moved = handles.refitted(into.n_rows(), |row| {
            match places.binary_search_by_key(&row.0, |place| place.0) {
                Ok(to) => Row(to as u32),
                Err(_) => Row(row.0 - first as u32 + n_players as u32),
            }
        });
        let (row, generation, line) = moved.parts();
        self.handles = (row.to_vec(), generation.to_vec(), line);
        self.players.iter_mut().enumerate().for_each(|(to, place)| place.0 = to as u32);
        Ok(self)
    }

    /// Appends the copy as bytes; [`Checkpoint::read`] takes them back.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.header.encode());
        self.rows.write(out);
        self.players.pack(out);
        self.minds.pack(out);
        self.casts.pack(out);
        let (row, generation, line) = &self.handles;
        row.pack(out);
        generation.pack(out);
        line.pack(out);
        self.shed.pack(out);
        self.drill.pack(out);
        self.economy.pack(out);
    }

    /// Reads a copy from untrusted bytes.
    ///
    /// # Errors
    /// [`CheckpointError`], also when something follows.
    pub fn read(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let short = HeaderError::Malformed(Malformed::Short("the header"));
        let (head, body) = bytes.split_first_chunk::<HEADER_BYTES>().ok_or(short)?;
        let header = Header::decode(head)?;
        let mut bytes = Bytes::new(body);
        let copy = Self {
            header,
            rows: Rows::read(&mut bytes)?,
            players: Pack::unpack(&mut bytes)?,
            minds: Pack::unpack(&mut bytes)?,
            casts: Pack::unpack(&mut bytes)?,
            handles: (Pack::unpack(&mut bytes)?, Pack::unpack(&mut bytes)?, Pack::unpack(&mut bytes)?),
            shed: Pack::unpack(&mut bytes)?,
            drill: Pack::unpack(&mut bytes)?,
            economy: Pack::unpack(&mut bytes)?,
        };
        if bytes.n_left() > 0 {
            return Err(Malformed::Bounds("the end of a checkpoint").into());
        }
        Ok(copy)
    }
}

impl World {
    /// The zone that was copied: from here on it lives as that one did, if it gets the same inputs. Nobody listens.
    ///
    /// - Cost: as [`World::new`], and a pass over the rows.
    ///
    /// # Errors
    /// [`CheckpointError`] when another build or content made it, or when its parts do not fit together.
    pub fn resume(copy: Checkpoint, content: Content) -> Result<Self, CheckpointError> {
        if let Some(refusal) = copy.header.refusal(content.hash) {
            return Err(CheckpointError::Build(refusal));
        }
        Self::adopt(copy, content)
    }

    /// As [`World::resume`], whichever build and content made the copy: it lives on in another way than it would have.
    ///
    /// # Errors
    /// [`CheckpointError`] when its parts do not fit together, or not to this content.
    pub(crate) fn adopt(copy: Checkpoint, content: Content) -> Result<Self, CheckpointError> {
        let Checkpoint { header, rows, players, minds, casts, handles, shed, drill, economy } = copy;
        // Before anything is made: a few bytes must not ask for the largest zone.
        let n_of = |n: u32| (n as usize).next_multiple_of(BLOCK);
        let (n_players, n_minds) = (n_of(header.config.players_max), n_of(header.config.creatures));
        let n_rows = n_players + n_minds;
        if !rows.are_even() || rows.id.len() != n_rows || minds.len() != n_minds {
            return Err(Malformed::Bounds("the number of rows").into());
        }
        let mut world = Self::bare(&header.config, content, header.now);
        let (row, generation, line) = handles;
        let handles = Handles::from_parts(row, generation, line, n_rows);
        world.handles = handles.ok_or(Malformed::Bounds("the table of handles"))?;
        rows.put_into(&mut world.columns);
        world.columns.forget_told();
        (world.minds, world.drill) = (minds, drill);
        world.casts.extend(casts); // into the room that there is for more
        world.embody(players)?;
        world.market = Market::resume(economy, &world.content.things)?;
        world.market.reserve(n_players);
        world.shed.restore(shed);
        world.is_sound()?;
        world.free_player_rows = world.holes();
        for at in 0..world.minds.len() {
            world.wakes[at] = world.minds[at].wakes(world.now);
        }
        world.bins.rebuild(&world.columns);
        Ok(world)
    }

    /// Gives players back their bodies.
    fn embody(&mut self, players: Vec<(u32, Player)>) -> Result<(), Malformed> {
        if !players.is_sorted_by(|(a, _), (b, _)| a < b) {
            return Err(Malformed::Bounds("the rows of players"));
        }
        for (at, player) in players {
            let id = self.columns.id[..self.players.len()].get(at as usize).copied();
            let id = id.filter(|id| *id != EntityId::NONE).ok_or(Malformed::Bounds("the row of a player"))?;
            if self.by_durable.insert(player.durable, id).is_some() {
                return Err(Malformed::Bounds("a player's body"));
            }
            // What a client had heard is forgotten, also by a copy that never was bytes.
            let quiet = Player { own_changed: true, is_new_here: true, ..player };
            self.players[at as usize] = Player { threats: [(EntityId::NONE, 0); THREATS_MAX], ..quiet };
        }
        Ok(())
    }

    /// Whether the parts of a zone that somebody else wrote fit together.
    fn is_sound(&self) -> Result<(), Malformed> {
        let (columns, n_players) = (&self.columns, self.players.len());
        let (mut n_living, mut n_bodies) = (0, 0);
        for at in 0..columns.n_rows() {
            if columns.id[at] == EntityId::NONE {
                if (columns.vx[at], columns.vy[at]) != (0, 0) {
                    return Err(Malformed::Bounds("a hole"));
                }
                continue;
            }
            n_living += 1;
            n_bodies += usize::from(at < n_players);
            let is_found = self.handles.row_of(columns.id[at]) == Some(Row(at as u32));
            let is_player = columns.kind[at] == Kind::Player;
            let (side, place) = (0..self.config.side_mm, columns.place(Row(at as u32)));
            let is_in = side.contains(&place.0) && side.contains(&place.1);
            if !is_found
                || is_player != (at < n_players)
                || !is_in
                || columns.health[at] > columns.health_max[at]
            {
                return Err(Malformed::Bounds("a row"));
            }
        }
        let is_even = n_bodies == self.by_durable.len() && n_living == self.handles.rows().count();
        let has_room = n_bodies <= self.config.players_max as usize;
        let are_dens = self.minds.iter().all(|mind| (mind.den as usize) < self.minds.len());
        if is_even && has_room && are_dens { Ok(()) } else { Err(Malformed::Bounds("the number of bodies")) }
    }

    /// Rows for players to come: as many as may still come in, the first at the end.
    fn holes(&self) -> Vec<Row> {
        let n = self.config.players_max as usize - self.by_durable.len();
        let holes = (0..self.players.len()).filter(|at| self.columns.id[*at] == EntityId::NONE);
        let mut rows: Vec<Row> = holes.take(n).map(|at| Row(at as u32)).collect();
        rows.reverse();
        rows
    }

    /// Everybody with a body whose connection is not known to be broken, in order.
    #[must_use]
    pub fn present(&self) -> Vec<DurableId> {
        let bodies = self.by_durable.iter().filter_map(|(player, id)| Some((player, self.row_of(*id)?)));
        let mut present: Vec<DurableId> = bodies
            .filter(|(_, row)| self.players[row.at()].detached_at == 0)
            .map(|(player, _)| *player)
            .collect();
        present.sort_unstable();
        present
    }
}
