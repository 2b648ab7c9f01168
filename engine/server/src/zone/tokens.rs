//! Resume tokens: whoever shows one is that player again.
//!
//! A token is 32 random bytes. Kept is its SHA-256 only, here and in the log: what is kept lets nobody in. 8 bytes of it
//! find the entry and 24 prove it, compared in constant time. It is rotated on use; the one that was shown stays good
//! until the new connection has sent a command, because a Welcome can be lost together with the connection that carried
//! it. Source: docs/PROTOCOL.md "Hello".

use std::collections::HashMap;

use engine::DurableId;
use sha2::{Digest, Sha256};

/// Bytes of a token.
pub const TOKEN_BYTES: usize = 32;
const FINDER_BYTES: usize = 8;
const SECRET_BYTES: usize = TOKEN_BYTES - FINDER_BYTES;

/// A token as it travels.
pub type Token = [u8; TOKEN_BYTES];

/// What is kept of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenHash(pub [u8; TOKEN_BYTES]);

impl TokenHash {
    /// Of a token as it travels.
    ///
    /// - Cost: half a microsecond.
    #[must_use]
    pub fn of(token: &Token) -> Self {
        Self(Sha256::digest(token).into())
    }
}

/// A player got a new token: what has to be known to let that player in again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Who.
    pub player: DurableId,
    /// The new token.
    pub fresh: TokenHash,
    /// The token that was shown for it; none: the player is new.
    pub shown: Option<TokenHash>,
}

type Finder = [u8; FINDER_BYTES];
type Secret = [u8; SECRET_BYTES];

/// All tokens that are good now.
#[derive(Default)]
pub struct Tokens {
    by_finder: HashMap<Finder, (Secret, DurableId)>,
    by_player: HashMap<DurableId, Held>,
}

struct Held {
    current: Finder,
    previous: Option<Finder>,
}

impl Tokens {
    /// Makes the fresh token, which must be random, that of a player. Of those before, only the one that was shown
    /// stays good for now: it is the one that the client surely has, however many Welcomes were lost since.
    pub fn give(&mut self, grant: &Grant) {
        let Grant { player, fresh, shown } = grant;
        let previous = shown.filter(|shown| self.holder(shown) == Some(*player));
        let previous = previous.map(|shown| split(&shown).0);
        if let Some(before) = self.by_player.remove(player) {
            for old in [Some(before.current), before.previous].into_iter().flatten() {
                if Some(old) != previous {
                    self.by_finder.remove(&old);
                }
            }
        }
        let (finder, secret) = split(fresh);
        self.by_finder.insert(finder, (secret, *player));
        self.by_player.insert(*player, Held { current: finder, previous });
    }

    /// The player whose token this is.
    #[must_use]
    pub fn player(&self, token: &Token) -> Option<DurableId> {
        self.holder(&TokenHash::of(token))
    }

    fn holder(&self, hash: &TokenHash) -> Option<DurableId> {
        let (finder, secret) = split(hash);
        let (good, player) = self.by_finder.get(&finder)?;
        is_equal(good, &secret).then_some(*player)
    }

    /// Grants that make the same tokens good again, in the order in which they must be given.
    pub fn grants(&self) -> impl Iterator<Item = Grant> {
        let hash = |finder: &Finder| {
            let (secret, _) = self.by_finder.get(finder).expect("what a player holds is found");
            TokenHash([&finder[..], secret].concat().try_into().expect("the halves of a hash"))
        };
        self.by_player.iter().flat_map(move |(player, held)| {
            let previous = held.previous.as_ref().map(hash);
            let before = previous.map(|fresh| Grant { player: *player, fresh, shown: None });
            let last = Grant { player: *player, fresh: hash(&held.current), shown: previous };
            before.into_iter().chain([last])
        })
    }

    /// Forgets everybody else.
    pub fn retain(&mut self, is_known: impl Fn(DurableId) -> bool) {
        let strangers: Vec<DurableId> =
            self.by_player.keys().copied().filter(|player| !is_known(*player)).collect();
        strangers.into_iter().for_each(|player| self.forget(player));
    }

    /// The player has its newest token in hand: the one before is worth nothing any more.
    pub fn confirm(&mut self, player: DurableId) {
        let held = self.by_player.get_mut(&player);
        if let Some(previous) = held.and_then(|held| held.previous.take()) {
            self.by_finder.remove(&previous);
        }
    }

    /// The player is gone for good.
    pub fn forget(&mut self, player: DurableId) {
        self.confirm(player);
        if let Some(held) = self.by_player.remove(&player) {
            self.by_finder.remove(&held.current);
        }
    }

    /// Everybody who holds a token.
    pub fn players(&self) -> impl Iterator<Item = DurableId> {
        self.by_player.keys().copied()
    }

