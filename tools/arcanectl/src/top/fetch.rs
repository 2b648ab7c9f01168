//! Asks the admin address: just enough HTTP/1.1 for it, on the standard library.

use serde_json::Value;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// The admin page answers between two ticks; a zone that takes longer is in trouble.
const WAIT: Duration = Duration::from_secs(2);
/// The map of the largest zone is a tenth of this.
const ANSWER_BYTES_MAX: u64 = 4 << 20;

/// What the zone says.
#[derive(Clone, Debug, Default)]
pub(super) struct Answers {
    pub(super) status: Value,
    pub(super) history: Value,
    pub(super) clients: Value,
    pub(super) map: Value,
}

impl Answers {
    /// Asks for everything that is shown. Only the status must be there.
    ///
    /// # Errors
    /// When nobody answers, or what answers is no zone.
    pub(super) fn fetch(admin: SocketAddr) -> io::Result<Self> {
        let status = get(admin, "/status.json")?;
        let other = |path| get(admin, path).unwrap_or_default();
        let (history, clients) = (other("/history.json"), other("/clients.json"));
        Ok(Self { status, history, clients, map: other("/map.json") })
    }
}

/// One object from one path.
fn get(admin: SocketAddr, path: &str) -> io::Result<Value> {
    let mut stream = TcpStream::connect_timeout(&admin, WAIT)?;
    stream.set_read_timeout(Some(WAIT))?;
    stream.set_write_timeout(Some(WAIT))?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {admin}\r\nconnection: close\r\n\r\n")?;
    let mut bytes = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes)?;
    body(&bytes).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, format!("no answer to {path} that a zone gives"))
    })
}

/// The object of a good answer. With `connection: close` the body ends with the bytes; a zone sends it in one piece.
fn body(bytes: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let is_good = head.starts_with("HTTP/1.1 200 ");
    serde_json::from_str(body).ok().filter(|value: &Value| is_good && value.is_object())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_good_answer_with_an_object_counts() {
        let answer = |head: &str, text: &str| body(format!("{head}\r\nx: y\r\n\r\n{text}").as_bytes());
        assert_eq!(answer("HTTP/1.1 200 OK", r#"{"tick":7}"#).unwrap()["tick"], 7);
        assert_eq!(answer("HTTP/1.1 404 Not Found", r#"{"tick":7}"#), None);
        assert_eq!(answer("HTTP/1.1 200 OK", "hello"), None);
        assert_eq!(answer("SSH-2.0", "{}"), None);
        assert_eq!(body(&[0xff, 0xfe]), None);
    }
}
