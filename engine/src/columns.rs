//! The columns: one row per entity, players first, then creatures; a hole is a row without an id.

use crate::ids::{EntityId, Handles, Row};
use crate::publish::Shown;
use crate::segments::Segments;
use netproto::{Action, Kind};

/// Flags of [`Columns::changed`], besides the groups' bits: the row has another occupant than a tick ago.
pub const REPLACED: u8 = 1 << 7;

/// As [`REPLACED`]: the new segment begins farther than [`netproto::quantise::STEP_MM_MAX`] from where the last one led.
pub const LEAPT: u8 = 1 << 6;

/// Rows come in blocks of this many: columns are cut at block borders only.
pub const BLOCK: usize = jobs::mask::BLOCK;

// Velocities are small: the movement kernel's limit is.
const _: () = assert!(kernel::STEP_MM_MAX <= i16::MAX as i32);

/// Health, action and facing as they were when a row was last packed: a comparison finds whatever has changed since.
/// The look is not among them: it changes only with the occupant.
#[derive(Clone, Debug)]
pub(crate) struct Drawn {
    pub(crate) health: Vec<u16>,
    pub(crate) action: Vec<Action>,
    pub(crate) facing: Vec<u8>,
}

/// All columns have one length, a multiple of [`BLOCK`].
#[derive(Clone, Debug)]
pub struct Columns {
    /// Occupant; [`EntityId::NONE`] marks a hole.
    pub id: Vec<EntityId>,
    /// Position east.
    pub x_mm: Vec<i32>,
    /// Position south.
    pub y_mm: Vec<i32>,
    /// Velocity asked for, in mm per tick; after the movement step the displacement of this tick.
    pub vx: Vec<i16>,
    /// As `vx`, southward.
    pub vy: Vec<i16>,
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
    pub segments: Segments,
    /// Vitals, status and look as clients were told, packed.
    pub shown: Vec<Shown>,
    /// What [`Columns::shown`] was made of. A cache, not state.
    pub(crate) drawn: Drawn,
    /// Bit g: group g changed in this tick; and [`REPLACED`], [`LEAPT`].
    pub changed: Vec<u8>,
    /// One bit per row: whether [`Columns::changed`] says anything.
    pub any_changed: Vec<u64>,
    /// One bit per row: the occupant changed since the last publish.
    pub(crate) replaced: Vec<u64>,
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
            segments: Segments::new(n),
            shown: vec![Shown::default(); n],
            drawn: Drawn { health: vec![0; n], action: vec![Action::None; n], facing: vec![0; n] },
            changed: vec![0; n],
            any_changed: vec![0; n / BLOCK],
            replaced: vec![0; n / BLOCK],
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

    /// Memory that all columns take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let mask_bits = 2;
        let places =
            size_of::<EntityId>() + size_of::<(i32, i32)>() + size_of::<(i16, i16)>() + size_of::<u8>();
        let figures = 3 * size_of::<u16>() + size_of::<(Kind, Action, u8)>() + size_of::<u32>();
        let drawn = size_of::<u16>() + size_of::<(Action, u8)>();
        let told = Segments::ROW_BYTES + size_of::<Shown>() + size_of::<u8>();
        self.n_rows() * (places + figures + drawn + told) + self.n_rows() * mask_bits / 8
    }

    /// Where an entity is, in mm.
    #[must_use]
    #[inline]
    pub fn place(&self, row: Row) -> (i32, i32) {
        (self.x_mm[row.at()], self.y_mm[row.at()])
    }

    /// The packed motion that clients are told of a row in a frame of `tick`, as it travels.
    #[must_use]
    #[inline]
    pub fn motion_run(&self, row: Row, tick: u32) -> u64 {
        self.segments.run(row, tick)
    }

    /// What changed of a row in this tick, as [`Columns::changed`] has it; most rows are answered by one bit.
    #[must_use]
    #[inline]
    pub fn changes(&self, row: Row) -> u8 {
        if bit(&self.any_changed, row.at()) { self.changed[row.at()] } else { 0 }
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
        set_bit(&mut self.replaced, at, true);
        id
    }

    /// Nobody has been told anything of any row.
    pub(crate) fn forget_told(&mut self) {
        self.replaced.fill(u64::MAX);
        self.changed.fill(0);
        self.any_changed.fill(0);
    }

    /// Leaves a hole.
    pub fn despawn(&mut self, handles: &mut Handles, row: Row) {
        handles.give_back(self.id[row.at()]);
        self.id[row.at()] = EntityId::NONE;
        (self.vx[row.at()], self.vy[row.at()]) = (0, 0);
        set_bit(&mut self.replaced, row.at(), true);
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
        self.segments.swap(a, b);
        self.shown.swap(a, b);
        self.drawn.health.swap(a, b);
        self.drawn.action.swap(a, b);
        self.drawn.facing.swap(a, b);
        self.changed.swap(a, b);
        swap_bits(&mut self.any_changed, a, b);
        swap_bits(&mut self.replaced, a, b);
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
            assert_eq!(bit(&self.any_changed, at), self.changed[at] != 0, "{id:?} changed, or did not");
            let is_drawn = bit(&self.replaced, at) || self.shown[at] == Shown::of(self, at);
            assert!(is_drawn, "{id:?} looks different from what clients are told");
        }
    }
}

/// A row's bit.
#[inline]
pub(crate) fn bit(words: &[u64], at: usize) -> bool {
    words[at / BLOCK] >> (at % BLOCK) & 1 == 1
}

/// Puts a row's bit.
#[inline]
pub(crate) fn set_bit(words: &mut [u64], at: usize, value: bool) {
    let word = &mut words[at / BLOCK];
    *word = *word & !(1 << (at % BLOCK)) | u64::from(value) << (at % BLOCK);
}

/// Exchanges two rows' bits.
#[inline]
fn swap_bits(words: &mut [u64], a: usize, b: usize) {
    if bit(words, a) != bit(words, b) {
        words[a / BLOCK] ^= 1 << (a % BLOCK);
        words[b / BLOCK] ^= 1 << (b % BLOCK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_moves_takes_its_changes_along() {
        let (mut columns, mut handles) = (Columns::new(64, 192), Handles::new(256));
        columns.spawn(&mut handles, Row(70), Kind::Deer, (1, 2), 10);
        crate::publish::publish(&mut columns, 1);
        assert_eq!((columns.changes(Row(70)) & REPLACED, columns.changes(Row(200))), (REPLACED, 0));
        columns.swap(&mut handles, 70, 200);
        assert_eq!((columns.changes(Row(200)) & REPLACED, columns.changes(Row(70))), (REPLACED, 0));
        columns.check(&handles);
    }
}
