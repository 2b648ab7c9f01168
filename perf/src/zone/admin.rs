//! Asking the zone's admin page: just enough HTTP. Source: RFC 9112.

use anyhow::Context;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

/// The page is served between two ticks of a busy core.
const TIMEOUT: Duration = Duration::from_secs(3);
/// More than any page of ours.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

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
        let header = format!("authorization: Bearer {}\r\n", token.trim());
        self.request("POST", "/window", &header).map(drop)
    }

    /// How the zone is doing.
    ///
    /// # Errors
    /// When the zone does not answer as it should.
    pub(crate) fn status(&self) -> anyhow::Result<Value> {
        serde_json::from_str(&self.request("GET", "/status.json", "")?).context("the status is not JSON")
    }

    fn request(&self, method: &str, path: &str, header: &str) -> anyhow::Result<String> {
        let asked = self.ask(method, path, header);
        let text = asked.with_context(|| format!("the zone's admin page does not answer {method} {path}"))?;
        let (head, body) = text.split_once("\r\n\r\n").context("the admin page does not speak HTTP")?;
        let status = head.split_whitespace().nth(1).unwrap_or("");
        anyhow::ensure!(status.starts_with('2'), "the zone's admin page answers {status} to {method} {path}");
        Ok(body.to_owned())
    }

    fn ask(&self, method: &str, path: &str, header: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&self.addr, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\ncontent-length: 0\r\nconnection: close\r\n{header}\r\n",
            self.addr
        );
        stream.write_all(head.as_bytes())?;
        let mut text = String::new();
        stream.take(ANSWER_BYTES_MAX).read_to_string(&mut text)?;
        Ok(text)
    }
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
