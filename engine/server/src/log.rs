//! Logs for people on stderr, and panics among them.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tracing_subscriber::filter::LevelFilter;

/// Begins logging. Later calls change nothing.
///
/// # Panics
/// If the level is none of tracing's: configuration is checked before.
pub fn start(level: &str) {
    let level: LevelFilter = level.parse().expect("the level was checked when read");
    let subscriber = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_max_level(level)
        .with_target(false)
        .finish();
    drop(tracing::subscriber::set_global_default(subscriber));
}

/// From now on every panic is logged with the tick in which it happened.
pub fn watch_panics(tick: Arc<AtomicU32>) {
    std::panic::set_hook(Box::new(move |panic| {
        let tick = tick.load(Ordering::Relaxed);
        let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
        let trace = std::backtrace::Backtrace::capture();
        tracing::error!(tick, thread, "{panic}\n{trace}");
    }));
}
