//! Asks a zone's admin page: just enough HTTP/1.1 for it, on the standard library. Source: RFC 9112.
//!
//! The realm on this machine, the command line tool, figures and tests ask this way.
//!
//! Not here: what the answers mean; docs/OPERATIONS.md says so.
#![forbid(unsafe_code)]

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// The page is served between two ticks of a busy core: what takes longer is in trouble.
pub const TIMEOUT: Duration = Duration::from_secs(3);
/// The map of the largest zone is a tenth of this.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// For instance 200.
    pub status: u16,
    /// As text.
    pub body: String,
}

/// Asks for a page.
///
/// # Errors
/// As [`request`].
pub fn get(addr: SocketAddr, path: &str) -> io::Result<Answer> {
    request(addr, ["GET", path], &[], TIMEOUT)
}

/// Changes something, by the right that `authorization` shows, see [`bearer`].
///
/// # Errors
/// As [`request`].
pub fn post(addr: SocketAddr, path: &str, authorization: &str) -> io::Result<Answer> {
    request(addr, ["POST", path], &[("authorization", authorization)], TIMEOUT)
}

/// As [`post`], with something to read.
///
/// # Errors
/// As [`request`].
pub fn post_body(
    addr: SocketAddr,
    path: &str,
    authorization: &str,
    body: &str,
    timeout: Duration,
) -> io::Result<Answer> {
    exchange(addr, ["POST", path], &[("authorization", authorization)], body, timeout)
}

/// What shows a token, as every zone writes one to its data directory. Source: RFC 6750 section 2.1.
#[must_use]
pub fn bearer(token: &str) -> String {
    format!("Bearer {}", token.trim())
}

/// Asks as somebody wants to; a `host` among the headers takes the place of the true one.
///
/// - Shapes: method and path; headers with their values.
/// - Cost: waits until `timeout` at most.
///
/// # Errors
/// When nobody answers in time, or not in HTTP, or without end.
pub fn request(
    addr: SocketAddr,
    [method, path]: [&str; 2],
    headers: &[(&str, &str)],
    timeout: Duration,
) -> io::Result<Answer> {
    exchange(addr, [method, path], headers, "", timeout)
}

fn exchange(
    addr: SocketAddr,
    [method, path]: [&str; 2],
    headers: &[(&str, &str)],
    body: &str,
    timeout: Duration,
) -> io::Result<Answer> {
    let deadline = Instant::now() + timeout;
    let mut stream = TcpStream::connect_timeout(&addr, timeout)?;
    stream.set_write_timeout(Some(timeout))?;
    let has_host = headers.iter().any(|(name, _)| *name == "host");
    let host = if has_host { String::new() } else { format!("host: {addr}\r\n") };
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let rest = format!("content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    stream.write_all(format!("{method} {path} HTTP/1.1\r\n{host}{headers}{rest}").as_bytes())?;
    let bytes = read(&mut stream, deadline)?;
    let answer = std::str::from_utf8(&bytes).ok().and_then(parse);
    answer.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP"))
}

fn read(stream: &mut TcpStream, deadline: Instant) -> io::Result<Vec<u8>> {
    let (mut bytes, mut part) = (Vec::new(), [0; 16 * 1024]);
    while !is_whole(&bytes) {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut part)? {
            0 => break,
            n if bytes.len() + n > ANSWER_BYTES_MAX => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the answer is longer than any page"));
            }
            n => bytes.extend_from_slice(&part[..n]),
        }
    }
    Ok(bytes)
}

/// Whether an answer is complete by its own length; one that says none is complete at its end.
fn is_whole(bytes: &[u8]) -> bool {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    length.is_some_and(|length: usize| bytes.len() - end - 4 >= length)
}

fn parse(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    Some(Answer { status, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// What is made of an answer that comes in these pieces, and then nothing more, on an open connection.
    fn answered(pieces: &'static [&'static [u8]], is_closed: bool, timeout: Duration) -> io::Result<Answer> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let (done, wait) = std::sync::mpsc::channel::<()>();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                asked.push(byte[0]);
            }
            for piece in pieces {
                // Who has heard enough goes away.
                let _ = stream.write_all(piece);
            }
            if !is_closed {
                let _ = wait.recv();
            }
            String::from_utf8(asked).unwrap()
        });
        let answer = request(addr, ["GET", "/a"], &[("x", "y")], timeout);
        drop(done);
        let asked = server.join().unwrap();
        assert!(asked.starts_with(&format!("GET /a HTTP/1.1\r\nhost: {addr}\r\nx: y\r\n")), "{asked}");
        answer
    }

    #[test]
    fn an_answer_ends_where_it_says_or_with_its_connection() {
        let draining = Answer { status: 503, body: "draining\r\n\r\n".to_owned() };
        let pieces: &[&[u8]] = &[b"HTTP/1.1 503 No\r\nContent-Le", b"ngth: 12\r\n\r\ndrain", b"ing\r\n\r\n"];
        assert_eq!(answered(pieces, false, TIMEOUT).unwrap(), draining);
        let pieces: &[&[u8]] = &[b"HTTP/1.1 503 No\r\n\r\ndraining\r\n\r\n"];
        assert_eq!(answered(pieces, true, TIMEOUT).unwrap(), draining);
    }

    #[test]
    fn what_is_no_answer_in_time_is_an_error() {
        let bad: [&[&[u8]]; 5] =
            [&[], &[b"HTTP/1.1 200 OK"], &[b"SSH-2.0\r\n\r\n"], &[b"HTTP/1.1 2\r\n\r\n"], &[b"\xff\r\n\r\n"]];
        for bad in bad {
            assert!(answered(bad, true, TIMEOUT).is_err(), "{bad:?}");
        }
        let slow =
            answered(&[b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n"], false, Duration::from_millis(50));
        assert!(slow.is_err());
        static ENDLESS: [&[u8]; 80] = [&[b'x'; 64 << 10]; 80];
        let endless = answered(&ENDLESS, false, TIMEOUT).unwrap_err();
        assert_eq!(endless.to_string(), "the answer is longer than any page");
    }
}
