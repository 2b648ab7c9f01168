//! Bytes explained: tagged records and the frozen hello, field by field.

use crate::model::{FrozenKind, RecordField, RecordKind, Scalar, Schema};
use crate::trace::{Line, Stop, Trace};

/// Explains a tagged record, opcode first.
#[must_use]
pub fn record(schema: &Schema, bytes: &[u8]) -> Trace {
    Tracer::run(bytes, |tracer| tracer.record(schema))
}

/// Explains a hello.
#[must_use]
pub fn hello(schema: &Schema, bytes: &[u8]) -> Trace {
    Tracer::run(bytes, |tracer| tracer.hello(schema))
}

struct Tracer<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    lines: Vec<Line>,
}

impl<'a> Tracer<'a> {
    fn run(bytes: &'a [u8], read: impl FnOnce(&mut Self) -> Result<(), Stop>) -> Trace {
        let mut tracer = Self { bytes, at: 0, depth: 0, lines: Vec::new() };
        let error = read(&mut tracer).err();
        Trace { lines: tracer.lines, error }
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8], Stop> {
        let rest = &self.bytes[self.at..];
        let head = rest.get(..n).ok_or_else(|| format!("{n} bytes from byte {}: beyond the end", self.at))?;
        self.at += n;
        Ok(head)
    }

    /// Adds a line for the bytes since `start`.
    fn push(&mut self, start: usize, name: &str, value: String, note: &str) {
        self.lines.push(Line {
            at_bit: start * 8,
            n_bits: ((self.at - start) * 8) as u32,
            depth: self.depth,
            name: name.to_owned(),
            value,
            note: note.to_owned(),
        });
    }

