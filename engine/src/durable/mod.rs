//! What a zone leaves in a log, and how a zone comes back from it.
//!
//! [`record`] is one tick in a log: what went in, and what must come of it. [`recovery`] lives a log again.
//!
//! Not here: where a record lies, and when it is safe there.
//! Source: docs/decisions/0009-recovery-by-replay.md.

pub mod record;
pub mod recovery;

pub use record::{TickRecord, hash_is_due};
pub use recovery::{Disagreement, Recovery};
