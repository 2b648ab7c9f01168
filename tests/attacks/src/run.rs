//! An attack at a rate, for a time.

use crate::kinds::Attack;
use crate::kinds::members::{Crew, Deed};
use crate::kinds::strangers::{HalfOpen, Initials, Slowloris};
use serde::{Deserialize, Serialize};
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How often an attacker looks at its sockets.
const ROUND: Duration = Duration::from_millis(2);
/// What was missed for longer than this is not made up for: an attack is no burst.
const DEBT_MAX: Duration = Duration::from_millis(50);

/// What an attacker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// First packets of QUIC from addresses where nobody is.
    Initials,
    /// Handshakes of both links, begun and left.
    HalfOpen,
    /// Upgrade requests of which a byte comes per second.
    Slowloris,
    /// WebSocket frames too long, in pieces, or of a wrong kind.
    Frames,
    /// Pings on both links.
    Pings,
    /// QUIC streams beyond the limits, data beyond the windows, resets.
    Streams,
    /// Datagrams on both links.
    Datagrams,
    /// Bytes that mean nothing, on both links.
    Garbage,
    /// Inputs said again and in another order.
    Replays,
    /// Clients that never read, on both links.
    Deafness,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Initials,
        Self::HalfOpen,
        Self::Slowloris,
        Self::Frames,
        Self::Pings,
        Self::Streams,
        Self::Datagrams,
        Self::Garbage,
        Self::Replays,
        Self::Deafness,
    ];

    /// Its name on a command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Initials => "initials",
            Self::HalfOpen => "half-open",
            Self::Slowloris => "slowloris",
            Self::Frames => "frames",
            Self::Pings => "pings",
            Self::Streams => "streams",
            Self::Datagrams => "datagrams",
            Self::Garbage => "garbage",
            Self::Replays => "replays",
            Self::Deafness => "deafness",
        }
    }

    /// Whether attackers are let in before they attack.
    #[must_use]
    pub fn is_let_in(self) -> bool {
        !matches!(self, Self::Initials | Self::HalfOpen | Self::Slowloris)
    }

    /// What is counted by a rate.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::Initials => "packets",
            Self::HalfOpen => "connections",
            Self::Slowloris => "bytes",
            Self::Frames => "frames",
            Self::Pings => "pings",
            Self::Streams => "packets",
            Self::Datagrams | Self::Garbage | Self::Replays | Self::Deafness => "datagrams",
        }
    }
}

/// What to do, where, how much of it.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The attack.
    pub kind: Kind,
    /// Whom it is for.
    pub server: SocketAddr,
    /// So often per second, by all attackers together.
    pub per_second: u32,
    /// Attackers who are let in, or slow requests.
    pub n_attackers: usize,
}

/// What came of an attack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Packets or writes sent, and their bytes.
    pub n_out: u64,
    /// See there.
    pub bytes_out: u64,
    /// Packets that came back, where they are counted, and bytes.
    pub n_in: u64,
    /// See there.
    pub bytes_in: u64,
    /// Connections begun.
    pub n_dialled: u64,
    /// Of these, let in.
    pub n_played: u64,
    /// Connections that ended.
    pub n_closed: u64,
    /// Connections that the server keeps now: who is in play, or half-open.
    pub n_open: u64,
    /// Bad deeds done by those in play.
    pub n_deeds: u64,
}

impl Tally {
    /// Adds what came of the attack when it was made once more; of connections kept the most counts.
    pub fn add(&mut self, other: &Self) {
        let Self { n_out, bytes_out, n_in, bytes_in, n_dialled, n_played, n_closed, n_open, n_deeds } = other;
        self.n_out += n_out;
        self.bytes_out += bytes_out;
        self.n_in += n_in;
        self.bytes_in += bytes_in;
        self.n_dialled += n_dialled;
        self.n_played += n_played;
        self.n_closed += n_closed;
        self.n_open = self.n_open.max(*n_open);
        self.n_deeds += n_deeds;
    }
}

/// Makes an attack until `goes_on` says no; it is asked every 2 ms with what came of it so far.
///
/// # Errors
/// When the machine gives no sockets.
pub fn run(plan: &Plan, mut goes_on: impl FnMut(&Tally) -> bool) -> io::Result<Tally> {
    let begun = Instant::now();
    let mut attack = begin(plan, begun)?;
    let (mut due, mut next_round) = (begun, begun);
    let apart = Duration::from_secs(1) / plan.per_second.max(1);
    while goes_on(&attack.tally()) {
        let now = Instant::now();
        due = due.max(now.checked_sub(DEBT_MAX).unwrap_or(begun));
        let n = (now.saturating_duration_since(due).as_nanos() / apart.as_nanos().max(1)) as u32;
        due += apart * n;
        attack.act(now, n.into())?;
        next_round = (next_round + ROUND).max(Instant::now());
        std::thread::sleep(next_round.saturating_duration_since(Instant::now()));
    }
    Ok(attack.tally())
}

fn begin(plan: &Plan, now: Instant) -> io::Result<Box<dyn Attack>> {
    let crew = |deed| Box::new(Crew::new(plan.server, deed, plan.n_attackers, now));
    Ok(match plan.kind {
        Kind::Initials => Box::new(Initials::new(plan.server)?),
        Kind::HalfOpen => Box::new(HalfOpen::new(plan.server)),
        Kind::Slowloris => Box::new(Slowloris::new(plan.server, plan.n_attackers)),
        Kind::Frames => crew(Deed::Frames),
        Kind::Pings => crew(Deed::Pings),
        Kind::Streams => crew(Deed::Streams),
        Kind::Datagrams => crew(Deed::Datagrams),
        Kind::Garbage => crew(Deed::Garbage),
        Kind::Replays => crew(Deed::Replays),
        Kind::Deafness => crew(Deed::Deafness),
    })
}
