//! `gen/limits.rs`: constants, versions, fingerprint and projection.

use super::doc;
use crate::model::{Constant, Schema};
use crate::projection;
use std::fmt::Write;

pub(super) fn source(schema: &Schema) -> String {
    let mut out = String::new();
    for constant in &schema.constants {
        out.push_str(&doc(&constant.doc, constant.unit.as_deref()));
        _ = writeln!(
            out,
            "pub const {}: {} = {};",
            constant.name,
            rust_type(constant),
            grouped(constant.value)
        );
    }
    let protocol = &schema.protocol;
    for (name, value, sentence) in [
        (
            "WIRE_MAJOR",
            protocol.wire_major,
            "Part of the ALPN and the WebSocket subprotocol: a mismatch dies before any byte of ours.",
        ),
        ("EPOCH", protocol.epoch, "Wire epoch that this build speaks."),
        ("HELLO_VERSION", protocol.hello_version, "Layout of the frozen hello."),
        (
            "KERNEL_VERSION",
            protocol.kernel_version,
            "Movement kernel: a client with another one does not predict.",
        ),
    ] {
        _ = writeln!(out, "/// {sentence}\npub const {name}: u16 = {value};");
    }
    _ = writeln!(
        out,
        "/// Name of the protocol, as in the ALPN.\npub const PROTOCOL: &str = {:?};",
        protocol.name
    );
    _ = writeln!(
        out,
        "/// Low 64 bits of the SHA-256 of the projection's realtime facts: names the wire epoch.\n\
         pub const FINGERPRINT: u64 = {};",
        hex_grouped(projection::fingerprint(schema))
    );
    _ = writeln!(out, "/// Groups that a slot has.\npub const N_GROUPS: usize = {};", schema.groups().len());
    _ = writeln!(
        out,
        "/// The canonical projection: what moves bytes, one fact a line. Peers that differ show each other the difference.\n\
         pub const PROJECTION: &str = r##\"{}\"##;",
        projection::text(schema)
    );
    out
}

/// A length in mm is a signed coordinate, a span of ticks a tick, all else counts things in memory.
fn rust_type(constant: &Constant) -> &'static str {
    match constant.unit.as_deref() {
        Some("mm") => "i32",
        Some("ticks") => "u32",
        _ => "usize",
    }
}

/// `65535` to `65_535`.
pub(super) fn grouped(value: u32) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push('_');
        }
        out.push(digit);
    }
    out
}

fn hex_grouped(value: u64) -> String {
    let piece = |shift: u32| (value >> shift) & 0xffff;
    format!("0x{:04x}_{:04x}_{:04x}_{:04x}", piece(48), piece(32), piece(16), piece(0))
}
