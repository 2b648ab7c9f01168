//! What a zone must bear, and the rates at which that is asked of it.

use attacks::Kind;
use serde::Serialize;

/// Between two snapshots of an honest client, at 99 of 100.
pub(crate) const GAP_MS_MAX: f64 = 60.0;
/// What an attack may add to the CPU time that an honest client costs.
pub(crate) const CPU_RATIO_MAX: f64 = 1.15;
/// Of what an attack is to do in its windows, so much must have been done: otherwise nothing was tried.
pub(crate) const DEEDS_SHARE_MIN: f64 = 0.5;
/// Memory per peer that is not let in, and per one that is.
pub(crate) const STRANGER_KIB_MAX: f64 = 64.0;
/// See there.
pub(crate) const MEMBER_KIB_MAX: f64 = 1024.0;
/// CPU of a first packet, in those of a packet of its size in and one of a Retry's out.
pub(crate) const INITIAL_RATIO_MAX: f64 = 3.5;
/// What an answer of the zone may differ in size from that of the floor.
pub(crate) const RETRY_BYTES_OFF_MAX: f64 = 8.0;
/// Memory that stays per thousand first packets.
pub(crate) const INITIAL_KIB_PER_THOUSAND_MAX: f64 = 1.0;
/// Bytes to an unproven address for each byte from there. Source: RFC 9000 section 8.1.
pub(crate) const AMPLIFICATION_MAX: f64 = 3.0;

/// How much of an attack is made beside honest clients.
///
/// Handling what an attacker sends costs something, whoever handles it: these rates are what a zone with 1,000 players
/// must not notice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dose {
    /// How often per second, by all attackers together.
    pub(crate) per_second: u32,
    /// Attackers that are let in, or slow requests.
    pub(crate) n_attackers: usize,
}

/// The rate of each attack.
pub(crate) fn dose(kind: Kind) -> Dose {
    let (per_second, n_attackers) = match kind {
        Kind::Initials => (1_000, 0),
        Kind::HalfOpen => (40, 0),
        Kind::Slowloris => (500, 500),
        Kind::Frames => (40, 10),
        Kind::Pings => (2_000, 10),
        Kind::Streams => (1_000, 8),
        Kind::Datagrams => (2_000, 10),
        Kind::Garbage => (1_000, 10),
        Kind::Replays => (600, 10),
        Kind::Deafness => (200, 10),
    };
    Dose { per_second, n_attackers }
}

/// One bound and what was found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Bound {
    /// What was looked at.
    pub(crate) what: String,
    /// What was found.
    pub(crate) found: f64,
    /// What it may be.
    pub(crate) most: f64,
    /// Whether it holds.
    pub(crate) holds: bool,
}

impl Bound {
    /// `found` may be `most`.
    pub(crate) fn at_most(what: impl Into<String>, found: f64, most: f64) -> Self {
        Self { what: what.into(), found, most, holds: found <= most }
    }

    /// `found` must be `least` or more: the attack came about.
    pub(crate) fn at_least(what: impl Into<String>, found: f64, least: f64) -> Self {
        Self { what: what.into(), found, most: least, holds: found >= least }
    }

    /// One line for people.
    pub(crate) fn print(&self) {
        let verdict = if self.holds { "ok  " } else { "MISS" };
        println!("  {verdict} {:58} {:>10.2}  (bound {})", self.what, self.found, self.most);
    }
}
