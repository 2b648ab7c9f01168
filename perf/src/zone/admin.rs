//! What the zone's admin page says.

use admin_client::Answer;
use anyhow::Context;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::PathBuf;

/// All counters of panics that the zone has caught, and of connections that it ended because of itself.
const PANICS: [&str; 4] =
    ["/refused/panics", "/refused/panics_client", "/sockets/panics_endpoint", "/sockets/closed_internal"];

/// Panics that the zone has caught so far; there must be none.
///
/// # Errors
/// When the status lacks one of the counters: what is not counted cannot be found to be 0.
pub(crate) fn panics(status: &Value) -> anyhow::Result<u64> {
    PANICS.iter().map(|pointer| count(status, pointer)).sum()
}

/// A counter of the status.
///
/// # Errors
/// When there is none of that name.
pub(crate) fn count(status: &Value, pointer: &str) -> anyhow::Result<u64> {
    let found = status.pointer(pointer).and_then(Value::as_u64);
    found.with_context(|| format!("the zone's status has no {pointer}"))
}

/// Where to ask, and where the right to change something is written.
#[derive(Clone, Debug)]
pub(crate) struct Admin {
    /// The page.
    pub(crate) addr: SocketAddr,
    /// File of the token.
    pub(crate) token_file: PathBuf,
}

impl Admin {
    /// Begins a new window of the zone's own figures.
    ///
    /// # Errors
    /// When the zone does not answer as it should.
    pub(crate) fn begin_window(&self) -> anyhow::Result<()> {
        let token = std::fs::read_to_string(&self.token_file).unwrap_or_default();
        let answer = admin_client::post(self.addr, "/window", &admin_client::bearer(&token));
        body(answer, "/window").map(drop)
    }

    /// How the zone is doing.
    ///
    /// # Errors
    /// When the zone does not answer as it should.
    pub(crate) fn status(&self) -> anyhow::Result<Value> {
        let answer = admin_client::get(self.addr, "/status.json");
        serde_json::from_str(&body(answer, "/status.json")?).context("the status is not JSON")
    }
}

fn body(answer: std::io::Result<Answer>, path: &str) -> anyhow::Result<String> {
    let Answer { status, body } =
        answer.with_context(|| format!("the zone's admin page does not answer {path}"))?;
    anyhow::ensure!((200..300).contains(&status), "the zone's admin page answers {status} to {path}");
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_panic_counts_and_a_counter_that_is_not_there_is_an_error() {
        let mut status = json!({
            "refused": { "panics": 1, "panics_client": 2 },
            "sockets": { "panics_endpoint": 4, "closed_internal": 8 },
        });
        assert_eq!(panics(&status).unwrap(), 15);
        status["refused"]["panics_client"].take();
        assert!(panics(&status).unwrap_err().to_string().contains("/refused/panics_client"));
    }
}
