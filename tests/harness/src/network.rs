//! A network per client and direction: a fixed delay, and packets that never come, or come late.

use engine::rng::{Purpose, draw, within};

/// How packets are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Never.
    None,
    /// Each packet by itself, 1 in 100.
    Random,
    /// Each packet by itself, 1 in 20.
    Heavy,
    /// In bursts of 4 on average, 1 in 100 overall (Gilbert-Elliott).
    Burst,
    /// None is lost; 1 in 50 comes three ticks late, behind its successors.
    Late,
}

/// What becomes of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrives after the link's delay and this many further ticks.
    Arrives(u32),
    /// It does not arrive.
    Lost,
}

const MILLION: i32 = 1_000_000;
/// Good to bad: 0.01 / 0.99 of the way back, which takes 4 packets on average.
const TO_BAD: i32 = 2_525;
const TO_GOOD: i32 = 250_000;

/// One direction of one client's connection.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    loss: Loss,
    id: u32,
    n_sent: u32,
    is_bad: bool,
}

impl Link {
    /// A link; the same id draws the same fates.
    #[must_use]
    pub fn new(loss: Loss, id: u32) -> Self {
        Self { loss, id, n_sent: 0, is_bad: false }
    }

    /// Decides the fate of the next packet.
    pub fn fate(&mut self) -> Fate {
        self.n_sent += 1;
        let chance = within(draw(77, self.n_sent, self.id, Purpose::Damage), 0, MILLION - 1);
        let is_lost = match self.loss {
            Loss::None => false,
            Loss::Random => chance < MILLION / 100,
            Loss::Heavy => chance < MILLION / 20,
            Loss::Burst => {
                self.is_bad = if self.is_bad { chance >= TO_GOOD } else { chance < TO_BAD };
                self.is_bad
            }
            Loss::Late if chance < MILLION / 50 => return Fate::Arrives(3),
            Loss::Late => false,
        };
        if is_lost { Fate::Lost } else { Fate::Arrives(0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_come_at_one_percent_and_bursts_are_four_long() {
        for (loss, runs) in [(Loss::Random, 1.0..1.1), (Loss::Burst, 3.6..4.4)] {
            let (mut lost, mut bursts, mut before) = (0u32, 0u32, false);
            for id in 0..200 {
                let mut link = Link::new(loss, id);
                for _ in 0..5_000 {
                    let is_lost = link.fate() == Fate::Lost;
                    lost += u32::from(is_lost);
                    bursts += u32::from(is_lost && !before);
                    before = is_lost;
                }
            }
            assert!((9_000..11_000).contains(&lost), "{loss:?}: {lost} of a million");
            let mean = f64::from(lost) / f64::from(bursts);
            assert!(runs.contains(&mean), "{loss:?}: bursts of {mean:.2}");
        }
    }
}
