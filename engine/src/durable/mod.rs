//! What a zone leaves in a log, and how a zone comes back from it.
//!
//! [`record`] is one tick in a log: what went in, and what must come of it. [`join`] and [`split`] are for what a checkpoint
//! says, [`recovery`] lives a log again.
//!
//! Not here: where a record lies, and when it is safe there.
//! Source: docs/decisions/0009-recovery-by-replay.md.

pub mod record;
pub mod recovery;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::replay::bytes::Malformed;

pub use record::{TickRecord, hash_is_due};
pub use recovery::{Disagreement, Recovery};

/// Writes what a checkpoint says: the length of the zone's bytes, the zone, and what else its owner wants to know again.
pub fn join(zone: &Checkpoint, out: &mut Vec<u8>, notes: impl FnOnce(&mut Vec<u8>)) {
    out.clear();
    out.extend_from_slice(&[0; 8]);
    zone.write(out);
    let n = out.len() as u64 - 8;
    out[..8].copy_from_slice(&n.to_le_bytes());
    notes(out);
}

/// Takes apart what a checkpoint says, out of untrusted bytes.
///
/// # Errors
/// [`CheckpointError`].
pub fn split(bytes: &[u8]) -> Result<(Checkpoint, &[u8]), CheckpointError> {
    let (n, rest) = bytes.split_first_chunk::<8>().ok_or(Malformed::Short("a checkpoint"))?;
    let n = usize::try_from(u64::from_le_bytes(*n)).map_err(|_| Malformed::Bounds("a checkpoint"))?;
    let (zone, notes) = rest.split_at_checked(n).ok_or(Malformed::Short("a checkpoint"))?;
    Ok((Checkpoint::read(zone)?, notes))
}
