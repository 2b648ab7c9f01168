//! The columns: one row per entity, players first, then creatures; a hole is a row without an id.

use crate::ids::{EntityId, Handles, Row};
use crate::publish::Shown;
use netproto::quantise::Segment;
use netproto::{Action, Kind};

/// Flags of [`Columns::changed`], besides the groups' bits: the row has another occupant than a tick ago.
pub const REPLACED: u8 = 1 << 7;

/// Rows come in blocks of this many: columns are cut at block borders only.
pub const BLOCK: usize = 64;

/// All columns have one length, a multiple of [`BLOCK`].
#[derive(Clone, Debug)]
pub struct Columns {
    /// Occupant; [`EntityId::NONE`] marks a hole.
    pub id: Vec<EntityId>,
    /// Position east.
    pub x_mm: Vec<i32>,
    /// Position south.
    pub y_mm: Vec<i32>,
    /// Velocity asked for; after the movement step the displacement of this tick.
    pub vx: Vec<i32>,
    /// As `vx`, southward.
    pub vy: Vec<i32>,
    /// Health points.
    pub health: Vec<u16>,
    /// Health points when unhurt.
    pub health_max: Vec<u16>,
    /// What it is.
    pub kind: Vec<Kind>,
    /// Action that shows.
    pub action: Vec<Action>,
    /// Tick in which the action ends.
    pub action_until: Vec<u32>,
    /// Facing in 1/256 turn.
    pub facing: Vec<u8>,
    /// Colour (low four bits) and level (six bits above).
    pub look: Vec<u16>,
    /// 0: this zone writes the row. Others are mirrors of a neighbour's rows; none yet.
    pub authority: Vec<u8>,
    /// Motion as clients were told.
    pub segment: Vec<Segment>,
    /// Vitals, status and look as clients were told, packed.
    pub shown: Vec<Shown>,
    /// Bit g: group g changed in this tick; or [`REPLACED`].
    pub changed: Vec<u8>,
    /// The occupant changed since the last publish.
    pub replaced: Vec<bool>,
    pub(crate) n_players_max: usize,
}

impl Columns {
    /// Empty columns for so many players and creatures, each rounded up to whole blocks.
    #[must_use]
    pub fn new(n_players_max: usize, n_creatures: usize) -> Self {
        let n_players_max = n_players_max.next_multiple_of(BLOCK);
        let n = n_players_max + n_creatures.next_multiple_of(BLOCK);
        Self {
            id: vec![EntityId::NONE; n],
            x_mm: vec![0; n],
            y_mm: vec![0; n],
            vx: vec![0; n],
            vy: vec![0; n],
            health: vec![0; n],
            health_max: vec![0; n],
            kind: vec![Kind::Player; n],
            action: vec![Action::None; n],
            action_until: vec![0; n],
            facing: vec![0; n],
            look: vec![0; n],
            authority: vec![0; n],
            segment: vec![Segment::default(); n],
            shown: vec![Shown::default(); n],
            changed: vec![0; n],
            replaced: vec![false; n],
            n_players_max,
        }
    }

    /// Rows, holes included.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.id.len()
    }

    /// First row of the creatures.
    #[must_use]
    pub fn n_players_max(&self) -> usize {
        self.n_players_max
    }

    /// Where an entity is, in mm.
    #[must_use]
    #[inline]
    pub fn place(&self, row: Row) -> (i32, i32) {
        (self.x_mm[row.at()], self.y_mm[row.at()])
    }

    /// The motion that clients are told of a row in a frame of `tick`.
    #[must_use]
    #[inline]
    pub fn segment_at(&self, row: Row, tick: u32) -> Segment {
        self.segment[row.at()].fresh(tick)
    }

    /// Its packed run, as it travels.
    #[must_use]
    #[inline]
    pub fn motion_run(&self, row: Row, tick: u32) -> u64 {
        self.segment_at(row, tick).to_motion().pack()
    }

    /// Fills a hole with a new, unhurt entity that stands.
    pub fn spawn(
        &mut self,
        handles: &mut Handles,
        row: Row,
        kind: Kind,
        place: (i32, i32),
        health: u16,
    ) -> EntityId {
        let at = row.at();
        debug_assert_eq!(self.id[at], EntityId::NONE, "row {at} is taken");
        let id = handles.take(row);
        self.id[at] = id;
        (self.x_mm[at], self.y_mm[at]) = place;
        (self.vx[at], self.vy[at]) = (0, 0);
        (self.health[at], self.health_max[at]) = (health, health);
        self.kind[at] = kind;
        (self.action[at], self.action_until[at]) = (Action::None, 0);
        (self.facing[at], self.look[at]) = (0, 0);
        self.replaced[at] = true;
        id
    }

    /// Leaves a hole.
    pub fn despawn(&mut self, handles: &mut Handles, row: Row) {
        handles.give_back(self.id[row.at()]);
        self.id[row.at()] = EntityId::NONE;
        (self.vx[row.at()], self.vy[row.at()]) = (0, 0);
        self.replaced[row.at()] = true;
    }

    /// Starts an action that shows until a tick.
    pub fn act(&mut self, row: Row, action: Action, facing: u8, until: u32) {
        self.action[row.at()] = action;
        self.facing[row.at()] = facing;
        self.action_until[row.at()] = until;
    }

    /// Exchanges two rows of one range, holes included.
    pub fn swap(&mut self, handles: &mut Handles, a: usize, b: usize) {
        self.id.swap(a, b);
        self.x_mm.swap(a, b);
        self.y_mm.swap(a, b);
        self.vx.swap(a, b);
        self.vy.swap(a, b);
        self.health.swap(a, b);
        self.health_max.swap(a, b);
        self.kind.swap(a, b);
        self.action.swap(a, b);
        self.action_until.swap(a, b);
        self.facing.swap(a, b);
        self.look.swap(a, b);
        self.authority.swap(a, b);
        self.segment.swap(a, b);
        self.shown.swap(a, b);
        self.changed.swap(a, b);
        self.replaced.swap(a, b);
        for at in [a, b] {
            if self.id[at] != EntityId::NONE {
                handles.moved(self.id[at], Row(at as u32));
            }
        }
    }

    /// Checks what always holds between ticks.
    ///
    /// # Panics
    /// When it does not: our bug.
    pub fn check(&self, handles: &Handles) {
        for (at, &id) in self.id.iter().enumerate() {
            if id == EntityId::NONE {
                assert_eq!((self.vx[at], self.vy[at]), (0, 0), "the hole in row {at} moves");
                continue;
            }
            assert_eq!(handles.row_of(id), Some(Row(at as u32)), "{id:?} is lost");
            assert!(self.health[at] <= self.health_max[at], "{id:?} is over its health");
            assert_eq!(
                self.kind[at] == Kind::Player,
                at < self.n_players_max,
                "{id:?} is in the wrong range"
            );
        }
    }
}
