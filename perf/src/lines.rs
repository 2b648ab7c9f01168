//! Lines between a process that is measured and the one that measures it: JSON out, orders in.
//!
//! Servers of other libraries, in `perf/peers`, are built with this file too.

use anyhow::Context;
use serde::Serialize;
use std::io::Write;
use std::sync::mpsc::{Receiver, channel};

/// Says one line to the parent.
///
/// # Errors
/// When the parent has gone.
pub(crate) fn say<T: Serialize>(value: &T) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(value)?).context("the parent has gone")?;
    out.flush().context("the parent has gone")
}

/// Lines from the parent, read on a thread of their own; the channel closes when the parent goes.
pub(crate) fn orders() -> Receiver<String> {
    let (sender, orders) = channel();
    std::thread::spawn(move || {
        std::io::stdin().lines().map_while(Result::ok).all(|line| sender.send(line).is_ok())
    });
    orders
}
