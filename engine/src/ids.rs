//! Names of entities, and the table that finds their rows.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Place of an entity in the zone's columns. Rows move between ticks; to remember, keep an [`EntityId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Row(pub u32);

impl Row {
    /// The row as an index into a column.
    #[must_use]
    #[inline]
    pub fn at(self) -> usize {
        self.0 as usize
    }
}

/// An entity of this zone: handle 20 bits, generation 12. Never zero; stable when rows move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct EntityId(pub u32);

impl EntityId {
    /// No entity.
    pub const NONE: Self = Self(0);
    const HANDLE_BITS: u32 = 20;
    const GENERATIONS: u32 = 1 << 12;

    fn new(handle: u32, generation: u32) -> Self {
        debug_assert!(handle < 1 << Self::HANDLE_BITS && 0 < generation && generation < Self::GENERATIONS);
        Self(generation << Self::HANDLE_BITS | handle)
    }

    /// The id with this handle and generation, if there can be one.
    pub(crate) fn checked(handle: u32, generation: u64) -> Option<Self> {
        let is_one =
            handle < 1 << Self::HANDLE_BITS && (1..u64::from(Self::GENERATIONS)).contains(&generation);
        is_one.then(|| Self::new(handle, generation as u32))
    }

    /// The reusable half of the id.
    #[must_use]
    #[inline]
    pub fn handle(self) -> u32 {
        self.0 & ((1 << Self::HANDLE_BITS) - 1)
    }

    /// The other half: who had the handle before had another one.
    #[must_use]
    #[inline]
    pub(crate) fn generation(self) -> u32 {
        self.0 >> Self::HANDLE_BITS
    }
}

/// Hashes [`DurableId`]s, which servers give out: quick, and of no use against somebody who chooses the keys.
#[derive(Clone, Copy, Debug, Default)]
pub struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u32(u32::from(*byte)));
    }

    fn write_u32(&mut self, word: u32) {
        self.0 = (self.0 ^ u64::from(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    }
}

/// A map by [`DurableId`]; looked up for every packet, never walked through in a tick.
pub type ByDurable<V> = HashMap<DurableId, V, BuildHasherDefault<IdHasher>>;

/// Identity of a player beyond this zone and this run. Opaque halves: not every language has 64-bit integers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DurableId {
    /// Low half.
    pub low: u32,
    /// High half.
    pub high: u32,
}

/// In place of a row: the handle is free, and the rest is the next free one.
const FREE: u32 = 1 << 31;
/// In place of a free handle: there is none.
const NOBODY: u32 = FREE - 1;

/// Handles given out, and the row behind each. Free ones wait in a line that runs through the table itself.
#[derive(Clone, Debug)]
pub struct Handles {
    row: Vec<u32>,
    generation: Vec<u16>,
    first_free: u32,
    last_free: u32,
}

impl Handles {
    /// A table for at most `n_max` living entities.
    ///
    /// # Panics
    /// If `n_max` needs more than 20 bits.
    #[must_use]
    pub fn new(n_max: usize) -> Self {
        // Twice as many handles as entities, and the oldest first: a generation comes back late.
        let n = (n_max * 2).max(64);
        assert!(n <= 1 << EntityId::HANDLE_BITS, "{n_max} entities need more than 20 bits");
        let last = n as u32 - 1;
        let mut row: Vec<u32> = (1..=n as u32).map(|next| FREE | next).collect();
        row[last as usize] = FREE | NOBODY;
        Self { row, generation: vec![0; n], first_free: 0, last_free: last }
    }

    /// A new id for the entity in `row`.
    ///
    /// # Panics
    /// If all handles are given out: columns are full long before.
    pub fn take(&mut self, row: Row) -> EntityId {
        debug_assert!(row.0 < FREE, "there is no {row:?}");
        assert_ne!(self.first_free, NOBODY, "there are more handles than rows");
        let handle = self.first_free;
        let at = handle as usize;
        self.first_free = self.row[at] & !FREE;
        self.generation[at] = self.generation[at] % (EntityId::GENERATIONS as u16 - 1) + 1;
        self.row[at] = row.0;
        EntityId::new(handle, u32::from(self.generation[at]))
    }

    /// Ends an id; its handle waits at the end of the line.
    pub fn give_back(&mut self, id: EntityId) {
        debug_assert!(self.row_of(id).is_some(), "{id:?} is not alive");
        let handle = id.handle();
        self.row[handle as usize] = FREE | NOBODY;
        if self.first_free == NOBODY {
            self.first_free = handle;
        } else {
            self.row[self.last_free as usize] = FREE | handle;
        }
        self.last_free = handle;
    }

