//! How long news waited for its snapshot, in milliseconds.

use engine::clients::Ages;
use serde::Serialize;

/// See the module. All zero where everything goes in its tick.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct AgesOfNews {
    /// Of everybody but those near: beyond its tick.
    pub(crate) added_age_ms: AgeMs,
    /// Slots with news of those near, of all with news.
    pub(crate) near_share: f64,
    /// Mean of what was added to the age of news of those near.
    pub(crate) near_added_age_ms: f64,
}

/// Distribution of an age.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct AgeMs {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

impl AgesOfNews {
    /// Of what was counted in ticks.
    pub(crate) fn of(ages: &Ages, ticks_per_second: u32) -> Self {
        let tick_ms = 1000.0 / f64::from(ticks_per_second);
        let n_other: u64 = ages.other.iter().sum();
        if n_other + ages.near == 0 {
            return Self::default();
        }
        let ms = |share| f64::from(ages.at_quantile(share)) * tick_ms;
        Self {
            added_age_ms: AgeMs { p50: ms(0.5), p99: ms(0.99), max: ms(1.0) },
            near_share: ages.near as f64 / (ages.near + n_other) as f64,
            near_added_age_ms: ages.near_waits as f64 * tick_ms / ages.near.max(1) as f64,
        }
    }
}
