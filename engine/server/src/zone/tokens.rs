//! Resume tokens: whoever shows one is that player again.
//!
//! A token is 32 random bytes: 8 that find the entry and 24 that prove it, compared in constant time, so that
//! timing tells nothing about the secret. It is rotated on use; the one that was shown stays good until the new
//! connection has sent a command, because a Welcome can be lost together with the connection that carried it.
//! Source: docs/PROTOCOL.md "Hello".

use std::collections::HashMap;

use engine::DurableId;

/// Bytes of a token.
pub const TOKEN_BYTES: usize = 32;
const FINDER_BYTES: usize = 8;
const SECRET_BYTES: usize = TOKEN_BYTES - FINDER_BYTES;

/// A token as it travels.
pub type Token = [u8; TOKEN_BYTES];

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
    /// Makes `fresh`, which must be random, the token of a player. Of those before, only the one that was `shown`
    /// stays good for now: it is the one that the client surely has, however many Welcomes were lost since.
    pub fn give(&mut self, player: DurableId, fresh: Token, shown: Option<&Token>) {
        let previous = shown.filter(|shown| self.player(shown) == Some(player)).map(|shown| split(shown).0);
        if let Some(before) = self.by_player.remove(&player) {
            for old in [Some(before.current), before.previous].into_iter().flatten() {
                if Some(old) != previous {
                    self.by_finder.remove(&old);
                }
            }
        }
        let (finder, secret) = split(&fresh);
        self.by_finder.insert(finder, (secret, player));
        self.by_player.insert(player, Held { current: finder, previous });
    }

    /// The player whose token this is.
    #[must_use]
    pub fn player(&self, token: &Token) -> Option<DurableId> {
        let (finder, secret) = split(token);
        let (good, player) = self.by_finder.get(&finder)?;
        is_equal(good, &secret).then_some(*player)
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

    /// How many players hold a token: as many as have a body, or are about to get one.
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

fn split(token: &Token) -> (Finder, Secret) {
    let (finder, secret) = token.split_at(FINDER_BYTES);
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

    #[test]
    fn a_token_names_its_player_and_a_wrong_byte_names_nobody() {
        let mut tokens = Tokens::default();
        tokens.give(ANNA, [1; 32], None);
        tokens.give(BERT, [2; 32], None);
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
        tokens.give(ANNA, [1; 32], None);
        tokens.give(ANNA, [2; 32], Some(&[1; 32]));
        assert_eq!(tokens.player(&[1; 32]), Some(ANNA), "the welcome with the new token may be lost");
        tokens.confirm(ANNA);
        assert_eq!((tokens.player(&[1; 32]), tokens.player(&[2; 32])), (None, Some(ANNA)));
        tokens.confirm(ANNA);
        assert_eq!(tokens.n_tokens(), 1);
    }

    #[test]
    fn a_token_in_hand_outlives_any_number_of_lost_welcomes() {
        let mut tokens = Tokens::default();
        tokens.give(ANNA, [1; 32], None);
        for byte in 2..=50 {
            tokens.give(ANNA, [byte; 32], Some(&[1; 32]));
            assert_eq!((tokens.player(&[1; 32]), tokens.player(&[byte; 32])), (Some(ANNA), Some(ANNA)));
            assert_eq!(tokens.n_tokens(), 2, "a token that nobody has shown stays good");
        }
        tokens.give(ANNA, [51; 32], Some(&[50; 32]));
        assert_eq!(tokens.player(&[1; 32]), None, "a newer one was shown, so its Welcome had arrived");
    }

    #[test]
    fn a_player_never_holds_more_than_two_tokens_and_none_when_forgotten() {
        let mut tokens = Tokens::default();
        for byte in 1..=50 {
            tokens.give(ANNA, [byte; 32], Some(&[byte - 1; 32]));
            assert!(tokens.n_tokens() <= 2);
        }
        tokens.forget(ANNA);
        tokens.forget(ANNA);
        assert_eq!((tokens.n_tokens(), tokens.player(&[50; 32])), (0, None));
    }
}