    /// How many players hold a token.
    #[must_use]
    pub fn n_players(&self) -> usize {
        self.by_player.len()
    }

    /// How many tokens are good now.
    #[must_use]
    pub fn n_tokens(&self) -> usize {
        self.by_finder.len()
    }
}

fn split(hash: &TokenHash) -> (Finder, Secret) {
    let (finder, secret) = hash.0.split_at(FINDER_BYTES);
    (finder.try_into().expect("split at its length"), secret.try_into().expect("the rest has its length"))
}

/// Compares in a time that does not depend on where the difference is.
fn is_equal(left: &Secret, right: &Secret) -> bool {
    let difference = left.iter().zip(right).fold(0, |any, (left, right)| any | (left ^ right));
    std::hint::black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNA: DurableId = DurableId { low: 1, high: 9 };
    const BERT: DurableId = DurableId { low: 2, high: 9 };

    fn give(tokens: &mut Tokens, player: DurableId, fresh: Token, shown: Option<Token>) {
        let shown = shown.as_ref().map(TokenHash::of);
        tokens.give(&Grant { player, fresh: TokenHash::of(&fresh), shown });
    }

    #[test]
    fn what_was_granted_can_be_granted_again_elsewhere() {
        let mut tokens = Tokens::default();
        give(&mut tokens, ANNA, [1; 32], None);
        give(&mut tokens, ANNA, [2; 32], Some([1; 32]));
        give(&mut tokens, BERT, [3; 32], None);
        let mut copy = Tokens::default();
        tokens.grants().for_each(|grant| copy.give(&grant));
        assert_eq!([1, 2, 3].map(|byte| copy.player(&[byte; 32])), [Some(ANNA), Some(ANNA), Some(BERT)]);
        copy.retain(|player| player == BERT);
        assert_eq!([1, 2, 3].map(|byte| copy.player(&[byte; 32])), [None, None, Some(BERT)]);
        assert_eq!((copy.n_tokens(), copy.n_players()), (1, 1));
    }

    #[test]
    fn what_is_kept_of_a_token_lets_nobody_in() {
        let mut tokens = Tokens::default();
        give(&mut tokens, ANNA, [1; 32], None);
        let kept = tokens.grants().next().unwrap().fresh;
        assert_eq!(tokens.player(&kept.0), None);
    }

    #[test]
    fn a_token_names_its_player_and_a_wrong_byte_names_nobody() {
        let mut tokens = Tokens::default();
        give(&mut tokens, ANNA, [1; 32], None);
        give(&mut tokens, BERT, [2; 32], None);
        assert_eq!((tokens.player(&[1; 32]), tokens.player(&[2; 32])), (Some(ANNA), Some(BERT)));
        for at in 0..32 {
            let mut forged = [1; 32];
            forged[at] ^= 0x80;
            assert_eq!(tokens.player(&forged), None, "byte {at} was not looked at");
        }
        assert_eq!(tokens.player(&[0; 32]), None);
    }

    #[test]
    fn a_used_token_is_good_until_the_new_one_is_confirmed() {
        let mut tokens = Tokens::default();
        give(&mut tokens, ANNA, [1; 32], None);
        give(&mut tokens, ANNA, [2; 32], Some([1; 32]));
        assert_eq!(tokens.player(&[1; 32]), Some(ANNA), "the welcome with the new token may be lost");
        tokens.confirm(ANNA);
        assert_eq!((tokens.player(&[1; 32]), tokens.player(&[2; 32])), (None, Some(ANNA)));
        tokens.confirm(ANNA);
        assert_eq!(tokens.n_tokens(), 1);
    }

    #[test]
    fn a_token_in_hand_outlives_any_number_of_lost_welcomes() {
        let mut tokens = Tokens::default();
        give(&mut tokens, ANNA, [1; 32], None);
        for byte in 2..=50 {
            give(&mut tokens, ANNA, [byte; 32], Some([1; 32]));
            assert_eq!((tokens.player(&[1; 32]), tokens.player(&[byte; 32])), (Some(ANNA), Some(ANNA)));
            assert_eq!(tokens.n_tokens(), 2, "a token that nobody has shown stays good");
        }
        give(&mut tokens, ANNA, [51; 32], Some([50; 32]));
        assert_eq!(tokens.player(&[1; 32]), None, "a newer one was shown, so its Welcome had arrived");
    }

    #[test]
    fn a_player_never_holds_more_than_two_tokens_and_none_when_forgotten() {
        let mut tokens = Tokens::default();
        for byte in 1..=50 {
            give(&mut tokens, ANNA, [byte; 32], Some([byte - 1; 32]));
            assert!(tokens.n_tokens() <= 2);
        }
        tokens.forget(ANNA);
        tokens.forget(ANNA);
        assert_eq!((tokens.n_tokens(), tokens.player(&[50; 32])), (0, None));
    }
}
