//! Facts that came before their time: each waits until a snapshot of its tick was applied.

use netproto::Notice;
use std::collections::VecDeque;

/// More facts than this are not held back: the oldest is told early.
const HELD_MAX: usize = 64;

/// Notices in the order in which they came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    held: VecDeque<Notice>,
}

impl Facts {
    /// Takes a fact.
    pub(crate) fn push(&mut self, notice: Notice) {
        self.held.push_back(notice);
    }

    /// The next fact whose tick has come with a snapshot of `tick`, if there was one. Facts keep their order.
    pub(crate) fn pop_until(&mut self, tick: Option<u32>) -> Option<String> {
        let first = self.held.front()?;
        let has_come = tick.is_some_and(|tick| tick.wrapping_sub(first.tick) as i32 >= 0);
        let is_due = has_come || self.held.len() > HELD_MAX;
        if is_due { self.held.pop_front().map(|notice| notice.text) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_wait_for_their_tick_and_keep_their_order_but_never_pile_up() {
        let mut facts = Facts::default();
        facts.push(Notice { tick: 0, text: "late".into() });
        facts.push(Notice { tick: 5, text: "later".into() });
        assert_eq!(facts.pop_until(Some(u32::MAX)), None);
        assert_eq!(facts.pop_until(Some(4)).as_deref(), Some("late"));
        assert_eq!(facts.pop_until(Some(4)), None);
        assert_eq!(facts.pop_until(Some(5)).as_deref(), Some("later"));
        (0..1000).for_each(|_| {
            facts.push(Notice { tick: 1_000_000, text: String::new() });
            while facts.pop_until(Some(5)).is_some() {}
        });
        assert!(facts.held.len() <= HELD_MAX);
    }

    /// Seen: a zone that sends notices and no snapshot makes its client keep all of them. Nothing was let go before the
    /// first snapshot. Now the bound holds before it as well.
    #[test]
    fn facts_that_come_before_any_snapshot_do_not_pile_up() {
        let mut facts = Facts::default();
        for _ in 0..1000 {
            facts.push(Notice { tick: 0, text: "x".repeat(400) });
            while facts.pop_until(None).is_some() {}
        }
        assert_eq!(facts.held.len(), HELD_MAX);
    }
}