    /// The row of a living entity.
    #[must_use]
    #[inline]
    pub fn row_of(&self, id: EntityId) -> Option<Row> {
        let at = id.handle() as usize;
        let row = *self.row.get(at)?;
        (row & FREE == 0 && u32::from(self.generation[at]) == id.generation()).then_some(Row(row))
    }

    /// The entity has moved to another row.
    pub fn moved(&mut self, id: EntityId, row: Row) {
        self.row[id.handle() as usize] = row.0;
    }

    /// Handles that wait, in the order in which they are given out, with the generation that each had last.
    pub(crate) fn line(&self) -> impl Iterator<Item = (u32, u16)> {
        let is_one = |handle: &u32| *handle != NOBODY;
        let next = move |handle: &u32| Some(self.row[*handle as usize] & !FREE).filter(is_one);
        let first = Some(self.first_free).filter(is_one);
        std::iter::successors(first, next).map(|handle| (handle, self.generation[handle as usize]))
    }

    /// Rows of all living entities in the order of their handles.
    pub fn rows(&self) -> impl Iterator<Item = Row> {
        self.row.iter().filter(|&&row| row & FREE == 0).map(|&row| Row(row))
    }

    /// The table as numbers: rows or links, generations, first and last free handle.
    pub(crate) fn parts(&self) -> (&[u32], &[u16], (u32, u32)) {
        (&self.row, &self.generation, (self.first_free, self.last_free))
    }

    /// A table out of numbers that somebody else wrote, if they make one: every handle is either alive, in a row below
    /// `n_rows`, or has its place in the line.
    ///
    /// - Cost: one pass over the handles.
    pub(crate) fn from_parts(
        row: Vec<u32>,
        generation: Vec<u16>,
        (first_free, last_free): (u32, u32),
        n_rows: usize,
    ) -> Option<Self> {
        let n = row.len();
        if n > 1 << EntityId::HANDLE_BITS || generation.len() != n {
            return None;
        }
        let (mut next, mut last, mut n_free) = (first_free, NOBODY, 0);
        while next != NOBODY {
            let link = *row.get(next as usize)?;
            if link & FREE == 0 || n_free == n {
                return None;
            }
            (last, next, n_free) = (next, link & !FREE, n_free + 1);
        }
        let is_alive = |row: &&u32| **row & FREE == 0;
        let n_alive = row.iter().filter(is_alive).count();
        let are_in = row.iter().filter(is_alive).all(|row| (*row as usize) < n_rows);
        let is_known = |at: &u16| u32::from(*at) < EntityId::GENERATIONS;
        let is_sound = are_in && n_alive + n_free == n && (n_free == 0 || last == last_free);
        (is_sound && generation.iter().all(is_known)).then_some(Self {
            row,
            generation,
            first_free,
            last_free,
        })
    }

    /// The same table with room for `n_max` living entities, each of them in another row. Handles that are new wait at the
    /// end of the line.
    pub(crate) fn refitted(&self, n_max: usize, to: impl Fn(Row) -> Row) -> Self {
        let mut table = self.clone();
        for row in table.row.iter_mut().filter(|row| **row & FREE == 0) {
            *row = to(Row(*row)).0;
        }
        for handle in table.row.len() as u32..(n_max * 2).max(64) as u32 {
            table.row.push(FREE | NOBODY);
            table.generation.push(0);
            if table.first_free == NOBODY {
                table.first_free = handle;
            } else {
                table.row[table.last_free as usize] = FREE | handle;
            }
            table.last_free = handle;
        }
        table
    }

    /// Memory that the table takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.row.len() * (size_of::<u32>() + size_of::<u16>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_id_never_finds_a_new_entity() {
        let mut handles = Handles::new(4);
        let first = handles.take(Row(9));
        handles.give_back(first);
        for _ in 0..500 {
            let id = handles.take(Row(1));
            assert_ne!(id, first);
            assert_eq!((handles.row_of(id), handles.row_of(first)), (Some(Row(1)), None));
            handles.give_back(id);
        }
        assert_eq!(handles.row_of(EntityId::NONE), None);
        assert_eq!(handles.row_of(EntityId(u32::MAX)), None);
    }

    #[test]
    fn the_handle_that_is_free_for_longest_is_the_next() {
        let mut handles = Handles::new(32);
        let all: Vec<EntityId> = (0..64).map(|row| handles.take(Row(row))).collect();
        assert_eq!((handles.line().count(), handles.rows().count()), (0, 64));
        for at in [5, 63, 0] {
            handles.give_back(all[at]);
        }
        assert_eq!(handles.line().collect::<Vec<_>>(), [(5, 1), (63, 1), (0, 1)]);
        let next: Vec<u32> = (0..3).map(|row| handles.take(Row(row)).handle()).collect();
        assert_eq!((next, handles.line().count()), (vec![5, 63, 0], 0));
    }
}
