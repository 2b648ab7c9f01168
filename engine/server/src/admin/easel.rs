//! How the admin thread looks into a running world: it asks, and the tick thread answers after its sends.
//!
//! An [`Ask`] brings the buffer that is to be filled, with room for what comes, so the tick thread takes no memory. The queue is short, asks
//! that find it full are dropped, and the tick thread answers a few per tick and only when it has time. A reader
//! that goes away stops asking; nothing has to be cancelled.

use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, bounded};
use engine::World;
use engine::picture::{Dots, Lens, Overview};
use netproto::FRAME_BYTES_MAX;
use transport::{Link, PeerId, Server};

/// Asks that may wait for the tick: all cameras and what else is looked at.
const ASKS_MAX: usize = 16;
/// Asks answered after one tick.
const ASKS_PER_TICK: usize = 2;
/// What must be left until the door closes: a picture of a full zone takes about a millisecond.
const TIME_MIN: Duration = Duration::from_millis(4);
/// Places of the peer table looked at in one ask.
pub(super) const PLACES_PER_ASK: u32 = 256;
/// Frames on their way to be taken apart: a second's, and a few more.
const SAMPLES: usize = 40;
/// How often the admin thread looks for its answer; a tick is several times as long.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(10);
/// A zone that does not answer within this is not looked at.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(1);

/// How one connection is doing.
#[derive(Clone, Copy, Debug)]
pub(super) struct PeerRow {
    pub(super) peer: PeerId,
    pub(super) link: Link,
    pub(super) rtt: Duration,
    pub(super) packets_sent: u64,
    pub(super) packets_lost: u64,
    pub(super) queued_bytes: usize,
}

/// What is wanted, and where to put it.
pub(super) enum Wish {
    /// Entities in a rectangle.
    Dots(Lens, Box<Dots>),
    /// The whole zone in numbers.
    Overview(Box<Overview>),
    /// Connections from a place of the peer table on.
    Peers { first: u32, rows: Vec<PeerRow>, is_more: bool },
}

/// A wish that was filled.
pub(super) struct Painted {
    pub(super) wish: Wish,
    pub(super) took: Duration,
}

struct Ask {
    wish: Wish,
    answer: Sender<Painted>,
}

/// One snapshot as it left.
pub(super) struct Sample {
    n_bytes: usize,
    bytes: [u8; FRAME_BYTES_MAX],
}

impl Sample {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.n_bytes]
    }
}

/// The tick's end.
pub struct Easel {
    asks: Receiver<Ask>,
    blank: Receiver<Box<Sample>>,
    filled: Sender<Box<Sample>>,
}

/// The admin thread's end.
#[derive(Clone)]
pub(super) struct Gallery {
    asks: Sender<Ask>,
    blank: Sender<Box<Sample>>,
    filled: Receiver<Box<Sample>>,
}

/// Both ends.
pub(super) fn open() -> (Easel, Gallery) {
    let (ask, asks) = bounded(ASKS_MAX);
    let (blank, blanks) = bounded(SAMPLES);
    let (fill, filled) = bounded(SAMPLES);
    for _ in 0..SAMPLES {
        let sample = Sample { n_bytes: 0, bytes: [0; FRAME_BYTES_MAX] };
        blank.try_send(Box::new(sample)).unwrap_or_else(|_| unreachable!("the queue holds {SAMPLES}"));
    }
    (Easel { asks, blank: blanks, filled: fill }, Gallery { asks: ask, blank, filled })
}

impl Easel {
    /// Answers what was asked since the last tick, as far as there is time until `deadline`. Call it when everything of a
    /// tick has been sent.
    ///
    /// It never waits for an ask, for an answer to be read, or for room. Inside of a queue it may spin for the moment in
    /// which the admin thread takes or gives an entry.
    ///
    /// - Cost: nothing but a copy of one frame when nobody asks.
    pub fn paint(&self, world: &World, server: &Server, deadline: Instant) {
        self.sample(world);
        for _ in 0..ASKS_PER_TICK {
            if self.asks.is_empty() || Instant::now() + TIME_MIN > deadline {
                return;
            }
            let Ok(Ask { mut wish, answer }) = self.asks.try_recv() else { return };
            let begun = Instant::now();
            wish.fill(world, server);
            // Whoever asked may be gone; then the buffer is given back to the allocator here. That is rare.
            let _ = answer.try_send(Painted { wish, took: begun.elapsed() });
        }
    }

    /// Copies one of this tick's frames, each time somebody else's.
    fn sample(&self, world: &World) {
        let n = world.frames().count();
        if n == 0 || self.filled.is_full() {
            return;
        }
        let at = (world.now() as usize).wrapping_mul(0x9e37_79b9) % n;
        if let Some((_, frame)) = world.frames().nth(at)
            && let Ok(mut sample) = self.blank.try_recv()
        {
            sample.n_bytes = frame.len();
            sample.bytes[..frame.len()].copy_from_slice(frame);
            let _ = self.filled.try_send(sample);
        }
    }
}

impl Wish {
    fn fill(&mut self, world: &World, server: &Server) {
        match self {
            Self::Dots(lens, dots) => dots.fill(world, *lens),
            Self::Overview(overview) => overview.fill(world),
            Self::Peers { first, rows, is_more } => {
                *is_more = server.survey(*first..*first + PLACES_PER_ASK, |peer, stats| {
                    rows.push(PeerRow {
                        peer,
                        link: stats.link,
                        rtt: stats.rtt,
                        packets_sent: stats.packets_sent,
                        packets_lost: stats.packets_lost,
                        queued_bytes: stats.queued_bytes,
                    });
                });
            }
        }
    }
}

impl Gallery {
    /// Asks, and waits for the answer. `None` when the zone has no time to answer.
    pub(super) async fn ask(&self, wish: Wish) -> Option<Painted> {
        let (answer, answers) = bounded(1);
        self.asks.try_send(Ask { wish, answer }).ok()?;
        let until = Instant::now() + ANSWER_MAX;
        // Looking now and then instead of being woken: with nobody asleep in the queue the tick thread has nobody to
        // wake, and so no list of sleepers to lock.
        while Instant::now() < until {
            tokio::time::sleep(LOOK_EVERY).await;
            if let Ok(painted) = answers.try_recv() {
                return Some(painted);
            }
        }
        None
    }

    /// Shows every frame that was sampled since the last call.
    pub(super) fn samples(&self, mut seen: impl FnMut(&[u8])) {
        for sample in self.filled.try_iter() {
            seen(sample.bytes());
            let _ = self.blank.try_send(sample);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zone::fixtures::world;
    use engine::{DurableId, Input, tick};

    #[test]
    fn frames_are_sampled_until_nobody_takes_them_and_again_when_somebody_does() {
        let mut world = world(4, 10);
        tick(
            &mut world,
            &[Input::Join { player: DurableId { low: 1, high: 1 }, in_flight_max: 4, place: None }],
        );
        assert_eq!(world.frames().count(), 1);
        let frame = world.frames().next().unwrap().1.to_vec();
        let (easel, gallery) = open();
        for _ in 0..2 {
            for _ in 0..SAMPLES + 5 {
                easel.sample(&world);
            }
            let mut n = 0;
            gallery.samples(|bytes| {
                assert_eq!(bytes, frame);
                n += 1;
            });
            assert_eq!(n, SAMPLES);
        }
    }
}
