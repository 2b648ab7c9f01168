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

    /// The next fact whose tick has come with a snapshot of `tick`. Facts keep their order.
    pub(crate) fn pop_until(&mut self, tick: u32) -> Option<String> {
        let first = self.held.front()?;
        let is_due = tick.wrapping_sub(first.tick) as i32 >= 0 || self.held.len() > HELD_MAX;
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
        assert_eq!(facts.pop_until(u32::MAX), None);
        assert_eq!(facts.pop_until(4).as_deref(), Some("late"));
        assert_eq!(facts.pop_until(4), None);
        assert_eq!(facts.pop_until(5).as_deref(), Some("later"));
        (0..1000).for_each(|_| {
            facts.push(Notice { tick: 1_000_000, text: String::new() });
            while facts.pop_until(5).is_some() {}
        });
        assert!(facts.held.len() <= HELD_MAX);
    }
}
