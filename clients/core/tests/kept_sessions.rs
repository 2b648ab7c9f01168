//! Sessions that were recorded against a real zone, kept in the tree, and played again in every test run.
//!
//! They hold what generated input does not: the order and the times in which real sockets deliver, with loss.
//! Source: docs/replay.md "Tapes".

use client_core::playback::{PlayError, Played, play};
use client_core::session::Session;
use client_core::tape::TapeError;

/// How the kept files are made anew, after the wire or the kernel has changed.
const AGAIN: &str = "scripts/record-sessions";
const QUIC: &[u8] = include_bytes!("sessions/quic.session");
const WEBSOCKET: &[u8] = include_bytes!("sessions/websocket.session");

/// Plays a kept file; says how to make it anew if this build speaks another wire.
fn check(bytes: &[u8]) -> (Session, Played) {
    match play(bytes) {
        Ok(played) => played,
        Err(PlayError::Tape(error @ (TapeError::Fingerprint { .. } | TapeError::Kernel { .. }))) => {
            panic!(
                "{error}. That is as it should be when the wire or the kernel was changed on purpose: run {AGAIN}"
            )
        }
        Err(error) => panic!("{error}. If that is as it should be, run {AGAIN}"),
    }
}

#[test]
fn a_kept_quic_session_with_loss_shows_predicts_and_acknowledges_what_it_did() {
    let (session, played) = check(QUIC);
    assert!(played.ns > 18_000_000_000, "{played:?}");
    assert!(played.n_datagrams > 250 && played.n_inputs > 250 && played.n_compared > 250, "{played:?}");
    let lost = 1.0 - played.n_datagrams as f64 / (played.ns as f64 / 50e6);
    assert!(lost > 0.02, "{:.1} % of the snapshots are missing: that is no loss", lost * 100.0);
    let counts = session.predictor().expect("it predicts").counts;
    assert!(counts.compared > 100, "{counts:?}");
}

#[test]
fn a_kept_websocket_session_shows_predicts_and_acknowledges_what_it_did() {
    let (session, played) = check(WEBSOCKET);
    assert!(played.ns > 18_000_000_000 && played.n_datagrams > 300, "{played:?}");
    assert!(session.view().occupied() != 0, "it saw nobody");
}

#[test]
fn a_kept_session_is_small() {
    for bytes in [QUIC, WEBSOCKET] {
        assert!(bytes.len() < 200_000, "{} bytes", bytes.len());
    }
}
