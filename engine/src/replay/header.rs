//! The first bytes of a recording: which world it was, and which build lived it.

use super::bytes::{Bytes, Malformed};
use crate::world::{CREATURES_MAX, PLAYERS_MAX, Sending, ZoneConfig};
use kernel::walls::SIDE_MM_MAX;

/// Length of a header.
pub const HEADER_BYTES: usize = 160;
/// How every recording begins.
const MAGIC: [u8; 8] = *b"ARCNPLAY";
/// Version of the layout in docs/replay.md.
pub const FORMAT: u16 = 4;
/// The smallest square that settings allow: in smaller ones there may be no free cell.
const SIDE_MM_MIN: i32 = 64_000;
/// The tick before the first one that is recorded, in front of the checksum.
const NOW_AT: usize = HEADER_BYTES - 8;
/// Room for the name of a build.
const BUILD_BYTES_MAX: usize = 63;

/// What a recording is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the zone was made with.
    pub config: ZoneConfig,
    /// Its content tables.
    pub content_hash: u64,
    /// Layout of packets in it.
    pub fingerprint: u64,
    /// How bodies moved.
    pub kernel_version: u16,
    /// Its tick when the recording began: the first one that is recorded comes behind it.
    pub now: u32,
    /// Digests were taken every so many ticks.
    pub digest_every: u32,
    /// Who recorded.
    pub build: String,
}

/// Why a header does not begin a recording that this build could read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// Something else.
    #[error("this is no recording of a zone")]
    Magic,
    /// Another layout.
    #[error("it has format {found}, and this build reads format {FORMAT}")]
    Format {
        /// What the file says.
        found: u16,
    },
    /// A byte has changed.
    #[error("the header fails its checksum")]
    Checksum,
    /// A value that no zone has.
    #[error("the header makes no sense: {0}")]
    Malformed(#[from] Malformed),
}

impl Header {
    /// The header of a world that is recorded from its first step on.
    #[must_use]
    pub fn of(world: &crate::World, digest_every: u32, build: &str) -> Self {
        let mut end = build.len().min(BUILD_BYTES_MAX);
        while !build.is_char_boundary(end) {
            end -= 1;
        }
        Self {
            config: *world.config(),
            content_hash: world.content_hash(),
            fingerprint: netproto::FINGERPRINT,
            kernel_version: netproto::KERNEL_VERSION,
            now: world.now(),
            digest_every: digest_every.max(1),
            build: build[..end].to_owned(),
        }
    }

    /// The bytes of the header.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let config = &self.config;
        let mut out = Vec::with_capacity(HEADER_BYTES);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&FORMAT.to_le_bytes());
        out.extend_from_slice(&self.kernel_version.to_le_bytes());
        for word in [self.build.len() as u32, config.ticks_per_second] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        for long in [config.seed, self.content_hash, self.fingerprint] {
            out.extend_from_slice(&long.to_le_bytes());
        }
        let sides = [config.side_mm, config.spawn_radius_mm, config.den_radius_mm].map(|mm| mm as u32);
        for word in sides.into_iter().chain([
            config.players_max,
            config.creatures,
            self.digest_every,
            config.sending as u32,
        ]) {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(self.build.as_bytes());
        out.resize(NOW_AT, 0);
        out.extend_from_slice(&self.now.to_le_bytes());
        out.extend_from_slice(&crc32fast::hash(&out).to_le_bytes());
        out.try_into().expect("the header was filled up to its length")
    }

    /// Reads a header from untrusted bytes.
    ///
    /// # Errors
    /// [`HeaderError`]; nothing of a bad header is used.
    pub fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Self, HeaderError> {
        let mut reader = Bytes::new(bytes);
        if reader.take(8, "the magic")? != MAGIC {
            return Err(HeaderError::Magic);
        }
        let found = reader.short("the format")?;
        if found != FORMAT {
            return Err(HeaderError::Format { found });
        }
        let (body, crc) = bytes.split_at(HEADER_BYTES - 4);
        if crc != crc32fast::hash(body).to_le_bytes() {
            return Err(HeaderError::Checksum);
        }
        Ok(Self { now: read_now(bytes), ..read_body(&mut reader)? })
    }

    /// What keeps this build from replaying it, as a sentence for a person; nothing if it can.
    #[must_use]
    pub fn refusal(&self, content_hash: u64) -> Option<String> {
        let (fingerprint, kernel) = (netproto::FINGERPRINT, netproto::KERNEL_VERSION);
        if self.fingerprint != fingerprint {
            return Some(format!(
                "its packets have fingerprint {:016x}, this build speaks {fingerprint:016x}",
                self.fingerprint
            ));
        }
        if self.kernel_version != kernel {
            return Some(format!(
                "bodies moved by kernel version {}, this build has version {kernel}",
                self.kernel_version
            ));
        }
        (self.content_hash != content_hash).then(|| {
            format!(
                "its content tables have hash {:016x}, this build's {content_hash:016x}",
                self.content_hash
            )
        })
    }
}

/// The tick at its place of its own: most zones begin with nothing there.
fn read_now(bytes: &[u8; HEADER_BYTES]) -> u32 {
    let (_, tail) = bytes.split_at(NOW_AT);
    u32::from_le_bytes(*tail.first_chunk().expect("the tick and the checksum end the header"))
}

/// Everything behind the format. Whatever a header says is within the bounds of a world that can be built.
fn read_body(reader: &mut Bytes<'_>) -> Result<Header, Malformed> {
    let kernel_version = reader.short("the kernel version")?;
    let (n_build, ticks_per_second) = (reader.word("the build")? as usize, reader.word("the rate")?);
    let (seed, content_hash) = (reader.long("the seed")?, reader.long("the content hash")?);
    let fingerprint = reader.long("the fingerprint")?;
    let mut side = |low, what| match reader.word(what)? as i32 {
        mm if (low..=SIDE_MM_MAX).contains(&mm) => Ok(mm),
        _ => Err(Malformed::Bounds(what)),
    };
    let side_mm = side(SIDE_MM_MIN, "the side")?;
    let (spawn_radius_mm, den_radius_mm) = (side(0, "the spawn radius")?, side(0, "the den radius")?);
    let (players_max, creatures) = (reader.word("the players")?, reader.word("the creatures")?);
    let digest_every = reader.word("the rhythm of digests")?;
    let sending = match reader.word("the way of sending")? {
        0 => Sending::EveryTick,
        1 => Sending::News,
        _ => return Err(Malformed::Bounds("the way of sending")),
    };
    let build = reader.take(n_build, "the build")?;
    if !matches!(ticks_per_second, 20 | 30) {
        return Err(Malformed::Bounds("the rate"));
    }
    if players_max > PLAYERS_MAX || creatures > CREATURES_MAX {
        return Err(Malformed::Bounds("the number of players or creatures"));
    }
    if digest_every == 0 || n_build > BUILD_BYTES_MAX {
        return Err(Malformed::Bounds("the rhythm of digests or the build"));
    }
    let config = ZoneConfig {
        seed,
        side_mm,
        ticks_per_second,
        players_max,
        creatures,
        spawn_radius_mm,
        den_radius_mm,
        sending,
    };
    let build = std::str::from_utf8(build).map_err(|_| Malformed::Bounds("the build"))?.to_owned();
    Ok(Header { config, content_hash, fingerprint, kernel_version, now: 0, digest_every, build })
}
