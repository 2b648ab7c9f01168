//! Everything that went into a [`Session`](crate::session::Session), with its times, and sums of what it showed.
//!
//! A tape is played again by [`crate::playback`], without sockets and at any speed. It lies in memory while it is
//! recorded; its bytes are drawn in docs/replay.md "Tapes".

use crate::Nanos;
use netproto::bits::{BitReader, BitWriter, GUARD_BYTES};
use netproto::{Command, DecodeError, FINGERPRINT, KERNEL_VERSION};

const MAGIC: [u8; 8] = *b"ARCNTAPE";
/// Version of the layout.
const FORMAT: u16 = 1;
/// Magic, format, kernel version, flags, length of the texts, fingerprint, seed, start.
const HEAD_BYTES: usize = 48;
/// Unpacked notes at most: some hours. Nobody is made to reserve more.
const NOTES_BYTES_MAX: usize = 64 << 20;
/// A packed byte stands for at most this many: whoever claims more lies.
const UNPACKED_PER_BYTE: usize = 255;
const TEXT_BYTES_MAX: usize = 64;
const COMMAND_BYTES: usize = Command::BITS_MAX.div_ceil(8) as usize;

/// Something that went in, or the sum of something that came out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Note<'a> {
    /// The owner wants something else.
    Command(Command),
    /// The owner asks for something to change hands.
    Order(&'a [u8]),
    /// The owner leaves.
    Leave,
    /// The connection stands.
    Connected,
    /// The connection is gone.
    Closed,
    /// A record came.
    Record(&'a [u8]),
    /// A datagram came.
    Datagram(&'a [u8]),
    /// The time has come, or not.
    Timeout,
    /// The owner asked for a datagram to send: its length and the sum of its bytes, if there was one.
    Input(Option<(u32, u32)>),
    /// What is seen, predicted and acknowledged now, as a sum.
    Seen(u64),
}

/// What a tape is of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TapeHeader {
    /// How it was recorded, for people.
    pub label: String,
    /// Build that the session named in its hello.
    pub build: String,
    /// Seed of the delays before reconnects.
    pub seed: u64,
    /// Whether the own body was predicted.
    pub predict: bool,
    /// Whether two commands shared a datagram.
    pub pack: bool,
    /// Whether whole snapshots were decoded.
    pub decode: bool,
    /// When the session wanted to connect.
    pub start: Nanos,
}

/// Why a tape cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TapeError {
    /// Something else.
    #[error("this is no tape of a session")]
    Magic,
    /// Another layout.
    #[error("the tape has format {found}, this build reads format {FORMAT}")]
    Format {
        /// What it says.
        found: u16,
    },
    /// Packets of another wire.
    #[error("the tape has packets of fingerprint {found:016x}, this build speaks {FINGERPRINT:016x}")]
    Fingerprint {
        /// What it says.
        found: u64,
    },
    /// Bodies of another kernel.
    #[error("the tape was recorded with kernel version {found}, this build has {KERNEL_VERSION}")]
    Kernel {
        /// What it says.
        found: u16,
    },
    /// A byte has changed, or some are missing.
    #[error("the tape is cut or fails its checksum")]
    Checksum,
    /// Its bytes are as they were written, and make no sense.
    #[error("the tape makes no sense at byte {at} of its notes")]
    Malformed {
        /// Where.
        at: usize,
    },
}

/// A tape under way.
#[derive(Clone, Debug)]
pub struct Tape {
    header: TapeHeader,
    notes: Vec<u8>,
    now: Nanos,
    /// Something did not fit: what comes later would have a hole before it.
    is_full: bool,
}

impl Tape {
    /// An empty tape.
    #[must_use]
    pub fn begin(header: TapeHeader) -> Self {
        let now = header.start;
        Self { header, notes: Vec::new(), now, is_full: false }
    }

    /// The newest time on it.
    #[must_use]
    pub fn now(&self) -> Nanos {
        self.now
    }

    /// Adds a note; when the tape is full, nothing.
    ///
    /// - Units: times need not ascend: a datagram may have arrived before the owner looked at the clock.
    pub fn add(&mut self, now: Nanos, note: Note<'_>) {
        let bytes = match note {
            Note::Record(bytes) | Note::Datagram(bytes) | Note::Order(bytes) => bytes,
            _ => &[],
        };
        self.is_full |= self.notes.len() + bytes.len() + 32 > NOTES_BYTES_MAX;
        if self.is_full {
            return;
        }
        self.now = now;
        self.notes.push(kind(&note));
        self.notes.extend_from_slice(&now.0.to_le_bytes());
        match note {
            Note::Command(command) => {
                let mut buffer = [0; COMMAND_BYTES + GUARD_BYTES];
                let mut writer = BitWriter::new(&mut buffer);
                command.write(&mut writer);
                let n_bytes = writer.finish();
                self.notes.push(n_bytes as u8);
                self.notes.extend_from_slice(&buffer[..n_bytes]);
            }
            Note::Record(bytes) | Note::Datagram(bytes) | Note::Order(bytes) => {
                self.notes.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
                self.notes.extend_from_slice(bytes);
            }
            Note::Input(sent) => {
                let (n_bytes, sum) = sent.unwrap_or_default();
                self.notes.extend_from_slice(&n_bytes.to_le_bytes());
                self.notes.extend_from_slice(&sum.to_le_bytes());
            }
            Note::Seen(sum) => self.notes.extend_from_slice(&sum.to_le_bytes()),
            Note::Leave | Note::Connected | Note::Closed | Note::Timeout => {}
        }
    }

