//! What a first packet costs, in what it must cost: a packet of its size taken, and one of a Retry's size sent.
//!
//! The same attacker floods both, at the same rate, in turn.

use super::attacker::Attacker;
use super::bounds::{Bound, INITIAL_KIB_PER_THOUSAND_MAX, INITIAL_RATIO_MAX, RETRY_BYTES_OFF_MAX};
use super::trial::Trial;
use crate::child::Process;
use crate::lines::{orders, say};
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
/// Bytes of a Retry, as the zone sends it; a bound compares that with what came back.
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
    /// CPU of the floor, without what it takes when nobody asks.
    pub(crate) floor_us: f64,
    /// The median of the ratios.
    pub(crate) ratio: f64,
    /// Memory that stayed between the first turn and the last; one turn cannot tell.
    pub(crate) kib_per_thousand: Option<f64>,
    /// Mean of what came back.
    pub(crate) retry_bytes: f64,
    /// First packets that were handled.
    pub(crate) n: u64,
}

impl Found {
    /// What must hold.
    pub(crate) fn bounds(&self) -> Vec<Bound> {
        let bytes_off = (self.retry_bytes - RETRY_BYTES as f64).abs();
        let mut bounds = vec![
            Bound::at_most("initials: CPU of a first packet, in floors", self.ratio, INITIAL_RATIO_MAX),
            Bound::at_most(
                "initials: bytes between an answer and the floor's",
                bytes_off,
                RETRY_BYTES_OFF_MAX,
            ),
        ];
        bounds
            .extend(self.kib_per_thousand.map(|kib| {
                Bound::at_most("initials: KiB kept per 1,000", kib, INITIAL_KIB_PER_THOUSAND_MAX)
            }));
        bounds
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
    let time = Duration::from_secs(seconds);
    let begin = |server| {
        let plan = Plan { kind: Kind::Initials, server, per_second: PER_SECOND, n_attackers: 0 };
        Attacker::start(&plan, cores, stop)
    };
    let (mut us, mut floor_us, mut rss, mut sum) = (Vec::new(), Vec::new(), Vec::new(), Flood::default());
    for turn in 0..n_turns {
        // Both are idle at the same time: neither does anything that the other would notice.
        let before = look(&mut floor)?;
        let (quiet_ns, quiet) = trial.cpu_while(time)?;
        let idle = look(&mut floor)?.cpu_per_second_since(&before);
        let flood = flood_zone(trial, begin(trial.addr())?, time)?;
        let quiet_ns = quiet_ns as f64 * flood.took.as_secs_f64() / quiet.as_secs_f64();
        us.push((flood.cpu_ns as f64 - quiet_ns) / 1e3 / flood.n);
        sum.n += flood.n;
        sum.n_back += flood.n_back;
        sum.bytes_back += flood.bytes_back;
        trial.play(WARM_UP)?;
        rss.push((sum.n as u64, rss_kib(trial.pid())?));
        let attacker = begin(ready.addr)?;
        std::thread::sleep(WARM_UP);
        let before = look(&mut floor)?;
        std::thread::sleep(time);
        let now = look(&mut floor)?;
        drop(attacker);
        let busy_ns = (now.cpu_per_second_since(&before) - idle) * now.seconds_since(&before);
        floor_us.push(busy_ns / 1e3 / (now.mark.n_in - before.mark.n_in).max(1) as f64);
        eprintln!(
            "initials, turn {}: {:.2} us, floor {:.2} us, which takes {:.0} us per second by itself",
            turn + 1,
            us[us.len() - 1],
            floor_us[floor_us.len() - 1],
            idle / 1e3
        );
    }
    let ratios: Vec<f64> = us.iter().zip(&floor_us).map(|(us, floor_us)| us / floor_us).collect();
    Ok(Found {
        us: median(&us),
        floor_us: Middle::of(&floor_us, |us| *us).value,
        ratio: median(&ratios),
        kib_per_thousand: slope(&rss),
        retry_bytes: sum.bytes_back as f64 / sum.n_back.max(1) as f64,
        n: sum.n as u64,
    })
}

/// A flood of the zone.
#[derive(Default)]
struct Flood {
    cpu_ns: u64,
    took: Duration,
    /// First packets that were handled.
    n: f64,
    n_back: u64,
    bytes_back: u64,
}

fn flood_zone(trial: &mut Trial, mut attacker: Attacker, time: Duration) -> anyhow::Result<Flood> {
    let before = trial.socket_count("retries")?;
    // Its process has to start, and 64 are let in before the first is asked to come again.
    for _ in 0..LOOKS_MAX {
        if trial.socket_count("retries")? >= before + u64::from(PER_SECOND) / 10 {
            break;
        }
        trial.play(WARM_UP / 7)?;
    }
    let tally = attacker.tally()?;
    let retries = trial.socket_count("retries")?;
    let begun = Instant::now();
    let (cpu_ns, took) = trial.cpu_while(time)?;
    let after = trial.socket_count("retries")?;
    // Counts are handed over now and then: they are spread over the time between the two looks.
    let n = (after - retries) as f64 * took.as_secs_f64() / begun.elapsed().as_secs_f64();
    let now = attacker.tally()?;
    let (n_back, bytes_back) = (now.n_in - tally.n_in, now.bytes_in - tally.bytes_in);
    Ok(Flood { cpu_ns, took, n, n_back, bytes_back })
}

/// The floor, and when it was looked at.
struct Sight {
    mark: Mark,
    at: Instant,
}

impl Sight {
    fn seconds_since(&self, before: &Self) -> f64 {
        self.at.duration_since(before.at).as_secs_f64()
    }

    /// Nanoseconds of CPU.
    fn cpu_per_second_since(&self, before: &Self) -> f64 {
        (self.mark.cpu_ns - before.mark.cpu_ns) as f64 / self.seconds_since(before)
    }
}

fn look(floor: &mut Process) -> anyhow::Result<Sight> {
    floor.tell("mark")?;
    Ok(Sight { mark: floor.hear(ANSWER)?, at: Instant::now() })
}

/// KiB per thousand packets between the first look, when buffers have grown, and the last; one look shows nothing.
fn slope(rss: &[(u64, u64)]) -> Option<f64> {
    let [first, .., last] = rss else { return None };
    Some(last.1.saturating_sub(first.1) as f64 * 1e3 / (last.0 - first.0).max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_is_seen_between_the_first_look_and_the_last() {
        assert_eq!(slope(&[(1_000, 500), (2_000, 400), (3_000, 520)]), Some(10.0));
        assert_eq!(slope(&[(1_000, 500), (3_000, 400)]), Some(0.0));
        assert_eq!(slope(&[(1_000, 500)]), None);
    }
}
