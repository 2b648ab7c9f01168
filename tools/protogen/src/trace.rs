//! Bits explained: every field of a frame or an input datagram with its place, width and value.
//!
//! Reads straight from the schema and knows the composition of both; stops at the first error and keeps
//! what came before it. Source: docs/PROTOCOL.md "Frame", "Input".

use crate::layout::{mask, span};
use crate::model::{Block, Field, FieldKind, Schema};

/// One field, or the title of the block that holds the fields below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// First bit.
    pub at_bit: usize,
    /// Width; 0 for a title.
    pub n_bits: u32,
    /// How deep it is nested.
    pub depth: usize,
    /// Name of the field or title of the block.
    pub name: String,
    /// The value for people; empty for a title.
    pub value: String,
    /// Unit and sentence from the schema.
    pub note: String,
}

/// What was understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// In the order of the bits.
    pub lines: Vec<Line>,
    /// Why the rest was not.
    pub error: Option<String>,
}

/// Ends a trace; the reason is for people.
pub(crate) type Stop = String;

/// Explains a snapshot frame.
#[must_use]
pub fn frame(schema: &Schema, bytes: &[u8]) -> Trace {
    Tracer::run(schema, bytes, Tracer::frame)
}

/// Explains an input datagram.
#[must_use]
pub fn input(schema: &Schema, bytes: &[u8]) -> Trace {
    Tracer::run(schema, bytes, |tracer| {
        tracer.block("Acks", "Acks")?;
        tracer.block("CommandsHead", "CommandsHead")?;
        let (n, tick) = (tracer.last("n_commands"), tracer.last("tick"));
        for back in 0..n {
            tracer
                .block("Command", &format!("Command for tick {}", (tick as u32).wrapping_sub(back as u32)))?;
        }
        Ok(())
    })
}

/// Explains a single block, padded to bytes.
#[must_use]
pub fn block(schema: &Schema, name: &str, bytes: &[u8]) -> Trace {
    Tracer::run(schema, bytes, |tracer| tracer.block(name, name))
}

struct Tracer<'a> {
    schema: &'a Schema,
    bytes: &'a [u8],
    at_bit: usize,
    depth: usize,
    lines: Vec<Line>,
    /// Raw values by name of the field; the newest wins.
    raws: std::collections::BTreeMap<String, u64>,
}

impl<'a> Tracer<'a> {
    fn run(schema: &'a Schema, bytes: &'a [u8], read: impl FnOnce(&mut Self) -> Result<(), Stop>) -> Trace {
        let mut tracer = Self {
            schema,
            bytes,
            at_bit: 0,
            depth: 0,
            lines: Vec::new(),
            raws: std::collections::BTreeMap::new(),
        };
        let error = read(&mut tracer).and_then(|()| tracer.padding()).err();
        Trace { lines: tracer.lines, error }
    }

    fn last(&self, name: &str) -> u64 {
        self.raws.get(name).copied().unwrap_or(0)
    }

    fn take(&mut self, n_bits: u32) -> Result<u64, Stop> {
        let at = self.at_bit;
        if at + n_bits as usize > self.bytes.len() * 8 {
            return Err(format!("bytes end at bit {at} inside a field of {n_bits} bits"));
        }
        self.at_bit += n_bits as usize;
        let bit = |bit: usize| u64::from(self.bytes[bit / 8] >> (bit % 8) & 1);
        Ok((0..n_bits as usize).fold(0, |value, offset| value | bit(at + offset) << offset))
    }

    fn title(&mut self, name: impl Into<String>) {
        let (name, none) = (name.into(), String::new());
        let (at_bit, depth) = (self.at_bit, self.depth);
        self.lines.push(Line { at_bit, n_bits: 0, depth, name, value: none.clone(), note: none });
    }

    /// Takes a field of the composition itself.
    fn part(&mut self, n_bits: u32, name: &str, note: &str, max: u32) -> Result<u64, Stop> {
        let at_bit = self.at_bit;
        let raw = self.take(n_bits)?;
        self.push(at_bit, n_bits, name, raw.to_string(), note.to_owned());
        if raw > u64::from(max) { Err(format!("{name} is out of range: {raw}")) } else { Ok(raw) }
    }

    fn push(&mut self, at_bit: usize, n_bits: u32, name: &str, value: String, note: String) {
        self.lines.push(Line { at_bit, n_bits, depth: self.depth, name: name.to_owned(), value, note });
    }