    /// The tape as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let header = &self.header;
        let (label, build) = (cut(&header.label), cut(&header.build));
        let mut out = Vec::with_capacity(HEAD_BYTES + self.notes.len());
        out.extend_from_slice(&MAGIC);
        for short in [FORMAT, KERNEL_VERSION] {
            out.extend_from_slice(&short.to_le_bytes());
        }
        let ways = u8::from(header.predict) | u8::from(header.pack) << 1;
        out.extend([ways, u8::from(header.decode), label.len() as u8, build.len() as u8]);
        for long in [FINGERPRINT, header.seed, header.start.0] {
            out.extend_from_slice(&long.to_le_bytes());
        }
        let packed = lz4_flex::block::compress(&self.notes);
        for word in [self.notes.len() as u32, packed.len() as u32] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(label.as_bytes());
        out.extend_from_slice(build.as_bytes());
        out.extend_from_slice(&packed);
        let crc = crc32fast::hash(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out
    }
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn kind(note: &Note<'_>) -> u8 {
    match note {
        Note::Command(_) => 1,
        Note::Leave => 2,
        Note::Connected => 3,
        Note::Closed => 4,
        Note::Record(_) => 5,
        Note::Datagram(_) => 6,
        Note::Timeout => 7,
        Note::Input(_) => 8,
        Note::Seen(_) => 9,
        Note::Order(_) => 10,
    }
}

/// A tape that was read: its header, and its notes to walk through.
#[derive(Clone, Debug)]
pub struct Reel {
    /// What it is of.
    pub header: TapeHeader,
    notes: Vec<u8>,
}

impl Reel {
    /// Reads a tape from untrusted bytes; its notes are looked at one by one, in [`Reel::notes`].
    ///
    /// # Errors
    /// [`TapeError`]; nothing of a bad tape is used.
    pub fn decode(bytes: &[u8]) -> Result<Self, TapeError> {
        if bytes.get(..8) != Some(&MAGIC) {
            return Err(TapeError::Magic);
        }
        let (head, rest) = bytes.split_at_checked(HEAD_BYTES).ok_or(TapeError::Checksum)?;
        let short = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
        let long = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().expect("eight bytes"));
        let word = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().expect("four bytes")) as usize;
        if short(8) != FORMAT {
            return Err(TapeError::Format { found: short(8) });
        }
        let (body, crc) = bytes.split_last_chunk::<4>().ok_or(TapeError::Checksum)?;
        if crc32fast::hash(body).to_le_bytes() != *crc {
            return Err(TapeError::Checksum);
        }
        // A fingerprint of another build is news only when the bytes are sound.
        match (long(16), short(10)) {
            (found, _) if found != FINGERPRINT => return Err(TapeError::Fingerprint { found }),
            (_, found) if found != KERNEL_VERSION => return Err(TapeError::Kernel { found }),
            _ => {}
        }
        let (n_notes, n_packed) = (word(40), word(44));
        let (n_label, n_build) = (usize::from(head[14]), usize::from(head[15]));
        let is_sane = n_notes <= NOTES_BYTES_MAX
            && n_notes <= n_packed.saturating_mul(UNPACKED_PER_BYTE)
            && rest.len() == n_label + n_build + n_packed + 4;
        if !is_sane {
            return Err(TapeError::Malformed { at: 0 });
        }
        let text = |range| std::str::from_utf8(&rest[range]).map(str::to_owned);
        let (Ok(label), Ok(build)) = (text(0..n_label), text(n_label..n_label + n_build)) else {
            return Err(TapeError::Malformed { at: 0 });
        };
        let packed = &rest[n_label + n_build..][..n_packed];
        let mut notes = vec![0; n_notes];
        if lz4_flex::block::decompress_into(packed, &mut notes).ok() != Some(n_notes) {
            return Err(TapeError::Malformed { at: 0 });
        }
        let (predict, pack, decode) = (head[12] & 1 == 1, head[12] & 2 == 2, head[13] == 1);
        let (seed, start) = (long(24), Nanos(long(32)));
        Ok(Self { header: TapeHeader { label, build, seed, predict, pack, decode, start }, notes })
    }

    /// The notes with their times, in order; the first that makes no sense ends them.
    pub fn notes(&self) -> impl Iterator<Item = Result<(Nanos, Note<'_>), TapeError>> {
        let mut rest = self.notes.as_slice();
        let mut is_broken = false;
        std::iter::from_fn(move || {
            if rest.is_empty() || is_broken {
                return None;
            }
            let at = self.notes.len() - rest.len();
            let note = note(&mut rest).ok_or(TapeError::Malformed { at });
            is_broken = note.is_err();
            Some(note)
        })
    }
}

