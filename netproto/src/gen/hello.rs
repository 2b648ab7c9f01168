//! Generated from `netproto/schema/*.toml` by `cargo run -p arcanectl -- proto gen`: do not edit.
//!
//! The frozen hello: byte-aligned, little-endian, never changed.

use super::limits::HELLO_VERSION;
use crate::DecodeError;

/// Wire epochs that the client can read, best first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HelloEpochs {
    /// One `epoch`.
    pub epoch: u16,
    /// One `fingerprint`.
    pub fingerprint: u64,
}

/// Who the client is and what it can read.
#[derive(Clone, PartialEq, Eq)]
pub struct Hello {
    /// 1.
    pub hello_version: u16,
    /// Movement kernel that the client predicts with.
    pub kernel_version: u16,
    /// Capability bits; none is given out yet.
    pub caps: u32,
    /// Content tables at hand; 0: none.
    pub content_hash: u64,
    /// Wall bitmap at hand; 0: none.
    pub wall_hash: u64,
    /// Wire epochs that the client can read, best first.
    pub epochs: Vec<HelloEpochs>,
    /// 32 bytes of claims, 32 of BLAKE3 MAC; zeros on loopback and --lan until a gateway gives tickets out.
    pub ticket: [u8; 64],
    /// From the last Welcome; zeros: a new player.
    pub resume_token: [u8; 32],
    /// Name and version of the client's build.
    pub build: String,
}

impl std::fmt::Debug for Hello {
    /// Secrets stay out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hello")
            .field("hello_version", &self.hello_version)
            .field("kernel_version", &self.kernel_version)
            .field("caps", &self.caps)
            .field("content_hash", &self.content_hash)
            .field("wall_hash", &self.wall_hash)
            .field("epochs", &self.epochs)
            .field("ticket", &format_args!(".."))
            .field("resume_token", &format_args!(".."))
            .field("build", &self.build)
            .finish()
    }
}

impl Default for Hello {
    /// Nothing at hand, nothing readable, this build's layout.
    fn default() -> Self {
        Self {
            hello_version: HELLO_VERSION,
            kernel_version: 0,
            caps: 0,
            content_hash: 0,
            wall_hash: 0,
            epochs: Vec::new(),
            ticket: [0; 64],
            resume_token: [0; 32],
            build: String::new(),
        }
    }
}

impl Hello {
    /// The longest that this build writes.
    pub const BYTES_MAX: usize = 270;

    /// Appends all bytes, magic first.
    ///
    /// # Panics
    /// If a list or text is longer than its bound: our bug.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"ARCN");
        out.extend_from_slice(&self.hello_version.to_le_bytes());
        out.extend_from_slice(&self.kernel_version.to_le_bytes());
        out.extend_from_slice(&self.caps.to_le_bytes());
        out.extend_from_slice(&self.content_hash.to_le_bytes());
        out.extend_from_slice(&self.wall_hash.to_le_bytes());
        put_count(out, self.epochs.len(), 8, "epochs");
        for item in &self.epochs {
            out.extend_from_slice(&item.epoch.to_le_bytes());
            out.extend_from_slice(&item.fingerprint.to_le_bytes());
        }
        out.extend_from_slice(&self.ticket);
        out.extend_from_slice(&self.resume_token);
        put_count(out, self.build.len(), 64, "build");
        out.extend_from_slice(self.build.as_bytes());
    }

    /// Reads all bytes; only a newer `hello_version` may have some behind the known end.
    ///
    /// # Errors
    /// [`DecodeError::Hello`] with the rule that was broken, or the bound of a list or text.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut bytes = HelloBytes(bytes);
        if bytes.take::<4>()? != *b"ARCN" {
            return Err(DecodeError::Hello {
                reason: "other first bytes",
            });
        }
        let hello_version = u16::from_le_bytes(bytes.take()?);
        if hello_version == 0 {
            return Err(DecodeError::Hello {
                reason: "version 0",
            });
        }
        let kernel_version = u16::from_le_bytes(bytes.take()?);
        let caps = u32::from_le_bytes(bytes.take()?);
        let content_hash = u64::from_le_bytes(bytes.take()?);
        let wall_hash = u64::from_le_bytes(bytes.take()?);
        let mut epochs = Vec::new();
        for _ in 0..bytes.count(8, "epochs")? {
            epochs
                .push(HelloEpochs {
                    epoch: u16::from_le_bytes(bytes.take()?),
                    fingerprint: u64::from_le_bytes(bytes.take()?),
                });
        }
        let ticket = bytes.take::<64>()?;
        let resume_token = bytes.take::<32>()?;
        let build = bytes.text(64, "build")?;
        if hello_version <= HELLO_VERSION && !bytes.0.is_empty() {
            return Err(DecodeError::Hello {
                reason: "bytes are left over",
            });
        }
        Ok(Self {
            hello_version,
            kernel_version,
            caps,
            content_hash,
            wall_hash,
            epochs,
            ticket,
            resume_token,
            build,
        })
    }
}

/// Bytes of a hello that are not read yet.
struct HelloBytes<'a>(&'a [u8]);

impl HelloBytes<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let Some((head, rest)) = self.0.split_first_chunk::<N>() else {
            return Err(DecodeError::Hello {
                reason: "bytes end early",
            });
        };
        self.0 = rest;
        Ok(*head)
    }

    fn count(&mut self, max: u32, what: &'static str) -> Result<usize, DecodeError> {
        let [n] = self.take()?;
        if u32::from(n) > max {
            return Err(DecodeError::TooLong {
                what,
                n: u32::from(n),
                max,
            });
        }
        Ok(usize::from(n))
    }

    fn text(&mut self, max: u32, what: &'static str) -> Result<String, DecodeError> {
        let n = self.count(max, what)?;
        let Some((head, rest)) = self.0.split_at_checked(n) else {
            return Err(DecodeError::Hello {
                reason: "bytes end early",
            });
        };
        self.0 = rest;
        String::from_utf8(head.to_vec())
            .map_err(|_| DecodeError::Hello {
                reason: "text is not UTF-8",
            })
    }
}

fn put_count(out: &mut Vec<u8>, n: usize, max: usize, what: &str) {
    assert!(n <= max, "hello: {what} is too long: {n} of at most {max}");
    out.push(n as u8);
}
