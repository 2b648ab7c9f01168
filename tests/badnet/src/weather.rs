//! What a network does to what it carries, and the dice that decide it.

use std::time::Duration;

/// How packets are lost on the way.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Loss {
    /// Never.
    #[default]
    None,
    /// Each packet by itself, with this chance.
    Random(f64),
    /// In bursts of this many packets on average, with this chance overall (Gilbert-Elliott).
    Bursts {
        /// Share of all packets.
        share: f64,
        /// Packets in a row, on average.
        length: f64,
    },
}

/// The narrowest place of a path: a rate, and a queue in front of it that drops what does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bottleneck {
    /// Bits per second, headers counted.
    pub bits_per_second: u64,
    /// Bytes that wait at most.
    pub queue_bytes: usize,
}

/// One direction of a path.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Weather {
    /// What every packet takes at least.
    pub delay: Duration,
    /// What it may take on top, evenly spread.
    pub jitter: Duration,
    /// Packets that never come. A stream waits for them instead.
    pub loss: Loss,
    /// Share of packets that come [`LATE`] after their time, behind their successors. Streams keep their order.
    pub late: f64,
    /// Share of packets that come twice. Streams do not.
    pub twice: f64,
    /// The narrowest place.
    pub bottleneck: Option<Bottleneck>,
}

/// How much later a packet comes that is reordered: two ticks and a half.
pub const LATE: Duration = Duration::from_millis(125);

impl Weather {
    /// Nothing happens to anything.
    pub const FAIR: Self = Self {
        delay: Duration::ZERO,
        jitter: Duration::ZERO,
        loss: Loss::None,
        late: 0.0,
        twice: 0.0,
        bottleneck: None,
    };

    /// As before, with this one-way delay.
    #[must_use]
    pub fn with_delay(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// As before, with this loss.
    #[must_use]
    pub fn with_loss(self, loss: Loss) -> Self {
        Self { loss, ..self }
    }

    /// As before, through a bottleneck.
    #[must_use]
    pub fn through(self, bits_per_second: u64, queue_bytes: usize) -> Self {
        Self { bottleneck: Some(Bottleneck { bits_per_second, queue_bytes }), ..self }
    }
}

/// A seeded source of chances: the same seed, the same day. Source: splitmix64.
#[derive(Clone, Debug)]
pub struct Dice {
    state: u64,
    /// In a burst of losses.
    is_bad: bool,
}

impl Dice {
    /// Dice that fall as the seed says.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: seed, is_bad: false }
    }

    /// From 0 to just below 1.
    pub fn share(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.state;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Whether something of this chance happens.
    pub fn happens(&mut self, chance: f64) -> bool {
        chance > 0.0 && self.share() < chance
    }

    /// Whether the next packet is lost.
    pub fn loses(&mut self, loss: Loss) -> bool {
        match loss {
            Loss::None => false,
            Loss::Random(share) => self.happens(share),
            Loss::Bursts { share, length } => {
                let to_good = 1.0 / length.max(1.0);
                let to_bad = to_good * share / (1.0 - share).max(0.01);
                self.is_bad = if self.is_bad { !self.happens(to_good) } else { self.happens(to_bad) };
                self.is_bad
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_come_at_their_share_and_bursts_are_as_long_as_they_should_be() {
        let bursts = Loss::Bursts { share: 0.05, length: 5.0 };
        for (loss, length) in [(Loss::Random(0.05), 1.0..1.1), (bursts, 4.5..5.5)] {
            let mut dice = Dice::new(3);
            let (mut n_lost, mut n_bursts, mut before) = (0u32, 0u32, false);
            for _ in 0..400_000 {
                let is_lost = dice.loses(loss);
                n_lost += u32::from(is_lost);
                n_bursts += u32::from(is_lost && !before);
                before = is_lost;
            }
            assert!((18_500..21_500).contains(&n_lost), "{loss:?}: {n_lost} of 400,000");
            let mean = f64::from(n_lost) / f64::from(n_bursts);
            assert!(length.contains(&mean), "{loss:?}: bursts of {mean:.2}");
        }
    }
}
