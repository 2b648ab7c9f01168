//! Numbers as bytes: short ones for small numbers, and a reader that trusts nobody.

/// Why bytes make no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// They end inside of something.
    #[error("the bytes end inside {0}")]
    Short(&'static str),
    /// A value that cannot be.
    #[error("{0} is out of bounds")]
    Bounds(&'static str),
}

/// Appends a number: seven bits per byte, low ones first, the top bit says that more follow.
pub fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a number that may be negative: 0, -1, 1, -2, ... become 0, 1, 2, 3, ...
pub fn put_signed(out: &mut Vec<u8>, value: i64) {
    put(out, (value << 1 ^ value >> 63) as u64);
}

/// Bytes that somebody else wrote, read from the front.
#[derive(Clone, Copy, Debug)]
pub struct Bytes<'a> {
    rest: &'a [u8],
}

impl<'a> Bytes<'a> {
    /// Reads `bytes` from their start.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// How many are left.
    #[must_use]
    pub fn n_left(&self) -> usize {
        self.rest.len()
    }

    /// The next `n` bytes; `what` they belong to.
    ///
    /// # Errors
    /// [`Malformed::Short`].
    pub fn take(&mut self, n: usize, what: &'static str) -> Result<&'a [u8], Malformed> {
        let (head, rest) = self.rest.split_at_checked(n).ok_or(Malformed::Short(what))?;
        self.rest = rest;
        Ok(head)
    }

    /// One byte.
    ///
    /// # Errors
    /// [`Malformed::Short`].
    pub fn byte(&mut self, what: &'static str) -> Result<u8, Malformed> {
        Ok(self.take(1, what)?[0])
    }

    /// A number as [`put`] writes it.
    ///
    /// # Errors
    /// [`Malformed`] when it does not end, or has more than 64 bits.
    pub fn number(&mut self, what: &'static str) -> Result<u64, Malformed> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte(what)?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(Malformed::Bounds(what));
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed::Bounds(what))
    }

    /// A number as [`put_signed`] writes it.
    ///
    /// # Errors
    /// As [`Bytes::number`].
    pub fn signed(&mut self, what: &'static str) -> Result<i64, Malformed> {
        let raw = self.number(what)?;
        Ok((raw >> 1) as i64 ^ -((raw & 1) as i64))
    }

    /// A number of at most `max`.
    ///
    /// # Errors
    /// [`Malformed`], also when it is larger.
    pub fn at_most(&mut self, max: u64, what: &'static str) -> Result<u64, Malformed> {
        let value = self.number(what)?;
        if value <= max { Ok(value) } else { Err(Malformed::Bounds(what)) }
    }

    /// How many things of at least one byte follow: never more than there are bytes left.
    ///
    /// # Errors
    /// As [`Bytes::at_most`].
    pub fn count(&mut self, what: &'static str) -> Result<usize, Malformed> {
        self.at_most(self.n_left() as u64, what).map(|n| n as usize)
    }

    /// Two bytes, low one first.
    ///
    /// # Errors
    /// [`Malformed::Short`].
    pub fn short(&mut self, what: &'static str) -> Result<u16, Malformed> {
        let bytes = self.take(2, what)?;
        Ok(u16::from_le_bytes(bytes.try_into().expect("two bytes were taken")))
    }

    /// Four bytes, low one first.
    ///
    /// # Errors
    /// [`Malformed::Short`].
    pub fn word(&mut self, what: &'static str) -> Result<u32, Malformed> {
        let bytes = self.take(4, what)?;
        Ok(u32::from_le_bytes(bytes.try_into().expect("four bytes were taken")))
    }

    /// Eight bytes, low one first.
    ///
    /// # Errors
    /// [`Malformed::Short`].
    pub fn long(&mut self, what: &'static str) -> Result<u64, Malformed> {
        let bytes = self.take(8, what)?;
        Ok(u64::from_le_bytes(bytes.try_into().expect("eight bytes were taken")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_comes_back_and_small_ones_are_short() {
        let mut bytes = Vec::new();
        let numbers = [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX - 1, u64::MAX];
        let signed = [0, -1, 1, 63, -64, i64::MIN, i64::MAX];
        numbers.iter().for_each(|number| put(&mut bytes, *number));
        signed.iter().for_each(|number| put_signed(&mut bytes, *number));
        let mut reader = Bytes::new(&bytes);
        assert_eq!(numbers.map(|_| reader.number("n").unwrap()), numbers);
        assert_eq!(signed.map(|_| reader.signed("n").unwrap()), signed);
        assert_eq!((reader.n_left(), bytes[..4].len()), (0, 4));
    }

    #[test]
    fn a_number_without_an_end_and_one_of_too_many_bits_are_refused() {
        assert_eq!(Bytes::new(&[0x80; 3]).number("n"), Err(Malformed::Short("n")));
        assert_eq!(Bytes::new(&[0xff; 11]).number("n"), Err(Malformed::Bounds("n")));
        let mut over = [0xff; 10];
        over[9] = 2;
        assert_eq!(Bytes::new(&over).number("n"), Err(Malformed::Bounds("n")));
        assert_eq!(Bytes::new(&[9]).count("n"), Err(Malformed::Bounds("n")));
    }
}
