//! A join code: where a server is and which key it has, as a text that people can copy, read out and type.
//!
//! The bytes, in this order: version and family (1), address (4 or 16), port (2, big-endian), the first 16 bytes of the
//! key pin, checksum (2, big-endian). Written in base 32, most significant bits first, in groups of five characters:
//! 40 characters for IPv4, 60 for IPv6. Source: docs/SECURITY.md "Join codes".
use crate::client::Target;
use crate::event::Link;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// Digits of base 32 as Douglas Crockford chose them: without I, L, O and U, which are misread.
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Characters between two hyphens.
const GROUP: usize = 5;
/// Version 1 of the layout, with an IPv4 address.
const TAG_V4: u8 = 0x14;
/// Version 1 of the layout, with an IPv6 address.
const TAG_V6: u8 = 0x16;
/// Bytes of the pin in a code. Finding another key that has them takes 2^128 tries.
const PIN_BYTES: usize = 16;
const CHECK_BYTES: usize = 2;
/// Characters of the shortest and of the longest code, without hyphens.
const CHARS_V4: usize = ((1 + 4 + 2 + PIN_BYTES + CHECK_BYTES) * 8).div_ceil(5);
const CHARS_V6: usize = ((1 + 16 + 2 + PIN_BYTES + CHECK_BYTES) * 8).div_ceil(5);
const _: () = assert!(CHARS_V4 == 40 && CHARS_V6 == 60);

/// Where a server is, and the beginning of its key's pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JoinCode {
    /// UDP for QUIC and TCP for WebSocket.
    pub addr: SocketAddr,
    pin: [u8; PIN_BYTES],
}

/// Why a text is no join code. Each message says what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinCodeError {
    /// A character that no code has.
    #[error("a join code has no {found:?} (character {at}): it is made of digits and letters, without U")]
    Character {
        /// Counted from 1, hyphens and spaces not counted.
        at: usize,
        /// What stands there.
        found: char,
    },
    /// Something is missing, or there is too much.
    #[error("a join code has {CHARS_V4} characters (or {CHARS_V6}), this has {found}: copy the whole of it")]
    Length {
        /// Without hyphens and spaces.
        found: usize,
    },
    /// A character is another one than was printed.
    #[error(
        "this join code has a typing mistake: its checksum does not fit; compare it with what the server printed"
    )]
    Checksum,
    /// A younger server's, or something else in the same clothes.
    #[error("this join code is of a kind that this program does not know: update it")]
    Version,
}

impl JoinCode {
    /// The code of a server with this address and key pin.
    #[must_use]
    pub fn new(addr: SocketAddr, pin: &[u8; 32]) -> Self {
        let pin = *pin.first_chunk().expect("32 bytes begin with 16");
        Self { addr: SocketAddr::new(addr.ip().to_canonical(), addr.port()), pin }
    }

    /// The pin for [`Target::pin`]: what the code has of it, then zeros.
    #[must_use]
    pub fn pin(&self) -> [u8; 32] {
        let mut pin = [0; 32];
        pin[..PIN_BYTES].copy_from_slice(&self.pin);
        pin
    }

    /// How a client reaches the server.
    #[must_use]
    pub fn target(&self, link: Link, wire_major: u16) -> Target {
        Target { addr: self.addr, link, pin: Some(self.pin()), wire_major }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self.addr.ip() {
            IpAddr::V4(ip) => {
                bytes.push(TAG_V4);
                bytes.extend(ip.octets());
            }
            IpAddr::V6(ip) => {
                bytes.push(TAG_V6);
                bytes.extend(ip.octets());
            }
        }
        bytes.extend(self.addr.port().to_be_bytes());
        bytes.extend(self.pin);
        bytes.extend(checksum(&bytes).to_be_bytes());
        bytes
    }
}

impl fmt::Display for JoinCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, digit) in digits(&self.bytes()).into_iter().enumerate() {
            if at > 0 && at.is_multiple_of(GROUP) {
                f.write_str("-")?;
            }
            write!(f, "{}", char::from(DIGITS[usize::from(digit)]))?;
        }
        Ok(())
    }
}

impl FromStr for JoinCode {
    type Err = JoinCodeError;

    /// Reads what a person typed: in any case, with any hyphens and spaces, O for 0, I and L for 1.
    fn from_str(text: &str) -> Result<Self, JoinCodeError> {
        let letters = text.chars().filter(|letter| !letter.is_whitespace() && *letter != '-');
        let digit = |(at, letter): (usize, char)| {
            digit(letter).ok_or(JoinCodeError::Character { at: at + 1, found: letter })
        };
        // No longer than it takes to say that it is too long.
        let digits: Vec<u8> =
            letters.clone().take(CHARS_V6 + 1).enumerate().map(digit).collect::<Result<_, _>>()?;
        if digits.len() != CHARS_V4 && digits.len() != CHARS_V6 {
            return Err(JoinCodeError::Length { found: letters.count() });
        }
        let bytes = bytes(&digits).ok_or(JoinCodeError::Checksum)?;
        let (body, check) = bytes.split_at(bytes.len() - CHECK_BYTES);
        if check != checksum(body).to_be_bytes() {
            return Err(JoinCodeError::Checksum);
        }
        let (tag, rest) = body.split_first().ok_or(JoinCodeError::Version)?;
        let (rest, pin) = rest.split_last_chunk().ok_or(JoinCodeError::Version)?;
        let (ip, port) = rest.split_last_chunk().ok_or(JoinCodeError::Version)?;
        let ip = match (*tag, <[u8; 4]>::try_from(ip), <[u8; 16]>::try_from(ip)) {
            (TAG_V4, Ok(octets), _) => IpAddr::V4(Ipv4Addr::from(octets)),
            (TAG_V6, _, Ok(octets)) => IpAddr::V6(Ipv6Addr::from(octets)),
            _ => return Err(JoinCodeError::Version),
        };
        Ok(Self { addr: SocketAddr::new(ip, u16::from_be_bytes(*port)), pin: *pin })
    }
}

