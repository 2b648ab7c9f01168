//! Just enough HTTP to ask our own admin page. Source: RFC 9112.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::admin::guard::Token;

/// The admin page is on this machine: what takes longer is stuck.
const TIMEOUT: Duration = Duration::from_secs(2);
/// More than any page of ours.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// An answer: its status code and its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// For instance 200.
    pub(super) status: u16,
    /// As text.
    pub(super) body: String,
}

/// Asks for a page.
///
/// # Errors
/// When nobody answers in time, or not in HTTP.
pub(super) fn get(addr: SocketAddr, path: &str) -> io::Result<Answer> {
    request(addr, &format!("GET {path} HTTP/1.1\r\n"))
}

/// Changes something, with the zone's token.
///
/// # Errors
/// When nobody answers in time, or not in HTTP.
pub(super) fn post(addr: SocketAddr, path: &str, token: &Token) -> io::Result<Answer> {
    request(addr, &format!("POST {path} HTTP/1.1\r\nauthorization: {}\r\n", token.header()))
}

fn request(addr: SocketAddr, head: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&addr, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let head = format!("{head}host: {addr}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    let mut text = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut text)?;
    parse(&text).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP"))
}

fn parse(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    Some(Answer { status, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_split_at_its_empty_line() {
        let answer = parse("HTTP/1.1 503 Service Unavailable\r\na: b\r\n\r\ndraining\r\n\r\n").unwrap();
        assert_eq!(answer, Answer { status: 503, body: "draining\r\n\r\n".to_owned() });
        for bad in ["", "HTTP/1.1 200 OK", "SSH-2.0\r\n\r\n", "HTTP/1.1 2\r\n\r\n"] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }
}