    fn number(&mut self, scalar: Scalar) -> Result<u64, Stop> {
        let bytes = self.take(scalar.n_bytes())?;
        Ok(bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    fn varint(&mut self) -> Result<u64, Stop> {
        let start = self.at;
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            if shift == 63 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(format!("the number at byte {start} is wider than 64 bits"))
    }

    fn record(&mut self, schema: &Schema) -> Result<(), Stop> {
        let opcode = u32::from(self.take(1).map_err(|_| "record: it is empty")?[0]);
        let Some(record) = schema.records.iter().find(|record| record.opcode == opcode) else {
            self.push(0, "opcode", opcode.to_string(), "unknown: a newer peer's record, skipped");
            return Ok(());
        };
        self.push(0, "opcode", format!("{opcode} {}", record.name), &record.doc);
        self.depth = 1;
        let mut last_id = 0;
        while self.at < self.bytes.len() {
            let start = self.at;
            let key = u32::from(self.take(1)?[0]);
            let (id, wire) = (key >> 2, key & 3);
            if id <= last_id {
                return Err(format!("byte {start}: field ids do not ascend from 1"));
            }
            last_id = id;
            let field = record.fields.iter().find(|field| field.id == id);
            let number = self.varint()?;
            let (value, problem) = match wire {
                0 => show_number(field, number),
                1 => {
                    let n = usize::try_from(number).unwrap_or(usize::MAX);
                    show_bytes(field, self.take(n)?)
                }
                _ => return Err(format!("byte {start}: field {id} has no known type")),
            };
            let name = field.map_or("unknown", |field| field.name.as_str());
            let note = field.map_or("a newer peer's field, skipped", |field| field.doc.as_str());
            self.push(start, &format!("{id} {name}"), value, note);
            if let Some(problem) = problem {
                return Err(format!("{}.{name}: {problem}", record.name));
            }
        }
        Ok(())
    }

    fn hello(&mut self, schema: &Schema) -> Result<(), Stop> {
        let hello = schema.frozen.first().ok_or("the schema has no hello")?;
        let mut version = 0;
        for field in &hello.fields {
            let start = self.at;
            match &field.kind {
                FrozenKind::Magic(letters) => {
                    let bytes = self.take(letters.len())?;
                    self.push(start, &field.name, bytes.escape_ascii().to_string(), &field.doc);
                    if bytes != letters.as_bytes() {
                        return Err("hello: other first bytes".into());
                    }
                }
                FrozenKind::Scalar(scalar) => {
                    let number = self.number(*scalar)?;
                    let is_hash = field.name.ends_with("hash");
                    let shown = if is_hash { format!("{number:016x}") } else { number.to_string() };
                    self.push(start, &field.name, shown, &field.doc);
                    if field.name == "hello_version" {
                        version = number;
                    }
                }
                FrozenKind::List { max, items } => {
                    let n = self.count(*max, &field.name, &field.doc)?;
                    self.depth = 1;
                    for _ in 0..n {
                        for (name, scalar) in items {
                            let start = self.at;
                            let number = self.number(*scalar)?;
                            let shown = if name == "fingerprint" {
                                format!("{number:016x}")
                            } else {
                                number.to_string()
                            };
                            self.push(start, name, shown, "");
                        }
                    }
                    self.depth = 0;
                }
                FrozenKind::Array(n) => {
                    let bytes = self.take(*n as usize)?;
                    self.push(start, &field.name, hex(bytes), &field.doc);
                }
                FrozenKind::Text(max) => {
                    let n = self.count(*max, &field.name, &field.doc)?;
                    let start = self.at;
                    let bytes = self.take(n as usize)?;
                    self.push(start, "text", format!("{:?}", String::from_utf8_lossy(bytes)), "");
                    if std::str::from_utf8(bytes).is_err() {
                        return Err(format!("{}: text is not UTF-8", field.name));
                    }
                }
            }
        }
        match self.bytes.len() - self.at {
            _ if version == 0 => Err("hello: version 0".into()),
            n if n > 0 && version <= u64::from(schema.protocol.hello_version) => {
                Err(format!("{n} bytes are left over from byte {}", self.at))
            }
            _ => Ok(()),
        }
    }

    fn count(&mut self, max: u32, name: &str, note: &str) -> Result<u32, Stop> {
        let start = self.at;
        let n = u32::from(self.take(1)?[0]);
        self.push(start, &format!("{name} count"), n.to_string(), note);
        if n > max { Err(format!("{name} is too long: {n} of at most {max}")) } else { Ok(n) }
    }
}

fn show_number(field: Option<&RecordField>, number: u64) -> (String, Option<&'static str>) {
    let problem = match field.map(|field| field.kind) {
        Some(RecordKind::U32) if u32::try_from(number).is_err() => Some("a number is wider than 32 bits"),
        Some(RecordKind::Bool) if number > 1 => Some("a flag is neither 0 nor 1"),
        Some(RecordKind::Bytes(_) | RecordKind::Text(_) | RecordKind::ListU32(_)) => {
            Some("a field is a number and should be bytes")
        }
        _ => None,
    };
    (number.to_string(), problem)
}

fn show_bytes(field: Option<&RecordField>, bytes: &[u8]) -> (String, Option<&'static str>) {
    match field.map(|field| field.kind) {
        Some(RecordKind::Text(max)) => {
            let shown = format!("{:?}", String::from_utf8_lossy(bytes));
            let problem = match std::str::from_utf8(bytes) {
                _ if bytes.len() > max as usize => Some("a field is longer than its bound"),
                Err(_) => Some("text is not UTF-8"),
                Ok(_) => None,
            };
            (shown, problem)
        }
        Some(RecordKind::ListU32(max)) => {
            let mut tracer = Tracer { bytes, at: 0, depth: 0, lines: Vec::new() };
            let mut values = Vec::new();
            while tracer.at < bytes.len() {
                match tracer.varint().ok().and_then(|number| u32::try_from(number).ok()) {
                    Some(number) => values.push(number),
                    None => return (hex(bytes), Some("a list holds no number of 32 bits")),
                }
            }
            let is_long = values.len() > max as usize;
            (format!("{values:?}"), is_long.then_some("a field is longer than its bound"))
        }
        Some(RecordKind::Bytes(max)) if bytes.len() > max as usize => {
            (hex(bytes), Some("a field is longer than its bound"))
        }
        Some(RecordKind::Bytes(_)) | None => (hex(bytes), None),
        Some(_) => (hex(bytes), Some("a field is bytes and should be a number")),
    }
}

/// Bytes for people: long ones are cut, zeros are said.
fn hex(bytes: &[u8]) -> String {
    if bytes.iter().all(|byte| *byte == 0) {
        return format!("{} zero bytes", bytes.len());
    }
    let shown: String = bytes.iter().take(32).map(|byte| format!("{byte:02x}")).collect();
    if bytes.len() > 32 { format!("{shown}... ({} bytes)", bytes.len()) } else { shown }
}
