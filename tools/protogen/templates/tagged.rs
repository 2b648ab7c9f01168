use crate::DecodeError;

const NUMBER: u8 = 0;
const BYTES: u8 = 1;

/// Appends a number unless it is 0.
pub(super) fn put_number(out: &mut Vec<u8>, id: u8, value: u64) {
    if value != 0 {
        out.push((id << 2) | NUMBER);
        put_varint(out, value);
    }
}

/// Appends bytes unless there are none.
pub(super) fn put_bytes(out: &mut Vec<u8>, id: u8, bytes: &[u8]) {
    if !bytes.is_empty() {
        out.push((id << 2) | BYTES);
        put_varint(out, bytes.len() as u64);
        out.extend_from_slice(bytes);
    }
}

/// Appends a list of numbers unless it is empty.
pub(super) fn put_list(out: &mut Vec<u8>, id: u8, values: &[u32]) {
    let mut bytes = Vec::with_capacity(values.len() * 5);
    for value in values {
        put_varint(&mut bytes, u64::from(*value));
    }
    put_bytes(out, id, &bytes);
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Takes a LEB128 number off the front; `None` when it ends early or is wider than 64 bits.
fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        if shift == 63 && byte > 1 {
            return None;
        }
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a record, in ascending order of id.
pub(super) struct Fields<'a> {
    opcode: u8,
    rest: &'a [u8],
    last_id: u8,
    value: Value<'a>,
}

impl<'a> Fields<'a> {
    /// Starts behind the opcode.
    pub(super) fn new(bytes: &'a [u8], opcode: u8) -> Result<Self, DecodeError> {
        match bytes.split_first() {
            Some((&first, rest)) if first == opcode => {
                Ok(Self { opcode, rest, last_id: 0, value: Value::Number(0) })
            }
            Some((&first, _)) => Err(DecodeError::Record { opcode: first, reason: "another opcode was expected" }),
            None => Err(DecodeError::Record { opcode: 0, reason: "it is empty" }),
        }
    }

    /// Steps to the next field and holds its value; `None` behind the last one.
    pub(super) fn next_id(&mut self) -> Result<Option<u8>, DecodeError> {
        let Some((&key, rest)) = self.rest.split_first() else {
            return Ok(None);
        };
        self.rest = rest;
        let id = key >> 2;
        if id <= self.last_id {
            return Err(self.broken("field ids do not ascend from 1"));
        }
        self.last_id = id;
        let Some(number) = take_varint(&mut self.rest) else {
            return Err(self.broken("a number ends early or is too wide"));
        };
        self.value = match key & 3 {
            NUMBER => Value::Number(number),
            BYTES => Value::Bytes(self.take_bytes(number)?),
            _ => return Err(self.broken("a field has no known type")),
        };
        Ok(Some(id))
    }

    pub(super) fn u64(&self) -> Result<u64, DecodeError> {
        match self.value {
            Value::Number(number) => Ok(number),
            Value::Bytes(_) => Err(self.broken("a field is bytes and should be a number")),
        }
    }

    pub(super) fn u32(&self) -> Result<u32, DecodeError> {
        u32::try_from(self.u64()?).map_err(|_| self.broken("a number is wider than 32 bits"))
    }

    pub(super) fn bool(&self) -> Result<bool, DecodeError> {
        match self.u64()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.broken("a flag is neither 0 nor 1")),
        }
    }

    pub(super) fn bytes(&self, max: usize) -> Result<Vec<u8>, DecodeError> {
        Ok(self.slice(max)?.to_vec())
    }

    pub(super) fn text(&self, max: usize) -> Result<String, DecodeError> {
        let text = std::str::from_utf8(self.slice(max)?);
        text.map(str::to_owned).map_err(|_| self.broken("text is not UTF-8"))
    }

    pub(super) fn list_u32(&self, max: usize) -> Result<Vec<u32>, DecodeError> {
        let mut rest = self.slice(max * 5)?;
        let mut values = Vec::new();
        while !rest.is_empty() {
            let number = take_varint(&mut rest).and_then(|number| u32::try_from(number).ok());
            let Some(number) = number else {
                return Err(self.broken("a list holds no number of 32 bits"));
            };
            if values.len() == max {
                return Err(self.broken("a field is longer than its bound"));
            }
            values.push(number);
        }
        Ok(values)
    }

    fn slice(&self, max: usize) -> Result<&'a [u8], DecodeError> {
        match self.value {
            Value::Bytes(bytes) if bytes.len() <= max => Ok(bytes),
            Value::Bytes(_) => Err(self.broken("a field is longer than its bound")),
            Value::Number(_) => Err(self.broken("a field is a number and should be bytes")),
        }
    }

    fn take_bytes(&mut self, n: u64) -> Result<&'a [u8], DecodeError> {
        let n = usize::try_from(n).unwrap_or(usize::MAX);
        let Some((head, rest)) = self.rest.split_at_checked(n) else {
            return Err(self.broken("a length is beyond the end"));
        };
        self.rest = rest;
        Ok(head)
    }

    fn broken(&self, reason: &'static str) -> DecodeError {
        DecodeError::Record { opcode: self.opcode, reason }
    }
}