    fn nested(&mut self, read: impl FnOnce(&mut Self) -> Result<(), Stop>) -> Result<(), Stop> {
        self.depth += 1;
        let done = read(self);
        self.depth -= 1;
        done
    }

    fn block(&mut self, name: &str, title: &str) -> Result<(), Stop> {
        let schema = self.schema;
        let block = schema.find_block(name).ok_or_else(|| format!("the schema has no block {name}"))?;
        self.title(title);
        self.nested(|tracer| block.fields.iter().try_for_each(|field| tracer.field(block, field)))
    }

    fn field(&mut self, block: &Block, field: &Field) -> Result<(), Stop> {
        let schema = self.schema;
        match &field.kind {
            FieldKind::Block(name) => return self.block(name, &format!("{}: {name}", field.name)),
            FieldKind::Option(name) => {
                if self.part(1, &format!("{}?", field.name), &note(field), 1)? == 1 {
                    self.block(name, &format!("{}: {name}", field.name))?;
                }
                return Ok(());
            }
            FieldKind::Union(name) => {
                let union = schema.find_union(name).expect("names were checked");
                let at_bit = self.at_bit;
                let tag = self.take(union.tag_bits)?;
                let variant = union.variants.iter().find(|variant| u64::from(variant.tag) == tag);
                let shown = variant.map_or_else(String::new, |variant| format!(" {}", variant.name));
                self.push(at_bit, union.tag_bits, &field.name, format!("{tag}{shown}"), note(field));
                let variant = variant.ok_or_else(|| format!("{name} has no variant {tag}"))?;
                return self.block(&variant.block, &variant.block);
            }
            _ => {}
        }
        let at_bit = self.at_bit;
        let n_bits = schema.field_bits(field).expect("all else is of fixed width");
        let raw = self.take(n_bits)?;
        self.raws.insert(field.name.clone(), raw);
        let (shown, is_good) = show(schema, field, raw);
        self.push(at_bit, n_bits, &field.name, shown, note(field));
        if is_good { Ok(()) } else { Err(format!("{}.{} is out of range: {raw}", block.name, field.name)) }
    }

    fn frame(&mut self) -> Result<(), Stop> {
        let max = |name: &str| {
            let constant = self.schema.constants.iter().find(|constant| constant.name == name);
            constant.map_or(u32::MAX, |constant| constant.value)
        };
        let (slots, introductions) = (max("SLOTS"), max("INTRODUCTIONS_MAX"));
        let (timed, bytes) = (max("TIMED_PENDING_MAX"), max("FRAME_BYTES_MAX"));
        if self.bytes.len() > bytes as usize {
            return Err(format!("frame is too long: {} of at most {bytes} bytes", self.bytes.len()));
        }
        self.block("Header", "Header")?;
        self.block("Own", "Own")?;
        let schema = self.schema;
        let n_groups = schema.groups().len() as u32;
        let present =
            self.part(4 + n_groups, "parts", "a bit for each part that follows, lowest first", u32::MAX)?;
        let has = |at: u32| present >> at & 1 == 1;
        let n = if has(0) { self.count(6, "news count", slots)? } else { 0 };
        let mut above = 0;
        for at in 0..n {
            self.block("SlotNews", &format!("SlotNews {at}"))?;
            above = self.ascending(above, "slot news")?;
        }
        let n = if has(1) { self.count(5, "introduction count", introductions)? } else { 0 };
        let (mut above, mut taken) = (0, 0);
        for at in 0..n {
            self.block("Introduction", &format!("Introduction {at}"))?;
            above = self.ascending(above, "introductions")?;
            taken |= 1_u64 << self.last("slot");
        }
        let steps = if has(2) { self.group("Step", taken)? } else { 0 };
        for (group, at) in schema.groups().into_iter().zip(3..) {
            if has(at) {
                self.group(&group.name, if at == 3 { taken | steps } else { taken })?;
            }
        }
        let n = if has(3 + n_groups) { self.count(4, "timed count", timed)? } else { 0 };
        (0..n).try_for_each(|at| self.block("Timed", &format!("Timed {at}")))
    }

    /// How many follow: it travels less one.
    fn count(&mut self, n_bits: u32, name: &str, max: u32) -> Result<u64, Stop> {
        Ok(self.part(n_bits, name, "so many follow, less one", max - 1)? + 1)
    }

    /// Checks that the slot just read is not below `above`; gives the next bound.
    fn ascending(&self, above: u64, what: &str) -> Result<u64, Stop> {
        match self.last("slot") {
            slot if slot < above => Err(format!("{what} is not in ascending order")),
            slot => Ok(slot + 1),
        }
    }