/// Takes one note off the front.
fn note<'a>(rest: &mut &'a [u8]) -> Option<(Nanos, Note<'a>)> {
    let mut take = |n: usize| {
        let (head, tail) = rest.split_at_checked(n)?;
        *rest = tail;
        Some(head)
    };
    let kind = take(1)?[0];
    let long = |bytes: &[u8]| bytes.try_into().ok().map(u64::from_le_bytes);
    let word = |bytes: &[u8]| bytes.try_into().ok().map(u32::from_le_bytes);
    let now = Nanos(long(take(8)?)?);
    let note = match kind {
        1 => {
            let n = usize::from(take(1)?[0]);
            Note::Command(command(take(n)?).ok()?)
        }
        2 => Note::Leave,
        3 => Note::Connected,
        4 => Note::Closed,
        5 | 6 | 10 => {
            let n = word(take(4)?)? as usize;
            let bytes = take(n)?;
            match kind {
                5 => Note::Record(bytes),
                6 => Note::Datagram(bytes),
                _ => Note::Order(bytes),
            }
        }
        7 => Note::Timeout,
        8 => {
            let sent = (word(take(4)?)?, word(take(4)?)?);
            Note::Input(Some(sent).filter(|sent| *sent != (0, 0)))
        }
        9 => Note::Seen(long(take(8)?)?),
        _ => return None,
    };
    Some((now, note))
}

fn command(bytes: &[u8]) -> Result<Command, DecodeError> {
    let mut padded = [0; COMMAND_BYTES + GUARD_BYTES];
    let n_bytes = bytes.len().min(COMMAND_BYTES);
    padded[..n_bytes].copy_from_slice(&bytes[..n_bytes]);
    let mut reader = BitReader::new(&padded, n_bytes);
    let command = Command::read(&mut reader)?;
    reader.finish()?;
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;
    use netproto::{Move, Steer};

    fn header() -> TapeHeader {
        let (label, build) = ("a test".to_owned(), "client 1".to_owned());
        TapeHeader { label, build, seed: 7, predict: true, pack: true, decode: false, start: Nanos(5) }
    }

    fn notes() -> [(Nanos, Note<'static>); 10] {
        let walk = Command { movement: Move::Steer(Steer { angle: 200, speed: 3 }), deed: None };
        [
            (Nanos(5), Note::Timeout),
            (Nanos(9), Note::Connected),
            (Nanos(12), Note::Record(b"welcome")),
            (Nanos(11), Note::Datagram(&[0xa5; 300])),
            (Nanos(13), Note::Seen(u64::MAX)),
            (Nanos(20), Note::Command(walk)),
            (Nanos(20), Note::Order(b"an order")),
            (Nanos(20), Note::Input(Some((11, 0xdead_beef)))),
            (Nanos(21), Note::Input(None)),
            (Nanos(u64::MAX - 1), Note::Leave),
        ]
    }

    fn bytes() -> Vec<u8> {
        let mut tape = Tape::begin(header());
        notes().iter().for_each(|(now, note)| tape.add(*now, *note));
        tape.encode()
    }

    #[test]
    fn what_is_read_is_what_was_noted() {
        let reel = Reel::decode(&bytes()).unwrap();
        assert_eq!(reel.header, header());
        let read: Vec<_> = reel.notes().map(Result::unwrap).collect();
        assert_eq!(read, notes());
    }

    #[test]
    fn a_tape_that_was_cut_or_changed_anywhere_is_refused() {
        let mut bytes = bytes();
        for n in 0..bytes.len() {
            assert!(Reel::decode(&bytes[..n]).is_err(), "{n} bytes pass");
            bytes[n] ^= 1 << (n % 8);
            assert!(Reel::decode(&bytes).is_err(), "byte {n} may be changed");
            bytes[n] ^= 1 << (n % 8);
        }
    }

    #[test]
    fn notes_that_were_written_to_harm_end_the_reel_and_nothing_else() {
        let reel = Reel::decode(&bytes()).unwrap();
        for at in 0..reel.notes.len() {
            for value in [0, 1, 5, 8, 0x7f, 0xff] {
                let mut bent = reel.clone();
                bent.notes[at] = value;
                let n = bent.notes().count();
                assert!(n <= reel.notes.len());
                bent.notes.truncate(at);
                let _ends = bent.notes().last();
            }
        }
    }

    #[test]
    fn another_wire_is_named_before_anything_is_played() {
        let mut bytes = bytes();
        bytes[16] ^= 1;
        let n = bytes.len() - 4;
        let crc = crc32fast::hash(&bytes[..n]).to_le_bytes();
        bytes[n..].copy_from_slice(&crc);
        assert_eq!(Reel::decode(&bytes).unwrap_err(), TapeError::Fingerprint { found: FINGERPRINT ^ 1 });
    }
}
