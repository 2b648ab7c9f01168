//! Lives a recorded run again, to see that it comes out the same. Source: docs/replay.md.

use anyhow::Context;
use engine::replay::{Piece, Reader, Replayer, Tail};
use serde::Serialize;
use std::path::Path;

/// What came of it.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Relived {
    /// Ticks lived again.
    ticks: u32,
    /// Of these, equal to what was recorded.
    equal: u32,
    /// Inputs that changed the level of load shedding.
    levels: u32,
    /// The recording has its end.
    whole: bool,
    /// The first thing that was different.
    #[serde(skip_serializing_if = "Option::is_none")]
    difference: Option<String>,
}

impl Relived {
    /// Why it proves nothing, or the contrary; nothing if all is well.
    pub(super) fn flaw(&self) -> Option<String> {
        let is_good = self.whole && self.ticks > 0 && self.levels > 0 && self.equal == self.ticks;
        (!is_good).then(|| format!("replay: {}", self.words()))
    }

    /// One line for people.
    pub(super) fn words(&self) -> String {
        let difference = self.difference.as_ref().map_or(String::new(), |what| format!(", then {what}"));
        let end = if self.whole { "" } else { ", the end is missing" };
        format!("{} of {} ticks equal, {} levels{end}{difference}", self.equal, self.ticks, self.levels)
    }
}

/// Lives it again, on this thread.
///
/// # Errors
/// When it does not read, or is of another build.
pub(super) fn relive(file: &Path) -> anyhow::Result<Relived> {
    let bytes = std::fs::read(file).context("cannot read the recording")?;
    let (mut reader, mut replayer, mut rest) = (Reader::default(), None, &bytes[..]);
    let mut relived = Relived::default();
    while let Some((piece, behind)) = rest.split_at_checked(reader.need()) {
        rest = behind;
        match reader.handle_bytes(piece)? {
            Some(Piece::Header(header)) => {
                replayer = Some(Replayer::new(&header).map_err(anyhow::Error::msg)?);
            }
            Some(Piece::Start { bytes, is_last }) => {
                let replayer = replayer.as_mut().context("a checkpoint before the header")?;
                replayer.handle_start(&bytes, is_last).map_err(anyhow::Error::msg)?;
            }
            Some(Piece::Ticks(ticks)) => {
                let replayer = replayer.as_mut().context("ticks before the header")?;
                for record in &ticks {
                    let levels = record.inputs.iter().filter(|input| matches!(input, engine::Input::Shed(_)));
                    relived.levels += levels.count() as u32;
                    relived.ticks += 1;
                    let lived = replayer.step(record).and_then(|()| replayer.compare(record));
                    if let Err(difference) = lived {
                        relived.difference = Some(format!("{difference:?}"));
                        return Ok(relived);
                    }
                    relived.equal += 1;
                }
            }
            Some(Piece::End) | None => {}
        }
    }
    relived.whole = reader.handle_end(rest.len())? == Tail::Whole;
    Ok(relived)
}
