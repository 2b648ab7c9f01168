/// Bytes of a hello that are not read yet.
struct HelloBytes<'a>(&'a [u8]);

impl HelloBytes<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let Some((head, rest)) = self.0.split_first_chunk::<N>() else {
            return Err(DecodeError::Hello { reason: "bytes end early" });
        };
        self.0 = rest;
        Ok(*head)
    }

    fn count(&mut self, max: u32, what: &'static str) -> Result<usize, DecodeError> {
        let [n] = self.take()?;
        if u32::from(n) > max {
            return Err(DecodeError::TooLong { what, n: u32::from(n), max });
        }
        Ok(usize::from(n))
    }

    fn text(&mut self, max: u32, what: &'static str) -> Result<String, DecodeError> {
        let n = self.count(max, what)?;
        let Some((head, rest)) = self.0.split_at_checked(n) else {
            return Err(DecodeError::Hello { reason: "bytes end early" });
        };
        self.0 = rest;
        String::from_utf8(head.to_vec()).map_err(|_| DecodeError::Hello { reason: "text is not UTF-8" })
    }
}

fn put_count(out: &mut Vec<u8>, n: usize, max: usize, what: &str) {
    assert!(n <= max, "hello: {what} is too long: {n} of at most {max}");
    out.push(n as u8);
}
