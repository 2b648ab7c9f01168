//! The HTTP half of a WebSocket: one request in, one response out, no sockets.
use super::origin;
use crate::limits::Limits;
use crate::settings::subprotocol;
use tungstenite::handshake::machine::TryParse;
use tungstenite::handshake::server::{Request, create_response, write_response};
use tungstenite::http::HeaderValue;

/// A request head longer than this is refused.
pub(crate) const HEAD_BYTES_MAX: usize = 4096;
const PROTOCOL_HEADER: &str = "sec-websocket-protocol";
/// Tells a client with another major which one is spoken here.
pub(crate) const MAJOR_HEADER: &str = "arcane-wire-major";

/// What to do with the bytes so far.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The head is not whole yet.
    More,
    /// Send this; frames follow.
    Accept(Vec<u8>),
    /// Send this and hang up.
    Refuse(Vec<u8>),
    /// The same, to a web page that may not play.
    RefusePage(Vec<u8>),
}

/// Judges the bytes of a request.
///
/// - Source: RFC 6455 section 4.2; docs/PROTOCOL.md "Versions".
pub(crate) fn handle_request(bytes: &[u8], wire_major: u16, limits: &Limits) -> Verdict {
    let (size, request) = match Request::try_parse(bytes) {
        Ok(Some(parsed)) => parsed,
        Ok(None) if bytes.len() < HEAD_BYTES_MAX => return Verdict::More,
        Ok(None) => return refuse("431 Request Header Fields Too Large", "", "request head too long\n"),
        Err(_) => return refuse("400 Bad Request", "", "not an HTTP/1.1 GET request\n"),
    };
    if size < bytes.len() {
        return refuse("400 Bad Request", "", "bytes after the request head\n");
    }
    let Ok(mut response) = create_response(&request) else {
        return refuse(
            "426 Upgrade Required",
            "Upgrade: websocket\r\n",
            "this port speaks WebSocket and QUIC\n",
        );
    };
    if limits.checks_origins() && !origin::may_connect(request.headers(), &limits.origins) {
        let text = "pages of this origin may not play here: listen.origins lists those that may\n";
        return Verdict::RefusePage(response_of("403 Forbidden", "", text));
    }
    let ours = subprotocol(wire_major);
    if !offers(&request, &ours) {
        let header = format!("{MAJOR_HEADER}: {wire_major}\r\n");
        return refuse("400 Bad Request", &header, &format!("this server speaks subprotocol {ours}\n"));
    }
    let value = HeaderValue::from_str(&ours).expect("our subprotocol is plain ASCII");
    response.headers_mut().insert(PROTOCOL_HEADER, value);
    let mut out = Vec::new();
    match write_response(&mut out, &response) {
        Ok(()) => Verdict::Accept(out),
        Err(_) => refuse("400 Bad Request", "", "request cannot be answered\n"),
    }
}

fn offers(request: &Request, ours: &str) -> bool {
    let lists = request.headers().get_all(PROTOCOL_HEADER).into_iter();
    lists
        .filter_map(|list| list.to_str().ok())
        .flat_map(|list| list.split(','))
        .any(|name| name.trim() == ours)
}

fn refuse(status: &str, headers: &str, text: &str) -> Verdict {
    Verdict::Refuse(response_of(status, headers, text))
}

fn response_of(status: &str, headers: &str, text: &str) -> Vec<u8> {
    let len = text.len();
    format!("HTTP/1.1 {status}\r\n{headers}Content-Type: text/plain\r\nContent-Length: {len}\r\nConnection: close\r\n\r\n{text}")
        .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::PlainWebSocket;

    const GOOD: &str = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: other, arcane.7\r\n\r\n";

    fn check(request: &str, wire_major: u16, expected: &str) {
        check_with(&Limits::default(), request, wire_major, expected);
    }

    fn check_with(limits: &Limits, request: &str, wire_major: u16, expected: &str) {
        match handle_request(request.as_bytes(), wire_major, limits) {
            Verdict::More => assert_eq!("more", expected),
            Verdict::Accept(out) | Verdict::Refuse(out) | Verdict::RefusePage(out) => {
                let out = String::from_utf8(out).unwrap();
                assert!(out.contains(expected), "{out}");
            }
        }
    }

    #[test]
    fn an_upgrade_with_our_major_among_the_offers_is_accepted() {
        check(GOOD, 7, "101 Switching Protocols");
        check(GOOD, 7, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        check(GOOD, 7, "sec-websocket-protocol: arcane.7");
        for cut in 0..GOOD.len() {
            check(&GOOD[..cut], 7, "more");
        }
    }

    #[test]
    fn another_major_learns_which_one_is_spoken() {
        check(GOOD, 8, "arcane-wire-major: 8");
    }

    #[test]
    fn a_foreign_page_is_refused_unless_a_proxy_or_a_list_lets_it_in() {
        let from = |page: &str| GOOD.replace("Host: x", &format!("Host: 127.0.0.1:8080\r\nOrigin: {page}"));
        let with = |plain_websocket, listed: &[&str]| Limits {
            plain_websocket,
            origins: listed.iter().map(|origin| origin.parse().unwrap()).collect(),
            ..Limits::default()
        };
        let evil = from("https://evil.example");
        for policy in [PlainWebSocket::Loopback, PlainWebSocket::Private] {
            check_with(&with(policy, &[]), &evil, 7, "403 Forbidden");
            check_with(&with(policy, &[]), &evil, 7, "listen.origins");
            check_with(&with(policy, &["https://evil.example"]), &evil, 7, "101 Switching Protocols");
            check_with(&with(policy, &[]), &from("http://localhost:3000"), 7, "101 Switching Protocols");
        }
        check_with(&with(PlainWebSocket::Anybody, &[]), &evil, 7, "101 Switching Protocols");
        let listed = with(PlainWebSocket::Anybody, &["https://game.example"]);
        check_with(&listed, &from("https://game.example"), 7, "101 Switching Protocols");
        check_with(&listed, &evil, 7, "403 Forbidden");
    }

    #[test]
    fn other_requests_are_refused_with_a_reason() {
        check("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 7, "426 Upgrade Required");
        check("POST / HTTP/1.1\r\nHost: x\r\n\r\n", 7, "400 Bad Request");
        check("\u{0}\u{1}\u{2}\r\n\r\n", 7, "400 Bad Request");
        check(&format!("{GOOD}x"), 7, "bytes after the request head");
        check(&format!("GET /{} HTTP/1.1\r\n", "x".repeat(HEAD_BYTES_MAX)), 7, "431");
    }
}
