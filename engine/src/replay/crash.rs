//! What a tick that panicked was made of: its inputs and those of the ticks before it, behind a head that says where it
//! was.
//!
//! A dump is the head (magic 8, format 2, phase 1, zero 1, tick 4, length of the message 2, message, checksum 4; all
//! little-endian) and then a recording as any other, of which only the inputs are filled in: the last of its ticks is the
//! one that panicked. There is no world in it: to live the tick again, a recording must lead there. Source:
//! docs/replay.md "Crash dumps".

use super::blocks::{Writer, WriterError};
use super::bytes::{Bytes, Malformed};
use super::header::{Header, HeaderError};
#[cfg(doc)]
use super::inputs;
use super::outcome::Outcome;
use crate::tick::Stage;

/// How every dump begins.
const MAGIC: [u8; 8] = *b"ARCNCRSH";
/// Version of the layout.
const FORMAT: u16 = 1;
/// Bytes of the message at most.
pub const MESSAGE_BYTES_MAX: usize = 1024;
/// In the place of a phase: outside of all of them.
const OUTSIDE: u8 = u8::MAX;
const FIXED_BYTES: usize = 18;

/// A panic that ended a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crash {
    /// In which tick.
    pub tick: u32,
    /// In which phase; none: while receiving or sending.
    pub stage: Option<Stage>,
    /// What was said.
    pub message: String,
}

impl Crash {
    /// Where it was, for people.
    #[must_use]
    pub fn place(&self) -> String {
        match self.stage {
            Some(stage) => format!("phase {}", stage.name()),
            None => "the shell, outside of the phases".to_owned(),
        }
    }

    /// A whole dump: `ticks` in order, the last one is [`Crash::tick`], each with what [`inputs::write`] made of its inputs.
    ///
    /// # Errors
    /// [`WriterError`] when a tick has more inputs than a block may hold.
    pub fn dump<'a>(
        &self,
        header: &Header,
        ticks: impl Iterator<Item = (u32, &'a [u8])>,
    ) -> Result<Vec<u8>, WriterError> {
        let mut out = self.head();
        let mut writer = Writer::begin(header, &mut out);
        for (tick, inputs) in ticks {
            writer.add_written(inputs, &Outcome { tick, ..Outcome::default() }, &mut out)?;
        }
        writer.end(&mut out)?;
        Ok(out)
    }

    fn head(&self) -> Vec<u8> {
        let message = &self.message[..self.message.floor_char_boundary(MESSAGE_BYTES_MAX)];
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&FORMAT.to_le_bytes());
        out.extend([self.stage.map_or(OUTSIDE, |stage| stage as u8), 0]);
        out.extend_from_slice(&self.tick.to_le_bytes());
        out.extend_from_slice(&(message.len() as u16).to_le_bytes());
        out.extend_from_slice(message.as_bytes());
        out.extend_from_slice(&crc32fast::hash(&out).to_le_bytes());
        out
    }

    /// Reads the head of untrusted bytes; gives what is behind it, a recording, as well.
    ///
    /// # Errors
    /// [`HeaderError`]; [`HeaderError::Magic`] when it is something else.
    pub fn split(bytes: &[u8]) -> Result<(Self, &[u8]), HeaderError> {
        let mut reader = Bytes::new(bytes);
        if reader.take(MAGIC.len(), "the magic").ok() != Some(&MAGIC) {
            return Err(HeaderError::Magic);
        }
        let found = reader.short("the format")?;
        if found != FORMAT {
            return Err(HeaderError::Format { found });
        }
        let (stage, _zero) = (reader.byte("the phase")?, reader.byte("the phase")?);
        let tick = reader.word("the tick")?;
        let n_message = usize::from(reader.short("the message")?);
        let message = reader.take(n_message, "the message")?;
        let crc = reader.word("the checksum")?;
        if crc != crc32fast::hash(&bytes[..FIXED_BYTES + n_message]) {
            return Err(HeaderError::Checksum);
        }
        let stage = match stage {
            OUTSIDE => None,
            at => Some(*Stage::ALL.get(usize::from(at)).ok_or(Malformed::Bounds("the phase"))?),
        };
        let message = String::from_utf8_lossy(message).into_owned();
        Ok((Self { tick, stage, message }, &bytes[FIXED_BYTES + n_message + 4..]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::tests::config;
    use crate::replay::{Piece, Reader, Tail, inputs};
    use crate::{Content, DurableId, Input, World};

    fn header() -> Header {
        Header::of(&World::new(&config(), Content::standard(20)), 1, "test")
    }

    fn dump(crash: &Crash) -> Vec<u8> {
        let written = |low| {
            let mut bytes = Vec::new();
            inputs::write(&mut bytes, &[Input::Detach { player: DurableId { low, high: 1 } }]);
            bytes
        };
        let ticks: Vec<_> = (937..=1000).map(|tick| (tick, written(tick))).collect();
        crash.dump(&header(), ticks.iter().map(|(tick, inputs)| (*tick, &inputs[..]))).unwrap()
    }

    #[test]
    fn a_dump_says_where_it_was_and_holds_every_input() {
        let crash = Crash { tick: 1000, stage: Some(Stage::Creatures), message: "index 7 of 5".to_owned() };
        let bytes = dump(&crash);
        let (found, mut rest) = Crash::split(&bytes).unwrap();
        assert_eq!((&found, found.place()), (&crash, "phase 3b".to_owned()));
        let (mut reader, mut ticks) = (Reader::default(), Vec::new());
        while let Some((piece, behind)) = rest.split_at_checked(reader.need()) {
            match reader.handle_bytes(piece).unwrap() {
                Some(Piece::Ticks(more)) => ticks.extend(more),
                Some(Piece::Header(found)) => assert_eq!(found, header()),
                _ => {}
            }
            rest = behind;
        }
        assert_eq!(reader.handle_end(rest.len()), Ok(Tail::Whole));
        assert_eq!((ticks.len(), ticks[0].tick, ticks[63].tick), (64, 937, 1000));
        let is_own = |tick: &crate::replay::TickRecord| matches!(tick.inputs[..], [Input::Detach { player }] if player.low == tick.tick);
        assert!(ticks.iter().all(is_own));
    }

    #[test]
    fn a_changed_or_missing_byte_of_the_head_is_noticed_and_nothing_else_is_taken_for_a_dump() {
        let message = "ä".repeat(MESSAGE_BYTES_MAX);
        let bytes = dump(&Crash { tick: 1000, stage: None, message });
        let (found, _) = Crash::split(&bytes).unwrap();
        assert_eq!((found.message.len(), found.stage), (MESSAGE_BYTES_MAX, None));
        let n_head = FIXED_BYTES + MESSAGE_BYTES_MAX + 4;
        for at in 0..n_head {
            let mut changed = bytes.clone();
            changed[at] ^= 4;
            assert!(Crash::split(&changed).is_err(), "byte {at}");
            assert!(Crash::split(&bytes[..at]).is_err(), "{at} bytes");
        }
        assert_eq!(Crash::split(&header().encode()), Err(HeaderError::Magic));
    }
}