    /// Steps, or values of a group; gives their slots as a mask.
    fn group(&mut self, name: &str, taken: u64) -> Result<u64, Stop> {
        let slots = self.slot_list(name)?;
        if let Some(slot) = slots.iter().find(|slot| taken >> **slot & 1 == 1) {
            return Err(format!("{name} of slot {slot}, which was just introduced or has a step"));
        }
        self.nested(|tracer| {
            slots.iter().try_for_each(|slot| {
                let title = format!("{name} of slot {slot}");
                let is_there = name != "Status" || tracer.part(1, &title, "0: all zero", 1)? == 1;
                if is_there { tracer.block(name, &title) } else { Ok(()) }
            })
        })?;
        Ok(slots.iter().fold(0, |mask, slot| mask | 1 << slot))
    }

    fn slot_list(&mut self, name: &str) -> Result<Vec<u64>, Stop> {
        let selector =
            self.part(4, &format!("{name} slots"), "1-8: so many indices follow; 15: a mask", 15)?;
        match selector {
            15 => {
                let mut mask = 0;
                for piece in 0..4 {
                    mask |= self.part(16, "mask", "one bit a slot, low piece first", 0xffff)? << (16 * piece);
                }
                Ok((0..64).filter(|slot| mask >> slot & 1 == 1).collect())
            }
            0 | 9..=14 => Err(format!("slot list selector is out of range: {selector}")),
            n => {
                let mut slots = Vec::new();
                for _ in 0..n {
                    let slot = self.part(6, "slot", "", 63)?;
                    if slots.last().is_some_and(|last| *last >= slot) {
                        return Err("slot list is not in ascending order".into());
                    }
                    slots.push(slot);
                }
                Ok(slots)
            }
        }
    }

    fn padding(&mut self) -> Result<(), Stop> {
        let (at_bit, left) = (self.at_bit, self.bytes.len() * 8 - self.at_bit);
        if left == 0 {
            return Ok(());
        }
        let n_bits = left.min(7) as u32;
        let raw = self.take(n_bits)?;
        self.push(at_bit, n_bits, "padding", raw.to_string(), "zero".into());
        if left > 7 || raw != 0 { Err(format!("bits are left over from bit {at_bit}")) } else { Ok(()) }
    }
}

fn note(field: &Field) -> String {
    match &field.unit {
        Some(unit) => format!("[{unit}] {}", field.doc),
        None => field.doc.clone(),
    }
}

/// A raw value for people, and whether it decodes.
fn show(schema: &Schema, field: &Field, raw: u64) -> (String, bool) {
    match &field.kind {
        FieldKind::Int { min, max } => {
            ((raw as i64 + i64::from(*min)).to_string(), raw <= u64::from(span(*min, *max)))
        }
        FieldKind::Enum(name) => {
            let item = schema.find_enum(name).expect("names were checked");
            let value = item.values.iter().find(|value| u64::from(value.value) == raw);
            let shown = value.map_or_else(|| raw.to_string(), |value| format!("{raw} {}", value.name));
            (shown, value.is_some())
        }
        FieldKind::Bool => ((raw == 1).to_string(), true),
        FieldKind::Uint { bits, max } => (raw.to_string(), raw <= u64::from((*max).min(mask(*bits)))),
        _ => (raw.to_string(), true),
    }
}

impl Trace {
    /// The trace as a table: place as byte.bit, width in bits, the field with its value, what it means.
    #[must_use]
    pub fn table(&self) -> String {
        let label = |line: &Line| {
            let indent = "  ".repeat(line.depth);
            let equals = if line.value.is_empty() { "" } else { " = " };
            format!("{indent}{}{equals}{}", line.name, line.value)
        };
        let width =
            self.lines.iter().map(|line| label(line).chars().count()).filter(|width| *width <= 56).max();
        let width = width.unwrap_or(0);
        let mut text = String::new();
        for line in &self.lines {
            let at = format!("{}.{}", line.at_bit / 8, line.at_bit % 8);
            let bits = if line.value.is_empty() { String::new() } else { line.n_bits.to_string() };
            let row = format!("{at:>7} {bits:>5}  {:width$}  {}", label(line), line.note);
            text.push_str(row.trim_end());
            text.push('\n');
        }
        if let Some(error) = &self.error {
            text.push_str(&format!("  error: {error}\n"));
        }
        text
    }
}
