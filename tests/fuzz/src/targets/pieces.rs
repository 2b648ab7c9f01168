//! Inputs of several pieces: a kind, a length, and so many bytes, over and over.
//!
//! Any bytes are pieces: a length beyond the end means all that is left.

/// One piece.
pub struct Piece<'a> {
    /// What to do with it.
    pub kind: u8,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// Takes pieces off the front.
pub struct Pieces<'a>(pub &'a [u8]);

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let ([kind, low, high], rest) = self.0.split_first_chunk::<3>()?;
        let n_bytes = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
        let (bytes, rest) = rest.split_at(n_bytes);
        self.0 = rest;
        Some(Piece { kind: *kind, bytes })
    }
}

/// Appends a piece.
///
/// # Panics
/// If it is longer than its length can say.
pub fn push(out: &mut Vec<u8>, kind: u8, bytes: &[u8]) {
    let n_bytes = u16::try_from(bytes.len()).expect("pieces are short");
    out.push(kind);
    out.extend_from_slice(&n_bytes.to_le_bytes());
    out.extend_from_slice(bytes);
}
