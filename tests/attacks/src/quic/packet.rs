//! Bytes of QUIC packets: variable-length integers, headers, protection.
//!
//! Source: RFC 9000 sections 16 and 17; RFC 9001 section 5.

use rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::quic::{DirectionalKeys, Keys, Version};
use rustls::{Error, Side};

/// Packet numbers of ours are always written in four bytes.
pub const NUMBER_BYTES: usize = 4;
/// Bytes that authenticate a packet.
pub const TAG_BYTES: usize = 16;
/// A first packet is at least as long. Source: RFC 9000 section 14.1.
pub const FIRST_BYTES: usize = 1200;
/// Bytes of every connection id of ours.
pub const CID_BYTES: usize = 8;
/// QUIC version 1.
pub const VERSION: u32 = 1;

/// Appends an integer of variable length.
pub fn put_varint(out: &mut Vec<u8>, value: u64) {
    match value {
        0..=0x3f => out.push(value as u8),
        0x40..=0x3fff => out.extend((0x4000 | value as u16).to_be_bytes()),
        0x4000..=0x3fff_ffff => out.extend((0x8000_0000 | value as u32).to_be_bytes()),
        _ => out.extend((0xc000_0000_0000_0000 | value).to_be_bytes()),
    }
}

/// Takes an integer of variable length from the front.
pub fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let first = *bytes.first()?;
    let n_bytes = 1usize << (first >> 6);
    let (head, rest) = bytes.split_at_checked(n_bytes)?;
    *bytes = rest;
    let value = head[1..].iter().fold(u64::from(first & 0x3f), |value, byte| value << 8 | u64::from(*byte));
    Some(value)
}

/// Takes so many bytes from the front.
pub fn take<'a>(bytes: &mut &'a [u8], n: usize) -> Option<&'a [u8]> {
    let (head, rest) = bytes.split_at_checked(n)?;
    *bytes = rest;
    Some(head)
}

/// Keys of first packets to this connection id.
///
/// # Panics
/// Never: the suite is one of TLS 1.3 and made for QUIC.
#[must_use]
pub fn initial_keys(to: &[u8]) -> Keys {
    let suite = TLS13_AES_128_GCM_SHA256.tls13().expect("a suite of TLS 1.3");
    let quic = suite.quic_suite().expect("AES-128 is what QUIC begins with");
    Keys::initial(Version::V1, suite, quic.quic, to, Side::Client)
}

/// A packet: this header, up to where its number begins, with this number and payload behind it, protected.
///
/// # Panics
/// If the payload is shorter than four bytes: nothing could be sampled then.
#[must_use]
pub fn seal(keys: &DirectionalKeys, header: &[u8], number: u64, payload: &[u8]) -> Vec<u8> {
    assert!(payload.len() >= NUMBER_BYTES, "a payload of {} bytes", payload.len());
    let mut packet = Vec::with_capacity(header.len() + NUMBER_BYTES + payload.len() + TAG_BYTES);
    packet.extend_from_slice(header);
    packet.extend_from_slice(&(number as u32).to_be_bytes());
    let start = packet.len();
    packet.extend_from_slice(payload);
    let (head, body) = packet.split_at_mut(start);
    let tag = keys.packet.encrypt_in_place(number, head, body).expect("a payload that fits a packet");
    packet.extend_from_slice(tag.as_ref());
    let (head, body) = packet.split_at_mut(start);
    let (first, rest) = head.split_first_mut().expect("a header has a first byte");
    let at = rest.len() - NUMBER_BYTES;
    let sample = &body[..keys.header.sample_len()];
    keys.header.encrypt_in_place(sample, first, &mut rest[at..]).expect("a sample of the right length");
    packet
}

/// Takes the protection from a packet whose number begins at `number_at` and is near `expected`: number and payload.
///
/// # Errors
/// When it is too short, or not from who has the keys.
pub fn open(
    keys: &DirectionalKeys,
    packet: &mut [u8],
    number_at: usize,
    expected: u64,
) -> Result<(u64, Vec<u8>), Error> {
    let sample_at = number_at + NUMBER_BYTES;
    let sample_end = sample_at + keys.header.sample_len();
    if packet.len() < sample_end {
        return Err(Error::DecryptError);
    }
    let (head, body) = packet.split_at_mut(sample_at);
    let (first, rest) = head.split_first_mut().expect("a header has a first byte");
    let sample = &body[..keys.header.sample_len()];
    keys.header.decrypt_in_place(sample, first, &mut rest[number_at - 1..])?;
    let n_number = usize::from(*first & 3) + 1;
    let start = number_at + n_number;
    let low = packet[number_at..start].iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    let number = whole_number(low, 8 * n_number as u32, expected);
    let (head, body) = packet.split_at_mut(start);
    Ok((number, keys.packet.decrypt_in_place(number, head, body)?.to_vec()))
}

