//! One tick in a log: sections, each with a tag and a length. A reader skips tags that it does not know.

use crate::economy::effect::{self, Effect};
use crate::input::Input;
use crate::replay::bytes::{Bytes, Malformed, put};
use crate::replay::inputs;

/// Kind of the first record of each epoch: the header of the world that goes on in it.
pub const OPEN: u8 = 1;
/// Kind of the record of a tick.
pub const TICK: u8 = 2;

/// The state is summed up every so many ticks.
pub const HASH_TICKS: u32 = 64;

const INPUTS: u8 = 1;
const NOTES: u8 = 2;
const HASH: u8 = 3;
const EFFECTS: u8 = 4;

/// Whether the record of this tick says what the state was before it.
#[must_use]
pub fn hash_is_due(tick: u32) -> bool {
    tick.is_multiple_of(HASH_TICKS)
}

/// What a record says of a tick.
#[derive(Clone, Debug, Default)]
pub struct TickRecord<'a> {
    /// Which.
    pub tick: u32,
    /// What went in, without what the future does not depend on.
    pub inputs: Vec<Input>,
    /// What changed hands, in order.
    pub effects: Vec<Effect>,
    /// What the owner of the sockets wants to know again; no business of the world.
    pub notes: &'a [u8],
    /// [`crate::lived_hash`] before the tick, now and then.
    pub hash_before: Option<u64>,
}

/// Appends the record of a tick that is under way.
///
/// - Cost: as [`inputs::write_lived`].
pub fn write(
    out: &mut Vec<u8>,
    inputs: &[Input],
    effects: &[Effect],
    notes: &[u8],
    hash_before: Option<u64>,
) {
    section(out, INPUTS, |out| inputs::write_lived(out, inputs));
    if !effects.is_empty() {
        section(out, EFFECTS, |out| effect::write(out, effects));
    }
    if !notes.is_empty() {
        section(out, NOTES, |out| out.extend_from_slice(notes));
    }
    if let Some(hash) = hash_before {
        section(out, HASH, |out| out.extend_from_slice(&hash.to_le_bytes()));
    }
}

/// Bytes that the length of a section takes: it is known when the section is written.
const LENGTH_BYTES: usize = size_of::<u32>();

fn section(out: &mut Vec<u8>, tag: u8, write: impl FnOnce(&mut Vec<u8>)) {
    put(out, tag.into());
    let at = out.len();
    out.extend_from_slice(&[0; LENGTH_BYTES]);
    write(out);
    let n = (out.len() - at - LENGTH_BYTES) as u32;
    out[at..at + LENGTH_BYTES].copy_from_slice(&n.to_le_bytes());
}

/// Reads the record of a tick from untrusted bytes.
///
/// # Errors
/// [`Malformed`].
pub fn read(tick: u32, bytes: &[u8]) -> Result<TickRecord<'_>, Malformed> {
    read_sections(tick, bytes, true)
}

/// As [`read`], without the inputs: for ticks that are not lived again, of a build whose inputs may look otherwise.
///
/// # Errors
/// [`Malformed`].
pub fn read_effects(tick: u32, bytes: &[u8]) -> Result<TickRecord<'_>, Malformed> {
    read_sections(tick, bytes, false)
}

fn read_sections(tick: u32, bytes: &[u8], with_inputs: bool) -> Result<TickRecord<'_>, Malformed> {
    let mut bytes = Bytes::new(bytes);
    let mut record = TickRecord { tick, ..TickRecord::default() };
    while bytes.n_left() > 0 {
        let tag = bytes.number("a section")?;
        let n = bytes.word("a section")? as usize;
        let mut section = Bytes::new(bytes.take(n, "a section")?);
        match u8::try_from(tag) {
            Ok(INPUTS) if with_inputs => record.inputs = inputs::read(&mut section)?,
            Ok(EFFECTS) => record.effects = effect::read(&mut section)?,
            Ok(NOTES) => record.notes = section.take(n, "notes")?,
            Ok(HASH) => record.hash_before = Some(section.long("a hash")?),
            _ => continue,
        }
        if section.n_left() > 0 {
            return Err(Malformed::Bounds("the end of a section"));
        }
    }
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DurableId;

    #[test]
    fn a_record_comes_back_and_unknown_sections_are_skipped() {
        let player = DurableId { low: 3, high: 9 };
        let inputs = [Input::Leave { player }, Input::Shed(2)];
        let mut bytes = Vec::new();
        section(&mut bytes, 99, |out| out.extend_from_slice(b"of a later build"));
        write(&mut bytes, &inputs, &[], b"tokens", Some(7));
        let record = read(64, &bytes).unwrap();
        assert!(matches!(record.inputs[..], [Input::Leave { player: who }, Input::Shed(2)] if who == player));
        assert_eq!((record.tick, record.notes, record.hash_before), (64, &b"tokens"[..], Some(7)));
        for n in 1..bytes.len() {
            let is_short = read(64, &bytes[..n]);
            // What ends between two sections is a shorter record.
            assert!(
                is_short.is_err() || is_short.is_ok_and(|short| short.hash_before.is_none()),
                "{n} bytes"
            );
        }
    }
}
