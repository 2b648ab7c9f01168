//! What a first packet costs, in what it must cost: a packet of its size taken, and one of a Retry's size sent.
//!
//! The same attacker floods both, at the same rate, in turn.

use super::attacker::Attacker;
use super::bounds::{Bound, INITIAL_KIB_PER_THOUSAND_MAX, INITIAL_RATIO_MAX};
use super::trial::Trial;
use crate::child::{Process, orders, say};
use crate::load::ROUND;
use crate::machine::{Cores, Stop, rss_kib};
use crate::net::Ready;
use crate::stats::{Middle, median};
use anyhow::Context;
use attacks::{Kind, Plan};
use serde::{Deserialize, Serialize};
use std::sync::mpsc::TryRecvError;
use std::time::{Duration, Instant};
use transport::raw::RawSocket;

/// First packets per second: as many as an attacker makes on its core beside everything else there.
const PER_SECOND: u32 = 12_000;
/// Bytes of a Retry, as the zone sends it; checked against what came back.
const RETRY_BYTES: usize = 96;
/// From the start of a flood to the first look.
const WARM_UP: Duration = Duration::from_millis(700);
/// How often a flood is looked for before its window begins anyway.
const LOOKS_MAX: u32 = 100;
const ANSWER: Duration = Duration::from_secs(5);

/// What the floor says of itself.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Mark {
    cpu_ns: u64,
    n_in: u64,
}

/// Answers every packet with one of this size until the parent goes; any order asks for a mark.
///
/// # Errors
/// When there is no socket.
pub(crate) fn run(reply_bytes: usize) -> anyhow::Result<()> {
    let mut socket = RawSocket::bind(([127, 0, 0, 1], 0).into()).context("cannot open a UDP socket")?;
    say(&Ready { addr: socket.local_addr()? })?;
    let (orders, reply) = (orders(), vec![0x5a; reply_bytes]);
    let mut mark = Mark::default();
    loop {
        match orders.try_recv() {
            Ok(_) => say(&Mark { cpu_ns: jobs::sys::process_cpu_ns(), ..mark })?,
            Err(TryRecvError::Disconnected) => return Ok(()),
            Err(TryRecvError::Empty) => {}
        }
        mark.n_in += socket.answer(&reply);
        std::thread::sleep(ROUND);
    }
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Found {
    /// CPU per first packet.
    pub(crate) us: f64,
    /// CPU of the floor.
    pub(crate) floor_us: f64,
    /// The median of the ratios.
    pub(crate) ratio: f64,
    /// Memory that stayed.
    pub(crate) kib_per_thousand: f64,
    /// Of a Retry.
    pub(crate) retry_bytes: f64,
    /// First packets that were handled.
    pub(crate) n: u64,
}

impl Found {
    /// What must hold.
    pub(crate) fn bounds(&self) -> Vec<Bound> {
        vec![
            Bound::at_most("initials: CPU of a first packet, in floors", self.ratio, INITIAL_RATIO_MAX),
            Bound::at_most(
                "initials: KiB kept per 1,000",
                self.kib_per_thousand,
                INITIAL_KIB_PER_THOUSAND_MAX,
            ),
        ]
    }
}

/// Floods the zone and the floor in turn.
///
/// # Errors
/// When a process is lost.
pub(crate) fn measure(
    trial: &mut Trial,
    (n_turns, seconds): (u16, u64),
    cores: Cores,
    stop: &Stop,
) -> anyhow::Result<Found> {
    let words = ["answers".to_owned(), format!("--reply={RETRY_BYTES}")];
    let mut floor = Process::part("the floor", cores.server, words.map(Into::into), stop)?;
    let ready: Ready = floor.hear(ANSWER)?;
    let (mut us, mut floor_us, mut n) = (Vec::new(), Vec::new(), 0);
    let (mut rss, mut bytes, mut n_back) = (Vec::new(), 0, 0);
    for turn in 0..n_turns {
        let quiet_ns = trial.cpu_while(Duration::from_secs(seconds))?.0 as f64;
        let plan = |server| Plan { kind: Kind::Initials, server, per_second: PER_SECOND, n_attackers: 0 };
        let mut attacker = Attacker::start(&plan(trial.addr()), cores, stop)?;
        let before = trial.socket_count("retries")?;
        // Its process has to start, and 64 are let in before the first is asked to come again.
        for _ in 0..LOOKS_MAX {
            if trial.socket_count("retries")? >= before + u64::from(PER_SECOND) / 10 {
                break;
            }
            trial.play(WARM_UP / 7)?;
        }
        let retries = trial.socket_count("retries")?;
        let begun = Instant::now();
        let (flood_ns, took) = trial.cpu_while(Duration::from_secs(seconds))?;
        let after = trial.socket_count("retries")?;
        // Counts are handed over now and then: they are spread over the time between the two looks.
        let n_here = (after - retries) as f64 * took.as_secs_f64() / begun.elapsed().as_secs_f64();
        let tally = attacker.tally()?;
        (bytes, n_back) = (bytes + tally.bytes_in, n_back + tally.n_in);
        drop(attacker);
        us.push((flood_ns as f64 - quiet_ns) / 1e3 / n_here);
        n += n_here as u64;
        trial.play(WARM_UP)?;
        rss.push((n, rss_kib(trial.pid())?));
        let attacker = Attacker::start(&plan(ready.addr), cores, stop)?;
        std::thread::sleep(WARM_UP);
        let mut look = || -> anyhow::Result<Mark> {
            floor.tell("mark")?;
            floor.hear(ANSWER)
        };
        let before = look()?;
        std::thread::sleep(Duration::from_secs(seconds));
        let now = look()?;
        drop(attacker);
        floor_us.push((now.cpu_ns - before.cpu_ns) as f64 / 1e3 / (now.n_in - before.n_in).max(1) as f64);
        eprintln!(
            "initials, turn {}: {:.2} us, floor {:.2} us",
            turn + 1,
            us[us.len() - 1],
            floor_us[floor_us.len() - 1]
        );
    }
    let ratios: Vec<f64> = us.iter().zip(&floor_us).map(|(us, floor_us)| us / floor_us).collect();
    Ok(Found {
        us: median(&us),
        floor_us: Middle::of(&floor_us, |us| *us).value,
        ratio: median(&ratios),
        kib_per_thousand: slope(&rss),
        retry_bytes: bytes as f64 / n_back.max(1) as f64,
        n,
    })
}

/// KiB per thousand packets between the first look, when buffers have grown, and the last.
fn slope(rss: &[(u64, u64)]) -> f64 {
    let (Some(first), Some(last)) = (rss.first(), rss.last()) else { return 0.0 };
    last.1.saturating_sub(first.1) as f64 * 1e3 / (last.0 - first.0).max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_is_seen_between_the_first_look_and_the_last() {
        assert_eq!(slope(&[(1_000, 500), (2_000, 400), (3_000, 520)]), 10.0);
        assert_eq!(slope(&[(1_000, 500), (3_000, 400)]), 0.0);
    }
}
