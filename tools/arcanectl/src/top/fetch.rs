//! What the admin address says.

use admin_client::Answer;
use serde_json::Value;
use std::io;
use std::net::SocketAddr;

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
    object(&admin_client::get(admin, path)?).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, format!("no answer to {path} that a zone gives"))
    })
}

/// The object of a good answer.
fn object(answer: &Answer) -> Option<Value> {
    let value = serde_json::from_str(&answer.body).ok();
    value.filter(|value: &Value| answer.status == 200 && value.is_object())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_good_answer_with_an_object_counts() {
        let answer = |status, body: &str| object(&Answer { status, body: body.to_owned() });
        assert_eq!(answer(200, r#"{"tick":7}"#).unwrap()["tick"], 7);
        assert_eq!(answer(404, r#"{"tick":7}"#), None);
        assert_eq!(answer(200, "hello"), None);
        assert_eq!(answer(200, "7"), None);
    }
}