/// The value of a character.
fn digit(letter: char) -> Option<u8> {
    let plain = match letter.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    DIGITS.iter().position(|digit| char::from(*digit) == plain).map(|value| value as u8)
}

/// Five bits at a time; the last ones are filled up with zeros.
fn digits(bytes: &[u8]) -> Vec<u8> {
    let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| byte >> (7 - at % 8) & 1);
    let n = (bytes.len() * 8).div_ceil(5);
    (0..n).map(|digit| (0..5).fold(0, |value, at| value << 1 | bit(digit * 5 + at))).collect()
}

/// The way back; nothing when the bits that fill up are not zero.
fn bytes(digits: &[u8]) -> Option<Vec<u8>> {
    let bit = |at: usize| digits[at / 5] >> (4 - at % 5) & 1;
    let n = digits.len() * 5 / 8;
    let is_padded = (n * 8..digits.len() * 5).all(|at| bit(at) == 0);
    let byte = |byte: usize| (0..8).fold(0, |value, at| value << 1 | bit(byte * 8 + at));
    is_padded.then(|| (0..n).map(byte).collect())
}

/// CRC-16 with x^16 + x^12 + x^5 + 1, beginning with all ones: one wrong character, or two neighbours exchanged, never
/// pass. Source: ITU-T V.41.
fn checksum(bytes: &[u8]) -> u16 {
    bytes.iter().fold(u16::MAX, |crc, byte| {
        (0..8).fold(
            crc ^ u16::from(*byte) << 8,
            |crc, _| {
                if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 }
            },
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin() -> [u8; 32] {
        std::array::from_fn(|at| (at as u8).wrapping_mul(37).wrapping_add(5))
    }

    fn code(addr: &str) -> JoinCode {
        JoinCode::new(addr.parse().unwrap(), &pin())
    }

    #[test]
    fn a_code_is_read_as_it_is_printed_and_as_people_type_it() {
        for addr in ["192.168.1.20:8080", "10.0.0.1:1", "[fd00:1:2::7]:65535"] {
            let code = code(addr);
            let text = code.to_string();
            assert_eq!(text.parse(), Ok(code), "{text}");
            let typed = text.to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l");
            assert_eq!(typed.parse(), Ok(code), "{typed}");
            assert_eq!(code.target(Link::Quic, 1).addr, addr.parse().unwrap());
            assert_eq!(
                (code.pin()[..16].to_vec(), code.pin()[16..].to_vec()),
                (pin()[..16].to_vec(), vec![0; 16])
            );
        }
        assert_eq!(code("192.168.1.20:8080").to_string().len(), 47, "eight groups of five");
        assert_eq!(checksum(b"123456789"), 0x29b1, "the check value of this CRC");
    }

    #[test]
    fn no_wrong_character_and_no_two_exchanged_pass() {
        for addr in ["192.168.1.20:8080", "[fd00:1:2::7]:65535"] {
            let plain: Vec<char> = code(addr).to_string().chars().filter(|letter| *letter != '-').collect();
            let mut n_tried = 0;
            for at in 0..plain.len() {
                for digit in DIGITS {
                    let mut typed = plain.clone();
                    typed[at] = char::from(*digit);
                    if typed != plain {
                        let found = typed.iter().collect::<String>().parse::<JoinCode>();
                        assert_eq!(found, Err(JoinCodeError::Checksum), "{typed:?}");
                        n_tried += 1;
                    }
                }
                let mut typed = plain.clone();
                typed.swap(at, (at + 1) % plain.len());
                let found = typed.iter().collect::<String>().parse::<JoinCode>();
                assert_eq!(found.is_ok(), typed == plain, "{typed:?}");
            }
            assert_eq!(n_tried, plain.len() * 31);
        }
    }

    #[test]
    fn what_is_no_code_is_refused_with_words_that_help() {
        let text = code("192.168.1.20:8080").to_string();
        for (typed, words) in [
            ("", "this has 0"),
            (&text[..text.len() - 1], "this has 39: copy the whole"),
            (&format!("{text}{text}"), "this has 80"),
            (&text.replacen(&text[..1], "u", 1), "no 'u' (character 1)"),
            ("192.168.1.20:8080", "no '.'"),
        ] {
            let error = typed.parse::<JoinCode>().unwrap_err().to_string();
            assert!(error.contains(words), "{typed:?}: {error}");
        }
        // A code of a version to come: its own checksum fits.
        let mut bytes = code("192.168.1.20:8080").bytes();
        bytes.truncate(bytes.len() - CHECK_BYTES);
        bytes[0] = 0x24;
        bytes.extend(checksum(&bytes).to_be_bytes());
        let text: String =
            digits(&bytes).iter().map(|digit| char::from(DIGITS[usize::from(*digit)])).collect();
        assert_eq!(text.parse::<JoinCode>(), Err(JoinCodeError::Version));
    }
}
