//! Load on an open-loop schedule: every client's input has its time, whether the server keeps up or not.
//!
//! The inputs of a tick are spread evenly over it. What is due goes out in rounds of 2 ms, as far as the thread
//! gets to run; what leaves later than half a tick after its time was not sent as asked.

use crate::machine::Stop;
use std::time::{Duration, Instant};

/// How often the load looks at its sockets and its schedule.
pub(crate) const ROUND: Duration = Duration::from_millis(2);
/// Later than this is not in time.
const LATE: Duration = Duration::from_millis(25);

/// Somebody with many clients.
pub(crate) trait Load {
    /// A client's input was due then.
    fn send(&mut self, client: usize, due: Instant);
    /// Hands what was queued to the kernel.
    fn flush(&mut self);
    /// Takes what arrives until then.
    ///
    /// # Errors
    /// When going on makes no sense.
    fn take(&mut self, until: Instant) -> anyhow::Result<()>;
    /// Between two inputs of one client, when that is not for the schedule alone to say.
    fn period(&self) -> Option<Duration> {
        None
    }
}

/// Inputs that were due.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sent {
    /// All.
    pub(crate) due: u64,
    /// Of these, sent in time.
    pub(crate) in_time: u64,
}

impl Sent {
    /// Since an earlier look.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        Self { due: self.due - earlier.due, in_time: self.in_time - earlier.in_time }
    }
}

/// When each client's next input is due.
pub(crate) struct Schedule {
    n_clients: u64,
    /// Between two inputs of one client.
    period: Duration,
    /// When the input behind the first `n_base` is due.
    start: Instant,
    n_base: u64,
    n_done: u64,
    stop: Stop,
    /// What was sent so far.
    pub(crate) sent: Sent,
}

impl Schedule {
    /// The first client is due at `start`.
    pub(crate) fn new(n_clients: usize, hz: u32, start: Instant, stop: &Stop) -> Self {
        Self {
            n_clients: n_clients as u64,
            period: Duration::from_secs(1) / hz,
            start,
            n_base: 0,
            n_done: 0,
            stop: stop.clone(),
            sent: Sent::default(),
        }
    }

    /// Nobody is due: what still comes is taken.
    pub(crate) fn idle(stop: &Stop) -> Self {
        Self::new(0, 1, Instant::now(), stop)
    }

    fn due(&self) -> Instant {
        let ns = self.period.as_nanos() * u128::from(self.n_done - self.n_base) / u128::from(self.n_clients);
        self.start + Duration::from_nanos(ns as u64)
    }

    /// Sends and takes until then.
    ///
    /// # Errors
    /// What the load says, or that a signal came.
    pub(crate) fn run(&mut self, load: &mut impl Load, until: Instant) -> anyhow::Result<()> {
        let mut next_round = Instant::now();
        loop {
            let now = Instant::now();
            self.send_due(load, now);
            load.flush();
            if now >= until {
                return self.stop.check();
            }
            next_round = (next_round + ROUND).max(now);
            load.take(next_round.min(until))?;
            self.stop.check()?;
        }
    }

    fn send_due(&mut self, load: &mut impl Load, now: Instant) {
        if self.n_clients == 0 {
            return;
        }
        if let Some(period) = load.period().filter(|period| *period != self.period) {
            (self.start, self.n_base, self.period) = (self.due(), self.n_done, period);
        }
        let mut due = self.due();
        while due <= now {
            load.send((self.n_done % self.n_clients) as usize, due);
            self.sent.due += 1;
            self.sent.in_time += u64::from(now - due <= LATE);
            self.n_done += 1;
            due = self.due();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Notes(Vec<usize>);

    impl Load for Notes {
        fn send(&mut self, client: usize, _due: Instant) {
            self.0.push(client);
        }
        fn flush(&mut self) {}
        fn take(&mut self, _until: Instant) -> anyhow::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_client_is_due_once_per_tick_in_turn_and_lateness_is_noticed() {
        let start = Instant::now();
        let stop = Stop::on_signals().unwrap();
        let mut schedule = Schedule::new(10, 20, start, &stop);
        let mut notes = Notes::default();
        schedule.send_due(&mut notes, start + Duration::from_millis(49));
        assert_eq!(notes.0, (0..10).collect::<Vec<_>>());
        // Due at 0, 5, ... 45 ms: those of the first 24 ms were sent too late.
        assert_eq!((schedule.sent.due, schedule.sent.in_time), (10, 5));
        schedule.send_due(&mut notes, start + Duration::from_millis(51));
        assert_eq!(notes.0[10..], [0]);
    }
}
