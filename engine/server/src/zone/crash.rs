//! What is left of a tick that panicked: the inputs of the last ticks, in a file that `arcanectl replay` reads.
//!
//! Keeping them costs a tick nothing but memory: the list of a tick's inputs changes places with the oldest one.
//! Source: docs/replay.md "Crash dumps".

use std::any::Any;
use std::collections::VecDeque;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use engine::replay::{Crash, Header, inputs};
use engine::{Input, World};
use transport::Event;

use super::files::replace;
use super::keep::BUILD;

/// Ticks in a dump, the one that panicked among them.
pub const TICKS_KEPT: usize = 64;
/// Dumps kept in the data directory.
const DUMPS_KEPT: usize = 8;
/// Below the data directory.
const DIR: &str = "crash";
const SUFFIX: &str = ".dump";
/// Of a hello only what comes before ticket and token: these must not be in any log.
const HELLO_SHOWN_BYTES: usize = 28;
/// Bytes of a peer's that are logged at most.
const SHOWN_BYTES: usize = 128;

/// Inputs of the last ticks, as a recording has them: some 30 bytes each, where they take 128 in play.
#[derive(Debug, Default)]
pub struct LastTicks(VecDeque<(u32, Vec<u8>)>);

impl LastTicks {
    /// Takes down the inputs of a tick that is done.
    ///
    /// - Cost: a copy of each packet; no allocation after warm-up.
    pub fn keep(&mut self, tick: u32, inputs: &[Input]) {
        let is_full = self.0.len() + 1 >= TICKS_KEPT;
        let mut room =
            if is_full { self.0.pop_front().map(|(_, room)| room) } else { None }.unwrap_or_default();
        room.clear();
        inputs::write(&mut room, inputs);
        self.0.push_back((tick, room));
    }

    /// Writes what was kept and the inputs of the tick that panicked; gives the file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn dump(
        &self,
        crash: &Crash,
        world: &World,
        inputs: &[Input],
        data_dir: &Path,
    ) -> io::Result<PathBuf> {
        let header = Header::of(world, 1, BUILD);
        // What panics behind the step finds the inputs of its tick among those kept.
        let kept = self.0.back().filter(|(tick, _)| *tick == crash.tick);
        let mut own = Vec::new();
        inputs::write(&mut own, inputs);
        let own = kept.map_or(own.as_slice(), |(_, written)| written);
        let before = self.0.iter().filter(|(tick, _)| *tick < crash.tick);
        let ticks = before.map(|(tick, written)| (*tick, &written[..])).chain([(crash.tick, own)]);
        let bytes = crash.dump(&header, ticks).map_err(io::Error::other)?;
        let dir = data_dir.join(DIR);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
        remove_old(&dir)?;
        let ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let path = dir.join(format!("{ms:013}-tick-{}{SUFFIX}", crash.tick));
        replace(&path, &bytes)?;
        Ok(path)
    }
}

/// Makes room for one more. Names begin with the time, so the first ones are the oldest.
fn remove_old(dir: &Path) -> io::Result<()> {
    let mut dumps = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(SUFFIX) {
            dumps.push(path);
        }
    }
    dumps.sort();
    let n_old = dumps.len().saturating_sub(DUMPS_KEPT - 1);
    dumps[..n_old].iter().try_for_each(fs::remove_file)
}

/// What a panic said, if it said anything.
#[must_use]
pub fn message(said: &(dyn Any + Send)) -> String {
    let text = said.downcast_ref::<String>().map(String::as_str);
    text.or(said.downcast_ref::<&str>().copied()).unwrap_or("(not a text)").to_owned()
}

/// A peer's bytes for the log: what kind they are, how many, and the first of them.
#[must_use]
pub fn shown(event: &Event) -> String {
    let (what, bytes, shown_max) = match event {
        Event::Hello { bytes, .. } => ("hello", &bytes[..], HELLO_SHOWN_BYTES),
        Event::Record { bytes, .. } => ("record", &bytes[..], SHOWN_BYTES),
        Event::Datagram { bytes, .. } => ("datagram", &bytes[..], SHOWN_BYTES),
        Event::Closed { .. } => ("its end", &[][..], SHOWN_BYTES),
    };
    let hex: String = bytes.iter().take(shown_max).map(|byte| format!("{byte:02x}")).collect();
    let more = if bytes.len() > shown_max { "..." } else { "" };
    format!("{what} of {} bytes: {hex}{more}", bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zone::fixtures::world;
    use engine::DurableId;
    use transport::PeerId;

    fn leave(tick: u32) -> Vec<Input> {
        vec![Input::Leave { player: DurableId { low: tick, high: 1 } }]
    }

    #[test]
    fn the_last_ticks_are_dumped_and_only_so_many_dumps_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let (world, mut last) = (world(4, 10), LastTicks::default());
        for tick in 1..=200 {
            last.keep(tick, &leave(tick));
        }
        for tick in 201..=210 {
            let crash = Crash { tick, stage: None, message: "x".to_owned() };
            let file = last.dump(&crash, &world, &leave(tick), dir.path()).unwrap();
            let bytes = fs::read(&file).unwrap();
            let (found, recording) = Crash::split(&bytes).unwrap();
            assert_eq!((found, &recording[..8]), (crash, &b"ARCNPLAY"[..]));
        }
        let left = fs::read_dir(dir.path().join(DIR)).unwrap().count();
        assert_eq!((left, last.0.len(), last.0[0].0), (DUMPS_KEPT, TICKS_KEPT - 1, 138));
        last.keep(300, &leave(300));
        let late = Crash { tick: 300, stage: None, message: "behind the step".to_owned() };
        let file = last.dump(&late, &world, &[], dir.path()).unwrap();
        let known = fs::read(last.dump(&late, &world, &leave(300), dir.path()).unwrap()).unwrap();
        assert_eq!(fs::read(file).unwrap(), known, "the tick's own inputs are those that were kept");
    }

    #[test]
    fn what_is_logged_of_a_peer_is_bounded_whatever_it_sends() {
        let peer = PeerId::new(1, 1);
        let record = |n: usize| shown(&Event::Record { peer, bytes: vec![0xab; n].as_slice().into() });
        assert_eq!(record(2), "record of 2 bytes: abab");
        assert_eq!(record(1024).len(), "record of 1024 bytes: ".len() + 2 * SHOWN_BYTES + 3);
        let hello = shown(&Event::Hello {
            peer,
            link: transport::Link::Quic,
            addr: ([127, 0, 0, 1], 1).into(),
            bytes: vec![0xab; 200].as_slice().into(),
        });
        assert_eq!(hello, format!("hello of 200 bytes: {}...", "ab".repeat(28)), "ticket and token stay out");
        assert_eq!(message(&"text"), "text");
        assert_eq!(message(&"string".to_owned()), "string");
        assert_eq!(message(&7), "(not a text)");
    }
}
