//! Generated from `netproto/schema/*.toml` by `cargo run -p arcanectl -- proto gen`: do not edit.
//!
//! Every block and union by its name: for tools and tests.

use super::{blocks, unions};
use crate::DecodeError;
use crate::bits::{BitReader, BitWriter, GUARD_BYTES};

/// Names of all blocks, then of all unions.
pub const NAMES: [&str; 25] = [
    "Motion",
    "Vitals",
    "Status",
    "Look",
    "Header",
    "Own",
    "OwnState",
    "SlotNews",
    "Introduction",
    "Step",
    "Course",
    "Hit",
    "Circle",
    "Shot",
    "ShotEnd",
    "Timed",
    "Acks",
    "CommandsHead",
    "Steer",
    "Goal",
    "Follow",
    "Deed",
    "Command",
    "TimedBody",
    "Move",
];

/// Decodes a block or union that fills `bytes` up to the padding, and encodes it again.
///
/// - Shapes: the answer is the value as its `Debug` shows it, and the new bytes; `None`: no such name.
/// - Cost: allocates; for tools and tests.
///
/// # Errors
/// As the block's `read`, and [`DecodeError::Trailing`].
#[must_use]
pub fn transcode(
    name: &str,
    bytes: &[u8],
) -> Option<Result<(String, Vec<u8>), DecodeError>> {
    let mut padded = bytes.to_vec();
    padded.resize(bytes.len() + GUARD_BYTES, 0);
    let mut reader = BitReader::new(&padded, bytes.len());
    macro_rules! transcode {
        ($kind:ty) => {
            { let value = match <$kind >::read(& mut reader) { Ok(value) => value,
            Err(error) => return Some(Err(error)), }; let mut out = vec![0; (<$kind
            >::BITS_MAX as usize).div_ceil(8) + GUARD_BYTES]; let mut writer =
            BitWriter::new(& mut out); value.write(& mut writer); let n_bytes = writer
            .finish(); out.truncate(n_bytes); (format!("{value:?}"), out) }
        };
    }
    let done = match name {
        "Motion" => transcode!(blocks::Motion),
        "Vitals" => transcode!(blocks::Vitals),
        "Status" => transcode!(blocks::Status),
        "Look" => transcode!(blocks::Look),
        "Header" => transcode!(blocks::Header),
        "Own" => transcode!(blocks::Own),
        "OwnState" => transcode!(blocks::OwnState),
        "SlotNews" => transcode!(blocks::SlotNews),
        "Introduction" => transcode!(blocks::Introduction),
        "Step" => transcode!(blocks::Step),
        "Course" => transcode!(blocks::Course),
        "Hit" => transcode!(blocks::Hit),
        "Circle" => transcode!(blocks::Circle),
        "Shot" => transcode!(blocks::Shot),
        "ShotEnd" => transcode!(blocks::ShotEnd),
        "Timed" => transcode!(blocks::Timed),
        "Acks" => transcode!(blocks::Acks),
        "CommandsHead" => transcode!(blocks::CommandsHead),
        "Steer" => transcode!(blocks::Steer),
        "Goal" => transcode!(blocks::Goal),
        "Follow" => transcode!(blocks::Follow),
        "Deed" => transcode!(blocks::Deed),
        "Command" => transcode!(blocks::Command),
        "TimedBody" => transcode!(unions::TimedBody),
        "Move" => transcode!(unions::Move),
        _ => return None,
    };
    Some(reader.finish().map(|()| done))
}
