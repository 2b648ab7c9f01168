//! A session that notes what it hears and shows, for [`crate::playback`].

use super::{Session, Settings, Stage};
use crate::tape::{Note, Tape, TapeHeader};
use crate::{Nanos, playback};

impl Session {
    /// Notes on a tape all that comes in from now on, and sums of what is shown. Call it before the first
    /// `handle_*`, on a session that has no walls of others.
    pub fn record(&mut self, label: &str) {
        let Stage::Waiting(start) = self.stage else { return };
        let Settings { build, seed, predict, pack, decode, .. } = self.settings.clone();
        let label = label.to_owned();
        self.tape =
            Some(Box::new(Tape::begin(TapeHeader { label, build, seed, predict, pack, decode, start })));
    }

    /// The tape so far; nothing is noted any more.
    pub fn take_tape(&mut self) -> Option<Box<Tape>> {
        self.tape.take()
    }

    pub(super) fn note(&mut self, now: Nanos, note: Note<'_>) {
        if let Some(tape) = &mut self.tape {
            tape.add(now, note);
        }
    }

    /// Notes something that has no time of its own.
    pub(super) fn note_now(&mut self, note: Note<'_>) {
        if let Some(tape) = &mut self.tape {
            tape.add(tape.now(), note);
        }
    }

    pub(super) fn note_seen(&mut self, now: Nanos) {
        if self.tape.is_some() {
            self.note(now, Note::Seen(playback::seen(self)));
        }
    }

    /// Notes what was sent, or that nothing was.
    pub(super) fn note_input(&mut self, now: Nanos, n_bytes: Option<usize>) {
        if self.tape.is_some() {
            let sent = n_bytes.map(|n_bytes| playback::sum(&self.packet[..n_bytes]));
            self.note(now, Note::Input(sent));
        }
    }
}
