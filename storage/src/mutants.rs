//! Rules that can be broken on purpose, for the proof that a test notices. In builds without the feature `mutants` none
//! is ever broken, and nothing is left of the question.
//!
//! | `ARCANE_MUTANT` | what is broken | caught by |
//! |---|---|---|
//! | `no-salt` | checksums do not depend on the segment: what an earlier use left behind looks valid | `wal::tests::what_an_earlier_use_of_a_segment_left_is_never_read` |
//! | `no-directory-fsync` | a new segment's name is not made safe before it is written to | `wal::tests::power_may_be_cut_at_every_call` |

/// Whether this rule is broken.
#[cfg(feature = "mutants")]
#[must_use]
pub fn is_on(name: &str) -> bool {
    use std::sync::OnceLock;
    static CHOSEN: OnceLock<Option<String>> = OnceLock::new();
    CHOSEN.get_or_init(|| std::env::var("ARCANE_MUTANT").ok()).as_deref() == Some(name)
}

/// Whether this rule is broken.
#[cfg(not(feature = "mutants"))]
#[must_use]
#[inline(always)]
pub const fn is_on(_name: &str) -> bool {
    false
}
