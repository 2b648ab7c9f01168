//! `POST /order`: what operators ask of a running zone.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use engine::DurableId;
use engine::content::Things;
use engine::economy::Goods;
use engine::input::REASON_BYTES_MAX;
use netproto::Outcome;
use serde::Deserialize;
use serde_json::json;

use super::Desk;
use crate::zone::office::{Ruling, Wish};

/// A longer order is none.
pub(super) const BODY_BYTES_MAX: usize = 2048;
/// A notice has room for this on the wire. Source: docs/PROTOCOL.md "Records".
const TEXT_BYTES_MAX: usize = 400;

/// An order as `arcanectl admin` sends it.
#[derive(Deserialize)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
enum Order {
    Give { player: String, thing: String, count: u32, reason: String },
    Take { player: String, thing: String, count: u32, reason: String },
    Kick { player: String, reason: String },
    Say { text: String },
}

pub(super) async fn order(State(desk): State<Desk>, body: String) -> Response {
    let Some(things) = desk.things.get() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "the world is not there yet\n").into_response();
    };
    let wish = match read(&body, things) {
        Ok(wish) => wish,
        Err(text) => return (StatusCode::BAD_REQUEST, format!("{text}\n")).into_response(),
    };
    tracing::info!(?wish, "an operator asks");
    let Some(Ruling { tick, number, outcome }) = desk.counter.ask(wish).await else {
        let text = "the zone has not answered in time: look whether it happened before you ask again\n";
        return (StatusCode::GATEWAY_TIMEOUT, text).into_response();
    };
    let status = if outcome == Outcome::Done { StatusCode::OK } else { StatusCode::CONFLICT };
    let ruling = json!({ "outcome": outcome.name(), "tick": tick, "decree": number });
    (status, axum::Json(ruling)).into_response()
}

fn read(body: &str, things: &Things) -> Result<Wish, String> {
    let order = serde_json::from_str(body).map_err(|error| format!("this is no order: {error}"))?;
    let decree = |player: &str, thing: &str, count, reason, is_gift| {
        let number = thing.parse().ok().filter(|number| things.get(*number).is_some());
        let number = number.or_else(|| things.named(thing));
        let thing =
            number.ok_or_else(|| format!("there is no thing {thing:?}: give its number, or its name"))?;
        let goods = Goods { thing, count };
        Ok(Wish::Decree { player: id(player)?, goods, is_gift, reason: text(reason, REASON_BYTES_MAX)? })
    };
    match order {
        Order::Give { player, thing, count, reason } => decree(&player, &thing, count, &reason, true),
        Order::Take { player, thing, count, reason } => decree(&player, &thing, count, &reason, false),
        Order::Kick { player, reason } => {
            Ok(Wish::Kick { player: id(&player)?, reason: text(&reason, REASON_BYTES_MAX)? })
        }
        Order::Say { text: said } => Ok(Wish::Say(text(&said, TEXT_BYTES_MAX)?)),
    }
}

/// A durable id as it is shown: 16 hex digits, the high half first.
fn id(text: &str) -> Result<DurableId, String> {
    let number = (text.len() == 16).then(|| u64::from_str_radix(text, 16).ok()).flatten();
    let number = number.ok_or_else(|| {
        format!("{text:?} is no player: 16 hex digits, as `arcanectl economy audit --players` shows them")
    })?;
    Ok(DurableId { low: number as u32, high: (number >> 32) as u32 })
}

fn text(text: &str, bytes_max: usize) -> Result<std::sync::Arc<str>, String> {
    let text = text.trim();
    if text.is_empty() || text.len() > bytes_max {
        return Err(format!("say why, or what, in 1 to {bytes_max} bytes; these are {}", text.len()));
    }
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read_whole_or_refused_with_a_reason() {
        let things = engine::Content::standard(20).things;
        let give =
            r#"{"action":"give","player":"0000000300000001","thing":"Hide","count":2,"reason":"a flood"}"#;
        let Ok(Wish::Decree { player, goods, is_gift: true, .. }) = read(give, &things) else {
            panic!("{give}")
        };
        assert_eq!((player, goods), (DurableId { low: 1, high: 3 }, Goods { thing: 2, count: 2 }));
        assert!(
            read(&give.replace("Hide", "2"), &things).is_ok_and(|wish| matches!(wish, Wish::Decree { .. }))
        );
        assert!(
            matches!(read(r#"{"action":"say","text":" hello "}"#, &things), Ok(Wish::Say(text)) if &*text == "hello")
        );
        for (from, to, says) in [
            ("Hide", "Silk", "there is no thing \"Silk\""),
            ("0000000300000001", "3", "is no player"),
            ("a flood", "  ", "say why"),
            ("\"count\":2", "\"count\":-2", "no order"),
            ("give", "steal", "no order"),
            ("reason", "because", "no order"),
        ] {
            let refused = read(&give.replacen(from, to, 1), &things).unwrap_err();
            assert!(refused.contains(says), "{refused}");
        }
    }
}