/// The number nearest to `expected` that ends with these bits. Source: RFC 9000 appendix A.3.
fn whole_number(low: u64, bits: u32, expected: u64) -> u64 {
    let (window, half) = (1u64 << bits, 1u64 << (bits - 1));
    let near = expected & !(window - 1) | low;
    if near + half <= expected {
        near + window
    } else if near > expected + half && near >= window {
        near - window
    } else {
        near
    }
}

/// Header of a first packet, up to its number.
#[must_use]
pub fn initial_header(to: &[u8], from: &[u8], token: &[u8], payload_bytes: usize) -> Vec<u8> {
    let mut header = long_header(0xc0, to, from);
    put_varint(&mut header, token.len() as u64);
    header.extend_from_slice(token);
    put_length(&mut header, payload_bytes);
    header
}

/// Header of a packet of the handshake, up to its number.
#[must_use]
pub fn handshake_header(to: &[u8], from: &[u8], payload_bytes: usize) -> Vec<u8> {
    let mut header = long_header(0xe0, to, from);
    put_length(&mut header, payload_bytes);
    header
}

fn long_header(kind: u8, to: &[u8], from: &[u8]) -> Vec<u8> {
    let mut header = vec![kind | (NUMBER_BYTES as u8 - 1)];
    header.extend(VERSION.to_be_bytes());
    for id in [to, from] {
        header.push(id.len() as u8);
        header.extend_from_slice(id);
    }
    header
}

fn put_length(header: &mut Vec<u8>, payload_bytes: usize) {
    let length = NUMBER_BYTES + payload_bytes + TAG_BYTES;
    header.extend((0x4000 | length as u16).to_be_bytes());
}

/// A whole first packet of 1,200 bytes with this client hello in it.
#[must_use]
pub fn first_packet(to: &[u8], from: &[u8], hello: &[u8]) -> Vec<u8> {
    let mut payload = crypto_frame(0, hello);
    let room = FIRST_BYTES - initial_header(to, from, &[], 0).len() - NUMBER_BYTES - TAG_BYTES;
    payload.resize(payload.len().max(room), 0);
    seal(&initial_keys(to).local, &initial_header(to, from, &[], payload.len()), 0, &payload)
}

/// Bytes of the handshake as a frame.
#[must_use]
pub fn crypto_frame(offset: u64, bytes: &[u8]) -> Vec<u8> {
    let mut frame = vec![6];
    put_varint(&mut frame, offset);
    put_varint(&mut frame, bytes.len() as u64);
    frame.extend_from_slice(bytes);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_come_back_at_every_length() {
        for value in [0, 63, 64, 16_383, 16_384, (1 << 30) - 1, 1 << 30, (1 << 62) - 1] {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            assert_eq!(take_varint(&mut bytes.as_slice()), Some(value));
            assert_eq!(take_varint(&mut &bytes[..bytes.len() - 1]), None);
        }
    }

    #[test]
    fn a_short_number_means_the_nearest_whole_one() {
        // Source: RFC 9000 appendix A.3.
        assert_eq!(whole_number(0x9b32, 16, 0xa82f_30eb), 0xa82f_9b32);
        assert_eq!((whole_number(1, 8, 255), whole_number(255, 8, 256)), (257, 255));
    }

    /// Source: RFC 9001 appendix A.1: the header key of this id protects the packet of appendix A.2.
    #[test]
    fn the_first_packet_of_the_standard_comes_out_bit_for_bit() {
        let to = [0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08];
        let header = [&[0xc3, 0, 0, 0, 1, 8][..], &to, &[0, 0, 0x44, 0x9e]].concat();
        let hello = "060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c00000413011302010000c000000010000e00000b6578616d706c652e636f6dff01000100000a00080006001d0017001800100007000504616c706e000500050100000000003300260024001d00209370b2c9caa47fbabaf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b0003020304000d0010000e0403050306030203080408050806002d00020101001c00024001003900320408ffffffffffffffff05048000ffff07048000ffff0801100104800075300901100f088394c8f03e51570806048000ffff";
        let mut payload: Vec<u8> = (0..hello.len() / 2)
            .map(|at| u8::from_str_radix(&hello[2 * at..2 * at + 2], 16).unwrap())
            .collect();
        payload.resize(1162, 0);
        let packet = seal(&initial_keys(&to).local, &header, 2, &payload);
        assert_eq!(packet.len(), 1200);
        assert_eq!(packet[..5], [0xc0, 0, 0, 0, 1]);
        assert_eq!(packet[18..30], [0x7b, 0x9a, 0xec, 0x34, 0xd1, 0xb1, 0xc9, 0x8d, 0xd7, 0x68, 0x9f, 0xb8]);
        assert_eq!(packet[1184..1188], [0xe2, 0x21, 0xaf, 0x44]);
        assert_eq!(packet[1196..], [0x19, 0x4c, 0xd9, 0x34]);
    }
}
