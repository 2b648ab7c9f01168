//! `arcanectl proto explain`: bytes from a log, a test or a capture, field by field.

use super::show;
use crate::Exit;
use anyhow::Context;
use clap::ValueEnum;
use netproto::input::InputPacket;
use netproto::snapshot::{self, Frame};
use netproto::{DecodeError, Hello, Record};
use protogen::model::Schema;
use protogen::trace::{self, Trace};
use protogen::{embedded, trace_bytes};
use serde_json::json;
use std::io::Read;
use std::path::PathBuf;

/// Arguments of `arcanectl proto explain`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Binary, or hex digits with any white space; `-` reads stdin.
    file: PathBuf,
    /// What the bytes are; without it, the first of hello, record, input and frame that decodes is taken.
    #[arg(long = "as", value_enum)]
    kind: Option<Kind>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Snapshot, server to client.
    Frame,
    /// Input datagram, client to server.
    Input,
    /// Tagged record, opcode first.
    Record,
    /// The frozen hello.
    Hello,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Frame => "frame",
            Self::Input => "input",
            Self::Record => "record",
            Self::Hello => "hello",
        }
    }

    fn trace(self, schema: &Schema, bytes: &[u8]) -> Trace {
        match self {
            Self::Frame => trace::frame(schema, bytes),
            Self::Input => trace::input(schema, bytes),
            Self::Record => trace_bytes::record(schema, bytes),
            Self::Hello => trace_bytes::hello(schema, bytes),
        }
    }

    /// What the codec that servers and clients use says to the same bytes.
    fn decode(self, bytes: &[u8]) -> Result<(), DecodeError> {
        match self {
            Self::Frame => snapshot::decode(bytes, &mut Frame::default()),
            Self::Input => InputPacket::decode(bytes).map(|_| ()),
            Self::Record => Record::decode(bytes).map(|_| ()),
            Self::Hello => Hello::decode(bytes).map(|_| ()),
        }
    }

    /// A record needs an opcode that is given out: unknown ones decode too, whatever follows.
    fn fits(self, schema: &Schema, bytes: &[u8]) -> bool {
        let opcode = bytes.first().map(|byte| u32::from(*byte));
        let is_known = schema.records.iter().any(|record| Some(record.opcode) == opcode);
        self.decode(bytes).is_ok() && (self != Self::Record || is_known)
    }
}

/// Prints the fields; on an error everything before it.
pub(crate) fn run(args: &Args, as_json: bool) -> anyhow::Result<Exit> {
    let bytes = read(args)?;
    let schema = embedded::schema();
    let kind = args.kind.unwrap_or_else(|| guess(&schema, &bytes));
    let trace = kind.trace(&schema, &bytes);
    let codec = kind.decode(&bytes).err().map(|error| error.to_string());
    let guessed = if args.kind.is_none() { " (guessed; --as decides)" } else { "" };
    let mut text =
        format!("{}{guessed}, {} bytes; place is byte.bit, width is in bits\n", kind.name(), bytes.len());
    text += &trace.table();
    if let Some(error) = codec.as_ref().filter(|_| trace.error.is_none()) {
        text += &format!("  error: the codec refuses it: {error}\n");
    }
    show(as_json, &to_json(kind, &bytes, &trace, codec.as_deref()), text.trim_end())?;
    Ok(if trace.error.is_some() || codec.is_some() { Exit::Mismatch } else { Exit::Ok })
}

/// The first kind that decodes; failing that, the one that makes sense of the most bits.
fn guess(schema: &Schema, bytes: &[u8]) -> Kind {
    let kinds = [Kind::Hello, Kind::Record, Kind::Input, Kind::Frame];
    if let Some(kind) = kinds.into_iter().find(|kind| kind.fits(schema, bytes)) {
        return kind;
    }
    let understood = |kind: &Kind| {
        let lines = kind.trace(schema, bytes).lines;
        let is_hello = *kind == Kind::Hello && !bytes.starts_with(b"ARCN");
        if is_hello { 0 } else { lines.last().map_or(0, |line| line.at_bit + line.n_bits as usize) }
    };
    kinds.into_iter().max_by_key(understood).unwrap_or(Kind::Frame)
}

fn to_json(kind: Kind, bytes: &[u8], trace: &Trace, codec: Option<&str>) -> serde_json::Value {
    let fields: Vec<serde_json::Value> = trace
        .lines
        .iter()
        .map(|line| {
            json!({
                "at_bit": line.at_bit, "n_bits": line.n_bits, "depth": line.depth, "name": line.name,
                "value": line.value, "note": line.note,
            })
        })
        .collect();
    let error = trace.error.as_deref().or(codec);
    json!({ "kind": kind.name(), "n_bytes": bytes.len(), "fields": fields, "error": error })
}

fn read(args: &Args) -> anyhow::Result<Vec<u8>> {
    let mut raw = Vec::new();
    if args.file.as_os_str() == "-" {
        std::io::stdin().read_to_end(&mut raw).context("stdin")?;
    } else {
        raw = std::fs::read(&args.file).with_context(|| args.file.display().to_string())?;
    }
    Ok(unhex(&raw).unwrap_or(raw))
}

/// The bytes of hex text; `None`: it is not hex.
fn unhex(raw: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(raw).ok()?;
    let digits: Vec<char> = text.chars().filter(|letter| !letter.is_whitespace()).collect();
    let nibble = |letter: &char| letter.to_digit(16).map(|digit| digit as u8);
    if digits.is_empty() || !digits.len().is_multiple_of(2) {
        return None;
    }
    digits.chunks(2).map(|pair| Some(nibble(&pair[0])? << 4 | nibble(&pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use protogen::sample;

    #[test]
    fn hex_with_white_space_is_hex_and_anything_else_is_binary() {
        assert_eq!(unhex(b"00 ff\n0A"), Some(vec![0, 255, 10]));
        assert_eq!(unhex(b"ARCN"), None);
        assert_eq!(unhex(b"abc"), None);
        assert_eq!(unhex(b""), None);
    }

    #[test]
    fn explaining_agrees_with_the_codec_on_every_sample() {
        let schema = embedded::schema();
        let frames =
            sample::frames(&schema).into_iter().map(|frame| (Kind::Frame, frame.encode(&schema).bytes));
        let inputs = sample::inputs(&schema).into_iter().map(|(_, bits)| (Kind::Input, bits.bytes));
        for (kind, bytes) in frames.chain(inputs) {
            assert_eq!(kind.trace(&schema, &bytes).error, None);
            assert_eq!(kind.decode(&bytes), Ok(()));
            for n in 0..bytes.len() {
                let (traced, decoded) = (kind.trace(&schema, &bytes[..n]), kind.decode(&bytes[..n]));
                assert!(traced.error.is_some() && decoded.is_err(), "{} cut to {n} bytes", kind.name());
            }
        }
    }

    #[test]
    fn a_flipped_bit_is_refused_by_both_or_by_neither() {
        let schema = embedded::schema();
        let frame = sample::typical_frame(&schema).encode(&schema).bytes;
        for bit in 0..frame.len() * 8 {
            let mut bytes = frame.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let (traced, decoded) = (Kind::Frame.trace(&schema, &bytes), Kind::Frame.decode(&bytes));
            assert_eq!(
                traced.error.is_some(),
                decoded.is_err(),
                "bit {bit}: {:?}, {decoded:?}",
                traced.error
            );
        }
    }
}
