//! The admin page: queries and hosts, and the tokens that a hello shows.

use super::pieces::{Pieces, push};
use engine::DurableId;
use server::admin::fuzzed;
use server::zone::tokens::{Grant, TOKEN_BYTES, Token, TokenHash, Tokens};

/// A rectangle reaches so far out of a zone at most, mm, and is at most twice as wide.
const REACH_MM: i64 = 10_000_000;

/// Queries, hosts, and what is done with tokens.
pub fn admin(bytes: &[u8]) -> bool {
    let mut tokens = Tokens::default();
    let mut is_past = false;
    for piece in Pieces(bytes) {
        let text = String::from_utf8_lossy(piece.bytes);
        match piece.kind & 7 {
            0 | 1 => {
                let Some([west, north, east, south]) = fuzzed::rectangle(&text) else { continue };
                let widths =
                    [(west, east), (north, south)].map(|(low, high)| i64::from(high) - i64::from(low));
                assert!(
                    widths.iter().all(|mm| (0..=REACH_MM + 1).contains(mm)),
                    "a rectangle of {widths:?} mm"
                );
                is_past = true;
            }
            2 | 3 => {
                let is_here = fuzzed::is_loopback_name(&text);
                let lower = text.to_ascii_lowercase();
                assert!(
                    !is_here || lower.contains("localhost") || lower.contains("127.") || lower.contains('1')
                );
                is_past |= is_here;
            }
            kind => {
                use_token(&mut tokens, kind, piece.kind >> 3, piece.bytes);
                is_past = true;
            }
        }
    }
    is_past
}

/// Nobody ever holds more than two tokens, and only whoever got one is known by it.
fn use_token(tokens: &mut Tokens, kind: u8, who: u8, bytes: &[u8]) {
    let player = DurableId { low: u32::from(who & 3), high: 1 };
    let mut token: Token = [0; TOKEN_BYTES];
    token.iter_mut().zip(bytes).for_each(|(byte, new)| *byte = *new);
    // Fresh ones are random: no two are equal, whatever the input says.
    let fresh = |n: usize| {
        let mut fresh = token;
        fresh[..8].copy_from_slice(&(n as u64 + 1).to_le_bytes());
        fresh[8] = who & 3;
        fresh
    };
    match kind {
        4 => {
            let fresh = fresh(tokens.n_tokens());
            if tokens.player(&fresh).is_none() {
                let shown = Some(TokenHash::of(&token));
                tokens.give(&Grant { player, fresh: TokenHash::of(&fresh), shown });
                assert!(
                    tokens.player(&fresh).is_none_or(|known| known == player),
                    "a token of somebody else"
                );
            }
        }
        5 => tokens.confirm(player),
        6 => tokens.forget(player),
        _ => {
            let _whose = tokens.player(&token);
        }
    }
    assert!(tokens.n_tokens() <= 2 * tokens.n_players(), "more than two tokens each");
}

/// Good questions and wrong ones.
#[must_use]
pub fn admin_seeds() -> Vec<Vec<u8>> {
    let queries =
        ["x=-5&y=10.5&w=100&h=20", "x=0&y=0&w=1e3&h=.5", "x=1&x=1&y=2&w=3&h=1", "x=nan&y=inf&w=-0&h=1"];
    let hosts = [
        "localhost",
        "LOCALHOST:8082",
        "127.0.0.1:8082",
        "[::1]:80",
        "a@localhost",
        "localhost.evil.example",
    ];
    let mut seeds = Vec::new();
    for (kind, texts) in [(0, &queries[..]), (2, &hosts[..])] {
        for text in texts {
            let mut seed = Vec::new();
            push(&mut seed, kind, text.as_bytes());
            seeds.push(seed);
        }
    }
    let mut seed = Vec::new();
    for kind in [4, 4 | 8, 7, 5, 4, 6 | 8, 7, 6] {
        push(&mut seed, kind, &[3; TOKEN_BYTES]);
    }
    seeds.push(seed);
    seeds
}
