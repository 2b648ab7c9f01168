//! Digests of all entities, and how they are written: only what has changed since the last time.

use super::bytes::{Bytes, Malformed, put};
use crate::ids::EntityId;

/// Handles have 20 bits.
const HANDLES: usize = 1 << 20;

/// What became of an entity between two digests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is there and has this digest.
    Is {
        /// Who.
        entity: EntityId,
        /// Its digest.
        digest: u32,
    },
    /// Nobody has this handle any more.
    Gone {
        /// The handle.
        handle: u32,
    },
}

const CHANGED: u64 = 0;
const NEW: u64 = 1;
const GONE: u64 = 2;

/// Entities with their digests, by handle.
#[derive(Clone, Debug, Default)]
pub struct Table {
    rows: Vec<(EntityId, u32)>,
}

impl Table {
    /// Who has a handle, with the digest.
    #[must_use]
    pub fn get(&self, handle: u32) -> Option<(EntityId, u32)> {
        self.rows.get(handle as usize).copied().filter(|(id, _)| *id != EntityId::NONE)
    }

    /// All entities, by handle.
    pub fn living(&self) -> impl Iterator<Item = (EntityId, u32)> {
        self.rows.iter().copied().filter(|(id, _)| *id != EntityId::NONE)
    }

    /// Takes one change.
    pub fn apply(&mut self, change: Change) {
        let (handle, row) = match change {
            Change::Is { entity, digest } => (entity.handle(), (entity, digest)),
            Change::Gone { handle } => (handle, (EntityId::NONE, 0)),
        };
        if self.rows.len() <= handle as usize {
            self.rows.resize(handle as usize + 1, (EntityId::NONE, 0));
        }
        self.rows[handle as usize] = row;
    }

    /// Writes what has changed since the last time, and takes it.
    pub(super) fn write(
        &mut self,
        out: &mut Vec<u8>,
        entities: &[(EntityId, u32)],
        changes: &mut Vec<Change>,
    ) {
        changes.clear();
        let mut known = self.living().map(|(id, _)| id.handle()).peekable();
        for (entity, digest) in entities {
            while let Some(handle) = known.next_if(|handle| *handle < entity.handle()) {
                changes.push(Change::Gone { handle });
            }
            let _same_handle = known.next_if_eq(&entity.handle());
            if self.get(entity.handle()) != Some((*entity, *digest)) {
                changes.push(Change::Is { entity: *entity, digest: *digest });
            }
        }
        changes.extend(known.map(|handle| Change::Gone { handle }));
        put(out, changes.len() as u64);
        let mut next = 0;
        for change in &*changes {
            self.write_one(out, &mut next, change);
            self.apply(*change);
        }
    }

    fn write_one(&self, out: &mut Vec<u8>, next: &mut u32, change: &Change) {
        let (handle, kind) = match change {
            Change::Gone { handle } => (*handle, GONE),
            Change::Is { entity, .. } => {
                let is_known = self.get(entity.handle()).is_some_and(|(id, _)| id == *entity);
                (entity.handle(), if is_known { CHANGED } else { NEW })
            }
        };
        put(out, u64::from(handle - *next) << 2 | kind);
        *next = handle + 1;
        if let Change::Is { entity, digest } = change {
            if kind == NEW {
                put(out, u64::from(entity.generation()));
            }
            out.extend_from_slice(&digest.to_le_bytes());
        }
    }

    /// Reads changes, without taking them but for checking.
    pub(super) fn read(&mut self, bytes: &mut Bytes<'_>) -> Result<Vec<Change>, Malformed> {
        let n = bytes.count("the number of changed entities")?;
        let mut next = 0u64;
        let mut changes = Vec::with_capacity(n);
        for _ in 0..n {
            let head = bytes.number("an entity")?;
            let handle = (head >> 2).checked_add(next).filter(|handle| *handle < HANDLES as u64);
            let handle = handle.ok_or(Malformed::Bounds("a handle"))? as u32;
            next = u64::from(handle) + 1;
            let known = self.get(handle);
            let change = match (head & 3, known) {
                (CHANGED, Some((entity, _))) => Change::Is { entity, digest: bytes.word("a digest")? },
                (NEW, _) => {
                    let entity = EntityId::checked(handle, bytes.number("a generation")?);
                    let entity = entity.ok_or(Malformed::Bounds("a generation"))?;
                    Change::Is { entity, digest: bytes.word("a digest")? }
                }
                (GONE, Some(_)) => Change::Gone { handle },
                _ => return Err(Malformed::Bounds("what became of an entity")),
            };
            self.apply(change);
            changes.push(change);
        }
        Ok(changes)
    }
}
