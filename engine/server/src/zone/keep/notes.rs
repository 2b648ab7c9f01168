//! What the zone keeps of its players beside the world, in the log and in checkpoints: who may come back, by which token.

use engine::DurableId;
use engine::replay::bytes::{Bytes, Malformed, put};

use crate::zone::tokens::{Grant, TOKEN_BYTES, TokenHash};

/// Appends grants: how many, and 41 or 73 bytes each.
pub fn write(out: &mut Vec<u8>, grants: &[Grant]) {
    put(out, grants.len() as u64);
    for Grant { player, fresh, shown } in grants {
        out.extend_from_slice(&player.low.to_le_bytes());
        out.extend_from_slice(&player.high.to_le_bytes());
        out.extend_from_slice(&fresh.0);
        out.push(u8::from(shown.is_some()));
        if let Some(shown) = shown {
            out.extend_from_slice(&shown.0);
        }
    }
}

/// Reads grants from untrusted bytes, all of them.
///
/// # Errors
/// [`Malformed`], also when something follows.
pub fn read(bytes: &[u8]) -> Result<Vec<Grant>, Malformed> {
    let mut bytes = Bytes::new(bytes);
    let n = bytes.count("the number of tokens")?;
    let grants = (0..n).map(|_| read_one(&mut bytes)).collect::<Result<Vec<_>, _>>()?;
    if bytes.n_left() > 0 { Err(Malformed::Bounds("the end of the tokens")) } else { Ok(grants) }
}

fn read_one(bytes: &mut Bytes<'_>) -> Result<Grant, Malformed> {
    let player = DurableId { low: bytes.word("a player")?, high: bytes.word("a player")? };
    let fresh = read_hash(bytes)?;
    let shown = match bytes.byte("a token")? {
        0 => None,
        1 => Some(read_hash(bytes)?),
        _ => return Err(Malformed::Bounds("a token")),
    };
    Ok(Grant { player, fresh, shown })
}

fn read_hash(bytes: &mut Bytes<'_>) -> Result<TokenHash, Malformed> {
    let hash = bytes.take(TOKEN_BYTES, "a token")?;
    Ok(TokenHash(hash.try_into().expect("as many were taken")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_come_back_and_no_part_of_them_is_enough() {
        let hash = |byte| TokenHash([byte; TOKEN_BYTES]);
        let grants = [
            Grant { player: DurableId { low: 1, high: 2 }, fresh: hash(3), shown: None },
            Grant { player: DurableId { low: 4, high: 5 }, fresh: hash(6), shown: Some(hash(3)) },
        ];
        let mut bytes = Vec::new();
        write(&mut bytes, &grants);
        assert_eq!(read(&bytes).unwrap(), grants);
        for n in 0..bytes.len() {
            assert!(read(&bytes[..n]).is_err(), "{n} bytes");
        }
        bytes.push(0);
        assert!(read(&bytes).is_err());
    }
}
