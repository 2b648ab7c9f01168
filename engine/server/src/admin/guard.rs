//! Who may ask the admin page: this machine's names only, and whoever changes something has the token.
//!
//! A browser on this machine reaches loopback on behalf of any page in it. A foreign name that resolves to loopback
//! is refused by its Host header, a foreign page cannot know the token, and answers say what a browser may do.

use std::io;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, uri::Authority};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::zone::files;

/// The token's place in the data directory.
pub const TOKEN_FILE: &str = "admin.token";
const TOKEN_BYTES: usize = 32;

/// Scripts, styles and answers of our own, and nothing else: no inline code, no frames, no forms.
const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
];

/// What whoever changes something must know.
#[derive(Clone)]
pub struct Token(Arc<str>);

impl Token {
    /// A new token, left in the data directory for whoever may read it.
    ///
    /// # Errors
    /// When there is no randomness or the file cannot be written.
    pub fn leave(data_dir: &Path) -> anyhow::Result<Self> {
        let mut bytes = [0; TOKEN_BYTES];
        getrandom::fill(&mut bytes).map_err(io::Error::other).context("the kernel gives no randomness")?;
        let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let path = data_dir.join(TOKEN_FILE);
        files::replace(&path, format!("{text}\n").as_bytes())
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self(text.into()))
    }

    /// The token of the zone whose data directory this is.
    ///
    /// # Errors
    /// When there is none or it may not be read.
    pub fn read(data_dir: &Path) -> anyhow::Result<Self> {
        let path = data_dir.join(TOKEN_FILE);
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self(text.trim().into()))
    }

    /// The header that shows it.
    #[must_use]
    pub fn header(&self) -> String {
        format!("Bearer {}", self.0)
    }

    /// Whether the headers show it. Takes the same time for every wrong token of the right length.
    fn is_shown(&self, headers: &HeaderMap) -> bool {
        let shown = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
        let good = self.header();
        let differs = |sum: u8, (a, b): (&u8, &u8)| sum | a ^ b;
        shown.len() == good.len() && shown.iter().zip(good.as_bytes()).fold(0, differs) == 0
    }
}

/// Lets a request through or answers it with a no; adds the headers that every answer has.
pub(super) async fn check(State(token): State<Token>, request: Request, next: Next) -> Response {
    let mut response = match refusal(&token, request.method(), request.headers()) {
        Some((status, text)) => (status, text).into_response(),
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, value);
    }
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(CONTENT_POLICY));
    response
}

fn refusal(token: &Token, method: &Method, headers: &HeaderMap) -> Option<(StatusCode, &'static str)> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    if !host.is_some_and(is_loopback_name) {
        let text = "this page answers to localhost, 127.0.0.1 and [::1] only\n";
        return Some((StatusCode::MISDIRECTED_REQUEST, text));
    }
    if !matches!(*method, Method::GET | Method::HEAD) && !token.is_shown(headers) {
        let text = "whoever changes something sends `Authorization: Bearer TOKEN` with the token of the file \
                    admin.token in the zone's data directory\n";
        return Some((StatusCode::UNAUTHORIZED, text));
    }
    None
}

/// Whether a Host header names this machine's loopback, with or without a port.
pub(super) fn is_loopback_name(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    let is_address = name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    !host.contains('@') && (is_address || name.eq_ignore_ascii_case("localhost"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn headers(host: &str, authorization: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        headers.insert(header::AUTHORIZATION, authorization.parse().unwrap());
        headers
    }

    #[test]
    fn only_names_of_loopback_are_answered() {
        for good in ["localhost", "LOCALHOST:8082", "127.0.0.1:8082", "127.9.9.9", "[::1]:80", "[::1]"] {
            assert!(is_loopback_name(good), "{good}");
        }
        for bad in [
            "",
            "evil.example",
            "localhost.evil.example:8082",
            "127.0.0.1.evil",
            "10.0.0.1",
            "a@localhost",
            "::",
        ] {
            assert!(!is_loopback_name(bad), "{bad}");
        }
    }

    #[test]
    fn a_token_is_for_its_owner_and_new_at_each_start() {
        let dir = tempfile::tempdir().unwrap();
        let first = Token::leave(dir.path()).unwrap();
        let second = Token::leave(dir.path()).unwrap();
        assert_ne!(first.0, second.0);
        assert_eq!((second.0.len(), Token::read(dir.path()).unwrap().0), (64, second.0.clone()));
        let mode = std::fs::metadata(dir.path().join(TOKEN_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn reading_needs_no_token_and_changing_does() {
        let token = Token("ab12".into());
        let refused = |method, authorization| {
            refusal(&token, &method, &headers("localhost", authorization)).map(|(status, _)| status)
        };
        assert_eq!(refused(Method::GET, "Bearer wrong"), None);
        assert_eq!(refused(Method::POST, "Bearer ab12"), None);
        for bad in ["", "Bearer", "Bearer ab13", "Bearer ab12 ", "bearer ab12", "ab12"] {
            assert_eq!(refused(Method::POST, bad), Some(StatusCode::UNAUTHORIZED), "{bad:?}");
        }
        assert_eq!(refused(Method::DELETE, ""), Some(StatusCode::UNAUTHORIZED));
        let elsewhere = refusal(&token, &Method::POST, &headers("evil.example", "Bearer ab12"));
        assert_eq!(elsewhere.map(|(status, _)| status), Some(StatusCode::MISDIRECTED_REQUEST));
    }
}
