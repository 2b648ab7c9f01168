//! WebSocket frames as far as the game uses them: whole binary messages, ping, pong, close.
//!
//! Text, fragments and extensions are errors here, so nothing is ever assembled or inflated for a stranger.
//! Source: RFC 6455 section 5.
use std::ops::Range;

/// First byte of a binary message. Source: docs/PROTOCOL.md "Framing".
pub(crate) const KIND_DATAGRAM: u8 = 0;
/// See [`KIND_DATAGRAM`].
pub(crate) const KIND_RECORD: u8 = 1;

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;
const OPCODE: u8 = 0x0f;
const CONTROL_BYTES_MAX: usize = 125;
const MASK_BYTES: usize = 4;

/// What a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Binary,
    Close,
    Ping,
    Pong,
}

impl Kind {
    fn opcode(self) -> u8 {
        match self {
            Self::Binary => 2,
            Self::Close => 8,
            Self::Ping => 9,
            Self::Pong => 10,
        }
    }
}

/// One whole frame at the front of a buffer, already unmasked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    /// Where the payload lies in the buffer.
    pub(crate) payload: Range<usize>,
}

/// Why a peer's frames are not acceptable.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("text message; only binary ones are spoken here")]
    Text,
    #[error("fragmented message")]
    Fragmented,
    #[error("frame of {len} bytes, allowed are {max}")]
    TooLong { len: u64, max: usize },
    #[error("frame without a mask")]
    Unmasked,
    #[error("frame with reserved bits or opcode {0:#04x}")]
    Reserved(u8),
}

impl FrameError {
    /// Status code for the close frame. Source: RFC 6455 section 7.4.1.
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::Text => 1003,
            Self::TooLong { .. } => 1009,
            _ => 1002,
        }
    }
}

/// Looks for one whole frame at the front of `bytes` and unmasks it there; `None` when more bytes are needed.
/// A frame that can never become acceptable is an error as soon as its header is seen.
///
/// - Cost: one pass over the payload, no allocation.
pub(crate) fn decode(bytes: &mut [u8], payload_max: usize) -> Result<Option<Frame>, FrameError> {
    let Some(&[first, second]) = bytes.first_chunk::<2>() else { return Ok(None) };
    let kind = read_kind(first)?;
    if second & MASKED == 0 {
        return Err(FrameError::Unmasked);
    }
    let max = if kind == Kind::Binary { payload_max } else { CONTROL_BYTES_MAX };
    let (len, length_bytes) = match second & !MASKED {
        126 => match bytes[2..].first_chunk::<2>() {
            Some(wide) => (u64::from(u16::from_be_bytes(*wide)), 2),
            None => return Ok(None),
        },
        127 => match bytes[2..].first_chunk::<8>() {
            Some(wide) => (u64::from_be_bytes(*wide), 8),
            None => return Ok(None),
        },
        short => (u64::from(short), 0),
    };
    if len > max as u64 {
        return Err(FrameError::TooLong { len, max });
    }
    let start = 2 + length_bytes + MASK_BYTES;
    let end = start + len as usize;
    if bytes.len() < end {
        return Ok(None);
    }
    let (head, rest) = bytes.split_at_mut(start);
    let mask = *head.last_chunk::<MASK_BYTES>().expect("the header ends with the mask");
    unmask(&mut rest[..len as usize], mask);
    Ok(Some(Frame { kind, payload: start..end }))
}

fn read_kind(first: u8) -> Result<Kind, FrameError> {
    if first & RESERVED != 0 {
        return Err(FrameError::Reserved(first));
    }
    match (first & OPCODE, first & FIN != 0) {
        (0, _) | (1 | 2, false) => Err(FrameError::Fragmented),
        (1, true) => Err(FrameError::Text),
        (2, true) => Ok(Kind::Binary),
        (8, true) => Ok(Kind::Close),
        (9, true) => Ok(Kind::Ping),
        (10, true) => Ok(Kind::Pong),
        _ => Err(FrameError::Reserved(first)),
    }
}

fn unmask(payload: &mut [u8], mask: [u8; MASK_BYTES]) {
    for chunk in payload.chunks_mut(MASK_BYTES) {
        chunk.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
    }
}

/// Appends one frame from the server: never masked. The payload comes in two parts to spare a copy.
pub(crate) fn encode(out: &mut Vec<u8>, kind: Kind, front: &[u8], rest: &[u8]) {
    out.push(FIN | kind.opcode());
    let len = front.len() + rest.len();
    match len {
        0..126 => out.push(len as u8),
        126..=0xffff => {
            out.push(126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(front);
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [0x11, 0x22, 0x33, 0x44];
        let mut bytes = vec![first];
        match payload.len() {
            len @ 0..126 => bytes.push(MASKED | len as u8),
            len => {
                bytes.push(MASKED | 126);
                bytes.extend_from_slice(&(len as u16).to_be_bytes());
            }
        }
        bytes.extend_from_slice(&mask);
        let at = bytes.len();
        bytes.extend_from_slice(payload);
        unmask(&mut bytes[at..], mask);
        bytes
    }

    #[test]
    fn whole_binary_messages_come_out_unmasked_and_halves_wait() {
        for len in [0, 1, 5, 125, 126, 300] {
            let payload: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let mut bytes = masked(0x82, &payload);
            for cut in 0..bytes.len() {
                assert_eq!(decode(&mut bytes[..cut], 4096), Ok(None), "len {len} cut {cut}");
            }
            let frame = decode(&mut bytes, 4096).unwrap().unwrap();
            assert_eq!((frame.kind, &bytes[frame.payload]), (Kind::Binary, &payload[..]));
        }
    }

    #[test]
    fn text_fragments_and_oversized_frames_are_named_errors() {
        assert_eq!(decode(&mut masked(0x81, b"hi"), 64), Err(FrameError::Text));
        assert_eq!(decode(&mut masked(0x02, b"hi"), 64), Err(FrameError::Fragmented));
        assert_eq!(decode(&mut masked(0x80, b"hi"), 64), Err(FrameError::Fragmented));
        assert_eq!(decode(&mut masked(0x82, &[0; 65]), 64), Err(FrameError::TooLong { len: 65, max: 64 }));
        assert_eq!(
            decode(&mut masked(0x89, &[0; 126]), 4096),
            Err(FrameError::TooLong { len: 126, max: 125 })
        );
        assert_eq!(decode(&mut [0x82, 0x01, b'x'], 64), Err(FrameError::Unmasked));
        assert_eq!(decode(&mut masked(0xc2, b"hi"), 64), Err(FrameError::Reserved(0xc2)));
        let mut huge = [0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(decode(&mut huge, 64), Err(FrameError::TooLong { len: u64::MAX, max: 64 }));
    }

    #[test]
    fn no_bytes_whatever_make_the_decoder_panic() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..200_000 {
            let mut bytes = [0u8; 24];
            for chunk in bytes.chunks_mut(8) {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                chunk.copy_from_slice(&state.to_le_bytes());
            }
            let len = (state >> 59) as usize % bytes.len();
            if let Ok(Some(frame)) = decode(&mut bytes[..len], 16) {
                assert!(frame.payload.end <= len);
            }
        }
    }
}
